"""Claims, and how their instances are drawn and judged."""

import contextlib
import dataclasses
import functools
import html
import inspect
import itertools
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from kdtheory._checks import Key, as_key
from kdtheory._compilation import evaluated, room_for
from kdtheory._record import LISTED
from kdtheory.claims import certify, counterexamples, search
from kdtheory.claims.checks import CONTRADICTED, HOLDS, OUTSIDE, UNDECIDABLE, VIOLATED, Check, Trial, near
from kdtheory.claims.margins import MOST_PARTS, Lies, Margin, practice, returned, theory
from kdtheory.claims.quantities import Quantity, on_edges, plain

TRACED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
LANES = {"theory": theory, "practice": practice}
LIES = 10.0 ** np.arange(-9, 1)  # that are told of each part of a claim, relative to what it compares
FOUND_OUT = 1e-3  # of instances, the least share that must refute a lie
ON_EDGES = 0.25  # of instances, how many lie on the edges of their ranges
ALSO_PROVED = 100  # instances that floats have decided, on which a certificate is asked all the same
TOLD_BY_THEORY = 0.05  # of loops, the largest share that may be too coarse to tell, and agrees with theory
AT_ONCE = 512  # instances that theory judges together
IN_DIGITS = 2000  # instances at most that are done again in 60 digits
BARELY = 1e-6  # of the size of what is compared: a violation by less is done again, for roundings may be too small

CLAIMS: dict[str, "Claim"] = {}


