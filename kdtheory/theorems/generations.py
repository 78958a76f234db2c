"""Models trained on models: what becomes of the error when each generation is taught by the one before.

Expectations over data are exact: in theory by moments, in practice over all data sets that there are, for few samples,
or over those of a quadrature, for Gaussian ones. Of N Gaussian rows a fit sees XᵀX, and Xᵀe of labels: X is L of the
Bartlett decomposition XᵀX = LᵀL, of which a fit needs no more rows than parameters, and noise is a column for each row.
In the limit of many samples and directions data have the spectrum of the limit, at the nodes of a quadrature.
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
from kdtheory.theorems._words import METHODS, allowed, rounded, started, turn, zero_start

STEPS = np.arange(-16.0, 8.0, 0.5)  # of the logarithm, in its standard deviations
NORMAL = np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])  # with weights 1/6, 2/3 and 1/6


def chi_square(freedom):
    """Values of χ² of so many degrees of freedom, at least twelve, and their weights: sums are its means to 1e-12."""
    log = jnp.log(freedom) + STEPS * jnp.sqrt(2.0 / freedom)
    weight = freedom / 2.0 * (log - jnp.log(freedom)) - (jnp.exp(log) - freedom) / 2.0
    weight = jnp.exp(weight - jnp.max(weight))
    return jnp.exp(log), weight / jnp.sum(weight)


def two_columns(samples):
    """L (D, 2, 2) and weights (D,) of data sets of so many Gaussian rows of two features."""
    first, second = chi_square(samples), chi_square(samples - 1.0)
    a, c, n = (each.ravel() for each in jnp.meshgrid(first[0], second[0], NORMAL, indexing="ij"))
    weights = (first[1][:, None, None] * second[1][:, None] * np.array([1.0, 4.0, 1.0]) / 6.0).ravel()
    return jnp.stack([jnp.stack([jnp.sqrt(a), n], -1), jnp.stack([0.0 * a, jnp.sqrt(c)], -1)], -2), weights


def least_squares(features, targets):
    """The fit of one or two features by gradient descent, whose steps are the inverse eigenvalues: it has arrived."""
    gram = features.T @ features / len(features) if features.shape[0] >= features.shape[1] else None
    gram = features @ features.T / len(features) if gram is None else gram
    if len(gram) == 1:
        inverse = 1.0 / gram[0]
    else:
        middle, half = (gram[0, 0] + gram[1, 1]) / 2.0, (gram[0, 0] - gram[1, 1]) / 2.0
        top = middle + jnp.sqrt(half**2 + gram[0, 1] ** 2)
        inverse = jnp.stack([1.0 / top, top / (gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2)])
    return GradientDescent(inverse, len(gram)).fit(Linear(features, targets))


# Least squares.


def inverse(rows, parameters, alike):
    """E tr (XᵀX)⁻¹ of one or two features, by E 1/χ² of each degree of freedom."""
    one = lambda k: 1.0 / (k - 2.0)
    scattered = one(rows) if parameters == 1 else one(rows - 1.0) + one(rows) + one(rows) * one(rows - 1.0)
    return (1.0 - alike) * scattered + alike * parameters / rows


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
    hypotheses=dict(gaussian=lambda alike: alike == 0.0),
)
def iterating_helps_where_noise_exceeds_signal(run, scheme, signal, apart, side, alike):
    """Least squares of minimum norm, N < P isotropic Gaussian features and fresh inputs: with noise on the first labels
    alone each generation is better than the one before iff σ²P/(P - N - 1) > |w*|², and else each is worse.

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
    exact = [same(seen[m], law[m], allowed(run) * signal, signal) for m in range(3)]
    if scheme == "always":
        return both(*exact)
    better = jnp.where(side > 0, 1.0, -1.0) * (seen[0] - seen[1])
    return both(*exact, exceeds(better, 0.0, rounded(run) * signal, e * signal))


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
    product and the variances of the products from each generation on; those stay below φ²/(1 - φ²).

    In-sample, after m generations: Σ λθ²(1 - ψ_1)² + σ²/N Σ_j Σ ψ_j², ψ_j = Π φ_i over i >= j; φ is the largest of the
    filters. For least squares it grows like m; with filters below one the variance is bounded, and what is lost is
    the truth. Three generations, `noise` σ²/N, any learners. (Of the noise a part may be `repeated` each time.)

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
    hypotheses=dict(independent=lambda together: together == 0.0),
)
def bad_labels_are_another_truth_and_noise(run, spectrum, time, truth, off, good, noise, together):
    """A share q of labels of a fixed bad model, b + D, acts as the truth b + qD and noise σ² + q(1 - q)(x·D)²: with
    all the data one may want q²DᵀΣD is left, for any q > 0.

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


# Hard labels.

MODES = 32  # of the spectrum of the features across a plane
GRID = np.polynomial.legendre.leggauss(48)


def beyond(M):
    """(Φ(M) - ½)/φ(M) - M = M³/3 + M⁵/15 + ..., over the odd numbers' products: by how much signs lean to the truth."""
    total = 1.0
    for odd in range(69, 3, -2):
        total = 1.0 + M**2 / odd * total
    return M**3 / 3.0 * total


