"""Each experiment at toy size, and the runner that writes the figures."""

import functools
import os
import sys
from pathlib import Path

import matplotlib.style
import numpy as np
import pytest

import kdtheory as kd
from experiments import __main__ as runner
from experiments import _page

TOY = {  # shapes are shared where they can be: compilation is what these tests cost, and checking claims most of all
    "best_teacher_weight": dict(count=12, noises=3, weights=2, draws=50, instances=0),
    "bias_sets_confidence": dict(
        rows=40, sets=("mnist",), seeds=2, powers=(0.0, 1.0), times=(0.3, 1.0), curve=2, instances=0
    ),
    "compression": dict(lines=3, marks=(30,), draws=8, widths=(10, 20), large=60, sizes=(200, 100, 100), seeds=2),
    "eigenspace_trajectories": dict(count=12, samples=40, longest=100),
    "estimated_error": dict(draws=3, splits=2, sets=("diabetes", "digits")),
    "exaggerated_bias": dict(count=12, samples=48, stop=20, longest=100),
    "exaggerated_bias_kernel": dict(samples=40, stop=20, longest=100),
    "exaggerated_bias_mnist": dict(samples=40, stop=20, longest=100),
    "exaggeration_sweep": dict(grid=(5, 4), exponents=(1.0, 2.0), stops=3, longest=10),
    "factor_r_gap": dict(strengths=2, spreads=2, counts=(3,), instances=20, loops=1),
    "flat_spectrum": dict(exponents=3),
    "forecast": dict(draws=3, sets=("diabetes", "digits"), levels=2),
    "flow_against_ridge": dict(size=12, runs=2, stops=5, instances=0),
    "gain_of_distillation": dict(count=12, exponents=2, every=1, draws=50, methods=("ridge",), instances=0),
    "ground_truth_reversal": dict(count=12, truths=3, times=7, penalties=7, instances=0),
    "lag": dict(grid=(5, 4), exponents=(1.0, 2.0), stops=2, count=12),
    "lazy_training": dict(seeds=2, widths=(8, 64)),
    "limiting_law": dict(samples=40, draws=5, sizes=(10, 20), points=20, least=2000),
    "margin_slope": dict(clocks=5, instances=0),
    "model_collapse": dict(generations=3, draws=4, shapes=(8, 40), images=100, features=40, seeds=2),
    "new_inputs": dict(draws=2, points=5, marks=2),
    "other_features": dict(samples=60, widths=(20, 200), seeds=2, directions=10, tenth=4, angles=7, marks=3),
    "single_crossing": dict(count=12, moments=60, instances=0),
    "sparsification": dict(fits=6, longest=6, truths=1, smalls=1, instances=0),
    "teacher_weight_on_new_inputs": dict(draws=20, weights=2, noises=2),
    "weak_to_strong": dict(
        samples=80,
        thin=(5, 20),
        strong=100,
        moments=8,
        lines=3,
        marks=(100,),
        draws=4,
        widths=(20,),
        seeds=2,
        sizes=(100, 200, 100),
    ),
}


@functools.cache
def computed(name):
    return runner.load(name).compute(**TOY[name])


def test_experiments_are_discovered_not_listed():
    files = {path.stem for path in Path(runner.__file__).parent.glob("[!_]*.py")}
    assert set(runner.discover()) == files == set(TOY)


@pytest.mark.parametrize("name", runner.discover())
def test_an_experiment_computes_and_draws(name):
    module = runner.load(name)
    title, caption = runner.caption(module)
    assert len(title) > 10 and len(caption) > 100
    figure = module.draw(computed(name))
    for ax in figure.axes:
        assert ax.lines or ax.collections, "an empty panel"
        assert ax.get_xlabel() or ax.get_ylabel()
    figure.canvas.draw()  # warnings are errors


