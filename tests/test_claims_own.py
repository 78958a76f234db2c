"""Claims of one's own: plain values, bare numbers, mistakes by name, tables, and where a claim fails."""

import dataclasses
import inspect
import json

import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
import kdtheory.__main__ as command
from kdtheory.claims import CLAIMS, HOLDS, UNDECIDABLE, VIOLATED, Margin, among, counterexamples, search

WIDE = (0.01, 100.0)


def conjectures(made):
    """One that is true, one that is false, one that fails in a corner."""

    @made(lead=WIDE, trail=WIDE, time=WIDE, penalty=WIDE)
    def exchanged(run, lead, trail, time, penalty):
        """A flow teacher and a ridge student may be exchanged."""
        flow, ridge = kd.GradientFlow(time), kd.Ridge(penalty)
        one, other = run(kd.distill(flow, ridge), [lead, trail]), run(kd.distill(ridge, flow), [lead, trail])
        return kd.claims.same(one.learnt[1], other.learnt[1], 1e-11)

    @made(trail=WIDE, teacher=WIDE, student=WIDE, hypotheses=dict(longer=lambda teacher, student: teacher - student))
    def half(run, trail, teacher, student):
        """A student of a longer-trained teacher has learnt half of what its teacher has."""
        taught = run(kd.distill(kd.GradientFlow(teacher), kd.GradientFlow(student)), [trail])
        return taught.learnt[0] - run(kd.GradientFlow(teacher), [trail]).learnt[0] / 2

    @made(
        lead=WIDE,
        trail=WIDE,
        teacher=WIDE,
        penalty=WIDE,
        hypotheses=dict(ordered=lambda lead, trail: lead - trail),
    )
    def behind(run, lead, trail, teacher, penalty):
        """A ridge student of a flow teacher, matched on the lead to a flow, is behind it below."""
        seen = run(kd.distill(kd.GradientFlow(teacher), kd.Ridge(penalty)), [lead, trail])
        matched = kd.GradientFlow(-seen.log_residual[0] / lead)
        return kd.ahead(run(matched, [lead, trail])[1], seen[1], matched=seen[0])

    return exchanged, half, behind


# What is written plainly.


def test_plain_values_are_drawn_as_they_read(made):
    @made(lead=(0.1, 10), angle=(-1, 1), steps=range(2, 6), method=["flow", "ridge"], weight=0.5, large=(5.0, 9.0))
    def drawn(run, lead, angle, steps, method, weight, large):
        """Anything."""
        return lead

    seen = drawn.check(0, count=4000).instances
    assert seen["lead"].min() >= 0.1 and seen["lead"].max() <= 10.0
    assert abs(np.mean(seen["lead"] < 1.0) - 0.5) < 0.05 and abs(np.mean(seen["angle"] < 0.0) - 0.5) < 0.05
    assert (
        set(seen["steps"]) == {2, 3, 4, 5} and set(seen["method"]) == {"flow", "ridge"} and set(seen["weight"]) == {0.5}
    )
    loops = drawn.practice(0, count=50).instances
    assert loops["lead"].min() >= 0.2 and loops["lead"].max() <= 3.0
    assert loops["large"].min() >= 5.0 and loops["large"].max() <= 9.0  # the tame range is not left for another
    for wrong in ((2.0, 1.0), (1.0, 2.0, 3.0), range(0, 3), [], "flow", None, True, dict(low=1)):
        with pytest.raises(ValueError, match="'lead'"):
            made(lead=wrong)(lambda run, lead: lead)


def test_lists_are_spectra_starts_and_targets(made):
    @made(lead=WIDE, trail=WIDE, time=WIDE)
    def alike(run, lead, trail, time):
        """A list is an array."""
        options = dict(target=[1.0, trail / lead], start=[0.0, 0.5])
        stacked = {name: jnp.stack([jnp.asarray(x) for x in values]) for name, values in options.items()}
        one = run(kd.GradientFlow(time), [lead, trail], **options)
        other = run(kd.GradientFlow(time), jnp.stack([lead, trail]), **stacked)
        return kd.claims.same(one.learnt[1], other.learnt[1], 1e-15)

    assert alike.check(0, count=50).holds and alike.practice(0, count=2).holds
    assert counterexamples.margin(alike, lead=1.0, trail=0.5, time=1.0) > 0


# A bare number becomes a margin.


