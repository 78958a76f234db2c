"""Learners, each with two faces: what theory says it does, and the algorithm itself.

`filter(eigenvalues)` is the factor φ(λ) by which the learner scales the target along an eigendirection;
`fit(problem)` runs on the data and never looks at an eigenvector. The library exists to compare them.

The last field of a learner is its clock-like one. It may be an array, a *path*, which adds a leading axis to
`filter` and `fit`; sweep every other field with `jax.vmap`. The clock is step size × steps for a loop, time
for a flow and 1/penalty for ridge.
"""

import abc
import dataclasses
import warnings
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory import numerics
from kdtheory._inputs import as_count, as_key, as_real, as_start, concrete
from kdtheory._record import record, static
from kdtheory.numerics import Shares


class Learner(abc.ABC):
    """What all learners share. To write one, give `shares`, `fit` and `clock`."""

    def __post_init__(self):
        for field in _fields(self):  # what is an array to users need not be one to JAX
            value = getattr(self, field)
            foreign = hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic, jax.Array))
            if foreign or isinstance(value, range):
                object.__setattr__(self, field, np.asarray(value))

    @abc.abstractmethod
    def shares(self, eigenvalues) -> Shares:
        """The shares learnt, left and lost along directions of the given eigenvalues, path axis first."""

    @abc.abstractmethod
    def fit(self, problem, start=None) -> jax.Array:
        """Parameters reached on the data: path axis + parameters. `start` is zero unless given."""

    @property
    @abc.abstractmethod
    def clock(self) -> jax.Array:
        """The moments at which the learner stops: step size × steps, time, or 1/penalty."""

    def filter(self, eigenvalues):
        """φ(λ), the factor that multiplies the target's coordinate: (K,) to path axis + (K,)."""
        return _checked_face(self, eigenvalues, "filter")

    def residual(self, eigenvalues):
        """1 - φ(λ), without the subtraction."""
        return _checked_face(self, eigenvalues, "residual")

    def log_filter(self, eigenvalues):
        """log φ(λ), also where φ underflows or rounds to one. NaN where φ is negative."""
        return _checked_face(self, eigenvalues, "log_filter")

    def log_residual(self, eigenvalues):
        """log(1 - φ(λ)), also where φ rounds to one. NaN where φ exceeds one."""
        return _checked_face(self, eigenvalues, "log_residual")

    def parts(self):
        """The plain learners inside, in the order in which they run."""
        return (self,)

    def tuned(self, max_eigenvalue):
        """The learner with step sizes of None replaced by 1/λ_max."""
        return self

    def max_step_size(self, max_eigenvalue):
        """The step size from which the iteration diverges; infinite where there is no step."""
        return jnp.inf


def _checked_face(learner, eigenvalues, face):
    for part in learner.parts():
        _check_fields(part)
    return _face(learner, as_real(eigenvalues, "eigenvalues"), face)


@partial(jax.jit, static_argnames="face")
def _face(learner, eigenvalues, face):
    shares = learner.shares(eigenvalues.astype(jnp.result_type(float, eigenvalues)))
    match face:
        case "filter":
            return shares.learnt.value
        case "residual":
            return shares.residual.value
        case "log_filter":
            return shares.log_learnt()
        case "log_residual":
            return shares.residual.log


@record
class Ridge(Learner):
    """Ridge regression, φ(λ) = λ/(λ + c) with c = `penalty`.

    It minimises loss + (c/2)|w - start|² on the half-*mean* squared loss: papers that use the sum write N·c.
    At c = 0 it is the limit: of all that minimise the loss, what is nearest to `start`.

    >>> import kdtheory as kd
    >>> kd.Ridge(penalty=0.5).filter(0.5).item()
    0.5
    """

    penalty: float | jax.Array

    def shares(self, eigenvalues):
        return numerics.ridge_shares(eigenvalues, _down(self.penalty, eigenvalues))

    @property
    def clock(self):
        return 1.0 / jnp.asarray(self.penalty)

    def stopped(self, clock):
        """The same learner at another clock, 1/penalty."""
        return Ridge(1.0 / clock)

    def fit(self, problem, start=None):
        """Solve (H + cI) w = b + c·start from the normal equations, refined once with the gradient of the
        data. A penalty of zero, or one that rounding would hide there, is least squares by a QR decomposition; it
        then has to be a number, not traced."""
        start = _begin(self, problem, start)
        if hasattr(problem, "ridge"):  # no matrix, but conjugate gradients
            return problem.ridge(_finite(self.penalty, "penalty"), start)
        _needs_squared_loss("Ridge", problem)
        return _in_small(problem, start, _ridge, _finite(self.penalty, "penalty"), reduce=_wide(problem))


