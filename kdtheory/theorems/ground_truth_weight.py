"""Ground truth in the student's targets: when it keeps, and when it undoes, the exaggerated bias.

The student's target is α · truth + (1 - α) · teacher's prediction; α is `truth`, and 1 - α the library's
`teacher_weight`. Everything starts at zero, on the same inputs, with squared loss. λ₁ = `lead` is the
direction on which a single fit is matched to the student.

Under gradient flow, with the teacher stopped at T, the student at s and the single fit at t, the difference
of their filters is a sum of exponentials in λ,

    g - h_t = e^(-λt) - (1 - α) e^(-λT) - e^(-λs) + (1 - α) e^(-λ(s + T)),

which by Descartes' rule (Laguerre 1883) has no more real zeros, counted with multiplicity, than its
coefficients change sign in the order of their exponents. λ = 0 and λ₁ are two of them. For α < 1 it is t < s,
since the student's target on λ₁ is less than one; for α = 1 there is no teacher, and the student is the single fit.
"""

import math

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    Margin,
    Quantity,
    ahead,
    both,
    claim,
    either,
    exceeds,
    face,
    filters,
    positive,
    uncertainty,
    uniform,
)
from kdtheory.learners import GradientFlow, Ridge, distill
from kdtheory.theorems._words import (
    comparable,
    crosses_once,
    equal_flow,
    equal_ridge,
    moderate,
    moderate_time,
    not_asserted,
    select,
    started,
    two_directions,
    zero_start,
)

matched = dict(lead=moderate, other=moderate, teacher=moderate_time, student=moderate_time)
some_teacher = lambda truth: 1.0 - truth


def _near_ends(random, count, tame):
    gap = np.exp(random.uniform(math.log(1e-4), math.log(0.5), count))
    return np.where(random.random(count) < 0.5, gap, 1.0 - gap)


inside = Quantity(_near_ends)  # between 0 and 1, at distances from either that are uniform in their logarithm


def matched_moment(lead, teacher, student, truth):
    """The time at which a single flow has learnt as much of λ₁ as the student."""
    return -distill(GradientFlow(teacher), GradientFlow(student), 1.0 - truth).log_residual(lead) / lead


def early(lead, teacher, student, truth):
    """T - t, positive where the student is matched before its teacher stopped."""
    return teacher - matched_moment(lead, teacher, student, truth)


def student_and_single(run, spectrum, teacher, student, truth, start=0.0):
    """The student and the single flow equal to it on the first eigenvalue."""
    begin = jnp.zeros(len(spectrum)).at[-1].set(start)
    seen = run(distill(GradientFlow(teacher), GradientFlow(student), 1.0 - truth), spectrum, start=begin)
    return seen, run(equal_flow(spectrum[0], seen[0]), spectrum)


@claim(
    source="own; Nagarajan et al. 2023 without ground truth",
    standing="proved",
    **matched,
    truth=uniform(0.0, 1.0),
    start=started,
    domain=two_directions | dict(some_teacher=some_teacher),
    hypotheses=dict(
        early=lambda lead, teacher, student, truth: early(lead, teacher, student, truth) >= 0, zero_start=zero_start
    ),
)
def single_crossing_with_ground_truth(run, lead, other, teacher, student, truth, start):
    """With 0 <= α < 1, a student matched before its teacher stopped is ahead on every larger eigenvalue, behind
    on every smaller.

    Gradient flow, λ > 0; `early` is t <= T, with t the time at which the single fit has learnt as much of λ₁.

    Proof. Student less single fit is e^(-λt) - (1 - α) e^(-λT) - e^(-λs) + (1 - α) e^(-λ(s + T)), which by Descartes'
    rule has no more real zeros than its coefficients change sign in the order of their exponents, λ = 0 and λ₁ among
    them. For t < T the exponents t, then T and s, then s + T have coefficients +, -, -, +: two changes of sign, so
    λ = 0 and λ₁ are all of its zeros, and simple. e^(-λt) makes it positive at infinity, so it is positive
    beyond λ₁ and negative between the two. For t = T the first two coefficients are one, α >= 0, before the other
    two, since t < s: the signs are +, -, + again (α = 0 would leave one change for two zeros, and does not occur).
    """
    seen, alone = student_and_single(run, jnp.stack([lead, other]), teacher, student, truth, start)
    return crosses_once(seen, alone, lead, other)


