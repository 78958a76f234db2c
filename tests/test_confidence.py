"""Confidence measures, on synthetic data whose slope is known, and against scipy and scikit-learn."""

import jax
import mpmath
import numpy as np
import pytest
import scipy.stats
from scipy.special import softmax

import kdtheory as kd

RANDOM = np.random.default_rng(0)


def two_classes(z):
    return np.stack([z, np.zeros_like(z)], axis=1)


def test_the_logit_of_a_class():
    logits = RANDOM.standard_normal((50, 4)) * 3
    classes = RANDOM.integers(4, size=50)
    p = softmax(logits, axis=1)[np.arange(50), classes]
    np.testing.assert_allclose(kd.confidence.class_logit(logits, classes), np.log(p / (1 - p)), rtol=1e-11)
    sure = kd.confidence.class_logit([[800.0, 0.0, 0.0], [800.0, 0.0, 0.0]], [0, 1])  # where p rounds to 1, and to 0
    np.testing.assert_allclose(sure, [800 - np.log(2), -800], rtol=1e-14)
    for strange in (4, -1):
        with pytest.raises(ValueError, match=f"classes must be column numbers of logits, from 0 to 3; got {strange}"):
            kd.confidence.class_logit(logits[:2], [0, strange])
        assert np.isnan(jax.jit(kd.confidence.class_logit)(logits[:2], np.array([0, strange]))).tolist() == [
            False,
            True,
        ]


def test_the_student_is_asked_about_the_teachers_top_class():
    x, y = kd.confidence.top_class([[0.0, 2.0]], [[5.0, 0.0]])
    assert (x.item(), y.item()) == (2.0, -5.0)
    with pytest.raises(ValueError, match=r"both logits must be \(N, C\)"):
        kd.confidence.top_class([[0.0, 2.0]], [[5.0, 0.0, 1.0]])


@pytest.mark.parametrize("slope, intercept", [(1.5, -1.0), (0.7, 0.2), (1.0, 0.0)])
def test_a_known_slope_is_found_and_scatter_biases_the_two_slopes_apart(slope, intercept):
    x = 1 + RANDOM.gamma(4.0, 1.0, 20_000)
    clean = kd.confidence.compare(two_classes(x), two_classes(slope * x + intercept))
    assert clean.slope == pytest.approx(slope) and clean.orthogonal_slope == pytest.approx(slope)
    assert clean.intercept == pytest.approx(intercept)
    assert np.sign(round(clean.high_residual - clean.low_residual, 9)) == np.sign(slope - 1)
    noisy = kd.confidence.of_points(x, slope * x + intercept + RANDOM.standard_normal(20_000))
    assert noisy.slope == pytest.approx(slope, abs=0.02)
    assert noisy.orthogonal_slope > slope + 0.02  # scatter in y alone steepens the axis
    both = np.stack([x, slope * x]) + RANDOM.standard_normal((2, 20_000))
    even = kd.confidence.of_points(*both)
    assert even.orthogonal_slope == pytest.approx(slope, abs=0.03) and even.slope < slope - 0.1


def test_orthogonal_regression_is_the_principal_axis():
    points = RANDOM.standard_normal((2, 200)) * [[1.0], [0.3]]
    x, y = np.array([[0.8, -0.6], [0.6, 0.8]]) @ points
    axis = np.linalg.svd(np.stack([x - x.mean(), y - y.mean()]), full_matrices=False)[0][:, 0]
    assert kd.confidence.of_points(x, y).orthogonal_slope == pytest.approx(axis[1] / axis[0])
    falling = kd.confidence.of_points(x, -y)
    assert falling.orthogonal_slope == pytest.approx(-axis[1] / axis[0])
    flat = kd.confidence.of_points(x, 1e-9 * y)  # what its variances have in common is nearly all of them
    exact = np.linalg.svd(np.stack([x - x.mean(), 1e-9 * (y - y.mean())]))[0][:, 0]
    assert flat.orthogonal_slope == pytest.approx(exact[1] / exact[0], rel=1e-9)
    assert kd.confidence.of_points(x, 0.0 * y).orthogonal_slope == 0.0
    assert np.isnan(kd.confidence.of_points(0.0 * x, 0.0 * y).orthogonal_slope)
    short = [values.astype(np.float32) for values in (1e4 + x, y)]
    assert kd.confidence.of_points(*short).slope == kd.confidence.of_points(*map(np.float64, short)).slope


