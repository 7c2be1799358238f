"""The command line: one file a verb, imported when the verb is used.

Exit statuses: 0 done; 1 an error of the input, the set-up or the machine, told in one line on standard error;
2 a mistaken command line; 70 a bug of Earshot; 130 interrupted by Ctrl-C, 128 + n ended by signal n.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import click

from earshot import __version__
from earshot.core.errors import EarshotError, nearest

STATUS_FAILED = 1
STATUS_USAGE = 2
STATUS_BUG = 70  # EX_SOFTWARE of sysexits.h
STATUS_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb's click command is found, and what ``earshot --help`` says of it."""

    module: str
    attribute: str
    help: str


VERBS = {
    "transcribe": Verb("earshot.cli.transcribe", "transcribe", "Write down what is said in recordings."),
    "batch": Verb("earshot.cli.batch", "batch", "Write down thousands of hours, on one machine or many."),
    "listen": Verb("earshot.cli.listen", "listen", "Write down what is said into the microphone."),
    "dictate": Verb("earshot.cli.dictate", "dictate", "Type what is said into the window you work in."),
    "record": Verb("earshot.cli.record", "record", "Record the microphone, safe from crashes."),
    "sessions": Verb("earshot.cli.sessions", "sessions", "Recover, export and remove what was listened to."),
    "meeting": Verb("earshot.cli.meeting", "meeting", "Make minutes of a meeting: who said what."),
    "speakers": Verb("earshot.cli.speakers", "speakers", "Make voices known by name, and forget them."),
    "teach": Verb("earshot.cli.teach", "teach", "Teach a spoken command from three recordings."),
    "spot": Verb("earshot.cli.spot", "spot", "Tell when a taught command is said."),
    "train": Verb("earshot.cli.train", "train", "Train nets of spoken commands from many recordings."),
    "assistant": Verb(
        "earshot.cli.assistant", "assistant", "Run the computer by voice: commands, and what they do."
    ),
    "serve": Verb("earshot.cli.serve", "serve", "Serve a page and the protocols of other speech clients."),
    "selftest": Verb("earshot.cli.selftest", "selftest", "Test microphone and engine with known speech."),
    "summarize": Verb("earshot.cli.summarize", "summarize_command", "Tell what a transcript says, in short."),
    "translate": Verb("earshot.cli.translate", "translate", "Put a transcript into another language."),
    "lm": Verb("earshot.cli.lm", "lm", "Make and measure language models."),
    "models": Verb("earshot.cli.models", "models", "List, fetch, check and move models."),
    "corpus": Verb("earshot.cli.corpus", "corpus", "Get, check and record what a recognizer learns from."),
    "evaluate": Verb(
        "earshot.cli.evaluate", "evaluate", "Tell how well a recognizer does: error rates with intervals."
    ),
    "devices": Verb("earshot.cli.devices", "devices", "List microphones and loudspeakers."),
    "inspect": Verb("earshot.cli.inspect", "inspect_command", "Look at a recording: format, level, speech."),
    "doctor": Verb("earshot.cli.doctor", "doctor", "Check what works here and what would add the rest."),
}


class VerbGroup(click.Group):
    """Imports a verb's file only when that verb is used, so that the start stays quick.

    verbs: by their names, in the order of the help.
    """

    def __init__(self, *arguments: Any, verbs: Mapping[str, Verb], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of the table."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb's command; None where the table has no such verb."""
        if (verb := self.verbs.get(cmd_name)) is None:
            return None
        command = getattr(importlib.import_module(verb.module), verb.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which verb is nearest to an unknown one."""
        name = args[0]
        if name.replace("_", "-") not in self.verbs and not name.startswith("-"):
            raise click.UsageError(f"there is no verb {name!r}: {nearest(name, self.verbs)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table's one-line helps; importing no verb."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in self.verbs.items()])


def _either_spelling(name: str) -> str:
    """``--output_dir`` is ``--output-dir``."""
    return name.replace("_", "-")


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": _either_spelling,
        "max_content_width": 100,
    },
    subcommand_metavar="VERB [ARGUMENTS]",
    epilog="'earshot VERB --help' tells a verb's options. Only 'models pull' and 'corpus get' use the network.",
)
@click.version_option(__version__, "-V", "--version", message="earshot %(version)s")
def earshot() -> None:
    """Speech recognition that never leaves earshot: private, offline, on an ordinary CPU."""


def main() -> NoReturn:
    """The command ``earshot``."""
    _prepare_process()
    if instruction := os.environ.get("_EARSHOT_COMPLETE"):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(earshot, {}, "earshot", "_EARSHOT_COMPLETE", instruction))
    status = run(sys.argv[1:])
    # A closed pipe must not be found again when the interpreter flushes on its way out.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; errors become one line on standard error. Returns the exit status."""
    try:
        # Not earshot.main(): that has ways of its own with Ctrl-C and closed pipes.
        with earshot.make_context("earshot", list(arguments)) as context:
            status = earshot.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # of --help and --version
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        return _usage_error(error)
    except (KeyboardInterrupt, click.Abort) as error:
        return _complain(f"interrupted: {error}" if str(error) else "interrupted", STATUS_INTERRUPTED)
    except EarshotError as error:
        return _complain(f"error: {error}", STATUS_FAILED)
    except BrokenPipeError:
        return _end_of_pipe()
    except (OSError, MemoryError, RecursionError) as error:
        return _complain(f"error: {_reason(error)}", STATUS_FAILED)
    except Exception as error:
        return _complain(bug_report(error), STATUS_BUG)
    return status if isinstance(status, int) else 0


def bug_report(error: BaseException) -> str:
    """The one line for an exception that nobody foresaw."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"internal error: {what}: this is a bug of Earshot; EARSHOT_DEBUG=1 shows where"


def _complain(line: str, status: int) -> int:
    if os.environ.get("EARSHOT_DEBUG") and sys.exc_info()[0] is not None:
        traceback.print_exc()
    click.echo(f"earshot: {line}", err=True)
    return status


def _usage_error(error: click.ClickException) -> int:
    """One line as well: what is wrong, and where the options are told."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "earshot"
    return _complain(f"error: {message}: see '{command} --help'", error.exit_code)


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: close other programs or use a smaller model"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _end_of_pipe() -> int:
    """The reader has had enough (``earshot … | head``): end as other programs do."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13  # SIGPIPE


def _prepare_process() -> None:
    """Text that the terminal cannot show must not end a long job, and ``kill`` must let it tidy up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            is_terminal = stream.isatty()
            stream.reconfigure(  # type: ignore[union-attr]
                encoding=None if is_terminal else "utf-8", errors="backslashreplace"
            )
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a handler
    raise SystemExit(128 + number)
