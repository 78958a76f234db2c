"""Students of a teacher's decisions in place of its outputs, on new inputs of two classes, in the limit.

In the limit of many samples and directions data have the spectrum of the limit, at the nodes of a quadrature.
"""

import jax.numpy as jnp
import numpy as np

from kdtheory.claims import (
    both,
    claim,
    exceeds,
    face,
    positive,
    same,
    uniform,
    usually,
)
from kdtheory.learners import Ridge
from kdtheory.problems import Linear
from kdtheory.theorems._words import allowed, rounded

MODES = 32  # of the spectrum of the features across a plane
GRID = np.polynomial.legendre.leggauss(48)


def beyond(M):
    """(Φ(M) - ½)/φ(M) - M = M³/3 + M⁵/15 + ..., over the odd numbers' products: by how much signs lean to the truth."""
    total = 1.0
    for odd in range(69, 3, -2):
        total = 1.0 + M**2 / odd * total
    return M**3 / 3.0 * total


def taught(cosine, separation, ratio, penalty, known):
    """The cosines from the truth of ridge students of outputs and of signs, (2,), by what the features across do."""
    c, γ, μ, across = penalty, ratio, separation, jnp.sqrt(1.0 - cosine**2)
    top = (1.0 + jnp.sqrt(γ)) ** 2
    κ = (c + γ - 1.0 + jnp.sqrt((c + γ - 1.0) ** 2 + 4.0 * c)) / 2.0
    plane = c / ((1.0 - known) * c / κ + known * c / (c + top))  # the penalty that the plane is fitted with
    variance = (1.0 - known) * γ / ((1.0 + κ) ** 2 - γ) + known * top / (c + top) ** 2  # across it, of unit noise
    s, M = jnp.stack([1.0 + μ**2, jnp.ones_like(cosine)]), μ * cosine
    φ = jnp.exp(-(M**2) / 2.0) / np.sqrt(2.0 * np.pi)
    of_signs = 2.0 * φ * jnp.stack([μ * (M + beyond(M)) + cosine, across]) / s

    def student(b, noise):
        w, left = s / (s + plane) * b, plane / (s + plane) * b
        return w[0] / jnp.sqrt(jnp.sum(w**2) + variance * (noise + jnp.sum(s * left**2)))

    return jnp.stack([student(jnp.stack([cosine, across]), 0.0), student(of_signs, 1.0 - jnp.sum(s * of_signs**2))])


def two_classes(teacher, separation):
    """Inputs in the plane of truth and teacher, times their class, (n, 2), of a grid along the teacher, and weights."""
    other = jnp.stack([-teacher[1], teacher[0]])
    along, across = separation * teacher[0], separation * other[0]
    nodes, weights = (GRID[0] + 1.0) / 2.0, GRID[1] / 2.0
    ends = jnp.stack([along + 9.0, along - 9.0])[:, None]  # on either side of where the sign changes
    u, du = (ends * nodes).ravel(), (jnp.abs(ends) * weights).ravel()
    chance = du * jnp.exp(-((u - along) ** 2) / 2.0) / np.sqrt(2.0 * np.pi)
    rows = jnp.concatenate([jnp.outer(u, teacher) + (across + g) * other for g in (1.0, -1.0)])
    return rows, jnp.tile(chance / 2.0, 2)


def trained(cosine, separation, ratio, penalty, known):
    """The same by ridge on such inputs, spread over the features across as over their spectrum, Marchenko and Pastur's.

    Along each eigendirection of these, of eigenvalue λ and share ν(λ) of all the samples, inputs are alike, and each
    has a feature √λ of its own; three inputs, by a QR decomposition, have the products of all.
    """
    teacher = jnp.stack([cosine, jnp.sqrt(1.0 - cosine**2)])
    rows, chance = two_classes(teacher, separation)
    signs = jnp.sign(rows @ teacher)
    few = jnp.linalg.qr(jnp.sqrt(chance)[:, None] * jnp.hstack([rows, signs[:, None]]), mode="r")
    few = jnp.hstack([few[:, :2], few[:, :2] @ teacher[:, None], few[:, 2:]])
    θ = np.pi * np.arange(1, MODES + 1) / (MODES + 1)
    λ = 1.0 + ratio + 2.0 * jnp.sqrt(ratio) * np.cos(θ)
    ν = 2.0 * ratio * np.sin(θ) ** 2 / (λ * (MODES + 1))
    λ = jnp.concatenate([λ, jnp.stack([0.0 * ratio, (1.0 + jnp.sqrt(ratio)) ** 2])])
    ν = jnp.concatenate([(1.0 - known) * ν, jnp.stack([(1.0 - known) * (1.0 - jnp.sum(ν)), known])])
    table = np.sqrt(3.0 * len(λ)) * jnp.kron(jnp.sqrt(jnp.maximum(ν, 0.0))[:, None], few)
    across = np.sqrt(3.0 * len(λ)) * jnp.diag(jnp.repeat(jnp.sqrt(λ), 3))
    w = Ridge(penalty).fit(Linear(jnp.hstack([table[:, :2], across]), table[:, 2:]))
    return w[0] / jnp.sqrt(jnp.sum(w**2, 0))


