"""Risk: against known examples, averages over noise, and the ends of training."""

from fractions import Fraction as F

import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures

EIGENVALUES, NOISE = jnp.array([1.0, 0.1]), 0.05
SIGNAL = jnp.sqrt(jnp.array([0.4649575361, 0.0360063296]))


def test_the_example_where_distillation_beats_early_stopping():
    teacher = kd.GradientFlow(3.0)
    student = kd.distill(teacher, teacher)
    risk = lambda learner: float(measures.risk(learner, EIGENVALUES, SIGNAL, NOISE).total)
    best = measures.best_stop(teacher, EIGENVALUES, SIGNAL, NOISE)
    assert risk(teacher) == pytest.approx(0.0516325743, abs=5e-11)
    assert risk(best) == pytest.approx(0.0495040428, abs=5e-11) and float(best.time) == pytest.approx(
        2.231257, abs=5e-7
    )
    assert risk(student) == pytest.approx(0.0485039905, abs=5e-11)
    # and the loop gets there: with λ of the mean loss, v is σ²/N
    problem = kd.problems.with_spectrum(3, EIGENVALUES, samples=8, signal=SIGNAL)
    for learner in (teacher, student, best):
        seen, theory = kd.simulate(learner, problem), kd.closed_form(learner, problem.eigensystem())
        np.testing.assert_allclose(seen.coordinates, theory.coordinates, atol=1e-14)
        bias = EIGENVALUES * (seen.coordinates - seen.target) ** 2
        split = measures.risk(learner, EIGENVALUES, SIGNAL, NOISE)
        np.testing.assert_allclose(bias, split.bias, atol=1e-14)
        np.testing.assert_allclose(split.variance, NOISE * np.asarray(seen.progress) ** 2, atol=1e-14)


def test_risk_is_the_average_over_noise():
    learner, samples = kd.distill(kd.Ridge(0.1), kd.GradientFlow(2.0)), 20
    problem = kd.problems.with_spectrum(0, EIGENVALUES, samples, signal=SIGNAL)
    eigensystem = problem.eigensystem()
    exact = measures.risk(learner, EIGENVALUES, np.asarray(eigensystem.target), NOISE)
    sigma = np.sqrt(NOISE * samples)
    noise = sigma * np.random.default_rng(0).standard_normal((samples, 4000))
    noisy = problem.relabel(problem.targets[:, None] + noise)  # 4000 draws as outputs
    errors = (noisy.predict(learner.fit(noisy)) - problem.targets[:, None]) ** 2
    losses = np.asarray(errors).mean(0)
    standard_error = losses.std() / np.sqrt(4000)
    assert abs(losses.mean() - float(exact.total)) < 4 * standard_error
    assert standard_error < 0.05 * float(exact.total)


def test_best_stop_of_isotropic_ridge_is_the_wiener_filter():
    best = measures.best_stop(kd.Ridge(1.0), jnp.array([2.0, 0.3, 0.05]), signal=jnp.ones(3) * 0.5, noise_variance=0.02)
    assert float(best.penalty) == pytest.approx(0.02 / 0.25, rel=1e-6)  # flat at its minimum


def test_risk_along_a_path_and_of_the_ends():
    path = kd.GradientFlow(jnp.array([0.0, np.inf]))
    seen = measures.risk(path, EIGENVALUES, SIGNAL, NOISE)
    np.testing.assert_allclose(seen.bias, [EIGENVALUES * SIGNAL**2, [0, 0]], rtol=4e-16)  # all bias, then
    np.testing.assert_array_equal(seen.variance, [[0, 0], [NOISE, NOISE]])  # all variance
    np.testing.assert_allclose(seen.total, [np.sum(EIGENVALUES * SIGNAL**2), 2 * NOISE], rtol=4e-16)
    learner = kd.GradientDescent(0.5, 1)
    best = measures.best_stop(learner, EIGENVALUES, SIGNAL, NOISE)
    least = measures.risk(best, EIGENVALUES, SIGNAL, NOISE).total
    around = learner.stopped(jnp.geomspace(1e-4, 1e4, 2001))
    assert least <= np.min(measures.risk(around, EIGENVALUES, SIGNAL, NOISE).total)


@pytest.mark.parametrize("form", [None, [0.5, 2.0, 1.0, 0.0, 3.0, 1.0]])
def test_the_least_risk_of_any_size(form):
    """Against λθ²/(λθ² + v) in fractions, of signals whose squares are no floats."""
    λ, θ, v = [1.0, 0.5, 0.3, 0.2, 0.0, 0.1], [1e200, 1e-200, -0.7, 3.0, 2.0, 0.0], 0.1
    h = [F(a) * F(b) ** 2 / (F(a) * F(b) ** 2 + F(v)) for a, b in zip(λ, θ, strict=True)]
    w = [F(x) for x in (form or λ)]
    bias = [float(a * F(b) ** 2 * (1 - c) ** 2) for a, b, c in zip(w, θ, h, strict=True)]
    variance = [float(a * F(v) * c**2 / F(b)) if b else 0.0 for a, b, c in zip(w, λ, h, strict=True)]
    np.testing.assert_allclose(measures.wiener_filter(λ, θ, v), [float(x) for x in h], rtol=1e-15)
    found = measures.wiener_risk(λ, θ, v, form)
    np.testing.assert_allclose(found.bias, bias, rtol=2e-15)
    np.testing.assert_allclose(found.variance, variance, rtol=2e-15)
    without, drowned = (measures.wiener_risk([1.0, 0.5], [2.0, 0.0], noise) for noise in (0.0, np.inf))
    assert without.total == 0 and drowned.bias.tolist() == [4.0, 0.0] and drowned.variance.tolist() == [0.0, 0.0]
    for function in (measures.wiener_filter, measures.wiener_risk):
        with pytest.raises(ValueError, match=r"noise_variance must be >= 0, got -0\.1"):
            function(λ, θ, -0.1)


def test_a_risk_is_of_squared_loss():
    problem = kd.problems.softmax(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(TypeError, match="problem must be one of squared loss, whose risk this is; got Softmax"):
        kd.measures.risk_on(kd.Ridge(0.0), problem, truth=np.zeros((4, 2)), noise=0.1)
