"""Distillation exaggerates the spectral bias of gradient descent.

Each claim compares a student with a single fit that has learnt just as much along one direction. Unless a
hypothesis is dropped, everything starts at zero, teacher and student see the same inputs, and the loss is
squared. Eigenvalues are positive: along a direction of eigenvalue zero nobody learns anything.
"""

import dataclasses
import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory.claims import (
    EPS,
    Quantity,
    Seen,
    ahead,
    among,
    both,
    certify,
    claim,
    filters,
    measured,
    positive,
    same,
    several,
    theory,
    uncertainty,
    uniform,
    usually,
    whole,
)
from kdtheory.learners import GradientFlow, HeavyBall, Ridge, distill
from kdtheory.theorems._words import (
    METHODS,
    chain,
    comparable,
    crosses_once,
    equal_flow,
    equal_ridge,
    moderate,
    moderate_time,
    not_asserted,
    ordered,
    select,
    started,
    two_directions,
    zero_start,
)

turned = usually(0.0, uniform(0.1, 1.5))  # the angle between the student's inputs and the teacher's
pushed = usually(0.0, uniform(0.3, 0.95))  # momentum
clock = positive(1e-3, 1e3, tame=(0.5, 7.0))
rounds = uniform(0.1, 16.0)  # steps, in units in which 1/e of the larger eigenvalue is left


def around_one(low, high):
    """A number on either side of one, at distances from it that are uniform in their logarithm."""

    def draw(random, count, tame):
        gap = np.exp(random.uniform(math.log(1e-4), 0.0, count))
        return np.where(random.random(count) < 0.5, 1.0 + (high - 1.0) * gap, 1.0 - (1.0 - low) * gap)

    return Quantity(draw, range=lambda tame: (low, high))


same_inputs = lambda angle: angle == 0
no_momentum = lambda momentum: momentum == 0
not_zero = dict(positive=lambda trail: trail)


