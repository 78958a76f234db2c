"""Colours, line styles, legends and labels: what pictures of trajectories look like."""

import itertools
import math
import warnings

import numpy as np

from kdtheory import claims, measures
from kdtheory._checks import as_direction
from kdtheory.trajectories import runs_of

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


# What two lanes are to each other, in words that do not change from machine to machine.


def loop(difference: float) -> str:
    """The name, for `marks`, of a loop over its theory, from which it differs by at most `difference`.

    >>> import kdtheory as kd
    >>> kd.plots.loop(3e-8)
    'loop, within 1e-7 of theory'
    """
    return f"loop, within {above(difference)} of theory"


def above(number: float) -> str:
    """The power of ten above a small number, as text; 1e-12 at least, since rounding differs between machines.
    What is not finite, as of a loop that diverges, is itself.

    >>> import kdtheory as kd
    >>> kd.plots.above(3e-8), kd.plots.above(0.0)
    ('1e-7', '1e-12')
    """
    return f"1e{math.ceil(math.log10(max(number, 1e-12)))}" if math.isfinite(number) else str(float(number))


# What is drawn on.


def _check_axes(ax):
    """Refuses what is no single axes: nothing, a figure, or all the axes of one."""
    if not hasattr(ax, "get_legend_handles_labels"):
        given = f"an array of shape {ax.shape}" if isinstance(ax, np.ndarray) else f"{type(ax).__name__}: {ax!r}"
        one = "one of them, such as ax.flat[0]" if isinstance(ax, np.ndarray) else "figure, ax = plt.subplots()"
        raise TypeError(f"ax must be the axes to draw on, got {given}; write {one}")


# What trajectories look like.


def _palette(colours):
    """The colours that were asked for, here or by the session's `axes.prop_cycle`, else those of the library."""
    import matplotlib

    if colours is not None:
        return _several(colours, "colours")
    cycle, usual = (rc["axes.prop_cycle"].by_key() for rc in (matplotlib.rcParams, matplotlib.rcParamsDefault))
    return list(cycle["color"]) if "color" in cycle and cycle != usual else COLOURS


def _several(names, what):
    """One name, or some, as a list."""
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError(f"{what} names none; give at least one, or leave it out")
    return names


def _coloured(things, palette=COLOURS):
    """Things with a colour each, in turn. More than the library has are in shades, from the first to the last."""
    if palette is COLOURS and len(things) > len(COLOURS):
        import matplotlib

        palette = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, len(things)))
    return zip(things, itertools.cycle(palette), strict=False)


def _style(number, marks, linestyles=_LINES):
    """Of the first trajectory (0), the second, …: lines, or markers, hollow but for the first, evenly on the
    page."""
    if marks is None:
        linestyles = _several(linestyles, "linestyles")
        return dict(linestyle=linestyles[number % len(linestyles)])
    face = "none" if number else None
    return dict(linestyle="none", marker=_MARKERS[number % 4], markersize=4.5, markevery=0.09, markerfacecolor=face)


def _listed(array):
    """With an axis of runs, also where there is one run."""
    return array if array.ndim == 3 else array[None]


def _lone(y, style):
    """The style of y (T,), with a marker on points that stand alone, of which a line shows nothing."""
    if not np.isfinite(y).any():
        return style | (dict(markevery=None) if "marker" in style else {})  # for which matplotlib looks for points
    seen = np.pad(np.isfinite(y), 1)
    alone = np.flatnonzero(seen[1:-1] & ~seen[:-2] & ~seen[2:]).tolist()
    if not alone:
        return style
    if "marker" in style:
        return style | dict(markevery=None)
    return dict(marker="o", markersize=4, markevery=alone) | style


def _banded(ax, x, values, style):
    """A line through values (T,) of one run; of several, (S, T), through their mean, with a band for its interval."""
    if len(values) == 1:
        ax.plot(x, values[0], **_lone(np.where(np.isfinite(x), values[0], np.nan), style))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the line ends where the first run has no number
        mean, low, high = measures.confidence.mean_interval(values)
    ax.plot(x, mean, **_lone(np.where(np.isfinite(x), mean, np.nan), style))
    known = np.isfinite(x) & np.isfinite(low)
    if known.any():
        ax.fill_between(x, low, high, where=known, color=style["color"], alpha=0.2, linewidth=0)


def _clock_of(runs):
    """The clock that runs share."""
    clocks = [np.asarray(run.clock) for run in runs]
    if any(clock.shape != clocks[0].shape or (clock != clocks[0]).any() for clock in clocks):
        raise ValueError("runs that are drawn as one band must have the same clock; project them at the same moments")
    return clocks[0]


def _numbered(directions, run):
    """Directions of a run, each by its number from zero."""
    if np.ndim(directions) != 1:
        raise TypeError(f"directions must be a sequence of whole numbers, such as (0, 4, 9), got {directions!r}")
    return [as_direction(k, len(run.eigenvalues)) for k in directions]


