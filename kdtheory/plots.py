"""Pictures of trajectories, spectra, checks and sweeps, on axes that you give.

Each function draws on `ax` and returns it; none imports pyplot, shows or saves. The colours are those of
Okabe and Ito, which readers with any colour vision tell apart. In pictures of training, colour is the
direction and line style the trajectory: the teacher solid, its student dashed. To lay a loop over its theory,
draw the theory first, then the loop with `marks`.
"""

import itertools
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kdtheory import claims, measures
from kdtheory._checks import Numbers, as_direction
from kdtheory.problems import Eigensystem
from kdtheory.trajectories import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import DataArray


BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
GREY = "0.6"

_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "o", "s", "^")
_VERDICTS = {
    claims.HOLDS: BLUE,
    claims.VIOLATED: VERMILLION,
    claims.UNDECIDABLE: ORANGE,
    claims.OUTSIDE: GREY,
}


def convergence(
    ax: "Axes",
    *trajectories: Trajectory,
    directions: Sequence[int] = (0, 4, 9),
    labels: Sequence[str] = ("teacher", "student"),
    matched_on: int | None = None,
    marks: str | None = None,
) -> "Axes":
    """Progress along chosen eigendirections in training: colour is the direction, line style the trajectory.

    Against the clock; or, with `matched_on`, against matched time: the first trajectory is the teacher's, and
    every other is drawn against the teacher's clock at which the teacher had made the same progress on the
    direction `matched_on`. There the curves of that direction coincide, and exaggerated bias is that the
    student's lie below the teacher's on smaller eigenvalues.

    `trajectories` are those of paths, with progress (T, K), and one of `labels` each. `marks` draws sparse
    markers instead of lines, and is their name in the legend.

    Raises ValueError for a trajectory of a single moment or without a label. Warns when a direction shares
    its eigenvalue, and so its progress, with others.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> learners = path, kd.distill(kd.GradientFlow(5.0), path)
    >>> teacher, student = (kd.closed_form(learner, [1.0, 0.1]) for learner in learners)
    >>> ax = kd.plots.convergence(Figure().subplots(), teacher, student, directions=[0, 1])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['direction 0, λ = 1', 'direction 1, λ = 0.1', 'teacher', 'student']
    """
    _check_paths(trajectories, directions if matched_on is None else (*directions, matched_on), labels)
    teacher = trajectories[0]
    for number, run in enumerate(trajectories):
        as_is = matched_on is None or run is teacher
        clock = np.asarray(run.clock) if as_is else measures.matched_clock(teacher, run, matched_on)
        started = clock > 0  # the axis is logarithmic
        progress = np.asarray(run.progress)[started]
        for k, color in _coloured(directions):
            ax.plot(clock[started], progress[:, k], color=color, **_style(number, marks))
    name = "clock" if matched_on is None else f"teacher's clock, matched on direction {matched_on}"
    ax.set(xscale="log", xlabel=f"{name}  [1/λ]", ylabel="progress  [share of the target]")
    return _legend(ax, _directions(teacher, directions) | _runs(trajectories, labels) | _marked(marks))


