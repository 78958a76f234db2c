"""Early stopping against ridge, and the best single fit against distillation.

The risk of a filter h is Σ weight · [θ² (1 - h)² + (v/λ) h²] over the eigendirections, with θ² = `energy` the
squared true parameters, v = `noise` the noise variance σ²/N of one eigen-component of the predictions, and any
weights: 1 for the error of the parameters, λ for that of the predictions on the training inputs. It is taken
over the noise, exactly; in practice the algorithm's own filter is measured on data. The papers' v is σ² where
their eigenvalues are those of the sum loss. Up to a constant it is Σ w (h - h*)², with w = weight · (θ² + v/λ) and h* =
λθ²/(λθ² + v), Wiener's filter.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory.claims import (
    EPS,
    Margin,
    among,
    both,
    claim,
    counterexamples,
    exceeds,
    face,
    filters,
    positive,
    same,
    searched,
    several,
    uncertainty,
    uniform,
    usually,
)
from kdtheory.learners import GradientFlow, Learner, Ridge, distill
from kdtheory.measures import early_stopping
from kdtheory.measures.early_stopping import RISK_RATIO, TUNED_RATIO, best_clock
from kdtheory.theorems._words import METHODS, chain, distinct_spectrum, last_digits, log_risk, spaced


def often(value, quantity, share=0.5):
    """A value, or vector, in this share of the cases, and otherwise drawn: where a bound is nearly attained."""

    def draw(random, count, tame):
        drawn = quantity.draw(random, count, tame)
        chosen = random.random((count,) + (1,) * (drawn.ndim - 1)) < share
        return np.where(chosen, np.asarray(value), drawn)

    return dataclasses.replace(quantity, draw=draw)


def below(first, second, factor=1.0) -> Margin:
    """The margin of "one risk is at most `factor` times another", in logs."""
    return Margin(second.value + jnp.log(factor) - first.value, first.rounding + second.rounding)


# The best single fit.


class Best(NamedTuple):
    """The single fit of least risk, as a search found it, and the errors of the search."""

    learner: Learner
    clock: jax.Array
    clock_error: jax.Array  # of the log of its clock, which the best one is within; infinite if it may be elsewhere
    risk_error: jax.Array  # by how much its risk may exceed the least


def response(learner, x):
    """The filter of a fit at x = λ · clock, what it leaves, and its first two derivatives by log x."""
    if isinstance(learner(1.0), Ridge):
        h, left = x / (1.0 + x), 1.0 / (1.0 + x)
        return h, left, h * left, h * left * (left - h)
    left = jnp.exp(-x)
    return -jnp.expm1(-x), left, x * left, x * (1.0 - x) * left


def more(learner, x, later):
    """How much more a fit has learnt at x · e^later than at x."""
    after = x * jnp.expm1(later)
    if isinstance(learner(1.0), Ridge):
        return after / ((1.0 + x) * (1.0 + x + after))
    return -jnp.sign(after) * jnp.exp(-jnp.minimum(x, x + after)) * jnp.expm1(-jnp.abs(after))


def steepest(learner, x, reach):
    """Bounds of the first three derivatives of a filter by log x, within `reach` of it."""
    top = x * jnp.exp(reach)
    if isinstance(learner(1.0), Ridge):
        rate = top / (1.0 + x) ** 2  # h (1 - h), whose log has a slope within ±1, as the factors of the others are
        return rate, rate, rate
    rate = top * jnp.exp(-x * jnp.exp(-reach))  # x e^(-x), with 1 - x and 1 - 3x + x²
    return rate, rate * (1.0 + top), rate * (1.0 + 3.0 * top + top**2)


def ideal_clocks(learner, spectrum, power, noise):
    """The clock at which a fit is Wiener's filter, for each direction."""
    ratio = power / noise
    return (ratio if isinstance(learner(1.0), Ridge) else jnp.log1p(ratio)) / spectrum


