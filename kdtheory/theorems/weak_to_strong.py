"""How much better than its teacher a student of other features can be.

In the first claims, of the same samples, u_j are the teacher's eigendirections and v_k the student's, three of each,
turned against each other; everything is per sample and along what both can see. In the last the student has fresh
inputs, and expectations over data are exact.
"""

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    among,
    at_least,
    both,
    claim,
    exceeds,
    face,
    filters,
    positive,
    same,
    several,
    uniform,
    usually,
)
from kdtheory.learners import GradientFlow, HeavyBall
from kdtheory.theorems._features import angles3, shown, vector
from kdtheory.theorems._gaussian import chi_square, inverse, least_squares, two_columns
from kdtheory.theorems._words import allowed, largest_first, rounded, turn


@claim(
    source="own; after Charikar, Pabbaraju & Shiragur 2024, as recalled",
    standing="proved",
    rate=uniform(0.05, 1.9),
    steps=among(1, 3),
    gaps=several(2, uniform(0.3, 0.95)),
    angles=angles3,
    taught=vector,
    other=vector,
    near=positive(1e-3, 1.0, tame=(1e-3, 1.0)),
    domain=largest_first,
    hypotheses=dict(small_step=lambda rate: 1.0 - rate),
)
def gain_is_at_least_the_misfit(run, rate, steps, gaps, angles, taught, other, near):
    """A student gains on its teacher at least its misfit, less twice what its penalty Ω falls below the truth's.

    Gain |t - f|² - |f_S - f|² and misfit |t - f_S|², of labels t, student f_S and truth f. A student with filters in
    (0, 1] minimises |f_S - t|²/2 + Ω(f_S), Ω(f) = fᵀAf/2 with A = φ⁻¹ - 1 in its eigendirections, so gain >= misfit +
    2(Ω(f_S) - Ω(f)); what is missing to equality is (f_S - f)ᵀA(f_S - f). Any teacher and any truth. Here gradient
    descent of an odd number of steps, whose filter exceeds one, and A has a negative part, where ηλ > 1. (The truth is
    what theory says of the student, and `near` times an`other` vector.)

    Proof. gain = misfit + 2⟨t - f_S, f_S - f⟩, and t - f_S = Af_S; 2⟨Af_S, f_S - f⟩ is f_SᵀAf_S - fᵀAf + (f_S - f)ᵀA
    (f_S - f), of which the last is not negative where A is not.
    """
    spectrum, axes = jnp.stack([jnp.ones_like(gaps[0]), gaps[0], gaps[0] * gaps[1]]), turn(angles)
    learner = HeavyBall(rate, 0.0, steps)
    student = shown(run, learner, spectrum, axes, taught)
    seen = filters(run)(learner, spectrum)
    truth = (axes @ taught * seen.learnt) @ axes + near * other
    penalty = lambda f: jnp.sum(seen.residual / seen.learnt * (axes @ f) ** 2)  # 2Ω
    square = lambda f: jnp.sum(f**2)
    gain, misfit = square(taught - truth) - square(student - truth), square(taught - student)
    fallen, rest = penalty(student) - penalty(truth), penalty(student - truth)
    most = jnp.max(jnp.abs(seen.residual / seen.learnt))
    size = square(taught) + square(truth) + most * (square(student) + square(truth))
    error = 2.0 * allowed(run) * size
    return both(same(gain, misfit + fallen + rest, error, size), at_least(gain, misfit + fallen, error, size))


# How much better a student can be.


def least_loss(loss):
    """½ (1 + L - √((1 + 3L)(1 - L))), without its cancellation."""
    return 2.0 * loss**2 / (1.0 + loss + jnp.sqrt((1.0 + 3.0 * loss) * (1.0 - loss)))


def contractions(gaps, near, short):
    """Whether no filter of `near_one_feature` is negative, but by an overshoot."""
    return jnp.maximum(jnp.max(gaps), jnp.maximum(near, short)) <= 1.0


