"""How clips come about: planned on the CPU, where the physics is, filmed where rays are cast fastest, and told in words.

Clip i is a function of (seed, i) alone, so it does not matter which process makes it, or when. The looks of a trajectory are
neighbours, so that its physics is computed once.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from langit.conditioning.cast import CastCode
from langit.conditioning.drawing import drawn
from langit.simulator.captions import Detail, Language, caption
from langit.simulator.facts import read_facts, read_still
from langit.simulator.plans import plan, relook
from langit.simulator.render import render
from langit.simulator.world import Facts, Scene, Truth
from langit.text.encoder import tokens_of
from langit.text.lexicon import CONCEPT_IDS
from langit.tokenizer import LinearTokenizer, StoredTokenizer, encode
from langit.training.casting import KINDS, at_moment, cast_of
from langit.training.config import CorpusConfig
from langit.types import ClipShape, Frames

LANGUAGES: tuple[Language, ...] = ("en", "id")
DETAILS: tuple[Detail, ...] = ("dense", "short")
WORDINGS = 2  # captions of each language and detail to a clip
PROMPTS = len(LANGUAGES) * len(DETAILS) * WORDINGS  # captions to a clip, and to a picture
CONCEPTS = hashlib.sha256(json.dumps(CONCEPT_IDS).encode()).hexdigest()[:16]
"""Which concepts prompts were read as."""
TOLD = frozenset(CONCEPT_IDS[kind] for kind in KINDS if kind != "rod")
Number = TypeVar("Number", int, NDArray[np.int64])
Captions = dict[str, dict[str, list[str]]]
"""Language -> detail -> wordings."""


@dataclass(frozen=True)
class Film:
    """A clip that was filmed and encoded; `truth` without its pictures."""

    scene: Scene
    truth: Truth
    moments: tuple[int, ...]  # frames that are kept as pictures too
    tensors: dict[str, Tensor]


def clip_shape(config: CorpusConfig, trajectory: int) -> ClipShape:
    """The shape of all clips of a trajectory."""
    if len(config.shapes) == 1:
        return config.shapes[0][1]
    weights = np.array([weight for weight, _ in config.shapes])
    return config.shapes[_rng(config.seed, trajectory, 0).choice(len(weights), p=weights / weights.sum())][1]


def make_scene(config: CorpusConfig, index: int) -> Scene:
    """The scene of clip `index`."""
    trajectory, look = divmod(index, config.looks)
    scene = _first_look(_seed(config.seed, trajectory), clip_shape(config, trajectory).frames, config.fps)
    return relook(scene, _seed(config.seed, trajectory, look), split="train") if look else scene


def make_clip(config: CorpusConfig, index: int) -> tuple[Scene, Frames, Truth]:
    """Clip `index`: its scene, frames (F, H, W, 3) and ground truth."""
    scene = make_scene(config, index)
    shape = clip_shape(config, index // config.looks)
    frames, truth = render([scene], shape.height, shape.width)[0]
    assert truth is not None
    return scene, frames, truth


def film(
    config: CorpusConfig,
    tokenizer: StoredTokenizer,
    casting: CastCode,
    indices: Sequence[int],
    scenes: Sequence[Scene],
    device: str,
) -> Iterator[Film]:
    """Render and encode the scenes of these clips on `device`."""
    if isinstance(tokenizer, LinearTokenizer):  # works where its tensors and its input are
        tensors = {name: tensor.to(device) for name, tensor in tokenizer.tensors().items()}
        tokenizer, place = LinearTokenizer.from_tensors(tokenizer.stride, tokenizer.channels, tensors), device
    else:
        tokenizer, place = tokenizer.to(device), "cpu"
    shapes = [clip_shape(config, index // config.looks) for index in indices]
    numbered = zip(indices, scenes, shapes, strict=True)
    for shape, group in itertools.groupby(numbered, key=lambda one: one[2]):
        alike = list(group)
        rendered = render([scene for _, scene, _ in alike], shape.height, shape.width, device=device)
        for (index, scene, _), (frames, truth) in zip(alike, rendered, strict=True):
            assert truth is not None
            clip = torch.from_numpy(frames).to(place).float() / 127.5 - 1
            later = _rng(config.seed, index, 1).choice(np.arange(1, len(frames)), config.stills, replace=False)
            moments = (0, *sorted(int(moment) for moment in later))
            stills = [encode(tokenizer, clip[moment : moment + 1]) for moment in moments]
            told = [casting.encode(cast_of(scene, frames, truth.segmentation, config.stride))]
            for moment in moments:
                one = slice(moment, moment + 1)
                still = cast_of(at_moment(scene, moment), frames[one], truth.segmentation[one], config.stride)
                told.append(casting.encode(still))
            cells = shape.height // config.stride[1], shape.width // config.stride[2]
            fills, *still_fills = (drawn(casting.decode(cast).to(device), *cells, tokenizer) for cast in told)
            tensors = {
                f"{index}": encode(tokenizer, clip).half().cpu(),
                f"{index}.stills": torch.cat(stills, 1).half().cpu(),
                f"{index}.fills": fills.half().cpu(),
                f"{index}.still_fills": torch.cat(still_fills, 1).half().cpu(),
                f"{index}.cast": torch.cat(told).half(),
            }
            bare = replace(truth, segmentation=truth.segmentation[:0], depth=truth.depth[:0])
            yield Film(scene, bare, moments, tensors)


def tell(config: CorpusConfig, index: int, scene: Scene, truth: Truth, moments: Sequence[int]) -> dict[str, Any]:
    """Captions of clip `index` and of its pictures."""
    rng = _rng(config.seed, index, 2)
    return {
        "clip": _captions(read_facts(scene, truth), rng),
        "stills": [_captions(facts, rng) for facts in read_still(scene, truth, moments)],
    }


def read_captions(told: dict[str, Any]) -> list[tuple[int, ...]]:
    """The concept ids of what `tell` told: first the clip's, then each picture's, in the order of `prompt_number`."""
    each = [told["clip"], *told["stills"]]
    ordered = [by_language[language][detail] for by_language in each for language in LANGUAGES for detail in DETAILS]
    return tokens_of([wording for wordings in ordered for wording in wordings])


def prompt_number(picture: Number, language: Number, detail: Number, wording: Number) -> Number:
    """The place of a caption among those of its clip; picture -1 is the clip itself. Whole arrays are welcome."""
    return (((picture + 1) * len(LANGUAGES) + language) * len(DETAILS) + detail) * WORDINGS + wording


def tells_all(short: Sequence[int], dense: Sequence[int]) -> bool:
    """Whether a caption, as concept ids, has every kind of thing that the dense one has (rods, which hold things, apart)."""
    return TOLD.intersection(dense) <= set(short)


@lru_cache(maxsize=2)
def _first_look(seed: int, frames: int, fps: float) -> Scene:
    return plan(seed, split="train", num_frames=frames, fps=fps)


def _captions(facts: Facts, rng: np.random.Generator) -> Captions:
    return {
        language: {
            detail: [caption(facts, language=language, detail=detail, rng=rng) for _ in range(WORDINGS)]
            for detail in DETAILS
        }
        for language in LANGUAGES
    }


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _rng(*parts: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((*parts, 0x1A1617)))
