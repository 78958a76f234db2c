"""The table of `python -m kdtheory`."""

import kdtheory.__main__ as command
from kdtheory.claims import CLAIMS


def test_table_and_exit_status(capsys, monkeypatch):
    only = {"ridge_semigroup": CLAIMS["ridge_semigroup"]}
    monkeypatch.setattr(command, "CLAIMS", only)
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    for word in (
        "claim",
        "source",
        "standing",
        "ridge_semigroup",
        "holds",
        "10,000",
        "zero_start",
        "1 of 1 claims hold",
    ):
        assert word in printed


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
