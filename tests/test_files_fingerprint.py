"""What a function reads, by content: another that reads otherwise never gets its numbers from a folder."""

# ruff: noqa: B008, NPY002 - a default is one of the places where a function reads from

import collections
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import io
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import types
import typing
import uuid
import warnings
import weakref

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pandas
import pytest
import scipy.optimize
import scipy.special
import xarray

import kdtheory as kd
from kdtheory.files import _fingerprint, _installed

# F8: each makes a function of `a` that reads a number c in some way.


class Method:
    def __init__(self, c):
        self.c = c

    def scaled(self, a):
        return a * self.c

    @property
    def twice(self):
        return 2 * self.c

    @staticmethod
    def plain(a):
        return a

    def __call__(self, a):
        return a * self.c


class Inherited(Method):
    pass


class Mangled:
    def __init__(self, c):
        self.__c = c

    def scaled(self, a):
        return a * self.__c


class Slots:
    __slots__ = ("__dict__", "c")

    def __init__(self, c):
        self.c = c

    def scaled(self, a):
        return a * self.c


class Listed(list):
    def scaled(self, a):
        return a * self[0]


class Number(float):
    def scaled(self, a):
        return a * float(self)


class Array(np.ndarray):
    pass


class Cached:
    def __init__(self, c):
        self.c = c

    @functools.cached_property
    def twice(self):
        return 2 * self.c


class Guarded:
    """Whose attributes are found by code."""

    def __init__(self, c):
        self.hidden = c

    def __getattr__(self, name):
        return self.hidden


@dataclasses.dataclass
class Data:
    c: float
    more: list = dataclasses.field(default_factory=list)


@kd.record
class Record:
    c: float


class Named(typing.NamedTuple):
    c: float


def class_attribute(c):
    class Model:
        factor = c

        @classmethod
        def scaled(cls, a):
            return a * cls.factor

    return Model.scaled


def inherited_attribute(c):
    class Base:
        factor = c

    class Model(Base):
        def scaled(self, a):
            return a * self.factor

    return Model().scaled


def of_metaclass(c):
    class Meta(type):
        factor = c

    class Model(metaclass=Meta):
        pass

    return lambda a: a * Model.factor


def member(c):
    class Choice(enum.Enum):
        FIRST = c

    return lambda a: a * Choice.FIRST.value


def wrapped(c):
    def decorate(function):
        @functools.wraps(function)
        def inner(a):
            return c * function(a)

        return inner

    @decorate
    def plain(a):
        return a

    return plain


def two_modules_of_one_name(c):
    one, other = in_module(1.0), in_module(c)

    def read(it):
        return it.c

    return lambda a: a * read(one) * read(other)


def in_module(c):
    module = types.ModuleType("of_the_user")
    module.c = c
    module.inner = types.ModuleType("of_the_user.inner")
    module.inner.c = c
    return module


def module_attribute(c):
    module = in_module(c)
    return lambda a: a * module.c


def module_below(c):
    module = in_module(c)
    return lambda a: a * module.inner.c


def module_by_another_name(c):
    module = in_module(c)

    def read(it):
        return it.c

    return lambda a: a * read(module)


def module_by_text(c):
    module = in_module(c)
    return lambda a: a * getattr(module, "".join(["", "c"]))


def module_in_a_list(c):
    modules = [in_module(c)]
    return lambda a: a * modules[0].inner.c


def cyclic(c):
    loop = {"c": c}
    loop["self"] = [loop]
    return lambda a: a * loop["self"][0]["c"]


def two_of_one_name(c):
    def first():
        def helper():
            return 1.0

        return lambda: helper()

    def second():
        def helper():
            return c

        return lambda: helper()

    one, other = first(), second()
    return lambda a: a * one() * other()


def two_objects_of_one_name(c):
    def make(value):
        model = Method(value)
        return lambda a: model.scaled(a)

    left, right, model = make(1.0), make(2.0), None
    model = (left, right)[c > 5.0].__closure__[0].cell_contents
    return lambda a: left(a) + right(a) + model.scaled(a)


def executed(c):
    exec(f"def typed(a): return a * {c}", space := {})
    return space["typed"]


def by_attribute_of_itself(c):
    def scaled(a):
        return a * scaled.c

    scaled.c = c
    return scaled


def in_a_class_body(c):
    def scaled(a):
        class Inner:
            factor = c

        return a * Inner.factor

    return scaled


