"""Logs of training loops that are not ours, teacher and student each: scikit-learn, optax, PyTorch."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd

EPOCHS, STOP = 60, 20


@pytest.fixture(scope="module")
def digits():
    """300 images of ten digits, centred, their labels as ten outputs, and the top eight directions."""
    images, labels = kd.datasets.digits()
    images = images[:300] - images[:300].mean(axis=0)
    problem = kd.problems.linear(images, kd.datasets.one_hot(labels[:300]))
    return problem, problem.eigensystem(8)


def compared(problem, system, train, seeds, level=0.3):
    """ρ of the lower half of the directions, and its interval over seeds, read off teachers and students.

    `train(seed, targets)` yields predictions (N, C) on the training inputs, the first before training. The seed's
    student begins where its teacher began.
    """
    teachers, students = [], []
    for seed in seeds:
        log = np.array(list(train(seed, np.asarray(problem.targets))))
        teachers.append(kd.project(problem, predictions=log, start=log[0], eigensystem=system))
        recorder = None
        for epoch, predictions in enumerate(train(seed, log[STOP])):
            recorder = recorder or kd.Recorder(problem, system, start=predictions)
            recorder(epoch, predictions)
        students.append(recorder.trajectory)
        assert teachers[-1].counted and not students[-1].counted
        for run in (teachers[-1], students[-1]):
            np.testing.assert_allclose(run.progress[0], 0.0, atol=1e-14)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "progress of .* is not monotone")  # batches
        ratios = 1 - kd.measures.observed_exaggeration(teachers, students, level)
        smooth = 1 - kd.measures.observed_exaggeration(teachers, students, level, isotonic=True)
    assert ratios.shape == (len(seeds), 8) and np.isfinite(ratios).all()
    np.testing.assert_allclose(ratios[:, 0], 1.0, atol=1e-12)  # matched there
    np.testing.assert_allclose(smooth, ratios, atol=0.02)  # little noise
    return kd.confidence.mean_interval(ratios[:, 4:].mean(axis=1))


def test_a_network_of_scikit_learn(digits):
    neural_network = pytest.importorskip("sklearn.neural_network")
    problem, system = digits
    images = np.asarray(problem.features)

    def train(seed, targets):
        network = neural_network.MLPRegressor(
            hidden_layer_sizes=(64,),
            solver="sgd",
            momentum=0.0,
            learning_rate_init=0.05,
            batch_size=60,
            random_state=seed,
        )
        for _ in range(EPOCHS + 1):  # there are no predictions before the first epoch
            yield network.partial_fit(images, targets).predict(images)

    mean, low, high = compared(problem, system, train, seeds=range(4))
    print(f"ρ = {mean:.3f}, from {low:.3f} to {high:.3f}")
    assert 0.3 < low and high < 1.0  # exaggerated beyond the scatter over seeds


def relu_network(key, inputs, width, outputs):
    first, second = jax.random.split(key)
    hidden = jax.random.normal(first, (inputs, width)) * (2 / inputs) ** 0.5
    return [hidden, jax.random.normal(second, (width, outputs)) / width**0.5]


def test_a_network_trained_by_optax(digits):
    optax = pytest.importorskip("optax")
    problem, system = digits
    optimiser = optax.sgd(0.02)

    def predict(weights, images=problem.features):
        return jax.nn.relu(images @ weights[0]) @ weights[1]

    @jax.jit
    def epoch(weights, state, targets, key):
        def step(carry, rows):
            weights, state = carry
            loss = lambda weights: jnp.mean((predict(weights, problem.features[rows]) - targets[rows]) ** 2) * 5
            updates, state = optimiser.update(jax.grad(loss)(weights), state)
            return (optax.apply_updates(weights, updates), state), None

        batches = jax.random.permutation(key, len(targets)).reshape(5, -1)
        return jax.lax.scan(step, (weights, state), batches)[0]

    def train(seed, targets):
        weights = relu_network(jax.random.key(seed), problem.features.shape[1], 64, targets.shape[1])
        state = optimiser.init(weights)
        yield predict(weights)
        for number in range(EPOCHS):
            weights, state = epoch(weights, state, targets, jax.random.key(1000 * seed + number))
            yield predict(weights)

    mean, low, high = compared(problem, system, train, seeds=range(4))
    print(f"ρ = {mean:.3f}, from {low:.3f} to {high:.3f}")
    assert 0.3 < low and high < 1.0  # exaggerated beyond the scatter over seeds


def test_a_network_of_torch(digits):
    """In float32, on mini-batches, and evaluated in mini-batches, whose predictions the recorder adds up."""
    torch = pytest.importorskip("torch")
    problem, system = digits
    images = torch.tensor(np.asarray(problem.features), dtype=torch.float32)

    def train(seed, targets):
        torch.manual_seed(seed)
        network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        optimiser = torch.optim.SGD(network.parameters(), lr=0.5)
        data = torch.utils.data.TensorDataset(images, torch.tensor(np.asarray(targets), dtype=torch.float32))
        with torch.no_grad():
            yield network(images)
        for _ in range(EPOCHS):
            for x, y in torch.utils.data.DataLoader(data, batch_size=60, shuffle=True):
                optimiser.zero_grad()
                torch.nn.functional.mse_loss(network(x), y).backward()
                optimiser.step()
            with torch.no_grad():
                yield network(images)

    mean, low, high = compared(problem, system, train, seeds=range(4))
    print(f"ρ = {mean:.3f}, from {low:.3f} to {high:.3f}")
    assert 0.3 < low and high < 1.0  # exaggerated beyond the scatter over seeds
    whole, parts = kd.Recorder(problem, system), kd.Recorder(problem, system)
    network = torch.nn.Linear(64, 10)
    order = torch.randperm(300)
    with torch.no_grad():
        whole(1.0, network(images))
        for rows in order.split(64):
            parts(1.0, network(images[rows]), rows)
    np.testing.assert_allclose(parts.trajectory.coordinates, whole.trajectory.coordinates, atol=1e-6)  # float32
    with pytest.raises(TypeError, match=r"predictions cannot be read as an array .*requires grad.*detach"):
        kd.Recorder(problem, system)(0.0, network(images))
