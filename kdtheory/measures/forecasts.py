"""Whether distillation will help on new inputs, from features and targets alone, before anything is trained.

The signal's power along each eigendirection and the variance of the noise are estimated, and the errors of the best
teacher and of the best student on new data follow as in `new_inputs`.
"""

from typing import NamedTuple

import jax
import numpy as np

from kdtheory import problems
from kdtheory._checks import Key, Numbers, as_count, as_number, as_random
from kdtheory._record import record, static
from kdtheory.asymptotics import at_points
from kdtheory.learners._base import Learner
from kdtheory.learners._descent import GradientDescent
from kdtheory.learners._distilled import distill
from kdtheory.learners._ridge_and_flow import GradientFlow, Ridge
from kdtheory.measures import new_inputs
from kdtheory.problems import Problem

ROUNDING = 1e-20  # of what there is to learn: a risk below it is zero to rounding


class Range(NamedTuple):
    """The median of what is plausible, and the interval that holds nine tenths of it."""

    value: float
    low: float
    high: float


@record
class Forecast:
    """What distillation will bring, by theory. Made by `forecast`.

    Risks are expected squared errors on new inputs in excess of the noise, summed over outputs, in squared units of the
    targets. Draws are of what the data leave plausible.
    """

    eigenvalues: jax.Array  # (K,)
    signal: np.ndarray  # (K,) root of the expected θ², summed over outputs: what `measures.risk` takes, with
    noise_variance: float  # that of an eigen-component, σ²/N, summed over outputs
    teacher: Learner  # the single learner of least expected risk
    student: Learner  # the student of least expected risk; its teacher need not be `teacher`
    teacher_risk: np.ndarray  # (draws,) of the best-stopped single learner
    student_risk: np.ndarray  # (draws,) of the best student, over its own stop and its teacher's
    equal_risk: np.ndarray  # (draws,) of the best student that stops when its teacher did
    worth: float = static()  # what share of the teacher's risk a gain must be to count as help
    level: float = static()  # how probable a verdict must be

    @property
    def gain(self) -> Range:
        """The best teacher's risk minus the best student's: never negative, for a student may go on for ever."""
        return _range(self.teacher_risk - self.student_risk)

    @property
    def relative_gain(self) -> Range:
        """The gain as a share of the best teacher's risk."""
        return _range(self._share)

    @property
    def _share(self):
        risk = self.teacher_risk
        return np.where(risk > 0, 1.0 - self.student_risk / np.where(risk > 0, risk, 1.0), 0.0)

    @property
    def equal_gain(self) -> Range:
        """The gain of the best student that stops when its teacher did: one stop to choose, as for a teacher alone.

        It has either sign.
        """
        return _range(self.teacher_risk - self.equal_risk)

    @property
    def equal_verdict(self) -> str:
        """Whether that student "helps" or "hurts", be it by ever so little; "undecidable" where neither is as
        probable as `level`."""
        better, worse = (np.mean(sign * (self.teacher_risk - self.equal_risk) > 0) for sign in (1, -1))
        return "helps" if better >= self.level else "hurts" if worse >= self.level else "undecidable"

    @property
    def probability(self) -> float:
        """That the relative gain exceeds `worth`."""
        return float(np.mean(self._share > self.worth))

    @property
    def verdict(self) -> str:
        """Whether it "helps" or "hurts or is neutral"; "undecidable" where neither is as probable as `level`."""
        if self.probability >= self.level:
            return "helps"
        return "hurts or is neutral" if self.probability <= 1.0 - self.level else "undecidable"

    def __repr__(self) -> str:
        value, low, high = (round(100.0 * share, 2) for share in self.relative_gain)
        return (
            f"Forecast({self.verdict}: gain {value:.3g} % of the best teacher's risk [{low:.3g}, {high:.3g}],"
            f" more than {100 * self.worth:.2g} % with probability {self.probability:.2f})"
        )


def _range(draws):
    return Range(*(float(x) for x in np.quantile(draws, [0.5, 0.05, 0.95])))