def _paths(trajectories, labels=("teacher", "student")):
    """The runs of each trajectory, all checked."""
    if not trajectories:
        raise ValueError("there is nothing to draw: give at least one trajectory")
    labels = _several(labels, "labels")
    if len(labels) < len(trajectories):
        raise ValueError(f"labels names {len(labels)} of the {len(trajectories)} trajectories; name each")
    groups = [runs_of(each) for each in trajectories]
    if any(run.clock.ndim != 1 for runs in groups for run in runs):
        raise ValueError("a trajectory has a single moment; give its learner an array as the last field")
    counts = sorted({len(run.eigenvalues) for runs in groups for run in runs})
    if len(counts) > 1:
        raise ValueError(
            f"trajectories have {' and '.join(map(str, counts))} directions: project all on the eigendirections of one"
            " problem"
        )
    return groups


def _shared(run, directions):
    """A warning for directions that are not alone in their eigenspace."""
    spaces = np.asarray(run.spaces)
    for k in directions:
        members = np.flatnonzero(spaces == spaces[as_direction(k, len(spaces))])
        if len(members) > 1:
            warnings.warn(
                f"direction {k} shares its eigenvalue with others, from {members[0]} to {members[-1]}: single"
                " directions in there are arbitrary, and what is drawn is the progress of the whole eigenspace",
                stacklevel=3,
            )


# Axes: labels that do not overprint.


def _sparse(axis):
    """On a logarithmic axis, labels between powers of ten only where these are too few to read it by."""
    from matplotlib.ticker import FuncFormatter

    def label(at, _):
        low, high = sorted(axis.get_view_interval())
        if not 0 < low < high or at <= 0:
            return ""
        decades, powers = math.log10(high / low), math.floor(math.log10(high)) - math.ceil(math.log10(low)) + 1
        power = math.floor(math.log10(at) + 1e-9)
        digit = round(at / 10.0**power)
        if powers >= 2 or (decades > 0.5 and digit not in ((2, 5) if decades > 0.8 else (2, 3, 5, 7))):
            return ""
        return f"{at:g}" if -4 < power < 4 else f"${digit}\\times10^{{{power}}}$"

    axis.set_minor_formatter(FuncFormatter(label))


# Legends: one entry for each name, however often the axes are drawn on.


def _directions(run, directions, palette, lines):
    """Directions that are among the lines already keep their colours."""
    λ, drawn = np.asarray(run.eigenvalues), {each.get_label(): each.get_color() for each in lines}
    named = {f"direction {k}, λ = {λ[k]:.3g}": color for k, color in _coloured(directions, palette)}
    return {name: dict(color=drawn.get(name, color)) for name, color in named.items()}


def _runs(styles, labels, colours=(GREY,)):
    if len(styles) == 1:
        return {}
    named = zip(labels, itertools.cycle(colours), styles, strict=False)
    return {label: dict(style, color=color) for label, color, style in named}


def _marked(marks, number=0):
    return {} if marks is None else {marks: dict(_style(number, marks), color=GREY, markevery=None)}


def _known(ax):
    return ax.get_legend_handles_labels()[1]


def _with(line, entries):
    """Entries that look as lines do which were drawn with what `line` says."""
    return {name: style | line for name, style in entries.items()}


def _legend(ax, entries, legend):
    """The entries, as lines without points, and the legend itself if it is wanted."""
    if legend not in (True, False, "outside"):
        raise ValueError(f'legend must be True, False or "outside", got {legend!r}')
    for name, style in entries.items():
        if name not in _known(ax):
            ax.plot([], [], **style | dict(label=name))
    if not _known(ax) or not legend:
        return ax
    if legend == "outside":
        _below(ax)
    else:
        ax.legend(**(_COMPACT if _width(ax) < 3.5 else {}))
    return ax


_COMPACT = dict(fontsize="small", handlelength=1.4, handletextpad=0.5, columnspacing=1.0, labelspacing=0.3)


def _width(ax):
    """Of the axes with their labels, about, in inches."""
    return ax.get_position().width * ax.figure.get_figwidth() / 0.8


def _below(ax):
    """A legend below the axes, under the label of the horizontal axis, in as many columns as there is room for."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.transforms import ScaledTranslation

    points = lambda size: FontProperties(size=size).get_size_in_points()
    tick = ax.xaxis.get_major_ticks()[0]
    lines = 1 + ax.get_xlabel().count("\n")
    room = tick.get_pad() + 3.5 + 1.3 * points(tick.label1.get_fontsize()) + ax.xaxis.labelpad
    room += 1.3 * lines * points(ax.xaxis.label.get_fontsize())
    legend = ax.legend(**_COMPACT)
    texts = legend.get_texts()
    size = texts[0].get_fontsize()
    column = size * (0.55 * max(len(text.get_text()) for text in texts) + 3.0)  # the last needs no space beside it
    down = ax.transAxes + ScaledTranslation(0, -room / 72, ax.figure.dpi_scale_trans)
    place = dict(loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=down, borderaxespad=0.0, frameon=False)
    ax.legend(ncols=max(1, min(len(texts), int((72 * _width(ax) + size) / column))), **_COMPACT, **place)
