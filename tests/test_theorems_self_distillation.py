"""Self-distillation with weight on the ground truth: the reference values of T3 (Borup & Andersen 2021), and two
routes to every number."""

import itertools
import json
import math
import pathlib
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures
from kdtheory.claims import HOLDS, OUTSIDE, VIOLATED
from kdtheory.theorems import (
    best_truth_weight,
    limit_of_self_distillation,
    powers_of_ridge,
    ridge_student_with_truth,
    self_distillation_sparsifies,
    sparsification_is_monotone,
)

CASES = {
    case["name"]: case
    for case in json.loads((pathlib.Path(__file__).parent / "reference" / "theorems" / "T3.json").read_text())["cases"]
}
FILTERS = [name for name, case in CASES.items() if "taus" in case["inputs"]]


def exactly(values):
    return np.array([float(mpmath.mpf(value)) for value in values])


def near(got, wanted):
    """To 1e-12 relative, where the wanted number is in the range of normal floats."""
    wanted = exactly(wanted)
    normal = (np.abs(wanted) > 2.3e-308) | (wanted == 0)
    np.testing.assert_allclose(np.asarray(got)[normal], wanted[normal], rtol=1e-12, atol=0)
    assert np.all(np.abs(np.asarray(got)[~normal]) < 2.3e-308)


@pytest.mark.parametrize("name", FILTERS)
def test_reference(name):
    given, wanted = CASES[name]["inputs"], CASES[name]["expected"]
    d, learner = jnp.array(given["d"]), kd.Ridge(given["lam"])
    seen = kd.SelfDistilled(learner, 1 - given["alpha"], jnp.array([*given["taus"], jnp.inf]))
    factors, logs = seen.filter(d), seen.log_filter(d)
    for moment, tau in enumerate(given["taus"]):
        near(factors[moment], wanted[f"b_tau_{tau}"])
        near(logs[moment], wanted[f"log_b_tau_{tau}"])
    near(factors[-1], wanted["b_inf"])
    near(seen.log_residual(d)[-1], wanted["log_one_minus_b_inf"])
    if given["alpha"] > 0:
        limit = kd.Ridge(given["lam"] / given["alpha"])
        near(limit.filter(d), wanted["b_inf"])
        near(limit.log_residual(d), wanted["log_one_minus_b_inf"])


