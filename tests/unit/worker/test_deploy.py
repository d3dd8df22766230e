"""What deploy/ says is what the code understands; no container engine is needed to see it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it ships no types, and its stubs are one package more
from pydantic import AliasChoices

from config.limits import Limits
from config.settings import Settings
from console.cli import longshore
from worker.supervisor import metrics_ports

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
AWS_OWN = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
"""Read by the default credential chain, not by Settings."""


def settings_variables() -> set[str]:
    names = set(AWS_OWN)
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            names |= {str(choice) for choice in alias.choices}
        else:
            names.add(f"LONGSHORE_{name}".upper())
    return names | {f"LONGSHORE_LIMITS__{name}".upper() for name in Limits.model_fields}


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_every_variable_is_one_that_the_settings_know() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    named = set(compose()["services"]["worker"]["environment"])
    named |= set(re.findall(r"\b(LONGSHORE_\w+|AWS_\w+)\b", dockerfile + (DEPLOY / "compose.yaml").read_text()))
    assert "LONGSHORE_CATALOG_URL" in named
    assert named <= settings_variables()


def test_the_queue_loses_nothing_and_the_catalog_lies_on_a_volume() -> None:
    services = compose()["services"]
    command = services["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert services["redis"]["volumes"]
    where = services["worker"]["environment"]["LONGSHORE_CATALOG_URL"].removeprefix("sqlite:///")
    assert [volume.split(":")[1] for volume in services["worker"]["volumes"]] == [str(Path(where).parent)]


def test_the_catalog_may_be_a_postgresql_whose_password_is_in_no_file() -> None:
    both = yaml.safe_load((DEPLOY / "compose.postgres.yaml").read_text())["services"]
    url = both["worker"]["environment"]["LONGSHORE_CATALOG_URL"]
    password = re.search(r"longshore:(\$\{.*\})@postgres/longshore", url)
    assert password is not None
    assert password[1] == both["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert set(both["worker"]["environment"]) <= settings_variables()
    assert both["worker"]["depends_on"].keys() == {"postgres"}


def test_a_worker_has_time_to_give_its_shards_back_and_no_more_rights_than_it_needs() -> None:
    worker = compose()["services"]["worker"]
    assert int(worker["stop_grace_period"].removesuffix("s")) > Limits().drain_s + Limits().stop_grace_s
    assert (worker["cap_drop"], worker["read_only"]) == (["ALL"], True)
    assert not any("SECRET" in name and value for name, value in worker["environment"].items())


def test_the_image_is_slim_pinned_by_hash_and_runs_as_nobody_in_particular() -> None:
    lines = (DEPLOY / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", lines, re.MULTILINE)) == {"python:3.12-slim"}
    assert "--require-hashes" in lines
    assert lines.rindex("USER longshore") > lines.rindex("FROM ")
    assert "/healthz" in lines
    root = DEPLOY.parent
    sources = re.findall(r"^COPY (?!--from)(.+)$", lines, re.MULTILINE)
    assert all((root / name).exists() for line in sources for name in line.split()[:-1])


def test_prometheus_scrapes_the_workers_where_they_serve() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    worker = compose()["services"]["worker"]
    name, *options = worker["command"]
    context = longshore.commands[name].make_context(name, options)
    first = int(worker["environment"]["LONGSHORE_METRICS_PORT"])
    assert {tuple(found["names"]) for found in job["dns_sd_configs"]} == {("worker",)}
    assert [found["port"] for found in job["dns_sd_configs"]] == metrics_ports(first, context.params["processes"])
    assert Settings(metrics_host=worker["environment"]["LONGSHORE_METRICS_HOST"]).metrics_host == "0.0.0.0"
