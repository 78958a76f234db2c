"""Soft labels: the variance they save, the complexity they lose, the logit at which they aim, what they denoise."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    Margin,
    among,
    both,
    claim,
    exceeds,
    face,
    positive,
    same,
    several,
    uncertainty,
    uniform,
    usually,
    whole,
)
from kdtheory.learners import GradientDescent, HeavyBall, Ridge, distill
from kdtheory.measures import soft_labels
from kdtheory.problems import Softmax
from kdtheory.problems._softmax import Term
from kdtheory.theorems._words import METHODS, chain

misled = usually(0.0, uniform(0.1, 0.4))  # by how much the teacher's probabilities are off
DRAWS = np.array(list(itertools.product(range(6), repeat=2)))  # every sample of two from three inputs, two labels


def moments(inputs, chances, taught, losses):
    """Means and variances of the two empirical risks of two samples, with p(1 - p)(l₁ - l₀)² for that of a label."""
    step = losses[:, 1] - losses[:, 0]
    own, soft = losses[:, 0] + chances * step, losses[:, 0] + taught * step
    mean, soft_mean = inputs @ own, inputs @ soft
    variance = inputs @ own**2 - mean**2 + inputs @ (chances * (1.0 - chances) * step**2)
    return mean, variance / 2, soft_mean, (inputs @ soft**2 - soft_mean**2) / 2


def every_sample(inputs, chances, taught, losses):
    """The same from every sample there is, with its probability."""
    labels, teacher = (jnp.stack([1.0 - p, p], axis=1) for p in (chances, taught))
    chance = (inputs[:, None] * labels).ravel()[DRAWS].prod(axis=1)
    estimates = losses.ravel()[DRAWS].mean(axis=1), jnp.sum(teacher * losses, axis=1)[DRAWS // 2].mean(axis=1)
    means = [jnp.sum(chance * estimate) for estimate in estimates]
    variances = [jnp.sum(chance * (e - mean) ** 2) for e, mean in zip(estimates, means, strict=True)]
    return means[0], variances[0], means[1], variances[1]


@claim(
    source="Menon, Rawat, Reddi, Kim & Kumar 2021, as recalled",
    standing="proved",
    inputs=several(3, uniform(0.1, 1.0)),
    chances=several(3, uniform(0.0, 1.0)),
    losses=several(6, uniform(0.0, 3.0)),
    error=misled,
    hypotheses=dict(true_probabilities=lambda error: error == 0.0),
)
def true_probabilities_save_variance(run, inputs, chances, losses, error):
    """Hard labels and soft ones estimate a fixed predictor's risk without bias; soft ones save E_x Var_{y|x}[loss]/N.

    Soft labels are the true probabilities p(y|x). With two labels the saving is E_x[p(1 - p)(l₁ - l₀)²]/N: zero iff at
    almost every input the label is certain or does not change the loss. With other probabilities the soft risk has in
    general a bias, which no number of samples mends. Both empirical risks are judged against `soft_labels.label_risk`,
    with N = 2: in theory by the moments of one sample, in practice by all samples there are.

    Proof. A hard empirical risk is a mean of N independent terms l(x, y), the soft one of E[l(x, y) | x]: both have the
    mean E l, and by the law of total variance their variances differ by E_x Var[l | x]/N.
    """
    inputs, losses = inputs / jnp.sum(inputs), losses.reshape(3, 2)
    taught = chances + error * (1.0 - 2.0 * chances)
    mean, variance, soft_mean, soft_variance = face(run, moments, every_sample)(inputs, chances, taught, losses)
    labels = jnp.stack([1.0 - chances, chances], axis=1)
    found = soft_labels.label_risk(inputs, labels, labels, losses)
    near = lambda seen, claimed: same(seen, claimed, 1e-12, size=1.0)
    saving = inputs @ (chances * (1.0 - chances) * (losses[:, 1] - losses[:, 0]) ** 2)
    return both(
        near(mean, found.risk),
        near(soft_mean, found.risk),
        near(2.0 * variance, found.hard_variance),
        near(2.0 * soft_variance, found.soft_variance),
        near(2.0 * (variance - soft_variance), found.label_variance),
        near(found.label_variance, saving),
    )


def log_complexity(spectrum, seen):
    """log of v'K⁻¹v/|v|², and its error."""
    v, error = seen.learnt, 4.0 * uncertainty(seen)
    complexity, square = soft_labels.supervision_complexity(spectrum, v), jnp.sum(v**2)
    spread = jnp.sum(jnp.abs(v) * error / spectrum) / complexity + jnp.sum(jnp.abs(v) * error) / square
    return Margin(jnp.log(complexity / square), spread)


