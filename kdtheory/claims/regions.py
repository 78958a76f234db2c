"""Where a claim fails, in words: thresholds on quantities and on products of their powers; and what would save it."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Key, as_key
from kdtheory.claims import search
from kdtheory.claims.quantities import plain

if TYPE_CHECKING:
    from kdtheory.claims.checks import Check
    from kdtheory.claims.judging import Claim

MOST_CONDITIONS, BEAM = 3, 6  # of a region, and how many of its beginnings are tried
WORTH, PER_FACTOR = 0.02, 0.01  # what a further condition, and a further factor in one, must bring
NEXT_TO = 0.002  # what fewer digits may cost
ROUNDS, DESCENT = 8, 20  # of attacks on a threshold
LEAST_KEPT = 0.05  # of what holds, below which a hypothesis saves nothing
POWERS = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
SPELT = {0.5: "^½", 1.0: "", 2.0: "²"}


@dataclasses.dataclass(frozen=True)
class Condition:
    """A product of powers of quantities above or below a threshold, or a quantity that is one of its alternatives.

    `str(condition)` are words; `code` is the signed slack, positive where it is met, as a hypothesis is written.
    """

    factors: tuple[tuple[str, float], ...]  # (what, power)
    above: bool
    threshold: Any  # a number; of alternatives the value, and `above` says that it is so
    rank: float = 0.0  # how far it is from plain

    @property
    def named(self) -> bool:
        """Whether it is about an alternative by name."""
        return not isinstance(self.threshold, float)

    @property
    def quantities(self) -> list[str]:
        """The quantities in it, in order."""
        return list(dict.fromkeys(_stem(what) for what, _ in self.factors))

    def __str__(self) -> str:
        if self.named:
            return f"{self.factors[0][0]} is {'' if self.above else 'not '}{self.threshold}"
        over = "·".join(f"{_spelt(what)}{SPELT[power]}" for what, power in self.factors if power > 0)
        under = [f"{_spelt(what)}{SPELT[-power]}" for what, power in self.factors if power < 0]
        below = "" if not under else f"/{under[0]}" if len(under) == 1 else f"/({'·'.join(under)})"
        return f"{over or '1'}{below} {'>' if self.above else '<'} {self.threshold:.6g}"

    @property
    def code(self) -> str:
        """The condition as a hypothesis in Python."""
        if self.named:
            sign = "==" if self.above else "!="
            return f"lambda {self.factors[0][0]}: {self.factors[0][0]} {sign} {self.threshold!r}"
        power = lambda what, p: what if p == 1 else f"{what}**{p:g}"
        bracket = lambda what: f"({what})" if "-" in what else what
        over = " * ".join(power(bracket(what), p) for what, p in self.factors if p > 0) or "1.0"
        under = "".join(f" / {power(bracket(what), -p)}" for what, p in self.factors if p < 0)
        number, product = f"{self.threshold:.6g}", over + under
        slack = f"{product} - {number}" if self.above else f"{number} - {product}"
        return f"lambda {', '.join(self.quantities)}: {slack}"

    def values(self, instances: dict[str, np.ndarray]) -> np.ndarray:
        """What is compared with the threshold, (cases,)."""
        if self.named:
            return instances[self.factors[0][0]]
        atoms = _atoms(instances, {_stem(what) for what, _ in self.factors})
        with np.errstate(all="ignore"):
            return np.prod([atoms[what] ** power for what, power in self.factors], axis=0)

    def told(self, values: np.ndarray) -> np.ndarray:
        """Which of such values meet it."""
        if self.named:
            return (values == self.threshold) == self.above
        return values > self.threshold if self.above else values < self.threshold

    def safer(self) -> "Condition":
        """The same with a threshold of two digits, from which fewer instances meet it."""
        if self.named or self.threshold == 0.0:
            return self
        unit = 10.0 ** (np.floor(np.log10(abs(self.threshold))) - 1)
        steps = self.threshold / unit
        whole = np.ceil(steps - 1e-9) if self.above else np.floor(steps + 1e-9)
        return dataclasses.replace(self, threshold=float(f"{whole * unit:.6g}"))

    def slack(self) -> Callable:
        """The hypothesis of `code`."""
        return eval(self.code, {"jnp": jnp})  # written above, of names of quantities and numbers


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """Where a claim fails, and the simplest extra hypothesis that saves it. Made by `Check.where`.

    `str(region)` says it in words; `region.hypothesis` is what to write into `hypotheses`.
    """

    check: "Check"
    conditions: tuple[Condition, ...]  # which are all met in the region; none where it is everywhere
    precision: float  # of the judged instances in the region, the share that violates the claim
    recall: float  # of the violations, the share that lies in the region
    hypothesis: Condition | None  # with which no violation was found; None if none was good for anything
    kept: float  # of the instances that hold, the share that meets the hypothesis
    saved: "Check | None"  # of the claim with that hypothesis, on fresh instances and down the gradient from them

    @property
    def words(self) -> str:
        """The conditions, all of which are met in the region."""
        return " and ".join(map(str, self.conditions)) or "everywhere within the hypotheses"

    def __repr__(self) -> str:
        check, judged = self.check, np.isin(self.check.verdicts, ["holds", "violated"]).sum()
        fails = f"{check.name} ({check.lane}) fails where {self.words}"
        if not self.conditions:
            return fails.replace("where everywhere", "everywhere")
        said = [
            fails,
            f"  {check.counts['violated']:,} of {judged:,} are violated; {self.recall:.1%} of them are there, and"
            f" {self.precision:.1%} of what is there is violated",
        ]
        if self.hypothesis is None or self.saved is None:
            return "\n".join([*said, "  no single extra hypothesis of this kind was found to save it"])
        cases = f"{len(self.saved.margins):,} fresh instances"
        said_of = "holds" if self.saved.holds else f"is {self.saved.verdict}"
        return "\n".join(
            [
                *said,
                f"  with the extra hypothesis {self.hypothesis} it {said_of} on {cases}, and attacked"
                f" from there; {self.kept:.1%} of what holds meets it",
                f"  hypotheses=dict(..., extra={self.hypothesis.code})",
            ]
        )


def where(check: "Check", key: Key) -> Region:
    """The region of the violations of a check; see `Check.where`."""
    violated, held = check.verdicts == "violated", check.verdicts == "holds"
    if not violated.any():
        way = "narrow the ranges of what it is about" if check.verdict == "undecidable" else "falsify searches harder"
        raise ValueError(f"{check.name} is violated nowhere in this check ({check.verdict}); {way}")
    if not held.any():
        return Region(check, (), 1.0, 1.0, None, 0.0, None)
    cases = violated | held
    instances, wrong = {name: each[cases] for name, each in check.instances.items()}, violated[cases]
    columns = list(_columns(check.claim, instances))
    conditions, inside = _region(columns, wrong)
    found = _saving(columns, wrong)
    hypothesis, saved = _attacked(check, found, as_key(key)) if found else (None, None)
    kept = float(hypothesis.told(hypothesis.values(instances))[~wrong].mean()) if hypothesis else 0.0
    return Region(check, conditions, float(wrong[inside].mean()), float(inside[wrong].mean()), hypothesis, kept, saved)


# What conditions are about: quantities, entries of vectors, complements of shares, and products of their powers.


def _atoms(instances, names):
    """Single numbers of each instance, by how Python writes them."""
    atoms = {}
    for name in names:
        values = instances[name]
        if values.ndim == 1:
            atoms |= {name: values.astype(float), f"1 - {name}": 1.0 - values}
        elif values.ndim == 2:
            atoms |= {f"{name}[{place}]": values[:, place] for place in range(min(values.shape[1], 4))}
            atoms |= {f"jnp.min({name})": values.min(1), f"jnp.max({name})": values.max(1)}
    return atoms


def _stem(what):
    return what.removeprefix("1 - ").removeprefix("jnp.min(").removeprefix("jnp.max(").rstrip(")").split("[")[0]


def _spelt(what):
    return f"({what})" if what.startswith("1 - ") else what.removeprefix("jnp.")


def _columns(claim: "Claim", instances: dict[str, np.ndarray]) -> Iterator[tuple[tuple, float, np.ndarray]]:
    """What conditions are about: (factors, rank, values (cases,)), plain ones first.

    Of products only those of positive numbers; 1 - x is a factor where x is a share, from 0 to 1.
    """
    named = [name for name, quantity in claim.quantities.items() if quantity.values]
    numeric = [name for name in named if instances[name].dtype.kind in "iuf" and instances[name].ndim == 1]
    for name in named:
        if name not in numeric and instances[name].ndim == 1 and len(np.unique(instances[name])) > 1:
            yield ((name, 1.0),), 0.0, instances[name]
    atoms = _atoms(instances, [name for name in claim.quantities if name not in named or name in numeric])
    atoms = {what: x for what, x in atoms.items() if np.ptp(x) > 0}
    shares = {what for what, x in atoms.items() if x.min() >= 0.0 and x.max() <= 1.0}
    for what, values in atoms.items():
        if not what.startswith("1 - "):
            yield ((what, 1.0),), 0.0, values
    with np.errstate(divide="ignore"):
        logs = {what: np.log(x) for what, x in atoms.items() if x.min() >= 0 and (what[:3] != "1 -" or what in shares)}
    products = ((factors, rank, _exp_of_sum(logs, factors)) for factors, rank in _products(logs))
    yield from (each for each in products if np.all(np.isfinite(each[2])))


def _products(logs):
    """The factors of two or three different quantities, and how far each product is from plain."""
    for a, b in itertools.combinations(logs, 2):
        for power in POWERS if _stem(a) != _stem(b) else ():
            yield ((a, 1.0), (b, power)), 1.0 + (abs(power) != 1)
    for a, b, c in itertools.combinations(logs, 3):
        for second, third in itertools.product((1.0, -1.0), repeat=2) if len({*map(_stem, (a, b, c))}) == 3 else ():
            yield ((a, 1.0), (b, second), (c, third)), 2.0


def _exp_of_sum(logs, factors):
    with np.errstate(all="ignore"):
        return np.exp(sum(power * logs[what] for what, power in factors))


# The region: a few conditions, scored by F1, of which the best few beginnings are gone on with.


def _region(columns, wrong):
    """The conditions that tell violations from the rest, and which cases meet all of them."""
    best, begun = (0.0, (), np.ones(len(wrong), bool)), [((), np.ones(len(wrong), bool))]
    for _ in range(MOST_CONDITIONS):
        longer = []
        for conditions, inside in begun:
            for condition, met in _tellings(columns, wrong, inside):
                every = (*conditions, condition)
                cost = PER_FACTOR * sum(each.rank for each in every) + WORTH * len(conditions)
                longer.append((_f1(inside & met, wrong) - cost, every, inside & met))
        longer = sorted(longer, key=lambda each: -each[0])[:BEAM]
        if not longer or longer[0][0] <= best[0]:
            break
        best, begun = longer[0], [each[1:] for each in longer]
    return best[1:]


def _f1(inside, wrong):
    return 2.0 * np.sum(inside & wrong) / max(np.sum(inside) + np.sum(wrong), 1)


def _tellings(columns, wrong, inside):
    """The conditions that go on best from what is inside: pairs of (condition, which cases meet it)."""
    found, bad, total = [], wrong[inside], wrong.sum()
    for factors, rank, values in columns:
        mine = values[inside]
        if values.dtype.kind not in "iuf":
            for value, above in itertools.product(np.unique(mine), (True, False)):
                score = _f1((mine == value) == above, bad)
                found.append((score - PER_FACTOR * rank, Condition(factors, above, plain(value), rank), values))
            continue
        order = np.argsort(mine)
        rising, hits = mine[order], np.cumsum(bad[order])
        cut = np.flatnonzero(rising[1:] > rising[:-1])  # where there is something on either side
        if not len(cut):
            continue
        below = 2.0 * hits[cut] / (cut + 1 + total)
        above = 2.0 * (hits[-1] - hits[cut]) / (len(mine) - cut - 1 + total)
        for score, up in ((below, False), (above, True)):
            place = cut[score.argmax()]
            threshold = _between(rising[place], rising[place + 1])
            found.append((score.max() - PER_FACTOR * rank, Condition(factors, up, threshold, rank), values))
    found.sort(key=lambda each: -each[0])
    best = [(_shorter(condition, values, wrong, inside), values) for _, condition, values in found[:BEAM]]
    return [(condition, condition.told(values)) for condition, values in best]


def _shorter(condition, values, wrong, inside):
    """The condition with a threshold of two or three digits, if it tells violations next to as well."""
    if condition.named:
        return condition
    score = lambda each: _f1(inside & each.told(values), wrong)
    tried = (
        dataclasses.replace(condition, threshold=float(f"{condition.threshold:.{digits}g}")) for digits in (1, 2, 3)
    )
    return next((each for each in tried if score(each) >= score(condition) - NEXT_TO), condition)


def _between(low, high):
    """The number of fewest digits between two."""
    middle = float(low + high) / 2
    rounded = (float(f"{middle:.{digits}g}") for digits in range(1, 18))
    return next((near for near in rounded if low <= near < high), middle)


# What would save the claim.


def _saving(columns, wrong):
    """The condition that no violation meets and most of what holds does, less for each factor; None if none does."""
    best, found = LEAST_KEPT, None
    for factors, rank, values in columns:
        bad, good = values[wrong], values[~wrong]
        if values.dtype.kind in "iuf":
            options = [(float(bad.min()), False), (float(bad.max()), True)]
        else:
            options = [(plain(value), False) for value in np.unique(bad)] if len(np.unique(bad)) == 1 else []
        for threshold, above in options:
            condition = Condition(factors, above, threshold, rank)
            kept = float(np.mean(condition.told(good))) - PER_FACTOR * rank
            if kept > best:
                best, found = kept, condition
    return found


def _attacked(check, condition, key):
    """The condition, its threshold moved until nothing is found that breaks it, and the check of the claim with it; or
    neither, if nothing will do."""
    claim, count = check.claim, len(check.margins)
    for fresh_key in jax.random.split(key, ROUNDS):
        condition = condition.safer()
        narrower = dataclasses.replace(claim, hypotheses=claim.hypotheses | {"extra": condition.slack()})
        try:
            fresh = narrower._judge(fresh_key, count, check.lane, check.dropped)
        except ValueError:  # next to nothing is left to draw
            break
        seen = [fresh, search.attack(fresh, DESCENT)] if check.lane == "theory" else [fresh]
        broken = [each for each in seen if "violated" in each.verdicts]
        if not broken:
            return condition, fresh
        if condition.named:
            break
        values = [
            condition.values({n: x[each.verdicts == "violated"] for n, x in each.instances.items()}) for each in broken
        ]
        found = np.concatenate(values)
        condition = dataclasses.replace(condition, threshold=float(found.max() if condition.above else found.min()))
    return None, None
