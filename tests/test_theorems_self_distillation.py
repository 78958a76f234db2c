"""Self-distillation with weight on the ground truth: the reference values of T3 (Borup & Andersen 2021), and two
routes to every number."""

import json
import pathlib

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd

CASES = {
    case["name"]: case
    for case in json.loads((pathlib.Path(__file__).parent / "reference" / "theorems" / "T3.json").read_text())["cases"]
}
FILTERS = [name for name, case in CASES.items() if "taus" in case["inputs"]]


def exactly(values):
    return np.array([float(mpmath.mpf(value)) for value in values])


def near(got, wanted):
    """To 1e-12 relative, where the wanted number is in the range of normal floats."""
    wanted = exactly(wanted)
    normal = (np.abs(wanted) > 2.3e-308) | (wanted == 0)
    np.testing.assert_allclose(np.asarray(got)[normal], wanted[normal], rtol=1e-12, atol=0)
    assert np.all(np.abs(np.asarray(got)[~normal]) < 2.3e-308)


@pytest.mark.parametrize("name", FILTERS)
def test_reference(name):
    given, wanted = CASES[name]["inputs"], CASES[name]["expected"]
    d, learner = jnp.array(given["d"]), kd.Ridge(given["lam"])
    seen = kd.SelfDistilled(learner, 1 - given["alpha"], jnp.array([*given["taus"], jnp.inf]))
    factors, logs = seen.filter(d), seen.log_filter(d)
    for moment, tau in enumerate(given["taus"]):
        near(factors[moment], wanted[f"b_tau_{tau}"])
        near(logs[moment], wanted[f"log_b_tau_{tau}"])
    near(factors[-1], wanted["b_inf"])
    near(seen.log_residual(d)[-1], wanted["log_one_minus_b_inf"])
    if given["alpha"] > 0:
        limit = kd.Ridge(given["lam"] / given["alpha"])
        near(limit.filter(d), wanted["b_inf"])
        near(limit.log_residual(d), wanted["log_one_minus_b_inf"])


LEARNERS = {
    "flow": kd.GradientFlow(1.3),
    "past the largest eigenvalue": kd.GradientDescent(0.7, 3),  # whose filter exceeds one
    "ridge": kd.Ridge(0.4),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_closed_form_is_the_fold(name):
    learner, fits = LEARNERS[name], [1, 2, 5]

    @jax.jit
    @jax.vmap
    def closed_and_folded(weight):
        everything = lambda s: (s.learnt.value, s.left, s.lost, s.residual, s.log_learnt())
        spectrum = jnp.array([2.0, 0.7, 0.01, 0.0])
        closed = everything(kd.SelfDistilled(learner, weight, jnp.array(fits)).shares(spectrum))
        folds = [everything(kd.self_distill(learner, count, weight).shares(spectrum)) for count in fits]
        return closed, jax.tree.map(lambda *each: jnp.stack(each), *folds)

    closed, folded = closed_and_folded(jnp.array([0.0, 0.3, 1.0, 1.4, -0.6]))
    for got, wanted in zip(jax.tree.leaves(closed), jax.tree.leaves(folded), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["past the largest eigenvalue", "ridge"])
def test_both_faces_along_a_path(name):
    problem = kd.problems.with_spectrum(0, [2.0, 0.7, 0.01], samples=7)
    path, start = kd.SelfDistilled(LEARNERS[name], 0.8, jnp.array([4, 1, 3])), jnp.array([0.3, -0.2, 0.5])
    for begin in (None, start):
        seen, theory = kd.simulate(path, problem, start=begin), kd.closed_form(path, problem.eigensystem(), start=begin)
        np.testing.assert_allclose(seen.coordinates, theory.coordinates, atol=1e-13)
        np.testing.assert_array_equal(seen.clock, [4, 1, 3])


def test_the_toy_example_of_the_authors():
    """Their notebook's loss, the mean squared distance to sin 2πx on a grid, at each of six fits and in the limit."""
    given, wanted = (CASES["Borup-Andersen toy example alpha=0.25"][key] for key in ("inputs", "expected"))
    x, grid = np.arange(11) / 10, np.arange(101) / 100
    gram = lambda a, b: np.exp(-80 * (a[:, None] - b) ** 2)
    problem = kd.problems.kernel(gram(x, x), given["Y"])
    ridge = kd.Ridge(0.2 / 11)  # their penalty is on the sum loss
    loss = lambda dual: np.mean((dual @ gram(x, grid) - np.sin(2 * np.pi * grid)) ** 2, axis=-1)
    path = kd.SelfDistilled(ridge, 0.75, jnp.arange(1, 7)).fit(problem)
    np.testing.assert_allclose(loss(path), exactly(wanted["loss_step_1_to_6"]), rtol=1e-12)
    limit = kd.Ridge(0.2 / 11 / 0.25).fit(problem)
    np.testing.assert_allclose(loss(limit), float(wanted["loss_limit"]), rtol=1e-12)


def test_mistakes_are_named():
    problem = kd.problems.linear([[1.0], [1.0]], [1.0, 1.0])
    for fits in (0, 1.5, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"fits must be whole numbers >= 1 for a fit, got"):
            kd.SelfDistilled(kd.Ridge(1.0), 0.5, fits).fit(problem)
    assert np.all(np.isnan(kd.SelfDistilled(kd.Ridge(1.0), 0.5, jnp.array([0, -1])).filter(1.0)))
    with pytest.raises(ValueError, match=r"learner must be a single stopped learner"):
        kd.SelfDistilled(kd.Ridge(jnp.array([1.0, 2.0])), 0.5, 2).fit(problem)
