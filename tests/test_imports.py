"""DESIGN's arrows: imports run downward only, and the package and its command line start without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import langit

PACKAGE = Path(langit.__file__).parent
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"types"}),
    frozenset({"patches", "packing", "media"}),
    frozenset({"transformer", "tokenizer", "text", "flow"}),
    frozenset({"sampling", "conditioning", "catalog", "soundtrack", "provenance"}),
    frozenset({"editing", "generate", "casts", "sight", "denoising", "planning"}),
)
COMMAND_LINE = frozenset({"cli", "commands"})
"""It may call everything."""
EDGES = COMMAND_LINE | {"server", "studio"}
"""On top of all. The others go by the layers."""
ASIDE = frozenset({"simulator", "curation", "training", "evaluation"})
"""They use the layers and one another; nothing but the command line may import them."""


def part_of(path: Path, package: Path) -> str:
    relative = path.relative_to(package)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(imported part of langit, line), wherever in the file it is imported: also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full, beginning with langit"
            module = node.module or ""
            names = [f"langit.{alias.name}" for alias in node.names] if module == "langit" else [module]
        for name in names:
            if name.startswith("langit."):
                yield name.split(".")[1], node.lineno
            elif name == "langit":
                yield "", node.lineno


def level(part: str) -> int | None:
    if part in EDGES:
        return len(LAYERS)
    return next((index for index, layer in enumerate(LAYERS) if part in layer), None)


def complaint(importer: str, imported: str) -> str | None:
    """Why this import is against the arrows; None when it is not."""
    if importer == imported or importer in COMMAND_LINE or imported == "__version__":
        return None
    if imported in ("", "__init__"):
        return "parts import one another, not the package's front"
    if imported in EDGES:
        return f"{imported} is an edge: nobody imports it"
    if imported in ASIDE:
        return None if importer in ASIDE else f"{imported} is imported by the command line alone"
    to = level(imported)
    if to is None:
        return f"{imported} has no layer yet: add it to LAYERS here, and to DESIGN's map"
    if importer in ASIDE:
        return None
    begin = level(importer)
    if begin is None:
        return f"{importer} has no layer yet: add it to LAYERS here, and to DESIGN's map"
    return None if to <= begin else f"{imported} lies above {importer}"


def complaints(package: Path) -> list[str]:
    found = []
    neighbours: dict[str, dict[str, str]] = {}  # parts of one layer, and the line of the import
    for path in sorted(package.rglob("*.py")):
        importer = part_of(path, package)
        if importer == "__init__":  # the front: names every part, imports none before it is used
            continue
        for imported, line in imports(path):
            where = f"{path.relative_to(package.parent)}:{line}"
            if why := complaint(importer, imported):
                found.append(f"{where}: {importer} imports {imported or 'langit'}, but {why}")
            elif importer != imported and importer not in COMMAND_LINE and (level(importer) == level(imported)):
                neighbours.setdefault(importer, {}).setdefault(imported, where)
    for circle in circles(neighbours):
        lines = ", ".join(neighbours[one][two] for one, two in pairwise(circle))
        found.append(f"{' imports '.join(circle)}: a circle within a layer ({lines})")
    return found


def circles(neighbours: dict[str, dict[str, str]]) -> list[list[str]]:
    found: list[list[str]] = []

    def walk(trail: list[str]) -> None:
        for part in neighbours.get(trail[-1], ()):
            if part == trail[0]:
                found.append([*trail, part])
            elif part not in trail and part > trail[0]:
                walk([*trail, part])

    for part in neighbours:
        walk([part])
    return found


def test_imports_run_downward_only():
    assert complaints(PACKAGE) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"patches.py": "from langit.types import Video"}, None),
        ({"patches.py": "\nfrom langit.flow import add_noise"}, "patches.py:2: patches imports flow, but flow lies"),
        ({"types.py": "def f():\n    import langit.media.read"}, "types.py:2: types imports media"),
        ({"sampling/a.py": "from langit.generate import Plan"}, "sampling/a.py:1: sampling imports generate"),
        ({"generate.py": "from langit.training import train"}, "training is imported by the command line alone"),
        ({"generate.py": "from langit import training"}, "training is imported by the command line alone"),
        ({"training/loop.py": "from langit.generate import plan"}, None),
        ({"training/loop.py": "from langit.cli import app"}, "cli is an edge"),
        ({"cli.py": "from langit.training import train"}, None),
        ({"server/api.py": "from langit.training import train"}, "training is imported by the command line alone"),
        ({"media/read.py": "import langit"}, "not the package's front"),
        ({"novelty.py": "from langit.types import Video"}, "novelty has no layer yet"),
        ({"flow.py": "import langit.text", "text/a.py": "import langit.transformer"}, None),
        ({"flow.py": "import langit.text", "text/a.py": "import langit.flow"}, "a circle within a layer"),
        ({"training/a.py": "import langit.simulator", "simulator/b.py": "import langit.training"}, "a circle"),
    ],
)
def test_the_arrows_are_seen(tmp_path, files, expected):
    package = tmp_path / "langit"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = "\n".join(complaints(package))
    if expected is None:
        assert found == ""
    else:
        assert expected in found


def test_the_front_and_the_command_line_start_without_torch():
    code = (
        "import langit, langit.cli, langit.types, langit.text, sys;"
        "print(sorted({'torch', 'av', 'mujoco'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
