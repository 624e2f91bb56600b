"""Heads of an ICT-FaceKit checkout: a small one made here in the same layout, broken ones, and a real one if any."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio import load
from studio.commands import facekit  # noqa: F401  registers its commands
from studio.commands.face import Headless
from studio.commands.studio import Studio
from studio.errors import BadAsset, StudioError, Unsupported, UsageError
from studio.figure.ict_facekit import VERTICES, arkit_control, facekit_figure, open_checkout, read_vertices
from studio.figure.ict_identity import load_identity, origin_of, random_identity, save_identity, with_identity
from studio.figure.rigging import rigged
from studio.scene.arkit import ARKIT, INDEX
from studio.scene.entities import Figure, MeshObject
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene
from tests.figure.test_rigging import cloud, farthest, opened, sphere

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"
LISTED = ("jawOpen", "eyeBlink_L", "eyeBlink_R", "browInnerUp_L", "browInnerUp_R", "cheekPuff_L", "cheekPuff_R")


# --- a checkout made here --------------------------------------------------------------------------------------------
def parts():
    """Points in metres, triangles, material and share of the jaw of each part."""
    skull = sphere((0.0, 0.0, 0.0), 0.1, 28, 40)
    front = np.clip((skull[0][:, 2] - 0.02) / 0.04, 0, 1) * np.clip((-0.03 - skull[0][:, 1]) / 0.02, 0, 1)
    out = [("M_Face", *skull, front)]
    neck = sphere((0.0, -0.17, -0.01), 0.07)
    out.append(("M_BackHead", *neck, np.zeros(len(neck[0]))))
    for y, share in ((-0.03, 0.0), (-0.045, 1.0)):
        teeth = sphere((0.0, y, 0.07), 0.008)
        out.append(("M_Teeth", teeth[0] * (2.5, 1.0, 1.0), teeth[1], np.full(len(teeth[0]), share)))
    for x, side in ((0.032, "Left"), (-0.032, "Right")):
        ball = sphere((x, 0.03, 0.08), 0.012)
        out.append((f"M_Sclera{side}", *ball, np.zeros(len(ball[0]))))
    shade = sphere((0.0, 0.03, 0.11), 0.004, 6, 8)
    out.append(("M_EyeOcclusion", *shade, np.zeros(len(shade[0]))))
    return out


def obj(points, faces: str) -> str:
    lines = "".join(f"v {x:.12f} {y:.12f} {z:.12f}\n" for x, y, z in points * 100.0)
    return f"mtllib ICTFaceModelMaterial.mtl\n{lines}vt 0 0\nvt 1 0\nvt 0 1\n{faces}"


def faces_of(made) -> str:
    out, first = [], 1
    for material, points, triangles, _ in made:
        out.append(f"usemtl {material}\n")
        out += [f"f {a + first}/1 {b + first}/2 {c + first}/3\n" for a, b, c in triangles]
        first += len(points)
    return "".join(out)


@pytest.fixture(scope="module")
def model():
    made = parts()
    points = np.concatenate([p for _, p, _, _ in made])
    share = np.concatenate([s for _, _, _, s in made])
    moves = {"jawOpen": opened(points, share) - points}
    for side, x in (("L", 0.032), ("R", -0.032)):
        near = np.exp(-((np.linalg.norm(points - (x, 0.03, 0.09), axis=1) / 0.015) ** 2))
        near[np.linalg.norm(points - (x, 0.03, 0.08), axis=1) < 0.0125] = 0.0
        moves[f"eyeBlink_{side}"] = near[:, None] * np.array([0.0, -0.008, 0.0])
        half = np.sign(x) * points[:, 0] > 0.01
        moves[f"browInnerUp_{side}"] = np.where(half & (points[:, 1] > 0.06), 0.004, 0.0)[:, None] * np.eye(3)[1]
        moves[f"cheekPuff_{side}"] = np.where(half & (points[:, 2] > 0.09), 0.003, 0.0)[:, None] * np.eye(3)[2]
    people = [points * 0.05, points * (0.0, 0.1, 0.0), points * (0.08, 0.0, 0.0)]
    return points, faces_of(made), moves, people


@pytest.fixture
def folder(model, tmp_path: Path) -> Path:
    """A checkout as it lies on a disk."""
    points, faces, moves, people = model
    here = tmp_path / "ICT-FaceKit" / "FaceXModel"
    here.mkdir(parents=True)
    (here.parent / "LICENSE").write_text(MIT)
    (here / "generic_neutral_mesh.obj").write_text(obj(points, faces))
    for name, offsets in moves.items():
        (here / f"{name}.obj").write_text(obj(points + offsets, faces))
    for i, offsets in enumerate(people):
        (here / f"identity{i:03d}.obj").write_text(obj(points + offsets, faces))
    (here / "vertex_indices.json").write_bytes(msgspec.json.encode({"expressions": LISTED, "rigid": [1, 2]}))
    return here.parent


def figure_of(scene: Scene) -> Figure:
    (found,) = (e for e in scene.entities.values() if isinstance(e, Figure))
    return found


def acting(scene: Scene, **weights: float) -> Scene:
    figure = figure_of(scene)
    return scene.replace(figure.id, expression=tuple(weights.get(n, 0.0) for n in figure.controls), lids_follow=0.0)


# --- what comes of it ------------------------------------------------------------------------------------------------
def test_a_checkout_becomes_a_figure_in_metres_with_eyes_and_jaw(folder: Path, model) -> None:
    made = facekit_figure(folder)
    figure = figure_of(made.scene)
    assert figure.rig.left_eye and figure.rig.right_eye and figure.rig.jaw and len(figure.rig.hinges) == 1
    seen = model[0][: -len(parts()[-1][1])]
    assert farthest(cloud(made.scene), seen) < 1e-6, "the same head, without the shell that only darkens the eye"
    assert {m.name for m in made.scene.materials.values()} >= {"Face", "BackHead", "Teeth"}
    worn = {m.name: m for m in made.scene.materials.values()}
    assert worn["Face"].subsurface_weight > 0.0, "skin is skin"


def test_its_folder_or_that_of_its_files_may_be_given(folder: Path) -> None:
    assert open_checkout(folder) == open_checkout(folder / "FaceXModel")


def test_halves_are_merged_and_sides_spelled_out(folder: Path, model) -> None:
    points, _, moves, _ = model
    scene = facekit_figure(folder).scene
    names = {m.name for mesh in scene.meshes.values() for m in mesh.morphs}
    assert {"browInnerUp", "cheekPuff", "eyeBlinkLeft", "eyeBlinkRight"} <= names
    assert not any(name.endswith(("_L", "_R")) for name in names)
    risen = points + moves["browInnerUp_L"] + moves["browInnerUp_R"]
    assert farthest(cloud(acting(scene, browInnerUp=1.0)), risen[: -len(parts()[-1][1])]) < 1e-5
    blink = points + moves["eyeBlink_L"]
    assert farthest(cloud(acting(scene, eyeBlinkLeft=1.0)), blink[: -len(parts()[-1][1])]) < 1e-5


def test_every_listed_name_is_apple_s() -> None:
    assert [arkit_control(n) for n in LISTED[:5]] == [
        "jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "browInnerUp", "browInnerUp"
    ]  # fmt: skip
    assert arkit_control("mouthLeft") == "mouthLeft" and arkit_control("cheekRaiser_R") == "cheekRaiserRight"


def test_missing_expressions_are_named_and_the_rest_works(folder: Path) -> None:
    (folder / "FaceXModel" / "eyeBlink_R.obj").unlink()
    made = facekit_figure(folder)
    assert "eyeBlink_R" in made.report[0] and "more" in made.report[0]
    assert any(m.name == "eyeBlinkLeft" for mesh in made.scene.meshes.values() for m in mesh.morphs)
    assert len(figure_of(made.scene).controls) >= len(ARKIT)


def test_a_checkout_without_a_list_goes_by_its_files(folder: Path) -> None:
    (folder / "FaceXModel" / "vertex_indices.json").unlink()
    assert set(LISTED) == set(open_checkout(folder).expressions)
    assert "tongueOut" not in open_checkout(folder).lacking


def test_the_whole_light_model_is_taken_apart_by_its_vertex_numbers(tmp_path: Path) -> None:
    """As the README counts vertices and polygons of its geometries, with eyes in two; this mesh has no materials."""
    vertices = (9409, 1839, 2046, 384, 384, 2977, 4412, 770, 800, 770, 800, 204, 204, 24, 24, 152, 152, 684, 684)
    polygons = (9230, 1914, 2082, 404, 404, 2972, 4490, 800, 798, 800, 798, 163, 163, 15, 15, 128, 128, 540, 540)
    starts = np.cumsum([0, *vertices])
    points, rows = [], []
    for i, (count, faces) in enumerate(zip(vertices, polygons, strict=True)):
        turn = np.arange(count) * 2.4
        flat = np.stack([np.cos(turn), np.linspace(-1, 1, count), np.sin(turn)], axis=1)
        points.append(flat * 0.01 + np.array((0.0, 0.03 * i, 0.0)))
        rows.append(starts[i] + np.arange(faces)[:, None] % (count - 2) + np.arange(1, 4))
    text = "".join("f {} {} {}\n".format(*row) for row in np.concatenate(rows).tolist())
    (tmp_path / "generic_neutral_mesh.obj").write_text(obj(np.concatenate(points), text))
    made = facekit_figure(tmp_path)
    (head,) = (e for e in made.scene.entities.values() if isinstance(e, MeshObject))
    mesh = made.scene.meshes[head.mesh]
    runs = {made.scene.materials[m].name: b - a for m, a, b in zip(head.materials, mesh.parts, mesh.parts[1:])}
    assert runs == {
        "Face": 9230, "Head and neck": 1914, "Mouth socket gums": 2082, "Skin of the sockets": 808,
        "Gums and tongue": 2972, "Teeth": 4490, "Sclera left": 800, "Iris left": 798, "Sclera right": 800,
        "Iris right": 798, "Lacrimal fluid": 326, "Eyelashes": 1080,
    }  # fmt: skip
    assert mesh.uv0 is None and "45 more" in made.report[0]


# --- identities ------------------------------------------------------------------------------------------------------
def test_identities_add_up_linearly(folder: Path, model) -> None:
    points, _, _, people = model
    rest = cloud(facekit_figure(folder).scene)
    one = cloud(facekit_figure(folder, {"identity000": 1.0}).scene) - rest
    two = cloud(facekit_figure(folder, {"identity002": -0.5}).scene) - rest
    both = cloud(facekit_figure(folder, {"identity000": 2.0, "identity002": -0.5}).scene) - rest
    np.testing.assert_allclose(both, 2.0 * one + two, atol=2e-6)
    seen = (points + 2.0 * people[0] - 0.5 * people[2])[: -len(parts()[-1][1])]
    assert farthest(both + rest, seen) < 1e-6


def test_random_people_are_repeatable_and_within_their_bounds() -> None:
    names = [f"identity{i:03d}" for i in range(100)]
    one = random_identity(names, seed=7, sigma=1.5)
    assert one == random_identity(reversed(names), seed=7, sigma=1.5) != random_identity(names, seed=8, sigma=1.5)
    assert len(one) == 100 and max(map(abs, one.values())) <= 1.5
    for sigma, seed in ((0.0, 1), (3.5, 1), (float("nan"), 1), (1.0, -2)):
        with pytest.raises(UsageError):
            random_identity(names, seed=seed, sigma=sigma)


def test_an_identity_survives_its_file(tmp_path: Path) -> None:
    weights = {"identity003": -1.25, "identity001": 0.5}
    save_identity(weights, tmp_path / "somebody.json")
    assert load_identity(tmp_path / "somebody.json") == weights


def test_the_toolkit_s_own_coefficients_are_read(tmp_path: Path) -> None:
    data = {"expression_coefficients": [0.0] * 53, "identity_coefficients": [0.5, 0.0, -1.0, *[0.1] * 197]}
    (tmp_path / "sample.json").write_bytes(msgspec.json.encode(data))
    found = load_identity(tmp_path / "sample.json")
    assert found["identity000"] == 0.5 and found["identity002"] == -1.0 and "identity001" not in found
    assert len(found) == 99, "the light model has a hundred"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "[1, 2]", '"x"', "{", '{"identity000": "a"}', '{"identity000": 11}', '{"identity000": NaN}',
        '{"../../x": 1}', '{"identity_coefficients": [null]}', '{"identity_coefficients": [1e300]}', "\0\0", "[" * 9999,
    ],
)  # fmt: skip
def test_what_is_no_identity_ends_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "who.json").write_text(text)
    with pytest.raises(BadAsset, match=r"^who\.json"):
        load_identity(tmp_path / "who.json")


def test_an_identity_that_the_checkout_lacks_is_named(folder: Path) -> None:
    with pytest.raises(BadAsset, match=r"no identity077\.obj"):
        facekit_figure(folder, {"identity077": 1.0})


def test_another_person_keeps_the_expression_and_the_place(folder: Path) -> None:
    scene = facekit_figure(folder).scene
    figure = figure_of(scene)
    scene = acting(scene.replace(figure.id, translation=(1.0, 2.0, 3.0)), jawOpen=0.5, browInnerUp=1.0)
    weights = {"identity000": 1.5, "identity001": -1.0}
    fresh = facekit_figure(folder, weights).scene
    other = with_identity(scene, figure.id, fresh)
    new = figure_of(other)
    assert new.expression == figure_of(scene).expression and new.translation == (1.0, 2.0, 3.0)
    assert set(other.entities) == set(scene.entities)
    expected = cloud(acting(fresh, jawOpen=0.5, browInnerUp=1.0)) + np.array((1.0, 2.0, 3.0))
    assert farthest(cloud(other), expected) < 1e-6
    origin = origin_of(new)
    assert origin is not None and origin.identity == weights
    assert len(other.meshes) == len(scene.meshes) and len(other.skins) == len(scene.skins)
    back = with_identity(other, figure.id, facekit_figure(folder).scene)
    assert farthest(cloud(back), cloud(scene)) < 1e-6


def test_a_head_that_was_cut_up_meanwhile_is_refused(folder: Path) -> None:
    scene = facekit_figure(folder).scene
    figure = figure_of(scene)
    less = scene.remove([next(i for i, e in scene.entities.items() if isinstance(e, MeshObject))])
    with pytest.raises(UsageError, match="new figure"):
        with_identity(less, figure.id, facekit_figure(folder).scene)


def test_a_project_remembers_who_it_is(folder: Path, tmp_path: Path) -> None:
    scene = facekit_figure(folder, {"identity001": 0.75}).scene
    save_project(scene, tmp_path / "head.studio")
    kept = origin_of(figure_of(load_project(tmp_path / "head.studio")))
    assert kept is not None and kept.identity == {"identity001": 0.75}
    assert Path(kept.folder) == folder / "FaceXModel"


# --- broken checkouts ------------------------------------------------------------------------------------------------
def cut_short(text: str) -> str:
    return text[: len(text) // 5]


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("jawOpen.obj", cut_short, "cut short|vertices where"),
        ("jawOpen.obj", lambda t: t.replace("v ", "v nan ", 1).replace(" ", "", 0), "three numbers|nowhere|number"),
        ("jawOpen.obj", lambda t: t.replace("\nv -", "\nv nan -", 1), "three numbers"),
        ("jawOpen.obj", lambda t: "v nan 0 0\n" + t.split("\n", 2)[2], "nowhere"),
        ("jawOpen.obj", lambda t: "v inf 0 0\n" + t.split("\n", 2)[2], "nowhere"),
        ("jawOpen.obj", lambda t: "v x 0 0\n" + t.split("\n", 2)[2], "no number"),
        ("jawOpen.obj", lambda t: t + "v 0 0 0\n", "vertices where"),
        ("jawOpen.obj", lambda t: "", "cut short"),
        ("eyeBlink_L.obj", lambda t: "\0" * 500, "cut short"),
        ("generic_neutral_mesh.obj", cut_short, "faces|cut short"),
        ("generic_neutral_mesh.obj", lambda t: t.split("usemtl")[0], "faces"),
        ("generic_neutral_mesh.obj", lambda t: t + "f 1 2\n", "three corners"),
        ("generic_neutral_mesh.obj", lambda t: t + "f 1 2 999999\n", "three corners"),
        ("generic_neutral_mesh.obj", lambda t: t + "f 1 2 -1\n", "three corners"),
        ("generic_neutral_mesh.obj", lambda t: t + "f 1 2 99999999999999999999\n", "none"),
        ("generic_neutral_mesh.obj", lambda t: t + "f a b c\n", "none"),
        ("generic_neutral_mesh.obj", lambda t: t + "vt 1\n", "none"),
        (
            "generic_neutral_mesh.obj",
            lambda t: "\n".join(x for x in t.split("\n") if "usemtl" not in x),
            "no materials",
        ),
        ("vertex_indices.json", lambda t: t[:30], "no list"),
        ("vertex_indices.json", lambda t: '{"expressions": 3}', "no list"),
        ("vertex_indices.json", lambda t: '{"expressions": ["../../etc/passwd"]}', "no file can have"),
    ],
)
def test_a_broken_file_ends_in_one_sentence_that_names_it(folder: Path, file: str, damage, said: str) -> None:
    path = folder / "FaceXModel" / file
    path.write_text(damage(path.read_text()))
    with pytest.raises(BadAsset, match=said) as fault:
        facekit_figure(folder)
    assert file in str(fault.value) and str(fault.value).count("\n") == 0


def test_a_broken_identity_matters_only_where_it_is_asked_for(folder: Path) -> None:
    (folder / "FaceXModel" / "identity001.obj").write_text("v 1 2 3\n")
    facekit_figure(folder, {"identity000": 1.0})
    with pytest.raises(BadAsset, match=r"identity001\.obj: has 1 vertices"):
        facekit_figure(folder, {"identity001": 1.0})


def test_another_folder_is_told_from_a_checkout(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", Path(__file__), Path("a\0b")):
        with pytest.raises(BadAsset, match="no checkout of ICT-FaceKit"):
            open_checkout(place)


def test_the_full_model_is_refused_for_its_terms(folder: Path) -> None:
    extra = folder / "FaceXModel" / "identity100.obj"
    extra.write_text("v 0 0 0\n")
    with pytest.raises(Unsupported, match="terms of its own"):
        open_checkout(folder)
    extra.unlink()
    (folder / "LICENSE").write_text("For research at USC alone.\n")
    with pytest.raises(Unsupported, match="MIT"):
        open_checkout(folder)


def test_vertices_are_read_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "mixed.obj"
    path.write_bytes(b"# vertices\r\nv 1 2 3\r\nvt 0 0\r\nv 4 5 6\r\nf 1 1 1\r\n")
    np.testing.assert_array_equal(read_vertices(path), [[1, 2, 3], [4, 5, 6]])


# --- commands --------------------------------------------------------------------------------------------------------
def test_the_commands_bring_a_head_in_and_change_it(folder: Path, tmp_path: Path) -> None:
    studio = Studio(scene=Scene(), face=Headless(answers=deque([folder])))
    studio.run("figures.from_facekit")
    figure = figure_of(studio.scene)
    assert studio.selection == (figure.id,)
    studio.run("figures.facekit_identity", weights={"identity000": 1.0})
    studio.run("figures.facekit_identity", weights={"identity002": -0.5})
    studio.run("figures.save_facekit_identity", path=str(tmp_path / "who.json"))
    assert load_identity(tmp_path / "who.json") == {"identity000": 1.0, "identity002": -0.5}
    studio.run("figures.facekit_identity", seed=4)
    studio.document.undo()
    assert origin_of(figure_of(studio.scene)).identity == {"identity000": 1.0, "identity002": -0.5}  # type: ignore[union-attr]
    studio.face.answers.append("The average face")
    studio.run("figures.facekit_identity")
    assert origin_of(figure_of(studio.scene)).identity == {}  # type: ignore[union-attr]
    studio.run("figures.from_facekit", folder=str(folder), identity=str(tmp_path / "who.json"))
    studio.select(())
    with pytest.raises(UsageError, match="select one figure"):
        studio.run("figures.facekit_identity", seed=1)


def test_a_folder_that_is_gone_is_told(folder: Path) -> None:
    studio = Studio(scene=Scene())
    studio.run("figures.from_facekit", folder=str(folder), seed=3, sigma=2.0)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(StudioError, match="no checkout"):
        studio.run("figures.facekit_identity", seed=1)


# --- real ones ------------------------------------------------------------------------------------------------------
def test_a_real_checkout_becomes_a_head() -> None:
    place = os.environ.get("MYRIAD_FACEKIT", "")
    if not place:
        pytest.skip("MYRIAD_FACEKIT names no checkout of ICT-FaceKit light")
    assert len(read_vertices(open_checkout(place).folder / "generic_neutral_mesh.obj")) == VERTICES
    made = facekit_figure(place, random_identity(open_checkout(place).identities, seed=1))
    figure = figure_of(made.scene)
    assert figure.rig.left_eye and figure.rig.right_eye and figure.rig.jaw
    moved = {m.name for mesh in made.scene.meshes.values() for m in mesh.morphs}
    assert len(moved & set(INDEX)) >= 45


def test_the_real_head_written_as_a_checkout_is_rigged_as_its_gltf_is(shared: Path, tmp_path: Path) -> None:
    path = shared / "assets" / "ict_head" / "ict_head.glb"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    loaded = load(path)
    (head,) = (e for e in loaded.entities.values() if isinstance(e, MeshObject))
    mesh = loaded.meshes[head.mesh]
    points = loaded.world_matrix(head.id)
    rest = mesh.positions.astype(np.float64) @ points[:, :3].T + points[:, 3]
    names = [f"M_{loaded.materials[m].name}" for m in head.materials]
    faces = ""
    for name, a, b in zip(names, mesh.parts, mesh.parts[1:], strict=False):
        corners = (mesh.triangles[a:b].astype(np.int64) + 1).tolist()
        faces += f"usemtl {name}\n" + "".join(f"f {x} {y} {z}\n" for x, y, z in corners)
    (tmp_path / "generic_neutral_mesh.obj").write_text(obj(rest, faces))
    spelled = {"eyeBlinkLeft": "eyeBlink_L", "eyeBlinkRight": "eyeBlink_R"}
    for morph in mesh.morphs:
        if morph.name in (*spelled, "jawOpen", "mouthClose"):
            there = rest.copy()
            there[morph.indices.astype(np.intp)] += morph.positions @ points[:, :3].T
            (tmp_path / f"{spelled.get(morph.name, morph.name)}.obj").write_text(obj(there, ""))
    mine = facekit_figure(tmp_path).scene
    theirs = rigged(loaded, [i for i, e in loaded.entities.items() if not e.parent]).scene
    one, other = figure_of(mine).rig.hinges[0], figure_of(theirs).rig.hinges[0]
    assert one.angle_deg == pytest.approx(other.angle_deg, abs=0.01) and one.axis == pytest.approx(other.axis, abs=1e-3)
    for eye in ("left_eye", "right_eye"):
        a, b = (s.world_matrix(getattr(figure_of(s).rig, eye))[:, 3] for s in (mine, theirs))
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert len(figure_of(mine).rig.correctives) == len(figure_of(theirs).rig.correctives)
