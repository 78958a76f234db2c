"""Problems: eigensystems of matrices with known spectra, generators, and what users may hand in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import kdtheory as kd


def with_singular_values(values, rows, columns, seed=0):
    random = np.random.default_rng(seed)
    u = np.linalg.qr(random.standard_normal((rows, len(values))))[0]
    v = np.linalg.qr(random.standard_normal((columns, len(values))))[0]
    return u * values @ v.T, u, v


@pytest.mark.parametrize("rows, columns", [(60, 30), (30, 60)])
def test_the_spectrum_of_features_down_to_1e_10(rows, columns):
    values = np.geomspace(1, 1e-10, 20)
    features, u, v = with_singular_values(values, rows, columns)
    system = kd.problems.linear(features, u @ values).eigensystem()
    assert len(system.eigenvalues) == 20 and system.unresolved == 0
    # λ has twice the relative error of s, which is eps·s₁/s
    np.testing.assert_array_less(np.abs(system.eigenvalues / (values**2 / rows) - 1), 2e-14 / values)
    aligned = np.abs(np.sum(np.asarray(system.reading) * v, axis=0))
    assert np.all(1 - aligned < 1e-8)  # each is found, even the last
    np.testing.assert_allclose(np.abs(system.target), 1.0, atol=1e-5)


def test_the_eigenvalues_of_a_gram_matrix_lose_half_the_digits():
    # the reason for the SVD of features: a bare kernel cannot resolve below N·eps·λ₁, and says so
    values = np.geomspace(1, 1e-10, 20)
    features, *_ = with_singular_values(values, 60, 30)
    system = kd.problems.kernel(features @ features.T, np.ones(60)).eigensystem()
    assert 10 < len(system.eigenvalues) < 20 and system.unresolved == 60 - len(system.eigenvalues)
    assert system.eigenvalues[-1] > 60 * 2.2e-16 * system.eigenvalues[0]


def test_null_directions_are_cut_and_reported():
    features, u, _ = with_singular_values(np.array([3.0, 2.0, 1.0]), 12, 6)
    features[:, 5] = 0.0
    targets = u[:, 0] + np.linalg.qr(u, mode="complete")[0][:, 5]  # half of it no direction can fit
    system = kd.problems.linear(features, targets).eigensystem()
    assert len(system.eigenvalues) == 3 and 0.4 < system.unseen < 0.6
    wide = kd.problems.linear(features.T, np.ones(6)).eigensystem()
    assert len(wide.eigenvalues) == 3 and wide.writing.shape == (12, 3)


def test_equal_eigenvalues_form_an_eigenspace_that_rotations_leave_alone():
    values = np.array([2.0, 1.0, 1.0, 1.0, 0.5])
    features, *_ = with_singular_values(values, 20, 5)
    targets = np.random.default_rng(3).standard_normal((20, 2))
    learner, progress = kd.GradientDescent(3.0, jnp.array([1, 10])), []
    for seed in range(3):  # a rotation of the samples turns the eigenspace
        turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((20, 20)))[0]
        problem = kd.problems.linear(turn @ features, turn @ targets)
        assert problem.eigensystem().spaces.tolist() == [0, 1, 1, 1, 2]
        progress.append(kd.simulate(learner, problem).progress)
    np.testing.assert_allclose(progress[0], progress[1], atol=1e-13)
    np.testing.assert_allclose(progress[0], progress[2], atol=1e-13)
    assert np.all(progress[0][:, 1] == progress[0][:, 2])


def test_predictions_on_new_inputs():
    features, targets, new = np.eye(3) + 0.1, np.array([1.0, 2.0, 3.0]), np.arange(6.0).reshape(2, 3)
    linear = kd.problems.linear(features, targets)
    w = kd.Ridge(1e-6).fit(linear)
    np.testing.assert_allclose(linear.predict(w, new), new @ w, rtol=1e-14)
    kernel = kd.problems.kernel(features @ features.T, targets)
    np.testing.assert_allclose(kernel.predict(kd.Ridge(1e-6).fit(kernel), new @ features.T), new @ w, rtol=1e-8)
    path = kd.GradientFlow(jnp.array([0.5, 1.0])).fit(linear)
    assert linear.predict(path, new).shape == (2, 2)
    with pytest.raises(ValueError, match=r"inputs must be \(M, 3\), like the training data; got \(2, 2\)"):
        linear.predict(w, new[:, :2])
    with pytest.raises(ValueError, match=r"inputs \(the cross-gram\) must be \(M, 3\)"):
        kernel.predict(w, new[:, :2])


def test_teaching_mixes_predictions_and_targets():
    problem = kd.problems.linear(np.eye(2), [1.0, 3.0])
    assert problem.taught(jnp.array([2.0, 2.0]), 0.25).targets.tolist() == [1.25, 2.75]


def test_drawn_problems():
    spectrum = kd.spectra.power_law(4)
    exact = kd.problems.with_spectrum(0, spectrum, samples=9, signal=jnp.arange(1.0, 5.0))
    system = exact.eigensystem()
    np.testing.assert_allclose(system.eigenvalues, spectrum, rtol=1e-13)
    np.testing.assert_allclose(np.abs(system.target), [1, 2, 3, 4], rtol=1e-12)
    drawn = kd.problems.gaussian(1, spectrum, samples=20_000, noise=0.5)
    covariance = np.cov(drawn.features.T)
    np.testing.assert_allclose(covariance, np.diag(spectrum), atol=0.04)  # 1/√N, four standard errors
    noise = drawn.targets - drawn.features @ np.ones(4)
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    same = kd.problems.gaussian(jax.random.key(1), spectrum, samples=20_000, noise=0.5)
    assert np.array_equal(drawn.targets, same.targets)


def test_problems_may_be_mapped_over():
    problem = kd.problems.linear(np.random.default_rng(0).standard_normal((8, 3)), np.ones(8))
    targets = jnp.stack([problem.targets, 2 * problem.targets])
    fits = jax.jit(jax.vmap(lambda y: kd.GradientDescent(0.1, 5).fit(problem.relabel(y))))(targets)
    np.testing.assert_allclose(fits[1], 2 * fits[0], rtol=1e-13)


def test_float32_is_kept():
    problem = kd.problems.linear(np.ones((3, 2), np.float32), np.ones(3, np.float32))
    seen = kd.simulate(kd.GradientDescent(0.1, jnp.array([1, 2])), problem)
    assert seen.coordinates.dtype == jnp.float32


X, Y = np.ones((5, 3)), np.ones(5)
NAN = X.copy()
NAN[4, 1], NAN[2, 0] = np.nan, np.inf


@pytest.mark.parametrize(
    "features, targets, error, message",
    [
        (NAN, Y, ValueError, r"features has 2 non-finite values, first at \(2, 0\); drop or impute"),
        (X, np.full(5, np.nan), ValueError, r"targets has 5 non-finite values, first at \(0,\)"),
        (X, np.ones(4), ValueError, r"targets have shape \(4,\), but features has 5 rows: one target per sample"),
        (np.ones((0, 3)), np.ones(0), ValueError, r"features is empty, shape \(0, 3\)"),
        (np.ones((3, 0)), np.ones(3), ValueError, r"features is empty, shape \(3, 0\)"),
        (np.ones(5), Y, ValueError, r"features must be two-dimensional, got shape \(5,\)"),
        (X, np.ones((5, 1, 1)), ValueError, r"targets must be \(N,\) or \(N, C\), got shape \(5, 1, 1\)"),
        (X * 1j, Y, TypeError, "features must hold real numbers of at least 32 bits, got complex128"),
        (X.astype(np.float16), Y, TypeError, "got float16"),
        (np.array([["a"]]), Y, TypeError, "convert it with numpy.asarray"),
        (scipy.sparse.eye(5), Y, TypeError, r"a sparse matrix: .toarray\(\)"),
        (np.ma.masked_array(X, X > 2), Y, TypeError, "features is a masked array, whose mask would be dropped"),
        (np.zeros((5, 3)), Y, ValueError, "features are zero: there is no direction to learn along"),
    ],
)
def test_tables_that_are_refused(features, targets, error, message):
    with pytest.raises(error, match=message):
        kd.problems.linear(features, targets).eigensystem()


def test_what_is_accepted():
    column = kd.problems.linear(np.eye(3, dtype=int), [[1], [0], [1]])  # one output, its rank kept
    assert column.features.dtype == float and column.targets.shape == (3, 1)
    assert kd.Ridge(0.0).fit(column).shape == (3, 1)
    assert kd.problems.linear([[True, False]], [1]).features.tolist() == [[1.0, 0.0]]
    single = kd.problems.linear([[2.0]], [1.0])
    assert single.eigensystem().eigenvalues.tolist() == [4.0] and single.eigensystem().max_step_size == 0.5


@pytest.mark.parametrize(
    "gram, message",
    [
        (np.ones((2, 3)), r"gram must be square, one row and column per sample; got shape \(2, 3\)"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), r"gram is not symmetric: entries \(0, 1\) and its mirror differ by 2"),
        (np.array([[1.0, 0.0], [0.0, -0.1]]), "gram is not positive semidefinite: its smallest eigenvalue is -0.1"),
        (np.zeros((2, 2)), "gram is zero"),
    ],
)
def test_grams_that_are_refused(gram, message):
    with pytest.raises(ValueError, match=message):
        kd.problems.kernel(gram, np.ones(2)).eigensystem()


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: kd.problems.gaussian(0.5, [1.0], 3), TypeError, "key must be a JAX random key or an int, got 0.5"),
        (lambda: kd.problems.gaussian(0, [1.0, -1.0], 3), ValueError, "eigenvalues must be .* >= 0"),
        (lambda: kd.problems.gaussian(0, [1.0], 3, signal=[1.0, 2.0]), ValueError, r"signal has shape \(2,\)"),
        (lambda: kd.problems.with_spectrum(0, [1.0, 0.5], samples=1), ValueError, "samples must be .* at least 2"),
        (lambda: kd.problems.gaussian(0, [1.0], 2.5), ValueError, "samples must be a whole number"),
    ],
)
def test_draws_that_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
