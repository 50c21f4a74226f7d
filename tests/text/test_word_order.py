"""A prompt and its translation are the same to the model."""

from __future__ import annotations

import pytest

from langit.evaluation.prompts import make_prompts
from langit.text.lexicon import read


@pytest.mark.parametrize(
    ("english", "indonesian"),
    [
        ("a small red metal ball", "sebuah bola logam merah kecil"),
        ("a small red ball made of metal", "sebuah bola merah berukuran kecil dari logam"),
        ("the ball is red and rolls to the left", "bolanya merah dan menggelinding ke kiri"),
        ("two green cubes and a yellow cone", "dua kubus hijau dan sebuah kerucut kuning"),
        ("a red ball, to the left of a blue cube", "bola merah di sebelah kiri kubus biru"),
        ("a red ball on the left, a blue cube", "bola merah di kiri, kubus biru"),
        ("a pink egg swings on a rope, at eye level", "sebuah telur merah muda berayun di tali setinggi mata"),
    ],
)
def test_both_languages_read_alike(english, indonesian):
    assert read(english).concepts == read(indonesian).concepts


def test_adjectives_stay_with_their_own_thing():
    assert read("red ball, metal cube").concepts[1:] == ("red", "ball", "metal", "cube")
    assert read("red ball metal cube").concepts[1:] == ("red", "ball", "metal", "cube")
    assert read("bola merah kubus biru").concepts[1:] == ("red", "ball", "blue", "cube")


def test_the_short_prompts_of_the_exam_read_alike():
    prompts = make_prompts(40, languages=("en", "id"), details=("short",))
    read_as = {language: {} for language in ("en", "id")}
    for prompt in prompts:
        read_as[prompt.language][prompt.seed] = sorted(read(prompt.text).concepts)
    alike = [read_as["en"][seed] == told for seed, told in read_as["id"].items()]
    assert len(alike) >= 10
    assert sum(alike) > 0.5 * len(alike)  # the others tell another part of the scene, or name a material
