import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from seethink.types import Example, Response
from seethink.verify import same_math
from seethink.verify.math_process import MathProcess

ENDLESS = "9^{9^{9^{9}}}"


def judged(gold, answer):
    return same_math(Example(id="1", question="?", answer=gold), Response(text="", answer=answer))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "5"),
        ("5", "5."),
        ("1/2", r"\frac{1}{2}"),
        ("0.5", r"$\frac12$"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("x^2-1", "(x-1)(x+1)"),
        ("5", "x = 5"),
        ("1,2", "x=1 or x=2"),
        (r"5\pi", r"\(5 \pi\)"),
        ("5 cm", "5"),
        ("a>b>c", "a > b > c"),
        ("3:4", "3 to 4"),
        ("(2, 3)", "A(2, 3)"),
        (r"2\sqrt{3}", r"2\sqrt{3} (approximately 3.46)"),
        ("5", r"\approx 5"),
        ("y = 2x + 3", "2x - y + 3 = 0"),
    ],
)
def test_equal_mathematics_is_paid_in_any_notation(gold, answer):
    assert judged(gold, answer).value == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "4"),
        ("5", "4 or 5"),
        ("5", r"\boxed{4} \boxed{5}"),
        ("5", "4 = 5"),
        ("x = 5", "x = 4 = 5"),
        ("a>b>c", "a > c > b"),
        ("3:4", "4 to 3"),
        (r"2\sqrt{3}", r"2\sqrt{3} (approximately 3.56)"),
        ("5", "答案不是$5$"),
        ("3", "1 2"),
        ("3", r"1\quad 2"),
        ("5", "not 5"),
        ("5", ""),
        ("5", r"\frac{5"),
        ("5", None),
    ],
)
def test_what_is_not_equal_is_not_paid(gold, answer):
    assert judged(gold, answer).value == 0.0


@pytest.mark.parametrize("gold", [None, "odd by 3", "?", ""])
def test_a_gold_that_is_no_mathematics_cannot_be_judged(gold):
    assert judged(gold, "3").value is None


def test_an_endless_comparison_is_cut_off_and_the_next_one_judged():
    process = MathProcess(limit_s=1)
    assert process.compare("5", "5") == "equal"
    start = time.monotonic()
    assert process.compare("5", ENDLESS) == "math-verify took longer than 1 s"
    assert time.monotonic() - start < 5
    assert process.compare("5", "4") == "different"
    process.close()


def test_a_killed_process_is_replaced():
    process = MathProcess(limit_s=5)
    assert process.compare("5", "5") == "equal"
    assert process._child is not None
    process._child.kill()
    process._child.wait()
    assert process.compare("5", "5") == "equal"
    process.close()


def test_any_thread_may_ask_and_gets_its_own_verdict():
    verdicts: dict[int, float | None] = {}

    def ask(number):
        verdicts[number] = judged(str(number), f"{number // 2} + {number - number // 2}").value
        verdicts[-number] = judged(str(number), str(number + 1)).value

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == dict.fromkeys(range(1, 9), 1.0) | {-n: 0.0 for n in range(1, 9)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_copy_gets_a_process_of_its_own():
    assert judged("5", "5").value == 1.0
    pid = os.fork()
    if pid == 0:
        os._exit(0 if judged("6", "6").value == 1.0 and judged("6", "5").value == 0.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert judged("7", "7").value == 1.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_closing_does_not_wait_for_forked_copies():
    process = MathProcess(limit_s=5)
    assert process.compare("5", "5") == "equal"
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    start = time.monotonic()
    process.close()
    assert time.monotonic() - start < 5
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )


ASK = """
import sys
from seethink.types import Example, Response
from seethink.verify import same_math
from seethink.verify.symbolic import _PROCESS
assert _PROCESS._child is None
assert same_math(Example("1", "?", answer="5"), Response("", answer="4+1")).value == 1.0
assert not {"torch", "math_verify", "sympy"} & sys.modules.keys()
print(_PROCESS._child.pid)
"""


def alive(pid):
    """A process that ended but has not been collected by anybody is not alive."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid):
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_the_process_starts_late_loads_no_torch_and_ends_with_its_parent():
    done = run(ASK)
    assert (done.returncode, done.stderr) == (0, "")
    assert gone(int(done.stdout))


@pytest.mark.skipif(not os.path.exists("/proc"), reason="no /proc here")
def test_the_process_does_not_outlive_a_parent_that_was_killed():
    done = run(ASK + "sys.stdout.flush()\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -9
    assert gone(int(done.stdout))
