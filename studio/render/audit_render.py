"""The quick renders of an audit: a small picture with every light apart, twice, and what its lights' samples cost.

Two pictures with seeds of their own are two independent halves, of which `light_audit` takes what is noise. Lights that
something is made not to block are rendered once more with everything in their way, and lights that are proposed to be
linked once more with the samples on every object told apart. All in a worker of its own, below the window.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.errors import Cancelled, UsageError
from studio.render.cryptomatte import matte_ids
from studio.render.film import Array, Crop, Film
from studio.render.layer_plan import LayerPlan, plan_layers
from studio.render.light_audit import Auditor, Finding, Shot, findings, in_order
from studio.render.session import INTERRUPTED, FrameProgress, RenderSession
from studio.render.settings import RenderSettings
from studio.scene import color, linking
from studio.scene.entities import Id, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import KINDS, Light
from studio.scene.placement import placement
from studio.scene.scene import Scene

PIXELS = 160 * 90
SAMPLES = 32
DEPTH = 8
_LAYER_BYTES = 256 << 20  # of both halves
_NICENESS = 10
_SEEDS = (11, 12, 13)
_LABELLED = 1 << 20  # pairs of a light and an object whose samples are told apart
_COVERED = 0.02  # of one pixel that an object must show somewhere to count as seen

F32 = NDArray[np.float32]


class _Layers:
    """Takes the layers of a frame into memory, see `studio.render.session.LayerSink`."""

    def __init__(self, plan: LayerPlan, width: int, height: int) -> None:
        self.plan = plan
        self.pixels = np.zeros((plan.count, height, width, 3), np.float32)

    def holds(self, strip: Crop, film: Film) -> bool:
        """Never: each frame is made anew."""
        return False

    def take(self, strip: Crop, cell: Crop, halves: Array, floats: Array) -> None:
        """Keep the layers of a cell."""
        x0, y0, x1, y1 = cell
        for numbers, lines in ((self.plan.halves, halves), (self.plan.floats, floats)):
            for number, picture in zip(numbers, lines, strict=True):
                self.pixels[number, y0:y1, x0:x1] = picture.transpose(0, 2, 1)[..., ::-1]

    def strip_done(self, strip: Crop, film: Film) -> None:
        """Everything was kept already."""


class _Passes:
    """Several renders of one audit by one worker."""

    def __init__(
        self, session: RenderSession, size: tuple[int, int], stop: Callable[[], bool], told: Callable[[float], None]
    ) -> None:
        self.session, self.size, self._stop, self._told = session, size, stop, told
        self.passes, self.done = 2, 0

    def render(self, flat: FlatScene, *, samples: int, seed: int, aovs: tuple[str, ...] = ()) -> tuple[Film, _Layers]:
        """A film and its layers; `Cancelled` where nobody waits for them."""
        width, height = self.size
        settings = RenderSettings(
            width=width, height=height, samples=samples, depth=DEPTH, seed=seed, aovs=aovs, light_layers=True
        )
        plan, _ = plan_layers(flat)
        layers = _Layers(plan, width, height)

        def progress(now: FrameProgress) -> None:
            self._told(min((self.done + now.samples / max(now.of, 1)) / self.passes, 1.0))

        result = self.session.render_frame(
            flat, settings, stop=lambda: INTERRUPTED if self._stop() else "", progress=progress, layers=layers
        )
        if result.stopped:
            raise Cancelled("the audit was cancelled")
        self.done += 1
        self._told(self.done / self.passes)
        return result.film, layers

    def weigh(self, flat: FlatScene, *, seed: int) -> NDArray[np.float64]:
        """(sets, lights) Shares of the samples that the lights of a scene take."""
        width, height = self.size
        settings = RenderSettings(width=width, height=height, samples=1, depth=DEPTH, seed=seed)
        self.session.render_frame(flat, settings, stop=lambda: INTERRUPTED if self._stop() else "")
        if self._stop():
            raise Cancelled("the audit was cancelled")
        self.done += 1
        return self.session.pick_shares()


def shares_of(flat: FlatScene, rows: NDArray[np.float64]) -> dict[Id, float]:
    """Shares of rows of lights as shares of the lights that have them."""
    out: dict[Id, float] = {}
    for row, share in zip(flat.lights, rows, strict=True):
        id_ = flat.light_ids[row["entity"]]
        out[id_] = out.get(id_, 0.0) + float(share)
    return out


def run_audit(
    scene: Scene,
    frame: float,
    *,
    camera: Id = "",
    size: tuple[int, int] = (16, 9),
    view: str = color.DEFAULT_VIEW,
    display: str = color.DISPLAY,
    samples: int = SAMPLES,
    pixels: int = PIXELS,
    device: str = "auto",
    threads: int = 0,
    session: RenderSession | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Auditor, tuple[Finding, ...]]:
    """Render a shot quickly and say what is found about its lights, with the auditor that knows any choice of them.

    `size` is the final picture's, for its shape; `samples` are those of both halves together. The exposure is the
    camera's, or measured where it has none. Raises `UsageError` where nothing shines, `Cancelled` when `stop` says so,
    and what a render raises. It is a matter of seconds, and of a minute for hundreds of lights on few cores.
    """
    flat = flatten(scene, frame, camera=camera)
    if not len(flat.lights):
        raise UsageError("nothing shines in this frame; add a light, or unmute one, before auditing")
    plan, _ = plan_layers(flat)
    small = quick_size(size, plan.count, pixels)

    def audited(worker: RenderSession) -> tuple[Auditor, tuple[Finding, ...]]:
        passes = _Passes(worker, small, stop, progress)
        shot = _shot(scene, flat, passes, camera, samples)
        auditor = Auditor(replace(shot, view=view, display=display), stop=stop)
        found = findings(auditor)
        if stop():
            raise Cancelled("the audit was cancelled")
        found = _weighed(flat, passes, auditor.shot, found)
        progress(1.0)
        return auditor, found

    if session is not None:
        return audited(session)
    with RenderSession(device=device, threads=threads, every_aov=True) as own:
        _give_way(own.worker_pid)
        return audited(own)


def _shot(scene: Scene, flat: FlatScene, passes: _Passes, camera: Id, samples: int) -> Shot:
    """The renders of a shot."""
    _, owners = plan_layers(flat)
    ids = tuple(flat.light_ids[owner] for owner in owners)
    opened = _opened(scene, ids)
    passes.passes = 3 + bool(opened)
    half = max(samples // 2, 1)
    parts = [passes.render(flat, samples=half, seed=seed, aovs=("emission", "crypto_object")) for seed in _SEEDS[:2]]
    shares = shares_of(flat, passes.session.pick_shares().sum(0))
    film = parts[0][0]
    beauty = np.stack([part[0].rgb("") for part in parts]).astype(np.float32)
    objects, coverage = _coverage([part[0] for part in parts], flat)
    weights = np.array(color.luminance_weights(), np.float32)
    blocked = _blocked(scene, flat, passes, opened, camera, samples) if opened else None
    return Shot(
        ids=ids,
        halves=np.stack([part[1].pixels for part in parts]),
        beauty=beauty,
        costs=np.array([shares.get(id_, 0.0) for id_ in ids]),
        exposure_ev=_exposure(flat, beauty.mean(0)),
        seen=np.asarray(film.rgb("emission") @ weights, np.float32),
        objects=objects,
        coverage=coverage,
        unblocked=opened,
        blocked=blocked,
        inside=_inside(flat, ids),
        fixed=frozenset(id_ for id_ in ids if not isinstance(scene.entities.get(id_), Light)),
        linked=tuple((id_, linking.linked(scene, id_)) for id_ in ids if _is_linked(scene, id_)),
    )


def quick_size(size: tuple[int, int], lights: int, pixels: int = PIXELS) -> tuple[int, int]:
    """Width and height of the quick picture: of the final one's shape, smaller where there are thousands of lights."""
    room = _LAYER_BYTES // (2 * 12 * max(lights, 1))
    area = max(min(pixels, room), 64)
    shape = min(max(size[0] / max(size[1], 1), 1 / 16), 16.0)
    return max(round((area * shape) ** 0.5), 4), max(round((area / shape) ** 0.5), 4)


