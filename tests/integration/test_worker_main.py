"""`arq worker.main.WorkerSettings` as arq and an operator meet it."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from arq.worker import Worker

from config.settings import Settings
from tests.harness import Valkey
from tests.servers import ROOT
from worker import main


def start(**environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LONGSHORE_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "arq", "worker.main.WorkerSettings"],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_every_attribute_is_a_parameter_of_arq_s_worker() -> None:
    """arq drops what it does not know without a word, and does not look at base classes."""
    own = {name for name in vars(main.worker_settings(Settings())) if not name.startswith("__")}
    assert own <= set(inspect.signature(Worker).parameters)
    assert {"functions", "redis_pool", "queue_name", "job_deserializer", "on_startup", "on_shutdown"} <= own


def test_two_processes_do_not_share_a_health_key() -> None:
    """arq deletes the key when one of them ends."""
    keys = {vars(main.worker_settings(Settings()))["health_check_key"] for _ in range(2)}
    assert len(keys) == 2


def test_importing_the_module_reads_and_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_METRICS_PORT", "many")
    code = "import worker.main; worker.main.nothing"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "has no attribute 'nothing'" in ran.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LONGSHORE_METRICS_PORT", "many", "longshore: settings can't be used: LONGSHORE_METRICS_PORT"),
        ("LONGSHORE_REDIS_URL", "http://u:hunter2@h", "longshore: LONGSHORE_REDIS_URL is no Redis URL"),
    ],
)
def test_settings_that_can_not_be_used_are_told_in_one_line(variable: str, value: str, said: str) -> None:
    with start(**{variable: value}) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said in output
    assert "Traceback" not in output
    assert "hunter2" not in output


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    """arq has begun its work by then: it ends in order all the same."""
    with Valkey(tmp_path) as valkey, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        catalog = f"sqlite:///{tmp_path}/c.db"
        with start(
            LONGSHORE_REDIS_URL=valkey.url,
            LONGSHORE_CATALOG_URL=catalog,
            LONGSHORE_METRICS_PORT=str(port),
            LONGSHORE_QUEU="x",
        ) as process:
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"longshore: metrics can't be served on 127.0.0.1:{port}" in output
    assert "LONGSHORE_QUEU is set, but there is no such setting; did you mean LONGSHORE_QUEUE?" in output
    assert "Traceback" not in output


def test_sigterm_ends_a_worker_that_waits_for_redis(tmp_path: Path) -> None:
    """Redis is away from the beginning: arq itself would be deaf."""
    environment = {"LONGSHORE_REDIS_URL": "redis://127.0.0.1:1/0", "LONGSHORE_LOG_FORMAT": "json"}
    with start(**environment, LONGSHORE_CATALOG_URL=f"sqlite:///{tmp_path}/c.db") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Starting worker" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode is not None
