"""Claims: verdicts, lanes, sampling, falsification, and what they refuse."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import (
    CLAIMS,
    HOLDS,
    OUTSIDE,
    UNDECIDABLE,
    VIOLATED,
    Margin,
    among,
    both,
    either,
    positive,
    practice,
    several,
    theory,
    uniform,
    usually,
    whole,
)


@pytest.fixture
def made():
    """Register claims for one test only."""
    before = dict(CLAIMS)
    yield kd.claim
    CLAIMS.clear()
    CLAIMS.update(before)


def test_verdicts_of_given_margins(made):
    @made(
        source="",
        standing="own",
        value=uniform(-1, 1),
        rounding=uniform(0, 1),
        hypotheses=dict(inside=lambda value: 10 - value),
    )
    def given(run, value, rounding):
        """The margin is the value."""
        return Margin(value, rounding)

    cases = [
        (0.5, 0.1, HOLDS),
        (-0.5, 0.1, VIOLATED),
        (0.05, 0.1, UNDECIDABLE),
        (-0.05, 0.1, UNDECIDABLE),
        (np.nan, 0.1, UNDECIDABLE),
        (0.5, np.nan, UNDECIDABLE),
    ]
    for value, rounding, verdict in cases:
        assert given.at(value=value, rounding=rounding).verdict == verdict


def test_violated_outranks_undecidable_outranks_holds(made):
    @made(source="", standing="own", kind=among("good", "bad", "nan"), size=uniform(1, 1), hypotheses={})
    def mixed(run, kind, size):
        """Holds by name."""
        return Margin(size * dict(good=1.0, bad=-1.0, nan=jnp.nan)[kind], 0.1 * size)

    check = mixed.check(0, count=9)
    assert check.counts == {HOLDS: 3, VIOLATED: 3, UNDECIDABLE: 3, OUTSIDE: 0}
    assert check.verdict == VIOLATED and check.instance() == {"kind": "bad", "size": 1.0} and check.margin == -1.0
    assert "VIOLATED" in repr(check) and "kind=bad" in repr(check)


@pytest.mark.parametrize(
    "a, b, either_margin, both_margin",
    [(1.0, -1.0, 1.0, -1.0), (2.0, 1.0, 2.0, 1.0), (np.nan, 1.0, 1.0, np.nan), (-1.0, np.nan, np.nan, np.nan)],
)
def test_either_and_both_keep_what_is_unknown(a, b, either_margin, both_margin):
    first, second = (Margin(jnp.asarray(x), jnp.asarray(0.1)) for x in (a, b))
    for x, y in ((first, second), (second, first)):
        np.testing.assert_equal(float(either(x, y).value), either_margin)
        np.testing.assert_equal(float(both(x, y).value), both_margin)


def test_the_lanes_agree_and_know_their_errors():
    spectrum = jnp.array([1.0, 0.2])
    learner = kd.distill(kd.GradientFlow(1.5), kd.HeavyBall(0.5, 0.3, 7))
    for options in ({}, dict(start=jnp.array([0.3, 0.6])), dict(target=jnp.array([1.0, -0.4]))):
        a, b = theory(learner, spectrum, **options), practice(learner, spectrum, **options)
        difference = np.abs(a.learnt - b.learnt)
        assert np.all(difference < np.abs(b.learnt) * b.log_learnt_error) and np.all(difference < 1e-12)
        assert np.all(np.abs(a.residual - b.residual) < 1e-12)


def test_theory_keeps_logs_where_practice_cannot():
    seen = theory(kd.GradientFlow(800.0), jnp.array([1.0]))
    assert seen.log_residual[0] == -800.0 and seen.learnt[0] == 1.0


def test_a_matched_clock_passes_its_error_on():
    # the clock read off a nearly finished run is worth little, and the margin says so
    exact = theory(kd.GradientFlow(2.0), jnp.array([0.5]))[0]
    vague = practice(kd.GradientFlow(30.0), jnp.array([1.0]))[0]
    assert kd.ahead(exact, exact, matched=vague).rounding > 1e3 * kd.ahead(exact, exact).rounding


def test_instances_lie_within_hypotheses_and_outside_the_dropped_one(made):
    @made(
        source="",
        standing="own",
        a=positive(),
        b=positive(),
        pinned=usually(0.0, uniform(0.5, 1.0)),
        k=whole(2, 5),
        many=several(3, positive(1.0, 2.0)),
        fits=among(2, 3),
        hypotheses=dict(ordered=lambda a, b: a - b, pinned_at_zero=lambda pinned: pinned == 0),
    )
    def drawn(run, a, b, pinned, k, many, fits):
        """Anything."""
        return Margin(a - b, jnp.asarray(0.0))

    inside = drawn.check(0, count=300).instances
    assert np.all(inside["a"] > inside["b"]) and np.all(inside["pinned"] == 0)
    assert set(inside["k"]) == {2, 3, 4, 5} and set(inside["fits"]) == {2, 3} and inside["many"].shape == (300, 3)
    assert np.all((inside["many"] >= 1) & (inside["many"] <= 2))
    dropped = drawn.falsify(0, drop="pinned_at_zero", count=300).instances
    assert np.all(dropped["a"] > dropped["b"]) and np.all(dropped["pinned"] >= 0.5)
    assert drawn.falsify(0, drop="ordered", count=300).counts[VIOLATED] == 300


def test_the_same_key_draws_the_same_instances():
    claim = kd.theorems.exaggerated_bias
    one, same, other = claim.check(3, count=50), claim.check(jax.random.key(3), count=50), claim.check(4, count=50)
    assert np.array_equal(one.margins, same.margins) and not np.array_equal(one.margins, other.margins)


def test_a_check_repeats_its_worst_instance():
    check = kd.theorems.exaggerated_bias.check(0, count=50)
    again = kd.theorems.exaggerated_bias.at(**check.instance())
    assert again.margin == pytest.approx(check.margin, rel=1e-12)  # other vector lengths may round otherwise


def test_a_false_claim_is_found_out_in_both_lanes(made):
    @made(
        source="nobody",
        standing="own",
        lead=positive(),
        trail=positive(),
        time=positive(),
        hypotheses=dict(ordered=lambda lead, trail: lead - trail),
    )
    def wrong_way_round(run, lead, trail, time):
        """Gradient flow learns the smaller eigenvalue first."""
        seen = run(kd.GradientFlow(time), jnp.stack([lead, trail]))
        return kd.ahead(seen[1], seen[0])

    trial = wrong_way_round.trial(0, count=200, loops=10)
    assert trial.theory.verdict == trial.practice.verdict == VIOLATED and not trial.passed
    assert trial.necessary == []  # without order it holds: nothing to refute


def test_what_claims_refuse(made):
    claim = kd.theorems.exaggerated_bias
    with pytest.raises(ValueError, match="no hypothesis 'order'; it has ordered, zero_start, same_inputs"):
        claim.falsify(0, drop="order")
    with pytest.raises(ValueError, match=r"takes lead, trail, .* missing or unknown"):
        claim.at(lead=1.0)

    @made(source="", standing="own", a=uniform(0, 1), hypotheses=dict(impossible=lambda a: a - 2))
    def empty(run, a):
        """Nothing."""

    with pytest.raises(ValueError, match="only 0 of 640 random instances are within the hypotheses"):
        empty.check(0, count=10)


def test_claims_refuse_float32():
    script = "import kdtheory as kd; kd.theorems.exaggerated_bias.check(0)"
    run = subprocess.run([sys.executable, "-c", script], env={"JAX_ENABLE_X64": "0"}, capture_output=True, text=True)
    assert "RuntimeError: claims need float64" in run.stderr


def test_a_counterexample_is_made_simple():
    """Few digits, still outside of the dropped hypothesis and inside the others, in theory and on the loop."""
    claim = CLAIMS["exaggerated_bias"]
    found = claim.falsify(3, drop="ordered", count=2000)
    simple = claim.simplify(found)
    assert simple.keys() == claim.quantities.keys() and simple["lead"] < simple["trail"] and simple["start"] == 0
    assert sum(len(f"{value:g}") for value in simple.values()) <= 18
    assert claim.at("theory", **simple).verdict == claim.at("practice", **simple).verdict == VIOLATED
    assert claim.topic == "spectral bias"
