"""The parts of the default bust: sound meshes in their places, maps of a seed, and a figure that drives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import UsageError
from studio.figure.bust import build_bust, build_stage
from studio.figure.bust.hair import STYLES, hair
from studio.figure.bust.identities import identities, person
from studio.figure.bust.landmarks import anatomy
from studio.figure.bust.lashes import lashes
from studio.figure.bust.light_rigs import RIGS
from studio.figure.bust.pigments import skin_color
from studio.figure.bust.scalp import Scalp
from studio.figure.bust.shape import Identity, distance
from studio.figure.bust.skin_maps import Canvas, skin_maps
from studio.figure.bust.teeth import LOWER, UPPER, arch_curve, teeth
from studio.figure.bust.tongue import tongue
from studio.figure.bust.uv_bake import bake
from studio.figure.bust.wrinkle_maps import wrinkle_maps
from studio.scene.arkit import ARKIT
from studio.scene.deform import fault
from studio.scene.entities import Figure, Group, MeshObject
from studio.scene.figures import acted
from studio.scene.flatten import flatten
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene

WHO = "ada"


@pytest.fixture(scope="module")
def bust() -> Scene:
    return build_bust(WHO, detail=0)


def _object(scene: Scene, part: str) -> MeshObject:
    found = scene.entities[f"{WHO} {part}"]
    assert isinstance(found, MeshObject)
    return found


def _positions(scene: Scene, part: str) -> np.ndarray[Any, Any]:
    """In the figure's space, for parts that hang in a joint."""
    made = _object(scene, part)
    matrix = scene.world_matrix(made.id)
    return scene.meshes[made.mesh].positions @ matrix[:, :3].T + matrix[:, 3]


def _expressed(scene: Scene, **weights: float) -> Scene:
    figure = scene.entities[WHO]
    assert isinstance(figure, Figure)
    return scene.replace(WHO, expression=tuple(weights.get(c, 0.0) for c in figure.controls), idle=0.0)


def _acted(scene: Scene) -> tuple[Any, Any]:
    entities, materials, warnings, _ = acted(scene.entities, scene.materials, scene.meshes, 1.0, fps=24.0)
    assert warnings == ()
    return entities, materials


def test_every_mesh_is_sound(bust: Scene) -> None:
    for mesh in bust.meshes.values():
        assert fault(mesh) == ""
        assert mesh.normals is not None and mesh.uv0 is not None
        assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3)


def test_it_flattens_without_a_warning_on_its_stage(bust: Scene) -> None:
    stage = build_stage(bust)
    flat = flatten(stage, 1.0)
    assert flat.warnings == ()
    assert stage.camera == "portrait"


def test_one_of_five_rigs_is_on(bust: Scene) -> None:
    stage = build_stage(bust, rig="beauty")
    groups = [e for e in stage.entities.values() if isinstance(e, Group) and e.rig]
    assert len(groups) == len(RIGS) == 5
    assert [g.name for g in groups if not g.muted] == ["beauty"]


def test_lids_lie_on_the_eyes_and_not_in_them(bust: Scene) -> None:
    skin = bust.meshes[_object(bust, "skin").mesh].positions.astype(np.float64)
    a = anatomy(person(WHO).head)
    places = bust.meshes[_object(bust, "left eyeball").mesh].positions.astype(np.float64)
    angles = np.arccos(places[:, 2] / np.linalg.norm(places, axis=1))
    order = np.argsort(angles)
    for eye in a.eyes:
        away = skin - eye
        reach = np.linalg.norm(away, axis=1)
        near = (reach < 0.018) & (away[:, 2] > 0)
        turned = np.arccos(away[near, 2] / reach[near])
        surface = np.interp(turned, angles[order], np.linalg.norm(places, axis=1)[order])
        assert near.sum() > 20
        assert (reach[near] - surface).min() > 0.0


def test_teeth_gums_and_tongue_are_inside_the_head(bust: Scene) -> None:
    who = person(WHO)
    for part in ("upper teeth", "lower teeth", "tongue"):
        assert distance(_positions(bust, part), who.head, openings=False).max() < -5e-4


