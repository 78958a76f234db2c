"""Linear classifiers taught by linear classifiers, after Phuong & Lampert 2019, and by hard labels.

Logistic loss, gradient flow from zero, soft labels σ(x·w*). In theory the student is found from its logits, by Newton's
method, or from the flow of its logits; in practice it is where gradient descent on the softmax loss of the two classes
ends, which follows the same path at twice the speed.
"""

import jax
import jax.numpy as jnp
from jax import lax

from kdtheory.claims import Margin, at_least, both, claim, either, face, positive, same, several, uniform, usually
from kdtheory.learners import GradientDescent
from kdtheory.measures.linear_classifiers import angle, transfer_risk
from kdtheory.problems import Softmax
from kdtheory.problems._softmax import Term

off = uniform(-0.9, 0.9, tame=(-0.6, 0.6))
teacher3 = several(3, usually(1.0, uniform(-1.5, 1.5)))
begun = usually(0.0, uniform(0.5, 2.0))
beside_points = dict(beside=lambda beside: beside <= 1.0)
# floats know chances, and loops arrive, up to logits of five
moderate_logits = dict(moderate=lambda entries, teacher: 5.0 - jnp.max(jnp.abs(two_points(entries)) @ jnp.abs(teacher)))


def two_points(entries):
    """Two points in three dimensions, of four entries: independent, since not all of these are ±1."""
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


def of_least_loss(features, teacher, start):
    """Where the cross-entropy to the teacher is least, of all that the flow from the start can reach.

    Newton's method on the logits of one or two points, and their combination that has these.
    """
    chances = jax.nn.sigmoid(features @ teacher)
    logits = features @ start
    for _ in range(30):
        p = jax.nn.sigmoid(logits)
        logits = logits - jnp.clip((p - chances) / (p * (1.0 - p)), -2.0, 2.0)
    wanted, gram = logits - features @ start, features @ features.T
    if len(features) == 1:
        return start + features[0] * wanted[0] / gram[0, 0]
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    turned = jnp.stack(
        [gram[1, 1] * wanted[0] - gram[0, 1] * wanted[1], gram[0, 0] * wanted[1] - gram[0, 1] * wanted[0]]
    )
    return start + features.T @ (turned / determinant)


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
    source="Phuong & Lampert 2019, theorem 1 as recalled",
    standing="proved",
    entries=several(4, off),
    teacher=teacher3,
    begun=begun,
    domain=moderate_logits,
    hypotheses=dict(zero_start=lambda begun: begun == 0.0),
)
def student_is_projected_teacher(run, entries, teacher, begun):
    """A linear student of a linear teacher ends at the teacher's projection on the span of the data.

    It gives the training points its teacher's logits, and has no part at right angles to all of them. From another
    start w₀ it ends at P w* + (I - P) w₀. With as many independent points as parameters it is its teacher.

    Proof. The gradient X'(σ(Xw) - σ(Xw*))/N lies in the span of the points, so that (I - P) w stays that of the start.
    On w₀ + span the loss is convex and least exactly where all logits are the teacher's, X w = X w*: at P w = P w*. A
    flow, and a descent with stable steps, of a convex loss with a minimum ends at one.
    """
    features, start = two_points(entries), start_off(begun, teacher)
    student = face(run, of_least_loss, descended)(features, teacher, start)
    normal = jnp.cross(features[0], features[1])
    close = lambda array: same(jnp.max(jnp.abs(array)), 0.0, 1e-8, size=1.0)
    return both(
        close(features @ (student - teacher)),
        close(student - projected(features, teacher, start)),
        close(student @ normal / jnp.linalg.norm(normal)),
    )


def nearly_off(student, teacher, slant, aside, point):
    """A point that the student hardly misses, or hardly tells, moved `aside` towards another."""
    u, s = teacher / jnp.linalg.norm(teacher), student / jnp.linalg.norm(student)
    off = u - (u @ s) * s
    hardly = off / jnp.linalg.norm(off) + slant * s
    return aside * point + (1.0 - aside) * hardly


