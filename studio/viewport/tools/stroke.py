"""One gesture's edits: many on the way, one step in the history, none when it is cancelled."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studio.errors import BadAsset
from studio.scene.entities import Entity, Id
from studio.viewport.tools.placing import Fields, written
from studio.viewport.tools.tool import Viewer

_TOKENS = itertools.count()


class Stroke:
    """Edits of `ids` under one token. What it writes is always computed from `began`, the scene as it was seen at its
    start; where a curve drives a field, what it leaves is a key."""

    def __init__(self, viewer: Viewer, label: str, ids: Sequence[Id]) -> None:
        self.viewer, self.label, self.ids = viewer, label, tuple(ids)
        self.began = viewer.document.posed
        self.token = f"stroke-{next(_TOKENS)}"

    def write(self, fields: Fields) -> None:
        """Put new values into the scene; a value that no field allows is said, and the last ones stay. What is gone
        from the scene meanwhile is passed over."""
        fields = {id_: values for id_, values in fields.items() if id_ in self.viewer.document.scene.entities}
        try:
            with self.viewer.document.edit(self.label, coalesce=self.token) as edit:
                edit.apply(written, fields)
        except BadAsset as refusal:
            self.viewer.status(str(refusal))
            return
        shown = self.viewer.document.posed.entities
        overruled = [shown[id_] for id_, values in fields.items() if _elsewhere(shown[id_], values)]
        if overruled:
            self.viewer.status(f'"{overruled[0].name or overruled[0].id}" is held by a constraint.')

    def finish(self) -> None:
        """Keep what was done; what came back to its start leaves no step."""
        shown = self.viewer.document.posed
        if all(shown.entities.get(id_) == self.began.entities.get(id_) for id_ in self.ids):
            self.viewer.document.abandon(self.token)
        self.viewer.status("")

    def cancel(self) -> None:
        """Put everything back, and leave no step behind."""
        document = self.viewer.document
        document.abandon(self.token)
        shown = document.posed
        kept = {id_: self.began.entities[id_] for id_ in self.ids if id_ in shown.entities}
        if any(shown.entities[id_] != entity for id_, entity in kept.items()):
            # something else was edited in between, so that the gesture is no longer the last step
            with document.edit(f"Cancel: {self.label}") as edit:
                edit.scene = edit.scene.put(kept)
        self.viewer.status("")


def _elsewhere(entity: Entity, values: Mapping[str, Any]) -> bool:
    """Whether an entity does not stand, or is not turned, as it was told."""
    place, turn = values.get("translation"), values.get("rotation")
    if place is not None and not np.allclose(entity.translation, place, rtol=1e-6, atol=1e-6):
        return True
    return turn is not None and abs(abs(float(np.dot(entity.rotation, turn))) - 1.0) > 1e-6
