"""``earshot corpus record``: a corpus of one's own voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._corpus import ask, hours
from earshot.cli._sound import SoundOptions, complain, open_source, quiet_libraries, sound_options
from earshot.cli._texts import read_text_or_transcript
from earshot.core.errors import CorpusError
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.corpora.own_voice import OwnVoice, Prompt, previous

if TYPE_CHECKING:
    from earshot.audio.capture import Source
    from earshot.corpora.takes import Take

_PATIENCE = 20.0
"""Seconds in which a phrase is waited for."""

_ATTEMPTS = 3
"""Of a phrase with --auto."""

_EXAMPLES = """\b
Examples:
  earshot corpus record -o my-voice --text book.txt --language ru --speaker anna
  earshot corpus record -o my-voice                          goes on another day
  earshot corpus record -o my-voice --phrase "turn on the lamp"
  earshot corpus record -o my-voice --phrase "good night" --wav night.wav"""


@click.command(epilog=_EXAMPLES)
@sound_options
@click.option("--output", "-o", "folder", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
              help="The corpus; its manifest is FOLDER/manifest.jsonl.")  # fmt: skip
@click.option("--text", "texts", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="A text to read from; may be given again.")  # fmt: skip
@click.option("--phrase", metavar="TEXT", help="Read this alone.")
@click.option("--wav", type=click.Path(path_type=Path), metavar="FILE",
              help="With --phrase: take this recording of it.")  # fmt: skip
@click.option("--speaker", metavar="NAME", help="Who reads; remembered.")
@click.option("--language", "-l", metavar="CODE", help="Which language; remembered.")
@click.option("--max-letters", type=click.IntRange(20, 300), default=80, show_default=True, help="Of a phrase.")
@click.option("--number", "-n", type=click.IntRange(min=1), metavar="N", help="Stop after N phrases.")
@click.option(
    "--engine", metavar="NAME", help="Have what was read checked by this recognizer [moonshine for en]."
)
@click.option("--model", metavar="NAME", help="Of the recognizer.")
@click.option("--no-hearing", is_flag=True, help="Do not check what was read.")
@click.option("--auto", is_flag=True, help="No keys: the next phrase follows when one was read well.")
@click.option("--status", "shows_status", is_flag=True, help="Only tell how far it is.")
def record(
    sound: SoundOptions,
    folder: Path,
    texts: tuple[Path, ...],
    phrase: str | None,
    wav: Path | None,
    speaker: str | None,
    language: str | None,
    max_letters: int,
    number: int | None,
    engine: str | None,
    model: str | None,
    no_hearing: bool,
    auto: bool,
    shows_status: bool,
) -> int:
    """Read a text aloud, phrase by phrase: it is cut up so that rare letters and words come first.

    Each phrase ends by itself, after a second of quiet. Level, clipping and length are checked, and what was
    read where a recognizer of the language is there. Everything is kept at once; stop when you like, and go on
    another day.
    """
    if wav is not None and phrase is None:
        raise click.UsageError("--wav belongs to --phrase, which says what is said in it")
    voice = OwnVoice(folder)
    voice.speaker = speaker or next((one.speaker for one in voice.recorded.values() if one.speaker), None)
    voice.language = language or next((one.language for one in voice.recorded.values() if one.language), None)
    if shows_status:
        _status(voice)
        return 0
    if wav is not None and phrase is not None:
        utterance = voice.add_recording(wav, phrase)
        click.echo(f"{utterance.audio}\t{utterance.duration:.1f} s")
        return 0
    _add_texts(voice, texts, max_letters)
    prompts = [voice.add_phrase(phrase)] if phrase is not None else voice.remaining
    if not voice.prompts:
        raise CorpusError(f"there is nothing to read in {folder}", fix="give a text with --text, or --phrase")
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        hear = None if no_hearing else _hearing(engine, model, voice.language, stack)
        is_auto = auto or sound.source == "-"
        session = _Session(voice, _Takes(sound, stack), hear, is_auto, prompts[:number])
        try:
            session.run()
        finally:
            _status(voice)
    return 0


def _add_texts(voice: OwnVoice, texts: tuple[Path, ...], max_letters: int) -> None:
    from earshot.corpora.prompts import PhraseOptions, cut_phrases

    for path in texts:
        text = read_text_or_transcript(path)
        plain = text if isinstance(text, str) else text.text
        phrases = cut_phrases(plain, PhraseOptions(max_letters=max_letters))
        if not phrases:
            raise CorpusError(
                f"{path} holds no phrase that can be read aloud", fix="give a text of whole sentences"
            )
        complain(f"{voice.add_prompts(phrases)} new phrases in {path}")


def _status(voice: OwnVoice) -> None:
    seconds = sum(one.duration or 0.0 for one in voice.recorded.values())
    skipped = f", {len(voice.skipped)} skipped" if voice.skipped else ""
    click.echo(
        f"{voice.manifest_path}\t{len(voice.recorded)} of {len(voice.prompts)} phrases{skipped}"
        f"\t{hours(seconds)}\t{voice.coverage}"
    )


def _hearing(
    engine: str | None, model: str | None, language: str | None, stack: ExitStack
) -> Callable[[Samples], str] | None:
    """What an engine understands of a take; None where no engine is there for the language."""
    from earshot.engines import DEFAULT_ENGINE, EngineOptions, load_engine

    if engine is None and (language or "").split("-")[0] != "en":
        return None
    recognizer = load_engine(engine or DEFAULT_ENGINE, EngineOptions(model=model, language=language))
    stack.callback(recognizer.close)
    return lambda samples: recognizer.transcribe(Audio(samples, SAMPLE_RATE)).text


class _Takes:
    """Takes from a microphone, opened for each, so that nothing said between them counts; or from a stream."""

    def __init__(self, sound: SoundOptions, stack: ExitStack) -> None:
        self._sound = sound
        source = open_source(sound, complain)
        self._stream: Iterator[Samples] | None = None
        if source.is_microphone:
            with source:
                pass  # one that is absent or in use is told before anybody reads
        else:
            from earshot.corpora.takes import takes_of

            self._stream = takes_of(stack.enter_context(source))

    def next(self) -> Samples | None:
        """What is said next; None when nothing is, or the stream has ended."""
        from earshot.corpora.takes import takes_of

        if self._stream is not None:
            return next(self._stream, None)
        with open_source(self._sound, complain) as source:
            click.echo("  speak …", err=True)
            return next(takes_of(_patient(source)), None)

    @property
    def is_endless(self) -> bool:
        """Whether another try makes sense when nothing came."""
        return self._stream is None


def _patient(source: Source) -> Iterator[Samples]:
    """The blocks of a source, until nothing was said for long."""
    from earshot.audio.vad import VoiceActivityDetector

    detector = VoiceActivityDetector()
    num_quiet = 0
    for block in source:
        yield block
        is_speech = bool((detector.probabilities(block) > 0.5).any())
        num_quiet = 0 if is_speech else num_quiet + len(block)
        if num_quiet > _PATIENCE * SAMPLE_RATE:
            return


@dataclass
class _Session:
    """One sitting: prompt after prompt, each until it is kept, skipped, or the reader has had enough."""

    voice: OwnVoice
    takes: _Takes
    hear: Callable[[Samples], str] | None
    is_auto: bool
    prompts: list[Prompt]

    def run(self) -> None:
        """Until all is read."""
        position = 0
        while position < len(self.prompts):
            prompt = self.prompts[position]
            self._show(prompt, position)
            key = "" if self.is_auto else ask("Enter: read · s: skip · b: back · q: quit")
            if key == "q":
                return
            if key == "s":
                self.voice.skip(prompt)
            elif key == "b":
                position = self._back(position)
                continue
            elif not (self._read_unattended(prompt) if self.is_auto else self._read(prompt)):
                return
            position += 1

    def _show(self, prompt: Prompt, position: int) -> None:
        click.echo(f"\n[{position + 1} of {len(self.prompts)}] {self.voice.coverage}", err=True)
        click.echo(f"  {prompt.text}", err=True)

    def _back(self, position: int) -> int:
        """The one before, of this sitting or of an earlier day."""
        if position > 0:
            return position - 1
        before = previous(self.voice, self.prompts[0])
        if before is None:
            complain("this is the first")
            return position
        self.prompts.insert(0, before)
        return 0

    def _read(self, prompt: Prompt) -> bool:
        """False when the reader has had enough."""
        while True:
            take = self._take(prompt)
            if take is None:
                if not self.takes.is_endless:
                    complain("the sound has ended")
                    return False
                complain("nothing was heard")
            elif not take.complaints:
                self.voice.keep(prompt, take.samples)
                return True
            key = ask(
                "Enter: again · k: keep it · s: skip · q: quit" if take else "Enter: again · s: skip · q: quit"
            )
            if key == "q":
                return False
            if key == "k" and take is not None:
                self.voice.keep(prompt, take.samples)
                return True
            if key == "s":
                self.voice.skip(prompt)
                return True

    def _read_unattended(self, prompt: Prompt) -> bool:
        for _ in range(_ATTEMPTS):
            take = self._take(prompt)
            if take is None:
                return False
            if not take.complaints:
                self.voice.keep(prompt, take.samples)
                return True
        self.voice.skip(prompt)
        complain(f"skipped after {_ATTEMPTS} tries")
        return True

    def _take(self, prompt: Prompt) -> Take | None:
        from earshot.corpora.takes import check_take

        samples = self.takes.next()
        if samples is None:
            return None
        take = check_take(samples, prompt.text, self.hear)
        click.echo(f"  {take.duration:.1f} s, peak {take.peak_db:.0f} dBFS", err=True)
        for complaint in take.complaints:
            complain(complaint)
        return take
