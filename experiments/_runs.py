"""What several experiments run: images, students of every teacher, fits to noisy targets, and checks of claims."""

from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np

import kdtheory as kd

# Images.


def digits(samples):
    """Images (samples, 784) of handwritten digits, as many of each class, and centred one-hot targets (samples, 10)."""
    images, labels = kd.datasets.mnist()
    chosen = slice(None, None, len(images) // samples)  # the digits come in order
    targets = kd.datasets.one_hot(labels[chosen])
    return images[chosen], targets - targets.mean(axis=0)


def centred(gram):
    """A Gram matrix after its features were centred."""
    return gram - gram.mean(axis=0) - gram.mean(axis=1, keepdims=True) + gram.mean()


# Gradient descent.


def exaggeration(problem, stop, longest, directions):
    """A student of gradient descent stopped at `stop` against its teacher, with a tenth of the longest useful step."""
    step_size = 0.1 / float(problem.max_eigenvalue())
    student = kd.GradientDescent(step_size, np.unique(np.geomspace(1, longest, 200).astype(int)))
    return kd.compare(problem, teacher=kd.GradientDescent(step_size, stop), student=student, directions=directions)


def teachers_and_students(path, problem):
    """Parameters of every teacher, (T, P), and of every student of every teacher, (T, T, P): each stop of a path
    teaches a run of the same path."""
    teachers = path.fit(problem)
    return teachers, jnp.stack([path.fit(problem.taught(problem.predict(teacher))) for teacher in teachers])


# Risk as it is measured: fits to many noisy copies of the same targets.


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


# Claims.


def judged(*claims, seed, instances, loops):
    """Each claim checked on random instances in theory and on data; none if there are to be no instances."""
    if not instances:
        return []
    with ThreadPoolExecutor(1) as pool:  # compiling is what this costs: the two lanes side by side
        practice = pool.map(lambda claim: claim.practice(seed, loops), claims)
        theory = [claim.check(seed, instances) for claim in claims]
        return [*theory, *practice]
