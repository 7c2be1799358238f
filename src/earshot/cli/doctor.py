"""``earshot doctor``: what works here, what is missing, and the command that adds it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import click

from earshot import __version__
from earshot.cli import STATUS_FAILED, bug_report
from earshot.cli._sample import SAMPLE_SECONDS, SAMPLE_WORDS, hear_sample
from earshot.cli._sealed import KILLED_BY_FILTER
from earshot.core.errors import EarshotError
from earshot.core.optional import is_installed
from earshot.core.paths import models_home
from earshot.core.runtime import num_cores
from earshot.engines import DEFAULT_ENGINE, engine_names, find_engine
from earshot.models.catalogue import CatalogueEntry
from earshot.models.store import ModelStore

State: TypeAlias = Literal["ok", "missing", "broken"]
_MARKS: dict[State, str] = {"ok": "✓", "missing": "–", "broken": "✗"}
_MAIN_JOB = "The main job"
_OFFLINE_TIMEOUT = 300.0  # seconds; the sample takes two on an ordinary machine


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    state: "missing" is optional and can be added; "broken" should work and does not. fix: a command, or None.
    """

    area: str
    name: str
    state: State
    detail: str
    fix: str | None = None


@click.command()
@click.option("--offline", is_flag=True, help="Prove that transcribing opens no socket.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("--engine", default=DEFAULT_ENGINE, show_default=True, help="The engine that hears the sample.")
def doctor(offline: bool, as_json: bool, engine: str) -> int:
    """Check what works here and what would add the rest.

    Ends with a real transcription of a recording that came with Earshot. The exit status is 0 when that
    works, whatever optional parts are missing.
    """
    find_engine(engine)
    essential = [_guarded(_MAIN_JOB, "transcription", functools.partial(_main_job, engine))]
    if offline:
        essential.append(_guarded(_MAIN_JOB, "offline", functools.partial(_offline, engine)))
    works = all(check.state == "ok" for check in essential)
    checks = [*_surroundings(), *essential]
    if as_json:
        rows = [dataclasses.asdict(check) for check in checks]
        click.echo(json.dumps({"version": __version__, "works": works, "checks": rows}, indent=2))
    else:
        _print_report(checks, works=works)
    return 0 if works else STATUS_FAILED


def _print_report(checks: list[Check], *, works: bool) -> None:
    width = max(len(check.name) for check in checks)
    area = ""
    for check in checks:
        if check.area != area:
            area = check.area
            click.echo(area)
        click.echo(f"  {_MARKS[check.state]} {check.name:<{width}}  {check.detail}")
        if check.fix:
            click.echo(f"    {'':<{width}}  → {check.fix}")
    click.echo("Earshot works here." if works else "Earshot does not work here: see ✗ above.")


def _guarded(area: str, name: str, make: Callable[[], Check]) -> Check:
    """A check that fails in whatever way is a line of the report, never the end of it."""
    try:
        return make()
    except EarshotError as error:
        return Check(area, name, "broken", error.message, error.fix)
    except Exception as error:
        return Check(area, name, "broken", bug_report(error))


def _surroundings() -> Iterator[Check]:
    yield from _machine()
    for name in engine_names():
        yield _guarded("Engines", name, functools.partial(_engine, name))
    yield _library("wav, flac, ogg, mp3", "soundfile")
    yield _library("m4a, mp4, webm, mkv …", "av")
    yield _guarded("Sound", "word times", _word_times)
    yield _guarded("Sound", "devices", _devices)
    yield _guarded("Models", "store", _store)
    yield _optional("Extras", "pictures", "matplotlib", "plot", "spectrograms and waveforms as images")
    yield _optional("Extras", "server", "uvicorn", "serve", "a page, and the protocols of other clients")


def _machine() -> Iterator[Check]:
    cores = num_cores()
    yield Check("This machine", "earshot", "ok", __version__)
    yield Check("This machine", "python", "ok", f"{platform.python_version()}, {platform.platform(terse=True)}")
    yield Check(
        "This machine", "processor", "ok", f"{platform.machine()}, {cores} core{'s' if cores > 1 else ''}"
    )


def _engine(name: str) -> Check:
    try:
        engine = find_engine(name)
    except EarshotError as error:
        return Check("Engines", name, "broken", error.message, error.fix)
    if missing := engine.missing_modules:
        extra = f"pip install 'earshot[{engine.extra}]'" if engine.extra else f"pip install {' '.join(missing)}"
        return Check("Engines", name, "missing", engine.summary, extra)
    if engine.has_default_model:
        return Check("Engines", name, "ok", engine.summary)
    store = ModelStore()
    installed = [model.name for model in store.list() if model.card is not None and model.card.engine == name]
    if installed:
        return Check("Engines", name, "ok", f"{engine.summary}; models: {', '.join(installed)}")
    return Check("Engines", name, "missing", f"{engine.summary}; no model yet", _first_model(store, name))


def _first_model(store: ModelStore, engine: str) -> str:
    """The command that gets the smallest English model with the best checksum, of the accent most expect."""
    entries = [
        entry
        for entry in store.catalogue.entries
        if entry.engine == engine and entry.checksum and "en" in entry.languages
    ]
    if not entries:
        return "earshot models import FOLDER"

    def rank(entry: CatalogueEntry) -> tuple[bool, bool, int]:
        is_regional = any(region in entry.name for region in ("-en-in-", "-en-gb-"))
        return entry.checksum != "sha256", is_regional, entry.size

    return f"earshot models pull {min(entries, key=rank).name}"


def _library(name: str, module: str) -> Check:
    try:
        version = getattr(importlib.import_module(module), "__version__", "")
    except (ImportError, OSError) as error:
        detail = f"{module} cannot be loaded: {' '.join(str(error).split())}"
        return Check("Sound", name, "broken", detail, f"pip install --force-reinstall {module}")
    return Check("Sound", name, "ok", f"{module} {version}")


def _word_times() -> Check:
    from earshot.engines.alignment import find_aligner

    if find_aligner("en") is None:
        fix = "pip install --force-reinstall pocketsphinx"
        return Check("Sound", "word times", "broken", "no aligner for English", fix)
    return Check("Sound", "word times", "ok", "aligned, in English")


def _devices() -> Check:
    from earshot.audio.devices import list_devices

    try:
        found = list_devices()
    except EarshotError as error:
        return Check("Sound", "devices", "missing", error.message, error.fix)
    num_inputs = sum(device.has("input") for device in found)
    num_outputs = sum(device.has("output") for device in found)
    return Check("Sound", "devices", "ok", f"PortAudio: {num_inputs} inputs, {num_outputs} outputs")


def _store() -> Check:
    home = models_home()
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Check(
            "Models", "store", "broken", f"{home}: {error.strerror}", "set EARSHOT_HOME to another folder"
        )
    if not os.access(existing, os.W_OK):
        return Check(
            "Models", "store", "broken", f"{home} cannot be written", "set EARSHOT_HOME to another folder"
        )
    num_models = len(ModelStore().list())
    return Check("Models", "store", "ok", f"{home}: {num_models} models, {free / 1e9:.0f} GB free")


def _optional(area: str, name: str, module: str, extra: str, purpose: str) -> Check:
    if is_installed(module):
        return Check(area, name, "ok", purpose)
    return Check(area, name, "missing", purpose, f"pip install 'earshot[{extra}]'")


def _main_job(engine: str) -> Check:
    heard = hear_sample(engine)
    figures = f"{heard.num_right} of {len(SAMPLE_WORDS.split())} words right"
    if not heard.is_right:
        return Check(_MAIN_JOB, "transcription", "broken", f"{engine}: only {figures}: {heard.text!r}")
    speed = f"{SAMPLE_SECONDS:.0f} s of speech in {heard.seconds:.2f} s"
    return Check(_MAIN_JOB, "transcription", "ok", f"{engine}: {figures}, {speed}")


def _offline(engine: str) -> Check:
    command = [sys.executable, "-m", "earshot.cli._sealed", engine]
    environment = dict(os.environ)
    if can_unplug():
        command = ["unshare", "--map-root-user", "--net", *command]
        environment["EARSHOT_UNPLUGGED"] = "1"
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_OFFLINE_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Check(_MAIN_JOB, "offline", "broken", f"no result within {_OFFLINE_TIMEOUT:.0f} s")
    return judge_offline(done.returncode, done.stdout, done.stderr)


def can_unplug() -> bool:
    """Whether a process can be started here without any network device."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--map-root-user", "--net", "true"]
    return subprocess.run(probe, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def judge_offline(status: int, output: str, errors: str) -> Check:
    """What the sealed process found: its exit status, standard output and standard error."""

    def broken(detail: str) -> Check:
        return Check(_MAIN_JOB, "offline", "broken", detail)

    if status == KILLED_BY_FILTER:
        return broken("a library opened an internet socket and was stopped by the kernel")
    try:
        result = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (errors.strip().splitlines() or [f"status {status}"])[-1]
        return broken(f"the transcription without sockets failed: {last}")
    if result["attempts"]:
        return broken(f"a socket was used: {result['attempts'][0]}")
    if not result["is_right"]:
        return broken(f"without sockets the sample became {result['text']!r}")
    guards = ["Python's audit events"]
    guards += ["a seccomp filter"] if result["is_kernel_guarded"] else []
    guards += ["a network namespace without devices"] if result["is_unplugged"] else []
    return Check(_MAIN_JOB, "offline", "ok", f"no socket was opened; held by {', '.join(guards)}")
