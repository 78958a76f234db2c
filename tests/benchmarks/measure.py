"""What is measured, and against what. Run by `python tests/benchmarks`, which pins threads first."""

import functools
import importlib
import platform
import subprocess
import sys
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy

import kdtheory as kd
from kdtheory.problems import _matrix_free as matrix_free
from kdtheory.sweeps import _programs as programs

RUNS = 5
RBF = functools.partial(kd.kernels.rbf, length=4.5)


class Row(NamedTuple):
    what: str
    against: str
    target: str
    ratio: float
    note: str = ""


def ratio(ours, floor, runs=RUNS):
    """The best time of one over the best of the other, run in turn; and that of the floor in seconds."""
    best = [np.inf, np.inf]
    for _ in range(runs + 1):  # the first to warm up
        for i, run in enumerate((ours, floor)):
            began = time.process_time()
            jax.block_until_ready(run())
            best[i] = min(best[i], time.process_time() - began)
    return best[0] / best[1], f"floor {best[1]:.3g} s"


def peak_of(name):
    """The growth of peak memory, in MB, when one function of this file runs in a process of its own."""
    script = f"import runpy; space = runpy.run_path({__file__!r}); space['grown'](space[{name!r}])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(ended.stdout)


def peak():
    with open("/proc/self/status") as file:  # getrusage would count the parent's
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def grown(run):
    before = peak()
    jax.block_until_ready(run())
    print((peak() - before) / 1024)


# W1 and W2: a teacher and one student, 200 times each, projected on all eigendirections.

TIMES = np.geomspace(0.1, 1e4, 200)


def table():
    random = np.random.default_rng(0)
    return random.standard_normal((1000, 500)) * np.arange(1, 501) ** -0.5, random.standard_normal(1000)


def gram(samples):
    random = np.random.default_rng(0)
    return np.asarray(kd.kernels.rbf(random.standard_normal((samples, 10)), length=3.0)), random.standard_normal(
        samples
    )


def both_paths(problem):
    system = problem.eigensystem()
    learners = kd.GradientFlow(TIMES), kd.distill(kd.GradientFlow(10.0), kd.GradientFlow(TIMES))
    return [kd.closed_form(learner, system).coordinates for learner in learners]


def w1():
    """W1: teacher and student on X 1000×500"""
    features, targets = table()
    found = ratio(
        lambda: both_paths(kd.problems.linear(features, targets)),
        lambda: np.linalg.svd(features, full_matrices=False),
    )
    yield Row(w1.__doc__, "thin SVD of X", "<= 1.25", *found)


def w2():
    """W2: the same with an RBF kernel, N = 2000"""
    matrix, targets = gram(2000)
    found = ratio(lambda: both_paths(kd.problems.kernel(matrix, targets)), lambda: np.linalg.eigh(matrix))
    yield Row(w2.__doc__, "eigh of K", "<= 1.25", *found)


# W3: 100 teacher stops × 200 student times × 5 label vectors.


def w3_problem():
    matrix, _ = gram(1000)
    return matrix, np.random.default_rng(1).standard_normal((1000, 5))


STOPS = np.geomspace(0.1, 1e3, 100)


@jax.jit
def w3_errors(system):
    teachers, student = kd.GradientFlow(STOPS), kd.GradientFlow(TIMES)
    learnt, left = student.filter(system.eigenvalues), student.residual(system.eigenvalues)
    power = system.eigenvalues[:, None] * system.target**2  # (K, C)

    def error(missed):  # by the student: what it left, and what it learnt of what its teacher missed
        return (left + learnt * missed) ** 2 @ power

    return jax.lax.map(error, teachers.residual(system.eigenvalues))


def w3_projections(system):
    student = np.asarray(kd.closed_form(kd.GradientFlow(TIMES), system).coordinates)  # (200, K, C)
    projections = np.empty((len(STOPS), *student.shape))
    for stop, learnt in enumerate(np.asarray(kd.GradientFlow(STOPS).filter(system.eigenvalues))):
        np.multiply(student, np.tile(learnt[:, None], student.shape[-1]), out=projections[stop])
    return projections


def w3_memory():
    return w3_projections(kd.problems.kernel(*w3_problem()).eigensystem())


def w3():
    """W3: 100 teachers × 200 student times × 5 label vectors, N = 1000"""
    matrix, targets = w3_problem()
    problem = kd.problems.kernel
    floor = lambda: np.linalg.eigh(matrix)
    found = ratio(lambda: w3_errors(problem(matrix, targets).eigensystem()), floor)
    yield Row(w3.__doc__ + ", training errors", "eigh of K", "<= 1.25", *found)
    found, note = ratio(lambda: w3_projections(problem(matrix, targets).eigensystem()), floor)
    yield Row("W3: all projections", "eigh of K", "<= 3", found, note)
    yield Row("W3: peak memory of all projections", "1 GB", "< 1", peak_of("w3_memory") / 1024)


