"""Commands of rigs, the crossfader, and rigs as files of the library with all that they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.commands.crossfader import Crossfader
from studio.commands.rigs import NOW
from studio.commands.studio import Studio
from studio.errors import BadAsset, StudioError, UsageError
from studio.scene import rigs
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import Image, make_image
from studio.scene.lights import Light
from studio.scene.scene import Scene


def picture(name: str, seed: int) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    return make_image(pixels, name=name)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    gobo, ies, sky, unused = (picture(name, i) for i, name in enumerate(("leaves", "par64", "sky", "unused")))
    scene = Scene().add(
        gobo,
        ies,
        sky,
        unused,
        MeshObject(id="floor"),
        Light(id="key", name="Key", light="spot", gobo=gobo.key, translation=(2.0, 3.0, 1.0), light_link_mode="only"),
        Light(id="fill", name="Fill", ies=ies.key, translation=(-2.0, 2.0, 1.0)),
        Light(id="out", name="Outside"),
    )
    scene = scene.replace("key", light_links=("floor",))
    made = Studio(scene=scene)
    made.sky = sky.key  # type: ignore[attr-defined]
    yield made
    made.close()


def light(studio: Studio, id_: str) -> Light:
    found = studio.scene.entities[id_]
    assert isinstance(found, Light)
    return found


def make(studio: Studio) -> str:
    studio.select(["key", "fill"])
    studio.run("rigs.make", name="Stage")
    (id_,) = studio.selection
    return id_


def test_a_rig_is_made_used_and_dissolved(studio: Studio) -> None:
    rig = make(studio)
    studio.run("rigs.store", name="A")
    with studio.document.edit("Dim") as edit:
        edit.replace("key", exposure=-4.0)
    studio.run("rigs.store", name="B")
    studio.run("rigs.recall", name="A")
    assert light(studio, "key").exposure == 0.0
    studio.run("rigs.crossfade", a="A", b="B", share=0.25)
    assert light(studio, "key").exposure == -1.0
    studio.run("rigs.update", name="B")
    assert rigs.find_state(studio.scene, rig, "B").values["key"]["exposure"] == -1.0
    studio.run("rigs.rename_state", name="B", to="Dusk")
    studio.run("rigs.delete_state", name="A")
    group = studio.scene.entities[rig]
    assert isinstance(group, Group) and [s.name for s in group.states] == ["Dusk"]
    studio.run("rigs.dissolve")
    assert rigs.rigs(studio.scene) == ()


def test_names_are_asked_for_and_never_mind_does_nothing(studio: Studio) -> None:
    face: Any = studio.face
    studio.select(["key"])
    studio.run("rigs.make")
    assert rigs.rigs(studio.scene) == ()
    face.answers.extend(["One", "Look"])
    studio.run("rigs.make")
    studio.run("rigs.store")
    steps = len(studio.document.history[0])
    studio.run("rigs.recall")
    assert len(studio.document.history[0]) == steps
    with pytest.raises(BadAsset, match='"Look"'):
        studio.run("rigs.recall", name="Look 2")


def test_which_rig_is_meant_is_told_by_the_selection(studio: Studio) -> None:
    with pytest.raises(UsageError, match="apply"):
        studio.run("rigs.store", name="A")
    first = make(studio)
    studio.select(["out"])
    studio.run("rigs.store", name="A")
    assert rigs.find_state(studio.scene, first, "A"), "there is only one"
    studio.run("rigs.make", name="Second")
    studio.select([])
    with pytest.raises(UsageError, match="select a light of a rig"):
        studio.run("rigs.store", name="B")
    studio.select(["fill"])
    studio.run("rigs.store", name="B")
    assert rigs.find_state(studio.scene, first, "B")


def test_a_state_keeps_places_when_asked(studio: Studio) -> None:
    rig = make(studio)
    studio.run("rigs.store", name="Here", places=True)
    was = light(studio, "key").translation
    with studio.document.edit("Move") as edit:
        edit.replace("key", translation=(9.0, 9.0, 9.0))
    studio.run("rigs.update", rig=rig, name="Here")
    with studio.document.edit("Back") as edit:
        edit.replace("key", translation=was)
    studio.run("rigs.recall", name="Here")
    assert light(studio, "key").translation == (9.0, 9.0, 9.0), "an updated state speaks of the same fields"


# --- the crossfader --------------------------------------------------------------------------------------------------
def test_the_crossfader_goes_from_what_is_seen_to_a_state_and_back(studio: Studio) -> None:
    rig = make(studio)
    studio.run("rigs.store", name="A")
    with studio.document.edit("Dim") as edit:
        edit.replace("key", exposure=-4.0)
    fader = Crossfader(studio)
    fader.choose_rig(rig)
    fader.choose("a", NOW)
    fader.choose("b", "A")
    assert [(d.id, d.field) for d in fader.differences()] == [("key", "exposure")]
    steps = len(studio.document.history[0])
    for share in (0.25, 0.5, 1.0, 0.0):
        fader.go(share, token="one gesture")
    assert light(studio, "key").exposure == -4.0 and len(studio.document.history[0]) <= steps + 1
    fader.take("b", fader.differences())
    assert light(studio, "key").exposure == 0.0


def test_the_crossfader_follows_rigs_that_go(studio: Studio) -> None:
    rig = make(studio)
    fader = Crossfader(studio)
    assert fader.rig == rig
    studio.document.undo()
    assert fader.rig == "" and fader.differences() == ()
    fader.go(0.5)
    assert studio.document.history[0] == ()


# --- the library -----------------------------------------------------------------------------------------------------
def kept(studio: Studio) -> Path:
    rig = make(studio)
    studio.run("rigs.store", name="Night")
    with studio.document.edit("Sky") as edit:
        edit.replace("fill", light="dome", unit="nt", image=studio.sky, ies="")  # type: ignore[attr-defined]
    studio.run("rigs.keep", rig=rig)
    (path,) = Path(studio.library.folders[0].path).rglob("*.rig.json")
    return path


def test_a_rig_in_the_library_brings_its_states_and_every_picture(studio: Studio) -> None:
    from studio.assets.library_parts import load_part

    part = load_part(kept(studio))
    names = sorted(image.name for image in part.images.values())
    assert names == ["leaves", "par64", "sky"], "par64 is used by a state alone; what nothing uses stays behind"
    (rig,) = rigs.rigs(part)
    assert set(rigs.find_state(part, rig, "Night").values) == {rig, "key", "fill"}
    key = part.entities["key"]
    assert isinstance(key, Light) and (key.light_link_mode, key.light_links) == ("all", ())


def test_a_rig_is_added_with_ids_of_its_own_at_a_place(studio: Studio) -> None:
    path = kept(studio)
    studio.run("library.add", asset=str(path), at=(10.0, 0.0, 0.0))
    (top,) = studio.selection
    inner = next(id_ for id_ in rigs.rigs(studio.scene) if id_ in studio.scene.descendants([top]))
    state = rigs.find_state(studio.scene, inner, "Night")
    assert not set(state.values) & {"key", "fill"} and set(state.values) == set(rigs.members(studio.scene, inner))
    studio.run("rigs.recall", rig=inner, name="Night")
    copy = next(
        e for e in studio.scene.entities.values() if isinstance(e, Light) and e.name == "Fill" and e.id != "fill"
    )
    assert copy.light == "point" and copy.ies in studio.scene.images
    assert light(studio, "fill").light == "dome", "the one that was there is another"
    x = studio.scene.world_matrix(copy.id)[0, 3]
    assert x == pytest.approx(6.0), "4 m beside the key, which stands in the middle: a dome has no place"


@pytest.mark.parametrize("cut", [10, 200, -2])
def test_a_broken_rig_file_is_told_in_a_sentence(studio: Studio, cut: int) -> None:
    from studio.assets.library_parts import load_part

    path = kept(studio)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StudioError, match=r"Stage\.rig\.json"):
        load_part(path)
