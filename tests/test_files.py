"""Results that are saved, loaded and pickled, to the last bit; and files that are foreign, damaged or meant to harm."""

import codecs
import dataclasses
import importlib
import io
import json
import os
import pickle
import stat
import subprocess
import sys
import typing
import zipfile

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kdtheory as kd
from kdtheory.claims import CLAIMS, Margin, positive
from kdtheory.files import _folders


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
    "features": kd.kernels.random_relu(0, 4, 2),
    "functions": [kd.Filter(f) for f in (jnp.cos, np.exp, jax.nn.relu, jax.nn.gelu, kd.spectra.power_law)],
    "names": {  # F9
        "a": {"b": np.arange(2.0)},
        "a.b": np.arange(3.0),
        "file": np.arange(4.0),
        "allow_pickle": np.arange(5.0),
        "__structure__": np.arange(6.0),
        "": {"": np.arange(7.0), "value": np.arange(8.0)},
        "value": np.arange(9.0),
        "../x/\0\udcff ~1": np.arange(10.0),
        "long" * 20_000: [np.arange(11.0), {"dict": {"record": "x"}, "numpy": np.arange(12.0)}],
        "a/b": np.arange(13.0),
        "a\\b": np.arange(14.0),
    },
    "arrays": [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i2"),
        np.array(1.0),
        np.zeros((0, 3)),
        np.array(["a", "bc"]),
        np.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]),
        np.array(["2020-01-01"], "M8[D]"),
        np.str_("x"),
        np.float16(0.1),
        np.longdouble(0.1),
        np.array([b"x"]),
        True,
        float("nan"),
        -0.0,
    ],
}


def same(one, other):
    (leaves, structure), (others, other_structure) = (jax.tree.flatten(tree) for tree in (one, other))
    assert structure == other_structure and len(leaves) == len(others)
    for leaf, twin in zip(leaves, others, strict=True):
        assert type(leaf) is type(twin)
        if hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf, twin = jax.random.key_data(leaf), jax.random.key_data(twin)
        if np.asarray(leaf).dtype == np.longdouble:  # of 16 bytes 10 are its own, and NumPy leaves the rest as it is
            assert leaf == twin
            continue
        assert np.asarray(leaf).tobytes() == np.asarray(twin).tobytes()


@pytest.mark.parametrize("name", RESULTS)
def test_saved_and_loaded(name, tmp_path):
    kd.save(tmp_path / "result.npz", RESULTS[name])
    same(kd.load(tmp_path / "result.npz"), RESULTS[name])
    if name not in {"stochastic", "features", "functions", "arrays"}:  # pickle cannot, or drops the order of bytes
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
        """Nothing is learnt from nothing."""
        return Margin(jnp.minimum(time, 1.0), jnp.zeros(()))

    claim = kd.claim(source="folklore", standing="own", time=positive(), hypotheses={})(nothing_is_learnt_from_nothing)
    monkeypatch.setitem(CLAIMS, claim.name, CLAIMS.pop(claim.name))  # and away with it afterwards
    return claim.check(0, 10)


def test_checks(check, tmp_path):
    kd.save(tmp_path / "check.npz", check)
    for twin in (kd.load(tmp_path / "check.npz"), pickle.loads(pickle.dumps(check))):
        assert twin.claim is check.claim and repr(twin) == repr(check)
        assert twin.margins.tobytes() == check.margins.tobytes() and twin.instances.keys() == check.instances.keys()


