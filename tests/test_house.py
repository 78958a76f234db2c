"""The plan of the package: few rooms, and imports that go down only, also those inside functions."""

import ast
import pathlib

import kdtheory

ROOT = pathlib.Path(kdtheory.__file__).parent
FLOORS = """_record _checks _compilation _command numerics spectra kernels datasets files sweeps problems learners
trajectories asymptotics measures claims theorems plots comparisons testing __main__ __init__""".split()


def imports(path):
    """The modules of the package that a file imports, wherever it does, as their parts after `kdtheory`.

    What only a type checker reads is no import.
    """
    tree = ast.parse(path.read_text())
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "kdtheory":
            yield from [[*node.module.split(".")[1:], name.name] for name in node.names]
        elif isinstance(node, ast.Import):
            yield from [name.name.split(".")[1:] for name in node.names if name.name.startswith("kdtheory")]


def rooms():
    return {path.stem: path for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def test_few_rooms_and_each_has_its_floor():
    assert set(rooms()) == set(FLOORS) and len(FLOORS) <= 22


def test_no_arrow_goes_up():
    for room, place in rooms().items():
        for path in [place] if place.suffix else place.rglob("*.py"):
            for target, *_ in imports(path):
                assert FLOORS.index(target) <= FLOORS.index(room), f"{path.relative_to(ROOT)} imports {target}"
                assert target != room or not place.suffix


def test_no_circle_inside_a_room():
    for room, place in rooms().items():
        if place.suffix:
            continue
        below = {
            path.stem: {target[1] for target in imports(path) if target[0] == room and len(target) > 1}
            for path in place.glob("*.py")
            if path.stem != "__init__"
        }
        while leaves := [name for name, used in below.items() if not used & set(below)]:
            for name in leaves:
                del below[name]
        assert not below, f"a circle in {room}: {below}"
