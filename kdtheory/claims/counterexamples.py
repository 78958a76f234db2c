"""Counterexamples judged again in 60 digits, and as short scripts that need nothing but Python.

A claim is traced once more, with filters from their definitions instead of the code that keeps digits in floats, and
every operation is done in decimal arithmetic. What is left of it for one instance is a straight line of formulas.
"""

import contextlib
import contextvars
import decimal
import functools
import gc
import inspect
import math
import re
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import _compilation
from kdtheory._checks import Numbers
from kdtheory.claims.decimals import CONTEXT, DIGITS, HELPERS, Number, called, is_literal, literal, written
from kdtheory.claims.margins import Margin, Seen
from kdtheory.learners import Learner

if TYPE_CHECKING:
    from kdtheory.claims.judging import Claim

# Filters from their definitions, as a third lane of a claim.


def exact(learner: Learner, spectrum: Numbers, target: Numbers | None = None, start: Numbers | None = None) -> Seen:
    """What a claim sees in exact arithmetic: filters from their definitions, and no rounding."""
    spectrum, target, start = (jnp.asarray(x) if isinstance(x, (list, tuple)) else x for x in (spectrum, target, start))
    learnt, left = learner.by_definition(spectrum, jnp.exp)
    seen = learnt * (1.0 if target is None else target) + left * (0.0 if start is None else start)
    none = jnp.zeros_like(seen)
    return Seen(seen, 1.0 - seen, jnp.log(seen), jnp.log(1.0 - seen), none, none)


# A traced claim, done in numbers.


def _function(form):
    return lambda *parts: called(form, *parts)


def _power(x, y):
    return x ** literal(int(y)) if isinstance(y, (int, np.integer)) else x**y


def _sign(x):
    return literal(x.value.compare(0) if x.value.is_nan() else (x.value > 0) - (x.value < 0))


def _tanh(left):
    return (literal(1) - left) / (literal(1) + left)


def _compare(question):
    return lambda a, b: question(a.value, b.value) if isinstance(a, Number) else question(a, b)


ELEMENTWISE = {
    "add": lambda a, b: a + b,
    "add_any": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": _power,
    "exp": _function("{}.exp()"),
    "log": lambda x: literal(0) if is_literal(x, 1) else called("{}.ln()", x),
    "expm1": lambda x: called("{}.exp()", x) - literal(1),
    "log1p": lambda x: called("{}.ln()", literal(1) + x),
    "sqrt": _function("{}.sqrt()"),
    "square": lambda x: x ** literal(2),
    "abs": _function("abs({})"),
    "max": _function("max({}, {})"),
    "min": _function("min({}, {})"),
    "clamp": lambda low, x, high: called("min({}, {})", called("max({}, {})", x, low), high),
    "cos": _function("cos({})"),
    "sin": _function("sin({})"),
    "atan2": _function("arctan2({}, {})"),
    "logistic": lambda x: literal(1) / (literal(1) + called("{}.exp()", -x)),
    "heavy_ball": _function("heavy_ball({}, {}, {}, {})"),
    "sign": _sign,
    "tanh": lambda x: _tanh(called("{}.exp()", literal(-2) * x)),
    "tan": lambda x: called("sin({})", x) / called("cos({})", x),
    "atan": lambda x: called("arctan2({}, {})", x, literal(1)),
    "rsqrt": lambda x: literal(1) / called("{}.sqrt()", x),
    "floor": lambda x: literal(x.value.to_integral_value(decimal.ROUND_FLOOR)),
    "ceil": lambda x: literal(x.value.to_integral_value(decimal.ROUND_CEILING)),
    "round": lambda x: literal(x.value.to_integral_value(decimal.ROUND_HALF_EVEN)),
    "is_finite": lambda x: x.value.is_finite(),
    "reduce_precision": lambda x: x,
    "eq": _compare(lambda a, b: a == b),
    "ne": _compare(lambda a, b: a != b),
    "lt": _compare(lambda a, b: a < b),
    "le": _compare(lambda a, b: a <= b),
    "gt": _compare(lambda a, b: a > b),
    "ge": _compare(lambda a, b: a >= b),
}
REDUCTIONS = {
    "reduce_sum": ("add", 0),
    "reduce_prod": ("mul", 1),
    "reduce_max": ("max", -math.inf),
    "reduce_min": ("min", math.inf),
}
MOVES = frozenset(
    "broadcast_in_dim reshape squeeze expand_dims transpose slice dynamic_slice concatenate rev gather scatter"
    " dynamic_update_slice select_n stack unstack split tile copy copy_p stop_gradient".split()
)
RESERVED = {function.__name__ for needed in HELPERS.values() for function in needed}  # names that scripts use
RESERVED |= {"D", "Context", "setcontext", "margin", "print", "abs", "max", "min"}
LOOPS = frozenset(["while", "scan"])  # searches, whose result is taken as floats find it
SEARCH = "found_in_floats"  # the function in which `searched` calls one that is more than a loop
MOVED = contextvars.ContextVar("moved", default=0.0)  # by how much of itself what floats found is moved
BITS = "bitcast_convert_type"  # the leading bits of a float, of which what follows takes the rest