def exaggeration(
    ax: "Axes",
    teacher: Trajectory,
    student: Trajectory,
    level: float = 0.5,
    lead: int = 0,
    directions: Sequence[int] = (),
    marks: str | None = None,
) -> "Axes":
    """How far the student lags along every direction when both have learnt the fraction `level` of `lead`: 1
    − ρ.

    ρ is the student's progress over the teacher's, drawn against the eigenvalue. Zero is no exaggeration, as
    on `lead` itself; one is a student that has learnt nothing. `teacher` and `student` are trajectories of
    paths, with progress (T, K). `directions` are picked out in the colours that `convergence` gives them; for
    `marks` and errors see there.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> learners = path, kd.distill(kd.GradientFlow(5.0), path)
    >>> teacher, student = (kd.closed_form(learner, [1.0, 0.1]) for learner in learners)
    >>> ax = kd.plots.exaggeration(Figure().subplots(), teacher, student)
    >>> ax.lines[0].get_ydata()[1].round(1).item()
    0.6
    """
    _check_paths((teacher, student), (*directions, lead))
    eigenvalues = np.asarray(teacher.eigenvalues)
    lag = measures.observed_exaggeration(teacher, student, level, lead)
    ax.plot(eigenvalues, lag, color=GREY, **_style(0 if marks is None else 1, marks))
    for k, color in _coloured(directions):
        ax.plot(eigenvalues[k], lag[k], color=color, marker="o", linestyle="none")
    ax.set(xscale="log", xlabel="eigenvalue λ", ylabel="exaggeration  1 − ρ")
    return _legend(ax, _marked(marks))


def eigenspace(
    ax: "Axes",
    *trajectories: Trajectory,
    x: int = 0,
    y: int = 1,
    labels: Sequence[str] = ("teacher", "student"),
    marks: str | None = None,
) -> "Axes":
    """Training as a curve in the plane of two eigendirections: progress along `y` against progress along `x`.

    The target is at (1, 1). With x the larger eigenvalue a curve runs below the diagonal, on which all
    directions are learnt at one speed; exaggerated bias is that the student's runs below its teacher's.
    `trajectories` are those of paths, with progress (T, K), and one of `labels` each; for `marks`, errors and
    warnings see `convergence`.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> learners = path, kd.distill(kd.GradientFlow(5.0), path)
    >>> teacher, student = (kd.closed_form(learner, [1.0, 0.1]) for learner in learners)
    >>> kd.plots.eigenspace(Figure().subplots(), teacher, student).get_xlabel()
    'progress along direction 0, λ = 1'
    """
    _check_paths(trajectories, (x, y), labels)
    for number, (run, color) in enumerate(_coloured(trajectories)):
        progress = np.asarray(run.progress)
        ax.plot(progress[:, x], progress[:, y], color=color, **_style(number, marks))
    diagonal = dict(color=GREY, linewidth=0.8, zorder=0)
    target = dict(color=BLACK, linestyle="none", marker="*", markersize=11)
    if "target" not in _known(ax):
        ax.plot([0, 1], [0, 1], **diagonal)
        ax.plot([1], [1], clip_on=False, **target)
    λ = np.asarray(trajectories[0].eigenvalues)
    ax.set_xlabel(f"progress along direction {x}, λ = {λ[x]:.3g}")
    ax.set_ylabel(f"progress along direction {y}, λ = {λ[y]:.3g}")
    entries = {"target": target, "equal speed": diagonal}
    return _legend(ax, _runs(trajectories, labels, COLOURS) | _marked(marks) | entries)


def spectrum(ax: "Axes", eigenvalues: Numbers | Eigensystem) -> "Axes":
    """Eigenvalues against their rank, on logarithmic axes, where a power law is a line.

    `eigenvalues` (K,) are drawn as they are. Those of an `Eigensystem` are drawn as shares of their sum,
    beside the shares of the targets: how much of |y|² lies along each direction.

    >>> import kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> kd.plots.spectrum(Figure().subplots(), kd.spectra.power_law(10)).get_ylabel()
    'eigenvalue λ'
    """
    ax.set(xscale="log", yscale="log", xlabel="rank of the direction")
    if not isinstance(eigenvalues, Eigensystem):
        ax.plot(np.arange(1, len(eigenvalues) + 1), np.asarray(eigenvalues), color=BLUE)
        ax.set_ylabel("eigenvalue λ")
        return ax
    λ, target = np.asarray(eigenvalues.eigenvalues), np.asarray(eigenvalues.target)
    rank = np.arange(1, len(λ) + 1)
    signal = λ * np.sum(target.reshape(len(λ), -1) ** 2, axis=1)
    seen = 1 - float(eigenvalues.unseen)
    ax.plot(rank, seen * signal / signal.sum(), color=VERMILLION, marker=".", linestyle="none", label="of the targets")
    ax.plot(rank, λ / λ.sum(), color=BLUE, label="of the features, λ / Σλ")
    ax.set_ylabel("share of the direction")
    ax.legend()
    return ax


