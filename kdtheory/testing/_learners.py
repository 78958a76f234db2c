"""Whether a learner is what it says."""

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
from kdtheory.problems import Problem
from kdtheory.testing._saying import agree, alike, check_tolerance, telling
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
    check_tolerance(tolerance)
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
        with telling(f"of the clocks {clocks} no learner is made"):
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
        with telling(f"{name}.{face} fails", hint):
            told = getattr(learner, face)(jnp.asarray(eigenvalues))
            if np.iscomplexobj(told):
                raise AssertionError(f"{name}.{face} is complex, and must be real: take its .real")
            faces[face] = np.asarray(told, float)
        alike(faces[face], (*path, 9), f"{name}.{face}", f"path axes {path} + eigenvalues (9,)", finite=False)
    learnt, residual = faces["filter"], faces["residual"]
    if np.isnan(learnt).any():
        bad = eigenvalues[np.argwhere(np.isnan(learnt))[0][-1]]
        raise AssertionError(f"{name}.filter is NaN at the eigenvalue {bad:.3g}")
    alone, one = np.asarray(learner.filter(jnp.full(9, eigenvalues[4]))), learnt[..., 4:5]
    room = tolerance * max(1.0, float(np.max(np.abs(one))))
    said = f"{name}.filter of an eigenvalue depends on those beside it"
    agree(alone, np.broadcast_to(one, alone.shape), room, said)
    shares = learner.shares(jnp.asarray(eigenvalues))
    parts = [np.broadcast_to(part.value, learnt.shape) for part in (shares.learnt, shares.left, shares.lost)]
    size = max(1.0, float(np.max(np.abs(parts))))
    agree(sum(parts), np.ones_like(learnt), tolerance * size, f"{name}: the three shares do not sum to one")
    agree(residual, 1.0 - learnt, tolerance * size, f"{name}.residual is not 1 - filter")
    for log, face in (("log_filter", learnt), ("log_residual", residual)):
        seen = face > 1e-200
        wanted, got = np.log(np.where(seen, face, 1.0)), np.where(seen, faces[log], 0.0)
        room = tolerance * (1.0 + np.abs(wanted))
        agree(got / room, wanted / room, 1.0, f"{name}.{log} is not the log of what it belongs to", unit=room)
    parts_of = (learner, *learner.parts())
    if not path and all(type(part).definition is not Learner.definition for part in parts_of):
        _definition(learner, name, eigenvalues, parts, tolerance * size)
    clock = np.asarray(learner.clock, float)
    if np.isfinite(clock).all() and (clock > 0).all():
        _stops(learner, name, eigenvalues, learnt, clock, tolerance * size)
    _slopes(learner, name, eigenvalues)


def _definition(learner, name, eigenvalues, parts, room):
    plain = jax.tree.map(lambda leaf: leaf.item() if _is_number(leaf) and hasattr(leaf, "item") else leaf, learner)
    with telling(f"{name}.definition fails"):
        try:
            said = np.array([plain.by_definition(float(λ), math.exp) for λ in eigenvalues])
        except (NotImplementedError, ZeroDivisionError):
            return
    for which, wanted, got in (("learnt", parts[0], said[:, 0]), ("left", parts[1], said[:, 1])):
        agree(got, wanted, room, f"{name}.definition and its filter disagree on what is {which}")


def _stops(learner, name, eigenvalues, learnt, clock, room):
    try:
        again = learner.stopped(jnp.asarray(clock))
    except TypeError:
        again = None  # it refuses
    if again is not None:
        agree(again.clock, clock, room * (1 + np.max(clock)), f"{name}.stopped(clock) has another clock")
        agree(again.filter(eigenvalues), learnt, room, f"{name}.stopped at its own clock has another filter")
    if type(learner).rate is not Learner.rate:
        try:
            depth = np.asarray(learner.rate(jnp.asarray(eigenvalues))) * clock[..., None]
        except TypeError:
            return  # it refuses
        seen = np.isfinite(depth)
        wanted = np.where(seen, learnt, 0.0)
        agree(np.where(seen, -np.expm1(-depth), 0.0), wanted, room, f"{name}.rate · clock is not what the filter says")


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
        agree(np.where(seen, slopes[..., which], 0.0) / room, wanted / room, 1.0, said, unit=room)


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
            alike(fit, (*path, *zeros.shape), f"{name}.fit {at}", f"path axes {path} + parameters {zeros.shape}")
        if not known:
            continue
        seen = np.stack([eigensystem.of_parameters(fit) for fit in fits])
        wanted = np.asarray(closed_form(learner, eigensystem, start=start).coordinates)
        size = max(float(np.linalg.norm(eigensystem.target)), float(np.max(np.abs(wanted))))
        scatter = 6.0 * seen.std(axis=0, ddof=1) / math.sqrt(DRAWS) if random else 0.0
        room = tolerance * size + scatter
        got = seen.mean(axis=0)
        agree(got / room, wanted / room, 1.0, f"{name}: fit and filter disagree {at}", unit=room)
    zero = np.asarray(learner.fit(problem, zeros))
    with telling(f"{name}.fit fails on {where}, without a start", "; write `start=None`"):
        cold = np.asarray(learner.fit(problem))
    room = tolerance * max(1.0, float(np.max(np.abs(zero))))
    agree(cold, zero, room, f"{name}.fit without a start is not that from zero on {where}")


def _path(learner, name, points, grounds, known, tolerance):
    """A path is its points."""
    clocks = np.asarray(learner.tuned(1.0).clock, float)
    ended = np.stack([np.asarray(point.tuned(1.0).clock, float) for point in points])
    agree(ended, clocks, tolerance * (1 + np.max(np.abs(clocks))), f"{name}: the clock of a path is not its points'")
    λ = jnp.asarray(np.geomspace(1.0, 1e-3, 9))
    if known:
        whole = np.asarray(learner.tuned(1.0).filter(λ))
        each = np.stack([np.asarray(point.tuned(1.0).filter(λ)) for point in points])
        room = tolerance * max(1.0, float(np.max(np.abs(whole))))
        agree(each, whole, room, f"{name}.filter of a path is not its points'")
    if all(part.has_algorithm for part in learner.parts()):
        for where, problem in grounds.items():
            whole = np.asarray(learner.fit(problem))
            each = np.stack([np.asarray(point.fit(problem)) for point in points])
            room = tolerance * max(1.0, float(np.max(np.abs(whole))))
            agree(each, whole, room, f"{name}.fit of a path is not its points' on {where}")


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
