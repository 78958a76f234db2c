"""Learners: their two faces against scikit-learn, scipy and plain loops; clocks, paths, tuning, warnings and
errors."""

import dataclasses
import warnings

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas
import pytest
import scipy.integrate
import scipy.linalg
from hypothesis import given
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge as SklearnRidge

import kdtheory as kd

RANDOM = np.random.default_rng(0)
TALL = kd.problems.linear(RANDOM.normal(size=(12, 4)), RANDOM.normal(size=(12, 3)))
WIDE = kd.problems.linear(RANDOM.normal(size=(5, 9)), RANDOM.normal(size=5))
GRAM = (lambda x: np.exp(-((x - x.T) ** 2)))(RANDOM.normal(size=(12, 1)))
KERNEL = kd.problems.kernel(GRAM, RANDOM.normal(size=12))
PROBLEMS = {"tall, three outputs": TALL, "wide": WIDE, "kernel": KERNEL}
EVERY_PROBLEM = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
STEPS = jnp.array([40, 0, 7, 1])  # unsorted
LOOPS = {
    "descent": kd.GradientDescent(0.05, STEPS),
    "heavy ball": kd.HeavyBall(0.05, 0.9, STEPS),
    "nesterov": kd.Nesterov(0.05, 0.9, STEPS),
}
TIMES = np.array([0.7, 0.0, 30.0])


def arrays(problem):
    """H and b of the mean loss, in numpy: the gradient is Hw - b."""
    if isinstance(problem, kd.problems.Kernel):
        return GRAM / len(GRAM), np.asarray(problem.targets) / len(GRAM)
    x, y = np.asarray(problem.features), np.asarray(problem.targets)
    return x.T @ x / len(x), x.T @ y / len(x)


def warm_start(problem):
    return np.random.default_rng(1).normal(size=problem.zeros().shape)


