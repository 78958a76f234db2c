"""The heavy ball exaggerates its bias: a proof, with its algebra checked by machine.

Let x'' + γx' + λ(x - 1) = 0 start at rest from 0, with γ >= 0 and λ > 0. Write h(λ, t) = x(t) for the
progress, f = ∂_t h for the speed and q = log(∂_t log h) = log(f/h).

**Theorem.**  ∂²q/∂λ∂t < 0  for every λ > 0 and every t > 0 before the first peak of h. Up to λ = γ²/4, that
is overdamped and critical, h has no peak: this is every t > 0. Above, the peak is at t = π/√(λ - γ²/4).

**Corollary (single crossing).** Let g = h(·, t_1) ··· h(·, t_m), m >= 2, be the progress after m rounds of
distillation, all eigenvalues at most γ²/4, and h(·, t) the teacher that agrees with g on one of them, λ_1.
Then g is strictly ahead of the teacher on every larger eigenvalue and strictly behind on every smaller one.
With eigenvalues above γ²/4 the same holds if no clock t_i passes the moment when the largest first reaches
its target. Later it fails: γ = 1, t_1 = 0.6, t_2 = 4.4, matched on λ = 9 at t = 0.5509, is ahead on λ = 1.

**Lemma (any learner).** Let J = h/f, r = ∂_t log f, M = J_λ + r_λ J² and f M -> 0 as t -> 0, with h, f > 0.
If r_λ J strictly decreases in t, then ∂²q/∂λ∂t < 0.

*Proof.* J_t = 1 - rJ and q = -log J, so ∂²q/∂λ∂t = ∂_λ(r - 1/J) = M/J². From J_t,  M_t + rM = J (r_λ J)_t,
that is (f M)_t = h (r_λ J)_t < 0  [1]. Hence f M < 0.  ∎

Gradient flow has r_λ = -1, J = (e^{λt} - 1)/λ; ridge at t = 1/c has r_λ J = -2t/(1 + λt): both at sight.

*Proof of the theorem.* Let S'' = wS, S(0) = 0, S'(0) = 1, w = γ²/4 - λ: S is sinh, linear or a sine, and
positive before the peak. Then f = λ e^{-γt/2} S(t) [2]. Everything is made of one function,
    ρ(x, t) = S(t - x)/S(t),    0 <= x <= t,    ρ(t, t) = 0,    ∂_t ρ = S(x)/S(t)² > 0    (the Wronskian) [3].
First,  J = ∫_0^t f(t - x)/f(t) dx = ∫_0^t e^{γx/2} ρ dx,  so J increases.
Second, r = k - γ/2 with k = S'/S, k_t = w - k², so k_wt = 1 - 2k k_w, so (S² k_w)_t = S² [4] and
-r_λ = k_w = ∫_0^t ρ² dx,  which is positive and increases.
So r_λ J decreases. Finally J = t/2 + O(t²) smoothly in λ, k_w = O(t), f = O(t): f M -> 0.  ∎

*Proof of the corollary.* Let λ_1 > λ_2 and follow -log h(λ_2, t) as a function F of -log h(λ_1, t) >= 0. Its
slope ∂_t log h(λ_2, t) / ∂_t log h(λ_1, t) increases with t by the theorem, so F is strictly concave. If
λ_1 <= γ²/4 then F(0) = 0. Otherwise F(0) > 0: the smaller eigenvalue reaches its target later, because until
then ∂_λ h = ∫_0^t e^{-γx/2} S(x) (1 - h(λ, t - x)) dx > 0. So F(a + b) < F(a) + F(b): matched on λ_1, the
student of two rounds is strictly behind on λ_2, and therefore, matched on λ_2, strictly ahead on λ_1. For
m > 2, merge two rounds at a time.  ∎

**Theorem (the loop).** Let x_{k+1} = x_k + β(x_k - x_{k-1}) + ηλ(1 - x_k) start at rest from 0, 0 < β < 1,
and ηλ <= (1 - √β)² on every eigenvalue: real positive roots. Let L_k = log(h_k/h_{k-1}), k >= 2. Then ∂_λ
log L_k strictly decreases in k. So a student of m >= 2 rounds of k_1, ..., k_m >= 1 steps that is no further
along on λ_1 than the teacher of k steps is strictly behind it on every smaller eigenvalue; at least as far,
strictly ahead on every larger one.

*Proof.* Let S_{k+1} = 2ξ S_k - S_{k-1}, S_0 = 0, S_1 = 1, with 2√β ξ = 1 + β - ηλ >= 2√β, so S_k > 0. Then
f_k = h_k - h_{k-1} = ηλ β^{(k-1)/2} S_k [6], and ρ(i, k) = S_{k-i}/S_k has
    ρ(i, k+1) - ρ(i, k) = S_i / (S_k S_{k+1}) > 0 for i > 0 [7].
J_k = h_k/f_k = Σ_{0<=i<k} β^{-i/2} ρ(i, k)  increases, from J_1 = 1. So does
α_k = ∂_ξ log(S_k/S_{k-1}) = 2 Σ_{0<j<k} S_j² / (S_k S_{k-1}) = 2 Σ_{0<i<k} ρ(i, k) ρ(i-1, k-1) [8].
Now L_k = -log(1 - 1/J_k), J_k = 1 + J_{k-1} f_{k-1}/f_k, and p_k = ∂_ξ log L_k obeys
    p_k A_k = α_k + p_{k-1} B_{k-1},    A = J L,    B = (J - 1) L,    B_1 = 0 [9].
As J grows, A falls to 1 and B rises to 1, because y/(1 + y) < log(1 + y) < y at y = 1/(J - 1). Hence P_k =
α_k/(A_k - B_{k-1}) increases. p_2 = P_2, and p_k is between p_{k-1} and P_k, a mean of the two with weights
B_{k-1} and A_k - B_{k-1}: by induction p_{k-1} < p_k < P_k for k > 2. That is the claim, as ξ falls when λ
grows.
F is now linear between the points (-log h_k(λ_1), -log h_k(λ_2)) and goes on straight after k = 1. Its
slopes are ratios of L_k, so it is concave, with infinitely many corners near F(0) = 0: F(a + b) < F(a) +
F(b) again.  ∎

The script checks [1]-[4] and [6]-[9], and a closed form of ∂²q/∂λ∂t [5], as identities of polynomials over
the rationals. It also evaluates that closed form in ball arithmetic [10], a check that the proofs do not
need.

    python tests/proofs/overdamped_heavy_ball.py
"""

