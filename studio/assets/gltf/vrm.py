"""VRM: what makes a glTF file a character, read as a `Figure` over everything in the file.

An expression of VRM is a set of morph targets with weights, colours and shifts of textures under one name. Its targets
are added up to one morph of that name on each mesh, which the figure's control of the same name then drives; colours
and textures become the rig's material binds, `isBinary` and the overrides its rules. Where a file has none of Apple's
shapes, the nearest of its expressions stand in for them, so that a captured face moves it.

Sources: VRMC_vrm 1.0 (https://github.com/vrm-c/vrm-specification, specification/VRMC_vrm-1.0), and its VRM 0.x, whose
figures look along -z and whose weights are percent. A file of both is read as 1.0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from studio.assets.gltf.container import Source
from studio.scene.arkit import ARKIT
from studio.scene.entities import Entity, Figure, FigureRig, Id, MaterialBind, MeshObject, Override
from studio.scene.geometry import F32, Mesh, Morph, mesh_key
from studio.scene.scene import Scene, free_id

Pair = tuple[float, float]
Color4 = tuple[float, float, float, float]


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    """Records of the extension; members that it does not need are ignored."""


class _Bone(_Part, frozen=True):
    node: int


class _Humanoid(_Part, frozen=True):
    human_bones: dict[str, _Bone] = {}


class _MorphBind(_Part, frozen=True):
    node: int
    index: int
    weight: float


class _ColorBind(_Part, frozen=True):
    material: int
    type: str
    target_value: Color4


class _TextureBind(_Part, frozen=True):
    material: int
    scale: Pair = (1.0, 1.0)
    offset: Pair = (0.0, 0.0)


class _Expression(_Part, frozen=True):
    morph_target_binds: list[_MorphBind] = []
    material_color_binds: list[_ColorBind] = []
    texture_transform_binds: list[_TextureBind] = []
    is_binary: bool = False
    override_blink: str = "none"
    override_look_at: str = "none"
    override_mouth: str = "none"


class _Expressions(_Part, frozen=True):
    preset: dict[str, _Expression] = {}
    custom: dict[str, _Expression] = {}


class _Range(_Part, frozen=True):
    output_scale: float = 1.0


class _LookAt(_Part, frozen=True):
    type: str = "bone"
    range_map_horizontal_inner: _Range = _Range(10.0)
    range_map_horizontal_outer: _Range = _Range(10.0)
    range_map_vertical_up: _Range = _Range(10.0)
    range_map_vertical_down: _Range = _Range(10.0)


class _Vrm(_Part, frozen=True):
    meta: dict[str, msgspec.Raw] = {}
    humanoid: _Humanoid = _Humanoid()
    expressions: _Expressions = _Expressions()
    look_at: _LookAt | None = None


class _OldBone(_Part, frozen=True):
    bone: str
    node: int


class _OldHumanoid(_Part, frozen=True):
    human_bones: list[_OldBone] = []


class _OldBind(_Part, frozen=True):
    mesh: int
    index: int
    weight: float = 0.0


class _OldGroup(_Part, frozen=True):
    name: str = ""
    preset_name: str = "unknown"
    binds: list[_OldBind] = []
    is_binary: bool = False


class _OldMaster(_Part, frozen=True):
    blend_shape_groups: list[_OldGroup] = []


class _OldVrm(_Part, frozen=True):
    meta: dict[str, msgspec.Raw] = {}
    humanoid: _OldHumanoid = _OldHumanoid()
    blend_shape_master: _OldMaster = _OldMaster()


# VRM 0.x names of what VRM 1.0 has
_NEW_NAMES = {
    "joy": "happy",
    "sorrow": "sad",
    "fun": "relaxed",
    "a": "aa",
    "i": "ih",
    "u": "ou",
    "e": "ee",
    "o": "oh",
    "blink_l": "blinkLeft",
    "blink_r": "blinkRight",
    "lookup": "lookUp",
    "lookdown": "lookDown",
    "lookleft": "lookLeft",
    "lookright": "lookRight",
    "leftThumbProximal": "leftThumbMetacarpal",
    "leftThumbIntermediate": "leftThumbProximal",
    "rightThumbProximal": "rightThumbMetacarpal",
    "rightThumbIntermediate": "rightThumbProximal",
}
_BLINKS = ("blink", "blinkLeft", "blinkRight", "eyeBlinkLeft", "eyeBlinkRight")
_LOOKS = ("lookUp", "lookDown", "lookLeft", "lookRight", *(n for n in ARKIT if n.startswith("eyeLook")))
_MOUTHS = ("aa", "ih", "ou", "ee", "oh", *(n for n in ARKIT if n.startswith(("mouth", "jaw", "tongue"))))
_SUPPRESSED = {"override_blink": _BLINKS, "override_look_at": _LOOKS, "override_mouth": _MOUTHS}
_COLORS = {"color": "base_color", "emissionColor": "emission_color"}
# Which expressions stand in for Apple's shapes, by how much: by meaning, the emotions by halves as they move more.
_STAND_INS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "eyeBlinkLeft": (("blinkLeft", 1.0),),
    "eyeBlinkRight": (("blinkRight", 1.0),),
    "jawOpen": (("aa", 1.0),),
    "mouthFunnel": (("oh", 1.0),),
    "mouthPucker": (("ou", 1.0),),
    **{f"mouthStretch{side}": (("ih", 0.5),) for side in ("Left", "Right")},
    **{f"mouthSmile{side}": (("happy", 0.5),) for side in ("Left", "Right")},
    **{f"mouthFrown{side}": (("sad", 0.5),) for side in ("Left", "Right")},
    **{f"browDown{side}": (("angry", 0.5),) for side in ("Left", "Right")},
    **{f"eyeWide{side}": (("surprised", 0.5),) for side in ("Left", "Right")},
    **{f"eyeLookUp{side}": (("lookUp", 0.5),) for side in ("Left", "Right")},
    **{f"eyeLookDown{side}": (("lookDown", 0.5),) for side in ("Left", "Right")},
    "eyeLookOutLeft": (("lookLeft", 0.5),),
    "eyeLookInRight": (("lookLeft", 0.5),),
    "eyeLookOutRight": (("lookRight", 0.5),),
    "eyeLookInLeft": (("lookRight", 0.5),),
}
_BOTH_LIDS = {"eyeBlinkLeft": (("blink", 0.5),), "eyeBlinkRight": (("blink", 0.5),)}
MOST_EXPRESSIONS = 1_000

Sums = dict[Id, dict[str, dict[int, float]]]  # of each object, for every control the weights of its targets


@dataclass(frozen=True, slots=True)
class _Character:
    """What both versions say, by our ids."""

    version: str
    meta: Mapping[str, msgspec.Raw]
    bones: Mapping[str, Id]
    names: tuple[str, ...]
    sums: Sums
    rig: FigureRig
    turned: bool = False  # looks along -z


def with_figure(scene: Scene, source: Source) -> Scene:
    """The scene of a file with its figure, when the file is a VRM; else the scene itself.

    Raises BadAsset, naming the place, for an extension that is not as its specification says.
    """
    new = source.extension(source.document.extensions, "VRMC_vrm", _Vrm, "the file")
    old = None if new else source.extension(source.document.extensions, "VRM", _OldVrm, "the file")
    if new is None and old is None:
        return scene
    reader = _Reader(scene, source)
    character = reader.read_new(new) if new is not None else reader.read_old(old) if old is not None else None
    assert character is not None
    return _assembled(scene, source, character)


class _Reader:
    """Binds of the file to ids of the scene. What names nothing is left out and said in the report."""

    def __init__(self, scene: Scene, source: Source) -> None:
        self.scene, self.source = scene, source
        self.sums: Sums = defaultdict(lambda: defaultdict(dict))
        self.lost = 0

    def read_new(self, vrm: _Vrm) -> _Character:
        bones = self._bones((name, bone.node) for name, bone in vrm.humanoid.human_bones.items())
        found = {**vrm.expressions.custom, **vrm.expressions.preset}
        self._few(len(found))
        overrides, binds = [], []
        for name, expression in found.items():
            for bind in expression.morph_target_binds:
                self._bind(self._objects(bind.node), name, bind.index, bind.weight)
            for field, names in _SUPPRESSED.items():
                how = getattr(expression, field)
                if how in ("block", "blend"):
                    held = tuple(n for n in names if n != name)
                    overrides.append(Override(control=name, suppresses=held, how=how))
            binds += self._material_binds(name, expression)
        look = vrm.look_at or _LookAt()
        rig = FigureRig(
            overrides=tuple(overrides),
            binary=tuple(name for name, e in found.items() if e.is_binary),
            materials=tuple(binds),
            bones=dict(bones),
            head=bones.get("head", ""),
            neck=bones.get("neck", ""),
            jaw=bones.get("jaw", ""),
            left_eye=bones.get("leftEye", "") if look.type == "bone" else "",
            right_eye=bones.get("rightEye", "") if look.type == "bone" else "",
            gaze_deg=tuple(
                min(abs(turn.output_scale), 90.0) if math.isfinite(turn.output_scale) else 10.0
                for turn in (
                    *(look.range_map_horizontal_inner, look.range_map_horizontal_outer),
                    *(look.range_map_vertical_up, look.range_map_vertical_down),
                )
            ),  # type: ignore[arg-type]
        )
        return _Character("1.0", vrm.meta, bones, tuple(found), self.sums, rig)

    def read_old(self, vrm: _OldVrm) -> _Character:
        bones = self._bones((_NEW_NAMES.get(b.bone, b.bone), b.node) for b in vrm.humanoid.human_bones)
        by_mesh: dict[int, list[Id]] = defaultdict(list)
        for index, node in enumerate(self.source.document.nodes):
            if node.mesh is not None:
                by_mesh[node.mesh] += self._objects(index)
        groups = vrm.blend_shape_master.blend_shape_groups
        self._few(len(groups))
        names = {}
        for group in groups:
            preset = group.preset_name.lower()
            name = _NEW_NAMES.get(preset, preset) if preset not in ("", "unknown") else group.name
            names[name] = group.is_binary
            for bind in group.binds:
                self._bind(by_mesh.get(bind.mesh, ()), name, bind.index, bind.weight / 100.0)
        rig = FigureRig(
            binary=tuple(name for name, binary in names.items() if binary),
            bones=dict(bones),
            head=bones.get("head", ""),
            neck=bones.get("neck", ""),
            jaw=bones.get("jaw", ""),
            left_eye=bones.get("leftEye", ""),
            right_eye=bones.get("rightEye", ""),
            gaze_deg=(10.0, 10.0, 10.0, 10.0),
        )
        return _Character("0.x", vrm.meta, bones, tuple(names), self.sums, rig, turned=True)

    def _few(self, count: int) -> None:
        if count > MOST_EXPRESSIONS:
            raise self.source.bad("its expressions", f"are {count:,}, more than {MOST_EXPRESSIONS:,}; remove some")

    def _bones(self, pairs: Iterable[tuple[str, int]]) -> dict[str, Id]:
        return {name: f"n{node}" for name, node in pairs if f"n{node}" in self.scene.entities}

    def _objects(self, node: int) -> list[Id]:
        """The mesh objects that a node became."""
        candidates = (f"n{node}", *(f"n{node}.{i}" for i in range(3)))
        return [id_ for id_ in candidates if isinstance(self.scene.entities.get(id_), MeshObject)]

    def _bind(self, objects: Sequence[Id], name: str, index: int, weight: float) -> None:
        bound = False
        for id_ in objects:
            entity = self.scene.entities[id_]
            assert isinstance(entity, MeshObject)
            mesh = self.scene.meshes.get(entity.mesh)
            if mesh is not None and 0 <= index < len(mesh.morphs) and math.isfinite(weight):
                sums = self.sums[id_][name]
                sums[index] = sums.get(index, 0.0) + min(max(weight, -10.0), 10.0)
                bound = True
        self.lost += not bound

    def _material_binds(self, name: str, expression: _Expression) -> list[MaterialBind]:
        out = []
        for color in expression.material_color_binds:
            field = _COLORS.get(color.type)
            if field is None:
                self.source.notes.dropped(f'Expressions change "{color.type[:40]}" of materials, which is not read.')
            elif f"m{color.material}" in self.scene.materials and all(map(math.isfinite, color.target_value)):
                r, g, b = (min(max(c, 0.0), 1.0) for c in color.target_value[:3])
                out.append(MaterialBind(material=f"m{color.material}", control=name, field=field, color=(r, g, b)))
        for moved in expression.texture_transform_binds:
            if f"m{moved.material}" in self.scene.materials and all(map(math.isfinite, (*moved.scale, *moved.offset))):
                moves = MaterialBind(
                    material=f"m{moved.material}", control=name, offset=moved.offset, scale=moved.scale
                )
                out.append(moves)
        return out


def _assembled(scene: Scene, source: Source, character: _Character) -> Scene:
    sums = _with_stand_ins(character)
    meshes, entities = dict(scene.meshes), dict(scene.entities)
    for id_, wanted in sums.items():
        entity = entities[id_]
        assert isinstance(entity, MeshObject)
        mesh = _with_morphs(scene.meshes[entity.mesh], wanted)
        meshes[mesh.key] = mesh
        entities[id_] = msgspec.structs.replace(entity, mesh=mesh.key)
    worn = {e.mesh for e in entities.values() if isinstance(e, MeshObject)}
    meshes = {key: mesh for key, mesh in meshes.items() if key in worn or key not in scene.meshes}
    controls = (*ARKIT, *(name for name in character.names if name not in ARKIT))
    id_ = free_id("figure", entities.__contains__)
    figure = Figure(
        id=id_,
        name=_text(character.meta, "name", "title") or scene.name,
        rotation=(0.0, 1.0, 0.0, 0.0) if character.turned else (0.0, 0.0, 0.0, 1.0),
        controls=controls,
        rig=character.rig,
    )
    below: dict[Id, Entity] = {
        key: msgspec.structs.replace(entity, parent=id_) if not entity.parent else entity
        for key, entity in entities.items()
    }
    apples = sum(name in ARKIT for name in character.names)
    counts = f"{len(character.names)} expressions, {apples} of them Apple's, and {len(character.bones)} bones"
    source.notes.mapped(f"The file is a VRM {character.version} character; {counts} were read as a figure.")
    if character.version == "0.x":
        source.notes.dropped("Colours that expressions of VRM 0.x change, and its limits of the gaze, are not read.")
    return replace(scene, entities={id_: figure, **below}, meshes=meshes, notes=_terms(scene.notes, character.meta))


def _with_stand_ins(character: _Character) -> Sums:
    """The sums, with those of Apple's shapes where the file has none of them itself."""
    if any(name in ARKIT for name in character.names):
        return character.sums
    table = dict(_STAND_INS)
    if not {"blinkLeft", "blinkRight"} & set(character.names):
        table.update(_BOTH_LIDS)
    out: Sums = {}
    for id_, wanted in character.sums.items():
        made = {name: dict(targets) for name, targets in wanted.items()}
        for shape, parts in table.items():
            for name, share in parts:
                if name in wanted:
                    made[shape] = {index: weight * share for index, weight in wanted[name].items()}
        out[id_] = made
    return out


