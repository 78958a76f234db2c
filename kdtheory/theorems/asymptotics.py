"""New inputs in the limit of many samples N and parameters P at a fixed ratio γ = P/N.

For inputs that are white, or white but for one direction, or have four levels. Theory sums over the law of the sample
eigenvalues; practice runs on draws of data, and what is left of the draws and of their size is part of the margin, or
on data whose eigenvalues are those of the limit.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    among,
    both,
    claim,
    exceeds,
    face,
    filters,
    positive,
    same,
    several,
    uniform,
    usually,
)
from kdtheory.learners import GradientFlow, Ridge, distill
from kdtheory.problems import Kernel, Linear
from kdtheory.theorems._words import METHODS, allowed, chain, rounded

ANGLES = np.arange(1, 64) * np.pi / 64  # a sum over them is the integral to 2^-64 for γ <= 1/2 and γ >= 2
RANDOM = np.random.default_rng(0)
# draws, by γ; larger solves are given to threads, whose work they are too small for
WHITE = {0.5: RANDOM.standard_normal((40, 40, 20)), 2.0: RANDOM.standard_normal((40, 20, 40))}


def bulk(ratio):
    """Sample eigenvalues of white inputs, and the share of N that each has, together min(1, γ)."""
    λ = 1.0 + ratio + 2.0 * jnp.sqrt(ratio) * np.cos(ANGLES)
    return λ, 2.0 * ratio * np.sin(ANGLES) ** 2 / (len(ANGLES) + 1) / λ


def fitted(learner, features):
    """Parameters (P, N) for each label alone, from the smaller of the two squares."""
    labels = jnp.eye(len(features))
    if len(features) >= features.shape[1]:
        return learner.fit(Linear(features, labels))
    return features.T @ learner.fit(Kernel(features @ features.T, labels))


def room(ratio, seen, size):
    """By how much the mean of what is seen on the draws may be off: five standard errors, and 1/N of a size."""
    count, N = WHITE[ratio].shape[:2]
    return 5.0 * jnp.std(seen) / np.sqrt(count) + size / N


# Plain cross-validation.


def in_the_limit(run, learner, ratio):
    """Generalised cross-validation and prediction error, (2, 2), each of a signal |w*|² = 1 and of noise σ² = 1."""
    λ, ν = bulk(ratio)
    seen, inside = run(learner, λ), min(1.0, ratio)
    left, φ = seen.residual, seen.learnt
    free = 1.0 - inside + jnp.sum(ν * left)  # 1 - Σφ/N
    trained = jnp.stack([jnp.sum(ν * λ * left**2) / ratio, 1.0 - inside + jnp.sum(ν * left**2)])
    missed = (jnp.sum(ν * left**2) + max(ratio - 1.0, 0.0)) / ratio
    return jnp.stack([trained / free**2, jnp.stack([missed, 1.0 + jnp.sum(ν * φ**2 / λ)])])


@functools.partial(jax.jit, static_argnames="ratio")
def on_draws(learner, ratio):
    """The same of fits to each of the draws, (draws, 2, 2): exact means over signals and noise."""

    def one(features):
        N, P = features.shape
        w = fitted(learner, features)
        hat, off = features @ w, w @ features - jnp.eye(P)
        free = 1.0 - jnp.trace(hat) / N
        trained = jnp.stack([jnp.sum((features @ off) ** 2) / P, jnp.sum((jnp.eye(N) - hat) ** 2)]) / N
        return jnp.stack([trained / free**2, jnp.stack([jnp.sum(off**2) / P, 1.0 + jnp.sum(w**2)])])

    return jax.lax.map(one, jnp.asarray(WHITE[ratio]))


def cross_validation(run, learner, ratio, weights):
    """Cross-validation less the error, the error, and what draws may have it off by, none in the limit."""
    limit, draws = lambda: in_the_limit(run, learner, ratio)[None], lambda: on_draws(learner, ratio)
    told, error = jnp.moveaxis(face(run, limit, draws)() @ weights, 1, 0)
    size = jnp.mean(error)
    return jnp.mean(told - error), size, face(run, 0.0, room(ratio, told - error, size))


@claim(
    source="Patil, Wu & Tibshirani 2024, for any population, as recalled; this proof own",
    standing="proved",
    lie=0.1,
    ratio=among(0.5, 2.0),
    method=among("ridge", "flow"),
    clock=positive(0.05, 20.0, tame=(0.3, 3.0)),
    power=positive(1e-3, 1e3, tame=(0.1, 10.0)),
    hypotheses=dict(ridge=lambda method: method == "ridge"),
)
def cross_validation_is_right_for_ridge(run, ratio, method, clock, power):
    """In the limit of many samples and parameters generalised cross-validation is the prediction error of ridge; of
    gradient flow it is in general not.

    Of any penalty, signal and noise, σ² = 1 and |w*|² = `power`, for white inputs with γ = P/N parameters to a sample:
    cross-validation is the training error over (1 - Σφ/N)², the error that of a new label. Judged on draws it is so
    within five standard errors and 1/N. Of flow it is off, by any factor where P > N and time is
    long.

    Proof. Let q(c) = 1/κ(c) be the mean of 1/(λ + c) over the N eigenvalues of XXᵀ/N, so that Σφ/N = 1 - c/κ, and
    (Marchenko & Pastur) c = κ - γκ/(1 + κ). Means of λ/(λ + c)² and of c²/(λ + c)² are q + cq′ and -c²q′. Of noise
    cross-validation is then -c²q′ κ²/c² = κ′, and the error 1 + q + cq′ = 1 + 1/κ - cκ′/κ², the same as dc/dκ = 1 -
    γ/(1 + κ)². Of a signal one is κ²(κ′ - 1)/γ, the other (c²κ′/κ² - 1 + γ)/γ, both κ²/((1 + κ)² - γ).
    """
    learner, weights = METHODS[method](clock), jnp.stack([power, jnp.ones_like(power)])
    off, error, left_over = cross_validation(run, learner, ratio, weights)
    in_the_limit, on_draws = (
        same(error + off, error, 8.0 * allowed(run) * error),
        exceeds(left_over, jnp.abs(off), 0.0, error),
    )
    return face(run, in_the_limit, on_draws)


@claim(
    source="own; that it is inconsistent for gradient descent, Patil, Wu & Tibshirani 2024, as recalled",
    standing="conjecture",
    lie=0.1,
    ratio=among(0.5, 2.0),
    fits=among(1, 2),
    times=several(2, positive(0.02, 20.0, tame=(0.1, 3.0))),
    power=usually(0.0, positive(1.0, 100.0, tame=(1.0, 100.0))),
    domain=dict(resolved=lambda times: jnp.minimum(25.0 - jnp.max(times), jnp.min(times) - 1e-3)),  # by the angles
    hypotheses=dict(noise_alone=lambda power: power == 0.0),
)
def cross_validation_overstates_flow_on_noise(run, ratio, fits, times, power):
    """Where labels are noise alone, generalised cross-validation of gradient flow and of its students is above their
    prediction error, in the limit of many samples and parameters.

    For white inputs, at every time: by any factor where P > N and times are long, and by none in the end where P < N;
    ridge's is right. With a signal
    (|w*|² = `power` for σ² = 1) it may be below. Judged on draws with room for five standard errors and 1/N. Not
    so for students that hear the truth as well, whose teachers stopped early.

    No proof: none of 10,000 instances with γ between 1/20 and 20 has failed. With L(t) the mean of e^(-λt) over all N
    eigenvalues of XXᵀ/N it is, for flow, L(2t)/L(t)² > 1 + 2 ∫₀^t (L(u) - L(2u)) du.
    """
    learner = chain([GradientFlow(times[i]) for i in range(fits)])
    off, error, left_over = cross_validation(run, learner, ratio, jnp.stack([power, jnp.ones_like(power)]))
    return exceeds(off + left_over, 0.0, 4.0 * rounded(filters(run)) * error, error)


# A population of four levels, and ridge.


def penalty_of(spectrum, ratio, κ):
    """The penalty c = κ (1 - (1/N) Σ s/(s + κ)) that acts on the population as κ does."""
    return κ * (1.0 - ratio * jnp.mean(spectrum / (spectrum + κ)))


def stationary(spectrum, ratio, tilt, κ):
    """The noise variance for which ridge's error is stationary at κ, and the joint error of ridge at κ and at another
    one, (2,), of the signal and of noise, which is included: Σ κ y s b²/((s + κ)(s + y)) and σ², each over 1 - (1/N) Σ
    s²/((s + κ)(s + y))."""
    b2, w = spectrum**tilt, spectrum / (spectrum + κ)
    signal = lambda y: κ * jnp.mean(w * b2 * y / (spectrum + y))
    left = lambda y: 1.0 - ratio * jnp.mean(w * spectrum / (spectrum + y))
    rise = jnp.mean(w * b2 * spectrum / (spectrum + κ) ** 2) / jnp.mean(w * spectrum / (spectrum + κ) ** 2)
    noise = κ * rise / ratio * left(κ) - signal(κ)
    return noise, lambda y: jnp.stack([signal(y), noise]) / left(y)


@functools.partial(jax.jit, static_argnames="ratio")
def slope_on_draws(spectrum, ratio, tilt, teacher, student, noise):
    """Slope of the error of a ridge student by the weight of its teacher, at zero, on each draw (draws, 2): of the
    signal and of noise."""

    def one(white):
        P = white.shape[1]
        s = jnp.repeat(spectrum, P // len(spectrum))
        features = white * jnp.sqrt(s)
        alone, taught = (fitted(each, features) for each in (Ridge(student), distill(Ridge(teacher), Ridge(student))))
        off, moved, step = alone @ features - jnp.eye(P), taught - alone, (taught - alone) @ features
        return 2.0 * jnp.stack([s @ (off * step) @ s**tilt / P, noise * jnp.sum(s @ (alone * moved))])

    return jax.lax.map(one, jnp.asarray(WHITE[ratio]))


@claim(
    source="own",
    standing="proved",
    lie=0.1,
    ratio=among(0.5, 2.0),
    spectrum=several(4, positive(0.1, 10.0, tame=(0.2, 5.0))),
    tilt=uniform(-2.0, 2.0),
    κ=positive(0.05, 20.0, tame=(0.2, 5.0)),
    under=uniform(0.05, 0.95, tame=(0.1, 0.7)),
    domain=dict(
        distinct=lambda spectrum: jnp.max(spectrum) / jnp.min(spectrum) - 1.1,
        penalty=lambda spectrum, ratio, κ, under: penalty_of(spectrum, ratio, under * κ),
        noise=lambda spectrum, ratio, tilt, κ: stationary(spectrum, ratio, tilt, κ)[0],
        smaller=lambda under: under * (1.0 - under),
    ),
    hypotheses=dict(rising_signal=lambda tilt: tilt),
)
def rising_signal_trusts_teachers_on_new_inputs(run, ratio, spectrum, tilt, κ, under):
    """If the signal rises with the population's eigenvalues, the best ridge fit, where its penalty is positive, has
    less error on new inputs with some weight on a teacher of smaller penalty; if it falls, with a negative weight; if
    it is isotropic, with none.

    In the limit of many samples and parameters, for any population and any true parameters with b² non-decreasing in s,
    not constant: here b² = s^`tilt` and four levels. So at every penalty at which ridge's error is stationary: noise is
    what makes it so at `κ`, the teacher's is `under` times that. The gain is of the first order in the weight. Judged
    on draws with room for five standard errors and 1/N.

    Proof. With a teacher's penalty a and the own one c a weight ξ adds ξa/(c - a) (r_c - r_a) to what is left, so that
    the slope of the error at ξ = 0 is 2a/(c - a) (E(c, c) - E(c, a)), E the mean product of two errors on new inputs.
    With x, y the κ of c and a, and w = s/(s + x), E + σ² is A/D with A(y) = σ² + x Σ w b² y/(s + y) and D(y) = 1 -
    (1/N) Σ w s/(s + y). Its slope by y is (D′/D²) (mD - A), with m(y) = A′/D′, up to a factor Nx the mean of b² with
    weights ws/(s + y)²: these move to larger s as y grows, so that m rises strictly. As (mD - A)′ = m′D, which is
    positive, and mD - A is zero at y = x, by symmetry of E where E(c, c) is stationary, E(c, a) has its least value at
    a = c. A falling signal has its largest there, an isotropic one is constant.
    """
    penalty, teacher = penalty_of(spectrum, ratio, κ), penalty_of(spectrum, ratio, under * κ)
    noise, joint = stationary(spectrum, ratio, tilt, κ)

    factor = 2.0 * teacher / (penalty - teacher)
    draws = lambda: slope_on_draws(spectrum, ratio, tilt, teacher, penalty, noise)
    parts = face(run, lambda: factor * (joint(κ) - joint(under * κ))[None], draws)()
    slope, size = jnp.sum(parts, 1), jnp.sum(jnp.abs(jnp.mean(parts, 0)))
    left_over = face(run, 0.0, room(ratio, slope, size))
    return exceeds(left_over, jnp.mean(slope), 4.0 * rounded(filters(run)) * jnp.abs(factor * jnp.sum(joint(κ))), size)


# A spike: one direction of larger variance.


def beside(spike, ratio):
    """Of a population eigenvalue `spike` beside ones: the outlier ψ that it makes, and the shares of its direction
    along each eigenvector of the bulk, along the outlier's, and in the null space."""
    λ, ν = bulk(ratio)
    above = spike - 1.0
    ψ = spike * (1.0 + ratio / above)
    outlier = jnp.maximum(above**2 - ratio, 0.0) / (above * (above + ratio))  # none below √γ
    return ψ, spike / (above * (ψ - λ)) * ν, outlier, jnp.maximum(ratio - 1.0, 0.0) / (above + ratio)


