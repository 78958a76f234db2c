"""How much to trust the teacher: the weight of its predictions in the student's targets, against noise.

A ridge student's filter is s (1 - ξ r_T), with ξ = `teacher_weight`, so that every quadratic risk is a parabola in
ξ. Papers with the sum loss have N times our eigenvalues and penalties, and noise variances σ² for our σ²/N.
"""

import jax
import jax.numpy as jnp

from kdtheory import measures
from kdtheory.claims import Margin, among, both, claim, positive, same, several, uncertainty, uniform, usually
from kdtheory.distillation import distill
from kdtheory.learners import Ridge
from kdtheory.theorems.self_distillation import sometimes_turned_by
from kdtheory.theorems.spectral_bias import started, zero_start


@claim(
    source="Dang, Patil & Rinaldo 2026, as recalled; this form is own",
    standing="proved",
    spectrum=several(2, positive(0.1, 10.0)),
    penalty=positive(0.1, 10.0),
    last=sometimes_turned_by,
    weight=uniform(-2.0, 3.0),
    start=started,
    hypotheses=dict(same_penalty=lambda last: last == 1, zero_start=zero_start),
)
def student_on_the_tangent(run, spectrum, penalty, last, weight, start):
    """Ridge students of one teacher are the tangent to the ridge path: β(c) + ξ c β′(c), for any weight ξ.

    With one penalty c for both (the student's is `last` times its teacher's).
    """
    path = lambda c: run(Ridge(c), spectrum).learnt
    β, tangent = jax.jvp(path, (penalty,), (penalty,))
    seen = run(distill(Ridge(penalty), Ridge(last * penalty), weight), spectrum, start=start).learnt
    return both(*(same(seen[k], β[k] + weight * tangent[k], 1e-10) for k in range(2)))


@claim(
    source="Das & Sanghavi 2023, as recalled",
    standing="proved",
    level=among(0.0, 1.0),
    spectrum=several(2, positive(0.2, 5.0)),
    signal=several(2, positive(0.2, 5.0)),
    penalty=positive(0.2, 5.0),
    noise=positive(0.01, 100.0, tame=(0.01, 100.0)),
    part=uniform(0.1, 0.9),
    hypotheses=dict(
        noisy=lambda level, spectrum, signal, penalty, noise: (
            noise - measures.noise_threshold(Ridge(penalty), Ridge(penalty), spectrum, signal, level)
        )
    ),
)
def trust_grows_with_noise(run, level, spectrum, signal, penalty, noise, part):
    """Beyond `measures.noise_threshold`, trusting a ridge teacher more than the weight `level` lowers the risk.

    At level 0 distillation helps; at level 1 a weight above one beats pure distillation. Every weight between
    the level and its mirror image at the best one, `measures.best_weight`, has strictly less prediction risk.
    """
    ridge = Ridge(penalty)
    best = measures.best_weight(ridge, ridge, spectrum, signal, noise)
    more = 2.0 * part * (best - level)
    before, after = (run(distill(ridge, ridge, ξ), spectrum) for ξ in (level, level + more))
    wiener, curvature = measures.wiener_filter(spectrum, signal, noise), spectrum * signal**2 + noise
    step, total = before.learnt - after.learnt, before.learnt + after.learnt - 2.0 * wiener
    lower = jnp.sum(curvature * step * total)
    error = (1.0 + jnp.abs(best)) * (uncertainty(before) + uncertainty(after))
    rounding = jnp.sum(curvature * (error * (jnp.abs(step) + jnp.abs(total)) + 1e-15 * jnp.abs(step * total)))
    return both(Margin(more, 1e-13 * (1.0 + jnp.abs(best))), Margin(lower, rounding))


@claim(
    source="own; the separation of Pareek, Du & Oh 2024 with explicit constants",
    standing="proved",
    penalty=positive(0.01, 100.0, tame=(0.01, 100.0)),
    weight=uniform(-3.0, 3.0),
    spread=uniform(0.02, 0.25),
    power=positive(10.0, 1e4, tame=(10.0, 1e3)),
    others=usually(0.0, uniform(0.5, 1.0)),
    hypotheses=dict(aligned=lambda others: others == 0),
)
def one_student_is_factors_behind(run, penalty, weight, spread, power, others):
    """With signal on the middle of three near eigenvalues, one ridge student has up to three times the least risk.

    Eigenvalues 1 ± e and 1, and S = θ²/v: for every penalty and weight, risk/v >= min_h (1 - h)² S + h² + (2h -
    a)²/2 with a = 2e²/(1 - e²), while three students reach v S/(S + 1). (`others` is the signal elsewhere.)
    """
    spectrum, ridge = jnp.stack([1.0 + spread, jnp.ones_like(spread), 1.0 - spread]), Ridge(penalty)
    strength = power * jnp.stack([others, jnp.ones_like(others), others])
    learnt = run(distill(ridge, ridge, weight), spectrum).learnt
    risk = jnp.sum((1.0 - learnt) ** 2 * strength + learnt**2)
    a = 2.0 * spread**2 / (1.0 - spread**2)
    h = (power + a) / (power + 3.0)
    bound = (1.0 - h) ** 2 * power + h**2 + (2.0 * h - a) ** 2 / 2.0
    factor = bound * (power + 1.0) / power
    return Margin(risk / jnp.sum(strength / (strength + 1.0)) - factor, jnp.asarray(1e-8))