import math

import flint
from flint import Ordering, acb, arb, fmpq_mpoly_ctx


def ring(names):
    """The named variables of a polynomial ring over the rationals."""
    return fmpq_mpoly_ctx.get(tuple(names.split()), Ordering.lex).gens()


def derivative(polynomial, **rates):
    """Chain rule: the derivative of a polynomial, given those of its variables."""
    return sum((polynomial.derivative(name) * rate for name, rate in rates.items()), 0 * polynomial)


def lemma(sign=1):
    """M_t + r M = J (r_λ J)_t, from J_t = 1 - r J alone."""
    J, J_λ, r, r_λ, r_t, r_λt = ring("J J_l r r_l r_t r_lt")
    J_t = 1 - r * J
    in_time = dict(J=J_t, J_l=derivative(J_t, J=J_λ, r=r_λ), r=r_t, r_l=r_λt)
    M = J_λ + sign * r_λ * J**2
    return derivative(M, **in_time) + r * M == J * derivative(r_λ * J, **in_time)


def speed(sign=1):
    """h = 1 - e^{-γt/2}(S' + γ/2 S) starts at rest from 0, has f = λ e^{-γt/2} S and obeys the heavy ball."""
    decay, S, C, g, w = ring("decay S C g w")  # C = S', g = γ/2
    in_time = dict(decay=-g * decay, S=C, C=w * S)
    h, f = 1 - decay * (C + sign * g * S), (g**2 - w) * decay * S
    at_rest = all(p.subs(dict(decay=1, S=0, C=1)) == 0 for p in (h, f))
    obeys = derivative(f, **in_time) + 2 * g * f + (g**2 - w) * (h - 1) == 0
    return at_rest and obeys and derivative(h, **in_time) == f