def downhill(slope, u, low, high):
    """The nearest place between `low` and `high` where a slope changes its sign, downhill from u.

    Where differences of what it is the slope of are too small for floats, a search by these stops short of it.
    """
    grid = jnp.linspace(low, high, ROW)
    steep = jax.vmap(slope)(grid)
    first = jnp.max(jnp.where((grid <= u) & (steep <= 0.0), grid, low))
    last = jnp.min(jnp.where((grid >= u) & (steep >= 0.0), grid, high))
    falls = slope(u) < 0.0

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        return jax.tree.map(partial(jnp.where, slope(middle) < 0.0), (middle, ends[1]), (ends[0], middle))

    low, high = lax.fori_loop(0, 53, halve, (jnp.where(falls, u, first), jnp.where(falls, last, u)))
    return (low + high) / 2


CELLS, ROW = 256, 64  # into which the clocks are cut, and of which so many are done at once
NEAR = 4  # cells on either side of the best clock, where its slope and its curvature decide


def best_single_with_error(learner, spectrum, power, noise, ulp=EPS) -> Best:
    """The single fit of least Σ [power · (1 - h)² + noise · h²], and how far the search may be from it.

    Along each direction the risk falls until the ideal clock and then rises, so the best one is between the first and
    the last of these. Up to a constant it is f = Σ w (h - h*)², as a function of u, the log of the clock. On a cell of
    half width d around a, f >= f(a) - |f′(a)| d - B d²/2 and f″ >= f″(a) - T d, where T bounds |f‴| on it and B -f″, as
    T d - f″(a) does: f is lower on no cell but those near the clock found, and convex there. A range where f is convex
    throughout has one minimum, near the clock found if f′ is less there than f″ makes of it. `ulp` is what is rounded.
    """
    weight, ideal = power + noise, ideal_clocks(learner, spectrum, power, noise)
    first, last = jnp.maximum(jnp.min(ideal), 1e-9 * jnp.max(ideal)), jnp.max(ideal)
    low, high = jnp.log(first), jnp.log(last)

    def slopes(u):
        """f, f′ and f″; and what f′ is the difference of."""
        h, left, rate, bend = response(learner, spectrum * jnp.exp(u))
        pull = noise * h - power * left  # w (h - h*)
        parts = pull**2 / weight, 2.0 * pull * rate, 2.0 * (weight * rate**2 + pull * bend)
        return *(jnp.sum(part) for part in parts), jnp.sum((noise * h + power * left) * rate)

    def bounds(u, reach):
        """B and T within that reach."""
        h, left, *_ = response(learner, spectrum * jnp.exp(u))
        rate, bend, twist = steepest(learner, spectrum * jnp.exp(u), reach)
        pull = jnp.abs(noise * h - power * left) + weight * rate * reach
        return 2.0 * jnp.sum(pull * bend), 2.0 * jnp.sum(3.0 * weight * rate * bend + pull * twist)

    start = lambda: jnp.log(best_clock(lambda clock: slopes(jnp.log(clock))[0], first, last))
    u = searched(lambda: downhill(lambda u: slopes(u)[1], start(), low, high))
    for _ in range(4):
        _, slope, curvature, _ = slopes(u)
        u = jnp.clip(u - jnp.where(curvature > 0.0, slope / curvature, 0.0), low, high)
    least, slope, curvature, terms = slopes(u)
    h, left, *_ = response(learner, spectrum * first)
    before = jnp.sum(jnp.where(ideal < first, 0.0, (noise * h - power * left) ** 2 / weight))  # still earlier, at least
    elsewhere = jnp.where(jnp.min(ideal) < first, before - least, jnp.inf)  # by how much f is larger there, at least

    def excess(at):
        """f there less f(u), with the digits of small differences, less what they may be off by."""
        (h, left, *_), (h_u, left_u, *_) = (response(learner, spectrum * jnp.exp(v)) for v in (at, u))
        learnt, missed = noise * (h + h_u), power * (left + left_u)
        moved = more(learner, spectrum * jnp.exp(u), at - u)
        return jnp.sum(moved * (learnt - missed) - 8.0 * EPS * jnp.abs(moved) * (learnt + missed))

    ranges = []  # of all clocks, and then of those near: the least excess elsewhere, and the least f″ on all of it
    for _ in range(2):
        half = (high - low) / (2 * CELLS)

        def lower(row, found, low=low, half=half):
            at = low + half * (2.0 * (ROW * row + jnp.arange(ROW)) + 1.0)
            _, steep, bent, _ = jax.vmap(slopes)(at)
            bend, twist = jax.vmap(bounds, (0, None))(at, half)
            near = jnp.abs(at - u) <= NEAR * half
            bent -= twist * half
            f = jax.vmap(excess)(at) - jnp.abs(steep) * half - jnp.clip(-bent, 0.0, bend) * half**2 / 2
            cells = jnp.where(near, jnp.inf, f), jnp.where(near, bent, jnp.inf), bent
            return tuple(jnp.minimum(least, jnp.min(each)) for least, each in zip(found, cells, strict=True))

        others, convex, throughout = lax.fori_loop(0, CELLS // ROW, lower, (jnp.inf,) * 3)
        ranges.append((others, throughout))
        near = (NEAR + 1) * half
        low, high = jnp.maximum(low, u - near), jnp.minimum(high, u + near)
    slope = jnp.abs(slope) + 8.0 * ulp * terms
    off = jnp.where(convex > 0.0, slope / jnp.where(convex > 0.0, convex, 1.0), jnp.inf)
    for others, throughout in ranges:
        elsewhere = jnp.minimum(elsewhere, jnp.where((throughout > 0.0) & (off < near), jnp.inf, others))
    off = jnp.minimum(off, near)
    clock_error = jnp.where(elsewhere > 0.0, off, jnp.inf) + 4.0 * ulp * (1.0 + jnp.abs(u))
    risk_error = slope * off + jnp.maximum(-convex, 0.0) / 2 * near**2 + jnp.maximum(-elsewhere, 0.0)
    return Best(learner(jnp.exp(u)), jnp.exp(u), clock_error, risk_error)


def log_least_risk(run, learner, spectrum, power, noise) -> Margin:
    """The log of the risk of the best single fit; the search's error is part of the rounding."""
    ulp = jnp.max(last_digits(filters(run)(learner(1.0), spectrum)))
    best = best_single_with_error(learner, spectrum, power, noise, ulp)
    found = log_risk(run(best.learner, spectrum), power, noise)
    return Margin(found.value, found.rounding + best.risk_error * jnp.exp(-found.value))


@claim(
    source="Ali, Kolter & Tibshirani 2019, with 1.6862; sharp constant and m fits own",
    standing="proved",
    fits=among(1, 2),
    spectrum=often([1.0, 1.0, 1.0], several(3, positive(1e-2, 10.0, tame=(0.7, 7.0)))),
    energy=often([0.0, 0.0, 0.0], several(3, uniform(0.0, 10.0))),
    noise=positive(),
    weights=several(3, positive(1e-2, 1e2)),
    clocks=often([1.77, 1.77], often([5e-4, 5e-4], several(2, positive(1e-2, 30.0, tame=(2e-3, 3.0))))),
    stretch=usually(1.0, positive(0.3, 3.0)),
    domain=dict(signal=lambda energy: jnp.min(energy) >= 0.0),
    hypotheses=dict(same_clock=lambda stretch: stretch == 1.0),
)
def flow_within_constant_of_ridge(run, fits, spectrum, energy, noise, weights, clocks, stretch):
    """Stopped at t, gradient flow has at most C² = 1.68590905827832503483... times the risk of ridge with
    penalty 1/t.

    For all t, spectra, signals, noise and weights; m fits by flow against m by ridge with the same clocks: C^(2m).
    Along each direction flow's bias is at most ridge's, and its variance at least ridge's and at most C^(2m) times it.
    C² is attained without signal, with all λt = 1.79328213290076... No bound holds the other way round: where all is
    bias, ridge may have any number of times flow's risk. The clock matters: of ridge with penalty 1/(kt), k =
    `stretch`, flow exceeds the variance up to 1/k² times for k <= 1/2, and the bias for every k > 1.

    Proof. With x = λt, flow's filter over ridge's is (1 - e^(-x))(1 + x)/x. It is at least 1, as e^x >= 1 + x. Its log
    has the slope 1/(e^x - 1) - 1/(x + x²), positive and then negative, with the root e^x = 1 + x + x²; there it is C =
    (1 + x)²/(1 + x + x²). Filters multiply, so that those of m fits have ratios between 1 and C^m: squared, the
    variance's, while less is left by flow. Risk is the sum of both over directions. The biases have the ratio (1 + x)²
    e^(-2x), which tends to zero. With k, the filters' ratio is (1 - e^(-x))(1 + kx)/(kx), which tends to 1/k as x -> 0,
    and for k <= 1/2 is below it: (1 - e^(-x))(1 + x/2) < x, since the difference has the slope (1 - (1 + x) e^(-x))/2.
    For k > 1 less is left by ridge as x -> 0: 1 - kx against 1 - x, to first order.
    """
    seen = run(chain([GradientFlow(clocks[i]) for i in range(fits)]), spectrum)
    against = run(chain([Ridge(1.0 / (stretch * clocks[i])) for i in range(fits)]), spectrum)
    risk = lambda seen: log_risk(seen, weights * energy, weights * noise / spectrum)
    one, other = seen[0], against[0]  # of all directions alike
    learnt_error = one.log_learnt_error + other.log_learnt_error
    learnt = one.log_learnt - other.log_learnt
    left_error = one.log_residual_error + other.log_residual_error
    return both(
        below(risk(seen), risk(against), RISK_RATIO**fits),
        Margin(other.log_residual - one.log_residual, left_error),
        Margin(learnt, learnt_error),
        Margin(0.5 * fits * jnp.log(RISK_RATIO) - learnt, learnt_error),
    )


@claim(
    source="Ali, Kolter & Tibshirani 2019, with 1.2147; sharp constant own",
    standing="proved",
    spectrum=often([0.864, 8.6, 8.6], several(3, positive(0.1, 10.0))),
    noise=often(1.0, positive(1e-3, 1e2, tame=(0.02, 2.0))),
    weights=often([0.6, 3.26, 3.26], several(3, positive(1e-2, 1e2, tame=(0.1, 10.0)))),
    tilt=usually(0.0, uniform(-2.0, 2.0)),
    domain=dict(distinct=distinct_spectrum),
    hypotheses=dict(isotropic_signal=lambda tilt: tilt == 0.0),
)
def best_flow_within_constant_of_best_ridge(run, spectrum, noise, weights, tilt):
    """Each tuned, gradient flow has more than the risk of ridge, and at most 1.0748517290 times it, for an isotropic
    signal.

    Any weights w > 0 and noise v > 0, and any eigenvalues of which two positive ones differ (else both are Wiener's
    filter). The constant is the
    supremum over spectra and weights, to 1e-10: nearly attained by two eigenvalues with λθ²/v = 0.8637 and 8.5955 and
    0.3211 and 0.6789 of ridge's risk, where flow has two best times. Where the signal is not isotropic (θ² = λ^`tilt`),
    the best flow may be better than the best ridge.

    Proof. Ridge with penalty v/θ² is Wiener's filter, the only one of least risk; flow is for no t where eigenvalues
    differ, since log(1 + x)/x falls. The constant is that of a game between t and the eigenvalues, whose value is
    enclosed by a mixed strategy of each: tests/proofs/tuned_flow_against_ridge.py, with ball arithmetic.
    """
    power, noises = weights * spectrum**tilt, weights * noise / spectrum
    flow, ridge = (log_least_risk(run, METHODS[name], spectrum, power, noises) for name in ("flow", "ridge"))
    return both(below(ridge, flow), below(flow, ridge, TUNED_RATIO))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    spectrum=several(3, positive(0.1, 10.0, tame=(0.2, 3.0))),
    noise=positive(1e-3, 1e4, tame=(0.02, 1e4)),
    clocks=several(3, positive(1e-3, 1e3, tame=(1e-3, 30.0))),
    tilt=uniform(-2.0, 3.0),
    hypotheses=dict(flat_signal=lambda tilt: tilt <= 0.0),
)
def flat_signal_gains_nothing_from_distillation(run, method, spectrum, noise, clocks, tilt):
    """With an isotropic signal, or θ² = λ^r with r <= 0, no student beats the best single fit.

    Expected error of the predictions, flow and ridge, any number m >= 2 of fits (here three, of which some may change
    little) and any clocks, r = `tilt`.

    Proof. The clock at which a fit is Wiener's filter falls with λ, or is the same for all: λ^r/v for ridge, and
    log(1 + y)/λ with y = λ^(1+r)/v for flow, where y/(1 + y) < log(1 + y) and 1 + r <= 1. So it is a case of
    `flatter_ideal_gains_nothing_from_distillation`; where eigenvalues are equal, so are all filters, and merging them
    changes nothing; with one eigenvalue the best single fit is Wiener's.
    """
    power = spectrum ** (1.0 + tilt)
    learner = METHODS[method]
    student = log_risk(run(chain([learner(clock) for clock in clocks]), spectrum), power, noise)
    return below(log_least_risk(run, learner, spectrum, power, noise), student)


