"""The more its bias is exaggerated, the more confident a student, up to a point that can be computed

Everything is held but the student's spectrum: the same teacher, the same predictions to learn, the same eigenvectors, a
student's kernel U Λ^γ Uᵀ of equal trace, read when its leading five directions keep 0.8 of what the teacher has of
them. At γ = 0 a student shrinks all directions alike: there is no bias to exaggerate. Squared loss, one-vs-rest labels
±1, a neural tangent kernel of depth 3, 300 rows. (a) Handwritten digits, (b) industry codes of company names: the slope
of the student's margins over its teacher's at the training points, scaled by the leading band. Lines are the regression
of filters weighted by label energy (own, proved), markers runs of gradient flow on data, means over seeds with 95 %
intervals; filled, clean labels, open, three in ten wrong. A triangle marks the largest slope, where it is not at the
end. Teachers stop at T, in units of one over the median eigenvalue. (c) Why: the share of the labels' energy above an
eigenvalue, on digits, and where students with γ = 1 drop most, λ*. With energy beyond λ* a student exaggerates, below
it does not; an interpolating teacher has its λ* where little energy is left.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import kdtheory as kd
from experiments._runs import judged
from experiments.report._study import data, grams

BAND, KEPT, TRAIL = slice(0, 5), 0.8, slice(20, 60)
NAMES = {"mnist": "Images", "nace": "Language"}


@kd.record
class Draw:
    """What one draw of a data set shows. Axes: the teacher's time T, the power γ of runs, that of curves G."""

    seen: np.ndarray  # (T, γ) slopes of runs, scaled by the band
    raw: np.ndarray  # (T, γ) as they are
    ratio: np.ndarray  # (T, γ) progress on directions 20 to 59, relative to the band's
    exact: np.ndarray  # (T, G)
    critical: np.ndarray  # (T,) λ* · unit of students with γ = 1
    eigenvalues: np.ndarray  # (K,) · unit
    energy: np.ndarray  # (K,)


class Slopes(NamedTuple):
    powers: np.ndarray  # (γ,) of the runs
    times: tuple  # (T,)
    fine: np.ndarray  # (G,) powers of the curves
    draws: dict  # (set, noise) -> list of Draws over seeds
    checks: list


class Setting:
    """One draw of a data set, and students whose kernels have powers of its spectrum."""

    def __init__(self, name, rows, noise, seed):
        drawn = data(name, rows, noise, seed, tested=1)
        labels = 2.0 * np.asarray(kd.datasets.one_hot(drawn.noisy)) - 1
        self.problem = kd.problems.kernel(grams("neural tangent", drawn.train, drawn.test)[0], labels)
        self.system = self.problem.eigensystem()
        self.eigenvalues, self.energy = map(np.asarray, kd.confidence.label_energy(self.problem, self.system))
        self.unit = 1 / np.median(self.system.eigenvalues)

    def spectrum(self, power):
        """The student's, at equal trace; null directions stay so."""
        raised = np.where(self.eigenvalues > 0, self.eigenvalues**power, 0.0)
        return raised * self.eigenvalues.sum() / raised.sum()

    def gram(self, spectrum):
        """The student's kernel, of the teacher's eigenvectors."""
        basis = np.asarray(self.system.samples_basis)
        return len(basis) * (basis * spectrum[:-1]) @ basis.T

    def band(self, teacher, spectrum, time, band=BAND):
        """What the student keeps of its teacher's predictions in a band."""
        learnt = self.energy[band] * np.asarray(teacher.filter(self.eigenvalues))[band] ** 2
        return np.sum(learnt * -np.expm1(-spectrum[band] * time)) / np.sum(learnt)

    def student(self, teacher, power):
        """Its spectrum and the flow that keeps KEPT of the leading band."""
        spectrum = self.spectrum(power)
        ends = np.log([1e-3, 1e6]) - np.log(spectrum[0])
        log_time = brentq(lambda t: self.band(teacher, spectrum, np.exp(t)) - KEPT, *ends, xtol=1e-13)
        return spectrum, kd.GradientFlow(np.exp(log_time))

    def exact(self, teacher, power):
        spectrum, flow = self.student(teacher, power)
        line = kd.confidence.margin_regression(teacher, flow, self.eigenvalues, self.energy, spectrum)
        return float(line.slope) / KEPT

    def run(self, teacher, power, taught):
        """The slope of margins of a run on data, scaled by what the run keeps of the band, and as it is; and the ratio
        of progress in the trailing band to that."""
        spectrum, flow = self.student(teacher, power)
        basis, problem = np.asarray(self.system.samples_basis), kd.problems.kernel(self.gram(spectrum), taught)
        labels, predictions = np.asarray(self.problem.targets), np.asarray(problem.predict(flow.fit(problem)))
        slope = kd.confidence.of_points(*(np.ravel(labels * run) for run in (taught, predictions))).slope
        of = lambda band: (
            np.sum((basis.T @ taught)[band] * (basis.T @ predictions)[band]) / np.sum((basis.T @ taught)[band] ** 2)
        )
        return slope / of(BAND), slope, of(TRAIL) / of(BAND)


