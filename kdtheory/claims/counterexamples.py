"""Counterexamples judged again in 60 digits, and as short scripts that need nothing but Python.

A claim is traced once more, with filters from their definitions instead of the code that keeps digits in floats, and
every operation is done in decimal arithmetic. What is left of it for one instance is a straight line of formulas.
"""

import contextlib
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
from kdtheory.claims.margins import Margin, Seen
from kdtheory.learners import Learner

if TYPE_CHECKING:
    from kdtheory.claims.judging import Claim

DIGITS = 60  # fifty, and ten to spare for what a few formulas lose
CONTEXT = decimal.Context(prec=DIGITS, traps=[], Emin=-(10**9), Emax=10**9)


# Filters from their definitions, as a third lane of a claim.


def exact(learner: Learner, spectrum: Numbers, target: Numbers | None = None, start: Numbers | None = None) -> Seen:
    """What a claim sees in exact arithmetic: filters from their definitions, and no rounding."""
    spectrum, target, start = (jnp.asarray(x) if isinstance(x, (list, tuple)) else x for x in (spectrum, target, start))
    learnt, left = learner.by_definition(spectrum, jnp.exp)
    seen = learnt * (1.0 if target is None else target) + left * (0.0 if start is None else start)
    none = jnp.zeros_like(seen)
    return Seen(seen, 1.0 - seen, jnp.log(seen), jnp.log(1.0 - seen), none, none)


# Numbers that know how they were made.


class Number:
    """A decimal number with the formula that made it."""

    __slots__ = ("form", "level", "parts", "value")

    def __init__(self, value: D, form: str | None, level: int = 9, parts: tuple = ()) -> None:
        self.value, self.form, self.level, self.parts = value, form, level, parts

    @property
    def given(self) -> bool:
        """Whether it is a plain number and not a formula."""
        return self.form is None

    def __add__(self, other: "Number") -> "Number":
        if other.form == "-{}":
            return self - other.parts[0][0]
        if _is(self, 0) or _is(other, 0):
            return other if _is(self, 0) else self
        return _made(self.value + other.value, "{} + {}", (self, 1), (other, 1))

    def __sub__(self, other: "Number") -> "Number":
        if _is(other, 0):
            return self
        if other.form == "{} - {}" and self.form is None and _is(other.parts[0][0], self.value):  # a - (a - b)
            return other.parts[1][0]
        return -other if _is(self, 0) else _made(self.value - other.value, "{} - {}", (self, 1), (other, 2))

    def __mul__(self, other: "Number") -> "Number":
        if self.form == other.form == "-{}":
            self, other = self.parts[0][0], other.parts[0][0]
        for one, two in (self, other), (other, self):
            if one.form is None and (not one.value or one.value == 1):
                return two if one.value else literal(0)
        return -other if _is(self, -1) else _made(self.value * other.value, "{} * {}", (self, 3), (other, 3))

    def __truediv__(self, other: "Number") -> "Number":
        if _is(self, 0) and other.value != 0:
            return self
        return self if _is(other, 1) else Number(self.value / other.value, "{} / {}", 3, ((self, 3), (other, 4)))

    def __neg__(self) -> "Number":
        if self.form == "-{}":
            return self.parts[0][0]
        return Number(-self.value, None) if self.form is None else Number(-self.value, "-{}", 4, ((self, 4),))

    def __pow__(self, power: "Number") -> "Number":
        if _is(power, 1):
            return self
        if _is(power, 0):
            return literal(1)
        return Number(self.value**power.value, "{} ** {}", 6, ((self, 7), (power, 7)))


def literal(value: float | D) -> Number:
    """A number that is given: a float is taken as the decimal that it prints."""
    return Number(D(repr(value)) if isinstance(value, float) else D(value), None)


def _is(number, value):
    return number.form is None and number.value == value


def _made(value, form, *parts):
    """A sum, a difference or a product: of given numbers it is given."""
    if parts[0][0].form is None and parts[1][0].form is None:
        return Number(value, None)
    return Number(value, form, parts[0][1], parts)


def sin(x):
    """By its series, on a third of the angle as often as is needed."""
    if not x.is_finite():
        return D("nan")
    if abs(x) > 1:
        third = sin(x / 3)
        return third * (3 - 4 * third * third)
    term, total, n = x, D(0), 1
    while abs(term) > abs(total) * D("1e-70"):
        total, term, n = total + term, -term * x * x / ((n + 1) * (n + 2)), n + 2
    return total


def cos(x):
    """From the sine of half the angle."""
    return 1 - 2 * sin(x / 2) ** 2


def arctan(x):
    """By its series, on half the angle as often as is needed."""
    if x.is_nan():
        return x
    if abs(x) > D("0.1"):
        return 2 * arctan(x / (1 + (1 + x * x).sqrt()))
    term, total, n = x, D(0), 1
    while abs(term) > abs(total) * D("1e-70"):
        total, term, n = total + term / n, -term * x * x, n + 2
    return total


def arctan2(y, x):
    """The angle of the point (x, y), from half of it."""
    if y == 0 and x < 0:
        return 4 * arctan(D(1))
    length = (x * x + y * y).sqrt()
    return 2 * arctan((length - x) / y if x < 0 else y / (length + x))


