"""The proof for the heavy ball: its identities, its formulas from the definition, where it must not hold."""

import runpy
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from mpmath import mp

import kdtheory as kd

proof = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "proofs/overdamped_heavy_ball.py")))


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(60):
        yield


def progress(λ, t, γ=1):
    """h by partial fractions, sharing nothing with the proof."""
    root = mp.sqrt(mp.mpc(γ) ** 2 / 4 - λ)
    fast, slow = mp.mpf(γ) / 2 + root, mp.mpf(γ) / 2 - root
    return (1 - (fast * mp.exp(-slow * t) - slow * mp.exp(-fast * t)) / (fast - slow)).real


def speed(λ, t, γ=1):
    root = mp.sqrt(mp.mpc(γ) ** 2 / 4 - λ)
    return (λ * mp.exp(-mp.mpf(γ) * t / 2) * mp.sinh(root * t) / root).real


def points(count, seed=0):
    """λ, t, γ: overdamped, underdamped before the first peak, and after it."""
    random = np.random.default_rng(seed)
    for i in range(count):
        γ = random.uniform(0.5, 2)
        over, under = 1 - 10 ** random.uniform(-6, -1e-3), 1 + 10 ** random.uniform(-3, 2)
        λ = γ**2 / 4 * (under if i % 3 else over)
        last = min(proof.peak(λ, γ), 30)
        yield λ, last * (random.uniform(1.1, 1.9) if i % 3 == 2 else random.uniform(0.02, 0.98)), γ


@pytest.mark.parametrize("statement", proof.STEPS)
def test_each_step_is_an_identity_and_its_wrong_sign_is_caught(statement):
    assert proof.STEPS[statement]()
    assert not proof.STEPS[statement](sign=-1)


def test_the_script_says_what_is_covered(capsys):
    assert proof.main()
    said = capsys.readouterr().out
    assert said.count("exact identity") == len(proof.STEPS) and "FAILS" not in said
    assert "negative at 2640 of 2640 points" in said and "left:    nothing." in said


def test_progress_solves_the_heavy_ball():
    for λ, t, γ in points(12):
        h = lambda t, λ=λ, γ=γ: progress(λ, t, γ)
        assert abs(mp.diff(h, t) - speed(λ, t, γ)) < 1e-20
        assert abs(mp.diff(h, t, 2) + γ * speed(λ, t, γ) + λ * (h(t) - 1)) < 1e-12


def test_the_criterion_is_the_mixed_derivative():
    for λ, t, γ in points(90):
        q = lambda λ, t, γ=γ: mp.log(abs(speed(λ, t, γ) / progress(λ, t, γ)))
        exact, numerical = float(proof.criterion(λ, t, γ)), mp.diff(q, (λ, t), (1, 1))
        assert numerical == pytest.approx(exact, rel=1e-12)
        assert exact < 0 or t > proof.peak(λ, γ)


@pytest.mark.parametrize("λ, t", [(0.1, 3), (2, 2)])
def test_the_two_integrals_of_the_proof(λ, t):
    """J = ∫ e^{x/2} ρ dx and -r_λ = ∫ ρ² dx increase, and f M = ∫ h (r_λ J)_t dt, at γ = 1."""
    S = lambda x: speed(λ, x) * mp.exp(x / 2)  # times λ
    k_w = lambda t: mp.quad(lambda x: (S(t - x) / S(t)) ** 2, [0, t])
    J = lambda t: mp.quad(lambda x: mp.exp(x / 2) * S(t - x) / S(t), [0, t])
    rate = lambda λ: mp.diff(lambda x: mp.log(speed(λ, x)), t)
    with mpmath.workdps(20):
        assert float(J(t) * speed(λ, t)) == pytest.approx(float(progress(λ, t)), rel=1e-14)
        assert float(k_w(t)) == pytest.approx(float(-mp.diff(rate, λ)), rel=1e-6)
        for grows in (k_w, J):
            assert np.all(np.diff([grows(x) for x in mp.linspace(t / 9, t, 9)]) > 0)
    with mpmath.workdps(15):  # the last integral by parts
        fM = mp.quad(lambda x: progress(λ, x) * k_w(x), [0, t]) - progress(λ, t) * k_w(t) * J(t)
        assert float(fM / speed(λ, t) / J(t) ** 2) == pytest.approx(float(proof.criterion(λ, t)), rel=1e-8)


def reach(λ, value, last, γ=1):
    """The time before `last` at which an increasing progress takes a value."""
    low, high = mp.mpf(0), mp.mpf(last)
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if progress(λ, middle, γ) < value else (low, middle)
    return low


@pytest.mark.parametrize("damping", ["over", "under"])
def test_single_crossing(damping):
    random = np.random.default_rng(1)
    for _ in range(30):
        low, high = sorted(random.uniform(0.001, 0.2499 if damping == "over" else 30, 2))
        last = reach(high, 1, proof.peak(high)) if high > 0.25 else 40 / high
        T, s = (last * mp.mpf(share) for share in 10 ** random.uniform(-2, 0, 2))
        student = {λ: progress(λ, T) * progress(λ, s) for λ in (low, high)}
        assert student[low] < progress(low, reach(high, student[high], last))
        assert student[high] > progress(high, reach(low, student[low], last))


def loop(rate, momentum, steps):
    """Progress of the heavy-ball loop after 0, 1, ..., exact in rationals; rate = ηλ."""
    path = [Fraction(0), Fraction(0)]
    for _ in range(steps):
        path.append(path[-1] + momentum * (path[-1] - path[-2]) + rate * (1 - path[-1]))
    return path[1:]


def test_the_loop_is_the_learner():
    for k, progress in enumerate(loop(Fraction(1, 5), Fraction(1, 4), 9)):
        assert kd.HeavyBall(0.5, 0.25, k).filter(0.4).item() == pytest.approx(float(progress), rel=1e-14)


def test_the_loop_crosses_once():
    random = np.random.default_rng(2)
    for _ in range(100):
        root = Fraction(int(random.integers(1, 100)), 100)  # √β
        thousandths = 1 + np.sort(random.choice(1000, 2, replace=False))
        low, high = (Fraction(int(n), 1000) * (1 - root) ** 2 for n in thousandths)
        h = {rate: loop(rate, root**2, 24) for rate in (low, high)}
        ratios = [
            mp.log(mp.mpf(h[low][k + 1]) / h[low][k]) / mp.log(mp.mpf(h[high][k + 1]) / h[high][k])
            for k in range(1, 12)
            if h[high][k] < 1 - Fraction(1, 10**20)
        ]
        assert all(a < b for a, b in pairwise(ratios))
        T, s = (int(k) for k in random.integers(1, 25, 2))
        student = {rate: h[rate][T] * h[rate][s] for rate in h}
        for k in range(1, 25):
            assert student[high] > h[high][k] or student[low] < h[low][k]


def test_where_it_must_not_hold():
    h = {rate: loop(Fraction(rate) / 10, Fraction("0.9"), 21) for rate in ("0.02", "1")}  # underdamped
    assert h["0.02"][21] ** 2 > h["0.02"][8] and h["1"][21] ** 2 < h["1"][8]
    assert proof.criterion(900, 1 / 6) > 0 and 1 / 6 > proof.peak(900)  # past the first peak
    first = reach(9, 1, proof.peak(9))
    student = lambda λ: progress(λ, mp.mpf("0.6")) * progress(λ, mp.mpf("4.4"))
    t = reach(9, student(9), first)
    assert float(t) == pytest.approx(0.5509280599) and first < 4.4  # a clock past the first passage
    assert student(1) > progress(1, t)
