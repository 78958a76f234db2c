"""kdtheory: a theory-first simulator of knowledge distillation in linear and kernel models.

Squared loss on linear or kernel features acts on each eigendirection of the data alone. Gradient descent
multiplies the target's component along a direction of eigenvalue λ by a factor φ(λ), and distillation
multiplies those factors.

Letters: N samples, P parameters, K eigendirections, T saved times, C outputs. Eigenvalues descend and are
those of XᵀX/N, or K/N for a kernel; the loss is half the mean squared residual. Float64 is switched on here,
unless the environment variable JAX_ENABLE_X64 says otherwise.
"""

import os

import jax

if "JAX_ENABLE_X64" not in os.environ:
    jax.config.update("jax_enable_x64", True)

from kdtheory import (
    certify,
    claims,
    classification,
    confidence,
    datasets,
    early_stopping,
    files,
    kernels,
    linear_classifiers,
    measures,
    numerics,
    plots,
    problems,
    soft_labels,
    spectra,
    status,
    theorems,
)
from kdtheory._record import record, static
from kdtheory.claims import ahead, claim
from kdtheory.claims import exact as counterexamples
from kdtheory.compare import compare
from kdtheory.distillation import SelfDistilled, distill, every_student, self_distill, semigroup_defect, switch
from kdtheory.files import load, save
from kdtheory.learners import (
    Filter,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    Learner,
    Nesterov,
    Ridge,
    StochasticDescent,
)
from kdtheory.sweeps import sweep
from kdtheory.trajectories import Trajectory, closed_form, project, simulate

__all__ = [
    "Filter",
    "GradientDescent",
    "GradientFlow",
    "HeavyBall",
    "Learner",
    "Nesterov",
    "Ridge",
    "SelfDistilled",
    "StochasticDescent",
    "Trajectory",
    "ahead",
    "certify",
    "claim",
    "claims",
    "classification",
    "closed_form",
    "compare",
    "confidence",
    "counterexamples",
    "datasets",
    "distill",
    "early_stopping",
    "every_student",
    "files",
    "kernels",
    "linear_classifiers",
    "load",
    "measures",
    "numerics",
    "plots",
    "problems",
    "project",
    "record",
    "save",
    "self_distill",
    "semigroup_defect",
    "simulate",
    "soft_labels",
    "spectra",
    "static",
    "status",
    "sweep",
    "switch",
    "theorems",
]
