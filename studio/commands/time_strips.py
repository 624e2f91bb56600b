"""Commands of clips and strips: recorded motion, laid on the timeline, and back to keys.

The strips that are selected are named in `Studio.chosen_strips`, as keys are in `Studio.picked`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.commands.time import tracks_of
from studio.errors import UsageError
from studio.scene.entities import Id
from studio.scene.scene import Scene


def has_clips(studio: Studio) -> bool:
    """The condition of commands that lay clips."""
    return bool(studio.scene.clips)


def has_strips(studio: Studio) -> bool:
    """The condition of commands that act on strips."""
    return bool(studio.scene.strips)


def strips_chosen(studio: Studio) -> bool:
    """The condition of commands that act on selected strips."""
    return bool(studio.chosen_strips)


@command(
    "time.make_clip",
    N_("Make clip of keys…"),
    menu="Time/Clips",
    when=lambda s: bool(tracks_of(s.scene, s.selection)),
)
def make_clip(studio: Studio, *, name: str = "", strip: bool = True) -> None:
    """Move the keys of what is selected into a clip, with a strip in their place."""
    from studio.scene import strips

    ids = studio.selection
    wish = name or studio.face.ask_text(N_("Name of the clip"), studio.scene.get(ids[0]).name or "clip")
    if not wish.strip():
        return
    tracks = tracks_of(studio.scene, ids)
    start = min(float(studio.scene.tracks[t].times[0]) for t in tracks)
    with studio.document.edit(N_("Make clip of keys")) as edit:
        clip = edit.apply(strips.clip_from_tracks, tracks, wish.strip())
        if strip and not any(s.clip == clip for s in edit.scene.strips.values()):
            made = edit.apply(strips.add_strip, clip, start=start)
            studio.chosen_strips = (made,)


@command("time.add_strip", N_("Add strip…"), menu="Time/Clips", when=has_clips)
def add_strip(studio: Studio, *, clip: Id = "", start: float | None = None, layer: int | None = None) -> Id:
    """Lay a clip on the timeline, from this frame on, on the first layer with room."""
    from studio.scene import strips

    clips = studio.scene.clips
    if not clip:
        same = [c.name for c in clips.values()]
        names = {c.name if same.count(c.name) == 1 else f"{c.name} ({i})": i for i, c in clips.items()}
        answer = next(iter(names)) if len(names) == 1 else studio.face.ask(N_("Which clip?"), tuple(names))
        if not answer:
            return ""
        clip = names[answer]
    if clip not in clips:
        raise UsageError(f"there is no clip {clip!r}")
    at = studio.frame if start is None else float(start)
    length = max(clips[clip].end - clips[clip].start, 0.0)
    row = free_layer(studio.scene, at, at + length) if layer is None else layer
    made: Id = studio.edit(N_("Add strip"), strips.add_strip, clip, start=at, layer=row)
    studio.chosen_strips = (made,)
    return made


def free_layer(scene: Scene, first: float, last: float) -> int:
    """The lowest layer on which no strip stands between two frames."""
    taken = {s.layer for s in scene.strips.values() if s.start < last and s.end > first}
    return next(layer for layer in range(len(taken) + 1) if layer not in taken)


@command(
    "time.remove_strips",
    N_("Delete strips"),
    menu="Time/Clips",
    keys=("Delete", "X"),
    place="strips",
    when=strips_chosen,
)
def remove_strips(studio: Studio) -> None:
    """Take the selected strips off the timeline; their clips stay."""
    from studio.scene import strips

    studio.edit(N_("Delete strips"), strips.remove_strips, studio.chosen_strips)


@command("time.split_strips", N_("Split strips here"), menu="Time/Clips", keys="K", place="strips", when=strips_chosen)
def split_strips(studio: Studio) -> None:
    """Cut the selected strips in two at this frame."""
    from studio.scene import strips

    frame = studio.frame
    crossed = [i for i in studio.chosen_strips if studio.scene.strips[i].start < frame < studio.scene.strips[i].end]
    if not crossed:
        raise UsageError("no selected strip runs at this frame")
    with studio.document.edit(N_("Split strips")) as edit:
        for id_ in crossed:
            edit.apply(strips.split_strip, id_, frame)


def change_strips(studio: Studio, label: str, *, coalesce: str = "", **values: Any) -> None:
    """Set fields of the selected strips."""
    from studio.scene import strips

    with studio.document.edit(label, coalesce=coalesce) as edit:
        for id_ in studio.chosen_strips:
            edit.scene = strips.change_strip(edit.scene, id_, **values)


@command(
    "time.mute_strips",
    N_("Mute strips"),
    menu="Time/Clips",
    keys="M",
    place="strips",
    when=strips_chosen,
    checked=lambda s: any(s.scene.strips[i].muted for i in s.chosen_strips),
)
def mute_strips(studio: Studio, *, on: bool | None = None) -> None:
    """Leave the selected strips out of what is seen, or take them in again."""
    muted = all(studio.scene.strips[i].muted for i in studio.chosen_strips)
    change_strips(studio, N_("Mute strips"), muted=not muted if on is None else on)


@command(
    "time.hold_strips",
    N_("Hold the last pose"),
    menu="Time/Clips",
    when=strips_chosen,
    checked=lambda s: any(s.scene.strips[i].hold for i in s.chosen_strips),
)
def hold_strips(studio: Studio, *, on: bool | None = None) -> None:
    """Let the last pose of the selected strips stay after their end, or not."""
    held = all(studio.scene.strips[i].hold for i in studio.chosen_strips)
    change_strips(studio, N_("Hold the last pose"), hold=not held if on is None else on)


@command(
    "time.additive_strips",
    N_("Add to what is below"),
    menu="Time/Clips",
    when=strips_chosen,
    checked=lambda s: any(s.scene.strips[i].mix == "add" for i in s.chosen_strips),
)
def additive_strips(studio: Studio, *, on: bool | None = None) -> None:
    """Add the motion of the selected strips to what is below them, in place of replacing it."""
    adds = all(studio.scene.strips[i].mix == "add" for i in studio.chosen_strips)
    wanted = not adds if on is None else on
    change_strips(studio, N_("Add to what is below"), mix="add" if wanted else "replace")


@command("time.bake_strips", N_("Bake strips to keys"), menu="Time/Clips", group=1, when=has_strips)
def bake_strips(studio: Studio) -> None:
    """Turn all strips into keys again."""
    from studio.scene import strips

    studio.edit(N_("Bake strips to keys"), strips.bake_strips, stored=studio.document.scene)


@command("time.remove_clips", N_("Delete unused clips"), menu="Time/Clips", group=1, when=has_clips)
def remove_clips(studio: Studio) -> None:
    """Forget the clips that no strip plays."""
    used = {s.clip for s in studio.scene.strips.values()}
    if not set(studio.scene.clips) - used:
        raise UsageError("every clip is used by a strip")
    studio.edit(N_("Delete unused clips"), lambda s: replace(s, clips={i: c for i, c in s.clips.items() if i in used}))
