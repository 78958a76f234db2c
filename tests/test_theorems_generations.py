"""Models trained on models: exact laws against references and draws, what they are made of, and lies told of them."""

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import kdtheory as kd
from kdtheory import asymptotics
from kdtheory.claims import HOLDS, VIOLATED
from kdtheory.theorems import generations

RANDOM = np.random.default_rng(9)
DRAWS = 4000


def test_quadrature_of_chi_square():
    for k in (12.0, 19.0, 37.0, 400.0):
        x, weight = map(np.asarray, generations.chi_square(k))
        for found, exact in ((x, k), (x**2, k * (k + 2)), (1 / x, 1 / (k - 2))):
            assert weight @ found == pytest.approx(exact, rel=1e-11)


def test_data_sets_of_two_features_have_the_moments_of_a_wishart_matrix():
    L, weights = map(np.asarray, generations.two_columns(25.0))
    A = np.swapaxes(L, 1, 2) @ L
    np.testing.assert_allclose(np.tensordot(weights, A, 1), 25 * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(np.tensordot(weights, np.linalg.inv(A), 1), np.eye(2) / 22, atol=1e-13)
    second = np.einsum("d,dij,djk->ik", weights, A, A)  # E A² = N (N + P + 1)
    np.testing.assert_allclose(second, 25 * 28 * np.eye(2), atol=1e-8)


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


# Hard labels.


def test_signs_point_closer_to_the_truth():
    """Regression of sign(x·w) on inputs of two classes, by integrals along w: 2φ(M) (w/|w| + dμ/(1 + |μ|²))."""
    for separation, cosine in ((0.3, 0.9), (1.5, 0.2), (2.5, 0.6), (2.0, -0.4)):
        across = np.sqrt(1 - cosine**2)
        w, other, μ = np.array([cosine, across]), np.array([-across, cosine]), np.array([separation, 0.0])
        M = μ @ w
        d = (norm.cdf(M) - 0.5) / norm.pdf(M) - M
        assert float(generations.beyond(M)) == pytest.approx(d, rel=1e-11)
        half = lambda power, sign, M=M: quad(lambda u: u**power * norm.pdf(sign * u - M), 0, np.inf, epsabs=1e-14)[0]
        product = (half(1, 1) + half(1, -1)) * w + (half(0, 1) - half(0, -1)) * (μ @ other) * other
        regression = np.linalg.solve(np.eye(2) + np.outer(μ, μ), product)
        np.testing.assert_allclose(regression, 2 * norm.pdf(M) * (w + d * μ / (1 + μ @ μ)), rtol=1e-10)
        rows, weights = map(np.asarray, generations.two_classes(w, separation))
        np.testing.assert_allclose(weights @ (np.sign(rows @ w)[:, None] * rows), product, rtol=1e-12)
        np.testing.assert_allclose((weights * rows.T) @ rows, np.eye(2) + np.outer(μ, μ), atol=1e-12)


def mixture(learner, samples, dimension, separation, flipped, labels, generations):
    """Cosines from the truth of a teacher on flipped labels and of its students' students: THEOREMS2 T14.3, whose two
    numbers are the mean along the truth and the mean square, for any learner."""
    s, counts = [1 + separation**2, 1.0], [1, dimension - 1]
    on = lambda signal, noise: asymptotics.limit(s, samples, signal, noise, counts, test_covariance=[1.0, 1.0])
    φ = np.asarray(asymptotics.population_filter(learner, on([0.0, 0.0], 0.0)))
    whole = lambda signal, noise: float(asymptotics.risk(learner, on(signal, noise)).total)
    kept = np.array([whole([1.0, 0.0], 0.0), whole([0.0, 1.0], 0.0)]) + 2 * φ - 1  # of squares along and across
    noise = whole([0.0, 0.0], 1.0)
    along, across2 = (1 - 2 * flipped) * separation / s[0], 0.0
    rest, cosines = 1 - s[0] * along**2, []
    for _ in range(generations):
        a, square = φ[0] * along, kept[0] * along**2 + kept[1] * across2 + rest * noise
        cosines.append(a / np.sqrt(square))
        along, across2, rest = a, square - a**2, 0.0
        if labels == "hard":
            M = separation * cosines[-1]
            along = (separation * (2 * norm.cdf(M) - 1) + cosines[-1] * 2 * norm.pdf(M)) / s[0]
            across2 = (1 - cosines[-1] ** 2) * (2 * norm.pdf(M)) ** 2
            rest = 1 - s[0] * along**2 - across2
    return np.array(cosines)


def test_hard_labels_of_the_reference(oracle):
    rows = oracle.theorem("T14", "mixture")
    assert len(rows) == 2
    for name, given, expected in rows:
        separation = np.sqrt(given["mu2"])
        for labels in ("soft", "hard"):
            sizes = given["samples"], given["dimension"], separation, given["flipped"]
            cosines = mixture(kd.Ridge(given["penalty"]), *sizes, labels, 4)
            assert oracle.agrees(norm.cdf(separation * cosines), expected[f"{labels}_labels"], 1e-9), (name, labels)


@pytest.mark.parametrize("known", [0.0, 0.3])
@pytest.mark.parametrize("ratio", [0.2, 3.0])
def test_what_is_taught_is_the_limit(ratio, known):
    """One generation of the claim's two lanes, and of `asymptotics` with a million samples."""
    N, separation, c = 1_000_000, 1.5, 0.3
    for which, labels in enumerate(("soft", "hard")):
        first, second = mixture(kd.Ridge(c), N, round(ratio * N), separation, 0.2, labels, 2)
        lanes = generations.taught, generations.trained
        told, run = (float(lane(first, separation, ratio, c, known)[which]) for lane in lanes)
        assert told == pytest.approx(run, rel=1e-12)
        assert abs(told / second - 1) < 1e-5 if known == 0 else abs(told / second - 1) > 0.01


def drawn(fit, samples, dimension, separation, teacher, labels):
    """The parameters of a student of a teacher's outputs or signs, on new inputs of two classes."""
    X = RANDOM.normal(size=(samples, dimension))
    X[:, 0] += np.where(RANDOM.random(samples) < 0.5, separation, -separation)
    outputs = X @ teacher
    return fit(X, np.sign(outputs) if labels == "hard" else outputs)


@pytest.mark.parametrize("samples", [60, 180])
def test_generations_of_mixtures_by_draws(samples):
    """Within three standard errors, and 2/N for finite size, of a teacher on flipped labels and two students."""
    P, separation, flipped, draws = 90, 1.5, 0.2, 50
    flow = kd.GradientFlow(4.0), lambda λ: -np.expm1(-4.0 * λ) / λ
    learner, solve = flow if samples < P else (kd.Ridge(0.1), lambda λ: 1 / (λ + 0.1))

    def fit(X, labels):
        λ, V = np.linalg.eigh(X.T @ X / samples)
        return V @ (solve(np.maximum(λ, 1e-12)) * (V.T @ (X.T @ labels) / samples))

    truth = np.append(1.0, np.zeros(P - 1))
    for labels in ("soft", "hard"):
        found = np.empty((draws, 3, 2))
        for draw in range(draws):
            X = RANDOM.normal(size=(samples, P)) + separation * truth  # times the class
            w = fit(X, np.where(RANDOM.random(samples) < flipped, -1.0, 1.0))
            for j in range(3):
                w = drawn(fit, samples, P, separation, w, labels) if j else w
                found[draw, j] = w[0], w @ w
        mean = found.mean(0)
        cosines = mean[:, 0] / np.sqrt(mean[:, 1])
        each = found[:, :, 0] / mean[:, 0] - found[:, :, 1] / mean[:, 1] / 2  # slopes of the logarithm
        error = cosines * each.std(0) / np.sqrt(draws)
        expected = mixture(learner, samples, P, separation, flipped, labels, 3)
        assert np.all(abs(cosines - expected) < 3 * error + 2 / samples), (labels, cosines, expected, error)


def test_hard_labels_help_or_hurt_in_draws():
    """Least squares: on 2000 samples of 40 directions signs are better, on 80 worse, as the claim says at R = 1/49 and
    1, where the critical ratio is 0.25."""
    P, separation, cosine = 40, 1.5, 0.5
    teacher = np.append([cosine, np.sqrt(1 - cosine**2)], np.zeros(P - 2))
    fit = lambda X, labels: np.linalg.lstsq(X, labels, rcond=None)[0]
    for samples, better in ((2000, True), (80, False)):
        students = [drawn(fit, samples, P, separation, teacher, "hard") for _ in range(100)]
        cosines = np.array([w[0] / np.linalg.norm(w) for w in students])
        apart = (np.mean(cosines) - cosine) / (np.std(cosines) / 10)  # least squares of outputs is the teacher
        assert apart > 5 if better else apart < -5
    given = dict(cosine=0.5, separation=1.5, effective=0.5, known=0.0)
    for side in (-1.0, 1.0):
        assert kd.theorems.hard_labels_help_where_samples_suffice.at(apart=0.3, side=side, **given).verdict == HOLDS


# Two sets of features.


def two_spaces(Pw, Ps, target, labelled, unlabelled, noise):
    """Risks of least squares teacher and student of jointly Gaussian features, exact at every size."""
    dw, ds, overlap = np.trace(Pw), np.trace(Ps), np.trace(Ps @ Pw)
    missed, taught = target - Pw @ target, Pw @ target
    v = (noise + missed @ missed) / (labelled - dw - 1)
    off, left = target - Ps @ taught, taught - Ps @ taught
    student = off @ off + v * overlap + ds / (unlabelled - ds - 1) * (left @ left + v * (dw - overlap))
    return overlap, missed @ missed + v * dw, student


def projection(rows):
    rows = np.linalg.qr(np.array(rows, float).T)[0]
    return rows @ rows.T


def test_discrepancy_is_a_virtue(oracle):
    """The exact law against its reference, draws, and `generations.risk` as sizes grow."""
    [(_, given, expected)] = oracle.theorem("T12", "two Gaussian")
    Pw, Ps = projection(given["teacher_directions"]), projection(given["student_directions"])
    target = np.array(given["target"])
    law = two_spaces(Pw, Ps, target, given["labelled"], given["unlabelled"], given["noise"])
    for found, name in zip(law, ("overlap_dimension", "teacher_risk", "student_risk"), strict=True):
        assert oracle.agrees(found, expected[name], 1e-13), name
    W, S, errors = np.linalg.qr(np.array(given["teacher_directions"], float).T)[0], None, []
    S = np.linalg.qr(np.array(given["student_directions"]).T)[0]
    for _ in range(4000):
        z, new = RANDOM.normal(size=(9, 5)), RANDOM.normal(size=(7, 5))
        w = W @ np.linalg.lstsq(z @ W, z @ target + 0.5 * RANDOM.normal(size=9), rcond=None)[0]
        s = S @ np.linalg.lstsq(new @ S, new @ w, rcond=None)[0]
        errors.append([np.sum((w - target) ** 2), np.sum((s - target) ** 2)])
    mean, error = np.mean(errors, 0), np.std(errors, 0) / np.sqrt(4000)
    assert np.all(abs(mean - law[1:]) < 3 * error)
    Stage, many = kd.generations.Stage, (4000, 6000)
    weak = Stage(kd.Ridge(0.0), many[0], given["noise"] ** 0.5, np.array(given["teacher_directions"], float))
    strong = Stage(kd.Ridge(0.0), many[1], 0.0, np.array(given["student_directions"]))
    found = kd.generations.risk([weak, strong], np.ones(5), target)
    exact = two_spaces(Pw, Ps, target, *many, given["noise"])[1:]
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_the_claim_is_judged_on_that_law():
    """In three dimensions, with a teacher of one direction and a student of two, or the other way round."""
    for own in (1, 2):
        axes = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0][:own]
        truth, sees = RANDOM.normal(size=3), np.diag([1.0] * (3 - own) + [0.0] * own)
        expected = two_spaces(sees, axes.T @ axes, truth, 30, 25, 0.7)[1:]
        for lane in (generations.two_fits, generations.two_runs):
            found = jax.jit(lane, static_argnums=0)(own, axes, truth, 30.0, 25.0, 0.7, 0.0, 0.0)
            np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_student_that_can_represent_its_teacher_needs_more_than_two_samples_a_feature():
    """Better iff N > 2s + 1, whatever the spaces and the noise; equal there: by the law, and by draws beside it."""
    D, w, s = 6, 2, 3
    Ps = np.diag([1.0] * s + [0.0] * (D - s))
    tilted = np.zeros((w, D))
    tilted[0, 0], tilted[1, 1], tilted[1, 4] = 1.0, 0.6, 0.8  # of which the truth is the first
    Pw, truth = projection(tilted), 0.7 * np.eye(D)[0]
    gain = lambda fresh: np.subtract(*two_spaces(Pw, Ps, truth, 20, fresh, 0.25)[1:])
    assert gain(2 * s + 1) == pytest.approx(0.0, abs=1e-15) and gain(2 * s) < 0 < gain(2 * s + 2)
    for fresh, better in ((5, False), (40, True)):
        gains = []
        for _ in range(1000):
            z, new = RANDOM.normal(size=(20, D)), RANDOM.normal(size=(fresh, D))
            teacher = tilted.T @ np.linalg.lstsq(z @ tilted.T, z @ truth + RANDOM.normal(size=20) / 2, rcond=None)[0]
            student = np.linalg.lstsq(new[:, :s], new @ teacher, rcond=None)[0]
            gains.append(np.sum((teacher - truth) ** 2) - np.sum((np.append(student, np.zeros(D - s)) - truth) ** 2))
        if better:
            assert abs(np.mean(gains) - gain(fresh)) < 4 * np.std(gains) / np.sqrt(1000)
            assert np.mean(gains) > 4 * np.std(gains) / np.sqrt(1000)
        else:
            assert np.mean(gains) < 0 and gain(fresh) < 0


@pytest.mark.parametrize(
    "name, function",
    [
        ("at_least_half_of_the_labels_are_best_real", "steady"),
        ("keeping_data_stops_collapse_of_least_squares", "laws"),
        ("iterating_helps_where_noise_exceeds_signal", "projected"),
        ("bad_labels_are_another_truth_and_noise", "of_moments"),
        ("hard_labels_help_where_samples_suffice", "taught"),
        ("discrepancy_makes_students_better", "two_fits"),
    ],
)
def test_a_wrong_lane_is_seen(name, function, monkeypatch, afresh):
    """Each lane by itself decides: a theory that is off by a part of a thousand is no longer what is claimed."""
    right = getattr(generations, function)

    def wrong(*given):
        found = right(*given)
        if function == "steady":
            return found[0] * (1 + 0.5 * given[3]), found[1]
        return (found[0], found[1] * (1 + 1e-3)) if isinstance(found, tuple) else found * (1 + 1e-3)

    monkeypatch.setattr(generations, function, wrong)
    claim = getattr(kd.theorems, name)
    assert np.mean(claim.check(0, 64).verdicts == VIOLATED) > 0.2
