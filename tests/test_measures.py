"""Measures: inversions against root finding, integrals and mpmath; trajectories; risk."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures

CASES = [(1.0, 1.0, 2.0), (0.01, 3.0, 5.0), (20.0, 0.1, 0.7), (1e-6, 1.0, 1e3), (3.0, 1e-9, 1.0), (0.5, 99.9, 100.0)]


def flow(rate, time):
    return -mpmath.expm1(-mpmath.mpf(rate) * time)


@pytest.mark.parametrize("rate, time, teacher_time", CASES)
def test_matched_time_is_the_root_and_the_delay_the_integral(rate, time, teacher_time):
    with mpmath.workdps(40):
        guess = float(measures.matched_time(rate, time, teacher_time))
        equal = lambda t: flow(rate, t) * flow(rate, teacher_time) - flow(rate, time)
        root = mpmath.findroot(equal, (guess * 0.99, guess * 1.01), tol=1e-60)
        assert guess == pytest.approx(float(root), rel=2e-15)
        start = mpmath.mpf(teacher_time) - time
        integral = mpmath.quad(lambda s: 1 / mpmath.expm1(rate * s), [start, start + time / 10, teacher_time])
        assert float(measures.delay(rate, time, teacher_time)) == pytest.approx(float(integral), rel=2e-15)


def test_descent_has_its_own_rate():
    learner = kd.GradientDescent(0.4, 1)
    clock = float(measures.matched_time(learner.rate(1.5), 0.8, teacher_time=2.0))
    student = learner.stopped(clock).filter(1.5) * learner.stopped(2.0).filter(1.5)
    assert float(student) == pytest.approx(float(learner.stopped(0.8).filter(1.5)), rel=1e-14)


def test_conventions_at_the_edges():
    assert measures.matched_time(1.0, 0.0, 2.0) == 0 and measures.margin(1.0, 0.5, 0.0, 2.0) == 0
    assert measures.matched_time(1.0, 2.0, 2.0) == np.inf and measures.margin(1.0, 0.5, 2.0, 2.0) == 0
    assert np.isnan(measures.matched_time(1.0, 3.0, 2.0)) and np.isnan(measures.margin(1.0, 0.5, 3.0, 2.0))
    assert measures.matched_time(1.0, 1.5, np.inf) == 1.5 and measures.margin(1.0, 0.5, 1.5, np.inf) == 0
    assert measures.margin(0.5, 0.5, 1.0, 2.0) == 0 and measures.log_margin(0.5, 0.5, 1.0, 2.0) == -np.inf
    assert np.isnan(measures.matched_time(1.0, 0.0, 0.0))  # nothing was taught
    assert np.isnan(measures.exaggeration(1.0, 0.5, level=0.9, teacher_time=1.0))
    assert measures.exaggeration(1.0, 1.0, level=0.5, teacher_time=1.0) == 0


def test_margins_broadcast_and_change_sign_with_the_order():
    lead, trail = jnp.array([[2.0], [0.5]]), jnp.array([1.0, 0.1, 3.0])
    margins = measures.margin(lead, trail, 1.0, 2.0)
    assert margins.shape == (2, 3) and np.array_equal(np.sign(margins), np.sign(lead - trail))
    np.testing.assert_allclose(np.log(np.abs(margins)), measures.log_margin(lead, trail, 1.0, 2.0), rtol=1e-13)
    one_ulp = measures.margin(1.0, np.nextafter(1.0, 0), 1.0, 2.0)
    assert 0 < one_ulp < 1e-16 and measures.margin(np.nextafter(1.0, 0), 1.0, 1.0, 2.0) < 0


@pytest.mark.parametrize("trail", [0.9, 0.1, 1e-4])
def test_exaggeration_is_the_papers_ratio(trail):
    with mpmath.workdps(40):
        level, T = mpmath.mpf("0.5"), 2
        v = flow(1, T)
        g = lambda x: 1 - (1 - x) ** mpmath.mpf(trail)
        ratio = g(level / v) * g(v) / g(level)
        assert float(measures.exaggeration(1.0, trail, 0.5, 2.0)) == pytest.approx(float(1 - ratio), rel=1e-13)


def test_exaggeration_has_gradients():
    slope = jax.grad(lambda t: measures.exaggeration(1.0, 0.3, 0.5, t))
    step = 1e-6
    difference = (
        (measures.exaggeration(1.0, 0.3, 0.5, 2 + step) - measures.exaggeration(1.0, 0.3, 0.5, 2 - step)) / 2 / step
    )
    assert slope(2.0) == pytest.approx(float(difference), rel=1e-7)  # central differences


def test_matched_penalty():
    λ, c, teacher = 0.7, 3.0, 1.2
    student = float(measures.matched_penalty(λ, c, teacher))
    assert λ / (λ + student) * λ / (λ + teacher) == pytest.approx(λ / (λ + c), rel=1e-14)
    assert np.isnan(measures.matched_penalty(λ, 1.0, 1.2)) and measures.matched_penalty(λ, 1.2, 1.2) == 0


def test_the_criterion_of_single_crossing():
    λ, clock = jnp.geomspace(0.01, 5, 7)[:, None], jnp.geomspace(0.1, 20, 8)
    x = np.asarray(λ * clock)
    seen = measures.crossing_criterion(lambda λ, t: kd.GradientFlow(t).log_filter(λ), λ, clock)
    exact = -1 - (np.expm1(x) - x * np.exp(x)) / np.expm1(x) ** 2
    np.testing.assert_allclose(seen, exact, rtol=1e-9)  # third derivatives
    ridge = measures.crossing_criterion(lambda λ, t: kd.Ridge(1 / t).log_filter(λ), λ, clock)
    np.testing.assert_allclose(ridge, -1 / (1 + x) ** 2, rtol=1e-9)
    # a learner that learns ever more slowly violates it
    slow = lambda λ, t: jnp.log(1 - 1 / (1 + jnp.log1p(λ * t)))
    assert measures.crossing_criterion(slow, 1.0, 1e3) > 0


@pytest.fixture(scope="module")
def runs():
    problem = kd.problems.gaussian(0, kd.spectra.power_law(8, 1.5), samples=40, noise=0.3)
    path = kd.GradientDescent(0.05, jnp.unique(jnp.geomspace(1, 4000, 200).astype(int)))
    return tuple(kd.simulate(learner, problem) for learner in (path, kd.distill(kd.GradientDescent(0.05, 120), path)))


def test_observed_exaggeration_is_the_formula(runs):
    teacher, student = runs
    rate = kd.GradientDescent(0.05, 1).rate(teacher.eigenvalues)
    expected = measures.exaggeration(rate[0], rate, level=0.5, teacher_time=0.05 * 120)
    # between saved moments the runs are interpolated
    np.testing.assert_allclose(measures.observed_exaggeration(teacher, student, 0.5), expected, atol=2e-5)


def test_matched_clock_undoes_matched_time(runs):
    teacher, student = runs
    seen = measures.matched_clock(teacher, student)
    rate = kd.GradientDescent(0.05, 1).rate(teacher.eigenvalues[0])
    inside = (seen > 0.2) & (seen < 4)
    assert inside.sum() > 20
    back = measures.matched_time(rate, seen[inside], 0.05 * 120)
    np.testing.assert_allclose(back, student.clock[inside], rtol=1e-8)
    assert np.all(np.isnan(seen) | (seen <= 0.05 * 120 + 1e-6))


def test_runs_that_cannot_be_matched():
    stopped = kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5])
    path = kd.closed_form(kd.GradientFlow(jnp.linspace(0, 1, 5)), [1.0, 0.5])
    with pytest.raises(ValueError, match="at least two moments"):
        measures.observed_exaggeration(stopped, path, 0.5)
    assert np.all(np.isnan(measures.progress_at(path, 0.99)))  # never got there
    still = kd.closed_form(kd.GradientFlow(jnp.zeros(3)), [1.0, 0.5])
    with pytest.raises(ValueError, match="direction 0 makes no progress"):
        measures.progress_at(still, 0.5)


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