@dataclasses.dataclass(frozen=True, eq=False)
class Claim:
    """A statement with its source, its standing, and hypotheses that can be dropped. Made by `claim`."""

    name: str
    statement: str
    source: str
    standing: str
    function: Callable
    quantities: dict[str, Quantity]
    hypotheses: dict[str, Callable]
    certificate: Callable | None = None  # instance -> Certificate, None where it has nothing to say
    # what the statement speaks of at all: met as hypotheses are, and never dropped
    domain: dict[str, Callable] = dataclasses.field(default_factory=dict)
    lie: float = 1e-3  # the largest, relative to what an inequality compares, that must be found out

    @property
    def topic(self) -> str:
        """What it is about: the module that it is written in; "own" where it is in none, or in a session."""
        module = self.function.__module__
        return "own" if module in (None, "__main__") else module.rpartition(".")[2].replace("_", " ").strip()

    def check(self, key: Key, count: int = 10_000) -> Check:
        """Judge the claim in theory, on `count` random instances within its hypotheses."""
        return self._judge(key, count, "theory")

    def practice(self, key: Key, count: int = 100) -> Check:
        """Judge the claim in practice: the algorithm runs on data, `count` times."""
        return self._judge(key, count, "practice")

    def falsify(self, key: Key, drop: str | None = None, count: int = 10_000, descent: int = 0) -> Check:
        """Search for a counterexample outside the hypothesis `drop` and inside all others; inside all if none is
        dropped, where there should be none.

        At random, and then, from the instances of least margin, down its gradient for `descent` steps. The check is
        *violated* if one was found; its worst instance is then the clearest. With a hypothesis dropped, instances are
        those of loops, so that `claim.at(lane="practice", **check.instance())` can confirm it.

        >>> import kdtheory as kd
        >>> claim = kd.theorems.ridge_semigroup
        >>> claim.falsify(0, descent=10).counts["violated"]
        0
        """
        if drop is not None and drop not in self.hypotheses:
            known = f"it has {', '.join(self.hypotheses)}" if self.hypotheses else "it has none"
            raise ValueError(f"{self.name} has no hypothesis {drop!r}; {known}" + near(drop, self.hypotheses))
        drawn = self._judge(key, count, "theory", drop=drop)
        return search.attack(drawn, descent) if descent else drawn

    def trial(self, key: Key, count: int = 10_000, loops: int = 100, descent: int = 0) -> "Trial":
        """Everything at once: theory, practice, and every hypothesis dropped, with counterexamples tried on
        the loop. With `descent`, every search goes down the margin's gradient, also that inside all hypotheses."""
        key = as_key(key)
        refutations = {name: self.falsify(key, name, count, descent) for name in self.hypotheses}
        refuted = {name: self._confirmed(check) for name, check in refutations.items() if check.verdict == VIOLATED}
        found, confirmed = ({name: each[i] for name, each in refuted.items()} for i in range(2))
        seen = self.check(key, count), self.practice(key, loops)
        attack = search.attack(seen[0], descent) if descent else None
        return Trial(self, *seen, refutations, found, confirmed, attack)

    def _confirmed(self, refutation):
        """A counterexample of few digits that the loop confirms, and the check on the loop.

        The clearest, the next, and then each at twice the rank of the one before: margins of logarithms are the largest
        where shares are too small for a loop to resolve, so that none of the clearest may be one that it can tell.
        """
        tries = []
        ranks = [0, *2 ** np.arange(len(refutation.decisive).bit_length())]
        for case in refutation.decisive[[rank for rank in ranks if rank < len(refutation.decisive)]]:
            instance = self.simplify(refutation, case)
            tries.append((instance, self.at("practice", **instance)))
            if tries[-1][1].verdict == VIOLATED:
                return tries[-1]
        return tries[0]

    def simplify(self, refutation: Check, case: int | None = None) -> dict[str, Any]:
        """A counterexample of `falsify`, the clearest unless another `case` is asked for, in as few digits as
        still refute.

        It stays outside of the dropped hypothesis and inside all others.

        >>> import kdtheory as kd
        >>> claim = kd.theorems.ridge_semigroup
        >>> claim.simplify(claim.falsify(0, drop="zero_start"))
        {'eigenvalue': 1.0, 'teacher': 1.0, 'student': 2.0, 'start': 0.5}
        """
        return search.simplify(refutation, case)

    def at(self, lane: str = "theory", **instance: Any) -> Check:
        """Judge one instance of your own, hypotheses or not, in theory or in practice.

        What is outside the claim's domain, of which it does not speak, is *outside hypotheses*.
        """
        self.expects(instance)
        _refuse_float32()
        if lane not in LANES:
            raise ValueError(f"lane must be {' or '.join(map(repr, LANES))}, got {lane!r}")
        instances = {name: np.asarray([value]) for name, value in instance.items()}
        for name in (name for name, quantity in self.quantities.items() if (quantity.kind or ("",))[0] == "whole"):
            if np.any(instances[name] != np.floor(instances[name])):
                raise ValueError(f"{name} must be a whole number, got {plain(instance[name])}")
            instances[name] = instances[name].astype(int)
        inside = self._met(instances, self.domain)
        return self.verdicts(instances, lane, None, inside)

    def expects(self, instance: dict[str, Any]) -> None:
        """ValueError unless an instance gives every quantity, and no other."""
        wrong = [name for name in (*self.quantities, *instance) if (name in self.quantities) != (name in instance)]
        if wrong:
            likely = "".join(near(name, self.quantities) for name in wrong if name in instance)
            raise ValueError(
                f"{self.name} takes {', '.join(self.quantities)}; missing or unknown: {', '.join(wrong)}{likely}"
            )

    def _judge(self, key, count, lane, drop=None):
        _refuse_float32()
        if count < 1:
            raise ValueError(f"count must be at least one instance, got {count}")
        instances = self._draw(as_key(key), count, drop, tame=lane == "practice" or drop is not None)
        return self.verdicts(instances, lane, drop, np.ones(count, bool))

    def _draw(self, key, count, drop, tame):
        """Instances within the hypotheses, but outside the one that is dropped.

        If none is, a fixed share of them lies on the edges of the ranges that they are drawn from.
        """
        kept = {name: [] for name in self.quantities}
        random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
        alternatives = list(itertools.product(*(q.values for q in self.quantities.values() if q.values)))
        enough, on_edge = 0, np.arange(count) % round(1 / ON_EDGES) == 0
        on_edge = on_edge[np.random.default_rng(0).permutation(count)]  # of every alternative alike
        for _ in range(64):
            drawn, fixed = {}, iter(range(len(self.quantities)))
            for name, quantity in self.quantities.items():
                if quantity.values:
                    column = next(fixed)
                    drawn[name] = np.array([alternatives[i % len(alternatives)][column] for i in range(count)])
                else:
                    drawn[name] = np.asarray(quantity.draw(random, count, tame))
            if drop is None:
                edges = on_edges(random, self.quantities, {name: each[on_edge] for name, each in drawn.items()}, tame)
                for name, values in edges.items():
                    drawn[name] = np.array(drawn[name])
                    drawn[name][on_edge] = values
            inside = self.within(drawn, drop)
            for name, values in drawn.items():
                kept[name].append(values[inside])
            enough += int(inside.sum())
            if enough >= count:
                return {name: np.concatenate(values)[:count] for name, values in kept.items()}
        if drop is not None:
            raise ValueError(
                f"{self.name}: only {enough} of {64 * count} random instances are outside of {drop!r} and within all"
                " other hypotheses; leave it out if it excludes nothing, or widen the quantities"
            )
        raise ValueError(
            f"{self.name}: only {enough} of {64 * count} random instances are within the hypotheses; narrow the"
            " quantities that they draw from"
        )

    def within(self, instances: dict[str, Any], drop: str | None) -> np.ndarray:
        """Which cases are in the domain and meet every hypothesis, with the dropped one negated."""
        kept = {name: slack for name, slack in self.hypotheses.items() if name != drop}
        inside = self._met(instances, self.domain | kept)
        return inside & ~self._met(instances, {drop: self.hypotheses[drop]}) if drop else inside

    def _met(self, instances, conditions):
        """Which cases meet all of some conditions."""
        inside = np.ones(len(next(iter(instances.values()))), bool)
        for name, condition in conditions.items():
            asked = {each: np.asarray(instances[each]) for each in inspect.signature(condition).parameters}
            named = [each for each, values in asked.items() if values.dtype.kind not in "biuf"]
            rows = list(zip(*(asked[each].tolist() for each in named), strict=True))
            for fixed in set(rows) or [()]:
                cases = np.flatnonzero([row == fixed for row in rows]) if named else np.arange(len(inside))
                numbers = {each: values[cases] for each, values in asked.items() if each not in named}
                with _told_of_tracers(f"{self.name}, {name!r},", condition):
                    inside[cases] &= _slack(condition, tuple(zip(named, fixed, strict=True)), numbers) > 0
        return inside

    def verdicts(self, instances: dict[str, Any], lane: str, drop: str | None, inside: np.ndarray) -> Check:
        """Judge given instances; `inside` says which of them are within the hypotheses."""
        margins, rounding, sizes, tolerances = np.empty((4, len(inside)))
        found_out, equalities, met = [], [], []
        for fixed, cases in self.alternatives(instances):
            seen, lied, equal, exactly = _judged(self, lane, fixed, instances, cases)
            margins[cases], rounding[cases], sizes[cases], tolerances[cases] = seen
            found_out.append(_found_out(lied[:, :, inside[cases]]))
            equalities.append(equal.any(1))
            met.append(exactly[:, inside[cases]].all(1))
        if np.any(rounding < 0):
            at = {name: plain(values[np.nanargmin(rounding)]) for name, values in instances.items()}
            raise ValueError(
                f"{self.name}: the rounding of a margin must not be negative, got {np.nanmin(rounding)} at {at}"
            )
        verdicts = np.where(inside, _verdicts(margins, rounding), OUTSIDE)
        certified = np.zeros(len(inside), bool)
        if drop is None:  # a counterexample is one that floats can tell
            certified = (
                self._decide(verdicts, instances, margins, sizes)
                if lane == "theory"
                else self._told_by_theory(verdicts, instances, margins, rounding)
            )
        found_out, equalities, met = map(_aligned, (found_out, equalities, met))
        blind = met.all(0) & (inside.sum() > 1)  # to the last bit everywhere: one formula, compared with itself
        return Check(
            claim=self,
            lane=lane,
            dropped=drop,
            margins=margins,
            rounding=rounding,
            tolerances=tolerances,
            sizes=sizes,
            verdicts=verdicts,
            certified=certified,
            found_out=np.where(blind, np.inf, found_out.max(0)),
            equalities=equalities.max(0),
            instances=instances,
        )

    def _decide(self, verdicts, instances, margins, sizes):
        """Ask the certificate, and then 60 digits, what floats could not say; which verdicts are theirs.

        `verdicts` are changed in place. A proof is also asked of what floats have decided, and contradicts them where
        they are wrong beyond their rounding; 60 digits are asked of what is violated by a hair, and believed.
        """
        decided = np.zeros(len(verdicts), bool)
        if self.certificate and certify.installed():
            sample = np.flatnonzero(verdicts == HOLDS)[:ALSO_PROVED]
            asked = (verdicts == UNDECIDABLE) | (verdicts == VIOLATED)
            asked[sample] = True
            cases = np.flatnonzero(asked)
            rows = zip(*(plain(values[cases]) for values in instances.values()), strict=True)
            for case, row in zip(cases, rows, strict=True):
                proved = self.certificate(**dict(zip(instances, row, strict=True)))
                if proved:
                    said = HOLDS if proved.sign > 0 else VIOLATED
                    decided[case] = verdicts[case] == UNDECIDABLE
                    verdicts[case] = said if verdicts[case] in (said, UNDECIDABLE) else CONTRADICTED
        barely = (verdicts == VIOLATED) & (np.abs(margins) < BARELY * sizes)
        unknown = np.flatnonzero((verdicts == UNDECIDABLE) | barely)[:IN_DIGITS]
        some = {name: values[unknown] for name, values in instances.items()}
        for fixed, cases in self.alternatives(some) if len(unknown) else ():
            try:
                signs = counterexamples.signs(
                    self, {name: values[cases] for name, values in some.items()} | dict(fixed)
                )
            except NotImplementedError:
                break
            for case, sign in zip(unknown[cases], signs, strict=True):
                if sign:
                    decided[case], verdicts[case] = True, HOLDS if sign > 0 else VIOLATED
        return decided

    def _told_by_theory(self, verdicts, instances, margins, rounding):
        """Let theory say that what a loop is too coarse to tell holds, in a few cases; which verdicts are so.

        `verdicts` are changed in place, where the loop's margin agrees with that of theory within its rounding.
        """
        told = np.zeros(len(verdicts), bool)
        unknown = np.flatnonzero(verdicts == UNDECIDABLE)
        if not 0 < len(unknown) <= max(1, TOLD_BY_THEORY * len(verdicts)):
            return told
        some = {name: values[unknown] for name, values in instances.items()}
        theory = self.verdicts(some, "theory", None, np.ones(len(unknown), bool))
        agree = np.abs(margins[unknown] - theory.margins) <= rounding[unknown]  # false for NaN
        told[unknown] = agree & (theory.verdicts == HOLDS)
        verdicts[told] = HOLDS
        return told

    def alternatives(self, instances: dict[str, Any]) -> Iterator[tuple[tuple, np.ndarray]]:
        """Instances by the values of their named alternatives: pairs of ((name, value), ...) and cases (n,)."""
        fixed = [name for name, quantity in self.quantities.items() if quantity.values]
        if not fixed:
            yield (), np.arange(len(next(iter(instances.values()))))
            return
        chosen = list(zip(*(instances[name].tolist() for name in fixed), strict=True))
        for values in sorted(set(chosen)):
            yield tuple(zip(fixed, values, strict=True)), np.flatnonzero([each == values for each in chosen])

    def __reduce__(self) -> tuple:
        return listed, (self.name,)

    def __repr__(self) -> str:
        return f"<claim {self.name} ({self.standing}): {self.statement.partition(chr(10))[0]}>"

    def _repr_html_(self) -> str:
        said = f"{self.statement}\n\nhypotheses: {', '.join(self.hypotheses) or 'none'}; quantities: "
        said += f"{', '.join(self.quantities)}\nsource: {self.source or 'none'}; standing: {self.standing}"
        return f"<b>{html.escape(self.name)}</b><pre>{html.escape(said)}</pre>"


