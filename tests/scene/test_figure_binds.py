"""Binary controls, overrides and what controls do to materials."""

from __future__ import annotations

import pytest

from studio.scene.entities import FigureRig, MaterialBind, Override
from studio.scene.figure_binds import bound, ruled
from studio.scene.materials import Material, Texture


@pytest.mark.parametrize(
    ("how", "happy", "left"), [("block", 0.0, 0.8), ("block", 0.1, 0.0), ("blend", 0.25, 0.6), ("blend", 2.0, 0.0)]
)
def test_an_override_holds_back_by_all_or_by_its_weight(how: str, happy: float, left: float) -> None:
    rig = FigureRig(overrides=(Override(control="happy", suppresses=("blink", "absent"), how=how),))
    assert ruled({"happy": happy, "blink": 0.8}, rig) == pytest.approx({"happy": happy, "blink": left})


def test_binary_controls_are_on_or_off_before_they_override() -> None:
    rig = FigureRig(overrides=(Override(control="happy", suppresses=("blink",), how="blend"),), binary=("happy",))
    assert ruled({"happy": 0.5, "blink": 1.0}, rig) == {"happy": 0.0, "blink": 1.0}
    assert ruled({"happy": 0.51, "blink": 1.0}, rig) == {"happy": 1.0, "blink": 0.0}


def test_a_binary_control_that_is_held_back_at_all_is_off() -> None:
    rig = FigureRig(overrides=(Override(control="happy", suppresses=("blink",), how="blend"),), binary=("blink",))
    assert ruled({"happy": 0.01, "blink": 1.0}, rig)["blink"] == 0.0


def test_colours_and_textures_go_where_the_controls_put_them() -> None:
    texture = Texture(image="a", offset=(0.1, 0.0), scale=(1.0, 1.0))
    materials = {
        "m": Material(id="m", base_color=(0.2, 0.4, 0.6), textures={"base_color": texture}),
        "other": Material(id="other"),
    }
    rig = FigureRig(
        materials=(
            MaterialBind(material="m", control="blush", field="base_color", color=(1.0, 0.4, 0.0)),
            MaterialBind(material="m", control="shift", offset=(0.5, 0.0), scale=(0.5, 1.0)),
            MaterialBind(material="lost", control="blush", field="base_color"),
        )
    )
    changed = bound(materials, rig, {"blush": 0.5, "shift": 0.5})
    assert list(changed) == ["m"]
    assert changed["m"].base_color == pytest.approx((0.6, 0.4, 0.3))
    moved = changed["m"].textures["base_color"]
    assert moved.offset == pytest.approx((0.3, 0.0)) and moved.scale == pytest.approx((0.75, 1.0))
    assert bound(materials, rig, {"blush": 0.0}) == {}
