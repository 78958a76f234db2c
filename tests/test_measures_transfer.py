"""What a student of other features inherits: against references, brute force over signs, and matrices."""

import itertools
import math

import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.measures import transfer

FLOW = kd.GradientFlow(1.0)


def turn(i, j, angle, size=3):
    matrix = np.eye(size)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def rotated(angle):
    return turn(0, 1, angle, size=2)


def orthonormal(random, size):
    return np.linalg.qr(random.normal(size=(size, size)))[0]


def test_references(oracle):
    rows = oracle.theorem("T12", "overlap")
    assert len(rows) == 3
    for _, given, expected in rows:
        a, b, c = given["givens_01_02_12"]
        overlap = turn(0, 1, a) @ turn(0, 2, b) @ turn(1, 2, c)
        λ, μ = np.array(given["teacher_eigenvalues"]), given["student_eigenvalues"]
        teacher, student = kd.GradientFlow(given["teacher_time"]), kd.GradientFlow(given["student_time"])
        taught = np.asarray(teacher.filter(λ)) * given["label_coefficients"]
        found = transfer.mean_filter(student, μ, overlap)
        assert oracle.agrees(found.mean, expected["mean_filter"], 1e-14)
        assert oracle.agrees(found.deviation, expected["leak_sd"], 1e-13)
        assert oracle.agrees(transfer.leak_bound(student, μ, overlap, taught), expected["leak_bound"], 1e-13)
        times = transfer.switching_time(teacher, λ, found)
        assert expected["regime_1_2"] == "switches"
        assert oracle.agrees(times[1], expected["switching_teacher_time"], 1e-12)
        assert np.isnan(times[0])


def test_critical_angle(oracle):
    """The angle at which the switching time is the teacher's time."""
    rows = oracle.theorem("T12", "critical angle")
    assert len(rows) == 2
    for _, given, expected in rows:
        λ, student = [given["lead"], given["trail"]], kd.GradientFlow(given["student_time"])
        low, at, high = (
            transfer.switching_time(FLOW, λ, transfer.mean_filter(student, λ, rotated(angle)))[1]
            for angle in float(expected["angle_radians"]) * np.array([0.99, 1.0, 1.01])
        )
        assert at == pytest.approx(given["teacher_time"], rel=1e-11)
        assert low > given["teacher_time"] > high


@pytest.mark.parametrize("size", [2, 5])
def test_leak_bound_by_brute_force_over_signs(size):
    random = np.random.default_rng(size)
    μ, overlap = np.sort(random.exponential(size=size))[::-1], orthonormal(random, size)
    smoother = overlap.T @ np.diag(μ / (μ + 0.3)) @ overlap  # S in the teacher's directions
    taught = random.normal(size=size)
    found = transfer.mean_filter(kd.Ridge(0.3), μ, overlap)
    bound = transfer.leak_bound(kd.Ridge(0.3), μ, overlap, taught)
    np.testing.assert_allclose(found.mean, np.diag(smoother), rtol=1e-13)
    np.testing.assert_allclose(found.missing, 1 - np.diag(smoother), rtol=1e-13)
    np.testing.assert_allclose(found.deviation**2, np.diag(smoother @ smoother) - np.diag(smoother) ** 2, rtol=1e-10)
    signs = np.array(list(itertools.product([1, -1], repeat=size)))
    ends = (signs * taught) @ smoother
    leak = ends - found.mean * signs * taught
    assert np.all(np.abs(leak) <= bound * (1 + 1e-12))
    np.testing.assert_allclose(np.mean(ends / (signs * taught), axis=0), found.mean, atol=1e-13)
    for j in range(size):  # sharp: labels along the row of S
        worst = np.where(np.arange(size) == j, taught[j], smoother[j])
        reached = abs(smoother[j] @ worst - found.mean[j] * taught[j])
        limit = transfer.leak_bound(kd.Ridge(0.3), μ, overlap, worst)[j]
        assert reached == pytest.approx(limit, rel=1e-12)
        assert reached > 0.999 * limit > 0  # and nothing smaller would do


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_leak_bound_knows_no_size(size):
    """By hypot, of labels whose squares are no floats; without any label nothing leaks."""
    overlap, taught = rotated(0.3), np.array([3.0, 4.0])
    deviation = transfer.mean_filter(FLOW, [1.0, 0.2], overlap).deviation
    bound = transfer.leak_bound(FLOW, [1.0, 0.2], overlap, taught * size, outside=2 * size)
    np.testing.assert_allclose(bound, deviation * np.hypot(taught[::-1], 2) * size, rtol=1e-14)
    of_each = transfer.leak_bound(FLOW, [1.0, 0.2], overlap, np.outer(taught, [1.0, size, 0.0]))
    np.testing.assert_allclose(of_each, np.outer(deviation * taught[::-1], [1.0, size, 0.0]), rtol=1e-14)
    # beside a label of another size
    uneven = transfer.leak_bound(FLOW, [1.0, 0.2], overlap, [1.0, size])
    np.testing.assert_allclose(uneven, deviation * [size, 1.0], rtol=1e-14)


