"""The report at toy size: its page, what it keeps, and how its verdicts follow from numbers."""

import numpy as np
import pytest

from experiments import __main__ as runner
from experiments.report import _kept, _pages, _study, controls, switching, together, trajectories
from experiments.report._verdicts import NOT_SHOWN, REVERSED, SHOWN, Finding, overall

SMALL = dict(name="nace", rows=120, noise=0.3)
SEEDS = dict(seeds=(0, 1, 2))
STUDIES = dict(settings={"NACE": SMALL}, validation=(100,), **SEEDS)
TOY = {
    "report_confidence": STUDIES,
    "report_generalisation": STUDIES,
    "report_teacher_fit": STUDIES,
    "report_controls": dict(rows=120, count=20, longest=1000, **SEEDS),
    "report_together": dict(rows=420, **STUDIES),
    "report_bias_to_confidence": dict(rows=120, tested=100, kernels=("whitened",), noise=(0.3,), **SEEDS),
    "report_switching": dict(settings={"NACE": SMALL}, steps=(4, 8), validation=(100,), **SEEDS),
    "report_trajectories": dict(
        rows=44, few=44, longest=300, width=4, titles=("linear regression", "softmax regression", "network"), **SEEDS
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


def build(folder, monkeypatch):
    monkeypatch.setattr(_kept, "FOLDER", folder / "cache")
    _pages.build(folder, {"savefig.dpi": 20}, lambda names: names, TOY)
    return (folder / "report.md").read_text()


def test_the_page_has_every_row_with_figure_numbers_and_verdict(folder, monkeypatch):
    page = build(folder, monkeypatch)
    assert {_pages.stem(module) for module in _pages.discover()} == set(TOY)
    for name in TOY:
        assert f"({name}.png)" in page and (folder / f"{name}.svg").exists()
    for row in ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "The controls", "The third claim"]:
        assert f"## {row}" in page, row
    assert page.count("**Claimed.**") == page.count("**What we ran.**") == 10
    assert page.count("**Verdict: ") == len(TOY)


def test_what_is_finished_is_kept(folder, monkeypatch):
    first = build(folder, monkeypatch)
    monkeypatch.setattr(_kept.kd, "save", None)  # nothing may be computed anew
    assert build(folder, monkeypatch) == first


@pytest.mark.parametrize("function", [_study.run, controls.one, switching.one, together.control, trajectories.one])
def test_a_change_of_code_sizes_or_seeds_counts(function, monkeypatch):
    before = _kept.key(function, dict(seed=0, rows=120))
    assert before == _kept.key(function, dict(rows=120, seed=0))
    assert before != _kept.key(function, dict(seed=1, rows=120))
    assert before != _kept.key(function, dict(seed=0, rows=121))
    with monkeypatch.context() as patch:
        patch.setitem(vars(_study), "CONFUSABLE", {})
        patch.setattr(controls, "LOW", 51)
        changed = before != _kept.key(function, dict(seed=0, rows=120))
        assert changed == (function is not controls.one)  # which reads neither
    monkeypatch.setattr(_kept._fingerprint, "_version", lambda package: "another")
    assert before != _kept.key(function, dict(seed=0, rows=120))


def test_what_is_kept_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(_kept, "FOLDER", tmp_path / "cache")
    first, again = (_kept.kept(_study.run, **SMALL, seed=0) for _ in range(2))
    assert first is not again and type(again) is _study.Study
    np.testing.assert_array_equal(first.slopes["train low"], again.slopes["train low"])
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".npz"]


def test_controls_at_toy_size():
    seen = together.control(0, 420)
    assert seen.squared_ratio == pytest.approx(1.0, abs=1e-9) and seen.excess < 1e-12
    assert 0 < seen.squared_slope < 1
    flat = trajectories.one("control: whitened pixels", 0, 80, 300, 4)
    assert flat.ratio == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "values, claim, verdict",
    [
        ([1.2, 1.2, 1.3], "above", SHOWN),
        ([0.7, 0.8, 0.8], "above", REVERSED),
        ([0.5, 1.2, 1.3], "above", NOT_SHOWN),
        ([0.7, 0.8, 0.8], "below", SHOWN),
        ([1.2, 1.2, 1.3], "below", REVERSED),
        ([1.01, 1.0, 0.99], "equal", SHOWN),
        ([1.4, 1.41, 1.39], "equal", REVERSED),
        ([0.8, 1.0, 1.3], "equal", NOT_SHOWN),
    ],
)
def test_verdicts_follow_from_intervals(values, claim, verdict):
    finding = Finding("x", np.array(values), claim, null=1.0, tolerance=0.1)
    assert finding.verdict == verdict and verdict in str(finding)


NEITHER = Finding("z", np.array([-1.0, 1.0, 0.1]), "above")


def test_stability_and_the_word_for_a_row():
    steady = Finding("x", np.array([1.0, 1.1, 1.2, 1.1]), "above")
    shaky = Finding("y", np.array([0.3, 1.0, 1.1, 1.2, 0.0]), "above")
    assert steady.stable and not shaky.stable and "not stable" in str(shaky)
    assert overall([steady]) == SHOWN and overall([steady, steady._replace(claim="below")]) == "shown in part"
    against = steady._replace(claim="below")
    assert overall([against, against]) == REVERSED and overall([against, NEITHER]) == "reversed in part"


def test_validation_seeds_choose_the_best():
    accuracy = np.zeros((3, 4, 7))
    accuracy[1, :, 3] = 0.5
    accuracy[2] = 0.9  # the control is never chosen
    teacher = dict(accuracy=np.eye(7)[2], log_loss=1 - np.eye(7)[5])
    study = _study.Study(None, teacher, dict(accuracy=accuracy), {}, None, {})
    chosen = _study.choose([study, study])
    assert (chosen.stop, chosen.loss_stop) == (2, 5)
    assert chosen.arm.tolist() == [1] * 4 and chosen.moment.tolist() == [3] * 4


def test_the_report_is_not_one_of_the_quick_experiments():
    assert "report" not in runner.discover()
