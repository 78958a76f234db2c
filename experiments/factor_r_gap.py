"""The gap of a factor r: one student against r, and what closing it costs

With r eigenvalues from 1 - e to 1 + e, evenly spaced, and all signal along the middle one, r students of one ridge fit
attain the least risk of all filters, while a single fit and one student, with any penalty and weight, have up to r
times that (Pareek, Du & Oh 2024, as recalled, with an order; the constant is own). Lines are theory, marks are ridge
solves on data with just this spectrum. (a) Risk over the least one against the strength S = θ²/v of the signal, e =
0.1: of the best student (circles), which comes close to r (dashed), and of r students with the best weights
(diamonds). (b) Against the spread e, at S = 10⁴ and r = 3; dotted is the bound of the claim. (c) The price: the
largest of the best weights of r students, which explodes as eigenvalues approach one another. Marks are filled where
the chain, run on data, reached the least risk within one in a thousand, hollow where rounding kept it away.
"""

import warnings
from functools import cache, partial
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import judged

SPREAD, STRENGTH = 0.1, 1e4  # of panel a, and of the others
RIDGE = kd.Ridge(1.0)


class Gap(NamedTuple):
    counts: tuple  # r
    strengths: np.ndarray  # (S,)
    over_strength: np.ndarray  # (r, 3, S) risk over the least of one student in theory, on data, and of r on data
    wide: np.ndarray  # (E,) spreads of panel b
    over_spread: np.ndarray  # (3, 2, E) that of a single fit, one student and r students, in theory and on data
    spreads: np.ndarray  # (E,) of panel c
    reached: np.ndarray  # (r, E) that of r students, on data
    weights: np.ndarray  # (r, E) the largest of their weights
    checks: list


