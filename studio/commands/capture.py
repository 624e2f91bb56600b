"""Commands of performance capture: listen to a device, let a figure act, record, and bring performances onto figures.

    studio.run("capture.listen", kind="live_link")
    studio.run("capture.record")
    studio.run("capture.stop_recording")
    studio.run("capture.bake")                   # the newest take, on the figure that is selected

The hub belongs to the studio, so a script reads what a panel shows: `hub_of(studio).statuses()`. Whoever shows the
studio calls `perform` as often as it draws; figures then act in its viewports, and the document stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import StudioError, UsageError
from studio.resources import data_folder
from studio.scene.entities import Figure, Id

if TYPE_CHECKING:
    from studio.figure.capture.frames import Take
    from studio.figure.capture.hub import CaptureHub

_MENU = "Figure/Performance"
_MOST_REMEMBERED = 8
PERFORMANCES = (".take", ".csv")
PROFILES = (".json",)


class _Kept:
    """A studio's hub, made when it is first asked for; its takes lie in the project, or with the studio's own data."""

    def __init__(self, studio: Studio) -> None:
        from studio.figure.capture.hub import CaptureHub

        def folder() -> Path:
            return (studio.path if studio.path is not None else data_folder()) / "takes"

        self.hub = CaptureHub(folder)
        self.hub.watch(lambda: studio.tell("capture"))  # whoever shows the studio has something to draw now


def hub_of(studio: Studio) -> CaptureHub:
    """The performance capture of a studio."""
    return studio.own(_Kept, studio).hub


def perform(studio: Studio, now: float | None = None) -> bool:
    """Let figures act by what is heard now; whether anything moved. To be called as often as somebody draws."""
    hub = hub_of(studio)
    moved = hub.act(now)
    wanted = hub.wearing if hub.wearing.poses else None
    if wanted is not studio.performance:
        studio.performance = wanted
    elif moved:
        studio.tell("performance")
    return moved


def chosen_figure(studio: Studio, figure: Id = "") -> Id:
    """The figure that is named, selected (or of which a part is), or the scene's only one; UsageError otherwise."""
    from studio.figure.capture.wearing import figure_of, figures_in

    if figure:
        return figure_of(studio.scene, figure).id
    found = figures_in(studio.scene, studio.selection)
    found = found or [id_ for id_, entity in studio.scene.entities.items() if isinstance(entity, Figure)]
    if len(found) != 1:
        raise UsageError(
            "the scene has no figure that could act" if not found else "select the one figure that is to act"
        )
    return found[0]


def has_figures(studio: Studio) -> bool:
    """The condition of commands that put something on a figure."""
    return any(isinstance(entity, Figure) for entity in studio.scene.entities.values())


def is_listening(studio: Studio) -> bool:
    """The condition of commands that need a device."""
    return bool(hub_of(studio).listening)


def is_recording(studio: Studio) -> bool:
    """The condition of ending a recording."""
    return hub_of(studio).recording


def can_record(studio: Studio) -> bool:
    """The condition of beginning one."""
    return is_listening(studio) and not is_recording(studio)


# --- files -----------------------------------------------------------------------------------------------------------
@command("capture.import", N_("Import performance…"), menu=_MENU, when=has_figures)
def import_performance(
    studio: Studio, *, path: str = "", figure: Id = "", start: float | None = None, as_clip: bool = False
) -> None:
    """Put a take or a recording of Live Link Face (CSV) on the selected figure, from this frame on, as keys of its face
    and head."""
    from studio.figure.capture.recording import load_performance

    chosen = chosen_figure(studio, figure)
    where = Path(path) if path else studio.face.ask_open(N_("Performance"), PERFORMANCES)
    if where is None:
        return
    frame = studio.frame if start is None else start

    def show(take: Take) -> None:
        put(studio, chosen, take, start=frame, as_clip=as_clip)

    studio.face.work(lambda: load_performance(where), show, doing=where.name)


def put(
    studio: Studio, figure: Id, take: Take, *, start: float, as_clip: bool = False, tolerance: float | None = None
) -> None:
    """Bake a take onto a figure as one undoable step; what its file lacked is notified, and "baked" is told."""
    from studio.figure.capture.recording import TOLERANCE, bake

    within = TOLERANCE if tolerance is None else tolerance
    with studio.document.edit(N_("Bake performance")) as edit:
        edit.apply(bake, figure, take, start_frame=start, as_clip=as_clip, tolerance=within)
    studio.tell("baked")
    for sentence in take.notes:
        studio.face.notify(sentence, kind="warning")


@command("capture.bake", N_("Bake the newest take"), menu=_MENU, when=has_figures)
def bake_take(
    studio: Studio,
    *,
    path: str = "",
    figure: Id = "",
    start: float | None = None,
    as_clip: bool = False,
    tolerance: float | None = None,
) -> None:
    """Put the newest take, or the one of a file, on the selected figure from this frame on."""
    from studio.figure.capture.take_files import load_take

    chosen = chosen_figure(studio, figure)
    kept = [take.path for take in hub_of(studio).takes() if not take.fault]
    if not path and not kept:
        raise UsageError("there is no take yet; record one first")
    where = Path(path) if path else kept[0]
    frame = studio.frame if start is None else start
    studio.face.work(
        lambda: load_take(where),
        lambda take: put(studio, chosen, take, start=frame, as_clip=as_clip, tolerance=tolerance),
        doing=where.name,
    )