def listed(name: str) -> Claim:
    """The claim of a name: what pickles and files of checks hold of it."""
    if name not in CLAIMS:
        raise ValueError(
            f"there is no claim {name!r} in this session; import or define it, then load again{near(name, CLAIMS)}"
        )
    return CLAIMS[name]


LISTED["claim"] = Claim, listed


def _verdicts(margins, rounding):
    with np.errstate(invalid="ignore"):
        return np.select([margins > rounding, margins < -rounding], [HOLDS, VIOLATED], UNDECIDABLE).astype(
            f"<U{len(OUTSIDE)}"
        )


def _found_out(lied):
    """The smallest lie of each part that a thousandth of the cases refutes: of (parts, lies, cases) of bool."""
    if not lied.shape[2]:
        return np.full(len(lied), np.inf)
    refuted = lied.mean(2) >= FOUND_OUT
    return np.where(refuted.any(1), LIES[refuted.argmax(1)], np.inf)


def _aligned(rows):
    """Rows of one number for each part, of alternatives that may have fewer."""
    parts = max(map(len, rows), default=0)
    return np.array([np.concatenate([row, np.zeros(parts - len(row), row.dtype)]) for row in rows])


_NOTHING = ""  # the name of what varies where every quantity has a few values only


def _judged(claim, lane, fixed, instances, cases):
    """What some cases of one alternative say: margin, rounding, size, tolerance (4, cases); which lies they refute
    (parts, lies, cases); which parts are equalities, and met to the last bit (parts, cases)."""
    varied = {name: values for name, values in instances.items() if name not in dict(fixed)}
    varied = varied or {_NOTHING: np.zeros(len(next(iter(instances.values()))))}
    kinds = tuple((name, values.shape[1:], values.dtype.str) for name, values in varied.items())
    judge, at_once, parts = _judge_of(claim.name, claim.function, lane, fixed, kinds)
    pieces = []
    for start in range(0, len(cases), at_once):
        some = cases[start : start + at_once]
        said = judge({name: values[np.resize(some, at_once)] for name, values in varied.items()})
        pieces.append([np.asarray(each)[..., : len(some)] for each in said])
    seen, equal, exactly = (np.concatenate(each, axis=-1) for each in zip(*pieces, strict=True))
    value, rounding = seen[0], seen[1]
    with np.errstate(invalid="ignore"):
        refuted = (value[1:] < -rounding[1:]) & (value[0] > rounding[0])
    refuted = refuted[: parts * len(LIES)].reshape(parts, len(LIES), len(cases))
    return seen[:, 0], refuted, equal[:parts], exactly[:parts]


