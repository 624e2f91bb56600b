"""Results come home exactly, once, whole, and go on where they were left."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from studio.errors import BadAsset, CannotWrite
from studio.farm.jobs import RenderJob
from studio.farm.previews import preview, strip
from studio.farm.results import Collector, read_notes
from studio.farm.store import Store, open_store
from studio.farm.submission import look_of
from studio.render.checkpoint import header_of
from studio.render.film import Film
from studio.render.finish import Finish, Look, describe
from studio.render.session import layout_of
from studio.scene.flatten import flatten
from studio.scene.project import load_project
from tests.farm.results_of import DEVICE, deliver, deliver_all, film_of, job_in


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def collector(store: Store, job: RenderJob, folder: Path, name: str = "f.####.exr", **more: object) -> Collector:
    options = {"home": folder / "home", "cache": folder / "cache", "look": look_of(job), **more}
    return Collector(store, job, folder / "out" / name, **options)  # type: ignore[arg-type]


def expected(job: RenderJob, folder: Path, rows: list[int], path: Path, look: Look) -> bytes:
    """The file that one process would write of the sum of the same films."""
    piece = job.spec.pieces[rows[0]]
    flat = flatten(load_project(folder / "stage.studio"), piece.frame)
    whole = Film.of(layout_of(flat, job.settings))
    for row in rows:
        half = job.spec.pieces[row].samples // 2
        for samples in ((0, half), (half, job.spec.pieces[row].samples)):
            film_of(job, folder, row, samples)[0].merge_into(whole)
    header = header_of(flat, job.settings, DEVICE)
    finish = Finish(look)
    finish.write(whole, path, describe(flat, header, job.settings))
    finish.close()
    return path.read_bytes()


@pytest.mark.parametrize("tiles", [(1, 1), (3, 2)])
@pytest.mark.parametrize("crop", [None, (3, 5, 60, 37)])
def test_frames_are_the_files_that_one_process_would_write(
    tmp_path: Path, store: Store, tiles: tuple[int, int], crop: tuple[int, int, int, int] | None
) -> None:
    from tests.farm.results_of import SETTINGS

    job = job_in(store, tmp_path, tiles=tiles, settings=msgspec.structs.replace(SETTINGS, crop=crop))
    deliver_all(store, job, tmp_path)
    with collector(store, job, tmp_path) as home:
        made = home.poll()
        assert home.done and [picture.frame for picture in made] == [1.0, 2.0]
    count = tiles[0] * tiles[1]
    for i, picture in enumerate(made):
        rows = list(range(i * count, (i + 1) * count))
        assert picture.path.read_bytes() == expected(job, tmp_path, rows, tmp_path / "alone.exr", look_of(job))
    assert not list((tmp_path / "home" / "parts").rglob("*.part")), "partials of what is written are not kept"


def test_a_frame_is_written_when_its_last_result_is_there_and_not_before(tmp_path: Path, store: Store) -> None:
    job = job_in(store, tmp_path)
    with collector(store, job, tmp_path) as home:
        assert home.poll() == []
        deliver(store, job, tmp_path, 1, (0, 8))
        assert home.poll(looks=True) == [] and not (tmp_path / "out").exists()
        assert home.previews[2.0].is_file() and not home.previews[1.0].exists()
        deliver(store, job, tmp_path, 1, (8, 16))
        assert [picture.frame for picture in home.poll()] == [2.0] and not home.done
        assert home.poll() == [], "each is reported once"


def test_coming_back_fetches_the_rest_and_leaves_what_is_there(tmp_path: Path, store: Store) -> None:
    job = job_in(store, tmp_path)
    deliver(store, job, tmp_path, 0, (0, 16))
    with collector(store, job, tmp_path) as home:
        first = home.poll()[0]
    before = first.path.stat().st_mtime_ns
    deliver(store, job, tmp_path, 1, (0, 16))
    with collector(store, job, tmp_path) as home:
        assert [(p.frame, p.fresh) for p in home.poll()] == [(1.0, False), (2.0, True)]
    assert first.path.stat().st_mtime_ns == before
    first.path.write_bytes(b"somebody drew on it")
    with collector(store, job, tmp_path) as home:
        assert [p.fresh for p in home.poll()] == [True, False]


def test_another_look_or_place_is_written_anew_and_notes_that_are_damaged_are_none(
    tmp_path: Path, store: Store
) -> None:
    job = job_in(store, tmp_path)
    deliver_all(store, job, tmp_path)
    for look, name in (
        (look_of(job), "f.####.exr"),
        (Look(half=False), "f.####.exr"),
        (Look(half=False), "g.####.exr"),
    ):
        with collector(store, job, tmp_path, name, look=look) as home:
            assert [p.fresh for p in home.poll()] == [True, True]
    (tmp_path / "home" / "notes.json").write_bytes(b'{"output"')
    assert read_notes(tmp_path / "home") is None
    with collector(store, job, tmp_path, "g.####.exr", look=Look(half=False)) as home:
        assert [p.fresh for p in home.poll()] == [True, True]


def test_exposure_is_measured_on_the_first_frame_whichever_is_done_first(tmp_path: Path, store: Store) -> None:
    job = job_in(store, tmp_path, output="f.####.png")
    deliver(store, job, tmp_path, 1, (0, 16))
    with collector(store, job, tmp_path, "f.####.png") as home:
        assert home.poll() == [], "the second frame waits for the number that the first one gives"
        deliver(store, job, tmp_path, 0, (0, 16))
        assert len(home.poll()) == 2
    notes = read_notes(tmp_path / "home")
    assert notes is not None and notes.measured > 0


def test_a_partial_that_is_damaged_in_the_store_is_told_and_nothing_is_written(tmp_path: Path, store: Store) -> None:
    job = job_in(store, tmp_path)
    result = deliver(store, job, tmp_path, 0, (0, 16))
    data = bytearray(store.get(result.key))
    data[len(data) // 2] ^= 1
    store.put(result.key, bytes(data))
    with collector(store, job, tmp_path) as home, pytest.raises(BadAsset, match="digest"):
        home.poll()
    assert not (tmp_path / "out").exists() and not list((tmp_path / "home" / "parts").rglob("*.part"))


def test_a_full_disk_costs_the_picture_and_not_the_partials(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(store, tmp_path)
    deliver_all(store, job, tmp_path)

    def full(*args: object, **more: object) -> None:
        raise CannotWrite("cannot write f.0001.exr: no space left on device")

    with collector(store, job, tmp_path) as home:
        with monkeypatch.context() as patch:
            patch.setattr("studio.render.finish.write_image", full)
            with pytest.raises(CannotWrite, match="no space"):
                home.poll()
        kept = list((tmp_path / "home" / "parts").rglob("*.part"))
        assert len(kept) == 2
        fetched = {path: path.stat().st_mtime_ns for path in kept}
        assert len(home.poll()) == 2, "and goes on when there is room"
        assert fetched


def test_a_disk_that_takes_no_partial_says_so(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(store, tmp_path)
    deliver_all(store, job, tmp_path)

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    with collector(store, job, tmp_path) as home:
        monkeypatch.setattr("studio.farm.store.Store.copy_to", full)
        with pytest.raises(CannotWrite, match="make room"):
            home.poll()


def test_previews_are_small_and_grey_where_nothing_is_yet(tmp_path: Path, store: Store) -> None:
    job = job_in(store, tmp_path, tiles=(2, 1))
    film, _ = film_of(job, tmp_path, 0, (0, 8))
    whole = Film.of(msgspec.structs.replace(film.layout, crop=(0, 0, 64, 40)))
    film.merge_into(whole)
    shown = preview(whole, Look(), largest=32)
    assert shown.shape == (20, 32, 3) and (shown[:, 16:] == shown[0, -1]).all() and np.ptp(shown[:, :16]) > 0


def test_a_strip_has_every_frame_and_survives_one_that_cannot_be_read(tmp_path: Path) -> None:
    paths = []
    for i in range(14):
        paths.append(tmp_path / f"{i}.jpg")
        Image.new("RGB", (64, 40), (200, 30, 30)).save(paths[-1])
    paths[3].write_bytes(b"no picture")
    strip(paths, tmp_path / "strip.png", width=32)
    with Image.open(tmp_path / "strip.png") as image:
        assert image.size == (12 * 32, 2 * 20)
        assert image.getpixel((16, 10))[0] > 150 > image.getpixel((3 * 32 + 16, 10))[0]
    with pytest.raises(CannotWrite, match="no frames"):
        strip([], tmp_path / "none.png")