def taught(cosine, separation, ratio, penalty, known):
    """The cosines from the truth of ridge students of outputs and of signs, (2,), by what the features across do."""
    c, γ, μ, across = penalty, ratio, separation, jnp.sqrt(1.0 - cosine**2)
    top = (1.0 + jnp.sqrt(γ)) ** 2
    κ = (c + γ - 1.0 + jnp.sqrt((c + γ - 1.0) ** 2 + 4.0 * c)) / 2.0
    plane = c / ((1.0 - known) * c / κ + known * c / (c + top))  # the penalty that the plane is fitted with
    variance = (1.0 - known) * γ / ((1.0 + κ) ** 2 - γ) + known * top / (c + top) ** 2  # across it, of unit noise
    s, M = jnp.stack([1.0 + μ**2, jnp.ones_like(cosine)]), μ * cosine
    φ = jnp.exp(-(M**2) / 2.0) / np.sqrt(2.0 * np.pi)
    of_signs = 2.0 * φ * jnp.stack([μ * (M + beyond(M)) + cosine, across]) / s

    def student(b, noise):
        w, left = s / (s + plane) * b, plane / (s + plane) * b
        return w[0] / jnp.sqrt(jnp.sum(w**2) + variance * (noise + jnp.sum(s * left**2)))

    return jnp.stack([student(jnp.stack([cosine, across]), 0.0), student(of_signs, 1.0 - jnp.sum(s * of_signs**2))])


def two_classes(teacher, separation):
    """Inputs in the plane of truth and teacher, times their class, (n, 2), of a grid along the teacher, and weights."""
    other = jnp.stack([-teacher[1], teacher[0]])
    along, across = separation * teacher[0], separation * other[0]
    nodes, weights = (GRID[0] + 1.0) / 2.0, GRID[1] / 2.0
    ends = jnp.stack([along + 9.0, along - 9.0])[:, None]  # on either side of where the sign changes
    u, du = (ends * nodes).ravel(), (jnp.abs(ends) * weights).ravel()
    chance = du * jnp.exp(-((u - along) ** 2) / 2.0) / np.sqrt(2.0 * np.pi)
    rows = jnp.concatenate([jnp.outer(u, teacher) + (across + g) * other for g in (1.0, -1.0)])
    return rows, jnp.tile(chance / 2.0, 2)