def near(got, wanted, tolerance=1e-13):
    """Relative to the largest entry: sums of a dozen products of order one lose a few ulp."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape and np.isfinite(got).all()
    assert np.max(np.abs(got - wanted)) <= tolerance * np.max(np.abs(wanted))


# Fit, by other code.


@EVERY_PROBLEM
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("name", LOOPS)
def test_loops_are_the_loops_of_the_textbook(name, problem, warm):
    learner, (matrix, vector) = LOOPS[name], arrays(problem)
    momentum = getattr(learner, "momentum", 0.0)
    w = before = warm_start(problem) if warm else np.zeros(problem.zeros().shape)
    path = [w]
    for _ in range(40):
        at = w + momentum * (w - before) if name == "nesterov" else w
        w, before = w + momentum * (w - before) - 0.05 * (matrix @ at - vector), w
        path.append(w)
    near(learner.fit(problem, path[0] if warm else None), np.stack(path)[np.asarray(STEPS)])


@EVERY_PROBLEM
@pytest.mark.parametrize("warm", [False, True])
def test_flow_is_the_exponential_of_the_affine_system(problem, warm):
    matrix, vector = arrays(problem)
    start = warm_start(problem) if warm else np.zeros(problem.zeros().shape)
    count, columns = len(matrix), np.reshape(vector, (len(matrix), -1)).shape[1]
    affine = np.zeros((count + columns, count + columns))  # w' = -Hw + b·1, 1' = 0
    affine[:count, :count], affine[:count, count:] = -matrix, np.reshape(vector, (count, columns))
    wanted = []
    for time in TIMES:
        move = scipy.linalg.expm(time * affine)[:count]
        wanted.append((move[:, :count] @ start.reshape(count, -1) + move[:, count:]).reshape(start.shape))
    near(kd.GradientFlow(TIMES).fit(problem, start if warm else None), np.stack(wanted), 1e-12)  # expm's own rounding


def test_flow_is_the_solution_of_the_differential_equation():
    """By a solver that sees only the gradient."""
    start = warm_start(WIDE)
    matrix, vector = arrays(WIDE)
    solved = scipy.integrate.solve_ivp(
        lambda t, w: vector - matrix @ w, (0, 3.0), start, method="DOP853", rtol=1e-12, atol=1e-12
    )
    near(kd.GradientFlow(3.0).fit(WIDE, start), solved.y[:, -1], 1e-10)


@pytest.mark.parametrize("penalty", [1e-4, 0.3, 1e4])
def test_ridge_is_that_of_scikit_learn(penalty):
    for problem in (TALL, WIDE):  # its loss is the sum: N times our penalty
        samples = len(problem.features)
        theirs = SklearnRidge(alpha=samples * penalty, fit_intercept=False, solver="svd", tol=0.0)
        theirs.fit(np.asarray(problem.features), np.asarray(problem.targets))
        near(kd.Ridge(penalty).fit(problem), theirs.coef_.T, 1e-12)  # conditioned up to 1e4
    theirs = KernelRidge(alpha=12 * penalty, kernel="precomputed").fit(GRAM, np.asarray(KERNEL.targets))
    near(kd.Ridge(penalty).fit(KERNEL), theirs.dual_coef_, 1e-11)


def test_a_wide_table_is_never_squared():
    """Its normal equations would take 320 GB."""
    features, targets = np.random.default_rng(2).normal(size=(3, 200_000)), np.array([1.0, -1.0, 2.0])
    dual = np.linalg.solve(features @ features.T / 3 + 0.3 * np.eye(3), targets / 3)
    near(kd.Ridge(0.3).fit(kd.problems.linear(features, targets)), dual @ features, 1e-12)


def test_flow_where_there_is_nothing_to_learn_stays():
    start = np.arange(4.0)
    near(kd.GradientFlow(TIMES).fit(kd.problems.linear(np.zeros((6, 4)), np.ones(6)), start), np.stack([start] * 3))


DUPLICATES = RANDOM.normal(size=(6, 1))[[0, 1, 2, 3, 4, 5, 0, 1]]


def bumps(x, z):
    return jnp.exp(-20 * (x - z.T) ** 2)


LESS_THAN_FULL_RANK = {
    "tall": kd.problems.linear(RANDOM.normal(size=(9, 4)) @ RANDOM.normal(size=(4, 7)), RANDOM.normal(size=(9, 2))),
    "wide": kd.problems.linear(RANDOM.normal(size=(7, 4)) @ RANDOM.normal(size=(4, 9)), RANDOM.normal(size=7)),
    "kernel": kd.problems.kernel(bumps(DUPLICATES, DUPLICATES), RANDOM.normal(size=8)),
    "matrix-free": kd.problems.matrix_free(bumps, DUPLICATES, RANDOM.normal(size=8)),
}


@pytest.mark.parametrize("problem", LESS_THAN_FULL_RANK.values(), ids=LESS_THAN_FULL_RANK)
def test_no_penalty_is_the_limit_of_small_ones(problem):
    """F14: ridge of penalty 0 where the rank is not full, in practice as in theory."""
    system, start = problem.eigensystem(), warm_start(problem)
    none = kd.Ridge(0)
    learners = [none, kd.distill(none, none), kd.distill(none, kd.Ridge(1.0), 0.3), kd.switch(kd.Ridge(1.0), none)]
    if isinstance(problem, kd.problems.Linear):  # also where rounding would hide it
        learners.append(kd.Ridge([0.0, 1e-25, 1e-14, 1e-10, 0.1]))
    for learner in learners:
        seen, expected = (f(learner, at, start=start) for f, at in ((kd.simulate, problem), (kd.closed_form, system)))
        near(seen.coordinates, expected.coordinates, 1e-12)
    if isinstance(problem, kd.problems.Linear):
        near(none.fit(problem), np.linalg.pinv(problem.features) @ problem.targets, 1e-12)
        outside = none.fit(problem, start) - start  # moves along what the data sees, and nowhere else
        near(np.linalg.pinv(problem.features) @ np.asarray(problem.features) @ outside, outside, 1e-12)
    elif isinstance(problem, kd.problems.Kernel):
        near(none.fit(problem), np.linalg.pinv(problem.gram, hermitian=True) @ problem.targets, 1e-12)


def test_no_penalty_by_hand():
    """F14: least squares on one column, and the other stays."""
    problem = kd.problems.linear([[1, 0], [1, 0]], [1, 2])
    near(kd.Ridge(0).fit(problem), [1.5, 0.0])
    near(kd.Ridge(-0.0).fit(problem, [7.0, 4.0]), [1.5, 4.0])
    near(
        jax.vmap(lambda y: kd.Ridge(0).fit(problem.relabel(y)))(jnp.array([[1.0, 2.0], [2.0, 4.0]])), [[1.5, 0], [3, 0]]
    )
    with pytest.raises(ValueError, match=r"did not converge for the penalty 0; a larger one does"):
        smooth = kd.problems.matrix_free(kd.kernels.rbf, np.linspace(0, 1, 30)[:, None], np.arange(30.0) % 2)
        kd.Ridge(0).fit(smooth)


@EVERY_PROBLEM
def test_ridge_pulls_to_its_start(problem):
    """Minimises loss + (c/2)|w - start|²: the solution of another linear system."""
    matrix, vector = arrays(problem)
    start = warm_start(problem)
    wanted = start + np.linalg.solve(matrix + 0.3 * np.eye(len(matrix)), vector - matrix @ start)
    near(kd.Ridge(0.3).fit(problem, start), wanted)
    near(kd.Ridge(jnp.array([0.3, 1e9])).fit(problem, start), np.stack([wanted, start]), 1e-8)


def test_long_runs_on_the_small_side_are_the_same():
    """Past some length the loop runs on an equivalent square problem: the answer and its shape stay."""
    for problem in (TALL, WIDE):
        start, steps = warm_start(problem), np.array([3, 5000])
        matrix, vector = arrays(problem)
        w, path = start, {}
        for k in range(1, 5001):
            w = w - 0.2 * (matrix @ w - vector)
            path[k] = w
        near(kd.GradientDescent(0.2, steps).fit(problem, start), np.stack([path[3], path[5000]]), 1e-12)
        near(kd.GradientDescent(0.2, 3).fit(problem, start), path[3])


def test_long_runs_keep_slow_directions():
    """Where a step moves less than the rounding of what it is added to."""
    problem, λ = kd.problems.with_spectrum(0, [1.0, 1e-5, 1e-7], samples=40), np.array([1.0, 1e-5, 1e-7])
    seen = kd.simulate(kd.GradientDescent(1.0, 100_000), problem, start=jnp.full(3, 1e3))
    left = np.exp(100_000 * np.log1p(-λ[1:]))  # of the difference between start and target
    begin = problem.eigensystem().of_parameters(jnp.full(3, 1e3))
    wanted = np.asarray(seen.target + (begin - seen.target) * np.concatenate([[0.0], left]))
    assert (
        np.max(np.abs(seen.coordinates - wanted)) <= 4e-15 * 1e3
    )  # a plain loop loses 6e-15, one whose gradient is never renewed 1e-12


def test_the_mean_of_stochastic_descent_is_gradient_descent():
    problem = TALL
    steps, draws = jnp.array([3, 40]), 2000
    keys = jax.random.split(jax.random.key(1), draws)
    runs = jax.vmap(lambda key: kd.StochasticDescent(0.05, 4, key, steps).fit(problem))(keys)
    eigensystem = problem.eigensystem()
    expected = kd.closed_form(kd.StochasticDescent(0.05, 4, 0, steps), eigensystem).coordinates
    seen = eigensystem.of_parameters(runs)
    error = (seen.mean(0) - expected) / (seen.std(0) / np.sqrt(draws))
    assert np.abs(error).max() < 4 and np.asarray(seen.std(0)).min() > 0  # ten standard errors, and real noise


# Paths and clocks.


ALL = LOOPS | {"flow": kd.GradientFlow(TIMES), "ridge": kd.Ridge(np.array([10.0, 1e-3, 1.0]))}
FIELD = {"flow": "time", "ridge": "penalty"}


FACES = ("filter", "residual", "log_filter", "log_residual")


@jax.jit
def faces(learner, eigenvalues):
    """All four in one program."""
    return {face: getattr(learner, face)(eigenvalues) for face in FACES}


@pytest.mark.parametrize("name", ALL)
def test_a_path_equals_its_points_in_their_order(name):
    learner, field = ALL[name], FIELD.get(name, "steps")
    eigenvalues = jnp.array([2.0, 0.5, 0.01, 0.0])
    stops = np.asarray(getattr(learner, field))

    def at(stop):
        return dataclasses.replace(learner, **{field: stop})

    points = [at(stop) for stop in stops.tolist()]
    path, single = faces(learner, eigenvalues), [faces(point, eigenvalues) for point in points]
    for face in FACES:
        assert path[face].shape == (len(stops), 4)
        wanted = np.stack([point[face] for point in single])
        np.testing.assert_allclose(path[face], wanted, rtol=1e-14)  # same formulas, other fusions
    fitted = learner.fit(WIDE)
    near(fitted, np.stack([point.fit(WIDE) for point in points]))
    np.testing.assert_array_equal(learner.clock, [point.clock for point in points])
    np.testing.assert_array_equal(at(stops.tolist()).fit(WIDE), fitted)  # a list is as good as an array
    np.testing.assert_array_equal(at(stops.tolist()).filter(eigenvalues), learner.filter(eigenvalues))
    # one moment is a path of one, and no moment one of none
    for few in (stops[:1], stops[:0]) if name in ("descent", "flow") else ():
        assert at(few).fit(WIDE).shape == (len(few), 9) and at(few).filter(eigenvalues).shape == (len(few), 4)


def test_clocks():
    assert kd.Ridge(4.0).clock == 0.25
    assert kd.GradientFlow(4.0).clock == 4.0
    for learner in (kd.GradientDescent(0.5, 6), kd.HeavyBall(0.5, 0.9, 6), kd.Nesterov(0.5, 0.9, 6)):
        assert learner.clock == 3.0
    assert kd.switch(kd.GradientFlow(1.0), kd.GradientDescent(0.5, [2, 6])).clock.tolist() == [2.0, 4.0]
    assert kd.distill(kd.GradientFlow(1.0), kd.GradientDescent(0.5, [2, 6])).clock.tolist() == [1.0, 3.0]
    assert np.isnan(kd.Filter(lambda x: x).clock)
    for plain in (kd.Ridge(1.0), kd.GradientFlow(1.0), kd.GradientDescent(0.5, 1)):
        np.testing.assert_allclose(plain.stopped(0.2).clock, 0.2, rtol=4e-16)
        assert plain.stopped(jnp.array([0.2, 2.0])).filter([1.0, 0.5]).shape == (2, 2)


def test_rates_are_what_the_clock_multiplies():
    eigenvalues = jnp.array([0.0, 1e-9, 0.3, 1.9])
    for learner in (kd.GradientFlow(3.0), kd.GradientDescent(0.5, 6)):
        depth = -learner.log_residual(eigenvalues)
        np.testing.assert_allclose(learner.rate(eigenvalues) * learner.clock, depth, rtol=1e-15)


def test_filters_of_the_textbook():
    """Plain formulas at ordinary numbers, where nothing cancels badly; every face follows."""
    eigenvalues = np.array([1.5, 0.7, 0.2])
    plain = {
        kd.Ridge(0.3): eigenvalues / (eigenvalues + 0.3),
        kd.GradientFlow(2.0): 1 - np.exp(-2 * eigenvalues),
        kd.GradientDescent(0.4, 5): 1 - (1 - 0.4 * eigenvalues) ** 5,
        kd.Filter(lambda l: l / 2): eigenvalues / 2,
    }
    for learner, wanted in plain.items():
        got = faces(learner, eigenvalues)
        np.testing.assert_allclose(got["filter"], wanted, rtol=2e-15)
        np.testing.assert_allclose(got["residual"], 1 - wanted, rtol=4e-15)
        np.testing.assert_allclose(got["log_filter"], np.log(wanted), rtol=4e-15)
        np.testing.assert_allclose(got["log_residual"], np.log1p(-wanted), rtol=4e-15)
        lost = jax.jit(lambda learner, l: learner.shares(l).lost)(learner, eigenvalues)
        assert (np.asarray(lost.value) == 0).all() and (np.asarray(lost.log) == -np.inf).all()
    tiny = kd.Filter(lambda l: 1e-20 * l)
    assert tiny.log_residual(1.0) == -1e-20 and tiny.residual(1.0) == 1.0


def test_inputs_of_any_kind_become_float64():
    eigenvalues = np.array([2, 1])
    for learner in (kd.Nesterov(1, 0, 2), kd.Filter(lambda l: l > 1)):
        wanted = learner.filter(jnp.array([2.0, 1.0]))
        for given_as in (eigenvalues, eigenvalues.tolist(), eigenvalues.astype(np.float32)):
            got = learner.filter(given_as)
            assert got.dtype == jnp.float64
            np.testing.assert_array_equal(got, wanted)
        assert learner.filter(2).shape == ()


# Step sizes: tuning and stability.


def test_no_step_size_means_one_over_the_largest_eigenvalue():
    for problem in PROBLEMS.values():
        top, eigensystem = np.linalg.eigvalsh(arrays(problem)[0])[-1], problem.eigensystem()
        tuned = kd.GradientDescent(1 / top, 5).fit(problem)
        near(kd.GradientDescent(None, 5).fit(problem), tuned)
        seen = kd.simulate(kd.GradientDescent(None, 5), problem, eigensystem)
        near(seen.coordinates, eigensystem.of_parameters(tuned))
        near(seen.clock, 5 / top)
        near(kd.closed_form(kd.GradientDescent(None, 5), eigensystem).clock, 5 / top)
    for kind in (kd.HeavyBall, kd.Nesterov):
        near(kind(None, 0.5, 5).fit(KERNEL), kind(1 / top, 0.5, 5).fit(KERNEL))
    chained = kd.self_distill(kd.switch(kd.GradientDescent(None, 3), kd.HeavyBall(None, 0.5, 2)), fits=2)
    assert [part.step_size for part in chained.tuned(4.0).parts()] == [0.25] * 4
    for kept in (kd.GradientDescent(0.3, 5), kd.Ridge(1.0)):
        assert kept.tuned(4.0) is kept
    assert kd.simulate(chained, WIDE).clock == pytest.approx(5 / np.linalg.eigvalsh(arrays(WIDE)[0])[-1], rel=1e-13)


def test_a_step_size_that_depends_on_data_is_asked_for():
    for learner in (kd.GradientDescent(None, 3), kd.HeavyBall(None, 0.5, 3), kd.Nesterov(None, 0.5, 3)):
        for use in (lambda learner: learner.filter(1.0), lambda learner: learner.clock):
            with pytest.raises(ValueError, match=r"step_size is None.*give a number, or use"):
                use(learner)


def spectral_radius(learner, x):
    """Of the recursion r'' = trace · r' - determinant · r of one direction."""
    b = getattr(learner, "momentum", 0.0)
    trace = 1 + b - x if not isinstance(learner, kd.Nesterov) else (1 - x) * (1 + b)
    determinant = b if not isinstance(learner, kd.Nesterov) else (1 - x) * b
    return np.max(np.abs(np.roots([1.0, -trace, determinant])))


