"""Distillation exaggerates the spectral bias of gradient descent.

Each claim compares a student with a single fit that has learnt just as much along one direction. Unless a
hypothesis is dropped, everything starts at zero, teacher and student see the same inputs, and the loss is
squared.
"""

import dataclasses
import functools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp

from kdtheory import certify
from kdtheory.claims import (
    ahead,
    among,
    both,
    claim,
    either,
    measured,
    positive,
    same,
    several,
    uniform,
    usually,
    whole,
)
from kdtheory.distillation import distill
from kdtheory.learners import GradientFlow, HeavyBall, Ridge

started = usually(0.0, uniform(0.1, 0.9))  # where training begins, as a fraction of the target
turned = usually(0.0, uniform(0.1, 1.5))  # the angle between the student's inputs and the teacher's
pushed = usually(0.0, uniform(0.3, 0.95))  # momentum

zero_start = lambda start: start == 0
same_inputs = lambda angle: angle == 0
no_momentum = lambda momentum: momentum == 0


def turned_student(run, teacher, student, spectrum, angle):
    """A student whose inputs are turned by `angle` against its teacher's, along the teacher's two
    eigendirections."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.array([[c, -s], [s, c]])
    taught = turn.T @ run(teacher, spectrum).learnt
    return measured(turn @ run(student, spectrum, target=taught).learnt, 1e-11)


def behind(lead, other, clocks, learner=None):
    """Certificate that a chain of fits, all from zero and on the same inputs, is behind on `other` if matched
    on `lead`."""
    return certify.crossing(lead, other, clocks, learner=learner) if all(map(math.isfinite, clocks)) else None


def crosses(lead, other, clocks, learner=None):
    """Certificate that it is behind on `other` if that is the smaller one, ahead if the larger."""
    proved = behind(lead, other, clocks, learner)
    return dataclasses.replace(proved, sign=-proved.sign) if proved and other > lead else proved


def in_steps(run, learner, trail, steps, moment, start):
    """The margin of "further on the eigenvalue 1, or behind on `trail`", of a student against a single
    shorter run."""
    spectrum = jnp.stack([jnp.ones_like(trail), trail])
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(chain([learner(k) for k in steps]), spectrum, start=begin)
    alone = run(learner(jnp.ceil(moment * functools.reduce(jnp.minimum, steps))), spectrum)
    return either(ahead(seen[0], alone[0]), ahead(alone[1], seen[1]))


def when(condition, seen, otherwise):
    """One sight or the other."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), seen, otherwise)


def crosses_once(seen, alone, lead, other):
    """The margin of "ahead of the single fit on a larger eigenvalue, behind on a smaller", matched on the
    first."""
    matched = seen[0]
    return when(other < lead, ahead(alone[1], seen[1], matched), ahead(seen[1], alone[1], matched))


def chain(learners):
    """Each learner taught by the one before."""
    return functools.reduce(distill, learners)


