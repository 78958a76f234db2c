"""The published claims, one file per topic.

Sources, by author and year:

* Nagarajan, Menon, Bhojanapalli, Mobahi, Kumar 2023: On student-teacher deviations in distillation: does it
  pay to disobey? NeurIPS, arXiv 2301.12923. Theorem numbers and constants as recalled.
* Ali, Kolter, Tibshirani 2019: A continuous-time view of early stopping for least squares. AISTATS, arXiv 1810.10082.
  As recalled; the sharp constants are our own.
* Mobahi, Farajtabar, Bartlett 2020: Self-distillation amplifies regularization in Hilbert space. NeurIPS, arXiv
  2002.05715. As recalled.
* Borup, Andersen 2021: Even your teacher needs guidance: ground-truth targets dampen regularization imposed by
  self-distillation. NeurIPS, arXiv 2102.13088. As recalled, with the authors' public code and notebook.
* Das, Sanghavi 2023: Understanding self-distillation in the presence of label noise. ICML, arXiv 2301.13304. As
  recalled.
* Menon, Rawat, Reddi, Kim, Kumar 2021: A statistical perspective on distillation. ICML. As recalled.
* Ji, Zhu 2020: Knowledge distillation in wide neural networks: risk bound, data efficiency and imperfect teacher.
  NeurIPS. As recalled.
* Harutyunyan, Rawat, Menon, Kim, Kumar 2023: Supervision complexity and its role in knowledge distillation. ICLR. Its
  margin bound is not recalled; what is claimed of supervision complexity is our own.
* Phuong, Lampert 2019: Towards understanding knowledge distillation. ICML, arXiv 2105.13093. As recalled.
* Soudry, Hoffer, Nacson, Gunasekar, Srebro 2018: The implicit bias of gradient descent on separable data. JMLR. As
  recalled.
* Pareek, Du, Oh 2024: Understanding the gains from repeated self-distillation. NeurIPS, arXiv 2407.04600. As recalled.
* Dang, Patil, Rinaldo 2026: arXiv 2602.17565. As recalled.
* Charikar, Pabbaraju, Shiragur 2024: Quantifying the gain in weak-to-strong generalization. NeurIPS, arXiv 2405.15116.
  As recalled, for projections; for filters it is our own.
* Medvedev, Lyu, Yu, Arora, Li, Srebro 2025: arXiv 2503.02877. As recalled, its quadratic limit; the
  sharp one is our own.
* Dohmatob, Feng, Kempe 2024: Model collapse demystified: the case of regression. NeurIPS, arXiv 2402.07712. As
  recalled.
* Dohmatob, Feng, Subramonian, Kempe 2024: Strong model collapse. arXiv 2410.04840. As recalled.
* Gerstgrasser et al. 2024: Is model collapse inevitable? arXiv 2404.01413. As recalled, on the same inputs.
* Wu, Yang, Sun 2026: arXiv 2602.14029. As recalled, its scheme.
* He, Xu, Cheng 2025: arXiv 2502.18049; Garg, Bhattacharya, Sur 2025: arXiv 2509.22341. As recalled.
* Dong, Li, Li, Lee, Lei 2025: Discrepancies are virtue: weak-to-strong generalization through lens of intrinsic
  dimension. arXiv 2502.05075. As recalled; exact at every size our own.
* Dobriban, Wager 2018: High-dimensional asymptotics of prediction: ridge regression and classification. Annals of
  Statistics. As recalled.
* Patil, Wu, Tibshirani 2024: arXiv 2402.16793. As recalled.
* Jeong, Chung 2024: arXiv 2402.10482. As recalled.
* Takanami, Takahashi, Sakata 2025: arXiv 2501.16226. As recalled, for logistic loss.
* Lecoiu, Mukherjee, Sur 2026: arXiv 2605.17778. As recalled; that penalties must be negative is our own.

The papers mostly use the sum loss. Here eigenvalues are those of XᵀX/N, so that their λ is N times ours and
their t is ours over N; products λt, and with them every statement below, are the same.
"""

# Topics in the order in which claims are listed.
# isort: off
from kdtheory.theorems import spectral_bias as spectral_bias
from kdtheory.theorems import confidence as confidence
from kdtheory.theorems import self_distillation as self_distillation
from kdtheory.theorems import constrained_self_distillation as constrained_self_distillation
from kdtheory.theorems import early_stopping as early_stopping
from kdtheory.theorems import ground_truth_weight as ground_truth_weight
from kdtheory.theorems import linear_classifiers as linear_classifiers
from kdtheory.theorems import mixing as mixing
from kdtheory.theorems import soft_labels as soft_labels
from kdtheory.theorems import new_inputs as new_inputs
from kdtheory.theorems import asymptotics as asymptotics
from kdtheory.theorems import transfer as transfer
from kdtheory.theorems import weak_to_strong as weak_to_strong
from kdtheory.theorems import generations as generations
from kdtheory.theorems import hard_labels as hard_labels
# isort: on

