"""Numbers read off spectra, learners and trajectories, one file a topic.

All names of `spectral_bias`, `matching`, `risks`, `optima`, `early_stopping`, `mixing`, `constrained_self_distillation`
and `forecasts` are here too, and `estimated_risk` of `new_inputs`; those of `intervals` are in `confidence`.
"""

from kdtheory.measures import confidence as confidence
from kdtheory.measures import early_stopping as early_stopping
from kdtheory.measures import linear_classifiers as linear_classifiers
from kdtheory.measures import new_inputs as new_inputs
from kdtheory.measures import soft_labels as soft_labels
from kdtheory.measures import status as status
from kdtheory.measures import transfer as transfer
from kdtheory.measures.constrained_self_distillation import constrained_penalty as constrained_penalty
from kdtheory.measures.early_stopping import best_stop as best_stop
from kdtheory.measures.forecasts import Forecast as Forecast
from kdtheory.measures.forecasts import forecast as forecast
from kdtheory.measures.matching import matched_clock as matched_clock
from kdtheory.measures.matching import matched_progress as matched_progress
from kdtheory.measures.matching import observed_exaggeration as observed_exaggeration
from kdtheory.measures.matching import progress_at as progress_at
from kdtheory.measures.mixing import MixingWeights as MixingWeights
from kdtheory.measures.mixing import best_ridge_student as best_ridge_student
from kdtheory.measures.mixing import best_weight as best_weight
from kdtheory.measures.mixing import best_weights as best_weights
from kdtheory.measures.mixing import noise_threshold as noise_threshold
from kdtheory.measures.mixing import validated_weight as validated_weight
from kdtheory.measures.new_inputs import estimated_risk as estimated_risk
from kdtheory.measures.optima import best as best
from kdtheory.measures.risks import Risk as Risk
from kdtheory.measures.risks import observed_risk as observed_risk
from kdtheory.measures.risks import risk as risk
from kdtheory.measures.risks import risk_on as risk_on
from kdtheory.measures.risks import signal_and_noise as signal_and_noise
from kdtheory.measures.risks import wiener_filter as wiener_filter
from kdtheory.measures.risks import wiener_risk as wiener_risk
from kdtheory.measures.spectral_bias import crossing_criterion as crossing_criterion
from kdtheory.measures.spectral_bias import delay as delay
from kdtheory.measures.spectral_bias import exaggeration as exaggeration
from kdtheory.measures.spectral_bias import log_margin as log_margin
from kdtheory.measures.spectral_bias import margin as margin
from kdtheory.measures.spectral_bias import matched_penalty as matched_penalty
from kdtheory.measures.spectral_bias import matched_time as matched_time
from kdtheory.measures.spectral_bias import semigroup_defect as semigroup_defect
