"""What is code of others, and is known by its version."""

import contextlib
import functools
import importlib.metadata
import os
import site
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np

from kdtheory.files._bytecode import digest

_LIBRARY = Path(__file__).parent.parent  # this package, wherever it is

_INSTALLED = tuple(
    f"{os.path.realpath(folder)}{os.sep}"
    for folder in {
        *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
        _LIBRARY,
    }
)


def is_installed(file: str) -> bool:
    """Whether a file comes with Python or was installed."""
    return file.startswith("<frozen ") or os.path.realpath(file).startswith(_INSTALLED)


@functools.cache
def of_library(module: str) -> bool:
    """Whether a module, by its name, comes with Python or was installed."""
    top = module.partition(".")[0]
    known = sys.modules.get(top)
    if top == "__main__" or known is None:
        return False
    file = getattr(known, "__file__", None) or next(iter(getattr(known, "__path__", [])), None)
    return top in sys.stdlib_module_names if file is None else is_installed(file + os.sep)


@functools.cache
def version_of(top: str) -> str:
    """The version of a package; of this one also the checksum of its code, which is edited more often."""
    if top in sys.stdlib_module_names:
        return f"of Python {sys.version_info.major}.{sys.version_info.minor}"
    version = str(getattr(sys.modules[top], "__version__", None) or _metadata_version(top))
    if top == _LIBRARY.name:
        files = sorted(_LIBRARY.rglob("*.py"))
        version += f" {digest(b''.join(file.read_bytes() for file in files))}"
    return version


def _metadata_version(package):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return "without version"


def name_in_library(thing: object) -> str | None:
    """Where a library has a class or function, if it is there."""
    module, path = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if isinstance(thing, types.BuiltinFunctionType) and isinstance(thing.__self__, types.ModuleType):
        module = thing.__self__.__name__
    if isinstance(thing, np.ufunc):  # which need not say where they are
        path = thing.__name__
        homes = (module, "numpy", "scipy.special")
        module = next((home for home in homes if getattr(sys.modules.get(home), path, None) is thing), None)
    if not isinstance(module, str) or not isinstance(path, str) or not of_library(module):
        return None
    there = sys.modules.get(module)
    for part in path.split("."):
        there = getattr(there, part, None)
    return f"{module}.{path}" if there is thing else None
