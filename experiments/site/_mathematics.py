"""Formulas as people write them in docstrings, φ(λ) = 1 - e^(-λt), found in running text and set.

They hold no LaTeX that would need KaTeX or a translator, and no fraction on two lines: letters in italics and scripts
are all. These are plain HTML; in MathML, where a machine has no font with a table for mathematics, browsers set scripts
too high.
"""

import html
import re

GREEK = "α-ωΑ-ΡΤ-Ωϕ"
SCRIPTS = {"⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9"}
SCRIPTS |= {"⁻": "−", "⁺": "+", "ᵀ": "⊤", "ᵏ": "k", "ⁿ": "n", "ᵗ": "t", "½": "1/2"}
BELOW = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₖₙₜ", "0123456789+−knt", strict=True))
FUNCTIONS = frozenset("ds dt dx exp log sin cos max min expm1 log1p tr sign erf argmin Var".split())
ACCENTS = "\u0303\u0302\u0304"
OPERATORS = frozenset("+ - − = < > ≤ ≥ · / → ← ≠".split())
SIGNS = {"-": "−", "*": "∗"}
MARKS = "".join(SCRIPTS).replace("½", "") + "".join(BELOW)

_PIECE = re.compile(
    rf"""(?P<number>\d[\d,]*\.?\d*(?:e[-−]?\d+)?|½)
    |(?P<word>[A-Za-z]+)
    |(?P<letter>[{GREEK}])
    |(?P<script>\^|_)
    |(?P<above>[{"".join(SCRIPTS).replace("½", "")}]+)
    |(?P<below>[{"".join(BELOW)}]+)
    |(?P<accent>[{ACCENTS}])
    |(?P<root>√)
    |(?P<open>[({{\[⟨⌈])
    |(?P<close>[)}}\]⟩⌉])
    |(?P<operator>[-−+·/=<>≤≥≈≠→←×±|‖Σ∫∏∂∇∞∈∉∝≪≫∘∗*,;′'°…∅])
    |(?P<space>\s+)""",
    re.VERBOSE,
)
_STRONG = re.compile(rf"[{GREEK}√∫∂∇‖Σ^]|[{MARKS}]|(?<![A-Za-z])[A-Za-z]_|(?<![A-Za-z\d.])[B-HJ-Zb-z](?![A-Za-z\d'’])")
BETTER = {">=": "≥", "<=": "≤", "...": "…"}
_WRITTEN = re.compile("|".join(map(re.escape, BETTER)))
_ENDS = re.compile(r"[.,;:!?]+[)\]]?$")


def marked(text):
    """Running text as HTML, its formulas set."""
    return "".join(_set(part) if formula else html.escape(part) for formula, part in parts(text))


def parts(text):
    """The text cut into pairs: whether it is a formula, and what it is."""
    words, found, run = re.split(r"(\s+)", _WRITTEN.sub(lambda sign: BETTER[sign[0]], text)), [], []

    def end():
        found.extend(_trimmed("".join(run)))
        run.clear()

    for place, word in enumerate(words):
        if not word or word.isspace():
            (run if run else found).append(word if run else (False, word))
            continue
        ending = _ENDS.search(word)
        bare = word[: ending.start()] if ending and _depth("".join(run) + word) <= 0 else word
        beside = [each for each in words[max(0, place - 2) : place + 3 : 2] if each in OPERATORS]
        if not _is_part(bare, loose=bool(beside)):
            end()
            found.append((False, word))
            continue
        run.append(bare)
        if bare != word:
            end()
            found.append((False, word[len(bare) :]))
    end()
    return [pair for pair in found if pair[1]]


def _depth(text):
    return sum(text.count(each) for each in "({[") - sum(text.count(each) for each in ")}]")


def _is_part(word, loose=False):
    """Whether a word can stand in a formula: of its pieces, none is a word, unless signs are beside it."""
    if (
        not word or (word in ("a", "A", "I") and not loose) or re.search(r"^\([a-z]\)$|\w['’]s\b", word)
    ):  # (b), a panel of a figure; a student's
        return False
    at, before = 0, ""
    while at < len(word):
        piece = _PIECE.match(word, at)
        if not piece:
            return False
        if (
            piece.lastgroup == "word"
            and not loose
            and not _names(piece.group(), before, word[piece.end() : piece.end() + 1], _STRONG.search(word))
        ):
            return False
        at, before = piece.end(), piece.group()
    return True


