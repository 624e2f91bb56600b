"""Commands of rigs: making one of lights, keeping looks of it, going from one look to another.

A rig is the one that is named, else the nearest one that what is selected is or hangs in, else the only one there is.
"""

from __future__ import annotations

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import rigs
from studio.scene.entities import Group, Id, RigState
from studio.scene.lights import Light

NOW = ""  # instead of a state's name: the rig as it stands


def rig_of(studio: Studio, rig: Id = "") -> Id:
    """The rig that a command is about, see the module. UsageError when that is none."""
    if rig:
        return rig
    for id_ in studio.selection:
        if found := rigs.rig_above(studio.scene, id_):
            return found
    there = rigs.rigs(studio.scene)
    if len(there) == 1:
        return there[0]
    raise UsageError("select a light of a rig first" if there else "there is no rig yet; make one of some lights")


def _any(studio: Studio) -> bool:
    return bool(rigs.rigs(studio.scene))


def _states(studio: Studio) -> bool:
    entities = studio.scene.entities
    return any(isinstance(e := entities[id_], Group) and e.states for id_ in rigs.rigs(studio.scene))


def state_of(studio: Studio, rig: Id, name: str) -> RigState:
    """A stored state, or how the rig stands for `NOW`; with places where the states of the rig have them."""
    if name != NOW:
        return rigs.find_state(studio.scene, rig, name)
    group = studio.scene.entities.get(rig)
    moves = isinstance(group, Group) and any(t in s.fields for s in group.states for t in rigs.TRANSFORMS)
    return rigs.rig_state(studio.posed, rig, transforms=moves)


@command("rigs.make", N_("Make rig…"), menu="Lights/Rigs", when=selected(Light, Group), icon="rigs")
def make(studio: Studio, *, name: str = "") -> None:
    """Make a rig of the selected lights and groups: one instrument with a master and looks that are kept."""
    chosen = [id_ for id_ in studio.selection if id_ in studio.scene.entities]
    alone = len(chosen) == 1 and isinstance(studio.scene.entities[chosen[0]], Group)
    called = name or (studio.scene.entities[chosen[0]].name if alone else "")
    called = called or studio.face.ask_text(N_("Name of the rig"), "Rig")
    if called:
        with studio.document.edit(N_("Make rig")) as edit:
            edit.selection = (edit.apply(rigs.make_rig, chosen, called),)


@command("rigs.dissolve", N_("No rig any more"), menu="Lights/Rigs", when=_any)
def dissolve(studio: Studio, *, rig: Id = "") -> None:
    """Let a rig be an ordinary group again. Its lights stay as they are; its states are kept should it be one again."""
    with studio.document.edit(N_("No rig any more")) as edit:
        edit.replace(rig_of(studio, rig), rig=False)


@command("rigs.store", N_("Store state…"), menu="Lights/Rigs", group=1, when=_any, icon="state-store")
def store(studio: Studio, *, rig: Id = "", name: str = "", places: bool = False) -> None:
    """Keep how a rig stands now under a name, in the place of a state that has it; with `places` also where its lights
    stand."""
    of = rig_of(studio, rig)
    called = name or studio.face.ask_text(N_("Name of the state"), rigs.free_name(studio.scene, of))
    if called:
        with studio.document.edit(N_("Store state")) as edit:
            state = rigs.rig_state(edit.scene, of, called, transforms=places)
            edit.apply(rigs.store_state, of, state)


def _named(studio: Studio, rig: Id, name: str) -> str:
    """The name of a state that was given, or is asked for."""
    if name:
        return name
    group = studio.scene.entities[rig]
    names = tuple(s.name for s in group.states) if isinstance(group, Group) else ()
    if not names:
        raise UsageError("the rig has no states yet; store one")
    return studio.face.ask(N_("Which state?"), names)


@command("rigs.update", N_("Update state…"), menu="Lights/Rigs", group=1, when=_states)
def update(studio: Studio, *, rig: Id = "", name: str = "") -> None:
    """Let a state be how its rig stands now."""
    of = rig_of(studio, rig)
    if called := _named(studio, of, name):
        moves = any(t in rigs.find_state(studio.scene, of, called).fields for t in rigs.TRANSFORMS)
        with studio.document.edit(N_("Update state")) as edit:
            edit.apply(rigs.store_state, of, rigs.rig_state(edit.scene, of, called, transforms=moves))


@command("rigs.recall", N_("Recall state…"), menu="Lights/Rigs", group=1, when=_states)
def recall(studio: Studio, *, rig: Id = "", name: str = "") -> None:
    """Put a rig back as a state has it."""
    of = rig_of(studio, rig)
    if called := _named(studio, of, name):
        state = rigs.find_state(studio.scene, of, called)
        studio.edit(N_("Recall state"), rigs.apply_state, of, state)


@command("rigs.rename_state", N_("Rename state…"), menu="Lights/Rigs", group=1, when=_states)
def rename_state(studio: Studio, *, rig: Id = "", name: str = "", to: str = "") -> None:
    """Call a state something else."""
    of = rig_of(studio, rig)
    called = _named(studio, of, name)
    new = (to or studio.face.ask_text(N_("Name of the state"), called)) if called else ""
    if new:
        studio.edit(N_("Rename state"), rigs.rename_state, of, called, new)


@command("rigs.delete_state", N_("Delete state…"), menu="Lights/Rigs", group=1, when=_states)
def delete_state(studio: Studio, *, rig: Id = "", name: str = "") -> None:
    """Forget a state of a rig."""
    of = rig_of(studio, rig)
    if called := _named(studio, of, name):
        studio.edit(N_("Delete state"), rigs.delete_state, of, called)


@command("rigs.crossfade", N_("Crossfade"))
def crossfade(studio: Studio, *, rig: Id = "", a: str = NOW, b: str = NOW, share: float = 0.5) -> None:
    """Put a rig between two of its states: `a` at a share of 0, `b` at 1. No name: as the rig stands."""
    of = rig_of(studio, rig)
    state = rigs.mix_states(state_of(studio, of, a), state_of(studio, of, b), share)
    studio.edit(N_("Crossfade"), rigs.apply_state, of, state)


@command("rigs.keep", N_("Keep rig in the library"), menu="Lights/Rigs", group=2, when=_any, icon="library")
def keep(studio: Studio, *, rig: Id = "", name: str = "") -> None:
    """Keep a rig in the library as a file of its own, with its states, gobos, profiles and pictures."""
    of = rig_of(studio, rig)
    path = studio.library.keep_rig(studio.posed, (of,), name or studio.scene.entities[of].name or "rig")
    studio.face.notify(N_("Kept in the library: {name}"), name=path.name)
    studio.tell("library")