def turned_student(run, teacher, student, spectrum, angle):
    """A student whose inputs are turned by `angle` against its teacher's, along the teacher's two
    eigendirections."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.array([[c, -s], [s, c]])
    taught = turn.T @ run(teacher, spectrum).learnt
    return measured(turn @ run(student, spectrum, target=taught).learnt, 1e-11)


def behind(lead, other, clocks, learner=None):
    """Certificate that a chain of fits, all from zero and on the same inputs, is behind on `other` if matched
    on `lead`. None where there is nothing to prove: numbers that are not positive and finite."""
    if not all(0 < number < math.inf for number in (lead, other, *clocks)):
        return None
    return certify.crossing(lead, other, clocks, learner=learner)


def crosses(lead, other, clocks, learner=None):
    """Certificate that it is behind on `other` if that is the smaller one, ahead if the larger."""
    proved = behind(lead, other, clocks, learner)
    return dataclasses.replace(proved, sign=-proved.sign) if proved and other > lead else proved


def inverse(penalties):
    """1/c, exactly; zero where that is none of a ridge fit."""
    return [1 / Fraction(c) if 0 < c < math.inf else 0 for c in penalties]


def fewest_steps(learner, lead, seen, most):
    """The fewest steps after which a single run has learnt of `lead` as much as was `seen`, if it learns
    steadily and `most` are enough."""

    def halve(bracket):
        low, high = bracket
        middle = jnp.floor((low + high) / 2)
        there = ahead(theory(learner(middle), lead[None])[0], seen).value >= 0
        return jnp.where(there, low, middle), jnp.where(there, middle, high)

    most = lax.stop_gradient(most)
    return lax.while_loop(lambda bracket: bracket[1] - bracket[0] > 1, halve, (-jnp.ones_like(most), most))[1]


def in_steps(run, single, chained, trail, most, moment, start=0.0):
    """The margin of "behind on `trail`" of a chain, against a single run that has caught up with it on the eigenvalue
    1: after `moment` of the steps that surely suffice, or the fewest that do."""
    one = jnp.ones_like(trail)
    spectrum = jnp.stack([one, trail])
    seen = run(chained, spectrum, start=jnp.stack([0.0 * one, start + 0.0 * one]))
    enough = fewest_steps(single, one, filters(run)(chained, one[None])[0], most)
    alone = run(single(jnp.maximum(enough, jnp.ceil(moment * most))), spectrum)
    return select(ahead(alone[0], seen[0]).value >= 0, ahead(alone[1], seen[1]), not_asserted)


def whole_steps(rounds, rate, momentum):
    """As many steps, at least one, as leave about e^-`rounds` of the eigenvalue 1: each leaves the larger root of
    z² - (1 + β - η) z + β, in the long run."""
    half = jnp.abs(1.0 + momentum - rate) / 2
    left = jnp.maximum(half + jnp.sqrt(jnp.maximum(half**2 - momentum, 0.0)), jnp.sqrt(momentum))
    return jnp.maximum(1.0, jnp.ceil(rounds / -jnp.log(left)))


def progress(method, step, steps, momentum):
    """φ by its formula, with `step` = ηλ for a loop, λ·time for a flow and λ/c for ridge, each of one step."""
    if method == "flow":
        return -jnp.expm1(-steps * step)
    if method == "ridge":
        return steps * step / (1.0 + steps * step)

    def advance(_, state):
        before, now = state
        return now, now + momentum * (now - before) + step * (1.0 - now)

    return lax.fori_loop(0, steps, advance, (jnp.zeros_like(step), jnp.zeros_like(step)))[1]


def raised(seen, power):
    """What is seen, to a power."""
    log_learnt, error = power * seen.log_learnt, power * seen.log_learnt_error
    learnt, residual = jnp.exp(log_learnt), -jnp.expm1(log_learnt)
    log_residual = jnp.where(learnt < 0.5, jnp.log1p(-learnt), jnp.log(residual))
    return Seen(learnt, residual, log_learnt, log_residual, error, seen.log_residual_error + error * learnt / residual)


@claim(
    source="own",
    standing="proved",
    method=among("flow", "loop", "ridge"),
    eigenvalue=positive(),
    first=whole(1, 60),
    second=whole(1, 60),
    rate=positive(1e-3, 0.95, tame=(0.05, 0.95)),
    momentum=pushed,
    start=started,
    angle=turned,
    hypotheses=dict(zero_start=zero_start, same_inputs=same_inputs),
)
def filters_multiply(run, method, eigenvalue, first, second, rate, momentum, start, angle):
    """Distillation multiplies filters: the student's fraction of the target is φ_S(λ) φ_T(λ).

    For two gradient flows, two runs of gradient descent with or without momentum, and two ridge fits; any λ > 0,
    stable steps. The filters are 1 - e^(-λt), λ/(λ + c), and h_k of h_(k+1) = h_k + β(h_k - h_(k-1)) + ηλ(1 - h_k)
    from rest at zero (1 - (1 - ηλ)^k for β = 0).

    Proof. From zero each learner is linear in its targets, and on the given inputs acts on every eigendirection by
    itself: targets y u_k give predictions φ(λ_k) y u_k. The student's targets along u_k are φ_T(λ_k) y, so its
    predictions are φ_S(λ_k) φ_T(λ_k) y.
    """
    step = 2.0 * (1.0 + momentum) * rate
    learner = dict(
        flow=lambda k: GradientFlow(k * step / eigenvalue),
        loop=lambda k: HeavyBall(step / eigenvalue, momentum, k),
        ridge=lambda k: Ridge(eigenvalue / (k * step)),
    )[method]
    teacher, student = learner(first), learner(second)
    seen = run(distill(teacher, student), eigenvalue * jnp.array([1.0, 0.3]), start=start)
    seen = select(angle == 0, seen, turned_student(run, teacher, student, eigenvalue * jnp.array([1.0, 0.3]), angle))
    size = step * jnp.array([1.0, 0.3])
    product = progress(method, size, first, momentum) * progress(method, size, second, momentum)
    error = 4 * uncertainty(seen) + 1e-11 * jnp.abs(product)
    error = error + (EPS * (first + second) if method == "loop" else 0.0)  # of the recursion, near one
    return both(*(same(seen.learnt[k], product[k], error[k]) for k in range(2)))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "loop"),
    fits=among(2, 3),
    eigenvalue=positive(),
    rate=positive(1e-2, 1.8, tame=(0.3, 1.8)),
    times=several(3, whole(1, 40)),
    momentum=pushed,
    start=started,
    hypotheses=dict(no_momentum=no_momentum, zero_start=zero_start),
)
def semigroup(run, method, fits, eigenvalue, rate, times, momentum, start):
    """One run of a teacher gives every student: b_KD(s, T) = b(s) + b(T) - b(s + T).

    With b(t) the parameters of a single run from zero stopped at t; for m fits the sum over non-empty subsets
    of their times, with alternating signs, of b at the sum of the subset. For gradient flow, and gradient
    descent with one step size; hence for predictions on any inputs as well, which are linear in the parameters.

    Proof. Along an eigendirection b(t) is (1 - r(t)) b*, and what is left after s + t is r(s) r(t): r is e^(-λt) or
    (1 - ηλ)^t. By `filters_multiply` b_KD is Π(1 - r(t_i)) b*; expand the product over subsets A,
    Σ (-1)^|A| r(Σ_A t), and take 0 = Σ (-1)^|A| from it: what remains is Σ_(A≠∅) (-1)^(|A|+1) (1 - r(Σ_A t)) b*.
    """
    learner = dict(
        flow=lambda k: GradientFlow(k * rate / eigenvalue), loop=lambda k: HeavyBall(rate / eigenvalue, momentum, k)
    )[method]
    spectrum = jnp.stack([eigenvalue, 0.3 * eigenvalue])
    distilled = run(chain([learner(times[i]) for i in range(fits)]), spectrum, start=start)
    combined, error = 0.0, uncertainty(distilled)
    for subset in range(1, 2**fits):
        members = [i for i in range(fits) if subset >> i & 1]
        single = run(learner(sum(times[i] for i in members)), spectrum, start=start)
        combined = combined + (-1) ** (len(members) + 1) * single.learnt
        error = error + 2 * uncertainty(single) + 1e-14 * single.learnt
    return both(*(same(distilled.learnt[k], combined[k], error[k]) for k in range(2)))


@claim(
    source="own",
    standing="proved",
    eigenvalue=positive(),
    teacher=positive(),
    student=positive(),
    start=started,
    domain=dict(distinct=lambda teacher, student: teacher != student),
    hypotheses=dict(zero_start=zero_start),
)
def ridge_semigroup(run, eigenvalue, teacher, student, start):
    """One ridge path gives every student: b_KD = (c_S b(c_S) - c_T b(c_T)) / (c_S - c_T) for penalties c_T ≠
    c_S.

    With b(c) the parameters of a single ridge fit of penalty c. At equal penalties the right-hand side is the
    derivative of c·b(c); as written it needs distinct ones.

    Proof. Along an eigendirection c·b(c) is cλ/(λ + c) b* = (λ - λ²/(λ + c)) b*, and
    1/(λ + c_T) - 1/(λ + c_S) = (c_S - c_T)/((λ + c_S)(λ + c_T)): the right-hand side is λ²/((λ + c_S)(λ + c_T)) b*,
    the product of the two filters. The derivative of c·b(c) is λ²/(λ + c)² b*.
    """
    spectrum = eigenvalue[None]
    distilled = run(distill(Ridge(teacher), Ridge(student)), spectrum, start=start)[0]
    b_T, b_S = (run(Ridge(c), spectrum, start=start)[0] for c in (teacher, student))
    combined = (student * b_S.learnt - teacher * b_T.learnt) / (student - teacher)
    unknown = student * (uncertainty(b_S) + 1e-15 * b_S.learnt) + teacher * (uncertainty(b_T) + 1e-15 * b_T.learnt)
    return same(distilled.learnt, combined, uncertainty(distilled) + unknown / jnp.abs(student - teacher))


@claim(
    source="Nagarajan et al. 2023, Theorem 4.1 as recalled",
    standing="proved",
    lead=comparable,
    trail=comparable,
    teacher_time=clock,
    student_time=clock,
    start=started,
    angle=turned,
    certificate=lambda lead, trail, teacher_time, student_time, start, angle: (
        behind(lead, trail, [teacher_time, student_time]) if start == angle == 0 else None
    ),
    domain=not_zero,
    hypotheses=dict(ordered=ordered, zero_start=zero_start, same_inputs=same_inputs),
)
def exaggerated_bias(run, lead, trail, teacher_time, student_time, start, angle):
    """Matched on a top eigendirection, the student is strictly behind its teacher on every lower one.

    Gradient flow, squared loss, from zero; the student (stopped at s) fits the predictions of the teacher
    (stopped at T) on the same inputs, for any finite s, T > 0; t is the moment at which the teacher alone had
    learnt as much along λ₁ as the student; then (1 - e^(-λ₂s)) (1 - e^(-λ₂T)) < 1 - e^(-λ₂t) for 0 < λ₂ < λ₁.
    (At λ₂ = 0 both have learnt nothing.)

    Proof. Let a, b, c be e^(-λ₁s), e^(-λ₁T), e^(-λ₁t). They match where (1 - a)(1 - b) = 1 - c, that is a + b =
    ab + c, and c - a = b(1 - a) > 0, c - b = a(1 - b) > 0: two pairs of equal sum, a and b strictly between ab and c.
    For r = λ₂/λ₁ < 1, x^r is strictly concave, so a^r + b^r > (ab)^r + c^r (Karamata): (1 - a^r)(1 - b^r) < 1 - c^r.
    """
    spectrum = jnp.stack([lead, trail])
    teacher, student = GradientFlow(teacher_time), GradientFlow(student_time)
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(distill(teacher, student), spectrum, start=begin)
    seen = select(angle == 0, seen, turned_student(run, teacher, student, spectrum, angle))
    alone = run(equal_flow(lead, seen[0]), spectrum)
    return ahead(alone[1], seen[1], matched=seen[0])


@claim(
    source="own; strengthens Nagarajan et al. 2023",
    standing="proved",
    fits=among(2, 3),
    lead=comparable,
    other=comparable,
    times=several(3, clock),
    start=started,
    certificate=lambda fits, lead, other, times, start: crosses(lead, other, times[:fits]) if start == 0 else None,
    domain=two_directions,
    hypotheses=dict(zero_start=zero_start),
)
def single_crossing(run, fits, lead, other, times, start):
    """Matched on one direction, a student of any number of fits is ahead on every larger eigenvalue, behind
    on every smaller.

    Gradient flow from zero, m >= 2 fits of any positive times, λ > 0: the product of their filters crosses the filter
    of the single fit that equals it on λ₁ exactly once. With ηλ < 1 the same holds for gradient descent and a single
    run of a real number of steps: its rate -log(1 - ηλ)/η, which grows with λ, takes the place of λ.

    Proof. For two fits and a smaller λ this is `exaggerated_bias`; for a larger one x^r is strictly convex there,
    and the inequality turns round. For more, replace the last two by the single fit that equals them on λ₁. That
    raises the product on every smaller eigenvalue, lowers it on every larger, and leaves one fit fewer: induction.
    """
    spectrum = jnp.stack([lead, other])
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(chain([GradientFlow(times[i]) for i in range(fits)]), spectrum, start=begin)
    alone = run(equal_flow(lead, seen[0]), spectrum)
    return crosses_once(seen, alone, lead, other)


@claim(
    source="own; Nagarajan et al. 2023 for real loops",
    standing="proved",
    fits=among(2, 3),
    trail=around_one(1e-3, 1.5),
    rate=positive(1e-4, 1.9, tame=(1e-2, 1.9)),
    times=several(3, rounds),
    moment=uniform(0.0, 1.0),
    momentum=pushed,
    start=started,
    domain=not_zero,
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

    Gradient descent from zero in whole steps, where exact matching is impossible; ηλ₁ < 1 on the larger
    eigenvalue (here λ₁ = 1 and η = `rate`), 0 < λ₂ < λ₁, m >= 2 fits of at least one step each. The single run is the
    shortest that has caught up with the student on λ₁, or any longer one up to the student's shortest fit.

    Proof. Let the single run of a real number t of steps, 1 - (1 - ηλ)^t, equal the student on λ₁. By
    `single_crossing` the student is strictly behind it on λ₂. A run of k whole steps at least as far on λ₁ has
    k >= t, and is at least as far on λ₂.
    """
    learner = lambda steps: HeavyBall(rate, momentum, steps)
    steps = whole_steps(times[:fits], rate, momentum)
    return in_steps(run, learner, chain(map(learner, steps)), trail, jnp.min(steps), moment, start)


