"""Checks for whoever adds a learner or a problem: whether its parts fit together, and else what is wrong and by how
much.

They return nothing where all is well, and raise an AssertionError in words otherwise. They are no proof: they look at a
few eigenvalues, on small problems.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import problems
from kdtheory._checks import as_key
from kdtheory._compilation import quick_options
from kdtheory.learners import Algorithm, Learner
from kdtheory.problems import Problem, SquaredLoss
from kdtheory.trajectories import closed_form

DRAWS = 64  # runs of a random learner, whose mean is what theory is about


def check_learner(
    learner: Learner | Callable,
    problem: Problem | None = None,
    *,
    clocks: Sequence = (1, 2, 5),
    tolerance: float = 1e-8,
) -> None:
    """Whether a learner is what it says: its two faces agree, and everything derived from them.

    `learner` is one, or a function that makes one of its clock-like field: it is then called with the array `clocks`
    and with each of them, and the path must be its points. `fit` and `filter` are compared on `problem`, or on a linear
    one with two outputs and a kernel, both of λ_max = 1, from zero and from another start. The shares must sum to one,
    residual and logs belong to the filter, `definition`, `stopped` and `rate` to it where they are given, and slopes by
    λ and by every real field be those of small differences. Of a learner with `fit` alone only that is checked; of one
    that draws at random, the mean over 64 runs.

    All to a relative `tolerance`. Raises AssertionError with what is wrong; ValueError for fields without meaning.

    >>> import kdtheory as kd
    >>> kd.testing.check_learner(kd.GradientFlow(2.0))
    >>> kd.testing.check_learner(kd.GradientFlow)                                        # a path of it, too
    >>> @kd.record
    ... class Hasty(kd.Learner):
    ...     penalty: float
    ...     def filter(self, eigenvalues):
    ...         return eigenvalues / (eigenvalues + self.penalty)
    ...     def fit(self, problem, start=None):
    ...         return kd.Ridge(1.1 * self.penalty).fit(problem, start)
    >>> kd.testing.check_learner(Hasty(0.5))
    Traceback (most recent call last):
    AssertionError: Hasty: fit and filter disagree on a linear problem, from zero, by ...
    """
    _check_tolerance(tolerance)
    if not (problem is None or isinstance(problem, Problem)):
        raise AssertionError(f"problem must be a kd.problems.Problem, got {type(problem).__name__}")
    if np.ndim(clocks) != 1 or not len(clocks):
        raise ValueError(f"clocks must be a list of numbers, one at least, such as (1, 2, 5); got {clocks!r}")
    made = None
    if not isinstance(learner, Learner):
        if not callable(learner):
            raise AssertionError(
                f"learner must be a kd.Learner, or a function that makes one of its clock-like field; got {learner!r}"
            )
        made = learner
        with _telling(f"of the clocks {clocks} no learner is made"):
            learner = made(np.asarray(clocks))
    name = type(learner).__name__
    if not isinstance(learner, Learner):
        raise AssertionError(f"what is made must be a kd.Learner, got {name}")
    if not dataclasses.is_dataclass(learner) or any(leaf is learner for leaf in jax.tree.leaves(learner)):
        raise AssertionError(f"{name} is no record, so JAX cannot look into it: write @kd.record above the class")
    if not isinstance(tuned := learner.tuned(1.0), Learner):
        raise AssertionError(f"{name}.tuned must return a learner, got {type(tuned).__name__}")
    clock = _clock(tuned, name)
    if made and clock.shape != (len(clocks),):
        raise AssertionError(f"{name}: made of {len(clocks)} clocks, its clock has shape {clock.shape}")
    grounds = _drawn() if problem is None else {f"the {type(problem).__name__} problem": problem}
    largest = float(next(iter(grounds.values())).max_eigenvalue())
    known = all(part.has_closed_form for part in (learner, *learner.parts()))
    if known:
        _theory(learner.tuned(largest), name, clock.shape, largest, tolerance)
    if all(part.has_algorithm for part in learner.parts()):
        for where, ground in grounds.items():
            _practice(learner.tuned(ground.max_eigenvalue()), name, where, ground, clock.shape, known, tolerance)
    points = [made(one) for one in clocks] if made else list(_points(learner, clock.shape))
    if points:
        _path(learner, name, points, grounds, known, tolerance)


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
    _check_tolerance(tolerance)
    if not isinstance(problem, Problem):
        raise AssertionError(f"problem must be a kd.problems.Problem, got {type(problem).__name__}")
    name = type(problem).__name__
    with _telling(f"{name}.zeros fails"):
        zeros = problem.zeros()
    if not isinstance(zeros, jax.Array | np.ndarray):
        raise AssertionError(f"{name}.zeros must be an array of the parameters' shape, got {type(zeros).__name__}")
    if np.any(np.asarray(zeros)):
        raise AssertionError(f"{name}.zeros are not zero: they reach {float(np.max(np.abs(zeros))):.3g}")
    random = np.random.default_rng(0)
    spots = [jnp.asarray(random.standard_normal(zeros.shape)) for _ in range(3)]
    with _telling(f"{name}.gradient fails at parameters of the shape {zeros.shape} of zeros"):
        for at in (zeros, *spots):
            _like(problem.gradient(at), zeros.shape, f"{name}.gradient", "the shape of the parameters")
    checks = {
        "its predictions": _predictions,
        "its loss": _slope,
        "gradients of batches, gradient(parameters, rows)": _batches,
        "what squared loss has": _squared,
        "its eigensystem": _directions,
        "relabel and taught": _targets,
    }
    for what, check in checks.items():
        with _telling(f"{name} fails where it is asked for {what}"):
            check(problem, name, spots, tolerance)


def _check_tolerance(tolerance):
    if isinstance(tolerance, bool) or not (isinstance(tolerance, int | float | np.number) and 0 < tolerance < math.inf):
        raise ValueError(f"tolerance must be a positive number, such as 1e-8; got {tolerance!r}")


@contextlib.contextmanager
def _telling(what: str, hint: str = "") -> Iterator[None]:
    """Say of what the author's code raises where that was."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise AssertionError(f"{what}: {type(error).__name__}: {first}{hint}") from error