# --- devices ---------------------------------------------------------------------------------------------------------
@command("capture.listen", N_("Listen to a device"), menu=_MENU, group=1)
def listen(
    studio: Studio,
    *,
    kind: str = "",
    host: str = "",
    port: int | None = None,
    peer: str = "",
    subject: str = "",
    profile: str = "",
    figure: Id = "",
) -> str:
    """Open the device that was used last, or another, and have it move the selected figure."""
    from studio.figure.capture.retarget import load_profile
    from studio.figure.capture.sources import LOOPBACK, Source, sound

    known = sound(studio.preferences.capture)
    last = known[0] if known and (not kind or known[0].kind == kind) else Source()
    source = Source(
        kind=kind or last.kind,
        host=host or (last.host if not kind else LOOPBACK),
        port=port if port is not None or kind else last.port,
        peer=peer or ("" if kind else last.peer),
        subject=subject,
        profile=profile or last.profile,
    )
    chosen = chosen_figure(studio, figure) if figure or has_figures(studio) else ""
    wanted = None
    if source.profile:
        try:
            wanted = load_profile(source.profile)
        except StudioError as fault:  # the device is worth hearing without it
            studio.face.notify(str(fault), kind="warning")
    key = hub_of(studio).open(source, figure=chosen, profile=wanted)
    studio.prefer(capture=(source, *(s for s in known if s != source))[:_MOST_REMEMBERED])
    return key


@command("capture.close", N_("Stop listening"), menu=_MENU, group=1, when=is_listening)
def close(studio: Studio, *, device: str = "") -> None:
    """Close a device, or all of them; what is being recorded is kept."""
    hub_of(studio).close(device)
    perform(studio)


@command("capture.calibrate", N_("Calibrate to the neutral face"), menu=_MENU, group=1, when=is_listening)
def calibrate(studio: Studio, *, device: str = "") -> None:
    """Take the last second of a device as the actor's face and head at rest."""
    hub = hub_of(studio)
    hub.calibrate(hub.the_one(device))


@command("capture.pose", N_("Keep the live pose"), menu=_MENU, group=1, when=is_listening)
def keep_pose(studio: Studio, *, device: str = "", figure: Id = "") -> None:
    """Put what the actor does now on the figure, with keys where it is animated."""
    from studio.figure.capture.wearing import wear

    hub = hub_of(studio)
    key = hub.the_one(device)
    frame = hub.sample(key)
    if frame is None:
        raise UsageError("nothing was heard of the device yet")
    chosen = figure or hub.listening[key].figure
    with studio.document.edit(N_("Keep the live pose")) as edit:
        edit.apply(wear, chosen or chosen_figure(studio), frame)


@command("capture.save_profile", N_("Save capture profile…"), menu=_MENU, group=3, when=is_listening)
def save_profile(studio: Studio, *, path: str = "", device: str = "") -> None:
    """Keep how a device is calibrated and retargeted in a file, which is used again the next time."""
    from studio.figure.capture import retarget

    hub = hub_of(studio)
    key = hub.the_one(device)
    where = Path(path) if path else studio.face.ask_save(N_("Capture profile"), "profile.json", PROFILES)
    if where is None:
        return
    retarget.save_profile(msgspec.structs.replace(hub.profile(key), name=where.stem), where)
    _use(studio, key, where)


@command("capture.load_profile", N_("Load capture profile…"), menu=_MENU, group=3, when=is_listening)
def load_profile(studio: Studio, *, path: str = "", device: str = "") -> None:
    """Calibrate and retarget a device as a file says."""
    from studio.figure.capture import retarget

    hub = hub_of(studio)
    key = hub.the_one(device)
    where = Path(path) if path else studio.face.ask_open(N_("Capture profile"), PROFILES)
    if where is None:
        return
    hub.set_profile(key, retarget.load_profile(where))
    _use(studio, key, where)


def _use(studio: Studio, key: str, profile: Path) -> None:
    """Remember a device's profile."""
    source = hub_of(studio).listening[key].source
    known = studio.preferences.capture
    path = str(profile.absolute())
    studio.prefer(
        capture=tuple(
            msgspec.structs.replace(s, profile=path)
            if (s.kind, s.host) == (source.kind, source.host) and s.port in (None, 0, source.port)
            else s
            for s in known
        )
    )


# --- recording -------------------------------------------------------------------------------------------------------
@command("capture.record", N_("Record performance"), menu=_MENU, group=2, when=can_record)
def record(studio: Studio, *, name: str = "take") -> None:
    """Record all devices that are listened to."""
    hub_of(studio).record(name)


@command("capture.stop_recording", N_("Stop recording"), menu=_MENU, group=2, when=is_recording)
def stop_recording(studio: Studio) -> tuple[str, ...]:
    """End the recording and keep its takes; gives their files."""
    return tuple(str(path) for path in hub_of(studio).stop())
