"""Reads a secret's file without being led elsewhere by a link. Blocks: for a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Final

from config.errors import SecretReferenceError

_NEVER: Final = ("/proc", "/sys", "/dev")
"""Not files of anybody: /proc/self/environ is all of our own variables."""


_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Passing through a folder needs no right to list it."""


def read_file(path: str, *, roots: Sequence[str], most: int) -> str:
    """The text of a file that lies, all links followed, below one of the roots (or is one), without its last line break.

    Raises SecretReferenceError that says what is wrong, and never what the file holds.
    """
    try:
        real = os.path.realpath(path)
        if any(_within(real, folder) for folder in _NEVER) or not any(
            _within(real, os.path.realpath(root)) for root in roots
        ):
            raise _refusal(path, "a link leads out of the folder that the operator allows")
        text = _opened(real, path, most)
    except OSError as error:
        raise _refusal(path, f"{error.strerror or 'it could not be opened'}; is it there, and ours to read?") from None
    except UnicodeDecodeError:
        raise _refusal(path, "it is not UTF-8") from None
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


def _opened(real: str, path: str, most: int) -> str:
    # Whoever swaps a part of the path for a link at this moment is refused, too; and a pipe is not waited for.
    folder = os.open("/", _FOLDER)
    *above, name = real.strip("/").split("/")
    try:
        for part in above:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _refusal(path, "it is no regular file")
        with os.fdopen(file, "rb", closefd=False) as opened:
            content = opened.read(most + 1)
    finally:
        os.close(file)
    if len(content) > most:
        raise _refusal(path, f"it is larger than {most:,} bytes; is it the right file?")
    return content.decode()


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _refusal(path: str, why: str) -> SecretReferenceError:
    return SecretReferenceError(f"the secret file://{path} can't be read: {why}")