@record
class GradientFlow(Learner):
    """Gradient flow w' = -∇loss(w), stopped at `time`: φ(λ) = 1 - e^(-λ·time).

    >>> import kdtheory as kd
    >>> print(f"{kd.GradientFlow(time=2.0).filter(0.5):.6f}")
    0.632121
    """

    time: float | jax.Array

    def shares(self, eigenvalues):
        return numerics.exponential_shares(eigenvalues, _down(self.time, eigenvalues))

    @property
    def clock(self):
        return jnp.asarray(self.time)

    def stopped(self, clock):
        """The same learner at another time."""
        return GradientFlow(clock)

    def rate(self, eigenvalues):
        """τ(λ), with φ = 1 - e^(-τ·clock)."""
        return eigenvalues

    def fit(self, problem, start=None):
        """The affine system, by exponentials of its matrix: no eigenvectors."""
        start = _begin(self, problem, start)
        _needs_squared_loss("GradientFlow", problem)
        return _in_small(problem, start, _flow, _finite(self.time, "time"), reduce=_wide(problem))


class _Loop(Learner):
    """An iteration on the gradient; `advance` is one step of it."""

    @abc.abstractmethod
    def advance(self, gradient, parameters, previous):
        """The parameters after one step, from those now and one step ago."""

    @property
    def clock(self):
        if self.step_size is None:
            raise ValueError("step_size is None, so the clock depends on the data; give a number, or use simulate")
        return self.step_size * jnp.asarray(self.steps)

    def tuned(self, max_eigenvalue):
        return self if self.step_size is not None else dataclasses.replace(self, step_size=1.0 / max_eigenvalue)

    def fit(self, problem, start=None):
        """The loop itself. Many steps run on an equivalent problem that is small, or whose Hessian is
        tridiagonal."""
        start = _begin(self, problem, start)
        learner = self.tuned(problem.max_eigenvalue()) if self.step_size is None else self
        steps = _whole(learner.steps)
        reduce, turn = _what_pays(problem, steps)
        on_gram = reduce or (not hasattr(problem, "reduced") and hasattr(problem, "normal_equations"))
        learner = dataclasses.replace(learner, steps=None)

        def run(problem, start, steps):
            hessian = _tridiagonal(problem) if turn else _dense(problem) if on_gram else None
            return _descend(learner, problem, start, steps, hessian)

        return _if_whole(self.steps, _in_small(problem, start, run, steps, reduce=reduce))


@record
class GradientDescent(_Loop):
    """Gradient descent w ← w - η∇loss(w) with η = `step_size`, after `steps` steps: φ(λ) = 1 - (1 -
    ηλ)^steps.

    `step_size=None` means 1/λ_max of the data. It diverges past 2/λ_max. `filter` takes real `steps` where ηλ
    < 1.

    >>> import kdtheory as kd
    >>> kd.GradientDescent(step_size=0.5, steps=[1, 2]).filter(1.0).tolist()
    [0.5, 0.75]
    """

    step_size: float | jax.Array | None
    steps: int | jax.Array

    def shares(self, eigenvalues):
        steps, eigenvalues = _down(self.steps, eigenvalues), eigenvalues
        return numerics.descent_shares(_given(self.step_size), eigenvalues, steps)

    def stopped(self, clock):
        """The same learner at another clock, step size × (real) steps."""
        return GradientDescent(self.step_size, clock / self.step_size)

    def rate(self, eigenvalues):
        """τ(λ) = -log(1 - ηλ)/η, with φ = 1 - e^(-τ·clock)."""
        x = self.step_size * jnp.asarray(eigenvalues)
        return jnp.where(x < 1e-290, eigenvalues, -numerics.log1p(-x) / self.step_size)

    def max_step_size(self, max_eigenvalue):
        return 2.0 / max_eigenvalue

    def advance(self, gradient, parameters, previous):
        return parameters - self.step_size * gradient(parameters)