def trained(cosine, separation, ratio, penalty, known):
    """The same by ridge on such inputs, spread over the features across as over their spectrum, Marchenko and Pastur's.

    Along each eigendirection of these, of eigenvalue λ and share ν(λ) of all the samples, inputs are alike, and each
    has a feature √λ of its own; three inputs, by a QR decomposition, have the products of all.
    """
    teacher = jnp.stack([cosine, jnp.sqrt(1.0 - cosine**2)])
    rows, chance = two_classes(teacher, separation)
    signs = jnp.sign(rows @ teacher)
    few = jnp.linalg.qr(jnp.sqrt(chance)[:, None] * jnp.hstack([rows, signs[:, None]]), mode="r")
    few = jnp.hstack([few[:, :2], few[:, :2] @ teacher[:, None], few[:, 2:]])
    θ = np.pi * np.arange(1, MODES + 1) / (MODES + 1)
    λ = 1.0 + ratio + 2.0 * jnp.sqrt(ratio) * np.cos(θ)
    ν = 2.0 * ratio * np.sin(θ) ** 2 / (λ * (MODES + 1))
    λ = jnp.concatenate([λ, jnp.stack([0.0 * ratio, (1.0 + jnp.sqrt(ratio)) ** 2])])
    ν = jnp.concatenate([(1.0 - known) * ν, jnp.stack([(1.0 - known) * (1.0 - jnp.sum(ν)), known])])
    table = np.sqrt(3.0 * len(λ)) * jnp.kron(jnp.sqrt(jnp.maximum(ν, 0.0))[:, None], few)
    across = np.sqrt(3.0 * len(λ)) * jnp.diag(jnp.repeat(jnp.sqrt(λ), 3))
    w = Ridge(penalty).fit(Linear(jnp.hstack([table[:, :2], across]), table[:, 2:]))
    return w[0] / jnp.sqrt(jnp.sum(w**2, 0))


def of_signs(cosine, separation):
    """δ by which the regression of signs leans to the truth, and their noise, both over 2φ(M)."""
    M, s = separation * cosine, 1.0 + separation**2
    δ = separation * beyond(M) / s
    return δ, np.pi / 2.0 * jnp.exp(M**2) - s * (cosine + δ) ** 2 - (1.0 - cosine**2)


def about_critical(cosine, separation, effective, apart, side):
    """R, `apart` from the critical ratio, and the P/N where it is."""
    δ, noise = of_signs(cosine, separation)
    R = (1.0 - cosine**2) * (δ / cosine) * (2.0 + δ / cosine) / noise * (1.0 - jnp.sign(side) * apart)
    return R, R / (1.0 + R * (1.0 - effective) / (1.0 + effective))


def resolved(cosine, separation, effective, apart, side):
    """Whether there are such data, and MODES tell them: the quadrature is off by (P/N/(1 + κ)²)^MODES."""
    ratio = about_critical(cosine, separation, effective, apart, side)[1]
    return jnp.where(ratio > 0.0, jnp.minimum(1.0 + effective, (1.0 + effective) ** 2 / 2.3) - ratio, -1.0)


@claim(
    source="own",
    standing="proved",
    cosine=uniform(-0.95, 0.95),
    separation=positive(0.3, 3.0, tame=(0.5, 2.5)),
    effective=positive(0.1, 10.0, tame=(0.1, 10.0)),
    apart=positive(1e-5, 0.5, tame=(1e-4, 0.5)),
    side=uniform(-1.0, 1.0),
    known=usually(0.0, uniform(0.1, 0.9)),
    domain=dict(told=lambda cosine: jnp.abs(cosine) - 0.05, resolved=resolved),
    hypotheses=dict(better_than_chance=lambda cosine: cosine, fresh=lambda known: known == 0.0),
)
def hard_labels_help_where_samples_suffice(run, cosine, separation, effective, apart, side, known):
    """On fresh inputs of two classes a student of its teacher's signs is more accurate than one of its outputs iff P/N
    is small enough: signs point closer to the truth, and their rounding is noise.

    Ridge, N samples and P directions as both grow; classes ±μ + z, z standard normal; a teacher w at the cosine ρ > 0
    from μ, of the accuracy Φ(M), M = |μ|ρ. With all the samples one may want its outputs teach w, and its signs the
    direction w/|w| + dμ/(1 + |μ|²), d = (Φ(M) - ½)/φ(M) - M > 0. With δ = d|μ|/(1 + |μ|²) and σ² = 1/(4φ(M)²) - (1 +
    |μ|²)(ρ + δ)² - (1 - ρ²), their noise, signs are better iff R < (1 - ρ²)((1 + δ/ρ)² - 1)/σ². R is P/(N - P(1 - κ)/(1
    + κ)), with κ = c + κ(P/N)/(1 + κ), the effective penalty. From one generation to the next 1/ρ² - 1 becomes
    nκ²/(1 + |μ|²) + (n/R)(1 + κ/(1 + |μ|²))²(1 - ρ² + Rσ²)/(ρ + δ)², n = P/(N(1 + κ)² - P), where of outputs δ = σ = 0.
    (Of inputs that are not fresh a share, which the teacher has `known`, lies along the largest eigendirection.)

    Proof. Times their class inputs are normal about μ, E x sign(x·w) = (2Φ(M) - 1)μ + 2φ(M)w/|w|, and the regression of
    signs is (1 + μμᵀ)⁻¹ times that. Features across the plane of μ and w are independent of it and of the labels, so
    that products with the resolvent of their XXᵀ/N are its trace c/κ times those without: the plane is fitted with the
    penalty κ, and across it |w|² is n times the mean square of what that leaves of the labels.
    """
    s, κ, (δ, σ2) = 1.0 + separation**2, effective, of_signs(cosine, separation)
    R, ratio = about_critical(cosine, separation, effective, apart, side)
    penalty = κ * (1.0 - ratio / (1.0 + κ))
    n = ratio / ((1.0 + κ) ** 2 - ratio)

    def law(cosine, δ=0.0, σ2=0.0):
        left = n * κ**2 / s + n / R * (1.0 + κ / s) ** 2 * (1.0 - cosine**2 + R * σ2) / (cosine + δ) ** 2
        return jnp.sign(cosine) / jnp.sqrt(1.0 + left)

    students = lambda cosine: face(run, taught, trained)(cosine, separation, ratio, penalty, known)
    soft, hard = students(cosine)
    once, again = law(cosine, δ, σ2), students(hard)[1]
    better = jnp.where(side > 0, hard - soft, soft - hard)
    error = lambda law: 4.0 * allowed(run) * jnp.abs(law)
    return both(
        same(soft, law(cosine), error(soft)),
        same(hard, once, error(once)),
        same(again, law(once, *of_signs(once, separation)), error(once)),
        exceeds(better, 0.0, 4.0 * rounded(run) * jnp.abs(hard), jnp.abs(hard)),
    )


