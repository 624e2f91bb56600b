"""Sending to the farm from the window: what is asked for, what stands against it, what it takes, and the job itself.

One window for all stories. Stores, bundles and jobs are real; crews of nodes and the renderer of the pilot are
stand-ins that take no time. Pictures of the panel stay where MYRIAD_SHOTS says.
"""

from __future__ import annotations

import gc
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.cli import main
from studio.commands import farm
from studio.commands.preferences import Preferences, preferences_file
from studio.errors import Cancelled
from studio.farm import sending
from studio.farm.asking import ask
from studio.farm.bundles.node_cache import NodeCache
from studio.farm.jobs import RenderJob, job_ids, read_job
from studio.farm.money import estimate as estimating
from studio.farm.money import quote as quoting
from studio.farm.movie import read_movie
from studio.farm.results import read_notes
from studio.farm.seen import known
from studio.farm.session import job_folder
from studio.farm.store import open_store
from studio.farm.wish import FarmWish
from studio.scene.project import fingerprint, load_project, save_project
from studio.ui.number_edit import NumberEdit
from tests.render.stage import stage
from tests.ui.conftest import SHOT_SIZE

LEFT = Qt.MouseButton.LeftButton
SMALLEST_DOCK_PX = 277  # that the panel has within its scroll bar in a window of 1440 pixels


class PretendedCrew:
    """Nodes that never finish."""

    def __init__(self, place: str) -> None:
        self.place, self.jobs = place, dict[str, RenderJob]()
        self.store = open_store(place)
        self.service: Any = SimpleNamespace(job=self.jobs.get, status=lambda id_: SimpleNamespace(state="running"))
        self.works = True

    def submit(self, job: RenderJob) -> None:
        self.jobs[job.spec.id] = job

    def close(self) -> None:
        self.works = False