def test_leaks_of_many_directions_from_the_others():
    random = np.random.default_rng(2)
    overlap, taught = orthonormal(random, 6), random.normal(size=(6, 3))
    deviation = transfer.mean_filter(FLOW, np.arange(1.0, 7.0), overlap).deviation
    others = [[math.hypot(*np.delete(column, j), o) for o, column in enumerate(taught.T)] for j in range(6)]
    found = transfer.leak_bound(FLOW, np.arange(1.0, 7.0), overlap, taught, [0.0, 1.0, 2.0])
    np.testing.assert_allclose(found, deviation[:, None] * others, rtol=1e-14)
    with pytest.raises(
        ValueError, match=r"outside must be one length, or \(3,\), one for each output; got shape \(6,\)"
    ):
        transfer.leak_bound(FLOW, np.arange(1.0, 7.0), overlap, taught, np.ones(6))
    with pytest.raises(ValueError, match=r"outside must be one length; got shape \(6,\)"):
        transfer.leak_bound(FLOW, np.arange(1.0, 7.0), overlap, taught[:, 0], np.ones(6))


def test_an_asymmetric_student_breaks_the_bound():
    """Negative control: samples with weights of their own."""
    smoother = np.array([[0.5, 0.4], [0.0, 0.5]])
    taught = np.array([0.0, 1.0])
    deviation = math.sqrt(max(0.0, (smoother.T @ smoother)[0, 0] - 0.25))  # by the column instead of the row
    assert abs(smoother[0] @ taught) > deviation


def test_what_the_student_does_not_span_is_never_learnt():
    found = transfer.mean_filter(kd.Ridge(0.0), [2.0], [[0.6, 0.0]])
    np.testing.assert_allclose(found.mean, [0.36, 0.0])
    np.testing.assert_allclose(found.missing, [0.64, 1.0])
    np.testing.assert_allclose(found.deviation, [0.48, 0.0])  # of one with 0.36, zero with 0.64
    whole = transfer.mean_filter(kd.Ridge(0.0), [2.0, 1.0], rotated(0.3))
    assert np.all(whole.mean == pytest.approx(1)) and np.all(whole.missing == 0) and np.all(whole.deviation < 1e-15)


def test_paths_and_outputs():
    path, overlap = kd.GradientFlow(np.array([1.0, 2.0, 9.0])), rotated(0.4)
    found = transfer.mean_filter(path, [1.0, 0.2], overlap)
    bound = transfer.leak_bound(path, [1.0, 0.2], overlap, np.array([[1.0, 2.0], [3.0, 4.0]]), outside=[0.0, 3.0])
    assert found.mean.shape == (3, 2) and bound.shape == (3, 2, 2)
    one = transfer.mean_filter(kd.GradientFlow(2.0), [1.0, 0.2], overlap)
    np.testing.assert_allclose(found.deviation[1], one.deviation, rtol=1e-14)
    np.testing.assert_allclose(bound[1], one.deviation[:, None] * [[3.0, 5.0], [1.0, math.hypot(2.0, 3.0)]], rtol=1e-14)