def by_labels(run, learner, ratio, distance, flipped, stretch):
    """E w₁ and E|w|² of labels as they are: their mean along the samples, and what the flips leave."""
    λ, ν = bulk(ratio)
    spike, mean = stretch + distance**2, 1.0 - 2.0 * flipped
    ψ, inside, outlier, _ = beside(spike, ratio)
    φ = run(learner, jnp.append(λ, ψ)).learnt
    along = (distance**2 * λ / (spike - 1.0) / (ψ - λ) + stretch) / spike * ν  # of the direction of all samples alike
    out = distance**2 * ψ * outlier / spike**2
    first = mean * distance / spike * (jnp.sum(φ[:-1] * inside) + φ[-1] * outlier)
    even = jnp.sum(φ[:-1] ** 2 / λ * along) + φ[-1] ** 2 / ψ * out
    return first, mean**2 * even + 4.0 * flipped * (1.0 - flipped) * jnp.sum(φ[:-1] ** 2 / λ * ν)


@functools.partial(jax.jit, static_argnames="ratio")
def of_clusters(learner, ratio, distance, flipped, stretch):
    """The same of fits to each of the draws (2, draws), with exact means over the flips."""

    def one(z):
        w = fitted(learner, jnp.hstack([distance + jnp.sqrt(stretch) * z[:, :1], z[:, 1:]]))
        mean, even = 1.0 - 2.0 * flipped, jnp.sum(w, axis=1)
        return mean * even[0], mean**2 * jnp.sum(even**2) + 4.0 * flipped * (1.0 - flipped) * jnp.sum(w**2)

    return jnp.stack(jax.lax.map(one, jnp.asarray(WHITE[ratio])))


