"""``earshot serve``: the page and the protocols of other speech clients, at one address."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path
from types import FrameType
from typing import Any

import click

from earshot.cli._options import chosen_model, language_model_option, split_list
from earshot.cli._sound import StopSignals, quiet_libraries
from earshot.core.errors import MissingExtraError, ServerError
from earshot.core.optional import is_installed
from earshot.engines import DEFAULT_ENGINE, find_engine
from earshot.server.settings import DEFAULT_PORT, ServerOptions

_MODULES = ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client", "wyoming")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_LONGEST_TOKEN = 4_096

_EXAMPLES = """\b
Examples:
  earshot serve
  earshot serve --engine moonshine --engine vosk/vosk-model-small-de-0.15
  earshot serve --host 0.0.0.0 --token-file token.txt --allow-host notes.lan
  earshot serve --wyoming tcp://0.0.0.0:10300 --wyoming-client 192.168.1.20 --zeroconf"""


class _Size(click.ParamType[int]):
    """Bytes, as in ``500M``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """``2G`` → 2147483648."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,12})([KMG]?)i?B?", str(value).strip(), re.IGNORECASE | re.ASCII)
        if match is None or not int(match[1]):
            self.fail(f"{value!r} is no size such as 500M", param, ctx)
        return int(match[1]) * _UNITS[match[2].upper()]


@click.command(epilog=_EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True, help="0 for a free one."
)
@click.option("--token", metavar="TEXT", help="What every request has to show; others may see it in 'ps'.")
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="The token, in a file.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME[/MODEL]",
    help=f"The recognizer [{DEFAULT_ENGINE}]; again for more that clients can choose.",
)
@click.option("--model", metavar="NAME", help="Of the first engine: from 'earshot models list', or a folder.")
@click.option("--language", "-l", metavar="CODE", help="Spoken language, such as en, de or ru.")
@language_model_option
@click.option("--translations", is_flag=True, help="Also load what translates into English (engine whisper).")
@click.option("--vosk-port", type=click.IntRange(0, 65_535), metavar="PORT", help="Vosk's protocol there too.")
@click.option("--wyoming", metavar="URI", help="Wyoming at tcp://HOST:PORT or unix:///PATH.")
@click.option(
    "--wyoming-port", type=click.IntRange(0, 65_535), metavar="PORT", help="The same on this computer."
)
@click.option(
    "--wyoming-client", "wyoming_clients", multiple=True, metavar="ADDRESS", help="Who else may use Wyoming."
)
@click.option(
    "--grammar",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of the assistant: Wyoming clients may ask what a text means by it.",
)
@click.option("--act", "acts", is_flag=True, help="Do what they mean, where it is harmless.")
@click.option(
    "--actions", type=click.Path(path_type=Path), metavar="FILE", help="Of --act [your own actions.toml]."
)
@click.option(
    "--assistant",
    "has_assistant",
    is_flag=True,
    help="Whoever may open the page may give the assistant orders.",
)
@click.option("--zeroconf", is_flag=True, help="Tell the local network, so that Home Assistant finds Wyoming.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Pages that may ask, as in http://notes.lan.",
)
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Further names that this computer goes by."
)
@click.option("--max-upload", type=_Size(), default="2G", show_default=True, help="Bytes of a recording.")
@click.option(
    "--max-duration",
    type=click.FloatRange(min=1),
    default=21_600.0,
    show_default=True,
    metavar="SECONDS",
    help="Of a recording or a stream.",
)
@click.option("--max-sessions", type=click.IntRange(min=1), default=64, show_default=True, help="Live at once.")
@click.option(
    "--idle-timeout",
    type=click.FloatRange(min=1),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="After which a silent socket is closed.",
)
@click.option("--verbose", "-v", is_flag=True, help="Log every request, never what was said.")
@click.option("--log-content", is_flag=True, help="Log what was said as well.")
def serve(
    host: str,
    port: int,
    token: str | None,
    token_file: Path | None,
    engines: tuple[str, ...],
    model: str | None,
    language: str | None,
    language_model: str | None,
    translations: bool,
    vosk_port: int | None,
    wyoming: str | None,
    wyoming_port: int | None,
    wyoming_clients: tuple[str, ...],
    grammar: Path | None,
    acts: bool,
    actions: Path | None,
    has_assistant: bool,
    zeroconf: bool,
    origins: tuple[str, ...],
    hosts: tuple[str, ...],
    max_upload: int,
    max_duration: float,
    max_sessions: int,
    idle_timeout: float,
    verbose: bool,
    log_content: bool,
) -> int:
    """Serve the page, OpenAI's audio API, Vosk's and Wyoming's protocols, for this computer alone by default.

    Nothing of what is said leaves this computer, and nothing is fetched. Ctrl-C finishes what is in flight; a
    second one ends at once.
    """
    if token is not None and token_file is not None:
        raise click.UsageError("one token: --token or --token-file")
    if wyoming is not None and wyoming_port is not None:
        raise click.UsageError("one address: --wyoming or --wyoming-port")
    if wyoming_port is not None:
        wyoming = f"tcp://127.0.0.1:{wyoming_port}"
    if grammar is not None and wyoming is None:
        raise click.UsageError("--grammar answers Wyoming clients: give --wyoming or --wyoming-port as well")
    if (acts and grammar is None) or (actions is not None and not acts):
        raise click.UsageError("--actions needs --act, which needs --grammar")
    if zeroconf and (wyoming is None or not wyoming.startswith("tcp://")):
        raise click.UsageError("--zeroconf tells of Wyoming over TCP: give --wyoming tcp://HOST:PORT as well")
    first, *more = split_list(engines) or (DEFAULT_ENGINE,)
    engine, _, named_model = first.partition("/")
    for name in (engine, *more):
        find_engine(name.partition("/")[0])  # a mistyped name is told before anything is opened
    options = ServerOptions(
        host=host,
        port=port,
        token=_read_token(token_file) if token_file is not None else token,
        allowed_origins=origins,
        allowed_hosts=hosts,
        engine=engine,
        model=chosen_model(engine, model or named_model or None, language),
        language=language,
        language_model=language_model,
        more_engines=tuple(map(_with_model, more)),
        has_translations=translations,
        vosk_port=vosk_port,
        wyoming=wyoming,
        wyoming_clients=wyoming_clients,
        grammar=grammar,
        acts=acts,
        actions=actions,
        has_assistant=has_assistant,
        has_zeroconf=zeroconf,
        max_upload_bytes=max_upload,
        max_duration=max_duration,
        max_sessions=max_sessions,
        idle_timeout=idle_timeout,
        log_content=log_content,
    )
    _check_extra()
    with quiet_libraries():
        _open_log(is_verbose=verbose or log_content)
        return _run(options)


