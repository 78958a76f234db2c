"""Soft labels: THEOREMS T8 and T10.3 by their reference values, and on data."""

import dataclasses
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import OUTSIDE, VIOLATED
from kdtheory.measures import soft_labels
from kdtheory.measures.soft_labels import effective_logit, supervision_complexity
from kdtheory.problems import Softmax


def test_effective_logit(oracle):
    for name, inputs, expected in oracle.theorem("T8", "effective"):
        rho, temperature = inputs["rho"], inputs["temperature"]
        weight = rho / (rho + temperature**2 * (1 - rho))  # Ji & Zhu give the teacher's term the weight ρ/τ
        logit = effective_logit(inputs["teacher_logit"], inputs["label"], weight, temperature)
        assert oracle.agrees(logit, expected["z_eff"]), name


def test_effective_logit_is_the_root():
    """Where the slope changes sign, over temperatures below and above one and logits that saturate: down to e^-2000."""
    random = np.random.default_rng(0)
    cases = np.stack(
        [
            random.uniform(-40, 40, 40),
            random.integers(0, 2, 40),
            random.uniform(0.02, 1, 40),
            np.append(random.uniform(0.3, 9, 30), np.geomspace(0.02, 0.3, 10)),
        ]
    )
    found = np.asarray(effective_logit(*cases))

    def slope(x, z_T, y, w, τ):
        σ = lambda x: 1 / (1 + mpmath.exp(-x))
        return (1 - w) * (σ(x) - y) + w * τ * (σ(x / τ) - σ(z_T / τ))

    for z, case in zip(found.tolist(), cases.T.tolist(), strict=True):
        with mpmath.workdps(1000):
            width, exact = mpmath.mpf(1e-12) * max(1, abs(z)), [mpmath.mpf(x) for x in case]
            assert slope(mpmath.mpf(z) - width, *exact) < 0 < slope(mpmath.mpf(z) + width, *exact)
    assert effective_logit(1.7, 0.0, 1.0, 3.0) == pytest.approx(1.7, rel=1e-15)  # nothing but the teacher
    for label, exact in ((1.0, 1e5 - np.log(0.5)), (0.0, 0.0)):  # the logit of w σ(z_T) + (1 - w) y
        assert effective_logit(1e5, label, 0.5) == pytest.approx(exact, rel=1e-15, abs=1e-15)
    for size in (1e30, 1e161, 1e300):  # the root is where the teacher is sure: σ(z) = w + (1 - w) y
        assert effective_logit(size, 0.25, 0.6) == pytest.approx(math.log(0.7 / 0.3), rel=1e-14)
        assert effective_logit(-size, 1.0, 1e-9) == pytest.approx(math.log((1 - 1e-9) / 1e-9), rel=1e-14)
        assert effective_logit(-size, 0.0, 0.3, 0.1) == pytest.approx(-10 * size, rel=1e-13)
    slope = jax.grad(effective_logit)(5.0, 1.0, 0.7, 0.05)
    assert slope == pytest.approx(20.0, rel=1e-10)  # z = z_T/τ + log((1 - w + wτ)/(wτ)) but for e^-100


def test_supervision_complexity(oracle):
    ((_, inputs, expected),) = oracle.theorem("T8", "supervision")
    spectrum, labels = jnp.array(inputs["lam"]), jnp.array(inputs["y_coeff"])
    once, twice = (kd.self_distill(kd.GradientFlow(inputs["t"]), fits).filter(spectrum) * labels for fits in (1, 2))
    for targets, name in (labels, "y"), (once, "teacher"), (twice, "two_rounds"):
        complexity = supervision_complexity(spectrum, targets)
        assert oracle.agrees(complexity, expected[f"SC_{name}"])
        assert oracle.agrees(complexity / jnp.sum(targets**2), expected[f"norm_SC_{name}"])


def test_supervision_complexity_is_that_of_the_gram_matrix():
    # v'K⁻¹v from the matrix itself: N times smaller, for its eigenvalues are N times ours
    random = np.random.default_rng(0)
    features = random.standard_normal((5, 5))
    gram, targets = features @ features.T + np.eye(5), random.standard_normal(5)
    λ, u = np.linalg.eigh(gram / 5)
    assert supervision_complexity(λ, u.T @ targets) == pytest.approx(5 * targets @ np.linalg.solve(gram, targets))
    assert (
        supervision_complexity([2.0, 0.0], [1.0, 0.0]) == 0.5 and supervision_complexity([2.0, 0.0], [1, 1]) == np.inf
    )
    with pytest.raises(ValueError, match=r"targets must be \(2,\) like the eigenvalues, got \(2, 2\)"):
        supervision_complexity([1.0, 0.5], np.eye(2))


