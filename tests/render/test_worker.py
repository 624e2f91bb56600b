"""The worker process by itself: it answers, survives what it should, and never outlives the studio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from studio.render.film import plan_layout
from studio.render.protocol import (
    Begin,
    BlockRef,
    Channel,
    Command,
    Event,
    Failed,
    Ready,
    Render,
    Start,
)
from tests.conftest import ROOT
from tests.render.stage import settings

PATIENCE_S = 120  # before a hang is called one


@pytest.fixture
def worker():
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "studio.render.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield process, Channel(process.stdin, Command), Channel(process.stdout, Event)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_it_ends_when_the_studio_is_gone(worker):
    process, commands, _ = worker
    commands.close()
    assert process.wait(PATIENCE_S) == 0


def test_a_broken_message_is_the_end_and_not_a_traceback(worker):
    process, _, _ = worker
    process.stdin.write(b"\x05\x00\x00\x00hello")
    process.stdin.flush()
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals of a terminal")
def test_signals_of_the_terminal_are_left_to_the_session(worker):
    process, commands, answers = worker
    commands.send(Render(1, 0, 1, b""))
    assert isinstance(answers.receive(), Failed)  # it is up, and its handlers are set
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    commands.send(Render(2, 0, 1, b""))
    assert isinstance(answers.receive(), Failed)


def test_a_command_out_of_order_is_refused_in_a_sentence(worker):
    _, commands, answers = worker
    commands.send(Render(1, 0, 1, b""))
    refused = answers.receive()
    assert refused.kind == "DeviceFault" and "worker" in refused.sentence
    commands.send(Begin(plan_layout(4, 4, aovs=(), exponent=20), settings(), BlockRef("/nowhere", 64), False))
    assert isinstance(answers.receive(), Failed)


def test_it_says_which_device_it_took(worker):
    _, commands, answers = worker
    commands.send(Start(("cpu",), 1, "", warm_up=False))
    ready = answers.receive()
    assert isinstance(ready, Ready)
    assert (ready.backend, ready.pid) == ("cpu", worker[0].pid) and ready.device and ready.device_class
