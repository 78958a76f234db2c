"""Slopes of every learner's four faces, against derivatives of the filter's definition in many digits."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from mpmath import mpf

import kdtheory as kd
from kdtheory._compilation import quick_options
from kdtheory.numerics import not_sloped

FACES = ("filter", "residual", "log_filter", "log_residual")
INF = np.inf


# Filters from their definitions: φ of λ and the fields.


def flow(λ, t):
    return -mpmath.expm1(-λ * t)


def ridge(λ, c):
    return λ / (λ + c)


def descent(λ, η, k):
    return 1 - (1 - η * λ) ** k


def heavy_ball(λ, η, β, k):
    now = before = mpf(1)
    for _ in range(int(k)):
        now, before = (1 + β - η * λ) * now - β * before, now
    return 1 - now


def nesterov(λ, η, β, k):
    now = before = mpf(1)
    for _ in range(int(k)):
        now, before = (1 - η * λ) * ((1 + β) * now - β * before), now
    return 1 - now


def written(λ):
    return λ**2 / (1 + λ**2)


def distilled(teacher, student, w):
    return student * (w * teacher + 1 - w)


def switched(first, then, left=None):
    """`left` is what the second leaves of its start, which is less than 1 - then where it forgets."""
    return then + (1 - then if left is None else left) * first


def again(s, w, fits):
    q = w * s
    if mpmath.isinf(fits):  # of |q| < 1
        return (1 - w) * s / (1 - q)
    sum_ = fits - 1 if q == 1 else (1 - q ** (fits - 1)) / (1 - q)
    return s * ((1 - w) * sum_ + q ** (fits - 1))


def folded(s, w, fits):
    return s if fits == 1 else distilled(folded(s, w, fits - 1), s, w)


# For each: the learner of its fields, φ(λ, *fields), and points (λ, *fields), of which the last are at edges.

CASES = {
    "flow": (
        kd.GradientFlow,
        flow,
        [(0.3, 2.0), (1e-9, 3.0), (7.0, 90.0), (2.0, 380.0), (1.0, 800.0), (0.0, 2.0), (3.0, 0.0), (0.0, 0.0)],
    ),
    "ridge": (
        kd.Ridge,
        ridge,
        [(0.3, 2.0), (1e-9, 3.0), (7.0, 1e-12), (2.0, 1e200), (1.0, -0.3), (0.0, 2.0), (3.0, 0.0)],
    ),
    "descent": (
        kd.GradientDescent,
        descent,
        [
            (0.3, 0.5, 7.0),
            (1e-9, 0.5, 2.5),
            (1.9, 0.5, 60.0),
            (1.0, 0.5, 1500.0),
            (0.0, 0.5, 3.0),
            (0.4, 0.0, 3.0),
            (0.4, 0.5, 0.0),
            (2.0, 0.5, 3.0),
            (3.0, 0.5, 3.0),
            (3.0, 0.5, 4.0),
        ],
    ),
    "heavy ball": (
        kd.HeavyBall,
        heavy_ball,
        [
            (0.3, 0.5, 0.2, 7.0),
            (0.01, 0.5, 0.8, 5.0),
            (1.9, 0.5, 0.01, 30.0),
            (0.9, 1.0, 0.02, 60.0),
            (0.0, 0.5, 0.8, 3.0),
            (0.4, 0.5, 0.0, 3.0),
            (0.4, 0.5, 0.3, 0.0),
            (5.0, 0.5, 0.3, 3.0),
        ],
    ),
    "nesterov": (
        kd.Nesterov,
        nesterov,
        [
            (0.3, 0.5, 0.2, 7.0),
            (0.01, 0.5, 0.8, 5.0),
            (1.9, 0.5, 0.01, 30.0),
            (0.0, 0.5, 0.8, 3.0),
            (0.4, 0.5, 0.0, 3.0),
            (0.4, 0.5, 0.3, 0.0),
            (5.0, 0.5, 0.3, 3.0),
        ],
    ),
    "filter": (
        lambda: kd.Filter(lambda eigenvalues: eigenvalues**2 / (1 + eigenvalues**2)),
        written,
        [(0.3,), (3.0,), (0.0,)],
    ),
    "distilled": (
        lambda T, c, w: kd.distill(kd.GradientFlow(T), kd.Ridge(c), w),
        lambda λ, T, c, w: distilled(flow(λ, T), ridge(λ, c), w),
        [
            (0.3, 2.0, 1.0, 0.4),
            (1.0, 40.0, 0.1, 0.7),
            (1e-9, 1.0, 1e-8, 0.9),
            (1.0, 1e-12, 1e-9, 1.0),
            (1.0, 2.0, 0.5, 0.0),
            (1.0, 2.0, 0.5, 1.0),
            (1.0, 40.0, 0.1, 0.0),
            (0.5, 2.0, 0.5, 1.4),
            (0.0, 2.0, 0.5, 0.3),
            (0.0, 2.0, 0.5, 1.0),
            (1.0, 0.0, 0.5, 0.4),
            (1.0, 0.0, 0.5, 1.0),
            (1.0, 2.0, 0.0, 0.4),
            (1.0, 800.0, 0.0, 1.0),
            (1.0, 2.0, 1e250, 0.0),
            (1.0, 1.0, 0.5, -0.3),
        ],
    ),
    "two ridges": (  # F6
        lambda a, b, w: kd.distill(kd.Ridge(a), kd.Ridge(b), w),
        lambda λ, a, b, w: distilled(ridge(λ, a), ridge(λ, b), w),
        [(1.0, 1.0, 2.0, w) for w in (0.0, 0.5, 1.0, 1.5)] + [(1.0, 0.0, 2.0, 1.0), (1.0, 1.0, 0.0, 0.0)],
    ),
    "switched": (
        lambda T, c: kd.switch(kd.GradientFlow(T), kd.Ridge(c)),
        lambda λ, T, c: switched(flow(λ, T), ridge(λ, c)),
        [
            (0.3, 2.0, 1.0),
            (1.0, 40.0, 0.1),
            (1e-9, 1.0, 1e-8),
            (1.0, 600.0, 1e-3),
            (1.0, 30.0, 1e-12),
            (0.0, 2.0, 0.5),
            (1.0, 0.0, 0.5),
            (1.0, 2.0, 0.0),
            (1.0, 0.0, 1e250),
        ],
    ),
    "nested": (
        lambda T, c, k, w: kd.distill(
            kd.switch(kd.distill(kd.GradientFlow(T), kd.Ridge(c), w), kd.GradientDescent(0.5, k)),
            kd.switch(kd.Ridge(c), kd.distill(kd.GradientDescent(0.5, k), kd.GradientFlow(T), w)),
            w,
        ),
        lambda λ, T, c, k, w: distilled(
            switched(distilled(flow(λ, T), ridge(λ, c), w), descent(λ, mpf("0.5"), k)),
            switched(ridge(λ, c), distilled(descent(λ, mpf("0.5"), k), flow(λ, T), w), 1 - flow(λ, T)),
            w,
        ),
        [
            (0.3, 2.0, 1.0, 3.0, 0.4),
            (1.0, 40.0, 0.1, 20.0, 0.7),
            (1.0, 1e-10, 1e8, 1e-9, 0.9),
            *((1.0, 2.0, 0.5, 3.0, w) for w in (0.0, 1.0)),
            (0.0, 2.0, 0.5, 3.0, 0.3),
            (1.0, 0.0, 0.5, 3.0, 0.4),
            (1.0, 2.0, 0.5, 0.0, 0.4),
            (1.0, 2.0, 0.0, 3.0, 0.4),
        ],
    ),
    "folded": (
        lambda c, w: kd.self_distill(kd.Ridge(c), 4, w),
        lambda λ, c, w: folded(ridge(λ, c), w, 4),
        [
            (0.3, 2.0, 0.4),
            (1.0, 1e-9, 0.7),
            (1e-9, 1.0, 0.9),
            (1.0, 0.5, 0.0),
            (1.0, 0.5, 1.0),
            (0.0, 0.5, 0.4),
            (1.0, 0.0, 0.5),
            (1.0, 0.0, 1.0),
        ],
    ),
    "again": (  # F6, F13
        lambda c, w, fits: kd.SelfDistilled(kd.Ridge(c), w, fits),
        lambda λ, c, w, fits: again(ridge(λ, c), w, fits),
        [
            (0.3, 2.0, 0.4, 3.0),
            (1.0, 1e-9, 0.7, 12.5),
            (1e-9, 1.0, 0.9, 4.0),
            (1.0, 1e-4, 0.999, 5000.0),
            (1.0, 1e-9, 1.0 - 1e-10, 1e6),
            (1.0, 0.01, 1.0, 300.0),
            (1.0, 1.0, 0.9, 1e9),
            (1.0, 1.0, 1.0, 900.0),
            (1.0, 0.5, 0.0, 3.0),
            (1.0, 0.5, 1.0, 3.0),
            (1.0, 0.5, 0.4, 1.0),
            (1.0, 0.5, 1.0, 1.0),
            (1.0, 0.5, 0.0, 1.5),
            (1.0, 0.5, 1.2, 4.0),
            (1.0, 0.0, 0.5, 3.0),
            (1.0, 0.0, 1.0, 3.0),
            (0.0, 0.5, 0.4, 3.0),
        ],
    ),
    "without end": (  # F13
        lambda c, w: kd.SelfDistilled(kd.Ridge(c), w, INF),
        lambda λ, c, w: again(ridge(λ, c), w, mpmath.inf),
        [
            (0.3, 2.0, 0.4),
            (1.0, 1e-9, 0.7),
            (1e-9, 1.0, 0.9),
            (1.0, 0.5, 0.0),
            (1.0, 0.5, 1.0),
            (1.0, 1e-17, 1.0),
            (1.0, 0.5, 1.2),
            (0.0, 0.5, 0.4),
            (1.0, 0.0, 0.4),
            (1.0, 0.5, -0.5),
        ],
    ),
    "flow again": (
        lambda t, w, fits: kd.switch(kd.GradientFlow(0.3), kd.SelfDistilled(kd.GradientFlow(t), w, fits)),
        lambda λ, t, w, fits: switched(flow(λ, mpf("0.3")), again(flow(λ, t), w, fits), 1 - flow(λ, t)),
        [
            (0.3, 2.0, 0.4, 3.0),
            (1.0, 30.0, 0.7, 12.5),
            (1e-9, 1.0, 0.9, 4.0),
            (1.0, 2.0, 1.0, 2.0),
            (1.0, 0.0, 1.0, 2.0),
        ],
    ),
}
WHOLE = {"heavy ball": [3], "nesterov": [3]}  # arguments by which there is no derivative
DEEP = {"nested", "flow again", "again"}


def derivatives(φ, point):
    """Every face's derivative by every argument; NaN where there is none that is finite."""
    point = [mpf(x) for x in point]
    value = φ(*point)
    missing = 1 - value
    slopes = [mpmath.diff(lambda x, i=i: φ(*point[:i], x, *point[i + 1 :]), point[i]) for i in range(len(point))]
    slopes = [d.real if abs(d.imag) <= mpf(10) ** -30 * abs(d) else mpmath.nan for d in map(mpmath.mpc, slopes)]
    tiny = mpf(10) ** -60  # an exact zero, as found by differences
    slopes = [mpf(0) if abs(d) < tiny and value in (0, 1) else d for d in slopes]
    by_log = [d / value if value > 0 else mpmath.nan for d in slopes]
    by_log_missing = [-d / missing if missing > 0 else mpmath.nan for d in slopes]
    return dict(zip(FACES, (slopes, [-d for d in slopes], by_log, by_log_missing), strict=True))


