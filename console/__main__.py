"""`python -m console`, for whoever has the packages and not the script."""

from __future__ import annotations

from console.cli import main

if __name__ == "__main__":
    main()