# Two sets of features.


def data_sets(samples, features, alike):
    """L and weights of data sets of one or two Gaussian features; a share has orthogonal ones, all alike."""
    if features == 1:
        squares, weights = chi_square(samples)
        some = jnp.sqrt(squares)[:, None, None]
    else:
        some, weights = two_columns(samples)
    even = jnp.sqrt(samples) * jnp.eye(features)[None]
    return jnp.concatenate([some, even]), jnp.append((1.0 - alike) * weights, alike)


def two_fits(own, axes, truth, labelled, fresh, noise, blur, alike):
    """The errors of teacher and student, from the moments of their fits: the teacher has the first 3 - `own` axes."""
    shown = 3 - own
    sees = np.diag([1.0] * shown + [0.0] * own)
    taught = sees @ truth
    lacks = jnp.sum((truth - taught) ** 2)
    spread = (lacks + noise) * inverse(labelled, shown, alike)
    second = jnp.outer(taught, taught) + spread / shown * sees
    learnt = axes @ second @ axes.T
    student = jnp.trace(learnt) + (jnp.trace(second - axes.T @ learnt @ axes) + blur) * inverse(fresh, own, alike)
    return lacks + spread, student - 2.0 * (axes @ taught) @ (axes @ truth) + truth @ truth


def two_runs(own, axes, truth, labelled, fresh, noise, blur, alike):
    """The same from fits to data, with a column for each row of what labels have and the features do not show."""

    def fitted(samples, axes, mean, root, unseen):
        """Mean and second moment of the parameters, in all three directions, from those of the labels'."""

        def fit(X):
            labels = X @ axes @ jnp.column_stack([mean, root])
            w = axes.T @ least_squares(X, jnp.hstack([labels, jnp.sqrt(unseen) * jnp.eye(len(X))]))
            return w[:, 0], w[:, 1:] @ w[:, 1:].T

        features, weights = data_sets(samples, len(axes), alike)
        return [jnp.tensordot(weights, each, 1) for each in jax.vmap(fit)(features)]

    error = lambda mean, second: jnp.trace(second) - 2.0 * mean @ truth + truth @ truth
    sees = np.eye(3)[: 3 - own]
    unseen = lambda axes, second: jnp.trace(second) - jnp.trace(axes @ second @ axes.T)
    mean, second = fitted(labelled, sees, truth, truth, unseen(sees, jnp.outer(truth, truth)) + noise)
    root = sees.T @ jnp.linalg.cholesky(sees @ second @ sees.T)
    return error(mean, second), error(*fitted(fresh, axes, mean, root, unseen(axes, second) + blur))


