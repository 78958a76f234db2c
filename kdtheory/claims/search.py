"""The search for counterexamples: down the margin's gradient, by many that go astray, and to few digits."""

import functools
import itertools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._compilation import evaluated, quick_options, room_for
from kdtheory.claims.margins import returned, theory
from kdtheory.claims.quantities import plain

if TYPE_CHECKING:
    from kdtheory.claims.judging import Check


SIMPLE, MOST_TRIED = (1.0, 2.0, 0.5, 3.0, 0.1, 10.0, 0.0), 2000  # numbers of counterexamples, and of combinations
WIDELY, HUNTERS, PIECE = 20, 4096, 1 << 16
STARTS, STRIDES = 32, 0.5 ** np.arange(0, 16, 2)  # of numbers relative to themselves


def descend(check: "Check", steps: int) -> "Check":
    """From the clearest instances of a check, down the gradient of the margin: the check of where that ends.

    Numbers move relative to their size, and stay within the hypotheses and the range that they were drawn from;
    whole numbers and alternatives stay as they are. Each step takes the best of a few strides, or ends the descent.
    """
    claim, drop = check.claim, check.dropped
    slack = _slack(check)
    now = {name: values[np.argsort(slack)[:STARTS]] for name, values in check.instances.items()}
    moving = [name for name, values in now.items() if values.dtype.kind == "f" and not claim.quantities[name].values]
    if not moving:
        return check
    box = {name: (check.instances[name].min(0), check.instances[name].max(0)) for name in moving}
    reached = np.sort(slack)[:STARTS]
    for _ in range(steps):
        slopes = _slopes(claim, now, moving)
        length = np.sqrt(sum(np.sum((slopes[name] * now[name]).reshape(len(reached), -1) ** 2, 1) for name in moving))
        tried = {name: np.repeat(values, len(STRIDES), axis=0) for name, values in now.items()}
        stride = np.tile(STRIDES, len(reached)) / np.repeat(np.where(length > 0, length, np.inf), len(STRIDES))
        for name in moving:
            x = tried[name]
            step = stride.reshape(-1, *[1] * (x.ndim - 1)) * np.repeat(slopes[name], len(STRIDES), axis=0) * x**2
            tried[name] = np.clip(x - step, *box[name])
        inside = claim.within(tried, drop)
        found = np.where(inside, _slack(claim.verdicts(tried, "theory", drop, inside)), np.inf)
        found = found.reshape(len(reached), len(STRIDES))
        best = found.min(1)
        better = best < reached
        if not better.any():
            break
        place = np.arange(len(reached)) * len(STRIDES) + found.argmin(1)
        for name in moving:
            now[name] = np.where(better.reshape(-1, *[1] * (now[name].ndim - 1)), tried[name][place], now[name])
        reached = np.minimum(best, reached)
    return claim.verdicts(now, "theory", drop, claim.within(now, drop))


def attack(check: "Check", steps: int, seed: int = 0) -> "Check":
    """From the clearest instances down the gradient; where that finds nothing, `hunt`, and down from what it finds.

    The check of where it ends: violated if something was found.
    """
    ended = descend(check, steps)
    if steps == 0 or "violated" in ended.verdicts or "violated" in check.verdicts:
        return ended
    hunted = hunt(check, steps, seed)
    return descend(hunted, steps) if "violated" in hunted.verdicts else ended


