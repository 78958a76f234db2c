"""How much to trust the teacher: the weight of its predictions in the student's targets, against noise.

A ridge student's filter is s (1 - ξ r_T), with ξ = `teacher_weight`, s its own filter and r_T what its teacher has
left, so that every quadratic risk is a parabola in ξ. Papers with the sum loss have N times our eigenvalues and
penalties, and noise variances σ² for our σ²/N.
"""

import functools

import jax
import jax.numpy as jnp

from kdtheory import measures
from kdtheory.claims import (
    EPS,
    Margin,
    among,
    both,
    claim,
    exceeds,
    face,
    positive,
    practice,
    same,
    several,
    theory,
    uniform,
    usually,
)
from kdtheory.learners import Ridge, distill, self_distill
from kdtheory.measures.early_stopping import best_clock
from kdtheory.theorems._words import allowed, little_noise, log_risk, penalty_ratio, spaced, started, zero_start


def rounded(run):
    """By how much what a lane computes may be off, relative to the terms it is the sum of; nothing in 60 digits."""
    return {theory: 16.0 * EPS, practice: 1e-12}.get(run, 0.0)


@claim(
    source="Dang, Patil & Rinaldo 2026, as recalled; this form is own",
    standing="proved",
    spectrum=several(2, positive(1e-3, 1e3)),
    penalty=positive(1e-3, 1e3),
    last=penalty_ratio,
    weight=uniform(-30.0, 30.0),
    start=started,
    hypotheses=dict(same_penalty=lambda last: last == 1, zero_start=zero_start),
)
def student_on_the_tangent(run, spectrum, penalty, last, weight, start):
    """Ridge students of one teacher are the tangent to the ridge path: β(c) + ξ c β′(c), for any weight ξ.

    With one penalty c for both (the student's is `last` times its teacher's).

    Proof. Along an eigendirection β is s = λ/(λ + c) times the target, hence c β′ is -s (1 - s) times it, and the
    student has the filter s (ξ s + 1 - ξ) = s - ξ s (1 - s).
    """
    path = lambda c: run(Ridge(c), spectrum).learnt
    β, tangent = jax.jvp(path, (penalty,), (penalty,))
    seen = run(distill(Ridge(penalty), Ridge(last * penalty), weight), spectrum, start=start).learnt
    size = jnp.abs(β) + jnp.abs(weight * tangent)
    error = allowed(run) * face(run, size + jnp.abs(weight) * β, (1.0 + jnp.abs(weight)) * jnp.ones(2))
    return both(*(same(seen[k], β[k] + weight * tangent[k], error[k], size[k]) for k in range(2)))


