"""What the lantern hall is made of: wet stone, limewash, brass, glass, glazes, velvet and glowing paper."""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage
from studio.assets.demo.surfaces import clouds, flagstones, mask, paint


def make_materials(stage: Stage) -> None:
    """Put every material of the hall on the stage."""
    _stone(stage)
    _fine_things(stage)
    _paper(stage)


def _stone(stage: Stage) -> None:
    tone, stone = flagstones(1024, rows=6, seed=3)
    puddles = clouds(512, 512, cells=3, octaves=4, seed=11)
    wet = np.clip((puddles - 0.42) * 5, 0, 1)
    stage.material(
        "flagstone",
        specular_roughness=0.28,
        coat_weight=1.0,
        coat_roughness=0.03,
        coat_ior=1.33,
        base_color=(1.0, 1.0, 1.0),
        textures={
            "base_color": stage.texture("flags", paint(tone * stone, (0.025, 0.03, 0.035), (0.16, 0.15, 0.14)), "srgb"),
            "coat_weight": stage.texture("wet", mask(wet), channel="r", scale=(0.31, 0.37)),
        },
    )
    stage.material("limestone", base_color=(0.5, 0.43, 0.35), base_diffuse_roughness=0.5, specular_roughness=0.6)
    plaster = paint(clouds(512, 512, cells=4, octaves=6, seed=5), (0.018, 0.06, 0.12), (0.045, 0.12, 0.2))
    stage.material(
        "plaster",
        base_color=(1.0, 1.0, 1.0),
        specular_roughness=0.55,
        textures={"base_color": stage.texture("limewash", plaster, "srgb")},
    )


def _fine_things(stage: Stage) -> None:
    stage.material("water", base_color=(0.004, 0.012, 0.014), specular_roughness=0.015, specular_ior=1.33)
    stage.material(
        "brass",
        base_color=(0.89, 0.61, 0.26),
        base_metalness=1.0,
        specular_roughness=0.16,
        specular_color=(1, 0.95, 0.85),
    )
    stage.material("iron", base_color=(0.3, 0.28, 0.27), base_metalness=1.0, specular_roughness=0.45)
    stage.material("glass", transmission_weight=1.0, specular_roughness=0.0, specular_ior=1.52)
    stage.material(
        "celadon", base_color=(0.16, 0.38, 0.31), coat_weight=1.0, coat_roughness=0.04, specular_roughness=0.3
    )
    stage.material(
        "raku",
        base_color=(0.02, 0.02, 0.03),
        coat_weight=1.0,
        coat_roughness=0.08,
        thin_film_weight=1.0,
        thin_film_thickness=0.38,
        specular_roughness=0.12,
    )
    stage.material("oxblood", base_color=(0.32, 0.02, 0.015), coat_weight=1.0, coat_roughness=0.02)
    stage.material(
        "velvet", base_color=(0.2, 0.012, 0.02), fuzz_weight=1.0, fuzz_color=(0.95, 0.25, 0.2), fuzz_roughness=0.35
    )
    for k, color in enumerate(((0.02, 0.04, 0.06), (0.07, 0.13, 0.19), (0.16, 0.27, 0.38))):
        stage.material(f"ridge {k + 1}", base_color=color, specular_weight=0.0)
    stage.material("wax", base_color=(0.8, 0.72, 0.55), specular_roughness=0.35)
    stage.material("cord", base_color=(0.02, 0.02, 0.02), specular_roughness=0.5)


def _paper(stage: Stage) -> None:
    """Paper lit from within: brightest around the bulb, darker at the ends and along its nine ribs."""
    v = np.linspace(0, 1, 128)[:, None]
    ribs = 1 - 0.45 * (0.5 + 0.5 * np.cos(2 * np.pi * 9 * v)) ** 6
    glow = (0.35 + 0.65 * np.sin(np.pi * v) ** 1.5) * ribs * np.ones(64)
    light = stage.texture("lit paper", paint(glow.astype(np.float32), (0, 0, 0), (1, 1, 1)), "srgb")
    for name, color, nits in (
        ("amber", (1.0, 0.3, 0.05), 72.0),
        ("vermilion", (1.0, 0.075, 0.012), 58.0),
        ("cream", (1.0, 0.52, 0.18), 76.0),
    ):
        stage.material(
            f"paper {name}",
            base_color=(0.7, 0.6, 0.45),
            specular_weight=0.2,
            emission_luminance=nits,
            emission_color=color,
            double_sided=True,
            textures={"emission_color": light},
        )