# Learners.


def _drawn() -> dict[str, Problem]:
    """A linear problem with two outputs and a kernel, of λ_max = 1."""
    random, spectrum = np.random.default_rng(0), np.geomspace(1.0, 0.02, 5)
    table = problems.with_spectrum(0, spectrum, samples=12, signal=random.standard_normal((5, 2)), noise=0.3)
    u = np.linalg.qr(random.standard_normal((6, 6)))[0]
    gram = 6 * u * np.geomspace(1.0, 0.02, 6) @ u.T
    return {
        "a linear problem": table,
        "a kernel problem": problems.kernel((gram + gram.T) / 2, random.standard_normal(6)),
    }


def _clock(learner: Learner, name: str) -> np.ndarray:
    try:
        return np.asarray(learner.clock, float)
    except Exception as problem:
        raise AssertionError(
            f"{name}.clock is no number ({type(problem).__name__}: {problem}); write it as a property"
        ) from problem


def _theory(learner: Learner, name: str, path: tuple, largest: float, tolerance: float) -> None:
    """All that is derived from the filter."""
    eigenvalues = largest * np.geomspace(1.0, 1e-3, 9)
    faces = {}
    hint = "; write it with jax.numpy, for all eigenvalues (K,) at once"
    hint += ", and for a path with a leading axis, or for one moment with @kd.along_path above it" if path else ""
    for face in ("filter", "residual", "log_filter", "log_residual"):
        with _telling(f"{name}.{face} fails", hint):
            told = getattr(learner, face)(jnp.asarray(eigenvalues))
            if np.iscomplexobj(told):
                raise AssertionError(f"{name}.{face} is complex, and must be real: take its .real")
            faces[face] = np.asarray(told, float)
        _like(faces[face], (*path, 9), f"{name}.{face}", f"path axes {path} + eigenvalues (9,)", finite=False)
    learnt, residual = faces["filter"], faces["residual"]
    if np.isnan(learnt).any():
        bad = eigenvalues[np.argwhere(np.isnan(learnt))[0][-1]]
        raise AssertionError(f"{name}.filter is NaN at the eigenvalue {bad:.3g}")
    alone, one = np.asarray(learner.filter(jnp.full(9, eigenvalues[4]))), learnt[..., 4:5]
    room = tolerance * max(1.0, float(np.max(np.abs(one))))
    said = f"{name}.filter of an eigenvalue depends on those beside it"
    _agree(alone, np.broadcast_to(one, alone.shape), room, said)
    shares = learner.shares(jnp.asarray(eigenvalues))
    parts = [np.broadcast_to(part.value, learnt.shape) for part in (shares.learnt, shares.left, shares.lost)]
    size = max(1.0, float(np.max(np.abs(parts))))
    _agree(sum(parts), np.ones_like(learnt), tolerance * size, f"{name}: the three shares do not sum to one")
    _agree(residual, 1.0 - learnt, tolerance * size, f"{name}.residual is not 1 - filter")
    for log, face in (("log_filter", learnt), ("log_residual", residual)):
        seen = face > 1e-200
        wanted, got = np.log(np.where(seen, face, 1.0)), np.where(seen, faces[log], 0.0)
        room = tolerance * (1.0 + np.abs(wanted))
        _agree(got / room, wanted / room, 1.0, f"{name}.{log} is not the log of what it belongs to", unit=room)
    parts_of = (learner, *learner.parts())
    if not path and all(type(part).definition is not Learner.definition for part in parts_of):
        _definition(learner, name, eigenvalues, parts, tolerance * size)
    clock = np.asarray(learner.clock, float)
    if np.isfinite(clock).all() and (clock > 0).all():
        _stops(learner, name, eigenvalues, learnt, clock, tolerance * size)
    _slopes(learner, name, eigenvalues)