TIMES, POWERS, CURVE = (0.03, 0.3, 1.0), (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0), 61


def one(name, noise, rows, seed, times=TIMES, powers=POWERS, curve=CURVE) -> Draw:
    setting, fine = Setting(name, rows, noise, seed), np.linspace(0.0, max(powers), curve)
    teachers = [kd.GradientFlow(time * setting.unit) for time in times]
    taught = [np.asarray(setting.problem.predict(teacher.fit(setting.problem))) for teacher in teachers]
    runs = [[setting.run(each, γ, told) for γ in powers] for each, told in zip(teachers, taught, strict=True)]
    turns = [kd.confidence.critical_eigenvalue(each, setting.student(each, 1.0)[1]) for each in teachers]
    return Draw(
        *np.moveaxis(np.array(runs), -1, 0),
        np.array([[setting.exact(each, γ) for γ in fine] for each in teachers]),
        setting.unit * np.array(turns),
        setting.unit * setting.eigenvalues,
        setting.energy,
    )


def compute(
    *,
    sets=("mnist", "nace"),
    noises=(0.0, 0.3),
    rows=300,
    seeds=5,
    times=TIMES,
    powers=POWERS,
    curve=CURVE,
    seed=0,
    instances=2000,
    loops=20,
):
    draws = {
        (name, noise): [one(name, noise, rows, number, times, powers, curve) for number in range(seeds)]
        for name in sets
        for noise in noises
    }
    claims = (
        kd.theorems.margins_are_a_regression_of_filters,
        kd.theorems.exaggerated_bias_sets_the_slope,
        kd.theorems.slope_exceeds_one_beyond_critical_eigenvalue,
    )
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Slopes(np.array(powers), times, np.linspace(0.0, max(powers), curve), draws, checks)


def draw(result):
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    panels(figure.subplots(1, len({name for name, _ in result.draws}) + 1), result)
    return kd.plots.verdicts(figure, result.checks)


def panels(axes, result):
    """Slopes against γ on an axis for each set, and where λ* lies on the last."""
    sets, noises = (list(dict.fromkeys(part)) for part in zip(*result.draws, strict=True))
    for letter, ax, name in zip("abcd", axes, sets, strict=False):
        off = 0.0
        for noise in noises:
            seen, exact = (
                np.array([getattr(each, of) for each in result.draws[name, noise]]) for of in ("seen", "exact")
            )
            theory = exact[:, :, np.searchsorted(result.fine, result.powers)] if _on(result) else None
            off = off if theory is None else max(off, np.max(np.abs(seen / theory - 1)))
            clean = noise == noises[0]
            for number, (time, color) in enumerate(zip(result.times, kd.plots.COLOURS, strict=False)):
                curve = exact[:, number].mean(axis=0)
                ax.plot(result.fine, curve, color=color, linestyle="-" if clean else "--", linewidth=1.2)
                top = np.argmax(curve)
                if 0 < top < len(curve) - 1:
                    ax.plot(result.fine[top], curve[top], marker="v", color=color, markersize=8, zorder=1, alpha=0.5)
                markers(ax, result.powers, seen[:, number], color, clean, f"T = {time:g}")
        ax.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
        ax.set(xlabel="exponent γ of the student's spectrum", ylabel="scale-free slope of the margins")
        ax.set_title(f"{letter}  {NAMES[name]}" + (f": runs within {kd.plots.above(off)}" if off else ""), loc="left")
    axes[0].legend(loc="center right", title="teacher's time")

    why, draws = axes[len(sets)], result.draws[sets[0], noises[0]]
    for each in draws:
        order = np.argsort(-each.eigenvalues[:-1])
        above = np.cumsum(each.energy[:-1][order])
        why.step(each.eigenvalues[:-1][order], above, color=kd.plots.BLACK, alpha=0.4, linewidth=1, where="post")
    for number, color in zip(range(len(result.times)), kd.plots.COLOURS, strict=False):
        why.axvline(np.mean([each.critical[number] for each in draws]), color=color, linestyle="--", linewidth=1.2)
    why.set(xscale="log", xlabel="eigenvalue λ / median", ylabel="label energy at eigenvalues above λ", ylim=(0, 1.02))
    why.set_title(f"{'abcd'[len(sets)]}  {NAMES[sets[0]]}: where λ* lies", loc="left")


def markers(ax, powers, values, color, filled, label):
    """Means over seeds (S, γ) with their 95 % intervals; the label is for those that are filled."""
    mean, low, high = kd.confidence.mean_interval(values)
    ax.errorbar(
        powers,
        mean,
        np.abs([low - mean, high - mean]),
        color=color,
        marker="o",
        markersize=4,
        linestyle="none",
        linewidth=1,
        markerfacecolor=color if filled else "white",
        label=label if filled else None,
    )


def _on(result):
    """Whether the curves were computed where the runs are."""
    at = np.searchsorted(result.fine, result.powers)
    return bool(
        np.all(at < len(result.fine)) and np.allclose(result.fine[np.minimum(at, len(result.fine) - 1)], result.powers)
    )
