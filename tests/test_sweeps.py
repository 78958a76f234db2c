"""Sweeps over the outer product of axes: labels, chunks, folders that survive a kill, devices and processes."""

import gc
import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import warnings
import weakref

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kdtheory as kd
from kdtheory.files import _bytecode, _fingerprint, _folders

SCALE = 1.0


def product(a, b):
    return 10.0 * a + b


def scaled(a):
    return SCALE * a


def test_labels_order_and_values():
    table = kd.sweep(product, a=[1.0, 2.0], b=jnp.arange(3))
    assert table["product"].dims == ("a", "b") and list(table.data_vars) == ["product"]
    assert table["product"].values.tolist() == [[10, 11, 12], [20, 21, 22]]
    assert table.b.values.tolist() == [0, 1, 2]
    assert table.attrs["version"].startswith("kdtheory ") and "10.0 * a + b" in table.attrs["code"]
    assert (table.attrs["axes"], table.attrs["seeds"]) == ("a (2), b (3)", "none")


def test_chunks_do_not_change_the_result():
    def filters(time, exponent):
        return kd.GradientFlow(time).filter(kd.spectra.power_law(6, exponent))

    axes = dict(time=jnp.geomspace(0.1, 10, 7), exponent=jnp.linspace(0, 2, 5))
    whole, pieces = kd.sweep(filters, **axes, chunk=35), kd.sweep(filters, chunk=4, **axes)
    assert whole.filters.dims == ("time", "exponent", "filters_0") and whole.filters.shape == (7, 5, 6)
    # other vector lengths may round the last bit otherwise
    np.testing.assert_allclose(whole.filters, pieces.filters, rtol=1e-15)
    direct = kd.GradientFlow(axes["time"][3]).filter(kd.spectra.power_law(6, axes["exponent"][1]))
    np.testing.assert_allclose(whole.filters[3, 1], direct, rtol=1e-15)


@given(shape=st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple), size=st.integers(1, 100))
def test_blocks_cover_the_grid_once(shape, size):
    grid = kd.sweeps._grid.Grid(shape, size)
    assert np.prod(grid.block) <= size
    numbers = np.arange(np.prod(shape)).reshape(shape)
    covered = []
    for number in range(grid.count):
        inside = numbers[np.ix_(*grid.indices(number))].ravel()
        cells = grid.cells(number)
        assert inside.tolist() == list(range(cells.start, cells.stop))  # a block is a range
        assert all(len(index) <= length for index, length in zip(grid.indices(number), grid.block, strict=True))
        covered += inside.tolist()
    assert covered == list(range(numbers.size))


def test_what_has_names_becomes_variables():
    def named(a):
        return {"twice": 2 * a, "inner": {"pair": jnp.stack([a, -a])}}

    table = kd.sweep(named, a=[1.0, 2.0])
    assert table.twice.values.tolist() == [2, 4] and table.inner_pair.dims == ("a", "inner_pair_0")

    def risk(time):
        return kd.measures.risk(kd.GradientFlow(time), jnp.array([1.0, 0.5]), 1.0, 0.1)

    assert set(kd.sweep(risk, time=[1.0]).data_vars) == {"bias", "variance"}
    assert set(kd.sweep(lambda a: (a, -a), a=[1.0]).data_vars) == {"lambda_0", "lambda_1"}


def test_seeds_become_keys():
    def draw(key, scale):
        return scale * jax.random.normal(key)

    table = kd.sweep(draw, scale=[1.0, 2.0], seeds=[3, 5])
    assert table.draw.dims == ("scale", "seed") and table.attrs["seeds"] == "3 5"
    expected = [[s * jax.random.normal(jax.random.key(n)) for n in (3, 5)] for s in (1.0, 2.0)]
    np.testing.assert_array_equal(table.draw, expected)
    assert kd.sweep(draw, scale=[1.0], seeds=3).seed.values.tolist() == [0, 1, 2]


def test_what_cannot_be_traced_runs_as_it_is():
    def cell(size, kind):
        return int(size) if kind == "whole" else np.linalg.norm(np.ones(int(size)))

    table = kd.sweep(cell, size=[1, 4], kind=["whole", "norm"])
    assert table.cell.values.tolist() == [[1, 1], [4, 2]] and table.cell.dtype == float

    def learnt(exponent):  # the whole library, data and factorisation
        problem = kd.problems.with_spectrum(0, kd.spectra.power_law(3, exponent))
        return kd.simulate(kd.Ridge(0.5), problem).progress

    expected = kd.Ridge(0.5).filter(2.0 ** -np.array([0.0, 1.0]))
    np.testing.assert_allclose(kd.sweep(learnt, exponent=[0.0, 1.0]).learnt[:, 1], expected, rtol=1e-13)


def test_factorisations_are_computed_one_by_one():
    def solved(penalty):
        problem = kd.problems.Linear(jnp.eye(2), jnp.ones(2))
        return kd.Ridge(penalty).fit(problem)

    penalties = np.linspace(0.1, 1.0, 40)
    np.testing.assert_allclose(kd.sweep(solved, penalty=penalties).solved[:, 0], 0.5 / (0.5 + penalties), rtol=1e-14)


