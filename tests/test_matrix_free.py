"""Kernels without their matrix, and the top of a spectrum, against the whole."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.problems import _matrix_free

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.standard_normal((120, 3))
KERNEL = partial(kd.kernels.rbf, length=1.5)
GRAM = np.asarray(KERNEL(INPUTS))
TARGETS = {"one": RANDOM.standard_normal(120), "three": RANDOM.standard_normal((120, 3))}


@pytest.fixture(params=TARGETS)
def both(request, monkeypatch):
    monkeypatch.setattr(_matrix_free, "BLOCK", 50 * 120)  # three blocks, the last of them ragged
    targets = TARGETS[request.param]
    return kd.problems.matrix_free(KERNEL, INPUTS, targets), kd.problems.kernel(GRAM, targets)


def test_the_same_as_with_the_matrix(both):
    free, dense = both
    paths = RANDOM.standard_normal((2, *free.targets.shape))
    new = RANDOM.standard_normal((7, 3))
    np.testing.assert_allclose(free.predict(paths), dense.predict(paths), atol=1e-12)
    np.testing.assert_allclose(free.predict(paths[0], new), dense.predict(paths[0], KERNEL(new, INPUTS)), atol=1e-12)
    rows = np.array([3, 5, 3])
    np.testing.assert_allclose(free.gradient(paths[0], rows), dense.gradient(paths[0], rows), atol=1e-13)
    assert free.max_eigenvalue() == pytest.approx(dense.max_eigenvalue(), rel=1e-12)
    other = free.relabel(-free.targets)
    np.testing.assert_array_equal(other.targets, -free.targets)


def test_learners_run_on_it(both):
    free, dense = both
    system = free.eigensystem(count=12)
    teacher = kd.GradientDescent(1.0, 30)
    for learner in (kd.distill(teacher, kd.HeavyBall(None, 0.3, [2, 20])), kd.distill(kd.Ridge(0.1), teacher)):
        seen, expected = kd.simulate(learner, free, system), kd.closed_form(learner, system)
        np.testing.assert_allclose(seen.coordinates, expected.coordinates, atol=1e-8)  # eigenvectors: 1e-9 over gaps
    start = RANDOM.standard_normal(free.targets.shape)
    penalties = kd.Ridge(jnp.array([0.1, 1.0]))
    np.testing.assert_allclose(penalties.fit(free, start), penalties.fit(dense, start), atol=1e-10)


def test_the_top_of_the_spectrum_and_what_is_left_of_it(both):
    free, dense = both
    whole = dense.eigensystem()
    for problem, digits in ((free, 1e-12), (dense, 1e-13)):
        top = problem.eigensystem(count=12)
        np.testing.assert_allclose(top.eigenvalues, whole.eigenvalues[:12], rtol=digits)
        overlaps = np.abs(np.sum(top.samples_basis * whole.samples_basis[:, :12], axis=0))
        np.testing.assert_allclose(overlaps, 1.0, atol=1e-12)
        assert top.unresolved == 108
        assert top.rest == pytest.approx(np.sum(np.asarray(whole.eigenvalues)[12:]), rel=1e-9)
        assert top.unseen > whole.unseen
    cut = free.eigensystem(count=40)  # formed after all, and cut
    assert len(cut.eigenvalues) == 40 and len(free.eigensystem().eigenvalues) == len(whole.eigenvalues)
    np.testing.assert_allclose(cut.eigenvalues, whole.eigenvalues[:40], rtol=1e-9)


@pytest.mark.parametrize("shape", [(90, 40), (40, 90)])
def test_the_top_of_a_table(shape):
    problem = kd.problems.linear(RANDOM.standard_normal(shape), RANDOM.standard_normal(shape[0]))
    whole = problem.eigensystem()
    for count in (4, 30):
        top = problem.eigensystem(count)
        np.testing.assert_allclose(top.eigenvalues, whole.eigenvalues[:count], rtol=1e-13)
        np.testing.assert_allclose(np.abs(top.target), np.abs(whole.target[:count]), rtol=1e-9)
        assert top.unresolved == 40 - count
        assert top.rest == pytest.approx(np.sum(np.asarray(whole.eigenvalues)[count:]), rel=1e-12)
    assert whole.unresolved == 0 and whole.rest == 0.0


def test_nearly_equal_eigenvalues_form_an_eigenspace():
    def twice(x, z):  # every eigenvalue twice: two copies that do not see one another
        return (
            jnp.kron(jnp.eye(2), KERNEL(INPUTS)) if z is None else (x[:, :1] == z[:, :1].T) * KERNEL(x[:, 1:], z[:, 1:])
        )

    copies = np.hstack([np.repeat([[0.0], [1.0]], 120, axis=0), np.vstack([INPUTS, INPUTS])])
    top = kd.problems.matrix_free(twice, copies, np.ones(240)).eigensystem(count=6)
    assert top.spaces.tolist() == [0, 0, 1, 1, 2, 2]


def test_what_is_refused(monkeypatch):
    free = kd.problems.matrix_free(KERNEL, INPUTS, TARGETS["one"])
    with pytest.raises(
        TypeError, match="GradientFlow needs exponentials of the matrix, of which there are only products"
    ):
        kd.GradientFlow(1.0).fit(free)
    with pytest.raises(TypeError, match="kernel must be a function of two sets of rows, got ndarray"):
        kd.problems.matrix_free(GRAM, INPUTS, TARGETS["one"])
    with pytest.raises(ValueError, match=r"targets have shape \(120,\), but inputs has 119 rows"):
        kd.problems.matrix_free(KERNEL, INPUTS[:-1], TARGETS["one"])
    with pytest.raises(ValueError, match="count must be a whole number, at least 1; got 0"):
        free.eigensystem(count=0)
    monkeypatch.setattr(_matrix_free, "ITERATIONS", 3)
    with pytest.raises(ValueError, match=r"conjugate gradients did not converge for the penalty 1e-06; a larger one"):
        kd.Ridge(1e-6).fit(free)
    monkeypatch.setattr(_matrix_free, "ACCURACY", 1e-30)
    with pytest.raises(ValueError, match="the 2 largest eigenvalues did not converge"):
        free.eigensystem(count=2)
    monkeypatch.setattr("kdtheory._checks._physical_memory", lambda: 100_000)
    with pytest.raises(ValueError, match=r"the kernel of 120 samples and its eigenvectors need 0.000576 GB, and this"):
        free.eigensystem()
    with pytest.raises(ValueError, match=r"ask for a count of them, eigensystem\(count=100\)"):
        kd.problems.kernel(GRAM, TARGETS["one"]).eigensystem()


def test_one_sample_and_a_kernel_of_zeros():
    one = kd.problems.matrix_free(kd.kernels.polynomial, [[1.0]], [3.0])  # K = (1 + 1)^3
    assert (float(one.max_eigenvalue()), kd.GradientDescent(None, 1).fit(one).tolist()) == (8.0, [0.375])
    nothing = kd.problems.matrix_free(lambda x, z: x @ z.T, np.zeros((4, 2)), np.ones(4))
    assert nothing.max_eigenvalue() == 0.0 and kd.GradientDescent(0.5, 2).fit(nothing).tolist() == [0.25] * 4
    with pytest.raises(ValueError, match=r"step_size is None, which means 1/λ_max of the data, and λ_max is 0"):
        kd.GradientDescent(None, 2).fit(nothing)
    with pytest.raises(ValueError, match=r"parameters must be of shape \(4,\).*got \(5, 3\)"):
        nothing.predict(np.ones((5, 3)))


def test_kernels_that_jax_cannot_trace_are_refused():
    inputs = np.ones((4, 2))
    with pytest.raises(TypeError, match=r"kernel must be written in jax.numpy, .* or give the whole matrix to"):
        kd.problems.matrix_free(lambda a, b: np.asarray(a) @ np.asarray(b).T, inputs, np.ones(4))
    with pytest.raises(TypeError, match=r"written in jax.numpy"):
        kd.problems.matrix_free(lambda a, b: jnp.exp(-float(a[0, 0])) * a @ b.T, inputs, np.ones(4))
    with pytest.raises(ValueError, match=r"made \(2,\) of \(2, D\) and \(3, D\)"):
        kd.problems.matrix_free(lambda a, b: jnp.sum(a, axis=1), inputs, np.ones(4))
    with pytest.raises(ValueError, match=r"of \(2, D\) and \(3, D\) it makes nothing: .* incompatible shapes"):
        kd.problems.matrix_free(lambda a, b: jnp.sum(a * b, axis=1), inputs, np.ones(4))


def test_directions_of_rounding_are_cut_as_of_a_matrix():
    x, y = (np.arange(1, 41) / 40)[:, None], np.random.default_rng(0).normal(size=40)
    free = lambda kernel: kd.problems.matrix_free(kernel, x, y).eigensystem(3)
    few, whole = free(lambda a, b: a @ b.T), kd.problems.kernel(x @ x.T, y).eigensystem(3)
    assert few.unresolved == whole.unresolved == 39
    np.testing.assert_allclose(few.eigenvalues, whole.eigenvalues, rtol=1e-12)
    np.testing.assert_allclose(
        few.target, x[:, 0] @ y / (x[:, 0] @ x[:, 0]) * np.sign(few.samples_basis[0, 0]) * np.ones(1)
    )
    with pytest.raises(ValueError, match="gram is zero"):
        free(lambda a, b: 0.0 * (a @ b.T))
    with pytest.raises(ValueError, match="gram has no positive eigenvalue"):
        free(lambda a, b: -(a @ b.T))


@pytest.mark.parametrize("size", [1e-170, 1e-160, 1e155])
def test_kernels_of_any_size(size):
    true = np.linalg.eigvalsh(INPUTS @ INPUTS.T / 120)[::-1][:3]
    problem = kd.problems.matrix_free(lambda x, z: size * (x @ z.T), INPUTS, np.ones(120))
    np.testing.assert_allclose(problem.eigensystem(3).eigenvalues / size, true, rtol=1e-9)
    assert problem.max_eigenvalue() / size == pytest.approx(true[0], rel=1e-9)


def test_a_kernel_the_wrong_way_round_is_refused():
    for kernel in (lambda x, z: kd.kernels.rbf(z, x), lambda x, z: x.T @ z):
        with pytest.raises(ValueError, match=r"rows .* to .N, M., and"):
            kd.problems.matrix_free(kernel, INPUTS, np.ones(120))
