"""The best of any learner: against closed forms, brute force, and what is known at the ends."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import kdtheory as kd
from kdtheory import measures

SPECTRUM = np.asarray(kd.spectra.power_law(12, 1.5))
SIGNAL = np.random.default_rng(0).normal(size=12)
NOISE = 1e-3
FLOWS = kd.distill(kd.GradientFlow(1.0), kd.GradientFlow(1.0))


def risk_of(filter_, noise=NOISE, signal=SIGNAL):
    """The risk, written anew."""
    return float(np.sum(SPECTRUM * signal**2 * (1 - filter_) ** 2 + noise * filter_**2))


@kd.record
class Twice(kd.Learner):
    """Ridge refitted around its own solution, an author's own learner: 1 - φ = (c/(λ + c))^rounds."""

    penalty: float
    rounds: int

    def filter(self, eigenvalues):
        return 1.0 - (self.penalty / (eigenvalues + self.penalty)) ** self.rounds

    def fit(self, problem, start=None):
        raise NotImplementedError


def test_the_best_ridge_of_an_isotropic_signal_has_a_closed_form():
    for signal, noise in ((1.0, 1e-3), (0.3, 0.1), (2.0, 7.0)):
        best = measures.best(kd.Ridge(9.0), "penalty", SPECTRUM, signal, noise)
        assert best.penalty == pytest.approx(noise / signal**2, rel=1e-12) and type(best.penalty) is float


def test_one_field_is_what_best_stop_finds():
    for learner, field in ((kd.GradientFlow(1.0), "time"), (kd.Ridge(1.0), "penalty")):
        best, stopped = (
            measures.best(learner, field, SPECTRUM, SIGNAL, NOISE),
            measures.best_stop(learner, SPECTRUM, SIGNAL, NOISE),
        )
        assert getattr(best, field) == pytest.approx(getattr(stopped, field), rel=1e-9)
        assert type(getattr(stopped, field)) is float


def test_two_stops_against_scipy():
    """Of signals on small and large directions alike both stops are finite; from many starts, by code of scipy's."""
    signal = np.where(np.arange(12) == 5, 3.0, 0.3)
    best = measures.best(FLOWS, ["teacher.time", "student.time"], SPECTRUM, signal, 0.02)
    total = lambda at: risk_of(
        -np.expm1(-SPECTRUM * np.exp(at[0])) * -np.expm1(-SPECTRUM * np.exp(at[1])), 0.02, signal
    )
    starts = [(a, b) for a in (-2.0, 2.0, 6.0) for b in (-2.0, 2.0, 6.0)]
    options = dict(xatol=1e-10, fatol=1e-16, maxiter=4000)
    least = min(minimize(total, start, method="Nelder-Mead", options=options).fun for start in starts)
    found = total(np.log([best.teacher.time, best.student.time]))
    assert found == pytest.approx(least, rel=1e-12) or found < least
    assert found < 0.9999 * float(
        measures.risk(measures.best_stop(kd.GradientFlow(1.0), SPECTRUM, signal, 0.02), SPECTRUM, signal, 0.02).total
    )


def test_a_narrow_valley_of_two_stops_against_brute_force():
    """Of a power law the two stops may be exchanged, and where one is long the other alone decides."""
    spectrum = np.asarray(kd.spectra.power_law(100, 1.5))
    for signal in (spectrum, np.sqrt(spectrum)):
        best = measures.best(FLOWS, ["teacher.time", "student.time"], spectrum, signal, 0.25 / 200)
        found = float(measures.risk(best, spectrum, signal, 0.25 / 200).total)
        times = np.geomspace(0.5, 2e3, 200)
        learnt = -np.expm1(-np.outer(times, spectrum))
        both = learnt[:, None] * learnt
        table = np.sum(spectrum * ((1 - both) * signal) ** 2 + 0.25 / 200 * both**2, axis=-1)
        assert found <= table.min() and found == pytest.approx(table.min(), rel=2e-4)


def test_the_weight_is_the_top_of_its_parabola():
    student = kd.distill(kd.Ridge(0.3), kd.Ridge(0.02))
    weight = float(measures.best_weight(student.teacher, student.student, SPECTRUM, SIGNAL, NOISE))
    best = measures.best(student, {"teacher_weight": (-50.0, 50.0)}, SPECTRUM, SIGNAL, NOISE)
    assert best.teacher_weight == pytest.approx(weight, rel=1e-9)
    inside = measures.best(student, "teacher_weight", SPECTRUM, SIGNAL, NOISE).teacher_weight
    assert inside == pytest.approx(min(max(weight, 0.0), 1.0), abs=1e-12)


