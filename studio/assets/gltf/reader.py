"""Reading a glTF file into a scene: the one place where the parts of the reader meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.assets.gltf import records as r
from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.animations import AnimationReader
from studio.assets.gltf.container import Source, open_gltf
from studio.assets.gltf.materials import MaterialReader, kept_record
from studio.assets.gltf.meshes import MeshReader
from studio.assets.gltf.motion import KeptScene, Motion, read_motion
from studio.assets.gltf.nodes import NodeReader
from studio.assets.gltf.textures import TextureReader
from studio.assets.gltf.vrm import with_figure
from studio.assets.report import LoadReport, Notes
from studio.errors import UsageError
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene


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
    motion = read_motion(animations.read(), kept, source, entities, materials)
    start, end = _frames(motion, kept)
    camera = f"n{kept.camera}" if f"n{kept.camera}" in nodes.cameras else next(iter(nodes.cameras), "")
    scene = Scene(
        name=kept.name or source.path.stem,
        entities=entities,
        materials={material.id: material for material in materials},
        meshes=nodes.meshes,
        images=textures.images,
        skins=nodes.skins,
        tracks=motion.tracks,
        clips=motion.clips,
        strips=motion.strips,
        camera=camera,
        fps=fps,
        frame_start=start,
        frame_end=end,
    )
    scene = with_figure(scene, source)
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


def _listed(names: list[str]) -> str:
    """Names for a sentence, which stays one whatever the file holds."""
    return ", ".join(repr(name[:40]) for name in names[:20]) + (", ..." if len(names) > 20 else "")


def _tangent_uv(material: Material) -> int | None:
    """The texture set over which a material needs tangents, or None when it needs none."""
    for slot in ("geometry_normal", "geometry_coat_normal"):
        if slot in material.textures:
            return material.textures[slot].uv
    return 0 if material.specular_roughness_anisotropy > 0.0 else None


def _frames(motion: Motion, kept: KeptScene) -> tuple[float, float]:
    """First and last frame: as our writer said, else what the animation spans, else frame 1."""
    if kept.frame_start is not None and kept.frame_end is not None and kept.frame_end >= kept.frame_start:
        return kept.frame_start, kept.frame_end
    spans = [(float(curve.times[0]), float(curve.times[-1])) for curve in motion.tracks.values()]
    spans += [(strip.start, strip.end) for strip in motion.strips.values()]
    if not spans:
        return 1.0, 1.0
    return float(np.floor(min(first for first, _ in spans))), float(np.ceil(max(last for _, last in spans)))


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
        **({"clip": len(scene.clips)} if scene.clips else {}),
    }
