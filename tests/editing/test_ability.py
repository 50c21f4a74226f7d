"""Which kind of model can do which verb, and the one sentence that says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from langit.catalog import Bundle
from langit.editing import Course, animate, blend, extend, inpaint, loop, outpaint, recut, remix, storyboard
from langit.editing.ability import notices, why_not
from langit.editing.timeline import Gap
from langit.transformer import Transformer
from langit.transformer.experts import Experts
from langit.types import InputError

VERBS = {
    "animate": lambda p, c: animate(p, course=c),
    "animate later": lambda p, c: animate(p, at=[1.0], course=c),
    "extend": lambda p, c: extend(p, course=c),
    "extend backward": lambda p, c: extend(p, backward=True, course=c),
    "loop": lambda p, c: loop(p, course=c),
    "blend": lambda p, c: blend(p, p, course=c),
    "recut": lambda p, c: recut(p, "0-0.5,1-1.5", course=c),
    "recut later": lambda p, c: recut(p, "0.5-1", course=c),
    "recut, cut": lambda p, c: recut(p, "0.5-1", rest="cut", course=c),
    "remix": lambda p, c: remix(p, "a ball", course=c),
    "inpaint": lambda p, c: inpaint(p, "0,0,8,8", course=c),
    "inpaint later": lambda p, c: inpaint(p, "0,0,8,8", start=1, course=c),
    "outpaint": lambda p, c: outpaint(p, (48, 32), course=c),
    "storyboard": lambda p, c: storyboard({"seconds": 1, "cards": [{"at": 0, "prompt": "a ball"}]}, course=c),
}
NEEDS_BEGINNING = {
    "animate later",
    "extend backward",
    "recut later",
    "remix",
    "inpaint",
    "outpaint",
    "storyboard",
}
NEEDS_ROOM = set(VERBS) - {"recut, cut"}


@pytest.fixture
def serving(monkeypatch):
    """Makes `Course.bundle` give this bundle."""
    return lambda bundle: monkeypatch.setattr("langit.editing.edit.load", lambda *names: bundle)


def beside(bundle: Bundle) -> Bundle:
    """The model as one that takes a first picture as channels beside the noise."""
    config = replace(bundle.config.transformer, patch_dim=bundle.config.transformer.out_dim + 40)
    torch.manual_seed(0)
    return replace(bundle, config=replace(bundle.config, transformer=config), transformer=Transformer(config))


def short(bundle: Bundle) -> Bundle:
    return replace(bundle, config=replace(bundle.config, native=replace(bundle.config.native, frames=5, max_frames=5)))


def refusals(path, course) -> dict[str, str]:
    found = {}
    for name, ask in VERBS.items():
        try:
            ask(path, course)
        except InputError as error:
            found[name] = str(error)
    return found


def test_langits_own_models_do_all(footage, course):
    assert refusals(footage("a.mp4"), course) == {}


def test_a_model_that_needs_a_first_picture(tiny_bundle, footage, course, serving):
    serving(beside(tiny_bundle))
    found = refusals(footage("a.mp4"), course)
    assert set(found) == NEEDS_BEGINNING
    for why in found.values():
        assert "cannot do this edit" in why
        assert "use the embedded model or Wan-AI/Wan2.2-TI2V-5B-Diffusers." in why
        assert why.count(". ") == 0


def test_a_model_of_short_clips(tiny_bundle, footage, course, serving):
    serving(short(tiny_bundle))
    found = refusals(footage("a.mp4"), course)
    assert set(found) == NEEDS_ROOM
    assert "clips of at most 5 frames" in found["extend"]
    assert "which takes 7; use the embedded model" in found["extend"]
    assert why_not(short(tiny_bundle), [Gap(5)]) is None  # one clip, and nothing around it


def test_a_model_of_one_level_says_that_it_holds_by_force(tiny_bundle, footage, course, serving):
    forced = replace(tiny_bundle, transformer=Experts([tiny_bundle.transformer]))
    serving(forced)
    edit = extend(footage("a.mp4"), seconds=0.5, course=course)
    assert "joins may show" in " ".join(edit.notices)
    assert notices(forced, [Gap(5)], []) == []
    able = replace(tiny_bundle, transformer=Experts([tiny_bundle.transformer], per_patch=True))
    assert notices(able, [Gap(5, around=lambda first, count: [])], []) == []


def test_a_model_of_simulated_scenes_says_what_becomes_of_other_footage(footage, tmp_path):
    course, ours = Course(seed=5), tmp_path / "ours.mp4"
    edit = extend(footage("a.mp4"), seconds=0.5, course=course)
    assert "nothing says that langit made a.mp4: " in " ".join(edit.notices)
    assert "a model such as Wan-AI/Wan2.2-TI2V-5B-Diffusers knows that" in " ".join(edit.notices)
    edit.save(ours)
    assert "nothing says" not in " ".join(extend(ours, seconds=0.5, course=course).notices)
