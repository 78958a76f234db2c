"""The pictures themselves."""

import textwrap
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kdtheory import asymptotics, claims, measures
from kdtheory._checks import Number, Numbers, as_data, as_direction, as_number, as_real, as_spectrum
from kdtheory.plots._looks import (
    _LINES,
    _VERDICTS,
    BLACK,
    BLUE,
    GREY,
    SKY,
    VERMILLION,
    _banded,
    _check_axes,
    _clock_of,
    _coloured,
    _directions,
    _known,
    _legend,
    _listed,
    _lone,
    _marked,
    _numbered,
    _palette,
    _paths,
    _runs,
    _several,
    _shared,
    _sparse,
    _style,
    _width,
    _with,
)
from kdtheory.problems import Eigensystem
from kdtheory.trajectories import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import DataArray


def convergence(
    ax: "Axes",
    *trajectories: Trajectory | Sequence[Trajectory],
    directions: Sequence[int] = (0, 4, 9),
    labels: Sequence[str] = ("teacher", "student"),
    matched_on: int | None = None,
    marks: str | None = None,
    isotonic: bool = False,
    colours: Sequence[str] | None = None,
    linestyles: Sequence[str] = _LINES,
    legend: bool | str = True,
    **line: Any,
) -> "Axes":
    """Progress along chosen eigendirections in training: colour is the direction, line style the trajectory.

    Against the clock; or, with `matched_on`, against matched time: the first trajectory is the teacher's, and
    every other is drawn against the teacher's clock at which the teacher had made the same progress on the
    direction `matched_on`. There the curves of that direction coincide, and exaggerated bias is that the
    student's lie below the teacher's on smaller eigenvalues. `isotonic` smooths noisy runs for the matching, as in
    `measures.progress_at`.

    `trajectories` are those of paths, with progress (T, K), and one of `labels` each. A list of them, or one with an
    axis of runs in front, is drawn as the mean with a band, its interval of `confidence.mean_interval`; students of
    such teachers are matched each with its own. `marks` draws sparse markers instead of lines, and is their name in
    the legend.

    `colours` go to the directions in turn (those of `axes.prop_cycle` if that was set, else of the library; one that is
    on the axes already keeps its own) and `linestyles` to the trajectories; `line` goes to `ax.plot`. `legend` is True,
    False, or "outside" for one below the axes; handles for one of your own are on the axes in any case.

    Raises ValueError for a trajectory of a single moment or without a label, and for runs of a band whose clocks
    differ. Warns when a direction shares its eigenvalue, and so its progress, with others.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> learners = path, kd.distill(kd.GradientFlow(5.0), path)
    >>> teacher, student = (kd.closed_form(learner, [1.0, 0.1]) for learner in learners)
    >>> ax = kd.plots.convergence(Figure().subplots(), teacher, student, directions=[0, 1])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['direction 0, λ = 1', 'direction 1, λ = 0.1', 'teacher', 'student']
    """
    groups = _paths(trajectories, labels)
    palette, teachers = _palette(colours), groups[0]
    directions = _several(dict.fromkeys(_numbered(directions, teachers[0])), "directions")
    matched_on = None if matched_on is None else as_direction(matched_on, len(teachers[0].eigenvalues))
    _shared(teachers[0], directions if matched_on is None else (*directions, matched_on))
    _check_axes(ax)
    several = any(len(runs) > 1 for runs in groups)
    named = _directions(teachers[0], directions, palette, ax.lines if colours is None else ())
    for number, runs in enumerate(groups):
        clock = _clock_of(runs)
        progress = np.stack([np.asarray(run.progress) for run in runs])  # (S, T, K)
        if number and matched_on is not None and several:
            clock = _clock_of(teachers)
            progress = np.stack(_listed(measures.matched_progress(teachers, runs, matched_on, isotonic=isotonic)))
        elif number and matched_on is not None:
            clock = measures.matched_clock(teachers[0], runs[0], matched_on, isotonic=isotonic)
        order = np.argsort(clock, kind="stable")
        started = order[(clock[order] > 0) & np.isfinite(clock[order])]  # the axis is logarithmic
        if not started.size and np.isfinite(clock).any():
            raise ValueError(
                f"no moment of trajectory {number} is after clock zero, where the logarithmic axis begins; give more"
            )
        for k, look in zip(directions, named.values(), strict=True):
            style = look | _style(number, marks, linestyles) | line
            _banded(ax, clock[started], progress[:, started, k], style)
    unit, when = ("", "moment") if teachers[0].counted else ("  [1/λ]", "clock")
    name = f"{when}{unit}" if matched_on is None else f"teacher's {when}{unit}\nmatched on direction {matched_on}"
    ax.set(xscale="log", xlabel=name, ylabel="progress\n[of the target]")
    _sparse(ax.xaxis)
    styles = [_style(number, None, linestyles) for number in range(len(groups))]
    entries = named | _runs(styles, labels) | _marked(marks)
    return _legend(ax, _with(line, entries), legend)


