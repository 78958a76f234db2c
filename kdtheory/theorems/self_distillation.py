"""Ridge regression distilled into itself, again and again, with weight on the ground truth.

With K the kernel, c the penalty and S = K(K + cI)⁻¹, fit τ minimises the loss to α · targets + (1 - α) ·
predictions of fit τ - 1; here α = 1 - `teacher_weight` and τ = `fits`. Along a direction of eigenvalue λ > 0 S is
s = λ/(λ + c), and b_τ is the filter after τ fits: b_1 = s, b_τ = s (α + (1 - α) b_{τ-1}). The penalty of the paper's
sum loss is N times ours. Unless a hypothesis is dropped everything starts at zero.
"""

import jax.numpy as jnp
import numpy as np

from kdtheory import measures
from kdtheory.claims import (
    Quantity,
    ahead,
    among,
    both,
    claim,
    exceeds,
    positive,
    same,
    several,
    uncertainty,
    uniform,
    usually,
)
from kdtheory.learners import Ridge, distill, self_distill
from kdtheory.theorems._words import (
    equal_ridge,
    last_digits,
    log_ratio,
    ordered,
    penalty_ratio,
    select,
    started,
    zero_start,
)

recalled = "Borup & Andersen 2021, as recalled"
small_penalty = positive(1e-3, 1e3, tame=(1e-4, 1.0))


def weights_of_all_sizes(random, count, tame):
    """Weights on the targets: most of them tiny, some nearly one, and in one case of four negative."""
    logs = lambda low: np.exp(random.uniform(np.log(low), 0.0, count))
    kind = random.random(count)
    near_one = 1.0 - logs(0.05 if tame else 1e-9)
    below_zero = -random.random(count)
    return np.where(kind < 0.65, logs(1e-9), np.where(kind < 0.75, near_one, below_zero))


def grows(before, after):
    """The margin of "the ratio is larger after than before"."""
    first, second = log_ratio(before), log_ratio(after)
    return exceeds(second.value, first.value, first.rounding + second.rounding, size=1.0)


@claim(
    source=recalled,
    standing="proved",
    fits=among(2, 4),
    eigenvalue=positive(),
    penalty=positive(),
    last=penalty_ratio,
    truths=several(3, uniform(-2.0, 3.0)),
    start=started,
    hypotheses=dict(zero_start=zero_start, same_penalty=lambda last: last == 1),
)
def powers_of_ridge(run, fits, eigenvalue, penalty, last, truths, start):
    """With weights α_i on the targets, τ ridge fits are Σ_i α_i Π_{j>i} (1 - α_j) S^(τ-i+1) + Π_j (1 - α_j) S^τ.

    i and j run from 2 to τ, the students; any real weights, one penalty (the last is `last` times the others). With
    one weight that is α Σ_i (1 - α)^i S^(i+1), over i from 0 to τ - 2, plus (1 - α)^(τ-1) S^τ.

    Proof. b_τ = s α_τ + s (1 - α_τ) b_{τ-1} adds the term i = τ and multiplies all others by s (1 - α_τ); from b_1 =
    s, by induction.
    """
    ridge, spectrum = Ridge(penalty), eigenvalue[None]
    α, w = truths[: fits - 1], 1.0 - truths[: fits - 1]
    student = distill(self_distill(ridge, fits - 1, w[:-1]), Ridge(last * penalty), w[-1])
    seen, one = run(student, spectrum, start=start).learnt[0], run(ridge, spectrum)[0]
    weights = jnp.stack([*(α[i] * jnp.prod(w[i + 1 :]) for i in range(fits - 1)), jnp.prod(w)])
    powers = jnp.stack([*(one.learnt ** (fits - 1 - i) for i in range(fits - 1)), one.learnt**fits])
    error = 1e-13 * jnp.sum(jnp.abs(weights * powers)) + 8.0 * uncertainty(one) * jnp.sum(jnp.abs(weights))
    return same(seen, jnp.sum(weights * powers), error)


