"""Sweeps over the outer product of axes."""

import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd


def product(a, b):
    return 10.0 * a + b


def test_labels_order_and_values():
    table = kd.sweep(product, a=[1.0, 2.0], b=jnp.arange(3))
    assert table["product"].dims == ("a", "b") and list(table.data_vars) == ["product"]
    assert table["product"].values.tolist() == [[10, 11, 12], [20, 21, 22]]
    assert table.b.values.tolist() == [0, 1, 2]


def test_chunks_do_not_change_the_result():
    def filters(time, exponent):
        return kd.GradientFlow(time).filter(kd.spectra.power_law(6, exponent))

    axes = dict(time=jnp.geomspace(0.1, 10, 7), exponent=jnp.linspace(0, 2, 5))
    whole, pieces = kd.sweep(filters, **axes), kd.sweep(filters, chunk=4, **axes)
    assert whole.filters.dims == ("time", "exponent", "filters_0") and whole.filters.shape == (7, 5, 6)
    # other vector lengths may round the last bit otherwise
    np.testing.assert_allclose(whole.filters, pieces.filters, rtol=1e-15)
    direct = kd.GradientFlow(axes["time"][3]).filter(kd.spectra.power_law(6, axes["exponent"][1]))
    np.testing.assert_allclose(whole.filters[3, 1], direct, rtol=1e-15)


def test_what_sweep_refuses(monkeypatch):
    with pytest.raises(ValueError, match="at least one axis"):
        kd.sweep(product)
    with pytest.raises(ValueError, match=r"axis a must be a one-dimensional .* got shape \(2, 1\)"):
        kd.sweep(product, a=[[1.0], [2.0]], b=[1.0])
    with pytest.raises(ValueError, match="the axes a, c do not match the arguments of product"):
        kd.sweep(product, a=[1.0], c=[1.0])
    with pytest.raises(ValueError, match="must return a number or an array, got dict"):
        kd.sweep(lambda a: {"x": a}, a=[1.0])
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'kdtheory\[sweep\]'"):
        kd.sweep(product, a=[1.0], b=[1.0])
