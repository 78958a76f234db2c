"""Why a number is NaN, or not to be taken as it is."""

import jax
import jax.numpy as jnp
import numpy as np

import kdtheory as kd
from kdtheory.measures.status import Status, of_match, of_steps


def test_matching():
    time = np.array([0.0, 1.0, 2.0, 2.5, -1.0, np.nan])
    wanted = [Status.OK, Status.OK, Status.LIMIT] + [Status.NO_MATCH] * 3
    for run in (of_match, jax.jit(of_match)):
        assert run(0.7, time, 2.0).tolist() == wanted
    assert of_match(1.0, 0.0, 0.0) == Status.NO_MATCH  # nothing was taught
    np.testing.assert_array_equal(np.isnan(kd.measures.matched_time(0.7, time, 2.0)), np.array(wanted) == 2)


def test_steps():
    eigenvalues = jnp.array([2.0, 1.9, 1.0, 0.1, 0.0])
    descent = kd.GradientDescent(1.0, 10**5)
    assert of_steps(descent, eigenvalues).tolist() == [3, 4, 0, 0, 0]
    # judged although every number is finite
    assert (
        np.isfinite(kd.GradientDescent(1.0001, 1000).filter(2.0))
        and of_steps(kd.GradientDescent(1.0001, 9), [2.0]) == 3
    )
    for kind, bound in ((kd.HeavyBall, 2 * 1.9), (kd.Nesterov, 2 * 1.9 / 2.8)):
        assert of_steps(kind(1.0, 0.9, 5), jnp.array([bound * 1.001, bound * 0.999])).tolist() == [3, 0]
    assert of_steps(kd.GradientDescent(None, 5), eigenvalues).tolist() == [0] * 5
    both = kd.distill(kd.GradientDescent(1.5, 5), kd.HeavyBall(0.1, 0.9, 5))
    assert of_steps(both, eigenvalues).tolist() == [3, 3, 4, 0, 0]
    assert of_steps(kd.switch(kd.Ridge(1.0), kd.GradientFlow(2.0)), eigenvalues).tolist() == [0] * 5


def test_steps_that_are_none():
    assert of_steps(kd.GradientDescent(-1.0, 9), [1.0, 0.0]).tolist() == [Status.DIVERGED, Status.OK]
    assert of_steps(kd.GradientDescent(1.0, 9), []).shape == (0,)
