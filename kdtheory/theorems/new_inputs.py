"""New inputs: which learner is best on them, and what of their error the training data tell.

Exact at every size: for given inputs, in the mean over signals and noise.
"""

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    claim,
    exceeds,
    face,
    positive,
    same,
    several,
    uniform,
    usually,
)
from kdtheory.learners import GradientFlow, Ridge, distill
from kdtheory.measures.early_stopping import best_clock
from kdtheory.problems import Linear
from kdtheory.theorems._words import allowed, rounded, spaced

SAMPLES = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 2)))[0]


def population(angle, ratio):
    """The covariance of inputs whose main axis is turned by an angle against the sample's, and the sample's share."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    axes = jnp.stack([jnp.stack([c, s]), jnp.stack([-s, c])])
    return (axes.T * jnp.stack([jnp.ones_like(ratio), ratio])) @ axes


def error_of(run, learner, spectrum, covariance, noise, added):
    """Expected error on new inputs, over signals of unit variance along each direction and noise, for given inputs.

    `noise` is σ²/N; to the signals is `added` one, of either sign.
    """
    signals = jnp.eye(2) + jnp.outer(added, added)

    def formula():
        seen = run(learner, spectrum)
        missed = seen.residual[:, None] * signals * seen.residual
        variances = jnp.diag(covariance) @ (noise * seen.learnt**2 / spectrum)
        return jnp.sum(covariance * missed) + variances

    def algorithm():
        features = np.sqrt(len(SAMPLES)) * SAMPLES * jnp.sqrt(spectrum)
        truth = jnp.stack([jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), added], axis=1)
        w = learner.fit(Linear(features, jnp.hstack([features @ truth, jnp.eye(len(SAMPLES))])))
        off = w - jnp.hstack([truth, jnp.zeros((2, len(SAMPLES)))])
        squares = jnp.sum(off * (covariance @ off), axis=0)
        return jnp.sum(squares[:3]) + len(SAMPLES) * noise * jnp.sum(squares[3:])

    return face(run, formula, algorithm)()


def best_time(weights, signal, noise, spectrum):
    """The time at which flow has the least Σ weights (signal (1 - h)² + noise h²), and by how much it may miss it.

    It is between those that are best along single directions; a search finds it, and Newton's method its digits.
    """
    ideal = jnp.log1p(signal / noise) / spectrum

    def slopes(u):
        """Half the first two derivatives by the log of the time."""
        x = spectrum * jnp.exp(u)
        left = jnp.exp(-x)
        pull, rate = noise * (1.0 - left) - signal * left, x * left
        bent = (signal + noise) * rate**2 + pull * (1.0 - x) * rate
        return jnp.sum(weights * pull * rate), jnp.sum(weights * bent)

    def error(time):
        left = jnp.exp(-spectrum * time)
        return jnp.sum(weights * (signal * left**2 + noise * (1.0 - left) ** 2))

    u = jnp.log(best_clock(error, jnp.min(ideal), jnp.max(ideal)))
    for _ in range(4):
        slope, bent = slopes(u)
        u = u - jnp.where(bent > 0.0, slope / bent, 0.0)
    slope, bent = slopes(u)
    return jnp.exp(u), 2.0 * slope**2 / jnp.where(bent > 0.0, bent, 0.0)


inputs = dict(
    spectrum=several(2, positive(0.1, 3.0, tame=(0.3, 3.0))),
    angle=uniform(0.2, 1.4),
    ratio=positive(0.05, 1.0, tame=(0.05, 1.0)),
    noise=positive(0.02, 2.0, tame=(0.05, 1.0)),
)


@claim(
    source="own; for ridge against ridge, Dobriban & Wager 2018, as recalled",
    standing="proved",
    **inputs,
    teacher=positive(0.05, 10.0, tame=(0.1, 5.0)),
    weight=uniform(-2.0, 2.0),
    near=positive(1e-4, 1.0, tame=(1e-4, 1.0)),
    alike=usually(0.0, uniform(0.5, 3.0)),
    domain=dict(taught=lambda weight: jnp.abs(weight) - 1e-2),
    hypotheses=dict(isotropic_signal=lambda alike: alike == 0.0),
)
def ridge_is_best_on_new_inputs(run, spectrum, angle, ratio, noise, teacher, weight, near, alike):
    """For an isotropic signal no filter has less error on new inputs than ridge with the penalty σ²/(Nθ²), on any
    training inputs, whatever the population.

    In the mean over signals of variance θ² in every direction, here one, and noise. Judged are students of a ridge
    teacher with weights near zero; the population's axes are turned against those of the sample. (The dropped
    hypothesis adds a signal that is `alike` along both directions.)

    Proof. With v_k, λ_k of the sample, the error of a filter φ is Σ v_kᵀΣv_k (θ²(1 - φ)² + σ²φ²/(Nλ)), since other
    products of the signal's components vanish in the mean. Each direction is at its best at φ = λ/(λ + σ²/(Nθ²)).
    """
    covariance = population(angle, ratio)
    of = lambda learner: error_of(run, learner, spectrum, covariance, noise, jnp.sqrt(alike) * jnp.ones(2))
    best = of(Ridge(noise))
    student = of(distill(Ridge(teacher), Ridge(noise), near * weight))
    return exceeds(student, best, rounded(run) * student)


@claim(
    source="own",
    standing="proved",
    **inputs,
    reach=positive(0.3, 100.0, tame=(0.3, 100.0)),
    other=uniform(-0.9, 0.9),
    near=positive(1e-3, 1.0, tame=(1e-3, 1.0)),
    steep=usually(0.0, uniform(5.0, 50.0)),
    domain=dict(distinct=lambda spectrum: jnp.max(spectrum) / jnp.min(spectrum) - 1.1),
    hypotheses=dict(isotropic_signal=lambda steep: steep == 0.0),
)
def isotropic_signal_gains_nothing_on_new_inputs(run, spectrum, angle, ratio, noise, reach, other, near, steep):
    """For an isotropic signal no student of gradient flow, taught by its teacher's outputs alone, has less error on new
    inputs than flow that is stopped at its best.

    As in `ridge_is_best_on_new_inputs`, for two distinct eigenvalues and any two times: `reach` times the best one for
    the teacher, and one `near` it for the student. With more signal along the larger eigenvalue, `steep` times as much
    in addition, students gain.

    Proof. That of `flatter_ideal_gains_nothing_from_distillation`, whose weights may be any: here they are v_kᵀΣv_k (θ²
    + σ²/(Nλ)), and the ideal filter is ridge's, less steep than every flow that crosses it.
    """
    covariance = population(angle, ratio)
    added = jnp.sqrt(steep) * jnp.where(spectrum == jnp.max(spectrum), 1.0, 0.0)
    of = lambda learner: error_of(run, learner, spectrum, covariance, noise, added)
    clock, excess = best_time(jnp.diag(covariance), 1.0 + added**2, noise / spectrum, spectrum)
    best = of(GradientFlow(clock))
    student = of(distill(GradientFlow(reach * clock), GradientFlow((1.0 + near * other) * clock)))
    return exceeds(student, best, rounded(run) * student + excess)


@claim(
    source="own; Patil, Wu & Tibshirani 2024 for what plain cross-validation misses, as recalled",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, uniform(0.1, 0.8)),
    labels=several(3, positive(0.1, 3.0, tame=(0.1, 3.0))),
    penalty=positive(0.01, 10.0, tame=(0.1, 3.0)),
    weight=usually(0.0, uniform(0.3, 1.5)),
    hypotheses=dict(ridge=lambda weight: weight == 0.0),
)
def estimate_is_cross_validation_for_ridge(run, lead, gaps, labels, penalty, weight):
    """The test error that `measures.estimated_risk` reads off the training data is generalised cross-validation for
    ridge, and is in general another number for its students.

    Cross-validation is (1/N) Σ r² y²/(1 - Σφ/N)², the estimate (1/N) Σ ψ² y² with ψ(λ) = Σ_j ν_j r(ζ_j)/(λ - ζ_j), ζ_j
    the zeros of m(z) = (1/N) Σ 1/(λ_k - z) and zero, ν_j = 1/(ζ_j m′(ζ_j)), 1/m(0) at zero, where r is one. Any
    eigenvalues, positive; judged with three.

    Proof. For a penalty c, 1/(z m(z)) has its poles at the ζ_j and zero, so that Σ_j ν_j/((ζ_j + c)(λ - ζ_j)) is, by
    partial fractions, -1/((λ + c)(-c) m(-c)) where m(λ) has a pole. So ψ = r/(c m(-c)), and c m(-c) = 1 - Σφ/N.
    """
    λ = spaced(lead, gaps)
    first, second = jnp.sum(λ), λ[0] * λ[1] + λ[0] * λ[2] + λ[1] * λ[2]
    root = jnp.sqrt(first**2 - 3.0 * second)
    ζ = jnp.stack([(first + root) / 3.0, second / (first + root)])
    ν = 3.0 / (ζ * jnp.sum((λ[:, None] - ζ) ** -2, axis=0))
    learner = distill(Ridge(penalty), Ridge(penalty), weight)
    seen = run(learner, jnp.concatenate([λ, ζ]))
    ψ = 3.0 / jnp.sum(1.0 / λ) / λ + jnp.sum(ν * seen.residual[3:] / (λ[:, None] - ζ), axis=1)
    told = jnp.sum(ψ**2 * labels**2) / 3.0
    left = seen.residual[:3]
    plain = jnp.sum(left**2 * labels**2) / 3.0 / (jnp.sum(left) / 3.0) ** 2
    size = jnp.sum(labels**2) * (1.0 + jnp.sum(jnp.abs(ν / (λ[:, None] - ζ)))) ** 2 * (1.0 + 1.0 / jnp.sum(left) ** 2)
    return same(told, plain, allowed(run) * size, size)
