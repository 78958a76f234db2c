"""Ground truth in the student's targets: when it keeps, and when it undoes, the exaggerated bias.

The student's target is α · truth + (1 - α) · teacher's prediction; α is `truth`, and 1 - α the library's
`teacher_weight`. Everything starts at zero, on the same inputs, with squared loss. λ₁ = `lead` is the
direction on which a single fit is matched to the student.

Under gradient flow, with the teacher stopped at T, the student at s and the single fit at t, the difference
of their filters is a sum of exponentials in λ,

    g - h_t = e^(-λt) - (1 - α) e^(-λT) - e^(-λs) + (1 - α) e^(-λ(s + T)),

which by Descartes' rule (Laguerre 1883) has no more real zeros, counted with multiplicity, than its
coefficients change sign in the order of their exponents. λ = 0 and λ₁ are two of them.
"""

import jax.numpy as jnp

from kdtheory.claims import Margin, ahead, both, claim, either, filters, positive, uniform, usually
from kdtheory.distillation import distill
from kdtheory.learners import GradientFlow, Ridge
from kdtheory.theorems.spectral_bias import crosses_once, started, when, zero_start

eigenvalue = positive(0.05, 5.0, tame=(0.2, 3.0))  # times at most 4: later, the three curves differ by rounding only
time = positive(0.1, 4.0, tame=(0.3, 3.0))
matched = dict(lead=eigenvalue, other=eigenvalue, teacher=time, student=time)
shown = Margin(jnp.inf, 0.0)  # of what a case does not assert


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
    return seen, run(GradientFlow(-seen[0].log_residual / spectrum[0]), spectrum)


@claim(
    source="own; Nagarajan et al. 2023 without ground truth",
    standing="proved",
    **matched,
    truth=uniform(0.0, 1.0),
    start=started,
    hypotheses=dict(early=early, zero_start=zero_start),
)
def single_crossing_with_ground_truth(run, lead, other, teacher, student, truth, start):
    """With 0 < α < 1, a student matched before its teacher stopped is ahead on every larger eigenvalue, behind
    on every smaller.

    Gradient flow; `early` is t <= T, with t the time at which the single fit has learnt as much of λ₁. Then
    the coefficients of the sum above change sign twice, λ = 0 and λ₁ are all its zeros, and it is negative
    between them.
    """
    seen, alone = student_and_single(run, jnp.stack([lead, other]), teacher, student, truth, start)
    return crosses_once(seen, alone, lead, other)


@claim(
    source="own; Nagarajan et al. 2023 for α = 0",
    standing="proved",
    **matched,
    excess=uniform(-0.9, 0.9),
    hypotheses=dict(no_truth=lambda excess: excess),
)
def single_crossing_past_the_teacher(run, lead, other, teacher, student, excess):
    """With α < 0, a teacher's weight above one, the student is ahead on every larger eigenvalue, behind on every
    smaller.

    Gradient flow, any times: then t is below both T and s, and the sum above has two changes of sign. The
    student's filter is negative on small eigenvalues; it must be positive on λ₁, else no single fit matches it,
    so -α = `excess` · min(1, h_T/(1 - h_T)) with h_T the teacher's filter there. Where the hypothesis is dropped
    α > 0 is drawn, and the student may be matched after its teacher stopped.
    """
    spectrum = jnp.stack([lead, other])
    truth = -excess * jnp.minimum(1.0, jnp.where(excess > 0, jnp.expm1(lead * teacher), 1.0))
    seen, alone = student_and_single(run, spectrum, teacher, student, truth)
    h = filters(run)(GradientFlow(teacher), spectrum).learnt
    cancelled = jnp.max((jnp.abs(truth) + (1.0 - truth) * h) / jnp.abs(truth + (1.0 - truth) * h))
    margin = crosses_once(seen, alone, lead, other)
    nothing = (seen[1].learnt <= 0) & (other < lead)
    return Margin(jnp.where(nothing, 1.0, margin.value), jnp.where(nothing, 0.0, cancelled * margin.rounding))


