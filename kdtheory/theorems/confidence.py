"""Confidence: margins of a student against its teacher's, on any spectrum and in the model of two levels."""

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    EPS,
    among,
    both,
    claim,
    exceeds,
    face,
    positive,
    same,
    several,
    uncertainty,
    uniform,
    usually,
)
from kdtheory.learners import distill
from kdtheory.measures import confidence
from kdtheory.theorems._words import METHODS, distinct_spectrum, last_digits, started, zero_start

CLASSES = np.repeat([1.0, -1.0], 3)  # six points, three of each class
_WITHIN = np.array([[1, 1, 1], [2, -1, -1], [0, 1, -1]]).T / np.sqrt([3, 6, 2])
BASIS = np.kron(np.eye(2), _WITHIN)[:, [0, 3, 1, 2, 4, 5]]  # (6, 6): the class means, then what differs within


def two_levels(lead, ratio, third=1.0):
    """The spectrum of six points in two classes: λ₁ twice, and λ₂, of which one may differ."""
    return lead * jnp.stack([1.0, 1.0, ratio, ratio, ratio, ratio * third])


def excess(method, lead, trail, clocks):
    """The slope of `margins_on_a_line`, less one: by `confidence.critical_time` for flow, by penalties for ridge."""
    teacher, student = clocks
    if method == "flow":
        late = student - confidence.critical_time(lead, trail, teacher)
        h2, gap = -jnp.expm1(-trail * teacher), lead - trail
        rise = jnp.exp(-trail * teacher) * -jnp.expm1(-gap * teacher)
        return h2 * jnp.exp(-trail * student) * -jnp.expm1(-gap * late) / rise
    c_T, c_S = 1.0 / teacher, 1.0 / student
    return c_S / c_T * (lead * trail - c_T * c_S) / ((lead + c_S) * (trail + c_S))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    lead=positive(0.3, 3.0),
    ratio=positive(1e-3, 0.999, tame=(0.05, 0.9)),
    clocks=several(2, positive(1e-3, 10.0, tame=(0.3, 3.0))),
    draws=several(6, uniform(0.0, 1.0)),
    third=usually(1.0, uniform(0.2, 0.6)),
    domain=dict(told=lambda lead, ratio, clocks: 12.0 - lead * ratio * clocks[0]),  # else all is learnt, but for digits
    hypotheses=dict(two_levels=lambda third: third == 1.0),
)
def margins_on_a_line(run, method, lead, ratio, clocks, draws, third):
    """With two eigenvalues, student's margins are an affine function of teacher's, that of `confidence.margin_line`;
    when its slope exceeds one is known.

    Squared loss, from zero, labels ±1 of which any may be flipped, a Gram matrix with the eigenvalues λ₁ > λ₂ > 0; the
    margin of a training point is its label times its prediction. The slope is (g₁ - g₂)/(h₁ - h₂), g = h_S h. For
    gradient flow it exceeds one iff the student's time s exceeds s₀ = log(h₁/h₂)/(λ₁ - λ₂), `confidence.critical_time`,
    being 1 + h₂ e^(-λ₂s) (1 - e^(-(λ₁ - λ₂)(s - s₀)))/(h₁ - h₂); for ridge iff λ₁λ₂ > c_T c_S, being 1 + (c_S/c_T)
    (λ₁λ₂ - c_T c_S) /((λ₁ + c_S)(λ₂ + c_S)). So a student cut short is *less* spread than its teacher. With a third
    eigenvalue margins need be on no line.

    Proof. Predictions are h₁ P y + h₂ (y - P y), P the projection onto the eigenspace of λ₁, so that margins are h₂ +
    (h₁ - h₂) a with a = y · P y at a point, since y² = 1, and the student's g₂ + (g₁ - g₂) a. The slope less one is (h₂
    r₂ - h₁ r₁)/(h₁ - h₂), r the student's residual: e^(-λs), and h₁ = h₂ e^((λ₁ - λ₂) s₀); c_S/(λ + c_S) for ridge.
    """
    spectrum = two_levels(lead, ratio, third)
    labels = CLASSES * jnp.where(draws < 0.3, -1.0, 1.0).at[:2].set(jnp.array([-1.0, 1.0]))
    teacher, student = (METHODS[method](clock) for clock in clocks)
    x, y = (
        labels * (BASIS @ run(learner, spectrum, target=BASIS.T @ labels).learnt)
        for learner in (teacher, distill(teacher, student))
    )
    line = confidence.margin_line(teacher, student, lead, lead * ratio)
    above = excess(method, lead, lead * ratio, clocks)
    slopes, gap = 1.0 + line.slope, x[0] - x[1]  # of a flipped point and one that is not
    size = jnp.max(jnp.abs(y))
    terms = size + slopes * jnp.max(jnp.abs(x)) + jnp.abs(line.intercept)
    error = face(run, 64.0 * EPS * terms, 1e-11 * slopes)
    return both(
        same(jnp.max(jnp.abs(y - line.slope * x - line.intercept)), 0.0, error, size),
        same(y[0] - y[1] - gap, line.excess * gap, error, size),
        same(line.excess, above, 64.0 * EPS * slopes, slopes),
    )


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    lead=positive(0.3, 3.0),
    ratio=positive(1e-6, 10.0, tame=(1e-5, 1.5)),
    clocks=several(2, positive(1e-2, 5.0, tame=(0.3, 2.0))),
    start=started,
    domain=dict(
        distinct=lambda ratio: ratio != 1,
        told=lambda lead, ratio, clocks: 300.0 - lead * jnp.minimum(ratio, 1.0) * clocks[0],  # else it leaves floats
    ),
    hypotheses=dict(zero_start=zero_start),
)
def scale_free_slope_exceeds_one(run, method, lead, ratio, clocks, start):
    """Scaled so that one direction matches the teacher's, a student's margins are the more spread: the scale-free
    slope of `confidence.margin_line` exceeds one.

    Two distinct eigenvalues, flow and ridge, any clocks, whichever of the two is matched: the slope is (1 - g₂/g₁)/(1 -
    h₂/h₁) with g = h_S h, where g₂/g₁ < h₂/h₁ if λ₁ is the larger. This is the exaggerated spectral bias, read off
    confidences. (At λ₂ = 0 the slope is one.)

    Proof. Scaled by h₁/g₁, the student's margins have the slope h₁/g₁ · (g₁ - g₂)/(h₁ - h₂) = 1 + h₂/h_S1 · (h_S1 -
    h_S2)/(h₁ - h₂), and both filters grow with λ.
    """
    spectrum = lead * jnp.stack([jnp.ones_like(ratio), ratio])
    teacher, student = (METHODS[method](clock) for clock in clocks)
    h = run(teacher, spectrum)
    g = run(distill(teacher, student), spectrum, start=jnp.stack([0.0 * start, start]))
    line = confidence.margin_line(teacher, student, lead, lead * ratio)
    of_teacher, of_student = (seen.log_learnt[1] - seen.log_learnt[0] for seen in (h, g))
    lost = [
        jnp.sum(seen.log_learnt_error) / jnp.abs(jnp.expm1(-ratio))
        for seen, ratio in ((h, of_teacher), (g, of_student))
    ]
    slope = jnp.expm1(of_student) / jnp.expm1(of_teacher)
    rounding = jnp.where(jnp.isfinite(slope), slope * (lost[0] + lost[1]), jnp.inf)
    return both(
        exceeds(slope, 1.0, rounding),
        same(slope, line.scale_free, rounding + 64.0 * EPS * slope),
    )