@pytest.fixture(scope="module")
def desk_window(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A window with the panel in it, whose crews are pretended."""
    from studio.ui.application import Application

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYRIAD_CONFIG", str(tmp_path_factory.mktemp("config")))
        patch.setenv("MYRIAD_DATA", str(tmp_path_factory.mktemp("data")))
        application = Application(qapp, Preferences(language="en"))
        farm.host_of(application.studio)._make = lambda place, *_: PretendedCrew(place)
        window = application.new_window()
        window.resize(*(SHOT_SIZE if os.environ.get("MYRIAD_SHOTS") else (900, 700)))  # a viewport costs by its size
        window.show_panel("farm_submit")
        yield window
        application.close()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()


@pytest.fixture
def studio(desk_window: Any, own_folders: None, tmp_path: Path) -> Any:
    """The studio of the window over a small project, as on the first day."""
    found = desk_window.application.studio
    project = tmp_path / "stage.studio"
    save_project(stage(), project)
    found.prefer(farm=FarmWish(), language="en", interface_scale=1.0)
    found.show_scene(load_project(project), project)
    desk_window.application.notices.kept.clear()
    return found


@pytest.fixture
def panel(desk_window: Any, studio: Any, qtbot: QtBot) -> Any:
    """The panel, after its first look."""
    made = desk_window.show_panel("farm_submit")
    made.quote.estimate = None
    made.delivery = None
    settled(made, qtbot)
    return made


def settled(panel: Any, qtbot: QtBot) -> None:
    """Wait until the panel has looked at what is so."""
    qtbot.waitUntil(lambda: panel.seen is not None and not panel._looking.isActive() and panel._look is None)


def part(panel: QWidget, name: str) -> Any:
    found = panel.findChild(QWidget, f"farm-submit-{name}")
    assert found is not None, name
    return found


def click(widget: QWidget) -> None:
    assert widget.isEnabled(), widget.objectName()
    QTest.mouseClick(widget, LEFT)


def type_into(widget: Any, text: str) -> None:
    """Type into a line or a number as a hand does."""
    widget.setFocus(Qt.FocusReason.MouseFocusReason)
    if isinstance(widget, NumberEdit):
        widget.start_typing()
    widget.selectAll()
    QTest.keyClick(widget, Qt.Key.Key_Delete)
    QTest.keyClicks(widget, text)
    QTest.keyClick(widget, Qt.Key.Key_Return)


def choose(menu: Any, value: object) -> None:
    """Take a row of a menu by the keyboard."""
    menu.setFocus()
    while menu.currentData() != value:
        before = menu.currentIndex()
        wanted = menu.findData(value)
        assert wanted >= 0, value
        QTest.keyClick(menu, Qt.Key.Key_Down if wanted > before else Qt.Key.Key_Up)
        assert menu.currentIndex() != before
    menu.activated.emit(menu.currentIndex())


def sent(panel: Any, qtbot: QtBot) -> Any:
    """Press Send and wait for the job."""
    settled(panel, qtbot)
    click(panel.send_button)
    qtbot.waitUntil(lambda: panel._sending is None)
    assert panel.delivery is not None, panel.state.text()
    return panel.delivery


def asked(panel: Any, output: Path) -> None:
    """A small request, typed."""
    for name, text in (("frames", "1-2"), ("width", "64"), ("height", "40"), ("samples", "16")):
        type_into(part(panel, name), text)
    type_into(part(panel, "output"), str(output))


def notices(studio: Any) -> list[str]:
    return [notice.sentence for notice in studio.face.application.notices.kept]


# --- sending ---------------------------------------------------------------------------------------------------------
def test_what_is_sent_is_the_job_that_the_command_line_makes(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path, shot: Any, capsys: Any
) -> None:
    project = studio.path
    before = fingerprint(project)
    asked(panel, tmp_path / "out" / "{scene}.####.exr")
    settled(panel, qtbot)
    assert part(panel, "names").text() == "stage.0001.exr\nstage.0002.exr"
    assert studio.document.modified, "the fields are those of the scene's export"
    delivery = sent(panel, qtbot)
    job = read_job(open_store(delivery.place), delivery.handed.job.spec.id)
    assert delivery.place == known.own_store() and known.places() == [known.own_store()]
    assert farm.host_of(studio).works_at(delivery.place) is not None, "this machine works at it"
    new, whole = re.findall(r"[\d.]+", panel.state.text())[:2]
    assert "is sent" in panel.state.text() and float(new) <= float(whole) and panel.jobs_button.isVisibleTo(panel)
    shot(panel.window(), "farm-submit-sent")

    other = tmp_path / "other"
    flags = ("--frames", "1-2", "--size", "64x40", "--samples", "16", "--store", str(other))
    assert main(["farm", "submit", str(project), "-o", str(tmp_path / "out" / "stage.####.exr"), *flags]) == 0
    told = read_job(open_store(other), capsys.readouterr().out.split()[-1])
    assert job.spec.id == told.spec.id
    assert (job.spec.bundle, job.spec.pieces, job.settings) == (told.spec.bundle, told.spec.pieces, told.settings)
    same = msgspec.structs.replace(told.spec, submitted_at=job.spec.submitted_at)
    assert msgspec.structs.replace(told, spec=same, look=job.look) == job
    assert fingerprint(project) == before, "the project on the disk is as it was"

    again = sent(panel, qtbot)
    assert again.handed.job.spec.id == job.spec.id and not again.handed.fresh
    assert "goes on" in panel.state.text() and list(job_ids(open_store(again.place))) == [job.spec.id]


def test_unsaved_changes_are_sent_and_saving_them_is_the_same_job(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    asked(panel, tmp_path / "a.####.exr")
    first = sent(panel, qtbot).handed.job
    with studio.document.edit("Move") as edit:
        edit.scene = edit.scene.replace_each(["key"], intensity=77.0)
    second = sent(panel, qtbot)
    job = second.handed.job
    assert job.spec.id != first.spec.id
    cache = NodeCache(tmp_path / "cache")
    scene = cache.scene(open_store(second.place), job.spec.bundle, job.scene)
    cache.close()
    assert scene.entities["key"].intensity == 77.0
    assert "export" not in scene.extra, "where pictures go on this machine is nobody else's matter"
    assert load_project(studio.path).entities["key"].intensity == 40.0
    save_project(studio.scene, studio.path)
    type_into(part(panel, "output"), str(tmp_path / "b.####.exr"))
    third = sent(panel, qtbot).handed
    assert third.job.spec.id == job.spec.id and not third.fresh, "other names of files are no other pictures"


def test_a_bundle_for_a_manager_is_written_once_others_may_see_it(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    asked(panel, tmp_path / "o.####.exr")
    choose(part(panel, "where"), "openjd")
    settled(panel, qtbot)
    assert panel.error == "Say where openjd is."
    type_into(part(panel, "address"), str(tmp_path / "jobs"))
    settled(panel, qtbot)
    row = next(row for row in panel.findings.rows if row.finding.field == "trust")
    assert "may be seen by this machine alone" in row.finding.sentence and not panel.send_button.isEnabled()
    click(row)
    assert panel.window().focusWidget() is part(panel, "trust")
    choose(part(panel, "trust"), 1)
    delivery = sent(panel, qtbot)
    bundle = tmp_path / "jobs" / delivery.handed.job.spec.id
    assert json.loads((bundle / "template.json").read_text())["specificationVersion"] == "jobtemplate-2023-09"
    assert farm.host_of(studio).works_at(delivery.place) is None, "this machine leaves it to others"


def test_sending_can_be_stopped_and_keeps_what_was_typed(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shot: Any
) -> None:
    begun = threading.Event()

    def endless(*_: Any, progress: Any, **__: Any) -> Any:
        while True:
            progress(12_300_000, 45_600_000)
            begun.set()
            threading.Event().wait(0.005)

    monkeypatch.setattr(sending, "hand_in", endless)
    asked(panel, tmp_path / "o.####.exr")
    settled(panel, qtbot)
    click(panel.send_button)
    qtbot.waitUntil(lambda: panel.state.text() == "Sending: 12.3 of 45.6 MB")
    shot(panel.window(), "farm-submit-sending")
    assert not panel.send_button.isVisibleTo(panel) and panel.progress.value() == 270
    click(panel.stop_button)
    qtbot.waitUntil(lambda: panel._sending is None)
    assert panel.state.text() == "Stopped. What is sent stays; sending again sends the rest."
    assert panel.send_button.isEnabled() and panel.settings.frames == "1-2"


def test_a_store_that_refuses_is_one_sentence_and_nothing_is_lost(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    asked(panel, tmp_path / "o.####.exr")
    (tmp_path / "file").write_text("no folder")
    type_into(part(panel, "store"), str(tmp_path / "file"))
    settled(panel, qtbot)
    click(panel.send_button)
    qtbot.waitUntil(lambda: panel._sending is None)
    assert panel.delivery is None and str(tmp_path / "file") in panel.state.text()
    assert notices(studio)[-1] == panel.state.text()
    assert part(panel, "store").text() == str(tmp_path / "file") and part(panel, "frames").text() == "1-2"


# --- what stands against it ------------------------------------------------------------------------------------------
def test_errors_keep_it_from_being_sent_and_lead_to_their_field(panel: Any, studio: Any, qtbot: QtBot) -> None:
    studio.run("export.set", name="format", value="h264")
    studio.run("export.set", name="width", value=641)
    settled(panel, qtbot)
    assert "sides are even, not 641x360" in panel.error and not panel.send_button.isEnabled()
    assert panel.send_button.toolTip() == panel.error
    click(panel.findings.rows[0])
    assert panel.window().focusWidget() is part(panel, "width")
    choose(part(panel, "format"), "png8")
    settled(panel, qtbot)
    assert panel.error == "" and panel.send_button.isEnabled()


def test_a_movie_is_sent_like_pictures_and_noted_as_what_they_become(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path, shot: Any
) -> None:
    pytest.importorskip("av", reason="movies need PyAV")
    asked(panel, tmp_path / "out" / "{scene}.####.exr")
    pictures = sent(panel, qtbot).handed.job
    choose(part(panel, "format"), "h265-10")
    type_into(part(panel, "output"), str(tmp_path / "out" / "{scene}"))
    studio.run("export.set", name="burn_ins", value=["{frame}"])
    settled(panel, qtbot)
    assert part(panel, "names").text() == "stage.mp4"
    assert part(panel, "movie-told").isVisibleTo(panel) and panel.error == ""
    assert not any("left out" in row.finding.sentence for row in panel.findings.rows), "texts are drawn here"
    handed = sent(panel, qtbot).handed
    shot(panel.window(), "farm-submit-movie")
    assert handed.job.spec.id == pictures.spec.id, "what is rendered is the same"
    home = job_folder(open_store(known.own_store()), handed.job.spec.id)
    notes = read_notes(home)
    movie = read_movie(home, notes)
    assert movie is not None and movie.path == tmp_path / "out" / "stage.mp4"
    assert (movie.export.format, movie.export.burn_ins, movie.made) == ("h265-10", ("{frame}",), None)
    assert notes is not None and Path(notes.output) == tmp_path / "out" / "stage.frames" / "######.exr"
    choose(part(panel, "format"), "exr")
    assert not part(panel, "movie-told").isVisibleTo(panel)


def test_a_long_list_of_frames_stays_whole_when_one_goes_through_its_field(
    panel: Any, studio: Any, desk_window: Any
) -> None:
    frames = ",".join(str(2 * frame) for frame in range(1, 1000))
    export = desk_window.show_panel("export")
    studio.run("export.set", name="frames", value=frames)
    for line in (part(panel, "frames"), export.frames):
        line.editingFinished.emit()
        assert panel.settings.frames == frames


def test_a_movie_where_nobody_may_look_is_a_finding(
    panel: Any, studio: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="movies need PyAV")
    shown, look = panel.shown, Path.is_dir

    def refused(path: Path) -> bool:
        if path.name == "shot.mp4":
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    wanted = msgspec.structs.replace(shown.export, format="h264", output=str(tmp_path / "shot"))
    found = ask(studio.scene, wanted, shown.farm, shown.wish)
    assert found.error.startswith("Cannot write") and "permission denied; choose another name" in found.error


def test_a_usual_size_is_taken_and_shown(panel: Any, studio: Any, qtbot: QtBot) -> None:
    sizes = part(panel, "sizes")
    assert sizes.currentText() == "640 x 360"
    sizes.setFocus()
    QTest.keyClick(sizes, Qt.Key.Key_Down)
    sizes.activated.emit(sizes.currentIndex())
    assert (panel.settings.width, panel.settings.height) == (1280, 720)
    type_into(part(panel, "width"), "1000")
    assert sizes.currentIndex() == -1 and panel.settings.height == 720


def test_a_finding_selects_the_lights_that_it_names(panel: Any, studio: Any, qtbot: QtBot) -> None:
    with studio.document.edit("Mute") as edit:
        edit.scene = edit.scene.replace_each(["fill"], muted=True)
    with studio.document.edit("Dim") as edit:
        edit.scene = edit.scene.replace_each(["key"], intensity=0.0)
    settled(panel, qtbot)
    found = {row.finding.sentence.split(":")[0]: row for row in panel.findings.rows}
    click(found["1 light is muted"])
    assert studio.selection == ("fill",)
    click(found["1 light is on and gives nothing"])
    assert studio.selection == ("key",)


def test_what_an_export_can_and_a_farm_cannot_is_left_out_and_said(panel: Any, studio: Any, qtbot: QtBot) -> None:
    for name, value in (("error", 0.05), ("time_limit_s", 60.0)):
        studio.run("export.set", name=name, value=value)
    settled(panel, qtbot)

    def said() -> str:
        return " ".join(row.finding.sentence for row in panel.findings.rows if row.finding.severity == "warning")

    assert "time limit is left out" in said() and "noise target" not in said() and panel.error == ""
    request = panel.seen.asked.request
    assert request.settings.error == 0.05 and request.settings.time_limit_s == 0.0
    assert part(panel, "error").isVisibleTo(panel) and part(panel, "error").value == 0.05
    farm.change_wish(studio, where="openjd", address=str(studio.path.parent / "bundles"))
    settled(panel, qtbot)
    assert "noise target is left out" in said() and panel.seen.asked.request.settings.error == 0.0
    assert not part(panel, "error").isVisibleTo(panel)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("frames", "1-x", "frame"),
        ("output", "{nobody}.####.exr", "nobody"),
        ("output", "", "names no file"),
        ("store", "~nobody-of-this-name/farm", "is no whole path"),
    ],
)
def test_bad_input_is_a_sentence(panel: Any, studio: Any, qtbot: QtBot, name: str, text: str, sentence: str) -> None:
    type_into(part(panel, name), text)
    settled(panel, qtbot)
    assert sentence in f"{panel.error} {' '.join(notices(studio))}"
    if panel.error:
        assert not panel.send_button.isEnabled()
    else:
        assert panel.settings.frames == "", "what cannot be read is not kept"


def test_passwords_and_tokens_in_addresses_are_not_kept(panel: Any, studio: Any, qtbot: QtBot) -> None:
    choose(part(panel, "where"), "ray")
    for address in ("https://me:hush-hush@ray.example", "https://ray.example?token=hush-hush"):
        type_into(part(panel, "address"), address)
        assert "leave names, passwords and tokens out of an address" in notices(studio)[-1]
    type_into(part(panel, "store"), "s3://me:hush-hush@bucket")
    assert studio.preferences.farm.address == "" and studio.preferences.farm.store == ""
    assert "hush" not in preferences_file().read_text()


def test_fields_stand_only_where_they_mean_something(panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path) -> None:
    names = ("nodes", "threads", "address", "folder", "store", "tiles-row", "trust", "prices", "cap")
    wanted = {
        "local": {"nodes", "threads", "store", "tiles-row", "prices"},
        "store": {"store", "tiles-row", "trust", "prices", "cap"},
        "ray": {"address", "store", "tiles-row", "trust", "prices"},
        "openjd": {"address", "store", "trust", "prices"},
        "opencue": {"address", "store", "trust", "prices"},
        "flamenco": {"address", "folder", "store", "trust", "prices"},
    }
    for where, shown in wanted.items():
        farm.change_wish(studio, where=where)
        assert {name for name in names if part(panel, name).isVisibleTo(panel)} == shown, where
    for where, levels in (("store", 4), ("ray", 3), ("opencue", 2)):
        farm.change_wish(studio, where=where)
        assert part(panel, "trust").count() == levels, where
    farm.change_wish(studio, where="store")
    choose(part(panel, "trust"), 3)
    assert "Encryption does not protect from the owner of the machine." in part(panel, "seen-by").text()
    farm.change_wish(studio, where="local", prices=str(price_list(tmp_path)))
    assert part(panel, "cap").isVisibleTo(panel), "with prices there is something to cap"
    assert part(panel, "seen-by").text() == "Only this machine gets to see it."


# --- the quote -------------------------------------------------------------------------------------------------------
def price_list(folder: Path) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps({"version": "1", "currency": "EUR", "rows": {"": {"core_hour": 20_000_000}}}))
    return path


class PretendedSession:
    """A renderer that is ready at once."""

    info = SimpleNamespace(backend="cpu", device_class="test")

    def __init__(self, **_: Any) -> None:
        return

    def __enter__(self) -> PretendedSession:
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.fixture
def pilot(monkeypatch: pytest.MonkeyPatch) -> list[quoting.Probe]:
    """The probes of pilots, which take a hundred thousandth of a second a pixel and sample."""
    probes: list[quoting.Probe] = []

    def measure(*_: Any, **__: Any) -> quoting.Measure:
        def probe(asked: quoting.Probe) -> quoting.Measured:
            probes.append(asked)
            return quoting.Measured(render_s=1e-5 * asked.width * asked.height * asked.samples, load_s=0.1)

        return probe

    monkeypatch.setattr(estimating, "RenderSession", PretendedSession)
    monkeypatch.setattr(quoting, "session_measure", measure)
    return probes


def test_a_quote_says_what_it_takes_and_proposes_a_cap(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path, pilot: list[Any], shot: Any
) -> None:
    asked(panel, tmp_path / "o.####.exr")
    type_into(part(panel, "prices"), str(price_list(tmp_path)))
    settled(panel, qtbot)
    click(panel.quote.button)
    qtbot.waitUntil(lambda: not panel.quote.busy)
    told = panel.quote.estimate.quote
    assert told.frames == 2 and told.samples == 16 and told.currency == "EUR"
    likely, most = part(panel, "quote-money-p50").text(), part(panel, "quote-money-p90").text()
    assert likely.endswith(" EUR") and float(likely.split()[0]) <= float(most.split()[0])
    assert len(panel.quote.curve.points) == len(estimating.COUNTS)
    assert "Not included: sending the project" in part(panel, "left-out").text()
    assert part(panel, "body").minimumSizeHint().width() <= SMALLEST_DOCK_PX, "nothing is cut off at the side"
    shot(panel.window(), "farm-submit-quote")
    probes, before = len(pilot), told.wall_s
    type_into(part(panel, "quote-nodes"), "1")
    assert panel.quote.estimate.quote.nodes == 1 and panel.quote.estimate.quote.wall_s.p50 != before.p50
    assert len(pilot) == probes, "nothing is rendered again"
    click(panel.quote.cap_button)
    assert farm.farm_of(studio.scene).cap_micros == told.cap
    assert part(panel, "cap").value == pytest.approx(told.cap / 1e6)
    settled(panel, qtbot)
    assert panel.seen.asked.request.cap_micros == told.cap
    assert part(panel, "quote-state").text() == "", "a cap changes nothing of what it takes"
    type_into(part(panel, "samples"), "64")
    settled(panel, qtbot)
    assert part(panel, "quote-state").text() == "Something changed since; quote again."


def test_a_pilot_can_be_stopped(
    panel: Any, studio: Any, qtbot: QtBot, pilot: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def measure(*_: Any, stop: Any, **__: Any) -> Any:
        def probe(asked: Any) -> Any:
            while not stop():
                threading.Event().wait(0.005)
            ended.set()
            raise Cancelled("the pilot was stopped")

        return probe

    monkeypatch.setattr(quoting, "session_measure", measure)
    settled(panel, qtbot)
    click(panel.quote.button)
    qtbot.waitUntil(lambda: part(panel, "quote-state").text().startswith("Pilot: frame 1"))
    click(panel.quote.stop_button)
    assert ended.wait(20) and part(panel, "quote-state").text() == "The pilot was stopped."
    assert panel.quote.button.isVisibleTo(panel) and panel.quote.estimate is None


# --- how it looks ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("language", "scale"), [("en", 1.0), ("en", 2.0), ("zh_CN", 1.0)])
def test_the_panel_fits_at_every_scale_and_in_both_languages(
    panel: Any, studio: Any, qtbot: QtBot, tmp_path: Path, shot: Any, pilot: list[Any], language: str, scale: float
) -> None:
    studio.prefer(language=language, interface_scale=scale)
    (tmp_path / "farm").mkdir()
    farm.change_wish(studio, where="store", store=str(tmp_path / "farm"), prices=str(price_list(tmp_path)))
    farm.change_farm(studio, trust=2, cap_micros=25_000_000)
    studio.run("export.set", name="error", value=0.05)
    fresh = type(panel)(studio, panel._desk)
    qtbot.addWidget(fresh, before_close_func=lambda widget: widget.close_panel())
    fresh.resize(round(290 * scale), round(1200 * scale))
    fresh.show()
    settled(fresh, qtbot)
    click(fresh.quote.button)
    qtbot.waitUntil(lambda: not fresh.quote.busy)
    settled(fresh, qtbot)
    body = part(fresh, "body")
    told = part(fresh, "left-out")
    qtbot.waitUntil(lambda: told.height() >= told.heightForWidth(told.width()), timeout=10_000)  # none is squeezed
    room = fresh._area.viewport().width()
    assert body.minimumSizeHint().width() <= room, "nothing is cut off at the side"
    assert part(fresh, "section-0").text() == {"en": "Pictures", "zh_CN": "画面"}[language]
    shot(fresh, f"farm-submit-{language}-{round(100 * scale)}")
