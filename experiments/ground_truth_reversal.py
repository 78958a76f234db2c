"""Where the bias reverses: too much ground truth in a student's targets undoes the exaggeration

A student of gradient flow whose targets are α · truth + (1 - α) · teacher's predictions, against the single fit that
equals it on one direction λ₁ and takes the time t for it. Own, proved by Descartes' rule; for ridge and α c_T = c_S
Borup & Andersen 2021, as recalled. (a) What theory says of every α and every student's time s, with the teacher
stopped at T = 1/λ₁, in colours: one crossing as without ground truth where t <= T or α <= 0; all reversed where
αs >= t; in between, two crossings. Circles were run on data and have the colour of what was seen there, along a
spectrum of four decades. (b) One run of each kind: student minus single fit. (c) Ridge has three cases: one crossing
where α c_T < c_S, reversed where α c_T > c_S, and on the line between (squares) the student *is* ridge with its
teacher's penalty. Differences below 1e-10 are not judged.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import judged

SINGLE, TWO, REVERSED, SAME = range(4)
KINDS = "one crossing", "two crossings", "reversed", "the same fit"
COLOURS = kd.plots.BLUE, kd.plots.ORANGE, kd.plots.VERMILLION, kd.plots.BLACK
LEAD, TEACHER, SHOWN = 1.0, 1.0, ((0.5, 0.4), (0.5, 1.75), (0.5, 10.0))  # λ₁, T, and (α, s) of panel b


class Reversal(NamedTuple):
    eigenvalues: np.ndarray  # (K,)
    truths: np.ndarray  # (A,) α of the runs
    times: np.ndarray  # (S,) of their students
    differences: np.ndarray  # (A, S, K) student minus single fit, on data
    shown: np.ndarray  # (3, K) the same for panel b
    penalties: np.ndarray  # (C,) c_S of the ridge runs, c_T being one
    ridge_truths: np.ndarray  # (B,)
    ridge: np.ndarray  # (B, C, K) the same for ridge
    lead: int  # which eigenvalue is λ₁
    checks: list

    def kinds(self, differences):
        """What was seen: of each difference (..., K), its kind."""
        sign = np.where(np.abs(differences) < 1e-10, 0, np.sign(differences))
        side = np.where(np.arange(len(self.eigenvalues)) < self.lead, sign, -sign)  # eigenvalues fall: 1 is as without
        once, back = np.all(side >= 0, axis=-1), np.all(side <= 0, axis=-1)
        return np.select([once & back, once, back], [SAME, SINGLE, REVERSED], TWO)


def flow(truth, times):
    return kd.distill(kd.GradientFlow(TEACHER), kd.GradientFlow(times), 1 - truth)


def matched_moment(truth, time):
    """The time at which a single flow has learnt as much of λ₁ as the student."""
    return -flow(truth, time).log_residual(LEAD) / LEAD


@jax.jit
@jax.vmap
def expected(truth, time):
    """The kind that theory gives students of gradient flow, elementwise."""
    moment = matched_moment(truth, time)
    return jnp.where((moment <= TEACHER) | (truth <= 0), SINGLE, jnp.where(truth * time >= moment, REVERSED, TWO))


def expected_of_ridge(truth, penalty):
    """The same for ridge with c_T = 1."""
    return np.select([truth < penalty, truth > penalty], [SINGLE, REVERSED], SAME)


@jax.jit
def curves_of(eigenvalues):
    """Student minus single fit in theory, (3, K), for panel b."""

    def difference(truth, time):
        single = kd.GradientFlow(matched_moment(truth, time))
        return flow(truth, time).filter(eigenvalues) - single.filter(eigenvalues)

    return jax.vmap(difference)(*jnp.array(SHOWN).T)


def compute(*, seed=0, count=40, truths=9, times=7, penalties=7, instances=2000, loops=20):
    spectrum = np.geomspace(20.0, 0.002, count)
    lead = int(np.argmin(np.abs(np.log(spectrum / LEAD))))
    spectrum[lead] = LEAD
    problem = kd.problems.with_spectrum(seed, spectrum)
    system = problem.eigensystem()
    learnt = lambda learner: np.asarray(kd.simulate(learner, problem, system).progress)

    def against_flow(truth, times):
        student = learnt(flow(truth, times))
        return student - learnt(kd.GradientFlow(-np.log1p(-student[:, lead]) / LEAD))

    def against_ridge(truth, penalties):
        student = learnt(kd.distill(kd.Ridge(1.0), kd.Ridge(penalties), 1 - truth))
        return student - learnt(kd.Ridge(LEAD * (1 / student[:, lead] - 1)))

    α, s = np.linspace(-0.1, 0.9, truths), np.geomspace(0.2, 30.0, times)
    differences = np.array([against_flow(truth, s) for truth in α])
    shown = np.array([against_flow(truth, np.full(times, time))[0] for truth, time in SHOWN])
    β = c = np.geomspace(0.02, 0.9, penalties)  # with c_T = 1, so that the diagonal is the line
    ridge = np.array([against_ridge(truth, c) for truth in β])
    of = kd.theorems
    claims = (
        of.single_crossing_with_ground_truth,
        of.single_crossing_past_the_teacher,
        of.two_crossings_with_ground_truth,
        of.ground_truth_reverses_the_bias,
        of.ridge_trichotomy_of_ground_truth,
    )
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Reversal(spectrum, α, s, differences, shown, c, β, ridge, lead, checks)


def plane(ax, title, region, across, up, runs, kinds):
    """The regions of theory in pale colours, the runs on data as marks, and in the title how many agree."""
    look = dict(cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=3.5)
    fine, (x, y) = (np.meshgrid(*pair, indexing="ij") for pair in ((across, up), runs))
    every = np.asarray(region(*(np.append(a, b) for a, b in zip(fine, (x, y), strict=True))))
    theory = every[: fine[0].size].reshape(fine[0].shape)
    ax.pcolormesh(*fine, theory, shading="nearest", alpha=0.3, linewidth=0, rasterized=True, **look)
    agree = int(np.sum(every[fine[0].size :] == kinds.ravel()))
    for same, marker in (False, "o"), (True, "s"):
        some = (kinds == SAME) == same
        ax.scatter(x[some], y[some], c=kinds[some], marker=marker, edgecolor="white", zorder=3, **look)
    ax.set(xlabel="ground-truth weight α", xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    ax.set_title(f"{title}: {agree} of {kinds.size} runs agree", loc="left")


def draw(result):
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    of_flow, curves, of_ridge = figure.subplots(1, 3)
    kinds = result.kinds(result.differences)
    across, up = np.linspace(-0.15, 0.95, 300), np.geomspace(0.15, 40, 300)
    of_flow.set(yscale="log", ylabel="student's time s  [1/λ₁]")
    plane(of_flow, "a  Flow, T = 1/λ₁", expected, across, up, result[1:3], kinds)
    for name, x, y in ("one crossing", 0.4, 0.3), ("two crossings", 0.56, 1.68), ("reversed", 0.55, 20.0):
        of_flow.text(x, y, name, weight="bold", ha="center", va="center")

    runs = dict(linestyle="none", marker="o", markersize=3.5)
    λ = np.union1d(result.eigenvalues, np.geomspace(result.eigenvalues[-1], result.eigenvalues[0], 300))
    theory, there = np.asarray(curves_of(λ)), np.searchsorted(λ, result.eigenvalues)
    for (_, s), kind, curve, run in zip(SHOWN, result.kinds(result.shown), theory, result.shown, strict=True):
        curves.plot(λ, curve, color=COLOURS[kind], label=f"{KINDS[kind]}, s = {s:g}")
        curves.plot(result.eigenvalues, run, color=COLOURS[kind], **runs)
    name = kd.plots.loop(np.max(np.abs(theory[:, there] - result.shown))).replace("loop", "run on data")
    curves.plot([], [], color=kd.plots.GREY, label=name, **runs)
    curves.axhline(0, color=kd.plots.GREY, linewidth=0.8)
    curves.axvline(LEAD, color=kd.plots.GREY, linestyle=":", zorder=0)
    curves.set(xscale="log", xlabel="eigenvalue λ  [λ₁]", ylabel="learnt by the student − by the single fit")
    curves.set_ylim(top=0.34)
    curves.set_title("b  One run of each kind, α = 0.5", loc="left")
    curves.legend(loc="upper left", frameon=True, framealpha=1, edgecolor="white")

    edge = np.geomspace(0.016, 1.1, 300)
    kinds = result.kinds(result.ridge)
    of_ridge.set(xscale="log", yscale="log", ylabel="student's penalty c_S  [teacher's, c_T]")
    plane(of_ridge, "c  Ridge", expected_of_ridge, edge, edge, (result.ridge_truths, result.penalties), kinds)
    of_ridge.plot(edge, edge, color=kd.plots.BLACK, linewidth=0.8)
    for name, x, y in ("one crossing", 0.052, 0.345), ("reversed", 0.35, 0.052):
        of_ridge.text(x, y, name, weight="bold", ha="center", va="center")
    return kd.plots.verdicts(figure, result.checks)
