"""Benchmarks: what kdtheory costs as a ratio to what is unavoidable, measured side by side in one run.

`python tests/benchmarks` prints the table; names of benchmarks print those rows only, and `growth` draws how costs
grow. Both sides of a ratio are run in turn, on one thread of one core, and the best of five counts, in seconds of
that core.
"""

import os
import sys


def pin():
    """One core, one thread: before numpy and JAX read their environment."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")


if __name__ == "__main__":
    pin()
    if sys.argv[1:] == ["growth"]:
        import growth

        growth.main()
    else:
        import measure

        measure.main(sys.argv[1:])
