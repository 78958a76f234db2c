"""The seed paper on real image and language data: one module for each of its claims.

Each module has a docstring, whose first line is the title of its row and whose rest says what was run;
`CLAIMED`, what the paper claims; `compute`, whose keyword arguments are sizes and seeds; `draw`; and
`findings`, the numbers with their verdicts. `python -m experiments report` builds figures/report.md of them.
"""
