from __future__ import annotations

import numpy as np
import pytest

from earshot.commands import Embedder
from earshot.commands.embedding import ClipEncoder, load_space
from earshot.commands.speech_embedding import SIZE, SpeechEmbedding
from tests.commands.conftest import FIRST, SECOND, piece


def test_a_phrase_stays_where_it_is_softer_or_between_pauses_and_another_lies_elsewhere(
    embedder: Embedder,
) -> None:
    quiet = np.zeros(8_000, np.float32)
    first, second = piece(*FIRST), piece(*SECOND)
    points = embedder.embed([first, 0.05 * first, np.concatenate([quiet, first, quiet]), second])
    assert points.shape == (4, embedder.size)
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.ones(4), abs=1e-4)
    assert (points[:3] @ points[0] > 0.95).all()
    assert points[3] @ points[0] < 0.5


def test_the_space_has_a_map_for_what_each_net_tells() -> None:
    space = load_space()
    told = ClipEncoder().statistics(piece(*FIRST))
    assert len(told) == sum(len(part.centre) for part in space.maps)
    assert sum(part.weight for part in space.maps) == pytest.approx(1)
    assert space.background.vectors.shape[1] == space.size


def test_a_sound_between_silence_has_a_vector_each_80_milliseconds() -> None:
    embedding = SpeechEmbedding()
    sound = piece(*FIRST)
    shorter, longer = (
        embedding.steps(sound),
        embedding.steps(np.concatenate([sound, np.zeros(12_800, np.float32)])),
    )
    assert longer.shape == (len(shorter) + 10, SIZE)
    np.testing.assert_allclose(longer[: len(shorter)], shorter, atol=1e-2)
