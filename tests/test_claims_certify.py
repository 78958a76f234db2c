"""Proved signs: two routes, equality, extremes, and what is refused."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import certify


def instances(count, widest, seed=0):
    """Eigenvalues from one ulp to e^13 apart, and times."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        lead, T = np.exp(random.uniform(-7, 7)), 0.0
        apart = 0.0 if random.integers(4) == 0 else math.exp(random.uniform(-34, 2.6))
        trail = min(lead * math.exp(-apart), math.nextafter(lead, 0))
        T = math.exp(random.uniform(-7, math.log(widest))) / lead
        yield lead, trail, T * random.uniform(0.001, 0.999), T


def test_every_sign_through_the_delay():
    for lead, trail, t, T in instances(2000, 1e6):
        assert certify.sign(lead, trail, t, T).sign == 1 == -certify.sign(trail, lead, t, T).sign


def test_every_sign_from_the_definition():
    for lead, trail, t, T in instances(100, 1e3):
        assert certify.sign(lead, trail, t, T, route="definition").sign == 1


def test_descent_and_ridge_by_both_routes():
    for lead, trail, t, T in instances(50, 50):
        for learner in (kd.GradientDescent(0.9 / lead, 1), kd.Ridge(1.0)):
            for route in ("delay", "definition"):
                assert certify.sign(lead, trail, t, T, learner=learner, route=route).sign == 1
                assert certify.crossing(lead, trail, [t, T, T], learner=learner, route=route).sign == 1
                assert certify.crossing(trail, lead, [t, T], learner=learner, route=route).sign == -1


def test_the_margin_in_floats_has_the_proved_sign_and_size():
    cases = np.array(list(instances(300, 500, seed=1)))
    margins = kd.measures.margin(*cases.T)
    proved = [certify.sign(*case).sign for case in cases]
    assert np.array_equal(np.sign(margins), proved)


def test_a_chain_agrees_with_mpmath():
    with mpmath.workdps(60):
        for lead, other, times in ((2.0, 1.9, [0.3, 4.0, 2.0]), (1.0, 3.0, [5.0, 0.2]), (0.01, 0.5, [7.0] * 4)):
            chain = lambda rate: mpmath.fprod(1 - mpmath.exp(-mpmath.mpf(rate) * t) for t in times)  # noqa: B023
            clock = -mpmath.log(1 - chain(lead)) / lead
            difference = 1 - mpmath.exp(-other * clock) - chain(other)
            for route in ("delay", "definition"):
                assert certify.crossing(lead, other, times, route=route).sign == mpmath.sign(difference)


def test_equality_is_decided_without_arithmetic():
    for arguments in ((1.0, 1.0, 0.5, 1.0), (1.0, 0.5, 0.0, 1.0), (1.0, 0.5, 1.0, 1.0)):
        assert certify.sign(*arguments) == certify.Certificate(0, 0)
    assert certify.crossing(1.0, 0.5, [1.0]) == certify.Certificate(0, 0)
    # floats are exact inputs: a third is not a third
    assert certify.sign(Fraction(1, 3), 1 / 3, 1.0, 2.0).sign == 1


def test_undecided_is_an_answer(monkeypatch):
    monkeypatch.setattr(certify, "PRECISIONS", (64,))
    late = certify.sign(1.0, 0.9, 900.0, 1000.0, route="definition")
    assert late.sign is None and not late and late.bits == 64
    assert certify.sign(1.0, 0.9, 900.0, 1000.0).sign == 1


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        ((1.0, 0.5, 2.0, 1.0), {}, "time must be between 0 and teacher_time = 1.0, got 2.0"),
        ((1.0, 0.5, -1.0, 1.0), {}, "time must be between"),
        ((1.0, 0.0, 0.5, 1.0), {}, "eigenvalues must be positive, got 0.0"),
        ((1.0, 0.5, 0.5, 1.0), dict(route="guess"), "route must be 'delay' or 'definition', got 'guess'"),
        ((1.0, 0.5, 0.5, 1.0), dict(learner=kd.GradientDescent(1.0, 1)), "must be below 1, got 1.0"),
    ],
)
def test_what_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        certify.sign(*arguments, **options)


def test_other_learners_have_no_certificate():
    with pytest.raises(TypeError, match="learner must be GradientFlow, GradientDescent with a step size, or Ridge"):
        certify.sign(1.0, 0.5, 0.5, 1.0, learner=kd.HeavyBall(0.1, 0.9, 1))


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(certify, "installed", lambda: False)
    with pytest.raises(ImportError, match=r"pip install 'kdtheory\[certify\]'"):
        certify.sign(1.0, 0.5, 0.5, 1.0)


def test_what_to_install_is_said_only_where_it_is_missing(monkeypatch):  # F19
    assert certify.missing() == ""
    monkeypatch.setattr(certify, "installed", lambda: False)
    assert certify.missing().endswith("pip install 'kdtheory[certify]'")
