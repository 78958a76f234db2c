"""Answers at once: what takes longer to compile than to run is compiled quickly, once, or not at all.

To compile a closed form that keeps its digits takes XLA seconds, and it then runs for a moment. Small calls with plain
numbers go through here: `promptly` leaves an operation to NumPy; `evaluated` does a traced function in NumPy, but
for the large functions inside it, which are compiled once for all that call them; `at_once` does so for a function of
the shapes that it is given, `elementwise` for one of single numbers, whatever their shape; `quickly` compiles with less
care. `traced_once` is for small functions that large ones call many times. What JAX traces is left to it.
"""

import functools
import string
import weakref
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from kdtheory._checks import as_array, concrete

LARGE = 40  # operations from which on a function inside another is compiled
FEW = 2**20  # entries up to which one operation in NumPy takes less than to compile it
SMALL = 2**14  # entries up to which NumPy is faster than to compile
LIGHT, MOST = 2**14, 2**25  # entries of an operation, and of all, that take less time than to compile them
_F = TypeVar("_F", bound=Callable)
CALLS, LOOPS = frozenset(["jit", "pjit"]), frozenset(["while", "scan", "cond"])


def at_once(function, *arguments):
    """A function of trees of arrays: of plain numbers, and few, by NumPy, once it has been traced for their shapes."""
    leaves, tree = jax.tree.flatten(arguments)
    if not concrete(leaves) or sum(map(np.size, leaves)) > SMALL:
        return quickly(_in_xla(function), *arguments, often=True)
    leaves = list(map(np.asarray, leaves))
    run = _in_numpy(function, tree, tuple((leaf.shape, leaf.dtype.str) for leaf in leaves))
    return jax.tree.map(as_array, run(*jax.tree.unflatten(tree, leaves)))


_in_xla = functools.cache(jax.jit)  # which is traced once for all that ask


@functools.lru_cache(1024)
def _in_numpy(function, tree, kinds):
    shapes = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(*kind) for kind in kinds])
    return evaluated(function, *shapes, large=np.inf)


def elementwise(function, *arrays):
    """A function of numbers, of each entry of some arrays of one shape.

    The entries are laid out in a row, filled up to a power of two with the last of them, so that another shape finds
    what was traced.
    """
    if not concrete(arrays):
        return at_once(function, *arrays)
    shape, size = arrays[0].shape, arrays[0].size
    if size == 0:
        return jnp.zeros(shape)
    rows = [np.pad(np.asarray(array).ravel(), (0, room_for(size) - size), mode="edge") for array in arrays]
    return as_array(np.asarray(at_once(function, *rows))[:size].reshape(shape))


def traced_once(function: _F) -> _F:
    """The function, which JAX traces, batches and differentiates once for all that call it with the same shapes.

    For what is called often: tracing is most of what a first call costs. XLA sees the same operations.
    """
    return jax.jit(function)


def remembered(function):
    """A function of what was traced, found once for each, and forgotten when JAX forgets it."""
    known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def remembering(traced):
        jaxpr = getattr(traced, "jaxpr", traced)
        if jaxpr not in known:
            known[jaxpr] = function(jaxpr)
        return known[jaxpr]

    return remembering


def promptly(function, *arrays):
    """A function of arrays that is written in operators alone: by NumPy, where they are plain numbers and few."""
    if not concrete(arrays) or sum(map(np.size, arrays)) > FEW:
        return function(*arrays)
    with np.errstate(all="ignore"):
        return as_array(np.asarray(function(*map(np.asarray, arrays))))


def room_for(size):
    """The next power of two."""
    return 1 << (size - 1).bit_length()


def quickly(compiled, *arguments, often=False, **static):
    """What `compiled`, a function under `jax.jit`, returns; of plain numbers, by a program that takes less time to
    make and may take more to run, unless it goes through them `often`."""
    if not concrete(arguments):
        return compiled(*arguments, **static)
    # to JAX a plain number is of another type, for which it would make another program
    arguments = jax.tree.map(lambda leaf: np.float64(leaf) if type(leaf) is float else leaf, arguments)
    with jax.core.eval_context():  # also beside numbers that are traced
        return _quick_program(compiled.__wrapped__, tuple(static), often)(*arguments, **static)


