"""The best weights of teachers, students and the truth."""

import itertools
import warnings
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Number, Numbers, as_array, as_count, as_number, as_real, as_spectrum, check_pairs
from kdtheory._compilation import at_once
from kdtheory._record import record
from kdtheory.learners import Distilled, Learner, check_learner
from kdtheory.learners._distilled import distill
from kdtheory.learners._ridge_and_flow import Filter, Ridge
from kdtheory.measures.early_stopping import ideal, least, padded
from kdtheory.measures.risks import check_noise, risk

# Mixing weights.


def best_weight(
    teacher: Learner,
    student: Learner,
    eigenvalues: Numbers,
    signal: Numbers,
    noise_variance: Number,
    weights: Numbers | None = None,
) -> jax.Array:
    """The teacher weight ξ at which a student has the least `risk`: any real number, as the formula has it.

    The student's filter φ_S (1 - ξ (1 - φ_T)) is affine in ξ, so that the risk is a parabola with its least value at ξ
    = Σ w φ_S r_T (v φ_S/λ - θ² r_S) / Σ w (θ² + v/λ) (φ_S r_T)², r = 1 - φ. `teacher` and `student` are learners, the
    other arguments as in `risk`. For ridge with one penalty it is the weight of Das & Sanghavi (2023; as recalled). It
    leaves [0, 1] freely: above one where noise is strong enough, below zero where it is weak enough and the student
    alone leaves something, see `noise_threshold`. NaN where the weight makes no difference, as with a teacher that
    learnt everything. A `signal` of zeros gives the limit for infinite noise. Of a path, teacher or student, there is a
    weight for each moment, path axes.

    ValueError for two paths of different lengths and negative noise.

    >>> import kdtheory as kd
    >>> ridge = kd.Ridge(0.5)
    >>> kd.measures.best_weight(ridge, ridge, [1.0, 0.5], [1.0, 1.0], noise_variance=0.6).round(6).item()
    0.184856
    """
    check_noise(noise_variance)
    return at_once(
        _best_weight, as_array(noise_variance, float), *_mixture(teacher, student, eigenvalues, signal, weights)
    )


def _best_weight(noise_variance, λ, w, θ, φ_S, r_S, r_T):
    per_noise, θ2 = _per_noise(φ_S, λ), θ**2
    excess = jnp.sum(w * φ_S * r_T * (noise_variance * per_noise - θ2 * r_S), axis=-1)
    return excess / jnp.sum(w * φ_S * r_T**2 * (noise_variance * per_noise + θ2 * φ_S), axis=-1)


def noise_threshold(
    teacher: Learner,
    student: Learner,
    eigenvalues: Numbers,
    signal: Numbers,
    weight: Number = 0.0,
    weights: Numbers | None = None,
) -> jax.Array:
    """The noise variance above which, and only above which, the best teacher weight exceeds `weight`.

    At `weight` 0 it says when a positive weight helps, at 1 when one above one beats pure distillation: v > Σ w θ² φ_S
    r_T (r_S + ξ φ_S r_T) / Σ (w/λ) φ_S² r_T (1 - ξ r_T), with r = 1 - φ and ξ = `weight`. Infinite if no noise is
    enough, which takes ξ > 1, or filters that are all zero or one; negative, for some ξ < 0, if all is. For ridge with
    one penalty these are the thresholds of Das & Sanghavi (2023; as recalled). Own otherwise, for filters between zero
    and one; see the claim `trust_grows_with_noise`. Arguments as in `best_weight`, `weight` is one number.

    >>> import kdtheory as kd
    >>> ridge, spectrum, signal = kd.Ridge(0.5), [1.0, 0.5], [1.0, 1.0]
    >>> kd.measures.noise_threshold(ridge, ridge, spectrum, signal).round(12).item()     # isotropic: c θ²
    0.5
    """
    weight = as_array(as_number(weight, "weight"), float)
    parts = _mixture(teacher, student, eigenvalues, signal, weights)
    return at_once(_noise_threshold, weight, teacher.filter(parts[0]), *parts)


def _noise_threshold(weight, φ_T, λ, w, θ, φ_S, r_S, r_T):
    per_noise, θ2 = _per_noise(φ_S, λ), θ**2
    gain = jnp.sum(w * φ_S * r_T * per_noise * (φ_T + (1.0 - weight) * r_T), axis=-1)
    cost = jnp.sum(w * φ_S * r_T * θ2 * (r_S + weight * φ_S * r_T), axis=-1)
    return jnp.where(gain > 0, cost / jnp.where(gain > 0, gain, 1.0), jnp.inf)


