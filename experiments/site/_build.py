"""All pages, from what exists: README, figures with their captions, report, docstrings, claims and the explorer."""

import html
import json
import re
import shutil
from pathlib import Path

import kdtheory
from experiments.site import _claims, _mathematics, _reference
from experiments.site._text import Writer, slug

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
START = ("Ten lines", "The one idea", "Where things are")  # sections of the README that are the first page
NAVIGATION = (
    ("explorer.html", "Explorer"),
    ("how-to.html", "How to"),
    ("gallery.html", "Gallery"),
    ("claims.html", "Claims"),
    ("report.html", "Report"),
    ("api.html", "Reference"),
)
PAGE = (HERE / "page.html").read_text()

CONTROLS = {  # name in the address: what it is called, from, to, step; whether the slider is logarithmic
    "exponent": ("exponent of the spectrum", 0, 4, 0.05, False),
    "stop": ("teacher stops at", -1, 3, 0.01, True),
    "clock": ("student’s clock", -1, 4, 0.01, True),
    "truth": ("weight of the ground truth", 0, 1, 0.01, False),
    "count": ("directions", 2, 200, 1, False),
    "noise": ("noise σ²/N", -6, 0, 0.01, True),
}
LEARNERS = {"flow": "gradient flow", "descent": "gradient descent", "ridge": "ridge"}


class Site:
    """Pages as they are written, and what can be searched."""

    def __init__(self, folder, writer):
        self.folder, self.writer, self.index, self.pages = folder, writer, [], []

    def write(self, file, title, body, aside=(), part=None, kind="", description=""):
        """One page. `aside` are its neighbours: (file, name); `part` is the entry of the navigation it belongs to."""
        current = lambda target, here: ' aria-current="page"' if target == here else ""
        links = "".join(f'<a href="{to}"{current(to, part or file)}>{name}</a>' for to, name in NAVIGATION)
        near = "".join(f'<li><a href="{to}"{current(to, file)}>{html.escape(name)}</a></li>' for to, name in aside)
        near = f"<details open><summary>pages beside this one</summary><ul>{near}</ul></details>"
        near = f'<nav class="aside" aria-label="near">{near}</nav>' if aside else ""
        text = PAGE.format(
            title=html.escape(
                f"{title} · kdtheory" if title != "kdtheory" else "kdtheory: knowledge distillation, theory first"
            ),
            description=html.escape(description or title, quote=True),
            navigation=links,
            aside=near,
            whole="" if aside else " whole",
            body=body,
            kind=kind,
            version=kdtheory.__version__,
        )
        (self.folder / file).write_text(text)
        self.pages.append(file)

    def search(self, kind, title, address, text):
        plain = re.sub(r"```.*?```|[`*|\[\]]|\(\S*\.(?:png|svg|md)\)", "", text, flags=re.DOTALL)
        self.index.append(dict(kind=kind, title=title, address=address, text=re.sub(r"\s+", " ", plain).strip()))


def sections(text):
    """A Markdown file by its second headings: what comes before, and pairs of title and text."""
    fenced, parts = False, [["", []]]
    for line in text.split("\n"):
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            parts.append([line[3:], []])
        else:
            parts[-1][1].append(line)
    (_, before), *rest = parts
    return "\n".join(before).strip(), [(title, "\n".join(lines).strip()) for title, lines in rest]


def first_sentence(text):
    """Of the first paragraph of prose."""
    prose = next((block for block in text.split("\n\n") if re.match(r"[A-Z]", block)), "")
    return re.split(r"(?<=[.?:])\s", " ".join(prose.split("\n")), maxsplit=1)[0].rstrip(":")


def control(name):
    """A slider with its label and its value."""
    label, low, high, step, log = CONTROLS[name]
    kind = " data-log" if log else ""
    slider = f'<input type="range" id="{name}" name="{name}" min="{low}" max="{high}" step="{step}"{kind}>'
    return f'<div><label for="{name}">{label} <output for="{name}"></output></label>{slider}</div>'


def radios():
    """The learners to choose from."""
    each = "".join(
        f'<label><input type="radio" name="learner" value="{name}"> {told}</label>' for name, told in LEARNERS.items()
    )
    return f'<fieldset class="radios"><legend class="unseen">learner</legend>{each}</fieldset>'


def build(folder, tried=None, counts=_claims.COUNTS):
    """Write all pages. `tried` are the claims to judge, all unless given; verdicts are kept until code changes."""
    told = _claims.trials([claim.name for claim in _claims.known()] if tried is None else tried, counts)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "figures").mkdir(parents=True)
    modules = _reference.modules()
    found = _reference.collected(modules)
    writer = Writer(_claims.names() | _reference.names(modules, found))
    site = Site(folder, writer)
    readme = sections((ROOT / "README.md").read_text())
    start(site, *readme)
    how_to(site, readme[1])
    explorer(site)
    gallery(site)
    report(site)
    claims(site, told)
    reference(site, modules, found)
    changes = (ROOT / "CHANGELOG.md").read_text()
    site.write("changes.html", "Changes", writer.markdown(changes, top=1))
    for name in ("site.css", "site.js", "explorer.js"):
        shutil.copy(HERE / name, folder)
    shutil.copy(ROOT / "CITATION.cff", folder)
    for picture in (ROOT / "figures").glob("*.*g"):
        shutil.copy(picture, folder / "figures")
    (folder / "search.js").write_text(f"window.INDEX = {json.dumps(site.index, ensure_ascii=False)};\n")
    return site.pages


