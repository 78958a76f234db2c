"""Whether a problem is what it says."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.problems import Problem, SquaredLoss
from kdtheory.testing._saying import agree, alike, check_tolerance, telling


def check_problem(problem: Problem, *, tolerance: float = 1e-7) -> None:
    """Whether a problem is what it says: its gradient, its loss, its predictions and its eigensystem fit together.

    The gradient must be the slope of the loss, in the parameters or, of a kernel, in function space; mini-batches must
    have it as their mean; and with squared loss it must be affine, that of the normal equations, and λ(c - target)
    along the eigendirections. The eigensystem must read predictions, `relabel` and `taught` change the targets only.
    What a problem refuses, as `Problem` does, is not asked for. For small problems in float64.

    All to a relative `tolerance`. Raises AssertionError with what is wrong.

    >>> import kdtheory as kd
    >>> kd.testing.check_problem(kd.problems.gaussian(0, [1.0, 0.5], samples=6, noise=0.1))
    >>> class Doubled(kd.problems.Linear):
    ...     def gradient(self, parameters, rows=slice(None)):
    ...         return 2.0 * super().gradient(parameters, rows)
    >>> kd.testing.check_problem(kd.record(Doubled)(jnp.eye(3), jnp.ones(3)))
    Traceback (most recent call last):
    AssertionError: Doubled.gradient is not the slope of loss: along a random direction the loss rises by 0.128234 ...
    """
    check_tolerance(tolerance)
    if not isinstance(problem, Problem):
        raise AssertionError(f"problem must be a kd.problems.Problem, got {type(problem).__name__}")
    name = type(problem).__name__
    with telling(f"{name}.zeros fails"):
        zeros = problem.zeros()
    if not isinstance(zeros, jax.Array | np.ndarray):
        raise AssertionError(f"{name}.zeros must be an array of the parameters' shape, got {type(zeros).__name__}")
    if np.any(np.asarray(zeros)):
        raise AssertionError(f"{name}.zeros are not zero: they reach {float(np.max(np.abs(zeros))):.3g}")
    random = np.random.default_rng(0)
    spots = [jnp.asarray(random.standard_normal(zeros.shape)) for _ in range(3)]
    with telling(f"{name}.gradient fails at parameters of the shape {zeros.shape} of zeros"):
        for at in (zeros, *spots):
            alike(problem.gradient(at), zeros.shape, f"{name}.gradient", "the shape of the parameters")
    checks = {
        "its predictions": _predictions,
        "its loss": _slope,
        "gradients of batches, gradient(parameters, rows)": _batches,
        "what squared loss has": _squared,
        "its eigensystem": _directions,
        "relabel and taught": _targets,
    }
    for what, check in checks.items():
        with telling(f"{name} fails where it is asked for {what}"):
            check(problem, name, spots, tolerance)


def _asked(problem: Problem, member: str, *arguments: Any) -> Any:
    """What a member says, and None where the problem refuses."""
    try:
        said = getattr(problem, member)(*arguments)
    except TypeError as refused:
        if str(refused).startswith(f"{type(problem).__name__} has no "):
            return None
        raise
    if said is None:
        raise AssertionError(f"{type(problem).__name__}.{member} returns None: is there a `return`?")
    return said


def _predictions(problem, name, spots, tolerance):
    first = _asked(problem, "predict", spots[0])
    if first is None:
        return
    if isinstance(problem, SquaredLoss):
        wanted = problem.targets.shape
        alike(first, wanted, f"{name}.predict", "the shape of the targets")
    stacked = np.asarray(problem.predict(jnp.stack(spots)))
    each = np.stack([np.asarray(problem.predict(at)) for at in spots])
    room = tolerance * float(np.max(np.abs(each)) + 1.0)
    agree(stacked, each, room, f"{name}.predict of a path is not that of its points")


def _slope(problem, name, spots, tolerance):
    """The gradient is the slope of the loss, in the parameters or in function space."""
    size = _asked(problem, "loss", spots[0])
    if size is None:
        return
    alike(size, (), f"{name}.loss", "a number")
    there = spots[1]
    base = np.asarray(problem.predict(problem.zeros()))
    reach = np.asarray(problem.predict(there)) - base
    rises, slopes = [], {"parameters": [], "function space": []}
    for at in (spots[0], spots[2]):
        risen = [float(problem.loss(at + h * there) - problem.loss(at - h * there)) / (2 * h) for h in (1e-4, 2e-4)]
        rounding = float(np.abs(size)) * np.finfo(float).eps / 1e-4
        rises.append((risen[0], abs(risen[0] - risen[1]) + rounding))
        gradient = np.asarray(problem.gradient(at))
        slopes["parameters"].append(float(np.vdot(gradient, there)))
        dual = gradient.shape == reach.shape
        slopes["function space"].append(float(np.vdot(gradient, reach)) if dual else math.nan)
    risen, unsure = np.transpose(rises)
    room = max(tolerance, 1e-7) * np.max(np.abs(risen)) + 4 * unsure
    if any(np.all(np.abs(said - risen) <= room) for said in map(np.asarray, slopes.values())):
        return
    dual = slopes["function space"][0]
    raise AssertionError(
        f"{name}.gradient is not the slope of loss: along a random direction the loss rises by {risen[0]:.6g} and"
        f" the gradient by {slopes['parameters'][0]:.6g}"
        + ("" if math.isnan(dual) else f", or by {dual:.6g} in function space")
    )


def _batches(problem, name, spots, tolerance):
    """`rows` picks a batch, whose gradient is a mean over it."""
    at = spots[0]
    predictions = _asked(problem, "predict", at)
    if predictions is None or len(predictions) < 3:
        return
    samples, whole = len(predictions), np.asarray(problem.gradient(at))
    room = tolerance * float(np.max(np.abs(whole)) + 1e-300)
    parts = jnp.arange(2), jnp.arange(2, samples)
    mean = sum(len(rows) * np.asarray(problem.gradient(at, rows)) for rows in parts) / samples
    agree(mean, whole, room, f"{name}.gradient over `rows` is not the mean over those rows")
    unlike = np.any(np.ptp(np.asarray(predictions), axis=0) > 0)
    if unlike and np.all(np.abs(np.asarray(problem.gradient(at, parts[0])) - whole) <= room):
        raise AssertionError(f"{name}.gradient does not heed `rows`: over two of {samples} rows it is that over all")


def _squared(problem, name, spots, tolerance):
    """With squared loss the gradient is Hw - b."""
    if not isinstance(problem, SquaredLoss):
        return
    first, second, start = spots
    slope = lambda at: np.asarray(problem.gradient(at))
    size = float(np.max(np.abs([slope(at) for at in spots])))
    mixed = 0.3 * slope(first) + 0.7 * slope(second)
    said = f"{name}.gradient is not affine in the parameters, as that of squared loss is"
    agree(slope(0.3 * first + 0.7 * second), mixed, tolerance * size, said)
    normal = _asked(problem, "normal_equations")
    if normal is not None:
        matrix, vector = map(np.asarray, normal)
        for at in spots:
            said = f"{name}.normal_equations are not those of its gradient: Hw - b differs"
            agree(matrix @ np.asarray(at) - vector, slope(at), tolerance * size, said)
        solution = jnp.asarray(np.linalg.lstsq(matrix, vector, rcond=None)[0])
        room = max(tolerance, 1e-9) * size * (1.0 + float(np.max(np.abs(solution))))
        wanted = matrix @ np.asarray(solution) - vector  # zero, unless b is outside of the range of H
        agree(slope(solution), wanted, room, f"{name}.gradient does not vanish where Hw = b")
    largest = _asked(problem, "max_eigenvalue")
    penalty = 0.1 if largest is None else 0.1 * float(largest)
    own = problem.ridge(jnp.asarray(penalty), start)
    if own is not None:
        pull = penalty * np.asarray(own - start)
        agree(slope(own), -pull, tolerance * size, f"{name}.ridge is not where gradient + penalty · (w - start) = 0")
    if problem.is_table and largest is not None:
        small, lift = problem.reduced(start)
        w, z, step = start, small.zeros(), 1.0 / float(largest)
        for _ in range(3):
            w, z = w - step * problem.gradient(w), z - step * small.gradient(z)
        room = tolerance * (1.0 + float(np.max(np.abs(w))))
        agree(lift(z), w, room, f"{name}.reduced is another problem: three steps of descent on it, lifted back, differ")


def _directions(problem, name, spots, tolerance):
    """The eigensystem reads parameters and predictions alike."""
    system = _asked(problem, "eigensystem")
    if system is None:
        return
    λ, basis = np.asarray(system.eigenvalues), np.asarray(system.samples_basis)
    if not (np.all(λ > 0) and np.all(np.diff(λ) <= 0)):
        raise AssertionError(f"{name}.eigensystem: eigenvalues must be positive and descend, got {λ.tolist()}")
    if np.any((np.diff(np.asarray(system.spaces)) == 0) & (-np.diff(λ) > 1e-6 * λ[0])):
        raise AssertionError(f"{name}.eigensystem: `spaces` has one number for eigenvalues that clearly differ")
    said = f"{name}.eigensystem: the samples' basis is not orthonormal"
    agree(basis.T @ basis, np.eye(len(λ)), tolerance, said)
    largest = _asked(problem, "max_eigenvalue")
    if largest is not None:
        said = f"{name}.max_eigenvalue is not the largest of its eigensystem"
        agree(largest, λ[0], 1e-6 * λ[0], said)
    scale = np.sqrt(len(basis) * λ)
    tall = lambda array, other: array.reshape(-1, *[1] * (np.ndim(other) - 1))  # down the first axis
    base = np.asarray(problem.predict(problem.zeros()))
    for at in spots:
        coordinates = np.asarray(system.of_parameters(at))
        seen = basis.T @ (np.asarray(problem.predict(at)) - base)
        wanted = tall(scale, seen) * coordinates
        room = tolerance * (1e-300 + float(np.max(np.abs(seen))))
        said = f"{name}.eigensystem reads parameters as other than their predictions, u·f = √(Nλ) · coordinate"
        agree(seen, wanted, room, said)
        written = np.asarray(system.of_parameters(system.parameters(coordinates)))
        room = tolerance * (1e-300 + float(np.max(np.abs(coordinates))))
        agree(written, coordinates, room, f"{name}.eigensystem does not read back what it writes")
    if isinstance(problem, SquaredLoss):
        target = np.asarray(system.target)
        wanted = np.asarray(system.of_predictions(problem.targets))
        room = tolerance * float(np.max(np.abs(wanted)) + 1e-300)
        agree(target, wanted, room, f"{name}.eigensystem: its target is not that of the targets")
        for at in spots:
            slope = np.asarray(system.of_parameters(problem.gradient(at)))
            wanted = tall(λ, target) * (np.asarray(system.of_parameters(at)) - target)
            room = tolerance * float(np.max(np.abs(wanted)) + 1e-300)
            said = f"{name}.gradient along the eigendirections is not λ · (coordinate - target)"
            agree(slope, wanted, room, said)


def _targets(problem, name, spots, tolerance):
    """`relabel` and `taught` change the targets, and nothing else."""
    at, teacher = spots[0], spots[1]
    own = np.asarray(problem.gradient(at))
    room = tolerance * float(np.max(np.abs(own)) + 1.0)
    if isinstance(problem, SquaredLoss):
        same = _asked(problem, "relabel", problem.targets)
        if same is not None:
            said = f"{name}.relabel with its own targets has another gradient"
            agree(same.gradient(at), own, room, said)
            other = problem.relabel(problem.targets + 1.0)
            said = f"{name}.relabel does not take the targets that it is given"
            agree(other.targets, problem.targets + 1.0, room, said)
            moved = np.asarray(other.predict(at))
            agree(moved, problem.predict(at), room, f"{name}.relabel changes predictions")
    predictions = _asked(problem, "predict", teacher)
    if predictions is None or _asked(problem, "taught", predictions) is None:
        return
    alone, whole, half = (np.asarray(problem.taught(predictions, weight).gradient(at)) for weight in (0.0, 1.0, 0.5))
    agree(alone, own, room, f"{name}.taught with teacher_weight=0 has another gradient than the problem itself")
    said = f"{name}.taught with teacher_weight=½ is not half-way between the targets and the teacher"
    agree(half, (alone + whole) / 2, room, said)
    said = f"{name}.taught with teacher_weight=1 does not vanish at the teacher itself"
    agree(problem.taught(predictions, 1.0).gradient(teacher), 0.0 * own, room, said)