@claim(
    source="own",
    standing="proved",
    fits=among(2, 3),
    trail=around_one(1e-3, 1.5),
    damping=positive(1e-3, 4.0, tame=(0.02, 4.0)),
    momentum=positive(1e-3, 0.95, tame=(0.05, 0.9)),
    times=several(3, rounds),
    moment=uniform(0.0, 1.0),
    start=started,
    domain=not_zero | dict(told=lambda times: 600.0 - jnp.max(times)),  # what is left then is a float
    hypotheses=dict(
        ordered=lambda trail: 1.0 - trail, overdamped=lambda damping: damping <= 1.0, zero_start=zero_start
    ),
)
def single_crossing_of_heavy_ball(run, fits, trail, damping, momentum, times, moment, start):
    """With momentum too, a student no further along on a top eigendirection is strictly behind on every lower
    one.

    Heavy ball from rest and from zero in whole steps, 0 < β < 1 and ηλ₁ <= (1 - √β)² on the larger eigenvalue (here
    λ₁ = 1, η = `damping` · (1 - √β)² and β = `momentum`), where no mode swings; 0 < λ₂ < λ₁, m >= 2 fits of at least
    one step each. The single run is one of those in `single_crossing_in_steps`. The continuous heavy ball
    x'' + γx' + λ(x - 1) = 0 is proved along with it, for λ <= γ²/4, in tests/proofs/overdamped_heavy_ball.py.
    """
    rate = damping * (1.0 - jnp.sqrt(momentum)) ** 2
    learner = lambda steps: HeavyBall(rate, momentum, steps)
    steps = whole_steps(times[:fits], rate, momentum)
    return in_steps(run, learner, chain(map(learner, steps)), trail, jnp.min(steps), moment, start)


