"""How much to trust the teacher: the weight of its predictions in the student's targets, against noise.

A ridge student's filter is s (1 - ξ r_T), with ξ = `teacher_weight`, so that every quadratic risk is a parabola in
ξ. Papers with the sum loss have N times our eigenvalues and penalties, and noise variances σ² for our σ²/N.
"""

import functools

import jax
import jax.numpy as jnp

from kdtheory import measures
from kdtheory.claims import (
    Margin,
    among,
    both,
    claim,
    either,
    filters,
    positive,
    same,
    several,
    uncertainty,
    uniform,
    usually,
)
from kdtheory.distillation import distill, self_distill
from kdtheory.learners import Ridge
from kdtheory.theorems.early_stopping import METHODS, best_single, little_noise, spaced
from kdtheory.theorems.self_distillation import sometimes_turned_by
from kdtheory.theorems.spectral_bias import started, zero_start


@claim(
    source="Dang, Patil & Rinaldo 2026, as recalled; this form is own",
    standing="proved",
    spectrum=several(2, positive(0.1, 10.0)),
    penalty=positive(0.1, 10.0),
    last=sometimes_turned_by,
    weight=uniform(-2.0, 3.0),
    start=started,
    hypotheses=dict(same_penalty=lambda last: last == 1, zero_start=zero_start),
)
def student_on_the_tangent(run, spectrum, penalty, last, weight, start):
    """Ridge students of one teacher are the tangent to the ridge path: β(c) + ξ c β′(c), for any weight ξ.

    With one penalty c for both (the student's is `last` times its teacher's).
    """
    path = lambda c: run(Ridge(c), spectrum).learnt
    β, tangent = jax.jvp(path, (penalty,), (penalty,))
    seen = run(distill(Ridge(penalty), Ridge(last * penalty), weight), spectrum, start=start).learnt
    return both(*(same(seen[k], β[k] + weight * tangent[k], 1e-10) for k in range(2)))


@claim(
    source="Das & Sanghavi 2023, as recalled",
    standing="proved",
    level=among(0.0, 1.0),
    spectrum=several(2, positive(0.2, 5.0)),
    signal=several(2, positive(0.2, 5.0)),
    penalty=positive(0.2, 5.0),
    noise=positive(0.01, 100.0, tame=(0.01, 100.0)),
    part=uniform(0.1, 0.9),
    hypotheses=dict(
        noisy=lambda level, spectrum, signal, penalty, noise: (
            noise - measures.noise_threshold(Ridge(penalty), Ridge(penalty), spectrum, signal, level)
        )
    ),
)
def trust_grows_with_noise(run, level, spectrum, signal, penalty, noise, part):
    """Beyond `measures.noise_threshold`, trusting a ridge teacher more than the weight `level` lowers the risk.

    At level 0 distillation helps; at level 1 a weight above one beats pure distillation. Every weight between
    the level and its mirror image at the best one, `measures.best_weight`, has strictly less prediction risk.
    """
    ridge = Ridge(penalty)
    best = measures.best_weight(ridge, ridge, spectrum, signal, noise)
    more = 2.0 * part * (best - level)
    before, after = (run(distill(ridge, ridge, ξ), spectrum) for ξ in (level, level + more))
    wiener, curvature = measures.wiener_filter(spectrum, signal, noise), spectrum * signal**2 + noise
    step, total = before.learnt - after.learnt, before.learnt + after.learnt - 2.0 * wiener
    lower = jnp.sum(curvature * step * total)
    error = (1.0 + jnp.abs(best)) * (uncertainty(before) + uncertainty(after))
    rounding = jnp.sum(curvature * (error * (jnp.abs(step) + jnp.abs(total)) + 1e-15 * jnp.abs(step * total)))
    return both(Margin(more, 1e-13 * (1.0 + jnp.abs(best))), Margin(lower, rounding))


