"""The cells of a sweep, in blocks."""

import math

import numpy as np


class Grid:
    """The cells of a sweep, in blocks of which each is a range of cells in the order of the axes."""

    def __init__(self, shape, size):
        """With nearly equal blocks of at most `size` cells: whole along the last axes, single along the first."""
        self.shape, self.axis, rest = shape, len(shape) - 1, 1
        while self.axis > 0 and rest * shape[self.axis] <= size:
            rest *= shape[self.axis]
            self.axis -= 1
        length = shape[self.axis]  # of the axis that is split
        width = -(-length // -(-length // (size // rest)))
        self.parts = -(-length // width)
        self.block = (1,) * self.axis + (width, *shape[self.axis + 1 :])
        self.count = math.prod(shape[: self.axis]) * self.parts

    def indices(self, number):
        """Where along each axis the cells of a block are."""
        lead, part = divmod(number, self.parts)
        before = np.unravel_index(lead, self.shape[: self.axis]) if self.axis else ()
        width = self.block[self.axis]
        split = np.arange(part * width, min((part + 1) * width, self.shape[self.axis]))
        return [*map(np.atleast_1d, before), split, *map(np.arange, self.shape[self.axis + 1 :])]

    def cells(self, number):
        """The range of cells of a block."""
        lead, part = divmod(number, self.parts)
        length, whole = self.shape[self.axis], math.prod(self.shape[self.axis + 1 :])
        ends = part * self.block[self.axis], min((part + 1) * self.block[self.axis], length)
        return slice(*((lead * length + end) * whole for end in ends))