@functools.cache
def truth(name):
    """(points, arguments) for each face."""
    _, φ, points = CASES[name]
    with mpmath.workdps(700):  # sees 1 - e^-800
        rows = [derivatives(φ, point) for point in points]
        found = {face: np.array([[float(d) for d in row[face]] for row in rows]) for face in FACES}
    for argument in WHOLE.get(name, []):
        for face in FACES:
            found[face][:, argument] = np.nan
    return found


def every_face(make):
    def faces(eigenvalue, *fields):
        learner = make(*fields)
        return {face: getattr(learner, face)(eigenvalue) for face in FACES}

    return faces


def compare(got, wanted, name):
    """To 1e-11 relative; what is no number, or infinite, is neither here."""
    points = CASES[name][2]
    for face in FACES:
        for i, point in enumerate(points):
            for j in range(len(point)):
                seen, true = float(got[face][j][i]), wanted[face][i, j]
                where = f"{name} {face} by argument {j} at {point}: {seen} for {true}"
                if np.isnan(true):
                    assert not np.isfinite(seen), where
                else:
                    assert abs(seen - true) <= 1e-11 * abs(true) + 1e-307, where


MODES = {
    "reverse": lambda f, arguments: jax.jacrev(f, arguments),
    "forward": lambda f, arguments: lambda *point: _by_face([jax.jacfwd(f, i)(*point) for i in arguments]),
}


