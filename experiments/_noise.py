"""Risk as it is measured: fits to many noisy copies of the same targets."""

import numpy as np


def relabelled(seed, problem, noise_variance, draws):
    """The problem with noise in its targets, one output (N, draws) for every draw.

    `noise_variance` is that of one eigen-component of the predictions, σ²/N.
    """
    clean = np.asarray(problem.targets)
    noise = np.random.default_rng(seed).standard_normal((len(clean), draws))
    return problem.relabel(clean[:, None] + np.sqrt(noise_variance * len(clean)) * noise)


def errors(problem, noisy, learner):
    """(draws,) the mean squared error of the learner's predictions of noiseless targets, for every draw of noise."""
    missed = np.asarray(noisy.predict(learner.fit(noisy))) - np.asarray(problem.targets)[:, None]
    return np.mean(missed**2, axis=0)


def ratio(above, below):
    """The ratio of the means of paired draws, and how far it may be off: twice its standard error."""
    found = np.mean(above) / np.mean(below)
    spread = np.std(above - found * below, ddof=1) / np.sqrt(len(above))
    return found, 2 * spread / abs(np.mean(below))
