"""The claims on spectral bias against exact fractions and balls that share no code with them, at edges where they were
not tuned; and mutants of the library, which they must see."""

import dataclasses
import itertools
import math
import random
from fractions import Fraction as F

import flint
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import CONTRADICTED, HOLDS, OUTSIDE, UNDECIDABLE, VIOLATED, theory
from kdtheory.learners import GradientFlow
from kdtheory.numerics import Shares, share
from kdtheory.theorems import spectral_bias

flow, ridge = kd.theorems.single_crossing, kd.theorems.single_crossing_of_ridge
bias, steps = kd.theorems.exaggerated_bias, kd.theorems.single_crossing_in_steps
ball_steps, larger = kd.theorems.single_crossing_of_heavy_ball, kd.theorems.single_crossing_of_larger_steps
multiply = kd.theorems.filters_multiply

TWICE = dict(lead=2.0, trail=1.0, teacher_time=1.5, student_time=0.8, start=0.0, angle=0.0)
PAIRS = dict(
    exaggerated_bias=TWICE,
    single_crossing=dict(fits=2, lead=2.0, other=1.0, times=[1.5, 0.8, 1.0], start=0.0),
    single_crossing_of_ridge=dict(fits=2, lead=2.0, other=1.0, penalties=[1.5, 0.8, 1.0], start=0.0),
)


def balls(function, bits=4000):
    """A function of balls at a high precision."""
    before, flint.ctx.prec = flint.ctx.prec, bits
    try:
        return function(lambda x: flint.arb(flint.fmpq(*F(x).as_integer_ratio())))
    finally:
        flint.ctx.prec = before


def flowed(rate, time):
    return -(-rate * time).expm1()


# Verdicts.


@pytest.mark.parametrize("name", PAIRS)
def test_a_certificate_does_not_overrule_floats(name):  # F25
    claim = kd.claims.CLAIMS[name]

    def shifted(run, **quantities):
        margin = claim.function(run, **quantities)
        return dataclasses.replace(margin, value=margin.value - 100.0)

    assert claim.at(**PAIRS[name]).verdict == HOLDS
    assert dataclasses.replace(claim, function=shifted).at(**PAIRS[name]).verdict == CONTRADICTED


def test_what_is_not_positive_has_no_certificate():  # F25, F26
    for other in (0.0, -1.0, math.inf, math.nan):
        assert spectral_bias.behind(1.0, other, [1.0, 2.0]) is None
        assert spectral_bias.crosses(1.0, other, [1.0, 2.0]) is None
    for clock in (0.0, -1.0, math.inf, math.nan):
        assert spectral_bias.behind(1.0, 0.5, [clock, 2.0]) is None
        assert spectral_bias.crosses(1.0, 0.5, spectral_bias.inverse([clock, 2.0]), kd.Ridge(1.0)) is None
    assert spectral_bias.behind(1.0, 0.5, [1.0, 2.0]).sign == 1


def test_a_direction_of_eigenvalue_zero_is_none_of_the_lower_ones():  # F26
    assert bias.at(**TWICE | dict(trail=0.0)).verdict == OUTSIDE
    seen = theory(kd.distill(kd.GradientFlow(1.5), kd.GradientFlow(0.8)), jnp.zeros(1))
    assert seen.learnt.item() == theory(kd.GradientFlow(1.0), jnp.zeros(1)).learnt.item() == 0.0  # an equality


def test_equal_eigenvalues_are_an_equality():  # F4
    assert bias.at(**TWICE | dict(trail=2.0)).verdict == VIOLATED  # strictness is refuted there
    for name in ("single_crossing", "single_crossing_of_ridge"):
        assert kd.claims.CLAIMS[name].at(**PAIRS[name] | dict(other=2.0)).verdict == OUTSIDE
        assert kd.claims.CLAIMS[name].at(**PAIRS[name] | dict(other=2.0 + 4e-16)).verdict == HOLDS


def test_a_student_that_learns_nothing_is_not_strictly_behind():
    assert bias.at(**TWICE | dict(student_time=0.0)).verdict in (UNDECIDABLE, VIOLATED)


def test_equal_penalties_are_a_derivative():
    once = dict(eigenvalue=2.0, teacher=0.5, start=0.0)
    assert kd.theorems.ridge_semigroup.at(student=0.5, **once).verdict == OUTSIDE
    assert kd.theorems.ridge_semigroup.at(student=0.5 + 1e-15, **once).verdict == HOLDS
    λ, c, h = F(2), F(1, 2), F(1, 10**9)
    path = lambda c: c * λ / (λ + c)
    assert abs((path(c + h) - path(c - h)) / (2 * h) - (λ / (λ + c)) ** 2) < F(1, 10**15)