def with_forward_and_backward(c):
    @jax.custom_jvp
    def custom(a):
        return a

    custom.defjvp(lambda primals, tangents: (primals[0], c * tangents[0]))
    return jax.grad(custom)


def ordered_by_key(c):
    return functools.partial(operator.mul, c)


def frozen(c):
    chosen = frozenset({c, 2.0, "x"})
    return lambda a: a * (9.0 in chosen)


def flags(c):
    class Choice(enum.IntEnum):
        FIRST = int(c)

    return lambda a: a * Choice.FIRST


def counted(c):
    table = collections.Counter({"c": int(c)})
    return lambda a: a * table["c"]


def read_by_default(c):
    def scaled(a, *, factor=c):
        return a * factor

    return scaled


def of_simple_namespace(c):
    options = types.SimpleNamespace(c=c)
    return lambda a: a * options.c


def tuple_of_functions(c):
    steps = (lambda a: a, lambda a: a * c)
    return lambda a: steps[1](steps[0](a))


def generated(c):
    def each(a):
        yield a * c

    return lambda a: sum(each(a))


def comprehended(c):
    return lambda a: sum([a * c for _ in range(2)])


def nested(c):
    def outer(a):
        def inner():
            return a * c

        return inner()

    return outer


def masked(c):
    table = np.ma.masked_array([1.0, c], [True, False])
    return lambda a: a * table.sum()


def masks(c):
    table = np.ma.masked_array([1.0, 2.0], [c > 5, False])
    return lambda a: a * table.sum()


def weak(c):
    number = jax.lax.convert_element_type(2.0, jnp.float64) if c > 5 else jnp.asarray(2.0)
    return lambda a: a * number


