"""Single crossing: matched on one direction, a student is ahead above it, behind below it, nowhere else equal

The exaggerated bias is one crossing (Nagarajan et al. 2023, Theorem 4.1 as recalled, for two directions and one
student; the whole spectrum and any number of fits are own). Gradient flow; lines are theory, markers were run on
data with just this spectrum. (a) What a student has learnt along each eigenvalue, and what the one single fit has
that equals it on the dotted λ₁; its time is read off the run. (b) Their difference for a student (two fits), its
student, and the fifth fit of a chain: one zero, at λ₁. (c) The reason: the delay, how much later than its teacher a
student gets as far as the teacher was at time t, falls with λ, whatever t. It is read off two runs at equal progress;
the teacher stopped at T.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import judged

LEAD, FITS, TIME, MOMENTS = 6, (2, 3, 5), 2.0, (0.5, 1.0, 1.5)


class Crossing(NamedTuple):
    eigenvalues: np.ndarray  # (K,)
    chains: np.ndarray  # (F, K) learnt by chains of fits, on data
    matched: np.ndarray  # (F,) times of the single fits
    singles: np.ndarray  # (F, K) learnt by these, on data
    delays: np.ndarray  # (M, K) of a student behind its teacher at moments of the latter, on data
    checks: list


def compute(*, seed=0, count=40, moments=400, instances=2000, loops=20):
    spectrum = kd.spectra.power_law(count, exponent=1.5, scale=10.0)
    problem = kd.problems.with_spectrum(seed, spectrum)
    system, flow = problem.eigensystem(), kd.GradientFlow(TIME)
    chains = np.array([kd.simulate(kd.self_distill(flow, fits), problem, system).progress for fits in FITS])
    matched = -np.log1p(-chains[:, LEAD]) / spectrum[LEAD]
    singles = kd.simulate(kd.GradientFlow(matched), problem, system).progress
    path = kd.GradientFlow(np.concatenate([[0.0], np.geomspace(1e-2, 60.0, moments)]))
    student = kd.simulate(kd.distill(flow, path), problem, system)
    teacher = kd.simulate(kd.GradientFlow(np.array(MOMENTS)), problem, system)
    reached = [kd.measures.matched_clock(student, teacher, k) for k in range(count)]
    delays = np.transpose(reached) - np.array(MOMENTS)[:, None]
    checks = judged(kd.theorems.single_crossing, seed=seed, instances=instances, loops=loops)
    return Crossing(np.asarray(spectrum), chains, matched, np.asarray(singles), delays, checks)


@jax.jit
def theory(eigenvalues, matched):
    """What chains and single fits learn along each eigenvalue, and the delays: three of (F, K)."""
    flow = kd.GradientFlow(TIME)
    chains = jnp.stack([kd.self_distill(flow, fits).filter(eigenvalues) for fits in FITS])
    delays = kd.measures.delay(eigenvalues, jnp.array(MOMENTS)[:, None], TIME)
    return chains, kd.GradientFlow(matched).filter(eigenvalues), delays


def draw(result):
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    learnt, difference, delay = axes = figure.subplots(1, 3)
    seen = result.eigenvalues
    λ = np.union1d(seen, np.geomspace(seen[-1], seen[0], 300))
    chains, singles, delays = (np.asarray(curves) for curves in theory(λ, result.matched))
    there = np.searchsorted(λ, seen)
    gap = max(np.max(np.abs(chains[:, there] - result.chains)), np.max(np.abs(singles[:, there] - result.singles)))
    runs = dict(linestyle="none", marker="o", markersize=3.5)

    fit, student = kd.plots.COLOURS[:2]
    learnt.plot(λ, singles[0], color=fit, label=f"single fit, t = {result.matched[0]:.3f}")
    learnt.plot(λ, chains[0], color=student, linestyle="--", label=f"student, T = s = {TIME:g}")
    learnt.plot(seen, result.singles[0], color=fit, **runs)
    learnt.plot(seen, result.chains[0], color=student, markerfacecolor="none", **runs)
    learnt.set(ylabel="learnt  [share of the target]", ylim=(None, 1.4))

    for m, (fits, color) in enumerate(zip(FITS, kd.plots.COLOURS[1:], strict=False)):
        difference.plot(λ, chains[m] - singles[m], color=color, label=f"{fits} fits")
        difference.plot(seen, result.chains[m] - result.singles[m], color=color, **runs)
    name = kd.plots.loop(gap).replace("loop", "run on data")
    learnt.plot([], [], color=kd.plots.GREY, label=name, **runs)
    difference.axhline(0, color=kd.plots.GREY, linewidth=0.8)
    difference.set_ylabel("learnt by the chain − by the single fit")

    for t, formula, later, color in zip(MOMENTS, delays, result.delays, kd.plots.COLOURS[1:], strict=False):
        delay.plot(λ, formula, color=color, label=f"t = {t:g}")
        delay.plot(seen, later, color=color, **runs)
    apart = np.max(np.abs(result.delays / delays[:, there] - 1))
    delay.plot([], [], color=kd.plots.GREY, label=f"run on data, within {kd.plots.above(apart)} · δ", **runs)
    delay.set(yscale="log", ylabel="delay δ(λ)  [1/λ]")

    titles = "a  A student and its match", "b  One zero", f"c  The delay falls with λ  (T = {TIME:g})"
    for ax, title in zip(axes, titles, strict=True):
        ax.set(xscale="log", xlabel="eigenvalue λ")
        ax.set_title(title, loc="left")
        ax.legend(loc="lower left" if ax is delay else "upper left", frameon=True, framealpha=1, edgecolor="white")
    for ax in learnt, difference:
        ax.axvline(seen[LEAD], color=kd.plots.GREY, linestyle=":", zorder=0)
    return kd.plots.verdicts(figure, result.checks)