def _definition(learner, name, eigenvalues, parts, room):
    plain = jax.tree.map(lambda leaf: leaf.item() if _is_number(leaf) and hasattr(leaf, "item") else leaf, learner)
    with _telling(f"{name}.definition fails"):
        try:
            said = np.array([plain.by_definition(float(λ), math.exp) for λ in eigenvalues])
        except (NotImplementedError, ZeroDivisionError):
            return
    for which, wanted, got in (("learnt", parts[0], said[:, 0]), ("left", parts[1], said[:, 1])):
        _agree(got, wanted, room, f"{name}.definition and its filter disagree on what is {which}")


def _stops(learner, name, eigenvalues, learnt, clock, room):
    try:
        again = learner.stopped(jnp.asarray(clock))
    except TypeError:
        again = None  # it refuses
    if again is not None:
        _agree(again.clock, clock, room * (1 + np.max(clock)), f"{name}.stopped(clock) has another clock")
        _agree(again.filter(eigenvalues), learnt, room, f"{name}.stopped at its own clock has another filter")
    if type(learner).rate is not Learner.rate:
        try:
            depth = np.asarray(learner.rate(jnp.asarray(eigenvalues))) * clock[..., None]
        except TypeError:
            return  # it refuses
        seen = np.isfinite(depth)
        wanted = np.where(seen, learnt, 0.0)
        _agree(np.where(seen, -np.expm1(-depth), 0.0), wanted, room, f"{name}.rate · clock is not what the filter says")


