"""Counts what happens while a run works, and shows it on a terminal; silent everywhere else."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from console.show import counted
from ingest.events import CatalogAway, CatalogBack, RequestMade, SpanCommitted


class Tally:
    """An observer that adds up."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    def __call__(self, event: object) -> None:
        if isinstance(event, SpanCommitted):
            self.outcomes.update(event.outcomes)
        elif isinstance(event, RequestMade):
            self.requests[event.request] += 1

    def counts(self) -> dict[str, Any]:
        """As much of `run_summary` as is shown while a run works."""
        return {"listed": self.outcomes.total(), **self.outcomes, "requests": dict(self.requests)}


def pause_line(event: object) -> str | None:
    """What to say of a catalog that went away, or is back; None of anything else."""
    if isinstance(event, CatalogAway) and not event.again:
        return f"waiting: {event.reason}; this goes on by itself once the catalog is back, and Ctrl-C ends it"
    if isinstance(event, CatalogBack):
        return f"the catalog is back after {event.seconds:.1f} s"
    return None


def progress_line(counts: Mapping[str, Any], *, seconds: float) -> str:
    """One line: objects listed, added, changed, failed; requests; objects per second."""
    parts = [f"{counts.get(name, 0):,} {name}" for name in ("listed", "added", "changed")]
    if counts.get("failed"):
        parts.append(f"{counts['failed']:,} failed")
    requests = sum(count for count in counts.get("requests", {}).values())
    rate = counts.get("listed", 0) / seconds if seconds > 0 else 0.0
    return " · ".join([*parts, counted(requests, "request"), f"{rate:,.0f} objects/s"])


@contextmanager
def progress(counts: Callable[[], Mapping[str, Any]], *, silent: bool) -> Generator[None]:
    """Show `counts()` on stderr, some times a second, as long as the block lasts; nothing if `silent` or not a terminal."""
    if silent or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TimeElapsedColumn
    from rich.text import Text

    began = time.monotonic()

    class Counts(ProgressColumn):
        def render(self, task: Task) -> Text:  # noqa: ARG002  rich's signature
            return Text(progress_line(counts(), seconds=time.monotonic() - began))

    columns = (SpinnerColumn(), Counts(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        bar.add_task("")
        yield