@functools.cache
def _judge_of(name, function, lane, fixed, kinds):
    """The judge of a fixed number of cases at once: many in theory, one run of the algorithm in practice.

    And how many parts it has, none if it never asks its `run`: judged as it is, and with each lie about each part.
    """
    told = []

    def judge(numbers, sizes):
        with Lies(sizes) as lies:
            given = {each: number for each, number in numbers.items() if each != _NOTHING} | dict(fixed)
            margin = lies.tell(_margin(name, returned(function, LANES[lane], given)))
        told.append(lies)
        said = jnp.stack(
            [jnp.asarray(each, float) for each in (margin.value, margin.rounding, margin.size, margin.tolerance)]
        )
        return said, jnp.stack(lies.equalities), jnp.stack(lies.exactly)

    numbers = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in kinds}
    with _told_of_tracers(name, function):
        traced = jax.make_jaxpr(judge)(numbers, jax.ShapeDtypeStruct((MOST_PARTS,), float))
    judged, parts = jaxpr_as_fun(traced), told[-1].parts
    rows = np.zeros((1 + parts * len(LIES), MOST_PARTS))  # no lie, then each lie about each part
    rows[1:, :parts] = np.kron(np.eye(parts), LIES[:, None])

    def one(numbers):
        lied = lambda sizes: tuple(judged(*jax.tree.leaves(numbers), sizes))
        said, equal, exactly = jax.vmap(lied, out_axes=(1, 0, 0))(rows)
        return said, equal[0], exactly[0]

    def first(numbers):
        return jax.tree.map(lambda found: found[..., None], one({name: rows[0] for name, rows in numbers.items()}))

    many, at_once = (jax.vmap(one, out_axes=-1), AT_ONCE) if lane == "theory" else (first, 1)
    chunk = {name: jax.ShapeDtypeStruct((at_once, *shape), dtype) for name, shape, dtype in kinds}
    return evaluated(many, chunk), at_once, parts if lane in told[-1].asked else 0


