"""A Ray cluster on loopback, started by the tests and ended by the ids of its own processes.

`ray start --address` refuses what keeps Ray on 127.0.0.1 (RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0), so the machines are
those of `ray.cluster_utils`, in a process of their own (this file, run as a program) that takes commands on its
standard input. A node's processes leave its session, so whatever comes of the cluster is known by a variable that it
hands down, and what is left of that at the end is ended by its id. Token authentication is on, statistics are off,
folders are the cluster's own.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

START_S, END_S = 240.0, 30.0
MARK = "MYRIAD_TESTED_CLUSTER"


class RayCluster:
    """A head without cores, and machines of one core each. Use it in a `with`; it begins at once, and whoever asks for
    its `url` first waits until it is there, so that other things can be done meanwhile."""

    def __init__(self, *, machines: int) -> None:
        self.token = secrets.token_urlsafe(24)
        self.folder = Path(tempfile.mkdtemp(prefix="mr", dir="/tmp"))  # sockets have short names
        (self.folder / "ray").mkdir()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {
            MARK: str(self.folder),
            "MYRIAD_DATA": str(self.folder / "data"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(self.folder),
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "2000",
            "RAY_health_check_failure_threshold": "4",
            # processes and figures that nobody asks for
            "RAY_prestart_worker_first_driver": "0",
            "RAY_enable_metrics_collection": "0",
            "RAY_task_events_report_interval_ms": "0",
        }
        self._machines = machines
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "cluster.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(self._machines)],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *fault: object) -> None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        until = time.monotonic() + END_S
        while (found := self.pids()) and time.monotonic() < until:  # what is just being started is found the next time
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait(END_S)
        process.stdin.close()
        process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @functools.cached_property
    def url(self) -> str:
        """Where its dashboard is."""
        return f"http://{self._told()['dashboard']}"

    def add(self, *, devices: int = 0) -> int:
        """Another machine, with so many devices that Ray believes in, or one core without; its number."""
        return int(self._told("add", devices)["machine"])

    def kill(self, machine: int) -> None:
        """All processes of Ray's on a machine, at once."""
        self._told("kill", machine)

    def freeze(self, machine: int) -> set[int]:
        """Stop everything on a machine, as if it hung; the processes."""
        found = self.on(machine)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        return set(found)

    def on(self, machine: int) -> list[int]:
        """The processes of a machine: its raylet and what came of it, in the order in which they began."""
        raylet = int(self._told("raylet", machine)["pid"])
        parents = {pid: _parent(pid) for pid in self.pids()}
        found = [raylet]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def name(self, machine: int) -> str:
        """Ray's name for a machine."""
        return str(self._told("name", machine)["name"])

    def pids(self, word: str = "") -> list[int]:
        """Processes of the cluster whose command has a word in it."""
        return [pid for pid in _marked(f"{MARK}={self.folder}") if word in command(pid)]

    def log(self) -> str:
        """The end of what the cluster has said."""
        return (self.folder / "cluster.log").read_text(errors="replace")[-3000:]

    def _told(self, *command: object) -> dict[str, Any]:
        if command:
            assert self.url  # which is the first thing that it says
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        if command:
            process.stdin.write(json.dumps(command).encode() + b"\n")
            process.stdin.flush()
        ready = select.select([process.stdout], [], [], START_S)[0]
        line = process.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(f"the cluster does not answer: {self.log()}")
        found: dict[str, Any] = json.loads(line)
        return found


def _marked(variable: str) -> Iterator[int]:
    """Living processes that were started with a variable."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command(pid: int) -> str:
    """The command of a process; "" of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int) -> None:
    """Wait until somebody listens."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens at port {port}")


def main() -> None:
    """Keep a cluster of a head and so many machines until standard input is closed."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is no answer
    from ray.cluster_utils import Cluster

    size = {"object_store_memory": 90_000_000, "include_log_monitor": False}
    dashboard, agent = _free_port(), _free_port()
    ports = {"dashboard_port": dashboard, "dashboard_agent_listen_port": agent}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": True, **ports, **size})
    machines: list[Any] = [cluster.add_node(num_cpus=1, **size) for _ in range(int(sys.argv[1]))]
    _wait_for(agent)  # which takes the jobs
    print(json.dumps({"dashboard": f"127.0.0.1:{dashboard}"}), file=out, flush=True)
    for line in sys.stdin:
        word, *rest = json.loads(line)
        answer: dict[str, object] = {}
        if word == "add":
            machines.append(cluster.add_node(num_cpus=max(rest[0], 1), num_gpus=rest[0], **size))
            answer = {"machine": len(machines) - 1}
        elif word == "kill":
            cluster.remove_node(machines[rest[0]], allow_graceful=False)
        elif word == "raylet":
            answer = {"pid": machines[rest[0]].all_processes["raylet"][0].process.pid}
        elif word == "name":
            answer = {"name": machines[rest[0]].node_id}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
