"""Claims: published statements that can be checked, and broken on purpose.

A claim is a function of a `run` and of its quantities that returns a signed margin. The same text is judged
in two lanes: in *theory*, `run` answers from filters, vmapped over many random instances; in *practice*, from
the algorithm itself, on data with exactly the spectrum asked for. Its hypotheses are named, so that one can
be dropped and the search for a counterexample must then succeed.
"""

from kdtheory.claims import certify as certify
from kdtheory.claims import counterexamples as counterexamples
from kdtheory.claims.checks import CONTRADICTED as CONTRADICTED
from kdtheory.claims.checks import HOLDS as HOLDS
from kdtheory.claims.checks import OUTSIDE as OUTSIDE
from kdtheory.claims.checks import UNDECIDABLE as UNDECIDABLE
from kdtheory.claims.checks import VIOLATED as VIOLATED
from kdtheory.claims.checks import Check as Check
from kdtheory.claims.checks import Trial as Trial
from kdtheory.claims.judging import CLAIMS as CLAIMS
from kdtheory.claims.judging import Claim as Claim
from kdtheory.claims.judging import listed as listed
from kdtheory.claims.margins import EPS as EPS
from kdtheory.claims.margins import Margin as Margin
from kdtheory.claims.margins import Seen as Seen
from kdtheory.claims.margins import ahead as ahead
from kdtheory.claims.margins import at_least as at_least
from kdtheory.claims.margins import both as both
from kdtheory.claims.margins import either as either
from kdtheory.claims.margins import exceeds as exceeds
from kdtheory.claims.margins import face as face
from kdtheory.claims.margins import filters as filters
from kdtheory.claims.margins import measured as measured
from kdtheory.claims.margins import practice as practice
from kdtheory.claims.margins import same as same
from kdtheory.claims.margins import searched as searched
from kdtheory.claims.margins import theory as theory
from kdtheory.claims.margins import uncertainty as uncertainty
from kdtheory.claims.quantities import Quantity as Quantity
from kdtheory.claims.quantities import among as among
from kdtheory.claims.quantities import positive as positive
from kdtheory.claims.quantities import several as several
from kdtheory.claims.quantities import uniform as uniform
from kdtheory.claims.quantities import usually as usually
from kdtheory.claims.quantities import whole as whole
from kdtheory.claims.regions import Condition as Condition
from kdtheory.claims.regions import Region as Region
from kdtheory.claims.tables import detail as detail
from kdtheory.claims.tables import json as json
from kdtheory.claims.tables import latex as latex
from kdtheory.claims.tables import table as table
from kdtheory.claims.writing import claim as claim