def test_variance_reduction(oracle):
    ((_, inputs, expected),) = oracle.theorem("T8", "variance")
    labels = inputs["p_star"]
    found = soft_labels.label_risk(inputs["px"], labels, labels, inputs["loss"])
    assert oracle.agrees(found.risk, expected["risk"])
    assert oracle.agrees(found.hard_variance, expected["var_hard"])
    assert oracle.agrees(found.soft_variance, expected["var_bayes"])
    assert oracle.agrees(found.label_variance, expected["gap"])
    assert found.soft_bias == 0


def test_imperfect_teacher_wins_few_samples_and_loses_many():
    # T8.1: mean squared error = variance/N + bias², exactly; the bias stays
    p, q, losses = jnp.array([[0.6, 0.4], [0.3, 0.7]]), jnp.array([[0.7, 0.3], [0.35, 0.65]]), [[0.0, 2.0], [1.0, 3.0]]
    found = soft_labels.label_risk([0.5, 0.5], p, q, losses)
    error = lambda samples: found.soft_variance / samples + found.soft_bias**2
    assert error(2) < found.hard_variance / 2 and error(1000) > found.hard_variance / 1000
    random = np.random.default_rng(1)
    inputs = random.integers(0, 2, (200_000, 2))
    estimates = np.asarray(jnp.sum(q * jnp.array(losses), axis=1))[inputs].mean(axis=1)
    assert np.mean((estimates - float(found.risk)) ** 2) == pytest.approx(float(error(2)), rel=0.02)


def test_a_class_without_probability_may_have_any_loss():
    """As of cross-entropy, where a predictor gives nothing to a class that never comes."""
    hard, losses = [[1.0, 0.0], [0.0, 1.0]], [[0.5, np.inf], [np.inf, 2.5]]
    found = soft_labels.label_risk([0.25, 0.75], hard, hard, losses)
    # of 0.5 and 2.5 with the probabilities 1/4 and 3/4: mean 2, variance 1/4 · 9/4 + 3/4 · 1/4
    seen = found.risk, found.hard_variance, found.label_variance, found.soft_variance, found.soft_bias
    assert [float(each) for each in seen] == [2.0, 0.75, 0.0, 0.75, 0.0]


@pytest.mark.parametrize(
    "name, given",
    [
        ("inputs must be \\(M,\\)", dict(inputs=[1.0])),
        ("got inputs \\(2,\\), labels \\(2, 2\\), teacher \\(1, 2\\)", dict(teacher=[[0.5, 0.5]])),
        ("losses \\(2,\\)", dict(losses=[0.0, 1.0])),
        ("inputs must be probabilities", dict(inputs=[0.5, 0.9])),
        ("labels must be probabilities", dict(labels=[[1.5, -0.5], [0.5, 0.5]])),
        ("teacher must be probabilities", dict(teacher=[[0.5, 0.4], [0.5, 0.5]])),
    ],
)
def test_risks_of_labels_refuse_what_they_would_broadcast(name, given):
    even = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match=name):
        soft_labels.label_risk(**{**dict(inputs=[0.5, 0.5], labels=even, teacher=even, losses=np.eye(2)), **given})


def test_where_logits_and_fits_have_no_meaning():
    for label, weight, temperature in ((1.5, 0.5, 1.0), (-0.2, 0.5, 1.0), (1.0, 1.5, 1.0), (0.5, 0.5, -1.0)):
        assert np.isnan(effective_logit(-2.0, label, weight, temperature))
    beyond = 1.1 / (1 + math.exp(2.0)) - 0.1 * 0.6  # a weight above one, and a probability all the same
    assert effective_logit(-2.0, 0.6, 1.1) == pytest.approx(math.log(beyond / (1 - beyond)), rel=1e-14)
    fits = lambda flipped, *classes: soft_labels.denoising_fits(flipped, kd.Ridge(0.8), 10.5, 0.5, *classes)
    assert np.all(np.isnan(fits([-0.5, 0.5, 1.0, 1.5])))  # half of two classes, all of them, and no shares
    ratio = math.log((10.5 / 11.3) / (0.5 / 1.3))
    expected = [math.log(1.6 / 0.6) / ratio, math.log(1.2 / 0.2) / ratio]
    assert fits([0.2, 0.4]) == pytest.approx(expected, rel=1e-14)
    for classes in (0, 1, 2.5):
        with pytest.raises(ValueError, match="classes must be a whole number, at least 2"):
            fits(0.2, classes)


