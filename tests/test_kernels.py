"""Kernels: against scikit-learn, mpmath and random networks, and the laws that make them kernels."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import kdtheory as kd

KERNELS = {
    "rbf": kd.kernels.rbf,
    "laplace": kd.kernels.laplace,
    "matern_3/2": kd.kernels.matern,
    "matern_5/2": functools.partial(kd.kernels.matern, smoothness=2.5),
    "polynomial": kd.kernels.polynomial,
    "arc_cosine_0": functools.partial(kd.kernels.arc_cosine, degree=0, depth=2),
    "arc_cosine_1": functools.partial(kd.kernels.arc_cosine, depth=2),
    "relu_ntk": functools.partial(kd.kernels.relu_ntk, depth=2),
}


def rows(seed, count=23, dimension=3):
    return np.random.default_rng(seed).normal(size=(count, dimension))


# ------------------------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("name", KERNELS)
def test_gram_matrices_are_symmetric_and_positive_semidefinite(name):
    x, kernel = rows(0), KERNELS[name]
    gram = np.asarray(kernel(x))
    assert gram.dtype == jnp.float64
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_allclose(gram[:, :5], jax.jit(kernel)(x, x[:5]), rtol=1e-13)  # jit contracts to FMA
    eigenvalues = np.linalg.eigvalsh(gram)
    assert eigenvalues[0] > -1e-14 * eigenvalues[-1]

    squares = (x**2).sum(1)
    diagonal = {"polynomial": (1 + squares) ** 3, "arc_cosine_1": squares, "relu_ntk": 3 * squares}
    ulp = {"polynomial": 1e-15}.get(name, 0 if name not in diagonal else 4e-16)  # of sums in another order
    np.testing.assert_allclose(np.diag(gram), diagonal.get(name, np.ones(23)), rtol=ulp)


@pytest.mark.parametrize("name", ["laplace", "polynomial", "arc_cosine_0", "relu_ntk"])
def test_degenerate_rows_give_finite_values_and_slopes(name):
    """Rows of zeros, equal, opposite and parallel; slopes in both modes, which meet different 0/0."""
    kernel = KERNELS[name]
    x = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [-1.0, -2.0], [3.0, 6.0]])

    @jax.jit
    def faces(x):
        reverse = jax.grad(lambda x: kernel(x).sum())(x)
        return *jax.jvp(kernel, (x,), (jnp.sin(1 + x),)), reverse

    gram, forward, reverse = map(np.asarray, faces(x))
    assert np.isfinite(gram).all() and np.isfinite(forward).all() and np.isfinite(reverse).all()
    # Degree 0 in depth is steep at parallel rows, where the two modes round differently.
    np.testing.assert_allclose(forward.sum(), (reverse * np.sin(1 + x)).sum(), rtol=1e-8)
    np.testing.assert_array_equal(gram[2], gram[3])
    assert gram[2, 3] == gram[2, 2] and gram[0, 1] == gram[0, 0]


def test_pixels_do_not_wrap():
    """Differences of unsigned integers would."""
    x = np.array([[0, 3], [2, 1]], dtype=np.uint8)
    np.testing.assert_array_equal(kd.kernels.rbf(x), kd.kernels.rbf(x.astype(float)))


def test_kernels_of_distance_do_not_move_and_scale_with_length():
    x, z = rows(2), rows(3, 5)
    rotation = np.linalg.qr(rows(4, 3))[0]
    for name in ("rbf", "laplace", "matern_3/2", "matern_5/2"):
        kernel = KERNELS[name]
        moved = kernel(5.0 * x @ rotation + 1.0, 5.0 * z @ rotation + 1.0, length=5.0)
        np.testing.assert_allclose(moved, kernel(x, z), rtol=1e-13)


def test_kernels_of_angle_are_homogeneous():
    x, z = rows(2), rows(3, 5)
    for name, power in {"arc_cosine_0": 0, "arc_cosine_1": 1, "relu_ntk": 1}.items():
        kernel = KERNELS[name]
        np.testing.assert_allclose(kernel(5.0 * x, 3.0 * z), 15.0**power * kernel(x, z), rtol=1e-13)


@pytest.mark.parametrize("name", ["rbf", "laplace", "matern_5/2"])
def test_length_can_be_swept_and_differentiated(name):
    """With equal rows present, where the square root has no slope."""
    x = jnp.concatenate([rows(5), rows(5)])
    sweep = jax.jit(jax.vmap(jax.value_and_grad(lambda length: KERNELS[name](x, length=length).sum())))
    length, step = jnp.array([0.5, 2.0]), 1e-5  # central differences: truncation and rounding about 1e-10
    (after, _), (_, slope), (before, _) = map(sweep, (length + step, length, length - step))
    np.testing.assert_allclose(slope, (after - before) / (2 * step), rtol=1e-8)


@pytest.mark.parametrize("name", ["laplace", "relu_ntk"])
def test_slopes_in_the_rows(name):
    """`grad` through distances and angles, against central differences of error 1e-10."""
    x, z, direction = rows(6), rows(7), jnp.asarray(rows(8))
    along = jax.jit(jax.value_and_grad(lambda step: KERNELS[name](x + step * direction, z).sum()))
    (after, _), (_, slope), (before, _) = map(along, (1e-5, 0.0, -1e-5))
    np.testing.assert_allclose(slope, (after - before) / 2e-5, rtol=1e-7)


def test_memory_stays_that_of_the_gram_matrix():
    """Compiled, neither values nor slopes hold anything like the (N, N, D) differences."""
    n, dimension = 200, 100
    shape = jax.ShapeDtypeStruct((n, dimension), jnp.float64)
    for kernel in (kd.kernels.laplace, kd.kernels.relu_ntk):
        slope = jax.jit(jax.grad(lambda x, kernel=kernel: kernel(x).sum()))
        held = slope.lower(shape).compile().memory_analysis().temp_size_in_bytes
        assert held < 0.3 * 8 * n * n * dimension


# -------------------------------------------------------------------------------------------- other libraries


def test_scikit_learn_agrees():
    from sklearn.gaussian_process.kernels import Matern
    from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

    x, z = rows(8), rows(9, 5)
    np.testing.assert_allclose(kd.kernels.rbf(x, z, length=1.7), rbf_kernel(x, z, 0.5 / 1.7**2), rtol=1e-13)
    np.testing.assert_allclose(
        kd.kernels.polynomial(x, z, degree=4, offset=0.3, scale=0.6),
        polynomial_kernel(x, z, degree=4, gamma=0.6, coef0=0.3),
        rtol=1e-11,  # (scale x·z + offset) may cancel
    )
    for smoothness in (0.5, 1.5, 2.5):
        expected = Matern(length_scale=1.7, nu=smoothness)(x, z)
        np.testing.assert_allclose(kd.kernels.matern(x, z, smoothness=smoothness, length=1.7), expected, rtol=1e-13)
    np.testing.assert_allclose(kd.kernels.laplace(x, z, length=1.7), Matern(1.7, nu=0.5)(x, z), rtol=1e-13)


# -------------------------------------------------------------------------------------------------- 50 digits


def exact(x, z, depth, of):
    """One entry of the kernels of angle, from the textbook's recursion in the cosine."""
    x, z = (mpmath.matrix([mpmath.mpf(float(entry)) for entry in row]) for row in (x, z))
    norms = mpmath.sqrt(mpmath.fdot(x, x) * mpmath.fdot(z, z))
    cosine = tangent = mpmath.fdot(x, z) / norms
    for _ in range(depth):
        angle = mpmath.acos(cosine)
        step = 1 - angle / mpmath.pi
        relu = (mpmath.sin(angle) + (mpmath.pi - angle) * cosine) / mpmath.pi
        tangent = relu + step * tangent
        cosine = step if of == "step" else relu
    return {"step": cosine, "relu": norms * cosine, "tangent": norms * tangent}[of]


