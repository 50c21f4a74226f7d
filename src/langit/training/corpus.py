"""Simulated footage as latents on disk, made ahead of the trainer by worker processes.

Clip i is a function of (seed, i) alone, so it does not matter which process makes it, or when: a corpus half made by one
run is finished by the next, bit for bit. (Clips that a GPU films may differ from a CPU's in the last place.) Chunks of clips
are files that appear whole (written aside, then renamed):

    corpus.json                 the configuration
    tokenizer.safetensors       the tokenizer, fitted to the first clips unless the configuration names another
    casting.safetensors         what tells casts in numbers, fitted to the first clips
    00000.safetensors           clips 0 to 255: latents (float16), their casts, what fills their cells, and the concepts of their
                                captions; the captions themselves in the header's metadata
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor

from langit.catalog.tensors import read_tensors, write_tensors
from langit.catalog.tokenizers import load_tokenizer, read_tokenizer, save_tokenizer
from langit.conditioning.cast import CastCode
from langit.simulator.world import Scene
from langit.tokenizer import TOKENIZERS, LinearTokenizer, PixelTokenizer, StoredTokenizer
from langit.tokenizer.linear import boxes_of
from langit.training.casting import cast_of
from langit.training.config import CorpusConfig
from langit.training.footage import CONCEPTS, Captions, Film, film, make_clip, make_scene, read_captions, tell
from langit.training.parallel import Team
from langit.types import InputError

FORMAT = 5  # of the files; footage of an earlier one is refused
AHEAD = 2  # chunks that are planned while one is filmed
PART = 24  # clips that one process plans or tells at a time
FILMING_SHARE = 5  # workers to one that films on a GPU


@dataclass(frozen=True)
class Sample:
    """One clip of the corpus."""

    latents: Tensor  # (C, f, h, w) half
    fills: Tensor  # (fills, f, h, w) half: what fills each cell (`drawing.drawn`)
    cast: Tensor  # ((f + k) * rows, numbers) half: the clip's cast, then those of its pictures
    captions: Captions
    stills: Tensor  # (C, k, h, w): pictures, each a first frame of its own; the first is the clip's first frame
    still_fills: Tensor  # (fills, k, h, w)
    still_captions: list[Captions]
    tokens: list[Tensor]  # concept ids of each caption, in the order of `footage.prompt_number`


class Corpus:
    """The clips under a folder, as many as are made so far."""

    def __init__(self, folder: Path, config: CorpusConfig):
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, config)
        self._made = 0  # chunks from the first that are known to be there
        self._workers: list[SpawnProcess] = []

    @cached_property
    def tokenizer(self) -> StoredTokenizer:
        """As the configuration says, fitted or fetched the first time it is asked for; kept with the footage."""
        if not (self.folder / "tokenizer.safetensors").exists():
            save_tokenizer(self.folder, make_tokenizer(self.config))
        if self.config.tokenizer in TOKENIZERS:
            return read_tokenizer(self.folder, self.config.tokenizer, self.config.stride, self.config.channels)
        return load_tokenizer(self.folder)

    @cached_property
    def casting(self) -> CastCode:
        """What tells casts in numbers, fitted the first time it is asked for; kept with the footage."""
        path = self.folder / "casting.safetensors"
        if not path.exists():
            write_tensors(path, fit_casting(self.config).tensors())
        return CastCode.from_tensors(read_tensors(path))

    def fit(self) -> None:
        """What is fitted to the first clips, unless it is there."""
        _ = self.tokenizer, self.casting

    @property
    def num_chunks(self) -> int:
        return -(-self.config.clips // self.config.chunk)

    def chunk_path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:05d}.safetensors"

    def clips_of(self, chunk: int) -> range:
        return range(chunk * self.config.chunk, (chunk + 1) * self.config.chunk)

    def wait_for(self, clips: int) -> None:
        """Wait until the first `clips` are made. RuntimeError when the process that makes them failed."""
        last = -(-min(clips, self.config.clips) // self.config.chunk)
        while self._made < last:
            if self.chunk_path(self._made).exists():
                self._made += 1
                continue
            if any(worker.exitcode for worker in self._workers):
                raise RuntimeError("a process that makes footage failed; what it printed above says why")
            time.sleep(0.05)

    def samples(self, chunk: int) -> list[Sample]:
        """All clips of a chunk that is made."""
        with safe_open(self.chunk_path(chunk), "pt") as file:
            captions = json.loads(file.metadata()["captions"])
            if captions.get("concepts") == CONCEPTS:
                tokens = file.get_tensor("tokens").split(file.get_tensor("token_counts").tolist())
            else:  # made before tokens were kept, or with other concepts
                told = [captions[str(index)] for index in self.clips_of(chunk)]
                tokens = tuple(torch.tensor(prompt) for one in told for prompt in read_captions(one))
            found, each = [], len(tokens) // self.config.chunk
            for place, index in enumerate(self.clips_of(chunk)):
                latents, stills = file.get_tensor(f"{index}"), file.get_tensor(f"{index}.stills")
                fills, still_fills = file.get_tensor(f"{index}.fills"), file.get_tensor(f"{index}.still_fills")
                told = captions[str(index)]
                mine = list(tokens[place * each : (place + 1) * each])
                cast = file.get_tensor(f"{index}.cast")
                found.append(Sample(latents, fills, cast, told["clip"], stills, still_fills, told["stills"], mine))
        return found

    def make_chunk(self, chunk: int) -> None:
        """Simulate, render, encode, tell and write one chunk, unless it is there."""
        if self.chunk_path(chunk).exists():
            return
        clips = self.clips_of(chunk)
        films = list(film(self.config, self.tokenizer, self.casting, clips, plan_clips(self.config, clips), "cpu"))
        self._write(chunk, films, tell_clips(self.config, clips, films))

    def make_chunks(self, chunks: Sequence[int], device: str, helpers: int) -> None:
        """The same for these chunks, filmed on `device` while `helpers` processes plan the next ones and tell the last."""
        pool = ProcessPoolExecutor(helpers, get_context("spawn"), _end_with_parent)
        try:
            planned: deque[list[Future[list[Scene]]]] = deque()
            telling: deque[tuple[int, list[Film], list[Future[list[Told]]]]] = deque()
            waiting = deque(chunks)
            for chunk in chunks:
                while waiting and len(planned) <= AHEAD:
                    parts = _parts(self.clips_of(waiting.popleft()))
                    planned.append([pool.submit(plan_clips, self.config, part) for part in parts])
                scenes = [scene for part in planned.popleft() for scene in part.result()]
                clips = self.clips_of(chunk)
                films = list(film(self.config, self.tokenizer, self.casting, clips, scenes, device))
                bare = [dataclasses.replace(one, tensors={}) for one in films]
                told = [
                    pool.submit(tell_clips, self.config, part, bare[part.start - clips.start : part.stop - clips.start])
                    for part in _parts(clips)
                ]
                telling.append((chunk, films, told))
                if len(telling) > 1:
                    self._finish(*telling.popleft())
            for last in telling:
                self._finish(*last)
        finally:
            pool.shutdown(cancel_futures=True)

    def start_workers(self, count: int, device: str = "cpu", part: int = 0, parts: int = 1) -> None:
        """Start processes that make the missing chunks in order, each its share; they end with this one.

        On a GPU some of them film and the others help them. Of several machines each has its `part` of all `parts`.
        """
        self.fit()  # before the workers would each fit one
        missing = [chunk for chunk in range(self.num_chunks) if not self.chunk_path(chunk).exists()][part::parts]
        filming = count if device == "cpu" else -(-count // FILMING_SHARE)
        helpers = 0 if device == "cpu" else max(1, count // max(1, filming) - 1)
        for worker in range(min(filming, len(missing))):
            arguments = (type(self), self.folder, self.config, missing[worker::filming], device, helpers)
            # One with helpers has children, which a daemon may not have.
            process = get_context("spawn").Process(target=_work, args=arguments, daemon=not helpers)
            process.start()
            self._workers.append(process)

    def stop_workers(self) -> None:
        """End them; the chunk that each is at is made again next time."""
        for process in self._workers:
            process.terminate()
        self._workers.clear()

    def _write(self, chunk: int, films: Sequence[Film], told: Sequence[Told]) -> None:
        tensors = {name: tensor for one in films for name, tensor in one.tensors.items()}
        prompts = [prompt for _, prompts in told for prompt in prompts]
        tensors["tokens"] = torch.tensor([token for prompt in prompts for token in prompt], dtype=torch.int16)
        tensors["token_counts"] = torch.tensor([len(prompt) for prompt in prompts], dtype=torch.int32)
        captions = {str(index): said for index, (said, _) in zip(self.clips_of(chunk), told, strict=True)}
        # One entry alone: a file's entries come in no order, and its bytes are to be the same whoever makes it.
        metadata = {"captions": json.dumps({"concepts": CONCEPTS, **captions})}
        write_tensors(self.chunk_path(chunk), tensors, metadata)

    def _finish(self, chunk: int, films: Sequence[Film], telling: Sequence[Future[list[Told]]]) -> None:
        self._write(chunk, films, [one for part in telling for one in part.result()])


CorpusType = TypeVar("CorpusType", bound=Corpus)
Told = tuple[dict[str, Any], list[tuple[int, ...]]]
"""What `footage.tell` told of a clip, and the concepts of its captions."""


def open_corpus(
    of: type[CorpusType], folder: Path, config: CorpusConfig, workers: int, team: Team, device: str | None = None
) -> CorpusType:
    """The corpus of a folder, for each process of a team; the first of each machine starts those that make what is missing.

    They film on `device`, the team's where none is named.
    """
    corpus = None
    if team.is_first:
        corpus = of(folder, config)
        corpus.fit()  # the others find it
    team.in_turn()
    corpus = corpus or of(folder, config)
    if team.is_first_of_node:
        corpus.start_workers(workers, device or team.device, team.node, team.nodes)
    return corpus


def plan_clips(config: CorpusConfig, clips: range) -> list[Scene]:
    """Their scenes."""
    return [make_scene(config, index) for index in clips]


def tell_clips(config: CorpusConfig, clips: range, films: Sequence[Film]) -> list[Told]:
    """What is told of these clips."""
    told = [tell(config, index, one.scene, one.truth, one.moments) for index, one in zip(clips, films, strict=True)]
    return [(said, read_captions(said)) for said in told]


def _parts(clips: range) -> list[range]:
    return [range(first, min(first + PART, clips.stop)) for first in range(clips.start, clips.stop, PART)]


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


def fit_casting(config: CorpusConfig) -> CastCode:
    """What tells the casts of the corpus in numbers, from its first clips."""
    made = [make_clip(config, index) for index in range(config.fit_clips)]
    return CastCode.fit([cast_of(scene, frames, truth.segmentation, config.stride) for scene, frames, truth in made])


def fit_tokenizer(config: CorpusConfig) -> LinearTokenizer:
    """The linear tokenizer of the corpus, from every 7th pixel box of its first clips."""
    boxes = []
    for index in range(config.fit_clips):
        _, frames, _ = make_clip(config, index)
        boxes.append(boxes_of(torch.from_numpy(frames).float() / 127.5 - 1, config.stride)[index % 7 :: 7])
    return LinearTokenizer.fit(torch.cat(boxes), config.stride, config.channels)


def _work(of: type[Corpus], folder: Path, config: CorpusConfig, chunks: list[int], device: str, helpers: int) -> None:
    _end_with_parent()
    corpus = of(folder, config)
    if helpers:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())  # so that it sends its helpers home
        corpus.make_chunks(chunks, device, helpers)
        return
    for chunk in chunks:
        corpus.make_chunk(chunk)


def _end_with_parent() -> None:
    """The trainer answers Ctrl-C, and this process ends when the one that started it does, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _claim(folder: Path, config: CorpusConfig) -> None:
    """Mark the folder as this configuration's, or refuse it."""
    path, wanted = folder / "corpus.json", {**dataclasses.asdict(config), "format": FORMAT}
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
