"""Numbers read off spectra, learners and trajectories.

`clocks`: on eigenvalues, exactly, matched time, delay, margin, exaggeration; on trajectories the same, as observed.
`risks`: of learners, bias, variance, the best moment to stop and the best weights to mix with.
`forecasts`: whether distillation will help on your data. All names are here.
"""

from kdtheory.measures.clocks import (
    crossing_criterion,
    delay,
    exaggeration,
    log_margin,
    margin,
    matched_clock,
    matched_penalty,
    matched_time,
    observed_exaggeration,
    progress_at,
)
from kdtheory.measures.forecasts import Forecast, forecast
from kdtheory.measures.risks import (
    MixingWeights,
    Risk,
    best_ridge_student,
    best_stop,
    best_weight,
    best_weights,
    constrained_penalty,
    noise_threshold,
    risk,
    validated_weight,
    wiener_filter,
    wiener_risk,
)

__all__ = [
    "Forecast",
    "MixingWeights",
    "Risk",
    "best_ridge_student",
    "best_stop",
    "best_weight",
    "best_weights",
    "constrained_penalty",
    "crossing_criterion",
    "delay",
    "exaggeration",
    "forecast",
    "log_margin",
    "margin",
    "matched_clock",
    "matched_penalty",
    "matched_time",
    "noise_threshold",
    "observed_exaggeration",
    "progress_at",
    "risk",
    "validated_weight",
    "wiener_filter",
    "wiener_risk",
]
