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
    fits=among(2, 3, 5),
    lead=positive(),
    other=positive(),
    times=several(5, positive()),
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
    behind, before = ahead(alone[1], seen[1], matched=seen[0]), ahead(seen[1], alone[1], matched=seen[0])
    return when(other < lead, behind, before)


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
    fits=among(2, 3, 5),
    lead=positive(),
    other=positive(),
    penalties=several(5, positive()),
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
    behind, before = ahead(alone[1], seen[1], matched=seen[0]), ahead(seen[1], alone[1], matched=seen[0])
    return when(other < lead, behind, before)
