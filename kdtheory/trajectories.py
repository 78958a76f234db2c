"""Trajectories in eigen-coordinates, where practice and theory meet.

`simulate` is what the algorithm does, `closed_form` what theory says, and `project` is for runs that were not
made here. All three return a `Trajectory`, which does not remember its lane: each measure, claim and plot is
written once.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._at_once import quickly
from kdtheory._checks import Numbers, as_data, as_real, as_spectrum, as_start, check_memory, concrete
from kdtheory._record import moments, record
from kdtheory.learners import Learner, check_learner, check_problem
from kdtheory.problems import Eigensystem, Problem


@record
class Trajectory:
    """Coordinates along the eigendirections of the data, at one or many moments.

    Axes of `coordinates` are those of the path (T,) if there is one, then directions (K,), then outputs (C,)
    if the targets have them.
    """

    eigenvalues: jax.Array  # (K,)
    coordinates: jax.Array  # path axes + (K,) + outputs
    target: jax.Array  # (K,) + outputs
    clock: jax.Array  # path axes
    spaces: jax.Array  # (K,) the number of the eigenspace of each direction

    @property
    def progress(self) -> jax.Array:
        """How much of the target is learnt: path axes + (K,), ⟨coordinates, target⟩/|target|².

        The inner product runs over the outputs and over all directions of an eigenspace, whose members
        therefore share one value. For a filter it is φ(λ). NaN where the target has no component.
        """
        largest = jnp.abs(self.target) if self.target.ndim == 1 else jnp.max(jnp.abs(self.target), axis=1)
        largest = jnp.zeros(largest.shape).at[self.spaces].max(largest)[self.spaces]  # of the eigenspace
        exponents = jnp.clip(jnp.frexp(lax.stop_gradient(largest))[1], -1000, 1000)
        unit = jnp.ldexp(1.0, -exponents).reshape(-1, *[1] * (self.target.ndim - 1))  # lest squares leave the range
        along, size = (self.coordinates * unit) * (self.target * unit), (self.target * unit) ** 2
        if self.target.ndim == 2:
            along, size = along.sum(-1), size.sum(-1)
        count = len(self.eigenvalues)
        sums = jnp.zeros(along.shape).at[..., self.spaces].add(along)
        sizes = jnp.zeros(count).at[self.spaces].add(size)
        return (sums / jnp.where(sizes > 0, sizes, jnp.nan))[..., self.spaces]

    labels = "eigenvalues", "clock", "spaces"  # of axes, in tables

    def axes(self) -> dict[str, tuple[str, ...]]:
        """What the axes of each field are called in tables."""
        times, each = moments(self.clock.ndim), ("direction", *["output"] * (self.target.ndim - 1))
        alone = dict.fromkeys(("eigenvalues", "spaces"), ("direction",))
        return alone | {"coordinates": (*times, *each), "target": each, "clock": times}

    def towards(self, target: Numbers, spaces: Numbers | None = None) -> "Trajectory":
        """The same run, its progress measured towards another target (K,) + outputs.

        Softmax runs have none of their own; that of the teacher's last coordinates is usual. `spaces` (K,)
        numbers bands of directions, from zero, whose progress is then that of the whole band, as for an
        eigenspace.

        >>> import kdtheory as kd
        >>> seen = kd.closed_form(kd.GradientFlow([1.0, 2.0]), [2.0, 1.0])
        >>> seen.towards(seen.coordinates[-1]).progress[-1].round(12).tolist()
        [1.0, 1.0]
        """
        spaces = self.spaces if spaces is None else jnp.asarray(spaces)
        for name, given, shape in ("target", target, self.target.shape), ("spaces", spaces, self.spaces.shape):
            if jnp.shape(given) != shape:
                raise ValueError(f"{name} must have the shape {shape} of the trajectory's, got {jnp.shape(given)}")
        return Trajectory(self.eigenvalues, self.coordinates, jnp.asarray(target), self.clock, spaces)

    def __getitem__(self, moment: int | slice | np.ndarray | jax.Array) -> "Trajectory":
        """The trajectory at some moments: an index or slice of the path axis."""
        if self.clock.ndim == 0:
            raise TypeError("this trajectory has a single moment; there is nothing to index")
        count = len(self.clock)
        if isinstance(moment, (int, np.integer)) and not -count <= moment < count:
            raise IndexError(f"moment {moment} is out of range: this trajectory has {count}")
        return Trajectory(self.eigenvalues, self.coordinates[moment], self.target, self.clock[moment], self.spaces)

    def __repr__(self) -> str:
        moments = f"{self.clock.shape[0]} moments" if self.clock.ndim else "1 moment"
        outputs = f", {self.target.shape[1]} outputs" if self.target.ndim == 2 else ""
        return f"<Trajectory: {moments}, {len(self.eigenvalues)} directions{outputs}>"


def simulate(
    learner: Learner, problem: Problem, eigensystem: Eigensystem | None = None, start: Numbers | None = None
) -> Trajectory:
    """Run the learner on the data and project what it reaches: practice.

    Pass `eigensystem` to pay for it once. `start` (P,) + outputs is where the learner begins, zero unless
    given. A step size of None becomes 1/λ_max; one past the learner's bound gives a warning, since the loop
    then diverges.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1])
    >>> seen = kd.simulate(kd.GradientDescent(step_size=1.0, steps=[0, 1, 2]), problem)
    >>> print(seen.progress.round(12))
    [[0.   0.  ]
     [1.   0.1 ]
     [1.   0.19]]
    """
    eigensystem, shape = _eigensystem_of(problem, eigensystem), problem.zeros().shape
    start = None if start is None else _as_start(start, shape)
    learner = _ready(learner, eigensystem, math.prod(shape), problem.curvature)
    parameters = learner.fit(problem, start)
    return _trajectory(eigensystem, eigensystem.of_parameters(parameters), learner.clock)


def closed_form(learner: Learner, eigensystem: Eigensystem | Numbers, start: Numbers | None = None) -> Trajectory:
    """What theory says the learner does: filter × target, with no data: theory.

    `eigensystem` is a problem's, or bare eigenvalues (K,), whose targets are then one. `start` holds
    parameters where there is a problem, coordinates otherwise.

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
        _, spaces = np.unique(-np.asarray(eigenvalues), return_inverse=True)
        no_data = jnp.zeros((0, len(eigenvalues)))  # a matrix of all directions would cost more than the path
        eigensystem = Eigensystem(
            eigenvalues,
            no_data,
            no_data,
            no_data,
            jnp.ones(len(eigenvalues)),
            jnp.asarray(spaces),
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
    return _trajectory(
        eigensystem,
        quickly(_coordinates, learner, eigensystem.eigenvalues, eigensystem.target, begin),
        learner.clock,
    )


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
) -> Trajectory:
    """Your own run in the eigen-coordinates of the problem: the third lane.

    Give one of `parameters`, path axes + (P,) + outputs, and `predictions` on the training inputs, path axes
    + (N,) + outputs. `clock` (T,) is step size × steps; the row numbers 0, 1, … if left out.

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
    eigensystem = _eigensystem_of(problem, eigensystem)
    name, run = ("parameters", parameters) if predictions is None else ("predictions", predictions)
    shape = problem.zeros().shape if predictions is None else problem.targets.shape
    run = as_data(run, name, ranks=None)
    if run.shape[run.ndim - len(shape) :] != shape:
        raise ValueError(f"{name} must end in the shape {shape} of the problem's, got {run.shape}")
    path = run.shape[: run.ndim - len(shape)]
    if clock is None:
        clock = jnp.arange(path[0], dtype=float) if path else jnp.asarray(0.0)
    clock = jnp.asarray(as_real(clock, "clock"), float)
    if clock.shape != path:
        raise ValueError(f"clock has shape {clock.shape}, but {name} have {path} moments: one entry each")
    coordinates = eigensystem.of_parameters(run) if predictions is None else eigensystem.of_predictions(run)
    return _trajectory(eigensystem, coordinates, clock)


def _eigensystem_of(problem, eigensystem):
    """That of the problem, unless one is given."""
    check_problem(problem)
    if eigensystem is None:
        return problem.eigensystem()
    if not isinstance(eigensystem, Eigensystem):
        raise TypeError(f"eigensystem must be what problem.eigensystem() returns, got {type(eigensystem).__name__}")
    count, expected = eigensystem.reading.shape[0], problem.zeros().shape[0]
    if count != expected:
        raise ValueError(f"eigensystem is that of another problem: it has {count} parameters, this one {expected}")
    return eigensystem


def _as_start(start, shape):
    return as_start(as_data(start, "start", ranks=None) if concrete(start) else start, shape)


def _ready(learner, eigensystem, entries, curvature=1.0):
    """The learner with its step size, checked; each moment of its run takes so many `entries`."""
    if not isinstance(learner, Learner):
        raise TypeError(
            f"learner must be one of kdtheory's, such as GradientDescent(step_size, steps); got {learner!r}"
        )
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
    return Trajectory(eigensystem.eigenvalues, coordinates, eigensystem.target, jnp.asarray(clock), eigensystem.spaces)