def _slack(condition, fixed, numbers):
    """A condition of many instances of one alternative at once: (cases,)."""
    if not numbers:
        return _single(condition, dict(fixed))
    count = len(next(iter(numbers.values())))
    room = room_for(count) if fixed else count  # how many there are of each alternative differs from call to call
    numbers = {name: np.resize(values, (room, *values.shape[1:])) for name, values in numbers.items()}
    slack = _slack_of(condition, fixed, tuple((name, each.shape, each.dtype.str) for name, each in numbers.items()))
    return np.asarray(slack(numbers), float)[:count]


@functools.cache
def _slack_of(condition, fixed, kinds):
    """A condition of numbers of these shapes."""
    shapes = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in kinds}
    return evaluated(jax.vmap(lambda numbers: _single(condition, numbers | dict(fixed))), shapes)


def _single(condition, quantities):
    """What a condition says of one instance."""
    slack = condition(**quantities)
    kind = getattr(slack, "dtype", type(slack).__name__)
    number = isinstance(slack, (bool, int, float, np.generic, np.ndarray, jax.Array)) and not jnp.iscomplexobj(slack)
    shape = f" of shape {slack.shape}" if getattr(slack, "shape", ()) else ""
    if not number or shape:
        raise TypeError(
            f"a condition of {', '.join(quantities)} must return one real number, met where positive, or whether it is"
            f" met; it returns {kind}{shape}"
        )
    return slack


