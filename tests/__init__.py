import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORDED = Path(__file__).resolve().parent / "recorded"


def recorded(name: str) -> Any:
    """Return a recorded exchange of Label Studio 1.23.2."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def recorded_names(prefix: str = "") -> list[str]:
    return sorted(path.stem for path in RECORDED.glob(f"{prefix}*.json") if not path.stem.startswith("_"))


def cases(name: str) -> list[dict[str, Any]]:
    """Return the test cases in a file of tests/cases, with their right values; ``about`` in it describes them."""
    read: dict[str, Any] = json.loads((ROOT / "tests" / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    return list(read["cases"])
