"""Draws the cost of annotating."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure


def draw_cost(stretches: Sequence[tuple[int, float | None]], file: Path) -> None:
    """Draw stretches, pairs of the number of tasks at the end and the cost, as a curve.

    A stretch without entities has no cost and no point. file: its suffix is the format, .svg or .png.
    """
    points = [(to, cost) for to, cost in stretches if cost is not None]
    file.parent.mkdir(parents=True, exist_ok=True)
    # so text in the SVG remains text, and the same curve gives the same file
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": file.stem}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(1, color="#8c8c8c", linewidth=1, linestyle="dashed", label="without suggestions")
        axes.plot(
            [to for to, _ in points],
            [cost for _, cost in points],
            marker="o",
            color="#1d39c4",
            linewidth=2,
            label="with suggestions",
        )
        for to, cost in points:
            axes.annotate(f"{cost:.2f}", (to, cost), (4, 6), textcoords="offset points", fontsize=9)
        axes.set_xscale("log", base=2)
        axes.set_xticks([to for to, _ in points], [f"to {to}" for to, _ in points], minor=False)
        axes.set_xlabel("annotated tasks")
        axes.set_ylabel("edits per entity")
        axes.set_ylim(0, max([1.2, *(cost * 1.1 for _, cost in points)]))
        axes.legend(frameon=False, loc="lower left")
        axes.grid(axis="y", color="#e5e5e5")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