def forecast(
    features: Numbers | Problem,
    targets: Numbers | None = None,
    *,
    learner: Ridge | GradientFlow | GradientDescent | None = None,
    worth: float = 0.01,
    level: float = 0.8,
    draws: int = 500,
    key: Key = 0,
) -> Forecast:
    """How much the best student will gain on new inputs over the best-stopped teacher, before training either.

    `features` (N, P) and `targets` (N,) or (N, C) make a linear problem; or give one problem, of
    `problems.kernel` say, in their place. `learner` is what teacher and student are, plain as in `best_stop`:
    gradient flow unless given. A gain counts as help from the share `worth` of the teacher's risk, and a verdict
    is given where its probability is `level`. `key` seeds NumPy's generator.

    With ψ what a learner leaves on new data, as in `estimated_risk`, its risk there is the mean over the N directions
    of N (q ψ² + v (1 - ψ)²), q the power of the signal along a direction, λθ², and v the variance of the noise. The
    targets along one are N(√q, v), and the signal scatters around a sum of two power laws, a head and a flatter tail
    that noise may hide: q ~ (e^a λ^r + e^a′ λ^r′) e^(τ s) χ²₁ with s ~ N(0, 1). What lies outside the span of the
    features is noise, less its mean. a, r, a′, r′, τ and v have their posterior, by importance sampling; each q has its
    own, and so has the gain. Priors of r and τ are such as fourteen tables of measurements have them, with r = 1.3 ±
    0.8; the others are vague.

    A single training set tells little of a gain, and where noise hides the signal the prior speaks: intervals are wide,
    and most cases stay open. As `estimated_risk`, with its warnings, this is for rows that are Σ^½ times iid entries;
    what a linear model cannot fit acts as noise. Where N <= P noise is told from signal by smoothness alone. Where a
    signal ends abruptly, after a few top directions, its gain is underrated. Centre the features and the targets.

    Raises what `problems.linear` raises; TypeError for features without targets, other problems, and a learner that
    is not plain; ValueError for targets without any component along the features.

    >>> import numpy as np, kdtheory as kd
    >>> spectrum = np.asarray(kd.spectra.power_law(40, exponent=1.5))
    >>> rising, flat = (
    ...     kd.problems.with_spectrum(0, spectrum, samples=400, signal=2**0.5 * spectrum**r, noise=noise)
    ...     for r, noise in ((1.0, 0.2), (0.0, 1.0))
    ... )
    >>> kd.measures.forecast(rising).verdict, kd.measures.forecast(flat).verdict
    ('helps', 'hurts or is neutral')
    """
    if targets is None and not isinstance(features, problems.Problem):
        raise TypeError("targets are missing: give forecast(features, targets), or a problem in their place")
    problem = features if targets is None else problems.linear(features, targets)
    if not isinstance(problem, problems.Linear | problems.Kernel):
        raise TypeError(
            f"the problem must be made by problems.linear or problems.kernel, got {type(problem).__name__}: all"
            " eigendirections of a squared loss are needed"
        )
    learner = GradientFlow(1.0) if learner is None else learner
    if not isinstance(learner, Learner):
        raise TypeError(f"learner must be Ridge, GradientFlow or GradientDescent, got {learner!r}")
    for name, value, least in ("worth", worth, 0.0), ("level", level, 0.5):
        if not least <= as_number(value, name) < 1:
            raise ValueError(f"{name} must be at least {least} and below 1, got {value}")
    as_count(draws, "draws", least=2)

    system, random = problem.eigensystem(), as_random(key)
    data = new_inputs.read(problem, system)
    λ = data.eigenvalues
    learner = learner.tuned(λ[0])
    try:
        learner.stopped(1.0)
    except TypeError as refused:
        raise TypeError(f"learner must be Ridge, GradientFlow or GradientDescent: {refused}") from None
    step_size = learner.given_step
    if step_size is not None and not 0 < step_size * λ[0] <= 1:
        raise ValueError(
            f"step_size must be positive and at most 1/λ_max = {1 / λ[0]:.6g}, or no stop lies between two steps; got"
            f" {step_size}. Step size None is 1/λ_max"
        )
    power, noises, mean = _plausible(λ, _Seen.of(data), draws, random)
    search = _Search(learner, data)
    risks, _ = search.least(power, noises)
    noise = float(np.mean(noises))
    _, clocks = search.least(mean[None], np.array([noise]))
    alone, first, then = (learner.stopped(float(clock)) for clock in clocks[0])
    best = alone, distill(first, then)
    return Forecast(system.eigenvalues[: len(λ)], np.sqrt(mean / λ), noise, *best, *risks.T, worth, level)  # type: ignore[call-arg]


