"""Chains on fresh inputs: against references in many digits, exact laws, the operator of THEOREMS2 term by term, and
the same chains run."""

import jax
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from kdtheory import asymptotics
from kdtheory.asymptotics.generations import Stage, risk, simulate

RANDOM = np.random.default_rng(5)
TALL, WIDE = RANDOM.normal(size=(25, 60)) / 8, RANDOM.normal(size=(150, 60)) / 8


def as_stage(given, features=None):
    return Stage(kd.Ridge(given["penalty"]), given["samples"], given["noise"] ** 0.5, features)


def test_reference_chains_of_ridge(oracle):
    """The reference has squares summed over each group, and variances."""
    rows = [row for row in oracle.theorem("T13") if row[0].startswith("ridge chain")]
    assert len(rows) == 4
    for name, given, expected in rows:
        counts = given["multiplicities"]
        eigenvalues = np.repeat(given["eigenvalues"], counts)
        signal = np.sqrt(np.repeat(np.array(given["signal"]) / counts, counts))
        turned = np.linalg.qr(RANDOM.normal(size=(20, 20)))[0]
        for features in (None, np.eye(20), turned):  # an orthogonal map of all features is no other learner
            stages = [as_stage(each, features) for each in given["stages"]]
            assert oracle.agrees(risk(stages, eigenvalues, signal)[-1], expected["risk"], 1e-12), name


def test_reference_features(oracle):
    rows = [row for row in oracle.theorem("T12") if "features stage" in row[0] or "feature subsets" in row[0]]
    assert len(rows) == 6
    for name, given, expected in rows:
        eigenvalues, signal = given.get("eigenvalues", np.ones(4)), given.get("coefficients", given.get("target"))
        whole = np.eye(len(eigenvalues))
        stages = [
            as_stage(each, each["features"] if "features" in each else whole[each["sees"]]) for each in given["stages"]
        ]
        assert oracle.agrees(risk(stages, eigenvalues, signal)[-1], expected["risk"], 1e-12), name


@np.errstate(all="ignore")  # of pairs that are one node, which are left out
def pulled_back(learner, limit, Q):
    """A(Q), n(Q) and φ̄ as THEOREMS2 E8 writes them, pair by pair: for distinct eigenvalues."""
    φ, r = np.asarray(learner.filter(limit.nodes)), np.asarray(learner.residual(limit.nodes))
    λ, ν, u, s = (np.asarray(each) for each in (limit.nodes, limit.seen, limit.points, limit.population[0]))
    D, N, y = abs(s[:, None] - u) ** 2, limit.samples, u.imag
    Q = Q[np.argsort(np.argsort(s))]
    dλ = np.pi * λ * ν / y
    κ = float(asymptotics.effective_ridge(limit, 0.0))
    φ̄ = (ν * s[:, None] / D) @ φ
    t = lambda u: (s * Q / (s - u[..., None])).sum(-1) / N
    A = Q * (2 * φ̄ - 1) + Q * ((ν * s[:, None] / D) @ r**2 + κ / (s + κ))
    for i in range(len(s)):
        H = lambda v, i=i: (
            u[:, None] * v / (np.outer(λ, λ) * (u[:, None] - v))
            * (Q[i] + s[i] * (t(u)[:, None] - t(v)) / np.subtract.outer(λ, λ))
            * (1 / (s[i] - u[:, None]) - 1 / (s[i] - v))
        )  # fmt: skip
        b = -np.outer(dλ, dλ) / (2 * np.pi**2) * np.real(H(u) - H(u.conj()))
        pairs = b * np.subtract.outer(r, r) ** 2
        A[i] -= 0.5 * np.sum(pairs[~np.eye(len(λ), dtype=bool)])
        if κ:
            u0 = np.array(-κ)
            bracket = Q[i] - s[i] * (t(u0) - t(u)) / λ
            a = -dλ / np.pi * np.imag(u0 * u / ((u0 - u) * λ) * bracket * (1 / (s[i] - u0) - 1 / (s[i] - u)))
            A[i] -= np.sum(a * φ**2)
    return A, np.sum(φ**2 / λ * ν * ((s * Q) @ (1 / D)) / N), φ̄


