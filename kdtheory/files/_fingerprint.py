"""What a function reads, by content: for telling whether another would have given the same numbers.

Code is read from the function itself, not from its file, which may have changed since. Whatever it reaches by a name,
through what it encloses or through its defaults is told by content; installed packages by name and version. What has
no content that can be told, such as an open file, is refused: nothing is trusted for its type alone.
"""

import collections
import contextlib
import copyreg
import dataclasses
import functools
import importlib
import inspect
import os
import pathlib
import random
import re
import sys
import types

import jax
import numpy as np

from kdtheory.files import _bytecode, _installed


def reads(function) -> dict[str, str]:
    """A function and all that it reads, by name, as texts that are the same in every process.

    ValueError, naming it, for what it reads and cannot be told.
    """
    reading = _Reading()
    try:
        reading.read("", "function", function)
        reading.modules()
    except RecursionError:
        reading.refuse("function", "something too deeply nested")
    return reading.found


def describe(value) -> str:
    """A value as a text that is the same in every process: arrays by the checksum of their bytes."""
    return _Reading().text("value", value)


# What reads from outside of the program, or answers anew each time: no version tells what it will say.

_OUTSIDE_MODULES = set(
    """os posix nt io _io pathlib subprocess socket shutil glob tempfile runpy shelve sqlite3 fileinput linecache mmap
    urllib http requests gc ctypes importlib gzip bz2 lzma zipfile tarfile pkgutil time uuid platform secrets
    configparser""".split()
)
_OUTSIDE = re.compile(
    r"builtins\.(open|eval|exec|compile|globals|__import__|input)|inspect\.(currentframe|stack|get(members|closurevars|source).*)"
    r"|.*\.(load(_(dataset|dataarray|files?|svmlight_files?))?|loadtxt|loadmat|genfromtxt|fromfile|fromregex|memmap)"
    r"|.*\.(imread|mmread|readsav|open(_\w+)?|read(_\w+)?|fetch_\w+|File|HDFStore|ExcelFile|DataSource)"
    r"|xml\..*\.(parse|iterparse)|random\.SystemRandom"
)
_PURE = set(
    "time.sleep os.fspath os.cpu_count os.PathLike posix.fspath posix.cpu_count _io.BytesIO _io.StringIO".split()
)
_DYNAMIC = {"getattr", "vars", "dir", "attrgetter", "__dict__", "__getattribute__", "getattr_static", "methodcaller"}
_NAMESPACES = {"__globals__", "f_globals"}
_LEAVES = (bool, int, float, complex, str, bytes, range, type(None), type(...), type(NotImplemented))
_GENERATORS = random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator


