"""python -m kdtheory: check every claim, in theory and on loops, and break each on purpose.

Prints a table by topic and exits with 1 if a claim does not hold, is blind to a lie, or a hypothesis could not be
shown to be necessary. With a FILE.py: the claims that it makes. With the NAME of a claim: its statement, worst cases
and counterexamples, each with a script that verifies it without kdtheory.
"""

import contextlib
import functools
import importlib.metadata
import itertools
import os
import runpy
import sys
from collections.abc import Sequence

from kdtheory import _command
from kdtheory.claims import CLAIMS, UNDECIDABLE, Trial, certify, detail, json, latex
from kdtheory.claims.checks import near
from kdtheory.claims.judging import line_of
from kdtheory.claims.tables import lines
from kdtheory.claims.trials import Refused, trials

PROG = "python -m kdtheory"
LEGEND = """\
worst: the least signed margin; decided: cases that ball arithmetic or 60 digits told, where floats could not
power: the smallest lie, relative to what is compared, that both lanes found out in every part of the claim"""
COUNTS, THOROUGH, DESCENT = dict(count=10_000, loops=200), dict(count=100_000, loops=2000), 30


def judged(claims, seed, counts):
    """The trials, with a line on a terminal that says how far they are."""
    say = functools.partial(print, end="", file=sys.stderr, flush=True) if sys.stderr.isatty() else lambda *_: None
    try:
        with contextlib.closing(trials(claims, seed, **counts)) as running:
            for number, trial in enumerate(running, 1):
                say(f"\r\033[K{number}/{len(claims)} claims checked, {trial.claim.name}")
                yield trial
    finally:
        say("\r\033[K")


def made_by(path, parser):
    """The claims that a file makes when it is run, by name."""
    before = dict(CLAIMS)
    if not os.path.isfile(path):
        parser.error(f"there is no file {path}")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # what stands beside it can be imported, as in a script
    try:
        runpy.run_path(path, run_name=os.path.splitext(os.path.basename(path))[0])
    except (Exception, SystemExit) as error:
        parser.error(
            f"{path} stops{line_of(error, path)} with {type(error).__name__}: {error}; mend it, then ask again"
        )
    made = {name: claim for name, claim in CLAIMS.items() if claim is not before.get(name)}
    if not made:
        parser.error(f"{path} makes no claim; decorate a function with kd.claim")
    return made


def hint(trials: list[Trial | Refused]) -> str:
    """What to install, where verdicts are undecidable for want of ball arithmetic; empty where none is."""
    checks = lambda trial: [
        trial.theory,
        *([trial.attack] if trial.attack is not None else []),
        *trial.refutations.values(),
    ]
    undecided = any(
        trial.claim.certificate and any(check.verdict == UNDECIDABLE for check in checks(trial))
        for trial in trials
        if not isinstance(trial, Refused)
    )
    return certify.missing() if undecided else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: returns its exit status."""
    parser = _command.Parser(prog=PROG, description=__doc__.splitlines()[0])
    parser.add_argument(
        *("names",),
        nargs="*",
        metavar="[FILE.py] NAME",
        help="claims to show in detail, the table if left out; after a FILE.py, of the claims that it makes",
    )
    parser.add_argument("--seed", type=_command.seed, default=0, help="seed of the random instances (default 0)")
    parser.add_argument(
        "--thorough", action="store_true", help="ten times as many instances and loops, and descents for every claim"
    )
    parser.add_argument("--version", action="version", version=f"kdtheory {importlib.metadata.version('kdtheory')}")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for machines, with counterexamples")
    shape.add_argument("--latex", action="store_true", help="a table for papers")
    chosen = parser.parse_args(arguments)
    parser.needs_float64()
    table, names = dict(CLAIMS), list(chosen.names)
    if names and names[0].endswith(".py"):
        table = made_by(names.pop(0), parser)
    for name in names:
        if name not in table:
            parser.error(f"there is no claim {name}" + (near(name, table) or f"; there are {', '.join(table)}"))
    claims = [table[name] for name in names or table]
    counts = dict(THOROUGH if chosen.thorough else COUNTS)
    counts["descent"] = DESCENT if chosen.thorough or (names and not (chosen.json or chosen.latex)) else 0
    running, found = itertools.tee(judged(claims, chosen.seed, counts))
    if not (chosen.json or chosen.latex or names):
        for line in lines(claims, running, counts, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
            print(line, flush=True)
    found = list(found)
    failed = [trial.claim.name for trial in found if not trial.passed]
    if chosen.json:
        print(json(found))
    elif chosen.latex:
        print(latex(found))
    elif names:
        print("\n\n\n".join(map(detail, found)))
    else:
        print(
            f"\n{len(found) - len(failed)} of {len(found)} claims hold, with every hypothesis refuted when dropped,"
            " and every lie found out."
        )
        print(LEGEND)
        if failed:
            print(f"FAILED: {', '.join(failed)}")
    if to_install := hint(found):
        print(f"\n{to_install}", file=sys.stderr if chosen.json or chosen.latex else sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    _command.run(main, PROG)
