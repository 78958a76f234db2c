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