def test_three_fields_are_no_worse_than_a_grid():
    both = kd.distill(kd.Ridge(1.0), kd.Ridge(1.0))
    names = ["teacher.penalty", "student.penalty", "teacher_weight"]
    best = measures.best(both, names, SPECTRUM, SIGNAL, NOISE)
    found = float(measures.risk(best, SPECTRUM, SIGNAL, NOISE).total)
    ridge = lambda c: SPECTRUM / (SPECTRUM + c)
    penalties = np.concatenate([[0.0], np.geomspace(1e-6, 1e3, 70), [np.inf]])
    brute = min(
        risk_of(ridge(s) * (w * ridge(t) + 1 - w)) for t in penalties for s in penalties for w in np.linspace(0, 1, 21)
    )
    assert found <= brute * (1 + 1e-12)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_steps_are_whole(momentum):
    best = measures.best(kd.Nesterov(0.5, momentum, 10), "steps", SPECTRUM, SIGNAL, NOISE)
    path = kd.Nesterov(0.5, momentum, jnp.arange(1, 2000))
    totals = np.asarray(measures.risk(path, SPECTRUM, SIGNAL, NOISE).total)
    assert type(best.steps) is int
    assert float(measures.risk(best, SPECTRUM, SIGNAL, NOISE).total) == pytest.approx(totals.min(), rel=1e-12)
    assert best.steps == 1 + totals.argmin()


def test_own_learners_and_ranges_of_whole_numbers():
    best = measures.best(Twice(1.0, 1), {"penalty": (0.0, np.inf), "rounds": range(1, 30)}, SPECTRUM, SIGNAL, NOISE)
    brute = min(
        (risk_of(1 - (c / (SPECTRUM + c)) ** k), k) for c in np.geomspace(1e-5, 1e2, 4000) for k in range(1, 30)
    )
    found = float(measures.risk(best, SPECTRUM, SIGNAL, NOISE).total)
    assert found <= brute[0] and found == pytest.approx(brute[0], rel=1e-5) and type(best.rounds) is int
    assert 1 <= best.rounds < 30
    alone = measures.best(Twice(0.05, 1), {"rounds": range(1, 30)}, SPECTRUM, SIGNAL, NOISE)
    assert alone.rounds == min(range(1, 30), key=lambda k: risk_of(1 - (0.05 / (SPECTRUM + 0.05)) ** k))


def test_self_distillation_has_a_best_number_of_fits():
    learner = kd.SelfDistilled(kd.Ridge(1e-3), 1.0, 1)
    best = measures.best(learner, {"fits": range(1, 200)}, SPECTRUM, SIGNAL, 0.01)
    ridge = SPECTRUM / (SPECTRUM + 1e-3)
    assert best.fits == min(range(1, 200), key=lambda k: risk_of(ridge**k, 0.01)) and 1 < best.fits < 199


def test_ends_are_answered_as_they_are():
    flow, ridge = kd.GradientFlow(1.0), kd.Ridge(1.0)
    for found in (measures.best(flow, "time", SPECTRUM, SIGNAL, 0.0), measures.best_stop(flow, SPECTRUM, SIGNAL, 0.0)):
        assert found.time == math.inf and type(found.time) is float
    for found in (
        measures.best(ridge, "penalty", SPECTRUM, SIGNAL, 0.0),
        measures.best_stop(ridge, SPECTRUM, SIGNAL, 0.0),
    ):
        assert found.penalty == 0.0 and type(found.penalty) is float
    for found in (
        measures.best(flow, "time", SPECTRUM, 0.0, NOISE),
        measures.best_stop(flow, SPECTRUM, 0.0, NOISE),
        measures.best(FLOWS, "student.time", SPECTRUM, 0.0, NOISE).student,
    ):
        assert found.time == 0.0
    assert measures.best(ridge, "penalty", SPECTRUM, 0.0, NOISE).penalty == math.inf
    assert measures.best_stop(ridge, SPECTRUM, 0.0, NOISE).penalty == math.inf
    both = measures.best(FLOWS, ["teacher.time", "student.time"], SPECTRUM, SIGNAL, 0.0)
    assert both.teacher.time == both.student.time == math.inf
    assert float(measures.risk(both, SPECTRUM, SIGNAL, 0.0).total) == 0.0
    # however little noise there is, some is avoided by stopping: no end
    assert math.isfinite(measures.best(flow, "time", [1.0], 1.0, 1e-25).time)
    assert measures.best(flow, "time", [1.0], 1.0, 1e-25).time == pytest.approx(25 * math.log(10), rel=1e-6)


