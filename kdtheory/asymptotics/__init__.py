"""What a population spectrum alone says of new inputs: the expected test error of every learner.

`limit` finds, once, where the eigenvalues of the data will be and what each sees of the signal; `risk` is then a
product for any learner or path. All is the limit of many samples N and parameters P: exact up to O(1/N).
"""

from kdtheory.asymptotics._limit import Limit as Limit
from kdtheory.asymptotics._limit import density as density
from kdtheory.asymptotics._limit import effective_ridge as effective_ridge
from kdtheory.asymptotics._limit import limit as limit
from kdtheory.asymptotics._risks import Risk as Risk
from kdtheory.asymptotics._risks import at_points as at_points
from kdtheory.asymptotics._risks import cross_risk as cross_risk
from kdtheory.asymptotics._risks import disagreement as disagreement
from kdtheory.asymptotics._risks import population_filter as population_filter
from kdtheory.asymptotics._risks import risk as risk
from kdtheory.asymptotics._risks import training_risk as training_risk
