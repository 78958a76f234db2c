"""Teachers and students, run on data: each stop of a path teaches a run of the same path."""

import jax.numpy as jnp


def teachers_and_students(path, problem):
    """Parameters of every teacher, (T, P), and of every student of every teacher, (T, T, P)."""
    teachers = path.fit(problem)
    return teachers, jnp.stack([path.fit(problem.taught(problem.predict(teacher))) for teacher in teachers])
