"""Exaggerated bias on real images

Linear regression from the 784 centred pixels of 5000 handwritten digits to their ten classes, one-hot and
centred. Lines are theory, markers are full-batch gradient descent on the images. Panels as in
exaggerated_bias: progress along five eigendirections of the pixels' covariance against the clock (a) and at
equal progress on the top direction (b), and the lag of the student along all directions down to 1e-4 of the
largest eigenvalue (c).
"""

import kdtheory as kd
from experiments._runs import digits, exaggeration


def compute(*, samples=5000, stop=100, longest=3000):
    images, targets = digits(samples)
    problem = kd.problems.linear(images - images.mean(axis=0), targets)
    return exaggeration(problem, stop, longest, directions=(0, 4, 14, 49, 99))


def draw(result):
    return result.figure
