"""Learners: their two faces against scikit-learn, scipy and plain loops; clocks, paths, tuning, warnings and
errors."""

import dataclasses
import warnings

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import mpmath
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
    """Where a step moves less than the rounding of what it is added to, against powers of a matrix in 60 digits."""
    steps, lost = 100_000, []
    for seed in range(3):
        problem = kd.problems.with_spectrum(seed, [1.0, 1e-5, 1e-7], samples=40)
        seen = kd.GradientDescent(1.0, steps).fit(problem, jnp.full(3, 1e3))
        features, targets, plain = np.asarray(problem.features), np.asarray(problem.targets), np.full(3, 1e3)
        for _ in range(steps):
            plain = plain - features.T @ (features @ plain - targets) / 40
        with mpmath.workdps(60):
            X, y = mpmath.matrix(features.tolist()), mpmath.matrix(targets.tolist())
            fixed = mpmath.lu_solve(X.T * X / 40, X.T * y / 40)
            end = fixed + (mpmath.eye(3) - X.T * X / 40) ** steps * (mpmath.matrix([1000] * 3) - fixed)
            off = lambda w, end=end: max(abs(float(a - mpmath.mpf(b))) for a, b in zip(end, w.tolist(), strict=True))
            lost.append((off(seen), off(plain)))
    kept, plainly = np.array(lost).T
    assert kept.max() <= 1e-14 * 1e3 and kept.sum() < plainly.sum() / 2  # without a renewed gradient 1e-12 of 1e3


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


