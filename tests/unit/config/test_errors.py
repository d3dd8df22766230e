"""The error tree: what its drawing says is what the classes are, and every error survives the way to another process."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import errors
from config.errors import LongshoreError

_DRAWN = re.compile(r"(?P<branches>(?:[│ ]  )*)(?P<fork>[├└]─ )?(?P<name>\w+Error)(?:\s+(?P<meaning>\S.*))?")


def tree(root: type[LongshoreError] = LongshoreError, *, above: str = "") -> Iterator[tuple[str, str, bool]]:
    """Name, name of the base and whether transient, in the order in which the classes are written."""
    yield root.__name__, above, root.transient
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from tree(kind, above=root.__name__)


def drawn() -> list[tuple[str, str, bool]]:
    """The same, read from the module's docstring."""
    path: list[str] = []
    found = []
    for line in (errors.__doc__ or "").splitlines()[2:]:
        match = _DRAWN.fullmatch(line)
        assert match, f"not part of a drawing: {line!r}"
        depth = len(match["branches"]) // 3 + 1 if match["fork"] else 0
        path[depth:] = [match["name"]]
        transient = (match["meaning"] or "").startswith("transient: ")
        found.append((match["name"], path[depth - 1] if depth else "", transient))
    return found


ALL = [getattr(errors, name) for name, _, _ in tree()]
every_error = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == list(tree())


def test_every_error_of_the_module_is_in_the_tree() -> None:
    defined = [kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__module__ == errors.__name__]
    assert sorted(defined, key=str) == sorted(ALL, key=str)
    assert len(ALL) == len(set(ALL))


@every_error
def test_every_error_says_something_by_itself(kind: type[LongshoreError]) -> None:
    assert kind.__doc__
    assert str(kind()) == kind.__doc__.splitlines()[0]
    assert str(kind()).endswith(".")


@every_error
@pytest.mark.parametrize("carry", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_every_error_survives_being_carried_elsewhere(kind: type[LongshoreError], carry: object) -> None:
    assert callable(carry)
    there = carry(kind("what, which, why", code="SlowDown", status=503))
    assert type(there) is kind
    assert (str(there), there.message, there.args) == ("what, which, why",) * 2 + (("what, which, why",),)
    assert there.fields == {"code": "SlowDown", "status": 503}
    assert there.transient is kind.transient


@given(message=st.text(min_size=1), fields=st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_any_message_and_fields_survive(message: str, fields: dict[str, object]) -> None:
    fields = {name: value for name, value in fields.items() if name not in ("self", "message")}
    there = pickle.loads(pickle.dumps(LongshoreError(message, **fields)))
    assert (str(there), there.fields) == (message, fields)


@every_error
def test_a_code_is_the_vendors_or_the_name_of_the_class(kind: type[LongshoreError]) -> None:
    assert kind(code="NoSuchBucket").code == "NoSuchBucket"
    assert kind(code="").code == kind(code=None).code == kind().code == kind.__name__.removesuffix("Error")


def test_codes_are_bounded_and_their_own() -> None:
    codes = [kind().code for kind in ALL]
    assert len(set(codes)) == len(codes)
