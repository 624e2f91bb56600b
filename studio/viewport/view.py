"""What an artist sees of a scene in one viewport: its mode, its display, what is drawn over it.

Every viewport has a `Look` of its own. It is not part of the scene: it is neither undone nor saved with it, only kept
with the layout.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from studio.scene.entities import Id


class Mode(enum.Enum):
    """How surfaces are drawn; the value is the name that layouts and scripts use."""

    WIREFRAME = "wireframe"
    CLAY = "clay"  # every surface a grey matte, under the scene's lights
    LIT = "lit"
    ALBEDO = "albedo"  # base colour with its textures, without light
    NORMALS = "normals"  # shading normals in world space
    COMPLEXITY = "complexity"  # how many lights are evaluated for a pixel
    DOMINANT = "dominant"  # which light brings most to a pixel, a colour for each
    EXPOSURE = "exposure"  # luminance in stops around middle grey, in false colours


class Quality(enum.Enum):
    """How much a frame may cost: while something moves, or when the view is at rest and accumulates."""

    MOVING = "moving"
    STILL = "still"


@dataclass(frozen=True, slots=True)
class Look:
    """How a view is drawn. `exposure_ev` and `gamma` act before and after the OCIO view `display`/`view` ("" is the
    default one); `isolated` draws only these entities and what hangs below them (empty: everything)."""

    mode: Mode = Mode.LIT
    exposure_ev: float = 0.0
    gamma: float = 1.0
    display: str = ""
    view: str = ""
    ambient_occlusion: bool = False
    bloom: bool = False
    shadows: bool = True
    contact_shadows: bool = True  # of distant lights, where their maps are coarser than what is seen
    background: tuple[float, float, float] | None = (0.055, 0.055, 0.06)  # display-referred; None: the dome itself
    isolated: frozenset[Id] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Overlays:
    """What is drawn over the picture."""

    grid: bool = True
    axes: bool = True
    icons: bool = True
    names: bool = False
    frusta: bool = True
    outlines: bool = True
    wireframe: bool = False
    gate: bool = False
    safe_frames: bool = False
    gizmo: bool = True
    hud: bool = True
    paths: bool = True  # curves of paths, and lines of constraints
    motion_paths: bool = True  # where what is selected goes over time
    ghosts: bool = False  # what is selected as it stands some frames before and after


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the head-up display says of the last frame. `seconds` by pass is GPU time where timers exist, else CPU."""

    lights: int = 0
    triangles: int = 0
    instances: int = 0
    gpu_bytes: int = 0
    samples: int = 0  # accumulated while at rest
    shadowed: tuple[int, int] = (0, 0)  # lights whose shadow is as it should be, of those that cast any
    shadows_coarser: int = 0  # how often all shadows are halved in size because memory is short
    seconds: float = 0.0
    passes: tuple[tuple[str, float], ...] = ()
