"""Records: frozen dataclasses that JAX can map over."""

import dataclasses

import jax


def record(cls):
    """Make a class a frozen dataclass, registered as a pytree whose leaves are its fields.

    Equality is identity, since comparing arrays has no single answer. Nothing is validated here: JAX
    rebuilds records around tracers, `None` and ints. A field made with `static()` is part of the structure.

    `jax.tree_util.register_dataclass` would be shorter, but with jax 0.10.2 the structures it makes for two
    different classes with as many fields compare equal, and `jit` may then run the program compiled for the
    other class. `tests/test_record.py` watches this.
    """
    cls = dataclasses.dataclass(frozen=True, eq=False)(cls)
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
    return cls


def static():
    """A field that is not an array: JAX compiles anew when it changes."""
    return dataclasses.field(metadata={"static": True})
