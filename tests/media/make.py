"""Makes the files of the corpus anew. What a tool can't make here keeps the bytes that are committed."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from tests.media import make_audio, make_documents, make_images, make_video

FILES = Path(__file__).with_name("files")


def main() -> int:
    """Ends with the number of makers that failed."""
    only, failed, total = sys.argv[1:], 0, 0
    for maker in (*make_images.ALL, *make_video.ALL, *make_audio.ALL, *make_documents.ALL):
        if only and maker.__name__ not in only:
            continue
        made = 0
        try:
            for name, body in maker():
                path = FILES / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
                made, total = made + 1, total + len(body)
        except Exception:  # noqa: BLE001 - one maker's tool may be missing: the others go on
            failed += 1
            traceback.print_exc()
        print(f"{maker.__name__}: {made} files")
    print(f"{total:,} bytes")
    return failed


if __name__ == "__main__":
    sys.exit(main())
