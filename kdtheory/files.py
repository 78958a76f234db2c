"""Files of results: records, trajectories and checks, to the last bit.

They are numpy's `.npz`, with the arrays under the names of the fields that hold them, so that others can read
them with `numpy.load`. Loading runs no code from the file, unlike unpickling.
"""

import dataclasses
import importlib
import io
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import _folder, claims


def save(path, result):
    """Write a record, a trajectory, a check, or a tuple, list or dict of them; all of it or, if killed, nothing.

    `path` is taken as it is; `.npz` is the usual ending. Raises TypeError for what holds a function that cannot be
    found again by its name, such as a lambda, or an object of another library.

    >>> import kdtheory as kd, pathlib, tempfile
    >>> run = kd.closed_form(kd.GradientFlow([1.0, 2.0]), [1.0, 0.1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kd.save(pathlib.Path(folder) / "run.npz", run)
    ...     kd.load(pathlib.Path(folder) / "run.npz"), np.load(pathlib.Path(folder) / "run.npz")["clock"].tolist()
    (<Trajectory: 2 moments, 2 directions>, [1.0, 2.0])
    """
    arrays: dict[str, np.ndarray] = {}
    structure = json.dumps(_described(result, "", arrays))
    body = io.BytesIO()
    np.savez(body, **arrays, __structure__=np.array(structure))
    _folder.write_atomically(Path(path), body.getvalue())


def load(path):
    """What `save` wrote, to the last bit; arrays of JAX come back as such.

    Raises ValueError for a file that `save` did not write, and for a check of a claim that is not known here.
    """
    with np.load(path, allow_pickle=False) as file:
        if "__structure__" not in file:
            raise ValueError(f"{path} was not written by kdtheory.save; read it with numpy.load")
        return _made(json.loads(file["__structure__"].item()), file)


def _described(value, name, arrays):
    """A value as JSON, its arrays put aside under the names of their places."""
    place = name or "value"
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        arrays[place] = np.asarray(jax.random.key_data(value))
        return {"key": place}
    if isinstance(value, np.ndarray | np.generic | jax.Array) and np.asarray(value).dtype.kind != "O":
        arrays[place] = np.asarray(value)
        return {"jax" if isinstance(value, jax.Array) else "numpy": place}
    if isinstance(value, claims.Claim):
        return {"claim": value.name}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_described(v, _inside(name, i), arrays) for i, v in enumerate(value)]}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {"dict": {key: _described(v, _inside(name, key), arrays) for key, v in value.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            "record": _address(type(value)),
            "fields": {key: _described(v, _inside(name, key), arrays) for key, v in fields.items()},
        }
    if callable(value) and _found(_address(value)) is value:
        return {"name": _address(value)}
    raise TypeError(
        f"{name or 'the result'} is {value!r}, which cannot be found again by its name; save its numbers, or define it"
        " in a module"
    )


def _made(written, arrays):
    if not isinstance(written, dict):
        return written
    kind, *_ = written
    inside = written[kind]
    match kind:
        case "key":
            return jax.random.wrap_key_data(jnp.asarray(arrays[inside]))
        case "jax":
            return jnp.asarray(arrays[inside])
        case "numpy":
            return arrays[inside][()]  # a scalar as such
        case "claim":
            return claims.listed(inside)
        case "tuple" | "list":
            return {"tuple": tuple, "list": list}[kind](_made(item, arrays) for item in inside)
        case "dict":
            return {key: _made(item, arrays) for key, item in inside.items()}
        case "record":
            cls = _found(inside)
            if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
                raise ValueError(f"the file holds a record {inside}, which is not known here; import its module first")
            return cls(**{key: _made(item, arrays) for key, item in written["fields"].items()})
        case "name":
            return _found(inside)


def _inside(name, key):
    return f"{name}.{key}" if name else str(key)


def _address(thing):
    return f"{getattr(thing, '__module__', None)}:{getattr(thing, '__qualname__', None)}"


def _found(address):
    module, _, path = address.partition(":")
    try:
        thing = importlib.import_module(module)
        for name in path.split("."):
            thing = getattr(thing, name)
    except (ImportError, AttributeError):
        return None
    return thing
