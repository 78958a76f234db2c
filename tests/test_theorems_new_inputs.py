"""New inputs: claims against matrices and draws, and the limits that no claim of finite size can state."""

import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import HOLDS, VIOLATED
from kdtheory.theorems import new_inputs

LANES = pytest.mark.parametrize("lane", ["theory", "practice"])
RANDOM = np.random.default_rng(2)


@LANES
def test_the_error_is_that_of_dense_matrices(lane):
    """Of a sample whose axes are not the population's, by resolvents; signals and noise as means of squares."""
    run = kd.claims.theory if lane == "theory" else kd.claims.practice
    λ, Σ = np.array([2.0, 0.5]), np.asarray(new_inputs.population(0.7, 0.3))
    np.testing.assert_allclose(np.linalg.eigvalsh(Σ), [0.3, 1.0])
    S, noise, added = np.diag(λ), 0.4, np.array([0.3, -0.8])
    for penalty in (0.2, 3.0):
        φ = S @ np.linalg.inv(S + penalty * np.eye(2))
        R = np.eye(2) - φ
        expected = np.trace(Σ @ R @ (np.eye(2) + np.outer(added, added)) @ R)
        expected += noise * np.trace(Σ @ φ @ np.linalg.inv(S) @ φ)
        found = new_inputs.error_of(run, kd.Ridge(penalty), λ, Σ, noise, added)
        assert float(found) == pytest.approx(expected, rel=1e-11)


@LANES
def test_a_wrong_penalty_is_not_the_best(lane, monkeypatch, afresh):
    monkeypatch.setattr(new_inputs, "Ridge", lambda penalty: kd.Ridge(1.3 * penalty))
    claim = kd.theorems.ridge_is_best_on_new_inputs
    check = claim.check(0, 256) if lane == "theory" else claim.practice(0, 20)
    assert np.mean(check.verdicts == VIOLATED) > 0.1


def test_the_estimate_of_the_claim_is_that_of_the_measures():
    """Equal for ridge, and of a student what `estimated_risk` says of a problem with such eigenvalues and labels."""
    λ, y = np.array([2.0, 0.8, 0.16]), np.array([1.0, 0.5, 2.0])
    problem = kd.problems.linear(np.sqrt(3) * np.diag(np.sqrt(λ)), y)
    student = kd.distill(kd.Ridge(0.5), kd.Ridge(0.5), 0.8)
    given = dict(lead=2.0, gaps=[0.4, 0.2], labels=y, penalty=0.5)
    claim = kd.theorems.estimate_is_cross_validation_for_ridge
    assert claim.at(weight=0.0, **given).verdict == HOLDS
    apart = claim.at(weight=0.8, **given)
    estimate = kd.measures.new_inputs.estimate(student, problem)
    assert apart.verdict == VIOLATED
    assert -apart.margin == pytest.approx(abs(estimate.risk - estimate.plain).item(), rel=1e-9)


@pytest.mark.parametrize(
    "noise, reach, other, near", [(0.05, 50.0, 1e-6, 0.01), (1e-5, 2.0, -0.5, 0.5), (1e3, 0.5, 0.9, 1.0)]
)
def test_the_best_time_of_flow_has_all_digits(noise, reach, other, near):
    """Against a search in 50 digits; by a time of eight digits the first case was called violated, and certified."""
    λ, Σ = [mpmath.mpf(2), mpmath.mpf("0.2")], np.asarray(new_inputs.population(1.0, 0.1))
    with mpmath.workdps(50):

        def error(*times):
            h = [mpmath.fprod(-mpmath.expm1(-each * t) for t in times) for each in λ]
            return mpmath.fsum(Σ[k, k] * ((1 - h[k]) ** 2 + noise * h[k] ** 2 / λ[k]) for k in range(2))

        grid = [mpmath.mpf(10) ** (mpmath.mpf(n) / 200) for n in range(-1000, 500)]
        start = min(grid, key=error)
        best = mpmath.findroot(lambda t: mpmath.diff(error, t), start)
        margin = error(reach * best, (1 + near * other) * best) - error(best)
    given = dict(spectrum=[2.0, 0.2], angle=1.0, ratio=0.1, noise=noise, reach=reach, other=other, near=near, steep=0.0)
    check = kd.theorems.isotropic_signal_gains_nothing_on_new_inputs.at(**given)
    assert check.verdict == HOLDS and margin > 0
    assert float(check.margin) == pytest.approx(float(margin), rel=1e-6, abs=1e-15)
