"""Claims: published statements that can be checked, and broken on purpose.

A claim is a function of a `run` and of its quantities that returns a signed margin. The same text is judged
in two lanes: in *theory*, `run` answers from filters, vmapped over many random instances; in *practice*, from
the algorithm itself, on data with exactly the spectrum asked for. Its hypotheses are named, so that one can
be dropped and the search for a counterexample must then succeed.
"""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import certify, problems
from kdtheory._record import record
from kdtheory.learners import Learner
from kdtheory.numerics import Shares, share

HOLDS, VIOLATED, UNDECIDABLE, OUTSIDE = "holds", "violated", "undecidable", "outside hypotheses"
EPS = float(np.finfo(float).eps)

CLAIMS: dict[str, "Claim"] = {}


# What a claim sees, and the margins it returns.


@record
class Seen:
    """Where a learner ended along each direction, as fractions of the target, with what is known of their
    errors.

    `seen[k]` is one direction. Logs and errors serve `ahead`; formulas use `learnt` and `residual`, which sum
    to one.
    """

    learnt: jax.Array
    residual: jax.Array
    log_learnt: jax.Array
    log_residual: jax.Array
    log_learnt_error: jax.Array
    log_residual_error: jax.Array

    def __getitem__(self, direction) -> "Seen":
        return jax.tree.map(lambda array: array[direction], self)


@record
class Margin:
    """A signed margin, positive where the claim holds, and the rounding within which its sign is not
    known."""

    value: jax.Array
    rounding: jax.Array


def ahead(first: Seen, second: Seen, matched: Seen | None = None) -> Margin:
    """By how much `first` has learnt more than `second`, in logs of what is small: of learnt below ½, else of
    residual.

    `matched` is the sight from which the clock of one of the two was computed; its error moves that clock.
    """
    late = (second.learnt >= 0.5) & (first.residual > 0) & (second.residual > 0)
    value = jnp.where(late, second.log_residual - first.log_residual, first.log_learnt - second.log_learnt)
    rounding = jnp.where(
        late, first.log_residual_error + second.log_residual_error, first.log_learnt_error + second.log_learnt_error
    )
    if matched is not None:
        clock = matched.log_residual_error / -matched.log_residual + matched.log_learnt_error
        rounding = rounding + clock * jnp.maximum(1.0, -jnp.where(late, first.log_residual, 0.0))
    return Margin(value, rounding)


def uncertainty(seen: Seen):
    """The absolute error of `learnt` and of `residual`, whichever logarithm knows it better."""
    return jnp.nanmin(
        jnp.stack([seen.log_learnt_error * jnp.abs(seen.learnt), seen.log_residual_error * jnp.abs(seen.residual)]),
        axis=0,
    )


def same(first, second, error) -> Margin:
    """The allowed difference minus |first - second|, for claims of equality: never negative within
    `error`."""
    return Margin(error - jnp.abs(first - second), jnp.zeros(()))


def either(first: Margin, second: Margin) -> Margin:
    """The margin of "one or the other": the better of the two, unknown if one is and the other does not
    hold."""
    better = _slack(first) > _slack(second)
    chosen = jax.tree.map(lambda a, b: jnp.where(better, a, b), first, second)
    unknown = (jnp.isnan(first.value) | jnp.isnan(second.value)) & ~(_slack(chosen) > 0)
    return Margin(jnp.where(unknown, jnp.nan, chosen.value), chosen.rounding)


def both(first: Margin, second: Margin) -> Margin:
    """The margin of "one and the other": the worse of the two, unknown if either is."""
    worse = _slack(first) < _slack(second)
    chosen = jax.tree.map(lambda a, b: jnp.where(worse, a, b), first, second)
    unknown = jnp.isnan(first.value) | jnp.isnan(second.value)
    return Margin(jnp.where(unknown, jnp.nan, chosen.value), chosen.rounding)


