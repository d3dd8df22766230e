"""An SVG is as large as its first tag says; no more of it is read, and nothing in it is expanded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.images.svg import is_svg
from tests.unit.media.pictures import fetched, whole

NS = 'xmlns="http://www.w3.org/2000/svg"'
DOCTYPE = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
ILLUSTRATOR = (
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd" [\n'
    '<!ENTITY ns_svg "http://www.w3.org/2000/svg">\n<!ENTITY odd "]>">\n]>'
)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="120" height="80"', (120, 80)),
        ("width='120px' height='80.4px'", (120, 80)),
        ('width = "1in"\n\theight="2.54cm"', (96, 96)),
        ('width="25.4mm" height="72pt"', (96, 96)),
        ('width="6pc" height="101.6Q"', (96, 96)),
        ('width="1e2" height="+.5E2"', (100, 50)),
        ('viewBox="0 0 300 150"', (300, 150)),
        ('viewBox="-10,-10 , 30.6,40"', (31, 40)),
        ('width="100%" height="100%" viewBox="0 0 300 150"', (300, 150)),
        ('width="600" viewBox="0 0 300 150"', (600, 300)),
        ('height="75" viewBox="0 0 300 150"', (150, 75)),
        ('width="10em" height="20" viewBox="0 0 2 1"', (40, 20)),
        ('width="0.2" height="0.2"', (1, 1)),
        ('data-width="7" stroke-width="3" width="5" height="6"', (5, 6)),
        ('title="a > b" width="5" height="6"', (5, 6)),
        ("title='width=\"9\"' width=\"5\" height='6'", (5, 6)),
        ('width="5" height="6" width="7"', (5, 6)),
        ("", (None, None)),
        ('width="-5" height="0"', (None, None)),
        ('width="1e999" height="1e999"', (None, None)),
        ('width="99999999999" height="1"', (None, None)),
        ('width="five" height="6"', (None, None)),
        ('viewBox="0 0 0 10"', (None, None)),
        ('viewBox="0 0 10"', (None, None)),
        ('width="&w;" height="&h;"', (None, None)),
    ],
)
def test_the_size_is_in_pixels(attributes: str, size: tuple[int | None, int | None]) -> None:
    media = whole(f"<svg {NS} {attributes}><rect width='9' height='9'/></svg>".encode())
    assert (media.kind, media.format, media.type) == ("image", "svg", "image/svg+xml")
    assert (media.width, media.height) == size


@pytest.mark.parametrize(
    "prolog",
    [
        "",
        " \r\n\t",
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n',
        "<?xml version='1.0'?><!-- made <svg width='1' height='1'> by hand -->\n<?style a?>",
        DOCTYPE,
        '<?xml version="1.0"?>\n<!-- Generator: Adobe -->\n' + ILLUSTRATOR + "\n",
        "<!DOCTYPE svg>",
        "<!-- " + "long " * 3_000 + "-->",
    ],
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_stands_before_the_first_tag_is_passed(prolog: str, coding: str) -> None:
    body = f'{prolog}<svg:svg xmlns:svg="http://www.w3.org/2000/svg" width="120" height="80"/>'.encode(coding)
    if len(prolog) > 10_000:  # that it is one can't be known by then
        assert whole(body).format != "svg"
        return
    reading, asked = fetched(body, 4_096)
    assert (reading.needs, asked) == (None, [])
    assert (reading.media.width, reading.media.height) == (120, 80)


def test_a_prolog_longer_than_what_is_held_is_asked_for_once() -> None:
    body = f"{DOCTYPE}<!-- {'x' * 30_000} --><svg width='120' height='80'>{'y' * 90_000}</svg>".encode()
    reading, asked = fetched(body, 4_096)
    assert reading.needs is None
    assert asked == [(0, 64 << 10)]
    assert reading.media.width == 120
    endless = f"{DOCTYPE}<!-- {'x' * 300_000}".encode()
    reading, asked = fetched(endless, 4_096)
    assert (reading.needs, len(asked)) == (None, 1)
    assert reading.media.more["problem"]


@pytest.mark.parametrize(
    "text",
    [
        "<html><svg width='1' height='1'/></html>",
        "<!DOCTYPE html><svg width='1' height='1'/>x"[:15],
        "<svgx width='1'>",
        "<a:b:svg>",
        "< svg>",
        "svg",
        "<?xml version='1.0'?><root/>",
        "<!-- <svg> -->",
        "",
    ],
)
def test_other_text_is_none(text: str) -> None:
    assert not is_svg(text.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"<svg " + b'a="' * 20_000,
        b"<svg " + b"a='\"" * 20_000,
        b"<svg " + b" a" * 30_000,
        b"<svg" + b" " * 60_000,
        b"<svg viewBox='" + b"1" * 60_000 + b"'>",
        b"<svg width='" + b"1" * 60_000 + b"' height='1'>",
        b"<!DOCTYPE svg [" + b"] " * 30_000,
        b"<!DOCTYPE svg [" + b"]" + b" " * 60_000,
        b"<!---->" * 9_000 + b"<svg>",
        b"<??>" * 16_000,
        b"<svg " + b">" * 60_000,
        b"<svg " + b"''" * 30_000 + b">",
    ],
)
def test_no_text_takes_long(body: bytes) -> None:
    began = time.process_time()
    whole(body)
    assert time.process_time() - began < 0.2  # a few milliseconds, if the machine is not shared


@given(st.text(alphabet="<>svg !-[]?\"'=width0 9pxe%&;\n", max_size=300))
def test_any_text_is_read_without_harm(text: str) -> None:
    whole(b"<svg" + text.encode())
    whole(b"<!DOCTYPE svg" + text.encode())
