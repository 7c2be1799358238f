"""Draw what ``earshot listen`` looks like on a terminal.

Run: python scripts/picture_of_listen.py docs/images/listen.svg.
A real session hears the sample recording in real time for 19 seconds; the picture is its last moment.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from earshot.audio.decode import read_audio
from earshot.cli._sample import sample_path
from earshot.cli._screen import Terminal
from earshot.live import PacedSound, Session
from earshot.live.following import summary
from earshot.transcription import TranscriptionOptions

SECONDS = 19.0


def main() -> None:
    """Listen, then save."""
    quiet = open("/dev/null", "w")  # noqa: PTH123, SIM115 - until the picture is taken
    console = Console(file=quiet, force_terminal=True, color_system="truecolor", record=True, width=92)
    console.print(Text("$ earshot listen --from-file two_cities.wav --summary", style="bold"))
    source = PacedSound(read_audio(sample_path()).samples, name="two_cities.wav")
    session = Session(source, TranscriptionOptions(), followers=[summary("en")], has_journal=False)
    screen = Terminal(lambda: session.status, console=console)
    with session:
        for event in session:
            screen.show(event)
            if session.status.recorded > SECONDS:
                console.print(screen._render())
                break
    picture = console.export_svg(title="earshot")
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # it would fetch them from afar
    Path(sys.argv[1]).write_text(picture, encoding="utf-8")
    quiet.close()


if __name__ == "__main__":
    main()
