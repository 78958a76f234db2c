"""Markdown and docstrings as HTML: formulas set, code coloured, names of the library linked to where they are told."""

import html
import itertools
import re

from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from experiments.site import _mathematics

PLACES = {"figures/README.md": "gallery.html", "README.md": "index.html", "report.md": "report.html"}
PLACES |= {"figures/report.md": "report.html", "CHANGELOG.md": "changes.html", "CITATION.cff": "CITATION.cff"}
COLOURS = HtmlFormatter(nowrap=True)


def slug(title):
    """What a title is called in an address."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def coloured(code, language):
    """Code, its syntax in colours."""
    language = {"py": "python", "sh": "bash", "pycon": "pycon"}.get(language, language)
    if language not in ("python", "bash", "pycon"):
        return html.escape(code)
    return highlight(code, get_lexer_by_name(language), COLOURS)


def _plain(text):
    """Running text, its formulas set; a place that others lead to stays one."""
    place = re.fullmatch(r'<a id="([\w-]+)"></a>', text)
    return f'<span id="{place[1]}"></span>' if place else _mathematics.marked(text)


class Writer:
    """Turns text into HTML. `names` are the addresses of what can be linked, by what code calls it."""

    def __init__(self, names):
        self.names, self.here = names, {}
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        rules = self._markdown.renderer.rules
        rules["text"] = lambda tokens, at, *_: _plain(tokens[at].content)
        rules["code_inline"] = lambda tokens, at, *_: self.name(tokens[at].content)
        rules["fence"] = lambda tokens, at, *_: self.block(tokens[at].content, tokens[at].info)
        rules["code_block"] = lambda tokens, at, *_: self.block(tokens[at].content, "")
        rules["image"] = self._image
        rules["table_open"] = lambda *_: '<div class="wide" tabindex="0" role="region" aria-label="table"><table>\n'
        rules["table_close"] = lambda *_: "</table></div>\n"
        self._markdown.core.ruler.push("addresses", self._addresses)

    def markdown(self, text, top=2):
        """A text in Markdown, whose highest headings become those of the level `top`."""
        tokens = self._markdown.parse(text)
        highest = min((int(token.tag[1]) for token in tokens if token.type == "heading_open"), default=top)
        for token, following in itertools.pairwise([*tokens, None]):
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(6, int(token.tag[1]) - highest + top)}"
            if token.type == "heading_open":
                token.attrSet("id", slug(following.content))
        return self._markdown.renderer.render(tokens, self._markdown.options, {})

    def docstring(self, text, here=None):
        """A docstring: paragraphs, lists, examples. `here` are names that need no module before them."""
        self.here = here or {}
        text = re.sub(r"\^`(\w+)`", r"^\1", text)  # an argument as an exponent
        blocks = [_paragraph(block) for block in re.split(r"\n\s*\n", text.strip("\n"))]
        found = self.markdown("\n\n".join(blocks))
        self.here = {}
        return found

    def line(self, text):
        """A line of text, without a paragraph around it."""
        return self._markdown.renderInline(text)

    def name(self, code):
        """A piece of code in running text, linked where it names something that has a place."""
        bare = re.sub(r"\(.*", "", code.removeprefix("kd.").removeprefix("kdtheory."))
        address = self.here.get(bare) or self.names.get(bare)
        shown = f"<code>{html.escape(code)}</code>"
        return f'<a href="{address}">{shown}</a>' if address else shown

    def block(self, code, language):
        return f'<pre tabindex="0"><code>{coloured(code, language)}</code></pre>\n'

    def _image(self, tokens, at, *_):
        told = html.escape(tokens[at].content)
        source = html.escape(tokens[at].attrGet("src"))
        return f'<img src="{source}" alt="{told}" loading="lazy">'

    def _addresses(self, state):
        """Files of the repository become pages of the site."""
        for token in state.tokens:
            token.children = token.children and _joined(token.children)
            for child in token.children or []:
                for attribute in ("href", "src"):
                    address = child.attrGet(attribute)
                    if address in PLACES:
                        child.attrSet(attribute, PLACES[address])
                    elif address and re.fullmatch(r"\w+\.(png|svg)", address):
                        child.attrSet(attribute, f"figures/{address}")


def _joined(tokens):
    """Lines of one paragraph on one line, so that a formula may go over their ends."""
    found = []
    for token in tokens:
        if token.type == "softbreak":
            token.type, token.content = "text", " "
        if token.type == "text" and found and found[-1].type == "text":
            found[-1].content += token.content
        else:
            found.append(token)
    return found


def _paragraph(block):
    """A block of a docstring in Markdown: lines that happen to begin with a sign begin no list."""
    lines = block.strip("\n").split("\n")
    if lines[0].lstrip().startswith(">>>"):
        indent = len(lines[0]) - len(lines[0].lstrip())
        return "```pycon\n" + "\n".join(line[indent:] for line in lines) + "\n```"
    if re.match(r"\s*([*-] |\d+\. |\||    )", lines[0]):
        return block
    if any(line.lstrip().startswith(">>>") for line in lines):
        first = next(i for i, line in enumerate(lines) if line.lstrip().startswith(">>>"))
        return _paragraph("\n".join(lines[:first])) + "\n\n" + _paragraph("\n".join(lines[first:]))
    return " ".join(line.strip() for line in lines)
