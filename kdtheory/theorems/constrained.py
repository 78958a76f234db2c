"""Self-distillation under a constraint: the smoothest fit within a tolerance, again and again.

Each round takes the fit of least norm whose squared residuals sum to at most a tolerance, here one: that is the unit
of labels. Its labels z_t are the predictions of the round before. With |z_t| > 1 the constraint is active: the fit is
ridge, with the penalty c_t at which Σ (c/(c + d_k))² z_k² = 1, d_k being the eigenvalues; otherwise it collapses to
zero. r_t = |z_t|, κ = d_max/d_min. (The papers' tolerance is K ε, and their r_t is |z_t| over its root.)
"""

import jax
import jax.numpy as jnp
from jax import lax

from kdtheory.claims import Margin, among, both, claim, positive, same, several, uniform, usually
from kdtheory.learners import GradientFlow, Ridge
from kdtheory.theorems.self_distillation import log_ratio, ordered
from kdtheory.theorems.spectral_bias import chain, started, zero_start

recalled = "Mobahi, Farajtabar & Bartlett 2020, as recalled"
spectrum3 = several(3, positive(0.1, 10.0, tame=(0.2, 3.0)))
labels3 = several(3, positive(0.1, 10.0))
excess = positive(0.05, 20.0, tame=(0.1, 3.0))
slackened = usually(1.0, positive(0.2, 5.0, tame=(0.2, 5.0)))  # the penalty over that of the active constraint
active = lambda slack: slack == 1
ERROR = 1e-10  # of a few fits on labels of norm below 30


def scaled(labels, norm):
    """Labels of a given norm."""
    return norm * labels / jnp.sqrt(jnp.sum(labels**2))


def active_penalty(spectrum, labels):
    """`measures.constrained_penalty` at tolerance one, under jit and vmap: by halving, and a step of Newton's.

    A million times the largest eigenvalue where labels are within the tolerance.
    """
    missed = lambda log_c: jnp.log(jnp.sum((labels / (1.0 + spectrum / jnp.exp(log_c))) ** 2))

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        low = missed(middle) < 0
        return jnp.where(low, middle, ends[0]), jnp.where(low, ends[1], middle)

    low, high = jnp.log(jnp.min(spectrum) * 1e-6), jnp.log(jnp.max(spectrum) * 1e6)
    log_c = lax.fori_loop(0, 60, halve, (low, high))[0]
    return jnp.exp(jnp.minimum(log_c - missed(log_c) / jax.grad(missed)(log_c), high))


def constrained_fits(run, spectrum, labels, rounds, slack):
    """Labels after 0, 1, ... rounds, each of them that many times the constrained fit."""
    seen = [labels]
    for _ in range(rounds):
        collapsed = jnp.sum(seen[-1] ** 2) <= 1.0
        penalty = jnp.where(collapsed, 1.0, slack * active_penalty(spectrum, seen[-1]))
        seen.append(jnp.where(collapsed, 0.0, run(Ridge(penalty), spectrum, target=seen[-1]).learnt))
    return seen


def norm(labels):
    """The root of the sum of squares of labels."""
    return jnp.sqrt(jnp.sum(labels**2))


@claim(
    source=recalled,
    standing="proved",
    spectrum=spectrum3,
    labels=labels3,
    norm=positive(0.05, 20.0, tame=(0.2, 3.0)),
    unseen=usually(0.0, uniform(0.2, 0.9)),
    hypotheses=dict(not_collapsed=lambda norm: norm - 1.0, invertible=lambda unseen: unseen == 0),
)
def constrained_penalty_between_bounds(run, spectrum, labels, norm, unseen):
    """The active constraint's penalty is between d_min/(r - 1) and d_max/(r - 1), with r the norm of the labels.

    And the fit then misses the labels by one in all, on the data. (`unseen` is the label on a direction of eigenvalue
    zero; at one or more no fit is within the tolerance.)
    """
    z = scaled(labels, norm)
    left = 1.0 - unseen**2
    c = active_penalty(spectrum, z / jnp.sqrt(left))
    missed = jnp.sum((z - run(Ridge(c), spectrum, target=z).learnt) ** 2)
    excess = jnp.sqrt(norm**2 + unseen**2) - 1.0
    bounds = both(
        Margin(c * excess / jnp.min(spectrum) - 1.0, ERROR), Margin(1.0 - c * excess / jnp.max(spectrum), ERROR)
    )
    return both(same(missed, left, ERROR), bounds)


@claim(
    source="own",
    standing="proved",
    rounds=among(1, 3),
    spectrum=spectrum3,
    labels=labels3,
    norm=positive(1.0, 30.0, tame=(1.0, 6.0)),
    slack=slackened,
    hypotheses=dict(enough=lambda norm, rounds: norm - rounds, active=active),
)
def each_round_costs_one(run, rounds, spectrum, labels, norm, slack):
    """After t rounds r_0 - t <= r_t <= √(r_0² - t), whatever the condition number, while r_0 > t.

    A round moves labels by exactly one, |z_t - z_{t+1}| = 1, and not away from zero: ⟨z_{t+1}, z_t - z_{t+1}⟩ >= 0.
    Hence the number N of rounds that do not collapse: ⌈r_0 - 1⌉ <= N <= ⌈r_0² - 1⌉, where Mobahi et al. have at least
    (r_0 - 1)/κ. The lower bound is met by equal eigenvalues, the upper nearly by far ones.
    """
    before, ended = constrained_fits(run, spectrum, scaled(labels, norm), rounds, slack)[-2:]
    square, step = jnp.sum(ended**2), before - ended
    moves = both(same(jnp.sum(step**2), 1.0, ERROR * norm), Margin(jnp.sum(ended * step), ERROR * norm))
    bounds = both(Margin(jnp.sqrt(square) - (norm - rounds), ERROR), Margin(norm**2 - rounds - square, ERROR * norm))
    return both(moves, bounds)


