"""Everyone who is measured: hides how each is started, whether it is here at all, and what it prints."""

from __future__ import annotations
