"""Records: frozen dataclasses that JAX can map over."""

import dataclasses

import jax


def record(cls):
    """Make a class a frozen dataclass, registered as a pytree whose leaves are its fields.

    Equality is identity, since comparing arrays has no single answer. Nothing is validated here: JAX
    rebuilds records around tracers, `None` and ints. A field made with `static()` is part of the structure.
    """
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True, eq=False)(cls))


def static(**options):
    """A field that is not an array: JAX compiles anew when it changes."""
    return dataclasses.field(metadata={"static": True}, **options)
