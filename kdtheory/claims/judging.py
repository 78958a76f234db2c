"""Claims, and the checks that judge them."""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import certify, problems
from kdtheory.claims import search
from kdtheory.claims.margins import practice, theory
from kdtheory.claims.quantities import Quantity

HOLDS, VIOLATED, UNDECIDABLE, OUTSIDE = "holds", "violated", "undecidable", "outside hypotheses"
LANES = {"theory": theory, "practice": practice}

CLAIMS: dict[str, "Claim"] = {}


@dataclasses.dataclass(frozen=True, eq=False)
class Check:
    """Signed margins and verdicts of a claim on many instances."""

    claim: "Claim"
    lane: str
    dropped: str | None
    margins: np.ndarray  # (cases,)
    rounding: np.ndarray  # (cases,)
    verdicts: np.ndarray  # (cases,) of str
    certified: np.ndarray  # (cases,) of bool: verdicts that floats could not give and ball arithmetic proved
    instances: dict  # quantity -> (cases,) + its shape

    @property
    def name(self) -> str:
        """The name of the claim."""
        return self.claim.name

    @property
    def counts(self) -> dict[str, int]:
        """How many cases got which verdict."""
        return {verdict: int(np.sum(self.verdicts == verdict)) for verdict in (HOLDS, VIOLATED, UNDECIDABLE, OUTSIDE)}

    @property
    def verdict(self) -> str:
        """One verdict for all: violated before undecidable before holds; outside hypotheses if no case was
        inside."""
        for verdict in (VIOLATED, UNDECIDABLE, HOLDS):
            if np.any(self.verdicts == verdict):
                return verdict
        return OUTSIDE

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

    def instance(self, case=None) -> dict:
        """The inputs of one case, by default the worst: `claim.at(**check.instance())` repeats it."""
        case = self.worst if case is None else case
        return {name: plain(values[case]) for name, values in self.instances.items()}

    def __repr__(self):
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        counts += f" ({self.certified.sum()} proved by ball arithmetic)" if self.certified.any() else ""
        dropped = f", without {self.dropped!r}" if self.dropped else ""
        inputs = ", ".join(
            f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self.instance().items()
        )
        return (
            f"{self.name} ({self.lane}{dropped}): {self.verdict.upper()}\n  cases: {counts}\n"
            f"  worst margin: {self.margin:.3g} (rounding {self.rounding[self.worst]:.1g}) at {inputs}"
        )


def plain(value):
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
        """The claim held in both lanes and against attack, and every hypothesis was shown to be necessary."""
        held = self.theory.verdict == self.practice.verdict == HOLDS
        held &= self.attack is None or self.attack.verdict != VIOLATED
        return held and len(self.necessary) == len(self.refutations)


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
    certificate: Callable | None  # instance -> Certificate, None where it has nothing to say

    @property
    def topic(self) -> str:
        """What it is about: the module that it is written in."""
        return self.function.__module__.rpartition(".")[2].replace("_", " ").strip()

    def check(self, key, count=10_000) -> Check:
        """Judge the claim in theory, on `count` random instances within its hypotheses."""
        return self._judge(key, count, "theory")

    def practice(self, key, count=100) -> Check:
        """Judge the claim in practice: the algorithm runs on data, `count` times."""
        return self._judge(key, count, "practice")

    def falsify(self, key, drop=None, count=10_000, descent=0) -> Check:
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

    def trial(self, key, count=10_000, loops=100, descent=0) -> "Trial":
        """Everything at once: theory, practice, and every hypothesis dropped, with counterexamples tried on
        the loop. With `descent`, every search goes down the margin's gradient, also that inside all hypotheses."""
        key = problems.as_key(key)
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

    def simplify(self, refutation: Check, case=None) -> dict:
        """A counterexample of `falsify`, the clearest unless another `case` is asked for, in as few digits as
        still refute.

        It stays outside of the dropped hypothesis and inside all others.

        >>> import kdtheory as kd
        >>> claim = kd.theorems.ridge_semigroup
        >>> claim.simplify(claim.falsify(0, drop="zero_start"))
        {'eigenvalue': 0.6, 'teacher': 2.0, 'student': 0.2, 'start': 0.9}
        """
        return search.simplify(refutation, case)

    def at(self, lane="theory", **instance) -> Check:
        """Judge one instance of your own, hypotheses or not, in theory or in practice."""
        self.expects(instance)
        _refuse_float32()
        instances = {name: np.asarray([value]) for name, value in instance.items()}
        return self.verdicts(instances, lane, None, np.array([True]))

    def expects(self, instance):
        """ValueError unless an instance gives every quantity, and no other."""
        missing = self.quantities.keys() ^ instance.keys()
        if missing:
            raise ValueError(
                f"{self.name} takes {', '.join(self.quantities)}; missing or unknown: {', '.join(missing)}"
            )

    def _judge(self, key, count, lane, drop=None):
        _refuse_float32()
        instances = self._draw(problems.as_key(key), count, drop, tame=lane == "practice" or drop is not None)
        return self.verdicts(instances, lane, drop, self.within(instances, drop))

    def _draw(self, key, count, drop, tame):
        """Instances within the hypotheses, but outside the one that is dropped."""
        kept = {name: [] for name in self.quantities}
        alternatives = list(itertools.product(*(q.values for q in self.quantities.values() if q.values)))
        enough = 0
        for round in range(64):
            drawn, fixed = {}, iter(range(len(self.quantities)))
            for number, (name, quantity) in enumerate(self.quantities.items()):
                if quantity.values:
                    column = next(fixed)
                    drawn[name] = np.array([alternatives[i % len(alternatives)][column] for i in range(count)])
                else:
                    drawn[name] = np.asarray(quantity.draw(jax.random.fold_in(key, 1000 * round + number), count, tame))
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

    def within(self, instances, drop):
        """Which cases meet every hypothesis, with the dropped one negated."""
        inside = np.ones(len(next(iter(instances.values()))), bool)
        for name, hypothesis in self.hypotheses.items():
            wanted = {q: instances[q] for q in inspect.signature(hypothesis).parameters}
            met = np.array(jax.vmap(hypothesis)(*wanted.values()), float) > 0
            inside &= ~met if name == drop else met
        return inside

    def verdicts(self, instances, lane, drop, inside) -> Check:
        """Judge given instances; `inside` says which of them are within the hypotheses."""
        margins, rounding = np.empty((2, len(inside)))
        for fixed, cases in self.alternatives(instances):
            judge, at_once = _compiled(self, lane, fixed)
            for some in np.split(cases, range(at_once, len(cases), at_once)):
                padded = np.resize(some, at_once)
                seen = judge({name: array[padded] for name, array in instances.items() if name not in dict(fixed)})
                margins[some], rounding[some] = seen.value[: len(some)], seen.rounding[: len(some)]
        with np.errstate(invalid="ignore"):
            verdicts = np.select(
                [~inside, margins > rounding, margins < -rounding], [OUTSIDE, HOLDS, VIOLATED], UNDECIDABLE
            )
        certified = np.zeros(len(inside), bool)
        if self.certificate and lane == "theory" and certify.installed():
            for case in np.flatnonzero((verdicts == UNDECIDABLE) | (verdicts == VIOLATED)):
                proved = self.certificate(**{name: plain(values[case]) for name, values in instances.items()})
                if proved:
                    certified[case], verdicts[case] = True, HOLDS if proved.sign > 0 else VIOLATED
        return Check(self, lane, drop, margins, rounding, verdicts, certified, instances)

    def alternatives(self, instances):
        """Instances by the values of their named alternatives: pairs of ((name, value), ...) and cases (n,)."""
        fixed = [name for name, quantity in self.quantities.items() if quantity.values]
        if not fixed:
            yield (), np.arange(len(next(iter(instances.values()))))
            return
        chosen = list(zip(*(instances[name].tolist() for name in fixed), strict=True))
        for values in sorted(set(chosen)):
            yield tuple(zip(fixed, values, strict=True)), np.flatnonzero([each == values for each in chosen])

    def __reduce__(self):
        return listed, (self.name,)

    def __repr__(self):
        return f"<claim {self.name} ({self.standing}): {self.statement.splitlines()[0]}>"


