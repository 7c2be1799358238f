from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from earshot.core.errors import CorpusError, DownloadError, ManifestError, ModelError
from earshot.corpora import Manifest, Utterance
from earshot.corpora.converting import to_wav
from earshot.corpora.obtaining import ObtainOptions, obtain
from earshot.corpora.recipes import find_recipe, recipe_names
from earshot.corpora.recipes.base import Part, Recipe
from earshot.corpora.recipes.speech_commands import split_of
from earshot.models.catalogue import RemoteFile
from earshot.models.download import RetryPolicy
from tests.cli.command import assert_one_line_error, earshot
from tests.corpora.sounds import tone
from tests.models.server import FileServer, serving

QUICK = RetryPolicy(attempts=2, first_delay=0.01, timeout=20.0)


def sound(kind: str = "WAV", rate: int = 16_000, seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    subtype = {"OGG": "OPUS"}.get(kind)
    soundfile.write(buffer, tone(seconds, rate=rate), rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def packed(files: dict[str, str | bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.delenv("EARSHOT_OFFLINE", raising=False)
    with serving(FileServer()) as running:
        yield running


def told(manifest: Manifest) -> list[tuple[str | None, str | None, str | None]]:
    return [(one.text, one.speaker, one.language) for one in manifest]


def session(name: str, text: str = "ДА", language: str = "RU") -> dict[str, str | bytes]:
    """A submission to VoxForge."""
    return {
        f"{name}/etc/PROMPTS": f"{name}/mfc/ru_01 {text}\n{name}/mfc/ru_02 НЕТ\n",
        f"{name}/etc/README": f"User Name:x\n\nLanguage: {language}\n",
        f"{name}/wav/ru_01.wav": sound(),
    }


LIBRISPEECH: dict[str, str | bytes] = {
    "LibriSpeech/dev-clean/84/121/84-121.trans.txt": "84-121-0000 GO ON\n84-121-0001 STOP\n",
    "LibriSpeech/dev-clean/84/121/84-121-0000.flac": sound("FLAC"),
    "LibriSpeech/dev-clean/84/121/84-121-0001.flac": sound("FLAC"),
}

LAYOUTS: dict[str, tuple[dict[str, str | bytes], list[tuple[str | None, str | None, str | None]]]] = {
    "voxforge": (session("Anna-20100203-abc"), [("ДА", "Anna", "ru")]),
    "librispeech": (LIBRISPEECH, [("go on", "84", "en"), ("stop", "84", "en")]),
    "common-voice": (
        {
            "cv-corpus-1/ru/validated.tsv": "client_id\tpath\tsentence\tage\nabc\ta.mp3\tПривет!\ttwenties\n"
            "def\tb\tПока.\n",
            "cv-corpus-1/ru/clips/a.mp3": sound("MP3"),
            "cv-corpus-1/ru/clips/b.mp3": sound("MP3"),
        },
        [("Привет!", "abc", "ru"), ("Пока.", "def", "ru")],
    ),
    "speech-commands": (
        {
            "yes/0a7c_nohash_0.wav": sound(),
            "_background_noise_/hum.wav": sound(),
            "testing_list.txt": "yes/0a7c_nohash_0.wav\n",
            "validation_list.txt": "",
        },
        [("yes", "0a7c", "en")],
    ),
    "ljspeech": (
        {"LJ/metadata.csv": "LJ1|in 1803|in eighteen three\n", "LJ/wavs/LJ1.wav": sound(rate=22_050)},
        [("in eighteen three", "linda", "en")],
    ),
    "vctk": (
        {
            "txt/p225/p225_001.txt": "Please call Stella.\n",
            "txt/p225/p225_002.txt": "Nobody recorded this.\n",
            "wav48_silence_trimmed/p225/p225_001_mic1.flac": sound("FLAC", 48_000),
            "wav48_silence_trimmed/p225/p225_001_mic2.flac": sound("FLAC", 48_000),
        },
        [("Please call Stella.", "p225", "en")],
    ),
    "spoken-digits": (
        {"fsdd/recordings/7_anna_5.wav": sound(rate=8_000), "fsdd/README.md": "digits"},
        [("seven", "anna", "en")],
    ),
    "open-stt": (
        {
            "calls/0/1a/2b.opus": sound("OGG"),
            "calls/0/1a/2b.txt": "алло\n",
            "calls.csv": "1,/data/ru/calls/0/1a/2b.wav,/data/ru/calls/0/1a/2b.txt,1.0\n"
            "2,/data/ru/calls/0/1a/2b.wav,/data/ru/calls/0/1a/2b.txt,1.0\n"
            "3,/data/ru/calls/0/1a/3c.wav,/data/ru/calls/0/1a/3c.txt,1.0\n",
        },
        [("алло", None, "ru")],
    ),
    "golos": (
        {
            "train/manifest.jsonl": '{"audio_filepath": "farfield/1.wav", "text": "джой", "duration": 1.0}\n',
            "train/10hours.jsonl": '{"audio_filepath": "farfield/1.wav", "text": "джой", "duration": 1.0}\n',
            "train/farfield/1.opus": sound("OGG"),
        },
        [("джой", None, "ru")],
    ),
    "generic": ({"mine/a.wav": sound(), "mine/a.txt": "hello"}, [("hello", None, None)]),
}  # fmt: skip


def test_every_recipe_tells_where_it_comes_from() -> None:
    assert recipe_names() == sorted(LAYOUTS)
    for name in recipe_names():
        recipe = find_recipe(name)
        assert recipe.name == name
        for heading in ("Provenance", "peakers", "icence", "Layout:"):
            assert heading in recipe.story
        assert recipe.parts or recipe.by_hand
        assert set(recipe.default) <= set(recipe.parts)
        for part in recipe.parts.values():
            addresses = [file.url for file in part.files] + ([part.index] if part.index else [])
            assert all(address.startswith("https://") for address in addresses)
    with pytest.raises(CorpusError, match="did you mean 'voxforge'"):
        find_recipe("voxfroge")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_becomes_utterances(name: str, tmp_path: Path) -> None:
    files, expected = LAYOUTS[name]
    folder = write(tmp_path / "mine" / "corpus", files)
    found = obtain(find_recipe(name), tmp_path / "out", ObtainOptions(archives=(folder,)))
    assert told(found) == expected
    assert all(one.duration == pytest.approx(1.0, abs=0.15) for one in found)  # mp3 pads


@pytest.mark.parametrize("name", LAYOUTS)
def test_something_else_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises((CorpusError, ManifestError)) as caught:
        obtain(find_recipe(name), tmp_path / "out", ObtainOptions(archives=(tmp_path / "empty",)))
    assert caught.value.fix


def test_the_real_layout_of_voxforge(speech: Path, tmp_path: Path) -> None:
    found = obtain(find_recipe("voxforge"), tmp_path, ObtainOptions(archives=(speech / "voxforge",)))
    assert len(found) == 15
    assert {(one.speaker, one.language) for one in found} == {
        ("DanielNeuhaus", "de"), ("corno1979", "en"), ("MarSoft", "ru"),
    }  # fmt: skip
    texts = [one.text for one in found]
    assert "Ах Боже мой, какие могли быть дела важнее Катюшиной любви!" in texts


def test_anonymous_speakers_are_not_one(tmp_path: Path) -> None:
    for name in ("anonymous-20100203-abc", "anonymous-20100203-abd"):
        write(tmp_path / "in", session(name))
    found = obtain(find_recipe("voxforge"), tmp_path / "out", ObtainOptions(archives=(tmp_path / "in",)))
    assert len({one.speaker for one in found}) == 2


def test_the_split_of_speech_commands_is_the_official_one(speech: Path) -> None:
    lines = (speech / "speech_commands" / "manifest.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    # The clips of "unknown" and "silence" bear other names.
    told = [row["speaker"] for row in rows if row.get("official_split") == "test" and row["label"][0] != "_"]
    assert len(told) > 2000
    assert {split_of(f"{speaker}_nohash_0.wav") for speaker in told} == {"test"}


# --- downloads ---------------------------------------------------------------------------------------------


def librispeech(server: FileServer) -> tuple[Recipe, ObtainOptions]:
    server.files["/dev-clean.tar.gz"] = packed(LIBRISPEECH)
    whole = find_recipe("librispeech")
    part = Part((RemoteFile(server.url("/dev-clean.tar.gz")),))
    recipe = Recipe(
        "librispeech", "", ("en",), "", whole.prepare, parts={"dev-clean": part}, default=("dev-clean",)
    )
    return recipe, ObtainOptions(retry=QUICK)


def test_a_download_is_cut_and_goes_on(server: FileServer, tmp_path: Path) -> None:
    recipe, options = librispeech(server)
    server.cuts = [2_000, 4_000]
    seen: list[float] = []
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        obtain(recipe, tmp_path / "c", options)
    server.cuts = []
    found = obtain(recipe, tmp_path / "c", options, progress=lambda done, _: seen.append(done))
    assert len(found) == 2
    assert server.requests[-1][1] is not None, "it asked for the rest only"
    assert max(seen) >= len(server.files["/dev-clean.tar.gz"])
    assert not list((tmp_path / "c" / "downloads").glob("*.tar.gz*")), "what is unpacked is not kept twice"


def test_what_is_there_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    recipe, options = librispeech(server)
    obtain(recipe, tmp_path / "c", options)
    count = len(server.requests)
    assert len(obtain(recipe, tmp_path / "c", options)) == 2
    assert len(server.requests) == count


def test_what_a_killed_process_left_half_unpacked(server: FileServer, tmp_path: Path) -> None:
    recipe, options = librispeech(server)
    place = tmp_path / "c" / "data" / "dev-clean"
    write(place / ".dev-clean.unpacking", {"LibriSpeech/dev-clean/84/121/84-121.trans.txt": "84-121-0000 GO\n"})
    assert len(obtain(recipe, tmp_path / "c", options)) == 2
    assert [path.name for path in place.iterdir()] == ["dev-clean"]


def test_a_file_that_changed_since_it_was_pinned(server: FileServer, tmp_path: Path) -> None:
    recipe, options = librispeech(server)
    obtain(recipe, tmp_path / "c", options)
    for path in (tmp_path / "c" / "data" / "dev-clean").iterdir():
        path.rename(tmp_path / "away")
    server.files["/dev-clean.tar.gz"] = packed({**LIBRISPEECH, "more": "x"})
    with pytest.raises(DownloadError, match="is not what it should be"):
        obtain(recipe, tmp_path / "c", options)


def test_a_wrong_checksum(server: FileServer, tmp_path: Path) -> None:
    server.files["/train-clean-100.tar.gz"] = packed(LIBRISPEECH)
    options = ObtainOptions(("train-clean-100",), mirror=server.url("/"), retry=QUICK)
    with pytest.raises(DownloadError, match="SHA-256"):
        obtain(find_recipe("librispeech"), tmp_path / "c", options)
    assert not (tmp_path / "c" / "data" / "train-clean-100").exists()


def index(server: FileServer, *names: str) -> ObtainOptions:
    links = "".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    page = f'<html><a href="?C=N;O=D">Name</a><a href="http://elsewhere.example/x.tgz">x</a>{links}</html>'
    server.files["/ru/"] = page.encode()
    return ObtainOptions(("ru",), mirror=server.url("/ru/"), retry=QUICK)


def test_an_index_of_archives(server: FileServer, tmp_path: Path) -> None:
    names = [f"speaker{number}-20100101-abc" for number in range(6)]
    for name in names:
        server.files[f"/ru/{name}.tgz"] = packed(session(name))
    options = index(server, *(f"{name}.tgz" for name in names), "gone-20100101-abc.tgz", "readme.txt")
    notes: list[str] = []
    found = obtain(find_recipe("voxforge"), tmp_path / "c", options, notice=notes.append)
    assert {one.speaker for one in found} == {f"speaker{number}" for number in range(6)}
    assert any("gone-20100101-abc.tgz is not there" in note for note in notes)
    assert not any("elsewhere" in path for path, _ in server.requests)
    pins = json.loads((tmp_path / "c" / "downloads" / "pins.json").read_text())
    assert len(pins) == 6


def test_a_hostile_archive(server: FileServer, tmp_path: Path) -> None:
    server.files["/dev-clean.tar.gz"] = packed({"../../evil": "x"})
    part = Part((RemoteFile(server.url("/dev-clean.tar.gz")),))
    recipe = Recipe("x", "", (), "", find_recipe("generic").prepare, parts={"a": part}, default=("a",))
    with pytest.raises(ModelError, match="leads out of the folder"):
        obtain(recipe, tmp_path / "c", ObtainOptions(retry=QUICK))
    assert not list(tmp_path.rglob("evil"))
    (tmp_path / "z.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ModelError, match="damaged"):
        obtain(recipe, tmp_path / "d", ObtainOptions(archives=(tmp_path / "z.zip",)))


def test_what_cannot_be_downloaded_says_how(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be downloaded") as caught:
        obtain(find_recipe("common-voice"), tmp_path)
    assert "--archive" in (caught.value.fix or "")
    with pytest.raises(CorpusError, match="which part"):
        obtain(find_recipe("voxforge"), tmp_path)
    with pytest.raises(CorpusError, match="no part 'dev-claen'"):
        obtain(find_recipe("librispeech"), tmp_path, ObtainOptions(("dev-claen",)))


def test_the_network_may_be_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_OFFLINE", "1")
    with pytest.raises(DownloadError, match="forbids the network") as caught:
        obtain(find_recipe("ljspeech"), tmp_path)
    assert "earshot corpus get ljspeech --archive FILE" in (caught.value.fix or "")


# --- the command -------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"fsdd/recordings/{number}_anna_{number + 3}.wav", sound(rate=8_000))
    out = tmp_path / "digits"
    done = earshot("corpus", "get", "spoken-digits", "--archive", tmp_path / "digits.zip", "-o", out, "--wav")
    assert done.status == 0
    assert done.output.startswith(f"{out / 'manifest.jsonl'}\t4 utterances\t0:00:04\tversion ")
    assert "licence: CC BY-SA 4.0" in done.errors
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == ["zero", "one", "two", "three"]
    assert soundfile.info(out / rows[0]["audio"]).samplerate == 16_000
    listed = earshot("corpus", "recipes").output
    assert all(name in listed for name in recipe_names())
    assert "Panayotov" in earshot("corpus", "recipes", "librispeech").output
    assert_one_line_error(
        earshot("corpus", "get", "golos", "--archive", tmp_path / "no", "-o", out), "no archive"
    )


def test_a_folder_below_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("digits.zip", "w") as archive:
        archive.writestr("recordings/3_anna_0.wav", sound(rate=8_000))
    done = earshot("corpus", "get", "spoken-digits", "--archive", "digits.zip", "-o", "digits")
    assert done.status == 0, done.errors
    (row,) = [json.loads(line) for line in Path("digits/manifest.jsonl").read_text().splitlines()]
    assert (tmp_path / "digits" / row["audio"]).is_file()
    assert row["text"] == "three"


def test_stretches_become_files(tmp_path: Path, make_wav: Callable[[float], Path]) -> None:
    path = make_wav(3.0)
    found = Manifest((Utterance(path, 0.5, 1.0, "a"), Utterance(path, 1.5, None, "b")))
    done = to_wav(found, tmp_path / "wav", num_threads=1)
    assert [soundfile.info(one.audio).duration for one in done] == [1.0, 1.5]
    assert [one.start for one in done] == [0.0, 0.0]


@pytest.fixture
def make_wav(tmp_path: Path) -> Callable[[float], Path]:
    def make(seconds: float) -> Path:
        path = tmp_path / "long.wav"
        soundfile.write(path, tone(seconds), 16_000)
        return path

    return make
