"""Problems: data with a loss.

A problem gives the gradient that a learner follows, and its eigensystem, in which theory lives. The loss is
half the *mean* squared residual, so the eigenvalues λ are those of XᵀX/N for features X and of K/N for a
kernel's Gram matrix K. (Papers that use the sum have eigenvalues N times larger and times N times smaller.)

Shapes: targets are (N,) or (N, C); parameters are path axes + (P,) + outputs. Where the parameter axis stands
follows from the rank of the targets, never from a shape.
"""

from kdtheory.problems._base import Problem as Problem
from kdtheory.problems._base import SquaredLoss as SquaredLoss
from kdtheory.problems._drawn import gaussian as gaussian
from kdtheory.problems._drawn import with_spectrum as with_spectrum
from kdtheory.problems._eigensystems import Eigensystem as Eigensystem
from kdtheory.problems._kernel import Kernel as Kernel
from kdtheory.problems._kernel import kernel as kernel
from kdtheory.problems._linear import Linear as Linear
from kdtheory.problems._linear import linear as linear
from kdtheory.problems._matrix_free import MatrixFree as MatrixFree
from kdtheory.problems._matrix_free import matrix_free as matrix_free
from kdtheory.problems._softmax import Softmax as Softmax
from kdtheory.problems._softmax import softmax as softmax
from kdtheory.problems._softmax import softmax_kernel as softmax_kernel
