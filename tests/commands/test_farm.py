"""Commands of the farm without a window: what is kept and where, and what is wanted of jobs that were sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studio.commands import farm
from studio.commands.face import Headless
from studio.commands.preferences import Preferences, load_preferences
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.farm.host import Crew
from studio.farm.jobs import RenderJob
from studio.farm.model import NodeInfo
from studio.farm.orders import beat, wished_of
from studio.farm.request import remember
from studio.farm.seen import known
from studio.farm.session import standing
from studio.farm.store import Store, open_store
from studio.farm.wish import FarmSettings, FarmWish
from studio.render.finish import Look
from studio.scene.project import save_project
from studio.scene.timeline import Audio, Timeline
from tests.farm.results_of import deliver_all, job_in
from tests.farm.test_host import Nodes
from tests.render.stage import stage


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio over a small scene, whose crews are pretended."""
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYRIAD_CONFIG", str(tmp_path / "config"))
    made = Studio(scene=stage())
    farm.host_of(made)._make = lambda place, crew, price, listener: Nodes(place, crew, price)
    yield made
    made.close()


@pytest.fixture
def store(studio: Studio) -> Store:
    """This machine's own store."""
    return open_store(known.own_store())


@pytest.fixture
def job(store: Store, tmp_path: Path) -> RenderJob:
    """A job in it, with nothing rendered."""
    return job_in(store, tmp_path)


def said(studio: Studio) -> list[str]:
    assert isinstance(studio.face, Headless)
    return [sentence for _, sentence in studio.face.notices]


# --- what is kept ----------------------------------------------------------------------------------------------------
def test_what_is_said_of_jobs_belongs_to_the_scene_and_is_undone(studio: Studio) -> None:
    for name, value in (("priority", 80), ("trust", 2), ("columns", 4), ("cap_micros", 5_000_000)):
        studio.run("farm.set", name=name, value=value)
    assert farm.farm_of(studio.scene) == FarmSettings(priority=80, trust=2, columns=4, cap_micros=5_000_000)
    studio.document.undo()
    assert farm.farm_of(studio.scene).cap_micros == 0


def test_where_jobs_go_is_a_preference_and_kept_for_each_place(studio: Studio) -> None:
    studio.run("farm.set", name="where", value="ray")
    studio.run("farm.set", name="address", value="https://ray.example:8265")
    studio.run("farm.set", name="store", value="s3://show/farm")
    studio.run("farm.set", name="where", value="local")
    studio.run("farm.set", name="nodes", value=4)
    kept = load_preferences().farm
    assert kept == studio.preferences.farm
    assert (kept.store, kept.address, kept.nodes) == ("", "", 4)
    again = msgspec.structs.replace(kept, where="ray")
    assert (again.store, again.address) == ("s3://show/farm", "https://ray.example:8265")
    assert not studio.document.modified


@pytest.mark.parametrize(
    ("name", "value"),
    [("priority", 101), ("trust", -1), ("columns", 0), ("nodes", 0), ("nodes", "many"), ("cap_micros", -1)],
)
def test_values_that_cannot_be_are_refused_in_a_sentence(studio: Studio, name: str, value: object) -> None:
    with pytest.raises(UsageError, match="cannot be so"):
        studio.run("farm.set", name=name, value=value)
    assert farm.farm_of(studio.scene) == FarmSettings() and farm.wish_of(studio) == FarmWish()


def test_settings_of_a_damaged_scene_are_the_usual_ones() -> None:
    broken = stage(extra={"farm": {"priority": "soon"}})
    assert farm.farm_of(broken) == FarmSettings() == farm.farm_of(stage(extra={"farm": 7}))


def test_an_unknown_option_names_those_that_there_are(studio: Studio) -> None:
    with pytest.raises(UsageError, match=r"a farm has name, .*, prices, not speed"):
        studio.run("farm.set", name="speed", value=1)


