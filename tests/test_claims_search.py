"""Rare violations: planted in a small share of the volume, behind kinks, plateaus and slopes that lead elsewhere."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from kdtheory.claims import CLAIMS, HOLDS, VIOLATED, Margin, search

WIDE = (1e-3, 1e3)


@pytest.fixture
def planted(made):
    """Make a claim of `count` quantities that fails in a box of some volume, which is somewhere, and oblong."""

    def make(kind, count, volume, seed):
        random, names = np.random.default_rng(seed), list("abcdef")[:count]
        centre, shape = random.uniform(0.1, 0.9, count), np.exp(random.normal(0.0, 0.5, count))
        half = (volume / np.prod(shape)) ** (1 / count) * shape / 2

        def fails(run, **quantities):
            """It holds nearly everywhere."""
            place = jnp.stack([jnp.log(quantities[name] / WIDE[0]) / np.log(WIDE[1] / WIDE[0]) for name in names])
            apart = jnp.max(jnp.abs(place - centre) / half) - 1.0  # kinked, and negative in the box
            return Margin(KINDS[kind](apart, place), 0.0)

        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("run", *names)]
        fails.__signature__ = inspect.Signature(parameters)
        return made(**dict.fromkeys(names, WIDE))(fails)

    return make


KINDS = dict(
    kink=lambda apart, place: apart,
    plateau=lambda apart, place: jnp.minimum(apart, 1.0),  # no slope until it is near
    decoy=lambda apart, place: jnp.minimum(apart, 0.05 + 20.0 * jnp.min(place)),  # which leads to an edge
    needle=lambda apart, place: jnp.where(apart < 0.0, -1.0, 0.1 + jnp.min(place)),  # no slope at all
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count, volume", [(2, 1e-4), (4, 1e-4), (5, 1e-4)])
def test_rare_violations_are_found(planted, kind, count, volume):
    claim = planted(kind, count, volume, seed=7 * count + len(kind))
    found = claim.falsify(11, descent=20)
    assert found.verdict == VIOLATED and claim.at(**found.instance()).verdict == VIOLATED


@pytest.mark.parametrize("kind, count", [("kink", 3), ("plateau", 2)])
def test_a_slope_of_its_own_leads_to_one_in_a_million(planted, kind, count):
    claim = planted(kind, count, 1e-6, seed=3)
    drawn = claim.check(5, 2000)
    assert drawn.verdict == HOLDS and search.hunt(drawn, 30).verdict == VIOLATED


def test_the_gradient_alone_does_not_find_them(planted):
    """The negative control: what the hunt is for."""
    missed = [search.descend(planted("decoy", 2, 1e-4, seed).check(seed, 2000), 30).verdict for seed in range(4)]
    assert missed.count(HOLDS) >= 3


def test_what_is_true_is_not_refuted():
    for name in ("exaggerated_bias", "powers_of_ridge"):
        drawn = CLAIMS[name].check(0, 500)
        hunted = search.hunt(drawn, 5)
        assert hunted.counts[VIOLATED] == 0
        for which, values in hunted.instances.items():  # within the ranges that were drawn from
            if values.dtype.kind in "if":
                assert values.min() >= drawn.instances[which].min() and values.max() <= drawn.instances[which].max()


def test_the_hunt_stays_within_the_hypotheses():
    claim = CLAIMS["exaggerated_bias"]
    hunted = search.hunt(claim.check(0, 500), 3)
    assert claim.within(hunted.instances, None).all()


def test_whole_numbers_are_hunted_too(made):
    @made(steps=range(1, 100_000), other=range(1, 100_000), method=["plus", "minus"])
    def whole(run, steps, other, method):
        """It fails for one pair of numbers in some hundred thousand."""
        sign = dict(plus=1, minus=-1)[method]
        return Margin(jnp.abs(steps - 777) / 100 + jnp.abs(other - 4242.0) / 100 - 0.03 * sign, 0.0)

    assert whole.check(0, 1000).verdict == HOLDS
    found = whole.falsify(0, count=1000, descent=30)
    assert found.verdict == VIOLATED and found.instance()["method"] == "plus"
    assert abs(found.instance()["steps"] - 777) <= 3 and found.instances["steps"].dtype.kind == "i"
