"""What soft labels do: the variance they save, the complexity they lose, and the logit at which they aim."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._checks import Number, Numbers, as_array, as_count, as_floats, as_real, concrete
from kdtheory._compilation import at_once, elementwise
from kdtheory._record import record
from kdtheory.learners import Learner, check_learner


@record
class LabelRisk:
    """A fixed predictor's risk, and the errors of its estimates from labels, per sample. Made by `label_risk`."""

    risk: jax.Array  # the expected loss
    hard_variance: jax.Array  # variance of the loss at one drawn label: N times that of the empirical risk
    label_variance: jax.Array  # the part of it that is due to labels: E_x Var_{y|x} of the loss
    soft_variance: jax.Array  # variance of the teacher's mean loss at one drawn input
    soft_bias: jax.Array  # mean of the teacher's mean loss, less the risk; zero for the true probabilities


def label_risk(inputs: Numbers, labels: Numbers, teacher: Numbers, losses: Numbers) -> LabelRisk:
    """How well a fixed predictor's risk is estimated from labels, and from a teacher's probabilities.

    Over M inputs with probabilities `inputs` (M,) and C classes: `labels` (M, C) are the true p(y|x), `teacher`
    (M, C) the soft labels and `losses` (M, C) the predictor's loss at each class. With N samples the mean squared
    error is hard_variance/N from drawn labels, soft_variance/N + soft_bias² from soft ones. With the true
    probabilities the latter has no bias and saves label_variance/N. A class of no probability has no part in it,
    whatever its loss. Menon, Rawat, Reddi, Kim & Kumar 2021, as recalled.

    ValueError for other shapes, and for probabilities that are negative or do not sum to one.

    >>> import kdtheory as kd
    >>> coin = [[0.5, 0.5]]
    >>> found = kd.soft_labels.label_risk([1.0], coin, coin, losses=[[0.0, 2.0]])
    >>> found.hard_variance.item(), found.soft_variance.item()
    (1.0, 0.0)
    """
    given = dict(inputs=inputs, labels=labels, teacher=teacher, losses=losses)
    inputs, labels, teacher, losses = (as_array(as_real(array, name), float) for name, array in given.items())
    if labels.ndim != 2 or inputs.shape != labels.shape[:1] or not labels.shape == teacher.shape == losses.shape:
        shapes = ", ".join(f"{name} {np.shape(array)}" for name, array in given.items())
        raise ValueError(f"inputs must be (M,), and labels, teacher and losses (M, C) all three; got {shapes}")
    for name, shares in dict(inputs=inputs, labels=labels, teacher=teacher).items():
        if not concrete(shares):
            continue
        seen = np.asarray(shares)
        if not (np.all(seen >= 0) and np.all(abs(seen.sum(axis=-1) - 1) < 1e-6)):
            raise ValueError(f"{name} must be probabilities, >= 0 and of the sum 1; got {seen.tolist()}")
    return at_once(_label_risk, inputs, labels, teacher, losses)


def _label_risk(inputs, labels, teacher, losses):
    mean = lambda shares, values: jnp.sum(jnp.where(shares == 0.0, 0.0, shares * values), axis=-1)
    weights, own, taught = inputs[:, None] * labels, mean(labels, losses), mean(teacher, losses)
    risk, told = mean(inputs, own), mean(inputs, taught)
    return LabelRisk(
        risk,
        jnp.sum(mean(weights, (losses - risk) ** 2)),
        jnp.sum(mean(weights, (losses - own[:, None]) ** 2)),
        mean(inputs, (taught - told) ** 2),
        mean(inputs, taught - own),
    )


def supervision_complexity(eigenvalues: Numbers, targets: Numbers) -> jax.Array:
    """How hard targets are for a kernel, v'K⁻¹v: N times the squared norm of the function that interpolates them.

    Σ v_k²/λ_k with v = `targets` (K,) along the eigendirections of the kernel and λ = `eigenvalues` (K,) those
    of K/N; papers with the eigenvalues of K have an N-th of it. Divided by Σ v_k² it does not know the targets'
    size. Harutyunyan, Rawat, Menon, Kim & Kumar 2023, as recalled. A null direction without a target adds nothing.

    ValueError for targets of another shape than the eigenvalues'.

    >>> import kdtheory as kd
    >>> kd.soft_labels.supervision_complexity([2.0, 0.5], [1.0, 1.0]).item()
    2.5
    """
    eigenvalues, targets = as_array(eigenvalues, float), as_array(targets, float)
    if targets.shape != eigenvalues.shape:
        raise ValueError(
            f"targets must be {eigenvalues.shape} like the eigenvalues, got {targets.shape}; outputs are summed one by"
            " one, with jax.vmap"
        )
    return at_once(_supervision_complexity, eigenvalues, targets)


def _supervision_complexity(eigenvalues, targets):
    null = (eigenvalues == 0) & (targets == 0)
    return jnp.sum(targets * (targets / jnp.where(null, 1.0, eigenvalues)))