def test_memory_stays_under_the_budget(monkeypatch):
    def outer(a):
        return jnp.sort(jnp.outer(jnp.arange(50.0), jnp.arange(50.0) * a).ravel())[:3]

    whole = kd.sweep(outer, a=np.arange(256.0))
    monkeypatch.setattr(kd.sweeps._programs, "BUDGET", 60_000)  # three cells
    sizes = []
    monkeypatch.setattr(_folders.Folder, "__init__", lambda self, path, configuration: sizes.append(configuration))
    with pytest.raises(AttributeError):  # of a folder that was not made
        kd.sweep(outer, folder="/tmp", a=np.arange(256.0))
    assert 1 <= int(sizes[0]["chunk"]) <= 3
    np.testing.assert_array_equal(whole.outer, kd.sweep(outer, a=np.arange(256.0)).outer)


def test_memory_is_counted_from_shapes(monkeypatch):
    for late in ("subjaxprs", "jaxprs_in_params"):  # F18: JAX 0.7 to 0.9 lack the first
        monkeypatch.delattr(jax.extend.core, late, raising=False)

    def branches(a):
        rows = jax.lax.scan(lambda c, _: (c, jnp.outer(c, c).sum()), jnp.ones(100) * a, None, 3)[1]
        return jax.lax.cond(a > 1, lambda: jnp.sort(rows)[0], lambda: jax.random.normal(jax.random.key(0), (99,))[0])

    work = jax.jit(branches).trace(1.0)
    memory, counted = work.lower().compile().memory_analysis(), kd.sweeps._programs.peak(work.jaxpr.jaxpr)
    used = memory.temp_size_in_bytes + memory.output_size_in_bytes
    aligned = 1.0 if jax.default_backend() == "cpu" else 1.02  # an accelerator pads what it holds
    assert used <= aligned * counted and counted < 3 * 8 * 100**2


