"""The default device of JAX against the processor, side by side: `python tests/benchmarks accelerator`.

Two processes, one on each, take turns in one run; seconds are those of a clock on the wall, the best of five after one
that compiles. The worst errors in ulp of the true value are found on the points of `tests/test_promises.py`. Where JAX
finds no accelerator, the processor is both. Names, of w1, w2, w3, w4, sweep and ulps, choose rows.
"""

import concurrent.futures
import multiprocessing
import os
import sys
import time
from pathlib import Path

RUNS, POINTS = 5, 10_000
WHAT = {
    "w1": "W1: teacher and student on X 1000×500",
    "w2": "W2: the same with an RBF kernel, N = 2000",
    "w3": "W3: 100 teachers × 200 student times × 5 label vectors, N = 1000",
    "w4": "W4: 10,000 gradient steps on X 1000×500, projected every 50",
    "sweep": "a sweep of 1e6 cells, 100 directions each, compilation included",
}


# In a process of its own, which imports JAX only once its platform is set.


def begin(platform):
    if platform:
        os.environ["JAX_PLATFORMS"] = platform
    sys.path.insert(0, str(Path(__file__).parent.parent))


def told():
    import jax

    (device, *_), count = jax.devices(), len(jax.devices())
    return device.platform, f"{device.device_kind} × {count}, jax {jax.__version__}"


def workload(name):
    import measure
    import numpy as np

    import kdtheory as kd

    axes = dict(exponent=np.linspace(0.5, 3, 26), stop=np.geomspace(1, 1e3, 40), time=np.geomspace(0.1, 1e4, 1000))
    if name == "w1":
        data = measure.table()
        return lambda: measure.both_paths(kd.problems.linear(*data))
    if name == "w2":
        data = measure.gram(2000)
        return lambda: measure.both_paths(kd.problems.kernel(*data))
    if name == "w3":
        data = measure.w3_problem()
        return lambda: measure.w3_errors(kd.problems.kernel(*data).eigensystem())
    if name == "w4":
        data, learner = measure.table(), kd.GradientDescent(None, np.arange(0, 10_001, 50))
        return lambda: kd.simulate(learner, kd.problems.linear(*data)).coordinates

    def swept():
        measure.programs._PROGRAMS.clear()  # the same sweep compiles once
        return kd.sweep(measure.filtered, **axes, progress=False)["filtered"].values

    return swept


MADE = {}


def seconds(name):
    import jax

    run = MADE.get(name) or MADE.setdefault(name, workload(name))
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def errors(name):
    """The worst errors of the four faces of a learner, in ulp."""
    import flint
    import numpy as np
    import test_promises as promises

    flint.ctx.prec = 1300
    learner, residual, draw = promises.PLAIN[name]
    points = draw(np.random.default_rng(1), POINTS)
    worst = {}
    for face, of in promises.FACES.items():
        got = np.asarray(promises.compiled(learner, face)(*points))
        worst[face] = promises.ulps(got, lambda *p, of=of: of(residual(*p)), points).max()
    return worst


# In the process that asks.


def main(chosen):
    context = multiprocessing.get_context("spawn")
    start = lambda platform: concurrent.futures.ProcessPoolExecutor(1, context, begin, (platform,))
    with start(None) as device, start("cpu") as processor:
        ask = lambda worker, *call: worker.submit(*call).result()
        (platform, name), (_, beside) = ask(device, told), ask(processor, told)
        print(f"device: {platform}, {name}; processor: {beside}")
        if platform == "cpu":
            print("JAX finds no accelerator: the processor is both, and ratios are the noise of this machine")
        print("\n| what | device [s] | processor [s] | ratio |\n|---|---|---|---|")
        for short, what in WHAT.items():
            if chosen and short not in chosen:
                continue
            taken = [(ask(device, seconds, short), ask(processor, seconds, short)) for _ in range(RUNS + 1)][1:]
            ours, theirs = map(min, zip(*taken, strict=True))
            print(f"| {what} | {ours:.3g} | {theirs:.3g} | {ours / theirs:.2f} |", flush=True)
        if chosen and "ulps" not in chosen:
            return
        print(f"\nworst errors in ulp, of {POINTS:,} points\n")
        print("| what | device | processor | promised |\n|---|---|---|---|")
        for learner in ("flow", "descent", "ridge"):
            there, here = ask(device, errors, learner), ask(processor, errors, learner)
            for face in there:
                print(f"| {learner} {face} | {there[face]:.2f} | {here[face]:.2f} | 4 |", flush=True)
