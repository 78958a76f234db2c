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


def test_runs_of_other_directions_are_not_compared():
    two, three = (kd.closed_form(kd.GradientFlow([0.1, 3.0]), range(count, 0, -1)) for count in (2, 3))
    for runs in (two, three), ([three], two):
        with pytest.raises(ValueError, match=r"teacher has \d directions and student \d: project both on"):
            kd.measures.observed_exaggeration(*runs, level=0.5)


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


# Runs that are noisy, swing, overshoot or begin anywhere.


def a_run(progress, clock=None, eigenvalues=None):
    """A trajectory with just that progress, (T, K) or (S, T, K)."""
    progress = np.asarray(progress, float)
    count = progress.shape[-1]
    clock = np.arange(progress.shape[-2], dtype=float) if clock is None else np.asarray(clock, float)
    clock = np.broadcast_to(clock, progress.shape[:-1])
    eigenvalues = np.linspace(1.0, 0.1, count) if eigenvalues is None else eigenvalues
    return kd.Trajectory(*map(jnp.asarray, (eigenvalues, progress, np.ones(count), clock, np.arange(count))))


def finely(progress, level, lead=0, pieces=30_000):
    """Progress when the path, in straight lines in -log(1 - progress), first reaches a level: by looking everywhere."""
    progress = np.asarray(progress, float)
    depth, at = -np.log1p(-progress), np.linspace(0, len(progress) - 1, (len(progress) - 1) * pieces + 1)
    fine = np.stack([np.interp(at, np.arange(len(progress)), each) for each in depth.T], axis=1)
    there = fine[:, lead] >= -np.log1p(-level) - 1e-12
    return -np.expm1(-fine[np.argmax(there)]) if there.any() else np.full(progress.shape[1], np.nan)


NOISY = np.array([[0.0, 0.0], [0.3, 0.1], [0.2, 0.08], [0.25, 0.15], [0.6, 0.2], [0.4, 0.18], [0.9, 0.5], [0.7, 0.4]])


@pytest.mark.parametrize("level", [0.1, 0.24, 0.3, 0.35, 0.5, 0.6, 0.75, 0.9, 0.95])
def test_a_noisy_run_is_read_where_it_first_reaches_a_level(level):
    with pytest.warns(
        UserWarning, match="progress of the run along direction 0 is not monotone: it falls by up to 0.2"
    ):
        seen = measures.progress_at(a_run(NOISY), level)
    expected = finely(NOISY, level)
    np.testing.assert_allclose(seen[0], expected[0], atol=1e-4)
    # between the same two moments, along a curve instead of the line
    np.testing.assert_allclose(seen[1], expected[1], atol=0.02)
    if level > 0.9:
        assert np.isnan(seen).all()
        return
    after = int(np.argmax(NOISY[:, 0] >= level))
    assert NOISY[after - 1, 1] - 1e-15 <= seen[1] <= NOISY[after, 1] + 1e-15
    assert seen[0] == pytest.approx(level, rel=1e-12)


def test_isotonic_is_that_of_scikit_learn():
    isotonic = pytest.importorskip("sklearn.isotonic").IsotonicRegression()
    fitted = np.stack([isotonic.fit_transform(np.arange(len(NOISY)), each) for each in NOISY.T], axis=1)
    for level in (0.1, 0.24, 0.4, 0.6):
        seen = measures.progress_at(a_run(NOISY), level, isotonic=True)  # chosen, hence no warning
        np.testing.assert_allclose(seen, finely(fitted, level), atol=0.02)
        rises = np.flatnonzero(fitted[:, 0] >= level)[0]
        assert fitted[rises - 1, 1] <= seen[1] <= fitted[rises, 1] and seen[0] == pytest.approx(level, rel=1e-9)
    # of what rises already it is no other
    smooth = kd.closed_form(kd.GradientFlow(jnp.linspace(0, 3, 40)), [1.0, 0.3])
    np.testing.assert_array_equal(measures.progress_at(smooth, 0.5, isotonic=True), measures.progress_at(smooth, 0.5))
    assert np.isnan(measures.progress_at(a_run(NOISY), 0.95, isotonic=True)).all()


def test_rounding_is_no_noise():
    smooth = np.stack([1 - np.exp(-np.arange(30) / 5), 1 - np.exp(-np.arange(30) / 50)], axis=1)
    shaken = smooth + 1e-9 * np.random.default_rng(0).standard_normal(smooth.shape)
    shaken[::2] = shaken[::2] - 1e-9
    shaken = np.repeat(shaken, 2, axis=0)  # it rests, too
    seen = measures.progress_at(a_run(shaken), 0.5)  # no warning
    np.testing.assert_allclose(seen, [0.5, 1 - 0.5**0.1], atol=1e-3)