# What the data leave plausible.


class _Seen(NamedTuple):
    """The targets in eigen-components of the predictions, over N: only sums of squares matter."""

    power: np.ndarray  # (K,) Σ over outputs of z²
    outputs: int
    rest: float  # the same outside the directions, all together
    left: int  # how many components that is, for each output

    @classmethod
    def of(cls, data):
        u, outside, samples = data.basis, data.outside, len(data.basis)
        power, left = np.sum(data.labels**2, axis=1) / samples, data.zeros
        constant = np.ones(samples) - u @ np.sum(u, axis=0)
        length = float(constant @ constant)
        if data.count == samples and left and length > 1e-6 * samples:  # the mean of the targets is no noise
            outside = outside - np.outer(constant, constant @ outside) / length
            left -= 1
        if not np.sum(power) > 0:
            raise ValueError("targets have no component along the features: there is nothing to learn or to distil")
        return cls(power, outside.shape[1], float(np.sum(outside**2)) / samples if left else 0.0, left)


_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(7)


# Centres and widths of a, r, a', r', log τ and log v; a, a' and v from the mean power of a component
_PRIOR = (1.0, 1.3, -6.0, 1.0, -0.4, -2.0), (3.0, 0.8, 3.0, 0.5, 0.6, 4.0)


def _plausible(λ, seen, draws, random, prior=_PRIOR):
    """Draws of the power λθ² (draws, K) and of the noise variance, summed over outputs; the mean power."""
    centre, width = np.array(prior)
    centre = centre + np.log(np.mean(seen.power) / seen.outputs) * np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    height = np.log(λ / λ.max())

    def parts(at):
        """Of each direction and node: log power, log of the joint density. at (..., 6) gives (..., K, nodes)."""
        a, r, tail, tail_r, log_spread, log_noise = (at[..., i, None, None] for i in range(6))
        line = np.logaddexp(a + r * height[:, None], tail + tail_r * height[:, None])
        log_power = line + np.exp(log_spread) * _NODES
        log_total = np.logaddexp(log_power, log_noise)
        fit = seen.outputs * log_total + seen.power[:, None] * np.exp(-log_total)
        return log_power, np.log(_SHARES) - 0.5 * fit

    def density(at):
        joint, log_noise = parts(at)[1], at[..., 5]
        outside = seen.left * seen.outputs * log_noise + seen.rest * np.exp(-log_noise)
        return np.sum(_logsumexp(joint), -1) - 0.5 * outside - 0.5 * np.sum(((at - centre) / width) ** 2, -1)

    sampled, weights = _sampled(density, _starts(centre, seen), random)
    chosen = sampled[random.choice(len(sampled), size=draws, p=weights)]
    spectra, mean = [], 0.0
    for at in chosen:
        log_power, joint = parts(at)
        noise, node = np.exp(at[5]), np.exp(joint - _logsumexp(joint)[:, None])
        kept = 1.0 / (1.0 + np.exp(at[5] - log_power))  # the share of z that is signal, by node
        mean = mean + np.sum(node * (kept**2 * seen.power[:, None] + seen.outputs * kept * noise), axis=1) / draws
        which = np.argmax(np.cumsum(node, axis=1) > random.random((len(λ), 1)), axis=1)
        kept = kept[np.arange(len(λ)), which]
        # a noncentral χ² needs no signs, which eigenvectors do not have
        along = kept * np.sqrt(seen.power) + np.sqrt(kept * noise) * random.standard_normal(len(λ))
        across = kept * noise * (random.chisquare(seen.outputs - 1, len(λ)) if seen.outputs > 1 else 0.0)
        spectra.append(along**2 + across)
    return np.array(spectra), seen.outputs * np.exp(chosen[:, 5]), mean


