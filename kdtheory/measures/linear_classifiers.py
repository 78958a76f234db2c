"""Linear classifiers taught by linear classifiers: where the student ends, its angle to the teacher, its errors.

The teacher has parameters w* (P,) and gives a point x the probability σ(x·w*); the student sees those on N points,
and has the logistic loss. No bias term.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import numerics
from kdtheory._checks import Numbers, as_array, as_data, as_real
from kdtheory._compilation import at_once
from kdtheory._record import record


@record
class LinearStudent:
    """A student trained for ever on a linear teacher's soft labels. Made by `soft_label_limit`."""

    parameters: np.ndarray  # (P,)
    angle: float  # to the teacher
    distance: float  # to the teacher


def soft_label_limit(features: Numbers, teacher_parameters: Numbers) -> LinearStudent:
    """Where gradient flow from zero on a linear teacher's soft labels ends: the teacher, projected on the data's span.

    P w* with P the projection on the rows of `features` (N, P), w* = `teacher_parameters` (P,); it is w* itself where
    the rows span all. Any loss whose one stationary point is a minimum at the teacher's own logits has this limit,
    gradient descent with stable steps too; a start w₀ other than zero adds (I - P) w₀. What the projection misses is
    computed with its rounding errors, so that a tiny angle has all its digits. Phuong & Lampert 2019, theorem 1 as
    recalled.

    Raises TypeError and ValueError for arrays that are not real, finite and of these shapes.

    >>> import kdtheory as kd
    >>> student = kd.linear_classifiers.soft_label_limit([[1.0, 0.0]], teacher_parameters=[3.0, 4.0])
    >>> student.parameters.tolist(), student.distance, round(student.angle, 6)
    ([3.0, 0.0], 4.0, 0.927295)
    """
    features = np.asarray(as_data(features, "features", ranks=(2,)), float)
    teacher = np.asarray(as_data(teacher_parameters, "teacher_parameters", ranks=(1,)), float)
    if len(teacher) != features.shape[1]:
        raise ValueError(
            f"teacher_parameters have shape {teacher.shape}, but features have {features.shape[1]} columns"
        )
    exponents = np.frexp(np.max(abs(features), axis=1))[1]  # the lengths of rows change no span
    features = features / np.ldexp(1.0, np.minimum(exponents, 1023))[:, None]
    (weights, low), missed = np.zeros((2, len(features))), teacher
    if np.linalg.matrix_rank(features) == len(teacher):
        missed = np.zeros_like(teacher)
    else:
        for _ in range(3):  # refinement: the residual of a sum in two words, projected again
            step = np.linalg.lstsq(features.T, missed, rcond=None)[0]
            weights, low = (np.asarray(part) for part in numerics.two_sum(weights, low + step))
            missed = _residual(teacher, features, weights, low)
    projection = teacher - missed
    distance = math.hypot(*missed)
    return LinearStudent(projection, math.atan2(distance, math.hypot(*projection)), distance)


def _residual(teacher, features, weights, low):
    """w* - Xᵀ(weights + low), each entry rounded once or so."""
    products, errors = (np.asarray(part) for part in numerics.two_product(features, weights[:, None]))
    terms = np.vstack([teacher[None], -products, -errors, -features * low[:, None]])
    return np.array([math.fsum(column) for column in terms.T])


def angle(first: Numbers, second: Numbers) -> jax.Array:
    """The angle between two vectors (P,), in [0, π], right to the last digits for small and for straight ones.

    atan2 of what the one has across the other, formed with the rounding errors of its products, and along it. NaN for a
    vector of zeros, ValueError for other shapes.

    >>> import kdtheory as kd
    >>> print(kd.linear_classifiers.angle([1.0, 0.0], [1.0, 1e-9]))
    1e-09
    """
    return at_once(_angle, *_vectors(first=first, second=second))


def _vectors(**vectors):
    arrays = [as_array(as_real(vector, name), float) for name, vector in vectors.items()]
    if arrays[0].ndim != 1 or any(array.shape != arrays[0].shape for array in arrays):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(vectors, arrays, strict=True))
        raise ValueError(f"vectors must be (P,), as many numbers in each; got {shapes}")
    return arrays


def _angle(a, b):
    a, b = a / _size(a), b / _size(b)
    square = a @ a
    products, errors = numerics.two_product((a @ b) / square, a)
    across = (b - products) - errors
    across = across - a * ((a @ across) / square)  # what the first quotient's rounding left along a
    along, size = (a @ b) / jnp.sqrt(square), _size(across)
    found = jnp.arctan2(jnp.linalg.norm(across / size) * size, along)
    return jnp.where(jnp.any(b != 0.0), found, jnp.nan)


def _size(vector):
    """A power of two next to the largest entry, by which squares stay in the range of floats; of zeros one."""
    largest = jnp.max(jnp.abs(vector))
    largest = jax.lax.stop_gradient(largest * jnp.where(largest > 1.0, 0.5, 1.0))
    power_of_two = jax.lax.reduce_precision(largest, jnp.finfo(vector.dtype).nexp, 0)
    return jnp.where(largest > 0.0, power_of_two, 1.0)


def transfer_risk(student_parameters: Numbers, teacher_parameters: Numbers, deviations: Numbers) -> jax.Array:
    """How often student and teacher disagree on x ~ N(0, diag(`deviations`²)): the angle there over π.

    The angle is that of the parameters multiplied by the standard deviations (P,) of the inputs. ValueError for other
    shapes.

    >>> import kdtheory as kd
    >>> print(kd.linear_classifiers.transfer_risk([1.0, 0.0], [1.0, 1.0], deviations=jnp.ones(2)))
    0.25
    """
    vectors = _vectors(
        student_parameters=student_parameters, teacher_parameters=teacher_parameters, deviations=deviations
    )
    return at_once(_transfer_risk, *vectors)


def _transfer_risk(student, teacher, deviations):
    student, teacher, deviations = (vector / _size(vector) for vector in (student, teacher, deviations))
    return _angle(deviations * student, deviations * teacher) / jnp.pi