def test_lower_teeth_stand_behind_the_upper_ones_and_do_not_pierce_them(bust: Scene) -> None:
    upper, lower = _positions(bust, "upper teeth"), _positions(bust, "lower teeth")
    middle = np.abs(upper[:, 0]) < 0.004, np.abs(lower[:, 0]) < 0.004
    assert upper[middle[0]][:, 2].max() > lower[middle[1]][:, 2].max() + 1e-3


def test_there_are_28_crowns_of_the_kinds_of_a_mouth() -> None:
    assert len(UPPER) + len(LOWER) == 14
    assert [c.kind for c in UPPER] == [c.kind for c in LOWER]
    curve = arch_curve(np.zeros(3), 0.0285, 0.046)
    made = teeth(curve, upper=True)
    assert len(made.positions) % 14 == 0
    assert np.array_equal(made.positions, teeth(curve, upper=True).positions)
    assert not np.array_equal(made.positions, teeth(curve, upper=True, seed=1).positions)


def test_fronts_of_closed_parts_point_outwards() -> None:
    """The volume that a closed surface encloses is positive: Gauss' theorem."""
    curve = arch_curve(np.zeros(3), 0.0285, 0.046)
    for piece in (teeth(curve, upper=True), teeth(curve, upper=False), tongue(np.zeros(3))):
        a, b, c = (piece.positions[piece.triangles[:, k]] for k in range(3))
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0


def test_lashes_of_an_even_face_mirror_each_other() -> None:
    a = anatomy(Identity(asymmetry=0.0))
    left, _ = lashes(a.upper_lids[0], a.eyes[0], upper=True, side=1.0, seed=3)
    right, _ = lashes(a.upper_lids[1], a.eyes[1], upper=True, side=-1.0, seed=3)
    assert np.allclose(np.sort(left.positions[:, 1]), np.sort(right.positions[:, 1]), atol=1e-6)
    assert np.isclose(left.positions[:, 0].sum(), -right.positions[:, 0].sum(), atol=1e-4)


@pytest.mark.parametrize("style", [s for s in STYLES if s != "shaved"])
def test_hair_covers_the_scalp_and_leaves_the_face_free(style: str) -> None:
    head = Identity(asymmetry=0.0)
    a = anatomy(head)
    scalp = Scalp.of(head, a)
    made = hair(style, scalp, a, detail=0.3)
    assert made is not None
    p = made.positions
    assert np.isfinite(p).all()
    assert scalp.inside(p).max() > 0.08  # it reaches the crown
    face = (np.abs(p[:, 0]) < 0.035) & (p[:, 1] < 0.02) & (p[:, 2] > -0.03)
    assert not face.any()
    assert np.median(np.linalg.norm(p - scalp.centre, axis=1) - scalp.radius(p)) > 0


def test_a_shaved_head_has_no_hair() -> None:
    head = Identity()
    assert hair("shaved", Scalp.of(head, anatomy(head)), anatomy(head)) is None


def test_more_melanin_darkens_skin_and_more_blood_reddens_it() -> None:
    pale, dark = skin_color(0.02, 0.015), skin_color(0.5, 0.015)
    assert (dark < pale).all()
    calm, flushed = skin_color(0.02, 0.01), skin_color(0.02, 0.05)
    assert flushed[0] / flushed[1] > calm[0] / calm[1]
    assert 0.5 < pale[0] < 0.65 and 0.3 < pale[1] < 0.45 and 0.2 < pale[2] < 0.35  # fair skin as it is measured


def test_skin_maps_are_a_function_of_their_seed(bust: Scene) -> None:
    mesh = bust.meshes[_object(bust, "skin").mesh]
    who = person(WHO)
    baked = bake(mesh.uv0, mesh.triangles, 128)  # type: ignore[arg-type]
    canvas = Canvas.of(baked, mesh.positions, mesh.normals, {}, anatomy(who.head))  # type: ignore[arg-type]
    first, again = skin_maps(canvas, who.look), skin_maps(canvas, who.look)
    other = skin_maps(canvas, replace(who.look, seed=77))
    assert np.array_equal(first.color, again.color) and np.array_equal(first.normal, again.normal)
    assert not np.array_equal(first.color, other.color)
    assert first.color.shape == (128, 128, 3) and first.normal.shape == (256, 256, 3)
    assert first.normal[..., 2].min() > 127  # normals leave the surface
    for normal, tint in wrinkle_maps(canvas).values():
        assert (normal[..., :2].std(axis=(0, 1)) > 0).all()
        assert tint.max() == 255


