"""Soft labels: the variance they save, the complexity they lose, the logit at which they aim, what they denoise."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import soft_labels
from kdtheory.claims import Margin, among, both, claim, face, positive, same, several, uniform, usually, whole
from kdtheory.classification import Softmax, Term
from kdtheory.distillation import distill
from kdtheory.learners import GradientDescent, GradientFlow, HeavyBall, Ridge
from kdtheory.theorems.spectral_bias import chain

misled = usually(0.0, uniform(0.1, 0.4))  # by how much the teacher's probabilities are off
DRAWS = np.array(list(itertools.product(range(6), repeat=2)))  # every sample of two from three inputs, two labels


def moments(inputs, labels, teacher, losses):
    """Means and variances of the two empirical risks of two samples, by formula."""
    found = soft_labels.label_risk(inputs, labels, teacher, losses)
    return found.risk, found.hard_variance / 2, found.risk + found.soft_bias, found.soft_variance / 2


def every_sample(inputs, labels, teacher, losses):
    """The same from every sample there is, with its probability."""
    chance = (inputs[:, None] * labels).ravel()[DRAWS].prod(axis=1)
    estimates = losses.ravel()[DRAWS].mean(axis=1), jnp.sum(teacher * losses, axis=1)[DRAWS // 2].mean(axis=1)
    means = [jnp.sum(chance * estimate) for estimate in estimates]
    variances = [jnp.sum(chance * (e - mean) ** 2) for e, mean in zip(estimates, means, strict=True)]
    return means[0], variances[0], means[1], variances[1]


@claim(
    source="Menon, Rawat, Reddi, Kim & Kumar 2021",
    standing="as recalled",
    inputs=several(3, uniform(0.1, 1.0)),
    chances=several(3, uniform(0.1, 0.5)),
    losses=several(6, uniform(0.0, 3.0)),
    error=misled,
    hypotheses=dict(true_probabilities=lambda error: error == 0.0),
)
def true_probabilities_save_variance(run, inputs, chances, losses, error):
    """Hard labels and soft ones estimate a fixed predictor's risk without bias; soft ones save E_x Var_{y|x}[loss]/N.

    Soft labels are the true probabilities p(y|x); the saving is zero only if the loss does not depend on the label.
    With other probabilities the soft risk is biased, and no number of samples mends that. In practice N = 2 and all
    samples are enumerated.
    """
    inputs, losses = inputs / jnp.sum(inputs), losses.reshape(3, 2)
    labels, teacher = (jnp.stack([1.0 - p, p], axis=1) for p in (chances, chances + error))
    mean, variance, soft_mean, soft_variance = face(run, moments, every_sample)(inputs, labels, teacher, losses)
    found = soft_labels.label_risk(inputs, labels, labels, losses)
    unbiased = both(same(mean, found.risk, 1e-12), same(soft_mean, found.risk, 1e-12))
    saving = same(variance - soft_variance, found.label_variance / 2, 1e-12)
    return both(unbiased, both(saving, Margin(variance - soft_variance, 1e-13)))


def log_complexity(spectrum, seen):
    """log of v'K⁻¹v/|v|²."""
    return jnp.log(soft_labels.supervision_complexity(spectrum, seen.learnt) / jnp.sum(seen.learnt**2))


@claim(
    source="Harutyunyan, Rawat, Menon, Kim & Kumar 2023 for the quantity; own",
    standing="proved",
    gaps=several(2, uniform(0.1, 0.9)),
    targets=several(3, positive(0.1, 10.0)),
    rate=uniform(0.05, 1.9),
    halves=several(2, whole(1, 3)),
    hypotheses=dict(small_step=lambda rate: 1.0 - rate),
)
def each_fit_simplifies_supervision(run, gaps, targets, rate, halves):
    """Every fit makes the targets simpler: v'K⁻¹v/|v|² falls from labels to teacher to student.

    For every filter that grows with λ, by Chebyshev's sum inequality: a mean of 1/λ whose weights move to larger λ.
    Here gradient descent with an even number of steps, whose filter grows where ηλ < 1 (λ₁ is 1, η is `rate`) and
    falls beyond.
    """
    spectrum = jnp.stack([1.0, gaps[0], gaps[0] * gaps[1]])
    teacher, student = (HeavyBall(rate, 0.0, 2 * k) for k in halves)
    labels = jnp.log(soft_labels.supervision_complexity(spectrum, targets) / jnp.sum(targets**2))
    taught, learnt = (
        log_complexity(spectrum, run(learner, spectrum, target=targets))
        for learner in (teacher, distill(teacher, student))
    )
    return both(Margin(labels - taught, 1e-11), Margin(taught - learnt, 1e-11))


@claim(
    source="Harutyunyan, Rawat, Menon, Kim & Kumar 2023 for the quantity; own",
    standing="proved",
    method=among("flow", "ridge"),
    gaps=several(2, uniform(0.1, 0.9)),
    targets=several(3, positive(0.1, 10.0)),
    clock=positive(0.1, 5.0, tame=(0.3, 3.0)),
    longer=uniform(0.5, 3.0),
    hypotheses=dict(later=lambda longer: longer - 1.0),
)
def supervision_grows_with_training(run, method, gaps, targets, clock, longer):
    """The longer a teacher trains, the more complex its predictions: v'K⁻¹v and v'K⁻¹v/|v|² grow with the clock.

    Flow and ridge; both stay below those of the labels. The elasticity of the filter in λ falls with the clock.
    """
    spectrum = jnp.stack([1.0, gaps[0], gaps[0] * gaps[1]])
    learner = GradientFlow if method == "flow" else lambda clock: Ridge(1.0 / clock)
    early, late = (run(learner(clock * k), spectrum, target=targets) for k in (1.0, longer))
    of = lambda seen: jnp.log(soft_labels.supervision_complexity(spectrum, seen.learnt))
    per_size = Margin(log_complexity(spectrum, late) - log_complexity(spectrum, early), 1e-11)
    return both(per_size, Margin(of(late) - of(early), 1e-11))