TOLD = {
    "a bound method": lambda c: Method(c).scaled,
    "an object that is called": Method,
    "an inherited method": lambda c: Inherited(c).scaled,
    "a mangled attribute": lambda c: Mangled(c).scaled,
    "slots": lambda c: Slots(c).scaled,
    "a list of one's own": lambda c: Listed([c]).scaled,
    "a number of one's own": lambda c: Number(c).scaled,
    "an array of one's own": lambda c: lambda a, x=np.array([c]).view(Array): a * x[0],
    "attributes found by code": lambda c: lambda a, x=Guarded(c): a * x.anything,
    "a method in a closure": lambda c: (lambda model: lambda a: model.scaled(a))(Method(c)),
    "a property": lambda c: lambda a, model=Method(c): a * model.twice,
    "a partial": lambda c: functools.partial(operator.mul, c),
    "a partial of an object": lambda c: functools.partial(lambda a, model: model.scaled(a), model=Method(c)),
    "a dataclass": lambda c: lambda a, x=Data(c): a * x.c,
    "a record": lambda c: lambda a, x=Record(c): a * x.c,
    "a named tuple": lambda c: lambda a, x=Named(c): a * x.c,
    "a learner": lambda c: lambda a, x=kd.Ridge(c): x.filter(a),
    "a method of a learner": lambda c: kd.Ridge(c).filter,
    "a class attribute": class_attribute,
    "an inherited attribute": inherited_attribute,
    "an attribute of a metaclass": of_metaclass,
    "an enum": member,
    "an enum of integers": flags,
    "a wrapper": wrapped,
    "a jitted wrapper": lambda c: jax.jit(wrapped(c)),
    "jit": lambda c: jax.jit(lambda a: a * c),
    "jit of a method": lambda c: jax.jit(Method(c).scaled),
    "vmap": lambda c: jax.vmap(lambda a: a * c),
    "grad": lambda c: jax.grad(lambda a: a * c),
    "checkpoint": lambda c: jax.checkpoint(lambda a: a * c),
    "a custom derivative": with_forward_and_backward,
    "numpy.vectorize": lambda c: np.vectorize(lambda a: a * c),
    "functools.cache": lambda c: functools.cache(lambda a: a * c),
    "a module": module_attribute,
    "a module below": module_below,
    "a module by another name": module_by_another_name,
    "a module by a text": module_by_text,
    "a module in a list": module_in_a_list,
    "a cycle": cyclic,
    "two helpers of one name": two_of_one_name,
    "two objects of one name": two_objects_of_one_name,
    "no source": executed,
    "an attribute of the function": by_attribute_of_itself,
    "a class within": in_a_class_body,
    "a partial in C": ordered_by_key,
    "a frozen set": frozen,
    "a counter": counted,
    "a default": read_by_default,
    "a namespace": of_simple_namespace,
    "a tuple of functions": tuple_of_functions,
    "a lambda in a dict": lambda c: lambda a, table={"x": lambda a: a * c}: table["x"](a),
    "a generator within": generated,
    "a comprehension": comprehended,
    "a function within": nested,
    "a masked array": masked,
    "a mask": masks,
    "a weak type": weak,
    "a constant": lambda c: [lambda a: a * 1.0, lambda a: a * 9.0][c > 5],
    "a sign of zero": lambda c: [lambda a: a * 0.0, lambda a: a * -0.0][c > 5],
    "an integer": lambda c: [lambda a: a * 1, lambda a: a * 1.0][c > 5],
    "a truth": lambda c: [lambda a: a * 1, lambda a: a * True][c > 5],
    "a NumPy number": lambda c: lambda a, x=np.float64(c): a * x,
    "a precision": lambda c: lambda a, x=[np.float32(1), np.float64(1)][c > 5]: a * x,
    "an array": lambda c: lambda a, x=np.array([c]): a * x[0],
    "an array of objects": lambda c: lambda a, x=np.array([None, Method(c)]): x[1].scaled(a),
    "an array of JAX": lambda c: lambda a, x=jnp.array([c]): a * x[0],
    "a key": lambda c: lambda a, x=jax.random.key(int(c)): a * jax.random.normal(x),
    "a kind of key": lambda c: lambda a, x=jax.random.key(0, impl=["threefry2x32", "rbg"][c > 5]): jax.random.normal(x),
    "the shape of an array": lambda c: lambda a, x=np.zeros([(2, 3), (3, 2)][c > 5]): a * len(x),
    "a fraction": lambda c: lambda a, x=fractions.Fraction(c): a * x,
    "an item getter": lambda c: lambda a, x=operator.itemgetter(int(c)): x(range(10)),
    "a DataFrame": lambda c: lambda a, x=pandas.DataFrame({"c": [c], "s": ["x"]}): a * x.c.sum(),
    "a Series": lambda c: lambda a, x=pandas.Series([c]): a * x.sum(),
    "an index": lambda c: lambda a, x=pandas.Series([1.0], index=[c]): a * x.index[0],
    "an attribute of a DataFrame": lambda c: lambda a, x=_with_attrs(c): a * x.attrs["c"],
    "a DataArray": lambda c: lambda a, x=xarray.DataArray([c], dims="i"): a * x.sum(),
    "a Dataset": lambda c: lambda a, x=xarray.Dataset({"c": ("i", [c])}, {"i": [1]}): a * x.c.sum(),
    "a coordinate": lambda c: lambda a, x=xarray.DataArray([1.0], {"i": [c]}, "i"): a * x.i[0],
    "a ufunc": lambda c: lambda a, f=[np.exp, scipy.special.expit][c > 5]: f(a),
    "a function of JAX": lambda c: lambda a, f=[jnp.exp, jnp.sin][c > 5]: f(a),
    "a method of a dict": lambda c: lambda a, f={"c": c}.get: a * f("c"),
    "a deque": lambda c: lambda a, x=collections.deque([c]): a * x[0],
    "bytes": lambda c: lambda a, x=bytearray([int(c)]): a * x[0],
    "a slice": lambda c: lambda a, x=slice(int(c)): a * len(range(20)[x]),
    "an error": lambda c: lambda a, x=ValueError(c): a * x.args[0],
}


def subclass_of_pandas(c):
    class Table(pandas.DataFrame):
        factor = c

    table = Table({"x": [1.0]})
    return lambda a: a * table.factor


def subclass_of_masked_arrays(c):
    class Table(np.ma.MaskedArray):
        factor = c

    table = np.ma.masked_array([1.0]).view(Table)
    return lambda a: a * table.factor


def asked_by_a_getter(c):
    module, getter = in_module(c), operator.attrgetter("inner.c")
    return lambda a: a * getter(module)


def alias_of_a_module(c):
    module = in_module(c)

    def scaled(a):
        again = module
        return a * again.inner.c

    return scaled


def protocol(c):
    class Scales(typing.Protocol):
        def scaled(self, a): ...

    class Model(Scales):
        def scaled(self, a):
            return a * c

    return Model().scaled


def inner_jit(c):
    @functools.partial(jax.jit, static_argnames="power")
    def scaled(a, power=2):
        return a**power * c

    return lambda a: scaled(a)


