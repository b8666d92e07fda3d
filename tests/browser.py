"""Pages in a real browser: headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE_S = 60


class Tab:
    """One page of the browser. said: what its console and its errors said."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._loop, self._socket, self._calls = loop, socket, 0
        self.said: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one command."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, params), PATIENCE_S))

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._calls:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.said.append(str([argument.get("value") for argument in params["args"]]))
        elif event.get("method") == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def value(self, expression: str) -> Any:
        """What JavaScript evaluates to, awaited. Raises RuntimeError where it throws."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Its value as soon as it is true."""
        until = time.monotonic() + PATIENCE_S
        while not (value := self.value(expression)):
            if time.monotonic() > until:
                raise TimeoutError(f"{expression} is still {value}; the page said {self.said}")
            time.sleep(0.02)
        return value

    def open(self, url: str, ready: str = "document.readyState === 'complete'") -> None:
        """Go to `url` and wait until `ready`."""
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href !== 'about:blank' && !!({ready})")

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def look_like(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the window, in CSS pixels, and the colours that the user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, whole: bool = False) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def browser() -> Iterator[Tab]:
    """A new browser with an empty profile, closed in the end."""
    assert CHROMIUM is not None
    loop = asyncio.new_event_loop()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        session = loop.run_until_complete(_session())
        try:
            socket = loop.run_until_complete(_connect(session, Path(profile) / "DevToolsActivePort"))
            tab = Tab(loop, socket)
            yield tab
            tab.call("Browser.close")
        finally:
            loop.run_until_complete(session.close())
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE_S)
            loop.close()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _connect(session: aiohttp.ClientSession, port_file: Path) -> aiohttp.ClientWebSocketResponse:
    until = time.monotonic() + PATIENCE_S
    while not (port_file.is_file() and port_file.read_text(encoding="ascii").count("\n")):
        if time.monotonic() > until:
            raise TimeoutError("Chromium did not start")
        await asyncio.sleep(0.05)
    port = port_file.read_text(encoding="ascii").splitlines()[0]
    async with session.get(f"http://127.0.0.1:{port}/json") as answer:
        pages = [page for page in await answer.json() if page["type"] == "page"]
    return await session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