@pytest.mark.parametrize("samples", [5, 40])  # fewer than the twelve directions, and more
def test_the_operator_pair_by_pair(samples):
    """Last stage first, as the theorem has it, against means and covariances, first stage first."""
    s = np.geomspace(0.2, 3.0, 12)
    signal = RANDOM.normal(size=12)
    stages = [
        Stage(kd.GradientFlow(2.0), samples, 0.4),
        Stage(kd.distill(kd.HeavyBall(0.1, 0.5, 12), kd.GradientFlow(1.0), 1.5), samples + 2, 0.2),
        Stage(kd.GradientDescent(0.1, 9), samples, 0.0),
    ]
    for count in (1, 2, 3):
        Q, L, constant = s, s, np.sum(s * signal**2)
        for stage in reversed(stages[:count]):
            A, n, φ̄ = pulled_back(stage.learner, asymptotics.limit(s, stage.samples), Q)
            Q, L, constant = A, φ̄ * L, constant + stage.noise**2 * n
        expected = np.sum((Q - 2 * L) * signal**2) + constant
        np.testing.assert_allclose(risk(stages, s, signal)[count - 1], expected, rtol=1e-10)


def test_one_stage_is_the_risk_of_its_limit():
    s, signal = kd.spectra.power_law(40), RANDOM.normal(size=40)
    for learner in (kd.GradientFlow(3.0), kd.Ridge(0.0), kd.GradientDescent(None, 30)):
        for samples in (25, 100):
            known = asymptotics.risk(learner, asymptotics.limit(s, samples, signal, 0.7)).total
            np.testing.assert_allclose(risk([Stage(learner, samples, 0.7)], s, signal)[0], known, rtol=1e-11)


def test_least_squares_in_the_limit():
    """m P/(N - P), where the exact law has N - P - 1; minimum norm where N < P, (1 - e^m)(|b|² + V σ²/(1 - e))."""
    found = risk([Stage(kd.Ridge(0.0), 90, 0.5)] * 6, np.ones(30), 1.0)
    np.testing.assert_allclose(found, 0.25 * np.arange(1, 7) * 30 / 60, rtol=1e-11)
    e, m = 24 / 40, np.arange(1, 6)
    found = risk([Stage(kd.Ridge(0.0), 24, 0.5)] * 5, np.ones(40), 0.2)
    np.testing.assert_allclose(found, (1 - e**m) * (40 * 0.04 + 0.25 * 24 / 16 / (1 - e)), rtol=1e-11)
    once = [Stage(kd.Ridge(0.0), 24, σ) for σ in (0.5, 0.0, 0.0, 0.0, 0.0)]
    expected = 40 * 0.04 * (1 - e**m) + e ** (m - 1) * 24 / 16 * 0.25
    np.testing.assert_allclose(risk(once, np.ones(40), 0.2), expected, rtol=1e-11)


@pytest.mark.parametrize("generations", [1, 3])
def test_exact_laws_of_least_squares_when_run(oracle, generations):
    """T13.2 and T13.3 hold at every size, so draws alone decide."""
    mean, error = simulate(3, [Stage(kd.Ridge(0.0), 30, 1.0)] * generations, np.ones(10), 0.0, draws=300)
    assert abs(mean[-1] - generations * 10 / 19) < 3 * error[-1]
    assert abs(mean[-1] - generations * 10 / 30) > 5 * error[-1]  # as if data did not scatter
    e, V = 24 / 40, 24 / 15
    mean, error = simulate(4, [Stage(kd.Ridge(1e-9), 24, 0.5)] * generations, np.ones(40), 0.2, draws=300)
    expected = (1 - e**generations) * (40 * 0.04 + V * 0.25 / (1 - e))
    assert abs(mean[-1] - expected) < 3 * error[-1]


def test_data_that_is_kept_stops_collapse():
    """T13.2, exact at every size: P Σ 1/(i(iN - P - 1)), where data that is dropped has m P/(N - P - 1)."""
    chain, i = [Stage(kd.Ridge(0.0), 30, 1.0)] * 4, np.arange(1, 5)
    mean, error = simulate(6, chain, np.ones(10), 0.3, draws=400, accumulate=True)
    assert np.all(abs(mean - np.cumsum(10 / (i * (30 * i - 11)))) < 3 * error)
    assert mean[-1] + 5 * error[-1] < 4 * 10 / 19