def _slack(margin):
    return jnp.nan_to_num(margin.value - margin.rounding, nan=-jnp.inf)


# The two lanes.


def theory(learner: Learner, spectrum, target=None, start=None) -> Seen:
    """What the filters say. `target` is one and `start` zero along each direction unless given."""
    shares, begun = learner.shares(spectrum), jnp.asarray(0.0 if start is None else start)
    if target is not None:
        return measured(shares.learnt.value * target + shares.left.value * begun, 4 * EPS)
    ended = Shares(shares.learnt + shares.left * share(begun), shares.left * share(1.0 - begun), shares.lost)
    learnt, residual = ended.learnt.value, ended.residual.value
    log_learnt, log_residual = ended.log_learnt(), ended.residual.log
    # composed logs are good to a few ulp, and the clock that a claim computes from them to a few more
    return Seen(
        learnt, residual, log_learnt, log_residual, 16 * EPS * jnp.abs(log_learnt), 16 * EPS * jnp.abs(log_residual)
    )


def practice(learner: Learner, spectrum, target=None, start=None) -> Seen:
    """What the algorithm does, on data whose sample eigenvalues are exactly the given ones."""
    count = len(spectrum)
    u, v = _bases(count)
    features = jnp.sqrt(len(u)) * (u * jnp.sqrt(spectrum)) @ v.T
    target = jnp.ones(count) if target is None else target
    problem = problems.Linear(features, features @ (v @ target))
    parameters = learner.fit(problem, None if start is None else v @ (jnp.zeros(count) + start))
    clock = jnp.max(spectrum) * sum(jnp.sum(part.clock) for part in learner.parts() if hasattr(part, "time"))
    return measured(v.T @ parameters, 1e-12 + 10 * EPS * clock)


LANES = {"theory": theory, "practice": practice}


def face(run, formula, algorithm):
    """For statements about no filter: the closed form where `run` is theory, the algorithm on data in practice."""
    return algorithm if run is practice else formula


def measured(learnt, error) -> Seen:
    """Fractions known up to an absolute error."""
    residual = 1.0 - learnt
    log_learnt = jnp.log(learnt)
    return Seen(learnt, residual, log_learnt, jnp.log(residual), error / jnp.abs(learnt), error / jnp.abs(residual))


@functools.cache
def _bases(count):
    """One random rotation of the samples and one of the parameters, the same for all instances (and constants
    to JAX)."""
    random = np.random.default_rng(count)
    return tuple(np.linalg.qr(random.standard_normal((rows, count)))[0] for rows in (2 * count + 2, count))


# Quantities: how their values are drawn, widely for theory and tamely for loops.


@dataclasses.dataclass(frozen=True, eq=False)
class Quantity:
    """How to draw one quantity of a claim: `draw(key, count, tame)` returns count values."""

    draw: Callable
    values: tuple | None = None  # instead of numbers: a few named alternatives


def positive(low=1e-3, high=1e3, tame=(0.2, 3.0)) -> Quantity:
    """A positive number, uniform in its logarithm; loops get it from the narrower range `tame`."""

    def draw(key, count, gentle):
        a, b = tame if gentle else (low, high)
        return jnp.exp(jax.random.uniform(key, (count,), minval=np.log(a), maxval=np.log(b)))

    return Quantity(draw)


def uniform(low, high) -> Quantity:
    """A number uniform between low and high."""
    return Quantity(lambda key, count, tame: jax.random.uniform(key, (count,), minval=low, maxval=high))


def whole(low, high) -> Quantity:
    """A whole number from low to high, uniform in its logarithm."""

    def draw(key, count, tame):
        return jnp.floor(
            jnp.exp(jax.random.uniform(key, (count,), minval=np.log(low), maxval=np.log(high + 1)))
        ).astype(int)

    return Quantity(draw)


