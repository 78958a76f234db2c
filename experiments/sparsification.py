"""Sparsification over fits: self-distillation favours large eigenvalues, but not more with every fit

Ridge distilled into itself, with weight α on the ground truth: R_τ is the ratio of what τ fits have learnt along a
larger and along a smaller eigenvalue. Borup & Andersen 2021, as recalled: R_τ > R_1, and R_τ tends to the ratio of one
fit with penalty c/α (triangles). Growth at every step, though, needs α = 0 (own): with α = 0.1 and single-fit
filters 0.9 and 0.1 the ratio peaks at the third fit and then falls. Lines are theory, marks chains of ridge solves on
data with these two eigenvalues. (a) R_τ by α. (b) The counterexample, with the verdict of the run on growth at every
step. (c) At which fit the ratio is largest, over α and the smaller filter, the larger being 0.9; circles have the
colour of what runs on data showed.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import judged

TRUTHS, COUNTER = (0.0, 0.02, 0.1, 0.3, 0.7), 2  # α, and which of them is panel b's
LARGE, SMALL = 0.9, 0.1  # filters of the first fit
LEARNER = kd.Ridge(1.0)  # its filter is s along the eigenvalue s/(1 - s)


class Ratios(NamedTuple):
    ratios: np.ndarray  # (A, τ) of α and fit, on data
    truths: np.ndarray  # (B,) those of panel c
    smalls: np.ndarray  # (S,) its smaller filters
    peaks: np.ndarray  # (B, S) the fit of the largest ratio, on data
    growth: str  # the verdict on growth at every step in panel b, on data
    checks: list


def chain(truth, fits):
    return kd.SelfDistilled(LEARNER, teacher_weight=1 - truth, fits=fits)


@jax.jit
def ratio(truth, fits, small=SMALL):
    """R_τ in theory, (τ,)."""
    large, little = chain(truth, fits).log_filter(jnp.stack([LARGE / (1 - LARGE), small / (1 - small)])).T
    return jnp.exp(large - little)


def peak(ratios):
    """The fit at which the ratio is largest, counted from one."""
    return 1 + np.argmax(np.asarray(ratios), axis=-1)


def compute(*, seed=0, fits=10, longest=40, truths=5, smalls=4, instances=2000, loops=20):
    def seen(truth, fits, small=SMALL):
        problem = kd.problems.with_spectrum(seed, [LARGE / (1 - LARGE), small / (1 - small)])
        progress = np.asarray(kd.simulate(chain(truth, fits), problem).progress)
        return progress[:, 0] / progress[:, 1]

    ratios = np.array([seen(truth, np.arange(1, fits + 1)) for truth in TRUTHS])
    α, s = np.geomspace(0.02, 0.6, truths), np.linspace(0.1, 0.8, smalls)
    peaks = np.array([[peak(seen(truth, np.arange(1, longest + 1), small)) for small in s] for truth in α])
    grows = kd.theorems.sparsification_is_monotone
    instance = dict(lead=LARGE / (1 - LARGE), trail=SMALL / (1 - SMALL), penalty=1.0, truth=TRUTHS[COUNTER], start=0.0)
    growth = grows.at("practice", fits=3, **instance).verdict
    claims = kd.theorems.self_distillation_sparsifies, kd.theorems.limit_of_self_distillation, grows
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    dropped = [grows.falsify(seed, "no_truth", instances)] if instances else []
    return Ratios(ratios, α, s, peaks, growth, checks + dropped)


def draw(result):
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    every, counter, plane = figure.subplots(1, 3)
    τ = np.arange(1, result.ratios.shape[1] + 1)
    *theory, limits = np.array([ratio(truth, np.append(τ, np.inf)) for truth in TRUTHS]).T
    theory = np.transpose(theory)
    apart = np.max(np.abs(result.ratios / theory - 1))
    apart = f"1e{3 * math.ceil(math.log10(apart) / 3)}"  # rounding is magnified, and differs between processors
    rows = zip(TRUTHS, theory, limits, result.ratios, kd.plots.COLOURS, strict=False)
    for truth, line, limit, seen, color in rows:
        every.plot(τ, line, color=color, label=f"α = {truth:g}")
        every.plot(τ, seen, color=color, linestyle="none", marker="o", markersize=4)
        if truth:  # without, it grows forever
            every.plot(τ[-1] + 1, limit, color=color, marker="<", linestyle="none")
    every.set(yscale="log", ylim=(6, 5e4), ylabel="R_τ, learnt of the larger over the smaller")
    every.set_title(f"a  Runs within {apart} · R", loc="left")
    every.legend(loc="upper right")

    color, seen = kd.plots.COLOURS[COUNTER], result.ratios[COUNTER]
    label = f"limit, one fit with c/α: {limits[COUNTER]:.1f}"
    counter.axhline(limits[COUNTER], color=color, linestyle=":", label=label)
    counter.plot(τ, theory[COUNTER], color=color)
    counter.plot(τ, seen, color=color, linestyle="none", marker="o", label="ridge solves on data")
    for fit, value in zip(τ[:6], seen, strict=False):
        beside = (8, -12) if fit < 3 else (1, 7)
        counter.annotate(f"{value:.1f}", (fit, value), beside, textcoords="offset points", fontsize=8)
    counter.text(0.97, 0.3, f"growth at every step:\n{result.growth}", ha="right", transform=counter.transAxes)
    counter.set(ylim=(0, 92), ylabel="R_τ")
    counter.set_title(f"b  α = {TRUTHS[COUNTER]:g}, filters {LARGE:g} and {SMALL:g}", loc="left")
    counter.legend(loc="upper right")
    for ax in every, counter:
        ax.set(xlabel="number of fits τ", xticks=τ)

    α, s = np.geomspace(0.015, 0.8, 150), np.linspace(0.05, 0.85, 150)
    look = dict(norm=LogNorm(2, 20), cmap="cividis")
    of = jax.jit(jax.vmap(jax.vmap(lambda α, s: ratio(α, jnp.arange(1, 41), s))))
    peaks = peak(of(*np.meshgrid(α, s, indexing="ij")))
    mesh = plane.pcolormesh(α, s, peaks.T, shading="nearest", rasterized=True, **look)
    x, y = np.meshgrid(result.truths, result.smalls, indexing="ij")
    plane.scatter(x, y, c=result.peaks, edgecolor="white", **look)
    plane.set(xscale="log", xlabel="ground-truth weight α", ylabel="smaller filter of the first fit")
    plane.set_xticks((0.02, 0.05, 0.1, 0.2, 0.5), ("0.02", "0.05", "0.1", "0.2", "0.5"))
    plane.set_xticks((), minor=True)
    plane.set_title("c  Where the ratio peaks", loc="left")
    ticks = dict(ticks=(2, 3, 5, 10, 20), format="%g")
    figure.colorbar(mesh, ax=plane, label="fit of the largest ratio", **ticks).minorticks_off()
    return kd.plots.verdicts(figure, result.checks)
