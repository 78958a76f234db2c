"""figures/report.md: for each row what was claimed, what was run, figure, numbers with intervals, verdict."""

import importlib
import inspect
import pkgutil
from collections import Counter

import matplotlib.style

import experiments.report
import kdtheory as kd
from experiments import _page
from experiments.report import _study
from experiments.report._verdicts import overall, table

HEAD = """# The seed paper on real data

Nagarajan, Menon, Bhojanapalli, Mobahi & Kumar 2023, *On student-teacher deviations in distillation: does it
pay to disobey?* (arXiv 2301.12923). There is no public code of it; its claims are from the abstract, from
second-hand notes and from memory, and its networks are replaced by linear and kernel models. Numbers of the
original are second-hand.

Written by `python -m experiments report`; nothing here is made by hand. Intervals are 95 % Student intervals
of the mean over the seeds {seeds}, which draw the split, the label noise and what else is random; splits of
one set overlap, so that they are somewhat too narrow. Hyperparameters (stop and temperature of the student,
stop of the best teacher) were chosen on the seeds {validation}. A quantity is *shown* where its whole
interval is on the claimed side, *reversed* where it is on the other, *not shown* where it holds the border;
"not stable" says that leaving out one seed changes that.

Data: MNIST-5k, images of digits; `reviews`, 5 stars or not; `NACE`, descriptions of economic activities in
ten classes.

| row | verdict | quantities |
|---|---|---|
{summary}
"""

THEORY = """## P1: matched on a top direction, the student is strictly behind on a lower one

**Claimed.** Theorem 4.1, for gradient flow on linear regression.

**What we ran.** The library's claim `exaggerated_bias`, on random instances, in theory and by loops on data
with just that spectrum; see `python -m kdtheory` for what happens where its hypotheses are dropped.

```
{theory}

{practice}
```

## P3: convergence per eigendirection

**Claimed.** Nothing that we could read; it is the picture that the theory draws.

**What we ran.** `python -m experiments exaggerated_bias`, and on real images `exaggerated_bias_mnist`.

[![Convergence per eigendirection](exaggerated_bias_mnist.png)](exaggerated_bias_mnist.svg)
"""


def discover():
    """The rows, in the order of their titles."""
    found = pkgutil.iter_modules(experiments.report.__path__)
    modules = [
        importlib.import_module(f"experiments.report.{module.name}") for module in found if module.name[0] != "_"
    ]
    return sorted(modules, key=lambda module: inspect.getdoc(module))


def stem(module):
    """The name of a row's figure."""
    return "report_" + module.__name__.rpartition(".")[2]


def build(folder, style, timed, sizes=None):
    """Compute what is not kept, draw the figures and write the page. `sizes` maps modules' names to other sizes."""
    modules = {stem(module): module for module in discover()}
    sections, summary = [], []
    for name in timed(list(modules)):
        module = modules[name]
        title, _, text = inspect.getdoc(module).partition("\n")
        result = module.compute(**(sizes or {}).get(name, {}))
        findings = list(module.findings(result))
        with matplotlib.style.context(style):
            _page.write(module.draw(result), folder, name, title, f"experiments.report.{name}")
        counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(f.verdict for f in findings).items())
        summary.append(f"| {title} | **{overall(findings)}** | {counts} |")
        extra = ""
        if hasattr(module, "grid"):
            extra = f"\n\nThe grid that was searched: {module.GRID}\n\n{module.grid(result)}"
        sections.append(
            f"## {title}\n\n**Claimed.** {module.CLAIMED}\n\n**What we ran.** {text.strip()}\n\n"
            f"[![{title}]({name}.png)]({name}.svg)\n\n{table(findings)}\n\n"
            f"**Verdict: {overall(findings)}** ({counts}).{extra}\n"
        )
    claim = kd.theorems.exaggerated_bias
    theory, practice = claim.check(0, 1000), claim.practice(0, 10)
    summary.insert(0, f"| P1: the theorem | **{theory.verdict}** in theory, **{practice.verdict}** in practice | |")
    head = HEAD.format(seeds=list(_study.SEEDS), validation=list(_study.VALIDATION), summary="\n".join(summary))
    (folder / "report.md").write_text("\n".join([head, THEORY.format(theory=theory, practice=practice), *sections]))
