"""What array functions say beside a NaN: an integer for each entry.

Compiled functions raise nothing; they answer NaN where there is no answer, and these say why.
"""

import enum

import jax
import jax.numpy as jnp

from kdtheory._checks import Numbers, as_array, as_floats, as_real
from kdtheory._compilation import at_once
from kdtheory.learners import Learner
from kdtheory.measures.spectral_bias import matched_time


class Status(enum.IntEnum):
    """OK, or why a number is not to be taken as it is."""

    OK = 0
    LIMIT = 1  # reached only in the limit of infinite time
    NO_MATCH = 2  # no student gets there
    DIVERGED = 3  # the step is at or past the bound of stability
    OUTSIDE_HYPOTHESES = 4  # it runs, but theorems on gradient descent say nothing of it


def of_match(eigenvalue: Numbers, time: Numbers, teacher_time: Numbers) -> jax.Array:
    """Why `measures.matched_time` is what it is, elementwise: OK, LIMIT (time = teacher_time) or NO_MATCH.

    No student reaches its teacher's progress at a time past the teacher's stop, and none learns of a teacher
    that has learnt nothing; NaN matches nothing.

    >>> import kdtheory as kd
    >>> kd.status.of_match(1.0, [1.0, 2.0, 3.0], 2.0).tolist()
    [0, 1, 2]
    """
    matched = matched_time(*as_floats(eigenvalue=eigenvalue, time=time, teacher_time=teacher_time))
    return at_once(_of_match, matched)


def _of_match(matched):
    return jnp.where(jnp.isnan(matched), Status.NO_MATCH, jnp.where(jnp.isinf(matched), Status.LIMIT, Status.OK))


def of_steps(learner: Learner, eigenvalues: Numbers) -> jax.Array:
    """What is known in advance of a learner along each eigenvalue (K,): OK, DIVERGED or OUTSIDE_HYPOTHESES.

    DIVERGED where a step size η is at or past the learner's own bound, or negative, judged by ηλ and never by whether
    numbers are still finite; OUTSIDE_HYPOTHESES where plain gradient descent has 1 < ηλ < 2, whose residual
    alternates in sign. The worst of all parts of a learner made of learners counts.

    >>> import kdtheory as kd
    >>> kd.status.of_steps(kd.GradientDescent(1.0, 9), [2.5, 1.5, 0.5]).tolist()
    [3, 4, 0]
    """
    eigenvalues = as_array(as_real(eigenvalues, "eigenvalues"), float)
    found = jnp.full(eigenvalues.shape, Status.OK)
    for part in learner.tuned(jnp.max(eigenvalues, initial=0.0)).parts():
        step_size = 0.0 if part.given_step is None else part.given_step
        found = jnp.where((found == Status.OK) & part.alternates(eigenvalues), Status.OUTSIDE_HYPOTHESES, found)
        positive = jnp.where(eigenvalues > 0, eigenvalues, 1.0)
        unstable = (eigenvalues > 0) & ((step_size < 0) | (step_size >= part.max_step_size(positive)))
        found = jnp.where(unstable, Status.DIVERGED, found)
    return found