def of_labels(spectrum, targets, taught):
    """log of v'K⁻¹v/|v|² of the labels, known better than that of what was learnt of them."""
    return Margin(jnp.log(soft_labels.supervision_complexity(spectrum, targets) / jnp.sum(targets**2)), taught.rounding)


def simpler(before, after):
    """The margin of "less complex than before", of two logs."""
    return Margin(before.value - after.value, before.rounding + after.rounding)


gaps2 = several(2, uniform(0.01, 1.0, tame=(0.05, 0.95)))
spread_out = dict(distinct=lambda gaps: 1.0 - jnp.max(gaps))


def below_one(gaps):
    """A spectrum from one downwards, each a given fraction of the one before."""
    return jnp.stack([jnp.ones_like(gaps[0]), gaps[0], gaps[0] * gaps[1]])


@claim(
    source="Harutyunyan, Rawat, Menon, Kim & Kumar 2023 for the quantity; own",
    standing="proved",
    gaps=gaps2,
    targets=several(3, positive(0.1, 10.0)),
    rate=uniform(0.05, 1.9),
    halves=several(2, whole(1, 3)),
    hypotheses=dict(small_step=lambda rate: 1.0 - rate),
    domain=spread_out,
)
def each_fit_simplifies_supervision(run, gaps, targets, rate, halves):
    """Every fit makes the targets simpler: v'K⁻¹v/|v|² falls from labels to teacher to student.

    For every filter h >= 0 that grows with λ, from zero, where what is learnt has parts along distinct eigenvalues.
    Here gradient descent with an even number of steps, whose filter grows where ηλ < 1 (λ₁ is 1, η is `rate`) and falls
    beyond.

    Proof. v'K⁻¹v/|v|² is a mean of 1/λ with the weights v²; a filter h multiplies these by h², and so changes the mean
    by the covariance of 1/λ and h² over the mean of h². One falls and the other grows with λ, as h >= 0 does: by
    Chebyshev's sum inequality the covariance is negative.
    """
    spectrum = below_one(gaps)
    teacher, student = (HeavyBall(rate, 0.0, 2 * k) for k in halves)
    taught, learnt = (
        log_complexity(spectrum, run(learner, spectrum, target=targets))
        for learner in (teacher, distill(teacher, student))
    )
    return both(simpler(of_labels(spectrum, targets, taught), taught), simpler(taught, learnt))


@claim(
    source="Harutyunyan, Rawat, Menon, Kim & Kumar 2023 for the quantity; own",
    standing="proved",
    method=among("flow", "ridge"),
    gaps=gaps2,
    targets=several(3, positive(0.1, 10.0)),
    clock=positive(0.01, 20.0, tame=(0.3, 3.0)),
    more=positive(1e-5, 2.0, tame=(1e-5, 2.0)),
    direction=usually(1.0, uniform(-0.4, -0.1)),
    hypotheses=dict(later=lambda direction: direction),
    domain=spread_out,
)
def supervision_grows_with_training(run, method, gaps, targets, clock, more, direction):
    """The longer a teacher trains, the more complex its predictions: v'K⁻¹v and v'K⁻¹v/|v|² grow with the clock.

    Flow and ridge, where targets have a part along distinct eigenvalues; both stay below those of the labels. (The
    second clock is 1 + `more` times the first, or shorter in the other `direction`.)

    Proof. Each filter h_t(λ) grows with t towards one, and with it v'K⁻¹v = Σ h² y²/λ towards that of y. The other is a
    mean of 1/λ with the weights h² y²; they change at the rate 2 d log h/dt, which falls with λ: it is 2λ/(e^(λt) - 1)
    for flow and 2/(t(1 + λt)) for ridge with penalty 1/t. So weight moves to small λ, as in
    `each_fit_simplifies_supervision`, and the mean grows, towards that of y.
    """
    spectrum, learner = below_one(gaps), METHODS[method]
    early, late = (run(learner(clock * k), spectrum, target=targets) for k in (1.0, 1.0 + direction * more))
    of = lambda seen: jnp.log(soft_labels.supervision_complexity(spectrum, seen.learnt))
    off = lambda seen: 8.0 * jnp.max(uncertainty(seen) / jnp.abs(seen.learnt))
    return both(
        simpler(*(log_complexity(spectrum, seen) for seen in (late, early))),
        Margin(of(late) - of(early), off(late) + off(early)),
    )


