"""How sure a classifier is, against its teacher and against the truth.

The seed paper's picture has one point per input: x is the logit of the probability that the teacher gives its
top class, y the logit of what the student gives to that same class. Exaggerated confidence is a slope above
one: the student is less sure than its teacher where that was unsure, relative to where it was sure. `compare`
reads the slope off in several ways, since each alone misleads.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Key, Number, Numbers, as_data, as_random, as_real
from kdtheory._record import record
from kdtheory.learners import Learner
from kdtheory.learners._closed import GradientFlow
from kdtheory.numerics import log1p


@record
class Comparison:
    """A student's confidence against its teacher's. Made by `compare`."""

    slope: float  # of y on x, by least squares: scatter in y leaves it, spread of x at a cut end bends it
    orthogonal_slope: float  # the first principal axis of the cloud: scatter in y steepens it
    intercept: float  # of the least-squares line
    low_residual: float  # mean of y - x over the third of inputs on which the teacher is least sure
    high_residual: float  # the same where it is surest; exaggeration is low < high

    def __repr__(self) -> str:
        parts = (f"{name}={float(value):.3g}" for name, value in vars(self).items())
        return f"Comparison({', '.join(parts)})"


@jax.jit
def class_logit(logits: Numbers, classes: Numbers) -> jax.Array:
    """The logit of the probability of one class per row, log p/(1 - p): (N, C) and (N,) to (N,).

    Computed as z_c - logsumexp of the other logits, so that it is right where p rounds to one.

    >>> import kdtheory as kd
    >>> kd.confidence.class_logit([[100.0, 0.0]], [0]).tolist()
    [100.0]
    """
    logits = jnp.asarray(logits).astype(float)
    chosen = jnp.asarray(classes)[:, None] == jnp.arange(logits.shape[1])
    own = jnp.sum(jnp.where(chosen, logits, 0.0), axis=1)
    return own - jax.nn.logsumexp(jnp.where(chosen, -jnp.inf, logits), axis=1)


def top_class(teacher_logits: Numbers, student_logits: Numbers) -> tuple[jax.Array, jax.Array]:
    """The points of the picture: logits of the teacher's top class, the teacher's x (N,) and the student's y (N,).

    Raises ValueError where the two differ in shape or are not (N, C) with two classes or more.

    >>> import kdtheory as kd
    >>> x, y = kd.confidence.top_class([[2.0, 0.0]], [[3.0, 0.0]])
    >>> x.item(), y.item()
    (2.0, 3.0)
    """
    teacher, student = jnp.asarray(teacher_logits, float), jnp.asarray(student_logits, float)
    if teacher.shape != student.shape or teacher.ndim != 2 or teacher.shape[1] < 2:
        raise ValueError(f"both logits must be (N, C) with C >= 2, got {teacher.shape} and {student.shape}")
    top = jnp.argmax(teacher, axis=1)
    return class_logit(teacher, top), class_logit(student, top)


def compare(teacher_logits: Numbers, student_logits: Numbers, scale: Number = 1.0) -> Comparison:
    """Slopes, intercept and residuals of the student's confidence against the teacher's, over the rows.

    The student's logits are multiplied by `scale` first. A student that was merely trained for a short time
    is less sure *everywhere*; with the scale of `matching_scale` only the shape is left: the slope is then
    scale-free.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> x = jnp.linspace(1.0, 4.0, 50)
    >>> teacher, student = (jnp.stack([z, jnp.zeros(50)], axis=1) for z in (x, 2 * x - 3))
    >>> kd.confidence.compare(teacher, student)
    Comparison(slope=2, orthogonal_slope=2, intercept=-3, low_residual=-1.54, high_residual=0.541)
    """
    x, y = top_class(teacher_logits, jnp.asarray(student_logits, float) * scale)
    return of_points(x, y)


def of_points(x: Numbers, y: Numbers) -> Comparison:
    """`compare` for points already in the plane of the picture, x (N,) and y (N,)."""
    x, y = np.asarray(x), np.asarray(y)
    order = np.argsort(x, kind="stable")
    third = max(1, len(x) // 3)
    excess = (y - x)[order]
    a, b, c = np.var(x), np.var(y), np.mean((x - x.mean()) * (y - y.mean()))
    slope = c / a if a > 0 else np.nan
    tilted = b - a + np.hypot(b - a, 2 * c)
    orthogonal = tilted / (2 * c) if c != 0 else np.nan
    return Comparison(slope, orthogonal, y.mean() - slope * x.mean(), excess[:third].mean(), excess[-third:].mean())


def matching_scale(teacher_coordinates: Numbers, student_coordinates: Numbers, directions: int = 1) -> float:
    """The factor that brings the student's logits to the teacher's along the top `directions` eigendirections.

    ⟨teacher, student⟩/|student|² over the first rows of the coordinates (K, C), those of a `Trajectory` at
    one moment. With it the slope is scale-free: in the two-level model it is above one exactly where bias is
    exaggerated.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> kd.confidence.matching_scale(jnp.array([[2.0], [1.0]]), jnp.array([[1.0], [0.1]]))
    2.0
    """
    teacher, student = (np.asarray(run)[:directions] for run in (teacher_coordinates, student_coordinates))
    return float(np.sum(teacher * student) / np.sum(student**2))


@record
class MarginLine:
    """The line on which a student's margins lie over its teacher's. Made by `margin_line`."""

    slope: jax.Array
    intercept: jax.Array
    excess: jax.Array  # slope - 1, with digits of its own where the slope is near one
    scale_free: jax.Array  # the slope once the student's top direction is scaled to the teacher's


def margin_line(teacher: Learner, student: Learner, lead: Number, trail: Number) -> MarginLine:
    """Margins of a student against its teacher's in the two-level model, exactly: a line.

    Where the Gram matrix has two eigenvalues λ₁ = `lead` > λ₂ = `trail` on the labels y = ±1, every training
    point's margin y·prediction satisfies m_S = slope · m_T + intercept under squared loss, for right labels and
    flipped ones: slope = (g₁ - g₂)/(h₁ - h₂), intercept = g₂ - slope · h₂, with h the teacher's filter, h_S the
    student's own and g = h_S h. For gradient flow the slope is above one iff the student trains longer than
    `critical_time`; for ridge iff λ₁λ₂ > c_T c_S. The scale-free slope (1 - g₂/g₁)/(1 - h₂/h₁) is for any two learners
    whose filters grow with λ, if λ₂ > 0; at λ₂ = 0 it is one. Own; see the claims `margins_on_a_line` and
    `scale_free_slope_exceeds_one`.

    >>> import kdtheory as kd
    >>> flow = kd.GradientFlow(3.0)
    >>> print(kd.confidence.margin_line(flow, flow, 1.0, 0.1).slope.round(4))
    1.2094
    """
    λ = jnp.stack([jnp.asarray(lead, float), jnp.asarray(trail, float)])
    h2, (s1, s2) = teacher.filter(λ)[1], student.filter(λ)
    gained = h2 * (student.rise(λ) / teacher.rise(λ))
    scale_free = 1.0 + gained / s1
    slope = s1 * scale_free
    return MarginLine(slope, h2 * (s2 - slope), gained - student.residual(λ)[0], scale_free)


def critical_time(lead, trail, teacher_time):
    """The time above which a student's margins are steeper than its teacher's: log(h₁/h₂)/(λ₁ - λ₂).

    Gradient flow in the model of `margin_line`, h the filter of the teacher stopped at `teacher_time` > 0. It is
    below log(λ₁/λ₂)/(λ₁ - λ₂), and tends to that for a teacher that has hardly learnt; infinite at λ₂ = 0. Own.

    >>> import kdtheory as kd
    >>> print(kd.confidence.critical_time(10.5, 0.5, teacher_time=0.2).round(4))
    0.2222
    """
    λ = jnp.stack([jnp.asarray(lead, float), jnp.asarray(trail, float)])
    teacher = GradientFlow(teacher_time)
    return log1p(teacher.rise(λ) / teacher.filter(λ)[1]) / (λ[0] - λ[1])


# Against the truth.


def _judged(logits, labels):
    """Logits (N, C) and column numbers (N,), on the host."""
    logits, labels = np.asarray(as_data(logits, "logits", ranks=(2,))), np.asarray(as_real(labels, "labels"))
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels must be ({len(logits)},), one per row of logits {logits.shape}; got {labels.shape}")
    if not np.all(np.isin(labels, np.arange(logits.shape[1]))):
        wrong = labels[~np.isin(labels, np.arange(logits.shape[1]))][0]
        raise ValueError(f"labels must be column numbers of logits, from 0 to {logits.shape[1] - 1}; got {wrong}")
    return logits, labels


def accuracy(logits: Numbers, labels: Numbers) -> float:
    """The share of rows (N, C) whose top class is the label, given as column numbers (N,).

    >>> import kdtheory as kd
    >>> kd.confidence.accuracy([[1.0, 0.0], [1.0, 0.0]], [0, 1])
    0.5
    """
    logits, labels = _judged(logits, labels)
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def log_loss(logits: Numbers, labels: Numbers) -> float:
    """Mean cross-entropy, in nats, of logits (N, C) against column numbers (N,) or probabilities (N, C).

    >>> import kdtheory as kd
    >>> round(kd.confidence.log_loss([[0.0, 0.0]], [1]), 6)
    0.693147
    """
    if np.ndim(labels) == 1:
        logits, labels = _judged(logits, labels)
        labels = labels[:, None] == np.arange(logits.shape[1])
    logs, labels = jax.nn.log_softmax(jnp.asarray(logits, float), axis=1), jnp.asarray(labels)
    if labels.shape != logs.shape:
        raise ValueError(f"probabilities must have the shape {logs.shape} of the logits, got {labels.shape}")
    return float(-jnp.mean(jnp.sum(jnp.where(labels > 0, labels * logs, 0.0), axis=1)))


def calibration_error(logits: Numbers, labels: Numbers, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, over bins of equal width.

    Σ_b (n_b/N) |accuracy_b - mean top probability_b|. Guo, Pleiss, Sun & Weinberger 2017, equation 3.

    >>> import kdtheory as kd
    >>> kd.confidence.calibration_error([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    0.0
    """
    logits, labels = _judged(logits, labels)
    probabilities = np.asarray(jax.nn.softmax(logits, axis=1))
    surest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = np.minimum((surest * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=right - surest, minlength=bins)
    return float(np.abs(gaps).sum() / len(surest))


# How sure we are.


def bootstrap(
    statistic: Callable[..., Numbers], *arrays: Numbers, key: Key = 0, draws: int = 1000, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval (low, high) of `statistic(*arrays)` over resampled rows, the same in all arrays.

    `statistic` returns a number, or an array whose entries each get an interval; `key` seeds NumPy's
    generator. Efron & Tibshirani 1993, section 13.3 (as recalled).

    >>> import numpy as np, kdtheory as kd
    >>> low, high = kd.confidence.bootstrap(np.mean, np.arange(100.0))
    >>> bool(low < 49.5 < high)
    True
    """
    arrays, random = [np.asarray(array) for array in arrays], as_random(key)
    count = len(arrays[0])
    resampled = (random.integers(count, size=count) for _ in range(draws))
    values = [statistic(*(array[rows] for array in arrays)) for rows in resampled]
    tail = (1 - level) / 2
    return tuple(np.quantile(np.asarray(values, float), [tail, 1 - tail], axis=0))


def mean_interval(values: Numbers, level: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of independent runs (S, ...) and its Student-t interval: (mean, low, high), each (...).

    Raises ValueError for fewer than two runs.

    >>> import kdtheory as kd
    >>> [round(float(number), 3) for number in kd.confidence.mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy.stats import t

    values = np.asarray(values, float)
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two runs, got {len(values)}")
    mean = values.mean(axis=0)
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return mean, mean - half, mean + half