@claim(
    source="own; Nagarajan et al. 2023 for α = 0",
    standing="proved",
    **matched | dict(teacher=positive(1e-2, 10.0, tame=(1.0, 10.0))),
    excess=uniform(-1.0, 1.0),
    domain=two_directions | dict(a_match=lambda excess: 1.0 - jnp.abs(excess)),
    hypotheses=dict(no_truth=lambda excess: excess >= 0),
)
def single_crossing_past_the_teacher(run, lead, other, teacher, student, excess):
    """With α <= 0, a teacher's weight of one or above, the student is ahead on every larger eigenvalue, behind on every
    smaller.

    Gradient flow, any times, λ > 0. The student's filter may be negative on small eigenvalues; it must be positive on
    λ₁, else no single fit matches it: -α < h_T/(1 - h_T), with h_T the teacher's filter there. Drawn are -α =
    `excess` · min(10, h_T/(1 - h_T)). Where the hypothesis is dropped α = -`excess` is positive, and the student may
    be matched after its teacher stopped.

    Proof. The student's target on λ₁ is α + (1 - α) h_T <= h_T < 1, so that t is below both T and s. The
    coefficients of t, then of T and s, then of s + T are +, -, -, +, as in `single_crossing_with_ground_truth`.
    """
    spectrum = jnp.stack([lead, other])
    truth = -excess * jnp.where(excess > 0, jnp.minimum(10.0, jnp.expm1(lead * teacher)), 1.0)
    seen, alone = student_and_single(run, spectrum, teacher, student, truth)
    h = filters(run)(GradientFlow(teacher), spectrum).learnt
    cancelled = jnp.max((jnp.abs(truth) + (1.0 - truth) * h) / jnp.abs(truth + (1.0 - truth) * h))
    margin = crosses_once(seen, alone, lead, other)
    margin = Margin(margin.value, cancelled * margin.rounding)
    below_zero = exceeds(alone[1].learnt, seen[1].learnt, uncertainty(alone[1]) + cancelled * uncertainty(seen[1]))
    return select((seen[1].learnt <= 0) & (other < lead), below_zero, margin)


@claim(
    source="own",
    standing="proved",
    **matched,
    truth=uniform(0.0, 1.0),
    start=started,
    domain=two_directions | dict(some_teacher=some_teacher),
    hypotheses=dict(
        much_truth=lambda lead, teacher, student, truth: (
            truth * student >= matched_moment(lead, teacher, student, truth)
        ),
        zero_start=zero_start,
    ),
)
def ground_truth_reverses_the_bias(run, lead, other, teacher, student, truth, start):
    """With 0 < α < 1 and αs >= t the conclusion is reversed: ahead on every smaller eigenvalue, behind on every
    larger.

    Gradient flow, λ > 0, with t the time at which the single fit has learnt as much of λ₁.

    Proof. Near λ = 0 student less single fit is (αs - t) λ + (t² - αs² + 2(1 - α)sT) λ²/2 + …, where αs = t makes the
    second term (1 - α)s(2T - t) λ²/2. If t <= T, either would make it positive there, and
    `single_crossing_with_ground_truth` makes it negative: so t > T. Then the exponents T, t, s, s + T have coefficients
    -, +, -, +: three zeros, and the sum is negative at infinity. For αs > t it is positive near zero, so the number of
    its zeros on λ > 0 is odd, and at most two: λ₁ alone. For αs = t the zero at λ = 0 is a double one, which leaves λ₁
    alone too, simple: positive before it, negative beyond.
    """
    seen, alone = student_and_single(run, jnp.stack([lead, other]), teacher, student, truth, start)
    return crosses_once(alone, seen, lead, other)


