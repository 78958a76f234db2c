"""What problems share: relabelling, teaching, and what users hand us."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from kdtheory._checks import as_data, as_number, as_real, as_temperature, check_range, concrete


def along(matrix, array, rank, name="parameters"):
    """`matrix` applied to axis -rank of `array`: the axis of samples, parameters or directions."""
    array, length = as_real(array, name), matrix.shape[1]
    if array.ndim < rank or array.shape[-rank] != length:
        shape = f"({length},)" if rank == 1 else f"({length}, outputs)"
        raise ValueError(
            f"{name} must be of shape {shape}, after the axes of a path if there are any; got {array.shape}"
        )
    return matrix @ array if rank > 1 else array @ matrix.T


def taught(problem, teacher_parameters, teacher_weight, temperature):
    """The problem with the targets weight · teacher's predictions + (1 - weight) · own targets."""
    if not concrete(as_temperature(temperature)):
        teacher_weight = jnp.where(temperature == 1, teacher_weight, jnp.nan)
    elif temperature != 1:
        raise ValueError(
            f"temperature is {temperature}, but squared loss compares predictions as they are: a temperature other"
            " than 1 is for softmax (problems.softmax)"
        )
    as_number(teacher_weight, "teacher_weight")
    predictions = problem.predict(teacher_parameters)
    targets = teacher_weight * predictions + (1.0 - teacher_weight) * problem.targets
    return dataclasses.replace(problem, targets=targets)


def relabelled(problem, targets, name, inputs):
    """The problem with other targets, checked where they are the user's and not JAX's."""
    if concrete(targets):
        targets = as_targets(targets, name, len(inputs), inputs.dtype)
    return dataclasses.replace(problem, targets=targets)


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
    return targets.astype(dtype)


def new_inputs(inputs, columns, name):
    """New features (M, P), or the rows (M, N) of a cross-gram, checked against what the problem was made of."""
    if not concrete(inputs):
        return inputs
    inputs = as_data(inputs, name, ranks=(2,))
    if inputs.shape[1] != columns:
        turned = f": transpose it, from (N, M) to (M, N) with N = {columns}" if inputs.shape[0] == columns else ""
        raise ValueError(f"{name} must be (M, {columns}), like the training data; got {inputs.shape}{turned}")
    return inputs
