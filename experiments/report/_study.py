"""Runs that several rows of the report share: teachers and students on real data with noisy labels.

A study is one data set, kernel, share of noise and seed, which draws the split and the noise. In it one
teacher is stopped at several moments, and from each stop students are trained, at several temperatures and
for several times. Everything is softmax regression on a kernel, in full-batch Nesterov steps; students see
the teacher alone. The last arm is the control: not a student, but the one-hot learner itself, trained for as
many steps.
"""

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import kdtheory as kd
from experiments.report._kept import kept

MOMENTUM, TEMPERATURES = 0.9, (1.0, 4.0)
ARMS = ("student, τ = 1", "student, τ = 4", "one-hot, as many steps")
STEPS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 40, 57, 80, 113, 160, 226, 320])
JUDGED = (5, 10, 20, 40, 80, 160, 320)  # steps at which runs are judged
TAUGHT = (10, 40, 80, 320)  # steps at which teachers stop
BANDS = (5, 20, 60)  # directions 0-4, 5-19, 20-59
LEAD, TRAIL = 0, 2  # bands that matched progress compares
CONFUSABLE = {4: 9, 9: 4, 3: 5, 5: 3, 7: 1, 1: 7, 8: 3, 2: 7, 6: 0, 0: 6}


class Data(NamedTuple):
    """A split with noisy training labels."""

    train: np.ndarray  # (N, D)
    test: np.ndarray  # (M, D)
    noisy: np.ndarray  # (N,) the labels to learn
    clean: np.ndarray  # (N,)
    labels: np.ndarray  # (M,) of the test rows, clean


def lag(teacher, student, level=0.5, lead=0):
    """1 - ρ along every direction. Softmax runs overshoot and come back; they are read on their way up."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "progress of .* is not monotone")
        return kd.measures.observed_exaggeration(teacher, student, level, lead)


def data(name, rows, noise, seed, tested=3000) -> Data:
    """`rows` training rows of a set, the next for the test; images have confusable noise, texts symmetric."""
    inputs, labels = _load(name)
    order = np.random.default_rng(seed).permutation(len(labels))
    first, rest = order[:rows], order[rows : rows + tested]
    images = inputs.dtype.kind == "f"
    train, test = (inputs[first], inputs[rest]) if images else kd.datasets.text_features(inputs[first], inputs[rest])
    noisy = kd.datasets.label_noise(seed, labels[first], noise, CONFUSABLE if images else None)
    return Data(train, test, noisy, labels[first], labels[rest])


SETS = {"mnist": kd.datasets.mnist, "reviews": kd.datasets.reviews, "nace": kd.datasets.nace}


@functools.cache
def _load(name):
    if name.startswith("/"):
        images, labels = kd.datasets.fashion_mnist(name)
        return images[:5000], labels[:5000]
    return SETS[name]()


def whitened(train, test, count=100):
    """The first `count` principal components, each with variance one on the training rows: a flat spectrum, P < N."""
    _, s, vt = np.linalg.svd(np.asarray(train), full_matrices=False)
    count = min(count, len(train) // 4, int(np.sum(s > 1e-8 * s[0])))
    return tuple(np.sqrt(len(train)) * np.asarray(rows) @ vt[:count].T / s[:count] for rows in (train, test))


KERNELS = {
    "whitened": lambda x, z=None: x @ (x if z is None else z).T,
    "linear": lambda x, z=None: x @ (x if z is None else z).T,
    "Gaussian": lambda x, z=None: kd.kernels.rbf(x, z, length=1.0),
    "neural tangent": functools.partial(kd.kernels.relu_ntk, depth=3),
}


def grams(kernel, train, test, intercept=0.1):
    """Gram and cross-gram with the features centred on the training rows, their mean size one, and an intercept."""
    centre = train.mean(axis=0)
    scale = np.sqrt(np.mean(np.sum((train - centre) ** 2, axis=1)))
    train, test = (jnp.asarray((rows - centre) / scale) for rows in (train, test))
    if kernel == "whitened":
        train, test = whitened(train, test)
        intercept = 1 / train.shape[1]  # of the size of the other directions
    gram, cross = np.asarray(KERNELS[kernel](train)), np.asarray(KERNELS[kernel](test, train))
    means, mean = gram.mean(axis=0), gram.mean()
    gram, cross = (k - k.mean(axis=1, keepdims=True) - means + mean for k in (gram, cross))
    size = np.trace(gram) / len(gram)
    return gram / size + intercept, cross / size + intercept


def learner(top_eigenvalue, steps):
    """Nesterov's method at two thirds of its longest stable step; the curvature is at most λ_max/2."""
    bound = kd.Nesterov(1.0, MOMENTUM, 0).max_step_size(0.5 * top_eigenvalue)
    return kd.Nesterov(2 / 3 * float(bound), MOMENTUM, steps)