BOUNDED = [kd.GradientDescent(1.0, 1)] + [
    kind(1.0, b, 1) for kind in (kd.HeavyBall, kd.Nesterov) for b in (0.0, 0.5, 0.9, -0.2, -0.45, -0.5, -0.8)
]


@pytest.mark.parametrize("learner", BOUNDED, ids=repr)
def test_every_learner_knows_its_largest_stable_step(learner):
    for top in (0.5, 4.0):
        bound = float(learner.max_step_size(top))
        below, above = (spectral_radius(learner, bound * top * (1 + side)) for side in (-1e-6, 1e-6))
        assert below < 1 < above
        for fraction in np.linspace(0.05, 0.95, 19):
            assert spectral_radius(learner, bound * top * fraction) < 1


def test_too_much_momentum_is_never_stable():
    for learner in (kd.HeavyBall(0.1, 1.5, 1), kd.HeavyBall(0.1, -1.0, 1), kd.Nesterov(0.1, 1.2, 1)):
        assert learner.max_step_size(1.0) == 0.0
        assert max(spectral_radius(learner, x) for x in np.geomspace(1e-3, 0.1, 20)) > 1
    for learner in (kd.HeavyBall(0.1, 1.0, 1), kd.Nesterov(0.1, 1.0, 1)):  # the last that stay bounded
        steps = np.linspace(0.01, 0.999, 20) * float(learner.max_step_size(1.0))
        assert max(spectral_radius(learner, x) for x in steps) < 1 + 1e-12
    assert kd.Ridge(1.0).max_step_size(5.0) == np.inf == kd.GradientFlow(1.0).max_step_size(5.0)


