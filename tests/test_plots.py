"""Plots show what the trajectories hold, and importing the library does not import matplotlib."""

import dataclasses
import itertools
import subprocess
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import kdtheory as kd
from kdtheory.claims import HOLDS, OUTSIDE, UNDECIDABLE, VIOLATED

EIGENVALUES = np.array([1.0, 0.4, 0.1])
TEACHER_TIME = 3.0
CLOCK = np.concatenate([[0.0], np.geomspace(0.01, 30.0, 60)])


@pytest.fixture(scope="module")
def runs():
    path = kd.GradientFlow(CLOCK)
    return [kd.closed_form(learner, EIGENVALUES) for learner in (path, kd.distill(kd.GradientFlow(TEACHER_TIME), path))]


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax):
    return [line for line in ax.lines if len(line.get_xdata()) > 1]


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_convergence_draws_progress_against_the_clock(ax, runs):
    directions = [0, 2]
    assert kd.plots.convergence(ax, *runs, directions=directions) is ax
    for line, (run, k) in zip(drawn(ax), [(run, k) for run in runs for k in directions], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), CLOCK[1:])  # no zero on a logarithmic axis
        np.testing.assert_array_equal(line.get_ydata(), run.progress[1:, k])
    assert ax.get_xscale() == "log"


def test_colour_is_the_direction_and_style_the_trajectory(ax, runs):
    kd.plots.convergence(ax, *runs, directions=[0, 2])
    teacher_0, teacher_2, student_0, student_2 = drawn(ax)
    assert teacher_0.get_color() == student_0.get_color() != teacher_2.get_color() == student_2.get_color()
    assert [teacher_0.get_linestyle(), student_0.get_linestyle()] == ["-", "--"]


def test_in_matched_time_the_lead_coincides_and_lower_directions_lag(ax, runs):
    kd.plots.convergence(ax, *runs, directions=[0, 1, 2], matched_on=0)
    lead, *lower = drawn(ax)[3:]
    clock = lead.get_xdata()
    reached = np.isfinite(clock)
    assert reached.sum() > 30 and np.nanmax(clock) <= TEACHER_TIME * (1 + 1e-9)
    np.testing.assert_allclose(lead.get_ydata()[reached], -np.expm1(-clock[reached]), atol=1e-12)
    for line, eigenvalue in zip(lower, EIGENVALUES[1:], strict=True):
        teacher = -np.expm1(-eigenvalue * clock[reached])
        assert np.all(line.get_ydata()[reached] < teacher * (1 + 1e-9))
        assert line.get_ydata()[reached][30] < 0.9 * teacher[30]


def test_marks_lay_the_loop_over_theory_under_one_name(ax, runs):
    kd.plots.convergence(ax, *runs, directions=[0])
    kd.plots.convergence(ax, *runs, directions=[0], marks="loop")
    lines, marks = drawn(ax)[:2], drawn(ax)[2:]
    for line, mark in zip(lines, marks, strict=True):
        assert mark.get_linestyle() == "None" and mark.get_marker() == "o" and mark.get_color() == line.get_color()
        np.testing.assert_array_equal(mark.get_xydata(), line.get_xydata())
    assert names(ax) == ["direction 0, λ = 1", "teacher", "student", "loop"]


def test_a_direction_keeps_its_colour_on_its_axes(ax, runs):
    kd.plots.convergence(ax, *runs, directions=[0, 2])
    kd.plots.convergence(ax, *runs, directions=[2, 2], marks="loop")
    *_, line, mark_of_teacher, mark_of_student = drawn(ax)
    assert len(drawn(ax)) == 6 and line.get_color() == mark_of_teacher.get_color() == mark_of_student.get_color()


def test_grouped_directions_are_named_in_a_warning(ax):
    path = kd.GradientFlow(jnp.array([1.0, 2.0]))
    run = kd.closed_form(path, [1.0, 0.5, 0.5, 0.1])
    with pytest.warns(UserWarning, match="direction 2 shares its eigenvalue with others, from 1 to 2"):
        kd.plots.convergence(ax, run, directions=[0, 2])
    kd.plots.convergence(ax, run, directions=[0, 3])  # no warning


@pytest.mark.parametrize("plot", [kd.plots.convergence, kd.plots.eigenspace])
def test_a_single_moment_or_a_missing_label_is_refused(ax, plot):
    moment = kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5])
    with pytest.raises(ValueError, match="single moment"):
        plot(ax, moment, moment)
    with pytest.raises(ValueError, match="labels names 1 of the 2 trajectories"):
        plot(ax, moment, moment, labels=["teacher"])


def test_eigenspace_draws_one_direction_against_another(ax, runs):
    kd.plots.eigenspace(ax, *runs, x=0, y=2)
    teacher, student = drawn(ax)[:2]
    for line, run in zip((teacher, student), runs, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), run.progress[:, jnp.array([0, 2])])
    at_equal_x = np.interp(student.get_xdata(), teacher.get_xdata(), teacher.get_ydata())
    assert np.all(student.get_ydata()[1:] < at_equal_x[1:])
    assert names(ax) == ["teacher", "student", "target", "equal speed"]


