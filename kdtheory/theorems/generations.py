"""Models trained on models: what becomes of the error when each generation is taught by the one before.

Expectations over data are exact: in theory by moments, in practice over all data sets that there are, for few samples,
or over those of a quadrature, for Gaussian ones.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    among,
    at_least,
    both,
    claim,
    exceeds,
    face,
    filters,
    positive,
    practice,
    same,
    several,
    uniform,
    usually,
)
from kdtheory.learners import GradientDescent, GradientFlow, Ridge
from kdtheory.problems import Linear
from kdtheory.theorems._gaussian import chi_square, inverse, least_squares, two_columns
from kdtheory.theorems._words import METHODS, allowed, rounded, started, zero_start

# Least squares.


def laws(keep, samples, generations, alike):
    """The error over the noise variance, from the moments of one fit, a generation at a time."""
    if keep == "replaced":
        return sum(inverse(samples, 2, alike) for _ in range(generations))
    if keep == "kept":
        return sum(inverse(m * samples, 1, alike) / m for m in range(1, generations + 1))
    labels, passed = np.zeros(generations), []
    for m in range(generations):  # of each noise in the mean of the labels so far
        fresh = np.eye(generations)[m] + (passed[-1] if passed else 0.0)
        labels = labels + (fresh - labels) / (m + 1)
        passed.append(labels)
    return float(np.sum(labels**2)) * inverse(samples, 2, alike)


def runs(keep, samples, generations, alike):
    """The same from fits to data, with a column for the noise of each row."""
    mixed = lambda found, even: (1.0 - alike) * found + alike * even
    if keep == "kept":
        q, weight = chi_square(samples)
        grids = jnp.stack(jnp.meshgrid(*[q] * generations, indexing="ij"), -1).reshape(-1, generations)
        weights = jnp.stack(jnp.meshgrid(*[weight] * generations, indexing="ij"), -1).reshape(len(grids), -1)

        def chain(squares):
            rows, noise, w = jnp.sqrt(squares)[:, None], jnp.eye(generations), jnp.zeros((1, generations))
            labels = jnp.zeros((0, generations))
            for m in range(generations):
                labels = jnp.concatenate([labels, rows[m : m + 1] @ w + noise[m]])
                w = least_squares(rows[: m + 1], labels)
            return jnp.sum(w**2)

        alone = chain(samples * jnp.ones(generations))
        return mixed(jnp.prod(weights, 1) @ jax.vmap(chain)(grids), alone)
    features, weights = two_columns(samples)
    even = jnp.sqrt(samples) * jnp.eye(2)
    if keep == "replaced":
        covariance = jnp.zeros((2, 2))
        for _ in range(generations):
            a = jnp.sqrt(covariance[0, 0] + 1e-300)
            b = covariance[0, 1] / a
            root = jnp.stack([a, 0.0 * a, b, jnp.sqrt(jnp.maximum(covariance[1, 1] - b * b, 0.0))]).reshape(2, 2)

            def after(X, root=root):
                w = least_squares(X, jnp.hstack([X @ root, jnp.eye(2)]))
                return w @ w.T

            covariance = mixed(jnp.einsum("d,dij->ij", weights, jax.vmap(after)(features)), after(even))
        return jnp.trace(covariance)

    def on_one(X):
        w, labels = jnp.zeros((2, 2 * generations)), jnp.zeros((0, 2 * generations))
        for m in range(generations):
            labels = jnp.concatenate([labels, X @ w + jnp.eye(2, 2 * generations, 2 * m)])
            w = least_squares(jnp.tile(X, (m + 1, 1)), labels)
        return jnp.sum(w**2)

    return mixed(weights @ jax.vmap(on_one)(features), on_one(even))


@claim(
    source="Dohmatob, Feng & Kempe 2024 and Gerstgrasser et al. 2024, as recalled; kept data on fresh inputs own",
    standing="proved",
    keep=among("replaced", "kept, same inputs", "kept"),
    generations=among(1, 2),
    samples=positive(20.0, 1e4, tame=(20.0, 100.0)),
    alike=usually(0.0, uniform(0.2, 1.0)),
    domain=dict(enough=lambda samples: samples - 3.0),
    hypotheses=dict(gaussian=lambda alike: alike == 0.0),
)
def keeping_data_stops_collapse_of_least_squares(run, keep, generations, samples, alike):
    """Least squares on labels of the generation before, with fresh noise: the error grows like mP/(N - P - 1) where
    data is replaced, and stays below π²/6 of one fit's where it is kept.

    Expected excess error over the noise variance after m generations, P Gaussian features, N > P + 1 samples each:
    mP/(N - P - 1) on fresh or the same inputs; P/(N - P - 1) · Σ 1/i² where data is kept and inputs are the same; and P
    Σ 1/(i(iN - P - 1)), yet less, where it is kept and inputs are fresh. Exact at every size. Judged with two features,
    for the last law with one. Other inputs have other laws: of all data sets the share that is `alike` has orthogonal
    features of length √N.

    Proof. w_m - w_{m-1} is (XᵀX)⁻¹Xᵀe_m, on the same inputs over m if data is kept, and (Σ XᵀX)⁻¹X_mᵀe_m on fresh
    ones: uncorrelated with all before. E tr (XᵀX)⁻¹Σ⁻¹ is P/(N - P - 1) for Gaussian rows; in the last law E tr of (Σ
    XᵀX)⁻¹ X_mᵀX_m (Σ XᵀX)⁻¹ is a share 1/m of that of mN rows, for all generations are alike.
    """
    seen = face(run, laws, runs)(keep, samples, generations, alike)
    P, i = (1 if keep == "kept" else 2), np.arange(1, generations + 1)
    law = {
        "replaced": generations * P / (samples - P - 1.0),
        "kept, same inputs": P / (samples - P - 1.0) * np.sum(1.0 / i**2),
        "kept": sum(P / (k * (k * samples - P - 1.0)) for k in range(1, generations + 1)),
    }[keep]
    return same(seen, law, 4.0 * allowed(run) * law)


AXES = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]


def projected(signal, noises, alike):
    """Second moments and means from generation to generation, of one sample in twelve directions."""
    e, V = 1.0 / 12.0, (1.0 - alike) * (1.0 / 10.0) + alike / 12.0
    second, mean, errors = signal, 1.0, []
    for noise in noises:
        second, mean = e * second + V * noise, e * mean
        errors.append(second - 2.0 * mean * signal + signal)
    return jnp.stack(errors)


def fitted(signal, noises, alike):
    """The same from fits of one sample along each of twelve axes, which have the moments of every direction."""
    squares, weights = chi_square(jnp.asarray(12.0))
    squares = jnp.append(squares, 12.0)
    weights = jnp.append((1.0 - alike) * weights, alike)
    columns, mean, errors = jnp.zeros((12, 12)).at[:, 0].set(AXES @ np.ones(12) / np.sqrt(12.0)), None, []
    columns = columns * jnp.sqrt(signal)
    mean = truth = columns[:, 0]
    for noise in noises:

        def fit(axis, square, columns=columns, mean=mean, noise=noise):
            X = jnp.sqrt(square) * axis[None]
            labels = jnp.hstack([X @ columns, X @ mean[:, None], jnp.sqrt(noise)[None, None]])
            w = least_squares(X, labels)
            passed = jnp.delete(w, 12, axis=1)
            return passed @ passed.T, w[:, 12]

        of_axes = jax.vmap(jax.vmap(fit, (None, 0)), (0, None))(jnp.asarray(AXES), squares)
        second, mean = (jnp.einsum("d,ad...->...", weights, each) / 12.0 for each in of_axes)
        errors.append(jnp.trace(second) - 2.0 * mean @ truth + truth @ truth)
        columns = jnp.asarray(AXES).T @ jnp.diag(jnp.sqrt(jnp.maximum(jnp.diag(AXES @ second @ AXES.T), 0.0)))
    return jnp.stack(errors)


@claim(
    source="own; noise only once is the scheme of Wu, Yang & Sun 2026, as recalled",
    standing="proved",
    scheme=among("once", "always"),
    signal=positive(0.1, 10.0),
    apart=positive(1e-6, 0.9, tame=(1e-5, 0.9)),
    side=uniform(-1.0, 1.0),
    alike=usually(0.0, uniform(0.2, 1.0)),
    domain=dict(other=lambda apart: apart, positive=lambda apart, side: jnp.where(side > 0, 1.0, 1.0 - apart)),
    hypotheses=dict(gaussian=lambda alike: alike == 0.0),
)
def iterating_helps_where_noise_exceeds_signal(run, scheme, signal, apart, side, alike):
    """Least squares of minimum norm, N < P - 1 isotropic Gaussian features and fresh inputs: with noise on the first
    labels alone each generation is better than the one before iff σ²P/(P - N - 1) > |w*|², and worse iff it is less.

    The expected error after m generations is |w*|²(1 - e^m) + e^(m-1) Vσ², with e = N/P and V = N/(P - N - 1): no
    number of generations between is best. With noise on all labels it is (1 - e^m)(|w*|² + Vσ²/(1 - e)). Judged with
    one sample and twelve directions, up to three generations; σ²P/(P - N - 1) is `apart` from |w*|² = `signal`. Of all
    data sets the share that is `alike` has rows of length √P.

    Proof. w_m = Π w_{m-1} + X⁺e, with Π an independent random projection, E|Πw|² = e|w|² and E Πw = ew, and E|X⁺e|² =
    σ² E tr (XXᵀ)⁻¹ = Vσ². So |w_m - w*|² is in the mean e^m |w*|² + Vσ² (e^(m-1) + ...) - 2e^m |w*|² + |w*|².
    """
    P, generations = 12.0, np.arange(1, 4)
    e, V = 1.0 / P, 1.0 / (P - 2.0)
    noise = signal * (P - 2.0) / P * (1.0 + jnp.where(side > 0, apart, -apart))
    noises = [noise, 0.0 * noise, 0.0 * noise] if scheme == "once" else [noise] * 3
    seen = face(run, projected, fitted)(signal, noises, alike)
    if scheme == "once":
        law = signal * (1.0 - e**generations) + e ** (generations - 1) * V * noise
    else:
        law = (1.0 - e**generations) * (signal + V * noise / (1.0 - e))
    size = signal + noise
    exact = [same(seen[m], law[m], allowed(run) * size, size) for m in range(3)]
    if scheme == "always":
        return both(*exact)
    better = jnp.where(side > 0, 1.0, -1.0) * (seen[0] - seen[1])
    return both(*exact, exceeds(better, 0.0, rounded(run) * size, e * signal))


# Filters, on the same inputs.


spectrum3 = several(3, positive(0.05, 3.0, tame=(0.3, 3.0)))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    spectrum=spectrum3,
    signal=several(3, uniform(-2.0, 2.0)),
    noise=positive(0.1, 10.0),
    clock=positive(0.01, 10.0, tame=(0.01, 3.0)),
    shares=several(3, uniform(0.5, 1.0)),
    repeated=usually(0.0, uniform(0.3, 1.0)),
    start=started,
    hypotheses=dict(fresh_noise=lambda repeated: repeated == 0.0, zero_start=zero_start),
)
def generations_forget_instead_of_collapsing(run, method, spectrum, signal, noise, clock, shares, repeated, start):
    """On the same inputs, with fresh noise on each generation's labels, the chain's error is the bias of all filters'
    product and the variances of the products from each generation on; along each direction these stay below φ²/(1 -
    φ²) together.

    In-sample, after m generations: Σ λθ²(1 - ψ_1)² + σ²/N Σ_j Σ ψ_j², ψ_j = Π φ_i over i >= j; φ is the size of the
    largest filter there. For least squares it grows like m; with filters below one the variance is bounded, and what is
    lost is the truth. Three generations, `noise` σ²/N, any learners. (Of the noise a part may be `repeated` each time.)

    Proof. Labels of generation j are its predecessor's predictions and e_j, so that e_j is filtered by all from j on,
    uncorrelated with others; Σ_j ψ_j² is at most the sum of φ^(2k) over k = 1, 2, ...
    """
    learners = [METHODS[method](clock * share) for share in shares]

    def chain(first, labels):
        for learner in learners[first:]:
            labels = run(learner, spectrum, target=labels, start=start * jnp.ones(3)).learnt
        return labels

    passed = jnp.stack([chain(j, jnp.ones(3)) for j in range(3)])
    fresh, again = jnp.sum(passed**2, 0), jnp.sum(passed, 0) ** 2
    bias = jnp.sum(spectrum * (chain(0, signal) - signal) ** 2)
    seen = bias + noise * jnp.sum((1.0 - repeated) * fresh + repeated * again)
    φ = [filters(run)(learner, spectrum) for learner in learners]
    ψ = jnp.stack([φ[0].learnt * φ[1].learnt * φ[2].learnt, φ[1].learnt * φ[2].learnt, φ[2].learnt])
    left = φ[0].residual + φ[0].learnt * (φ[1].residual + φ[1].learnt * φ[2].residual)
    law = jnp.sum(spectrum * (signal * left) ** 2) + noise * jnp.sum(ψ**2)
    size = jnp.sum(spectrum * signal**2) + 3.0 * noise
    error = 4.0 * allowed(run) * size
    most = jnp.max(jnp.stack([each.learnt for each in φ]), 0)
    least = jnp.min(jnp.stack([each.residual for each in φ]), 0)
    bound = jnp.sum(most**2 / (least * (1.0 + most)))
    variance = jnp.sum((1.0 - repeated) * fresh + repeated * again)
    return both(
        same(seen, law, error, size),
        at_least(bound, variance, 4.0 * allowed(run) * face(run, bound, jnp.sqrt(bound) + bound)),
    )


def steady(f, penalty, spectrum, weight, synthetic, once):
    """The variance along a direction after many generations, over that of a real label, and what is left of the truth;
    `synthetic` is that of a synthetic label's noise, and of real labels the share `once` is drawn only once."""
    a = 1.0 - weight
    fresh = f**2 / (1.0 - (f * a) ** 2)
    real = (1.0 - once) * fresh + once * (f / (1.0 - f * a)) ** 2
    return weight**2 * real + synthetic * a**2 * fresh, (1.0 - f) / (1.0 - f * a)


