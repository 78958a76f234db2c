"""The accuracy that the README promises, on random points, against ball arithmetic on the plain definitions.

The ordinary run takes 1e4 points a function; `pytest -m slow tests/test_promises.py -s` takes 1e6 and prints
the worst errors, in ulp of the true value.
"""

import functools

import flint
import jax
import numpy as np
import pytest
from flint import arb

import kdtheory as kd

TINY = 2.3e-308  # below, only logs are promised
SLOW = [pytest.mark.slow, pytest.mark.timeout(0)]
COUNTS = [pytest.param(10_000, id="1e4"), pytest.param(1_000_000, id="1e6", marks=SLOW)]


@pytest.fixture(autouse=True, scope="module")
def precision():
    flint.ctx.prec, before = 1300, flint.ctx.prec  # sees 1 - e^-740
    yield
    flint.ctx.prec = before


def log_uniform(random, low, high, count):
    return np.exp(random.uniform(np.log(low), np.log(high), count))


def ulps(got, definition, points):
    """The error of each value in ulp of the truth; infinite for NaN, zero where the truth is below TINY."""
    errors = np.empty(len(got))
    for i, (value, point) in enumerate(zip(got.tolist(), zip(*(p.tolist() for p in points), strict=True), strict=True)):
        truth = definition(*map(arb, point))
        nearest = float(truth.mid())
        if abs(nearest) < TINY:
            errors[i] = 0.0
        elif value != value or value in (np.inf, -np.inf):
            errors[i] = np.inf
        else:
            errors[i] = abs(float((arb(value) - truth).mid())) / np.spacing(abs(nearest))
    return errors


def flow(rate, time):
    return kd.GradientFlow(time)


def descent(x, steps):
    return kd.GradientDescent(1.0, steps)


def ridge(eigenvalue, penalty):
    return kd.Ridge(penalty)


def flow_residual(rate, time):
    return (-rate * time).exp()


def descent_residual(x, steps):
    return (1 - x) ** steps


def ridge_residual(eigenvalue, penalty):
    return penalty / (eigenvalue + penalty)


def flow_points(random, count):
    rate = log_uniform(random, 1e-12, 1e12, count)
    return rate, log_uniform(random, 1e-20, 740, count) / rate


def descent_points(random, count):
    # ηλ down to 1e-18 and up to an ulp below one
    x = np.where(
        random.random(count) < 0.5, log_uniform(random, 1e-18, 0.9, count), 1 - log_uniform(random, 2e-16, 1, count)
    )
    return np.clip(x, 1e-18, 1 - 2**-53), np.floor(log_uniform(random, 1, 1e6, count))


def ridge_points(random, count):
    return log_uniform(random, 1e-150, 1e150, count), log_uniform(random, 1e-150, 1e150, count)


PLAIN = {
    "flow": (flow, flow_residual, flow_points),
    "descent": (descent, descent_residual, descent_points),
    "ridge": (ridge, ridge_residual, ridge_points),
}
FACES = {
    "filter": lambda residual: 1 - residual,
    "residual": lambda residual: residual,
    "log_filter": lambda residual: (1 - residual).log(),
    "log_residual": lambda residual: residual.log(),
}


@functools.cache
def compiled(learner, face):
    return jax.jit(jax.vmap(lambda *point: getattr(learner(*point), face)(point[0])))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", PLAIN)
def test_plain_learners_are_right_to_four_ulp(name, count):
    learner, residual, draw = PLAIN[name]
    points = draw(np.random.default_rng(1), count)
    for face, of in FACES.items():
        got = np.asarray(compiled(learner, face)(*points))
        worst = ulps(got, lambda *p, of=of, residual=residual: of(residual(*p)), points).max()
        print(f"{name} {face}: {worst:.2f} ulp")
        assert worst <= 4


def nested(rate, a, b, c, d, weight):
    """Three deep: distilled, weighted, switched."""
    once = kd.distill(kd.GradientFlow(a), kd.Ridge(b), weight)
    twice = kd.switch(once, kd.GradientFlow(c))
    return kd.distill(twice, kd.distill(kd.Ridge(d), kd.GradientFlow(a), weight))


