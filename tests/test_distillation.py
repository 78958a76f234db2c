"""Learners made of learners: products, folds, switches, and the closed forms of the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kdtheory as kd

λ = jnp.array([2.0, 0.5, 1e-3])
times = st.floats(1e-3, 30)
weights = st.floats(0, 1)


@given(times, times)
def test_distillation_multiplies_and_commutes(a, b):
    one, other = kd.GradientFlow(a), kd.Ridge(1 / b)
    product = one.filter(λ) * other.filter(λ)
    np.testing.assert_allclose(kd.distill(one, other).filter(λ), product, rtol=1e-15)
    np.testing.assert_allclose(kd.distill(other, one).filter(λ), product, rtol=1e-15)


@given(times, times, weights, weights)
def test_the_three_shares_sum_to_one(a, b, weight, other):
    inner = kd.switch(kd.GradientFlow(a), kd.distill(kd.Ridge(b), kd.GradientFlow(b), weight))
    shares = kd.distill(inner, kd.switch(kd.Ridge(a), kd.GradientFlow(b)), other).shares(λ)
    total = shares.learnt.value + shares.left.value + shares.lost.value
    assert np.max(np.abs(total - 1)) <= 4.5e-16  # two ulp: three rounded numbers and their sums


@given(times, times)
def test_a_switched_flow_is_the_longer_flow(a, b):
    switched, whole = kd.switch(kd.GradientFlow(a), kd.GradientFlow(b)), kd.GradientFlow(a + b)
    np.testing.assert_allclose(switched.filter(λ), whole.filter(λ), rtol=1e-14)
    np.testing.assert_allclose(switched.log_residual(λ), whole.log_residual(λ), rtol=1e-14)
    assert float(switched.clock) == a + b


def test_a_teacher_that_trained_for_ever_teaches_the_targets():
    student = kd.GradientDescent(0.3, 9)
    np.testing.assert_allclose(kd.distill(kd.GradientFlow(np.inf), student).filter(λ), student.filter(λ), rtol=1e-15)
    np.testing.assert_array_equal(kd.distill(kd.GradientFlow(1.0), student, 0.0).filter(λ), student.filter(λ))


def borup_andersen(d, penalty, truth, fits):
    """α Σ (1-α)^i S^(i+1) + (1-α)^(τ-1) S^τ with S = d/(d + c): Borup & Andersen 2021, as recalled."""
    s = d / (d + penalty)
    rounds = sum((1 - truth) ** i * s ** (i + 1) for i in range(fits - 1))
    return truth * rounds + (1 - truth) ** (fits - 1) * s**fits


@pytest.mark.parametrize("fits", [1, 2, 5, 12])
@pytest.mark.parametrize("truth", [0.0, 0.35, 1.0])
def test_self_distillation_of_ridge_is_borup_and_andersens(fits, truth):
    filters = kd.self_distill(kd.Ridge(0.2), fits, 1 - truth).filter(λ)
    np.testing.assert_allclose(filters, borup_andersen(np.asarray(λ), 0.2, truth, fits), rtol=1e-14)


def test_endless_self_distillation_is_ridge_with_a_larger_penalty():
    endless = kd.self_distill(kd.Ridge(0.2), 50, 0.6)  # 0.6^50 is 1e-11
    np.testing.assert_allclose(endless.filter(λ), kd.Ridge(0.2 / 0.4).filter(λ), rtol=1e-10)


def test_self_distillation_once_is_the_learner_itself():
    learner = kd.Ridge(0.2)
    assert kd.self_distill(learner, 1) is learner
    for fits in (0, 1.5, True, "two"):
        with pytest.raises(ValueError, match="fits must be a whole number >= 1"):
            kd.self_distill(learner, fits)


def test_loss_switching_in_numbers():
    # KD for t, then one-hot for u: the second part learns what the first left or lost
    first, then = kd.distill(kd.GradientFlow(1.0), kd.GradientFlow(2.0)), kd.GradientFlow(0.7)
    a, b = np.asarray(first.filter(λ)), np.asarray(then.filter(λ))
    np.testing.assert_allclose(kd.switch(first, then).filter(λ), b + (1 - b) * a, rtol=1e-14)


def test_weights_beyond_one_are_not_refused():
    beyond = kd.distill(kd.GradientFlow(1.0), kd.GradientFlow(2.0), teacher_weight=1.5).filter(λ)
    t, s = kd.GradientFlow(1.0).filter(λ), kd.GradientFlow(2.0).filter(λ)
    np.testing.assert_allclose(beyond, s * (1.5 * t - 0.5), rtol=1e-12)


@pytest.mark.parametrize("combine, name", [(kd.distill, "teacher"), (kd.switch, "first")])
def test_a_path_is_no_teacher(combine, name):
    with pytest.raises(ValueError, match=f"{name} must be a single stopped learner, .* jax.vmap"):
        combine(kd.GradientFlow(jnp.arange(3.0)), kd.GradientFlow(1.0))
    with pytest.raises(TypeError, match=f"{name} must be a learner"):
        combine(3.0, kd.GradientFlow(1.0))
    combine(kd.GradientFlow(1.0), kd.GradientFlow(jnp.arange(3.0)))


def test_teachers_are_swept_by_vmap():
    swept = jax.vmap(lambda t: kd.distill(kd.GradientFlow(t), kd.GradientFlow(2.0)).filter(λ))(jnp.array([1.0, 3.0]))
    np.testing.assert_allclose(swept[1], kd.distill(kd.GradientFlow(3.0), kd.GradientFlow(2.0)).filter(λ), rtol=1e-15)
    slope = jax.grad(lambda w: kd.distill(kd.GradientFlow(1.0), kd.GradientFlow(2.0), w).filter(0.5))(0.3)
    t, s = kd.GradientFlow(1.0).filter(0.5), kd.GradientFlow(2.0).filter(0.5)
    assert slope == pytest.approx(float(s * (t - 1)), rel=1e-13)


def test_step_sizes_inside_are_tuned():
    inner = kd.switch(kd.GradientDescent(None, 2), kd.distill(kd.HeavyBall(None, 0.5, 3), kd.Ridge(1.0)))
    assert [part.step_size for part in inner.tuned(4.0).parts() if hasattr(part, "step_size")] == [0.25, 0.25]
