"""`longshore worker --processes N` with real processes and real signals: killed, stopped, frozen, refused."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest

from tests.harness import BUCKET, Deployment, Valkey, WorkerProcess, deployment, until
from tests.servers import ROOT

TWO = ("console", "worker", "--processes", "2")
COUNT = 120


def free_ports() -> int:
    """The first of two ports in a row that are free."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                return port


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Workers without a Redis: enough to start, to be asked, and to stop."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LONGSHORE_"))}
    return {
        **clean,
        "PYTHONPATH": str(ROOT),
        "LONGSHORE_REDIS_URL": "redis://127.0.0.1:1/0",
        "LONGSHORE_CATALOG_URL": f"sqlite:///{folder / 'catalog.db'}",
        "LONGSHORE_METRICS_PORT": "0",
        "LONGSHORE_LOG_FORMAT": "json",
        **more,
    }


@contextlib.asynccontextmanager
async def supervised(folder: Path, command: tuple[str, ...] = TWO, /, **more: str) -> AsyncGenerator[WorkerProcess]:
    supervisor = WorkerProcess(environment(folder, **more), folder / "worker.log", command=command)
    try:
        yield supervisor
    finally:
        supervisor.kill()
        await until(lambda: not any(map(alive, pids(supervisor))), what="an end of what it has started")


def pids(supervisor: WorkerProcess) -> list[int]:
    """Of every process that it has ever started."""
    return [start["pid"] for start in supervisor.events("process started")]


def alive(pid: int) -> bool:
    """A process that ended and that nobody has waited for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def well(supervisor: WorkerProcess, number: int) -> bool:
    return supervisor.get("/healthz", process=number)[0] == 200


async def both_work(supervisor: WorkerProcess) -> None:
    await until(lambda: {1, 2} <= {start.get("process") for start in supervisor.events("worker started")}, what="two")


async def test_each_process_serves_on_a_port_of_its_own_and_one_that_is_killed_comes_again(tmp_path: Path) -> None:
    port = free_ports()
    async with supervised(tmp_path, LONGSHORE_METRICS_PORT=str(port)) as supervisor:
        await both_work(supervisor)
        for number in (1, 2):
            assert supervisor.newest(number)["metrics"] == f"http://127.0.0.1:{port + number - 1}/metrics"
            await until(partial(well, supervisor, number), what="its health")
            assert supervisor.metric("build_info", process=number) == 1
        victim, other = pids(supervisor)
        assert [os.getpgid(pid) for pid in (victim, other)] == [victim, other], "Ctrl-C must not reach them by itself"
        before = supervisor.newest(2)
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        await until(lambda: len(supervisor.events("worker started")) == 3, what="another one")
        assert time.monotonic() - killed_at < 10
        assert supervisor.newest(1)["metrics"] == f"http://127.0.0.1:{port}/metrics"
        await until(partial(well, supervisor, 1), what="its health")
        (ended,) = supervisor.events("process ended; another one is started")
        assert (ended["process"], ended["pid"], ended["ended_with"]) == (1, victim, "SIGKILL")
        assert (alive(other), supervisor.newest(2)) == (True, before)
        assert await supervisor.end() == 0
        assert not any(map(alive, pids(supervisor)))
        assert len(supervisor.events("worker ended")) == 2


async def test_a_process_that_is_told_to_stop_by_somebody_else_ends_in_order_and_comes_again(tmp_path: Path) -> None:
    """So they can be renewed one by one."""
    async with supervised(tmp_path) as supervisor:
        await both_work(supervisor)
        os.kill(pids(supervisor)[0], signal.SIGTERM)
        await until(lambda: len(supervisor.events("worker started")) == 3, what="another one")
        (ended,) = supervisor.events("process ended; another one is started")
        assert (ended["ended_with"], len(supervisor.events("worker ended"))) == ("exit code 0", 1)
        assert await supervisor.end() == 0


async def test_processes_end_by_themselves_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await both_work(supervisor)
        supervisor.kill()
        await until(lambda: not any(map(alive, pids(supervisor))), what="an end of both")
        assert len(supervisor.events("the supervisor is gone; this process ends, too")) == 2
        assert len(supervisor.events("worker ended")) == 2


async def test_a_supervisor_killed_before_its_processes_have_begun_leaves_none(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await until(lambda: len(pids(supervisor)) == 2, what="two processes")
        supervisor.kill()
        await until(lambda: not any(map(alive, pids(supervisor))), what="an end of both")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_while_its_processes_begin_it_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    async with supervised(tmp_path) as supervisor:
        await until(lambda: len(pids(supervisor)) == 2, what="two processes")
        supervisor.process.send_signal(number)
        assert await asyncio.to_thread(supervisor.process.wait, 15) == 0
        assert "Traceback" not in supervisor.log
        assert not any(map(alive, pids(supervisor)))


async def test_the_working_directory_can_not_stand_in_for_a_package(tmp_path: Path) -> None:
    """Ours have everyday names."""
    for name in ("config", "worker"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    folder = f"import os; os.chdir({str(tmp_path)!r}); "
    code = f"{folder}from console.cli import main; main()"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "started.py").write_text(code)
    path = f"{ROOT}:{tmp_path / 'elsewhere'}"
    command = ("started", "worker", "--processes", "2")
    async with supervised(tmp_path, command, PYTHONPATH=path) as supervisor:
        await both_work(supervisor)
        assert await supervisor.end() == 0


BAD = [
    ("LONGSHORE_METRICS_PORT", "many", "error: settings can't be used: LONGSHORE_METRICS_PORT"),
    ("LONGSHORE_METRICS_PORT", "65535", "error: LONGSHORE_METRICS_PORT is 65535, and 2 processes"),
    ("LONGSHORE_REDIS_URL", "http://u:hunter2@h", "error: LONGSHORE_REDIS_URL is no Redis URL"),
    (
        "LONGSHORE_CATALOG_URL",
        "sqlite:////no/such/folder/c.db",
        "error: the catalog /no/such/folder/c.db can't be opened",
    ),
]


@pytest.mark.parametrize(("variable", "value", "said"), BAD)
async def test_bad_settings_are_one_line_and_an_end(tmp_path: Path, variable: str, value: str, said: str) -> None:
    async with supervised(tmp_path, **{variable: value}) as supervisor:
        assert await asyncio.to_thread(supervisor.process.wait, 30) == 1
        errors = [line for line in supervisor.log.splitlines() if "error: " in line or "can't" in line]
        assert len(errors) == 1
        assert errors[0].startswith(said)
        assert "hunter2" not in supervisor.log
        assert "Traceback" not in supervisor.log
        assert not any(map(alive, pids(supervisor)))


async def test_a_port_that_is_taken_is_told_at_the_start_even_if_it_is_not_the_first(tmp_path: Path) -> None:
    port = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        async with supervised(tmp_path, LONGSHORE_METRICS_PORT=str(port), LONGSHORE_QUEU="x") as supervisor:
            assert await asyncio.to_thread(supervisor.process.wait, 30) == 1
            (error,) = [line for line in supervisor.log.splitlines() if line.startswith("error: ")]
            assert f"metrics can't be served on 127.0.0.1:{port + 1}" in error
            assert supervisor.log.count("LONGSHORE_QUEU is set, but") == 1
            assert not any(map(alive, pids(supervisor)))


SCRIPT = """
import sys
from config.logging import configure_logging
from config.limits import Limits
from credentials.clock import SystemClock
from worker.supervisor import Supervisor