@record
class HeavyBall(_Loop):
    """Polyak's heavy ball, w ← w - η∇loss(w) + β(w - w_before), from rest.

    With r the residual of one direction: r ← (1 + β - ηλ) r - β r_before. It diverges past 2(1 + β)/λ_max.

    >>> import kdtheory as kd
    >>> kd.HeavyBall(step_size=0.5, momentum=0.5, steps=2).filter(1.0).item()
    1.0
    """

    step_size: float | jax.Array | None
    momentum: float | jax.Array
    steps: int | jax.Array

    def shares(self, eigenvalues):
        step_size, momentum, steps = _given(self.step_size), self.momentum, _down(self.steps, eigenvalues)
        return numerics.momentum_shares(step_size, eigenvalues, steps, momentum)

    def max_step_size(self, max_eigenvalue):
        bounded = jnp.abs(self.momentum) <= 1.0
        return jnp.where(bounded, 2.0 * (1.0 + self.momentum) / max_eigenvalue, 0.0)

    def advance(self, gradient, parameters, previous):
        return parameters - self.step_size * gradient(parameters) + self.momentum * (parameters - previous)


@record
class Nesterov(_Loop):
    """Nesterov's accelerated gradient with constant momentum β: z = w + β(w - w_before), w ← z - η∇loss(z),
    from rest.

    With r the residual of one direction: r ← (1 - ηλ)((1 + β) r - β r_before). It diverges past
    2(1 + β)/((1 + 2β)λ_max).

    `fit` returns w. Loops that keep only z, such as optax.sgd(η, momentum=β, nesterov=True), log the look-ahead
    point after each step, z_k = w_k + β(w_k - w_k-1). From w_0 = z_0 = start, w_k = (z_k + β w_k-1)/(1 + β) gives
    back what is to be compared with ours; or compare z with the look-ahead of ours.

    >>> import kdtheory as kd
    >>> kd.Nesterov(step_size=0.5, momentum=0.5, steps=2).filter(1.0).item()
    0.875
    """

    step_size: float | jax.Array | None
    momentum: float | jax.Array
    steps: int | jax.Array

    def shares(self, eigenvalues):
        step_size, steps = _given(self.step_size), _down(self.steps, eigenvalues)
        momentum = self.momentum * (1.0 - step_size * eigenvalues)
        return numerics.momentum_shares(step_size, eigenvalues, steps, momentum)

    def max_step_size(self, max_eigenvalue):
        momentum = jnp.asarray(self.momentum, float)
        usual = momentum > -1.0 / 3.0  # below, |ηλ - 1| < 1/|β| binds instead
        bound = jnp.where(usual, 1.0 / (1.0 + 2.0 * jnp.where(usual, momentum, 0.0)), -1.0 / momentum)
        return jnp.where(jnp.abs(momentum) <= 1.0, (1.0 + bound) / max_eigenvalue, 0.0)

    def advance(self, gradient, parameters, previous):
        ahead = parameters + self.momentum * (parameters - previous)
        return ahead - self.step_size * gradient(ahead)


@record
class StochasticDescent(_Loop):
    """Mini-batch gradient descent, w ← w - η · gradient of a fresh batch: the filter is that of its mean.

    Each step draws `batch` rows, uniformly with replacement, from `key` (a JAX key, or an int as its seed).
    With squared loss the mean over draws is exactly where gradient descent would be, 1 - (1 - ηλ)^steps; a
    single run scatters around it. (The scatter has a stricter stability bound than the mean's 2/λ_max.)

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0], [1.0]], [1.0, 1.0])                 # no two batches differ
    >>> kd.StochasticDescent(step_size=0.5, batch=1, key=0, steps=[1, 2]).fit(problem).tolist()
    [[0.5], [0.75]]
    """

    step_size: float | jax.Array | None
    batch: int = static()
    key: jax.Array | int
    steps: int | jax.Array

    def shares(self, eigenvalues):
        return GradientDescent(self.step_size, self.steps).shares(eigenvalues)

    def max_step_size(self, max_eigenvalue):
        return 2.0 / max_eigenvalue

    def advance(self, gradient, parameters, previous):
        return parameters - self.step_size * gradient(parameters)

    def fit(self, problem, start=None):
        """The loop itself, on batches of the data."""
        start = _begin(self, problem, start)
        as_count(self.batch, "StochasticDescent.batch")
        learner = self.tuned(problem.max_eigenvalue()) if self.step_size is None else self
        learner = dataclasses.replace(learner, key=None, steps=None)
        return _if_whole(self.steps, _descend(learner, problem, start, _whole(self.steps), key=as_key(self.key)))