def test_the_number_of_directions_may_vanish():
    """Null directions count for nothing in the search, and one direction is enough."""
    padded = np.append(SPECTRUM, 0.0), np.append(SIGNAL, 5.0)
    ones = np.ones(13)
    plain = measures.best(kd.Ridge(1.0), "penalty", SPECTRUM, SIGNAL, NOISE, weights=ones[:12])
    assert measures.best(kd.Ridge(1.0), "penalty", *padded, NOISE, weights=ones).penalty == plain.penalty
    assert measures.best(kd.Ridge(1.0), "penalty", [2.0], [1.0], 0.5).penalty == pytest.approx(0.5, rel=1e-12)


def test_what_cannot_be_looked_for_is_refused():
    for fields, said in (
        ("time", "time: Distilled has no field 'time'; it has teacher, student, teacher_weight, temperature"),
        ("teacher", "teacher is GradientFlow, and no number"),
        ("teacher.penalty", "teacher.penalty: GradientFlow has no field 'penalty'; it has time"),
        ([], "fields names nothing"),
        ({"teacher.time": (2.0, 1.0)}, r"teacher.time takes \(low, high\) with low < high"),
        ({"teacher.time": range(3, 3)}, "must count up by one and have some"),
        ({"teacher.time": 1.0}, r"teacher.time takes \(low, high\)"),
    ):
        with pytest.raises(ValueError, match=said):
            measures.best(FLOWS, fields, SPECTRUM, SIGNAL, NOISE)
    for call in (
        lambda: measures.best(FLOWS, "teacher.time", SPECTRUM, SIGNAL, -1e-3),
        lambda: measures.best_stop(kd.Ridge(1.0), SPECTRUM, SIGNAL, -1e-3),
        lambda: measures.risk(FLOWS, SPECTRUM, SIGNAL, -1.0),
        lambda: measures.risk(FLOWS, SPECTRUM, SIGNAL, math.nan),
    ):
        with pytest.raises(ValueError, match="noise_variance must be >= 0, got"):
            call()
    with pytest.raises(ValueError, match="eigenvalues are zero"):
        measures.best(FLOWS, "teacher.time", [0.0], 1.0, NOISE)
    with pytest.raises(TypeError, match=r"Distilled has no single clock .* measures.best\(flows, \[\"teacher.time\""):
        measures.best_stop(FLOWS, SPECTRUM, SIGNAL, NOISE)
    assert jax.jit(lambda v: measures.risk(kd.Ridge(1.0), SPECTRUM, SIGNAL, v).total)(0.1) > 0  # traced as ever


# From a problem to its risk.


def linear(key, samples=30, noise=0.0, signal=1.0):
    return kd.problems.gaussian(key, SPECTRUM, samples, signal=signal, noise=noise)


def test_a_problem_gives_signal_and_noise():
    """θ and σ²/N against the mean over noise of runs: the whole conversion at once."""
    clean = linear(0)
    truth, sigma = np.ones(12), 0.3
    learner = kd.distill(kd.GradientFlow(5.0), kd.Ridge(0.02))
    expected = float(measures.risk_on(learner, clean, truth, sigma).total)
    system, random, seen = clean.eigensystem(), np.random.default_rng(1), []
    for _ in range(300):
        noisy = clean.relabel(np.asarray(clean.targets) + sigma * random.standard_normal(30))
        run = kd.simulate(learner, noisy, noisy.eigensystem())
        seen.append(float(measures.observed_risk(run, noisy, truth)))
        if len(seen) == 1:  # by predictions, which need no eigensystem
            error = np.asarray(noisy.predict(learner.fit(noisy)) - clean.features @ truth)
            assert seen[0] == pytest.approx(np.mean(error**2), rel=1e-12)
    assert np.mean(seen) == pytest.approx(expected, abs=4 * np.std(seen) / np.sqrt(300))
    assert np.std(seen) / np.sqrt(300) < 0.05 * expected
    known = measures.signal_and_noise(clean, truth, sigma, eigensystem=system)
    assert known.noise_variance == pytest.approx(sigma**2 / 30, rel=1e-15)
    least = measures.risk_on(kd.Ridge(0.0), clean, truth, sigma).total
    assert float(least) == pytest.approx(12 * sigma**2 / 30, rel=1e-12)  # least squares: K σ²/N


