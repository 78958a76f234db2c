"""Clocks and margins: inversions against root finding, integrals and mpmath; trajectories."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures

MODES = pytest.mark.parametrize("mode", ["eager", "jit"])
COUNT = 200


def in_one_shape(measure):
    """Compiled once, for COUNT numbers at a time: a margin takes a second."""
    compiled = jax.jit(measure)

    def run(*arguments):
        arguments = np.broadcast_arrays(*arguments)
        full = compiled(*(np.resize(np.asarray(x, float), COUNT) for x in arguments))
        return np.asarray(full)[: arguments[0].size].reshape(arguments[0].shape)

    return run


margin_of, log_margin_of, exaggeration_of = map(
    in_one_shape, (measures.margin, measures.log_margin, measures.exaggeration)
)

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


def random_points(count=COUNT):
    """λ₁, λ₂, t, T: eigenvalues from an ulp to 1e6 apart in either order, t from 1e-12 T to an ulp below it.

    λT is up to 1e3, since the definitions subtract: 1e6 would take half a million digits.
    """
    random = np.random.default_rng(0)
    log_uniform = lambda low, high: 10.0 ** random.uniform(low, high, count)
    larger = log_uniform(-6, 3)
    ratio = np.where(random.random(count) < 0.5, log_uniform(-6, 0), 1 - log_uniform(-15, 0))
    smaller = np.where(
        random.random(count) < 0.3, np.nextafter(larger, 0), np.minimum(larger * ratio, np.nextafter(larger, 0))
    )
    swap = random.random(count) < 0.3
    T = np.where(random.random(count) < 0.2, log_uniform(2.8, 3.1), log_uniform(-6, 2.8)) / larger
    fraction = np.where(random.random(count) < 0.5, random.random(count), log_uniform(-12, 0))
    t = np.minimum(T * np.where(random.random(count) < 0.3, 1 - log_uniform(-15, 0), fraction), np.nextafter(T, 0))
    return np.where(swap, smaller, larger), np.where(swap, larger, smaller), t, T


def true_delay(rate, time, teacher_time):
    """The root of (1 - e^(-λt̃)) (1 - e^(-λT)) = 1 - e^(-λt), less t."""
    learnt = mpmath.expm1(-rate * time) / mpmath.expm1(-rate * teacher_time)
    return -mpmath.log1p(-learnt) / rate - time


@pytest.fixture(scope="module")
def truth(oracle):
    """In so many digits that plain subtraction will do: nothing of the library's proof is used."""
    points = random_points()
    with mpmath.workdps(700):
        columns = [[mpmath.mpf(x) for x in column.tolist()] for column in points]
        leads, trails = ([true_delay(*p) for p in zip(rates, *columns[2:], strict=True)] for rates in columns[:2])
        differences = [
            -mpmath.expm1(-b * t) - mpmath.expm1(-b * (t + d)) * mpmath.expm1(-b * T)
            for b, t, T, d in zip(*columns[1:], leads, strict=True)
        ]
        matched = [t + d for t, d in zip(columns[2], trails, strict=True)]
        logs = [mpmath.log(abs(x)) for x in differences]
        return points, *(oracle.split(values) for values in (trails, matched, differences, logs))


@MODES
def test_random_points_against_the_definitions(mode, truth, oracle):
    (lead, trail, t, T), delay, matched, difference, log = truth
    run = jax.jit if mode == "jit" else lambda function: function
    assert oracle.ulps(run(measures.delay)(trail, t, T), delay) <= 8
    assert oracle.ulps(run(measures.matched_time)(trail, t, T), matched) <= 8
    if mode == "eager":
        return  # the margin is one compiled loop either way
    margin, log_margin = np.asarray(margin_of(lead, trail, t, T)), np.asarray(log_margin_of(lead, trail, t, T))
    normal, mild = np.abs(difference[0]) > 1e-307, np.maximum(lead, trail) * T <= 700
    assert normal.sum() > 100 and (normal & ~mild).sum() > 10 and (np.abs(lead / trail - 1) < 1e-15).sum() > 30
    np.testing.assert_array_equal(np.sign(margin[normal]), np.sign(difference[0][normal]))
    np.testing.assert_array_equal(np.sign(difference[0][normal]), np.sign(lead - trail)[normal])  # the theorem
    error = oracle.errors(margin, difference) / np.maximum(np.abs(difference[0]), 1e-307)
    assert error[normal & mild].max() <= 1e-12 and error[normal & ~mild].max() <= 1e-9
    assert np.max(oracle.errors(log_margin, log) / np.maximum(np.abs(log[0]), 1)) <= 1e-12  # also where it underflows


