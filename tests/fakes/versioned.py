"""A bucket in memory that keeps versions, as the pipeline asks for one; its pages of versions may end in the midst of a key."""

from __future__ import annotations

from dataclasses import dataclass, field

from config.errors import ObjectChangedError, ObjectMissingError
from ingest.model import Entry, ObjectHead, Page
from ingest.versions import Marker, VersionEntries
from tests.fakes.bucket import FakeBucket


@dataclass
class VersionedBucket(FakeBucket):
    """What FakeBucket has, and of each key all that it ever was."""

    history: dict[bytes, list[Entry]] = field(default_factory=dict)
    """From the newest to the oldest."""
    numbered: int = 0
    named: list[tuple[str, bytes, str]] = field(default_factory=list)
    """Requests, keys and versions."""

    def put(
        self,
        key: bytes,
        *,
        size: int = 1,
        etag: str = "e",
        at: str = "2026-01-01T00:00:00.000Z",
        storage: str = "STANDARD",
    ) -> None:
        self._add(Entry(key, size, etag, at, storage))

    def delete(self, key: bytes) -> str:
        """Returns the ID of the marker."""
        return self._add(Entry(key, 0, "", "2026-01-02T00:00:00.000Z", "", is_delete_marker=True))

    def expire(self, key: bytes, version_id: str) -> None:
        """For good."""
        self.history[key] = [one for one in self.history[key] if one.version_id != version_id]
        self._settle(key)

    def ids(self, key: bytes) -> list[str]:
        return [one.version_id for one in self.history.get(key, [])]

    def every(self, prefix: bytes = b"") -> list[Entry]:
        """All versions as they are listed."""
        return [
            one._replace(is_latest=place == 0)
            for key in sorted(self.history)
            for place, one in enumerate(self.history[key])
            if key.startswith(prefix)
        ]

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page:
        self._asked("list", after or prefix)
        found = self.every(prefix)
        if token is not None:
            marker = Marker.of(token)
            at = next(place for place, one in enumerate(found) if (one.key, one.version_id) == marker)
            found = found[at + 1 :]
        elif after is not None:
            found = [one for one in found if one.key > after]
        most = min(max_keys, self.page_keys)
        page = found[:most]
        end = Marker(page[-1].key, page[-1].version_id).token if len(found) > most else None
        return Page(entries=VersionEntries.of(page), next_token=end)

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        return await self._of_version("head", key, if_match, version_id)

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        answer = await self._of_version("get", key, if_match, version_id)
        return answer, bytes(answer.size)[first : last + 1]

    async def _of_version(self, request: str, key: bytes, if_match: str | None, version_id: str | None) -> ObjectHead:
        if version_id is None:
            return await self._answer(request, key, if_match)
        self.named.append((request, key, version_id))
        self._asked(request, key)
        found = next((one for one in self.history.get(key, []) if one.version_id == version_id), None)
        if found is None or found.is_delete_marker:
            raise ObjectMissingError("gone")
        if if_match not in {None, found.etag}:
            raise ObjectChangedError("changed")
        return ObjectHead(
            size=found.size,
            etag=found.etag,
            last_modified="Thu, 01 Jan 2026 00:00:00 GMT",
            content_type=f"text/{version_id}",
            storage_class=found.storage_class,
            version_id=version_id,
        )

    def _add(self, one: Entry) -> str:
        self.numbered += 1
        version_id = f"v{self.numbered}"
        self.history.setdefault(one.key, []).insert(0, one._replace(version_id=version_id))
        self._settle(one.key)
        return version_id

    def _settle(self, key: bytes) -> None:
        """What is there now, for those who ask for no version."""
        newest = next(iter(self.history[key]), None)
        if newest is None or newest.is_delete_marker:
            self.objects.pop(key, None)
        else:
            self.objects[key] = (newest.size, newest.etag, newest.last_modified, newest.storage_class)
