"""A folder of finished pieces of work, which survives a kill: what `sweep` writes to.

A piece is written under a temporary name, synced to the disk and renamed, so that a file either is whole or is
not there. Its first bytes are the checksum of the rest, which names the configuration that it belongs to.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import secrets
import socket
import stat
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np


def write_atomically(path: Path, content: bytes):
    """Write a file so that a reader, or a kill at any moment, finds all of it or nothing.

    A link stays one, and its target is written; what was there keeps its mode.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        refusal = IsADirectoryError if path.is_dir() else PermissionError
        raise refusal(f"{path} cannot be written over; choose another name")
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as problem:
        temporary.unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.filename == str(temporary):
            problem.filename = str(path)  # the name that was given
        raise
    directory = os.open(path.parent, os.O_RDONLY)  # else the new name may be lost with the power
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def archive(arrays: dict) -> bytes:
    """Arrays by name, as the bytes of a `.npz`. Not by `numpy.savez`, for which names such as `file` are taken."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as members:
        for name, array in arrays.items():
            with members.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return body.getvalue()


class Unreadable(ValueError):
    """What is wrong with a file, in words that follow its name."""


KINDS = {  # how files begin
    b"PK\x03\x04": "",
    b"\x93NUMPY": "is a single array of numpy.save; read it with numpy.load",
    b"\x80": "is a pickle, which can run code when it is read",
    b"\x89HDF": "is a file of HDF5; read it with h5py or xarray",
    b"": "is no archive of arrays",
}


def arrays_of(file) -> dict:
    """The arrays of an archive, opened for reading, by name. `Unreadable` for anything else.

    Nothing is allocated that the file does not hold: members are stored as they are, and headers say no more.
    """
    start, size = file.read(6), file.seek(0, io.SEEK_END)
    if wrong := next(words for key, words in KINDS.items() if start.startswith(key)) if start else "is empty":
        raise Unreadable(wrong)
    try:
        with zipfile.ZipFile(file) as members:
            listed = members.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in listed):
                raise Unreadable("is compressed, as kdtheory.save writes nothing; if it holds arrays, use numpy.load")
            names = [member.filename.removesuffix(".npy") for member in listed]
            if len(set(names)) < len(names) or sum(member.file_size for member in listed) > size:
                raise Unreadable("holds two arrays of one name, or claims to hold more bytes than it has")
            return {name: _array(members.read(member)) for name, member in zip(names, listed, strict=True)}
    except Unreadable:
        raise
    except Exception:  # zipfile and numpy raise a dozen kinds for damaged bytes, and some advise to run the file
        raise Unreadable("is damaged or cut off") from None


HEADER = 100_000  # bytes: of a type of thousands of fields; numpy's own limit is that of hundreds


def _array(content):
    body = io.BytesIO(content)
    version = np.lib.format.read_magic(body)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(body, max_header_size=HEADER)
    if dtype.hasobject:
        raise Unreadable("holds objects of Python, which only code from the file could restore")
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(content) - body.tell():
        raise Unreadable("holds an array that is not as long as its header says")
    body.seek(0)
    array = np.lib.format.read_array(body, allow_pickle=False, max_header_size=HEADER)
    if dtype.kind in "UV":
        array.tolist()  # texts may hold what is no character, which is found out only when they are looked at
    return array


def prepare(path):
    """Make a folder. PermissionError if it cannot be written to."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write to the folder {path}; choose another, or change its permissions")


class Folder:
    """Pieces of one configuration, by number; a piece is a dict of arrays."""

    def __init__(self, path, configuration: dict):
        self.path = Path(path)
        self.configuration = json.loads(json.dumps(configuration))

    @contextlib.contextmanager
    def opened(self):
        """Lock the folder, and refuse one that holds another configuration."""
        import fcntl

        with open(self.path / "lock", "a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system releases it, even after kill -9
            except OSError:
                lock.seek(0)
                raise BlockingIOError(
                    f"the folder {self.path} is in use by {lock.read().strip() or 'another process'}; wait for it, stop"
                    " it, or choose another folder"
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%F %T')}\n")
            lock.flush()
            self._claim()
            yield self

    def _claim(self):
        for name in ("configuration.json", "*.piece"):
            for left_over in self.path.glob(f".{name}.*.tmp"):
                left_over.unlink()
        record = self.path / "configuration.json"
        if not record.exists():
            write_atomically(record, json.dumps(self.configuration, indent=1).encode())
            return
        try:
            there = json.loads(record.read_bytes())
        except (ValueError, RecursionError):
            there = None
        if not isinstance(there, dict) or not there.keys() & self.configuration.keys():
            raise ValueError(
                f"{record} is not the configuration of a sweep: it is cut off, or another program's. Choose another"
                " folder, or delete this one if nothing else is in it"
            )
        if _told(there) != _told(self.configuration):
            raise ValueError(
                f"the folder {self.path} holds another sweep, which differs in {difference(there, self.configuration)}"
                ". Choose another folder, or delete this one"
            )

    def write(self, number: int, piece: dict):
        """Keep a finished piece."""
        content = self._identity(number) + archive(piece)
        write_atomically(self._file(number), hashlib.sha256(content).digest() + content)

    def read(self, number: int) -> dict | None:
        """A finished piece; None if it is not there, or, with a warning, if it is damaged."""
        try:
            content = self._file(number).read_bytes()
        except FileNotFoundError:
            return None
        if content[:32] != hashlib.sha256(content[32:]).digest() or content[32:64] != self._identity(number):
            warnings.warn(f"{self._file(number)} is damaged; it is computed again", stacklevel=3)
            return None
        return arrays_of(io.BytesIO(content[64:]))

    def _identity(self, number):
        """The checksum of the configuration and the number: no piece stands for another."""
        return hashlib.sha256(_told([self.configuration, number]).encode()).digest()

    def _file(self, number):
        return self.path / f"{number:08d}.piece"


def _told(configuration):
    """A configuration as a text, which tells 1 from 1.0 and from True."""
    return json.dumps(configuration, sort_keys=True)


def difference(there, here):
    """Where two configurations differ, in words."""
    found = []
    for key in there | here:
        old, new = there.get(key), here.get(key)
        if _told(old) == _told(new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found.append(f"{key} ({difference(old, new)})")
        else:
            old, new = ("nothing" if value is None else _short(value) for value in (old, new))
            found.append(f"{key}: {old} there, {new} here" if old != new else key)
    return "; ".join(found)


def _short(value):
    text = str(value)
    return text if len(text) <= 60 and "\n" not in text else f"a text of {len(text)} characters"
