"""Corpora: recordings with their texts, from the network, from a folder, or spoken by the user."""

from earshot.corpora.formats import FORMATS, read_manifest, write_manifest
from earshot.corpora.manifest import BadLine, Manifest
from earshot.corpora.utterance import Utterance

__all__ = ["FORMATS", "BadLine", "Manifest", "Utterance", "read_manifest", "write_manifest"]