@record
class Filter(Learner):
    """Any φ(λ) that you write down: theory only, there is no algorithm to run.

    `function` maps eigenvalues (K,) to factors (K,); what it does not learn stays at the start. ValueError for
    another shape, TypeError for factors that are no real numbers.

    >>> import kdtheory as kd
    >>> kd.Filter(lambda eigenvalues: eigenvalues > 0.5).filter([1.0, 0.1]).tolist()
    [1.0, 0.0]
    """

    function: Callable = static()

    def shares(self, eigenvalues):
        learnt = jnp.asarray(as_real(self.function(eigenvalues), "what Filter.function returns"), float)
        if learnt.shape != jnp.shape(eigenvalues):
            raise ValueError(
                f"Filter.function must return one factor for each eigenvalue, of shape {jnp.shape(eigenvalues)}; got"
                f" {learnt.shape}. A constant is jnp.full_like(eigenvalues, constant)"
            )
        return numerics.nothing_lost(numerics.share(learnt), numerics.share(1.0 - learnt))

    @property
    def clock(self):
        return jnp.asarray(jnp.nan)

    def fit(self, problem, start=None):
        raise TypeError("Filter is theory only: it has no algorithm to fit. Use closed_form, or another learner")


def _given(step_size):
    if step_size is None:
        raise ValueError("step_size is None, which means 1/λ_max of the data; give a number, or use closed_form")
    return step_size


def _down(path, eigenvalues):
    """A path (T,) as a column over eigenvalues, so that they broadcast to (T, K)."""
    path = jnp.asarray(path)
    path = path.astype(jnp.result_type(float, path))
    return path.reshape(path.shape + (1,) * jnp.ndim(eigenvalues))


# How a plain learner runs on data.


def _begin(learner, problem, start):
    """Where a run of the learner begins, once both are known to be what they should."""
    if not hasattr(problem, "gradient"):
        raise TypeError(
            f"problem must be made by problems.linear, problems.kernel or the like, got {type(problem).__name__}"
        )
    check_learner(learner)
    zeros = problem.zeros()
    return zeros if start is None else jnp.asarray(as_start(start, zeros.shape), zeros.dtype)


def _needs_squared_loss(name, problem):
    if not hasattr(problem, "normal_equations"):
        loops = "GradientDescent, HeavyBall or Nesterov"
        wanted = (
            "exponentials of the matrix, of which there are only products"
            if hasattr(problem, "ridge")
            else "squared loss"
        )
        raise TypeError(f"{name} needs {wanted}; use {loops} on {type(problem).__name__}")


def _finite(clock, field):
    """A clock to run to, as an array. Theory knows what happens at infinity, an algorithm never gets
    there."""
    if concrete(clock) and not np.all(np.isfinite(clock)):
        raise ValueError(f"{field} must be finite for a fit, got {clock}; filter and closed_form take an infinite one")
    return jnp.asarray(clock)


def _whole(steps):
    steps = _finite(steps, "steps")
    if concrete(steps) and not np.all(np.asarray(steps) == np.round(steps)):
        raise ValueError(f"steps must be whole numbers for a loop, got {steps}; filter takes real ones")
    return (
        steps.astype(int)
        if jnp.issubdtype(steps.dtype, np.integer)
        else jnp.where(_is_whole(steps), steps, 0).astype(int)
    )


def _is_whole(steps):
    return (steps == jnp.floor(steps)) & (steps >= 0) & (steps < 2.0**48)


def _if_whole(steps, fits):
    """What was fitted, and NaN for steps that are traced, hence were not looked at, and turn out not to be whole."""
    if concrete(steps):
        return fits
    whole = _is_whole(jnp.asarray(steps))
    return jnp.where(whole.reshape(whole.shape + (1,) * (fits.ndim - whole.ndim)), fits, jnp.nan)


def _wide(problem):
    """More parameters than samples, so that the normal equations are needlessly large."""
    return hasattr(problem, "reduced") and problem.features.shape[1] > len(problem.features)


