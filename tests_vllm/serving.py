"""A vLLM server over loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

SERVER = [
    "-m",
    "vllm.entrypoints.openai.api_server",
]  # `vllm serve`, which the CPU build's script cannot start
START_S = 600
CPU_OPTIONS = ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "16384"]  # see engines/vllm.py


@contextmanager
def serving(model: Path | str, log: Path, *options: str) -> Iterator[str]:
    """The URL of a running server; its output goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *SERVER, "--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--enforce-eager", "--gpu-memory-utilization", "0.15", *options]
    environment = os.environ | {"VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)  # engines in this process have set it
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _wait(server: subprocess.Popen[bytes], health: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            with urlopen(health, timeout=5):
                return
        except OSError:
            ended = server.poll()
            assert ended is None, (
                f"the server has ended with {ended}: {log.read_text(encoding='utf-8')[-1_000:]}"
            )
            time.sleep(0.5)
    raise AssertionError(f"the server does not answer: {log.read_text(encoding='utf-8')[-1_000:]}")