def _names(word, before, after, strong):
    """Whether letters are symbols: one letter, a function, a script, or a few beside signs, as in XᵀX or ∇loss(w)."""
    if len(word) == 1 or word in FUNCTIONS or before in ("_", "^"):
        return True
    return strong is not None and (len(word) == 2 or (before and before in "∇·(|/√=+") or after in ("(", ")", "|", "·"))


def _trimmed(text):
    """A run of words: the formula in it, between the text that it begins and ends with."""
    start, stop = 0, len(text)
    while start < stop:
        inner = text[start:stop]
        if inner[0].isspace() or (inner[0] in "+−-=<>≤≥·/,;×→≈≠*°…" and not re.match(r"[-−][\w(]", inner)):
            start += 1
        elif inner[-1].isspace() or inner[-1] in "+−-=<>≤≥·/,;×→≈≠^_":
            stop -= 1
        elif inner[0] in "([" and _depth(inner) > 0:
            start += 1
        elif inner[-1] in ")]" and _depth(inner) < 0:
            stop -= 1
        else:
            break
    inner = text[start:stop]
    balanced = inner.count("|") % 2 == 0 == _depth(inner) and all(_depth(inner[:i]) >= 0 for i in range(len(inner)))
    if inner and balanced and _STRONG.search(inner):
        return [(False, text[:start]), (True, inner), (False, text[stop:])]
    return [(False, text)]


def _set(formula):
    """A formula as HTML: letters in italics, scripts above and below, spaces as they were written; and, for those who
    hear it, what was written."""
    pieces = [(piece.lastgroup, piece.group()) for piece in _PIECE.finditer(formula)]
    row, _ = _row(pieces, 0)
    return f'<span class="math" role="math" aria-label="{html.escape(formula)}">{row}</span>'


def _row(pieces, at, end=None):
    """Items up to the end of a bracket, which is left to whoever opened it."""
    items = []
    while at < len(pieces) and not (end and (pieces[at][0] == end or pieces[at][1] == end)):
        item, at = _item(pieces, at)
        items.append(item)
    return "".join(items), at


def _item(pieces, at):
    """A thing with what stands above and below it; both on top of each other where there are both."""
    base, at = _atom(pieces, at)
    scripts = {}
    while at < len(pieces):
        kind, text = pieces[at]
        if kind == "accent":
            base, at = base.removesuffix("</i>") + text + ("</i>" if base.endswith("</i>") else ""), at + 1
        elif kind == "above" and "sup" not in scripts:
            scripts["sup"], at = "".join(SCRIPTS[each] for each in text), at + 1
        elif kind == "below" and "sub" not in scripts:
            scripts["sub"], at = "".join(BELOW[each] for each in text), at + 1
        elif kind == "script" and at + 1 < len(pieces) and (place := {"^": "sup", "_": "sub"}[text]) not in scripts:
            scripts[place], at = _script(pieces, at + 1)
        else:
            break
    said = "".join(f"<{place}>{scripts[place]}</{place}>" for place in ("sup", "sub") if place in scripts)
    return base + (f'<span class="both">{said}</span>' if len(scripts) == 2 else said), at


def _script(pieces, at):
    """What stands above or below: a bracket's inside, or one thing, with its sign."""
    kind, text = pieces[at]
    if kind == "open":
        row, at = _row(pieces, at + 1, "close")
        return row, at + 1
    if text == "|":
        row, at = _row(pieces, at + 1, "|")
        return f"|{row}|", at + 1
    if kind == "operator" and at + 1 < len(pieces):
        inside, at = _script(pieces, at + 1)
        return html.escape(SIGNS.get(text, text)) + inside, at
    return _atom(pieces, at)


def _atom(pieces, at):
    kind, text = pieces[at]
    if kind == "word" and len(text) == 2 and text not in FUNCTIONS and at and pieces[at - 1][0] != "script":
        pieces[at : at + 1] = [("word", text[0]), ("word", text[1])]  # scripts belong to the last letter
        text = text[0]
    if kind == "letter" or (kind == "word" and len(text) == 1):
        return f"<i>{text}</i>", at + 1
    if kind == "root" and at + 1 < len(pieces):
        if pieces[at + 1][0] == "open":
            inside, at = _row(pieces, at + 2, "close")
            return f'√<span class="root">{inside}</span>', at + 1
        inside, at = _atom(pieces, at + 1)
        return f'√<span class="root">{inside}</span>', at
    return html.escape(SIGNS.get(text, text)), at + 1
