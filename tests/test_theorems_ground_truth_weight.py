"""Ground truth in the student's targets, and students that are not like their teachers: THEOREMS T1.3 and T1.4."""

import itertools
import math
from fractions import Fraction as F

import flint
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import HOLDS, OUTSIDE, VIOLATED, practice, theory

LANES = [theory, practice]
each_lane = pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.__name__)
digits = lambda value, printed: abs(value - printed) <= 0.5 * 10.0 ** -len(str(printed).split(".")[1])


def fractions(lane, learner, *eigenvalues):
    return np.asarray(lane(learner, jnp.array(eigenvalues)).learnt)


@each_lane
def test_ahead_on_a_small_eigenvalue(lane):
    # T1.3: α = .5, T = 1, s = 10, λ₁ = 3
    student = kd.distill(kd.GradientFlow(1.0), kd.GradientFlow(10.0), teacher_weight=0.5)
    seen = fractions(lane, student, 3.0, 0.01)
    time = float(student.log_residual(3.0) / -3.0)
    alone = fractions(lane, kd.GradientFlow(time), 3.0, 0.01)
    assert digits(time, 1.231049) and digits(seen[1], 0.048055) and digits(alone[1], 0.012235)


def test_exactly_two_crossings():
    """On a fine grid, the sign pattern that the claim asserts by its ends: behind, ahead, behind."""
    spectrum, random = jnp.geomspace(1e-4, 30.0, 4000), np.random.default_rng(0)
    found = 0
    while found < 40:
        teacher, student, truth = random.uniform(0.3, 3.0), random.uniform(0.3, 6.0), random.uniform(0.05, 0.9)
        learner = kd.distill(kd.GradientFlow(teacher), kd.GradientFlow(student), 1 - truth)
        time = float(-learner.log_residual(1.0))
        if not (time > 1.05 * teacher and truth * student < 0.9 * time):
            continue
        found += 1
        gap = np.asarray(kd.GradientFlow(time).log_residual(spectrum) - learner.log_residual(spectrum))
        ahead = gap[np.abs(spectrum - 1.0) > 0.02] > 0
        assert not ahead[0] and not ahead[-1] and np.count_nonzero(np.diff(ahead)) in (0, 2)


def test_ridge_with_ground_truth_that_is_its_teacher():
    # αc_T = c_S: the student is the single fit with penalty c_T, and no sign is claimed
    claim = kd.theorems.ridge_trichotomy_of_ground_truth
    once = dict(lead=1.0, other=0.1, teacher=0.5, truth=0.5, start=0.0)
    assert claim.at(student=0.25, **once).verdict == OUTSIDE
    assert claim.at(student=0.26, **once).verdict == claim.at(student=0.24, **once).verdict == HOLDS
    student = kd.distill(kd.Ridge(0.5), kd.Ridge(0.25), 0.5)
    np.testing.assert_allclose(student.filter([1e-6, 1.0, 1e6]), kd.Ridge(0.5).filter([1e-6, 1.0, 1e6]), rtol=1e-15)


def test_without_a_teacher_or_with_equal_eigenvalues_nothing_is_claimed():
    claim = kd.theorems.single_crossing_with_ground_truth
    once = dict(lead=1.0, other=0.1, teacher=2.0, student=1.0, truth=0.5, start=0.0)
    assert claim.at(**once).verdict == HOLDS
    assert claim.at(**once | dict(truth=1.0)).verdict == OUTSIDE  # the student is the single fit
    assert claim.at(**once | dict(other=1.0)).verdict == claim.at(**once | dict(other=0.0)).verdict == OUTSIDE
    past = kd.theorems.single_crossing_past_the_teacher
    assert past.at(lead=1.0, other=0.1, teacher=2.0, student=1.0, excess=0.0).verdict == HOLDS  # α = 0
    assert past.at(lead=1.0, other=0.1, teacher=0.5, student=1.0, excess=1.0).verdict == OUTSIDE  # and no match
    assert past.at(lead=1.0, other=0.1, teacher=0.5, student=9.0, excess=-0.9).verdict == VIOLATED


# Attacks: balls and fractions.


def in_balls(function, bits=2000):
    before, flint.ctx.prec = flint.ctx.prec, bits
    try:
        return function(lambda x: flint.arb(flint.fmpq(*F(x).as_integer_ratio())))
    finally:
        flint.ctx.prec = before


def difference(truth, teacher, student, lead):
    """t, and the student's lead over the single fit as a function of λ, in balls."""

    def made(ball):
        α, T, s, λ1 = map(ball, (truth, teacher, student, lead))
        rest = lambda λ: (-λ * s).exp() + (1 - (-λ * s).exp()) * (1 - α) * (-λ * T).exp()
        moment = -rest(λ1).log() / λ1 if rest(λ1) < 1 else None
        return moment, lambda λ: (-λ * moment).exp() - rest(λ)

    return made


TIMES = [1e-3, 0.4, 1.0, 1.5, 8.0, 60.0]
RATIOS = [1e-6, 0.1, 0.999, 1 + 1e-9, 1.5, 12.0]


