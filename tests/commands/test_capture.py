"""Commands of performance capture: from a device or a file onto a figure."""

from pathlib import Path

import pytest

from studio.commands.capture import hub_of, perform
from studio.commands.face import Headless
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.figure.capture.live_link_csv import write_csv
from studio.figure.capture.simulator import performance, schedule, send
from studio.figure.capture.sources import Source
from studio.figure.capture.take_files import save_take
from studio.scene.arkit import INDEX
from studio.scene.entities import Figure, Group
from studio.scene.scene import Scene

PATIENCE = 20.0


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A studio with a figure, which keeps its takes in a folder of the test."""
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    figure = Figure(id="ann", name="Ann")
    made = Studio(scene=Scene(entities={"ann": figure, "jaw": Group(id="jaw", parent="ann")}, fps=24.0))
    yield made
    hub_of(made).close()


def talk(studio: Studio, frames: int = 30) -> None:
    """Send a second half of a performance to the open device and wait until all is heard."""
    (found,) = hub_of(studio).listening.values()
    before = found.receiver.counters.frames
    take = performance(frames / 60, seed=1)
    send(schedule(take, found.source.kind, speed=1e6), found.source.kind, port=found.receiver.address[1])
    assert found.receiver.wait(PATIENCE, lambda counters: counters.packets >= before + frames)


@pytest.mark.parametrize("suffix", [".take", ".csv"])
def test_a_performance_file_comes_onto_the_selected_figure(studio: Studio, tmp_path: Path, suffix: str):
    path = tmp_path / f"p{suffix}"
    (save_take if suffix == ".take" else write_csv)(performance(1.0), path)
    studio.select(["jaw"])
    studio.frame = 10.0
    studio.run("capture.import", path=str(path))
    curve = studio.scene.tracks[f"ann.expression[{INDEX['jawOpen']}]"]
    assert curve.times[0] == 10.0
    studio.document.undo()
    assert not studio.scene.tracks


def test_a_file_is_asked_for_and_may_be_refused(studio: Studio, tmp_path: Path):
    studio.run("capture.import")
    assert not studio.scene.tracks
    assert isinstance(studio.face, Headless)
    write_csv(performance(0.5), tmp_path / "a.csv")
    studio.face.answers.append(tmp_path / "a.csv")
    studio.run("capture.import", as_clip=True)
    assert studio.scene.clips and studio.scene.strips


def test_a_device_moves_the_figure_where_it_is_drawn_and_nowhere_else(studio: Studio):
    before = studio.scene
    told = []
    studio.watch(lambda update: told.append(update.parts))
    studio.run("capture.listen", kind="live_link", port=0)
    assert not perform(studio) and studio.performance is None
    talk(studio)
    assert perform(studio)
    drawn = studio.performance(studio.scene).entities["ann"]
    assert any(drawn.expression) and studio.scene is before
    assert frozenset({"performance"}) in told
    assert studio.flat is studio.flat
    studio.run("capture.pose")
    kept = studio.scene.entities["ann"].expression
    assert kept == pytest.approx(drawn.expression, abs=0.2) and any(kept)
    studio.run("capture.close")
    assert studio.performance is None and not hub_of(studio).listening


def test_the_device_is_remembered(studio: Studio):
    studio.run("capture.listen", kind="vmc", port=0)
    studio.run("capture.close")
    studio.run("capture.listen")
    assert studio.preferences.capture == (Source(kind="vmc", port=0),)


def test_a_profile_is_kept_and_used_again(studio: Studio, tmp_path: Path):
    studio.run("capture.listen", kind="live_link", port=0)
    talk(studio)
    perform(studio)
    studio.run("capture.calibrate")
    neutral = hub_of(studio).profile(hub_of(studio).the_one()).neutral
    studio.run("capture.save_profile", path=str(tmp_path / "ann.json"))
    studio.run("capture.close")
    key = studio.run("capture.listen")
    assert hub_of(studio).profile(key).neutral == neutral and hub_of(studio).profile(key).name == "ann"
    studio.run("capture.close")
    (tmp_path / "ann.json").write_text("{")
    studio.run("capture.listen")
    assert isinstance(studio.face, Headless)
    assert "no profile" in studio.face.notices[-1][1]
    with pytest.raises(BadAsset):
        studio.run("capture.load_profile", path=str(tmp_path / "ann.json"))


def test_a_performance_is_recorded_kept_and_baked(studio: Studio):
    studio.run("capture.listen", kind="ifacial_mocap", port=0)
    studio.run("capture.record", name="hero")
    talk(studio)
    (path,) = studio.run("capture.stop_recording")
    assert Path(path).name == "hero.take" and Path(path).parent.name == "takes"
    studio.run("capture.calibrate")
    studio.run("capture.bake")
    assert any(name.startswith("ann.expression") for name in studio.scene.tracks)
    assert hub_of(studio).takes()[0].info.source == "ifacial_mocap"


def test_takes_of_a_project_lie_in_it(studio: Studio, tmp_path: Path):
    studio.path = tmp_path / "a.studio"
    assert hub_of(studio).folder() == tmp_path / "a.studio" / "takes"


def test_what_cannot_be_done_now_is_a_sentence(studio: Studio):
    with pytest.raises(UsageError, match="no take yet"):
        studio.run("capture.bake")
    for command in ("capture.record", "capture.stop_recording", "capture.calibrate", "capture.pose", "capture.close"):
        with pytest.raises(UsageError):
            studio.run(command)
    with pytest.raises(UsageError, match="no device is called"):
        studio.run("capture.listen", kind="kinect")
    studio.document.load(Scene())
    with pytest.raises(UsageError):
        studio.run("capture.import", path="x.csv")