def test_a_bare_number_knows_its_rounding(made):
    @made(lead=(0.1, 10.0), trail=(0.1, 10.0), time=(0.1, 10.0), hypotheses=dict(o=lambda lead, trail: lead - trail))
    def bare(run, lead, trail, time):
        """Flow has learnt more of the larger eigenvalue."""
        seen = run(kd.GradientFlow(time), [lead, trail])
        return seen.learnt[0] - seen.learnt[1]

    check = bare.check(0)
    assert check.holds and not check.blind and bare.practice(0).holds  # near ties are decided in 60 digits
    for case in (0, 17, 101, check.worst):
        true = float(counterexamples.margin(bare, **check.instance(case)))
        assert abs(check.margins[case] - true) <= check.rounding[case] + 4e-16 * abs(true)
    assert bare.falsify(0, drop="o").verdict == VIOLATED


def test_errors_are_magnified_as_the_number_magnifies_them(made):
    """Of a million times what a loop learnt it knows a million times less, and of a difference of nothing no sign."""

    @made(lead=(0.5, 2.0))
    def nothing(run, lead):
        """A number that is zero, but for rounding."""
        return run(kd.GradientFlow(1.0), [lead]).learnt[0] - run(kd.GradientFlow(1.0), [lead * (1 + 1e-15)]).learnt[0]

    assert nothing.practice(0, count=20).counts[UNDECIDABLE] == 20

    @made(lead=(0.5, 2.0))
    def magnified(run, lead):
        """The slope of the number by what was seen is the factor."""
        return 1e6 * run(kd.GradientFlow(1.0), [lead]).learnt[0]

    @made(lead=(0.5, 2.0))
    def plainly(run, lead):
        """The same without it."""
        return run(kd.GradientFlow(1.0), [lead]).learnt[0]

    ratio = magnified.practice(0, count=5).rounding / plainly.practice(0, count=5).rounding
    np.testing.assert_allclose(ratio, 1e6, rtol=1e-3)


def test_a_matched_clock_carries_its_error_into_a_bare_number(made):
    @made(time=(20.0, 25.0))
    def matched(run, time):
        """A clock that is read off a nearly finished run is known badly, and what follows from it as badly."""
        seen = run(kd.GradientFlow(time), [1.0])
        return run(kd.GradientFlow(-jnp.log(1.0 - seen.learnt[0])), [0.01]).learnt[0] - 0.1

    @made(time=(20.0, 25.0))
    def given(run, time):
        """The clock is known."""
        return run(kd.GradientFlow(time), [0.01]).learnt[0] - 0.1

    instance = dict(time=24.0)
    assert matched.at(**instance).rounding[0] > 1e3 * given.at(**instance).rounding[0]


def with_result(result):
    def returning(run, lead):
        """Words."""
        return result

    return returning


def test_what_is_no_single_number_is_refused(made):
    for name, returned, error, said in (
        ("nothing", None, TypeError, "got None: is there a `return`"),
        ("words", "yes", TypeError, "must return a number, positive where it holds, or a Margin"),
        ("pair", (1.0, 0.1), TypeError, "got \\(1.0, 0.1\\)"),
        ("truth", True, TypeError, r"a signed number, and not whether it holds: in place of a > b write a - b"),
        ("traced", jnp.array(True), TypeError, "and not whether it holds"),
        ("vector", jnp.ones(2), ValueError, r"a single number, got an array of shape \(2,\)"),
    ):
        wrong = with_result(returned)
        wrong.__name__ = name
        with pytest.raises(error, match=f"{name}.*{said}"):
            made(lead=WIDE)(wrong).check(0, 10)


def test_too_few_loops_and_differences_of_nothing_are_said(made):
    @made(eigenvalue=(0.01, 3.0), teacher=(0.1, 10.0), student=(0.1, 10.0), weight=(0.05, 0.95))
    def truth_speeds_up(run, eigenvalue, teacher, student, weight):
        """A student that hears the truth as well has learnt more than one that hears its teacher alone."""
        mixed = run(kd.distill(kd.GradientFlow(teacher), kd.GradientFlow(student), weight), [eigenvalue])
        pure = run(kd.distill(kd.GradientFlow(teacher), kd.GradientFlow(student)), [eigenvalue])
        return kd.ahead(mixed[0], pure[0])

    few, many = truth_speeds_up.practice(0, count=5), truth_speeds_up.practice(0, count=200)
    assert few.holds and few.blind and "but one of 1e-03 must be; judge more loops" in f"{few}"
    assert many.holds and not many.blind and "must be" not in f"{many}"

    @made(time=(1.0, 2.0))
    def nothing(run, time):
        """A run is ahead of itself."""
        return kd.ahead(run(kd.GradientFlow(time), [1.0])[0], run(kd.GradientFlow(time), [1.0])[0])

    check = nothing.check(0, count=20)
    assert check.verdict == UNDECIDABLE and "narrow the ranges" in f"{check}" and "lie" not in f"{check}"
    with pytest.raises(ValueError, match=r"nowhere in this check \(undecidable\); narrow the ranges"):
        check.where()