def heavy_ball(eigenvalue, step_size, momentum, steps):
    """What is left of the start after so many steps from rest."""
    before = now = D(1)
    for _ in range(int(steps)):
        before, now = now, (1 + momentum - step_size * eigenvalue) * now - momentum * before
    return now


HELPERS = {sin: [sin], cos: [sin, cos], arctan2: [arctan, arctan2], heavy_ball: [heavy_ball]}

FUNCTIONS = {
    "{}.exp()": D.exp,
    "{}.ln()": D.ln,
    "{}.sqrt()": D.sqrt,
    "abs({})": abs,
    "max({}, {})": lambda a, b: a if a.is_nan() or a >= b else b,
    "min({}, {})": lambda a, b: a if a.is_nan() or a <= b else b,
    "cos({})": cos,
    "sin({})": sin,
    "arctan2({}, {})": arctan2,
    "heavy_ball({}, {}, {}, {})": heavy_ball,
}


def _called(form, *parts):
    """A function or a method of numbers."""
    value = FUNCTIONS[form](*(part.value for part in parts))
    return Number(value, form, 9, tuple((part, 8 if form.startswith("{}.") else 0) for part in parts))


# A traced claim, done in numbers.


def _function(form):
    return lambda *parts: _called(form, *parts)


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
    "log": lambda x: literal(0) if _is(x, 1) else _called("{}.ln()", x),
    "expm1": lambda x: _called("{}.exp()", x) - literal(1),
    "log1p": lambda x: _called("{}.ln()", literal(1) + x),
    "sqrt": _function("{}.sqrt()"),
    "square": lambda x: x ** literal(2),
    "abs": _function("abs({})"),
    "max": _function("max({}, {})"),
    "min": _function("min({}, {})"),
    "clamp": lambda low, x, high: _called("min({}, {})", _called("max({}, {})", x, low), high),
    "cos": _function("cos({})"),
    "sin": _function("sin({})"),
    "atan2": _function("arctan2({}, {})"),
    "logistic": lambda x: literal(1) / (literal(1) + _called("{}.exp()", -x)),
    "heavy_ball": _function("heavy_ball({}, {}, {}, {})"),
    "sign": _sign,
    "tanh": lambda x: _tanh(_called("{}.exp()", literal(-2) * x)),
    "tan": lambda x: _called("sin({})", x) / _called("cos({})", x),
    "atan": lambda x: _called("arctan2({}, {})", x, literal(1)),
    "rsqrt": lambda x: literal(1) / _called("{}.sqrt()", x),
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
    return list(map(_numbers, outputs))


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
    inputs, lines, formula = _written(found)
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
    """The signs of a claim's margin where floats cannot tell them: done in 60 digits, and again in 120.

    `instances` maps quantities to arrays, (cases,) + shape, and alternatives to their one value. None unless both
    know a margin beyond the claim's own rounding and agree to three digits. Of an equality, 1 where both sides agree to
    1e-20 of their size, however much the claim allows, and -1 where they differ by more than that is. Floats are taken
    as they are, to the last bit. NotImplementedError as in `margin`, and where the claim calls functions of the library
    that have the digits of floats only.
    """
    numbers, closed = _jaxpr(claim, instances, jax.vmap)
    if _reads_bits(closed.jaxpr):
        raise NotImplementedError("it calls functions of the library that have the digits of floats only")
    found = []
    for digits in (DIGITS, 2 * DIGITS):
        with _collector_at_rest(), decimal.localcontext(CONTEXT) as context:
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


def _written(result):
    """The names it takes, the lines of assignments that lead to a number, and its own formula."""
    order, uses, twins = [], {}, {}

    def visit(number):
        """Its one representative: what is made alike is written once."""
        if number.given:
            return number
        parts = tuple((visit(part), needed) for part, needed in number.parts)
        alike = number.form, *(("given", part.value) if part.given else id(part) for part, _ in parts)
        if alike not in twins:
            twins[alike] = Number(number.value, number.form, number.level, parts)
            order.append(twins[alike])
            for part, _ in parts:
                uses[id(part)] = uses.get(id(part), 0) + 1
        return twins[alike]

    visit = functools.cache(visit)
    result = visit(result)
    lines, texts = [], {}
    for number in order:
        if not number.parts:
            texts[id(number)] = number.form, 9
            continue
        plain = "(" not in number.form and not all(part.given for part, _ in number.parts)
        cells = []
        for part, needed in number.parts:
            text, level = (_spelt(part.value, plain), 9) if part.given else texts[id(part)]
            cells.append(text if level >= needed else f"({text})")
        text, level = number.form.format(*cells), number.level
        if number is not result and (uses[id(number)] > 1 or len(text) > 60):
            lines.append(f"n{len(lines) + 1} = {text}")
            text, level = f"n{len(lines)}", 9
        texts[id(number)] = text, level
    inputs = {each.form for each in order if not each.parts}
    return inputs, lines, _spelt(result.value, False) if result.given else texts[id(result)][0]


def _spelt(value, plain):
    """A given number, as a whole number of Python's where that mixes with decimals."""
    if plain and value.is_finite() and value == int(value) and 0 <= value < 10**6:
        return str(int(value))
    return f'D("{value.normalize() if not value.is_finite() or value != int(value) else int(value)}")'
