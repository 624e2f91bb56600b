"""`studio capture`: hear, send, look at and bake performances."""

import json
import threading
from pathlib import Path

import pytest

from studio.cli import main
from studio.figure.capture.live_link_csv import write_csv
from studio.figure.capture.receiver import open_receiver
from studio.figure.capture.simulator import performance, schedule, send
from studio.figure.capture.take_files import save_take
from studio.scene.entities import Figure
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene


def events(out):
    return [json.loads(line) for line in out.splitlines()]


def test_info_tells_of_takes_and_recordings(tmp_path: Path, capsys):
    take = performance(2.0, seed=1)
    save_take(take, tmp_path / "a.take")
    write_csv(take, tmp_path / "a.csv")
    for name in ("a.take", "a.csv"):
        assert main(["capture", "info", str(tmp_path / name), "--json"]) == 0
        (event,) = events(capsys.readouterr().out)
        assert event["frames"] == 120 and event["timecode"] == "10:00:00:00.000"
        assert "jawOpen" in event["moving_shapes"]
    assert main(["capture", "info", str(tmp_path / "b.take")]) == 10
    assert "There is no take" in capsys.readouterr().err


def test_send_plays_the_part_of_a_device(capsys):
    with open_receiver("vmc", port=0) as receiver:
        call = ["capture", "send", "--demo", "--to", "vmc", "--port", str(receiver.address[1]), "--speed", "1000000"]
        assert main([*call, "--loss", "0.5", "--seed", "3", "--json"]) == 0
        (event,) = events(capsys.readouterr().out)
        assert 300 < event["packets"] < 420
        assert receiver.wait(20.0, lambda counters: counters.frames > 10)
        assert receiver.counters.refused == 0


def test_listen_tells_what_was_heard(capsys):
    with open_receiver("live_link", port=0) as passing:
        port = passing.address[1]
    over = threading.Event()

    def talk():
        while not over.is_set():
            send(schedule(performance(0.5), "live_link", speed=10.0), "live_link", port=port)

    sender = threading.Thread(target=talk)
    sender.start()
    try:
        assert main(["capture", "listen", "live_link", "--port", str(port), "--seconds", "1.6", "--json"]) == 0
    finally:
        over.set()
        sender.join()
    *heard, done = events(capsys.readouterr().out)
    assert heard[0]["event"] == "heard" and done["event"] == "done"
    assert done["packets"] > 0 and done["malformed"] == {} and list(done["subjects"]) == ["Myriad"]


def test_bake_puts_a_recording_on_a_figure_of_a_project(tmp_path: Path, capsys):
    project = tmp_path / "a.studio"
    save_project(Scene(entities={"ann": Figure(id="ann", name="Ann"), "bob": Figure(id="bob", name="Bob")}), project)
    write_csv(performance(1.0), tmp_path / "a.csv")
    call = ["capture", "bake", str(tmp_path / "a.csv"), str(project)]
    assert main(call) == 2
    assert "Ann, Bob" in capsys.readouterr().err
    assert main([*call, "--figure", "Bob", "--start", "7", "--json"]) == 0
    (event,) = events(capsys.readouterr().out)
    scene = load_project(project)
    tracks = [curve for name, curve in scene.tracks.items() if name.startswith("bob.")]
    assert event["keys"] == sum(len(curve.times) for curve in tracks) and min(c.times[0] for c in tracks) == 7.0
    assert main([*call, "--figure", "Ann", "--clip"]) == 0
    assert load_project(project).strips


@pytest.mark.parametrize(
    "call", [["listen", "kinect"], ["listen", "vmc", "--port", "x"], ["send"], ["send", "a.csv", "--demo"],
             ["send", "--demo", "--speed", "0"], ["send", "--demo", "--to", "x"], ["bake", "a.csv", "nowhere"], []],
)  # fmt: skip
def test_what_makes_no_sense_is_a_usage_error(call, capsys):
    assert main(["capture", *call]) == 2
    assert capsys.readouterr().err.startswith("studio: ")