def logit_of_descent(teacher_logit, label, weight, temperature):
    """Where gradient descent takes the logit of a single example."""
    soft = lambda logit: jax.nn.softmax(jnp.stack([0.0 * logit, logit]))[None]
    own = Term(jnp.stack([1.0 - label, label])[None], 1.0 - weight, 1.0)
    taught = Term(soft(teacher_logit / temperature), weight, temperature)
    parameters = GradientDescent(3.0, 3000).fit(Softmax(jnp.ones((1, 1)), (own, taught), False))
    return parameters[0, 1] - parameters[0, 0]


@claim(
    source="Ji & Zhu 2020, as recalled",
    standing="proved",
    hard=among(True, False),
    direction=uniform(-1.0, 1.0),
    teacher_logit=uniform(-6.0, 6.0, tame=(-1.0, 1.0)),
    apart=positive(1e-4, 10.0, tame=(3e-4, 3.0)),
    truth=positive(1e-6, 0.999, tame=(3e-5, 0.7)),
    sign=usually(1.0, uniform(-0.2, -0.1)),
    temperature=positive(0.5, 10.0, tame=(1.0, 3.0)),
    hypotheses=dict(some_truth=lambda sign: sign),
    domain=dict(
        some_teacher=lambda truth, sign: 1.0 - sign * truth,
        # else chances are one, but for digits
        told=lambda teacher_logit, apart, temperature: 32.0 - (jnp.abs(teacher_logit) + apart) / temperature,
    ),
)
def label_pulls_the_effective_logit(run, hard, direction, teacher_logit, apart, truth, sign, temperature):
    """A student of one example ends at the effective logit, strictly between its teacher's and its label's.

    Cross-entropy to the label with weight 1 - w, to the teacher at temperature τ with wτ², 0 < w < 1; the label is a
    probability other than the teacher's, or a hard one, 0 or 1, with an infinite logit. Mixing in the label moves the
    logit towards it; where the weight is past one, the loss pulls away from it at the teacher's logit. (The label's
    logit is `apart` from the teacher's, w = 1 - `truth`.)

    Proof. The slope of the loss at the logit z is (1 - w)(σ(z) - y) + wτ (σ(z/τ) - σ(z_T/τ)), strictly increasing in z.
    At z_T only the first term is left, with the sign of σ(z_T) - y; at the label's logit only the second, with the
    opposite sign; the one root is between them. With w > 1 the slope at z_T has the other sign.
    """
    side = jnp.where(direction < 0, -1.0, 1.0)
    weight, target = 1.0 - sign * truth, teacher_logit + side * apart
    label = 0.5 * (1.0 + side) if hard else jax.nn.sigmoid(target)
    logit = face(run, soft_labels.effective_logit, logit_of_descent)(teacher_logit, label, weight, temperature)
    slope = (1.0 - weight) * (jax.nn.sigmoid(logit) - label) + weight * temperature * (
        jax.nn.sigmoid(logit / temperature) - jax.nn.sigmoid(teacher_logit / temperature)
    )
    rounding = jnp.asarray(face(run, 1e-13, 1e-9))
    root, pulled = same(slope, 0.0, 1e-11, size=1.0), Margin(side * (logit - teacher_logit), rounding)
    return both(root, pulled) if hard else both(root, pulled, Margin(side * (target - logit), rounding))


LABELS = np.array(list(itertools.product([0.0, 1.0], repeat=3)))  # of three samples


def hessian_and_noise(features, parameters, chances):
    """Of logistic regression: its Hessian, the gradient's mean and N times its second moment, by formula."""
    p = jax.nn.sigmoid(features @ parameters)
    slope = chances * (p - 1.0) + (1.0 - chances) * p
    square = chances * (1.0 - p) ** 2 + (1.0 - chances) * p**2
    mean = features.T @ slope / 3
    noise = (features.T * (square - slope**2)) @ features / 3 + 3 * jnp.outer(mean, mean)
    return (features.T * (p * (1.0 - p))) @ features / 3, mean, noise


