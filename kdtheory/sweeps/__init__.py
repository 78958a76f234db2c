"""Sweeps: a function of scalars over the outer product of axes, with labels."""

from kdtheory.sweeps._sweep import sweep

__all__ = ["sweep"]