def _mixture(teacher, student, eigenvalues, signal, weights):
    """What the risk of a student is made of: λ, w, θ, φ_S, r_S and r_T."""
    check_learner(teacher)
    check_learner(student)
    eigenvalues = as_array(eigenvalues, float)
    learnt = student.filter(eigenvalues)
    weights = eigenvalues if weights is None else as_array(weights, float)
    missed = student.residual(eigenvalues), teacher.residual(eigenvalues)
    check_pairs(teacher=missed[1].shape[:-1], student=learnt.shape[:-1])
    return eigenvalues, weights, as_array(signal, float), learnt, *missed


def _per_noise(learnt, λ):
    """φ/λ, zero along null directions."""
    return jnp.where(λ > 0, learnt / jnp.where(λ > 0, λ, 1.0), 0.0)


def validated_weight(plain: Numbers, distilled: Numbers, target: Numbers, form: Numbers | None = None) -> jax.Array:
    """The teacher weight with which a student comes closest to a target: for one data set, whatever its law.

    `plain` and `distilled` are parameters, or predictions on any inputs, of the student fitted with the weights
    zero and one; since targets enter linearly, weight ξ ends at plain + ξ (distilled - plain), and ‖· -
    `target`‖² is least at ξ = ⟨target - plain, distilled - plain⟩ / ‖distilled - plain‖². `form` is the matrix
    (P, P) of the norm, the identity unless given; with parameters, the second moment of new inputs gives any
    out-of-distribution risk. All arrays are (P,). NaN where the weight makes no difference.

    For ridge the student is β(c) + ξ c β′(c), on the tangent to the ridge path (Dang, Patil & Rinaldo 2026, as
    recalled; proved here). One minus this is the best weight on the ground truth of Borup & Andersen (2021, as
    recalled).

    >>> import kdtheory as kd
    >>> kd.measures.validated_weight(plain=[1.0, 1.0], distilled=[0.5, 0.5], target=[0.6, 0.8]).round(12).item()
    0.6
    """
    plain, distilled, target = (as_array(x, float) for x in (plain, distilled, target))
    step = distilled - plain
    size = jnp.max(jnp.abs(step), initial=0.0)  # whose square may leave the range of floats
    step = step / size
    along = step if form is None else as_array(form, float) @ step
    return jnp.vdot((target - plain) / size, along) / jnp.vdot(step, along)


def best_ridge_student(
    eigenvalues: Numbers, signal: Numbers, noise_variance: Number, weights: Numbers | None = None
) -> Distilled | Filter:
    """The learner of least `risk` among ridge students with any one penalty and any teacher weight.

    Their filters are λ/(λ + c) · (1 - ξ c/(λ + c)). The set is not closed: the least risk may be approached only
    as c → 0 and ξ → ∞, where they tend to 1 - κ/λ, or as c → ∞ and ξ → -∞, where they tend to κλ. Then the
    limit is returned, a `Filter`; otherwise a `Distilled` with its penalty and weight. Searched like `best_stop`;
    arguments as in `risk`.

    ValueError where every student has the same risk, for numbers that are not finite, negative noise or weights, and
    shapes that do not fit.

    >>> import kdtheory as kd
    >>> best = kd.measures.best_ridge_student([4.0, 1.0], signal=[0.05**0.5, 1.0], noise_variance=0.1)
    >>> type(best).__name__
    'Distilled'
    """
    λ, signal, noise_variance, w = _read(eigenvalues, signal, noise_variance, weights)
    if not np.any((λ > 0) & (w > 0) & ((signal != 0) | (noise_variance > 0))):
        raise ValueError(
            "every student has the same risk: no direction has a positive eigenvalue, a weight, and signal or noise;"
            f" got eigenvalues {λ.tolist()}, signal {signal.tolist()} and noise_variance {noise_variance}"
        )
    log_clock = least(_total, λ, ideal(signal, noise_variance), *padded(λ, signal, weights), noise_variance)
    total = lambda learner: risk(learner, λ, signal, noise_variance, weights).total
    θ2, x = signal**2, np.where(λ > 0, λ, np.inf)  # no filter moves a null direction
    with np.errstate(all="ignore"):
        low = np.sum(w * noise_variance / x**2) / np.sum(w * (θ2 / x**2 + noise_variance / x**3))
        high = np.sum(w * θ2 * λ) / np.sum(w * (θ2 * λ**2 + noise_variance * λ))
    inverse, linear = Filter(lambda λ: jnp.where(λ > 0, 1.0 - low / λ, 0.0)), Filter(lambda λ: high * λ)
    inside = _best_student(log_clock, λ, signal, weights, noise_variance)
    return min((inverse, linear, inside), key=lambda learner: float(total(learner)))