def falls(spectrum, numbers):
    """Whether the numbers nowhere grow with the eigenvalues."""
    λ, n = spectrum, numbers
    return jnp.all((λ[:, None] - λ) * (n[:, None] - n) <= 0.0)


def least_gap(numbers):
    """By how much the nearest two of three differ."""
    return jnp.min(jnp.abs(numbers - jnp.roll(numbers, 1)))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    spectrum=often([2.0, 1.0, 0.5], several(3, positive(0.1, 10.0, tame=(0.2, 2.0))), 0.7),
    ideal=often([0.2, 1.0, 3.0], several(3, positive(0.1, 10.0, tame=(0.2, 2.0))), 0.7),
    weights=often([1.0, 1.0, 1.0], several(3, positive(1e-2, 1e2, tame=(0.1, 10.0))), 0.7),
    clocks=often([0.793, 1e4, 1e4], several(3, positive(1e-2, 1e2, tame=(0.1, 30.0))), 0.7),
    domain=dict(distinct=lambda spectrum: least_gap(spectrum)),
    hypotheses=dict(falling=lambda spectrum, ideal: falls(spectrum, ideal)),
)
def flatter_ideal_gains_nothing_from_distillation(run, method, spectrum, ideal, weights, clocks):
    """If no larger eigenvalue wants to be stopped later, no student is as good as the best single fit.

    `ideal` is for each direction the clock at which a fit is where it should be: h* there, Wiener's filter or any
    other. Where ideal clocks nowhere grow with λ, every chain of m >= 2 fits (here three, by flow or ridge) has a
    larger Σ w (h - h*)² than the best h_t, for all weights w > 0 and distinct positive eigenvalues, at least two. With
    w = λθ² + v it is the risk of predictions, and `flat_signal_gains_nothing_from_distillation` a case.

    Proof. In λ, h_t - h* changes sign at most once, from - to +, and so does g - h_t, with g the student
    (`single_crossing` and `single_crossing_of_ridge`); as t grows from 0 to ∞ the first sign change moves from the
    largest λ to the smallest, and the second the other way. At the t where they pass each other no direction has (h_t -
    h*)(g - h_t) < 0: if one had, it would have it shortly before and after as well, that is on both sides. So Σ w (g -
    h*)² >= Σ w (h_t - h*)² + Σ w (g - h_t)², and g agrees with h_t at most once.
    """
    learner = METHODS[method]
    lane = filters(run)
    wanted = [lane(learner(ideal[k]), spectrum)[k] for k in range(3)]
    power, noise = (weights * jnp.stack([getattr(h, part) for h in wanted]) for part in ("learnt", "residual"))
    ulp = jnp.max(last_digits(lane(learner(ideal[0]), spectrum)))
    best = best_single_with_error(learner, spectrum, power, noise, ulp)
    student, single = run(chain([learner(clock) for clock in clocks]), spectrum), run(best.learner, spectrum)
    pull = lambda seen: noise * seen.learnt - power * seen.residual  # w (h - h*)
    error = lambda seen: jnp.sum(pull(seen) ** 2 / weights)
    off = lambda seen: jnp.sum(2.0 * jnp.abs(pull(seen)) * (uncertainty(seen) + last_digits(seen)))
    return exceeds(error(student), error(single), off(student) + off(single) + best.risk_error)


