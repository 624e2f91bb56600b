"""Commands that bring motions of bodies onto figures: BVH files of motion capture and animations of VRM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import Unsupported, UsageError
from studio.scene.entities import Figure, Id

if TYPE_CHECKING:
    from studio.figure.body import BodyMotion

MOTIONS = (".bvh", ".vrma")


def _read(path: Path) -> BodyMotion:
    if path.suffix.lower() == ".bvh":
        from studio.figure.bvh import read_bvh

        return read_bvh(path)
    if path.suffix.lower() == ".vrma":
        from studio.figure.vrma import read_vrma

        return read_vrma(path)
    raise Unsupported(f"{path.name}: is no motion that Myriad reads; use .bvh or .vrma.")


def _chosen(studio: Studio, figure: Id) -> Id:
    """The figure that is named, selected, or the scene's only one."""
    entities = studio.scene.entities
    figures = [id_ for id_, e in entities.items() if isinstance(e, Figure)]
    wanted = [id_ for id_ in ((figure,) if figure else studio.selection) if id_ in figures]
    if not wanted and len(figures) == 1 and not figure:
        wanted = figures
    if len(wanted) != 1:
        raise UsageError("select one figure that shall play the motion")
    return wanted[0]


@command("figures.import_motion", N_("Import motion…"), menu="Figure", group=5)
def import_motion(studio: Studio, *, path: str = "", figure: Id = "") -> None:
    """Play a BVH or VRMA file on a figure, from the present frame on, as a strip."""
    chosen = _chosen(studio, figure)
    where = Path(path) if path else studio.face.ask_open(N_("Motion"), MOTIONS)
    if where is None:
        return
    frame = studio.frame

    def show(motion: BodyMotion) -> None:
        from studio.figure.body import applied

        with studio.document.edit(N_("Import motion")) as edit:
            edit.apply(applied, chosen, motion, start_frame=frame)
        for said in motion.report:
            studio.face.notify(said)

    studio.face.work(lambda: _read(where), show, doing=where.name)
