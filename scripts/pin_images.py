"""Pin the base images to their digests.

    python -m scripts.pin_images

A tag may name a different image tomorrow, but a digest always names the same one. Docker asks the images' registry
for the digests, and this script adds them to the tags.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("Dockerfile", "docker-compose.yml", "deploy/kubernetes/redis/redis.yaml")
# The name and tag of an image, and its digest if it has one; our own images have none.
_IMAGE = re.compile(
    r"(?P<before>^FROM |^ +image: )(?P<tagged>(?!huggingface-ner)[\w./-]+:[\w.-]+)(@sha256:\w+)?", re.MULTILINE
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main() -> int:
    """Pin all images; return the exit status."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
    images = sorted({found["tagged"] for text in texts.values() for found in _IMAGE.finditer(text)})
    try:
        digests = {image: _digest(image) for image in images}
    except (OSError, ValueError) as error:
        print(f"no image was pinned: {error}", file=sys.stderr)
        return 1
    for name, text in texts.items():
        pinned = _IMAGE.sub(lambda found: f"{found['before']}{found['tagged']}@{digests[found['tagged']]}", text)
        (ROOT / name).write_text(pinned, encoding="utf-8")
    for image, digest in digests.items():
        print(f"{image}: {digest}")
    return 0


def _digest(image: str) -> str:
    """Return the digest of an image for all platforms; raises OSError and ValueError."""
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    digest = done.stdout.strip()
    if done.returncode or not _DIGEST.fullmatch(digest):
        raise ValueError(f"{image}: docker found no digest: {done.stderr.strip() or digest}")
    return digest


if __name__ == "__main__":
    sys.exit(main())