def _interpret(jaxpr, consts, args):
    known = dict(zip(jaxpr.constvars, map(_numbers, consts), strict=True))
    known |= dict(zip(jaxpr.invars, args, strict=True))
    for equation in jaxpr.eqns:
        inputs = [_numbers(at.val) if hasattr(at, "val") else known[at] for at in equation.invars]
        outputs = _done(equation, inputs)
        known |= dict(zip(equation.outvars, outputs, strict=True))
    return [_numbers(at.val) if hasattr(at, "val") else known[at] for at in jaxpr.outvars]


def _done(equation, inputs):
    """The outputs of one operation."""
    name, settings = equation.primitive.name, equation.params
    inner = next((value for value in settings.values() if hasattr(value, "eqns") or hasattr(value, "jaxpr")), None)
    if name == "cond":
        chosen = settings["branches"][int(inputs[0])]
        return _interpret(chosen.jaxpr, chosen.consts, inputs[1:])
    searches = name in LOOPS or settings.get("name") == SEARCH
    if inner is not None and not searches:
        return _interpret(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs)
    if name in MOVES and any(each.dtype == object for each in inputs):
        return _moved(equation, inputs)
    if name == "optimization_barrier":
        return inputs
    if name == "integer_pow":
        return [np.asarray(np.frompyfunc(lambda x: x ** literal(settings["y"]), 1, 1)(inputs[0]), object)]
    if name == "convert_element_type" and inputs[0].dtype == object:
        kind = np.dtype(settings["new_dtype"]).kind
        return [inputs[0] if kind == "f" else np.vectorize(lambda x: int(x.value), otypes=[int])(inputs[0])]
    if name == "dot_general" and any(each.dtype == object for each in inputs):
        return [_product(*map(_numbers, inputs), *settings["dimension_numbers"])]
    if name in REDUCTIONS and inputs[0].dtype == object:
        operation, none = REDUCTIONS[name]
        combine = np.frompyfunc(ELEMENTWISE[operation], 2, 1)
        flat = np.moveaxis(inputs[0], settings["axes"], range(len(settings["axes"])))
        flat = flat.reshape(-1, *flat.shape[len(settings["axes"]) :])
        if not len(flat):
            flat = np.full((1, *flat.shape[1:]), literal(none), object)
        return [np.asarray(functools.reduce(combine, flat), object)]
    if name in ELEMENTWISE and any(each.dtype == object for each in inputs):
        out = np.asarray(np.frompyfunc(ELEMENTWISE[name], len(inputs), 1)(*inputs))
        return [out.astype(bool) if equation.outvars[0].aval.dtype == bool else np.asarray(out, object)]
    doubles = [_doubles(each) for each in inputs]
    outputs = _compilation.done(equation, doubles)
    if not searches and name != BITS and any(each.dtype == object for each in inputs):
        raise NotImplementedError(f"no exact rule for {name}")
    value = (lambda x: x if x.is_integer() else x * (1.0 + MOVED.get())) if searches else float
    return [_numbers(each, value) for each in outputs]


def _product(first, second, contracted, batched):
    """The sums of products of two arrays over some axes, for each place along others."""
    axes = lambda array, side: [i for i in range(array.ndim) if i not in (*contracted[side], *batched[side])]
    free = axes(first, 0), axes(second, 1)
    shape = [first.shape[i] for i in (*batched[0], *free[0])] + [second.shape[i] for i in free[1]]
    sizes = [math.prod(array.shape[i] for i in some) for array, some in ((first, batched[0]), (first, contracted[0]))]
    a = first.transpose(*batched[0], *free[0], *contracted[0]).reshape(sizes[0], -1, sizes[1])
    b = second.transpose(*batched[1], *contracted[1], *free[1]).reshape(sizes[0], sizes[1], -1)
    return np.asarray(np.matmul(a, b), object).reshape(shape)


