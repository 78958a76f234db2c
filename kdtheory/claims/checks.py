"""What a claim gets back when it is judged: checks, with a verdict for each case, and trials."""

import dataclasses
import difflib
import functools
import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kdtheory._checks import Key
from kdtheory._record import KNOWN, address
from kdtheory.claims import certify, regions, tables
from kdtheory.claims.margins import EQUALITY
from kdtheory.claims.quantities import plain
from kdtheory.claims.regions import Region

if TYPE_CHECKING:
    from pandas import DataFrame

    from kdtheory.claims.judging import Claim

HOLDS, VIOLATED, UNDECIDABLE, OUTSIDE = "holds", "violated", "undecidable", "outside hypotheses"
CONTRADICTED = "contradicted"  # floats decide one way, beyond their rounding, and a proof the other: a fault of ours
UNDECIDED = "numbers differ by less than can be told there; narrow the ranges, or leave that out by `domain`"
VERDICTS = CONTRADICTED, VIOLATED, UNDECIDABLE, HOLDS, OUTSIDE


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
    def holds(self) -> bool:
        """Whether the verdict is that the claim holds; so is the truth of the check itself."""
        return self.verdict == HOLDS

    def __bool__(self) -> bool:
        return self.holds

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
        with np.errstate(invalid="ignore"):  # of ∞ - ∞
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

    def where(self, key: Key = 20_011) -> Region:
        """Where the claim fails: the region of the violations, and the simplest extra hypothesis that saves it.

        The region is up to three thresholds, on quantities or on products of two or three with powers of ±½, ±1 and
        ±2, or alternatives by name; those that tell violations from the rest best (F1), with a preference for fewer
        factors. The hypothesis is a threshold of two digits that no violation meets and most of what holds does; it is
        checked on as many fresh instances, drawn by `key`, and attacked as `falsify` does, and moved until nothing
        breaks it. ValueError if nothing is violated.

        >>> import kdtheory as kd
        >>> @kd.claim(time=(0.01, 100.0), eigenvalue=(0.01, 100.0))
        ... def half_learnt(run, time, eigenvalue):
        ...     "Gradient flow has learnt half of its target."
        ...     return kd.claims.at_least(run(kd.GradientFlow(time), [eigenvalue]).learnt[0], 0.5, 1e-15)
        >>> found = half_learnt.check(0, count=2000).where()
        >>> print(found.words, "saved by", found.hypothesis)               # log 2 = 0.693
        time·eigenvalue < 0.7 saved by time·eigenvalue > 0.7
        >>> del kd.claims.CLAIMS["half_learnt"]
        """
        return regions.where(self, key)

    def to_dataframe(self) -> "DataFrame":
        """A pandas DataFrame, one row a case: its quantities, entries of vectors as `name[0]`, `margin`, `rounding` and
        `verdict`. ImportError where pandas is not installed.

        >>> import kdtheory as kd
        >>> kd.theorems.ridge_semigroup.check(0, count=3).to_dataframe().columns.tolist()
        ['eigenvalue', 'teacher', 'student', 'start', 'margin', 'rounding', 'verdict']
        """
        try:
            import pandas
        except ImportError as missing:
            raise ImportError("to_dataframe needs pandas: pip install pandas") from missing
        columns = {}
        for name, values in self.instances.items():
            vector = values.ndim == 2
            columns |= (
                {f"{name}[{place}]": values[:, place] for place in range(values.shape[1])} if vector else {name: values}
            )
        judged = dict(margin=self.margins, rounding=self.rounding, verdict=self.verdicts)
        if taken := columns.keys() & judged.keys():
            columns = {f"{name} (given)" if name in taken else name: values for name, values in columns.items()}
        return pandas.DataFrame(columns | judged)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

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
        hint = ""
        if self.verdict == UNDECIDABLE:
            hint = certify.missing() if self.claim.certificate else UNDECIDED
        lie = f"\n  smallest lie found out: {self.power:.0e}" if len(self.found_out) and self.holds else ""
        if lie and self.blind:
            wanted = float(np.where(self.equalities, EQUALITY, self.claim.lie).min())
            lie += f", but one of {wanted:.0e} must be; judge more {'instances' if self.lane == 'theory' else 'loops'}"
        return (
            f"{self.name} ({self.lane}{dropped}): {self.verdict.upper()}\n  cases: {counts}\n"
            f"  worst margin: {self.margin:.3g} (rounding {rounding:.1g}{allowed}) at {inputs}"
            + lie
            + (f"\n  {hint}" if hint else "")
        )


def near(name: str, known: Iterable[str]) -> str:
    """Which of the known names may have been meant, as the end of a message; empty where none is like it."""
    likely = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(likely)}?" if likely else ""


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

    refused = ""  # why the claim could not be judged, of what stands in place of a trial then

    @property
    def necessary(self) -> list[str]:
        """The hypotheses without which a counterexample was found, and confirmed on the loop."""
        return [name for name, check in self.confirmations.items() if check.verdict == VIOLATED]

    @property
    def holds(self) -> bool:
        """Whether the claim held in both lanes and against attack; so is the truth of the trial itself."""
        attacked = self.attack is not None and self.attack.verdict in (VIOLATED, CONTRADICTED)
        return self.theory.holds and self.practice.holds and not attacked

    def __bool__(self) -> bool:
        return self.holds

    @property
    def passed(self) -> bool:
        """It holds, every hypothesis was shown to be necessary, and no part of it is blind to a lie."""
        blind = self.theory.blind or self.practice.blind
        return self.holds and len(self.necessary) == len(self.refutations) and not blind

    @property
    def power(self) -> float:
        """The smallest lie that both lanes found out, of the part that sees least; infinite if one is blind."""
        return max(self.theory.power, self.practice.power)

    @functools.cached_property
    def region(self) -> Region | None:
        """Where the claim fails, if theory says that it does: `theory.where()`."""
        return self.theory.where() if self.theory.verdict == VIOLATED else None

    def __repr__(self) -> str:
        return tables.detail(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


KNOWN |= {address(cls): cls for cls in (Check, Trial)}
