"""Commands of takes and of whoever performs: the demo performance, looking at takes, trimming and passing them on.

studio.run("capture.demo")                              # packets on loopback, without a phone
studio.run("capture.play_take")                         # the newest, on the selected figure, in the viewports
studio.run("capture.trim_take", first=1.0, last=4.5)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from studio.commands.capture import (
    PERFORMANCES,
    chosen_figure,
    has_figures,
    hub_of,
    is_listening,
)
from studio.commands.performance_desk import performance_of
from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import CannotWrite, UsageError
from studio.resources import data_folder
from studio.scene.entities import Id

if TYPE_CHECKING:
    from studio.figure.capture.frames import Take
    from studio.figure.capture.playback import PosedTake

_MENU = "Figure/Performance"
_TAKES = "Figure/Performance/Takes"
_DELETE, _CANCEL = N_("Delete"), N_("Cancel")


def has_takes(studio: Studio) -> bool:
    """The condition of commands on takes."""
    from studio.figure.capture.take_files import SUFFIX

    return any(hub_of(studio).folder().glob(f"*{SUFFIX}"))


def _take(studio: Studio, path: str) -> Path:
    """A take's file: this one, or the newest that is whole."""
    if path:
        return Path(path)
    kept = next((take.path for take in hub_of(studio).takes() if not take.fault), None)
    if kept is None:
        raise UsageError("there is no take yet; record one first")
    return kept


# --- devices ---------------------------------------------------------------------------------------------------------
@command("capture.demo", N_("Demo performance"), menu=_MENU, group=1, checked=lambda s: bool(_rehearsing(s)))
def demo(studio: Studio, *, figure: Id = "") -> None:
    """Have an actor made by code perform, sent as a phone's packets on this computer; once more ends it."""
    desk = performance_of(studio)
    if desk.rehearsing:
        desk.hub.close(desk.rehearsing)
        desk.tick()
        return
    desk.rehearse(chosen_figure(studio, figure) if figure or has_figures(studio) else "")


def _rehearsing(studio: Studio) -> str:
    return performance_of(studio).rehearsing


@command("capture.assign", N_("Move the selected figure"), menu=_MENU, group=1, when=is_listening)
def assign(studio: Studio, *, device: str = "", figure: Id | None = None) -> None:
    """Have the device move the selected figure, another one, or nobody ("")."""
    desk = performance_of(studio)
    key = device or desk.device
    desk.hub.assign(key, chosen_figure(studio, figure or "") if figure is None or figure else "")
    desk.tick()


@command("capture.calibrate_head", N_("Take the head as straight"), menu=_MENU, group=1, when=is_listening)
def calibrate_head(studio: Studio, *, device: str = "") -> None:
    """Take how the actor holds the head now as looking straight ahead; the neutral face stays."""
    hub = hub_of(studio)
    key = device or performance_of(studio).device
    before = hub.profile(key)
    found = hub.calibrate(key)
    hub.set_profile(key, msgspec.structs.replace(before, neutral_head_deg=found.neutral_head_deg))


# --- looking ---------------------------------------------------------------------------------------------------------
@command("capture.play_take", N_("Play take"), menu=_TAKES, when=has_figures)
def play_take(studio: Studio, *, path: str = "", figure: Id = "", at: float | None = None, stand: bool = False) -> None:
    """Play the newest take, or another, on the selected figure in the viewports; the scene stays as it is."""
    from studio.figure.capture.playback import posed_take
    from studio.figure.capture.take_files import load_take

    chosen, where, desk = chosen_figure(studio, figure), _take(studio, path), performance_of(studio)

    def show(posed: PosedTake) -> None:
        desk.show(where, posed, chosen, at)
        desk.play(on=not stand)

    studio.face.work(lambda: posed_take(load_take(where)), show, doing=where.name)


@command("capture.stop_take", N_("End looking at the take"), menu=_TAKES, when=lambda s: _looking(s))
def stop_take(studio: Studio) -> None:
    """Let the figure do again what the scene says."""
    performance_of(studio).put_away()


def _looking(studio: Studio) -> bool:
    return performance_of(studio).playing is not None


# --- keeping ---------------------------------------------------------------------------------------------------------
@command("capture.trim_take", N_("Trim take"), when=has_takes)
def trim_take(studio: Studio, *, path: str = "", first: float = 0.0, last: float = float("inf")) -> None:
    """Use a take from one of its seconds to another; all of its frames are kept."""
    from studio.figure.capture.recording import trimmed

    where = _take(studio, path)
    _change(studio, where, lambda take: trimmed(take, first, min(last, take.seconds)))


