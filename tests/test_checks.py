"""What is refused and how: the message names the argument, what came, and a way out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import kdtheory as kd
from kdtheory import _checks

X, Y = np.arange(12.0).reshape(6, 2) ** 2, np.arange(6.0)
PROBLEM = kd.problems.linear(X, Y)
RUN = kd.closed_form(kd.GradientFlow(jnp.linspace(0.0, 3.0, 20)), [1.0, 0.1])
FLOW = kd.GradientFlow(1.0)


MISTAKES = [  # use, error, what the message must say
    (lambda: kd.problems.linear(np.ma.masked_array(X, X > 9), Y), TypeError, "features is a masked array.*fill it"),
    (lambda: kd.problems.linear(scipy.sparse.csr_array(X), Y), TypeError, "features must hold real.*toarray"),
    (lambda: kd.problems.linear(X * 1j, Y), TypeError, "features must hold real numbers.*got complex128"),
    (lambda: kd.problems.linear(X.astype(object), Y), TypeError, "features must hold real numbers.*got object"),
    (lambda: kd.problems.linear(X, np.array(list("abcdef"))), TypeError, "targets must hold real numbers"),
    (lambda: kd.problems.linear(X.astype(np.float16), Y), ValueError, "at least 32 bits, got float16.*dtype=float"),
    (lambda: kd.problems.linear(X, Y[:5]), ValueError, r"targets have shape \(5,\).*6"),
    (lambda: kd.problems.linear(X[:0], Y[:0]), ValueError, r"features is empty, shape \(0, 2\)"),
    (lambda: jax.jit(lambda x: kd.problems.linear(x, Y).features)(X), TypeError, "features is being traced by JAX"),
    (lambda: kd.problems.gaussian(0.5, [1.0], samples=3), TypeError, r"key must be.*got 0\.5; use jax\.random\.key"),
    (
        lambda: kd.problems.gaussian(jax.random.split(jax.random.key(0)), [1.0], samples=3),
        ValueError,
        "key must be a s",
    ),
    (lambda: kd.spectra.power_law(2.5), ValueError, "count must be a whole number, at least 1.*got 2.5"),
    (lambda: kd.simulate(FLOW, PROBLEM, start=np.zeros(3)), ValueError, r"start must have the shape \(2,\).*\(3,\)"),
    (lambda: kd.simulate(FLOW, PROBLEM, start=[0.0, np.nan]), ValueError, r"start has 1 non-finite.*first at \(1,\)"),
    (
        lambda: kd.measures.delay(1.0, [1.0, 2.0], [1.0, 2.0, 3.0]),
        ValueError,
        r"do not broadcast.*time \(2,\), teacher_t",
    ),
    (lambda: kd.measures.delay("fast", 1.0, 2.0), TypeError, "eigenvalue must hold real numbers"),
    (lambda: kd.measures.progress_at(RUN, level=1.0), ValueError, "level must be at least 0 and below 1.*got 1.0"),
    (lambda: kd.measures.progress_at(RUN, level=np.nan), ValueError, "level must be a number, got nan"),
    (lambda: kd.distill(FLOW, FLOW, teacher_weight="all"), TypeError, "teacher_weight must hold real numbers"),
    (lambda: kd.distill(FLOW, FLOW, np.inf), ValueError, "teacher_weight must be finite"),
    (lambda: kd.self_distill(FLOW, 2, -np.inf), ValueError, "teacher_weight must be finite"),
    (lambda: kd.measures.risk("flow", [1.0], [1.0], 0.1), TypeError, "learner must be one of kdtheory's"),
    (lambda: kd.measures.best_weight(FLOW, 1.0, [1.0], [1.0], 0.1), TypeError, "learner must be one of kdtheory's"),
    (lambda: kd.confidence.margin_line(FLOW, 1.0, 1.0, 0.1), TypeError, "learner must be one of kdtheory's"),
    (lambda: kd.confidence.margin_regression(1.0, FLOW, [1.0], [1.0]), TypeError, "learner must be one of kdtheory's"),
    (lambda: kd.soft_labels.denoising_fits(0.2, 1.0, 2.0, 1.0), TypeError, "learner must be one of kdtheory's"),
    (
        lambda: kd.measures.progress_at(RUN, 0.5, lead=2),
        IndexError,
        "direction 2 is out of range: there are 2, from 0 to",
    ),
    (lambda: kd.measures.progress_at(RUN, 0.5, lead=0.5), TypeError, "a direction must be a whole number.*got 0.5"),
    (lambda: kd.plots.eigenspace(None, RUN, x=0, y=9), IndexError, "direction 9 is out of range"),
    (lambda: kd.plots.convergence(None, RUN, directions=[0, 4]), IndexError, "direction 4 is out of range"),
    (lambda: kd.confidence.accuracy(X, Y[:3]), ValueError, r"labels must be \(6,\).*logits \(6, 2\); got \(3,\)"),
    (lambda: kd.confidence.accuracy(X, Y[:, None]), ValueError, r"labels must be \(6,\), one per row"),
    (lambda: kd.confidence.log_loss(X, Y), ValueError, "column numbers of logits, from 0 to 1; got 2"),
    (lambda: kd.confidence.log_loss(X, Y[:, None]), ValueError, r"probabilities must have the shape \(6, 2\)"),
    (lambda: kd.confidence.calibration_error(X, list("abcdef")), TypeError, "labels must hold real numbers"),
]


@pytest.mark.parametrize("use, error, message", MISTAKES, ids=[message for *_, message in MISTAKES])
def test_mistakes_are_named(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_what_does_not_fit_in_memory_is_refused_before_it_is_allocated(monkeypatch):
    path = kd.GradientDescent(None, np.arange(1000))
    kd.simulate(path, PROBLEM)
    monkeypatch.setattr(_checks, "_physical_memory", lambda: 10_000)
    with pytest.raises(ValueError, match=r"1,000 moments of 2 numbers each need 1\.6e-05 GB.*has 1e-05; save fewer"):
        kd.simulate(path, PROBLEM)
    with pytest.raises(ValueError, match="save fewer moments"):
        kd.closed_form(path, PROBLEM.eigensystem())


def test_physical_memory_is_a_plausible_number_of_bytes():
    assert 1e8 < _checks._physical_memory() < 1e15


def test_anything_with_an_array_inside_is_read():
    class Table:
        def __array__(self, dtype=None, copy=None):
            return X

    class Tensor:
        def __dlpack__(self, **options):
            return X.__dlpack__(**options)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    for table in (Table(), Tensor(), X.astype(int), X.tolist(), jnp.asarray(X)):
        np.testing.assert_array_equal(kd.problems.linear(table, Y).features, X)
    assert kd.problems.linear(X.astype(np.float32), Y.astype(np.float32)).features.dtype == np.float32
    assert kd.problems.linear(X > 9, Y).features.dtype == np.float64


def test_any_key_seeds_what_is_drawn_on_the_host():
    draws = [
        kd.datasets.label_noise(key, np.arange(50) % 3, 0.4).tolist()
        for key in (3, jax.random.key(3), jax.random.PRNGKey(3))
    ]
    assert draws[1] == draws[2] != draws[0] == kd.datasets.label_noise(np.int64(3), np.arange(50) % 3, 0.4).tolist()
    with pytest.raises(TypeError, match="key must be a JAX random key or an int, got 'a'"):
        kd.datasets.label_noise("a", [0, 1], 0.5)


def test_a_learner_with_a_legacy_key_is_a_single_one():
    student = kd.distill(kd.StochasticDescent(0.1, 4, jax.random.PRNGKey(0), 10), kd.Ridge(0.1))
    assert student.filter(1.0) == pytest.approx((1 - 0.9**10) / 1.1, rel=1e-14)
    with pytest.raises(ValueError, match="one of its fields is an array"):
        kd.distill(kd.StochasticDescent(0.1, 4, jax.random.PRNGKey(0), [10, 20]), kd.Ridge(0.1))


def test_a_traced_seed_makes_a_key():
    path = jax.vmap(
        lambda seed: kd.StochasticDescent(0.05, 2, seed, 3).fit(kd.problems.linear([[1.0], [2.0]], [1.0, 0.0]))
    )
    alone = kd.StochasticDescent(0.05, 2, 4, 3).fit(kd.problems.linear([[1.0], [2.0]], [1.0, 0.0]))
    assert path(jax.numpy.arange(6))[4] == alone


def test_what_needs_an_eigensystem_says_that_it_cannot_be_traced():
    def run(key):
        problem = kd.problems.gaussian(key, [1.0, 0.5], 20)
        return kd.simulate(kd.GradientDescent(0.1, 3), problem).progress

    with pytest.raises(TypeError, match="can be neither vmapped nor jitted over its data; use a loop"):
        jax.vmap(run)(jax.random.split(jax.random.key(0), 3))
    with pytest.raises(TypeError, match="can be neither vmapped nor jitted"):
        jax.jit(lambda gram: kd.problems.Kernel(gram, jnp.ones(2)).eigensystem().eigenvalues)(jnp.eye(2))
    assert kd.sweep(run, seeds=3).run.shape == (3, 2)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("noise", lambda x: kd.asymptotics.limit([1.0, 0.5], 4, noise=x).missed),
        ("eigenvalues", lambda x: kd.asymptotics.limit(jnp.stack([x, x]), 4).missed),
        ("penalty", lambda x: kd.asymptotics.effective_ridge(kd.asymptotics.limit([1.0], 4), x)),
        ("signal", lambda x: kd.generations.risk([kd.generations.Stage(kd.Ridge(0.1), 9)], [1.0, 0.5], x)),
        ("student", lambda x: kd.measures.transfer.mean_filter(kd.Ridge(x), [1.0], [[1.0]]).mean),
        ("teacher", lambda x: kd.transfer(kd.Ridge(x), kd.Ridge(0.1), PROBLEM, PROBLEM).student.coordinates),
    ],
)
def test_what_numpy_makes_names_what_is_traced(name, call):
    def swept(x):
        return call(x)

    for transform, x in ((jax.jit, 0.5), (jax.grad, 0.5), (jax.vmap, jnp.ones(1))):
        with pytest.raises(TypeError, match=f"^{name} is being traced by JAX, but .* is made by NumPy"):
            transform(call)(x)
    np.testing.assert_array_equal(kd.sweep(swept, x=[0.5, 0.7]).swept[1], call(0.7))


def test_sizes_that_are_traced_are_named():
    for name, call in dict(
        count=lambda x: kd.spectra.power_law(x, 1.0).sum(),
        samples=lambda x: kd.problems.gaussian(0, [1.0], x).targets.mean(),
    ).items():
        for transform, x in ((jax.jit, 3), (jax.vmap, jnp.array([3]))):
            with pytest.raises(TypeError, match=f"^{name} is being traced by JAX, but the sizes of arrays must be"):
                transform(call)(x)
        np.testing.assert_array_equal(kd.sweep(call, x=[2, 3])["lambda"], [call(2), call(3)])


def test_chains_and_limits_may_be_made_where_learners_are_traced():
    stages = lambda c: [kd.generations.Stage(kd.Ridge(c), 9, 0.3, np.eye(2)), kd.generations.Stage(kd.Ridge(c), 9)]
    chain = lambda c: kd.generations.risk(stages(c), [1.0, 0.5], 1.0)[1]
    risk = lambda c: kd.asymptotics.risk(kd.Ridge(c), kd.asymptotics.limit([1.0, 0.5], 4, noise=0.1)).total
    for measure in (chain, risk):
        assert jax.jit(measure)(0.3) == pytest.approx(float(measure(0.3)), rel=1e-13)


def test_what_numpy_computes_says_that_it_cannot_be_traced():
    problem, flow, logits = kd.problems.with_spectrum(0, [1.0, 0.1]), kd.GradientFlow(0.0), jnp.eye(3)
    times = jnp.array([1.0, 2.0])
    for function, given, who in (
        (lambda stops: kd.every_student(flow, problem, stops, [1.0]), times, "every_student .* over its stops"),
        (
            lambda key: kd.problems.with_spectrum(key, [1.0]).features,
            jax.random.key(0),
            "with_spectrum .* over its key",
        ),
        (lambda noise: kd.problems.with_spectrum(0, [1.0], noise=noise).targets, 1.0, "with_spectrum .* jitted"),
        (lambda one: kd.confidence.compare(one, logits), logits, "compare .* over what teacher and student predict"),
        (lambda one: kd.confidence.matching_scale(one, logits), logits, "matching_scale computes by NumPy"),
        (kd.confidence.mean_interval, times, "mean_interval .* over its values"),
        (lambda fits: kd.SelfDistilled(kd.Ridge(1.0), 0.5, fits).fit(problem), 3, "SelfDistilled.fit .* over fits"),
    ):
        with pytest.raises(TypeError, match=f"{who}.*; use a loop, or kd.sweep, which falls back on one"):
            jax.jit(function)(given)
    with pytest.raises(ValueError, match=r"teachers must be \(A,\) and students \(B,\), got \(1, 2\) and \(1,\)"):
        kd.every_student(flow, problem, [[1.0, 2.0]], [1.0])

    def gained(teacher):
        return kd.every_student(flow, problem, [teacher], [1.0])[0, 0]

    assert kd.sweep(gained, teacher=times).gained.shape == (2, 2)
