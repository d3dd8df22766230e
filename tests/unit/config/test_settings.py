"""Settings come from the environment, are refused by name, and never show a secret."""

from __future__ import annotations

import os
import pickle

import pytest
from pydantic import AliasChoices, SecretStr

from config.errors import SettingsError
from config.limits import Limits
from config.settings import Settings

CANARY = "k1:CANARYcanaryCANARYcanary"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("LONGSHORE_", "AWS_"))]:
        monkeypatch.delenv(name)


def test_an_empty_environment_is_enough() -> None:
    settings = Settings.load()
    assert settings.catalog_url == "sqlite:///longshore.db"
    assert settings.workspace == "main"
    assert settings.region == "us-east-1"
    assert settings.metrics_host == "127.0.0.1"
    assert settings.secret_keys is None
    assert settings.default_buckets == ()


def test_our_names_begin_with_longshore_and_limits_are_nested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUE", "blue")
    monkeypatch.setenv("LONGSHORE_DEFAULT_BUCKETS", " one , two,,")
    monkeypatch.setenv("LONGSHORE_LIMITS__PROBES_AT_ONCE", "7")
    settings = Settings.load()
    assert settings.queue == "blue"
    assert settings.default_buckets == ("one", "two")
    assert settings.limits == Limits(probes_at_once=7)


@pytest.mark.parametrize(
    ("workspace", "queue", "expected"),
    [
        (None, None, "longshore"),
        ("main", None, "longshore"),
        ("blue", None, "longshore:blue"),
        ("b" * 63, "", f"longshore:{'b' * 63}"),
        ("blue", "longshore", "longshore"),
    ],
)
def test_workspaces_that_share_a_redis_do_not_share_a_queue_unless_told_to(
    monkeypatch: pytest.MonkeyPatch, workspace: str | None, queue: str | None, expected: str
) -> None:
    for name, value in (("WORKSPACE", workspace), ("QUEUE", queue)):
        if value is not None:
            monkeypatch.setenv(f"LONGSHORE_{name}", value)
    assert Settings.load().queue == expected