class _Reading:
    """A walk over all that a function reaches."""

    def __init__(self):
        self.found: dict[str, str] = {}
        self.seen: dict[int, tuple] = {}  # what may change or contain itself: where it was told, and the thing
        self.labels: set[str] = set()  # the names of these, each of which stands for one
        self.names: set[str] = set()  # in all code that is reached
        self.passed: dict[int, tuple] = {}  # modules handed on, of which any of these names may be read

    def text(self, name, thing) -> str:
        """A thing that is reached by a name, as a text."""
        kind = type(thing)
        if kind is str:
            self.names.update(thing[:200].split("."))  # a text may name what a module is asked for
        if kind in _LEAVES:
            return _brief(repr(thing))
        if kind is slice:
            return f"slice{self.text(name, (thing.start, thing.stop, thing.step))}"
        if isinstance(thing, np.dtype | np.ndarray | np.generic | jax.Array):
            return self.array(name, thing)
        if kind in (tuple, frozenset):
            return self.items(name, thing)
        if isinstance(thing, types.ModuleType):
            if id(thing) not in self.passed:
                self.passed[id(thing)] = self.fresh(thing.__name__), thing
            return f"module {self.passed[id(thing)][0]}"
        if any(thing is held for held in (sys.modules, sys.argv)) or isinstance(thing, type(os.environ)):
            self.refuse(name, "what the system holds at the moment")
        if where := _installed.name_in_library(thing):
            return self.library(name, where)
        if inspect.isbuiltin(thing) and isinstance(thing.__self__, types.ModuleType):
            self.refuse(name, "compiled code that was not installed")
        if kind is types.MethodType or (inspect.isbuiltin(thing) and thing.__self__ is not None):
            function = thing.__func__ if kind is types.MethodType else thing.__name__
            return (
                f"method {self.text(f'{name}.__func__', function)} of {self.text(f'{name}.__self__', thing.__self__)}"
            )
        if isinstance(thing, types.MethodWrapperType):
            return f"method {thing.__name__} of {self.text(f'{name}.__self__', thing.__self__)}"
        if isinstance(thing, (*_OF_C, types.ClassMethodDescriptorType)):
            return f"{thing.__name__} of {self.text(f'{name}.__objclass__', thing.__objclass__)}"
        if id(thing) in self.seen:
            return f"as {self.seen[id(thing)][0]}"
        name = self.fresh(name)
        self.seen[id(thing)] = name, thing
        if kind is types.FunctionType:
            self.found[name] = ""
            self.found[name] = self.function(name, thing)
            return f"as {name}"
        if isinstance(thing, type):
            self.found[name] = ""
            self.found[name] = self.type(name, thing)
            return f"as {name}"
        return self.thing(name, thing)

    def refuse(self, name, what):
        raise ValueError(
            f"with folder=, a sweep must know all that its function reads, and it reads {name}, {what}, of which"
            " nobody can tell whether it has changed; pass it as an axis, make it numbers, arrays or a record, or"
            " leave out folder="
        )

    def fresh(self, name):
        """A name that stands for one thing."""
        number, own = 1, name
        while own in self.labels or own in self.found:
            number += 1
            own = f"{name} ({number})"
        self.labels.add(own)
        return own

    # Arrays and containers.

    def array(self, name, array):
        if isinstance(array, np.dtype):
            return f"dtype {array.descr if array.names else array}"
        if isinstance(array, jax.core.Tracer):
            self.refuse(name, "a tracer of JAX")
        weak = "weak " if getattr(array, "weak_type", False) else ""
        if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
            weak, array = f"key {jax.random.key_impl(array)} ", jax.random.key_data(array)
        of = "jax" if isinstance(array, jax.Array) else type(array).__name__
        if type(array) is np.ma.MaskedArray:
            inside = tuple(map(np.asarray, (array.data, np.ma.getmaskarray(array), array.fill_value)))
            return f"masked {self.text(name, inside)}"
        if isinstance(array, np.generic) and not _installed.name_in_library(type(array)):
            self.refuse(name, f"a {type(array).__name__}")
        if type(array) not in (np.ndarray, np.memmap, np.matrix, np.recarray) and isinstance(array, np.ndarray):
            return f"{self.state(name, array)} {self.array(name, array.view(np.ndarray))}"
        plain = np.asarray(array)
        kind = (
            f"{weak}{of} {plain.dtype}{plain.shape}{' by columns' if plain.flags.fnc else ''}"  # sums round otherwise
        )
        if plain.dtype.hasobject:
            return f"{kind} {self.text(name, plain.tolist())}"
        return f"{kind} {_bytecode.digest(np.ascontiguousarray(plain).tobytes())}"

    def items(self, name, thing):
        """A container's own kind, and its items in order."""
        if isinstance(thing, dict):
            inside = [
                f"{self.text(f'{name}, a key', key)}: {self.text(f'{name}[{_label(key)}]', value)}"
                for key, value in dict.items(thing)
            ]
        elif isinstance(thing, set | frozenset):
            odd = [each for each in thing if not _plain(each)]
            if len(odd) > 1:
                self.refuse(name, "a set of objects, which have no order")
            inside = sorted(self.text(f"{name}, an item", each) for each in thing)
        else:
            inside = [self.text(f"{name}[{i}]", each) for i, each in enumerate(_iterated(thing))]
        most = [f"maxlen {thing.maxlen}"] if isinstance(thing, collections.deque) else []
        return _brief(f"{_builtin(thing).__name__}({', '.join(inside + most)})")

    # Code.

    def function(self, name, function):
        code, own = function.__code__, not _installed.is_installed(function.__code__.co_filename)
        given = function.__defaults__ or ()
        defaults = dict(zip(code.co_varnames[code.co_argcount - len(given) : code.co_argcount], given, strict=True))
        for argument, value in (defaults | (function.__kwdefaults__ or {})).items():
            self.read(name, f"{name}({argument}=)", value)
        for attribute, value in vars(function).items():
            self.read(name, f"{name}.{attribute}", value)
        if not own:  # made by a library around what it encloses, as by jax.vmap
            for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
                if _full(cell):
                    self.read(name, variable, cell.cell_contents)
            package = (function.__globals__.get("__name__") or "builtins").partition(".")[0]
            self.found[f"package {package}"] = _installed.version_of(package)
            return f"{package}: {code.co_name} {_bytecode.checksum(code)}"
        self.names |= _bytecode.names(code)
        if asked := _NAMESPACES & _bytecode.names(code):
            self.refuse(name, f"all names at once, by {min(asked)}")
        for _, root, _ in (chain for chain in _bytecode.chains(code) if chain[0] == "import"):
            _imported(root, function)  # so that packages have these modules
        for kind, root, attributes in _bytecode.chains(code):
            path, value = [root], self.root(function, kind, root)
            for attribute in attributes:
                if not isinstance(value, types.ModuleType):
                    break
                path.append(attribute)
                below = f"{value.__name__}.{attribute}"
                value = getattr(value, attribute, _ABSENT)
                if value is _ABSENT and kind == "import":
                    value = _imported(below, function)
            self.read(name, ".".join(path), value)
        return f"{_bytecode.text(code)}\n{_bytecode.checksum(code)}"

    def root(self, function, kind, root):
        """What a name is in a function."""
        if kind == "import":
            return _imported(root, function)
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        if kind == "cell":  # else it is a variable of the function itself, for those within
            return cells[root].cell_contents if root in cells and _full(cells[root]) else _ABSENT
        return function.__globals__.get(root, function.__builtins__.get(root, _ABSENT))

    def read(self, reader, name, value):
        """Keep what a function reads by a name; where another has read something else by it, under both names."""
        if value is _ABSENT:
            return
        told = self.text(name, value)
        if told == f"as {name}" or told == f"builtins.{name}":
            return
        while self.found.get(name, told) != told:
            name = f"{name} in {reader}"
        self.found[name] = told

    def type(self, name, cls):
        """A class of the user: what it inherits from, and all that its body holds."""
        if _of_c(cls):
            self.refuse(name, "compiled code that was not installed")
        inherited = [self.text(f"{name}, base {base.__name__}", base) for base in (*cls.__bases__, type(cls))]
        inside = []
        for key, value in vars(cls).items():
            if key not in _BOOKKEEPING and not inspect.ismemberdescriptor(value):
                inside.append(f"{key}: {self.text(f'{name}.{key}', value)}")
        for key, field in vars(cls).get("__dataclass_fields__", {}).items():
            if field.metadata:
                inside.append(f"{key}, its metadata: {self.text(f'{name}.{key}, its metadata', field.metadata)}")
        return f"class {cls.__qualname__} of {', '.join(inherited)}: {'; '.join(inside)}"

    def library(self, name, where):
        """What a library has under a name, which its version tells."""
        module, package = where.rpartition(".")[0], where.partition(".")[0]
        if (_OUTSIDE.fullmatch(where) or {module, package} & _OUTSIDE_MODULES) and where not in _PURE:
            self.refuse(name, f"{where}, which reads from outside of the program")
        self.found[f"package {package}"] = _installed.version_of(package)
        return where

    def modules(self):
        """Of modules that are handed on, whatever the code may ask them for by a name that it holds."""
        done = set()
        while asked := [
            (label, module, name)
            for label, module in self.passed.values()
            for name in sorted(self.asked(module))
            if (label, name) not in done
        ]:
            for label, module, name in asked:
                done.add((label, name))
                self.read(f"module {label}", f"{label}.{name}", vars(module)[name])

    def asked(self, module):
        if self.names & _DYNAMIC and not _installed.of_library(module.__name__):
            return {name for name in vars(module) if not name.startswith("__")}
        return self.names & vars(module).keys()

    # Everything else.

    def thing(self, name, thing):
        kind = type(thing)
        if isinstance(thing, _GENERATORS):
            self.refuse(name, "a random generator, which answers anew each time (give seeds= and take a key instead)")
        if hasattr(kind, "__next__"):
            self.refuse(name, f"a {kind.__name__}, which is used up")
        if isinstance(thing, pathlib.Path):
            self.refuse(name, "a path to a file (read it before the sweep, and use what it holds)")
        if isinstance(thing, pathlib.PurePath):
            return f"path {thing}"
        if isinstance(thing, staticmethod | classmethod):
            return f"{kind.__name__} {self.text(f'{name}.__func__', thing.__func__)}"
        if isinstance(thing, functools.cached_property):
            return f"cached {self.text(f'{name}.func', thing.func)}"
        if isinstance(thing, property):
            return f"property {self.text(name, (thing.fget, thing.fset, thing.fdel))}"
        if kind in (list, dict, set, bytearray, types.MappingProxyType, collections.deque, collections.OrderedDict):
            return self.items(name, dict(thing) if kind is types.MappingProxyType else thing)
        if kind is types.CodeType:
            return _bytecode.checksum(thing)
        if dataclasses.is_dataclass(kind) or not _installed.name_in_library(kind):
            return self.state(name, thing)
        if hasattr(thing, "__wrapped__"):  # by jax.jit, functools.cache
            return f"{kind.__name__} {self.text(f'{name}.__wrapped__', thing.__wrapped__)} {self.held(name, thing)}"
        if frame := _frame(thing):
            return f"{kind.__name__} {self.text(name, frame)}"
        return self.reduced(name, thing)

    def held(self, name, thing):
        own = getattr(thing, "__dict__", {})
        public = {key: value for key, value in own.items() if not key.startswith("_") and key not in _OF_CACHES}
        return ", ".join(f"{key}: {self.text(f'{name}.{key}', value)}" for key, value in public.items())

    def state(self, name, thing):
        """An object of a user's class: its class, its attributes and, where it is also a list or so, its items."""
        kind, parts = type(thing), []
        for cls in kind.__mro__:
            told = cls in (*_CONTAINERS, object, np.ndarray) or cls.__module__ in ("typing", "_typing")
            if _of_c(cls) and not told and not issubclass(cls, BaseException):
                self.refuse(name, f"a {kind.__name__}, whose class {cls.__name__} is not of Python")
            for key, slot in vars(cls).items():
                if inspect.ismemberdescriptor(slot) and (held := _held(slot, thing)) is not _ABSENT:
                    parts.append(f"{key}: {self.text(f'{name}.{key}', held)}")
        own = {}
        with contextlib.suppress(AttributeError):
            own = object.__getattribute__(thing, "__dict__")
        parts += [f"{key}: {self.text(f'{name}.{key}', value)}" for key, value in own.items()]
        if isinstance(thing, _CONTAINERS):
            parts.append(
                self.items(name, thing) if isinstance(thing, _SEVERAL) else _brief(_builtin(thing).__repr__(thing))
            )
        if isinstance(thing, BaseException):
            parts.append(self.text(f"{name}.args", thing.args))
        return _brief(f"object {self.text(kind.__qualname__, kind)} {{{', '.join(parts)}}}")

    def reduced(self, name, thing):
        """An object of a library, by what it would be rebuilt from."""
        try:
            known = copyreg.dispatch_table.get(type(thing))  # of how it is pickled
            parts = known(thing) if known else thing.__reduce_ex__(4)
        except Exception:
            self.refuse(name, f"a {type(thing).__name__}")
        if isinstance(parts, str):  # a name, and not what it stands for
            self.refuse(name, f"a {type(thing).__name__}")
        parts = [list(part) if hasattr(part, "__next__") else part for part in parts]
        self.seen[id(parts)] = name, parts
        kind = self.text(f"{name}.__class__", type(thing))
        return _brief(f"{kind} {', '.join(self.text(name, part) for part in parts)}")


