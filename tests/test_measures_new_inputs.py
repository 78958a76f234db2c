"""The test error from training data alone: against references, closed forms, and errors on new data."""

import warnings

import jax
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.measures import estimated_risk, new_inputs

FLOW = kd.GradientFlow(8.0)


def orthonormal(random, count):
    return np.linalg.qr(random.normal(size=(count, count)))[0]


def test_reference(oracle):
    random = np.random.default_rng(0)
    for name, given, expected in oracle.theorem("T11b"):
        λ, basis = np.array(given["eigenvalues"]), orthonormal(random, 5)
        targets, ridge = basis @ given["label_coefficients"], kd.Ridge(given["penalty"])
        flow, later = kd.GradientFlow(given["teacher_time"]), kd.GradientFlow(given["student_time"])
        students = dict(kd_flow_flow=kd.distill(flow, later), sd_ridge=kd.distill(ridge, ridge))
        learner = (dict(ridge=ridge, flow=flow) | students)[given["filter"]]
        tables = kd.problems.linear(basis * np.sqrt(5 * λ) @ orthonormal(random, 5).T, targets)
        for problem in (tables, kd.problems.kernel((basis * 5 * λ) @ basis.T, targets)):
            assert oracle.agrees(estimated_risk(learner, problem), expected["estimate"], 1e-13), name
        data = new_inputs.read(tables, None)
        order, by_size = np.argsort(data.ζ)[::-1], np.argsort(np.array(expected["zeros"], float))[::-1]
        np.testing.assert_allclose(data.ζ[order], np.array(expected["zeros"], float)[by_size], rtol=1e-13)
        np.testing.assert_allclose(data.ν[order], np.array(expected["weights"], float)[by_size], rtol=1e-12)


def by_projection(gram, targets, left):
    """The same from an eigenproblem of J diag(λ) J and divided differences, one eigenvalue at a time."""
    λ, u = np.linalg.eigh(gram / len(gram))
    λ = np.where(λ < 1e-12 * λ[-1], 0.0, λ)
    count = len(λ)
    project = np.eye(count) - 1 / count
    ζ = np.linalg.eigvalsh(project * λ @ project)
    ζ = ζ[ζ > 1e-11 * λ[-1]]
    ν = [count / (z * np.sum((λ - z) ** -2.0)) for z in ζ]
    if np.all(λ > 0):
        ζ, ν = np.append(ζ, 0.0), np.append(ν, count / np.sum(1 / λ))
    ψ = [left(each) - sum(n * (left(each) - left(z)) / (each - z) for n, z in zip(ν, ζ, strict=True)) for each in λ]
    return np.mean((np.array(ψ) * (u.T @ targets)) ** 2)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (20, 20)])
def test_by_another_route(shape):
    random = np.random.default_rng(1)
    x, y = random.normal(size=shape), random.normal(size=shape[0])
    problem, unit = kd.problems.linear(x, y), 1 / np.linalg.norm(x, 2) ** 2 * shape[0]
    cases = {
        kd.GradientFlow(3 * unit): lambda λ: np.exp(-3 * unit * λ),
        kd.GradientDescent(0.7 * unit, 9): lambda λ: (1 - 0.7 * unit * λ) ** 9,
        kd.distill(kd.Ridge(0.2), kd.Ridge(0.4), 1.6): lambda λ: 1 - λ / (λ + 0.4) * (1 - 1.6 * 0.2 / (λ + 0.2)),
    }
    for learner, left in cases.items():
        assert float(estimated_risk(learner, problem)) == pytest.approx(by_projection(x @ x.T, y, left), rel=1e-9)


