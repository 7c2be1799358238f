import numpy as np
import pytest

from earshot.core.errors import SpeakerError
from earshot.speakers.clustering import ClusterOptions, Links, cluster, in_order
from earshot.speakers.types import Vectors


def voices(labels: list[int], *, dim: int = 24, spread: float = 0.25, seed: int = 0) -> Vectors:
    """Unit vectors around one random direction a label."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(labels) + 1, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[labels] + random.normal(0, spread / np.sqrt(dim), (len(labels), dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def link(first: int, second: int, bonus: float) -> Links:
    return Links(np.array([first]), np.array([second]), np.array([bonus]))


TRUTH = [0, 1, 0, 2, 1, 1, 2, 0, 3, 0, 1, 3]


def test_finds_the_voices_and_their_number() -> None:
    found = cluster(voices(TRUTH), np.ones(len(TRUTH)), ClusterOptions(0.6))
    assert found.tolist() == TRUTH


@pytest.mark.parametrize("count", [1, 2, 3, 6, 12])
def test_a_number_that_is_given_is_kept(count: int) -> None:
    found = cluster(voices(TRUTH), np.ones(len(TRUTH)), ClusterOptions(0.6, count, count))
    assert len(set(found.tolist())) == count


def test_bounds_on_the_number() -> None:
    rows, ones = voices(TRUTH), np.ones(len(TRUTH))
    assert len(set(cluster(rows, ones, ClusterOptions(0.6, 1, 2)).tolist())) == 2
    assert len(set(cluster(rows, ones, ClusterOptions(-1.0, 2, 9)).tolist())) == 2


def test_items_kept_apart_stay_apart() -> None:
    rows = voices([0, 0, 0, 1])
    found = cluster(rows, np.ones(4), ClusterOptions(0.5), links=link(0, 2, -np.inf))
    assert found[0] != found[2]
    assert found[1] in (found[0], found[2])


def test_too_many_that_are_kept_apart_are_joined_all_the_same() -> None:
    links = Links(np.array([0, 0, 1]), np.array([1, 2, 2]), np.full(3, -np.inf))
    found = cluster(voices([0, 1, 2]), np.ones(3), ClusterOptions(0.5, 1, 2), links=links)
    assert len(set(found.tolist())) == 2


def test_more_items_than_fit_one_table() -> None:
    truth = np.random.default_rng(1).integers(0, 5, 3000)
    found = cluster(voices(truth.tolist()), np.ones(3000), ClusterOptions(0.6))
    assert found.tolist() == in_order(truth).tolist()


def test_many_items_that_are_all_unlike() -> None:
    rows = np.eye(1500, dtype=np.float32)
    found = cluster(rows, np.ones(1500), ClusterOptions(0.5, 1, 20))
    assert len(set(found.tolist())) <= 20


def test_none_and_one() -> None:
    options = ClusterOptions(0.5)
    assert cluster(np.zeros((0, 8), np.float32), np.zeros(0), options).tolist() == []
    assert cluster(voices([0]), np.ones(1), options).tolist() == [0]


@pytest.mark.parametrize(("threshold", "least", "most"), [(1.5, 1, 2), (0.5, 0, 2), (0.5, 3, 2)])
def test_options_that_make_no_sense(threshold: float, least: int, most: int) -> None:
    with pytest.raises(SpeakerError):
        ClusterOptions(threshold, least, most)
