"""How sure a classifier is, against its teacher and against the truth.

The seed paper's picture has one point per input: x is the logit of the probability that the teacher gives its
top class, y the logit of what the student gives to that same class. Exaggerated confidence is a slope above
one: the student is less sure than its teacher where that was unsure, relative to where it was sure. `compare`
reads the slope off in several ways, since each alone misleads.
"""

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import (
    Number,
    Numbers,
    as_array,
    as_count,
    as_data,
    as_floats,
    as_number,
    as_real,
    as_spectrum,
    check_pairs,
    concrete,
    on_host,
)
from kdtheory._compilation import at_once, quickly
from kdtheory._record import of_path, record
from kdtheory.learners import GradientDescent, GradientFlow, Learner, Ridge, check_learner, check_problem
from kdtheory.measures.intervals import bootstrap as bootstrap
from kdtheory.measures.intervals import mean_interval as mean_interval
from kdtheory.measures.intervals import unit_of
from kdtheory.numerics import log1p, one_minus_exp
from kdtheory.problems import Eigensystem, Problem


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


def class_logit(logits: Numbers, classes: Numbers) -> jax.Array:
    """The logit of the probability of one class per row, log p/(1 - p): (N, C) and (N,) to (N,).

    Computed as z_c - logsumexp of the other logits, so that it is right where p rounds to one.

    ValueError for other shapes and for a class that is no column; NaN for one that JAX traces.

    >>> import kdtheory as kd
    >>> kd.confidence.class_logit([[100.0, 0.0]], [0]).tolist()
    [100.0]
    """
    logits, classes = as_real(logits, "logits"), as_real(classes, "classes")
    if np.ndim(logits) != 2 or np.shape(classes) != np.shape(logits)[:1]:
        raise ValueError(
            f"logits must be (N, C) and classes (N,), one for each row; got {np.shape(logits)} and {np.shape(classes)}"
        )
    if concrete((logits, classes)):
        _check_columns(classes, "classes", np.shape(logits)[1])
    return _class_logit(as_array(logits, float), as_array(classes))


@jax.jit
def _class_logit(logits, classes):
    chosen = classes[:, None] == jnp.arange(logits.shape[1])
    own = jnp.where(jnp.any(chosen, axis=1), jnp.sum(jnp.where(chosen, logits, 0.0), axis=1), jnp.nan)
    return own - jax.nn.logsumexp(jnp.where(chosen, -jnp.inf, logits), axis=1)


def top_class(teacher_logits: Numbers, student_logits: Numbers) -> tuple[jax.Array, jax.Array]:
    """The points of the picture: logits of the teacher's top class, the teacher's x (N,) and the student's y (N,).

    Raises ValueError where the two differ in shape or are not (N, C) with two classes or more.

    >>> import kdtheory as kd
    >>> x, y = kd.confidence.top_class([[2.0, 0.0]], [[3.0, 0.0]])
    >>> x.item(), y.item()
    (2.0, 3.0)
    """
    given = as_real(teacher_logits, "teacher_logits"), as_real(student_logits, "student_logits")
    teacher, student = (as_array(logits, float) for logits in given)
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
    student = as_array(as_real(student_logits, "student_logits"), float)
    x, y = top_class(teacher_logits, student * as_number(scale, "scale"))
    return of_points(x, y)


