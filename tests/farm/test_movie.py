"""Movies of a farm's jobs: made of frames that came home, once, with sound and credentials, whoever comes first."""

from __future__ import annotations

import os
import wave
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from studio.errors import BadAsset, UsageError
from studio.farm.jobs import RenderJob
from studio.farm.movie import (
    Movie,
    going,
    last_movie,
    make_movie,
    movie_is_here,
    movie_of,
    movie_of_job,
    note_movie,
    read_movie,
)
from studio.farm.results import Collector, read_notes
from studio.farm.session import job_folder
from studio.farm.store import Store, open_store
from studio.farm.trust.credits import Author
from studio.render.export import ExportSettings
from studio.render.finish import Look
from studio.render.kept_frames import kept_pattern
from studio.render.queue_store import Locked, locked
from studio.render.video_export import BadFrame, Stopped
from studio.scene.project import save_project
from studio.scene.scene import Scene
from studio.scene.timeline import Audio, Timeline
from tests.farm.results_of import SETTINGS, deliver_all, job_in
from tests.render.stage import stage

av = pytest.importorskip("av", reason="movies need PyAV")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def done(store: Store, folder: Path, scene: Scene | None = None, **more: object) -> RenderJob:
    """A job of two frames that are rendered, of the stage or another scene."""
    if scene is not None:
        save_project(scene, folder / "stage.studio")
    job = job_in(store, folder, **more)
    deliver_all(store, job, folder)
    return job


def noted(store: Store, job: RenderJob, output: Path, scene: Scene | None = None, **export: Any) -> Movie:
    """A movie that is wanted of a job, as whoever sent it notes it."""
    settings = ExportSettings(width=64, height=40, samples=16, frames="1-2", format="h264", exposure_ev=0.0, **export)
    return note_movie(job_folder(store, job.spec.id), movie_of(scene or stage(), settings, output), keep=True)


def made(store: Store, job: RenderJob, folder: Path, **how: Any) -> list[str]:
    """Bring the frames home and make the movie; what was said."""
    home, said = job_folder(store, job.spec.id), list[str]()
    movie = last_movie(home)
    assert movie is not None
    where, options = kept_pattern(movie.path), {"home": home, "cache": folder / "cache"}
    with Collector(store, job, where, Look(exposure_ev=0.0), **options) as collector:  # type: ignore[arg-type]
        collector.poll()
        assert collector.done
        make_movie(collector, home, cache=folder / "cache", threads=1, say=said.append, **how)
    return said


def here(home: Path, author: Author | None = None) -> bool:
    movie = last_movie(home)
    return movie is not None and movie_is_here(home, movie, author)


def streams(path: Path) -> tuple[int, float]:
    """Frames of the picture, and the loudest of the sound; 0 without."""
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return frames, 0.0
        return frames, max(float(np.abs(block.to_ndarray()).max()) for block in container.decode(audio=0))


