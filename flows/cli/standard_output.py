"""Standard output belongs to the answer: nothing else is written there, and an answer that finds no reader or room ends quietly."""

import os
import sys


def keep_for_answers() -> None:
    """Send what libraries print by themselves to standard error.

    DuckLake's inner connection draws a bar where a lookup takes two seconds, and no setting reaches it.
    """
    if sys.stdout is None:  # closed by the caller: no answer is read
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    stdout = sys.__stdout__
    if stdout is not None and sys.stdout is stdout:
        answers = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = os.fdopen(answers, "w", encoding=stdout.encoding)


def drop() -> None:
    """What is still to be written of the answer goes nowhere, where it finds no room; else the interpreter complains of it as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def abandon(line: str) -> None:
    """End the process at once, where a question does not stop when it is asked to; it holds nothing and has published nothing."""
    print("hsrl:", line, file=sys.stderr, flush=True)
    os._exit(2)