@pytest.mark.parametrize("kind", [kd.HeavyBall, kd.Nesterov])
@pytest.mark.parametrize("momentum", [-2.0, -1.01, 1.01, 5.0, np.inf])
def test_momentum_that_is_never_stable_is_named(kind, momentum):
    """F17: of any size below minus one as well."""
    assert kind(0.1, momentum, 3).max_step_size(1.0) == 0.0
    for run in (lambda l: kd.simulate(l, WIDE), lambda l: kd.closed_form(l, [1.0, 0.5])):
        with pytest.warns(
            UserWarning, match=rf"{kind.__name__}\.momentum is {momentum:g}, with which the loop diverges"
        ):
            run(kind(0.1, momentum, 3))


@pytest.mark.parametrize("problem", [TALL, KERNEL], ids=["tall", "kernel"])
def test_traced_steps_that_are_not_whole_are_no_number(problem):
    """F17: they cannot be refused, and are not rounded."""
    for make in (
        lambda k: kd.GradientDescent(0.05, k),
        lambda k: kd.Nesterov(0.05, 0.9, k),
        lambda k: kd.StochasticDescent(0.05, 2, 0, k),
    ):
        fits = jax.jit(lambda k, make=make: make(k).fit(problem))(jnp.array([3.0, 2.5, -1.0, np.nan, np.inf, 1e300]))
        near(fits[0], make(3).fit(problem))
        assert np.isnan(fits[1:]).all()
        assert np.isnan(jax.jit(lambda k, make=make: make(k).fit(problem))(0.5)).all()