def _exposure(flat: FlatScene, beauty: F32) -> float:
    from studio.render.denoise import measured_scale

    if flat.camera.exposure_ev:
        return float(flat.camera.exposure_ev)
    return round(float(np.log2(measured_scale(beauty, color.luminance_weights()))), 2)


def _coverage(films: Sequence[Film], flat: FlatScene) -> tuple[tuple[Id, ...], F32]:
    """The objects that are seen, and (k, h, w) the share of each pixel that shows them."""
    places = placement(flat)
    names = matte_ids(flat.object_names)
    height, width = films[0].counts.shape
    found: dict[Id, F32] = {}
    seen = set(np.unique(np.concatenate([film.matte_ids[0].ravel() for film in films])).tolist())
    for index, name in enumerate(names.tolist()):
        if name not in seen:
            continue
        total = np.zeros((height, width), np.float32)
        for film in films:
            mine = np.where(film.matte_ids[0] == name, film.matte_counts[0], 0).sum(-1)
            total += (mine / np.maximum(film.counts, 1)).astype(np.float32) / len(films)
        id_ = places.object_id(index)
        if id_ and total.max() > _COVERED:
            found[id_] = total
    stack = np.stack(list(found.values())) if found else np.zeros((0, height, width), np.float32)
    return tuple(found), stack


