"""What a connection test found, as plain values: steps, the reasons that a refusal may have, and what each asks somebody to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Outcome = Literal["passed", "failed", "not tried", "warning"]
Verdict = Literal["passed", "failed", "warning"]
Target = Literal["role", "trust", "bucket", "key", "own", "user", "connection", "elsewhere"]
"""Where a repair goes: permissions or trust of the role, policy of the bucket or of its KMS key, permissions of our own identity or of
the user whose access key it is, the connection itself; or somewhere that no statement reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One possible cause of what was seen, and its repair."""

    why: str
    target: Target = "elsewhere"
    where: str = ""
    """The policy it goes into, for people."""
    repair: dict[str, Any] | None = None
    """A statement to add to that policy; a whole document, which has statements, takes its place."""

    @property
    def is_document(self) -> bool:
        return self.repair is not None and "Statement" in self.repair

    def plain(self) -> dict[str, Any]:
        return {"why": self.why, "target": self.target, "where": self.where, "repair": self.repair}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried, or not."""

    name: str
    outcome: Outcome
    seen: str
    about: str = ""
    """Which place, object or endpoint; empty if it is about the connection as a whole."""
    reasons: tuple[Reason, ...] = ()
    """What may have caused it, the likeliest first."""
    vital: bool = True
    """Not to have tried it is worth a warning."""

    @property
    def is_bad(self) -> bool:
        """Somebody should look at it."""
        return self.outcome in ("failed", "warning") or (self.outcome == "not tried" and self.vital)

    @property
    def repair(self) -> dict[str, Any] | None:
        """Of the likeliest reason that has one."""
        return next((reason.repair for reason in self.reasons if reason.repair is not None), None)

    @property
    def where(self) -> str:
        return next((reason.where for reason in self.reasons if reason.repair is not None), "")

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "about": self.about,
            "outcome": self.outcome,
            "seen": self.seen,
            "reasons": [reason.plain() for reason in self.reasons],
            "repair": self.repair,
            "where": self.where,
        }


def passed(name: str, seen: str, *, about: str = "") -> Step:
    return Step(name=name, outcome="passed", seen=seen, about=about)


def failed(name: str, seen: str, *reasons: Reason, about: str = "") -> Step:
    return Step(name=name, outcome="failed", seen=seen, about=about, reasons=reasons)


def warned(name: str, seen: str, *reasons: Reason, about: str = "") -> Step:
    return Step(name=name, outcome="warning", seen=seen, about=about, reasons=reasons)


def untried(name: str, why: str, *, about: str = "", vital: bool = False) -> Step:
    return Step(name=name, outcome="not tried", seen=why, about=about, vital=vital)


class Taken(list[Step]):
    """The steps that were taken so far, and which one is under way."""

    under_way: str = ""

    def begin(self, name: str, about: str = "") -> None:
        self.under_way = f"{name} {about}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole test."""

    connection: str
    kind: str
    steps: tuple[Step, ...]
    waited_s: float = 0.0
    """For policies to spread."""

    @property
    def verdict(self) -> Verdict:
        outcomes = {step.outcome for step in self.steps}
        if "failed" in outcomes or not self.steps:
            return "failed"
        bad = any(step.is_bad for step in self.steps)
        return "warning" if bad or "passed" not in outcomes else "passed"

    def plain(self) -> dict[str, Any]:
        return {
            "connection": self.connection,
            "kind": self.kind,
            "verdict": self.verdict,
            "waited_s": round(self.waited_s, 1),
            "steps": [step.plain() for step in self.steps],
        }

    def summary(self) -> dict[str, Any]:
        """What is kept with the connection: no reason, no repair."""
        bad = [f"{step.name} {step.about}".strip() for step in self.steps if step.is_bad]
        return {"verdict": self.verdict, "steps": len(self.steps), "not_passed": bad[:_KEPT]}


_KEPT: Final = 20
