"""math-verify in a process of its own, which may hang or die without harm.

Run as a program, this file is that process: a line of JSON in, a line of JSON out. It imports nothing of ours
and is started by path, because a child that `multiprocessing` spawns imports the caller's main module, torch
and all.
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
"""What the child may allocate: powers of powers would take the whole machine."""


class MathProcess:
    """A child that compares expressions; started when needed, and again after it died. Thread-safe.

    The child ends itself by alarm after `limit_s` seconds on one comparison (which works inside C code, and
    when the parent is gone), and when its input closes.
    """

    def __init__(self, limit_s: int) -> None:
        self.limit_s = limit_s
        self.forget()

    def compare(self, gold: str, answer: str, believing: bool = False) -> str:
        """`equal`, `different`, `answer unreadable`, or else why it cannot be judged.

        believing: any mathematics in the texts counts, and gold and answer change places, as published.
        """
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._end()
                self._child = self._start()
            try:
                outcome = _ask(self._child, [gold, answer, believing])
            except BaseException:
                self._child.kill()  # a late outcome must not be taken for the next one's
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
                self._child.kill()  # a forked copy of this process may hold its input open
            self._end()

    def forget(self) -> None:
        """Begin without a child. In a forked copy of this process, the child is the original's."""
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: the files beside this one must not shadow the standard library. A new session: spared by Ctrl-C.
        command = [sys.executable, "-P", __file__, str(self.limit_s)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)

    def _end(self) -> int | None:
        """Collect a child that has ended or is about to; its exit code."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.communicate()
        return child.returncode


def _ask(child: subprocess.Popen[bytes], question: list[str | bool]) -> str | None:
    """The child's outcome; None if it ended instead."""
    assert child.stdin and child.stdout
    child.stdin.write(json.dumps(question).encode() + b"\n")
    child.stdin.flush()
    reply = child.stdout.readline()
    return json.loads(reply) if reply else None


def _outcome(gold: str, answer: str, believing: bool) -> str:
    from math_verify import LatexExtractionConfig, parse, verify

    if believing:
        told, wanted = (parse(text, parsing_timeout=None) for text in (answer, gold))  # type: ignore
        return "equal" if verify(told, wanted, timeout_seconds=None) else "different"
    whole = [LatexExtractionConfig()]

    def read(text: str) -> list:
        return parse(f"${text}$", whole, fallback_mode="no_fallback", parsing_timeout=None)  # type: ignore

    if not (wanted := read(gold)):
        return "the gold cannot be read as mathematics"
    if not (told := read(answer)):
        return "answer unreadable"
    return "equal" if verify(wanted, told, timeout_seconds=None) else "different"


def _serve(limit_s: int) -> None:
    import math_verify  # noqa: F401  (loaded before the first alarm is set)

    answers, sys.stdout = sys.stdout, sys.stderr  # a library that prints must not answer for us
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time limit is off
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for line in sys.stdin:
        signal.alarm(limit_s)
        outcome = _outcome(*json.loads(line))
        signal.alarm(0)
        answers.write(json.dumps(outcome) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
