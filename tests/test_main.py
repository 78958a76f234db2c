"""The table of `python -m kdtheory`, for people, machines and papers, and one claim in detail."""

import json
import math
import os
import textwrap

import pytest

import kdtheory.__main__ as command
from kdtheory.claims import CLAIMS, certify
from kdtheory.claims import trials as several


def test_table_and_exit_status(capsys, monkeypatch):
    only = {"ridge_semigroup": CLAIMS["ridge_semigroup"]}
    monkeypatch.setattr(command, "CLAIMS", only)
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    for word in (
        "claim",
        "power",
        "source",
        "standing",
        "ridge_semigroup",
        "holds",
        "10,000",
        "zero_start",
        "1 of 1 claims hold",
    ):
        assert word in printed


def test_one_claim_in_detail(capsys):
    assert command.main(["ridge_semigroup"]) == 0
    printed = capsys.readouterr().out
    for word in ("ridge_semigroup (spectral bias)", "One ridge path gives", "standing: proved", "(practice): HOLDS"):
        assert word in printed
    assert "without zero_start: refuted by eigenvalue=" in printed
    assert "(violated there), -" in printed and "down its gradient, within the hypotheses: holds" in printed
    script = textwrap.dedent(printed[printed.index("    # ridge_semigroup at") :])
    exec(script, {})  # which asserts the sign


def test_for_machines_and_papers(capsys, monkeypatch):
    few = dict(count=100, loops=3)
    monkeypatch.setattr(command, "COUNTS", few)
    assert command.main(["ridge_semigroup", "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)
    assert claim["passed"] and claim["theory"]["verdicts"]["holds"] == 100 and claim["practice"]["cases"] == 3
    again = CLAIMS["ridge_semigroup"].at(**claim["hypotheses"]["zero_start"]["counterexample"])
    assert again.verdict == "violated" and claim["hypotheses"]["zero_start"]["necessary"]
    monkeypatch.setattr(command, "THOROUGH", dict(count=200, loops=4))
    assert command.main(["ridge_semigroup", "--latex", "--thorough"]) == 0
    printed = capsys.readouterr().out
    assert (
        r"ridge\_semigroup & holds & 200 & 4 & 1e-09 & zero\_start & proved" in printed
        and printed.count(r"\midrule") == 1
    )


def test_mistyped_names_are_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["ridge"])
    assert "there is no claim ridge; there are filters_multiply, " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["exagerated_bias"])
    assert "there is no claim exagerated_bias; did you mean exaggerated_bias" in capsys.readouterr().err


def test_the_extra_is_named_where_it_could_decide(capsys, monkeypatch):  # F19
    few = dict(count=1000, loops=2)
    decided = CLAIMS["exaggerated_bias"].trial(0, **few)
    monkeypatch.setattr(certify, "installed", lambda: False)
    undecided, uncertified = CLAIMS["exaggerated_bias"].trial(0, **few), CLAIMS["ridge_semigroup"].trial(0, **few)
    assert command.hint([decided, uncertified]) == "" and undecided.theory.verdict == "undecidable"
    monkeypatch.setattr(command, "judged", lambda *_: [undecided])
    assert command.main([]) == 1
    assert capsys.readouterr().out.endswith("pip install 'kdtheory[certify]'\n")
    assert command.main(["--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["theory"]["verdicts"]["undecidable"] and "pip install 'kdtheory[certify]'" in err


def test_colour_is_for_terminals():
    trial = CLAIMS["ridge_semigroup"].trial(0, count=50, loops=2)
    claims, few = [trial.claim], dict(count=50, loops=2)
    plain, coloured = ("\n".join(command.lines(claims, [trial], few, colour)) for colour in (False, True))
    assert "\033" not in plain and "\033[32mholds" in coloured and "\033[1mspectral bias\033[0m" in coloured


def test_a_failing_claim_exits_with_one(capsys, monkeypatch):
    claim = CLAIMS["ridge_semigroup"]
    broken = type(claim)(
        "broken",
        "Statement.",
        "nobody",
        "own",
        lambda run, **q: -1.0 * _margin(q),
        claim.quantities,
        claim.hypotheses,
        None,
    )
    monkeypatch.setattr(command, "CLAIMS", {"broken": broken})
    assert command.main(["--seed", "3"]) == 1
    assert "FAILED: broken" in capsys.readouterr().out


class _margin:
    """A margin of minus one, whatever the quantities."""

    def __init__(self, quantities):
        self.like = quantities["eigenvalue"]

    def __rmul__(self, factor):
        from kdtheory.claims import Margin

        return Margin(0.0 * self.like + factor, 0.0 * self.like)


def test_processes_find_what_threads_do(monkeypatch):
    monkeypatch.setattr(several, "MANY", 2)
    claims = [CLAIMS[name] for name in ("ridge_semigroup", "trust_grows_with_noise", "shrunk_labels_reverse_the_bias")]
    few = dict(count=20, loops=2)
    for seen, claim in zip(several.trials(claims, 3, **few), claims, strict=True):
        alone = claim.trial(3, **few)
        assert seen.claim is claim and seen.theory.instances.keys() == alone.theory.instances.keys()
        assert (seen.theory.margins == alone.theory.margins).all()
        assert (seen.practice.margins == alone.practice.margins).all()


def test_processes_answer_in_order_and_pass_errors_on():
    assert list(several._by_processes(math.sqrt, [4.0, 9.0, 1.0, 0.0, 25.0])) == [2.0, 3.0, 1.0, 0.0, 5.0]
    found = several._by_processes(math.sqrt, [4.0, -1.0, 9.0])
    assert next(found) == 2.0
    with pytest.raises(ValueError, match="math domain error"):
        next(found)


def test_a_process_that_dies_is_told():
    with pytest.raises(ChildProcessError, match="give the names of a few claims"):
        list(several._by_processes(os._exit, [3]))