def _by_face(columns):
    return {face: tuple(column[face] for column in columns) for face in FACES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_slopes(name, mode):
    make, _, points = CASES[name]
    slopes = MODES[mode](every_face(make), tuple(range(len(points[0]))))
    # both ways in which the library compiles are tried, of the deepest only that which takes half as long
    options = quick_options(often=mode == "reverse" and name not in DEEP)
    got = jax.jit(jax.vmap(slopes), compiler_options=options)(*np.array(points).T)
    compare(got, truth(name), name)


def test_slopes_without_jit_or_vmap():
    """F6: of the wrong sign, once, at the default weight."""
    log_filter = lambda w: kd.distill(kd.Ridge(1.0), kd.Ridge(2.0), w).log_filter(1.0)
    assert [float(jax.grad(log_filter)(w)) for w in (0.0, 0.5, 1.0)] == pytest.approx([-1 / 2, -2 / 3, -1], rel=1e-14)
    assert [float(jax.jvp(log_filter, (w,), (1.0,))[1]) for w in (0.0, 1.0)] == pytest.approx([-1 / 2, -1], rel=1e-14)
    twice = lambda w: kd.SelfDistilled(kd.Ridge(1.0), w, 2).log_filter(1.0)
    assert float(jax.grad(twice)(1.0)) == pytest.approx(-1.0, rel=1e-14)


def test_second_slopes():
    """Of filter and log_filter by the first two arguments, at interior points."""
    for name in ("flow", "ridge", "descent", "distilled", "switched", "again"):
        make, φ, points = CASES[name]
        at = points[0]
        for face, of in (("filter", lambda x: x), ("log_filter", mpmath.log)):
            twice = jax.hessian(lambda *x, make=make, face=face: getattr(make(*x[1:]), face)(x[0]), (0, 1))
            got = jax.jit(twice, compiler_options=quick_options())(*at)
            for i in range(2):
                for j in range(2):
                    order = [0] * len(at)
                    order[i] += 1
                    order[j] += 1
                    with mpmath.workdps(60):
                        wanted = mpmath.diff(lambda *x, φ=φ, of=of: of(φ(*x)), tuple(map(mpf, at)), tuple(order))
                    assert float(got[i][j]) == pytest.approx(float(wanted), rel=1e-9), (name, face, i, j)


@pytest.mark.parametrize("face", FACES)
def test_slopes_at_infinity_and_where_two_edges_meet(face):
    """Where a filter stands still its slope is zero; where it jumps it has none, and says so."""

    def slopes(make, *at):
        return [float(d) for d in jax.grad(lambda *x: getattr(make(*x[1:]), face)(x[0]), range(len(at)))(*at)]

    by_rate, by_time = slopes(kd.GradientFlow, 1.0, INF)
    assert (by_rate, by_time) == (0, 0) or face == "log_residual"
    for make, at in ((kd.GradientFlow, (0.0, INF)), (kd.Ridge, (0.0, 0.0))):  # φ is one for every λ > 0
        assert not np.isfinite(slopes(make, *at)[0])
    if face.startswith("log"):
        return
    for at in ((1.0, 0.7, INF), (1.0, 1.0, INF)):  # F13
        by_rate, by_weight, by_fits = slopes(lambda w, n: kd.SelfDistilled(kd.Ridge(1.0), w, n), *at)
        sign, w = 1 if face == "filter" else -1, at[1]
        assert by_fits == 0
        assert by_weight == pytest.approx(-sign / (2 - w) ** 2, rel=1e-14)  # φ = (1 - w)/(2 - w)
        assert by_rate == pytest.approx(sign * (1 - w) / (2 - w) ** 2, rel=1e-14)


def test_what_has_no_slope_spoils_no_other():
    """Whole steps in the forward mode by all fields at once, and an eigenvalue at a jump in the reverse mode."""
    for learner in (kd.HeavyBall, kd.Nesterov):
        forward = jax.jacfwd(lambda *x, learner=learner: learner(*x).filter(0.3), (0, 1, 2))(0.5, 0.2, 7.0)
        reverse = jax.jacrev(lambda *x, learner=learner: learner(*x).filter(0.3), (0, 1, 2))(0.5, 0.2, 7.0)
        np.testing.assert_allclose(forward, reverse, rtol=1e-13)
        assert np.isfinite(forward[:2]).all() and np.isnan(forward[2])
    total = lambda c: jnp.sum(kd.distill(kd.GradientFlow(INF), kd.Ridge(c)).filter([0.0, 1.0]))
    assert float(jax.grad(total)(1.0)) == float(jax.jvp(total, (1.0,), (1.0,))[1]) == -0.25


@pytest.mark.parametrize("way", [1.0, -1.0, 1e-200, -3e200])
@pytest.mark.parametrize("wrapped", [jax.jit, lambda function: function], ids=["jit", "eager"])
def test_a_jump_has_no_slope_by_itself_and_leaves_others_theirs(wrapped, way):
    """NaN along x and nothing along y, whatever a compiler makes of products and sums of infinities."""
    jump = lambda x, y: not_sloped(x * y, x) + y
    along = wrapped(lambda tangents: jax.jvp(jump, (2.0, 3.0), tangents)[1])
    assert np.isnan(along((way, 0.0))) and along((0.0, way)) == 3.0 * way
    back = wrapped(lambda cotangent: jax.vjp(jump, 2.0, 3.0)[1](cotangent))
    by_x, by_y = back(way)
    assert np.isnan(by_x) and by_y == 3.0 * way
    assert back(0.0) == (0.0, 0.0)
