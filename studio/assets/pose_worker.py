"""The process that draws poses: `python -P -m studio.assets.pose_worker`.

The first line of its standard input is a project, a figure's part of a scene (`studio.assets.pose_stage`). Requests
follow, one JSON object a line, and each is answered by one line when its picture is written. It draws with the
viewport's renderer without a window, in a process of its own at low priority: the window goes on, and a driver that
falls takes nothing with it.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import msgspec
import numpy as np

from studio.errors import CannotWrite, StudioError
from studio.scene.expression_edits import Pose

SIDE_PX = 160
_SAMPLES = 2
_BACKGROUND = (0.135, 0.135, 0.14)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A picture to draw: of a pose, as the PNG `target`."""

    key: str
    pose: Pose
    target: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How it went: `sentence` is "" or why there is none."""

    key: str
    sentence: str = ""


class PoseDrawer:
    """Draws poses of one figure; device, renderer and stage are made once."""

    def __init__(self, project: Path) -> None:
        from studio.assets.load import load_scene
        from studio.assets.pose_stage import framed, pose_stage
        from studio.scene.flat import FlatScene
        from studio.viewport.device import Device
        from studio.viewport.renderer import Renderer
        from studio.viewport.targets import Target

        scene, _ = load_scene(project)
        self._stage = framed(pose_stage(scene))
        self._flat: FlatScene | None = None
        self._device = Device.offscreen()
        self._renderer, self._target = Renderer(self._device), Target(self._device, SIDE_PX, SIDE_PX)

    def draw(self, pose: Pose) -> bytes:
        """A pose as a PNG."""
        from PIL import Image

        from studio.assets.pose_stage import posed
        from studio.scene.flatten import flatten
        from studio.viewport.camera import ViewCamera
        from studio.viewport.view import Look, Quality

        scene = posed(self._stage, pose)
        self._flat = flat = flatten(scene, scene.frame_start, previous=self._flat)
        self._renderer.sync(flat)
        camera, look = ViewCamera.of(flat.camera), Look(background=_BACKGROUND)
        self._target.state = None
        for _ in range(_SAMPLES):
            self._renderer.draw(
                self._target, camera, look, quality=Quality.STILL, samples=_SAMPLES, shadow_seconds=60.0
            )
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self._target.read()[..., :3])).save(out, "PNG", compress_level=4)
        return out.getvalue()

    def close(self) -> None:
        """Give everything back."""
        self._target.release()
        self._renderer.release()
        self._device.release()


def _write(target: Path, data: bytes) -> None:
    passing = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(data)
        os.replace(passing, target)
    except OSError as fault:
        raise CannotWrite(f"The picture of a pose could not be kept ({fault.strerror or fault}).") from fault


def main() -> int:
    """Answer requests until the input ends."""
    if hasattr(os, "nice"):
        os.nice(12)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    drawer: PoseDrawer | None = None
    project = Path(sys.stdin.buffer.readline().decode().rstrip("\n"))
    try:
        for line in sys.stdin.buffer:
            request = msgspec.json.decode(line, type=Request)
            answer = Answer(key=request.key)
            try:
                drawer = drawer or PoseDrawer(project)
                _write(Path(request.target), drawer.draw(request.pose))
            except StudioError as fault:
                answer = Answer(key=request.key, sentence=str(fault))
            answers.write(msgspec.json.encode(answer) + b"\n")
            answers.flush()
            if answer.sentence:
                return 1  # what ails one ails all
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    finally:
        if drawer is not None:
            drawer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
