"""Take the README's screenshots of the page, from a running demo.

    make demo             # in one terminal
    make demo-replay      # in another; it fills the learning curve
    .venv/bin/python -m scripts.page_screenshots

The screenshots are 1400 pixels wide and in light colours. A palette keeps their files small. The script needs the
packages of the tests.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from demo import FOLDER, ROOT, DemoError
from demo.state import find_running

DOCS = ROOT / "docs"
WIDTH = 1400
# Height of the first screenshot, in pixels. It shows what goes on, how good the model is, and F1 by label.
TOP = 1080
COLORS = 96
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Take both screenshots; return the exit status: 0, or 1 if the demo does not run."""
    try:
        demo = find_running(FOLDER)
    except DemoError as error:
        print(f"page_screenshots: {error}", file=sys.stderr)
        return 1
    browsers = [path for name in BROWSERS if (path := shutil.which(name))]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=next(iter(browsers), None), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": TOP}, color_scheme="light")
        page.goto(f"{demo.backend}/projects/{demo.project}")
        page.get_by_role("heading", name="How it developed").wait_for()
        _take(page, DOCS / "page.png", 0, TOP)
        section = page.locator("section[aria-labelledby=curve-title]").bounding_box()
        if section is not None:
            _take(page, DOCS / "page_curve.png", section["y"] - 24, section["height"] + 48)
        browser.close()
    return 0


def _take(page: Page, path: Path, top: float, height: float) -> None:
    """Write a strip of the page as a PNG with few colours."""
    clip = {"x": 0.0, "y": top, "width": float(WIDTH), "height": height}
    taken = page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
    image = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