# The best single fit as a teacher.


def student_of_best(run, learner, spectrum, power, noise, low, high):
    """The margin of "the best single fit, made a teacher, has a student that beats it": clocks of the student in
    between.

    With h the teacher's filter and h - l the student's, the risk falls by Σ l [2 (noise · h - power · (1 - h)) -
    (power + noise) · l]. A late student changes little: everything is taken relative to what it leaves of the smallest
    eigenvalue, the last, which keeps all digits.
    """
    ulp = jnp.max(last_digits(filters(run)(learner(1.0), spectrum)))
    best = best_single_with_error(learner, spectrum, power, noise, ulp)
    least, weight = spectrum[-1], power + noise
    ridge = isinstance(best.learner, Ridge)
    rest = lambda clock: 1.0 / (1.0 + least * clock) if ridge else jnp.exp(-least * clock)
    others = lambda clock: (
        (1.0 + least * clock) / (1.0 + spectrum * clock) if ridge else jnp.exp((least - spectrum) * clock)
    )
    pull = lambda h: noise * h.learnt - power * h.residual
    fall = lambda h, lost, rest: jnp.sum(lost * (2.0 * pull(h) - weight * rest * lost))
    taught = filters(run)(best.learner, spectrum)
    seen_error = face(run, 0.0, 1e-11)  # of a loop, which cannot tell what changes less
    worth = lambda clock: (
        fall(taught, taught.learnt * others(clock), rest(clock)) - seen_error * jnp.sum(weight) / (rest(clock) + 1e-99)
    )
    clock = best_clock(lambda clock: -worth(clock), low, high)
    clock = jnp.where(worth(high) > worth(clock), high, clock)  # of next to nothing, which a search may miss
    h = run(best.learner, spectrum)
    on_data = lambda: (h.learnt - run(distill(best.learner, learner(clock)), spectrum).learnt) / rest(clock)
    lost = face(run, lambda: h.learnt * others(clock), on_data)()
    moved = response(learner, spectrum * best.clock)[2] * best.clock_error  # by how much the best one may differ
    error = uncertainty(h) + ulp * h.learnt + moved
    lost_error = face(run, error * others(clock) + 4.0 * ulp * lost, (2.0 * uncertainty(h)) / rest(clock) + moved)
    sensitivity = 2.0 * (jnp.abs(pull(h)) + weight * rest(clock) * jnp.abs(lost))
    rounding = jnp.sum(2.0 * weight * error * jnp.abs(lost) + sensitivity * lost_error)
    size = jnp.sum(power * h.residual**2 + noise * h.learnt**2)
    value = fall(h, lost, rest(clock))
    latest = fall(taught, taught.learnt * others(1e60 / least), 0.0)
    untold = face(run, False, (value < 0) & (worth(clock) <= 0) & (latest > 0))  # a gain too small or late for a loop
    return Margin(value, jnp.where(untold, jnp.inf, rounding), size)