@pytest.mark.parametrize("kind", ["few", "many", "repeated", "cut", "centred", "outputs"])
def test_ridge_is_generalised_cross_validation(kind):
    random = np.random.default_rng(2)
    x = random.normal(size=(30, 60 if kind == "many" else 12)) * np.geomspace(1, 1e-3, 60 if kind == "many" else 12)
    if kind == "repeated":
        x = np.linalg.qr(x)[0] * np.repeat([3.0, 1.0, 0.5], 4)
    if kind == "cut":
        x[:, 5:] *= 1e-9
    y = random.normal(size=(30, 3) if kind == "outputs" else 30)
    if kind == "centred":
        x, y = x - x.mean(0), y - y.mean()
    problem, path = kd.problems.linear(x, y), kd.Ridge([1e-3, 0.1, 10.0])
    found = new_inputs.estimate(path, problem)
    np.testing.assert_allclose(found.risk, found.plain, rtol=1e-12)
    hats = [x @ np.linalg.solve(x.T @ x + 30 * c * np.eye(x.shape[1]), x.T) for c in path.penalty]
    count = 29 if kind == "centred" else 30
    direct = [np.sum((y - hat @ y) ** 2) / count / (1 - np.trace(hat) / count) ** 2 for hat in hats]
    direct = np.array(direct) * (1 + 1 / 30 if kind == "centred" else 1)
    np.testing.assert_allclose(found.risk, direct, rtol=2e-10)
    other = new_inputs.estimate(kd.GradientFlow([1.0, 100.0]), problem)
    assert abs(other.risk[1] / other.plain[1] - 1) > 1e-3


def on_new_data(learners, s, samples, noise, draws, centred=False, outputs=1, seed=0):
    """Estimate over truth - 1, of plain cross-validation too, and how often ± 2 errors hold the truth."""
    random, s = np.random.default_rng(seed), np.asarray(s)
    ratios, held, plain = [], [], []
    for _ in range(draws):
        x = random.normal(size=(samples, len(s))) * np.sqrt(s)
        w = random.normal(size=(len(s), outputs)) / np.sqrt(len(s))
        y = x @ w + noise * random.normal(size=(samples, outputs))
        shift = np.zeros(len(s)), 0.0
        if centred:
            x, y, shift = x + 3.0, y + 3.0 * w.sum(0) + 5.0, None
            shift = x.mean(0) - 3.0, y.mean(0)
            x, y = x - x.mean(0), y - y.mean(0)
        problem = kd.problems.linear(x, y)
        system = problem.eigensystem()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [new_inputs.estimate(learner, problem, system) for learner in learners]
        for learner, each in zip(learners, found, strict=True):
            fit = np.asarray(system.parameters(learner.filter(system.eigenvalues)[:, None] * system.target))
            truth = np.sum(s @ (fit - w) ** 2) + outputs * noise**2
            if centred:  # predictions are shift[1] + (x - mean) · fit
                truth += np.sum((shift[1] - (3.0 * w.sum(0) + 5.0) - shift[0] @ fit) ** 2)
            ratios.append(float(each.risk) / truth - 1)
            plain.append(float(each.plain) / truth - 1)
            held.append(abs(float(each.risk) - truth) < 2 * float(each.error))
    shape = (draws, len(learners))
    return np.reshape(ratios, shape), np.reshape(plain, shape), np.mean(held)


@pytest.mark.parametrize("samples, count, outputs", [(100, 60, 1), (60, 120, 1), (60, 120, 3)])
def test_truth_on_new_data(samples, count, outputs):
    s = 1 / np.arange(1, count + 1.0) * 3
    learners = [kd.Ridge(0.1), kd.GradientFlow(30.0), kd.distill(kd.GradientFlow(60.0), kd.GradientFlow(30.0))]
    ratios, plain, held = on_new_data(learners, s, samples, 0.5, 60, outputs=outputs)
    error = ratios.std(0) / np.sqrt(60)
    assert np.all(abs(ratios.mean(0)) < 3 * error + 2 / samples) and np.all(error < 0.05)
    assert abs(plain.mean(0)[1]) > 3 * abs(ratios.mean(0)[1]) + 0.05  # plain cross-validation is off for flow
    assert held > 0.8


