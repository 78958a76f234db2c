"""A teacher of other features: the claims against matrices, optimisers and draws, and lies told of them."""

import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import HOLDS, VIOLATED
from kdtheory.theorems import transfer

LANES = pytest.mark.parametrize("lane", ["theory", "practice"])
RANDOM = np.random.default_rng(4)


def test_what_a_student_of_other_features_loses_in_its_teachers_kernel():
    """In its own kernel the quotient rises, in its teacher's it falls from 2 to 1.6105."""
    own, teachers, taught = np.array([[1.0, 0.9], [0.9, 1.0]]), np.diag([2.0, 1.0]), np.array([1.0, 0.0])
    values, vectors = np.linalg.eigh(own)
    f = vectors @ (-np.expm1(-values) * (vectors.T @ taught))
    quotient = lambda kernel, f: f @ kernel @ f / (f @ f)
    assert quotient(teachers, taught) == 2.0 and quotient(teachers, f) == pytest.approx(1.6105, abs=5e-5)
    assert quotient(own, f) > quotient(own, taught)


@LANES
@pytest.mark.parametrize("method", ["flow", "ridge"])
def test_the_three_cases_by_matrices(lane, method):
    """One pair of features each, of which the student's mean over signs is done with plain matrices."""
    a, lead, ratio = 0.4, 1.0, 0.3
    u = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    family = {"flow": lambda x: 1 - (1 - x) ** ratio, "ridge": lambda x: ratio * x / (1 - (1 - ratio) * x)}[method]
    given = dict(method=method, lead=lead, ratio=ratio, first=0.6, angle=a, start=0.0)
    for name, extra, x, φ2 in (
        ("bias_survives_close_features", dict(left=0.2, side=1.0, apart=0.1), 0.8, 0.9 * family(0.6)),
        ("distant_features_reverse_the_bias", dict(progress=0.7, side=1.0, apart=0.1), 0.7, 0.64),
        ("bias_switches_once_between", dict(switch=0.5, side=1.0, apart=0.1), 0.55, family(0.3) / family(0.5)),
        ("bias_switches_once_between", dict(switch=0.5, side=-1.0, apart=0.1), 0.45, family(0.3) / family(0.5)),
    ):
        p, q = np.linalg.solve([[u[0, 0] ** 2, u[1, 0] ** 2], [u[0, 1] ** 2, u[1, 1] ** 2]], [0.6, φ2])
        S = u.T @ np.diag([p, q]) @ u
        g1, g2 = S[0, 0] * x, S[1, 1] * family(x)
        expected = np.log(family(g1) / g2) if max(g2, family(g1)) < 0.5 else np.log((1 - g2) / (1 - family(g1)))
        ahead = name.startswith("distant") or (extra.get("side") == 1.0 and "switch" in extra)
        check = getattr(kd.theorems, name).at(lane, **given, **extra)
        assert check.verdict == HOLDS
        assert check.margin == pytest.approx(-expected if ahead else expected, rel=1e-8), name


@LANES
def test_a_wrong_family_is_seen(lane, monkeypatch, afresh):
    """With the square of C in place of C the switching times are others."""
    right = dict(transfer.POWER)
    monkeypatch.setattr(transfer, "POWER", {k: lambda x, ρ, f=f: f(x, ρ) ** 1.05 for k, f in right.items()})
    claim = kd.theorems.bias_switches_once_between
    check = claim.check(0, 512) if lane == "theory" else claim.practice(0, 20)
    assert np.mean(check.verdicts == VIOLATED) > 0.2
