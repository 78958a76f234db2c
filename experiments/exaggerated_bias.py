"""Exaggerated bias: a student learns top eigendirections first, even more so than its teacher

Linear regression on Gaussian data whose covariance has a power-law spectrum, with noise in the targets. Lines
are theory, markers are gradient descent on the data. (a) Progress along five eigendirections against the
clock. The student learns the predictions of the teacher as it was at the dotted line; it is later everywhere,
which by itself shows nothing. (b) The student's clock is set so that its progress on the top direction is the
teacher's. On every lower direction it now lags, the more so the smaller the eigenvalue, and meets its teacher
only where that stopped. (c) The lag along all directions: one minus the student's progress over the
teacher's, when both have learnt half of the top direction.
"""

import jax
import numpy as np

import kdtheory as kd


def compute(*, seed=0, samples=200, count=50, exponent=1.0, noise=0.5, stop=140, longest=10_000):
    eigenvalues = kd.spectra.power_law(count, exponent)
    problem = kd.problems.gaussian(jax.random.key(seed), eigenvalues, samples, noise=noise)
    teacher = kd.GradientDescent(step_size=0.05, steps=stop)
    student = kd.GradientDescent(step_size=0.05, steps=np.unique(np.geomspace(1, longest, 200).astype(int)))
    return kd.compare(problem, teacher=teacher, student=student, directions=(0, 1, 4, 9, 24))


def draw(result):
    return result.figure
