"""The claims: what each says, why it is true, and what became of it on random instances."""

import functools
import hashlib
import html
import json
from pathlib import Path

import kdtheory
from experiments.site import _text
from kdtheory import __main__ as command
from kdtheory.claims import CLAIMS

KEPT = Path(kdtheory.__file__).parent.parent / ".cache" / "claims.json"
COUNTS = dict(count=10_000, loops=200)


def known():
    """The published claims, in the order of their topics."""
    return [claim for claim in CLAIMS.values() if claim.function.__module__.startswith("kdtheory.theorems.")]


def page(claim):
    """The file of the page of its topic."""
    return f"claims-{_text.slug(claim.topic)}.html"


def names():
    """Addresses of claims, by what code may call them."""
    return {name: f"{page(claim)}#{claim.name}" for claim in known() for name in _called(claim)}


def _called(claim):
    return claim.name, f"theorems.{claim.name}", f"theorems.{claim.topic.replace(' ', '_')}.{claim.name}"


def trials(only, counts):
    """What `python -m kdtheory --json` says of the claims that `only` names, kept until the library changes."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    keys = {claim.name: _key(claim, counts) for claim in known() if claim.name in only}
    missing = [
        claim for claim in known() if claim.name in keys and kept.get(claim.name, {}).get("key") != keys[claim.name]
    ]
    for trial in command.judged(missing, 0, counts):
        name = trial.claim.name
        kept[name] = dict(key=keys[name], told=json.loads(command.json([trial]))[0])
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept))
    return {name: kept[name]["told"] for name in keys}


def _key(claim, counts):
    """A hash of the claim, of the library, and of how often it is judged."""
    content = repr((claim.name, counts)).encode() + _library()
    return hashlib.sha256(content).hexdigest()[:16]


@functools.cache
def _library():
    return b"".join(file.read_bytes() for file in sorted(Path(kdtheory.__file__).parent.rglob("*.py")))


def table(told):
    """All claims at a glance, as the command prints them."""
    head = "<tr><th>claim</th><th>verdict</th><th>power</th><th>refuted when dropped</th><th>standing</th></tr>"
    parts, topic = [], None
    for claim in known():
        if claim.topic != topic:
            topic = claim.topic
            parts.append(f'<tr><th colspan="5" scope="rowgroup"><a href="{page(claim)}">{topic}</a></th></tr>')
        trial = told.get(claim.name)
        verdict, power = (
            (_verdict(trial), f"{trial['power']:.0e}" if trial["power"] else "none") if trial else ("not run", "")
        )
        first = html.escape(claim.statement.split("\n\n")[0])
        broken = claim.name.replace("_", "_<wbr>")  # where a narrow page may break it
        name = f'<a href="{page(claim)}#{claim.name}" title="{first}"><code>{broken}</code></a>'
        dropped = ", ".join(name for name, each in trial["hypotheses"].items() if each["necessary"]) if trial else ""
        parts.append(
            f"<tr><td>{name}</td><td>{verdict}</td><td>{power}</td><td>{dropped}</td><td>{claim.standing}</td></tr>"
        )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="claims"><table>{head}{"".join(parts)}</table></div>'
    )


def _verdict(trial):
    return "holds" if trial["passed"] else "FAILS"


def section(claim, trial, writer):
    """One claim: statement, proof, source, power, and a counterexample where a hypothesis is dropped."""
    statement, _, proof = claim.statement.partition("Proof.")
    parts = [
        f'<h2 id="{claim.name}"><a href="#{claim.name}">{claim.name.replace("_", " ")}</a></h2>',
        writer.docstring(statement),
    ]
    if proof:
        parts.append(f"<details open><summary>Proof</summary>{writer.docstring(proof)}</details>")
    parts.append(
        f"<p><b>Source</b> {writer.line(claim.source or 'none')}; {claim.standing}."
        f" <code>python -m kdtheory {claim.name}</code></p>"
    )
    if trial is None:
        parts.append("<p>Not run for this page; the command does.</p>")
        return f'<section class="entry">{"".join(parts)}</section>'
    theory, practice = trial["theory"], trial["practice"]
    power = f"a lie of {trial['power']:.0e}, relative to what is compared, is found out" if trial["power"] else "none"
    parts.append(
        f"<p><b>{_verdict(trial).capitalize()}</b> on {theory['cases']:,} random instances in theory, of which"
        f" {theory['decided']:,} were decided by ball arithmetic or in 60 digits, with a least margin of"
        f" {theory['worst']:.1e}, and on {practice['cases']:,} loops. <b>Power:</b> {power}.</p>"
    )
    for name, dropped in trial["hypotheses"].items():
        where = ", ".join(f"{key} = {value}" for key, value in (dropped["counterexample"] or {}).items())
        script = writer.block(dropped["script"], "") if dropped["script"] else ""
        needed = "necessary" if dropped["necessary"] else "not shown necessary"
        parts.append(
            f"<details><summary>Without <code>{name}</code>: {needed}</summary>"
            f"<p>Refuted at {html.escape(where)}; margin {html.escape(str(dropped['exact']))}.</p>{script}</details>"
            if where
            else f"<p>Without <code>{name}</code>: {needed}.</p>"
        )
    return f'<section class="entry">{"".join(parts)}</section>'