def test_results_too_large_are_refused(monkeypatch):
    monkeypatch.setattr("kdtheory._checks._physical_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"all lambda need 8e-06 GB, .*; return less of it, or sweep fewer points"):
        kd.sweep(lambda a: jnp.arange(10.0) * a, a=np.arange(100.0))


def test_what_sweep_refuses(monkeypatch):
    with pytest.raises(ValueError, match="at least one axis"):
        kd.sweep(product)
    with pytest.raises(ValueError, match=r"axis a must be a one-dimensional .* got shape \(2, 1\)"):
        kd.sweep(product, a=[[1.0], [2.0]], b=[1.0])
    with pytest.raises(ValueError, match="axis a must hold numbers or strings, got object"):
        kd.sweep(product, a=[None], b=[1.0])
    with pytest.raises(ValueError, match="the axes a, c do not match the arguments of product"):
        kd.sweep(product, a=[1.0], c=[1.0])
    with pytest.raises(ValueError, match="the axes a, b, key do not match the arguments of product"):
        kd.sweep(product, a=[1.0], b=[1.0], seeds=2)
    with pytest.raises(ValueError, match="the axis is called seed"):
        kd.sweep(lambda seed, key: seed, seed=[1.0], seeds=2)
    with pytest.raises(ValueError, match="seeds must be a number of them or a list of whole numbers"):
        kd.sweep(lambda key: 1.0, seeds=[0.5])
    with pytest.raises(ValueError, match="chunk must be a whole number of cells, at least 1; got 0"):
        kd.sweep(product, chunk=0, a=[1.0], b=[1.0])
    with pytest.raises(ValueError, match="chunk must be a whole number of cells, at least 1; got True"):
        kd.sweep(product, chunk=True, a=[1.0], b=[1.0])
    with pytest.raises(ValueError, match="seeds must be a number of them or a list of whole numbers, got True"):
        kd.sweep(lambda key: 1.0, seeds=True)
    with pytest.raises(ValueError, match="seeds must fit into 64 bits, got 9223372036854775808"):
        kd.sweep(lambda key: 1.0, seeds=[2**63])
    with pytest.raises(ValueError, match="must return a number or an array, or a dict or record of them, got str"):
        kd.sweep(lambda a: "x", a=[1.0])
    with pytest.raises(ValueError, match="must return a number or an array, or a dict or record of them, got None"):
        kd.sweep(lambda a: None, a=[1.0])
    with pytest.raises(ValueError, match="returns a, which is also the name of an axis"):
        kd.sweep(lambda a: {"a": a}, a=[1.0])
    with pytest.raises(ValueError, match=r"returns lambda \(2,\) at cell 1, but lambda \(1,\) at 0"):
        kd.sweep(lambda a: np.ones(int(a)), chunk=2, a=[1, 2])
    with pytest.raises(ValueError, match=r"returns lambda of shape \(2,\) and of \(1,\)"):
        kd.sweep(lambda a: np.ones(int(a)), a=[1, 2])
    with pytest.raises(ValueError, match="returns y in some cells and x in others"):
        kd.sweep(lambda a: {"xy"[int(a)]: 1.0}, a=[0, 1])
    with pytest.raises(ValueError, match=r"axis a must be one-dimensional; got lists of different lengths"):
        kd.sweep(product, a=[[1.0], [1.0, 2.0]], b=[1.0])
    with pytest.raises(ValueError, match=r"axis a mixes strings with numbers, got \['x', 1\]"):
        kd.sweep(lambda a: len(a), a=["x", 1])
    with pytest.raises(TypeError, match="a is a masked array, whose mask would be dropped"):
        kd.sweep(product, a=np.ma.masked_array([1.0, 2.0], [False, True]), b=[1.0])
    with pytest.raises(TypeError, match="seeds is a masked array, whose mask would be dropped"):
        kd.sweep(lambda key: 1.0, seeds=np.ma.masked_array([1, 2], [False, True]))
    with pytest.raises(ValueError, match="returns two parts that would be called b_c; rename one of them"):
        kd.sweep(lambda a: {"b_c": a, "b": {"c": -a}}, a=[1.0])
    for devices in ([], ["cpu"], jax.devices()[0]):
        with pytest.raises(ValueError, match="devices must be a list of JAX devices"):
            kd.sweep(product, devices=devices, a=[1.0], b=[1.0])
    with pytest.raises(ZeroDivisionError):  # the function's own errors are its own
        kd.sweep(lambda a: 1 / 0, a=[1.0])
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'kdtheory\[sweep\]'"):
        kd.sweep(product, a=[1.0], b=[1.0])


def test_dimension_and_number_of_fits_are_axes():
    table = kd.sweep(lambda count: kd.spectra.power_law(count, 1.0).sum(), count=[10, 20])
    np.testing.assert_allclose(table["lambda"], [np.sum(1 / np.arange(1, n + 1)) for n in (10, 20)], rtol=1e-15)

    def learnt(fits, penalty):
        return kd.self_distill(kd.Ridge(penalty), fits).filter(1.0)

    table = kd.sweep(learnt, fits=[1, 2, 3], penalty=[0.5, 1.0])
    expected = (1 / (1 + np.array([0.5, 1.0]))) ** np.array([1, 2, 3])[:, None]
    np.testing.assert_allclose(table.learnt, expected, rtol=1e-15)


def test_what_a_tracer_breaks_runs_on_numbers():
    def picky(a):
        if not isinstance(a, float):
            raise RuntimeError("not a number")
        return 2 * a

    assert kd.sweep(picky, a=[1.0, 2.0]).picky.values.tolist() == [2, 4]


def test_a_single_value_stays_fixed():
    table = kd.sweep(product, a=[1.0, 2.0], b=3)
    assert table["product"].dims == ("a",) and table["product"].values.tolist() == [13, 23]
    assert table.b.dims == () and table.b.item() == 3 and table.attrs["axes"] == "a (2), b = 3"
    assert kd.sweep(lambda kind, a: a if kind == "plain" else -a, kind="other", a=[1.0])["lambda"].item() == -1
    with pytest.raises(ValueError, match="at least one axis"):
        kd.sweep(product, a=1.0, b=2.0)
    with pytest.raises(ValueError, match="b must be numbers or strings, got object"):
        kd.sweep(product, a=[1.0], b=None)


def test_axes_of_records_have_names_that_fields_share():
    eigenvalues = kd.spectra.power_law(4)

    def risk(time):
        return kd.measures.risk(kd.GradientFlow(time), eigenvalues, 1.0, 1e-3)

    table = kd.sweep(risk, time=[1.0, 2.0, 3.0])
    assert table.bias.dims == table.variance.dims == (table.bias + table.variance).dims == ("time", "direction")
    expected = kd.measures.risk(kd.GradientFlow(jnp.array([1.0, 2.0, 3.0])), eigenvalues, 1.0, 1e-3).total
    np.testing.assert_allclose((table.bias + table.variance).sum("direction"), expected, rtol=1e-14)

    def path(exponent, scale):
        run = kd.closed_form(kd.GradientFlow([1.0, 2.0]), kd.spectra.power_law(3, exponent))
        return {"run": run, "scaled": scale * run.progress}

    table = kd.sweep(path, exponent=[1.0, 2.0], scale=[1.0, -1.0])
    assert table.run_coordinates.dims == ("exponent", "scale", "moment", "direction")
    assert table.run_eigenvalues.dims == ("exponent", "direction") and table.run_clock.dims == ("moment",)
    assert set(table.coords) == {"exponent", "scale", *(f"run_{label}" for label in kd.trajectories.Trajectory.labels)}
    np.testing.assert_array_equal(table.run_eigenvalues[1], kd.spectra.power_law(3, 2.0))
    assert table.scaled.dims == ("exponent", "scale", "scaled_0", "scaled_1")
    with pytest.raises(ValueError, match="bias has an axis direction already; rename that of the sweep"):
        kd.sweep(lambda direction: kd.measures.risk(kd.GradientFlow(direction), eigenvalues, 1.0, 0.0), direction=[1.0])


def test_fields_along_a_path_share_its_axis():
    limit = kd.asymptotics.limit(kd.spectra.power_law(4), samples=10, noise=0.5)
    path = lambda scale: kd.GradientFlow(scale * jnp.array([1.0, 2.0]))
    table = kd.sweep(lambda scale: kd.asymptotics.risk(path(scale), limit), scale=[1.0, 3.0])
    assert (table.bias + table.variance).dims == ("scale", "moment")
    np.testing.assert_allclose((table.bias + table.variance)[1], kd.asymptotics.risk(path(3.0), limit).total)
    line = lambda scale: kd.confidence.margin_regression(kd.GradientFlow(1.0), path(scale), [1.0, 0.1], [0.5, 0.5])
    table = kd.sweep(line, scale=[1.0, 3.0])
    assert table.slope.dims == table.excess.dims == ("scale", "moment")


def test_labels_survive_in_a_folder(tmp_path):
    def run(noise):
        return kd.closed_form(kd.GradientFlow([1.0, 2.0]), [float(noise), 0.5])  # float: a plain loop

    first = kd.sweep(run, folder=tmp_path / "runs", noise=[1.0, 2.0])
    assert kd.sweep(run, folder=tmp_path / "runs", noise=[1.0, 2.0]).identical(first)
    assert first.coordinates.dims == ("noise", "moment", "direction") and first.clock.dims == ("moment",)


def test_the_same_sweep_compiles_once(monkeypatch):
    kd.sweeps._programs.quick_options()  # which compiles to find out what there are
    made = []
    compiled = jax.stages.Lowered.compile
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda self, *a: made.append(1) or compiled(self, *a))
    shift = np.array([0.25, 0.5])

    def shifted(a, b):
        return jnp.sort(a * b + jnp.asarray(shift))  # which NumPy is not asked for

    first = kd.sweep(shifted, a=[0.0, 2.0], b=[3.0, 4.0])
    again = kd.sweep(shifted, a=[5.0, 6.0], b=[7.0, 8.0])  # other values, as many
    assert len(made) == 1 and again.shifted[1, 0].values.tolist() == [42.25, 42.5]
    shift[0] = np.nextafter(0.25, 1)  # what it reads has changed in its last bit
    changed = kd.sweep(shifted, a=[0.0, 2.0], b=[3.0, 4.0])
    assert len(made) == 2 and changed.shifted[0, 0, 0] != first.shifted[0, 0, 0]
    assert kd.sweep(shifted, a=[0.0, 2.0], b=[3.0, 4.0], chunk=2).shifted.identical(changed.shifted) and len(made) == 3


