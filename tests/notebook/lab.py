"""JupyterLab and a headless browser for tests: real programs, folders of their own, all ended at the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from earshot.core.optional import is_installed
from earshot.core.types import Audio

PACKAGES = ("jupyterlab", "ipykernel", "anywidget", "nbclient", "selenium")


def require_lab() -> None:
    """Skips visibly where a part is missing."""
    if missing := [name for name in PACKAGES if not is_installed(name)]:
        pytest.skip(f"no {', '.join(missing)}: pip install 'earshot[notebook,dev]'")
    if not (chromium() and shutil.which("chromedriver")):
        pytest.skip("no browser: apt install chromium chromium-driver")


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def private_environment(folder: Path, base: dict[str, str] | None = None) -> dict[str, str]:
    """Every place where Jupyter, IPython or Earshot keep things lies in ``folder``."""
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "EARSHOT_HOME": "earshot",
    }
    if base is None:
        places["HOME"] = "home"
    for name in places.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {**(base or os.environ), **{key: str(folder / name) for key, name in places.items()}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def jupyter_lab(folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """JupyterLab with ``folder/notebooks`` as its root; yields its address."""
    root = folder / "notebooks"
    root.mkdir(exist_ok=True)
    port = free_port()
    environment = environment or private_environment(folder)
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"),
        *("--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"),
        *("--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"),
        "--ServerApp.allow_remote_access=True",
        *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
    ]
    with (folder / "jupyter.log").open("wb") as log:
        # A session of its own, so that its kernels end with it.
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status", server, folder / "jupyter.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            end(server)
            _end_kernels(folder / "runtime")


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise AssertionError(f"JupyterLab has ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab does not answer: {log.read_text()[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those of its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_kernels(runtime: Path) -> None:
    """Kernels have sessions of their own; the server's end takes them along, or we do."""
    for process in running_kernels(runtime):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def running_kernels(runtime: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(runtime).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


@contextlib.contextmanager
def browser(
    folder: Path,
    *,
    sound: Path | None = None,
    arguments: tuple[str, ...] = (),
    preferences: dict[str, object] | None = None,
    size: tuple[int, int] = (1280, 1000),
) -> Iterator[Any]:
    """Headless Chromium whose microphone plays ``sound`` once from the moment it is opened."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    profile = folder / f"profile-{time.monotonic_ns()}"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium() or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-sync",
        "--no-first-run",
        "--mute-audio",
        "--lang=en-GB",
        # A click by script is no gesture; without one, sound may stay suspended for ever.
        "--autoplay-policy=no-user-gesture-required",
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
        *arguments,
    ):
        options.add_argument(argument)
    if sound is not None:
        options.add_argument("--use-fake-ui-for-media-stream")
        options.add_argument("--use-fake-device-for-media-stream")
        options.add_argument(f"--use-file-for-fake-audio-capture={sound}%noloop")
    options.add_experimental_option("prefs", preferences or {})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(60)
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def write_clip(path: Path, audio: Audio, *, before: float = 1.0, after: float = 3.0) -> None:
    """Mono, 48 kHz, as Chromium's fake microphone likes it best, with silence around."""
    samples = soxr.resample(audio.samples, audio.sample_rate, 48_000)
    parts = [np.zeros(round(before * 48_000)), samples, np.zeros(round(after * 48_000))]
    soundfile.write(path, np.concatenate(parts), 48_000, subtype="PCM_16")


def write_notebook(path: Path, *cells: str) -> None:
    document = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(document))


class Page:
    """A notebook in JupyterLab, and its kernel from behind."""

    def __init__(self, driver: Any, address: str, name: str, runtime: Path) -> None:
        self.driver = driver
        self._runtime = runtime
        driver.get(f"{address}/lab/tree/{name}?reset")
        self.until("return window.jupyterapp && document.querySelector('.jp-Notebook .jp-Cell') !== null", 120)
        self.until(
            "const panel = window.jupyterapp.shell.currentWidget;"
            "return panel && panel.sessionContext && panel.sessionContext.session"
            " && panel.sessionContext.session.kernel && panel.sessionContext.session.kernel.status === 'idle'",
            120,
        )

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def until(self, code: str, seconds: float = 30, *arguments: Any) -> Any:
        """The first value of the script that is true."""
        deadline = time.monotonic() + seconds
        while True:
            if value := self.script(code, *arguments):
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {code}\n{self.state()}")
            time.sleep(0.1)

    def run_all(self) -> None:
        self.script("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def run_cell(self, index: int) -> None:
        self.script(
            "const notebook = window.jupyterapp.shell.currentWidget.content;"
            "notebook.activeCellIndex = arguments[0];"
            "window.jupyterapp.commands.execute('notebook:run-cell')",
            index,
        )

    def command(self, name: str) -> None:
        self.script("window.jupyterapp.commands.execute(arguments[0])", name)

    def wait_for_recorder(self, count: int = 1) -> None:
        self.until(
            "return document.querySelectorAll('.earshot-recorder[data-status=idle]').length === arguments[0]",
            120,
            count,
        )

    def click(self, selector: str, index: int = 0) -> None:
        self.until(
            "const found = document.querySelectorAll(arguments[0])[arguments[1]];"
            "return found && !found.disabled && (found.click(), true)",
            30,
            selector,
            index,
        )

    def lines(self, index: int = 0) -> list[str]:
        """The finals of a recorder."""
        return self.script(
            "return [...document.querySelectorAll('.earshot-recorder')[arguments[0]]"
            ".querySelectorAll('.earshot-finals .earshot-text')].map((line) => line.textContent)",
            index,
        )

    def status(self, index: int = 0) -> str:
        return self.script(
            "return document.querySelectorAll('.earshot-recorder')[arguments[0]].dataset.status", index
        )

    def said(self, index: int = 0) -> str:
        """What the recorder says of itself."""
        return self.script(
            "return document.querySelectorAll('.earshot-recorder')[arguments[0]]"
            ".querySelector('.earshot-status').textContent",
            index,
        )

    def errors(self) -> list[str]:
        """What went wrong in the page since the last question, apart from files that servers lack."""
        entries = self.driver.get_log("browser")
        return [
            entry["message"] for entry in entries if entry["level"] == "SEVERE" and entry["source"] != "network"
        ]

    def state(self) -> str:
        logs = [entry["message"][:300] for entry in self.driver.get_log("browser")][-8:]
        shown = self.script(
            "return [...document.querySelectorAll('.jp-OutputArea')].map((area) => area.innerText).join(' | ')"
        )
        return f"{shown[:2000]}\n" + "\n".join(logs)

    def kernel(self, code: str, seconds: float = 60) -> Any:
        """What ``code``, run in the notebook's kernel, leaves in ``answer``; must be JSON."""
        from jupyter_client.blocking.client import BlockingKernelClient

        session = "return window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id"
        client = BlockingKernelClient(
            connection_file=str(self._runtime / f"kernel-{self.script(session)}.json")
        )
        client.load_connection_file()
        client.start_channels()
        try:
            output: list[str] = []

            def hook(message: dict[str, Any]) -> None:
                content = message["content"]
                if message["msg_type"] == "stream" and content["name"] == "stdout":
                    output.append(content["text"])
                elif message["msg_type"] == "error":
                    raise AssertionError("\n".join(content["traceback"]))

            client.execute_interactive(
                f"{code}\nimport json as _json; print('ANSWER' + _json.dumps(answer))",
                store_history=False,
                timeout=seconds,
                output_hook=hook,
            )
            return json.loads("".join(output).rpartition("ANSWER")[2])
        finally:
            client.stop_channels()
