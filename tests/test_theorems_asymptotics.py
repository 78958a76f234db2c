"""Claims about limits against the limits of `asymptotics`, other sums, references and draws, and lies told of them."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

import kdtheory as kd
from kdtheory import asymptotics
from kdtheory.claims import HOLDS, VIOLATED
from kdtheory.theorems import asymptotics as theorems

LANES = pytest.mark.parametrize("lane", ["theory", "practice"])
RANDOM = np.random.default_rng(2)


@pytest.mark.parametrize("parameters", [120, 400])
def test_plain_cross_validation_is_consistent_for_ridge_alone(parameters):
    """In the limit, N = 200: its ratio to the prediction error is one for ridge, and off by 5 % and more for flow and
    its students, by a factor of two and more where P > N."""
    limit, ratios = asymptotics.limit([1.0], 200, 1.0, 0.7, [parameters]), {}
    λ, counts = np.asarray(limit.nodes), np.asarray(limit.counts)
    for name, learner in (
        ("ridge", kd.Ridge(0.2)),
        ("flow", kd.GradientFlow(4.0)),
        ("student", kd.distill(kd.GradientFlow(8.0), kd.GradientFlow(8.0))),
    ):
        left, φ = (np.asarray(face(λ)) for face in (learner.residual, learner.filter))
        outside = 200 - min(200, parameters)  # directions of the samples without an eigenvalue
        training = left**2 @ np.asarray(limit.training_signal) + 0.49 / 200 * (outside + left**2 @ counts)
        plain = training / (1 - counts @ φ / 200) ** 2
        ratios[name] = plain / (float(asymptotics.risk(learner, limit).total) + 0.49)
        if parameters == 400:  # the claim's own sums are those of the limit
            told, error = np.asarray(theorems.in_the_limit(kd.claims.theory, learner, 2.0))
            assert told @ [1, 0.49] == pytest.approx(plain, rel=1e-10)
            assert error @ [1, 0.49] - 0.49 == pytest.approx(float(asymptotics.risk(learner, limit).total), rel=1e-10)
    assert ratios["ridge"] == pytest.approx(1.0, abs=1e-10)
    assert min(ratios["flow"], ratios["student"]) > (2.0 if parameters > 200 else 1.05)


def test_cross_validation_of_flow_on_noise_by_another_sum():
    """At ratios between 1/20 and 20: by its sums over 2,000 nodes; for students too, but not for all."""
    random = np.random.default_rng(0)
    θ = (np.arange(2000) + 0.5) * np.pi / 2000

    def ratio(γ, left):
        λ = 1 + γ + 2 * np.sqrt(γ) * np.cos(θ)
        ν = 2 * γ * np.sin(θ) ** 2 / λ / 2000
        outside, r = 1 - min(1, γ), left(λ)
        return (outside + ν @ r**2) / (outside + ν @ r) ** 2 / (1 + ν @ ((1 - r) ** 2 / λ))

    for _ in range(10_000):
        γ = np.exp(random.choice([-1, 1]) * random.uniform(0.02, np.log(20)))
        t, u = np.exp(random.uniform(np.log(0.02), np.log(60), 2)) / (1 + np.sqrt(γ)) ** 2
        assert ratio(γ, lambda λ, t=t: np.exp(-λ * t)) > 1 - 1e-13
        assert ratio(γ, lambda λ, t=t, u=u: 1 - np.expm1(-λ * t) * np.expm1(-λ * u)) > 1 - 1e-13
    hears_truth = lambda λ: 1 + np.expm1(-9.89 * λ) * (1 - 0.1127 * np.exp(-0.134 * λ))
    assert ratio(1.73, hears_truth) < 0.7
    assert ratio(2.0, lambda λ: 0.3 / (λ + 0.3)) == pytest.approx(1.0, abs=1e-12)


def test_a_rising_signal_by_the_slope_of_the_limit():
    """Of `asymptotics.risk` by the weight, where ridge is stationary; rising, isotropic and falling signals, and one
    that does neither, for which the sign is the other one."""
    N, s, c = 120, np.array([4.0, 1.5, 0.6, 0.2]), np.array([15, 15, 15, 15])
    for tilt in (1.0, 0.0, -1.0):
        noise, joint = theorems.stationary(s, 0.5, tilt, 0.7)
        limit = asymptotics.limit(s, N, np.sqrt(c * s**tilt / 60), np.sqrt(noise), c)
        penalty, teacher = (float(theorems.penalty_of(s, 0.5, κ)) for κ in (0.7, 0.2))
        total = lambda c, limit=limit: asymptotics.risk(kd.Ridge(c), limit).total
        assert float(total(penalty)) + noise == pytest.approx(float(sum(joint(0.7))), rel=1e-10)
        assert total(penalty * 1.1) > total(penalty) < total(penalty / 1.1)
        at = lambda ξ, limit=limit, a=teacher, c=penalty: asymptotics.risk(
            kd.distill(kd.Ridge(a), kd.Ridge(c), ξ), limit
        )
        slope = float(at(1e-4).total - at(-1e-4).total) / 2e-4
        expected = 2 * teacher / (penalty - teacher) * float(sum(joint(0.7) - joint(0.2)))
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-9) and np.sign(round(slope, 8)) == -np.sign(tilt)


def test_students_of_ridge_gain_where_the_signal_rises_alone():
    """Of all pairs of penalties on a grid the best student against the best ridge fit, in the limit, by joint errors of
    two penalties: better where signals rise, never where they fall, where the proof is of small changes only."""
    κ, gains, random = np.exp(np.linspace(-9, 12, 300)), {1: [], 0: [], -1: []}, np.random.default_rng(0)
    for kind in (1, 0, -1) * 60:
        s, m = np.sort(np.exp(random.uniform(-2, 2, 3))), random.dirichlet(np.ones(3))
        b2 = np.ones(3) if kind == 0 else np.sort(np.exp(random.uniform(-2, 2, 3)))[::kind]
        γ, noise = np.exp(random.uniform(-2, 2)), np.exp(random.uniform(-4, 3))

        def joint(x, y, s=s, m=m, b2=b2, γ=γ, noise=noise):
            w, v = s * m / (s + x[:, None]), 1 / (s + y[:, None])
            return (noise + np.outer(x, y) * (w * b2 @ v.T)) / (1 - γ * (w * s @ v.T)) - noise

        c = κ * (1 - γ * (m * s / (s + κ[:, None])).sum(1))
        x, c = κ[c > 0], c[c > 0]
        both = joint(x, x)
        ridge, a, b = np.diag(both), c[:, None], c
        near = np.argmin(ridge)
        if not 2 < near < len(c) - 3:
            continue  # all or nothing is best
        of = lambda log, joint=joint: joint(np.exp([log]), np.exp([log])).item()
        best = minimize_scalar(of, bounds=np.log(x[[near - 1, near + 1]]), method="bounded", options=dict(xatol=1e-10))
        with np.errstate(invalid="ignore", divide="ignore"):
            students = (b**2 * ridge - 2 * a * b * both + a**2 * ridge[:, None]) / (b - a) ** 2
        apart = np.abs(np.subtract.outer(np.arange(len(c)), np.arange(len(c)))) > 2
        gains[kind].append(1 - np.min(students[apart]) / best.fun)
    assert min(map(len, gains.values())) > 30
    assert max(gains[0] + gains[-1]) < 1e-9
    assert max(gains[1]) > 0.01 and np.mean(np.array(gains[1]) > 1e-6) > 0.8  # late students are beyond the grid


def best_filter(limit):
    """What the best of all filters leaves at the nodes, and its risk: the minimum of a quadratic form."""
    form, null, noise = (np.asarray(each) for each in (limit.form, limit.null, limit.noise))
    φ = np.linalg.solve(form - np.diag(null) + np.diag(noise), form @ np.ones(len(null)))
    return 1 - φ, (1 - φ) @ form @ (1 - φ) - φ**2 @ null + float(limit.missed) + φ**2 @ noise


def rational(given):
    """Outliers, and the poles of the best filter: the zeros of what divides it."""
    s, b2 = np.array(given["spikes"]), np.array(given["spike_signal"])
    ψ, α = s * (1 + given["gamma"] / (s - 1)), s * b2 / (s - 1)
    order = np.argsort(ψ)
    ψ, α = ψ[order], α[order]
    whole = lambda roots: np.polynomial.Polynomial(np.polynomial.polynomial.polyfromroots(roots))
    λ, all_ = np.polynomial.Polynomial([0.0, 1.0]), whole(ψ)
    below = given["bulk_signal"] / given["gamma"] * λ * all_ + given["noise"] * all_
    for k in range(len(s)):
        below = below - α[k] * λ * whole(np.delete(ψ, k))
    return ψ, α, np.sort(below.roots().real)


def test_the_best_filter_of_spikes_is_rational(oracle):
    """One pole below zero, and one beyond each outlier; the optimum in the limit has that form."""
    rows = oracle.theorem("T14", "poles")
    assert len(rows) == 2
    for name, given, expected in rows:
        ψ, α, poles = rational(given)
        if len(ψ) == 1:  # the claim's penalties are the poles, and its error is the least of all filters
            of_spike = (
                given["gamma"],
                given["spikes"][0],
                given["spike_signal"][0],
                given["bulk_signal"],
                given["noise"],
            )
            negative, positive, weight, outlier = map(float, theorems.two_poles(*of_spike))
            assert outlier == pytest.approx(ψ[0], rel=1e-13) and negative < -outlier
            assert oracle.agrees(np.sort([-negative, -positive]), expected["poles"], 1e-12), name
            spikes = np.array([given["spikes"][0], 50.0])
            law = theorems.law_of_spikes(given["gamma"], spikes)
            best = kd.claims.theory(kd.distill(kd.Ridge(negative), kd.Ridge(positive), weight), law[0])
            strengths = np.array([given["spike_signal"][0], 0.0])
            error, slope, _ = theorems.error_and_slope(best, law, given["gamma"], spikes, strengths, *of_spike[3:])
            assert np.max(abs(slope)) < 1e-13
        assert oracle.agrees(ψ, expected["outliers"], 1e-13) and oracle.agrees(poles, expected["poles"], 1e-12), name
        N = 30_000
        bulk = round(given["gamma"] * N)
        limit = asymptotics.limit(
            [*given["spikes"], 1.0],
            N,
            [*np.sqrt(given["spike_signal"]), given["bulk_signal"] ** 0.5],
            given["noise"] ** 0.5,
            multiplicities=[1] * len(ψ) + [bulk],
        )
        left, least = best_filter(limit)
        if len(ψ) == 1:
            assert least == pytest.approx(float(error), rel=3e-3)  # of 1/√N, where the outlier fluctuates
            plain = theorems.error_and_slope(
                kd.claims.theory(kd.Ridge(1.0), law[0]), law, given["gamma"], spikes, strengths, *of_spike[3:]
            )[0]
            assert float(plain) == pytest.approx(asymptotics.risk(kd.Ridge(1.0), limit).total.item(), rel=1e-3)
        λ = np.asarray(limit.nodes)
        inside = λ < 0.9 * ψ[0]
        pulls = 1.0 / (ψ[:, None] - λ)
        below = given["bulk_signal"] / given["gamma"] + given["noise"] / λ + α @ pulls
        # left · below = σ²/λ - Σ β/(ψ - λ): linear in β, which is fitted
        β, *_ = np.linalg.lstsq(pulls[:, inside].T, (given["noise"] / λ - left * below)[inside], rcond=None)
        form = (given["noise"] / λ - β @ pulls) / below
        np.testing.assert_allclose(form[inside], left[inside], atol=2e-4)
        ridge = min(asymptotics.risk(kd.Ridge(c), limit).total.item() for c in np.geomspace(0.1, 100, 60))
        assert ridge > 1.02 * least  # and one penalty is not enough
        for learner in (kd.GradientFlow(1.0), kd.distill(kd.Ridge(1.0), kd.Ridge(2.0), 1.2)):
            assert asymptotics.risk(learner, limit).total > least


def accuracy(learner, samples, dimension, mu2, flipped):
    """Of a learner of ±1 labels, flipped with a probability, on x = yμ + z: Φ(|μ| E w₁/√E|w|²), in the limit."""
    b = (1 - 2 * flipped) * np.sqrt(mu2) / (1 + mu2)
    noise = np.sqrt(1 - (1 - 2 * flipped) ** 2 * mu2 / (1 + mu2))
    given = [1 + mu2, 1.0], samples, [b, 0.0], noise, [1, dimension - 1]
    limit = asymptotics.limit(*given, test_covariance=[1.0, 1.0])
    φ = float(asymptotics.population_filter(learner, limit)[0])
    return norm.cdf(np.sqrt(mu2) * φ * b / np.sqrt(asymptotics.risk(learner, limit).total.item() + 2 * φ * b**2 - b**2))


def test_accuracy_on_mixtures_with_flipped_labels(oracle):
    for name, given, expected in oracle.theorem("T14", "mixture"):
        size = given["samples"], given["dimension"], given["mu2"], given["flipped"]
        assert oracle.agrees(accuracy(kd.Ridge(given["penalty"]), *size), expected["soft_labels"][0], 1e-9), name
    learners = {
        "flow": (kd.GradientFlow(3.0), lambda λ: 1 - np.exp(-3 * λ)),
        "student": (
            kd.distill(kd.Ridge(0.1), kd.Ridge(0.3), 1.5),
            lambda λ: λ / (λ + 0.3) * (1.5 * λ / (λ + 0.1) - 0.5),
        ),
    }
    N, P, mu2, p, right = 200, 100, 2.25, 0.3, {name: [] for name in learners}
    for _ in range(60):
        X = RANDOM.normal(size=(N, P))  # times labels
        X[:, 0] += np.sqrt(mu2)
        y = np.where(RANDOM.random(N) < p, -1.0, 1.0)
        λ, V = np.linalg.eigh(X.T @ X / N)
        for name, (_, φ) in learners.items():
            w = V @ (φ(λ) / λ * (V.T @ (X.T @ y) / N))
            right[name].append(norm.cdf(np.sqrt(mu2) * w[0] / np.linalg.norm(w)))
    for name, (learner, _) in learners.items():
        error = np.std(right[name]) / np.sqrt(60)
        assert abs(np.mean(right[name]) - accuracy(learner, N, P, mu2, p)) < 3 * error + 2 / N, name


def test_the_claim_about_clusters_is_the_limit():
    """The means by labels against `asymptotics` with many samples; the claim's law is the same."""
    learner = kd.distill(kd.GradientFlow(2.0), kd.Ridge(0.3), 0.8)
    for ratio in (0.5, 2.0):
        seen = []
        for N in (10_000, 100_000):
            seen.append(norm.ppf(accuracy(learner, N, int(ratio * N), 2.25, 0.3)))
        first, square = theorems.by_labels(kd.claims.theory, learner, ratio, 1.5, 0.3, 1.0)
        found = float(1.5 * first / np.sqrt(square))
        assert found == pytest.approx((10 * seen[1] - seen[0]) / 9, rel=1e-5)  # their 1/N taken out
        assert abs(seen[0] / found - 1) < 1e-3


