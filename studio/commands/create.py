"""Commands of the Create menu: lights of every kind, cameras, groups and simple bodies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene.entities import Camera, Entity, Group, Id, MeshObject, Vec3
from studio.scene.geometry import Mesh, make_mesh
from studio.scene.lights import KINDS, Light
from studio.scene.photometry import units_of
from studio.scene.scene import Scene, placed

# What a new light of each kind gives, in its natural unit: about as much light on what stands two metres away as makes
# a white surface a middle grey at an exposure of 0.
_STRENGTHS = {
    "point": 3.0,
    "spot": 6.0,
    "rectangle": 3.0,
    "disk": 4.0,
    "sphere": 100.0,
    "cylinder": 15.0,
    "distant": 1.0,
    "dome": 0.2,
    "portal": 1.0,  # of no meaning: it shines not itself
}
_TITLES = {
    "point": N_("Point light"),
    "spot": N_("Spot light"),
    "rectangle": N_("Rectangle light"),
    "disk": N_("Disk light"),
    "sphere": N_("Sphere light"),
    "cylinder": N_("Cylinder light"),
    "distant": N_("Distant light"),
    "dome": N_("Dome light"),
    "portal": N_("Light portal"),
}
_DOWN = (-0.7071067811865476, 0.0, 0.0, 0.7071067811865476)  # -z turned to -y


def _place(studio: Studio, height_m: float) -> Vec3:
    """A place for something new: where the last viewport looks, so much higher."""
    viewer = studio.face.viewport()
    x, y, z = (0.0, 0.0, 0.0) if viewer is None else viewer.camera.pivot.tolist()
    return (x, y + height_m, z)


def _add(studio: Studio, label: str, entity: Entity, mesh: Mesh | None = None) -> Id:
    """Add an entity, below the selected group if one alone is selected, and select it."""
    chosen = [studio.scene.entities.get(id_) for id_ in studio.selection]
    above = chosen[0].id if len(chosen) == 1 and isinstance(chosen[0], Group) else ""

    def add(scene: Scene) -> tuple[Scene, Id]:
        out = scene.add(mesh) if mesh is not None else scene
        out = out.add(entity)
        return (out.reparent([entity.id], above) if above else out), entity.id

    with studio.document.edit(label) as edit:
        id_ = edit.apply(add)
        edit.selection = (id_,)
    return id_


@command("create.light", N_("Light"), recorded=True)
def light(studio: Studio, *, kind: str = "point", name: str = "") -> Id:
    """Add a light of a kind where the viewport looks; it shines down."""
    if kind not in _TITLES:
        raise UsageError(f"there is no kind of light {kind!r}; there are {', '.join(_TITLES)}")
    id_ = studio.scene.free_id(name or kind)
    return _add(
        studio,
        N_("Add light"),
        Light(
            id=id_,
            name=name or id_,
            light=kind,
            intensity=_STRENGTHS[kind],
            unit=units_of(kind)[0],
            radius_m=0.5 if kind == "disk" else 0.1,
            translation=(0.0, 0.0, 0.0) if kind == "dome" else _place(studio, 2.0),
            rotation=(0.0, 0.0, 0.0, 1.0) if kind in ("dome", "point", "sphere") else _DOWN,
        ),
    )


def _register_light(kind: str) -> None:
    told = N_("Add a light of this kind where the viewport looks.")

    @command(f"create.{kind}_light", _TITLES[kind], menu="Create/Light", icon=f"light-{kind}", help=told)
    def add(studio: Studio) -> Id:
        return light(studio, kind=kind)


for _kind in KINDS:
    if _kind in _TITLES:
        _register_light(_kind)


@command("create.camera", N_("Camera"), menu="Create", group=1, icon="camera")
def camera(studio: Studio, *, name: str = "camera") -> Id:
    """Add a camera that sees what the viewport sees; the first one becomes the scene's active camera."""
    id_ = studio.scene.free_id(name)
    viewer = studio.face.viewport()
    new = Camera(id=id_, name=id_, translation=(0.0, 1.6, 6.0))
    if viewer is not None:
        view = viewer.camera
        across = view.half_width * 2.0
        new = Camera(
            id=id_,
            name=id_,
            projection="orthographic" if view.orthographic else "perspective",
            focal_length_mm=50.0 if view.orthographic else max(36.0 / across, 0.1),
            ortho_height_m=max(across, 1e-6) if view.orthographic else 2.0,
            focus_distance_m=max(view.pivot_m, 1e-4),
        )
        new = placed(new, np.asarray(view.world, np.float64))  # type: ignore[assignment]
    _add(studio, N_("Add camera"), new)
    if not studio.scene.camera:
        from studio.scene import edits

        studio.edit(N_("Set active camera"), edits.set_camera, id_)
    return id_


@command("create.group", N_("Empty group"), menu="Create", group=1, icon="group")
def group(studio: Studio, *, name: str = "group") -> Id:
    """Add an empty group."""
    id_ = studio.scene.free_id(name)
    return _add(studio, N_("Add group"), Group(id=id_, name=id_))


# --- simple bodies ---------------------------------------------------------------------------------------------------
def _plane() -> Mesh:
    from studio.assets.demo.shapes import quad

    shape = quad((0.0, 0.0, 0.0), (0.0, 0.0, 5.0), (5.0, 0.0, 0.0))
    return make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv)


def _cube() -> Mesh:
    from studio.assets.demo.shapes import box

    shape = box((1.0, 1.0, 1.0), (0.0, 0.5, 0.0))
    return make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv)


def _sphere() -> Mesh:
    from studio.assets.demo.shapes import sphere

    shape = sphere(0.5, segments=64)
    return make_mesh(shape.positions + np.array([0.0, 0.5, 0.0]), shape.triangles, normals=shape.normals, uv0=shape.uv)


def _cylinder() -> Mesh:
    from studio.assets.demo.shapes import lathe

    profile = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.0), (0.5, 1.0), (0.5, 1.0), (0.0, 1.0)]
    shape = lathe(profile, segments=64)
    return make_mesh(shape.positions, shape.triangles, normals=shape.normals, uv0=shape.uv)


_BODIES: dict[str, tuple[str, Callable[[], Mesh]]] = {
    "plane": (N_("Plane"), _plane),
    "cube": (N_("Cube"), _cube),
    "sphere": (N_("Sphere"), _sphere),
    "cylinder": (N_("Cylinder"), _cylinder),
}


def _register_body(name: str, title: str, make: Callable[[], Mesh]) -> None:
    @command(f"create.{name}", title, menu="Create/Object", icon="mesh", help=N_("Add a simple body."))
    def add(studio: Studio) -> Id:
        mesh = make()
        id_ = studio.scene.free_id(name)
        at = _place(studio, 0.0)
        return _add(studio, N_("Add object"), MeshObject(id=id_, name=id_, mesh=mesh.key, translation=at), mesh)


for _name, (_title, _make) in _BODIES.items():
    _register_body(_name, _title, _make)