def test_a_heartbeat_that_could_miss_its_lease_is_refused_by_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease must outlive one heartbeat that is lost."""
    monkeypatch.setenv("LONGSHORE_LIMITS__LEASE_S", "60")
    monkeypatch.setenv("LONGSHORE_LIMITS__HEARTBEAT_S", "29.9")
    assert Settings.load().limits.lease_s == 60
    monkeypatch.setenv("LONGSHORE_LIMITS__HEARTBEAT_S", "30")
    with pytest.raises(
        SettingsError, match=r"__HEARTBEAT_S \(30\) must be less than half of LONGSHORE_LIMITS__LEASE_S"
    ):
        Settings.load()


GOOD: dict[str, tuple[str, object]] = {
    "LONGSHORE_REDIS_URL": ("redis://bell:6380/1", "redis://bell:6380/1"),
    "LONGSHORE_CATALOG_URL": ("sqlite:////data/c.db", "sqlite:////data/c.db"),
    "LONGSHORE_SECRET_KEYS": (CANARY, SecretStr(CANARY)),
    "LONGSHORE_WORKSPACE": ("blue", "blue"),
    "LONGSHORE_QUEUE": ("blue:jobs", "blue:jobs"),
    "LONGSHORE_DEFAULT_CONNECTION": ("house", "house"),
    "LONGSHORE_DEFAULT_BUCKETS": ("one", ("one",)),
    "LONGSHORE_READER_ROLE": ("arn:aws:iam::123456789012:role/r", "arn:aws:iam::123456789012:role/r"),
    "LONGSHORE_PRINCIPAL_ARN": ("arn:aws:iam::123456789012:role/a/b", "arn:aws:iam::123456789012:role/a/b"),
    "LONGSHORE_ORGANISATION_WORKSPACES": ("main, hub", ("main", "hub")),
    "LONGSHORE_EXTERNAL_IDS": ("ANY", "any"),
    "LONGSHORE_OPEN_ROLES": ("refuse", "refuse"),
    "LONGSHORE_ENDPOINTS": ("https://a, any", ("https://a", "any")),
    "LONGSHORE_PUBLIC_HTTPS": ("https://files.example.com, any", ("https://files.example.com", "any")),
    "LONGSHORE_COPY_TARGETS": ("s3://ours/copies/", ("s3://ours/copies/",)),
    "LONGSHORE_NETWORKS": ("10.0.0.0/8", ("10.0.0.0/8",)),
    "LONGSHORE_SECRET_REFERENCES": ("env://ACME_,", ("env://ACME_",)),
    "LONGSHORE_METRICS_HOST": ("0.0.0.0", "0.0.0.0"),
    "LONGSHORE_METRICS_PORT": ("0", 0),
    "LONGSHORE_LOG_LEVEL": ("DEBUG", "DEBUG"),
    "LONGSHORE_LOG_FORMAT": ("json", "json"),
    "LONGSHORE_TRANSPORT": ("aiohttp", "aiohttp"),
    "LONGSHORE_LIMITS": ('{"lease_s": 30}', Limits(lease_s=30)),
    "AWS_REGION": ("eu-west-1", "eu-west-1"),
    "AWS_ENDPOINT_URL_S3": ("http://s3", "http://s3"),
    "AWS_ENDPOINT_URL_STS": ("http://sts", "http://sts"),
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": ("http://secrets", "http://secrets"),
}


def _variable(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias
    first = alias.choices[0] if isinstance(alias, AliasChoices) else f"LONGSHORE_{field.upper()}"
    assert isinstance(first, str)
    return first


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_its_variable(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    text, value = GOOD[_variable(field)]
    assert getattr(Settings.load(), field) != value
    monkeypatch.setenv(_variable(field), text)
    assert getattr(Settings.load(), field) == value


@pytest.mark.parametrize("limit", Limits.model_fields)
def test_every_limit_has_its_variable_and_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    variable, usual = f"LONGSHORE_LIMITS__{limit.upper()}", getattr(Limits(), limit)
    assert usual > 0
    monkeypatch.setenv(variable, str(usual))
    assert Settings.load().limits == Limits()
    for bad in ("-1", CANARY):
        monkeypatch.setenv(variable, bad)
        with pytest.raises(SettingsError, match=f"{variable}: ") as caught:
            Settings.load()
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("variable", [*GOOD, "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """As compose files and shells write what is not set."""
    usual = Settings.load()
    monkeypatch.setenv(variable, "")
    assert Settings.load() == usual


def test_an_empty_name_of_awss_does_not_hide_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all")
    assert Settings.load().s3_endpoint == "http://all"


@pytest.mark.parametrize(
    ("variables", "region", "s3", "sts"),
    [
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1", None, None),
        ({"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-2", None, None),
        ({"AWS_ENDPOINT_URL": "http://all"}, "us-east-1", "http://all", "http://all"),
        (
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"},
            "us-east-1",
            "http://s3",
            "http://all",
        ),
        ({"AWS_ENDPOINT_URL_STS": "http://sts"}, "us-east-1", None, "http://sts"),
    ],
)
def test_awss_own_names_are_honoured(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], region: str, s3: str | None, sts: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert (settings.region, settings.s3_endpoint, settings.sts_endpoint) == (region, s3, sts)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LONGSHORE_METRICS_PORT", "65536"),
        ("LONGSHORE_METRICS_PORT", CANARY),
        ("LONGSHORE_LOG_LEVEL", CANARY),
        ("LONGSHORE_WORKSPACE", CANARY),
        ("LONGSHORE_METRICS_PORT", "-1"),
        ("LONGSHORE_LOG_FORMAT", CANARY),
        ("LONGSHORE_TRANSPORT", CANARY),
        ("LONGSHORE_QUEUE", f"{CANARY} with a space"),
        ("LONGSHORE_ENDPOINTS", f"https://{CANARY}:x@a"),
        ("LONGSHORE_NETWORKS", f"10.0.0.0/8,{CANARY}"),
        ("LONGSHORE_WORKSPACE", "Main"),
        ("LONGSHORE_LIMITS", f"{{{CANARY}"),
        ("LONGSHORE_LIMITS", f'"{CANARY}"'),
        ("LONGSHORE_LIMITS__LEASE_S", "0"),
        ("LONGSHORE_LIMITS__NO_SUCH", CANARY),
        ("LONGSHORE_LIMITS__HEARTBEAT_S", "5"),
        ("LONGSHORE_LIMITS__LEASE_S", "5"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as caught:
        Settings.load()
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LONGSHORE_LOG_LEVEL", "chatty", "LONGSHORE_LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR"),
        ("LONGSHORE_LOG_FORMAT", "xml", "LONGSHORE_LOG_FORMAT: must be one of auto, json, console"),
        ("LONGSHORE_TRANSPORT", "http", "LONGSHORE_TRANSPORT: must be one of lean, aiohttp"),
        ("LONGSHORE_WORKSPACE", "Main", "LONGSHORE_WORKSPACE: must have 1 to 63 lower-case letters"),
        ("LONGSHORE_DEFAULT_CONNECTION", "no spaces", "LONGSHORE_DEFAULT_CONNECTION: must have 1 to 63 lower-case"),
        ("LONGSHORE_LIMITS__LEASES", "3", "no such limit; did you mean LONGSHORE_LIMITS__LEASE_S?"),
        ("LONGSHORE_LIMITS__COLOUR", "3", "LONGSHORE_LIMITS__COLOUR: there is no such limit; docs/operating.md"),
        ("AWS_ENDPOINT_URL", "foo", "settings can't be used: AWS_ENDPOINT_URL: must be the address of a server"),
        ("AWS_ENDPOINT_URL_S3", "foo:80", "settings can't be used: AWS_ENDPOINT_URL_S3: must be the address"),
        ("AWS_ENDPOINT_URL_STS", "http://h:x", "settings can't be used: AWS_ENDPOINT_URL_STS: must be the address"),
        (
            "LONGSHORE_ENDPOINTS",
            "any, minio:9000",
            "LONGSHORE_ENDPOINTS: entry 2 is no origin: it must be a full address",
        ),
        (
            "LONGSHORE_NETWORKS",
            "10.0.0.0/8, 0.0.0.0/0",
            "LONGSHORE_NETWORKS: entry 2 is too wide: it would open loopback",
        ),
    ],
)
def test_a_bad_value_is_answered_with_what_would_be_good(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert says in caught.value.message
    assert "attern" not in caught.value.message


def test_upper_and_lower_case_are_the_same_where_there_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_LOG_LEVEL", "debug")
    monkeypatch.setenv("LONGSHORE_LOG_FORMAT", "JSON")
    assert (Settings.load().log_level, Settings.load().log_format) == ("DEBUG", "json")


def test_a_variable_that_nothing_reads_is_told_with_the_nearest_that_is_read() -> None:
    environment = {
        "LONGSHORE_CATALOGUE_URL": CANARY,
        "LONGSHORE_LIMIT__LEASE_S": "1",
        "LONGSHORE_COLOUR": "blue",
        **{_variable(field): CANARY for field in Settings.model_fields},
        "LONGSHORE_LIMITS__LEASE_S": "1",
        **dict.fromkeys(("LONGSHORE_SECRET_ACCESS_KEY", "LONGSHORE_PASSWORD", "LONGSHORE_TOKEN"), CANARY),
        "LONGSHORE_SERVICE_HOST": "10.0.0.1",  # as Kubernetes sets it
        "LONGSHORE_METRICS_PORT_9090_TCP_ADDR": "10.0.0.1",
        "LONGSHORE_WORKER_PORT": "tcp://10.0.0.1:9090",
        "PATH": "/bin",
    }
    assert Settings.strays(environment) == [
        "LONGSHORE_CATALOGUE_URL is set, but there is no such setting; did you mean LONGSHORE_CATALOG_URL?",
        "LONGSHORE_COLOUR is set, but there is no such setting; docs/operating.md lists them",
        "LONGSHORE_LIMIT__LEASE_S is set, but there is no such setting; did you mean LONGSHORE_LIMITS__LEASE_S?",
    ]


def test_what_holds_secrets_is_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", CANARY)
    monkeypatch.setenv("LONGSHORE_REDIS_URL", f"redis://:{CANARY}@host")
    monkeypatch.setenv("LONGSHORE_CATALOG_URL", f"postgresql://u:{CANARY}@host/db")
    settings = Settings.load()
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings)
    assert settings.secret_keys is not None
    assert settings.secret_keys.get_secret_value() == CANARY


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_METRICS_PORT", CANARY)
    monkeypatch.setenv("LONGSHORE_LIMITS__LEASE_S", "0")
    with pytest.raises(SettingsError, match=r"LONGSHORE_METRICS_PORT: .*; LONGSHORE_LIMITS__LEASE_S: .*greater than 0"):
        Settings.load()


def test_settings_and_limits_never_change() -> None:
    settings = Settings.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.queue = "other"  # type: ignore[misc]  # the point of the test
    with pytest.raises(ValueError, match="frozen"):
        settings.limits.lease_s = 1.0  # type: ignore[misc]  # the point of the test
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_every_bound_says_what_it_bounds() -> None:
    assert not [name for name, field in Limits.model_fields.items() if not field.description]
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    "value",
    [
        "s3://ours",
        "s3://ours/x",
        "ours/x/",
        "s3://OURS/",
        "s3://ours//",
        "s3://ours/*/",
        "s3://ours/\u00fc/",
        "s3://a/",
    ],
)
def test_a_place_for_copies_is_a_folder_that_any_policy_can_name(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_COPY_TARGETS", f"s3://ours/copies/,{value}")
    with pytest.raises(SettingsError, match="LONGSHORE_COPY_TARGETS: must be places as s3://bucket/prefix/"):
        Settings.load()


def test_a_server_for_jobs_without_a_connection_speaks_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_PUBLIC_HTTPS", "https://a.example.com,HTTP://b.example.com")
    with pytest.raises(
        SettingsError, match=r"LONGSHORE_PUBLIC_HTTPS: entry 2 is no HTTPS server: .* write https://host"
    ):
        Settings.load()


def test_places_for_copies_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().copy_targets == ()
    monkeypatch.setenv("LONGSHORE_COPY_TARGETS", " s3://ours/copies/ , s3://others/a/b-c/,")
    assert Settings.load().copy_targets == ("s3://ours/copies/", "s3://others/a/b-c/")