@claim(
    source="own; of Takanami, Takahashi & Sakata 2025, as recalled, the counterpart for squared loss",
    standing="proved",
    lie=0.1,
    ratio=among(0.5, 2.0),
    beyond=positive(1.5, 10.0, tame=(1.5, 5.0)),
    flipped=uniform(0.0, 0.4),
    teacher=positive(0.05, 10.0, tame=(0.3, 3.0)),
    penalty=positive(0.01, 10.0, tame=(0.1, 3.0)),
    weight=uniform(-1.0, 1.0),
    stretch=usually(1.0, positive(3.0, 10.0, tame=(3.0, 10.0))),
    hypotheses=dict(round=lambda stretch: stretch == 1.0),
)
def flipped_labels_are_noise_of_a_spike(run, ratio, beyond, flipped, teacher, penalty, weight, stretch):
    """Labels of two round clusters ±μ, a share p of them flipped at random: any learner is right on new inputs with the
    probability Φ(|μ| E w₁/√E|w|²), as if it had seen a linear signal along μ and noise.

    In the limit of many samples and parameters, for squared loss, no intercept and labels ±1. Of inputs times their
    true labels μ is a direction of variance 1 + |μ|², and labels are b = (1 - 2p)|μ|/(1 + |μ|²) times the coordinate
    along it, and noise of variance 1 - b²(1 + |μ|²): E w₁ = b Σ φη and E|w|² = b² Σ φ²η + (1 - b²(1 + |μ|²)) Σ φ²ν/λ, η
    of the spike and ν of the bulk. Judged are ridge students of gradient flow, |μ|² being `beyond` times √γ; draws have
    room for five standard errors and 1/N. Clusters stretched along μ have another law.

    Proof. Multiply each row and its label by the true label, which changes no fit. Columns other than the first, a, are
    Gaussian and independent of a and of the labels t. So fits see of a and t their lengths and their angle alone, whose
    limits are |a|²/N = 1 + |μ|², aᵀt/N = (1 - 2p)|μ| and |t|²/N = 1: those of t = ba + noise. A new input is right
    if μᵀw + zᵀw > 0.
    """
    distance = jnp.sqrt(beyond * np.sqrt(ratio))
    learner = distill(GradientFlow(teacher), Ridge(penalty), weight)
    given = ratio, distance, flipped, stretch
    limit = lambda: jnp.stack(by_labels(run, learner, *given))[:, None]
    first, square = face(run, limit, lambda: of_clusters(learner, *given))()
    square = square + (stretch - 1.0) * first**2
    mean, length2 = jnp.mean(first), jnp.mean(square)  # of whose ratio each draw has its part, to first order
    seen = distance / jnp.sqrt(length2) * (first - mean * (square - length2) / (2.0 * length2))

    (λ, ν), spike = bulk(ratio), 1.0 + distance**2
    ψ, inside, outlier, _ = beside(spike, ratio)
    φ, shares = filters(run)(learner, jnp.append(λ, ψ)).learnt, jnp.append(inside, outlier)
    b = (1.0 - 2.0 * flipped) * distance / spike
    square = b**2 * jnp.sum(φ**2 * shares) + (1.0 - b**2 * spike) * jnp.sum(φ[:-1] ** 2 / λ * ν)
    law = distance * b * jnp.sum(φ * shares) / jnp.sqrt(square)
    off, size = jnp.mean(seen) - law, jnp.abs(law)
    in_the_limit, on_draws = (
        same(law + off, law, 16.0 * allowed(run) * size),
        exceeds(room(ratio, seen, size), jnp.abs(off), 0.0, size),
    )
    return face(run, in_the_limit, on_draws)


