"""python -m kdtheory: check every claim, in theory and on loops, and break each on purpose.

Prints a table and exits with 1 if a claim does not hold or a hypothesis could not be shown to be necessary.
"""

import argparse
import sys

from kdtheory.claims import CLAIMS, Trial

HEADERS = "claim", "verdict", "cases", "proved", "worst", "loops", "worst", "refuted when dropped", "standing", "source"


def row(trial: Trial) -> tuple[str, ...]:
    """One line of the table."""
    theory, practice = trial.theory, trial.practice
    verdict = theory.verdict if theory.verdict == practice.verdict else f"{theory.verdict}, loops {practice.verdict}"
    dropped = ", ".join(name if name in trial.necessary else f"NOT {name}" for name in trial.refutations)
    return (
        trial.claim.name,
        verdict,
        f"{len(theory.margins):,}",
        f"{theory.certified.sum():,}",
        f"{theory.margin:.1e}",
        f"{len(practice.margins):,}",
        f"{practice.margin:.1e}",
        dropped,
        trial.claim.standing,
        trial.claim.source,
    )


def table(trials: list[Trial]) -> str:
    """The whole table, aligned."""
    rows = [HEADERS, *map(row, trials)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def main(arguments=None) -> int:
    """The command: returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m kdtheory", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the random instances (default 0)")
    seed = parser.parse_args(arguments).seed
    trials = []
    for number, claim in enumerate(CLAIMS.values(), 1):
        if sys.stderr.isatty():
            print(f"\r\033[Kchecking {claim.name} ({number}/{len(CLAIMS)})", end="", file=sys.stderr, flush=True)
        trials.append(claim.trial(seed))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(table(trials))
    failed = [trial.claim.name for trial in trials if not trial.passed]
    print(f"\n{len(trials) - len(failed)} of {len(trials)} claims hold, with every hypothesis refuted when dropped.")
    print("worst: the least signed margin; proved: cases decided by ball arithmetic, where floats could not")
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