def test_an_optimizer_that_logs_its_look_ahead_point():
    """F23: optax's Nesterov keeps z only; the parameters follow from it."""
    momentum, optimizer = 0.9, optax.sgd(0.05, momentum=0.9, nesterov=True)
    z = jnp.zeros(WIDE.zeros().shape)
    state, log = optimizer.init(z), [z]
    for _ in range(40):
        update, state = optimizer.update(WIDE.gradient(z), state)
        z = optax.apply_updates(z, update)
        log.append(z)
    ours = kd.Nesterov(0.05, momentum, np.arange(41)).fit(WIDE)
    near(ours[1:] + momentum * (ours[1:] - ours[:-1]), jnp.stack(log[1:]))
    w = [log[0]]
    for z in log[1:]:
        w.append((z + momentum * w[-1]) / (1 + momentum))
    near(ours, jnp.stack(w))
    assert np.max(np.abs(ours - jnp.stack(log))) > 0.01  # as logged they are others


def test_a_traced_step_is_not_judged():
    """Nothing is known of it yet: the run goes on under jit, without a warning."""
    run = jax.jit(lambda step_size: kd.GradientDescent(step_size, 5).fit(TALL))
    near(run(0.05), kd.GradientDescent(0.05, 5).fit(TALL))
    eigensystem = TALL.eigensystem()
    seen = jax.jit(lambda step_size: kd.simulate(kd.GradientDescent(step_size, 5), TALL, eigensystem).coordinates)
    near(seen(0.05), kd.simulate(kd.GradientDescent(0.05, 5), TALL, eigensystem).coordinates)