GENERATIONS = 120


def after_many(f, penalty, spectrum, weight, synthetic, once):
    """The same, run: what one generation's noise, and the truth, are in all generations after it."""

    def generation(labels, _):
        w = practice(Ridge(penalty), spectrum, target=labels).learnt
        return (1.0 - weight) * w, w

    _, passed = jax.lax.scan(generation, jnp.ones(3), None, length=GENERATIONS)  # of noise in the labels of the first
    fresh, again = jnp.sum(passed**2, 0), jnp.sum(passed, 0) ** 2
    variance = weight**2 * ((1.0 - once) * fresh + once * again) + synthetic * (1.0 - weight) ** 2 * fresh
    return variance, 1.0 - weight * jnp.sum(passed, 0)


@claim(
    source="He, Xu & Cheng 2025 and Garg, Bhattacharya & Sur 2025 for ridge, as recalled; any filter own",
    standing="proved",
    penalty=positive(0.05, 10.0, tame=(0.3, 3.0)),
    spectrum=spectrum3,
    signal=several(3, uniform(0.0, 2.0)),
    noise=positive(0.1, 10.0),
    near=positive(1e-4, 0.8, tame=(1e-3, 0.8)),
    share=uniform(-1.0, 1.0),
    synthetic=usually(1.0, uniform(0.0, 0.3)),
    once=usually(0.0, uniform(0.9, 1.0)),
    domain=dict(
        near=lambda near, share: 1.0 - near * jnp.maximum(1.0, jnp.abs(share)),
        shares=lambda synthetic, once: (synthetic >= 0) & (once >= 0) & (once <= 1),
    ),
    hypotheses=dict(equal_noise=lambda synthetic: synthetic == 1.0, fresh_noise=lambda once: once == 0.0),
)
def at_least_half_of_the_labels_are_best_real(run, penalty, spectrum, signal, noise, near, share, synthetic, once):
    """Labels that are w real and 1 - w synthetic, each generation, are best for some w >= 1/2; with the golden ratio,
    0.618, for noise alone and least squares.

    The same inputs and any filter f in [0, 1], here ridge's; fresh noise of one variance on both kinds of labels in
    each generation. After many generations what is left of the truth is (1 - f)/(1 - fa), a = 1 - w, and the variance v
    f²(a² + w²)/(1 - f²a²), least at a = 2/(2 + f² + √(4 + f⁴)): w is the golden ratio at f = 1, and tends to 1/2 for f
    → 0. With less noise on synthetic labels, or real labels that are drawn once and mixed in again and again, fewer
    real ones may be better. (Judged on one weight below 1/2, `near` it, and one beside the best.)

    Proof. w_m = f (w e + a (w_{m-1} + e′)) + f w θ* has that fixed point. The variance's derivative in a vanishes where
    f²a² - (2 + f²) a + 1 = 0, whose root below one is that a, at most 1/2; it falls before it. What is left of
    the truth falls in w. So from w < 1/2 to 1/2 both fall, along every direction.
    """
    f = filters(run)(Ridge(penalty), spectrum).learnt

    ends = lambda weight: face(run, steady, after_many)(f, penalty, spectrum, weight, synthetic, once)
    few = 0.5 * (1.0 - near * jnp.abs(share))
    a = 2.0 / (2.0 + f[0] ** 2 + jnp.sqrt(4.0 + f[0] ** 4))
    total = lambda variance, left: jnp.sum(spectrum * signal**2 * left**2 + noise * variance)
    less, half = total(*ends(few)), total(*ends(jnp.asarray(0.5)))
    best, beside = ends(1.0 - a)[0][0], ends(1.0 - a * (1.0 + near * share))[0][0]
    return both(exceeds(less, half, rounded(run) * less), at_least(beside, best, allowed(run) * best))