CHAINS = {
    "self-training": [Stage(kd.GradientFlow(4.0), 100, 0.3)] * 3,
    "ridge, descent, distilled": [
        Stage(kd.Ridge(0.05), 120, 0.3),
        Stage(kd.GradientDescent(0.2, 20), 80, 0.1),
        Stage(kd.distill(kd.Ridge(0.02), kd.GradientFlow(8.0), 1.3), 160, 0.0),
    ],
    "weak, strong, weak": [
        Stage(kd.Ridge(0.05), 100, 0.3, TALL),
        Stage(kd.GradientFlow(3.0), 240, 0.0, WIDE),
        Stage(kd.Ridge(0.1), 80, 0.0, TALL),
    ],
    "fewer samples than features": [
        Stage(kd.HeavyBall(0.05, 0.6, 20), 80, 0.3, WIDE),
        Stage(kd.Ridge(0.2), 200, 0.1),
        Stage(kd.Ridge(0.1), 100, 0.1, np.eye(60)[10:50]),
    ],
    "real labels mixed in": [
        Stage(kd.Ridge(0.05), 100, 0.6),
        Stage(kd.GradientFlow(4.0), 100, 0.6, real_weight=0.4),
        Stage(kd.Ridge(0.05), 90, 0.6, WIDE, real_weight=0.7),
    ],
    "bad labels": [
        Stage(kd.Ridge(0.1), 200, 0.3, bad_share=0.3),
        Stage(kd.GradientFlow(3.0), 200, 0.3, bad_share=0.2, bad_signal=-0.2, real_weight=0.5),
        Stage(kd.Ridge(0.1), 240, 0.0, WIDE, bad_share=0.1, bad_signal=0.3),
    ],
}


@pytest.mark.parametrize("name", CHAINS)
def test_three_stages_against_draws(name):
    """Within 3 % of 200 data sets, whose own mean is known to 2 % or better."""
    eigenvalues = 2.0 / np.sqrt(np.arange(1, 61))
    signal = np.random.default_rng(8).normal(size=60) / 4
    mean, error = simulate(11, CHAINS[name], eigenvalues, signal, draws=200)
    theory = risk(CHAINS[name], eigenvalues, signal)
    assert np.all(error < 0.02 * mean) and np.all(abs(mean / theory - 1) < 0.03), (mean / theory, error / mean)