def _moved(equation, inputs):
    """What only moves numbers about, done on their places."""
    places, pool = [], []
    for each, at in zip(inputs, equation.invars, strict=True):
        if at.aval.dtype.kind == "f":
            places.append(np.arange(len(pool), len(pool) + each.size).reshape(each.shape))
            pool.extend(each.ravel())
        else:
            places.append(each)
    pool = np.array([*pool, None], object)[:-1]  # one more, lest numpy look inside
    return [np.asarray(pool[each]) for each in _compilation.done(equation, places)]


def _numbers(array, value=float):
    """Floats as exact numbers; whole numbers and truths as they are."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array
    out = np.empty(array.shape, object)
    out[...] = np.frompyfunc(lambda x: literal(value(x)), 1, 1)(array)
    return out


def _doubles(array):
    return np.vectorize(lambda x: float(x.value), otypes=[float])(array) if array.dtype == object else array


# What users call.


def margin(claim: "Claim", **instance: Any) -> D:
    """The margin of a claim at one instance, in 60 digits, from the definitions of the filters.

    Negative where the claim is violated there. Floats are taken as the decimals that they print, 0.1 as one tenth.
    What a claim searches for, such as the best moment to stop, is found in floats and taken exactly. NaN where the
    margin is no number; NotImplementedError where the claim uses operations that have no decimal counterpart, such as
    random numbers or decompositions; ValueError for missing or unknown quantities.

    >>> import kdtheory as kd
    >>> claim = kd.theorems.one_fit_favours_by_less_than_eigenvalues
    >>> twice = dict(method="ridge", fits=2, lead=2.0, trail=1.0, clock=0.1, start=0.0)
    >>> print(kd.counterexamples.margin(claim, **twice))
    -0.519124426580685777081700317710677486121932189148569684605720
    """
    return _traced(claim, instance)[0].value


def script(claim: "Claim", **instance: Any) -> str:
    """A script that computes the margin of a claim at one instance with nothing but Python, and asserts its sign.

    Every formula is written out, with numbers in decimal arithmetic of 60 digits. Where the claim chooses between
    formulas only the chosen one is there. Errors as in `margin`, and ValueError where the margin is NaN.

    >>> import kdtheory as kd
    >>> claim = kd.theorems.one_fit_favours_by_less_than_eigenvalues
    >>> twice = dict(method="ridge", fits=2, lead=2.0, trail=1.0, clock=0.1, start=0.0)
    >>> for line in kd.counterexamples.script(claim, **twice).splitlines()[-6:]:
    ...     print(line)
    n1 = 1 / clock
    n2 = 1 - n1 / (lead + n1)
    n3 = 1 - n1 / (trail + n1)
    margin = (lead / trail).ln() - ((n2 * n2).ln() - (n3 * n3).ln())
    print(margin)  # violated
    assert margin < 0
    """
    found, given = _traced(claim, instance)
    inputs, lines, formula = written(found)
    body = "\n".join([f'{name} = D("{value}")' for name, value in given.items() if name in inputs] + lines)
    searched = any(len(digits) > 14 for digits in re.findall(r'D\("-?([\d.]+)', f"{body} {formula}"))
    note = "# the long numbers were found by a search, in floats\n" if searched else ""
    used = [helper for helper in HELPERS if f"{helper.__name__}(" in f"{body} {formula}"]
    needed = dict.fromkeys(function for helper in used for function in HELPERS[helper])
    helpers = "".join(f"\n\n{inspect.getsource(function)}" for function in needed)
    place = ", ".join(f"{name}={value}" for name, value in instance.items())
    if found.value.is_nan():
        raise ValueError(f"{claim.name} has no margin at {place}: it is NaN there, and a script has nothing to assert")
    said, sign = ("violated", "<") if found.value < 0 else ("holds", ">=")
    head = f"# {claim.name} at {place}\nfrom decimal import Context, Decimal as D, setcontext\n\n"
    head += f"setcontext(Context(prec={DIGITS}, traps=[]))\n"
    return f"{head}{helpers}\n{note}{body}\nmargin = {formula}\nprint(margin)  # {said}\nassert margin {sign} 0"


def signs(claim: "Claim", instances: dict[str, Any]) -> list[int | None]:
    """The signs of a claim's margin where floats cannot tell them: done in 60 digits, and again in 120 or more.

    `instances` maps quantities to arrays, (cases,) + shape, and alternatives to their one value. None unless both
    know a margin beyond the claim's own rounding and agree to three digits; what searches and loops find in floats
    differs by 1e-14 between the two. Of an equality, 1 where both sides agree to
    1e-20 of their size, however much the claim allows, and -1 where they differ by more than that is. Floats are taken
    as they are, to the last bit. NotImplementedError as in `margin`, and where the claim calls functions of the library
    that have the digits of floats only.
    """
    numbers, closed = _jaxpr(claim, instances, jax.vmap)
    if _reads_bits(closed.jaxpr):
        raise NotImplementedError("it calls functions of the library that have the digits of floats only")
    found = []
    for digits, moved in (DIGITS, 0.0), (2 * DIGITS + _decades(jax.tree.leaves(numbers)), 1e-14):
        with _collector_at_rest(), _searches_moved(moved), decimal.localcontext(CONTEXT) as context:
            context.prec = digits
            given = [_numbers(array, lambda value: D(float(value))) for array in jax.tree.leaves(numbers)]
            said = _interpret(closed.jaxpr, closed.consts, given)
            found.append([[_plain(number) for number in each] for each in said])
    with decimal.localcontext(CONTEXT):
        return list(map(_sign_of, zip(*found[0], strict=True), zip(*found[1], strict=True)))


@contextlib.contextmanager
def _collector_at_rest():
    """Numbers that know how they were made are millions of objects without a circle, and would be looked through for
    one again and again."""
    working = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if working:
            gc.enable()


def _decades(arrays):
    """Over how many some numbers are spread, which sums of them need in digits."""
    sizes = np.abs(np.concatenate([np.ravel(each).astype(float) for each in arrays]))
    logs = np.log10(sizes[np.isfinite(sizes) & (sizes > 0.0)])
    return int(np.ceil(np.ptp(logs))) if logs.size else 0


@contextlib.contextmanager
def _searches_moved(by):
    before = MOVED.set(by)
    try:
        yield
    finally:
        MOVED.reset(before)


def _reads_bits(jaxpr):
    """Whether a traced function splits floats by their bits, as functions do that keep digits in floats."""
    inner = (each for step in jaxpr.eqns for value in step.params.values() for each in jax.tree.leaves(value))
    bodies = (getattr(each, "jaxpr", each) for each in inner)
    return any(step.primitive.name == BITS for step in jaxpr.eqns) or any(
        _reads_bits(body) for body in bodies if hasattr(body, "eqns")
    )


def _plain(number):
    return number.value if isinstance(number, Number) else D(float(number))


def _sign_of(*found):
    """Of margin, rounding, size and tolerance in fewer and in more digits."""
    values = []
    for value, rounding, size, tolerance in found:
        if tolerance > 0:
            apart = tolerance - value
            value, rounding = (D(1), D(0)) if apart <= D("1e-20") * size else (value, max(value, D(0)))
        if not (value.is_finite() and abs(value) > rounding):
            return None
        values.append(value)
    first, second = values
    return int(second.compare(0)) if abs(first - second) < abs(second) / 1000 else None


def _jaxpr(claim, instance, over=lambda judge: judge):
    """The numbers of an instance, and what makes margin, rounding, size and tolerance of them, traced."""
    claim.expects(instance)
    fixed = {name: instance[name] for name, quantity in claim.quantities.items() if quantity.values}
    numbers = {name: jnp.asarray(value) for name, value in instance.items() if name not in fixed}

    def judge(numbers):
        margin = claim.function(exact, **numbers, **fixed)
        if not isinstance(margin, Margin):
            margin = Margin(margin, 0.0)  # a bare number, of which nothing is rounded here
        return [jnp.asarray(each, float) for each in (margin.value, margin.rounding, margin.size, margin.tolerance)]

    return numbers, jax.make_jaxpr(over(judge))(numbers)


def _traced(claim, instance):
    """The margin of one instance as a formula, and what is given of it; numbers are taken as printed."""
    numbers, closed = _jaxpr(claim, instance)
    taken = {*instance, *RESERVED}
    named = {name: _named(name, instance[name], value, taken) for name, value in numbers.items()}
    given = {each.form: each.value for array in named.values() for each in array.ravel() if getattr(each, "form", None)}
    with decimal.localcontext(CONTEXT):
        found = _interpret(closed.jaxpr, closed.consts, jax.tree.leaves(named))[0].item()
        return found if isinstance(found, Number) else literal(found), given


def _named(name, given, traced, taken):
    """One number or a vector of them, each with a name that is not taken."""
    if traced.dtype.kind != "f":
        return np.asarray(traced)

    def one(value, name):
        while name in RESERVED or re.fullmatch(r"n\d+", name) or (name in taken and np.ndim(given)):
            name += "_"
        taken.add(name)
        return literal(0) if value == 0 else Number(D(repr(float(value))), name)

    if not np.ndim(given):
        return np.asarray(one(given, name), object)
    return np.array([one(value, f"{name}{place}") for place, value in enumerate(given, 1)], object)