def hunt(check: "Check", steps: int, seed: int = 0) -> "Check":
    """Many searches side by side that ask for no gradient, for violations that are rare, behind a kink or a plateau.

    First WIDELY times as many instances as the check has, at random; then, from up to HUNTERS of them, half the best
    and half any, as many (1 + 1) evolution strategies (Rechenberg 1973) for 10 · `steps` generations. Each goes its own
    way, so that the many instances whose margin tends to zero at an edge, as that of an order does at a tie, attract no
    other. A step in all numbers at once, in units of their ranges or of the logarithms of these, is taken if the margin
    falls or is as before, and its length is adapted by whether it was. Whole numbers move, too.

    Only margins are asked for; the check of the STARTS best instances is judged as ever.
    """
    claim, drop, random = check.claim, check.dropped, np.random.default_rng(seed)
    box = {name: _Axis(values) for name, values in check.instances.items() if _moves(claim, name, values)}
    if not box:
        return check

    def slack(instances):
        inside = claim.within(instances, drop)
        found = np.full(len(inside), np.inf)
        some = np.flatnonzero(inside)
        if len(some):
            found[some] = _margins(claim, {name: values[some] for name, values in instances.items()})
        return found

    many = np.resize(np.arange(len(check.margins)), WIDELY * len(check.margins))
    tried = {name: values[many] for name, values in check.instances.items()}
    tried |= {name: axis.to(random.random(tried[name].shape)) for name, axis in box.items()}
    wide = slack(tried)
    best = np.argsort(wide)[: HUNTERS // 2]
    others = random.permutation(len(check.margins))[: HUNTERS - len(best)]
    now = {name: np.concatenate([tried[name][best], values[others]]) for name, values in check.instances.items()}
    reached = np.concatenate([wide[best], slack({name: values[others] for name, values in check.instances.items()})])
    length = np.full(len(reached), 0.1)
    for _ in range(10 * steps):
        if np.any(reached < 0.0):
            break
        beside = dict(now)
        for name, axis in box.items():
            way = random.standard_normal(now[name].shape) * length.reshape(-1, *[1] * (now[name].ndim - 1))
            beside[name] = axis.to(axis.of(now[name]) + way)
        found = slack(beside)
        better = found <= reached
        for name in box:
            now[name] = np.where(better.reshape(-1, *[1] * (now[name].ndim - 1)), beside[name], now[name])
        reached = np.where(better, found, reached)
        length = np.clip(length * np.where(better, 1.5, 0.9), 1e-9, 0.3)  # 1.5 · 0.9^4 = 1: one success in five
    best = np.argsort(reached)[:STARTS]
    now = {name: values[best] for name, values in now.items()}
    return claim.verdicts(now, "theory", drop, claim.within(now, drop))


class _Axis:
    """The range of a quantity as the numbers from zero to one: even in its logarithm where it is wide."""

    def __init__(self, values):
        self.low, self.high, self.kind = float(values.min()), float(values.max()), values.dtype
        self.wide = self.low > 0 and self.high > 4 * self.low
        self.ends = np.log([self.low, self.high]) if self.wide else np.array([self.low, self.high])

    def of(self, values):
        return ((np.log(values) if self.wide else values) - self.ends[0]) / (self.ends[1] - self.ends[0])

    def to(self, places):
        reached = self.ends[0] + np.clip(places, 0.0, 1.0) * (self.ends[1] - self.ends[0])
        values = np.clip(np.exp(reached) if self.wide else reached, self.low, self.high)
        return values if self.kind.kind == "f" else np.rint(values).astype(self.kind)


def _moves(claim, name, values):
    return not claim.quantities[name].values and values.dtype.kind in "if" and values.min() < values.max()


def _margins(claim, instances):
    """Margins less what rounding may take, infinite where they are not known: (cases,)."""
    found = np.empty(len(next(iter(instances.values()))))
    for fixed, cases in claim.alternatives(instances):
        numbers = {name: values for name, values in instances.items() if name not in dict(fixed)}
        margins = _bare_margins(claim.function, fixed)
        for start in range(0, len(cases), PIECE):
            some = cases[start : start + PIECE]
            room = min(PIECE, room_for(max(len(some), 64)))
            said = margins({name: values[np.resize(some, room)] for name, values in numbers.items()})
            found[some] = np.asarray(said)[: len(some)]
    return np.nan_to_num(found, nan=np.inf)


@functools.cache
def _bare_margins(function, fixed):
    def margin(numbers):
        found = returned(function, theory, numbers | dict(fixed))
        # beyond rounding on either side, as verdicts are given
        return jnp.asarray(found.value, float) + jnp.asarray(found.rounding, float)

    return jax.jit(jax.vmap(margin), compiler_options=quick_options(often=True))


def _slack(check):
    """Margins less what rounding may take; infinite where nothing is known."""
    return np.nan_to_num(check.margins - check.rounding, nan=np.inf)


def _slopes(claim, instances, moving):
    """The gradient of the margin at every instance, zero where it has none."""
    slopes = {name: np.zeros(instances[name].shape) for name in moving}
    for fixed, cases in claim.alternatives(instances):
        padded = np.resize(cases, STARTS)
        rest = [name for name in instances if name not in {*moving, *dict(fixed)}]
        given = [{name: instances[name][padded] for name in names} for names in (moving, rest)]
        kinds = [tuple((name, each.shape, each.dtype.str) for name, each in group.items()) for group in given]
        found = _gradient(claim.function, fixed, *kinds)(*given)
        for name in moving:
            slopes[name][cases] = np.nan_to_num(found[name][: len(cases)], posinf=0.0, neginf=0.0)
    return slopes


@functools.cache
def _gradient(function, fixed, *kinds):
    def margin(numbers, rest):
        found = function(theory, **numbers, **rest, **dict(fixed))
        return jnp.asarray(getattr(found, "value", found))

    # forwards, since searches inside a claim are loops that have no way back
    shapes = [{name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in group} for group in kinds]
    return evaluated(jax.vmap(jax.jacfwd(margin)), *shapes)


def simplify(refutation: "Check", case: int | None = None) -> dict[str, Any]:
    """A counterexample in few digits: of the simplest numbers, if they refute the claim; else the violated case that is
    nearest to one, or the `case` that is asked for, each number rounded to as few digits as still refute it."""
    if case is None:
        if found := _simplest(refutation):
            return found
        case = _nearest_to_one(refutation)
    claim, dropped = refutation.claim, refutation.dropped
    instance = refutation.instance(case)
    for name, quantity in claim.quantities.items():
        if quantity.values:
            continue
        rounded = np.stack([_rounded(np.asarray(instance[name]), digits) for digits in range(1, 7)])
        tried = {other: np.array([value] * len(rounded)) for other, value in instance.items()} | {name: rounded}
        verdicts = claim.verdicts(tried, "theory", dropped, claim.within(tried, dropped)).verdicts
        if "violated" in verdicts:
            instance[name] = rounded[np.argmax(verdicts == "violated")].tolist()
    return instance


def _simplest(refutation):
    """The violated instance of the simplest numbers, which are tried in all combinations; None if there is none.

    Numbers are one of SIMPLE, in the range that was drawn from; alternatives those of the clearest case; of vectors,
    and of more combinations than are worth it, none.
    """
    claim, dropped, clearest = refutation.claim, refutation.dropped, refutation.instance()
    moving = [name for name, quantity in claim.quantities.items() if not quantity.values]
    drawn = refutation.instances
    if any(drawn[name].ndim > 1 for name in moving):
        return None
    ends = {name: (drawn[name].min(), drawn[name].max()) for name in moving}
    choices = [[x for x in SIMPLE if ends[name][0] <= x <= ends[name][1]] for name in moving]
    while np.prod([len(each) for each in choices]) > MOST_TRIED:
        longest = max(choices, key=len)
        longest.pop()
    ranks = np.array(list(itertools.product(*[range(len(each)) for each in choices])), int)
    if not ranks.size:
        return None
    order = np.lexsort((*ranks.T[::-1], ranks.sum(1)))
    tried = {name: np.full(len(order), value) for name, value in clearest.items() if name not in moving}
    for place, name in enumerate(moving):
        tried[name] = np.array(choices[place], drawn[name].dtype)[ranks[order, place]]
    tried = {name: tried[name] for name in claim.quantities}
    verdicts = claim.verdicts(tried, "theory", dropped, claim.within(tried, dropped)).verdicts
    if "violated" not in verdicts:
        return None
    return {name: plain(values[np.argmax(verdicts == "violated")]) for name, values in tried.items()}


def _nearest_to_one(refutation):
    """The case that shares the verdict whose numbers have the least logarithms, zero among them counting nothing."""
    far = np.zeros(len(refutation.margins))
    for name, values in refutation.instances.items():
        if values.dtype.kind in "iuf" and not refutation.claim.quantities[name].values:
            size = np.abs(np.where(values == 0, 1.0, values)).astype(float).reshape(len(far), -1)
            far += np.sum(np.log(size) ** 2, axis=1)
    return int(refutation.decisive[np.argmin(far[refutation.decisive])])


def _rounded(values, digits):
    """To some significant digits."""
    return np.array([float(f"{x:.{digits - 1}e}") for x in values.ravel()]).reshape(values.shape).astype(values.dtype)