@claim(
    source="own",
    standing="proved",
    method=among("flow", "loop", "ridge"),
    eigenvalue=positive(),
    first=whole(1, 60),
    second=whole(1, 60),
    rate=uniform(0.05, 1.8),
    momentum=pushed,
    start=started,
    angle=turned,
    hypotheses=dict(zero_start=zero_start, same_inputs=same_inputs),
)
def filters_multiply(run, method, eigenvalue, first, second, rate, momentum, start, angle):
    """Distillation multiplies filters: the student's fraction of the target is φ_S(λ) φ_T(λ).

    For gradient flow, for gradient descent with or without momentum, and for ridge; any λ, stable steps.
    """
    learner = dict(
        flow=lambda k: GradientFlow(k * rate / eigenvalue),
        loop=lambda k: HeavyBall(rate / eigenvalue, momentum, k),
        ridge=lambda k: Ridge(eigenvalue / (k * rate)),
    )[method]
    teacher, student = learner(first), learner(second)
    spectrum = jnp.stack([eigenvalue, 0.3 * eigenvalue])
    seen = run(distill(teacher, student), spectrum, start=start)
    seen = when(angle == 0, seen, turned_student(run, teacher, student, spectrum, angle))
    product = run(teacher, spectrum).learnt * run(student, spectrum).learnt
    return both(*(same(seen.learnt[k], product[k], 1e-11) for k in range(2)))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "loop"),
    fits=among(2, 3),
    eigenvalue=positive(),
    rate=uniform(0.05, 1.8),
    times=several(3, whole(1, 40)),
    momentum=pushed,
    start=started,
    hypotheses=dict(no_momentum=no_momentum, zero_start=zero_start),
)
def semigroup(run, method, fits, eigenvalue, rate, times, momentum, start):
    """One run of a teacher gives every student: b_KD(s, T) = b(s) + b(T) - b(s + T).

    With b(t) the parameters of a single run from zero stopped at t; for m fits the sum over non-empty subsets
    of their times, with alternating signs, of b at the sum of the subset. For gradient flow, and gradient
    descent with one step size, where what is left after s + t is the product of what is left after each;
    hence for predictions on any inputs as well.
    """
    learner = dict(
        flow=lambda k: GradientFlow(k * rate / eigenvalue), loop=lambda k: HeavyBall(rate / eigenvalue, momentum, k)
    )[method]
    spectrum = jnp.stack([eigenvalue, 0.3 * eigenvalue])
    distilled = run(chain([learner(times[i]) for i in range(fits)]), spectrum, start=start).learnt
    combined = 0.0
    for subset in range(1, 2**fits):
        members = [i for i in range(fits) if subset >> i & 1]
        sign = (-1) ** (len(members) + 1)
        combined = combined + sign * run(learner(sum(times[i] for i in members)), spectrum, start=start).learnt
    return both(*(same(distilled[k], combined[k], 1e-11) for k in range(2)))


@claim(
    source="own",
    standing="proved",
    eigenvalue=positive(),
    teacher=positive(),
    student=positive(),
    start=started,
    hypotheses=dict(zero_start=zero_start),
)
def ridge_semigroup(run, eigenvalue, teacher, student, start):
    """One ridge path gives every student: b_KD = (c_S b(c_S) - c_T b(c_T)) / (c_S - c_T) for penalties c_T ≠
    c_S.

    At equal penalties the right-hand side is the derivative of c·b(c); as written it needs distinct ones.
    """
    spectrum = eigenvalue[None]
    distilled = run(distill(Ridge(teacher), Ridge(student)), spectrum, start=start).learnt[0]
    b_T, b_S = (run(Ridge(c), spectrum, start=start).learnt[0] for c in (teacher, student))
    combined = (student * b_S - teacher * b_T) / (student - teacher)
    return same(distilled, combined, 1e-11 * (student + teacher) / abs(student - teacher))


@claim(
    source="Nagarajan et al. 2023, Theorem 4.1 as recalled",
    standing="proved",
    lead=positive(),
    trail=positive(),
    teacher_time=positive(),
    student_time=positive(),
    start=started,
    angle=turned,
    certificate=lambda lead, trail, teacher_time, student_time, start, angle: (
        behind(lead, trail, [teacher_time, student_time]) if start == angle == 0 else None
    ),
    hypotheses=dict(ordered=lambda lead, trail: lead - trail, zero_start=zero_start, same_inputs=same_inputs),
)
def exaggerated_bias(run, lead, trail, teacher_time, student_time, start, angle):
    """Matched on a top eigendirection, the student is strictly behind its teacher on every lower one.

    Gradient flow, squared loss, from zero; the student (stopped at s) fits the predictions of the teacher
    (stopped at T) on the same inputs; t is the moment at which the teacher alone had learnt as much along λ₁
    as the student; then (1 - e^(-λ₂s)) (1 - e^(-λ₂T)) < 1 - e^(-λ₂t) for λ₂ < λ₁.
    """
    spectrum = jnp.stack([lead, trail])
    teacher, student = GradientFlow(teacher_time), GradientFlow(student_time)
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(distill(teacher, student), spectrum, start=begin)
    seen = when(angle == 0, seen, turned_student(run, teacher, student, spectrum, angle))
    alone = run(GradientFlow(-seen[0].log_residual / lead), spectrum)
    return ahead(alone[1], seen[1], matched=seen[0])


