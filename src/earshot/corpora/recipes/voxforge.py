"""VoxForge: sentences read by volunteers, in about twenty languages.

Provenance: www.voxforge.org, 2006-2019; each submission is one archive of about ten sentences by one speaker,
recorded at home with the speaker's own microphone.
Size: English about 130 h, German 50, Russian 25, Spanish 50, French 40, Italian 20, Dutch 10; the others less.
Speakers: English about 1,230, Russian 240; many submissions are anonymous, and one person may have used several
names. An anonymous submission counts as a speaker of its own here.
Licence: GNU General Public License, version 3 (it is in each archive).

Layout: ``NAME-DATE-CODE/etc/PROMPTS`` with lines ``…/mfc/ru_0056 text``, sometimes ``etc/prompts-original``
with punctuation and the true case, ``wav/ru_0056.wav`` (16 kHz, some 48 kHz) or ``flac/ru_0056.flac``. Texts
are in UTF-8, a few older ones in Latin-1. The language stands in ``etc/README``; the folder above may tell
it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from earshot.corpora.manifest import Collector
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs

_HOST: Final = "https://www.repository.voxforge1.org/downloads"
_FOLDERS: Final = {"en": "SpeechCorpus", "ru": "Russian", "nl": "Dutch"}
"""Names of the language's folder on the server, where it is not the code."""

_CODES: Final = "bg ca de el en es fa fr he hr it nl pt ru sq tr uk zh"
_LANGUAGES: Final = tuple(_CODES.split())
_NAMES: Final = {
    "english": "en",
    "german": "de",
    "deutsch": "de",
    "russian": "ru",
    "french": "fr",
    "spanish": "es",
    "italian": "it",
    "dutch": "nl",
}


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    sessions = [path for path in found_below(folder, "PROMPTS") if path.parent.name == "etc"]
    needs(bool(sessions), folder, "VoxForge sessions (NAME/etc/PROMPTS)")
    for prompts in sessions:
        session = prompts.parent.parent
        language = options.language or _language(session, folder)
        speaker = _speaker(session.name)
        texts = _lines(prompts.with_name("prompts-original"))
        for name, (number, text) in _lines(prompts).items():
            audio = _audio(session, name)
            if audio is None:
                continue  # a sentence that was skipped, or found to be damaged and removed: it is so in many
            collector.add(
                prompts,
                number,
                str(audio),
                text=texts[name][1] if name in texts else text,
                speaker=speaker,
                language=language,
                extra={"session": session.name},
            )


def _lines(path: Path) -> dict[str, tuple[int, str]]:
    """Line and text of each sentence by its name; the name may come with a path before it."""
    if not path.is_file():
        return {}
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, sentence = line.strip().partition(" ")
        if sentence.strip():
            found[name.rsplit("/", 1)[-1]] = number, " ".join(sentence.split())
    return found


def _audio(session: Path, name: str) -> Path | None:
    candidates: Iterator[Path] = (session / kind / f"{name}.{kind}" for kind in ("wav", "flac"))
    # The name comes from a file: one with ".." in it is no name.
    return next((path for path in candidates if "/" not in name and path.is_file()), None)


def _speaker(session: str) -> str:
    """``MarSoft-20091223-qfp`` → ``MarSoft``; who did not give a name is somebody else each time."""
    match = re.fullmatch(r"(.+?)-\d{6,8}(-\w+)?", session)
    name = match[1] if match else session
    return session if name.lower().startswith(("anonymous", "anonimo", "anonyme")) else name


def _language(session: Path, folder: Path) -> str | None:
    """By README, else by the nearest folder above that is named like a language."""
    readme = session / "etc" / "README"
    if readme.is_file():
        text = readme.read_bytes().decode("utf-8", "replace")
        match = re.search(r"^\s*Language\s*:\s*([A-Za-z]+)", text, re.MULTILINE)
        if match:
            told = match[1].lower()
            if told in _LANGUAGES or told in _NAMES:
                return _NAMES.get(told, told)
    names = [parent.name.lower() for parent in session.parents if parent.is_relative_to(folder.parent)]
    return next((_NAMES.get(name, name) for name in names if name in _LANGUAGES or name in _NAMES), None)


RECIPE = Recipe(
    name="voxforge",
    title="sentences read by volunteers",
    languages=_LANGUAGES,
    licence="GPL-3.0",
    prepare=_prepare,
    parts={
        code: Part(index=f"{_HOST}/{_FOLDERS.get(code, code)}/Trunk/Audio/Main/16kHz_16bit/")
        for code in _LANGUAGES
    },
)