def exaggeration(
    ax: "Axes",
    teacher: Trajectory | Sequence[Trajectory],
    student: Trajectory | Sequence[Trajectory],
    level: float = 0.5,
    lead: int = 0,
    directions: Sequence[int] = (),
    marks: str | None = None,
    isotonic: bool = False,
    colours: Sequence[str] | None = None,
    legend: bool | str = True,
    **line: Any,
) -> "Axes":
    """How far the student lags along every direction when both have learnt the fraction `level` of `lead`: 1
    − ρ.

    ρ is the student's progress over the teacher's, drawn against the eigenvalue. Zero is no exaggeration, as
    on `lead` itself; one is a student that has learnt nothing. `teacher` and `student` are trajectories of
    paths, with progress (T, K), or several, of which the mean is drawn with its interval. `directions` are picked out
    in the colours that `convergence` gives them; for the rest and errors see there.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> learners = path, kd.distill(kd.GradientFlow(5.0), path)
    >>> teacher, student = (kd.closed_form(learner, [1.0, 0.1]) for learner in learners)
    >>> ax = kd.plots.exaggeration(Figure().subplots(), teacher, student)
    >>> ax.lines[0].get_ydata()[1].round(1).item()
    0.6
    """
    (first, *_), _ = _paths((teacher, student))
    directions, lead = _numbered(directions, first), as_direction(lead, len(first.eigenvalues))
    _shared(first, (*directions, lead))
    eigenvalues = np.asarray(first.eigenvalues)
    lag = measures.observed_exaggeration(teacher, student, level, lead, isotonic=isotonic)
    lags = lag.reshape(-1, len(eigenvalues))
    read = np.isfinite(lags[:, lead])
    if not read.all():
        some = f"{int(read.sum())} of {len(read)} pairs of runs, which are" if len(read) > 1 else "no run: nothing is"
        warnings.warn(f"level {level:g} of direction {lead} can be read in {some} drawn", stacklevel=2)
        lags = lags[read] if read.any() else lags[:1]
    _check_axes(ax)
    _banded(ax, eigenvalues, lags, dict(color=GREY) | _style(0 if marks is None else 1, marks) | line)
    for k, color in _coloured(directions, _palette(colours)):
        ax.plot(eigenvalues[k], lags[:, k].mean(), color=color, marker="o", linestyle="none")
    ax.set(xscale="log", xlabel="eigenvalue λ", ylabel="exaggeration  1 − ρ")
    _sparse(ax.xaxis)
    return _legend(ax, _with(line, _marked(marks, 1)), legend)