def test_the_delay_is_not_changed_by_units():
    """δ(cλ, t/c, T/c) = δ(λ, t, T)/c, to the last bit for a power of two."""
    for scale in (2.0**-30, 2.0**40):
        scaled = measures.delay(0.7 * scale, 1.3 / scale, 2.9 / scale) * scale
        assert float(scaled) == float(measures.delay(0.7, 1.3, 2.9))


def test_conventions_at_the_edges():
    """Elementwise and without a warning: what has an answer is answered, what has none is NaN."""
    inf, nan = np.inf, np.nan
    rows = np.array(
        [  # t, T, matched time, margin on (1, 1/2), its logarithm
            (0.0, 2.0, 0.0, 0.0, -inf),  # nothing to catch up with
            (2.0, 2.0, inf, 0.0, -inf),  # only in the limit
            (0.5, 0.5, inf, 0.0, -inf),
            (1.5, inf, 1.5, 0.0, -inf),  # a teacher trained for ever is no teacher
            (3.0, 2.0, nan, nan, nan),  # no student gets there
            (inf, 2.0, nan, nan, nan),
            (0.0, 0.0, nan, nan, nan),  # nothing was taught
            (-1.0, 2.0, nan, nan, nan),
            (nan, 2.0, nan, nan, nan),
            (1.0, nan, nan, nan, nan),
        ]
    )
    t, T, matched, margin, log = rows.T
    np.testing.assert_array_equal(measures.matched_time(1.0, t, T), matched)
    np.testing.assert_array_equal(margin_of(1.0, 0.5, t, T), margin)
    np.testing.assert_array_equal(log_margin_of(1.0, 0.5, t, T), log)
    assert not np.signbit(measures.matched_time(1.0, 0.0, 2.0))
    lead, trail = (
        np.array([0.5, 1.0, 0.0, 0.0, nan, 1.0, -1.0, 1.0, 0.5]),
        np.array([0.5, 0, 0, 1, 0, nan, 0.5, -1, nan]),
    )
    # equal eigenvalues, and nothing is learnt along a null direction, on which no clock can be matched
    np.testing.assert_array_equal(margin_of(lead, trail, 1.0, 2.0), [0, 0, 0] + [nan] * 6)
    v = -np.expm1(-1.0)  # what the teacher has learnt
    level = np.array([0.9, v * (1 + 1e-9), 1.0, -0.1, nan, 0.5])
    np.testing.assert_array_equal(np.isnan(exaggeration_of(1.0, 0.5, level, 1.0)), [True] * 5 + [False])
    assert exaggeration_of(1.0, 1.0, 0.5, 1.0) == 0 and exaggeration_of(1.0, 0.5, 0.5, inf) == 0


def test_margins_broadcast_and_change_sign_with_the_order():
    lead, trail = jnp.array([[2.0], [0.5]]), jnp.array([1.0, 0.1, 3.0])
    margins = jax.jit(measures.margin)(lead, trail, 1, 2)
    assert margins.shape == (2, 3) and np.array_equal(np.sign(margins), np.sign(lead - trail))
    np.testing.assert_allclose(np.log(np.abs(margins)), log_margin_of(lead, trail, 1.0, 2.0), rtol=1e-13)
    np.testing.assert_allclose(margins, margin_of(lead, trail, 1.0, 2.0), rtol=1e-14)
    below = np.nextafter(1.0, 0)
    assert 0 < margin_of(1.0, below, 1.0, 2.0) < 1e-16 and margin_of(below, 1.0, 1.0, 2.0) < 0


@pytest.mark.parametrize("trail", [0.9, 0.1, 1e-4])
def test_exaggeration_is_the_papers_ratio(trail):
    with mpmath.workdps(40):
        level, T = mpmath.mpf("0.5"), 2
        v = flow(1, T)
        g = lambda x: 1 - (1 - x) ** mpmath.mpf(trail)
        ratio = g(level / v) * g(v) / g(level)
        assert float(exaggeration_of(1.0, trail, 0.5, 2.0)) == pytest.approx(float(1 - ratio), rel=1e-13)