def _what_pays(problem, steps):
    """Whether to reduce a table to a square one, and whether to make the Hessian tridiagonal, which costs a step no
    product: what takes the fewest multiplications over the whole run."""
    if not hasattr(problem, "normal_equations") or not concrete((problem, steps)):
        return False, False
    outputs, longest = int(np.prod(problem.targets.shape[1:])), float(np.max(np.asarray(steps), initial=0))
    if not hasattr(problem, "reduced"):
        count, prepare, reduces = len(problem.targets), 0.0, False
        plain = count**2 * outputs * longest
    else:
        samples, parameters = problem.features.shape
        count, reduces = min(samples, parameters), True
        prepare = 4 * samples * parameters * count + count**3
        plain = 2 * samples * parameters * outputs * longest
    dense = prepare + count**2 * outputs * longest
    turned = prepare + 8 * count**3 + (4 * count**2 / _REFRESH + 8 * count) * outputs * longest
    best = min(plain, dense, turned)
    return reduces and best < plain, best == turned


def _in_small(problem, start, run, clock, *, reduce):
    """Run on an equivalent small problem where that pays, and lift the answer back."""
    if reduce and concrete((problem, start)):
        small, lift = problem.reduced(start)
        return lift(run(small, small.zeros(), clock))
    return run(problem, start, clock)


def _ridge(problem, start, penalty):
    """Ridge for each penalty: normal equations, or what does not square the matrix where they would be singular."""
    is_table = hasattr(problem, "features")
    matrix = problem.features if is_table else problem.gram
    if not concrete((matrix, penalty)):
        return _solve(problem, start, penalty)
    matrix, penalties = np.asarray(matrix), np.asarray(penalty)
    # in XᵀX/N a null direction is off by eps of the trace, of which this is enough
    least = 1e-8 * np.sum(matrix**2) / len(matrix) if is_table and concrete((problem, start)) else 0.0
    little = (penalties == 0) | ((penalties > 0) & (penalties < least))
    if not little.any():
        return _solve(problem, start, penalty)
    flat = zip(penalties.ravel(), little.ravel(), strict=True)
    fits = [
        _least_squares(problem, start, matrix, c) if by_qr else _solve(problem, start, jnp.asarray(c))
        for c, by_qr in flat
    ]
    return jnp.stack(fits).reshape(penalties.shape + start.shape)


def _least_squares(problem, start, matrix, penalty):
    """start + the least of all d that minimise |y - X(start + d)|² + Nc|d|², by QR decompositions with pivots.

    Directions below rounding are cut, as in the eigensystem: of a null direction only rounding is known.
    """
    from scipy.linalg import lstsq, qr

    samples, count = matrix.shape
    upper, pivots = qr(matrix, mode="r", pivoting=True)
    sizes = np.abs(np.diag(upper))
    rank = int(np.sum(sizes > max(matrix.shape) * np.finfo(matrix.dtype).eps * sizes[0]))
    if rank == 0:
        return start
    rows = np.zeros((rank, count), matrix.dtype)
    rows[:, pivots] = upper[:rank]
    seen = qr(rows.T, mode="economic")[0]
    system = np.vstack([matrix @ seen, np.sqrt(samples * penalty) * np.eye(rank)]).astype(matrix.dtype)
    inverse, *_ = lstsq(system, np.eye(len(system), samples, dtype=matrix.dtype), lapack_driver="gelsy")
    return start + jnp.asarray(seen @ inverse) @ (problem.targets - problem.predict(start))


@jax.jit
def _solve(problem, start, penalty):
    """Minimise loss + (c/2)|w - start|² for each penalty c."""
    matrix, vector = problem.normal_equations()
    penalty = penalty.astype(vector.dtype)

    def solve(c):
        shifted = matrix + c * jnp.eye(len(matrix), dtype=matrix.dtype)
        factors = jax.scipy.linalg.lu_factor(shifted)
        w = jax.scipy.linalg.lu_solve(factors, vector + c * start)
        return w - jax.scipy.linalg.lu_solve(factors, problem.gradient(w) + c * (w - start))

    return lax.map(solve, penalty) if penalty.ndim else solve(penalty)


