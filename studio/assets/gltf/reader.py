"""Reading a glTF file into a scene: the one place where the parts of the reader meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from studio.assets.gltf import records as r
from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.animations import AnimationReader
from studio.assets.gltf.container import Source, open_gltf
from studio.assets.gltf.materials import MaterialReader, kept_record
from studio.assets.gltf.meshes import MeshReader
from studio.assets.gltf.nodes import NodeReader
from studio.assets.gltf.textures import TextureReader
from studio.assets.report import LoadReport, Notes
from studio.errors import BadAsset, UsageError
from studio.scene.animation import Curve, make_curve
from studio.scene.entities import Entity
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene


class KeptTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A curve that a glTF animation cannot hold; `target` is "node:<index>" or "material:<index>"."""

    target: str
    field: str
    times: list[float]
    values: list[list[float]]
    interpolation: str = "linear"
    in_tangents: list[Any] | None = None
    out_tangents: list[Any] | None = None
    pre: str = "hold"
    post: str = "hold"
    rotation: bool = False


class KeptScene(msgspec.Struct, frozen=True, kw_only=True):
    """The extras record "myriad_scene" of our writer: what a glTF file cannot say about a whole scene."""

    name: str = ""
    fps: float = 24.0
    frame_start: float | None = None
    frame_end: float | None = None
    camera: int = -1  # node of the active camera
    tracks: list[KeptTrack] = []


def read_gltf(path: Path, *, variant: str = "", strict: bool = False) -> tuple[Scene, LoadReport]:
    """The scene in a .gltf, .glb or .vrm file, with the report of the load.

    `variant` names a material variant (KHR_materials_variants); `strict` refuses missing textures. Raises BadAsset
    for a broken file, Unsupported for one that needs what we lack, UsageError for an unknown variant.
    """
    notes = Notes()
    # a hostile file makes numbers overflow; what comes of them is checked, so numpy need not warn
    with np.errstate(all="ignore"):
        source = open_gltf(path, notes, strict=strict)
        return _read(source, variant)


def _read(source: Source, variant: str) -> tuple[Scene, LoadReport]:
    document = source.document
    accessors = Accessors(source)
    textures = TextureReader(source, accessors)
    reader = MaterialReader(source, textures)
    materials = [reader.read(index) for index in range(len(document.materials))]
    variants = Variants(source, variant)
    meshes = MeshReader(
        source,
        accessors,
        material_of=variants.material,
        tangent_uv=lambda index: None if index is None else _tangent_uv(materials[index]),
    )
    nodes = NodeReader(
        source, accessors, meshes, image_of=lambda index, place: textures.image_key(index, place, "srgb")
    )
    entities = nodes.read()
    kept = KeptScene()
    if document.scenes:
        extras = document.scenes[document.scene or 0].extras
        kept = kept_record(extras, "myriad_scene", KeptScene, source.name, "scene") or kept
    fps = kept.fps if 1.0 <= kept.fps <= 1000.0 else 24.0
    animations = AnimationReader(
        source,
        accessors,
        fps=fps,
        entity_of=lambda node: f"n{node}" if f"n{node}" in entities else "",
        morphed=lambda node: nodes.morphed.get(node, ("", 0)),
    )
    tracks = animations.read()
    tracks.update(_kept_tracks(kept, source, entities, materials))
    start, end = _frames(tracks, kept)
    camera = f"n{kept.camera}" if f"n{kept.camera}" in nodes.cameras else next(iter(nodes.cameras), "")
    scene = Scene(
        name=kept.name or source.path.stem,
        entities=entities,
        materials={material.id: material for material in materials},
        meshes=nodes.meshes,
        images=textures.images,
        skins=nodes.skins,
        tracks=tracks,
        camera=camera,
        fps=fps,
        frame_start=start,
        frame_end=end,
    )
    _count(scene, source.notes)
    return scene, source.notes.report()