def of_every_labelling(features, parameters, chances):
    """The same from the gradients of the loss at every labelling there is."""
    both_columns = jnp.stack([jnp.zeros_like(parameters), parameters], axis=1)
    problem = lambda labels: Softmax(features, (Term(jnp.stack([1.0 - labels, labels], axis=1), 1.0, 1.0),), False)
    loss = lambda w: problem(jnp.asarray(LABELS[0])).loss(jnp.stack([jnp.zeros_like(w), w], axis=1))
    gradients = jnp.stack([problem(jnp.asarray(labels)).gradient(both_columns)[:, 1] for labels in LABELS])
    weight = jnp.prod(jnp.where(LABELS == 1, chances, 1.0 - chances), axis=1)
    return jax.hessian(loss)(parameters), weight @ gradients, 3 * (gradients.T * weight) @ gradients


@claim(
    source="mechanism of Xie, Schmidt & Duchi 2026; own",
    standing="proved",
    features=several(6, uniform(-2.0, 2.0)),
    parameters=several(2, uniform(-1.0, 1.0)),
    error=usually(0.0, uniform(0.02, 0.1)),
    hypotheses=dict(perfect_teacher=lambda error: error == 0.0),
)
def perfect_teacher_is_noiseless(run, features, parameters, error):
    """At the true parameters a perfect teacher's gradient vanishes, while hard labels leave noise: the Hessian over N.

    Logistic regression; the perfect teacher's soft labels are the true probabilities σ(x·w*), from which hard labels
    are drawn. Their gradient has mean zero at w*, and N times its covariance is the Hessian of the loss. With labels
    that are drawn otherwise w* is in general not where the loss is least. In theory from the moments of one label, in
    practice from all labellings of three samples.

    Proof. The gradient of one sample is (σ(x·w) - y) x. With y = σ(x·w*) it is zero at w*. With y drawn its mean is
    that, and E(σ - y)² = σ(1 - σ), which is what stands in the Hessian, the mean of σ(1 - σ) xx'.
    """
    features = features.reshape(3, 2)
    chances = jnp.clip(0.5 + 0.5 * jnp.tanh(features @ parameters / 2.0) + error, 0.0, 1.0)
    hessian, mean, noise = face(run, hessian_and_noise, of_every_labelling)(features, parameters, chances)
    near = lambda array: same(jnp.max(jnp.abs(array)), 0.0, 1e-12, size=1.0)
    return both(near(mean), near(noise - hessian))


POINTS = 7  # of each class
_MEAN = np.full((POINTS, 1), POINTS**-0.5)
_REST = np.linalg.svd(np.eye(POINTS) - _MEAN @ _MEAN.T)[0][:, : POINTS - 1]
CLASS_BASIS = np.kron(np.eye(2), np.hstack([_MEAN, _REST]))  # (14, 14)