def test_a_scale_makes_the_slope_free_of_overall_confidence():
    x = np.linspace(1.0, 5.0, 100)
    teacher, short = two_classes(x), two_classes(0.25 * x)
    assert kd.confidence.compare(teacher, short).slope == pytest.approx(0.25)
    scale = kd.confidence.matching_scale(np.eye(3)[:, :2], 0.25 * np.eye(3)[:, :2], directions=2)
    assert kd.confidence.compare(teacher, short, scale).slope == pytest.approx(1.0)


def test_against_the_truth():
    from sklearn.metrics import accuracy_score, log_loss

    logits, labels = RANDOM.standard_normal((300, 5)), RANDOM.integers(5, size=300)
    p = softmax(logits, axis=1)
    assert kd.confidence.accuracy(logits, labels) == accuracy_score(labels, p.argmax(1))
    assert kd.confidence.log_loss(logits, labels) == pytest.approx(log_loss(labels, p))
    assert kd.confidence.log_loss(logits, np.eye(5)[labels]) == pytest.approx(log_loss(labels, p))


def test_calibration():
    p = RANDOM.uniform(0.5, 1.0, 40_000)
    logits = two_classes(np.log(p / (1 - p)))
    honest = (RANDOM.uniform(size=40_000) > p).astype(int)  # class 0 with probability p
    assert kd.confidence.calibration_error(logits, honest) < 0.01
    assert kd.confidence.calibration_error(logits, np.zeros(40_000, int)) == pytest.approx(1 - p.mean())


def test_the_bootstrap_covers_and_the_interval_of_runs_is_students():
    covered = 0
    for seed in range(40):
        x = np.random.default_rng(seed).normal([0.0, 5.0], size=(40, 2))
        low, high = kd.confidence.bootstrap(lambda rows: rows.mean(0), x, key=seed, draws=300)
        assert low.shape == (2,)
        covered += int(low[1] < 5.0 < high[1])
    assert 34 <= covered <= 40
    values = RANDOM.standard_normal(5)
    _, low, high = kd.confidence.mean_interval(values)
    expected = scipy.stats.t.interval(0.95, 4, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose((low, high), expected)
    runs = np.array([[1.0, 2.0], [np.nan, 3.0], [2.0, 4.0]])
    with pytest.warns(UserWarning, match="NaN in 1 of 3 runs"):
        mean, low, high = kd.confidence.mean_interval(runs)
    assert np.isnan([mean[0], low[0], high[0]]).all() and mean[1] == 3.0 and low[1] < 3.0 < high[1]
    with pytest.raises(ValueError, match="at least two runs"):
        kd.confidence.mean_interval([1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kd.confidence.class_logit([1.0, 0.0], [0]), r"\(2,\) and \(1,\)"),
        (lambda: kd.confidence.class_logit([[1.0, 0.0]], [0, 1]), r"\(1, 2\) and \(2,\)"),
        (lambda: kd.confidence.of_points([1.0, 2.0], [1.0]), r"\(2,\) and \(1,\)"),
        (lambda: kd.confidence.of_points([], []), "one at least"),
        (lambda: kd.confidence.matching_scale(np.ones((2, 1)), np.ones((2, 3))), r"\(2, 1\) and \(2, 3\)"),
        (lambda: kd.confidence.matching_scale([[1.0]], [[1.0]], 0), "directions must be a whole number"),
        (lambda: kd.confidence.log_loss([[1.0, 0.0]], [[3.0, 7.0]]), r"row 0 is \[3.0, 7.0\]"),
        (lambda: kd.confidence.log_loss([[1.0, 0.0]], [[-0.5, 1.5]]), r"row 0 is \[-0.5, 1.5\]"),
        (lambda: kd.confidence.calibration_error([[1.0, 0.0]], [0], bins=0), "bins must be a whole number"),
        (lambda: kd.confidence.bootstrap(np.mean, np.ones(5), np.ones(9)), r"same rows.*\(5,\), \(9,\)"),
        (lambda: kd.confidence.bootstrap(np.mean), "same rows"),
        (lambda: kd.confidence.bootstrap(np.mean, []), "same rows"),
        (lambda: kd.confidence.bootstrap(np.mean, [1.0, 2.0], draws=0), "draws must be a whole number"),
        (lambda: kd.confidence.bootstrap(np.mean, [1.0, 2.0], level=95), "level must be a probability.*got 95"),
        (lambda: kd.confidence.mean_interval([1.0, 2.0], level=95), "level must be a probability.*got 95"),
        (lambda: kd.confidence.mean_interval(1.0), "at least two runs, got one number"),
        (lambda: kd.confidence.log_loss([1.0, 2.0], [[0.5, 0.5]]), r"logits must be \(N, C\).*got shape \(2,\)"),
        (lambda: kd.confidence.log_loss(np.ones((0, 2)), np.ones((0, 2))), r"one row at least; got shape \(0, 2\)"),
        (lambda: kd.confidence.compare(np.eye(2), np.eye(2), [[1.0], [2.0]]), "scale must be one number"),
        (
            lambda: kd.confidence.margin_regression(kd.Ridge(1.0), kd.Ridge(1.0), [1.0, -1.0], [0.5, 0.5]),
            r"eigenvalues must be .* finite numbers >= 0, got \[ ?1. -1.\]",
        ),
    ],
)
def test_what_has_no_confidence_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_numbers_whose_squares_are_none(size):
    """Lines, factors and intervals are those of the same numbers at their own size."""
    x, y = RANDOM.standard_normal((2, 30))
    seen, expected = kd.confidence.of_points(size * x, size * y), kd.confidence.of_points(x, y)
    fit = scipy.stats.linregress(x, y)
    assert seen.slope == pytest.approx(fit.slope, rel=1e-12)
    assert seen.orthogonal_slope == pytest.approx(expected.orthogonal_slope, rel=1e-12)
    assert seen.intercept / size == pytest.approx(fit.intercept, rel=1e-12)
    assert kd.confidence.matching_scale([[3.0 * size]], [[2.0 * size]]) == pytest.approx(1.5, rel=1e-15)
    assert kd.confidence.matching_scale([[3.0]], [[2.0 * size]]) * size == pytest.approx(1.5, rel=1e-15)
    runs = np.array([[1.0, 3.0, 4.0], [1.0 * size, 3.0 * size, 4.0 * size]]).T
    mean, low, high = kd.confidence.mean_interval(runs)
    half = scipy.stats.t.ppf(0.975, 2) * np.sqrt(7 / 9)  # variance 7/3, over three runs
    for found, exact in ((mean, 8 / 3), (low, 8 / 3 - half), (high, 8 / 3 + half)):
        np.testing.assert_allclose(found / [1.0, size], exact, rtol=1e-13)