@pytest.mark.parametrize("chunk", [None, 7])
def test_what_numpy_does_sooner_is_not_compiled(monkeypatch, chunk):
    def lag(exponent, teacher_time):
        spectrum = kd.spectra.power_law(20, exponent)
        return kd.measures.exaggeration(spectrum[0], spectrum[9], level=0.5, teacher_time=teacher_time)

    axes = dict(exponent=np.linspace(0.5, 3, 9), teacher_time=np.geomspace(1e-3, 1e4, 11), chunk=chunk, progress=False)
    with monkeypatch.context() as watched:
        watched.setattr(jax.stages.Lowered, "compile", lambda self, *a: pytest.fail("compiled"))
        table = kd.sweep(lag, **axes).lag
    monkeypatch.setattr(kd.sweeps._programs, "light", lambda *a: False)
    np.testing.assert_allclose(table, kd.sweep(lag, **axes).lag, rtol=1e-12, atol=1e-300)
    one = [lag(float(exponent), float(time)).item() for exponent, time in ((0.5, 1e-3), (3.0, 1e4))]
    np.testing.assert_allclose([table[0, 0], table[-1, -1]], one, rtol=1e-12, atol=1e-300)


def test_a_sweep_keeps_nothing_of_a_function_that_is_gone():
    def swept():
        weights = np.ones(3)
        kd.sweep(lambda a: (a * weights).sum(), a=[1.0, 2.0])
        return weakref.ref(weights)

    kept = [swept() for _ in range(3)]
    gc.collect()
    assert [each() for each in kept] == [None] * 3


@pytest.mark.parametrize("c, size, chunk", [([0.0], 1, 2), ([0.0, 1.0], 1, None), ([0.0], 200, None)])
def test_sweeps_of_many_chunks_cells_or_numbers_are_compiled(monkeypatch, c, size, chunk):
    def summed(a, b, c):
        return a + b + c + jnp.zeros(size)

    made = []
    compiled = jax.stages.Lowered.compile
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda self, *a: made.append(1) or compiled(self, *a))
    table = kd.sweep(summed, a=np.arange(100.0), b=np.arange(90.0), c=c, chunk=chunk, progress=False)
    assert made and table.summed[3, 4, 0, 0] == 7.0
    made.clear()
    kd.sweep(lambda a, b: a + b, a=np.arange(100.0), b=np.arange(90.0), progress=False)
    assert not made


def test_programs_differ_by_what_is_named():
    assert list(kd.sweep(lambda a: {"one": a}, a=[1.0]).data_vars) == ["one"]
    assert list(kd.sweep(lambda a: {"two": a}, a=[1.0]).data_vars) == ["two"]
    assert list(kd.sweep(lambda b: {"two": b}, b=[1.0]).dims) == ["b"]
    assert kd.sweep(lambda b, a: b - 2 * a, b=[1.0], a=[3.0])["lambda"].item() == -5
    assert kd.sweep(lambda a, b: b - 2 * a, a=[3.0], b=[1.0])["lambda"].item() == -5


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_programs_differ_by_the_sign_of_zero(zero):
    assert np.signbit(kd.sweep(lambda a: jnp.copysign(a, zero), a=[1.0])["lambda"].item()) == np.signbit(zero)


# Folders.


@pytest.fixture
def written(monkeypatch):
    """The numbers of the pieces that are computed and kept."""
    numbers, write = [], _folders.Folder.write

    def counted(self, number, piece):
        numbers.append(number)
        write(self, number, piece)

    monkeypatch.setattr(_folders.Folder, "write", counted)
    return numbers


def looped(a, b):
    return np.hypot(float(a), float(b))


def test_a_folder_is_read_and_not_computed_again(tmp_path, written):
    axes = dict(a=[1.0, 2.0], b=[0.5, 1.5, 2.5])
    first = kd.sweep(looped, folder=tmp_path / "new" / "sweep", **axes)
    assert len(written) == 6
    again = kd.sweep(looped, folder=tmp_path / "new" / "sweep", **axes)
    assert len(written) == 6 and again.identical(first) and first.identical(kd.sweep(looped, **axes))