@claim(
    source="own; strengthens Nagarajan et al. 2023",
    standing="proved",
    fits=among(2, 4),
    lead=positive(),
    other=positive(),
    times=several(4, positive()),
    start=started,
    certificate=lambda fits, lead, other, times, start: crosses(lead, other, times[:fits]) if start == 0 else None,
    hypotheses=dict(zero_start=zero_start),
)
def single_crossing(run, fits, lead, other, times, start):
    """Matched on one direction, a student of any number of fits is ahead on every larger eigenvalue, behind
    on every smaller.

    Gradient flow from zero, m >= 2 fits of any positive times: the product of their filters crosses the
    filter of a single fit exactly once. With ηλ < 1 the same holds for gradient descent, whose rate -log(1 -
    ηλ)/η takes the place of λ.
    """
    spectrum = jnp.stack([lead, other])
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(chain([GradientFlow(times[i]) for i in range(fits)]), spectrum, start=begin)
    alone = run(GradientFlow(-seen[0].log_residual / lead), spectrum)
    return crosses_once(seen, alone, lead, other)


@claim(
    source="own; Nagarajan et al. 2023 for real loops",
    standing="proved",
    fits=among(2, 3),
    trail=uniform(0.01, 1.5),
    rate=uniform(0.02, 1.9),
    times=several(3, uniform(0.1, 4.0)),
    moment=uniform(0.0, 1.0),
    momentum=pushed,
    start=started,
    hypotheses=dict(
        ordered=lambda trail: 1.0 - trail,
        small_step=lambda rate: 1.0 - rate,
        no_momentum=no_momentum,
        zero_start=zero_start,
    ),
)
def single_crossing_in_steps(run, fits, trail, rate, times, moment, momentum, start):
    """A student no further along on a top eigendirection than a single run is strictly behind it on every
    lower one.

    Gradient descent from zero in whole steps, where exact matching is impossible; ηλ < 1 on the larger
    eigenvalue (here 1, with η = `rate`), m >= 2 fits. The margin is that of "further on the top one, or
    behind on the lower one".
    """
    learner = lambda steps: HeavyBall(rate, momentum, steps)
    return in_steps(run, learner, trail, [jnp.ceil(times[i] / rate) for i in range(fits)], moment, start)


@claim(
    source="own",
    standing="proved",
    fits=among(2, 3),
    trail=uniform(0.01, 1.5),
    damping=uniform(0.02, 4.0),
    momentum=uniform(0.05, 0.9),
    times=several(3, uniform(0.1, 4.0)),
    moment=uniform(0.0, 1.0),
    start=started,
    hypotheses=dict(ordered=lambda trail: 1.0 - trail, overdamped=lambda damping: 1.0 - damping, zero_start=zero_start),
)
def single_crossing_of_heavy_ball(run, fits, trail, damping, momentum, times, moment, start):
    """With momentum too, a student no further along on a top eigendirection is strictly behind on every lower
    one.

    Heavy ball from rest and from zero in whole steps, ηλ <= (1 - √β)² on the larger eigenvalue (here 1, with
    η = `damping` · (1 - √β)² and β = `momentum`), where no mode swings; m >= 2 fits. The continuous heavy
    ball x'' + γx' + λ(x - 1) = 0 is proved along with it, for λ <= γ²/4, in
    tests/proofs/overdamped_heavy_ball.py.
    """
    rate = damping * (1.0 - jnp.sqrt(momentum)) ** 2
    learner = lambda steps: HeavyBall(rate, momentum, steps)
    steps = [jnp.ceil(times[i] * (1.0 - momentum) / rate) for i in range(fits)]
    return in_steps(run, learner, trail, steps, moment, start)


