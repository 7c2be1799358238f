"""The live loop: sound → utterances → dialogue → what is done, shown, said.

One thread takes the sound, one speaks, and one, that of ``run``, does all the rest, so that nothing of the
dialogue is ever touched by two. Requests from outside (keys, the control socket) wait in the same queue.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from earshot.assistant.dialogue import Dialogue
from earshot.assistant.echo import MEMORY, is_own_words
from earshot.assistant.hearing import OPTIONS, OrderStream, Utterance
from earshot.assistant.recognition import Recognition
from earshot.assistant.replies import Phase, Reply
from earshot.assistant.sounds import ring, tone
from earshot.assistant.speaking import Mouth
from earshot.assistant.timers import Timer, Timers
from earshot.assistant.understanding import Understanding
from earshot.audio.capture import Notice, Source
from earshot.commands import Spotted, Spotter
from earshot.core.errors import FormatError, OutputError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.engines.streaming import StreamingOptions
from earshot.live.pump import Pump
from earshot.live.sources import PacedSound

_TICK = 0.1
"""Seconds between looks at timers and deadlines where no sound comes."""

_PRE_ROLL = round(0.3 * SAMPLE_RATE)
"""Samples before a key was pressed that still count: people speak while they press it."""

_LATE = 90.0
"""Seconds after which a timer was over some time ago, as after a restart."""

Request: TypeAlias = Callable[["Listener"], object]


@dataclass(frozen=True, slots=True)
class Ears:
    """What hears.

    new_spotter: for taught commands; None where none are. wake: labels of those that wake it.
    identify: whose voice it is. keep: stores an utterance and tells where. options: of the end of utterances.
    """

    understanding: Understanding
    new_spotter: Callable[[], Spotter] | None = None
    wake: Collection[str] = ()
    identify: Callable[[Samples], str | None] | None = None
    keep: Callable[[Samples], str] | None = None
    options: StreamingOptions = OPTIONS


@dataclass(slots=True)
class _Sound:
    block: Samples
    arrived: float


@dataclass(slots=True)
class _Asked:
    request: Request
    answer: Future[object] = field(default_factory=Future)


class Listener:
    """Runs a dialogue on a source until it ends or ``stop`` is called.

    tell: gets every reply, and notices of the source. timers: rung aloud.
    texts: what was heard last, newest last; kept up to date.
    """

    def __init__(
        self,
        source: Source,
        ears: Ears,
        dialogue: Dialogue,
        tell: Callable[[Reply | Notice], None],
        *,
        mouth: Mouth,
        timers: Timers | None = None,
        texts: deque[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dialogue = dialogue
        self.mouth = mouth
        self._source = source
        self._ears = ears
        self._tell = tell
        self._timers = timers
        self._texts = texts if texts is not None else deque(maxlen=20)
        self._clock = clock
        self._queue: queue.Queue[_Sound | _Asked | None] = queue.Queue()
        self._pump = Pump(source, [self._take], on_end=lambda: self._queue.put(None))
        # A recording does not hear the loudspeaker, and a fast one has a time of its own.
        self._has_echo = not isinstance(source, PacedSound)
        self._is_real_time = self._has_echo or source.is_live
        self._num_samples = 0
        self._stream: OrderStream | None = None
        self._spotter = ears.new_spotter() if ears.new_spotter is not None else None
        self._recent: deque[Samples] = deque()
        self._was_speaking = False
        self._next_look = 0.0
        self._is_stopping = False

    # --- from outside ---

    def stop(self) -> None:
        """End soon. May be called from any thread or signal handler."""
        self._is_stopping = True
        self._pump.stop()
        self._queue.put(None)

    def ask(self, request: Request) -> Future[object]:
        """Have something done on the loop's own thread. May be called from any thread."""
        asked = _Asked(request)
        self._queue.put(asked)
        return asked.answer

    def toggle(self) -> None:
        """Of a key; what is being said is broken off. This and what follows: only in requests."""
        self.mouth.stop()
        self._show(self.dialogue.toggled(self._now()))

    def push(self) -> None:
        """A key is down."""
        self.mouth.stop()
        self._show(self.dialogue.pressed(self._now()))
        if self._stream is None:
            for block in list(self._recent):
                self._listen(block)

    def release(self) -> None:
        """It is up again: what was said ends here."""
        self._show(self.dialogue.released(self._now()))
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._understood(stream.finish())

    def confirm(self, is_yes: bool) -> bool:
        """Tapped. Returns whether anything was asked."""
        is_asked = self.dialogue.phase is Phase.CONFIRMING
        self.mouth.stop()
        self._show(self.dialogue.confirmed(is_yes, self._now()))
        return is_asked

    def cancel(self) -> None:
        """Forget what was asked, and be quiet."""
        self.mouth.stop()
        self._show(self.dialogue.cancelled(self._now()))

    def typed(self, text: str) -> Sequence[Reply]:
        """A written order. Returns what became of it."""
        recognition = self._ears.understanding.read(text, self.dialogue.expected)
        replies = self.dialogue.heard(recognition, self._now(), is_typed=True)
        self._show(replies)
        return replies

    # --- the loop ---

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until the source ends. Raises AudioError where it does not open or breaks off.

        ready: called when the source is open.
        """
        try:
            self._pump.open()
            ready()
            self._pump.start()
            self._loop()
        finally:
            self._is_stopping = True
            self._pump.stop()
            self._pump.join()
            self._refuse_rest()
        if self._pump.error is not None:
            raise self._pump.error

    def _loop(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=_TICK)
            except queue.Empty:
                self._look()
                continue
            if item is None:
                break
            if isinstance(item, _Asked):
                self._answer(item)
            else:
                self._hear(item)
            self._look()
        if not self._is_stopping:
            self._end()

    def _take(self, block: Samples) -> None:
        """On the thread that captures."""
        self._queue.put(_Sound(block, self._clock()))

    def _now(self) -> float:
        return self._clock() if self._is_real_time else self._num_samples / SAMPLE_RATE

    def _answer(self, asked: _Asked) -> None:
        if not asked.answer.set_running_or_notify_cancel():
            return
        try:
            asked.answer.set_result(asked.request(self))
        except Exception as error:  # it is the asker's, who gets it
            asked.answer.set_exception(error)

    def _refuse_rest(self) -> None:
        """Nobody waits for a loop that has ended."""
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if isinstance(item, _Asked):
                item.answer.cancel()

    def _end(self) -> None:
        """The sound is over: what was open counts, and what was asked is answered with no."""
        if self._stream is not None:
            self._understood(self._stream.finish())
        if self._spotter is not None:
            self._spotted(self._spotter.finish())
        if self.dialogue.question:
            self._show(self.dialogue.timed_out(float("inf")))
        self.mouth.finish()

    # --- sound ---

    def _hear(self, sound: _Sound) -> None:
        self._num_samples += len(sound.block)
        if self._is_deaf(sound.arrived):
            self._stream = None
            self._recent.clear()
            return
        if self._spotter is not None and self._spotted(self._spotter.accept(sound.block)):
            self._stream = None  # the sound was an order, or the wake phrase; it is not words as well
            return
        if self.dialogue.is_hearing and self._ears.understanding.engine is not None:
            self._listen(sound.block)
        else:
            self._stream = None
            self._remember(sound.block)

    def _listen(self, block: Samples) -> None:
        if self._stream is None:
            self._stream = OrderStream(
                self._ears.understanding,
                lambda: self.dialogue.expected,
                options=self._ears.options,
            )
            self._recent.clear()
        self._understood(self._stream.accept(block))

    def _remember(self, block: Samples) -> None:
        self._recent.append(block)
        while sum(map(len, self._recent)) - len(self._recent[0]) >= _PRE_ROLL:
            self._recent.popleft()

    def _is_deaf(self, arrived: float) -> bool:
        """Whether it may be itself that it hears."""
        return self._has_echo and not self.dialogue.is_held and arrived < self.mouth.echo_until

    def _understood(self, utterances: Sequence[Utterance]) -> None:
        for utterance in utterances:
            if not self._is_own(utterance.recognition):
                speaker = self._ears.identify(utterance.samples) if self._ears.identify is not None else None
                self._heard(utterance.recognition, utterance.samples, speaker)

    def _is_own(self, recognition: Recognition) -> bool:
        if not self._has_echo or self.dialogue.is_held or self._clock() > self.mouth.last_speech + MEMORY:
            return False
        return is_own_words(recognition.open_text or recognition.text, self.mouth.said)

    def _heard(self, recognition: Recognition, samples: Samples, speaker: str | None) -> None:
        audio = self._kept(samples)
        self._show(self.dialogue.heard(recognition, self._now(), audio=audio, speaker=speaker))

    def _kept(self, samples: Samples) -> str | None:
        """Where the sound is; a full disk is told, and is no reason to obey no more."""
        if self._ears.keep is None:
            return None
        try:
            return self._ears.keep(samples)
        except OutputError as error:
            self._tell(Notice("disk", f"the sound of an order is not kept: {error}"))
            return None

    def _spotted(self, events: Sequence[Spotted]) -> bool:
        """Whether one of them mattered."""
        for event in events:
            if event.label in self._ears.wake:
                self._show(self.dialogue.woken(self._now()))
                return True
            match = self._ears.understanding.grammar.match(event.label)
            if match is not None and self.dialogue.is_hearing and self.dialogue.phase is Phase.LISTENING:
                recognition = Recognition(
                    match.intent, match.slots, match.text, event.confidence, True, match.text, match.spoken
                )
                speaker = self._ears.identify(event.sound) if self._ears.identify is not None else None
                self._heard(recognition, event.sound, speaker)
                return True
        return False

    # --- what is shown and said ---

    def _show(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            if reply.kind == "heard" and reply.text:
                self._texts.append(reply.text)
            self._tell(reply)
            if reply.is_spoken and reply.text and self.dialogue.wording.is_spoken and self.mouth.can_speak:
                self.mouth.say(reply.text)
            elif reply.tone is not None:
                self.mouth.play(tone(reply.tone))

    def _look(self) -> None:
        """Deadlines, timers, notices."""
        while self._pump.notices:
            self._tell(self._pump.notices.popleft())
        is_speaking = self.mouth.is_busy
        now = self._now()
        if self._was_speaking and not is_speaking:
            self.dialogue.resumed(now)
        self._was_speaking = is_speaking
        is_open = self._stream is not None and self._stream.is_open
        if not is_speaking and not is_open:
            self._show(self.dialogue.timed_out(now))
        if self._timers is not None and self._clock() >= self._next_look:
            self._next_look = self._clock() + 0.5
            try:
                for timer in self._timers.due():
                    self._ring(timer)
            except (FormatError, OutputError) as error:
                self._timers = None
                self._tell(Notice("disk", f"timers do not ring: {error}"))

    def _ring(self, timer: Timer) -> None:
        wording = self.dialogue.wording
        name = timer.label or wording.timer_name
        text = wording.timer.format(name)
        if timer.late(datetime.now(UTC)) > _LATE:
            text = wording.late_timer.format(name, f"{timer.due.astimezone():%H:%M}")
        self.mouth.play(ring())
        self._show([Reply("timer", text, is_spoken=True)])
