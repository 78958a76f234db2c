"""Margins of students against their teachers': THEOREMS T10.1 by its reference values, and attacks on the claims."""

import random
from fractions import Fraction as F

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import HOLDS, OUTSIDE, VIOLATED

LANES = pytest.mark.parametrize("lane", ["theory", "practice"])


def test_flow(oracle):
    for name, inputs, expected in oracle.theorem("T10", "flow slope"):
        lead, trail, T, s = (inputs[key] for key in ("lam_top", "lam_small", "T", "s"))
        line = kd.confidence.margin_line(kd.GradientFlow(T), kd.GradientFlow(s), lead, trail)
        assert oracle.agrees(line.slope, expected["slope"]), name
        assert oracle.agrees(np.log(line.slope), expected["log_slope"]), name
        assert oracle.agrees(kd.confidence.critical_time(lead, trail, T), expected["s0"]), name
        assert oracle.agrees(line.scale_free, expected["normalised_slope"]), name
        assert float(line.excess) == pytest.approx(float(line.slope) - 1, rel=1e-12)
        assert (s > kd.confidence.critical_time(lead, trail, T)) == (line.excess > 0)
        assert kd.confidence.critical_time(lead, trail, T) <= np.log(lead / trail) / (lead - trail) * (1 + 1e-15)


def test_ridge(oracle):
    for name, inputs, expected in oracle.theorem("T10", "ridge slope"):
        lead, trail, c_T, c_S = (inputs[key] for key in ("lam_top", "lam_small", "c_T", "c_S"))
        line = kd.confidence.margin_line(kd.Ridge(c_T), kd.Ridge(c_S), lead, trail)
        assert oracle.agrees(line.slope, expected["slope"]), name
        assert oracle.agrees(line.excess, expected["slope_minus_1"]), name
        assert (lead * trail > c_T * c_S) == (line.excess > 0)
    # at λ₁λ₂ = c_T c_S the slope is one
    line = kd.confidence.margin_line(kd.Ridge(2.0), kd.Ridge(1.0), 4.0, 0.5)
    assert float(line.slope) == pytest.approx(1, rel=1e-15) and float(line.excess) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("learner", [kd.GradientFlow(1.5), kd.Ridge(0.4)])
def test_equal_fits(learner):
    # s = T: the slope is the sum of the two filters; the line goes through (h₁, g₁) and (h₂, g₂)
    h1, h2 = learner.filter([2.0, 0.3]).tolist()
    line = kd.confidence.margin_line(learner, learner, 2.0, 0.3)
    assert float(line.slope) == pytest.approx(h1 + h2, rel=1e-14)
    for h in h1, h2:
        assert float(line.slope) * h + float(line.intercept) == pytest.approx(h * h, rel=1e-13)


def test_eigenvalues_an_ulp_apart():
    """The limit is the derivative of g = φ² in h = φ, with s = T; naive differences of filters have no digit left."""
    near = np.nextafter(1.0, 0.0)
    for learner in kd.Ridge(0.7), kd.GradientFlow(1.3):
        line = kd.confidence.margin_line(learner, learner, 1.0, near)
        assert float(line.slope) == pytest.approx(2 * float(learner.filter(1.0)), rel=1e-13)
        assert float(line.scale_free) == pytest.approx(2.0, rel=1e-13)
    assert float(kd.confidence.critical_time(1.0, near, 1.3)) == pytest.approx(1.3 / np.expm1(1.3), rel=1e-13)


def test_other_learners():
    # gradient descent with its own differences, against the flow that it is close to, and against its filters
    loop, flow = kd.GradientDescent(1e-3, 2000), kd.GradientFlow(2.0)
    line, close = (kd.confidence.margin_line(learner, learner, 1.0, 0.2) for learner in (loop, flow))
    assert float(line.slope) == pytest.approx(float(jnp.sum(loop.filter([1.0, 0.2]))), rel=1e-12)
    assert float(line.slope) == pytest.approx(float(close.slope), rel=1e-3)


# The claims, attacked with numbers that share nothing with them.