@claim(
    source="own, exact; the virtue is of Dong, Li, Li, Lee & Lei 2025, as recalled",
    standing="proved",
    own=among(1, 2),
    angles=several(3, uniform(0.2, 1.3)),
    way=uniform(-1.5, 1.5),
    labelled=positive(20.0, 1e4, tame=(20.0, 100.0)),
    fresh=positive(20.0, 1e4, tame=(20.0, 100.0)),
    noise=positive(0.1, 10.0),
    lacking=positive(0.01, 1.0, tame=(0.1, 1.0)),
    apart=positive(1e-5, 0.9, tame=(1e-5, 0.9)),
    side=uniform(-1.0, 1.0),
    blur=usually(0.0, uniform(0.3, 1.0)),
    alike=usually(0.0, uniform(0.2, 1.0)),
    hypotheses=dict(noiseless=lambda blur: blur == 0.0, gaussian=lambda alike: alike == 0.0),
)
def discrepancy_makes_students_better(run, own, angles, way, labelled, fresh, noise, lacking, apart, side, blur, alike):
    """Least squares of other features, on N fresh inputs that a teacher labels, averages out the teacher's variance
    along what they do not share: the student is better as long as what it cannot represent is small enough.

    Gaussian features; W and S the teacher's and the student's linear spaces, of w and s dimensions that overlap in o =
    tr P_S P_W, f the truth, |·|² a mean over inputs. With v = (σ² + |f - P_W f|²)/(n - w - 1), n labels, the teacher's
    expected error is |f - P_W f|² + vw and the student's |f - P_S P_W f|² + vo + s/(N - s - 1) (|P_W f - P_S P_W f|² +
    v(w - o)), exact at every size. Where the student can represent P_W f, and o < w, it is better iff N > 2s + 1,
    however noisy the labels. Judged in three dimensions, w + s = 3; P_W f is `apart` from the size below which the
    student is better. (`blur` is noise on the teacher's labels; a share of data sets has orthogonal features, `alike`.)

    Proof. What Gaussian features do not show of labels is independent of them, noise. So a fit is the projection of the
    labels' function, and scatters about it as noise times (XᵀX)⁻¹, whose mean is 1/(N - s - 1).
    """
    axes, w, s = turn(angles)[:own], 3 - own, own
    one = jnp.stack([jnp.cos(way), jnp.sin(way)])
    none = jnp.zeros(1)
    towards, missed = (jnp.append(one, none), jnp.eye(3)[2]) if w == 2 else (jnp.eye(3)[0], jnp.append(none, one))
    project = lambda f: axes.T @ (axes @ f)
    square = lambda f: jnp.sum(f**2)
    v = (noise + lacking**2) / (labelled - w - 1.0)
    o = jnp.sum(axes[:, :w] ** 2)
    off, along = square(towards - project(towards)), lacking * missed @ project(towards)
    # gain(a) = -off (N - 1) a² + 2 along (N - s - 1) a + v (w - o) (N - 2s - 1), over N - s - 1, for P_W f of size a
    half, free = along * (fresh - s - 1.0), v * (w - o) * (fresh - 2.0 * s - 1.0)
    most = (half + jnp.sqrt(half**2 + off * (fresh - 1.0) * free)) / (off * (fresh - 1.0))
    size = most * (1.0 + jnp.where(side > 0, -apart, apart))
    truth = size * towards + lacking * missed
    teacher, student = face(run, two_fits, two_runs)(own, axes, truth, labelled, fresh, noise, blur, alike)
    left = square(size * (towards - project(towards)))
    law = square(truth - size * project(towards)) + v * o + s / (fresh - s - 1.0) * (left + v * (w - o))
    whole = lacking**2 + v * w + square(truth)
    error = 4.0 * allowed(run) * whole
    return both(
        same(teacher, lacking**2 + v * w, error, whole),
        same(student, law, error, whole),
        exceeds(jnp.where(side > 0, teacher - student, student - teacher), 0.0, 4.0 * rounded(run) * whole, whole),
    )