def law_of_spikes(ratio, spikes):
    """Sample eigenvalues (n + 2,), of the bulk and of two outliers; the bulk's shares of N, and those of the directions
    of the spikes (2, n + 2), with what of these is in the null space (2,)."""
    λ, ν = bulk(ratio)
    ψ, inside, outlier, null = jax.vmap(beside, (0, None))(spikes, ratio)
    shares = jnp.hstack([inside, jnp.eye(2) * outlier])
    return jnp.append(λ, ψ), jnp.append(ν, jnp.zeros(2)), shares, null


def error_and_slope(seen, law, ratio, spikes, strengths, signal, noise):
    """Error on new inputs where signals of such squares are along the spikes, and |w*|² = `signal` is spread over all
    other directions; half its slope by what is left of each eigenvalue, and the size of what that is made of."""
    λ, ν, shares, null = law
    left, φ, per = seen.residual, seen.learnt, signal / ratio
    mean = shares @ left + null  # of what is left, along each spike
    error = jnp.sum(ν * (per * left**2 + noise / λ * φ**2)) + per * jnp.maximum(ratio - 1.0, 0.0)
    error = error + strengths @ (shares @ left**2 + null + (spikes - 1.0) * mean**2)
    pulled = shares.T * strengths
    slope = ν * (per * left - noise / λ * φ) + pulled @ ((spikes - 1.0) * mean) + jnp.sum(pulled, 1) * left
    terms = ν * (per * jnp.abs(left) + noise / λ * jnp.abs(φ)) + jnp.sum(pulled, 1) * jnp.abs(left)
    return error, slope, terms + pulled @ ((spikes - 1.0) * jnp.abs(mean))