@claim(
    source="own",
    standing="proved",
    rounds=among(1, 3),
    eigenvalue=positive(0.1, 10.0, tame=(0.2, 3.0)),
    labels=labels3,
    excess=excess,
    spread=usually(1.0, uniform(0.2, 0.8)),
    hypotheses=dict(equal=lambda spread: spread == 1),
)
def equal_eigenvalues_collapse_first(run, rounds, eigenvalue, labels, excess, spread):
    """With all eigenvalues equal, labels lose exactly one in norm at each round: r_t = r_0 - t.

    No spectrum loses more (`each_round_costs_one`), and none but these as much, so that they collapse first.
    (Eigenvalues are d, sd and s²d with s = `spread`.)
    """
    spectrum = eigenvalue * jnp.stack([jnp.ones_like(spread), spread, spread**2])
    ended = constrained_fits(run, spectrum, scaled(labels, rounds + excess), rounds, 1.0)[-1]
    return same(norm(ended), excess, ERROR)


@claim(
    source=recalled,
    standing="proved",
    rounds=among(1, 3),
    spectrum=spectrum3,
    labels=labels3,
    excess=excess,
    slack=slackened,
    hypotheses=dict(active=active),
)
def norm_above_its_tangent(run, rounds, spectrum, labels, excess, slack):
    """After t rounds r_t >= a^t r_0 - b (a^t - 1)/(a - 1), so that (r_0 - 1)/κ rounds at least do not collapse.

    a = ((r_0 - 1)² + κ(2r_0 - 1))/(r_0 - 1 + κ)² and b = r_0² κ/(r_0 - 1 + κ)²: the tangent at r_0 of r(r - 1)/(r - 1 +
    κ), a convex lower bound of one round. r_0 = 1 + `excess`. For t < r_0 - 1 `each_round_costs_one` says more.
    """
    r, κ = 1.0 + excess, jnp.max(spectrum) / jnp.min(spectrum)
    ended = constrained_fits(run, spectrum, scaled(labels, r), rounds, slack)[-1]
    a, b = (excess**2 + κ * (2.0 * r - 1.0)) / (excess + κ) ** 2, r**2 * κ / (excess + κ) ** 2
    bound = r
    for _ in range(rounds):
        bound = a * bound - b
    return Margin(norm(ended) - bound, ERROR)


@claim(
    source=f"{recalled}; for the number of rounds own",
    standing="proved",
    rounds=among(1, 3),
    lead=positive(0.1, 10.0, tame=(0.2, 3.0)),
    trail=positive(0.1, 10.0, tame=(0.2, 3.0)),
    least=positive(0.1, 10.0, tame=(0.2, 3.0)),
    labels=labels3,
    excess=excess,
    slack=slackened,
    hypotheses=dict(ordered=ordered, active=active),
)
def constrained_rounds_sparsify(run, rounds, lead, trail, least, labels, excess, slack):
    """Rounds of number t favour d₁ over d₂ < d₁ by at least ((r_0 - 1 + d_min/d₂)/(r_0 - 1 + d_min/d₁))^t.

    With t < r_0, so that none of them collapses: r_0 = t + `excess`. That grows without bound in t, and tends to
    exp(d_min (1/d₂ - 1/d₁)) for t = r_0 - 1 rounds near interpolation, where Mobahi et al. have d_min/κ.
    """
    spectrum = jnp.stack([lead, trail, least])
    start = scaled(labels, rounds + excess)
    ended, low = constrained_fits(run, spectrum, start, rounds, slack)[-1], jnp.min(spectrum)
    favour = jnp.log(ended[0] / start[0]) - jnp.log(ended[1] / start[1])
    beyond = rounds + excess - 1.0
    bound = rounds * jnp.log((beyond + low / trail) / (beyond + low / lead))
    return Margin(favour - bound, ERROR * (1.0 + start[0] / ended[0] + start[1] / ended[1]))


@claim(
    source=recalled,
    standing="proved",
    method=among("flow", "ridge"),
    fits=among(1, 2),
    lead=positive(1e-2, 1e2),
    trail=positive(1e-2, 1e2),
    clock=positive(1e-2, 1e2),
    start=started,
    hypotheses=dict(ordered=ordered, one_fit=lambda fits: fits == 1, zero_start=zero_start),
)
def one_fit_favours_by_less_than_eigenvalues(run, method, fits, lead, trail, clock, start):
    """One fit, by flow or ridge, favours a larger eigenvalue over a smaller by less than the ratio of the two.

    φ(d₁)/φ(d₂) < d₁/d₂ for d₁ > d₂ at every clock. Repeated, fits go beyond any ratio: it is raised to their number
    where they are short, and see `constrained_rounds_sparsify`.
    """
    learner = GradientFlow(clock) if method == "flow" else Ridge(1.0 / clock)
    seen = run(
        chain([learner] * fits), jnp.stack([lead, trail]), start=jnp.stack([jnp.asarray(start), jnp.zeros_like(start)])
    )
    favour = log_ratio(seen)
    return Margin(jnp.log(lead / trail) - favour.value, favour.rounding)