@claim(
    source="own",
    standing="proved",
    **matched,
    truth=uniform(0.0, 1.0),
    start=started,
    hypotheses=dict(
        much_truth=lambda lead, teacher, student, truth: (
            truth * student - matched_moment(lead, teacher, student, truth)
        ),
        zero_start=zero_start,
    ),
)
def ground_truth_reverses_the_bias(run, lead, other, teacher, student, truth, start):
    """With 0 < α < 1 and αs >= t the conclusion is reversed: ahead on every smaller eigenvalue, behind on every
    larger.

    Gradient flow. αs >= t implies t > T: an earlier match would leave the student behind on all small
    eigenvalues, but there it has learnt αs/t times as much as the single fit. With t > T it is behind on all
    large ones, and three changes of sign leave one zero beside λ = 0 and λ₁, which none of the two ends
    admits (for αs = t it is a second one at λ = 0).
    """
    seen, alone = student_and_single(run, jnp.stack([lead, other]), teacher, student, truth, start)
    return crosses_once(alone, seen, lead, other)


@claim(
    source="own",
    standing="proved",
    lead=eigenvalue,
    teacher=time,
    student=time,
    truth=uniform(0.02, 0.98),
    ratio=positive(0.05, 20.0, tame=(0.3, 3.0)),
    opposite=positive(1.01, 20.0, tame=(1.1, 3.0)),
    place=uniform(0.05, 0.95),
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

    Gradient flow. Behind for all λ < (t - αs) / ((1 - α)sT + t²/2) and for all λ > -log(1 - α)/(t - T); where
    it is ahead on some λ it is ahead on everything between λ and λ₁, and behind on everything beyond λ₁.
    Three changes of sign leave a third zero, and with both ends negative it is positive (or is λ₁ itself,
    touched and not crossed): exactly two crossings. Ends whose residual e^(-λt) is below 1e-8 are not looked
    at.
    """
    learnt, _ = student_and_single(filters(run), jnp.stack([lead]), teacher, student, truth)
    moment = -learnt.log_residual[0] / lead
    low = jnp.abs(moment - truth * student) / ((1.0 - truth) * student * teacher + moment**2 / 2)
    high = -jnp.log1p(-truth) / jnp.abs(moment - teacher)
    far, near = lead * ratio, lead * ratio**place
    beyond = jnp.where(ratio > 1, lead / opposite, lead * opposite)
    unseen = high * moment > 18.0 * place
    spectrum = jnp.stack([lead, far, near, beyond, low * place, jnp.where(unseen, lead, high / place)])
    seen, alone = student_and_single(run, spectrum, teacher, student, truth)
    behind = [ahead(alone[k], seen[k], matched=seen[0]) for k in range(6)]
    ends = both(behind[4], when(unseen, shown, behind[5]))
    return both(ends, either(behind[1], both(ahead(seen[2], alone[2], matched=seen[0]), behind[3])))


@claim(
    source="Borup & Andersen 2021 for the fixed point αc_T = c_S; own",
    standing="proved",
    lead=positive(),
    other=positive(),
    teacher=positive(1e-2, 1e2),
    student=positive(1e-2, 1e2),
    truth=usually(0.5, uniform(0.01, 1.5)),
    start=started,
    hypotheses=dict(some_teacher=lambda truth: 1.0 - truth, zero_start=zero_start),
)
def ridge_trichotomy_of_ground_truth(run, lead, other, teacher, student, truth, start):
    """Ridge with ground truth 0 <= α < 1: one crossing as without it iff αc_T < c_S, reversed iff αc_T > c_S.

    For any λ₁. The student is λ/(λ + c(λ)) with c(λ) = (λ(c_S + (1 - α)c_T) + c_S c_T)/(λ + αc_T), monotone
    in λ, with the sign of (1 - α)(αc_T - c_S) for its slope. At αc_T = c_S it is the single fit with penalty
    c_T.
    """
    spectrum = jnp.stack([lead, other])
    seen = run(distill(Ridge(teacher), Ridge(student), 1.0 - truth), spectrum, start=jnp.stack([0.0 * start, start]))
    alone = run(Ridge(lead * jnp.exp(seen[0].log_residual - seen[0].log_learnt)), spectrum)
    reversed_ = truth * teacher > student
    return when(reversed_, crosses_once(alone, seen, lead, other), crosses_once(seen, alone, lead, other))
