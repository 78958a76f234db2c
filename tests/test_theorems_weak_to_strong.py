"""Students that are better than their teachers: the claims against references, optimisers and draws, and lies."""

import jax
import numpy as np
import pytest
from scipy.optimize import minimize

import kdtheory as kd
from kdtheory.claims import VIOLATED
from kdtheory.measures.transfer import weak_to_strong_limit
from kdtheory.theorems import weak_to_strong

LANES = pytest.mark.parametrize("lane", ["theory", "practice"])
RANDOM = np.random.default_rng(9)


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
    for size in (-100, -140, -155, -180, -200, -310):  # of which chains have the limit L² ((1 + 1/m)/2)²
        found = weak_to_strong_limit(10.0**size, students=3)
        assert found == pytest.approx(4 / 9 * 10.0 ** (2 * size), rel=1e-12, abs=0)
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
    np.testing.assert_allclose(weak_to_strong.least_loss(L), weak_to_strong_limit(L), rtol=1e-14)


def test_a_penalty_that_is_not_convex_gains_less():
    """Hard threshold at t: with τ = 0.6, t = 1, f = 0.9 the student is t itself, Ω is the same, and no gain is left."""
    tau, taught, truth = 0.6, 1.0, 0.9
    cost = lambda f: (f - taught) ** 2 / 2 + tau * (f != 0)
    student = min((0.0, taught), key=cost)
    gain, misfit = (taught - truth) ** 2 - (student - truth) ** 2, (taught - student) ** 2
    assert student == 0.0 and gain < misfit + 2 * (tau * (student != 0) - tau)  # -0.80 < -0.20


@LANES
def test_a_wrong_limit_is_seen(lane, monkeypatch, afresh):
    right = weak_to_strong.least_loss
    monkeypatch.setattr(weak_to_strong, "least_loss", lambda loss: 1.001 * right(loss))
    claim = kd.theorems.weak_teacher_limits_the_student
    check = claim.check(0, 128) if lane == "theory" else claim.practice(0, 6)
    assert np.mean(check.verdicts == VIOLATED) > 0.8


def two_spaces(Pw, Ps, target, labelled, unlabelled, noise):
    """Risks of least squares teacher and student of jointly Gaussian features, exact at every size."""
    dw, ds, overlap = np.trace(Pw), np.trace(Ps), np.trace(Ps @ Pw)
    missed, taught = target - Pw @ target, Pw @ target
    v = (noise + missed @ missed) / (labelled - dw - 1)
    off, left = target - Ps @ taught, taught - Ps @ taught
    student = off @ off + v * overlap + ds / (unlabelled - ds - 1) * (left @ left + v * (dw - overlap))
    return overlap, missed @ missed + v * dw, student


def projection(rows):
    rows = np.linalg.qr(np.array(rows, float).T)[0]
    return rows @ rows.T


def test_discrepancy_is_a_virtue(oracle):
    """The exact law against its reference, draws, and `generations.risk` as sizes grow."""
    [(_, given, expected)] = oracle.theorem("T12", "two Gaussian")
    Pw, Ps = projection(given["teacher_directions"]), projection(given["student_directions"])
    target = np.array(given["target"])
    law = two_spaces(Pw, Ps, target, given["labelled"], given["unlabelled"], given["noise"])
    for found, name in zip(law, ("overlap_dimension", "teacher_risk", "student_risk"), strict=True):
        assert oracle.agrees(found, expected[name], 1e-13), name
    W, S, errors = np.linalg.qr(np.array(given["teacher_directions"], float).T)[0], None, []
    S = np.linalg.qr(np.array(given["student_directions"]).T)[0]
    for _ in range(4000):
        z, new = RANDOM.normal(size=(9, 5)), RANDOM.normal(size=(7, 5))
        w = W @ np.linalg.lstsq(z @ W, z @ target + 0.5 * RANDOM.normal(size=9), rcond=None)[0]
        s = S @ np.linalg.lstsq(new @ S, new @ w, rcond=None)[0]
        errors.append([np.sum((w - target) ** 2), np.sum((s - target) ** 2)])
    mean, error = np.mean(errors, 0), np.std(errors, 0) / np.sqrt(4000)
    assert np.all(abs(mean - law[1:]) < 3 * error)
    Stage, many = kd.generations.Stage, (4000, 6000)
    weak = Stage(kd.Ridge(0.0), many[0], given["noise"] ** 0.5, np.array(given["teacher_directions"], float))
    strong = Stage(kd.Ridge(0.0), many[1], 0.0, np.array(given["student_directions"]))
    found = kd.generations.risk([weak, strong], np.ones(5), target)
    exact = two_spaces(Pw, Ps, target, *many, given["noise"])[1:]
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_the_claim_is_judged_on_that_law():
    """In three dimensions, with a teacher of one direction and a student of two, or the other way round."""
    for own in (1, 2):
        axes = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0][:own]
        truth, sees = RANDOM.normal(size=3), np.diag([1.0] * (3 - own) + [0.0] * own)
        expected = two_spaces(sees, axes.T @ axes, truth, 30, 25, 0.7)[1:]
        for lane in (weak_to_strong.two_fits, weak_to_strong.two_runs):
            found = jax.jit(lane, static_argnums=0)(own, axes, truth, 30.0, 25.0, 0.7, 0.0, 0.0)
            np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_student_that_can_represent_its_teacher_needs_more_than_two_samples_a_feature():
    """Better iff N > 2s + 1, whatever the spaces and the noise; equal there: by the law, and by draws beside it."""
    D, w, s = 6, 2, 3
    Ps = np.diag([1.0] * s + [0.0] * (D - s))
    tilted = np.zeros((w, D))
    tilted[0, 0], tilted[1, 1], tilted[1, 4] = 1.0, 0.6, 0.8  # of which the truth is the first
    Pw, truth = projection(tilted), 0.7 * np.eye(D)[0]
    gain = lambda fresh: np.subtract(*two_spaces(Pw, Ps, truth, 20, fresh, 0.25)[1:])
    assert gain(2 * s + 1) == pytest.approx(0.0, abs=1e-15) and gain(2 * s) < 0 < gain(2 * s + 2)
    for fresh, better in ((5, False), (40, True)):
        gains = []
        for _ in range(1000):
            z, new = RANDOM.normal(size=(20, D)), RANDOM.normal(size=(fresh, D))
            teacher = tilted.T @ np.linalg.lstsq(z @ tilted.T, z @ truth + RANDOM.normal(size=20) / 2, rcond=None)[0]
            student = np.linalg.lstsq(new[:, :s], new @ teacher, rcond=None)[0]
            gains.append(np.sum((teacher - truth) ** 2) - np.sum((np.append(student, np.zeros(D - s)) - truth) ** 2))
        if better:
            assert abs(np.mean(gains) - gain(fresh)) < 4 * np.std(gains) / np.sqrt(1000)
            assert np.mean(gains) > 4 * np.std(gains) / np.sqrt(1000)
        else:
            assert np.mean(gains) < 0 and gain(fresh) < 0


def test_a_wrong_lane_is_seen(monkeypatch, afresh):
    right = weak_to_strong.two_fits

    def wrong(*given):
        teacher, student = right(*given)
        return teacher, student * (1 + 1e-3)

    monkeypatch.setattr(weak_to_strong, "two_fits", wrong)
    claim = kd.theorems.discrepancy_makes_students_better
    assert np.mean(claim.check(0, 64).verdicts == VIOLATED) > 0.2
