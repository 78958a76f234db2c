"""What is done in NumPy, or compiled quickly, against JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kdtheory import _compilation

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(2, 5, 4))
X[0, 0], Y[1, 1] = np.inf, np.nan

FUNCTIONS = {
    "arithmetic": lambda x, y: (x + y, x - y, x * y, x / y, -x, x**3, x**2, jnp.abs(x), jnp.sign(y)),
    "functions": lambda x, y: (jnp.exp(x), jnp.log(x), jnp.expm1(x), jnp.log1p(x), jnp.sqrt(x), jnp.sin(y), jnp.cos(y)),
    "more functions": lambda x, y: (jnp.tanh(x), jnp.power(jnp.abs(x), y), jnp.square(x), jax.nn.sigmoid(x)),
    "comparisons": lambda x, y: (x < y, x <= y, x > y, x >= y, x == y, x != y, (x < y) & (x > 0), (x < y) | ~(x > 0)),
    "choices": lambda x, y: (jnp.where(x < y, x, y), jnp.maximum(x, y), jnp.minimum(x, y), jnp.clip(x, -0.5, 0.5)),
    "many choices": lambda x, y: jnp.select([x < -1, x < 0, x < 1], [x, y, x + y], 0.0),
    "rounding": lambda x, y: (jnp.floor(x), jnp.ceil(x), jnp.rint(x), jnp.round(2.5 * y), lax.round(x)),
    "kinds": lambda x, y: ((10 * x).astype(int), (x > 0).astype(float), jnp.isfinite(x), jnp.arange(4) + x),
    "whole numbers": lambda x, y: (jnp.arange(9) // 4, jnp.arange(9) % 4, -jnp.arange(5) // 2, jnp.arange(4) << 2),
    "shapes": lambda x, y: (x.T, x.reshape(4, 5), x[1:4:2], x[::-1], x[None], x[:, 2], jnp.broadcast_to(x[0], (3, 4))),
    "joins": lambda x, y: (jnp.concatenate([x, y]), jnp.stack([x, y], axis=1), jnp.hstack([x, y]), jnp.tile(x, 2)),
    "sums": lambda x, y: (x.sum(0), x.max(1), y.min(), x.prod(0), (x > 0).all(0), (x > 0).any(1), jnp.mean(x[1:])),
    "products": lambda x, y: (x[1:] @ y[2:].T[:, :3], jnp.vdot(x[2], y[2]), jnp.einsum("ij,ik->jk", x[2:], y[2:])),
    "gathers": lambda x, y: (x[jnp.array([3, 1])], jnp.sort(x[1:], axis=0), jnp.argmax(x[1]), jnp.cumsum(x, axis=1)),
    "bits": lambda x, y: (jnp.frexp(x[1:])[0], lax.bitcast_convert_type(x, int), jnp.nextafter(x, 9.0)),
    "loops": lambda x, y: (
        lax.map(lambda row: row * y[2] + jnp.exp(row), x),
        lax.scan(lambda total, row: (total + row, total), y[0], x),
        lax.fori_loop(0, 9, lambda i, v: v / 2 + i, x),
        lax.cond(x[1, 1] < 0, jnp.sin, jnp.cos, y),
    ),
    "slopes": lambda x, y: (
        jax.grad(lambda x: jnp.sum(jnp.log1p(jnp.exp(x[1:]))))(x),
        jax.vmap(jax.jacfwd(lambda v: v**2 * y[2]))(x[1:]),
    ),
    "calls": lambda x, y: (jax.jit(jnp.add)(x, y), jax.checkpoint(jnp.sin)(x), jax.nn.logsumexp(x[1:], axis=0)),
}


def alike(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=4e-15, atol=1e-15)


@pytest.mark.parametrize("large", [1, _compilation.LARGE, np.inf])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_does_what_jax_does(name, large):
    function = FUNCTIONS[name]
    got = _compilation.evaluated(function, X, Y, large=large)(X, Y)
    wanted = jax.jit(function)(X, Y)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    alike(got, wanted)


def test_arguments_and_results_are_trees():
    function = lambda pair, z: {"sum": pair["x"] + z, "two": (pair["y"], 1.0 * z)}
    given = {"x": X, "y": Y}
    alike(_compilation.evaluated(function, given, 2.0)(given, 2.0), jax.jit(function)(given, 2.0))


def steep(x, y):
    return jnp.where(x > 0, x, 0.0) ** 2 * lax.map(lambda shift: jnp.sum(y + shift), jnp.arange(3.0)).sum()


def hypotenuse(x, y):
    return jnp.sqrt(x**2 + y**2)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 4), (0,), (2, 0), (4097,)])
def test_elementwise_of_any_shape(shape):
    x, y = (jnp.asarray(RANDOM.normal(size=shape)) for _ in range(2))
    got = _compilation.elementwise(hypotenuse, x, y)
    assert isinstance(got, jax.Array)
    alike(got, jnp.hypot(x, y))
    alike(jax.jit(lambda *given: _compilation.elementwise(hypotenuse, *given))(x, y), jnp.hypot(x, y))


def test_another_shape_traces_nothing(monkeypatch):
    _compilation.elementwise(hypotenuse, *jnp.ones((2, 7)))
    monkeypatch.setattr(_compilation, "evaluated", None)
    for shape in (5, 6, 8, (2, 3)):
        shape = shape if isinstance(shape, tuple) else (shape,)
        assert _compilation.elementwise(hypotenuse, *jnp.ones((2, *shape))).shape == shape


def test_quick_programs_say_the_same():
    compiled = jax.jit(steep)
    alike(_compilation.quickly(compiled, X[1:], Y[2:]), compiled(X[1:], Y[2:]))
    total = lambda run: jax.grad(lambda x: jnp.sum(run(x, Y[2:])))(X[1:])
    alike(total(lambda *given: _compilation.quickly(compiled, *given)), total(steep))
