"""Early stopping against ridge and against distillation: THEOREMS T7 and T10.2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import kdtheory as kd
from kdtheory import early_stopping
from kdtheory.measures import risk

digits = lambda value, printed: abs(value - float(printed)) <= 0.5 * 10.0 ** -len(printed.split(".")[1])


def test_constants(oracle):
    ((_, _, expected),) = oracle.theorem("T7", "constants")
    x, y = early_stopping.WORST_X, early_stopping.WORST_BAYES_X
    assert oracle.agrees([x, y], [expected["x_star"], expected["bayes_x"]], 2e-16)
    assert oracle.agrees(early_stopping.FILTER_RATIO, expected["filter_ratio_sup"], 2e-16)
    assert oracle.agrees(early_stopping.RISK_RATIO, expected["risk_ratio_sup"], 2e-16)
    assert oracle.agrees(early_stopping.RISK_RATIO**2, expected["risk_ratio_sup_two_fits"], 1e-15)
    assert oracle.agrees(early_stopping.BAYES_RATIO, expected["bayes_ratio_sup"], 2e-16)
    # and they are what their comments say
    assert np.exp(x) == pytest.approx(1 + x + x * x, rel=1e-14)
    assert (1 + x) ** 2 / (1 + x + x * x) == pytest.approx(early_stopping.FILTER_RATIO, rel=1e-15)
    bayes = lambda x: (1 + x) * (np.exp(-2 * x) + np.expm1(-x) ** 2 / x)
    grid = np.geomspace(1e-3, 1e3, 10_001)
    assert bayes(grid).max() <= bayes(y) == pytest.approx(early_stopping.BAYES_RATIO, rel=1e-15)
    assert float(early_stopping.filter_excess(grid).max()) <= early_stopping.FILTER_RATIO - 1


def test_flow_and_ridge_with_one_clock(oracle):
    for _, inputs, expected in oracle.theorem("T7", "x="):
        x = inputs["x"]
        flow, ridge = kd.GradientFlow(x), kd.Ridge(1 / x)
        assert oracle.agrees(flow.filter(1.0), expected["gf"])
        assert oracle.agrees(ridge.filter(1.0), expected["ridge"])
        assert oracle.agrees(flow.filter(1.0) / ridge.filter(1.0), expected["filter_ratio"])
        assert oracle.agrees(early_stopping.filter_excess(x), expected["filter_ratio_minus_1"])
        assert oracle.agrees(early_stopping.log_bias_ratio(x), expected["log_bias_ratio"])
    # the two sides of each switch of formula
    below, above = np.nextafter([1.0, 0.5], 0.0), np.array([1.0, 0.5])
    np.testing.assert_allclose(early_stopping.filter_excess(below), early_stopping.filter_excess(above), rtol=1e-15)
    np.testing.assert_allclose(early_stopping.log_bias_ratio(below), early_stopping.log_bias_ratio(above), rtol=1e-14)


@pytest.mark.parametrize("fits", [1, 2])
def test_constant_is_attained_on_data(fits):
    """No signal and all λt at the worst x: flow, on data, has exactly C^(2m) times the risk of ridge."""
    spectrum, time = jnp.full(3, 0.5), early_stopping.WORST_X / 0.5
    problem = kd.problems.with_spectrum(0, spectrum)
    flow, ridge = (
        kd.simulate(kd.self_distill(learner, fits), problem).progress
        for learner in (kd.GradientFlow(time), kd.Ridge(1 / time))
    )
    np.testing.assert_allclose(flow**2 / ridge**2, early_stopping.RISK_RATIO**fits, rtol=1e-12)


def test_no_bound_the_other_way_round():
    # pure bias, x = 20: ridge has 5e14 times the risk of flow; with k = 1/2 flow's variance is up to 4 times ridge's
    signal = dict(eigenvalues=[1.0], signal=[1.0], noise_variance=0.0)
    ratio = float(risk(kd.Ridge(1 / 20), **signal).total / risk(kd.GradientFlow(20.0), **signal).total)
    assert ratio == pytest.approx(5e14, rel=0.1) and ratio == pytest.approx(
        float(np.exp(-2 * early_stopping.log_bias_ratio(20.0))), rel=1e-12
    )
    x = np.geomspace(1e-4, 10, 200)
    variance = np.array(kd.GradientFlow(1.0).filter(x) / kd.Ridge(2.0).filter(x)) ** 2
    assert 3.999 < variance.max() < 4


def test_best_stop_of_an_isotropic_signal(oracle):
    ((_, inputs, expected),) = oracle.theorem("T10", "isotropic")
    spectrum, noise = jnp.array(inputs["lam"]), inputs["v"]
    signal = jnp.sqrt(jnp.array(inputs["theta2"]))
    total = lambda learner: risk(learner, spectrum, signal, noise).total
    assert oracle.agrees(total(kd.GradientFlow(inputs["T"])), expected["risk_teacher_T"])
    student = kd.distill(kd.GradientFlow(inputs["T"]), kd.GradientFlow(inputs["s"]))
    assert oracle.agrees(total(student), expected["risk_student"])
    best = kd.measures.best_stop(kd.GradientFlow(1.0), spectrum, signal, noise)
    assert oracle.agrees(total(best), expected["risk_best_early_stop"])
    # the risk is flat at its least: its root of the slope has all digits, its minimum on floats half of them
    time = brentq(jax.jit(jax.grad(lambda t: total(kd.GradientFlow(t)))), 3.0, 5.0, xtol=1e-14)
    assert oracle.agrees(time, expected["t_star"])
    assert best.time == pytest.approx(time, rel=1e-6)
    assert oracle.agrees(kd.GradientFlow(time).filter(spectrum), expected["teacher_at_t_star"])
    clock = early_stopping.best_clock(lambda t: total(kd.GradientFlow(t)), 1e-2, 1e3)
    assert clock == pytest.approx(time, rel=1e-6)
    wiener = spectrum * signal**2 / (spectrum * signal**2 + noise)
    assert oracle.agrees(wiener, expected["wiener_filter"])
    assert oracle.agrees(total(kd.Filter(lambda λ: wiener)), expected["wiener_risk"])


def test_lowest_filters(oracle):
    for name, inputs, expected in oracle.theorem("T10", "lowest"):
        fits = np.array(inputs["m"], float)
        flow = early_stopping.lowest_flow(inputs["h_top"], inputs["ratio"], fits)
        ridge = early_stopping.lowest_ridge(inputs["h_top"], inputs["ratio"], fits)
        endless = early_stopping.lowest_ridge(inputs["h_top"], inputs["ratio"], np.inf)
        assert oracle.agrees(flow.log, expected["log_flow"]), name
        assert oracle.agrees(flow.value, expected["flow"]) and oracle.agrees(ridge.value, expected["ridge"]), name
        np.testing.assert_allclose(ridge.log, np.log(ridge.value), rtol=1e-12)
        if inputs["h_top"] > 1e-100:
            assert oracle.agrees(endless.value, expected["ridge_limit_m_inf"])
        assert endless.log == pytest.approx(np.log(inputs["h_top"]) / inputs["ratio"], rel=1e-14)


@pytest.mark.parametrize("fits", [2, 3])
def test_lowest_filters_are_attained_on_data(fits):
    problem = kd.problems.with_spectrum(0, [1.0, 0.3])
    for learner, lowest in (
        (kd.GradientFlow(2.0), early_stopping.lowest_flow),
        (kd.Ridge(0.5), early_stopping.lowest_ridge),
    ):
        top, low = kd.simulate(kd.self_distill(learner, fits), problem).progress
        assert low == pytest.approx(float(lowest(top, 0.3, fits).value), rel=1e-12)


def test_one_example_of_everything():
    """T10.2: two eigenvalues; the student's risk is Wiener's, below the best early stop; all of it measured on
    data."""
    spectrum, noise = jnp.array([1.0, 0.1]), 0.05
    signal = jnp.sqrt(jnp.array([0.4649575361, 0.0360063296]))
    problem = kd.problems.with_spectrum(3, spectrum, samples=20, signal=signal, noise=0.5)

    def on_data(learner):
        h = kd.simulate(learner, problem).progress
        return float(jnp.sum(spectrum * signal**2 * (1 - h) ** 2 + noise * h**2)), h

    teacher, student = kd.GradientFlow(3.0), kd.distill(kd.GradientFlow(3.0), kd.GradientFlow(3.0))
    best = kd.measures.best_stop(kd.GradientFlow(1.0), spectrum, signal, noise)
    (taught, h), (distilled, g), (stopped, _) = map(on_data, (teacher, student, best))
    wiener = kd.Filter(lambda λ: λ * signal**2 / (λ * signal**2 + noise))
    assert digits(taught, "0.0516325743") and digits(distilled, "0.0485039905") and digits(stopped, "0.0495040428")
    assert digits(float(best.time), "2.231257")
    assert distilled == pytest.approx(float(risk(wiener, spectrum, signal, noise).total), abs=1e-10)
    assert digits(float((g[0] - g[1]) / (h[0] - h[1])), "1.2094")
    for learner, seen in (teacher, taught), (student, distilled), (best, stopped):
        assert seen == pytest.approx(float(risk(learner, spectrum, signal, noise).total), rel=1e-12)


@pytest.mark.parametrize(
    "exponent, single, two_fits",
    [
        (-0.5, "0.391129", "0.391129"),
        (0.0, "0.289574", "0.289574"),
        (0.5, "0.130095", "0.129829"),
        (1.0, "0.067188", "0.065326"),
        (2.0, "0.034349", "0.030933"),
    ],
)
def test_power_laws(exponent, single, two_fits):
    # T10.2: λ_k = k^-1.5, 40 of them, θ² = 2λ^r, v = .01; the best of two fits by a search over both times
    spectrum = jnp.arange(1.0, 41.0) ** -1.5
    signal = jnp.sqrt(2.0 * spectrum**exponent)
    total = lambda learner: risk(learner, spectrum, signal, 0.01).total
    best = kd.measures.best_stop(kd.GradientFlow(1.0), spectrum, signal, 0.01)
    assert digits(float(total(best)), single)
    pair = jax.jit(lambda logs: total(kd.distill(kd.GradientFlow(jnp.exp(logs[0])), kd.GradientFlow(jnp.exp(logs[1])))))
    ends = np.log(float(best.time)) + np.array([-0.5, 12.0])
    found = jnp.stack(jnp.meshgrid(*[jnp.linspace(*ends, 200)] * 2), axis=-1).reshape(-1, 2)
    start = np.asarray(found[int(np.argmin(jax.lax.map(pair, found, batch_size=1000)))])
    from scipy.optimize import minimize

    least = minimize(lambda logs: float(pair(logs)), start, method="Nelder-Mead", options=dict(xatol=1e-9, fatol=1e-14))
    assert digits(float(least.fun), two_fits)