def test_exaggeration_is_that_of_the_formula(ax, runs):
    def g(x):
        return 1 - (1 - x) ** (EIGENVALUES / EIGENVALUES[0])

    kd.plots.exaggeration(ax, *runs, level=0.5, directions=[2])
    every, one = ax.lines
    teacher = 1 - np.exp(-EIGENVALUES[0] * TEACHER_TIME)
    expected = 1 - g(0.5 / teacher) * g(teacher) / g(0.5)
    np.testing.assert_allclose(every.get_xdata(), EIGENVALUES)
    np.testing.assert_allclose(every.get_ydata(), expected, atol=1e-3)  # read between saved moments
    np.testing.assert_allclose(one.get_ydata(), expected[2], atol=1e-3)


def test_spectrum_of_eigenvalues(ax):
    kd.plots.spectrum(ax, EIGENVALUES)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([[1, 2, 3], EIGENVALUES]))


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_spectrum_of_a_problem_shows_the_share_of_its_targets(ax, outputs):
    rng = np.random.default_rng(0)
    problem = kd.problems.linear(rng.normal(size=(20, 4)), rng.normal(size=(20, *outputs)))
    eigensystem = problem.eigensystem()
    kd.plots.spectrum(ax, eigensystem)
    targets, features = (line.get_ydata() for line in ax.lines)
    components = np.reshape(eigensystem.samples_basis.T @ problem.targets, (4, -1))
    np.testing.assert_allclose(targets, np.sum(components**2, axis=1) / np.sum(problem.targets**2))
    np.testing.assert_allclose(features.sum(), 1)


def test_margins_are_sorted_coloured_and_counted(ax):
    margins = np.array([2.0, -1e-9, np.nan, 1e-3, 5.0])
    verdicts = np.array([HOLDS, VIOLATED, UNDECIDABLE, HOLDS, OUTSIDE])
    counts = {HOLDS: 2, VIOLATED: 1, UNDECIDABLE: 1, OUTSIDE: 1}
    check = SimpleNamespace(name="a claim", dropped=None, margins=margins, verdicts=verdicts, counts=counts)
    kd.plots.margins(ax, check)
    assert names(ax) == ["holds (2)", "violated (1)", "undecidable (1)", "outside hypotheses (1)"]
    holds, violated = ax.lines[:2]
    np.testing.assert_array_equal(holds.get_xydata(), [[2, 2.0], [1, 1e-3]])
    np.testing.assert_array_equal(violated.get_xydata(), [[0, -1e-9]])
    assert to_hex(violated.get_color()).upper() == kd.plots.VERMILLION
    assert ax.get_yscale() == "symlog"


def test_verdicts_say_what_was_violated_and_where():
    figure = Figure(layout="constrained")
    judged = lambda lane, *verdicts: SimpleNamespace(
        name="a_claim", lane=lane, dropped=None, verdict=verdicts[0], verdicts=np.array(verdicts)
    )
    kd.plots.verdicts(figure, [judged("theory", HOLDS, HOLDS), judged("practice", VIOLATED)])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a_claim: holds (2 instances), violated (1 on data)"]
    assert legend.legend_handles[0].get_color() == kd.plots.VERMILLION
    assert not kd.plots.verdicts(Figure(), []).legends


def test_heat_maps_the_first_axis_to_the_right(ax):
    def product(a, b):
        return jnp.where(b > 50, jnp.nan, a * b)

    table = kd.sweep(product, a=[1.0, 2.0, 3.0], b=[1.0, 10.0, 100.0, 1000.0]).product
    kd.plots.heat(ax, table)
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array().filled(np.nan), table.values.T)
    assert (ax.get_xlabel(), ax.get_xscale(), ax.get_ylabel(), ax.get_yscale()) == ("a", "linear", "b", "log")
    assert ax.figure.axes[1].get_ylabel() == "product"


@pytest.mark.parametrize("number, text", [(3e-8, "1e-7"), (1e-7, "1e-7"), (3e-15, "1e-12"), (0.2, "1e0")])
def test_above_is_the_next_power_of_ten(number, text):
    assert kd.plots.above(number) == text


