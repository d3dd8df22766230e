"""The same as bare.py, over the fallback transport."""

from __future__ import annotations

from benchmarks.peers.bare import main

if __name__ == "__main__":
    main("aiohttp")
