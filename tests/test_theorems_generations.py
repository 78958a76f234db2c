"""Models trained on models: exact laws against references and draws, what they are made of, and lies told of them."""

import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import VIOLATED
from kdtheory.theorems import generations

RANDOM = np.random.default_rng(9)
DRAWS = 4000


def of_least_squares(P, N, m):
    """The laws of `keeping_data_stops_collapse_of_least_squares`, as it states them."""
    i = np.arange(1, m + 1)
    return m * P / (N - P - 1), P / (N - P - 1) * np.sum(1 / i**2), P * np.sum(1 / (i * (i * N - P - 1)))


def test_laws_of_the_reference(oracle):
    rows = oracle.theorem("T13", "least squares")
    assert len(rows) == 2
    for name, given, expected in rows:
        laws = of_least_squares(given["P"], given["N"], given["generations"])
        for law, key in zip(laws, ("replace", "accumulate_same_inputs", "accumulate_fresh_inputs"), strict=True):
            assert oracle.agrees(law, expected[key], 1e-13), name
    for keep, law in zip(("replaced", "kept, same inputs"), of_least_squares(2, 30.0, 2), strict=False):
        assert float(generations.laws(keep, 30.0, 2, 0.0)) == pytest.approx(law, rel=1e-14)
    assert float(generations.laws("kept", 30.0, 2, 0.0)) == pytest.approx(of_least_squares(1, 30, 2)[2], rel=1e-14)


def test_laws_of_more_features_by_draws():
    """Within three standard errors of 4,000 draws, for five features: the claim runs one and two."""
    P, N, m = 5, 14, 4
    errors = np.zeros((DRAWS, 3, m))
    for draw in range(DRAWS):
        X, e = RANDOM.normal(size=(m, N, P)), RANDOM.normal(size=(m, N))
        inverse = np.linalg.pinv(X)
        w = [np.zeros(P)] * 3
        labels = np.zeros((0,))
        for j in range(m):
            w[0] = w[0] + inverse[j] @ e[j]
            w[1] = w[1] + inverse[0] @ e[j] / (j + 1)
            labels = np.append(labels, X[j] @ w[2] + e[j])
            w[2] = np.linalg.lstsq(X[: j + 1].reshape(-1, P), labels, rcond=None)[0]
            errors[draw, :, j] = [v @ v for v in w]
    mean, error = errors.mean(0), errors.std(0) / np.sqrt(DRAWS)
    laws = np.array([of_least_squares(P, N, j) for j in range(1, m + 1)]).T
    assert np.all(abs(mean - laws) < 3 * error), (mean - laws) / error
    assert np.all(abs(mean[1, 2:] - laws[0, 2:]) > 10 * error[1, 2:])  # and far from one another's


def of_minimum_norm(P, N, m, noise, signal):
    e, V = N / P, N / (P - N - 1)
    return signal * (1 - e**m) + e ** (m - 1) * V * noise, (1 - e**m) * (signal + V * noise / (1 - e))


def test_minimum_norm_of_the_reference_and_by_draws(oracle):
    rows = oracle.theorem("T13", "min-norm")
    assert len(rows) == 2
    for name, given, expected in rows:
        laws = of_minimum_norm(*(given[key] for key in ("P", "N", "generations", "noise", "signal")))
        for law, key in zip(laws, ("noise_first_only", "noise_always"), strict=True):
            assert oracle.agrees(law, expected[key], 1e-13), name
    P, N, m, truth = 11, 5, 3, np.zeros(11)
    truth[0] = 0.5
    errors = np.zeros((DRAWS, 2))
    for draw in range(DRAWS):
        once = always = truth
        for j in range(m):
            X, e = RANDOM.normal(size=(N, P)), np.sqrt(2.0) * RANDOM.normal(size=N)
            inverse = np.linalg.pinv(X)
            once, always = inverse @ (X @ once + (e if j == 0 else 0.0)), inverse @ (X @ always + e)
        errors[draw] = np.sum((once - truth) ** 2), np.sum((always - truth) ** 2)
    laws = of_minimum_norm(P, N, m, 2.0, 0.25)
    assert np.all(abs(errors.mean(0) - laws) < 3 * errors.std(0) / np.sqrt(DRAWS))


def test_spikes_have_an_interior_best_and_flat_spectra_none():
    """Noise on the first labels alone, minimum norm: isotropic errors are monotone, those of spikes a U."""
    Stage, once = kd.generations.Stage, (0.7, *[0.0] * 29)
    chain = [Stage(kd.Ridge(0.0), 100, noise) for noise in once]
    flat = kd.generations.risk(chain, np.ones(150), 150**-0.5)
    assert np.all(np.diff(flat) > 0) or np.all(np.diff(flat) < 0)
    spiked = np.append(np.full(5, 40.0), np.ones(145))
    aligned = kd.generations.risk(chain, spiked, np.append(np.full(5, 0.1), np.zeros(145)))
    assert 2 < np.argmin(aligned) < 29 and aligned[0] > 1.5 * np.min(aligned) < aligned[-1]


def test_mixing_of_the_reference(oracle):
    rows = oracle.theorem("T13", "mixing")
    assert len(rows) == 3
    for name, given, expected in rows:
        f, w = given["filter"], given["real_weight"]
        variance, left = generations.steady(f, None, None, w, 1.0, 0.0)
        assert oracle.agrees(variance, expected["steady_variance"], 1e-13), name
        assert float(left) == pytest.approx(float(expected["steady_residual"]), rel=1e-13)
        weights = np.linspace(0.3, 0.9, 600_001)
        best = weights[np.argmin(generations.steady(f, None, None, weights, 1.0, 0.0)[0])]
        assert best == pytest.approx(float(expected["variance_optimal_weight"]), abs=2e-6)


def test_real_labels_that_are_drawn_once():
    """The same noise mixed in again and again: another variance, least below one half for small filters."""
    f, w, chains = 0.6, 0.4, 40_000
    real, state = RANDOM.normal(size=chains), np.zeros(chains)
    for _ in range(60):
        state = f * (w * real + (1 - w) * (state + RANDOM.normal(size=chains)))
    found = generations.steady(f, None, None, w, 1.0, 1.0)[0]
    assert abs(np.mean(state**2) - found) < 4 * np.std(state**2) / np.sqrt(chains)
    weights = np.linspace(0.2, 1.0, 801)
    best = lambda f: weights[np.argmin(generations.steady(f, None, None, weights, 1.0, 1.0)[0])]
    assert best(0.5) == pytest.approx(0.484, abs=1e-3) and best(0.9) == pytest.approx(0.879, abs=1e-3)


@pytest.mark.parametrize(
    "name, function",
    [
        ("at_least_half_of_the_labels_are_best_real", "steady"),
        ("keeping_data_stops_collapse_of_least_squares", "laws"),
        ("iterating_helps_where_noise_exceeds_signal", "projected"),
        ("bad_labels_are_another_truth_and_noise", "of_moments"),
    ],
)
def test_a_wrong_lane_is_seen(name, function, monkeypatch, afresh):
    """Each lane by itself decides: a theory that is off by a part of a thousand is no longer what is claimed."""
    right = getattr(generations, function)

    def wrong(*given):
        found = right(*given)
        if function == "steady":
            return found[0] * (1 + 0.5 * given[3]), found[1]
        return found * (1 + 1e-3)

    monkeypatch.setattr(generations, function, wrong)
    claim = getattr(kd.theorems, name)
    assert np.mean(claim.check(0, 64).verdicts == VIOLATED) > 0.2
