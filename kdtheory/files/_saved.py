"""Files of results: records, trajectories and checks, to the last bit.

They are numpy's `.npz`, with the arrays under the names of the fields that hold them, so that others can read
them with `numpy.load`. Loading runs no code from the file and imports nothing that it names: a file can name
only what this session knows already.
"""

import dataclasses
import functools
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._record import KNOWN, LISTED, address
from kdtheory.files import _folders

# what a `Filter`, or the features of a kernel, may apply: no more of JAX and NumPy, some of which reads files
_ELEMENTWISE = """abs absolute arccos arccosh arcsin arcsinh arctan arctanh ceil cos cosh exp exp2 expm1 floor log
log10 log1p log2 maximum minimum negative positive reciprocal sign sin sinh sqrt square tan tanh""".split()
_ACTIVATIONS = """celu elu gelu identity leaky_relu log_sigmoid relu relu6 selu sigmoid silu soft_sign softplus
squareplus swish tanh""".split()

# nor what of the library reads or writes files: a kernel in a file is called with the inputs that stand beside it
_HARMLESS = r"kdtheory\.(?!files|sweeps|datasets)"

_Named = TypeVar("_Named", bound=Callable)


def register(thing: _Named) -> _Named:
    """Let `load` give back a function, or a dataclass that is no record, by its name; a decorator.

    Records made with `kd.record` are known without it, as are the functions of the library and the elementwise
    ones of JAX and NumPy. `save` registers what it writes, so that only a session that has not saved a function
    needs this. Raises TypeError for what has no name in a module, such as a lambda.

    >>> import kdtheory as kd
    >>> @kd.files.register
    ... def cut(eigenvalues):
    ...     return eigenvalues > 0.5
    """
    if not callable(thing) or "<" in address(thing) or "None" in address(thing).split(":"):
        raise TypeError(f"{thing!r} has no name in a module; define it there with def or class")
    KNOWN[address(thing)] = thing
    return thing


def save(path: str | os.PathLike[str], result: Any) -> None:
    """Write a record, a trajectory, a check, a table of a sweep, or a tuple, named or not, list or dict of them; all of
    it or, if killed, nothing.

    A record or a named tuple is its fields: `load` puts those back, and calls no constructor. `path` is taken as it is;
    `.npz` is the usual ending. A link stays a link, and a file that is there keeps its
    mode. Dicts need strings for keys.

    Raises TypeError for what `load` could not give back: a function that cannot be found again by its name, such
    as a lambda; an object of another library; an array that is masked, or of a dtype that numpy's files lack, such
    as bfloat16. Raises the system's own OSError where the file cannot be written, and then leaves nothing behind.

    >>> import kdtheory as kd, pathlib, tempfile
    >>> run = kd.closed_form(kd.GradientFlow([1.0, 2.0]), [1.0, 0.1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kd.save(pathlib.Path(folder) / "run.npz", run)
    ...     kd.load(pathlib.Path(folder) / "run.npz"), np.load(pathlib.Path(folder) / "run.npz")["clock"].tolist()
    (<Trajectory: 2 moments, 2 directions>, [1.0, 2.0])
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        structure = json.dumps(_described(result, "", arrays))
    except RecursionError:
        raise TypeError("the result contains itself, or is nested too deeply; save its parts") from None
    _folders.write_atomically(Path(path), _folders.archive({**arrays, _STRUCTURE: np.array(structure)}))


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote, to the last bit; arrays of JAX come back as such.

    Only records and functions that this session knows are made, by their names: the library's own, those of
    classes made with `kd.record`, and what `files.register` or `save` has seen. Nothing is imported.

    Raises ValueError for a file that `save` did not write, saying what it is, for one that is damaged, and for a
    record, a function or a claim that is not known here, naming it. Raises the system's own OSError, such as
    FileNotFoundError, for a file that cannot be opened.

    >>> import kdtheory as kd, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kd.save(pathlib.Path(folder) / "learner.npz", {"student": kd.Ridge(0.1)})
    ...     kd.load(pathlib.Path(folder) / "learner.npz")
    {'student': Ridge(penalty=0.1)}
    """
    with open(os.fspath(path), "rb") as file:  # of a number it would read and close what has that number
        try:
            arrays = _folders.arrays_of(file)
        except _folders.Unreadable as problem:
            raise ValueError(f"{path} {problem}") from None
    structure = arrays.pop(_STRUCTURE, np.zeros(0))
    if structure.shape or structure.dtype.kind != "U":
        raise ValueError(f"{path} was not written by kdtheory.save; read it with numpy.load")
    try:
        return _made(_parsed(structure.item()), arrays)
    except _Unknown as problem:
        raise ValueError(f"{path} {problem}") from None
    except (KeyError, RecursionError):
        raise ValueError(f"{path} {_CHANGED}") from None


_STRUCTURE = "__structure__"
_BITS = 2000  # of a whole number in decimals, of which Python may be told to write as few as 640 digits
_CHANGED = "has been changed since kdtheory.save wrote it, or is of another version"


class _Unknown(ValueError):
    """What a file asks for and cannot have here, in words that follow the name of the file."""


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        raise _Unknown(_CHANGED) from None