class Variants:
    """KHR_materials_variants: which material a primitive has in the chosen variant."""

    def __init__(self, source: Source, chosen: str) -> None:
        self.source = source
        found = source.extension(source.document.extensions, "KHR_materials_variants", r.VariantList, "the file")
        names = [] if found is None else [each.name for each in found.variants]
        if chosen and chosen not in names:
            known = _listed(names) or "none"
            raise UsageError(f"{source.name}: has no material variant {chosen!r}; it has {known}.")
        self.index = names.index(chosen) if chosen else -1
        if names:
            told = f"{chosen!r} was chosen" if chosen else "its default materials were used"
            source.notes.mapped(f"The file has the material variants {_listed(names)}; {told}.")

    def material(self, primitive: r.PrimitiveRecord, place: str) -> int | None:
        """The material of a primitive, its index checked."""
        index = primitive.material
        if self.index >= 0:
            name = "KHR_materials_variants"
            extension = self.source.extension(primitive.extensions, name, r.VariantMappings, place)
            for mapping in [] if extension is None else extension.mappings:
                if self.index in mapping.variants:
                    index = mapping.material
        if index is not None:
            self.source.follow(self.source.document.materials, index, f"{place}.material", "material")
        return index


def _kept_tracks(
    kept: KeptScene, source: Source, entities: Mapping[str, Entity], materials: Sequence[Material]
) -> dict[str, Curve]:
    """The tracks of our writer's extras whose targets and fields exist."""
    owners: dict[str, object] = {f"node:{key[1:]}": entity for key, entity in entities.items()}
    owners |= {f"material:{material.id[1:]}": material for material in materials}
    tracks = {}
    for number, track in enumerate(kept.tracks):
        owner = owners.get(track.target)
        if owner is None or not hasattr(owner, track.field.partition("[")[0]):
            continue
        where = f"{source.name}: scene.extras.myriad_scene.tracks[{number}]"
        values = {name: getattr(track, name) for name in ("interpolation", "pre", "post", "rotation")}
        try:
            curve = make_curve(
                track.times,
                track.values,
                in_tangents=track.in_tangents,
                out_tangents=track.out_tangents,
                where=where,
                **values,
            )
        except (ValueError, TypeError) as error:
            raise BadAsset(f"{where} is no curve ({error}); save the scene again.") from error
        tracks[f"{'n' if track.target.startswith('node') else 'm'}{track.target.partition(':')[2]}.{track.field}"] = (
            curve
        )
    return tracks


def _listed(names: list[str]) -> str:
    """Names for a sentence, which stays one whatever the file holds."""
    return ", ".join(repr(name[:40]) for name in names[:20]) + (", ..." if len(names) > 20 else "")


def _tangent_uv(material: Material) -> int | None:
    """The texture set over which a material needs tangents, or None when it needs none."""
    for slot in ("geometry_normal", "geometry_coat_normal"):
        if slot in material.textures:
            return material.textures[slot].uv
    return 0 if material.specular_roughness_anisotropy > 0.0 else None


def _frames(tracks: dict[str, Curve], kept: KeptScene) -> tuple[float, float]:
    """First and last frame: as our writer said, else what the animation spans, else frame 1."""
    if kept.frame_start is not None and kept.frame_end is not None and kept.frame_end >= kept.frame_start:
        return kept.frame_start, kept.frame_end
    if not tracks:
        return 1.0, 1.0
    first = min(float(curve.times[0]) for curve in tracks.values())
    last = max(float(curve.times[-1]) for curve in tracks.values())
    return float(np.floor(first)), float(np.ceil(last))


def _count(scene: Scene, notes: Notes) -> None:
    kinds = [type(entity).__name__ for entity in scene.entities.values()]
    notes.read = {
        "node": len(kinds),
        "mesh": len(scene.meshes),
        "triangle": sum(len(mesh.triangles) for mesh in scene.meshes.values()),
        "material": len(scene.materials),
        "image": len(scene.images),
        "light": sum(isinstance(entity, Light) for entity in scene.entities.values()),
        "camera": kinds.count("Camera"),
        "skin": len(scene.skins),
        "track": len(scene.tracks),
    }
