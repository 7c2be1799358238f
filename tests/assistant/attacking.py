"""A temporary home in which attacks are carried out for real, and everything that came of them is seen."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from earshot.assistant.actions.base import Order, Outcome, Surroundings
from earshot.assistant.audit import AuditLog
from earshot.assistant.desktop import Window
from earshot.assistant.grammar import Grammar
from earshot.assistant.homes import STARTER
from earshot.assistant.performing import ActionBook, Performer
from earshot.assistant.timers import Timers
from tests.assistant.attacks import Attack

PROGRAMS = (
    "tool",
    "xdg-open",
    "touch",
    "rm",
    "curl",
    "calc",
    "pycharm",
    "x-terminal-emulator",
    "systemctl",
    "tee",
)
"""All on the PATH there is, and each only records its argv."""

MAY_RUN = ("tool", "xdg-open", "pycharm", "x-terminal-emulator")
"""Programs that the actions files configure for what is attacked; the others are never to run."""

_RECORDER = '#!/bin/sh\n/usr/bin/printf "%s\\0" "$#" "${{0##*/}}" "$@" >> "{record}"\n'


class Server(ThreadingHTTPServer):
    """Records requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []


class Handler(BaseHTTPRequestHandler):
    """Answers everything with 200."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        assert isinstance(self.server, Server)
        self.server.requests.append((self.command, self.path, body, dict(self.headers)))
        self.send_response(200)
        self.end_headers()

    do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        """Quiet."""


@dataclass
class Screen:
    """A desktop that remembers what reached it. No program is behind it, so nothing else can."""

    typed: list[str] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)
    name: str = "x11"

    def type_text(self, text: str) -> None:
        self.typed.append(text)

    def press(self, keys: str, times: int = 1) -> None:
        self.pressed += [keys] * times

    def windows(self) -> tuple[Window, ...]:
        return ()

    def active_window(self) -> Window | None:
        return None

    def activate(self, window: Window) -> None:
        raise AssertionError

    close = maximise = minimise = activate

    def read_clipboard(self) -> str:
        return ""

    def write_clipboard(self, text: str) -> None:
        raise AssertionError(text)

    def screenshot(self, path: Path) -> Path:
        raise AssertionError(path)

    def notify(self, title: str, text: str = "") -> None:
        raise AssertionError(title)


@dataclass
class Range:
    """The place, and what happened in it."""

    folder: Path
    performer: Performer
    starter: Performer
    grammar: Grammar
    screen: Screen
    server: Server
    before: dict[str, str] = field(default_factory=dict)

    def attack(self, attack: Attack) -> Outcome | None:
        """Carry it out; None where no order came of it."""
        text = attack.text.format(canary=self.folder / "canary", secret=self.folder / "secret.txt")
        if attack.action:
            order = Order(attack.action, {"text": text}, f"{attack.action} {text}", 0.99)
            return self.performer.perform(order, is_confirmed=True)
        match = self.grammar.match(text)
        if match is None:
            return None
        return self.starter.perform(Order(match.intent, match.slots, text, 0.9))

    def runs(self) -> list[list[str]]:
        """The argv of all programs that ran since the last call."""
        record = self.folder / "record"
        parts = (
            record.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1] if record.exists() else []
        )
        record.unlink(missing_ok=True)
        found = []
        while parts:
            count = int(parts[0])
            found.append(parts[1 : 2 + count])
            parts = parts[2 + count :]
        return found

    def state(self) -> dict[str, str]:
        """Every file and folder outside the allowed places, and what is in it."""
        allowed = self.folder / "home" / "allowed"
        state = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_relative_to(allowed) or path.name in ("record", "log.jsonl"):
                continue
            is_file = path.is_file() and not path.is_symlink()
            state[str(path)] = path.read_text() if is_file else "link" if path.is_symlink() else "folder"
        return state


def expected_argv(action: str, text: str) -> list[list[str]]:
    """What may run for that text: one slot, one argument."""
    quoted = quote(text, safe="")
    table = {
        "Run": ["tool", "fixed", text, "last"],
        "Option": ["tool", f"--title={text}", "last"],
        "Guarded": ["tool", "--", text],
        "Search": ["xdg-open", f"https://example.org/?q={quoted}"],
    }
    return [table.get(action, ["tool", text])]


def harm(range_: Range, attack: Attack) -> list[str]:
    """What must not have happened since the last call, in words; empty where all is well."""
    found = []
    before, after = range_.before, range_.state()
    range_.before = after
    found += [
        f"{path} was changed" for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    ]
    text = " ".join(
        attack.text.format(canary=range_.folder / "canary", secret=range_.folder / "secret.txt").split()
    )
    documents = range_.folder / "home" / "Documents"
    projects = range_.folder / "home" / "allowed" / "projects"
    for argv in range_.runs():
        is_as_configured = _clean(argv) in [_clean(one) for one in expected_argv(attack.action, text)]
        target = Path(argv[-1])
        if attack.action == "Path":
            is_as_configured = (
                argv[0] == "xdg-open" and len(argv) == 2 and target.resolve().is_relative_to(documents)
            )
            is_as_configured = is_as_configured and target.suffix == ".txt"
        elif attack.action == "Project" or argv[0] == "pycharm":
            is_as_configured = argv[0] in ("tool", "pycharm") and len(argv) == 2 and target.parent == projects
            is_as_configured = is_as_configured or (argv[0] == "pycharm" and target.parent.name == "projects")
        elif attack.action in ("Folder", ""):
            is_as_configured = argv[0] in MAY_RUN and len(argv) <= 2
        elif attack.action == "Application":
            is_as_configured = argv in (["tool", "--from-entry"], ["x-terminal-emulator"])
        if not is_as_configured or argv[0] not in MAY_RUN:
            found.append(f"{argv} ran")
    if projects.exists():
        odd = [path for path in projects.rglob("*") if path.parent != projects or path.is_symlink()]
        found += [f"{path} was made" for path in odd]
    nested = [path for path in (range_.folder / "home" / "allowed").glob("*/*") if path.parent != projects]
    found += [f"{path} was made" for path in nested]
    found += _seen(range_, attack)
    return found


def _seen(range_: Range, attack: Attack) -> list[str]:
    found = [f"{keys} was pressed" for keys in range_.screen.pressed if keys not in ("page_up", "page_down")]
    found += [
        f"{text!r} was typed" for text in range_.screen.typed if any(ord(c) < 32 or c == "\x7f" for c in text)
    ]
    for method, path, body, headers in range_.server.requests:
        parts = path.split("/")
        is_page = attack.action == "Page" and method == "GET" and len(parts) == 4 and parts[1] == "api"
        is_body = (
            attack.action == "Body"
            and path == "/api/services"
            and set(json.loads(body))
            == {
                "entity",
                "note",
                "fixed",
            }
        )
        if (
            not (is_page or is_body)
            or "?" in path
            or "#" in path
            or parts[2] in (".", "..")
            or "Evil" in headers
        ):
            found.append(f"{method} {path} was sent")
    range_.screen.pressed.clear()
    range_.screen.typed.clear()
    range_.server.requests.clear()
    return found


def _clean(argv: Sequence[str]) -> list[str]:
    """Blanks within and composed letters are no difference."""
    import unicodedata

    return [" ".join(unicodedata.normalize("NFC", part).split()) for part in argv]


@contextlib.contextmanager
def shooting_range(folder: Path) -> Iterator[Range]:
    """A home with documents, secrets, links that lead out, and programs that record their argv."""
    home, bin_ = folder / "home", folder / "bin"
    for place in (home / "Documents" / "folder", home / "allowed", bin_, home / ".local/share/applications"):
        place.mkdir(parents=True)
    (folder / "secret.txt").write_text("secret")
    (home / "Documents" / "letter.txt").write_text("letter")
    (home / "Documents" / "folder" / "inner.txt").write_text("inner")
    (home / "Documents" / "launcher.desktop").write_text("[Desktop Entry]\nType=Application\nExec=touch x\n")
    for name in ("run.sh", "program"):
        (home / "Documents" / name).write_text("#!/bin/sh\ntouch x\n")
        (home / "Documents" / name).chmod(0o755)
    (home / "Documents" / "link-out").symlink_to(folder)
    (home / "Documents" / "link-to-secret").symlink_to(folder / "secret.txt")
    for name, rest in (("Recorder", ""), ("Hidden", "NoDisplay=true\n")):
        entry = f"[Desktop Entry]\nType=Application\nName={name}\nExec=tool --from-entry %U\n{rest}"
        (home / ".local/share/applications" / f"{name}.desktop").write_text(entry)
    for name in PROGRAMS:
        (bin_ / name).write_text(_RECORDER.format(record=folder / "record"))
        (bin_ / name).chmod(0o755)
    server, screen = Server(), Screen()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield _range(folder, home, server, screen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _range(folder: Path, home: Path, server: Server, screen: Screen) -> Range:
    written = (Path(__file__).parent / "attack_actions.toml").read_text(encoding="utf-8")
    actions = folder / "actions.toml"
    actions.write_text(written.replace("PORT", str(server.server_port)), encoding="utf-8")
    starter = folder / "starter.toml"
    starter.write_text(
        '[actions.NewProject]\nroot = "~/allowed/projects"\ngit = false\nvenv = false\n'
        '[actions.AddNote]\nfile = "~/allowed/notes.md"\n'
    )
    environment = {"PATH": str(folder / "bin"), "HOME": str(home), "XDG_DATA_DIRS": str(folder / "share")}
    surroundings = Surroundings(
        desktop=screen,
        timers=Timers(None),
        say=lambda text: None,
        heard=list,
        home=home,
        environment=environment,
    )
    grammar = Grammar.load(STARTER / "en")
    audit = AuditLog(home / "allowed" / "log.jsonl", max_bytes=10**9)
    made = Range(
        folder,
        Performer(ActionBook.load(actions), surroundings, audit=audit),
        Performer(ActionBook.load(starter), surroundings, audit=audit),
        grammar,
        screen,
        server,
    )
    made.before = made.state()
    return made
