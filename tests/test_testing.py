"""The public checks: what is shipped passes, and what is wrong is caught and named."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.testing import check_learner, check_problem

FLOW, RIDGE = kd.GradientFlow(2.0), kd.Ridge(0.1)

LEARNERS = {
    "ridge": RIDGE,
    "ridge path": kd.Ridge,
    "flow": FLOW,
    "flow path": kd.GradientFlow,
    "descent": kd.GradientDescent(None, 7),
    "descent path": lambda steps: kd.GradientDescent(0.5, steps),
    "heavy ball": kd.HeavyBall(0.5, 0.6, 7),
    "heavy ball path": lambda steps: kd.HeavyBall(0.5, 0.6, steps),
    "nesterov": kd.Nesterov(0.5, 0.6, 7),
    "nesterov path": kd.Nesterov(None, 0.6, [3, 0, 2]),
    "stochastic": kd.StochasticDescent(0.1, 4, 0, 5),
    "stochastic path": lambda steps: kd.StochasticDescent(0.1, 4, jax.random.key(1), steps),
    "filter": kd.Filter(lambda eigenvalues: eigenvalues / (1.0 + eigenvalues)),
    "distilled": kd.distill(RIDGE, FLOW, 0.7),
    "distilled path": lambda time: kd.distill(RIDGE, kd.GradientFlow(time), 1.3),
    "self-distilled": kd.SelfDistilled(RIDGE, 0.7, 3),
    "self-distilled path": lambda fits: kd.SelfDistilled(RIDGE, 0.7, fits),
    "folded": kd.self_distill(FLOW, 3, [0.5, 0.9]),
    "switched": kd.switch(RIDGE, kd.distill(RIDGE, kd.GradientDescent(0.5, 4))),
    "switched path": lambda time: kd.switch(FLOW, kd.GradientFlow(time)),
}


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_shipped_learners_pass(learner):
    check_learner(learner)


def table(kind=kd.problems.Linear, outputs=2):
    random = np.random.default_rng(0)
    return kind(jnp.asarray(random.normal(size=(7, 4))), jnp.asarray(random.normal(size=(7, outputs))))


def gram(kind=kd.problems.Kernel):
    x = np.random.default_rng(1).normal(size=(7, 2))
    return kind(kd.kernels.rbf(x), jnp.asarray(x[:, 0]))


INPUTS = np.random.default_rng(2).normal(size=(9, 2))
PROBLEMS = {
    "linear": table(),
    "wide": kd.problems.linear(np.random.default_rng(3).normal(size=(4, 9)), [1.0, 0.0, 2.0, -1.0]),
    "kernel": gram(),
    "matrix-free": kd.problems.matrix_free(kd.kernels.rbf, INPUTS, INPUTS[:, 0]),
    "softmax": kd.problems.softmax(INPUTS, INPUTS[:, 0] > 0),
    "softmax, kernel": kd.problems.softmax_kernel(kd.kernels.rbf(INPUTS), INPUTS[:, 0] > 0),
}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_shipped_problems_pass(problem):
    check_problem(problem)


@pytest.mark.parametrize("learner", [FLOW, kd.GradientDescent(None, 7)], ids=["flow", "descent"])
def test_faces_agree_on_a_problem_that_is_given(learner):
    check_learner(learner, table())


# Learners of the reader's own.


@kd.record
class Cutoff(kd.Learner):
    """`filter` and `fit` alone: twice ridge, from where it ended."""

    penalty: float | jax.Array

    def filter(self, eigenvalues):
        return 1.0 - (self.penalty / (eigenvalues + self.penalty)) ** 2

    def fit(self, problem, start=None):
        return kd.Ridge(self.penalty).fit(problem, kd.Ridge(self.penalty).fit(problem, start))


@kd.record
class Blind(kd.Learner):
    """`fit` alone: half of each coefficient of ridge."""

    penalty: float | jax.Array

    def fit(self, problem, start=None):
        return 0.5 * kd.Ridge(self.penalty).fit(problem, start)


@kd.record
class Idle(kd.Learner):
    """No field at all."""

    def fit(self, problem, start=None):
        return problem.zeros() if start is None else start


def test_filter_and_fit_are_enough():
    check_learner(Cutoff(0.5))
    seen = kd.simulate(kd.distill(Cutoff(0.5), FLOW), table())
    expected = kd.closed_form(kd.distill(Cutoff(0.5), FLOW), table().eigensystem())
    np.testing.assert_allclose(seen.coordinates, expected.coordinates, atol=1e-12)
    assert Cutoff(0.5).clock == 0.5 and Cutoff(0.5).stopped(0.1).penalty == 0.1
    np.testing.assert_allclose(Cutoff(0.5).log_residual([1.0]), [2 * np.log(1 / 3)], rtol=1e-14)


def test_fit_alone_is_enough():
    check_learner(Blind(0.5))
    assert kd.simulate(kd.distill(Blind(0.5), RIDGE), table()).coordinates.shape == (4, 2)
    for refused in (
        lambda: Blind(0.5).filter([1.0]),
        lambda: Blind(0.5).log_residual([1.0]),
        lambda: kd.closed_form(Blind(0.5), [1.0]),
        lambda: kd.distill(RIDGE, Blind(0.5)).filter([1.0]),
    ):
        with pytest.raises(TypeError, match=r"Blind has no closed form; write `filter` or `shares`.*simulate"):
            refused()
    check_learner(kd.switch(Blind(0.5), RIDGE))
    assert np.isnan(Idle().clock)
    check_learner(Idle())


@pytest.mark.parametrize(
    "asked, message",
    [
        (lambda: kd.HeavyBall(0.1, 0.5, 3).stopped(1.0), r"HeavyBall has no other clock to stop at; write `stopped"),
        (lambda: kd.distill(RIDGE, FLOW).stopped(1.0), r"Distilled has no other clock to stop at.*take Ridge"),
        (lambda: Idle().stopped(1.0), r"Idle has no other clock"),
        (lambda: RIDGE.rate(1.0), r"Ridge has no rate; write `rate\(eigenvalues\)` in it, or take GradientFlow"),
        (lambda: Cutoff(0.5).definition(1.0, np.exp), r"Cutoff has no definition; write `definition"),
        (
            lambda: kd.measures.best_stop(kd.Nesterov(0.1, 0.5, 3), [1.0], [1.0], 0.1),
            "Nesterov has no single clock to stop",
        ),
        (lambda: kd.measures.forecast(table(), learner=kd.distill(RIDGE, FLOW)), r"learner must be Ridge.*Distilled"),
    ],
)
def test_what_a_learner_does_not_have_is_refused_by_name(asked, message):
    with pytest.raises(TypeError, match=message):
        asked()


def test_measures_take_learners_of_ones_own():
    best = kd.measures.best_stop(Cutoff(1.0), [1.0, 0.5], signal=[1.0, 1.0], noise_variance=0.1)
    risks = [
        float(kd.measures.risk(Cutoff(best.penalty * c), [1.0, 0.5], [1.0, 1.0], 0.1).total) for c in (0.9, 1, 1.1)
    ]
    assert isinstance(best, Cutoff) and risks[1] < min(risks[0], risks[2])
    line = kd.confidence.margin_line(Cutoff(0.5), Cutoff(0.5), 1.0, 0.1)
    assert np.isfinite(float(line.slope))
    assert kd.status.of_steps(Cutoff(0.5), [1.0]).tolist() == [0]


# Learners that are wrong.


class _Wrong(kd.Learner):
    """Twice ridge with something amiss in one of its parts."""

    def filter(self, eigenvalues):
        penalty = jnp.asarray(self.penalty)
        penalty = penalty.reshape(penalty.shape + (1,) * jnp.ndim(eigenvalues))
        return 1.0 - (penalty / (eigenvalues + penalty)) ** 2

    def fit(self, problem, start=None):
        twice = lambda c: kd.Ridge(c).fit(problem, kd.Ridge(c).fit(problem, start))
        penalty = jnp.asarray(self.penalty)
        return jnp.stack([twice(c) for c in penalty]) if penalty.ndim else twice(self.penalty)


def wrong(**members):
    fields = {"penalty": float | jax.Array}
    return kd.record(type("Odd", (_Wrong,), {"__annotations__": fields, "__module__": __name__, **members}))


def shares_of(learnt, left, lost):
    return lambda self, eigenvalues: kd.numerics.Shares(
        *(kd.numerics.share(x(eigenvalues)) for x in (learnt, left, lost))
    )


def with_logs(self, eigenvalues):
    shares = kd.Ridge(self.penalty).shares(eigenvalues)
    return kd.numerics.Shares(kd.numerics.Share(shares.learnt.value, 2.0 * shares.learnt.log), shares.left, shares.lost)


@jax.custom_jvp
def no_slope(x):
    return x


no_slope.defjvp(lambda primals, tangents: (primals[0], 0.5 * tangents[0]))

once = lambda self, problem, start=None: kd.Ridge(self.penalty).fit(problem, start)
ridge_filter = lambda self, eigenvalues: eigenvalues / (eigenvalues + self.penalty)

WRONG = {
    "another algorithm": (
        wrong(fit=once)(0.5),
        r"Odd: fit and filter disagree on a linear problem, from zero, by 0\.\d+, where .* is allowed",
    ),
    "the start is forgotten": (
        wrong(fit=lambda self, problem, start=None: _Wrong.fit(self, problem))(0.5),
        r"Odd: fit and filter disagree on a linear problem, from another start, by ",
    ),
    "only the kernel": (
        wrong(
            fit=lambda self, problem, start=None: (
                _Wrong.fit(self, problem, start) * (1.0 if isinstance(problem, kd.problems.Linear) else 1.01)
            )
        )(0.5),
        r"Odd: fit and filter disagree on a kernel problem, from zero",
    ),
    "a start of its own": (
        wrong(fit=lambda self, problem, start=None: _Wrong.fit(self, problem, 1e-3 + problem.zeros()))(0.5),
        r"Odd: fit and filter disagree on a linear problem, from zero",
    ),
    "shares that sum to more": (
        wrong(shares=shares_of(lambda λ: λ / (1 + λ), lambda λ: 1.0 / (1 + λ), lambda λ: 0.1 + 0 * λ))(0.5),
        r"Odd: the three shares do not sum to one, by 0\.1, where .* 1\.1 instead of 1",
    ),
    "a residual of its own": (
        wrong(residual=lambda self, eigenvalues: self.penalty / (eigenvalues + self.penalty))(0.5),
        r"Odd\.residual is not 1 - filter, by 0\.\d+",
    ),
    "a log of something else": (
        wrong(shares=with_logs, filter=ridge_filter)(0.5),
        r"Odd\.log_filter is not the log of",
    ),
    "another formula": (
        wrong(definition=lambda self, eigenvalue, exp: exp(-eigenvalue / self.penalty))(0.5),
        r"Odd\.definition and its filter disagree on what is learnt, by ",
    ),
    "half a slope": (
        wrong(filter=lambda self, eigenvalues: _Wrong.filter(wrong()(no_slope(self.penalty)), eigenvalues))(0.5),
        r"Odd: the slope of filter by the log of penalty is not that of small differences, by 0\.",
    ),
    "a slope by λ": (
        wrong(filter=lambda self, eigenvalues: _Wrong.filter(self, no_slope(jnp.asarray(eigenvalues))))(0.5),
        r"Odd: the slope of filter by the log of eigenvalue is not that of small differences",
    ),
    "not JAX": (
        wrong(filter=lambda self, eigenvalues: 1.0 / (1.0 + np.asarray(eigenvalues)))(0.5),
        r"Odd\.\w+ fails.*Tracer",
    ),
    "a path of another order": (
        lambda penalty: wrong(
            filter=lambda self, λ: jnp.flip(_Wrong.filter(self, λ), 0) if jnp.ndim(penalty) else _Wrong.filter(self, λ),
            fit=lambda self, problem, start=None: (
                jnp.flip(_Wrong.fit(self, problem, start), 0) if jnp.ndim(penalty) else _Wrong.fit(self, problem, start)
            ),
        )(penalty),
        r"Odd\.filter of a path is not its points', by ",
    ),
    "no path axis": (
        lambda penalty: wrong(filter=lambda self, eigenvalues: eigenvalues)(penalty),
        r"Odd\.filter must have the shape \(3, 9\), path axes \(3,\) \+ eigenvalues \(9,\); got \(9,\)",
    ),
    "parameters of another shape": (
        wrong(fit=lambda self, problem, start=None: _Wrong.fit(self, problem, start)[:1])(0.5),
        r"Odd\.fit on a linear problem, from zero must have the shape \(5, 2\), path axes \(\) \+ parameters",
    ),
    "stopped elsewhere": (
        wrong(stopped=lambda self, clock: type(self)(2.0 * clock))(0.5),
        r"Odd\.stopped\(clock\) has another clock, by 0\.5",
    ),
    "another rate": (
        wrong(rate=lambda self, eigenvalues: eigenvalues)(0.5),
        r"Odd\.rate · clock is not what the filter",
    ),
    "NaN": (
        wrong(filter=lambda self, λ: jnp.where(λ > 0.5, λ, jnp.nan))(0.5),
        r"Odd\.filter is NaN at the eigenvalue 0",
    ),
    "an unlike clock": (
        wrong(clock=property(lambda self: self.stop))(0.5),
        r"Odd\.clock is no number \(AttributeError",
    ),
    "no record": (
        type("Bare", (_Wrong,), {"penalty": 0.5})(),
        r"Bare is no record, so JAX cannot look into it: write @kd\.record",
    ),
    "an imaginary part": (
        wrong(filter=lambda self, eigenvalues: _Wrong.filter(self, eigenvalues) + 0.0j)(0.5),
        r"Odd\.filter is complex, and must be real: take its \.real",
    ),
    "one eigenvalue at a time": (
        wrong(filter=lambda self, eigenvalues: 1.0 - (0.5 / (eigenvalues + 0.5)) ** 2 if eigenvalues > 0 else 0.0)(0.5),
        r"Odd\.filter fails: ValueError: .*; write it with jax\.numpy, for all eigenvalues \(K,\) at once$",
    ),
    "a path unforeseen": (
        lambda penalty: wrong(filter=lambda self, λ: 1.0 - (self.penalty / (λ + self.penalty)) ** 2)(penalty),
        r"Odd\.filter fails: .*, and for a path with a leading axis, or for one moment with @kd\.along_path above it",
    ),
    "relative to the largest": (
        wrong(filter=lambda self, eigenvalues: _Wrong.filter(self, eigenvalues / jnp.max(eigenvalues)))(0.5),
        r"Odd\.filter of an eigenvalue depends on those beside it, by 0\.",
    ),
    "a start that is wanted": (
        wrong(fit=lambda self, problem, start: _Wrong.fit(self, problem, start))(0.5),
        r"Odd\.fit fails on a linear problem, without a start: TypeError: .*; write `start=None`",
    ),
    "a formula with a slip": (
        wrong(definition=lambda self, eigenvalue, exp: self.penality)(0.5),
        r"Odd\.definition fails: AttributeError: .*penality",
    ),
    "tuned to nothing": (
        wrong(tuned=lambda self, max_eigenvalue: None)(0.5),
        r"Odd\.tuned must return a learner, got NoneType",
    ),
    "a maker that fails": (lambda clock: 1 / 0, r"of the clocks \(1, 2, 5\) no learner is made: ZeroDivisionError"),
    "no learner": (3.0, r"learner must be a kd\.Learner, or a function that makes one.*got 3\.0"),
    "a maker of none": (lambda clock: clock, r"what is made must be a kd\.Learner, got ndarray"),
}


@pytest.mark.parametrize("learner, message", WRONG.values(), ids=WRONG)
def test_wrong_learners_are_caught(learner, message):
    with pytest.raises(AssertionError, match=message):
        check_learner(learner)


def test_what_the_wrong_ones_are_made_of_is_right():
    check_learner(wrong()(0.5))
    check_learner(wrong())


def test_a_random_learner_that_is_biased_is_caught():
    @kd.record
    class Biased(kd.Learner):
        step_size: float
        key: jax.Array
        steps: int

        def filter(self, eigenvalues):
            return kd.GradientDescent(self.step_size, self.steps).filter(eigenvalues)

        def fit(self, problem, start=None):
            return 1.2 * kd.StochasticDescent(self.step_size, 6, self.key, self.steps).fit(problem, start)

    with pytest.raises(AssertionError, match=r"Biased: fit and filter disagree on a linear problem, from zero, by 0\."):
        check_learner(Biased(0.3, 0, 5))


# Problems that are wrong.

Linear, Kernel = kd.problems.Linear, kd.problems.Kernel


def odd(kind, **members):
    return kd.record(type("Odd", (kind,), {"__module__": __name__, **members}))


def mini(self, parameters, rows=slice(None)):
    """A sum over the batch, scaled by all samples."""
    return Linear.gradient(self, parameters, rows) * len(self.features[rows]) / len(self.features)


def cubic(self, parameters, rows=slice(None)):
    return Linear.gradient(self, parameters, rows) + 0.01 * parameters**3


def squared_twice(self, parameters, rows=slice(None)):
    residual = self.gram[rows] @ parameters - self.targets[rows]
    return self.gram[rows].T @ residual / len(residual)


def turned(self, count=None):
    system = kd.problems.Eigensystem
    found = Linear.eigensystem(self, count)
    return system(
        found.eigenvalues,
        found.samples_basis,
        found.reading[:, ::-1],
        found.writing,
        *[getattr(found, name) for name in ("target", "spaces", "unseen", "unresolved", "rest")],
    )


def merged(system):
    return dataclasses.replace(system, spaces=0 * system.spaces)


WRONG_PROBLEMS = {
    "twice the gradient": (
        table(odd(Linear, gradient=lambda self, w, rows=slice(None): 2 * Linear.gradient(self, w, rows))),
        r"Odd\.gradient is not the slope of loss: along a random direction the loss rises by \S+ and the gradient by",
    ),
    "a cubic term": (
        table(odd(Linear, gradient=cubic, loss=kd.problems.Problem.loss)),
        r"Odd\.gradient is not affine in the parameters.*by ",
    ),
    "batches that are sums": (
        table(odd(Linear, gradient=mini)),
        r"Odd\.gradient over `rows` is not the mean over those",
    ),
    "the gradient in α": (
        gram(odd(Kernel, gradient=squared_twice)),
        r"Odd\.normal_equations are not those of its gradient: Hw - b differs, by ",
    ),
    "the gradient in α, and its equations": (
        gram(
            odd(
                Kernel,
                gradient=squared_twice,
                normal_equations=lambda self: (self.gram @ self.gram / 7, self.gram @ self.targets / 7),
            )
        ),
        r"Odd\.gradient along the eigendirections is not λ · \(coordinate - target\)",
    ),
    "equations of the sum": (
        table(
            odd(Linear, normal_equations=lambda self: (self.features.T @ self.features, self.features.T @ self.targets))
        ),
        r"Odd\.normal_equations are not those of its gradient: Hw - b differs",
    ),
    "another eigensystem": (table(odd(Linear, eigensystem=turned)), r"Odd\.eigensystem reads parameters as other than"),
    "another λ_max": (
        table(odd(Linear, max_eigenvalue=lambda self: 7 * Linear.max_eigenvalue(self))),
        r"Odd\.max_eigenvalue is not the largest of its eigensystem",
    ),
    "zeros that are ones": (table(odd(Linear, zeros=lambda self: jnp.ones((4, 2)))), r"Odd\.zeros are not zero: .* 1$"),
    "a gradient of another shape": (
        table(odd(Linear, gradient=lambda self, w, rows=slice(None): Linear.gradient(self, w, rows).T)),
        r"Odd\.gradient must have the shape \(4, 2\), the shape of the parameters; got \(2, 4\)",
    ),
    "predictions of another shape": (
        table(odd(Linear, predict=lambda self, w, inputs=None: Linear.predict(self, w, inputs).T)),
        r"Odd\.predict must have the shape \(7, 2\)",
    ),
    "the teacher is forgotten": (
        table(odd(Linear, taught=lambda self, predictions, teacher_weight=1.0, temperature=1.0: self)),
        r"Odd\.taught with teacher_weight=1 does not vanish at the teacher itself, by ",
    ),
    "the weight is turned round": (
        table(odd(Linear, taught=lambda self, p, w=1.0, temperature=1.0: Linear.taught(self, p, 1.0 - w))),
        r"Odd\.taught with teacher_weight=0 has another gradient",
    ),
    "labels that stay": (
        table(odd(Linear, relabel=lambda self, targets: self)),
        r"Odd\.relabel does not take the targets that it is given, by 1,",
    ),
    "reduced too far": (
        table(odd(Linear, reduced=lambda self, start: (Linear.reduced(self, start)[0], lambda z: 0.9 * (start + z)))),
        r"Odd\.reduced is another problem",
    ),
    "ridge without a penalty": (
        table(odd(Linear, ridge=lambda self, penalty, start: kd.Ridge(0.0).fit(table(), start))),
        r"Odd\.ridge is not where gradient \+ penalty",
    ),
    "deaf to rows": (
        table(odd(Linear, gradient=lambda self, w, rows=slice(None): Linear.gradient(self, w))),
        r"Odd\.gradient does not heed `rows`: over two of 7 rows it is that over all",
    ),
    "no rows": (
        table(odd(Linear, gradient=lambda self, w: Linear.gradient(self, w))),
        r"Odd fails where it is asked for gradients of batches, gradient\(parameters, rows\): TypeError: ",
    ),
    "zeros of another length": (
        table(odd(Linear, zeros=lambda self: jnp.zeros((5, 2)))),
        r"Odd\.gradient fails at parameters of the shape \(5, 2\) of zeros: ValueError: parameters must be of shape",
    ),
    "zeros that are no array": (
        table(odd(Linear, zeros=lambda self: [0.0] * 4)),
        r"Odd\.zeros must be an array of the parameters' shape, got list",
    ),
    "a misspelt field": (
        table(odd(Linear, predict=lambda self, w, inputs=None: self.feature @ w)),
        r"Odd fails where it is asked for its predictions: AttributeError: .*'feature'",
    ),
    "no return": (table(odd(Linear, loss=lambda self, w: None)), r"Odd\.loss returns None: is there a `return`\?"),
    "a loss of each output": (
        table(odd(Linear, loss=lambda self, w: jnp.mean((Linear.predict(self, w) - self.targets) ** 2, 0))),
        r"Odd\.loss must have the shape \(\), a number; got \(2,\)",
    ),
    "one eigenspace of all": (
        table(odd(Linear, eigensystem=lambda self, count=None: merged(Linear.eigensystem(self, count)))),
        r"Odd\.eigensystem: `spaces` has one number for eigenvalues that clearly differ",
    ),
    "no problem": (3.0, r"problem must be a kd\.problems\.Problem, got float"),
}


@pytest.mark.parametrize("problem, message", WRONG_PROBLEMS.values(), ids=WRONG_PROBLEMS)
def test_wrong_problems_are_caught(problem, message):
    with pytest.raises(AssertionError, match=message):
        check_problem(problem)


def test_gradient_and_zeros_are_enough():
    @kd.record
    class Absolute(kd.problems.Problem):
        targets: jax.Array

        def zeros(self):
            return jnp.zeros_like(self.targets)

        def gradient(self, parameters, rows=slice(None)):
            return jnp.tanh(parameters - self.targets)

    problem = Absolute(jnp.arange(3.0))
    check_problem(problem)
    fitted = kd.GradientDescent(0.5, 200).fit(problem)
    np.testing.assert_allclose(fitted, problem.targets, atol=1e-12)


def test_right_problems_of_any_size_pass():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(7, 4)), random.normal(size=(7, 2))
    for features, targets in ((x * 1e-100, y), (x * 1e100, y), (x, y * 1e120), (x, y * 1e-200), (x[:1], y[:1])):
        check_problem(kd.problems.Linear(jnp.asarray(features), jnp.asarray(targets)))
    check_problem(kd.problems.Linear(jnp.ones((5, 1)), jnp.ones(5)))  # whose rows are all alike


def test_what_checks_cannot_take_is_refused():
    for wrong in (np.nan, 0, "a", True):
        for check, given in ((check_learner, RIDGE), (check_problem, table())):
            with pytest.raises(ValueError, match="tolerance must be a positive number, such as 1e-8; got"):
                check(given, tolerance=wrong)
    for clocks in ((), 3, "abc"):
        with pytest.raises(ValueError, match="clocks must be a list of numbers, one at least"):
            check_learner(kd.Ridge, clocks=clocks)
    with pytest.raises(AssertionError, match=r"problem must be a kd\.problems\.Problem, got int"):
        check_learner(RIDGE, 3)


def test_singular_kernels_pass():
    kd.testing.check_problem(kd.problems.kernel([[1.0, 1.0], [1.0, 1.0]], [1.0, 2.0]))
    rows = np.random.default_rng(0).normal(size=(20, 2))
    kd.testing.check_problem(kd.problems.kernel(kd.kernels.polynomial(rows, degree=2), rows[:, 0] > 0))