def _read(eigenvalues, signal, noise_variance, weights):
    """The arguments of `risk` on the host: λ (K,), θ (K,), v and w (K,)."""
    λ = np.asarray(as_spectrum(eigenvalues))
    arrays = [λ]
    for given, name, low in ((signal, "signal", -np.inf), (λ if weights is None else weights, "weights", 0.0)):
        array = np.asarray(as_real(given, name), float)
        if array.shape not in ((), λ.shape):
            raise ValueError(f"{name} must be {λ.shape} like the eigenvalues, or one number; got shape {array.shape}")
        if not np.all(np.isfinite(array) & (array >= low)):
            bound = "" if low else " and >= 0"
            raise ValueError(
                f"{name} must be finite{bound}, got {array.tolist()}; a direction that does not count has the weight 0"
            )
        arrays.append(np.broadcast_to(array, λ.shape))
    check_noise(as_number(noise_variance, "noise_variance"), finite=True)
    return arrays[0], arrays[1], float(noise_variance), arrays[2]


def _best_student(log_clock, eigenvalues, signal, weights, noise_variance):
    ridge = Ridge(jnp.exp(-log_clock))
    return distill(ridge, ridge, best_weight(ridge, ridge, eigenvalues, signal, noise_variance, weights))


def _total(log_clock, eigenvalues, signal, weights, noise_variance):
    student = _best_student(log_clock, eigenvalues, signal, weights, noise_variance)
    return risk(student, eigenvalues, signal, noise_variance, weights).total


@record
class MixingWeights:
    """The teacher weights of repeated self-distillation with the least risk. Made by `best_weights`."""

    weights: np.ndarray  # (fits - 1,), in the order in which the students are trained
    coefficients: np.ndarray  # (fits - 1,), ξ̄ of the filter s (1 - Σ ξ̄_i (1 - s^i)), s that of the learner
    least: float  # the risk with these weights in exact arithmetic; where one is infinite, approached as weights grow
    reached: float  # and when they are rounded to floats and used in float arithmetic


