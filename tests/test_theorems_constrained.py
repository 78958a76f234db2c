"""Self-distillation under a constraint: the reference values of T2 (Mobahi, Farajtabar & Bartlett 2020)."""

import json
import pathlib

import mpmath
import numpy as np
import pytest

from kdtheory import measures

CASES = json.loads((pathlib.Path(__file__).parent / "reference" / "theorems" / "T2.json").read_text())["cases"]
exactly = np.vectorize(lambda value: float(mpmath.mpf(value)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_reference(case):
    given, wanted = case["inputs"], case["expected"]
    d, z, tolerance = np.array(given["d"]), np.array(given["z"]), given["Keps"]
    if wanted["c"] == ["infeasible"]:
        assert np.isnan(measures.constrained_penalty(d, z, tolerance))
        return
    norms, factor = exactly(wanted["r"]), np.ones_like(d)
    for c, r, filtered in zip(exactly(wanted["c"]), norms, wanted["B_rounds"], strict=False):
        np.testing.assert_allclose(np.linalg.norm(factor * z) / np.sqrt(tolerance), r, rtol=1e-12)
        got = measures.constrained_penalty(d, factor * z, tolerance)
        np.testing.assert_allclose(got, c, rtol=1e-12)
        factor = factor * (d / (got + d))
        np.testing.assert_allclose(factor[z != 0], exactly(filtered)[z != 0], rtol=1e-12)
    if len(norms) > wanted["N_noncollapsed_fits"] and given["tmax"] == 200:
        assert measures.constrained_penalty(d, factor * z, tolerance) == np.inf


def test_penalty_is_that_of_a_convex_solver():
    """min |f|² under the constraint, by SLSQP on the values of f: it knows no ridge and no penalty."""
    from scipy.optimize import minimize

    d, z, tolerance = np.array([2.0, 0.7, 0.3]), np.array([1.5, -1.0, 0.8]), 0.5
    constraint = {"type": "ineq", "fun": lambda f: tolerance - np.sum((f - z) ** 2)}
    found = minimize(lambda f: np.sum(f**2 / d), z, method="SLSQP", constraints=[constraint], options={"ftol": 1e-14})
    c = measures.constrained_penalty(d, z, tolerance)
    np.testing.assert_allclose(d / (c + d) * z, found.x, rtol=1e-6)
    assert np.sum((c / (c + d) * z) ** 2) == pytest.approx(tolerance, rel=1e-14)