@pytest.mark.parametrize("side", [1, -1], ids=["parallel", "opposite"])
def test_kernels_of_angle_to_fifty_digits(side):
    """Rows that open from the diagonal by 1e-15 to 1. Error relative to the diagonal: a few ulp."""
    x = rows(10)
    z = side * 1.7 * x + np.logspace(-15, 0, len(x))[:, None] * rows(11)
    size = np.linalg.norm(x, axis=1) * np.linalg.norm(z, axis=1)
    depth = 4
    for kernel, of, layers, scale in (
        (functools.partial(kd.kernels.arc_cosine, degree=0), "step", 1, 1),
        (functools.partial(kd.kernels.relu_ntk, depth=depth), "tangent", depth, (depth + 1) * size),
        (functools.partial(kd.kernels.arc_cosine, depth=depth), "relu", depth, size),
        (kd.kernels.arc_cosine, "relu", 1, size),
    ):
        with mpmath.workdps(50):
            expected = np.array([float(exact(*pair, layers, of)) for pair in zip(x, z, strict=True)])
        np.testing.assert_array_less(np.abs(np.diag(kernel(x, z)) - expected) / scale, 3e-15)

    # Negative control: arccos of the cosine, in the same arithmetic.
    cosine = np.clip(np.sum(x * z, axis=1) / size, -1, 1)
    step = [float(exact(*pair, 1, "step")) for pair in zip(x, z, strict=True)]
    assert np.abs(1 - np.arccos(cosine) / np.pi - step).max() > 1e-10


