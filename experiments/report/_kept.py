"""Results that are kept: a finished computation is not done again unless its code, sizes or seeds change."""

import ast
import functools
import hashlib
import importlib.metadata
import inspect
import os
import pickle
from pathlib import Path

import experiments
import kdtheory

FOLDER = Path(experiments.__file__).parent.parent / ".cache"


def kept(function, **arguments):
    """`function(**arguments)`, from the cache where it is there.

    The key is a hash of the arguments, of the library, of the versions of jax and numpy, and of the module of
    the function with those helpers of the report that it imports. A file is written under a temporary name
    and renamed: nothing half-written is read.
    """
    label = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    file = FOLDER / f"{label}-{_hash(function, arguments)}.pickle"
    if file.exists():
        return pickle.loads(file.read_bytes())
    result = function(**arguments)
    FOLDER.mkdir(exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(pickle.dumps(result))
    unfinished.rename(file)
    return result


def _hash(function, arguments):
    bound = inspect.signature(function).bind(**arguments)
    bound.apply_defaults()
    parts = [
        repr(sorted(bound.arguments.items())),
        *(importlib.metadata.version(name) for name in ("jax", "numpy")),
    ]
    parts.extend(map(_text, _sources(function)))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@functools.cache
def _text(path):
    """The code, without comments and layout, read once: what is edited while it runs is not what runs."""
    return ast.dump(ast.parse(path.read_text()))


def _sources(function):
    """The library without its claims and plots, the module of the function, and `_study` if that is imported there."""
    library = Path(kdtheory.__file__).parent
    names = (
        "problems",
        "classification",
        "learners",
        "distillation",
        "trajectories",
        "measures",
        "confidence",
        "kernels",
        "datasets",
        "numerics",
        "spectra",
    )
    module = inspect.getmodule(function)
    study = [Path(module.__file__).parent / "_study.py"] if "_study" in inspect.getsource(module) else []
    found = {
        path for name in names for path in [library / f"{name}.py", *library.glob(f"{name}/*.py")] if path.exists()
    }
    return sorted({*found, Path(module.__file__), *study})
