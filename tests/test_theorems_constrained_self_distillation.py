"""Self-distillation under a constraint: the reference values of T2 (Mobahi, Farajtabar & Bartlett 2020), and attacks
by mpmath."""

import json
import pathlib

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures
from kdtheory.claims import HOLDS, OUTSIDE, VIOLATED
from kdtheory.theorems import (
    constrained_penalty_between_bounds,
    constrained_rounds_sparsify,
    each_round_costs_one,
    equal_eigenvalues_collapse_first,
    norm_above_its_tangent,
)

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


# The measure.


def penalty(d, z, tolerance=1):
    """The root by halving its logarithm, in 80 digits."""
    missed = lambda c: mpmath.fsum((c / (c + x) * y) ** 2 for x, y in zip(d, z, strict=True)) - tolerance
    low, high = mpmath.log(min(x for x in d if x)) - 200, mpmath.log(max(d)) + 200
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (low, middle) if missed(mpmath.exp(middle)) > 0 else (middle, high)
    return mpmath.exp(low)


def test_penalty_keeps_its_digits_everywhere():
    random = np.random.default_rng(0)
    with mpmath.workdps(80):
        for case in range(60):
            d = 10.0 ** random.uniform(-20, 5, 4) if case % 2 else random.uniform(0.5, 2, 4)
            z = 10.0 ** random.uniform(-2, 2, 4) if case % 4 < 2 else np.ones(4)
            share = 1 - 10.0 ** random.uniform(-15, -1) if case % 3 else 10.0 ** random.uniform(-30, -1)
            if case % 5 == 0:
                d[0], z[0] = 0.0, 1e-20
            tolerance = float(np.sum(z**2) * share) if case % 7 else float(random.integers(1, 4) * np.min(z) ** 2)
            wanted = penalty(*([mpmath.mpf(x) for x in array.tolist()] for array in (d, z)), mpmath.mpf(tolerance))
            assert measures.constrained_penalty(d, z, tolerance) == pytest.approx(float(wanted), rel=2e-15)


def test_penalty_at_its_ends():
    assert measures.constrained_penalty([1.0, 2.0], [1.0, 1e-20], 1.0) == pytest.approx(2e40, rel=1e-15)
    assert measures.constrained_penalty([1.0, 2.0], [3.0, 4.0], 25.0) == np.inf
    assert measures.constrained_penalty([1.0, 2.0], [3e8, 4e8], 1.0) == pytest.approx(1 / np.hypot(3e8, 2e8), rel=1e-8)
    assert np.isnan(measures.constrained_penalty([1.0, 0.0], [5.0, 1.1], 1.0))
    assert measures.constrained_penalty([1.0, 0.0], [5.0, 1.0], 1.0) == 0.0  # which interpolates
    assert measures.constrained_penalty([1.0, 2.0], [5.0, 1.0], 0.0) == 0.0
    assert np.isnan(measures.constrained_penalty([1.0, 2.0], [5.0, 1.0], np.nan))
    assert measures.constrained_penalty([1.0, 2.0], [5.0, 1.0], np.inf) == np.inf


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_penalty_of_any_size(size):
    """No product of eigenvalues and labels is in the way."""
    d, z = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    with mpmath.workdps(80):
        wanted = float(penalty(*([mpmath.mpf(x) for x in array.tolist()] for array in (d, z)), 2))
    for labels in (1.0, 2.0**330 if size > 1 else 2.0**-330):
        found = measures.constrained_penalty(d * size, z * labels, 2.0 * labels**2)
        assert float(found) / size == pytest.approx(wanted, rel=1e-15)


def test_penalty_under_jit_vmap_and_grad():
    d, z = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 2.0, 3.0])
    norms = jnp.array([0.5, 1.0, 3.0])
    many = jax.jit(jax.vmap(lambda r: measures.constrained_penalty(d, r * z, 1.0)))(norms)
    np.testing.assert_allclose(many, [measures.constrained_penalty(d, r * z, 1.0) for r in norms], rtol=1e-15)
    slope, h = jax.grad(measures.constrained_penalty, (0, 1, 2))(d, z, 1.0), 1e-6
    for argument, found in enumerate(slope):
        for k, one in enumerate(np.eye(found.size)):
            moved = [[d, z, 1.0], [d, z, 1.0]]
            for sign, given in zip((-1, 1), moved, strict=True):
                given[argument] = given[argument] + (sign * h * one if found.ndim else sign * h)
            before, after = (measures.constrained_penalty(*given) for given in moved)
            assert jnp.ravel(found)[k] == pytest.approx(float(after - before) / (2 * h), rel=1e-6)