class _Absent:
    """What is not there."""


_ABSENT = _Absent()
_SEVERAL = dict, list, tuple, set, frozenset, bytearray, collections.deque
_CONTAINERS = (*_SEVERAL, collections.OrderedDict, collections.defaultdict, bool, int, float, complex, str, bytes)
_OF_CACHES = {"cache_parameters", "cache_info", "cache_clear"}
_OF_C = types.MethodDescriptorType, types.WrapperDescriptorType
_BOOKKEEPING = set(
    """__dict__ __weakref__ __module__ __annotations__ __dataclass_fields__ __dataclass_params__ __qualname__
    __firstlineno__ __static_attributes__ __orig_bases__ __parameters__ __abstractmethods__ _abc_impl __slots__
    __annotate__ __annotate_func__ __annotations_cache__ __classdictcell__ __doc__""".split()
)


def _of_c(cls):
    """Whether a class is written in C, and its objects may hold what Python does not see."""
    return any(isinstance(value, _OF_C) and value.__objclass__ is cls for value in vars(cls).values())


def _builtin(thing):
    return next(kind for kind in _CONTAINERS if isinstance(thing, kind))


def _iterated(thing):
    return _builtin(thing).__iter__(thing)


def _plain(value):
    return type(value) in _LEAVES or (type(value) is tuple and all(map(_plain, value)))