@pytest.mark.parametrize("shape", [(30, 60), (60, 20), (40, 40)])
def test_data_that_were_centred_with_few_digits_are_centred(shape):
    """In float32, or beside a large offset: their mean is not zero, and counted as known it made an error of 4 none."""
    random = np.random.default_rng(0)
    x = random.normal(size=shape)
    y = x @ random.normal(size=shape[1]) / 8 + random.normal(size=shape[0])
    x, y, flow = x - x.mean(0), y - y.mean(), kd.GradientFlow([1.0, 30.0, 1e4])
    expected = estimated_risk(flow, kd.problems.linear(x, y))
    short = x.astype(np.float32)
    assert np.any(short.mean(0) != 0.0)
    np.testing.assert_allclose(estimated_risk(flow, kd.problems.linear(short, y.astype(np.float32))), expected, 1e-5)
    for offset, error in ((1e6, 1e-9), (1e8, 1e-6)):
        moved = x + offset
        np.testing.assert_allclose(
            estimated_risk(flow, kd.problems.linear(moved - moved.mean(0), y)), expected, rtol=error
        )
    small = np.geomspace(1.0, 1e-4, shape[1])
    assert abs(estimated_risk(flow, kd.problems.linear(x * small + small / 9, y)) / expected - 1).max() > 1e-2


