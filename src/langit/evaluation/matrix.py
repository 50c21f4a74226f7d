"""Only the right measure moves: every kind of damage against every measure, at one strength each.

A kind of damage is done to the simulator's own clips of every task, all measures are read of them before and after, and a
measure that moves by more than its tolerance must be one that the damage rightly concerns: `concerns` lists these, with the
reason. All others must stay where they are, and a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from langit.evaluation.concerns import CONCERNS, TOLERANCE, reason
from langit.evaluation.curves import damaged, read
from langit.evaluation.footage import Examined
from langit.evaluation.papers import Paper
from langit.evaluation.statistics import Reading


@dataclass(frozen=True)
class Cell:
    """One measure under one kind of damage."""

    kind: str
    strength: float
    part: str
    name: str
    unit: str
    before: float
    after: float | None
    """None where nothing could be read any more."""
    why: str
    """The reason for which the damage may move the measure; empty where it must not."""

    @property
    def has_moved(self) -> bool:
        """Whether it is beyond its tolerance."""
        return self.after is None or abs(self.after - self.before) > TOLERANCE[self.unit]

    @property
    def is_as_told(self) -> bool:
        """Whether it stayed where it was, or may move."""
        return bool(self.why) or not self.has_moved


def matrix(
    papers: Sequence[Paper],
    count: int,
    on_progress: Callable[[str, int, int], None],
    kinds: Sequence[str] = tuple(CONCERNS),
) -> tuple[Cell, ...]:
    """Every kind of damage against every measure, on `count` clips of each task."""
    of_task: dict[str, list[Paper]] = {}
    for paper in papers:
        if paper.asked is None or (paper.asked.language, paper.asked.detail) == ("en", "dense"):
            of_task.setdefault(paper.task, []).append(paper)
    chosen = [paper for some in of_task.values() for paper in some[:count]]
    own = {paper.name: paper.own() for paper in chosen}
    cells: list[Cell] = []
    for done, kind in enumerate(kinds):
        on_progress("damage against every measure", done, len(kinds))
        cells += row(chosen, own, kind)
    on_progress("damage against every measure", len(kinds), len(kinds))
    return tuple(cells)


def row(papers: Sequence[Paper], own: dict[str, Examined], kind: str) -> Iterator[Cell]:
    """One kind of damage, done to the clips of its tasks, against every measure of these; `own` are the clips as they are."""
    strength, tasks = CONCERNS[kind].strength, CONCERNS[kind].tasks
    some = [paper for paper in papers if not tasks or paper.task in tasks]
    before = _readings([own[paper.name] for paper in some])
    after = _readings([damaged(paper, kind, strength) for paper in some])
    for name, one in before.items():
        known, new = one.estimated(), after[name].estimated()
        if known is not None:
            value = None if new is None else new.value
            yield Cell(kind, strength, one.part, name, one.unit, known.value, value, reason(kind, name))


def _readings(clips: Sequence[Examined]) -> dict[str, Reading]:
    asked = [clip for clip in clips if clip.asked is not None]
    others = [clip for clip in clips if clip.asked is None]
    return {one.name: one for part in (asked, others) if part for one in read(part)}