from kdtheory.theorems.asymptotics import (
    best_filter_of_a_spike_has_a_negative_penalty as best_filter_of_a_spike_has_a_negative_penalty,
)
from kdtheory.theorems.asymptotics import cross_validation_is_right_for_ridge as cross_validation_is_right_for_ridge
from kdtheory.theorems.asymptotics import (
    cross_validation_overstates_flow_on_noise as cross_validation_overstates_flow_on_noise,
)
from kdtheory.theorems.asymptotics import flipped_labels_are_noise_of_a_spike as flipped_labels_are_noise_of_a_spike
from kdtheory.theorems.asymptotics import (
    rising_signal_trusts_teachers_on_new_inputs as rising_signal_trusts_teachers_on_new_inputs,
)
from kdtheory.theorems.confidence import exaggerated_bias_sets_the_slope as exaggerated_bias_sets_the_slope
from kdtheory.theorems.confidence import margins_are_a_regression_of_filters as margins_are_a_regression_of_filters
from kdtheory.theorems.confidence import margins_on_a_line as margins_on_a_line
from kdtheory.theorems.confidence import scale_free_slope_exceeds_one as scale_free_slope_exceeds_one
from kdtheory.theorems.confidence import (
    slope_exceeds_one_beyond_critical_eigenvalue as slope_exceeds_one_beyond_critical_eigenvalue,
)
from kdtheory.theorems.constrained_self_distillation import (
    constrained_penalty_between_bounds as constrained_penalty_between_bounds,
)
from kdtheory.theorems.constrained_self_distillation import constrained_rounds_sparsify as constrained_rounds_sparsify
from kdtheory.theorems.constrained_self_distillation import each_round_costs_one as each_round_costs_one
from kdtheory.theorems.constrained_self_distillation import (
    equal_eigenvalues_collapse_first as equal_eigenvalues_collapse_first,
)
from kdtheory.theorems.constrained_self_distillation import norm_above_its_tangent as norm_above_its_tangent
from kdtheory.theorems.constrained_self_distillation import (
    one_fit_favours_by_less_than_eigenvalues as one_fit_favours_by_less_than_eigenvalues,
)
from kdtheory.theorems.early_stopping import (
    best_flow_within_constant_of_best_ridge as best_flow_within_constant_of_best_ridge,
)
from kdtheory.theorems.early_stopping import equal_fits_reach_lowest as equal_fits_reach_lowest
from kdtheory.theorems.early_stopping import (
    flat_signal_gains_nothing_from_distillation as flat_signal_gains_nothing_from_distillation,
)
from kdtheory.theorems.early_stopping import (
    flatter_ideal_gains_nothing_from_distillation as flatter_ideal_gains_nothing_from_distillation,
)
from kdtheory.theorems.early_stopping import flow_within_constant_of_ridge as flow_within_constant_of_ridge
from kdtheory.theorems.early_stopping import (
    overfitted_tail_gains_from_distillation as overfitted_tail_gains_from_distillation,
)
from kdtheory.theorems.early_stopping import (
    rising_signal_gains_from_distilled_ridge as rising_signal_gains_from_distilled_ridge,
)
from kdtheory.theorems.generations import (
    at_least_half_of_the_labels_are_best_real as at_least_half_of_the_labels_are_best_real,
)
from kdtheory.theorems.generations import (
    bad_labels_are_another_truth_and_noise as bad_labels_are_another_truth_and_noise,
)
from kdtheory.theorems.generations import (
    generations_forget_instead_of_collapsing as generations_forget_instead_of_collapsing,
)
from kdtheory.theorems.generations import (
    iterating_helps_where_noise_exceeds_signal as iterating_helps_where_noise_exceeds_signal,
)
from kdtheory.theorems.generations import (
    keeping_data_stops_collapse_of_least_squares as keeping_data_stops_collapse_of_least_squares,
)
from kdtheory.theorems.ground_truth_weight import ground_truth_reverses_the_bias as ground_truth_reverses_the_bias
from kdtheory.theorems.ground_truth_weight import ridge_trichotomy_of_ground_truth as ridge_trichotomy_of_ground_truth
from kdtheory.theorems.ground_truth_weight import single_crossing_past_the_teacher as single_crossing_past_the_teacher
from kdtheory.theorems.ground_truth_weight import single_crossing_with_ground_truth as single_crossing_with_ground_truth
from kdtheory.theorems.ground_truth_weight import two_crossings_with_ground_truth as two_crossings_with_ground_truth
from kdtheory.theorems.hard_labels import (
    hard_labels_help_where_samples_suffice as hard_labels_help_where_samples_suffice,
)
from kdtheory.theorems.linear_classifiers import hard_labels_grow_like_log as hard_labels_grow_like_log
from kdtheory.theorems.linear_classifiers import more_data_more_agreement as more_data_more_agreement
from kdtheory.theorems.linear_classifiers import student_is_closer_than_any_point as student_is_closer_than_any_point
from kdtheory.theorems.linear_classifiers import student_is_projected_teacher as student_is_projected_teacher
from kdtheory.theorems.mixing import as_many_students_as_eigenvalues as as_many_students_as_eigenvalues
from kdtheory.theorems.mixing import one_student_is_factors_behind as one_student_is_factors_behind
from kdtheory.theorems.mixing import student_beats_best_ridge_nearby as student_beats_best_ridge_nearby
from kdtheory.theorems.mixing import student_on_the_tangent as student_on_the_tangent
from kdtheory.theorems.mixing import trust_grows_with_noise as trust_grows_with_noise
from kdtheory.theorems.mixing import two_eigenvalues_one_student as two_eigenvalues_one_student
from kdtheory.theorems.new_inputs import (
    estimate_is_cross_validation_for_ridge as estimate_is_cross_validation_for_ridge,
)
from kdtheory.theorems.new_inputs import (
    isotropic_signal_gains_nothing_on_new_inputs as isotropic_signal_gains_nothing_on_new_inputs,
)
from kdtheory.theorems.new_inputs import ridge_is_best_on_new_inputs as ridge_is_best_on_new_inputs
from kdtheory.theorems.self_distillation import best_truth_weight as best_truth_weight
from kdtheory.theorems.self_distillation import limit_of_self_distillation as limit_of_self_distillation
from kdtheory.theorems.self_distillation import powers_of_ridge as powers_of_ridge
from kdtheory.theorems.self_distillation import ridge_student_with_truth as ridge_student_with_truth
from kdtheory.theorems.self_distillation import self_distillation_sparsifies as self_distillation_sparsifies
from kdtheory.theorems.self_distillation import sparsification_is_monotone as sparsification_is_monotone
from kdtheory.theorems.soft_labels import averaging_denoises_classes as averaging_denoises_classes
from kdtheory.theorems.soft_labels import distillation_denoises_labels as distillation_denoises_labels
from kdtheory.theorems.soft_labels import each_fit_simplifies_supervision as each_fit_simplifies_supervision
from kdtheory.theorems.soft_labels import label_pulls_the_effective_logit as label_pulls_the_effective_logit
from kdtheory.theorems.soft_labels import perfect_teacher_is_noiseless as perfect_teacher_is_noiseless
from kdtheory.theorems.soft_labels import smoothing_changes_no_decision as smoothing_changes_no_decision
from kdtheory.theorems.soft_labels import supervision_grows_with_training as supervision_grows_with_training
from kdtheory.theorems.soft_labels import true_probabilities_save_variance as true_probabilities_save_variance
from kdtheory.theorems.spectral_bias import exaggerated_bias as exaggerated_bias
from kdtheory.theorems.spectral_bias import exaggerated_bias_of_steeper_kernel as exaggerated_bias_of_steeper_kernel
from kdtheory.theorems.spectral_bias import filters_multiply as filters_multiply
from kdtheory.theorems.spectral_bias import ridge_semigroup as ridge_semigroup
from kdtheory.theorems.spectral_bias import semigroup as semigroup
from kdtheory.theorems.spectral_bias import shrunk_labels_reverse_the_bias as shrunk_labels_reverse_the_bias
from kdtheory.theorems.spectral_bias import single_crossing as single_crossing
from kdtheory.theorems.spectral_bias import single_crossing_in_steps as single_crossing_in_steps
from kdtheory.theorems.spectral_bias import single_crossing_of_heavy_ball as single_crossing_of_heavy_ball
from kdtheory.theorems.spectral_bias import single_crossing_of_larger_steps as single_crossing_of_larger_steps
from kdtheory.theorems.spectral_bias import single_crossing_of_powers as single_crossing_of_powers
from kdtheory.theorems.spectral_bias import single_crossing_of_ridge as single_crossing_of_ridge
from kdtheory.theorems.transfer import bias_survives_close_features as bias_survives_close_features
from kdtheory.theorems.transfer import bias_switches_once_between as bias_switches_once_between
from kdtheory.theorems.transfer import distant_features_reverse_the_bias as distant_features_reverse_the_bias
from kdtheory.theorems.transfer import student_exaggerates_its_own_bias as student_exaggerates_its_own_bias
from kdtheory.theorems.transfer import (
    student_inherits_the_mean_of_its_filter as student_inherits_the_mean_of_its_filter,
)
from kdtheory.theorems.weak_to_strong import discrepancy_makes_students_better as discrepancy_makes_students_better
from kdtheory.theorems.weak_to_strong import (
    each_student_turns_by_an_equal_angle as each_student_turns_by_an_equal_angle,
)
from kdtheory.theorems.weak_to_strong import gain_is_at_least_the_misfit as gain_is_at_least_the_misfit
from kdtheory.theorems.weak_to_strong import weak_teacher_limits_the_student as weak_teacher_limits_the_student
