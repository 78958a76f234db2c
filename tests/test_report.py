"""The report at toy size: its page, what it keeps, and how its verdicts follow from numbers."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from experiments import __main__ as runner
from experiments.report import (
    _kept,
    _pages,
    _study,
    architectures,
    bias_to_confidence,
    controls,
    switching,
    together,
    trajectories,
)
from experiments.report._verdicts import NOT_SHOWN, REVERSED, SHOWN, Finding, Twice, interval, overall, twice

NACE = dict(name="nace", rows=100, tested=300, folds=2)
FEW = dict(settings={"NACE": NACE}, validation=(100,))
STUDIES = dict(noises=(0.0, 0.3), **FEW)
SEEDS = (0, 1), (1, 2)  # of which those of one are computed once
TOY = {
    "report_confidence": STUDIES,
    "report_generalisation": dict(networks=dict(few=44, longest=300, width=16, titles=("network",)), **STUDIES),
    "report_teacher_fit": STUDIES,
    "report_controls": dict(rows=120, count=20, longest=1000),
    "report_together": dict(rows=420, **FEW),
    "report_bias_to_confidence": dict(rows=64, sets=("mnist", "nace"), noises=(0.0,)),
    "report_switching": dict(settings={"NACE": dict(name="nace", rows=80, noise=0.3)}, steps=(4, 8), validation=(100,)),
    "report_trajectories": dict(
        rows=44,
        few=44,
        longest=300,
        width=16,
        titles=("linear regression", "softmax regression", "network", "convolutional network"),
    ),
    "report_architectures": dict(rows=64),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


def build(folder, monkeypatch):
    monkeypatch.setattr(_kept, "FOLDER", folder / "cache")
    _pages.build(folder, {"savefig.dpi": 20}, lambda names: names, TOY, SEEDS)
    return (folder / "report.md").read_text()


@pytest.fixture(scope="module")
def page(folder):
    with pytest.MonkeyPatch.context() as patch:
        return build(folder, patch)


def test_the_page_has_every_row_with_figure_numbers_and_verdict(folder, page):
    assert {_pages.stem(module) for module in _pages.discover()} == set(TOY)
    for name in TOY:
        assert f"({name}.png)" in page and (folder / f"{name}.svg").exists()
    rows = ["P2", "P4", "P5", "P6", "P7", "P8", "Other architectures", "The controls", "The third claim"]
    for row in ["P1", "P3", *rows]:
        assert f"## {row}" in page, row
    for row in ["P1, the theorem", *rows]:
        assert page.count(f"* **{row}**: ") == 1, row  # the abstract
    assert page.index("**Abstract.**") < page.index("| claimed |") < page.index("## How to read")
    assert page.count("**Claimed.**") == page.count("**What we ran.**") == len(TOY) + 2
    assert page.count("**Verdict: ") == len(TOY)


def test_what_is_finished_is_kept(folder, page, monkeypatch):
    monkeypatch.setattr(_kept.kd, "save", None)  # nothing may be computed anew
    assert build(folder, monkeypatch) == page


@pytest.mark.parametrize(
    "function",
    [
        _study.run,
        controls.one,
        switching.one,
        together.control,
        trajectories.one,
        architectures.one,
        bias_to_confidence.squared.one,
        bias_to_confidence.softmax,
    ],
)
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
    monkeypatch.setattr(_kept._fingerprint._installed, "version_of", lambda package: "another")
    assert before != _kept.key(function, dict(seed=0, rows=120))


def test_what_is_kept_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(_kept, "FOLDER", tmp_path / "cache")
    first, again = (_kept.kept(_study.run, name="nace", rows=100, tested=300, seed=0) for _ in range(2))
    assert first is not again and type(again) is _study.Study
    np.testing.assert_array_equal(first.slopes["train low"], again.slopes["train low"])
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".npz"]


def test_arms_of_a_switch_differ_in_their_labels_alone(monkeypatch):
    monkeypatch.setattr(
        switching.kd, "distill", lambda teacher, student, temperature: student
    )  # its labels are the labels
    arms = switching.one("nace", 80, 0.3, 0, (40, 40)).arms
    np.testing.assert_array_equal(arms, np.tile(arms[:, :1], 4))


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
    assert finding.verdict == verdict
    assert verdict in str(Twice(finding, finding))


def test_intervals_of_folds_count_the_rows_that_they_share():
    values = np.random.default_rng(0).normal(size=15)
    mean, low, high = interval(values, overlap=0.5)
    half = scipy.stats.t.ppf(0.975, 14) * np.sqrt(np.var(values, ddof=1) * (1 / 15 + 0.5))
    np.testing.assert_allclose([mean, low, high], np.mean(values) + np.array([0, -half, half]), rtol=1e-12)
    plain = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(interval(values)[1:], plain, rtol=1e-12)


def test_two_sets_of_seeds_agree_or_are_not_stable():
    above = Finding("x", np.array([1.0, 1.1, 1.2, 1.1]), "above")
    below, neither = above._replace(claim="below"), above._replace(values=np.array([-1.0, 1.0, 0.1, 0.2]))
    steady, against, shaky = Twice(above, above), Twice(below, below), Twice(above, neither)
    assert steady.verdict == SHOWN and against.verdict == REVERSED
    assert shaky.verdict == f"not stable: {SHOWN}, then {NOT_SHOWN}" and shaky.kind == "not stable"
    assert overall([steady]) == SHOWN and overall([against, against]) == REVERSED
    assert overall([steady, against]) == "mixed" and overall([steady, steady, shaky]) == "mostly shown"
    with pytest.raises(ValueError, match="about the same"):
        twice([above], [above._replace(what="y")])


def test_validation_seeds_choose_what_is_best_for_each():
    accuracy, slope = np.zeros((4, 4, 12)), np.zeros((4, 4, 12))
    accuracy[_study.HOT, -1, 3] = 0.5
    accuracy[-1] = 0.9  # the control is never chosen
    slope[_study.HOT, -1, 6], slope[0, -1, 7] = 1.5, 2.0
    study = _study.Study(None, dict(accuracy=np.eye(12)[2]), dict(accuracy=accuracy), dict(test=slope), None, {})
    assert _study.choose([study, study]) == (2, 3, 6)


def test_budgets_are_shares_of_the_teachers_steps():
    at = [_study.JUDGED[_study.moment(budget)] for budget in (_study.QUARTER, _study.WHOLE, _study.LONG)]
    early = [_study.JUDGED[_study.moment(budget, _study.EARLY)] for budget in (_study.QUARTER, _study.WHOLE)]
    assert at == [80, 320, 320] and early == [2, 8]


def test_folds_test_different_rows():
    splits = [_study._split("nace", 541, 3, 270, fold) for fold in range(3)]
    tested = np.concatenate([rest for *_, rest in splits])
    assert len(tested) == len(set(tested)) == 3 * 160
    for *_, first, rest in splits:
        assert not set(first) & set(rest) and len(first) == 541


def test_what_the_convolution_sees_is_what_it_should():
    """Filters on patches against a convolution of scipy."""
    random = np.random.default_rng(0)
    image, filters = random.normal(size=(28, 28)), random.normal(size=(25, 3))
    seen = trajectories.patches(image.reshape(1, 784))[0] @ filters
    for number in range(3):
        whole = scipy.signal.correlate2d(image, filters[:, number].reshape(5, 5), mode="valid")
        np.testing.assert_allclose(seen[..., number], whole[::2, ::2], rtol=1e-12)
    layers = [filters, random.normal(size=(27, 4)), random.normal(size=(100, 10))]
    first = np.maximum(seen, 0)
    second = np.zeros((5, 5, 4))
    for output in range(4):
        kernel = layers[1].reshape(3, 3, 3, 4)[..., output]
        for channel in range(3):
            second[..., output] += scipy.signal.correlate2d(first[..., channel], kernel[..., channel], "valid")[
                ::2, ::2
            ]
    expected = np.maximum(second, 0).ravel() @ layers[2]
    found = trajectories.convolutions(layers, trajectories.patches(image.reshape(1, 784)))
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)


def test_with_one_set_of_features_the_overlap_foretells_exactly():
    seen = architectures.one(seed=0, noise=0.0, rows=64)
    assert np.abs(np.diag(seen.teachers) - np.diag(seen.own)).max() < 1e-8
    assert np.abs(np.diag(seen.teachers) - np.diag(seen.foretold)).max() < 1e-8
    assert seen.disagreement.max() < 1e-8 and (np.diag(seen.own) < 1).all()


def test_the_report_is_not_one_of_the_quick_experiments():
    assert "report" not in runner.discover()
