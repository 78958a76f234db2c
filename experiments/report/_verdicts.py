"""What a run says of a claim: a number with its interval over seeds, and the verdict that follows from it."""

from typing import NamedTuple

import numpy as np

import kdtheory as kd

SHOWN, NOT_SHOWN, REVERSED = "shown", "not shown", "reversed"


class Finding(NamedTuple):
    """One quantity over seeds, and what the claim says of it: above, below or equal to `null`."""

    what: str
    values: np.ndarray  # (S,), one per seed
    claim: str  # "above", "below" or "equal"
    null: float = 0.0
    tolerance: float = 0.0  # for "equal": the interval must lie within it

    @property
    def interval(self):
        """Mean over seeds and its 95 % Student interval."""
        return tuple(map(float, kd.confidence.mean_interval(self.values)))

    @property
    def verdict(self):
        return _judge(self.interval, self.claim, self.null, self.tolerance)

    @property
    def stable(self):
        """Whether leaving out any one seed leaves the verdict."""
        values = np.asarray(self.values)
        others = (self._replace(values=np.delete(values, seed)) for seed in range(len(values)))
        return all(other.verdict == self.verdict for other in others)

    def __str__(self):
        mean, low, high = self.interval
        claimed = (
            f"= {self.null:g} ± {self.tolerance:g}" if self.claim == "equal" else f"{_SIGN[self.claim]} {self.null:g}"
        )
        said = self.verdict if self.stable else f"{self.verdict}, not stable over seeds"
        return f"| {self.what} | {claimed} | {mean:.3f} [{low:.3f}, {high:.3f}] | {said} |"


_SIGN = {"above": ">", "below": "<"}


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


def table(findings):
    """The findings as a Markdown table."""
    return "\n".join(
        ["| quantity | claim | mean [95 % interval] | verdict |", "|---|---|---|---|", *map(str, findings)]
    )


def overall(findings):
    """One word for the row: that of all findings if they agree, else in part shown, or in part reversed."""
    verdicts = {finding.verdict for finding in findings}
    if len(verdicts) == 1:
        return verdicts.pop()
    return f"{SHOWN if SHOWN in verdicts else REVERSED} in part"
