"""Recordings to text: decode, cut at silence, recognize in batches, give every word its time."""

from earshot.transcription.speakers import SpeakerOptions
from earshot.transcription.transcriber import Transcriber, TranscriptionOptions, transcribe

__all__ = ["SpeakerOptions", "Transcriber", "TranscriptionOptions", "transcribe"]