@claim(
    source="own; Nagarajan et al. 2023 for ridge",
    standing="proved",
    fits=among(2, 4),
    lead=positive(),
    other=positive(),
    penalties=several(4, positive()),
    start=started,
    certificate=lambda fits, lead, other, penalties, start: (
        crosses(lead, other, [1 / Fraction(c) for c in penalties[:fits]], Ridge(1.0)) if start == 0 else None
    ),
    hypotheses=dict(zero_start=zero_start),
)
def single_crossing_of_ridge(run, fits, lead, other, penalties, start):
    """Matched on one direction, repeated ridge fits are ahead on every larger eigenvalue and behind on every
    smaller one.

    Any number m >= 2 of fits and any positive penalties, against the single ridge fit equal to them along one
    direction.
    """
    spectrum = jnp.stack([lead, other])
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(chain([Ridge(penalties[i]) for i in range(fits)]), spectrum, start=begin)
    alone = run(Ridge(lead * jnp.exp(seen[0].log_residual - seen[0].log_learnt)), spectrum)
    return crosses_once(seen, alone, lead, other)


@claim(
    source="own",
    standing="proved",
    trail=uniform(0.01, 1.5),
    student_rate=uniform(0.02, 1.9),
    teacher_rate=uniform(0.02, 1.9),
    student_time=uniform(0.1, 4.0),
    teacher_time=uniform(0.1, 4.0),
    moment=uniform(0.0, 1.0),
    hypotheses=dict(
        ordered=lambda trail: 1.0 - trail,
        larger_steps=lambda student_rate, teacher_rate: student_rate >= teacher_rate,
        small_steps=lambda student_rate, teacher_rate: 1.0 - jnp.maximum(student_rate, teacher_rate),
    ),
)
def single_crossing_of_larger_steps(run, trail, student_rate, teacher_rate, student_time, teacher_time, moment):
    """A student with larger steps than its teacher's, no further along on a top eigendirection, is strictly behind on
    every lower one.

    Gradient descent in whole steps, η_T <= η_S and η_S λ < 1 on the larger eigenvalue (here 1); the single
    run has its teacher's step size. The larger η, the smaller log(1 - ηλ₂)/log(1 - ηλ₁), so that a run with
    η_S is behind the run with η_T that equals it on λ₁, and the product of two of the latter crosses once. A
    student with smaller steps may be ahead.
    """
    spectrum = jnp.stack([jnp.ones_like(trail), trail])
    student_steps, teacher_steps = jnp.ceil(student_time / student_rate), jnp.ceil(teacher_time / teacher_rate)
    teacher = lambda steps: HeavyBall(teacher_rate, 0.0, steps)
    seen = run(distill(teacher(teacher_steps), HeavyBall(student_rate, 0.0, student_steps)), spectrum)
    alone = run(teacher(jnp.ceil(moment * teacher_steps)), spectrum)
    return either(ahead(seen[0], alone[0]), ahead(alone[1], seen[1]))