def eigenspace(
    ax: "Axes",
    *trajectories: Trajectory | Sequence[Trajectory],
    x: int = 0,
    y: int = 1,
    labels: Sequence[str] = ("teacher", "student"),
    marks: str | None = None,
    colours: Sequence[str] | None = None,
    linestyles: Sequence[str] = _LINES,
    legend: bool | str = True,
    **line: Any,
) -> "Axes":
    """Training as a curve in the plane of two eigendirections: progress along `y` against progress along `x`.

    The target is at (1, 1). With x the larger eigenvalue a curve runs below the diagonal, on which all
    directions are learnt at one speed; exaggerated bias is that the student's runs below its teacher's.
    `trajectories` are those of paths, with progress (T, K), and one of `labels` each; of several runs each is a thin
    line. For the rest, errors and warnings see `convergence`.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> path = kd.GradientFlow(jnp.geomspace(0.1, 100.0, 50))
    >>> learners = path, kd.distill(kd.GradientFlow(5.0), path)
    >>> teacher, student = (kd.closed_form(learner, [1.0, 0.1]) for learner in learners)
    >>> kd.plots.eigenspace(Figure().subplots(), teacher, student).get_xlabel()
    'progress along direction 0, λ = 1'
    """
    groups, palette = _paths(trajectories, labels), _palette(colours)
    x, y = _numbered((x, y), groups[0][0])
    _shared(groups[0][0], (x, y))
    _check_axes(ax)
    for number, (runs, color) in enumerate(_coloured(groups, palette)):
        for run in runs:
            progress, thin = np.asarray(run.progress), dict(linewidth=0.6) if len(runs) > 1 else {}
            style = dict(color=color) | _style(number, marks, linestyles) | thin | line
            ax.plot(progress[:, x], progress[:, y], **_lone(progress[:, y], style))
    diagonal = dict(color=GREY, linewidth=0.8, zorder=0)
    target = dict(color=BLACK, linestyle="none", marker="*", markersize=11)
    if "target" not in _known(ax):
        ax.plot([0, 1], [0, 1], **diagonal)
        ax.plot([1], [1], clip_on=False, **target)
    λ = np.asarray(groups[0][0].eigenvalues)
    ax.set_xlabel(f"progress along direction {x}, λ = {λ[x]:.3g}")
    ax.set_ylabel(f"progress along\ndirection {y}, λ = {λ[y]:.3g}")
    styles = [_style(number, None, linestyles) for number in range(len(groups))]
    entries = _with(line, _runs(styles, labels, palette) | _marked(marks))
    return _legend(ax, entries | {"target": target, "equal speed": diagonal}, legend)


def confidence(
    ax: "Axes",
    teacher_logits: Numbers,
    student_logits: Numbers,
    scale: Number = 1.0,
    color: str = SKY,
    legend: bool | str = True,
    **marker: Any,
) -> "Axes":
    """The student's confidence against its teacher's, one point for each row: the picture of the seed paper.

    `teacher_logits` and `student_logits` are (N, C); a point is the logit of the teacher's top class, log p/(1 - p), in
    both, as in `confidence.top_class`. On the diagonal both are equally sure. The line is the least-squares fit, whose
    slope above one says that the student exaggerates: it is surer where its teacher was sure, and less where not. The
    student's logits are multiplied by `scale` first, such as that of `confidence.matching_scale`. `marker` goes to
    `ax.plot`; for `legend` see `convergence`.

    Raises ValueError where the two differ in shape, or are not (N, C) with two classes or more, or not finite.

    >>> import numpy as np, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> logits = np.random.default_rng(0).normal(size=(50, 3))
    >>> ax = kd.plots.confidence(Figure().subplots(), logits, 2 * logits)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['fit, slope 1.95', 'equal confidence']
    """
    both = {
        name: as_data(logits, f"{name}_logits", ranks=(2,))
        for name, logits in dict(teacher=teacher_logits, student=student_logits).items()
    }
    scaled = as_data(both["student"] * as_number(scale, "scale"), "student_logits times scale", ranks=(2,))
    x, y = map(np.asarray, measures.confidence.top_class(both["teacher"], scaled))
    fit = measures.confidence.of_points(x, y)
    _check_axes(ax)
    many = dict(marker=".", markersize=4 if len(x) < 500 else 2, alpha=0.5, rasterized=len(x) > 2000)
    edge = {} if "marker" in marker else dict(markeredgewidth=0)  # a cross is all edge
    ax.plot(x, y, color=color, linestyle="none", **many | edge | marker)
    ends = np.array([x.min(), x.max()])
    everywhere = np.array([min(x.min(), y.min()), max(x.max(), y.max())])
    line = dict(color=VERMILLION), dict(color=GREY, linewidth=0.8, zorder=0)
    entries = {}
    if np.isfinite(fit.slope):  # else every teacher's confidence is the same, and no line fits best
        ax.plot(ends, fit.intercept + fit.slope * ends, **line[0])
        entries = {f"fit, slope {fit.slope:.2f}": line[0]}
    ax.plot(everywhere, everywhere, **line[1])
    ax.set(xlabel="teacher's confidence\nlogit of its top class", ylabel="student's confidence\nlogit of that class")
    return _legend(ax, entries | {"equal confidence": line[1]}, legend)