@claim(
    source="Das & Sanghavi 2023, as recalled; any penalties and quadratic forms own",
    standing="proved",
    level=uniform(-3.0, 1.0),
    weight=uniform(-3.0, 3.0),
    spectrum=several(2, positive(1e-2, 1e2)),
    signal=several(2, uniform(0.0, 5.0)),
    penalties=several(2, positive(1e-2, 1e2)),
    noise=positive(),
    form=several(2, positive(0.1, 10.0)),
    start=started,
    domain=dict(level=lambda level: level <= 1.0),
    hypotheses=dict(zero_start=zero_start),
)
def trust_grows_with_noise(run, level, weight, spectrum, signal, penalties, noise, form, start):
    """As a student trusts its teacher more than a weight `level` <= 1, its risk falls iff the noise exceeds
    `measures.noise_threshold`; it is least at `measures.best_weight`.

    For ridge with any two penalties and any quadratic form Σ w (θ̂ - θ)², w = `form` > 0, the risk is R(ξ*) + Q (ξ -
    ξ*)² with Q = Σ w (θ² + v/λ)(φ_S r_T)², so that every weight between the level and its mirror image at the best
    one, ξ*, has less of it; and Q (ξ* - level) = Γ (v - threshold), Γ = Σ (w/λ) φ_S² r_T (1 - level · r_T) > 0. At
    level 0 the threshold tells when a positive weight helps, at level 1 when one above one beats pure distillation.

    Proof. Along a direction R is w (θ² + v/λ)(φ - h*)² and a constant, with h* Wiener's filter and φ = φ_S (1 - ξ r_T)
    affine in ξ. Half of -R′(level) is Σ w φ_S r_T [v φ_S (1 - level · r_T)/λ - θ² (r_S + level · φ_S r_T)]: linear in
    v with the slope Γ, zero at the threshold, and equal to Q (ξ* - level). For level <= 1 all terms of Γ are positive.
    """
    teacher, student = map(Ridge, penalties)
    at = lambda ξ: run(distill(teacher, student, ξ), spectrum, start=start).learnt
    before, after = at(level), at(weight)
    best = measures.best_weight(teacher, student, spectrum, signal, noise, form)
    threshold = measures.noise_threshold(teacher, student, spectrum, signal, level, form)
    learnt, left = spectrum / (spectrum + penalties[1]), penalties[0] / (spectrum + penalties[0])
    curvature = form * (signal**2 + noise / spectrum)
    wiener = measures.wiener_filter(spectrum, signal, noise)
    Q = jnp.sum(curvature * (learnt * left) ** 2)
    Γ = jnp.sum(form / spectrum * learnt**2 * left * (spectrum / (spectrum + penalties[0]) + (1.0 - level) * left))
    fall = jnp.sum(curvature * (before - after) * (before + after - 2.0 * wiener))
    expected = Q * (weight - level) * (2.0 * best - level - weight)
    terms = learnt * (2.0 + (jnp.abs(level) + jnp.abs(weight)) * left)
    size = jnp.sum(curvature * learnt * left * (jnp.abs(level) + jnp.abs(weight)) * (terms + 2.0 * wiener))
    off = face(run, learnt, jnp.ones(2)) * (2.0 + jnp.abs(level) + jnp.abs(weight))
    beyond = Q * (jnp.abs(best) + jnp.abs(level)) + Γ * (noise + jnp.abs(threshold))
    error = allowed(run) * (jnp.sum(curvature * off * (terms + 2.0 * wiener)) + jnp.abs(weight - level) * beyond)
    return both(
        same(fall, expected, error, size),
        same(Q * (best - level), Γ * (noise - threshold), 64.0 * EPS * beyond, beyond),
    )


def least_of_one_student(spread, power):
    """What `one_student_is_factors_behind` says that the risk of one student exceeds, over the noise variance."""
    a = 2.0 * spread**2 / (1.0 - spread**2)
    h = jnp.where(power * (2.0 - a) > a, (power + a) / (power + 3.0), power / (power + 1.0))
    missed = jnp.where(power * (2.0 - a) > a, (3.0 - a) / (power + 3.0), 1.0 / (power + 1.0))
    return missed**2 * power + h**2 + jnp.maximum(0.0, 2.0 * h - a) ** 2 / 2.0


@claim(
    source="own; the separation of Pareek, Du & Oh 2024 with explicit constants",
    standing="proved",
    penalty=positive(1e-4, 1e6, tame=(0.01, 1e4)),
    weight=uniform(-3.0, 3.0),
    spread=positive(1e-4, 0.999, tame=(2e-3, 0.9)),
    power=positive(1e-6, 1e6, tame=(1e-4, 1e3)),
    others=usually(0.0, uniform(0.5, 1.0)),
    domain=dict(positive=lambda spread: 1.0 - spread),
    hypotheses=dict(aligned=lambda others: others == 0),
)
def one_student_is_factors_behind(run, penalty, weight, spread, power, others):
    """With signal on the middle of three eigenvalues, the risk of one ridge student exceeds a bound that is three times
    the least risk of any filter where they are near and the signal strong.

    Eigenvalues 1 ± e and 1, 0 < e < 1, and S = θ²/v > 0: for every penalty (of teacher and student) and every weight,
    risk/v > min_h (1 - h)² S + h² + max(0, 2h - a)²/2 with a = 2e²/(1 - e²); the least of all filters is S/(S + 1), and
    the ratio tends to three as e → 0 and S → ∞. (`others` is the signal elsewhere, over that on the middle one.)

    Proof. With q = 1/(1 + c) the filter is f(x) = (1 + x)(h + q²x)/(1 + qx)² at the eigenvalue 1 + x, h = f(0). The sum
    f(e) + f(-e) - 2h is affine in h: D₀ = -2q²e²(2q - 1 - q²e²)/(1 - q²e²)² at h = 0, where 2q - 1 - q²e² <= q²(1 - e²)
    and q²(1 - e²) < 1 - q²e² give D₀ > -a; D₁ = -4q(1 - q)²e²/(1 - q²e²)² at h = 1, where 1 - q²e² >= (1 - q)(1 + q)
    and (1 + q)² > 2q give D₁ > -a. So for 0 <= h <= 1 the pair has f(e)² + f(-e)² >= max(0, 2h - a)²/2, and
    both are zero for no q > 0. For h < 0 the risk exceeds S, the bound's value at h = 0; for h > 1 it exceeds that at
    h = 1, since f(e) + f(-e) grows with h.
    """
    spectrum, ridge = jnp.stack([1.0 + spread, jnp.ones_like(spread), 1.0 - spread]), Ridge(penalty)
    strength = power * jnp.stack([others, jnp.ones_like(others), others])
    least = jnp.sum(strength / (strength + 1.0))
    bound = least_of_one_student(spread, power) * (power + 1.0) / power * least

    def risk(ξ):
        seen = run(distill(ridge, ridge, ξ), spectrum)
        slope = 2.0 * (strength * jnp.abs(seen.residual) + jnp.abs(seen.learnt))
        error = rounded(run) * (1.0 + jnp.abs(ξ)) * face(run, spectrum / (spectrum + penalty), jnp.ones(3))
        return jnp.stack([jnp.sum(seen.residual**2 * strength + seen.learnt**2), jnp.sum(slope * error)])

    best = measures.best_weight(ridge, ridge, spectrum, jnp.sqrt(strength / spectrum), 1.0)
    drawn, lowest = risk(weight), risk(best)
    less, error = jnp.where(drawn[0] < lowest[0], drawn, lowest)
    return exceeds(less, bound, error + rounded(run) * bound)


