"""Mixing weights: the reference values of T4 and T5, brute force, and mpmath."""

import json
import pathlib
import warnings

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures

FOLDER = pathlib.Path(__file__).parent / "reference" / "theorems"


def reference(theorem, names):
    cases = json.loads((FOLDER / f"{theorem}.json").read_text())["cases"]
    return [pytest.param(case["inputs"], case["expected"], id=case["name"]) for case in cases if names(case)]


def exactly(values):
    return np.array([float(mpmath.mpf(value)) for value in np.atleast_1d(values)]).reshape(np.shape(values))


def near(got, wanted, scale=0.0):
    np.testing.assert_allclose(got, exactly(wanted), rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("given, wanted", reference("T4", lambda case: "d" in case["inputs"]))
def test_weights_for_label_noise(given, wanted):
    """T4.1, with the eigenvalues, penalty and noise of the sum loss given as ours: N is one."""
    d, θ, v = jnp.array(given["d"]), jnp.sqrt(jnp.array(given["theta2"])), given["gamma2"]
    ridge = kd.Ridge(given["lam"])
    for error, w in (("estimation", jnp.ones_like(d)), ("prediction", None)):
        best = measures.best_weight(ridge, ridge, d, θ, v, w)
        near(best, wanted[f"xi_star_{error}"], scale=1.0)  # zero where the penalty is v/θ² everywhere
        risks = {
            "teacher": ridge,
            "student_at_xi_star": kd.distill(ridge, ridge, best),
            "student_xi1": kd.distill(ridge, ridge),
        }
        for name, learner in risks.items():
            near(measures.risk(learner, d, θ, v, w).total, wanted[f"risk_{name}_{error}"])
        near(measures.noise_threshold(ridge, ridge, d, θ, 1.0, w), wanted[f"gamma2_threshold_xi_gt_1_{error}"])
        near(
            measures.best_weight(ridge, ridge, d, jnp.zeros_like(d), 1.0, w), wanted[f"xi_limit_infinite_noise_{error}"]
        )


@pytest.mark.parametrize("given, wanted", reference("T4", lambda case: "X" in case["inputs"]))
def test_weight_for_given_data(given, wanted):
    """T4.2: the weight from two fits, and the tangent to the ridge path."""
    problem = kd.problems.linear(given["X"], given["y"])
    c, M, target = given["lam"] / 3, np.array(given["M"]), np.array(given["target"])
    β, tangent = jax.jvp(lambda c: kd.Ridge(c).fit(problem), (c,), (1.0 / 3,))
    near(β, wanted["beta"])
    near(tangent, wanted["dbeta_dlam"])
    distilled = kd.distill(kd.Ridge(c), kd.Ridge(c)).fit(problem)
    best = measures.validated_weight(β, distilled, target, M)
    near(best, wanted["xi_star"])
    risk = lambda b: (b - target) @ M @ (b - target)
    near(risk(β), wanted["R"])
    near(2 * tangent @ M @ (β - target), wanted["dR_dlam"])
    student = kd.distill(kd.Ridge(c), kd.Ridge(c), best).fit(problem)
    np.testing.assert_allclose(student, β + best * given["lam"] * tangent, rtol=1e-12)
    near(risk(β) - risk(student), wanted["gain"])


@pytest.mark.parametrize("given, wanted", reference("T5", lambda case: True))
def test_weights_of_repeated_distillation(given, wanted):
    """T5; the file labels "gap 1e-8" as one whose weights explode: there the rounded weights are reported."""
    spectrum, θ, v = given["rho"], np.sqrt(given["theta2"]), given["gamma2_over_n"]
    ridge = kd.Ridge(given["lam"])
    near(measures.wiener_filter(spectrum, θ, v), wanted["wiener_filter"])
    near(measures.wiener_risk(spectrum, θ, v).total, wanted["wiener"])
    for k in given["ks"]:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            best = measures.best_weights(ridge, k + 1, spectrum, θ, v)
        near(best.least, wanted[f"risk_k{k}"])
        if k:
            near(best.coefficients, wanted[f"xi_bar_k{k}"])
            near(best.weights, wanted[f"xi_k{k}"])
        explodes = max(np.abs(best.weights), default=0.0) > 1e12
        assert explodes == bool(said) == (best.reached > 1.000001 * best.least)
        if not explodes:
            assert best.reached == pytest.approx(best.least, rel=1e-9)


def test_best_ridge_student_may_be_a_limit():
    """T4.3: with signal (1, .05) the infimum is at the edge or beats the best ridge; compared with a grid."""
    spectrum, v = jnp.array([4.0, 1.0]), 0.1
    for signal in (jnp.sqrt(jnp.array([1.0, 0.05])), jnp.sqrt(jnp.array([0.05, 1.0]))):
        total = lambda learner, signal=signal: float(measures.risk(learner, spectrum, signal, v).total)
        best = total(measures.best_ridge_student(spectrum, signal, v))
        c = np.geomspace(1e-7, 1e7, 4001)[:, None]
        s, h = 4.0 / (4.0 + c), 1.0 / (1.0 + c)
        filters = np.concatenate([s, h], 1)
        moved = filters * (1 - filters)
        curvature = np.asarray(spectrum * signal**2 + v)
        wiener = np.asarray(spectrum * signal**2) / curvature
        ξ = np.sum(curvature * moved * (filters - wiener), 1) / np.sum(curvature * moved**2, 1)
        students = filters - ξ[:, None] * moved
        least = np.sum(curvature * (students - wiener) ** 2, 1).min() + np.sum(v * wiener)
        assert best <= least * (1 + 1e-9) and best == pytest.approx(least, rel=1e-5)
        assert best >= np.sum(v * wiener) * (1 - 1e-12)
        assert best <= total(measures.best_stop(kd.Ridge(1.0), spectrum, signal, v)) * (1 + 1e-12)
