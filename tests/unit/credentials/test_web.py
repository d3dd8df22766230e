"""What an HTTPS server is shown: the headers of each kind of login, and a secret that was replaced where it is kept."""

from __future__ import annotations

import asyncio

from credentials.kinds import BasicSpec, BearerSpec
from credentials.web import Login, Nobody, login

PLACE = ("https://files.example.com/",)
BASIC = BasicSpec(name="x", allow=PLACE, username="me")
BEARER = BearerSpec(name="x", allow=PLACE)


def test_each_kind_is_written_as_its_standard_says() -> None:
    assert login(BASIC, "päss:word") == {"authorization": "Basic bWU6cMOkc3M6d29yZA=="}
    assert login(BEARER, "abc.def") == {"authorization": "Bearer abc.def"}


async def test_who_has_no_login_shows_none_and_has_no_other() -> None:
    nobody = Nobody()
    await nobody.renew()
    assert (nobody.headers(), await nobody.refused(nobody.version)) == ({}, False)


async def test_a_refused_secret_is_read_anew_once_for_all_who_were_refused() -> None:
    secrets = iter(["two", "two"])
    read: list[int] = []

    async def again() -> str:
        read.append(1)
        await asyncio.sleep(0)
        return next(secrets)

    access = Login(BEARER, "one", again=again)
    assert "one" not in repr(access)
    first = access.version
    assert await asyncio.gather(*(access.refused(first) for _ in range(5))) == [True] * 5
    assert (access.headers(), len(read)) == (login(BEARER, "two"), 1)
    assert await access.refused(first)  # who comes late asks with the new one
    assert not await access.refused(access.version)
    assert not await access.refused(access.version)
    assert len(read) == 2  # nothing new: it is asked no more