@claim(
    source="own; Nagarajan et al. 2023 for ridge",
    standing="proved",
    fits=among(2, 3),
    lead=comparable,
    other=comparable,
    penalties=several(3, positive(1e-3, 1e3, tame=(1e-4, 5.0))),
    start=started,
    certificate=lambda fits, lead, other, penalties, start: (
        crosses(lead, other, inverse(penalties[:fits]), Ridge(1.0)) if start == 0 else None
    ),
    domain=two_directions,
    hypotheses=dict(zero_start=zero_start),
)
def single_crossing_of_ridge(run, fits, lead, other, penalties, start):
    """Matched on one direction, repeated ridge fits are ahead on every larger eigenvalue and behind on every
    smaller one.

    Any number m >= 2 of fits and any positive penalties, against the single ridge fit equal to them along one
    direction; λ > 0.

    Proof. With u = 1/λ two fits have learnt 1/((1 + c₁u)(1 + c₂u)), a single one 1/(1 + cu). They match at u₁ where
    c = c₁ + c₂ + c₁c₂u₁, and the difference of the denominators is c₁c₂u(u - u₁): the student is behind for u > u₁,
    ahead for 0 < u < u₁. More fits by induction, as for `single_crossing`.
    """
    spectrum = jnp.stack([lead, other])
    begin = jnp.stack([jnp.zeros_like(start), start])
    seen = run(chain([Ridge(penalties[i]) for i in range(fits)]), spectrum, start=begin)
    alone = run(equal_ridge(lead, seen[0]), spectrum)
    return crosses_once(seen, alone, lead, other)


