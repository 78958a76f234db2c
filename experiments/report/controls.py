"""The controls: equal time, a flat spectrum, and a signal in the bottom directions

Linear regression with squared loss on 2000 handwritten digits, centred, in their first 100 principal
components. Targets are drawn, so that the truth is known: noise of three times the size of the signal, so
that it pays to stop early; the signal lies in the upper or in the lower half of the directions. Left: the
student's progress over its teacher's at equal *time*, half of the teacher's steps, by direction. It is below
one in every direction, and so it is where the spectrum is flat: at equal time a student only trails, which
shows nothing of bias. Middle: the same runs at matched progress on the first direction; now the flat spectrum
is at one. Right: the excess error of students of the best early-stopped teacher, relative to that teacher's
own: trained for as many steps as it, and at their best moment; the truth says which moments are best. With the
signal below, where distillation learns last, it must hurt, and all that a student can do is to train until it
is its teacher. Lines and dots are means over five seeds of rows, signal and noise, with 95 % intervals.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._verdicts import Finding

CLAIMED = (
    "Nothing: these are the controls that the paper's followers asked for. At equal time the student trails everywhere,"
    " with a flat spectrum no bias is exaggerated, and with the signal in the bottom directions distillation hurts."
)
WHY = "Squared loss and drawn targets, so that the truth is known."
SPECTRA, SIGNALS = ("pixels", "flat"), ("top", "bottom")
MOMENTS = "after as many steps as its teacher", "at its best moment"
LOW = 50  # the direction that findings are about


@kd.record
class Control:
    """One seed. Axes: spectrum in SPECTRA, direction."""

    equal_time: np.ndarray  # (2, K) student's progress over teacher's
    matched: np.ndarray  # (2, K) ρ
    change: np.ndarray  # (2, 2) by SIGNALS and MOMENTS: excess error over the best teacher's, minus one


def compute(*, seeds=_study.SEEDS, rows=2000, count=100, longest=3000):
    return [kept(one, seed=seed, rows=rows, count=count, longest=longest) for seed in seeds]


def one(seed, rows, count, longest) -> Control:
    images, _ = kd.datasets.mnist()
    pixels = images[np.random.default_rng(seed).permutation(len(images))[:rows]]
    u, s, _ = _study.principal(pixels - pixels.mean(axis=0))
    flat = np.sqrt(rows) * u[:, :count]
    features = {"pixels": flat * s[:count] / s[0], "flat": flat}
    stop = longest // 10
    path = np.union1d(np.geomspace(1, longest, 120).astype(int), stop // 2)

    equal_time, matched = [], []
    for spectrum in SPECTRA:
        problem, _ = drawn(features[spectrum], np.ones(count), seed)
        eigensystem = problem.eigensystem()
        own = kd.GradientDescent(0.01, path)
        student = kd.distill(kd.GradientDescent(0.01, stop), own)
        seen = [kd.simulate(each, problem, eigensystem) for each in (own, student)]
        at = [np.asarray(run.progress)[path == stop // 2][0] for run in seen]
        equal_time.append(at[1] / at[0])
        matched.append(1 - kd.measures.observed_exaggeration(*seen, level=0.5))

    change = []
    for where in SIGNALS:
        signal = np.where((np.arange(count) < count // 2) == (where == "top"), 1.0, 0.0)
        problem, truth = drawn(features["pixels"], signal, seed)
        own = kd.GradientDescent(0.5, path)
        teachers = own.fit(problem)
        errors = np.mean((problem.predict(teachers) - truth) ** 2, axis=-1)
        best = int(np.argmin(errors))
        students = problem.predict(own.fit(problem.taught(problem.predict(teachers[best]), 1.0)))
        students = np.mean((students - truth) ** 2, axis=-1)
        change.append(np.array([students[best], students.min()]) / errors[best] - 1)
    return Control(np.stack(equal_time), np.stack(matched), np.array(change))


def drawn(features, signal, seed):
    """A problem whose signal has the given power in the predictions per direction, and its noiseless targets."""
    random = np.random.default_rng([seed, 1])
    scale = np.sqrt(np.mean(features**2, axis=0))
    truth = features @ (signal * random.standard_normal(len(signal)) / scale)
    truth /= np.std(truth)
    return kd.problems.linear(features, truth + 3 * random.standard_normal(len(truth))), truth


def findings(result):
    equal, matched, change = (np.stack([getattr(seen, name) for seen in result], axis=-1) for name in vars(result[0]))
    for number, name in enumerate(SPECTRA):
        yield Finding(
            f"{name}: student's progress over teacher's, direction 0, equal time", equal[number, 0], "below", 1
        )
    low = min(LOW, len(equal[0]) - 1)
    yield Finding(f"pixels: ρ, direction {low}", matched[0, low], "below", 1)
    yield Finding(f"flat: ρ, direction {low}", matched[1, low], "equal", 1, tolerance=1e-6)
    hurts = 100 * change[1]
    yield Finding(f"signal in the bottom half: change of the error in %, {MOMENTS[0]}", hurts[0], "above", 0)
    yield Finding(f"signal in the bottom half: the same {MOMENTS[1]}", hurts[1], "equal", 0, tolerance=0.1)


def abstract(found):
    by = {finding.what: finding for finding in found}
    flat = next(finding for what, finding in by.items() if what.startswith("flat: ρ"))
    hurt = next(finding for what, finding in by.items() if MOMENTS[0] in what)
    return (
        f"with a flat spectrum ρ is {flat}; at equal time the student trails everywhere, which shows nothing; with the"
        f" signal in the bottom directions distillation raises the error by {hurt} %."
    )


def draw(result):
    equal, matched, change = (np.stack([getattr(seen, name) for seen in result], axis=-1) for name in vars(result[0]))
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    time, progress, hurt = figure.subplots(1, 3)
    for ax, ratios, title in (time, equal, "At equal time"), (progress, matched, "At matched progress"):
        for values, name, color in zip(ratios, SPECTRA, kd.plots.COLOURS, strict=False):
            mean, low, high = kd.confidence.mean_interval(values.T)
            place = np.arange(1, len(mean) + 1)
            ax.plot(place, mean, color=color, label=name)
            ax.fill_between(place, low, high, color=color, alpha=0.2, linewidth=0)
        ax.axhline(1, color="0.6", linewidth=0.8)
        ax.set(xlabel="direction, from 1", ylabel="student's progress / teacher's", xscale="log", ylim=(0, 1.1))
        ax.set_title(title, loc="left")
    time.legend()
    for shift, moment, color in zip((-0.1, 0.1), range(len(MOMENTS)), kd.plots.COLOURS, strict=False):
        for place, values in enumerate(100 * change[:, moment]):
            mean, low, high = kd.confidence.mean_interval(values)
            x, label = place + shift, None if place else MOMENTS[moment]
            hurt.plot(np.full(len(values), x + 0.05), values, ".", color=color, alpha=0.6)
            hurt.errorbar(x, mean, [[mean - low], [high - mean]], color=color, marker="o", capsize=3, label=label)
    hurt.axhline(0, color="0.6", linewidth=0.8)
    hurt.set_xticks(range(len(SIGNALS)), [f"signal in the\n{where} half" for where in SIGNALS])
    hurt.set(ylabel="change of the excess error  [%]", xlim=(-0.5, 1.5))
    hurt.grid(axis="x", visible=False)
    hurt.margins(y=0.3)
    hurt.legend(loc="upper center")
    hurt.set_title("Student of the best teacher against it", loc="left")
    return figure
