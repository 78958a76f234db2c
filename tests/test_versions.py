"""The version, wherever it is told, and the lowest ones that pyproject.toml allows of others; `.ci/lowest` runs all
tests with them, `.ci/wheel` tries what is released."""

import importlib.metadata
import itertools
import os
import pathlib
import re
import subprocess
import tomllib

import pytest

import kdtheory
import kdtheory.__main__ as command

ROOT = pathlib.Path(__file__).parent.parent


def test_one_version_is_told_everywhere(capsys):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1) == version
    assert re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1) == version
    assert kdtheory.__version__ == version, "installed is another one: pip install -e '.[test]' again"
    with pytest.raises(SystemExit) as end:
        command.main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"kdtheory {version}\n"


def test_every_requirement_has_a_lowest_version():  # F18
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in itertools.chain(project["dependencies"], *project["optional-dependencies"].values()):
        name, _, version = requirement.partition(">=")
        if not name.startswith("kdtheory["):
            assert re.fullmatch(r"[\d.]+", version), requirement
            assert importlib.metadata.version(name)


def test_what_is_released_is_tried_by_a_command():
    script = ROOT / ".ci" / "wheel"
    assert os.access(script, os.X_OK) and "`bash .ci/wheel`" in (ROOT / "README.md").read_text()
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_one_command_installs_them():  # F18
    command = ROOT / ".ci" / "lowest"
    assert os.access(command, os.X_OK) and "`bash .ci/lowest`" in (ROOT / "README.md").read_text()
    assert subprocess.run(["bash", "-n", command]).returncode == 0
    named = re.findall(r"--deselect (\S+)::(\w+)", command.read_text())
    assert named and all(f"def {test}(" in (ROOT / path).read_text() for path, test in named)


def test_no_module_asks_for_what_only_new_releases_have():  # F18
    for path in (ROOT / "kdtheory").rglob("*.py"):
        assert not re.search(r"subjaxprs|jaxprs_in_params|jax\.enable_x64", path.read_text()), path
