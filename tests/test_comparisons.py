"""Teacher against student in one call."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import kdtheory as kd

PATH = kd.GradientDescent(step_size=0.1, steps=np.arange(1, 100))


@pytest.fixture(scope="module")
def diabetes():
    return kd.compare(*kd.datasets.diabetes())


def test_the_lag_of_a_real_table_is_that_of_theory(diabetes):
    assert [row.direction for row in diabetes.rows] == [0, 4, 9]
    rate = diabetes.stopped.rate(diabetes.teacher.eigenvalues)
    teacher = float(diabetes.stopped.filter(diabetes.teacher.eigenvalues)[0])
    for row in diabetes.rows:

        def g(x, r=float(rate[row.direction] / rate[0])):
            return 1 - (1 - x) ** r

        exact = 1 - g(0.5 / teacher) * g(teacher) / g(0.5)
        assert row.exaggeration == pytest.approx(exact, abs=1e-5)  # read between steps
        assert row.exaggeration == pytest.approx(row.theory, abs=1e-9)
        assert row.teacher == pytest.approx(g(0.5), abs=1e-5)
        assert row.student == pytest.approx(row.teacher * (1 - row.exaggeration))
    assert 0.3 < diabetes.rows[1].exaggeration < diabetes.rows[2].exaggeration < 1
    assert diabetes.disagreement < 1e-11


def test_shares_are_those_of_the_targets(diabetes):
    eigensystem = diabetes.problem.eigensystem()
    components = eigensystem.samples_basis.T @ diabetes.problem.targets
    expected = components**2 / jnp.sum(diabetes.problem.targets**2)
    np.testing.assert_allclose([row.share for row in diabetes.rows], expected[jnp.array([0, 4, 9])])


def test_the_table_is_aligned_and_says_how_it_was_read(diabetes):
    head, *lines, foot, told = str(diabetes).splitlines()
    assert len(lines) == 3 and {len(line) for line in lines} == {len(head)}
    assert "0.5 of direction 0" in foot and "within 1e-" in foot
    least = int(np.argmin(diabetes.student_risk.risk))
    assert f"teacher {diabetes.teacher_risk.risk:.4g} ± {diabetes.teacher_risk.error:.2g}; student" in told
    assert f"at clock {diabetes.student.clock[least]:.4g}, its least; gain {diabetes.gain.risk[least]:.4g} ±" in told


def test_errors_on_new_data_are_those_of_cross_validation():
    random = np.random.default_rng(0)
    x = random.standard_normal((40, 8))
    y = x @ random.standard_normal((8, 2)) + random.standard_normal((40, 2))
    penalties = np.array([0.3, 0.1, 0.02])
    found = kd.compare(x, y, teacher=kd.Ridge(0.1), student=kd.Ridge(penalties), directions=(0, 3, 7))
    hat = lambda c: x @ np.linalg.solve(x.T @ x + 40 * c * np.eye(8), x.T)
    one = np.sum((y - hat(0.1) @ y) ** 2) / 40 / (1 - np.trace(hat(0.1)) / 40) ** 2
    assert float(found.teacher_risk.risk) == pytest.approx(one, rel=1e-11)
    assert found.student_risk.risk.shape == found.gain.error.shape == (3,)
    np.testing.assert_allclose(found.teacher_risk.risk - found.student_risk.risk, found.gain.risk, rtol=1e-9)
    taught = [kd.measures.estimated_risk(kd.distill(kd.Ridge(0.1), kd.Ridge(c)), found.problem) for c in penalties]
    np.testing.assert_allclose(found.student_risk.risk, taught, rtol=1e-12)
    assert np.all(found.gain.error < 0.5 * found.student_risk.error)


def test_without_a_filter_there_is_no_estimate():
    inputs = np.random.default_rng(0).standard_normal((60, 3))
    algorithm = kd.Algorithm(lambda problem, start: PATH.fit(problem, start), clock=0.1 * np.arange(1, 100))
    found = kd.compare(inputs, inputs[:, 0], teacher=kd.Ridge(0.1), student=algorithm, directions=(0, 1))
    assert found.gain is None and found.teacher_risk is None and found.student_risk is None
    assert "estimated error" not in str(found)


def test_rows_that_break_the_estimate_are_named():
    random = np.random.default_rng(0)
    x = random.standard_normal((100, 60)) / np.sqrt(random.chisquare(3, size=(100, 1)) / 3)
    found = kd.compare(x, x @ random.standard_normal(60) + random.standard_normal(100))
    assert len(found.doubts) == 1 and found.doubts[0].startswith("ridge's leave-one-out error is")
    assert str(found).splitlines()[-1] == found.doubts[0]


def test_the_figure_lays_the_runs_over_theory(diabetes):
    figure = diabetes.figure
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o" and len(line.get_xdata()) > 1]
    np.testing.assert_array_equal(marks[0].get_ydata(), diabetes.teacher.progress[:, 0])
    np.testing.assert_array_equal(marks[5].get_ydata(), diabetes.student.progress[:, 9])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "teacher stops" in names and any(name.startswith("loop, within 1e-") for name in names)


def test_by_default_the_teacher_has_learnt_half_of_the_middle_direction(diabetes):
    learnt = diabetes.stopped.filter(diabetes.teacher.eigenvalues)
    assert float(learnt[4]) == pytest.approx(0.5, abs=0.05)  # whole steps


def test_directions_are_clipped_to_those_that_exist():
    found = kd.compare(kd.problems.with_spectrum(0, [1.0, 0.5]), student=PATH, directions=(0, 1, 7, 9))
    assert found.directions == (0, 1)


def test_learners_and_problems_of_your_own():
    problem = kd.problems.kernel(np.diag([1.0, 0.5, 0.1]), np.ones((3, 2)))
    path = kd.Ridge(1 / jnp.geomspace(0.1, 1e4, 100))
    found = kd.compare(problem, teacher=kd.Ridge(0.05), student=path, directions=(0, 2))
    assert found.problem is problem and found.student.coordinates.shape == (100, 3, 2)
    assert found.rows[1].exaggeration == pytest.approx(found.rows[1].theory, abs=1e-9)
    assert found.rows[1].exaggeration > 0


def test_a_level_that_the_student_never_reaches_is_nan():
    problem = kd.problems.with_spectrum(0, [1.0, 0.5])
    found = kd.compare(problem, teacher=kd.GradientDescent(0.1, 2), student=PATH, directions=(0, 1))
    assert np.isnan(found.rows[1].exaggeration) and "of direction 0, which one of them never has; " in str(found)


def test_features_without_targets_are_refused():
    with pytest.raises(TypeError, match="targets are missing"):
        kd.compare(np.eye(3))
    with pytest.raises(TypeError, match="a problem has targets of its own: give it alone"):
        kd.compare(kd.problems.with_spectrum(0, [1.0, 0.5]), [1.0, 2.0])


@pytest.mark.parametrize("clock", [1.0, [1.0]])
def test_a_student_is_a_path(clock):
    with pytest.raises(ValueError, match="student must be a path of at least two moments"):
        kd.compare(kd.problems.with_spectrum(0, [1.0, 0.5]), student=kd.GradientFlow(clock))


def test_a_teacher_without_a_clock_needs_a_student():
    problem = kd.problems.with_spectrum(0, [1.0, 0.5])
    with pytest.raises(ValueError, match="stops at clock nan"):
        kd.compare(problem, teacher=kd.Filter(lambda eigenvalues: eigenvalues > 0.7))


def test_a_teacher_is_a_single_stopped_learner():
    problem = kd.problems.with_spectrum(0, [1.0, 0.5])
    with pytest.raises(ValueError, match="teacher must be a single stopped learner"):
        kd.compare(problem, teacher=PATH)
    with pytest.raises(TypeError, match="teacher must be a learner"):
        kd.compare(problem, teacher=3.0)


def test_a_teacher_that_never_stops_is_drawn_up_to_the_last_moment():
    problem = kd.problems.with_spectrum(0, [1.0, 0.5], noise=0.1)
    found = kd.compare(problem, teacher=kd.Ridge(0.0), student=PATH, directions=(0, 1))
    assert found.figure.axes[1].get_xlim() == pytest.approx((0.1, 9.9))
    assert "teacher stops" not in found.figure.axes[0].get_legend_handles_labels()[1]


@pytest.mark.filterwarnings("ignore")
def test_doubts_are_of_the_estimate_and_not_of_floats():
    problem = kd.problems.gaussian(0, np.ones(4), samples=20, noise=0.1)
    found = kd.compare(problem, student=kd.GradientDescent(5.0, np.arange(1, 400)), directions=(0, 1))
    assert any("the loop diverges" in each for each in found.doubts) and "overflow" not in str(found)
    assert "loop, within inf of theory" in str(found) and kd.plots.above(np.nan) == "nan"


def test_a_path_may_start_at_zero():
    path = kd.GradientDescent(step_size=0.1, steps=np.arange(99))
    found = kd.compare(kd.problems.with_spectrum(0, [1.0, 0.5]), student=path)
    assert found.figure.axes[1].get_xlim()[0] == pytest.approx(0.1)


def test_features_that_are_all_mean_are_named():
    random = np.random.default_rng(0)
    features, targets = random.standard_normal((40, 3)), random.standard_normal(40)
    with pytest.warns(UserWarning, match=r"features are not centred: 99\.9\d\d% .* kd\.datasets\.standardise"):
        kd.compare(features + 50, targets)
    kd.compare(features + 0.5, targets)  # without a warning: tests fail at any


def test_targets_that_look_like_classes_are_named():
    random = np.random.default_rng(0)
    features, digits = random.standard_normal((40, 3)), random.integers(0, 10, 40)
    with pytest.warns(UserWarning, match=r"targets are 10 whole numbers, from 0 to 9, .* give kd\.datasets\.one_hot"):
        found = kd.compare(features, digits)
    again = kd.compare(features, digits.astype(float))  # said on purpose, hence no warning
    np.testing.assert_array_equal(found.teacher.coordinates, again.teacher.coordinates)
    kd.compare(features, digits > 4)  # two classes are one number
    kd.compare(features, np.arange(40))
    with pytest.raises(TypeError, match=r"names of classes, such as 'a': give kd\.datasets\.one_hot\(targets\).*the 2"):
        kd.compare(features, np.where(digits > 4, "a", "b"))
    with pytest.raises(TypeError, match="names of classes, such as 'a'"):
        kd.compare(features, ["a", "b"] * 20)
    with pytest.raises(TypeError, match="names of classes, such as 'a'"):
        kd.compare(features, np.array(["a", "b"] * 20, dtype=object))
    with pytest.raises(TypeError, match=r"names of classes: kd\.datasets\.one_hot"):
        kd.problems.linear(features, ["a", "b"] * 20)


def test_targets_without_anything_to_learn():
    with pytest.raises(ValueError, match="targets are zero, so there is nothing to learn"):
        kd.compare(np.eye(3), np.zeros(3))
    with pytest.raises(ValueError, match="targets have no component along direction 0; lead with another"):
        kd.compare(np.diag([3.0, 2.0, 1.0]), [0.0, 1.0, 1.0])
    features = np.random.default_rng(0).standard_normal((40, 5))
    with pytest.raises(ValueError, match="targets have no component along direction 0"):  # but for rounding
        kd.compare(features - features.mean(axis=0), np.ones(40))
    assert kd.compare(np.diag([3.0, 2.0, 1.0]), [1e-20, 1.0, 1.0]).rows[0].share == pytest.approx(5e-41)


@pytest.mark.parametrize("size", [1e-170, 1e80])
def test_shares_of_targets_of_any_size(size, diabetes):
    features, targets = kd.datasets.diabetes()
    rows = kd.compare(1e-80 * features, size * targets).rows
    np.testing.assert_allclose([row.share for row in rows], [row.share for row in diabetes.rows])


def test_directions_and_levels_that_are_none():
    problem = kd.problems.with_spectrum(0, [1.0, 0.4, 0.1])
    for given, error, message in (
        (dict(directions=()), ValueError, r"directions names none; give at least the lead, such as \(0,\)"),
        (dict(directions=2), TypeError, "directions must be a sequence of whole numbers, .* got 2"),
        (dict(directions="012"), TypeError, "directions must be a sequence of whole numbers, .* got '012'"),
        (dict(directions=("9",)), TypeError, "a direction must be a whole number, .* got '9'"),
        (dict(directions=(0.5,)), TypeError, r"a direction must be a whole number, .* got 0\.5"),
        (dict(directions=(0, -4)), IndexError, "direction -4 is out of range: there are 3"),
        (dict(level=0.0), ValueError, r"level must be above 0 and below 1, since nothing has been learnt at 0\.0"),
        (dict(level=1.0), ValueError, r"level must be at least 0 and below 1, .* got 1\.0"),
    ):
        with pytest.raises(error, match=message):
            kd.compare(problem, **given)
    assert kd.compare(problem, directions=(-1, 0, 2, 9)).directions == (2, 0)


def test_an_algorithm_without_a_filter_is_compared_in_practice():
    problem = kd.problems.with_spectrum(0, [1.0, 0.4, 0.1], noise=0.1)
    steps = np.unique(np.geomspace(1, 400, 60).astype(int))
    descent = lambda steps: kd.GradientDescent(0.1, steps)
    mine = lambda steps: kd.Algorithm(lambda problem, start: descent(steps).fit(problem, start), clock=0.1 * steps)
    own = kd.compare(problem, teacher=mine(np.array(40)), student=mine(steps), directions=(0, 1, 2))
    known = kd.compare(problem, teacher=descent(40), student=descent(steps), directions=(0, 1, 2))
    for row, expected in zip(own.rows, known.rows, strict=True):
        assert row.exaggeration == pytest.approx(expected.exaggeration, abs=1e-12) and np.isnan(row.theory)
    assert own.theory is None and np.isnan(own.disagreement)
    assert "in theory" not in str(own) and "practice only" in str(own) and "nan" not in str(own)
    lines = [line for line in own.figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert [line.get_marker() for line in lines] == ["None"] * 6
    np.testing.assert_array_equal(lines[5].get_ydata(), own.student.progress[:, 2])


def test_chosen_directions_are_in_the_frame_and_labels_do_not_overprint():
    spectrum = np.concatenate([[1.0], np.geomspace(1e-5, 1e-8, 9)])  # the last beyond 1e-4 of the first
    found = kd.compare(kd.problems.with_spectrum(0, spectrum), directions=(0, 5, 9), level=0.3)
    low, high = found.figure.axes[2].get_xlim()
    assert low < spectrum[9] < spectrum[0] < high  # eigenvalues rise to the right, as in plots.exaggeration
    for each in (
        found,
        kd.compare(*kd.datasets.diabetes()),
        kd.compare(np.random.default_rng(0).normal(size=(9, 40)), np.arange(9.0)),
    ):
        for size in ((11, 3.9), (7, 3)):
            figure = each.figure
            figure.set_size_inches(size)
            _no_overprint(figure)


def _no_overprint(figure):
    """No tick label over another on its axis, no label or title outside of the page or over another panel's."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, page = canvas.get_renderer(), figure.bbox
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for kind in (axis.get_major_ticks(), axis.get_minor_ticks()) for tick in kind]
            seen = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]
            boxes = [text.get_window_extent(renderer) for text in seen]
            assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]), [
                text.get_text() for text in seen
            ]
    texts = [text for ax in figure.axes for text in (ax.xaxis.label, ax.yaxis.label, ax._left_title)]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    over = [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]
    assert not over, over


def test_a_run_that_never_reaches_the_level_can_be_drawn(tmp_path):
    random = np.random.default_rng(0)
    table = random.normal(size=(30, 6))
    found = kd.compare(table, table @ random.normal(size=6), directions=(2,), student=kd.GradientDescent(None, [1, 2]))
    with pytest.warns(UserWarning, match="can be read in no run: nothing is drawn"):
        figure = found.figure
    figure.savefig(tmp_path / "f.png")
