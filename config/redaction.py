"""Takes secrets out of what people read: log lines, tracebacks, stored error messages. Hides how a secret is recognised.

A secret is found by the name beside it (`password=...`, `"SessionToken": "..."`, `<SecretAccessKey>...`) and by its shape
(key IDs, session tokens, signed URLs, `user:pass@`, sealed records). A password that stands bare in a sentence, without a
name and without a shape, can't be told from a word: that is why none is ever put there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

HIDDEN = "[redacted]"

_WORDS = (
    r"secret|passw(?:or)?d|pwd|passphrase|(?<!expired)(?<!invalid)(?<!invalidclient)token|authorization|credentials?"
    r"|signature|sealed|cookie|api[_-]?key|private[_-]?key|access[_-]?key"
)
_SENSITIVE_NAME = re.compile(
    r"secret|passw|pwd|passphrase|token|authorization|credential|signature|sealed|cookie"
    r"|apikey|privatekey|accesskey|policy",
    re.IGNORECASE,
)
_KEY_ID_NAME = re.compile(r"(?:access_?)?key_?id$", re.IGNORECASE)

_BETWEEN = r"[\\\"'\]]{0,8}\s{0,8}(?:=>|[:=]|%3D|%3A)\s{0,8}"
_VALUE = (
    r"(?:\[redacted\](?![^\s,;&\"'<>(){}\]\\])"  # redacted already: what follows it is not lost
    r"|[bru]{0,2}(?:"
    # "..." or '...': a quote behind any number of backslashes does not end it, since the text may be a repr of a repr
    r"\"(?:[^\"\\]|\\++.?)*+(?:\"|$)"
    r"|'(?:[^'\\]|\\++.?)*+(?:'|$)"
    r"|(?P<nested>\\+[\"']).*?(?:(?<!\\)(?P=nested)|$))"  # \"...\" inside a quoted document
    r"|\w{0,64}[\[({].*"  # a list, a call, a document: to the end of the line
    r"|(?:(?:aws4-hmac-\S+|aws|basic|bearer|digest|negotiate)\s).*"  # an Authorization header: the same
    r"|\S+)"
)
_NAMED = re.compile(
    rf"(?P<name>(?:{_WORDS})(?:[_-][a-z0-9]+|access|key|id|value|text|header|token|string|b64|base64|v?\d){{0,8}}s?)"
    rf"(?P<between>{_BETWEEN})(?P<value>{_VALUE})",
    re.IGNORECASE | re.MULTILINE,
)
_POLICY = re.compile(
    r"(?P<name>policy(?:[_-]?document)?)(?P<between>[\\\"']{0,8}\s{0,8}(?:[:=]|%3D)\s{0,8})(?:[\\\"']{0,8}\{|%7B).*",
    re.IGNORECASE,
)
_ELEMENT = re.compile(
    rf"<(?P<name>(?:\w{{1,32}}:)?\w{{0,64}}(?:{_WORDS})\w{{0,64}})(?P<rest>(?:\s[^<>]*)?>)(?P<value>[^<]*)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"://[^\s/?#@:]{0,256}:(?:[^\s/?#\"<>]{0,4096}|(?!\d{1,5}[/?#])(?:(?!://)[^\s\"<>]){0,4096})@")
_KEY_ID = re.compile(r"(A[KS]IA)[A-Z0-9]{8,120}([A-Z0-9]{4})(?![A-Z0-9])")
_SESSION_TOKEN = re.compile(r"(?:FwoG|FQoG|FQoD|IQoJ|AQoD|AQoE)[A-Za-z0-9/+=%_-]{16,}")
_BASIC = re.compile(r"\b(?P<scheme>basic|bearer)\s+(?P<value>[\w.~+/-]{8,}=*)", re.IGNORECASE)
_SEALING_KEY = re.compile(r"(?<=[\w.-]:)[A-Za-z0-9+/_-]{43}=")
_SEALED = re.compile(r"sealed:\d{1,3}:[\w.-]{1,64}:[\w=-]+")
_FORTY = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_HINTS = (
    *("secret", "passw", "pwd", "passphrase", "token", "authorization", "credential", "signature", "sealed", "cookie"),
    *("key", "policy", "akia", "asia", "fwog", "fqo", "iqoj", "aqo", "basic", "bearer"),
)
_LONG = re.compile(r"[A-Za-z0-9/+_-]{40}")

_SEPARATORS = str.maketrans("", "", "_-. ")
_DISTINCT = 21
"""A random string of 40 base64 characters has about 30 different ones, and fewer than this once in ten thousand; words have fewer."""
_SLASHES = 5
"""A random string of 40 base64 characters has this many of them four times in ten thousand; a path of 40 characters often has."""
_DEPTH = 8
"""How deep values are walked; what lies deeper is redacted as text."""


def redact(text: str) -> str:
    """`text` without the secrets in it; a key ID keeps its last four characters. An ordinary line comes back as it is."""
    if not _suspect(text):
        return text
    text = _SEALED.sub(HIDDEN, text)
    text = _USERINFO.sub(f"://{HIDDEN}@", text)
    text, key_ids = _KEY_ID.subn(r"\1…\2", text)
    text = _ELEMENT.sub(_hide_element, text)
    text = _POLICY.sub(rf"\g<name>\g<between>{HIDDEN}", text)
    text = _NAMED.sub(_hide_named, text)
    text = _SESSION_TOKEN.sub(HIDDEN, text)
    text = _BASIC.sub(_hide_basic, text)
    text = _SEALING_KEY.sub(HIDDEN, text)
    return _FORTY.sub(HIDDEN if key_ids else _hide_random, text)


def _suspect(text: str) -> bool:
    """Whether any of the patterns could match: most lines end here, after a few microseconds."""
    lower = text.lower()
    return any(hint in lower for hint in _HINTS) or ("@" in lower and "://" in lower) or _LONG.search(text) is not None


def redact_value(value: Any, *, name: str = "", depth: int = _DEPTH) -> Any:
    """`value` as plain data without secrets: what stands under a sensitive name is hidden whole, the rest by shape.

    Numbers stay numbers, containers become dicts and lists, any other object becomes its redacted repr.
    """
    if name and value is not None and not isinstance(value, bool) and _SENSITIVE_NAME.search(_squeezed(name)):
        return _last_four(value) if _KEY_ID_NAME.search(name) and isinstance(value, str) else HIDDEN
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth > 0:
        if isinstance(value, Mapping):
            return {redact(str(k)): redact_value(v, name=str(k), depth=depth - 1) for k, v in value.items()}
        if isinstance(value, list | tuple | AbstractSet):
            return [redact_value(item, depth=depth - 1) for item in value]
    return redact(repr(value))


def _squeezed(name: str) -> str:
    return name.translate(_SEPARATORS)


def _last_four(key_id: str) -> str:
    return f"…{key_id[-4:]}" if len(key_id) >= 16 else HIDDEN


def _hide_named(match: re.Match[str]) -> str:
    name, between, value = match["name"], match["between"], match["value"]
    if _KEY_ID_NAME.search(name) and name.lower().startswith("access") and len(value.strip("\"'\\,;)]}")) < 30:
        return match[0]  # a key ID is no secret: its shape is masked already
    return f"{name}{between}{HIDDEN}"


def _hide_element(match: re.Match[str]) -> str:
    hidden = match["value"] if match["name"].lower().endswith("accesskeyid") else HIDDEN
    return f"<{match['name']}{match['rest']}{hidden}"


def _hide_basic(match: re.Match[str]) -> str:
    value = match["value"]
    is_a_word = value.isalpha() and value[1:].islower()
    return match[0] if is_a_word else f"{match['scheme']} {HIDDEN}"


def _hide_random(match: re.Match[str]) -> str:
    token = match[0]
    classes = (str.islower, str.isupper, str.isdigit)
    mixed = len(set(token)) >= _DISTINCT and all(any(map(kind, token)) for kind in classes)
    return HIDDEN if mixed and token.count("/") < _SLASHES else token