def test_measures_have_slopes():
    """Under jit and grad, against central differences of truncation 1e-10; the delay's is known."""
    slope = jax.jit(jax.grad(measures.exaggeration, argnums=3))(1.0, 0.3, 0.5, 2.0)
    before, after = exaggeration_of(1.0, 0.3, 0.5, np.array([2 - 1e-5, 2 + 1e-5]))
    assert float(slope) == pytest.approx((after - before) / 2e-5, rel=1e-7)

    delay = jax.jit(jax.vmap(jax.grad(measures.delay, argnums=(1, 2)), in_axes=(0, None, None)))
    rate = np.array([1e-9, 0.3, np.log(2) / 2, 0.7 / 2, 5.0])  # with the points where formulas change hands
    by_time, by_teacher = delay(rate, 1.0, 3.0)  # integrals from T - t to T: their ends
    np.testing.assert_allclose(by_time, 1 / np.expm1(2 * rate), rtol=1e-13)
    np.testing.assert_allclose(by_teacher, 1 / np.expm1(3 * rate) - 1 / np.expm1(2 * rate), rtol=1e-13)


def test_matched_penalty():
    λ, c, teacher = 0.7, 3.0, 1.2
    student = float(measures.matched_penalty(λ, c, teacher))
    assert λ / (λ + student) * λ / (λ + teacher) == pytest.approx(λ / (λ + c), rel=1e-14)
    assert np.isnan(measures.matched_penalty(λ, 1.0, 1.2)) and measures.matched_penalty(λ, 1.2, 1.2) == 0
    assert measures.matched_penalty(1.0, 3.0, 0.0) == 3.0  # a teacher without penalty is no teacher


def test_the_criterion_of_single_crossing():
    λ, clock = jnp.geomspace(0.01, 5, 7)[:, None], jnp.geomspace(0.1, 20, 8)
    x = np.asarray(λ * clock)
    criterion = jax.jit(measures.crossing_criterion, static_argnums=0)
    seen = criterion(lambda λ, t: kd.GradientFlow(t).log_filter(λ), λ, clock)
    exact = -1 - (np.expm1(x) - x * np.exp(x)) / np.expm1(x) ** 2
    np.testing.assert_allclose(seen, exact, rtol=1e-9)  # third derivatives
    ridge = criterion(lambda λ, t: kd.Ridge(1 / t).log_filter(λ), λ, clock)
    np.testing.assert_allclose(ridge, -1 / (1 + x) ** 2, rtol=1e-9)
    # a learner that learns ever more slowly violates it
    slow = lambda λ, t: jnp.log(1 - 1 / (1 + jnp.log1p(λ * t)))
    assert criterion(slow, 1.0, 1e3) > 0


@pytest.fixture(scope="module")
def runs():
    problem = kd.problems.gaussian(0, kd.spectra.power_law(8, 1.5), samples=40, noise=0.3)
    path = kd.GradientDescent(0.05, jnp.unique(jnp.geomspace(1, 4000, 200).astype(int)))
    return tuple(kd.simulate(learner, problem) for learner in (path, kd.distill(kd.GradientDescent(0.05, 120), path)))


def test_observed_exaggeration_is_the_formula(runs):
    teacher, student = runs
    rate = kd.GradientDescent(0.05, 1).rate(teacher.eigenvalues)
    expected = exaggeration_of(rate[0], rate, 0.5, 0.05 * 120)
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


def test_progress_at_a_level(runs):
    teacher, _ = runs
    seen = measures.progress_at(teacher, 0.3, lead=2)
    rate = np.asarray(kd.GradientDescent(0.05, 1).rate(teacher.eigenvalues))
    np.testing.assert_allclose(seen, 1 - 0.7 ** (rate / rate[2]), rtol=1e-9)  # interpolated in what grows evenly


def test_runs_that_cannot_be_matched():
    stopped = kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5])
    path = kd.closed_form(kd.GradientFlow(jnp.linspace(0, 1, 5)), [1.0, 0.5])
    with pytest.raises(ValueError, match="at least two moments"):
        measures.observed_exaggeration(stopped, path, 0.5)
    assert np.all(np.isnan(measures.progress_at(path, 0.99)))  # never got there
    still = kd.closed_form(kd.GradientFlow(jnp.zeros(3)), [1.0, 0.5])
    with pytest.raises(ValueError, match="direction 0 makes no progress"):
        measures.progress_at(still, 0.5)
