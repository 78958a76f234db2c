"""Words that the claims of several topics share: learners and chains of them, quantities, hypotheses and margins.

Topics import from here, from the other files that are no topics, from claims and from measures, not from each other.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.claims import EPS, Margin, ahead, face, positive, practice, theory, uncertainty, uniform, usually
from kdtheory.learners import GradientFlow, Ridge, distill

# Learners.

METHODS = {"flow": GradientFlow, "ridge": lambda clock: Ridge(1.0 / clock)}  # by clock: a time, or one over a penalty


def chain(learners):
    """Each learner taught by the one before."""
    return functools.reduce(distill, learners)


def equal_flow(eigenvalue, seen):
    """The single gradient flow that learns as much of an eigenvalue as was seen of it."""
    return GradientFlow(-seen.log_residual / eigenvalue)


def equal_ridge(eigenvalue, seen):
    """The single ridge fit that learns as much of an eigenvalue as was seen of it."""
    return Ridge(eigenvalue * jnp.exp(seen.log_residual - seen.log_learnt))


# Quantities.


def clustered(quantity):
    """The same quantity, for loops in three clusters: two of a kind are often close, at all distances."""

    def draw(random, count, tame):
        drawn = quantity.draw(random, count, tame)
        if not tame:
            return drawn
        low, high = quantity.range(tame)
        centre = low * (high / low) ** (np.round(2 * np.log(drawn / low) / math.log(high / low)) / 2)
        gap = np.exp(random.uniform(math.log(1e-4), math.log(0.1), count))
        return centre * (1.0 + random.choice([-1.0, 1.0], count) * gap)

    return dataclasses.replace(quantity, draw=draw)


started = usually(0.0, uniform(0.1, 0.9))  # where training begins, as a fraction of the target
comparable = clustered(positive(tame=(0.5, 2.0)))  # eigenvalues
# 60 digits know what is left of e^(-λt) up to λt = 100 or so
moderate = clustered(positive(1e-3, 5.0, tame=(0.5, 2.0)))
moderate_time = positive(1e-2, 10.0, tame=(0.3, 7.0))
little_noise = positive(0.02, 2.0, tame=(0.05, 1.0))
penalty_ratio = usually(1.0, positive(0.1, 10.0, tame=(0.1, 10.0)))  # one penalty over another: mostly the same


def spaced(lead, gaps):
    """Three eigenvalues, each a given fraction of the one before."""
    return lead * jnp.stack([1.0, gaps[0], gaps[0] * gaps[1]])


def turn(angles):
    """A rotation of three directions (3, 3), or of two (2, 2) where there is one angle."""
    planes = [(0, 1), (0, 2), (1, 2)][: len(angles)]
    size = 2 if len(angles) == 1 else 3
    whole, unit = jnp.eye(size), np.eye(size)
    for angle, (i, j) in zip(angles, planes, strict=True):
        plane = np.outer(unit[i], unit[i]) + np.outer(unit[j], unit[j])
        quarter = np.outer(unit[j], unit[i]) - np.outer(unit[i], unit[j])
        whole = whole @ (unit - plane + jnp.cos(angle) * plane + jnp.sin(angle) * quarter)
    return whole


# Hypotheses, and the domain of all of them.

zero_start = lambda start: start == 0
ordered = lambda lead, trail: lead - trail
largest_first = dict(largest_first=lambda gaps: jnp.max(gaps) <= 1.0)  # of eigenvalues from one downwards
distinct_spectrum = lambda spectrum: jnp.max(spectrum) - jnp.min(spectrum)
two_directions = dict(distinct=lambda lead, other: lead != other, positive=lambda lead, other: jnp.minimum(lead, other))


# Margins.

not_asserted = Margin(jnp.inf, 0.0)  # of what a case does not assert


def allowed(run):
    """By how much equalities may be off, relative to what they are made of."""
    return face(run, 64.0 * EPS, 1e-11)


def rounded(run):
    """The same for inequalities, which need no room for error in 60 digits."""
    return {theory: 64.0 * EPS, practice: 1e-11}.get(run, 0.0)


def select(condition, seen, otherwise):
    """What is seen where a condition holds, and otherwise the other: of margins, or of anything made of arrays."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), seen, otherwise)


def crosses_once(seen, alone, lead, other):
    """The margin of "ahead of the single fit on a larger eigenvalue, behind on a smaller", matched on the
    first."""
    matched = seen[0]
    return select(other < lead, ahead(alone[1], seen[1], matched), ahead(seen[1], alone[1], matched))


def log_ratio(seen):
    """How much more has been learnt of the first direction than of the second, in logs."""
    rounding = seen[0].log_learnt_error + seen[1].log_learnt_error
    return Margin(seen[0].log_learnt - seen[1].log_learnt, rounding)


def last_digits(seen):
    """What floats round of a fraction, relative to it: nothing where digits are no limit."""
    return jnp.where(seen.log_learnt_error + seen.log_residual_error > 0.0, 4.0 * EPS, 0.0)


def log_risk(seen, power, noise) -> Margin:
    """log Σ [power · (1 - h)² + noise · h²], and its rounding."""
    bias, variance = power * seen.residual**2, noise * seen.learnt**2
    total = jnp.sum(bias + variance)
    lost = jnp.sum((power * jnp.abs(seen.residual) + noise * jnp.abs(seen.learnt)) * uncertainty(seen)) / total
    return Margin(jnp.log(total), 2.0 * lost + 4.0 * jnp.max(last_digits(seen)))