@claim(
    source=recalled,
    standing="proved",
    fits=among(1, 3),
    eigenvalue=positive(tame=(0.2, 30.0)),
    penalty=positive(tame=(1e-4, 3.0)),
    truth=Quantity(weights_of_all_sizes),
    start=started,
    domain=dict(not_alone=lambda truth: 1.0 - truth, positive=lambda eigenvalue: eigenvalue),
    hypotheses=dict(some_truth=lambda truth: truth, zero_start=zero_start),
)
def limit_of_self_distillation(run, fits, eigenvalue, penalty, truth, start):
    """Self-distillation of ridge ends at one ridge fit with penalty c/α, and comes closer by (1 - α) s each time.

    b_{τ+1} - b_∞ = (1 - α) s (b_τ - b_∞) with b_∞ = λ/(λ + c/α), for every weight 0 < α < 1 on the targets and λ > 0;
    hence |b_{τ+1} - b_∞| < |b_τ - b_∞|. (At α = 1 every fit is the limit; without targets, α = 0, the limit is zero.)

    Proof. b ↦ s (α + (1 - α) b) is affine with slope (1 - α) s in (0, 1); its fixed point is αs/(1 - (1 - α) s) = αλ/
    (αλ + c). b_1 = s is not that, as s > b_∞ for α < 1, so that no difference is zero.
    """
    spectrum = eigenvalue[None]
    b = [run(self_distill(Ridge(penalty), n, 1.0 - truth), spectrum, start=start)[0] for n in (fits, fits + 1)]
    limit, one = (run(Ridge(c), spectrum)[0] for c in (penalty / truth, penalty))
    early = limit.learnt < 0.5  # and residuals have more digits late
    before, after = (jnp.where(early, x.learnt - limit.learnt, limit.residual - x.residual) for x in b)
    error = uncertainty(limit) + uncertainty(b[0]) + uncertainty(b[1])
    error = error + last_digits(limit) * limit.learnt / jnp.abs(truth)  # the teacher's weight has lost digits of it
    wanted = limit.learnt + (1.0 - truth) * one.learnt * before
    step = same(b[1].learnt, wanted, 1e-13 * b[1].learnt + 4.0 * (error + uncertainty(one)))
    return both(step, exceeds(jnp.abs(before), jnp.abs(after), 4.0 * error))


@claim(
    source=recalled,
    standing="proved",
    fits=among(2, 3),
    spectrum=several(3, positive(1e-2, 1e2)),
    penalty=positive(1e-2, 1e2),
    target=several(3, uniform(-1.0, 2.0)),
    truth=uniform(-1.0, 2.0),
    start=started,
    hypotheses=dict(zero_start=zero_start),
)
def best_truth_weight(run, fits, spectrum, penalty, target, truth, start):
    """Of all weights on the targets, a student is nearest to any vector v with α* = ⟨v - f, g - f⟩ / |g - f|².

    g is the student's fit to the targets alone and f that to its teacher alone, so that the student is f + α (g -
    f), by any linear read-out and at any τ >= 2; α* is 1 - `measures.validated_weight`. Any real weight; clip it if
    [0, 1] is wanted. The *squared* distance of a weight α is larger than that of α* by (α - α*)² |g - f|², so that
    every other weight is farther. There is no best weight where g = f.

    Proof. |f + α (g - f) - v|² is a parabola in α with leading coefficient |g - f|², and its derivative vanishes at
    α*. A read-out W maps f and g to Wf and Wg, and the student stays affine in α.
    """
    ridge = Ridge(penalty)
    teacher = self_distill(ridge, fits - 1)
    g, f = (run(distill(teacher, ridge, weight), spectrum).learnt for weight in (0.0, 1.0))
    best = 1.0 - measures.validated_weight(g, f, target)
    at_best, other = (run(distill(teacher, ridge, 1.0 - α), spectrum, start=start) for α in (best, truth))
    step, square = other.learnt - at_best.learnt, jnp.sum((g - f) ** 2)
    farther = jnp.sum(step * (other.learnt + at_best.learnt - 2.0 * target)) / square
    error = jnp.sum(uncertainty(other) + uncertainty(at_best)) * (2.0 + jnp.abs(best))
    rounding = error * (1.0 + jnp.sum(jnp.abs(step) + jnp.abs(at_best.learnt - target))) / square
    size = (1.0 + jnp.abs(best) + jnp.abs(truth)) ** 2  # of weights, squared
    return same(farther, (truth - best) ** 2, 1e-12 * size + 10.0 * rounding, size)