def _starts(centre, seen):
    """Where the mode is looked for: from the noise outside the directions if there is some, else from several."""
    if seen.left > 5 and seen.rest > 0:
        return [np.array([*centre[:-1], np.log(seen.rest / (seen.left * seen.outputs))])]
    return [np.array([*centre[:-1], centre[-1] + shift]) for shift in (-4.0, 0.0, 2.0)]


def _sampled(log_density, starts, random, count=4000, freedom=5):
    """Points (count, D) of a Student t around the mode of a density, and their importance weights."""
    from scipy.optimize import minimize

    found = min((minimize(lambda at: -log_density(at), start, tol=1e-5) for start in starts), key=lambda f: f.fun)
    # rounded, so that last bits, which differ between machines, change no draw; from a start that units move along
    mode = starts[0] + np.round(found.x - starts[0], 2)
    steps = 1e-2 * np.eye(len(mode))
    both = np.array([[log_density(mode + a + b) - log_density(mode + a - b) for b in steps] for a in steps])
    back = np.array([[log_density(mode - a + b) - log_density(mode - a - b) for b in steps] for a in steps])
    curvature, axes = np.linalg.eigh((back - both + (back - both).T) / 8e-4)
    normal, stretch = random.standard_normal((count, len(starts[0]))), random.chisquare(freedom, count) / freedom
    points = mode + normal / np.sqrt(stretch)[:, None] @ (axes / np.sqrt(np.maximum(curvature, 0.1))).T
    proposal = -(freedom + normal.shape[1]) / 2 * np.log1p(np.sum(normal**2, axis=1) / stretch / freedom)
    logs = np.concatenate([log_density(piece) for piece in np.array_split(points, 100)]) - proposal
    weights = np.exp(logs - np.max(logs))
    return points, weights / np.sum(weights)


def _logsumexp(logs):
    top = np.max(logs, axis=-1, keepdims=True)
    return (top + np.log(np.sum(np.exp(logs - top), axis=-1, keepdims=True)))[..., 0]


# The best stops.


