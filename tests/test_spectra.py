"""Eigenvalue sequences: closed forms; the Marchenko-Pastur law against quadrature, its dual and data."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd

FAMILIES = {
    "power_law": lambda parameter: kd.spectra.power_law(6, exponent=parameter, scale=3.0),
    "exponential": lambda parameter: kd.spectra.exponential(6, rate=parameter, scale=3.0),
    "spiked": lambda parameter: kd.spectra.spiked(6, [2.0, 9.0, 4.0], bulk=parameter),
    "flat": lambda parameter: kd.spectra.flat(6, value=parameter),
    "marchenko_pastur": lambda parameter: kd.spectra.marchenko_pastur(6, parameter, variance=3.0),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_descends_in_float64_and_goes_through_vmap_and_grad(family):
    parameters = jnp.array([0.3, 1.0, 2.5])
    sweep = jax.jit(jax.vmap(family))
    spectra = sweep(parameters)
    assert spectra.shape == (3, 6) and spectra.dtype == jnp.float64
    assert (jnp.diff(spectra) <= 0).all()
    assert (spectra >= 0).all()
    slopes = jax.jit(jax.vmap(jax.jacfwd(family)))(parameters)
    step = 1e-5  # central differences: truncation and rounding are both about 1e-10
    differences = (sweep(parameters + step) - sweep(parameters - step)) / (2 * step)
    np.testing.assert_allclose(slopes, differences, rtol=1e-7, atol=1e-8)


def test_closed_forms():
    rank = np.arange(1, 6)
    np.testing.assert_allclose(kd.spectra.power_law(5, 1.5, 2.0), 2 * rank**-1.5, rtol=1e-15)
    np.testing.assert_allclose(kd.spectra.exponential(5, 0.7, 2.0), 2 * np.exp(0.7 - 0.7 * rank), rtol=1e-15)
    np.testing.assert_array_equal(kd.spectra.spiked(5, [3, 0.5, 7], bulk=2.0), [7, 3, 2, 2, 0.5])
    np.testing.assert_array_equal(kd.spectra.flat(2, 4), [4.0, 4.0])


@pytest.mark.parametrize("ratio", [1e-4, 0.3, 1.0, 1 + 1e-6, 2.5])
def test_marchenko_pastur_quantiles_leave_their_level_above_them(ratio):
    """By quadrature of the density at 30 digits, which a Newton step turns into the error of the quantile."""
    count, variance = 5, 0.7
    quantiles = kd.spectra.marchenko_pastur(count, ratio, variance)
    with mpmath.workdps(30):
        q, v = mpmath.mpf(ratio), mpmath.mpf(variance)
        bottom, top = v * (1 - mpmath.sqrt(q)) ** 2, v * (1 + mpmath.sqrt(q)) ** 2

        def density(x):
            return mpmath.sqrt(abs((top - x) * (x - bottom))) / (2 * mpmath.pi * q * v * x)

        for k, quantile in enumerate(quantiles):
            level = (k + mpmath.mpf(1) / 2) / count
            if level * q > 1:
                assert quantile == 0.0
            else:
                x = mpmath.mpf(float(quantile))
                error = (mpmath.quad(density, [x, top]) - level) / density(x)
                assert abs(error / x) < 2e-15  # ten ulp


def test_marchenko_pastur_is_sharp_at_the_hard_edge():
    """At ratio one the mass below a small λ is (2/π) √λ (1 − λ/24), to λ² ~ 1e-20 for the lowest of many."""
    lowest = kd.spectra.marchenko_pastur(100_000, 1.0)[-1]
    mass = 2 / jnp.pi * jnp.sqrt(lowest) * (1 - lowest / 24)
    np.testing.assert_allclose(mass, 0.5 / 100_000, rtol=2e-15)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
def test_marchenko_pastur_moments(ratio):
    """Midpoint quantiles integrate to O(1/count), worst where the density ends."""
    eigenvalues = kd.spectra.marchenko_pastur(2000, ratio, 3.0)
    np.testing.assert_allclose(eigenvalues.mean(), 3.0, rtol=1e-3)
    np.testing.assert_allclose((eigenvalues**2).mean(), 9.0 * (1 + ratio), rtol=1e-3)


def test_marchenko_pastur_has_the_null_directions_of_wide_data():
    """P = 2N: N exact zeros, and the other N are those of the transposed data, P/N times as large."""
    eigenvalues = kd.spectra.marchenko_pastur(12, 2.0)
    assert (eigenvalues[6:] == 0.0).all()
    np.testing.assert_allclose(eigenvalues[:6], 2.0 * kd.spectra.marchenko_pastur(6, 0.5), rtol=1e-14)


def test_marchenko_pastur_is_what_white_noise_shows():
    samples, parameters = 400, 200
    x = np.random.default_rng(0).normal(size=(samples, parameters))
    seen = np.linalg.eigvalsh(x.T @ x / samples)[::-1]

    def distance(ratio):
        return np.abs(seen - kd.spectra.marchenko_pastur(parameters, ratio)).max()

    assert distance(parameters / samples) < 0.15  # the edges fluctuate by P^(-2/3) = 0.03
    assert distance(samples / parameters) > 1.0  # negative control: the ratio upside down


def test_marchenko_pastur_has_higher_derivatives():
    """The second, by differences of the first; at ratio one, where two branches meet, too."""

    def slope(ratio):
        return jax.jvp(lambda ratio: kd.spectra.marchenko_pastur(5, ratio), (ratio,), (1.0,))[1]

    slope_and_curvature = jax.jit(jax.vmap(lambda ratio: jax.jvp(slope, (ratio,), (1.0,))))
    ratio, step = jnp.array([0.5, 1.0, 1.6]), 1e-5
    (after, _), (_, curvature), (before, _) = map(slope_and_curvature, (ratio + step, ratio, ratio - step))
    np.testing.assert_allclose(curvature, (after - before) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "made, message",
    [
        (lambda: kd.spectra.power_law(3, np.array([1.0, 2.0, 3.0])), r"exponent must be one number, got shape \(3,\)"),
        (lambda: kd.spectra.power_law(3, np.nan), "exponent must be a number, got nan"),
        (lambda: kd.spectra.power_law(3, -1.0), "exponent must be >= 0, or eigenvalues would rise or be negative"),
        (lambda: kd.spectra.power_law(3, scale=-1.0), "scale must be >= 0"),
        (lambda: kd.spectra.exponential(3, -1.0), "rate must be >= 0"),
        (lambda: kd.spectra.spiked(3, [-1.0]), r"spikes must be a list of numbers >= 0, got \[-1"),
        (lambda: kd.spectra.spiked(3, 5.0), "spikes must be a list of numbers >= 0, got 5"),
        (lambda: kd.spectra.spiked(3, [1.0], np.nan), "bulk must be a number, got nan"),
        (lambda: kd.spectra.flat(3, -1.0), "value must be >= 0"),
        (lambda: kd.spectra.marchenko_pastur(3, [0.1, 0.2, 0.3]), r"ratio must be one number, got shape \(3,\)"),
        (lambda: kd.spectra.marchenko_pastur(3, 0.0), "ratio must be positive and finite, P/N; got 0.0"),
        (lambda: kd.spectra.marchenko_pastur(3, 0.5, -1.0), "variance must be >= 0"),
    ],
)
def test_what_is_no_parameter_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_a_spectrum_that_decays_at_once_is_a_single_direction():
    assert kd.spectra.exponential(3, rate=np.inf, scale=2.0).tolist() == [2.0, 0.0, 0.0]


def test_parameters_of_any_kind():
    np.testing.assert_array_equal(kd.spectra.power_law(3, np.uint8(2)), kd.spectra.power_law(3, 2.0))
    np.testing.assert_array_equal(kd.spectra.power_law(3, True), kd.spectra.power_law(3, 1.0))
    swept = jax.vmap(lambda exponent: kd.spectra.power_law(3, exponent))(jnp.arange(1, 3, dtype=jnp.uint8))
    np.testing.assert_allclose(swept[1], kd.spectra.power_law(3, 2.0), rtol=1e-15)
    single = np.float32(0.3)
    for make in (kd.spectra.exponential, kd.spectra.marchenko_pastur):
        np.testing.assert_array_equal(make(250, single), make(250, float(single)))
    with pytest.raises(ValueError, match="count must be a whole number, at least 1"):
        kd.spectra.spiked(0, [])


@pytest.mark.parametrize("gap", [1e-6, 1e-9, 1e-12, 1e-14])
def test_marchenko_pastur_next_to_the_atom(gap):
    """A quantile just above the mass at zero, against the law's own integral in 40 digits."""
    ratio = 1.2 * (1 - gap)
    lowest = float(kd.spectra.marchenko_pastur(3, ratio)[2])
    with mpmath.workdps(40):
        q = mpmath.mpf(ratio)
        low, high = (1 - mpmath.sqrt(q)) ** 2, (1 + mpmath.sqrt(q)) ** 2
        # λ = low + (high - low) sin²(θ/2), in which the density has no roots
        density = lambda θ: (
            (high - low) ** 2 * mpmath.sin(θ) ** 2 / (8 * mpmath.pi * q * (low + (high - low) * mpmath.sin(θ / 2) ** 2))
        )
        below = (3 - mpmath.mpf("2.5") * q) / 3 / q * q  # the mass above the atom, of one, times q
        mass = lambda θ: mpmath.quad(density, [0, θ]) * q
        θ = mpmath.findroot(lambda θ: mass(θ) - below, (below * 6) ** (mpmath.mpf(1) / 3))
        true = low + (high - low) * mpmath.sin(θ / 2) ** 2
    assert lowest == pytest.approx(float(true), rel=1e-13)
