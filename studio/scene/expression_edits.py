"""Operations on the expression of a figure: pure functions of a scene, by the names of controls.

An expression is stored as one row of numbers in the order of the figure's controls, and a short row stands for zeros
behind it. Here controls are named, so that poses go from one head to another: what a figure has no control for is
passed over. A value is kept within what the field allows; one control is keyed as its own curve, `expression[i]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from studio.errors import BadAsset
from studio.scene import keying
from studio.scene.arkit import mirrored, region
from studio.scene.entities import Figure, Id, Vec3
from studio.scene.scene import Scene
from studio.scene.schema import fields

LEAST, MOST = -1.0, 2.0  # that the field allows
SIDES = ("swap", "left", "right")
TURN = "head_turn"  # stands among the names of controls where the turn of the head is meant
_STILL = (0.0, 0.0, 0.0)


class Pose(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An expression that is kept: weights by the names of controls. Controls that it does not name are left alone;
    `whole` says that it is a whole face, so that what it does not name rests."""

    name: str = ""
    weights: dict[str, float] = {}
    head_turn: Vec3 | None = None  # degrees
    whole: bool = False


# --- asking ----------------------------------------------------------------------------------------------------------
def figures(scene: Scene) -> tuple[Id, ...]:
    """The figures of a scene, in the order of the outliner."""
    return tuple(id_ for id_, entity in scene.entities.items() if isinstance(entity, Figure))


def figure_above(scene: Scene, id_: Id) -> Id:
    """The figure that an entity is or hangs below, "" for none."""
    for _ in range(len(scene.entities) + 1):
        entity = scene.entities.get(id_)
        if entity is None or isinstance(entity, Figure):
            return id_ if entity is not None else ""
        id_ = entity.parent
    return ""


def figure_named(scene: Scene, id_: Id) -> Figure:
    """A figure. BadAsset for an id that is none."""
    found = scene.entities.get(id_)
    if not isinstance(found, Figure):
        raise BadAsset(f'"{id_}" is no figure of this scene; select one.')
    return found


def weights(figure: Figure) -> dict[str, float]:
    """The weight of every control by its name, as it is set (not as blinks and glances make it)."""
    values = (*figure.expression, *([0.0] * len(figure.controls)))
    return dict(zip(figure.controls, values, strict=False))


def active(figure: Figure) -> tuple[str, ...]:
    """Names of controls that are not at rest."""
    return tuple(name for name, value in weights(figure).items() if value)


def controls_in(figure: Figure, where: str = "") -> tuple[str, ...]:
    """Names of the controls of one region of `arkit.REGIONS`, of all for ""."""
    return tuple(name for name in figure.controls if not where or region(name) == where)


# --- setting ---------------------------------------------------------------------------------------------------------
def set_controls(scene: Scene, id_: Id, values: Mapping[str, float]) -> Scene:
    """Set controls of a figure by their names; what it has no control for is passed over."""
    figure = figure_named(scene, id_)
    mine = weights(figure)
    new = {name: _kept(value) for name, value in values.items() if name in mine}
    if all(mine[name] == value for name, value in new.items()):
        return scene
    return scene.replace(id_, expression=tuple((mine | new).values()))


def _kept(value: float) -> float:
    value = float(value)
    if value != value or abs(value) == float("inf"):
        raise BadAsset("A control takes a finite number.")
    return min(max(value, LEAST), MOST) + 0.0  # never -0


def reset(scene: Scene, id_: Id, names: Iterable[str] = ()) -> Scene:
    """Let controls rest, all of them and the head when none is named."""
    wanted = list(names)
    if not wanted:
        figure = figure_named(scene, id_)
        scene = scene.replace(id_, head_turn=_STILL) if figure.head_turn != _STILL else scene
        wanted = list(figure.controls)
    elif TURN in wanted:
        scene = scene.replace(id_, head_turn=_STILL)
    return set_controls(scene, id_, dict.fromkeys(wanted, 0.0))


def mirrored_weights(values: Mapping[str, float], side: str = "swap") -> dict[str, float]:
    """Weights with left and right exchanged ("swap"), or with one side ("left", "right": the figure's own) on both.

    Of "left" and "right", the way that the jaw and the mouth go to one side is left alone: it has no other half.
    """
    if side not in SIDES:
        raise BadAsset(f'A face is mirrored by {", ".join(SIDES)}, not "{side}".')
    if side == "swap":
        return {name: values.get(mirrored(name), 0.0) for name in values}
    out = dict(values)
    for name in values:
        other = mirrored(name)
        if other != name and other in values and is_sided(name) and is_side(name, side):
            out[other] = values[name]
    return out


def is_sided(name: str) -> bool:
    """Whether a control is the left or the right half of one movement: a smile's is, the jaw's to the left is not."""
    return mirrored(name) != name and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")


def is_side(name: str, side: str) -> bool:
    """Whether a control acts on the figure's "left" or "right" half."""
    return name.endswith(("Left", "_L") if side == "left" else ("Right", "_R"))