@pytest.mark.parametrize("truth", [-7.0, -0.3, -1e-9, 0.0, 1e-9, 0.05, 0.3, 0.7, 0.999])
def test_ground_truth_in_balls(truth):
    counts = dict.fromkeys(("once", "reversed", "twice"), 0)

    def attack(ball):
        for teacher, student, lead in itertools.product(TIMES, TIMES, [0.01, 1.0, 3.0]):
            moment, gap = difference(truth, teacher, student, lead)(ball)
            if moment is None:
                continue
            T, s, α, λ1 = map(ball, (teacher, student, truth, lead))
            signs = [1 if gap(λ1 * ball(r)) > 0 else -1 if gap(λ1 * ball(r)) < 0 else 0 for r in RATIOS]
            if moment < T:
                counts["once"] += 1
                assert signs == [-1, -1, -1, 1, 1, 1]
            elif α * s > moment:
                counts["reversed"] += 1
                assert moment > T and signs == [1, 1, 1, -1, -1, -1]
            else:
                counts["twice"] += 1
                assert gap((moment - α * s) / ((1 - α) * s * T + moment**2 / 2) * ball(0.999)) < 0
                assert gap(-(-α).log1p() / (moment - T) * ball(1.001)) < 0
                changes = [a != b for a, b in itertools.pairwise(signs)]
                assert sum(changes) <= 2 and (signs[2] < 0 or signs[3] < 0)

    in_balls(attack)
    assert counts["once"] and (truth <= 0) == (counts["once"] == sum(counts.values()))


def test_the_expansion_near_zero_where_truth_just_reverses():
    # αs = t: the second coefficient is (1 - α)s(2T - t)/2
    α, T, s = F(1, 3), F(2), F(5)
    t = α * s
    exponents = [(1, t), (α - 1, T), (-1, s), (1 - α, s + T)]
    assert sum(c for c, _ in exponents) == sum(c * e for c, e in exponents) == 0
    assert sum(c * e**2 for c, e in exponents) == (1 - α) * s * (2 * T - t)


def test_ridge_trichotomy_in_fractions():
    for truth, c_T, c_S in itertools.product(
        [F(0), F(1, 3), F(1, 2), F(999, 1000)], [F(1, 100), F(1), F(10**6)], [F(1, 2), F(3)]
    ):
        for lead, ratio in itertools.product(
            [F(1, 1000), F(1), F(10**9)], [F(1, 10**9), F(1, 2), 1 + F(1, 10**12), F(7)]
        ):
            filter_ = lambda λ, α=truth, c_T=c_T, c_S=c_S: λ / (λ + c_S) * (α + (1 - α) * λ / (λ + c_T))
            penalty = lead * (1 - filter_(lead)) / filter_(lead)
            gap = filter_(lead * ratio) - lead * ratio / (lead * ratio + penalty)
            tie = truth * c_T - c_S
            expected = 0 if tie == 0 else math.copysign(1, -tie) * math.copysign(1, ratio - 1)
            assert (gap > 0) - (gap < 0) == expected and (tie or penalty == c_T)


@each_lane
def test_kernel_of_its_own(lane):
    # T1.4: a student with μ = √λ, λ = (1, .1), T = 20 and s = 1, which is matched at t = 1
    taught = lane(kd.GradientFlow(20.0), jnp.array([1.0, 0.1])).learnt
    seen = np.asarray(lane(kd.GradientFlow(1.0), jnp.sqrt(jnp.array([1.0, 0.1])), target=taught).learnt)
    alone = fractions(lane, kd.GradientFlow(-np.log1p(-seen[0])), 1.0, 0.1)
    assert digits(seen[1], 0.234416) and digits(alone[1], 0.095163)


@each_lane
def test_uniform_shrinkage_of_labels(lane):
    # T1.4: w = .8, λ = (1, .1), s = 2
    spectrum = jnp.array([1.0, 0.1])
    seen = lane(kd.GradientFlow(2.0), spectrum, target=0.8 * jnp.ones(2))
    alone = fractions(lane, kd.GradientFlow(float(-seen.log_residual[0])), 1.0, 0.1)
    assert digits(float(seen.learnt[1]), 0.145015) and digits(alone[1], 0.111018)


def test_spectral_cutoff_carries_no_information():
    # T1.4: 1{λ > c} with c_t = .5, c_s = c_T = .1, λ = (1, .2): equal on the first, all or nothing on the second
    cut = lambda threshold: kd.Filter(lambda eigenvalues: eigenvalues > threshold)
    student, alone = kd.distill(cut(0.1), cut(0.1)), cut(0.5)
    assert student.filter([1.0, 0.2]).tolist() == [1.0, 1.0] and alone.filter([1.0, 0.2]).tolist() == [1.0, 0.0]


@each_lane
def test_heavy_ball_that_swings(lane):
    """T1.4: x″ + x′ + λ(x - 1) = 0 with T = .6, s = 4.4, t = .5509280599, matched on λ₁ = 9, as the limit of small
    steps."""
    h = 1e-4  # x″ + γx′ + λx = λ: step size h² and momentum 1 - γh
    run = lambda time: kd.HeavyBall(h * h, 1 - h, round(time / h))
    seen = fractions(lane, kd.distill(run(0.6), run(4.4)), 9.0, 1.0)
    alone = fractions(lane, run(0.5509280599), 9.0, 1.0)
    np.testing.assert_allclose(seen[0], alone[0], rtol=2e-3)
    np.testing.assert_allclose([seen[1], alone[1]], [0.162887, 0.124275], rtol=2e-3)


@each_lane
def test_warm_start_at_the_teacher_stays_there(lane):
    # T1.4: a student that starts where its teacher stopped has nothing to learn
    spectrum = jnp.array([1.0, 0.1])
    teacher = kd.GradientFlow(2.0)
    begin = lane(teacher, spectrum).learnt
    for time in 0.5, 20.0:
        seen = lane(kd.distill(teacher, kd.GradientFlow(time)), spectrum, start=begin)
        np.testing.assert_allclose(seen.learnt, begin, rtol=1e-12)
