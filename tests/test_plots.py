"""Plots show what the trajectories hold, and importing the library does not import matplotlib."""

import subprocess
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
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
    kd.plots.margins(ax, SimpleNamespace(name="a claim", margins=margins, verdicts=verdicts, counts=counts))
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
