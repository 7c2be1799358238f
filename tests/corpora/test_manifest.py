from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.core.errors import AudioError, ManifestError
from earshot.corpora import FORMATS, Utterance, read_manifest, write_manifest
from earshot.corpora.manifest import merged
from tests.corpora.sounds import write_tone

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30)
NAMES = st.text(st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=8)
TIMES = st.integers(1, 10_000_000).map(lambda thousandths: thousandths / 1000)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        write_tone(tmp_path / "clips" / f"{name}.wav", 2.0)
    return tmp_path


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def utterances(folder: Path) -> st.SearchStrategy[list[Utterance]]:
    one = st.builds(
        Utterance,
        audio=st.sampled_from([folder / "clips" / "one.wav", folder / "clips" / "two.wav"]),
        start=st.one_of(st.just(0.0), TIMES),
        duration=st.one_of(st.none(), TIMES),
        text=st.one_of(st.none(), TEXT),
        speaker=st.one_of(st.none(), NAMES),
        language=st.sampled_from([None, "en", "mdw"]),
        label=st.one_of(st.none(), NAMES),
        channel=st.sampled_from([None, 1, 2]),
    )
    return st.lists(one, max_size=6)


@pytest.mark.parametrize("name", ["earshot", "nemo"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(data=st.data())
def test_what_is_written_is_read_again(name: str, data: st.DataObject, clips: Path) -> None:
    given_utterances = data.draw(utterances(clips))
    write_manifest(given_utterances, clips / "m.jsonl", format_name=name)
    assert list(read_manifest(clips / "m.jsonl", format_name=name)) == given_utterances


@pytest.mark.parametrize("name", ["csv", "tsv"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(data=st.data())
def test_tables_keep_all_but_odd_spaces_and_the_difference_of_none_and_empty(
    name: str, data: st.DataObject, clips: Path
) -> None:
    given_utterances = data.draw(utterances(clips))
    write_manifest(given_utterances, clips / f"m.{name}")
    found = list(read_manifest(clips / f"m.{name}"))
    assert [(one.place, one.duration, one.speaker, one.language, one.label) for one in found] == [
        (one.place, one.duration, one.speaker, one.language, one.label) for one in given_utterances
    ]
    assert [(one.text or "").split() for one in found] == [(one.text or "").split() for one in given_utterances]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)
@given(data=st.data())
def test_kaldi_and_lhotse_keep_what_they_have_a_place_for(data: st.DataObject, clips: Path) -> None:
    chosen = data.draw(utterances(clips))
    chosen = [
        Utterance(one.audio, one.start, one.duration or 1.0, one.text or "x", one.speaker, one.language)
        for one in chosen
    ]
    for name in ("kaldi", "lhotse"):
        write_manifest(chosen, clips / name, format_name=name)
        if not chosen and name == "kaldi":
            continue
        found = read_manifest(clips / name)
        keys = sorted((one.place, one.duration, (one.text or "").split(), one.language or "") for one in found)
        assert len(keys) == len(chosen)
        for key, expected in zip(
            keys,
            sorted((one.place, one.duration, (one.text or "").split(), one.language or "") for one in chosen),
            strict=True,
        ):
            assert key[0] == expected[0]
            assert key[1] == pytest.approx(expected[1], abs=2e-6)
            assert key[2:] == expected[2:]


def test_other_fields_are_kept(clips: Path) -> None:
    row = {
        "audio": "clips/one.wav",
        "duration": 2.0,
        "text": "sωndω",
        "translation_fr": "nu",
        "tags": [1, {"a": None}],
    }
    manifest = read_manifest(lines(clips / "m.jsonl", row))
    assert manifest.utterances[0].extra == {"translation_fr": "nu", "tags": [1, {"a": None}]}
    write_manifest(manifest, clips / "again.jsonl")
    assert json.loads((clips / "again.jsonl").read_text()) == row


def test_a_manifest_elsewhere_names_whole_paths(clips: Path, tmp_path: Path) -> None:
    manifest = read_manifest(lines(clips / "m.jsonl", {"audio": "clips/one.wav"}))
    write_manifest(manifest, tmp_path / "elsewhere" / "m.jsonl")
    assert list(read_manifest(tmp_path / "elsewhere" / "m.jsonl")) == list(manifest)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "no JSON"),
        ({"text": "hello"}, "'audio' is missing"),
        ({"audio": ""}, "names no recording"),
        ({"audio": 7}, "names no recording"),
        ({"audio": "clips/three.wav"}, "there is no recording"),
        ({"audio": "../../etc/passwd"}, "leads out of"),
        ({"audio": "clips/one.wav", "duration": "long"}, "no number of seconds"),
        ({"audio": "clips/one.wav", "duration": -1}, "not within"),
        ({"audio": "clips/one.wav", "duration": 0}, "duration is 0"),
        ('{"audio": "clips/one.wav", "start": NaN}', "not within"),
        ('{"audio": "clips/one.wav", "duration": 1e999}', "not within"),
        ({"audio": "clips/one.wav", "text": ["a"]}, "no text"),
        ({"audio": "clips/one.wav", "channel": 0}, "channels count from 1"),
        ({"audio": "x" * 5000}, "there is no recording"),
    ],
)
def test_a_bad_line_is_named_and_can_be_left_out(clips: Path, bad: object, reason: str) -> None:
    good = {"audio": "clips/one.wav", "text": "hello"}
    path = lines(clips / "m.jsonl", good, "", bad, good)
    with pytest.raises(ManifestError, match=r"m\.jsonl, line 3: ") as caught:
        read_manifest(path)
    assert reason in caught.value.message
    assert caught.value.fix
    found = read_manifest(path, skips_bad=True)
    assert len(found) == 2
    assert [(one.line, reason in one.reason) for one in found.bad_lines] == [(3, True)]


