"""Pictures of trajectories, spectra, checks and sweeps, on axes that you give.

Each function draws on `ax` and returns it; none imports pyplot, shows or saves. The colours are those of Okabe and Ito,
which readers with any colour vision tell apart. In pictures of training, colour is the direction and line style the
trajectory: the teacher solid, its student dashed. To lay the loop over its theory, draw the theory first, then the
loop with `marks`.
"""

import itertools
import math
import warnings

import numpy as np

from kdtheory import claims, measures
from kdtheory.problems import Eigensystem

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)
GREY = "0.6"

_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "o", "s", "^")

# What each verdict of a Check looks like; the order is that of the legend.
_VERDICTS = {claims.HOLDS: BLUE, claims.VIOLATED: VERMILLION, claims.UNDECIDABLE: ORANGE, claims.OUTSIDE: GREY}


def convergence(
    ax, *trajectories, directions=(0, 4, 9), labels=("teacher", "student"), matched_on=None, marks=None
):
    """Progress along chosen eigendirections during training: colour is the direction, line style the trajectory.

    Against the clock; or, with `matched_on`, against matched time: the first trajectory is the teacher's, and every other is
    drawn against the teacher's clock at which the teacher had made the same progress on the direction `matched_on`. There the
    curves of that direction coincide, and exaggerated bias is that the student's lie below the teacher's on smaller
    eigenvalues.

    `trajectories` are those of paths, with progress (T, K), and one of `labels` each. `marks` draws sparse markers instead of
    lines, and is their name in the legend.

    Raises ValueError for a trajectory of a single moment. Warns when a direction shares its eigenvalue, and so its
    progress, with others.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> runs = [kd.closed_form(learner, [1.0, 0.1]) for learner in (path, kd.distill(kd.GradientFlow(5.0), path))]
    >>> ax = kd.plots.convergence(Figure().subplots(), *runs, directions=[0, 1])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['direction 0, λ = 1', 'direction 1, λ = 0.1', 'teacher', 'student']
    """
    _check_paths(trajectories, directions, labels)
    teacher = trajectories[0]
    for number, run in enumerate(trajectories):
        same = matched_on is None or run is teacher
        clock = np.asarray(run.clock) if same else measures.matched_clock(teacher, run, matched_on)
        started = clock > 0                                          # the axis is logarithmic
        progress = np.asarray(run.progress)[started]
        for k, color in _coloured(directions):
            ax.plot(clock[started], progress[:, k], color=color, **_style(number, marks))
    name = "clock" if matched_on is None else f"teacher's clock, matched on direction {matched_on}"
    ax.set(xscale="log", xlabel=f"{name}  [1/λ]", ylabel="progress  [share of the target]", ylim=(-0.03, 1.03))
    return _legend(ax, {**_directions(teacher, directions), **_runs(trajectories, labels), **_marked(marks)})


def exaggeration(ax, teacher, student, level=0.5, lead=0, directions=(), marks=None):
    """How far the student lags along every eigendirection when both have learnt the fraction `level` of `lead`: 1 − ρ.

    ρ is the student's progress over the teacher's, drawn against the eigenvalue. Zero is no exaggeration, as on `lead` itself;
    one is a student that has learnt nothing. `teacher` and `student` are trajectories of paths (T, K). `directions` are
    picked out in the colours that `convergence` gives them; for `marks` and errors see there.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> runs = [kd.closed_form(learner, [1.0, 0.1]) for learner in (path, kd.distill(kd.GradientFlow(5.0), path))]
    >>> kd.plots.exaggeration(Figure().subplots(), *runs).lines[0].get_ydata().round(2).tolist()
    [0.0, 0.6]
    """
    _check_paths((teacher, student), directions)
    eigenvalues = np.asarray(teacher.eigenvalues)
    lag = measures.observed_exaggeration(teacher, student, level, lead)
    ax.plot(eigenvalues, lag, color=GREY, **_style(marks is not None, marks))
    for k, color in _coloured(directions):
        ax.plot(eigenvalues[k], lag[k], color=color, marker="o", markersize=6, linestyle="none")
    ax.set(xscale="log", xlabel="eigenvalue λ", ylabel="exaggeration  1 − ρ")
    return _legend(ax, _marked(marks))


