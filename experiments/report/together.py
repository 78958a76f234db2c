"""The third claim: exaggerated bias, exaggerated confidence and better generalisation in the same runs

For each set, clean labels and 30 % wrong ones, the student (τ = 4) of the teacher that fits its labels, as in
P4 and P6, judged on the same runs: (a) ρ of the trailing directions when half of the leading ones is learnt,
where below one is exaggerated bias; and at the moment of P4 (b) the slope of confidence on training and on test
inputs, (c) the fall of the test error in points, against its own teacher and against the best early-stopped
one. On the right the control: digits with whitened pixels (100 components, fewer than the 2000 rows), 30 %
wrong labels, on which no bias is left to exaggerate. With squared loss the student is there exactly its own
filter times the teacher, so that its slope is below one; with softmax it is so but for the curvature of the
loss. Dots are seeds, or seeds and folds, bars means with 95 % intervals. For the causal test see P5.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study, confidence, generalisation
from experiments.report._kept import kept
from experiments.report._study import HOT, INTERPOLATING
from experiments.report._verdicts import Finding, interval, overall

CLAIMED = (
    "The exaggerated bias can result at once in the exaggerated confidence and in the better generalisation of the"
    " student."
)


WHY = (
    "Bias and confidence go together on both kinds of labels. At the moment at which confidence is exaggerated most"
    " the student is still behind its teacher: it generalises no better, and on clean digits worse. With 30 % wrong"
    " labels a gain over its own teacher is seen on some seeds and not on others."
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


NOISES = (0.0, 0.3)


def compute(*, settings=None, seeds=_study.SEEDS, validation=_study.VALIDATION, rows=2000):
    controls = [kept(control, seed=seed, rows=rows) for seed in seeds]
    return _study.studies(settings, NOISES, seeds, validation), controls


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
        bands = _study.bands(train.shape[1])
        temperature = 1.0 if problem is squared else 4.0
        teacher = kd.GradientDescent(η, path)
        student = kd.distill(kd.GradientDescent(η, teacher_steps), kd.GradientDescent(η, path), temperature=temperature)
        parameters = [np.asarray(each.fit(problem)) for each in (teacher, student)]
        target = parameters[0][-1]
        # principal components are the directions: those found where all eigenvalues are one would be of the rounding
        runs.append(
            [
                kd.Trajectory(
                    np.ones(train.shape[1]),
                    w,
                    target,
                    learner.clock,
                    np.arange(train.shape[1]),
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


def seen(studies):
    """ρ; at the moment of P4 slopes on train and test, points over the own teacher and the best stop: (S,) each."""
    at, who = studies.chosen.steepest, generalisation.student(studies)
    return (
        np.array([study.ratio[HOT, INTERPOLATING] for study in studies.fresh]),
        *(confidence.slopes(studies, where)[:, at] for where in ("train", "test")),
        who[:, at] - generalisation.own(studies),
        who[:, at] - generalisation.one_hot(studies)[:, studies.chosen.stop],
    )


def findings(result):
    found, controls = result
    for (title, noise), studies in found.items():
        claims = (
            ("ρ", "below", 1.0),
            ("slope, train", "above", 1.0),
            ("slope, test", "above", 1.0),
            ("fall of the error against its own teacher, in points", "above", 0.0),
            ("the same against the best early stop", "above", 0.0),
        )
        for (what, claim, null), values in zip(claims, seen(studies), strict=True):
            who = f"{title}, {_study.words(noise)}: {what}"
            yield Finding(who, values, claim, null, overlap=studies.overlap)
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


def abstract(found):
    by = {finding.what: finding for finding in found}
    settings = list(dict.fromkeys(what.partition(":")[0] for what in by if "labels: " in what))
    both = [
        who
        for who in settings
        if by[f"{who}: ρ"].verdict == by[f"{who}: slope, train"].verdict == by[f"{who}: slope, test"].verdict == "shown"
    ]
    gain = [
        who for who in both if by[f"{who}: fall of the error against its own teacher, in points"].verdict == "shown"
    ]
    best = [who for who in both if by[f"{who}: the same against the best early stop"].verdict == "shown"]
    return (
        f"(c) in the same runs bias and confidence (train and test) are exaggerated in {len(both)} of {len(settings)}"
        f" settings; at the moment of P4 the student generalises better than its own teacher in {len(gain)} of these,"
        f" and than the best early stop in {len(best)}."
    )


def verdict(pairs):
    """Of a claim that has three parts."""
    of = lambda part: overall([pair for pair in pairs if part in pair.first.what and "control" not in pair.first.what])
    gain = overall([pair for pair in pairs if "own teacher" in pair.first.what or "early stop" in pair.first.what])
    return f"bias: {of(': ρ')}; confidence: {of(': slope')}; better generalisation: {gain}"


def draw(result):
    found, controls = result
    at = {name: np.array([getattr(one, name) for one in controls]) for name in vars(controls[0])}
    titles = [*(f"{title}\n{noise:.0%}" for title, noise in found), "white,\nsoft", "white,\nsquared"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    bias, slope, gain = figure.subplots(1, 3)
    for place, studies in enumerate(found.values()):
        ρ, train, test, over_own, over_best = seen(studies)
        _bar(bias, place, ρ, kd.plots.BLUE, studies.overlap)
        _bar(slope, place - 0.12, train, kd.plots.BLUE, studies.overlap)
        _bar(slope, place + 0.12, test, kd.plots.GREEN, studies.overlap)
        _bar(gain, place - 0.12, over_own, kd.plots.VERMILLION, studies.overlap)
        _bar(gain, place + 0.12, over_best, "black", studies.overlap)
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
        ax.set_xticks(range(len(shown)), shown, fontsize=6)
        ax.grid(axis="x", visible=False)
        for color, name in names:
            ax.plot([], [], "o", color=color, label=name)
        if names:
            ax.legend()
    return figure


def _bar(ax, place, values, color, overlap=0.0):
    mean, low, high = interval(values, overlap)
    ax.plot(np.full(len(values), place + 0.05), values, ".", color=color, markersize=3, alpha=0.6)
    ax.errorbar(place, mean, [[mean - low], [high - mean]], color=color, marker="o", capsize=3)
