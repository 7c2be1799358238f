"""Live sessions: a microphone (or a file, pipe, socket) to text at once, in a journal that survives a crash."""

from earshot.audio.capture import Microphone, Notice, Source
from earshot.live.finishing import SegmentSink
from earshot.live.following import Follower, Remark
from earshot.live.session import Session, SessionEvent, SessionStatus, listen
from earshot.live.sources import PacedFile, PacedSound, PcmStream, SocketListener
from earshot.live.speakers import SpeakerKnown
from earshot.transcription.processors import PostProcessor

__all__ = [
    "Follower",
    "Microphone",
    "Notice",
    "PacedFile",
    "PacedSound",
    "PcmStream",
    "PostProcessor",
    "Remark",
    "SegmentSink",
    "Session",
    "SessionEvent",
    "SessionStatus",
    "SocketListener",
    "Source",
    "SpeakerKnown",
    "listen",
]
