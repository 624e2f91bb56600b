"""Lights: what an artist can light with, in photometric units.

A light shines along its own -z; only its fields size it, never a scale above it. Emissive meshes are lights too and
come from materials. `pack` turns any kind into one `LIGHT` row, the form that both renderers read.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from studio.scene.entities import Entity
from studio.scene.schema import Spec, Touches

L = Touches.LIGHT
Color = tuple[float, float, float]

# codes of the `kind` column of LIGHT
KINDS: dict[str, int] = {
    name: code
    for code, name in enumerate(
        ("point", "spot", "rectangle", "disk", "sphere", "cylinder", "distant", "dome", "mesh")
    )
}

# flags of LIGHT
SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, CASTS_SHADOWS, TWO_SIDED = 1, 2, 4, 8

LIGHT = np.dtype(
    [
        ("kind", "i4"),  # KINDS
        ("flags", "u4"),
        ("group", "i4"),  # index into FlatScene.light_groups
        ("image", "i4"),  # index into FlatScene.textures, -1: none (dome and area lights)
        ("instance", "i4"),  # mesh lights: row of FlatScene.instances, else -1
        ("part", "i4"),  # mesh lights: part of the mesh
        ("entity", "i4"),  # index into FlatScene.light_names
        ("link", "u4"),  # bit mask of receivers lit, all ones by default
        # linear working-space colour: radiance in nits (areas, dome, mesh), intensity in cd (point, spot),
        # illuminance at normal incidence in lx (distant)
        ("emission", "f4", (3,)),
        # rectangle: width, height; disk, sphere: radius; cylinder: radius, length (along x); distant: angle (radians,
        # full); in metres. Unused entries are 0.
        ("size", "f4", (2,)),
        ("cone", "f4", (2,)),  # spot: cosine of the inner and outer half angle
        ("gain", "f4", (2,)),  # multiplies diffuse and specular response
        ("open", "f4", (3, 4)),  # rigid light-to-world at shutter open
        ("close", "f4", (3, 4)),  # and at shutter close
    ]
)


class Light(Entity, frozen=True, kw_only=True, omit_defaults=True, tag="light"):
    """A light of any kind.

    The strength is `intensity * 2**exposure` in `unit`: "cd" or "lm" for point and spot, "nt" or "lm" for areas,
    "lx" for distant, "nt" for dome. `temperature_k` colours the light when `use_temperature` is on, times `color`.
    """

    light: Annotated[str, Spec(label="Kind", animatable=False, touches=L)] = "point"
    intensity: Annotated[float, Spec(label="Intensity", lo=0.0, soft_hi=10000.0, touches=L)] = 100.0
    unit: Annotated[str, Spec(label="Unit", animatable=False, touches=L)] = "cd"
    exposure: Annotated[float, Spec(label="Exposure", unit="stops", soft_lo=-10.0, soft_hi=10.0, touches=L)] = 0.0
    color: Annotated[Color, Spec(label="Colour", lo=0.0, colour=True, touches=L)] = (1.0, 1.0, 1.0)
    temperature_k: Annotated[float, Spec(label="Temperature", unit="K", lo=1000.0, hi=40000.0, touches=L)] = 6500.0
    use_temperature: Annotated[bool, Spec(label="Use temperature", touches=L)] = False
    width_m: Annotated[float, Spec(label="Width", unit="m", lo=0.0, touches=L)] = 1.0
    height_m: Annotated[float, Spec(label="Height", unit="m", lo=0.0, touches=L)] = 1.0
    radius_m: Annotated[float, Spec(label="Radius", unit="m", lo=0.0, touches=L)] = 0.1
    length_m: Annotated[float, Spec(label="Length", unit="m", lo=0.0, touches=L)] = 1.0
    angle_deg: Annotated[float, Spec(label="Angle", unit="deg", lo=0.0, hi=180.0, touches=L)] = 0.53
    inner_cone_deg: Annotated[float, Spec(label="Inner cone", unit="deg", lo=0.0, hi=90.0, touches=L)] = 0.0
    outer_cone_deg: Annotated[float, Spec(label="Outer cone", unit="deg", lo=0.0, hi=90.0, touches=L)] = 45.0
    two_sided: Annotated[bool, Spec(label="Two-sided", touches=L)] = False
    image: Annotated[str, Spec(label="Image", animatable=False, touches=L)] = ""
    group: Annotated[str, Spec(label="Light group", animatable=False, touches=L)] = ""
    muted: Annotated[bool, Spec(label="Mute", touches=L)] = False
    solo: Annotated[bool, Spec(label="Solo", touches=L)] = False
    seen_by_camera: Annotated[bool, Spec(label="Seen by camera", touches=L)] = True
    seen_in_reflections: Annotated[bool, Spec(label="Seen in reflections", touches=L)] = True
    casts_shadows: Annotated[bool, Spec(label="Casts shadows", touches=L)] = True
    diffuse_gain: Annotated[float, Spec(label="Diffuse gain", lo=0.0, touches=L)] = 1.0
    specular_gain: Annotated[float, Spec(label="Specular gain", lo=0.0, touches=L)] = 1.0


_ = msgspec
