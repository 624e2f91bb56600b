"""Entities: the things in a scene's tree. Frozen records; a scene holds them by id.

Every entity has a parent, a transform and flags. Kinds are one level deep: `Group`, `MeshObject`, `Camera`, `Path`,
`Constraint`, `Figure` and `studio.scene.lights.Light`. Right-handed, y up, -z forward, metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from studio.scene.arkit import ARKIT
from studio.scene.schema import Spec, Touches, entity_kind

T = Touches.TRANSFORM
C = Touches.CAMERA
Id = str
Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
_PROJECTIONS = ("perspective", "orthographic")
_FITS = ("horizontal", "vertical")
CONSTRAINTS = ("look_at", "follow_path", "parent")
SCATTERS = ("none", "grid", "ring", "curve", "surface", "instances")
FACINGS = ("template", "out", "in", "along")
MOST_LAMPS = 20_000
_TURN_HELP = "Pitch (down), yaw (to its left) and roll (to its right shoulder) of the head; the neck shares them"
_IDLE_HELP = "How much it blinks, glances about and breathes by itself"
_RULES = SCATTERS[1:]
_SCATTER_HELP = "A rule by which the group fills itself with copies of its template light"
_SOURCE_HELP = "The path, the object, or the object or group whose instances carry the lights"
_LIFT_HELP = "How far above the path, the surface or the object"
_FACING_HELP = "As the template is turned; away from the surface or middle, towards it, or along the path"


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What every entity has. `rotation` is a unit quaternion x, y, z, w; `shear` is xy, xz, yz of the matrix
    translate * rotate * shear * scale, so any affine node of a file is kept exactly."""

    id: Id = ""
    name: Annotated[str, Spec(label="Name", animatable=False)] = ""
    parent: Annotated[Id, Spec(label="Parent", animatable=False, touches=Touches.HIERARCHY)] = ""
    translation: Annotated[Vec3, Spec(label="Translation", unit="m", touches=T)] = (0.0, 0.0, 0.0)
    rotation: Annotated[Quat, Spec(label="Rotation", touches=T)] = (0.0, 0.0, 0.0, 1.0)
    scale: Annotated[Vec3, Spec(label="Scale", touches=T)] = (1.0, 1.0, 1.0)
    shear: Annotated[Vec3, Spec(label="Shear", touches=T)] = (0.0, 0.0, 0.0)
    visible: Annotated[bool, Spec(label="Visible", touches=Touches.HIERARCHY)] = True
    locked: Annotated[bool, Spec(label="Locked", animatable=False)] = False
    extra: dict[str, msgspec.Raw] = {}


Stored = bool | float | str | tuple[float, ...]