def own_super(c):
    class Base:
        def scaled(self, a):
            return a * c

    class Model(Base):
        def scaled(self, a):
            return super().scaled(a)

    return Model().scaled


TOLD |= {
    "two modules of one name": two_modules_of_one_name,
    "an array by columns": lambda c: lambda a, x=np.ones((2, 2), order="CF"[c > 5]): a * x.sum(),
    "a subclass of masked arrays": subclass_of_masked_arrays,
    "a getter's text": asked_by_a_getter,
    "an alias of a module": alias_of_a_module,
    "a protocol": protocol,
    "jit with static arguments": inner_jit,
    "super": own_super,
    "a cached property": lambda c: lambda a, x=Cached(c): a * x.twice,
    "a pattern": lambda c: lambda a, x=re.compile(str(c)): a * bool(x.match("1.0")),
    "a queue's length": lambda c: lambda a, x=collections.deque([1.0], maxlen=int(c)): x.append(a) or sum(x),
    "a number of mpmath": lambda c: lambda a, x=mpmath.mpf(c): a * float(x),  # a slot hidden by an attribute
    "a decimal": lambda c: lambda a, x=decimal.Decimal(c): a * float(x),
    "a time": lambda c: lambda a, x=datetime.timedelta(c): a * x.days,
    "a pure path": lambda c: lambda a, x=pathlib.PurePosixPath(str(c)): a * len(x.name),
    "a categorical": lambda c: lambda a, x=pandas.Categorical(["u"], ["u", str(c)]): a * len(x.categories),
    "categories": lambda c: lambda a, x=pandas.Series(["u"], dtype=pandas.CategoricalDtype(["u", str(c)])): x,
    "times": lambda c: lambda a, x=pandas.DataFrame({"t": pandas.to_datetime([int(c)])}): a * x.t.dt.day,
    "a column's kind": lambda c: lambda a, x=pandas.DataFrame({"x": [1]}).astype([int, float][c > 5]): a * x.x,
    "a name of a column": lambda c: lambda a, x=pandas.DataFrame({str(c): [1]}): a * len(x.columns[0]),
    "many levels": lambda c: lambda a, x=pandas.Series([1.0], index=pandas.MultiIndex.from_tuples([(c, 1)])): x,
    "a structure": lambda c: lambda a, x=np.array([(1, c)], [("x", int), ("y", float)]): a * x["y"][0],
    "names of a structure": lambda c: lambda a, x=np.zeros(1, [(["x", "y"][c > 5], int)]): a * len(x.dtype.names),
    "an order in memory": lambda c: lambda a, x=[np.eye(2), np.arange(4.0).reshape(2, 2)][c > 5]: a * x.ravel("K"),
    "a tree": lambda c: jax.tree_util.Partial(operator.mul, c),
    "a text": lambda c: lambda a, x=str(c): a * float(x),
    "a method of an array": lambda c: lambda a, f=np.array([c]).dot: f([a]),
    "a method of a number": lambda c: c.__mul__,
    "a filter": lambda c: kd.Filter(lambda a: a * c).filter,
    "a distilled learner": lambda c: kd.distill(kd.Ridge(1.0), kd.Ridge(2.0), c).filter,
    "a problem": lambda c: lambda a, x=kd.problems.linear(np.eye(2), [1.0, c]): kd.Ridge(a).fit(x),
    "a trajectory": lambda c: lambda a, x=kd.closed_form(kd.Ridge(c), [1.0]): a * x.progress,
}


def _with_attrs(c):
    table = pandas.DataFrame({"x": [1.0]})
    table.attrs["c"] = c
    return table


@pytest.mark.parametrize("way", TOLD)
def test_content_is_told(way):
    make = TOLD[way]
    assert _fingerprint.reads(make(1.0)) == _fingerprint.reads(make(1.0))  # and so goes on where it was
    assert _fingerprint.reads(make(1.0)) != _fingerprint.reads(make(9.0))


SCALE, MODEL, NESTED = 1.0, Method(1.0), {"a": [1.0]}


