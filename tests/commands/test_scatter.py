"""Commands that scatter: what is selected is the template and its source; each is one step."""

from __future__ import annotations

import pytest

from studio.commands.studio import Studio
from studio.errors import StudioError, UsageError
from studio.scene.entities import Group, Path
from studio.scene.lights import Light


@pytest.fixture
def studio() -> Studio:
    made = Studio()
    made.run("create.spot_light")
    made.run("create.cube")
    with made.document.edit("Path") as edit:
        edit.scene = edit.scene.add(Path(id="rail"))
    return made


def lamps(studio: Studio) -> int:
    return len(studio.flat.lights)


@pytest.mark.parametrize(("rule", "beside", "count"), [("grid", "", 20), ("ring", "", 12), ("curve", "rail", 12)])
def test_the_selected_light_becomes_many(studio: Studio, rule: str, beside: str, count: int) -> None:
    studio.select([beside, "spot"] if beside else ["spot"])
    studio.run(f"lights.scatter_{rule}")
    (group,) = studio.selection
    assert isinstance(studio.scene.entities[group], Group)
    assert lamps(studio) == count
    studio.document.undo()
    assert lamps(studio) == 1


def test_the_surface_of_the_selected_object_is_covered(studio: Studio) -> None:
    studio.select(["cube", "spot"])
    studio.run("lights.scatter_surface")
    assert lamps(studio) == 12
    studio.run("lights.shuffle_scatter")
    (group,) = studio.selection
    entity = studio.scene.entities[group]
    assert isinstance(entity, Group)
    assert entity.seed == 1


def test_released_lamps_stay(studio: Studio) -> None:
    studio.select(["spot"])
    studio.run("lights.scatter_ring")
    studio.run("lights.release_scatter")
    assert lamps(studio) == 12
    assert "spot" not in studio.scene.entities
    with pytest.raises(UsageError):
        studio.run("lights.release_scatter")


def test_without_a_path_the_command_says_what_to_select(studio: Studio) -> None:
    studio.select(["spot"])
    with pytest.raises(StudioError, match="Select a path"):
        studio.run("lights.scatter_curve")
    light = studio.scene.entities["spot"]
    assert isinstance(light, Light)
    assert light.visible