def overfit(lead, gaps, energy, noise):
    """By how much the best stopped flow exceeds Wiener's filter on the smallest eigenvalue, and the search's error."""
    spectrum = spaced(lead, gaps)
    best = best_single_with_error(GradientFlow, spectrum, spectrum * energy, noise)
    smallest = spectrum == spectrum[-1]
    power = spectrum[-1] * jnp.sum(jnp.where(smallest, energy, 0.0)) / jnp.sum(smallest)
    return best.learner.filter(spectrum[-1]) - power / (power + noise), best.clock_error + 8.0 * EPS


def over_fitted(lead, gaps, energy, noise):
    """Whether it does, beyond that error."""
    excess, error = overfit(lead, gaps, energy, noise)
    return excess - error


@claim(
    source="own",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, positive(0.05, 1.0, tame=(0.05, 0.5))),
    energy=several(3, uniform(0.0, 10.0)),
    noise=positive(0.01, 10.0, tame=(0.1, 1.0)),
    domain=dict(falling=lambda gaps: jnp.max(gaps) <= 1.0),
    hypotheses=dict(over_fitted=over_fitted),
)
def overfitted_tail_gains_from_distillation(run, lead, gaps, energy, noise):
    """If the best stopped flow over-fits the smallest eigenvalue, it has a student that beats it.

    Over-fits: its filter exceeds Wiener's, λθ²/(λθ² + v), there, with the mean of θ² over the eigenspace if the
    smallest eigenvalue is repeated. The student takes it for a teacher and stops at a late s; its gain in expected
    error of the predictions is led by e^(-λs) of the smallest λ. Teacher and student may be exchanged.

    Proof. The student's filter is h (1 - e^(-λs)). Its risk is less by Σ l (2w (h - h*) - w l) with l = h e^(-λs). As s
    -> ∞, e^(λs) times that, for the smallest λ, tends to 2h Σ w (h - h*) over its eigenspace, where w h* = λθ²:
    positive iff h exceeds Wiener's filter of the mean. Filters multiply, in any order.
    """
    spectrum = spaced(lead, gaps)
    low, high = 0.1 / spectrum[0], face(run, 1e9, 15.0) / spectrum[-1]
    return student_of_best(run, GradientFlow, spectrum, spectrum * energy, noise, low, high)


