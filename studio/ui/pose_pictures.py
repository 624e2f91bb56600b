"""Pictures of poses: the figure in hand, drawn in each by a process of its own, and kept on disk.

What is wanted is said again and again, in order; pictures that were drawn before come from the disk. The process is
fed a figure's part of the scene once, ends when there is nothing to draw, and is ended when the figure looks otherwise.
Where it cannot draw (no OpenGL without a window), it is not asked again for this figure, and poses keep their drawn
faces.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QPixmap

from studio.assets.pose_worker import Answer, Request
from studio.assets.thumbnails import cache_folder
from studio.commands.expression_desk import ExpressionDesk
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene.expression_edits import Pose
from studio.scene.scene import Scene
from studio.ui.bridge import Bridge

_SETTLE_MS = 900  # after the figure's looks changed, before pictures of it are asked for
_MOST_FIGURES = 24  # of whom pictures are kept on disk


class PosePictures(QObject):
    """See the module. `came` tells that there is one picture more, or that all are others."""

    came = Signal()

    def __init__(self, studio: Studio, bridge: Bridge, faces: ExpressionDesk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self._bridge, self._faces = studio, bridge, faces
        self._pixmaps: dict[str, QPixmap] = {}
        self._wanted: dict[str, Pose] = {}
        self._figure = ""  # key of how the figure looks
        self._given_up: set[str] = set()
        self._looks: tuple[object, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.sentence = ""  # why there are none
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._timer.timeout.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether pictures are being drawn, or will be soon."""
        return self._process is not None or self._timer.isActive()

    def picture(self, pose: Pose) -> QPixmap | None:
        """The picture of a pose, None while there is none."""
        from studio.assets.pose_stage import pose_key

        return self._pixmaps.get(pose_key(pose))

    def want(self, poses: Iterable[Pose]) -> None:
        """Have pictures of these, in this order."""
        from studio.assets.pose_stage import pose_key

        self._wanted = {pose_key(pose): pose for pose in poses}
        self.follow()

    def follow(self) -> None:
        """The scene is another: look again soon, if the figure may look otherwise or pictures are missing."""
        scene, id_ = self._studio.scene, self._faces.id
        if not id_:
            return
        parts = [i for i in scene.descendants([id_]) if i != id_]
        looks = (id_, scene.materials, scene.images, *(scene.entities.get(i) for i in parts))
        same = len(looks) == len(self._looks) and all(a is b for a, b in zip(looks, self._looks, strict=True))
        if not same or self._wanted.keys() - self._pixmaps.keys():
            if not same or not self._timer.isActive():
                self._timer.start()
            self._looks = looks

    # --- drawing -----------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """See how the figure looks, and begin."""
        id_, scene = self._faces.id, self._studio.scene
        if not id_ or self._closed:
            return
        from studio.assets.pose_stage import part_key

        try:
            key = part_key(scene, id_)
        except StudioError as fault:
            self.sentence = str(fault)
            return
        if key != self._figure:
            self._figure = key
            self._pixmaps.clear()
            self._stop()
            self.came.emit()
        if self._process is not None or key in self._given_up:
            return
        folder = cache_folder() / "poses" / key
        missing = {k: p for k, p in self._wanted.items() if k not in self._pixmaps}
        for pose_key in list(missing):
            if self._load(pose_key, folder):
                del missing[pose_key]
        if missing:
            self._begin(key, folder, scene, missing)
        self.came.emit()

    def _load(self, pose_key: str, folder: Path) -> bool:
        pixmap = QPixmap(str(folder / f"{pose_key}.png"))
        if pixmap.isNull():
            return False
        self._pixmaps[pose_key] = pixmap
        return True

    def _begin(self, key: str, folder: Path, scene: Scene, missing: dict[str, Pose]) -> None:
        id_ = self._faces.id
        requests = [Request(key=k, pose=p, target=str(folder / f"{k}.png")) for k, p in missing.items()]
        process = self._process = _started()

        def work() -> None:
            sentence = self._draw(process, scene, id_, requests, folder)
            self._bridge.post(lambda: self._ended(process, key, sentence))

        # a thread of its own: those of the bridge are for files that somebody waits for
        threading.Thread(target=work, name="pose-pictures", daemon=True).start()

    def _draw(
        self, process: subprocess.Popen[bytes], scene: Scene, id_: str, requests: list[Request], folder: Path
    ) -> str:
        """On a thread: feed the process and hand on what it answers; gives why it stopped, "" when it did all."""
        from studio.assets.pose_stage import figure_part
        from studio.scene.project import save_project

        assert process.stdin is not None and process.stdout is not None
        place = Path(tempfile.mkdtemp(prefix="myriad-poses-"))
        sentence = ""
        try:
            _sweep(folder)
            save_project(figure_part(scene, id_), place / "figure.studio")
            process.stdin.write(str(place / "figure.studio").encode() + b"\n")
            for request in requests:
                process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.close()
            for line in process.stdout:
                answer = msgspec.json.decode(line, type=Answer)
                sentence = answer.sentence
                if not sentence:
                    self._bridge.post(partial(self._drawn, process, answer.key, folder))
        except StudioError as fault:
            sentence = str(fault)
        except (OSError, ValueError):  # it was ended, or ended itself
            sentence = sentence or "Pictures of poses cannot be drawn here."
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.stdout.close()
            code = process.wait()
            shutil.rmtree(place, ignore_errors=True)
        return sentence or ("" if code == 0 else "Pictures of poses cannot be drawn here.")

    def _drawn(self, process: subprocess.Popen[bytes], pose_key: str, folder: Path) -> None:
        if process is self._process and self._load(pose_key, folder):
            self.came.emit()

    def _ended(self, process: subprocess.Popen[bytes], key: str, sentence: str) -> None:
        if process is not self._process:
            return
        self._process = None
        self.sentence = sentence
        if sentence:
            self._given_up.add(key)
        elif self._wanted.keys() - self._pixmaps.keys():
            self._timer.start()
        self.came.emit()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()

    def close(self) -> None:
        """Draw nothing any more."""
        self._closed = True
        self._timer.stop()
        self._stop()


def _started() -> subprocess.Popen[bytes]:
    """The process that draws, waiting for what to draw."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "studio.assets.pose_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _sweep(folder: Path) -> None:
    """Forget pictures of figures that were not asked for since long, beside `folder`."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        others = sorted((p for p in folder.parent.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        for old in others[:-_MOST_FIGURES]:
            shutil.rmtree(old, ignore_errors=True)
