"""The abstract problem, and what users hand us."""

import abc
import dataclasses
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Number, Numbers, as_data, as_real, as_temperature, as_weight, check_range, concrete
from kdtheory._compilation import promptly
from kdtheory.problems._eigensystems import Eigensystem


class Problem(abc.ABC):
    """Data with a loss. To write one, give `zeros` and `gradient`, which loops follow; the rest, as far as it exists.
    `kd.testing.check_problem` says what does not fit together.

    Parameters are path axes + (P,) + outputs, predictions path axes + (N,) + outputs. What a problem does not have is
    refused by name, with a TypeError.
    """

    curvature = 1.0  # of the loss in the predictions, at most: the largest step is 1/curvature times that of one
    lacks = "normal equations"  # which learners with a closed form need; empty where they are there
    is_table = False  # whether there are `features` (N, P), which `reduced` makes square

    @abc.abstractmethod
    def zeros(self) -> jax.Array:
        """Parameters that are all zero: where learners start."""

    @abc.abstractmethod
    def gradient(self, parameters: jax.Array, rows: slice | jax.Array = slice(None)) -> jax.Array:
        """What loops follow. `rows` picks a mini-batch, over which it is then the mean."""

    def predict(self, parameters: jax.Array, inputs: Numbers | None = None) -> jax.Array:
        """Predictions on the training inputs, or on new ones."""
        raise self._without("predictions")

    def loss(self, parameters: jax.Array) -> jax.Array:
        """What is minimised, a number for each moment."""
        raise self._without("loss that is a number")

    def relabel(self, targets: Numbers) -> "Problem":
        """The same inputs with other targets."""
        raise self._without("targets to change")

    def taught(self, predictions: Numbers, teacher_weight: Number = 1.0, temperature: Number = 1.0) -> "Problem":
        """The student's problem: the same inputs, and a teacher's `predictions` (N,) + outputs on them.

        They are predictions and not parameters, so the teacher may be another model, of other features. ValueError for
        predictions of another shape than the targets'.
        """
        raise self._without("targets to teach")

    def max_eigenvalue(self) -> jax.Array:
        """λ_max, for the default step size."""
        raise self._without("largest eigenvalue, so a loop needs a step_size that is a number")

    def eigensystem(self, count: int | None = None) -> Eigensystem:
        """The directions of the data, all or the top `count` of them."""
        raise self._without("eigensystem")

    def normal_equations(self) -> tuple[jax.Array, jax.Array]:
        """H and b, with Hw = b at the solution."""
        raise self._without("normal equations")

    def ridge(self, penalty: Number, start: jax.Array) -> jax.Array | None:
        """Ridge by a way of its own, for each penalty; None to leave it to the normal equations."""
        return None

    def _without(self, what):
        return TypeError(f"{type(self).__name__} has no {what}")


class SquaredLoss(Problem):
    """Problems whose loss is half the mean squared residual to `targets` (N,) or (N, C)."""

    lacks = ""
    inputs_name: str = "inputs"  # what users call them, for messages

    def loss(self, parameters: jax.Array) -> jax.Array:
        """Half the mean over samples of the squared residual, summed over outputs: path axes."""

        def half(predictions, targets):
            return ((predictions - targets) ** 2).sum(tuple(range(-targets.ndim, 0))) / (2 * len(targets))

        return promptly(half, self.predict(parameters), self.targets)

    def relabel(self, targets: Numbers) -> Self:
        """The same inputs with other targets, (N,) or (N, C)."""
        if concrete(targets):
            targets = as_targets(targets, self.inputs_name, len(self.targets), self.targets.dtype)
        return dataclasses.replace(self, targets=targets)

    def taught(self, predictions: Numbers, teacher_weight: Number = 1.0, temperature: Number = 1.0) -> Self:
        """The student's problem: targets weight · teacher's `predictions` + (1 - weight) · own targets."""
        if not concrete(as_temperature(temperature)):
            teacher_weight = jnp.where(temperature == 1, teacher_weight, jnp.nan)
        elif temperature != 1:
            raise ValueError(
                f"temperature is {temperature}, but squared loss compares predictions as they are: a temperature other"
                " than 1 is for softmax (problems.softmax)"
            )
        as_weight(teacher_weight)
        predictions = as_predictions(predictions, self.targets)
        mix = lambda w, f, y: (w * f + (1.0 - w) * y).astype(y.dtype)
        mixed = promptly(mix, teacher_weight, predictions, self.targets)
        return dataclasses.replace(self, targets=mixed)


def check_parameters(parameters, shape):
    """Refuse parameters of another shape, which might broadcast; those of a path have a gradient for each moment."""
    if jnp.shape(parameters) != shape:
        raise ValueError(
            f"parameters must be of shape {shape} for a gradient, got {jnp.shape(parameters)}; take those of a path one"
            " by one, with jax.vmap"
        )


def as_predictions(predictions, targets):
    """A teacher's predictions, of the shape of the targets that they take the place of."""
    predictions = as_real(predictions, "predictions")
    if predictions.shape != targets.shape:
        raise ValueError(
            f"predictions must be of shape {targets.shape}, like the targets, got {predictions.shape}; of parameters"
            " they are problem.predict(parameters)"
        )
    return predictions


def as_gram(gram):
    if gram.shape[0] != gram.shape[1]:
        raise ValueError(f"gram must be square, one row and column per sample; got shape {gram.shape}")
    check_range(gram, "entries of gram", power=1)
    from scipy.linalg import issymmetric

    if issymmetric(np.asarray(gram)):
        return gram
    asymmetry = float(jnp.max(jnp.abs(gram - gram.T)))
    if asymmetry > 1e3 * jnp.finfo(gram.dtype).eps * float(jnp.max(jnp.abs(gram))):
        worst = np.unravel_index(np.argmax(np.abs(gram - gram.T)), gram.shape)
        raise ValueError(
            f"gram is not symmetric: entries {tuple(map(int, worst))} and its mirror differ by {asymmetry:.3g}."
            " If it holds the kernel of test with training inputs, pass it to predict(parameters, inputs=...)"
        )
    return (gram + gram.T) / 2


def as_targets(targets, other, samples, dtype):
    targets = as_data(targets, "targets", ranks=(1, 2))
    if len(targets) != samples:
        raise ValueError(f"targets have shape {targets.shape}, but {other} has {samples} rows: one target per sample")
    converted = targets.astype(dtype)
    if not np.isfinite(np.asarray(converted)).all():
        raise ValueError(
            f"targets reach {float(np.max(np.abs(targets))):.3g}, which {dtype}, the type of {other}, cannot hold; give"
            f" {other} as float64"
        )
    return converted


def new_inputs(inputs, columns, name):
    """New features (M, P), or the rows (M, N) of a cross-gram, checked against what the problem was made of."""
    if not concrete(inputs):
        return inputs
    inputs = as_data(inputs, name, ranks=(2,))
    if inputs.shape[1] != columns:
        turned = f": transpose it, from (N, M) to (M, N) with N = {columns}" if inputs.shape[0] == columns else ""
        raise ValueError(f"{name} must be (M, {columns}), like the training data; got {inputs.shape}{turned}")
    return inputs