configure_logging(level="INFO", format="json")
limits = Limits(restart_first_s=0.1, restart_most_s=0.4, drain_s=0.1, stop_grace_s=0.3)
command = lambda number, port, channel: [sys.executable, "-c", {code!r}, str(channel)]
sys.exit(Supervisor(command=command, ports=[0], limits=limits, clock=SystemClock()).run())
"""


def of(folder: Path, code: str) -> dict[str, str]:
    """The environment in which `python -m supervises` supervises a process that is this code."""
    (folder / "supervises.py").write_text(SCRIPT.format(code=code))
    return {"PYTHONPATH": f"{ROOT}:{folder}"}


def cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def test_a_process_that_dies_at_once_again_and_again_is_started_ever_more_slowly(tmp_path: Path) -> None:
    async with supervised(tmp_path, ("supervises",), **of(tmp_path, "raise SystemExit(7)")) as supervisor:
        ends = "process ended; another one is started"
        await until(lambda: len(supervisor.events(ends)) == 1, what="a death")
        before = cpu_s(supervisor.process.pid)
        await until(lambda: len(supervisor.events(ends)) == 5, what="five deaths")
        assert cpu_s(supervisor.process.pid) - before < 0.2
        assert [end["again_in_s"] for end in supervisor.events(ends)][:5] == [0.1, 0.2, 0.4, 0.4, 0.4]
        assert {end["ended_with"] for end in supervisor.events(ends)} == {"exit code 7"}
        assert await supervisor.end() == 0, "told to stop in a pause"


async def test_a_process_that_does_not_end_is_killed_and_that_is_told(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); time.sleep(60)"
    async with supervised(tmp_path, ("supervises",), **of(tmp_path, deaf)) as supervisor:
        await until(lambda: "{}" in supervisor.log, what="a deaf process")
        assert await supervisor.end() == 1
        (killed,) = supervisor.events("process does not end; it is killed")
        assert killed["pid"] == pids(supervisor)[0]
        assert not alive(killed["pid"])


HUNG = """
import asyncio, signal, socket, sys, time
from config.limits import Limits
from worker.lifeline import Lifeline

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, time.sleep, 60)
    Lifeline(socket.socket(fileno=int(sys.argv[1]))).watch(Limits(drain_s=0.1, stop_grace_s=0.3))
    print("{}", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_an_orphan_that_hangs_is_ended_by_its_alarm(tmp_path: Path) -> None:
    async with supervised(tmp_path, ("supervises",), **of(tmp_path, HUNG)) as supervisor:
        await until(lambda: "{}" in supervisor.log, what="a process")
        supervisor.kill()
        await until(lambda: not any(map(alive, pids(supervisor))), what="its end", within_s=10)


async def test_a_password_that_redis_refuses_is_one_line_and_an_end(tmp_path: Path) -> None:
    """Whoever waited for it to be right would wait for ever."""
    with Valkey(tmp_path) as valkey:
        url = valkey.url.replace("//", "//somebody:hunter2@")
        async with supervised(tmp_path, LONGSHORE_REDIS_URL=url) as supervisor:
            assert await asyncio.to_thread(supervisor.process.wait, 30) == 1
            (error,) = [line for line in supervisor.log.splitlines() if line.startswith("error: ")]
            assert "Redis refuses us" in error
            assert "hunter2" not in supervisor.log


async def test_a_program_that_can_not_be_started_is_tried_again(tmp_path: Path) -> None:
    more = of(tmp_path, "")
    script = (tmp_path / "supervises.py").read_text().replace("[sys.executable,", "['/no/such/program',")
    (tmp_path / "supervises.py").write_text(script)
    async with supervised(tmp_path, ("supervises",), **more) as supervisor:
        await until(lambda: len(supervisor.events("a process can't be started")) == 2, what="two attempts")
        assert await supervisor.end() == 0


async def several_prefixes(d: Deployment) -> str:
    """A job that both processes of the first worker are busy with."""
    await d.connection()
    for number in range(4):
        d.fill(COUNT, prefix=f"in/{number}/")
    d.slow(0.1)
    await d.worker(command=TWO)
    await both_work(d.workers[0])
    run_id = await d.submitted("order-1", uris=[f"s3://{BUCKET}/in/{number}/" for number in range(4)])
    query = "SELECT count(DISTINCT owner) FROM shards WHERE run_id = ? AND state = 'leased'"
    await until(lambda: d.rows(query, run_id)[0][0] == 2, what="two owners")
    await d.some_committed(run_id)
    return run_id


def has_added(supervisor: WorkerProcess, number: int) -> bool:
    return supervisor.metric("objects_total", process=number, outcome="added") > 0


async def assert_exact(d: Deployment, run_id: str) -> None:
    run, total = await d.ended(run_id)
    assert run.state == "complete", run.error
    assert (total.listed, total.outcomes["added"]) == (4 * COUNT, 4 * COUNT)
    assert d.assets() == [key for number in range(4) for key in d.keys(COUNT, prefix=f"in/{number}/")]


async def test_one_job_is_worked_by_both_processes_and_its_rows_are_exact(tmp_path: Path, cloud: str) -> None:
    """One of them is even killed meanwhile."""
    async with deployment(tmp_path, cloud, slices_at_once=2, lease_s=1.5, heartbeat_s=0.3) as d:
        run_id = await several_prefixes(d)
        supervisor = d.workers[0]
        for number in (1, 2):
            await until(partial(has_added, supervisor, number), what="its part")
        os.kill(pids(supervisor)[0], signal.SIGKILL)
        d.fast()
        await assert_exact(d, run_id)
        assert await supervisor.end() == 0


async def test_told_twice_at_once_as_by_systemd_processes_still_finish_what_is_in_flight(
    tmp_path: Path, cloud: str
) -> None:
    """It tells every process of a service, and the supervisor tells them as well: no request is made in vain."""
    async with deployment(tmp_path, cloud, slices_at_once=2, lease_s=3600) as d:
        run_id = await several_prefixes(d)
        supervisor = d.workers[0]
        for pid in pids(supervisor):
            os.kill(pid, signal.SIGTERM)
        assert await supervisor.end() == 0
        assert d.rows("SELECT DISTINCT state, owner FROM shards WHERE run_id = ?", run_id) == [("ready", None)]
        assert 0 < d.rows("SELECT count(*) FROM assets")[0][0] == d.heads()
        d.fast()
        await d.worker()
        await assert_exact(d, run_id)
        assert d.heads() == 4 * COUNT


async def test_a_second_signal_reaches_every_process_and_nothing_is_waited_for(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud, slices_at_once=2, lease_s=3600, drain_s=60) as d:
        run_id = await several_prefixes(d)
        d.fast()
        d.slow(30)
        supervisor, heads = d.workers[0], d.heads()
        await until(lambda: d.heads() > heads, what="slow requests")
        supervisor.process.send_signal(signal.SIGINT)
        await until(lambda: len(supervisor.events("finishing what is in flight")) == 2, what="the drains")
        assert await supervisor.end() == 0
        assert d.rows("SELECT DISTINCT state, owner FROM shards WHERE run_id = ?", run_id) == [("ready", None)]


async def test_orphans_give_their_shards_back(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud, slices_at_once=2, lease_s=3600) as d:
        run_id = await several_prefixes(d)
        supervisor = d.workers[0]
        supervisor.kill()
        await until(lambda: not any(map(alive, pids(supervisor))), what="an end of both")
        assert d.rows("SELECT DISTINCT state, owner FROM shards WHERE run_id = ?", run_id) == [("ready", None)]
        d.fast()
        await d.worker()
        await assert_exact(d, run_id)
