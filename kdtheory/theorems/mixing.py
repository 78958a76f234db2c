"""How much to trust the teacher: the weight of its predictions in the student's targets, against noise.

A ridge student's filter is s (1 - ξ r_T), with ξ = `teacher_weight`, so that every quadratic risk is a parabola in
ξ. Papers with the sum loss have N times our eigenvalues and penalties, and noise variances σ² for our σ²/N.
"""

import jax
import jax.numpy as jnp

from kdtheory import measures
from kdtheory.claims import Margin, among, both, claim, positive, same, several, uncertainty, uniform
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
