"""Other architectures: teacher and student with different features

Six kinds of features of 200 images of handwritten digits, every one as teacher and as student: linear,
Gaussian kernel, neural tangent kernels of depth 1 and 3, 64 and 512 random ReLU features; clean labels. Means
over five seeds. (a), (b) P2, squared loss, gradient flow: ρ, the student's progress on directions 20 to 59 over
its teacher's when both have made half of the way on the leading five, along the eigendirections of the
student's features and of the teacher's; below one, blue, the bias is exaggerated. A teacher stops when it has
learnt 95 % of its direction 20. (c) ρ in the teacher's directions against what the overlap of the two
eigenbases foretells, in mean over the signs of the labels (own, proved): each dot is a pair. (d) P4, softmax,
τ = 4: slope of confidence on test inputs after a thirty-second of the teacher's 320 steps; (e) P6: the student's
gain in test accuracy over its teacher after a quarter of its steps, in points, and (f) over the one-hot learner
with the student's features after as many steps. Pairs of one kind of features are on the diagonal.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._verdicts import Finding

CLAIMED = "Students deviate so too where their architecture is another than their teacher's (second-hand)."
WHY = (
    "With the same features ρ is below one. With others a student of a flatter spectrum than its teacher's, or whose"
    " top directions are not its teacher's, is not behind; the overlap of the eigenbases says beforehand which. What"
    " always survives is that the predictions move up in the student's own spectrum (Rayleigh quotient)."
)
FEATURES = ("linear", "Gaussian", "NTK, depth 1", "neural tangent", "64 features", "512 features")
SHORT = ("linear", "Gauss", "NTK 1", "NTK 3", "64", "512")
EARLY, QUARTER = 0, 1  # of MOMENTS
MOMENTS = (10, 80)


@kd.record
class Pairs:
    """One seed. Axes: teacher and student in FEATURES."""

    own: np.ndarray  # ρ in the student's directions
    teachers: np.ndarray  # ρ in the teacher's
    foretold: np.ndarray  # the same, by the mean filter
    risen: np.ndarray  # relative rise of the Rayleigh quotient of the predictions in the student's kernel
    disagreement: np.ndarray  # of runs with theory
    slope: np.ndarray  # (…, 2) of confidence on test inputs, at MOMENTS
    gain: np.ndarray  # (…, 2) of accuracy over the teacher
    over_own: np.ndarray  # (…, 2) over the one-hot learner of the student's features


def compute(*, seeds=_study.SEEDS, rows=200, noises=(0.0,)):
    return {noise: [kept(one, seed=seed, noise=noise, rows=rows) for seed in seeds] for noise in noises}


def one(seed, noise, rows) -> Pairs:
    split = _study.data("mnist", rows, noise, seed)
    grams = [_features(kind, split.train, split.test, seed) for kind in FEATURES]
    squared, soft = _squared([gram for gram, _ in grams], split.noisy), _softmax(grams, split)
    return Pairs(*np.moveaxis(squared, -1, 0), *np.moveaxis(soft, -2, 0))


def _features(kind, train, test, seed):
    if kind.endswith("features"):
        lift = kd.kernels.random_relu(seed, int(kind.split()[0]), train.shape[1])
        return _study.grams("linear", *(np.asarray(lift(jnp.asarray(rows))) for rows in (train, test)), intercept=0.0)
    return _study.grams(kind, train, test, intercept=0.0)


def _squared(grams, labels):
    targets = kd.datasets.one_hot(labels, np.arange(10))
    problems = [kd.problems.kernel(gram, targets - targets.mean(axis=0)) for gram in grams]
    systems = [problem.eigensystem() for problem in problems]
    found = np.empty((len(grams), len(grams), 5))
    for t, teacher_problem in enumerate(problems):
        stop = 3 / float(systems[t].eigenvalues[20])
        run = kd.closed_form(kd.GradientFlow(np.geomspace(1e-4, 1.0, 40) * stop), systems[t])
        for s, student_problem in enumerate(problems):
            times = np.geomspace(1e-2, 1e2, 14) / float(systems[s].eigenvalues[_study.BANDS[0]])
            seen = kd.transfer(kd.GradientFlow(stop), kd.GradientFlow(times), teacher_problem, student_problem)
            turned = kd.measures.transfer.turned
            taught = turned(run, seen.overlap.T, onto=seen.student)
            along = seen.student_along_teacher
            mean = seen.mean_filter.mean[..., None] * np.asarray(run.coordinates[-1])
            foretold = dataclasses.replace(along, coordinates=jnp.asarray(mean))
            predictions = _predictions(seen.student.coordinates, systems[s])
            before = _predictions(taught.coordinates[-1], systems[s])
            risen = _rayleigh(predictions, systems[s]) / _rayleigh(before, systems[s]) - 1
            found[t, s] = _ρ(taught, seen.student), _ρ(run, along), _ρ(run, foretold), risen.min(), seen.disagreement
    return found


def _ρ(teacher, student):
    """Of the trailing band, at half of the teacher's way on the leading one."""
    first = slice(0, _study.BANDS[-1])
    teacher, student = (
        dataclasses.replace(
            each,
            eigenvalues=each.eigenvalues[first],
            coordinates=each.coordinates[:, first],
            target=each.target[first],
            spaces=each.spaces[first],
        )
        for each in (teacher, student)
    )
    target, groups = teacher.coordinates[-1], _study.bands(len(teacher.eigenvalues))
    return 1 - _study.lag(teacher.towards(target, groups), student.towards(target, groups))[-1]


