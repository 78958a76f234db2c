"""Paths: what every measure says of a learner with many moments is what it says of each, or is refused."""

import inspect

import jax
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import measures

SPECTRUM, SIGNAL, ENERGY = np.array([1.0, 0.4, 0.1]), np.array([1.0, -0.5, 2.0]), np.array([0.5, 0.3, 0.2])
# as many moments as eigenvalues, where what should not broadcast does, and fewer
MOMENTS = [np.array([0.5, 2.0, 20.0]), np.array([0.5, 2.0])]
FLOW, RIDGE, OVERLAP = kd.GradientFlow(1.5), kd.Ridge(0.2), np.linalg.qr(np.vander([1.0, 2.0, 4.0]))[0]
PROBLEM = kd.problems.with_spectrum(0, SPECTRUM, samples=9, signal=SIGNAL, noise=0.3)
FOUND = measures.transfer.mean_filter(FLOW, SPECTRUM, OVERLAP)
WEIGHTS = [0.3, 0.2, 1.0]

# Each measure, by the learner that is a path.
OF_EACH_MOMENT = {
    "risk": [lambda path: measures.risk(path, SPECTRUM, SIGNAL, 0.1, WEIGHTS)],
    "risk_on": [lambda path: measures.risk_on(path, PROBLEM, predictions=PROBLEM.targets, noise=0.2)],
    "best_stop": [],  # which ignores the moment
    "best": [],  # refused below, unless the path is looked for
    "best_weight": [
        lambda path: measures.best_weight(path, FLOW, SPECTRUM, SIGNAL, 0.1),
        lambda path: measures.best_weight(RIDGE, path, SPECTRUM, SIGNAL, 0.1, WEIGHTS),
        lambda path: measures.best_weight(path, kd.distill(RIDGE, path), SPECTRUM, SIGNAL, 0.1),
    ],
    "noise_threshold": [
        lambda path: measures.noise_threshold(path, FLOW, SPECTRUM, SIGNAL, 0.3),
        lambda path: measures.noise_threshold(RIDGE, path, SPECTRUM, SIGNAL, 0.3, WEIGHTS),
        lambda path: measures.noise_threshold(path, path, SPECTRUM, SIGNAL),
    ],
    "best_weights": [],  # refused below
    "margin_line": [
        lambda path: measures.confidence.margin_line(path, FLOW, 1.0, 0.3),
        lambda path: measures.confidence.margin_line(RIDGE, path, 1.0, 0.3),
        lambda path: measures.confidence.margin_line(path, path, [1.0, 2.0], [0.3, 0.1]),
    ],
    "margin_regression": [
        lambda path: measures.confidence.margin_regression(path, FLOW, SPECTRUM, ENERGY),
        lambda path: measures.confidence.margin_regression(FLOW, path, SPECTRUM, ENERGY),
        lambda path: measures.confidence.margin_regression(path, path, SPECTRUM, ENERGY),
    ],
    "critical_eigenvalue": [
        lambda path: measures.confidence.critical_eigenvalue(path, path.stopped(0.7)),
        lambda path: measures.confidence.critical_eigenvalue(path.stopped(0.7), path),
    ],
    "denoising_fits": [lambda path: measures.soft_labels.denoising_fits(0.2, path, 10.5, 0.5)],
    "estimated_risk": [lambda path: measures.estimated_risk(path, PROBLEM)],
    "estimate": [lambda path: measures.new_inputs.estimate(path, PROBLEM)],
    "gain": [lambda path: measures.new_inputs.gain(FLOW, path, PROBLEM)],
    "mean_filter": [lambda path: measures.transfer.mean_filter(path, SPECTRUM, OVERLAP)],
    "leak_bound": [lambda path: measures.transfer.leak_bound(path, SPECTRUM, OVERLAP, SIGNAL, outside=0.5)],
    "switching_time": [],  # it has the rates of a teacher, not its moment; a path of students is refused
    "of_steps": [],  # it has step sizes
    "forecast": [],  # which stops the learner by itself
}
MADE = {
    "flow": kd.GradientFlow,
    "ridge": lambda clock: kd.Ridge(1 / clock),
    "loop": lambda clock: kd.GradientDescent(0.5, 2 * clock),
}


