"""Checkpoints: what an interrupted render leaves is gone on with to the same bits, or refused by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from studio.errors import UsageError
from studio.render.checkpoint import header_of, load_part, part_path, save_part
from studio.render.partial import merge_partials, read_header
from studio.render.sequence import Ear, Job, render_job
from studio.render.session import INTERRUPTED, OUT_OF_TIME, RenderSession, layout_of
from studio.scene.flatten import flatten
from tests.render.stage import HEIGHT, WIDTH, same_bits, settings, sha256, stage


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def flat():
    return flatten(stage(), 1)


def job(output, **changes) -> Job:
    values = {"scene": stage(), "settings": settings(samples=24), "frames": (1,), **changes}
    return Job(output=Path(output), **values)


@pytest.mark.parametrize("reason", [INTERRUPTED, OUT_OF_TIME])
@pytest.mark.parametrize("error", [0.0, 0.05])
def test_resuming_ends_in_the_file_of_an_uninterrupted_render(session, tmp_path, reason, error):
    asked = {"settings": settings(samples=40, error=error, aovs=("samples", "variance"))}
    assert render_job(session, job(tmp_path / "straight.exr", **asked))
    heard, ended = [], []
    cut = render_job(
        session,
        job(tmp_path / "cut.exr", **asked),
        ear=Ear(progress=heard.append, frame_done=ended.append),
        stop=lambda: reason if heard and heard[-1].samples >= 8 else "",
    )
    assert not cut and ended[0].stopped == reason
    assert ended[0].path == tmp_path / "cut.part" and not (tmp_path / "cut.exr").exists()
    assert render_job(session, job(tmp_path / "cut.exr", resume=True, **asked))
    assert sha256(tmp_path / "cut.exr") == sha256(tmp_path / "straight.exr")
    assert not (tmp_path / "cut.part").exists()


def test_resuming_a_sequence_keeps_its_finished_frames(session, tmp_path):
    def stop_in_second():
        return INTERRUPTED if heard and heard[-1].frame == 2 else ""

    heard, done = [], []
    whole = job(tmp_path / "f.####.exr", frames=(1, 2))
    assert not render_job(session, whole, ear=Ear(progress=heard.append), stop=stop_in_second)
    written = (tmp_path / "f.0001.exr").stat().st_mtime_ns
    again = job(tmp_path / "f.####.exr", frames=(1, 2), resume=True)
    assert render_job(session, again, ear=Ear(frame_done=done.append))
    assert [frame.skipped for frame in done] == [True, False]
    assert (tmp_path / "f.0001.exr").stat().st_mtime_ns == written
    render_job(session, job(tmp_path / "alone.exr", frames=(2,)))
    assert sha256(tmp_path / "f.0002.exr") == sha256(tmp_path / "alone.exr")


def test_partials_say_what_the_whole_is_to_be(session, tmp_path):
    crop = (0, 0, 32, HEIGHT)
    asked = {"settings": settings(samples=8, crop=crop), "partial": True, "whole_range": (0, 8)}
    assert render_job(session, job(tmp_path / "left.exr", **asked))
    header, layout = read_header(tmp_path / "left.part")
    assert header.region == (0, 0, WIDTH, HEIGHT) and header.total == (0, 8) and layout.crop == crop
    with pytest.raises(UsageError, match="32,0 to 64,40"):
        merge_partials([tmp_path / "left.part"])


def test_a_partial_that_is_finished_is_not_rendered_again(session, tmp_path):
    asked = {"partial": True, "resume": True, "settings": settings(samples=4)}
    render_job(session, job(tmp_path / "a.part", **asked))
    before = (tmp_path / "a.part").read_bytes()
    done = []
    render_job(session, job(tmp_path / "a.part", **asked), ear=Ear(frame_done=done.append))
    assert done[0].result.rays == 0 and (tmp_path / "a.part").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"settings": settings(samples=24, depth=3)}, "settings"),
        ({"settings": settings(samples=24, seed=1)}, "settings"),
        ({"settings": settings(samples=24, crop=(0, 0, 8, 8))}, "crop"),
        ({"settings": settings(samples=24, error=0.1)}, "settings"),
        ({"frames": (2,)}, "scene"),
        ({"scene": stage().replace("key", intensity=41.0)}, "scene"),
        ({"settings": settings(samples=24, first_sample=2)}, "samples"),
        ({"settings": settings(samples=2)}, "samples"),
    ],
)
def test_a_checkpoint_of_another_render_is_refused_by_name(session, flat, tmp_path, change, word):
    film = session.render_frame(flat, settings(samples=4)).film
    save_part(tmp_path / "f.part", film, header_of(flat, settings(samples=24), session.info))
    with pytest.raises(UsageError, match=word):
        render_job(session, job(tmp_path / "f.exr", resume=True, **change))


def test_a_checkpoint_of_another_build_or_device_is_refused(session, flat, tmp_path):
    asked = settings(samples=4)
    header = header_of(flat, asked, session.info)
    save_part(tmp_path / "f.part", session.render_frame(flat, asked).film, header)
    for field, word in (("build", "build"), ("backend", "backend"), ("device", "device class")):
        other = msgspec.structs.replace(header, **{field: "other"})
        with pytest.raises(UsageError, match=word):
            load_part(tmp_path / "f.part", other, layout_of(flat, asked))


def test_more_samples_can_be_added_to_a_partial(session, flat, tmp_path):
    few, many = settings(samples=4), settings(samples=24)
    save_part(tmp_path / "f.part", session.render_frame(flat, few).film, header_of(flat, few, session.info))
    film = load_part(tmp_path / "f.part", header_of(flat, many, session.info), layout_of(flat, many))
    added = session.render_frame(flat, many, film=film).film
    assert same_bits(added, session.render_frame(flat, many).film)


def test_a_film_without_samples_leaves_no_file(session, flat, tmp_path):
    result = session.render_frame(flat, settings(), stop=lambda: INTERRUPTED)
    assert not save_part(tmp_path / "f.part", result.film, header_of(flat, settings(), session.info))
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_stands_beside_its_picture():
    assert part_path(Path("out/frame.0001.exr")) == Path("out/frame.0001.part")
    assert part_path(Path("tile.part")) == Path("tile.part")