def best_ridge(spectrum, power, noise):
    """The penalty of the best single ridge fit, the room beside it for students, and what a better one may yet gain.

    It is between the least and the largest v/θ², where single directions are at their best. Newton's method, in the
    logarithm of the penalty, from where the search ends: the slope of half the risk is -Σ w (s - h*) s (1 - s), and
    w (s - h*) = noise · s - power · (1 - s).
    """
    ideal, total = power / spectrum / noise, lambda clock: log_risk(theory(Ridge(1.0 / clock), spectrum), power, noise)
    log_penalty = -jnp.log(best_clock(lambda clock: total(clock).value, jnp.min(ideal), jnp.max(ideal)))

    def around(log_penalty):
        c = jnp.exp(log_penalty)
        s, left = spectrum / (spectrum + c), c / (spectrum + c)
        pull, moved = noise * s - power * left, s * left
        straight = jnp.sum((power + noise) * moved**2)
        slope, bent = -jnp.sum(pull * moved), jnp.sum(pull * moved * (left - s))
        return slope, straight + bent, -2.0 * jnp.sum(pull * moved * s) / straight

    for _ in range(4):
        slope, curvature, _ = around(log_penalty)
        log_penalty = log_penalty - jnp.clip(slope / curvature, -1e-3, 1e-3)
    slope, curvature, room = around(log_penalty)
    return jnp.exp(log_penalty), room, 2.0 * slope**2 / curvature


@jax.jit
def room_beside_best_ridge(lead, gaps, energy, noise):
    """2 Σ w (h* - s) s² (1 - s) / Σ w s² (1 - s)² at the best penalty: positive where a student gains beside it."""
    spectrum = spaced(lead, gaps)
    return best_ridge(spectrum, spectrum * energy, noise)[1]


