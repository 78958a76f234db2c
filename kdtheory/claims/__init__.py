"""Claims: published statements that can be checked, and broken on purpose.

A claim is a function of a `run` and of its quantities that returns a signed margin. The same text is judged
in two lanes: in *theory*, `run` answers from filters, vmapped over many random instances; in *practice*, from
the algorithm itself, on data with exactly the spectrum asked for. Its hypotheses are named, so that one can
be dropped and the search for a counterexample must then succeed.
"""

from kdtheory.claims import exact
from kdtheory.claims.judging import (
    CLAIMS,
    CONTRADICTED,
    HOLDS,
    OUTSIDE,
    UNDECIDABLE,
    VIOLATED,
    Check,
    Claim,
    Trial,
    claim,
    listed,
)
from kdtheory.claims.margins import (
    EPS,
    Margin,
    Seen,
    ahead,
    at_least,
    both,
    either,
    exceeds,
    face,
    filters,
    measured,
    practice,
    same,
    theory,
    uncertainty,
)
from kdtheory.claims.quantities import Quantity, among, positive, several, uniform, usually, whole

__all__ = [
    "CLAIMS",
    "CONTRADICTED",
    "EPS",
    "HOLDS",
    "OUTSIDE",
    "UNDECIDABLE",
    "VIOLATED",
    "Check",
    "Claim",
    "Margin",
    "Quantity",
    "Seen",
    "Trial",
    "ahead",
    "among",
    "at_least",
    "both",
    "claim",
    "either",
    "exact",
    "exceeds",
    "face",
    "filters",
    "listed",
    "measured",
    "positive",
    "practice",
    "same",
    "several",
    "theory",
    "uncertainty",
    "uniform",
    "usually",
    "whole",
]
