"""Results that are saved, loaded and pickled, to the last bit."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdtheory as kd
from kdtheory.claims import CLAIMS, Margin, positive


@kd.record
class Here:
    x: float


def doubled(eigenvalues):
    return 2 * eigenvalues


PROBLEM = kd.problems.linear([[1.0, 0.0], [0.0, 0.5], [1.0, 1.0]], [1.0, 2.0, 0.1])
RESULTS = {
    "trajectory": kd.closed_form(kd.GradientFlow([1.0, 2.0]), PROBLEM.eigensystem()),
    "eigensystem": PROBLEM.eigensystem(),
    "kernel": kd.problems.kernel(np.eye(2), [1.0, 2.0]),
    "learner": kd.distill(kd.Ridge(0.1), kd.Filter(doubled)),
    "stochastic": kd.StochasticDescent(0.1, 2, jax.random.key(3), np.arange(4)),
    "nested": {"a": (1, 2.5, None, "x"), "b": [kd.Ridge(float("inf")), np.float64(0.1), jnp.arange(3)], "c": True},
    "bare": jnp.float32(0.1),
}


def same(one, other):
    (leaves, structure), (others, other_structure) = (jax.tree.flatten(tree) for tree in (one, other))
    assert structure == other_structure and len(leaves) == len(others)
    for leaf, twin in zip(leaves, others, strict=True):
        assert type(leaf) is type(twin)
        if hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf, twin = jax.random.key_data(leaf), jax.random.key_data(twin)
        assert np.asarray(leaf).tobytes() == np.asarray(twin).tobytes()


@pytest.mark.parametrize("name", RESULTS)
def test_saved_and_loaded(name, tmp_path):
    kd.save(tmp_path / "result.npz", RESULTS[name])
    same(kd.load(tmp_path / "result.npz"), RESULTS[name])
    if name != "stochastic":  # JAX does not pickle keys
        same(pickle.loads(pickle.dumps(RESULTS[name])), RESULTS[name])
    assert [path.name for path in tmp_path.iterdir()] == ["result.npz"]


def test_arrays_have_the_names_of_their_fields(tmp_path):
    kd.save(tmp_path / "result.npz", {"run": RESULTS["trajectory"]})
    with np.load(tmp_path / "result.npz") as file:
        assert "run.coordinates" in file and file["run.clock"].tolist() == [1.0, 2.0]


@pytest.fixture
def check(monkeypatch):
    """A check of a claim that compiles in no time."""

    def nothing_is_learnt_from_nothing(run, time):
        return Margin(jnp.minimum(time, 1.0), jnp.zeros(()))

    claim = kd.claim(source="folklore", standing="own", time=positive(), hypotheses={})(nothing_is_learnt_from_nothing)
    monkeypatch.setitem(CLAIMS, claim.name, CLAIMS.pop(claim.name))  # and away with it afterwards
    return claim.check(0, 10)


def test_checks(check, tmp_path):
    kd.save(tmp_path / "check.npz", check)
    for twin in (kd.load(tmp_path / "check.npz"), pickle.loads(pickle.dumps(check))):
        assert twin.claim is check.claim and repr(twin) == repr(check)
        assert twin.margins.tobytes() == check.margins.tobytes() and twin.instances.keys() == check.instances.keys()


def test_what_is_refused(check, tmp_path, monkeypatch):
    path = tmp_path / "result.npz"
    with pytest.raises(TypeError, match=r"student.function is <function .*lambda.*cannot be found again by its name"):
        kd.save(path, kd.distill(kd.Ridge(1.0), kd.Filter(lambda eigenvalues: eigenvalues)))
    with pytest.raises(TypeError, match=r"the result is {1, 2}"):
        kd.save(path, {1, 2})
    assert not path.exists()
    np.savez(path, a=1.0)
    with pytest.raises(ValueError, match=r"was not written by kdtheory.save; read it with numpy.load"):
        kd.load(path)
    kd.save(path, check)
    pickled = pickle.dumps(check)
    monkeypatch.delitem(CLAIMS, check.name)
    for read in (lambda: kd.load(path), lambda: pickle.loads(pickled)):
        with pytest.raises(ValueError, match="there is no claim 'nothing_is_learnt_from_nothing' in this session"):
            read()

    kd.save(path, Here(1.0))
    same(kd.load(path), Here(1.0))
    monkeypatch.delitem(globals(), "Here")
    with pytest.raises(ValueError, match="Here, which is not known here; import its module first"):
        kd.load(path)


def test_how_records_look():
    assert repr(kd.GradientFlow(2.0)) == "GradientFlow(time=2.0)"
    assert repr(kd.GradientDescent(0.5, jnp.arange(2000))) == (
        "GradientDescent(step_size=0.5, steps=<(2000,) int64, 0 … 1999>)"
    )
    assert repr(kd.Filter(doubled)) == "Filter(function=doubled)"
    assert repr(PROBLEM) == "Linear(features=<(3, 2) float64>, targets=[1.0, 2.0, 0.1])"
    assert repr(kd.StochasticDescent(0.1, 2, jax.random.key(3), 1)).endswith("key=key [0, 3], steps=1)")
    assert len(repr(PROBLEM.eigensystem())) < 400
    shown = kd.distill(kd.Ridge(1.0), kd.Filter(doubled))._repr_html_()
    assert "<caption>Distilled</caption>" in shown and "Ridge(penalty=1.0)" in shown
    assert "&lt;(3, 2) float64&gt;" in PROBLEM._repr_html_()
    jax.jit(lambda run: (repr(run), run)[1])(kd.Ridge(1.0))  # tracers too
