"""Features as a card describes them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import ModelError
from earshot.core.types import Audio
from earshot.engines.ctc_front_ends import FRONT_ENDS, front_end_facts, make_front_end, num_frames

FAST = [name for name in FRONT_ENDS if front_end_facts(name)["streams"]]


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_card_makes_the_front_end_that_it_describes(name: str, sample: Audio) -> None:
    facts = json.loads(json.dumps(front_end_facts(name)))  # as a card on disk has it
    found = make_front_end(facts)(sample.samples[:32_000])
    assert found.dtype == np.float32
    assert found.shape[1] == facts["num_features"]
    assert found.shape[0] == pytest.approx(32_000 / facts["hop"], abs=2)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", FAST)
def test_blocks_give_what_the_whole_gives(name: str, sample: Audio) -> None:
    front_end: Any = make_front_end(front_end_facts(name))
    samples = sample.samples[:20_000]
    stream = front_end.stream()
    blocks = [stream.accept(samples[first : first + 777]) for first in range(0, len(samples), 777)]
    assert np.array_equal(np.concatenate([*blocks, stream.finish()]), front_end(samples))


@pytest.mark.parametrize("name", sorted({*FRONT_ENDS} - {*FAST}))
@pytest.mark.parametrize("num_samples", [3_200, 16_100, 33_333])
def test_slow_ones_keep_the_promise_too(name: str, num_samples: int, sample: Audio) -> None:
    facts = front_end_facts(name)
    found = len(make_front_end(facts)(sample.samples[:num_samples]))
    assert num_frames(facts, num_samples) <= found <= num_frames(facts, num_samples) + 3


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FAST), st.integers(0, 9_000))
def test_at_least_as_many_frames_as_promised(name: str, num_samples: int) -> None:
    facts = front_end_facts(name)
    sound = 0.1 * np.random.default_rng(0).standard_normal(num_samples)
    found = len(make_front_end(facts)(sound.astype(np.float32)))
    assert num_frames(facts, num_samples) <= found <= num_frames(facts, num_samples) + 3


def test_the_number_of_features_may_be_chosen() -> None:
    for name, number in (("log-mel", 40), ("mfcc", 20), ("pncc", 9)):
        found = make_front_end(front_end_facts(name, number))(np.ones(4_000, np.float32) * 0.01)
        assert found.shape[1] == number


@pytest.mark.parametrize(
    ("name", "number"), [("mel", None), ("log-mel", 0), ("mfcc", -1), ("mfcc", 500), ("moonshine", 80)]
)
def test_features_that_cannot_be_are_told(name: str, number: int | None) -> None:
    with pytest.raises(ModelError):
        front_end_facts(name, number)


@pytest.mark.parametrize("name", FAST)
def test_a_card_with_other_features_is_refused_by_the_name_of_what_differs(name: str) -> None:
    facts = front_end_facts(name)
    stretched = json.loads(json.dumps(facts))
    stretched["hop"] = 200
    with pytest.raises(ModelError, match="hop is 200 on its card and 160 here"):
        make_front_end(stretched)
    changed = json.loads(json.dumps(facts))
    path, part = [], changed["parameters"]
    while isinstance(part, dict):
        key = next(iter(sorted(part, key=lambda one: not isinstance(part[one], dict))))
        path.append(key)
        if not isinstance(part[key], dict):
            part[key] = "otherwise"
            break
        part = part[key]
    with pytest.raises(ModelError, match=f"parameters.{'.'.join(path)} is 'otherwise'") as caught:
        make_front_end(changed)
    assert caught.value.fix
    changed = json.loads(json.dumps(facts))
    changed["parameters"]["sharpness"] = 2
    with pytest.raises(ModelError, match=r"parameters\.sharpness"):
        make_front_end(changed)


@pytest.mark.parametrize("facts", [{}, {"name": 3}, {"name": "mfcc"}, {"name": "mfcc", "num_features": True}])
def test_a_card_that_says_too_little_is_told(facts: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="does not say which features"):
        make_front_end(facts)