def test_nearly_all_learnt_keeps_its_digits():
    """1 - φ̄ and the deviation of a saturated student, against 60 digits."""
    overlap, μ = rotated(0.7), [1.0, 0.8]
    found = transfer.mean_filter(kd.GradientFlow(60.0), μ, overlap)
    with mpmath.workdps(60):
        law = [[mpmath.mpf(float(each)) ** 2 for each in row] for row in overlap]
        left = [mpmath.exp(-60 * mpmath.mpf(each)) for each in μ]
        for j in range(2):
            mass = law[0][j] + law[1][j]
            missing = sum(law[k][j] * left[k] for k in range(2)) / mass
            spread = mpmath.sqrt(sum(law[k][j] * (left[k] - missing) ** 2 for k in range(2)) / mass)
            assert abs(mpmath.mpf(float(found.missing[j])) / missing - 1) < 1e-13
            assert abs(mpmath.mpf(float(found.deviation[j])) / spread - 1) < 1e-13


def margin(family, λ, mean, time):
    """Teacher's progress on direction 1 once it has learnt of direction 0 what the student has, less the student's, in
    60 digits."""
    a, b = (mpmath.mpf(float(each)) for each in λ)
    time = mpmath.mpf(float(time))
    if family == "ridge":
        h = lambda λ: λ / (λ + 1 / time)
        g = mean[0] * h(a)
        penalty = a * (1 - g) / g
        return b / (b + penalty) - mean[1] * h(b)
    rate = (lambda λ: λ) if family == "flow" else lambda λ: -mpmath.log(1 - λ / 4) * 4
    h = lambda λ: 1 - mpmath.exp(-rate(λ) * time)
    matched = -mpmath.log(1 - mean[0] * h(a)) / rate(a)
    return 1 - mpmath.exp(-rate(b) * matched) - mean[1] * h(b)


@pytest.mark.parametrize("family", ["flow", "descent", "ridge"])
def test_trichotomy(family):
    """Behind before the switching time and ahead after it, by matching in 60 digits; all three cases occur."""
    random = np.random.default_rng(3)
    teacher = dict(flow=FLOW, descent=kd.GradientDescent(0.25, 1), ridge=kd.Ridge(1.0))[family]
    seen = {"behind": 0, "ahead": 0, "switches": 0}
    for _ in range(60):
        λ = np.sort(random.uniform(0.01, 2.0, 2))[::-1]
        overlap, μ = rotated(random.uniform(0, 0.9)), np.sort(random.exponential(size=2))[::-1]
        found = transfer.mean_filter(kd.GradientFlow(10 ** random.uniform(-2, 1.5)), μ, overlap)
        with mpmath.workdps(60):
            # from what is missing, lest a saturated student's digits be lost
            mean = [1 - mpmath.mpf(float(each)) for each in found.missing]
            switch = transfer.switching_time(teacher, λ, found)[1]
            case = "ahead" if switch == 0 else "behind" if np.isinf(switch) else "switches"
            seen[case] += 1
            times = dict(ahead=(1e-6, 1.0, 1e3), behind=(1e-6, 1.0, 1e3), switches=(0.999 * switch, 1.001 * switch))
            margins = [margin(family, λ, mean, time) for time in times[case]]
            if case == "switches":
                assert margins[0] > 0 > margins[1]
                floor = abs(margins[0]) + abs(margins[1])
                assert abs(margin(family, λ, mean, switch)) < 1e-6 * floor
            else:
                assert all((each > 0) == (case == "behind") for each in margins)
    assert min(seen.values()) >= 5, seen