# --- what stands between ---------------------------------------------------------------------------------------------
def _opened(scene: Scene, ids: Sequence[Id]) -> tuple[Id, ...]:
    """Lights that something is made not to block."""
    out = []
    for id_ in ids:
        light = scene.entities.get(id_)
        if isinstance(light, Light) and (
            not light.casts_shadows or light.shadow_link_mode != "all" or any(light.shadow_color)
        ):
            out.append(id_)
    return tuple(out)


def with_shadows(scene: Scene, ids: Sequence[Id]) -> Scene:
    """The scene with lights that everything blocks, wholly."""
    scene = linking.clear_links(scene, ids, shadows=True)
    return scene.replace_each(ids, casts_shadows=True, shadow_color=(0.0, 0.0, 0.0))


def _blocked(scene: Scene, flat: FlatScene, passes: _Passes, opened: tuple[Id, ...], camera: Id, samples: int) -> F32:
    """(m, h, w, 3) What these lights bring when everything blocks them."""
    closed = flatten(with_shadows(scene, opened), flat.frame, previous=flat, camera=camera)
    _, layers = passes.render(closed, samples=samples, seed=_SEEDS[2])
    _, owners = plan_layers(closed)
    row = {closed.light_ids[owner]: number for number, owner in enumerate(owners)}
    return layers.pixels[[row[id_] for id_ in opened]]


def _is_linked(scene: Scene, id_: Id) -> bool:
    light = scene.entities.get(id_)
    return isinstance(light, Light) and light.light_link_mode != "all"


def _inside(flat: FlatScene, ids: Sequence[Id]) -> tuple[tuple[Id, Id], ...]:
    """Lights whose middle lies inside of a closed object in which the camera does not stand, with that object."""
    places = placement(flat)
    local = [k for name in ("point", "spot", "rectangle", "disk", "sphere", "cylinder") for k in (KINDS[name],)]
    spots = {flat.light_ids[r["entity"]]: r["open"][:, 3].astype(np.float64) for r in flat.lights if r["kind"] in local}
    eye = flat.camera.open[:, 3].astype(np.float64)
    out: dict[Id, Id] = {}
    for instance in flat.instances if spots else ():
        world = instance["open"].astype(np.float64)
        mesh = flat.meshes[instance["mesh"]]
        points = mesh.positions.astype(np.float64) @ world[:, :3].T + world[:, 3]
        if not len(points):
            continue
        lo, hi = points.min(0), points.max(0)
        near = [id_ for id_, p in spots.items() if id_ not in out and (p > lo).all() and (p < hi).all()]
        if not near:
            continue
        corners = points[mesh.mesh.triangles.astype(np.intp)]
        if _within(corners, eye):
            continue
        object_ = places.object_id(int(instance["object"]))
        out.update({id_: object_ for id_ in near if _within(corners, spots[id_])})
    return tuple((id_, out[id_]) for id_ in ids if id_ in out)