@claim(
    source="own; after Das & Sanghavi 2023",
    standing="proved",
    fits=among(1, 2, 3),
    enough=among(1.0, -1.0),
    flipped=whole(1, 3),
    nearness=positive(1e-6, 0.9, tame=(1e-5, 0.9)),
    stretch=positive(1e-2, 1e2, tame=(0.1, 10.0)),
    more=usually(0.0, whole(1, 2)),
    domain=dict(near=lambda nearness: 1.0 - nearness),
    hypotheses=dict(balanced=lambda more: more == 0),
)
def distillation_denoises_labels(run, fits, enough, flipped, nearness, stretch, more):
    """Self-distilled ridge relabels flipped training points iff fits > log(2(1 - p)/(1 - 2p)) / log(φ(λ₁)/φ(λ₂)).

    Two classes of m points with one inner product 0 < c < 1 within a class, none between, and unit norms: λ₁ = (1 - c +
    cm)/N and λ₂ = (1 - c)/N. The same share 0 < p < 1/2 of each class is flipped, here `flipped` of 7 points. With
    fewer fits every flipped point keeps its wrong label; so the teacher fails where its student may succeed. With more
    flips in one class, their common share decides nothing. (Penalty and c are such that the number needed is `nearness`
    away from that of the fits, relative to it, and λ₁/λ₂ exceeds φ(λ₁)/φ(λ₂) by `stretch`.)

    Proof. Within a class, times its sign, labels are 1 - 2p along the mean; what is left, along λ₂, is -2(1 - p) at a
    flipped point and 2p at another. With h = φ^fits a flipped point is told (1 - 2p) h(λ₁) - 2(1 - p) h(λ₂), positive
    iff (φ(λ₁)/φ(λ₂))^fits > 2(1 - p)/(1 - 2p), and any other (1 - 2p) h(λ₁) + 2p h(λ₂) > 0.
    """
    share = flipped / POINTS
    ratio = (2.0 * (1.0 - share) / (1.0 - 2.0 * share)) ** ((1.0 + enough * nearness) / fits)  # φ(λ₁)/φ(λ₂)
    condition = ratio * (1.0 + stretch)  # λ₁/λ₂
    within = (condition - 1.0) / (condition + POINTS - 1.0)
    top, low = (1.0 - within + POINTS * within) / (2 * POINTS), (1.0 - within) / (2 * POINTS)
    penalty = top * low * (ratio - 1.0) / (top - ratio * low)
    spectrum = jnp.tile(jnp.concatenate([top[None], jnp.full(POINTS - 1, low)]), 2)
    wrong = jnp.tile(jnp.arange(POINTS), 2) < jnp.repeat(jnp.stack([flipped, flipped + more]), POINTS)
    labels = jnp.where(wrong, -1.0, 1.0) * np.repeat([1.0, -1.0], POINTS)
    seen = run(chain([Ridge(penalty)] * fits), spectrum, target=CLASS_BASIS.T @ labels)
    told = CLASS_BASIS @ seen.learnt * np.repeat([1.0, -1.0], POINTS)  # positive where relabelled by the true class
    size = jnp.max(jnp.abs(told))
    common = jnp.minimum((flipped + more / 2) / POINTS, 0.49)
    needed = soft_labels.denoising_fits(common, Ridge(penalty), top, low)
    right, failed = jnp.min(told), -jnp.max(jnp.where(wrong, told, -jnp.inf))
    return exceeds(jnp.where(fits > needed, right, failed), 0.0, 4.0 * jnp.sum(uncertainty(seen)), size)


CLASSES = 3
_SIX = np.linalg.svd(np.eye(POINTS) - _MEAN @ _MEAN.T)[0][:, : POINTS - 1]
THREE = np.kron(np.eye(CLASSES), np.hstack([_MEAN, _SIX]))  # (21, 21)


