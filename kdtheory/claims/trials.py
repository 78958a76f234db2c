"""Trials of several claims at a time: of many by processes, of a few by threads."""

import contextlib
import dataclasses
import functools
import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from kdtheory.claims.checks import Trial
from kdtheory.claims.judging import Claim, line_of, written_in

MANY = 12  # claims from which on more processes pay, each of which imports JAX


@dataclasses.dataclass(frozen=True, eq=False)
class Refused:
    """A claim that could not be judged, in place of its trial."""

    claim: Claim
    refused: str  # why
    passed = False


def trials(claims: Sequence[Claim], seed: int, **counts: int) -> Iterator[Trial | Refused]:
    """`claim.trial(seed, **counts)` of each, in their order, several at a time, or why there is none.

    Who interrupts does not wait for those that are running.
    """
    trial = functools.partial(_tried, seed=seed, counts=counts)
    if len(claims) >= MANY and all(claim.function.__module__.startswith("kdtheory.") for claim in claims):
        yield from _by_processes(trial, claims)
        return
    pool = ThreadPoolExecutor(max_workers=2)  # compiling is what a trial costs, and it leaves the interpreter
    try:
        yield from pool.map(trial, claims)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _tried(claim, seed, counts):
    try:
        return claim.trial(seed, **counts)
    except (Exception, SystemExit) as error:
        at, first = line_of(error, written_in(claim.function)).removesuffix(","), str(error).partition("\n")[0]
        return Refused(claim, f"{type(error).__name__}{at}: {first}")


def _by_processes(function, items):
    """`function` of each item, in their order, by as many processes as there are cores."""
    context = multiprocessing.get_context("spawn")  # a fork of a process that runs JAX may wait for ever
    left, found, workers = enumerate(items), {}, {}
    try:
        with _interruptions_kept():
            for _ in range(min(_cores(), len(items))):
                ours, theirs = context.Pipe()
                workers[ours] = context.Process(target=_work, args=(function, theirs), daemon=True)
                workers[ours].start()
                theirs.close()
                ours.send(next(left))
        for place in range(len(items)):
            while place not in found:
                for worker in multiprocessing.connection.wait(list(workers)):
                    _receive(worker, found)
                    if (more := next(left, None)) is not None:
                        worker.send(more)
            if isinstance(found[place], Exception):
                raise found[place]
            yield found.pop(place)
    finally:
        for worker in workers.values():
            worker.terminate()


def _receive(worker, found):
    try:
        place, result = worker.recv()
    except (EOFError, ConnectionError) as ended:
        raise ChildProcessError(
            "a process that judged claims has ended, perhaps for want of memory; give the names of a few claims, which"
            " are judged without more processes"
        ) from ended
    found[place] = result


def _work(function, asked):
    """A process of its own: answers until nobody asks."""
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            place, item = asked.recv()
            try:
                result = function(item)
            except Exception as error:
                result = error
            asked.send((place, result))


@contextlib.contextmanager
def _interruptions_kept():
    """Ctrl-C waits, and never reaches the processes that are started meanwhile: it is told once, by this one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