def test_a_finished_folder_compiles_nothing(tmp_path, monkeypatch):
    def traced(a, b):
        return jnp.hypot(a, b)

    axes = dict(a=np.arange(9.0), b=np.arange(3.0))
    first = kd.sweep(traced, folder=tmp_path, **axes)
    (tmp_path / "00000000.piece").unlink()
    assert kd.sweep(traced, folder=tmp_path, **axes).identical(first)  # in the same chunks
    monkeypatch.setattr(jax.stages.Traced, "lower", None)
    assert kd.sweep(traced, folder=tmp_path, **axes).identical(first)


def test_a_damaged_or_foreign_piece_is_computed_again(tmp_path):
    axes = dict(a=np.arange(4.0), b=[1.0])
    first = kd.sweep(product, folder=tmp_path, chunk=1, **axes)
    torn, swapped = tmp_path / "00000001.piece", tmp_path / "00000002.piece"
    torn.write_bytes(torn.read_bytes()[:-7])
    (tmp_path / ".00000003.piece.1.tmp").write_bytes(b"half")
    with pytest.warns(UserWarning, match="00000001.piece is damaged; it is computed again"):
        assert kd.sweep(product, folder=tmp_path, chunk=1, **axes).identical(first)
    other = tmp_path / "other"
    kd.sweep(product, folder=other, chunk=1, a=np.arange(5.0), b=[1.0])
    swapped.write_bytes((other / "00000003.piece").read_bytes())
    with pytest.warns(UserWarning, match="00000002.piece is damaged"):
        assert kd.sweep(product, folder=tmp_path, chunk=1, **axes).identical(first)
    assert not list(tmp_path.glob(".*.tmp"))
    torn.write_bytes((tmp_path / "00000000.piece").read_bytes())  # F10: whole, and of the same sweep
    with pytest.warns(UserWarning, match="00000001.piece is damaged"):
        assert kd.sweep(product, folder=tmp_path, chunk=1, **axes).identical(first)


def test_the_files_of_others_are_left_alone(tmp_path):
    (tmp_path / ".notes.tmp").write_text("mine")
    kd.sweep(product, folder=tmp_path, a=[1.0], b=[1.0])
    assert (tmp_path / ".notes.tmp").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b"", b'{"name": "pro', b"[1]", b'{"version": 3}'[:-1], b"\xff\xfe", b'{"editor": {}}']
)
def test_a_foreign_configuration_is_named(content, tmp_path):  # F11
    (tmp_path / "configuration.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"configuration.json is not the configuration of a sweep: it is cut off, or"):
        kd.sweep(product, folder=tmp_path, a=[1.0], b=[1.0])
    assert (tmp_path / "configuration.json").read_bytes() == content


def test_a_folder_needs_a_name(tmp_path, monkeypatch):  # F11
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"folder is empty; name one, or give folder='.' for that in which you are"):
        kd.sweep(product, folder="", a=[1.0], b=[1.0])
    assert not list(tmp_path.iterdir())


def test_names_that_files_use_are_free(tmp_path):  # F9
    def names(a):
        return {"file": a, "allow_pickle": 2 * a}

    first = kd.sweep(names, folder=tmp_path, a=[1.0, 2.0])
    assert kd.sweep(names, folder=tmp_path, a=[1.0, 2.0]).identical(first)


def test_names_of_options_are_taken():  # F22
    def folders(folder, a):
        return a

    def seeded(seeds):
        return seeds

    for function, option, axes in (
        (folders, "folder", dict(folder=["x", "y"], a=[1.0])),
        (folders, "folder", dict(a=[1.0])),
        (seeded, "seeds", dict(seeds=[1.0, 2.0])),
        (lambda chunk: chunk, "chunk", dict(chunk=[1, 2])),
        (lambda a, chunk=1: chunk, "chunk", dict(a=[1.0], chunk=[1, 2])),
        (lambda progress: progress, "progress", dict(progress=[0.5])),
        (lambda devices: devices, "devices", dict(devices=[1, 2])),
    ):
        with pytest.raises(
            ValueError, match=f"an axis cannot be called {option}, which .*; rename the .* to {option}_"
        ):
            kd.sweep(function, **axes)


def test_another_configuration_is_refused_by_name(tmp_path, monkeypatch):
    kd.sweep(scaled, folder=tmp_path, a=np.arange(3.0))
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.name != "lock"}
    with pytest.raises(ValueError, match=r"holds another sweep, which differs in axes .a: 3 values from 0.0 to 2.0"):
        kd.sweep(scaled, folder=tmp_path, a=np.arange(4.0), chunk=1)
    with pytest.raises(ValueError, match="differs in name: scaled there, lambda here"):
        kd.sweep(lambda a: a, folder=tmp_path, a=np.arange(3.0))
    with pytest.raises(ValueError, match="chunk: 3 there, 2 here"):
        kd.sweep(scaled, folder=tmp_path, a=np.arange(3.0), chunk=2)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    with pytest.raises(ValueError, match=r"differs in code \(SCALE: 1.0 there, 2.0 here\)\."):
        kd.sweep(scaled, folder=tmp_path, a=np.arange(3.0))
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    with pytest.raises(ValueError, match=r"axes \(a: 3 values .* \(float64.* there, 3 values .* \(float32"):
        kd.sweep(scaled, folder=tmp_path, a=np.arange(3.0, dtype=np.float32))
    with jax.default_matmul_precision("float32"), pytest.raises(ValueError, match="differs in settings"):
        kd.sweep(scaled, folder=tmp_path, a=np.arange(3.0))
    with pytest.raises(ValueError, match="differs in order: a × b there, b × a here"):
        kd.sweep(product, folder=tmp_path / "b", a=[1.0, 2.0], b=[3.0, 4.0])
        kd.sweep(product, folder=tmp_path / "b", b=[3.0, 4.0], a=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"axes \(b: 1 there, 1.0 here\)"):
        kd.sweep(product, folder=tmp_path / "c", a=[1.0, 2.0], b=1)
        kd.sweep(product, folder=tmp_path / "c", a=[1.0, 2.0], b=1.0)
    monkeypatch.setattr(jax, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"differs in version: .* jax 9.9 here"):
        kd.sweep(scaled, folder=tmp_path, a=np.arange(3.0))
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and path.name != "lock"}