def problem_of(count, spread, strength):
    """Eigenvalues around one, and the signal, for noise variance one."""
    return 1.0 + spread * np.linspace(1.0, -1.0, count), np.sqrt(strength) * (np.arange(count) == count // 2)


@partial(jax.jit, static_argnames="students")
def best(eigenvalues, signal, students):
    """Penalty and weight of the best single fit (no students) or ridge student, and its risk over the least."""

    def learner(clock):
        ridge = kd.Ridge(1.0 / clock)
        weight = kd.measures.best_weight(ridge, ridge, eigenvalues, signal, 1.0) if students else 0.0
        return kd.distill(ridge, ridge, weight)

    risk = lambda clock: kd.measures.risk(learner(clock), eigenvalues, signal, 1.0).total
    clock = kd.early_stopping.best_clock(risk, 1e-3, 1e5)
    least = kd.measures.wiener_risk(eigenvalues, signal, 1.0).total
    return 1.0 / clock, learner(clock).teacher_weight, risk(clock) / least


def best_weights(count, spread, strength):
    """The best weights of as many students as there are eigenvalues."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights too large for floats, which panel c shows
        return kd.measures.best_weights(RIDGE, count + 1, *problem_of(count, spread, strength), 1.0).weights


def bound(spread, strength):
    """What the claim one_student_is_factors_behind says of three eigenvalues."""
    a = 2 * spread**2 / (1 - spread**2)
    h = (strength + a) / (strength + 3)
    return ((1 - h) ** 2 * strength + h**2 + (2 * h - a) ** 2 / 2) * (strength + 1) / strength


def compute(*, seed=0, strengths=11, spreads=7, counts=(3, 5, 7), instances=2000, loops=20):
    @cache
    def data(count, spread):
        problem = kd.problems.with_spectrum(seed, problem_of(count, spread, 1.0)[0])
        return problem, problem.eigensystem()

    def seen(learner, count, spread, strength):
        """The risk over the least of any filter, with the filter measured on data."""
        learnt = np.asarray(kd.simulate(learner, *data(count, spread)).progress)
        signal = problem_of(count, spread, strength)[1]
        return np.sum(signal**2 * (1 - learnt) ** 2 + learnt**2) * (strength + 1) / strength

    def few(students, *case):
        """That of the best single fit or student, in theory and on data."""
        penalty, weight, risk = best(*problem_of(*case), students=students)
        ridge = kd.Ridge(float(penalty))
        return float(risk), seen(kd.distill(ridge, ridge, float(weight)), *case)

    def many(weights, *case):
        """That of as many students as there are weights."""
        return seen(kd.self_distill(RIDGE, len(weights) + 1, weights), *case)

    S, e, wide = np.geomspace(1.0, 1e5, strengths), np.geomspace(0.25, 1e-4, spreads), np.linspace(0.02, 0.9, spreads)
    cases = [[(count, SPREAD, strength) for strength in S] for count in counts]
    over_strength = [[(*few(1, *case), many(best_weights(*case), *case)) for case in row] for row in cases]
    cases = [(counts[0], spread, STRENGTH) for spread in wide]
    over_spread = [[few(students, *case) for case in cases] for students in (0, 1)]
    over_spread.append([(1.0, many(best_weights(*case), *case)) for case in cases])
    cases = [[(count, spread, STRENGTH) for spread in e] for count in counts]
    weights = [[best_weights(*case) for case in row] for row in cases]
    reached = [[many(ξ, *case) for ξ, case in zip(*rows, strict=True)] for rows in zip(weights, cases, strict=True)]
    largest = [[np.max(np.abs(ξ)) for ξ in row] for row in weights]
    over_strength, over_spread = (np.swapaxes(np.array(each), 1, 2) for each in (over_strength, over_spread))
    checks = judged(kd.theorems.one_student_is_factors_behind, seed=seed, instances=instances, loops=loops)
    return Gap(counts, S, over_strength, wide, over_spread, e, np.array(reached), np.array(largest), checks)


def draw(result):
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    strength, spread, price = axes = figure.subplots(1, 3)
    dots = dict(linestyle="none", marker="o", markersize=4.5)
    many = dots | dict(marker="D", markersize=4, markerfacecolor="none")

    for count, (theory, one, r), color in zip(result.counts, result.over_strength, kd.plots.COLOURS, strict=False):
        strength.plot(result.strengths, theory, color=color, label=f"r = {count}")
        strength.plot(result.strengths, one, color=color, **dots)
        strength.plot(result.strengths, r, color=color, **many)
        strength.axhline(count, color=color, linestyle="--", linewidth=1)
    strength.plot([], [], color=kd.plots.GREY, label="one student, on data", **dots)
    strength.plot([], [], color=kd.plots.GREY, label="r students, on data", **many)
    strength.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    strength.set(xscale="log", xlabel="strength of the signal S = θ²/v", ylim=(0.7, 10.5))

    names, marks = ("best single fit", "best student", "3 students"), (dots, dots, many)
    rows = zip(names, result.over_spread, marks, kd.plots.COLOURS[3:], strict=False)
    for name, (theory, seen), mark, color in rows:
        spread.plot(result.wide, theory, color=color, label=name)
        spread.plot(result.wide, seen, color=color, **mark)
    near = np.linspace(0.01, 0.25, 30)  # as the claim has it
    spread.plot(near, bound(near, STRENGTH), color=kd.plots.BLACK, linestyle=":", label="bound for one student")
    spread.set(xlabel="spread e of the eigenvalues", ylim=(0.7, 4.6))

    for count, weights, reached, color in zip(
        result.counts, result.weights, result.reached, kd.plots.COLOURS, strict=False
    ):
        price.plot(result.spreads, weights, color=color, label=f"r = {count}")
        for close, face in (True, color), (False, "white"):
            some = (np.abs(reached - 1) < 1e-3) == close
            price.plot(result.spreads[some], weights[some], color=color, markerfacecolor=face, **dots)
    price.set(xscale="log", yscale="log", xlabel="spread e of the eigenvalues", ylabel="largest teacher weight |ξ|")
    titles = f"a  Spread e = {SPREAD:g}", "b  S = 10⁴, r = 3", "c  Weights of r students, S = 10⁴"
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")
        ax.legend(loc="upper right" if ax is price else "upper left")
    for ax in strength, spread:
        ax.set_ylabel("risk  [the least of any filter]")
    return kd.plots.verdicts(figure, result.checks)
