"""The stage on which materials are shown: eyes as eyeballs, skin as on a ball of a face's size."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from studio.assets.preview_stage import SHAPES, preview_scene
from studio.scene.entities import MeshObject
from studio.scene.flatten import flatten
from studio.scene.material_presets import made
from studio.scene.materials import OFFSET


def test_an_eye_is_shown_as_an_eyeball_that_looks_at_the_camera() -> None:
    flat = flatten(preview_scene(made("eye_blue", "m")), 1.0)
    meshes = [flat.meshes[row["mesh"]] for row in flat.instances]
    eyes = flat.materials[flat.instance_materials, OFFSET["eye_iris_radius"]] > 0.0
    assert eyes.sum() == 1
    (at,) = np.flatnonzero(eyes[flat.instances["material_start"]])
    matrix = flat.instances["open"][at].astype(float)
    assert np.abs(meshes[at].positions).max() < 0.02  # metres: an eyeball in its own space
    gaze = matrix[:, 2] / np.linalg.norm(matrix[:, 2])
    towards = flat.camera.open[:, 3] - matrix[:, 3]
    assert gaze @ towards / np.linalg.norm(towards) == pytest.approx(1.0, abs=1e-4)
    assert np.linalg.norm(matrix[:, 2]) * 0.012 == pytest.approx(0.47, rel=1e-3)


def test_an_eye_of_another_size_is_brought_to_that_of_the_eyeball() -> None:
    material = made("eye_blue", "m")
    twice = msgspec.structs.replace(
        material, eye_iris_radius=0.0117, eye_iris_plane=0.019, subsurface_radius=2.0 * material.subsurface_radius
    )
    one, other = (preview_scene(m).materials["preview_subject"] for m in (material, twice))
    for name in ("eye_iris_radius", "eye_iris_plane", "subsurface_radius"):
        assert getattr(other, name) == pytest.approx(getattr(one, name))


def test_other_bodies_and_other_materials_stay_what_they_were() -> None:
    for shape in SHAPES:
        subject = preview_scene(made("gold", "m"), shape=shape).entities["subject"]
        assert isinstance(subject, MeshObject) and subject.scale == (1.0, 1.0, 1.0)
    cloth = preview_scene(made("eye_blue", "m"), shape="cloth").entities["subject"]
    assert isinstance(cloth, MeshObject) and cloth.scale == (1.0, 1.0, 1.0)


def test_light_goes_as_far_below_as_the_body_is_large() -> None:
    skin = made("skin_light", "m")
    shown = preview_scene(skin).materials["preview_subject"]
    assert shown.subsurface_radius == pytest.approx(8.0 * skin.subsurface_radius)
