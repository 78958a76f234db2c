"""Claims, and the checks that judge them."""

import dataclasses
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from kdtheory._at_once import evaluated
from kdtheory._checks import Key, as_key
from kdtheory._record import KNOWN, LISTED, address
from kdtheory.claims import certify, exact, search
from kdtheory.claims.margins import EQUALITY, MOST_PARTS, Lies, Margin, practice, theory
from kdtheory.claims.quantities import Quantity, on_edges

HOLDS, VIOLATED, UNDECIDABLE, OUTSIDE = "holds", "violated", "undecidable", "outside hypotheses"
CONTRADICTED = "contradicted"  # floats decide one way, beyond their rounding, and a proof the other: a fault of ours
VERDICTS = CONTRADICTED, VIOLATED, UNDECIDABLE, HOLDS, OUTSIDE
STANDINGS = "proved", "as recalled", "own", "conjecture"
LANES = {"theory": theory, "practice": practice}
LIES = 10.0 ** np.arange(-9, 1)  # that are told of each part of a claim, relative to what it compares
FOUND_OUT = 1e-3  # of instances, the least share that must refute a lie
ON_EDGES = 0.25  # of instances, how many lie on the edges of their ranges
ALSO_PROVED = 100  # instances that floats have decided, on which a certificate is asked all the same
TOLD_BY_THEORY = 0.05  # of loops, the largest share that may be too coarse to tell, and agrees with theory
AT_ONCE = 512  # instances that theory judges together
IN_DIGITS = 2000  # instances at most that are done again in 60 digits

CLAIMS: dict[str, "Claim"] = {}


@dataclasses.dataclass(frozen=True, eq=False)
class Check:
    """Signed margins and verdicts of a claim on many instances."""

    claim: "Claim"
    lane: str
    dropped: str | None
    margins: np.ndarray  # (cases,)
    rounding: np.ndarray  # (cases,)
    tolerances: np.ndarray  # (cases,) allowed differences, of claims of equality
    sizes: np.ndarray  # (cases,) of what is compared
    verdicts: np.ndarray  # (cases,) of str
    # (cases,) of bool: verdicts that floats could not give, and ball arithmetic or 60 digits did; of loops, theory
    certified: np.ndarray
    found_out: np.ndarray  # (parts,) the smallest lie of each part that was found out; infinite where none was
    equalities: np.ndarray  # (parts,) of bool
    instances: dict  # quantity -> (cases,) + its shape

    @property
    def name(self) -> str:
        """The name of the claim."""
        return self.claim.name

    @property
    def counts(self) -> dict[str, int]:
        """How many cases got which verdict."""
        counted = {verdict: int(np.sum(self.verdicts == verdict)) for verdict in VERDICTS}
        return {verdict: count for verdict, count in counted.items() if count or verdict != CONTRADICTED}

    @property
    def verdict(self) -> str:
        """One verdict for all: contradicted before violated before undecidable before holds; outside hypotheses if
        no case was inside."""
        return next((verdict for verdict in VERDICTS if np.any(self.verdicts == verdict)), OUTSIDE)

    @property
    def power(self) -> float:
        """The smallest lie that was found out, relative to what is compared, of the part that sees least.

        Each part of the claim is also judged with a little more than it says, 1e-9 to 1 of its size; a lie is found
        out if it is refuted on one instance in a thousand, of every alternative. Infinite if no lie was found out.
        """
        return float(self.found_out.max(initial=0.0)) if len(self.found_out) else np.inf

    @property
    def blind(self) -> bool:
        """Whether some part sees less than it must: 1e-6 of an equality, of an inequality the claim's own `lie`."""
        wanted = np.where(self.equalities, EQUALITY, self.claim.lie)
        return not len(wanted) or bool(np.any(self.found_out > wanted * (1 + 1e-9)))

    @property
    def worst(self) -> int:
        """The case that decides the verdict: the one of least margin among those that share it."""
        return int(self.decisive[0])

    @property
    def decisive(self) -> np.ndarray:
        """All cases that share the verdict, by their margin.

        Those that only ball arithmetic could decide, whose margin says nothing, come last.
        """
        cases = np.flatnonzero(self.verdicts == self.verdict)
        slack = np.nan_to_num(self.margins[cases] - self.rounding[cases], nan=-np.inf)
        return cases[np.lexsort((slack, self.certified[cases]))]

    @property
    def margin(self) -> float:
        """The margin of the worst case."""
        return float(self.margins[self.worst])

    def instance(self, case: int | None = None) -> dict[str, Any]:
        """The inputs of one case, by default the worst: `claim.at(**check.instance())` repeats it."""
        case = self.worst if case is None else case
        return {name: plain(values[case]) for name, values in self.instances.items()}

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        by = "in more digits" if self.lane == "theory" else "by theory, with which they agree"
        counts += f" ({self.certified.sum()} decided {by})" if self.certified.any() else ""
        dropped = f", without {self.dropped!r}" if self.dropped else ""
        inputs = ", ".join(
            f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self.instance().items()
        )
        rounding, tolerance, size = (values[self.worst] for values in (self.rounding, self.tolerances, self.sizes))
        allowed = f", {tolerance:.1g} allowed of {size:.3g}" if tolerance else ""
        hint = certify.missing() if self.verdict == UNDECIDABLE and self.claim.certificate else ""
        return (
            f"{self.name} ({self.lane}{dropped}): {self.verdict.upper()}\n  cases: {counts}\n"
            f"  worst margin: {self.margin:.3g} (rounding {rounding:.1g}{allowed}) at {inputs}"
            + (f"\n  smallest lie found out: {self.power:.0e}" if len(self.found_out) else "")
            + (f"\n  {hint}" if hint else "")
        )


