"""Commands of expressions: resting, mirroring, keying a face, and poses. All take names of controls, so that scripts
read like what an artist says; without any they mean the whole face.

The figure is the one that is named, else that of what is selected, else the one in hand (see `expression_desk`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.commands.expression_desk import desk_of
from studio.commands.pose_library import SUFFIX, Kept
from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import expression_edits as edits
from studio.scene.arkit import REGIONS
from studio.scene.entities import Figure, Id
from studio.scene.expression_edits import TURN, Pose

_MENU, _POSES = "Figure/Expression", "Figure/Poses"


def has_figure(studio: Studio) -> bool:
    """The condition of commands on faces."""
    return bool(edits.figures(studio.scene))


def _face(studio: Studio, figure: Id) -> Figure:
    """The figure that is meant, as it stands at the frame."""
    return edits.figure_named(studio.posed, desk_of(studio).need(figure))


def _names(figure: Figure, names: Sequence[str], region: str) -> tuple[str, ...]:
    """The controls that are meant: those named, those of a region, or none for the whole face."""
    if region:
        if region not in REGIONS:
            raise UsageError(f'there is no region "{region}"; a face has {", ".join(REGIONS)}')
        return tuple(dict.fromkeys((*names, *edits.controls_in(figure, region))))
    unknown = [name for name in names if name not in figure.controls and name != TURN]
    if unknown:
        raise UsageError(f'"{figure.name or figure.id}" has no control "{unknown[0]}"')
    return tuple(names)


# --- controls --------------------------------------------------------------------------------------------------------
@command("expressions.set", N_("Set controls of a face"))
def set_controls(studio: Studio, *, values: Mapping[str, float] | None = None, figure: Id = "") -> None:
    """Set controls by their names, {"jawOpen": 0.3}; for scripts."""
    if not values:
        raise UsageError('name what to set: studio.run("expressions.set", values={"jawOpen": 0.3})')
    face = _face(studio, figure)
    _names(face, tuple(values), "")
    studio.edit(N_("Expression"), edits.set_controls, face.id, dict(values))


@command("expressions.reset", N_("Reset expression"), menu=_MENU, when=has_figure, icon="reset")
def reset(studio: Studio, *, names: Sequence[str] = (), region: str = "", figure: Id = "") -> None:
    """Let the face rest: controls at 0, the head straight. With names or a region, only those."""
    face = _face(studio, figure)
    studio.edit(N_("Reset expression"), edits.reset, face.id, _names(face, names, region))


def _mirror(studio: Studio, side: str, names: Sequence[str], figure: Id) -> None:
    face = _face(studio, figure)
    studio.edit(N_("Mirror expression"), edits.mirror, face.id, side, _names(face, names, ""))


@command("expressions.mirror", N_("Mirror expression"), menu=_MENU, when=has_figure, icon="mirror")
def mirror(studio: Studio, *, side: str = "swap", names: Sequence[str] = (), figure: Id = "") -> None:
    """Exchange left and right; with a side, "left" or "right", that one goes to both."""
    _mirror(studio, side, names, figure)


@command("expressions.mirror_left", N_("Left half to both"), menu=_MENU, when=has_figure)
def mirror_left(studio: Studio, *, names: Sequence[str] = (), figure: Id = "") -> None:
    """Give the right half of the face what the figure's left half has."""
    _mirror(studio, "left", names, figure)


@command("expressions.mirror_right", N_("Right half to both"), menu=_MENU, when=has_figure)
def mirror_right(studio: Studio, *, names: Sequence[str] = (), figure: Id = "") -> None:
    """Give the left half of the face what the figure's right half has."""
    _mirror(studio, "right", names, figure)


# --- keys ------------------------------------------------------------------------------------------------------------
def _key(studio: Studio, face: Figure, names: Sequence[str]) -> None:
    studio.edit(N_("Key expression"), edits.key_controls, face.id, names, studio.frame)


@command("expressions.key", N_("Key all controls"), menu=_MENU, group=1, when=has_figure, icon="key")
def key(studio: Studio, *, names: Sequence[str] = (), region: str = "", figure: Id = "") -> None:
    """Set keys of the whole face, the head's turn with it, at this frame; with names or a region, of those."""
    face = _face(studio, figure)
    _key(studio, face, _names(face, names, region) or (*face.controls, TURN))