# Any spectrum.

STARTED = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 0.5])  # of where training begins, over the target
TURNED = np.linalg.qr(np.vander(np.cos(np.arange(1.0, 7.0)), 6))[0]  # (6, 6): directions of no symmetry


# else a teacher has learnt all of everything, but for last digits
told = lambda spectrum, clocks: 12.0 - jnp.min(spectrum) * clocks[0]
SIX_POINTS = dict(
    method=among("flow", "ridge"),
    spectrum=several(6, positive(1e-2, 10.0, tame=(0.1, 3.0))),
    clocks=several(2, positive(1e-2, 10.0, tame=(0.3, 3.0))),
    draws=several(6, uniform(0.0, 1.0)),  # of labels
)


def margins(run, labels, spectrum, learners, start=0.0):
    """The labels times what each learner predicts at six points whose Gram matrix has the given spectrum."""
    target = TURNED.T @ labels
    ends = (run(learner, spectrum, target=target, start=start * STARTED * target) for learner in learners)
    return [labels * (TURNED @ seen.learnt) for seen in ends]


def on_the_line(run, x, y, slope, intercept):
    """The margin of "the least-squares line of the points (x, y) is this one": what is left has no mean, and none
    along x."""
    size, reach = jnp.max(jnp.abs(y)), jnp.max(jnp.abs(x))
    left, terms = y - slope * x - intercept, size + jnp.abs(slope) * reach + jnp.abs(intercept)
    error = face(run, 64.0 * EPS, 1e-10) * terms
    return both(same(jnp.mean(left), 0.0, error, size), same(jnp.mean(x * left), 0.0, error * reach, size * reach))