def written_in(function: Callable) -> str | None:
    """The file in which a function was written."""
    return getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)


def line_of(error: BaseException, file: str | None) -> str:
    """The line of a file in which an error came, as part of a sentence; empty where it came from elsewhere."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" in `{own[-1].line}`, line {own[-1].lineno}," if own and own[-1].line else ""


@contextlib.contextmanager
def _told_of_tracers(who, function):
    """Say what to write where a function of the author's asks JAX for the value of a number that it traces."""
    try:
        yield
    except TRACED as error:
        raise TypeError(
            f"{who} asks{line_of(error, written_in(function))} for the value of a number that JAX traces, as `if`,"
            " `and`, `float` and NumPy do; write jnp.where(condition, a, b) in place of `if`, & in place of `and`, jnp"
            " in place of np, or take the quantity from among(...)"
        ) from error


def _margin(name, margin):
    """What a claim's function returned, refused unless it is a single margin."""
    if not isinstance(margin, Margin):
        if jnp.shape(margin) if isinstance(margin, (jax.Array, np.ndarray)) else False:
            raise ValueError(f"{name} must return a single number, got an array of shape {margin.shape}")
        if isinstance(margin, bool) or str(getattr(margin, "dtype", "")) == "bool":
            raise TypeError(
                f"{name} must return a signed number, and not whether it holds: in place of a > b write a - b, or"
                " kd.ahead(a, b), kd.claims.exceeds(a, b, error)"
            )
        if isinstance(margin, complex) or np.issubdtype(getattr(margin, "dtype", float), np.complexfloating):
            raise TypeError(f"{name} must return a real number, and returns a complex one; take its .real")
        raise TypeError(
            f"{name} must return a number, positive where it holds, or a Margin, as ahead, exceeds, at_least and"
            f" same make it; got {margin!r}" + (": is there a `return`?" if margin is None else "")
        )
    if jnp.shape(margin.value):
        raise ValueError(f"{name} must return a single number, got a margin of shape {jnp.shape(margin.value)}")
    return margin


def _refuse_float32():
    if not jax.config.jax_enable_x64:
        raise RuntimeError("claims need float64, and JAX_ENABLE_X64 has switched it off; unset that variable")