# Mistakes, all at once and by name.


def test_the_decorator_says_all_that_is_wrong():
    with pytest.raises(ValueError) as refused:

        @kd.claim(
            lead="large",
            tail=(1.0, 2.0),
            standing="open",
            hypotheses=dict(ordered=lambda lead, trial: lead - trial, small=3),
            domain=[1],
            certificate=1,
            source=None,
            lie=True,
        )
        def several(run, lead, trail):
            pass

    message = str(refused.value)
    for said in (
        "several: 'lead' must be drawn",
        "it takes trail, which is not drawn; did you mean tail?",
        "tail is drawn, and it does not take it; did you mean trail?",
        "'ordered' asks for trial, which is no quantity",
        "'small' must be a function of quantities, as in ordered=lambda",
        "domain must be named",
        "standing must be one of proved, as recalled, own, conjecture, got 'open'",
        "source must be words, got None",
        "certificate must be a function",
        "it has no docstring",
        "lie must be a positive number, got True",
    ):
        assert said in message
    assert "several" not in CLAIMS


@pytest.mark.parametrize(
    "function", [lambda lead: lead, lambda run, *lead: 1, lambda run, lead, **more: 1, lambda: 1, lambda lead, run: 1]
)
def test_a_claim_takes_run_and_quantities(function):
    function.__doc__ = "Words."
    with pytest.raises(ValueError, match=r"it must take run, and then|lead is drawn, and it does not take it"):
        kd.claim(lead=WIDE)(function)


def test_what_jax_traces_is_said_with_its_line(made):
    @made(lead=WIDE, trail=WIDE, hypotheses=dict(both=lambda lead, trail: lead > 1 and trail > 1))
    def conditions(run, lead, trail):
        """Words."""
        return lead

    with pytest.raises(TypeError, match=r"conditions, 'both', asks in `.*`, line \d+, .* write jnp.where.*& in"):
        conditions.check(0, 10)

    @made(lead=WIDE, trail=WIDE)
    def branches(run, lead, trail):
        """Words."""
        if lead < trail:
            return trail
        return lead

    with pytest.raises(TypeError, match=r"branches asks in `if lead < trail:`, line \d+, .*jnp.where\(cond"):
        branches.check(0, 10)

    @made(lead=WIDE)
    def in_numpy(run, lead):
        """Words."""
        return np.log(lead)

    with pytest.raises(TypeError, match=r"in_numpy asks in `return np.log"):
        in_numpy.check(0, 10)


def test_names_are_guessed(made):
    exchanged, half, _ = conjectures(made)
    with pytest.raises(ValueError, match="half has no hypothesis 'lonegr'; it has longer; did you mean longer"):
        half.falsify(0, drop="lonegr")
    with pytest.raises(ValueError, match="exchanged has no hypothesis 'x'; it has none"):
        exchanged.falsify(0, drop="x")
    with pytest.raises(ValueError, match="missing or unknown: student, studnet; did you mean student"):
        half.at(trail=1.0, teacher=1.0, studnet=1.0)


# What comes back.


def test_truth_is_that_it_holds(made):
    exchanged, half, _ = conjectures(made)
    good, bad = exchanged.check(0, 50), half.check(0, 50)
    unknown = dataclasses.replace(good, verdicts=np.full(50, UNDECIDABLE))
    assert good and good.holds and not bad and not bad.holds
    assert not unknown  # what is not known is not held
    assert not half.trial(0, count=50, loops=2)


