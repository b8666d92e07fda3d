"""math-verify in a child process with limits of time and memory.

Run as a program, this file is the child: one line of JSON in, one line of JSON out. It imports nothing of
this package and is started by path, because a child of `multiprocessing` imports the caller's main module,
with torch.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import subprocess
import sys
import threading

MEMORY_BYTES = 4 << 30
"""Memory limit of the child; powers of powers would take all memory."""


class MathProcess:
    """A child process that compares expressions, started on demand and restarted after it died. Thread-safe.

    An alarm ends the child after `limit_s` seconds of one comparison (it works inside C code, and without the
    parent), and it ends when its input closes.
    """

    def __init__(self, limit_s: int) -> None:
        self.limit_s = limit_s
        self.forget()

    def compare(self, gold: str, answer: str, believing: bool = False, decimals: int = 6) -> str:
        """ "equal", "different", "answer unreadable", or the reason why it cannot be judged.

        believing: any mathematics in the texts counts, and gold and answer change places, as in published
        code. decimals: to which values are rounded.
        """
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._end()
                self._child = self._start()
            try:
                outcome = _request(self._child, [gold, answer, believing, decimals])
            except BaseException:
                self._child.kill()  # a late outcome must not be read as the next one's
                self._end()
                raise
            if outcome is not None:
                return outcome
            code = self._end()
        if code == -signal.SIGALRM:
            return f"math-verify took longer than {self.limit_s} s"
        return f"math-verify's process ended with code {code}"

    def close(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.kill()  # a forked copy of this process may keep its input open
            self._end()

    def forget(self) -> None:
        """Drop the child without ending it: in a forked process it belongs to the parent."""
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: the files beside this one must not shadow the standard library. A new session: spared by Ctrl-C.
        command = [sys.executable, "-P", __file__, str(self.limit_s)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)

    def _end(self) -> int | None:
        """Wait for a child that has ended or is ending, and return its exit code."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.communicate()
        return child.returncode


def _request(child: subprocess.Popen[bytes], comparison: list[str | bool | int]) -> str | None:
    """The child's outcome; None if the child ended."""
    assert child.stdin and child.stdout
    child.stdin.write(json.dumps(comparison).encode() + b"\n")
    child.stdin.flush()
    reply = child.stdout.readline()
    return json.loads(reply) if reply else None


def _outcome(gold: str, answer: str, believing: bool, decimals: int) -> str:
    from math_verify import LatexExtractionConfig, parse, verify

    if believing:
        answers, golds = (parse(text, parsing_timeout=None) for text in (answer, gold))  # type: ignore
        return "equal" if verify(answers, golds, timeout_seconds=None) else "different"
    whole = [LatexExtractionConfig()]

    def read(text: str) -> list:
        return parse(f"${text}$", whole, fallback_mode="no_fallback", parsing_timeout=None)  # type: ignore

    if not (golds := read(gold)):
        return "the gold cannot be read as mathematics"
    if not (answers := read(answer)):
        return "answer unreadable"
    same = verify(golds, answers, float_rounding=decimals, timeout_seconds=None)
    return "equal" if same else "different"


def _serve(limit_s: int) -> None:
    import math_verify  # noqa: F401  (loaded before the first alarm is set)

    outcomes, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no outcome
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time limit is off
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for line in sys.stdin:
        signal.alarm(limit_s)
        outcome = _outcome(*json.loads(line))
        signal.alarm(0)
        outcomes.write(json.dumps(outcome) + "\n")
        outcomes.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
