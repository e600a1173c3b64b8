"""Functions and commands of hsrl in processes of their own, which begin with everything imported: to import it takes three CPU seconds.

A server imports the flows once and forks for every call. What is called can die, be killed, fill a disk or change limits of its
process like any other process; only the imports are not done again.
"""

import atexit
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SERVER = "from tests.support.forked import serve; serve()"
# The last three are what the first training, the first judgement and the first study of a process would import.
IMPORTED = (
    "flows.cli.app",
    "flows.refresh.flow",
    "flows.retrain.flow",
    "torch._dynamo",
    "sklearn.metrics",
    "flows.study.reproduce",
)


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (negative: the signal that killed it), what it printed, CPU seconds, and the most memory in MB."""

    returncode: int
    stdout: str
    stderr: str
    cpu_seconds: float
    megabytes: float


def hsrl(*words: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, seconds: float = 120) -> Ended:
    """The command `hsrl` with these words."""
    return call(command, *words, cwd=cwd, env=env, seconds=seconds)


def command(*words: str) -> None:
    """The command itself, in the process that was forked for it."""
    from flows.cli.app import main

    sys.argv = ["hsrl", *words]
    main()


def call(
    function: Callable[..., None], *words: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, seconds: float = 120
) -> Ended:
    """A function of a module's top level, given texts, in a process of its own; killed after ``seconds``."""
    folder, asked_for = _server().folder, [str(word) for word in words]
    asked = {
        "function": [function.__module__, function.__qualname__],
        "words": asked_for,
        "cwd": str(cwd),
        "env": dict(os.environ if env is None else env),
        "seconds": seconds,
    }
    answer = _server().ask(asked)
    printed = [(folder / name).read_text(errors="replace") for name in ("out", "err")]
    return Ended(stdout=printed[0], stderr=printed[1], **answer)


class _Server:
    """The process that forks, and the folder of what is printed."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="hsrl-forked-")
        self.folder = Path(self._temporary.name)
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        atexit.register(self.close)

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        self._temporary.cleanup()


@cache
def _server() -> _Server:
    return _Server()


def serve() -> None:
    """Of the server: a request a line, an answer a line, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    for name in IMPORTED:
        import_module(name)
    assert threading.active_count() == 1, "a fork has only the thread that forks"
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            answers.close()
            _be(asked, Path(sys.argv[1]))
        while True:
            ended, status, used = os.wait4(pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() - began > asked["seconds"]:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        answer = {
            "returncode": os.waitstatus_to_exitcode(status),
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "megabytes": used.ru_maxrss / 1024,
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _be(asked: dict[str, Any], folder: Path) -> None:
    """The process that was asked for, to its end."""
    os.setsid()
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, file in enumerate(
        [os.open(os.devnull, os.O_RDONLY), os.open(folder / "out", flags), os.open(folder / "err", flags)]
    ):
        os.dup2(file, number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        module, name = asked["function"]
        getattr(import_module(module), name)(*asked["words"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 it is printed, as an interpreter does
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter that ends
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