def tone(path: Path) -> Path:
    """Half a second of sound."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((np.sin(np.arange(24_000) / 20) * 16_000).astype("<i2").tobytes())
    return path


def test_a_movie_is_made_of_frames_that_came_home_and_they_go(store: Store, tmp_path: Path) -> None:
    job, output = done(store, tmp_path), tmp_path / "out" / "shot.mp4"
    home = job_folder(store, job.spec.id)
    noted(store, job, output)
    assert read_movie(home, read_notes(home)) is None, "nobody brings frames for it yet"
    heard: list[tuple[int, int]] = []
    made(store, job, tmp_path, progress=lambda *now: heard.append(now))
    assert streams(output) == (2, 0.0) and heard == [(1, 2), (2, 2)]
    assert sorted(path.name for path in output.parent.iterdir()) == ["shot.mp4"], "its frames went"
    assert here(home) and (movie := read_movie(home, read_notes(home))) is not None and movie.is_here
    assert noted(store, job, output) == movie, "asked for again it is there"
    output.write_bytes(b"cut")
    assert not here(home)
    made(store, job, tmp_path)
    assert streams(output)[0] == 2 and here(home)


def test_another_look_is_another_movie_and_other_pictures_are_none(store: Store, tmp_path: Path) -> None:
    job, output = done(store, tmp_path), tmp_path / "shot.mp4"
    home = job_folder(store, job.spec.id)
    noted(store, job, output)
    made(store, job, tmp_path)
    assert noted(store, job, output, quality=20).made is None and not here(home)
    made(store, job, tmp_path)
    same = going(job, home, output)
    assert same is not None and same.movie is not None and same.movie.export.quality == 20 and here(home)
    brighter = going(job, home, output, look=Look(exposure_ev=2.0))
    assert brighter is not None and brighter.movie is not None and not movie_is_here(home, brighter.movie)
    assert here(home), "what is looked at is not noted yet"
    assert (brighter.movie.export.exposure_ev, brighter.movie.export.quality) == (2.0, 20)
    pictures = going(job, home, tmp_path / "f.####.png")
    assert pictures is not None and pictures.movie is None
    with Collector(store, job, pictures.output, pictures.look, home=home, cache=tmp_path / "cache") as collector:
        collector.poll()
    assert read_movie(home, read_notes(home)) is None and last_movie(home) is not None


def test_who_is_stopped_leaves_the_frames_and_the_next_one_goes_on(store: Store, tmp_path: Path) -> None:
    job, output = done(store, tmp_path), tmp_path / "shot.mp4"
    noted(store, job, output)
    with pytest.raises(Stopped):
        made(store, job, tmp_path, stop=lambda: True)
    assert sorted(path.name for path in (tmp_path / "shot.frames").iterdir()) == ["000001.exr", "000002.exr"]
    assert not output.exists()
    with locked(job_folder(store, job.spec.id) / "movie.lock"), pytest.raises(Locked):
        made(store, job, tmp_path)
    (tmp_path / "shot.frames" / "notes.txt").write_text("mine")
    made(store, job, tmp_path)
    assert streams(output)[0] == 2
    assert [path.name for path in (tmp_path / "shot.frames").iterdir()] == ["notes.txt"], "what is not ours stays"


def test_a_frame_that_cannot_be_read_is_merged_again(store: Store, tmp_path: Path) -> None:
    job, output = done(store, tmp_path), tmp_path / "shot.mp4"
    noted(store, job, output)
    with pytest.raises(Stopped):
        made(store, job, tmp_path, stop=lambda: True)
    frame = tmp_path / "shot.frames" / "000002.exr"
    stat = frame.stat()
    frame.write_bytes(frame.read_bytes()[:100].ljust(stat.st_size, b"\0"))
    os.utime(frame, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # a disk's fault changes no time
    with pytest.raises(BadFrame):
        made(store, job, tmp_path)
    made(store, job, tmp_path)
    assert streams(output)[0] == 2


def test_frames_that_another_job_wrote_over_are_in_no_movie_of_this_one(store: Store, tmp_path: Path) -> None:
    job, output = done(store, tmp_path), tmp_path / "shot.mp4"
    home, cache = job_folder(store, job.spec.id), tmp_path / "cache"
    other = done(store, tmp_path, settings=msgspec.structs.replace(SETTINGS, samples=8))
    noted(store, job, output)
    with Collector(store, job, kept_pattern(output), Look(exposure_ev=0.0), home=home, cache=cache) as collector:
        collector.poll()
        first = kept_pattern(output).with_name("000001.exr")
        before = first.read_bytes()
        noted(store, other, tmp_path / "shot.mov")
        options = {"home": job_folder(store, other.spec.id), "cache": cache}
        with Collector(store, other, kept_pattern(output), Look(exposure_ev=0.0), **options) as others:  # type: ignore[arg-type]
            assert len(others.poll()) == 2 and first.read_bytes() != before
        with pytest.raises(BadAsset, match=r"000001\.exr was changed or removed .* another job's frames"):
            make_movie(collector, home, cache=cache)
    assert not output.exists()
    frame = first.with_name("000002.exr")
    with pytest.raises(BadAsset, match="changed or removed"):  # while it is encoded
        made(store, job, tmp_path, progress=lambda *_: os.utime(frame, ns=(0, 0)))
    assert not here(home)
    made(store, job, tmp_path)
    assert here(home) and not first.exists()


def test_the_sound_is_that_of_the_scene_where_it_lies(store: Store, tmp_path: Path) -> None:
    sound = tone(tmp_path / "song.wav")
    scene = stage(timeline=Timeline(audio=Audio(path=str(sound), start=1.0)))
    job, output = done(store, tmp_path, scene), tmp_path / "out" / "shot.mp4"
    noted(store, job, output, scene)
    assert made(store, job, tmp_path) == []
    frames, loud = streams(output)
    assert frames == 2 and loud > 0.2
    noted(store, job, output, scene, audio=False)
    made(store, job, tmp_path)
    assert streams(output) == (2, 0.0)
    noted(store, job, output, scene)
    sound.unlink()
    with pytest.raises(BadAsset, match=r"the sound .*song\.wav is not there"):
        made(store, job, tmp_path)


def test_of_a_job_from_elsewhere_the_sound_is_looked_for_beside_the_movie(store: Store, tmp_path: Path) -> None:
    sound = tone(tmp_path / "song.wav")
    job = done(store, tmp_path, stage(timeline=Timeline(audio=Audio(path=str(sound), start=1.0))))
    home, output = job_folder(store, job.spec.id), tmp_path / "out" / "shot.mov"
    wanted = movie_of_job(job, output, Look(exposure_ev=0.0))
    assert (wanted.export.format, wanted.sound) == ("prores-422hq", "")
    note_movie(home, wanted)
    (said,) = made(store, job, tmp_path)
    assert "song.wav is not here, so shot.mov has none" in said and f"fetch {job.spec.id} --again" in said
    assert streams(output) == (2, 0.0)
    sound.rename(output.parent / "song.wav")
    note_movie(home, wanted)
    assert made(store, job, tmp_path) == [] and streams(output)[1] > 0.2


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("shot.mp4", msgspec.structs.replace(SETTINGS, width=63), "even"),
        ("shot.mp4", msgspec.structs.replace(SETTINGS, crop=(0, 0, 32, 40)), "a part of its pictures"),
        ("shot.####.mp4", SETTINGS, "a movie is one file"),
    ],
)
def test_what_cannot_be_a_movie_is_a_sentence(
    store: Store, tmp_path: Path, name: str, settings: Any, sentence: str
) -> None:
    job = job_in(store, tmp_path, settings=settings)
    with pytest.raises(UsageError, match=sentence):
        movie_of_job(job, tmp_path / name, Look())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"output": "a.mp4", "export": {"format": "vhs"}}',
        b'{"output": "", "export": {"format": "h264"}}',
        b'{"output": "a\\u0000.mp4", "export": {"format": "h264"}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_note_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "movie.json").write_bytes(text)
    assert last_movie(tmp_path) is None


def test_credentials_that_somebody_gave_are_not_taken_away(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    from studio.farm.trust.credits import make_certificate, read_author
    from studio.farm.trust.provenance import read_credentials

    make_certificate("Ann")
    author = read_author(rights="Ann's studio")
    job, output = done(store, tmp_path), tmp_path / "shot.mp4"
    home = job_folder(store, job.spec.id)
    noted(store, job, output)
    made(store, job, tmp_path, author=author)
    found = read_credentials(output)
    assert found is not None and found.whole and found.signer == "Ann"
    assert found.credit is not None and found.credit.title == "shot.mp4" and found.credit.job == job.spec.id
    assert here(home, author) and here(home)
    assert not list(home.rglob("*.part")), "what was looked up in a partial leaves none behind"
    output.unlink()
    with pytest.raises(UsageError, match=f"studio farm fetch {job.spec.id} --credentials"):
        made(store, job, tmp_path)
