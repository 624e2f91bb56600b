"""The board without a window: what it lists, its master, its banks, and what its meters are worked out from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from studio.commands.board import HIGHEST, MASTER, Board, board_of
from studio.commands.board_levels import lumens, row_lumens
from studio.commands.studio import Studio
from studio.scene.entities import Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene


def show() -> Scene:
    return Scene().add(
        Group(id="rig", name="Stage", rig=True),
        Group(id="inner", name="Inner", parent="rig"),
        Group(id="props", name="Props"),
        Light(id="a", name="Key", parent="inner", group="front"),
        Light(id="b", name="Fill", parent="rig", light="spot"),
        Light(id="c", name="Street lamp"),
        Light(id="p", name="Window", light="portal", unit="nt"),
    )


@pytest.fixture
def board() -> Iterator[Board]:
    studio = Studio(scene=show())  # a board does not keep its studio alive
    yield Board(studio)


def exposures(board: Board, ids: Sequence[str] = ("rig", "inner", "a", "b", "c")) -> list[float]:
    return [board.value(id_) for id_ in ids]


# --- what is listed --------------------------------------------------------------------------------------------------
def test_groups_with_lamps_and_all_lights_and_parts_are_listed(board: Board) -> None:
    assert board.ids == ("rig", "inner"), "props hold no lamp"
    board.show = "all"
    assert board.ids == ("a", "b", "c"), "a portal shines not itself"
    board.show = "rig"
    assert board.ids == ("inner", "a", "b") and board.own_rig == "rig"
    board.studio.select(["c", "inner"])
    board.show = "selected"
    assert board.ids == ("inner", "c")
    board.studio.select(["b"])
    assert board.ids == ("b",)


def test_a_scene_without_groups_lists_its_lights() -> None:
    assert Board(Studio(scene=Scene().add(Light(id="l")))).ids == ("l",)


def test_the_filter_wants_every_word_in_name_kind_or_light_group(board: Board) -> None:
    board.show = "all"
    for words, found in (("FRONT", ("a",)), ("spot", ("b",)), ("lamp street", ("c",)), ("lamp key", ())):
        board.filter = words
        assert board.ids == found
    board.filter = ""
    assert len(board.ids) == 3


def test_the_list_follows_the_scene_and_undo(board: Board) -> None:
    board.show = "all"
    told: list[str] = []
    forget = board.watch(told.append)
    board.studio.edit("Add", lambda scene: scene.add(Light(id="new")))
    assert board.ids[-1] == "new" and told == ["strips"]
    board.studio.document.undo()
    assert "new" not in board.ids
    forget()
    board.studio.select(["a"])
    assert len(told) == 2


def test_banks_go_over_the_strips_and_stop_at_the_ends(board: Board) -> None:
    board.studio.show_scene(Scene().add(*(Light(id=f"l{i:02}") for i in range(20))), None)
    board.show = "all"
    assert (board.banks, board.at(0), board.at(7), board.at(8)) == (3, "l00", "l07", "")
    board.bank += 5
    assert (board.bank, board.at(0), board.at(3), board.at(4)) == (2, "l16", "l19", "")
    board.bank = -1
    assert board.bank == 0


def test_there_is_one_board_of_a_studio() -> None:
    studio = Studio(scene=show())
    assert board_of(studio) is board_of(studio)


# --- moving ----------------------------------------------------------------------------------------------------------
def test_the_master_moves_what_is_topmost_once(board: Board) -> None:
    board.set_value(MASTER, -2.0)
    assert exposures(board) == [-2.0, 0.0, 0.0, 0.0, 0.0], "what hangs in the rig goes with it"
    board.show = "all"
    board.set_value(MASTER, 1.0)
    assert exposures(board) == [-2.0, 0.0, 1.0, 1.0, 1.0] and board.value(MASTER) == 1.0
    board.reset([MASTER])
    assert board.value(MASTER) == 0.0 and board.value("a") == 0.0


def test_the_master_of_a_rig_is_its_own(board: Board) -> None:
    board.show = "rig"
    board.set_value(MASTER, 3.0)
    assert exposures(board) == [3.0, 0.0, 0.0, 0.0, 0.0] and board.value(MASTER) == 3.0


def test_a_gesture_keeps_differences_beyond_the_range_and_is_taken_back_whole(board: Board) -> None:
    with board.studio.document.edit("Set") as edit:
        edit.replace("a", exposure=5.0)
    held = board.grab(["a", "b"])
    for way in (1.0, 4.0):
        board.move(held, way)
    assert board.value("a") == 9.0 > HIGHEST and board.value("b") == 4.0
    assert board.studio.document.history[0] == ("Set", "Move faders")
    board.let_go(held, keep=False)
    assert (board.value("a"), board.value("b")) == (5.0, 0.0)


def test_a_fader_keys_what_a_curve_drives(board: Board) -> None:
    studio = board.studio
    studio.autokey = True
    studio.frame = 1.0
    board.set_value("a", -4.0)
    studio.frame = 11.0
    board.set_value("a", 4.0)
    studio.autokey = False
    studio.frame = 6.0
    assert board.value("a") == pytest.approx(0.0), "it shows the value of the frame"
    board.set_value("a", 2.0)
    assert studio.scene.tracks["a.exposure"].times.tolist() == [1.0, 6.0, 11.0]
    studio.frame = 1.0
    assert board.value("a") == pytest.approx(-4.0)


def test_switches_clear_what_is_shown_and_every_solo(board: Board) -> None:
    board.turn(["a", "c"], "muted")
    board.turn(["c"], "solo")
    board.show = "rig"
    assert board.any_on("muted") and board.any_on("solo")
    board.clear("muted")
    board.clear("solo")
    entities = board.studio.scene.entities
    assert [entities[i].muted for i in ("a", "c")] == [False, True]
    assert not any(getattr(e, "solo", False) for e in entities.values())


# --- meters ----------------------------------------------------------------------------------------------------------
LAMPS = {
    "point": Light(id="l", light="point", unit="lm", intensity=800.0),
    "spot": Light(id="l", light="spot", unit="lm", intensity=700.0, outer_cone_deg=30.0),
    "rectangle": Light(id="l", light="rectangle", unit="lm", intensity=500.0, width_m=2.0, two_sided=True),
    "disk": Light(id="l", light="disk", unit="lm", intensity=400.0, radius_m=0.3),
    "sphere": Light(id="l", light="sphere", unit="lm", intensity=300.0, radius_m=0.2),
    "cylinder": Light(id="l", light="cylinder", unit="lm", intensity=200.0, radius_m=0.05, length_m=2.0),
}


@pytest.mark.parametrize("kind", list(LAMPS))
def test_a_lamp_of_so_many_lumens_gives_as_many(kind: str) -> None:
    assert lumens(flatten(Scene().add(LAMPS[kind]), 1.0))["l"] == pytest.approx(LAMPS[kind].intensity, rel=1e-4)


def test_a_grid_takes_its_share() -> None:
    """Against the integral over the half sphere."""
    plain = Light(id="l", light="disk", unit="nt", intensity=100.0, radius_m=0.5)
    for spread in (20.0, 60.0, 120.0):
        flat = flatten(Scene().add(plain).replace("l", spread_deg=spread), 1.0)
        angle = (np.arange(200000) + 0.5) * (np.pi / 2 / 200000)
        through = np.maximum(0.0, 1.0 - float(flat.lights["spread"][0]) * np.tan(angle))
        share = (through * np.cos(angle) * np.sin(angle)).sum() * 2 * np.pi * (np.pi / 2 / 200000)
        expected = float(flat.lights["emission"][0][1]) * share * np.pi * 0.25
        assert row_lumens(flat)[0] == pytest.approx(expected, rel=1e-3)


def test_an_emissive_mesh_gives_by_its_area_in_the_world() -> None:
    square = make_mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    scene = Scene().add(square, Material(id="m", emission_luminance=100.0))
    scene = scene.add(
        Group(id="g"),
        MeshObject(id="o", parent="g", mesh=square.key, materials=("m",), scale=(2.0, 2.0, 2.0)),
    )
    board = Board(Studio(scene=scene))
    assert board.ids == ("g",), "a group of emissive objects has a master too"
    assert board.levels()["g"] == pytest.approx(np.pi * 100.0 * 4.0, rel=1e-4)


def test_emissive_objects_have_faders_relative_to_how_they_were() -> None:
    square = make_mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 1, 2]])
    scene = Scene().add(square, Material(id="m", emission_luminance=100.0), Material(id="n", emission_luminance=50.0))
    for id_, material in (("x", "m"), ("y", "m"), ("z", "n")):
        scene = scene.add(MeshObject(id=id_, mesh=square.key, materials=(material,)))
    board = Board(Studio(scene=scene.add(Light(id="l"), MeshObject(id="dark", mesh=square.key))))
    assert board.ids == ("x", "y", "z", "l")
    before = board.levels()["y"]
    board.set_value("x", 2.0)
    materials = board.studio.scene.materials
    assert materials["m"].emission_luminance == pytest.approx(400.0) and board.value("y") == 2.0
    assert board.levels()["y"] == pytest.approx(4 * before)
    board.set_value(MASTER, -1.0)
    assert [round(board.value(i), 5) for i in board.ids] == [1.0, 1.0, -1.0, -1.0], "a shared material moves once"
    assert board.value(MASTER) == pytest.approx(-1.0)
    board.turn(["x"], "muted")
    board.reset(["x"])
    assert board.studio.scene.materials["m"].emission_luminance == pytest.approx(100.0)


def test_masters_mute_and_solo_are_in_the_meters(board: Board) -> None:
    board.show = "all"
    before = board.levels()["a"]
    board.set_value("rig", -1.0)
    assert board.levels()["a"] == pytest.approx(before / 2)
    board.turn(["b"], "solo")
    assert "a" not in board.levels() and board.levels()["rig"] == board.levels()["b"]


def test_what_is_far_away_counts_by_what_reaches_the_scene() -> None:
    scene = Scene().add(
        Light(id="x", translation=(-3.0, 0.0, 0.0), muted=True, radius_m=0.0),
        Light(id="y", translation=(3.0, 0.0, 0.0), muted=True, radius_m=0.0),
        Light(id="sun", light="distant", unit="lx", intensity=1000.0),
        Light(id="sky", light="dome", unit="nt", intensity=10.0),
    )
    found = lumens(flatten(scene, 1.0))
    assert found["sun"] == pytest.approx(np.pi * 9.0 * 1000.0, rel=1e-4)
    assert found["sky"] == pytest.approx(4 * np.pi**2 * 9.0 * 10.0, rel=1e-4)