@claim(
    source=recalled,
    standing="proved",
    fits=among(2, 5),
    lead=positive(1e-2, 1e2),
    trail=positive(1e-2, 1e2),
    penalty=small_penalty,
    truth=uniform(0.0, 1.5),
    start=started,
    hypotheses=dict(ordered=ordered, teacher_heard=lambda truth: 1.0 - truth, zero_start=zero_start),
)
def self_distillation_sparsifies(run, fits, lead, trail, penalty, truth, start):
    """A self-distilled ridge fit favours the larger of two eigenvalues more than the first fit does.

    R_τ = b_τ(λ₁)/b_τ(λ₂) > R_1 for λ₁ > λ₂ > 0, τ >= 2 and a weight 0 <= α < 1 on the targets; for 0 < α R_τ tends to
    the ratio of one ridge fit with penalty c/α. It need not grow at every step: see `sparsification_is_monotone`.

    Proof. b_τ/s = α + (1 - α) b_{τ-1} is positive and rises with λ, as s does and, by induction, b_{τ-1}; so it is
    larger for λ₁, and R_τ = R_1 times the ratio of the two. The limit is `limit_of_self_distillation`.
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
    penalty=small_penalty,
    truth=usually(0.0, uniform(0.02, 0.98)),
    start=started,
    hypotheses=dict(ordered=ordered, no_truth=lambda truth: truth == 0, zero_start=zero_start),
)
def sparsification_is_monotone(run, fits, lead, trail, penalty, truth, start):
    """Without weight on the targets, every further ridge fit favours the larger of two eigenvalues more.

    R_{τ+1} > R_τ for λ₁ > λ₂ > 0 and α = 0, where R_τ = (s₁/s₂)^τ. For 0 < α < 1 it need not: α = 0.1 and s = (0.9,
    0.1) give R = 9, 43.1, 64.3, 63.3, 59.8, ... The theorem on sparsification, if read as growth at every step, needs
    this hypothesis.

    Proof. b_τ = s b_{τ-1} = s^τ, and s₁ > s₂.
    """
    spectrum, begin = jnp.stack([lead, trail]), jnp.stack([jnp.zeros_like(start), start])
    seen = [run(self_distill(Ridge(penalty), n, 1.0 - truth), spectrum, start=begin) for n in (fits, fits + 1)]
    once, before, after = (log_ratio(each) for each in (run(Ridge(penalty), spectrum), *seen))
    error = 1e-12 + fits * once.rounding + before.rounding + after.rounding
    powers = (same(each.value, n * once.value, error, size=1.0) for each, n in ((before, fits), (after, fits + 1)))
    return both(grows(*seen), *powers)


@claim(
    source="own; the case of equality is Borup & Andersen 2021, as recalled",
    standing="proved",
    lead=positive(),
    other=positive(),
    teacher=positive(tame=(1e-3, 3.0)),
    student=positive(tame=(1e-3, 3.0)),
    truth=uniform(0.0, 1.0),
    start=started,
    domain=dict(apart=lambda lead, other: jnp.abs(lead - other), teacher_heard=lambda truth: 1.0 - truth),
    hypotheses=dict(little_truth=lambda truth, teacher, student: student - truth * teacher, zero_start=zero_start),
)
def ridge_student_with_truth(run, lead, other, teacher, student, truth, start):
    """Matched on one direction, a ridge student that sees targets is ahead on larger eigenvalues if α c_T < c_S.

    And behind on smaller ones, against the single ridge fit that equals it on the direction `lead`, for a weight 0
    <= α < 1. At α c_T = c_S the student *is* its teacher, Ridge(c_T); beyond, ahead and behind change places.

    Proof. The student is (1 + α c_T u)/((1 + c_S u)(1 + c_T u)) with u = 1/λ, and equals the single fit 1/(1 + cu) of
    penalty c = ψ(u) = (c_S + (1 - α) c_T + c_S c_T u)/(1 + α c_T u). ψ′ has the sign of c_T (1 - α)(c_S - α c_T): if
    it is positive, ψ exceeds the matched penalty on smaller λ, where the student is then behind, and is below it on
    larger; if it is zero, ψ = c_T.
    """
    spectrum, begin = jnp.stack([lead, other]), jnp.stack([jnp.zeros_like(start), start])
    seen = run(distill(Ridge(teacher), Ridge(student), 1.0 - truth), spectrum, start=begin)
    alone = run(equal_ridge(lead, seen[0]), spectrum)
    behind, before = ahead(alone[1], seen[1], matched=seen[0]), ahead(seen[1], alone[1], matched=seen[0])
    return select(other < lead, behind, before)