def mirror(scene: Scene, id_: Id, side: str = "swap", names: Sequence[str] = ()) -> Scene:
    """Mirror an expression, see `mirrored_weights`; of a whole face that is swapped, the head turns the other way.
    With `names` those controls and their other halves only."""
    figure = figure_named(scene, id_)
    mine = weights(figure)
    wanted = {*names, *map(mirrored, names)} if names else set(mine)
    scene = set_controls(scene, id_, mirrored_weights({n: v for n, v in mine.items() if n in wanted}, side))
    if side == "swap" and not names and figure.head_turn != _STILL:
        scene = scene.replace(id_, head_turn=_other_way(figure.head_turn))
    return scene


def _other_way(turn: Vec3) -> Vec3:
    return (turn[0], -turn[1] + 0.0, -turn[2] + 0.0)


# --- poses -----------------------------------------------------------------------------------------------------------
def pose_of(figure: Figure, name: str, names: Iterable[str] = (), *, head: bool = False) -> Pose:
    """How a figure looks now, as a pose: its whole face, or the controls that are named."""
    mine, wanted = weights(figure), list(names)
    chosen = {n: v for n, v in mine.items() if n in wanted} if wanted else {n: v for n, v in mine.items() if v}
    return Pose(name=name, weights=chosen, head_turn=figure.head_turn if head else None, whole=not wanted)


def mirrored_pose(pose: Pose) -> Pose:
    """The pose of the other side."""
    named = {mirrored(name): value for name, value in pose.weights.items()}
    turn = None if pose.head_turn is None else _other_way(pose.head_turn)
    return msgspec.structs.replace(pose, weights=named, head_turn=turn)


def blend(
    scene: Scene,
    id_: Id,
    pose: Pose,
    share: float = 1.0,
    *,
    add: bool = False,
    mirror: bool = False,
    since: Figure | None = None,
) -> Scene:
    """Go towards a pose by a share of the way, 1 is all of it; with `add` put so much of it on top.

    `since` is where a drag began, so that its shares do not add up. A share may go past 1; controls stay within what
    they allow.
    """
    start = figure_named(scene, id_) if since is None else since
    meant = mirrored_pose(pose) if mirror else pose
    mine = weights(start)
    names = mine if meant.whole and not add else [n for n in mine if n in meant.weights]
    new = {}
    for name in names:
        to = meant.weights.get(name, 0.0)
        new[name] = mine[name] + share * (to if add else to - mine[name])
        if not add and share == 1.0:
            new[name] = to
    scene = set_controls(scene, id_, new)
    if meant.head_turn is not None:
        turn = tuple(a + share * (b if add else b - a) for a, b in zip(start.head_turn, meant.head_turn, strict=True))
        scene = scene.replace(id_, head_turn=turn)
    return scene


# --- keys ------------------------------------------------------------------------------------------------------------
def field_of(figure: Figure, name: str) -> str:
    """The field of a control as curves name it: "expression[17]"; "head_turn" for the turn of the head."""
    if name in fields(Figure):
        return name
    if name not in figure.controls:
        raise BadAsset(f'"{figure.name or figure.id}" has no control "{name}".')
    return f"expression[{figure.controls.index(name)}]"


def key_state(scene: Scene, id_: Id, index: int, frame: float) -> str:
    """Of a control by its number: "none" where no curve drives it, "animated", or "key" where it has a key at a frame;
    what a curve of the whole expression has counts for each."""
    return keying.keyed(scene, id_, f"expression[{index}]", frame) or "none"


def animated(scene: Scene, id_: Id) -> tuple[str, ...]:
    """Names of the controls of a figure that curves drive."""
    controls = figure_named(scene, id_).controls
    if f"{id_}.expression" in scene.tracks:
        return controls
    return tuple(name for i, name in enumerate(controls) if f"{id_}.expression[{i}]" in scene.tracks)


def key_controls(scene: Scene, id_: Id, names: Iterable[str], frame: float) -> Scene:
    """Set keys of controls at a frame, at their present values."""
    scene = _filled(scene, id_)
    figure = figure_named(scene, id_)
    for name in names:
        scene = keying.set_key(scene, id_, field_of(figure, name), frame)
    return scene


def _filled(scene: Scene, id_: Id) -> Scene:
    """The scene with a number for every control, which is what a key of one needs."""
    figure = figure_named(scene, id_)
    if len(figure.expression) >= len(figure.controls):
        return scene
    return scene.replace(id_, expression=tuple(weights(figure).values()))


def unkey_controls(scene: Scene, id_: Id, names: Iterable[str], frame: float) -> Scene:
    """Remove the keys that controls have at a frame. A key of a curve of the whole expression goes for all of it."""
    figure = figure_named(scene, id_)
    for name in names:
        field = field_of(figure, name)
        if keying.keyed(scene, id_, field, frame) == "key":
            scene = keying.remove_key(scene, id_, field, frame)
    return scene