def near_one_feature(run, way, short, gaps, angles, near, labels):
    """Predictions of a student after one step of gradient descent, `short` of 1/λ₁ by so much, whose features are
    `near` a single one at the angle `way` from the first direction."""
    axes = turn(near * angles) @ turn(jnp.stack([-way, 0.0 * way, 0.0 * way]))
    rate = 1.0 - jnp.where(short > 0, near * short, short)
    spectrum = jnp.stack([jnp.ones_like(near), near * gaps[0], near * gaps[0] * gaps[1]])
    return shown(run, HeavyBall(rate, 0.0, 1), spectrum, axes, labels)


@claim(
    source="own; the quadratic limit is of Medvedev et al. 2025, as recalled",
    standing="proved",
    angle=uniform(0.1, 1.5),
    short=uniform(-0.9, 1.0),
    gaps=several(2, uniform(0.05, 1.0)),
    angles=angles3,
    near=positive(1e-5, 1.0, tame=(1e-5, 1.0)),
    stretch=usually(1.0, uniform(1.2, 2.0)),
    domain=dict(contractions=contractions),
    hypotheses=dict(contraction=lambda short: short >= 0, projection=lambda stretch: stretch == 1.0),
)
def weak_teacher_limits_the_student(run, angle, short, gaps, angles, near, stretch):
    """Taught by the best of a weak teacher's features alone, no student of filters in [0, 1] has less loss than L_S =
    2L²/(1 + L + √((1 + 3L)(1 - L))), L the teacher's; some student of one feature attains it.

    Losses |f - f*|²/|f*|² with all the inputs one may want, for any features of the student, any learner and time; the
    teacher is the projection of f* on its features. Small losses are squared, not more. A teacher that overshoots
    (`stretch` > 1) may have a better student, and so may a teacher of any kind one whose filter exceeds one. (Drawn is
    a step of gradient descent, of a student whose features are `near` those that are best.)

    Proof. 0 <= S <= 1 makes |St|² <= ⟨St, t⟩: St is in the ball with the diameter [0, t], and each point x of it is St
    for S = xxᵀ/⟨x, t⟩. The distance of f* from that ball is |f* - t/2| - |t|/2, and with ⟨t, f*⟩ = |t|² = 1 - L, |f*| =
    1, it is (√(1 + 3L) - √(1 - L))/2.
    """
    truth = jnp.array([1.0, 0.0, 0.0])
    taught = stretch * jnp.cos(angle) * jnp.stack([jnp.cos(angle), jnp.sin(angle), 0.0 * angle])
    loss = lambda f: jnp.sum((f - truth) ** 2)
    bound = least_loss(loss(taught))
    away = truth - taught / 2.0
    feature = taught / 2.0 + jnp.sqrt(jnp.sum(taught**2) / jnp.sum(away**2)) * away / 2.0
    feature = feature / jnp.sqrt(jnp.sum(feature**2))
    seen = loss(near_one_feature(run, jnp.arctan2(feature[1], feature[0]), short, gaps, angles, near, taught))
    best = run(GradientFlow(40.0), [1.0], target=[feature @ taught]).learnt[0] * feature
    return both(exceeds(seen, bound, 8.0 * rounded(run), 1.0), same(loss(best), bound, allowed(run), 1.0))


