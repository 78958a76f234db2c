"""Benchmarks: what kdtheory costs as a ratio to what is unavoidable, measured side by side in one run.

`python tests/benchmarks` prints the table; names of benchmarks print those rows only, `growth` draws how costs grow,
`fits` tells what fits into memory, and `accelerator` sets another device beside the processor. Both sides of a ratio
are run in turn, on one thread of one core, and the best of five counts, in seconds of that core.
"""

import importlib
import os
import sys


def pin():
    """One core, one thread: before numpy and JAX read their environment."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")


if __name__ == "__main__":
    if sys.argv[1:2] == ["accelerator"]:  # as people run it: all cores
        import accelerator

        accelerator.main(sys.argv[2:])
        sys.exit()
    pin()
    if sys.argv[1:] in (["growth"], ["fits"]):
        importlib.import_module(sys.argv[1]).main()
    else:
        import measure

        measure.main(sys.argv[1:])