@claim(
    source="own; the separation of Pareek, Du & Oh 2024 with explicit constants",
    standing="proved",
    penalty=positive(0.01, 100.0, tame=(0.01, 100.0)),
    weight=uniform(-3.0, 3.0),
    spread=uniform(0.02, 0.25),
    power=positive(10.0, 1e4, tame=(10.0, 1e3)),
    others=usually(0.0, uniform(0.5, 1.0)),
    hypotheses=dict(aligned=lambda others: others == 0),
)
def one_student_is_factors_behind(run, penalty, weight, spread, power, others):
    """With signal on the middle of three near eigenvalues, one ridge student has up to three times the least risk.

    Eigenvalues 1 ± e and 1, and S = θ²/v: for every penalty and weight, risk/v >= min_h (1 - h)² S + h² + (2h -
    a)²/2 with a = 2e²/(1 - e²), while three students reach v S/(S + 1). (`others` is the signal elsewhere.)
    """
    spectrum, ridge = jnp.stack([1.0 + spread, jnp.ones_like(spread), 1.0 - spread]), Ridge(penalty)
    strength = power * jnp.stack([others, jnp.ones_like(others), others])
    learnt = run(distill(ridge, ridge, weight), spectrum).learnt
    risk = jnp.sum((1.0 - learnt) ** 2 * strength + learnt**2)
    a = 2.0 * spread**2 / (1.0 - spread**2)
    h = (power + a) / (power + 3.0)
    bound = (1.0 - h) ** 2 * power + h**2 + (2.0 * h - a) ** 2 / 2.0
    factor = bound * (power + 1.0) / power
    return Margin(risk / jnp.sum(strength / (strength + 1.0)) - factor, jnp.asarray(1e-8))


@jax.jit
def room_beside_best_ridge(lead, gaps, signal, noise):
    """Σ w (h* - s) s² (1 - s) at the best penalty, over the same sum with |h* - s|: positive where a student gains."""
    spectrum = spaced(lead, gaps)
    power = spectrum * signal
    s = best_single(METHODS["ridge"], spectrum, power, noise).filter(spectrum)
    lacking = power * (1.0 - s) - noise * s  # w (h* - s)
    return jnp.sum(lacking * s**2 * (1.0 - s)) / jnp.sum(jnp.abs(lacking) * s**2 * (1.0 - s))


@claim(
    source="own",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, uniform(0.1, 0.5)),
    signal=several(3, positive(0.1, 10.0)),
    noise=little_noise,
    hypotheses=dict(room=lambda lead, gaps, signal, noise: room_beside_best_ridge(lead, gaps, signal, noise) - 0.02),
)
def student_beats_best_ridge_nearby(run, lead, gaps, signal, noise):
    """If Σ w (h* - s) s² (1 - s) > 0 at the best penalty, a student with a penalty near it beats the best ridge fit.

    With its best weight, `measures.best_weight`; s is the best ridge fit's filter, h* Wiener's and w = λθ² + v, in
    prediction risk. If the sum is negative, the best penalty is a local minimum for students too (not judged here).
    Sufficient only:
    far away, or in a limit of endless weights, a student may still win. Here the penalty is 2% away, and the sum
    more than 2% of what it is without signs.
    """
    spectrum = spaced(lead, gaps)
    power = spectrum * signal
    best = best_single(METHODS["ridge"], spectrum, power, noise)
    single = run(best, spectrum)

    def gain(factor):
        ridge = Ridge(factor * best.penalty)
        s = filters(run)(ridge, spectrum)
        moved = s.learnt * s.residual
        pull = noise * s.learnt - power * s.residual  # w (s - h*)
        weight = jnp.sum(moved * pull) / jnp.sum((power + noise) * moved**2)
        student = run(distill(ridge, ridge, weight), spectrum)
        step = single.learnt - student.learnt
        fall = step * (2.0 * (noise * single.learnt - power * single.residual) - (power + noise) * step)
        error = (uncertainty(single) + uncertainty(student)) * (power + noise) * (2.0 + jnp.abs(step))
        return Margin(jnp.sum(fall), jnp.sum(error))

    return either(gain(0.98), gain(1.02))


def wiener_penalty(lead, ratio, wanted):
    """The larger root c of A - 2Bc - Cc², in `two_eigenvalues_one_student`; NaN where both are complex."""
    λ, missed = lead * jnp.stack([1.0, ratio]), 1.0 - wanted
    a, b, c = missed[0] * λ[0] - missed[1] * λ[1], wanted[0] - wanted[1], wanted[0] / λ[0] - wanted[1] / λ[1]
    q = -(b + jnp.where(b < 0, -1.0, 1.0) * jnp.sqrt(b**2 + a * c))
    return jnp.maximum(q / c, -a / q)