def _predictions(coordinates, system):
    return np.asarray(coordinates) * np.sqrt(np.asarray(system.eigenvalues))[:, None]


def _rayleigh(components, system):
    """Σ λ_k |u_kᵀf|²/Σ |u_kᵀf|² of predictions inside of the span."""
    power = np.sum(components**2, axis=-1)
    return power @ np.asarray(system.eigenvalues) / power.sum(axis=-1)


def _softmax(grams, split):
    steps = np.array([*MOMENTS, 320])
    problems = [kd.problems.softmax_kernel(gram, split.noisy, classes=np.arange(10)) for gram, _ in grams]
    paths = [_study.learner(float(problem.max_eigenvalue()), steps) for problem in problems]
    runs = [np.asarray(path.fit(problem)) for path, problem in zip(paths, problems, strict=True)]
    on_test = [_study._logits(cross, run) for (_, cross), run in zip(grams, runs, strict=True)]
    accuracy = lambda logits: 100 * kd.confidence.accuracy(logits, split.labels)
    found = np.empty((len(grams), len(grams), 3, len(MOMENTS)))
    for t, (gram, _) in enumerate(grams):
        taught = gram @ runs[t][-1]
        for s, problem in enumerate(problems):
            student = np.asarray(paths[s].fit(problem.taught(taught, 1.0, 4.0)))
            logits = _study._logits(grams[s][1], student)
            for moment in range(len(MOMENTS)):
                now = accuracy(logits[moment])
                slope = kd.confidence.compare(on_test[t][-1], logits[moment]).slope
                found[t, s, :, moment] = slope, now - accuracy(on_test[t][-1]), now - accuracy(on_test[s][moment])
    return found


def groups():
    """Which pairs a finding is about, by words."""
    same = np.eye(len(FEATURES), dtype=bool)
    return {"same features": same, "other features": ~same}