def test_predictions_kernels_and_outputs():
    clean = linear(0)
    truth = np.random.default_rng(3).normal(size=(12, 2))
    two = kd.problems.linear(clean.features, np.asarray(clean.features) @ truth)
    flow = kd.GradientFlow(jnp.array([1.0, 5.0]))
    whole = measures.risk_on(flow, two, truth, 0.2).total
    parts = sum(
        measures.risk_on(flow, kd.problems.linear(clean.features, two.targets[:, c]), truth[:, c], 0.2).total
        for c in range(2)
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-12)
    np.testing.assert_allclose(measures.risk_on(flow, two, predictions=two.targets, noise=0.2).total, whole, rtol=1e-9)
    run = kd.simulate(flow, two)
    errors = np.asarray(two.predict(flow.fit(two))) - np.asarray(two.targets)
    np.testing.assert_allclose(
        measures.observed_risk(run, two, truth), np.sum(np.mean(errors**2, axis=1), axis=-1), rtol=1e-9
    )
    gram = np.asarray(clean.features) @ np.asarray(clean.features).T + 0.1 * np.eye(30)
    kernel = kd.problems.kernel(gram, clean.targets)
    alpha = np.linalg.solve(gram, np.asarray(clean.targets))
    by_duals = measures.risk_on(kd.Ridge(0.1), kernel, truth=alpha, noise=0.2).total
    by_values = measures.risk_on(kd.Ridge(0.1), kernel, predictions=clean.targets, noise=0.2).total
    assert float(by_duals) == pytest.approx(float(by_values), rel=1e-9)
    smoother = gram @ np.linalg.inv(gram + 30 * 0.1 * np.eye(30))
    bias = np.mean((smoother @ np.asarray(clean.targets) - np.asarray(clean.targets)) ** 2)
    assert float(by_values) == pytest.approx(bias + 0.2**2 * np.sum(smoother**2) / 30, rel=1e-10)


def test_step_sizes_of_none_are_those_of_the_data():
    problem = linear(0)
    top = problem.eigensystem().eigenvalues[0]
    given, none = kd.GradientDescent(1.0 / top, 50), kd.GradientDescent(None, 50)
    assert float(measures.risk_on(none, problem, np.ones(12), 0.1).total) == pytest.approx(
        float(measures.risk_on(given, problem, np.ones(12), 0.1).total), rel=1e-12
    )


def test_truths_that_do_not_fit_are_refused():
    problem = linear(0)
    for arguments, said in (
        (dict(), "give truth, the true parameters, or predictions"),
        (dict(truth=np.ones(12), predictions=np.ones(30)), "one of the two"),
        (dict(truth=np.ones(30)), r"truth must have the shape \(12,\), got \(30,\)"),
        (dict(predictions=np.ones(12)), r"predictions must have the shape \(30,\), got \(12,\)"),
        (dict(truth=np.ones(12), noise=-1.0), "noise must be one finite number >= 0"),
    ):
        with pytest.raises(ValueError, match=said):
            measures.signal_and_noise(problem, **arguments)
    other = kd.simulate(kd.Ridge(1.0), kd.problems.gaussian(0, SPECTRUM[:5], 30))
    with pytest.raises(ValueError, match=r"run has directions and outputs \(5,\), and the problem \(12,\)"):
        measures.observed_risk(other, problem, np.ones(12))


def test_replacing_is_a_copy():
    before = dataclasses.replace(FLOWS)
    measures.best(FLOWS, "student.time", SPECTRUM, SIGNAL, NOISE)
    assert FLOWS.student.time == before.student.time == 1.0


@pytest.mark.parametrize("noise", [1e-12, 1e-8, 0.1, 1e8, 1e12])
def test_the_best_penalty_is_found_however_little_or_much_noise_there_is(noise):
    """Of an isotropic signal: v/θ²."""
    found = kd.measures.best_stop(kd.Ridge(1.0), [1.0, 0.5], [1.0, -1.0], noise)
    assert found.penalty == pytest.approx(noise, rel=1e-9)
    for search in (
        lambda v: kd.measures.best_stop(kd.Ridge(1.0), [1.0], [1.0], v),
        lambda v: kd.measures.best(kd.Ridge(1.0), "penalty", [1.0], [1.0], v),
    ):
        with pytest.raises(ValueError, match="noise_variance must be finite, got inf"):
            search(np.inf)


def test_nothing_to_learn_and_a_step_size_of_the_data():
    with pytest.raises(ValueError, match="eigenvalues are zero: there is nothing to learn"):
        kd.measures.best_stop(kd.Ridge(1.0), [0.0, 0.0], [1.0, 1.0], 0.1)
    given = [2.0, 0.5], [1.0, 1.0], 0.1
    by_data, by_hand = (kd.measures.best_stop(kd.GradientDescent(each, 1), *given) for each in (None, 0.5))
    assert float(by_data.step_size) == by_hand.step_size and by_data.steps == by_hand.steps