@claim(
    source="own",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, uniform(0.05, 1.0)),
    energy=several(3, positive(0.1, 10.0)),
    noise=little_noise,
    hypotheses=dict(room=lambda lead, gaps, energy, noise: room_beside_best_ridge(lead, gaps, energy, noise) - 1e-5),
)
def student_beats_best_ridge_nearby(run, lead, gaps, energy, noise):
    """If Σ w (h* - s) s² (1 - s) > 0 at the best penalty, students with penalties near it beat the best ridge fit.

    One penalty for teacher and student, and the best weight, `measures.best_weight`; s is the best ridge fit's filter,
    h* Wiener's and w = λθ² + v, in prediction risk. A penalty that is best among those near it will do. If the sum is
    negative, and ridge's risk is not flat to second order, students with penalties near the best one do not beat it.
    Judged where twice the sum exceeds 1e-5 of Σ w s² (1 - s)², at a penalty at most 2% away.

    Proof. In x = log c, with R the risk of ridge and Q = Σ w s′² the best student's is R - R′²/4Q (`best_weight`), at
    the best penalty equal to R, with the slope zero and the second derivative R″ (1 - R″/2Q). As s′ = -s (1 - s) and s″
    = s (1 - s)(1 - 2s), R″/2 = Q + Σ w (s - h*) s″ = Q + 2 Σ w (h* - s) s² (1 - s), for R′ = 0. With the
    sum positive R″ > 2Q, and the best student's risk has a strict maximum there; with the sum negative and R″ > 0 a
    strict minimum.
    """
    spectrum = spaced(lead, gaps)
    power = spectrum * energy
    penalty, room, better = best_ridge(spectrum, power, noise)
    fall = lambda single, student: (
        (single - student) * (2.0 * (noise * single - power * (1.0 - single)) - (power + noise) * (single - student))
    )
    s = spectrum / (spectrum + penalty)
    away = jnp.minimum(0.02, 0.1 * jnp.sqrt(jnp.abs(room)))

    def student(side):
        c = penalty * jnp.exp(side * away)
        s, left = spectrum / (spectrum + c), c / (spectrum + c)
        pull = noise * s - power * left
        weight = jnp.sum(s * left * pull) / jnp.sum((power + noise) * (s * left) ** 2)
        return jnp.stack([c, weight]), s * (1.0 - weight * left)

    (below, lower), (above, upper) = student(-1.0), student(1.0)
    c, weight = jnp.where(jnp.sum(fall(s, lower)) > jnp.sum(fall(s, upper)), below, above)
    single, student = run(Ridge(penalty), spectrum), run(distill(Ridge(c), Ridge(c), weight), spectrum)
    step, pull = single.learnt - student.learnt, noise * single.learnt - power * single.residual
    gain = jnp.sum(step * (2.0 * pull - (power + noise) * step))
    slope = 2.0 * jnp.abs(pull - (power + noise) * step) + (power + noise) * (2.0 * jnp.abs(step) + rounded(run))
    terms = jnp.abs(step) * (2.0 * (noise * single.learnt + power * single.residual) + (power + noise) * jnp.abs(step))
    error = jnp.sum(slope * (2.0 + jnp.abs(weight)) * rounded(run)) + jnp.sum(terms) * face(run, rounded(run), EPS)
    risk = jnp.sum(power * single.residual**2 + noise * single.learnt**2)
    return Margin(gain - better, error, risk)


def wiener_penalty(spectrum, wanted):
    """The smallest positive root c of A - 2Bc - Cc² in `two_eigenvalues_one_student`; not positive where there is
    none."""
    missed = 1.0 - wanted
    a = missed[0] * spectrum[0] - missed[1] * spectrum[1]
    b, c = wanted[0] - wanted[1], wanted[0] / spectrum[0] - wanted[1] / spectrum[1]
    inside = b**2 + a * c
    q = -(b + jnp.where(b < 0, -1.0, 1.0) * jnp.sqrt(jnp.maximum(inside, 0.0)))
    first = jnp.where(c == 0, -1.0, q / jnp.where(c == 0, 1.0, c))
    second = jnp.where(q == 0, -1.0, -a / jnp.where(q == 0, 1.0, q))
    low, high = jnp.minimum(first, second), jnp.maximum(first, second)
    return jnp.where(inside < 0, -1.0, jnp.where(low > 0, low, high))


