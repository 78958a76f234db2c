"""What several test files share: oracles in many digits, errors in ulp, and the settings of hypothesis."""

import json
import os
import pathlib
import tempfile
import types

os.environ.setdefault("NPROC", "8")  # before JAX: batched LAPACK may deadlock on two cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: its threads spin, each worker's against the other's
os.environ.setdefault(  # sweeps go on to the same bits: see `sweep`; and each worker has one processor to compile on
    "XLA_FLAGS", "--xla_gpu_deterministic_ops=true --xla_cpu_parallel_codegen_split_count=1"
)
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # what one file compiles, another file, worker or child need not
    _programs = tempfile.TemporaryDirectory(prefix="kdtheory-programs-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs.name
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import hypothesis
import jax
import mpmath
import numpy as np
import pytest

if not hasattr(jax, "enable_x64"):  # F18: older JAX has it elsewhere
    from jax.experimental import enable_x64

    jax.enable_x64 = enable_x64

REFERENCE = pathlib.Path(__file__).parent / "reference"
NORMAL = 2.3e-308  # below, only logarithms are promised

hypothesis.settings.register_profile("kdtheory", max_examples=25, deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("kdtheory")


def split(values):
    """Numbers of mpmath as the nearest floats and what these lack."""
    nearest = np.array([float(value) for value in values])
    lacking = [
        float(value - mpmath.mpf(x)) if np.isfinite(x) else 0.0
        for value, x in zip(values, nearest.tolist(), strict=True)
    ]
    return nearest, np.array(lacking)


def errors(got, exact):
    """|got - exact| where both are finite, infinite elsewhere: NaN never passes."""
    got, (nearest, lacking) = np.asarray(got, float), exact
    assert got.shape == nearest.shape
    both = np.isfinite(got) & np.isfinite(nearest)
    difference = np.abs((np.where(both, got, 0.0) - np.where(both, nearest, 0.0)) - lacking)
    return np.where(both, difference, np.where(got == nearest, 0.0, np.inf))


def ulps(got, exact):
    """The largest error in units in the last place of the true value, over results of normal size."""
    normal = np.abs(exact[0]) >= NORMAL
    assert normal.any(), "every result is below the range of normal floats: nothing was compared"
    return np.max(errors(got, exact)[normal] / np.spacing(np.abs(exact[0][normal])))


def relative(got, exact):
    """The largest relative error, over results of normal size."""
    normal = np.abs(exact[0]) >= NORMAL
    assert normal.any(), "every result is below the range of normal floats: nothing was compared"
    return np.max(errors(got, exact)[normal] / np.abs(exact[0][normal]))


def rows(function):
    """A file of reference/numerics: its arguments, one array each, and the exact results."""
    table = json.loads((REFERENCE / "numerics" / f"{function}.json").read_text())
    arguments = np.array([[float.fromhex(x) for x in row["in"]] for row in table["rows"]]).T
    with mpmath.workdps(50):
        return list(arguments), split([mpmath.mpf(row["out"]) for row in table["rows"]])


def theorem(name, start=""):
    """The cases of a file of reference/theorems whose names begin so: (name, inputs, expected) each."""
    table = json.loads((REFERENCE / "theorems" / f"{name}.json").read_text())
    cases = [(case["name"], case["inputs"], case["expected"]) for case in table["cases"]]
    return [case for case in cases if case[0].startswith(start)]


def agrees(got, expected, tolerance=1e-12):
    """Whether every number is within a relative tolerance of its 50 digits, given as strings."""
    with mpmath.workdps(50):
        got, expected = np.asarray(got, float).ravel(), [mpmath.mpf(x) for x in np.ravel(expected)]
        assert len(got) == len(expected)
        return all(abs(mpmath.mpf(x) - y) <= tolerance * abs(y) for x, y in zip(got.tolist(), expected, strict=True))


@pytest.fixture(scope="session")
def oracle():
    return types.SimpleNamespace(
        split=split,
        ulps=ulps,
        relative=relative,
        errors=errors,
        rows=rows,
        theorem=theorem,
        agrees=agrees,
        folder=REFERENCE,
    )


@pytest.fixture(scope="module", autouse=True)
def forget_compiled():
    """Programs of one file are of no use to the next, and a hundred files of them fill a machine's memory."""
    yield
    forget()


def forget():
    from kdtheory import _compilation
    from kdtheory.claims import judging

    jax.clear_caches()
    for cached in (judging._judge_of, judging._slack_of, _compilation._compiled, _compilation._loop):
        cached.cache_clear()


@pytest.fixture
def afresh():
    """Claims traced and compiled anew, so that a mutant of the library is seen, and again afterwards; call it to do so
    in between."""
    forget()
    yield forget
    forget()


@pytest.fixture
def made():
    """Register claims for one test only."""
    from kdtheory.claims import CLAIMS, claim

    before = dict(CLAIMS)
    yield claim
    CLAIMS.clear()
    CLAIMS.update(before)