def test_a_stretched_cluster_by_draws():
    """Another law than the claim's: what the labels see where the variance along μ is not one."""
    random = np.random.default_rng(0)
    learner, N, P, distance, p, τ, right = kd.Ridge(0.2), 300, 150, 1.5, 0.2, 5.0, []
    for _ in range(60):
        X = random.normal(size=(N, P))
        X[:, 0] = distance + np.sqrt(τ) * X[:, 0]
        y = np.where(random.random(N) < p, -1.0, 1.0)
        w = np.linalg.solve(X.T @ X / N + 0.2 * np.eye(P), X.T @ y / N)
        right.append(distance * w[0] / np.sqrt(w @ w + (τ - 1) * w[0] ** 2))
    first, square = theorems.by_labels(kd.claims.theory, learner, 0.5, distance, p, τ)
    found = float(distance * first / np.sqrt(square + (τ - 1) * first**2))
    assert abs(np.mean(right) - found) < 3 * np.std(right) / np.sqrt(60) + 2 / N * found
    given = dict(ratio=0.5, beyond=2.25 / np.sqrt(0.5), flipped=p, teacher=1.0, penalty=0.2, weight=0.0)
    claim = kd.theorems.flipped_labels_are_noise_of_a_spike
    for lane in ("theory", "practice"):
        assert claim.at(lane, stretch=1.0, **given).verdict == HOLDS
        assert claim.at(lane, stretch=τ, **given).verdict == VIOLATED


