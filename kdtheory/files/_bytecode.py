"""What code says, by content: its text, its instructions, and the names that it looks up."""

import dis
import functools
import hashlib
import inspect
import re
from collections.abc import Callable
from types import CodeType


def digest(content: bytes) -> str:
    """A checksum, as part of a text."""
    return f"sha256 {hashlib.sha256(content).hexdigest()[:32]}"


def source(function: Callable) -> str:
    """The text of a function, or its instructions where the text is not kept."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return text(code) if code else type(function).__qualname__


@functools.cache
def text(code: CodeType) -> str:
    """The text of code, or its instructions where the text is not kept."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return _instructions(code)


def _instructions(code):
    return "\n".join(
        f"{step.opname} {_instructions(step.argval) if inspect.iscode(step.argval) else step.argrepr}"
        for step in dis.get_instructions(code)
    )


def checksum(code: CodeType) -> str:
    """The checksum of a function's instructions and constants, wherever it stands."""
    parts = []

    def visit(code):
        constants = [_constant(constant) for constant in code.co_consts if not inspect.iscode(constant)]
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        parts.append(repr((code.co_code, constants, names, counts, code.co_exceptiontable)))
        for constant in code.co_consts:
            if inspect.iscode(constant):
                visit(constant)

    visit(code)
    return f"code {digest(''.join(parts).encode('utf-8', 'surrogatepass'))}"


def _constant(value):
    """The same text in each process: sets of strings have another order in each."""
    if isinstance(value, frozenset):
        return f"frozenset {sorted(map(_constant, value))}"
    return f"({', '.join(map(_constant, value))})" if isinstance(value, tuple) else repr(value)


@functools.cache
def names(code: CodeType) -> frozenset[str]:
    """All names and texts in code, which may ask a module for something."""
    found, waiting = set(code.co_names), list(code.co_consts)
    while waiting:
        constant = waiting.pop()
        if inspect.iscode(constant):
            found |= names(constant)
        elif isinstance(constant, tuple | frozenset):
            waiting.extend(constant)
        elif isinstance(constant, str) and constant.isidentifier():
            found.add(constant)
    return frozenset(found)


@functools.cache
def chains(code: CodeType) -> list[tuple]:
    """The names that code looks up, each with the attributes taken from it at once: (kind, root, attributes)."""
    found, imported, module = set(), {}, ""

    def visit(code):
        nonlocal module
        chain = None
        for what, name in _steps(code):
            if what == "attribute":
                chain = chain and (*chain[:2], (*chain[2], name))
                continue
            if what == "from":
                chain = ("import", module, (name,))
                found.add(chain)
                continue
            if chain and chain[0] == "import" and what == "store":
                imported[name] = chain
            elif chain:
                found.add(chain)
            if what == "import":
                module = name
                top = name if name.startswith(".") else name.partition(".")[0]
                found.update({("import", name, ())} if top != name else ())
                chain = ("import", top, ())
            elif what in ("local", "cell") and name in imported:
                chain = imported[name]
            else:
                chain = (what, name, ()) if what in ("global", "cell") else None
        if chain:
            found.add(chain)
        for constant in code.co_consts:
            if inspect.iscode(constant):
                visit(constant)

    visit(code)
    return sorted(found)


_KINDS = {
    "LOAD_GLOBAL": "global",
    "LOAD_NAME": "global",
    "LOAD_FROM_DICT_OR_GLOBALS": "global",
    "LOAD_DEREF": "cell",
    "LOAD_CLASSDEREF": "cell",
    "LOAD_FROM_DICT_OR_DEREF": "cell",
    "LOAD_ATTR": "attribute",
    "LOAD_METHOD": "attribute",
    "STORE_FAST": "store",
    "STORE_DEREF": "store",
    "STORE_NAME": "store",
    "IMPORT_NAME": "import",
    "IMPORT_FROM": "from",
}


def _steps(code):
    """Instructions as (what, name)."""
    level = ""
    for step in dis.get_instructions(code):
        if step.opname in ("EXTENDED_ARG", "CACHE"):
            continue
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and type(step.argval) is int:
            level = "." * max(step.argval, 0)  # of a relative import, if one follows
        if isinstance(step.argval, tuple) and "FAST" in step.opname:  # Python 3.13 joins two
            for what, name in zip(re.findall("LOAD|STORE", step.opname), step.argval, strict=True):
                yield ("local" if what == "LOAD" else "store"), name
        elif step.opname.startswith("LOAD_FAST"):
            yield "local", step.argval
        elif step.opname == "IMPORT_NAME":
            yield "import", level + step.argval
        else:
            yield _KINDS.get(step.opname, "other"), step.argval
