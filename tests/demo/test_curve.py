from pathlib import Path

from PIL import Image

from demo.curve import draw_curve

POINTS = [(0, 0.0), (20, 0.5), (160, 0.81)]


def test_the_curve_is_drawn_as_png_and_as_svg(tmp_path: Path) -> None:
    png, svg = draw_curve(POINTS, tmp_path)
    with Image.open(png) as image:
        assert image.format == "PNG"
        assert image.width > image.height > 300
    drawn = svg.read_text(encoding="utf-8")
    for text in ("annotated tasks", "F1 on the tasks not yet annotated", ">160<", ">0.81<"):
        assert text in drawn


def test_the_same_points_give_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    for one, other in zip(draw_curve(POINTS, tmp_path), draw_curve(POINTS, tmp_path / "again"), strict=True):
        assert one.read_bytes() == other.read_bytes()