def spectrum(ax: "Axes", eigenvalues: Numbers | Eigensystem, legend: bool | str = True, **line: Any) -> "Axes":
    """Eigenvalues against their direction, on logarithmic axes, where a power law is a line.

    Directions are numbered from 0, as everywhere; on the logarithmic axis direction k stands at k + 1. `eigenvalues`
    (K,) are drawn as they are. Those of an `Eigensystem` are drawn as shares of their sum, beside the shares of the
    targets: how much of |y|² lies along each direction. `line` goes to `ax.plot`; for `legend` see `convergence`.

    >>> import kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> kd.plots.spectrum(Figure().subplots(), kd.spectra.power_law(10)).get_ylabel()
    'eigenvalue λ'
    """
    from matplotlib.ticker import FuncFormatter

    _check_axes(ax)
    few = lambda: ax.get_xlim()[1] < 10 and ax.get_xlim()[0] > 0.5
    ax.set(xscale="log", yscale="log", xlabel="direction")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at - 1:.0f}" if at >= 1 else ""))
    ax.xaxis.set_minor_formatter(FuncFormatter(lambda at, _: f"{at - 1:.0f}" if few() and 1 <= at <= 6 else ""))
    _sparse(ax.yaxis)
    if not isinstance(eigenvalues, Eigensystem):
        λ = np.asarray(as_spectrum(eigenvalues))
        λ = np.where(λ > 0, λ, np.nan)  # zero has no place on a logarithmic axis
        ax.plot(np.arange(1, len(λ) + 1), λ, **_lone(λ, dict(color=BLUE) | line))
        ax.set_ylabel("eigenvalue λ")
        return ax
    λ, target = np.asarray(eigenvalues.eigenvalues), np.asarray(eigenvalues.target)
    at = np.arange(1, len(λ) + 1)
    size = np.max(np.abs(target)) or 1.0  # whose square may leave the range of floats
    signal = λ * np.sum((target.reshape(len(λ), -1) / size) ** 2, axis=1)
    seen = 1 - float(eigenvalues.unseen)
    of_targets = dict(color=VERMILLION, marker=".", linestyle="none", label="of the targets")
    ax.plot(at, seen * signal / (signal.sum() or np.nan), **of_targets)
    ax.plot(at, λ / λ.sum(), **_lone(λ, dict(color=BLUE, label="of the features, λ / Σλ") | line))
    ax.set_ylabel("share of the direction")
    return _legend(ax, {}, legend)


def risk(
    ax: "Axes",
    risk: measures.Risk | asymptotics.Risk,
    clock: Numbers,
    observed: Numbers | None = None,
    legend: bool | str = True,
) -> "Axes":
    """Bias, variance and their sum against the clock of a learner, on logarithmic axes.

    `risk` is that of a path, from `measures.risk`, whose directions are summed, or from `asymptotics.risk`; `clock`
    (T,) holds its moments. `observed` (T,), such as errors of runs on data, are dots. For `legend` see `convergence`.
    Raises ValueError for a risk that has not one entry for each moment.

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> times = jnp.geomspace(0.1, 1e3, 50)
    >>> seen = kd.measures.risk(kd.GradientFlow(times), kd.spectra.power_law(20), 1.0, 1e-3)
    >>> kd.plots.risk(Figure().subplots(), seen, times).get_ylabel()
    'expected squared error'
    """
    if not hasattr(risk, "bias"):
        raise TypeError(f"risk must be that of measures.risk or of asymptotics.risk, got {risk!r}")
    parts = {"bias": np.asarray(risk.bias), "variance": np.asarray(risk.variance)}
    if isinstance(risk, measures.Risk):
        parts = {name: part.sum(axis=-1) for name, part in parts.items()}
    clock = np.asarray(as_real(clock, "clock"))
    observed = None if observed is None else np.asarray(as_real(observed, "observed"))
    for name, values in {**parts, "observed": parts["bias"] if observed is None else observed}.items():
        if clock.ndim != 1 or values.shape != clock.shape:
            raise ValueError(f"clock has shape {clock.shape} and {name} {values.shape}: one entry for each moment")
    if not np.any(clock > 0):
        raise ValueError("no moment of clock is after zero, where the logarithmic axis begins; give more")
    _check_axes(ax)
    ax.set(xscale="log", yscale="log", xlabel="clock  [1/λ]", ylabel="expected squared error")
    for axis in ax.xaxis, ax.yaxis:
        _sparse(axis)
    total = parts["bias"] + parts["variance"]
    ax.plot(clock, total, **_lone(total, dict(color=BLACK, label="bias + variance")))
    for (name, part), color, dashes in zip(parts.items(), (BLUE, VERMILLION), ("--", ":"), strict=True):
        ax.plot(clock, part, **_lone(part, dict(color=color, linestyle=dashes, label=name)))
    if observed is not None:
        ax.plot(clock, observed, color=BLACK, marker="o", markersize=4, linestyle="none", label="runs")
    least = 1e-3 * min(total[total > 0], default=0.0)
    if ax.dataLim.y0 < least:  # a part that vanishes would press the sum into a line
        ax.set_ylim(least, 3 * ax.dataLim.y1)
    return _legend(ax, {}, legend)