@claim(
    source="own",
    standing="proved",
    lead=positive(0.1, 10.0, tame=(0.2, 3.0)),
    ratio=positive(1e-3, 0.999, tame=(0.05, 0.9)),
    wanted=several(2, uniform(0.0, 1.0)),
    penalty=positive(1e-3, 1e3),
    last=penalty_ratio,
    hypotheses=dict(same_penalty=lambda last: last == 1),
)
def two_eigenvalues_one_student(run, lead, ratio, wanted, penalty, last):
    """With two distinct eigenvalues, one ridge student with its teacher's penalty c attains Wiener's filter iff A - 2Bc
    - Cc² = 0; some student does iff this has a root c > 0.

    A = (1 - h₁) λ₁ - (1 - h₂) λ₂, B = h₁ - h₂ and C = h₁/λ₁ - h₂/λ₂, with h = `wanted` the filter. With the weight ξ
    = (1 - h₁/s₁)/(1 - s₁), the only one that attains h₁, the student misses h₂ by -λ₂ (A - 2Bc - Cc²)/(λ₂ + c)², for
    every c > 0: judged at a penalty drawn, and at the root where there is one. With two penalties (the student's is
    `last` times its teacher's) filters are in reach for which there is no root.

    Proof. s (1 - ξ (1 - s)) = λ (λ + (1 - ξ) c)/(λ + c)² is h iff (1 - ξ) c = h (λ + c)²/λ - λ. The right side for λ₁
    less that for λ₂ is -(A - 2Bc - Cc²).
    """
    spectrum = lead * jnp.stack([jnp.ones_like(ratio), ratio])
    missed = 1.0 - wanted
    A = missed[0] * spectrum[0] - missed[1] * spectrum[1]
    B, C = wanted[0] - wanted[1], wanted[0] / spectrum[0] - wanted[1] / spectrum[1]
    root = wiener_penalty(spectrum, wanted)

    def attains(c, expected):
        s, left = spectrum / (spectrum + c), c / (spectrum + c)
        weight = (1.0 - wanted[0] / s[0]) / left[0]
        seen = run(distill(Ridge(c), Ridge(last * c), weight), spectrum).learnt
        size = s * (1.0 + left * (1.0 + jnp.abs(wanted[0]) / s[0]) / left[0]) + jnp.abs(wanted)
        error = allowed(run) * face(run, size + s * jnp.abs(weight), (1.0 + jnp.abs(weight)) * jnp.ones(2))
        return both(*(same(seen[k], expected[k], error[k], size[k]) for k in range(2)))

    off = lambda c: -spectrum[1] * (A - 2.0 * B * c - C * c**2) / (spectrum[1] + c) ** 2
    aimed = lambda c: jnp.stack([wanted[0], wanted[1] + off(c)])
    at_root = jnp.where(root > 0, root, penalty)
    return both(attains(penalty, aimed(penalty)), attains(at_root, jnp.where(root > 0, wanted, aimed(penalty))))


def weight_polynomial(nodes, weights):
    """Coefficients, the lowest first, of the polynomial of least degree through (`nodes`, `weights`), and the sizes
    of the terms that its value at each node is made of: Newton's divided differences."""
    difference = list(weights)
    for order in range(1, len(nodes)):
        for i in reversed(range(order, len(nodes))):
            difference[i] = (difference[i] - difference[i - 1]) / (nodes[i] - nodes[i - order])
    powers, sizes = [difference[-1]], [jnp.abs(difference[-1])]
    for i in reversed(range(len(nodes) - 1)):
        powers = [up - nodes[i] * kept for up, kept in zip([0.0, *powers], [*powers, 0.0], strict=True)]
        sizes = [up + nodes[i] * kept for up, kept in zip([0.0, *sizes], [*sizes, 0.0], strict=True)]
        powers[0], sizes[0] = powers[0] + difference[i], sizes[0] + jnp.abs(difference[i])
    return powers, sizes


def attaining(students, s, wiener):
    """Coefficients of the polynomial g that so many students need to attain a filter where one fit has the filter s,
    and their sizes; of a few students on the first few, of one more than there are values on all."""
    nodes = [s[k] for k in range(min(students, 3))]
    powers, sizes = weight_polynomial(nodes, [(1.0 - wiener[k] / s[k]) / (1.0 - s[k]) for k in range(len(nodes))])
    if students > 3:  # any multiple of (s - s₁)(s - s₂)(s - s₃) may be added: one of four leaves no coefficient zero
        vanishing = [-s[0] * s[1] * s[2], s[0] * s[1] + s[0] * s[2] + s[1] * s[2], -(s[0] + s[1] + s[2]), 1.0]
        least, plain = -1.0, [*powers, 0.0]
        for times in (1.0, 2.0, 3.0, 4.0):
            added = [a + times * b for a, b in zip(plain, vanishing, strict=True)]
            smallest = functools.reduce(jnp.minimum, map(jnp.abs, added))
            powers = [jnp.where(smallest > least, a, b) for a, b in zip(added, [*powers, 0.0][:4], strict=True)]
            least = jnp.maximum(least, smallest)
        sizes = [a + 4.0 * jnp.abs(b) for a, b in zip([*sizes, 0.0], vanishing, strict=True)]
    return powers, sizes


