"""What the two commands share: exit codes, and errors without a traceback."""

from __future__ import annotations

__all__ = ["EXIT_FAILED_CELLS", "EXIT_INTERRUPTED", "exit_command", "run_command"]

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from .errors import UserError
from .visible import say

EXIT_FAILED_CELLS = 1
EXIT_INTERRUPTED = 130
#: What is left by a command that commits its work piece by piece.
CONTINUES = "what is finished is kept, the next run continues"


def run_command(main: Callable[[], int], *, interrupted: str = CONTINUES) -> int:
    """Call `main` and turn what a user can cause into a sentence and an exit code.

    `interrupted` says what an interruption leaves behind.
    """
    try:
        with _terminable():
            return main()
    except UserError as error:
        say(f"error: {error}", error=True)
        return error.exit_code
    except KeyboardInterrupt:
        say(f"interrupted; {interrupted}", error=True)
        return EXIT_INTERRUPTED
    except MemoryError as error:
        say(f"error: memory is exhausted ({error}); {interrupted}", error=True)
        return UserError.exit_code
    except BrokenPipeError:
        # The reader of our output went away, as `head` does: not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INTERRUPTED
    except OSError as error:
        # Any path may be one that no file system can hold: a table pasted as a name, for example.
        if error.errno != errno.ENAMETOOLONG:
            raise
        name = str(error.filename)
        shown = name if len(name) <= 60 else f"{name[:60]}…"
        say(f"error: {shown!r} is too long to be the name of a file or folder", error=True)
        return UserError.exit_code


def exit_command(main: Callable[[], int], *, interrupted: str = CONTINUES) -> NoReturn:
    """Run `main` as :func:`run_command` does, and end the process with its exit code.

    Once interrupted, a second Ctrl-C ends the process at once, in the middle of whatever
    libraries do at exit; the next run removes what stays behind.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that are no UTF-8, as stderr shows them
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run_command(main, interrupted=interrupted)
    if code == EXIT_INTERRUPTED:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(EXIT_INTERRUPTED))
    sys.exit(code)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, which batch systems send when the time is up, ends a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
