"""Every claim: theory, practice, negative controls, and the counterexamples of the literature notes by their
numbers."""

import itertools
import pathlib
import re

import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import CLAIMS, HOLDS, UNDECIDABLE, VIOLATED, practice, theory

ROOT = pathlib.Path(__file__).parent.parent
bias = kd.theorems.exaggerated_bias
steps = kd.theorems.single_crossing_in_steps


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_claim_holds_and_needs_each_hypothesis(claim):
    trial = claim.trial(11, count=2000, loops=200)
    assert trial.theory.counts[HOLDS] == 2000 and trial.practice.counts[HOLDS] == 200
    assert trial.necessary == list(claim.hypotheses)
    assert trial.passed
    for instance in trial.counterexamples.values():
        alone = {}
        exec(kd.counterexamples.script(claim, **instance), alone)  # which asserts the sign
        assert alone["margin"] < -1e-13


def drawn_beyond(quantity, random, count):
    """Half of positive numbers up to three times beyond the ends of their range, others as far beyond or zero; ties."""
    drawn = np.asarray(quantity.draw(random, count, False))
    if quantity.range is None or drawn.dtype.kind != "f":
        return drawn
    (low, high), chance = quantity.range(False), random.random(drawn.shape)
    if low > 0:
        far = np.exp(random.uniform(np.log(low / 3.0), np.log(high * 3.0), drawn.shape))
        drawn = np.where(chance < 0.5, far, drawn)
    else:
        far = random.uniform(2.0 * low - high, 2.0 * high - low, drawn.shape)
        drawn = np.select([chance < 0.2, chance < 0.3, chance < 0.4, chance < 0.45], [far, low, high, 0.0], drawn)
    if drawn.ndim == 2:
        tied = random.random(count) < 0.15
        drawn[tied, -1] = drawn[tied, 0]
    return drawn


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_claim_holds_beyond_the_ranges_that_it_draws_from(claim):
    """Wherever its domain and hypotheses are met; what floats and 60 digits cannot tell there is no violation."""
    random, count = np.random.default_rng(5), 400
    alternatives = list(itertools.product(*(q.values for q in claim.quantities.values() if q.values)))
    columns = iter(zip(*(alternatives[i % len(alternatives)] for i in range(count)), strict=True))
    instances = {
        name: np.array(next(columns)) if quantity.values else drawn_beyond(quantity, random, count)
        for name, quantity in claim.quantities.items()
    }
    inside = claim.within(instances, None)
    assert inside.sum() >= 10
    some = {name: values[inside] for name, values in instances.items()}
    check = claim.verdicts(some, "theory", None, np.ones(inside.sum(), bool))
    assert check.counts[VIOLATED] == 0, check
    assert check.counts[HOLDS] >= 0.8 * inside.sum()


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_claim_is_documented(claim):
    assert claim.statement[0].isupper() and claim.source
    assert all((ROOT / named).exists() for named in re.findall(r"tests/proofs/\w+\.py", claim.statement))


@pytest.mark.parametrize("topic", sorted({claim.topic for claim in CLAIMS.values()}))
def test_a_topic_imports_from_no_other(topic):
    text = (ROOT / "kdtheory" / "theorems" / f"{topic.replace(' ', '_')}.py").read_text()
    assert all(re.fullmatch(r"kdtheory\.theorems\._\w+", room) for room in re.findall(r"kdtheory\.theorems\S*", text))


def test_claims_are_listed_by_topic():
    assert list(dict.fromkeys(claim.topic for claim in CLAIMS.values() if claim.name in vars(kd.theorems))) == [
        "spectral bias",
        "confidence",
        "self distillation",
        "constrained self distillation",
        "early stopping",
        "ground truth weight",
        "linear classifiers",
        "mixing",
        "soft labels",
        "new inputs",
        "asymptotics",
        "transfer",
        "weak to strong",
        "generations",
        "hard labels",
    ]


def fractions(lane, learner, *eigenvalues, **options):
    return np.asarray(lane(learner, jnp.array(eigenvalues), **options).learnt)