def none_vanishes(students, lead, gaps, energy, noise, penalty):
    """Positive where, beyond rounding, no coefficient of g is zero that a later one that is not follows."""
    spectrum = spaced(lead, gaps)
    s = spectrum / (spectrum + penalty)
    powers, sizes = attaining(int(students), s, spectrum * energy / (spectrum * energy + noise))
    size = [jnp.abs(power) / (1e-12 * (1.0 + sum(sizes))) - 1.0 for power in powers]
    slack = jnp.asarray(1.0)
    for i in range(len(size) - 1):
        later = jnp.max(jnp.stack(size[i + 1 :]))
        slack = jnp.minimum(slack, jnp.maximum(size[i], -later))
    return slack


def of_each(students, function, *arrays):
    """A function that needs `students` as a number of Python's, for each of those there are."""
    return jnp.select([students == n for n in (2, 3, 4)], [function(n, *arrays) for n in (2, 3, 4)])


@claim(
    source="Pareek, Du & Oh 2024, as recalled; which penalties, and one more student, own",
    standing="proved",
    students=among(2, 3, 4),
    lead=positive(0.3, 3.0),
    gaps=several(2, positive(0.05, 0.99, tame=(0.2, 0.6))),
    energy=several(3, positive(0.1, 10.0)),
    noise=positive(0.1, 1.0, tame=(0.1, 1.0)),
    penalty=positive(0.1, 10.0, tame=(0.3, 3.0)),
    merged=usually(0.0, uniform(0.1, 1.0)),
    hypotheses=dict(enough=lambda students: students - 2, distinct=lambda merged: merged == 0),
    domain=dict(
        moderate=lambda lead, gaps, penalty: 100.0 - jnp.max(spaced(lead, gaps)) / penalty,
        none_vanishes=lambda students, lead, gaps, energy, noise, penalty: of_each(
            students, none_vanishes, lead, gaps, energy, noise, penalty
        ),
    ),
)
def as_many_students_as_eigenvalues(run, students, lead, gaps, energy, noise, penalty, merged):
    """As many ridge students as there are distinct eigenvalues attain Wiener's filter iff no coefficient of a
    polynomial g vanishes before its last; one student more always can.

    All fits have one penalty c; s = λ/(λ + c), and g is the polynomial of degree < r through the r points (s, ξ), with
    ξ = (1 - h*/s)/(1 - s) the weight at which one student attains Wiener's filter h* there. The weights, the last
    student's first, are the ratios of its coefficients, g₀, g₁/g₀, g₂/g₁ ...; where one vanishes (beyond rounding, as
    judged) but not all after it, no finite weights do: h* is then approached as weights grow. Fewer than r
    students attain it iff, besides, g has no more coefficients, up to its last, than there are students. Here r = 3;
    two attain it on the first two eigenvalues. (With `merged`, the last eigenvalue is moved onto the second: then no
    filter can serve both.)

    Proof. With weights ξ₁ ... ξ_m students have the filter s (1 - (1 - s) g(s)), g = ξ_m + ξ_m ξ_{m-1} s + ... + ξ_m
    ... ξ₁ s^(m-1): by induction, g for one more being ξ (1 + s g). So coefficients are products of weights, zero from
    one zero on, and others are ratios. The filter is h* iff g passes through the points, which fixes it for m <= r.
    Coefficients next to a vanishing one may be made small instead, so that h* is approached. For m = r + 1 a multiple
    κ of Π (s - s_k) may be added, of which no coefficient is zero, so that none of the sum is for almost every κ.
    """
    apart = spaced(lead, gaps)
    s, left = apart / (apart + penalty), penalty / (apart + penalty)
    power = apart * energy
    wiener = power / (power + noise)
    g, sizes = attaining(students, s, wiener)
    over = [jnp.ones_like(lead), *g[:-1]]
    weights = jnp.stack([a / jnp.where(b == 0, 1.0, b) for a, b in zip(g, over, strict=True)][::-1])
    spectrum = jnp.where(merged > 0, apart.at[2].set(apart[1]), apart)
    seen = run(self_distill(Ridge(penalty), students + 1, weights), spectrum).learnt
    terms = s * (1.0 + left * sum(size * s**i for i, size in enumerate(sizes)))
    carried = sum(jnp.abs(power) * s[0] ** (i + 1) for i, power in enumerate(g))  # from fit to fit
    error = 64.0 * EPS * terms + face(run, 0.0, 1e-12 * (1.0 + 4.0 * carried))
    return both(*(same(seen[k], wiener[k], error[k]) for k in range(3)))
