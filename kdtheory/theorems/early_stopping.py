"""Early stopping against ridge, and the best single fit against distillation.

The risk of a filter h is Σ weight · [θ² (1 - h)² + (v/λ) h²] over the eigendirections, with θ² = `signal` the
squared true parameters, v = `noise` the noise variance σ²/N of one eigen-component of the predictions, and any
weights: 1 for the error of the parameters, λ for that of the predictions on the training inputs. It is taken
over the noise, exactly; in practice the algorithm's own filter is measured on data. The papers' v is σ² where
their eigenvalues are those of the sum loss.
"""

import functools

import jax
import jax.numpy as jnp

from kdtheory.claims import (
    EPS,
    Margin,
    among,
    both,
    claim,
    face,
    filters,
    positive,
    several,
    theory,
    uncertainty,
    uniform,
    usually,
)
from kdtheory.distillation import distill
from kdtheory.early_stopping import BAYES_RATIO, RISK_RATIO, best_clock
from kdtheory.learners import GradientFlow, Ridge
from kdtheory.theorems.spectral_bias import chain

METHODS = {"flow": GradientFlow, "ridge": lambda clock: Ridge(1.0 / clock)}

spectrum3 = several(3, positive(0.1, 10.0, tame=(0.2, 3.0)))
little_noise = positive(0.02, 2.0, tame=(0.05, 1.0))


def log_risk(seen, signal, noise) -> Margin:
    """log Σ [signal · (1 - h)² + noise · h²], and its rounding."""
    bias, variance = signal * seen.residual**2, noise * seen.learnt**2
    total = jnp.sum(bias + variance)
    lost = jnp.sum((signal * jnp.abs(seen.residual) + noise * jnp.abs(seen.learnt)) * uncertainty(seen)) / total
    return Margin(jnp.log(total), 2.0 * lost + 8.0 * EPS)


def below(first, second, factor=1.0) -> Margin:
    """The margin of "one risk is at most `factor` times another", in logs."""
    return Margin(second.value + jnp.log(factor) - first.value, first.rounding + second.rounding)


def best_single(learner, spectrum, signal, noise):
    """The single fit of least risk, tuned on the filter."""
    total = lambda clock: log_risk(theory(learner(clock), spectrum), signal, noise).value
    return learner(best_clock(total, 1e-3 / jnp.max(spectrum), 1e3 / jnp.min(spectrum)))


@claim(
    source="Ali, Kolter & Tibshirani 2019, with 1.6862; sharp constant and m fits own",
    standing="proved",
    fits=among(1, 2),
    spectrum=several(3, positive(1e-2, 10.0, tame=(0.2, 3.0))),
    signal=several(3, positive(1e-3, 1e3)),
    noise=positive(),
    weights=several(3, positive(1e-2, 1e2)),
    clocks=several(2, positive(1e-2, 30.0, tame=(0.2, 3.0))),
    stretch=usually(1.0, uniform(0.3, 0.7)),
    hypotheses=dict(same_clock=lambda stretch: stretch == 1.0),
)
def flow_within_constant_of_ridge(run, fits, spectrum, signal, noise, weights, clocks, stretch):
    """Stopped at t, gradient flow has at most C² = 1.68590905827832503483... times the risk of ridge with
    penalty 1/t.

    For all t, spectra, signals, noise and weights; m fits by flow against m by ridge with the same clocks: C^(2m).
    Direction by direction the bias is at most ridge's and the variance at most C^(2m) times it, since 1 <= (1 -
    e^(-x))(1 + x)/x <= C. C² is attained without signal, with all λt = 1.79328213290076... No bound holds the
    other way round. The clock matters: ridge with penalty 1/(kt), k = `stretch`, has its variance exceeded
    1/k² times.
    """
    seen = run(chain([GradientFlow(clocks[i]) for i in range(fits)]), spectrum)
    against = run(chain([Ridge(1.0 / (stretch * clocks[i])) for i in range(fits)]), spectrum)
    risk = lambda seen: log_risk(seen, weights * signal, weights * noise / spectrum)
    bias = lambda seen: log_risk(seen, weights * signal, 0.0)
    return both(below(risk(seen), risk(against), RISK_RATIO**fits), below(bias(seen), bias(against)))