def eigenspace(ax, *trajectories, x=0, y=1, labels=("teacher", "student"), marks=None):
    """Training as a curve in the plane of two eigendirections: progress along `y` against progress along `x`.

    The target is at (1, 1). With x the larger eigenvalue a curve runs below the diagonal, on which all directions are learnt
    at one speed; exaggerated bias is that the student's runs below its teacher's. `trajectories` are those of paths, with
    progress (T, K), and one of `labels` each; for `marks`, errors and warnings see `convergence`.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> runs = [kd.closed_form(learner, [1.0, 0.1]) for learner in (path, kd.distill(kd.GradientFlow(5.0), path))]
    >>> kd.plots.eigenspace(Figure().subplots(), *runs).get_xlabel()
    'progress along direction 0, λ = 1'
    """
    _check_paths(trajectories, (x, y), labels)
    diagonal, target = dict(color=GREY, linewidth=0.8), dict(color=BLACK, linestyle="none", marker="*", markersize=11)
    if "target" not in _known(ax):
        ax.plot([0, 1], [0, 1], zorder=0, **diagonal)
        ax.plot([1], [1], clip_on=False, **target)
    for number, (run, color) in enumerate(_coloured(trajectories)):
        progress = np.asarray(run.progress)
        ax.plot(progress[:, x], progress[:, y], color=color, **_style(number, marks))
    λ = np.asarray(trajectories[0].eigenvalues)
    ax.set(xlabel=f"progress along direction {x}, λ = {λ[x]:.3g}", ylabel=f"progress along direction {y}, λ = {λ[y]:.3g}")
    return _legend(ax, {**_runs(trajectories, labels, COLOURS), **_marked(marks), "target": target, "equal speed": diagonal})


def spectrum(ax, eigenvalues):
    """Eigenvalues against their rank, on logarithmic axes, where a power law is a line.

    `eigenvalues` (K,) are drawn as they are. For an `Eigensystem` they are drawn as shares of their sum, beside the shares of
    the targets: how much of |y|² lies along each direction.

    >>> import kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> ax = kd.plots.spectrum(Figure().subplots(), kd.spectra.power_law(10))
    >>> ax.get_ylabel()
    'eigenvalue λ'
    """
    ax.set(xscale="log", yscale="log", xlabel="rank of the direction")
    if not isinstance(eigenvalues, Eigensystem):
        values = np.asarray(eigenvalues)
        ax.plot(np.arange(1, len(values) + 1), values, color=BLUE)
        ax.set_ylabel("eigenvalue λ")
        return ax
    values, target = np.asarray(eigenvalues.eigenvalues), np.asarray(eigenvalues.target)
    signal = values * (target**2).reshape(len(values), -1).sum(axis=1)
    rank = np.arange(1, len(values) + 1)
    ax.plot(rank, signal / signal.sum() * (1 - float(eigenvalues.unseen)), color=VERMILLION, linestyle="none", marker="o",
            markersize=3, label="of the targets")
    ax.plot(rank, values / values.sum(), color=BLUE, label="of the features, λ / Σλ")
    ax.set_ylabel("share of the direction")
    ax.legend()
    return ax


def margins(ax, check):
    """The signed margins of a Check, one mark per case in rising order, coloured by verdict.

    A theorem that holds has no mark below zero. The axis is linear around zero and logarithmic beyond, so that tiny margins
    keep their sign. The legend counts the cases of each verdict, those with a NaN for a margin too.
    """
    values, verdicts = np.asarray(check.margins, float), np.asarray(check.verdicts)
    order = np.argsort(values)
    rank = np.argsort(order)
    for verdict, color in _VERDICTS.items():
        cases = verdicts == verdict
        if cases.any():
            ax.plot(rank[cases], values[cases], color=color, linestyle="none", marker="o", markersize=3,
                    label=f"{verdict} ({cases.sum():,})")
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if sizes.size:
        ax.set_yscale("symlog", linthresh=max(sizes.min(), 1e-16 * sizes.max()))
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(title=check.name, xlabel="cases, by margin", ylabel="margin")
    ax.legend()
    return ax


