"""Learners of other features on the same samples: what they predict of labels along a teacher's directions."""

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import face, several, uniform
from kdtheory.problems import Linear

SAMPLES = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 3)))[0]  # where the directions are in data

angles3 = several(3, uniform(-1.5, 1.5))
vector = several(3, uniform(-2.0, 2.0))


def shown(run, learner, spectrum, axes, labels, start=None):
    """Predictions of a learner of labels, both along the teacher's directions: the learner's own are rows of `axes`.

    In practice it is fitted to data of such features. `start` is what it begins with, along its own directions.
    """

    def formula(axes, labels):
        return run(learner, spectrum, target=axes @ labels, start=start).learnt @ axes

    def algorithm(axes, labels):
        basis = SAMPLES[:, : len(labels)]
        features, root = basis @ axes.T * jnp.sqrt(spectrum), np.sqrt(len(basis))
        problem = Linear(root * features, root * basis @ labels)
        begun = None if start is None else start / jnp.sqrt(spectrum)
        return basis.T @ problem.predict(learner.fit(problem, begun)) / root

    return face(run, formula, algorithm)(axes, labels)
