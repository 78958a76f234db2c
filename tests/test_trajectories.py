"""Trajectories: there and back between parameters, predictions and eigen-coordinates."""

import jax.numpy as jnp
import numpy as np
import pytest

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
    assert kd.project(TALL, parameters=log[0]).clock.shape == ()


def test_progress_runs_over_outputs_and_eigenspaces():
    flow = kd.GradientFlow(jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(
        kd.simulate(flow, TALL).progress, flow.filter(TALL.eigensystem().eigenvalues), atol=1e-12
    )
    twins = kd.closed_form(flow, [1.0, 0.5, 0.5])
    assert twins.spaces.tolist() == [0, 1, 1]
    hidden = kd.problems.linear(np.eye(2) * [2.0, 1.0], [1.0, 0.0])  # no target along the second direction
    assert np.isnan(kd.simulate(flow, hidden).progress[:, 1]).all()


def test_starts():
    start = np.ones(TALL.zeros().shape)
    seen = kd.simulate(kd.GradientFlow(0.0), TALL, start=start)
    np.testing.assert_allclose(seen.coordinates, TALL.eigensystem().of_parameters(start), atol=1e-13)
    begun = kd.closed_form(kd.GradientFlow(1.0), [1.0, 0.5], start=[1.0, 0.0])
    np.testing.assert_allclose(begun.coordinates, [1.0, 1 - np.exp(-0.5)], rtol=1e-14)


def test_moments():
    run = kd.closed_form(kd.GradientFlow(jnp.arange(4.0)), [1.0, 0.5])
    assert run[2].clock == 2.0 and run[1:].coordinates.shape == (3, 2) and run[-1].progress.shape == (2,)
    assert "4 moments, 2 directions" in repr(run)
    with pytest.raises(IndexError, match="moment 4 is out of range: this trajectory has 4"):
        run[4]
    with pytest.raises(TypeError, match="single moment"):
        run[0][0]


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
