"""The third claim: exaggerated bias, exaggerated confidence and better generalisation in the same runs

For each set the student of the teacher that fits its noisy labels, as in P4 and P6, judged on the same five
runs: (a) ρ of the trailing directions, where below one is exaggerated bias; (b) the slope of confidence on
training and on test inputs; (c) the fall of the test error in points, against its own teacher and against the
best early-stopped one. On the right the causal control: digits with whitened pixels (100 components, fewer
than the 2000 rows), on which no bias is left to exaggerate. With squared loss the student is there exactly
its own filter times the teacher, so that its slope is below one; with softmax it is so but for the curvature
of the loss. Dots are seeds, bars means with 95 % intervals.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study, confidence, generalisation
from experiments.report._kept import kept
from experiments.report._study import INTERPOLATING
from experiments.report._verdicts import Finding

CLAIMED = (
    "The exaggerated bias can result at once in the exaggerated confidence and in the better generalisation of the"
    " student."
)


@kd.record
class Control:
    """One seed of digits with whitened pixels."""

    squared_ratio: float  # ρ with squared loss
    squared_slope: float  # of the student's predictions on the teacher's
    excess: float  # the largest difference of that student from its own filter times the teacher
    ratio: float  # ρ with softmax
    slope: float  # on training inputs, with softmax
    test: float  # on test inputs
    gain: float  # over its own teacher in test accuracy
    best: float  # over the best early stop, chosen in hindsight


def compute(*, settings=None, seeds=_study.SEEDS, validation=_study.VALIDATION, rows=2000):
    controls = [kept(control, seed=seed, rows=rows) for seed in seeds]
    return _study.studies(settings, seeds, validation), controls


def control(seed, rows, teacher_steps=400, student_steps=40) -> Control:
    """A teacher that converged and a student stopped after a tenth of its steps, on a flat spectrum."""
    split = _study.data("mnist", rows, 0.3, seed)
    train, test = _study.whitened(split.train - split.train.mean(axis=0), split.test - split.train.mean(axis=0))
    squared = kd.problems.linear(train, kd.datasets.one_hot(split.noisy, np.arange(10)) - 0.1)
    path, step_size = np.union1d(np.geomspace(1, teacher_steps, 40).astype(int), student_steps), 0.05
    stop = int(np.flatnonzero(path == student_steps)[0])
    runs, fits = [], []
    for problem, η in (
        (squared, step_size),
        (kd.problems.softmax(train, split.noisy, np.arange(10)), 10 * step_size),
    ):
        eigensystem = problem.eigensystem()
        bands = _study.bands(len(eigensystem.eigenvalues))
        temperature = 1.0 if problem is squared else 4.0
        teacher = kd.GradientDescent(η, path)
        student = kd.distill(kd.GradientDescent(η, teacher_steps), kd.GradientDescent(η, path), temperature=temperature)
        parameters = [np.asarray(each.fit(problem)) for each in (teacher, student)]
        target = eigensystem.of_parameters(parameters[0][-1])
        runs.append(
            [
                kd.Trajectory(
                    eigensystem.eigenvalues,
                    eigensystem.of_parameters(w),
                    target,
                    learner.clock,
                    eigensystem.spaces,
                ).towards(target, bands)
                for w, learner in zip(parameters, (teacher, student), strict=True)
            ]
        )
        fits.append((parameters[0][-1], parameters[1][stop]))
    ratios = [1 - _study.lag(*pair)[-1] for pair in runs]
    taught, learnt = (train @ w for w in fits[0])
    filtered = float(kd.GradientDescent(step_size, student_steps).filter(1.0))
    slope = np.sum(taught * learnt) / np.sum(taught**2)
    clouds = [kd.confidence.compare(rows @ fits[1][0], rows @ fits[1][1]).slope for rows in (train, test)]
    own, gained, *stops = (kd.confidence.accuracy(test @ w, split.labels) for w in (*fits[1], *parameters[0]))
    excess = np.max(np.abs(learnt - filtered * taught))
    return Control(ratios[0], slope, excess, ratios[1], *clouds, gained - own, gained - max(stops))


def findings(result):
    found, controls = result
    for title, (fresh, chosen) in found.items():
        student, own, best, _ = generalisation.at(fresh, chosen, INTERPOLATING)
        yield Finding(f"{title}: ρ", ratio(fresh, chosen), "below", 1.0)
        for where in "train", "test":
            yield Finding(
                f"{title}: slope, {where}", confidence.slopes(fresh, chosen, where, INTERPOLATING), "above", 1.0
            )
        yield Finding(f"{title}: fall of the error against its own teacher, in points", 100 * (student - own), "above")
        yield Finding(f"{title}: the same against the best early stop", 100 * (student - best), "above")
    at = {name: np.array([getattr(one, name) for one in controls]) for name in vars(controls[0])}
    yield Finding("control, squared loss: ρ", at["squared_ratio"], "equal", 1.0, tolerance=1e-9)
    yield Finding(
        "control, squared loss: distance from own filter times teacher",
        at["excess"],
        "equal",
        0.0,
        tolerance=1e-9,
    )
    yield Finding("control, squared loss: slope", at["squared_slope"], "below", 1.0)
    yield Finding("control, softmax: ρ", at["ratio"], "equal", 1.0, tolerance=0.1)
    yield Finding("control, softmax: slope, train", at["slope"], "below", 1.0)


def ratio(fresh, chosen):
    """ρ of the chosen student of the interpolating teacher, (S,)."""
    return np.array([study.ratio[chosen.arm[INTERPOLATING], INTERPOLATING] for study in fresh])


def draw(result):
    found, controls = result
    at = {name: np.array([getattr(one, name) for one in controls]) for name in vars(controls[0])}
    titles = [*found, "whitened,\nsoftmax", "whitened,\nsquared"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    bias, slope, gain = figure.subplots(1, 3)
    for place, (fresh, chosen) in enumerate(found.values()):
        student, own, best, _ = generalisation.at(fresh, chosen, INTERPOLATING)
        _bar(bias, place, ratio(fresh, chosen), kd.plots.BLUE)
        for shift, where, color in (-0.12, "train", kd.plots.BLUE), (0.12, "test", kd.plots.GREEN):
            _bar(slope, place + shift, confidence.slopes(fresh, chosen, where, INTERPOLATING), color)
        for shift, other, color in (-0.12, own, kd.plots.VERMILLION), (0.12, best, "black"):
            _bar(gain, place + shift, 100 * (student - other), color)
    soft = len(found)
    _bar(bias, soft, at["ratio"], kd.plots.BLUE)
    _bar(bias, soft + 1, at["squared_ratio"], kd.plots.BLUE)
    for shift, name, color in (
        (-0.12, "slope", kd.plots.BLUE),
        (0.12, "test", kd.plots.GREEN),
        (1, "squared_slope", kd.plots.BLUE),
    ):
        _bar(slope, soft + shift, at[name], color)
    for shift, name, color in (-0.12, "gain", kd.plots.VERMILLION), (0.12, "best", "black"):
        _bar(gain, soft + shift, 100 * at[name], color)
    panels = (
        (bias, 1, "a  Bias", "ρ, trailing over leading directions", ()),
        (slope, 1, "b  Confidence", "slope", ((kd.plots.BLUE, "train"), (kd.plots.GREEN, "test"))),
        (
            gain,
            0,
            "c  Generalisation",
            "fall of the test error  [points]",
            ((kd.plots.VERMILLION, "against its own teacher"), ("black", "against the best early stop")),
        ),
    )
    for ax, null, title, label, names in panels:
        ax.axhline(null, color="0.6", linewidth=0.8)
        ax.set_title(title, loc="left")
        ax.set_ylabel(label)
        shown = titles if ax is not gain else titles[:-1]
        ax.set_xticks(range(len(shown)), shown, fontsize=7.5)
        ax.grid(axis="x", visible=False)
        for color, name in names:
            ax.plot([], [], "o", color=color, label=name)
        if names:
            ax.legend()
    return figure


def _bar(ax, place, values, color):
    mean, low, high = kd.confidence.mean_interval(values)
    ax.plot(np.full(len(values), place + 0.05), values, ".", color=color, markersize=3, alpha=0.6)
    ax.errorbar(place, mean, [[mean - low], [high - mean]], color=color, marker="o", capsize=3)