@command("expressions.key_active", N_("Key controls in use"), menu=_MENU, group=1, when=has_figure)
def key_active(studio: Studio, *, figure: Id = "") -> None:
    """Set keys of the controls that are not at rest or have curves, at this frame."""
    face = _face(studio, figure)
    wanted = {*edits.active(face), *edits.animated(studio.scene, face.id)}
    if not wanted:
        raise UsageError("the face rests and nothing of it is animated; move a control first")
    _key(studio, face, [name for name in face.controls if name in wanted])


@command("expressions.key_keyed", N_("Key animated controls"), menu=_MENU, group=1, when=has_figure)
def key_keyed(studio: Studio, *, figure: Id = "") -> None:
    """Set keys of the controls that have curves already, at this frame."""
    face = _face(studio, figure)
    wanted = edits.animated(studio.scene, face.id)
    if not wanted:
        raise UsageError("no control of this face is animated yet")
    _key(studio, face, wanted)


@command("expressions.unkey", N_("Delete keys of the face"), menu=_MENU, group=1, when=has_figure)
def unkey(studio: Studio, *, names: Sequence[str] = (), region: str = "", figure: Id = "") -> None:
    """Remove the keys that the face has at this frame; with names or a region, those of these controls."""
    face = _face(studio, figure)
    wanted = _names(face, names, region) or (*face.controls, TURN)
    studio.edit(N_("Delete keys of the face"), edits.unkey_controls, face.id, wanted, studio.frame)


# --- looking ---------------------------------------------------------------------------------------------------------
def _gazed(studio: Studio) -> Id:
    """What is selected beside the figure, last."""
    scene = studio.scene
    own = desk_of(studio).id
    return next((id_ for id_ in reversed(studio.selection) if edits.figure_above(scene, id_) != own), "")


@command("expressions.look_at", N_("Look at what is selected"), menu=_MENU, group=2, when=has_figure, icon="picker")
def look_at(studio: Studio, *, target: Id | None = None, figure: Id = "") -> None:
    """Have the figure in hand look at what is selected beside it; "" for nothing."""
    face = _face(studio, figure)
    to = _gazed(studio) if target is None else target
    if target is None and not to:
        raise UsageError("select what the figure shall look at")
    if to and to not in studio.scene.entities:
        raise UsageError(f'there is no "{to}" to look at')
    with studio.document.edit(N_("Look at")) as edit:
        edit.replace(face.id, look_at=to)


@command("expressions.look_ahead", N_("Look at nothing"), menu=_MENU, group=2, when=has_figure)
def look_ahead(studio: Studio, *, figure: Id = "") -> None:
    """Let the eyes go where the gaze controls have them."""
    face = _face(studio, figure)
    with studio.document.edit(N_("Look at nothing")) as edit:
        edit.replace(face.id, look_at="")


# --- poses -----------------------------------------------------------------------------------------------------------
@command("expressions.copy", N_("Copy expression"), menu=_POSES, when=has_figure, icon="copy", recorded=False)
def copy(studio: Studio, *, names: Sequence[str] = (), region: str = "", figure: Id = "") -> None:
    """Remember how the face looks, or these controls of it, to be pasted on this or another figure."""
    face = _face(studio, figure)
    desk_of(studio).clip = edits.pose_of(face, "clip", _names(face, names, region))


def _copied(studio: Studio) -> bool:
    return has_figure(studio) and desk_of(studio).clip is not None


@command("expressions.paste", N_("Paste expression"), menu=_POSES, when=_copied, icon="paste")
def paste(studio: Studio, *, mirrored: bool = False, share: float = 1.0, figure: Id = "") -> None:
    """Give the face what was copied; `mirrored` with left and right exchanged."""
    clip = desk_of(studio).clip
    if clip is None:
        raise UsageError("copy an expression first")
    studio.edit(
        N_("Paste expression"), edits.blend, _face(studio, figure).id, clip, float(share), mirror=bool(mirrored)
    )


@command("expressions.paste_mirrored", N_("Paste mirrored"), menu=_POSES, when=_copied)
def paste_mirrored(studio: Studio, *, figure: Id = "") -> None:
    """Give the face what was copied, with left and right exchanged."""
    paste(studio, mirrored=True, figure=figure)