def heat(ax, table):
    """A sweep over two axes as a map of colours, with its colour bar.

    `table` is a two-dimensional xarray.DataArray, such as one variable of what `sweep` returns; its first axis runs to the
    right, its second upwards. Axes that are spaced evenly in their logarithm are drawn so. NaN is left blank.

    >>> import numpy as np, xarray, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> table = xarray.DataArray(np.eye(3), {"exponent": [1, 2, 3], "time": [1, 10, 100]}, name="lag")
    >>> kd.plots.heat(Figure().subplots(), table).get_yscale()
    'log'
    """
    across, up = table.dims
    x, y = np.asarray(table[across]), np.asarray(table[up])
    mesh = ax.pcolormesh(x, y, np.asarray(table).T, shading="nearest", cmap="cividis")
    ax.set(xscale=_scale(x), yscale=_scale(y), xlabel=across.replace("_", " "), ylabel=up.replace("_", " "))
    ax.figure.colorbar(mesh, ax=ax, label=table.name)
    return ax


def loop(difference):
    """The name, as `marks`, of a loop's marks over theory: it says below which power of ten the two differ.

    >>> import kdtheory as kd
    >>> kd.plots.loop(3e-15)
    'loop, within 1e-14 of theory'
    """
    return f"loop, within {above(difference)} of theory"


def above(number):
    """The power of ten above a small number, as text: a bound that does not change from machine to machine.

    >>> import kdtheory as kd
    >>> kd.plots.above(3e-15)
    '1e-14'
    """
    return f"1e{math.ceil(math.log10(max(number, 1e-16)))}"


def _scale(coordinates):
    """"log" where ratios of neighbours are more nearly equal than their differences."""
    if len(coordinates) < 3 or np.min(coordinates) <= 0:
        return "linear"
    uneven = [np.ptp(steps) / abs(steps.mean()) for steps in (np.diff(coordinates), np.diff(np.log(coordinates)))]
    return "log" if uneven[1] < uneven[0] else "linear"


# How trajectories look.


def _style(number, marks):
    """Of the first trajectory (0), the second, …: lines, or markers at even distances on the page, hollow but for the first."""
    if marks is None:
        return dict(linestyle=_LINES[number % 4])
    return dict(linestyle="none", marker=_MARKERS[number % 4], markersize=4.5, markevery=0.09,
                markerfacecolor="none" if number else None)


def _coloured(directions):
    return zip(directions, itertools.cycle(COLOURS), strict=False)


def _check_paths(trajectories, directions, labels=("teacher", "student")):
    if len(labels) < len(trajectories):
        raise ValueError(f"labels has {len(labels)} names for {len(trajectories)} trajectories: give one each")
    for run in trajectories:
        if run.clock.ndim != 1:
            raise ValueError("a trajectory of many moments is needed; give the learner an array as its last field")
    spaces = np.asarray(trajectories[0].spaces)
    for k in directions:
        members = np.flatnonzero(spaces == spaces[k])
        if len(members) > 1:
            warnings.warn(
                f"direction {k} shares its eigenvalue with others (directions {members[0]} to {members[-1]}): single directions"
                " in there are arbitrary, and the progress drawn is that of the whole eigenspace",
                stacklevel=3,
            )


# Legends: one entry for each name, however often an axes is drawn on.


def _directions(run, directions):
    λ = np.asarray(run.eigenvalues)
    return {f"direction {k}, λ = {λ[k]:.3g}": dict(color=color) for k, color in _coloured(directions)}


def _runs(trajectories, labels, colours=(GREY,)):
    if len(trajectories) == 1:
        return {}
    names = zip(labels, trajectories, itertools.cycle(colours), strict=False)
    return {label: dict(_style(number, None), color=color) for number, (label, _, color) in enumerate(names)}


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