def test_no_factor_matches_a_student_of_zero():
    assert np.isnan(kd.confidence.matching_scale([[1.0]], [[0.0]]))


def test_the_empirical_kernel_is_that_of_a_wide_network():
    def network(parameters, x):
        first, second = parameters
        return np.sqrt(2 / len(second)) * jax.nn.relu(x @ first) @ second

    x = RANDOM.standard_normal((6, 3))
    keys = jax.random.split(jax.random.key(0))
    wide = [jax.random.normal(keys[0], (3, 4000)), jax.random.normal(keys[1], (4000, 1))]
    expected = kd.kernels.relu_ntk(x)
    np.testing.assert_allclose(kd.kernels.empirical_ntk(network, wide, x), expected, atol=0.1 * expected.max())
    narrow = [wide[0][:, :7], jax.random.normal(keys[1], (7, 2))]
    both = kd.kernels.empirical_ntk(network, narrow, x)
    each = [kd.kernels.empirical_ntk(lambda p, x, c=c: network(p, x)[:, c], narrow, x) for c in (0, 1)]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, atol=1e-12)
    np.testing.assert_allclose(kd.kernels.empirical_ntk(network, narrow, x, x[:2]), both[:, :2], atol=1e-12)


def test_bins_of_calibration_are_closed_above():
    """Two bins: a half is in the lower one, as in Guo et al.; each is off by what it says."""
    logits = np.log([[0.5, 0.5], [0.1, 0.9]])
    assert kd.confidence.calibration_error(logits, [1, 1], bins=2) == pytest.approx((0.5 + 0.1) / 2, abs=1e-12)


def test_a_student_that_does_not_train_says_nothing():
    line = kd.confidence.margin_line(kd.GradientFlow(1.0), kd.GradientFlow(0.0), 1.0, 0.1)
    assert (float(line.slope), float(line.intercept), float(line.excess)) == (0.0, 0.0, -1.0)