def _asked(studio: Studio, name: str, *, own: bool = False) -> str:
    """The pose that is named, or is asked for."""
    if name:
        return name
    names = tuple(kept.pose.name for kept in desk_of(studio).library.poses if kept.own or not own)
    if not names:
        raise UsageError("no pose is kept yet; store the face as one")
    return studio.face.ask(N_("Which pose?"), names)


@command("expressions.pose", N_("Apply pose…"), menu=_POSES, group=1, when=has_figure, icon="poses")
def apply_pose(
    studio: Studio,
    *,
    name: str = "",
    share: float = 1.0,
    add: bool = False,
    mirrored: bool = False,
    figure: Id = "",
) -> None:
    """Give the face a pose of the library, by a share of the way; `add` puts it on top of what is there."""
    if called := _asked(studio, name):
        pose = desk_of(studio).library.find(called).pose
        face = _face(studio, figure)
        studio.edit(N_("Apply pose"), edits.blend, face.id, pose, float(share), add=bool(add), mirror=bool(mirrored))


@command("expressions.store_pose", N_("Store pose…"), menu=_POSES, group=1, when=has_figure, icon="state-store")
def store_pose(
    studio: Studio, *, name: str = "", names: Sequence[str] = (), region: str = "", head: bool = False, figure: Id = ""
) -> None:
    """Keep how the face looks as a pose of the library, in the place of an own one of that name; with names or a region
    only those controls, with `head` also how the head is turned."""
    face, desk = _face(studio, figure), desk_of(studio)
    wanted = _names(face, names, region)
    called = name or studio.face.ask_text(N_("Name of the pose"), desk.library.free_name("Pose"))
    if called:
        kept: Pose = edits.pose_of(face, called, wanted, head=head)
        desk.library.store(kept)
        desk.tell("poses")


def _any_own(studio: Studio) -> bool:
    return any(kept.own for kept in desk_of(studio).library.poses)


@command("expressions.rename_pose", N_("Rename pose…"), menu=_POSES, group=1, when=_any_own)
def rename_pose(studio: Studio, *, name: str = "", to: str = "") -> None:
    """Call a pose that you keep something else."""
    desk = desk_of(studio)
    called = _asked(studio, name, own=True)
    new = (to or studio.face.ask_text(N_("Name of the pose"), called)) if called else ""
    if new:
        desk.library.rename(called, new)
        desk.tell("poses")


@command("expressions.delete_pose", N_("Delete pose…"), menu=_POSES, group=1, when=_any_own)
def delete_pose(studio: Studio, *, name: str = "", sure: bool = False) -> None:
    """Delete a pose that you keep; its file goes, and that cannot be undone."""
    desk = desk_of(studio)
    called = _asked(studio, name, own=True)
    if not called:
        return
    yes = N_("Delete")
    if sure or studio.face.ask(N_("Delete the pose “{name}” for good?"), (yes, N_("Cancel")), name=called) == yes:
        desk.library.delete(called)
        desk.tell("poses")


@command("expressions.import_poses", N_("Import poses…"), menu=_POSES, group=2, icon="import")
def import_poses(studio: Studio, *, path: str = "") -> None:
    """Keep the poses of a file in the library, under names that are free."""
    from pathlib import Path

    chosen = Path(path) if path else studio.face.ask_open(N_("Import poses"), (".json",))
    if chosen is None:
        return
    desk = desk_of(studio)
    names = desk.library.take_in(chosen)
    desk.tell("poses")
    studio.face.notify(N_("Poses kept: {names}"), names=", ".join(names[:8]) + (", …" if len(names) > 8 else ""))


@command("expressions.export_poses", N_("Export poses…"), menu=_POSES, group=2, icon="export")
def export_poses(studio: Studio, *, path: str = "", names: Sequence[str] = ()) -> None:
    """Write poses to one file, all that you keep when none is named."""
    from pathlib import Path

    library = desk_of(studio).library
    own: list[Kept] = [kept for kept in library.poses if kept.own]
    wanted = list(names) or [kept.pose.name for kept in own]
    if not wanted:
        raise UsageError("no pose is kept yet; store the face as one")
    chosen = Path(path) if path else studio.face.ask_save(N_("Export poses"), f"poses{SUFFIX}", (".json",))
    if chosen is not None:
        library.give_out(chosen, wanted)
