"""python -m kdtheory: check every claim, in theory and on loops, and break each on purpose.

Prints a table by topic and exits with 1 if a claim does not hold, is blind to a lie, or a hypothesis could not be
shown to be necessary. With the NAME of a claim: its statement, worst cases and counterexamples, each with a script that
verifies it without kdtheory.
"""

import functools
import itertools
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kdtheory import _command
from kdtheory.claims import CLAIMS, UNDECIDABLE, Trial, certify
from kdtheory.claims import exact as counterexamples

PROG = "python -m kdtheory"
HEADERS = (
    *("claim", "verdict", "cases", "decided", "worst", "loops", "worst", "power"),
    *("refuted when dropped", "standing", "source"),
)
LEGEND = """\
worst: the least signed margin; decided: cases that ball arithmetic or 60 digits told, where floats could not
power: the smallest lie, relative to what is compared, that both lanes found out in every part of the claim"""
COUNTS, THOROUGH, DESCENT = dict(count=10_000, loops=200), dict(count=100_000, loops=2000), 30


def verdict(trial: Trial) -> str:
    """One word if both lanes agree, else one for each."""
    theory, practice = trial.theory.verdict, trial.practice.verdict
    return theory if theory == practice else f"{theory}, loops {practice}"


def power(trial: Trial) -> str:
    """The smallest lie that both lanes found out, or the lane that is blind to one that it should see."""
    blind = [lane.lane for lane in (trial.theory, trial.practice) if lane.blind]
    return f"NOT in {' and '.join(blind)}" if blind else f"{trial.power:.0e}"


def row(trial: Trial) -> tuple[str, ...]:
    """One line of the table."""
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


def by_topic(trials: list[Trial]) -> dict[str, list[Trial]]:
    """Trials under the topics of their claims, in order."""
    topics = {}
    for trial in trials:
        topics.setdefault(trial.claim.topic, []).append(trial)
    return topics


def lines(claims, trials, counts, colour=False):
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
    widths = [max(map(len, column)) for column in zip(HEADERS, *expected, strict=True)]

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


def for_machines(trials: list[Trial]) -> str:
    """JSON: one object for each claim, with its counterexamples."""

    def lane(check):
        found_out = [float(lie) if np.isfinite(lie) else None for lie in check.found_out]
        said = dict(cases=len(check.margins), verdicts=check.counts, worst=check.margin, instance=check.instance())
        return said | dict(found_out=found_out, blind=check.blind, decided=int(check.certified.sum()))

    def hypothesis(trial, name):
        instance = trial.counterexamples.get(name)
        exact = rechecked(trial.claim, instance) if instance else (None, None)
        said = dict(counterexample=instance, exact=exact[0], script=exact[1])
        return dict(necessary=name in trial.necessary) | said

    return json.dumps(
        [
            dict(
                name=trial.claim.name,
                topic=trial.claim.topic,
                statement=trial.claim.statement,
                standing=trial.claim.standing,
                source=trial.claim.source,
                passed=trial.passed,
                power=trial.power if np.isfinite(trial.power) else None,
                theory=lane(trial.theory),
                practice=lane(trial.practice),
                hypotheses={name: hypothesis(trial, name) for name in trial.refutations},
            )
            for trial in trials
        ],
        indent=1,
    )


def for_papers(trials: list[Trial]) -> str:
    """A LaTeX table, for the package booktabs."""
    plain = lambda text: text.replace("_", r"\_").replace("&", r"\&")
    lines = [
        r"\begin{tabular}{llrrrll}",
        r"\toprule",
        r"claim & verdict & cases & loops & power & refuted when dropped & standing \\",
    ]
    for topic, some in by_topic(trials).items():
        lines += [r"\midrule", rf"\multicolumn{{7}}{{l}}{{\emph{{{plain(topic)}}}}} \\"]
        for name, said, cases, _, _, loops, _, seen, dropped, standing, _ in map(row, some):
            lines.append(" & ".join(map(plain, (name, said, cases, loops, seen, dropped, standing))) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def detail(trial: Trial) -> str:
    """One claim: statement, hypotheses, worst cases, counterexamples."""
    claim = trial.claim
    parts = [f"{claim.name} ({claim.topic})", claim.statement, f"source: {claim.source}; standing: {claim.standing}"]
    parts += [f"{check}" for check in (trial.theory, trial.practice)]
    if trial.attack:
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


def rechecked(claim, instance):
    """The margin of a counterexample in 60 digits, shortened, and the script that computes it."""
    try:
        margin = counterexamples.margin(claim, **instance)
        return f"{margin:.20g} in 60 digits", counterexamples.script(claim, **instance)
    except NotImplementedError as reason:
        return f"not done in 60 digits ({reason})", ""


def judged(claims, seed, counts):
    """The trials, two at a time, with a line on a terminal that says how far they are."""
    say = functools.partial(print, end="", file=sys.stderr, flush=True) if sys.stderr.isatty() else lambda *_: None
    pool = ThreadPoolExecutor(max_workers=2)  # compiling is what a trial costs, and it leaves the interpreter
    try:
        running = pool.map(lambda claim: claim.trial(seed, **counts), claims)
        for number, trial in enumerate(running, 1):
            say(f"\r\033[K{number}/{len(claims)} claims checked, {trial.claim.name}")
            yield trial
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who interrupts does not wait for trials that are running
        say("\r\033[K")


def hint(trials: list[Trial]) -> str:
    """What to install, where verdicts are undecidable for want of ball arithmetic; empty where none is."""
    checks = lambda trial: filter(None, [trial.theory, trial.attack, *trial.refutations.values()])
    undecided = any(
        trial.claim.certificate and any(check.verdict == UNDECIDABLE for check in checks(trial)) for trial in trials
    )
    return certify.missing() if undecided else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: returns its exit status."""
    parser = _command.Parser(prog=PROG, description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="claims to show in detail; the table if left out")
    parser.add_argument("--seed", type=_command.seed, default=0, help="seed of the random instances (default 0)")
    parser.add_argument(
        "--thorough", action="store_true", help="ten times as many instances and loops, and descents for every claim"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for machines, with counterexamples")
    shape.add_argument("--latex", action="store_true", help="a table for papers")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in CLAIMS]
    if unknown:
        parser.error(f"there is no claim {', '.join(unknown)}; there are {', '.join(CLAIMS)}")
    parser.needs_float64()
    claims = [CLAIMS[name] for name in chosen.names or CLAIMS]
    counts = dict(THOROUGH if chosen.thorough else COUNTS)
    counts["descent"] = DESCENT if chosen.thorough or (chosen.names and not (chosen.json or chosen.latex)) else 0
    running, trials = itertools.tee(judged(claims, chosen.seed, counts))
    if not (chosen.json or chosen.latex or chosen.names):
        for line in lines(claims, running, counts, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
            print(line, flush=True)
    trials = list(trials)
    failed = [trial.claim.name for trial in trials if not trial.passed]
    if chosen.json:
        print(for_machines(trials))
    elif chosen.latex:
        print(for_papers(trials))
    elif chosen.names:
        print("\n\n\n".join(map(detail, trials)))
    else:
        print(
            f"\n{len(trials) - len(failed)} of {len(trials)} claims hold, with every hypothesis refuted when dropped,"
            " and every lie found out."
        )
        print(LEGEND)
        if failed:
            print(f"FAILED: {', '.join(failed)}")
    if to_install := hint(trials):
        print(f"\n{to_install}", file=sys.stderr if chosen.json or chosen.latex else sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    _command.run(main, PROG)
