"""What a job wants to know of each object; a record that covers it, of an unchanged object, needs no second look."""

from __future__ import annotations

from typing import NamedTuple, Self

from ingest.job import DEPTHS, Depth, IngestJob


class Wanted(NamedTuple):
    """What is asked of each object; the fields of a job by the same names."""

    depth: Depth
    tags: bool = False
    perceptual_hash: bool = False
    copy_to: str | None = None
    recheck_archived: bool = False
    versions: bool = False
    """Records of all versions, beside those of objects."""

    @classmethod
    def of(cls, job: IngestJob) -> Self:
        return cls(
            depth=job.depth,
            tags=job.tags,
            perceptual_hash=job.perceptual_hash,
            copy_to=job.copy_to,
            recheck_archived=job.recheck_archived,
            versions=job.versions == "all",
        )

    @property
    def depths(self) -> tuple[Depth, ...]:
        """Of records that are deep enough."""
        return DEPTHS[DEPTHS.index(self.depth) :]

    def covered_by(self, other: Wanted) -> bool:
        """Whether everything that a run for `other` settled is settled for this one."""
        return (
            other.depth in self.depths
            and other.tags >= self.tags
            and other.perceptual_hash >= self.perceptual_hash
            and self.copy_to is None  # where copies go is decided anew for each run
            and other.versions == self.versions
            and not self.recheck_archived
        )