@claim(
    source="own",
    standing="proved",
    students=among(1, 2, 3),
    short=uniform(-0.9, 1.0),
    gaps=several(2, uniform(0.05, 1.0)),
    turns=several(9, uniform(-1.5, 1.5)),
    near=positive(1e-5, 1.0, tame=(1e-5, 1.0)),
    angle=uniform(0.05, 1.5),
    domain=dict(
        contractions=contractions,
        acute=lambda angle: angle * (np.pi / 2.0 - angle),
    ),
    hypotheses=dict(contraction=lambda short: short >= 0),
)
def each_student_turns_by_an_equal_angle(run, students, short, gaps, turns, near, angle):
    """A chain of m students, each with features of its own, takes labels t to no more than |t| cos^m(α/m) at the angle
    α from them; students of one feature, turned by α/m each, attain it.

    Filters in [0, 1], any features. So teaching assistants of other features help: where the first teacher has a small
    loss L, m students can reach L² ((1 + 1/m)/2)², and one L². (As in `weak_teacher_limits_the_student`.)

    Proof. A student takes x into the ball with the diameter [0, x], to at most |x| cos of the angle that it turns x by,
    and some student of one feature does so. log cos is concave: of turns that add up to at least α, equal ones lose
    least.
    """
    x = best = jnp.array([1.0, 0.0, 0.0])
    for student in range(students):
        way = angle * (student + 1) / students
        x = near_one_feature(run, way, short, gaps, turns[3 * student : 3 * student + 3], near, x)
        feature = jnp.stack([jnp.cos(way), jnp.sin(way), 0.0 * way])
        best = run(GradientFlow(40.0), [1.0], target=[feature @ best]).learnt[0] * feature
    length = jnp.sqrt(jnp.sum(x**2))
    turned = jnp.arctan2(jnp.sqrt(x[1] ** 2 + x[2] ** 2), x[0])
    reached = jnp.cos(angle / students) ** students
    return both(
        at_least(jnp.cos(turned / students) ** students, length, allowed(run), 1.0),
        same(jnp.sqrt(jnp.sum(best**2)), reached, allowed(run), 1.0),
    )


# Fresh inputs.


def data_sets(samples, features, alike):
    """L and weights of data sets of one or two Gaussian features; a share has orthogonal ones, all alike."""
    if features == 1:
        squares, weights = chi_square(samples)
        some = jnp.sqrt(squares)[:, None, None]
    else:
        some, weights = two_columns(samples)
    even = jnp.sqrt(samples) * jnp.eye(features)[None]
    return jnp.concatenate([some, even]), jnp.append((1.0 - alike) * weights, alike)


def two_fits(own, axes, truth, labelled, fresh, noise, blur, alike):
    """The errors of teacher and student, from the moments of their fits: the teacher has the first 3 - `own` axes."""
    shown = 3 - own
    sees = np.diag([1.0] * shown + [0.0] * own)
    taught = sees @ truth
    lacks = jnp.sum((truth - taught) ** 2)
    spread = (lacks + noise) * inverse(labelled, shown, alike)
    second = jnp.outer(taught, taught) + spread / shown * sees
    learnt = axes @ second @ axes.T
    student = jnp.trace(learnt) + (jnp.trace(second - axes.T @ learnt @ axes) + blur) * inverse(fresh, own, alike)
    return lacks + spread, student - 2.0 * (axes @ taught) @ (axes @ truth) + truth @ truth


def two_runs(own, axes, truth, labelled, fresh, noise, blur, alike):
    """The same from fits to data, with a column for each row of what labels have and the features do not show."""

    def fitted(samples, axes, mean, root, unseen):
        """Mean and second moment of the parameters, in all three directions, from those of the labels'."""

        def fit(X):
            labels = X @ axes @ jnp.column_stack([mean, root])
            w = axes.T @ least_squares(X, jnp.hstack([labels, jnp.sqrt(unseen) * jnp.eye(len(X))]))
            return w[:, 0], w[:, 1:] @ w[:, 1:].T

        features, weights = data_sets(samples, len(axes), alike)
        return [jnp.tensordot(weights, each, 1) for each in jax.vmap(fit)(features)]

    error = lambda mean, second: jnp.trace(second) - 2.0 * mean @ truth + truth @ truth
    sees = np.eye(3)[: 3 - own]
    unseen = lambda axes, second: jnp.trace(second) - jnp.trace(axes @ second @ axes.T)
    mean, second = fitted(labelled, sees, truth, truth, unseen(sees, jnp.outer(truth, truth)) + noise)
    root = sees.T @ jnp.linalg.cholesky(sees @ second @ sees.T)
    return error(mean, second), error(*fitted(fresh, axes, mean, root, unseen(axes, second) + blur))