def margins(ax: "Axes", check: claims.Check) -> "Axes":
    """The signed margins of a Check, one mark per case in rising order, coloured by verdict.

    Where a claim holds, none is below zero. The axis is linear around zero and logarithmic beyond it, so that
    tiny margins keep their sign. The legend counts the cases of each verdict, those without a margin (NaN)
    too.
    """
    if not hasattr(check, "margins"):
        raise TypeError(f"check must be that of claim.check, practice or falsify; got {check!r}")
    _check_axes(ax)
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
        least = max(sizes.min(), 1e-16 * sizes.max(), 1e-300)
        least = 10.0 ** np.floor(np.log10(least))  # a label of less would overprint zero
        ax.set_yscale("symlog", linthresh=least, linscale=max(1.0, np.log10(sizes.max() / least) / 4))
        ax.locator_params(axis="y", numticks=6)  # labels of all powers would overprint
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(xlabel="cases, by margin", ylabel="margin")
    ax.set_title(_named(check).replace(" ", "\n", 1), **(dict(fontsize="small") if _width(ax) < 3.5 else {}))
    ax.legend()
    return ax


def _named(check):
    """The claim, and which hypothesis it was checked without."""
    return check.name if check.dropped is None else f"{check.name} without {check.dropped}"


def verdicts(figure: "Figure", checks: Iterable[claims.Check] | claims.Check, columns: int = 2) -> "Figure":
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

    if not hasattr(figure, "get_figwidth"):
        raise TypeError(f"figure must be one of matplotlib, such as ax.figure, got {type(figure).__name__}")
    checks = [checks] if isinstance(checks, claims.Check) else list(checks)
    if wrong := [each for each in checks if not hasattr(each, "verdicts")]:
        raise TypeError(f"checks must be those of claim.check, practice or falsify; got {wrong[0]!r}")
    lines = {}
    for check in checks:
        lanes = lines.setdefault(_named(check), {})
        number = f"{len(check.verdicts):,} {'on data' if check.lane == 'practice' else 'instances'}"
        lanes.setdefault(check.verdict, []).append(number)
    handles, letter, room = [], 0.55 * 7.5, 72 * figure.get_figwidth()  # in points, about
    for name, lanes in lines.items():
        worst = min(lanes, key=(claims.VIOLATED, claims.UNDECIDABLE, claims.HOLDS, claims.OUTSIDE).index)
        said = ", ".join(f"{verdict} ({', '.join(numbers)})" for verdict, numbers in lanes.items())
        text = textwrap.fill(f"{name}: {said}", int(room / letter) - 4)
        handles.append(Line2D([], [], color=_VERDICTS[worst], marker="o", linestyle="none", label=text))
    if handles:
        sizes = [letter * (len(handle.get_label()) + 4) for handle in handles]
        wide = lambda count: sum(max(column) for column in np.array_split(sizes, count))
        most = range(min(columns, len(handles)), 1, -1)
        columns = next((count for count in most if wide(count) <= room), 1)
        small = dict(fontsize=7.5, markerscale=0.7, handlelength=1.0, labelspacing=0.3, borderpad=0.0)
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, **small)
    return figure


