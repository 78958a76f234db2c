"""Exaggerated bias in kernel regression

Regression with a centred Gaussian kernel from 1000 images of handwritten digits to their ten classes, one-hot
and centred. Lines are theory, markers are gradient descent in function space. Panels as in exaggerated_bias:
progress along five eigendirections of the Gram matrix against the clock (a) and at equal progress on the top
direction (b), and the lag of the student along all directions down to 1e-4 of the largest eigenvalue (c).
"""

import kdtheory as kd
from experiments._runs import centred, digits, exaggeration


def compute(*, samples=1000, length=8.0, stop=200, longest=3000):
    images, targets = digits(samples)
    problem = kd.problems.kernel(centred(kd.kernels.rbf(images, length=length)), targets)
    return exaggeration(problem, stop, longest, directions=(0, 4, 14, 49, 99))


def draw(result):
    return result.figure
