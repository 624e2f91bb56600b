"""A figure for tests: a ball of a head with all 52 shapes as small pushes where a face has them, made by code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio.assets.demo.shapes import sphere
from studio.scene.arkit import ARKIT
from studio.scene.entities import Figure, MeshObject
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.scene import Scene

FACE, HEAD = "face", "head"
RADIUS = 0.1  # metres; it looks along +z
# where on the front shapes act (x to the figure's left, y up), and which way they push
_WHERE = {
    "brow": ((0.035, 0.045), (0.0, 0.006, 0.0)),
    "eyeLook": ((0.033, 0.025), (0.0, 0.0, 0.002)),
    "eye": ((0.033, 0.025), (0.0, -0.006, 0.0)),
    "nose": ((0.012, -0.005), (0.0, 0.005, 0.0)),
    "cheek": ((0.05, -0.01), (0.0, 0.006, 0.004)),
    "jaw": ((0.0, -0.07), (0.0, 0.0, 0.006)),
    "mouth": ((0.025, -0.035), (0.0, 0.0, 0.003)),
    "tongue": ((0.0, -0.04), (0.0, 0.0, 0.02)),
}
_WAYS = {
    "jawOpen": (0.0, -0.02, 0.0),
    "mouthSmile": (0.006, 0.008, 0.0),
    "jawLeft": (0.012, 0.0, 0.0),
    "jawRight": (-0.012, 0.0, 0.0),
    "mouthFrown": (0.0, -0.008, 0.0),
    "mouthStretch": (0.01, -0.001, 0.0),
    "mouthPucker": (-0.008, 0.0, 0.008),
    "mouthFunnel": (-0.004, 0.0, 0.01),
    "browDown": (0.0, -0.006, 0.0),
}


def head_mesh() -> Mesh:
    """The ball with its morphs."""
    ball = sphere(RADIUS, segments=48)
    points = np.asarray(ball.positions, np.float64)
    morphs = []
    for name in ARKIT:
        start = next(key for key in _WHERE if name.startswith(key))
        (x, y), way = _WHERE[start]
        way = next((w for key, w in _WAYS.items() if name.startswith(key)), way)
        sides = {"Left": (1.0,), "Right": (-1.0,)}.get(name[-4:] if name.endswith("Left") else name[-5:], (1.0, -1.0))
        if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            sides = (1.0, -1.0)
        delta = np.zeros_like(points)
        for side in sides:
            away = np.hypot(points[:, 0] - side * x, points[:, 1] - y)
            share = np.exp(-((away / 0.025) ** 2)) * (points[:, 2] > 0)
            turned = np.array(way) * ((side, 1.0, 1.0) if name not in ("jawLeft", "jawRight") else (1.0, 1.0, 1.0))
            delta += share[:, None] * turned
        moved = np.flatnonzero(np.linalg.norm(delta, axis=1) > 1e-5)
        morphs.append(Morph(name, moved.astype(np.uint32), delta[moved].astype(np.float32)))
    return make_mesh(ball.positions, ball.triangles, normals=ball.normals, uv0=ball.uv, morphs=morphs)


def face_scene(**values: object) -> Scene:
    """A scene of one figure, "face", whose head is an object, "head". `values` are fields of the figure."""
    mesh = head_mesh()
    figure = Figure(id=FACE, name="Ball", **values)  # type: ignore[arg-type]  # fields by name
    head = MeshObject(id=HEAD, name="Head", parent=FACE, mesh=mesh.key, morph_weights=(0.0,) * len(mesh.morphs))
    return replace(Scene(name="face"), frame_end=48).add(mesh, figure, head)