def plain(value: Any) -> Any:
    """An array as lists of Python's numbers."""
    return value.tolist() if hasattr(value, "tolist") else value


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """A claim checked in both lanes, and what became of each hypothesis when it was dropped."""

    claim: "Claim"
    theory: Check
    practice: Check
    refutations: dict[str, Check]  # hypothesis -> the search without it
    counterexamples: dict[str, dict]  # hypothesis -> the clearest instance, simplified; only where one was found
    confirmations: dict[str, Check]  # hypothesis -> that instance on the loop
    attack: Check | None  # inside all hypotheses, down the gradient; None if not asked for

    @property
    def necessary(self) -> list[str]:
        """The hypotheses without which a counterexample was found, and confirmed on the loop."""
        return [name for name, check in self.confirmations.items() if check.verdict == VIOLATED]

    @property
    def passed(self) -> bool:
        """The claim held in both lanes and against attack, every hypothesis was shown to be necessary, and no part of
        it is blind to a lie."""
        held = self.theory.verdict == self.practice.verdict == HOLDS
        held &= self.attack is None or self.attack.verdict not in (VIOLATED, CONTRADICTED)
        return held and len(self.necessary) == len(self.refutations) and not (self.theory.blind or self.practice.blind)

    @property
    def power(self) -> float:
        """The smallest lie that both lanes found out, of the part that sees least; infinite if one is blind."""
        return max(self.theory.power, self.practice.power)


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
        """What it is about: the module that it is written in."""
        return self.function.__module__.rpartition(".")[2].replace("_", " ").strip()

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
            raise ValueError(f"{self.name} has no hypothesis {drop!r}; it has {', '.join(self.hypotheses)}")
        drawn = self._judge(key, count, "theory", drop=drop)
        return search.descend(drawn, descent) if descent else drawn

    def trial(self, key: Key, count: int = 10_000, loops: int = 100, descent: int = 0) -> "Trial":
        """Everything at once: theory, practice, and every hypothesis dropped, with counterexamples tried on
        the loop. With `descent`, every search goes down the margin's gradient, also that inside all hypotheses."""
        key = as_key(key)
        refutations = {name: self.falsify(key, name, count, descent) for name in self.hypotheses}
        refuted = {name: self._confirmed(check) for name, check in refutations.items() if check.verdict == VIOLATED}
        found, confirmed = ({name: each[i] for name, each in refuted.items()} for i in range(2))
        seen = self.check(key, count), self.practice(key, loops)
        attack = search.descend(seen[0], descent) if descent else None
        return Trial(self, *seen, refutations, found, confirmed, attack)

    def _confirmed(self, refutation):
        """A counterexample of few digits, the clearest that the loop confirms, and the check on the loop."""
        tries = []
        for case in refutation.decisive[:8]:
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
        {'eigenvalue': 0.8, 'teacher': 2.0, 'student': 0.2, 'start': 0.9}
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
        inside = self._met(instances, self.domain)
        return self.verdicts(instances, lane, None, inside)

    def expects(self, instance: dict[str, Any]) -> None:
        """ValueError unless an instance gives every quantity, and no other."""
        missing = self.quantities.keys() ^ instance.keys()
        if missing:
            raise ValueError(
                f"{self.name} takes {', '.join(self.quantities)}; missing or unknown: {', '.join(missing)}"
            )

    def _judge(self, key, count, lane, drop=None):
        _refuse_float32()
        if count < 1:
            raise ValueError(f"count must be at least one instance, got {count}")
        instances = self._draw(as_key(key), count, drop, tame=lane == "practice" or drop is not None)
        return self.verdicts(instances, lane, drop, self.within(instances, drop))

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
        for condition in conditions.values():
            wanted = [np.asarray(instances[name]) for name in inspect.signature(condition).parameters]
            slack = _slack(condition, tuple((values.shape, values.dtype.str) for values in wanted))
            inside &= np.asarray(slack(*wanted), float) > 0
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
            at = {name: plain(values[np.argmin(rounding)]) for name, values in instances.items()}
            raise ValueError(
                f"{self.name}: the rounding of a margin must not be negative, got {rounding.min()} at {at}"
            )
        verdicts = np.where(inside, _verdicts(margins, rounding), OUTSIDE)
        certified = np.zeros(len(inside), bool)
        if drop is None:  # a counterexample is one that floats can tell
            certified = (
                self._decide(verdicts, instances)
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

    def _decide(self, verdicts, instances):
        """Ask the certificate, and then 60 digits, what floats could not say; which verdicts are theirs.

        `verdicts` are changed in place. A proof is also asked of what floats have decided, and contradicts them where
        they are wrong beyond their rounding.
        """
        decided = np.zeros(len(verdicts), bool)
        at = lambda case: {name: plain(values[case]) for name, values in instances.items()}
        if self.certificate and certify.installed():
            sample = np.flatnonzero(verdicts == HOLDS)[:ALSO_PROVED]
            asked = (verdicts == UNDECIDABLE) | (verdicts == VIOLATED)
            asked[sample] = True
            for case in np.flatnonzero(asked):
                proved = self.certificate(**at(case))
                if proved:
                    said = HOLDS if proved.sign > 0 else VIOLATED
                    decided[case] = verdicts[case] == UNDECIDABLE
                    verdicts[case] = said if verdicts[case] in (said, UNDECIDABLE) else CONTRADICTED
        unknown = np.flatnonzero(verdicts == UNDECIDABLE)[:IN_DIGITS]
        some = {name: values[unknown] for name, values in instances.items()}
        for fixed, cases in self.alternatives(some) if len(unknown) else ():
            try:
                signs = exact.signs(self, {name: values[cases] for name, values in some.items()} | dict(fixed))
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
        return f"<claim {self.name} ({self.standing}): {self.statement.splitlines()[0]}>"


def listed(name: str) -> Claim:
    """The claim of a name: what pickles and files of checks hold of it."""
    if name not in CLAIMS:
        raise ValueError(f"there is no claim {name!r} in this session; import or define it, then load again")
    return CLAIMS[name]


KNOWN |= {address(cls): cls for cls in (Check, Trial)}
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


def _judged(claim, lane, fixed, instances, cases):
    """What some cases of one alternative say: margin, rounding, size, tolerance (4, cases); which lies they refute
    (parts, lies, cases); which parts are equalities, and met to the last bit (parts, cases)."""
    varied = {name: values for name, values in instances.items() if name not in dict(fixed)}
    kinds = tuple((name, values.shape[1:], values.dtype.str) for name, values in varied.items())
    judge, at_once, parts = _judge_of(claim, lane, fixed, kinds)
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
def _judge_of(claim, lane, fixed, kinds):
    """The judge of a fixed number of cases at once: many in theory, one run of the algorithm in practice.

    And how many parts it has, none if it never asks its `run`: judged as it is, and with each lie about each part.
    """
    told = []

    def judge(numbers, sizes):
        with Lies(sizes) as lies:
            margin = lies.tell(_margin(claim, claim.function(LANES[lane], **numbers, **dict(fixed))))
        told.append(lies)
        said = jnp.stack(
            [jnp.asarray(each, float) for each in (margin.value, margin.rounding, margin.size, margin.tolerance)]
        )
        return said, jnp.stack(lies.equalities), jnp.stack(lies.exactly)

    numbers = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in kinds}
    try:
        traced = jax.make_jaxpr(judge)(numbers, jax.ShapeDtypeStruct((MOST_PARTS,), float))
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        raise TypeError(
            f"{claim.name} asks for the value of a number that JAX traces, as `if`, `float` and NumPy do; write"
            " jnp.where(condition, a, b) in place of `if`, jnp in place of np, or take the quantity from among(...)"
        ) from error
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