def test_a_baked_map_covers_its_triangles_and_finds_their_values_again() -> None:
    uv = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])
    baked = bake(uv, np.array([[0, 1, 2]]), 64)
    u = baked.at_texels(uv[:, 0])
    _, x = np.nonzero(baked.covered)
    assert np.allclose(u, (x + 0.5) / 64, atol=1e-5)
    assert abs(baked.covered.mean() - 0.32) < 0.02
    assert baked.picture(u).shape == (64, 64)


def test_the_skin_is_held_by_its_joints(bust: Scene) -> None:
    skin = _object(bust, "skin")
    mesh = bust.meshes[skin.mesh]
    assert mesh.weights is not None and np.allclose(mesh.weights.sum(axis=1), 1.0, atol=1e-5)
    assert len(skin.joints) == bust.skins[skin.skin].shape[0] == 4
    assert {m.name for m in mesh.morphs} >= set(ARKIT) - {"tongueOut", *(n for n in ARKIT if n.startswith("jaw"))}


def test_opening_the_jaw_lowers_teeth_and_chin_as_far_as_the_shape_says(bust: Scene) -> None:
    from studio.figure.bust.head import build_head

    head = build_head(person(WHO).head, detail=0)
    indices, offsets = head.morphs["jawOpen"]
    wanted = head.positions.copy()
    wanted[indices] += offsets
    rest, opened = (flatten(_expressed(bust, jawOpen=w), 1.0) for w in (0.0, 1.0))
    skins = [_drawn(flat, bust, "skin") for flat in (rest, opened)]
    assert np.abs(skins[0] - head.positions).max() < 1e-5
    assert np.abs(skins[1] - wanted).max() < 2e-4
    entities, _ = _acted(_expressed(bust, jawOpen=1.0))
    assert entities[f"{WHO} jaw"].rotation[0] > 0.1


def _drawn(flat: Any, scene: Scene, part: str) -> np.ndarray[Any, Any]:
    key = _object(scene, part).mesh
    return next(np.asarray(d.positions) for d in flat.meshes if d.mesh.key == key)


def test_a_blink_carries_the_lashes_and_a_frown_brings_out_its_wrinkles(bust: Scene) -> None:
    entities, _ = _acted(_expressed(bust, eyeBlinkLeft=1.0))
    fringe = entities[f"{WHO} lashes"]
    names = [m.name for m in bust.meshes[fringe.mesh].morphs]
    assert fringe.morph_weights[names.index("eyeBlinkLeft")] == pytest.approx(1.0)
    _, materials = _acted(_expressed(bust, browDownLeft=1.0, browDownRight=1.0))
    assert materials[f"{WHO} skin surface"].wrinkle_2 == pytest.approx(1.0, abs=0.05)


def test_it_idles_alive(bust: Scene) -> None:
    poses = {
        str(acted(bust.entities, bust.materials, bust.meshes, f, fps=24.0)[0][f"{WHO} head"]) for f in (1.0, 40.0, 90.0)
    }
    assert len(poses) == 3


def test_eyes_turn_about_their_own_middle(bust: Scene) -> None:
    a = anatomy(person(WHO).head)
    for name, k in (("left", 0), ("right", 1)):
        assert np.allclose(bust.world_matrix(f"{WHO} {name} eyeball")[:, 3], a.eyes[k], atol=1e-6)


def test_it_is_saved_and_read_again(bust: Scene, tmp_path: Path) -> None:
    save_project(bust, tmp_path / "bust.studio")
    again = load_project(tmp_path / "bust.studio")
    assert again.entities == bust.entities
    assert again.materials == bust.materials
    assert again.meshes.keys() == bust.meshes.keys() and again.images.keys() == bust.images.keys()


def test_twelve_people_are_known_by_name() -> None:
    assert len(identities()) == 12
    looks = [person(name).look for name in identities()]
    assert len({look.melanin for look in looks}) > 8
    assert min(person(n).head.age for n in identities()) < 0 < max(person(n).head.age for n in identities())
    with pytest.raises(UsageError, match="nobody called"):
        person("nobody")


def test_an_unknown_haircut_is_refused() -> None:
    with pytest.raises(UsageError, match="haircut"):
        build_bust(WHO, hair_style="mohawk")
