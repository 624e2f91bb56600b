"""One gesture's edits: many on the way, one step in the history, none when it is cancelled."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from studio.errors import BadAsset
from studio.scene.entities import Id
from studio.viewport.tools.placing import Fields, written
from studio.viewport.tools.tool import Viewer

_TOKENS = itertools.count()


class Stroke:
    """Edits of `ids` under one token. What it writes is always computed from `began`, the scene at its start."""

    def __init__(self, viewer: Viewer, label: str, ids: Sequence[Id]) -> None:
        self.viewer, self.label, self.ids = viewer, label, tuple(ids)
        self.began = viewer.document.scene
        self.token = f"stroke-{next(_TOKENS)}"

    def write(self, fields: Fields) -> None:
        """Put new values into the scene; a value that no field allows is said, and the last ones stay. What is gone
        from the scene meanwhile is passed over."""
        fields = {id_: values for id_, values in fields.items() if id_ in self.viewer.document.scene.entities}
        try:
            with self.viewer.document.edit(self.label, coalesce=self.token) as edit:
                edit.apply(written, fields, self.viewer.flat.frame)
        except BadAsset as refusal:
            self.viewer.status(str(refusal))

    def finish(self) -> None:
        """Keep what was done; what came back to its start leaves no step."""
        scene = self.viewer.document.scene
        back = all(scene.entities.get(id_) == self.began.entities.get(id_) for id_ in self.ids)
        if back and scene.tracks is self.began.tracks:
            self.viewer.document.abandon(self.token)
        self.viewer.status("")

    def cancel(self) -> None:
        """Put everything back, and leave no step behind."""
        document = self.viewer.document
        document.abandon(self.token)
        kept = {id_: self.began.entities[id_] for id_ in self.ids if id_ in document.scene.entities}
        if any(document.scene.entities[id_] is not entity for id_, entity in kept.items()):
            # something else was edited in between, so that the gesture is no longer the last step
            with document.edit(f"Cancel: {self.label}") as edit:
                edit.scene = edit.scene.put(kept)
        self.viewer.status("")