def of_points(x: Numbers, y: Numbers) -> Comparison:
    """`compare` for points already in the plane of the picture, x (N,) and y (N,). ValueError for other shapes."""
    x, y = _known(as_real(x, "x"), as_real(y, "y"), "compare")
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise ValueError(f"x and y must be points (N,) and (N,), one at least; got {x.shape} and {y.shape}")
    order = np.argsort(x, kind="stable")
    third = max(1, len(x) // 3)
    excess, of_x, of_y = (y - x)[order], unit_of(x, axis=None), unit_of(y, axis=None)
    x, y, steeper = x / of_x, y / of_y, of_y / of_x
    a, b, c = np.var(x), np.var(y), np.mean((x - x.mean()) * (y - y.mean()))
    if np.ptp(x) <= 4 * np.sqrt(len(x)) * np.finfo(float).eps * np.max(np.abs(x)):  # one point, but for rounding
        a = c = 0.0
    slope = c / a if a > 0 else np.nan
    orthogonal = float(_principal(np, a, b, c, steeper)) if c != 0 or np.sqrt(a) > np.sqrt(b) * steeper else np.nan
    intercept = of_y * (y.mean() - slope * x.mean())
    return Comparison(slope * steeper, orthogonal, intercept, excess[:third].mean(), excess[-third:].mean())


def _known(teacher, student, who):
    known = on_host(teacher, student, who=who, over="what teacher and student predict")
    return [array.astype(np.result_type(float, array)) for array in known]


def matching_scale(teacher_coordinates: Numbers, student_coordinates: Numbers, directions: int = 1) -> float:
    """The factor that brings the student's logits to the teacher's along the top `directions` eigendirections.

    ⟨teacher, student⟩/|student|² over the first rows of the coordinates (K, C), those of a `Trajectory` at
    one moment. With it the slope is scale-free: in the two-level model it is above one exactly where bias is
    exaggerated. NaN for a student that is zero there; ValueError for coordinates of two shapes.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> kd.confidence.matching_scale(jnp.array([[2.0], [1.0]]), jnp.array([[1.0], [0.1]]))
    2.0
    """
    teacher, student = _known(teacher_coordinates, student_coordinates, "matching_scale")
    if teacher.shape != student.shape or teacher.ndim == 0:
        raise ValueError(f"coordinates of teacher and student differ in shape: {teacher.shape} and {student.shape}")
    teacher, student = (run[: as_count(directions, "directions")] for run in (teacher, student))
    unit, teacher_unit = (unit_of(run, axis=None) for run in (student, teacher))
    student, teacher = student / unit, teacher / teacher_unit
    power = np.sum(student**2)
    return float(np.sum(teacher * student) / power * (teacher_unit / unit)) if power != 0 else np.nan


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
    whose filters grow with λ, if λ₂ > 0; at λ₂ = 0 it is one. Either may be a path; all fields then have its axes. Own;
    see the claims `margins_on_a_line` and `scale_free_slope_exceeds_one`.

    ValueError for two paths of different lengths.

    >>> import kdtheory as kd
    >>> flow = kd.GradientFlow(3.0)
    >>> print(kd.confidence.margin_line(flow, flow, 1.0, 0.1).slope.round(4))
    1.2094
    """
    check_learner(teacher)
    check_learner(student)
    λ = at_once(_levels, *as_floats(lead=lead, trail=trail))
    h, s = teacher.filter(λ), student.filter(λ)
    check_pairs(teacher=h.shape[: -λ.ndim], student=s.shape[: -λ.ndim])
    return at_once(_line, h, s, teacher.rise(λ), student.rise(λ), student.residual(λ))


def _levels(lead, trail):
    return jnp.stack([lead, trail], axis=-1)


def _line(h, s, teacher_rise, student_rise, left):
    h2, s1, s2 = h[..., 1], s[..., 0], s[..., 1]
    gained = h2 * (student_rise / teacher_rise)
    slope = s1 + gained
    return MarginLine(slope, h2 * (s2 - slope), gained - left[..., 0], 1.0 + gained / s1)


def critical_time(lead: Number, trail: Number, teacher_time: Numbers) -> jax.Array:
    """The time above which a student's margins are steeper than its teacher's: log(h₁/h₂)/(λ₁ - λ₂).

    Gradient flow in the model of `margin_line`, h the filter of the teacher stopped at `teacher_time` > 0. It is
    below log(λ₁/λ₂)/(λ₁ - λ₂), and tends to that for a teacher that has hardly learnt; infinite at λ₂ = 0. NaN at
    λ₁ = λ₂, where all margins are the same. Own.

    >>> import kdtheory as kd
    >>> print(kd.confidence.critical_time(10.5, 0.5, teacher_time=0.2).round(4))
    0.2222
    """
    return at_once(_critical_time, GradientFlow(teacher_time), *as_floats(lead=lead, trail=trail))


def _critical_time(teacher, lead, trail):
    λ = _levels(lead, trail)
    return log1p(teacher.rise(λ) / teacher.filter(λ)[..., 1]) / (λ[..., 0] - λ[..., 1])


# Any spectrum: the line of margins as a regression of filters.


def label_energy(problem: Problem, eigensystem: Eigensystem | None = None) -> tuple[jax.Array, jax.Array]:
    """Where the labels lie: eigenvalues (K + 1,) and the share of the labels' energy along each (K + 1,).

    w_k = (u_kᵀy)²/N, meaned over outputs, for labels y = ±1, one or many columns of them. The last entry is of the null
    directions, at the eigenvalue zero. The shares sum to one. `eigensystem` is the problem's, if known. Raises
    ValueError for labels other than ±1, for which margins obey no such law, and for an eigensystem that lacks
    directions which are not null.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[2.0], [1.0]], [1.0, -1.0])
    >>> for part in kd.confidence.label_energy(problem):
    ...     print(part.round(12))
    [2.5 0. ]
    [0.1 0.9]
    """
    check_problem(problem)
    targets = np.asarray(problem.targets)
    if not np.all(np.abs(targets) == 1):
        wrong = targets[np.abs(targets) != 1].flat[0]
        raise ValueError(f"labels must be -1 or 1, got {wrong}; for classes give 2 * one_hot(classes) - 1")
    system = problem.eigensystem() if eigensystem is None else eigensystem
    λ = np.asarray(system.eigenvalues)
    if system.rest > max(1e-10, 10 * len(targets) * np.finfo(λ.dtype).eps) * np.sum(λ):
        raise ValueError(
            f"the eigensystem has {len(λ)} directions, and the others have {float(system.rest):.3g} of the spectrum:"
            " the labels' energy on those is not known; take all, problem.eigensystem()"
        )
    along = np.square(np.asarray(system.target)).reshape(len(system.target), -1).mean(axis=1)
    energy = λ * along
    return jnp.append(system.eigenvalues, 0.0), jnp.append(energy, system.unseen)


@record
class MarginRegression:
    """The least-squares line of a student's margins on its teacher's. Made by `margin_regression`; path axes each."""

    slope: jax.Array
    intercept: jax.Array
    excess: jax.Array  # slope - 1, with digits of its own where the slope is near one
    orthogonal_slope: jax.Array  # of the first principal axis
    scale_free: jax.Array  # the slope once the student is scaled to its teacher along the largest eigenvalue
    correlation: jax.Array

    axes = of_path


def margin_regression(
    teacher: Learner,
    student: Learner,
    eigenvalues: Numbers,
    energy: Numbers,
    student_eigenvalues: Numbers | None = None,
) -> MarginRegression:
    """How a student's margins lie over its teacher's at the training points, from the filters alone.

    Squared loss, labels y = ±1 of which any may be flipped, any Gram matrix with the `eigenvalues` (K,), and `energy` w
    (K,) the share of the labels along each (`label_energy`). A margin is y·prediction. With h the teacher's filter and
    g = h·φ its student's, the line of least squares over the points is the regression of g on h over directions:

        slope = Cov_w(h, g)/Var_w(h),   slope - 1 = -Cov_w(h, h(1 - φ))/Var_w(h)

    so a student exaggerates its teacher's confidence where what it drops, h(1 - φ), falls with what the teacher had
    learnt; with all energy at eigenvalues above `critical_eigenvalue` it does, with all below it does not. Either
    may be a path. A student whose kernel has the same eigenvectors and other eigenvalues has them as
    `student_eigenvalues` (K,). NaN where h is the same along all directions. Own, proved; see the claims
    `margins_are_a_regression_of_filters` and `slope_exceeds_one_beyond_critical_eigenvalue`.

    Raises ValueError for eigenvalues that are negative, for shares that are or do not sum to one, and for two paths of
    different lengths.

    >>> import kdtheory as kd
    >>> flow = kd.GradientFlow(3.0)
    >>> print(kd.confidence.margin_regression(flow, flow, [1.0, 0.1], [0.5, 0.5]).slope.round(4))
    1.2094
    """
    check_learner(teacher)
    check_learner(student)
    eigenvalues = as_spectrum(eigenvalues)
    own = eigenvalues if student_eigenvalues is None else as_spectrum(student_eigenvalues)
    eigenvalues, energy, own = as_floats(eigenvalues=eigenvalues, energy=energy, student_eigenvalues=own)
    if concrete(energy):
        shares = np.asarray(energy)
        if shares.ndim != 1 or not np.all(shares >= 0) or not abs(shares.sum() - 1) < 1e-6:
            raise ValueError(f"energy must be shares >= 0 that sum to one, as of label_energy; got {shares.tolist()}")
    return quickly(_regression, teacher, student, eigenvalues, energy, own)


def _principal(np, a, b, c, unit):
    """The slope (b - a + √((b - a)² + 4c²))/2c of the first principal axis of x and y, of variances a and b and
    covariance c, which here are those of x and y/unit."""
    tall = np.maximum(1.0, unit)
    a, b, c = a / tall / tall, b * (unit / tall) ** 2, c * (unit / tall) / tall
    steeper, rest = b >= a, np.hypot(b - a, 2.0 * c) + np.abs(b - a)
    return np.where(steeper, rest, 2.0 * c) / np.where(steeper, 2.0 * c, rest)


@jax.jit
def _regression(teacher, student, eigenvalues, energy, own):
    energy = energy / jnp.sum(energy)
    mean = lambda values: values @ energy
    h, left = teacher.filter(eigenvalues), teacher.residual(eigenvalues)
    φ, lost = student.filter(own), student.residual(own)
    check_pairs(teacher=h.shape[:-1], student=φ.shape[:-1])
    centred = lambda values: values - mean(values)[..., None]
    late = mean(left)[..., None] < 0.5
    small = jnp.where(late, left, h)
    off_h = jnp.where(late, -1.0, 1.0) * centred(small)
    off_g = jnp.where(mean(left + h * lost)[..., None] < 0.5, -centred(left + h * lost), centred(h * φ))
    # each in a unit of its own, lest squares leave the range of floats
    of_h, of_g = (_largest(off, energy) for off in (off_h, off_g))
    off_h, off_g, steeper = off_h / of_h[..., None], off_g / of_g[..., None], of_g / of_h
    a, b, c = mean(off_h * off_h), mean(off_g * off_g), mean(off_h * off_g)
    rounding = 8.0 * np.finfo(float).eps * len(energy)
    a = jnp.where(jnp.sqrt(a) * of_h <= rounding * mean(jnp.abs(small)), jnp.nan, a)  # the same, but for rounding
    slope, excess = c / a * steeper, -mean(off_h * (centred(h * lost) / of_h[..., None])) / a
    orthogonal = _principal(jnp, a, b, c, steeper)
    largest = eigenvalues == jnp.max(eigenvalues)
    return MarginRegression(
        slope,
        mean(h * φ) - slope * mean(h),
        excess,
        orthogonal,
        slope / (jnp.sum(jnp.where(largest, φ, 0.0), axis=-1) / jnp.sum(jnp.where(largest, 1.0, 0.0))),
        c / jnp.sqrt(a * b),
    )


def _largest(values, energy):
    """The largest size of values along directions of some energy: one where all are zero."""
    largest = jnp.max(jnp.where(energy > 0.0, jnp.abs(values), 0.0), axis=-1)
    return jnp.where(largest > 0.0, largest, 1.0)


def critical_eigenvalue(teacher: Learner, student: Learner) -> jax.Array:
    """The eigenvalue λ* along which a student drops most of what its teacher had learnt, h(1 - φ).

    log(1 + T/s)/T for gradient flow of times T and s, √(c_T c_S) for ridge; by `rate` for gradient descent of one step
    size. It is where the label energy decides: see `margin_regression`. It tends to 1/s for a teacher stopped early,
    which it is at T = 0, and to zero, at T = ∞, for one that interpolates, whose students therefore exaggerate. Either
    may be a path. Own.

    Raises TypeError for others, ValueError for two paths of different lengths.

    >>> import kdtheory as kd
    >>> round(float(kd.confidence.critical_eigenvalue(kd.Ridge(0.1), kd.Ridge(0.4))), 6)
    0.2
    """
    if isinstance(teacher, Ridge) and isinstance(student, Ridge):
        c_T, c_S = _pair(teacher.penalty, student.penalty)
        return jnp.sqrt(jnp.abs(c_T)) * jnp.sqrt(jnp.sign(c_T) * c_S)  # whose product may leave the range of floats
    flows = isinstance(teacher, GradientFlow) and isinstance(student, GradientFlow)
    loops = isinstance(teacher, GradientDescent) and isinstance(student, GradientDescent)
    if not flows and not (loops and _one_step_size(teacher, student)):
        raise TypeError(
            f"the critical eigenvalue is known for two of GradientFlow, of Ridge, or of GradientDescent with one step"
            f" size; got {teacher!r} and {student!r}"
        )
    depth = _depth(*_pair(teacher.clock, student.clock))
    return depth if flows else one_minus_exp(teacher.step_size * depth) / teacher.step_size


def _pair(teacher, student):
    """Clocks of a teacher and a student, each a number or a path."""
    check_pairs(teacher=np.shape(teacher), student=np.shape(student))
    return as_array(teacher, float), as_array(student, float)


def _one_step_size(teacher, student):
    """Whether two loops have one step size: the same number, or the same to JAX."""
    one, other = teacher.step_size, student.step_size
    return np.ndim(one) == 0 and (one is other or (concrete((one, other)) and np.array_equal(one, other)))


@jax.jit
def _depth(T, s):
    """log(1 + T/s)/T, the rate of the critical eigenvalue."""
    x = T / s
    few = (T == 0) | (x < 1e-20)
    plain = ~few & (x < 1e300)
    depth = log1p(jnp.where(plain, x, 1.0)) / jnp.where(plain, T, 1.0)
    forever = jnp.where(s > 0, 0.0, jnp.nan)
    late = jnp.where(jnp.isinf(T), forever, (jnp.log(T) - jnp.log(s)) / T)  # where T/s overflows
    return jnp.where(plain, depth, jnp.where(few, 1.0 / s, late))


# Against the truth.


def _judged(logits, labels):
    """Logits (N, C) and column numbers (N,), on the host."""
    logits, labels = np.asarray(as_data(logits, "logits", ranks=(2,))), np.asarray(as_real(labels, "labels"))
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels must be ({len(logits)},), one per row of logits {logits.shape}; got {labels.shape}")
    _check_columns(labels, "labels", logits.shape[1])
    return logits, labels


def _check_columns(labels, name, columns):
    """Refuse what is no column number."""
    strange = ~np.isin(labels, np.arange(columns))
    if strange.any():
        wrong = np.asarray(labels)[strange][0]
        raise ValueError(f"{name} must be column numbers of logits, from 0 to {columns - 1}; got {wrong}")


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

    ValueError for column numbers that are none, and for rows that are no probabilities.

    >>> import kdtheory as kd
    >>> round(kd.confidence.log_loss([[0.0, 0.0]], [1]), 6)
    0.693147
    """
    if np.ndim(labels) == 1:
        logits, labels = _judged(logits, labels)
        labels = labels[:, None] == np.arange(logits.shape[1])
    if np.ndim(logits) != 2 or 0 in np.shape(logits):
        raise ValueError(f"logits must be (N, C), one row at least; got shape {np.shape(logits)}")
    logs, labels = jax.nn.log_softmax(as_array(logits, float), axis=1), as_array(as_real(labels, "labels"))
    if labels.shape != logs.shape:
        raise ValueError(f"probabilities must have the shape {logs.shape} of the logits, got {labels.shape}")
    wrong = ~(np.all(np.asarray(labels) >= 0, axis=1) & (np.abs(np.sum(np.asarray(labels, float), axis=1) - 1) <= 1e-6))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"probabilities must be >= 0 and sum to 1; row {row} is {np.asarray(labels[row]).tolist()}")
    return float(-jnp.mean(jnp.sum(jnp.where(labels > 0, labels * logs, 0.0), axis=1)))


def calibration_error(logits: Numbers, labels: Numbers, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, over bins of equal width.

    Σ_b (n_b/N) |accuracy_b - mean top probability_b|, bins closed above. Guo, Pleiss, Sun & Weinberger 2017, equation
    3.

    >>> import kdtheory as kd
    >>> kd.confidence.calibration_error([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    0.0
    """
    (logits, labels), bins = _judged(logits, labels), as_count(bins, "bins")
    probabilities = np.asarray(jax.nn.softmax(logits, axis=1))
    surest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(surest * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(which, weights=right - surest, minlength=bins)
    return float(np.abs(gaps).sum() / len(surest))
