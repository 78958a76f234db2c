"""P5: exaggerated bias is what exaggerates confidence

Everything is held but the student's spectrum: the same teacher, the same predictions to learn, the same
eigenvectors, a student's kernel U Λ^γ Uᵀ of equal trace, read when its leading five directions keep 0.8 of
what the teacher has of them. At γ = 0 there is no bias to exaggerate; the more γ, the more there is. 300
images of handwritten digits, 300 descriptions of economic activities, neural tangent kernel of depth 3; the
slope on the training points, scaled by the leading band. (a), (b): squared loss, labels ±1, one against the
rest. Lines are the regression of the student's filter on its teacher's, weighted by label energy (own,
proved), markers are runs of gradient flow; filled and solid, clean labels; open and dashed, 30 % wrong ones.
T is the teacher's time in units of one over the median eigenvalue: 0.03 stops early, 1 interpolates. A
triangle marks the largest slope, where it is not at an end. (c) Why: the share of the labels' energy above an
eigenvalue, and where the student of γ = 1 drops most, λ*. With energy above λ* a student exaggerates, with
energy below it does not: so an interpolating teacher's does, and an early one's does not, which is the
mechanism of P7 too. (d), (e): the same with softmax and τ = 4, teachers of 20 and of 320 steps; measured, for
there is no formula. (f) The slope as it is, of (a) and (b), clean labels: early below one, interpolating
above. A rank correlation over kernels, noise and stops would say the opposite: it compares students of
different teachers, labels and eigenvectors, each of which moves the slope more than the bias does.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments import bias_sets_confidence as squared
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._verdicts import Finding

CLAIMED = "The exaggerated bias of gradient descent is what exaggerates confidence (argued, and shown on a network)."
WHY = (
    "With squared loss the link is exact, on any spectrum; on NACE the slope still rises at γ = 3, so that no fall is"
    " shown. With softmax a slope above one needs no bias on digits: the curvature of the loss alone bends confidence"
    " there, and much bias takes some of it back; on language the kernel's own bias raises the slope, as with squared"
    " loss."
)
SETS, NOISES, TEACHERS = ("mnist", "nace"), (0.0, 0.3), (20, 320)
EARLY, LATE = 0, -1
NAMES = {"mnist": "MNIST", "nace": "NACE"}


@kd.record
class Softmax:
    """Slopes with softmax, scaled by the leading band: (teacher in TEACHERS, γ)."""

    slope: np.ndarray


def compute(*, seeds=_study.SEEDS, rows=300, sets=SETS, noises=NOISES):
    settings = [(name, noise) for name in sets for noise in noises]
    return {
        (name, noise): (
            [kept(squared.one, name=name, noise=noise, rows=rows, seed=seed) for seed in seeds],
            [kept(softmax, name=name, noise=noise, rows=rows, seed=seed) for seed in seeds],
        )
        for name, noise in settings
    }


def softmax(name, noise, rows, seed, powers=squared.POWERS, longest=160) -> Softmax:
    setting = squared.Setting(name, rows, noise, seed)
    labels = _study.data(name, rows, noise, seed, tested=1).noisy
    basis = np.asarray(setting.system.samples_basis)[:, squared.BAND]

    def problem(spectrum):
        return kd.problems.softmax_kernel(setting.gram(spectrum), labels)

    spectrum = setting.spectrum(1.0)
    own = problem(spectrum)
    taught = own.predict(_study.learner(spectrum[0], np.array(TEACHERS)).fit(own))
    slopes = np.empty((len(TEACHERS), len(powers)))
    for j, γ in enumerate(powers):
        spectrum = setting.spectrum(γ)
        path, students = _study.learner(spectrum.max(), np.arange(longest + 1)), problem(spectrum)
        for i, teacher in enumerate(np.asarray(taught)):
            parameters = np.asarray(path.fit(students.taught(teacher, 1.0, 4.0)))
            run = _study._logits(np.asarray(students.inputs), parameters)  # (T, N, C)
            lead = basis.T @ teacher
            kept_of = np.sum(lead * _study._logits(basis.T, run), axis=(1, 2)) / np.sum(lead**2)
            after = int(np.argmax(kept_of >= squared.KEPT))  # the first such step
            share = (squared.KEPT - kept_of[after - 1]) / (kept_of[after] - kept_of[after - 1])
            student = run[after - 1] + share * (run[after] - run[after - 1])
            slopes[i, j] = kd.confidence.compare(teacher, student, 1 / squared.KEPT).slope
    return Softmax(slopes)


def findings(result):
    flat, plain, most = (squared.POWERS.index(γ) for γ in (0.0, 1.0, 3.0))
    for (name, noise), (draws, soft) in result.items():
        who = f"{NAMES[name]}, {_study.words(noise)}"
        of = lambda field, draws=draws: np.array([getattr(draw, field) for draw in draws])
        seen, raw, exact = of("seen"), of("raw"), of("exact")
        fine = np.linspace(0, squared.POWERS[-1], squared.CURVE)
        theory = exact[:, :, np.searchsorted(fine, squared.POWERS)]
        off = np.max(np.abs(seen / theory - 1), axis=(1, 2))
        yield Finding(f"{who}, squared loss: largest distance of runs from the formula", off, "equal", 0.0, 1e-6)
        yield Finding(f"{who}, squared loss: slope without bias, γ = 0", seen[:, LATE, flat], "equal", 1.0, 1e-6)
        for which, at in ("teacher stopped early", EARLY), ("interpolating teacher", LATE):
            rise = seen[:, at, plain] - seen[:, at, flat]
            yield Finding(f"{who}, squared loss, {which}: slope at γ = 1 minus γ = 0", rise, "above")
            yield Finding(
                f"{who}, squared loss, {which}: slope as it is, γ = 1",
                raw[:, at, plain],
                "above" if at == LATE else "below",
                1.0,
            )
        fall = exact[:, LATE].max(axis=1) - exact[:, LATE, -1]
        yield Finding(f"{who}, squared loss, interpolating teacher: largest slope minus γ = 3", fall, "above")
        slope = np.array([each.slope for each in soft])
        for which, at in ("teacher stopped early", EARLY), ("interpolating teacher", LATE):
            yield Finding(f"{who}, softmax, {which}: slope without bias, γ = 0", slope[:, at, flat], "equal", 1.0, 0.1)
            rise = slope[:, at, plain] - slope[:, at, flat]
            yield Finding(f"{who}, softmax, {which}: slope at γ = 1 minus γ = 0", rise, "above")
            late = slope[:, at, most] - slope[:, at, plain]
            yield Finding(f"{who}, softmax, {which}: slope at γ = 3 minus γ = 1", late, "above")


def abstract(found):
    by = {finding.what: finding for finding in found}
    of = lambda name, loss: by[f"{name}, clean labels, {loss}, interpolating teacher: slope at γ = 1 minus γ = 0"]
    off = max(finding.interval[0] for what, finding in by.items() if "distance" in what)
    return (
        "(c) with all held but the spectrum, squared loss: no bias, slope one; the kernel's own bias raises it by"
        f" {of('MNIST', 'squared loss')} on MNIST and {of('NACE', 'squared loss')} on NACE, on the exact curve within"
        f" {kd.plots.above(off)}. With softmax it changes by {of('MNIST', 'softmax')} and {of('NACE', 'softmax')}."
    )


def draw(result):
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    axes = figure.subplots(2, 3)
    fine = np.linspace(0, squared.POWERS[-1], squared.CURVE)
    draws = {key: draws for key, (draws, _) in result.items()}
    squared.panels(axes[0], squared.Slopes(np.array(squared.POWERS), squared.TIMES, fine, draws, []))
    sets, noises = (list(dict.fromkeys(part)) for part in zip(*result, strict=True))
    for letter, ax, name in zip("de", axes[1], sets, strict=False):
        for noise in noises:
            slopes, clean = np.array([each.slope for each in result[name, noise][1]]), noise == noises[0]
            for at, color in zip(range(len(TEACHERS)), (kd.plots.COLOURS[0], kd.plots.COLOURS[2]), strict=True):
                style = "-" if clean else "--"
                ax.plot(squared.POWERS, slopes[:, at].mean(axis=0), color=color, linewidth=0.8, linestyle=style)
                squared.markers(ax, squared.POWERS, slopes[:, at], color, clean, f"{TEACHERS[at]} steps")
        ax.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
        ax.set(xlabel="exponent γ of the student's spectrum", ylabel="scale-free slope of confidence")
        ax.set_title(f"{letter}  {squared.NAMES[name]}: softmax", loc="left")
    axes[1, 0].legend(title="teacher's steps")
    last = axes[1, 2]
    for name, filled in zip(sets, (True, False), strict=False):
        raw = np.array([draw.raw for draw in result[name, noises[0]][0]])
        for at, (time, color) in enumerate(zip(squared.TIMES, kd.plots.COLOURS, strict=False)):
            style = "-" if filled else "--"
            last.plot(squared.POWERS, raw[:, at].mean(axis=0), color=color, linewidth=0.8, linestyle=style)
            squared.markers(last, squared.POWERS, raw[:, at], color, filled, f"T = {time:g}")
    last.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    last.set(xlabel="exponent γ of the student's spectrum", ylabel="slope of the margins as it is")
    last.set_title("f  Images (filled), language: as it is", loc="left")
    return figure