@claim(
    source="Ali, Kolter & Tibshirani 2019, with 1.2147; sharp constant own",
    standing="proved",
    spectrum=spectrum3,
    noise=little_noise,
    weights=several(3, positive(0.1, 10.0)),
    tilt=usually(0.0, uniform(-2.0, 2.0)),
    hypotheses=dict(isotropic_signal=lambda tilt: tilt == 0.0),
)
def best_flow_within_constant_of_best_ridge(run, spectrum, noise, weights, tilt):
    """Each tuned, gradient flow has between 1 and 1.21466184083494910679... times the risk of ridge, for an isotropic
    signal.

    Ridge with penalty v/θ² is then optimal among all filters, direction by direction; at t = θ²/v flow has (1 +
    x)(e^(-2x) + (1 - e^(-x))²/x) times its risk, x = λt, which is largest at x = 3.21356352... Any weights.
    Where the signal is not isotropic (θ² = λ^`tilt`), the best flow may be better than the best ridge.
    """
    signal, noises = weights * spectrum**tilt, weights * noise / spectrum
    flow, ridge = (
        log_risk(run(best_single(METHODS[name], spectrum, signal, noises), spectrum), signal, noises)
        for name in ("flow", "ridge")
    )
    return both(below(ridge, flow), below(flow, ridge, BAYES_RATIO))


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    spectrum=spectrum3,
    noise=little_noise,
    clocks=several(3, positive(0.1, 100.0, tame=(0.3, 30.0))),
    tilt=uniform(-2.0, 3.0),
    hypotheses=dict(flat_signal=lambda tilt: tilt <= 0.0),
)
def flat_signal_gains_nothing_from_distillation(run, method, spectrum, noise, clocks, tilt):
    """With an isotropic signal, or θ² = λ^r with r <= 0, no student beats the best single fit.

    Expected error of the predictions, flow and ridge, any number m >= 2 of fits (here three, of which one may
    change little) and any clocks, r = `tilt`. It is Σ w (h - h*)² up to a constant, with w = λθ² + v and h* =
    λθ²/w, Wiener's filter. As λ grows, a single fit h_t goes from below h* to above it, at most once. At the t
    at which it does so where it crosses the student g, Σ w (h_t - h*)(g - h_t) >= 0. (For ridge and r = 0 the
    best single fit is Wiener's filter.)
    """
    signal = spectrum ** (1.0 + tilt)
    learner = METHODS[method]
    student = log_risk(run(chain([learner(clock) for clock in clocks]), spectrum), signal, noise)
    single = log_risk(run(best_single(learner, spectrum, signal, noise), spectrum), signal, noise)
    return below(single, student)


def falls(spectrum, numbers):
    """Positive where the numbers fall as eigenvalues grow: the least slope of any two, in logs."""
    λ, n = jnp.log(spectrum), jnp.log(numbers)
    pairs = [(i, j) for i in range(len(spectrum)) for j in range(i)]
    return functools.reduce(jnp.minimum, [(λ[i] - λ[j]) * (n[j] - n[i]) for i, j in pairs])


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    spectrum=several(3, positive(0.2, 2.0, tame=(0.2, 2.0))),
    ideal=several(3, positive(0.2, 2.0, tame=(0.2, 2.0))),
    weights=several(3, positive(0.1, 10.0)),
    clocks=several(3, positive(0.2, 4.0, tame=(0.2, 4.0))),  # later, student and single fit are done alike
    hypotheses=dict(falling=lambda spectrum, ideal: falls(spectrum, ideal)),
)
def flatter_ideal_gains_nothing_from_distillation(run, method, spectrum, ideal, weights, clocks):
    """If smaller eigenvalues want to be stopped later, no student beats the best single fit.

    `ideal` is for each direction the clock at which a fit is where it should be: h* there, Wiener's filter or any
    other. Where ideal clocks fall with λ, h_t - h* changes sign at most once, from - to +, for every t; then every
    chain of m >= 2 fits (here three, by flow or ridge) has a larger Σ w (h - h*)² than the best h_t, for all weights w
    > 0. With w = λθ² + v it is the risk of predictions, and `flat_signal_gains_nothing_from_distillation` a case.
    """
    learner = METHODS[method]
    wanted = jnp.stack([filters(run)(learner(ideal[k]), spectrum)[k].learnt for k in range(3)])
    student = run(chain([learner(clock) for clock in clocks]), spectrum)
    error = lambda seen: jnp.sum(weights * (seen.learnt - wanted) ** 2)
    best = best_clock(lambda clock: error(theory(learner(clock), spectrum)), jnp.min(ideal), jnp.max(ideal))
    single = run(learner(best), spectrum)
    off = lambda seen: 2.0 * weights * jnp.abs(seen.learnt - wanted) * (uncertainty(seen) + 4.0 * EPS)
    rounding = jnp.sum(off(student) + off(single)) / error(single) + 1e-14
    return Margin(error(student) / error(single) - 1.0, rounding)


def spaced(lead, gaps):
    """Three eigenvalues, each a given fraction of the one before."""
    return lead * jnp.stack([1.0, gaps[0], gaps[0] * gaps[1]])


def student_of_best(run, learner, spectrum, signal, noise, low, high):
    """The margin of "the best single fit, made a teacher, has a student that beats it": clocks of the student in
    between.

    With h the teacher's filter and h - l the student's, the risk falls by Σ l [2 (noise · h - signal · (1 - h)) -
    (signal + noise) · l], which keeps its digits where the two risks agree in all of theirs.
    """
    teacher = best_single(learner, spectrum, signal, noise)
    pull = lambda h: 2.0 * (noise * h.learnt - signal * h.residual)
    taught = filters(run)(teacher, spectrum)
    missed = lambda clock: taught.learnt * filters(run)(learner(clock), spectrum).residual
    risk = lambda lost: -jnp.sum(lost * (pull(taught) - (signal + noise) * lost))
    clock = best_clock(lambda clock: risk(missed(clock)), low, high)
    h = run(teacher, spectrum)
    on_data = lambda: h.learnt - run(distill(teacher, learner(clock)), spectrum).learnt
    lost = face(run, lambda: missed(clock), on_data)()
    error = uncertainty(h)
    lost_error = face(run, 64.0 * EPS * lost, 2.0 * error)
    sensitivity = jnp.abs(pull(h) - 2.0 * (signal + noise) * lost)
    rounding = jnp.sum(2.0 * (signal + noise) * error * jnp.abs(lost) + sensitivity * lost_error)
    return Margin(jnp.sum(lost * (pull(h) - (signal + noise) * lost)), rounding)


