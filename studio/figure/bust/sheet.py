"""The contact sheet by which the bust is judged: five light rigs from three sides, and six expressions.

    python -m studio.figure.bust.sheet SHEET.png [--cell 360x450] [--samples 48] [--identity NAME]

It is rendered by the path tracer and denoised. Each rig shows another person, or all the one that is named; the heads
turn in the light, as before a photographer.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.figure.bust.assemble import build_bust
from studio.figure.bust.light_rigs import RIGS, Rig, build_stage
from studio.scene.entities import Figure
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

CAST: tuple[str, ...] = ("ada", "farid", "ceres", "bela", "emi")  # of the rigs, in their order
ACTORS: tuple[str, ...] = ("dorian", "ines", "hugo", "greta", "luan", "ada")
TURNS_DEG: tuple[float, ...] = (0.0, 38.0, 90.0)
_AXIS_Z = -0.075  # of a turning head
_GAP = 6
_GROUND = (18, 18, 19)


def _both(name: str, weight: float) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "smile": {
        **_both("mouthSmile", 1.0),
        **_both("cheekSquint", 0.65),
        **_both("eyeSquint", 0.3),
        **_both("mouthUpperUp", 0.35),
        "jawOpen": 0.1,
    },
    "delight": {
        **_both("mouthSmile", 0.85),
        **_both("cheekSquint", 0.7),
        **_both("eyeSquint", 0.35),
        **_both("browOuterUp", 0.35),
        **_both("mouthLowerDown", 0.15),
        **_both("mouthUpperUp", 0.3),
        "browInnerUp": 0.3,
        "jawOpen": 0.34,
    },
    "anger": {
        **_both("browDown", 0.95),
        **_both("noseSneer", 0.5),
        **_both("eyeSquint", 0.3),
        **_both("mouthPress", 0.5),
        **_both("mouthFrown", 0.35),
    },
    "sorrow": {"browInnerUp": 0.9, **_both("mouthFrown", 0.6), **_both("eyeBlink", 0.22), "mouthShrugLower": 0.35},
    "surprise": {
        "browInnerUp": 0.9,
        **_both("browOuterUp", 0.85),
        **_both("eyeWide", 0.75),
        "jawOpen": 0.38,
        "mouthFunnel": 0.2,
    },
    "wink": {
        "eyeBlinkLeft": 1.0,
        "cheekSquintLeft": 0.5,
        "mouthSmileLeft": 0.65,
        "mouthSmileRight": 0.3,
        "browOuterUpRight": 0.5,
        "browDownLeft": 0.3,
    },
}


def posed(scene: Scene, expression: Mapping[str, float], *, turn_deg: float = 0.0) -> Scene:
    """The figures of a scene with an expression, turned about the upright by degrees, and held still."""
    half = np.radians(turn_deg) / 2
    out = scene
    for id_, entity in scene.entities.items():
        if isinstance(entity, Figure):
            weights = tuple(float(expression.get(name, 0.0)) for name in entity.controls)
            rotation = (0.0, float(np.sin(half)), 0.0, float(np.cos(half)))
            kept = (-_AXIS_Z * float(np.sin(2 * half)), 0.0, _AXIS_Z * (1 - float(np.cos(2 * half))))
            out = out.replace(
                id_, expression=weights, idle=0.0, rotation=rotation, translation=kept, look_weight=_gaze(turn_deg)
            )
    return out


def _to_key(rig: Rig) -> float:
    """1 or -1: the way a head turns towards the key light."""
    return 1.0 if rig.lamps[0].around > 0 else -1.0


def _gaze(turn_deg: float) -> float:
    """How far the eyes seek the camera: a face that turns away looks past it."""
    return float(np.clip(1.0 - abs(turn_deg) / 60.0, 0.0, 1.0))


def lit(scene: Scene, rig: str) -> Scene:
    """The stage with one rig on."""
    for other in RIGS:
        scene = scene.replace(other.name, muted=other.name != rig)
    return scene


def contact_sheet(path: Path, *, cell: tuple[int, int] = (360, 450), samples: int = 48, identity: str = "") -> None:
    """Render the sheet to a PNG; each cell is `cell` pixels. Takes minutes."""
    rows: list[list[Image]] = [[] for _ in TURNS_DEG]
    with tempfile.TemporaryDirectory() as kept:
        for rig, who in zip(RIGS, [identity] * 5 if identity else CAST, strict=True):
            stage = build_stage(build_bust(who), rig=rig.name)
            for row, turn in zip(rows, TURNS_DEG, strict=True):
                row.append(
                    _shot(posed(stage, {}, turn_deg=turn * _to_key(rig)), cell, samples, Path(kept) / "cell.png")
                )
        faces = []
        narrow = ((5 * cell[0] + 4 * _GAP - 5 * _GAP) // 6, cell[1])
        for (_, expression), who in zip(EXPRESSIONS.items(), [identity] * 6 if identity else ACTORS, strict=True):
            stage = build_stage(build_bust(who), rig="beauty" if who in ("ines", "greta") else "three point")
            faces.append(
                _shot(posed(_closer(stage), expression, turn_deg=-12.0), narrow, samples, Path(kept) / "cell.png")
            )
    _laid_out([*rows, faces], path)


def _closer(stage: Scene) -> Scene:
    """The stage with a lens that fills the frame with the face."""
    return stage.replace("portrait", focal_length_mm=104.0)


def _shot(scene: Scene, size: tuple[int, int], samples: int, path: Path) -> Image:
    """A picture of a scene, in memory."""
    from PIL import Image as Pictures

    from studio.render.still import render

    render(replace(scene, frame_start=1.0), size=size, samples=samples, denoise=True, camera="portrait", depth=6).save(
        path
    )
    sys.stderr.write(".")
    sys.stderr.flush()
    with Pictures.open(path) as picture:
        return picture.convert("RGB")


def _laid_out(rows: Sequence[Sequence[Image]], path: Path) -> None:
    """Rows of pictures on a dark ground, written to a file."""
    from PIL import Image as Pictures

    width = max(sum(p.width for p in row) + _GAP * (len(row) + 1) for row in rows)
    height = sum(row[0].height for row in rows) + _GAP * (len(rows) + 1)
    sheet = Pictures.new("RGB", (width, height), _GROUND)
    y = _GAP
    for row in rows:
        x = _GAP
        for picture in row:
            sheet.paste(picture, (x, y))
            x += picture.width + _GAP
        y += row[0].height + _GAP
    sheet.save(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Render the contact sheet of the default bust.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--cell", default="360x450", help="pixels of a cell")
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--identity", default="", help="one person for all cells")
    asked = parser.parse_args(arguments)
    wide, _, high = asked.cell.partition("x")
    contact_sheet(asked.output, cell=(int(wide), int(high)), samples=asked.samples, identity=asked.identity)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
