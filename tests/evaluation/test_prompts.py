"""What a prompt asks is what it tells."""

from __future__ import annotations

import pytest

from langit.evaluation.prompts import make_prompts
from langit.text.encoder import tokens_of
from langit.text.lexicon import CONCEPT_IDS


@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize("detail", ["dense", "short"])
def test_no_look_is_asked_that_the_prompt_does_not_tell(language, detail):
    """Walls and ramps are told without their colour, so it is not asked."""
    prompts = list(make_prompts(24, seed=777, languages=(language,), details=(detail,)))
    assert any(thing.shape in ("wall", "ramp") for prompt in prompts for thing in prompt.expectation.things)
    for prompt in prompts:
        told = set(tokens_of([prompt.text])[0])
        for thing in prompt.expectation.things:
            for look in (thing.colour, thing.shape, thing.material, thing.size):
                assert look is None or CONCEPT_IDS[look] in told, (prompt.text, look)
