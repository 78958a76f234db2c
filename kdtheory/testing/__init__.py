"""Checks for whoever adds a learner or a problem: whether its parts fit together, and else what is wrong and by how
much.

They return nothing where all is well, and raise an AssertionError in words otherwise. They are no proof: they look at a
few eigenvalues, on small problems.
"""

from kdtheory.testing._learners import check_learner as check_learner
from kdtheory.testing._problems import check_problem as check_problem
