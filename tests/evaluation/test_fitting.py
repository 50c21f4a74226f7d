"""A fit that was stopped and taken up gives what one gives that was not, and another course is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from langit.evaluation.observation.council import Council
from langit.evaluation.observation.fitting import Course, fit_network, rate, shuffled, stops_on_interrupt
from langit.types import InputError

COURSE = Course(rounds=4, steps=5, peak=0.05, decay=0.01)
INPUTS = torch.linspace(-1, 1, 40)[:, None]


def fit(path: Path, *, course: Course = COURSE, stopped_in: int = -1) -> nn.Module:
    """Two small networks learn to double; Ctrl-C comes in the middle of round `stopped_in`."""
    torch.manual_seed(0)
    network = Council(lambda: nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1)), 2)

    def losses(number: int) -> Iterator[Tensor]:
        for step, chosen in enumerate(shuffled(INPUTS[:, 0], 8)):
            if number == stopped_in and step == 2:
                raise KeyboardInterrupt
            yield ((network(chosen[:, None]) - 2 * chosen[:, None]) ** 2).mean()

    fit_network(network, path, course, losses, lambda: "told")
    return network


def test_a_fit_that_was_stopped_ends_in_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "stopped.safetensors", stopped_in=2)
    assert (tmp_path / "stopped.checkpoint").exists()
    half = load_file(tmp_path / "stopped.safetensors")
    fit(tmp_path / "stopped.safetensors")
    assert not (tmp_path / "stopped.checkpoint").exists()
    whole, resumed = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any(not torch.equal(whole[name], half[name]) for name in whole)
    told = capsys.readouterr().out
    assert "stopped goes on after round 2 of 4" in told
    assert "whole, round 4 of 4" in told


def test_members_begin_apart_and_learn(tmp_path: Path) -> None:
    network = fit(tmp_path / "two.safetensors", course=Course(rounds=30, steps=5, peak=0.05, decay=0.0))
    with torch.no_grad():
        one, other = network(INPUTS)
    assert not torch.equal(one, other)
    assert float((one - 2 * INPUTS).abs().mean()) < 0.2


def test_another_course_does_not_go_on_with_what_was_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "one.safetensors", stopped_in=1)
    with pytest.raises(InputError, match="remove the file"):
        fit(tmp_path / "one.safetensors", course=Course(rounds=5, steps=5, peak=0.05, decay=0.01))


def test_a_course_without_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fill a batch"):
        fit(tmp_path / "one.safetensors", course=Course(rounds=5, steps=0, peak=0.05, decay=0.01))


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(share / 100) for share in range(101)]
    assert [rates[0], rates[8], rates[100]] == pytest.approx([0, 1, 0])
    assert rates[8:] == sorted(rates[8:], reverse=True)


def test_ctrl_c_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, stops_on_interrupt():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
    assert "goes on" in capsys.readouterr().err