@pytest.mark.parametrize("name", ["exaggerated_bias", "exaggerated_bias_kernel", "exaggerated_bias_mnist"])
def test_what_the_captions_of_exaggerated_bias_say(name):
    found = computed(name)
    assert found.disagreement < 1e-11
    lags = [row.exaggeration for row in found.rows]
    assert abs(lags[0]) < 1e-6 and np.all(np.diff(lags) > 0)  # the more so the smaller the eigenvalue


def test_what_the_caption_of_eigenspace_trajectories_says():
    for found in computed("eigenspace_trajectories").values():
        assert found.disagreement < 1e-11
        assert found.rows[1].exaggeration > 0


def test_what_the_caption_of_lazy_training_says():
    found = computed("lazy_training")
    assert found.linearised.max() < 1e-12 < found.defect.min()
    assert found.defect[1].mean() < found.defect[0].mean() and found.change[1].mean() < found.change[0].mean()


def test_what_the_caption_of_forecast_says():
    found, module = computed("forecast"), runner.load("forecast")
    assert found.disagreement < 1e-12  # of the first split, which is that of the figure
    assert len(found.cases) == 4 and all(case.forecast.gain.low >= 0 for case in found.cases)
    errors = np.random.default_rng(0).standard_normal((5, 50))
    judged = errors.copy()
    judged[2] += 100 * errors[2]  # no stop is judged on what chose it
    np.testing.assert_allclose(module.honest(judged)[2], 101 * module.honest(errors)[2])
    draws = [module.Draw("diabetes", *module.load("diabetes"), 4.0, seed) for seed in range(4)]
    before = module.judged(draws)
    for part in ("square", "product", "power"):
        setattr(draws[2], part, 1e3 * getattr(draws[2], part))
    np.testing.assert_allclose([each[2] for each in module.judged(draws)], [1e3 * each[2] for each in before])


def test_what_the_caption_of_limiting_law_says():
    module, found = runner.load("limiting_law"), computed("limiting_law")
    for eigenvalues, at, density in zip(found.eigenvalues, found.at, found.density, strict=True):
        assert np.trapezoid(density, at) == pytest.approx(1, abs=0.01)
        assert np.mean((eigenvalues > at[0]) & (eigenvalues < at[-1])) > 0.9
    scaled = found.sizes * found.gap
    assert np.all(np.abs(scaled) < 1.5 + 2 * found.sizes * found.spread)
    # a draw's error in expectation is that of labels and signs that were drawn
    random, s = np.random.default_rng(0), np.array([3.0, 1.0, 0.3])
    λ, vt = module.sampled(random, s, 8)
    signal, learner, errors = np.array([1.0, 0.5, 2.0]), module.LEARNERS[0], []
    learnt = np.asarray(learner.filter(λ))
    for _ in range(4000):
        signs, noise = random.choice([-1, 1], 3) * signal, module.NOISE * random.standard_normal(3)
        fit = vt.T @ (learnt * (vt @ signs + noise / np.sqrt(8 * λ)))
        errors.append(s @ (fit - signs) ** 2)
    wanted = module.error(learner, s, signal, 8, λ, vt)
    assert abs(np.mean(errors) - wanted) < 3 * np.std(errors) / np.sqrt(4000) < 0.1 * wanted


@pytest.mark.parametrize("name", ["exaggeration_sweep", "flat_spectrum", "lag"])
def test_loops_show_the_exaggeration_of_the_formula(name):
    found = computed(name)
    np.testing.assert_allclose(found.seen, found.expected, atol=1e-6)  # read between steps


def test_what_the_caption_of_flat_spectrum_says():
    found = computed("flat_spectrum")
    for run in found.loop:
        assert np.max(np.ptp(run.progress, axis=1)) < 1e-12
    assert np.all(np.diff(found.seen, axis=0) > 0)  # the lag grows with the exponent


def test_what_the_caption_of_single_crossing_says():
    module, found = runner.load("single_crossing"), computed("single_crossing")
    ahead = np.delete(found.chains - found.singles, module.LEAD, axis=1) > 0
    assert np.all(ahead == (np.delete(np.arange(12), module.LEAD) < module.LEAD))  # eigenvalues fall
    assert np.all(np.diff(found.delays, axis=1) > 0)