@functools.cache
def _quick_program(function, static, often):
    return jax.jit(function, static_argnames=static, compiler_options=quick_options(often))


def evaluated(function, *shapes, large=LARGE):
    """`function` of trees of arrays, traced for some shapes, as one of NumPy's arrays that compiles next to nothing.

    `shapes` are as those of `jax.make_jaxpr`; functions inside it of `large` operations are compiled. Last bits may
    differ from those of the compiled function.
    """
    closed, out = jax.make_jaxpr(function, return_shape=True)(*shapes)
    return in_numpy(closed, jax.tree.structure(out), large)


def in_numpy(closed, tree, large=np.inf):
    """A traced function as one of trees of NumPy's arrays, which returns such a tree."""
    run = _straight(closed, large, {})

    def called(*arguments):
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(arguments)]
        with np.errstate(all="ignore"), jax.core.eval_context():
            return jax.tree.unflatten(tree, run(*leaves))

    return called


def _straight(function, large, known):
    """A traced function as a straight line of what is done, one after the other, on numbered places.

    What is not needed any more is let go, so that the next numbers find its memory. `known` are the functions inside
    that have been written so.
    """
    jaxpr, numbers, places = getattr(function, "jaxpr", function), [], {}

    def place(at):
        if hasattr(at, "val"):
            numbers.append(np.asarray(at.val, at.aval.dtype))
            return len(numbers) - 1
        if at not in places:
            places[at] = len(numbers)
            numbers.append(None)
        return places[at]

    for at, value in zip(jaxpr.constvars, getattr(function, "consts", ()), strict=True):
        numbers[place(at)] = np.asarray(value)
    given = list(map(place, jaxpr.invars))
    steps = [
        (*_doing(equation, large, known), list(map(place, equation.invars)), list(map(place, equation.outvars)))
        for equation in jaxpr.eqns
    ]
    ends = list(map(place, jaxpr.outvars))
    needed, line = {*ends, *(i for i, value in enumerate(numbers) if value is not None)}, []
    for act, several, inputs, outputs in reversed(steps):
        spent = {*inputs, *outputs} - needed
        needed |= spent
        line.append((act, several, inputs, outputs if several else outputs[0], tuple(spent)))
    line.reverse()

    def run(*arguments):
        held = numbers.copy()
        for i, argument in zip(given, arguments, strict=True):
            held[i] = argument
        for act, several, inputs, outputs, spent in line:
            found = act(*[held[i] for i in inputs])
            if several:
                for i, one in zip(outputs, found, strict=True):
                    held[i] = one
            else:
                held[outputs] = found
            for i in spent:
                held[i] = None
        return [held[i] for i in ends]

    return run


def done(equation, inputs):
    """The outputs of one operation on NumPy's arrays."""
    act, several = _doing(equation, LARGE, {})
    return list(act(*inputs)) if several else [act(*inputs)]


def _doing(equation, large, known):
    """What does one operation on NumPy's arrays, and whether it has a list of outputs."""
    name, settings, inner = equation.primitive.name, equation.params, _inner(equation)
    if inner is not None:
        if name in CALLS and _size(inner) >= large:
            compiled = _compiled(inner)
            return lambda *inputs: list(map(np.asarray, compiled(*inputs))), True
        if inner not in known:
            known[inner] = _straight(inner, large, known)
        return known[inner], True
    if name == "optimization_barrier":
        return lambda *inputs: inputs, True
    if name == "scan" and large == np.inf and (shared := _shared(equation)) is not None:
        return _straight(_mapped(settings["jaxpr"], shared, settings["length"]), large, known), True
    if name in ELEMENTWISE and (name not in OF_FLOATS or equation.invars[0].aval.dtype.kind == "f"):
        return ELEMENTWISE[name], False
    if name in SHAPED:
        return functools.partial(SHAPED[name], equation.outvars[0].aval, settings), False
    if name in LOOPS:  # by the settings, so that the same loop elsewhere finds it
        loop = _loop(equation.primitive, tuple(settings.items()))
        return lambda *inputs: list(map(np.asarray, loop(*inputs))), True
    bound = lambda *inputs: equation.primitive.bind(*map(as_array, inputs), **settings)
    if equation.primitive.multiple_results:
        return lambda *inputs: list(map(np.asarray, bound(*inputs))), True
    return lambda *inputs: np.asarray(bound(*inputs)), False


