"""A sweep as it runs: pieces read and kept, progress, several processes."""

import contextlib
import json
import math
import time

import jax
import numpy as np

from kdtheory._checks import check_memory
from kdtheory.files import _folders

PATIENCE = 1.0  # seconds: a shorter sweep needs no progress bar


@contextlib.contextmanager
def opened(path, configuration):
    """The folder, locked by the first process on behalf of all; None if there is none to keep."""
    if path is None:
        yield None
        return
    folder = _folders.Folder(path, configuration)
    if jax.process_count() == 1:
        with folder.opened():
            yield folder
        return
    with contextlib.ExitStack() as held:
        problem = None
        if jax.process_index() == 0:
            try:
                held.enter_context(folder.opened())
            except Exception as refused:
                problem = refused
        if gathered(np.array(problem is not None)).any():  # nobody waits for a process that has stopped
            raise problem or RuntimeError(f"process 0 could not open the folder {path}; its message says why")
        yield folder
        gathered(np.array(True))  # held until all are done


def run(computer, folder, progress, name, devices, unchanged):
    """All chunks of this process, those on disk read and the rest computed; then those of all processes.

    And the names of their axes, which are a piece after the last.
    """
    grid = computer.grid
    mine = list(range(jax.process_index(), grid.count, jax.process_count())) or [0]  # none is left without
    columns: dict[str, np.ndarray] = {}

    def keep(number, piece):
        if columns and piece.keys() != columns.keys():
            raise ValueError(f"{name} returns {', '.join(piece)} in some cells and {', '.join(columns)} in others")
        for variable, rows in piece.items():
            if variable not in columns:
                shape = (math.prod(grid.shape), *rows.shape[1:])
                check_memory(shape, rows.dtype, f"all {variable}", "return less of it, or sweep fewer points at a time")
                columns[variable] = np.empty(shape, rows.dtype)
            column = columns[variable]
            if rows.shape[1:] != column.shape[1:]:
                raise ValueError(f"{name} returns {variable} of shape {rows.shape[1:]} and of {column.shape[1:]}")
            if (dtype := np.promote_types(rows.dtype, column.dtype)) != column.dtype:
                column = columns[variable] = column.astype(dtype)
            column[grid.cells(number)] = rows

    def count(numbers):
        return sum(cells.stop - cells.start for cells in map(grid.cells, numbers))

    missing = []
    for number in mine:
        piece = folder.read(number) if folder else None
        missing.append(number) if piece is None else keep(number, piece)
    done = len(mine) - len(missing)
    if not missing and folder and not computer.labels:
        kept = folder.read(grid.count) or {}
        computer.labels = {variable: tuple(axes.tolist()) for variable, axes in kept.items()}
    told = False
    with _bar(progress, name, count(mine), count(missing)) as advance:
        try:
            for first in range(0, len(missing), devices):
                batch = missing[first : first + devices]
                pieces = computer.compute(batch)
                unchanged()
                if folder and computer.labels and not told and jax.process_index() == 0:
                    folder.write(grid.count, {key: np.array(axes) for key, axes in computer.labels.items()})
                    told = True
                for number, piece in zip(batch, pieces, strict=True):
                    if folder:
                        folder.write(number, piece)
                    keep(number, piece)
                    done += 1
                advance(count(batch))
        except KeyboardInterrupt as stop:
            if folder:
                stop.add_note(f"{done} of {len(mine)} chunks are in {folder.path}; the same call goes on from there")
            raise
    return columns if jax.process_count() == 1 else _together(columns, mine, grid, name)


@contextlib.contextmanager
def _bar(wanted, name, total, left):
    """A bar of cells. The time of the first, in which they were compiled, says nothing of the rest."""
    try:
        from tqdm import tqdm
    except ImportError:
        wanted = False
    if not wanted:
        yield lambda cells: None
        return
    large = total >= 100_000
    bar = tqdm(total=total, initial=total - left, desc=name, unit="cell", unit_scale=large, delay=PATIENCE)

    def advance(cells):
        if bar.n > total - left or cells == left or bar.disable:
            bar.update(cells)
            return
        bar.n += cells
        bar.initial, bar.last_print_n, bar.last_print_t = bar.n, bar.n, time.time()
        if bar.last_print_t > bar.start_t + PATIENCE:
            bar.refresh()

    with bar:
        yield advance


def _alike(columns, name):
    """The columns in the order of the first process, and of the kinds that hold what every process has."""
    told = json.dumps({variable: (column.dtype.str, column.shape[1:]) for variable, column in columns.items()}).encode()
    room = int(gathered(np.array(len(told))).max())
    texts = gathered(np.frombuffer(told.ljust(room), np.uint8)).reshape(-1, room)
    first, *others = (json.loads(text.tobytes()) for text in texts)
    for other in others:
        if other.keys() != first.keys():
            raise ValueError(f"{name} returns {', '.join(other)} in some cells and {', '.join(first)} in others")
        for variable, (_, shape) in first.items():
            if other[variable][1] != shape:
                raise ValueError(
                    f"{name} returns {variable} of shape {tuple(other[variable][1])} and of {tuple(shape)}"
                )
    kinds = {variable: [one[variable][0] for one in (first, *others)] for variable in first}
    return {variable: columns[variable].astype(np.result_type(*kinds[variable])) for variable in first}


def gathered(array):
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(array)


def _together(columns, mine, grid, name):
    """The columns of which each process has its own chunks, from all of them."""
    columns = _alike(columns, name)
    each = -(-grid.count // jax.process_count())
    padded = [*mine, *mine[-1:] * (each - len(mine))]
    numbers = gathered(np.array(padded))  # (processes, each)
    for column in columns.values():
        own = np.zeros((each, math.prod(grid.block), *column.shape[1:]), column.dtype)
        for rows, number in zip(own, padded, strict=True):
            here = column[grid.cells(number)]
            rows[: len(here)] = here
        everyone = gathered(own)  # (processes, each, cells of a block, ...)
        for rows, number in zip(everyone.reshape(-1, *own.shape[1:]), numbers.ravel(), strict=True):
            cells = grid.cells(int(number))
            column[cells] = rows[: cells.stop - cells.start]
    return columns
