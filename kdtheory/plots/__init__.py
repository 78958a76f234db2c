"""Pictures of trajectories, spectra, checks and sweeps, on axes that you give.

Each function draws on `ax` and returns it; none imports pyplot, shows or saves. The colours are those of
Okabe and Ito, which readers with any colour vision tell apart. In pictures of training, colour is the
direction and line style the trajectory: the teacher solid, its student dashed. To lay a loop over its theory,
draw the theory first, then the loop with `marks`.
"""

from kdtheory.plots._looks import BLACK as BLACK
from kdtheory.plots._looks import BLUE as BLUE
from kdtheory.plots._looks import COLOURS as COLOURS
from kdtheory.plots._looks import GREEN as GREEN
from kdtheory.plots._looks import GREY as GREY
from kdtheory.plots._looks import ORANGE as ORANGE
from kdtheory.plots._looks import PURPLE as PURPLE
from kdtheory.plots._looks import SKY as SKY
from kdtheory.plots._looks import VERMILLION as VERMILLION
from kdtheory.plots._looks import above as above
from kdtheory.plots._looks import loop as loop
from kdtheory.plots._panels import confidence as confidence
from kdtheory.plots._panels import convergence as convergence
from kdtheory.plots._panels import eigenspace as eigenspace
from kdtheory.plots._panels import exaggeration as exaggeration
from kdtheory.plots._panels import heat as heat
from kdtheory.plots._panels import margins as margins
from kdtheory.plots._panels import risk as risk
from kdtheory.plots._panels import spectrum as spectrum
from kdtheory.plots._panels import verdicts as verdicts