def two_poles(ratio, spike, strength, signal, noise):
    """Penalties of teacher and student and the weight of `best_filter_of_a_spike_has_a_negative_penalty`."""
    (λ, _), (ψ, inside, outlier, null) = bulk(ratio), beside(spike, ratio)
    α, per = spike * strength / (spike - 1.0), signal / ratio
    half = (ψ + (α - noise) / per) / 2.0
    root = jnp.sqrt(half**2 + noise * ψ / per)
    pole = jnp.where(half > 0.0, root + half, noise * ψ / per / (root - half))
    student = noise * ψ / per / pole
    divided = lambda f: jnp.sum(f(λ) / below(λ) * inside) + f(ψ) / below(ψ) * outlier + f(0.0) / below(0.0) * null
    below = lambda λ: per * (pole - λ) * (λ + student)
    β = divided(lambda λ: noise * (ψ - λ)) / (1.0 / (spike * strength) + divided(lambda λ: λ))
    return -pole, student, (student - (noise + β) / per) / pole, ψ


def best_weight(run, law, ratio, spikes, strengths, signal, noise, teacher, student):
    """The weight of a ridge teacher at which its ridge student has the least error."""
    λ, ν, shares, _ = law
    step = λ / (λ + student) * teacher / (λ + teacher)  # by which more is left
    _, slope, _ = error_and_slope(filters(run)(Ridge(student), λ), law, ratio, spikes, strengths, signal, noise)
    bent = jnp.sum(ν * (signal / ratio + noise / λ) * step**2)
    bent = bent + strengths @ (shares @ step**2 + (spikes - 1.0) * (shares @ step) ** 2)
    return -jnp.sum(slope * step) / bent


