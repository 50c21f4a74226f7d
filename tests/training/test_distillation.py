"""Distillation: lessons are where the teacher lands, the loop learns them, and the bundle keeps both sets of weights."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from langit.catalog import load_bundle
from langit.catalog.bundle import SamplingDefaults
from langit.conditioning.tasks import SHARES
from langit.flow import add_noise
from langit.generate import generate_all
from langit.planning import Request, plan
from langit.training import Distillation, Stage, train
from langit.training.batches import draw_batch
from langit.training.corpus import Corpus
from langit.training.distillation import Teacher
from langit.training.loop import Model
from langit.training.pool import Pool
from langit.types import InputError
from tests.conftest import tiny_training

LEVELS = (1.0, 0.75, 0.0)
TASKS = {task: share for task, share in SHARES.items() if task != "frames"}


@pytest.fixture(scope="module")
def taught(tmp_path_factory, tiny_corpus):
    output = tmp_path_factory.mktemp("teacher")
    train(tiny_training(), output, corpus_folder=tiny_corpus, workers=0)
    return output


@pytest.fixture(scope="module")
def config(taught):
    return tiny_training(
        name="quick",
        stages=(Stage(5, 60, {"whole": 1.0}),),
        tasks=TASKS,
        naming=0.0,
        prompt_dropout=0.0,
        distillation=Distillation(str(taught), LEVELS, substeps=3),
    )


def test_a_lesson_leads_from_level_to_level_to_where_the_teacher_lands(config, tiny_corpus):
    exact = replace(config, distillation=replace(config.distillation, anywhere=0.0, substeps=1))
    teacher = Teacher(exact, exact.distillation)
    plain = replace(teacher.bundle.config, sampling=SamplingDefaults(solver="euler", guidance=1.0))
    teacher.bundle = replace(teacher.bundle, config=plain)
    batch = draw_batch(exact, Pool(Corpus(tiny_corpus, exact.corpus), exact.patch), 0)
    lesson = teacher.lesson(batch)
    free = batch.sigma > 0
    assert set(lesson.sigma[free].tolist()) <= {1.0, 0.75}
    torch.testing.assert_close(lesson.patches[~free], batch.patches[~free], atol=0, rtol=0)
    # One step of Euler without guidance: what the copy is to predict is what the teacher itself predicts.
    noisy = add_noise(batch.patches, batch.noise, lesson.sigma)
    torch.testing.assert_close(add_noise(lesson.patches, lesson.noise, lesson.sigma), noisy, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        said = teacher.transformer(noisy, lesson.sigma, batch.layout, teacher.text(batch.tokens))
    torch.testing.assert_close(lesson.patches[free], said[free], atol=1e-4, rtol=1e-3)


def test_the_copy_comes_closer_to_the_teacher(config, tiny_corpus):
    torch.manual_seed(0)
    teacher, model = Teacher(config, config.distillation), Model(config)
    model.begin_as(teacher.bundle)
    model.text.requires_grad_(False)
    lesson = teacher.lesson(draw_batch(config, Pool(Corpus(tiny_corpus, config.corpus), config.patch), 0))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    history = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.losses(lesson)[0]
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.7 * history[0]


def test_the_bundle_keeps_the_teacher_and_makes_clips_with_either(config, taught, tiny_corpus, tmp_path):
    assert train(config, tmp_path, corpus_folder=tiny_corpus, workers=0, stop_after=2) == 2
    assert train(config, tmp_path, corpus_folder=tiny_corpus, workers=0) == 5
    bundle, teacher = load_bundle(tmp_path), load_bundle(taught)
    assert bundle.config.sampling.distilled == LEVELS
    assert bundle.hash() != teacher.hash()
    plans = [plan(bundle, Request("a red ball", seed=1, quality=quality)) for quality in ("best", "fast")]
    assert (plans[1].steps, plans[1].guidance) == (2, 1.0)
    best, quick = (generate_all(bundle, [p])[0].video.frames for p in plans)
    same = generate_all(teacher, [plan(teacher, Request("a red ball", seed=1))])[0].video.frames
    assert (best == same).all()
    assert (quick != best).any()


def test_a_distillation_stops_and_goes_on_as_if_it_never_had(config, tiny_corpus, tmp_path):
    train(config, tmp_path / "whole", corpus_folder=tiny_corpus, workers=0)
    for stop in (3, None):
        train(config, tmp_path / "parts", corpus_folder=tiny_corpus, workers=0, stop_after=stop)
    told = [(tmp_path / part / "losses.jsonl").read_text() for part in ("whole", "parts")]
    assert told[0] == told[1]
    assert len(json.loads("[" + ",".join(told[0].splitlines()) + "]")) == 5


def test_what_a_model_or_a_course_cannot_do_is_said(tiny_bundle, config, taught, tiny_corpus, tmp_path):
    with pytest.raises(InputError, match="has no quick weights"):
        plan(tiny_bundle, Request("a red ball", quality="fast"))
    with pytest.raises(InputError, match="falls from 1 to 0"):
        Distillation(levels=(1.0, 0.5))
    wider = replace(config, transformer=replace(config.transformer, ffn_width=64))
    with pytest.raises(InputError, match="has another shape"):
        train(wider, tmp_path, corpus_folder=tiny_corpus, workers=0)
    quick = replace(load_bundle(taught), quick=load_bundle(taught).transformer)
    with pytest.raises(InputError, match="has its own steps and guidance; leave them out"):
        plan(quick, Request("a red ball", quality="fast", steps=30, guidance=3.0))
    with pytest.raises(InputError, match="no quality 'good'; choose fast, best"):
        plan(quick, Request("a red ball", quality="good"))