step_size = positive(1e-3, 1.9, tame=(1e-2, 1.9))


@claim(
    source="own",
    standing="proved",
    trail=around_one(1e-3, 1.5),
    student_rate=step_size,
    teacher_rate=step_size,
    student_time=rounds,
    teacher_time=rounds,
    moment=uniform(0.0, 1.0),
    domain=not_zero,
    hypotheses=dict(
        ordered=lambda trail: 1.0 - trail,
        larger_steps=lambda student_rate, teacher_rate: student_rate >= teacher_rate,
        small_steps=lambda student_rate, teacher_rate: 1.0 - jnp.maximum(student_rate, teacher_rate),
    ),
)
def single_crossing_of_larger_steps(run, trail, student_rate, teacher_rate, student_time, teacher_time, moment):
    """A student with steps no smaller than its teacher's, no further along on a top eigendirection, is strictly behind
    on every lower one.

    Gradient descent in whole steps from zero, η_T <= η_S and η_S λ₁ < 1 on the larger eigenvalue (here λ₁ = 1),
    0 < λ₂ < λ₁; the single run has the teacher's step size, and is the shortest that has caught up on λ₁ or any longer
    one up to the teacher's. A student with smaller steps may be ahead.

    Proof. With L(η, λ) = -log(1 - ηλ), L(η, λ₂)/L(η, λ₁) falls with η: its logarithm has the derivative
    (u(ηλ₂) - u(ηλ₁))/η with u(x) = x/((1 - x) L(1, x)) = (e^L - 1)/L, which grows with x. So the student's own
    run is no further on λ₂ than the run with η_T, of a real number of steps, that equals it on λ₁. Two of those
    cross a single one once (`single_crossing`), and a run of whole steps at least as far on λ₁ is at least as far
    on λ₂.
    """
    steps = lambda time, rate: whole_steps(time, rate, 0.0)
    single = lambda steps: HeavyBall(teacher_rate, 0.0, steps)
    taught = steps(teacher_time, teacher_rate)
    student = HeavyBall(student_rate, 0.0, steps(student_time, student_rate))
    return in_steps(run, single, distill(single(taught), student), trail, taught, moment)