def findings(result):
    for noise, seeds in result.items():
        who = _study.words(noise)
        of = {name: np.array([getattr(pairs, name) for pairs in seeds]) for name in vars(seeds[0])}
        for words, where in groups().items():
            of_pairs = lambda values, where=where: values[:, where].mean(axis=1)
            yield Finding(f"{who}, {words}: ρ in the student's directions", of_pairs(of["own"]), "below", 1.0)
            yield Finding(f"{who}, {words}: ρ in the teacher's directions", of_pairs(of["teachers"]), "below", 1.0)
            yield Finding(
                f"{who}, {words}: slope, test, after {MOMENTS[EARLY]} steps",
                of_pairs(of["slope"][..., EARLY]),
                "above",
                1.0,
            )
            late = f"after {MOMENTS[QUARTER]} steps, in points"
            yield Finding(f"{who}, {words}: gain over the teacher {late}", of_pairs(of["gain"][..., QUARTER]), "above")
            own = of_pairs(of["over_own"][..., QUARTER])
            yield Finding(f"{who}, {words}: gain over the one-hot learner of its own features {late}", own, "above")
        pairs = zip(of["teachers"], of["foretold"], strict=True)
        fit = np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])
        yield Finding(f"{who}: correlation over pairs of ρ seen and ρ foretold by the overlap", fit, "above", 0.9)
        share = np.mean((of["teachers"] < 1) == (of["foretold"] < 1), axis=(1, 2))
        yield Finding(f"{who}: share of pairs whose side of one was foretold", share, "above", 0.9)
        least = of["risen"].min(axis=(1, 2))
        yield Finding(f"{who}: least rise of the Rayleigh quotient in the student's kernel", least, "above", -1e-9)
        off = of["disagreement"].max(axis=(1, 2))
        yield Finding(f"{who}: largest distance of runs from theory", off, "equal", 0.0, 1e-6)


def abstract(found):
    by = {finding.what: finding for finding in found}
    own, theirs = (
        by[f"clean labels, other features: ρ in the {whose} directions"] for whose in ("student's", "teacher's")
    )
    slope = by[f"clean labels, other features: slope, test, after {MOMENTS[EARLY]} steps"]
    return (
        f"with other features than its teacher's a student has ρ = {own} in its own directions, {theirs} in its"
        f" teacher's, and a test slope of {slope} after {MOMENTS[EARLY]} steps."
    )


def draw(result):
    seeds = next(iter(result.values()))
    of = lambda name: np.mean([getattr(pairs, name) for pairs in seeds], axis=0)
    figure = Figure(figsize=(11, 7.4), layout="constrained")
    axes = figure.subplots(2, 3)
    _table(axes[0, 0], of("own"), 1.0, "a  ρ in the student's directions")
    _table(axes[0, 1], of("teachers"), 1.0, "b  ρ in the teacher's directions")
    ax = axes[0, 2]
    same = np.eye(len(FEATURES), dtype=bool)
    for where, color, label in (same, kd.plots.BLUE, "same features"), (~same, kd.plots.VERMILLION, "other features"):
        seen, foretold = (
            np.array([getattr(pairs, name)[where] for pairs in seeds]).ravel() for name in ("teachers", "foretold")
        )
        ax.plot(foretold, seen, ".", color=color, label=label, alpha=0.6)
    ends = np.array([*ax.get_xlim()])
    ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    ax.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
    ax.set(xlabel="ρ foretold by the overlap", ylabel="ρ seen")
    ax.set_title("c  In the teacher's directions", loc="left")
    ax.legend()
    _table(axes[1, 0], of("slope")[..., EARLY], 1.0, f"d  Test slope after {MOMENTS[EARLY]} steps")
    _table(axes[1, 1], of("gain")[..., QUARTER], 0.0, "e  Gain over its teacher", "+.1f")
    _table(axes[1, 2], of("over_own")[..., QUARTER], 0.0, "f  Gain over one-hot, its own features", "+.1f")
    return figure


def _table(ax, values, null, title, form=".2f"):
    """A number for each pair, red above `null`, blue below."""
    span = max(np.max(np.abs(values - null)), 1e-6)
    ax.imshow(values - null, cmap="RdBu_r", vmin=-span, vmax=span, alpha=0.7)
    for (t, s), value in np.ndenumerate(values):
        text = f"{value:{form}}"
        text = text if float(text) else f"{0.0:{form}}"  # no minus before a zero
        color = "white" if abs(value - null) > 0.7 * span else "black"
        ax.text(s, t, text, ha="center", va="center", fontsize=7, color=color)
    ax.set_xticks(range(len(FEATURES)), SHORT, fontsize=7)
    ax.set_yticks(range(len(FEATURES)), SHORT, fontsize=7)
    ax.set(xlabel="student", ylabel="teacher")
    ax.grid(visible=False)
    ax.set_title(title, loc="left", fontsize=9)