def several(count: int, quantity: Quantity) -> Quantity:
    """A vector of `count` independent values."""

    def draw(key, cases, tame):
        return jnp.stack([quantity.draw(each, cases, tame) for each in jax.random.split(key, count)], axis=1)

    return Quantity(draw)


def usually(value, otherwise: Quantity) -> Quantity:
    """A fixed value in three cases of four, and otherwise drawn: for a hypothesis that pins a quantity."""

    def draw(key, count, tame):
        choose, rest = jax.random.split(key)
        return jnp.where(jax.random.uniform(choose, (count,)) < 0.75, value, otherwise.draw(rest, count, tame))

    return Quantity(draw)


def among(*values) -> Quantity:
    """One of a few fixed alternatives, such as numbers of fits or names; cases are shared out evenly."""
    return Quantity(lambda key, count, tame: None, values)


# Claims and checks.


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
        """The case that decides the verdict: the one of least margin among those that share it.

        Cases that only ball arithmetic could decide, whose margin says nothing, come last.
        """
        cases = np.flatnonzero(self.verdicts == self.verdict)
        slack = np.nan_to_num(self.margins[cases] - self.rounding[cases], nan=-np.inf)
        return int(cases[np.lexsort((slack, self.certified[cases]))[0]])

    @property
    def margin(self) -> float:
        """The margin of the worst case."""
        return float(self.margins[self.worst])

    def instance(self, case=None) -> dict:
        """The inputs of one case, by default the worst: `claim.at(**check.instance())` repeats it."""
        case = self.worst if case is None else case
        return {name: _plain(values[case]) for name, values in self.instances.items()}

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


def _rounded(values, digits):
    """To some significant digits."""
    return np.array([float(f"{x:.{digits - 1}e}") for x in values.ravel()]).reshape(values.shape).astype(values.dtype)


