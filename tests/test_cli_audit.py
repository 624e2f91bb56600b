"""`studio audit`: findings on standard output, as a table or as events, and sentences for what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.scene.lights import Light
from studio.scene.project import save_project
from tests.render.scenes import aimed, box, eye, floor, matte, scene_of, thing


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    things = [thing(floor(4.0), matte(0.6)), thing(box((0.5, 0.5, 0.5), (0, -3, 0)), matte(0.5), name="tomb")]
    lights = [
        Light(light="rectangle", unit="nt", intensity=200.0, name="Key", **aimed((1.5, 3.5, 2.5), (0, 0, 0))),
        Light(light="point", unit="cd", intensity=5.0, translation=(0.0, -3.0, 0.0), name="Buried"),
    ]
    path = tmp_path_factory.mktemp("audit") / "shot.studio"
    save_project(scene_of(things, lights, camera=eye((0, 1.6, 5), (0, 0.6, 0), exposure_ev=-3.0)), path)
    return path


def test_findings_are_a_table(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(project), "--device", "cpu", "--samples", "8"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["gain", "light", "samples", "error", "levels", "finding"]
    (buried,) = [line for line in out if "Buried" in line and "nothing" in line]
    assert "inside tomb" in buried and "[mute]" in buried


def test_findings_are_events(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(project), "--device", "cpu", "--samples", "8", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lights = {event["name"]: event for event in events if event["event"] == "light"}
    assert set(lights) == {"Key", "Buried"}
    assert sum(event["samples"] for event in lights.values()) == pytest.approx(1.0)
    (nothing,) = [event for event in events if event["event"] == "finding" and event["found"] == "nothing"]
    assert nothing["lights"] == ["Buried"] and nothing["proposal"] == "mute" and nothing["error"]["levels"] == 0.0


@pytest.mark.parametrize(
    ("code", "word", "arguments"),
    [
        (10, "nowhere", ["nowhere.studio"]),
        (2, "--samples", ["SCENE", "--samples", "1"]),
        (2, "no view", ["SCENE", "--view", "Filmic"]),
        (2, "--frame", ["SCENE", "--frame", "now"]),
    ],
)
def test_what_is_refused_is_told(
    project: Path, capsys: pytest.CaptureFixture[str], code: int, word: str, arguments: list[str]
) -> None:
    assert main(["audit", *(str(project) if word == "SCENE" else word for word in arguments)]) == code
    err = capsys.readouterr().err
    assert word in err and "Traceback" not in err
