"""The figures of kdtheory, one module each: the stem names the claim, the script and the figure.

Each module has a docstring, whose first line is the title of the figure and whose rest is its caption;
`compute`, whose keyword arguments are sizes and seeds; and `draw`, which makes a matplotlib Figure of what
`compute` returns. In every figure a loop that was run on data meets theory in the same panel, and what it
says of their agreement is read off the run.

`python -m experiments` rebuilds them all in figures/, `python -m experiments NAME` one of them.
"""
