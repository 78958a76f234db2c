"""A teacher of other features than its student's: what is inherited of its bias.

On the same samples u_j are the teacher's eigendirections and v_k the student's, here three of each (or two), turned
against each other; labels, predictions and the truth are given by their components along u_j. Everything is per sample
and along what both can see.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    ahead,
    among,
    at_least,
    both,
    claim,
    exceeds,
    filters,
    measured,
    positive,
    same,
    several,
    uniform,
)
from kdtheory.learners import HeavyBall
from kdtheory.theorems._features import angles3, shown, vector
from kdtheory.theorems._words import (
    METHODS,
    allowed,
    equal_flow,
    equal_ridge,
    largest_first,
    rounded,
    select,
    started,
    turn,
    zero_start,
)

SIGNS = np.array([[1.0, *signs] for signs in itertools.product((1.0, -1.0), repeat=2)])
POWER = {"flow": lambda x, ρ: -jnp.expm1(ρ * jnp.log1p(-x)), "ridge": lambda x, ρ: ρ * x / (1.0 - (1.0 - ρ) * x)}
CLOCK = {"flow": lambda x: -jnp.log1p(-x), "ridge": lambda x: x / (1.0 - x)}  # times λ, at which x of λ is learnt


eigenvalues3 = several(3, positive(0.05, 3.0, tame=(0.3, 3.0)))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    spectrum=eigenvalues3,
    own=eigenvalues3,
    clocks=several(2, positive(0.1, 10.0, tame=(0.3, 3.0))),
    angles=angles3,
    labels=several(3, uniform(0.1, 2.0)),
    start=started,
    hypotheses=dict(zero_start=zero_start),
)
def student_inherits_the_mean_of_its_filter(run, method, spectrum, own, clocks, angles, labels, start):
    """Along a direction of its teacher a student ends within √Var · |others| of φ̄ times what it was taught, and in the
    mean over the signs of the others at it.

    φ̄_j and Var_j are mean and variance of the student's filter under the overlap law P_j(k) = (v_kᵀu_j)², and |others|
    is the length of what is taught along all directions but j. The bound is attained by labels that are taught in
    proportion to S_ji, S = Σ φ_S(μ_k) v_k v_kᵀ. Any eigenvalues (`own` are the student's), any learners with filters.

    Proof. The student ends at a_j = Σ_i S_ji t_i, with S_jj = φ̄_j. By Cauchy-Schwarz the sum over i ≠ j is at most the
    length of these t_i times that of these S_ji, whose square is (S²)_jj - S_jj² = Var_j; equality is for proportional
    ones. Each is odd in the sign of y_i, and so vanishes in the mean.
    """
    teacher, student = (METHODS[method](clock) for clock in clocks)
    axes = turn(angles)
    begun = start * jnp.ones(3)
    ends = lambda taught: shown(run, student, own, axes, taught, begun)
    φ, weights = filters(run)(student, own).learnt, axes[:, 0] ** 2
    mean = weights @ φ
    deviation = jnp.sqrt(weights @ (φ - mean) ** 2)
    taught = shown(run, teacher, spectrum, jnp.eye(3), labels)
    length = jnp.sqrt(jnp.sum(taught[1:] ** 2))
    size = jnp.sqrt(jnp.sum(taught**2))
    leak = jnp.abs(ends(taught)[0] - mean * taught[0])
    off = (axes * φ[:, None]).T @ axes
    worst = off[0].at[0].set(1.0)  # along the others as S has it
    attained = ends(worst)[0] - mean
    signed = jnp.mean(jax.vmap(lambda signs: ends(taught * signs)[0])(SIGNS))
    error = allowed(run) * size
    return both(
        at_least(deviation * length, leak, error, size),
        same(attained, deviation * jnp.sqrt(jnp.sum(worst[1:] ** 2)), allowed(run), 1.0),
        same(signed, mean * taught[0], error, size),
    )


# Two directions: which part of exaggerated bias survives.


def own_shares(first, second, angle):
    """What a student must learn of its own two directions, turned by an angle, for these φ̄ along its teacher's."""
    half = (first - second) / (2.0 * jnp.cos(2.0 * angle))
    return jnp.stack([(first + second) / 2.0 + half, (first + second) / 2.0 - half])


def are_shares(learnt):
    """Positive where both are well inside of (0, 1)."""
    return 0.499 - jnp.max(jnp.abs(learnt - 0.5))


def matched_students(run, method, lead, ratio, progress, learnt, angle, start):
    """A student's progress along its teacher's two directions in the mean over the signs of the labels, and that of
    the single fit that is matched with it on the first.

    The teacher stopped at so much `progress` on λ₁ = `lead`; the student has `learnt` so much of its own directions.
    """
    spectrum, fit = lead * jnp.stack([jnp.ones_like(ratio), ratio]), METHODS[method]
    begun = start * jnp.stack([jnp.zeros_like(ratio), jnp.ones_like(ratio)])

    def ends(labels):
        taught = shown(run, fit(CLOCK[method](progress) / lead), spectrum, jnp.eye(2), labels)
        return shown(run, fit(1.0), CLOCK[method](learnt), turn([angle]), taught, begun)

    up, down = ends(jnp.ones(2)), ends(jnp.array([1.0, -1.0]))
    g = jnp.stack([up[0] + down[0], up[1] - down[1]]) / 2.0
    seen = measured(g, rounded(run) * jnp.ones(2))
    matched = (equal_flow if method == "flow" else equal_ridge)(lead, seen[0])
    return seen, run(matched, spectrum)


two_sets = dict(
    method=among("flow", "ridge"),
    lead=positive(0.3, 3.0),
    ratio=uniform(0.05, 0.9),
    first=uniform(0.1, 0.9),
    angle=uniform(0.0, 0.7),
)
side = uniform(-1.0, 1.0)
apart = positive(1e-6, 0.9, tame=(1e-5, 0.9))


two_fractions = lambda ratio, first: jnp.minimum(ratio * (1.0 - ratio), first * (1.0 - first))


def close(method, ratio, first, side, apart):
    """φ̄₂, less than C(φ̄₁) by a part of it, or above it by one on the other side."""
    return POWER[method](first, ratio) * (1.0 - jnp.where(side > 0, apart, side))


@claim(
    source="own; Nagarajan et al. 2023 for one set of features",
    standing="proved",
    **two_sets,
    left=positive(1e-8, 0.9, tame=(1e-7, 0.1)),
    side=side,
    apart=positive(1e-6, 0.9, tame=(1e-5, 0.1)),
    start=started,
    domain=dict(
        fractions=two_fractions,
        stopped=lambda left: left * (1.0 - left),
        filters=lambda method, ratio, first, side, apart, angle: are_shares(
            own_shares(first, close(method, ratio, first, side, apart), angle)
        ),
    ),
    hypotheses=dict(
        close=lambda method, ratio, first, side, apart: (
            close(method, ratio, first, side, apart) <= POWER[method](first, ratio)
        ),
        zero_start=zero_start,
    ),
)
def bias_survives_close_features(run, method, lead, ratio, first, angle, left, side, apart, start):
    """Where φ̄₂ <= C(φ̄₁) and 0 < φ̄₁ < 1, a student of other features exaggerates its teacher's bias, whenever the
    teacher stopped.

    Flow or ridge teachers, λ₁ > λ₂; C(x) is the progress of the teacher's family on λ₂ when it is x on λ₁: 1 - (1 -
    x)^(λ₂/λ₁), or ρx/(1 - (1 - ρ)x) with ρ = λ₂/λ₁. φ̄_j is the mean of the student's filter, in [0, 1], under the
    overlap law of the teacher's direction j. Matched with a single fit on direction 1, the student is behind on 2, in
    the mean over the signs of the labels. (The student's two directions are turned by `angle`; φ̄₁ is `first`, φ̄₂ is
    `apart` from C(φ̄₁), and the teacher stopped with the part `left` of direction 1.)

    Proof. In that mean it has φ̄_j h_j along j. With x = h₁ and h₂ = C(x), it is behind iff φ̄₂ < C(φ̄₁x)/C(x). C is
    convex with C(0) = 0, and its elasticity xC'/C rises: for flow, with 1 - x = e^(-τ), ρ(e^τ - 1)/(e^(ρτ) - 1), for
    ridge 1/(1 - (1 - ρ)x). So the quotient falls strictly from φ̄₁ at x → 0 to C(φ̄₁) at x → 1: above it for all x
    iff φ̄₂ <= C(φ̄₁).
    """
    learnt = own_shares(first, close(method, ratio, first, side, apart), angle)
    seen, alone = matched_students(run, method, lead, ratio, 1.0 - left, learnt, angle, -start)
    return ahead(alone[1], seen[1], matched=seen[0])


def distant(first, side, apart):
    """φ̄₂, above φ̄₁ by a part of what is left, or below by one of it on the other side."""
    return jnp.where(side > 0, first + apart * (1.0 - first), first * (1.0 + side))


@claim(
    source="own",
    standing="proved",
    **two_sets,
    progress=positive(1e-6, 0.9, tame=(1e-5, 0.9)),
    side=side,
    apart=apart,
    start=started,
    domain=dict(
        fractions=two_fractions,
        stopped=lambda progress: progress * (1.0 - progress),
        filters=lambda first, side, apart, angle: are_shares(own_shares(first, distant(first, side, apart), angle)),
    ),
    hypotheses=dict(
        distant=lambda first, side, apart: distant(first, side, apart) >= first,
        zero_start=zero_start,
    ),
)
def distant_features_reverse_the_bias(run, method, lead, ratio, first, angle, progress, side, apart, start):
    """Where φ̄₂ >= φ̄₁ and 0 < φ̄₁ < 1, a student of other features reverses its teacher's bias, whenever the teacher
    stopped.

    As in `bias_survives_close_features`, but ahead on 2. So it is with delocalised overlaps, as of generic random
    features, for which φ̄₁ = φ̄₂: exaggerated bias needs the student's top directions to be the teacher's.

    Proof. It is ahead iff φ̄₂ > C(φ̄₁x)/C(x), which falls strictly from φ̄₁, not attained.
    """
    learnt = own_shares(first, distant(first, side, apart), angle)
    seen, alone = matched_students(run, method, lead, ratio, progress, learnt, angle, start)
    return ahead(seen[1], alone[1], matched=seen[0])


def between(method, ratio, first, switch):
    """φ̄₂ for which the switch is where the teacher's progress on λ₁ is `switch`."""
    return POWER[method](first * switch, ratio) / POWER[method](switch, ratio)


@claim(
    source="own",
    standing="proved",
    **two_sets,
    switch=uniform(0.1, 0.8),
    side=side,
    apart=positive(1e-6, 0.2, tame=(1e-5, 0.2)),
    start=started,
    domain=dict(
        fractions=two_fractions,
        stopped=lambda switch, apart: jnp.minimum(switch, apart) * (1.0 - apart) * (1.0 - switch * (1.0 + apart)),
        filters=lambda method, ratio, first, switch, angle: are_shares(
            own_shares(first, between(method, ratio, first, switch), angle)
        ),
    ),
    hypotheses=dict(zero_start=zero_start),
)
def bias_switches_once_between(run, method, lead, ratio, first, angle, switch, side, apart, start):
    """Where C(φ̄₁) < φ̄₂ < φ̄₁, a student of other features is behind the teachers that stopped before one time, and
    ahead of those that stopped after it.

    As in `bias_survives_close_features`; the time is where the teacher's progress x on λ₁ solves C(φ̄₁x) = φ̄₂ C(x).
    Drawn are φ̄₁ (`first`), that x (`switch`), which fix φ̄₂, and how far `apart`, on which `side`, the teacher
    stopped.

    Proof. C(φ̄₁x)/C(x) falls strictly from φ̄₁ to C(φ̄₁), so that it is φ̄₂ once; behind is above it.
    """
    learnt, late = own_shares(first, between(method, ratio, first, switch), angle), side > 0
    progress = switch * (1.0 + jnp.where(late, apart, -apart))
    seen, alone = matched_students(run, method, lead, ratio, progress, learnt, angle, start)
    return select(late, ahead(seen[1], alone[1], seen[0]), ahead(alone[1], seen[1], seen[0]))


@claim(
    source="own",
    standing="proved",
    rate=uniform(0.05, 1.9),
    halves=among(1, 2),
    gaps=several(2, uniform(0.05, 0.95)),
    angles=angles3,
    parts=vector,
    nearly=positive(1e-3, 1.0, tame=(3e-3, 1.0)),
    start=started,
    domain=largest_first,
    hypotheses=dict(small_step=lambda rate: 1.0 - rate, zero_start=zero_start),
)
def student_exaggerates_its_own_bias(run, rate, halves, gaps, angles, parts, nearly, start):
    """Whatever its teacher, a student from zero whose filter is positive and grows with its eigenvalues moves the
    predictions towards its own top directions: fᵀK_S f/|f|² is larger than the teacher's.

    Where what is taught has parts along distinct ones of its eigenvalues; never smaller where it has not.
    This is what of exaggerated bias is left for any two sets of features. In the teacher's kernel the quotient may
    fall. Here gradient descent with an even number of steps, η = `rate` over the largest eigenvalue: its filter grows
    where ηλ < 1, and falls beyond. What is taught has `parts` along the student's directions, the last two of them
    smaller by the factor `nearly`.

    Proof. The quotient is a mean of μ with weights t_k², of the student's with weights φ(μ_k)² t_k²: by Chebyshev's
    sum inequality larger, for φ² grows with μ as φ > 0 does.
    """
    spectrum, axes = jnp.stack([jnp.ones_like(gaps[0]), gaps[0], gaps[0] * gaps[1]]), turn(angles)
    t = parts * jnp.stack([jnp.ones_like(nearly), nearly, nearly])
    f = axes @ shown(run, HeavyBall(rate, 0.0, 2 * halves), spectrum, axes, t @ axes, start * jnp.ones(3))
    quotient = lambda part: jnp.sum(spectrum * part**2) / jnp.sum(part**2)
    seen = quotient(f)
    lost = jnp.sum(jnp.abs(spectrum - seen) * jnp.abs(f)) / jnp.sum(f**2) * jnp.sum(jnp.abs(t))
    return exceeds(seen, quotient(t), 8.0 * rounded(run) * (lost + 1.0))
