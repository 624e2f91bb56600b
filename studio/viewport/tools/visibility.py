"""Showing and hiding from a viewport: isolate (of the view alone) and hide (of the scene, undoable)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio.scene.edits import show
from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.placement import placement
from studio.viewport.framing import below
from studio.viewport.tools.placing import ancestors
from studio.viewport.tools.tool import Viewer


def isolate(viewer: Viewer) -> None:
    """Show only what is selected, or everything again when something is isolated already."""
    chosen = frozenset(viewer.document.selection) & viewer.document.scene.entities.keys()
    if not viewer.look.isolated and not chosen:
        viewer.status("Select what to isolate first.")
        return
    viewer.look = replace(viewer.look, isolated=frozenset() if viewer.look.isolated else chosen)


def hide_selected(viewer: Viewer) -> None:
    """Hide what is selected, in one step."""
    ids = [id_ for id_ in viewer.document.selection if id_ in viewer.document.scene.entities]
    if ids:
        with viewer.document.edit("Hide") as edit:
            edit.apply(show, ids, on=False)


def hide_unselected(viewer: Viewer) -> None:
    """Hide every object, light and camera that is neither selected nor below what is."""
    places = placement(viewer.flat)
    keep = below(places, viewer.document.selection)
    rows = np.concatenate([places.object_rows, places.light_rows, places.camera_rows])
    for id_ in viewer.document.selection:  # what is above a selected one must stay, or it would go too
        keep[ancestors(places, id_)] = True
    ids = [places.ids[row] for row in rows[~keep[rows] & ~places.hidden[rows]].tolist()]
    if ids:
        with viewer.document.edit("Hide unselected") as edit:
            edit.apply(show, ids, on=False)


def unhide_all(viewer: Viewer) -> None:
    """Show everything that its own switch hides, and select it."""
    ids = [id_ for id_, entity in viewer.document.posed.entities.items() if not entity.visible]
    if ids:
        with viewer.document.edit("Show all") as edit:
            edit.apply(show, ids)
            edit.selection = tuple(ids)


def pickable(flat: FlatScene) -> list[Id]:
    """Objects, lights and cameras that are shown and not locked, themselves or from above, in the scene's order."""
    places = placement(flat)
    locked = [id_ for id_, entity in zip(places.ids, places.entities, strict=True) if entity.locked]
    out = np.zeros(len(places.ids), np.bool_)
    out[np.concatenate([places.object_rows, places.light_rows, places.camera_rows])] = True
    out &= ~places.hidden
    if locked:
        out &= ~below(places, locked)
    return [places.ids[row] for row in np.flatnonzero(out).tolist()]
