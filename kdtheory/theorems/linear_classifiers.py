"""Linear classifiers taught by linear classifiers, after Phuong & Lampert 2019, and by hard labels.

Logistic loss, gradient flow from zero, soft labels σ(x·w*). In theory the student is the projection of w* on the
span of the data; in practice it is where gradient descent on the softmax loss of the two classes ends, which follows
the same path at twice the speed.
"""

import jax
import jax.numpy as jnp
from jax import lax

from kdtheory.claims import Margin, both, claim, either, face, positive, same, several, uniform, usually
from kdtheory.classification import Softmax, Term
from kdtheory.learners import GradientDescent
from kdtheory.linear_classifiers import angle, transfer_risk

off = uniform(-0.6, 0.6)
teacher3 = several(3, usually(1.0, uniform(-1.5, 1.5)))
begun = usually(0.0, uniform(0.5, 2.0))


def two_points(entries):
    """Two independent points in three dimensions, of four entries."""
    a, b, c, d = entries
    return jnp.stack([jnp.stack([1.0, a, b]), jnp.stack([c, 1.0, d])])


def projected(features, teacher, start):
    """The teacher on the span of the points, the start off it; Gram-Schmidt, twice."""
    basis = []
    for row in [*features, *features]:
        for direction in basis[: len(features)]:
            row = row - (row @ direction) * direction
        basis.append(row / jnp.linalg.norm(row))
    student = start
    for direction in basis[: len(features)]:
        student = student + ((teacher - student) @ direction) * direction
    return student


def logistic(features, chances, start, step_size, steps):
    """Gradient descent on the cross-entropy to labels with the given chances of the second class."""
    problem = Softmax(features, (Term(jnp.stack([1.0 - chances, chances], axis=1), 1.0, 1.0),), False)
    w = GradientDescent(step_size, steps).fit(problem, jnp.stack([-start / 2, start / 2], axis=1))
    return w[:, 1] - w[:, 0]


def descended(features, teacher, start):
    """The student of the loop, with the largest step that its curvature allows."""
    bound = jnp.sum(features**2) / len(features)
    return logistic(features, jax.nn.sigmoid(features @ teacher), start, 4.0 / bound, 6000)


def start_off(begun, teacher):
    """Somewhere to start, at right angles to the teacher: zero unless told otherwise."""
    return begun * jnp.stack([teacher[1], -teacher[0], 0.0])


@claim(
    source="Phuong & Lampert 2019, theorem 1",
    standing="as recalled",
    entries=several(4, off),
    teacher=teacher3,
    begun=begun,
    hypotheses=dict(zero_start=lambda begun: begun == 0.0),
)
def student_is_projected_teacher(run, entries, teacher, begun):
    """A linear student of a linear teacher ends at the teacher's projection on the span of the data.

    It gives the training points its teacher's logits, and has no part at right angles to all of them. From another
    start w₀ it ends at P w* + (I - P) w₀. With as many independent points as parameters it is its teacher.
    """
    features = two_points(entries)
    student = face(run, projected, descended)(features, teacher, start_off(begun, teacher))
    normal = jnp.cross(features[0], features[1])
    logits = same(jnp.max(jnp.abs(features @ (student - teacher))), 0.0, 1e-9)
    return both(logits, same(student @ normal / jnp.linalg.norm(normal), 0.0, 1e-9))


@claim(
    source="Phuong & Lampert 2019, core of theorem 2",
    standing="proved",
    entries=several(4, off),
    teacher=teacher3,
    point=several(3, uniform(-1.0, 1.0)),
    begun=begun,
    hypotheses=dict(zero_start=lambda begun: begun == 0.0),
)
def student_is_closer_than_any_point(run, entries, teacher, point, begun):
    """A student's angle to its teacher is less than that of any training point, or of its negative.

    And a new point is classified otherwise than by the teacher only if its angle to the teacher's boundary is at most
    the student's angle to the teacher. Hence the transfer risk over random training sets of n points is at most
    p(β) + p(π/2 - β)^n for every β, with p(θ) the chance that a point's angle to w* is at least θ.
    """
    features = two_points(entries)
    student = face(run, projected, descended)(features, teacher, start_off(begun, teacher))
    unsigned = lambda x: jnp.minimum(angle(x, teacher), jnp.pi - angle(x, teacher))
    nearest = jnp.minimum(unsigned(features[0]), unsigned(features[1]))
    right = (point @ student) * (point @ teacher) / (jnp.linalg.norm(student) * jnp.linalg.norm(teacher))
    rounding = jnp.asarray(face(run, 1e-14, 1e-9))
    safe = either(Margin(right, rounding), Margin(unsigned(point) + angle(student, teacher) - jnp.pi / 2, rounding))
    return both(Margin(nearest - angle(student, teacher), rounding), safe)