def test_a_data_frame_has_a_row_for_each_case(made):
    @made(lead=WIDE, signal=kd.claims.several(2, kd.claims.positive()), margin=WIDE)
    def many(run, lead, signal, margin):
        """Words."""
        return lead - signal[0]

    check = many.check(0, count=40)
    frame = check.to_dataframe()
    assert list(frame.columns) == [
        *("lead", "signal[0]", "signal[1]", "margin (given)", "margin", "rounding", "verdict")
    ]
    np.testing.assert_array_equal(frame["signal[1]"], check.instances["signal"][:, 1])
    np.testing.assert_array_equal(frame["margin"], check.margins)
    assert frame.groupby("verdict").size().to_dict() == {k: v for k, v in check.counts.items() if v}


def test_tables_are_of_own_claims(made, monkeypatch):
    monkeypatch.setattr(search, "HUNTERS", 256)  # this is about what is written
    _, half, behind = conjectures(made)
    trials = [claim.trial(0, count=1000, loops=3) for claim in (half, behind)]
    table, latex = kd.claims.table(trials), kd.claims.latex(trials)
    assert "half " in table and "fails where trail·student < 0.7" in table and "own" in table
    assert r"half & violated & 1,000 & 3 &" in latex and r"fails where trail$\cdot$student $<$ 0.7" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert all(line.count("&") == 6 for line in latex.splitlines() if "&" in line)
    first, second = json.loads(kd.claims.json(trials))
    assert first["name"] == "half" and first["fails_where"] == "trail·student < 0.7" and not second["passed"]
    assert str(trials[0]) == kd.claims.detail(trials[0]) and "has learnt half of what" in str(trials[0])
    assert (
        "<pre>half" in trials[0]._repr_html_()
        and "&lt;" in trials[0].region.check._repr_html_() + trials[0]._repr_html_()
    )
    assert "A student of a longer" in half._repr_html_()
    with pytest.raises(TypeError, match=r"a table is of trials, which claim.trial\(key\) makes; got <claim half"):
        kd.claims.table([half])


OWN = '''
import kdtheory as kd

@kd.claim(trail=(0.01, 100.0), time=(0.01, 100.0))
def half_of_it(run, trail, time):
    """Flow has learnt half."""
    return kd.claims.exceeds(run(kd.GradientFlow(time), [trail]).learnt[0], 0.5, 1e-14)

@kd.claim(trail=(0.01, 100.0), time=(0.01, 100.0))
def something(run, trail, time):
    """Flow has learnt something."""
    return run(kd.GradientFlow(time), [trail]).learnt[0]
'''


def test_the_command_reads_a_file(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "COUNTS", dict(count=500, loops=2))
    path = tmp_path / "my_claims.py"
    path.write_text(OWN)
    assert command.main([str(path)]) == 1
    printed = capsys.readouterr().out
    assert "my claims" in printed and "of 2 claims hold" in printed and "FAILED: half_of_it" in printed
    assert "fails where trail·time < 0.7" in printed and "ridge_semigroup" not in printed
    command.main([str(path), "half_of_it"])
    printed = capsys.readouterr().out
    assert printed.startswith("half_of_it (my claims)") and "something" not in printed
    for arguments, said in (
        ([str(path), "half_of"], "there is no claim half_of; did you mean half_of_it"),
        ([str(tmp_path / "none.py")], "there is no file"),
    ):
        with pytest.raises(SystemExit):
            command.main(arguments)
        assert said in capsys.readouterr().err
    path.write_text("x = 1")
    with pytest.raises(SystemExit):
        command.main([str(path)])
    assert "makes no claim; decorate a function with kd.claim" in capsys.readouterr().err


# Few digits.


def test_a_counterexample_of_two_and_one(made):
    @made(lead=WIDE, trail=WIDE)
    def wrong_way(run, lead, trail):
        """The larger is learnt later."""
        seen = run(kd.GradientFlow(1.0), [lead, trail])
        return jnp.where(lead > trail, seen.learnt[1] - seen.learnt[0], 1.0)

    assert wrong_way.simplify(wrong_way.falsify(0)) == dict(lead=2.0, trail=1.0)

    @made(lead=(4.0, 400.0), trail=(40.0, 4000.0))  # where no simple number is drawn: the nearest to one
    def elsewhere(run, lead, trail):
        """The second is larger."""
        return trail - lead

    found = elsewhere.simplify(elsewhere.falsify(0))
    assert found["trail"] < found["lead"] < 60.0 and max(len(f"{x:g}") for x in found.values()) <= 2


# Where it fails.