def test_every_measure_of_a_learner_is_here():
    rooms = [measures, *(room for _, room in inspect.getmembers(measures, inspect.ismodule))]
    functions = [
        (name, function)
        for room in rooms
        for name, function in inspect.getmembers(room, inspect.isfunction)
        if function.__module__.startswith(measures.__name__) and name[0] != "_"
    ]
    kinds = lambda function: [
        one
        for name, kind in inspect.get_annotations(function).items()
        if name != "return"
        for one in getattr(kind, "__args__", [kind])
    ]
    of_learners = {name for name, function in functions if any(hasattr(kind, "filter") for kind in kinds(function))}
    assert of_learners == set(OF_EACH_MOMENT)


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("name", [name for name, calls in OF_EACH_MOMENT.items() if calls])
def test_a_measure_of_a_path_is_that_of_each_moment(name, made):
    learner = MADE[made]
    for call in OF_EACH_MOMENT[name]:
        for moments in MOMENTS:
            together, each = call(learner(moments)), [call(learner(float(moment))) for moment in moments]
            for of_path, *of_each in zip(*map(jax.tree.leaves, (together, *each)), strict=True):
                assert np.shape(of_path) == np.shape(of_each)
                np.testing.assert_allclose(of_path, of_each, rtol=1e-12, atol=1e-14)


def test_values_of_a_path_by_sums_written_anew():
    c = np.array([0.1, 0.2, 3.0])
    left, noise = c[:, None] / (SPECTRUM + c[:, None]), 0.1
    weights, thresholds = [], []
    for φ in 1 - left:  # the student's; the teacher is RIDGE
        missed = 0.2 / (SPECTRUM + 0.2)
        total = lambda ξ, noise, φ=φ, missed=missed: np.sum(
            SPECTRUM * SIGNAL**2 * (1 - φ * (1 - ξ * missed)) ** 2 + noise * (φ * (1 - ξ * missed)) ** 2
        )
        best = lambda noise, total=total: np.polyfit([-1, 0, 1], [total(ξ, noise) for ξ in (-1, 0, 1)], 2)
        a, b, _ = best(noise)
        weights.append(-b / (2 * a))
        at_zero, at_one = best(0.0)[1], best(1.0)[1]  # the slope at ξ = 0 is linear in the noise
        thresholds.append(-at_zero / (at_one - at_zero))
    path = kd.Ridge(c)
    np.testing.assert_allclose(measures.best_weight(RIDGE, path, SPECTRUM, SIGNAL, noise), weights, rtol=1e-12)
    np.testing.assert_allclose(measures.noise_threshold(RIDGE, path, SPECTRUM, SIGNAL), thresholds, rtol=1e-12)
    lead, trail = 1.0, 0.3
    h, φ = (np.exp(-np.array([lead, trail]) * 1.5), np.exp(-np.outer(MOMENTS[0], [lead, trail])))
    h, φ = 1 - h, 1 - φ
    line = measures.confidence.margin_line(FLOW, kd.GradientFlow(MOMENTS[0]), lead, trail)
    slope = (h[0] * φ[:, 0] - h[1] * φ[:, 1]) / (h[0] - h[1])
    np.testing.assert_allclose(line.slope, slope, rtol=1e-12)
    np.testing.assert_allclose(line.intercept, h[1] * φ[:, 1] - slope * h[1], rtol=1e-12)
    λ = np.array([10.5, 0.5])
    ratio = np.log((1 - np.exp(-MOMENTS[1] * λ[0])) / (1 - np.exp(-MOMENTS[1] * λ[1])))
    fits = measures.soft_labels.denoising_fits(0.2, kd.GradientFlow(MOMENTS[1]), *λ)
    np.testing.assert_allclose(fits, np.log(1.6 / 0.6) / ratio, rtol=1e-12)