# Attacks: exact fractions, and balls.


def test_ridge_in_fractions():
    random.seed(0)
    for _ in range(300):
        count = random.randint(2, 7)
        c = [F(random.randint(1, 50)) * F(10) ** random.randint(-20, 20) for _ in range(count)]
        lead = F(random.randint(1, 50)) * F(10) ** random.randint(-20, 20)
        other = lead * (1 + random.choice([-1, 1]) * F(1, random.choice([2, 10**9, 10**40])))
        chain = lambda λ, c=c: math.prod(λ / (λ + each) for each in c)
        single = lead * (1 - chain(lead)) / chain(lead)
        assert (chain(other) > other / (other + single)) == (other > lead) and chain(other) != other / (other + single)


def test_flow_in_balls():
    random.seed(1)
    for _ in range(150):
        times = [random.choice([1e-9, 1e-3, 0.5, 1.0, 2.0, 30.0, 300.0]) for _ in range(random.randint(2, 6))]
        lead = random.choice([1e-6, 0.1, 1.0, 3.0])
        other = lead * (1 + random.choice([-1, 1]) * random.choice([2.0**-50, 1e-6, 0.5]))

        def gap(ball, lead=lead, other=other, times=times):
            chain = lambda λ: math.prod(flowed(ball(λ), ball(t)) for t in times)
            return chain(other) - flowed(ball(other), -(-chain(lead)).log1p() / ball(lead))

        found = balls(gap)
        assert found > 0 if other > lead else found < 0


def descent(η, λ, steps):
    return 1 - (1 - η * λ) ** steps


def momentum_run(η, β, λ, steps):
    before = now = F(0)
    for _ in range(steps):
        before, now = now, now + β * (now - before) + η * λ * (1 - now)
    return now


def test_whole_steps_in_fractions():
    # every single run, also those that tie with the student exactly
    for η, trail in itertools.product([F(1, 100), F(1, 2), F(99, 100)], [F(1, 1000), F(1, 2), F(999999, 1000000)]):
        for fits in ([1, 1], [2, 3], [1, 7], [5, 5, 5], [1, 2, 3, 4]):
            student = [math.prod(descent(η, λ, k) for k in fits) for λ in (F(1), trail)]
            for k in range(1, max(fits) + 2):
                if student[0] <= descent(η, F(1), k):
                    assert student[1] < descent(η, trail, k)


def test_overdamped_heavy_ball_in_fractions():
    for root, part in itertools.product([F(1, 10), F(1, 2), F(9, 10)], [F(1, 100), F(1, 2), F(1)]):  # part 1: critical
        η, β = part * (1 - root) ** 2, root**2
        for trail, fits in itertools.product(
            [F(1, 100), F(9, 10), F(9999, 10000)], [[1, 1], [2, 9], [20, 20], [3, 4, 5]]
        ):
            student = [math.prod(momentum_run(η, β, λ, k) for k in fits) for λ in (F(1), trail)]
            for k in range(1, max(fits) + 2):
                if student[0] <= momentum_run(η, β, F(1), k):
                    assert student[1] < momentum_run(η, β, trail, k)


def test_without_momentum_a_full_step_is_no_overdamped_heavy_ball():
    # β = 0 and ηλ = 1 meet ηλ <= (1 - √β)², but one step has learnt all of λ₁: 0 < β is needed
    student, alone = [descent(F(1), λ, 9) ** 2 for λ in (F(1), F(1, 2))], [descent(F(1), λ, 1) for λ in (F(1), F(1, 2))]
    assert student[0] == alone[0] == 1 and student[1] > alone[1]


def test_larger_steps_in_fractions():
    for η_T, η_S in [(F(1, 10), F(1, 10)), (F(1, 100), F(9, 10)), (F(1, 2), F(99, 100))]:
        for trail, T, s in itertools.product([F(1, 100), F(1, 2), F(999, 1000)], [1, 3, 30], [1, 2, 5]):
            student = [descent(η_T, λ, T) * descent(η_S, λ, s) for λ in (F(1), trail)]
            for k in range(1, T + 2):
                if student[0] <= descent(η_T, F(1), k):
                    assert student[1] < descent(η_T, trail, k)


def test_one_run_gives_every_student_in_fractions():
    for times in ([1, 1], [2, 7], [3, 1, 4], [1, 5, 9, 2]):
        combined = sum(
            (-1) ** (size + 1) * descent(F(1, 3), F(2), sum(subset))
            for size in range(1, len(times) + 1)
            for subset in itertools.combinations(times, size)
        )
        assert combined == math.prod(descent(F(1, 3), F(2), k) for k in times)