@pytest.mark.parametrize(
    ("change", "function"),
    {
        "a global": (lambda: globals().update(SCALE=9.0), lambda a: a * SCALE),
        "a global's attribute": (lambda: setattr(MODEL, "c", 9.0), lambda a: a * MODEL.c),
        "a global's method": (lambda: setattr(MODEL, "c", 9.0), lambda a: MODEL.scaled(a)),
        "a class": (lambda: setattr(Method, "scaled", lambda self, a: 9.0 * a), MODEL.scaled),
        "inside a global": (lambda: NESTED["a"].append(9.0), lambda a: a * NESTED["a"][-1]),
        "a global of a helper": (lambda: globals().update(SCALE=9.0), lambda a: helper(a)),
        "a library": (lambda: setattr(np, "hypot", lambda *x: 9.0), lambda a: np.hypot(a, 1.0)),
    }.values(),
)
def test_what_is_changed_in_place_is_told(change, function, monkeypatch):
    for thing, name in ((MODEL, "c"), (Method, "scaled"), (np, "hypot")):
        monkeypatch.setattr(thing, name, getattr(thing, name))  # put back afterwards
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    monkeypatch.setitem(NESTED, "a", [1.0])
    before = _fingerprint.reads(function)
    change()
    assert _fingerprint.reads(function) != before


def helper(a):
    return a * SCALE


def opens(a):
    return a * float(open("c").read())


def evaluates(a):
    return a * eval("SCALE")


def looks_up(a):
    return a * globals()["SCALE"]


def loads(a):
    return a * np.load("c.npy")


def reads_a_table(a):
    return a * pandas.read_csv("c").sum()


def environment(a):
    return a * float(os.environ["C"])


def one_variable(a):
    return a * float(os.getenv("C"))


def draws(a):
    return a * np.random.normal()


def draws_of_python(a):
    return a * random.random()


def draws_locally(a):
    from numpy import random

    return a * random.normal()


def imports_by_text(a):
    return a * __import__("os").getpid()


