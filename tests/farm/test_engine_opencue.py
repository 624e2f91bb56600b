"""What is written for OpenCue: the specification, its order, its words, and that its commands render."""

from __future__ import annotations

import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from studio.errors import Unsupported, UsageError
from studio.farm.engines.engine import open_engine
from studio.farm.engines.manager_plan import plan
from studio.farm.engines.opencue import OpenCue
from studio.farm.model import Needs
from studio.render.settings import RenderSettings
from tests.farm.engine_jobs import alone, golden, in_store, job_in, job_of, project_in

# the order in which cjsl-1.15.dtd wants a layer's elements
ORDER = ("cmd", "range", "chunk", "cores", "threadable", "memory", "gpus", "gpu", "gpu_memory", "timeout")


def engine_in(folder: Path) -> OpenCue:
    return OpenCue(folder, slices=3, show="hall", shot="sh010", user="ada")


def test_a_submission_is_what_it_was() -> None:
    needs = Needs(trust=1, memory_bytes=3 << 30, device_memory_bytes=8 << 30, backend="cuda")
    job = msgspec.structs.replace(
        job_of("0" * 64, frames=3, samples=256, needs=needs),
        settings=RenderSettings(width=640, height=360, samples=256, cryptomatte=True),
        camera="Camera A's; rm -rf /\nnext",
    )
    texts = engine_in(Path("/farm")).texts(plan(job, 3), Path("/farm/room-1"))
    for name, text in texts.items():
        golden(f"opencue-{name}", text)
    assert len(texts["commands.txt"].splitlines()) == 9 and len(texts["merges.txt"].splitlines()) == 3
    words = shlex.split(texts["commands.txt"].splitlines()[0])
    assert words[:2] == ["studio", "render"] and "--camera=Camera A's; rm -rf / next" in words


def test_the_specification_has_the_order_of_its_dtd() -> None:
    job = job_of("0" * 64, frames=4, needs=Needs(trust=1, memory_bytes=1, device_memory_bytes=1))
    root = ET.fromstring(engine_in(Path("/farm")).texts(plan(job, 3), Path("/farm/room-1"))["job.xml"])
    assert [child.tag for child in root] == ["show", "shot", "user", "job", "depends"]
    layers = root.findall("job/layers/layer")
    assert [layer.get("name") for layer in layers] == ["render_s0", "render_s10", "render_s20", "merge"]
    for layer in layers:
        places = [ORDER.index(child.tag) for child in layer]
        assert places == sorted(places)
        assert "#IFRAME#" in (layer.findtext("cmd") or "")
    assert [d.findtext("onlayer") for d in root.findall("depends/depend")] == ["render_s0", "render_s10", "render_s20"]


def test_what_it_cannot_do_is_refused(tmp_path: Path) -> None:
    engine = OpenCue(tmp_path, slices=100)
    assert "at the most" in engine.check(job_of("0" * 64))[-1]
    with pytest.raises(UsageError, match="at the most"):
        engine.submit(job_of("0" * 64), str(tmp_path / "store"), "room-1")
    assert isinstance(open_engine("opencue", str(tmp_path)), OpenCue)


@pytest.mark.slow
def test_its_commands_render_what_one_process_renders(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    job = job_in(tmp_path / "store", project)
    studio = str(Path(sys.executable).with_name("studio"))
    engine = OpenCue(tmp_path / "farm", slices=2, studio=studio, device="cpu")
    ref = engine.submit(job, str(tmp_path / "store"), "room-1")
    assert engine.submit(job, str(tmp_path / "store"), "room-1") == ref
    for name in ("commands.txt", "merges.txt"):
        for line in (Path(ref.address) / name).read_text().splitlines():
            subprocess.run(shlex.split(line), check=True, capture_output=True)
    assert (Path(ref.address) / "output" / "room.0001.exr").exists()
    assert engine.status(ref).state == "done"
    assert in_store(tmp_path / "store", "room-1") == alone(project, job)
    with pytest.raises(Unsupported):
        engine.cancel(ref)