@pytest.mark.parametrize("large", [1e3, 1e6, 1e9, 1e12])
def test_a_column_in_large_units_hides_no_other(large):
    """Eigenvalues down to 1e-24 of the largest: cross-validation of ridge by hand, with the mean that is taken off."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2)) * [large, 1.0]
    x -= x.mean(0)
    y = 3 * x[:, 1] + 0.3 * random.normal(size=200)
    y -= y.mean()
    root = x / np.sqrt(200 * 1e-3)  # the hat is R Rᵀ (1 + R Rᵀ)⁻¹, of two columns that are next to orthogonal
    sizes = np.maximum(1.0, np.linalg.norm(root, axis=0))
    q = np.linalg.qr(np.vstack([root / sizes, np.diag(1 / sizes)]))[0][:200]
    hat = q @ q.T
    expected = np.mean((y - hat @ y) ** 2) * 200 / 199 / (1 - np.trace(hat) / 199) ** 2 * (1 + 1 / 200)
    found = estimated_risk(kd.Ridge(1e-3), kd.problems.linear(x, y))
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_centred_data():
    ratios, _, _ = on_new_data([kd.Ridge(0.1), kd.GradientFlow(30.0)], np.ones(60) / 4, 30, 0.5, 150, centred=True)
    error = ratios.std(0) / np.sqrt(150)
    assert np.all(abs(ratios.mean(0)) < 3 * error + 2 / 30) and np.all(error < 0.05)  # else a third too low


def test_targets_that_keep_their_mean():
    random = np.random.default_rng(4)
    x, y = random.normal(size=(40, 10)), random.normal(size=(40, 2))
    x, y = x - x.mean(0), y - y.mean(0)
    centred, kept = (estimated_risk(FLOW, kd.problems.linear(x, each)) for each in (y, y + np.array([1.0, 2.0])))
    assert float(kept) == pytest.approx(float(centred) + 5.0, rel=1e-12)


def test_zeros_are_zero():
    # least squares leaves 1 where there are no data: eigenvalues of rounding are none
    random = np.random.default_rng(5)
    x, y = random.normal(size=(100, 40)), random.normal(size=100)
    kernel = kd.problems.kernel(x @ x.T, y)
    longest, least = estimated_risk(kd.GradientFlow(np.inf), kernel), estimated_risk(kd.Ridge(1e-10), kernel)
    assert float(longest) == pytest.approx(float(least), rel=1e-6) and float(longest) < 10


def test_gain_has_the_smaller_error():
    problem = kd.problems.gaussian(0, kd.spectra.power_law(60), samples=120, noise=1.0)
    alone, taught = (new_inputs.estimate(learner, problem) for learner in (FLOW, kd.GradientFlow(8.5)))
    found = new_inputs.gain(FLOW, kd.GradientFlow(8.5), problem)
    assert float(found.risk) == pytest.approx(float(alone.risk - taught.risk), rel=1e-8)
    assert float(found.error) < 0.2 * float(alone.error)


def test_paths_and_slopes():
    problem = kd.problems.gaussian(0, kd.spectra.power_law(30), samples=50, noise=0.5)
    system = problem.eigensystem()
    path = new_inputs.estimate(kd.GradientFlow([1.0, 3.0]), problem, system)
    single = new_inputs.estimate(kd.GradientFlow(3.0), problem, system)
    for name in ("risk", "error", "plain"):
        assert getattr(path, name).shape == (2,)
        assert float(getattr(path, name)[1]) == pytest.approx(float(getattr(single, name)), rel=1e-12)
    total = lambda t: estimated_risk(kd.GradientFlow(t), problem, system)
    assert float(jax.grad(total)(3.0)) == pytest.approx(float(total(3 + 1e-5) - total(3 - 1e-5)) / 2e-5, rel=1e-6)


def test_a_learner_may_be_traced_whose_problem_is_known():
    random = np.random.default_rng(0)
    problem = kd.problems.linear(random.normal(size=(40, 20)), random.normal(size=40))
    for measure in (estimated_risk, lambda *given: kd.simulate(*given).coordinates[3]):
        found = jax.jit(lambda penalty, measure=measure: measure(kd.Ridge(penalty), problem))(0.3)
        assert found == pytest.approx(float(measure(kd.Ridge(0.3), problem)), rel=1e-13)


def test_warnings_of_rows():
    random = np.random.default_rng(0)
    x, w = random.normal(size=(100, 60)), random.normal(size=60)
    long_ = x / np.sqrt(random.chisquare(3, size=(100, 1)) / 3)
    with pytest.warns(UserWarning, match="leave-one-out"):
        estimated_risk(FLOW, kd.problems.linear(long_, long_ @ w + random.normal(size=100)))
    twice = np.repeat(x[:50], 2, axis=0)
    for problem in (
        kd.problems.linear(twice, random.normal(size=100)),
        kd.problems.kernel(twice @ twice.T, w[:1].repeat(100)),
    ):
        with pytest.warns(UserWarning, match="repeat"):
            estimated_risk(FLOW, problem)


def test_units_and_ends():
    random = np.random.default_rng(6)
    x, y = random.normal(size=(60, 40)), random.normal(size=60)
    student = lambda unit: kd.distill(kd.GradientFlow(8.0 / unit), kd.GradientFlow(5.0 / unit))
    once = new_inputs.estimate(student(1.0), kd.problems.linear(x, y))
    for size in (1e-135, 1e-60, 1e60, 1e140):  # eigenvalues go with its square, whose square is no float
        found = new_inputs.estimate(student(size**2), kd.problems.linear(size * x, y))
        for name in ("risk", "error", "plain"):
            assert float(getattr(found, name)) == pytest.approx(float(getattr(once, name)), rel=1e-9)
    for size in (1e-140, 1e140):
        found = estimated_risk(student(1.0), kd.problems.linear(x, size * y))
        assert float(found) / size / size == pytest.approx(float(once.risk), rel=1e-12)
    assert float(new_inputs.estimate(student(1.0), kd.problems.linear(x, 0 * y)).error) == 0.0


def test_a_kernel_of_products_alone_is_a_kernel():
    random = np.random.default_rng(1)
    x, y, path = random.normal(size=(30, 5)), random.normal(size=30), kd.GradientFlow([1.0, 10.0])
    kernel = kd.kernels.rbf
    both = kd.problems.kernel(kernel(x), y), kd.problems.matrix_free(kernel, x, y)
    whole, products = (new_inputs.estimate(path, problem) for problem in both)
    np.testing.assert_allclose(products.risk, whole.risk, rtol=1e-12)
    lags = [[row.exaggeration for row in kd.compare(problem).rows] for problem in both]
    np.testing.assert_allclose(*lags, atol=1e-12)


def test_refusals():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 20)), random.normal(size=40)
    problem = kd.problems.linear(x, y)
    with pytest.raises(ValueError, match="needs all"):
        estimated_risk(FLOW, problem, problem.eigensystem(count=3))
    with pytest.raises(TypeError, match="squared loss"):
        estimated_risk(FLOW, kd.problems.softmax(x, (y > 0).astype(int)))
    with pytest.raises(TypeError, match="problem"):
        estimated_risk(FLOW, x)
    with pytest.raises(TypeError, match=r"learner must be one of kdtheory's, .* got 0.2"):
        estimated_risk(0.2, problem)
    with pytest.raises(TypeError, match=r"what problem.eigensystem\(\) returns, got Linear"):
        estimated_risk(FLOW, problem, problem)
    with pytest.raises(ValueError, match="another problem: it has 30 samples, this one 40"):
        estimated_risk(FLOW, problem, kd.problems.linear(x[:30], y[:30]).eigensystem())
    with pytest.warns(UserWarning, match="diverges"):
        estimated_risk(kd.GradientDescent(100.0, 2), problem)


@pytest.mark.parametrize("size", [1e-150, 1e-100, 1.0, 1e80, 1e100, 1e150])
def test_standard_errors_of_targets_of_any_size(size):
    """Of ridge against its residuals over 1 - tr φ/N, from the normal equations in 60 digits."""
    random = np.random.default_rng(4)
    x = random.normal(size=(12, 3))
    y = size * (x[:, 0] + random.normal(size=12))
    with mpmath.workdps(60):
        X, Y = mpmath.matrix(x), mpmath.matrix(y)
        hat = X * (X.T * X + 12 * mpmath.mpf(0.1) * mpmath.eye(3)) ** -1 * X.T
        share = 1 - sum(hat[i, i] for i in range(12)) / 12
        left = (Y - hat * Y) / share
        squares = [each**2 for each in left]
        mean = sum(squares) / 12
        over_samples = mpmath.sqrt(sum((each - mean) ** 2 for each in squares)) / 12
        λ, U = mpmath.eigsy(X * X.T / 12)
        known = sum(
            ((U[:, k].T * Y)[0] * mpmath.mpf(0.1) / (λ[k] + mpmath.mpf(0.1)) / share) ** 4 for k in range(9, 12)
        )
        outside = sum((U[:, k].T * Y)[0] ** 2 for k in range(9)) / share**2
        over_directions = mpmath.sqrt(2 * (known + 3 * outside**2 / 11) / 3) / 12
        right, size = max(over_samples, over_directions) / mpmath.mpf(size) ** 2, mpmath.mpf(size)
        found = new_inputs.estimate(kd.Ridge(0.1), kd.problems.linear(x, y))
        assert float(mpmath.mpf(float(found.error)) / size**2) == pytest.approx(float(right), rel=1e-12)
        assert float(mpmath.mpf(float(found.risk)) / size**2) == pytest.approx(float(mean / size**2), rel=1e-12)


def test_gains_of_two_paths_of_different_lengths_are_refused():
    random = np.random.default_rng(0)
    problem = kd.problems.linear(random.normal(size=(40, 5)), random.normal(size=40))
    with pytest.raises(ValueError, match=r"first and second are paths of the shapes \(2,\) and \(3,\)"):
        new_inputs.gain(kd.Ridge([0.1, 0.2]), kd.GradientFlow([1.0, 2.0, 3.0]), problem)
    assert new_inputs.gain(kd.Ridge([0.1, 0.2]), FLOW, problem).risk.shape == (2,)