def nested_filter(rate, a, b, c, d, weight):
    first = rate / (rate + b) * (weight * (1 - (-rate * a).exp()) + 1 - weight)
    then = 1 - (-rate * c).exp() * (1 - first)
    return then * (1 - (-rate * a).exp()) * (weight * rate / (rate + d) + 1 - weight)


@pytest.mark.parametrize("count", COUNTS)
def test_composed_learners_are_right_to_eight_ulp(count):
    random = np.random.default_rng(2)
    rate = log_uniform(random, 1e-6, 1e6, count)
    a, b, c, d = (log_uniform(random, 1e-9, 100, count) * scale for scale in (1 / rate, rate, 1 / rate, rate))
    weight = np.where(random.random(count) < 0.2, np.round(random.random(count)), random.random(count))
    points = rate, a, b, c, d, weight
    for face, of in FACES.items():
        got = np.asarray(compiled(nested, face)(*points))
        worst = ulps(got, lambda *p, of=of: of(1 - nested_filter(*p)), points).max()
        print(f"three deep {face}: {worst:.2f} ulp")
        assert worst <= 8


def self_distilled(rate, penalty, weight, fits):
    return kd.SelfDistilled(kd.Ridge(penalty), weight, fits)


def self_distilled_filter(rate, penalty, weight, fits):
    """The first fit's labels reach the last with weight q^(fits - 1), q = weight · filter; the sum over those between
    is geometric."""
    once = rate / (rate + penalty)
    q = weight * once
    reach = q ** (fits - 1)
    return once * ((1 - weight) * (1 - reach) / (1 - q) + reach)


def self_distilled_points(random, count):
    rate = log_uniform(random, 1e-6, 1e6, count)
    near_one = 1 - log_uniform(random, 1e-12, 1, count)
    weight = np.where(random.random(count) < 0.5, random.random(count), near_one)
    weight = np.where(random.random(count) < 0.2, np.round(weight), weight)
    fits = log_uniform(random, 1, 1e6, count)
    return rate, rate * log_uniform(random, 1e-9, 100, count), weight, np.where(weight > 0, fits, np.floor(fits))


@pytest.mark.parametrize("count", COUNTS)
def test_self_distillation_is_right_to_eight_ulp_and_four_for_each_log(count):
    points = self_distilled_points(np.random.default_rng(6), count)
    log_filter = np.asarray(compiled(self_distilled, "log_filter")(*points))
    faces = FACES | {"filter": lambda φ: φ, "log_filter": lambda φ: φ.log()}  # which may be smaller than any rounding
    faces |= {face: lambda φ, of=FACES[face]: of(1 - φ) for face in ("residual", "log_residual")}
    for face, of in faces.items():
        got = np.asarray(compiled(self_distilled, face)(*points))
        errors = ulps(got, lambda *p, of=of: of(self_distilled_filter(*p)), points)
        allowed = 8 + 4 * np.abs(log_filter) if face in ("filter", "log_residual") else 8
        print(f"self-distilled {face}: {errors.max():.2f} ulp, {np.max(errors / allowed):.2f} of what is allowed")
        assert np.all(errors <= allowed)


def student_points(random, count):
    rate = log_uniform(random, 1e-6, 1e6, count)
    T = log_uniform(random, 1e-12, 600, count) / rate
    left = np.where(random.random(count) < 0.5, random.random(count), log_uniform(random, 1e-12, 1, count))
    return rate, np.minimum(T * (1 - left), np.nextafter(T, 0)), T


def true_delay(rate, time, teacher_time):
    return ((1 - (-rate * time).exp()) / ((rate * (teacher_time - time)).exp() - 1) + 1).log() / rate


