"""Types: what users hand us and get back is annotated, as `py.typed` promises."""

import inspect
import typing
from types import ModuleType

import kdtheory as kd

LEFT_OUT = "kdtheory.theorems"  # claims, and the functions of theirs that JAX traces


def modules(module=kd, seen=None):
    """The public modules that a user reaches from the package."""
    seen = {} if seen is None else seen
    if module.__name__ not in seen and not module.__name__.startswith(LEFT_OUT):
        seen[module.__name__] = module
        for name, inner in vars(module).items():
            if isinstance(inner, ModuleType) and inner.__name__.startswith("kdtheory.") and not name.startswith("_"):
                modules(inner, seen)
    return list(seen.values())


def public():
    """What is defined there by name, or imported from a private module into a package: functions and classes."""
    things = {}
    for module in modules():
        for name, thing in vars(module).items():
            own = hasattr(module, "__path__") or getattr(thing, "__module__", None) == module.__name__
            ours = str(getattr(thing, "__module__", "")).startswith("kdtheory.") and hasattr(thing, "__qualname__")
            if own and ours and not name.startswith("_"):
                things[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return things


def functions():
    """Public functions and methods, by name."""
    for name, thing in public().items():
        if not inspect.isclass(thing):
            yield name, thing
            continue
        for each in (each for each in thing.__mro__ if each.__module__.startswith("kdtheory.")):
            for key, inner in vars(each).items():
                inner = getattr(inner, "__func__", getattr(inner, "fget", inner))
                if inspect.isfunction(inner) and inner.__module__.startswith("kdtheory.") and not key.startswith("_"):
                    yield f"{each.__module__}.{each.__qualname__}.{key}", inner


def share(have):
    return sum(have.values()) / len(have), sorted(name for name, annotated in have.items() if not annotated)


def test_users_reach_the_modules_that_are_measured():
    names = {module.__name__ for module in modules()}
    assert {"kdtheory.problems", "kdtheory.measures.confidence", "kdtheory.claims", "kdtheory.plots"} <= names
    assert {"kdtheory.trajectories.simulate", "kdtheory.learners._ridge_and_flow.Ridge"} <= public().keys()


def test_parameters_are_annotated():
    have = {}
    for name, function in functions():
        for key, parameter in inspect.signature(function).parameters.items():
            if key not in ("self", "cls"):
                have[f"{name}({key})"] = parameter.annotation is not parameter.empty
    reached, missing = share(have)
    assert len(have) > 400 and reached >= 0.9, (len(have), reached, missing)


def test_returns_are_annotated():
    have = {
        name: inspect.signature(each).return_annotation is not inspect.Signature.empty for name, each in functions()
    }
    reached, missing = share(have)
    assert reached >= 0.9, (len(have), reached, missing)


def test_annotations_of_the_library_can_be_evaluated():
    """Names that are imported for type checkers only, or late, are in quotes, and stand for something."""
    late = "Axes Figure DataArray Dataset DataFrame Claim Check Trial".split()
    for _, function in functions():
        typing.get_type_hints(inspect.unwrap(function), localns=dict.fromkeys(late, object))