def test_where_the_three_conjectures_fail(made):
    exchanged, half, behind = conjectures(made)
    with pytest.raises(ValueError, match="exchanged is violated nowhere in this check"):
        exchanged.check(0, 200).where()

    found = half.check(0).where()  # 1 - e^(-x) < ½, of any teacher: at x < log 2
    (condition,) = found.conditions
    assert condition.factors == (("trail", 1.0), ("student", 1.0)) and not condition.above
    assert abs(condition.threshold / np.log(2) - 1) < 0.02 and found.precision > 0.99 and found.recall > 0.99
    assert found.hypothesis.factors == condition.factors and found.hypothesis.threshold == 0.7 and found.kept > 0.98
    assert found.saved.holds and found.saved.claim.hypotheses.keys() == {"longer", "extra"}

    found = behind.check(0).where()
    assert str(found.conditions[0]).startswith("lead·teacher > ") and found.precision > 0.85 and found.recall > 0.85
    assert str(found.hypothesis).startswith("lead·teacher < ") and found.saved.holds and found.kept > 0.5
    written = eval(found.hypothesis.code)
    narrower = made(
        lead=WIDE,
        trail=WIDE,
        teacher=WIDE,
        penalty=WIDE,
        hypotheses=behind.hypotheses | dict(extra=written),
    )(behind.function)
    assert narrower.check(123).holds and narrower.falsify(124, descent=30).holds
    wider = made(
        lead=WIDE,
        trail=WIDE,
        teacher=WIDE,
        penalty=WIDE,
        hypotheses=behind.hypotheses | dict(extra=lambda lead, teacher: 4 - lead * teacher),
    )(behind.function)
    assert wider.falsify(124, descent=30).verdict == VIOLATED  # the threshold says something


def planted(made, slack, **quantities):
    def fails(run, **given):
        """It fails where it is told to."""
        return Margin(slack(**given), 0.0)

    fails.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("run", *quantities)]
    )
    return made(**quantities)(fails)


@pytest.mark.parametrize(
    "slack, words",
    [
        (lambda a, b, c, w: a / b**2 - 3.0, "a/b² < 3"),
        (lambda a, b, c, w: 0.02 - a * b / c, "a·b/c > 0.02"),
        (lambda a, b, c, w: b - 2.0, "b < 2"),
        (lambda a, b, c, w: jnp.maximum(a - 5.0, 0.3 - c), "a < 5 and c > 0.3"),
        (lambda a, b, c, w: (1 - w) * a - 0.5, "a·(1 - w) < 0.5"),
    ],
)
def test_planted_regions_are_named(made, slack, words):
    claim = planted(made, slack, a=WIDE, b=WIDE, c=WIDE, w=(0.0, 1.0))
    found = claim.check(0, count=4000).where()
    said = sorted(words.split(" and "))
    assert [each.rsplit(" ", 1)[0] for each in sorted(found.words.split(" and "))] == [
        each.rsplit(" ", 1)[0] for each in said
    ]
    for one, other in zip(sorted(found.words.split(" and ")), said, strict=True):
        assert float(one.rsplit(" ", 1)[1]) == pytest.approx(float(other.rsplit(" ", 1)[1]), rel=0.07)
    assert found.precision > 0.97 and found.recall > 0.97


def test_alternatives_whole_numbers_and_vectors_have_regions(made):
    names = planted(
        made,
        lambda method, a: jnp.where(method == "ridge", -1.0, 1.0) + 0 * a,
        method=among("flow", "ridge", "descent"),
        a=WIDE,
    )
    found = names.check(0, count=300).where()
    assert found.words == "method is ridge" and str(found.hypothesis) == "method is not ridge" and found.saved.holds
    numbers = planted(made, lambda fits, a: 3.5 - fits + 0 * a, fits=among(1, 2, 3, 4, 5), a=WIDE)
    assert numbers.check(0, count=500).where().words == "fits > 3.5"
    entries = planted(made, lambda v: v[1] - 2.0, v=kd.claims.several(3, kd.claims.positive()))
    assert entries.check(0, count=2000).where().words == "v[1] < 2"
    largest = planted(made, lambda v: jnp.max(v) - 20.0, v=kd.claims.several(3, kd.claims.positive()))
    found = largest.check(0, count=2000).where()
    assert found.words == "max(v) < 20" and found.saved.holds and "jnp.max(v)" in found.hypothesis.code