def _shared(equation):
    """How many of a loop's inputs, the first ones, are of all its turns; None where it carries something from turn to
    turn. Releases of JAX tell it in different ways; what is of one turn lacks an axis in its body."""
    body = equation.params["jaxpr"]
    kept = lambda outside, inside: sum(o.aval.ndim == i.ndim for o, i in zip(outside, inside, strict=True))
    return None if kept(equation.outvars, body.out_avals) else kept(equation.invars, body.in_avals)


@functools.lru_cache(256)
def _mapped(body, shared, length):
    """A loop that carries nothing from turn to turn, as one turn of arrays; the first `shared` inputs are of all."""
    shapes = [
        jax.ShapeDtypeStruct((length,) * (place >= shared) + x.shape, x.dtype) for place, x in enumerate(body.in_avals)
    ]
    axes = [0 if place >= shared else None for place in range(len(shapes))]
    return jax.make_jaxpr(jax.vmap(_named(body), axes))(*shapes)


def _inner(equation):
    """The function that an operation calls, if it calls one and is no loop."""
    if equation.primitive.name in LOOPS:
        return None
    return next((equation.params[name] for name in ("jaxpr", "call_jaxpr") if name in equation.params), None)


@remembered
def _size(jaxpr):
    """How many operations a function is, with those that it calls; what has a loop is large."""
    if any(equation.primitive.name in LOOPS for equation in jaxpr.eqns):
        return LARGE
    inner = map(_inner, jaxpr.eqns)
    return sum(1 if each is None else _size(each) for each in inner)


def light(closed, times=1):
    """Whether NumPy does a traced function, so many times at once, sooner than XLA has compiled it."""
    operations, entries = _load(closed)
    return times * entries <= min(operations * LIGHT, MOST)


@remembered
def _load(jaxpr):
    """How many operations a function is, and how many entries they fill: infinitely many if NumPy has not all of
    them."""
    operations = entries = 0
    for equation in jaxpr.eqns:
        name, inner, turns = equation.primitive.name, _inner(equation), 1
        if name == "scan" and _shared(equation) is not None:
            inner, turns = equation.params["jaxpr"], equation.params["length"]
        if inner is not None:
            more, filled = _load(inner)
        else:
            of_floats = name not in OF_FLOATS or equation.invars[0].aval.dtype.kind == "f"
            known = name in SHAPED or name == "optimization_barrier" or (name in ELEMENTWISE and of_floats)
            more, filled = 1, sum(at.aval.size for at in equation.outvars) if known else np.inf
        operations, entries = operations + more, entries + turns * filled
    return operations, entries


@functools.cache
def _compiled(closed):
    return jax.jit(_named(closed), compiler_options=quick_options())


@functools.cache
def _loop(primitive, settings):
    return jax.jit(
        lambda *inputs: primitive.bind(*inputs, **dict(settings)), compiler_options=quick_options(often=True)
    )


def _named(closed):
    """A traced function under a short name: JAX asks for that of what it traces, which else is the whole text."""
    return lambda *inputs: jaxpr_as_fun(closed)(*inputs)


def quick_options(often=False):
    """Options for programs that take longer to compile than to run, of those that this version of XLA knows.

    What goes `often` through what it is made of, a loop or a large table, is optimised, which takes twice as long and
    is paid back.
    """
    return {
        name: value for name, value in _options().items() if not (often and name == "xla_backend_optimization_level")
    }


@functools.cache
def _options():
    options = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}
    if _known(options):
        return options
    return {name: value for name, value in options.items() if _known({name: value})}


def _known(options):
    try:
        jax.jit(lambda: 0.0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


ELEMENTWISE = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "neg": np.negative,
    "pow": lambda x, y: np.power(x, y, dtype=x.dtype),  # NumPy would raise single precision by a whole number to double
    "square": np.square,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.abs,
    "sign": lambda x: np.copysign(np.sign(x), x),
    "max": np.maximum,
    "min": np.minimum,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "floor": np.floor,
    "ceil": np.ceil,
    "is_finite": np.isfinite,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "not": np.invert,
    "xor": np.bitwise_xor,
    "shift_left": np.left_shift,
    "copy": lambda x: x,
    "stop_gradient": lambda x: x,
}
OF_FLOATS = frozenset("div pow sign floor ceil is_finite".split())  # whole numbers have rules of their own


