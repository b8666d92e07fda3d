"""A synthesis that is killed at any moment and started again gives the same output, and repeats no answered
request."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

from tests.servers import ChatServer
from tests.synth.rewriting_server import answered_digests, digest, files, rewrite_reply, synth, tables

KILLS, EXAMPLES, MAX_CONCURRENCY = 10, 120, 4


def test_ten_kills_change_nothing_and_repeat_only_requests_in_flight(tmp_path):
    rng = random.Random(0)
    common = [
        "open_r1_multimodal",
        "--data",
        f"drawn:counting:{EXAMPLES}",
        "--max-concurrency",
        MAX_CONCURRENCY,
    ]
    with ChatServer(rewrite_reply, delay_s=0.05) as server:
        assert synth(*common, "--teacher", server.url, "--out", tmp_path / "whole") == 0
        undisturbed = sorted(map(digest, server.bodies))
        server.bodies.clear()
        known: list[tuple[int, set[str]]] = []
        command = [sys.executable, "-m", "seethink", "synth", *map(str, common), "--teacher", server.url]
        for _ in range(KILLS):
            _kill_after(rng.randint(1, 9), [*command, "--out", str(tmp_path / "killed")], server, rng)
            known.append((len(server.bodies), answered_digests(tmp_path / "killed")))
        assert synth(*common, "--teacher", server.url, "--out", tmp_path / "killed") == 0
        requested = [digest(body) for body in server.bodies]

    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")
    assert sorted({*requested}) == undisturbed
    assert len({len(had) for _, had in known}) > KILLS // 2, "kills came at different moments"
    for n, had in known:
        assert not had & {*requested[n:]}, "no answered request is repeated"
    # requests in flight, and replies within `COMMIT_INTERVAL_S`
    assert len(requested) - len(undisturbed) <= KILLS * 2 * MAX_CONCURRENCY


def _kill_after(requests: int, command: list[str], server: ChatServer, rng: random.Random) -> None:
    """Send SIGKILL shortly after the process has sent that many requests."""
    before = len(server.bodies)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while len(server.bodies) < before + requests:
            assert process.poll() is None and time.monotonic() < until, "it ended before it was killed"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(process.pid, signal.SIGKILL)