def test_more_cells_of_another_order_or_kind_are_refused(tmp_path):
    kd.sweep(product, folder=tmp_path / "a", extend=True, a=[1.0, 2.0], b=[3.0, 4.0])
    with pytest.raises(ValueError, match="holds a sweep of the axes a, b, not of b, a"):
        kd.sweep(product, folder=tmp_path / "a", extend=True, b=[3.0, 4.0], a=[1.0, 2.0])
    power = lambda n: n**20
    kd.sweep(power, folder=tmp_path / "n", extend=True, n=[10])
    with pytest.raises(ValueError, match=r"axis n holds float64, and that of the folder .* int64"):
        kd.sweep(power, folder=tmp_path / "n", extend=True, n=[10.0, 20.0])


def test_what_a_function_reads_is_part_of_the_configuration():
    def make(factor, learner):
        return lambda x, power=2: helper(x) * factor + learner.penalty

    def helper(x):
        return SCALE * x

    same = _fingerprint.reads(make(np.arange(3.0), kd.Ridge(1.0)))
    assert same == _fingerprint.reads(make(np.arange(3.0), kd.Ridge(1.0)))
    assert same["SCALE"] == "1.0" and "SCALE * x" in same["helper"] and "factor" in same
    for other in (make(np.arange(4.0), kd.Ridge(1.0)), make(np.arange(3.0), kd.Ridge(2.0))):
        assert {key for key in same if _fingerprint.reads(other)[key] != same[key]} <= {"factor", "learner"}
        assert _fingerprint.reads(other) != same
    exec("def typed(x): return x + 1\ndef other(x): return x + 2", space := {})
    typed, other = space["typed"], space["other"]
    assert _bytecode.source(typed) != _bytecode.source(other) and "0x" not in _bytecode.source(typed)
    assert _fingerprint.describe(jax.random.key(0)) != _fingerprint.describe(jax.random.key(1))


def test_an_unwritable_folder_is_refused_before_any_work(tmp_path, monkeypatch):
    def worked(a, b):
        raise AssertionError

    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=f"cannot write to the folder {tmp_path}"):
        kd.sweep(worked, folder=tmp_path, a=[1.0], b=[1.0])


def test_a_folder_in_use_says_by_whom(tmp_path):
    folder = str(tmp_path)  # a path would be refused, since its file may change

    def nested(a):
        kd.sweep(product, folder=folder, a=[float(a)], b=[1.0])
        return float(a)

    with pytest.raises(BlockingIOError, match=f"is in use by process {os.getpid()} on .*; wait for it"):
        kd.sweep(nested, folder=tmp_path, a=[1.0])
    (tmp_path / "configuration.json").unlink()
    kd.sweep(product, folder=tmp_path, a=[1.0], b=[1.0])  # the lock is gone with its holder


def test_a_folder_takes_the_other_zero(tmp_path):
    def over(a):
        return 1.0 / a

    assert kd.sweep(over, folder=tmp_path, extend=True, a=[0.0, 1.0]).over.values.tolist() == [np.inf, 1.0]
    more = kd.sweep(over, folder=tmp_path, extend=True, a=[-0.0, 1.0, 0.0])
    assert more.over.values.tolist() == [-np.inf, 1.0, np.inf]
    with pytest.raises(ValueError, match=r"axis a lacks -0\.0, which the folder"):
        kd.sweep(over, folder=tmp_path, extend=True, a=[1.0, 0.0])


def test_a_folder_with_a_value_that_is_none_takes_more_cells(tmp_path):
    kd.sweep(product, folder=tmp_path, a=[1.0, np.nan], b=[1.0])
    more = kd.sweep(product, folder=tmp_path, extend=True, a=[np.nan, 2.0, 1.0], b=[1.0, 0.0])
    np.testing.assert_array_equal(more["product"], [[np.nan, np.nan], [21.0, 20.0], [11.0, 10.0]])