def _spread(out, settings, x):
    shape = [1] * len(out.shape)
    for axis, length in zip(settings["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = length
    x = x.reshape(shape)
    return x if x.shape == out.shape else np.broadcast_to(x, out.shape)


def _cut(out, settings, x):
    steps = settings["strides"] or (1,) * x.ndim
    return x[tuple(map(slice, settings["start_indices"], settings["limit_indices"], steps))]


def _chosen(out, settings, which, *cases):
    return np.choose(which, cases) if len(cases) > 2 else np.where(which, cases[-1], cases[0])


def _rounded(out, settings, x):
    if "EVEN" in settings["rounding_method"].name:
        return np.rint(x)
    away = np.floor(np.abs(x))
    return np.copysign(away + (np.abs(x) - away >= 0.5), x)


def _converted(out, settings, x):
    if x.dtype.kind == "f" and out.dtype.kind in "iu":  # to the nearest end where it is beyond, as XLA does
        ends = np.iinfo(out.dtype)
        x = np.nan_to_num(x.astype(float), posinf=np.inf, neginf=-np.inf)
        whole = np.clip(x, ends.min, np.nextafter(float(ends.max), 0.0)).astype(out.dtype)
        return np.where(x >= float(ends.max), out.dtype.type(ends.max), whole)
    return x.astype(out.dtype)


def _product(out, settings, first, second):
    (left, right), (along, beside) = settings["dimension_numbers"]
    free = iter(string.ascii_letters)
    a, b = [next(free) for _ in first.shape], [next(free) for _ in second.shape]
    for i, j in zip((*left, *along), (*right, *beside), strict=True):
        b[j] = a[i]
    kept = [a[i] for i in along]
    kept += [each for i, each in enumerate(a) if i not in (*left, *along)]
    kept += [each for j, each in enumerate(b) if j not in (*right, *beside)]
    return np.einsum(f"{''.join(a)},{''.join(b)}->{''.join(kept)}", first.astype(out.dtype), second.astype(out.dtype))


def _counted(out, settings):
    axis = settings["dimension"]
    shape = [length if place == axis else 1 for place, length in enumerate(out.shape)]
    return np.broadcast_to(np.arange(out.shape[axis], dtype=out.dtype).reshape(shape), out.shape)


def _ends(dtype):
    """The least and the largest number of a type, of floats the infinite ones."""
    if dtype.kind == "b":
        return False, True
    return (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


_reshaped = lambda out, settings, x: x.reshape(out.shape)
SHAPED = {
    "broadcast_in_dim": _spread,
    "slice": _cut,
    "select_n": _chosen,
    "convert_element_type": _converted,
    "dot_general": _product,
    "iota": _counted,
    "round": _rounded,
    "bitcast_convert_type": lambda out, settings, x: np.ascontiguousarray(x).view(out.dtype).reshape(out.shape),
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "expand_dims": _reshaped,
    "transpose": lambda out, settings, x: x.transpose(settings["permutation"]),
    "rev": lambda out, settings, x: np.flip(x, settings["dimensions"]),
    "concatenate": lambda out, settings, *parts: np.concatenate(parts, settings["dimension"]),
    "stack": lambda out, settings, *parts: np.stack(parts, settings["axis"]),
    "integer_pow": lambda out, settings, x: x ** settings["y"],
    "reduce_sum": lambda out, settings, x: x.sum(settings["axes"], dtype=x.dtype),  # not in wider whole numbers
    "reduce_prod": lambda out, settings, x: x.prod(settings["axes"], dtype=x.dtype),
    "reduce_max": lambda out, settings, x: x.max(settings["axes"], initial=_ends(x.dtype)[0]),
    "reduce_min": lambda out, settings, x: x.min(settings["axes"], initial=_ends(x.dtype)[1]),
    "reduce_and": lambda out, settings, x: x.all(settings["axes"]),
    "reduce_or": lambda out, settings, x: x.any(settings["axes"]),
}