@claim(
    source="own, exact; the virtue is of Dong, Li, Li, Lee & Lei 2025, as recalled",
    standing="proved",
    own=among(1, 2),
    angles=several(3, uniform(0.2, 1.3)),
    way=uniform(-1.5, 1.5),
    labelled=positive(20.0, 1e4, tame=(20.0, 100.0)),
    fresh=positive(20.0, 1e4, tame=(20.0, 100.0)),
    noise=positive(0.1, 10.0),
    lacking=positive(0.01, 1.0, tame=(0.1, 1.0)),
    apart=positive(1e-5, 0.9, tame=(1e-5, 0.9)),
    side=uniform(-1.0, 1.0),
    blur=usually(0.0, uniform(0.3, 1.0)),
    alike=usually(0.0, uniform(0.2, 1.0)),
    domain=dict(
        enough=lambda own, labelled, fresh: jnp.minimum(labelled - (4 - own), fresh - (2 * own + 1)),
        beside=lambda apart: 1.0 - apart,
    ),
    hypotheses=dict(noiseless=lambda blur: blur == 0.0, gaussian=lambda alike: alike == 0.0),
)
def discrepancy_makes_students_better(run, own, angles, way, labelled, fresh, noise, lacking, apart, side, blur, alike):
    """Least squares of other features, on N fresh inputs that a teacher labels, averages out the teacher's variance
    along what they do not share: the student is better as long as what it cannot represent is small enough.

    Gaussian features; W and S the teacher's and the student's linear spaces, of w and s dimensions that overlap in o =
    tr P_S P_W, f the truth, linear in such features too, |·|² a mean over inputs. With v = (σ² + |f - P_W f|²)/(n - w -
    1), n labels, the teacher's expected error is |f - P_W f|² + vw and the student's |f - P_S P_W f|² + vo + s/(N - s -
    1) (|P_W f - P_S P_W f|² + v(w - o)), exact at every size. Where the student can represent P_W f, o < w and v > 0,
    it is better iff N > 2s + 1, however noisy the labels. Judged in three dimensions, w + s = 3; P_W f is `apart` from
    the size below which the student is better. (`blur` is noise on the teacher's labels; a share of data sets has
    orthogonal features, `alike`.)

    Proof. What Gaussian features do not show of linear labels is independent of them, noise. So a fit is the projection
    of the labels' function, and scatters about it as noise times (XᵀX)⁻¹, whose mean is 1/(N - s - 1).
    """
    axes, w, s = turn(angles)[:own], 3 - own, own
    one = jnp.stack([jnp.cos(way), jnp.sin(way)])
    none = jnp.zeros(1)
    towards, missed = (jnp.append(one, none), jnp.eye(3)[2]) if w == 2 else (jnp.eye(3)[0], jnp.append(none, one))
    project = lambda f: axes.T @ (axes @ f)
    square = lambda f: jnp.sum(f**2)
    v = (noise + lacking**2) / (labelled - w - 1.0)
    o = jnp.sum(axes[:, :w] ** 2)
    off, along = square(towards - project(towards)), lacking * missed @ project(towards)
    # gain(a) = -off (N - 1) a² + 2 along (N - s - 1) a + v (w - o) (N - 2s - 1), over N - s - 1, for P_W f of size a
    half, free = along * (fresh - s - 1.0), v * (w - o) * (fresh - 2.0 * s - 1.0)
    most = (half + jnp.sqrt(half**2 + off * (fresh - 1.0) * free)) / (off * (fresh - 1.0))
    size = most * (1.0 + jnp.where(side > 0, -apart, apart))
    truth = size * towards + lacking * missed
    teacher, student = face(run, two_fits, two_runs)(own, axes, truth, labelled, fresh, noise, blur, alike)
    left = square(size * (towards - project(towards)))
    law = square(truth - size * project(towards)) + v * o + s / (fresh - s - 1.0) * (left + v * (w - o))
    whole = lacking**2 + v * w + square(truth)
    error = 4.0 * allowed(run) * whole
    return both(
        same(teacher, lacking**2 + v * w, error, whole),
        same(student, law, error, whole),
        exceeds(jnp.where(side > 0, teacher - student, student - teacher), 0.0, 4.0 * rounded(run) * whole, whole),
    )