def _slopes(learner, name, eigenvalues):
    """Slopes of the filter by the log of λ and of every real field, against small differences."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(learner)
    places = [
        place
        for place, (path, leaf) in enumerate(leaves)
        if _is_number(leaf, path=True)
        and np.issubdtype(np.asarray(leaf).dtype, np.floating)
        and np.all(np.isfinite(leaf) & (np.asarray(leaf) != 0))
        and not _is_key(path)
    ]

    def scaled(scales):
        """The filter where λ and the fields are multiplied by so much."""
        changed = [leaf for _, leaf in leaves]
        for place, scale in zip(places, scales[1:], strict=True):
            changed[place] = jnp.asarray(changed[place]) * scale
        return jax.tree_util.tree_unflatten(structure, changed).filter(jnp.asarray(eigenvalues) * scales[0])

    count = 1 + len(places)
    try:
        slopes = np.asarray(jax.jit(jax.jacfwd(scaled), compiler_options=quick_options())(jnp.ones(count)))
        around = 1.0 + np.array([1e-5, -1e-5, 2e-5, -2e-5])[:, None, None] * np.eye(count)
        right, left, further_right, further_left = np.asarray(
            jax.jit(jax.vmap(jax.vmap(scaled)), compiler_options=quick_options())(around)
        )
    except Exception as problem:
        raise AssertionError(
            f"{name}.filter cannot be differentiated ({type(problem).__name__}: {problem}); write it with jax.numpy"
        ) from problem
    fine, coarse = (right - left) / 2e-5, (further_right - further_left) / 4e-5
    by = ["eigenvalue", *(jax.tree_util.keystr(leaves[place][0]).lstrip(".") for place in places)]
    for which, one in enumerate(by):
        seen = np.isfinite(fine[which]) & np.isfinite(coarse[which])
        wanted, unsure = np.where(seen, fine[which], 0.0), np.where(seen, fine[which] - coarse[which], 0.0)
        room = 1e-6 * (1.0 + np.abs(wanted)) + 4 * np.abs(unsure)
        said = f"{name}: the slope of filter by the log of {one} is not that of small differences"
        _agree(np.where(seen, slopes[..., which], 0.0) / room, wanted / room, 1.0, said, unit=room)


def _practice(learner, name, where, problem, path, known, tolerance):
    """The algorithm, from zero and from another start, against theory where there is one."""
    zeros, eigensystem = problem.zeros(), None
    if known:
        eigensystem = problem.eigensystem()
    warm = 0.5 * jnp.asarray(np.random.default_rng(1).standard_normal(zeros.shape))
    random = any(_is_key(place) for place, _ in jax.tree_util.tree_flatten_with_path(learner)[0])
    for begun, start in (("from zero", None), ("from another start", warm)):
        at = f"on {where}, {begun}"
        try:
            fits = [each.fit(problem, start) for each in (_keyed(learner, DRAWS) if random else [learner])]
        except Exception as problem_met:
            raise AssertionError(f"{name}.fit fails {at}: {type(problem_met).__name__}: {problem_met}") from problem_met
        for fit in fits:
            _like(fit, (*path, *zeros.shape), f"{name}.fit {at}", f"path axes {path} + parameters {zeros.shape}")
        if not known:
            continue
        seen = np.stack([eigensystem.of_parameters(fit) for fit in fits])
        wanted = np.asarray(closed_form(learner, eigensystem, start=start).coordinates)
        size = max(float(np.linalg.norm(eigensystem.target)), float(np.max(np.abs(wanted))))
        scatter = 6.0 * seen.std(axis=0, ddof=1) / math.sqrt(DRAWS) if random else 0.0
        room = tolerance * size + scatter
        got = seen.mean(axis=0)
        _agree(got / room, wanted / room, 1.0, f"{name}: fit and filter disagree {at}", unit=room)
    zero = np.asarray(learner.fit(problem, zeros))
    with _telling(f"{name}.fit fails on {where}, without a start", "; write `start=None`"):
        cold = np.asarray(learner.fit(problem))
    room = tolerance * max(1.0, float(np.max(np.abs(zero))))
    _agree(cold, zero, room, f"{name}.fit without a start is not that from zero on {where}")


def _path(learner, name, points, grounds, known, tolerance):
    """A path is its points."""
    clocks = np.asarray(learner.tuned(1.0).clock, float)
    ended = np.stack([np.asarray(point.tuned(1.0).clock, float) for point in points])
    _agree(ended, clocks, tolerance * (1 + np.max(np.abs(clocks))), f"{name}: the clock of a path is not its points'")
    λ = jnp.asarray(np.geomspace(1.0, 1e-3, 9))
    if known:
        whole = np.asarray(learner.tuned(1.0).filter(λ))
        each = np.stack([np.asarray(point.tuned(1.0).filter(λ)) for point in points])
        room = tolerance * max(1.0, float(np.max(np.abs(whole))))
        _agree(each, whole, room, f"{name}.filter of a path is not its points'")
    if all(part.has_algorithm for part in learner.parts()):
        for where, problem in grounds.items():
            whole = np.asarray(learner.fit(problem))
            each = np.stack([np.asarray(point.fit(problem)) for point in points])
            room = tolerance * max(1.0, float(np.max(np.abs(whole))))
            _agree(each, whole, room, f"{name}.fit of a path is not its points' on {where}")


def _points(learner: Learner, path: tuple) -> Iterator[Learner]:
    """A path's learners, one for each of its moments; none of an algorithm that makes the whole path in one run."""
    if path and not any(isinstance(part, Algorithm) for part in learner.parts()):
        listed = lambda leaf: isinstance(leaf, list | tuple)
        leaves, structure = jax.tree_util.tree_flatten_with_path(learner, is_leaf=listed)
        whole = {field for part in (learner, *learner.parts()) for field in part.vectors}
        split = lambda at, leaf: np.ndim(leaf) == 1 and not _is_key(at) and at[-1].name not in whole
        for moment in range(path[0]):
            taken = [np.asarray(leaf)[moment] if split(at, leaf) else leaf for at, leaf in leaves]
            yield jax.tree_util.tree_unflatten(structure, taken)