def _described(value, name, arrays):
    """A value as JSON, its arrays put aside under the names of their places."""
    if type(value) is int and value.bit_length() > _BITS:
        raise TypeError(f"{name or 'the result'} is a whole number of {value.bit_length()} bits; save it as a text")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _put_aside(value, name, arrays)
    for kind, (listed, find) in LISTED.items():
        if isinstance(value, listed):
            if find(value.name) is not value:
                raise TypeError(
                    f"{name or 'the result'} is of a {kind} {value.name}, which has been defined anew since"
                )
            return {kind: value.name}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_described(v, _inside(name, i), arrays) for i, v in enumerate(value)]}
    if type(value) is dict:
        if odd := [key for key in value if type(key) is not str]:
            raise TypeError(f"{name or 'the result'} is a dict with the key {odd[0]!r}; its keys must be strings")
        return {"dict": {key: _described(v, _inside(name, key), arrays) for key, v in value.items()}}
    if (table := sys.modules.get("xarray")) and type(value) in (table.Dataset, table.DataArray):
        return _table(value, name, arrays)
    if not isinstance(value, type) and (names := _fields(type(value))):
        fields = {field: getattr(value, field) for field in names}
        return {
            "record": _named(type(value), name),
            "fields": {key: _described(v, _inside(name, key), arrays) for key, v in fields.items()},
        }
    return {"name": _named(value, name)}


def _fields(cls):
    """The names of the fields of a dataclass or of a named tuple; None of another class."""
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return getattr(cls, "_fields", None) if isinstance(cls, type) and issubclass(cls, tuple) else None


def _table(value, name, arrays):
    """A table of xarray, or one column of it, as JSON."""
    parts = [("coordinates", value.coords)]
    parts += [("variables", value.data_vars)] if hasattr(value, "data_vars") else [("column", {value.name: value})]
    told: dict = {"attributes": _described(dict(value.attrs), _inside(name, "attributes"), arrays)}
    for kind, entries in parts:
        told[kind] = []
        for label, one in entries.items():
            if not all(isinstance(each, str) for each in (*one.dims, *([label] if kind != "column" else []))):
                raise TypeError(f"{name or 'the result'} is a table with the label {label!r}; labels must be strings")
            attributes = {} if kind == "column" else dict(one.attrs)
            inside = _inside(name, label or "value")
            told[kind].append(
                [label, list(one.dims), _put_aside(one.values, inside, arrays), _described(attributes, inside, arrays)]
            )
    return {"table": told}


def _inside(name, key):
    return f"{name}.{key}" if name else str(key)


def _put_aside(value, name, arrays):
    dtype, whose = value.dtype, name or "the result"
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return {
            "key": _place(np.asarray(jax.random.key_data(value)), name, arrays),
            "of": str(jax.random.key_impl(value)),
        }
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{whose} is a masked array; save its .data and its .mask, or .filled() with a value")
    if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
        raise TypeError(f"{whose} is a {type(value).__name__}, which would come back plain; save numpy.asarray of it")
    if dtype.hasobject or not dtype.itemsize or not _in_files(dtype):
        raise TypeError(
            f"{whose} has dtype {dtype}, which numpy's files cannot hold; save it as another, such as float32"
        )
    kind = "jax" if isinstance(value, jax.Array) else "array" if isinstance(value, np.ndarray) else "numpy"
    return {kind: _place(np.asarray(value), name, arrays)}


def _in_files(dtype):
    """Whether numpy's header for a dtype gives it back: that of bfloat16 says two bytes without meaning."""
    return dtype.kind in "biufcSUmMV" and np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype


def _place(array, name, arrays):
    """Put an array aside under a name for readers; which one it is, the structure says."""
    name = re.sub(r"[^\w. -]", "_", name)[:100] or "value"
    if name in {*arrays, _STRUCTURE}:
        name = f"{name}~{len(arrays)}"
    arrays[name] = array
    return name


def _named(thing, name):
    """The name by which `load` will know a function or a class."""
    if (known := _library(thing)) is not None:
        return known
    if KNOWN.get(address(thing)) is not thing:
        if not callable(thing) or _at(address(thing)) is not thing:
            raise TypeError(
                f"{name or 'the result'} is {thing!r}, which cannot be found again by its name; save its numbers, or"
                " define it in a module"
            )
        register(thing)
    return address(thing)


def _made(written, arrays):
    match written:
        case None | bool() | int() | float() | str():
            return written
        case {"key": str(place), **rest}:
            return _key(arrays.pop(place), str(rest.get("of", "threefry2x32")))
        case {"jax": str(place)}:
            return _on_device(arrays.pop(place))
        case {"array": str(place)}:
            return arrays.pop(place)
        case {"numpy": str(place)}:
            return arrays.pop(place)[()]  # a scalar as such
        case {**one} if len(one) == 1 and (kind := next(iter(one))) in LISTED and isinstance(one[kind], str):
            return LISTED[kind][1](one[kind])
        case {"tuple": list(inside)}:
            return tuple(_made(item, arrays) for item in inside)
        case {"list": list(inside)}:
            return [_made(item, arrays) for item in inside]
        case {"dict": dict(inside)}:
            return {key: _made(item, arrays) for key, item in inside.items()}
        case {"record": str(name), "fields": dict(fields)}:
            return _record(name, {key: _made(item, arrays) for key, item in fields.items()})
        case {"name": str(name)}:
            return _function(name)
        case {"table": dict(told)}:
            return _table_of(told, arrays)
    raise _Unknown(_CHANGED)