@kd.record
class Study:
    """What was seen. Axes: arm in ARMS, the teacher's stop i in TAUGHT, a moment j in JUDGED."""

    fit: np.ndarray  # (j,) the teacher's accuracy on its own, noisy labels
    teacher: dict  # (j,) accuracy, log_loss, calibration on test rows
    student: dict  # (arm, i, j) the same
    slopes: dict  # (arm, i, j) by name: train, train orthogonal, train scale-free, train low, train high, test, …
    ratio: np.ndarray  # (arm, i) ρ of the trailing band when half of the leading one is learnt
    points: dict  # "train", "test": pictures (arm, j, 2, N) of the students of the last teacher


def run(name, kernel="neural tangent", rows=4000, noise=0.3, seed=0, tested=3000) -> Study:
    """One study, of `rows` training rows and up to `tested` of the others."""
    split, steps = data(name, rows, noise, seed, tested), STEPS
    gram, cross = grams(kernel, split.train, split.test)
    problem = kd.problems.softmax_kernel(gram, split.noisy, classes=np.unique(split.labels))
    eigensystem = problem.eigensystem(BANDS[-1])
    path = learner(eigensystem.eigenvalues[0], steps)
    judged, stops = (np.searchsorted(steps, some) for some in (JUDGED, TAUGHT))

    def student(teacher_parameters, temperature):
        return path.fit(problem.taught(problem.predict(teacher_parameters), 1.0, temperature))

    teacher = path.fit(problem)
    over_stops = jax.vmap(student, in_axes=(0, None))
    arms = [over_stops(teacher[stops], τ) for τ in TEMPERATURES]
    students = np.stack([*arms, np.broadcast_to(teacher, arms[0].shape)])  # (arm, i, T, N, C)

    lags, scales = np.empty(students.shape[:2]), np.empty((*students.shape[:2], len(judged)))
    seen = _trajectory(eigensystem, path, teacher)
    for i, stop in enumerate(stops):
        target, groups = seen.coordinates[stop], bands(len(seen.eigenvalues))
        for arm in range(len(ARMS)):
            other = _trajectory(eigensystem, path, students[arm, i]).towards(target, groups)
            lags[arm, i] = lag(seen.towards(target, groups), other)[-1]
            scales[arm, i] = [kd.confidence.matching_scale(target, c, BANDS[0]) for c in other.coordinates[judged]]

    train, test = (_logits(k, np.asarray(teacher)[judged]) for k in (gram, cross))
    s_train, s_test = (_logits(k, students[:, :, judged]) for k in (gram, cross))
    fit = np.array([kd.confidence.accuracy(logits, split.noisy) for logits in train])
    taught = np.searchsorted(JUDGED, TAUGHT)
    slopes = _slopes(train[taught], s_train, test[taught], s_test, scales)
    points = {
        where: [[kd.confidence.top_class(own[-1], z) for z in arm[-1]] for arm in other[: len(TEMPERATURES)]]
        for where, own, other in (("train", train, s_train), ("test", test, s_test))
    }
    return Study(
        fit,
        _judge(test, split.labels),
        _judge(s_test, split.labels),
        slopes,
        1 - lags,
        {where: np.asarray(pictures) for where, pictures in points.items()},
    )


