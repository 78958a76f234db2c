"""A teacher of other features: the claims against matrices, optimisers and draws, and lies told of them."""

import numpy as np
import pytest
from scipy.optimize import minimize

import kdtheory as kd
from kdtheory.claims import HOLDS, VIOLATED
from kdtheory.measures.transfer import weak_to_strong_limit
from kdtheory.theorems import transfer

LANES = pytest.mark.parametrize("lane", ["theory", "practice"])
RANDOM = np.random.default_rng(4)


def test_limits_of_the_reference(oracle):
    rows = oracle.theorem("T12", "limit of")
    assert len(rows) == 6
    for name, given, expected in rows:
        found = weak_to_strong_limit(given["teacher_error"], given.get("students", 1))
        assert oracle.agrees(found, expected["student_error_bound"], 1e-13), name


def reached(angles, θ):
    """The loss of students of one feature each, in the plane of the truth and what the teacher says."""
    x = np.cos(θ) * np.array([np.cos(θ), np.sin(θ)])
    for angle in angles:
        feature = np.array([np.cos(angle), np.sin(angle)])
        x = feature * (feature @ x)
    return np.sum((x - [1.0, 0.0]) ** 2)


@pytest.mark.parametrize("students", [1, 2, 3])
def test_limits_by_an_optimiser(students):
    for loss in (0.01, 0.3, 0.9):
        θ = np.arcsin(np.sqrt(loss))
        starts = (θ * np.linspace(1, 0, students + 1)[1:], θ * np.linspace(1, 0.5, students + 1)[1:])
        best = min(minimize(reached, start, args=(θ,), tol=1e-14).fun for start in starts)
        assert weak_to_strong_limit(loss, students) == pytest.approx(best, rel=1e-7)


def test_limits_at_their_ends():
    np.testing.assert_array_equal(weak_to_strong_limit([0.0, 1.0]), [0.0, 1.0])
    np.testing.assert_array_equal(weak_to_strong_limit([0.0, 1.0], students=3), [0.0, 1.0])
    for students in (2, 4, 16):  # L² ((1 + 1/m)/2)²
        ratio = weak_to_strong_limit(1e-12, students) / 1e-24
        assert ratio == pytest.approx(((1 + 1 / students) / 2) ** 2, rel=1e-5)
    assert np.all(np.diff([weak_to_strong_limit(0.2, m) for m in range(1, 6)]) < 0)
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="loss must be from 0 to 1"):
            weak_to_strong_limit(wrong)
    with pytest.raises(ValueError, match="students must be a whole number"):
        weak_to_strong_limit(0.5, students=0)


def test_the_claims_limit_is_that_of_the_measures():
    L = np.geomspace(1e-9, 1.0, 30)
    np.testing.assert_allclose(transfer.least_loss(L), weak_to_strong_limit(L), rtol=1e-14)


def test_what_a_student_of_other_features_loses_in_its_teachers_kernel():
    """In its own kernel the quotient rises, in its teacher's it falls from 2 to 1.6105."""
    own, teachers, taught = np.array([[1.0, 0.9], [0.9, 1.0]]), np.diag([2.0, 1.0]), np.array([1.0, 0.0])
    values, vectors = np.linalg.eigh(own)
    f = vectors @ (-np.expm1(-values) * (vectors.T @ taught))
    quotient = lambda kernel, f: f @ kernel @ f / (f @ f)
    assert quotient(teachers, taught) == 2.0 and quotient(teachers, f) == pytest.approx(1.6105, abs=5e-5)
    assert quotient(own, f) > quotient(own, taught)


def test_a_penalty_that_is_not_convex_gains_less():
    """Hard threshold at t: with τ = 0.6, t = 1, f = 0.9 the student is t itself, Ω is the same, and no gain is left."""
    tau, taught, truth = 0.6, 1.0, 0.9
    cost = lambda f: (f - taught) ** 2 / 2 + tau * (f != 0)
    student = min((0.0, taught), key=cost)
    gain, misfit = (taught - truth) ** 2 - (student - truth) ** 2, (taught - student) ** 2
    assert student == 0.0 and gain < misfit + 2 * (tau * (student != 0) - tau)  # -0.80 < -0.20


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
def test_a_wrong_limit_is_seen(lane, monkeypatch, afresh):
    right = transfer.least_loss
    monkeypatch.setattr(transfer, "least_loss", lambda loss: 1.001 * right(loss))
    claim = kd.theorems.weak_teacher_limits_the_student
    check = claim.check(0, 128) if lane == "theory" else claim.practice(0, 6)
    assert np.mean(check.verdicts == VIOLATED) > 0.8


@LANES
def test_a_wrong_family_is_seen(lane, monkeypatch, afresh):
    """With the square of C in place of C the switching times are others."""
    right = dict(transfer.POWER)
    monkeypatch.setattr(transfer, "POWER", {k: lambda x, ρ, f=f: f(x, ρ) ** 1.05 for k, f in right.items()})
    claim = kd.theorems.bias_switches_once_between
    check = claim.check(0, 512) if lane == "theory" else claim.practice(0, 20)
    assert np.mean(check.verdicts == VIOLATED) > 0.2