@claim(
    source="own",
    standing="proved",
    lead=positive(1e-3, 5.0, tame=(0.01, 2.0)),
    teacher=positive(1e-2, 10.0, tame=(0.2, 2.0)),
    student=positive(1e-2, 20.0, tame=(3.0, 20.0)),
    truth=uniform(0.0, 1.0),
    ratio=positive(0.05, 20.0, tame=(0.5, 2.0)),
    opposite=positive(1.001, 20.0, tame=(1.001, 1.5)),
    place=inside,
    domain=dict(
        mixed=lambda truth: (truth > 0) & (truth < 1),
        places=lambda place, opposite: jnp.minimum(place * (1.0 - place), opposite - 1.0),
    ),
    hypotheses=dict(
        late=lambda lead, teacher, student, truth: -early(lead, teacher, student, truth),
        little_truth=lambda lead, teacher, student, truth: (
            matched_moment(lead, teacher, student, truth) - truth * student
        ),
    ),
)
def two_crossings_with_ground_truth(run, lead, teacher, student, truth, ratio, opposite, place):
    """With 0 < α < 1, t > T and αs < t the student is behind at both ends, and ahead at most between λ₁ and a second
    crossing.

    Gradient flow, with t the time at which the single fit has learnt as much of λ₁. Behind for all
    0 < λ < (t - αs) / ((1 - α)sT + t²/2) and for all λ > -log(1 - α)/(t - T); where it is ahead on some λ it is ahead
    on everything between λ and λ₁, and behind on everything beyond λ₁. There are exactly two crossings, or λ₁ is
    touched and nothing crossed. (The loop does not look at an end whose residual e^(-λt) is below 1e-5.)

    Proof. The student has learnt at most sλ(α + (1 - α)Tλ), the single fit at least tλ - t²λ²/2: the first end. What
    the student lacks is more than (1 - α)e^(-λT), which is at least e^(-λt) from -log(1 - α)/(t - T) on: the second.
    The exponents T, t, s, s + T have coefficients -, +, -, +, so that student less single fit has at most three zeros,
    λ = 0 one of them. It is negative at both ends, so the number of its zeros on λ > 0 is even: λ₁ and one other, or λ₁
    twice. In the first case it changes sign at both, and is positive just between them.
    """
    learnt, _ = student_and_single(filters(run), jnp.stack([lead]), teacher, student, truth)
    moment = -learnt.log_residual[0] / lead
    low = jnp.abs(moment - truth * student) / ((1.0 - truth) * student * teacher + moment**2 / 2)
    high = -jnp.log1p(-truth) / jnp.abs(moment - teacher)
    far, near = lead * ratio, lead * ratio**place
    beyond = jnp.where(ratio > 1, lead / opposite, lead * opposite)
    # only after a late match is there such an end; before, what the loop can confirm
    unseen = face(run, moment < teacher, True) & (high * moment > 11.5 * place)
    spectrum = jnp.stack([lead, far, near, beyond, low * place, jnp.where(unseen, lead, high / place)])
    seen, alone = student_and_single(run, spectrum, teacher, student, truth)
    behind = [ahead(alone[k], seen[k], matched=seen[0]) for k in range(6)]
    ends = both(behind[4], select(unseen, not_asserted, behind[5]))
    return both(ends, either(behind[1], both(ahead(seen[2], alone[2], matched=seen[0]), behind[3])))


penalty = positive(1e-3, 1e3, tame=(0.1, 5.0))


@claim(
    source="Borup & Andersen 2021 for the fixed point αc_T = c_S; own",
    standing="proved",
    lead=comparable,
    other=comparable,
    teacher=penalty,
    student=penalty,
    truth=uniform(0.0, 1.2),
    start=started,
    domain=two_directions | dict(untied=lambda teacher, student, truth: truth * teacher != student),
    hypotheses=dict(some_teacher=some_teacher, zero_start=zero_start),
)
def ridge_trichotomy_of_ground_truth(run, lead, other, teacher, student, truth, start):
    """Ridge with ground truth 0 <= α < 1: one crossing as without it iff αc_T < c_S, reversed iff αc_T > c_S.

    For any λ₁ > 0, and penalties above zero: if αc_T < c_S the student is strictly ahead on every larger eigenvalue
    and strictly behind on every smaller λ > 0, and the other way round if αc_T > c_S. At αc_T = c_S, of which the
    margin does not speak, it is the single fit with penalty c_T.

    Proof. The student's filter λ(λ + αc_T)/((λ + c_S)(λ + c_T)) is λ/(λ + c(λ)) with c(λ) = (λ(c_S + (1 - α)c_T) +
    c_S c_T)/(λ + αc_T), whose slope is (1 - α)c_T(αc_T - c_S)/(λ + αc_T)². The single fit that equals it on λ₁ has
    the penalty c(λ₁), and the student is ahead where c(λ) < c(λ₁). At αc_T = c_S it is c = c_S/α = c_T.
    """
    spectrum = jnp.stack([lead, other])
    seen = run(distill(Ridge(teacher), Ridge(student), 1.0 - truth), spectrum, start=jnp.stack([0.0 * start, start]))
    alone = run(equal_ridge(lead, seen[0]), spectrum)
    reversed_ = truth * teacher > student
    return select(reversed_, crosses_once(alone, seen, lead, other), crosses_once(seen, alone, lead, other))