def _run(options: ServerOptions) -> int:
    from earshot.server.runner import Server

    server = Server(options)
    with _Signals(server.stop) as signals:
        try:
            server.run(lambda: _greet(server.address, options, server.vosk_port, server.wyoming_port))
        finally:
            server.close()
    return signals.status


def _greet(address: str, options: ServerOptions, vosk_port: int | None, wyoming_port: int | None) -> None:
    """Where it can be reached. The token is the user's to add: it would stay in the terminal's history."""
    click.echo(f"earshot serves {address}" + (" (a token is needed)" if options.token else ""))
    if vosk_port is not None:
        click.echo(f"  Vosk's protocol at ws://{options.host}:{vosk_port}")
    if options.wyoming is not None:
        port = f" (port {wyoming_port})" if options.wyoming.endswith(":0") else ""
        click.echo(f"  Wyoming at {options.wyoming}{port}")


def _with_model(name: str) -> str:
    """``ctc`` → ``ctc/my-model``, where that is the only one."""
    engine, _, model = name.partition("/")
    chosen = chosen_model(engine, model or None, None)
    return f"{engine}/{chosen}" if chosen else engine


def _read_token(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise ServerError(f"the token file {path} cannot be read: {reason}", fix="check its name") from error


def _check_extra() -> None:
    missing = [module for module in _MODULES if not is_installed(module)]
    if missing:
        raise MissingExtraError(
            f"the server needs {', '.join(missing)}, which is not installed", fix="pip install 'earshot[serve]'"
        )


class _Signals(StopSignals):
    """A second Ctrl-C hurries the server as well, instead of breaking into it."""

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        self.received = self.received or number
        self._stop()


class _OneLine(logging.Formatter):
    """A fault of ours is told by its name; EARSHOT_DEBUG shows where it was."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """See ``logging.Formatter``."""
        if os.environ.get("EARSHOT_DEBUG"):
            return super().formatException(ei)
        return f"  {ei[0].__name__}: this is a bug of Earshot; EARSHOT_DEBUG=1 shows where"


def _is_no_goodbye(record: logging.LogRecord) -> bool:
    """What is broken off because the server ends is no fault."""
    return not (record.exc_info and record.exc_info[0] is asyncio.CancelledError)


def _open_log(*, is_verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(message)s"))
    handler.addFilter(_is_no_goodbye)
    own = logging.getLogger("earshot.server")
    own.addHandler(handler)
    own.propagate = False
    own.setLevel(logging.INFO if is_verbose else logging.WARNING)
    # What uvicorn warns of are clients' mistakes; a fault of ours comes through.
    web = logging.getLogger("uvicorn")
    web.addHandler(handler)
    web.setLevel(logging.ERROR)
    logging.getLogger("asyncio").addHandler(handler)
    web.propagate = False
