"""Runs that several rows of the report share: teachers and students on real data, with clean and with noisy labels.

A study is one data set, share of wrong labels and seed, which draws the split and the noise. In it one teacher is
stopped at several moments, from early to interpolating, and from each stop students are trained at τ = 4; those of the
last teacher at other temperatures too. Everything is softmax regression with the neural tangent kernel of a network of
three hidden layers, in full-batch Nesterov steps; students see the teacher alone. The last arm is the control: not a
student, but the one-hot learner itself, trained for as many steps.
"""

import functools
import itertools
import warnings
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import kdtheory as kd
from experiments.report._kept import kept

MOMENTUM, TEMPERATURES = 0.9, (1.0, 2.0, 4.0)
ARMS = ("student, τ = 1", "student, τ = 2", "student, τ = 4", "one-hot, as many steps")
HOT = 2  # the arm that budgets are fixed for: τ = 4
TAUGHT = (8, 20, 80, 320)  # steps at which teachers stop
JUDGED = (2, 5, 8, 11, 14, 20, 28, 40, 57, 80, 160, 320)  # at which runs are judged; the last is called convergence
STEPS = np.union1d(JUDGED, [1, 3, 4, 6, 7, 17, 24, 33, 113, 226])
BANDS = (5, 20, 60)  # directions 0-4, 5-19, 20-59
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


def data(name, rows, noise, seed, tested=1000, fold=0) -> Data:
    """`rows` training rows of a set, the next for the test; images have confusable noise, texts symmetric.

    Each fold has the next `tested` rows for its test.
    """
    train, test, first, rest = _split(name, rows, seed, tested, fold)
    inputs, labels = _load(name)
    images = inputs.dtype.kind == "f"
    noisy = kd.datasets.label_noise(seed, labels[first], noise, CONFUSABLE if images else None)
    return Data(train, test, noisy, labels[first], labels[rest])


@functools.lru_cache(1)
def _split(name, rows, seed, tested, fold):
    inputs, labels = _load(name)
    order = np.roll(np.random.default_rng(seed).permutation(len(labels)), fold * tested)
    first, rest = order[:rows], order[rows : rows + tested]
    of = kd.datasets.text_features if inputs.dtype.kind != "f" else lambda train, test: (train, test)
    return *of(inputs[first], inputs[rest]), first, rest


SETS = {"mnist": kd.datasets.mnist, "reviews": kd.datasets.reviews, "nace": kd.datasets.nace}


@functools.cache
def _load(name):
    if name.startswith("/"):
        images, labels = kd.datasets.fashion_mnist(name)
        return images[:5000], labels[:5000]
    return SETS[name]()