# Bad labels.

BAD = np.array(list(itertools.product([0.0, 1.0], repeat=4)))  # which of four samples have a bad label
ROWS = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 2)))[0]


def of_moments(learnt, features, truth, off, share, noise, together):
    """The expected error on the training inputs, from the mean of the labels and their covariance."""
    fit = (ROWS * learnt) @ ROWS.T  # what is fitted of labels
    apart, spread = features @ off, share * (1.0 - share)
    missed = fit @ features @ (truth + share * off) - features @ truth
    alone = jnp.sum(jnp.diag(fit @ fit) * (noise + spread * apart**2))
    as_one = spread * (jnp.sum((fit @ apart) ** 2) - jnp.sum(jnp.diag(fit @ fit) * apart**2))
    return (jnp.sum(missed**2) + alone + together * as_one) / 4.0


def of_all_labels(learner, features, truth, off, share, noise, together):
    """The same from fits to all choices of the samples whose labels are bad, and to the noise of each."""
    bad = (features @ off)[:, None] * BAD.T
    labels = jnp.hstack([(features @ truth)[:, None] + bad, jnp.eye(4)])
    predictions = features @ learner.fit(Linear(features, labels))
    errors = jnp.sum((predictions[:, :16] - (features @ truth)[:, None]) ** 2, 0)
    chance = jnp.prod(jnp.where(BAD == 1, share, 1.0 - share), 1)
    whole = jnp.where(jnp.all(BAD == 1, 1), share, 0.0) + jnp.where(jnp.all(BAD == 0, 1), 1.0 - share, 0.0)
    chance = (1.0 - together) * chance + together * whole
    return (chance @ errors + noise * jnp.sum(predictions[:, 16:] ** 2)) / 4.0


