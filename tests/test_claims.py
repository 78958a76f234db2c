"""Claims: verdicts, lanes, sampling, falsification, and what they refuse."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import (
    CLAIMS,
    CONTRADICTED,
    HOLDS,
    OUTSIDE,
    UNDECIDABLE,
    VIOLATED,
    Margin,
    among,
    both,
    counterexamples,
    either,
    exceeds,
    positive,
    practice,
    same,
    several,
    theory,
    uniform,
    usually,
    whole,
)


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
    assert sum(len(f"{value:g}") for value in simple.values()) <= 8
    assert claim.at("theory", **simple).verdict == claim.at("practice", **simple).verdict == VIOLATED
    assert claim.topic == "spectral bias"


# Power: what a margin would not see.


def test_each_part_finds_out_a_small_lie(made):
    @made(source="", standing="own", lead=positive(), time=positive(0.1, 10.0), hypotheses={})
    def seen(run, lead, time):
        """Two equalities, one of them allowed a thousand times more, and a bound that is approached."""
        learnt = run(kd.GradientFlow(time / lead), lead[None]).learnt[0]
        wanted = -jnp.expm1(-time * (1.0 + 1e-15))
        return both(same(learnt, wanted, 1e-12), same(learnt, wanted, 1e-9), exceeds(time, learnt, 1e-14))

    check = seen.check(0, count=1000)
    assert check.verdict == HOLDS and check.found_out.shape == (3,) and list(check.equalities) == [True, True, False]
    assert check.found_out[0] == 1e-9 and check.found_out[1] > 1e-9 and check.found_out[2] <= 0.1
    assert check.power == check.found_out.max()


def ordered_flow(run, lead):
    learnt = run(kd.GradientFlow(1.0), jnp.stack([lead, 0.999 * lead])).learnt
    return exceeds(learnt[0], learnt[1], 1e-14)


VACUOUS = dict(
    tolerance=lambda run, lead: same(run(kd.GradientFlow(1.0), lead[None]).learnt[0], 0.5, 188.0),
    constant=lambda run, lead: Margin(1.0 + 0.0 * run(kd.GradientFlow(1.0), lead[None]).learnt[0], 0.0),
    itself=lambda run, lead: same(*[run(kd.GradientFlow(1.0), lead[None]).learnt[0]] * 2, 1e-11),
    deaf=lambda run, lead: exceeds(lead * (1.0 + 1e-9), lead, 0.0),
    idle=lambda run, lead: either(Margin(1.0, 0.0), ordered_flow(run, lead)),
)


@pytest.mark.parametrize("name", VACUOUS)
def test_what_sees_no_lie_is_blind(made, name):
    def vacuous(run, lead):
        """True whatever happens."""
        return VACUOUS[name](run, lead)

    claim = made(source="", standing="own", lead=positive(0.5, 2.0), hypotheses={})(vacuous)
    trial = claim.trial(0, count=200, loops=5)
    assert trial.theory.blind and not trial.passed and trial.power > 1e-3


def test_an_equality_that_allows_too_much_is_undecidable():
    for tolerance, verdict in ((1e-9, HOLDS), (1e-5, UNDECIDABLE), (188.0, UNDECIDABLE)):  # F1: vacuous
        margin = same(jnp.asarray(0.5), jnp.asarray(0.5 + 1e-12), tolerance)
        assert (HOLDS if margin.value > margin.rounding else UNDECIDABLE) == verdict
    beyond = same(jnp.asarray(0.5), jnp.asarray(0.6), 1e-3)
    assert beyond.value < -beyond.rounding  # however much is allowed, more is a violation


@pytest.mark.parametrize("name", ["exaggerated_bias", "single_crossing", "single_crossing_of_ridge"])
def test_a_certificate_never_overrules_floats(name):  # F25 a
    claim = CLAIMS[name]

    def shifted(run, **instance):
        margin = claim.function(run, **instance)
        return dataclasses.replace(margin, value=margin.value - 100.0)

    check = dataclasses.replace(claim, function=shifted).check(0, count=100)
    assert check.verdict == CONTRADICTED and check.counts[CONTRADICTED] > 90


# Edges.


def test_a_quarter_of_the_instances_lies_on_edges(made):
    @made(
        source="",
        standing="own",
        lead=positive(0.1, 10.0),
        trail=positive(0.1, 10.0),
        weight=uniform(0.0, 1.0),
        signal=several(3, positive(0.01, 100.0)),
        steps=whole(1, 9),
        hypotheses={},
    )
    def drawn(run, lead, trail, weight, signal, steps):
        """Anything."""
        return Margin(1.0, 0.0)

    seen = drawn.check(0, count=4000).instances
    for name, low, high in (("lead", 0.1, 10.0), ("weight", 0.0, 1.0), ("signal", 0.01, 100.0), ("steps", 1, 9)):
        for end in (low, high):
            assert 0.02 < np.mean(seen[name] == end) < 0.5
        assert np.all((seen[name] >= low) & (seen[name] <= high))
    apart = np.abs(seen["lead"] / seen["trail"] - 1.0)
    for low, high in ((0.0, 0.0), (1e-13, 1e-11), (1e-10, 1e-5), (1e-4, 1e-2)):
        assert np.mean((apart >= low) & (apart <= high)) > 3e-3
    assert np.mean(np.ptp(seen["signal"], axis=1) == 0) > 3e-3
    loops = drawn.practice(0, count=200).instances
    assert np.mean(loops["lead"] == 3.0) > 0.02 and np.all(loops["lead"] <= 3.0)


def test_the_domain_is_never_left(made):
    @made(
        source="",
        standing="own",
        lead=positive(),
        trail=positive(),
        hypotheses=dict(ordered=lambda lead, trail: lead - trail),
        domain=dict(apart=lambda lead, trail: jnp.abs(lead - trail)),
    )
    def larger(run, lead, trail):
        """Of two different numbers one is larger."""
        return exceeds(lead, trail, 0.0)

    for seen in (larger.check(0, 400).instances, larger.falsify(0, drop="ordered", count=400).instances):
        assert np.all(seen["lead"] != seen["trail"])
    assert larger.at(lead=1.0, trail=1.0).verdict == OUTSIDE
    assert larger.at(lead=1.0, trail=2.0).verdict == VIOLATED  # hypotheses are for the reader to drop


# What floats cannot tell.


def test_underflow_is_told_by_its_logarithm():  # F4: the example in the docstring of `claim`
    late = theory(kd.GradientFlow(1.0), jnp.array([900.0, 800.0]))
    assert late.residual[0] == 0 and kd.ahead(late[0], late[1]).value == 100.0


def test_sixty_digits_decide(made):
    @made(source="", standing="own", lead=positive(), trail=positive(), time=positive(), hypotheses={})
    def larger_first(run, lead, trail, time):
        """Gradient flow has learnt more of the first eigenvalue."""
        seen = run(kd.GradientFlow(time), jnp.stack([lead, trail]))
        return kd.ahead(seen[0], seen[1])

    near = dict(lead=1.0, trail=1.0 - 1e-15, time=1e-3)
    check = larger_first.at(**near)
    assert check.verdict == HOLDS and check.certified.all() and check.margins[0] <= check.rounding[0]
    assert larger_first.at(**(near | dict(trail=1.0 + 1e-15))).verdict == VIOLATED
    assert larger_first.at(**(near | dict(trail=1.0))).verdict == UNDECIDABLE  # equal is neither
    assert counterexamples.signs(larger_first, {name: np.array([value]) for name, value in near.items()}) == [1]


def test_digits_do_not_forgive_a_rounding_that_is_written_down(made):
    @made(source="", standing="own", lead=positive(), hypotheses={})
    def vague(run, lead):
        """Known to 1e-3 only."""
        return Margin(run(kd.Ridge(lead), lead[None]).learnt[0] - 0.4999, 1e-3)

    assert vague.at(lead=1.0).verdict == UNDECIDABLE


# What a loop is too coarse to tell.


@pytest.mark.parametrize(
    "coarse, off, verdict, told",
    [
        (0.02, 0.0, HOLDS, True),  # a few, which agree with theory
        (0.02, -1.1, UNDECIDABLE, False),  # which do not
        (0.2, 0.0, UNDECIDABLE, False),  # too many
    ],
)
def test_theory_decides_what_few_loops_cannot_tell(made, coarse, off, verdict, told):
    @made(source="", standing="own", lead=uniform(0.0, 1.0), hypotheses={})
    def learns(run, lead):
        """Gradient flow learns something; some loops are told to know next to nothing of it."""
        learnt = run(kd.GradientFlow(1.0), 0.5 + lead[None]).learnt[0]
        blurred = (run is practice) & (0.5 < lead) & (lead < 0.5 + coarse)
        return Margin(learnt + jnp.where(blurred, off, 0.0), jnp.where(blurred, 0.9, 1e-11))

    check = learns.practice(0, count=400)
    assert check.verdict == verdict and check.certified.any() == told
    assert 0 < np.sum(check.rounding > 0.5) < 400
    assert not told or np.all(check.certified == (check.rounding > 0.5))
    assert "by theory" in repr(check) if told else "by theory" not in repr(check)


# Misuse, by name: F5, F21.


def anything(run, lead):
    """Anything."""
    return ordered_flow(run, lead)


def quantities_of(**changed):
    return dict(source="", standing="own", lead=positive(), hypotheses={}) | changed


def test_claims_that_do_not_fit_together_are_refused(made):
    with pytest.raises(ValueError, match=r"anything: standing must be one of proved, .* got 'bogus'"):
        made(**quantities_of(standing="bogus"))(anything)
    with pytest.raises(ValueError, match="trail is drawn, and it does not take it"):
        made(**quantities_of(trail=positive()))(anything)
    with pytest.raises(
        ValueError, match="'ordered' asks for laed, which is no quantity; there are lead; did you mean lead\\?"
    ):
        made(**quantities_of(hypotheses=dict(ordered=lambda lead, laed: lead - laed)))(anything)
    with pytest.raises(ValueError, match="no quantities to draw; give it at least one"):
        made(source="", standing="own", hypotheses={})(lambda run: None)
    with pytest.raises(ValueError, match="'lead' must be drawn, by positive"):
        made(**quantities_of(lead="large"))(anything)
    with pytest.raises(ValueError, match="lie must be a positive number, got 0"):
        made(**quantities_of(lie=0))(anything)
    with pytest.raises(
        ValueError, match=r"anything: it is called proved: end its docstring with a paragraph 'Proof\. "
    ):
        made(**quantities_of(standing="proved"))(anything)
    assert "anything" not in CLAIMS


def test_quantities_that_cannot_be_drawn_are_refused():
    for wrong, said in (
        (lambda: positive(0, 1), r"0 < low <= high.*low=0, high=1.*uniform\(0, high\)"),
        (lambda: positive(2, 1), "low=2, high=1"),
        (lambda: uniform(1, 0), "low=1, high=0"),
        (lambda: uniform(0, np.inf), "finite"),
        (lambda: whole(0, 3), "from one on"),
        (lambda: whole(1, 2.5), "whole numbers"),
        (lambda: several(0, positive()), "count=0"),
        (among, "at least one alternative"),
    ):
        with pytest.raises(ValueError, match=said):
            wrong()


def test_margins_that_are_none_are_refused(made):
    functions = dict(
        negative=lambda run, lead: Margin(-1.0, -2.0),
        vector=lambda run, lead: Margin(jnp.ones(2), 0.0),
        nothing=lambda run, lead: None,
        branches=lambda run, lead: Margin(1.0, 0.0) if lead > 0 else Margin(2.0, 0.0),
    )

    def wrong(name):
        functions[name].__name__, functions[name].__doc__ = name, "Words."
        return made(**quantities_of())(functions[name])

    with pytest.raises(
        ValueError, match=r"negative: the rounding of a margin must not be negative, got -2.0 at {'lead'"
    ):
        wrong("negative").at(lead=1.0)
    with pytest.raises(ValueError, match=r"vector must return a single number, got a margin of shape \(2,\)"):
        wrong("vector").check(0, 10)
    with pytest.raises(TypeError, match=r"nothing must return a number, .* got None: is there a `return`"):
        wrong("nothing").check(0, 10)
    with pytest.raises(
        TypeError,
        match=r"branches asks in `branches=.*`, line \d+, for the value .* write jnp.where\(condition, a, b\)",
    ):
        wrong("branches").check(0, 10)


def test_wrong_lanes_and_counts_are_refused():
    claim = CLAIMS["exaggerated_bias"]
    with pytest.raises(ValueError, match="lane must be 'theory' or 'practice', got 'praxis'"):
        claim.at("praxis", **claim.check(0, 1).instance())
    with pytest.raises(ValueError, match="count must be at least one instance, got 0"):
        claim.check(0, 0)


def test_what_is_violated_by_a_hair_is_done_again_in_60_digits(made):
    @made(x=positive(0.05, 0.15))
    def barely(run, x):
        """In floats 0.1 + 0.2 exceeds 0.3 by more than it does."""
        return Margin(0.3 - (x + 0.2) + 4e-17, 0.0)

    check = barely.at(x=0.1)
    assert check.margin < 0 and check.verdict == HOLDS and check.certified.all()
    worse = barely.at(x=0.1 + 1e-15)
    assert worse.verdict == VIOLATED and worse.certified.all()
    assert not barely.at(x=0.14).certified.any()  # which floats can tell


def test_a_negative_rounding_is_named_where_it_is(made):
    @made(x=positive(0.5, 2.0))
    def wrong(run, x):
        """Its rounding is no number at one instance, and negative at another."""
        return Margin(x, jnp.where(x > 1.0, jnp.nan, -1.0))

    with pytest.raises(ValueError, match=r"must not be negative, got -1\.0 at {'x': 0\.\d+}"):
        wrong.check(0, 50)


def test_whole_numbers_may_be_written_as_floats():
    given = dict(method="loop", eigenvalue=1.0, second=2, rate=0.5, momentum=0.0, start=0.0, angle=0.0)
    claim = CLAIMS["filters_multiply"]
    assert claim.at(first=3.0, **given).margin == claim.at(first=3, **given).margin
    with pytest.raises(ValueError, match=r"first must be a whole number, got 3\.5"):
        claim.at(first=3.5, **given)


def test_a_loop_is_no_proof_of_its_own_rounding():
    """Two formulas of a loop of a thousand steps differ by its rounding, which digits would certify as a violation."""
    given = dict(method="loop", eigenvalue=1.0, momentum=0.0, start=0.0, angle=0.0)
    for first, second, rate in ((10, 1000, 0.999999), (2, 2, 1 - 1e-9)):
        check = CLAIMS["filters_multiply"].at(first=first, second=second, rate=rate, **given)
        assert check.verdict != VIOLATED