@claim(
    source="own; after Jeong & Chung 2024, as recalled",
    standing="proved",
    fits=among(1, 2),
    enough=among(1.0, -1.0),
    flipped=whole(1, 2),
    nearness=positive(1e-6, 0.9, tame=(1e-5, 0.9)),
    stretch=positive(1e-2, 1e2, tame=(0.1, 10.0)),
    more=usually(0.0, whole(1, 2)),
    domain=dict(near=lambda nearness: 1.0 - nearness),
    hypotheses=dict(even=lambda more: more == 0),
)
def averaging_denoises_classes(run, fits, enough, flipped, nearness, stretch, more):
    """With C classes self-distilled ridge relabels all flipped training points iff fits > log((2 - q)/(1 - q)) /
    log(φ(λ₁)/φ(λ₂)), q = pC/(C - 1) < 1.

    As in `distillation_denoises_labels`: a share p of each class is flipped, evenly among the others, of 7 points in
    three classes `flipped` to each; the largest output decides. With fewer fits every flipped point keeps its wrong
    label. Where one class takes `more` of the flips, p alone decides nothing.

    Proof. With h = φ^fits a point of class a that is labelled b is told, of a less b, (1 - q) h(λ₁) - (2 - q) h(λ₂), as
    1 - p and p/(C - 1) are the mean of its class along a and b; and of a less any other (1 - q)(h(λ₁) - h(λ₂)) > 0.
    """
    share = flipped * (CLASSES - 1) / POINTS
    q = share * CLASSES / (CLASSES - 1)
    ratio = ((2.0 - q) / (1.0 - q)) ** ((1.0 + enough * nearness) / fits)  # φ(λ₁)/φ(λ₂)
    condition = ratio * (1.0 + stretch)  # λ₁/λ₂
    within = (condition - 1.0) / (condition + POINTS - 1.0)
    top, low = (1.0 - within + POINTS * within) / (3 * POINTS), (1.0 - within) / (3 * POINTS)
    penalty = top * low * (ratio - 1.0) / (top - ratio * low)
    spectrum = jnp.tile(jnp.concatenate([top[None], jnp.full(POINTS - 1, low)]), CLASSES)
    place, true = jnp.tile(jnp.arange(POINTS), CLASSES), np.repeat(np.arange(CLASSES), POINTS)
    to = jnp.where(place < flipped, 1, jnp.where(place < 2 * flipped, 2, jnp.where(place < 2 * flipped + more, 1, 0)))
    given = (true + to) % CLASSES
    learner = chain([Ridge(penalty)] * fits)
    told = jnp.stack(
        [
            THREE @ run(learner, spectrum, target=THREE.T @ jnp.where(given == c, 1.0, 0.0)).learnt
            for c in range(CLASSES)
        ]
    )
    of = lambda which: jnp.sum(jnp.where(which == np.arange(CLASSES)[:, None], told, 0.0), axis=0)
    others = jnp.stack([of((true + k) % CLASSES) for k in range(1, CLASSES)])
    lead = of(true) - jnp.max(others, axis=0)  # of the true class
    size = jnp.max(jnp.abs(told))
    common = jnp.minimum((2 * flipped + more) / POINTS, 0.66)
    needed = soft_labels.denoising_fits(common, Ridge(penalty), top, low, CLASSES)
    right, failed = jnp.min(lead), -jnp.max(jnp.where(to > 0, lead, -jnp.inf))
    rounding = face(run, 1e-14, 1e-11) * size
    return exceeds(jnp.where(fits > needed, right, failed), 0.0, rounding, size)


@claim(
    source="own; the companion of `shrunk_labels_reverse_the_bias`",
    standing="proved",
    spectrum=several(3, positive(0.05, 3.0, tame=(0.3, 3.0))),
    labels=several(9, uniform(0.0, 1.0)),
    clocks=several(2, positive(0.1, 10.0, tame=(0.3, 3.0))),
    smoothing=uniform(0.0, 0.9),
    tilt=usually(0.0, uniform(0.2, 0.5)),
    start=usually(0.0, uniform(0.2, 0.9)),
    hypotheses=dict(uniform=lambda tilt: tilt == 0.0, equal_start=lambda start: start == 0.0),
    domain=dict(smoothed=lambda smoothing: smoothing - 0.05),
)
def smoothing_changes_no_decision(run, spectrum, labels, clocks, smoothing, tilt, start):
    """Uniform label smoothing ε multiplies every difference of two outputs by 1 - ε, and so changes no decision.

    Squared loss, any learner with a filter, any features and inputs; here a student of ridge's. Not where classes are
    smoothed to different extents, nor from a start that differs between classes. It does reverse exaggerated bias.

    Proof. Predictions are linear in the labels, (1 - ε)Y + ε11ᵀ/C: those of the second term are the same for all
    classes, and fall out of their differences.
    """
    given = labels.reshape(3, 3)  # directions, classes
    ones = jnp.array([1.0, -0.5, 0.3])  # of what is one at every sample, along the directions
    learner = distill(Ridge(1.0 / clocks[0]), Ridge(1.0 / clocks[1]))
    towards = jnp.stack([1.0 + tilt, 1.0 - tilt, jnp.ones_like(tilt)]) / 3.0
    begun = start * jnp.array([1.0, 0.0, 0.0])

    def ends(targets):
        return [run(learner, spectrum, target=targets[:, c], start=begun[c] * jnp.ones(3)).learnt for c in range(3)]

    sharp, soft = ends(given), ends((1.0 - smoothing) * given + smoothing * ones[:, None] * towards)
    size = 1.0 + jnp.max(jnp.abs(given))
    error = face(run, 1e-14, 1e-11) * size
    apart = [
        same(soft[0][k] - soft[c][k], (1.0 - smoothing) * (sharp[0][k] - sharp[c][k]), error, size)
        for c in (1, 2)
        for k in range(3)
    ]
    return both(*apart)
