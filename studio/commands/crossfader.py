"""The crossfader: between which two states of which rig, and how far along, for the window and for MIDI surfaces.

"As it stands" is a state too: how the rig stood when it was chosen, so one can go from what is seen to a look and back.
"""

from __future__ import annotations

from studio.commands.board import new_token
from studio.commands.registry import N_
from studio.commands.rigs import NOW, state_of
from studio.commands.studio import Studio, Update
from studio.commands.watching import Desk
from studio.errors import StudioError
from studio.scene import rigs
from studio.scene.entities import Group, Id, RigState


class Crossfader(Desk[()]):
    """See the module. `share` is 0 at A and 1 at B."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.rig: Id = ""
        self.share = 0.0
        self._names = {"a": NOW, "b": NOW}
        self._stood: dict[str, RigState] = {}
        self._compared: tuple[RigState | None, RigState | None, tuple[rigs.Difference, ...]] = (None, None, ())
        studio.watch(self._heard)
        self._settle()

    def _heard(self, update: Update) -> None:
        if "path" in update.parts:  # another scene; its rigs may well have the same ids
            self.rig = ""
        if (update.change is not None and update.change.source != "select") or "path" in update.parts:
            self._settle()

    def _settle(self) -> None:
        """Follow rigs and states that came or went."""
        scene, before = self.studio.scene, (self.rig, dict(self._names))
        there = rigs.rigs(scene)
        if self.rig not in there:
            self.rig = there[0] if there else ""
            self._begin()
        names = self.states()
        for side in ("a", "b"):
            if self._names[side] != NOW and self._names[side] not in names:
                self._names[side] = NOW
        if (self.rig, self._names) != before:
            self.tell()

    def states(self) -> tuple[str, ...]:
        """Names of the states of the chosen rig."""
        group = self.studio.scene.entities.get(self.rig)
        return tuple(s.name for s in group.states) if isinstance(group, Group) else ()

    def choose_rig(self, rig: Id) -> None:
        """Fade another rig: between its first two states, where it has them."""
        self.rig = rig
        self._begin()
        self._keep()
        self.tell()

    def _begin(self) -> None:
        names = self.states()
        self._names = {"a": names[0] if names else NOW, "b": names[1] if len(names) > 1 else NOW}
        self._stood, self.share = {}, 0.0

    def choose(self, side: str, name: str) -> None:
        """What stands at the side "a" or "b": a state, or `NOW`."""
        self._names[side] = name
        self._stood.pop(side, None)
        self.share = 0.0 if side == "a" else self.share
        self._keep()
        self.tell()

    def _keep(self) -> None:
        for side, name in self._names.items():
            if name == NOW and self.rig and side not in self._stood:
                self._stood[side] = state_of(self.studio, self.rig, NOW)

    def name(self, side: str) -> str:
        """What stands at a side."""
        return self._names[side]

    def state(self, side: str) -> RigState | None:
        """The state at a side, None without a rig."""
        if not self.rig:
            return None
        if self._names[side] == NOW:
            self._keep()
            return self._stood[side]
        try:
            return rigs.find_state(self.studio.scene, self.rig, self._names[side])
        except StudioError:  # it went; `_settle` follows
            return None

    def go(self, share: float, *, token: str = "") -> None:
        """Put the rig between A and B; calls with one token are one step of the history."""
        a, b = self.state("a"), self.state("b")
        if a is None or b is None:
            return
        self.share = min(max(share, 0.0), 1.0)
        state = rigs.mix_states(a, b, self.share)
        with self.studio.document.edit(N_("Crossfade"), coalesce=token or new_token()) as edit:
            edit.apply(rigs.apply_state, self.rig, state)
        self.tell()

    def differences(self) -> tuple[rigs.Difference, ...]:
        """What A and B do not share."""
        a, b = self.state("a"), self.state("b")
        if a is None or b is None:
            return ()
        if self._compared[0] is not a or self._compared[1] is not b:
            self._compared = (a, b, rigs.difference(a, b))
        return self._compared[2]

    def take(self, side: str, rows: tuple[rigs.Difference, ...]) -> None:
        """Give the scene single values of a side."""
        values: dict[Id, dict[str, object]] = {}
        for row in rows:
            value = row.a if side == "a" else row.b
            if row.field and value is not None:
                values.setdefault(row.id, {})[row.field] = value
        self.studio.edit(N_("Take values of a state"), rigs.apply_values, values)


def crossfader_of(studio: Studio) -> Crossfader:
    """The crossfader of a studio: one, whoever moves it."""
    return studio.own(Crossfader, studio)