def effective_logit(
    teacher_logit: Numbers, label: Numbers, teacher_weight: Numbers, temperature: Numbers = 1.0
) -> jax.Array:
    """The logit at which a student of one example aims, whose loss mixes its label with its teacher.

    The root z of (1 - w)(σ(z) - y) + wτ (σ(z/τ) - σ(z_T/τ)) = 0: the slope of the loss of `distill`, with z_T =
    `teacher_logit`, y = `label` in [0, 1], w = `teacher_weight` in (0, 1] and τ = `temperature`. For τ = 1 it is
    the logit of w σ(z_T) + (1 - w) y. Elementwise; NaN where label, weight or temperature have no meaning; a weight
    above one may leave a root. Ji & Zhu 2020 weight the teacher's term by ρ/τ, as recalled: w = ρ/(ρ + τ²(1 - ρ)).

    >>> import kdtheory as kd
    >>> print(kd.soft_labels.effective_logit(-2.0, label=1.0, teacher_weight=0.7).round(6))
    -0.474964
    """
    numbers = dict(teacher_logit=teacher_logit, label=label, teacher_weight=teacher_weight, temperature=temperature)
    return elementwise(_effective_logit, *as_floats(**numbers))


def _effective_logit(z_T, y, w, τ):
    up = lambda x: jnp.maximum(x, 0.0)

    def slope(z):
        # σ(a) - σ(b) = sinh((a - b)/2) / (2 cosh(a/2) cosh(b/2)), here without overflow
        apart, a, b, size = (z - z_T) / τ, jnp.abs(z) / τ, jnp.abs(z_T) / τ, jnp.abs(z)
        depth = jnp.where(z * z_T > 0, jnp.minimum(a, b), 0.0)  # (a + b - |apart|)/2
        # both terms may be exponentially small, where the label is hard and on the side of z: what they share falls out
        shared = jnp.where(jnp.where(z > 0, 1.0 - y, y) == 0.0, jnp.minimum(size, depth), 0.0)
        softened = -jnp.sign(apart) * jnp.expm1(-jnp.abs(apart)) * jnp.exp(shared - depth)
        softened = softened / ((1.0 + jnp.exp(-a)) * (1.0 + jnp.exp(-b)))
        above, below = (jnp.where(c == 0.0, 0.0, c * jnp.exp(shared - d)) for c, d in ((1.0 - y, up(-z)), (y, up(z))))
        own = (above - below) / (1.0 + jnp.exp(-size))
        steepness = (1.0 - w) * jnp.exp(shared - size) / (1.0 + jnp.exp(-size)) ** 2
        steepness = steepness + w * jnp.exp(shared - a) / (1.0 + jnp.exp(-a)) ** 2
        return (1.0 - w) * own + w * τ * softened, steepness

    def narrow(turn, state):
        low, high, z = state
        value, steepness = slope(z)
        low, high = jnp.where(value <= 0, z, low), jnp.where(value >= 0, z, high)
        newton = z - value / steepness  # by one at a time where both terms are exponentially small: so halve in between
        halved = ~((newton >= low) & (newton <= high)) | ((turn % 2 == 1) & (turn < 110))
        far = (low < high / 4) & (high > low / 4)  # the root may be smaller than the reach by any power of ten
        middle = jnp.where(far, jnp.sinh((jnp.arcsinh(low) + jnp.arcsinh(high)) / 2), (low + high) / 2)
        return low, high, jnp.where(halved, middle, newton)

    reach = jnp.abs(z_T) * jnp.maximum(1.0, 1.0 / τ) + jnp.abs(jnp.log1p((1.0 - w) / (w * τ))) + τ + 4.0
    reach = jnp.minimum(reach, jnp.finfo(reach.dtype).max)
    root = (w <= 1.0) | (slope(-reach)[0] <= 0.0) & (slope(reach)[0] >= 0.0)  # else the slope need not rise throughout
    known = (y >= 0.0) & (y <= 1.0) & (w >= 0.0) & root & (τ > 0.0)
    return jnp.where(known, lax.fori_loop(0, 120, narrow, (-reach, reach, z_T))[2], jnp.nan)


def denoising_fits(flipped: Number, learner: Learner, lead: Number, trail: Number, classes: int = 2) -> jax.Array:
    """The number of self-distilled fits above which flipped training labels are told right.

    log((2 - q)/(1 - q)) / log(φ(λ₁)/φ(λ₂)), q = pC/(C - 1) < 1 with p = `flipped` the share of flipped labels, the same
    in each of C = `classes` and evenly among the others, φ the filter of `learner` and λ₁ = `lead`, λ₂ = `trail` the
    two eigenvalues of a Gram matrix whose points have one inner product within a class and none between. The fits that
    get all labels right are those of `self_distill` with more than this number: one for each moment of a path. Zero
    where no label is flipped, infinite where φ(λ₁) <= φ(λ₂): no number will do. NaN where q is not in [0, 1),
    ValueError for fewer than two classes. Own; an exact counterpart of Das & Sanghavi 2023, and of Jeong & Chung 2024
    for more classes than two.

    >>> import kdtheory as kd
    >>> print(kd.soft_labels.denoising_fits(0.2, kd.Ridge(0.8), 10.5, 0.5).round(3))
    1.112
    """
    check_learner(learner)
    log_filter = learner.log_filter(at_once(jnp.stack, as_floats(lead=lead, trail=trail)))
    classes = as_count(classes, "classes", 2)
    return at_once(_denoising_fits, as_array(as_real(flipped, "flipped"), float), classes / (classes - 1), log_filter)


def _denoising_fits(flipped, others, log_filter):
    log_top, log_low = jnp.moveaxis(log_filter, -1, 0)
    q = flipped * others
    needed = jnp.where((q >= 0.0) & (q < 1.0), jnp.log((2.0 - q) / (1.0 - q)), jnp.nan)
    fits = needed / jnp.where(log_top <= log_low, 0.0, log_top - log_low)
    return jnp.where(q == 0.0, 0.0, fits)