def principal(matrix):
    """Its singular value decomposition, with the largest entry of each right vector positive on every machine."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    signs = np.sign(vt[np.arange(len(vt)), np.argmax(np.abs(vt), axis=1)])
    return u * signs, s, vt * signs[:, None]


def whitened(train, test, count=100):
    """The first `count` principal components, each with variance one on the training rows: a flat spectrum, P < N."""
    _, s, vt = principal(np.asarray(train))
    count = min(count, len(train) // 4, int(np.sum(s > 1e-8 * s[0])))
    return tuple(np.sqrt(len(train)) * np.asarray(rows) @ vt[:count].T / s[:count] for rows in (train, test))


KERNELS = {
    "linear": lambda x, z=None: x @ (x if z is None else z).T,
    "Gaussian": lambda x, z=None: kd.kernels.rbf(x, z, length=1.0),
    "NTK, depth 1": functools.partial(kd.kernels.relu_ntk, depth=1),
    "neural tangent": functools.partial(kd.kernels.relu_ntk, depth=3),
}


def grams(kernel, train, test, intercept=0.1):
    """Gram and cross-gram with the features centred on the training rows, their mean size one, and an intercept."""
    centre = train.mean(axis=0)
    scale = np.sqrt(np.mean(np.sum((train - centre) ** 2, axis=1)))
    train, test = (jnp.asarray((rows - centre) / scale) for rows in (train, test))
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
    teacher: dict  # (j,) accuracy and log_loss on test rows
    student: dict  # (arm, i, j) the same
    slopes: dict  # (arm, i, j) by name: train, train orthogonal, train scale-free, train low, train high, test, …
    ratio: np.ndarray  # (arm, i) ρ of the trailing band when half of the leading one is learnt
    points: dict  # "train", "test": pictures (j, 2, N) of the last teacher's students of τ = 4


def run(name, rows=600, noise=0.0, seed=0, tested=1000, fold=0) -> Study:
    """One study, of `rows` training rows and up to `tested` of the others."""
    split, steps = data(name, rows, noise, seed, tested, fold), STEPS
    gram, cross, eigensystem = _prepared(name, rows, seed, tested, fold)
    problem = kd.problems.softmax_kernel(gram, split.noisy, classes=np.unique(split.labels))
    path = learner(eigensystem.eigenvalues[0], steps)
    judged, stops = (np.searchsorted(steps, some) for some in (JUDGED, TAUGHT))
    teacher = path.fit(problem)
    students = np.full((len(ARMS), len(TAUGHT), *teacher.shape), np.nan)  # (arm, i, T, N, C)
    others = np.repeat(INTERPOLATING, HOT), np.arange(len(TAUGHT))  # teachers at lower temperatures, and at τ = 4
    arms = np.repeat(range(HOT + 1), [1] * HOT + [len(TAUGHT)])
    pairs = arms, np.concatenate(others)
    students[pairs] = _students(path, problem, teacher[stops[pairs[1]]], jnp.array(TEMPERATURES)[arms])
    students[-1] = teacher

    lags, scales = np.empty(students.shape[:2]), np.empty((*students.shape[:2], len(judged)))
    seen = _trajectory(eigensystem, path, teacher)
    for i, stop in enumerate(stops):
        target, groups = seen.coordinates[stop], bands(len(seen.eigenvalues))
        own = seen.towards(target, groups)
        for arm in range(len(ARMS)):
            if np.isnan(students[arm, i, 0, 0, 0]):
                lags[arm, i], scales[arm, i] = np.nan, np.nan
                continue
            other = (
                own
                if arm == len(ARMS) - 1
                else _trajectory(eigensystem, path, students[arm, i]).towards(target, groups)
            )
            lags[arm, i] = lag(own, other)[-1]
            scales[arm, i] = [kd.confidence.matching_scale(target, c, BANDS[0]) for c in other.coordinates[judged]]

    train, test = (_logits(k, np.asarray(teacher)[judged]) for k in (gram, cross))
    s_train, s_test = (_logits(k, students[:, :, judged]) for k in (gram, cross))
    fit = np.array([kd.confidence.accuracy(logits, split.noisy) for logits in train])
    taught = np.searchsorted(JUDGED, TAUGHT)
    slopes = _slopes(train[taught], s_train, test[taught], s_test, scales)
    points = {
        where: np.array([kd.confidence.top_class(own[taught[-1]], z) for z in other[HOT, -1]])
        for where, own, other in (("train", train, s_train), ("test", test, s_test))
    }
    return Study(fit, _judge(test, split.labels), _judge(s_test, split.labels), slopes, 1 - lags, points)


@functools.lru_cache(1)
def _prepared(name, rows, seed, tested, fold):
    """What does not depend on the labels, nor then on the noise: gram, cross-gram, eigensystem."""
    split = data(name, rows, 0.0, seed, tested, fold)
    gram, cross = grams("neural tangent", split.train, split.test)
    problem = kd.problems.softmax_kernel(gram, split.noisy, classes=np.unique(split.labels))
    return gram, cross, problem.eigensystem(BANDS[-1])


@jax.jit
def _students(path, problem, teachers, temperatures):
    """The student of each teacher (B, N, C) at its temperature (B,): (B, T, N, C)."""
    return jax.vmap(lambda teacher, τ: path.fit(problem.taught(problem.predict(teacher), 1.0, τ)))(
        teachers, temperatures
    )


def _logits(gram, parameters):
    """One matrix product for all: (M, N) and (..., N, C) to (..., M, C)."""
    flat = np.moveaxis(parameters, -2, 0)
    return np.moveaxis((gram @ flat.reshape(len(flat), -1)).reshape(len(gram), *flat.shape[1:]), 0, -2)


def _trajectory(eigensystem, path, parameters):
    coordinates = jnp.asarray(_logits(np.asarray(eigensystem.reading).T, np.asarray(parameters)))
    return kd.Trajectory(eigensystem.eigenvalues, coordinates, eigensystem.target, path.clock, eigensystem.spaces)


def bands(count):
    """The band of each of so many directions."""
    return np.minimum(np.searchsorted(BANDS, np.arange(count), side="right"), len(BANDS) - 1)


def _judge(logits, labels):
    """Measures against the labels, over all axes before rows and classes."""
    measures = dict(
        accuracy=kd.confidence.accuracy,
        log_loss=kd.confidence.log_loss,
    )
    flat = logits.reshape(-1, *logits.shape[-2:])
    judge = lambda measure: [np.nan if np.isnan(z[0, 0]) else measure(z, labels) for z in flat]
    return {name: np.reshape(judge(measure), logits.shape[:-2]) for name, measure in measures.items()}


def _slopes(train, s_train, test, s_test, scales):
    found = {}
    for where, teachers, students in ("train", train, s_train), ("test", test, s_test):
        for i, teacher in enumerate(teachers):
            top = np.argmax(teacher, axis=1)
            x = kd.confidence.class_logit(teacher, top)
            for scale, end in (np.ones(scales.shape), ""), (scales, " scale-free"):
                scaled = (scale[:, i, :, None, None] * students[:, i]).reshape(-1, *teacher.shape)
                y = np.reshape(_class_logits(scaled, top), (*scale[:, i].shape, -1))
                for index in np.ndindex(y.shape[:2]):
                    seen = kd.confidence.of_points(x, y[index])
                    numbers = dict(orthogonal=seen.orthogonal_slope, low=seen.low_residual, high=seen.high_residual)
                    more = {} if end else {f" {name}": value for name, value in numbers.items()}
                    for name, value in {end: seen.slope, **more}.items():
                        found.setdefault(where + name, np.empty(scales.shape))[index[0], i, index[1]] = value
    return found


@jax.jit
def _class_logits(logits, top):
    """Of each of some logits (B, N, C), those of one class per row (N,): (B, N)."""
    return jax.vmap(lambda each: kd.confidence.class_logit(each, top))(logits)


# What the rows are about: sets and seeds. Hyperparameters are chosen on the validation seeds and judged on the others.

SETTINGS = {
    "MNIST": dict(name="mnist", rows=600),
    "NACE": dict(name="nace", rows=541, tested=270, folds=3),
    "reviews": dict(name="reviews", rows=600),
}
FASHION = "/usr/share/datasets/fashion-mnist"
if Path(FASHION).exists():
    SETTINGS["Fashion-MNIST"] = dict(name=FASHION, rows=600)
NOISES = (0.0, 0.1, 0.3)
SEEDS, AGAIN, VALIDATION = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (100, 101)
INTERPOLATING, EARLY = -1, 0  # teachers: the last and the first of TAUGHT
QUARTER, WHOLE, LONG = 0.25, 1.0, np.inf  # budgets of students, fixed beforehand: shares of the teacher's steps


def words(noise):
    return f"{noise:.0%} wrong labels" if noise else "clean labels"


def moment(budget, teacher=INTERPOLATING):
    """The index j of a budget, for the student of a teacher."""
    return min(int(np.searchsorted(JUDGED, budget * TAUGHT[teacher])), len(JUDGED) - 1)


class Chosen(NamedTuple):
    """What the validation seeds chose."""

    stop: int  # j, the best early-stopped teacher, by accuracy
    student_stop: int  # j, that of the interpolating teacher's student, τ = 4
    steepest: int  # j, the largest slope on test inputs of the interpolating teacher's student, τ = 4


class Studies(NamedTuple):
    """Of one set and share of wrong labels."""

    fresh: list  # the studies that are judged: one for each seed, or for each seed and fold
    chosen: Chosen
    overlap: float  # rows tested over rows trained on where folds share rows, else zero


def choose(studies) -> Chosen:
    teacher = np.mean([study.teacher["accuracy"] for study in studies], axis=0)
    student = np.mean([study.student["accuracy"][HOT, INTERPOLATING] for study in studies], axis=0)
    slope = np.mean([study.slopes["test"][HOT, INTERPOLATING] for study in studies], axis=0)
    return Chosen(*(int(np.argmax(values)) for values in (teacher, student, slope)))


def studies(settings=None, noises=NOISES, seeds=SEEDS, validation=VALIDATION) -> dict[tuple[str, float], Studies]:
    """By title and share of wrong labels."""
    found = {}
    for title, setting in (settings or SETTINGS).items():
        sizes = {name: value for name, value in setting.items() if name != "folds"}
        folds = range(setting.get("folds", 1))
        fresh, tuned = ({noise: [] for noise in noises} for _ in range(2))
        for some, parts, into in (seeds, folds, fresh), (validation, folds[:1], tuned):
            for seed, fold, noise in itertools.product(some, parts, noises):
                into[noise].append(kept(run, seed=seed, fold=fold, noise=noise, **sizes))
        tested = min(sizes.get("tested", len(_load(sizes["name"])[1])), len(_load(sizes["name"])[1]) - sizes["rows"])
        overlap = tested / sizes["rows"] if len(folds) > 1 else 0.0
        found |= {(title, noise): Studies(fresh[noise], choose(tuned[noise]), overlap) for noise in noises}
    return found