class _Search:
    """Best stops of one learner on some data, for many signals: a grid of clocks, a finer one, and a parabola.

    What is learnt of new data along the directions, χ = 1 - ψ, is linear in what is learnt at the ζ of `new_inputs`.
    """

    def __init__(self, learner, data):
        self.learner, self.data = learner, data
        λ = data.eigenvalues
        low, high = -7.0 - np.log(λ[0]), 7.0 - np.log(λ[-1])
        self.logs, self.step = np.linspace(low, high, max(48, int(2.5 * (high - low))), retstep=True)
        self.coarse = self.learnt(self.logs)

    def learnt(self, logs):
        """What is learnt at each ζ, (T, J), by stops at some clocks, of which these are the logarithms."""
        found = np.asarray(at_points(self.learner.stopped(np.exp(logs)), self.data.ζ)[0])
        return found if self.data.zeros else found * (self.data.ζ > 0)  # nothing is learnt without data

    def risks(self, learnt, power, noises):
        """Expected excess errors (F, draws) of what is `learnt` (F, J), for powers (draws, K) and noises (draws,).

        Since ψ is one in the mean, Σ v ψ² less its first term is Σ v (1 - ψ)²: no large numbers cancel.
        """
        data, samples = self.data, len(self.data.basis)
        χ = learnt @ data.weights.T
        found = (1.0 - χ) ** 2 @ power.T + np.sum(χ * χ, axis=1)[:, None] * noises
        if data.zeros:
            found += data.zeros * ((learnt @ (data.ν / data.ζ)) ** 2)[:, None] * noises
        centred = data.count < samples  # the intercept errs by v, and in the features' mean
        return found * samples / data.count * (1.0 + centred / samples) + centred * noises

    def least(self, power, noises):
        """The least risks (draws, 3) of a single fit, of a student, and of a student with its teacher's stop; clocks
        (draws, 3) of the single fit, of the best student's teacher, and its own.

        Each may learn nothing at all, so that what little a student of two short runs learns is no gain.
        """
        φ = self.coarse
        [nothing] = self.risks(np.zeros((1, φ.shape[1])), power, noises)
        alone, equal = (np.argmin(self.risks(each, power, noises), axis=0) for each in (φ, φ * φ))
        least, first, then = np.full(len(power), np.inf), np.zeros_like(alone), np.zeros_like(alone)
        for place, each in enumerate(φ):
            found = self.risks(each * φ, power, noises)
            better = np.min(found, axis=0) < least
            first[better], then[better] = place, np.argmin(found, axis=0)[better]
            least = np.minimum(least, np.min(found, axis=0))

        steps = self.step * np.linspace(-1.0, 1.0, 7)
        finer = self.learnt((self.logs[:, None] + steps).ravel()).reshape(len(φ), 7, -1)

        def lowest(learnt, *places):
            """The least risk (draws,) of what is `learnt` by stops near some places, and by which: logs (draws, n)."""
            together, which = np.unique(np.stack(places, axis=1), axis=0, return_inverse=True)
            values = np.empty((len(power), *[7] * len(places)))
            for number, at in enumerate(together):
                some = which.ravel() == number
                seen = self.risks(learnt(*finer[at]).reshape(-1, φ.shape[1]), power[some], noises[some])
                values[some] = seen.T.reshape(-1, *values.shape[1:])
            found, place = _lowest(values)
            return found, self.logs[np.stack(places, axis=1)] + self.step * (place / 3.0 - 1.0)

        single, ends = lowest(lambda φ: φ, alone)
        twice, _ = lowest(lambda φ: φ * φ, equal)
        both, pair = lowest(lambda first, then: first[:, None] * then, first, then)
        single, twice = np.minimum(single, nothing), np.minimum(twice, nothing)
        found = np.stack([single, np.minimum(single, both), twice], axis=1)
        return np.maximum(found, ROUNDING * nothing[:, None]), np.exp(np.hstack([ends, pair]))


def _lowest(values):
    """The least of each of n arrays (n, ...), by a parabola through the least entry and its neighbours; and where, as
    fractional places (n, axes).

    At an end of an axis it is that along the others, or the entry itself.
    """
    count, *shape = values.shape
    last = np.array(shape) - 1
    place = np.stack(np.unravel_index(np.argmin(values.reshape(count, -1), axis=1), shape), axis=1)
    free = (place > 0) & (place < last)
    value = lambda *steps: values[(np.arange(count), *np.clip(place + sum(steps), 0, last).T)]
    axes, here = np.eye(len(shape), dtype=int), value(0)
    slope = np.where(free, np.stack([(value(e) - value(-e)) / 2 for e in axes], axis=1), 0.0)
    across = lambda e, f: (value(e, f) - value(e, -f) - value(-e, f) + value(-e, -f)) / 4
    along = lambda e: value(e) + value(-e) - 2 * here
    bend = [[along(e) if i == j else across(e, f) for j, f in enumerate(axes)] for i, e in enumerate(axes)]
    bend = np.where(free[:, :, None] & free[:, None], np.moveaxis(np.array(bend), 2, 0), axes)
    convex = np.all(np.linalg.eigvalsh(bend) > 0, axis=1)
    step = -np.linalg.solve(np.where(convex[:, None, None], bend, axes), slope[..., None])[..., 0]
    step = np.where((convex & np.all(np.abs(step) <= 1, axis=1))[:, None], step, 0.0)
    return here + np.sum(slope * step, axis=1) / 2, place + step
