"""Ridge regression distilled into itself, again and again, with weight on the ground truth.

With K the kernel, c the penalty and S = K(K + cI)⁻¹, fit τ minimises the loss to α · targets + (1 - α) ·
predictions of fit τ - 1; here α = 1 - `teacher_weight` and τ = `fits`. Along a direction S is s = λ/(λ + c), and
b_τ is the filter after τ fits. The penalty of the paper's sum loss is N times ours. Unless a hypothesis is dropped
everything starts at zero.
"""

import jax.numpy as jnp

from kdtheory import measures
from kdtheory.claims import Margin, ahead, among, both, claim, positive, same, several, uncertainty, uniform, usually
from kdtheory.distillation import distill, self_distill
from kdtheory.learners import Ridge
from kdtheory.theorems.spectral_bias import started, when, zero_start

recalled = "Borup & Andersen 2021, as recalled"
ordered = lambda lead, trail: lead - trail
sometimes_turned_by = usually(1.0, positive(0.1, 10.0, tame=(0.1, 10.0)))  # one penalty over another


def log_ratio(seen):
    """How much more has been learnt of the first direction than of the second, in logs."""
    rounding = seen[0].log_learnt_error + seen[1].log_learnt_error
    return Margin(seen[0].log_learnt - seen[1].log_learnt, rounding)


def grows(before, after):
    """The margin of "the ratio is larger after than before"."""
    first, second = log_ratio(before), log_ratio(after)
    return Margin(second.value - first.value, first.rounding + second.rounding)


@claim(
    source=recalled,
    standing="proved",
    fits=among(2, 4),
    eigenvalue=positive(),
    penalty=positive(),
    last=sometimes_turned_by,
    truths=several(3, uniform(-0.5, 1.5)),
    start=started,
    hypotheses=dict(zero_start=zero_start, same_penalty=lambda last: last == 1),
)
def powers_of_ridge(run, fits, eigenvalue, penalty, last, truths, start):
    """With weights α_i on the targets, τ ridge fits are Σ_i α_i Π_{j>i} (1 - α_j) S^(τ-i+1) + Π_j (1 - α_j) S^τ.

    i and j run from 2 to τ, the students; any real weights, one penalty (the last is `last` times the others). With
    one weight that is α Σ_i (1 - α)^i S^(i+1), over i from 0 to τ - 2, plus (1 - α)^(τ-1) S^τ.
    """
    ridge, spectrum = Ridge(penalty), eigenvalue[None]
    α, w = truths[: fits - 1], 1.0 - truths[: fits - 1]
    student = distill(self_distill(ridge, fits - 1, w[:-1]), Ridge(last * penalty), w[-1])
    seen, s = run(student, spectrum, start=start).learnt[0], run(ridge, spectrum).learnt[0]
    powers = sum(α[i] * jnp.prod(w[i + 1 :]) * s ** (fits - 1 - i) for i in range(fits - 1))
    return same(seen, powers + jnp.prod(w) * s**fits, 1e-11)


@claim(
    source=recalled,
    standing="proved",
    fits=among(1, 3),
    eigenvalue=positive(0.1, 10.0),
    penalty=positive(0.1, 10.0),
    truth=uniform(-1.0, 0.98),
    start=started,
    hypotheses=dict(some_truth=lambda truth: truth, zero_start=zero_start),
)
def limit_of_self_distillation(run, fits, eigenvalue, penalty, truth, start):
    """Self-distillation of ridge ends at one ridge fit with penalty c/α, and comes closer by (1 - α) s each time.

    b_{τ+1} - b_∞ = (1 - α) s (b_τ - b_∞) with b_∞ = λ/(λ + c/α), for a weight 0 < α < 1 on the targets. The
    margin is also that of the fall, 1 - (1 - α) s. (Without targets, α = 0, the limit is zero.)
    """
    spectrum = eigenvalue[None]
    b = [run(self_distill(Ridge(penalty), n, 1.0 - truth), spectrum, start=start)[0] for n in (fits, fits + 1)]
    limit = run(Ridge(penalty / truth), spectrum)[0]
    now, after = (each.learnt - limit.learnt for each in b)
    error = uncertainty(limit) + uncertainty(b[0]) + uncertainty(b[1])
    rate = (1.0 - truth) * run(Ridge(penalty), spectrum)[0].learnt
    falls = Margin(1.0 - jnp.abs(after / now), 16.0 * error / jnp.abs(now))
    return both(same(after / now, rate, 16.0 * error / jnp.abs(now)), falls)