def test_a_folder_takes_more_cells(tmp_path, monkeypatch):
    calls, count = tmp_path / "calls", []
    plain = kd.sweeps._programs.Plain._stacked
    counted = lambda self, cells: count.append(cells.stop - cells.start) or plain(self, cells)
    with monkeypatch.context() as watched:
        watched.setattr(kd.sweeps._programs.Plain, "_stacked", counted)
        kd.sweep(told, folder=calls, a=[1.0, 2.0], b=[3.0])  # made without extend
        assert sum(count) == 2
        table = kd.sweep(told, folder=calls, extend=True, a=[2.0, 0.5, 1.0], b=[4.0, 3.0])
        assert sum(count) == 6
        fresh = kd.sweep(told, a=[2.0, 0.5, 1.0], b=[4.0, 3.0])
        assert table.identical(fresh) and sum(count) == 12
        again = kd.sweep(told, folder=calls, extend=True, a=[0.5, 1.0, 2.0], b=[3.0, 4.0])  # in another order
        assert sum(count) == 12 and again.identical(fresh.sel(a=[0.5, 1.0, 2.0], b=[3.0, 4.0]))
        third = kd.sweep(told, folder=calls, extend=True, a=[0.5, 1.0, 2.0, 8.0], b=[3.0, 4.0])
        assert sum(count) == 14 and third.total.sel(a=8.0, b=4.0) == 84
        assert third.pair.dims == ("a", "b", "pair_0")
    with pytest.raises(ValueError, match=r"axis a lacks 0.5, which the folder .* has"):
        kd.sweep(told, folder=calls, extend=True, a=[1.0, 2.0], b=[3.0, 4.0])
    with pytest.raises(ValueError, match="axis b holds a value twice"):
        kd.sweep(told, folder=calls, extend=True, a=[0.5, 1.0, 2.0, 8.0], b=[3.0, 4.0, 4.0])
    with pytest.raises(ValueError, match="holds a sweep of the axes a, b, not of a"):
        kd.sweep(told, folder=calls, extend=True, a=[0.5, 1.0, 2.0, 8.0], b=3.0)
    with pytest.raises(ValueError, match="extend adds cells to those in a folder; name it"):
        kd.sweep(told, extend=True, a=[1.0], b=[1.0])
    with pytest.raises(ValueError, match="which differs in code"):  # of another function
        kd.sweep(told_otherwise, folder=calls, extend=True, a=[0.5, 1.0, 2.0, 8.0], b=[3.0, 4.0])


def told(a, b):
    return {"total": 10 * float(a) + float(b), "pair": np.array([float(a), float(b)])}


def told_otherwise(a, b):
    return {"total": 11 * float(a) + float(b), "pair": np.array([float(a), float(b)])}


told_otherwise.__name__ = "told"


def test_stopping_leaves_a_folder_to_go_on_from(tmp_path):
    stop = {"at": 3.0}

    def stopping(a):
        if float(a) == stop["at"]:
            raise KeyboardInterrupt
        return float(a)

    with pytest.raises(KeyboardInterrupt) as stopped:
        kd.sweep(stopping, folder=tmp_path, a=np.arange(6.0))
    assert stopped.value.__notes__ == [f"3 of 6 chunks are in {tmp_path}; the same call goes on from there"]
    stop["at"] = None  # part of the function, unlike Ctrl-C
    record = tmp_path / "configuration.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "code": _fingerprint.reads(stopping)}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert kd.sweep(stopping, folder=tmp_path, a=np.arange(6.0)).stopping.values.tolist() == list(range(6))


def test_progress_is_told_and_can_be_silent(capsys, monkeypatch):
    def slow(a):
        time.sleep(0.15)
        return float(a)

    kd.sweep(slow, a=np.arange(3.0))
    assert capsys.readouterr().err == ""  # too short to need it
    monkeypatch.setattr(kd.sweeps._chunks, "PATIENCE", 0.1)
    kd.sweep(slow, a=np.arange(4.0))
    told = capsys.readouterr().err
    assert "slow:" in told and "4/4" in told and "<" in told  # with the time left
    kd.sweep(slow, a=np.arange(3.0), progress=False)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    kd.sweep(slow, a=np.arange(3.0))
    assert capsys.readouterr().err == ""


WORK = """
import time
import jax
import jax.numpy as jnp
import numpy as np
import kdtheory as kd


def traced(exponent, time):
    return kd.GradientFlow(time).filter(kd.spectra.power_law(20, exponent)).sum()


def compiled(exponent, time):
    return jax.numpy.sort(kd.GradientFlow(time).filter(kd.spectra.power_law(20, exponent))).sum()


def looped(exponent, time_):
    time.sleep(0.004)
    return np.exp(-float(exponent) * np.arange(50.0) * float(time_))


def rested(value):
    time.sleep(0.004)
    return value


def vmapped(exponent, time_):
    result = traced(exponent, time_)
    shape = jax.ShapeDtypeStruct(result.shape, result.dtype)
    return jax.pure_callback(rested, shape, result, vmap_method="expand_dims")


AXES = np.linspace(0.5, 3, 13), np.geomspace(1, 1e4, 17)


def sweep(name, folder=None):
    function, chunk = {"vmapped": (vmapped, 2), "looped": (looped, 1)}[name]
    return kd.sweep(function, folder=folder, chunk=chunk, progress=False, exponent=AXES[0], time_=AXES[1])
"""


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_at_random_moments(tmp_path, kills):
    (tmp_path / "work.py").write_text(WORK)
    spec = importlib.util.spec_from_file_location("work", tmp_path / "work.py")
    work = importlib.util.module_from_spec(spec)
    sys.modules["work"] = work
    spec.loader.exec_module(work)
    folders = {"vmapped": tmp_path / "vmapped", "looped": tmp_path / "looped"}
    script = "\n".join(["import work", *(f"work.sweep({name!r}, {str(path)!r})" for name, path in folders.items())])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # which others read: a kill leaves half a program there
    moments, known = random.Random(kills), {}

    def pieces():
        return {piece: (piece.stat().st_mtime_ns, piece.read_bytes()) for piece in tmp_path.glob("*/*.piece")}

    for kill in range(kills):
        folder = folders["vmapped" if kill < kills / 2 else "looped"]
        before = len(list(folder.glob("*.piece")))
        process = subprocess.Popen([sys.executable, "-W", "error::UserWarning", "-c", script], env=environment)
        while len(list(folder.glob("*.piece"))) == before:  # not yet at work
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.3 / kills))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the kill was to come in the middle"
        assert known.items() <= pieces().items()  # nothing finished is lost, or done again
        known = pieces()
    for name, folder in folders.items():
        resumed = work.sweep(name, folder)
        assert resumed.identical(work.sweep(name))  # bitwise
    assert known.items() < pieces().items()


