"""Confidence: margins of a student against its teacher's, in the two-level model of `confidence.margin_line`."""

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import Margin, among, both, claim, filters, positive, same, several, uniform, usually
from kdtheory.distillation import distill
from kdtheory.learners import GradientFlow, Ridge
from kdtheory.theorems.spectral_bias import started, zero_start

LEARNERS = {"flow": GradientFlow, "ridge": lambda clock: Ridge(1.0 / clock)}
CLASSES = np.repeat([1.0, -1.0], 3)  # six points, three of each class
_WITHIN = np.array([[1, 1, 1], [2, -1, -1], [0, 1, -1]]).T / np.sqrt([3, 6, 2])
BASIS = np.kron(np.eye(2), _WITHIN)[:, [0, 3, 1, 2, 4, 5]]  # (6, 6): the class means, then what differs within


def two_levels(lead, ratio, third=1.0):
    """The spectrum of six points in two classes: λ₁ twice, and λ₂, of which one may differ."""
    return lead * jnp.stack([1.0, 1.0, ratio, ratio, ratio, ratio * third])


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    lead=positive(0.3, 3.0),
    ratio=uniform(0.05, 0.7),
    clocks=several(2, positive(0.1, 5.0, tame=(0.3, 3.0))),
    draws=several(6, uniform(0.0, 1.0)),
    third=usually(1.0, uniform(0.2, 0.6)),
    hypotheses=dict(two_levels=lambda third: third == 1.0),
)
def margins_on_a_line(run, method, lead, ratio, clocks, draws, third):
    """With two eigenvalues, student's margins are an affine function of teacher's; when its slope exceeds one is known.

    Squared loss, labels ±1 of which any may be flipped, a Gram matrix with the eigenvalues λ₁ > λ₂; the margin of a
    training point is its label times its prediction. The slope is (g₁ - g₂)/(h₁ - h₂), g = h_S h_T. It exceeds
    one iff s > log(h₁/h₂)/(λ₁ - λ₂) for gradient flow with the student stopped at s, iff λ₁λ₂ > c_T c_S for ridge:
    a student cut short, or of a teacher that has hardly learnt, is *less* spread than its teacher. With a third
    eigenvalue margins are on no line.
    """
    spectrum = two_levels(lead, ratio, third)
    labels = CLASSES * jnp.where(draws < 0.3, -1.0, 1.0).at[:2].set(jnp.array([-1.0, 1.0]))
    teacher, student = (LEARNERS[method](clock) for clock in clocks)
    x, y = (
        labels * (BASIS @ run(learner, spectrum, target=BASIS.T @ labels).learnt)
        for learner in (teacher, distill(teacher, student))
    )
    levels = lead * jnp.stack([1.0, ratio])
    h, g = (filters(run)(learner, levels).learnt for learner in (teacher, distill(teacher, student)))
    slope = (g[0] - g[1]) / (h[0] - h[1])  # as `confidence.margin_line` has it
    spread = jnp.sum((x - x.mean()) ** 2)
    seen = jnp.sum((x - x.mean()) * (y - y.mean())) / spread
    longer = clocks[1] - jnp.log(h[0] / h[1]) / (levels[0] - levels[1])  # than `confidence.critical_time`
    smaller = lead * ratio * lead - 1.0 / (clocks[0] * clocks[1])
    criterion = jnp.sign(longer if method == "flow" else smaller) * (seen - 1.0)
    affine = same(jnp.max(jnp.abs(y - slope * x - (g[1] - slope * h[1]))), 0.0, 1e-9)
    return both(affine, Margin(criterion, 1e-11 / jnp.sqrt(spread)))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    lead=positive(0.3, 3.0),
    ratio=uniform(0.05, 1.3),
    clocks=several(2, positive(0.1, 5.0, tame=(0.3, 3.0))),
    start=started,
    hypotheses=dict(ordered=lambda ratio: 1.0 - ratio, zero_start=zero_start),
)
def scale_free_slope_exceeds_one(run, method, lead, ratio, clocks, start):
    """Scaled so that its top direction matches the teacher's, a student's margins are always the more spread.

    Two eigenvalues, flow and ridge, any clocks: (1 - g₂/g₁)/(1 - h₂/h₁) > 1, since g₂/g₁ < h₂/h₁. This is the
    exaggerated spectral bias, read off confidences.
    """
    spectrum = lead * jnp.stack([1.0, ratio])
    teacher, student = (LEARNERS[method](clock) for clock in clocks)
    h = run(teacher, spectrum).learnt
    g = run(distill(teacher, student), spectrum, start=jnp.stack([0.0 * start, start])).learnt
    return Margin(h[1] / h[0] - g[1] / g[0], jnp.asarray(1e-10))