def test_what_the_caption_of_ground_truth_reversal_says():
    module, found = runner.load("ground_truth_reversal"), computed("ground_truth_reversal")
    kinds, ridge = found.kinds(found.differences), found.kinds(found.ridge)
    x, y = np.meshgrid(found.truths, found.times, indexing="ij")
    np.testing.assert_array_equal(kinds.ravel(), module.expected(x.ravel(), y.ravel()))
    assert set(kinds.ravel()) == {module.SINGLE, module.TWO, module.REVERSED}
    assert found.kinds(found.shown).tolist() == [module.SINGLE, module.TWO, module.REVERSED]
    x, y = np.meshgrid(found.ridge_truths, found.penalties, indexing="ij")
    np.testing.assert_array_equal(ridge, module.expected_of_ridge(x, y))


def test_what_the_caption_of_bias_sets_confidence_says():
    found = computed("bias_sets_confidence")
    for draw in (draw for draws in found.draws.values() for draw in draws):
        np.testing.assert_allclose(draw.seen[:, 0], 1, rtol=1e-9)  # no bias
        np.testing.assert_allclose(draw.seen, draw.exact, rtol=1e-7)
        assert np.all(draw.seen[:, 1] > 1.05) and np.all(draw.ratio[:, 1] < 0.9)
        assert draw.critical[0] > draw.critical[1]  # the longer a teacher trains


def test_what_the_caption_of_margin_slope_says():
    found = computed("margin_slope")
    T, s = np.meshgrid(found.clocks, found.clocks, indexing="ij")
    h1, h2 = -np.expm1(-found.levels[:, None, None] * T)
    longer = {"flow": s > np.log(h1 / h2) / np.subtract(*found.levels), "ridge": np.prod(found.levels) * T * s > 1}
    for method, steeper in longer.items():
        slope, residual = found.fitted(method)
        off = np.abs(slope - 1) > 1e-9  # on the line itself it is one within rounding
        assert residual < 1e-10 and np.all((slope > 1)[off] == steeper[off])


def test_what_the_caption_of_gain_of_distillation_says():
    found = computed("gain_of_distillation")
    (none, _), (some, error) = found.gains["ridge"]  # r = -1 and r = 2
    assert abs(none) < 1e-6 and some > error
    expected = found.expected["ridge"]
    assert abs(some - (1 - expected[1, 1] / expected[1, 0])) < 2 * error


def test_what_the_caption_of_sparsification_says():
    found = computed("sparsification")
    np.testing.assert_allclose(found.ratios[2], [9, 43.1, 64.3, 63.3, 59.8, 56.6], atol=0.05)
    assert found.growth == "violated" and np.all(np.diff(found.ratios[0]) > 0)


def test_what_the_caption_of_flow_against_ridge_says():
    module, found = runner.load("flow_against_ridge"), computed("flow_against_ridge")
    variances = np.max((found.learnt[0] / found.learnt[1]) ** 2)
    assert abs(variances - module.C2) < 1e-9
    assert np.all(found.one < module.C2) and np.all(found.two < module.C2**2) and found.two.max() > module.C2
    assert found.tuned.min() > 1 - 1e-9 and found.tuned.max() < module.TUNED


def test_what_the_caption_of_best_teacher_weight_says():
    module, found = runner.load("best_teacher_weight"), computed("best_teacher_weight")
    curves, *_ = module.theory(found.eigenvalues, found.noises, found.weights)
    assert np.all(np.abs(found.best[..., 0] - curves) < 2 * found.best[..., 1])
    assert np.all(found.best[:, 0, 0] < 0) and np.all(found.best[:, -1, 0] > 1)