def test_damaged_preferences_lose_only_the_farm_s(studio: Studio, tmp_path: Path) -> None:
    studio.prefer(undo_steps=77, farm=FarmWish(nodes=3))
    file = tmp_path / "config" / "preferences.json"
    file.write_text(file.read_text().replace('"nodes": 3', '"nodes": "x"').replace('"nodes":3', '"nodes":"x"'))
    kept = load_preferences()
    assert kept.undo_steps == 77 and kept.farm == Preferences().farm


# --- what is wanted of jobs ------------------------------------------------------------------------------------------
def test_orders_are_left_in_the_store(studio: Studio, store: Store, job: RenderJob) -> None:
    told: list[Any] = []
    studio.watch(lambda update: told.extend(update.parts))
    studio.run("farm.priority", job=job.spec.id, value=90)
    studio.run("farm.cap", job=job.spec.id, place=known.own_store(), amount=12.5)
    studio.run("farm.pause", job=job.spec.id)
    orders = wished_of(store, job.spec.id)
    assert {kind: order.value for kind, order in orders.items()} == {"priority": 90, "cap": 12_500_000, "pause": 0}
    assert told.count("farm") == 3, "whoever watches is told"
    assert standing(store, job).state == "paused"
    studio.run("farm.cancel", job=job.spec.id[:8])
    assert standing(store, job).state == "cancelled"
    with pytest.raises(UsageError, match="is cancelled; there is nothing to pause"):
        studio.run("farm.pause", job=job.spec.id)


def test_a_job_of_this_machine_gets_its_nodes_again(studio: Studio, store: Store, job: RenderJob) -> None:
    studio.run("farm.pause", job=job.spec.id)
    assert farm.host_of(studio).works_at(known.own_store()) is None
    studio.run("farm.resume", job=job.spec.id)
    assert farm.host_of(studio).works_at(known.own_store()) == Crew()
    assert "resume" in wished_of(store, job.spec.id)


