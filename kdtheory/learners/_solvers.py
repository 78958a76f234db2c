"""How learners run on data: solves, exponentials and loops."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory import numerics
from kdtheory._checks import as_array, concrete
from kdtheory._compilation import quickly
from kdtheory._record import record


def finite_clock(clock, field, in_theory="; filter and closed_form take an infinite one"):
    """A clock to run to, as an array. Theory knows what happens at infinity, an algorithm never gets
    there."""
    if concrete(clock) and not np.all(np.isfinite(clock)):
        raise ValueError(f"{field} must be finite for a fit, got {clock}{in_theory}")
    return as_array(clock)


def whole_steps(learner):
    """The steps of a loop, for whose filter they need not be whole if it is a plain power."""
    steps, power = learner.steps, not (learner.scheduled or hasattr(learner, "momentum"))
    steps = finite_clock(steps, "steps") if power else finite_clock(steps, "steps", "")
    if concrete(steps):
        host = np.asarray(steps)
        if not np.all(host == np.round(host)):
            in_theory = "; filter takes real ones" if power else ""
            raise ValueError(f"steps must be whole numbers for a loop, got {steps}{in_theory}")
        return as_array(host.astype(int))
    return jnp.where(_is_whole(steps), steps, 0).astype(int)


def _is_whole(steps):
    return numerics.is_step(steps, 2.0**48)


def if_whole(steps, fits, most=np.inf):
    """What was fitted, and NaN for steps that are traced, hence were not looked at, and turn out not to be whole, or
    above the most that a schedule has."""
    if concrete(steps):
        return fits
    whole = _is_whole(jnp.asarray(steps)) & (jnp.asarray(steps) <= most)
    return jnp.where(whole.reshape(whole.shape + (1,) * (fits.ndim - whole.ndim)), fits, jnp.nan)


def is_wide(problem):
    """More parameters than samples, so that the normal equations are needlessly large."""
    return problem.is_table and problem.features.shape[1] > len(problem.features)


def what_pays(problem, steps):
    """Whether to reduce a table to a square one, and whether to make the Hessian tridiagonal, which costs a step no
    product: what takes the fewest multiplications over the whole run."""
    if problem.lacks or not concrete((problem, steps)):
        return False, False
    outputs, longest = int(np.prod(problem.targets.shape[1:])), float(np.max(np.asarray(steps), initial=0))
    if not problem.is_table:
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


BRIEF = 1e8  # multiplications of a run that is over before a better program would be made


def brief(compiled, work):
    """A compiled run, by a program that takes a quarter of a second less to make where there is little work to do.

    The other runs up to six times as fast.
    """
    return partial(quickly, compiled, often=not concrete(work) or work > BRIEF)


def run_in_small(problem, start, run, clock, *, reduce):
    """Run on an equivalent small problem where that pays, and lift the answer back."""
    if reduce and concrete((problem, start)):
        small, lift = problem.reduced(start)
        return lift(run(small, small.zeros(), clock))
    return run(problem, start, clock)


def run_ridge(problem, start, penalty):
    """Ridge for each penalty: normal equations, or what does not square the matrix where they would be singular."""
    is_table = problem.is_table
    matrix = problem.features if is_table else problem.gram
    solve = brief(_solve, len(matrix) ** 2 * np.size(penalty))
    if not concrete((matrix, penalty)):
        return solve(problem, start, penalty)
    matrix, penalties = np.asarray(matrix), np.asarray(penalty)
    # in XᵀX/N a null direction is off by eps of the trace, of which this is enough; in K/N all below is rounding
    trace = np.sum(matrix**2) if is_table else np.trace(matrix)
    known = concrete((problem, start))
    least = (1e-8 if is_table else float(np.finfo(matrix.dtype).eps)) * trace / len(matrix) if known else 0.0
    little = (penalties == 0) | ((penalties > 0) & (penalties < least))
    if not little.any():
        return solve(problem, start, penalty)
    exactly = lambda c: _least_squares(problem, start, matrix, c if is_table else 0.0)
    flat = zip(penalties.ravel(), little.ravel(), strict=True)
    fits = [exactly(c) if by_qr else solve(problem, start, as_array(c)) for c, by_qr in flat]
    return jnp.stack(fits).reshape(penalties.shape + start.shape)


def _least_squares(problem, start, matrix, penalty):
    """start + the least of all d that minimise |y - X(start + d)|² + Nc|d|², by QR decompositions with pivots.

    Directions below rounding are cut, as in the eigensystem: of a null direction only rounding is known.
    """
    from scipy.linalg import lstsq

    samples, seen = len(matrix), _row_space(matrix)
    rank = seen.shape[1]
    if rank == 0:
        return start
    system = np.vstack([matrix @ seen, np.sqrt(samples * penalty) * np.eye(rank)]).astype(matrix.dtype)
    inverse, *_ = lstsq(system, np.eye(len(system), samples, dtype=matrix.dtype), lapack_driver="gelsy")
    return start + as_array(seen @ inverse) @ (problem.targets - problem.predict(start))


def _row_space(matrix):
    """An orthonormal basis (P, rank) of what the rows span, by QR decompositions with pivots."""
    from scipy.linalg import qr

    upper, pivots = qr(matrix, mode="r", pivoting=True)
    sizes = np.abs(np.diag(upper))
    rank = int(np.sum(sizes > max(matrix.shape) * np.finfo(matrix.dtype).eps * sizes[0]))
    rows = np.zeros((rank, matrix.shape[1]), matrix.dtype)
    rows[:, pivots] = upper[:rank]
    return qr(rows.T, mode="economic")[0] if rank else rows.T


LONG = 1e4  # in units of 1/trace, the time from which the rounding of XᵀX along null directions, ±eps, is felt


def run_in_row_space(run, problem, start, time):
    """A run on a table for a long time, on what its rows span: exponentials of a null direction's rounding grow."""
    if not (problem.is_table and concrete((problem, start, time))):
        return run(problem, start, time)
    features, longest = np.asarray(problem.features), np.max(np.asarray(time), initial=0.0)
    if not longest * np.sum(features**2) / len(features) > LONG:
        return run(problem, start, time)
    seen = _row_space(features)
    if seen.shape[1] in (0, features.shape[1]):
        return run(problem, start, time)
    inside, targets = as_array(features @ seen), problem.targets - problem.predict(start)
    small = dataclasses.replace(problem, features=inside, targets=targets)
    moved = np.asarray(run(small, small.zeros(), time))
    return as_array(np.asarray(start) + (moved @ seen.T if start.ndim == 1 else seen @ moved))


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
def run_flow(problem, start, time):
    """The flow w' = -(Hw - b) at each time, by scaling and squaring of e^(-hH).

    A time is n·h + remainder with h = 1/2|H|. The remainder is a Taylor series on vectors; the binary digits
    of n compose maps d → d_h + E_h d, which add terms of one sign and so do not cancel.
    """
    matrix, vector = problem.normal_equations()
    times = jnp.atleast_1d(time).astype(vector.dtype)
    times = jnp.where((times >= 0) & jnp.isfinite(times), times, jnp.nan)
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

    def more_terms(n, state):
        moved, whole, power, reached, exponential, term = state
        power, reached, term = power / n, reached * fractions, scaled @ term / n
        moved, whole, exponential = moved + column(reached) * power, whole + power, exponential + term
        return moved, whole, scaled @ power, reached, exponential, term

    one, nowhere = jnp.eye(len(matrix), dtype=matrix.dtype), jnp.zeros(times.shape + pull.shape, vector.dtype)
    series = nowhere, jnp.zeros_like(pull), unit * pull, jnp.ones_like(fractions), one, one
    # |h H| <= 1/2: 0.5^17/17! is below rounding
    moved, whole, _, _, exponential, _ = lax.fori_loop(1, 17, more_terms, series)

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
def run_dense(problem):
    return _Dense(problem.normal_equations()[0])


@jax.jit
def run_tridiagonal(problem):
    matrix = problem.normal_equations()[0]
    reflections, diagonal, beside, scales = lax.linalg.tridiagonal(matrix)
    inner = lax.linalg.householder_product(reflections[1:, :-1], scales)
    return _Tridiagonal(jnp.eye(len(matrix), dtype=matrix.dtype).at[1:, 1:].set(inner), diagonal, beside)


@jax.jit
def run_descent(learner, problem, start, steps, hessian=None, key=None):
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
        return learner.at(step).advance(gradient, parameters, previous), parameters

    def anchored(age, state):
        moved, previous, anchor, slope = lax.cond(age % _REFRESH == 0, refresh, lambda state: state, state)
        moved_on = learner.at(age).advance(lambda d: slope + hessian @ d, moved, previous)
        return moved_on, moved, anchor, slope

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