def _label(key):
    return repr(key) if type(key) in _LEAVES else "…"


def _full(cell):
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _held(slot, thing):
    try:
        return slot.__get__(thing)
    except AttributeError:  # nothing, whatever a class below may have by that name
        return _ABSENT


def _imported(name, function):
    try:
        return importlib.import_module(name, function.__globals__.get("__package__"))
    except Exception:  # of a module that may fail in any way; the function will meet it too
        return _ABSENT


def _brief(text):
    return text if len(text) <= 400 else f"{text[:60]}… ({_bytecode.digest(text.encode('utf-8', 'surrogatepass'))})"


def _frame(thing):
    """What a table of pandas or xarray holds, without what they remember of its use."""
    if not type(thing).__module__.startswith(("pandas.", "xarray.")):  # others derive from these, and hold more
        return None
    pandas, xarray = sys.modules.get("pandas"), sys.modules.get("xarray")
    if pandas and isinstance(thing, pandas.DataFrame):
        return thing.columns, thing.index, *(thing.iloc[:, i] for i in range(thing.shape[1])), thing.attrs
    if pandas and isinstance(thing, pandas.MultiIndex):
        return thing.names, thing.to_numpy()
    if pandas and isinstance(thing, pandas.Series):
        return thing.name, thing.index, thing.dtype, thing.to_numpy(), thing.attrs
    if pandas and isinstance(thing, pandas.Index):
        return thing.name, thing.dtype, thing.to_numpy(), getattr(thing, "freqstr", None)
    if xarray and isinstance(thing, xarray.Variable):
        return thing.dims, thing.values, thing.attrs
    if xarray and isinstance(thing, xarray.Dataset):
        return {str(key): variable for key, variable in thing.variables.items()}, sorted(thing.coords), thing.attrs
    if xarray and isinstance(thing, xarray.DataArray):
        return thing.name, thing.variable, {str(key): thing.coords[key].variable for key in thing.coords}
    return None
