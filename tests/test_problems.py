"""Problems: eigensystems of matrices with known spectra, generators, and what users may hand in."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pandas
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
    assert len(system.eigenvalues) == 20 and system.unresolved == 10
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


def test_what_is_unresolved_does_not_depend_on_how_it_is_asked_for():
    """F17: of min(N, P) directions, or of N, those below rounding and those beyond the count."""
    features, *_ = with_singular_values(np.array([4.0, 3.0, 2.0, 1.0]), 12, 8)
    for problem, every in (
        (kd.problems.linear(features, np.ones(12)), 8),
        (kd.problems.linear(features.T, np.ones(8)), 8),
        (kd.problems.kernel(features @ features.T, np.ones(12)), 12),
        (kd.problems.matrix_free(lambda x, z: x @ z.T, features, np.ones(12)), 12),
    ):
        unresolved = [problem.eigensystem(count).unresolved for count in (None, 7, 4, 2)]
        assert unresolved == [every - 4, every - 4, every - 4, every - 2]


@pytest.mark.parametrize("scale", [1e-280, 1e-100, 1e100, 1e280])
def test_eigenvectors_of_a_gram_matrix_to_their_last_digits(scale):
    """F0: what eigh mixes into them, eps·λ₁/λ of the others, is gone; so is its error of small eigenvalues."""
    values = np.geomspace(1, 1e-9, 10)
    u = np.linalg.qr(np.random.default_rng(5).standard_normal((10, 10)))[0]
    gram = (u * values) @ u.T
    gram = (gram + gram.T) / 2 * scale
    system = kd.problems.kernel(gram, np.ones(10)).eigensystem()
    with mpmath.workdps(50):
        sizes, vectors = mpmath.eigsy(mpmath.matrix(gram.tolist()) / scale)
        order = sorted(range(10), key=lambda k: -sizes[k])
        sizes = np.array([float(sizes[k] * scale / 10) for k in order])
        vectors = np.array([[float(vectors[i, k]) for k in order] for i in range(10)])
    np.testing.assert_allclose(system.eigenvalues, sizes, rtol=1e-14)
    found = np.asarray(system.samples_basis)
    np.testing.assert_allclose(found * np.sign(np.sum(found * vectors, axis=0)), vectors, atol=1e-14)


def progress_error(learner, problem):
    system = problem.eigensystem()
    assert 0 <= float(system.unseen) <= 1
    seen, expected = kd.simulate(learner, problem, system), kd.closed_form(learner, system)
    return float(np.max(np.abs(seen.progress - expected.progress)))


@pytest.mark.parametrize("scale", [1e-200, 1e-130, 1e130, 1e200])
def test_any_scale_is_right_or_refused(scale):
    """F15: features whose squares leave the range of floats, and kernels, spectra and targets that stay in it."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((6, 3)), random.standard_normal(6)
    problems = [
        kd.problems.kernel(x @ x.T * scale, y),
        kd.problems.gaussian(0, [scale, scale / 2], 6),
        kd.problems.with_spectrum(0, [scale, scale / 2]),
        kd.problems.linear(x, y * scale),
        kd.problems.kernel(x @ x.T, y[:, None] * [scale, 1.0]),
    ]
    if 1e-138 < scale < 1e153:
        problems.append(kd.problems.linear(x * scale, y))
    else:
        for make in (kd.problems.linear, kd.problems.softmax):
            with pytest.raises(
                ValueError, match=r"features reach 2\.33e[+-]200 in size.*between 7e-139.* divide them by"
            ):
                make(x * scale, np.arange(6) % 2)
    for problem in problems:
        top = float(problem.eigensystem().eigenvalues[0])
        for learner in (kd.GradientDescent(None, 50), kd.Ridge(0.1 * top), kd.GradientFlow(3 / top), kd.Ridge(0)):
            assert progress_error(learner, problem) < 1e-12


def test_scales_of_matrices_that_are_refused():
    for scale in (1e-300, 1e308):
        with pytest.raises(ValueError, match=r"entries of gram reach 1e.* divide them by 1e.*eigenvalues by the same"):
            kd.problems.kernel(np.eye(2) * scale, [1.0, 2.0])
    with pytest.raises(ValueError, match="divide them by"):
        kd.problems.linear(np.full((2, 2), 1e30, np.float32), [1.0, 2.0])