# W4: the loop.


def w4():
    """W4: 10,000 gradient steps on X 1000×500, projected every 50"""
    features, targets = table()
    steps = np.arange(0, 10_001, 50)

    def simulated():
        return kd.simulate(kd.GradientDescent(None, steps), kd.problems.linear(features, targets)).coordinates

    found = ratio(simulated, lambda: np.linalg.svd(features, full_matrices=False))
    yield Row(w4.__doc__, "thin SVD of X", "<= 4", *found)


# New inputs.


def limits():
    """asymptotics.limit of 1000 distinct eigenvalues, a power law, N = 500"""
    spectrum = np.asarray(kd.spectra.power_law(1000))
    random = np.random.default_rng(0).standard_normal((1000, 1000))
    matrix, floor = random + random.T, lambda: np.linalg.eigh(matrix)
    made = lambda: kd.asymptotics.limit(spectrum, 500, noise=0.5).form
    yield Row(limits.__doc__, "eigh of that size", "<= 3", *ratio(made, floor))
    limit, path = kd.asymptotics.limit(spectrum, 500, noise=0.5), kd.GradientFlow(np.geomspace(0.1, 1e4, 1000))
    found = ratio(lambda: kd.asymptotics.risk(path, limit).total, made)
    yield Row("a path of 1000 moments on it", "the limit", "<= 0.1", *found)


def chains():
    """generations.risk of ten stages of random features, P = 1000, N = 800"""
    s = np.asarray(kd.spectra.power_law(1000, 1.0))
    features = np.random.default_rng(0).standard_normal((1000, 1000)) / 30
    Stage = kd.generations.Stage
    stages = [Stage(kd.Ridge(0.1), 800, 0.3, features)] + [Stage(kd.GradientFlow(20.0), 800, 0.3, features)] * 9
    random = np.random.default_rng(0).standard_normal((1000, 1000))
    matrix = random + random.T
    found = ratio(lambda: kd.generations.risk(stages, s, 0.1), lambda: np.linalg.eigh(matrix), runs=2)
    yield Row(chains.__doc__, "eigh of that size", "-", *found)


def estimates():
    """estimated_risk of 200 moments, RBF kernel, N = 1000"""
    problem = kd.problems.kernel(*gram(1000))
    found = ratio(
        lambda: kd.measures.estimated_risk(kd.GradientFlow(TIMES), problem), lambda: problem.eigensystem().target
    )
    yield Row(estimates.__doc__, "the problem's eigensystem", "<= 1.3", *found)


# The sweep.


def learnt(exponent, stop, time):
    """How much of 100 directions of a power law a student has learnt: a function that kdtheory knows nothing of."""
    spectrum = jnp.arange(1.0, 101.0) ** -exponent
    return jnp.mean(jnp.expm1(-spectrum * stop) * jnp.expm1(-spectrum * time))


def filtered(exponent, stop, time):
    """The same through the library's learners."""
    learner = kd.distill(kd.GradientFlow(stop), kd.GradientFlow(time))
    return jnp.mean(learner.filter(kd.spectra.power_law(100, exponent)))


def sweep():
    """a sweep of 1e6 cells, 100 directions each"""

    @jax.jit
    def bare(elements):
        return jnp.sum(jnp.expm1(-elements))

    elements = jnp.linspace(0.0, 5.0, 26 * 40 * 1000 * 100)
    axes = dict(exponent=np.linspace(0.5, 3, 26), stop=np.geomspace(1, 1e3, 40))
    against = "fused expm1 pass over as many elements"
    for function, name in ((filtered, "learners of kdtheory"), (learnt, "a function of the reader's")):
        for times, size in ((1000, "1e6"), (5000, "5e6")):

            def swept(function=function, times=times):
                programs._PROGRAMS.clear()  # the same sweep compiles once
                table = kd.sweep(function, **axes, time=np.geomspace(0.1, 1e4, times), progress=False)
                return table[function.__name__].values

            found, note = ratio(swept, lambda: bare(elements))
            row = f"sweep of {size} cells × 100 directions, compilation included: {name}"
            yield Row(row, against, "<= 2", found * 1000 / times, note)


# The top of a large kernel.


def large(samples):
    random = np.random.default_rng(0)
    return kd.problems.matrix_free(RBF, random.standard_normal((samples, 20)), random.standard_normal(samples))


def rbf_memory():
    return large(20_000).eigensystem(count=100).eigenvalues