def test_half_a_character_and_bytes_that_are_no_text(clips: Path) -> None:
    path = clips / "m.jsonl"
    path.write_bytes(b'{"audio": "clips/one.wav", "text": "\\ud800"}\n\xff\xfe\n{"audio": "clips/two.wav"}\n')
    found = read_manifest(path, skips_bad=True)
    assert len(found) == 2
    assert found.bad_lines[0].line == 2
    write_manifest(found, clips / "again.jsonl")  # it can be written
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(ManifestError, match="binary"):
        read_manifest(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no manifest"):
        read_manifest(tmp_path / "m.jsonl")
    with pytest.raises(ManifestError, match="holds no recordings"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match="did you mean 'kaldi'"):
        read_manifest(tmp_path, format_name="kaldy")
    with pytest.raises(ManifestError, match="which is a file"):
        read_manifest(tmp_path, format_name="nemo")


def test_nemo_is_told_from_ours_by_its_fields(clips: Path) -> None:
    row = {"audio_filepath": "clips/one.wav", "duration": 1.5, "offset": 0.25, "text": "a b", "pred_text": "a"}
    found = read_manifest(lines(clips / "m.json", row)).utterances[0]
    assert (found.start, found.duration, found.text, found.extra) == (0.25, 1.5, "a b", {"pred_text": "a"})


def test_a_kaldi_folder_with_segments(clips: Path) -> None:
    folder = clips / "data"
    folder.mkdir()
    (folder / "wav.scp").write_text(f"rec {clips}/clips/one.wav\nevil touch {clips}/hacked |\n")
    (folder / "segments").write_text("u1 rec 0.5 1.5\nu2 rec 1.5 -1\nu3 evil 0 1\nu4 rec 2 1\nu5 nobody 0 1\n")
    (folder / "text").write_text("u1 hello there\nu2 again\n")
    (folder / "utt2spk").write_text("u1 anna\nu2 anna\n")
    found = read_manifest(folder, skips_bad=True)
    assert [(one.start, one.duration, one.text, one.speaker, one.name) for one in found] == [
        (0.5, 1.0, "hello there", "anna", "u1"),
        (1.5, None, "again", "anna", "u2"),
    ]
    assert [bad.reason.split(",")[0] for bad in found.bad_lines] == [
        "a command",
        "the end 1 s does not come after the start 2 s",
        "there is no recording 'nobody' in wav.scp",
    ]
    assert not (clips / "hacked").exists()
    with pytest.raises(ManifestError, match=r"wav.scp, line 2: a command"):
        read_manifest(folder)


def test_a_lhotse_folder_packed_and_with_two_channels(clips: Path) -> None:
    folder = clips / "lhotse"
    folder.mkdir()
    source = {"type": "file", "channels": [0, 1], "source": str(clips / "clips" / "one.wav")}
    recording = {"id": "r", "sources": [source], "sampling_rate": 16000, "num_samples": 32000, "duration": 2.0}
    supervision = {"id": "s", "recording_id": "r", "start": 0.5, "duration": 1.0, "channel": 1, "text": "hi",
                   "speaker": "7", "language": "English", "gender": "f"}  # fmt: skip
    with gzip.open(folder / "my_recordings_all.jsonl.gz", "wt") as file:
        file.write(json.dumps(recording) + "\n")
    with gzip.open(folder / "my_supervisions_all.jsonl.gz", "wt") as file:
        file.write(json.dumps(supervision) + "\n" + json.dumps({**supervision, "recording_id": "q"}) + "\n")
    found = read_manifest(folder, skips_bad=True)
    one = found.utterances[0]
    assert (one.start, one.duration, one.channel, one.text, one.speaker) == (0.5, 1.0, 2, "hi", "7")
    assert one.extra == {"id": "s", "gender": "f"}
    assert "there is no recording 'q'" in found.bad_lines[0].reason


def test_tables_as_people_write_them(clips: Path) -> None:
    (clips / "a.csv").write_text('path,sentence,age\nclips/one.wav,"well, a ""word""\nin two lines",40s\n')
    one = read_manifest(clips / "a.csv").utterances[0]
    assert (one.text, one.extra) == ('well, a "word"\nin two lines', {"age": "40s"})
    (clips / "b.tsv").write_text('client_id\tpath\tsentence\nann\tclips/one.wav\tsay "hi\nann\tclips/two.wav\n')
    with pytest.raises(ManifestError, match=r"b\.tsv, line 3: 2 columns instead of 3"):
        read_manifest(clips / "b.tsv")
    assert read_manifest(clips / "b.tsv", skips_bad=True).utterances[0].text == 'say "hi'
    (clips / "c.csv").write_text("clips/one.wav,no header\n")
    assert read_manifest(clips / "c.csv").utterances[0].text == "no header"
    (clips / "d.csv").write_text("name,what\nclips/one.wav,x,y\n")
    with pytest.raises(ManifestError, match="no column 'audio'"):
        read_manifest(clips / "d.csv")


def test_a_folder_of_recordings_and_texts(tmp_path: Path) -> None:
    for speaker in ("anna", "ben"):
        write_tone(tmp_path / "in" / speaker / "1.wav", 1.0)
        (tmp_path / "in" / speaker / "1.txt").write_text(f"I am\n{speaker}\n")
    found = read_manifest(tmp_path / "in")
    assert [(one.speaker, one.text) for one in found] == [("anna", "I am anna"), ("ben", "I am ben")]
    write_tone(tmp_path / "in" / "ben" / "2.wav", 1.0)
    with pytest.raises(ManifestError, match=r"there is no 2\.txt beside it"):
        read_manifest(tmp_path / "in")
    write_manifest(found, tmp_path / "out", format_name="folder")
    again = read_manifest(tmp_path / "out")
    assert [(one.speaker, one.text) for one in again] == [("anna", "I am anna"), ("ben", "I am ben")]


def test_only_recordings_are_copied_into_a_folder(clips: Path) -> None:
    (clips / "secret").write_text("the key of the house")
    with pytest.raises(AudioError, match="secret"):
        write_manifest([Utterance(clips / "secret", text="x")], clips / "out", format_name="folder")
    assert not list((clips / "out").rglob("secret*"))


def test_merging_takes_the_same_once(clips: Path) -> None:
    one = lines(
        clips / "a.jsonl", {"audio": "clips/one.wav", "text": "a"}, {"audio": "clips/two.wav", "text": "b"}
    )
    two = lines(
        clips / "b.jsonl", {"audio": "clips/two.wav", "text": "b"}, {"audio": "clips/two.wav", "text": "c"}
    )
    assert [one.text for one in merged([read_manifest(one), read_manifest(two)])] == ["a", "b", "c"]


def test_every_format_says_what_it_is() -> None:
    assert all(entry.summary and entry.name == name for name, entry in FORMATS.items())