def test_what_the_caption_of_teacher_weight_on_new_inputs_says():
    module, found = runner.load("teacher_weight_on_new_inputs"), computed("teacher_weight_on_new_inputs")
    curves, stars, lines = module.theory(found.weights, found.noises)
    assert np.all(abs(found.risks[..., 0] - curves) < 2 * found.risks[..., 1])
    assert np.all(abs(found.best[..., 0] - lines) < 2 * found.best[..., 1])
    (up, flat, down), least = stars.T
    assert up > 1 and abs(flat) < 1e-4 and down < -1 and np.all(least <= 1)
    own = [
        module.theory(found.weights, [np.sqrt(0.3 * samples / 60)])[2][k, 0] for k, samples in enumerate(module.SIZES)
    ]
    np.testing.assert_allclose(own, 0, atol=1e-9)
    assert np.all(lines[:, 0] < 0) and np.all(lines[:, -1] > 1)


def test_what_the_caption_of_factor_r_gap_says():
    found = computed("factor_r_gap")
    [[theory, one, three]] = found.over_strength
    np.testing.assert_allclose(one, theory, rtol=1e-9)
    np.testing.assert_allclose(three, 1, rtol=1e-9)
    assert 2.98 < one[-1] < 3 and np.all(found.weights[:, -1] > 1e6 * found.weights[:, 0])


