"""Plots as SVG text, small enough to stand inline in a page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 36
COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#475569")


@dataclass(frozen=True)
class Line:
    """One line of a plot; points that are not numbers leave a gap."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def line_plot(
    title: str, x_label: str, y_label: str, lines: Sequence[Line], marks: Sequence[float] = (), top: float | None = None
) -> str:
    """Lines over a common x axis, from 0 up; dashed verticals at `marks`. Empty where there is nothing to draw."""
    points = [(x, y) for line in lines for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    if not points:
        return ""
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    x_high = x_high if x_high > x_low else x_low + 1
    y_high = top or max(max(y for _, y in points) * 1.05, 1e-9)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - min(y / y_high, 1.0) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(title)}">',
        _text(LEFT, 14, title, weight="bold"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, x_label, anchor="middle"),
        _text(4, TOP - 2 + 12, y_label) if y_label else "",
    ]
    for step in range(5):
        value = y_high * step / 4
        _, down = at(x_low, value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" y2="{down:.1f}" stroke="#8884" />')
        parts.append(_text(LEFT - 4, down + 4, f"{value:.3g}", anchor="end"))
        across, _ = at(x_low + (x_high - x_low) * step / 4, 0)
        parts.append(_text(across, HEIGHT - BOTTOM + 14, f"{x_low + (x_high - x_low) * step / 4:.3g}", anchor="middle"))
    for mark in marks:
        across, _ = at(mark, 0)
        parts.append(
            f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#888" '
            'stroke-dasharray="3 3" />'
        )
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path, pen = "", "M"
        for x, y in zip(line.x, line.y, strict=True):
            if not math.isfinite(y):
                pen = "M"
                continue
            across, down = at(x, y)
            path, pen = f"{path}{pen}{across:.1f} {down:.1f}", "L"
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" />')
        parts.append(_text(WIDTH - RIGHT, TOP + 10 + 13 * number, line.label, anchor="end", colour=colour))
    return "".join(parts) + "</svg>"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = "currentColor", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" font-family="sans-serif" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{html.escape(text)}</text>'
    )
