"""The numbers of an answer, against masks small enough to count by hand."""

import json

import numpy as np
from pycocotools import mask as coco_mask

from slvit.facts import box, facts, run_lengths
from slvit.processor import Words
from slvit.segmenter import Segmentation


def test_box_by_hand() -> None:
    mask = np.zeros((5, 9), bool)
    assert box(mask) is None
    mask[2, 3] = True
    assert box(mask) == [3, 2, 1, 1]
    mask[4, 7] = True
    assert box(mask) == [3, 2, 5, 3]


def test_run_lengths_are_cocos() -> None:
    mask = np.random.default_rng(0).random((7, 5)) > 0.6
    encoded = run_lengths(mask)
    assert encoded["size"] == [7, 5] and isinstance(encoded["counts"], str)
    assert np.array_equal(coco_mask.decode(encoded).astype(bool), mask)


def test_facts_follow_the_threshold_and_are_json() -> None:
    probability = np.array([[0.1, 0.6, 0.9], [0.2, 0.3, 0.8]], np.float32)
    answer = Segmentation(
        mask=probability >= 0.5,
        probability=probability,
        confidence=0.7666,
        found=True,
        timings={"model": 0.5, "total": 0.5},
        words=Words(["the", "犬"], ["dog"], ["犬"]),
    )
    known = facts(answer)
    assert known == json.loads(json.dumps(known))
    assert (known["area"], known["box"], known["threshold"]) == (3, [1, 0, 2, 2], 0.5)
    assert (known["height"], known["width"], known["confidence"], known["found"]) == (2, 3, 0.7666, True)
    assert known["words"] == {"read": ["the", "犬"], "unread": ["dog"], "unknown": ["犬"]}
    assert coco_mask.decode(known["segmentation"]).tolist() == [[0, 1, 1], [0, 0, 1]]
    strict = facts(answer, threshold=0.85)
    assert (strict["area"], strict["box"]) == (1, [2, 0, 1, 1])
    assert facts(answer, threshold=0.95)["box"] is None