def test_what_the_caption_of_other_features_says():
    found = computed("other_features")
    assert found.disagreement < 1e-9
    seen, expected = found.turned.seen, found.turned.expected
    np.testing.assert_allclose(seen, expected[:, :: (expected.shape[1] - 1) // (seen.shape[1] - 1)], rtol=1e-9)
    assert np.all(seen[:, 0] < 1) and np.all(seen[:, -1] > 1)  # one set of features, and one turned upside down
    np.testing.assert_allclose(found.widths.expected, found.widths.seen.mean(axis=1))
    always, never = found.widths.always, found.widths.never
    assert np.all(always <= found.widths.expected) and np.all(never <= 1 - found.widths.expected)
    assert never[1] < never[0]


def test_what_the_caption_of_weak_to_strong_says():
    found = computed("weak_to_strong")
    losses = found.losses
    np.testing.assert_allclose(losses.seen, losses.expected, rtol=1e-7)
    assert np.all(losses.seen < losses.teacher)
    assert np.all(losses.seen > kd.measures.transfer.weak_to_strong_limit(losses.teacher))
    weak, strong, ceiling = found.fresh.expected
    assert np.ptp(weak) == 0 and strong[-1] < weak[-1] and ceiling[-1] < strong[-1]
    assert 0 < found.fresh.limit < strong[-1]


def test_random_features_are_as_linear_ones_of_their_second_moments():
    """Runs of ReLUs against theory, within three standard errors and 3 %, which are known to as much."""
    found = runner.load("weak_to_strong").on_fresh_inputs((150,), (150,), 60)
    expected = found.expected[:, 0]
    assert np.all(abs(found.seen[:, 0] - expected) < 3 * found.error[:, 0] + 0.03 * expected)
    assert np.all(found.error[:, 0] < 0.03 * expected)


def test_what_the_caption_of_model_collapse_says():
    found = computed("model_collapse")
    for errors in found[:2]:
        for name, expected in errors.expected.items():
            mean, error = errors.seen[name]
            assert np.all(abs(mean - expected) < 5 * error + 0.1 * expected), name
    assert set(found.least_squares.expected) - set(found.ridge.expected) == {"kept, fresh inputs"}
    last = {name: each[-1] for name, each in found.least_squares.expected.items()}
    assert last["kept, fresh inputs"] < last["kept, same inputs"] < last["replaced"] > last["half real"]


def test_what_the_caption_of_compression_says():
    found = computed("compression")
    assert np.all(found.expected[1] < found.expected[2])  # of its teacher, against labels of its own
    at = found.features.tolist().index(30)
    assert np.all(abs(found.seen[:, 0] - found.expected[:, at]) < 5 * found.error[:, 0])
    assert np.all(found.misread[0] < found.misread[2].min(axis=1, keepdims=True))  # the teacher is the better one


def test_a_figure_states_the_verdicts_of_its_run():
    figure = runner.load("factor_r_gap").draw(computed("factor_r_gap"))
    [said] = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == "one_student_is_factors_behind: holds (20 instances, 1 on data)"


def test_the_same_run_writes_the_same_bytes_and_the_gallery_shows_it(tmp_path):
    first, second = tmp_path / "first", tmp_path / "new" / "second"
    for folder in first, second:
        runner.prepare(folder)
        runner.build("exaggerated_bias", folder, **TOY["exaggerated_bias"])
        runner.gallery(folder)
    for name in "exaggerated_bias.svg", "exaggerated_bias.png", "README.md":
        assert (first / name).read_bytes() == (second / name).read_bytes()
    page = (first / "README.md").read_text()
    assert "(exaggerated_bias.png)" in page and "# Exaggerated bias" in page and "flat_spectrum" not in page
    assert "longest" in (first / "exaggerated_bias.svg").read_text()  # sizes travel with the figure


@pytest.mark.parametrize("seed", range(2))
def test_last_digits_of_what_is_drawn_leave_the_files_as_they_are(tmp_path, seed):
    module, random = runner.load("exaggerated_bias"), np.random.default_rng(seed)
    with matplotlib.style.context(runner.STYLE):
        figure = module.draw(computed("exaggerated_bias"))
        figure.canvas.draw()
        vector, picture = tmp_path / "figure.svg", tmp_path / "figure.png"
        _page.write(figure, tmp_path, "figure", "title", "source")
        before = vector.read_bytes(), picture.read_bytes(), vector.stat().st_mtime_ns
        for line in [line for ax in figure.axes for line in ax.lines]:
            line.set_data(
                *(np.asarray(v, float) * (1 + 1e-12 * random.standard_normal(len(v))) for v in line.get_data())
            )
        _page.write(figure, tmp_path, "figure", "title", "source")
        assert (vector.read_bytes(), picture.read_bytes(), vector.stat().st_mtime_ns) == before
        figure.axes[0].set_title("another")
        _page.write(figure, tmp_path, "figure", "title", "source")
    assert vector.read_bytes() != before[0] and picture.read_bytes() != before[1]  # what is seen is written


def test_what_stands_just_between_two_hundredths_goes_one_way():
    def path(x):  # as matplotlib writes it
        return f'<path d="M {x:.6f} {-x:.6f}"/>'

    for tie in (123.125, 0.005, 71.375, 1.115):
        noise = tie * 1e-12 * np.array([-1.0, 0.0, 1.0])
        assert len({_page.rounded(path(tie + off)) for off in noise}) == 1
    assert _page.rounded(path(0.001)) == '<path d="M 0 0"/>'
    assert _page.rounded('<g transform="translate(1.23456 7) scale(0.015625)"/>') == (
        '<g transform="translate(1.23 7) scale(0.015625)"/>'
    )


def test_names_in_a_figure_follow_their_order():
    svg = '<path id="m0123456789" d="M 1 2"/><use xlink:href="#m0123456789"/><g clip-path="url(#pabcdef0123)"/>'
    named = '<path id="m0" d="M 1 2"/><use xlink:href="#m0"/><g clip-path="url(#p1)"/>'
    assert _page.rounded(svg) == named


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        runner.prepare(tmp_path)


def test_the_command_lists_its_experiments_and_knows_their_names(capsys):
    runner.main(["--list"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == runner.discover()
    with pytest.raises(SystemExit):
        runner.main(["no_such_figure"])
    assert "there is no experiment no_such_figure" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        runner.main(["lag", "report"])
    assert "report is built alone: give no other name" in capsys.readouterr().err


def test_progress_is_told_with_and_without_tqdm(monkeypatch, capsys):
    assert list(runner.timed(["a", "b"])) == ["a", "b"]
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(runner.timed(["a", "b"])) == ["a", "b"]
    assert capsys.readouterr().out.count("a: 0 s") == 2
