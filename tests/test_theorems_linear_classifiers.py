"""Linear students of linear teachers, and of hard labels: THEOREMS T6 and T10.4."""

import dataclasses
import itertools
from fractions import Fraction

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import VIOLATED
from kdtheory.measures.linear_classifiers import angle, soft_label_limit, transfer_risk
from kdtheory.problems import Softmax
from kdtheory.theorems import linear_classifiers as theorems

digits = lambda value, printed: abs(value - float(printed)) <= 0.5 * 10.0 ** -len(printed.split(".")[1])


def trained(features, teacher, steps=20_000, start=0.0):
    """The loop, on the teacher's soft labels."""
    features, teacher = jnp.asarray(features), jnp.asarray(teacher)
    columns = jnp.stack([jnp.zeros_like(teacher), teacher], axis=1)
    hard = kd.problems.softmax(features, np.arange(len(features)) % 2, classes=[0, 1])
    step = 4.0 / float(jnp.sum(features**2) / len(features))
    begin = start * jnp.stack([-jnp.ones_like(teacher) / 2, jnp.ones_like(teacher) / 2], axis=1)
    w = kd.GradientDescent(step, steps).fit(hard.taught(hard.predict(columns)), begin)
    return w[:, 1] - w[:, 0]


def test_reference(oracle):
    for name, inputs, expected in oracle.theorem("T6"):
        student = soft_label_limit(np.array(inputs["X_d_by_n"]).T, inputs["w_star"])
        assert oracle.agrees(student.parameters, expected["student_limit"]), name
        assert oracle.agrees(student.angle, expected["angle"]), name  # 7e-9 among them, ill-conditioned by acos
        assert oracle.agrees(student.distance, expected["distance"]), name
        if name != "nearly aligned datum":  # rounding the student to floats has moved it by more than such an angle
            assert angle(student.parameters, jnp.array(inputs["w_star"])) == pytest.approx(student.angle, rel=1e-14)


@pytest.mark.parametrize("points", [1, 2, 4])
def test_loop_ends_at_the_limit(points):
    # fewer points than parameters, as many as span them all with one to spare, and a start off the span
    features = np.random.default_rng(points).standard_normal((points, 3))
    teacher, limit = np.array([1.0, -0.5, 0.7]), soft_label_limit(features, [1.0, -0.5, 0.7])
    np.testing.assert_allclose(trained(features, teacher), limit.parameters, atol=1e-9)
    off = np.ones(3) - soft_label_limit(features, np.ones(3)).parameters
    np.testing.assert_allclose(trained(features, teacher, start=1.0), limit.parameters + off, atol=1e-9)


def test_dependent_points():
    # the third row adds nothing to the span of the first two
    rows = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [1.0, 3.0, 1.0]])
    fewer, more = soft_label_limit(rows[:2], [1.0, 0.0, -2.0]), soft_label_limit(rows, [1.0, 0.0, -2.0])
    np.testing.assert_allclose(fewer.parameters, more.parameters, atol=1e-15)
    assert fewer.angle == pytest.approx(more.angle, rel=1e-14)


def test_refusals():
    with pytest.raises(ValueError, match="3 columns"):
        soft_label_limit(np.eye(3), [1.0, 2.0])
    with pytest.raises(ValueError, match="features has 1 non-finite"):
        soft_label_limit([[np.nan, 1.0]], [1.0, 2.0])


@pytest.mark.parametrize("between", [1e-15, 1e-8, 1.0, np.pi - 1e-8])
def test_angle(between):
    expected = between if between < 3 else np.pi - np.arctan2(np.sin(between), -np.cos(between))
    other = np.array([3 * np.cos(between), 3 * np.sin(between)])
    for size in (1.0, 1e200, 1e-200):
        assert angle([2.0 * size, 0.0], size * other) == pytest.approx(expected, rel=1e-15)


def exact_angle(a, b):
    a, b = ([mpmath.mpf(float(x)) for x in vector] for vector in (a, b))
    dot = lambda u, v: sum(x * y for x, y in zip(u, v, strict=True))
    across = [y - x * dot(a, b) / dot(a, a) for x, y in zip(a, b, strict=True)]
    return float(mpmath.atan2(mpmath.sqrt(dot(across, across)), dot(a, b) / mpmath.sqrt(dot(a, a))))


