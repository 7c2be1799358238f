"""The page in a headless browser, as a person would use it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from earshot.core.optional import is_installed
from earshot.core.types import Audio


def require_browser() -> None:
    """Skips visibly where a part is missing."""
    if not is_installed("selenium"):
        pytest.skip("no selenium: pip install 'earshot[dev]'")
    if not (_chromium() and shutil.which("chromedriver")):
        pytest.skip("no browser: apt install chromium chromium-driver")


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser(
    folder: Path,
    *,
    sound: Path | None = None,
    size: tuple[int, int] = (1280, 900),
    is_dark: bool = False,
) -> Iterator[Any]:
    """Headless Chromium whose microphone plays ``sound`` once from the moment it is opened."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    profile = folder / f"profile-{time.monotonic_ns()}"
    options = webdriver.ChromeOptions()
    options.binary_location = _chromium() or ""
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
        *("--disable-sync", "--no-first-run", "--mute-audio", "--lang=en-GB", "--hide-scrollbars"),
        "--autoplay-policy=no-user-gesture-required",
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
    ):
        options.add_argument(argument)
    if is_dark:
        options.add_argument("--force-dark-mode")
    if sound is not None:
        options.add_argument("--use-fake-ui-for-media-stream")
        options.add_argument("--use-fake-device-for-media-stream")
        options.add_argument(f"--use-file-for-fake-audio-capture={sound}%noloop")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder), "download.prompt_for_download": False}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(60)
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def write_clip(path: Path, audio: Audio, *, before: float = 1.0, after: float = 3.0) -> None:
    """Mono, 48 kHz, as Chromium's fake microphone likes it best, with silence around."""
    samples = soxr.resample(audio.samples, audio.sample_rate, 48_000)
    parts = [np.zeros(round(before * 48_000)), samples, np.zeros(round(after * 48_000))]
    soundfile.write(path, np.concatenate(parts), 48_000, subtype="PCM_16")


class Page:
    """The page in one tab."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address
        self.handle = driver.current_window_handle

    def open(self, hash_: str = "#/") -> Page:
        self.driver.switch_to.window(self.handle)
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/{hash_}")
        self.until("return globalThis.earshot !== undefined")
        return self

    def another(self, hash_: str = "#/") -> Page:
        """The page in a second tab."""
        self.driver.switch_to.new_window("tab")
        return Page(self.driver, self.address).open(hash_)

    def show(self) -> Page:
        """Bring the tab to the front."""
        self.driver.switch_to.window(self.handle)
        return self

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def until(self, code: str | Callable[[], Any], seconds: float = 30, *arguments: Any) -> Any:
        """The first value of the script that is true."""
        deadline = time.monotonic() + seconds
        while True:
            if value := (code() if callable(code) else self.script(code, *arguments)):
                return value
            if time.monotonic() > deadline:
                shown = self.script("return document.body.innerText")[:1500]
                raise AssertionError(f"not within {seconds} s: {code}\n{shown}\n{self.errors()}")
            time.sleep(0.05)

    def find(self, selector: str, seconds: float = 30) -> Any:
        return self.until(
            "const found = document.querySelector(arguments[0]);"
            "return found && !found.disabled && found.getClientRects().length ? found : null",
            seconds,
            selector,
        )

    def click(self, selector: str, seconds: float = 30) -> None:
        self.find(selector, seconds).click()

    def button(self, text: str) -> Any:
        """The button with that text."""
        return self.until(
            "return [...document.querySelectorAll('button')].find((button) =>"
            " button.getClientRects().length && button.textContent.trim() === arguments[0])",
            30,
            text,
        )

    def text(self, selector: str) -> str:
        return str(self.script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.script(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector
        )
        return found

    def word(self, segment: int, position: int) -> Any:
        """A word in the transcript."""
        return self.find(f'.w[data-at="{segment}.{position}"]')

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def double_click(self, element: Any) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).double_click(element).perform()

    def errors(self) -> list[str]:
        """What went wrong in the page since the last question, apart from answers that are no success."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and entry["source"] != "network"
        ]

    def screenshot(self, name: str, fallback: Path) -> None:
        """Keep a picture in ``$EARSHOT_SCREENSHOTS``, else in a folder that goes."""
        folder = Path(os.environ.get("EARSHOT_SCREENSHOTS", fallback))
        folder.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(folder / f"{name}.png"))
