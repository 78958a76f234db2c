"""python -m experiments: rebuild the figures, and the page that shows them.

python -m experiments report: the seed paper on real data, a page of its own.
python -m experiments site: all of it as pages to look at in a browser, in figures/site.
"""

import importlib
import inspect
import os
import pkgutil
import time
from pathlib import Path

import matplotlib.style

import experiments
from experiments import _page
from kdtheory import _command

PROG = "python -m experiments"
FIGURES = Path(__file__).parent.parent / "figures"
STYLE = FIGURES / "kdtheory.mplstyle"


def discover():
    """The names of all experiments: the modules of this package that do not start with an underscore."""
    found = pkgutil.iter_modules(experiments.__path__)
    return [module.name for module in found if not module.name.startswith("_") and not module.ispkg]


def load(name):
    """The module of an experiment."""
    return importlib.import_module(f"experiments.{name}")


def caption(module):
    """Title and caption of an experiment: the first line of its docstring, and the rest."""
    title, _, rest = inspect.getdoc(module).partition("\n")
    return title, rest.strip()


def prepare(folder):
    """Make the output folder. PermissionError, before any work, if it cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"cannot write figures to {folder}")


def build(name, folder, **sizes):
    """Run one experiment and write its figure, as SVG and as PNG. The same run gives the same bytes."""
    module = load(name)
    run = inspect.signature(module.compute).bind(**sizes)
    run.apply_defaults()
    result = module.compute(**run.arguments)
    with matplotlib.style.context(STYLE):
        _page.write(module.draw(result), folder, name, caption(module)[0], f"experiments.{name}: {run.arguments}")


def gallery(folder):
    """Write README.md: title, picture and caption of every figure in the folder."""
    parts = ["# Figures\n\nWritten by `python -m experiments`; nothing here is made by hand.\n"]
    for name in discover():
        if (folder / f"{name}.png").exists():
            title, text = caption(load(name))
            picture = f"[![{title}]({name}.png)]({name}.svg)"
            parts.append(f"## {title}\n\n{picture}\n\n{text}\n\n`python -m experiments {name}`\n")
    (folder / "README.md").write_text("\n".join(parts))


def site():
    """What builds the pages. ImportError that says what to install where that is missing."""
    try:
        from experiments.site import _build
    except ModuleNotFoundError as missing:
        raise ImportError(f"the site needs {missing.name}: pip install -e '.[site]'") from missing
    return _build


def timed(names):
    """The names, with the time that each took, and a progress bar where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        bar, say = names, print
    else:
        bar = tqdm(names)
        say = bar.write
    for name in bar:
        began = time.perf_counter()
        yield name
        say(f"{name}: {time.perf_counter() - began:.0f} s")


def main(arguments=None):
    parser = _command.Parser(prog=PROG, description="Rebuild the figures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones, report or site; all figures if left out")
    parser.add_argument("--list", action="store_true", help="print the names and titles, and stop")
    chosen = parser.parse_args(arguments)
    known = discover()
    if chosen.list:
        for name in known:
            print(f"{name:32} {caption(load(name))[0]}")
        return
    unknown = sorted(set(chosen.names) - set(known)) if chosen.names not in (["report"], ["site"]) else []
    if alone := sorted({"report", "site"} & set(unknown)):
        parser.error(f"{alone[0]} is built alone: give no other name")
    if unknown:
        parser.error(f"there is no experiment {', '.join(unknown)}; there are {', '.join(known)}")
    parser.needs_float64()
    if chosen.names == ["report"]:
        from experiments.report import _pages

        prepare(FIGURES)
        _pages.build(FIGURES, STYLE, timed)
        print(f"the report is {FIGURES / 'report.md'}")
        return
    if chosen.names == ["site"]:
        build_site = site().build
        prepare(FIGURES / "site")
        pages = build_site(FIGURES / "site")
        print(f"{len(pages)} pages; the first is {FIGURES / 'site' / 'index.html'}")
        return
    prepare(FIGURES)
    for name in timed(chosen.names or known):
        build(name, FIGURES)
    gallery(FIGURES)
    print(f"figures and their page are in {FIGURES}")


if __name__ == "__main__":
    _command.run(main, PROG)
