"""Results that are kept: a finished computation is not done again unless its code, sizes or seeds change."""

import functools
import hashlib
from pathlib import Path

import experiments
import kdtheory as kd
from kdtheory.files import _fingerprint

FOLDER = Path(experiments.__file__).parent.parent / ".cache"


def kept(function, **arguments):
    """`function(**arguments)`, a record of arrays; from its file where that is there.

    Its name tells by content all that the function reads, as for the folder of a sweep: the arguments, the code that it
    reaches, the library, and versions of other packages.
    """
    file = FOLDER / f"{function.__module__.rpartition('.')[2]}.{function.__name__}-{key(function, arguments)}.npz"
    if file.exists():
        return kd.load(file)
    result = function(**arguments)
    FOLDER.mkdir(exist_ok=True)
    kd.save(file, result)
    return result


def key(function, arguments):
    """A hash of a call."""
    told = _fingerprint.reads(functools.partial(function, **dict(sorted(arguments.items()))))
    return hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()[:16]