def test_a_record_of_a_private_module_comes_back(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "of_others").mkdir()
    (tmp_path / "of_others" / "__init__.py").write_text("")
    (tmp_path / "of_others" / "_inner.py").write_text("import kdtheory as kd\n@kd.record\nclass Own:\n    a: float\n")
    module = importlib.import_module("of_others._inner")
    kd.save(tmp_path / "own.npz", module.Own(1.0))
    loaded = kd.load(tmp_path / "own.npz")
    assert type(loaded) is module.Own and loaded.a == 1.0
    monkeypatch.delattr(module, "Own")
    with pytest.raises(ValueError, match="Own, which is not known here"):
        kd.load(tmp_path / "own.npz")


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

    kd.save(path, kd.Filter(doubled))  # F11: it was None
    monkeypatch.delitem(globals(), "doubled")
    with pytest.raises(ValueError, match=r"result.npz holds the function .*:doubled, which this session does not know"):
        kd.load(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [  # F9
        (
            {"x": jnp.zeros(2, jnp.bfloat16)},
            "x has dtype bfloat16, which numpy's files cannot hold; save it as another",
        ),
        (np.zeros(2, ml_dtypes.bfloat16), "the result has dtype bfloat16"),
        (np.zeros(2, ml_dtypes.float8_e4m3fn), "float8_e4m3fn"),
        (
            [np.ma.masked_array([1.0, 2.0], [True, False])],
            r"0 is a masked array; save its .data and its .mask, or .fill",
        ),
        (np.array([None]), "has dtype object"),
        (np.array([(1, None)], dtype=[("x", int), ("y", object)]), "cannot hold"),
        (np.zeros(2).view(np.recarray), "is a recarray, which would come back plain; save numpy.asarray of it"),
        ({1: 2}, r"a dict with the key 1; its keys must be strings"),
        (1j, "the result is 1j"),
        ({"x": [10**5000]}, "x.0 is a whole number of 16610 bits; save it as a text"),
        (type("Mine", (dict,), {})(), "the result is {}"),
        (kd.Filter(kd.Ridge(1.0).filter), "function is <bound method"),
    ],
)
def test_what_would_not_come_back_is_refused(value, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        kd.save(tmp_path / "result.npz", value)
    assert not list(tmp_path.iterdir())


def test_what_contains_itself_is_refused(tmp_path):
    loop = [1.0]
    loop.append(loop)
    with pytest.raises(TypeError, match="contains itself, or is nested too deeply"):
        kd.save(tmp_path / "result.npz", loop)


def test_what_was_defined_anew_is_not_taken_for_the_old(tmp_path):
    def make(suffix):
        @kd.record
        class Local:
            x: float

        Local.suffix = suffix
        return Local(1.0)

    old, new = make("old"), make("new")
    kd.save(tmp_path / "new.npz", new)
    assert kd.load(tmp_path / "new.npz").suffix == "new"  # this session made it, wherever
    with pytest.raises(TypeError, match="Local'>, which cannot be found again by its name"):
        kd.save(tmp_path / "old.npz", old)


def test_keys_keep_their_kind(tmp_path):
    for kind in ("threefry2x32", "rbg", "unsafe_rbg"):
        keys = jax.random.split(jax.random.key(1, impl=kind), 3)
        kd.save(tmp_path / "keys.npz", keys)
        same(kd.load(tmp_path / "keys.npz"), keys)
        assert jax.random.key_impl(kd.load(tmp_path / "keys.npz")) == jax.random.key_impl(keys)


def test_a_function_is_registered_by_its_module(tmp_path):
    (tmp_path / "mine.py").write_text("def cut(x):\n    return x\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

    def run(*lines):
        script = "\n".join(["import kdtheory as kd", *lines])
        return subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    saved = run("import mine", "kd.save('cut.npz', kd.Filter(mine.cut))", "print(kd.load('cut.npz'))")
    assert saved.stdout == "Filter(function=cut)\n"
    unknown = run("import mine", "kd.load('cut.npz')")
    assert "ValueError: cut.npz holds the function mine:cut, which this session does not know;" in unknown.stderr
    known = run("import mine", "kd.files.register(mine.cut)", "print(kd.load('cut.npz').function is mine.cut)")
    assert known.stdout == "True\n"


def test_register_wants_a_name():
    for nameless in (lambda x: x, np.zeros(2), kd.Ridge(1.0)):
        with pytest.raises(TypeError, match="has no name in a module"):
            kd.files.register(nameless)


# F7: what a file can do.


def written(path, structure, **arrays):
    """A file made by hand."""
    np.savez(path, __structure__=np.array(json.dumps(structure)), **arrays)
    return path


RIDGE = "kdtheory.learners:Ridge"
HARMFUL = {
    "a module on the path": {"name": "evil_module:x"},
    "a callable of the system": {"name": "os:system"},
    "an import that speaks": {"record": "this:Zen", "fields": {}},
    "a record that is a process": {"record": "subprocess:Popen", "fields": {"args": "touch PWNED"}},
    "through the library's own imports": {"name": "kdtheory.files:sys.modules"},
    "a function for a field": {
        "record": "kdtheory.learners:Filter",
        "fields": {"function": {"name": "evil_module:x.y"}},
    },
    "an attribute of a record": {"record": f"{RIDGE}.__init__.__globals__", "fields": {}},
    "a builtin": {"name": "builtins:eval"},
    "what reads files": {"name": "jax.numpy:load"},
    "a private function": {"name": "kdtheory.files:_made"},
    "what writes files": {"name": "kdtheory.files:save"},
    "a key of no name": {"key": "keys", "of": ["rbg"]},
    "a function where a record is due": {"record": "kdtheory.learners:zeros", "fields": {}},
    "a class that is no record": {"record": "kdtheory.claims.judging:Claim", "fields": {}},
    "a claim": {"claim": "evil_module:x"},
    "another's fields": {"record": RIDGE, "fields": {"penalty": 1.0, "__class__": {"name": "os:system"}}},
    "too few fields": {"record": RIDGE, "fields": {}},
    "no name": {"record": 3, "fields": {}},
    "nothing": {},
    "an unknown kind": {"pickle": "cos\\nsystem\\n(S'touch PWNED'\\ntR."},
    "an array that is not there": {"numpy": "x"},
    "a key of no kind": {"key": "keys", "of": "os"},
    "a key of no shape": {"key": "keys"},
    "a list of JSON": [1.0, 2.0],
}


@pytest.mark.parametrize("how", HARMFUL)
def test_a_file_runs_nothing(how, tmp_path, monkeypatch, capfd):
    (tmp_path / "evil_module.py").write_text("open('PWNED', 'w').write('x')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = written(tmp_path / "harm.npz", HARMFUL[how], keys=np.arange(3.0))
    codecs.lookup("cp437")  # of Python's own, for names in an archive
    before, there = set(sys.modules), set(os.listdir())
    with pytest.raises(ValueError, match=r"harm\.npz|there is no claim") as refused:
        kd.load(path)
    assert set(sys.modules) == before and set(os.listdir()) == there
    assert capfd.readouterr() == ("", "") and "allow_pickle" not in str(refused.value)


def test_a_kernel_in_a_file_writes_nothing(tmp_path, monkeypatch):
    """It is called with the inputs that the file holds, which might be a path."""
    monkeypatch.chdir(tmp_path)
    fields = {"kernel": {"name": "kdtheory.files:save"}, "inputs": "PWNED", "targets": {"numpy": "y"}}
    path = written(tmp_path / "harm.npz", {"record": "kdtheory.problems:MatrixFree", "fields": fields}, y=np.zeros(5))
    with pytest.raises(ValueError, match=r"harm\.npz holds the function kdtheory\.files:save"):
        kd.load(path).eigensystem()
    assert not os.path.exists("PWNED")


@pytest.mark.parametrize("dtype", ["<U1", [("text", "<U1")]])
def test_a_text_of_no_characters_is_damage(dtype, tmp_path):
    text = np.frombuffer(b"\xff\xff\xff\x7f", dtype)
    written(tmp_path / "member.npz", {"array": "x"}, x=text)
    np.savez(tmp_path / "structure.npz", __structure__=text.reshape(()))
    for name in "member", "structure":
        with pytest.raises(ValueError, match=f"{name}.npz is damaged"):
            kd.load(tmp_path / f"{name}.npz")


def test_a_number_is_no_path(tmp_path):
    with open(tmp_path / "some", "wb") as file:
        with pytest.raises(TypeError, match="PathLike object, not int"):
            kd.load(file.fileno())
        file.write(b"it is still open")


def test_one_array_is_not_given_twice(tmp_path):
    twice = {"list": [{"array": "x"}] * 1000}  # else a small file may fill the memory
    with pytest.raises(ValueError, match=r"has been changed since kdtheory\.save wrote it"):
        kd.load(written(tmp_path / "twice.npz", twice, x=np.zeros(1000)))


# F11: what is no file of ours, or no longer.


class Harm:
    def __reduce__(self):
        return os.mkdir, ("PWNED",)


def header(text, version=b"\x01\x00"):
    length = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + text.encode()


def zipped(members, compression=zipfile.ZIP_STORED):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return body.getvalue()


def of_numpy(save, *arrays, **named):
    body = io.BytesIO()
    save(body, *arrays, **named)
    return body.getvalue()


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"
STRUCTURE = of_numpy(np.save, np.array('{"array": "x"}'))
FOREIGN = {
    "empty": (b"", "is empty"),
    "one array": (of_numpy(np.save, np.zeros(3)), "single array of numpy.save; read it with numpy.load"),
    "a pickle": (pickle.dumps(Harm()), "is a pickle, which can run code"),
    "an array of objects": (of_numpy(np.save, np.array([Harm()])), "single array"),
    "arrays of objects": (
        of_numpy(np.savez, x=np.array([Harm()]), __structure__=np.array('{"array": "x"}')),
        "holds objects of Python, which only code from the file could restore",
    ),
    "a structure of objects": (of_numpy(np.savez, __structure__=np.array([Harm()])), "holds objects of Python"),
    "other arrays": (of_numpy(np.savez, x=np.zeros(3)), "was not written by kdtheory.save; read it with numpy.load"),
    "a number for a structure": (of_numpy(np.savez, __structure__=np.array(5)), "was not written by kdtheory.save"),
    "no JSON": (of_numpy(np.savez, __structure__=np.array("{")), "has been changed"),
    "much JSON": (of_numpy(np.savez, __structure__=np.array("[" * 100_000)), "has been changed"),
    "a long number": (of_numpy(np.savez, __structure__=np.array("9" * 10_000)), "has been changed"),
    "compressed": (of_numpy(np.savez_compressed, x=np.zeros(3)), "is compressed"),
    "a bomb": (zipped([("x.npy", b"\0" * 10**7)], zipfile.ZIP_DEFLATED), "is compressed"),
    "a huge header": (zipped([("x.npy", header(HUGE)), ("__structure__.npy", STRUCTURE)]), "not as long as its header"),
    "a huge header, later": (zipped([("x.npy", header(HUGE, b"\x02\x00"))]), "not as long as its header says"),
    "no items": (zipped([("x.npy", header(HUGE.replace("<f8", "<U0")))]), "not as long as its header says"),
    "code in a header": (zipped([("x.npy", header("__import__('os').mkdir('PWNED')"))]), "is damaged or cut off"),
    "no array": (zipped([("x.txt", b"text")]), "is damaged or cut off"),
    "an empty archive": (zipped([]), "is no archive of arrays"),
    "text": (b"time,loss\n0,1\n", "is no archive of arrays"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "is a file of HDF5"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused_in_words(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = FOREIGN[kind]
    (tmp_path / "foreign.npz").write_bytes(content)
    with pytest.raises(ValueError, match=f"foreign.npz .*{message}") as refused:
        kd.load("foreign.npz")
    assert os.listdir() == ["foreign.npz"] and "allow_pickle" not in str(refused.value)


def test_two_members_of_one_name(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped([("__structure__.npy", STRUCTURE)] * 2)
    (tmp_path / "two.npz").write_bytes(content)
    with pytest.raises(ValueError, match="two arrays of one name"):
        kd.load(tmp_path / "two.npz")


def test_what_the_system_refuses_is_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        kd.load(tmp_path / "missing.npz")
    with pytest.raises(IsADirectoryError):
        kd.load(tmp_path)
    with pytest.raises(IsADirectoryError):
        kd.save(tmp_path, 1.0)
    with pytest.raises(FileNotFoundError, match=r"missing/x\.npz'$"):  # as it was given
        kd.save(tmp_path / "missing" / "x.npz", 1.0)
    assert not list(tmp_path.iterdir())


def loads_or_is_refused(path, content):
    """Whether a file loads; all else than a ValueError, an import or a file is a fault."""
    path.write_bytes(content)
    before, there = set(sys.modules), sorted(os.listdir(path.parent))
    try:
        kd.load(path)
        loaded = True
    except ValueError as refused:
        assert "allow_pickle" not in str(refused)
        loaded = False
    assert set(sys.modules) == before and sorted(os.listdir(path.parent)) == there
    return loaded


fuzzed = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "result.npz"
    kd.save(path, [RESULTS["trajectory"], RESULTS["learner"], RESULTS["stochastic"]])
    return path.read_bytes()


@fuzzed
@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04"]))
def test_random_bytes_are_refused(content, start, tmp_path):
    assert not loads_or_is_refused(tmp_path / "x.npz", start + content)


@fuzzed
@given(data=st.data())
def test_damaged_files_are_refused(data, whole, tmp_path):
    where = data.draw(st.integers(0, len(whole) - 1))
    assert not loads_or_is_refused(tmp_path / "x.npz", whole[:where])
    flipped = bytearray(whole)
    flipped[where] ^= data.draw(st.integers(1, 255))
    loads_or_is_refused(tmp_path / "x.npz", bytes(flipped))


names = st.sampled_from([*kd._record.KNOWN, "os:system", "x", "0", "jax.numpy:cos", "kdtheory.kernels:rbf", ""])
structures = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | names,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("key jax array numpy claim tuple list dict record fields name of".split()), inner
        )
        | st.builds(
            lambda name, fields: {"record": name, "fields": fields}, names, st.dictionaries(st.text(max_size=3), inner)
        )
    ),
)


@settings(fuzzed, max_examples=100)
@given(structure=structures, array=st.sampled_from([np.zeros(3), np.zeros((2, 2), np.uint32), np.array("x")]))
def test_random_structures_are_refused(structure, array, tmp_path):
    body = io.BytesIO()
    np.savez(body, __structure__=np.array(json.dumps(structure)), x=array)
    loads_or_is_refused(tmp_path / "x.npz", body.getvalue())


@fuzzed
@given(data=st.data(), content=st.binary(max_size=100) | st.sampled_from([FOREIGN[kind][0] for kind in FOREIGN]))
def test_replaced_members_are_refused_or_read(data, content, whole, tmp_path):
    members = zipfile.ZipFile(io.BytesIO(whole)).infolist()
    replaced = data.draw(st.sampled_from([member.filename for member in members]))
    kept = zipfile.ZipFile(io.BytesIO(whole))
    loads_or_is_refused(
        tmp_path / "x.npz",
        zipped([(m.filename, content if m.filename == replaced else kept.read(m)) for m in members]),
    )


# F11: what becomes of the file that was there.


def test_modes_and_links_are_kept(tmp_path):
    mask = os.umask(0o027)
    try:
        kd.save(tmp_path / "new.npz", 1.0)
        assert stat.S_IMODE((tmp_path / "new.npz").stat().st_mode) == 0o640
    finally:
        os.umask(mask)
    target = tmp_path / "elsewhere" / "secret.npz"
    target.parent.mkdir()
    kd.save(target, 1.0)
    target.chmod(0o600)
    (tmp_path / "link.npz").symlink_to("elsewhere/secret.npz")
    (tmp_path / "chain.npz").symlink_to("link.npz")
    kd.save(tmp_path / "chain.npz", 2.0)
    assert (tmp_path / "chain.npz").is_symlink() and (tmp_path / "link.npz").is_symlink()
    assert kd.load(target) == 2.0 and stat.S_IMODE(target.stat().st_mode) == 0o600
    (tmp_path / "ahead.npz").symlink_to(tmp_path / "elsewhere" / "later.npz")
    kd.save(tmp_path / "ahead.npz", 3.0)
    assert kd.load(tmp_path / "elsewhere" / "later.npz") == 3.0
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_full_disk_leaves_what_was_there(step, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    kd.save(tmp_path / "result.npz", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError, match="No space left"):
            kd.save(tmp_path / "result.npz", 2.0)
    assert os.listdir(tmp_path) == ["result.npz"] and kd.load(tmp_path / "result.npz") == 1.0


def test_what_may_not_be_written_is_not(tmp_path, monkeypatch):
    kd.save(tmp_path / "result.npz", 1.0)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"result.npz cannot be written over; choose another name"):
        kd.save(tmp_path / "result.npz", 2.0)
    assert kd.load(tmp_path / "result.npz") == 1.0


def test_a_file_is_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        kd.save(tmp_path / name, RESULTS["nested"])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert _folders.archive({}) != b""


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


def test_tables_come_back(tmp_path):
    def risk(time, kind):
        return kd.measures.risk(kd.GradientFlow(float(time)), jnp.array([1.0, 0.1]), 1.0, 1e-3)

    table = kd.sweep(risk, time=[1.0, 2.0], kind=["a", "bc"]).assign_attrs(note=[1, 2.5])
    table["bias"].attrs["units"] = "σ²"
    kd.save(tmp_path / "table.npz", {"all": table, "one": (table.bias, 3)})
    found = kd.load(tmp_path / "table.npz")
    assert found["all"].identical(table) and found["one"][0].identical(table.bias) and found["one"][1] == 3
    np.testing.assert_array_equal(np.load(tmp_path / "table.npz")["all.bias"], table.bias)
    with pytest.raises(TypeError, match="has dtype object"):
        kd.save(tmp_path / "odd.npz", table.assign(odd=("time", np.array([None, "x"]))))
    with pytest.raises(TypeError, match="with the label 3; labels must be strings"):
        kd.save(tmp_path / "odd.npz", table.assign({3: ("time", [1, 2])}))


def test_a_table_imports_nothing(tmp_path, monkeypatch):
    kd.save(tmp_path / "table.npz", kd.sweep(lambda time: 2 * time, time=[1.0]))
    monkeypatch.delitem(sys.modules, "xarray")
    with pytest.raises(ValueError, match="holds a table of xarray; import xarray first"):
        kd.load(tmp_path / "table.npz")
    assert "xarray" not in sys.modules


@pytest.mark.parametrize(
    "damage",
    [
        ("variables", "variable"),
        ('"attributes"', '"attribute"'),
        ("coordinates", "coordinate"),
        ('["lambda", ["time"]', '["lambda", ["time", "more"]'),
        ('["lambda", ["time"]', '["lambda", 3'),
    ],
)
def test_damaged_tables_are_refused_in_words(tmp_path, damage):
    path = tmp_path / "table.npz"
    kd.save(path, kd.sweep(lambda time: 2 * time, time=[1.0, 2.0]))
    with np.load(path) as there:
        arrays = dict(there)
    told = str(arrays["__structure__"])
    assert damage[0] in told
    arrays["__structure__"] = np.array(told.replace(*damage))
    path.write_bytes(kd.files._folders.archive(arrays))
    with pytest.raises(ValueError, match="has been changed since"):
        kd.load(path)


def still(problem, start=None):
    return problem.zeros()


def test_an_algorithm_comes_back(tmp_path):
    kd.save(tmp_path / "learner.npz", kd.Algorithm(still, clock=1.5))
    found = kd.load(tmp_path / "learner.npz")
    assert found.clock == 1.5 and found.algorithm is still


def test_named_tuples_come_back_as_such_also_in_another_process(tmp_path):
    problem = kd.problems.gaussian(0, kd.spectra.power_law(4), samples=12, noise=0.1)
    found = kd.transfer(kd.Ridge(0.1), kd.GradientFlow([1.0, 2.0]), problem, problem).mean_filter
    drawn = kd.generations.simulate(0, [kd.generations.Stage(kd.Ridge(0.1), 20)], [1.0, 0.5], 1.0, draws=3)
    known = kd.measures.risks.Known(*map(float, range(len(kd.measures.risks.Known._fields))))
    path = tmp_path / "named.npz"
    kd.save(path, [found, drawn, known])
    for before, after in zip((found, drawn, known), kd.load(path), strict=True):
        assert type(after) is type(before)
        same(before, after)
    script = f"import kdtheory as kd; print([type(each).__name__ for each in kd.load({str(path)!r})])"
    names = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
    assert names.strip() == "['MeanFilter', 'Simulated', 'Known']"


@kd.files.register
@dataclasses.dataclass
class Halved:
    value: float
    parts: list = dataclasses.field(default_factory=list)
    kept: int = dataclasses.field(default=7, init=False)
    twice: dataclasses.InitVar[float] = 1.0

    def __post_init__(self, twice):
        self.value = self.value / 2


class Raised(typing.NamedTuple("Raised", [("value", float)])):
    def __new__(cls, value):
        return super().__new__(cls, value + 1)


def test_no_constructor_acts_again(tmp_path):
    halved = Halved(8.0, twice=2.0)
    halved.kept = 3
    for value in (halved, Raised(1.0)):
        kd.save(tmp_path / "a", value)
        again = kd.load(tmp_path / "a")
        assert type(again) is type(value) and again.value == value.value
    kd.save(tmp_path / "a", halved)
    assert kd.load(tmp_path / "a").kept == 3 and kd.load(tmp_path / "a").parts == []


def test_a_table_of_many_fields(tmp_path):
    table = np.zeros(1, [(f"field{i}", "f8") for i in range(800)])
    kd.save(tmp_path / "a", table)
    np.testing.assert_array_equal(kd.load(tmp_path / "a"), table)