def test_near_rows_far_from_the_origin_keep_their_distance():
    x = rows(12) + 100.0
    z = x + 1e-9 * rows(13)
    with mpmath.workdps(30):
        pairs = zip(x, z, strict=True)
        differences = [[mpmath.mpf(a) - mpmath.mpf(b) for a, b in zip(*pair, strict=True)] for pair in pairs]
        distances = [mpmath.norm(difference) for difference in differences]
        missing = np.array([float(-mpmath.expm1(-distance)) for distance in distances])
    np.testing.assert_allclose(1 - np.diag(kd.kernels.laplace(x, z)), missing, atol=2.3e-16)

    # Negative control: distances by a matrix product, their usual form.
    squares = (x**2).sum(1) + (z**2).sum(1) - 2 * (x * z).sum(1)
    assert np.abs(-np.expm1(-np.sqrt(np.maximum(squares, 0))) - missing).max() > 1e-9


# -------------------------------------------------------------------------------------------- random networks


def test_random_features_tend_to_their_kernels():
    """Entries are means of `count` variables of deviation √5 or less (2 relu²): four errors."""
    x = rows(14, 5)
    x, count = x / np.linalg.norm(x, axis=1, keepdims=True), 20_000
    fourier = kd.kernels.random_fourier(0, count, 3, length=0.8)
    relu = kd.kernels.random_relu(0, count, 3)
    steps = np.sqrt(2 / count) * (np.asarray(relu(x)) > 0)
    for features, gram in (
        (np.asarray(fourier(x)), kd.kernels.rbf(x, length=0.8)),
        (np.asarray(relu(x)), kd.kernels.arc_cosine(x)),
        (steps, kd.kernels.arc_cosine(x, degree=0)),
    ):
        assert features.shape == (len(x), count)
        np.testing.assert_allclose(features @ features.T, gram, atol=4 * (5 / count) ** 0.5)


def test_random_features_are_a_pytree_and_repeat_with_their_key():
    x = rows(16)
    apply = jax.jit(lambda features, x: features(x))
    seen, again, other = (
        np.asarray(apply(kd.kernels.random_fourier(key, 10, 3), x)) for key in (3, jax.random.key(3), 4)
    )
    np.testing.assert_array_equal(seen, again)
    assert (seen != other).all()


def test_wide_relu_networks_have_the_neural_tangent_kernel():
    """The mean of their Jacobians' Gram matrices, which fluctuate by 1/√width or so of the diagonal."""
    width, networks, depth = 256, 32, 2
    x = rows(17, 4)
    shapes = [(width, 3), (width, width), (1, width)]

    def output(weights, row):
        hidden = row
        for layer in weights[:-1]:
            hidden = jnp.sqrt(2 / width) * jax.nn.relu(layer @ hidden)
        return (weights[-1] @ hidden)[0]

    @jax.jit
    def empirical(weights):
        slopes = jax.jacobian(lambda weights: jax.vmap(output, (None, 0))(weights, x))(weights)
        flat = jnp.concatenate([slope.reshape(len(x), -1) for slope in slopes], axis=1)
        return flat @ flat.T

    random = np.random.default_rng(18)
    grams = [empirical([random.normal(size=shape) for shape in shapes]) for _ in range(networks)]
    norms = np.linalg.norm(x, axis=1)
    diagonal = (depth + 1) * norms[:, None] * norms

    def error(kernel):
        return (np.abs(np.mean(grams, axis=0) - kernel(x, depth=depth)) / diagonal).max()

    tolerance = 5 / (width * networks) ** 0.5
    assert error(kd.kernels.relu_ntk) < tolerance
    assert error(kd.kernels.arc_cosine) > 3 * tolerance  # negative control: the last layer alone is trained


def test_no_hidden_layer_is_the_linear_kernel():
    x, z = rows(18), rows(19, 5)
    np.testing.assert_allclose(kd.kernels.relu_ntk(x, z, depth=0), x @ z.T, atol=1e-14)


