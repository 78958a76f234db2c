"""The published claims, one file per topic.

Sources, by author and year:

* Nagarajan, Menon, Bhojanapalli, Mobahi, Kumar 2023: On student-teacher deviations in distillation: does it
  pay to disobey? NeurIPS, arXiv 2301.12923. Theorem numbers and constants as recalled.

The papers mostly use the sum loss. Here eigenvalues are those of XᵀX/N, so that their λ is N times ours and
their t is ours over N; products λt, and with them every statement below, are the same.
"""

from kdtheory.theorems.spectral_bias import (
    exaggerated_bias,
    filters_multiply,
    ridge_semigroup,
    semigroup,
    single_crossing,
    single_crossing_in_steps,
    single_crossing_of_heavy_ball,
    single_crossing_of_ridge,
)

__all__ = [
    "exaggerated_bias",
    "filters_multiply",
    "ridge_semigroup",
    "semigroup",
    "single_crossing",
    "single_crossing_in_steps",
    "single_crossing_of_heavy_ball",
    "single_crossing_of_ridge",
]