def test_equal_progress_is_told_from_its_rounding():
    """Of an orthogonal table all margins are one, and what differs is rounding; directions without energy are none."""
    flow, student, count = kd.GradientFlow(3.0), kd.GradientFlow(0.5), 300
    found = kd.confidence.margin_regression(flow, student, [1.0] * 7 + [0.0], [1 / 7] * 7 + [0.0])
    assert np.isnan([found.slope, found.excess, found.scale_free]).all()
    random = np.random.default_rng(0)
    table, labels = np.linalg.qr(random.normal(size=(count, count)))[0] * count**0.5, np.sign(random.normal(size=count))
    problem = kd.problems.linear(table, labels)
    assert np.isnan(kd.confidence.margin_regression(flow, student, *kd.confidence.label_energy(problem)).slope)
    of_teacher = np.asarray(problem.predict(flow.fit(problem)))
    of_student = np.asarray(problem.predict(student.fit(problem.taught(of_teacher))))
    assert np.isnan(kd.confidence.of_points(labels * of_teacher, labels * of_student).slope)


def test_lines_of_what_has_no_square():
    late = kd.GradientFlow(400.0), kd.GradientFlow(0.5)
    line = kd.confidence.margin_line(*late, 1.1, 1.0)
    with mpmath.workdps(400):
        h, g = ([1 - mpmath.exp(-mpmath.mpf(rate) * time) for rate in (1.1, 1.0)] for time in (400, 0.5))
        slope = (h[0] * g[0] - h[1] * g[1]) / (h[0] - h[1])
    found = kd.confidence.margin_regression(*late, [1.1, 1.0], [0.5, 0.5])
    for each in (line.slope, found.slope, found.orthogonal_slope, found.excess):
        assert float(each) == pytest.approx(float(slope), rel=1e-12)
    assert float(found.correlation) == pytest.approx(1.0)
    for size in (1e-200, 1e200):
        points = kd.confidence.of_points(size * np.arange(1.0, 4.0), np.arange(1.0, 4.0))
        assert points.slope == pytest.approx(1 / size) and points.orthogonal_slope == pytest.approx(1 / size)


def test_margins_at_the_ends_of_ridge():
    """Against penalties next to the ends."""
    for teacher, student, lead, trail in ((1.0, 0.0, 2.0, 1.0), (0.0, 0.5, 2.0, 0.0), (1e-170, 1e-170, 2.0, 1.0)):
        line, near = (
            kd.confidence.margin_line(kd.Ridge(teacher + shift), kd.Ridge(student + shift), lead, trail)
            for shift in (0.0, 1e-12)
        )
        for field in ("slope", "intercept", "excess"):
            assert float(getattr(line, field)) == pytest.approx(float(getattr(near, field)), abs=1e-10)
    assert float(kd.confidence.critical_time(1.0, 2.0, 0.7)) == pytest.approx(
        float(kd.confidence.critical_time(2.0, 1.0, 0.7)), rel=1e-14
    )
    assert float(kd.confidence.critical_time(1.0, 2.0, 1e3)) == 0.0


def test_energy_of_some_directions_is_refused():
    random = np.random.default_rng(0)
    problem = kd.problems.linear(random.normal(size=(40, 20)), np.sign(random.normal(size=40)))
    with pytest.raises(ValueError, match=r"the eigensystem has 5 directions, and the others have .* take all"):
        kd.confidence.label_energy(problem, problem.eigensystem(count=5))
    single = kd.problems.kernel(np.float32(problem.features @ problem.features.T), problem.targets)
    assert float(kd.confidence.label_energy(single)[1].sum()) == pytest.approx(1.0, abs=1e-5)


def test_intervals_at_their_ends():
    assert kd.confidence.mean_interval([2.0, 2.0], level=1.0) == (2.0, 2.0, 2.0)
    _, low, high = kd.confidence.mean_interval([1.0, 2.0, 3.0], level=1 - 1e-15)
    assert np.isfinite([low, high]).all()
    assert kd.confidence.bootstrap(np.mean, np.arange(9.0), key=-1) != kd.confidence.bootstrap(np.mean, np.arange(9.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: kd.confidence.bootstrap(np.mean, x),
        lambda x: kd.confidence.class_logit(x[None], [0]),
        lambda x: kd.confidence.compare(np.ones((1, 3)), x[None]),
        lambda x: kd.confidence.top_class(x[None], np.ones((1, 3))),
    ],
)
def test_masks_are_not_dropped(call):
    with pytest.raises(TypeError, match="masked"):
        call(np.ma.array([1.0, 2.0, 300.0], mask=[0, 0, 1]))
