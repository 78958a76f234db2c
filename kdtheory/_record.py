"""Records: frozen dataclasses that JAX can map over."""

import dataclasses
import html
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

_Class = TypeVar("_Class")

KNOWN: dict[str, object] = {}  # what files may name and `load` gives back: classes and functions of this session


# kind -> (its class, what finds one by its `name`): what files name and a table of this session holds
LISTED: dict[str, tuple[type, Callable]] = {}


def static() -> Any:
    """A field that is not an array: JAX compiles anew when it changes."""
    return dataclasses.field(metadata={"static": True})


def moments(count: int) -> tuple[str, ...]:
    """Names for the axes of a path, in tables."""
    return ("moment",) if count == 1 else tuple(f"moment_{i}" for i in range(count))


def of_path(self: Any) -> dict[str, tuple[str, ...]]:
    """The names of axes in tables, of a record all of whose fields have those of a path: for its method `axes`."""
    return {field.name: moments(np.ndim(getattr(self, field.name))) for field in dataclasses.fields(self)}


def address(thing: Any) -> str:
    """The name of a class or function, by which files know it: of the module that it is imported from."""
    module = ".".join(part for part in str(getattr(thing, "__module__", None)).split(".") if part[0] != "_")
    return f"{module or thing.__module__}:{getattr(thing, '__qualname__', None)}"


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static, dataclasses.field))
def record(cls: type[_Class]) -> type[_Class]:
    """Make a class a frozen dataclass, registered as a pytree whose leaves are its fields.

    Equality is identity, since comparing arrays has no single answer. Nothing is validated here: JAX
    rebuilds records around tracers, `None` and ints. A field made with `static()` is part of the structure. `load`
    gives back records of every class that was made so in this session.

    `jax.tree_util.register_dataclass` would be shorter, but with jax 0.10.2 the structures it makes for two
    different classes with as many fields compare equal, and `jit` may then run the program compiled for the
    other class. `tests/test_record.py` watches this.
    """
    cls = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    if "__repr__" not in vars(cls):
        cls.__repr__ = _one_line
    cls._repr_html_ = _table
    fields = dataclasses.fields(cls)
    leaves = [f.name for f in fields if not f.metadata.get("static")]
    fixed = [f.name for f in fields if f.metadata.get("static")]

    def flatten_with_keys(self):
        children = [(jax.tree_util.GetAttrKey(name), getattr(self, name)) for name in leaves]
        return children, tuple(getattr(self, name) for name in fixed)

    def flatten(self):
        return [getattr(self, name) for name in leaves], tuple(getattr(self, name) for name in fixed)

    def unflatten(structure, children):
        self = object.__new__(cls)
        for name, value in zip(leaves + fixed, [*children, *structure], strict=True):
            object.__setattr__(self, name, value)
        return self

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    KNOWN[address(cls)] = cls
    return cls


# How records look: arrays by their shape, in a line or, in a notebook, as a table.


def _one_line(self):
    fields = ", ".join(f"{field.name}={_short(getattr(self, field.name))}" for field in dataclasses.fields(self))
    return f"{type(self).__name__}({fields})"


def _table(self):
    rows = "".join(
        f"<tr><th style='text-align:left'>{field.name}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
        for field in dataclasses.fields(self)
        for text in [_short(getattr(self, field.name))]
    )
    return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"


def _short(value):
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer):
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return f"key {jax.random.key_data(value).tolist()}"
        if value.ndim > 1 or value.size > 4:
            ends = "" if value.ndim > 1 else f", {value[0]:.6g} … {value[-1]:.6g}" if value.dtype.kind in "iuf" else ""
            return f"<{value.shape} {value.dtype}{ends}>"
        return str(value.tolist())
    return getattr(value, "__qualname__", None) or repr(value)