@LANES
def test_a_wrong_critical_time_is_seen(lane, monkeypatch, afresh):
    # F25: for flow one of 10,000 instances saw the criterion times 1.001
    right, claim = kd.confidence.critical_time, kd.theorems.margins_on_a_line
    monkeypatch.setattr(kd.confidence, "critical_time", lambda *given: right(*given) * 1.001)
    check = claim.check(0, 128) if lane == "theory" else claim.practice(0, 6)
    flow = check.instances["method"] == "flow"
    assert np.mean(check.verdicts[flow] == VIOLATED) > 0.8 and np.all(check.verdicts[~flow] == HOLDS)


def test_a_wrong_criterion_of_ridge_is_seen(monkeypatch, afresh):
    # F25: for ridge none did
    right, claim = kd.theorems.confidence.excess, kd.theorems.margins_on_a_line
    wrong = lambda method, lead, trail, clocks: right(method, 1.001 * lead, trail, clocks)
    monkeypatch.setattr(kd.theorems.confidence, "excess", wrong)
    check = claim.check(0, 128)
    assert np.mean(check.verdicts == VIOLATED) > 0.8


@pytest.mark.parametrize("part", ["slope", "intercept", "excess", "scale_free"])
def test_a_wrong_line_is_seen(part, monkeypatch, afresh):
    right = kd.confidence.margin_line
    claim = kd.theorems.scale_free_slope_exceeds_one if part == "scale_free" else kd.theorems.margins_on_a_line

    def wrong(*given):
        line = right(*given)
        return type(line)(**vars(line) | {part: getattr(line, part) * (1 + 1e-3)})

    monkeypatch.setattr(kd.confidence, "margin_line", wrong)
    check = claim.check(0, 128)
    assert np.mean(check.verdicts == VIOLATED) > 0.8


def test_a_hardly_learnt_teacher_may_have_a_steeper_student():
    # F26: flow, λ = 2, 1, T = .001, s = 1; and at the critical time, below log 2, the slope is one
    flow = kd.GradientFlow
    line = kd.confidence.margin_line(flow(1e-3), flow(1.0), 2.0, 1.0)
    assert float(line.slope) == pytest.approx(1.097, abs=5e-4)
    s = kd.confidence.critical_time(2.0, 1.0, 1e-3)
    assert s < np.log(2.0) and abs(float(kd.confidence.margin_line(flow(1e-3), flow(s), 2.0, 1.0).excess)) < 1e-15
    with mpmath.workdps(40):
        h, r = ([mpmath.exp(-x * t) for x in (2, 1)] for t in (mpmath.mpf("0.001"), 1))
        h = [1 - x for x in h]
        slope = (h[0] * (1 - r[0]) - h[1] * (1 - r[1])) / (h[0] - h[1])
    assert float(line.slope) == pytest.approx(float(slope), rel=1e-13)


def test_a_null_direction_gives_exactly_one():
    # F26: scaled to its teacher's top direction, a student is the more spread only if λ₂ > 0
    for learner in kd.GradientFlow(1.0), kd.Ridge(0.5):
        assert float(kd.confidence.margin_line(learner, learner, 2.0, 0.0).scale_free) == 1.0
    assert np.isinf(kd.confidence.critical_time(2.0, 0.0, 1.0))
    same = dict(method="flow", lead=1.0, clocks=[1.0, 2.0], start=0.0)
    assert kd.theorems.scale_free_slope_exceeds_one.at(ratio=0.0, **same).verdict != HOLDS
    assert kd.theorems.scale_free_slope_exceeds_one.at(ratio=1.0, **same).verdict == OUTSIDE
    for ratio in 1e-9, 0.999999, 1.5, 30.0:  # whichever of the two is the larger
        assert kd.theorems.scale_free_slope_exceeds_one.at(ratio=ratio, **same).verdict == HOLDS


