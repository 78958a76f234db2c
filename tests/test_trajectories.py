"""Trajectories: there and back between parameters, predictions and eigen-coordinates."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

import kdtheory as kd

random = np.random.default_rng(0)
TALL = kd.problems.linear(random.standard_normal((20, 6)), random.standard_normal((20, 2)))
WIDE = kd.problems.linear(random.standard_normal((6, 20)), random.standard_normal(6))
KERNEL = kd.problems.kernel(kd.kernels.rbf(random.standard_normal((9, 2))), random.standard_normal((9, 2)))


@pytest.mark.parametrize("problem", [TALL, WIDE, KERNEL], ids=["tall", "wide", "kernel"])
def test_there_and_back(problem):
    system = problem.eigensystem()
    start = np.random.default_rng(1).standard_normal((4, *problem.zeros().shape))
    back = system.parameters(system.of_parameters(start), start)
    np.testing.assert_allclose(back, start, atol=1e-12)  # with what lies outside the directions
    inside = system.parameters(system.of_parameters(start))
    np.testing.assert_allclose(problem.predict(inside), problem.predict(start), atol=1e-12)
    np.testing.assert_allclose(system.of_predictions(problem.predict(start)), system.of_parameters(start), atol=1e-11)


def test_a_log_of_parameters_and_one_of_predictions_are_the_same_run():
    path = kd.GradientDescent(0.1, jnp.array([1, 10, 100]))
    log = np.asarray(path.fit(TALL))
    seen = kd.simulate(path, TALL)
    for logged in (dict(parameters=log), dict(predictions=np.asarray(TALL.predict(log)))):
        mine = kd.project(TALL, clock=path.clock, **logged)
        np.testing.assert_allclose(mine.coordinates, seen.coordinates, atol=1e-12)
        assert mine.clock.tolist() == seen.clock.tolist()
    assert kd.project(TALL, parameters=log).clock.tolist() == [0.0, 1.0, 2.0]
    assert kd.project(TALL, parameters=log[0]).clock.tolist() == 0.0
    grid = np.stack([log, 2 * log])  # two path axes need a clock of their own
    both = kd.project(TALL, parameters=grid, clock=np.ones((2, 3)))
    np.testing.assert_allclose(both.coordinates, np.stack([seen.coordinates, 2 * seen.coordinates]), atol=1e-12)
    assert both.progress.shape == (2, 3, 6)
    whole = kd.project(WIDE, parameters=[1] * 20)  # a list of ints
    np.testing.assert_allclose(whole.coordinates, WIDE.eigensystem().of_parameters(np.ones(20)), atol=1e-13)


def test_progress_runs_over_outputs_and_eigenspaces():
    flow = kd.GradientFlow(jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(
        kd.simulate(flow, TALL).progress, flow.filter(TALL.eigensystem().eigenvalues), atol=1e-12
    )
    twins = kd.closed_form(flow, [1.0, 0.5, 0.5])
    assert twins.spaces.tolist() == [0, 1, 1]
    # the members of an eigenspace share the progress of the whole: (1·1 + 0·2) / (1 + 4)
    system = twins.eigenvalues, jnp.array([[1.0, 1.0, 0.0]]), jnp.array([2.0, 1.0, 2.0])
    part = kd.Trajectory(*system, jnp.zeros(1), twins.spaces)
    np.testing.assert_allclose(part.progress, [[0.5, 0.2, 0.2]], rtol=4e-16)
    hidden = kd.problems.linear(np.eye(2) * [2.0, 1.0], [1.0, 0.0])  # no target along the second direction
    assert np.isnan(kd.simulate(flow, hidden).progress[:, 1]).all()


def test_starts():
    start = np.ones(TALL.zeros().shape)
    seen = kd.simulate(kd.GradientFlow(0.0), TALL, start=start)
    np.testing.assert_allclose(seen.coordinates, TALL.eigensystem().of_parameters(start), atol=1e-13)
    begun = kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5], start=[1.0, 0.0])
    np.testing.assert_allclose(begun.coordinates, [1.0, 1 - np.exp(-0.5)], rtol=1e-14)
    # a list is as good as an array, and what lies outside the directions stays
    where = [float(i) for i in range(20)]
    ended = kd.GradientFlow(1e6).fit(WIDE, jnp.array(where))
    system = WIDE.eigensystem()
    seen = kd.simulate(kd.GradientFlow(1e6), WIDE, system, start=where)
    np.testing.assert_allclose(seen.coordinates, system.of_parameters(ended), atol=1e-12)
    np.testing.assert_allclose(system.parameters(seen.coordinates, jnp.array(where)), ended, atol=1e-11)
    np.testing.assert_allclose(WIDE.predict(ended), WIDE.targets, atol=1e-8)
    theory = kd.closed_form(kd.GradientFlow(1e6), system, start=where)
    np.testing.assert_allclose(theory.coordinates, seen.coordinates, atol=1e-10)


def test_bare_eigenvalues_may_come_in_any_order():
    up, down = (kd.closed_form(kd.GradientDescent(None, 3), spectrum) for spectrum in ([0.1, 2.0], [2.0, 0.1]))
    np.testing.assert_array_equal(up.coordinates, down.coordinates[::-1])
    assert up.clock == down.clock == 1.5 and up.spaces.tolist() == [1, 0]
    assert kd.closed_form(kd.Ridge(1.0), [0.5, 0.5, 0.0]).progress.tolist() == [1 / 3, 1 / 3, 0.0]


def test_what_maps_over_theory_and_practice():
    system = WIDE.eigensystem()
    times = jnp.array([0.5, 2.0])
    theory = jax.vmap(lambda t: kd.closed_form(kd.GradientFlow(t), system).coordinates)(times)
    practice = jax.vmap(lambda t: kd.simulate(kd.GradientFlow(t), WIDE, system).coordinates)(times)
    np.testing.assert_allclose(practice, theory, atol=1e-13)
    np.testing.assert_allclose(theory, kd.closed_form(kd.GradientFlow(times), system).coordinates, rtol=1e-15)


def test_theory_on_bare_eigenvalues_under_jax():
    spectrum, times = np.array([0.5, 2.0, 0.5, 0.1]), np.array([0.3, 1.0, 4.0])
    along = lambda time, spectrum: kd.closed_form(kd.GradientFlow(time), spectrum).progress
    learnt = -np.expm1(-times[:, None] * spectrum)
    np.testing.assert_allclose(jax.jit(lambda time: along(time, spectrum.tolist()))(times), learnt, rtol=1e-14)
    np.testing.assert_allclose(jax.jit(along)(times, spectrum), learnt, rtol=1e-14)
    np.testing.assert_allclose(jax.vmap(along, (None, 0))(times, np.stack([spectrum] * 2)), [learnt] * 2, rtol=1e-14)
    slope = jax.jacfwd(along, 1)(jnp.asarray(1.0), jnp.asarray(spectrum))
    np.testing.assert_allclose(np.delete(np.diag(slope), [0, 2]), np.exp(-spectrum[[1, 3]]), rtol=1e-14)
    np.testing.assert_allclose(slope[np.ix_([0, 2], [0, 2])], 0.5 * np.exp(-0.5), rtol=1e-14)  # which share a space
    with pytest.raises(ValueError, match="eigenvalues must be a non-empty sequence"):
        jax.jit(lambda spectrum: along(1.0, spectrum))(np.ones((2, 2)))


def test_runs_without_a_clock_are_counted_by_moment():
    log = random.standard_normal((2, 4, 6))  # two runs of four moments
    seen = kd.project(WIDE, predictions=log)
    assert seen.clock.tolist() == [[0, 1, 2, 3]] * 2 and seen.counted
    np.testing.assert_array_equal(seen.coordinates, kd.project(WIDE, predictions=log, clock=range(4)).coordinates)


def test_moments_bands_and_rows_that_are_not_there():
    seen = kd.closed_form(kd.GradientFlow([1.0, 2.0, 3.0]), [4.0, 2.0, 1.0])
    assert seen[[2, 0]].clock.tolist() == [3.0, 1.0] == seen[np.array([2, 0])].clock.tolist()
    for moment in (3, -4, [3], np.array([0, 9])):
        with pytest.raises(IndexError, match="is out of range: this trajectory has 3"):
            seen[moment]
    banded = seen.towards([1.0, 2.0, 3.0], spaces=[0, 1, 1])
    c = np.asarray(seen.coordinates)
    np.testing.assert_allclose(banded.progress[:, 1], (2 * c[:, 1] + 3 * c[:, 2]) / 13, rtol=1e-15)
    for spaces in ([0, -1, 2], [0, 5, 5], [0, 0.5, 1]):
        with pytest.raises(ValueError, match="spaces must be numbers of bands, from 0 to 2"):
            seen.towards(seen.target, spaces=spaces)
    with pytest.raises(TypeError, match="target must hold real numbers"):
        seen.towards(["a", "b", "c"])
    recorder = kd.Recorder(WIDE)
    for rows in ([6], [1.0], np.array([True]), "a"):
        with pytest.raises(IndexError, match="rows must be numbers of training rows, from 0 to 5"):
            recorder(0.0, np.ones(1), rows)
    with pytest.raises(ValueError, match="eigensystem is that of another problem: it has 20 samples, this one 9"):
        kd.Recorder(kd.problems.linear(np.ones((9, 6)), np.ones(9)), TALL.eigensystem())


def test_moments():
    run = kd.closed_form(kd.GradientFlow(jnp.arange(4.0)), [1.0, 0.5])
    assert run[2].clock == 2.0 and run[1:].coordinates.shape == (3, 2) and run[-1].progress.shape == (2,)
    assert "4 moments, 2 directions" in repr(run)
    for outside in (4, -5, np.int64(7)):
        with pytest.raises(IndexError, match=f"moment {outside} is out of range: this trajectory has 4"):
            run[outside]
    assert [float(moment.clock) for moment in run] == [0.0, 1.0, 2.0, 3.0]  # iteration ends
    assert run[jnp.array([3, 0])].clock.tolist() == [3.0, 0.0] and run[np.arange(4) > 1].clock.tolist() == [2.0, 3.0]
    np.testing.assert_array_equal(run[1].coordinates, run.coordinates[1])
    assert run[[3, 0]].clock.tolist() == [3.0, 0.0] and run[[]].clock.tolist() == []
    for outside in [1, 4], np.array([-5]), jnp.array([4]):
        with pytest.raises(IndexError, match="is out of range: this trajectory has 4"):
            run[outside]
    for odd in 0.5, "a", None, ..., (0, 1), True, [True], np.arange(4) > np.zeros((4, 1)), [[0, 1]]:
        with pytest.raises(TypeError, match="a moment must be a whole number, a list of them, a slice, or a mask"):
            run[odd]
    assert jax.jit(lambda moment: run[moment].clock)(3) == 3.0
    assert repr(kd.simulate(kd.Ridge(1.0), TALL)) == "<Trajectory: 1 moment, 6 directions, 2 outputs>"
    with pytest.raises(TypeError, match="single moment"):
        run[0][0]


@pytest.mark.parametrize("spaces", [[0.5, 1.0], [-1, 0], [0, 2]])
def test_bands_are_numbered(spaces):
    run = kd.closed_form(kd.GradientFlow(jnp.arange(4.0)), [1.0, 0.5])
    with pytest.raises(ValueError, match="spaces must be numbers of bands, from 0 to 1"):
        run.towards(run.target, spaces)


@pytest.mark.parametrize("rows", [[20], [-21], [1.0], "a", [True], 20], ids=str)
def test_rows_that_are_not_there_are_refused_in_words(rows):
    with pytest.raises(IndexError, match="rows must be numbers of training rows, from 0 to 19, a slice, or a mask"):
        kd.Recorder(TALL)(0.0, TALL.targets[:1], rows)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(), "give exactly one of parameters and predictions"),
        (dict(parameters=np.ones((6, 2)), predictions=np.ones((20, 2))), "give exactly one"),
        (dict(parameters=np.ones((5, 2))), r"parameters must end in the shape \(6, 2\) of the problem's, got \(5, 2\)"),
        (dict(predictions=np.ones((3, 20))), r"predictions must end in the shape \(20, 2\)"),
        (
            dict(parameters=np.ones((3, 6, 2)), clock=[1.0]),
            r"clock has shape \(1,\), but parameters have \(3,\) moments",
        ),
        (dict(parameters=np.full((6, 2), np.nan)), "parameters has 12 non-finite values"),
        (dict(parameters=1.0), r"parameters must end in the shape \(6, 2\) of the problem's, got \(\)"),
        (dict(parameters=np.ones((0, 6, 2))), "parameters is empty"),
        (
            dict(parameters=np.ones((2, 3, 6, 2)), clock=[0, 1]),
            r"clock has shape \(2,\), but parameters have \(2, 3\) moments",
        ),
    ],
)
def test_logs_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kd.project(TALL, **arguments)


def test_what_else_is_refused():
    with pytest.raises(ValueError, match=r"start must have the shape \(6, 2\) of the parameters, got \(6,\)"):
        kd.simulate(kd.GradientFlow(1.0), TALL, start=np.ones(6))
    with pytest.raises(TypeError, match=r"give it problem.eigensystem\(\), not the problem"):
        kd.closed_form(kd.GradientFlow(1.0), TALL)
    with pytest.raises(TypeError, match="problem must be made by problems"):
        kd.simulate(kd.GradientFlow(1.0), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"eigenvalues must be a non-empty sequence"):
        kd.closed_form(kd.GradientFlow(1.0), [-1.0])
    with pytest.raises(ValueError, match=r"start must have the shape \(2,\) of the parameters, got \(3,\)"):
        kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5], start=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"start has 1 non-finite values, first at \(1,\)"):
        kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5], start=[1.0, np.nan])


@given(st.floats(-10, 10), st.floats(0.1, 20))
def test_progress_of_an_eigenspace_does_not_depend_on_its_basis(angle, time):
    """Any rotation inside it is as good: the data choose none."""
    target = np.array([0.5, 2.0, -1.0, 3.0])
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    coordinates = target * -np.expm1(-time * np.array([1.0, 0.5, 0.4, 0.1]))  # not a filter's, on purpose
    arrays = [np.array([1.0, 0.5, 0.5, 0.1]), np.array([0, 1, 1, 3])]

    def progress(turn):
        return kd.Trajectory(arrays[0], turn @ coordinates, turn @ target, np.array(time), arrays[1]).progress

    np.testing.assert_allclose(progress(turn), progress(np.eye(4)), rtol=1e-13)


def test_bare_spectra_need_no_matrix_of_directions():
    count = 200_000  # of which it would take 320 GB
    seen = kd.closed_form(kd.GradientFlow([0.0, 1.0]), kd.spectra.power_law(count), start=jnp.ones(count))
    assert seen.coordinates.shape == (2, count) and (seen.coordinates == 1.0).all()


@pytest.mark.parametrize("problem", [TALL, WIDE, KERNEL], ids=["tall", "wide", "kernel"])
def test_progress_from_a_start_is_that_of_the_relabelled_problem(problem):
    """y - f₀ learnt from zero is y learnt from f₀: by another problem, and by the formula over samples."""
    random = np.random.default_rng(3)
    log = random.standard_normal((5, *problem.targets.shape))
    mine = kd.project(problem, predictions=log, start=log[0])
    shifted = kd.project(problem.relabel(problem.targets - log[0]), predictions=log - log[0])
    np.testing.assert_allclose(mine.progress, shifted.progress, atol=1e-10)
    np.testing.assert_allclose(mine.progress[0], 0.0, atol=1e-12)
    system = problem.eigensystem()
    moved, wanted = (np.asarray(system.samples_basis).T @ x for x in (log[3] - log[0], problem.targets - log[0]))
    moved, wanted = moved.reshape(len(moved), -1), wanted.reshape(len(wanted), -1)
    np.testing.assert_allclose(mine.progress[3], (moved * wanted).sum(1) / (wanted**2).sum(1), atol=1e-10)
    assert not np.allclose(kd.project(problem, predictions=log).progress, mine.progress)
    parameters = random.standard_normal((5, *problem.zeros().shape))
    a = kd.project(problem, parameters=parameters, start=parameters[0])
    b = kd.project(problem, predictions=problem.predict(parameters), start=problem.predict(parameters[0]))
    np.testing.assert_allclose(a.progress, b.progress, atol=1e-10)
    np.testing.assert_allclose(a[2].progress, a.progress[2], rtol=1e-13)
    there = kd.simulate(kd.GradientFlow([0.0, 1.0]), problem, start=parameters[0])
    theory = kd.GradientFlow([0.0, 1.0]).filter(system.eigenvalues)
    begun = there.towards(there.target, start=there.coordinates[0])
    np.testing.assert_allclose(begun.progress, theory, atol=1e-9)  # of a warm start, too, it is the filter


def test_several_runs_are_an_axis_in_front():
    random = np.random.default_rng(4)
    log = random.standard_normal((3, 5, *TALL.targets.shape))
    clock = 0.5 * np.arange(5)
    runs = kd.project(TALL, predictions=log, clock=clock, start=log[:, 0])
    assert repr(runs) == "<Trajectory: 3 runs, 5 moments, 6 directions, 2 outputs>" and runs.clock.shape == (3, 5)
    for number in range(3):
        one = kd.project(TALL, predictions=log[number], clock=clock, start=log[number, 0])
        for seen in (runs.progress[number], runs[number].progress):
            np.testing.assert_allclose(seen, one.progress, atol=1e-13)
    same = kd.project(TALL, predictions=log, clock=clock, start=log[0, 0])  # one for all
    np.testing.assert_allclose(
        same.progress[1], runs[1].towards(TALL.eigensystem().target, start=runs.start[0]).progress
    )


def test_a_recorder_is_the_projection_of_the_log():
    random = np.random.default_rng(5)
    for problem in (TALL, WIDE, KERNEL):
        log = random.standard_normal((4, *problem.targets.shape))
        recorder = kd.Recorder(problem, start=log[0])
        for clock, predictions in enumerate(log):
            recorder(clock, predictions)
        seen, wanted = recorder.trajectory, kd.project(problem, predictions=log, start=log[0])
        np.testing.assert_allclose(seen.coordinates, wanted.coordinates, atol=1e-12)
        np.testing.assert_allclose(seen.progress, wanted.progress, atol=1e-10)
        assert seen.clock.tolist() == [0.0, 1.0, 2.0, 3.0] and not seen.counted
    assert repr(recorder) == "<Recorder: 4 moments, 9 directions>"
    top = kd.Recorder(TALL, count=2)
    top(0.5, TALL.targets)
    system = TALL.eigensystem(2)
    np.testing.assert_allclose(top.trajectory.coordinates[0], system.of_predictions(TALL.targets), atol=1e-13)
    again = kd.Recorder(TALL, system)
    again(0.5, TALL.targets)
    np.testing.assert_array_equal(again.trajectory.coordinates, top.trajectory.coordinates)
    held = [array for array in vars(top).values() if hasattr(array, "nbytes")] + top._kept
    assert sum(array.nbytes for array in held) < 8 * (3 * 20 + 10)  # a matrix (K, N), and (K, C) for each moment


def test_mini_batches_add_up_to_a_moment():
    random = np.random.default_rng(6)
    log = random.standard_normal((3, 20, 2))
    recorder, whole = kd.Recorder(TALL), kd.Recorder(TALL)
    for clock, predictions in enumerate(log):
        for rows in np.array_split(random.permutation(20), 3):  # 7, 7 and 6
            recorder(0.1 * clock, predictions[rows], rows)
        whole(0.1 * clock, predictions)
    np.testing.assert_allclose(recorder.trajectory.coordinates, whole.trajectory.coordinates, atol=1e-13)
    np.testing.assert_array_equal(recorder.trajectory.clock, whole.trajectory.clock)
    # batches each at a clock of its own: the mean over the pass, of coordinates as of clocks
    moving = kd.Recorder(TALL)
    for step, rows in enumerate((slice(0, 10), (10, 11, 12, 13, 14), np.arange(20) >= 15)):
        moving(float(step), log[step][np.asarray(rows) if step == 1 else rows], rows)
    assert moving.trajectory.clock.tolist() == [(0.0 * 10 + 1.0 * 5 + 2.0 * 5) / 20]
    mixed = np.concatenate([log[0][:10], log[1][10:15], log[2][15:]])
    np.testing.assert_allclose(moving.trajectory.coordinates[0], TALL.eigensystem().of_predictions(mixed), atol=1e-13)


def test_what_a_recorder_refuses():
    recorder = kd.Recorder(TALL)
    with pytest.raises(ValueError, match="nothing was recorded yet"):
        _ = recorder.trajectory
    with pytest.raises(ValueError, match=r"predictions on all training inputs must be of shape \(20, 2\), got \(20,\)"):
        recorder(0.0, np.ones(20))
    with pytest.raises(ValueError, match=r"predictions on 3 rows must be of shape \(3, 2\), got \(20, 2\)"):
        recorder(0.0, np.ones((20, 2)), [0, 1, 2])
    with pytest.raises(ValueError, match="predictions are not finite at clock 2"):
        recorder(2.0, np.full((20, 2), np.nan))
    recorder(1.0, np.ones((20, 2)))
    with pytest.raises(ValueError, match="clock must rise from moment to moment, got 1 after 1; another run needs"):
        recorder(1.0, np.ones((20, 2)))
    recorder(2.0, np.ones((3, 2)), [0, 1, 2])
    with pytest.raises(ValueError, match="row 2 comes again before all have come once, of which 17 are missing"):
        recorder(2.0, np.ones((2, 2)), [5, 2])
    with pytest.raises(ValueError, match="row 0 comes again"):
        recorder(3.0, np.ones((20, 2)))
    with pytest.warns(UserWarning, match="the last pass lacks 17 of 20 rows, and is left out"):
        assert recorder.trajectory.clock.tolist() == [1.0]
    with pytest.raises(IndexError):
        recorder(2.0, np.ones((1, 2)), [20])
    with pytest.raises(ValueError, match="give one of eigensystem and count"):
        kd.Recorder(TALL, TALL.eigensystem(), count=2)
    with pytest.raises(
        ValueError, match=r"start must have the shape \(20, 2\) of one moment of predictions; got \(20,\)"
    ):
        kd.Recorder(TALL, start=np.ones(20))
    with pytest.raises(TypeError, match="traced by JAX: call the recorder outside of jit"):
        jax.jit(lambda f: recorder(9.0, f))(jnp.ones((20, 2)))
    with pytest.raises(
        ValueError, match=r"start must have the shape \(20, 2\).*, or \(3, 20, 2\) for each run; got \(4"
    ):
        kd.project(TALL, predictions=np.ones((3, 5, 20, 2)), clock=np.arange(5.0), start=np.ones((4, 20, 2)))
    with pytest.raises(TypeError, match="clock is being traced by JAX, but a trajectory is made by NumPy"):
        jax.jit(lambda clock: kd.project(TALL, predictions=np.ones((2, 20, 2)), clock=clock).clock)(jnp.arange(2.0))
    with pytest.raises(ValueError, match="clock is NaN at entry 1"):
        kd.project(TALL, predictions=np.ones((2, 20, 2)), clock=[0.0, np.nan])
    with pytest.raises(ValueError, match=r"start must have the shape \(6, 2\) of the target"):
        kd.project(TALL, predictions=np.ones((2, 20, 2))).towards(np.ones((6, 2)), start=np.ones(6))


def test_an_eigensystem_of_another_problem_is_refused():
    problem, longer = (kd.problems.with_spectrum(0, [1.0, 0.1], samples) for samples in (10, 12))
    several = kd.problems.with_spectrum(0, [1.0, 0.1], 10, signal=np.ones((2, 3)))
    learner, log = kd.GradientDescent(0.1, [1, 2]), np.ones((3, 10))
    for other, said in (longer, "12 samples, this one 10"), (several, r"\(3,\) outputs, this one \(\)"):
        system = other.eigensystem()
        for refused in (
            lambda: kd.simulate(learner, problem, system),  # noqa: B023
            lambda: kd.project(problem, predictions=log, eigensystem=system),  # noqa: B023
            lambda: kd.project(problem, parameters=np.ones((3, 2)), eigensystem=system),  # noqa: B023
            lambda: kd.Recorder(problem, system),  # noqa: B023
        ):
            with pytest.raises(ValueError, match=f"eigensystem is that of another problem: it has {said}"):
                refused()


def test_a_run_may_be_jitted_over_its_moments():
    problem, moments = kd.problems.with_spectrum(0, [1.0, 0.1]), jnp.array([0.5, 3.0])
    run = lambda time: kd.simulate(kd.GradientFlow(time), problem).progress
    np.testing.assert_allclose(jax.jit(run)(moments), 1 - np.exp(-np.outer([0.5, 3.0], [1.0, 0.1])), atol=1e-14)
