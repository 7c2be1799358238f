"""Makes docs/example.ipynb and executes it: what a notebook with Earshot looks like, as GitHub shows it.

    python scripts/build_example.py

Needs what ``pip install 'earshot[notebook,dev]'`` brings. The sound of the players is left out of the file, so
that it stays small, and so is everything that tells of the machine.
"""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

EXAMPLE = Path(__file__).parents[1] / "docs" / "example.ipynb"

CELLS = (
    """# Earshot in a notebook

Everything below runs on this computer: nothing is sent anywhere.

```
pip install 'earshot[notebook]'
```""",
    ">>> from earshot.notebook import Recorder, show",
    """## Record and read along

`Recorder()` takes the browser's microphone, so it also works when the kernel runs on another computer, or the
sound card of the kernel's computer. Press **Record**, speak, press **Stop**. (A page without a kernel shows no
buttons: see the picture in [notebook.md](notebook.md).)""",
    ">>> recorder = Recorder()\nrecorder",
    """What was said is at hand in Python, while it is being said and afterwards: `recorder.transcript`,
`recorder.audio`, and `recorder.on_final(function)` for everything that shall happen at each utterance.""",
    """## A recording

Any format will do. This one comes with a package that Earshot needs anyway: the opening of
*A Tale of Two Cities*.""",
    """>>> from importlib.util import find_spec
from pathlib import Path

import earshot

folder = Path(find_spec("moonshine_voice").origin).parent
recording = earshot.read_audio(folder / "assets" / "two_cities.wav", sample_rate=None)
opening = earshot.Audio(recording.samples[: int(10.5 * recording.sample_rate)], recording.sample_rate)
transcript = earshot.transcribe(opening)
show(opening, text=transcript, name="A Tale of Two Cities")""",
    "## Every word, with its time and how sure the engine is",
    """>>> for word in transcript.words[:12]:
    print(f"{word.start:5.2f} – {word.end:5.2f} s  {word.confidence:4.0%}  {word.text}")""",
    "## Subtitles",
    """>>> import sys

from earshot.text.formats import write_transcript

write_transcript(transcript, sys.stdout, "srt")""",
)


def unexecuted() -> Any:
    """The notebook; cells of code begin with ``>>> `` above."""
    cells = []
    for number, text in enumerate(CELLS):
        is_code = text.startswith(">>> ")
        make = nbformat.v4.new_code_cell if is_code else nbformat.v4.new_markdown_cell
        cells.append(make(text.removeprefix(">>> "), id=f"cell-{number}"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def executed(notebook: Any, *, timeout: float = 300) -> Any:
    """A copy with outputs. Raises nbclient's CellExecutionError when a cell fails."""
    notebook = copy.deepcopy(notebook)
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", store_widget_state=False).execute()
    return notebook


def stripped(notebook: Any) -> Any:
    """A copy without the players' sound, times of execution, and widgets, which need a kernel."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
        kept = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if output.get("name") == "stderr" or "application/vnd.jupyter.widget-view+json" in data:
                continue
            if "text/html" in data:
                data["text/html"] = re.sub(r'(src="data:audio/flac;base64,)[^"]*', r"\1", data["text/html"])
            kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
    return notebook


def main() -> None:
    """Write the file."""
    notebook = stripped(executed(unexecuted()))
    nbformat.validate(notebook)
    EXAMPLE.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    sys.stdout.write(f"{EXAMPLE}: {EXAMPLE.stat().st_size / 1e3:.0f} kB\n")


if __name__ == "__main__":
    main()
