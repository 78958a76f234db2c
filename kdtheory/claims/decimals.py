"""Decimal numbers that know the formula that made them, and how they are written down."""

import decimal
import functools
from decimal import Decimal as D

DIGITS = 60  # fifty, and ten to spare for what a few formulas lose
CONTEXT = decimal.Context(prec=DIGITS, traps=[], Emin=-(10**9), Emax=10**9)


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
        if is_literal(self, 0) or is_literal(other, 0):
            return other if is_literal(self, 0) else self
        return _made(self.value + other.value, "{} + {}", (self, 1), (other, 1))

    def __sub__(self, other: "Number") -> "Number":
        if is_literal(other, 0):
            return self
        if other.form == "{} - {}" and self.form is None and is_literal(other.parts[0][0], self.value):  # a - (a - b)
            return other.parts[1][0]
        return -other if is_literal(self, 0) else _made(self.value - other.value, "{} - {}", (self, 1), (other, 2))

    def __mul__(self, other: "Number") -> "Number":
        if self.form == other.form == "-{}":
            self, other = self.parts[0][0], other.parts[0][0]
        for one, two in (self, other), (other, self):
            if one.form is None and (not one.value or one.value == 1):
                return two if one.value else literal(0)
        return -other if is_literal(self, -1) else _made(self.value * other.value, "{} * {}", (self, 3), (other, 3))

    def __truediv__(self, other: "Number") -> "Number":
        if is_literal(self, 0) and other.value != 0:
            return self
        return self if is_literal(other, 1) else Number(self.value / other.value, "{} / {}", 3, ((self, 3), (other, 4)))

    def __neg__(self) -> "Number":
        if self.form == "-{}":
            return self.parts[0][0]
        return Number(-self.value, None) if self.form is None else Number(-self.value, "-{}", 4, ((self, 4),))

    def __pow__(self, power: "Number") -> "Number":
        if is_literal(power, 1):
            return self
        if is_literal(power, 0):
            return literal(1)
        return Number(self.value**power.value, "{} ** {}", 6, ((self, 7), (power, 7)))


def literal(value: float | D) -> Number:
    """A number that is given: a float is taken as the decimal that it prints."""
    return Number(D(repr(value)) if isinstance(value, float) else D(value), None)


def is_literal(number: Number, value: float | D) -> bool:
    """Whether it is given, and of this value."""
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


def called(form: str, *parts: Number) -> Number:
    """A function or a method of numbers."""
    value = FUNCTIONS[form](*(part.value for part in parts))
    return Number(value, form, 9, tuple((part, 8 if form.startswith("{}.") else 0) for part in parts))


def written(result: Number) -> tuple[set[str], list[str], str]:
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
