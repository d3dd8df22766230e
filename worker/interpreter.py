"""The interpreter, set for a process that moves millions of small things beside a database's thread."""

from __future__ import annotations

import gc
import sys

_SWITCH_S = 0.001
"""How long the event loop may keep the interpreter's lock from the thread that writes to the catalog. With Python's own 5 ms that
thread waits most of its time beside a loop that parses: it wrote 124,000 rows a second so, and 234,000 with 1 ms."""


def settle() -> None:
    """Call it once everything is built: what lives as long as the process need not be walked again and again by the collector."""
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