def wronskian(sign=1):
    """S(t)² ∂_t ρ = S(x), from S(t - x) = S(t)S'(x) - S'(t)S(x) and S'² - w S² = 1."""
    C, S, C_x, S_x, w = ring("C S C_x S_x w")
    in_time = dict(S=C, C=w * S)
    shifted = S * C_x - sign * C * S_x
    excess = derivative(shifted, **in_time) * S - shifted * C - S_x
    return divmod(excess, C**2 - w * S**2 - 1)[1] == 0


def riccati(sign=1):
    """(S² k_w)_t = S², from k = S'/S and k_t = w - k²."""
    S, k, k_w, w = ring("S k k_w w")
    k_t = w - sign * k**2
    return derivative(S**2 * k_w, S=k * S, k_w=derivative(k_t, k=k_w, w=1)) == S**2


def loop_speed(sign=1):
    """f_k = ηλ β^{(k-1)/2} S_k obeys f_{k+1} = f_k + β(f_k - f_{k-1}) - ηλ f_k, the loop's difference."""
    root, S, before, ξ = ring("root S before xi")  # √β, S_k, S_{k-1}
    rate = 1 + root**2 - 2 * root * ξ  # ηλ
    after = 2 * ξ * S - sign * before
    f_before, f, f_after = before, root * S, root**2 * after  # over ηλ β^{(k-2)/2}
    return f_after == f + root**2 * (f - f_before) - rate * f


def loop_wronskian(sign=1):
    """S_{k+1-i} S_k - S_{k-i} S_{k+1} does not depend on k; it is S_i at k = i."""
    S, before, lag, lag_before, ξ = ring("S before lag lag_before xi")  # S_k, S_{k-1}, S_{k-i}, S_{k-1-i}
    after, lag_after = 2 * ξ * S - before, 2 * ξ * lag - sign * lag_before
    return lag_after * S - lag * after == lag * before - lag_before * S


def loop_growth(sign=1):
    """W_k = S_k' S_{k-1} - S_k S_{k-1}', that is α_k S_k S_{k-1}, grows by 2 S_k², from W_1 = 0."""
    S, before, S_ξ, before_ξ, ξ = ring("S before S_xi before_xi xi")
    after = 2 * ξ * S - sign * before
    after_ξ = derivative(after, S=S_ξ, before=before_ξ, xi=1)
    return after_ξ * S - after * S_ξ == S_ξ * before - S * before_ξ + 2 * S**2


def loop_lemma(sign=1):
    """p_k A_k = α_k + p_{k-1} B_{k-1}, from J_k = 1 + a J_{k-1}, ∂_ξ a = -α a and ∂_ξ J = -p J (J - 1) L."""
    J, L, p, a, α = ring("J L p a alpha")  # J, L, p of k - 1
    J_k = 1 + a * J
    p_A = α + sign * p * (J - 1) * L
    return derivative(J_k, J=-p * J * (J - 1) * L, a=-α * a) == -p_A * (J_k - 1)


def form(S, C, growth, g, w, t):
    """∂²q/∂λ∂t as numerator, denominator: J = B/(λS) with B = growth - C - gS and growth = e^{γt/2}."""
    B = growth - C - g * S
    twist, drift = C * S - t, t * C - S  # 2w S² k_w and 2w S_w
    J_w = 2 * w * S * B - (g**2 - w) * ((w * t * S + g * drift) * S + B * drift)  # times 2w (λS)²
    return -(J_w * S**2 + twist * B**2), 2 * w * S**2 * B**2