def start(site, before, parts):
    """The first page: what it is, the picture to move, ten lines, the idea."""
    title, _, lead = before.partition("\n\n")
    lead, _, install = lead.partition("\n\n")
    told = dict(parts)
    hero = (HERE / "hero.html").read_text().format(controls="".join(map(control, ("exponent", "stop", "clock"))))
    body = [
        f"<h1>{title.removeprefix('# ')}</h1>",
        site.writer.markdown(lead).replace("<p>", '<p class="lead">', 1),
        hero,
    ]
    for name in START:
        text = re.sub(r"^!\[.*?\]\(.*?\)$", "", told[name], flags=re.MULTILINE) if name == "Ten lines" else told[name]
        body.append(f'<h2 id="{slug(name)}">{name}</h2>{site.writer.markdown(text, 3)}')
        site.search("start", name, f"index.html#{slug(name)}", told[name])
    body.append(f'<h2 id="install">Install</h2>{site.writer.markdown(install, 3)}')
    site.write("index.html", "kdtheory", "\n".join(body), description=" ".join(lead.split()))


def how_to(site, parts):
    """A page for each other section of the README."""
    parts = [(title, text) for title, text in parts if title not in START]
    aside = [(f"how-to-{slug(title)}.html", title) for title, _ in parts]
    cards = []
    for (file, title), (_, text) in zip(aside, parts, strict=True):
        sentence = first_sentence(text)
        site.write(
            file,
            title,
            f"<h1>{html.escape(title)}</h1>{site.writer.markdown(text)}",
            aside,
            "how-to.html",
            description=sentence,
        )
        site.search("how to", title, file, text)
        cards.append(
            f'<li><a href="{file}"><b>{html.escape(title)}</b>'
            f"<span>{html.escape(re.sub('[`*]', '', sentence))}</span></a></li>"
        )
    site.write("how-to.html", "How to", f'<h1>How to</h1><ul class="cards">{"".join(cards)}</ul>')


def explorer(site):
    text = re.sub(
        r"\{\{(.*?)\}\}", lambda formula: _mathematics.marked(formula[1]), (HERE / "explorer.html").read_text()
    )
    text = text.replace("{controls}", "\n".join([*map(control, CONTROLS), radios()]))
    body = f'<h1>Explorer</h1>{text}<script src="explorer.js" defer></script>'
    site.write(
        "explorer.html", "Explorer", body, kind="wide-page", description="Drag a teacher's stop and see its student lag"
    )
    site.search("explorer", "Explorer", "explorer.html", re.sub("<[^>]*>", " ", text))


def gallery(site):
    """The figures with their captions, as the experiments wrote them."""
    _, parts = sections((ROOT / "figures" / "README.md").read_text())
    body = ["<h1>Gallery</h1>"]
    for title, text in parts:
        body.append(
            f'<figure id="{slug(title)}"><h2>{site.writer.line(title)}</h2>{site.writer.markdown(text, 3)}</figure>'
        )
        site.search("figure", title, f"gallery.html#{slug(title)}", text)
    aside = [(f"gallery.html#{slug(title)}", title.partition(":")[0]) for title, _ in parts]
    site.write("gallery.html", "Gallery", "\n".join(body), aside)


def report(site):
    text = (ROOT / "figures" / "report.md").read_text()
    _, parts = sections(text)
    for title, part in parts:
        site.search("report", title, f"report.html#{slug(title)}", part)
    aside = [(f"report.html#{slug(title)}", title.partition(":")[0]) for title, _ in parts]
    site.write("report.html", "Report", site.writer.markdown(text, 1), aside)


def claims(site, told):
    """The table, and a page for every topic."""
    topics = {}
    for claim in _claims.known():
        topics.setdefault(claim.topic, []).append(claim)
    aside = [("claims.html", "all claims"), *((_claims.page(some[0]), topic) for topic, some in topics.items())]
    for topic, some in topics.items():
        body = "".join(_claims.section(claim, told.get(claim.name), site.writer) for claim in some)
        title = topic.capitalize()
        site.write(_claims.page(some[0]), title, f"<h1>{title}</h1>{body}", aside, "claims.html", "claims")
        for claim in some:
            site.search("claim", claim.name, f"{_claims.page(claim)}#{claim.name}", claim.statement)
    sources = site.writer.docstring(kdtheory.theorems.__doc__)
    lead = (
        '<p class="lead">Each is judged on random instances in theory and on loops in practice, and every hypothesis'
        ' is dropped in turn. <a href="how-to-what-is-checked.html">What is checked</a></p>'
    )
    site.write("claims.html", "Claims", f"<h1>Claims</h1>{lead}{_claims.table(told)}<h2>Sources</h2>{sources}", aside)


def reference(site, modules, found):
    """A page for every module, and one that lists them."""
    aside = [(_reference.page(path), path.removeprefix("kdtheory.")) for path in modules]
    rows = []
    for path, module in modules.items():
        body, entries = _reference.module_page(path, module, found, site.writer)
        site.write(_reference.page(path), path, f"<h1>{path}</h1>{body}", aside, "api.html")
        for title, address, text in entries:
            site.search("reference", title, address, text)
        first = " ".join((module.docstring.value if module.docstring else "").split("\n\n")[0].split("\n"))
        told = re.sub(r"</?a\b[^>]*>", "", site.writer.line(first))  # no link in a link
        rows.append(f'<li><a href="{_reference.page(path)}"><b>{path}</b><span>{told}</span></a></li>')
    site.write("api.html", "Reference", f'<h1>Reference</h1><ul class="cards">{"".join(rows)}</ul>', aside)
