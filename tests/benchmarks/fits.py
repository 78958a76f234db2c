"""What fits into memory: `python tests/benchmarks fits`.

The peak of a process grows in proportion to what is held; the bytes for each entry are measured, between two sizes, and
the largest size for a given memory follows.
"""

import math
import subprocess
import sys

import numpy as np

import kdtheory as kd

MEMORY = (8, 64, 512)  # GB, of 1e9 bytes


def kernel(size):
    """Gram matrix of N samples and its eigensystem"""
    import measure

    return kd.problems.kernel(*measure.gram(size)).eigensystem().reading


def table(size):
    """table of N samples with P = N/2 parameters and its eigensystem"""
    random = np.random.default_rng(0)
    features, targets = random.standard_normal((size, size // 2)), random.standard_normal(size)
    return kd.problems.linear(features, targets).eigensystem().reading


def path(size):
    """path of T moments of a student along 1000 directions"""
    student = kd.distill(kd.GradientFlow(10.0), kd.GradientFlow(np.geomspace(0.1, 1e4, size)))
    return kd.closed_form(student, kd.spectra.power_law(1000)).coordinates


CASES = {  # the letter, entries of what grows with it, and the two sizes between which is measured
    kernel: ("N", lambda size: size**2, (1000, 2500)),
    table: ("N", lambda size: size**2 / 2, (1500, 3500)),
    path: ("T", lambda size: 1000 * size, (2000, 20_000)),
}


def bytes_per_entry(run):
    """How much the peak of a process grows with each entry."""
    _, entries, sizes = CASES[run]
    low, high = (peak_of(run, size) for size in sizes)
    return (high - low) / (entries(sizes[1]) - entries(sizes[0]))


def peak_of(run, size):
    """The growth of peak memory, in bytes, of one call in a process of its own."""
    script = f"import sys; sys.path.insert(0, {sys.path[0]!r}); import fits, measure; "
    script += f"measure.grown(lambda: fits.{run.__name__}({size}))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(ended.stdout) * 2**20


def largest(memory, each, entries):
    """The largest size whose entries, of so many bytes `each`, fit into a memory: two digits, rounded down."""
    low, high = 1, 2
    while entries(high) * each <= memory:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if entries(middle) * each <= memory else (low, middle)
    unit = 10 ** (math.floor(math.log10(low)) - 1)
    return int(low // unit * unit)


def main():
    print("| what | bytes an entry |", " | ".join(f"{memory} GB" for memory in MEMORY), "|")
    print("|---|---|" + "---|" * len(MEMORY))
    for run, (letter, entries, _) in CASES.items():
        each = bytes_per_entry(run)
        sizes = (f"{letter} = {largest(memory * 1e9, each, entries):,}" for memory in MEMORY)
        print(f"| {run.__doc__} | {each:.0f} |", " | ".join(sizes), "|", flush=True)
