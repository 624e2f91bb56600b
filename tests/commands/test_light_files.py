"""IES files and gobos given to lights: one step of the history, by command and from the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.assets.ies import load_profile
from studio.assets.missing import look_for, missing, relinked
from studio.commands.light_files import with_profile
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene import texturing
from studio.scene.flatten import flatten
from studio.scene.geometry import make_image
from studio.scene.lights import Light
from studio.scene.project import load_project, save_project
from studio.scene.scene import Scene
from tests.assets.ies_maker import lobe, made


@pytest.fixture
def studio() -> Studio:
    lights = [
        Light(id="spot", light="spot", unit="lm", intensity=5.0),
        Light(id="bulb", light="point", radius_m=0.0),
        Light(id="panel", light="rectangle", unit="nt"),
    ]
    return Studio(scene=Scene().add(*lights))


@pytest.fixture
def ies(tmp_path: Path) -> Path:
    path = tmp_path / "wall washer.ies"
    path.write_bytes(made(lobe))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "leaves.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(path)
    return path


def test_an_ies_file_makes_lights_shine_as_it_was_measured(studio: Studio, ies: Path) -> None:
    studio.select(["spot", "bulb", "panel"])
    studio.run("lights.load_ies", path=str(ies))
    for id_ in ("spot", "bulb"):
        light = studio.scene.entities[id_]
        assert isinstance(light, Light)
        assert (light.unit, light.intensity) == ("cd", pytest.approx(1000.0))
        assert studio.scene.images[light.ies].name == "wall washer"
    assert studio.scene.entities["panel"] == Light(id="panel", light="rectangle", unit="nt")
    flat = flatten(studio.scene, 1.0)
    assert [row["profile"] for row in flat.lights] == [0, 0, -1]
    studio.document.undo()
    assert not studio.scene.images


def test_the_file_is_asked_for_and_may_be_declined(studio: Studio, ies: Path) -> None:
    studio.select(["bulb"])
    studio.face.answers.append(ies)  # type: ignore[attr-defined]
    studio.run("lights.load_ies")
    assert studio.scene.images
    studio.select(["spot"])
    studio.run("lights.load_gobo")
    assert len(studio.scene.images) == 1


def test_a_gobo_goes_before_spots_alone(studio: Studio, picture: Path) -> None:
    studio.select(["spot", "panel"])
    studio.run("lights.load_gobo", path=str(picture))
    assert studio.scene.images[studio.scene.entities["spot"].gobo].name == "leaves"  # type: ignore[attr-defined]
    flat = flatten(studio.scene, 1.0)
    assert [row["gobo"] for row in flat.lights] == [0, -1, -1]
    assert flat.textures[0].name == "leaves"


def test_lights_that_take_no_such_file_are_said_so(studio: Studio, ies: Path, picture: Path) -> None:
    studio.select(["panel"])
    with pytest.raises(UsageError, match="point or spot"):
        studio.run("lights.load_ies", path=str(ies))
    studio.select(["bulb"])
    with pytest.raises(UsageError, match="spot"):
        studio.run("lights.load_gobo", path=str(picture))


def test_broken_files_change_nothing(studio: Studio, tmp_path: Path) -> None:
    studio.select(["spot"])
    (tmp_path / "a.ies").write_text("IESNA91\nTILT=NONE\n1 2")
    (tmp_path / "a.png").write_bytes(b"no picture")
    before = studio.scene
    with pytest.raises(BadAsset, match=r"a\.ies"):
        studio.run("lights.load_ies", path=str(tmp_path / "a.ies"))
    with pytest.raises(BadAsset, match=r"a\.png"):
        studio.run("lights.load_gobo", path=str(tmp_path / "a.png"))
    assert studio.scene is before


def test_assets_of_the_library_go_onto_lights(studio: Studio, ies: Path, picture: Path) -> None:
    studio.library.add_folder(ies.parent)
    assert studio.library.settle(30.0)
    studio.select(["bulb"])
    studio.run("library.add", asset=str(ies))
    assert studio.scene.entities["bulb"].ies  # type: ignore[attr-defined]
    studio.run("library.add", asset=str(picture), onto="spot")
    assert studio.scene.entities["spot"].gobo  # type: ignore[attr-defined]
    studio.select([])
    with pytest.raises(UsageError, match="point or spot"):
        studio.run("library.add", asset=str(ies))
    studio.library.close()


def test_profiles_and_gobos_live_in_projects(studio: Studio, ies: Path, picture: Path, tmp_path: Path) -> None:
    studio.select(["spot"])
    studio.run("lights.load_ies", path=str(ies))
    studio.run("lights.load_gobo", path=str(picture))
    save_project(studio.scene, tmp_path / "a.studio")
    again = load_project(tmp_path / "a.studio")
    assert again.entities == studio.scene.entities
    flat = flatten(again, 1.0)
    assert {flat.textures[flat.lights[0][name]].name for name in ("profile", "gobo")} == {"wall washer", "leaves"}
    assert not flat.warnings or all("profile" not in w for w in flat.warnings)


def test_a_profile_that_is_gone_is_told_and_the_light_shines_without_it(studio: Studio) -> None:
    scene = studio.scene.replace("spot", ies="gone", name="Key").replace("bulb", gobo="means nothing here")
    flat = flatten(scene, 1.0)
    assert [w for w in flat.warnings if "IES" in w] == [
        'They shine without their IES profile or gobo, which is not in the scene: "Key".'
    ]
    assert len(flat.lights) == 3 and not flat.textures


def test_a_picture_is_no_profile(studio: Studio) -> None:
    image = make_image(np.zeros((4, 4, 3), np.uint8))
    flat = flatten(studio.scene.add(image).replace("bulb", ies=image.key), 1.0)
    assert flat.lights["profile"].tolist() == [-1, -1, -1]


def test_images_that_only_shape_lights_are_not_thrown_away(studio: Studio) -> None:
    profile = load_profile(made(lobe), "a")
    scene = with_profile(studio.scene, ["bulb"], profile)
    assert texturing.without_unused(scene, [profile.image.key]) is scene
    other = load_profile(made(lambda v, h: 3.0), "b").image
    swapped = texturing.replace_image(scene, profile.image.key, other)
    assert swapped.entities["bulb"].ies == other.key  # type: ignore[attr-defined]
    assert set(swapped.images) == {other.key}


def test_an_ies_file_that_moved_is_found_again(studio: Studio, ies: Path, tmp_path: Path) -> None:
    studio.select(["bulb"])
    studio.run("lights.load_ies", path=str(ies))
    (tmp_path / "elsewhere").mkdir()
    ies.rename(tmp_path / "elsewhere" / "renamed.ies")
    assert [each.path for each in missing(studio.scene)] == [str(ies)]
    found = look_for(studio.scene, [tmp_path])
    assert found == {str(ies): str(tmp_path / "elsewhere" / "renamed.ies")}
    assert not missing(relinked(studio.scene, found))


def test_a_portal_is_made_like_any_light_and_never_shines(studio: Studio) -> None:
    studio.run("create.portal_light")
    (portal,) = studio.selection
    flat = flatten(studio.scene.replace(portal, width_m=2.0), 1.0)
    assert flat.portals["size"].tolist() == [[2.0, 1.0]]
    assert len(flat.lights) == 3
    assert len(flatten(studio.scene.replace(portal, muted=True), 1.0).portals) == 0
    assert len(flatten(studio.scene.replace("bulb", solo=True), 1.0).portals) == 1