class RigState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the lights and groups of a rig stood when it was stored: for each its values of `fields` as far as it has
    them and they differ from their defaults. `groups` are those that are groups. Operations: `studio.scene.rigs`."""

    name: str
    fields: tuple[str, ...] = ()
    values: dict[Id, dict[str, Stored]] = {}
    groups: tuple[Id, ...] = ()


def renamed_states(states: tuple[RigState, ...], names: Mapping[Id, Id]) -> tuple[RigState, ...]:
    """States of a copy: of those entities that were copied, under their new ids."""
    return tuple(
        msgspec.structs.replace(
            s,
            values={names[id_]: dict(v) for id_, v in s.values.items() if id_ in names},
            groups=tuple(names[id_] for id_ in s.groups if id_ in names),
        )
        for s in states
    )


@entity_kind
class Group(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="group"):
    """A node of the tree. `muted` and `solo` act on all lights below it, `exposure` and `tint` are their masters: they
    multiply what hangs below, group within group. A `rig` is a group that is lit as one instrument; `states` are the
    looks that are kept of it.

    With a `scatter` it fills itself with copies of its `template`, a light below it that does not shine itself, by a
    rule (`studio.scene.scatter`); `made` are the ids of the copies, "" for those that were deleted."""

    SORT: ClassVar[str] = "scatter"

    exposure: Annotated[
        float, Spec(label="Master exposure", unit="stops", soft_lo=-10.0, soft_hi=10.0, touches=Touches.LIGHT)
    ] = 0.0
    tint: Annotated[Vec3, Spec(label="Master tint", lo=0.0, colour=True, touches=Touches.LIGHT)] = (1.0, 1.0, 1.0)
    rig: Annotated[bool, Spec(label="Rig", animatable=False)] = False
    states: tuple[RigState, ...] = ()
    scatter: Annotated[str, Spec(label="Scatter", animatable=False, choices=SCATTERS, help=_SCATTER_HELP)] = "none"
    template: Annotated[Id, Spec(label="Template", animatable=False, only=_RULES)] = ""
    source: Annotated[
        Id, Spec(label="Source", animatable=False, only=("curve", "surface", "instances"), help=_SOURCE_HELP)
    ] = ""
    count: Annotated[
        int, Spec(label="Count", lo=0, hi=MOST_LAMPS, soft_hi=300, animatable=False, only=("ring", "curve", "surface"))
    ] = 12
    columns: Annotated[int, Spec(label="Columns", lo=1, hi=1000, soft_hi=40, animatable=False, only=("grid",))] = 5
    rows: Annotated[int, Spec(label="Rows", lo=1, hi=1000, soft_hi=40, animatable=False, only=("grid",))] = 4
    layers: Annotated[int, Spec(label="Storeys", lo=1, hi=1000, soft_hi=10, animatable=False, only=("grid",))] = 1
    spacing: Annotated[Vec3, Spec(label="Spacing", unit="m", animatable=False, only=("grid",))] = (1.0, 1.0, 1.0)
    ring_m: Annotated[float, Spec(label="Radius", unit="m", lo=0.0, soft_hi=20.0, animatable=False, only=("ring",))] = (
        3.0
    )
    lift_m: Annotated[
        float,
        Spec(label="Lift", unit="m", soft_lo=-2.0, soft_hi=2.0, animatable=False, only=_RULES[2:], help=_LIFT_HELP),
    ] = 0.0
    facing: Annotated[str, Spec(label="Facing", animatable=False, choices=FACINGS, only=_RULES, help=_FACING_HELP)] = (
        "template"
    )
    seed: Annotated[int, Spec(label="Seed", lo=0, hi=1_000_000, animatable=False, only=_RULES)] = 0
    missing: Annotated[float, Spec(label="Missing", lo=0.0, hi=1.0, animatable=False, only=_RULES)] = 0.0
    jitter_m: Annotated[Vec3, Spec(label="Position varies by", unit="m", lo=0.0, animatable=False, only=_RULES)] = (
        0.0,
        0.0,
        0.0,
    )
    turn_jitter_deg: Annotated[
        float, Spec(label="Direction varies by", unit="deg", lo=0.0, hi=180.0, animatable=False, only=_RULES)
    ] = 0.0
    exposure_jitter: Annotated[
        float,
        Spec(label="Exposure varies by", unit="stops", lo=0.0, soft_hi=4.0, animatable=False, only=_RULES),
    ] = 0.0
    temperature_jitter_k: Annotated[
        float,
        Spec(label="Temperature varies by", unit="K", lo=0.0, soft_hi=3000.0, animatable=False, only=_RULES),
    ] = 0.0
    made: tuple[Id, ...] = ()
    muted: Annotated[bool, Spec(label="Mute", touches=Touches.LIGHT)] = False
    solo: Annotated[bool, Spec(label="Solo", touches=Touches.LIGHT)] = False


@entity_kind
class MeshObject(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="mesh"):
    """An instance of a mesh. `materials[p]` is the material id of the mesh's part p ("" is the default material).

    `morph_weights` follow the mesh's morphs. A skinned object names its joints (entity ids) in `joints`, with the
    inverse bind matrices in the scene's `skins` under `skin`; its own transform is then ignored, as in glTF.
    """

    mesh: Annotated[str, Spec(label="Mesh", animatable=False, touches=Touches.GEOMETRY)] = ""
    materials: Annotated[tuple[Id, ...], Spec(label="Materials", animatable=False, touches=Touches.MATERIAL)] = ()
    morph_weights: Annotated[tuple[float, ...], Spec(label="Morphs", lo=-1.0, hi=2.0, touches=Touches.GEOMETRY)] = ()
    skin: Annotated[str, Spec(animatable=False, touches=Touches.GEOMETRY)] = ""
    joints: Annotated[tuple[Id, ...], Spec(animatable=False, touches=Touches.GEOMETRY)] = ()
    visible_camera: Annotated[bool, Spec(label="Seen by camera", touches=Touches.HIERARCHY)] = True
    visible_shadow: Annotated[bool, Spec(label="Casts shadows", touches=Touches.HIERARCHY)] = True
    visible_reflection: Annotated[bool, Spec(label="Seen in reflections", touches=Touches.HIERARCHY)] = True


@entity_kind
class Camera(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="camera"):
    """A camera looking along its own -z. The gate fits `fit`: the sensor's width or height spans the image's."""

    SORT: ClassVar[str] = "projection"

    projection: Annotated[str, Spec(label="Projection", animatable=False, choices=_PROJECTIONS, touches=C)] = (
        "perspective"
    )
    focal_length_mm: Annotated[
        float, Spec(label="Focal length", unit="mm", lo=0.1, only=("perspective",), touches=C)
    ] = 50.0
    sensor_width_mm: Annotated[float, Spec(label="Sensor width", unit="mm", lo=0.1, touches=C)] = 36.0
    sensor_height_mm: Annotated[float, Spec(label="Sensor height", unit="mm", lo=0.1, touches=C)] = 20.25
    fit: Annotated[str, Spec(label="Gate fit", animatable=False, choices=_FITS, touches=C)] = "horizontal"
    ortho_height_m: Annotated[
        float, Spec(label="Orthographic height", unit="m", lo=1e-6, only=("orthographic",), touches=C)
    ] = 2.0
    shift_x: Annotated[float, Spec(label="Shift x", unit="sensor", touches=C)] = 0.0
    shift_y: Annotated[float, Spec(label="Shift y", unit="sensor", touches=C)] = 0.0
    f_stop: Annotated[float, Spec(label="f-stop", lo=0.0, touches=C, help="0 is a pinhole")] = 0.0
    focus_distance_m: Annotated[float, Spec(label="Focus distance", unit="m", lo=1e-4, touches=C)] = 5.0
    blades: Annotated[int, Spec(label="Aperture blades", lo=0, hi=32, touches=C, help="0 is round")] = 0
    blade_rotation_deg: Annotated[float, Spec(label="Blade rotation", unit="deg", touches=C)] = 0.0
    shutter_open: Annotated[float, Spec(label="Shutter opens", unit="frames", touches=C)] = 0.0
    shutter_close: Annotated[float, Spec(label="Shutter closes", unit="frames", touches=C)] = 0.0
    exposure_ev: Annotated[float, Spec(label="Exposure", unit="stops", touches=C)] = 0.0
    near_m: Annotated[float, Spec(label="Near", unit="m", lo=0.0, touches=C)] = 0.01
    far_m: Annotated[float, Spec(label="Far", unit="m", lo=0.0, touches=C)] = 1000.0


def renamed_group(group: Group, names: Mapping[Id, Id]) -> dict[str, object]:
    """Fields of a copy of a group whose contents were copied under new ids: its states, and what scatters it."""
    out: dict[str, object] = {}
    if group.states:
        out["states"] = renamed_states(group.states, names)
    if group.scatter != "none":
        out["template"] = names.get(group.template, group.template)
        out["source"] = names.get(group.source, group.source)
        out["made"] = tuple(names.get(id_, "") for id_ in group.made)
    return out


@entity_kind
class Path(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="path"):
    """A smooth curve through points of its own space, to move things along. It is drawn in the viewport alone.

    `points` are x, y, z one after the other; between them runs a centripetal Catmull-Rom spline (E. Catmull and
    R. Rom, 1974; P. J. Barry and R. N. Goldman, SIGGRAPH 1988).
    """

    points: Annotated[tuple[float, ...], Spec(label="Points", unit="m", animatable=False, touches=T)] = (
        *(0.0, 0.0, 0.0),
        *(1.0, 0.0, 0.0),
    )
    closed: Annotated[bool, Spec(label="Closed", animatable=False, touches=T)] = False


@entity_kind
class Constraint(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="constraint"):
    """A rule that places the entity that it hangs below; its own transform means nothing.

    "look_at" turns its owner's -z to `target`, upright; "follow_path" puts it at `progress` (0 to 1 of the length) of
    the path `target`, turned along it where `turn` says so; "parent" moves it with `target`, `offset_translation` and
    `offset_rotation` apart. Constraints of one owner act in the order of the outliner, each by its `influence`.
    """

    SORT: ClassVar[str] = "constraint"

    constraint: Annotated[
        str, Spec(label="Constraint", animatable=False, choices=CONSTRAINTS, touches=Touches.HIERARCHY)
    ] = "look_at"
    target: Annotated[Id, Spec(label="Target", animatable=False, touches=T)] = ""
    influence: Annotated[float, Spec(label="Influence", lo=0.0, hi=1.0, touches=T)] = 1.0
    progress: Annotated[float, Spec(label="Progress", soft_lo=0.0, soft_hi=1.0, only=("follow_path",), touches=T)] = 0.0
    turn: Annotated[bool, Spec(label="Turn along the path", only=("follow_path",), touches=T)] = False
    roll_deg: Annotated[float, Spec(label="Roll", unit="deg", only=("look_at", "follow_path"), touches=T)] = 0.0
    offset_translation: Annotated[Vec3, Spec(label="Offset", unit="m", only=("parent", "follow_path"), touches=T)] = (
        0.0,
        0.0,
        0.0,
    )
    offset_rotation: Annotated[Quat, Spec(label="Offset rotation", only=("parent",), touches=T)] = (0.0, 0.0, 0.0, 1.0)


class Hinge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a control of a figure turns and shifts a joint, in proportion to its weight. The turn is about `axis`, in the
    space of the joint's parent, through the joint's own place; the turns of one joint's hinges follow each other."""

    joint: Id
    control: str
    axis: Vec3 = (1.0, 0.0, 0.0)
    angle_deg: float = 0.0  # at weight 1
    shift: Vec3 = (0.0, 0.0, 0.0)  # metres, at weight 1