# Devices and processes.

SHARED = """
import os, sys
import jax
import numpy as np
import work, kdtheory as kd

number, count, port, folder, out = sys.argv[1:]
if int(count) > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(number))
axes = dict(exponent=work.AXES[0], time=work.AXES[1])
table, traced = kd.sweep(work.compiled, folder=folder or None, **axes), kd.sweep(work.traced, **axes)
looped = kd.sweep(work.looped, exponent=work.AXES[0], time_=work.AXES[1][:3])
np.savez(out, compiled=table.compiled, traced=traced.traced, looped=looped.looped, devices=len(jax.devices()))
"""


def start_processes(tmp_path, count, devices, folder, script):
    """The same script in `count` processes of `devices` each, as they run."""
    (tmp_path / "work.py").write_text(WORK)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return [
        subprocess.Popen(
            [sys.executable, "-c", script, *map(str, (n, count, port, folder, tmp_path / f"{n}.npz"))],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]


def run_processes(tmp_path, count, devices, folder=""):
    """Run the same sweeps in `count` processes of `devices` each; their exit codes and tables."""
    processes = start_processes(tmp_path, count, devices, folder, SHARED)
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    return ended, [tmp_path / f"{n}.npz" for n in range(count)]


def test_devices_and_processes_give_the_bits_of_one(tmp_path):
    tables = {}
    for count, devices in ((1, 1), (1, 4), (2, 2)):
        here = tmp_path / f"{count}{devices}"
        here.mkdir()
        ended, files = run_processes(here, count, devices, here / "folder" if count == 2 else "")
        assert [code for _, code in ended] == [0] * count, ended
        tables[count, devices] = [np.load(file) for file in files]
    (one,) = tables[1, 1]
    assert np.ptp(one["traced"]) > 1 and np.ptp(one["looped"]) > 0.1
    np.testing.assert_allclose(one["traced"], one["compiled"], rtol=1e-14)
    for table in tables[1, 4] + tables[2, 2]:
        assert table["devices"] == 4
        for name in "compiled", "traced", "looped":
            np.testing.assert_array_equal(table[name], one[name])
    assert len(list((tmp_path / "22" / "folder").glob("*.piece"))) == 13 * 3  # each process wrote its share


UNLIKE = """
import sys
import jax
import numpy as np
import kdtheory as kd

number, count, port, folder, out = sys.argv[1:]
jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(number))

def early(n):
    x = float(n)
    return 0 if x < 3 else x / 7

def shaped(n):
    return np.ones(2 if float(n) < 3 else 3)

def named(n):
    return {"a" if float(n) < 3 else "b": 1.0}

axis = dict(n=[1.0, 2.0, 3.0, 4.0], chunk=2)
said = []
for function in (shaped, named):
    try:
        kd.sweep(function, **axis)
    except ValueError as refused:
        said.append(str(refused))
np.savez(out, early=kd.sweep(early, **axis).early, said=said)
"""


def test_processes_with_cells_of_other_kinds(tmp_path):
    processes = start_processes(tmp_path, 2, 1, "", UNLIKE)
    assert [(process.communicate(timeout=120)[1], process.returncode)[1] for process in processes] == [0, 0]
    for n in range(2):
        found = np.load(tmp_path / f"{n}.npz")
        np.testing.assert_array_equal(found["early"], [0, 0, 3 / 7, 4 / 7])
        assert found["said"].tolist() == [
            "shaped returns shaped of shape (3,) and of (2,)",
            "named returns b in some cells and a in others",
        ]


def test_processes_refuse_a_folder_together(tmp_path):
    kd.sweep(product, folder=tmp_path / "folder", a=[1.0], b=[1.0])
    ended, _ = run_processes(tmp_path, 2, 1, tmp_path / "folder")
    assert "holds another sweep" in ended[0][0] and "process 0 could not open the folder" in ended[1][0]
    assert all(code for _, code in ended)


MORTAL = """
import sys
import jax
import numpy as np
import work

number, count, port, folder, out = sys.argv[1:]
jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(number))
np.savez(out, looped=work.sweep("looped", folder).looped)
"""


def test_a_process_that_dies_ends_the_others_and_the_same_command_goes_on(tmp_path):
    folder, afresh = tmp_path / "folder", tmp_path / "afresh"
    afresh.mkdir()

    def pieces():
        return {piece: piece.read_bytes() for piece in folder.glob("*.piece")}

    first, other = start_processes(tmp_path, 2, 1, folder, MORTAL)
    while len(pieces()) < 20:
        assert first.poll() is None
        time.sleep(0.001)
    first.kill()
    first.communicate()
    other.communicate()
    assert other.returncode  # without its share there is no table
    left = pieces()
    assert 20 <= len(left) < 13 * 17 and not list(tmp_path.glob("*.npz"))
    (alone,) = start_processes(tmp_path, 1, 1, folder, MORTAL)  # another number of processes will do
    assert alone.communicate() and alone.returncode == 0
    assert left.items() <= pieces().items()
    (alone,) = start_processes(afresh, 1, 1, afresh / "folder", MORTAL)
    assert alone.communicate() and alone.returncode == 0
    tables = [np.load(path / "0.npz")["looped"] for path in (tmp_path, afresh)]
    np.testing.assert_array_equal(*tables)