def _with_morphs(mesh: Mesh, wanted: Mapping[str, Mapping[int, float]]) -> Mesh:
    """A mesh with a morph for every control: the sum of its targets. Targets of that very name are kept as they are."""
    present = {morph.name: morph for morph in mesh.morphs}
    added = []
    for name, targets in wanted.items():
        alone = present.get(name)
        if alone is not None and len(targets) == 1 and next(iter(targets.items())) == (mesh.morphs.index(alone), 1.0):
            continue
        added.append(_summed(mesh, name, targets))
    names = {morph.name for morph in added}
    kept = [m if m.name not in names else replace(m, name=f"{m.name} (target)") for m in mesh.morphs]
    out = replace(mesh, key="", morphs=(*kept, *added))
    return replace(out, key=mesh_key(out))


def _summed(mesh: Mesh, name: str, targets: Mapping[int, float]) -> Morph:
    morphs = [(mesh.morphs[index], weight) for index, weight in targets.items() if weight]
    touched = np.unique(np.concatenate([m.indices for m, _ in morphs])) if morphs else np.zeros(0, np.uint32)
    columns: dict[str, F32 | None] = {}
    for column in ("positions", "normals", "tangents"):
        if column != "positions" and not any(getattr(m, column) is not None for m, _ in morphs):
            columns[column] = None
            continue
        total = np.zeros((len(touched), 3), np.float32)
        for morph, weight in morphs:
            offsets = getattr(morph, column)
            if offsets is not None:
                total[np.searchsorted(touched, morph.indices)] += offsets * np.float32(weight)
        total.flags.writeable = False
        columns[column] = total
    touched = touched.astype(np.uint32)
    touched.flags.writeable = False
    positions = columns["positions"]
    assert positions is not None
    return Morph(name, touched, positions, columns["normals"], columns["tangents"])


def _terms(notes: str, meta: Mapping[str, msgspec.Raw]) -> str:
    """The scene's notes with who made the character and on what terms, which must not get lost."""
    lines = [
        f"{label}: {text}"
        for label, text in (
            ("Character", _text(meta, "name", "title")),
            ("Author", _text(meta, "authors", "author")),
            ("Licence", _text(meta, "licenseUrl", "licenseName")),
            ("Copyright", _text(meta, "copyrightInformation")),
        )
        if text
    ]
    return "\n".join(filter(None, [notes, *lines]))


def _text(meta: Mapping[str, msgspec.Raw], *names: str) -> str:
    for name in names:
        raw = meta.get(name)
        value = msgspec.json.decode(raw) if raw is not None else ""
        if isinstance(value, list):
            value = ", ".join(item for item in value if isinstance(item, str))
        if isinstance(value, str) and value:
            return value[:200]
    return ""