@claim(
    source="Phuong & Lampert 2019, core of theorem 2",
    standing="proved",
    entries=several(4, off),
    teacher=teacher3,
    beside=positive(1e-3, 1.0, tame=(1e-3, 1.0)),
    point=several(3, uniform(-1.0, 1.0)),
    aside=usually(0.0, uniform(0.0, 1.0)),
    slant=uniform(-1e-4, 1e-4),
    begun=begun,
    domain=moderate_logits | beside_points,
    hypotheses=dict(zero_start=lambda begun: begun == 0.0),
)
def student_is_closer_than_any_point(run, entries, teacher, beside, point, aside, slant, begun):
    """A student's angle to its teacher is at most that of any training point, or of its negative.

    And a new point is classified otherwise than by the teacher only if its angle to the teacher's boundary is at most
    the student's angle to the teacher. Hence the transfer risk over random training sets of n points is at most
    p(β) + p(π/2 - β)^n for every β, with p(θ) the chance that a point's angle to w*, or its negative's, is at least θ.
    (The teacher is drawn `beside` a training point, the new point `aside` of the teacher's boundary.)

    Proof. The student is P w*, and of all vectors of the span, points among them, the projection has the least angle to
    w*. If x·w* and x·Pw* have other signs, some vector of the arc from w* to P w* is at right angles to x, so that x is
    within that arc's length of the teacher's boundary. If some training point is within π/2 - β of ±w*, so is the
    student, and x is told wrong only if it is at least β away from ±w*; that no training point is has the chance
    p(π/2 - β)^n.
    """
    features = two_points(entries)
    teacher = beside * teacher + (1.0 - beside) * features[0]
    student = face(run, of_least_loss, descended)(features, teacher, start_off(begun, teacher))
    unsigned = lambda x: jnp.minimum(angle(x, teacher), jnp.pi - angle(x, teacher))
    nearest = jnp.minimum(unsigned(features[0]), unsigned(features[1]))
    x = nearly_off(student, teacher, slant, aside, point)
    right = (x @ student) * (x @ teacher) / (jnp.linalg.norm(student) * jnp.linalg.norm(teacher))
    rounding = jnp.asarray(face(run, 1e-11, 1e-8))
    told = either(Margin(right, rounding), at_least(unsigned(x) + angle(student, teacher), jnp.pi / 2, rounding))
    return both(at_least(nearest, angle(student, teacher), rounding, size=1.0), told)


@claim(
    source="Phuong & Lampert 2019, on strong monotonicity; own",
    standing="proved",
    entries=several(4, off),
    teacher=teacher3,
    beside=positive(1e-3, 1.0, tame=(1e-3, 1.0)),
    stretch=usually(1.0, uniform(5.0, 100.0)),
    domain=moderate_logits | beside_points,
    hypotheses=dict(isotropic=lambda stretch: stretch == 1.0),
)
def more_data_more_agreement(run, entries, teacher, beside, stretch):
    """With one training point more, a student never disagrees with its teacher more often, if inputs are isotropic.

    Distance and angle to the teacher never rise with a point, whatever the inputs; they need not fall. The share of
    inputs on which the two disagree is angle/π if the law of the inputs is that of all their rotations, as for standard
    Gaussian ones; for others it may rise (here the first coordinate's deviation is `stretch`), against the theorem as
    often stated. An identity for their covariance is not enough. (The teacher is drawn `beside` a training point.)

    Proof. The span grows, and the projection of w* on the larger one is nearer to w* in distance and in angle. Two half
    spaces disagree on two wedges of that angle, which have the share angle/π of any law that no rotation changes.
    """
    features, zero = two_points(entries), jnp.zeros(3)
    teacher = beside * teacher + (1.0 - beside) * features[0]
    student = face(run, of_least_loss, descended)
    fewer, more = (student(features[:n], teacher, zero) for n in (1, 2))
    deviations = jnp.stack([stretch, 1.0, 1.0])
    rounding = jnp.asarray(face(run, 1e-11, 1e-8))
    risk = lambda student: transfer_risk(student, teacher, deviations)
    return both(
        at_least(jnp.linalg.norm(fewer - teacher), jnp.linalg.norm(more - teacher), rounding, size=1.0),
        at_least(risk(fewer), risk(more), rounding, size=1.0),
    )


