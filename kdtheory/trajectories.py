"""Trajectories in eigen-coordinates, where practice and theory meet.

`simulate` is what the algorithm does, `closed_form` what theory says, and `project` is for runs that were not
made here. All three return a `Trajectory`, which does not remember its lane: each measure, claim and plot is
written once.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._checks import (
    Number,
    Numbers,
    as_array,
    as_data,
    as_number,
    as_real,
    as_spectrum,
    as_start,
    check_known,
    check_memory,
    concrete,
)
from kdtheory._compilation import FEW, LIGHT, quickly
from kdtheory._record import moments, record
from kdtheory.learners import Learner, check_learner, check_path, check_problem
from kdtheory.problems import Eigensystem, Problem


def _progress(xp, reduced, coordinates, target, spaces, start, outputs, moments):
    """Of `Trajectory.progress`, by NumPy or by JAX; `reduced` gives each direction what its eigenspace has in all."""
    if np.ndim(start):
        runs = start.shape[: start.ndim - 1 - outputs]
        start = xp.reshape(start, runs + (1,) * (moments - len(runs)) + target.shape)
        coordinates, target = coordinates - start, target - start
    largest = xp.max(xp.abs(target), axis=-1) if outputs else xp.abs(target)
    exponents = xp.clip(xp.frexp(reduced("max", largest, spaces))[1], -1000, 1000)
    unit = xp.ldexp(1.0, -exponents).reshape(largest.shape + (1,) * outputs)  # lest squares leave the range
    along, size = (coordinates * unit) * (target * unit), (target * unit) ** 2
    if outputs:
        along, size = along.sum(-1), size.sum(-1)
    sizes = reduced("add", size, spaces)
    return reduced("add", along, spaces) / xp.where(sizes > 0, sizes, np.nan)


def _sum_up(how, values, spaces):
    values = lax.stop_gradient(values) if how == "max" else values  # of an exponent
    return getattr(jnp.zeros(values.shape).at[..., spaces], how)(values)[..., spaces]


def _sum_up_here(how, values, spaces):
    if len(set(spaces.tolist())) == len(spaces):
        return values
    totals = np.zeros(values.shape)
    dict(max=np.maximum, add=np.add)[how].at(totals, (..., spaces), values)
    return totals[..., spaces]


@record
class Trajectory:
    """Coordinates along the eigendirections of the data, at one or many moments.

    Axes of `coordinates` are those of the path (T,) if there is one, then directions (K,), then outputs (C,)
    if the targets have them. Several runs with the same moments, such as seeds, are one axis more in front, (S, T).
    """

    eigenvalues: jax.Array  # (K,)
    coordinates: jax.Array  # path axes + (K,) + outputs
    target: jax.Array  # (K,) + outputs
    clock: jax.Array  # path axes
    spaces: jax.Array  # (K,) the number of the eigenspace of each direction
    start: jax.Array | float = 0.0  # (K,) + outputs, of each run if they differ: what progress is measured from
    counted: bool = dataclasses.field(default=False, metadata={"static": True})  # the clock is row numbers

    @property
    def progress(self) -> jax.Array:
        """How much of the way to the target is made: path axes + (K,), ⟨f - f₀, y - f₀⟩/|y - f₀|² with f the
        coordinates, y the target and f₀ = `start`, zero unless given.

        The inner product runs over the outputs and over all directions of an eigenspace, whose members
        therefore share one value. For a filter it is φ(λ). NaN where the target has no component.
        """
        outputs, moments = self.target.ndim - 1, self.clock.ndim
        parts = self.coordinates, self.target, self.spaces, self.start
        if not concrete(parts) or self.coordinates.size > FEW:
            return _progress(jnp, _sum_up, *parts, outputs, moments)
        with np.errstate(all="ignore"):
            coordinates, target, spaces, start = map(np.asarray, parts)
            return as_array(_progress(np, _sum_up_here, coordinates, target, spaces, start, outputs, moments))

    labels = "eigenvalues", "clock", "spaces", "start"  # of axes, in tables

    def axes(self) -> dict[str, tuple[str, ...]]:
        """What the axes of each field are called in tables."""
        times, each = moments(self.clock.ndim), ("direction", *["output"] * (self.target.ndim - 1))
        alone = dict.fromkeys(("eigenvalues", "spaces"), ("direction",))
        run = np.ndim(self.start) - len(each)  # runs differ in where they begin
        begun = (*times[:run], *each) if np.ndim(self.start) else ()
        return alone | {"coordinates": (*times, *each), "target": each, "clock": times, "start": begun}

    def towards(self, target: Numbers, spaces: Numbers | None = None, start: Numbers | None = None) -> "Trajectory":
        """The same run, its progress measured towards another target (K,) + outputs, or from another `start`.

        Softmax runs have no target of their own; that of the teacher's last coordinates is usual. `spaces` (K,)
        numbers bands of directions, from zero, whose progress is then that of the whole band, as for an
        eigenspace.

        >>> import kdtheory as kd
        >>> seen = kd.closed_form(kd.GradientFlow([1.0, 2.0]), [2.0, 1.0])
        >>> seen.towards(seen.coordinates[-1]).progress[-1].round(12).tolist()
        [1.0, 1.0]
        """
        target = as_array(as_real(target, "target"))
        spaces = self.spaces if spaces is None else as_array(as_real(spaces, "spaces"))
        for name, given, own in ("target", target, self.target), ("spaces", spaces, self.spaces):
            if given.shape != own.shape:
                raise ValueError(f"{name} must have the shape {own.shape} of the trajectory's, got {given.shape}")
        if concrete(spaces) and not np.isin(spaces, np.arange(len(self.spaces))).all():
            raise ValueError(f"spaces must be numbers of bands, from 0 to {len(self.spaces) - 1}; got {spaces}")
        begun = self.start if start is None else as_array(as_real(start, "start"))
        if start is not None and begun.shape != self.target.shape:
            raise ValueError(f"start must have the shape {self.target.shape} of the target, got {begun.shape}")
        return dataclasses.replace(self, target=target, spaces=spaces.astype(int), start=begun)

    def __getitem__(self, moment: int | slice | Sequence[int] | np.ndarray | jax.Array) -> "Trajectory":
        """The trajectory at some moments: an index or slice of the path axis, or several. Of several runs, it is one of
        them. IndexError for moments that it has not."""
        if self.clock.ndim == 0:
            raise TypeError("this trajectory has a single moment; there is nothing to index")
        count = len(self.clock)
        if not isinstance(moment, slice) and concrete(moment):
            moment = _as_moments(moment, count)
        start = self.start[moment] if np.ndim(self.start) > self.target.ndim else self.start
        return dataclasses.replace(self, coordinates=self.coordinates[moment], clock=self.clock[moment], start=start)

    def __repr__(self) -> str:
        moments = f"{self.clock.shape[-1]} moments" if self.clock.ndim else "1 moment"
        moments = "".join(f"{count} runs, " for count in self.clock.shape[:-1]) + moments
        outputs = f", {self.target.shape[1]} outputs" if self.target.ndim == 2 else ""
        return f"<Trajectory: {moments}, {len(self.eigenvalues)} directions{outputs}>"


def simulate(
    learner: Learner, problem: Problem, eigensystem: Eigensystem | None = None, start: Numbers | None = None
) -> Trajectory:
    """Run the learner on the data and project what it reaches: practice.

    Pass `eigensystem` to pay for it once. `start` (P,) + outputs is where the learner begins, zero unless
    given. A step size of None becomes 1/λ_max; one past the learner's bound gives a warning, since the loop
    then diverges.

    `jax.vmap` and `jax.jit` reach the learner, with the problem and its `eigensystem` from outside. A problem that is
    itself traced has no eigensystem, which is computed on the host: draw problems in a loop.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1])
    >>> seen = kd.simulate(kd.GradientDescent(step_size=1.0, steps=[0, 1, 2]), problem)
    >>> print(seen.progress.round(12))
    [[0.   0.  ]
     [1.   0.1 ]
     [1.   0.19]]
    """
    eigensystem, shape = eigensystem_of(problem, eigensystem), problem.zeros().shape
    start = None if start is None else _as_start(start, shape)
    learner = _ready(learner, eigensystem, math.prod(shape), problem.curvature)
    parameters = learner.fit(problem, start)
    check_path(learner, "fit", np.shape(parameters), shape)
    return _trajectory(eigensystem, eigensystem.of_parameters(parameters), learner.clock)


def closed_form(learner: Learner, eigensystem: Eigensystem | Numbers, start: Numbers | None = None) -> Trajectory:
    """What theory says the learner does: filter × target, with no data: theory.

    `eigensystem` is a problem's, or bare eigenvalues (K,), whose targets are then one. `start` holds
    parameters where there is a problem, coordinates otherwise. JAX may trace the learner and bare eigenvalues, which
    then pass unread.

    >>> import kdtheory as kd
    >>> print(kd.closed_form(kd.GradientFlow([0.0, 1.0]), [2.0, 1.0]).coordinates.round(6))
    [[0.       0.      ]
     [0.864665 0.632121]]
    """
    if isinstance(eigensystem, Problem):
        raise TypeError("closed_form never sees the data: give it problem.eigensystem(), not the problem")
    bare = not isinstance(eigensystem, Eigensystem)
    if bare:
        eigenvalues = as_spectrum(eigensystem)
        if concrete(eigenvalues):
            _, spaces = np.unique(-eigenvalues, return_inverse=True)
        else:
            _, spaces = jnp.unique(-eigenvalues, return_inverse=True, size=len(eigenvalues))
        no_data = jnp.zeros((0, len(eigenvalues)))  # a matrix of all directions would cost more than the path
        eigensystem = Eigensystem(
            as_array(eigenvalues),
            no_data,
            no_data,
            no_data,
            jnp.ones(len(eigenvalues)),
            as_array(spaces),
            jnp.asarray(0.0),
            unresolved=0,
        )
    elif concrete(eigensystem.target) and np.isnan(np.asarray(eigensystem.target)).all():
        raise TypeError("a softmax problem has no closed form, only its loop; use simulate, or squared loss")
    learner = _ready(learner, eigensystem, eigensystem.target.size)
    begin = None
    if start is not None:
        rows = eigensystem.eigenvalues if bare else eigensystem.reading
        begin = _as_start(start, rows.shape[:1] + eigensystem.target.shape[1:])
        begin = begin if bare else eigensystem.of_parameters(begin)
    entries = math.prod(jnp.shape(learner.clock)) * eigensystem.target.size
    given = learner, eigensystem.eigenvalues, eigensystem.target, begin
    return _trajectory(eigensystem, quickly(_coordinates, *given, often=entries > LIGHT), learner.clock)


@jax.jit
def _coordinates(learner, eigenvalues, target, begin):
    shares = learner.shares(eigenvalues)
    learnt, left = shares.learnt.value, shares.left.value
    if target.ndim == 2:
        learnt, left = learnt[..., None], left[..., None]
    return learnt * target if begin is None else learnt * target + left * begin


def project(
    problem: Problem,
    *,
    parameters: Numbers | None = None,
    predictions: Numbers | None = None,
    clock: Numbers | None = None,
    eigensystem: Eigensystem | None = None,
    start: Numbers | None = None,
) -> Trajectory:
    """Your own run in the eigen-coordinates of the problem: the third lane.

    Give one of `parameters`, path axes + (P,) + outputs, and `predictions` on the training inputs, path axes
    + (N,) + outputs. `clock` (T,) is step size × steps; the row numbers 0, 1, … if left out. Several runs, of seeds
    say, are one axis more in front, (S, T); they may share a clock (T,).

    `start` is where the run began, which is zero unless given: parameters (P,) + outputs or predictions (N,) +
    outputs, like the log, or one for each of several runs. Progress is then measured from there, ⟨f - f₀, y - f₀⟩/|y -
    f₀|²: give it for networks, which begin at random.

    Raises ValueError when both or neither are given, or shapes do not match the problem.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1])
    >>> mine = kd.project(problem, predictions=[0.5 * problem.targets, problem.targets])
    >>> print(mine.progress.round(12))
    [[0.5 0.5]
     [1.  1. ]]
    """
    if (parameters is None) == (predictions is None):
        raise ValueError("give exactly one of parameters and predictions")
    eigensystem = eigensystem_of(problem, eigensystem)
    name, run = ("parameters", parameters) if predictions is None else ("predictions", predictions)
    shape = problem.zeros().shape if predictions is None else problem.targets.shape
    run = as_data(run, name, ranks=None)
    if run.shape[run.ndim - len(shape) :] != shape:
        raise ValueError(f"{name} must end in the shape {shape} of the problem's, got {run.shape}")
    path = run.shape[: run.ndim - len(shape)]
    check_known("a trajectory", clock=clock)
    counted = clock is None
    if counted:
        clock = np.broadcast_to(np.arange(path[-1], dtype=float) if path else 0.0, path)
    clock = np.asarray(as_real(clock, "clock"), float)
    if np.isnan(clock).any():
        raise ValueError(f"clock is NaN at entry {int(np.argmax(np.isnan(clock)))}; leave that moment out")
    if not counted and clock.ndim and clock.shape == path[len(path) - clock.ndim :]:
        clock = np.broadcast_to(clock, path)  # that of every run
    if clock.shape != path:
        raise ValueError(f"clock has shape {clock.shape}, but {name} have {path} moments: one entry each")
    read = eigensystem.of_parameters if predictions is None else eigensystem.of_predictions
    begun = 0.0 if start is None else read(_begun(start, path[:-1], shape, name))
    return dataclasses.replace(_trajectory(eigensystem, read(run), clock), start=begun, counted=counted)


def _begun(start, runs, shape, name):
    """Where a logged run began, or each of several."""
    start = as_data(start, "start", ranks=None)
    if start.shape not in (shape, runs + shape):
        each = f", or {runs + shape} for each run" if runs else ""
        raise ValueError(f"start must have the shape {shape} of one moment of {name}{each}; got {start.shape}")
    return start


class Recorder:
    """A run as it is made, inside anybody's loop: of its predictions only the coordinates are kept.

    `recorder(clock, predictions)` takes the predictions (N,) + outputs on the training inputs, in the order of the
    problem, of any framework; `recorder.trajectory` is what `project` makes of the whole log, from (T, K) numbers
    instead of (T, N). `start` holds the predictions before training, zero unless given. `count` asks for the top
    directions only; `eigensystem`, of `problem.eigensystem()`, saves to compute it again for the next run.

    Networks are evaluated in mini-batches: `recorder(clock, predictions, rows)` takes the predictions (B,) + outputs
    on the training rows `rows`, and a moment is complete when each row has come once. Coordinates are sums over rows,
    so with weights that rest meanwhile it is the same moment to rounding. Predictions that are made anyway while
    training, each batch at a clock and with weights of its own, may be fed too: such a moment is the mean over one
    pass, at the mean of the clocks, and blurs what happens within the pass.

    Raises ValueError for shapes that are not the problem's, for predictions that are not finite, for a clock that does
    not rise, and for a row that comes twice in one pass; warns of rows that are missing in the last one.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1])
    >>> recorder, weights = kd.Recorder(problem), problem.zeros()
    >>> for step in range(3):
    ...     recorder(0.5 * step, problem.predict(weights))
    ...     weights = weights - 0.5 * problem.gradient(weights)
    >>> print(recorder.trajectory.progress.round(4))
    [[0.     0.    ]
     [0.5    0.05  ]
     [0.75   0.0975]]
    """

    def __init__(
        self,
        problem: Problem,
        eigensystem: Eigensystem | None = None,
        *,
        count: int | None = None,
        start: Numbers | None = None,
    ) -> None:
        if eigensystem is not None and count is not None:
            raise ValueError("give one of eigensystem and count: an eigensystem has its directions already")
        check_problem(problem)
        self.eigensystem = eigensystem_of(problem, problem.eigensystem(count) if count is not None else eigensystem)
        system, self._shape = self.eigensystem, problem.targets.shape
        scale = np.sqrt(len(system.samples_basis) * np.asarray(system.eigenvalues))
        self._reading = np.ascontiguousarray((np.asarray(system.samples_basis) / scale).T)  # (K, N)
        self._start = (
            0.0 if start is None else self._reading @ np.asarray(_begun(start, (), self._shape, "predictions"))
        )
        self._clocks: list[float] = []
        self._kept: list[np.ndarray] = []
        self._begin()

    def _begin(self):
        """A new pass over the rows."""
        self._seen, self._sum, self._clock = np.zeros(self._shape[0], bool), 0.0, 0.0

    def __call__(self, clock: Number, predictions: Numbers, rows: Numbers | slice | None = None) -> None:
        if not concrete((clock, predictions)):
            raise TypeError("predictions are being traced by JAX: call the recorder outside of jit, or project a log")
        predictions, clock = np.asarray(as_real(predictions, "predictions")), float(as_number(clock, "clock"))
        count, reading = self._shape[0], self._reading
        if rows is not None:
            try:
                rows = rows if isinstance(rows, slice) else np.asarray(rows) if np.size(rows) else slice(0)
                rows = np.atleast_1d(np.arange(count)[rows])
            except IndexError as problem:
                raise IndexError(
                    f"rows must be numbers of training rows, from 0 to {count - 1}, a slice, or a mask with one entry"
                    f" for each of these {count}: {problem}"
                ) from None
            reading = reading[:, rows]
        wanted = (reading.shape[1], *self._shape[1:])
        if predictions.shape != wanted:
            where = "all training inputs" if rows is None else f"{len(rows)} rows"
            raise ValueError(f"predictions on {where} must be of shape {wanted}, got {predictions.shape}")
        twice = self._seen.any() if rows is None else np.bincount(rows, minlength=count) + self._seen > 1
        if np.any(twice):
            raise ValueError(
                f"row {int(np.argmax(self._seen if rows is None else twice))} comes again before all have come once, of"
                f" which {int((~self._seen).sum())} are missing; a pass needs every row, the last small batch too"
            )
        part = reading @ predictions
        if not np.isfinite(part).all():
            raise ValueError(f"predictions are not finite at clock {clock:.6g}; stop a run that diverges before")
        before, size = int(self._seen.sum()), len(predictions)
        self._clock = clock if before == 0 else self._clock + (clock - self._clock) * size / (before + size)
        self._seen[slice(None) if rows is None else rows] = True
        self._sum = self._sum + part
        if self._seen.all():
            moment, clock = self._sum, self._clock
            self._begin()
            if self._clocks and not clock > self._clocks[-1]:
                raise ValueError(
                    f"clock must rise from moment to moment, got {clock:.6g} after {self._clocks[-1]:.6g}; another"
                    " run needs a recorder of its own"
                )
            self._kept.append(moment)
            self._clocks.append(clock)

    @property
    def trajectory(self) -> Trajectory:
        """What was recorded so far."""
        if not self._kept:
            raise ValueError("nothing was recorded yet: call the recorder with a clock and predictions on all rows")
        if self._seen.any():
            missing = int((~self._seen).sum())
            warnings.warn(f"the last pass lacks {missing} of {len(self._seen)} rows, and is left out", stacklevel=2)
        run = _trajectory(self.eigensystem, as_array(np.stack(self._kept)), np.array(self._clocks))
        return dataclasses.replace(run, start=self._start if np.ndim(self._start) == 0 else as_array(self._start))

    def __repr__(self) -> str:
        return f"<Recorder: {len(self._kept)} moments, {len(self._reading)} directions>"


def _as_moments(moment, count):
    """An index of moments that are there: of others JAX would take the nearest."""
    given = np.asarray(moment) if np.size(moment) else np.zeros(0, int)
    mask = given.dtype == bool
    if (
        isinstance(moment, tuple)
        or given.dtype.kind not in "iub"
        or (given.shape != (count,) if mask else given.ndim > 1)
    ):
        raise TypeError(
            f"a moment must be a whole number, a list of them, a slice, or a mask of one entry for each of the {count}"
            f" of this trajectory; got {moment!r}"
        )
    if not mask and (outside := given[(given < -count) | (given >= count)]).size:
        raise IndexError(f"moment {outside[0]} is out of range: this trajectory has {count}")
    return given if given.ndim else int(given)


def runs_of(runs: Trajectory | Sequence[Trajectory]) -> list[Trajectory]:
    """The single runs, each a path (T,): of one trajectory, of one with an axis of runs in front, or of a list.

    Raises TypeError for what is no trajectory.

    >>> import kdtheory as kd
    >>> kd.trajectories.runs_of(kd.closed_form(kd.GradientFlow([1.0, 2.0]), [1.0, 0.1]))
    [<Trajectory: 2 moments, 2 directions>]
    """
    if isinstance(runs, Trajectory):
        return [runs] if runs.clock.ndim < 2 else [one for part in runs for one in runs_of(part)]
    if not isinstance(runs, Sequence) or not runs or not all(isinstance(run, Trajectory) for run in runs):
        raise TypeError(f"a run must be a Trajectory, or a list of them, one for each seed; got {runs!r}")
    return [one for run in runs for one in runs_of(run)]


def eigensystem_of(problem, eigensystem):
    """That of the problem, unless one is given."""
    check_problem(problem)
    if eigensystem is None:
        return problem.eigensystem()
    if not isinstance(eigensystem, Eigensystem):
        raise TypeError(f"eigensystem must be what problem.eigensystem() returns, got {type(eigensystem).__name__}")
    sizes = dict(parameters=(len(eigensystem.reading), problem.zeros().shape[0]))
    targets = getattr(problem, "targets", None)
    if targets is not None:
        sizes["samples"] = len(eigensystem.samples_basis), len(targets)
        sizes["outputs"] = eigensystem.target.shape[1:], problem.zeros().shape[1:]
    for what, (count, expected) in sizes.items():
        if count != expected:
            raise ValueError(f"eigensystem is that of another problem: it has {count} {what}, this one {expected}")
    return eigensystem


def _as_start(start, shape):
    return as_start(as_data(start, "start", ranks=None) if concrete(start) else start, shape)


def _ready(learner, eigensystem, entries, curvature=1.0):
    """The learner with its step size, checked; each moment of its run takes so many `entries`."""
    check_learner(learner)
    known = concrete(eigensystem.eigenvalues)
    largest = np.max(np.asarray(eigensystem.eigenvalues)) if known else jnp.max(eigensystem.eigenvalues)
    learner = learner.tuned(largest)
    check_learner(learner, curvature * largest if known else None)
    moments = math.prod(jnp.shape(learner.clock))
    check_memory(
        (moments, entries),
        eigensystem.target.dtype,
        f"{moments:,} moments of {entries:,} numbers each",
        "save fewer moments, or simulate them in pieces",
    )
    return learner


def _trajectory(eigensystem, coordinates, clock):
    return Trajectory(eigensystem.eigenvalues, coordinates, eigensystem.target, as_array(clock), eigensystem.spaces)
