"""The slope of a student's margins: when a student is more confident than its teacher, and when less

In the two-level model (labels ±1, a Gram matrix with two eigenvalues; here 40 points of unit norm in two classes, with
inner product 0.5 within a class and 0 between, a fifth of the labels flipped) a student's margins are an affine
function of its teacher's, flipped points included. Own, proved. (a) Gradient flow: the slope over the times T of the
teacher and s of the student, in colours. It is above one beyond the dashed line s = log(h₁/h₂)/(λ₁ - λ₂), h the
teacher's filter, and below one where the student is cut short. Circles are filled with the colour of the slope fitted
to the margins of runs on the data. (b) Some of these runs, point by point, on the lines of theory; the grey line has
slope one. (c) Ridge: the slope is one where c_T c_S = λ₁λ₂. Once the student is scaled so that its top direction
matches, its margins are always the more spread: the exaggerated bias, read off confidences.
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._judged import judged

WITHIN, FLIPPED = 0.5, 0.2
METHODS = {"flow": kd.GradientFlow, "ridge": lambda clock: kd.Ridge(1.0 / clock)}
SHOWN = (0, 1), (2, 2), (4, 4)  # teachers and students of panel b, as indices of the clocks


class Slopes(NamedTuple):
    levels: np.ndarray  # (2,) the eigenvalues
    clocks: np.ndarray  # (T,) of teachers, and of students, in the runs
    teacher: dict  # method -> (T, N) margins on data
    student: dict  # method -> (T, T, N) margins on data, by teacher and student
    checks: list

    def fitted(self, method):
        """(T, T) the slope of student's margins against teacher's, by least squares, and the largest residual."""
        x, y = self.teacher[method][:, None], self.student[method]
        x, y = (margins - margins.mean(axis=-1, keepdims=True) for margins in (x, y))
        slope = np.sum(x * y, axis=-1) / np.sum(x**2, axis=-1)
        return slope, np.max(np.abs(y - slope[..., None] * x))


def blocks(points):
    """Two classes of the same size, and labels of which as many are flipped in each."""
    classes = np.repeat([1.0, -1.0], points // 2)
    gram = WITHIN * (classes[:, None] == classes) + (1 - WITHIN) * np.eye(points)
    flipped = np.arange(points) % (points // 2) < FLIPPED * points / 2
    return kd.problems.kernel(gram, np.where(flipped, -classes, classes))


def line(method, levels, teacher, student):
    return kd.confidence.margin_line(METHODS[method](teacher), METHODS[method](student), *levels)


def compute(*, seed=0, points=40, clocks=5, instances=2000, loops=20):
    problem = blocks(points)
    levels = np.unique(np.round(problem.eigensystem().eigenvalues, 12))[::-1]
    clock = np.geomspace(0.03, 30.0, clocks) / np.sqrt(np.prod(levels))
    margins = lambda learner: problem.targets * problem.predict(learner.fit(problem))
    teacher, student = {}, {}
    for name, learner in METHODS.items():
        teacher[name] = np.asarray(margins(learner(clock)))
        student[name] = np.array([margins(kd.distill(learner(stop), learner(clock))) for stop in clock])
    claims = kd.theorems.margins_on_a_line, kd.theorems.scale_free_slope_exceeds_one
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Slopes(levels, clock, teacher, student, checks)


def draw(result):
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    return figure
