"""kdtheory: a theory-first simulator of knowledge distillation in linear and kernel models.

Squared loss on linear or kernel features acts on each eigendirection of the data alone. Gradient descent
multiplies the target's component along a direction of eigenvalue λ by a factor φ(λ), and distillation
multiplies those factors.

Letters: N samples, P parameters, K eigendirections, T saved times, C outputs. Eigenvalues descend and are
those of XᵀX/N, or K/N for a kernel; the loss is half the mean squared residual. Float64 is switched on here,
unless the environment variable JAX_ENABLE_X64 says otherwise.
"""

import importlib.metadata as _metadata
import os as _os

import jax as _jax

if "JAX_ENABLE_X64" not in _os.environ:
    _jax.config.update("jax_enable_x64", True)

from kdtheory import asymptotics as asymptotics
from kdtheory import claims as claims
from kdtheory import datasets as datasets
from kdtheory import files as files
from kdtheory import kernels as kernels
from kdtheory import learners as learners
from kdtheory import measures as measures
from kdtheory import numerics as numerics
from kdtheory import plots as plots
from kdtheory import problems as problems
from kdtheory import spectra as spectra
from kdtheory import testing as testing
from kdtheory import theorems as theorems
from kdtheory._record import record as record
from kdtheory._record import static as static
from kdtheory.asymptotics import generations as generations
from kdtheory.claims import ahead as ahead
from kdtheory.claims import certify as certify
from kdtheory.claims import claim as claim
from kdtheory.comparisons import compare as compare
from kdtheory.comparisons import transfer as transfer
from kdtheory.files import load as load
from kdtheory.files import save as save
from kdtheory.learners import Algorithm as Algorithm
from kdtheory.learners import Filter as Filter
from kdtheory.learners import GradientDescent as GradientDescent
from kdtheory.learners import GradientFlow as GradientFlow
from kdtheory.learners import HeavyBall as HeavyBall
from kdtheory.learners import Learner as Learner
from kdtheory.learners import Nesterov as Nesterov
from kdtheory.learners import Ridge as Ridge
from kdtheory.learners import SelfDistilled as SelfDistilled
from kdtheory.learners import StochasticDescent as StochasticDescent
from kdtheory.learners import along_path as along_path
from kdtheory.learners import distill as distill
from kdtheory.learners import every_student as every_student
from kdtheory.learners import self_distill as self_distill
from kdtheory.learners import switch as switch
from kdtheory.measures import confidence as confidence
from kdtheory.measures import early_stopping as early_stopping
from kdtheory.measures import linear_classifiers as linear_classifiers
from kdtheory.measures import semigroup_defect as semigroup_defect
from kdtheory.measures import soft_labels as soft_labels
from kdtheory.measures import status as status
from kdtheory.sweeps import sweep as sweep
from kdtheory.trajectories import Recorder as Recorder
from kdtheory.trajectories import Trajectory as Trajectory
from kdtheory.trajectories import closed_form as closed_form
from kdtheory.trajectories import project as project
from kdtheory.trajectories import simulate as simulate

counterexamples = claims.counterexamples
__version__ = _metadata.version("kdtheory")