@claim(
    source="Phuong & Lampert 2019, on strong monotonicity; own",
    standing="proved",
    entries=several(4, off),
    teacher=teacher3,
    stretch=usually(1.0, uniform(5.0, 100.0)),
    hypotheses=dict(isotropic=lambda stretch: stretch == 1.0),
)
def more_data_more_agreement(run, entries, teacher, stretch):
    """With one training point more, a student disagrees with its teacher less often, if inputs are isotropic.

    Distance and angle to the teacher fall with every point whatever the inputs; the share of inputs on which the two
    disagree is angle/π for isotropic Gaussian inputs, and need not fall for others (here the first coordinate's
    deviation is `stretch`), against the theorem as often stated.
    """
    features, zero = two_points(entries), jnp.zeros(3)
    student = face(run, projected, descended)
    fewer, more = (student(features[:n], teacher, zero) for n in (1, 2))
    deviations = jnp.stack([stretch, 1.0, 1.0])
    rounding = jnp.asarray(face(run, 1e-14, 1e-9))
    closer = jnp.linalg.norm(fewer - teacher) - jnp.linalg.norm(more - teacher)
    risk = lambda student: transfer_risk(student, teacher, deviations)
    return both(Margin(closer, rounding), Margin(risk(fewer) - risk(more), rounding))


STEPS = 4000


def logit_of_flow(chance, speed, time):
    """The logit u of u' = speed · (chance - σ(u)): e^u + u = 1 + speed · time for chance one, else its limit."""
    grown = 1.0 + speed * time
    newton = lambda _, u: u - (jnp.exp(u) + u - grown) / (jnp.exp(u) + 1.0)
    hard = lax.fori_loop(0, 12, newton, jnp.log(grown))
    soft = jnp.log(chance) - jnp.log1p(-jnp.minimum(chance, 0.99))
    return jnp.where(chance == 1.0, hard, soft)


@claim(
    source="Soudry, Hoffer, Nacson, Gunasekar & Srebro 2018",
    standing="as recalled",
    lengths=several(2, positive(0.5, 2.0)),
    turn=uniform(0.0, 3.0),
    softness=usually(0.0, uniform(0.05, 0.3)),
    hypotheses=dict(hard_labels=lambda softness: softness == 0.0),
)
def hard_labels_grow_like_log(run, lengths, turn, softness):
    """On hard labels every margin grows like log t, for ever, so that w/log t tends to the hard-margin separator.

    Logistic loss on points at right angles, where the margin m of a point with |x|² = a obeys e^m + m = 1 + ct, c =
    a/N for the half of the softmax clock, hence log(1 + ct - log(1 + ct)) <= m <= log(1 + ct), and a loop of step
    η exceeds it by less than ηc. The separator of largest margin is Σ x/|x|², with all margins one. On the soft labels
    of a finite teacher the margins stop at the teacher's.
    """
    c, s = jnp.cos(turn), jnp.sin(turn)
    features, step_size = lengths[:, None] * jnp.array([[c, s], [-s, c]]), 0.5
    chances, speed = jnp.full(2, 1.0 - softness), 2.0 * lengths**2 / 2.0
    formula = lambda: jax.vmap(logit_of_flow, (0, 0, None))(chances, speed, step_size * STEPS)
    algorithm = lambda: features @ logistic(features, chances, jnp.zeros(2), step_size, STEPS)
    margins = face(run, formula, algorithm)()
    grown = speed * step_size * STEPS
    lowest, rounding = jnp.log(1.0 + grown - jnp.log1p(grown)), jnp.asarray(1e-10)
    return both(
        Margin(jnp.min(margins - lowest), rounding),
        Margin(jnp.min(jnp.log1p(grown) + step_size * speed - margins), rounding),
    )