def margins(ax: "Axes", check: claims.Check) -> "Axes":
    """The signed margins of a Check, one mark per case in rising order, coloured by verdict.

    Where a claim holds, none is below zero. The axis is linear around zero and logarithmic beyond it, so that
    tiny margins keep their sign. The legend counts the cases of each verdict, those without a margin (NaN)
    too.
    """
    values = np.asarray(check.margins, float)
    rank = np.argsort(np.argsort(values))
    for verdict, count in check.counts.items():
        cases = np.asarray(check.verdicts) == verdict
        if count:
            ax.plot(
                rank[cases],
                values[cases],
                color=_VERDICTS[verdict],
                marker=".",
                linestyle="none",
                label=f"{verdict} ({count:,})",
            )
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if sizes.size:
        ax.set_yscale("symlog", linthresh=max(sizes.min(), 1e-16 * sizes.max()))
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(title=check.name, xlabel="cases, by margin", ylabel="margin")
    ax.legend()
    return ax


def verdicts(figure: "Figure", checks: Iterable[claims.Check], columns: int = 2) -> "Figure":
    """Below the panels of a figure, a small line for every claim that it shows: the verdict, and on how many cases.

    `checks` are those of `Claim.check`, `practice` and `falsify`, in any order; those of one claim share a line, and
    its mark has the colour of the worst verdict. With a hypothesis dropped, the line says which. The figure needs
    the constrained layout.

    >>> import kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> figure, claim = Figure(layout="constrained"), kd.theorems.ridge_semigroup
    >>> checks = claim.check(0, count=9), claim.practice(0, count=2), claim.falsify(0, drop="zero_start", count=9)
    >>> for text in kd.plots.verdicts(figure, checks).legends[0].get_texts():
    ...     print(text.get_text())
    ridge_semigroup: holds (9 instances, 2 on data)
    ridge_semigroup without zero_start: violated (9 instances)
    """
    from matplotlib.lines import Line2D

    lines = {}
    for check in checks:
        name = check.name if check.dropped is None else f"{check.name} without {check.dropped}"
        lanes = lines.setdefault(name, {})
        number = f"{len(check.verdicts):,} {'on data' if check.lane == 'practice' else 'instances'}"
        lanes.setdefault(check.verdict, []).append(number)
    handles = []
    for name, lanes in lines.items():
        worst = min(lanes, key=(claims.VIOLATED, claims.UNDECIDABLE, claims.HOLDS, claims.OUTSIDE).index)
        said = ", ".join(f"{verdict} ({', '.join(numbers)})" for verdict, numbers in lanes.items())
        handles.append(Line2D([], [], color=_VERDICTS[worst], marker="o", linestyle="none", label=f"{name}: {said}"))
    if handles:
        small = dict(fontsize=7.5, markerscale=0.7, handlelength=1.0, labelspacing=0.3, borderpad=0.0)
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, **small)
    return figure


def heat(ax: "Axes", table: "DataArray") -> "Axes":
    """A sweep over two axes as a map of colours, with its colour bar.

    `table` is a two-dimensional xarray.DataArray, such as a variable of what `sweep` returns; its first axis
    runs to the right, its second upwards. Axes that are spaced more evenly in their logarithm are drawn so.
    NaN is blank.

    >>> import kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> def learnt(eigenvalue, time):
    ...     return kd.GradientFlow(time).filter(eigenvalue)
    >>> table = kd.sweep(learnt, eigenvalue=[0.1, 0.2, 0.3], time=[1.0, 10.0, 100.0])
    >>> ax = kd.plots.heat(Figure().subplots(), table.learnt)
    >>> ax.get_xscale(), ax.get_yscale()
    ('linear', 'log')
    """
    x, y = (np.asarray(table[name]) for name in table.dims)
    mesh = ax.pcolormesh(x, y, np.asarray(table).T, shading="nearest", cmap="cividis", rasterized=True)
    across, up = (name.replace("_", " ") for name in table.dims)
    ax.set(xscale=_scale(x), yscale=_scale(y), xlabel=across, ylabel=up)
    ax.figure.colorbar(mesh, ax=ax, label=table.name)
    return ax