# Faults.

ONE_TO_THREE = dict(spectrum=[1.0, 2.0, 3.0], labels=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("beyond", [1e-12, 1e-9, 3e-7, 1e-3, 1e3, 1e8, 1e12])
def test_next_to_collapse_and_near_interpolation(beyond):
    """F24: true instances that an inner search of its own called violated."""
    assert constrained_penalty_between_bounds.at(**ONE_TO_THREE, norm=1 + beyond, unseen=0.0).verdict == HOLDS
    for rounds in (1, 3) if beyond < 1e9 else (1,):
        check = each_round_costs_one.at(**ONE_TO_THREE, rounds=rounds, norm=rounds + beyond, slack=1.0)
        assert check.verdict == HOLDS


def test_null_labels_break_the_bounds_and_one_eigenvalue_attains_them():
    assert constrained_penalty_between_bounds.at(**ONE_TO_THREE, norm=1.5, unseen=0.9).verdict == VIOLATED
    alone = dict(spectrum=[1.0, 2.0, 2.0], labels=[0.0, 1.0, 2.0], norm=3.0, unseen=0.0)
    assert constrained_penalty_between_bounds.at(**alone).verdict == OUTSIDE
    assert measures.constrained_penalty([1.0, 2.0], [0.0, 3.0], 1.0) == 2.0 / (3.0 - 1.0)
    assert measures.constrained_penalty([1.0, 2.0], [3.0, 0.0], 1.0) == 1.0 / (3.0 - 1.0)


@pytest.mark.parametrize("lane", ["theory", "practice"])
def test_a_wrong_penalty_is_seen(lane, afresh, monkeypatch):
    """F24, F25 (c): the claims say something of the public measure."""
    right = measures.constrained_penalty
    monkeypatch.setattr(measures, "constrained_penalty", lambda *given: 1.00001 * right(*given))
    assert each_round_costs_one.at(lane, **ONE_TO_THREE, rounds=1, norm=3.0, slack=1.0).verdict == VIOLATED
    assert constrained_penalty_between_bounds.at(lane, **ONE_TO_THREE, norm=3.0, unseen=0.0).verdict == VIOLATED
    equal = dict(rounds=1, eigenvalue=1.0, labels=[1.0, 2.0, 3.0], excess=2.0, spread=1.0)
    assert equal_eigenvalues_collapse_first.at(lane, **equal).verdict == VIOLATED


def rounds(d, z, count):
    """Norms and labels of a few rounds, in the working precision of mpmath."""
    d, z = ([mpmath.mpf(x) for x in array] for array in (d, z))
    labels = [z]
    for _ in range(count):
        if mpmath.fsum(x**2 for x in z) <= 1:
            z = [mpmath.mpf(0)] * len(z)
        else:
            c = penalty(d, z)
            z = [y * x / (x + c) for x, y in zip(d, z, strict=True)]
        labels.append(z)
    return [mpmath.sqrt(mpmath.fsum(x**2 for x in each)) for each in labels], labels


def test_upper_bound_is_that_of_far_eigenvalues():
    """F25 (c), F26: approached by a staircase, and by no two equal labels."""
    with mpmath.workdps(60):
        norms, _ = rounds([1, 1e-12, 1e-36], [2, 1, 1], 2)
    assert [f"{float(r):.4f}" for r in norms] == ["2.4495", "2.2361", "1.9998"]
    assert 0.999 * 5**0.5 < norms[1] < 5**0.5 and 0.999 * 2 < norms[2] < 2
    far, middling = (rounds([1, ratio], [3, 3], 1)[0][1] for ratio in (1e-12, 0.1))
    assert far == pytest.approx(13**0.5, abs=1e-9) and middling < far < 0.9 * 17**0.5


def test_other_spectra_lose_as_much_as_equal_ones():
    """F26: labels on one of two eigenvalues."""
    assert rounds([1, 2], [3, 0], 1)[0][1] == pytest.approx(2.0, abs=1e-15)


def test_bound_on_favour_is_itself_bounded_while_rounds_are_fewer_than_the_norm():
    """F26: d = 100 and 1."""
    for r, above in ((1.01, 25), (2.5, 2.5), (10, 2.5), (60, 2.5)):
        count = int(np.ceil(r)) - 1
        _, labels = rounds([100, 1], [r / 2**0.5, r / 2**0.5], count)
        bound = ((r - 1 + 1) / (r - 1 + 0.01)) ** count
        assert above < bound < min(100, labels[-1][0] / labels[-1][1]) and (bound < np.e or count > r - 1)
    assert (1 + 1 / 1e6) ** 1e6 / (1 + 0.01 / 1e6) ** 1e6 == pytest.approx(np.exp(1 - 0.01), rel=1e-5)


# Attacks, by code that shares nothing with the claims.


def test_attack_on_every_bound():
    random = np.random.default_rng(1)
    with mpmath.workdps(60):
        for case in range(12):
            spread = (1e-13, 1e-6, 1.0, 30.0)[case % 4]
            d = sorted((mpmath.mpf(10) ** mpmath.mpf(spread * x) for x in random.uniform(-1, 1, 4)), reverse=True)
            r0 = 1 + mpmath.mpf(10.0 ** random.uniform(-9, 0.7))
            z = [mpmath.mpf(10.0**x) for x in random.uniform(-6, 1, 4)]
            z = [r0 * x / mpmath.sqrt(mpmath.fsum(y**2 for y in z)) for x in z]
            κ, count = d[0] / d[-1], int(mpmath.ceil(r0**2)) + 1
            r, labels = rounds(d, z, count)
            c = penalty(d, z)
            assert d[-1] < c * (r0 - 1) < d[0]
            active = sum(each > 1 for each in r)
            assert mpmath.ceil(r0 - 1) <= active <= mpmath.ceil(r0**2 - 1)
            tangent, u = r0, r0 - 1
            for t in range(1, count + 1):
                tangent = ((u**2 + κ * (2 * u + 1)) * tangent - r0**2 * κ) / (u + κ) ** 2
                assert r[t] > tangent
                if t < r0:
                    assert r0 - t < r[t] < mpmath.sqrt(r0**2 - t) and tangent <= r0 - t
                    favour = (labels[t][0] / z[0]) / (labels[t][2] / z[2])
                    assert favour > ((u + d[-1] / d[2]) / (u + d[-1] / d[0])) ** t


def test_tangent_is_met_where_all_eigenvalues_are_equal():
    equal = dict(rounds=3, spectrum=[2.0, 2.0, 2.0], labels=[1.0, 2.0, 3.0], excess=4.0, slack=1.0)
    assert norm_above_its_tangent.at(**equal).verdict == OUTSIDE
    assert abs(norm_above_its_tangent.at(**equal).margin) < 1e-14
    collapsed = dict(rounds=3, spectrum=[1.0, 2.0, 3.0], labels=[1.0, 2.0, 3.0], excess=0.2, slack=1.0)
    assert norm_above_its_tangent.at(**collapsed).verdict == HOLDS


def test_sparsification_is_least_where_labels_are_on_the_least_eigenvalue():
    few = dict(rounds=1, lead=3.0, trail=2.0, least=1.0, excess=1.0, slack=1.0)
    check = constrained_rounds_sparsify.at(labels=[1e-6, 1e-6, 1.0], **few)
    assert check.verdict == HOLDS and 0 < check.margin < 1e-11
    assert constrained_rounds_sparsify.at(labels=[1.0, 1.0, 0.0], **few).margin > 0.01


def test_one_fit_comes_close_to_the_ratio_and_two_go_beyond():
    claim = kd.theorems.one_fit_favours_by_less_than_eigenvalues
    for method in ("flow", "ridge"):
        short = dict(method=method, lead=3.0, trail=1.0, clock=1e-9, start=0.0)
        one, two = (claim.at(fits=fits, **short) for fits in (1, 2))
        assert one.verdict == HOLDS and 0 < one.margin < 1e-8
        assert two.verdict == VIOLATED and two.margin == pytest.approx(-np.log(3), rel=1e-8)


def test_the_constrained_penalty_is_of_eigenvalues():
    for wrong in ([np.nan, 1.0], [-1.0, 1.0]):
        with pytest.raises(ValueError, match="eigenvalues must be a non-empty sequence of finite numbers >= 0"):
            measures.constrained_penalty(wrong, [2.0, 2.0], 1.0)
