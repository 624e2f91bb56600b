"""What an artist asks for becomes a job: whole, once, and by its content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from studio.assets.gltf.writer import save_gltf
from studio.assets.load import load_scene
from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.bundles.bundle import read_manifest
from studio.farm.jobs import RenderJob, job_key, read_job
from studio.farm.store import Store, open_store
from studio.farm.submission import (
    Sent,
    Submission,
    asked_aovs,
    look_of,
    plan_job,
    send_scene,
    submit_job,
    tiles_of,
)
from studio.render.finish import Look
from studio.render.settings import RenderSettings
from studio.scene.project import save_project
from tests.render.stage import stage

SMALL = RenderSettings(width=64, height=40, samples=4)
ASKED = Submission(settings=SMALL, frames=(1.0, 2.0))
SENT = Sent("0" * 64, "scene.json", 1000, 1000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_a_job_has_a_piece_for_every_frame_and_tile_and_costs_add_up() -> None:
    job = plan_job(replace(ASKED, tiles=(3, 2)), SENT, scene_name="stage")
    assert len(job.spec.pieces) == 12 and len({piece.name for piece in job.spec.pieces}) == 12
    assert sum(piece.cost for piece in job.spec.pieces) == pytest.approx(2.0)
    assert all(piece.samples == 4 for piece in job.spec.pieces)
    assert [piece.crop for piece in plan_job(ASKED, SENT).spec.pieces] == [None, None]


@pytest.mark.parametrize(
    ("region", "tiles"), [((0, 0, 64, 40), (3, 2)), ((5, 7, 18, 20), (4, 13)), ((0, 0, 2, 1), (2, 1))]
)
def test_tiles_cover_a_region_once(region: tuple[int, int, int, int], tiles: tuple[int, int]) -> None:
    crops = tiles_of(region, tiles)
    covered = [(x, y) for c in crops if c for y in range(c[1], c[3]) for x in range(c[0], c[2])]
    x0, y0, x1, y1 = region
    assert len(crops) == tiles[0] * tiles[1]
    assert sorted(covered) == sorted((x, y) for y in range(y0, y1) for x in range(x0, x1))


def test_the_id_is_of_the_content_the_settings_and_the_frames_and_of_nothing_else() -> None:
    def id_of(ask: Submission, sent: Sent = SENT) -> str:
        return plan_job(ask, sent, scene_name="stage").spec.id

    first = id_of(ASKED)
    assert first.startswith("stage-")
    assert id_of(replace(ASKED, output="other.png", look=Look(exposure_ev=2.0), priority=90, cap_micros=5)) == first
    changes = (
        replace(ASKED, frames=(1.0,)),
        replace(ASKED, camera="Main"),
        replace(ASKED, tiles=(2, 1)),
        replace(ASKED, settings=msgspec.structs.replace(SMALL, seed=1)),
        replace(ASKED, look=Look(denoise=True)),  # its guides are rendered
    )
    assert len({first, *map(id_of, changes), id_of(ASKED, replace(SENT, bundle="1" * 64))}) == 7


def test_a_job_knows_which_aovs_only_the_denoiser_asked_for() -> None:
    asked = replace(ASKED, look=Look(denoise=True), settings=msgspec.structs.replace(SMALL, aovs=("normal", "depth")))
    job = plan_job(asked, SENT)
    assert set(job.settings.aovs) == {"normal", "depth", "albedo"}
    assert set(asked_aovs(job)) == {"normal", "depth"} and look_of(job) == asked.look


def test_a_file_is_sent_as_the_project_it_would_make_and_sending_it_twice_sends_nothing(
    tmp_path: Path, store: Store
) -> None:
    path = tmp_path / "stage.glb"
    save_gltf(stage(), path)
    scene = load_scene(path)[0]
    first = send_scene(store, path, scene)
    again = send_scene(store, path, load_scene(path)[0])
    assert first.bundle == again.bundle and again.sent < first.sent - 4000, "all but the manifest is there"
    assert {file.path for file in read_manifest(store, first.bundle).files} >= {"scene.json"}
    assert plan_job(ASKED, first).spec.id == plan_job(ASKED, again).spec.id


def test_a_project_and_a_version_of_it_are_sent_as_they_lie(tmp_path: Path, store: Store) -> None:
    from studio.scene.project import save_version

    folder = tmp_path / "a.studio"
    save_project(stage(), folder)
    version = save_version(stage(), folder)
    whole = send_scene(store, folder, stage())
    older = send_scene(store, version, stage())
    assert whole.scene == "scene.json" and older.scene == f"versions/{version.name}"
    assert older.scene in {file.path for file in read_manifest(store, older.bundle).files}


def test_submitting_twice_is_submitting_once(store: Store) -> None:
    job = plan_job(ASKED, SENT, scene_name="stage")
    assert submit_job(store, job)[1]
    kept, fresh = submit_job(store, plan_job(replace(ASKED, priority=90), SENT, scene_name="stage"))
    assert not fresh and kept.spec.priority == 50


def test_a_job_that_is_damaged_in_the_store_is_written_again(store: Store) -> None:
    job = plan_job(ASKED, SENT)
    store.put(job_key(job.spec.id, "job.json"), b'{"spec": {')
    with pytest.raises(BadAsset, match="damaged"):
        read_job(store, job.spec.id)
    assert submit_job(store, job) == (job, True)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (replace(ASKED, frames=()), "no frames"),
        (replace(ASKED, tiles=(0, 1)), "columns and rows"),
        (replace(ASKED, tiles=(65, 1)), "columns and rows"),
        (replace(ASKED, settings=msgspec.structs.replace(SMALL, error=0.1), tiles=(9, 1)), "blocks of 8 pixels"),
        (replace(ASKED, settings=msgspec.structs.replace(SMALL, light_layers=True)), "light layers"),
    ],
)
def test_what_a_farm_cannot_do_is_refused_in_a_sentence(ask: Submission, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_job(ask, SENT)


@pytest.mark.parametrize(
    "look",
    [
        {"view": 3},
        {"view": "no such view"},
        {"compression": "../../x"},
        {"bits": 7},
        {"quality": 10**9},
        {"exposure_ev": "bright"},
    ],
)
def test_a_look_that_is_none_is_told_as_damage(look: dict[str, object]) -> None:
    job = plan_job(ASKED, SENT)
    damaged = RenderJob(spec=job.spec, settings=job.settings, look={**job.look, **look})
    with pytest.raises(BadAsset, match="look"):
        look_of(damaged)


def test_a_store_on_a_full_disk_says_so(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "a.studio"
    save_project(stage(), folder)
    monkeypatch.setattr("studio.farm.store.Objects.put", full)
    with pytest.raises(CannotWrite, match="space"):
        send_scene(store, folder, stage())