@functools.cache
def _slack(condition, kinds):
    """A condition of many instances at once."""
    return evaluated(jax.vmap(condition), *(jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in kinds))


def _margin(claim, margin):
    """What a claim's function returned, refused unless it is a single margin."""
    if not isinstance(margin, Margin):
        raise TypeError(f"{claim.name} must return a Margin, a value and its rounding; got {margin!r}")
    if jnp.shape(margin.value):
        raise ValueError(f"{claim.name} must return a single number, got a margin of shape {jnp.shape(margin.value)}")
    return margin


def _refuse_float32():
    if not jax.config.jax_enable_x64:
        raise RuntimeError("claims need float64, and JAX_ENABLE_X64 has switched it off; unset that variable")


def claim(
    *,
    source: str,
    standing: str,
    hypotheses: dict[str, Callable],
    domain: dict[str, Callable] | None = None,
    certificate: Callable | None = None,
    lie: float = 1e-3,
    **quantities: Quantity,
) -> Callable[[Callable[..., Margin]], Claim]:
    """Turn a function of `run` and quantities into a `Claim`, and list it in the table.

    The function's docstring is the statement. `quantities` say how each argument is drawn; `hypotheses` map
    names to signed slacks of some of them, met where positive (or true); `domain` does the same for what the statement
    does not speak of at all, such as two equal eigenvalues of which one is to be the larger: it is never dropped.
    `certificate` maps an instance to a proved sign of its margin (see `certify`) and is asked where floats are
    undecided, and on some instances where they are not. `standing` is one of proved, as recalled, own, conjecture;
    what is proved has a paragraph "Proof ..." in its docstring, or the name of a file under tests/proofs.

    `lie` is what is natural for the claim's inequalities: said with so much more, relative to what is compared, each
    must be refuted on some instances. An equality must find out a difference of 1e-6.

    ValueError if the function, the quantities, the conditions and the standing do not fit together.

    >>> import kdtheory as kd
    >>> from kdtheory.claims import CLAIMS, ahead, claim, positive
    >>> @claim(source="folklore", standing="own", lead=positive(), trail=positive(), time=positive(),
    ...        hypotheses=dict(ordered=lambda lead, trail: lead - trail))
    ... def larger_first(run, lead, trail, time):
    ...     "Gradient flow has learnt more of the larger eigenvalue."
    ...     seen = run(kd.GradientFlow(time), jnp.stack([lead, trail]))
    ...     return ahead(seen[0], seen[1])
    >>> larger_first.check(0).verdict, larger_first.falsify(0, drop="ordered").verdict
    ('holds', 'violated')
    >>> del CLAIMS["larger_first"]                                    # leave the table as it was
    """

    def register(function):
        made = Claim(
            name=function.__name__,
            statement=inspect.cleandoc(function.__doc__ or ""),
            source=source,
            standing=standing,
            function=function,
            quantities=quantities,
            hypotheses=hypotheses,
            domain=domain or {},
            certificate=certificate,
            lie=lie,
        )
        _fits(made)
        listed = CLAIMS.get(made.name)
        if listed and listed.function.__module__.startswith("kdtheory.theorems") and listed.topic != made.topic:
            raise ValueError(f"there is a claim {made.name!r} in kdtheory.theorems; give yours another name")
        CLAIMS[made.name] = made
        return made

    return register


