"""Margins of students against their teachers': THEOREMS T10.1 by its reference values."""

import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd


def test_flow(oracle):
    for name, inputs, expected in oracle.theorem("T10", "flow slope"):
        lead, trail, T, s = (inputs[key] for key in ("lam_top", "lam_small", "T", "s"))
        line = kd.confidence.margin_line(kd.GradientFlow(T), kd.GradientFlow(s), lead, trail)
        assert oracle.agrees(line.slope, expected["slope"]), name
        assert oracle.agrees(np.log(line.slope), expected["log_slope"]), name
        assert oracle.agrees(kd.confidence.critical_time(lead, trail, T), expected["s0"]), name
        assert oracle.agrees(line.scale_free, expected["normalised_slope"]), name
        assert float(line.excess) == pytest.approx(float(line.slope) - 1, rel=1e-12)
        assert (s > kd.confidence.critical_time(lead, trail, T)) == (line.excess > 0)
        assert kd.confidence.critical_time(lead, trail, T) <= np.log(lead / trail) / (lead - trail) * (1 + 1e-15)


def test_ridge(oracle):
    for name, inputs, expected in oracle.theorem("T10", "ridge slope"):
        lead, trail, c_T, c_S = (inputs[key] for key in ("lam_top", "lam_small", "c_T", "c_S"))
        line = kd.confidence.margin_line(kd.Ridge(c_T), kd.Ridge(c_S), lead, trail)
        assert oracle.agrees(line.slope, expected["slope"]), name
        assert oracle.agrees(line.excess, expected["slope_minus_1"]), name
        assert (lead * trail > c_T * c_S) == (line.excess > 0)
    # at λ₁λ₂ = c_T c_S the slope is one
    line = kd.confidence.margin_line(kd.Ridge(2.0), kd.Ridge(1.0), 4.0, 0.5)
    assert float(line.slope) == pytest.approx(1, rel=1e-15) and float(line.excess) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("learner", [kd.GradientFlow(1.5), kd.Ridge(0.4)])
def test_equal_fits(learner):
    # s = T: the slope is the sum of the two filters; the line goes through (h₁, g₁) and (h₂, g₂)
    h1, h2 = learner.filter([2.0, 0.3]).tolist()
    line = kd.confidence.margin_line(learner, learner, 2.0, 0.3)
    assert float(line.slope) == pytest.approx(h1 + h2, rel=1e-14)
    for h in h1, h2:
        assert float(line.slope) * h + float(line.intercept) == pytest.approx(h * h, rel=1e-13)


def test_eigenvalues_an_ulp_apart():
    """The limit is the derivative of g = φ² in h = φ, with s = T; naive differences of filters have no digit left."""
    near = np.nextafter(1.0, 0.0)
    for learner in kd.Ridge(0.7), kd.GradientFlow(1.3):
        line = kd.confidence.margin_line(learner, learner, 1.0, near)
        assert float(line.slope) == pytest.approx(2 * float(learner.filter(1.0)), rel=1e-13)
        assert float(line.scale_free) == pytest.approx(2.0, rel=1e-13)
    assert float(kd.confidence.critical_time(1.0, near, 1.3)) == pytest.approx(1.3 / np.expm1(1.3), rel=1e-13)


def test_other_learners():
    # gradient descent with its own differences, against the flow that it is close to, and against its filters
    loop, flow = kd.GradientDescent(1e-3, 2000), kd.GradientFlow(2.0)
    line, close = (kd.confidence.margin_line(learner, learner, 1.0, 0.2) for learner in (loop, flow))
    assert float(line.slope) == pytest.approx(float(jnp.sum(loop.filter([1.0, 0.2]))), rel=1e-12)
    assert float(line.slope) == pytest.approx(float(close.slope), rel=1e-3)