def test_a_step_past_the_bound_is_warned_of_and_runs():
    problem = kd.problems.with_spectrum(0, [2.0, 0.5], samples=4)
    eigensystem = problem.eigensystem()
    descent = lambda e: kd.GradientDescent(e, 5)
    cases = [  # how it is made, its name in the warning, its bound
        (descent, "GradientDescent", 1.0),
        (lambda e: kd.distill(descent(e), kd.Ridge(1.0)), "GradientDescent", 1.0),
        (lambda e: kd.switch(kd.Ridge(1.0), descent(e)), "GradientDescent", 1.0),
        (lambda e: kd.HeavyBall(e, 0.5, 5), "HeavyBall", 1.5),
        (lambda e: kd.Nesterov(e, 0.5, 5), "Nesterov", 0.75),
    ]
    for made, name, bound in cases:
        with pytest.warns(UserWarning, match=rf"{name}\.step_size is .* past the bound {bound:g} for λ_max = 2"):
            seen = kd.simulate(made(1.001 * bound), problem, eigensystem)
        with pytest.warns(UserWarning, match="the loop diverges"):
            expected = kd.closed_form(made(1.001 * bound), eigensystem)
        near(seen.coordinates, expected.coordinates)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kd.simulate(made(0.999 * bound), problem, eigensystem)
    with pytest.warns(UserWarning, match="λ_max = 2"):  # bare eigenvalues in any order
        kd.closed_form(kd.GradientDescent(1.5, 1), [0.1, 2.0])


# Mistakes.


MISTAKES = [  # learner, error, what the message must say
    (kd.GradientFlow(-1.0), ValueError, r"GradientFlow\.time must be >= 0, got -1\.0"),
    (kd.GradientFlow(np.nan), ValueError, r"GradientFlow\.time must be >= 0, got nan"),
    (kd.GradientFlow([1.0, -2.0]), ValueError, r"GradientFlow\.time must be >= 0, got -2\.0"),
    (kd.GradientFlow(np.ones((2, 2))), ValueError, r"GradientFlow\.time must be .*one-dimensional, got shape \(2, 2\)"),
    (kd.GradientDescent(0.1, -1), ValueError, r"GradientDescent\.steps must be >= 0, got -1"),
    (kd.GradientDescent(0.0, 1), ValueError, r"\.step_size must be positive, got 0\.0; None means 1/λ_max"),
    (kd.GradientDescent(-0.1, 1), ValueError, r"step_size must be positive, got -0\.1"),
    (kd.GradientDescent(np.nan, 1), ValueError, r"step_size must be a number, got nan"),
    (kd.HeavyBall(0.1, np.nan, 1), ValueError, r"HeavyBall\.momentum must be a number, got nan"),
    (kd.Ridge(np.nan), ValueError, r"Ridge\.penalty must be a number, got nan"),
    (
        kd.GradientDescent(jnp.array([0.1, 0.2]), 3),
        ValueError,
        r"GradientDescent\.step_size has shape \(2,\).*only GradientDescent\.steps may be an array.*jax\.vmap",
    ),
    (kd.HeavyBall(0.1, [0.1, 0.2], [1, 2]), ValueError, r"HeavyBall\.momentum has shape \(2,\).*jax\.vmap"),
    (1.0, TypeError, r"learner must be one of kdtheory's, such as GradientDescent\(step_size, steps\); got 1\.0"),
    (kd.GradientFlow, TypeError, "learner must be one of kdtheory's"),
]


@pytest.mark.parametrize(("learner", "error", "message"), MISTAKES, ids=str)
def test_mistakes_are_named(learner, error, message):
    with pytest.raises(error, match=message):
        kd.simulate(learner, WIDE)
    with pytest.raises(error, match=message):
        kd.closed_form(learner, [1.0, 0.5])
    if isinstance(learner, kd.Learner):  # also deep inside
        with pytest.raises(error, match=message):
            kd.closed_form(kd.switch(kd.Ridge(1.0), kd.distill(kd.Ridge(1.0), learner)), [1.0, 0.5])


