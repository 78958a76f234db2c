"""The published claims, one file per topic.

Sources, by author and year:

* Nagarajan, Menon, Bhojanapalli, Mobahi, Kumar 2023: On student-teacher deviations in distillation: does it
  pay to disobey? NeurIPS, arXiv 2301.12923. Theorem numbers and constants as recalled.

The papers mostly use the sum loss. Here eigenvalues are those of XᵀX/N, so that their λ is N times ours and
their t is ours over N; products λt, and with them every statement below, are the same.
"""

from kdtheory.theorems.early_stopping import (
    best_flow_within_constant_of_best_ridge,
    equal_fits_reach_lowest,
    flat_signal_gains_nothing_from_distillation,
    flow_within_constant_of_ridge,
    overfitted_tail_gains_from_distillation,
    rising_signal_gains_from_distilled_ridge,
)
from kdtheory.theorems.ground_truth_weight import (
    ground_truth_reverses_the_bias,
    ridge_trichotomy_of_ground_truth,
    single_crossing_past_the_teacher,
    single_crossing_with_ground_truth,
    two_crossings_with_ground_truth,
)
from kdtheory.theorems.spectral_bias import (
    exaggerated_bias,
    exaggerated_bias_of_steeper_kernel,
    filters_multiply,
    ridge_semigroup,
    semigroup,
    shrunk_labels_reverse_the_bias,
    single_crossing,
    single_crossing_in_steps,
    single_crossing_of_heavy_ball,
    single_crossing_of_larger_steps,
    single_crossing_of_powers,
    single_crossing_of_ridge,
)

__all__ = [
    "best_flow_within_constant_of_best_ridge",
    "equal_fits_reach_lowest",
    "exaggerated_bias",
    "exaggerated_bias_of_steeper_kernel",
    "filters_multiply",
    "flat_signal_gains_nothing_from_distillation",
    "flow_within_constant_of_ridge",
    "ground_truth_reverses_the_bias",
    "overfitted_tail_gains_from_distillation",
    "ridge_semigroup",
    "ridge_trichotomy_of_ground_truth",
    "rising_signal_gains_from_distilled_ridge",
    "semigroup",
    "shrunk_labels_reverse_the_bias",
    "single_crossing",
    "single_crossing_in_steps",
    "single_crossing_of_heavy_ball",
    "single_crossing_of_larger_steps",
    "single_crossing_of_powers",
    "single_crossing_of_ridge",
    "single_crossing_past_the_teacher",
    "single_crossing_with_ground_truth",
    "two_crossings_with_ground_truth",
]