_WAYS = np.array([(0.93, 0.31, 0.2), (-0.21, 0.91, -0.35), (0.17, -0.4, 0.9), (-0.7, -0.6, -0.39)])


def _within(corners: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    """Whether every way out of a point crosses triangles (n, 3, 3) an odd number of times (Moeller and Trumbore)."""
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    start = point - corners[:, 0]
    for way in _WAYS:
        p = np.cross(way, edge2)
        det = (edge1 * p).sum(1)
        inverse = np.divide(1.0, det, out=np.zeros_like(det), where=np.abs(det) > 1e-14)
        u = (start * p).sum(1) * inverse
        q = np.cross(start, edge1)
        v = (q @ way) * inverse
        t = (edge2 * q).sum(1) * inverse
        if int(((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (inverse != 0)).sum()) % 2 == 0:
            return False
    return True


# --- what links would free -------------------------------------------------------------------------------------------
def linked_out(scene: Scene, lights: Sequence[Id], objects: Sequence[Sequence[Id]]) -> Scene:
    """The scene with each of `lights` kept from its own of `objects`."""
    for id_, gone in zip(lights, objects, strict=True):
        present = [o for o in gone if isinstance(scene.entities.get(o), MeshObject)]
        scene = linking.link(scene, [id_], present, on=False)
    return scene


def _weighed(flat: FlatScene, passes: _Passes, shot: Shot, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings whose links have their gain: the samples that the lights take on the objects that they are kept from."""
    wanted = [f for f in found if f.kind == "link"]
    if not wanted:
        return found
    area = shot.coverage.sum(axis=(1, 2)) if shot.coverage is not None else np.zeros(0)
    order = np.argsort(-area, kind="stable")[: max(_LABELLED // max(len(flat.lights), 1), 1)]
    objects = [shot.objects[k] for k in order]
    labelled, rows = with_labels(flat, objects)
    shares = passes.weigh(labelled, seed=_SEEDS[0])
    of = {id_: shares_of(flat, shares[row]) for id_, row in rows.items()}
    new = [
        replace(f, gain=sum(of[o].get(f.ids[0], 0.0) for o in f.objects if o in of)) if f.kind == "link" else f
        for f in found
    ]
    return in_order(new)


def with_labels(flat: FlatScene, objects: Sequence[Id]) -> tuple[FlatScene, dict[Id, int]]:
    """The same scene with a set of receivers of its own for each of `objects`, of the lights that it has now, and the
    rows of these sets: by them the samples on each object are told apart. The picture is the same."""
    places = placement(flat)
    place = {id_: k for k, id_ in enumerate(objects)}
    sets = len(flat.light_links)
    instances = flat.instances.copy()
    links: list[NDArray[np.uint32]] = [*flat.light_links]
    known: dict[tuple[Id, int], int] = {}
    rows: dict[Id, int] = {}
    for instance in instances:
        id_ = places.object_id(int(instance["object"]))
        if id_ not in place:
            continue
        key = (id_, int(instance["link"]))
        if key not in known:
            known[key] = len(links)
            rows.setdefault(id_, len(links))
            links.append(flat.light_links[min(key[1], sets - 1)])
        instance["link"] = known[key]
    return replace(flat, instances=instances, light_links=np.stack(links)), rows


def _give_way(pid: int) -> None:
    """Let the window and its render go before the audit; the worker's threads inherit it."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
        except OSError:  # it ended meanwhile, which the session will find
            return
