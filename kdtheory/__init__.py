"""kdtheory: a theory-first simulator of knowledge distillation in linear and kernel models.

Squared loss on linear or kernel features acts on each eigendirection of the data alone. Gradient descent multiplies the
target's component along a direction of eigenvalue λ by a factor φ(λ), and distillation multiplies those factors.

Letters: N samples, P parameters, K eigendirections, T saved times, C outputs. Eigenvalues descend and are those of
XᵀX/N, or K/N for a kernel; the loss is half the mean squared residual. Float64 is switched on here, unless the
environment variable JAX_ENABLE_X64 says otherwise.
"""

import os

import jax

if "JAX_ENABLE_X64" not in os.environ:
    jax.config.update("jax_enable_x64", True)

from kdtheory import kernels, measures, numerics, problems, spectra  # noqa: E402
from kdtheory import claims, theorems  # noqa: E402
from kdtheory.claims import ahead, claim  # noqa: E402
from kdtheory.distillation import distill, self_distill, switch  # noqa: E402
from kdtheory.learners import (  # noqa: E402
    Filter,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    Learner,
    Nesterov,
    Ridge,
)
from kdtheory.sweeps import sweep  # noqa: E402
from kdtheory.trajectories import Trajectory, closed_form, project, simulate  # noqa: E402
