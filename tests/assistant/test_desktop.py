"""Text, keys, windows and the clipboard on real displays: X11 in Xvfb, Wayland in Sway without a screen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from earshot.assistant.desktop import Window, find_desktop
from earshot.assistant.desktop.keys import parse_keys
from earshot.assistant.desktop.wayland import WaylandDesktop
from earshot.assistant.desktop.x11 import X11Desktop
from earshot.assistant.desktop.x11_keymap import keysym_character
from earshot.core.errors import ActionError
from tests.assistant.screens import focus, need, pad, started, wayland_screen, x11_screen
from tests.live.virtual_microphone import wait_for

SCRIPTS = {
    "english": "It's 5 o'clock; \"quoted\" & <done> 100% {a|b} ~/x\\y @home #1 50^2",
    "options": "--help -x --file=/etc/passwd -",
    "shell": "$(touch /tmp/x) `id` ; rm -rf * && echo $HOME | cat > y",
    "russian": "Съешь же ещё этих мягких французских булок, да выпей чаю. ЁЖИК — №5 «да»",
    "accents": "Zażółć gęślą jaźń, naïve résumé, Ångström, ẞß, Kraków",
    "combining": "e\u0301 a\u0308 и\u0306 n\u0303",
    "emoji": "ok 👍🏽 👩\u200d🚀 🇺🇦 ❤\ufe0f",
    "others": "漢字かな 한국어 עברית العربية हिन्दी ไทย Ελληνικά",
    "spaces": "  two  spaces  ",
}


@pytest.fixture(scope="module")
def x11(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with x11_screen(tmp_path_factory.mktemp("x11")) as environment:
        yield environment


@pytest.fixture(scope="module")
def wayland() -> Iterator[dict[str, str]]:
    with wayland_screen() as environment:
        yield environment


@pytest.fixture(params=["x11", "wayland"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    found: dict[str, str] = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def desktop(environment: dict[str, str]) -> X11Desktop | WaylandDesktop:
    found = find_desktop(environment)
    assert isinstance(found, X11Desktop | WaylandDesktop)
    return found


class TestTyping:
    def test_what_arrives_is_what_was_sent(
        self, desktop: X11Desktop | WaylandDesktop, environment: dict[str, str], tmp_path: Path
    ) -> None:
        sent = ""
        with pad(tmp_path, environment, desktop=desktop) as window:
            for text in SCRIPTS.values():
                desktop.type_text(text)
                sent += text
                window.expect(sent)

    def test_a_newline_is_enter_and_keys_are_pressed(
        self, desktop: X11Desktop | WaylandDesktop, environment: dict[str, str], tmp_path: Path
    ) -> None:
        with pad(tmp_path, environment, desktop=desktop) as window:
            desktop.type_text("one\ntwo")
            desktop.press("ctrl+a")
            desktop.press("control e")
            desktop.press("Page_Down")
            desktop.press("стрелка вверх", 2)
            desktop.press("escape")
            desktop.press("shift+t")
            window.expect("one\rtwo\x01\x05\x1b[6~\x1b[A\x1b[A\x1bT")

    @pytest.mark.parametrize("text", ["a\x1bc", "a\tb", "a\rb", "a\x00", "\x03", "a\u2028b", "\ud800"])
    def test_control_characters_are_never_typed(
        self, desktop: X11Desktop | WaylandDesktop, environment: dict[str, str], tmp_path: Path, text: str
    ) -> None:
        with pytest.raises(ActionError, match="never typed"):
            desktop.type_text(text)

    def test_a_long_text_in_many_alphabets_needs_more_keys_than_there_are(
        self, x11: dict[str, str], tmp_path: Path
    ) -> None:
        """Two texts of 80 other characters, so that keys are lent a second time."""
        desktop = X11Desktop(x11)
        text = (
            "".join(map(chr, range(0x0561, 0x0561 + 38))) + " " + "".join(map(chr, range(0x10D0, 0x10D0 + 33)))
        )
        with pad(tmp_path, x11, desktop=desktop) as window:
            desktop.type_text(text[:39])
            window.expect(text[:39])
            desktop.type_text(text[39:])
            window.expect(text)

    def test_another_process_finds_the_keys_as_the_last_one_left_them(
        self, x11: dict[str, str], tmp_path: Path
    ) -> None:
        desktop = X11Desktop(x11)
        with pad(tmp_path, x11, desktop=desktop) as window:
            desktop.type_text("Добрый день")
            X11Desktop(x11).type_text(", добрый вечер 漢")
            window.expect("Добрый день, добрый вечер 漢")

    def test_caps_lock_turns_nothing_round(self, x11: dict[str, str], tmp_path: Path) -> None:
        need("xset")
        desktop = X11Desktop(x11)
        with pad(tmp_path, x11, desktop=desktop) as window:
            desktop.press("caps lock")
            try:
                desktop.type_text("Hello, Привет")
                desktop.press("a")  # as before: it is still locked
                window.expect("Hello, ПриветA")
            finally:
                desktop.press("caps lock")

    def test_a_keyboard_with_two_layouts(self, tmp_path: Path) -> None:
        need("setxkbmap")
        with x11_screen(tmp_path) as environment:
            desktop = X11Desktop(environment)
            with started("setxkbmap", "us,ru", environment=environment) as layout:
                assert wait_for(lambda: layout.poll() == 0)
            with pad(tmp_path, environment, desktop=desktop) as window:
                desktop.type_text("Привет, world: ёж & é!")
                window.expect("Привет, world: ёж & é!")


class TestWindows:
    def test_the_window_with_the_focus(
        self, desktop: X11Desktop | WaylandDesktop, environment: dict[str, str], tmp_path: Path
    ) -> None:
        with (
            pad(tmp_path, environment, "first", desktop=desktop),
            pad(tmp_path, environment, "second", desktop=desktop),
        ):
            active = desktop.active_window()
            assert active is not None
            assert active.title == "second"
            assert active.application.lower() in ("xterm", "foot", "")
            focus(environment, "first", desktop)
            assert desktop.active_window() != active

    def test_listed_activated_and_closed_on_wayland(self, wayland: dict[str, str], tmp_path: Path) -> None:
        check_windows(WaylandDesktop(wayland), wayland, tmp_path)

    def test_listed_activated_and_closed_on_x11(self, x11: dict[str, str], tmp_path: Path) -> None:
        need("openbox", "wmctrl")
        with started("openbox", environment=x11):
            desktop = X11Desktop(x11)
            assert wait_for(lambda: listed(desktop) is not None)
            check_windows(desktop, x11, tmp_path)

    @pytest.mark.parametrize("identity", ["--help", "1; kill", "0x12", "", "1] kill"])
    def test_what_is_no_window_is_refused(self, desktop: X11Desktop | WaylandDesktop, identity: str) -> None:
        with pytest.raises(ActionError, match="no window"):
            desktop.close(Window(identity))


def listed(desktop: X11Desktop | WaylandDesktop) -> tuple[Window, ...] | None:
    try:
        return desktop.windows()
    except ActionError:
        return None


def check_windows(desktop: X11Desktop | WaylandDesktop, environment: dict[str, str], folder: Path) -> None:
    with (
        pad(folder, environment, "first", desktop=desktop),
        pad(folder, environment, "second", desktop=desktop),
    ):
        found = {window.title: window for window in desktop.windows()}
        assert {"first", "second"} <= found.keys()
        assert found["first"].application.lower() in ("xterm", "foot")
        desktop.activate(found["first"])
        assert wait_for(lambda: desktop.active_window() == found["first"])
        desktop.maximise(found["first"])
        desktop.minimise(found["second"])
        desktop.close(found["first"])
        assert wait_for(lambda: "first" not in {window.title for window in desktop.windows()})


class TestClipboardAndScreen:
    @pytest.mark.parametrize("text", ["Здравствуй, 👍🏽\nsecond line\n", "--help", "a\tb"])
    def test_what_is_read_is_what_was_written(self, desktop: X11Desktop | WaylandDesktop, text: str) -> None:
        need("xclip") if desktop.name == "x11" else need("wl-copy")
        desktop.write_clipboard(text)
        assert wait_for(lambda: desktop.read_clipboard() == text)

    def test_a_screenshot_is_a_new_file(self, desktop: X11Desktop | WaylandDesktop, tmp_path: Path) -> None:
        need("maim") if desktop.name == "x11" else need("grim")
        path = desktop.screenshot(tmp_path / "screen.png")
        assert path.read_bytes().startswith(b"\x89PNG")
        with pytest.raises(ActionError, match="exists already"):
            desktop.screenshot(path)


class TestWhatIsMissing:
    def test_no_display(self) -> None:
        with pytest.raises(ActionError, match="no display"):
            find_desktop({"PATH": os.defpath})

    @pytest.mark.parametrize(
        ("variable", "package"), [("DISPLAY", "xdotool"), ("WAYLAND_DISPLAY", "wtype or ydotool")]
    )
    def test_no_program_that_types(self, tmp_path: Path, variable: str, package: str) -> None:
        with pytest.raises(ActionError, match=f"apt install {package}"):
            find_desktop({variable: ":99", "PATH": str(tmp_path)})

    def test_a_display_that_is_gone(self) -> None:
        need("xdotool", "xmodmap")
        desktop = X11Desktop({"DISPLAY": "/nowhere:1", "PATH": os.environ["PATH"]})
        with pytest.raises(ActionError, match="failed"):
            desktop.type_text("x")

    def test_a_program_that_hangs_is_given_up(self, tmp_path: Path) -> None:
        from earshot.assistant.desktop.programs import Programs

        with pytest.raises(ActionError, match="no answer"):
            Programs(os.environ).call(["sleep", "60"], time_limit=0.1)

    @pytest.mark.parametrize("keys", [False, True])
    def test_a_compositor_that_takes_no_keyboard(self, tmp_path: Path, keys: bool) -> None:
        need("weston", "wtype")
        with tempfile.TemporaryDirectory(prefix="weston", dir="/tmp") as runtime:
            environment = {"XDG_RUNTIME_DIR": runtime, "HOME": runtime, "PATH": os.environ["PATH"]}
            socket = Path(runtime) / "wayland-9"
            argv = ("weston", "--backend=headless-backend.so", "--socket=wayland-9", "--no-config")
            with started(*argv, environment=environment) as compositor:
                assert wait_for(lambda: socket.exists() or compositor.poll() is not None)
                if compositor.poll() is not None:
                    pytest.skip("weston cannot run here without a screen")
                (tmp_path / "wtype").symlink_to(shutil.which("wtype") or "")
                environment |= {"PATH": str(tmp_path), "WAYLAND_DISPLAY": "wayland-9"}
                desktop = find_desktop(environment)
                with pytest.raises(ActionError, match="apt install ydotool"):
                    desktop.press("enter") if keys else desktop.type_text("x")
                record(tmp_path / "ydotool", tmp_path / "typed")
                desktop.press("ctrl+c") if keys else desktop.type_text("x")
                typed = (tmp_path / "typed").read_text()
                assert typed == ("key 29:1 46:1 46:0 29:0\n" if keys else "type --file -\n")
                with pytest.raises(ActionError, match="US keyboard"):
                    desktop.type_text("ё")

    def test_windows_of_other_compositors(self, tmp_path: Path) -> None:
        (tmp_path / "wtype").touch(0o755)
        desktop = WaylandDesktop({"WAYLAND_DISPLAY": "wayland-9", "PATH": str(tmp_path)})
        with pytest.raises(ActionError, match="use Sway"):
            desktop.windows()


def record(program: Path, arguments: Path) -> None:
    """A program that writes down its arguments: no machine without hands has the kernel's keyboards."""
    program.write_text(f'#!/bin/sh\necho "$*" >> {arguments}\n')
    program.chmod(0o755)


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ("ctrl+shift+t", ["Control_L", "Shift_L", "t"]),
            ("control shift t", ["Control_L", "Shift_L", "t"]),
            ("контрол шифт т", ["Control_L", "Shift_L", "U0442"]),
            ("page_down", ["Page_Down"]),
            ("Page-Down", ["Page_Down"]),
            ("страница вниз", ["Page_Down"]),
            ("alt f4", ["Alt_L", "F4"]),
            ("ctrl+-", ["Control_L", "minus"]),
            ("ctrl++", ["Control_L", "plus"]),
            ("-", ["minus"]),
            ("+", ["plus"]),
            ("super", ["Super_L"]),
            ("энтер", ["Return"]),
            ("right alt e", ["ISO_Level3_Shift", "e"]),
        ],
    )
    def test_as_people_say_and_write_them(self, keys: str, expected: list[str]) -> None:
        chord = parse_keys(keys)
        assert [key.keysym for key in (*chord.modifiers, chord.key)] == expected

    @pytest.mark.parametrize(
        ("keys", "message"),
        [("", "no key is named"), ("ctrl+etner", "did you mean 'enter'"), ("a b", "more than one key"),
         ("--help", "no key"), ("ctrl+\x07", "no key")],
    )  # fmt: skip
    def test_what_is_no_key(self, keys: str, message: str) -> None:
        with pytest.raises(ActionError, match=message):
            parse_keys(keys)

    @pytest.mark.parametrize(
        ("keysym", "character"), [(0x61, "a"), (0x6C1, "а"), (0x6B3, "Ё"), (0x101F44D, "👍"), (0xFF0D, "")]
    )
    def test_characters_of_keysyms(self, keysym: int, character: str) -> None:
        assert keysym_character(keysym) == character