def test_paths_that_are_no_pairs_are_refused():
    long, short = map(kd.GradientFlow, MOMENTS)
    for call in (
        lambda: measures.best_weight(long, short, SPECTRUM, SIGNAL, 0.1),
        lambda: measures.noise_threshold(long, short, SPECTRUM, SIGNAL),
        lambda: measures.confidence.margin_line(long, short, 1.0, 0.3),
        lambda: measures.confidence.margin_regression(long, short, SPECTRUM, ENERGY),
        lambda: measures.confidence.critical_eigenvalue(long, short),
    ):
        with pytest.raises(ValueError, match=r"teacher and student are paths of the shapes \(3,\) and \(2,\): give"):
            call()
    with pytest.raises(ValueError, match=r"weight must be one number, got shape \(3,\); sweep it with jax\.vmap"):
        measures.noise_threshold(FLOW, FLOW, SPECTRUM, SIGNAL, SIGNAL)


@pytest.mark.parametrize("moments", MOMENTS)
def test_a_path_has_no_single_best(moments):
    flows = kd.distill(FLOW, kd.GradientFlow(moments))
    with pytest.raises(ValueError, match=rf"GradientFlow\.time has moments of shape \({len(moments)},\), but"):
        measures.best(flows, "teacher_weight", SPECTRUM, SIGNAL, 0.1)
    with pytest.raises(ValueError, match=rf"learner must be of one moment, .* shape \({len(moments)}, 3\)"):
        measures.best_weights(kd.Ridge(moments), 3, SPECTRUM, SIGNAL, 0.1)
    fields = ["teacher_weight", "student.time"]
    found = measures.best(flows, fields, SPECTRUM, SIGNAL, 0.1)
    alone = measures.best(kd.distill(FLOW, FLOW), fields, SPECTRUM, SIGNAL, 0.1)
    assert repr(found) == repr(alone)
    stopped = [measures.best_stop(kd.GradientFlow(each), SPECTRUM, SIGNAL, 0.1).time for each in (moments, 1.0)]
    assert stopped[0] == stopped[1]
    teachers = kd.GradientFlow(moments), FLOW
    times = [measures.transfer.switching_time(teacher, SPECTRUM, FOUND) for teacher in teachers]
    np.testing.assert_array_equal(*times)
    with pytest.raises(TypeError, match="found must be of one moment of the student"):
        found = measures.transfer.mean_filter(kd.GradientFlow(moments), SPECTRUM, OVERLAP)
        measures.transfer.switching_time(FLOW, SPECTRUM, found)
    steps = [measures.status.of_steps(kd.GradientDescent(1.5, each), SPECTRUM) for each in (moments, 3)]
    np.testing.assert_array_equal(*steps)


def test_what_is_read_up_to_a_moment_at_one_is_read_on_a_line_and_said_so():
    run = lambda moments, spectrum: kd.closed_form(kd.GradientFlow(np.array(moments)), spectrum)
    with pytest.warns(UserWarning, match="moments are too far apart: progress is read on a line"):
        assert kd.measures.progress_at(run([0.0, 40.0, 80.0], [1.0, 0.1]), 0.5)[0] == 0.5
    with pytest.warns(UserWarning, match="moments are too far apart"):  # of the other direction, which is faster
        kd.measures.progress_at(run([0.0, 1.0, 2.0], [50.0, 1.0]), 0.3, lead=1)
    with pytest.warns(UserWarning, match="moments are too far apart"):
        kd.measures.matched_clock(run([0.0, 40.0], [1.0]), run([0.5, 0.7], [1.0]))
    dense = run([0.0, *np.geomspace(1e-3, 400.0, 200)], [1.0, 0.1])  # which is at one in the end, too
    np.testing.assert_allclose(kd.measures.progress_at(dense, 0.5), [0.5, 1 - 0.5**0.1], rtol=1e-9)
