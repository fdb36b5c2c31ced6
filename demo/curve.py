"""The learning curve as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

NAME = "learning_curve"
FORMATS = ("png", "svg")


def draw_curve(points: Sequence[tuple[int, float]], folder: Path) -> list[Path]:
    """Draw points (annotated tasks, F1) as a curve, and return the files, one in each of FORMATS."""
    files = [folder / f"{NAME}.{form}" for form in FORMATS]
    annotated, f1 = [x for x, _ in points], [y for _, y in points]
    # so text in the SVG remains text, and the same curve gives the same file
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": NAME}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(annotated, f1, marker="o", color="#1d39c4", linewidth=2, clip_on=False)
        for x, y in points:
            # put the number beside a rising curve, and not on the axis
            offset = (6, -12) if y > 0.1 else (9, 4)
            axes.annotate(f"{y:.2f}", (x, y), offset, textcoords="offset points", fontsize=9)
        axes.set_xlabel("annotated tasks")
        axes.set_ylabel("F1 on the tasks not yet annotated")
        axes.set_xticks(annotated)
        axes.set_ylim(0, 1)
        axes.set_xlim(right=max(*annotated, 1) * 1.08)
        axes.grid(axis="y", color="#e5e5e5")
        axes.spines[["top", "right"]].set_visible(False)
        for file in files:
            figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files
