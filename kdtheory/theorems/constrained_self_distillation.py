"""Self-distillation under a constraint: the smoothest fit within a tolerance, again and again.

Each round takes the fit of least norm whose squared residuals sum to at most a tolerance, here one: that is the unit
of labels. Its labels z_t are the predictions of the round before. With |z_t| > 1 the constraint is active: the fit is
ridge, with the penalty c_t at which Σ (c/(c + d_k))² z_k² = 1, d_k > 0 being the eigenvalues
(`measures.constrained_penalty`); otherwise it collapses to zero. r_t = |z_t|, κ = d_max/d_min, and |f|² = Σ z_k²/d_k
is the squared norm of the fit with predictions z. (The papers' tolerance is K ε, and their r_t is |z_t| over its root.)
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import measures
from kdtheory.claims import (
    EPS,
    Quantity,
    among,
    both,
    claim,
    exceeds,
    positive,
    practice,
    same,
    several,
    uncertainty,
    uniform,
    usually,
)
from kdtheory.learners import Ridge
from kdtheory.theorems._words import METHODS, chain, distinct_spectrum, log_ratio, ordered, started, zero_start

recalled = "Mobahi, Farajtabar & Bartlett 2020, as recalled"


def or_zero(quantity):
    """A quantity that is zero in one case of eight."""

    def draw(random, count, tame):
        return np.where(random.random(count) < 1 / 8, 0.0, quantity.draw(random, count, tame))

    return dataclasses.replace(quantity, draw=draw)


def above_a_whole(quantity):
    """A quantity on top of 0, 1, 2 or 3: norms of labels that end just above the tolerance, among others."""

    def draw(random, count, tame):
        return random.integers(4, size=count) + quantity.draw(random, count, tame)

    return Quantity(draw)


spectrum3 = several(3, positive(1e-3, 1e3, tame=(0.2, 3.0)))
labels3 = several(3, or_zero(positive(1e-3, 1e3, tame=(0.3, 3.0))))
some_label = lambda labels: jnp.max(labels)
excess = positive(1e-6, 1e6, tame=(0.05, 30.0))
norms = above_a_whole(positive(1e-9, 1e6, tame=(0.01, 30.0)))
slackened = usually(1.0, positive(0.2, 5.0, tame=(0.2, 5.0)))  # the penalty over that of the active constraint
active = lambda slack: slack == 1
moderate_norm = lambda norm: 1e100 - norm  # the square of which is a float


def two_seen(spectrum, labels):
    """How far apart the eigenvalues of nonzero labels are."""
    seen = labels != 0
    return jnp.max(jnp.where(seen, spectrum, 0.0)) - jnp.min(jnp.where(seen, spectrum, jnp.inf))


def scaled(labels, norm):
    """Labels of a given norm."""
    unit = jnp.max(jnp.abs(labels))  # whose square may leave the range of floats
    return norm * (labels / unit) / jnp.sqrt(jnp.sum((labels / unit) ** 2))


def norm(labels):
    """The root of the sum of squares of labels."""
    return jnp.sqrt(jnp.sum(labels**2))


class Round(NamedTuple):
    """What one round began with, found and missed, by which penalty, and the log of what it kept of each label.

    `error` is that of a fit to labels of size one.
    """

    labels: jax.Array
    fit: jax.Array
    missed: jax.Array
    log_kept: jax.Array
    penalty: jax.Array
    error: jax.Array
    missed_error: jax.Array
    log_kept_error: jax.Array


def constrained_rounds(run, spectrum, labels, rounds, slack=1.0) -> list[Round]:
    """Rounds of self-distillation, each by `slack` times the penalty of the constrained fit."""
    done = []
    for _ in range(rounds):
        active = measures.constrained_penalty(spectrum, labels, 1.0)
        collapsed = active == jnp.inf
        penalty = jnp.where(collapsed, 1.0, slack * active)
        seen = run(Ridge(penalty), spectrum, target=labels)
        error = jnp.max(uncertainty(seen))
        fit = seen.learnt
        if run is practice:
            missed, log_kept = labels - fit, jnp.log(fit / labels)
            missed_error = error * norm(labels)
            log_kept_error = missed_error / jnp.abs(fit)
        else:  # filters keep their digits where labels are large
            filtered = run(Ridge(penalty), spectrum)
            missed, log_kept = labels * filtered.residual, filtered.log_learnt
            missed_error, log_kept_error = error, filtered.log_learnt_error
        fit, missed = jnp.where(collapsed, 0.0, fit), jnp.where(collapsed, labels, missed)
        done.append(Round(labels, fit, missed, log_kept, penalty, error, missed_error, log_kept_error))
        labels = fit
    return done


def misses_by_one(one):
    """The margin of "the squared residuals of a round sum to one"."""
    return same(jnp.sum(one.missed**2), 1.0, 1e-12 + 8.0 * one.missed_error)


@claim(
    source=recalled,
    standing="proved",
    spectrum=spectrum3,
    labels=several(3, or_zero(positive(1e-3, 1e3, tame=(1e-2, 1e2)))),
    norm=norms,
    unseen=usually(0.0, uniform(0.2, 0.9)),
    domain=dict(two_seen=two_seen, moderate=moderate_norm),
    hypotheses=dict(not_collapsed=lambda norm: norm - 1.0, invertible=lambda unseen: unseen == 0),
)
def constrained_penalty_between_bounds(run, spectrum, labels, norm, unseen):
    """The active constraint's penalty is between d_min/(r - 1) and d_max/(r - 1), with r > 1 the norm of the labels.

    The fit is the smallest, in norm, whose squared residuals sum to at most one, the unit of labels; on the data they
    then sum to one. Labels are nonzero on two different eigenvalues at least, and both bounds are strict; on one
    eigenvalue d alone c = d/(r - 1). The penalty is `measures.constrained_penalty`. (`unseen` is the label on a
    direction of eigenvalue zero, which r counts; above one no fit is within the tolerance, and at one only
    interpolation is.)

    Proof. m(c) = Σ (c/(c + d_k))² z_k² rises from 0 to r² > 1, so that m(c) = 1 has one root. Each of its terms falls
    as d_k grows. Hence r²(c/(c + d_max))² <= 1 <= r²(c/(c + d_min))², where equality takes labels on d_max alone, or
    d_min alone; taking roots, c (r - 1) <= d_max and c (r - 1) >= d_min.
    """
    z = jnp.append(scaled(labels, norm), unseen)
    [only] = constrained_rounds(run, jnp.append(spectrum, 0.0), z, 1)
    beyond = jnp.where(unseen == 0, norm - 1.0, jnp.sqrt(norm**2 + unseen**2) - 1.0)
    least, middle, largest = jnp.min(spectrum), only.penalty * beyond, jnp.max(spectrum)
    error = jnp.minimum(only.error, 4.0 * EPS)  # penalties are searched alike in both lanes
    rounding = 16.0 * error * jnp.abs(middle) * (1.0 + norm / jnp.abs(beyond))
    return both(misses_by_one(only), exceeds(middle, least, rounding), exceeds(largest, middle, rounding))


@claim(
    source="own",
    standing="proved",
    rounds=among(1, 3),
    spectrum=spectrum3,
    labels=labels3,
    norm=norms,
    slack=slackened,
    domain=dict(two_seen=two_seen, moderate=moderate_norm),
    hypotheses=dict(enough=lambda norm, rounds: norm - rounds, active=active),
)
def each_round_costs_one(run, rounds, spectrum, labels, norm, slack):
    """After t rounds r_0 - t < r_t < √(r_0² - t), whatever the condition number, while r_0 > t.

    A round fits the labels, of norm r_t, by the smallest fit whose squared residuals sum to at most one, whose
    predictions are the next labels. It moves labels by exactly one, |z_i - z_{i+1}| = 1, and r_0² - r_t² = t + 2 Σ_i
    c_i |f_{i+1}|², over i < t. Labels are nonzero on two different eigenvalues at least; on one alone r_t = r_0 - t.
    Hence the number N of rounds that do not collapse: ⌈r_0 - 1⌉ <= N <= ⌈r_0² - 1⌉ for r_0 > 1, where Mobahi et al.
    have at least (r_0 - 1)/κ. The upper bound takes eigenvalues far apart: labels (2, 1, 1) on 1, 1e-12 and 1e-36 end
    at r_1 = 2.2361 and r_2 = 1.9998, where it is √5 and 2; labels (3, 3) on 1 and 1e-12 end at √13 after a round, and
    not near √17.

    Proof. The active constraint is |z_i - z_{i+1}| = 1, and by the triangle inequality r_{i+1} >= r_i - 1. So r_i > 1
    for i < t: no round before is collapsed. z_i - z_{i+1} = (c/d) z_{i+1} along each direction; it is parallel to
    z_{i+1} only if the nonzero labels share one eigenvalue. Its product with z_{i+1} is c Σ z²/d = c |f_{i+1}|² > 0,
    and r_i² = |z_{i+1} + (z_i - z_{i+1})|² = r_{i+1}² + 2c |f_{i+1}|² + 1; sum over i. As for N, r_i > 1 while i < r_0
    - 1, of which there are ⌈r_0 - 1⌉, and 1 < r_{N-1}² <= r_0² - (N - 1).
    """
    done = constrained_rounds(run, spectrum, scaled(labels, norm), rounds, slack)
    fall = sum(jnp.sum(each.missed * (each.labels + each.fit)) for each in done)  # r_0² - r_t², with its digits
    spent = sum(2.0 * each.penalty * jnp.sum(each.fit**2 / spectrum) for each in done)
    error = sum(each.missed_error for each in done)
    balance = same(fall, rounds + spent, 1e-12 * (rounds + spent) + 16.0 * error * norm)
    loss = fall / (norm + jnp.sqrt(jnp.sum(done[-1].fit ** 2)))
    return both(balance, exceeds(1.0 * rounds, loss, 4.0 * error), *map(misses_by_one, done))


@claim(
    source="own",
    standing="proved",
    rounds=among(1, 3),
    eigenvalue=positive(1e-3, 1e3, tame=(0.2, 3.0)),
    labels=labels3,
    excess=excess,
    spread=usually(1.0, uniform(0.2, 0.8)),
    domain=dict(some_label=some_label),
    hypotheses=dict(equal=lambda spread: spread == 1),
)
def equal_eigenvalues_collapse_first(run, rounds, eigenvalue, labels, excess, spread):
    """With all eigenvalues equal, labels lose exactly one in norm at each round before they collapse: r_t = r_0 - t.

    t < r_0, so that r_0 = t + `excess`. Nothing loses more (`each_round_costs_one`), so that no labels of this norm
    collapse in fewer rounds; and just as much is lost wherever all nonzero labels are on equal eigenvalues, and
    nowhere else: labels (3, 0) on the eigenvalues 1 and 2 end at r_1 = 2. (Here they are d, sd and s²d with s =
    `spread`.)

    Proof. With one eigenvalue d all labels shrink alike, by d/(c + d) = 1 - 1/r, since they miss c/(c + d) r = 1. The
    rest is the triangle inequality in `each_round_costs_one`, and when it is strict.
    """
    spectrum = eigenvalue * jnp.stack([jnp.ones_like(spread), spread, spread**2])
    ended = constrained_rounds(run, spectrum, scaled(labels, rounds + excess), rounds)[-1]
    return same(norm(ended.fit), excess, (1e-13 + 8.0 * ended.error) * (rounds + excess))


@claim(
    source=recalled,
    standing="proved",
    rounds=among(1, 3),
    spectrum=spectrum3,
    labels=labels3,
    excess=positive(1e-6, 1e6, tame=(0.05, 1e5)),
    slack=slackened,
    domain=dict(distinct=distinct_spectrum, some_label=some_label, told=lambda excess: excess - 1e-12),
    hypotheses=dict(active=active),
)
def norm_above_its_tangent(run, rounds, spectrum, labels, excess, slack):
    """After t rounds r_t > a^t r_0 - b (a^(t-1) + ... + a + 1), for r_0 > 1, collapsed or not.

    a = ((r_0 - 1)² + κ(2r_0 - 1))/(r_0 - 1 + κ)² and b = r_0² κ/(r_0 - 1 + κ)²: the tangent at r_0 of φ(r) = r(r - 1)/
    (r - 1 + κ), a convex lower bound of one round, where κ > 1; at κ = 1 both sides are r_0 - t until they collapse.
    r_0 = 1 + `excess`. Mobahi et al. conclude that (r_0 - 1)/κ rounds at least do not collapse. For t <= r_0
    `each_round_costs_one` says at least as much, of norms as of rounds.

    Proof. By `constrained_penalty_between_bounds` c <= d_max/(r - 1), so that every label keeps at least d_min/(c +
    d_min) >= (r - 1)/(r - 1 + κ) of itself, and not all are equalities for κ > 1: r_{t+1} > φ(r_t) where r_t > 1. φ is
    convex for r > 1 - κ, and a r - b its tangent, φ′(r_0) = 1 - κ(κ - 1)/(r_0 - 1 + κ)² = a > 0. Where r_t <= 1 the
    next norm is zero, and a r_t - b <= a - b < φ(1) = 0. So r_{t+1} > a r_t - b always; as a > 0, iterate. At last
    φ(r) <= r - 1 for r >= 1, so that the bound L_t obeys L_{t+1} <= L_t - 1 while L_t >= 1 and is negative after that:
    L_t <= r_0 - t for t <= r_0, and ⌈r_0 - 1⌉ >= (r_0 - 1)/κ.
    """
    r, κ = 1.0 + excess, jnp.max(spectrum) / jnp.min(spectrum)
    ended = constrained_rounds(run, spectrum, scaled(labels, r), rounds, slack)[-1]
    a, b = (excess**2 + κ * (2.0 * r - 1.0)) / (excess + κ) ** 2, r**2 * κ / (excess + κ) ** 2
    bound = r
    for _ in range(rounds):
        bound = a * bound - b
    return exceeds(norm(ended.fit), bound, 16.0 * rounds * ended.error * r)


@claim(
    source=f"{recalled}; for the number of rounds own",
    standing="proved",
    rounds=among(1, 3),
    lead=positive(1e-3, 1e3, tame=(0.2, 3.0)),
    trail=positive(1e-3, 1e3, tame=(0.2, 3.0)),
    least=positive(1e-3, 1e3, tame=(0.2, 3.0)),
    labels=labels3,
    excess=positive(1e-6, 1e6, tame=(0.05, 1e3)),
    slack=slackened,
    domain=dict(both_seen=lambda labels: jnp.minimum(labels[0], labels[1])),
    hypotheses=dict(ordered=ordered, active=active),
)
def constrained_rounds_sparsify(run, rounds, lead, trail, least, labels, excess, slack):
    """Rounds of number t < r_0 favour d₁ over d₂ < d₁ by more than ((r_0 - 1 + d_min/d₂)/(r_0 - 1 + d_min/d₁))^t.

    That is by how much z_t/z_0 is larger on d₁ than on d₂, where labels are not zero. With t < r_0 none of the rounds
    collapses: r_0 = t + `excess`. For t = r_0 - 1 rounds near interpolation, r_0 → ∞, the bound tends to exp(d_min
    (1/d₂ - 1/d₁)), where Mobahi et al. have d_min/κ for d_min; for t <= r_0 - 1 it is below e.

    Proof. A round multiplies the ratio by (1 + c/d₂)/(1 + c/d₁), which grows with c. By
    `constrained_penalty_between_bounds` c >= d_min/(r_i - 1) >= d_min/(r_0 - 1), the first strictly, since d₁ > d_min
    has a label. The limit is that of (1 + x/t)^t, and 0 < d_min/d₁ < d_min/d₂ <= 1: the bound is below (1 + 1/t)^t.
    """
    spectrum = jnp.stack([lead, trail, least])
    done = constrained_rounds(run, spectrum, scaled(labels, rounds + excess), rounds, slack)
    favour = sum(each.log_kept[0] - each.log_kept[1] for each in done)
    low, beyond = jnp.min(spectrum), rounds + excess - 1.0
    bound = rounds * jnp.log1p(low * (1.0 / trail - 1.0 / lead) / (beyond + low / lead))
    rounding = sum(each.log_kept_error[0] + each.log_kept_error[1] for each in done)
    # penalties are as good as labels, less the tolerance
    rounding = rounding + 16.0 * rounds * done[-1].error * jnp.abs(favour) * (1.0 + (rounds + excess) / excess)
    return exceeds(favour, bound, rounding, size=1.0)


@claim(
    source=recalled,
    standing="proved",
    method=among("flow", "ridge"),
    fits=among(1, 2),
    lead=positive(1e-2, 1e2),
    trail=positive(1e-2, 1e2),
    clock=positive(1e-6, 1e4, tame=(1e-4, 3.0)),
    start=started,
    hypotheses=dict(ordered=ordered, one_fit=lambda fits: fits == 1, zero_start=zero_start),
)
def one_fit_favours_by_less_than_eigenvalues(run, method, fits, lead, trail, clock, start):
    """One fit, by flow or ridge, favours a larger eigenvalue over a smaller by less than the ratio of the two.

    φ(d₁)/φ(d₂) < d₁/d₂ for d₁ > d₂ > 0 at every positive clock; short fits come as close to it as one likes. m short
    fits come as close to (d₁/d₂)^m, so that repeated fits go beyond any ratio.

    Proof. φ(d)/d falls as d grows: for ridge it is 1/(d + c), for flow the mean of e^(-ds) over s from 0 to t, times
    t. As t, or 1/c, tends to zero φ/(dt) tends to one.
    """
    learner = METHODS[method](clock)
    seen = run(
        chain([learner] * fits), jnp.stack([lead, trail]), start=jnp.stack([jnp.asarray(start), jnp.zeros_like(start)])
    )
    favour = log_ratio(seen)
    return exceeds(jnp.log(lead / trail), favour.value, favour.rounding)
