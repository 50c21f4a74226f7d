"""Simulated footage as latents on disk, made ahead of the trainer by worker processes.

Clip i is a function of (seed, i) alone, so it does not matter which process makes it, or when: a corpus half made by one
run is finished by the next, bit for bit. Chunks of clips are files that appear whole (written aside, then renamed):

    corpus.json                 the configuration
    tokenizer.safetensors       the tokenizer, fitted to the first clips unless the configuration names another
    00000.safetensors           clips 0 to 255: latents (float16), what fills their cells; captions in the header's metadata
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from langit.catalog.tokenizers import load_tokenizer, read_tokenizer, save_tokenizer
from langit.simulator.captions import Detail, Language, caption
from langit.simulator.facts import read_facts, read_still
from langit.simulator.plans import plan, relook
from langit.simulator.render import render
from langit.simulator.world import Facts, Scene, Truth
from langit.tokenizer import TOKENIZERS, LinearTokenizer, PixelTokenizer, StoredTokenizer, encode
from langit.tokenizer.linear import boxes_of
from langit.training.config import CorpusConfig
from langit.training.naming import shares_of
from langit.types import ClipShape, Frames, InputError

LANGUAGES: tuple[Language, ...] = ("en", "id")
DETAILS: tuple[Detail, ...] = ("dense", "short")
WORDINGS = 2  # captions of each language and detail to a clip
Captions = dict[str, dict[str, list[str]]]
"""Language -> detail -> wordings."""


@dataclass(frozen=True)
class Sample:
    """One clip of the corpus."""

    latents: Tensor  # (C, f, h, w)
    shares: Tensor  # (names, f, h, w) uint8: what fills each cell (`naming.shares_of`)
    captions: Captions
    stills: Tensor  # (C, k, h, w): pictures, each a first frame of its own; the first is the clip's first frame
    still_shares: Tensor  # (names, k, h, w)
    still_captions: list[Captions]


class Corpus:
    """The clips under a folder, as many as are made so far."""

    def __init__(self, folder: Path, config: CorpusConfig):
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, config)
        self._chunks: dict[int, tuple[Any, Any]] = {}
        self._workers: list[SpawnProcess] = []

    @cached_property
    def tokenizer(self) -> StoredTokenizer:
        """As the configuration says, fitted or fetched the first time it is asked for; kept with the footage."""
        if not (self.folder / "tokenizer.safetensors").exists():
            save_tokenizer(self.folder, make_tokenizer(self.config))
        if self.config.tokenizer in TOKENIZERS:
            return read_tokenizer(self.folder, self.config.tokenizer, self.config.stride, self.config.channels)
        return load_tokenizer(self.folder)

    @property
    def num_chunks(self) -> int:
        return -(-self.config.clips // self.config.chunk)

    def chunk_path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:05d}.safetensors"

    def wait_for(self, clips: int) -> float:
        """Wait until the first `clips` are made; seconds waited. RuntimeError when the process that makes them failed."""
        started = time.perf_counter()
        last = -(-min(clips, self.config.clips) // self.config.chunk)
        for chunk in range(last):
            while chunk not in self._chunks and not self.chunk_path(chunk).exists():
                if any(worker.exitcode for worker in self._workers):
                    raise RuntimeError("a process that makes footage failed; what it printed above says why")
                time.sleep(0.05)
        return time.perf_counter() - started

    def __getitem__(self, index: int) -> Sample:
        chunk = index // self.config.chunk
        if chunk not in self._chunks:
            handle = safe_open(self.chunk_path(chunk), "pt")
            self._chunks[chunk] = handle, json.loads(handle.metadata()["captions"])
        handle, captions = self._chunks[chunk]
        told = captions[str(index)]
        latents, stills = handle.get_tensor(f"{index}"), handle.get_tensor(f"{index}.stills")
        shares, still_shares = handle.get_tensor(f"{index}.shares"), handle.get_tensor(f"{index}.still_shares")
        return Sample(latents.float(), shares, told["clip"], stills.float(), still_shares, told["stills"])

    def make_chunk(self, chunk: int) -> None:
        """Simulate, render, encode and write one chunk, unless it is there."""
        path = self.chunk_path(chunk)
        if path.exists():
            return
        first = chunk * self.config.chunk
        tensors: dict[str, Tensor] = {}
        captions: dict[str, Any] = {}
        for index in range(first, first + self.config.chunk):
            scene, frames, truth = make_clip(self.config, index)
            clip = torch.from_numpy(frames).float() / 127.5 - 1
            later = _rng(self.config.seed, index, 1).choice(
                np.arange(1, len(frames)), self.config.stills, replace=False
            )
            moments = [0, *sorted(int(moment) for moment in later)]
            stills = [encode(self.tokenizer, clip[moment : moment + 1]) for moment in moments]
            tensors[f"{index}"] = encode(self.tokenizer, clip).half()
            tensors[f"{index}.stills"] = torch.cat(stills, 1).half()
            tensors[f"{index}.shares"] = shares_of(truth.segmentation, scene.things, self.config.stride)
            shown = [truth.segmentation[moment : moment + 1] for moment in moments]
            still_shares = [shares_of(segmentation, scene.things, self.config.stride) for segmentation in shown]
            tensors[f"{index}.still_shares"] = torch.cat(still_shares, 1)
            rng = _rng(self.config.seed, index, 2)
            captions[str(index)] = {
                "clip": _captions(read_facts(scene, truth), rng),
                "stills": [_captions(facts, rng) for facts in read_still(scene, truth, moments)],
            }
        write_aside(path, tensors, {"captions": json.dumps(captions)})

    def start_workers(self, count: int) -> None:
        """Start processes that make the missing chunks in order, each its share; they end with this one."""
        _ = self.tokenizer  # before the workers would each fit one
        missing = [chunk for chunk in range(self.num_chunks) if not self.chunk_path(chunk).exists()]
        for worker in range(min(count, len(missing))):
            arguments = (type(self), self.folder, self.config, missing[worker::count])
            process = get_context("spawn").Process(target=_work, args=arguments, daemon=True)
            process.start()
            self._workers.append(process)

    def stop_workers(self) -> None:
        """End them; the chunk that each is at is made again next time."""
        for process in self._workers:
            process.terminate()
        self._workers.clear()


def clip_shape(config: CorpusConfig, trajectory: int) -> ClipShape:
    """The shape of all clips of a trajectory."""
    weights = np.array([weight for weight, _ in config.shapes])
    return config.shapes[_rng(config.seed, trajectory, 0).choice(len(weights), p=weights / weights.sum())][1]


def make_clip(config: CorpusConfig, index: int) -> tuple[Scene, Frames, Truth]:
    """Clip `index`: its scene, frames (F, H, W, 3) and ground truth."""
    trajectory, look = divmod(index, config.looks)
    shape = clip_shape(config, trajectory)
    scene = plan(_seed(config.seed, trajectory), split="train", num_frames=shape.frames, fps=config.fps)
    if look:
        scene = relook(scene, _seed(config.seed, trajectory, look), split="train")
    frames, truth = render([scene], shape.height, shape.width)[0]
    assert truth is not None
    return scene, frames, truth


def make_tokenizer(config: CorpusConfig) -> StoredTokenizer:
    """The tokenizer that a configuration asks for; `InputError` when a trained one is not of its stride and channels."""
    if config.tokenizer == "linear":
        return fit_tokenizer(config)
    if config.tokenizer == "pixels":
        tokenizer: StoredTokenizer = PixelTokenizer(config.stride)
    else:
        tokenizer = load_tokenizer(Path(config.tokenizer))
    if (tokenizer.stride, tokenizer.channels) != (config.stride, config.channels):
        raise InputError(
            f"The tokenizer {config.tokenizer} has a stride of {tokenizer.stride} and {tokenizer.channels} channels; "
            f"the recipe asks for {config.stride} and {config.channels}."
        )
    return tokenizer


def fit_tokenizer(config: CorpusConfig) -> LinearTokenizer:
    """The linear tokenizer of the corpus, from every 7th pixel box of its first clips."""
    boxes = []
    for index in range(config.fit_clips):
        _, frames, _ = make_clip(config, index)
        boxes.append(boxes_of(torch.from_numpy(frames).float() / 127.5 - 1, config.stride)[index % 7 :: 7])
    return LinearTokenizer.fit(torch.cat(boxes), config.stride, config.channels)


def _captions(facts: Facts, rng: np.random.Generator) -> Captions:
    return {
        language: {
            detail: [caption(facts, language=language, detail=detail, rng=rng) for _ in range(WORDINGS)]
            for detail in DETAILS
        }
        for language in LANGUAGES
    }


def _work(of: type[Corpus], folder: Path, config: CorpusConfig, chunks: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer answers Ctrl-C; workers end with it
    torch.set_num_threads(1)
    parent = os.getppid()
    corpus = of(folder, config)
    for chunk in chunks:
        corpus.make_chunk(chunk)
        if os.getppid() != parent:
            return


def _claim(folder: Path, config: CorpusConfig) -> None:
    """Mark the folder as this configuration's, or refuse it."""
    path, wanted = folder / "corpus.json", dataclasses.asdict(config)
    wanted = json.loads(json.dumps(wanted))
    if path.exists():
        found = json.loads(path.read_text())
        if {**found, "clips": 0} != {**wanted, "clips": 0}:
            raise InputError(f"{folder} holds footage of another recipe; name another folder or delete it.")
        if found == wanted:  # workers read it at the same time
            return
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.write_text(json.dumps(wanted, indent=2))
    aside.rename(path)


def write_aside(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A file that appears whole."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside, metadata=metadata)
    aside.rename(path)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _rng(*parts: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((*parts, 0x1A1617)))