def test_what_is_nowhere_or_everywhere_has_no_threshold(made):
    always = planted(made, lambda a: -1.0 + 0 * a, a=WIDE)
    found = always.check(0, count=100).where()
    assert found.conditions == () and found.hypothesis is None and "everywhere within the hypotheses" in str(found)
    # a hash, of which no threshold tells anything: neither a region of use nor a hypothesis that saves
    noise = planted(made, lambda a, b: jnp.sin(1e6 * a + 1e5 * b), a=WIDE, b=WIDE)
    found = noise.check(0, count=2000).where()
    assert (
        found.hypothesis is None and found.saved is None and found.precision < 0.6 and "no single extra" in str(found)
    )


def test_a_hypothesis_that_saves_is_attacked(made):
    """A violation that random instances near the threshold miss moves the threshold."""
    claim = planted(
        made, lambda a, b: jnp.where(a < 1.0, -1.0, jnp.abs(jnp.log(b)) / 3 + jnp.log(a / 1.5)), a=WIDE, b=WIDE
    )
    found = claim.check(0, count=500).where()
    assert found.hypothesis.above and found.hypothesis.threshold >= 1.45 and str(found.hypothesis).startswith("a > ")
    assert found.saved.verdict == HOLDS


def test_every_quantity_may_be_a_few_values(made):
    """Nothing is drawn then, and each alternative is judged as it is."""

    @made(t=[0.1, 1.0, 10.0], kind=["flow"], two=2, hypotheses=dict(long=lambda t: t - 0.5))
    def learns(run, t, kind, two):
        """Gradient flow learns three tenths in less than a unit of time."""
        return run(kd.GradientFlow(t), [1.0]).learnt[0] - 0.15 * two

    check = learns.check(0, count=30)
    assert check.verdict == HOLDS and set(check.instances["t"].tolist()) == {1.0, 10.0}
    np.testing.assert_allclose(check.margins, -np.expm1(-check.instances["t"]) - 0.3, rtol=1e-12)
    assert learns.practice(0, count=4).verdict == HOLDS
    broken = learns.falsify(0, drop="long", count=30)
    assert broken.verdict == VIOLATED and learns.simplify(broken)["t"] == 0.1
    assert learns.falsify(0, count=30, descent=3).verdict == HOLDS

    @made(t=0.1)
    def fails(run, t):
        """Gradient flow learns three tenths."""
        return run(kd.GradientFlow(t), [1.0]).learnt[0] - 0.3

    assert "fails everywhere" in str(fails.check(0, count=5).where())


@pytest.mark.parametrize("values", [["a", 1.0], [None, 0.1], [np.nan, 1.0], np.nan, [(1, 2)]], ids=str)
def test_alternatives_of_no_one_kind_are_refused(made, values):
    """Numbers beside names would have become names, and NaN equals nothing."""
    with pytest.raises(ValueError, match="'t': among takes numbers, or names, and no NaN"):
        made(t=values)(lambda run, t: t)


def test_ends_are_finite(made):
    with pytest.raises(ValueError, match="'t': positive takes finite 0 < low <= high"):
        made(t=(1.0, np.inf))(lambda run, t: t)


@pytest.mark.parametrize(
    ("slack", "said"),
    [
        (lambda t: None, "it returns NoneType"),
        (lambda t: jnp.stack([t, t]), r"it returns float64 of shape \(2,\)"),
        (lambda t: 1j * t, "it returns complex128"),
        (lambda t: "yes", "it returns str"),
    ],
)
def test_a_condition_is_one_number(made, slack, said):
    @made(t=(0.1, 10.0), hypotheses=dict(odd=slack))
    def something(run, t):
        """Something."""
        return t

    with pytest.raises(TypeError, match=f"a condition of t must return one real number, .*; {said}"):
        something.check(0, count=5)


def test_a_complex_margin_is_refused(made):
    @made(t=(0.1, 10.0))
    def something(run, t):
        """Something."""
        return (1 + 1j) * run(kd.GradientFlow(t), [1.0]).learnt[0]

    with pytest.raises(TypeError, match="something must return a real number, and returns a complex one; take its"):
        something.check(0, count=5)