def test_denoising_fits(oracle):
    ((_, inputs, expected),) = oracle.theorem("T10", "denoising")
    ridge = kd.Ridge(inputs["c"])
    fits = soft_labels.denoising_fits(inputs["flip"], ridge, inputs["lam_top"], inputs["lam_small"])
    assert oracle.agrees(fits, expected["m_threshold"])


def test_the_student_denoises_what_its_teacher_repeats():
    # T10.3: p = .2, λ = (10.5, .5), c = .8 on 40 points: 0 % of the flipped labels after one fit, 100 % after two
    members, within = 20, 0.5
    gram = np.kron(np.eye(2), np.full((members, members), within)) + (1 - within) * np.eye(2 * members)
    truth = np.repeat([1.0, -1.0], members)
    flipped = np.tile(np.arange(members) < 4, 2)
    problem = kd.problems.kernel(gram, np.where(flipped, -truth, truth))
    for fits, share in (1, 0.0), (2, 1.0):
        learner = kd.self_distill(kd.Ridge(0.8 / 40), fits)
        told = np.sign(np.asarray(problem.predict(learner.fit(problem)))) == truth
        assert told[flipped].mean() == share and told[~flipped].all()


# Attacks, with code that shares nothing with the claims.


def spoilt(value, by=1e-3):
    """A record, or a number, a little too large."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) * (1 + by) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value * (1 + by)


@pytest.mark.parametrize(
    "claim, room, function",
    [
        ("true_probabilities_save_variance", soft_labels, "label_risk"),
        ("label_pulls_the_effective_logit", soft_labels, "effective_logit"),
        ("distillation_denoises_labels", soft_labels, "denoising_fits"),
    ],
)
def test_a_wrong_formula_is_found_out(monkeypatch, claim, room, function):  # F25 d
    right = getattr(room, function)
    monkeypatch.setattr(room, function, lambda *given, **named: spoilt(right(*given, **named)))
    assert dataclasses.replace(kd.theorems.__dict__[claim]).check(0, count=200).verdict == VIOLATED


def test_a_wrong_gradient_is_found_out(monkeypatch):  # F25 d
    right = Softmax.gradient
    monkeypatch.setattr(Softmax, "gradient", lambda *given: right(*given) * 1.001)
    assert dataclasses.replace(kd.theorems.perfect_teacher_is_noiseless).practice(0, count=5).verdict == VIOLATED


def test_the_loss_may_depend_on_a_label_that_is_certain():  # F26: "zero only if the loss does not depend on it"
    certain = [[1.0, 0.0]]
    found = soft_labels.label_risk([1.0], certain, certain, [[0.0, 1.0]])
    assert found.label_variance == 0 and found.hard_variance == found.soft_variance


def test_without_a_teacher_no_logit_is_between():  # F24
    at = dict(hard=True, direction=1.0, teacher_logit=0.5, apart=1.0, sign=1.0, temperature=1.0)
    assert kd.theorems.label_pulls_the_effective_logit.at(truth=1.0, **at).verdict == OUTSIDE
    assert kd.theorems.label_pulls_the_effective_logit.at("practice", truth=1.0, **at).verdict == OUTSIDE
    assert kd.theorems.label_pulls_the_effective_logit.at(truth=0.999, **at).verdict == "holds"


def told(members, within, penalty, flipped, fits):
    """What a class of points is told, times its sign, by ridge distilled into itself: exact, by elimination."""
    gram = [[Fraction(1) if i == j else within for j in range(members)] for i in range(members)]
    labels = [Fraction(-1 if i < flipped else 1) for i in range(members)]
    for _ in range(fits):
        rows = [[gram[i][j] + (penalty if i == j else 0) for j in range(members)] + [labels[i]] for i in range(members)]
        for i in range(members):
            rows[i] = [x / rows[i][i] for x in rows[i]]
            for k in range(members):
                if k != i:
                    rows[k] = [x - rows[k][i] * y for x, y in zip(rows[k], rows[i], strict=True)]
        labels = [sum(gram[i][j] * rows[j][-1] for j in range(members)) for i in range(members)]
    return labels


def threshold(members, within, penalty, flipped, fits):
    """(φ(λ₁)/φ(λ₂))^fits - 2(1 - p)/(1 - 2p), exact."""
    top, low, share = 1 - within + within * members, 1 - within, Fraction(flipped, members)
    ratio = top * (low + penalty) / (low * (top + penalty))
    return ratio**fits - 2 * (1 - share) / (1 - 2 * share)


def test_denoising_is_exact():
    random = np.random.default_rng(1)
    seen = set()
    for _ in range(60):
        members, fits = int(random.integers(3, 8)), int(random.integers(1, 5))
        flipped = int(random.integers(1, (members + 1) // 2))
        within = Fraction(int(random.integers(1, 100)), 100)
        penalty = Fraction(10.0 ** random.uniform(-3, 1)).limit_denominator(1000) or Fraction(1, 1000)
        enough = threshold(members, within, penalty, flipped, fits) > 0
        labels = told(members, within, penalty, flipped, fits)
        assert all(label > 0 for label in labels[flipped:])
        assert all((label > 0) == enough for label in labels[:flipped])
        seen.add(enough)
    assert seen == {True, False}
    # F26: with a negative inner product the formula's logarithm is negative: no number of fits is enough
    assert all(told(3, Fraction(-1, 4), Fraction(1, 2), 1, fits)[0] < 0 for fits in (1, 2, 5))
    assert soft_labels.denoising_fits(1 / 3, kd.Ridge(0.5), 0.5, 1.25) == np.inf


@pytest.mark.parametrize("gap", ["1e-30", "1e-6", "0.5", "0.999"])
def test_supervision_in_fifty_digits(gap):
    with mpmath.workdps(90):
        λ = [mpmath.mpf(1), 1 - mpmath.mpf(gap), mpmath.mpf("1e-3")]
        y = [mpmath.mpf(1), mpmath.mpf(-7), mpmath.mpf("0.3")]
        flow = lambda t: [1 - mpmath.exp(-l * t) for l in λ]
        ridge = lambda t: [l / (l + 1 / t) for l in λ]
        ratio = lambda h: (
            sum((a * b) ** 2 / l for a, b, l in zip(h, y, λ, strict=True))
            / sum((a * b) ** 2 for a, b in zip(h, y, strict=True))
        )
        for h in flow, ridge:
            for t in map(mpmath.mpf, ("1e-4", "0.3", "20")):
                student = [a * b for a, b in zip(h(t), h(2 * t), strict=True)]
                assert ratio([1, 1, 1]) > ratio(h(1.001 * t)) > ratio(h(t)) > ratio(student)


def test_fits_that_correct_classes(oracle):
    """T14.4 by its reference, where the levels after one fit are given; two classes are the case of flipped labels."""
    rows = oracle.theorem("T14", "rounds")
    assert len(rows) == 2
    for name, given, expected in rows:
        levels = given["leading"], given["trailing"]
        found = kd.soft_labels.denoising_fits(given["relabelled"], kd.Filter(lambda λ: λ), *levels, given["classes"])
        assert oracle.agrees(found, expected["threshold"], 1e-13), name


def test_softmax_does_not_keep_the_decisions_of_smoothed_labels():
    """With cross-entropy smoothing is no scale: the margins' ratio is another at each point."""
    features, classes = np.array([[1.0, 0.2], [-0.4, 1.0], [0.3, -1.0], [0.8, 0.9]]), np.array([0, 1, 2, 0])
    hard = kd.datasets.one_hot(classes)
    soft = 0.6 * hard + 0.4 / 3
    descent = kd.GradientDescent(0.5, 2000)
    ratios = {}
    for name, made in (("softmax", kd.problems.softmax), ("squares", kd.problems.linear)):
        sharp, smooth = (np.asarray(p.predict(descent.fit(p))) for p in (made(features, hard), made(features, soft)))
        ratios[name] = (smooth[:, 0] - smooth[:, 1]) / (sharp[:, 0] - sharp[:, 1])
    np.testing.assert_allclose(ratios["squares"], 0.6, rtol=1e-10)
    assert np.ptp(ratios["softmax"]) > 0.02


def test_no_flips_need_no_fits_and_a_filter_that_falls_needs_more_than_any():
    fits = kd.soft_labels.denoising_fits
    assert float(fits(0.0, kd.Ridge(0.01), 10.5, 0.5)) == 0.0
    falls = kd.GradientDescent(1.9 / 10.5, 2)  # (1 - 0.9²) along the larger, more along the smaller
    assert float(falls.filter(10.5)) < float(falls.filter(3.0)) and float(fits(0.2, falls, 10.5, 3.0)) == np.inf
    assert np.isnan(fits(0.6, kd.Ridge(0.01), 10.5, 0.5))