@LANES
@pytest.mark.parametrize(
    "name, theory, practice",
    [
        ("cross_validation_is_right_for_ridge", "in_the_limit", "on_draws"),
        ("cross_validation_overstates_flow_on_noise", "in_the_limit", "on_draws"),
        ("flipped_labels_are_noise_of_a_spike", "by_labels", "of_clusters"),
    ],
)
def test_a_wrong_lane_is_seen(lane, name, theory, practice, monkeypatch, afresh):
    """Cross-validation that is too small by some, and means of weights that are too large."""
    which, by = (theory, 1e-3) if lane == "theory" else (practice, 0.3)
    right = getattr(theorems, which)

    def wrong(*given):
        found = right(*given)
        if name.startswith("flipped"):
            return (found[0] * (1 + by), found[1]) if lane == "theory" else found * np.array([[1 + by], [1.0]])
        return found * np.array([[1 - by], [1.0]])

    monkeypatch.setattr(theorems, which, wrong)
    claim = getattr(kd.theorems, name)
    check = claim.check(0, 256) if lane == "theory" else claim.practice(0, 20)
    assert np.mean(check.verdicts == VIOLATED) > 0.1


@LANES
def test_other_poles_are_not_the_best(lane, monkeypatch, afresh):
    right = theorems.two_poles
    monkeypatch.setattr(theorems, "two_poles", lambda *given: (1.001 * right(*given)[0], *right(*given)[1:]))
    claim = kd.theorems.best_filter_of_a_spike_has_a_negative_penalty
    check = claim.check(0, 256) if lane == "theory" else claim.practice(0, 20)
    assert np.mean(check.verdicts == VIOLATED) > 0.9