@claim(
    source="own; the collapse is of Dohmatob, Feng, Subramonian & Kempe 2024, as recalled",
    standing="proved",
    spectrum=several(2, positive(0.3, 3.0, tame=(0.3, 3.0))),
    time=positive(0.1, 100.0, tame=(0.3, 10.0)),
    truth=several(2, uniform(-2.0, 2.0)),
    off=several(2, uniform(0.3, 2.0)),
    good=positive(1e-5, 0.95, tame=(1e-5, 0.95)),
    noise=positive(1e-6, 2.0, tame=(1e-6, 2.0)),
    together=usually(0.0, uniform(0.3, 1.0)),
    domain=dict(share=lambda good: (good >= 0) & (good < 1)),
    hypotheses=dict(independent=lambda together: together == 0.0),
)
def bad_labels_are_another_truth_and_noise(run, spectrum, time, truth, off, good, noise, together):
    """A share q of labels of a fixed bad model, b + D, acts as the truth b + qD and noise σ² + q(1 - q)(x·D)²: with
    all the data one may want, least squares leaves q²DᵀΣD, for any q > 0.

    Expected error on the training inputs, exact for every filter φ: |X(φ(b + qD) - b)|²/N + Σ (H²)_ii (σ² + q(1 -
    q)(x_i·D)²)/N with H = Σ φ u uᵀ, where each label is bad with the probability q, independently. Least squares never
    has less than q²|XD|²/N, however many samples there are. (Four samples, two parameters, gradient flow; q = 1 -
    `good`, D = `off`.)

    Proof. The labels' mean is X(b + qD), their covariance diagonal with those entries, and the fit is linear in them;
    HX = X for least squares.
    """
    share, features = 1.0 - good, 2.0 * ROWS * jnp.sqrt(spectrum)
    flow, arrived = GradientFlow(time), GradientDescent(1.0 / spectrum, 2)
    given = features, truth, off, share, noise, together
    lane = lambda learner: face(
        run, lambda: of_moments(run(learner, spectrum).learnt, *given), lambda: of_all_labels(learner, *given)
    )()
    φ = 1.0 - jnp.exp(-spectrum * time)
    direct = (
        jnp.sum(spectrum * (φ * (truth + share * off) - truth) ** 2)
        + (noise * jnp.sum(φ**2) + share * (1.0 - share) * jnp.sum((ROWS**2 @ φ**2) * (features @ off) ** 2)) / 4.0
    )
    size = jnp.sum(spectrum * (jnp.abs(truth) + jnp.abs(off)) ** 2) + noise
    plateau = share**2 * jnp.sum(spectrum * off**2)
    return both(
        same(lane(flow), direct, allowed(run) * size, size),
        exceeds(lane(arrived), plateau, rounded(run) * size, plateau),
    )