def listed(name) -> Claim:
    """The claim of a name: what pickles and files of checks hold of it."""
    if name not in CLAIMS:
        raise ValueError(f"there is no claim {name!r} in this session; import or define it, then load again")
    return CLAIMS[name]


@functools.cache
def _compiled(claim, lane, fixed):
    """The judge of a fixed number of cases at once: many in theory, one run of the algorithm in practice."""

    def judge(numbers):
        return claim.function(LANES[lane], **numbers, **dict(fixed))

    def judge_one(numbers):
        seen = judge({name: rows[0] for name, rows in numbers.items()})
        return jax.tree.map(lambda result: jnp.asarray(result)[None], seen)

    # compiling is what this costs: these programs are large and run for a moment
    options = {"xla_backend_optimization_level": 0}
    many, at_once = (jax.vmap(judge), 1024) if lane == "theory" else (judge_one, 1)
    return jax.jit(many, compiler_options=options), at_once


def _refuse_float32():
    if not jax.config.jax_enable_x64:
        raise RuntimeError("claims need float64, and JAX_ENABLE_X64 has switched it off; unset that variable")


def claim(
    *,
    source: str,
    standing: str,
    hypotheses: dict[str, Callable],
    certificate: Callable | None = None,
    **quantities: Quantity,
):
    """Turn a function of `run` and quantities into a `Claim`, and list it in the table.

    The function's docstring is the statement. `quantities` say how each argument is drawn; `hypotheses` map
    names to signed slacks of some of them, met where positive (or true). `certificate` maps an instance to a
    proved sign of its margin (see `certify`) and is asked where floats are undecided or say violated.
    `standing` is one of proved, as recalled, own, conjecture.

    >>> import kdtheory as kd
    >>> from kdtheory.claims import CLAIMS, ahead, claim, positive
    >>> @claim(source="folklore", standing="own", lead=positive(), trail=positive(), time=positive(),
    ...        hypotheses=dict(ordered=lambda lead, trail: lead - trail))
    ... def larger_first(run, lead, trail, time):
    ...     "Gradient flow has learnt more of the larger eigenvalue."
    ...     seen = run(kd.GradientFlow(time), jnp.stack([lead, trail]))
    ...     return ahead(seen[0], seen[1])
    >>> larger_first.practice(0, count=20).verdict, larger_first.falsify(0, drop="ordered").verdict
    ('holds', 'violated')
    >>> del CLAIMS["larger_first"]                                    # leave the table as it was
    """

    def register(function):
        made = Claim(
            function.__name__,
            inspect.cleandoc(function.__doc__ or ""),
            source,
            standing,
            function,
            quantities,
            hypotheses,
            certificate,
        )
        listed = CLAIMS.get(made.name)
        if listed and listed.function.__module__.startswith("kdtheory.theorems") and listed.topic != made.topic:
            raise ValueError(f"there is a claim {made.name!r} in kdtheory.theorems; give yours another name")
        CLAIMS[made.name] = made
        return made

    return register