@jax.jit
def _flow(problem, start, time):
    """The flow w' = -(Hw - b) at each time, by scaling and squaring of e^(-hH).

    A time is n·h + remainder with h = 1/2|H|. The remainder is a Taylor series on vectors; the binary digits
    of n compose maps d → d_h + E_h d, which add terms of one sign and so do not cancel.
    """
    matrix, vector = problem.normal_equations()
    times = jnp.atleast_1d(time).astype(vector.dtype)
    times = jnp.where(jnp.isfinite(times), times, jnp.nan)
    pull = vector - matrix @ start  # -∇loss(start), in the range of H
    bound = jnp.max(jnp.sum(jnp.abs(matrix), axis=0))
    bound = jnp.where(bound > 0, bound, 1.0)
    unit = 0.5 / (bound * jnp.minimum(1.0, jnp.linalg.norm(matrix / bound)))
    unit = jnp.where(jnp.isfinite(unit), unit, 0.5)
    counts = jnp.floor(times / unit)
    fractions = jnp.clip((times - counts * unit) / unit, 0.0, 1.0)  # rounding, for times past 2^53 units
    scaled = -unit * matrix

    def column(values):  # over the axes of parameters and outputs
        return values.reshape(values.shape + (1,) * pull.ndim)

    moved, power = jnp.zeros(times.shape + pull.shape, vector.dtype), unit * pull
    whole, exponential, term = jnp.zeros_like(pull), jnp.eye(len(matrix), dtype=matrix.dtype), None
    for n in range(1, 17):  # |h H| <= 1/2: 0.5^17/17! is below rounding
        power = power / n
        moved, whole = moved + column(fractions**n) * power, whole + power
        power = scaled @ power
        term = scaled if term is None else scaled @ term / n
        exponential = exponential + term

    def more(state):
        return jnp.any(state[0] > 0)

    def square(state):
        counts, exponential, whole, moved = state
        odd = column(counts % 2 == 1)
        moved = jnp.where(odd, whole + along_paths(exponential, moved), moved)
        return jnp.floor(counts / 2), exponential @ exponential, whole + exponential @ whole, moved

    def along_paths(matrix, moved):
        return moved @ matrix.T if pull.ndim == 1 else matrix @ moved

    *_, moved = lax.while_loop(more, square, (counts, exponential, whole, moved))
    return (start + moved).reshape(jnp.shape(time) + start.shape)


_REFRESH = 16  # steps between exact gradients


@record
class _Dense:
    """H itself, in the coordinates of the parameters."""

    matrix: jax.Array  # (P, P)

    def __matmul__(self, moved):
        return self.matrix @ moved

    def into(self, array):
        return array

    out_of = into


@record
class _Tridiagonal:
    """H in other coordinates, where it is tridiagonal: a product costs 3P multiplications instead of P².

    An orthogonal similarity Qᵀ H Q, by Householder reflections. The loop is the same loop, seen from turned
    axes; no eigenvector is found on the way.
    """

    basis: jax.Array  # Q (P, P)
    diagonal: jax.Array  # (P,)
    beside: jax.Array  # (P - 1,)

    def __matmul__(self, moved):
        def times(entries, rows):
            return (entries * rows.T).T

        product = times(self.diagonal, moved)
        return product.at[:-1].add(times(self.beside, moved[1:])).at[1:].add(times(self.beside, moved[:-1]))

    def into(self, array):
        return self.basis.T @ array

    def out_of(self, array):
        return self.basis @ array


@jax.jit
def _dense(problem):
    return _Dense(problem.normal_equations()[0])


@jax.jit
def _tridiagonal(problem):
    matrix = problem.normal_equations()[0]
    reflections, diagonal, beside, scales = lax.linalg.tridiagonal(matrix)
    inner = lax.linalg.householder_product(reflections[1:, :-1], scales)
    return _Tridiagonal(jnp.eye(len(matrix), dtype=matrix.dtype).at[1:, 1:].set(inner), diagonal, beside)