def test_ridge_in_fractions():
    """Margins of points with any labels, from a Gram matrix of blocks of their own, by solving for them."""
    numbers = random.Random(0)
    for _ in range(6):
        points, within = 4, F(numbers.randint(1, 9), 10)
        gram = [[F(1) if i == j else within * (i // 2 == j // 2) for j in range(points)] for i in range(points)]
        λ = 1 + within, 1 - within
        y = [F(1), F(-1), F(numbers.choice([1, -1])), F(1)]
        c = [F(numbers.randint(1, 40), 10) for _ in range(2)]

        def fit(targets, c, gram=gram):  # two by two: the blocks are apart
            out = []
            for a, b in ((0, 1), (2, 3)):
                d, o = gram[a][a] + c, gram[a][b]
                α = [(d * targets[a] - o * targets[b]), (d * targets[b] - o * targets[a])]
                α = [x / (d * d - o * o) for x in α]
                out += [gram[a][a] * α[0] + o * α[1], o * α[0] + gram[a][a] * α[1]]
            return out

        taught = fit(y, c[0])
        m_T, m_S = ([a * b for a, b in zip(y, f, strict=True)] for f in (taught, fit(taught, c[1])))
        line = kd.confidence.margin_line(*(kd.Ridge(float(x)) for x in c), *map(float, λ))
        for x, m in zip(m_T, m_S, strict=True):
            assert float(line.slope * float(x) + line.intercept) == pytest.approx(float(m), rel=1e-13, abs=1e-15)
        spread = max(m_T) - min(m_T)
        if spread:
            assert (max(m_S) - min(m_S) > spread) == (λ[0] * λ[1] > c[0] * c[1])


# Any spectrum (T15).


def points(K, labels, h, φ):
    """Margins of teacher and student, by mpmath, from a Gram matrix and two functions of its eigenvalues."""
    values, vectors = mpmath.eigsy(K)
    values = [max(v, mpmath.mpf(0)) for v in values]
    along = vectors.T * labels
    teacher = vectors * mpmath.matrix([h(v) * a for v, a in zip(values, along, strict=True)])
    student = vectors * mpmath.matrix([h(v) * φ(v) * a for v, a in zip(values, along, strict=True)])
    return [[y * z for y, z in zip(labels, run, strict=True)] for run in (teacher, student)]


def line_of(x, y):
    mean = lambda values: sum(values) / len(values)
    a, b, c = (
        mean([(u - mean(p)) * (v - mean(q)) for u, v in zip(p, q, strict=True)]) for p, q in ((x, x), (y, y), (x, y))
    )
    orthogonal = (b - a + mpmath.sqrt((b - a) ** 2 + 4 * c**2)) / (2 * c)
    return c / a, mean(y) - c / a * mean(x), orthogonal, c / mpmath.sqrt(a * b)


@pytest.mark.parametrize("method", ["flow", "ridge", "loop"])
@pytest.mark.parametrize("outside", [False, True])
def test_margins_of_any_problem(method, outside):
    generator = np.random.default_rng(7)
    with mpmath.workdps(60):
        for samples, features, T, s in (5, 3, 0.7, 2.0), (6, 9, 20.0, 0.3), (4, 4, 0.01, 30.0):
            X = generator.normal(size=(samples, features)) * 10 ** generator.uniform(-1, 0.5, features)
            y = generator.choice([-1.0, 1.0], samples)
            y[:2] = -1, 1
            if not outside:  # no labels on null directions
                X = np.hstack([X, np.eye(samples)])
            η = 0.9 / np.linalg.eigvalsh(X @ X.T / samples)[-1]
            steps = max(1, round(T / η)), max(1, round(s / η))
            learners, filters = {
                "flow": (
                    (kd.GradientFlow(T), kd.GradientFlow(s)),
                    [lambda v, t=t: 1 - mpmath.exp(-v * t) for t in (T, s)],
                ),
                "ridge": (
                    (kd.Ridge(1 / T), kd.Ridge(1 / s)),
                    [lambda v, c=1 / t: v / (v + mpmath.mpf(c)) for t in (T, s)],
                ),
                "loop": (
                    tuple(kd.GradientDescent(η, k) for k in steps),
                    [lambda v, k=k, η=η: 1 - (1 - mpmath.mpf(η) * v) ** k for k in steps],
                ),
            }[method]
            K = mpmath.matrix(X.tolist()) * mpmath.matrix(X.tolist()).T / samples
            x, z = points(K, mpmath.matrix(y.tolist()), *filters)
            found = kd.confidence.margin_regression(*learners, *kd.confidence.label_energy(kd.problems.linear(X, y)))
            slope, intercept, orthogonal, correlation = map(float, line_of(x, z))
            assert float(found.slope) == pytest.approx(slope, rel=1e-9)
            assert float(found.excess) == pytest.approx(slope - 1, rel=1e-9, abs=1e-9)
            assert float(found.intercept) == pytest.approx(intercept, rel=1e-9, abs=1e-9)
            assert float(found.orthogonal_slope) == pytest.approx(orthogonal, rel=1e-9)
            assert float(found.correlation) == pytest.approx(correlation, rel=1e-9)


def test_many_columns_and_what_runs_do():
    """Ten one-vs-rest columns of digits, by the loop, against the line over all their margins."""
    images, classes = kd.datasets.digits()
    images, labels = images[:120] - images[:120].mean(0), 2.0 * kd.datasets.one_hot(classes[:120]) - 1
    problem = kd.problems.linear(images, labels)
    eigenvalues, energy = kd.confidence.label_energy(problem)
    assert float(energy.sum()) == pytest.approx(1, abs=1e-12) and eigenvalues[-1] == 0
    teacher, student = kd.GradientDescent(None, 300), kd.GradientDescent(None, [3, 30, 300])
    both = [learner.tuned(problem.max_eigenvalue()) for learner in (teacher, student)]
    found = kd.confidence.margin_regression(*both, eigenvalues, energy)
    x = (labels * problem.predict(teacher.fit(problem))).ravel()
    for place, fit in enumerate(kd.distill(teacher, student).fit(problem)):
        seen = kd.confidence.of_points(x, (labels * problem.predict(fit)).ravel())
        assert seen.slope == pytest.approx(float(found.slope[place]), rel=1e-9)
        assert seen.orthogonal_slope == pytest.approx(float(found.orthogonal_slope[place]), rel=1e-9)


def test_two_levels_are_a_case():
    for learner in kd.GradientFlow, lambda clock: kd.Ridge(1 / clock):
        teacher, student = learner(0.7), learner(5.0)
        line = kd.confidence.margin_line(teacher, student, 3.0, 0.2)
        found = kd.confidence.margin_regression(teacher, student, [3.0, 0.2], [0.3, 0.7])
        for part in "slope", "intercept", "excess", "scale_free":
            assert float(getattr(found, part)) == pytest.approx(float(getattr(line, part)), rel=1e-12)
        assert float(found.correlation) == pytest.approx(1, abs=1e-12)


def test_no_bias_has_the_slope_one_and_bias_may_lower_it():
    flat = kd.Filter(lambda λ: 0.3 + 0 * λ)  # a student that drops the same everywhere
    teacher, energy = kd.GradientFlow(2.0), [0.2, 0.5, 0.3]
    found = kd.confidence.margin_regression(teacher, flat, [2.0, 1.0, 0.1], energy)
    assert float(found.scale_free) == pytest.approx(1, rel=1e-14) and float(found.slope) == pytest.approx(
        0.3, rel=1e-14
    )
    # exaggerated bias and yet a scale-free slope below one, by fractions: h = (.9, .8, .1), φ = (1, .2, .1)
    h, φ, w = [F(9, 10), F(8, 10), F(1, 10)], [F(1), F(2, 10), F(1, 10)], [F(1, 100), F(49, 100), F(1, 2)]
    mean = lambda values: sum(a * b for a, b in zip(w, values, strict=True))
    g = [a * b for a, b in zip(h, φ, strict=True)]
    exact = (mean([a * b for a, b in zip(h, g, strict=True)]) - mean(h) * mean(g)) / (
        mean([a * a for a in h]) - mean(h) ** 2
    )
    assert exact < 1
    table = lambda values: kd.Filter(lambda λ: jnp.array([float(v) for v in values])[jnp.argsort(jnp.argsort(-λ))])
    found = kd.confidence.margin_regression(
        table(h),
        kd.Filter(lambda λ: jnp.interp(λ, jnp.array([1.0, 2.0, 3.0]), jnp.array([0.1, 0.2, 1.0]))),
        [3.0, 2.0, 1.0],
        [float(v) for v in w],
    )
    assert float(found.scale_free) == pytest.approx(float(exact), rel=1e-13)


def test_critical_eigenvalue_is_where_most_is_dropped():
    λ = np.geomspace(1e-4, 1e2, 2_000_001)
    for learner in (
        kd.GradientFlow,
        lambda clock: kd.Ridge(1 / clock),
        lambda clock: kd.GradientDescent(1e-2, clock / 1e-2),
    ):
        for T, s in (0.5, 4.0), (30.0, 0.7):
            teacher, student = learner(T), learner(s)
            dropped = np.asarray(teacher.filter(λ) * student.residual(λ))
            found = float(kd.confidence.critical_eigenvalue(teacher, student))
            assert found == pytest.approx(λ[np.nanargmax(dropped)], rel=1e-4)
    assert float(kd.confidence.critical_eigenvalue(kd.GradientFlow(1e-9), kd.GradientFlow(4.0))) == pytest.approx(0.25)
    with pytest.raises(TypeError, match="the critical eigenvalue is known for two of GradientFlow"):
        kd.confidence.critical_eigenvalue(kd.GradientFlow(1.0), kd.Ridge(1.0))


@LANES
@pytest.mark.parametrize("wrong", [1 - 1e-2, 1 + 1e-2])
def test_a_wrong_critical_eigenvalue_is_seen(lane, wrong, monkeypatch, afresh):
    right, claim = kd.confidence.critical_eigenvalue, kd.theorems.slope_exceeds_one_beyond_critical_eigenvalue
    monkeypatch.setattr(kd.confidence, "critical_eigenvalue", lambda *given: right(*given) * wrong)
    check = claim.check(0, 400) if lane == "theory" else claim.practice(0, 60)
    assert np.mean(check.verdicts == VIOLATED) > 0.03


@LANES
@pytest.mark.parametrize("part", ["slope", "intercept"])
def test_a_wrong_regression_is_seen(lane, part, monkeypatch, afresh):
    right, claim = kd.confidence.margin_regression, kd.theorems.margins_are_a_regression_of_filters

    def wrong(*given):
        line = right(*given)
        return type(line)(**vars(line) | {part: getattr(line, part) * (1 + 1e-4) + 1e-5})

    monkeypatch.setattr(kd.confidence, "margin_regression", wrong)
    check = claim.check(0, 64) if lane == "theory" else claim.practice(0, 12)
    assert np.all(check.verdicts == VIOLATED)


def test_what_label_energy_refuses():
    with pytest.raises(ValueError, match=r"labels must be -1 or 1, got 0.0; for classes give 2 \* one_hot"):
        kd.confidence.label_energy(kd.problems.linear([[1.0], [2.0]], [0.0, 1.0]))
    for energy in [0.5, 0.6], [1.5, -0.5]:
        with pytest.raises(ValueError, match="energy must be shares >= 0 that sum to one"):
            kd.confidence.margin_regression(kd.Ridge(1.0), kd.Ridge(1.0), [1.0, 2.0], energy)


@pytest.mark.parametrize(
    "T, s",
    [
        *((np.inf, 1.0), (0.0, 2.0), (np.inf, np.inf), (1.0, np.inf), (1.0, 0.0), (0.0, 0.0), (1e200, 1e-200)),
        *((1e-200, 1e200), (1e-320, 1.0), (3.0, 2.0), (1e-19, 1.0), (1.0, 1e-301), (1e-21, 1.0)),
    ],
)
def test_critical_eigenvalue_at_its_ends(T, s):
    """log(1 + T/s)/T in a thousand digits, and its limits."""
    with mpmath.workdps(1000):
        one, other = mpmath.mpf(T), mpmath.mpf(s)
        ends = 0.0 if np.inf in (T, s) else np.inf if s == 0 else 1 / s
        wanted = float(mpmath.log1p(one / other) / one) if 0 < T < np.inf and 0 < s < np.inf else ends
    flow = kd.confidence.critical_eigenvalue(kd.GradientFlow(T), kd.GradientFlow(s))
    np.testing.assert_allclose(flow, wanted, rtol=4e-15)
    η = 0.1
    loop = kd.confidence.critical_eigenvalue(*(kd.GradientDescent(η, clock / η) for clock in (T, s)))
    np.testing.assert_allclose(loop, -np.expm1(-η * wanted) / η, rtol=4e-15)
    assert np.isnan(kd.confidence.critical_eigenvalue(kd.GradientFlow(np.inf), kd.GradientFlow(0.0)))


def test_critical_eigenvalue_of_ridge_of_any_size():
    of = lambda *c: float(kd.confidence.critical_eigenvalue(*map(kd.Ridge, c)))
    for c in (1e-200, 1e200):
        np.testing.assert_allclose(of(c, 4 * c), 2 * c, rtol=4e-16)
    assert of(-1.0, -4.0) == 2.0 and of(0.0, 2.0) == 0.0 and np.isnan(of(-1.0, 2.0))


def test_equal_step_sizes_are_one():
    """Whether or not they are one object; under JAX only that is known."""
    of = lambda one, other: kd.confidence.critical_eigenvalue(kd.GradientDescent(one, 5), kd.GradientDescent(other, 10))
    step = float("0.1")
    wanted = -np.expm1(-0.1 * np.log(1.5) / 0.5) / 0.1
    for other in (float("0.1"), np.float64(0.1), jnp.array(0.1)):
        assert other is not step and float(of(step, other)) == pytest.approx(wanted, rel=1e-14)
    assert jax.jit(lambda step: of(step, step))(0.1) == pytest.approx(wanted, rel=1e-14)
    for one, other in ((0.1, 0.2), (0.1, None), (np.full(10, 0.1), np.full(10, 0.1))):
        with pytest.raises(TypeError, match="of GradientDescent with one step size"):
            of(one, other)


def test_margins_of_several_pairs_of_levels():
    pairs = [4.0, 1.0, 2.0], [0.5, 0.3, 0.1]
    line = kd.confidence.margin_line(kd.Ridge(2.0), kd.Ridge(1.0), *pairs)
    each = [kd.confidence.margin_line(kd.Ridge(2.0), kd.Ridge(1.0), *pair) for pair in zip(*pairs, strict=True)]
    np.testing.assert_allclose(line.slope, [one.slope for one in each], rtol=1e-14)
    times = [kd.confidence.critical_time(*pair, 0.7) for pair in zip(*pairs, strict=True)]
    np.testing.assert_allclose(kd.confidence.critical_time(*pairs, 0.7), times, rtol=1e-14)


@pytest.mark.parametrize("method, beyond, clocks", [("ridge", 1, [1e3, 1e-3]), ("flow", 0, [7.988875894221079, 0.001])])
def test_next_to_the_critical_eigenvalue_digits_decide(method, beyond, clocks):
    given = dict(gaps=[0.7022697775669273, 0.33234534708632435, 0.3036873985540583], reach=1e-8, stray=0.0)
    energy = [0.8468601850046192, 0.14789653760750426, 0.21683171049553274]
    check = kd.theorems.slope_exceeds_one_beyond_critical_eigenvalue.at(
        method=method, beyond=beyond, clocks=clocks, energy=energy, **given
    )
    assert check.verdict == HOLDS and check.certified.all()  # floats are wrong by 1e-5


def test_a_line_through_points_that_are_one_says_nothing():
    """A teacher that has learnt all but e^-50: any line goes through its margins, within their rounding."""
    given = dict(method="flow", spectrum=[5.0, 6.0, 7.0, 8.0, 9.0, 10.0], draws=[0.9, 0.9, 0.2, 0.7, 0.1, 0.6])
    claims = (
        (kd.theorems.margins_are_a_regression_of_filters, dict(coding=1.0)),
        (kd.theorems.exaggerated_bias_sets_the_slope, dict(lead=0)),
    )
    for claim, more in claims:
        late, early = (claim.at(clocks=[time, 1.0], start=0.5, **given, **more).verdict for time in (10.0, 2.0))
        assert (late, early) == (OUTSIDE, VIOLATED)
        assert claim.at(clocks=[2.0, 1.0], start=0.0, **given, **more).verdict == HOLDS


@pytest.mark.parametrize("count", [1, 13, 26, 43])
def test_a_teacher_that_is_the_same_along_all_directions_has_no_slope(count):
    """Not even that of the rounding of shares that do not sum to one."""
    energy = np.full(count, 1.0 / count) * (1.0 - 5e-7)
    found = kd.confidence.margin_regression(kd.GradientFlow(3.0), kd.GradientFlow(2.0), [0.7] * count, energy)
    assert np.isnan(found.slope) and np.isnan(found.excess) and np.isnan(found.correlation)
    points = kd.confidence.of_points([0.1] * 7, np.arange(7.0))
    assert np.isnan(points.slope) and np.isnan(points.orthogonal_slope)