def heat(ax: "Axes", table: "DataArray", center: float | None = None, **mesh: Any) -> "Axes":
    """A sweep over two axes as a map of colours, with its colour bar.

    `table` is a two-dimensional xarray.DataArray, such as a variable of what `sweep` returns; its first axis
    runs to the right, its second upwards. Axes that are spaced more evenly in their logarithm are drawn so.
    NaN is blank. With a `center`, such as 1 for ratios, what is below has another hue than what is above. `mesh` goes
    to `ax.pcolormesh`: `norm`, `vmin`, `vmax`, `cmap`.

    Raises TypeError for what is no DataArray, ValueError for one that has not two axes, each of finite numbers that
    rise or fall.

    >>> import kdtheory as kd
    >>> from matplotlib.figure import Figure
    >>> def learnt(eigenvalue, time):
    ...     return kd.GradientFlow(time).filter(eigenvalue)
    >>> table = kd.sweep(learnt, eigenvalue=[0.1, 0.2, 0.3], time=[1.0, 10.0, 100.0])
    >>> ax = kd.plots.heat(Figure().subplots(), table.learnt)
    >>> ax.get_xscale(), ax.get_yscale()
    ('linear', 'log')
    """
    if not hasattr(table, "dims") or hasattr(table, "data_vars"):
        names = f", such as table.{next(iter(table.data_vars))}" if getattr(table, "data_vars", None) else ""
        raise TypeError(
            f"table must be an xarray.DataArray, one variable of a sweep{names}; got {type(table).__name__}"
        )
    if table.ndim != 2:
        raise ValueError(
            f"table must have two axes, got {', '.join(map(str, table.dims)) or 'none'}; pick one value of each other"
            " axis by table.sel(name=value), or take its mean, table.mean(name)"
        )
    x, y = (_rising(np.asarray(table[name]), name) for name in table.dims)
    values = np.asarray(as_real(table.values, "table"), float)
    _check_axes(ax)
    style: dict[str, Any] = dict(cmap="cividis", rasterized=True)
    if center is not None:
        from matplotlib.colors import CenteredNorm

        as_number(center, "center")
        far = np.max(np.abs(values[np.isfinite(values)] - center), initial=0.0) or 1.0
        style |= dict(cmap="RdBu_r", norm=CenteredNorm(center, far))
    drawn = ax.pcolormesh(_edges(x), _edges(y), np.ma.masked_invalid(values).T, **style | mesh)
    across, up = (str(name).replace("_", " ") for name in table.dims)
    ax.set(xscale=_scale(x), yscale=_scale(y), xlabel=across, ylabel=up)
    for axis, scale in (ax.xaxis, ax.get_xscale()), (ax.yaxis, ax.get_yscale()):
        if scale == "log":
            _sparse(axis)
    ax.figure.colorbar(drawn, ax=ax, label=table.name)
    return ax


def _rising(points, name):
    """Coordinates of an axis of a map."""
    if not points.size or points.dtype.kind not in "iuf" or not np.isfinite(points).all():
        raise ValueError(f"the axis {name} must have finite numbers for coordinates, got {points.tolist()[:4]}")
    points = points.astype(float)  # whole numbers of few bits have no differences
    steps = np.diff(points)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(f"the axis {name} must rise or fall throughout; sort it by table.sortby({name!r})")
    return points


def _edges(points):
    """Of the cells around points, half-way between them on the axis as it is drawn."""
    if _scale(points) == "log":
        return np.exp(_between(np.log(points)))
    return _between(points)


def _between(points):
    if len(points) == 1:
        return points + np.array([-0.5, 0.5])
    middle = (points[1:] + points[:-1]) / 2
    return np.concatenate([[2 * points[0] - middle[0]], middle, [2 * points[-1] - middle[-1]]])


def _scale(points):
    """Logarithmic where the ratios of neighbours are more nearly equal than their differences."""
    if len(points) < 3 or points.min() <= 0:
        return "linear"
    even, geometric = (np.ptp(np.diff(p)) / abs(np.diff(p).mean()) for p in (points, np.log(points)))
    return "log" if geometric < even else "linear"