@pytest.mark.parametrize("teacher", [FLOW, kd.Ridge(1.0), kd.GradientDescent(0.3, 1)])
def test_equal_features_are_behind_and_delocalised_ones_ahead(teacher):
    """Both are ties of the theorem, which rounding must not decide."""
    λ = np.array([2.0, 1.1, 0.4, 0.05])
    for moment in (0.01, 1.0, 10.0):
        student = teacher.stopped(moment)
        same = transfer.switching_time(teacher, λ, transfer.mean_filter(student, λ, np.eye(4)))
        assert np.all(np.isinf(same[1:]))
        hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
        spread = transfer.switching_time(teacher, λ, transfer.mean_filter(student, λ, hadamard))
        np.testing.assert_array_equal(spread[1:], 0)


def test_where_the_theorem_is_silent():
    found = transfer.mean_filter(FLOW, [1.0, 0.5], np.eye(2))
    assert np.isnan(transfer.switching_time(FLOW, [1.0, 1.0], found)).all()
    assert np.isnan(transfer.switching_time(FLOW, [0.5, 1.0], found)).all()
    assert np.isnan(transfer.switching_time(kd.GradientDescent(1.5, 1), [1.0, 0.5], found)).all()
    nothing = transfer.mean_filter(kd.GradientFlow(0.0), [1.0, 0.5], np.eye(2))
    assert np.isnan(transfer.switching_time(FLOW, [1.0, 0.5], nothing)).all()
    with pytest.raises(TypeError, match=r"teacher must be GradientFlow, GradientDescent or Ridge.*got HeavyBall"):
        transfer.switching_time(kd.HeavyBall(0.1, 0.5, 3), [1.0, 0.5], found)
    with pytest.raises(TypeError, match="one moment of the student"):
        path = transfer.mean_filter(kd.GradientFlow(np.array([1.0, 2.0])), [1.0, 0.5], np.eye(2))
        transfer.switching_time(FLOW, [1.0, 0.5], path)


def test_overlaps_that_are_none_are_refused():
    with pytest.raises(TypeError, match=r"learner must be one of kdtheory's, .* got 0.2"):
        transfer.mean_filter(0.2, [1.0], [[1.0]])
    with pytest.raises(ValueError, match=r"overlap must be of shape \(2, K_T\)"):
        transfer.mean_filter(FLOW, [1.0, 0.5], np.eye(3))
    with pytest.raises(ValueError, match=r"columns of length <= 1, but that of column 1 is 2\.0"):
        transfer.mean_filter(FLOW, [1.0, 0.5], [[1.0, 0.0], [0.0, 2.0]])
    with pytest.raises(ValueError, match=r"taught must be of shape \(2,\)"):
        transfer.leak_bound(FLOW, [1.0, 0.5], np.eye(2), [1.0])


def test_gain_is_misfit_for_projections_and_more_for_ridge():
    random = np.random.default_rng(4)
    basis = orthonormal(random, 6)[:, :3]
    taught, truth = random.normal(size=6), basis @ random.normal(size=3)
    found = transfer.gain(basis @ (basis.T @ taught), taught, truth)
    assert found.gain == pytest.approx(found.misfit, rel=1e-12)
    outside = transfer.gain([1.0, 0.0], [1.0, 1.0], [0.0, 1.0])  # the truth is no student: gain < misfit
    assert (outside.misfit, outside.gain, outside.excess) == (0.5, -0.5, -1.0)
    for _ in range(50):  # any filter in (0, 1] minimises |f - t|²/2 + fᵀAf/2 with A = 1/φ - 1
        u, φ = orthonormal(random, 6), random.uniform(0.01, 1, 6)
        taught, truth = random.normal(size=(2, 6))
        student = u @ (φ * (u.T @ taught))
        found = transfer.gain(student, taught, truth)
        form = lambda f, u=u, φ=φ: (u.T @ f) @ ((1 / φ - 1) * (u.T @ f))
        least = found.misfit + (form(student) - form(truth)) / 6
        assert found.gain >= least - 1e-12
        assert found.gain == pytest.approx(least + form(student - truth) / 6, rel=1e-9)
        squares = [np.mean((each - truth) ** 2) for each in (taught, student)]
        assert found.gain == pytest.approx(squares[0] - squares[1], abs=1e-12)
    hard = transfer.gain([1.0], [1.0], [0.9])  # not convex: keeping what exceeds 0.6, at a price of 0.6 for either
    assert hard.gain == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(ValueError, match="taught and truth must be of one shape"):
        transfer.gain([1.0, 0.0], [1.0, 1.0], [1.0])