@claim(
    source="own",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, positive(0.05, 1.0, tame=(0.05, 0.9))),
    tilt=uniform(-2.0, 2.0),
    noise=positive(1e-3, 1e2, tame=(0.05, 1.0)),
    domain=dict(distinct=lambda gaps: 1.0 - jnp.min(gaps)),
    hypotheses=dict(rising_signal=lambda tilt: tilt),
)
def rising_signal_gains_from_distilled_ridge(run, lead, gaps, tilt, noise):
    """With θ² = λ^r, r > 0, and at least two distinct positive eigenvalues, the best ridge fit has a student that beats
    it.

    Expected error of the predictions, noise v > 0; r = `tilt`. A small penalty of the student's own will do. With r <=
    0, or one eigenvalue, no student gains (`flat_signal_gains_nothing_from_distillation`).

    Proof. Ridge with penalty c exceeds Wiener's filter h* where λ^r < v/c. The best c is between the least and the
    largest v/λ^r, strictly, and Σ d = 0 there, with d = w (h - h*) h (1 - h). Let λ₀ be the eigenvalue at which h would
    be h*: d is positive below it and negative above. The student's filter is h λ/(λ + c_S), and its risk is less by
    2c_S Σ w (h - h*) h/λ to first order in c_S. Since 1 - h = c/(λ + c), the sum is Σ d (1/c + 1/λ) = Σ d (1/λ -
    1/λ₀), in which no term is negative, and one is positive.
    """
    spectrum = spaced(lead, gaps)
    low, high = 0.1 / lead, face(run, 1e60, 1e5) / spectrum[-1]
    return student_of_best(run, METHODS["ridge"], spectrum, spectrum ** (1.0 + tilt), noise, low, high)


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    fits=among(2, 3),
    lead=positive(0.3, 3.0, tame=(0.5, 2.0)),
    ratio=often(0.998, uniform(0.02, 1.5)),
    clocks=several(3, positive(0.1, 10.0, tame=(1.0, 4.0))),
    domain=dict(
        unequal=lambda fits, clocks: jnp.where(
            fits == 2, jnp.abs(clocks[0] - clocks[1]), jnp.max(clocks) - jnp.min(clocks)
        ),
        told=lambda lead, clocks: 100.0 - lead * jnp.max(clocks),  # what is left then is known in 60 digits
    ),
    hypotheses=dict(ordered=lambda ratio: 1.0 - ratio),
)
def equal_fits_reach_lowest(run, method, fits, lead, ratio, clocks):
    """Of all chains of m fits that agree on a top eigendirection, equal ones have learnt the least of a lower one, and
    a single fit more than any.

    With h and h₂ a chain's filters on λ₁ and λ₂ = ρλ₁ > 0, ρ = `ratio`, the least is `early_stopping.lowest_flow(h, ρ,
    m)` for flow and `lowest_ridge` for ridge, and a single fit has the same with m = 1. Unequal clocks learn strictly
    more than the first and less than the second. With two eigenvalues, then, m >= 2 fits attain Wiener's risk iff its
    filter h₂ is at least the first and below the second, with h its filter on the top.

    Proof. Let a = -log h and F(a) = -log h₂ for a single fit. Flow has F′ = ρ (e^x - 1)/(e^(ρx) - 1), x = λ₁t, which
    increases with x and hence falls with a; ridge has F = log(1 + (e^a - 1)/ρ), F′ = 1/(1 - (1 - ρ) e^(-a)), which
    falls. So F is strictly concave, with F(0) = 0. A chain has the sums of a and of F(a), and F(Σa) < Σ F(a) <= m
    F(Σa/m), with equality iff all are equal; e^(-m F(a/m)) is the formula. As the fits are moved from equal ones to a
    single one and others that change nothing, with h kept, every value in between is met.
    """
    learner, spectrum = METHODS[method], lead * jnp.stack([1.0, ratio])
    unlike, alike = (run(chain([learner(clocks[i]) for i in which]), spectrum) for which in (range(fits), [0] * fits))
    single = run(learner(clocks[0]), spectrum)
    public = dict(flow=early_stopping.lowest_flow, ridge=early_stopping.lowest_ridge)[method]
    written = dict(  # with no digits to keep
        flow=lambda h, m: m * jnp.log(1.0 - (1.0 - jnp.exp(jnp.log(h) / m)) ** ratio),
        ridge=lambda h, m: -m * jnp.log(1.0 + (jnp.exp(-jnp.log(h) / m) - 1.0) / ratio),
    )[method]
    lowest = written if run is counterexamples.exact else lambda h, m: public(h, ratio, m).log

    def error(seen):
        """With that of the top, to which the formulas are at most so sensitive."""
        top = seen.log_learnt_error[0] + last_digits(seen)[0]
        steepest = jnp.maximum(ratio, 1.0 / ratio) * (fits / seen.residual[0]) ** jnp.maximum(1.0 - ratio, 0.0)
        return seen.log_learnt_error[1] + 2.0 * last_digits(seen)[1] + top * steepest

    attains = lambda seen, m: same(seen.log_learnt[1], lowest(seen.learnt[0], m), error(seen) + 1e-40)
    return both(
        Margin(unlike.log_learnt[1] - lowest(unlike.learnt[0], fits), error(unlike)),
        Margin(lowest(unlike.learnt[0], 1) - unlike.log_learnt[1], error(unlike)),
        attains(alike, fits),
        attains(single, 1),
    )
