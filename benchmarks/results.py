"""What was measured, and what follows from it: medians, rates, requests over the fewest, and the floor."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from benchmarks.measure import Usage
from benchmarks.works import STREAMS, Work

PAGE: Final = 1000


@dataclass(slots=True, kw_only=True)
class Run:
    """One process on one server."""

    objects: int
    usage: Usage
    server: dict[str, Any]

    def sent(self, *kinds: str) -> int:
        by_class = self.server["requests"]
        return sum(number for kind in kinds for number in by_class.get(kind, {}).values())

    def answered(self, kind: str, status: int) -> int:
        return int(self.server["requests"].get(kind, {}).get(str(status), 0))

    @property
    def busy_s(self) -> float:
        """From the server's first request to its last."""
        return max(1e-9, float(self.server["last_s"]) - float(self.server["first_s"]))


@dataclass(slots=True, kw_only=True)
class Result:
    """All runs of one tool in one work."""

    tool: str
    version: str
    work: Work
    runs: list[Run] = field(default_factory=list)
    missing: str = ""
    """Why there are no runs."""

    @property
    def seconds(self) -> float:
        return median(run.usage.seconds for run in self.runs)

    @property
    def objects(self) -> int:
        return self.runs[0].objects

    @property
    def rate(self) -> float:
        """Objects per second of the whole process."""
        return self.objects / self.seconds

    @property
    def cpu_s_per_million(self) -> float:
        return median(run.usage.cpu_s for run in self.runs) * 1e6 / self.objects

    @property
    def peak_mb(self) -> float:
        return max(run.usage.peak_mb for run in self.runs)

    @property
    def over_fewest(self) -> float:
        """LISTs (and HEADs) that reached the server, over the fewest that can do the work."""
        fewest = -(-self.objects // PAGE) + (self.objects if self.work.kind in ("head", "media") else 0)
        return median(run.sent("list", "head", "get") for run in self.runs) / fewest

    @property
    def throttled(self) -> float:
        """Share of answers that were 503."""
        return median(
            (run.answered("list", 503) + run.answered("head", 503)) / max(1, run.sent("list", "head", "get"))
            for run in self.runs
        )

    @property
    def goodput(self) -> float:
        """HEADs answered well per second, from the server's first request to its last."""
        return median(run.answered("head", 200) / run.busy_s for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"tool": self.tool, "version": self.version, "work": asdict(self.work)}
        if self.missing:
            return {**told, "missing": self.missing}
        return {
            **told,
            "objects": self.objects,
            "seconds": [round(run.usage.seconds, 3) for run in self.runs],
            "cpu_s": [round(run.usage.cpu_s, 3) for run in self.runs],
            "peak_mb": round(self.peak_mb, 1),
            "over_fewest": round(self.over_fewest, 4),
            "server": [run.server for run in self.runs],
            "memory": memory_over_time(self.runs[0]) if self.work.name == "memory" else None,
        }


def memory_over_time(run: Run, points: int = 20) -> list[tuple[float, float]]:
    """Seconds and megabytes resident, evenly spread over the run."""
    samples = run.usage.samples
    if not samples:
        return []
    step = max(1, len(samples) // points)
    return [(round(at, 1), round(mb, 1)) for at, mb in samples[::step]]


def round_trips_s(work: Work) -> float:
    """The time that latency alone costs whoever has `STREAMS` requests on their way at once."""
    requests = -(-work.keys // PAGE) + (work.keys if work.kind == "head" else 0)
    return -(-requests // STREAMS) * work.latency_ms / 1000
