"""Soft labels: THEOREMS T8 and T10.3 by their reference values, and on data."""

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import soft_labels
from kdtheory.soft_labels import effective_logit, supervision_complexity


def test_effective_logit(oracle):
    for name, inputs, expected in oracle.theorem("T8", "effective"):
        rho, temperature = inputs["rho"], inputs["temperature"]
        weight = rho / (rho + temperature**2 * (1 - rho))  # Ji & Zhu give the teacher's term the weight ρ/τ
        logit = effective_logit(inputs["teacher_logit"], inputs["label"], weight, temperature)
        assert oracle.agrees(logit, expected["z_eff"]), name


def test_effective_logit_is_the_root():
    """Against mpmath's own root, over temperatures below and above one and logits that saturate."""
    random = np.random.default_rng(0)
    cases = np.stack(
        [
            random.uniform(-40, 40, 30),
            random.integers(0, 2, 30),
            random.uniform(0.02, 1, 30),
            random.uniform(0.3, 9, 30),
        ]
    )
    found = np.asarray(effective_logit(*cases))

    def slope(x, z_T, y, w, τ):
        σ = lambda x: 1 / (1 + mpmath.exp(-x))
        return (1 - w) * (σ(x) - y) + w * τ * (σ(x / τ) - σ(z_T / τ))

    for z, case in zip(found.tolist(), cases.T.tolist(), strict=True):
        with mpmath.workdps(60):
            width, exact = mpmath.mpf(1e-12) * max(1, abs(z)), [mpmath.mpf(x) for x in case]
            assert slope(mpmath.mpf(z) - width, *exact) < 0 < slope(mpmath.mpf(z) + width, *exact)
    assert effective_logit(1.7, 0.0, 1.0, 3.0) == pytest.approx(1.7, rel=1e-15)  # nothing but the teacher


def test_supervision_complexity(oracle):
    ((_, inputs, expected),) = oracle.theorem("T8", "supervision")
    spectrum, labels = jnp.array(inputs["lam"]), jnp.array(inputs["y_coeff"])
    once, twice = (kd.self_distill(kd.GradientFlow(inputs["t"]), fits).filter(spectrum) * labels for fits in (1, 2))
    for targets, name in (labels, "y"), (once, "teacher"), (twice, "two_rounds"):
        complexity = supervision_complexity(spectrum, targets)
        assert oracle.agrees(complexity, expected[f"SC_{name}"])
        assert oracle.agrees(complexity / jnp.sum(targets**2), expected[f"norm_SC_{name}"])


def test_supervision_complexity_is_that_of_the_gram_matrix():
    # v'K⁻¹v from the matrix itself: N times smaller, for its eigenvalues are N times ours
    random = np.random.default_rng(0)
    features = random.standard_normal((5, 5))
    gram, targets = features @ features.T + np.eye(5), random.standard_normal(5)
    λ, u = np.linalg.eigh(gram / 5)
    assert supervision_complexity(λ, u.T @ targets) == pytest.approx(5 * targets @ np.linalg.solve(gram, targets))


def test_variance_reduction(oracle):
    ((_, inputs, expected),) = oracle.theorem("T8", "variance")
    labels = inputs["p_star"]
    found = soft_labels.label_risk(inputs["px"], labels, labels, inputs["loss"])
    assert oracle.agrees(found.risk, expected["risk"])
    assert oracle.agrees(found.hard_variance, expected["var_hard"])
    assert oracle.agrees(found.soft_variance, expected["var_bayes"])
    assert oracle.agrees(found.label_variance, expected["gap"])
    assert found.soft_bias == 0


def test_imperfect_teacher_wins_few_samples_and_loses_many():
    # T8.1: mean squared error = variance/N + bias², exactly; the bias stays
    p, q, losses = jnp.array([[0.6, 0.4], [0.3, 0.7]]), jnp.array([[0.7, 0.3], [0.35, 0.65]]), [[0.0, 2.0], [1.0, 3.0]]
    found = soft_labels.label_risk([0.5, 0.5], p, q, losses)
    error = lambda samples: found.soft_variance / samples + found.soft_bias**2
    assert error(2) < found.hard_variance / 2 and error(1000) > found.hard_variance / 1000
    random = np.random.default_rng(1)
    inputs = random.integers(0, 2, (200_000, 2))
    estimates = np.asarray(jnp.sum(q * jnp.array(losses), axis=1))[inputs].mean(axis=1)
    assert np.mean((estimates - float(found.risk)) ** 2) == pytest.approx(float(error(2)), rel=0.02)


def test_denoising_fits(oracle):
    ((_, inputs, expected),) = oracle.theorem("T10", "denoising")
    ridge = kd.Ridge(inputs["c"])
    fits = soft_labels.denoising_fits(inputs["flip"], ridge, inputs["lam_top"], inputs["lam_small"])
    assert oracle.agrees(fits, expected["m_threshold"])


def test_the_student_denoises_what_its_teacher_repeats():
    # T10.3: p = .2, λ = (10.5, .5), c = .8 on 40 points: 0 % of the flipped labels after one fit, 100 % after two
    members, within = 20, 0.5
    gram = np.kron(np.eye(2), np.full((members, members), within)) + (1 - within) * np.eye(2 * members)
    truth = np.repeat([1.0, -1.0], members)
    flipped = np.tile(np.arange(members) < 4, 2)
    problem = kd.problems.kernel(gram, np.where(flipped, -truth, truth))
    for fits, share in (1, 0.0), (2, 1.0):
        learner = kd.self_distill(kd.Ridge(0.8 / 40), fits)
        told = np.sign(np.asarray(problem.predict(learner.fit(problem)))) == truth
        assert told[flipped].mean() == share and told[~flipped].all()
