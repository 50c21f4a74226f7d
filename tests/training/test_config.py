"""Recipes: complete, checked, and recognised when they change."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from langit.conditioning.cast import CAST
from langit.conditioning.drawing import num_fills
from langit.conditioning.glance import LOOKED_UP
from langit.training import Stage, load_recipe
from langit.training.run import warmup_stable_decay
from langit.types import InputError
from tests.conftest import tiny_training

RECIPES = sorted(
    path
    for path in (Path(__file__).parents[2] / "recipes").glob("*.py")
    if not path.stem.endswith(("tokenizer", "finish"))
)
"""Of generators; the others are in test_tokenizer_loop.py and test_finishing.py."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_whole(path):
    config = load_recipe(path)
    volume = math.prod(config.patch)
    picture, sketch = config.corpus.channels * volume, num_fills(config.corpus.channels) * volume
    sizes = config.transformer.patch_dim, config.transformer.out_dim
    if config.learns == "cast":
        assert sizes == (CAST + LOOKED_UP, CAST)
        assert config.naming
    else:
        assert sizes in {(picture, picture), (picture + sketch + volume, picture)}
    assert config.transformer.text_width == config.text.width
    assert config.patch[0] == 1
    assert config.first_clips <= config.corpus.clips
    assert config.optimizer.warmup < config.steps * (1 - config.optimizer.cooldown)
    for _, shape in config.corpus.shapes:
        assert shape.frames > config.corpus.stills
        assert (shape.frames - 1) % config.corpus.stride[0] == 0
        for side, stride, step in zip(
            (shape.height, shape.width), config.corpus.stride[1:], config.patch[1:], strict=True
        ):
            assert side % (stride * step) == 0
        assert shape.height * shape.width <= config.native.max_pixels
        assert shape.frames <= config.native.max_frames
    for stage in config.stages:
        assert sum(stage.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def recipe(:", "failed: SyntaxError"),
        ("x = 1", "failed: AttributeError"),
        ("def recipe():\n    return 3", "gave a int; it must return a TrainingConfig"),
        ("def recipe():\n    return 1 / 0", "failed: ZeroDivisionError"),
        ("import no_such_module", "failed: ModuleNotFoundError"),
    ],
)
def test_a_file_that_is_no_recipe_is_told(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_recipe(path)


def test_a_recipe_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="There is no recipe"):
        load_recipe(tmp_path / "none.py")
    (tmp_path / "recipe.txt").write_text("")
    with pytest.raises(InputError, match="is not a Python file"):
        load_recipe(tmp_path / "recipe.txt")


def test_the_learning_rate_warms_up_stays_and_decays_to_zero():
    config = tiny_training(stages=(Stage(100, 1),))
    config = replace(config, optimizer=replace(config.optimizer, warmup=10, cooldown=0.25))
    course = [warmup_stable_decay(config, step) for step in range(101)]
    assert course[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert course[10:76] == [1.0] * 66
    assert course[75:] == pytest.approx([(100 - step) / 25 for step in range(75, 101)])
    assert course[-1] == 0.0
    without = replace(config, optimizer=replace(config.optimizer, cooldown=0.0))
    assert warmup_stable_decay(without, 99) == 1.0


def test_stages_follow_one_another():
    config = tiny_training(stages=(Stage(2, 10), Stage(3, 20), Stage(1, 30)))
    assert config.steps == 6
    assert [config.stage_at(step).patches for step in range(7)] == [10, 10, 20, 20, 20, 30, 30]


def test_the_fingerprint_changes_with_what_changes_the_weights():
    config = tiny_training()
    assert config.fingerprint() == tiny_training().fingerprint()
    changed = [
        tiny_training(seed=1),
        tiny_training(stages=(Stage(4, 40),)),
        tiny_training(prompt_dropout=0.2),
        tiny_training(transformer=replace(config.transformer, depth=2)),
        tiny_training(corpus=replace(config.corpus, seed=2)),
        tiny_training(optimizer=replace(config.optimizer, learning_rate=1e-4)),
        tiny_training(tasks={"text": 1.0}),
        tiny_training(tasks=dict(reversed(config.tasks.items()))),  # tasks are drawn in their order
    ]
    assert len({config.fingerprint(), *(other.fingerprint() for other in changed)}) == 9
