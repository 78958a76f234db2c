"""Signs proved by ball arithmetic, where floats cannot decide or should not be believed.

From exact inputs, floats or fractions, `python-flint` encloses a quantity in a ball that provably contains
it; when the ball excludes zero, its sign is proved. Precision is raised until it does. Equality cannot be
proved that way: it is decided symbolically, from the inputs. *Undecided* at the highest precision is an
answer of its own.

Needs the extra `kdtheory[certify]`.
"""

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from kdtheory._record import KNOWN, address
from kdtheory.learners import GradientDescent, GradientFlow, Learner, Ridge

if TYPE_CHECKING:
    from flint import fmpq

PRECISIONS = tuple(64 * 2**k for k in range(9))  # bits, up to 16384
Exact = float | Fraction
INSTALL = "pip install 'kdtheory[certify]'"
_FLOW = GradientFlow(0.0)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A proved sign: +1, -1, 0 for equality, or None where the highest precision left it undecided."""

    sign: int | None
    bits: int  # the precision that sufficed; 0 where no arithmetic was needed

    def __bool__(self) -> bool:
        return self.sign is not None


KNOWN[address(Certificate)] = Certificate


def sign(
    lead: Exact, trail: Exact, time: Exact, teacher_time: Exact, *, learner: Learner | None = None, route: str = "delay"
) -> Certificate:
    """Prove the sign of `measures.margin`: that the student trails (+1) on `trail` when matched on `lead`.

    Inputs are exact: floats, ints or Fractions. `learner` says what is trained: `GradientFlow` (the default),
    `GradientDescent` with its step size η, both with clocks for times (steps are clock/η), or `Ridge`, whose
    clock is 1/penalty. `route` is "delay", through δ(λ₂) - δ(λ₁), or "definition", teacher's progress minus
    student's. Both take 0 <= time <= teacher_time.

    Raises ValueError for inputs out of range, ImportError without python-flint.

    >>> import kdtheory as kd
    >>> kd.certify.sign(1.0, 1.0 - 2**-53, time=1.0, teacher_time=2.0).sign            # an ulp apart
    1
    >>> kd.certify.sign(1.0, 1.0, time=1.0, teacher_time=2.0).sign
    0
    """
    rates, t, T = _exact(learner, (lead, trail), (time, teacher_time))
    if not 0 <= t <= T:
        raise ValueError(f"time must be between 0 and teacher_time = {teacher_time}, got {time}")
    if rates[0].same(rates[1]) or t == 0 or t == T:
        return Certificate(0, 0)
    if route == "definition":
        progress = lambda: rates[1].progress(t) - rates[1].progress(T) * rates[1].progress(rates[0].matched(t, T))
        return _decide(progress)
    if route == "delay":
        return _decide(lambda: rates[1].delay(t, T) - rates[0].delay(t, T))
    raise ValueError(f"route must be 'delay' or 'definition', got {route!r}")


def crossing(
    lead: Exact, other: Exact, clocks: Sequence[Exact], *, learner: Learner | None = None, route: str = "delay"
) -> Certificate:
    """Prove on which side of a single fit a chain of fits stands on `other`, when it equals it on `lead`.

    +1 where the single fit is ahead on `other`, -1 where the chain is. `clocks` are those of all fits of the
    chain; `learner` and `route` as in `sign`, but "delay" is how much less the chain has learnt than its
    shortest fit alone. This is `sign` for any number of fits, matched from the student's side.

    >>> import kdtheory as kd
    >>> kd.certify.crossing(1.0, 0.5, [2.0, 3.0, 0.1]).sign
    1
    """
    rates, *times = _exact(learner, (lead, other), clocks)
    if rates[0].same(rates[1]) or min(times) == 0 or len(times) == 1:
        return Certificate(0, 0)
    if route == "delay":
        return _decide(lambda: rates[1].lag(times) - rates[0].lag(times))
    if route == "definition":
        return _decide(lambda: rates[1].progress(rates[0].clock_at(rates[0].chain(times))) - rates[1].chain(times))
    raise ValueError(f"route must be 'delay' or 'definition', got {route!r}")


def _decide(quantity: Callable) -> Certificate:
    context = _flint().ctx
    before = context.prec
    try:
        for bits in PRECISIONS:
            context.prec = bits
            value = quantity()
            if value > 0 or value < 0:
                return Certificate(1 if value > 0 else -1, bits)
    finally:
        context.prec = before
    return Certificate(None, PRECISIONS[-1])


def installed() -> bool:
    """Whether python-flint is there."""
    return importlib.util.find_spec("flint") is not None


def missing() -> str:
    """What to install, to be said where verdicts are undecidable; empty where python-flint is there."""
    return "" if installed() else f"ball arithmetic may decide what floats cannot, and needs python-flint: {INSTALL}"


def _exact(learner, eigenvalues, clocks):
    """The learner along each eigenvalue, and the clocks as rational numbers."""
    if not installed():
        raise ImportError(f"certify needs python-flint: {INSTALL}")
    learner = _FLOW if learner is None else learner
    eigenvalues = [_rational(value) for value in eigenvalues]
    if min(eigenvalues) <= 0:
        raise ValueError(f"eigenvalues must be positive, got {float(min(eigenvalues))}")
    match learner:
        case GradientFlow():
            along = [_Exponential(value) for value in eigenvalues]
        case GradientDescent(step_size=step_size) if step_size is not None:
            along = [_Descent(value, _rational(step_size)) for value in eigenvalues]
            if (largest := max(eigenvalues) * _rational(step_size)) >= 1:
                raise ValueError(f"step_size · eigenvalue must be below 1, got {float(largest)}")
        case Ridge():
            along = [_Ridge(value) for value in eigenvalues]
        case _:
            raise TypeError(
                f"learner must be GradientFlow, GradientDescent with a step size, or Ridge; got {learner!r}"
            )
    return along, *map(_rational, clocks)


@functools.cache
def _flint():
    """The module, found once."""
    import flint

    return flint


def _rational(value):
    exact = value if isinstance(value, float) else Fraction(value)  # which takes longer
    return _flint().fmpq(*exact.as_integer_ratio())


def _ball(rational):
    """It at the precision that is set."""
    return _flint().arb(rational)


@dataclasses.dataclass(frozen=True)
class _Exponential:
    """φ = 1 - e^(-λ·clock)."""

    eigenvalue: "fmpq"

    def rate(self):
        return _ball(self.eigenvalue)

    def same(self, other):
        return self.eigenvalue == other.eigenvalue

    def progress(self, clock):
        return -(-self.rate() * _ball(clock)).expm1()

    def clock_at(self, progress):
        return -(-progress).log1p() / self.rate()

    def matched(self, t, T):
        return self.clock_at(self.progress(t) / self.progress(T))

    def chain(self, times):
        return math.prod(map(self.progress, times))

    def delay(self, t, T):
        """δ = log(1 + (1 - e^(-λt)) / (e^(λ(T-t)) - 1)) / λ, by which a student is later than its teacher."""
        ahead = (self.rate() * _ball(T - t)).expm1()
        return (self.progress(t) / ahead).log1p() / self.rate()

    def lag(self, times):
        """log(1 + (e^(λm) - 1) r) / λ, m the least time and r what the other fits together leave."""
        least, *others = sorted(times)
        left = 0
        for time in others:
            missing = (-self.rate() * _ball(time)).exp()
            left = missing + self.progress(time) * left
        return ((self.rate() * _ball(least)).expm1() * left).log1p() / self.rate()


@dataclasses.dataclass(frozen=True)
class _Descent(_Exponential):
    """φ = 1 - (1 - ηλ)^(clock/η): the exponential one with rate -log(1 - ηλ)/η."""

    step_size: "fmpq"

    def rate(self):
        return -_ball(-self.step_size * self.eigenvalue).log1p() / _ball(self.step_size)


@dataclasses.dataclass(frozen=True)
class _Ridge:
    """φ = λ·clock / (1 + λ·clock), in exact rational numbers."""

    eigenvalue: "fmpq"

    def same(self, other):
        return self.eigenvalue == other.eigenvalue

    def progress(self, clock):
        return self.eigenvalue * clock / (1 + self.eigenvalue * clock)

    def clock_at(self, progress):
        return progress / (1 - progress) / self.eigenvalue

    def chain(self, times):
        return math.prod(map(self.progress, times))

    def matched(self, t, T):
        return self.clock_at(self.progress(t) / self.progress(T))

    def delay(self, t, T):
        return self.matched(t, T) - t

    def lag(self, times):
        return min(times) - self.clock_at(self.chain(times))
