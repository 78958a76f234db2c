"""A teacher of other features than its student's: the runs against dense matrices and against theory."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.linalg

import kdtheory as kd

SAMPLES = 12
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(SAMPLES, 5))
PROBLEMS = {
    "thin": lambda y: kd.problems.linear(X, y),
    "wide": lambda y: kd.problems.linear(np.tanh(X @ WIDE), y),  # P > N
    "kernel": lambda y: kd.problems.kernel(kd.kernels.laplace(X), y),
    "repeated": lambda y: kd.problems.linear(REPEATED, y),  # a double and a triple eigenvalue
    "other": lambda y: kd.problems.linear(X[:, :3] ** 2, y),
}
WIDE = RANDOM.normal(size=(5, 40))
REPEATED = scipy.linalg.qr(RANDOM.normal(size=(SAMPLES, 5)), mode="economic")[0] * [2.0, 2.0, 1.0, 1.0, 1.0]
TARGETS = {"one": RANDOM.normal(size=SAMPLES), "three": RANDOM.normal(size=(SAMPLES, 3))}
PAIRS = [
    ("thin", "wide"),
    ("wide", "thin"),
    ("thin", "kernel"),
    ("kernel", "wide"),
    ("repeated", "other"),
    ("other", "repeated"),
]


def gram(problem):
    """K/N, from the data."""
    matrix = np.asarray(getattr(problem, "gram", None) if hasattr(problem, "gram") else problem.features)
    return (matrix if hasattr(problem, "gram") else matrix @ matrix.T) / SAMPLES


def smoother(learner, matrix):
    """S with predictions S·labels, by linear algebra on the whole matrix: no eigenvectors."""
    eye = np.eye(len(matrix))
    match learner:
        case kd.Ridge():
            return np.linalg.solve(matrix + learner.penalty * eye, matrix)
        case kd.GradientFlow():
            return eye - scipy.linalg.expm(-learner.time * matrix)
        case kd.GradientDescent():
            return eye - np.linalg.matrix_power(eye - learner.step_size * matrix, int(learner.steps))


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("pair", PAIRS)
def test_runs_and_theory_are_those_of_dense_matrices(pair, targets):
    y = TARGETS[targets]
    first, second = (PROBLEMS[name](y) for name in pair)
    students = [
        (kd.Ridge(np.array([0.3, 0.02])), [kd.Ridge(0.3), kd.Ridge(0.02)]),
        (kd.GradientDescent(0.1, np.array([3, 40])), [kd.GradientDescent(0.1, 3), kd.GradientDescent(0.1, 40)]),
        (kd.GradientFlow(7.0), [kd.GradientFlow(7.0)]),
    ]
    for teacher, (path, moments), weight in zip(
        [kd.GradientFlow(2.0), kd.Ridge(0.1), kd.GradientDescent(0.1, 25)], students, [1.0, 0.4, 1.7], strict=True
    ):
        found = kd.transfer(teacher, path, first, second, weight)
        system = second.eigensystem()
        predicted = smoother(teacher, gram(first)) @ y
        expected = [smoother(each, gram(second)) @ (weight * predicted + (1 - weight) * y) for each in moments]
        alone = [smoother(each, gram(second)) @ y for each in moments]
        if path.clock.ndim == 0:
            expected, alone = expected[0], alone[0]
        for run, dense in [(found.student, expected), (found.theory[1], expected), (found.ceiling, alone)]:
            seen = second.predict(system.parameters(run.coordinates))
            np.testing.assert_allclose(seen, dense, atol=1e-12)
            np.testing.assert_array_equal(run.target, system.target)
        for run in (found.teacher, found.theory[0]):
            seen = first.predict(first.eigensystem().parameters(run.coordinates))
            np.testing.assert_allclose(seen, predicted, atol=1e-12)
        assert found.disagreement < 1e-12
        # the overlap, from the definition
        v, u = system.samples_basis, first.eigensystem().samples_basis
        np.testing.assert_allclose(found.overlap, [[a @ b for b in u.T] for a in v.T], atol=1e-14)
        assert found.overlap.shape == (len(found.student.eigenvalues), len(found.teacher.eigenvalues))
        # in the other's basis
        along = found.student_along_teacher
        projected = kd.project(first, predictions=np.array(expected), clock=path.clock)
        np.testing.assert_allclose(along.coordinates, projected.coordinates, atol=1e-11)
        np.testing.assert_allclose(along.progress, projected.progress, atol=1e-10)
        back = kd.project(second, predictions=predicted, clock=teacher.clock)
        np.testing.assert_allclose(found.teacher_along_student.coordinates, back.coordinates, atol=1e-10)


def test_the_promised_recipe():
    y = TARGETS["one"]
    first, second = PROBLEMS["thin"](y), PROBLEMS["wide"](y)
    teacher, student = kd.Ridge(0.1), kd.GradientDescent(0.1, 30)
    taught = second.taught(first.predict(teacher.fit(first)), teacher_weight=0.7)
    found = kd.transfer(teacher, student, first, second, teacher_weight=0.7)
    np.testing.assert_allclose(
        second.eigensystem().parameters(found.student.coordinates), student.fit(taught), atol=1e-13
    )


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_equal_features_are_distillation(weight):
    problem = PROBLEMS["thin"](TARGETS["three"])
    teacher, student = kd.GradientFlow(2.0), kd.GradientFlow(np.array([0.5, 3.0, 20.0]))
    found = kd.transfer(teacher, student, problem, problem, weight)
    distilled = kd.simulate(kd.distill(teacher, student, weight), problem)
    np.testing.assert_allclose(found.student.coordinates, distilled.coordinates, atol=1e-13)
    np.testing.assert_allclose(found.student.progress, distilled.progress, atol=1e-13)
    np.testing.assert_allclose(np.abs(found.overlap), np.eye(5), atol=1e-14)
    np.testing.assert_allclose(found.leak_bound, 0, atol=1e-13)
    if weight == 1:
        assert np.all(np.isinf(found.switching_time[1:]))


def test_theory_is_not_that_of_a_wrong_overlap():
    """Negative control: with the teacher's directions in another order, runs and theory part."""
    y = TARGETS["one"]
    found = kd.transfer(kd.GradientFlow(2.0), kd.Ridge(0.1), PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    told = kd.measures.transfer.turned(found.theory[0], found.overlap[:, ::-1].T, onto=found.student).coordinates
    wrong = kd.Ridge(0.1).filter(found.student.eigenvalues) * told
    assert np.max(np.abs(wrong - found.student.coordinates)) > 0.1


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_the_student_stays_within_the_leak_bound(targets, weight):
    """Also with some truth mixed in, of which a part lies outside of the teacher's directions."""
    y = TARGETS[targets]
    teacher, student = kd.GradientFlow(2.0), kd.GradientFlow(np.array([0.1, 1.0, 30.0]))
    largest = 0.0
    for first, second in PAIRS:
        found = kd.transfer(teacher, student, PROBLEMS[first](y), PROBLEMS[second](y), weight)
        learnt = np.asarray(found.learners[0].filter(found.teacher.eigenvalues))
        h = weight * learnt + 1 - weight
        target = np.asarray(found.teacher.target)
        h, mean = (h[:, None], found.mean_filter.mean[..., None]) if targets == "three" else (h, found.mean_filter.mean)
        leak = np.abs(found.student_along_teacher.coordinates - mean * h * target)
        assert np.all(leak <= found.leak_bound * (1 + 1e-9) + 1e-12)
        largest = max(largest, np.max(leak / found.leak_bound))
    assert largest > 0.5  # and the bound is not idle


def test_errors_and_the_recovered_gap():
    random = np.random.default_rng(5)
    inputs, new = random.normal(size=(40, 6)), random.normal(size=(500, 6))
    truth = lambda x: x @ np.arange(1.0, 7.0)
    y = truth(inputs) + random.normal(size=40)
    weak, strong = kd.problems.linear(inputs[:, 3:], y), kd.problems.linear(inputs, y)
    teacher, student = kd.Ridge(0.01), kd.Ridge(np.array([1.0, 0.01]))
    found = kd.transfer(teacher, student, weak, strong, 0.5)
    errors = found.errors(truth(new), new[:, 3:], new)
    w = np.linalg.solve(inputs[:, 3:].T @ inputs[:, 3:] / 40 + 0.01 * np.eye(3), inputs[:, 3:].T @ y / 40)
    labels = 0.5 * inputs[:, 3:] @ w + 0.5 * y
    assert errors.teacher == pytest.approx(np.mean((new[:, 3:] @ w - truth(new)) ** 2), rel=1e-10)
    for i, penalty in enumerate(student.penalty):
        solve = lambda y, c=penalty: np.linalg.solve(inputs.T @ inputs / 40 + c * np.eye(6), inputs.T @ y / 40)
        own, ceiling = (np.mean((new @ solve(each) - truth(new)) ** 2) for each in (labels, y))
        assert errors.student[i] == pytest.approx(own, rel=1e-10)
        assert errors.ceiling[i] == pytest.approx(ceiling, rel=1e-10)
        assert errors.recovered[i] == pytest.approx((errors.teacher - own) / (errors.teacher - ceiling), rel=1e-9)
        gained = found.gain(truth(inputs))
        predicted, seen = inputs[:, 3:] @ w, inputs @ solve(labels)
        assert gained.misfit[i] == pytest.approx(np.mean((predicted - seen) ** 2), rel=1e-9)
        drop = np.mean((predicted - truth(inputs)) ** 2) - np.mean((seen - truth(inputs)) ** 2)
        assert gained.gain[i] == pytest.approx(drop, rel=1e-9)
    here = found.errors()
    assert here.teacher == pytest.approx(np.mean((inputs[:, 3:] @ w - y) ** 2), rel=1e-10)
    level = kd.comparisons.Errors(teacher=np.array(1.0), student=np.array([2.0, 0.5]), ceiling=np.array([1.0, 0.5]))
    np.testing.assert_array_equal(level.recovered, [np.nan, 1.0])  # NaN where there is no gap to recover
    with pytest.raises(ValueError, match="new inputs are needed for both"):
        found.errors(truth(new), new[:, 3:])
    with pytest.raises(ValueError, match="truth is missing"):
        found.errors(None, new[:, 3:], new)
    with pytest.raises(ValueError, match=r"truth must be of shape \(40,\)"):
        found.errors(truth(new))
    with pytest.raises(ValueError, match=r"truth has shape \(\), but predictions end in \(500,\)"):
        found.errors(1.0, new[:, 3:], new)


def test_the_table_is_aligned_and_says_how_it_was_read():
    y = TARGETS["one"]
    found = kd.transfer(
        kd.GradientFlow(2.0), kd.GradientFlow(np.array([1.0, 5.0])), PROBLEMS["thin"](y), PROBLEMS["wide"](y)
    )
    head, *lines, foot = str(found).splitlines()
    assert len(lines) == 5 and {len(line) for line in lines} == {len(head)}
    assert "student's clock 5" in foot and "within 1e-12 of theory" in foot
    row = found.rows[2]
    assert row.overlap == np.max(found.overlap[:, 2] ** 2)
    assert row.theory == pytest.approx(row.student, abs=1e-10)
    assert row.teacher == pytest.approx(1 - np.exp(-2.0 * row.eigenvalue), rel=1e-12)
    assert row.mean == pytest.approx(row.teacher * found.mean_filter.mean[1, 2], rel=1e-12)
    many = kd.transfer(kd.Ridge(0.1), kd.Ridge(0.1), PROBLEMS["wide"](y), PROBLEMS["thin"](y))
    assert "the first 10 of 12 of the teacher's directions" in str(many)


@pytest.mark.parametrize("targets", TARGETS)
def test_means_where_the_student_has_other_targets(targets):
    """The mean over the signs of all labels but those along one direction, by dense matrices."""
    y, other = TARGETS[targets], np.random.default_rng(3).permutation(TARGETS[targets])
    thin, wide = PROBLEMS["thin"](y), PROBLEMS["wide"](other)
    found = kd.transfer(kd.Ridge(0.3), kd.Ridge(0.2), thin, wide, 0.3)
    H, S = smoother(kd.Ridge(0.3), gram(thin)), smoother(kd.Ridge(0.2), gram(wide))
    for row, u in zip(found.rows, np.linalg.eigh(gram(thin))[1].T[::-1], strict=False):
        taught = u @ (0.3 * H @ y + 0.7 * other)
        assert row.mean == pytest.approx((u @ S @ u) * np.sum(taught * (u @ y)) / np.sum((u @ y) ** 2), rel=1e-9)


def test_a_path_that_falls_is_told_of_its_last_moment():
    y = TARGETS["one"]
    found = kd.transfer(kd.Ridge(0.1), kd.Ridge([0.01, 1.0]), PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    assert "at the student's clock 1;" in str(found)
    alone = kd.transfer(kd.Ridge(0.1), kd.Ridge(1.0), PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    assert str(alone) == str(found)


def test_existing_plots_draw_it():
    y = TARGETS["three"]
    path = kd.GradientFlow(np.geomspace(0.1, 50, 20))
    found = kd.transfer(kd.GradientFlow(2.0), path, PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    _, ax = plt.subplots()
    kd.plots.convergence(ax, kd.simulate(path, PROBLEMS["thin"](y)), found.student_along_teacher, directions=[0, 4])
    drawn = [line.get_ydata() for line in ax.lines]
    assert any(np.array_equal(each, found.student_along_teacher.progress[:, 4]) for each in drawn if len(each) == 20)
    plt.close()


def test_it_is_saved(tmp_path):
    y = TARGETS["one"]
    found = kd.transfer(kd.GradientFlow(2.0), kd.Ridge(0.1), PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    kd.save(tmp_path / "found", found)
    again = kd.load(tmp_path / "found")
    assert str(again) == str(found)
    np.testing.assert_array_equal(again.overlap, found.overlap)


def test_what_has_no_theory_is_run():
    y = TARGETS["one"]
    descent = kd.GradientDescent(0.1, 20)
    mine = kd.Algorithm(lambda problem, start: descent.fit(problem, start), clock=2.0)
    found = kd.transfer(mine, kd.Ridge(0.1), PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    known = kd.transfer(descent, kd.Ridge(0.1), PROBLEMS["thin"](y), PROBLEMS["wide"](y))
    np.testing.assert_allclose(found.student.coordinates, known.student.coordinates, atol=1e-14)
    assert found.theory is None and np.isnan(found.disagreement) and np.isnan(found.switching_time).all()
    assert "practice only" in str(found) and "nan" not in str(found)


def test_softmax_by_the_loop_alone():
    classes = np.arange(SAMPLES) % 3
    first, second = kd.problems.softmax(X, classes), kd.problems.softmax(np.tanh(X @ WIDE), classes)
    teacher, student = kd.GradientDescent(0.5, 40), kd.GradientDescent(0.2, np.array([5, 60]))
    found = kd.transfer(teacher, student, first, second, 0.8)
    taught = second.taught(first.predict(teacher.fit(first)), 0.8)
    np.testing.assert_allclose(
        found.student.coordinates, second.eigensystem().of_parameters(student.fit(taught)), atol=1e-14
    )
    assert found.theory is None and found.student.coordinates.shape == (2, SAMPLES, 3)
    lines = str(found).splitlines()
    assert "practice only" in lines[-1] and "nan" not in str(found)
    basis = np.asarray(first.eigensystem().samples_basis)  # of predictions, not of parameters
    logits = first.predict(teacher.fit(first)), second.predict(student.fit(taught))[-1]
    sizes = [np.linalg.norm(basis.T @ np.asarray(each), axis=1) / np.sqrt(SAMPLES) for each in logits]
    shown = np.array([[float(word) for word in line.split()[-2:]] for line in lines[1:-1]])
    np.testing.assert_allclose(shown, np.stack(sizes, axis=1)[: len(shown)], atol=5.1e-5)
    with pytest.raises(TypeError, match="errors are squared, and softmax problems have none"):
        found.errors()
    with pytest.raises(TypeError, match="errors are squared, and softmax problems have none"):
        found.errors(np.eye(3)[classes], X, np.tanh(X @ WIDE))
    with pytest.raises(TypeError, match="errors are squared, and softmax problems have none"):
        found.leak_bound  # noqa: B018
    with pytest.raises(TypeError, match="Ridge needs"):
        kd.transfer(kd.Ridge(0.1), student, first, second)


@pytest.mark.parametrize("size", [0.0, 1e-170, 1e160])
def test_runs_and_theory_agree_whatever_the_size_of_the_students_own_targets(size):
    y = TARGETS["one"]
    for taught in y, size * y:
        found = kd.transfer(kd.Ridge(0.1), kd.GradientFlow(3.0), PROBLEMS["thin"](taught), PROBLEMS["wide"](size * y))
        assert found.disagreement < 1e-12 and "of theory" in str(found)


def test_what_is_refused():
    y = TARGETS["one"]
    thin, wide = PROBLEMS["thin"](y), PROBLEMS["wide"](y)
    ridge = kd.Ridge(0.1)
    fewer = kd.problems.linear(X[:7], y[:7])
    with pytest.raises(ValueError, match="same samples, but the teacher has 12 and the student 7"):
        kd.transfer(ridge, ridge, thin, fewer)
    with pytest.raises(ValueError, match=r"one shape, but the teacher's are \(12, 3\) and the student's \(12,\)"):
        kd.transfer(ridge, ridge, PROBLEMS["thin"](TARGETS["three"]), wide)
    with pytest.raises(ValueError, match="teacher must be a single stopped learner"):
        kd.transfer(kd.Ridge(np.array([0.1, 0.2])), ridge, thin, wide)
    with pytest.raises(ValueError, match="student is a path of no moments; give it one moment at least"):
        kd.transfer(ridge, kd.GradientFlow(np.zeros(0)), thin, wide)
    with pytest.raises(TypeError, match="student must be a learner"):
        kd.transfer(ridge, 0.1, thin, wide)
    with pytest.raises(TypeError, match="problem must be made by"):
        kd.transfer(ridge, ridge, X, wide)
    with pytest.raises(ValueError, match="teacher_weight must be one number"):
        kd.transfer(ridge, ridge, thin, wide, [0.1, 0.2])
    with pytest.raises(ValueError, match="teacher_weight must be finite, the teacher's share of the labels; got inf"):
        kd.transfer(ridge, ridge, thin, wide, np.inf)
    with pytest.warns(UserWarning, match="past the bound"):
        kd.transfer(kd.GradientDescent(50.0, 3), ridge, thin, wide)


def test_step_sizes_of_none_are_each_problems_own():
    y = TARGETS["one"]
    thin, wide = PROBLEMS["thin"](y), PROBLEMS["wide"](y)
    found = kd.transfer(kd.GradientDescent(None, 5), kd.GradientDescent(None, 5), thin, wide)
    for learner, problem in zip(found.learners, (thin, wide), strict=True):
        assert float(learner.step_size) == pytest.approx(1 / np.linalg.eigvalsh(gram(problem))[-1])
    assert found.disagreement < 1e-12


@pytest.mark.parametrize("kinds", [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_data_in_float32_have_overlaps_of_float64(kinds):
    """Where the student's features span all samples, the squares of each column sum to one, whatever the digits."""
    for seed in range(4):
        random = np.random.default_rng(seed)
        x, z, y = random.normal(size=(12, 3)), random.normal(size=(12, 20)), random.normal(size=12)
        few, many = (
            kd.problems.linear(each.astype(kind), y.astype(kind)) for each, kind in zip((x, z), kinds, strict=True)
        )
        learners = kd.GradientFlow(3.0), kd.GradientFlow([0.5, 2.0])
        found = kd.transfer(*learners, few, many)
        exact = kd.transfer(*learners, kd.problems.linear(x, y), kd.problems.linear(z, y))
        np.testing.assert_allclose(np.sum(found.overlap**2, axis=0), 1.0, rtol=1e-13)
        np.testing.assert_allclose(found.mean_filter.mean, exact.mean_filter.mean, rtol=1e-5)
        assert "largest overlap" in str(found)