@claim(
    source="own",
    standing="proved",
    lead=positive(0.2, 5.0),
    ratio=uniform(0.1, 0.9),
    wanted=several(2, uniform(0.02, 0.98)),
    hypotheses=dict(positive_root=lambda lead, ratio, wanted: wiener_penalty(lead, ratio, wanted)),
)
def two_eigenvalues_one_student(run, lead, ratio, wanted):
    """With two eigenvalues, one ridge student attains Wiener's filter iff A - 2Bc - Cc² = 0 has a root c > 0.

    A = (1 - h₁) λ₁ - (1 - h₂) λ₂, B = h₁ - h₂ and C = h₁/λ₁ - h₂/λ₂, with h = `wanted` the filter, and the root is the
    penalty of both fits; the weight is then ξ = (1 - h₁/s₁)/(1 - s₁). That no other penalty serves follows from the
    same equation; without a positive root, the margin looks at |c| alone.
    """
    spectrum = lead * jnp.stack([1.0, ratio])
    penalty = jnp.abs(wiener_penalty(lead, ratio, wanted))
    s = filters(run)(Ridge(penalty), spectrum)
    weight = (1.0 - wanted[0] / s.learnt[0]) / s.residual[0]
    seen = run(distill(Ridge(penalty), Ridge(penalty), weight), spectrum).learnt
    return both(*(same(seen[k], wanted[k], 1e-10 * (1.0 + jnp.abs(weight))) for k in range(2)))


def interpolating_weights(nodes, values):
    """Teacher weights ξ of the students, the first one first, that make q(s) = `values` at s = `nodes`, and q(1) = 1.

    A chain of ridge fits has the filter s q(s), with q_0 = 1 and q_i = ξ_i s q_{i-1} + 1 - ξ_i: by Newton's divided
    differences, and then from the last student to the first.
    """
    x, difference = [jnp.ones_like(nodes[0]), *nodes], [jnp.ones_like(nodes[0]), *values]
    for order in range(1, len(x)):
        for i in reversed(range(order, len(x))):
            difference[i] = (difference[i] - difference[i - 1]) / (x[i] - x[i - order])
    powers = [difference[-1]]  # of q, the lowest first
    for i in reversed(range(len(x) - 1)):
        raised, kept = [0.0, *powers], [-x[i] * power for power in powers] + [0.0]
        powers = [up + stay for up, stay in zip(raised, kept, strict=True)]
        powers[0] = powers[0] + difference[i]
    weights = []
    while len(powers) > 1:
        ξ = 1.0 - powers[0]
        weights.insert(0, ξ)
        powers = [power / ξ for power in powers[1:]]
    return jnp.stack(weights)


@claim(
    source="Pareek, Du & Oh 2024, as recalled",
    standing="proved",
    students=among(2, 3),
    lead=positive(0.3, 3.0),
    gaps=several(2, uniform(0.2, 0.6)),
    signal=several(3, positive(0.1, 10.0)),
    noise=positive(0.1, 1.0),
    penalty=positive(0.3, 3.0),
    merged=usually(0.0, uniform(0.1, 1.0)),
    hypotheses=dict(enough=lambda students: students - 2, distinct=lambda merged: merged == 0),
)
def as_many_students_as_eigenvalues(run, students, lead, gaps, signal, noise, penalty, merged):
    """As many students as there are distinct eigenvalues attain Wiener's risk, for every penalty; fewer do not.

    Filters of r ridge students are s q(s), q a polynomial of degree r with q(1) = 1, and so pass through any r points.
    Here r = 3, in prediction risk; two pass through the first two. (With `merged`, the last eigenvalue is moved onto
    the second: then no filter can serve both.) Weights grow quickly as gaps between eigenvalues close.
    """
    apart = spaced(lead, gaps)
    power, ridge = apart * signal, Ridge(penalty)
    wiener = power / (power + noise)
    s = filters(run)(ridge, apart).learnt
    weights = interpolating_weights(s[:students], (wiener / s)[:students])
    spectrum = jnp.where(merged > 0, apart.at[2].set(apart[1]), apart)
    seen = run(self_distill(ridge, students + 1, weights), spectrum).learnt
    size = jnp.prod(1.0 + jnp.abs(weights))
    return functools.reduce(both, (same(seen[k], wiener[k], 1e-12 * size + 1e-10) for k in range(3)))