def _scale(points):
    """Logarithmic where the ratios of neighbours are more nearly equal than their differences."""
    if len(points) < 3 or points.min() <= 0:
        return "linear"
    even, geometric = (np.ptp(np.diff(p)) / abs(np.diff(p).mean()) for p in (points, np.log(points)))
    return "log" if geometric < even else "linear"


# What two lanes are to each other, in words that do not change from machine to machine.


def loop(difference: float) -> str:
    """The name, for `marks`, of a loop over its theory, from which it differs by at most `difference`.

    >>> import kdtheory as kd
    >>> kd.plots.loop(3e-8)
    'loop, within 1e-7 of theory'
    """
    return f"loop, within {above(difference)} of theory"


def above(number: float) -> str:
    """The power of ten above a small number, as text; 1e-12 at least, since rounding differs between
    machines.

    >>> import kdtheory as kd
    >>> kd.plots.above(3e-8), kd.plots.above(0.0)
    ('1e-7', '1e-12')
    """
    return f"1e{math.ceil(math.log10(max(number, 1e-12)))}"


# What trajectories look like.


def _coloured(things):
    return zip(things, itertools.cycle(COLOURS), strict=False)


def _style(number, marks):
    """Of the first trajectory (0), the second, …: lines, or markers, hollow but for the first, evenly on the
    page."""
    if marks is None:
        return dict(linestyle=_LINES[number % 4])
    face = "none" if number else None
    return dict(linestyle="none", marker=_MARKERS[number % 4], markersize=4.5, markevery=0.09, markerfacecolor=face)


def _check_paths(trajectories, directions, labels=("teacher", "student")):
    if len(labels) < len(trajectories):
        raise ValueError(f"labels names {len(labels)} of the {len(trajectories)} trajectories; name each")
    for run in trajectories:
        if run.clock.ndim != 1:
            raise ValueError("a trajectory has a single moment; give its learner an array as the last field")
    spaces = np.asarray(trajectories[0].spaces)
    for k in directions:
        k = as_direction(k, len(spaces))
        members = np.flatnonzero(spaces == spaces[k])
        if len(members) > 1:
            warnings.warn(
                f"direction {k} shares its eigenvalue with others, from {members[0]} to {members[-1]}: single"
                " directions in there are arbitrary, and what is drawn is the progress of the whole eigenspace",
                stacklevel=3,
            )


# Legends: one entry for each name, however often the axes are drawn on.


def _directions(run, directions):
    λ = np.asarray(run.eigenvalues)
    return {f"direction {k}, λ = {λ[k]:.3g}": dict(color=color) for k, color in _coloured(directions)}


def _runs(trajectories, labels, colours=(GREY,)):
    if len(trajectories) == 1:
        return {}
    named = zip(labels, itertools.cycle(colours), range(len(trajectories)), strict=False)
    return {label: dict(_style(number, None), color=color) for label, color, number in named}


def _marked(marks):
    return {} if marks is None else {marks: dict(_style(0, marks), color=GREY, markevery=None)}


def _known(ax):
    return ax.get_legend_handles_labels()[1]


def _legend(ax, entries):
    for name, style in entries.items():
        if name not in _known(ax):
            ax.plot([], [], label=name, **style)
    if _known(ax):
        ax.legend()
    return ax
