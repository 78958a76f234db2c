"""The spine: for every learner and every problem, the algorithm on the data agrees with filter times
target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd

STEPS = jnp.array([0, 1, 7, 60, 300])  # one shape for all paths, to compile less
TIMES = jnp.array([0.0, 0.1, 3.0, 50.0, 1e4])

descent = kd.GradientDescent(step_size=None, steps=40)
heavy = kd.HeavyBall(step_size=0.3, momentum=0.7, steps=25)
short, long, ridge = kd.GradientFlow(0.7), kd.GradientFlow(30.0), kd.Ridge(0.05)

LEARNERS = {
    "ridge": ridge,
    "ridge path": kd.Ridge(jnp.array([1e-6, 1e-3, 0.1, 1.0, 1e3])),
    "flow path": kd.GradientFlow(TIMES),
    "descent path": kd.GradientDescent(step_size=0.4, steps=STEPS),
    "descent past 1/λ": kd.GradientDescent(step_size=1.3, steps=STEPS),
    "heavy ball path": kd.HeavyBall(step_size=0.4, momentum=0.9, steps=STEPS),
    "nesterov path": kd.Nesterov(step_size=None, momentum=0.9, steps=STEPS),
    "distilled": kd.distill(long, short),
    "distilled path, weighted": kd.distill(descent, kd.GradientDescent(step_size=0.4, steps=STEPS), teacher_weight=0.6),
    "weight beyond one": kd.distill(ridge, short, teacher_weight=1.7),
    "self-distilled": kd.self_distill(ridge, fits=4, teacher_weight=0.8),
    "switched": kd.switch(short, kd.HeavyBall(step_size=0.4, momentum=0.5, steps=STEPS)),
    "loss switching": kd.switch(kd.distill(long, short), kd.GradientFlow(TIMES)),
    "switched back": kd.switch(heavy, kd.distill(ridge, short)),
    "nested three deep": kd.distill(
        kd.switch(kd.distill(kd.distill(long, heavy, 0.5), ridge, 1.2), kd.distill(ridge, descent)),
        kd.switch(kd.distill(heavy, kd.Nesterov(0.5, 0.8, 9)), kd.GradientDescent(step_size=0.4, steps=STEPS)),
        teacher_weight=0.9,
    ),
}


def data(samples, count, outputs, rank=None, seed=0):
    random = np.random.default_rng(seed)
    features = random.standard_normal((samples, count)) * np.arange(1, count + 1) ** -0.7
    if rank is not None:
        features = features[:, :rank] @ random.standard_normal((rank, count)) / rank
    features /= np.linalg.norm(features, 2) / np.sqrt(samples)  # λ_max = 1
    return features, random.standard_normal((samples, outputs) if outputs else samples)


def kernel_problem(outputs):
    x, targets = data(24, 3, outputs)
    gram = kd.kernels.rbf(jnp.asarray(x) * 3)
    return kd.problems.kernel(gram / np.linalg.norm(gram, 2) * len(gram), targets)


PROBLEMS = {
    "tall": kd.problems.linear(*data(40, 12, None)),
    "wide": kd.problems.linear(*data(12, 40, None)),
    "rank-deficient, three outputs": kd.problems.linear(*data(24, 12, 3, rank=7)),
    "as many outputs as samples": kd.problems.linear(*data(12, 12, 12)),
    "kernel": kernel_problem(None),
    "kernel, three outputs": kernel_problem(3),
}


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_fit_agrees_with_filter(learner, problem, warm):
    # a warm start costs a compilation only where the code differs: through what is left of it
    start = None
    if warm:
        if isinstance(problem, kd.problems.Kernel):
            start = 0.1 * problem.targets / np.linalg.norm(problem.targets)
        else:
            start = jax.random.normal(jax.random.key(5), problem.zeros().shape)
    eigensystem = problem.eigensystem()
    seen = kd.simulate(learner, problem, eigensystem, start=start)
    expected = kd.closed_form(learner, eigensystem, start=start)
    size = np.linalg.norm(problem.targets)
    assert seen.coordinates.shape == expected.coordinates.shape
    # coordinates divide the predictions' rounding, 1e-11 of the targets, by √(Nλ): the scale of a small
    # direction
    resolved = np.asarray(eigensystem.eigenvalues) >= 1e-6 * float(eigensystem.eigenvalues[0])
    time_scale = 2.3e-15 * float(jnp.max(expected.clock)) if np.all(np.isfinite(expected.clock)) else 0.0
    bound = (1e-11 + time_scale) * size  # the flow: 10·eps·λ₁·t
    difference = np.abs(seen.coordinates - expected.coordinates)
    axis = -2 if problem.targets.ndim == 2 else -1
    assert np.all(np.compress(resolved, difference, axis=axis) <= bound)
    # predictions are resolved along every direction, so here none is left out
    fitted = problem.predict(learner.tuned(eigensystem.eigenvalues[0]).fit(problem, start))
    theory = problem.predict(eigensystem.parameters(expected.coordinates, start))
    assert np.all(np.abs(fitted - theory) <= bound)


def steep(samples, count):
    """Eigenvalues over six decades: where a loop on XᵀX alone would lose five digits."""
    least, random = min(samples, count), np.random.default_rng(1)
    u = np.linalg.qr(random.standard_normal((samples, least)))[0]
    v = np.linalg.qr(random.standard_normal((count, least)))[0]
    return np.sqrt(samples) * u * np.geomspace(1, 1e-3, least) @ v.T, random.standard_normal(samples)


LONG = jnp.array([100, 10_000, 100_000])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (400, 40), (3, 60)], ids=str)
def test_a_hundred_thousand_steps_lose_no_digit(shape, momentum):
    problem = kd.problems.linear(*steep(*shape))
    learner = kd.HeavyBall(step_size=1.0, momentum=momentum, steps=LONG)
    eigensystem = problem.eigensystem()
    seen, expected = kd.simulate(learner, problem, eigensystem), kd.closed_form(learner, eigensystem)
    size = np.linalg.norm(problem.targets)
    # a gradient is rounded by eps·√λ₁|y|/√N, and 1/(1 - β) times as much of it adds up while a direction is learnt;
    # of the 2e-11 that 1e5 roundings of one sign would be, random ones reach a seventh
    assert np.max(np.abs(seen.coordinates - expected.coordinates)) <= 1e-11 / (1 - momentum) * size
    fits = problem.predict(eigensystem.parameters(seen.coordinates - expected.coordinates))
    assert np.max(np.abs(fits)) <= 1e-12 * size


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("samples", [3, 40, 520])  # the last is too large to be refined
def test_a_hundred_thousand_steps_on_a_kernel(samples, momentum):
    # F0: the same on every kind of processor
    features, targets = steep(samples, 60)
    problem = kd.problems.kernel(features @ features.T, targets)
    learner = kd.HeavyBall(step_size=1.0, momentum=momentum, steps=LONG)
    eigensystem = problem.eigensystem()
    seen, expected = kd.simulate(learner, problem, eigensystem), kd.closed_form(learner, eigensystem)
    size = np.linalg.norm(problem.targets)
    # along a direction not yet learnt dual coefficients have grown to |y|·clock/N(1 - β); as they are, rounded, they
    # add eps·λ₁·clock/(1 - β) to the predictions, here 2e-11, and as much by each of the products with K on the way
    bound = 1e-15 * float(learner.clock[-1]) / (1 - momentum) * size
    difference = seen.coordinates - expected.coordinates
    assert np.max(np.abs(difference)) <= bound
    assert np.max(np.abs(problem.predict(eigensystem.parameters(difference)))) <= bound


def test_the_two_faces_can_disagree():
    # the comparison has teeth: a learner whose filter is off by a step is caught at once
    problem = PROBLEMS["tall"]
    seen = kd.simulate(kd.GradientDescent(0.4, 61), problem)
    expected = kd.closed_form(kd.GradientDescent(0.4, 60), problem.eigensystem())
    assert np.max(np.abs(seen.coordinates - expected.coordinates)) > 1e-4


def test_a_kernel_of_inner_products_is_the_linear_problem():
    features, targets = data(12, 40, 3)
    linear, kernel = kd.problems.linear(features, targets), kd.problems.kernel(features @ features.T, targets)
    learner = kd.distill(kd.Ridge(0.05), kd.GradientDescent(step_size=0.4, steps=STEPS))
    one, other = kd.simulate(learner, linear), kd.simulate(learner, kernel)
    # eigenvectors are defined up to sign: compare with the target's
    assert np.max(np.abs(one.progress - other.progress)) < 1e-12
