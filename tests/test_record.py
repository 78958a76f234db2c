"""Records: frozen, mapped by JAX, and never mistaken for one another."""

import copy
import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory._record import record, static


@record
class Plus:
    x: jax.Array
    y: jax.Array

    def value(self):
        return self.x + self.y


@record
class Times:
    x: jax.Array
    y: jax.Array

    def value(self):
        return self.x * self.y


@record
class Power:
    base: jax.Array
    exponent: int = static()


def test_two_classes_never_have_equal_structures():
    records = [
        Plus(2.0, 3.0),
        Times(2.0, 3.0),
        kd.Ridge(2.0),
        kd.GradientFlow(2.0),
        kd.GradientDescent(2.0, 3.0),
        kd.HeavyBall(0.1, 2.0, 3.0),
        kd.Nesterov(0.1, 2.0, 3.0),
        kd.switch(kd.Ridge(1.0), kd.Ridge(2.0)),
    ]
    structures = [jax.tree.structure(r) for r in records]
    for i, first in enumerate(structures):
        assert [first == other for other in structures] == [i == j for j in range(len(structures))]
    value = jax.jit(lambda r: r.value())
    assert [value(r) for r in (Plus(2.0, 3.0), Times(2.0, 3.0), Plus(2.0, 3.0))] == [5.0, 6.0, 5.0]


def test_register_dataclass_still_confuses_classes():
    """A canary: the reason for `record`."""

    def register(name):
        made = dataclasses.make_dataclass(name, ["x"], frozen=True, eq=False)
        return jax.tree_util.register_dataclass(made)

    first, second = register("First"), register("Second")
    equal = jax.tree.structure(first(1.0)) == jax.tree.structure(second(1.0))
    assert equal, (
        "jax.tree_util.register_dataclass no longer makes equal structures of two different classes (it did with"
        " jaxlib 0.10.2): `kdtheory._record.record` may be replaced by it once older releases are dropped"
    )


def test_frozen_and_compared_by_identity():
    one, other = Plus(1.0, 2.0), Plus(1.0, 2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.x = 3.0
    assert one == one and one != other and len({one, other}) == 2  # no array is ever compared
    changed = dataclasses.replace(one, y=5.0)
    assert (type(changed), changed.x, changed.y, one.y) == (Plus, 1.0, 5.0, 2.0)
    for twin in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (type(twin), twin.x, twin.y) == (Plus, 1.0, 2.0)


def test_leaves_are_named_and_in_the_order_of_the_fields():
    leaves, structure = jax.tree_util.tree_flatten_with_path(Times(1.0, 2.0))
    assert [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves] == [(".x", 1.0), (".y", 2.0)]
    back = jax.tree.unflatten(structure, [7.0, None])
    assert (type(back), back.x, back.y) == (Times, 7.0, None)  # nothing is validated on the way
    assert jax.tree.leaves(Plus(None, 2.0)) == [2.0]  # None is structure, as everywhere in JAX


def test_a_static_field_is_structure():
    square, cube = Power(3.0, 2), Power(3.0, 3)
    assert jax.tree.leaves(square) == [3.0]
    assert jax.tree.structure(square) == jax.tree.structure(Power(5.0, 2)) != jax.tree.structure(cube)

    @jax.jit
    def value(power):
        return power.base ** int(power.exponent)  # would fail on a tracer

    assert [value(square), value(cube), value(dataclasses.replace(square, exponent=4))] == [9.0, 27.0, 81.0]
    assert dataclasses.replace(cube, base=2.0).exponent == 3
    with pytest.raises(TypeError):
        Power(3.0)  # a static field has no default


def test_vmap_and_grad_reach_the_fields():
    xs = jnp.array([1.0, 2.0, 3.0])
    assert jax.vmap(Times.value, in_axes=(Times(0, None),))(Times(xs, 10.0)).tolist() == [10.0, 20.0, 30.0]
    assert jax.vmap(lambda x: Times(x, 10.0))(xs).x.tolist() == xs.tolist()  # and come out again
    slope = jax.grad(Times.value)(Times(2.0, 5.0))
    assert (type(slope), slope.x, slope.y) == (Times, 5.0, 2.0)
    stacked = jax.tree.map(lambda *x: np.stack(x), Plus(1.0, 2.0), Plus(3.0, 4.0))
    assert stacked.value().tolist() == [3.0, 7.0]
    looped = jax.lax.fori_loop(0, 5, lambda _, r: dataclasses.replace(r, x=r.value()), Plus(1.0, 2.0))
    assert looped.value() == 13.0