@claim(
    source=recalled,
    standing="proved",
    fits=among(2, 3),
    spectrum=several(3, positive(0.1, 10.0)),
    penalty=positive(0.1, 10.0),
    target=several(3, uniform(-1.0, 2.0)),
    truth=uniform(-1.0, 2.0),
    start=started,
    hypotheses=dict(zero_start=zero_start),
)
def best_truth_weight(run, fits, spectrum, penalty, target, truth, start):
    """Of all weights on the targets, a student is nearest to any vector v with α* = ⟨v - f, g - f⟩ / |g - f|².

    g is the student's fit to the targets alone and f that to its teacher alone, so that the student is f + α (g -
    f), by any linear read-out and at any τ (`measures.validated_weight`). Unconstrained: clip it if [0, 1] is
    wanted. Every other weight α is farther by (α - α*)² |g - f|².
    """
    ridge = Ridge(penalty)
    teacher = self_distill(ridge, fits - 1)
    g, f = (run(distill(teacher, ridge, weight), spectrum).learnt for weight in (0.0, 1.0))
    best = 1.0 - measures.validated_weight(g, f, target)
    at_best, other = (run(distill(teacher, ridge, 1.0 - α), spectrum, start=start) for α in (best, truth))
    step, size = other.learnt - at_best.learnt, jnp.sum((g - f) ** 2)
    farther = jnp.sum(step * (other.learnt + at_best.learnt - 2.0 * target)) / size
    error = jnp.sum(uncertainty(other) + uncertainty(at_best)) * (2.0 + jnp.abs(best))
    rounding = error * (1.0 + jnp.sum(jnp.abs(step) + jnp.abs(at_best.learnt - target))) / size
    exact = same(farther, (truth - best) ** 2, 1e-9 * (truth - best) ** 2 + 10.0 * rounding)
    return both(Margin(farther, rounding), exact)


@claim(
    source=recalled,
    standing="proved",
    fits=among(2, 5),
    lead=positive(1e-2, 1e2),
    trail=positive(1e-2, 1e2),
    penalty=positive(1e-2, 1e2),
    truth=uniform(0.0, 1.5),
    start=started,
    hypotheses=dict(ordered=ordered, teacher_heard=lambda truth: 1.0 - truth, zero_start=zero_start),
)
def self_distillation_sparsifies(run, fits, lead, trail, penalty, truth, start):
    """A self-distilled ridge fit favours the larger of two eigenvalues more than the first fit does.

    R_τ = b_τ(λ₁)/b_τ(λ₂) > R_1 for λ₁ > λ₂, τ >= 2 and a weight 0 <= α < 1 on the targets; R_τ tends to the ratio
    of one ridge fit with penalty c/α. It need not grow at every step: see `sparsification_is_monotone`.
    """
    spectrum, begin = jnp.stack([lead, trail]), jnp.stack([jnp.zeros_like(start), start])
    once = run(Ridge(penalty), spectrum)
    return grows(once, run(self_distill(Ridge(penalty), fits, 1.0 - truth), spectrum, start=begin))


@claim(
    source=f"{recalled}; the hypothesis no_truth is own",
    standing="proved",
    fits=among(2, 4),
    lead=positive(1e-2, 1e2),
    trail=positive(1e-2, 1e2),
    penalty=positive(1e-2, 1e2),
    truth=usually(0.0, uniform(0.02, 0.98)),
    start=started,
    hypotheses=dict(ordered=ordered, no_truth=lambda truth: truth == 0, zero_start=zero_start),
)
def sparsification_is_monotone(run, fits, lead, trail, penalty, truth, start):
    """Without weight on the targets, every further ridge fit favours the larger of two eigenvalues more.

    R_{τ+1} > R_τ for α = 0, where R_τ = (s₁/s₂)^τ. For 0 < α < 1 it is false: α = 0.1 and s = (0.9, 0.1) give R =
    9, 43.1, 64.3, 63.3, 59.8, ... The theorem on sparsification, if read as growth at every step, needs this
    hypothesis.
    """
    spectrum, begin = jnp.stack([lead, trail]), jnp.stack([jnp.zeros_like(start), start])
    seen = [run(self_distill(Ridge(penalty), n, 1.0 - truth), spectrum, start=begin) for n in (fits, fits + 1)]
    return grows(*seen)


@claim(
    source="own; the case of equality is Borup & Andersen 2021, as recalled",
    standing="proved",
    lead=positive(),
    other=positive(),
    teacher=positive(),
    student=positive(),
    truth=uniform(0.0, 1.0),
    start=started,
    hypotheses=dict(little_truth=lambda truth, teacher, student: student - truth * teacher, zero_start=zero_start),
)
def ridge_student_with_truth(run, lead, other, teacher, student, truth, start):
    """Matched on one direction, a ridge student that sees targets is ahead on larger eigenvalues if α c_T < c_S.

    And behind on smaller ones, against the single ridge fit that equals it on the direction `lead`, for a weight 0
    <= α < 1. At α c_T = c_S the student *is* its teacher, Ridge(c_T); beyond, all signs are reversed.
    """
    spectrum, begin = jnp.stack([lead, other]), jnp.stack([jnp.zeros_like(start), start])
    seen = run(distill(Ridge(teacher), Ridge(student), 1.0 - truth), spectrum, start=begin)
    alone = run(Ridge(lead * jnp.exp(seen[0].log_residual - seen[0].log_learnt)), spectrum)
    behind, before = ahead(alone[1], seen[1], matched=seen[0]), ahead(seen[1], alone[1], matched=seen[0])
    return when(other < lead, behind, before)