def closed_form(sign=1):
    """The form above is ∂²q/∂λ∂t for q = log(λ S/B): both sides times S² B² and 2w."""
    C, S, growth, g, w, t = ring("C S growth g w t")
    in_time = dict(C=w * S, S=C, growth=g * growth, t=1)
    in_w = lambda p: derivative(p, C=w * t * S, S=t * C - S, growth=0, w=2 * w)  # times 2w
    mixed = lambda p: in_w(derivative(p, **in_time)) * p - in_w(p) * derivative(p, **in_time)
    B = growth - C - g * S
    numerator, _ = form(S, C, growth, g, w, t)
    excess = numerator + sign * (mixed(S) * B**2 - mixed(B) * S**2)  # ∂_λ = -∂_w
    return divmod(excess, C**2 - w * S**2 - 1)[1] == 0


def criterion(λ, t, γ=1, bits=2000):
    """A ball around ∂²q/∂λ∂t, at exact λ, t and γ with λ != γ²/4.

    >>> criterion(0.1, 3) < 0, criterion(9, 1) < 0, criterion(900, 1 / 6) > 0
    (True, True, True)
    """
    before, flint.ctx.prec = flint.ctx.prec, bits
    try:
        g, t = arb(γ) / 2, arb(t)
        w = g**2 - arb(λ)
        root = acb(w).sqrt()
        S, C = ((root * t).sinh() / root).real, (root * t).cosh().real
        numerator, denominator = form(S, C, (g * t).exp(), g, w, t)
        return numerator / denominator
    finally:
        flint.ctx.prec = before


def peak(λ, γ=1):
    """The first peak of h, as a float; infinite up to γ²/4."""
    return math.pi / math.sqrt(λ - γ**2 / 4) if λ > γ**2 / 4 else math.inf


def grid(eigenvalues=60, times=40):
    """λ from 2e-7 to 2e3 and within 1e-9 of critical, t from 1e-3 to 1e3 or to the peak, at γ = 1."""
    spread = lambda low, high, count: [low * (high / low) ** (i / (count - 1)) for i in range(count)]
    critical = [0.25 + side * gap for gap in (1e-3, 1e-6, 1e-9) for side in (-1, 1)]
    for λ in [*spread(2e-7, 2e3, eigenvalues), *critical]:
        last = min(1e3, 0.999 * peak(λ))
        yield from ((λ, t) for t in spread(min(1e-3, last / 10), last, times))


STEPS = {
    "[1] the lemma: M_t + rM = J (r_λ J)_t": lemma,
    "[2] the speed: f = λ exp(-γt/2) S": speed,
    "[3] the Wronskian: ∂_t ρ = S(x)/S(t)²": wronskian,
    "[4] Riccati: (S² k_w)_t = S²": riccati,
    "[5] the closed form of ∂²q/∂λ∂t": closed_form,
    "[6] the loop's speed": loop_speed,
    "[7] the loop's Wronskian": loop_wronskian,
    "[8] the loop's α_k S_k S_{k-1} = 2 Σ S_j²": loop_growth,
    "[9] the loop's p_k A_k = α_k + p_{k-1} B_{k-1}": loop_lemma,
}


def main():
    for statement, step in STEPS.items():
        print(f"{statement:47} {'exact identity' if step() else 'FAILS'}")
    signs = [criterion(λ, t) < 0 for λ, t in grid()]
    print(f"{'[10] in ball arithmetic':47} negative at {sum(signs)} of {len(signs)} points")
    print("covered: every λ > 0, every t > 0 before the first peak of h; up to λ = γ²/4 that is every t > 0;")
    print("         the loop with ηλ <= (1 - √β)², every k")
    print(
        "left:    nothing. Past the peak the sign can turn, with log|f/h| for q: "
        f"{float(criterion(900, 1 / 6)):+.4f} at γ = 1, λ = 900, t = 1/6"
    )
    return all(signs) and all(step() for step in STEPS.values())


if __name__ == "__main__":
    raise SystemExit(not main())
