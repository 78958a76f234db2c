"""Trials as tables: for people, for papers, for machines; and one claim in detail."""

import json as _json
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from kdtheory.claims import counterexamples

if TYPE_CHECKING:
    from kdtheory.claims.checks import Trial
    from kdtheory.claims.judging import Claim

HEADERS = (
    *("claim", "verdict", "cases", "decided", "worst", "loops", "worst", "power"),
    *("refuted when dropped", "standing", "source"),
)
LATEX = {character: rf"\{character}" for character in "_&%#$"}
LATEX |= {"·": r"$\cdot$", "<": "$<$", ">": "$>$", "²": "$^2$", "½": r"$^{1/2}$", "^": ""} | {"~": r"\textasciitilde{}"}


def verdict(trial: "Trial") -> str:
    """One word if both lanes agree, else one for each."""
    theory, practice = trial.theory.verdict, trial.practice.verdict
    return theory if theory == practice else f"{theory}, loops {practice}"


def power(trial: "Trial") -> str:
    """The smallest lie that both lanes found out, or the lane that is blind to one that it should see; of a claim that
    does not hold there is nothing to say."""
    if not (trial.theory.holds and trial.practice.holds):
        return "-"
    blind = [lane.lane for lane in (trial.theory, trial.practice) if lane.blind]
    return f"NOT in {' and '.join(blind)}" if blind else f"{trial.power:.0e}"


def row(trial: "Trial") -> tuple[str, ...]:
    """One line of the table."""
    if trial.refused:
        return (trial.claim.name, "refused", *"------", "", trial.claim.standing, trial.claim.source)
    theory, practice = trial.theory, trial.practice
    return (
        trial.claim.name,
        verdict(trial),
        f"{len(theory.margins):,}",
        f"{theory.certified.sum():,}",
        f"{theory.margin:.1e}",
        f"{len(practice.margins):,}",
        f"{practice.margin:.1e}",
        power(trial),
        ", ".join(name if name in trial.necessary else f"NOT {name}" for name in trial.refutations),
        trial.claim.standing,
        trial.claim.source,
    )


def by_topic(trials: "list[Trial]") -> "dict[str, list[Trial]]":
    """Trials under the topics of their claims, in order."""
    topics = {}
    for trial in trials:
        topics.setdefault(trial.claim.topic, []).append(trial)
    return topics


def table(trials: "Trial | Iterable[Trial]") -> str:
    """The table of `python -m kdtheory`, of any trials: your own, too. Where a claim fails stands below it.

    >>> import kdtheory as kd
    >>> trial = kd.theorems.ridge_semigroup.trial(0, count=100, loops=3)
    >>> print(kd.claims.table(trial).splitlines()[-1][:29])
    ridge_semigroup  holds    100
    """
    trials = _several(trials)
    widest = [max(map(len, column)) for column in zip(HEADERS, *map(row, trials), strict=True)]
    return "\n".join(_laid_out(trials, widest))


def lines(
    claims: list["Claim"], trials: "Iterable[Trial]", counts: dict[str, int], colour: bool = False
) -> Iterator[str]:
    """The table, a line at a time, as trials of these claims end; on a terminal, what failed is red, what holds green.

    Columns are as wide as they are where every claim holds.
    """
    expected = [
        (
            claim.name,
            *("holds", f"{counts['count']:,}", "10,000", "-1.0e-10", f"{counts['loops']:,}", "-1.0e-10", "1e-10"),
            *(", ".join(claim.hypotheses), claim.standing, claim.source),
        )
        for claim in claims
    ]
    yield from _laid_out(trials, [max(map(len, column)) for column in zip(HEADERS, *expected, strict=True)], colour)


def _laid_out(trials, widths, colour=False):
    def line(cells, paint=None):
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        if paint:
            padded[1] = f"\033[{paint}m{padded[1]}\033[0m"
        return "  ".join(padded).rstrip()

    yield line(HEADERS)
    yield "-" * (sum(widths) + 2 * len(widths) - 2)
    topic = None
    for trial in trials:
        if trial.claim.topic != topic:
            topic = trial.claim.topic
            yield ""
            yield f"\033[1m{topic}\033[0m" if colour else topic
        yield line(row(trial), colour and (32 if trial.passed else 31))
        if trial.refused:
            yield f"  {trial.refused}"
        elif trial.region:
            yield f"  fails where {trial.region.words}"


def _several(trials):
    """A list of trials, of one or of many."""
    several = [trials] if hasattr(trials, "refused") else list(trials)
    if wrong := [trial for trial in several if not hasattr(trial, "refused")]:
        raise TypeError(f"a table is of trials, which claim.trial(key) makes; got {wrong[0]!r}")
    return several