def test_small_angles_of_any_vectors():
    """To the last digits, against 400, also where no entry of the two is equal or of the size of another."""
    random = np.random.default_rng(0)
    with mpmath.workdps(400):
        for small in np.geomspace(1e-15, 10, 17):
            for sign in (1.0, -1.0):
                a = random.standard_normal(5) * 10.0 ** random.uniform(-3, 3, 5)
                b = 0.7e150 * sign * (a + small * random.standard_normal(5))
                assert angle(a, b) == pytest.approx(exact_angle(a, b), rel=1e-15, abs=0)
        assert angle([1.0, 0.0], [1.0, 1e-200]) == pytest.approx(1e-200, rel=1e-15, abs=0)
    assert np.isnan(angle([0.0, 0.0], [1.0, 0.0])) and np.isnan(angle([1.0, 0.0], [0.0, 0.0]))


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
def test_limits_and_risks_of_any_size(size):
    random = np.random.default_rng(1)
    for small in (1.0, 1e-9, 1e-14):
        features = random.standard_normal((2, 4)) * 10.0 ** random.uniform(-2, 2, 4)
        teacher = size * (features.sum(axis=0) + small * random.standard_normal(4))
        with mpmath.workdps(60):
            X, w = mpmath.matrix(features.tolist()), mpmath.matrix(teacher.tolist())
            along = X.T * mpmath.lu_solve(X * X.T, X * w)
            distance, length = mpmath.norm(w - along), mpmath.norm(along)
            expected = [float(mpmath.atan2(distance, length)), float(distance)]
        for rows in (features, features * np.array([[2.0**-996], [2.0**498]])):  # of the same span
            found = soft_label_limit(rows, teacher)
            assert [found.angle, found.distance] == pytest.approx(expected, rel=1e-15, abs=0)
    assert soft_label_limit([[1.0, 0.0], [0.0, 1e-17]], [3.0, 4.0]).distance == 0.0
    risk = transfer_risk([size, 0.0], [size, size], [size, size])
    assert risk == pytest.approx(0.25, rel=1e-15)


@pytest.mark.parametrize(
    "shapes, call",
    [
        (r"first \(3,\), second \(1,\)", lambda: angle([1.0, 0.0, 0.0], [1.0])),
        (r"first \(2, 2\), second \(2, 2\)", lambda: angle(np.eye(2), np.eye(2))),
        (r"teacher_parameters \(1,\)", lambda: transfer_risk([1.0, 2.0], [1.0], [1.0, 1.0])),
        (r"deviations \(1,\)", lambda: transfer_risk([1.0, 2.0], [1.0, 3.0], [1.0])),
    ],
)
def test_vectors_of_one_length(shapes, call):
    with pytest.raises(ValueError, match=shapes):
        call()


def test_risk_may_rise_with_data():
    """T6 c, the negative control: with x ~ N(0, diag(100, 1, 1)) a second point lowers the angle and raises the
    risk."""
    features, teacher, deviations = np.array([[1.0, 0.0, -0.9], [0.5, -0.9, 0.0]]), np.ones(3), [10.0, 1.0, 1.0]
    risks, angles = [], []
    for count in 1, 2:
        limit = soft_label_limit(features[:count], teacher)
        np.testing.assert_allclose(trained(features[:count], teacher), limit.parameters, atol=1e-9)
        risks.append(float(transfer_risk(limit.parameters, teacher, deviations)))
        angles.append(limit.angle)
    assert digits(risks[0], "0.068") and digits(risks[1], "0.742")
    assert digits(angles[0], "1.528") and digits(angles[1], "1.307")
    draws = np.random.default_rng(0).standard_normal((400_000, 3)) * deviations
    student = soft_label_limit(features, teacher).parameters
    assert np.mean((draws @ student > 0) != (draws @ teacher > 0)) == pytest.approx(risks[1], abs=0.003)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_transfer_bound(samples):
    """T6 b: E R <= p(β) + p(π/2 - β)^n, exactly, for inputs uniform on seven points: every training set is drawn."""
    points, teacher = np.random.default_rng(5).standard_normal((7, 4)), np.array([1.0, 0.2, -0.1, 0.3])
    points[:, 0] += 2.0
    cosines = np.abs(points @ teacher) / (np.linalg.norm(points, axis=1) * np.linalg.norm(teacher))
    angles = np.arccos(cosines)
    students = [
        soft_label_limit(points[list(rows)], teacher).parameters for rows in itertools.product(range(7), repeat=samples)
    ]
    wrong = (np.array(students) @ points.T) * (points @ teacher) <= 0
    p = lambda θ: np.mean(angles >= θ)
    bounds = [p(β) + p(np.pi / 2 - β) ** samples for β in np.linspace(0, np.pi / 2, 1000)]
    assert wrong.mean() <= min(bounds) < 1  # and it says something


