"""New inputs: against closed forms of ridge, contours, simulation, and the law of Marchenko and Pastur."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.optimize

import kdtheory as kd
from kdtheory import asymptotics
from kdtheory.asymptotics import (
    cross_risk,
    density,
    disagreement,
    effective_ridge,
    limit,
    population_filter,
    risk,
    training_risk,
)

INDEX = np.arange(1, 61.0)
SPECTRA = {  # eigenvalues, multiplicities, samples
    "flat, few": ([1.0], [60], 100),
    "flat, many": ([1.0], [200], 100),
    "power law": (1 / INDEX, np.ones(60), 40),
    "power law, more samples": (INDEX**-2, np.ones(60), 300),
    "spikes": ([12.0, 6.0, 1.0], [1, 1, 298], 200),
    "geometric": (2.0 ** -np.arange(30), np.ones(30), 20),
    "far more samples": (1 / INDEX, np.ones(60), 10**6),
    "as many": ([1.0, 0.3], [50, 50], 100),
    "one more": ([1.0, 0.3], [50, 51], 100),
    "one fewer": ([1.0, 0.3], [50, 49], 100),
    "as many large ones": ([1.0, 1e-12], [100, 900], 100),
    "one eigenvalue": ([3.0], [1], 5),
    "one sample": ([1.0, 0.2], [3, 2], 1),
    "forty decades": (10.0 ** -np.arange(40), np.ones(40), 20),
    "nearly equal": ([1.0, 1.0 - 1e-13, 1.0 - 1e-7, 0.5], [5, 5, 5, 5], 50),
    "with zeros": ([2.0, 1.0, 0.0, 0.0], [10, 20, 30, 1], 25),
    "of any size": ([2e-120, 1e-120], [10, 20], 25),
}


def ridge_by_definition(s, c, samples, b2, m, penalty):
    """Bias and variance over σ² of ridge with one penalty, by a plain fixed point for κ."""
    κ = penalty + np.sum(c * s) / samples
    for _ in range(200):  # Newton, from above
        value, slope = κ - np.sum(c * s * κ / (s + κ)) / samples, 1 - np.sum(c * (s / (s + κ)) ** 2) / samples
        κ -= (value - penalty) / slope
    ratio = s / (s + κ)
    g, gm = np.sum(c * ratio**2) / samples, np.sum(c * s * m / (s + κ) ** 2) / samples
    return κ**2 * (np.sum(m * b2 / (s + κ) ** 2) + np.sum(b2 * s / (s + κ) ** 2) * gm / (1 - g)), gm / (1 - g)


def test_reference(oracle):
    for name, given, expected in oracle.theorem("T11"):
        flow, later = (kd.GradientFlow(given.get(key, 1.0)) for key in ("teacher_time", "student_time"))
        learner = {
            None: lambda given=given: kd.distill(kd.Ridge(given["teacher"]), kd.Ridge(given["student"])),
            "flow": lambda flow=flow: flow,
            "kd_flow_flow": lambda flow=flow, later=later: kd.distill(flow, later),
            "kd_weight_1.5": lambda flow=flow, later=later: kd.distill(flow, later, 1.5),
            "gd": lambda given=given: kd.GradientDescent(given["step_size"], given["steps"]),
            "heavy_ball": lambda given=given: kd.HeavyBall(given["step_size"], given["momentum"], given["steps"]),
        }[given.get("filter")]()
        population = [given["eigenvalues"], given["samples"], np.sqrt(given["signal"]), np.sqrt(given["noise"])]
        plain = limit(*population, given["multiplicities"])
        shifted = limit(*population, given["multiplicities"], given["test_covariance"])
        new, old, other = risk(learner, plain), training_risk(learner, plain), risk(learner, shifted)
        got = dict(bias=new.bias, noise=new.variance, bias_shifted=other.bias, noise_shifted=other.variance)
        got |= dict(in_sample_bias=old.bias, in_sample_noise=old.variance)
        if "teacher" in given:
            got["kappa_teacher"] = effective_ridge(plain, given["teacher"])
        for key, digits in expected.items():
            assert oracle.agrees(got[key], digits, 1e-13), (name, key)


@pytest.mark.parametrize("name", SPECTRA)
def test_ridge_and_sums(name):
    s, c, samples = (np.asarray(each, float) for each in SPECTRA[name])
    random, samples, scale = np.random.default_rng(3), int(samples), np.max(s)
    signal, m = random.normal(size=len(s)), scale * random.uniform(0.1, 2.0, len(s))
    plain, shifted = (limit(s, samples, signal, 0.7, c, test) for test in (None, m))
    positive = np.sum(c[s > 0])
    assert np.sum(plain.counts) == pytest.approx(min(positive, samples), rel=1e-12)
    mass = np.sum(plain.seen) + (effective_ridge(plain, 0.0) if positive > samples else 0.0)
    assert mass == pytest.approx(np.sum(c * s) / samples, rel=1e-12)
    for penalty in scale * np.array([1e-4, 1e-2, 1.0, 30.0]):
        for made, test in ((plain, s), (shifted, m)):
            found = risk(kd.Ridge(penalty), made)
            bias, variance = ridge_by_definition(s, c, samples, signal**2, test, penalty)
            assert float(found.bias) == pytest.approx(bias, rel=2e-12), penalty
            assert float(found.variance) == pytest.approx(0.49 * variance, rel=1e-12), penalty
        κ = float(effective_ridge(plain, penalty))
        assert κ == pytest.approx(penalty + κ / samples * np.sum(c * s / (s + κ)), rel=1e-14)
        np.testing.assert_allclose(population_filter(kd.Ridge(penalty), plain), s / (s + κ), rtol=1e-11)


def by_contours(s, c, samples, b2, left, count=600):
    """Bias on new inputs from resolvents at pairs of points, on two circles in the plane of u around all there is."""
    s, c, b2 = (np.asarray(each, float)[:, None] for each in (s, c, b2))
    reach = np.max(s) * (1 + 3 * np.sqrt(np.sum(c) / samples))
    turns = np.exp(2j * np.pi * (np.arange(count) + 0.5) / count)
    points = []
    for radius in (1.1, 1.35):
        u = (0.5 + radius * turns) * reach
        z = u * (1 - np.sum(c * s / (s - u), axis=0) / samples)
        slope = 1 - np.sum(c * s * s / (s - u) ** 2, axis=0) / samples
        points.append((u, z, left(z) * slope * radius * turns * reach / count))
    (u, z, f), (v, w, h) = points
    pairs = [(1 / (s - each)).T for each in (u, v)]
    Q = pairs[0] * (s * b2).T @ pairs[1].T
    g = pairs[0] * (c * s * s).T @ pairs[1].T / samples
    return (f * u / z) @ (Q / (1 - g)) @ (h * v / w)


@pytest.mark.parametrize("name", ["flat, few", "flat, many", "power law", "spikes", "as many", "with zeros"])
def test_contours(name):
    s, c, samples = SPECTRA[name]
    signal = np.cos(np.arange(len(s)))
    made, unit = limit(s, samples, signal, multiplicities=c), 1 / max(s)
    flow = lambda t: lambda z: np.exp(-t * unit * z)
    ball = kd.HeavyBall(0.05 * unit, 0.5, 6)

    def of_ball(z):
        before = after = np.ones_like(z)
        for _ in range(6):
            before, after = after, (1.5 - 0.05 * unit * z) * after - 0.5 * before
        return after

    learners = {
        kd.GradientFlow(0.7 * unit): flow(0.7),
        kd.GradientDescent(0.05 * unit, 12): lambda z: (1 - 0.05 * unit * z) ** 12,
        ball: of_ball,
        kd.distill(kd.GradientFlow(0.5 * unit), kd.GradientFlow(0.3 * unit), 1.5): lambda z: (
            1 - (1 - flow(0.3)(z)) * (1 - 1.5 * flow(0.5)(z))
        ),
    }
    for learner, left in learners.items():
        expected = by_contours(s, c, samples, signal**2, left)
        assert abs(expected.imag) < 1e-12 * expected.real
        assert float(risk(learner, made).bias) == pytest.approx(expected.real, rel=1e-11)


LEARNERS = {
    "ridge": kd.Ridge(0.2),
    "flow": kd.GradientFlow(4.0),
    "momentum": kd.HeavyBall(0.05, 0.8, 20),
    "student": kd.distill(kd.GradientFlow(6.0), kd.GradientFlow(3.0)),
    "trusting student": kd.distill(kd.Ridge(0.1), kd.Ridge(0.3), 1.7),
    "switched": kd.switch(kd.distill(kd.GradientFlow(2.0), kd.GradientFlow(1.0)), kd.GradientFlow(2.0)),
}
NOISE = 0.5


@pytest.mark.parametrize("samples", [60, 25])
def test_simulation(samples):
    """Means over draws and signs of the signal, within 3 standard errors and (2/N)(theory + D) (THEOREMS2 E1)."""
    s, draws = np.concatenate([[4.0], np.geomspace(1.5, 0.1, 39)]), 400
    random = np.random.default_rng(samples)
    b2, m = random.exponential(size=40), random.uniform(0.5, 2.0, 40)
    new, other = (limit(s, samples, np.sqrt(b2), NOISE, None, test) for test in (None, m))
    seen = {name: [] for name in LEARNERS}
    for _ in range(draws):
        x = random.normal(size=(samples, 40)) * np.sqrt(s)
        λ, v = np.linalg.eigh(x.T @ x / samples)
        λ = np.where(λ > 1e-12, λ, 0.0)
        for name, learner in LEARNERS.items():
            learnt, left = (np.asarray(each) for each in asymptotics.at_points(learner, λ))
            r, cover = (v * left) @ v.T, (v * (np.where(λ > 0, learnt, 0.0) ** 2 / np.where(λ > 0, λ, 1.0))) @ v.T
            noise = NOISE**2 / samples
            gap = (v * np.where(λ > 0, left, 1.0)) @ v.T
            out = [b2 @ gap**2 @ test + noise * np.diag(cover) @ test for test in (s, m)]
            inner = b2 @ ((v * (λ * left**2)) @ v.T).diagonal() + noise * np.sum(learnt[λ > 0] ** 2)
            assert np.allclose(r, gap, atol=1e-12)  # zero start: nothing is learnt without data
            seen[name].append([*out, inner])
    for name, learner in LEARNERS.items():
        theory = [risk(learner, new), risk(learner, other), training_risk(learner, new)]
        rows = np.array(seen[name])
        mean, error = rows.mean(0), rows.std(0) / np.sqrt(draws)
        ε = 1e-5
        around = [np.asarray(asymptotics.at_points(learner, new.nodes * f)[1]) for f in (1 - ε, 1 + ε)]
        steep = ((around[1] - around[0]) / (2 * ε)) ** 2  # (λ r′)²
        weights = [np.sum(new.form, axis=1), np.sum(other.form, axis=1), new.training_signal]
        for k in range(3):
            total = float(theory[k].total)
            assert abs(mean[k] - total) <= 3 * error[k] + 2 / samples * (total + weights[k] @ steep), (name, k)
            assert 3 * error[k] < 0.2 * total and abs(mean[k] - total) < 0.1 * total


def test_error_decays_like_one_over_samples():
    learner, found = kd.GradientFlow(3.0), []
    random = np.random.default_rng(0)
    for samples, draws in ((20, 6000), (40, 4000), (80, 1000)):
        made = limit([1.0], samples, np.sqrt(samples / 2), 0.5, [samples // 2])
        x = random.normal(size=(draws, samples, samples // 2))
        λ = np.linalg.svd(x, compute_uv=False) ** 2 / samples
        total = np.sum(np.exp(-6 * λ) + 0.25 / samples * np.expm1(-3 * λ) ** 2 / λ) / draws
        found.append(samples * (total / float(risk(learner, made).total) - 1))
    assert all(1.8 < each < 3.6 for each in found)  # in standard errors of 0.07 to 0.19


def test_algorithms_on_data():
    s, draws = kd.spectra.power_law(30, 1.0), 40
    learner = kd.distill(kd.GradientDescent(0.3, 30), kd.GradientDescent(0.3, [5, 20]))
    made, errors = limit(s, 50, 0.8, NOISE), []
    for seed in range(draws):
        problem = kd.problems.gaussian(seed, s, 50, 0.8, NOISE)
        errors.append(np.asarray((learner.fit(problem) - 0.8) ** 2) @ np.asarray(s))
    mean, error = np.mean(errors, 0), np.std(errors, 0) / np.sqrt(draws)
    total = np.asarray(risk(learner, made).total)
    assert total.shape == (2,) and np.all(abs(mean - total) < 3 * error + 2 / 50 * total)
    assert np.all(error < 0.06 * total)


def test_two_learners():
    s, samples = 1 / INDEX, 40
    made = limit(s, samples, 1.0, NOISE)
    path, ridge = kd.GradientFlow([0.5, 2.0, 8.0]), kd.Ridge(0.1)
    crossed, apart = cross_risk(path, ridge, made), disagreement(path, ridge, made)
    assert crossed.total.shape == apart.total.shape == (3,)
    for part in ("bias", "variance"):
        mine, other, mixed = (getattr(each, part) for each in (risk(path, made), risk(ridge, made), crossed))
        np.testing.assert_allclose(getattr(apart, part), mine + other - 2 * mixed, rtol=1e-11)
    assert float(disagreement(ridge, ridge, made).total) == 0.0
    close = disagreement(kd.Ridge(0.1), kd.Ridge(0.1 * (1 + 1e-9)), made).total  # no digit is lost between neighbours
    far = disagreement(kd.Ridge(0.1), kd.Ridge(0.1 * (1 + 1e-5)), made).total
    assert float(close / far) == pytest.approx(1e-8, rel=1e-4)
    # simulated: the mean over draws and signs
    random, seen, learners = np.random.default_rng(0), [], (kd.GradientFlow(2.0), ridge)
    for _ in range(300):
        _, d, vt = np.linalg.svd(random.normal(size=(samples, 60)) * np.sqrt(s), full_matrices=False)
        λ = d**2 / samples
        δ = learners[0].filter(λ) - learners[1].filter(λ)
        gap, cover = (vt.T * δ) @ vt, (vt.T * (δ**2 / λ)) @ vt
        seen.append(np.sum(gap**2 @ s) + NOISE**2 / samples * np.diag(cover) @ s)
    total, error = float(apart.total[1]), np.std(seen) / np.sqrt(300)
    assert abs(np.mean(seen) - total) < 3 * error + 2 / samples * total and error < 0.05 * total


def test_law_of_marchenko_and_pastur():
    for ratio, count in ((0.25, 25), (4.0, 400)):
        made = limit([2.0], 100, multiplicities=[count])
        low, high = 2 * (1 - np.sqrt(ratio)) ** 2, 2 * (1 + np.sqrt(ratio)) ** 2
        np.testing.assert_allclose(made.edges, [[low, high]], rtol=1e-14)
        assert made.zeros == max(0, count - 100)
        at = np.linspace(0.1 * low, 1.2 * high, 41)
        inside = np.maximum((high - at) * (at - low), 0)
        np.testing.assert_allclose(density(made, at), np.sqrt(inside) / (4 * np.pi * ratio * at), atol=1e-13)
        quantiles = kd.spectra.marchenko_pastur(count, ratio, 2.0)
        share = np.cumsum(made.counts) / min(100, count)
        middle = np.searchsorted(np.sort(quantiles[quantiles > 0]), made.nodes[len(share) // 2]) / min(100, count)
        assert abs(share[len(share) // 2] - middle) < 0.05


def test_law_of_spikes_and_gaps():
    s, c, samples = SPECTRA["spikes"]
    made = limit(s, samples, multiplicities=c)
    assert made.edges.shape == (3, 2) and np.all(np.diff(np.ravel(made.edges)) > 0)
    inside = [np.sum(made.counts[(made.nodes > low) & (made.nodes < high)]) for low, high in made.edges]
    np.testing.assert_allclose(inside, [198, 1, 1], rtol=1e-12)  # exact separation
    for (low, high), count in zip(made.edges, inside, strict=True):
        at, weights = np.polynomial.legendre.leggauss(200)
        θ = (at + 1) * np.pi / 2
        λ = low + (high - low) * np.sin(θ / 2) ** 2
        mass = np.sum(density(made, λ) * weights * np.pi / 2 * (high - low) / 2 * np.sin(θ))
        assert 300 * float(mass) == pytest.approx(float(count), rel=1e-10)
    assert np.all(density(made, (made.edges[1:, 0] + made.edges[:-1, 1]) / 2) == 0)
    assert np.isnan(density(made, np.nan)) and density(made, np.inf) == density(made, -1.0) == 0
    outliers = [each * (1 + 298 / 200 / (each - 1)) for each in (6.0, 12.0)]  # where spikes are seen
    centres = [np.average(made.nodes, weights=made.counts * (abs(made.nodes - at) < 1)) for at in outliers]
    np.testing.assert_allclose(centres, outliers, rtol=0.01)


def test_population_filter_of_flow():
    s, samples, draws = 1 / INDEX[:30], 20, 400
    made, learner = limit(s, samples), kd.GradientFlow([1.0, 10.0])
    found = population_filter(learner, made)
    random, seen = np.random.default_rng(1), 0.0
    for _ in range(draws):
        _, d, vt = np.linalg.svd(random.normal(size=(samples, 30)) * np.sqrt(s), full_matrices=False)
        seen = seen + np.asarray(learner.filter(d**2 / samples)) @ vt**2 / draws
    assert found.shape == (2, 30)
    np.testing.assert_allclose(seen, found, rtol=0.06, atol=0.01)
    # in the order that was given, whatever it is, and zero where there is nothing
    order = np.random.default_rng(0).permutation(30)
    shuffled = limit(np.append(s[order], 0.0), samples)
    np.testing.assert_allclose(population_filter(learner, shuffled)[:, :-1], found[:, order], rtol=1e-12)
    assert np.all(population_filter(learner, shuffled)[:, -1] == 0)


def test_slopes_and_transformations():
    made = limit(1 / INDEX, 40, 1.0, NOISE)
    total = lambda t: risk(kd.distill(kd.GradientFlow(t), kd.Ridge(0.1), 1.2), made).total
    slope, h = jax.grad(total)(2.0), 1e-5
    assert float(slope) == pytest.approx(float(total(2 + h) - total(2 - h)) / (2 * h), rel=1e-8)
    times = jnp.array([0.5, 2.0])
    np.testing.assert_allclose(jax.jit(jax.vmap(total))(times), [total(t) for t in times], rtol=1e-13)
    assert abs(jax.grad(lambda t: training_risk(kd.GradientFlow(t), made).total)(2.0)) > 1e-3
    assert abs(jax.grad(lambda t: disagreement(kd.GradientFlow(t), kd.Ridge(1.0), made).total)(2.0)) > 1e-3
    assert np.all(jax.jacobian(lambda t: population_filter(kd.GradientFlow(t), made))(2.0) > 0)


def test_ends_and_any_filter():
    s, c, samples = SPECTRA["with zeros"]
    made = limit(s, samples, 0.5, NOISE, c, test_covariance=[1.0, 1.0, 3.0, 0.0])
    nothing = risk(kd.GradientFlow(0.0), made)
    assert float(nothing.bias) == pytest.approx(0.25 * 5, rel=1e-12) and float(nothing.variance) == 0.0
    longest, least = risk(kd.GradientFlow(np.inf), made), risk(kd.Ridge(1e-11), made)
    assert float(longest.total) == pytest.approx(float(least.total), rel=1e-8)
    by_hand = risk(kd.Filter(lambda λ: λ / (λ + 0.3)), made)
    assert float(by_hand.total) == pytest.approx(float(risk(kd.Ridge(0.3), made).total), rel=1e-13)
    cut = kd.Filter(lambda λ: jnp.where(λ > 6.0, 1.0, 0.0))  # in a gap: principal components
    spiked = limit(*[SPECTRA["spikes"][k] for k in (0, 2)], [1.0, 1.0, 0.0], 0.0, SPECTRA["spikes"][1])
    assert spiked.edges[0, 1] < 6.0 < spiked.edges[1, 0]
    cosines = [(1 - 1.49 / (each - 1) ** 2) / (1 + 1.49 / (each - 1)) for each in (12.0, 6.0)]
    np.testing.assert_allclose(population_filter(cut, spiked)[:2], cosines, rtol=0.02)  # of spikes, Paul 2007


def test_step_sizes():
    s, c, samples = SPECTRA["spikes"]
    made = limit(s, samples, multiplicities=c)
    top = float(made.edges[-1, 1])
    waiting, given = kd.GradientDescent(None, 3), kd.GradientDescent(1 / top, 3)
    assert float(risk(waiting, made).total) == float(risk(given, made).total)
    with pytest.warns(UserWarning, match="single draws"):
        risk(kd.GradientDescent(1.95 / top, 3), made)
    with pytest.warns(UserWarning, match="past the bound"):
        risk(kd.GradientDescent(2.05 / top, 3), made)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(eigenvalues=[0.0, 0.0]), "all zero"),
        (dict(eigenvalues=[1.0, -1.0]), "eigenvalues"),
        (dict(eigenvalues=[]), "eigenvalues"),
        (dict(samples=0), "samples"),
        (dict(samples=2.5), "samples"),
        (dict(signal=[1.0, 2.0, 3.0]), r"signal has shape \(3,\)"),
        (dict(signal=[1.0, np.nan]), "signal"),
        (dict(noise=-1.0), "noise"),
        (dict(noise=[1.0, 1.0]), "noise"),
        (dict(multiplicities=[1, 0]), "multiplicities"),
        (dict(multiplicities=[1, 1.5]), "whole"),
        (dict(test_covariance=[1.0, -1.0]), "test_covariance"),
        (dict(signal=1e153), r"signal reaches 1e\+153, .* at most 3.7e\+151: divide signal and noise by one number"),
        (dict(noise=1e160), r"noise reaches 1e\+160, .* at most 3.7e\+151"),
        (dict(test_covariance=[1e250, 1.0], signal=1e30), r"signal reaches 1e\+30"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        limit(**dict(eigenvalues=[1.0, 0.5], samples=10) | arguments)


@kd.record
class OnlyFits(kd.Learner):
    def fit(self, problem, start=None):
        return problem.zeros()


def test_refusals_of_learners():
    made = limit([1.0, 0.5], 10)
    with pytest.raises(TypeError, match=r"asymptotics\.limit"):
        risk(kd.Ridge(1.0), [1.0])
    with pytest.raises(ValueError, match="penalty"):
        effective_ridge(made, -1.0)
    with pytest.raises(ValueError, match="time"):
        risk(kd.GradientFlow(-1.0), made)
    with pytest.raises(TypeError, match="closed form"):
        risk(OnlyFits(), made)
    with pytest.raises(TypeError, match=r"learner must be one of kdtheory's, .* got 0.2"):
        risk(0.2, made)


def test_many_eigenvalues():
    grouped = limit(np.repeat([5.0, 1.0], [5, 99_995]), 200_000, 0.01, NOISE)
    same = limit([1.0, 5.0], 200_000, [0.01 * np.sqrt(99_995), 0.01 * np.sqrt(5)], NOISE, [99_995, 5])
    assert len(grouped.nodes) < 200 and population_filter(kd.Ridge(1.0), grouped).shape == (100_000,)
    assert float(risk(kd.Ridge(0.1), grouped).total) == pytest.approx(float(risk(kd.Ridge(0.1), same).total), rel=1e-12)


def test_a_path_is_its_moments_one_by_one():
    """A form is split for a path, and is not for a single moment."""
    times, index = np.geomspace(0.1, 1e4, 7), np.arange(1, 401.0)
    for test in (None, np.ones(400)):
        made = limit(1 / index, 200, np.cos(index), NOISE, test_covariance=test)
        assert len(made.nodes) > 4 * asymptotics._risks.FEW
        path = risk(kd.GradientFlow(times), made)
        single = [risk(kd.GradientFlow(time), made) for time in times]
        np.testing.assert_allclose(path.bias, [each.bias for each in single], rtol=1e-12)
        np.testing.assert_allclose(path.variance, [each.variance for each in single], rtol=1e-13)
        apart = disagreement(kd.GradientFlow(times), kd.Ridge(0.1), made)
        one = disagreement(kd.GradientFlow(times[3]), kd.Ridge(0.1), made)
        assert float(apart.total[3]) == pytest.approx(float(one.total), rel=1e-12)


def eigenlearning(s, samples, δ, power, noise):
    """Mean squared error on new data of kernel ridge by conservation of learnability (Simon et al. 2023): κ from
    Σ λ/(λ + κ) + δ/κ = n, learnabilities L = λ/(λ + κ), and n/(n - Σ L²) (Σ (1 - L)² v² + σ²), δ = N · penalty."""
    over = lambda log: np.sum(s / (s + np.exp(log))) + δ * np.exp(-log) - samples
    learnability = s / (s + np.exp(scipy.optimize.brentq(over, -60, 60, xtol=1e-14, rtol=1e-15)))
    return samples / (samples - np.sum(learnability**2)) * (np.sum((1 - learnability) ** 2 * power) + noise**2)


@pytest.mark.parametrize("samples", [50, 100, 199, 200, 400, 10**5])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_peer_s_ridge(exponent, samples):
    index = np.arange(1, 201.0)
    s, signal = index**-exponent, np.cos(index)
    made = limit(s, samples, signal, NOISE)
    for penalty in (1e-3, 0.1):
        wanted = eigenlearning(s, samples, samples * penalty, s * signal**2, NOISE)
        assert float(risk(kd.Ridge(penalty), made).total) + NOISE**2 == pytest.approx(wanted, rel=1e-10)


def test_optimal_self_distillation_of_ridge():
    """A student with ridge's own penalty moves along the tangent of ridge's path: its risk is a parabola in the weight
    ξ, R + 2ξ c ∂₁E + ξ² c² ∂₁∂₂E, with E(a, b) the cross-risk of two penalties; here by derivatives in 40 digits."""
    mpmath = pytest.importorskip("mpmath")
    s, c, b2, noise2, samples = [4, 1, 0.2], [2, 30, 60], [0.5, 1, 0.3], 0.25, 70

    def cross(a, b):
        start = lambda a: a + sum(map(float.__mul__, map(float, s), map(float, c))) / samples
        equation = lambda a: lambda k: k - a - k / samples * sum(n * e / (e + k) for e, n in zip(s, c, strict=True))
        κ, μ = (mpmath.findroot(equation(each), start(each)) for each in (a, b))
        g = sum(n * e * e / ((e + κ) * (e + μ)) for e, n in zip(s, c, strict=True)) / samples
        seen = sum(e * t / ((e + κ) * (e + μ)) for e, t in zip(s, b2, strict=True))
        return (κ * μ * seen + noise2 * g) / (1 - g)

    made = limit(s, samples, np.sqrt(b2), noise2**0.5, c)
    with mpmath.workdps(40):
        for penalty in (0.01, 0.3, 5.0):
            first = penalty * mpmath.diff(lambda a, c=penalty: cross(a, c), penalty)
            second = penalty**2 * mpmath.diff(cross, (penalty, penalty), (1, 1))
            least = float(-first / second)
            ridge, total = kd.Ridge(penalty), cross(penalty, penalty)
            for weight in (-1.0, 0.0, 0.5, least, 2.0):
                found = float(risk(kd.distill(ridge, ridge, weight), made).total)
                assert found == pytest.approx(float(total + 2 * weight * first + weight**2 * second), rel=1e-11)
            best = [float(risk(kd.distill(ridge, ridge, least + step), made).total) for step in (-0.1, 0.0, 0.1)]
            assert best[1] < min(best[0], best[2]) and best[1] < float(total)


def test_longer_chains_and_other_momentum():
    s, c, samples = [1.0, 0.25, 0.05], [2, 30, 60], 70
    signal, step, β = [0.5, 1.0, 0.3], 0.05, 0.6
    made = limit(s, samples, signal, multiplicities=c)

    def of_nesterov(z):
        before = after = np.ones_like(z)
        for _ in range(7):
            before, after = after, (1 - step * z) * ((1 + β) * after - β * before)
        return after

    flows = lambda z: 1 - (1 - np.exp(-0.15 * z)) ** 4
    chain = kd.self_distill(kd.GradientFlow(0.15), 4)
    for learner, left in ((kd.Nesterov(step, β, 7), of_nesterov), (chain, flows)):
        expected = by_contours(s, c, samples, np.square(signal), left)
        assert float(risk(learner, made).bias) == pytest.approx(expected.real, rel=1e-11)


def test_as_many_directions_as_samples_have_no_finite_variance_where_all_is_learnt():
    limit = kd.asymptotics.limit(np.ones(10), 10, noise=0.1)
    assert limit.edges[0, 0] == 0
    for learner in (kd.GradientFlow(np.inf), kd.Ridge(0.0), kd.distill(kd.Ridge(0.0), kd.GradientFlow(np.inf))):
        found = kd.asymptotics.risk(learner, limit)
        assert np.isposinf(found.variance) and abs(found.bias) < 1e-6
    path = kd.asymptotics.risk(kd.GradientFlow([1e2, 1e4, np.inf]), limit).variance
    assert np.isfinite(path[:2]).all() and np.isposinf(path[2])
    assert path[1] / path[0] == pytest.approx(10.0, rel=0.1)  # it grows like the root of time
    assert np.isfinite(kd.asymptotics.risk(kd.Ridge(0.0), kd.asymptotics.limit(np.ones(10), 10)).total)  # no noise
    assert np.isfinite(kd.asymptotics.risk(kd.Ridge(0.0), kd.asymptotics.limit(np.ones(9), 10, noise=0.1)).total)


def test_a_pole_inside_the_spectrum_is_refused():
    limit = kd.asymptotics.limit([1.0], samples=100, signal=1.0, noise=0.5, multiplicities=[50])
    low, high = (1 - np.sqrt(0.5)) ** 2, (1 + np.sqrt(0.5)) ** 2
    for ridge in kd.Ridge(-1.0), kd.Ridge([0.1, -0.9 * high]), kd.distill(kd.Ridge(-1.1 * low), kd.Ridge(0.1)):
        with pytest.raises(ValueError, match="has a pole inside the limit's spectrum"):
            kd.asymptotics.risk(ridge, limit)
    # beside the spectrum, against 400 draws of twice the size
    x = np.random.default_rng(0).standard_normal((400, 200, 100))
    for penalty in -0.1 * low, -2.0 * high:
        xt = np.swapaxes(x, 1, 2)
        inverse = np.linalg.inv(xt @ x / 200 + penalty * np.eye(100))
        bias, variance = penalty**2 * np.sum(inverse**2, (1, 2)) / 100, np.sum((inverse @ xt / 200) ** 2, (1, 2))
        seen, found = bias + 0.5**2 * variance, float(kd.asymptotics.risk(kd.Ridge(penalty), limit).total)
        assert abs(np.mean(seen) - found) < 3 * np.std(seen) / 20 + 2 / 200 * found


def of_ridge(s, samples, b2, penalty, m=None):
    """κ of ridge, its filter along each direction, its bias, and its variance for σ = 1, in 60 digits."""
    with mpmath.workdps(60):
        s, b2, penalty = [mpmath.mpf(each) for each in s], [mpmath.mpf(each) ** 2 for each in b2], mpmath.mpf(penalty)
        m = s if m is None else [mpmath.mpf(each) for each in m]
        low, high = mpmath.mpf(0), penalty + mpmath.fsum(s)
        for _ in range(500):  # bisection of κ = c + κ/N Σ s/(s + κ), by digits
            κ = mpmath.sqrt(low * high) if low else high * mpmath.mpf(10) ** -60
            more = κ - κ * mpmath.fsum(each / (each + κ) for each in s) / samples < penalty
            low, high = (κ, high) if more else (low, κ)
        learnt = [each / (each + κ) for each in s]
        g = mpmath.fsum(each**2 for each in learnt) / samples
        g_m = mpmath.fsum(each * s_ / (s_ + κ) ** 2 for each, s_ in zip(m, s, strict=True)) / samples
        off = [κ / (each + κ) for each in s]
        bias = mpmath.fsum(each * b * o**2 for each, b, o in zip(m, b2, off, strict=True))
        bias += mpmath.fsum(each * b * o**2 for each, b, o in zip(s, b2, off, strict=True)) * g_m / (1 - g)
        return κ, learnt, bias, g_m / (1 - g)


def same_digits(found, right, digits):
    with mpmath.workdps(60):
        return all(
            abs(mpmath.mpf(float(each)) / want - 1) <= mpmath.mpf(digits)
            for each, want in zip(np.ravel(found), np.ravel(right), strict=True)
        )


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-156, 1.0, 1e156, 1e200, 1e300])
@pytest.mark.parametrize("samples", [3, 20])
def test_any_size_of_eigenvalues(scale, samples):
    s, signal = scale * np.array([1.0, 0.5, 0.3, 0.3, 0.1, 0.02]), np.linspace(1.0, 2.0, 6) * min(1.0, scale**-0.5)
    made = limit(s, samples, signal, 0.5 * min(1.0, scale**0.5))
    κ, learnt, bias, _ = of_ridge(s, samples, signal, 0.1 * scale)
    assert same_digits(effective_ridge(made, 0.1 * scale), κ, 1e-15)
    assert same_digits(population_filter(kd.Ridge(0.1 * scale), made), learnt, 1e-14)
    assert same_digits(risk(kd.Ridge(0.1 * scale), made).bias, bias, 1e-14)
    far = 1e300 if scale <= 1.0 else 1e-300
    assert same_digits(effective_ridge(made, far), of_ridge(s, samples, signal, far)[0], 1e-15)


@pytest.mark.parametrize(
    "scale, size, tested",
    [(1e-200, 1e180, None), (1e200, 1e-180, None), (1.0, 1e150, None), (1.0, 1.0, 1e290), (1e-100, 1e-10, 1e-250)],
)
def test_any_size_of_signals_and_of_what_is_tested_on(scale, size, tested):
    s, signal = scale * np.array([1.0, 0.5, 0.3, 0.1]), size * np.array([1.0, -2.0, 0.5, 1.5])
    m = None if tested is None else tested * np.array([0.2, 1.0, 3.0, 1.0])
    for samples in (3, 10):
        made = limit(s, samples, signal, test_covariance=m)
        *_, bias, _ = of_ridge(s, samples, signal, 0.1 * scale, m)
        assert same_digits(risk(kd.Ridge(0.1 * scale), made).bias, bias, 1e-14)


def test_as_many_directions_as_samples_are_right_or_not_known():
    """Against 60 digits down to penalties of 2e-15 of the top; beyond NaN, however it is asked for."""
    s, signal = [2.0, 1.0, 0.5], [1.0, 2.0, 3.0]
    made = limit(s, 3, signal, 0.5)
    penalties = 10.0 ** -np.arange(1.0, 15.0)
    found = risk(kd.Ridge(penalties), made)
    right = [of_ridge(s, 3, signal, penalty) for penalty in penalties]
    assert same_digits(found.variance, [0.25 * each[3] for each in right], 1e-12)
    with mpmath.workdps(60):
        assert max(abs(mpmath.mpf(float(a)) - b[2]) for a, b in zip(found.bias, right, strict=True)) < 1e-15
    asked = jnp.array([0.0, 1e-14, 1e-17, 1e-22, 1e-30, 0.1])
    for ask in (
        lambda made: risk(kd.Ridge(asked), made),
        lambda made: jax.jit(lambda c: risk(kd.Ridge(c), made))(asked),
        lambda made: jax.vmap(lambda c: risk(kd.Ridge(c), made))(asked),
        lambda made: jax.jit(risk)(kd.Ridge(asked), made),
    ):
        variance = ask(made).variance
        assert (
            np.isposinf(variance[0])
            and np.isnan(variance[2:5]).all()
            and np.isfinite(variance[jnp.array([1, 5])]).all()
        )
        bias = ask(made).bias
        np.testing.assert_array_equal(np.isnan(bias), [False, False, True, True, True, False])
    flows = risk(kd.GradientFlow([1e10, 1e20, 1e200, np.inf]), made).variance
    assert np.isfinite(flows[0]) and np.isnan(flows[1:3]).all() and np.isposinf(flows[3])
    minus = kd.Filter(lambda s: jnp.full_like(s, -1.0))
    least = kd.Ridge(0.0)
    assert np.isneginf(cross_risk(minus, least, made).variance)
    assert np.isneginf(jax.jit(lambda c: cross_risk(minus, kd.Ridge(c), made).variance)(0.0))
    assert np.isposinf(risk(kd.Filter(lambda s: jnp.full_like(s, 1e-5)), made).variance)
    assert np.isfinite(cross_risk(least, kd.Ridge(0.1), made).variance)  # where one goes to zero there is no noise
    for other in (kd.Ridge(0.1), minus):
        assert np.isposinf(disagreement(least, other, made).variance)
        assert np.isnan(disagreement(kd.Ridge(1e-20), other, made).variance)
    assert disagreement(least, least, made).total == 0.0
    slope = jax.grad(lambda t: risk(kd.GradientFlow(t), made).variance)
    assert np.isnan(slope(1e20)) and slope(1e3) > 0
    assert risk(least, limit(s, 3, signal)).total == 0.0  # without noise


@pytest.mark.parametrize("measure", [cross_risk, disagreement])
def test_two_paths_of_different_lengths_are_refused(measure):
    made, first, second = limit([1.0, 0.5], 10, noise=0.1), kd.Ridge([0.1, 0.2]), kd.GradientFlow([1.0, 2.0, 3.0])
    message = r"first and second are paths of the shapes \(2,\) and \(3,\): give both the same number of moments"
    for ask in (measure, jax.jit(measure)):
        with pytest.raises(ValueError, match=message):
            ask(first, second, made)
    pairs = jax.vmap(lambda c: measure(kd.Ridge(c), second, made).total)(jnp.array([0.1, 0.2]))
    assert pairs.shape == (2, 3) and pairs[1, 2] == pytest.approx(
        measure(kd.Ridge(0.2), kd.GradientFlow(3.0), made).total
    )