def test_powers_in_balls():
    for κ, λt, ratio in itertools.product(
        [1.0001, 1.5, 7.3, 0.999, 0.2], [1e-6, 0.1, 1.0, 40.0], [1e-3, 0.5, 1 - 1e-9]
    ):

        def flow_gap(ball, κ=κ, λt=λt, ratio=ratio):
            moment = -(-(flowed(ball(1), ball(λt)) ** ball(κ))).log1p()
            return flowed(ball(ratio), ball(λt)) ** ball(κ) - flowed(ball(ratio), moment)

        def ridge_gap(ball, κ=κ, λt=λt, ratio=ratio):
            h = lambda x: (x / (x + 1 / ball(λt))) ** ball(κ)
            penalty = 1 / h(ball(1)) - 1
            return h(ball(ratio)) - ball(ratio) / (ball(ratio) + penalty)

        for gap in (flow_gap, ridge_gap):
            found = balls(gap)
            assert found < 0 if κ > 1 else found > 0


@pytest.mark.parametrize("kept", [1e-6, 0.5, 1 - 1e-9, 1 + 1e-9, 1.2])
def test_shrunk_and_stretched_labels_in_balls(kept):
    for time, ratio in itertools.product([1e-6, 0.3, 1.7], [1e-3, 0.5, 1 - 1e-9]):

        def ahead(ball, time=time, ratio=ratio):
            moment = -(-ball(kept) * flowed(ball(1), ball(time))).log1p()
            return ball(kept) * flowed(ball(ratio), ball(time)) - flowed(ball(ratio), moment)

        found = balls(ahead)
        assert found > 0 if kept < 1 else found < 0
        if kept < 1:  # the ratio of the proof: it grows with λ
            λ, single = np.array([ratio, 1.0]), -np.log1p(kept * np.expm1(-time))
            grown = np.expm1(-λ * single) / np.expm1(-λ * time)
            assert grown[0] <= grown[1] * (1 + 1e-12)


def test_steeper_kernels_in_balls():
    for scale, μ, T, s in itertools.product([1e-3, 1.0, 50.0], [1e-6, 0.5], [0.01, 1.0, 9.0], [0.01, 1.0, 9.0]):

        def gap(ball, scale=scale, μ=μ, T=T, s=s):  # λ = 1, ½; μ₂/μ₁ <= ½
            taught, student = flowed(ball(1), ball(T)), flowed(ball(scale), ball(s))
            alone = flowed(ball(0.5), -(-taught * student).log1p())
            return alone - flowed(ball(0.5), ball(T)) * flowed(ball(scale) * ball(μ), ball(s))

        assert balls(gap) > 0


# Mutants.


def test_filters_are_compared_with_their_formulas(monkeypatch, afresh):  # F25
    instance = dict(method="flow", eigenvalue=2.0, first=3, second=2, rate=0.1, momentum=0.0, start=0.0, angle=0.0)
    assert multiply.at(**instance).verdict == HOLDS
    plain = GradientFlow.shares
    late = lambda self, eigenvalues: plain(GradientFlow(self.time * (1 + 1e-5)), eigenvalues)
    monkeypatch.setattr(GradientFlow, "shares", late)
    afresh()
    assert dataclasses.replace(multiply).at(**instance).verdict == VIOLATED


def test_a_student_of_shrunk_predictions_is_seen(monkeypatch, afresh):  # F25
    # a tenth of the teacher's predictions lost: balls say behind, the mutant's filters ahead
    plain = type(kd.distill(kd.Ridge(1.0), kd.Ridge(1.0))).shares

    def lossy(self, eigenvalues):
        shares = plain(self, eigenvalues)
        return Shares(shares.learnt * share(0.9), shares.left, shares.lost + shares.learnt * share(0.1))

    monkeypatch.setattr(kd.learners.Distilled, "shares", lossy)
    late = TWICE | dict(teacher_time=20.0)
    assert dataclasses.replace(bias).at(**late).verdict == CONTRADICTED


@pytest.mark.parametrize("seed", range(3))
def test_a_counterexample_is_looked_for_where_a_loop_can_tell(seed):
    """The largest margins of logs are of shares below a loop's error."""
    found = steps.falsify(seed, "small_step")
    clearest = steps.at("practice", **steps.simplify(found, found.worst))
    instance, check = steps._confirmed(found)
    assert clearest.verdict == UNDECIDABLE and check.verdict == VIOLATED
    assert steps.at(**instance).verdict == VIOLATED
