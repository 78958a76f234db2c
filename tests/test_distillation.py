"""Learners made of learners: by hand on the data, the closed forms of the literature, and the laws they obey."""

import dataclasses
from fractions import Fraction

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given

import kdtheory as kd
from kdtheory._checks import as_key

λ = jnp.array([2.0, 0.5, 1e-3])
ULP = 2.0**-52
FACES = ("filter", "residual", "log_filter", "log_residual")
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(12, 4)), RANDOM.normal(size=(12, 3))
PROBLEM = kd.problems.linear(X, Y)
EIGENSYSTEM = PROBLEM.eigensystem()
GRAM = X @ X.T + np.eye(12)
KERNEL = kd.problems.kernel(GRAM, Y[:, 0])


def near(got, wanted, tolerance=1e-13):
    """Relative to the largest entry: sums of a dozen products of order one lose a few ulp."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape and np.isfinite(got).all()
    assert np.max(np.abs(got - wanted)) <= tolerance * np.max(np.abs(wanted))


def flow(time, targets, start=0.0):
    """Gradient flow on X by its eigenvectors, in numpy."""
    l, v = np.linalg.eigh(X.T @ X / 12)
    solution = np.linalg.lstsq(X, targets, rcond=None)[0]
    return solution + v @ (np.exp(-l * time)[:, None] * (v.T @ (start - solution)))


def ridge(penalty, targets, start=0.0):
    matrix = X.T @ X / 12 + penalty * np.eye(4)
    return np.linalg.solve(matrix, X.T @ targets / 12 + penalty * start)


# On the data.


@pytest.mark.parametrize("weight", [1.0, 0.6, 0.0, -0.3, 1.7])
def test_distillation_by_hand(weight):
    """Fit, predict, mix, fit."""
    learner = kd.distill(kd.Ridge(0.2), kd.GradientFlow(1.5), weight)
    taught = weight * X @ ridge(0.2, Y) + (1 - weight) * Y
    near(learner.fit(PROBLEM), flow(1.5, taught))
    start = RANDOM.normal(size=(4, 3))  # is the student's; the teacher begins at zero
    near(learner.fit(PROBLEM, start), flow(1.5, taught, start))
    expected = kd.closed_form(learner, EIGENSYSTEM, start=start)
    near(kd.simulate(learner, PROBLEM, EIGENSYSTEM, start=start).coordinates, expected.coordinates)


def test_switching_by_hand():
    start = RANDOM.normal(size=(4, 3))
    learner = kd.switch(kd.Ridge(0.2), kd.GradientFlow(1.5))
    near(learner.fit(PROBLEM), flow(1.5, Y, ridge(0.2, Y)))
    near(learner.fit(PROBLEM, start), flow(1.5, Y, ridge(0.2, Y, start)))


def test_loss_switching_by_hand():
    """Distillation first and one-hot then, and the other way round: PAPER.md, P8."""
    taught = X @ ridge(0.2, Y)
    distilled = kd.distill(kd.Ridge(0.2), kd.GradientFlow(1.5))
    first = kd.switch(distilled, kd.GradientFlow(0.4))
    near(first.fit(PROBLEM), flow(0.4, Y, flow(1.5, taught)))
    near(kd.switch(kd.GradientFlow(0.4), distilled).fit(PROBLEM), flow(1.5, taught, flow(0.4, Y)))
    a, b = np.asarray(distilled.filter(λ)), np.asarray(kd.GradientFlow(0.4).filter(λ))
    np.testing.assert_allclose(first.filter(λ), b + (1 - b) * a, rtol=1e-14)


def test_momentum_restarts_at_the_switch():
    """Ten steps are not five and five, and the second five start at rest."""
    w = before = np.zeros((4, 3))
    for k in range(10):
        before = w if k == 5 else before
        w, before = w + 0.9 * (w - before) - 0.1 * X.T @ (X @ w - Y) / 12, w
    halves = kd.switch(kd.HeavyBall(0.1, 0.9, 5), kd.HeavyBall(0.1, 0.9, 5))
    near(halves.fit(PROBLEM), w)
    near(kd.closed_form(halves, EIGENSYSTEM).coordinates, EIGENSYSTEM.of_parameters(jnp.asarray(w)))
    assert np.max(np.abs(w - kd.HeavyBall(0.1, 0.9, 10).fit(PROBLEM))) > 0.01


def test_a_student_may_be_a_path():
    times = np.array([3.0, 0.0, 0.5])
    for made in (
        lambda t: kd.distill(kd.Ridge(0.2), kd.GradientFlow(t), 0.7),
        lambda t: kd.switch(kd.Ridge(0.2), kd.GradientFlow(t)),
    ):
        near(made(times).fit(PROBLEM), np.stack([made(t).fit(PROBLEM) for t in times.tolist()]))
        near(made(times).filter(λ), np.stack([made(t).filter(λ) for t in times.tolist()]))
        np.testing.assert_array_equal(made(times).clock, [made(t).clock for t in times.tolist()])


# Closed forms.


@pytest.mark.parametrize("fits", [1, 2, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.35, 1.0])
def test_self_distillation_of_ridge_is_borup_and_andersens(fits, alpha):
    """α Σ (1-α)^i S^(i+1) + (1-α)^(τ-1) S^τ with S = K(K + c)⁻¹ (2021, as recalled); their c is N times ours."""
    penalty, power = 0.05, np.linalg.matrix_power
    S = GRAM @ np.linalg.inv(GRAM + 12 * penalty * np.eye(12))
    wanted = sum((alpha * (1 - alpha) ** i * power(S, i + 1) for i in range(fits - 1)), np.zeros_like(S))
    wanted = (wanted + (1 - alpha) ** (fits - 1) * power(S, fits)) @ Y[:, 0]
    learner = kd.self_distill(kd.Ridge(penalty), fits, teacher_weight=1 - alpha)
    near(KERNEL.predict(learner.fit(KERNEL)), wanted, 1e-12)  # conditioned up to 1e2

    d = np.linalg.eigvalsh(GRAM)
    s = d / (d + 12 * penalty)
    q = (1 - alpha) * s
    b = alpha * s * (1 - q ** (fits - 1)) / (1 - q) + q ** (fits - 1) * s
    np.testing.assert_allclose(learner.filter(d / 12), b, rtol=1e-14)  # 1 - q is computed by subtraction


def test_endless_self_distillation_is_ridge_with_a_larger_penalty():
    """c/α with weight α on the targets; without it, everything is forgotten."""
    endless = kd.self_distill(kd.Ridge(0.5), 20, 0.2)  # 0.2^20 is 1e-14
    np.testing.assert_allclose(endless.filter(λ), kd.Ridge(0.5 / 0.8).filter(λ), rtol=1e-13)
    forgetful, once = kd.self_distill(kd.Ridge(0.5), 20), kd.Ridge(0.5)
    np.testing.assert_allclose(forgetful.log_filter(λ), 20 * once.log_filter(λ), rtol=1e-14)


def test_sparsification_is_not_monotone():
    """THEOREMS T3: α = .1, s = (.9, .1)."""
    filters = [kd.self_distill(kd.Ridge(1.0), fits, 0.9).filter([9.0, 1 / 9]) for fits in (1, 3, 4)]
    np.testing.assert_array_equal(np.round([a / b for a, b in filters], 1), [9.0, 64.3, 63.3])


def test_the_semigroup_identity():
    """T1.0: one run of the flow gives every student of every teacher, b(s) + b(T) - b(s + T); no heavy ball does."""
    learner = kd.distill(kd.GradientFlow(2.0), kd.GradientFlow(0.5))
    near(learner.fit(PROBLEM), flow(0.5, Y) + flow(2.0, Y) - flow(2.5, Y))
    c1, c2 = 0.3, 0.05
    wanted = (c2 * ridge(c2, Y) - c1 * ridge(c1, Y)) / (c2 - c1)
    near(kd.distill(kd.Ridge(c1), kd.Ridge(c2)).fit(PROBLEM), wanted, 1e-12)
    twenty, forty = (float(kd.HeavyBall(0.1, 0.9, k).filter(0.05)) for k in (20, 40))
    assert abs(twenty**2 - (2 * twenty - forty)) > 0.1


def test_self_distillation_counts_all_fits():
    learner = kd.GradientFlow(1.0)
    assert kd.self_distill(learner, 1) is learner and kd.self_distill(learner, 1, teacher_weight=0.3) is learner
    for fits in (2, np.int64(3)):
        chain = kd.self_distill(learner, fits)
        assert len(chain.parts()) == fits
        np.testing.assert_allclose(chain.filter(λ), learner.filter(λ) ** int(fits), rtol=1e-15)
    for fits in (0, -1, 2.0, True, "2", None):
        with pytest.raises(ValueError, match=r"fits must be a whole number >= 1 \(1 is the learner itself\), got"):
            kd.self_distill(learner, fits)


def test_the_learners_inside_in_the_order_they_run():
    a, b, c = kd.GradientFlow(1.0), kd.Ridge(2.0), kd.GradientDescent(None, 3)
    nested = kd.switch(kd.distill(a, b, 0.3), kd.switch(c, kd.distill(kd.HeavyBall(None, 0.5, 3), a)))
    kinds = [kd.GradientFlow, kd.Ridge, kd.GradientDescent, kd.HeavyBall, kd.GradientFlow]
    assert [type(part) for part in nested.parts()] == kinds
    tuned = nested.tuned(4.0)
    assert [part.step_size for part in tuned.parts() if hasattr(part, "step_size")] == [0.25, 0.25]
    assert tuned.parts()[1].penalty == 2.0 and tuned.first.teacher_weight == 0.3
    assert kd.switch(a, kd.GradientFlow(2.0)).clock == 3.0 and kd.distill(a, kd.GradientFlow(2.0)).clock == 2.0


def test_self_distillation_to_its_last_digits_at_many_fits(oracle):  # F13
    """From the definition, in digits enough to subtract."""
    random, count = np.random.default_rng(7), 400
    rate, penalty = 10 ** random.uniform(-6, 6, count), 10 ** random.uniform(-8, 6, count)
    small = 1 - 10 ** random.uniform(-15, 0, count)
    weight = np.choose(random.integers(3, size=count), [np.round(random.random(count)), random.random(count), small])
    fits = np.floor(10 ** random.uniform(0, 9, count))
    fits[::5], fits[1::5] = np.inf, random.integers(1, 100, count)[1::5]
    weight[::5] = np.minimum(weight[::5], 1 - 1e-15)  # endless, with some weight left for the truth
    penalty *= rate
    with mpmath.workdps(350):
        learnt = []
        for l, c, w, n in zip(*(map(mpmath.mpf, x.tolist()) for x in (rate, penalty, weight, fits)), strict=True):
            s = l / (l + c)
            power = mpmath.mpf(0) if n == mpmath.inf else (w * s) ** (n - 1)
            learnt.append(s * ((1 - w) * (1 - power) / (1 - w * s) + power))
        size = np.array([float(-mpmath.log(a)) for a in learnt])
        wanted = {
            "filter": oracle.split(learnt),
            "residual": oracle.split([1 - a for a in learnt]),
            "log_filter": oracle.split([mpmath.log(a) for a in learnt]),
            "log_residual": oracle.split([mpmath.log1p(-a) for a in learnt]),
        }
    make = lambda l, c, w, n: faces(kd.SelfDistilled(kd.Ridge(c), w, n), l)
    got = jax.jit(jax.vmap(make))(rate, penalty, weight, fits)
    for face, exact in wanted.items():
        normal = np.abs(exact[0]) > 2.3e-308
        error = oracle.errors(got[face], exact)[normal] / np.spacing(np.abs(exact[0][normal]))
        allowed = 8 + 4 * size[normal] if face in ("filter", "log_residual") else 8
        assert (error <= allowed).all(), (face, error.max())


def test_self_distillation_at_its_ends():  # F13
    """Nothing is missing, or nothing is left after infinitely many fits; each face agrees with the others."""
    for learner in (kd.GradientFlow(np.inf), kd.Ridge(0.0)):
        for weight in (0.0, 0.5, 1.0, 1.5):
            for fits in (1, 2, 1e9, np.inf):
                perfect = faces(kd.SelfDistilled(learner, weight, fits), jnp.asarray(1.0))
                assert [float(perfect[face]) for face in FACES] == [1, 0, 0, -np.inf]
    forgotten = faces(kd.SelfDistilled(kd.GradientFlow(800.0), 1.0, np.inf), jnp.asarray(1.0))
    assert [float(forgotten[face]) for face in FACES] == [0, 1, -np.inf, 0]  # e^-800 is missing every time
    diverged = faces(kd.SelfDistilled(kd.Ridge(0.1), 1.5, np.inf), jnp.asarray(1.0))
    assert [float(diverged[face]) for face in FACES[:2]] == [-np.inf, np.inf]
    few = kd.SelfDistilled(kd.Ridge(1.0), 0.5, [1, 2, 3])
    np.testing.assert_array_equal(few.filter(1.0), [0.5, 0.375, 0.34375])
    np.testing.assert_array_equal(few.clock, [1, 2, 3])
    assert few.filter(λ).shape == (3, 3) and few.fit(PROBLEM).shape == (3, 4, 3)
    whole = [float(kd.SelfDistilled(kd.Ridge(1.0), -0.5, fits).filter(1.0)) for fits in (1, 2, 3, np.inf)]
    assert whole == pytest.approx([0.5, 0.625, 0.59375, 0.6], rel=1e-15)


def test_self_distillation_where_weight_and_filter_are_negative():
    for eigenvalue, penalty, weight in ((0.125, -0.2, -3.0), (0.125, -0.2, -0.5), (1.0, -5.0, -0.5), (3.0, -5.0, -3.0)):
        fits = jnp.array([1, 2, 3, 10, 50])
        seen = kd.SelfDistilled(kd.Ridge(penalty), weight, fits)
        alone, w = Fraction(eigenvalue) / (Fraction(eigenvalue) + Fraction(penalty)), Fraction(weight)
        assert alone < 0
        wanted = [alone]
        for _ in range(49):
            wanted.append(alone * (w * wanted[-1] + 1 - w))
        wanted = [wanted[count - 1] for count in fits.tolist()]
        for got, φ in zip(seen.filter(eigenvalue).tolist(), wanted, strict=True):
            assert abs(got - float(φ)) <= 1e-13 * abs(float(φ))  # fifty products
        for got, φ in zip(seen.residual(eigenvalue).tolist(), wanted, strict=True):
            assert abs(got - float(1 - φ)) <= 1e-13 * abs(float(1 - φ))


def test_self_distillation_takes_one_weight():  # F13
    for weight in ([0.1, 0.9], np.array([0.1, 0.5, 0.9]), jnp.array([0.5])):
        learner = kd.SelfDistilled(kd.Ridge(1.0), weight, 3)
        for use in (lambda learner=learner: learner.filter(λ), lambda learner=learner: learner.fit(PROBLEM)):
            with pytest.raises(ValueError, match=r"teacher_weight must be one number, got shape.*jax\.vmap"):
                use()
    with pytest.raises(ValueError, match=r"learner must be a single stopped learner.*jax\.vmap.*SelfDistilled"):
        kd.SelfDistilled(kd.Ridge([1.0, 2.0]), 0.5, [1, 2]).filter(λ)
    swept = jax.vmap(lambda w: kd.SelfDistilled(kd.Ridge(1.0), w, [1, 2]).filter(λ))(jnp.array([0.1, 0.9]))
    near(swept, np.stack([kd.SelfDistilled(kd.Ridge(1.0), w, [1, 2]).filter(λ) for w in (0.1, 0.9)]), 1e-15)


# Depth.


def chain(depth, combine=lambda chain, next: kd.distill(chain, next, 0.5)):
    learner = kd.Ridge(1.0)
    for _ in range(depth):
        learner = combine(learner, kd.GradientFlow(1.0))
    return learner


def count(jaxpr):
    """The operations of a program and of those inside of it."""
    values = [each for eqn in jaxpr.eqns for value in eqn.params.values() for each in jax.tree.leaves(value)]
    inside = [getattr(each, "jaxpr", each) for each in values]
    return len(jaxpr.eqns) + sum(count(each) for each in inside if hasattr(each, "eqns"))


def kernels(learner, face):
    """How many instructions the longest kernel has that XLA makes."""
    compiled = jax.jit(lambda learner, λ: getattr(learner, face)(λ)).lower(learner, λ).compile().as_text()
    return max(part.count("\n") for part in compiled.split("\n\n") if "fused_computation" in part.split("(")[0])


@pytest.mark.parametrize("face", ["filter", "log_filter"])
def test_programs_of_deep_learners_grow_linearly(face):  # F16
    size = {
        depth: [
            count(jax.make_jaxpr(f)(chain(depth), λ).jaxpr)
            for f in (
                lambda learner, λ: getattr(learner, face)(λ),
                jax.grad(lambda learner, λ: getattr(learner, face)(λ).sum()),
            )
        ]
        for depth in (20, 40)
    }
    assert size[40][0] < 2.2 * size[20][0] and size[40][1] < 2.2 * size[20][1]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="an accelerator's programs are written otherwise")
def test_no_kernel_of_a_deep_learner_is_long():  # F16
    """The time to compile one grows with the square of its length."""
    assert kernels(chain(12), "log_filter") < 1.1 * kernels(chain(6), "log_filter")


def test_deep_learners_are_what_they_are_made_of():  # F16
    once, ridge = -np.expm1(-np.asarray(λ)), np.asarray(λ) / (np.asarray(λ) + 1)
    wanted = ridge
    for _ in range(12):
        wanted = once * (0.5 * wanted + 0.5)
    near(chain(12).filter(λ), wanted, 1e-14)
    near(jax.vmap(chain(12).filter)(λ), wanted, 1e-14)
    near(chain(12, kd.switch).log_residual(λ), -12 * np.asarray(λ) + np.log1p(-ridge), 1e-14)
    path = kd.distill(chain(6), kd.GradientFlow(jnp.array([1.0, 2.0])))
    assert path.filter(λ).shape == (2, 3)


# Every student from one log.


@pytest.mark.parametrize("learner", [kd.GradientFlow(0.0), kd.GradientDescent(0.05, 0)], ids=["flow", "descent"])
@pytest.mark.parametrize("problem", [PROBLEM, KERNEL], ids=["linear", "kernel"])
def test_every_student_is_the_one_that_is_trained(learner, problem):
    """20 of 10,000, and their predictions on new inputs."""
    field = "time" if isinstance(learner, kd.GradientFlow) else "steps"
    stops = np.arange(1, 101)
    every = np.asarray(kd.every_student(learner, problem, stops, 3 * stops))
    assert every.shape == (100, 100, *problem.zeros().shape)
    new = RANDOM.normal(size=(5, 12 if problem is KERNEL else 4))
    fit = jax.jit(lambda T, s: kd.distill(at(T), at(s)).fit(problem))
    at = lambda stop: dataclasses.replace(learner, **{field: stop})
    for i, j in RANDOM.integers(100, size=(20, 2)):
        trained = fit(jnp.asarray(stops[i]), jnp.asarray(3 * stops[j]))
        near(every[i, j], trained, 1e-10)
        near(problem.predict(every[i, j], new), problem.predict(trained, new), 1e-10)


def test_every_student_needs_a_semigroup():
    for learner in (
        kd.HeavyBall(0.05, 0.9, 3),
        kd.Nesterov(0.05, 0.9, 3),
        kd.Ridge(1.0),
        kd.switch(kd.Ridge(1.0), kd.Ridge(2.0)),
    ):
        with pytest.raises(TypeError, match=r"must be GradientFlow or GradientDescent.*use distill"):
            kd.every_student(learner, PROBLEM, [1], [2])
    softmax = kd.problems.softmax(X, np.arange(12) % 3)
    with pytest.raises(TypeError, match="squared loss"):
        kd.every_student(kd.GradientDescent(0.05, 3), softmax, [1], [2])


def test_the_semigroup_defect():
    log = np.asarray(kd.GradientDescent(0.05, [5, 7, 12]).fit(PROBLEM))
    student = kd.distill(kd.GradientDescent(0.05, 7), kd.GradientDescent(0.05, 5)).fit(PROBLEM)
    assert kd.semigroup_defect(student, log[1], log[0], log[2]) < 1e-14
    momentum = np.asarray(kd.HeavyBall(0.05, 0.9, [5, 7, 12]).fit(PROBLEM))
    student = kd.distill(kd.HeavyBall(0.05, 0.9, 7), kd.HeavyBall(0.05, 0.9, 5)).fit(PROBLEM)
    by_hand = student - (momentum[0] + momentum[1] - momentum[2])
    defect = kd.semigroup_defect(student, momentum[1], momentum[0], momentum[2])
    assert (
        float(defect) == pytest.approx(np.linalg.norm(by_hand) / np.linalg.norm(student), rel=1e-12) and defect > 0.01
    )
    with pytest.raises(ValueError, match=r"same shape, got \(2,\), \(2,\), \(2,\), \(3,\)"):
        kd.semigroup_defect(*np.ones((3, 2)), np.ones(3))


# Mistakes.


@pytest.mark.parametrize("path", [[1.0, 2.0], np.array([1.0]), jnp.array([1.0, 2.0]), (1.0, 2.0)], ids=repr)
def test_a_path_is_no_teacher(path):
    single = kd.GradientFlow(1.0)
    for wrong in (kd.GradientFlow(path), kd.distill(single, kd.GradientFlow(path))):
        for combine, name in ((kd.distill, "teacher"), (kd.switch, "first")):
            with pytest.raises(ValueError, match=rf"{name} must be a single stopped learner.*an array.*jax\.vmap"):
                combine(wrong, single)
            combine(single, wrong)
    with pytest.raises(ValueError, match=r"teacher must be a single stopped learner"):
        kd.self_distill(kd.GradientFlow(path), 2)


def test_other_mistakes_are_named():
    single = kd.GradientFlow(1.0)
    for make, name in (
        (lambda: kd.distill(1.0, single), "teacher"),
        (lambda: kd.distill(single, 1.0), "student"),
        (lambda: kd.switch("flow", single), "first"),
        (lambda: kd.switch(single, None), "then"),
        (lambda: kd.self_distill(2.0, 2), "learner"),
    ):
        with pytest.raises(TypeError, match=rf"{name} must be a learner, such as GradientDescent.*; got"):
            make()
    with pytest.raises(ValueError, match=r"teacher_weight must be one number, got shape \(2,\).*jax\.vmap"):
        kd.distill(single, single, [0.5, 0.6])
    with pytest.raises(ValueError, match=r"teacher_weight must be a number, got nan"):
        kd.distill(single, single, np.nan)
    for temperature in (0.0, -1.0, np.nan, np.inf, [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"temperature must be positive, finite and one number, got"):
            kd.distill(single, single, temperature=temperature)
    with pytest.raises(TypeError, match=r"Filter is theory only"):
        kd.distill(kd.Filter(lambda l: l), single).fit(PROBLEM)


def test_vmap_and_grad_reach_both_halves():
    times, weights = jnp.array([0.5, 1.0, 4.0]), jnp.array([0.0, 0.5, 1.2])

    def learner(time, weight):
        return kd.distill(kd.GradientFlow(time), kd.GradientFlow(2.0), weight)

    pairs = list(zip(times.tolist(), weights.tolist(), strict=True))
    swept = jax.jit(jax.vmap(lambda t, w: (learner(t, w).filter(λ), learner(t, w).fit(PROBLEM))))(times, weights)
    near(swept[0], np.stack([learner(t, w).filter(λ) for t, w in pairs]))
    near(swept[1], np.stack([learner(t, w).fit(PROBLEM) for t, w in pairs]))
    slopes = jax.jit(jax.grad(lambda t, w: learner(t, w).filter(0.7), argnums=(0, 1)))(0.5, 0.8)
    student = -np.expm1(-1.4)
    assert slopes[0] == pytest.approx(student * 0.8 * 0.7 * np.exp(-0.35), rel=1e-13)
    assert slopes[1] == pytest.approx(-student * np.exp(-0.35), rel=1e-13)


# Laws.


@jax.jit
def faces(learner, eigenvalues):
    shares = learner.shares(eigenvalues)
    return {
        "filter": shares.learnt.value,
        "residual": shares.residual.value,
        "log_filter": shares.log_learnt(),
        "log_residual": shares.residual.log,
        "sum": shares.learnt.value + shares.left.value + shares.lost.value,
    }


positive = st.floats(1e-3, 30.0)
weights = st.floats(0.0, 1.0)
spectra = st.lists(st.floats(0.0, 10.0), min_size=4, max_size=4).map(np.array)


@given(spectra, positive, positive, positive)
def test_distillation_commutes(eigenvalues, time, penalty, other):
    """Scalar filters multiply, in any order and grouping."""
    a, b, c = kd.GradientFlow(time), kd.Ridge(penalty), kd.GradientFlow(other)
    product = faces(kd.distill(a, b), eigenvalues)["filter"]
    np.testing.assert_allclose(faces(kd.distill(b, a), eigenvalues)["filter"], product, rtol=4 * ULP)
    np.testing.assert_allclose(product, faces(a, eigenvalues)["filter"] * faces(b, eigenvalues)["filter"], rtol=4 * ULP)
    three = faces(kd.distill(kd.distill(a, b), c), eigenvalues)
    regrouped = faces(kd.distill(a, kd.distill(b, c)), eigenvalues)
    for face in three:
        np.testing.assert_allclose(three[face], regrouped[face], rtol=16 * ULP)  # 8 each


@given(spectra, positive, positive, positive, weights, weights)
def test_the_three_shares_sum_to_one(eigenvalues, time, penalty, other, weight, again):
    """Within an ulp for a plain learner; nested thrice, within the rounding of a dozen terms."""
    a, b, c = kd.GradientFlow(time), kd.Ridge(penalty), kd.GradientFlow(other)
    assert np.max(np.abs(faces(a, eigenvalues)["sum"] - 1)) <= ULP
    assert np.max(np.abs(faces(b, eigenvalues)["sum"] - 1)) <= ULP
    thrice = kd.switch(kd.distill(kd.switch(a, b), c, weight), kd.distill(b, c, again))
    for nested in (kd.distill(a, b, weight), kd.switch(a, b), thrice):
        seen = faces(nested, eigenvalues)
        assert np.max(np.abs(seen["sum"] - 1)) <= 4 * ULP
        assert np.max(np.abs(seen["filter"] + seen["residual"] - 1)) <= 4 * ULP
        for face in ("filter", "residual"):
            value, log = np.asarray(seen[face]), np.asarray(seen[f"log_{face}"])
            assert ((0 <= value) & (value <= 1 + 4 * ULP)).all() and (log <= 0).all()  # one, within its rounding
            np.testing.assert_allclose(np.exp(log), value, rtol=1e-13)  # |log| <= 300 ulp


@given(spectra, positive, positive)
def test_a_switched_flow_is_the_longer_flow(eigenvalues, first, then):
    switched, longer = kd.switch(kd.GradientFlow(first), kd.GradientFlow(then)), kd.GradientFlow(first + then)
    assert float(switched.clock) == first + then
    for face in ("filter", "residual", "log_filter", "log_residual"):
        seen, wanted = faces(switched, eigenvalues)[face], faces(longer, eigenvalues)[face]
        np.testing.assert_allclose(seen, wanted, rtol=1e-13)  # λt ulp: first + then is rounded


@given(spectra, positive, positive, weights)
def test_the_ends_of_teaching(eigenvalues, time, penalty, weight):
    """No weight is no teacher, and so is one trained for ever; one untrained teaches zero; a switch to rest is none."""
    student, seen = kd.Ridge(penalty), eigenvalues > 0
    alone, still = faces(student, eigenvalues), kd.GradientFlow(0.0)
    for idle in (
        kd.distill(kd.GradientFlow(time), student, 0.0),
        kd.distill(kd.GradientFlow(np.inf), student, weight),
        kd.switch(student, still),
        kd.switch(still, student),
    ):
        got = faces(idle, eigenvalues)
        for face in ("filter", "log_filter", "log_residual"):
            np.testing.assert_allclose(got[face][seen], alone[face][seen], rtol=8 * ULP)
    untrained = faces(kd.distill(still, student, weight), eigenvalues)["filter"]
    np.testing.assert_allclose(untrained, (1 - weight) * alone["filter"], rtol=4 * ULP)


@given(spectra, positive, positive, weights)
def test_a_student_learns_no_more_than_alone(eigenvalues, time, penalty, weight):
    student, teacher, slack = kd.Ridge(penalty), kd.GradientFlow(time), 1 + 4 * ULP
    distilled = faces(kd.distill(teacher, student, weight), eigenvalues)["filter"]
    assert (distilled <= faces(student, eigenvalues)["filter"] * slack).all()
    further = faces(kd.switch(teacher, student), eigenvalues)["residual"]
    assert (further <= faces(teacher, eigenvalues)["residual"] * slack).all()


def test_large_weights_keep_the_digits_of_what_the_teacher_lacks():
    """1 - w (1 - φ_T) where w φ_T + 1 - w would cancel, and the other way round: to a few ulp of the smaller terms."""
    random = np.random.default_rng(0)
    for _ in range(300):
        λ, a, b = (10 ** random.uniform(-4, 4, 3)).tolist()
        w = float(random.choice([-1, 1]) * 10 ** random.uniform(-2, 7))
        found = float(kd.distill(kd.Ridge(a), kd.Ridge(b), w).filter(λ))
        with mpmath.workdps(40):
            λ, a, b, w = map(mpmath.mpf, (λ, a, b, w))
            s, learnt, lacks = λ / (λ + b), λ / (λ + a), a / (λ + a)
            exact, size = s * (1 - w * lacks), s * min(abs(w) * learnt + abs(1 - w), 1 + abs(w) * lacks)
            assert abs(found - exact) <= 4 * mpmath.mpf(2) ** -53 * size


@pytest.mark.parametrize("chain", ["SelfDistilled", "self_distill", "path"])
def test_students_draw_batches_of_their_own(chain):
    """The mean over seeds is theory's, (ηλ)² b, where the same batch twice has η² mean(x³y); by the exact mean over the
    rows that may be drawn."""
    problem = kd.problems.linear([[1.0], [2.0]], [0.0, 1.0])
    make = {
        "SelfDistilled": lambda learner: kd.SelfDistilled(learner, 1.0, 2),
        "self_distill": lambda learner: kd.self_distill(learner, 2),
        "path": lambda learner: kd.SelfDistilled(learner, 1.0, [1, 2]),
    }[chain]
    ends = np.array(
        [make(kd.StochasticDescent(0.1, 1, key, 1)).fit(problem)[..., -1].ravel()[-1] for key in range(800)]
    )
    expected = kd.closed_form(kd.SelfDistilled(kd.GradientDescent(0.1, 1), 1.0, 2), problem.eigensystem())
    error = ends.std() / np.sqrt(len(ends))
    assert abs(ends.mean() - expected.coordinates[0]) < 4 * error
    assert abs(ends.mean() - 0.04) > 4 * error  # the same batch twice


def test_stops_of_few_bits_do_not_wrap():
    problem = kd.problems.with_spectrum(0, [1.0, 0.1, 0.01], samples=8)
    many = kd.every_student(kd.GradientDescent(0.2, 0), problem, np.uint8([200]), np.uint8([100]))[0, 0]
    trained = kd.distill(kd.GradientDescent(0.2, 200), kd.GradientDescent(0.2, 100)).fit(problem)
    np.testing.assert_allclose(many, trained, atol=1e-13)
    assert kd.switch(kd.GradientFlow(np.uint8(200)), kd.GradientFlow(np.uint8(100))).clock == 300.0


def test_no_two_fits_share_a_key(monkeypatch):
    """Also where what is distilled is distilled again."""
    plain = kd.StochasticDescent(0.1, 1, 0, 1)
    for learner in (
        kd.self_distill(kd.self_distill(plain, 3), 3),
        kd.self_distill(kd.switch(plain, kd.StochasticDescent(0.1, 1, 1, 1)), 4),
    ):
        keys = {tuple(np.asarray(jax.random.key_data(as_key(part.key))).tolist()) for part in learner.parts()}
        assert len(keys) == len(learner.parts()) > 7
    nested = kd.SelfDistilled(kd.SelfDistilled(plain, 1.0, 3), 1.0, 3)
    drawn, fit = [], kd.StochasticDescent.fit

    def told(self, *given):
        drawn.append(tuple(np.asarray(jax.random.key_data(as_key(self.key))).tolist()))
        return fit(self, *given)

    monkeypatch.setattr(kd.StochasticDescent, "fit", told)
    nested.fit(kd.problems.linear([[1.0], [2.0]], [0.0, 1.0]))
    assert len(drawn) == len(set(drawn)) == 9
