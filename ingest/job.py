"""A job as it crosses the border: what a producer may ask for, checked before anything is written or requested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from config.errors import JobError
from config.limits import Limits
from credentials.places import locator_to_type
from ingest.filters import compile_glob
from ingest.keeping import no_json
from ingest.naming import Named, grouped, is_web, parse_web, told

Depth = Literal["list", "head", "media", "content"]
DEPTHS: tuple[Depth, ...] = ("list", "head", "media", "content")
"""From shallow to deep; a deeper record covers what a shallower job asks."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MOST_KEY_BYTES = 1024
_SHOWN = 1100
_MOST_KEPT = 16
"""Jobs that are remembered as they were read: the runs that are worked on, of which few are large."""


class PrefixSource(NamedTuple):
    """All objects of `bucket` whose keys begin with `prefix`; as with S3 itself, a prefix is a string and not a folder.

    Where a job names its objects these are only some of them, and `bucket` may be the origin of an HTTPS server.
    """

    bucket: str
    prefix: bytes

    @property
    def uri(self) -> str:
        return uri_of(self.bucket, self.prefix.decode())

    def meets(self, other: PrefixSource) -> bool:
        """Whether they may have an object in common."""
        near = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        return self.bucket == other.bucket and near

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read `s3://bucket/prefix`. Nothing is percent-decoded. Raises ValueError that says what to type."""
        scheme, separator, rest = uri.partition("://")
        if scheme.lower() != "s3" or not separator:
            typed = locator_to_type(uri) or "s3://bucket or s3://bucket/prefix"
            raise ValueError(f"{told(uri)} is no S3 locator; write {typed[:_SHOWN]}")
        bucket, _, prefix = rest.partition("/")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise ValueError(
                f"{told(bucket)} is no bucket name; write s3://bucket/prefix with the bucket's name, not its ARN or URL"
            )
        try:
            encoded = prefix.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the prefix in {told(uri)} is no valid Unicode") from error
        if len(encoded) > _MOST_KEY_BYTES:
            raise ValueError(
                f"the prefix in {told(uri)}... has {len(encoded)} bytes; S3 keys have at most {_MOST_KEY_BYTES}"
            )
        return cls(bucket, encoded)


def uri_of(bucket: str, key: str) -> str:
    """Of an object in a bucket, or on an HTTPS server."""
    return f"{bucket}{key}" if is_web(bucket) else f"s3://{bucket}/{key}"


def _locator(uri: str) -> str:
    if is_web(uri) and locator_to_type(uri) is None:  # what the browser shows of a bucket is no server of its own
        parse_web(uri)
    else:
        PrefixSource.parse(uri)
    return uri


def _object(uri: str) -> tuple[str, str]:
    """Bucket and key of a URI that was checked."""
    if is_web(uri):
        return parse_web(uri)
    bucket, prefix = PrefixSource.parse(uri)
    return bucket, prefix.decode()


def _folder(uri: str) -> str:
    source = PrefixSource.parse(uri)
    if source.prefix and not source.prefix.endswith(b"/"):
        raise ValueError(f"copies go below a folder: write {source.uri}/")
    return source.uri


def _glob(pattern: str) -> str:
    compile_glob(pattern)
    return pattern


def _at_most(limit: str) -> dict[str, JsonValue]:
    """For the published schema; `read` holds a job to the limits as they are set."""
    return {"maxItems": Limits.model_fields[limit].default}


_IN_ALL: dict[str, JsonValue] = {
    "description": f"{Limits.model_fields['uri_characters_per_job'].default} characters in all; "
    f"on the queue, the whole job has {Limits.model_fields['job_bytes'].default} bytes at most"
}


class IngestJob(BaseModel):
    """One request to ingest. This is the payload that producers put on the queue, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    connection: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The name of the connection that reads the bucket; without one, the most specific that permits all the URIs."""
    uris: Annotated[
        list[Annotated[str, AfterValidator(_locator)]],
        Field(min_length=1, json_schema_extra=_at_most("objects_per_job") | _IN_ALL),
    ]
    """What to ingest: `s3://bucket` or `s3://bucket/prefix`, several if need be (1,000 at most); or with `exact`, and always if they
    begin with `https://`, the objects themselves (5,000); 262,144 characters in all, and on the queue the whole job has no more bytes."""
    depth: Depth = "head"
    """`list` records what the listing says; `head` asks each new or changed object for its headers too; `media` reads its first
    bytes instead, which tell what it is; `content` reads all of it."""
    exact: bool = False
    """Each URI is one object; nothing is listed."""
    versions: Literal["current", "all"] = "current"
    """`all`: a record of every version and every delete marker."""
    tags: bool = False
    """Ask for the tags of objects that have some."""
    perceptual_hash: bool = False
    """A hash by which pictures that look alike are found; at depth `content`."""
    copy_to: Annotated[str, AfterValidator(_folder)] | None = None
    """Copy each new or changed object below this `s3://bucket/prefix/`, server side."""
    recheck_archived: bool = False
    """Look again at objects that were archived: they may have been restored."""
    include: Annotated[
        list[Annotated[str, AfterValidator(_glob)]], Field(json_schema_extra=_at_most("globs_per_job"))
    ] = []
    """If given, only keys that match one of these globs."""
    exclude: Annotated[
        list[Annotated[str, AfterValidator(_glob)]], Field(json_schema_extra=_at_most("globs_per_job"))
    ] = []
    """Never keys that match one of these globs."""
    options: dict[str, JsonValue] = {}
    """Carried with the run, untouched, for whatever reads its records."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Whether what it asks for can be had at its depth."""
        if self.depth == "list":
            for name in ("exact", "tags", "copy_to", "recheck_archived"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name} asks each object, which depth list does not; use depth head or a deeper one"
                    )
        if self.perceptual_hash and self.depth != "content":
            raise ValueError("perceptual_hash needs the whole picture: use depth content")
        return self

    @model_validator(mode="after")
    def _names_well(self) -> Self:
        """Whether it fits what its URIs are."""
        web = [uri for uri in self.uris if is_web(uri)]
        if web and len(web) < len(self.uris):
            raise ValueError("a job reads buckets or HTTPS servers, and not both: send one for each")
        for name in ("tags", "copy_to", "recheck_archived") if web else ():
            if getattr(self, name):
                raise ValueError(f"{name} is for buckets, and the URIs are those of HTTPS servers; leave it out")
        if web and self.depth == "list":
            raise ValueError(
                "depth list asks no object, and HTTPS servers can't be listed; use depth head or a deeper one"
            )
        if self.names_objects and self.versions == "all":
            raise ValueError(
                "versions: all are found by listing, and nothing is listed where objects are named; leave it out"
            )
        if self.names_objects and (self.include or self.exclude):
            raise ValueError("the URIs name each object, so there is nothing to include or exclude")
        if self.exact and (bare := next((uri for uri in self.uris if not _object(uri)[1]), None)):
            raise ValueError(f"exact: {bare!r} names a bucket and no object; write s3://bucket/key")
        return self

    @property
    def names_objects(self) -> bool:
        """Whether each URI is one object, so that nothing is listed."""
        return self.exact or self.of_servers

    @property
    def of_servers(self) -> bool:
        """Whether they are objects on HTTPS servers, none of which asks for money by the request."""
        return is_web(self.uris[0])

    @cached_property
    def named(self) -> list[Named]:
        """The objects of each source, by its number; none where sources are listed."""
        return grouped(map(_object, self.uris)) if self.names_objects else []

    def places(self) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        """All that a connection must permit, by bucket: each object that is named, or else all that is listed."""
        if self.names_objects:
            return ((one.bucket, one.keys) for one in self.named)
        return ((source.bucket, (source.prefix,)) for source in self.sources())

    @classmethod
    def read(cls, payload: Any, *, limits: Limits | None = None) -> Self:
        """Check a payload. Raises JobError that names each field and what is wrong with it, never the whole payload.

        What is kept can be read again, by any version and whatever the limits are then.
        """
        if isinstance(payload, dict) and (excess := _excess(payload, limits or Limits())):
            raise JobError(f"the job can't be used: {excess}", code="BadJob")
        try:
            job = cls.model_validate(payload)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in item['loc']) or 'payload'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors(include_input=False, include_url=False)[:20]
            )
            raise JobError(f"the job can't be used: {problems}", code="BadJob") from None
        if len(job.named) > (most := (limits or Limits()).prefixes_per_job):
            why = f"uris: they name objects of {len(job.named)} buckets or servers, more than {most}; send several jobs"
            raise JobError(f"the job can't be used: {why}", code="BadJob")
        return job

    @staticmethod
    def kept(text: str) -> IngestJob | None:
        """A job as the catalog has it. A field that another version added is passed over; None if this one can't read it."""
        return _kept(text)

    def sources(self) -> list[PrefixSource]:
        """The places to list, each once: what lies below another is covered by it. Sorted by bucket and prefix. Where objects are
        named, one for each bucket or server; see `named`.
        """
        if self.names_objects:
            return [PrefixSource(one.bucket, one.prefix) for one in self.named]
        kept: list[PrefixSource] = []
        for source in sorted({PrefixSource.parse(uri) for uri in self.uris}):
            if kept and kept[-1].bucket == source.bucket and source.prefix.startswith(kept[-1].prefix):
                continue
            kept.append(source)
        return kept