def test_runs_that_overshoot_or_begin_anywhere():
    # through one in a single step: in a line, since there is no depth beyond one
    over = [[0.0, 0.0], [0.2, 0.1], [1.4, 0.3], [0.9, 0.5], [1.05, 0.9]]
    with pytest.warns(UserWarning, match="not monotone"), pytest.warns(UserWarning, match="on a line"):
        seen = measures.progress_at(a_run(over), 0.8)
    np.testing.assert_allclose(seen, [0.8, 0.2], rtol=1e-12)
    # another direction beyond one
    with pytest.warns(UserWarning, match="on a line"):
        read = measures.progress_at(a_run([[0.0, 0.5], [0.4, 0.9], [0.8, 1.7]]), 0.6)
    np.testing.assert_allclose(read[1], 0.9 + 0.8 * np.log(1.5) / np.log(3))
    below = [[-0.5, 3.1], [0.1, 2.0], [0.7, 1.2]]
    np.testing.assert_allclose(measures.progress_at(a_run(below), 0.4)[0], 0.4, rtol=1e-12)
    assert 1.2 < measures.progress_at(a_run(below), 0.4)[1] < 2.0
    np.testing.assert_allclose(measures.progress_at(a_run(below), -0.0)[0], 0.0, atol=1e-12)
    later = [[0.6, 0.1], [0.7, 0.2], [0.9, 0.4]]
    assert np.isnan(measures.progress_at(a_run(later), 0.5)).all()  # nobody knows when it did
    np.testing.assert_allclose(measures.progress_at(a_run(later), 0.6), [0.6, 0.1], rtol=1e-12)
    with pytest.raises(ValueError, match=r"makes no progress: the run begins at 1.34.*project\(..., start="):
        measures.progress_at(a_run([[1.34, 0.1], [0.87, 0.2], [1.0, 0.3]]), 0.3)
    with pytest.raises(ValueError, match="direction 0 has no target"):
        measures.progress_at(a_run([[np.nan, 0.1], [np.nan, 0.2]]), 0.3)
    # the order of the moments is that of the clock, and a moment that is lost is left out
    shuffled = a_run(np.array(later)[[2, 0, 1]], clock=[2.0, 0.0, 1.0])
    np.testing.assert_array_equal(measures.progress_at(shuffled, 0.8), measures.progress_at(a_run(later), 0.8))
    lost = [*below[:2], [np.nan, np.nan], below[2]]
    np.testing.assert_array_equal(measures.progress_at(a_run(lost), 0.4), measures.progress_at(a_run(below), 0.4))


def test_mini_batches_scatter_around_theory():
    """The mean over draws of a mini-batch run is gradient descent; ρ of such runs, and its interval, too."""
    problem = kd.problems.with_spectrum(0, [1.0, 0.5, 0.2], samples=60, noise=0.1)
    path, clock = np.arange(0, 400, 2), 0.02 * np.arange(0, 400, 2)
    system = problem.eigensystem()
    teacher = kd.GradientDescent(0.02, 60)
    runs = [
        [
            kd.simulate(each(kd.StochasticDescent(0.02, 5, seed, path)), problem, system)
            for seed in range(begin, begin + 8)
        ]
        for begin, each in ((0, lambda run: run), (100, lambda run: kd.distill(teacher, run)))
    ]
    with pytest.warns(UserWarning, match="progress of 8 of 8 runs of the (teacher|student) along direction 0 is not"):
        lags = measures.observed_exaggeration(*runs, 0.5)
    assert lags.shape == (8, 3)
    exact = measures.exaggeration(
        *(kd.GradientDescent(0.02, 1).rate(np.array(λ)) for λ in ([1.0] * 3, system.eigenvalues)), 0.5, 1.2
    )
    _, low, high = kd.confidence.mean_interval(lags, level=0.999)
    assert np.all((low <= exact + 1e-12) & (exact - 1e-12 <= high)) and exact[2] > 0.1
    stacked = [
        kd.project(problem, parameters=[system.parameters(run.coordinates) for run in group], clock=clock)
        for group in runs
    ]
    with pytest.warns(UserWarning, match="not monotone"):
        np.testing.assert_allclose(measures.observed_exaggeration(*stacked, 0.5), lags, atol=1e-9)
        np.testing.assert_allclose(measures.progress_at(stacked[0], 0.5)[3], measures.progress_at(runs[0][3], 0.5))
        one = measures.observed_exaggeration(runs[0][0], runs[1], 0.5)  # one teacher of all
        np.testing.assert_allclose(one[0], lags[0], rtol=1e-12)
        clocks = measures.matched_clock(*runs)
        assert clocks.shape == (8, 200) and np.nanmin(np.diff(clocks, axis=1)) >= 0
        np.testing.assert_array_equal(clocks[2], measures.matched_clock(runs[0][2], runs[1][2]))
    with pytest.raises(ValueError, match="8 teachers and 3 students"):
        measures.observed_exaggeration(runs[0], runs[1][:3], 0.5)
    with pytest.raises(TypeError, match=r"a run must be a Trajectory, or a list of them, one for each seed; got \[\]"):
        measures.progress_at([], 0.5)


def test_matched_clocks_of_runs_that_swing():
    teacher, student = a_run(NOISY[:, :1], clock=10.0 * np.arange(8)), a_run([[0.0], [0.3], [0.1], [0.6], [0.95]])
    with pytest.warns(UserWarning, match="progress of the (teacher|student) along direction 0 is not monotone"):
        seen = measures.matched_clock(teacher, student)
    # the most that was reached so far, in both: 0, .3, .3, .6, and what the teacher never learns
    np.testing.assert_allclose(seen, [0.0, 10.0, 10.0, 40.0, np.nan], rtol=1e-12)
    with pytest.warns(UserWarning):
        beyond = measures.matched_clock(a_run([[0.0], [1.5], [1.2]]), a_run([[0.0], [0.6], [1.2], [1.6]]))
    np.testing.assert_allclose(beyond, [0.0, 0.4, 0.8, np.nan], rtol=1e-12)
