"""Learners, each with two faces: what theory says it does, and the algorithm itself.

`filter(eigenvalues)` is the factor φ(λ) by which the learner scales the target along an eigendirection;
`fit(problem)` runs on the data and never looks at an eigenvector. The library exists to compare them.

The last field of a learner is its clock-like one. It may be an array, a *path*, which adds a leading axis to
`filter` and `fit`; sweep every other field with `jax.vmap`. The clock is step size × steps for a loop, time
for a flow and 1/penalty for ridge. Learners made of learners are learners again.
"""

from kdtheory.learners._base import Learner as Learner
from kdtheory.learners._base import along_path as along_path
from kdtheory.learners._base import check_learner as check_learner
from kdtheory.learners._base import check_path as check_path
from kdtheory.learners._base import check_problem as check_problem
from kdtheory.learners._descent import GradientDescent as GradientDescent
from kdtheory.learners._descent import HeavyBall as HeavyBall
from kdtheory.learners._descent import Nesterov as Nesterov
from kdtheory.learners._descent import StochasticDescent as StochasticDescent
from kdtheory.learners._distilled import Distilled as Distilled
from kdtheory.learners._distilled import SelfDistilled as SelfDistilled
from kdtheory.learners._distilled import Switched as Switched
from kdtheory.learners._distilled import distill as distill
from kdtheory.learners._distilled import every_student as every_student
from kdtheory.learners._distilled import self_distill as self_distill
from kdtheory.learners._distilled import switch as switch
from kdtheory.learners._ridge_and_flow import Algorithm as Algorithm
from kdtheory.learners._ridge_and_flow import Filter as Filter
from kdtheory.learners._ridge_and_flow import GradientFlow as GradientFlow
from kdtheory.learners._ridge_and_flow import Ridge as Ridge