class Corrective(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A shape that follows others: by the product of its drivers' weights (or the least of them), or, with a `peak`
    other than 0, an in-between of its only driver that is whole at that weight and gone at 0 and 1."""

    shape: str
    drivers: tuple[str, ...]
    how: str = "product"  # or "least"
    peak: float = 0.0


class Wrinkle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which controls bring out wrinkle map 1, 2 or 3 of a material: the sum of their weights times `gains`, within 0
    and 1."""

    material: Id
    slot: int
    controls: tuple[str, ...]
    gains: tuple[float, ...]


class Override(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A control that holds others back while it is at work: it takes them away altogether ("block") or by its own
    weight ("blend"), as expressions of VRM 1.0 do with blinks, the gaze and the mouth."""

    control: str
    suppresses: tuple[str, ...]
    how: str = "block"  # or "blend"


class MaterialBind(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a control changes about a material, in proportion to its weight: a colour field, or where all its textures
    lie (offset and scale)."""

    material: Id
    control: str
    field: str = ""  # of a colour, "" for none
    color: Vec3 = (1.0, 1.0, 1.0)
    offset: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None


class FigureRig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a figure moves, besides the morphs that bear the names of its controls: joints are groups below it."""

    hinges: tuple[Hinge, ...] = ()
    correctives: tuple[Corrective, ...] = ()
    wrinkles: tuple[Wrinkle, ...] = ()
    overrides: tuple[Override, ...] = ()
    binary: tuple[str, ...] = ()  # controls that are either on (above 0.5) or off
    materials: tuple[MaterialBind, ...] = ()
    bones: dict[str, Id] = {}  # joints of the body by their names in VRM 1.0 ("hips", "leftUpperArm", ...)
    head: Id = ""
    neck: Id = ""
    jaw: Id = ""
    left_eye: Id = ""  # turned by the gaze: +z of the joint looks
    right_eye: Id = ""
    gaze_deg: tuple[float, float, float, float] = (32.0, 38.0, 28.0, 30.0)  # eyeLookIn, Out, Up, Down at weight 1


@entity_kind
class Figure(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="figure"):
    """A digital double: what hangs below it are its meshes and joints, and its `expression` drives them.

    `controls` names the items of `expression`: Apple's 52 shapes in their order, then others. A mesh below the figure
    wears the weight of a control on the morph of the same name. `studio.scene.figures` says how all acts together."""

    controls: Annotated[tuple[str, ...], Spec(label="Controls", animatable=False, touches=Touches.GEOMETRY)] = ARKIT
    expression: Annotated[
        tuple[float, ...], Spec(label="Expression", lo=-1.0, hi=2.0, touches=Touches.GEOMETRY | T)
    ] = ()
    head_turn: Annotated[
        Vec3, Spec(label="Head turn", unit="deg", soft_lo=-60.0, soft_hi=60.0, touches=T, help=_TURN_HELP)
    ] = (0.0, 0.0, 0.0)
    look_at: Annotated[Id, Spec(label="Looks at", animatable=False, touches=T)] = ""
    look_weight: Annotated[float, Spec(label="Looks there by", lo=0.0, hi=1.0, touches=T)] = 1.0
    lids_follow: Annotated[float, Spec(label="Lids follow the eyes", lo=0.0, hi=1.0, touches=Touches.GEOMETRY)] = 1.0
    idle: Annotated[float, Spec(label="Idle life", lo=0.0, hi=1.0, touches=T, help=_IDLE_HELP)] = 0.0
    idle_seed: Annotated[int, Spec(label="Idle seed", lo=0, hi=1_000_000, animatable=False, touches=T)] = 0
    rig: FigureRig = FigureRig()