class TestNotification:
    def test_is_shown_with_its_markup_as_text(self, x11: dict[str, str], tmp_path: Path) -> None:
        need("notify-send", "dbus-run-session", "dunst")
        heard = tmp_path / "heard"
        script = tmp_path / "script.sh"
        rule = "type='method_call',interface='org.freedesktop.Notifications'"
        python = """
from earshot.assistant.desktop import find_desktop
find_desktop().notify("--Timer", "<b>tea</b> & cake")
"""
        (tmp_path / "note.py").write_text(python)
        script.write_text(
            f'dbus-monitor "{rule}" > {heard} & monitor=$!\n'
            "dunst & dunst=$!\n"
            f"until grep -q NameAcquired {heard}; do sleep 0.1; done\n"
            f'"$PYTHON" {tmp_path}/note.py\n'
            f"until grep -q cake {heard}; do sleep 0.1; done\n"
            "kill $monitor $dunst\n"
        )
        import sys

        environment = x11 | {"PYTHON": sys.executable}
        with started("dbus-run-session", "--", "sh", str(script), environment=environment) as session:
            assert wait_for(lambda: session.poll() is not None)
        text = heard.read_text()
        assert "--Timer" in text
        assert "&lt;b&gt;tea&lt;/b&gt; &amp; cake" in text