def test_the_library_imports_matplotlib_only_to_draw_and_never_pyplot():
    code = """
import sys, kdtheory as kd
heavy = [name for name in ("matplotlib", "xarray", "sklearn", "mlxtend", "tqdm") if name in sys.modules]
assert not heavy, heavy
kd.compare([[1.0, 0.0], [0.0, 0.5]], [1.0, 1.0]).figure
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Several runs, styles and legends.


@pytest.fixture(scope="module")
def seeds():
    """Teachers and students of four seeds, noisy."""
    problem = kd.problems.with_spectrum(0, EIGENVALUES, samples=30, noise=0.1)
    system, path = problem.eigensystem(), np.arange(0, 200, 4)
    noisy = lambda seed: kd.StochasticDescent(0.1, 6, seed, path)
    teachers = [kd.simulate(noisy(seed), problem, system) for seed in range(4)]
    stopped = kd.GradientDescent(0.1, 60)
    return teachers, [kd.simulate(kd.distill(stopped, noisy(seed)), problem, system) for seed in range(10, 14)]


def bands(ax):
    return [np.asarray(band.get_paths()[0].vertices) for band in ax.collections]


def test_several_runs_are_a_mean_with_its_interval(ax, seeds):
    kd.plots.convergence(ax, *seeds, directions=[0, 2])
    lines, values = drawn(ax), np.stack([run.progress for run in seeds[1]])[:, 1:, 2]
    assert len(lines) == len(bands(ax)) == 4
    np.testing.assert_allclose(lines[3].get_ydata(), values.mean(axis=0), atol=1e-12)
    import scipy.stats as stats

    low, high = stats.t.interval(0.95, 3, values.mean(axis=0), stats.sem(values, axis=0))
    band = bands(ax)[3]
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [low.min(), high.max()], atol=1e-12)
    clock = np.asarray(seeds[0][0].clock)
    log = kd.Trajectory(
        seeds[0][0].eigenvalues,
        jnp.stack([run.coordinates for run in seeds[0]]),
        seeds[0][0].target,
        jnp.broadcast_to(clock, (4, len(clock))),
        seeds[0][0].spaces,
    )
    other = kd.plots.convergence(Figure().subplots(), log, directions=[0])  # an axis of runs in front is the same
    np.testing.assert_array_equal(drawn(other)[0].get_xydata(), lines[0].get_xydata())


def test_several_runs_in_matched_time(ax, seeds):
    kd.plots.convergence(ax, *seeds, directions=[0, 2], matched_on=0, isotonic=True)
    lines = drawn(ax)
    expected = kd.measures.matched_progress(*seeds, isotonic=True)
    assert expected.shape == (4, 50, 3)
    np.testing.assert_array_equal(lines[3].get_ydata(), expected[:, 1:, 2].mean(axis=0))
    np.testing.assert_array_equal(lines[3].get_xdata(), seeds[0][0].clock[1:])
    with pytest.warns(UserWarning, match="progress of 4 of 4 runs of the (teacher|student) along direction 0 is not"):
        kd.plots.convergence(Figure().subplots(), *seeds, directions=[0], matched_on=0)
    with pytest.raises(ValueError, match="drawn as one band must have the same clock"):
        kd.plots.convergence(ax, [seeds[0][0], seeds[0][1][::2]], directions=[0])


def test_matched_progress_is_the_inverse_of_matched_clock(runs):
    teacher, student = runs
    seen = kd.measures.matched_progress(teacher, student)
    inside = (CLOCK > 0) & (CLOCK < 0.9 * TEACHER_TIME)
    later = kd.measures.matched_time(1.0, CLOCK[inside], TEACHER_TIME)
    expected = -np.expm1(-np.outer(later, EIGENVALUES)) * -np.expm1(-TEACHER_TIME * EIGENVALUES)
    np.testing.assert_allclose(seen[inside], expected, rtol=2e-3)  # of 60 moments, 15 % apart
    assert np.isnan(seen[CLOCK > TEACHER_TIME]).all()


def test_exaggeration_of_several_runs(ax, seeds):
    kd.plots.exaggeration(ax, *seeds, directions=[2], isotonic=True)
    lags = kd.measures.observed_exaggeration(*seeds, 0.5, isotonic=True)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), lags.mean(axis=0))
    np.testing.assert_allclose(ax.lines[1].get_ydata(), lags[:, 2].mean())
    assert len(bands(ax)) == 1
    with pytest.warns(UserWarning, match="level 0.99 of direction 0 can be read in no run: nothing is drawn"):
        kd.plots.exaggeration(Figure().subplots(), seeds[0][0][:9], seeds[1][0][:9], level=0.99, isotonic=True)


def test_styles_are_those_that_are_asked_for(ax, runs):
    kd.plots.convergence(ax, *runs, directions=[0, 2], colours=["red", "k"], linestyles=[":", "-"], linewidth=3.0)
    a, b, c, d = drawn(ax)
    assert [line.get_color() for line in (a, b, c, d)] == ["red", "k"] * 2
    assert [line.get_linestyle() for line in (a, d)] == [":", "-"] and a.get_linewidth() == 3.0
    legend = ax.get_legend().legend_handles
    assert [handle.get_color() for handle in legend[:2]] == ["red", "k"]
    assert legend[2].get_linestyle() == ":" and legend[0].get_linewidth() == 3.0
    kd.plots.eigenspace(other := Figure().subplots(), *runs, y=2, colours=["red", "k"], alpha=0.5)
    assert [line.get_color() for line in drawn(other)[:2]] == ["red", "k"] and drawn(other)[0].get_alpha() == 0.5


def test_the_sessions_colours_are_respected(runs):
    import matplotlib
    from cycler import cycler

    with matplotlib.rc_context({"axes.prop_cycle": cycler(color=["m", "c"])}):
        ax = kd.plots.convergence(Figure().subplots(), runs[0], directions=[0, 1, 2])
    assert [line.get_color() for line in drawn(ax)] == ["m", "c", "m"]
    ax = kd.plots.convergence(Figure().subplots(), runs[0], directions=[0])
    assert drawn(ax)[0].get_color() == kd.plots.BLUE


@pytest.mark.parametrize("width", [3.3, 7.0])
def test_a_legend_outside_covers_nothing(runs, width):
    figure = Figure(figsize=(width, 3.3), layout="constrained")
    ax = kd.plots.convergence(figure.subplots(), *runs, directions=[0, 1, 2], matched_on=0, legend="outside")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    legend, page = ax.get_legend().get_window_extent(renderer), figure.bbox
    assert not legend.overlaps(ax.bbox) and not legend.overlaps(ax.xaxis.get_tightbbox(renderer))
    assert page.x0 <= legend.x0 and legend.x1 <= page.x1 and page.y0 <= legend.y0
    assert ax.bbox.height > 0.3 * page.height
    assert names(ax)[-1] == "student"


def test_legends_on_and_off(runs):
    ax = kd.plots.convergence(Figure().subplots(), *runs, directions=[0], legend=False)
    assert ax.get_legend() is None
    assert ax.get_legend_handles_labels()[1] == ["direction 0, λ = 1", "teacher", "student"]
    with pytest.raises(ValueError, match="legend must be True, False or \"outside\", got 'right'"):
        kd.plots.convergence(ax, *runs, directions=[0], legend="right")


def test_an_axis_is_named_by_what_is_known():
    problem = kd.problems.with_spectrum(0, [1.0, 0.5])
    log = np.asarray(problem.predict(kd.GradientDescent(0.5, np.arange(5)).fit(problem)))
    rows, clock = kd.project(problem, predictions=log), kd.project(problem, predictions=log, clock=0.5 * np.arange(5))
    draw = lambda run, **how: kd.plots.convergence(Figure().subplots(), run, directions=[0], **how).get_xlabel()
    assert draw(rows) == "moment" and draw(clock) == "clock  [1/λ]"
    assert draw(rows, matched_on=0) == "teacher's moment\nmatched on direction 0"
    assert draw(rows[1:]) == "moment"


def test_confidence_is_a_scatter_of_the_top_class(ax):
    random = np.random.default_rng(0)
    teacher = 2 * random.standard_normal((60, 4))
    student = 1.5 * teacher + 0.1 * random.standard_normal((60, 4))
    kd.plots.confidence(ax, teacher, student, markersize=3)
    points, fit, diagonal = drawn(ax)
    top = teacher.argmax(axis=1)
    logit = lambda z: (
        np.log(p := np.take_along_axis(np.exp(z) / np.exp(z).sum(1, keepdims=True), top[:, None], 1)) - np.log1p(-p)
    )
    np.testing.assert_allclose(points.get_xdata(), logit(teacher)[:, 0], rtol=1e-9)
    np.testing.assert_allclose(points.get_ydata(), logit(student)[:, 0], rtol=1e-9)
    slope, intercept = np.polyfit(points.get_xdata(), points.get_ydata(), 1)
    np.testing.assert_allclose(fit.get_ydata(), intercept + slope * fit.get_xdata(), rtol=1e-9)
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert names(ax) == [f"fit, slope {slope:.2f}", "equal confidence"] and points.get_markersize() == 3
    scaled = kd.plots.confidence(Figure().subplots(), teacher, student / 2, scale=2.0)
    np.testing.assert_allclose(drawn(scaled)[0].get_ydata(), points.get_ydata(), rtol=1e-12)
    with pytest.raises(ValueError, match=r"both logits must be \(N, C\) with C >= 2"):
        kd.plots.confidence(ax, teacher, student[:5])
    with pytest.raises(ValueError, match="student_logits has 1 non-finite values"):
        kd.plots.confidence(
            ax, teacher, np.where(np.arange(60)[:, None] == 7, np.where(np.arange(4) == 1, np.nan, student), student)
        )


def test_directions_are_numbered_from_zero_in_the_spectrum(ax):
    kd.plots.spectrum(ax, kd.spectra.power_law(200))
    label = ax.xaxis.get_major_formatter()
    assert [label(at, None) for at in (1.0, 10.0, 100.0)] == ["0", "9", "99"] and ax.get_xlabel() == "direction"


def test_risk_shows_what_adds_up(ax):
    times, λ = np.geomspace(0.1, 100, 7), np.array([1.0, 0.1])
    kd.plots.risk(ax, kd.measures.risk(kd.GradientFlow(times), λ, 1.0, 1e-2), times, observed=np.full(7, 0.5))
    total, bias, variance, runs = (line.get_ydata() for line in ax.lines)
    left = np.exp(-np.outer(times, λ))
    np.testing.assert_allclose(bias, (left**2 * λ).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(variance, 1e-2 * ((1 - left) ** 2).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(total, bias + variance)
    assert runs.tolist() == [0.5] * 7
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["bias + variance", "bias", "variance", "runs"]
    limit = kd.asymptotics.limit(λ, samples=20, noise=0.5)
    found = kd.asymptotics.risk(kd.GradientFlow(times), limit)
    kd.plots.risk(ax, found, times, legend=False)
    np.testing.assert_allclose(ax.lines[4].get_ydata(), found.total)
    with pytest.raises(ValueError, match=r"clock has shape \(3,\) and bias \(7,\): one entry for each moment"):
        kd.plots.risk(ax, found, times[:3])


def test_heat_says_what_it_wants(ax):
    xarray = pytest.importorskip("xarray")
    ratio = xarray.DataArray([[0.5, 1.0, np.nan], [2.0, 1.0, 1.5]], dict(a=[1.0, 2.0], b=[3.0, 2.0, 1.0]), name="ratio")
    kd.plots.heat(ax, ratio, center=1.0, alpha=0.9)
    mesh = ax.collections[0]
    assert mesh.norm(1.0) == 0.5 and mesh.norm(2.0) == 1.0 and mesh.get_alpha() == 0.9
    assert np.ma.getmaskarray(mesh.get_array()).sum() == 1
    kd.plots.heat(other := Figure().subplots(), ratio, vmin=0.0, vmax=3.0, cmap="viridis")
    assert other.collections[0].norm.vmax == 3.0
    for table, error, message in (
        (np.ones((2, 2)), TypeError, "table must be an xarray.DataArray, one variable of a sweep; got ndarray"),
        (ratio.to_dataset(), TypeError, "one variable of a sweep, such as table.ratio; got Dataset"),
        (ratio[0], ValueError, "table must have two axes, got b; pick one value"),
        (ratio.expand_dims("seed"), ValueError, "two axes, got seed, a, b; pick one value"),
        (ratio.assign_coords(a=["x", "y"]), ValueError, "the axis a must have finite numbers"),
        (
            ratio.assign_coords(b=[1.0, 3.0, 2.0]),
            ValueError,
            r"the axis b must rise or fall throughout; sort it by table.s",
        ),
    ):
        with pytest.raises(error, match=message):
            kd.plots.heat(ax, table)


def test_an_unsorted_log_is_drawn_in_the_order_of_its_clock(ax):
    problem = kd.problems.linear(np.diag([1.0, 2.0]), [1.0, 2.0])
    log = np.array([[0.9, 1.8], [0.1, 0.2], [0.5, 1.0]])
    kd.plots.convergence(ax, kd.project(problem, predictions=log, clock=[3, 1, 2]), directions=[0])
    clock, progress = ax.lines[0].get_data()
    assert clock.tolist() == [1, 2, 3]
    np.testing.assert_allclose(progress, [0.1, 0.5, 0.9])


def test_a_single_point_can_be_seen():
    path, new = kd.GradientFlow([1.0, 2.0, 5.0]), lambda: Figure().subplots()
    one, two = kd.closed_form(path, [1.0]), kd.closed_form(path, [1.0, 0.5])
    for ax in (
        kd.plots.convergence(new(), two[:1], directions=[0]),
        kd.plots.exaggeration(new(), one, one, level=0.7),
        kd.plots.eigenspace(new(), two[:1]),
        kd.plots.spectrum(new(), [1.0]),
        kd.plots.risk(new(), kd.measures.risk(kd.GradientFlow([1.0]), [1.0], 1.0, 1.0), [1.0]),
    ):
        assert ax.lines[0].get_marker() == "o" and len(ax.lines[0].get_xdata()) == 1
    assert kd.plots.convergence(new(), two, directions=[0]).lines[0].get_marker() == "None"


def test_directions_may_be_counted_from_the_end(ax):
    run = kd.closed_form(kd.GradientFlow([0.5, 1.0, 2.0]), [1.0, 0.5, 0.1])
    kd.plots.convergence(ax, run, directions=[-1])
    assert "direction 2, λ = 0.1" in ax.get_legend_handles_labels()[1]
    assert kd.plots.eigenspace(Figure().subplots(), run, y=-1).get_ylabel().endswith("direction 2, λ = 0.1")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(directions=0), TypeError, r"directions must be a sequence of whole numbers, such as .*, got 0"),
        (dict(directions="01"), TypeError, "directions must be a sequence"),
        (dict(directions=[0], colours=[]), ValueError, "colours names none"),
        (dict(directions=[0], linestyles=()), ValueError, "linestyles names none"),
    ],
)
def test_what_convergence_refuses(ax, arguments, error, message):
    run = kd.closed_form(kd.GradientFlow([0.5, 1.0]), [1.0, 0.5])
    with pytest.raises(error, match=message):
        kd.plots.convergence(ax, run, **arguments)


def test_what_would_draw_nothing_is_refused(ax):
    run = kd.closed_form(kd.GradientFlow([0.0]), [1.0, 0.5])
    with pytest.raises(ValueError, match="no moment of trajectory 0 is after clock zero, where the logarithmic axis"):
        kd.plots.convergence(ax, run, directions=[0])
    for plot in kd.plots.convergence, kd.plots.eigenspace:
        with pytest.raises(ValueError, match="give at least one trajectory"):
            plot(ax)
    for eigenvalues in [], [1.0, -1.0], [1.0, np.nan], 3.0:
        with pytest.raises(ValueError, match="eigenvalues must be a non-empty sequence of finite numbers >= 0"):
            kd.plots.spectrum(ax, eigenvalues)
    with pytest.raises(ValueError, match="scale must be a number, got nan"):
        kd.plots.confidence(ax, np.eye(2), np.eye(2), scale=np.nan)
    with pytest.raises(TypeError, match=r"risk must be that of measures\.risk"):
        kd.plots.risk(ax, 3.0, [1.0])


def test_one_line_style_is_that_of_all(ax):
    run = kd.closed_form(kd.GradientFlow([0.5, 1.0]), [1.0, 0.5])
    kd.plots.convergence(ax, run, run, directions=[0], linestyles="--")
    assert {line.get_linestyle() for line in ax.lines[:2]} == {"--"}


def test_a_slope_that_is_none_is_not_named(ax):
    kd.plots.confidence(ax, [[1.0, 0.0]], [[2.0, 0.0]])
    assert ax.get_legend_handles_labels()[1] == ["equal confidence"]


def test_few_directions_are_numbered(ax):
    kd.plots.spectrum(ax, [1.0, 0.5, 0.2, 0.0])  # the last has no place on a logarithmic axis
    ax.figure.draw_without_rendering()
    labels = [tick.label1.get_text() for tick in (*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks())]
    assert {"0", "1", "2"} <= set(labels)
    assert np.isnan(ax.lines[0].get_ydata()[3])


def test_a_bias_that_vanishes_leaves_room_for_the_sum(ax):
    times = np.geomspace(0.1, 1e3, 30)
    found = kd.measures.risk(kd.GradientFlow(times), [1.0, 0.5], 1.0, 1e-3)
    kd.plots.risk(ax, found, times)
    total = ax.lines[0].get_ydata()
    low, high = ax.get_ylim()
    assert min(total) / 2e3 < low < min(total) and max(total) < high < 10 * max(total)


def test_along_what_nobody_learns_exaggeration_is_nan_without_a_word():
    run = kd.closed_form(kd.GradientFlow([0.5, 1.0]), [1.0, 0.0])
    lag = kd.measures.observed_exaggeration(run, run, level=0.5)
    assert lag[0] == 0 and np.isnan(lag[1])


def test_each_cell_of_a_map_reaches_half_way_to_the_next(ax):
    """On the axis as it is drawn, also where there is one: nearest would leave a cell no room."""

    def product(a, b):
        return a * b

    table = kd.sweep(product, a=[2.0, 3.0, 4.0], b=[1.0, 10.0, 100.0]).product
    corners = kd.plots.heat(ax, table).collections[0].get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [1.5, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(corners[:, 0, 1], 10.0 ** np.array([-0.5, 0.5, 1.5, 2.5]))
    alone = kd.plots.heat(Figure().subplots(), table[:1]).collections[0].get_coordinates()
    np.testing.assert_allclose(alone[0, :, 0], [1.5, 2.5])


def test_a_map_is_of_real_numbers(ax):
    def product(a, b):
        return a * b

    table = kd.sweep(product, a=[2.0, 3.0], b=[1.0, 10.0]).product
    with pytest.raises(ValueError, match="center must be a number, got nan"):
        kd.plots.heat(ax, table, center=np.nan)
    with pytest.raises(TypeError, match="table must hold real numbers"):
        kd.plots.heat(ax, table * 1j)


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax, runs: kd.plots.convergence(ax, *runs, directions=[0]),
        lambda ax, runs: kd.plots.exaggeration(ax, *runs),
        lambda ax, runs: kd.plots.eigenspace(ax, *runs),
        lambda ax, runs: kd.plots.confidence(ax, np.eye(3), np.eye(3)),
        lambda ax, runs: kd.plots.spectrum(ax, EIGENVALUES),
        lambda ax, runs: kd.plots.risk(ax, kd.measures.risk(kd.GradientFlow(CLOCK), EIGENVALUES, 1.0, 0.1), CLOCK),
        lambda ax, runs: kd.plots.margins(ax, kd.theorems.ridge_semigroup.check(0, 5)),
        lambda ax, runs: kd.plots.heat(ax, kd.sweep(lambda x, y: x * y, x=[1.0, 2.0], y=[1.0, 2.0])["lambda"]),
    ],
)
def test_axes_are_asked_for(draw, runs):
    figure = Figure()
    axes = figure.subplots(1, 2)
    for given, said in (
        (axes, r"got an array of shape \(2,\); write one of them, such as ax\.flat\[0\]"),
        (figure, "got Figure: .*; write figure, ax = plt.subplots"),
        (None, "got NoneType: None; write"),
    ):
        with pytest.raises(TypeError, match=f"ax must be the axes to draw on, {said}"):
            draw(given, runs)
    draw(axes[0], runs)
    with pytest.raises(TypeError, match=r"figure must be one of matplotlib, such as ax\.figure, got Axes"):
        kd.plots.verdicts(axes[0], [])


def test_more_directions_than_colours_are_shades(ax):
    path = kd.closed_form(kd.GradientFlow(CLOCK), np.geomspace(1.0, 0.01, 10))
    kd.plots.convergence(ax, path, directions=range(10))
    colours = [to_hex(line.get_color()) for line in drawn(ax)]
    assert len(set(colours)) == 10
    dark = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in colours]
    assert dark[0] == min(dark) and dark[-1] == max(dark)
    kd.plots.exaggeration(other := Figure().subplots(), path, path, directions=range(10))
    assert [to_hex(line.get_color()) for line in other.lines[-10:]] == colours


def test_checks_are_asked_for(ax):
    with pytest.raises(TypeError, match=r"check must be that of claim\.check, practice or falsify; got 'x'"):
        kd.plots.margins(ax, "x")
    with pytest.raises(TypeError, match=r"checks must be those of claim\.check, practice or falsify; got 'x'"):
        kd.plots.verdicts(Figure(), ["x"])
    check = kd.theorems.ridge_semigroup.check(0, count=5)
    assert len(kd.plots.verdicts(Figure(layout="constrained"), check).legends) == 1


def labels_of(margins):
    """How many labels stand on the axis of margins that hold, in a column; none overprints another."""
    figure, size = Figure(figsize=(3.3, 2.5), layout="constrained"), len(margins)
    FigureCanvasAgg(figure)
    said = dict(name="a claim", dropped=None, margins=margins, verdicts=np.full(size, HOLDS), counts={HOLDS: size})
    ax = kd.plots.margins(figure.subplots(), SimpleNamespace(**said))
    figure.draw_without_rendering()
    low, high = ax.get_window_extent().intervaly
    boxes = [tick.label1.get_window_extent() for tick in ax.yaxis.get_major_ticks() if tick.label1.get_text()]
    seen = sorted((box.y0, box.y1) for box in boxes if low <= (box.y0 + box.y1) / 2 <= high)
    assert all(top <= bottom for (_, top), (bottom, _) in itertools.pairwise(seen))
    return len(seen)


def test_labels_of_margins_do_not_overprint():
    assert labels_of(10.0 ** np.arange(-15.0, 0.0)) > 3


def test_verdicts_stand_below_each_other_where_there_is_no_room_beside():
    said = lambda name: SimpleNamespace(
        name=name, lane="theory", dropped=None, verdict=HOLDS, verdicts=np.array([HOLDS])
    )
    checks = said("a_claim_of_this_name"), said("a_claim_of_that_name")
    for width, columns in (3.3, 1), (7.0, 2):
        figure = Figure(figsize=(width, 2.5), layout="constrained")
        FigureCanvasAgg(figure)
        figure.subplots()
        [legend] = kd.plots.verdicts(figure, checks).legends
        figure.draw_without_rendering()
        assert legend._ncols == columns
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_legends_look_as_the_lines_do(ax, runs):
    """Whatever goes to ax.plot goes to the legend too, but to nothing that was drawn without it."""
    look = dict(color="red", linestyle=":", marker="x")
    kd.plots.convergence(ax, *runs, directions=[0, 1], **look)
    for handle in ax.get_legend_handles_labels()[0]:
        assert {key: getattr(handle, f"get_{key}")() for key in look} == look
    kd.plots.eigenspace(other := Figure().subplots(), *runs, **look)
    handles = dict(zip(*reversed(other.get_legend_handles_labels()), strict=True))
    assert handles["student"].get_color() == "red" and handles["student"].get_marker() == "x"
    assert handles["equal speed"].get_color() == kd.plots.GREY and handles["target"].get_marker() == "*"
    [hollow] = kd.plots.exaggeration(Figure().subplots(), *runs, marks="loop").get_legend_handles_labels()[0]
    assert hollow.get_markerfacecolor() == "none"
    named = kd.plots.convergence(Figure().subplots(), runs[0], directions=[0], label="mine")
    assert names(named) == ["mine", "direction 0, λ = 1"]


def test_points_that_stand_alone_can_be_seen(ax):
    path = kd.GradientFlow([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    run = kd.closed_form(path, [1.0, 0.5])
    gaps = dataclasses.replace(run, coordinates=run.coordinates.at[jnp.array([1, 3])].set(jnp.nan))
    [line] = kd.plots.convergence(ax, gaps, directions=[0], legend=False).lines[:1]
    assert line.get_marker() == "o" and line.get_markevery() == [0, 2]  # the last two are a line
    ends = kd.closed_form(kd.Ridge([1.0, 0.0]), [1.0, 0.5])  # the second at no clock that an axis has
    [line] = kd.plots.convergence(Figure().subplots(), ends, directions=[0], legend=False).lines[:1]
    assert line.get_xdata().tolist() == [1.0] and line.get_marker() == "o"
    for plot, how in (kd.plots.convergence, dict(directions=[0])), (kd.plots.eigenspace, {}):
        [marks] = plot(Figure().subplots(), run[:1], marks="loop", **how).lines[:1]
        assert marks.get_marker() == "o" and marks.get_markevery() is None


def test_trajectories_are_of_one_set_of_directions(ax, runs):
    fewer = kd.closed_form(kd.GradientFlow(CLOCK), EIGENVALUES[:2])
    for trajectories in (runs[0], fewer), ([runs[0], fewer],):
        for plot, how in (kd.plots.convergence, dict(directions=[0, 2])), (kd.plots.eigenspace, dict(y=2)):
            with pytest.raises(ValueError, match="trajectories have 2 and 3 directions: project all on"):
                plot(ax, *trajectories, **how)


def test_one_label_is_no_list_of_letters(ax, runs):
    with pytest.raises(ValueError, match="labels names 1 of the 2 trajectories; name each"):
        kd.plots.convergence(ax, *runs, directions=[0], labels="teacher")


def test_no_direction_is_refused_and_the_last_is_named_by_its_number(ax, runs):
    with pytest.raises(ValueError, match="directions names none; give at least one"):
        kd.plots.convergence(ax, *runs, directions=[])
    kd.plots.convergence(ax, *runs, directions=[0], matched_on=-1)
    assert ax.get_xlabel().endswith("matched on direction 2")


def test_markers_that_are_all_edge_are_seen(ax):
    logits = np.random.default_rng(0).normal(size=(9, 3))
    assert kd.plots.confidence(ax, logits, 2 * logits, marker="x").lines[0].get_markeredgewidth() > 0
    with pytest.raises(ValueError, match="student_logits times scale has 27 non-finite values"):
        kd.plots.confidence(ax, logits, logits, scale=np.inf)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_shares_of_targets_of_any_size(ax, size):
    system = kd.problems.linear(np.diag([2.0, 1.0]), [size, 2 * size]).eigensystem()
    kd.plots.spectrum(ax, system)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.8])


def test_a_risk_is_that_of_a_path(ax):
    λ, times = [1.0, 0.5, 0.1], np.array([1.0, 2.0, 3.0])
    moment, path = (kd.measures.risk(kd.GradientFlow(time), λ, 1.0, 0.1) for time in (2.0, times))
    with pytest.raises(ValueError, match=r"clock has shape \(3,\) and bias \(\): one entry for each moment"):
        kd.plots.risk(ax, moment, times)  # three directions are no three moments
    with pytest.raises(ValueError, match="no moment of clock is after zero, where the logarithmic axis begins"):
        kd.plots.risk(ax, path, -times)
    with pytest.raises(TypeError, match="observed must hold real numbers"):
        kd.plots.risk(ax, path, times, observed=times * 1j)


def test_margins_without_a_hypothesis_say_so(ax):
    check = kd.theorems.ridge_semigroup.falsify(0, drop="zero_start", count=5)
    assert kd.plots.margins(ax, check).get_title() == "ridge_semigroup\nwithout zero_start"


@pytest.mark.parametrize(
    "low, high, signs", [(-2.3, -0.3, [-1]), (-6.7, 9.1, [-1, 1]), (0.5, 8.7, [1]), (-3e2, 0, [1])]
)
def test_labels_of_margins_leave_zero_free(low, high, signs):
    assert labels_of(np.geomspace(10.0**low, 10.0**high, 20) * np.resize(signs, 20)) > 2


def test_a_verdict_wider_than_its_figure_is_broken():
    check = SimpleNamespace(
        name="a_claim_of_a_long_name",
        lane="theory",
        dropped="zero_start",
        verdict=VIOLATED,
        verdicts=np.full(9, VIOLATED),
    )
    figure = Figure(figsize=(3.3, 2.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.subplots()
    [legend] = kd.plots.verdicts(figure, [check]).legends
    figure.draw_without_rendering()
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    [text] = kd.plots.verdicts(Figure(layout="constrained"), [check]).legends[0].get_texts()
    assert text.get_text() == "a_claim_of_a_long_name without zero_start: violated (9 instances)"


def test_nothing_runs_over_a_column(runs):
    figure = Figure(figsize=(3.3, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2)
    check = SimpleNamespace(
        name="a_claim_whose_name_is_a_long_one",
        dropped="zero_start",
        margins=[1.0],
        verdicts=[HOLDS],
        counts={HOLDS: 1},
    )
    kd.plots.margins(above, check)
    path = kd.closed_form(kd.GradientFlow(CLOCK[1:]), 1.1157 / np.arange(1.0, 11.0))
    kd.plots.convergence(below, path, directions=range(10), colours=["k"] * 10, legend="outside")
    figure.draw_without_rendering()
    for thing in above.title, below.get_legend():
        box = thing.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("points, kind", [([1, 3, 2], "u1"), ([], float)])
def test_an_axis_that_does_not_rise_is_refused_whatever_its_numbers(ax, points, kind):
    xarray = pytest.importorskip("xarray")
    table = xarray.DataArray(np.ones((len(points), 2)), dict(a=np.array(points, kind), b=[1.0, 2.0]))
    with pytest.raises(ValueError, match="the axis a must"):
        kd.plots.heat(ax, table)


def test_an_axis_of_few_bits_is_an_axis(ax):
    xarray = pytest.importorskip("xarray")
    table = xarray.DataArray(np.ones((3, 2)), dict(a=np.array([-100, 100, 120], "i1"), b=[1.0, 2.0]))
    corners = kd.plots.heat(ax, table).collections[0].get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [-200, 0, 110, 130])