def test_drawn_problems_that_do_not_fit_are_refused_before_they_are_drawn():
    """F15: not by XLA, out of memory."""
    for make in (
        lambda: kd.problems.gaussian(0, np.ones(10**6), 10**6),
        lambda: kd.problems.with_spectrum(0, np.ones(10**5), 10**7),
    ):
        with pytest.raises(ValueError, match=r"features of shape .* need .* GB, and this machine has"):
            make()


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


@pytest.mark.parametrize("rows, columns, outputs", [(5, 5, 5), (3, 7, 3), (1, 1, 1), (4, 1, None)])
def test_axes_follow_from_ranks_and_never_from_shapes(rows, columns, outputs):
    """Also where N = P = C = T; the closed forms of a kernel and of features agree on the same data."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((rows, columns)), random.standard_normal((rows, outputs) if outputs else rows)
    linear, kernel = kd.problems.linear(x, y), kd.problems.kernel(x @ x.T, y)
    times = jnp.linspace(0.1, 1.0, outputs or 1)
    w = kd.GradientFlow(times).fit(linear)
    assert w.shape == (len(times), columns, *y.shape[1:])
    predicted = np.einsum("np,tp...->tn...", x, np.asarray(w))
    np.testing.assert_allclose(linear.predict(w), predicted, atol=1e-13)
    α = kd.GradientFlow(times).fit(kernel)
    assert α.shape == (len(times), *y.shape)
    np.testing.assert_allclose(kernel.predict(α), predicted, atol=1e-12)
    new = random.standard_normal((2, columns))
    np.testing.assert_allclose(kernel.predict(α, new @ x.T), linear.predict(w, new), atol=1e-12)

    ours, theirs = linear.eigensystem(), kernel.eigensystem()
    count = len(ours.eigenvalues)
    assert count == min(rows, columns) and theirs.unresolved == rows - count
    np.testing.assert_allclose(theirs.eigenvalues, ours.eigenvalues, rtol=1e-12)
    assert float(theirs.unseen) == pytest.approx(float(ours.unseen), abs=1e-12)
    # the same coordinates, up to the sign of each eigenvector
    signs = np.sign(np.sum(np.asarray(ours.samples_basis) * np.asarray(theirs.samples_basis), axis=0))
    signs = signs.reshape(-1, *[1] * (y.ndim - 1))
    np.testing.assert_allclose(signs * theirs.of_parameters(α), ours.of_parameters(w), atol=1e-10)
    np.testing.assert_allclose(signs * theirs.target, ours.target, atol=1e-10)


@pytest.mark.parametrize("rows, columns, outputs", [(9, 4, 2), (4, 4, None), (4, 9, None)])
def test_the_reduced_problem_has_the_same_gradients(rows, columns, outputs):
    """From any start, with the way back."""
    random = np.random.default_rng(3)
    x, y = random.standard_normal((rows, columns)), random.standard_normal((rows, outputs) if outputs else rows)
    problem = kd.problems.linear(x, y)
    start = random.standard_normal(problem.zeros().shape)
    small, lift = problem.reduced(start)
    least = min(rows, columns)
    assert small.features.shape == (least, least) and small.zeros().shape == (least, *y.shape[1:])
    z = random.standard_normal(small.zeros().shape)
    np.testing.assert_array_equal(lift(small.zeros()), start)
    change = lift(small.gradient(z)) - start  # a gradient is a difference of parameters
    np.testing.assert_allclose(change, problem.gradient(lift(z)), atol=1e-13)
    path = lift(np.stack([z, 2 * z]))
    np.testing.assert_allclose(path[1] - start, 2 * (lift(z) - start), atol=1e-13)


def test_the_largest_eigenvalue_eager_and_jitted():
    random = np.random.default_rng(4)
    x = random.standard_normal((6, 3))
    for problem in (
        kd.problems.linear(x, np.ones(6)),
        kd.problems.linear(x.T, np.ones(3)),
        kd.problems.kernel(x @ x.T, np.ones(6)),
    ):
        top = problem.eigensystem().eigenvalues[0]
        assert problem.max_eigenvalue() == pytest.approx(float(top), rel=1e-14)
        jitted = jax.jit(lambda problem: problem.max_eigenvalue())(problem)
        assert float(jitted) == pytest.approx(float(top), rel=1e-14)


def test_what_no_direction_can_fit_is_reported():
    """The unseen share of the targets is what least squares leaves."""
    random = np.random.default_rng(1)
    x, y = random.standard_normal((9, 4)), random.standard_normal((9, 2))
    x[:, 3] = x[:, 2]  # a duplicate column
    system = kd.problems.linear(x, y).eigensystem()
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert len(system.eigenvalues) == 3
    assert float(system.unseen) == pytest.approx(np.sum(left**2) / np.sum(y**2), rel=1e-12)
    assert float(kd.problems.linear(x.T, y[:4]).eigensystem().unseen) < 1  # fewer rows than columns
    assert kd.problems.linear(x, 0 * y).eigensystem().unseen == 0.0
    basis = np.asarray(system.samples_basis)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(system.max_step_size, 2 / np.linalg.eigvalsh(x.T @ x / 9)[-1], rtol=1e-13)


@pytest.mark.parametrize("smallest", [1e-2, 1e-6, 1e-10])
def test_the_spectrum_of_a_gram_matrix(smallest):
    """Eigenvalues of the matrix itself are resolved down to N·eps·λ₁, here 1e-14."""
    values = np.geomspace(1, smallest, 12)
    u = np.linalg.qr(np.random.default_rng(2).standard_normal((40, 12)))[0]
    system = kd.problems.kernel((u * values) @ u.T, u @ np.ones(12)).eigensystem()
    assert len(system.eigenvalues) == 12 and system.unresolved == 28
    np.testing.assert_allclose(system.eigenvalues, values / 40, rtol=1e-14 / smallest)
    np.testing.assert_allclose(np.abs(np.sum(np.asarray(system.samples_basis) * u, axis=0)), 1, atol=1e-3)


def test_nearly_equal_eigenvalues_are_grouped_only_when_rounding_cannot_tell_them_apart():
    spaces = []
    for gap in (0.0, 1e-15, 1e-12, 0.5):
        features, *_ = with_singular_values(np.array([2.0, 1.0 + gap, 1.0, 0.5]), 20, 4)
        spaces.append(kd.problems.linear(features, np.ones(20)).eigensystem().spaces.tolist())
    assert spaces == [[0, 1, 1, 2], [0, 1, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
    many = kd.problems.with_spectrum(0, [1.0] * 50 + [0.5] * 50, samples=150)
    assert many.eigensystem().spaces.tolist() == [0] * 50 + [1] * 50
    gram = np.asarray(many.features @ many.features.T)
    assert kd.problems.kernel(gram, many.targets).eigensystem().spaces.tolist() == [0] * 50 + [1] * 50


def test_relabelling_is_checked():
    problem = kd.problems.linear(X, Y)
    assert problem.relabel([1, 2, 3, 4, 5]).targets.dtype == jnp.float64
    assert problem.relabel(np.ones((5, 2))).targets.shape == (5, 2)
    with pytest.raises(ValueError, match=r"targets have shape \(4,\), but features has 5 rows"):
        problem.relabel(np.ones(4))
    with pytest.raises(ValueError, match=r"targets has 1 non-finite values, first at \(3,\)"):
        kd.problems.kernel(np.eye(5), Y).relabel([1, 1, 1, np.inf, 1])


def test_teaching_mixes_predictions_and_targets():
    problem = kd.problems.linear(np.eye(2), [1.0, 3.0])
    assert problem.taught(problem.predict(jnp.array([2.0, 2.0])), 0.25).targets.tolist() == [1.25, 2.75]


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
    assert np.array_equal(drawn.features, kd.problems.gaussian(np.int64(1), spectrum, 20_000).features)
    assert abs(np.corrcoef(drawn.features[:, 0], noise)[0, 1]) < 0.03  # four standard errors: keys are split


def test_drawn_problems_with_several_outputs_and_null_directions():
    signal = np.arange(6.0).reshape(3, 2)
    problem = kd.problems.with_spectrum(2, [1.0, 0.5, 0.0], signal=signal)
    system = problem.eigensystem()
    assert problem.features.shape == (6, 3) and problem.targets.shape == (6, 2)
    np.testing.assert_allclose(system.eigenvalues, [1.0, 0.5], rtol=1e-13)  # the null direction is cut
    np.testing.assert_allclose(np.abs(system.target), signal[:2], atol=1e-13)
    drawn = kd.problems.gaussian(2, [1.0, 0.5, 0.0], 4, signal=signal)
    np.testing.assert_allclose(drawn.targets, drawn.features @ signal, atol=1e-13)
    assert (drawn.features[:, 2] == 0).all()


def test_problems_may_be_mapped_over():
    problem = kd.problems.linear(np.random.default_rng(0).standard_normal((8, 3)), np.ones(8))
    targets = jnp.stack([problem.targets, 2 * problem.targets])
    fits = jax.jit(jax.vmap(lambda y: kd.GradientDescent(0.1, 5).fit(problem.relabel(y))))(targets)
    np.testing.assert_allclose(fits[1], 2 * fits[0], rtol=1e-13)


SINGLE = np.random.default_rng(3).normal(size=(6, 3)).astype(np.float32)
CLASSES = [0, 1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: kd.problems.linear(x, x[:, 0]),
        lambda x: kd.problems.kernel(x @ x.T, x[:, :2]),
        lambda x: kd.problems.matrix_free(kd.kernels.rbf, x, x[:, 0]),
        lambda x: kd.problems.softmax(x, CLASSES),
        lambda x: kd.problems.softmax_kernel(x @ x.T, CLASSES),
    ],
    ids=["linear", "kernel", "matrix-free", "softmax", "softmax kernel"],
)
def test_float32_is_kept_by_every_loop_and_its_student(make):
    single, double = make(SINGLE), make(SINGLE.astype(float))
    loops = [
        kd.GradientDescent(0.1, [1, 5]),
        kd.GradientDescent([0.1, 0.2], 2),
        kd.HeavyBall(0.1, 0.5, 5),
        kd.StochasticDescent(0.1, 2, 0, 5),
    ]
    squared = [] if single.lacks == "squared loss" else [kd.Ridge(0.1)]
    for learner in [*loops, *squared, kd.distill(kd.GradientDescent(0.1, 5), kd.GradientDescent(0.1, 3), 0.3)]:
        seen, wanted = learner.fit(single), learner.fit(double)
        assert (seen.dtype, wanted.dtype) == (np.float32, float)
        np.testing.assert_allclose(seen, wanted, atol=3e-6)


@pytest.mark.parametrize("steps", [np.array([1, 2]), np.array([1, 5000])], ids=["short", "on the small side"])
def test_float32_is_kept(steps):
    problem = kd.problems.linear(np.ones((3, 2), np.float32), np.ones(3))
    assert problem.targets.dtype == jnp.float32
    seen = kd.simulate(kd.GradientDescent(0.1, steps), problem)
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
        (X.astype(np.float16), Y, ValueError, "got float16"),
        (np.array([["a"]]), Y, TypeError, "convert it with numpy.asarray"),
        (scipy.sparse.eye(5), Y, TypeError, r"a sparse matrix: .toarray\(\)"),
        (X.astype(object), Y, TypeError, "got object from ndarray"),
        ([[1, 2], [3]], [1, 2], TypeError, "features cannot be read as an array .* convert it with numpy.asarray"),
        (None, Y, TypeError, "features must hold real numbers"),
        (jnp.ones((5, 3), jnp.bfloat16), Y, ValueError, "got bfloat16"),
        (X, np.ma.masked_array(Y, Y > 2), TypeError, "targets is a masked array"),
        (X, 1.0, ValueError, r"targets must be \(N,\) or \(N, C\), got shape \(\)"),
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
    frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    assert kd.problems.linear(frame, frame["b"]).features.tolist() == [[1.0, 0.5], [2.0, 1.5]]
    assert kd.problems.kernel([[2, 1], [1 + 1e-15, 2]], [1, 1]).gram[0, 1] == (1 + (1 + 1e-15)) / 2  # symmetrised
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
        (lambda: kd.problems.gaussian(0, [1.0], 0), ValueError, "samples must be a whole number, at least 1; got 0"),
        (lambda: kd.problems.gaussian(True, [1.0], 3), TypeError, "key must be a JAX random key or an int, got True"),
        (lambda: kd.problems.gaussian("a", [1.0], 3), TypeError, "key must be .* use jax.random.key"),
        (lambda: kd.problems.gaussian(None, [1.0], 3), TypeError, "key must be"),
        (lambda: kd.problems.gaussian(0, [np.inf], 3), ValueError, "eigenvalues must be .* finite"),
        (lambda: kd.problems.gaussian(0, [np.nan], 3), ValueError, "eigenvalues must be"),
        (lambda: kd.problems.gaussian(0, [], 3), ValueError, "eigenvalues must be a non-empty sequence"),
        (lambda: kd.problems.gaussian(0, [1.0], 3, signal=np.nan), ValueError, "signal must be finite"),
        (lambda: kd.problems.gaussian(0, [1.0], 3, signal=np.ones((1, 1, 1))), ValueError, "signal has shape"),
        (lambda: kd.problems.gaussian(0, [1.0], 3, noise=np.inf), ValueError, "noise must be one finite number"),
        (lambda: kd.problems.with_spectrum(0, [1.0], noise=[1.0]), ValueError, "noise must be one finite number"),
    ],
)
def test_draws_that_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("size", [1.0, 1e-13, 1e-16, 1e-100, 1e80])
def test_the_top_of_a_spectrum_in_any_unit(size):
    """Whose iterations stop by absolute bounds."""
    table = np.random.default_rng(0).standard_normal((150, 100))
    true = np.linalg.svd(table, compute_uv=False)[:8] ** 2 / 150
    system = kd.problems.linear(size * table, np.ones(150)).eigensystem(8)
    np.testing.assert_allclose(system.eigenvalues / size**2, true, rtol=1e-12)
    system = kd.problems.kernel(size * (table @ table.T), np.ones(150)).eigensystem(8)
    np.testing.assert_allclose(system.eigenvalues / size, true, rtol=1e-12)


def test_the_top_of_nothing_is_refused():
    for make, name in (kd.problems.linear, "features are"), (kd.problems.kernel, "gram is"):
        with pytest.raises(ValueError, match=f"{name} zero"):
            make(np.zeros((20, 20)), np.ones(20)).eigensystem(1)


def test_targets_that_the_features_type_cannot_hold():
    with pytest.raises(ValueError, match=r"targets reach 1e\+60, which float32, the type of features, cannot hold"):
        kd.problems.linear(np.float32([[1.0], [2.0]]), [1e60, 1.0])
    with pytest.raises(ValueError, match="which float32, the type of features"):
        kd.problems.linear(np.float32([[1.0], [2.0]]), [1.0, 1.0]).relabel([1e60, 1.0])


def test_the_loss_of_a_path_is_that_of_its_moments():
    random = np.random.default_rng(0)
    table, labels = random.standard_normal((9, 3)), random.standard_normal((9, 2))
    problems = [
        kd.problems.linear(table, labels[:, 0]),
        kd.problems.linear(table, labels),
        kd.problems.kernel(table @ table.T, labels),
        kd.problems.softmax(table, [0, 1, 2] * 3),
    ]
    for problem in problems:
        path = jnp.asarray(random.standard_normal((4, *problem.zeros().shape)))
        losses = problem.loss(path)
        assert losses.shape == (4,)
        np.testing.assert_allclose(losses, [problem.loss(each) for each in path], rtol=1e-13)


def test_gradients_of_other_shapes_are_refused():
    table, labels = np.eye(3), np.array([1.0, 0.0, 2.0])
    for problem in (
        kd.problems.linear(table, labels),
        kd.problems.kernel(table, labels),
        kd.problems.matrix_free(kd.kernels.rbf, table, labels),
        kd.problems.softmax(table, [0, 1, 1]),
    ):
        shape = problem.zeros().shape
        for other in ((3, 1), (5, *shape)):
            with pytest.raises(ValueError, match=r"parameters must be of shape .* for a gradient"):
                problem.gradient(np.zeros(other))
        assert jax.vmap(problem.gradient)(np.zeros((5, *shape))).shape == (5, *shape)
    with pytest.raises(ValueError, match=r"targets have one column, .*; give labels as \(N,\)"):
        kd.problems.softmax([[1.0], [2.0]], [[1], [1]])