@jax.jit
def _descend(learner, problem, start, steps, hessian=None, key=None):
    """Run the loop up to each of the saved steps, keeping those states only. With a `key`, on batches.

    With the `hessian` a step costs one product with H. It works on the displacement d from an anchor, whose
    gradient is g + Hd, and every few steps moves the anchor to where it is and computes g from the data. The
    rounding of H and of each step then acts on the small d, and the anchor keeps a second word, so that no
    digit is lost in a long run.
    """
    order = jnp.argsort(jnp.atleast_1d(steps))
    saved = jnp.atleast_1d(steps)[order]
    learner = jax.tree.map(lambda x: jnp.asarray(x, start.dtype), learner)

    def direct(step, state):
        parameters, previous = state
        gradient = problem.gradient
        if key is not None:
            rows = jax.random.randint(jax.random.fold_in(key, step), (learner.batch,), 0, len(problem.targets))
            gradient = partial(problem.gradient, rows=rows)
        return learner.advance(gradient, parameters, previous), parameters

    def anchored(age, state):
        moved, previous, anchor, slope = lax.cond(age % _REFRESH == 0, refresh, lambda state: state, state)
        return learner.advance(lambda d: slope + hessian @ d, moved, previous), moved, anchor, slope

    def refresh(state):
        moved, previous, (anchor, low), _ = state
        anchor, low = numerics.two_sum(anchor, hessian.out_of(moved) + low)
        slope = hessian.into(problem.gradient(anchor)) + hessian @ hessian.into(low)
        return jnp.zeros_like(moved), previous - moved, (anchor, low), slope

    def leap(carry, upto):
        done, state = carry
        if hessian is None:
            state = lax.fori_loop(done, upto, direct, state)
            return (upto, state), state[0]
        moved, _, (anchor, low), _ = state = lax.fori_loop(done, upto, anchored, state)
        return (upto, state), anchor + (hessian.out_of(moved) + low)

    zero = jnp.zeros_like(start)
    state = (start, start) if hessian is None else (zero, zero, (start, zero), zero)
    _, path = lax.scan(leap, (jnp.zeros((), saved.dtype), state), saved)
    return jnp.zeros_like(path).at[order].set(path).reshape(steps.shape + start.shape)


# What users hand us, checked once.


def check_learner(learner, max_eigenvalue=None):
    """Refuse what has no meaning and warn of what diverges, with a message that names the field."""
    for part in learner.parts():
        _check_fields(part)
        if not concrete(part):
            continue
        name, (*others, last) = type(part).__name__, _fields(part) or [None]
        for field in others:
            value = getattr(part, field)
            if value is not None and field != "key" and np.isnan(value):
                raise ValueError(f"{name}.{field} must be a number, got nan")
        if last is not None:
            _check_clock(name, last, getattr(part, last))
        step_size = getattr(part, "step_size", None)
        if step_size is None:
            continue
        if not step_size > 0:
            raise ValueError(f"{name}.step_size must be positive, got {step_size}; None means 1/λ_max")
        if max_eigenvalue is None or step_size < (bound := float(part.max_step_size(float(max_eigenvalue)))):
            continue
        if bound == 0.0 and not np.isinf(max_eigenvalue):
            warnings.warn(
                f"{name}.momentum is {float(part.momentum):.6g}, with which the loop diverges at every step size; take"
                " one above -1 and up to 1",
                stacklevel=3,
            )
        else:
            warnings.warn(
                f"{name}.step_size is {float(step_size):.6g}, past the bound {bound:.6g}"
                f" for λ_max = {max_eigenvalue:.6g}: the loop diverges",
                stacklevel=3,
            )


def _fields(part):
    """Those that hold arrays."""
    return [f.name for f in dataclasses.fields(part) if not f.metadata.get("static")]


def _check_fields(part):
    """Numbers, of which only the last may be an array: known from types and shapes, so also under JAX."""
    name, fields = type(part).__name__, _fields(part)
    for field in fields:
        value = getattr(part, field)
        if field == "key":
            as_key(value)
        elif value is not None or field != "step_size":
            shape = as_real(value, f"{name}.{field}").shape
            if shape and field != fields[-1]:
                raise ValueError(
                    f"{name}.{field} has shape {shape}, but only {name}.{fields[-1]} may be an array"
                    f"; sweep {field} with jax.vmap"
                )


def _check_clock(name, field, value):
    value = np.asarray(value)
    if value.ndim > 1:
        raise ValueError(f"{name}.{field} must be a number or one-dimensional, got shape {value.shape}")
    wrong = np.isnan(value) if field == "penalty" else ~(value >= 0)
    if wrong.any():
        raise ValueError(
            f"{name}.{field} must be {'a number' if field == 'penalty' else '>= 0'}, got {value[wrong].flat[0]}"
        )
