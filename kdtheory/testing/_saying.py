"""How checks say what is wrong."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np


def check_tolerance(tolerance: float) -> None:
    """Refuses what is no positive number."""
    if isinstance(tolerance, bool) or not (isinstance(tolerance, int | float | np.number) and 0 < tolerance < math.inf):
        raise ValueError(f"tolerance must be a positive number, such as 1e-8; got {tolerance!r}")


@contextlib.contextmanager
def telling(what: str, hint: str = "") -> Iterator[None]:
    """Say of what the author's code raises where that was."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise AssertionError(f"{what}: {type(error).__name__}: {first}{hint}") from error


def alike(array: Any, shape: tuple, who: str, what: str, finite: bool = True) -> None:
    """Refuse another shape, and numbers that are not finite."""
    if np.shape(array) != tuple(shape):
        raise AssertionError(f"{who} must have the shape {tuple(shape)}, {what}; got {np.shape(array)}")
    if finite and not np.isfinite(np.asarray(array)).all():
        raise AssertionError(f"{who} is not finite in {int(np.sum(~np.isfinite(np.asarray(array))))} entries")


def agree(got: Any, wanted: Any, room: float, said: str, unit: Any = 1.0) -> None:
    """Refuse what differs by more than the room, in the given unit; the message names the worst place."""
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    if got.shape != wanted.shape:
        raise AssertionError(f"{said}: shapes are {got.shape} and {wanted.shape}")
    off = np.abs(got - wanted)
    off = np.where(np.isnan(off), np.where(np.isnan(got) & np.isnan(wanted), 0.0, np.inf), off)
    off = np.where((got == wanted), 0.0, off)
    if off.size and np.max(off) > room:
        at = np.unravel_index(np.argmax(off), off.shape)
        u = float(np.broadcast_to(unit, off.shape)[at])
        raise AssertionError(
            f"{said}, by {off[at] * u:.3g}, where {room * u:.3g} is allowed: {got[at] * u:.6g} instead of"
            f" {wanted[at] * u:.6g}, at place {tuple(map(int, at))}"
        )
