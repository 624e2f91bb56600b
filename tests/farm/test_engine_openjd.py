"""Job bundles of Open Job Description: what is written, that the standard's own tools take it, and that it renders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from studio.command_line.values import sample_range
from studio.errors import Unsupported, UsageError
from studio.farm.bundles.bundle import make_bundle
from studio.farm.engines.engine import Ref, engines, progress
from studio.farm.engines.manager_plan import PARTS, faults, harvest, plan, range_text
from studio.farm.engines.openjd import OpenJdEngine, parameter_values, template
from studio.farm.jobs import RenderJob, read_job, write_job
from studio.farm.model import Needs, Piece
from studio.farm.store import open_store
from studio.render.frames import parse_frames
from studio.render.settings import RenderSettings
from tests.farm.engine_jobs import alone, golden, in_store, job_in, job_of, project_in

OPENJD = Path(sys.executable).with_name("openjd")
needs_openjd = pytest.mark.skipif(not OPENJD.exists(), reason="openjd-cli is not installed (dev extra)")


def replaced(job: RenderJob, **values: object) -> RenderJob:
    return msgspec.structs.replace(job, **values)  # type: ignore[arg-type]


def openjd(*words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(OPENJD), *words], capture_output=True, text=True, timeout=timeout, check=False)


def text_of(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_in(tmp_path_factory.mktemp("openjd"))


@pytest.fixture
def bundle(tmp_path: Path, project: Path) -> tuple[OpenJdEngine, Ref, RenderJob]:
    job = job_in(tmp_path / "store", project, frames=2)
    studio = str(Path(sys.executable).with_name("studio"))
    engine = OpenJdEngine(tmp_path / "bundles", slices=3, studio=studio, device="cpu")
    return engine, engine.submit(job, str(tmp_path / "store"), "room-1"), job


def test_a_bundle_is_what_it_was() -> None:
    needs = Needs(trust=1, memory_bytes=3 << 30, device_memory_bytes=8 << 30, backend="cuda")
    job = replaced(
        job_of("0" * 64, frames=12, samples=256, needs=needs),
        settings=RenderSettings(width=640, height=360, samples=256, aovs=("albedo", "normal"), cryptomatte=True),
        look={"denoise": True, "compression": "piz"},
        camera="Camera A",
    )
    planned = plan(job, 8)
    golden("openjd-template.json", text_of(template(planned)))
    golden("openjd-parameter_values.json", text_of(parameter_values(planned)))


@pytest.mark.parametrize(
    "numbers", [[1], [1, 2], [1, 3], [1, 2, 3], [1, 3, 5, 7], [5, 1, 9], [0, 32, 64, 65], [-3, -1, 1]]
)
def test_a_range_of_frames_is_read_back(numbers: list[int]) -> None:
    assert parse_frames(range_text(numbers)) == sorted(numbers)


def test_a_slice_is_so_many_samples_from_one_and_ends_with_the_frame() -> None:
    assert sample_range("20+10", 64) == (20, 30)
    assert sample_range("20+16", 30) == (20, 30)
    assert sample_range("20:30") == (20, 30)
    for text in ("20+0", "30+4", "+4", "4+"):
        with pytest.raises(UsageError):
            sample_range(text, 30)


def test_the_slices_cover_a_frame_once() -> None:
    for samples, slices in ((30, 3), (31, 3), (7, 100), (1, 1)):
        planned = plan(job_of("0" * 64, samples=samples), slices)
        got = [n for a in planned.firsts for n in range(a, min(a + planned.size, samples))]
        assert got == list(range(samples))


def test_what_a_manager_cannot_render_is_said() -> None:
    job = job_of("0" * 64, frames=2)
    assert faults(job) == []
    assert "tiles" in faults(_with_pieces(job, Piece(frame=1.0, samples=30, crop=(0, 0, 8, 8))))[0]
    assert "whole numbers" in faults(_with_pieces(job, Piece(frame=1.5, samples=30)))[0]
    assert "as many" in faults(_with_pieces(job, Piece(frame=1.0, samples=3), Piece(frame=2.0, samples=4)))[0]
    own = replaced(job, spec=msgspec.structs.replace(job.spec, needs=Needs()))
    assert faults(own) == ["The room may be seen by this machine alone; allow the studio's machines too"]
    assert "daptive" in faults(replaced(job, settings=RenderSettings(error=0.02)))[0]
    with pytest.raises(UsageError, match="slices"):
        plan(job, 0)


def _with_pieces(job: RenderJob, *pieces: Piece) -> RenderJob:
    return replaced(job, spec=msgspec.structs.replace(job.spec, pieces=pieces))


def test_submitting_twice_is_once_and_another_job_is_refused(
    tmp_path: Path, bundle: tuple[OpenJdEngine, Ref, RenderJob]
) -> None:
    engine, ref, job = bundle
    assert engine.submit(job, ref.store, "room-1") == ref
    with pytest.raises(UsageError, match="another job"):
        OpenJdEngine(engine.folder, slices=2).submit(job, ref.store, "room-1")
    with pytest.raises(UsageError):
        engine.submit(job, ref.store, "../room")
    assert sorted(path.name for path in engine.folder.iterdir()) == ["room-1"]


def test_what_it_cannot_do_is_refused(bundle: tuple[OpenJdEngine, Ref, RenderJob]) -> None:
    engine, ref, _ = bundle
    assert engines()["openjd"] is OpenJdEngine and not engine.capabilities().cancels
    with pytest.raises(Unsupported):
        engine.cancel(ref)
    with pytest.raises(Unsupported):
        engine.logs(ref)


@needs_openjd
def test_openjd_takes_the_template(bundle: tuple[OpenJdEngine, Ref, RenderJob]) -> None:
    said = openjd("check", f"{bundle[1].address}/template.json")
    assert said.returncode == 0, said.stdout + said.stderr


@needs_openjd
@pytest.mark.slow
def test_openjd_renders_what_one_process_renders(bundle: tuple[OpenJdEngine, Ref, RenderJob], project: Path) -> None:
    engine, ref, job = bundle
    assert engine.status(ref).done == 0
    words = ("--step", "Merge", "--run-dependencies", "-p", "FramesPerTask=2")
    said = openjd("run", f"{ref.address}/template.json", *words, "--output", "json")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "openjd_progress: 100" in said.stdout and "openjd_progress: 50" in said.stdout
    pictures = sorted(path.name for path in engine.output(ref).glob("*.exr"))
    assert pictures == ["room.0001.exr", "room.0002.exr"]
    stands = engine.status(ref)
    assert (stands.state, stands.done) == ("done", 60), stands
    store = Path(ref.store)
    assert in_store(store, "room-1") == alone(project, job)
    # a partial that was damaged never counts
    parts = engine.output(ref) / PARTS
    first = parts / "f1.s0.part"
    first.write_bytes(first.read_bytes()[:-40] + bytes(40))
    other = open_store(store.with_name("another"))
    make_bundle(project, other)
    write_job(other, job)
    wrong = harvest(read_job(other, "room-1"), other, parts)
    assert len(wrong) == 1 and wrong[0].startswith("f1.s0.part: ")
    assert progress(other, "room-1") == (50, 60)
