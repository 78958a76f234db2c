"""Results on disk: `save` and `load` give records and arrays back to the last bit, and can run nothing.

`_folders` keeps what a sweep has finished, `_fingerprint` tells by content what a function reads: its code by
`_bytecode`, that of others by `_installed`.
"""

from kdtheory.files._saved import load as load
from kdtheory.files._saved import register as register
from kdtheory.files._saved import save as save
