"""Killed at any moment and started again, a synthesis comes to the same end, and asks nothing that was
answered."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

from tests.servers import ChatServer
from tests.synth.rewriter import answered, digest, files, rewritten, synth, tables

KILLS, EXAMPLES, AT_ONCE = 10, 120, 4


def test_ten_kills_change_nothing_and_repeat_only_what_was_on_its_way(tmp_path):
    rng = random.Random(0)
    common = ["open_r1_multimodal", "--data", f"drawn:counting:{EXAMPLES}", "--at-once", AT_ONCE]
    with ChatServer(rewritten, delay_s=0.05) as server:
        assert synth(*common, "--teacher", server.url, "--out", tmp_path / "whole") == 0
        undisturbed = sorted(map(digest, server.bodies))
        server.bodies.clear()
        known: list[tuple[int, set[str]]] = []
        command = [sys.executable, "-m", "seethink", "synth", *map(str, common), "--teacher", server.url]
        for _ in range(KILLS):
            _kill_after(rng.randint(1, 9), [*command, "--out", str(tmp_path / "killed")], server, rng)
            known.append((len(server.bodies), answered(tmp_path / "killed")))
        assert synth(*common, "--teacher", server.url, "--out", tmp_path / "killed") == 0
        asked = [digest(body) for body in server.bodies]

    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")
    assert sorted({*asked}) == undisturbed
    assert len({len(had) for _, had in known}) > KILLS // 2, "kills came at different moments"
    for came, had in known:
        assert not had & {*asked[came:]}, "what was answered is not asked again"
    # what was on its way, and what had come within `GATHER_S`
    assert len(asked) - len(undisturbed) <= KILLS * 2 * AT_ONCE


def _kill_after(requests: int, command: list[str], server: ChatServer, rng: random.Random) -> None:
    """SIGKILL a moment after the process has made so many requests."""
    before = len(server.bodies)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while len(server.bodies) < before + requests:
            assert process.poll() is None and time.monotonic() < until, "it ended before it was killed"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(process.pid, signal.SIGKILL)
