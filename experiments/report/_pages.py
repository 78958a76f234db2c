"""figures/report.md: an abstract, then for each row what was claimed, what was run, figure, numbers, verdict."""

import importlib
import inspect
import pkgutil

import matplotlib.style

import experiments.report
import kdtheory as kd
from experiments import _page
from experiments.report import _study
from experiments.report._verdicts import counts, overall, table, twice

HEAD = """# The seed paper on real data

Nagarajan, Menon, Bhojanapalli, Mobahi & Kumar 2023, *On student-teacher deviations in distillation: does it
pay to disobey?* (arXiv 2301.12923). Its three claims: (a) a student exaggerates its teacher's confidence, (b)
distillation exaggerates the implicit bias of gradient descent, (c) the second can cause the first, and better
generalisation with it. Here in their order:

{three}

**Abstract.**

{abstract}

| | claimed | quantities, on both sets of seeds | where not, and why |
|---|---|---|---|
{summary}

**What a sceptic should look at.** {sceptic}

## How to read the numbers

Written by `python -m experiments report`; nothing here is made by hand. There is no public code of the paper;
its claims are from the abstract, from second-hand notes and from memory, and its large networks are replaced by
linear and kernel models and two small networks. Numbers of the original are second-hand, and marked.

Everything was run twice, on the seeds {first} and on the seeds {again}, which draw the split, the label noise
and what else is random; the tables have both. Figures are of the first. Intervals are 95 % Student intervals of
the mean over seeds; splits of one set overlap, so that they are somewhat too narrow; where folds share rows by
design (NACE) the variance is corrected for it. A quantity is *shown* where its whole interval is on the claimed
side, *reversed* where it is on the other, *not shown* where it holds the border, and *not stable* where the two
sets of seeds disagree. Budgets and temperatures were fixed beforehand; what was chosen (the best stop of the
teacher, the moment at which the slope is read) was chosen on the seeds {validation} and judged on the others.

Data: MNIST-5k, images of digits; `NACE`, descriptions of economic activities in ten classes; `reviews`, 5 stars
or not; Fashion-MNIST where its files are in {fashion}.
"""

SCEPTIC = """The control beside each number: the one-hot learner after as many steps (grey in P4), the best
early-stopped teacher (P6), a flat spectrum and equal time (controls). In P4 the moment decides: a student that
has converged *is* its teacher, and every slope is one; on training inputs a slope above one is common, on test
inputs it is a window early in training. In P5 the slope without bias (γ = 0), which is one for squared loss and
need not be for softmax. In P6 the gain over the best early stop, not over the student's own teacher. And the
models: kernels of 300 to 600 rows and two networks that a laptop trains in seconds, not a ResNet."""

THREE = {"(b) exaggerated bias": "trajectories", "(a) confidence": "confidence", "(c) the link": "bias_to_confidence"}

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
    """The rows, in the order of their titles, those of the paper first."""
    found = pkgutil.iter_modules(experiments.report.__path__)
    modules = [
        importlib.import_module(f"experiments.report.{module.name}") for module in found if module.name[0] != "_"
    ]
    title = inspect.getdoc
    return sorted(modules, key=lambda module: (title(module)[0] != "P", title(module)))


def stem(module):
    """The name of a row's figure."""
    return "report_" + module.__name__.rpartition(".")[2]


def build(folder, style, timed, sizes=None, seeds=(_study.SEEDS, _study.AGAIN)):
    """Compute what is not kept, draw the figures and write the page. `sizes` maps modules' names to other sizes."""
    modules = {stem(module): module for module in discover()}
    names = [f"seeds {some[0]} to {some[-1]}" for some in seeds]
    claim = kd.theorems.exaggerated_bias
    theory, practice = claim.check(0, 1000), claim.practice(0, 200)
    abstract = [f"* **P1, the theorem**: {theory.verdict} in theory, {practice.verdict} in practice."]
    sections, summary = [], []
    for name in timed(list(modules)):
        module = modules[name]
        title, _, text = inspect.getdoc(module).partition("\n")
        short = title.partition(":")[0]
        results = [module.compute(seeds=some, **(sizes or {}).get(name, {})) for some in seeds]
        pairs = twice(*(list(module.findings(result)) for result in results))
        with matplotlib.style.context(style):
            _page.write(module.draw(results[0]), folder, name, title, f"experiments.report.{name}")
        word = getattr(module, "verdict", overall)(pairs)
        verdict = f"{word}** ({counts(pairs)})"
        abstract.append(f"* **{short}**: {module.abstract([pair.first for pair in pairs])} **{word}.**")
        summary.append(f"| [{short}](#{_anchor(short)}) | {module.CLAIMED} | **{verdict} | {module.WHY} |")
        shaky = "; ".join(pair.first.what for pair in pairs if pair.kind == "not stable")
        stable = f"Not stable, for the two sets of seeds disagree: {shaky}." if shaky else "Both sets of seeds agree."
        extra = f"\n\n{module.grid(results[0])}" if hasattr(module, "grid") else ""
        sections.append(
            f'<a id="{_anchor(short)}"></a>\n\n## {title}\n\n**Claimed.** {module.CLAIMED}\n\n'
            f"**What we ran.** {text.strip()}\n\n"
            f"[![{title}]({name}.png)]({name}.svg)\n\n**Verdict: {verdict}. {stable}\n\n{table(pairs, names)}{extra}\n"
        )
    head = HEAD.format(
        three="\n".join(
            f"| {' | '.join(row)} |"
            for row in (THREE, ["---"] * 3, [f"[![{of}](report_{of}.png)](report_{of}.svg)" for of in THREE.values()])
        ),
        abstract="\n".join(abstract),
        summary="\n".join(summary),
        sceptic=SCEPTIC,
        first=list(seeds[0]),
        again=list(seeds[1]),
        validation=list(_study.VALIDATION),
        fashion=_study.FASHION,
    )
    (folder / "report.md").write_text("\n".join([head, THEORY.format(theory=theory, practice=practice), *sections]))


def _anchor(short):
    return short.lower().replace(" ", "-")