@claim(
    source="own",
    standing="proved",
    **SIX_POINTS,
    coding=usually(1.0, uniform(0.3, 0.8)),
    start=started,
    domain=dict(distinct=distinct_spectrum, told=told),
    hypotheses=dict(plus_minus_one=lambda coding: coding == 1.0, zero_start=zero_start),
)
def margins_are_a_regression_of_filters(run, method, spectrum, clocks, draws, coding, start):
    """The least-squares line of student's margins over teacher's is the regression of student's filter on teacher's
    over directions, weighted by the energy of the labels, that of `confidence.margin_regression`.

    Squared loss, labels ±1 of which any may be flipped, a Gram matrix with any spectrum, labels with energy on distinct
    eigenvalues; slope
    Cov_w(h, g)/Var_w(h) with h the teacher's filter, g = h_S h and w_k = (u_k·y)²/N. With labels of other sizes, or
    from another start, it is not.

    Proof. Let x = y z_T and m = y z_S be the margins of a point. As y² = 1, the mean of x m over the points is z_T·z_S
    /N = Σ w h g, that of x is y·z_T/N = Σ w h, and those of x² and m likewise: both clouds, over the points and over
    the directions with weights w that sum to |y|²/N = 1, have the same first and second moments, hence the same line.
    """
    labels = jnp.where(draws < 0.5, -1.0, 1.0).at[:2].set(jnp.array([-1.0, 1.0])) * jnp.ones(6).at[0].set(coding)
    teacher, student = (METHODS[method](clock) for clock in clocks)
    x, y = margins(run, labels, spectrum, [teacher, distill(teacher, student)], start)
    energy = (TURNED.T @ labels) ** 2 / 6.0
    line = confidence.margin_regression(teacher, student, spectrum, energy)
    return on_the_line(run, x, y, line.slope, line.intercept)