@jax.jit
def overfit(lead, gaps, signal, noise):
    """By how much the best stopped flow exceeds Wiener's filter on the smallest eigenvalue."""
    spectrum = spaced(lead, gaps)
    best = best_single(GradientFlow, spectrum, spectrum * signal, noise)
    return best.filter(spectrum[-1]) - (spectrum * signal / (spectrum * signal + noise))[-1]


@claim(
    source="own",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, uniform(0.05, 0.25)),
    signal=several(3, positive(0.1, 10.0)),
    noise=positive(0.1, 1.0),
    hypotheses=dict(over_fitted=lambda lead, gaps, signal, noise: overfit(lead, gaps, signal, noise) - 1e-6),
)
def overfitted_tail_gains_from_distillation(run, lead, gaps, signal, noise):
    """If the best stopped flow over-fits the smallest eigenvalue, it has a student that beats it.

    Over-fits: its filter exceeds Wiener's, λθ²/(λθ² + v), there. The student takes it for a teacher and stops at a
    late s; its gain in expected error of the predictions is led by e^(-λs) of the smallest λ. The search for s ends
    at 18/λ, which is late enough for filters that differ by more than 1e-6. Teacher and student may be exchanged.
    """
    spectrum = spaced(lead, gaps)
    low, high = 0.1 / spectrum[0], 18.0 / spectrum[-1]
    return student_of_best(run, GradientFlow, spectrum, spectrum * signal, noise, low, high)


@claim(
    source="own",
    standing="proved",
    lead=positive(0.3, 3.0),
    gaps=several(2, uniform(0.1, 0.5)),
    tilt=uniform(-2.0, 2.0),
    noise=little_noise,
    hypotheses=dict(rising_signal=lambda tilt: tilt - 1e-3),
)
def rising_signal_gains_from_distilled_ridge(run, lead, gaps, tilt, noise):
    """With θ² = λ^r, r > 0, the best ridge fit has a student that beats it, by a small penalty of its own.

    Expected error of the predictions; r = `tilt`. At the best penalty h - h* changes sign once, from + to - as λ
    grows, and the first-order gain in c_S is positive. The search ends at c_S = 1e-8 λ₁, small enough for r >
    0.001. With r = 0 distillation is neutral, with r < 0 it hurts.
    """
    spectrum = spaced(lead, gaps)
    return student_of_best(run, METHODS["ridge"], spectrum, spectrum ** (1 + tilt), noise, 0.1 / lead, 1e8 / lead)


@claim(
    source="own",
    standing="proved",
    method=among("flow", "ridge"),
    fits=among(2, 3),
    lead=positive(0.3, 3.0),
    ratio=uniform(0.05, 1.5),
    clocks=several(3, positive(0.1, 10.0, tame=(0.3, 3.0))),
    hypotheses=dict(ordered=lambda ratio: 1.0 - ratio),
)
def equal_fits_reach_lowest(run, method, fits, lead, ratio, clocks):
    """Of all chains of m fits that agree on a top eigendirection, equal ones have learnt the least of a lower, a
    single fit the most.

    (1 - (1 - h^(1/m))^ρ)^m <= h₂ < 1 - (1 - h)^ρ for flow, with h and h₂ the chain's filters on λ₁ and λ₂ =
    ρλ₁, ρ = `ratio`; (1 + (h^(-1/m) - 1)/ρ)^(-m) <= h₂ < 1/(1 + (1/h - 1)/ρ) for ridge. With two eigenvalues,
    then, m fits attain Wiener's risk iff its filter is between the two; strictly, for unequal clocks.
    """
    spectrum = lead * jnp.stack([1.0, ratio])
    seen = run(chain([METHODS[method](clocks[i]) for i in range(fits)]), spectrum)
    lowest = dict(  # as `early_stopping.lowest_flow` and `lowest_ridge` have it
        flow=lambda h, m: m * jnp.log(-jnp.expm1(ratio * jnp.log1p(-jnp.power(h, 1.0 / m)))),
        ridge=lambda h, m: -m * jnp.log1p(jnp.expm1(-jnp.log(h) / m) / ratio),
    )[method]
    sensitivity = seen.log_learnt_error[1] + seen.log_learnt_error[0] * (1.0 + 1.0 / ratio) / seen.residual[0]
    return both(
        Margin(seen[1].log_learnt - lowest(seen[0].learnt, fits), sensitivity),
        Margin(lowest(seen[0].learnt, 1) - seen[1].log_learnt, sensitivity),
    )