def test_a_job_that_goes_on_costs_what_the_price_list_says(
    studio: Studio, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.json"
    studio.run("farm.set", name="prices", value=str(prices))
    with pytest.raises(BadAsset, match="there is no price list"):
        studio.run("farm.resume", job=job.spec.id)
    prices.write_text('{"version": "1", "currency": "EUR", "rows": {"": {"core_hour": 20000000}}}')
    made: list[Nodes] = []

    def make(place: str, crew: Crew, price: Any, listener: Any) -> Any:
        made.append(Nodes(place, crew, price))
        return made[-1]

    farm.host_of(studio)._make = make
    studio.run("farm.resume", job=job.spec.id)
    assert made[0].price(NodeInfo(id="n", cores=2), 1.0) > 0, "else its cap would mean nothing"


def test_a_job_goes_on_also_while_the_crew_is_at_another(
    studio: Studio, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    made: list[Nodes] = []

    def make(place: str, crew: Crew, price: Any, listener: Any) -> Any:
        made.append(Nodes(place, crew, price))
        return made[-1]

    host = farm.host_of(studio)
    host._make = make
    host.send(known.own_store(), job, Crew())
    beat(store, 1)  # as its coordinator does
    other = job_in(store, tmp_path, name="of yesterday")
    studio.run("farm.resume", job=other.spec.id)
    assert set(made[0].jobs) == {job.spec.id, other.spec.id}, "a coordinator knows the jobs alone that it was given"


def test_a_job_of_another_farm_is_left_to_it(studio: Studio, tmp_path: Path) -> None:
    place = str(tmp_path / "theirs")
    theirs = open_store(place)
    job = job_in(theirs, tmp_path)
    studio.run("farm.pause", job=job.spec.id, place=place)
    studio.run("farm.resume", job=job.spec.id, place=place)
    assert farm.host_of(studio).works_at(place) is None and "resume" in wished_of(theirs, job.spec.id)


def test_what_was_left_is_told_and_goes_on(studio: Studio, store: Store, job: RenderJob, tmp_path: Path) -> None:
    farm.host_of(studio).send(known.own_store(), job, Crew(nodes=2))
    studio.close()
    next_day = Studio(scene=stage())
    farm.host_of(next_day)._make = lambda place, crew, price, listener: Nodes(place, crew, price)
    farm.tell_left(next_day)
    assert said(next_day)[-1].startswith("Not finished on this machine: stage.")
    next_day.run("farm.go_on")
    assert said(next_day)[-1] == "This machine goes on with 1 jobs."
    assert farm.host_of(next_day).works_at(known.own_store()) == Crew(nodes=2)
    next_day.run("farm.go_on")
    assert said(next_day)[-1] == "Nothing was left unfinished on this machine."
    next_day.close()


def test_pictures_are_fetched_where_they_were_to_go_and_their_folder_is_shown(
    studio: Studio, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="nobody said on this machine where"):
        studio.run("farm.reveal", job=job.spec.id)
    with pytest.raises(UsageError, match="name a file"):
        studio.run("farm.fetch", job=job.spec.id)
    remember(store, job, tmp_path / "out" / "f.####.exr", Look())
    with pytest.raises(UsageError, match="made with the first picture"):
        studio.run("farm.reveal", job=job.spec.id)
    deliver_all(store, job, tmp_path)
    (tmp_path / "out").mkdir()
    studio.run("farm.fetch", job=job.spec.id)
    assert said(studio)[-1] == "2 pictures were fetched."
    assert sorted(path.name for path in (tmp_path / "out").glob("*.exr")) == ["f.0001.exr", "f.0002.exr"]
    studio.run("farm.reveal", job=job.spec.id)
    assert isinstance(studio.face, Headless) and studio.face.revealed == [tmp_path / "out"]


def test_a_movie_is_fetched_when_its_frames_are_there_and_its_folder_is_shown(
    studio: Studio, store: Store, job: RenderJob, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="movies need PyAV")
    output = tmp_path / "out" / "shot.mp4"
    studio.run("farm.fetch", job=job.spec.id, output=str(output))
    assert said(studio)[-1] == "0 pictures were fetched."
    studio.run("farm.reveal", job=job.spec.id)
    assert isinstance(studio.face, Headless) and studio.face.revealed == [tmp_path / "out"]
    deliver_all(store, job, tmp_path)
    studio.run("farm.fetch", job=job.spec.id)
    assert said(studio)[-1] == "shot.mp4 is made: 2 frames." and output.is_file()
    before = output.stat().st_mtime_ns
    studio.run("farm.fetch", job=job.spec.id)
    assert said(studio)[-1] == "shot.mp4 is made: 2 frames." and output.stat().st_mtime_ns == before


def test_a_movie_that_is_fetched_without_its_sound_is_told(studio: Studio, store: Store, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="movies need PyAV")
    save_project(stage(timeline=Timeline(audio=Audio(path="/elsewhere/song.wav"))), tmp_path / "stage.studio")
    job = job_in(store, tmp_path)
    deliver_all(store, job, tmp_path)
    studio.run("farm.fetch", job=job.spec.id, output=str(tmp_path / "shot.mp4"))
    assert said(studio)[-2] == "shot.mp4 is made: 2 frames."
    assert "song.wav is not here, so shot.mp4 has none" in said(studio)[-1]


@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "priority", "cap", "fetch", "reveal"])
def test_a_command_says_that_it_needs_a_job_and_which_there_is_not(studio: Studio, store: Store, command: str) -> None:
    with pytest.raises(UsageError, match="say which job"):
        studio.run(f"farm.{command}")
    with pytest.raises(UsageError, match="there is no job 'nobody'"):
        studio.run(f"farm.{command}", job="nobody")


@pytest.mark.parametrize("amount", [-1.0, float("nan"), 1e12])
def test_a_cap_is_an_amount_of_money(studio: Studio, job: RenderJob, amount: float) -> None:
    with pytest.raises(UsageError, match="a cap is an amount"):
        studio.run("farm.cap", job=job.spec.id, amount=amount)


def test_panels_need_a_window(studio: Studio) -> None:
    for command in ("farm.submit", "farm.panel"):
        with pytest.raises(UsageError, match="needs a window"):
            studio.run(command)