@pytest.mark.parametrize("teacher", [FLOW, kd.Ridge(1.0)])
def test_regimes_and_roots_keep_their_digits_at_both_ends(teacher):
    """Filters from 1e-15 to all but 1e-15, decided and solved in 200 digits."""
    random, seen = np.random.default_rng(1), set()
    for case in range(120):
        odds = random.uniform(-1, 1, 2) * [2, 10, 34][case % 3]
        found = transfer.MeanFilter(1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(odds)), np.zeros(2))
        ratio = float(10 ** random.uniform(-3, 0))
        clock = transfer.switching_time(teacher, [1.0, ratio], found)[1]
        with mpmath.workdps(200):
            f, g = (
                mpmath.mpf(float(a)) if a < 0.5 else 1 - mpmath.mpf(float(b))
                for a, b in zip(found.mean, found.missing, strict=True)
            )
            ρ = mpmath.mpf(ratio)
            if isinstance(teacher, kd.Ridge):
                c, h = (lambda x, ρ=ρ: ρ * x / (1 - (1 - ρ) * x)), (lambda t: t / (1 + t))
            else:
                c, h = (lambda x, ρ=ρ: 1 - (1 - x) ** ρ), (lambda t: 1 - mpmath.exp(-t))
            if g <= c(f) or g >= f:
                assert clock == (np.inf if g <= c(f) else 0.0)
                seen.add(clock)
                continue
            before, after = (h(mpmath.mpf(float(clock)) * (1 + mpmath.mpf(off))) for off in (-1e-12, 1e-12))
            assert c(f * before) - g * c(before) > 0 > c(f * after) - g * c(after)
            seen.add("switches")
    assert seen == {np.inf, 0.0, "switches"}


def test_a_run_that_is_turned_begins_where_it_began():
    """Its start is turned with it, so that progress begins at zero."""
    first, second = kd.problems.linear(np.diag([2.0, 1.0]), [1.0, 1.0]), kd.problems.linear([[1.0], [1.0]], [1.0, 1.0])
    begun = first.features @ np.array([0.3, 0.2])
    path = kd.GradientDescent(0.1, np.arange(4)).fit(first, [0.3, 0.2])
    run = kd.project(first, predictions=path @ first.features.T, start=begun)
    onto = kd.simulate(kd.GradientDescent(0.1, np.arange(4)), second)
    overlap = kd.measures.transfer.overlap(first.eigensystem(), second.eigensystem())
    turned = kd.measures.transfer.turned(run, overlap, onto=onto)
    np.testing.assert_allclose(run.progress[0], 0.0, atol=1e-14)
    np.testing.assert_allclose(turned.progress[0], 0.0, atol=1e-14)


def test_deviations_without_squares_and_filters_without_end():
    late, overlap = kd.GradientFlow(400.0), [[0.6, 0.8], [0.8, -0.6]]
    with mpmath.workdps(400):
        left = [mpmath.exp(-400 * rate) for rate in (2, 1)]
        leak = float(mpmath.mpf("0.6") * mpmath.mpf("0.8") * abs(left[0] - left[1]))
    bound = kd.measures.transfer.leak_bound(late, [2.0, 1.0], overlap, [1.0, 1.0])
    np.testing.assert_allclose(bound, [leak, leak], rtol=1e-12)
    diverged = kd.GradientDescent(3.0, 10**5)
    found = kd.measures.transfer.mean_filter(diverged, [1.0, 0.1], [[0.0, 1.0], [1.0, 0.0]])
    assert found.mean[0] == pytest.approx(1.0) and found.deviation[0] == 0.0