def test_an_algorithm_never_gets_to_infinity():
    """Theory does; a loop would run for ever."""
    for learner, field in (
        (kd.GradientFlow(np.inf), "time"),
        (kd.GradientFlow([1.0, np.inf]), "time"),
        (kd.Ridge(np.inf), "penalty"),
        (kd.GradientDescent(0.1, np.inf), "steps"),
    ):
        with pytest.raises(ValueError, match=f"{field} must be finite for a fit, got .*closed_form"):
            learner.fit(WIDE)
    assert kd.GradientFlow(np.inf).filter([1.0, 0.0]).tolist() == [1.0, 0.0]
    assert np.isnan(jax.jit(lambda t: kd.GradientFlow(t).fit(WIDE))(np.inf)).all()  # where no check can look
    near(kd.GradientFlow(1e300).fit(TALL), np.linalg.lstsq(TALL.features, TALL.targets)[0], 1e-12)


def test_a_loop_takes_whole_steps():
    with pytest.raises(ValueError, match=r"steps must be whole numbers for a loop, got 1\.5; filter takes real ones"):
        kd.GradientDescent(0.1, 1.5).fit(WIDE)
    np.testing.assert_array_equal(kd.GradientDescent(0.1, 3.0).fit(WIDE), kd.GradientDescent(0.1, 3).fit(WIDE))


def test_what_a_written_filter_may_return():
    """F22: complex factors are not cut, and shapes are not guessed."""
    with pytest.raises(TypeError, match=r"what Filter\.function returns must hold real numbers .* got complex128"):
        kd.Filter(lambda l: l * 1j).filter([1.0, 2.0])
    for wrong, shape in (
        (lambda l: 1.0, r"\(\)"),
        (lambda l: jnp.ones((2, 2)), r"\(2, 2\)"),
        (lambda l: l[:1], r"\(1,\)"),
    ):
        with pytest.raises(ValueError, match=rf"one factor for each eigenvalue, of shape \(2,\); got {shape}"):
            kd.Filter(wrong).filter([1.0, 2.0])
    assert kd.Filter(lambda l: [0.5, 0.25]).filter([1.0, 2.0]).tolist() == [0.5, 0.25]


def test_fields_that_are_arrays_to_users_only():
    """F22: a range, or a column of a table."""
    for steps in (range(3), pandas.Series([0, 1, 2])):
        learner = kd.GradientDescent(0.1, steps)
        np.testing.assert_array_equal(learner.filter(1.0), kd.GradientDescent(0.1, [0, 1, 2]).filter(1.0))
        np.testing.assert_array_equal(learner.fit(WIDE), kd.GradientDescent(0.1, [0, 1, 2]).fit(WIDE))
        assert kd.closed_form(kd.distill(kd.Ridge(1.0), learner), [1.0, 0.5]).coordinates.shape == (3, 2)


def test_seeds_that_are_too_long():
    """F22: a message that names the argument."""
    for use in (
        lambda key: kd.problems.gaussian(key, [1.0], 3),
        lambda key: kd.StochasticDescent(0.1, 1, key, 3).fit(WIDE),
    ):
        with pytest.raises(ValueError, match=r"key must be a seed that fits in 64 bits, got 1180591620717411303424"):
            use(2**70)


def test_without_float64_nothing_is_warned_of():
    """F22: a warning is an error in these tests."""
    with jax.enable_x64(False):
        for learner in (kd.HeavyBall(0.1, 0.5, np.array([2, 3])), kd.Nesterov(0.1, 0.5, 3), kd.GradientDescent(0.1, 3)):
            assert learner.filter(np.float32(1.0)).dtype == jnp.float32
    assert float(kd.HeavyBall(0.1, 0.5, 2).filter(1.0)) == pytest.approx(0.24, rel=1e-15)


def test_a_filter_is_theory_only():
    with pytest.raises(TypeError, match=r"Filter is theory only.*closed_form"):
        kd.Filter(lambda l: l).fit(WIDE)
    with pytest.raises(TypeError):
        kd.Learner()  # abstract


# Transformations.


def test_vmap_sweeps_the_other_fields():
    etas, betas = jnp.array([0.02, 0.05]), jnp.array([0.1, 0.8])
    swept = jax.vmap(lambda e: kd.GradientDescent(e, STEPS).fit(TALL))(etas)
    near(swept, np.stack([kd.GradientDescent(e, STEPS).fit(TALL) for e in etas.tolist()]))
    swept = jax.vmap(lambda b: kd.HeavyBall(0.05, b, STEPS).filter([2.0, 0.1]))(betas)
    near(swept, np.stack([kd.HeavyBall(0.05, b, STEPS).filter([2.0, 0.1]) for b in betas.tolist()]))
    targets = jnp.stack([TALL.targets, 2 * TALL.targets])
    swept = jax.vmap(lambda y: kd.GradientFlow(0.7).fit(TALL.relabel(y)))(targets)
    single = kd.GradientFlow(0.7).fit(TALL)
    near(swept, np.stack([single, 2 * single]))
    record = jax.vmap(lambda learner: learner.filter(0.5))(kd.HeavyBall(etas, betas, jnp.array([3, 9])))
    near(record, [kd.HeavyBall(0.02, 0.1, 3).filter(0.5), kd.HeavyBall(0.05, 0.8, 9).filter(0.5)])