def _change(studio: Studio, where: Path, change: Callable[[Take], Take]) -> None:
    """Change a take's file on a thread; what plays of it goes on by what was changed."""
    from studio.figure.capture.take_files import load_take, save_take

    desk = performance_of(studio)

    def work() -> Take:
        take = change(load_take(where))
        save_take(take, where)
        return take

    def then(take: Take) -> None:
        playing = desk.playing
        if playing is not None and playing.path == where:
            playing.posed = replace(playing.posed, take=take)
        desk.hub.tell()

    studio.face.work(work, then, doing=where.name)


@command("capture.rename_take", N_("Rename take…"), menu=_TAKES, when=has_takes)
def rename_take(studio: Studio, *, path: str = "", name: str = "") -> None:
    """Give a take another name."""
    where = _take(studio, path)
    wanted = name or studio.face.ask_text(N_("Name of the take"), where.stem)
    if wanted and wanted != where.stem:
        _let_go(studio, where)
        hub_of(studio).rename(where, wanted)


@command("capture.delete_take", N_("Delete take…"), menu=_TAKES, when=has_takes)
def delete_take(studio: Studio, *, path: str = "") -> None:
    """Delete a take's file, which cannot be taken back."""
    where = _take(studio, path)
    question = N_("Delete the take {name}? This cannot be taken back.")
    if studio.face.ask(question, (_DELETE, _CANCEL), name=where.stem) == _DELETE:
        _let_go(studio, where)
        hub_of(studio).remove(where)


def _let_go(studio: Studio, where: Path) -> None:
    desk = performance_of(studio)
    if desk.playing is not None and desk.playing.path == where:
        desk.put_away()


@command("capture.import_take", N_("Import take…"), menu=_TAKES, group=1)
def import_take(studio: Studio, *, path: str = "") -> None:
    """Bring a take or a recording of Live Link Face (CSV) to the takes."""
    from studio.figure.capture.recording import load_performance

    where = Path(path) if path else studio.face.ask_open(N_("Performance"), PERFORMANCES)
    if where is None:
        return

    def keep(take: Take) -> None:
        hub_of(studio).keep(replace(take, name=take.name or where.stem))
        for sentence in take.notes:
            studio.face.notify(sentence, kind="warning")

    studio.face.work(lambda: load_performance(where), keep, doing=where.name)


@command("capture.export_take", N_("Export take…"), menu=_TAKES, group=1, when=has_takes)
def export_take(studio: Studio, *, path: str = "", to: str = "") -> None:
    """Write the raw frames of a take as a CSV of Live Link Face, or the take itself."""
    from studio.figure.capture.live_link_csv import write_csv
    from studio.figure.capture.take_files import SUFFIX, load_take, save_take

    source = _take(studio, path)
    where = Path(to) if to else studio.face.ask_save(N_("Export take"), f"{source.stem}.csv", (".csv", SUFFIX))
    if where is None:
        return
    write = save_take if where.suffix.lower() == SUFFIX else write_csv
    studio.face.work(
        lambda: write(load_take(source), where),
        lambda _: studio.face.notify(N_("{name} is written."), name=where.name),
        doing=where.name,
    )


def carry_takes(studio: Studio, before: Path | None, where: Path) -> None:
    """Have the takes of the project `before`, or those that were made before there was one (None), lie in the project
    `where` too. Those of a name that is there already are left out. CannotWrite in a sentence when the disk does not
    let us."""
    from studio.figure.capture.take_files import SUFFIX

    new = where / "takes"
    if before is None:
        own = data_folder() / "takes"
        found = [path for path in hub_of(studio).made if path.parent == own]
    else:
        found = sorted((before / "takes").glob(f"*{SUFFIX}"))
    wanted = [file for file in found if file.is_file() and not (new / file.name).exists()]
    if not wanted:
        return
    try:
        new.mkdir(parents=True, exist_ok=True)
        for file in wanted:
            shutil.copy2(file, new / file.name)
    except OSError as fault:
        raise CannotWrite(
            f"Takes could not be copied to {new} ({fault.strerror or fault}); copy them by hand."
        ) from None
    hub_of(studio).tell()