@claim(
    source="own",
    standing="proved",
    lead=moderate,
    trail=moderate,
    exponent=around_one(0.3, 3.0),
    scale=positive(0.1, 2.0, tame=(0.3, 1.5)),
    teacher_time=moderate_time,
    student_time=moderate_time,
    domain=dict(ordered=ordered) | not_zero,
    hypotheses=dict(steeper=lambda exponent: exponent >= 1.0),
)
def exaggerated_bias_of_steeper_kernel(run, lead, trail, exponent, scale, teacher_time, student_time):
    """A student with another kernel of the same eigendirections, at least as steep, is behind on every lower one.

    Gradient flow from zero, 0 < λ₂ < λ₁; the student's eigenvalues are μ₁ and μ₂ with μ₂/μ₁ <= λ₂/λ₁ (here μ₁ = `scale`
    · λ₁ and μ₂/μ₁ = (λ₂/λ₁)^`exponent`); the single fit has the teacher's, and equals the student on the first
    direction. With a flatter kernel the student may be ahead.

    Proof. A flow on the teacher's kernel for the time sμ₁/λ₁ learns as much of the first direction as the student
    alone would, and of the second at least as much, since μ₂s <= λ₂sμ₁/λ₁. So the student is no further on λ₂ than
    one that has its teacher's kernel and the same match, of which `exaggerated_bias` speaks.
    """
    spectrum, own = jnp.stack([lead, trail]), scale * lead * jnp.stack([1.0, (trail / lead) ** exponent])
    seen = run(GradientFlow(student_time), own, target=run(GradientFlow(teacher_time), spectrum).learnt)
    alone = run(equal_flow(lead, seen[0]), spectrum)
    return ahead(alone[1], seen[1], matched=seen[0])


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    lead=moderate,
    other=moderate,
    clock=moderate_time,
    power=around_one(0.2, 4.0),
    domain=two_directions,
    hypotheses=dict(above_one=lambda power: power - 1.0),
)
def single_crossing_of_powers(run, method, lead, other, clock, power):
    """Matched on one direction, h^κ with real κ > 1 is ahead of h on every larger eigenvalue, behind on every smaller.

    For flow and ridge, λ > 0: h^κ is the filter of κ fits with one clock, for κ between whole numbers too, and is
    compared with the single fit that equals it on one direction. With 0 < κ < 1 the crossing is reversed. In practice
    the algorithm gives h, which is then raised to κ.

    Proof. In u = log λ the filters of one clock are the same curve, moved: let G(u) = log(-log h). The student's is
    log κ + G(u), the single fit's G(u - d) with a shorter clock, d > 0, for κ > 1, since G falls. If G' falls too, the
    difference of the two falls with u, and vanishes at λ₁ only. Flow, with q = e^(-λt) and p = 1 - q: -G' =
    q log(1/q)/(p log(1/p)) grows with λ iff p/log(1/q) + q/log(1/p) > 1, and log(1/q) < p/q, log(1/p) < q/p make that
    sum more than q + p. Ridge, with y = c/λ: -G' = y/((1 + y) log(1 + y)) falls with y, and so grows
    with λ, iff log(1 + y) < y. For κ < 1 it is d < 0.
    """
    learner, equal = METHODS[method], dict(flow=equal_flow, ridge=equal_ridge)[method]
    spectrum = jnp.stack([lead, other])
    seen = raised(run(learner(clock), spectrum), power)
    return crosses_once(seen, run(equal(lead, seen[0]), spectrum), lead, other)


