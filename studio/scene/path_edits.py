"""Operations on paths: new ones, and points added, moved and removed. Pure functions, like those of `edits`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import BadAsset
from studio.scene.entities import Id, Path
from studio.scene.paths import make_spline
from studio.scene.scene import Scene

F64 = NDArray[np.float64]


def points_of(scene: Scene, id_: Id) -> F64:
    """(k, 3) points of a path in its own space; BadAsset when it is no path."""
    path = scene.get(id_)
    if not isinstance(path, Path):
        raise BadAsset(f'"{path.name or id_}" is not a path.')
    return np.array(path.points[: len(path.points) // 3 * 3], np.float64).reshape(-1, 3)


def with_points(scene: Scene, id_: Id, points: ArrayLike) -> Scene:
    """The path with other points (k, 3), of its own space."""
    return scene.replace(id_, points=tuple(np.asarray(points, np.float64).reshape(-1).tolist()))


def add_path(scene: Scene, name: str, points: ArrayLike, *, closed: bool = False) -> tuple[Scene, Id]:
    """A new path at the top of the scene through points (k, 3) of the world; its origin is their middle."""
    at = np.asarray(points, np.float64).reshape(-1, 3)
    middle = (at.min(axis=0) + at.max(axis=0)) / 2 if len(at) else np.zeros(3)
    id_ = scene.free_id(name)
    own = tuple((at - middle).reshape(-1).tolist())
    x, y, z = middle.tolist()
    return scene.add(Path(id=id_, name=id_, points=own, closed=closed, translation=(x, y, z))), id_


def append_point(scene: Scene, id_: Id, at: Sequence[float] | None = None) -> Scene:
    """One more point at the end: at a place of the path's own space, or as far on as the last two are apart."""
    points = points_of(scene, id_)
    if at is None:
        last = points[-1] if len(points) else np.zeros(3)
        way = last - points[-2] if len(points) > 1 else np.array([1.0, 0.0, 0.0])
        at = (last + way).tolist()
    return with_points(scene, id_, np.concatenate([points, [at]]))


def insert_point(scene: Scene, id_: Id, after: int) -> Scene:
    """One more point on the curve, half way from point `after` to the next one; BadAsset when there is no next."""
    points, path = points_of(scene, id_), scene.get(id_)
    assert isinstance(path, Path)
    last = len(points) - (0 if path.closed and len(points) > 2 else 1)
    if not 0 <= after < last:
        raise BadAsset(f'There is nothing between point {after + 1} of "{path.name or id_}" and a next one.')
    spline = make_spline(points, closed=path.closed)
    middle = (points[after] + points[(after + 1) % len(points)]) / 2
    if spline is not None and len(spline.points) == len(points):  # no point is left out, so that numbers agree
        start = spline.progress_of(after)
        end = spline.progress_of(after + 1) if after + 1 < len(points) else 1.0
        middle = spline.at((start + end) / 2)[0]
    return with_points(scene, id_, np.insert(points, after + 1, middle, axis=0))


def remove_point(scene: Scene, id_: Id, index: int) -> Scene:
    """Without a point; BadAsset for the last ones, as a path needs two."""
    points = points_of(scene, id_)
    if not 0 <= index < len(points):
        raise BadAsset(f'"{scene.get(id_).name or id_}" has {len(points)} points and no point {index + 1}.')
    if len(points) <= 2:
        raise BadAsset("A path needs two points; delete the path itself instead.")
    return with_points(scene, id_, np.delete(points, index, axis=0))
