"""Confidence: margins of a student against its teacher's, in the two-level model of `confidence.margin_line`."""

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import EPS, among, both, claim, exceeds, face, positive, same, several, uniform, usually
from kdtheory.learners import distill
from kdtheory.measures import confidence
from kdtheory.theorems._words import METHODS, started, zero_start

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
    hypotheses=dict(two_levels=lambda third: third == 1.0),
)
def margins_on_a_line(run, method, lead, ratio, clocks, draws, third):
    """With two eigenvalues, student's margins are an affine function of teacher's, that of `confidence.margin_line`;
    when its slope exceeds one is known.

    Squared loss, labels ±1 of which any may be flipped, a Gram matrix with the eigenvalues λ₁ > λ₂ > 0; the margin of a
    training point is its label times its prediction. The slope is (g₁ - g₂)/(h₁ - h₂), g = h_S h. For gradient flow it
    exceeds one iff the student's time s exceeds s₀ = log(h₁/h₂)/(λ₁ - λ₂), `confidence.critical_time`, being 1 + h₂
    e^(-λ₂s) (1 - e^(-(λ₁ - λ₂)(s - s₀)))/(h₁ - h₂); for ridge iff λ₁λ₂ > c_T c_S, being 1 + (c_S/c_T) (λ₁λ₂ - c_T c_S)
    /((λ₁ + c_S)(λ₂ + c_S)). So a student cut short is *less* spread than its teacher. With a third eigenvalue margins
    need be on no line.

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
    size = jnp.max(jnp.abs(y)) + slopes * jnp.max(jnp.abs(x)) + jnp.abs(line.intercept)
    error = face(run, 64.0 * EPS * size, 1e-11 * slopes)
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
    domain=dict(distinct=lambda ratio: ratio != 1),
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
    rounding = slope * (lost[0] + lost[1])
    return both(
        exceeds(slope, 1.0, rounding),
        same(slope, line.scale_free, rounding + 64.0 * EPS * slope),
    )
