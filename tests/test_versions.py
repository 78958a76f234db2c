"""The lowest versions that pyproject.toml allows; `.ci/lowest` runs all tests with them."""

import importlib.metadata
import itertools
import os
import pathlib
import re
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).parent.parent


def test_every_requirement_has_a_lowest_version():  # F18
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in itertools.chain(project["dependencies"], *project["optional-dependencies"].values()):
        name, _, version = requirement.partition(">=")
        if not name.startswith("kdtheory["):
            assert re.fullmatch(r"[\d.]+", version), requirement
            assert importlib.metadata.version(name)


def test_one_command_installs_them():  # F18
    command = ROOT / ".ci" / "lowest"
    assert os.access(command, os.X_OK) and "`bash .ci/lowest`" in (ROOT / "README.md").read_text()
    assert subprocess.run(["bash", "-n", command]).returncode == 0
    named = re.findall(r"--deselect (\S+)::(\w+)", command.read_text())
    assert named and all(f"def {test}(" in (ROOT / path).read_text() for path, test in named)


def test_no_module_asks_for_what_only_new_releases_have():  # F18
    for path in (ROOT / "kdtheory").rglob("*.py"):
        assert not re.search(r"subjaxprs|jaxprs_in_params|jax\.enable_x64", path.read_text()), path