@claim(
    source="own",
    standing="proved",
    lead=moderate,
    trail=moderate,
    time=moderate_time,
    kept=around_one(1e-3, 1.3),
    domain=dict(ordered=ordered) | not_zero,
    hypotheses=dict(shrunk=lambda kept: 1.0 - kept),
)
def shrunk_labels_reverse_the_bias(run, lead, trail, time, kept):
    """Labels shrunk by a constant factor, as label smoothing does to centred ones, reverse the bias.

    Squared loss, gradient flow from zero to w·y with 0 < w = `kept` < 1, against y itself at matched progress on λ₁:
    strictly ahead on every smaller eigenvalue λ₂ > 0. Soft labels alone are not why a student's bias is exaggerated.
    Stretched labels, w > 1, do exaggerate it, as long as there is a match, w(1 - e^(-λ₁s)) < 1; where there would be
    none, for w > 1, the time is shortened.

    Proof. Let w(1 - e^(-λ₁s)) = 1 - e^(-λ₁t). For w < 1 that is t < s, and (1 - e^(-λt))/(1 - e^(-λs)) grows strictly
    with λ: λ times the derivative of its logarithm is v(λt) - v(λs) with v(x) = x/(e^x - 1), which falls. It is w on
    λ₁, so less than w on λ₂: 1 - e^(-λ₂t) < w(1 - e^(-λ₂s)). For w > 1 it is t > s, and the ratio falls.
    """
    spectrum = jnp.stack([lead, trail])
    longest = jnp.where(kept > 1.0, -jnp.log1p(-0.9 / jnp.maximum(kept, 1.0)) / lead, jnp.inf)
    seen = run(GradientFlow(jnp.minimum(time, longest)), spectrum, target=kept * jnp.ones(2))
    alone = run(equal_flow(lead, seen[0]), spectrum)
    return ahead(seen[1], alone[1], matched=seen[0])