@pytest.mark.parametrize("count", COUNTS)
def test_matched_time_and_delay_are_right_to_eight_ulp(count):
    _, time, _ = points = student_points(np.random.default_rng(3), count)
    flint.ctx.prec = 2500  # the delay may be e^-600
    for function, truth in (
        (kd.measures.delay, true_delay),
        (kd.measures.matched_time, lambda r, t, T: t + true_delay(r, t, T)),
    ):
        got = np.asarray(jax.jit(jax.vmap(function))(*points))
        worst = ulps(got, truth, points)[time > 0].max()
        print(f"{function.__name__}: {worst:.2f} ulp")
        assert worst <= 8


@pytest.mark.parametrize("count", COUNTS)
def test_margins_keep_their_sign_and_twelve_digits(count):
    rate, time, teacher_time = student_points(np.random.default_rng(4), count)
    random = np.random.default_rng(5)
    apart = np.where(random.random(count) < 0.3, 0.0, log_uniform(random, 1e-16, 10, count))
    trail = np.minimum(rate * np.exp(-apart), np.nextafter(rate, 0))
    keep = time > 0
    points = tuple(p[keep] for p in (rate, trail, time, teacher_time))
    flint.ctx.prec = 2500

    def truth(lead, trail, t, T):
        lateness = true_delay(trail, t, T) - true_delay(lead, t, T)
        return (-trail * t).exp() * (1 - (-trail * (T - t)).exp()) * ((trail * lateness).exp() - 1)

    got = np.asarray(jax.jit(jax.vmap(kd.measures.margin))(*points))
    log = np.asarray(jax.jit(jax.vmap(kd.measures.log_margin))(*points))
    worst, worst_log = 0.0, 0.0
    for value, logarithm, point in zip(
        got.tolist(), log.tolist(), zip(*(p.tolist() for p in points), strict=True), strict=True
    ):
        true = truth(*map(arb, point))
        assert true > 0 and logarithm == logarithm
        worst_log = max(worst_log, abs(float((arb(logarithm) - true.log()).mid())))
        if float(true.mid()) > TINY:
            assert value > 0
            worst = max(worst, abs(float((arb(value) / true - 1).mid())))
    print(f"margin: {worst:.1e} relative; log_margin: {worst_log:.1e} absolute")
    assert worst <= 1e-12 and worst_log <= 1e-12


def true_momentum(x, steps, momentum, nesterov):
    """1 - r_k by powers of the recursion of (r_k, r_k-1)."""
    a, b = ((1 - x) * (1 + momentum), -(1 - x) * momentum) if nesterov else (1 + momentum - x, -momentum)
    power = flint.arb_mat([[a, b], [1, 0]]) ** int(float(steps))
    return 1 - power[0, 0] - power[0, 1]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("learner", [kd.HeavyBall, kd.Nesterov])
def test_momentum_keeps_twelve_digits(learner, count):
    random = np.random.default_rng(6)
    momentum = np.where(random.random(count) < 0.5, random.random(count), 1 - log_uniform(random, 1e-3, 1, count))
    share = np.where(random.random(count) < 0.5, random.random(count), log_uniform(random, 1e-15, 1, count))
    bound = 2 * (1 + momentum) / (1 + 2 * momentum) if learner is kd.Nesterov else 2 * (1 + momentum)
    x, steps = 0.99 * share * bound, np.floor(log_uniform(random, 1, 1000, count))
    run = jax.jit(jax.vmap(lambda x, steps, momentum: learner(1.0, momentum, steps).filter(x)))
    got, worst = np.asarray(run(x, steps, momentum)), 0.0
    flint.ctx.prec = 600
    for value, *point in zip(got.tolist(), x.tolist(), steps.tolist(), momentum.tolist(), strict=True):
        true = true_momentum(*map(arb, point), nesterov=learner is kd.Nesterov)
        # a mode that swings back through its start has a progress of next to nothing, made of large terms
        swings = point[0] > (1 - point[2] ** 0.5) ** 2
        size = max(abs(true), abs(1 - true)) if swings else true
        error = abs(float(((arb(value) - true) / size).mid()))
        worst = max(worst, error if error == error else np.inf)
    print(f"{learner.__name__}: {worst:.1e} relative (if it swings, to the larger of progress and residual)")
    assert worst <= 1e-12