@pytest.mark.parametrize("lane", [theory, practice], ids=lambda lane: lane.__name__)
class TestCounterexamples:
    """THEOREMS T1.4, each with its printed digits, in theory and on the algorithm."""

    def test_nonzero_start(self, lane):
        student = kd.distill(kd.GradientFlow(2.0), kd.GradientFlow(1.0))
        seen = fractions(lane, student, 1.0, 0.1, start=jnp.array([0.0, 0.5]))
        alone = fractions(lane, kd.GradientFlow(-np.log1p(-seen[0])), 1.0, 0.1)
        assert seen[1] == pytest.approx(0.469669, abs=5e-7) and alone[1] == pytest.approx(0.076045, abs=5e-7)
        check = bias.at(lane.__name__, lead=1.0, trail=0.1, teacher_time=2.0, student_time=1.0, start=0.5, angle=0.0)
        assert check.verdict == VIOLATED

    def test_other_inputs(self, lane):
        check = bias.at(lane.__name__, lead=4.0, trail=1.0, teacher_time=1.0, student_time=0.5, start=0.0, angle=0.6)
        assert check.verdict == VIOLATED
        # matched at .840157, the student has .559246 of the smaller one and its teacher .367700
        assert check.margin == pytest.approx(
            np.log(0.367700 / (1 - 0.559246)) + np.log((1 - 0.559246) / 0.559246), abs=0.5
        )

    def test_large_steps(self, lane):
        golden = 1 - np.sqrt((np.sqrt(5) - 1) / 2)
        student = kd.distill(kd.GradientDescent(1.0, 4), kd.GradientDescent(1.0, 4))
        seen = fractions(lane, student, 1.9, 1.5, golden)
        alone = fractions(lane, kd.GradientDescent(1.0, 2), 1.9, 1.5, golden)
        assert seen[2] == pytest.approx(alone[2], abs=1e-12) and seen[2] == pytest.approx(0.381966, abs=5e-7)
        assert seen[0] == pytest.approx(0.118267, abs=5e-7) and alone[0] == pytest.approx(0.19, abs=1e-12)
        assert seen[1] == pytest.approx(0.878906, abs=5e-7) and alone[1] == pytest.approx(0.75, abs=1e-12)

    def test_heavy_ball(self, lane):
        run = lambda k: kd.HeavyBall(0.1, 0.9, k)
        seen = fractions(lane, kd.distill(run(21), run(21)), 1.0, 0.02)
        alone = fractions(lane, run(8), 1.0, 0.02)
        assert seen[1] == pytest.approx(0.0589, abs=5e-5) and alone[1] == pytest.approx(0.0568, abs=5e-5)
        assert seen[0] == pytest.approx(0.498, abs=5e-4) and alone[0] == pytest.approx(1.553, abs=5e-4)

    def test_semigroup_fails_with_momentum(self, lane):
        times = dict(method="loop", fits=2, eigenvalue=1.0, rate=0.5, times=[5, 4, 1], start=0.0)
        assert kd.theorems.semigroup.at(lane.__name__, momentum=0.0, **times).verdict == HOLDS
        assert kd.theorems.semigroup.at(lane.__name__, momentum=0.8, **times).verdict == VIOLATED


def test_student_kernel_and_step_sizes_of_its_own():
    # THEOREMS T1.4: a student with other step sizes may be ahead on the smaller eigenvalue
    spectrum = jnp.array([1.0, 0.5])
    seen = theory(kd.distill(kd.GradientDescent(0.99, 20), kd.GradientFlow(1.0)), spectrum)
    matched = np.log1p(-seen.learnt[0]) / np.log1p(-0.99)
    alone = theory(kd.GradientDescent(0.99, matched), spectrum)
    assert seen.learnt[1] == pytest.approx(0.393469, abs=5e-7) and alone.learnt[1] == pytest.approx(0.137874, abs=5e-7)


def test_equality_is_not_a_pass():
    same = dict(teacher_time=1.0, student_time=2.0, start=0.0, angle=0.0)
    tie = bias.at(lead=1.0, trail=1.0, **same)
    assert tie.verdict == VIOLATED and tie.certified.all()  # a strict claim, and equality is proved
    never = dict(lead=1.0, trail=0.5, student_time=2.0, start=0.0, angle=0.0)
    assert bias.at(teacher_time=np.inf, **never).verdict == UNDECIDABLE  # the student is its teacher's equal
    assert bias.at(teacher_time=np.nan, **never).verdict == UNDECIDABLE


def test_what_floats_cannot_decide_is_proved(monkeypatch):
    late = dict(lead=10.0, trail=1.0, teacher_time=500.0, student_time=400.0, start=0.0, angle=0.0)
    check = bias.at(**late)
    assert check.verdict == HOLDS and check.certified.all()
    monkeypatch.setattr(kd.certify, "installed", lambda: False)
    assert bias.at(**late).verdict == UNDECIDABLE


def test_exact_ties_in_steps_do_not_break_the_inequality():
    # 4 and 4 steps match 2 exactly on the smaller eigenvalue, ηλ < 1: strictly ahead on the larger
    golden = 1 - np.sqrt((np.sqrt(5) - 1) / 2)
    student, alone = kd.distill(kd.GradientDescent(1.0, 4), kd.GradientDescent(1.0, 4)), kd.GradientDescent(1.0, 2)
    seen, single = fractions(theory, student, 0.9, golden), fractions(theory, alone, 0.9, golden)
    assert seen[1] == pytest.approx(single[1], abs=1e-15) and seen[0] > single[0]
    once = dict(fits=2, trail=golden / 0.9, rate=0.9, times=[9.2, 9.2, 1.0], moment=0.5, momentum=0.0, start=0.0)
    assert steps.at(**once).verdict == HOLDS  # against 4 steps, the fewest that are no less far on the larger


def test_margins_follow_the_closed_form():
    # the claim's margin, made from filters, against the exact margin on eigenvalues: two routes
    instance = dict(lead=2.0, trail=0.7, teacher_time=1.5, student_time=0.8)
    check = bias.at(start=0.0, angle=0.0, **instance)
    seen = kd.distill(kd.GradientFlow(1.5), kd.GradientFlow(0.8))
    time = float(-seen.log_residual(2.0) / 2.0)
    student, alone = float(seen.filter(0.7)), float(kd.GradientFlow(time).filter(0.7))
    exact = float(kd.measures.margin(2.0, 0.7, time, 1.5))
    assert alone - student == pytest.approx(exact, rel=1e-12)
    expected = np.log(alone / student) if student < 0.5 else np.log((1 - student) / (1 - alone))
    assert check.margin == pytest.approx(expected, rel=1e-11)
