"""Displays that nobody looks at, and a window on them that keeps what is typed into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from earshot.assistant.desktop.wayland import WaylandDesktop
from earshot.assistant.desktop.x11 import X11Desktop
from tests.live.virtual_microphone import wait_for

_PACKAGES = {
    "Xvfb": "xvfb",
    "setxkbmap": "x11-xkb-utils",
    "xmodmap": "x11-xserver-utils",
    "xset": "x11-xserver-utils",
    "wl-copy": "wl-clipboard",
    "notify-send": "libnotify-bin",
    "dbus-run-session": "dbus",
    "import": "imagemagick",
}


def need(*programs: str) -> None:
    """Skip visibly, with the command that installs what is missing."""
    if missing := [_PACKAGES.get(name, name) for name in programs if shutil.which(name) is None]:
        pytest.skip(f"missing programs: apt install {' '.join(dict.fromkeys(missing))}")


@contextmanager
def started(*argv: str, environment: dict[str, str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextmanager
def x11_screen(folder: Path) -> Iterator[dict[str, str]]:
    """An X server with nothing on it, as an environment; at an address that it finds by itself."""
    need("Xvfb", "xdotool", "xmodmap", "xterm")
    reading, writing = os.pipe()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("WAYLAND_DISPLAY", "SWAYSOCK")
    }
    environment |= {"HOME": str(folder), "LC_ALL": "C.UTF-8"}
    argv = ("Xvfb", "-displayfd", str(writing), "-screen", "0", "1024x700x24", "-noreset", "-nolisten", "tcp")
    with started(*argv, environment=environment, pass_fds=(writing,)), os.fdopen(reading) as answer:
        os.close(writing)
        number = answer.readline().strip()  # given once it serves; empty where it has ended
        if not number:
            pytest.skip("Xvfb cannot run here")
        yield environment | {"DISPLAY": f":{number}"}


@contextmanager
def wayland_screen() -> Iterator[dict[str, str]]:
    """Sway without a screen, as an environment."""
    need("sway", "wtype", "foot", "wl-copy")
    with ExitStack() as stack:
        sway = shutil.which("sway") or "sway"
        # The path of a socket may have 108 bytes.
        runtime = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sway", dir="/tmp")))
        configuration = runtime / "config"
        configuration.write_text(f'exec sh -c "echo $WAYLAND_DISPLAY $SWAYSOCK > {runtime}/address"\n')
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SWAYSOCK")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {
            "XDG_RUNTIME_DIR": str(runtime),
            "HOME": str(runtime),
            "LC_ALL": "C.UTF-8",
            "WLR_BACKENDS": "headless",
            "WLR_LIBINPUT_NO_DEVICES": "1",
            "WLR_RENDERER": "pixman",
        }
        argv = (sway, "--config", str(configuration))
        options: dict[str, object] = {}
        if os.geteuid() == 0:  # Sway refuses to be run by root
            options = {"user": 65534, "group": 65534, "extra_groups": []}
            for path in (runtime, configuration):
                os.chown(path, 65534, 65534)
        process = stack.enter_context(started(*argv, environment=environment, **options))
        address = runtime / "address"
        wait_for(
            lambda: process.poll() is not None or (address.exists() and len(address.read_text().split()) == 2)
        )
        if process.poll() is not None or not address.exists():
            pytest.skip("sway cannot run here without a screen")
        display, socket = address.read_text().split()
        environment |= {"WAYLAND_DISPLAY": display, "SWAYSOCK": socket}
        # A keyboard that is always there, as on any desk: a window that must first learn that there is one
        # misses the first key.
        stack.enter_context(started("wtype", "-s", "600000", environment=environment))
        yield environment


class Pad:
    """A terminal that has the focus and keeps every byte that is typed into it."""

    def __init__(self, file: Path, title: str) -> None:
        self._file = file
        self.title = title

    @property
    def text(self) -> str:
        return self._file.read_bytes().decode("utf-8", "replace")

    def expect(self, text: str) -> None:
        """That arrives soon, and nothing else."""
        wait_for(lambda: self.text == text)
        assert self.text == text, f"{self.text!r} arrived"


@contextmanager
def pad(
    folder: Path,
    environment: dict[str, str],
    title: str = "pad",
    *,
    is_edited: bool = False,
    desktop: X11Desktop | WaylandDesktop,
) -> Iterator[Pad]:
    """is_edited: BackSpace works, and lines arrive when Enter is pressed; else keys arrive as they are."""
    file = folder / f"{title}.txt"
    script = folder / f"{title}.sh"
    mode = "stty iutf8 echo" if is_edited else "stty raw -echo iutf8"
    script.write_text(f"{mode}\nexec cat > '{file}'\n")
    shell = ("sh", str(script))
    if desktop.name == "x11":
        argv: tuple[str, ...] = ("xterm", "-u8", "-T", title, "-e", *shell)
    else:
        argv = ("foot", "--title", title, *shell)
    with started(*argv, environment=environment):
        assert wait_for(file.exists), "the terminal never starts"
        focus(environment, title, desktop)
        yield Pad(file, title)


def focus(environment: dict[str, str], title: str, desktop: X11Desktop | WaylandDesktop) -> None:
    """Give a window the keyboard, as a click on it would."""

    def has_focus() -> bool:
        if desktop.name == "x11":  # no window manager, so nobody but us gives it
            argv = ["xdotool", "search", "--onlyvisible", "--name", f"^{title}$", "windowfocus"]
            subprocess.run(argv, env=environment, capture_output=True)
        else:
            argv = ["swaymsg", f'[title="^{title}$"] focus']
            subprocess.run(argv, env=environment, capture_output=True)
        window = desktop.active_window()
        return window is not None and window.title == title

    assert wait_for(has_focus), "the window never gets the keyboard"