# ----------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("length", [0.0, -1.0, np.nan, [1.0, 2.0]])
def test_a_length_is_one_positive_number(length):
    for kernel in (kd.kernels.rbf, kd.kernels.laplace, kd.kernels.matern):
        with pytest.raises(ValueError, match="length must be"):
            kernel([[0.0], [1.0]], length=length)
    with pytest.raises(ValueError, match="length must be"):
        kd.kernels.random_fourier(0, 3, 2, length=length)


def test_random_features_of_other_rows():
    features = kd.kernels.random_relu(0, 3, 2)
    rows = [[1, 2], [0, 1]]
    by_hand = np.sqrt(2 / 3) * np.maximum(np.array(rows) @ np.asarray(features.weights).T, 0.0)
    np.testing.assert_allclose(features(rows), by_hand, rtol=1e-15)
    with pytest.raises(
        ValueError, match=r"x must be rows \(N, 2\), like the features drawn for them; got shape \(4, 5\)"
    ):
        features(np.ones((4, 5)))


def test_unknown_members_are_refused_by_name():
    x = rows(20)
    with pytest.raises(ValueError, match=r"\[0\.5, 1\.5, 2\.5\], not 2\.0"):
        kd.kernels.matern(x, smoothness=2.0)
    with pytest.raises(ValueError, match="0 and 1, not 2"):
        kd.kernels.arc_cosine(x, degree=2)


def test_rows_of_any_size():
    """Kernels of distance and angle know no unit: against the same rows near one, and by hand."""
    x = np.random.default_rng(0).normal(size=(5, 3))
    for power in (-1000, -600, 600, 1000):
        scaled, length = np.ldexp(x, power), 2.0**power * 1.3
        for kernel in (kd.kernels.rbf, kd.kernels.laplace, kd.kernels.matern):
            np.testing.assert_array_equal(kernel(scaled, length=length), kernel(x, length=1.3))
        np.testing.assert_array_equal(kd.kernels.arc_cosine(scaled, degree=0), kd.kernels.arc_cosine(x, degree=0))
    apart = [[1e-170, 0.0], [1e170, 1e170]]  # at 45°: |x||z| = √2
    angle = np.pi / 4
    wanted = 2**0.5 * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
    assert float(kd.kernels.arc_cosine(apart)[0, 1]) == pytest.approx(wanted, rel=1e-14)
    assert float(kd.kernels.arc_cosine(apart, degree=0)[0, 1]) == pytest.approx(0.75, rel=1e-14)


def test_what_is_no_number_is_no_distance():
    for kernel in (kd.kernels.rbf, kd.kernels.laplace, kd.kernels.matern, kd.kernels.arc_cosine):
        assert np.isnan(kernel([[np.nan], [1.0]])[0]).all()


def test_parameters_of_polynomials_are_single_numbers():
    x = np.ones((3, 2))
    for wrong, message in (
        (dict(offset=[1.0, 2.0, 3.0]), r"offset must be one number, got shape \(3,\)"),
        (dict(scale=np.ones((3, 3))), r"scale must be one number, got shape \(3, 3\)"),
        (dict(degree=1.5), "degree must be a whole number, at least 0; got 1.5"),
        (dict(degree=-1), "degree must be a whole number, at least 0; got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            kd.kernels.polynomial(x, **wrong)
    with pytest.raises(ValueError, match=r"matern knows the smoothness \[0\.5, 1\.5, 2\.5\], not \[0\.5\]"):
        kd.kernels.matern(x, smoothness=[0.5])


def test_a_length_that_is_an_array_is_known_under_jit():
    length = jnp.asarray(2.0)
    one = jax.jit(lambda x: kd.kernels.rbf(x, length=length))(jnp.array([[0.0], [2.0]]))
    assert float(one[0, 1]) == pytest.approx(np.exp(-0.5), rel=1e-15)
    assert jax.jit(lambda rate: kd.spectra.exponential(2, rate, length))(0.0).tolist() == [2.0, 2.0]


def test_lengths_without_squares():
    assert kd.kernels.matern([[0.0]], [[1e155]]).item() == 0.0
    assert kd.kernels.matern([[0.0]], [[1.0]], length=1e-155).item() == 0.0
    for kernel in (kd.kernels.rbf, kd.kernels.laplace):
        slope = jax.grad(lambda length, kernel=kernel: kernel([[0.0]], [[1.0]], length=length)[0, 0])
        assert slope(1e-160) == 0.0
    assert kd.kernels.matern([[1.0]], smoothness=np.array(1.5)).item() == 1.0