LEARNERS = {
    "flow": kd.GradientFlow(1.3),
    "past the largest eigenvalue": kd.GradientDescent(0.7, 3),  # whose filter exceeds one
    "ridge": kd.Ridge(0.4),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_closed_form_is_the_fold(name):
    learner, fits = LEARNERS[name], [1, 2, 5]

    @jax.jit
    @jax.vmap
    def closed_and_folded(weight):
        everything = lambda s: (s.learnt.value, s.left, s.lost, s.residual, s.log_learnt())
        spectrum = jnp.array([2.0, 0.7, 0.01, 0.0])
        closed = everything(kd.SelfDistilled(learner, weight, jnp.array(fits)).shares(spectrum))
        folds = [everything(kd.self_distill(learner, count, weight).shares(spectrum)) for count in fits]
        return closed, jax.tree.map(lambda *each: jnp.stack(each), *folds)

    closed, folded = closed_and_folded(jnp.array([0.0, 0.3, 1.0, 1.4, -0.6]))
    for got, wanted in zip(jax.tree.leaves(closed), jax.tree.leaves(folded), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["past the largest eigenvalue", "ridge"])
def test_both_faces_along_a_path(name):
    problem = kd.problems.with_spectrum(0, [2.0, 0.7, 0.01], samples=7)
    path, start = kd.SelfDistilled(LEARNERS[name], 0.8, jnp.array([4, 1, 3])), jnp.array([0.3, -0.2, 0.5])
    for begin in (None, start):
        seen, theory = kd.simulate(path, problem, start=begin), kd.closed_form(path, problem.eigensystem(), start=begin)
        np.testing.assert_allclose(seen.coordinates, theory.coordinates, atol=1e-13)
        np.testing.assert_array_equal(seen.clock, [4, 1, 3])


def test_the_toy_example_of_the_authors():
    """Their notebook's loss, the mean squared distance to sin 2πx on a grid, at each of six fits and in the limit."""
    given, wanted = (CASES["Borup-Andersen toy example alpha=0.25"][key] for key in ("inputs", "expected"))
    x, grid = np.arange(11) / 10, np.arange(101) / 100
    gram = lambda a, b: np.exp(-80 * (a[:, None] - b) ** 2)
    problem = kd.problems.kernel(gram(x, x), given["Y"])
    ridge = kd.Ridge(0.2 / 11)  # their penalty is on the sum loss
    loss = lambda dual: np.mean((dual @ gram(x, grid) - np.sin(2 * np.pi * grid)) ** 2, axis=-1)
    path = kd.SelfDistilled(ridge, 0.75, jnp.arange(1, 7)).fit(problem)
    np.testing.assert_allclose(loss(path), exactly(wanted["loss_step_1_to_6"]), rtol=1e-12)
    limit = kd.Ridge(0.2 / 11 / 0.25).fit(problem)
    np.testing.assert_allclose(loss(limit), float(wanted["loss_limit"]), rtol=1e-12)


def test_mistakes_are_named():
    problem = kd.problems.linear([[1.0], [1.0]], [1.0, 1.0])
    for fits in (0, 1.5, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"fits must be whole numbers >= 1 for a fit, got"):
            kd.SelfDistilled(kd.Ridge(1.0), 0.5, fits).fit(problem)
    assert np.all(np.isnan(kd.SelfDistilled(kd.Ridge(1.0), 0.5, jnp.array([0, -1])).filter(1.0)))
    with pytest.raises(ValueError, match=r"learner must be a single stopped learner"):
        kd.SelfDistilled(kd.Ridge(jnp.array([1.0, 2.0])), 0.5, 2).fit(problem)


# Faults and attacks, in fractions.


def fractions(random, count):
    """Positive fractions of all sizes, some of them nearly equal."""
    found = [Fraction(int(x), 10**6) for x in 10.0 ** random.uniform(0, 12, count)]
    return [found[0] * (1 + Fraction(1, 10**15)), *found[1:]] if random.random() < 0.2 else found


def fits(s, truths):
    """Filters of the first fit and of each student in turn."""
    b = [s]
    for α in truths:
        b.append(s * (α + (1 - α) * b[-1]))
    return b


def test_attack_on_powers_limit_and_sparsification():
    random = np.random.default_rng(0)
    for _ in range(200):
        λ2, λ1, c = fractions(random, 3)
        λ2, λ1 = (min(λ1, λ2), max(λ1, λ2)) if random.random() < 0.8 else (λ1, λ1 * (1 + Fraction(1, 10**12)))
        s1, s2 = λ1 / (λ1 + c), λ2 / (λ2 + c)
        α = [Fraction(int(x), 10**9) for x in random.integers(-(10**10), 10**10, 3)]
        left = [math.prod(1 - x for x in α[i:]) for i in range(4)]
        powers = sum(α[i] * left[i + 1] * s1 ** (3 - i) for i in range(3)) + left[0] * s1**4
        assert fits(s1, α)[-1] == powers
        truth = Fraction(int(10 ** random.uniform(0, 12)), 10**12)
        b1, b2 = fits(s1, [truth] * 5), fits(s2, [truth] * 5)
        limit = λ1 / (λ1 + c / truth)
        for before, after in itertools.pairwise(b1):
            assert after - limit == (1 - truth) * s1 * (before - limit)
            assert abs(after - limit) < abs(before - limit) or truth == 1
        if truth < 1:
            assert all(x / y > s1 / s2 for x, y in zip(b1[1:], b2[1:], strict=True))
        assert fits(s1, [0] * 4) == [s1**n for n in range(1, 6)]


def read(W, filters, targets):
    """Predictions W φ y."""
    return [sum(w * x * y for w, x, y in zip(row, filters, targets, strict=True)) for row in W]


def distance(g, f, α, v):
    """|f + α (g - f) - v|²."""
    return sum((b + α * (a - b) - t) ** 2 for a, b, t in zip(g, f, v, strict=True))


def test_attack_on_the_best_weight_by_any_read_out():
    """F26: distances are squared; v is a vector, W a matrix of whole numbers."""
    random = np.random.default_rng(1)
    for count in (2, 3, 5):
        s = [λ / (λ + 1) for λ in fractions(random, 4)]
        y, v = random.integers(-9, 9, (2, 4)).tolist()
        W = random.integers(-9, 9, (4, 4)).tolist()
        before = [fits(x, [Fraction(1, 3)] * (count - 2))[-1] for x in s]
        g, f = (read(W, b, y) for b in (s, [x * z for x, z in zip(s, before, strict=True)]))
        square = distance(g, f, 0, g)
        best = sum((t - b) * (a - b) for t, a, b in zip(v, g, f, strict=True)) / square
        for α in (Fraction(-3), Fraction(0), Fraction(1, 2), best + Fraction(1, 10**9), Fraction(7)):
            assert distance(g, f, α, v) - distance(g, f, best, v) == (α - best) ** 2 * square
        found = 1 - measures.validated_weight(*([float(x) for x in each] for each in (g, f, v)))
        assert found == pytest.approx(float(best), rel=1e-9)


def test_attack_on_the_student_that_sees_targets():
    random = np.random.default_rng(2)
    for case in range(300):
        lead, other, teacher, student = fractions(random, 4)
        truth = Fraction(int(random.integers(0, 10**6)), 10**6)
        if case % 3 == 0:  # next to its teacher
            student = truth * teacher * (1 + Fraction(case % 2 * 2 - 1, 10**15)) or student
        if case % 5 == 0:
            other = lead * (1 + Fraction(1, 10**15))
        seen = lambda λ: λ / (λ + student) * (truth + (1 - truth) * λ / (λ + teacher))  # noqa: B023
        c = lead / seen(lead) - lead
        ahead = seen(other) - other / (other + c)
        sign = lambda x: (x > 0) - (x < 0)
        assert sign(ahead) == sign(other - lead) * sign(student - truth * teacher)


def test_ends_of_the_weight():
    limit = dict(fits=2, eigenvalue=1.0, penalty=0.5, start=0.0)
    for truth in (1e-300, 1e-9, 0.5, 1 - 1e-9):
        assert limit_of_self_distillation.at(truth=truth, **limit).verdict == HOLDS
    assert limit_of_self_distillation.at(truth=1.0, **limit).verdict == OUTSIDE
    assert limit_of_self_distillation.at(truth=-1.0, **limit).verdict == VIOLATED
    student = dict(lead=2.0, other=1.0, teacher=2.0, student=1.0, start=0.0)
    assert ridge_student_with_truth.at(truth=1.0, **student).verdict == OUTSIDE
    assert ridge_student_with_truth.at(truth=0.5 - 1e-9, **student).verdict == HOLDS
    assert ridge_student_with_truth.at(truth=0.5 + 1e-9, **student).verdict == VIOLATED


def test_growth_at_every_step_needs_no_truth():
    two = dict(lead=9.0, trail=1 / 9, penalty=1.0, start=0.0)
    assert sparsification_is_monotone.at(fits=3, truth=0.1, **two).verdict == VIOLATED
    assert self_distillation_sparsifies.at(fits=5, truth=0.1, **two).verdict == HOLDS
    assert self_distillation_sparsifies.at(fits=5, truth=0.0, **two).margin == pytest.approx(4 * np.log(9))


@pytest.mark.parametrize("lane", ["theory", "practice"])
def test_wrong_weights_and_filters_are_seen(lane, monkeypatch, afresh):
    right = measures.validated_weight
    monkeypatch.setattr(measures, "validated_weight", lambda *given: right(*given) * (1 + 1e-4))
    best = dict(fits=3, spectrum=[1.0, 0.5, 2.0], penalty=1.0, target=[0.7, 0.2, 0.9], truth=0.3, start=0.0)
    assert best_truth_weight.at(lane, **best).verdict == VIOLATED
    plain = kd.learners._distilled.distill
    for module in (kd.theorems.self_distillation, kd.learners._distilled):
        monkeypatch.setattr(module, "distill", lambda *given: plain(*given[:2], *(w * (1 + 1e-5) for w in given[2:])))
    of = dict(eigenvalue=1.0, penalty=0.5, start=0.0)
    assert powers_of_ridge.at(lane, fits=4, last=1.0, truths=[0.2, 0.5, -1.0], **of).verdict == VIOLATED
    assert limit_of_self_distillation.at(lane, fits=3, truth=0.3, **of).verdict == VIOLATED


def test_the_fall_keeps_its_digits_late():
    late = dict(fits=3, eigenvalue=19.9791, penalty=0.0171944, truth=0.999948, start=0.0)
    assert limit_of_self_distillation.at(**late).verdict == HOLDS