STEPS, STEP_SIZE = 10_000, 0.5


def logits_of_flow(chance, speed, time):
    """The logit u of u' = speed · (chance - σ(u)) from zero, by Runge and Kutta in log(1 + speed · time)."""
    count = 1000
    width = jnp.log1p(speed * time) / count
    slope = lambda s, u: jnp.exp(s) * (chance - jax.nn.sigmoid(u))

    def step(u, number):
        s = width * number
        a = slope(s, u)
        b = slope(s + width / 2, u + width / 2 * a)
        c = slope(s + width / 2, u + width / 2 * b)
        d = slope(s + width, u + width * c)
        return u + width * (a + 2.0 * b + 2.0 * c + d) / 6.0, None

    return lax.scan(step, 0.0 * speed, jnp.arange(count))[0]


@claim(
    source="Soudry, Hoffer, Nacson, Gunasekar & Srebro 2018 for the separator, as recalled; the bounds own",
    standing="proved",
    lengths=several(2, positive(0.5, 2.0)),
    turn=uniform(0.0, 3.0),
    softness=usually(0.0, uniform(0.05, 0.3)),
    domain=dict(resolved=lambda lengths: 5.0 - jnp.max(lengths)),
    hypotheses=dict(hard_labels=lambda softness: softness == 0.0),
)
def hard_labels_grow_like_log(run, lengths, turn, softness):
    """On hard labels every margin grows like log t, for ever, so that w/log t tends to the hard-margin separator.

    Logistic loss on points at right angles: the margin m of a point with |x|² = a obeys e^m + m = 1 + ct under the
    flow, c = a/N for the half of the softmax clock; a loop of step η, at t = ηk, has 1 + ct <= e^m + m <= 1 + ct +
    ηc e^(ηc/2) m. The separator of largest margin is Σ x/|x|², with all margins one. On the soft labels of a finite
    teacher the margins stop at the teacher's.

    Proof. Points at right angles do not meet: m' = cσ(-m), and (e^m + m)' = (e^m + 1) m' = c. A step adds δ = ηcσ(-m)
    <= ηc/2 to m, and to e^m + m, which is convex, at least ηc and at most ηc e^δ <= ηc + ηc e^(ηc/2) δ; all δ add up to
    m. Hence m/log t → 1 for every point, and w = Σ m x/|x|². That is the separator times log t: any w of margins m >= 1
    is Σ m x/|x|² and something at right angles, and the shortest has all m = 1.
    """
    c, s = jnp.cos(turn), jnp.sin(turn)
    features = lengths[:, None] * jnp.array([[c, s], [-s, c]])
    chances, speed = jnp.full(2, 1.0 - softness), lengths**2
    formula = lambda: jax.vmap(logits_of_flow, (0, 0, None))(chances, speed, STEP_SIZE * STEPS)
    algorithm = lambda: features @ logistic(features, chances, jnp.zeros(2), STEP_SIZE, STEPS)
    margins = face(run, formula, algorithm)()
    grown, seen = 1.0 + speed * STEP_SIZE * STEPS, jnp.exp(margins) + margins
    late = face(run, 0.0, STEP_SIZE * speed * jnp.exp(STEP_SIZE * speed / 2) * margins)
    error = 1e-8 * grown
    bounds = [at_least(seen[i], grown[i], error[i]) for i in range(2)]
    return both(*bounds, *(at_least((grown + late)[i], seen[i], error[i]) for i in range(2)))