@claim(
    source="own",
    standing="proved",
    lead=positive(0.05, 5.0, tame=(0.2, 3.0)),
    ratio=uniform(0.05, 0.95),
    exponent=uniform(0.3, 2.0),
    scale=positive(0.3, 1.5),
    teacher_time=positive(0.1, 4.0, tame=(0.3, 3.0)),
    student_time=positive(0.1, 4.0, tame=(0.3, 3.0)),
    hypotheses=dict(steeper=lambda exponent: exponent >= 1.0),
)
def exaggerated_bias_of_steeper_kernel(run, lead, ratio, exponent, scale, teacher_time, student_time):
    """A student with another kernel of the same eigendirections, at least as steep, is behind on every lower one.

    Gradient flow; the student's eigenvalues are μ₁ and μ₂ with μ₂/μ₁ <= λ₂/λ₁ (here μ₁ = `scale` · λ₁ and
    μ₂/μ₁ = (λ₂/λ₁)^`exponent`); the single fit has the teacher's. A student that learns λ₁ as fast as its
    teacher's kernel would is behind on λ₂ already, and its product with the teacher's filter crosses once. A
    flatter kernel may learn faster than the teacher's on λ₂.
    """
    spectrum, own = lead * jnp.stack([1.0, ratio]), scale * lead * jnp.stack([1.0, ratio**exponent])
    seen = run(GradientFlow(student_time), own, target=run(GradientFlow(teacher_time), spectrum).learnt)
    alone = run(GradientFlow(-seen[0].log_residual / lead), spectrum)
    return ahead(alone[1], seen[1], matched=seen[0])


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    lead=positive(0.05, 5.0, tame=(0.2, 3.0)),
    other=positive(0.05, 5.0, tame=(0.2, 3.0)),
    clock=positive(0.1, 4.0, tame=(0.3, 3.0)),
    power=uniform(0.2, 4.0),
    hypotheses=dict(above_one=lambda power: power - 1.0),
)
def single_crossing_of_powers(run, method, lead, other, clock, power):
    """Matched on one direction, h^κ with real κ > 1 is ahead of h on every larger eigenvalue, behind on every smaller.

    For flow and ridge: the filter of κ fits with one clock, for κ between whole numbers too, as in the power
    filters of Mobahi et al. 2020. It holds where -log h is log-concave in log λ: p/log(1/q) + q/log(1/p) > 1
    for p + q = 1 with flow, log(1 + y) < y with ridge. With κ < 1 the crossing is reversed. In practice the
    algorithm gives h, which is then raised to κ.
    """
    learner, matched = dict(
        flow=(GradientFlow, lambda seen: GradientFlow(-seen.log_residual / lead)),
        ridge=(lambda t: Ridge(1 / t), lambda seen: Ridge(lead * jnp.exp(seen.log_residual - seen.log_learnt))),
    )[method]
    spectrum = jnp.stack([lead, other])
    seen = measured(run(learner(clock), spectrum).learnt ** power, 1e-12)
    return crosses_once(seen, run(matched(seen[0]), spectrum), lead, other)


@claim(
    source="own",
    standing="proved",
    lead=positive(0.05, 5.0, tame=(0.2, 3.0)),
    ratio=uniform(0.05, 0.95),
    time=positive(0.1, 4.0, tame=(0.3, 3.0)),
    kept=uniform(0.2, 1.3),
    hypotheses=dict(shrunk=lambda kept: 1.0 - kept),
)
def shrunk_labels_reverse_the_bias(run, lead, ratio, time, kept):
    """Labels shrunk by a constant factor, as label smoothing does to centred ones, reverse the bias.

    Squared loss, gradient flow to w·y with w = `kept` < 1, against y itself at matched progress on λ₁: ahead
    on every smaller eigenvalue, since (1 - e^(-λt))/(1 - e^(-λs)) falls with λ for t < s. Soft labels alone
    are not why a student's bias is exaggerated. Stretched labels, w > 1, do exaggerate it; there must be a
    match, w(1 - e^(-λ₁s)) < 1, and where it would fail the time is shortened.
    """
    spectrum = lead * jnp.stack([1.0, ratio])
    longest = -jnp.log1p(-0.9 / jnp.maximum(kept, 1.0)) / lead
    seen = run(GradientFlow(jnp.minimum(time, longest)), spectrum, target=kept * jnp.ones(2))
    alone = run(GradientFlow(-seen[0].log_residual / lead), spectrum)
    return ahead(seen[1], alone[1], matched=seen[0])