def _fits(claim):
    """ValueError unless the parts of a claim fit together."""
    name, taken = claim.name, list(inspect.signature(claim.function).parameters)[1:]
    if not claim.quantities:
        raise ValueError(f"{name} has no quantities to draw; give it at least one, such as time=positive()")
    if unlike := [f"{each!r}" for each in claim.quantities if not isinstance(claim.quantities[each], Quantity)]:
        raise ValueError(f"{name}: {', '.join(unlike)} must be drawn, by positive, uniform, whole, several or among")
    if wrong := set(taken) ^ set(claim.quantities):
        raise ValueError(
            f"{name} takes run, {', '.join(taken)}, and draws {', '.join(claim.quantities)}; these must be the same,"
            f" and {', '.join(sorted(wrong))} is in one of them only"
        )
    for condition, slack in (claim.hypotheses | claim.domain).items():
        if wrong := [each for each in inspect.signature(slack).parameters if each not in claim.quantities]:
            raise ValueError(
                f"{name}: {condition!r} asks for {', '.join(wrong)}, which is no quantity; there are"
                f" {', '.join(claim.quantities)}"
            )
    if claim.standing not in STANDINGS:
        raise ValueError(f"{name}: standing must be one of {', '.join(STANDINGS)}, got {claim.standing!r}")
    shown = re.search(r"^Proof\b|tests/proofs/\w+\.py", claim.statement, re.MULTILINE)
    if claim.standing == "proved" and not shown:
        raise ValueError(
            f"{name} is called proved: end its docstring with a paragraph 'Proof. ...', or name a file under"
            " tests/proofs; what has no proof is own, as recalled, or a conjecture"
        )
    if not claim.lie > 0:
        raise ValueError(f"{name}: lie must be a positive number, got {claim.lie!r}")