def _logits(gram, parameters):
    """One matrix product for all: (M, N) and (..., N, C) to (..., M, C)."""
    flat = np.moveaxis(parameters, -2, 0)
    return np.moveaxis((gram @ flat.reshape(len(flat), -1)).reshape(len(gram), *flat.shape[1:]), 0, -2)


def _trajectory(eigensystem, path, parameters):
    coordinates = eigensystem.of_parameters(jnp.asarray(parameters))
    return kd.Trajectory(eigensystem.eigenvalues, coordinates, eigensystem.target, path.clock, eigensystem.spaces)


def bands(count):
    """The band of each of so many directions."""
    return np.minimum(np.searchsorted(BANDS, np.arange(count), side="right"), len(BANDS) - 1)


def _judge(logits, labels):
    """Measures against the labels, over all axes before rows and classes."""
    measures = dict(
        accuracy=kd.confidence.accuracy,
        log_loss=kd.confidence.log_loss,
        calibration=kd.confidence.calibration_error,
    )
    flat = logits.reshape(-1, *logits.shape[-2:])
    return {
        name: np.reshape([measure(z, labels) for z in flat], logits.shape[:-2]) for name, measure in measures.items()
    }


def _slopes(train, s_train, test, s_test, scales):
    found = {}
    for index in np.ndindex(scales.shape):
        _, i, _ = index
        for where, teacher, student in ("train", train[i], s_train[index]), ("test", test[i], s_test[index]):
            plain = kd.confidence.compare(teacher, student)
            free = kd.confidence.compare(teacher, student, scales[index])
            numbers = dict(zip(("", " orthogonal", " intercept", " low", " high"), vars(plain).values(), strict=True))
            for name, value in (numbers | {" scale-free": free.slope}).items():
                found.setdefault(where + name, np.empty(scales.shape))[index] = value
    return found


# What the rows are about: sets and seeds. Hyperparameters are chosen on the validation seeds and judged on the others.

SETTINGS = {
    "MNIST": dict(name="mnist", rows=4000, noise=0.3),
    "reviews": dict(name="reviews", rows=2000, noise=0.2),
    "NACE": dict(name="nace", rows=450, noise=0.3),
}
SEEDS, VALIDATION = (0, 1, 2, 3, 4), (100, 101)
INTERPOLATING, EARLY = -1, 0  # teachers: the last and the first of TAUGHT


class Chosen(NamedTuple):
    """What the validation seeds chose."""

    stop: int  # j, the best early-stopped teacher, by accuracy
    loss_stop: int  # the same, by log loss
    arm: int  # of the students of each teacher, by i
    moment: int  # j, the same


def choose(studies) -> Chosen:
    """The best stop of the teacher, and for each teacher the best temperature and stop of its student, by accuracy."""
    teacher, loss = (np.mean([study.teacher[name] for study in studies], axis=0) for name in ("accuracy", "log_loss"))
    student = np.mean([study.student["accuracy"][: len(TEMPERATURES)] for study in studies], axis=0)
    best = [np.unravel_index(np.argmax(student[:, i]), student[:, i].shape) for i in range(student.shape[1])]
    arms, moments = (np.array(index) for index in zip(*best, strict=True))
    return Chosen(int(np.argmax(teacher)), int(np.argmin(loss)), arms, moments)


def studies(settings=None, seeds=SEEDS, validation=VALIDATION):
    """For each setting: its studies on the fresh seeds, and what the validation seeds chose."""
    found = {}
    for title, setting in (settings or SETTINGS).items():
        fresh, tuned = ([kept(run, seed=seed, **setting) for seed in some] for some in (seeds, validation))
        found[title] = fresh, choose(tuned)
    return found