SAME = {
    "replaced": ([kd.GradientFlow(4.0), kd.Ridge(0.05), kd.GradientDescent(0.2, 20)], 100, 0.0, False),
    "few samples, real labels mixed in": (
        [kd.Ridge(0.05), kd.GradientFlow(4.0), kd.Ridge(0.1)],
        80,
        0.6,
        False,
    ),
    "kept, real labels mixed in": ([kd.GradientFlow(4.0), kd.Ridge(0.05), kd.Ridge(0.1)], 80, 0.3, True),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_inputs_against_draws(name):
    """Within 3 % of 200 data sets, as above; what fresh inputs would give is further away."""
    learners, samples, weight, keep = SAME[name]
    chain = [Stage(learner, samples, 0.6, real_weight=weight) for learner in learners]
    given = chain, 2.0 / np.sqrt(np.arange(1, 101)), np.random.default_rng(8).normal(size=100) / 5
    mean, error = simulate(12, *given, draws=200, same_inputs=True, accumulate=keep)
    theory = risk(*given, same_inputs=True, accumulate=keep)
    assert np.all(error < 0.02 * mean) and np.all(abs(mean / theory - 1) < 0.03), (mean / theory, error / mean)
    assert abs(risk(*given)[-1] / theory[-1] - 1) > 0.04


@pytest.mark.parametrize("samples", [25, 90])
def test_the_same_inputs_as_in_the_theorem(samples):
    """T13.4: the bias of ψ_1, and σ² Σ ∫ ψ_j²/λ dν, of filters written out; kept data by the mean of its labels."""
    s, b = kd.spectra.power_law(40), RANDOM.normal(size=40)
    learners, noises = [kd.GradientFlow(3.0), kd.Ridge(0.1), kd.HeavyBall(0.2, 0.5, 9)], (0.7, 0.2, 0.5)
    chain = [Stage(each, samples, noise) for each, noise in zip(learners, noises, strict=True)]
    φ = lambda i, λ: learners[i].filter(λ)
    ψ = [lambda λ: φ(0, λ) * φ(1, λ) * φ(2, λ), lambda λ: φ(1, λ) * φ(2, λ), lambda λ: φ(2, λ)]
    kept = [  # w₃ = φ₃ (w₀ + e₁ + w₁ + e₂ + w₂ + e₃)/3, w₂ = φ₂ (w₀ + e₁ + w₁ + e₂)/2
        lambda λ: φ(2, λ) / 3 * (1 + φ(0, λ) + φ(1, λ) / 2 * (1 + φ(0, λ))),
        lambda λ: φ(2, λ) / 3 * (1 + φ(1, λ) / 2),
        lambda λ: φ(2, λ) / 3,
    ]
    for keep, filters in ((False, ψ), (True, kept)):
        of = lambda j, filters=filters: asymptotics.risk(
            kd.Filter(filters[j]), asymptotics.limit(s, samples, b, noises[j])
        )
        expected = of(0).bias + sum(of(j).variance for j in range(3))
        found = risk(chain, s, b, same_inputs=True, accumulate=keep)[-1]
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_kept_data_of_least_squares():
    """T13.2 in the limit: Σ 1/i² on the same inputs, Σ 1/(i(iN - P)) on fresh ones; sizes and noise that change."""
    chain, i = [Stage(kd.Ridge(0.0), 90, 0.5)] * 5, np.arange(1, 6)
    given = chain, np.ones(30), 1.0
    found = risk(*given, same_inputs=True, accumulate=True)
    np.testing.assert_allclose(found, 0.25 * 30 / 60 * np.cumsum(1 / i**2), rtol=1e-11)
    found = risk(*given, accumulate=True)
    np.testing.assert_allclose(found, 0.25 * np.cumsum(30 / (i * (90 * i - 30))), rtol=1e-14)
    uneven = [Stage(kd.Ridge(0.0), samples, noise) for samples, noise in ((90, 1.0), (40, 0.5), (120, 0.7))]
    mean, error = simulate(1, uneven, np.ones(10), 0.2, draws=300, accumulate=True)
    M = np.array([90, 130, 250])  # exact at every size: M - P - 1 for M - P
    expected = np.cumsum(np.array([90, 40 * 0.25, 120 * 0.49]) * 10 / (M * (M - 11)))
    assert np.all(abs(mean - expected) < 3 * error)
    np.testing.assert_allclose(risk(uneven, np.ones(10), 0.2, accumulate=True), expected, rtol=0.02)


def test_regularised_learners_forget_instead_of_collapsing():
    """T13.4 on the same inputs: noise stays below φ²/(1 - φ²) of one fit's, and the truth is lost."""
    s, b = np.ones(30), 0.3
    found = risk([Stage(kd.Ridge(0.2), 90, 0.5)] * 200, s, b, same_inputs=True)
    φ = kd.Ridge(0.2).filter
    ever = asymptotics.risk(kd.Filter(lambda λ: φ(λ) / (1 - φ(λ) ** 2) ** 0.5), asymptotics.limit(s, 90, b, 0.5))
    np.testing.assert_allclose(found[-1], 30 * b**2 + ever.variance, rtol=1e-6)
    unregularised = risk([Stage(kd.Ridge(0.0), 90, 0.5)] * 60, s, b, same_inputs=True)
    np.testing.assert_allclose(unregularised, 0.25 * 0.5 * np.arange(1, 61), rtol=1e-10)


def test_what_a_stage_does_not_see_matters():
    """Negative controls: each is another number, far beyond the agreement above."""
    eigenvalues, signal = np.ones(60), 0.2
    chain = [Stage(kd.Ridge(0.05), 100, 0.9, TALL), Stage(kd.Ridge(0.05), 240)]
    full = risk([Stage(kd.Ridge(0.05), 100, 0.9), chain[1]], eigenvalues, signal)
    noiseless = risk([Stage(kd.Ridge(0.05), 100, 0.0, TALL), chain[1]], eigenvalues, signal)
    found = risk(chain, eigenvalues, signal)
    assert np.all(abs(found / full - 1) > 0.1) and np.all(abs(found / noiseless - 1) > 0.02)


@pytest.mark.parametrize("samples", [8, 60])
def test_bad_labels_as_in_the_theorem(samples):
    """T13.6, with the operator pair by pair: the target b + qD, and q(1 - q) DᵀΣD of noise more."""
    s, learner, q = np.geomspace(0.2, 3.0, 12), kd.GradientFlow(2.0), 0.3
    b, bad = RANDOM.normal(size=(2, 12))
    A, n, φ̄ = pulled_back(learner, asymptotics.limit(s, samples), s)
    taught, D = b + q * (bad - b), bad - b
    noise = 0.25 + q * (1 - q) * np.sum(s * D**2)
    expected = np.sum(A * taught**2 - 2 * s * φ̄ * taught * b + s * b**2) + n * noise
    found = risk([Stage(learner, samples, 0.5, bad_share=q, bad_signal=bad)], s, b)
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)
    np.testing.assert_allclose(  # for ever, of as much data as one likes: q² DᵀΣD
        risk([Stage(kd.Ridge(0.0), 10**7, 0.5, bad_share=q, bad_signal=bad)], s, b)[0],
        q**2 * np.sum(s * D**2),
        rtol=1e-4,
    )


