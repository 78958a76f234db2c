"""How a command ends when it is piped, interrupted or mistyped: with one line and a status, not a traceback."""

import argparse
import contextlib
import os
import signal
import sys
import threading

import jax

WRONG, INTERRUPTED, CLOSED = 2, 130, 141  # the statuses of argparse, and of shells for SIGINT and SIGPIPE


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message):
        self.exit(WRONG, f"{self.prog}: error: {message}\n")

    def needs_float64(self):
        """Refuse to go on where the user's environment has switched float64 off."""
        if not jax.config.jax_enable_x64:
            value = os.environ.get("JAX_ENABLE_X64", "")
            self.error(f"this needs float64, and JAX_ENABLE_X64={value} switches it off; unset that variable")


def seed(text: str) -> int:
    """The type of a seed among arguments: what `jax.random.key` takes."""
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{value} does not fit into 64 bits")
    return value


def run(main, prog):
    """Call `main` and exit with the status that it returns."""
    _open_streams()
    try:
        status = _flushed(lambda: _interruptible(main))
    except BrokenPipeError:
        _discard_output()
        status = CLOSED
    except KeyboardInterrupt as stop:
        _say("; ".join([f"{prog}: interrupted", *getattr(stop, "__notes__", [])]))
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(INTERRUPTED)  # other threads may be compiling, and a plain exit would wait for them
    except OSError as problem:
        _say(f"{prog}: error: {problem}")
        _discard_output()
        status = WRONG
    except ImportError as missing:
        if "pip install" not in str(missing):
            raise
        _say(f"{prog}: error: {missing}")
        status = WRONG
    sys.exit(status)


def _interruptible(main):
    """An interruption that a library turns into an error of its own, as extension modules do to one that comes while
    they import, is one all the same; and one that comes where nothing can be raised, as in what JAX does after each
    garbage collection, comes once more."""
    came = []

    def noted(number, frame):
        came.append(number)
        signal.default_int_handler(number, frame)

    def ignored(what):
        if what.exc_type is KeyboardInterrupt:
            threading.Timer(0.01, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        else:
            usual(what)

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ours = ours and threading.current_thread() is threading.main_thread()
    usual = sys.unraisablehook
    if ours:
        signal.signal(signal.SIGINT, noted)
        sys.unraisablehook = ignored
    try:
        return main()
    except Exception as problem:
        if came:
            raise KeyboardInterrupt from problem
        raise
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = usual


def _flushed(main):
    try:
        return main()
    except SystemExit as end:  # of --help, or of a mistake
        return end.code
    finally:
        sys.stdout.flush()  # a closed pipe is found out here, not while the interpreter shuts down


def _open_streams():
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the start: the exit status is all that is wanted
            setattr(sys, name, open(os.devnull, "w"))
        elif stream.errors in ("strict", "surrogateescape"):  # which refuse ≠ in an encoding that lacks it
            stream.reconfigure(errors="backslashreplace")


def _discard_output():
    # what is left in the buffer would raise once more at exit
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message):
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)
