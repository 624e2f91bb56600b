"""Which figure's face is in hand, and the hand itself: gestures on its controls, as the panel and tools make them.

The figure is that of what is selected; while nothing of a figure is selected it stays the one that was chosen last, so
that a light can be moved and the face gone on with. A gesture begins where the face stands, writes as often as it
likes, and is one step of the history, taken back as one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from studio.commands.pose_library import PoseLibrary
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.commands.watching import Desk
from studio.errors import UsageError
from studio.scene import expression_edits as edits
from studio.scene.arkit import mirrored
from studio.scene.entities import Figure, Id, Vec3
from studio.scene.expression_edits import Pose

_tokens = itertools.count()


@dataclass(frozen=True, slots=True)
class Gesture:
    """What a hand has taken: the figure as it stood, and the token of its edits."""

    figure: Figure
    token: str
    label: str


class ExpressionDesk(Desk[str]):
    """See the module. A studio has one: `desk_of(studio)`. It tells "figure", "values", "links" or "poses" when one of
    them is another."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._chosen: Id = ""
        self._apart: set[str] = set()  # halves that move by themselves, by the name of their left
        self._library: PoseLibrary | None = None
        self.clip: Pose | None = None  # a face that was copied
        studio.watch(self._heard)
        self._follow()

    @property
    def library(self) -> PoseLibrary:
        """The pose library."""
        if self._library is None:
            self._library = PoseLibrary()
        return self._library

    # --- watching ----------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is None and not update.parts & {"path", "frame", "autokey"}:
            return
        before = self._chosen
        if "path" in update.parts:
            self._chosen = ""
        change = update.change
        if change is None or change.selected or self._chosen not in self.studio.scene.entities or not self._chosen:
            self._follow()
        self.tell("figure" if self._chosen != before else "values")

    def _follow(self) -> None:
        scene = self.studio.scene
        for id_ in reversed(self.studio.selection):
            if found := edits.figure_above(scene, id_):
                self._chosen = found
                return
        if not isinstance(scene.entities.get(self._chosen), Figure):
            self._chosen = next(iter(edits.figures(scene)), "")

    # --- the figure --------------------------------------------------------------------------------------------------
    @property
    def id(self) -> Id:
        """The figure whose face is in hand, "" where the scene has none."""
        return self._chosen

    def choose(self, id_: Id) -> None:
        """Take another figure's face; it is selected, so that all panels agree."""
        edits.figure_named(self.studio.scene, id_)
        if id_ != self._chosen:
            self._chosen = id_
            self.studio.select([id_])
            self.tell("figure")

    @property
    def figure(self) -> Figure | None:
        """The figure as it stands at the frame."""
        found = self.studio.posed.entities.get(self._chosen)
        return found if isinstance(found, Figure) else None

    def need(self, id_: Id = "") -> Id:
        """The figure that is named, else the one in hand. UsageError where there is none."""
        if id_:
            edits.figure_named(self.studio.scene, id_)
            return id_
        if not self._chosen:
            raise UsageError("there is no figure in the scene; make one of a head first")
        return self._chosen

    # --- pairs -------------------------------------------------------------------------------------------------------
    def linked(self, name: str) -> bool:
        """Whether the other half of a control moves with it. Eyes look by themselves until they are linked."""
        if not edits.is_sided(name):
            return False
        key = _left(name)
        return (key not in self._apart) != key.startswith("eyeLook")

    def link(self, name: str, *, on: bool) -> None:
        """Have both halves of a control move together, or each by itself."""
        if edits.is_sided(name) and self.linked(name) != on:
            self._apart ^= {_left(name)}
            self.tell("links")

    def with_it(self, names: Iterable[str], *, alone: bool = False) -> list[str]:
        """Controls and the halves that move with them."""
        out = dict.fromkeys(names)
        if not alone:
            out |= dict.fromkeys([mirrored(name) for name in out if self.linked(name)])
        return list(out)

    # --- gestures ----------------------------------------------------------------------------------------------------
    def grab(self, label: str = N_("Expression")) -> Gesture:
        """Begin a gesture on the face in hand."""
        figure = self.figure
        if figure is None:
            raise UsageError("there is no figure in the scene; make one of a head first")
        return Gesture(figure, f"expression-{next(_tokens)}", label)

    def put(self, gesture: Gesture, values: Mapping[str, float]) -> None:
        """Set controls by their names in a gesture."""
        with self.studio.document.edit(gesture.label, coalesce=gesture.token) as edit:
            edit.apply(edits.set_controls, gesture.figure.id, values)

    def turn_head(self, gesture: Gesture, turn: Vec3) -> None:
        """Set the turn of the head, degrees, in a gesture."""
        with self.studio.document.edit(gesture.label, coalesce=gesture.token) as edit:
            edit.replace(gesture.figure.id, head_turn=turn)

    def blend(self, gesture: Gesture, pose: Pose, share: float, *, add: bool = False, mirror: bool = False) -> None:
        """Go towards a pose by a share, from where the gesture began."""
        with self.studio.document.edit(gesture.label, coalesce=gesture.token) as edit:
            edit.apply(edits.blend, gesture.figure.id, pose, share, add=add, mirror=mirror, since=gesture.figure)

    def let_go(self, gesture: Gesture, *, keep: bool = True) -> None:
        """End a gesture; what is not kept, or came back to its start, leaves no step."""
        now = self.studio.posed.entities.get(gesture.figure.id)
        if not keep or now == gesture.figure:
            self.studio.document.abandon(gesture.token)


def _left(name: str) -> str:
    return name if edits.is_side(name, "left") else mirrored(name)


def desk_of(studio: Studio) -> ExpressionDesk:
    """The expression desk of a studio."""
    return studio.own(ExpressionDesk, studio)