def logit_of_descent(teacher_logit, label, weight, temperature):
    """Where gradient descent takes the logit of a single example."""
    soft = lambda logit: jax.nn.softmax(jnp.stack([0.0 * logit, logit]))[None]
    own = Term(jnp.stack([1.0 - label, label])[None], 1.0 - weight, 1.0)
    taught = Term(soft(teacher_logit / temperature), weight, temperature)
    parameters = GradientDescent(3.0, 3000).fit(Softmax(jnp.ones((1, 1)), (own, taught), False))
    return parameters[0, 1] - parameters[0, 0]


@claim(
    source="Ji & Zhu 2020",
    standing="as recalled",
    teacher_logit=uniform(-1.0, 1.0),
    label=uniform(0.0, 1.0),
    weight=uniform(0.3, 1.15),
    temperature=uniform(1.0, 3.0),
    hypotheses=dict(some_truth=lambda weight: 1.0 - weight),
)
def label_pulls_the_effective_logit(run, teacher_logit, label, weight, temperature):
    """A student of one example ends at the effective logit, strictly between its teacher's and its label's.

    Cross-entropy to the label with weight 1 - w, to the teacher at temperature τ with wτ². Mixing in the label
    always moves the logit towards it, a hard one (0 or 1) as well; past weight one it moves away.
    """
    label = jnp.round(label)  # a hard one
    logit = face(run, soft_labels.effective_logit, logit_of_descent)(teacher_logit, label, weight, temperature)
    pulled = (logit - teacher_logit) * (2.0 * label - 1.0)
    slope = (1.0 - weight) * (jax.nn.sigmoid(logit) - label) + weight * temperature * (
        jax.nn.sigmoid(logit / temperature) - jax.nn.sigmoid(teacher_logit / temperature)
    )
    return both(same(slope, 0.0, 1e-11), Margin(pulled, 1e-9))


LABELS = np.array(list(itertools.product([0.0, 1.0], repeat=3)))  # of three samples


def hessian_and_noise(features, parameters, chances):
    """Of logistic regression: its Hessian, the gradient's mean and N times its second moment, by formula."""
    p = jax.nn.sigmoid(features @ parameters)
    mean = features.T @ (p - chances) / 3
    noise = (features.T * (chances * (1.0 - chances))) @ features / 3 + 3 * jnp.outer(mean, mean)
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
    that are drawn otherwise w* is not where the loss is least. In practice all labellings of three samples are
    enumerated.
    """
    features = features.reshape(3, 2)
    chances = jnp.clip(jax.nn.sigmoid(features @ parameters) + error, 0.0, 1.0)
    hessian, mean, noise = face(run, hessian_and_noise, of_every_labelling)(features, parameters, chances)
    return both(same(jnp.max(jnp.abs(mean)), 0.0, 1e-12), same(jnp.max(jnp.abs(noise - hessian)), 0.0, 1e-12))


POINTS = 7  # of each class
_MEAN = np.full((POINTS, 1), POINTS**-0.5)
_REST = np.linalg.svd(np.eye(POINTS) - _MEAN @ _MEAN.T)[0][:, : POINTS - 1]
CLASS_BASIS = np.kron(np.eye(2), np.hstack([_MEAN, _REST]))  # (14, 14)


@claim(
    source="own; after Das & Sanghavi 2023",
    standing="proved",
    fits=among(1, 2, 3),
    flipped=whole(1, 3),
    within=uniform(0.05, 0.9),
    penalty=positive(0.003, 1.0),
    more=usually(0.0, whole(1, 2)),
    hypotheses=dict(balanced=lambda more: more == 0),
)
def distillation_denoises_labels(run, fits, flipped, within, penalty, more):
    """Self-distilled ridge relabels flipped training points iff fits > log(2(1 - p)/(1 - 2p)) / log(φ(λ₁)/φ(λ₂)).

    Two classes of m points with one inner product within a class, none between, and unit norms: λ₁ = (1 - c + cm)/N
    and λ₂ = (1 - c)/N. The same share p < 1/2 of each class is flipped, here `flipped` of 7 points. So the teacher
    fails where its student may succeed. With more flips in one class, their common share decides nothing.
    """
    top, low = (1.0 - within + POINTS * within) / (2 * POINTS), (1.0 - within) / (2 * POINTS)
    spectrum = jnp.tile(jnp.concatenate([top[None], jnp.full(POINTS - 1, low)]), 2)
    wrong = jnp.tile(jnp.arange(POINTS), 2) < jnp.repeat(jnp.stack([flipped, flipped + more]), POINTS)
    labels = jnp.where(wrong, -1.0, 1.0) * np.repeat([1.0, -1.0], POINTS)
    learnt = run(chain([Ridge(penalty)] * fits), spectrum, target=CLASS_BASIS.T @ labels).learnt
    told = CLASS_BASIS @ learnt * np.repeat([1.0, -1.0], POINTS)  # positive where relabelled by the true class
    rounding = 1e-11 * jnp.max(jnp.abs(told))
    needed = soft_labels.denoising_fits((flipped + more / 2) / POINTS, Ridge(penalty), top, low)
    right, failed = jnp.min(told), -jnp.max(jnp.where(wrong, told, -jnp.inf))
    return Margin(jnp.where(fits > needed, right, failed) / jnp.max(jnp.abs(told)), rounding)