@claim(
    source="own",
    standing="proved",
    **SIX_POINTS,
    lead=among(0, 1, 2),
    start=started,
    domain=dict(distinct=distinct_spectrum, told=told),
    hypotheses=dict(zero_start=zero_start),
)
def exaggerated_bias_sets_the_slope(run, method, spectrum, clocks, draws, lead, start):
    """Scaled to its teacher along one direction, a student has margins whose slope over teacher's is one less the
    regression of h (1 - ρ) on h, ρ its progress over teacher's relative to that direction.

    Squared loss, labels ±1 with energy on distinct eigenvalues; ρ_k = (g_k/h_k)/(g_1/h_1), with direction 1 any one,
    and slope = 1 - Cov_w(h, h(1 - ρ))/Var_w(h), w the energy of the labels; the line goes through the means of h and
    hρ. So a student without exaggerated bias, ρ =
    1, has the slope one exactly. Exaggerated bias may take it below one.

    Proof. Scaled by h_1/g_1, the student's filter is hρ; see `margins_are_a_regression_of_filters`.
    """
    labels = jnp.where(draws < 0.5, -1.0, 1.0).at[:2].set(jnp.array([-1.0, 1.0]))
    teacher, student = (METHODS[method](clock) for clock in clocks)
    x, y = margins(run, labels, spectrum, [teacher, distill(teacher, student)], start)
    h, own, energy = teacher.filter(spectrum), student.filter(spectrum), (TURNED.T @ labels) ** 2 / 6.0
    bias = own / own[lead]
    mean = lambda values: jnp.sum(energy * values)
    left = teacher.residual(spectrum)
    off = jnp.where(mean(left) < 0.5, mean(left) - left, h - mean(h))  # of what is small
    slope = 1.0 - mean(off * h * (1.0 - bias)) / mean(off * off)
    return on_the_line(run, x, y / own[lead], slope, mean(h * bias) - slope * mean(h))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    beyond=among(1, 0),
    clocks=several(2, positive(0.1, 10.0, tame=(0.3, 3.0))),
    reach=positive(1e-4, 30.0, tame=(5e-4, 9.0)),
    gaps=several(3, uniform(0.3, 1.0)),
    energy=several(3, positive(0.1, 1.0)),
    stray=usually(0.0, uniform(0.5, 3.0)),
    domain=dict(
        distinct=lambda gaps: jnp.max(gaps) - jnp.min(gaps),
        told=lambda reach, gaps: 50.0 - reach * jnp.max(gaps),
    ),
    hypotheses=dict(one_side=lambda stray: stray == 0),
)
def slope_exceeds_one_beyond_critical_eigenvalue(run, method, beyond, clocks, reach, gaps, energy, stray):
    """Where the labels have all their energy at eigenvalues above `confidence.critical_eigenvalue`, student's margins
    are steeper over teacher's than the diagonal, slope > 1; where they have it below, slope < 1.

    Squared loss, labels ±1, energy on eigenvalues that are not all equal; λ* = log(1 + T/s)/T for gradient flow of the
    times T and s, √(c_T c_S) for ridge. An interpolating teacher, T → ∞, has λ* → 0, so that its students exaggerate;
    one stopped early has λ* → 1/s, so that only a student that trains beyond 1/λ does. With energy on both sides either
    may be.

    Proof. The slope less one is -Cov_w(h, h(1 - h_S))/Var_w(h) by `margins_are_a_regression_of_filters`. h rises with
    λ. What is dropped, h(1 - h_S), rises up to λ* and falls beyond: (1 - e^(-λT)) e^(-λs) has the slope e^(-λs) ((T +
    s) e^(-λT) - s), zero at e^(λT) = 1 + T/s, and λ c_S/((λ + c_T)(λ + c_S)) has one of the sign of c_T c_S - λ². Two
    functions that rise together have a positive covariance, and a negative one where one rises and the other falls
    (Chebyshev).
    """
    teacher, student = (METHODS[method](clock) for clock in clocks)
    away = (1.0 + reach * gaps) ** jnp.where(beyond, 1.0, -1.0)
    away = away ** jnp.ones(3).at[0].set(jnp.where(stray == 0, 1.0, -stray))  # on the other side
    spectrum = confidence.critical_eigenvalue(teacher, student) * away
    h, g = run(teacher, spectrum), run(distill(teacher, student), spectrum)
    w = energy / jnp.sum(energy)
    centred = lambda values: values - jnp.sum(w * values)
    early, both_early = jnp.sum(w * h.residual) >= 0.5, jnp.sum(w * g.residual) >= 0.5  # the small part has the digits
    off = centred(jnp.where(early, h.learnt, -h.residual))
    dropped = centred(jnp.where(both_early, h.learnt - g.learnt, g.residual - h.residual))
    spread = jnp.sum(w * off**2)
    excess = -jnp.sum(w * off * dropped) / spread  # of the slope over one
    part = lambda seen, early: jnp.max(jnp.where(early, seen.learnt, seen.residual) * last_digits(seen))
    of_teacher = uncertainty(h) + part(h, early)
    of_both = uncertainty(h) + uncertainty(g) + part(h, both_early) + part(g, both_early)
    lost = jnp.abs(off) * (of_both + 2.0 * jnp.abs(excess) * of_teacher) + jnp.abs(dropped) * of_teacher
    rounding = 2.0 * jnp.sum(w * lost) / spread
    return exceeds(jnp.where(beyond, excess, -excess), 0.0, rounding, jnp.maximum(1.0, 1.0 + excess))