@pytest.mark.parametrize("weight", [0.3, 0.618, 1.0])
def test_mixing_stops_collapse(weight):
    """Least squares in the limit, e = P/(N - P): v → e(w² + (1 - w)²)σ² + (1 - w)²v, which stays bounded."""
    chain = [Stage(kd.Ridge(0.0), 90, 0.5)] + [Stage(kd.Ridge(0.0), 90, 0.5, real_weight=weight)] * 40
    found, expected = risk(chain, np.ones(30), 1.0), [0.125]
    for _ in range(40):
        expected.append(0.125 * (weight**2 + (1 - weight) ** 2) + (1 - weight) ** 2 * expected[-1])
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_edges():
    s, signal = np.array([2.0, 1.0, 0.5]), np.array([1.0, -1.0, 0.5])
    chain = [Stage(kd.Ridge(0.1), 20, 0.3), Stage(kd.GradientFlow(5.0), 10)]
    with_zeros = risk(chain, np.append(s, 0.0), np.append(signal, 7.0))  # no input ever has a part there
    np.testing.assert_allclose(with_zeros, risk(chain, s, signal), rtol=1e-14)
    np.testing.assert_allclose(risk([Stage(kd.GradientFlow(0.0), 9, 1.0)] * 2, s, signal), np.sum(s * signal**2))
    small = risk([Stage(kd.GradientFlow(40.0), 10**7)], s, signal)  # no cancellation where little is left
    exact = asymptotics.risk(kd.GradientFlow(40.0), asymptotics.limit(s, 10**7, signal)).total
    np.testing.assert_allclose(small[0], exact, rtol=1e-6)
    scaled = risk([Stage(kd.Ridge(1e-9), 20, 3e-5), Stage(kd.GradientFlow(5e8), 10)], 1e-8 * s, signal)
    np.testing.assert_allclose(scaled, 1e-8 * risk(chain, s, signal), rtol=1e-9)  # units


def test_slopes():
    chain = lambda penalty: [Stage(kd.Ridge(0.1), 30, 0.3, TALL[:, :20]), Stage(kd.Ridge(penalty), 40)]
    last = lambda penalty: risk(chain(penalty), np.ones(20), 0.3)[-1]
    slope = jax.grad(last)(0.2)
    np.testing.assert_allclose(slope, (last(0.2 + 1e-5) - last(0.2 - 1e-5)) / 2e-5, rtol=1e-6)
    same = [Stage(kd.Ridge(0.1), 30, 0.3)]
    again = lambda c: risk([*same, Stage(kd.Ridge(c), 30, 0.3, real_weight=0.3)], np.ones(20), 0.3, True, True)[-1]
    np.testing.assert_allclose(jax.grad(again)(0.2), (again(0.2 + 1e-5) - again(0.2 - 1e-5)) / 2e-5, rtol=1e-6)


