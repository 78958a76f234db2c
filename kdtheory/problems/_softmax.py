"""Classification: softmax cross-entropy on features or on a kernel.

Its gradient is all that this loss gives. The loops follow it unchanged, but there are no normal equations and
no filter: `Ridge` and `GradientFlow` do not apply, and `closed_form` has nothing to say. Parameters still
project on the eigendirections of the data, so `simulate` shows how far a run got along each of them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Number, Numbers, as_array, as_data, as_temperature, as_weight, check_range, concrete
from kdtheory._record import record, static
from kdtheory.problems._base import Problem, as_gram, as_predictions, check_parameters, new_inputs
from kdtheory.problems._eigensystems import Eigensystem, along
from kdtheory.problems._kernel import Kernel
from kdtheory.problems._linear import Linear


@record
class Term:
    """One term of the loss: weight · τ² · mean cross-entropy from `targets` to softmax(z/τ), with z the predictions.

    Its gradient in z is weight · τ · (softmax(z/τ) - targets)/N. The factor τ² keeps its size as the
    temperature grows (Hinton, Vinyals & Dean 2015): in the limit it is weight · (z - z_T)/CN for centred
    logits, as with squared loss.
    """

    targets: jax.Array  # (N, C) probabilities
    weight: Number
    temperature: Number

    def loss(self, logits: jax.Array) -> jax.Array:
        crossed = jnp.sum(self.targets * jax.nn.log_softmax(logits / self.temperature), axis=-1)
        return -self.weight * self.temperature**2 * jnp.mean(crossed, axis=-1)

    def slope(self, logits: jax.Array, rows: slice | jax.Array) -> jax.Array:
        """N times the gradient in the logits of some rows."""
        surplus = jax.nn.softmax(logits / self.temperature) - self.targets[rows]
        return (self.weight * self.temperature * surplus).astype(logits.dtype)  # as precise as the data


@record
class Softmax(Problem):
    """Softmax regression on features or on a kernel, with a loss of one or more terms. Made by `problems.softmax`.

    The logits are z = Xw, or Kα. Distillation adds a term: (1 - w) · what the loss was + w · τ² · mean
    cross-entropy from the teacher's softmax(z_T/τ) to softmax(z/τ). As long as the weights sum to one and
    none is negative the curvature of the loss is at most λ_max/2, so gradient descent is stable below the
    step size 4/λ_max.

    >>> import kdtheory as kd
    >>> problem = kd.problems.softmax([[1.0], [-1.0]], ["cat", "dog"])
    >>> kd.GradientDescent(step_size=1.0, steps=1).fit(problem).tolist()
    [[0.5, -0.5]]
    """

    inputs: jax.Array  # (N, P) features, or (N, N) the Gram matrix
    terms: tuple[Term, ...]
    is_kernel: bool = static()

    curvature, lacks = 0.5, "squared loss"

    @property
    def targets(self) -> jax.Array:
        """The probabilities (N, C) of the first term: what the problem was made with."""
        return self.terms[0].targets

    def zeros(self) -> jax.Array:
        return jnp.zeros((self.inputs.shape[1], self.targets.shape[1]), self.targets.dtype)

    def predict(self, parameters: jax.Array, inputs: Numbers | None = None) -> jax.Array:
        """Logits on the training inputs, or on new features (M, P); for a kernel on a cross-gram (M, N)."""
        name = "inputs (the cross-gram)" if self.is_kernel else "inputs"
        inputs = self.inputs if inputs is None else new_inputs(inputs, self.inputs.shape[1], name)
        return along(inputs, parameters, rank=2)

    def loss(self, parameters: jax.Array) -> jax.Array:
        """Σ weight · τ² · mean cross-entropy over the terms."""
        logits = self.predict(parameters)
        return sum(term.loss(logits) for term in self.terms)

    def gradient(self, parameters: jax.Array, rows: slice | jax.Array = slice(None)) -> jax.Array:
        """Xᵀs/N with s = Σ weight · τ · (softmax(z/τ) - targets); for a kernel s/N, that of function space.

        `rows` picks a mini-batch, over which it is then the mean.
        """
        check_parameters(parameters, (self.inputs.shape[1], self.targets.shape[1]))
        inputs = self.inputs[rows]
        logits = inputs @ parameters
        slope = sum(term.slope(logits, rows) for term in self.terms) / len(logits)
        return jnp.zeros_like(parameters).at[rows].add(slope) if self.is_kernel else (slope.T @ inputs).T

    def relabel(self, targets: Numbers) -> "Softmax":
        """The same inputs with other probabilities (N, C), of the same classes, as the only targets."""
        if concrete(targets):
            name, classes = "gram" if self.is_kernel else "features", range(self.targets.shape[1])
            targets = as_probabilities(targets, classes, len(self.inputs), name, self.inputs.dtype)
        return dataclasses.replace(self, terms=(Term(targets, 1.0, 1.0),))

    def taught(self, predictions: Numbers, teacher_weight: Number = 1.0, temperature: Number = 1.0) -> "Softmax":
        """The student's problem: (1 - weight) · this loss + weight · τ² · cross-entropy from a teacher at τ, whose
        `predictions` are logits (N, C)."""
        as_weight(teacher_weight)
        soft = jax.nn.softmax(as_predictions(predictions, self.targets) / as_temperature(temperature))
        own = (dataclasses.replace(term, weight=(1.0 - teacher_weight) * term.weight) for term in self.terms)
        return dataclasses.replace(self, terms=(*own, Term(soft, teacher_weight, temperature)))

    def max_eigenvalue(self) -> jax.Array:
        """λ_max of XᵀX/N or K/N, for the default step size."""
        return self._regression().max_eigenvalue()

    def eigensystem(self, count: int | None = None) -> Eigensystem:
        """The eigendirections of the features or of the Gram matrix, or the top `count` of them.

        Its targets are NaN: no filter leads to them.
        """
        eigensystem = self._regression().eigensystem(count)
        nan = jnp.nan
        return dataclasses.replace(eigensystem, target=eigensystem.target * nan, unseen=eigensystem.unseen * nan)

    def _regression(self):
        return (Kernel if self.is_kernel else Linear)(self.inputs, self.targets)


def _made(inputs, targets, classes, is_kernel):
    """The problem, once inputs were checked."""
    name = "gram" if is_kernel else "features"
    probabilities = as_probabilities(targets, classes, len(inputs), name, inputs.dtype)
    return Softmax(inputs, (Term(probabilities, 1.0, 1.0),), is_kernel)


def as_probabilities(targets, classes, samples, other, dtype, name="targets"):
    """Labels (N,) or probabilities (N, C) as probabilities (N, C)."""
    labels = _labels(targets, name)
    if labels is not None:
        return _one_hot(labels, classes, samples, other, dtype, name)
    probabilities = as_data(targets, name, ranks=(1, 2)).astype(dtype)
    if len(probabilities) != samples:
        raise ValueError(
            f"{name} have shape {probabilities.shape}, but {other} has {samples} rows: one target per sample"
        )
    columns = probabilities.shape[1]
    if classes is not None and len(classes) != columns:
        raise ValueError(f"{name} have {columns} columns, but there are {len(classes)} classes: one column each")
    if columns < 2:
        raise ValueError(f"{name} have one column, and a class alone is certain; give labels as (N,), not as (N, 1)")
    sums = np.asarray(probabilities.sum(axis=1))
    wrong = (np.asarray(probabilities) < 0).any(axis=1) | (abs(sums - 1) > 1e-6)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{name} must be labels (N,) or probabilities (N, C) that are >= 0 and sum to 1; row {row} is"
            f" {np.asarray(probabilities[row]).tolist()}, with sum {sums[row]:.6g}"
        )
    return probabilities


def _labels(targets, name):
    """Labels of any kind (N,), None if these are no labels. Numbers are checked like any other."""
    if isinstance(targets, np.ma.MaskedArray):
        return None
    try:
        labels = np.asarray(targets)
    except ValueError:
        return None
    if labels.ndim != 1:
        return None
    return np.asarray(as_data(labels, name, ranks=(1,))) if labels.dtype.kind in "fc" else labels


def _one_hot(labels, classes, samples, other, dtype, name):
    if len(labels) != samples:
        raise ValueError(f"{name} have shape {labels.shape}, but {other} has {samples} rows: one target per sample")
    try:
        found = np.unique(labels)
    except TypeError:
        raise TypeError(f"{name} mix labels of different kinds; convert them to numbers or to strings") from None
    classes = found if classes is None else np.asarray(classes)
    if classes.ndim != 1 or len(set(classes.tolist())) < len(classes):
        raise ValueError(f"classes must be a sequence of different labels, got {classes.tolist()}")
    unknown = sorted(set(found.tolist()) - set(classes.tolist()))
    if unknown:
        raise ValueError(f"{name} hold {unknown}, which are not among the classes {classes.tolist()}")
    if len(classes) < 2:
        raise ValueError(f"{name} hold the one class {classes.tolist()}; name the missing ones with classes=")
    return as_array(labels[:, None] == classes, dtype)


def softmax(features: Numbers, targets: Numbers, classes: Sequence[Any] | np.ndarray | None = None) -> Softmax:
    """Softmax regression on your own features (N, P) and labels (N,), or probabilities (N, C).

    The loss is the mean cross-entropy to softmax(Xw). Labels may be of any kind; columns are in the order of
    `classes`, by default the distinct labels, sorted. The loops run on it; there is no filter. See
    `Softmax`.

    Raises ValueError for labels that are not among the classes, and for rows that are not probabilities.

    >>> import kdtheory as kd
    >>> problem = kd.problems.softmax([[1.0], [-1.0]], [0, 1])
    >>> round(float(problem.loss(problem.zeros())), 6)
    0.693147
    """
    features = check_range(as_data(features, "features", ranks=(2,)), "features", power=2)
    return _made(features, targets, classes, is_kernel=False)


def softmax_kernel(gram: Numbers, targets: Numbers, classes: Sequence[Any] | np.ndarray | None = None) -> Softmax:
    """Softmax regression on a Gram matrix (N, N) of your own: logits Kα, the gradient that of function space.

    Labels, probabilities and errors are those of `softmax`.

    >>> import kdtheory as kd
    >>> problem = kd.problems.softmax_kernel([[2.0, 0.0], [0.0, 1.0]], [0, 1])
    >>> kd.GradientDescent(step_size=1.0, steps=1).fit(problem).tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    gram = as_data(gram, "gram", ranks=(2,))
    return _made(as_gram(gram), targets, classes, is_kernel=True)
