"""Commands of takes and of whoever performs, without a window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.commands.capture import hub_of
from studio.commands.face import Headless
from studio.commands.performance_desk import performance_of
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.figure.capture.simulator import performance
from studio.figure.capture.take_files import load_take
from studio.scene.arkit import INDEX
from studio.scene.entities import Figure
from studio.scene.scene import Scene

SMILE = INDEX["mouthSmileLeft"]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio with a figure, which keeps its takes in a folder of the test, and whose clock stands."""
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    made = Studio(scene=Scene(entities={"ann": Figure(id="ann", name="Ann")}, fps=24.0))
    yield made
    hub_of(made).close()


@pytest.fixture
def take(studio: Studio) -> Path:
    return hub_of(studio).keep(performance(4.0, seed=3))


def smiles(studio: Studio) -> float:
    assert studio.performance is not None
    figure = studio.performance(studio.scene).entities["ann"]
    assert isinstance(figure, Figure)
    return figure.expression[SMILE]


def test_the_demo_moves_the_figure_and_ends_when_it_is_given_again(studio: Studio) -> None:
    studio.run("capture.demo")
    hub, desk = hub_of(studio), performance_of(studio)
    (found,) = hub.listening.values()
    assert found.figure == "ann" and found.source.host == "127.0.0.1"
    assert found.receiver.wait(20.0, lambda counters: counters.frames >= 5)
    assert desk.tick() and desk.busy and studio.performance is not None
    studio.run("capture.demo")
    assert not hub.listening and not desk.rehearsing and studio.performance is None


def test_a_take_is_looked_at_and_put_away(studio: Studio, take: Path) -> None:
    before = studio.scene
    studio.run("capture.play_take", at=3.0, stand=True)
    assert smiles(studio) > 0.5 and studio.scene is before
    desk = performance_of(studio)
    desk.seek(0.0)
    assert smiles(studio) == pytest.approx(0.0, abs=0.02)
    studio.run("capture.stop_take")
    assert studio.performance is None and desk.playing is None


def test_a_take_runs_by_the_clock_to_the_end_of_its_trim(studio: Studio, take: Path) -> None:
    now = [10.0]
    hub_of(studio).clock = lambda: now[0]
    studio.run("capture.trim_take", first=1.0, last=3.0)
    studio.run("capture.play_take")
    desk = performance_of(studio)
    assert desk.playing is not None and desk.playing.at == 1.0
    for passed, at in ((0.5, 1.5), (1.0, 2.5), (5.0, 3.0)):
        now[0] += passed
        assert desk.busy
        desk.tick()
        assert desk.playing.at == pytest.approx(at)
    assert not desk.busy
    desk.play()
    assert desk.playing.at == 1.0


def test_a_take_that_is_looked_at_goes_with_its_figure_and_its_file(studio: Studio, take: Path) -> None:
    desk = performance_of(studio)
    studio.run("capture.play_take", stand=True)
    with studio.document.edit("remove") as edit:
        edit.apply(lambda scene: scene.remove(["ann"]))
    assert desk.playing is None and studio.performance is None
    studio.document.undo()
    studio.run("capture.play_take", stand=True)
    assert isinstance(studio.face, Headless)
    studio.face.answers.append("Delete")
    studio.run("capture.delete_take")
    assert desk.playing is None and not take.exists()


def test_trimming_is_kept_in_the_file_and_loses_no_frame(studio: Studio, take: Path) -> None:
    studio.run("capture.trim_take", path=str(take), first=0.5)
    kept = load_take(take)
    assert kept.trim == (0.5, kept.seconds) and len(kept.times) == 240
    studio.run("capture.trim_take", path=str(take))
    assert load_take(take).trim is None


def test_a_countdown_gives_its_command_once_and_may_be_cancelled(studio: Studio) -> None:
    now = [0.0]
    hub, desk = hub_of(studio), performance_of(studio)
    hub.clock = lambda: now[0]
    studio.run("capture.listen", kind="live_link", port=0)
    desk.count_in(3.0, "capture.record", name="counted")
    now[0] = 2.9
    desk.tick()
    assert not hub.recording and desk.busy
    desk.cancel()
    now[0] = 4.0
    desk.tick()
    assert not hub.recording
    desk.count_in(1.0, "capture.record", name="counted")
    now[0] = 5.0
    desk.tick()
    assert hub.recording and desk.counting is None
    desk.count_in(9.0, "capture.stop_recording")
    hub.close()
    assert desk.counting is None, "nobody is left to be counted in"


def test_takes_go_along_to_another_project_and_overwrite_nothing(studio: Studio, take: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.studio", tmp_path / "two.studio"
    studio.run("file.save_as", path=str(one))
    assert (one / "takes" / take.name).read_bytes() == take.read_bytes()
    (two / "takes").mkdir(parents=True)
    studio.run("capture.trim_take", first=1.0)
    (two / "scene.json").write_bytes((one / "scene.json").read_bytes())
    (two / "takes" / take.name).write_bytes(take.read_bytes())
    studio.run("file.save_as", path=str(two))
    assert load_take(two / "takes" / take.name).trim is None, "what was there stays"


def test_the_head_alone_may_be_taken_as_straight(studio: Studio) -> None:
    studio.run("capture.demo")
    hub = hub_of(studio)
    (key,) = hub.listening
    assert hub.listening[key].receiver.wait(20.0, lambda counters: counters.frames >= 60)
    performance_of(studio).tick()
    studio.run("capture.calibrate_head")
    profile = hub.profile(key)
    assert any(profile.neutral_head_deg) and not profile.neutral


def test_without_a_take_it_is_said(studio: Studio) -> None:
    with pytest.raises(UsageError):
        studio.run("capture.trim_take")