def of_signs(cosine, separation):
    """δ by which the regression of signs leans to the truth, and their noise, both over 2φ(M)."""
    M, s = separation * cosine, 1.0 + separation**2
    δ = separation * beyond(M) / s
    return δ, np.pi / 2.0 * jnp.exp(M**2) - s * (cosine + δ) ** 2 - (1.0 - cosine**2)


def about_critical(cosine, separation, effective, apart, side):
    """R, `apart` from the critical ratio, and the P/N where it is."""
    δ, noise = of_signs(cosine, separation)
    R = (1.0 - cosine**2) * (δ / cosine) * (2.0 + δ / cosine) / noise * (1.0 - jnp.sign(side) * apart)
    return R, R / (1.0 + R * (1.0 - effective) / (1.0 + effective))


def resolved(cosine, separation, effective, apart, side):
    """Whether there are such data, and MODES tell them: the quadrature is off by (P/N/(1 + κ)²)^MODES."""
    ratio = about_critical(cosine, separation, effective, apart, side)[1]
    return jnp.where(ratio > 0.0, jnp.minimum(1.0 + effective, (1.0 + effective) ** 2 / 2.3) - ratio, -1.0)


@claim(
    source="own",
    standing="proved",
    cosine=uniform(-0.95, 0.95),
    separation=positive(0.3, 3.0, tame=(0.5, 2.5)),
    effective=positive(0.1, 10.0, tame=(0.1, 10.0)),
    apart=positive(1e-5, 0.5, tame=(1e-4, 0.5)),
    side=uniform(-1.0, 1.0),
    known=usually(0.0, uniform(0.1, 0.9)),
    domain=dict(
        told=lambda cosine: jnp.abs(cosine) - 0.05, other=lambda apart, side: apart * jnp.abs(side), resolved=resolved
    ),
    hypotheses=dict(better_than_chance=lambda cosine: cosine, fresh=lambda known: known == 0.0),
)
def hard_labels_help_where_samples_suffice(run, cosine, separation, effective, apart, side, known):
    """On fresh inputs of two classes a student of its teacher's signs is more accurate than one of its outputs iff P/N
    is small enough for its effective penalty: signs point closer to the truth, and their rounding is noise.

    Ridge, N samples and P directions as both grow; classes ±μ + z, z standard normal; a teacher w at the cosine ρ > 0
    from μ, of the accuracy Φ(M), M = |μ|ρ. With all the samples one may want its outputs teach w, and its signs the
    direction w/|w| + dμ/(1 + |μ|²), d = (Φ(M) - ½)/φ(M) - M > 0. With δ = d|μ|/(1 + |μ|²) and σ² = 1/(4φ(M)²) - (1 +
    |μ|²)(ρ + δ)² - (1 - ρ²), their noise, signs are better iff R < (1 - ρ²)((1 + δ/ρ)² - 1)/σ². R is P/(N - P(1 - κ)/(1
    + κ)), with κ = c + κ(P/N)/(1 + κ), the effective penalty: at one κ it grows with P/N. At one penalty c it has its
    peak near P = N, and so signs of a strong enough class signal win again where P is far beyond. From one generation
    to the next 1/ρ² - 1 becomes nκ²/(1 + |μ|²) + (n/R)(1 + κ/(1 + |μ|²))²(1 - ρ² + Rσ²)/(ρ + δ)², n = P/(N(1 + κ)² -
    P), where of outputs δ = σ = 0. (Of inputs that are not fresh a share, which the teacher has `known`, lies along the
    largest eigendirection.)

    Proof. Times their class inputs are normal about μ, E x sign(x·w) = (2Φ(M) - 1)μ + 2φ(M)w/|w|, and the regression of
    signs is (1 + μμᵀ)⁻¹ times that. Features across the plane of μ and w are independent of it and of the labels, so
    that products with the resolvent of their XXᵀ/N are its trace c/κ times those without: the plane is fitted with the
    penalty κ, and across it |w|² is n times the mean square of what that leaves of the labels.
    """
    s, κ, (δ, σ2) = 1.0 + separation**2, effective, of_signs(cosine, separation)
    R, ratio = about_critical(cosine, separation, effective, apart, side)
    penalty = κ * (1.0 - ratio / (1.0 + κ))
    n = ratio / ((1.0 + κ) ** 2 - ratio)

    def law(cosine, δ=0.0, σ2=0.0):
        left = n * κ**2 / s + n / R * (1.0 + κ / s) ** 2 * (1.0 - cosine**2 + R * σ2) / (cosine + δ) ** 2
        return jnp.sign(cosine) / jnp.sqrt(1.0 + left)

    students = lambda cosine: face(run, taught, trained)(cosine, separation, ratio, penalty, known)
    soft, hard = students(cosine)
    once, again = law(cosine, δ, σ2), students(hard)[1]
    better = jnp.where(side > 0, hard - soft, soft - hard)
    error = lambda law: 4.0 * allowed(run) * jnp.abs(law)
    return both(
        same(soft, law(cosine), error(soft)),
        same(hard, once, error(once)),
        same(again, law(once, *of_signs(once, separation)), error(once)),
        exceeds(better, 0.0, 4.0 * rounded(run) * jnp.abs(hard), jnp.abs(hard)),
    )