def json(trials: "Trial | Iterable[Trial]") -> str:
    """JSON, for machines: one object for each trial, with counterexamples, and scripts that verify them.

    Numbers that are not finite, of which JSON knows none, are null.

    >>> import json, kdtheory as kd
    >>> (said,) = json.loads(kd.claims.json(kd.theorems.ridge_semigroup.trial(0, count=100, loops=3)))
    >>> said["name"], said["theory"]["verdicts"]["holds"]
    ('ridge_semigroup', 100)
    """

    def lane(check):
        found_out = [float(lie) if np.isfinite(lie) else None for lie in check.found_out]
        said = dict(cases=len(check.margins), verdicts=check.counts, worst=check.margin, instance=check.instance())
        return said | dict(found_out=found_out, blind=check.blind, decided=int(check.certified.sum()))

    def hypothesis(trial, name):
        instance = trial.counterexamples.get(name)
        exact = rechecked(trial.claim, instance) if instance else (None, None)
        said = dict(counterexample=instance, exact=exact[0], script=exact[1])
        return dict(necessary=name in trial.necessary) | said

    def object_of(trial):
        claim = trial.claim
        said = dict(name=claim.name, topic=claim.topic, statement=claim.statement, standing=claim.standing)
        said |= dict(source=claim.source, passed=trial.passed)
        if trial.refused:
            return said | dict(refused=trial.refused)
        return said | dict(
            power=trial.power if np.isfinite(trial.power) else None,
            theory=lane(trial.theory),
            practice=lane(trial.practice),
            fails_where=trial.region and trial.region.words,
            hypotheses={name: hypothesis(trial, name) for name in trial.refutations},
        )

    def strict(said):
        if isinstance(said, dict):
            return {name: strict(inside) for name, inside in said.items()}
        if isinstance(said, list | tuple):
            return [strict(inside) for inside in said]
        return None if isinstance(said, float) and not np.isfinite(said) else said

    return _json.dumps([strict(object_of(trial)) for trial in _several(trials)], indent=1, allow_nan=False)


def latex(trials: "Trial | Iterable[Trial]") -> str:
    """A LaTeX table, for the package booktabs: one line a trial, and where a claim fails below it.

    >>> import kdtheory as kd
    >>> print(kd.claims.latex(kd.theorems.ridge_semigroup.trial(0, count=100, loops=3)).splitlines()[-3])
    ridge\\_semigroup & holds & 100 & 3 & 1e-09 & zero\\_start & proved \\\\
    """
    plain = lambda text: "".join(LATEX.get(character, character) for character in text)
    lines = [
        r"\begin{tabular}{llrrrll}",
        r"\toprule",
        r"claim & verdict & cases & loops & power & refuted when dropped & standing \\",
    ]
    for topic, some in by_topic(_several(trials)).items():
        lines += [r"\midrule", rf"\multicolumn{{7}}{{l}}{{\emph{{{plain(topic)}}}}} \\"]
        for trial in some:
            name, said, cases, _, _, loops, _, seen, dropped, standing, _ = row(trial)
            lines.append(" & ".join(map(plain, (name, said, cases, loops, seen, dropped, standing))) + r" \\")
            if not trial.refused and trial.region:
                lines.append(rf"\multicolumn{{7}}{{l}}{{\quad fails where {plain(trial.region.words)}}} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def detail(trial: "Trial") -> str:
    """One claim: statement, hypotheses, worst cases, counterexamples."""
    claim = trial.claim
    parts = [
        f"{claim.name} ({claim.topic})",
        claim.statement,
        f"source: {claim.source or 'none'}; standing: {claim.standing}",
    ]
    if trial.refused:
        return "\n\n".join([*parts, f"refused: {trial.refused}"])
    parts += [f"{check}" for check in (trial.theory, trial.practice)]
    if trial.region:
        parts.append(f"{trial.region}")
    if trial.attack is not None:
        least = trial.attack.margin
        parts.append(f"down its gradient, within the hypotheses: {trial.attack.verdict}, least margin {least:.3g}")
    for name, check in trial.refutations.items():
        if name not in trial.counterexamples:
            parts.append(f"without {name}: not shown necessary, no counterexample in {len(check.margins):,} cases")
            continue
        instance = ", ".join(f"{quantity}={value}" for quantity, value in trial.counterexamples[name].items())
        margin = claim.at(**trial.counterexamples[name]).margin
        loop = trial.confirmations[name]
        exact, script = rechecked(claim, trial.counterexamples[name])
        parts.append(
            f"without {name}: refuted by {instance}\n  margin {margin:.6g} in theory, {loop.margin:.6g} on the loop"
            f" ({loop.verdict} there), {exact}" + textwrap.indent(f"\n{script}" if script else "", "    ")
        )
    return "\n\n".join(parts)


def rechecked(claim: "Claim", instance: dict) -> tuple[str, str]:
    """The margin of a counterexample in 60 digits, shortened, and the script that computes it."""
    try:
        margin = counterexamples.margin(claim, **instance)
        return f"{margin:.20g} in 60 digits", counterexamples.script(claim, **instance)
    except NotImplementedError as reason:
        return f"not done in 60 digits ({reason})", ""