def _table_of(told, arrays):
    if (xarray := sys.modules.get("xarray")) is None:  # nothing is imported for the sake of a file
        raise _Unknown("holds a table of xarray; import xarray first, of the extra kdtheory[sweep]")
    try:
        made = {
            kind: [
                (label, list(dims), _made(array, arrays), _made(about, arrays)) for label, dims, array, about in rows
            ]
            for kind, rows in told.items()
            if kind in ("coordinates", "variables", "column")
        }
        coordinates = {label: xarray.Variable(*one) for label, *one in made.pop("coordinates")}
        attributes = _made(told["attributes"], arrays)
        if "column" in made:
            [(label, dims, array, _)] = made["column"]
            return xarray.DataArray(array, coordinates, dims, label, attributes)
        variables = {label: xarray.Variable(*one) for label, *one in made["variables"]}
        return xarray.Dataset(variables, coordinates, attributes)
    except (TypeError, AttributeError, ValueError, KeyError):
        raise _Unknown(_CHANGED) from None


def _on_device(array):
    made = jnp.asarray(array) if array.dtype.kind in "biufc" else None
    if made is None or made.dtype != array.dtype:
        raise _Unknown(f"holds an array of JAX of dtype {array.dtype}, which JAX lacks here; is JAX_ENABLE_X64 off?")
    return made


def _key(data, kind):
    words = {"threefry2x32": 2, "rbg": 4, "unsafe_rbg": 4}
    if kind not in words or data.dtype != np.uint32 or data.shape[-1:] != (words[kind],):
        raise _Unknown(f"holds a key of kind {kind!r}, shape {data.shape}, which JAX does not make here")
    return jax.random.wrap_key_data(jnp.asarray(data), impl=kind)


def _record(name, fields):
    cls = KNOWN.get(name, _by_name().get(name))
    if not (isinstance(cls, type) and _fields(cls)) or _vanished(name):
        raise _Unknown(f"holds a record {name}, which is not known here; import its module first")
    if dataclasses.is_dataclass(cls):
        given = {field.name: field.default for field in dataclasses.fields(cls)}
        factories = {field.name: field.default_factory for field in dataclasses.fields(cls)}
        defaults = {key: value for key, value in given.items() if value is not dataclasses.MISSING}
        defaults |= {key: made() for key, made in factories.items() if made is not dataclasses.MISSING}
    else:
        given, defaults = dict.fromkeys(cls._fields), cls._field_defaults
    if not given.keys() - defaults.keys() <= fields.keys() <= given.keys():
        raise _Unknown(f"holds a record {name} of {', '.join(fields)}; here it is of {', '.join(given)}")
    fields = {key: (defaults | fields)[key] for key in given}
    if issubclass(cls, tuple):
        return tuple.__new__(cls, fields.values())
    made = object.__new__(cls)  # not by its constructor, which would do again what it has done to them
    for key, value in fields.items():
        object.__setattr__(made, key, value)
    return made


def _function(name):
    found = _by_name().get(name, KNOWN.get(name))
    if found is None or _vanished(name):
        raise _Unknown(
            f"holds the function {name}, which this session does not know; import it from its module, and register it"
            " with kdtheory.files.register"
        )
    return found


def _vanished(name):
    """Whether what was registered is no longer in its module; what was made in a function never was."""
    thing = KNOWN.get(name)
    private = f"{getattr(thing, '__module__', None)}:{getattr(thing, '__qualname__', None)}"
    return "<locals>" not in name and _at(name) is None and _at(private) is None


def _at(name):
    """What stands under the name of something registered, in the modules that are imported already."""
    module, _, path = name.partition(":")
    thing = sys.modules.get(module)
    for part in path.split("."):
        thing = getattr(thing, part, None)
    return thing


def _library(thing):
    """The name of a function of the library, or an elementwise one of JAX or NumPy."""
    return next((name for name, known in _by_name().items() if known is thing), None)


@functools.cache
def _by_name():
    found = {}
    for module in [module for name, module in sys.modules.items() if re.match(_HARMLESS, name)]:
        for name, thing in vars(module).items():
            named = not isinstance(thing, type) or issubclass(thing, tuple)  # other classes of the library are records
            public = callable(thing) and named and not name.startswith("_")
            if public and address(thing) == f"{module.__name__}:{name}":
                found[address(thing)] = thing
    for module, names in (jnp, _ELEMENTWISE), (np, _ELEMENTWISE), (jax.nn, _ACTIVATIONS):
        for name in names:
            if function := getattr(module, name, None):  # by where it is defined, too, which earlier files have
                found |= {f"{module.__name__}:{name}": function, address(function): function}
    return found