def test_hard_labels_find_the_widest_margin():
    """T10.4: on separable data w/|w| tends to the hard-margin separator like 1/log t, |w| to its norm times log t."""
    features = np.array([[2.0, 1.0], [1.0, 2.5], [-1.5, -1.0], [-3.0, 0.5]])
    problem = kd.problems.softmax(features, [1, 1, 0, 0])
    steps = np.array([100, 1000, 10_000, 100_000])
    w = kd.GradientDescent(1.0, steps).fit(problem)
    w = np.asarray(w[..., 1] - w[..., 0])
    signed = features * np.array([1, 1, -1, -1])[:, None]
    # the nearest point of the convex hull to zero is one of its corners or on one of its edges
    candidates = [*signed]
    for a, b in itertools.combinations(signed, 2):
        share = np.clip(-a @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        candidates.append(a + share * (b - a))
    nearest = min(candidates, key=np.linalg.norm)
    separator = nearest / (nearest @ nearest)  # all margins at least one
    assert np.min(signed @ separator) == pytest.approx(1.0)
    off = np.array([float(angle(separator, row)) for row in w])
    excess = np.linalg.norm(w, axis=1) / (np.linalg.norm(separator) * np.log(steps)) - 1
    off, excess = off * np.log(steps), excess * np.log(steps)  # both gaps fall like 1/log t
    assert np.all(off > 0) and np.ptp(off) < 0.03 * off[0]
    assert np.all(excess > 0) and np.all(np.diff(excess) < 0)


# Attacks, with code that shares nothing with the claims.


@pytest.mark.parametrize("lane, function", [("check", "logits_of_flow"), ("practice", "logistic")])
def test_margins_a_little_too_large_are_found_out(monkeypatch, lane, function):  # F25 c
    right = getattr(theorems, function)
    monkeypatch.setattr(theorems, function, lambda *given: 1.02 * right(*given))
    claim = dataclasses.replace(kd.theorems.hard_labels_grow_like_log)
    assert getattr(claim, lane)(0, count=8).counts[VIOLATED] == 8


def test_a_student_off_the_projection_is_found_out(monkeypatch):  # F25 d
    least, gradient = theorems.of_least_loss, Softmax.gradient
    monkeypatch.setattr(theorems, "of_least_loss", lambda *given: 1.000001 * least(*given))
    assert dataclasses.replace(kd.theorems.student_is_projected_teacher).check(0, count=50).verdict == VIOLATED
    monkeypatch.setattr(Softmax, "gradient", lambda *given: gradient(*given) + 1e-6 * jnp.arange(2.0))
    assert dataclasses.replace(kd.theorems.student_is_projected_teacher).practice(0, count=3).verdict == VIOLATED


def test_a_point_may_be_as_close_as_the_student():  # F26: "less"
    student = soft_label_limit([[1.0, 0.0]], [1.0, 1.0])
    assert student.angle == pytest.approx(np.pi / 4, rel=1e-15) == float(angle([1.0, 0.0], [1.0, 1.0]))


def projection(points, teacher):
    """The teacher on the span of at most two points, in fractions."""
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))
    basis = []
    for point in points:
        for other in basis:
            point = [x - dot(point, other) / dot(other, other) * y for x, y in zip(point, other, strict=True)]
        basis.append(point)
    return [sum(dot(teacher, b) / dot(b, b) * b[k] for b in basis) for k in range(len(teacher))]


def exactly(*rows):
    return [[Fraction(x) for x in row] for row in rows]


def test_distance_need_not_fall():  # F26: "fall with every point"
    first, second, teacher = exactly([1, 0, 0], [0, 1, 0], [1, 0, 1])
    assert projection([first], teacher) == projection([first, second], teacher)


def test_an_identity_covariance_is_not_isotropy():  # F26: inputs ±√3 e_k disagree on the signs of entries
    first, second, teacher = exactly([1, -1, -1], [0, 1, -1], [2, 2, 1])
    share = lambda student: Fraction(sum(s * t < 0 for s, t in zip(student, teacher, strict=True)), 3)
    assert share(projection([first], teacher)) == Fraction(1, 3)
    assert share(projection([first, second], teacher)) == Fraction(2, 3)


def test_distance_never_rises_exactly():
    random = np.random.default_rng(2)
    square = lambda a, b: sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    for _ in range(100):
        first, second, teacher = exactly(*random.integers(-4, 5, (3, 4)).tolist())
        if not any(first) or len({x / y for x, y in zip(first, second, strict=True) if y}) < 2:
            continue  # they may be dependent
        fewer, more = projection([first], teacher), projection([first, second], teacher)
        assert square(more, teacher) <= square(fewer, teacher)
        assert sum(x * x for x in more) >= sum(x * x for x in fewer)  # and with it the angle


@pytest.mark.parametrize("step", ["0.01", "1", "8"])  # ηc, of which softmax loops with stable steps have at most 2
def test_hard_margins_of_a_loop_are_bounded(step):
    with mpmath.workdps(40):
        step, m = mpmath.mpf(step), mpmath.mpf(0)
        for k in range(1, 400):
            m += step / (1 + mpmath.exp(m))
            assert 1 + step * k <= mpmath.exp(m) + m <= 1 + step * k + step * mpmath.exp(step / 2) * m