def best_weights(
    learner: Learner,
    fits: int,
    eigenvalues: Numbers,
    signal: Numbers,
    noise_variance: Number,
    weights: Numbers | None = None,
) -> MixingWeights:
    """The teacher weights at which repeated self-distillation has the least `risk`: one for every student.

    Give them to `self_distill` as `teacher_weight`. With s the filter of the single `learner`, the filters of `fits`
    fits are s times polynomials q(s) of degree fits - 1 with q(1) = 1. With r distinct nonzero eigenvalues, equal ones
    sharing a factor, and filters s that differ on them and are neither zero nor one, r + 1 fits have the least risk of
    any filter, that of Wiener's if all eigenvalues are distinct, and more do no better (Pareek, Du & Oh 2024, as
    recalled). They attain it unless, of the polynomial (1 - q(s))/(1 - s), a coefficient vanishes before its last: then
    a weight is infinite, and the least risk is only approached as weights grow; one more fit than r + 1 attains it.
    Proved; see the claim `as_many_students_as_eigenvalues`. Students that cannot help get the weight zero.

    The weights tend to explode as eigenvalues approach one another. They are computed in fractions, exactly, and then
    rounded; a warning says so when float64 can no longer hold them, `reached` being more than `least`. Exact
    arithmetic is slow: meant for tens of eigenvalues and fewer than ten fits. For `Ridge` the filter is exact,
    too; any other is taken as the floats that it gives. Arguments otherwise as in `risk`.

    ValueError for a path, a filter that is not finite, fits that are no whole number from one on, negative noise or
    weights, and shapes that do not fit.

    >>> import kdtheory as kd
    >>> ridge, spectrum, signal = kd.Ridge(0.5), [2.0, 1.0], [1.0, 0.3]
    >>> best = kd.measures.best_weights(ridge, 3, spectrum, signal, noise_variance=0.1)
    >>> round(best.least, 12) == round(float(kd.measures.wiener_risk(spectrum, signal, 0.1).total), 12)
    True
    >>> student = kd.self_distill(ridge, 3, best.weights)
    >>> bool(abs(kd.measures.risk(student, spectrum, signal, 0.1).total - best.least) < 1e-12)
    True
    """
    fits = as_count(fits, "fits")
    λ, θ, v, w = _read(eigenvalues, signal, noise_variance, weights)
    check_learner(learner)
    s = np.asarray(learner.filter(as_array(λ)))
    if s.shape != λ.shape:
        raise ValueError(
            f"learner must be of one moment, but its filter has the shape {s.shape} along {len(λ)} eigenvalues; call"
            " best_weights for each moment of its path"
        )
    if not np.all(np.isfinite(s)):
        raise ValueError(f"learner must have a finite filter, got {s.tolist()}; stop {learner!r} at another moment")
    λ, θ2, w, v = [Fraction(x) for x in λ], [Fraction(x) ** 2 for x in θ], [Fraction(x) for x in w], Fraction(v)
    if isinstance(learner, Ridge) and np.isfinite(learner.penalty):
        s = [x / (x + Fraction(float(learner.penalty))) if x else Fraction(0) for x in λ]
    else:
        s = [Fraction(x) for x in s.tolist()]
    # with f the factor, the risk is Σ curvature f² - 2 pull f + pull
    pull = [a * b for a, b in zip(w, θ2, strict=True)]
    curvature = [p + (a * v / x if x else 0) for p, a, x in zip(pull, w, λ, strict=True)]
    seen = [k for k in range(len(λ)) if curvature[k] and s[k] and s[k] != 1]
    steps = min(fits - 1, len({s[k] for k in seen}))
    basis = {k: [s[k] * (1 - s[k] ** i) for i in range(1, steps + 1)] for k in seen}
    matrix = [[sum(curvature[k] * basis[k][i] * basis[k][j] for k in seen) for j in range(steps)] for i in range(steps)]
    vector = [sum((curvature[k] * s[k] - pull[k]) * basis[k][i] for k in seen) for i in range(steps)]
    coefficients = _solved(matrix, vector)
    total = lambda factor: sum(a * f * f - 2 * b * f + b for a, b, f in zip(curvature, pull, factor, strict=True))
    least = total([x * (1 - sum(c * (1 - x**i) for i, c in enumerate(coefficients, 1))) for x in s])
    # the weight of the last student is the sum of the coefficients, and q then loses its lowest power
    tails = [Fraction(1), *(sum(coefficients[i:]) for i in range(steps))]
    distinct = {s[k] for k in seen}
    if np.inf in _ratios(tails) and steps == len(distinct) < fits - 1:  # a fit to spare, with which none is infinite
        tails, steps = _without_zeros(tails, distinct), steps + 1
        coefficients = [a - b for a, b in itertools.pairwise([*tails[1:], Fraction(0)])]
    found = _ratios(tails)[::-1]
    factor, single = (np.array([float(x) for x in s]) for _ in range(2))
    with np.errstate(invalid="ignore"):  # of infinite weights
        for ξ in found:
            factor = single * (ξ * factor + (1.0 - ξ))
    reached = total([Fraction(x) for x in factor]) if np.all(np.isfinite(factor)) else np.inf
    if np.inf in found:
        warnings.warn(
            f"a weight is infinite: the least risk, {float(least):.6g}, is only approached as weights grow; one more"
            " fit may attain it",
            stacklevel=2,
        )
    elif reached > least * Fraction(1_000_001, 1_000_000):
        warnings.warn(
            f"the best weights, up to {max(map(abs, found)):.1g}, no longer fit into floats: the risk is"
            f" {float(reached):.6g} with them and {float(least):.6g} without rounding; take fewer fits",
            stacklevel=2,
        )
    idle = [0.0] * (fits - 1 - steps)
    return MixingWeights(
        np.array(idle + found), np.array([float(c) for c in coefficients] + idle), float(least), float(reached)
    )


def _ratios(tails):
    """The weights, the last student's first, whose products the coefficients of g are."""
    return [float(b / a) if a else 0.0 if not b else np.inf for a, b in itertools.pairwise(tails)]


def _without_zeros(tails, nodes):
    """One and the coefficients of g, with a multiple of the polynomial that vanishes on the nodes added, so that none
    is zero: of some multiples the one of least weights."""
    vanishing = [Fraction(1)]
    for node in nodes:
        vanishing = [up - node * kept for up, kept in zip([0, *vanishing], [*vanishing, 0], strict=True)]
    largest = lambda tails: max(map(abs, _ratios(tails))) if all(tails) else np.inf
    added = lambda times: [tails[0], *(a + times * b for a, b in zip([*tails[1:], 0], vanishing, strict=True))]
    return min((added(Fraction(sign * 2**power)) for power in range(-4, 5) for sign in (1, -1)), key=largest)


def _solved(matrix, vector):
    """The solution of a positive definite system in fractions."""
    rows = [[*row, b] for row, b in zip(matrix, vector, strict=True)]
    for i, pivot in enumerate(rows):
        for row in rows[i + 1 :]:
            ratio = row[i] / pivot[i]
            for j in range(i, len(row)):
                row[j] -= ratio * pivot[j]
    solution = []
    for i in reversed(range(len(rows))):
        known = sum(a * x for a, x in zip(rows[i][i + 1 : -1], solution, strict=True))
        solution.insert(0, (rows[i][-1] - known) / rows[i][i])
    return solution