def _plain(value):
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

    @property
    def necessary(self) -> list[str]:
        """The hypotheses without which a counterexample was found, and confirmed on the loop."""
        return [name for name, check in self.confirmations.items() if check.verdict == VIOLATED]

    @property
    def passed(self) -> bool:
        """The claim held in both lanes and every hypothesis was shown to be necessary."""
        return self.theory.verdict == self.practice.verdict == HOLDS and len(self.necessary) == len(self.refutations)


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

    def falsify(self, key, drop, count=10_000) -> Check:
        """Search for a counterexample outside the hypothesis `drop` and inside all others.

        The check is *violated* if one was found; its worst instance is then the clearest. Instances are those
        of loops, so that `claim.at(lane="practice", **check.instance())` can confirm it.
        """
        if drop not in self.hypotheses:
            raise ValueError(f"{self.name} has no hypothesis {drop!r}; it has {', '.join(self.hypotheses)}")
        return self._judge(key, count, "theory", drop=drop)

    def trial(self, key, count=10_000, loops=100) -> "Trial":
        """Everything at once: theory, practice, and every hypothesis dropped, with counterexamples tried on
        the loop."""
        key = problems.as_key(key)
        refutations = {name: self.falsify(key, name, count) for name in self.hypotheses}
        found = {name: self.simplify(check) for name, check in refutations.items() if check.verdict == VIOLATED}
        confirmed = {name: self.at("practice", **instance) for name, instance in found.items()}
        return Trial(self, self.check(key, count), self.practice(key, loops), refutations, found, confirmed)

    def simplify(self, refutation: Check) -> dict:
        """The clearest counterexample of `falsify`, each number rounded to as few digits as still refute it.

        It stays outside of the dropped hypothesis and inside all others.

        >>> import kdtheory as kd
        >>> claim = kd.theorems.ridge_semigroup
        >>> claim.simplify(claim.falsify(0, drop="zero_start"))
        {'eigenvalue': 0.6, 'teacher': 2.0, 'student': 0.2, 'start': 0.9}
        """
        instance, dropped = refutation.instance(), refutation.dropped
        for name, quantity in self.quantities.items():
            if quantity.values:
                continue
            rounded = np.stack([_rounded(np.asarray(instance[name]), digits) for digits in range(1, 7)])
            tried = {other: np.array([value] * len(rounded)) for other, value in instance.items()} | {name: rounded}
            verdicts = self._verdicts(tried, "theory", dropped, self._inside(tried, dropped)).verdicts
            if VIOLATED in verdicts:
                instance[name] = _plain(rounded[np.argmax(verdicts == VIOLATED)])
        return instance

    def at(self, lane="theory", **instance) -> Check:
        """Judge one instance of your own, hypotheses or not, in theory or in practice."""
        missing = self.quantities.keys() ^ instance.keys()
        if missing:
            raise ValueError(
                f"{self.name} takes {', '.join(self.quantities)}; missing or unknown: {', '.join(missing)}"
            )
        _refuse_float32()
        instances = {name: np.asarray([value]) for name, value in instance.items()}
        return self._verdicts(instances, lane, None, np.array([True]))

    def _judge(self, key, count, lane, drop=None):
        _refuse_float32()
        instances = self._draw(problems.as_key(key), count, drop, tame=lane == "practice" or drop is not None)
        return self._verdicts(instances, lane, drop, self._inside(instances, drop))

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
            inside = self._inside(drawn, drop)
            for name, values in drawn.items():
                kept[name].append(values[inside])
            enough += int(inside.sum())
            if enough >= count:
                return {name: np.concatenate(values)[:count] for name, values in kept.items()}
        raise ValueError(
            f"{self.name}: only {enough} of {64 * count} random instances are within the hypotheses; narrow the"
            " quantities that they draw from"
        )

    def _inside(self, instances, drop):
        """Which cases meet every hypothesis, with the dropped one negated."""
        inside = np.ones(len(next(iter(instances.values()))), bool)
        for name, hypothesis in self.hypotheses.items():
            wanted = {q: instances[q] for q in inspect.signature(hypothesis).parameters}
            met = np.array(jax.vmap(hypothesis)(*wanted.values()), float) > 0
            inside &= ~met if name == drop else met
        return inside

    def _verdicts(self, instances, lane, drop, inside):
        margins, rounding = np.empty((2, len(inside)))
        fixed = [name for name, quantity in self.quantities.items() if quantity.values]
        for values in sorted(set(zip(*(instances[name].tolist() for name in fixed), strict=True))) if fixed else [()]:
            cases = np.all([instances[name] == value for name, value in zip(fixed, values, strict=True)], axis=0)
            cases = np.flatnonzero(np.broadcast_to(cases, inside.shape))
            judge, at_once = _compiled(self, lane, tuple(zip(fixed, values, strict=True)))
            for some in np.split(cases, range(at_once, len(cases), at_once)):
                padded = np.resize(some, at_once)
                seen = judge({name: array[padded] for name, array in instances.items() if name not in fixed})
                margins[some], rounding[some] = seen.value[: len(some)], seen.rounding[: len(some)]
        with np.errstate(invalid="ignore"):
            verdicts = np.select(
                [~inside, margins > rounding, margins < -rounding], [OUTSIDE, HOLDS, VIOLATED], UNDECIDABLE
            )
        certified = np.zeros(len(inside), bool)
        if self.certificate and lane == "theory" and certify.installed():
            for case in np.flatnonzero((verdicts == UNDECIDABLE) | (verdicts == VIOLATED)):
                proved = self.certificate(**{name: _plain(values[case]) for name, values in instances.items()})
                if proved:
                    certified[case], verdicts[case] = True, HOLDS if proved.sign > 0 else VIOLATED
        return Check(self, lane, drop, margins, rounding, verdicts, certified, instances)

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
        return jax.tree.map(lambda result: jnp.asarray(result)[None], judge({name: rows[0] for name, rows in numbers.items()}))

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
        CLAIMS[made.name] = made
        return made

    return register