def rbf(samples=20_000):
    """top 100 directions of an RBF kernel, N = 20,000, 20 features"""
    problem = large(samples)
    products, spent = [], 0.0
    product = matrix_free._product

    def counted(*arguments):
        nonlocal spent
        began = time.process_time()
        result = jax.block_until_ready(product(*arguments))
        spent += time.process_time() - began
        products.append(arguments[-1].shape[-1])
        return result

    matrix_free._product = counted
    began = time.process_time()
    jax.block_until_ready(problem.eigensystem(count=100).reading)
    whole = time.process_time() - began
    matrix_free._product = product
    note = f"{whole:.0f} s, {len(products)} products with up to {max(products)} vectors"
    yield Row(rbf.__doc__.replace("20,000", f"{samples:,}"), "its kernel products", "<= 1.5", whole / spent, note)
    if samples == 20_000:
        yield Row("peak memory of that", "2 GB", "<= 1", peak_of("rbf_memory") / 2048)


def rbf_50000():
    """the same with N = 50,000; only by its name"""
    yield from rbf(50_000)


# Import.


def imports():
    """import kdtheory"""
    run = lambda what: subprocess.run([sys.executable, "-c", what], check=True)
    best = [np.inf, np.inf]
    for _ in range(RUNS):
        for i, what in enumerate(("import kdtheory", "import jax, jax.numpy, scipy")):
            began = time.perf_counter()
            run(what)
            best[i] = min(best[i], time.perf_counter() - began)
    yield Row(imports.__doc__, "import jax, scipy", "-", best[0] / best[1], f"floor {best[1]:.3g} s")


# Peers, which have no distillation and no projection: these are written around them.


def neural_tangents_paths(nt, matrix, targets):
    basis = np.linalg.eigh(matrix)[1]
    teacher = nt.predict.gradient_descent_mse(matrix, targets[:, None])
    student = nt.predict.gradient_descent_mse(matrix, teacher(10.0, 0.0))
    return [np.asarray(learner(TIMES, 0.0))[..., 0] @ basis for learner in (teacher, student)]


def optax_path(optax, features, targets):
    return optax_run(optax, features, targets) @ np.linalg.svd(features, full_matrices=False)[2].T


@functools.partial(jax.jit, static_argnums=0)
def optax_run(optax, features, targets):
    optimiser = optax.sgd(0.1)
    loss = lambda w: 0.5 * jnp.mean((features @ w - targets) ** 2)

    def step(carry, _):
        w, state = carry
        updates, state = optimiser.update(jax.grad(loss)(w), state)
        return (optax.apply_updates(w, updates), state), None

    def piece(carry, _):
        carry, _ = jax.lax.scan(step, carry, None, 50)
        return carry, carry[0]

    w = jnp.zeros(features.shape[1])
    return jax.lax.scan(piece, (w, optimiser.init(w)), None, 200)[1]


def early_stopping_path(es, features, targets):
    directions = np.linalg.svd(features, full_matrices=False)[2]
    run = es.Landweber(features, targets, learning_rate=0.1 / len(targets))
    return np.stack([run.get_estimate(step) for step in range(0, 10_001, 50)]) @ directions.T


def peers():
    """what neural-tangents, optax and EarlyStopping take for the same, where they can be imported"""
    features, targets = table()
    matrix, labels = gram(2000)
    svd, eigh = (lambda: np.linalg.svd(features, full_matrices=False)), (lambda: np.linalg.eigh(matrix))
    cases = [
        ("neural_tangents", "W1", neural_tangents_paths, (features @ features.T, targets), svd, "thin SVD of X"),
        ("neural_tangents", "W2", neural_tangents_paths, (matrix, labels), eigh, "eigh of K"),
        ("optax", "W4", optax_path, (features, targets), svd, "thin SVD of X"),
        ("EarlyStopping", "W4", early_stopping_path, (features, targets), svd, "thin SVD of X"),
    ]
    for name, what, run, arguments, floor, against in cases:
        try:
            peer = importlib.import_module(name)
        except Exception as problem:  # some fail on the newest JAX with errors of their own
            print(f"({what} by {name} is skipped: {problem})", flush=True)
            continue
        yield Row(f"{what} by {name}", against, "-", *ratio(functools.partial(run, peer, *arguments), floor, runs=1))


BENCHMARKS = [w1, w2, w3, w4, limits, chains, estimates, sweep, imports, rbf, peers]


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")


def main(names):
    chosen = (
        [benchmark for benchmark in [*BENCHMARKS, rbf_50000] if benchmark.__name__ in names] if names else BENCHMARKS
    )
    print(
        f"{processor() or platform.processor()}, one core; Python {platform.python_version()}, jax {jax.__version__}, ",
        end="",
    )
    print(f"numpy {np.__version__}, scipy {scipy.__version__}; best of {RUNS}, interleaved\n")
    print("| what | against | target | ratio | |\n|---|---|---|---|---|")
    for benchmark in chosen:
        for row in benchmark():
            print(f"| {row.what} | {row.against} | {row.target} | {row.ratio:.2f} | {row.note} |", flush=True)