@lru_cache(maxsize=_MOST_KEPT)
def _kept(text: str) -> IngestJob | None:
    """See `IngestJob.kept`. To check thousands of URIs takes tens of milliseconds, and a run is read all the time."""
    try:
        return IngestJob.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None


def of_other_kind(one: IngestJob | None, other: IngestJob | None) -> bool:
    """Whether one is about versions and the other about objects, so that they have no record in common. No, if that can't be told."""
    return one is not None and other is not None and one.versions != other.versions


def _excess(payload: dict[str, Any], limits: Limits) -> str | None:
    """What is too much of it, before anything looks at it more closely; None if nothing is."""
    uris = payload.get("uris")
    if isinstance(uris, list):
        named = payload.get("exact") is True or all(isinstance(uri, str) and is_web(uri) for uri in uris)
        most = limits.objects_per_job if named else limits.prefixes_per_job
        if len(uris) > most:
            return f"uris: {len(uris)} are more than {most}; send several jobs"
        characters = sum(len(uri) for uri in uris if isinstance(uri, str))
        if characters > limits.uri_characters_per_job:
            return f"uris: {characters} characters are more than {limits.uri_characters_per_job}; send several jobs"
    globs = [glob for name in ("include", "exclude") if isinstance(payload.get(name), list) for glob in payload[name]]
    if len(globs) > limits.globs_per_job:
        return f"include and exclude: {len(globs)} globs are more than {limits.globs_per_job}"
    characters = sum(len(glob) for glob in globs if isinstance(glob, str))
    if characters > limits.glob_characters_per_job:
        return f"include and exclude: {characters} characters are more than {limits.glob_characters_per_job}"
    for name in IngestJob.model_fields:
        if reason := no_json(payload.get(name), most_depth=limits.options_depth):
            return f"{name}: {reason}"
    return None
