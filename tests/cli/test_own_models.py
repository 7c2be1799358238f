"""A model of one's own in every verb: deployed or imported, then used by its name, or as the only one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from earshot.core.errors import ModelError
from earshot.core.types import SAMPLE_RATE, Audio
from earshot.decoding.ngram_files import write_ngrams
from earshot.decoding.ngram_training import train_ngrams
from earshot.engines.ctc import deploy
from earshot.models.store import ModelStore
from earshot.server.settings import ServerOptions
from tests.cli.command import assert_one_line_error, earshot
from tests.engines.tiny_ctc import write_ctc
from tests.engines.tiny_wav2vec2 import PHRASES, TEXT
from tests.server.conftest import running
from tests.server.sounds import recording

OWN = ("--engine", "ctc", "--no-punctuate")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def trained(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ctc(tmp_path_factory.mktemp("trained") / "dickens", sample.samples)


@pytest.fixture(scope="module")
def unsure(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net that lets itself be persuaded."""
    return write_ctc(tmp_path_factory.mktemp("unsure") / "unsure", sample.samples, least=0.04)


@pytest.fixture
def clip(sample: Audio, tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(recording(sample.samples))
    return path


@pytest.fixture
def other_words(tmp_path: Path) -> Path:
    """A language model that knows no wisdom."""
    path = tmp_path / "other.arpa"
    texts = [text.replace("wisdom", "wisdon") for _, _, text in PHRASES]
    write_ngrams(train_ngrams([text.split() for text in texts], 3), path)
    return path


def pcm(sample: Audio) -> bytes:
    padded = np.concatenate([sample.samples, np.zeros(SAMPLE_RATE, np.float32)])
    return (padded * 32_767).astype("<i2").tobytes()


def test_a_trained_folder_is_deployed_and_used_by_its_name(trained: Path, clip: Path) -> None:
    model = deploy(trained, "mine")
    assert model.path.is_dir()
    done = earshot("transcribe", *OWN, "--model", "mine", clip)
    assert (done.status, done.output, done.errors) == (0, TEXT + "\n", "")


def test_a_taken_name_is_kept_unless_it_shall_be_replaced(trained: Path) -> None:
    deploy(trained, "mine")
    with pytest.raises(ModelError, match="is installed already"):
        deploy(trained, "mine")
    assert deploy(trained, "mine", replace=True).name == "mine"


def test_what_does_not_work_is_not_deployed(trained: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(trained, tmp_path / "broken"))
    (broken / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError):
        deploy(broken, "mine")
    assert ModelStore().list() == ()


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_trained_folder_is_imported_as_any_model(
    trained: Path, clip: Path, tmp_path: Path, is_packed: bool
) -> None:
    brought = trained
    if is_packed:
        brought = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", trained.parent, "dickens"))
    imported = earshot("models", "import", brought)
    assert imported.status == 0, imported
    shown = json.loads(earshot("models", "show", "dickens", "--json").output)
    assert (shown["engine"], shown["languages"]) == ("ctc", ["en"])
    assert earshot("models", "verify", "dickens").status == 0
    assert earshot("transcribe", *OWN, "--model", "dickens", clip).output == TEXT + "\n"


def test_the_only_model_need_not_be_named_and_is_told(trained: Path, clip: Path) -> None:
    deploy(trained, "mine")
    done = earshot("transcribe", *OWN, clip)
    assert (done.status, done.output) == (0, TEXT + "\n")
    assert done.errors == "earshot: the model is mine\n"


def test_several_models_are_a_question_unless_the_language_answers_it(
    trained: Path, clip: Path, sample: Audio, tmp_path: Path
) -> None:
    assert_one_line_error(earshot("transcribe", *OWN, clip), "needs a model", "earshot models list")
    deploy(trained, "mine")
    deploy(write_ctc(tmp_path / "german", sample.samples, languages=("de",)), "german")
    assert_one_line_error(earshot("transcribe", *OWN, clip), "needs a model", "german, mine", "--model")
    assert earshot("transcribe", *OWN, "-l", "de", clip).errors == "earshot: the model is german\n"


@pytest.mark.parametrize("streaming", [False, True])
def test_it_listens(trained: Path, sample: Audio, tmp_path: Path, streaming: bool) -> None:
    deploy(write_ctc(tmp_path / "live", sample.samples, streaming=streaming), "live")
    done = earshot("listen", *OWN, "--model", "live", "--no-journal", "--json", "-", stdin=pcm(sample))
    assert done.status == 0, done
    events = [json.loads(line) for line in done.output.splitlines()]
    finals = [event for event in events if event["type"] == "final"]
    assert [final["text"] for final in finals] == [text for _, _, text in PHRASES]
    assert any(event["type"] == "partial" for event in events)


def test_a_language_model_is_taken_wherever_one_listens(
    unsure: Path, sample: Audio, clip: Path, other_words: Path, tmp_path: Path
) -> None:
    deploy(unsure, "mine")
    heard = earshot("listen", *OWN, "--lm", other_words, "--no-journal", "-", stdin=pcm(sample))
    assert heard.status == 0, heard
    assert "wisdon" in heard.output
    assert "wisdon" in earshot("transcribe", *OWN, "--lm", other_words, clip).output
    refused = earshot("listen", "--engine", "scripted", "--lm", other_words, "--no-journal", "-", stdin=b"")
    assert_one_line_error(refused, "takes no language model", "ctc")


def test_a_batch_tells_models_and_language_models_apart(
    unsure: Path, clip: Path, other_words: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'earshot[batch]'")
    deploy(unsure, "mine")

    def texts(*more: str | Path) -> list[str]:
        done = earshot("batch", clip, "--out", tmp_path / "out", "--cluster", "none", "-f", "txt", *OWN, *more)
        assert done.status == 0, done
        found = sorted((tmp_path / "out").rglob("*.txt"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_text() for path in found]

    assert texts() == [TEXT + "\n"]
    assert any("wisdon" in text for text in texts("--lm", other_words))
    recipes = json.loads(earshot("batch", "status", tmp_path / "out", "--json").output)["recipes"]
    assert len(recipes) == 2


@pytest.mark.slow
def test_it_is_served(unsure: Path, clip: Path, other_words: Path, home: Path) -> None:
    deploy(unsure, "mine")

    def answer(options: ServerOptions) -> Any:
        with running(options) as server:
            url = f"{server.address}/v1/audio/transcriptions"
            fields = {
                "model": "ctc/mine",
                "response_format": "verbose_json",
                "timestamp_granularities[]": "word",
            }
            return httpx.post(url, data=fields, files={"file": clip.read_bytes()}, timeout=60).json()

    plain = ServerOptions(port=0, engine="ctc", model="mine", data_folder=home)
    assert [word["word"].strip(".,").lower() for word in answer(plain)["words"]] == TEXT.split()
    with_words = ServerOptions(
        port=0, engine="ctc", model="mine", language_model=str(other_words), data_folder=home
    )
    assert "wisdon" in answer(with_words)["text"].lower()


def test_serve_says_which_model_it_takes(trained: Path) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'earshot[serve]'")
    deploy(trained, "mine")
    refused = earshot("serve", "--engine", "ctc", "--host", "0.0.0.0")
    assert refused.status == 1
    assert refused.error_lines[0] == "earshot: the model is mine"
    assert "a token is required" in refused.error_lines[1]


def test_its_words_time_those_of_another_engine(trained: Path, clip: Path) -> None:
    deploy(trained, "mine")
    done = earshot("transcribe", "--aligner", "mine", "-f", "json", clip)
    assert done.status == 0, done
    words = [word for segment in json.loads(done.output)["segments"] for word in segment["words"]]
    assert len(words) > 25
    assert_one_line_error(earshot("transcribe", "--aligner", "absent", "-f", "json", clip), "absent")