def _keyed(learner: Learner, draws: int) -> Iterator[Learner]:
    """The same learner with so many other keys, all of which differ."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(learner)
    for draw in range(draws):
        changed = [
            jax.random.fold_in(as_key(leaf), draw * len(leaves) + place) if _is_key(at) else leaf
            for place, (at, leaf) in enumerate(leaves)
        ]
        yield jax.tree_util.tree_unflatten(structure, changed)


def _is_key(path: tuple) -> bool:
    return bool(path) and path[-1] == jax.tree_util.GetAttrKey("key")


def _is_number(leaf: Any, path: bool = False) -> bool:
    """Whether a leaf is a number, or a path of them."""
    array = isinstance(leaf, np.ndarray | np.generic | jax.Array) and jnp.issubdtype(leaf.dtype, np.number)
    return (array or isinstance(leaf, int | float)) and np.ndim(leaf) <= path


# Problems.


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
        _like(first, wanted, f"{name}.predict", "the shape of the targets")
    stacked = np.asarray(problem.predict(jnp.stack(spots)))
    each = np.stack([np.asarray(problem.predict(at)) for at in spots])
    room = tolerance * float(np.max(np.abs(each)) + 1.0)
    _agree(stacked, each, room, f"{name}.predict of a path is not that of its points")


def _slope(problem, name, spots, tolerance):
    """The gradient is the slope of the loss, in the parameters or in function space."""
    size = _asked(problem, "loss", spots[0])
    if size is None:
        return
    _like(size, (), f"{name}.loss", "a number")
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
    _agree(mean, whole, room, f"{name}.gradient over `rows` is not the mean over those rows")
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
    _agree(slope(0.3 * first + 0.7 * second), mixed, tolerance * size, said)
    normal = _asked(problem, "normal_equations")
    if normal is not None:
        matrix, vector = map(np.asarray, normal)
        for at in spots:
            said = f"{name}.normal_equations are not those of its gradient: Hw - b differs"
            _agree(matrix @ np.asarray(at) - vector, slope(at), tolerance * size, said)
        solution = jnp.asarray(np.linalg.lstsq(matrix, vector, rcond=None)[0])
        room = max(tolerance, 1e-9) * size * (1.0 + float(np.max(np.abs(solution))))
        _agree(slope(solution), 0.0 * vector, room, f"{name}.gradient does not vanish where Hw = b")
    largest = _asked(problem, "max_eigenvalue")
    penalty = 0.1 if largest is None else 0.1 * float(largest)
    own = problem.ridge(jnp.asarray(penalty), start)
    if own is not None:
        pull = penalty * np.asarray(own - start)
        _agree(slope(own), -pull, tolerance * size, f"{name}.ridge is not where gradient + penalty · (w - start) = 0")
    if problem.is_table and largest is not None:
        small, lift = problem.reduced(start)
        w, z, step = start, small.zeros(), 1.0 / float(largest)
        for _ in range(3):
            w, z = w - step * problem.gradient(w), z - step * small.gradient(z)
        room = tolerance * (1.0 + float(np.max(np.abs(w))))
        _agree(
            lift(z), w, room, f"{name}.reduced is another problem: three steps of descent on it, lifted back, differ"
        )


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
    _agree(basis.T @ basis, np.eye(len(λ)), tolerance, said)
    largest = _asked(problem, "max_eigenvalue")
    if largest is not None:
        said = f"{name}.max_eigenvalue is not the largest of its eigensystem"
        _agree(largest, λ[0], 1e-6 * λ[0], said)
    scale = np.sqrt(len(basis) * λ)
    tall = lambda array, other: array.reshape(-1, *[1] * (np.ndim(other) - 1))  # down the first axis
    base = np.asarray(problem.predict(problem.zeros()))
    for at in spots:
        coordinates = np.asarray(system.of_parameters(at))
        seen = basis.T @ (np.asarray(problem.predict(at)) - base)
        wanted = tall(scale, seen) * coordinates
        room = tolerance * (1e-300 + float(np.max(np.abs(seen))))
        said = f"{name}.eigensystem reads parameters as other than their predictions, u·f = √(Nλ) · coordinate"
        _agree(seen, wanted, room, said)
        written = np.asarray(system.of_parameters(system.parameters(coordinates)))
        room = tolerance * (1e-300 + float(np.max(np.abs(coordinates))))
        _agree(written, coordinates, room, f"{name}.eigensystem does not read back what it writes")
    if isinstance(problem, SquaredLoss):
        target = np.asarray(system.target)
        wanted = np.asarray(system.of_predictions(problem.targets))
        room = tolerance * float(np.max(np.abs(wanted)) + 1e-300)
        _agree(target, wanted, room, f"{name}.eigensystem: its target is not that of the targets")
        for at in spots:
            slope = np.asarray(system.of_parameters(problem.gradient(at)))
            wanted = tall(λ, target) * (np.asarray(system.of_parameters(at)) - target)
            room = tolerance * float(np.max(np.abs(wanted)) + 1e-300)
            said = f"{name}.gradient along the eigendirections is not λ · (coordinate - target)"
            _agree(slope, wanted, room, said)


def _targets(problem, name, spots, tolerance):
    """`relabel` and `taught` change the targets, and nothing else."""
    at, teacher = spots[0], spots[1]
    own = np.asarray(problem.gradient(at))
    room = tolerance * float(np.max(np.abs(own)) + 1.0)
    if isinstance(problem, SquaredLoss):
        same = _asked(problem, "relabel", problem.targets)
        if same is not None:
            said = f"{name}.relabel with its own targets has another gradient"
            _agree(same.gradient(at), own, room, said)
            other = problem.relabel(problem.targets + 1.0)
            said = f"{name}.relabel does not take the targets that it is given"
            _agree(other.targets, problem.targets + 1.0, room, said)
            moved = np.asarray(other.predict(at))
            _agree(moved, problem.predict(at), room, f"{name}.relabel changes predictions")
    predictions = _asked(problem, "predict", teacher)
    if predictions is None or _asked(problem, "taught", predictions) is None:
        return
    alone, whole, half = (np.asarray(problem.taught(predictions, weight).gradient(at)) for weight in (0.0, 1.0, 0.5))
    _agree(alone, own, room, f"{name}.taught with teacher_weight=0 has another gradient than the problem itself")
    said = f"{name}.taught with teacher_weight=½ is not half-way between the targets and the teacher"
    _agree(half, (alone + whole) / 2, room, said)
    said = f"{name}.taught with teacher_weight=1 does not vanish at the teacher itself"
    _agree(problem.taught(predictions, 1.0).gradient(teacher), 0.0 * own, room, said)


# How they say it.


def _like(array: Any, shape: tuple, who: str, what: str, finite: bool = True) -> None:
    """Refuse another shape, and numbers that are not finite."""
    if np.shape(array) != tuple(shape):
        raise AssertionError(f"{who} must have the shape {tuple(shape)}, {what}; got {np.shape(array)}")
    if finite and not np.isfinite(np.asarray(array)).all():
        raise AssertionError(f"{who} is not finite in {int(np.sum(~np.isfinite(np.asarray(array))))} entries")


def _agree(got: Any, wanted: Any, room: float, said: str, unit: Any = 1.0) -> None:
    """Refuse what differs by more than the room, in the given unit; the message names the worst place."""
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    if got.shape != wanted.shape:
        raise AssertionError(f"{said}: shapes are {got.shape} and {wanted.shape}")
    off = np.abs(got - wanted)
    off = np.where(np.isnan(off), np.where(np.isnan(got) & np.isnan(wanted), 0.0, np.inf), off)
    off = np.where((got == wanted), 0.0, off)
    if off.size and np.max(off) > room:
        at = np.unravel_index(np.argmax(off), off.shape)
        u = float(np.broadcast_to(unit, off.shape)[at])
        raise AssertionError(
            f"{said}, by {off[at] * u:.3g}, where {room * u:.3g} is allowed: {got[at] * u:.6g} instead of"
            f" {wanted[at] * u:.6g}, at place {tuple(map(int, at))}"
        )