@claim(
    source="own; s steps for s spikes, Lecoiu, Mukherjee & Sur 2026, as recalled",
    standing="proved",
    lie=0.01,
    ratio=positive(0.1, 10.0, tame=(0.2, 5.0)),
    beyond=positive(1.5, 10.0, tame=(1.5, 5.0)),
    strength=positive(0.05, 5.0, tame=(0.1, 3.0)),
    signal=positive(0.1, 10.0, tame=(0.3, 3.0)),
    noise=positive(0.1, 10.0, tame=(0.3, 3.0)),
    penalties=several(2, positive(0.01, 100.0, tame=(0.1, 10.0))),
    other=usually(0.0, positive(0.5, 5.0, tame=(0.5, 3.0))),
    domain=dict(
        resolved=lambda ratio: jnp.abs(jnp.abs(jnp.log2(ratio)) - 4.0) <= 3.0,
        outlier=lambda beyond: (beyond - 1.0) * (100.0 - beyond),
    ),
    hypotheses=dict(one_spike=lambda other: other == 0.0),
)
def best_filter_of_a_spike_has_a_negative_penalty(run, ratio, beyond, strength, signal, noise, penalties, other):
    """One population eigenvalue s with a signal b² beside ones with a signal that is spread evenly: of all filters a
    ridge student of ridge has the least error on new inputs, whose teacher's penalty is negative, below -ψ with ψ the
    outlier; with positive penalties, whatever the weight, none is as good.

    In the limit of many samples, of white inputs but for s = 1 + `beyond` √γ, `beyond` > 1, γ = P/N the `ratio`: ψ =
    s(1 + γ/(s - 1)). It leaves r = (σ²(ψ - λ) - βλ)/(kλ(ψ - λ) + σ²(ψ - λ) + αλ), α = sb²/(s - 1) with b² = `strength`,
    k = `signal`/γ, and β = sb² times the mean of r over the spike's direction. On data of finite size the outlier
    fluctuates, and the pole is near. With a signal along another spike, here at 1 + 2(s - 1), two poles are too few.

    Proof. With ν the law of the bulk and η that of the spike's direction, η = s/((s - 1)(ψ - λ)) ν on the bulk, the
    error is b² (∫r²dη + (s - 1)(∫r dη)²) + k ∫r²dν + σ² ∫(1 - r)²/λ dν: positive definite, so least where its slope by
    r is zero. On the bulk that is r, with the mean of r for a number that is then determined, and on the outlier, which
    has no share of ν, it is -(s - 1) ∫r dη, its limit. The denominator is positive from 0 to ψ and negative beyond
    somewhere: two real roots, one below zero. The residual of a ridge student of ridge is any (cc′ + nλ)/((λ + c)(λ +
    c′)); another one equals r nowhere but at some points.
    """
    spike = 1.0 + beyond * jnp.sqrt(ratio)
    spikes = jnp.stack([spike, 2.0 * spike - 1.0])
    law, strengths = law_of_spikes(ratio, spikes), jnp.stack([strength, other])
    model = ratio, spikes, strengths, signal, noise
    negative, positive_, weight, ψ = two_poles(ratio, spike, strength, signal, noise)
    seen = run(distill(Ridge(negative), Ridge(positive_), weight), law[0])
    best, slope, terms = error_and_slope(seen, law, *model)
    off = jnp.max(jnp.abs(slope) / jnp.where(terms > 0.0, terms, 1.0))
    lost = allowed(run) * (1.0 + jnp.abs(weight)) * (8.0 + ψ / (-negative - ψ))  # next to the pole

    free = best_weight(run, law, *model, *penalties)
    student = run(distill(Ridge(penalties[0]), Ridge(penalties[1]), free), law[0])
    error, *_ = error_and_slope(student, law, *model)
    rounding = 8.0 * (1.0 + jnp.abs(free) + jnp.abs(weight)) * rounded(run) * (error + best)
    return both(same(off, 0.0, lost, 1.0), exceeds(error, best, rounding))
