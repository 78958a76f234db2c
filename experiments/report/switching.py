"""P8: loss switching, in both orders, for both kinds of teacher

Gain in test accuracy over one-hot labels throughout, of three learners that take the same number of steps in
all: the teacher's labels throughout, one-hot first and the teacher late, the teacher first and one-hot late;
the switch is after three quarters, where momentum begins anew, in all of them and in one-hot throughout. Left
of each picture the teacher fits its noisy labels, right it was stopped early. Softmax regression with the
neural tangent kernel, τ = 4; 600 images, 450 descriptions. The number of steps is, for each teacher, that of
the best pure student on the validation seeds. Dots are seeds, bars means with 95 % intervals; grey is the
teacher.
"""

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._verdicts import Finding

CLAIMED = (
    "Switching to distillation late in training recovers much of its gain; switching back to one-hot late helps the"
    " student of a non-interpolating teacher (abstract of the first version; second-hand)."
)
WHY = "The gains are of a few points and differ from set to set; neither order is a rule."
SETTINGS = {"MNIST": dict(name="mnist", rows=600, noise=0.3), "NACE": dict(name="nace", rows=450, noise=0.3)}
TEACHERS = {"interpolating": 320, "stopped early": 10}
ARMS = ("teacher", "one-hot", "one-hot, then teacher", "teacher, then one-hot")


@kd.record
class Switches:
    """Test accuracy of one seed."""

    teacher: np.ndarray  # (2,) by TEACHERS
    arms: np.ndarray  # (2, 4) by TEACHERS and ARMS


def compute(*, settings=None, seeds=_study.SEEDS, validation=_study.VALIDATION, steps=(20, 40, 80, 160)):
    result = {}
    for title, setting in (settings or SETTINGS).items():
        tuned = [
            [kept(one, seed=seed, steps=(count,) * 2, **setting).arms[:, 0] for seed in validation] for count in steps
        ]
        best = np.argmax(np.mean(tuned, axis=1), axis=0)  # for each teacher
        chosen = tuple(steps[index] for index in best)
        result[title] = chosen, [kept(one, seed=seed, steps=chosen, **setting) for seed in seeds]
    return result


def one(name, rows, noise, seed, steps) -> Switches:
    """All arms of one seed, with one number of steps for each teacher."""
    split = _study.data(name, rows, noise, seed)
    gram, cross = _study.grams("neural tangent", split.train, split.test)
    problem = kd.problems.softmax_kernel(gram, split.noisy, classes=np.unique(split.labels))
    λ = float(problem.max_eigenvalue())

    def accuracy(learner):
        return kd.confidence.accuracy(cross @ np.asarray(_fit(learner, problem)), split.labels)

    own, arms = [], []
    for stop, count in zip(TEACHERS.values(), steps, strict=True):
        teacher = _study.learner(λ, stop)
        first, then = (_study.learner(λ, part) for part in (3 * count // 4, count - 3 * count // 4))

        def taught(student, teacher=teacher):
            return kd.distill(teacher, student, temperature=4.0)

        own.append(accuracy(teacher))
        pairs = (taught(first), taught(then)), (first, then), (first, taught(then)), (taught(first), then)
        arms.append([accuracy(kd.switch(*pair)) for pair in pairs])
    return Switches(np.array(own), np.array(arms))


@jax.jit
def _fit(learner, problem):
    return learner.fit(problem)


def findings(result):
    for title, (_, seeds) in result.items():
        late, early = np.moveaxis([100 * seen.arms for seen in seeds], 0, -1)  # (arm, S) each
        yield Finding(
            f"{title}, interpolating teacher: one-hot then teacher, against one-hot, in points",
            late[2] - late[1],
            "above",
        )
        yield Finding(
            f"{title}, interpolating teacher: the teacher throughout, against one-hot", late[0] - late[1], "above"
        )
        yield Finding(
            f"{title}, teacher stopped early: back to one-hot, against the teacher throughout",
            early[3] - early[0],
            "above",
        )


def abstract(found):
    late = [finding for finding in found if "one-hot then teacher" in finding.what]
    back = [finding for finding in found if "back to one-hot" in finding.what]
    told = lambda some: " and ".join(f"{finding} points on {finding.what.partition(',')[0]}" for finding in some)
    return (
        f"the teacher late in training adds {told(late)} over one-hot; back to one-hot late adds {told(back)} where the"
        " teacher stopped early."
    )


def draw(result):
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = zip(figure.subplots(1, len(result), squeeze=False)[0], result.items(), strict=True)
    for ax, (title, (steps, seeds)) in panels:
        arms = 100 * np.array([seen.arms for seen in seeds])  # (S, 2, 4)
        own = 100 * np.array([seen.teacher for seen in seeds])[..., None]
        gains = np.concatenate([arms[:, :, [0, 2, 3]], own], axis=2) - arms[:, :, 1:2]
        looks = zip((ARMS[0], *ARMS[2:], "the teacher itself"), (*kd.plots.COLOURS[:3], "0.6"), strict=True)
        for place, (label, color) in enumerate(looks):
            for group in range(len(TEACHERS)):
                mean, low, high = kd.confidence.mean_interval(gains[:, group, place])
                x = 5 * group + place
                ax.plot(
                    np.full(len(gains), x + 0.15),
                    gains[:, group, place],
                    ".",
                    color=color,
                    markersize=4,
                    alpha=0.6,
                )
                ax.errorbar(
                    x,
                    mean,
                    [[mean - low], [high - mean]],
                    color=color,
                    marker="o",
                    capsize=3,
                    label=None if group else label,
                )
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xticks(
            [1.5, 6.5], [f"teacher {name}\n{count} steps" for name, count in zip(TEACHERS, steps, strict=True)]
        )
        ax.set(ylabel="gain over one-hot throughout  [points]")
        ax.grid(axis="x", visible=False)
        ax.set_title(title, loc="left")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
