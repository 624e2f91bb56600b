"""The benchmarks: their measure is what it says, and their stand works on a tiny case. Nothing here asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import farm_scale, render
from benchmarks.peers import exchange
from benchmarks.stand import measure, plot, scenes

ROOT = Path(__file__).resolve().parents[1]


def noisy(scale: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A reference and a picture of it with relative noise of a known variance."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 2.0, (60, 80, 1)) * np.ones(3)
    return truth, truth * (1 + scale * rng.normal(size=(60, 80, 1)))


def test_relmse_is_the_relative_variance() -> None:
    truth, picture = noisy(0.1, 1)
    error, worst = measure.relative_error(picture, truth)
    # 4,800 squares of normals: three standard deviations of their mean, and what the epsilon and the cut take off
    assert error == pytest.approx(0.01, rel=3 * (2 / 4800) ** 0.5 + 0.02)
    assert worst > 8 * error


def test_relmse_leaves_lamps_and_fireflies_out() -> None:
    truth, picture = noisy(0.05, 2)
    before, _ = measure.relative_error(picture, truth)
    lit_truth, lit = truth.copy(), picture.copy()
    lit_truth[:2], lit[:2] = 100.0, 300.0  # a lamp, seen wrongly
    lit[10, 10] = 1e6  # a firefly
    after, worst = measure.relative_error(lit, lit_truth)
    assert after == pytest.approx(before, rel=0.1)
    assert worst > 1e6


def test_relmse_agrees_with_the_shared_measure(shared: Path) -> None:
    path = shared / "bench" / "error.py"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    space: dict[str, object] = {"__name__": "error"}
    exec(compile(path.read_text(), str(path), "exec"), space)
    theirs = space["relmse"]
    assert callable(theirs)
    truth, picture = noisy(0.3, 3)
    assert measure.relative_error(picture, truth) == pytest.approx(theirs(picture, truth), rel=1e-12)


def test_a_black_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="black"):
        measure.relative_error(np.ones((4, 4, 3)), np.zeros((4, 4, 3)))


@pytest.mark.parametrize("name", [*scenes.OWN, "hall:20", "hall:20:point"])
def test_own_scenes_can_be_given_to_every_renderer(name: str, tmp_path: Path) -> None:
    flat = scenes.flat(name)
    plain = exchange.plain(flat)
    exchange.write(plain, tmp_path / "scene.npz")
    back = exchange.read(tmp_path / "scene.npz")
    assert back["camera"] == plain["camera"] and back["materials"] == plain["materials"]
    triangles = sum(len(mesh["f"]) for mesh in back["meshes"])
    assert triangles == sum(len(flat.meshes[i["mesh"]].mesh.triangles) for i in flat.instances)
    lamps = sum(max(back["materials"][mesh["material"]]["emit"]) > 0 for mesh in back["meshes"])
    assert lamps + len(back["lights"]) == len(flat.lights) >= 20


def test_what_others_cannot_draw_alike_is_refused() -> None:
    from studio.assets import demo
    from studio.scene.flatten import flatten

    with pytest.raises(ValueError, match="neither Lambert nor plain metal"):
        exchange.plain(flatten(demo.build("rooms"), 1.0))


def test_ours_and_mitsuba_see_the_same_hall(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="mitsuba is not installed")
    plain = tmp_path / "hall.npz"
    exchange.write(exchange.plain(scenes.flat("hall:6")), plain)
    job = render.Job(scene="hall:6", plain=plain, samples=512, size=(32, 18), seed=0, threads=2, device="cpu")
    ours, seconds = render.run("ours", job)
    theirs, _ = render.run("mitsuba-scalar", job)
    assert ours.shape == theirs.shape == (18, 32, 3)
    assert {"wall", "cpu", "build", "learn"} <= seconds.keys()
    # the few pixels that see a lamp, and noise of about 1 % in the middle one, do not count
    assert np.median(ours) / np.median(theirs) == pytest.approx(1.0, abs=0.05)


def test_a_comparison_reports_cost_and_says_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MYRIAD_REFERENCES", str(tmp_path))
    monkeypatch.delenv("MYRIAD_BPY_PYTHON", raising=False)
    options = ["hall:6", "--samples", "2", "--size", "32x18", "--reference-samples", "8", "--peers", "cycles"]
    rows = list(render.measure(render.parsed(options)))
    ours, cycles = rows
    assert ours["cost"] == pytest.approx(ours["wall"] * ours["rel_mse"])
    assert ours["cost_cpu"] == pytest.approx(ours["cpu"] / 2 * ours["rel_mse"])
    assert len(ours["load_average"]) == 3
    assert "MYRIAD_BPY_PYTHON" in cycles["left_out"] and "cost" not in cycles
    assert len(list(tmp_path.glob("hall-6-32x18-8-*.npz"))) == 1
    measure.report(rows, render.COLUMNS, as_json=False, markdown=True, command="render.py")
    text = capsys.readouterr().out
    assert text.count("\n|") == 4 and "| cycles |" in text


def test_a_scene_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        render.parsed(["nowhere"])
    assert "nowhere" in capsys.readouterr().err


SMALL = {
    "bvh": ["--triangles", "4000", "--rays", "1000"],
    "lights": ["--lamps", "4,8", "--turns", "1", "--samples", "1", "--size", "32x18"],
    "farm": ["dispatch", "--calls", "8", "--alone"],
}


@pytest.mark.parametrize("name", list(SMALL))
def test_benchmarks_print_rows_as_json(name: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--json", *SMALL[name]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: a target is not met, as on a machine that does other things too
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"what", "unit", "value", "load_average"} <= rows[0].keys()
    assert any("target" in row and "met" in row for row in rows)


def test_a_curve_lies_where_its_numbers_are() -> None:
    across, up = plot.Axis("nodes", 1, 100, (1, 10, 100), log=True), plot.Axis("times", 0, 50, (0, 50))
    text = plot.drawing("A & B", across, up, [plot.Curve("ours", [(1, 0), (10, 25), (100, 50)])])
    root = ElementTree.fromstring(text)
    line = root.find("{http://www.w3.org/2000/svg}polyline")
    assert line is not None
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.attrib["points"].split())
    assert (
        x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
        and y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
        and x0 < x2
        and y2 < y0
    )
    assert "A &amp; B" in text and "#000" not in text and "<rect" not in text, "readable on light and dark pages"


def test_the_scale_is_told_with_its_aims() -> None:
    rows = farm_scale.frame_rows(farm_scale.Curves(1.0))
    assert [row["nodes"] for row in rows] == list(farm_scale.NODES)
    assert all(0.0 < row["percent"] <= 100.0 and row["paid_h"] >= 1.0 for row in rows)
    assert {row["nodes"] for row in rows if row["target"]} == {64, 128, 1000}
