"""When distillation beats the best early-stopped teacher: where the signal falls with the spectrum

The best student of two fits against the best single fit, each with its clocks tuned to the least expected error of the
predictions, on λ_k = k^(-1.5) with true parameters θ² = 2 λ^r and noise σ²/N = 0.01. Own, proved: for r <= 0 no student
gains, whatever its clocks, and for r > 0 ridge always does; gradient flow does whenever the best stopped flow over-fits
the smallest eigenvalue. Lines are the expected risks; marks are risks on data with just this spectrum, averaged over
draws of the noise, with bars of two standard errors. (a) Gradient flow and (b) ridge: the risk over that of Wiener's
filter, the least that any filter has. (c) By how much of the risk of the best single fit the best student is better;
both meet the same noise.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments import _runs
from experiments._runs import judged
from kdtheory.theorems.early_stopping import METHODS

NOISE = 0.01


class Gain(NamedTuple):
    fine: np.ndarray  # (F,) exponents r of the signal
    expected: dict  # method -> (F, 3) least risk of a single fit, of a student, and Wiener's
    exponents: np.ndarray  # (E,) those of the runs
    seen: dict  # method -> (E, 2, 2) risk on data of single fit and student over Wiener's, with its error
    gains: dict  # method -> (E, 2) gain of the student on data, with its error
    draws: int
    checks: list


def best(method, eigenvalues, exponent):
    """The clocks of the best single fit, and of teacher and student of the best pair; their risks and Wiener's."""
    learner, signal = METHODS[method], jnp.sqrt(2.0 * eigenvalues**exponent)
    low, high = 0.1 / eigenvalues[0], 1e5 / eigenvalues[-1]
    risk = lambda learner: kd.measures.risk(learner, eigenvalues, signal, NOISE).total
    least = lambda of: kd.early_stopping.best_clock(of, low, high)
    pair = lambda T, s: risk(kd.distill(learner(T), learner(s)))
    student = lambda T: least(lambda s: pair(T, s))
    single = least(lambda t: risk(learner(t)))
    teacher = least(lambda T: pair(T, student(T)))
    clocks = jnp.stack([single, teacher, student(teacher)])
    wiener = kd.measures.wiener_risk(eigenvalues, signal, NOISE).total
    return clocks, jnp.stack([risk(learner(single)), pair(*clocks[1:]), wiener])


def compute(
    *, seed=0, count=40, exponents=37, every=6, draws=4000, methods=("flow", "ridge"), instances=2000, loops=20
):
    eigenvalues, fine = kd.spectra.power_law(count, 1.5), np.linspace(-1.0, 2.0, exponents)
    base = kd.problems.with_spectrum(seed, eigenvalues)
    system, expected, seen, gains = base.eigensystem(), {}, {}, {}
    for method in methods:
        clocks, expected[method] = jax.jit(jax.vmap(partial(best, method, eigenvalues)))(fine)
        risks, gain = [], []
        runs = zip(*(x[::every] for x in (fine, clocks, expected[method])), strict=True)
        for key, (r, (single, *pair), (*_, wiener)) in enumerate(runs, seed):
            problem = base.relabel(base.predict(system.parameters(np.sqrt(2.0 * eigenvalues**r))))
            noisy = _runs.relabelled(key, problem, NOISE, draws)
            learners = METHODS[method](single), kd.distill(*map(METHODS[method], pair))
            teacher, student = (_runs.errors(problem, noisy, learner) for learner in learners)
            risks.append([_runs.ratio(risk, np.full(draws, wiener)) for risk in (teacher, student)])
            gain.append(_runs.ratio(teacher - student, teacher))
        seen[method], gains[method] = np.array(risks), np.array(gain)
    claims = (
        kd.theorems.flat_signal_gains_nothing_from_distillation,
        kd.theorems.overfitted_tail_gains_from_distillation,
        kd.theorems.rising_signal_gains_from_distilled_ridge,
    )
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Gain(fine, expected, fine[::every], seen, gains, draws, checks)


def draw(result):
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, len(result.expected) + 1)
    bars = dict(linestyle="none", marker="o", markersize=4, elinewidth=1.2, capsize=2.5)
    for ax, method in zip(axes, result.expected, strict=False):
        expected, seen = result.expected[method], result.seen[method]
        for k, (name, color) in enumerate(zip(("best single fit", "best student"), kd.plots.COLOURS, strict=False)):
            ax.plot(result.fine, expected[:, k] / expected[:, 2], color=color, linestyle=("-", "--")[k], label=name)
            ax.errorbar(result.exponents, seen[:, k, 0], seen[:, k, 1], color=color, **bars)
        ax.axhline(1, color=kd.plots.GREY, linewidth=0.8)
        ax.set(ylabel="risk  [Wiener's]")
    gain = axes[-1]
    for (method, expected), color in zip(result.expected.items(), kd.plots.COLOURS[2:], strict=False):
        gain.plot(result.fine, 100 * (1 - expected[:, 1] / expected[:, 0]), color=color, label=method)
        gain.errorbar(result.exponents, *100 * result.gains[method].T, color=color, **bars)
    gain.axhline(0, color=kd.plots.GREY, linewidth=0.8)
    gain.axvline(0, color=kd.plots.GREY, linestyle=":", zorder=0)
    gain.set_ylabel("gain of the best student  [%]")
    gain.errorbar([], [], [], color=kd.plots.GREY, label=f"on data, {result.draws:,} draws", **bars)
    titles = *(method.capitalize() for method in result.expected), "Nothing gained for r ≤ 0"
    for letter, ax, title in zip("abc", axes, titles, strict=False):
        ax.set_xlabel("exponent r of the signal, θ² = 2 λ^r")
        ax.set_title(f"{letter}  {title}", loc="left")
        ax.legend(loc="upper left", frameon=True, framealpha=1, edgecolor="white")
    return kd.plots.verdicts(figure, result.checks)