def of_all_modules(a):
    return a * sys.modules["tests"].c


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (opens, r"open, _?io\.open, which reads from outside of the program"),
        (evaluates, "eval, builtins.eval, which"),
        (looks_up, "globals, builtins.globals, which"),
        (lambda a: a * helper.__globals__["SCALE"], "function, all names at once, by __globals__"),
        (lambda a: a * sys._getframe().f_globals["SCALE"], "function, all names at once, by f_globals"),
        (lambda a: a * inspect.getclosurevars(helper).globals["SCALE"], "inspect.getclosurevars"),
        (loads, "np.load, numpy.load, which reads"),
        (reads_a_table, r"pandas.read_csv, pandas.*read_csv, which reads"),
        (environment, "os.environ, what the system holds"),
        (one_variable, "os.getenv, os.getenv, which"),
        (imports_by_text, "__import__"),
        (of_all_modules, "sys.modules, what the system holds"),
        (draws, r"np.random.normal.__self__, a random generator, .*give seeds= and take a key"),
        (draws_of_python, "random.random.__self__, a random generator"),
        (draws_locally, "a random generator"),
        (lambda a, x=np.random.default_rng(0): a * x.normal(), r"function\(x=\), a random generator"),
        (lambda a, x=random.Random(0): a * x.random(), "a random generator"),
        (lambda a, x=np.random.RandomState(0): a * x.normal(), "a random generator"),
        (lambda a, x=threading.Lock(): a, "function.x=., a lock"),
        (lambda a, x=iter([1.0]): a * next(x), "a list_iterator, which is used up"),
        (lambda a, x=itertools.count(): a * next(x), "a count, which is used up"),
        (lambda a, x=(i for i in [1.0]): a * next(x), "a generator, which is used up"),
        (lambda a, x=io.StringIO("1"): a * float(x.read()), "a StringIO"),
        (lambda a, x=np.frompyfunc(opens, 1, 1): x(a), "a ufunc"),
        (lambda a, x=pathlib.Path("c"): a * float(x.read_text()), "a path to a file"),
        (lambda a, x={Method(1.0), Method(2.0)}: a, "a set of objects"),
        (lambda a, x=type("Mine", (random.Random,), {})(): a, "a random generator"),
        (lambda a, x=contextvars.ContextVar("x", default=1.0): a * x.get(), "a ContextVar"),
        (lambda a, x=threading.local(): a, "a _?local"),
        (lambda a, x=weakref.ref(MODEL): a * x().c, "a ReferenceType|a weakref"),
        (lambda a, x=type("Mine", (np.float64,), {})(1.0): a * x, "a Mine"),
        (lambda a, x=type("Mine", (functools.partial,), {"c": 2.0})(operator.mul, 2.0): x(a), "a Mine"),
        (subclass_of_pandas(1.0), "table._flags"),
        (lambda a: a * xarray.load_dataset("c").x, "xarray.load_dataset, xarray.*, which reads"),
        (lambda a: a * time.time(), "time.time, time.time, which reads"),
        (lambda a: a * float(sys.argv[1]), "sys.argv, what the system holds"),
        (lambda a: a * uuid.uuid4().int, "uuid.uuid4, uuid.uuid4, which reads"),
        (lambda a, x=memoryview(b"1"): a * x[0], "a memoryview"),
        (lambda a, x=[{"y": (threading.Lock(),)}]: a, r"function\(x=\)\[0\]\['y'\]\[0\], a lock"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(function, what, tmp_path):
    with pytest.raises(ValueError, match=rf"it reads {what}|{what}"):
        _fingerprint.reads(function)
    with pytest.raises(
        ValueError, match="pass it as an axis, make it numbers, arrays or a record, or leave out folder="
    ):
        kd.sweep(function, folder=tmp_path, a=[1.0])
    assert not list(tmp_path.iterdir())


def test_an_open_file_is_refused(tmp_path):
    with open(tmp_path / "c", "w+") as file, pytest.raises(ValueError, match="it reads file, a TextIOWrapper"):
        _fingerprint.reads(lambda a: a * float(file.read()))


def test_something_endlessly_deep_is_refused():
    deep = 1.0
    for _ in range(10_000):
        deep = (deep,)
    with pytest.raises(ValueError, match="something too deeply nested"):
        _fingerprint.reads(lambda a: deep)


def seeded(a):
    return np.random.default_rng(int(a)).normal(size=2)


def local_seeded(a):
    import numpy
    import numpy as np

    rng = np.random.default_rng(int(a))
    return rng.normal(size=2) + numpy.zeros(2)


@pytest.mark.parametrize(
    "function",
    [
        seeded,
        local_seeded,
        lambda key: jax.random.normal(key),
        lambda a: jax.lax.scan(lambda c, _: (c * a, c), 1.0, None, 3)[1],
        lambda a: scipy.special.expit(a) + np.linalg.norm(np.ones(2)),
        lambda a: kd.datasets.diabetes()[0][int(a)],
        lambda a: kd.simulate(kd.Ridge(a), kd.problems.with_spectrum(0, [1.0, 0.5])).progress,
        lambda a: jnp.asarray(a, jnp.float64) * jnp.pi + np.float32(1) + jnp.inf,
        lambda a: jax.lax.dot(jnp.eye(2), jnp.eye(2), precision=jax.lax.Precision.HIGHEST) * a,
        lambda a: jax.tree.map(jnp.sin, {"a": a}),
        lambda a: jnp.vectorize(lambda x: x * a)(jnp.ones(2)),
        lambda a: scipy.optimize.brentq(lambda x: x - float(a), -10, 10) + sum(itertools.product([1.0], [2.0])[0]),
        lambda a: (
            warnings.warn("slow", stacklevel=2),
            logging.getLogger("x").info("x"),
            print(a),
            time.sleep(0),
            math.pi * a,
        )[-1],
        lambda a: np.errstate(all="ignore") and isinstance(a, float | np.ndarray),
        lambda a: dataclasses.replace(kd.Ridge(1.0), penalty=a).filter(1.0),
        lambda a: functools.reduce(operator.add, [a]) + sorted([a], key=lambda x: -x)[0],
        jax.vmap(lambda a, b: a * b, in_axes=(0, None)),
        jax.jit(jax.vmap(jax.value_and_grad(lambda a: a**2))),
        Method.plain,
    ],
)
def test_what_is_common_is_not_refused(function):
    assert _fingerprint.reads(function) == _fingerprint.reads(function)


def test_sweeps_do_not_mix(tmp_path):
    """F8, whole: the rows of the report."""
    for number, make in enumerate((TOLD["a bound method"], TOLD["a partial of an object"], TOLD["a DataFrame"])):
        folder, axes = tmp_path / str(number), dict(a=[1.0, 2.0])
        first = kd.sweep(make(1.0), folder=folder, **axes)
        assert kd.sweep(make(1.0), folder=folder, **axes).identical(first)
        with pytest.raises(
            ValueError, match=r"holds another sweep, which differs in code \(.*1.0.* there, .*9.0.* here|code"
        ):
            kd.sweep(make(9.0), folder=folder, **axes)


def test_what_changes_itself_is_refused_before_it_is_kept(tmp_path):
    state = {"calls": 0.0}

    def counting(a):
        state["calls"] += 1.0
        return float(a) * state["calls"]

    with pytest.raises(ValueError, match=r"counting changes what it reads: state: .*calls.*leave out folder="):
        kd.sweep(counting, folder=tmp_path, a=[1.0, 2.0])
    assert not list(tmp_path.glob("*.piece"))
    assert kd.sweep(counting, a=[1.0, 2.0]).counting.values[0] > 0


def test_the_library_is_told_by_its_code_in_whole():
    def progress(time):
        return kd.GradientFlow(time).filter(1.0)

    told = _fingerprint.reads(progress)
    assert told["package kdtheory"].startswith(f"{kd.__version__} sha256 ")
    assert not [name for name in told if "GradientFlow." in name]  # and so is not read piece by piece


def test_a_change_anywhere_in_the_library_counts(tmp_path, monkeypatch):
    library = tmp_path / "kdtheory"
    (library / "files").mkdir(parents=True)
    (library / "learners.py").write_text("a = 1")
    monkeypatch.setattr(_installed, "_LIBRARY", library)
    before = _installed.version_of.__wrapped__("kdtheory")
    (library / "learners.py").write_text("a = 2")
    assert _installed.version_of.__wrapped__("kdtheory") != before


def test_code_that_was_edited_since_is_not_taken_for_the_old(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "edited.py").write_text("def f(a):\n    return a\n")
    module = __import__("edited")
    monkeypatch.setitem(sys.modules, "edited", module)
    old = module.f
    (tmp_path / "edited.py").write_text("def f(a):\n    return 9 * a\n")
    exec(
        compile((tmp_path / "edited.py").read_text(), str(tmp_path / "edited.py"), "exec"),
        space := {"__name__": "edited"},
    )
    assert _fingerprint.reads(old)["function"] != _fingerprint.reads(space["f"])["function"]


SCRIPT = """
import json, sys
sys.path.insert(0, {folder!r})
import of_users
from kdtheory.files import _fingerprint, _installed
print(json.dumps(_fingerprint.reads(of_users.swept)))
"""
MODULE = """
import functools
import numpy as np
import helpers.inner as inner
from helpers import factor

WORDS = {{"a", "b", "c", "d"}}
TABLE = {{"x": [1, 2.0], "y": np.arange(3.0)}}


class Model:
    def __init__(self):
        self.me = self

    def scaled(self, a):
        return factor * a * inner.NUMBER


MODEL = Model()


def swept(a):
    from helpers import late, last
    import helpers.other

    return MODEL.me.scaled(a) * len(WORDS) * TABLE["x"][1] * late * helpers.other.NUMBER * last.NUMBER
"""


def test_the_same_in_every_process(tmp_path):
    helpers = tmp_path / "helpers"
    helpers.mkdir()
    (tmp_path / "of_users.py").write_text(MODULE.format())
    files = {
        "__init__": "factor = 2.0\nlate = 3.0\n",
        "inner": "NUMBER = 1\n",
        "other": "NUMBER = 2\n",
        "last": "NUMBER = 3\n",
    }

    def told(**changed):
        for name, text in (files | changed).items():
            (helpers / f"{name}.py").write_text(text)
        script = SCRIPT.format(folder=str(tmp_path))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-B", "-c", script], env=environment, capture_output=True, text=True, timeout=120
        )
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)

    first = told()
    assert told() == first  # though sets of strings have another order
    for changed in (
        {"__init__": "factor = 9.0\nlate = 3.0\n"},
        {"__init__": "factor = 2.0\nlate = 9.0\n"},
        {"inner": "NUMBER = 9\n"},
        {"other": "NUMBER = 9\n"},
        {"last": "NUMBER = 9\n"},
    ):
        assert told(**changed) != first


def test_what_fields_are_told_counts():
    def with_scale(scale):
        cls = dataclasses.make_dataclass("C", [("a", float, dataclasses.field(default=1.0, metadata={"by": scale}))])
        return lambda x: x * dataclasses.fields(cls)[0].metadata["by"]

    assert _fingerprint.reads(with_scale(2.0)) == _fingerprint.reads(with_scale(2.0))
    assert _fingerprint.reads(with_scale(2.0)) != _fingerprint.reads(with_scale(3.0))
