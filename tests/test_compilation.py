"""What is done in NumPy, or compiled quickly, against JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import kdtheory as kd
from kdtheory import _compilation, trajectories
from kdtheory._checks import as_array
from kdtheory.learners import _solvers

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
    "conversions": lambda x, y: [
        (x * size).astype(kind)
        for size in (1.0, 130.0, 1e9, 1e19, 1e300)
        for kind in (jnp.int8, jnp.uint8, jnp.int32, jnp.uint32, jnp.int64, jnp.uint64, jnp.float32)
    ],
    "whole numbers": lambda x, y: (jnp.arange(9) // 4, jnp.arange(9) % 4, -jnp.arange(5) // 2, jnp.arange(4) << 2),
    "narrow numbers": lambda x, y: (
        jnp.power(jnp.float32([2.0, 3.0]) * (x[1, 1] == x[1, 1]), jnp.arange(2, 4)),
        lax.reduce_sum(jnp.int32([2**30, 2**30]) * (y < 9)[2, 0], (0,)),  # which wraps
        lax.reduce_prod(jnp.int8([100, 3]) * (y < 9)[2, 0], (0,)),
    ),
    "shapes": lambda x, y: (x.T, x.reshape(4, 5), x[1:4:2], x[::-1], x[None], x[:, 2], jnp.broadcast_to(x[0], (3, 4))),
    "joins": lambda x, y: (jnp.concatenate([x, y]), jnp.stack([x, y], axis=1), jnp.hstack([x, y]), jnp.tile(x, 2)),
    "sums": lambda x, y: (x.sum(0), x.max(1), y.min(), x.prod(0), (x > 0).all(0), (x > 0).any(1), jnp.mean(x[1:])),
    "wide products": lambda x, y: (
        jnp.dot((100 + 0 * x[2]).astype(jnp.int8), (9 + 0 * y[2]).astype(jnp.int8), preferred_element_type=jnp.int32),
        lax.dot(x[1:].astype(jnp.float32), y[:4, :].astype(jnp.float32), preferred_element_type=jnp.float64),
    ),
    "of nothing": lambda x, y: (jnp.max(x[:0], initial=y[2, 2]), jnp.min(x[:0].astype(int), initial=3), x[:0].max(1)),
    "zeros": lambda x, y: 1 / jnp.sign(-0.0 * jnp.abs(x[2])),
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


def test_at_once_of_trees(compiled_so_far):
    alone, given = lambda pair, z: {"sum": pair["x"].T @ z, "two": (pair["y"], jnp.log(z))}, {"x": X, "y": 2.0}
    for z in Y[2:], Y[3:]:
        short = {"x": X[-len(z) :], "y": 2.0}
        before = compiled_so_far()
        got = _compilation.at_once(alone, short, z)
        assert compiled_so_far() == before
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(got))
        alike(got, jax.jit(alone)(short, z))
    alike(jax.jit(lambda *given: _compilation.at_once(alone, *given))(given, Y), jax.jit(alone)(given, Y))
    large = np.ones((200, 100))
    alike(_compilation.at_once(jnp.vdot, large, large), 20000.0 * np.ones(()))


def test_another_shape_traces_nothing(monkeypatch):
    _compilation.elementwise(hypotenuse, *jnp.ones((2, 7)))
    monkeypatch.setattr(_compilation, "evaluated", None)
    for shape in (5, 6, 8, (2, 3)):
        shape = shape if isinstance(shape, tuple) else (shape,)
        assert _compilation.elementwise(hypotenuse, *jnp.ones((2, *shape))).shape == shape


def test_quick_programs_say_the_same():
    compiled = jax.jit(steep)
    for often in (False, True):
        alike(_compilation.quickly(compiled, X[1:], Y[2:], often=often), compiled(X[1:], Y[2:]))
    total = lambda run: jax.grad(lambda x: jnp.sum(run(x, Y[2:])))(X[1:])
    alike(total(lambda *given: _compilation.quickly(compiled, *given)), total(steep))


@pytest.fixture
def compiled_so_far():
    """A count of programs that JAX has made."""
    programs = []
    told = lambda event, *_, **__: programs.append(event) if event.endswith("backend_compile_duration") else None
    jax.monitoring.register_event_duration_secs_listener(told)
    yield lambda: len(programs)
    jax.monitoring.unregister_event_duration_listener(told)


def test_a_plain_number_and_one_of_numpy_share_a_program(compiled_so_far):
    compiled = jax.jit(lambda x, y: jnp.exp(x) * y)
    before = compiled_so_far()
    first = float(_compilation.quickly(compiled, np.float64(0.5), 2.0))
    assert compiled_so_far() == before + 1
    assert float(_compilation.quickly(compiled, 0.5, np.float64(2.0))) == first
    assert compiled_so_far() == before + 1


def test_arrays_of_numpy_are_put_without_a_program(compiled_so_far):
    before, tables = compiled_so_far(), (np.zeros((3, 5, 7)), np.arange(11), np.ones(13, bool), np.float32([1.5] * 17))
    arrays, floats = [as_array(table) for table in tables], [as_array(table, float) for table in tables]
    assert compiled_so_far() == before
    for table, array, numbers in zip(tables, arrays, floats, strict=True):
        assert isinstance(array, jax.Array) and array.dtype == table.dtype and numbers.dtype == float
        np.testing.assert_array_equal(array, table)
        np.testing.assert_array_equal(numbers, table)
    page = np.zeros(2**16)
    kept = as_array(page)
    page[:] = 1.0
    assert not kept.any()  # the array is not the user's memory
    assert as_array([1.0, 2]).tolist() == [1.0, 2.0]
    assert jax.jit(lambda x: as_array(x, float) + as_array(np.ones(3)))(1).tolist() == [2.0] * 3


def test_what_is_traced_once_is_traced_once():
    traced = []

    @_compilation.traced_once
    def cubed(x):
        traced.append(x.shape)
        return x**3

    def total(x):
        return cubed(x) + cubed(2 * x) + jax.vmap(cubed)(jnp.stack([x, x])).sum()

    assert jax.jit(total)(2.0) == 8 + 64 + 16
    assert jax.grad(total)(2.0) == 12 + 96 + 24
    assert jax.jit(jax.vmap(total))(jnp.ones(5)).shape == (5,)
    assert traced == [()] * len(traced) and len(traced) <= 2  # once in each context of tracing


@pytest.mark.parametrize(
    "call",
    [
        lambda: kd.measures.margin(1.0, 0.1, 1.0, 2.0),
        lambda: kd.measures.exaggeration([1.0, 1.0], [0.1, 0.2], 0.5, 2.0),
        lambda: kd.measures.risk(kd.GradientFlow(2.0), np.geomspace(1e-3, 1.0, 9), 1.0, 0.01).total,
        lambda: kd.asymptotics.risk(kd.Ridge(0.3), kd.asymptotics.limit([1.0, 0.5], 4, noise=0.1)).total,
        lambda: kd.closed_form(kd.GradientFlow(np.arange(9.0)), np.array([1.0, 0.1])).coordinates,
    ],
)
def test_plain_numbers_beside_traced_ones(call):
    alone = np.asarray(call())
    beside = lambda x: x * call()
    for found in (
        jax.jit(beside)(2.0),
        jax.vmap(beside)(jnp.array([2.0]))[0],
        jax.jacfwd(lambda x: x * beside(x))(1.0),
    ):
        np.testing.assert_allclose(found, 2.0 * alone, rtol=1e-14)


def test_long_loops_on_large_tables_and_long_paths_are_worth_a_better_program(monkeypatch):
    better, quickly = [], _compilation.quickly

    def told(*given, often=False, **static):
        better.append(often)
        return quickly(*given, often=often, **static)

    for module in _solvers, trajectories:
        monkeypatch.setattr(module, "quickly", told)
    assert kd.closed_form(kd.GradientFlow(np.arange(2000.0)), np.linspace(0.0, 1.0, 600)).clock.shape == (2000,)
    kd.closed_form(kd.GradientFlow(np.arange(20.0)), np.linspace(0.0, 1.0, 600))
    assert better == [True, False]
    problem = kd.problems.linear(RANDOM.normal(size=(100, 60)), RANDOM.normal(size=100))
    assert kd.GradientDescent(0.1, 100_000).fit(problem).shape == (60,)
    kd.GradientDescent(0.1, 100).fit(problem)
    assert better == [True, False, True, False]