@LANES
def test_a_wrong_noise_is_not_stationary(lane, monkeypatch, afresh):
    """With less noise than that, a teacher of a smaller penalty is not to be trusted, whatever the signal."""
    right = theorems.stationary

    def off(*given):
        noise, joint = right(*given)
        return 0.05 * noise, lambda y: joint(y) * np.array([1.0, 0.05])

    monkeypatch.setattr(theorems, "stationary", off)
    claim = kd.theorems.rising_signal_trusts_teachers_on_new_inputs
    check = claim.check(0, 256) if lane == "theory" else claim.practice(0, 20)
    assert np.mean(check.verdicts == VIOLATED) > 0.1


@pytest.mark.parametrize("ratio", [0.5, 2.0])
@pytest.mark.parametrize("beyond", [0.2, 0.9, 1.1, 4.0])
def test_shares_of_a_spike_below_and_above_its_threshold(ratio, beyond):
    """All shares sum to one; those of the sample's largest eigenvector are what draws show, none below √γ."""
    spike = 1.0 + beyond * np.sqrt(ratio)
    _, inside, outlier, null = (np.asarray(part, float) for part in theorems.beside(spike, ratio))
    assert np.sum(inside) + outlier + null == pytest.approx(1.0, abs=1e-6)
    assert (outlier == 0.0) == (beyond < 1.0) and np.all(inside >= 0.0)
    given = dict(ratio=ratio, flipped=0.1, teacher=2.0, penalty=0.5, weight=0.6, stretch=1.0)
    claim = kd.theorems.flipped_labels_are_noise_of_a_spike
    for lane in ("theory", "practice"):
        assert claim.at(lane, beyond=beyond, **given).verdict == HOLDS
