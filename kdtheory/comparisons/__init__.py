"""Teacher against student on your own data, in one call: of one set of features, or of two."""

from kdtheory.comparisons._compare import Comparison as Comparison
from kdtheory.comparisons._compare import Lag as Lag
from kdtheory.comparisons._compare import compare as compare
from kdtheory.comparisons._transfer import Errors as Errors
from kdtheory.comparisons._transfer import Inherited as Inherited
from kdtheory.comparisons._transfer import Transfer as Transfer
from kdtheory.comparisons._transfer import transfer as transfer
