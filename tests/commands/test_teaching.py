from __future__ import annotations

import numpy as np
import pytest

from earshot.commands import CommandClassifier, CommandStore, Embedder, Teacher
from earshot.commands.teaching import current_commands, load_classifier
from earshot.commands.trimming import trim
from earshot.core.errors import AudioError, CommandError
from tests.commands.conftest import FIRST, SECOND, THIRD, piece, takes


def test_an_embedding_is_a_unit_vector_that_knows_neither_level_nor_company(embedder: Embedder) -> None:
    clips = [piece(*phrase) for phrase in (FIRST, SECOND, THIRD)]
    together = embedder.embed(clips)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for clip, row in zip(clips, together, strict=True):
        assert np.array_equal(embedder.embed([clip])[0], row)
        assert float(embedder.embed([0.05 * clip])[0] @ row) > 0.97
    assert embedder.embed([]).shape == (0, embedder.size)


@pytest.mark.parametrize("num_samples", [0, 1, 900, 1_600, 400_000])
def test_any_length_has_an_embedding(embedder: Embedder, num_samples: int) -> None:
    assert np.isfinite(embedder.embed([0.1 * np.ones(num_samples, np.float32)])).all()


def test_three_recordings_are_enough(teacher: Teacher, store: CommandStore, embedder: Embedder) -> None:
    report = teacher.teach("first", takes(FIRST))
    assert report.num_recordings == 3
    assert report.agreement is not None
    assert report.agreement > 0.6
    assert report.outlier is None
    assert report.nearest is None
    assert report.warnings == ()
    teacher.teach("second", takes(SECOND))
    classifier = load_classifier(store, embedder)
    for phrase, label in ((FIRST, "first"), (SECOND, "second")):
        sound = trim(takes(phrase, 4)[3][1])
        decision = classifier.decide(embedder.embed([sound])[0], len(sound) / 16_000)
        assert decision.label == label
        assert decision.confidence > 0.5
    sound = piece(*THIRD)
    assert classifier.decide(embedder.embed([sound])[0], len(sound) / 16_000).label is None


def test_one_recording_is_accepted_with_a_warning(teacher: Teacher, store: CommandStore) -> None:
    report = teacher.teach("first", takes(FIRST, 1))
    assert report.agreement is None
    assert report.false_alarms_per_hour is None
    assert any("1 of 3 recordings" in warning for warning in report.warnings)
    assert len(store.commands()) == 1


def test_three_different_words_are_refused_and_nothing_is_kept(teacher: Teacher, store: CommandStore) -> None:
    mixed = [takes(phrase, 1)[0] for phrase in (FIRST, SECOND, THIRD)]
    with pytest.raises(CommandError, match="different words"):
        teacher.teach("mixed", mixed)
    assert store.commands() == []


def test_the_recording_of_another_word_is_named(teacher: Teacher) -> None:
    name, samples = takes(SECOND, 1)[0]
    report = teacher.teach("first", [*takes(FIRST, 2), (f"odd {name}", samples)])
    assert report.outlier == f"odd {name}"
    assert any(report.outlier in warning for warning in report.warnings)


def test_one_bad_recording_of_three_keeps_nothing(teacher: Teacher, store: CommandStore) -> None:
    with pytest.raises(AudioError, match=r"silence\.wav"):
        teacher.teach("first", [*takes(FIRST, 2), ("silence.wav", np.zeros(16_000, np.float32))])
    assert store.commands() == []
    assert not list(store.root.glob("*/*.flac"))


def test_a_taken_label_is_refused_unless_recordings_are_added(teacher: Teacher, store: CommandStore) -> None:
    teacher.teach("first", takes(FIRST))
    with pytest.raises(CommandError, match="taught already"):
        teacher.teach("First", takes(FIRST))
    teacher.teach("first", takes(FIRST, 1), is_added=True)
    assert len(store.find("first").positives) == 4


def test_the_same_sound_under_another_name_is_warned_of(teacher: Teacher) -> None:
    teacher.teach("first", takes(FIRST))
    report = teacher.teach("other name", takes(FIRST))
    assert report.nearest is not None
    assert report.nearest.label == "first"
    assert report.nearest.similarity > 0.9
    assert any("sounds like 'first'" in warning for warning in report.warnings)


def test_what_was_rejected_is_not_taken_for_the_command_again(
    teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    teacher.teach("first", takes(FIRST))
    sound = trim(takes(FIRST, 4)[3][1])
    vector = embedder.embed([sound])[0]
    assert load_classifier(store, embedder).decide(vector, len(sound) / 16_000).label == "first"
    teacher.learn("first", sound, "rejected")
    assert load_classifier(store, embedder).decide(vector, len(sound) / 16_000).label is None


def test_uses_and_corrections_are_learned(teacher: Teacher, store: CommandStore) -> None:
    teacher.teach("first", takes(FIRST))
    teacher.learn("first", takes(FIRST)[2][1])
    teacher.learn("first", takes(FIRST)[1][1], "corrected")
    assert [one.kind for one in store.find("first").examples] == [*["taught"] * 3, "accepted", "corrected"]
    with pytest.raises(CommandError, match="no command"):
        teacher.learn("second", takes(SECOND)[0][1])


def test_embeddings_of_another_space_are_made_anew(
    teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    teacher.teach("first", takes(FIRST))
    before = store.commands()[0].examples[0].embeddings
    store.replace_embeddings({store.commands()[0].key: [np.ones((1, 3), np.float32)] * 3}, space="old")
    after = current_commands(store, embedder)[0].examples[0].embeddings
    assert store.space() == embedder.space.name
    assert float(after[0] @ before[0]) > 0.99


def test_fewer_false_alarms_mean_higher_thresholds(
    teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    teacher.teach("first", takes(FIRST))
    commands = store.commands()
    thresholds = [
        CommandClassifier(commands, embedder.space, false_alarms_per_hour=rate).thresholds[0]
        for rate in (10.0, 0.5, 0.01)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[2]
    with pytest.raises(CommandError, match="positive"):
        CommandClassifier(commands, embedder.space, false_alarms_per_hour=0)