def test_refusals():
    stage = Stage(kd.Ridge(0.1), 20, 0.3)
    for wrong, message in (
        ([], "stages are empty"),
        ([Stage(kd.GradientFlow([1.0, 2.0]), 20)], r"stages\[0\].learner must be stopped, but it is a path of 2"),
        ([stage, Stage(kd.Ridge(0.1), 0)], r"stages\[1\].samples must be a whole number"),
        ([Stage(kd.Ridge(0.1), 20, -1.0)], r"stages\[0\].noise must be one finite number >= 0"),
        ([Stage(kd.Ridge(0.1), 20, bad_share=1.5)], r"bad_share must be one finite number from 0 to 1; got 1.5"),
        ([Stage(kd.Ridge(0.1), 20, real_weight=np.nan)], r"real_weight must be one finite number; got nan"),
        ([Stage(kd.Ridge(0.1), 20, bad_share=0.1, bad_signal=np.ones(2))], r"bad_signal must be finite, one number or"),
        ([Stage(kd.Ridge(0.1), 20, 0.0, np.eye(4))], r"features has shape \(4, 4\), but it must be \(P, 3\)"),
        ([Stage(kd.Ridge(0.1), 20, 0.0, np.full((4, 3), np.nan))], "features has 12 non-finite values"),
        ([Stage(kd.GradientDescent(-1.0, 3), 20)], "step_size must be positive"),
        ([stage, Stage(kd.Ridge(0.1), 20, 1e200)], r"stages\[1\].noise reaches 1e\+200, of which errors would leave"),
        ([Stage(kd.Ridge(0.1), 20, bad_signal=-1e200)], r"stages\[0\].bad_signal reaches 1e\+200"),
    ):
        for run in (risk, lambda *given: simulate(0, *given)):
            with pytest.raises(ValueError, match=message):
                run(wrong, np.ones(3), 1.0)
    for wrong, options, message in (
        (
            [stage, Stage(kd.Ridge(0.1), 20, features=np.eye(3))],
            dict(same_inputs=True),
            r"stages\[1\].features is given",
        ),
        ([Stage(kd.Ridge(0.1), 20, bad_share=0.1)], dict(same_inputs=True), r"stages\[0\].bad_share is given"),
        ([stage, stage], dict(accumulate=True), r"no theory of data that is kept on fresh inputs.*stages\[0\]"),
        ([Stage(kd.Ridge(0.0), 3)], dict(accumulate=True), "on more samples than the 3 directions"),
        ([Stage(kd.Ridge(0.0), 9, real_weight=0.5)], dict(accumulate=True), "with neither features, real_weight"),
    ):
        with pytest.raises(ValueError, match=message):
            risk(wrong, np.ones(3), 1.0, **options)
        assert np.all(np.isfinite(simulate(0, wrong, np.ones(3), 1.0, draws=2, **options).mean))
    for run in (risk, lambda *given, **options: simulate(0, *given, **options)):
        with pytest.raises(ValueError, match=r"stages\[1\].samples is 30, but on the same inputs .* the first, 20"):
            run([stage, Stage(kd.Ridge(0.1), 30)], np.ones(3), 1.0, same_inputs=True)
    with pytest.raises(TypeError, match=r"stages must be a list, also of a single generations.Stage: \[stage\]"):
        risk(stage, np.ones(3), 1.0)
    with pytest.raises(TypeError, match=r"stages\[0\] is Ridge"):
        risk([kd.Ridge(0.1)], np.ones(3), 1.0)
    with pytest.raises(ValueError, match="features are zero"):
        risk([Stage(kd.Ridge(0.1), 20, 0.0, np.zeros((2, 3)))], np.ones(3), 1.0)
    with pytest.raises(ValueError, match=r"signal must be finite, one number or \(3,\)"):
        risk([stage], np.ones(3), np.ones(2))
    with pytest.raises(
        ValueError, match=r"signal reaches 1e\+120, .* for these variances of inputs it must be at most"
    ):
        risk([stage], 1e100 * np.ones(3), 1e120)
    with pytest.raises(ValueError, match="draws must be a whole number, at least 2"):
        simulate(0, [stage], np.ones(3), 1.0, draws=1)
    with pytest.raises(TypeError, match="Filter"):
        simulate(0, [Stage(kd.Filter(lambda s: s / (s + 1)), 20)], np.ones(3), 1.0)
    with pytest.warns(UserWarning, match="diverges"):
        risk([Stage(kd.GradientDescent(3.0, 2), 50)], np.ones(3), 1.0)