def test_no_steps_in_a_schedule_and_no_fits_are_refused():
    nothing = kd.GradientDescent(np.array([]), 0)
    for run in (lambda: kd.closed_form(nothing, [2.0, 1.0]), lambda: nothing.fit(WIDE)):
        with pytest.raises(ValueError, match=r"GradientDescent\.step_size is empty"):
            run()
    with pytest.raises(ValueError, match="fits must be whole numbers >= 1"):
        kd.SelfDistilled(kd.Ridge(1.0), 0.5, np.array([])).fit(WIDE)


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
    for time in (np.inf, np.nan, -0.7):
        assert np.isnan(jax.jit(lambda t: kd.GradientFlow(t).fit(WIDE))(time)).all()  # where no check can look
    endless = kd.GradientDescent(1.0, np.inf)  # past the bound 2/λ it swings for ever between two signs
    np.testing.assert_array_equal(endless.filter([0.0, 0.5, 1.0, 1.5, 2.0, 2.5]), [0, 1, 1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(endless.residual([0.0, 0.5, 1.5, 2.0, 2.5]), [1, 0, 0, np.nan, np.nan])
    near(kd.GradientFlow(1e300).fit(TALL), np.linalg.lstsq(TALL.features, TALL.targets)[0], 1e-12)


def test_a_loop_takes_whole_steps():
    with pytest.raises(ValueError, match=r"steps must be whole numbers for a loop, got 1\.5; filter takes real ones"):
        kd.GradientDescent(0.1, 1.5).fit(WIDE)
    np.testing.assert_array_equal(kd.GradientDescent(0.1, 3.0).fit(WIDE), kd.GradientDescent(0.1, 3).fit(WIDE))
    for learner in (kd.HeavyBall(0.1, 0.5, 1.5), kd.Nesterov(0.1, 0.5, np.inf)):  # whose filter takes them neither
        with pytest.raises(ValueError, match=r"steps must be .* for a (loop|fit), got (1\.5|inf)$"):
            learner.fit(WIDE)
        assert np.isnan(learner.filter(1.0))


def test_what_is_no_learner_or_filter_is_refused_at_once():
    with pytest.raises(TypeError, match=r"learner must be a learner, such as GradientDescent.*; got 'ridge'"):
        kd.self_distill("ridge", 1)
    with pytest.raises(TypeError, match=r"Filter\.function must be a function of eigenvalues, got 3"):
        kd.Filter(3).filter([1.0])


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


# Schedules of step sizes, algorithms without a filter, paths written for one moment.

SCHEDULE = np.concatenate([np.geomspace(1.6, 0.01, 60), np.full(40, 0.7)])  # some steps alternate, some hardly move


@pytest.mark.parametrize("λ", [1.0, 0.3, 1e-3, 1e-9, 1e-17, 0.0, 1 / 1.6])
def test_a_schedule_is_the_product_of_its_steps(λ):
    """In 60 digits; the logs too, and what is learnt where hardly anything is."""
    steps = [0, 1, 7, 60, 100]
    learner = kd.GradientDescent(SCHEDULE, np.array(steps))
    with mpmath.workdps(60):
        exact = [mpmath.fprod(1 - mpmath.mpf(η) * mpmath.mpf(λ) for η in SCHEDULE[:k].tolist()) for k in steps]
        for k, left in enumerate(exact):
            learnt = 1 - left
            assert abs(float(learner.filter(λ)[k]) - learnt) <= 1e-15 * max(abs(learnt), 1e-300) + 2e-16 * abs(left)
            assert abs(float(learner.residual(λ)[k]) - left) <= 1e-14 * abs(left) + 1e-300
            for log, whole in ((learner.log_filter, learnt), (learner.log_residual, left)):
                if whole > 0:
                    wanted = mpmath.log(whole)
                    assert abs(float(log(λ)[k]) - wanted) <= 1e-14 * max(abs(wanted), 1e-300) + 1e-16 * abs(wanted)
                else:
                    assert float(log(λ)[k]) == -np.inf if whole == 0 else np.isnan(log(λ)[k])
    clocks = [float(np.sum(SCHEDULE[:k])) for k in steps]
    np.testing.assert_allclose(learner.clock, clocks, rtol=1e-14)


def test_a_schedule_of_equal_steps_is_a_step_size():
    λ = jnp.geomspace(1e-8, 1.9, 9)
    scheduled, plain = (kd.GradientDescent(step, [0, 3, 40]) for step in ([0.5] * 40, 0.5))
    for face in ("filter", "residual", "log_filter"):
        np.testing.assert_allclose(getattr(scheduled, face)(λ), getattr(plain, face)(λ), rtol=2e-14)
    np.testing.assert_allclose(scheduled.clock, plain.clock)
    slope = jax.grad(lambda x: scheduled.filter(x)[2])(0.3)
    assert float(slope) == pytest.approx(40 * 0.5 * 0.85**39, rel=1e-13)


def test_loops_with_a_schedule():
    problem = kd.problems.with_spectrum(0, [1.0, 0.3, 0.01], samples=12, noise=0.2)
    kernel = kd.problems.kernel(np.diag([3.0, 1.0, 0.1]), np.array([1.0, -1.0, 2.0]))
    for ground in (problem, kernel):
        w, path = np.zeros(ground.zeros().shape), [np.zeros(ground.zeros().shape)]
        for η in SCHEDULE:
            w = w - η * np.asarray(ground.gradient(w))
            path.append(w)
        seen = kd.GradientDescent(SCHEDULE, [0, 9, 100, 42]).fit(ground)
        np.testing.assert_allclose(seen, np.array(path)[[0, 9, 100, 42]], atol=1e-12)
    system = problem.eigensystem()
    student = kd.distill(kd.GradientDescent(SCHEDULE, 30), kd.GradientDescent(SCHEDULE, [10, 90]))
    seen, expected = kd.simulate(student, problem, system), kd.closed_form(student, system)
    np.testing.assert_allclose(seen.coordinates, expected.coordinates, atol=1e-13)
    kd.testing.check_learner(lambda steps: kd.GradientDescent(SCHEDULE / 2, steps))
    kd.testing.check_learner(kd.StochasticDescent(SCHEDULE / 8, 6, 0, 50))
    one_batch = kd.StochasticDescent(SCHEDULE, 3, 0, [5, 50]).fit(kd.problems.linear(np.ones((4, 1)), np.ones(4)))
    np.testing.assert_allclose(one_batch[:, 0], [1 - np.prod(1 - SCHEDULE[:k]) for k in (5, 50)], atol=1e-13)
    jitted = jax.jit(lambda steps: kd.GradientDescent(SCHEDULE, steps).fit(problem))(jnp.array([9, 101, -1]))
    assert np.isfinite(jitted[0]).all() and np.isnan(jitted[1:]).all()
    traced = jax.jit(lambda steps: kd.GradientDescent(SCHEDULE, steps).filter(0.5))(
        jnp.array([100.0, 101.0, 2.5, -1.0])
    )
    assert np.isnan(traced).tolist() == [False, True, True, True]


def test_mistakes_with_schedules():
    problem = kd.problems.with_spectrum(0, [1.0, 0.3])
    for learner, message in (
        (
            kd.GradientDescent([0.1, 0.2], [1, 3]),
            r"step_size has shape \(2,\), a schedule of 2 steps, but .* reach 3\.",
        ),
        (kd.GradientDescent([0.1, -0.2], 2), r"step_size must be finite and >= 0, got -0\.2 for step 1"),
        (kd.GradientDescent([0.1, np.nan], 2), "step_size must be a number, got nan"),
        (kd.GradientDescent(np.ones((2, 2)), 2), r"GradientDescent\.step_size has shape \(2, 2\)"),
        (kd.HeavyBall([0.1, 0.2], 0.5, 2), r"HeavyBall\.step_size has shape \(2,\), but only HeavyBall\.steps may be"),
    ):
        with pytest.raises(ValueError, match=message):
            kd.simulate(learner, problem)
    with pytest.warns(UserWarning, match=r"a schedule that multiplies what is left along λ_max = 1 by 8: the loop div"):
        kd.simulate(kd.GradientDescent([3.0, 3.0, 3.0], 3), problem)
    kd.simulate(kd.GradientDescent([3.0, 0.9], 2), problem)  # one long step is made good by the next
    for refused in ("stopped", "rate"):
        with pytest.raises(TypeError, match="under a schedule"):
            getattr(kd.GradientDescent([0.1], 1), refused)(1.0)
    with pytest.raises(TypeError, match="GradientDescent's do not"):
        kd.every_student(kd.GradientDescent([0.1, 0.2], 1), problem, [1], [1])
    with pytest.raises(ValueError, match="teacher must be a single stopped learner"):
        kd.distill(kd.GradientDescent([0.1, 0.2], [1, 2]), kd.Ridge(1.0))


def conjugate_gradients(steps):
    """Conjugate gradients on the normal equations: no filter, since what it does depends on the targets."""

    def fit(problem, start):
        matrix, vector = map(np.asarray, problem.normal_equations())
        w, path = np.array(start), [np.array(start)]
        residual = vector - matrix @ w
        towards = residual.copy()
        for _ in range(int(np.max(steps))):
            size = residual @ residual
            if size < 1e-28:
                path.append(w)
                continue
            length = size / (towards @ matrix @ towards)
            w, residual = w + length * towards, residual - length * (matrix @ towards)
            towards = residual + (residual @ residual) / size * towards
            path.append(w)
        return np.array(path)[np.asarray(steps)]

    return kd.Algorithm(fit, clock=steps)


def test_an_algorithm_of_ones_own_goes_everywhere():
    problem = kd.problems.with_spectrum(0, [1.0, 0.5, 0.1], samples=20, noise=0.3)
    system = problem.eigensystem()
    path = kd.simulate(conjugate_gradients(np.arange(4)), problem, system)
    np.testing.assert_allclose(path.progress[3], 1.0, atol=1e-9)  # in as many steps as directions
    assert path.clock.tolist() == [0.0, 1.0, 2.0, 3.0] and float(path.progress[1].max()) < 1.5
    taught = problem.taught(problem.predict(conjugate_gradients(2).fit(problem)))
    student = kd.distill(conjugate_gradients(2), conjugate_gradients(np.arange(4)))
    np.testing.assert_array_equal(student.fit(problem), conjugate_gradients(np.arange(4)).fit(taught))
    mixed = kd.simulate(kd.switch(conjugate_gradients(1), kd.GradientFlow([0.0, 1e5])), problem, system)
    np.testing.assert_allclose(mixed.coordinates[0], path.coordinates[1], atol=1e-12)
    np.testing.assert_allclose(mixed.progress[1], 1.0, atol=1e-9)
    warm = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(conjugate_gradients(0).fit(problem, warm), warm)
    descent = kd.Algorithm(lambda problem, start: kd.GradientDescent(0.5, [3, 5]).fit(problem, start), clock=[1.5, 2.5])
    kd.testing.check_learner(descent)
    np.testing.assert_array_equal(descent.fit(problem, warm), kd.GradientDescent(0.5, [3, 5]).fit(problem, warm))
    for refused in (
        lambda: kd.closed_form(descent, system),
        lambda: descent.filter(1.0),
        lambda: descent.stopped(1.0),
    ):
        with pytest.raises(TypeError, match="Algorithm has no"):
            refused()
    with pytest.raises(ValueError, match=r"Algorithm's fit must return parameters of shape \(2, 3\), .*; got \(2, 2\)"):
        kd.Algorithm(lambda problem, start: np.ones((2, 2)), [1.0, 2.0]).fit(problem)
    with pytest.raises(TypeError, match="fit must be a function of a problem and a start, got 3"):
        kd.Algorithm(3, 1.0)
    with pytest.raises(ValueError, match="must be >= 0, got -1"):
        kd.Algorithm(lambda problem, start: start, -1.0).fit(problem)
    with pytest.raises(ValueError, match="teacher must be a single stopped learner"):
        kd.distill(descent, descent)


@kd.record
class _Iterated(kd.Learner):
    """Ridge around its own solution, written for one penalty."""

    rounds: int = kd.static()
    penalty: float

    @kd.along_path
    def filter(self, eigenvalues):
        return 1.0 - (self.penalty / (eigenvalues + self.penalty)) ** self.rounds

    @kd.along_path
    def fit(self, problem, start=None):
        for _ in range(self.rounds):
            start = kd.Ridge(self.penalty).fit(problem, start)
        return start

    clock = property(lambda self: self.rounds / self.penalty)


def test_a_learner_that_is_written_for_one_moment_is_a_path():
    kd.testing.check_learner(lambda penalty: _Iterated(2, penalty), clocks=(0.1, 0.5, 2.0))
    problem, λ = kd.problems.with_spectrum(0, [1.0, 0.5, 0.1]), jnp.array([1.0, 0.5, 0.1])
    path = _Iterated(3, jnp.array([2.0, 1.0, 0.1]))
    for moment, penalty in enumerate((2.0, 1.0, 0.1)):  # three by three: a broadcast would pass unseen
        np.testing.assert_allclose(path.filter(λ)[moment], _Iterated(3, penalty).filter(λ), rtol=1e-15)
        np.testing.assert_allclose(path.fit(problem)[moment], _Iterated(3, penalty).fit(problem), rtol=1e-14)
    student = kd.distill(_Iterated(1, 0.3), _Iterated(2, jnp.array([2.0, 1.0])))
    seen, expected = kd.simulate(student, problem), kd.closed_form(student, problem.eigensystem())
    np.testing.assert_allclose(seen.coordinates, expected.coordinates, atol=1e-13)
    np.testing.assert_allclose(
        jax.jit(lambda c: _Iterated(2, c).filter(λ))(jnp.array([2.0, 1.0])),
        _Iterated(2, jnp.array([2.0, 1.0])).filter(λ),
        rtol=1e-14,
    )
    assert seen.clock.tolist() == [1.0, 2.0]


def test_a_learner_that_does_not_take_paths_says_so():
    @kd.record
    class Scalar(kd.Learner):
        penalty: float
        filter = lambda self, eigenvalues: eigenvalues / (eigenvalues + jnp.sum(jnp.asarray(self.penalty)))
        fit = lambda self, problem, start=None: kd.Ridge(np.sum(self.penalty)).fit(problem, start)

    problem = kd.problems.with_spectrum(0, [1.0, 0.5, 0.1])
    with pytest.raises(
        ValueError, match=r"Scalar\.fit must have the shape \(2, 3\) for the path Scalar\.penalty.*along_p"
    ):
        kd.simulate(Scalar([1.0, 2.0]), problem)
    with pytest.raises(
        ValueError, match=r"Scalar\.filter must have the shape \(2, 3\) .*, but it has \(3,\); write it for"
    ):
        kd.closed_form(Scalar([1.0, 2.0]), problem.eigensystem())
    with pytest.raises(ValueError, match=r"_Iterated\.rounds is static, so it cannot be an array, got shape \(2,\)"):
        kd.simulate(_Iterated(np.array([1, 2]), 1.0), problem)


def test_seeds_may_be_mapped():
    problem = kd.problems.with_spectrum(0, [1.0, 0.1], samples=12, noise=0.3)
    run = lambda seed: kd.StochasticDescent(0.1, 4, seed, [3, 9]).fit(problem)
    np.testing.assert_allclose(jax.vmap(run)(jnp.arange(3)), [run(seed) for seed in range(3)], atol=1e-14)
    drawn = lambda key: kd.simulate(kd.GradientFlow([1.0]), kd.problems.gaussian(key, [1.0], 5)).progress
    with pytest.raises(TypeError, match="can be neither vmapped nor jitted over its data; use a loop"):
        jax.vmap(drawn)(jnp.arange(2))


def test_a_flow_for_ever_leaves_null_directions_alone():
    """Of centred rows one is null, in which exponentials of rounding would grow."""
    random = np.random.default_rng(0)
    wide = random.standard_normal((20, 50))
    low = random.standard_normal((12, 3)) @ random.standard_normal((3, 6))
    for table in (wide - wide.mean(0), low):
        new = random.standard_normal((5, table.shape[1]))
        for outputs in ((), (2,)):
            targets = random.standard_normal((len(table), *outputs))
            problem = kd.problems.linear(table, targets)
            limit = new @ np.linalg.pinv(table) @ targets
            path = kd.GradientFlow([1.0, 1e9, 1e12, 1e17, 1e20]).fit(problem)
            for parameters in path[1:]:
                np.testing.assert_allclose(new @ parameters, limit, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(path[0], kd.GradientFlow(1.0).fit(problem), rtol=1e-12, atol=1e-14)
            start = random.standard_normal(path[0].shape)
            ended = np.asarray(kd.GradientFlow(1e17).fit(problem, start))
            outside = np.eye(table.shape[1]) - np.linalg.pinv(table) @ table
            np.testing.assert_allclose(outside @ ended, outside @ start, atol=1e-12)
            np.testing.assert_allclose(table @ ended, table @ np.linalg.pinv(table) @ targets, atol=1e-12)


def test_a_penalty_below_rounding_on_a_singular_kernel():
    problem = kd.problems.kernel(np.ones((2, 2)), [1.0, 2.0])
    for penalty in (0.0, 1e-16, 1e-17, 1e-300):
        assert float(kd.simulate(kd.Ridge(penalty), problem).progress[0]) == pytest.approx(1.0, abs=1e-12)


def test_what_a_step_takes_at_once_has_slopes():
    """Against small differences: one step of 1/λ leaves nothing."""
    slopes = jax.jit(jax.grad(lambda sizes, λ: kd.GradientDescent(sizes, 2).filter(λ), (0, 1)))
    for sizes, by_sizes, by_λ in (([1.0, 0.5], [0.5, 0.0], 0.5), ([1.0, 1.0], [0.0, 0.0], 0.0)):
        found = slopes(jnp.array(sizes), 1.0)
        np.testing.assert_allclose(found[0], by_sizes, atol=1e-15)
        assert float(found[1]) == by_λ
    np.testing.assert_array_equal(kd.GradientDescent([1.0, 0.5], 2).residual([1.0, 2.0, 0.5]), [0.0, 0.0, 0.375])


def test_descent_for_ever_has_slopes():
    endless = kd.GradientDescent(0.5, np.inf)
    learners = endless, kd.SelfDistilled(endless, 0.5, 3), kd.distill(endless, kd.Ridge(1.0))
    slopes = jax.jit(jax.jacfwd(lambda λ: [learner.filter(λ) for learner in learners]))(1.0)
    assert [float(slope) for slope in slopes] == [0.0, 0.0, 0.25]
    assert float(jax.jit(jax.grad(lambda η: kd.GradientDescent(η, np.inf).filter(1.0)))(0.5)) == 0.0
    λ = [0.0, 1e-300, 1.0, 2.0, 4.0, 5.0]
    np.testing.assert_array_equal(endless.filter(λ), [0.0, 1.0, 1.0, 1.0, np.nan, np.nan])
    np.testing.assert_array_equal(endless.log_residual(λ), [0.0, -np.inf, -np.inf, -np.inf, np.nan, np.nan])
    assert kd.GradientDescent(-0.5, np.inf).filter(1.0) == -np.inf


def test_ridge_after_no_time():
    assert kd.Ridge(1.0).stopped(0).penalty == np.inf and isinstance(kd.Ridge(1.0).stopped(2).penalty, float)
    np.testing.assert_array_equal(kd.Ridge(1.0).stopped([1.0, 2.0]).penalty, [1.0, 0.5])
    with pytest.raises(ValueError, match="step_size is None"):
        kd.GradientDescent(None, 5).stopped(1.0)