def test_a_hypothesis_that_excludes_nothing_is_named(made):
    @made(t=(0.1, 10.0), hypotheses=dict(met=lambda t: t))
    def something(run, t):
        """Something."""
        return t

    with pytest.raises(ValueError, match=r"only 0 of 320 random instances are outside of 'met'.*excludes nothing"):
        something.falsify(0, drop="met", count=5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_json_is_strict_also_of_margins_that_are_not_finite(made, value, recwarn):
    @made(t=(0.1, 10.0))
    def odd(run, t):
        """Something."""
        return run(kd.GradientFlow(t), [1.0]).learnt[0] * value

    def refuse(constant):
        raise AssertionError(constant)

    (said,) = json.loads(kd.claims.json(odd.trial(0, count=10, loops=3)), parse_constant=refuse)
    assert said["theory"]["worst"] is None and not said["passed"]


SEVERAL = '''
import kdtheory as kd


@kd.claim(eigenvalue=(0.1, 10), clock=(0.1, 10))
def own_branches(run, eigenvalue, clock):
    """It asks for a value."""
    if eigenvalue > 1:
        return eigenvalue
    return clock


@kd.claim(eigenvalue=(0.1, 10), clock=(0.1, 10))
def own_mistyped(run, eigenvalue, clock):
    """It has a name that is not there."""
    return clok


@kd.claim(eigenvalue=(0.1, 10), clock=(0.1, 10))
def own_quits(run, eigenvalue, clock):
    """It ends the session."""
    raise SystemExit(0)


@kd.claim(eigenvalue=(0.1, 10), clock=(0.1, 10))
def own_right(run, eigenvalue, clock):
    """Ridge trails flow."""
    ridge, flow = (run(learner, eigenvalue[None]) for learner in (kd.Ridge(1.0 / clock), kd.GradientFlow(clock)))
    return kd.ahead(flow[0], ridge[0])
'''


def test_a_refused_claim_leaves_the_others_their_rows(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "COUNTS", dict(count=500, loops=40))
    file = tmp_path / "several.py"
    file.write_text(SEVERAL)
    assert command.main([str(file)]) == 1
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1] for line in printed.splitlines() if line.startswith("own_")}
    assert rows == dict(own_branches="refused", own_mistyped="refused", own_quits="refused", own_right="holds")
    assert "  TypeError: own_branches asks in `if eigenvalue > 1:`, line 8, for the value of" in printed
    assert "  NameError in `return clok`, line 16: name 'clok' is not defined" in printed
    assert "FAILED: own_branches, own_mistyped, own_quits" in printed
    assert command.main([str(file), "--json"]) == 1
    first, second, _, right = json.loads(capsys.readouterr().out)
    assert not second["passed"] and "'clok' is not defined" in second["refused"] and "theory" not in second
    assert "refused" in first and right["theory"]["verdicts"]["holds"] == 500
    assert command.main([str(file), "--latex"]) == 1
    assert r"own\_mistyped & refused & - & - & - &  & conjecture" in capsys.readouterr().out
    assert command.main([str(file), "own_mistyped"]) == 1
    printed = capsys.readouterr().out
    assert "It has a name that is not there." in printed and "refused: NameError in `return clok`" in printed


@pytest.mark.parametrize(
    "text, said",
    [
        ("x = 1\nimport no_such_thing", "stops in `import no_such_thing`, line 2, with ModuleNotFoundError: No module"),
        ("def f(:\n    pass", "stops with SyntaxError: invalid syntax (broken.py, line 1); mend it"),
        ("import sys\nsys.exit(0)", "stops in `sys.exit(0)`, line 2, with SystemExit: 0; mend it"),
        (
            "import kdtheory as kd\nkd.claim(lambda run: 1)",
            "stops in `kd.claim(lambda run: 1)`, line 2, with TypeError",
        ),
    ],
)
def test_a_file_that_stops_is_told_in_one_line(tmp_path, capsys, text, said):
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        command.main([str(file)])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and f"{file} {said}" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "told, message",
    [
        (lambda run, x: run("flow", [x]).learnt[0], r"run takes a learner and eigenvalues \(K,\), .*; got 'flow'"),
        (lambda run, x: run(kd.Ridge(x), x).learnt, r"run takes eigenvalues \(K,\), and got a single number"),
        (lambda run, x: run(kd.Ridge(x), [x])[0], r"must return a number, positive where it holds, .*; got Seen\("),
    ],
)
def test_what_run_is_given_and_returns_is_told_in_words(made, told, message):
    def asked(run, x):
        """Anything."""
        return told(run, x)

    claim = made(x=(0.1, 10.0))(asked)
    for judged in claim.check, claim.practice:
        with pytest.raises((TypeError, ValueError), match=message):
            judged(0, count=4)
