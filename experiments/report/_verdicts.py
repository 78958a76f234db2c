"""What a run says of a claim: a number with its interval over seeds, and the verdict that follows from it."""

from collections import Counter
from typing import NamedTuple

import numpy as np

import kdtheory as kd

SHOWN, NOT_SHOWN, REVERSED = "shown", "not shown", "reversed"


def interval(values, overlap=0.0):
    """Mean over runs (S, ...) and its 95 % Student interval.

    `overlap` is the number of rows tested over that of rows trained on where runs are folds of repeated
    cross-validation, which share rows: the variance of the mean is then s² (1/S + overlap) instead of s²/S (Nadeau &
    Bengio 2003).
    """
    mean, low, high = kd.confidence.mean_interval(values)
    wider = np.sqrt(1 + overlap * len(values))
    return mean, mean - wider * (mean - low), mean + wider * (high - mean)


class Finding(NamedTuple):
    """One quantity over seeds, and what the claim says of it: above, below or equal to `null`."""

    what: str
    values: np.ndarray  # (S,), one per seed, or per seed and fold
    claim: str  # "above", "below" or "equal"
    null: float = 0.0
    tolerance: float = 0.0  # for "equal": the interval must lie within it
    overlap: float = 0.0  # of folds

    @property
    def interval(self):
        return tuple(map(float, interval(self.values, self.overlap)))

    @property
    def verdict(self):
        return _judge(self.interval, self.claim, self.null, self.tolerance)

    @property
    def claimed(self):
        if self.claim == "equal":
            return f"= {self.null:g} ± {self.tolerance:g}"
        return f"{'>' if self.claim == 'above' else '<'} {self.null:g}"

    def __str__(self):
        mean, low, high = self.interval
        return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _judge(interval, claim, null, tolerance):
    _, low, high = interval
    if claim == "equal":
        inside, apart = (
            abs(low - null) <= tolerance >= abs(high - null),
            low > null + tolerance or high < null - tolerance,
        )
        return SHOWN if inside else REVERSED if apart else NOT_SHOWN
    above, below = low > null, high < null
    if claim == "below":
        above, below = below, above
    return SHOWN if above else REVERSED if below else NOT_SHOWN


class Twice(NamedTuple):
    """The same quantity on two sets of seeds."""

    first: Finding
    again: Finding

    @property
    def verdict(self):
        """That of both, or that they differ."""
        one, two = self.first.verdict, self.again.verdict
        return one if one == two else f"not stable: {one}, then {two}"

    @property
    def kind(self):
        return self.verdict.partition(":")[0]

    def __str__(self):
        return f"| {self.first.what} | {self.first.claimed} | {self.first} | {self.again} | {self.verdict} |"


def twice(findings, again):
    """Findings on two sets of seeds, in pairs."""
    pairs = [Twice(*pair) for pair in zip(findings, again, strict=True)]
    for pair in pairs:
        if pair.first.what != pair.again.what:
            raise ValueError(f"findings must be about the same, got {pair.first.what!r} and {pair.again.what!r}")
    return pairs


def table(pairs, titles):
    """Findings as a Markdown table; `titles` are those of the two sets of seeds."""
    head = f"| quantity | claim | {titles[0]}: mean [95 % interval] | {titles[1]} | verdict |"
    return "\n".join([head, "|---|---|---|---|---|", *map(str, pairs)])


def counts(pairs):
    """How many quantities have each verdict, in words."""
    return ", ".join(f"{count} {kind}" for kind, count in Counter(pair.kind for pair in pairs).most_common())


def overall(pairs):
    """One word for the row: the verdict of all quantities, or of more than half of them; mixed where there is none."""
    (kind, count), *_ = Counter(pair.kind for pair in pairs).most_common()
    return kind if count == len(pairs) else f"mostly {kind}" if 2 * count > len(pairs) else "mixed"