@pytest.mark.parametrize("scale", [1e-250, 1e-160, 1.0, 1e160, 1e250])
@pytest.mark.parametrize("samples", [4, 12])
def test_any_size_of_eigenvalues(scale, samples):
    """One stage against ridge in 60 digits; and chains, whose errors are in units of eigenvalues."""
    s, signal = scale * np.array([1.0, 0.5, 0.3, 0.2, 0.1, 0.02]), np.linspace(1.0, 2.0, 6)
    with mpmath.workdps(60):
        exact, c = [mpmath.mpf(each) for each in s], mpmath.mpf(0.1 * scale)
        κ = (
            mpmath.findroot(
                lambda k: k * (1 - sum(e / (e + k * c) for e in exact) / samples) - 1,  # in units of c
                (1, 1 + 10 * 6),
                solver="anderson",
                tol=1e-50,
            )
            * c
        )
        g = sum((e / (e + κ)) ** 2 for e in exact) / samples
        noise = mpmath.mpf(0.5 * scale**0.5) ** 2
        lost = sum(e * mpmath.mpf(b) ** 2 * (κ / (e + κ)) ** 2 for e, b in zip(exact, signal, strict=True))
        right = float((lost + noise * g) / (1 - g) / mpmath.mpf(scale))
    stages = [Stage(kd.Ridge(0.1 * scale), samples, 0.5 * scale**0.5)] * 3
    plain = [Stage(kd.Ridge(0.1), samples, 0.5)] * 3
    for options in (dict(), dict(same_inputs=True)):
        found = risk(stages, s, signal, **options) / scale
        assert float(found[0]) == pytest.approx(right, rel=1e-13)
        np.testing.assert_allclose(found, risk(plain, s / scale, signal, **options), rtol=1e-13)


def test_any_size_of_features():
    features = RANDOM.normal(size=(4, 6))
    chain = lambda size: [Stage(kd.Ridge(0.1 * size**2), 20, 0.5, features * size)] * 2
    right = risk(chain(1.0), np.ones(6), 1.0)
    for size in (2.0**-400, 2.0**400, 2.0**500):
        np.testing.assert_allclose(risk(chain(size), np.ones(6), 1.0), right, rtol=1e-13)
    for size in (1e-150, 1e160):
        with pytest.raises(
            ValueError, match=r"stages\[0\].features times roots of the eigenvalues reach .*: divide them"
        ):
            risk([Stage(kd.Ridge(0.1), 20, 0.5, features * size)], np.ones(6), 1.0)


@pytest.mark.parametrize("options", [dict(), dict(same_inputs=True), dict(same_inputs=True, accumulate=True)])
def test_least_squares_on_as_many_samples_as_directions(options):
    """(XᵀX)⁻¹ of as many Gaussian rows as columns has no mean: infinite as in `asymptotics`, or not known."""
    s = np.arange(1, 13.0) ** -0.7
    least, tiny, ridge = (Stage(kd.Ridge(c), 12, 0.5) for c in (0.0, 1e-20, 0.1))
    assert np.isposinf(asymptotics.risk(least.learner, asymptotics.limit(s, 12, noise=0.5)).variance)
    fresh = Stage(kd.Ridge(0.1), 12, 0.5, real_weight=1.0)
    found = risk([least, least, fresh], s, 1.0, **options)
    assert np.isposinf(found[:2]).all() and np.isfinite(found[2])
    assert np.isnan(risk([tiny], s, 1.0, **options)).all()
    np.testing.assert_allclose(risk([Stage(kd.Ridge(0.0), 12)] * 2, s, 1.0, **options), 0.0, atol=1e-12)  # no noise
    for samples in (11, 13):
        assert np.isfinite(risk([Stage(kd.Ridge(0.0), samples, 0.5)] * 2, s, 1.0, **options)).all()
    over = risk([least, ridge], s, 1.0, **options)[1]  # of infinite noise ridge's student has all or, beside it, some
    assert np.isfinite(over) == bool(options)
    seen = jax.vmap(lambda c: risk([Stage(kd.Ridge(c), 12, 0.5)], s, 1.0, **options))(np.array([0.0, 1e-20, 0.1]))
    assert np.isposinf(seen[0]) and np.isnan(seen[1])
    np.testing.assert_allclose(seen[2], risk([ridge], s, 1.0, **options), rtol=1e-14)
