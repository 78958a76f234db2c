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

The papers mostly use the sum loss. Here eigenvalues are those of XᵀX/N, so that their λ is N times ours and
their t is ours over N; products λt, and with them every statement below, are the same.
"""

from kdtheory.theorems.confidence_slope import margins_on_a_line, scale_free_slope_exceeds_one
from kdtheory.theorems.constrained import (
    constrained_penalty_between_bounds,
    constrained_rounds_sparsify,
    each_round_costs_one,
    equal_eigenvalues_collapse_first,
    norm_above_its_tangent,
    one_fit_favours_by_less_than_eigenvalues,
)
from kdtheory.theorems.early_stopping import (
    best_flow_within_constant_of_best_ridge,
    equal_fits_reach_lowest,
    flat_signal_gains_nothing_from_distillation,
    flatter_ideal_gains_nothing_from_distillation,
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
from kdtheory.theorems.linear_classifiers import (
    hard_labels_grow_like_log,
    more_data_more_agreement,
    student_is_closer_than_any_point,
    student_is_projected_teacher,
)
from kdtheory.theorems.mixing import (
    as_many_students_as_eigenvalues,
    one_student_is_factors_behind,
    student_beats_best_ridge_nearby,
    student_on_the_tangent,
    trust_grows_with_noise,
    two_eigenvalues_one_student,
)
from kdtheory.theorems.self_distillation import (
    best_truth_weight,
    limit_of_self_distillation,
    powers_of_ridge,
    ridge_student_with_truth,
    self_distillation_sparsifies,
    sparsification_is_monotone,
)
from kdtheory.theorems.soft_labels import (
    distillation_denoises_labels,
    each_fit_simplifies_supervision,
    label_pulls_the_effective_logit,
    perfect_teacher_is_noiseless,
    supervision_grows_with_training,
    true_probabilities_save_variance,
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
    "as_many_students_as_eigenvalues",
    "best_flow_within_constant_of_best_ridge",
    "best_truth_weight",
    "constrained_penalty_between_bounds",
    "constrained_rounds_sparsify",
    "distillation_denoises_labels",
    "each_fit_simplifies_supervision",
    "each_round_costs_one",
    "equal_eigenvalues_collapse_first",
    "equal_fits_reach_lowest",
    "exaggerated_bias",
    "exaggerated_bias_of_steeper_kernel",
    "filters_multiply",
    "flat_signal_gains_nothing_from_distillation",
    "flatter_ideal_gains_nothing_from_distillation",
    "flow_within_constant_of_ridge",
    "ground_truth_reverses_the_bias",
    "hard_labels_grow_like_log",
    "label_pulls_the_effective_logit",
    "limit_of_self_distillation",
    "margins_on_a_line",
    "more_data_more_agreement",
    "norm_above_its_tangent",
    "one_fit_favours_by_less_than_eigenvalues",
    "one_student_is_factors_behind",
    "overfitted_tail_gains_from_distillation",
    "perfect_teacher_is_noiseless",
    "powers_of_ridge",
    "ridge_semigroup",
    "ridge_student_with_truth",
    "ridge_trichotomy_of_ground_truth",
    "rising_signal_gains_from_distilled_ridge",
    "scale_free_slope_exceeds_one",
    "self_distillation_sparsifies",
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
    "sparsification_is_monotone",
    "student_beats_best_ridge_nearby",
    "student_is_closer_than_any_point",
    "student_is_projected_teacher",
    "student_on_the_tangent",
    "supervision_grows_with_training",
    "true_probabilities_save_variance",
    "trust_grows_with_noise",
    "two_crossings_with_ground_truth",
    "two_eigenvalues_one_student",
]
