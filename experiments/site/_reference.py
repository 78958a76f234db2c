"""The reference: every public name of the library once, as its source tells it."""

import html
from pathlib import Path
from typing import NamedTuple

import griffe

import kdtheory

LEFT_OUT = ("kdtheory.theorems", "kdtheory.__main__")  # claims have pages of their own


class Told(NamedTuple):
    home: str  # the module of whose page it is part
    name: str
    source: griffe.Object

    @property
    def address(self):
        return f"{page(self.home)}#{self.name}"


def page(module):
    """The file of a module's page."""
    return f"api-{module}.html"


def modules():
    """The public modules, by path, in the order of paths."""
    root = griffe.load("kdtheory", search_paths=[Path(kdtheory.__file__).parent.parent])

    def below(module):
        yield module
        for child in module.modules.values():
            if not child.is_alias and not child.name.startswith("_") and child.path not in LEFT_OUT:
                yield from below(child)

    return {module.path: module for module in sorted(below(root), key=lambda module: module.path)}


def exposed(module):
    """Names of a module that are for its users: what it defines, and what a package imports from below."""
    for name, member in module.members.items():
        if name.startswith("_") or (member.is_alias and not module.is_init_module):
            continue
        if member.is_alias and not member.target_path.startswith("kdtheory."):
            continue
        try:
            target = member.final_target if member.is_alias else member
        except griffe.AliasResolutionError:  # a constant, of several on one line
            continue
        if target.kind.value in ("function", "class") and target.path.startswith("kdtheory."):
            yield name, target


def collected(known):
    """Every public function and class once, where a reader would look for it: by canonical path."""
    found = {}
    for path, module in sorted(known.items(), key=lambda item: (item[0] == "kdtheory", item[0].count("."))):
        for name, target in exposed(module):
            if path == "kdtheory" or target.path.startswith(f"{path}."):
                found.setdefault(target.path, Told(path, name, target))
    return found


def names(known, found):
    """The addresses of all, by what code may call them: measures.risk, Ridge, learners."""
    places = {path.removeprefix("kdtheory."): page(path) for path in known if path != "kdtheory"}
    for path, module in known.items():
        for name, target in exposed(module):
            if target.path in found:
                places[f"{path}.{name}".removeprefix("kdtheory.")] = found[target.path].address
    return places


def module_page(path, module, found, writer):
    """What a module's page says: title, HTML, and what to search for."""
    own = [told for told in found.values() if told.home == path]
    here = {told.name: f"#{told.name}" for told in own}
    docstring = module.docstring.value if module.docstring else ""
    title, _, rest = docstring.partition("\n\n")
    parts = [f'<p class="lead">{writer.docstring(title)[3:-5]}</p>', writer.docstring(rest, here)]
    elsewhere = [(name, found[target.path]) for name, target in exposed(module) if target.path in found]
    elsewhere = [(name, told) for name, told in elsewhere if told.home != path]
    if own:
        rows = "".join(
            f'<li><a href="#{told.name}"><code>{told.name}</code></a> {_first(told.source, writer)}</li>'
            for told in own
        )
        parts.append(f'<ul class="contents">{rows}</ul>')
    if elsewhere:
        links = ", ".join(f'<a href="{told.address}"><code>{name}</code></a>' for name, told in elsewhere)
        parts.append(f"<p>Also here: {links}.</p>")
    parts += [_entry(told, here, found, writer) for told in own]
    entries = [(f"{path}.{told.name}".removeprefix("kdtheory."), told.address, _text(told.source)) for told in own]
    return "\n".join(parts), [(path, page(path), docstring), *entries]


def _text(source):
    return source.docstring.value if source.docstring else ""


def _first(source, writer):
    return writer.line(" ".join(_text(source).split("\n\n")[0].split("\n")))


def _entry(told, here, found, writer):
    """A function or a class."""
    source, head = told.source, f'<h2 id="{told.name}"><a href="#{told.name}">{told.name}</a></h2>'
    body = writer.docstring(_text(source), here)
    if source.kind.value == "function":
        return f'<section class="entry">{head}{_signature(source, writer)}{body}</section>'
    return (
        f'<section class="entry">{head}{_fields(source, writer)}{body}{_methods(source, here, found, writer)}</section>'
    )


def _signature(function, writer, drop=()):
    """As it is written, an argument a line where it is long."""
    shown, starred = [], False
    for parameter in function.parameters:
        kind = parameter.kind.value
        if parameter.name in drop:
            continue
        if kind == "keyword-only" and not starred and not any(each.startswith("*") for each in shown):
            shown.append("*")
            starred = True
        star = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
        equals = " = " if annotation else "="
        default = f"{equals}{parameter.default}" if parameter.default is not None and not star else ""
        shown.append(f"{star}{parameter.name}{annotation}{default}")
    returns = f" -> {function.returns}" if function.returns is not None else ""
    line = f"{function.name}({', '.join(shown)}){returns}"
    if len(line) > 88:
        line = f"{function.name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){returns}"
    return writer.block(line, "python").replace("<pre", '<pre class="signature"', 1)


def _fields(source, writer):
    """The fields of a record, with what stands beside them."""
    rows = []
    for name, member in source.members.items():
        if member.kind.value == "attribute" and member.annotation is not None and "property" not in member.labels:
            if name.startswith("_"):
                continue
            beside = member.source.partition("  # ")[2]
            value = f" = {member.value}" if member.value is not None else ""
            typed = html.escape(f"{member.annotation}{value}")
            rows.append(
                f"<tr><td><code>{name}</code></td><td><code>{typed}</code></td><td>{writer.line(beside)}</td></tr>"
            )
    if not rows:
        return ""
    table = f'<table class="fields">{"".join(rows)}</table>'
    return f'<div class="wide" tabindex="0" role="region" aria-label="fields">{table}</div>'


def _methods(source, here, found, writer):
    parts = []
    for name, member in source.members.items():
        if name.startswith("_") or member.is_alias or not member.has_docstring:
            continue
        if member.kind.value == "function":
            line = _signature(member, writer, drop=("self",))
            parts.append(f'<div class="method">{line}{writer.docstring(_text(member), here)}</div>')
        elif "property" in member.labels:
            line = writer.block(f"{name}: {member.annotation}" if member.annotation else name, "python")
            parts.append(f'<div class="method">{line}{writer.docstring(_text(member), here)}</div>')
    for base in source.bases:
        told = found.get(getattr(base, "canonical_path", ""))
        if told:
            parts.append(f'<p>And all of <a href="{told.address}"><code>{told.name}</code></a>.</p>')
    return "".join(parts)