def test_jit_and_slopes_reach_fit():
    learner = kd.GradientDescent(None, 5)
    near(jax.jit(lambda problem: learner.fit(problem))(TALL), learner.fit(TALL))
    # the slope of the path in time is minus the gradient: the flow's own equation
    slope = jax.jacfwd(lambda t: kd.GradientFlow(t).fit(TALL))(0.7)
    near(slope, -TALL.gradient(kd.GradientFlow(0.7).fit(TALL)), 1e-12)
    # d/dc of (H + c)⁻¹b is -(H + c)⁻¹ of it
    matrix, _ = arrays(TALL)
    wanted = -np.linalg.solve(matrix + 0.3 * np.eye(4), kd.Ridge(0.3).fit(TALL))
    near(jax.jacfwd(lambda c: kd.Ridge(c).fit(TALL))(0.3), wanted, 1e-12)
    slope = jax.jacfwd(lambda e: kd.GradientDescent(e, 3).fit(WIDE))(0.05)
    step = 1e-6
    after, before = (kd.GradientDescent(0.05 + side, 3).fit(WIDE) for side in (step, -step))
    near(slope, (after - before) / (2 * step), 1e-8)


# Laws.


numbers = st.floats(1e-3, 1e2)
# eigenvalues below 2.3e-308, also once scaled, are read as zero
spectra = st.lists(st.just(0.0) | st.floats(1e-300, 50.0), min_size=4, max_size=4).map(lambda x: np.sort(x)[::-1])


@given(spectra, numbers, numbers)
def test_time_flows_as_a_semigroup(eigenvalues, first, then):
    """What is left multiplies."""
    left = [kd.GradientFlow(t).residual(eigenvalues) for t in (first, then, first + then)]
    np.testing.assert_allclose(left[0] * left[1], left[2], rtol=1e-12, atol=1e-300)  # first + then is rounded: λt ulp
    left = [kd.GradientDescent(0.01, k).residual(eigenvalues) for k in (first, then, first + then)]
    np.testing.assert_allclose(left[0] * left[1], left[2], rtol=1e-12, atol=1e-300)


@given(spectra, numbers, st.floats(1.0, 3.0))
def test_filters_increase_in_time_and_in_the_eigenvalue(eigenvalues, clock, longer):
    for learner in (kd.Ridge(1.0), kd.GradientFlow(1.0), kd.GradientDescent(0.019, 1.0)):
        filters = np.stack([learner.stopped(c).filter(eigenvalues) for c in (clock, clock * longer)])
        slack = 4 * np.finfo(float).eps
        assert (np.diff(filters, axis=0) >= -slack * filters[:1]).all()  # later is more
        assert (np.diff(filters, axis=1) <= slack * filters[:, :-1]).all()  # eigenvalues descend
        assert ((0 <= filters) & (filters <= 1)).all()
        assert (filters[:, eigenvalues == 0] == 0).all()


@given(spectra, numbers, st.integers(-20, 20))
def test_only_eigenvalue_times_clock_matters(eigenvalues, clock, power):
    """Scaling by a power of two is exact, so the filters are equal to the last bit."""
    scale = 2.0**power
    for learner in (kd.Ridge(1.0), kd.GradientFlow(1.0)):
        before, after = learner.stopped(clock), learner.stopped(clock / scale)
        np.testing.assert_array_equal(before.filter(eigenvalues), after.filter(eigenvalues * scale))
        np.testing.assert_array_equal(before.log_residual(eigenvalues), after.log_residual(eigenvalues * scale))
    for made in (lambda e: kd.GradientDescent(e, 7), lambda e: kd.Nesterov(e, 0.9, 7)):
        np.testing.assert_array_equal(made(0.01).filter(eigenvalues), made(0.01 / scale).filter(eigenvalues * scale))


@given(st.tuples(*[st.floats(0, 50)] * 3), st.tuples(*[st.integers(0, 500)] * 3))
def test_any_path_equals_its_points(times, steps):
    for learner, field, stops in (
        (kd.GradientFlow(0.0), "time", times),
        (kd.Ridge(0.0), "penalty", times),
        (kd.GradientDescent(0.7, 0), "steps", steps),
        (kd.Nesterov(0.7, 0.9, 0), "steps", steps),
    ):
        at = lambda stop, learner=learner, field=field: dataclasses.replace(learner, **{field: stop})
        whole = at(np.array(stops)).filter(1.1)
        np.testing.assert_allclose(whole, [at(stop).filter(1.1) for stop in stops], rtol=1e-14, atol=1e-300)
