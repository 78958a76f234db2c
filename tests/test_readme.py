"""Every block of the README runs, and the design's three sessions with it.

`python -m kdtheory --json | python tests/test_readme.py` writes its table of claims.
"""

import importlib
import json
import pathlib
import pkgutil
import re
import subprocess
import sys

import matplotlib.pyplot
import numpy as np
import pytest

import kdtheory
from kdtheory.claims import CLAIMS

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_block_runs(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    before = dict(CLAIMS)
    exec(compile(block, "README.md", "exec"), {})
    CLAIMS.clear()
    CLAIMS.update(before)
    printed = capsys.readouterr().out
    if "falsify" in block:
        assert re.findall(r": ([A-Z]+)\n", printed) == ["HOLDS", "HOLDS", "VIOLATED"]
    if "print" in block:
        assert printed and "nan" not in printed.split("directions")[0]
    for name in re.findall(r'savefig\("(.*?)"\)', block):
        assert (tmp_path / name).stat().st_size > 1000
    matplotlib.pyplot.close("all")


def test_the_pictures_are_there():
    for path in re.findall(r"\]\((figures/[^)]+)\)", README):
        assert (ROOT / path).exists(), path


def test_every_module_is_on_the_map():
    modules = {found.name for found in pkgutil.iter_modules(kdtheory.__path__) if found.name[0] != "_"}
    named = set(re.findall(r"`(\w+)`", README[README.index("## Where things are") : README.index("## Your data")]))
    assert modules <= named


def test_the_table_of_claims_is_that_of_the_library():
    table = README[README.index("## What is checked") : README.index("`python -m kdtheory exaggerated_bias`")]
    rows = [re.split(r" {2,}", line) for line in table.splitlines() if "  " in line][1:]
    known = [claim for claim in CLAIMS.values() if claim.function.__module__.startswith("kdtheory.theorems.")]
    powers = [float(row.pop(2)) for row in rows]
    assert rows == [[claim.name, "holds", ", ".join(claim.hypotheses), claim.standing] for claim in known]
    assert all(0 < power <= claim.lie for power, claim in zip(powers, known, strict=True))
    for topic in {claim.topic for claim in known}:
        assert f"\n\n{topic}\n" in table


def table(trials):
    """The README's table of claims, from what `--json` says of a run."""
    lines, topic = ["claim".ljust(47) + "verdict  power  " + "refuted when dropped".ljust(46) + "standing"], None
    for trial in trials:
        if trial["topic"] != topic:
            lines += ["", topic := trial["topic"]]
        verdict = "holds" if trial["passed"] else "FAILS"
        refuted = ", ".join(name for name, found in trial["hypotheses"].items() if found["necessary"])
        lines.append(f"{trial['name']:47}{verdict:9}{trial['power'] or np.inf:.0e}  {refuted:46}{trial['standing']}")
    return "\n".join(lines)


def test_the_commands_name_what_exists():
    setup, test = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert setup.endswith(".venv/bin/python -m kdtheory && .venv/bin/python -m experiments")
    assert test.endswith(".venv/bin/python -m pytest -n 2 --dist loadfile")
    assert kdtheory.__file__ == str(ROOT / "kdtheory" / "__init__.py")


def test_import_is_light():
    # what is heavy is imported where it is used
    heavy = {"matplotlib", "xarray", "sklearn", "scipy.interpolate"}
    script = f"import sys, kdtheory; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_everything_public_is_documented():
    missing = []
    for found in pkgutil.walk_packages(kdtheory.__path__, "kdtheory."):
        if "._" in found.name or found.name.startswith(("kdtheory.theorems.", "kdtheory.__main__")):
            continue
        module = importlib.import_module(found.name)
        for name, thing in vars(module).items():
            ours = getattr(thing, "__module__", None) or ""
            if not name.startswith("_") and callable(thing) and ours.startswith("kdtheory."):
                if not (thing.__doc__ or "").strip() or thing.__doc__.startswith(f"{name}("):
                    missing.append(f"{found.name}.{name}")
    assert not missing


if __name__ == "__main__":
    typed = README[(start := README.index("```\nclaim  ") + 4) : README.index("\n```", start)]
    (ROOT / "README.md").write_text(README.replace(typed, table(json.load(sys.stdin))))
