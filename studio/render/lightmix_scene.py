"""From a mix back to the scene: what was found on the finished frame becomes what the lights are.

A light's gain goes on its exposure and its colour on its colour, a group's on its masters, switches on the switches.
Where a curve drives an exposure or a colour the whole curve moves, because the mix was made for the shot and not for
the frame that happens to be shown. An object that shines has no exposure: its materials are changed, or copies of them
where other objects wear them too. Presets are kept in `Scene.extra`, so they are saved and undone with the scene.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.render.lightmix import NAMED_GROUP, NEUTRAL, Channel, Mix, Strip, read_mixes
from studio.render.lightmix_store import F64
from studio.scene.animation import Curve
from studio.scene.entities import Entity, Group, Id, MeshObject, Vec3
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.pose import split_track
from studio.scene.scene import Scene

_KEY = "mixes"


@dataclass(frozen=True, slots=True)
class Written:
    """What did not go into the scene: names of lights that are `gone`, of objects that know no `solo`, and of what is
    `played` by clips, which other things may play too."""

    gone: tuple[str, ...] = ()
    solo: tuple[str, ...] = ()
    played: tuple[str, ...] = ()

    def sentence(self) -> str:
        """One sentence about them, "" where all went well."""
        told = []
        if self.gone:
            told.append(f"{_listed(self.gone)} {'is' if len(self.gone) == 1 else 'are'} not in the scene any more")
        if self.solo:
            told.append(
                f"{_listed(self.solo)} {'shines' if len(self.solo) == 1 else 'shine'} by a material, without solo"
            )
        if self.played:
            told.append(f"the light of {_listed(self.played)} is played by clips, whose curves stay as they are")
        return f"Not written to the scene: {', and '.join(told)}." if told else ""


def _listed(names: Sequence[str]) -> str:
    some = ", ".join(f'"{name}"' for name in names[:5])
    return some if len(names) <= 5 else f"{some} and {len(names) - 5} more"


def to_scene(scene: Scene, mix: Mix, channels: Sequence[Channel]) -> tuple[Scene, Written]:
    """The scene lit as `mix` has it, and what of the mix found no place. An operation for `Document.edit`."""
    names = {channel.id: channel.name for channel in channels}
    gone, solo, played = [], [], []
    for id_, strip in _by_entity(mix, channels).items():
        entity = scene.entities.get(id_)
        if isinstance(entity, Light):
            scene = _moved(scene, id_, strip, "exposure", "color")
        elif isinstance(entity, Group):
            scene = _moved(scene, id_, strip, "exposure", "tint")
        elif isinstance(entity, MeshObject):
            scene = _glowing(scene, entity, strip)
            if strip.solo:
                solo.append(entity.name or id_)
        else:
            gone.append(names.get(id_, id_))
            continue
        if _is_played(scene, entity, strip):
            played.append(entity.name or id_)
    return scene, Written(tuple(gone), tuple(solo), tuple(played))


def _is_played(scene: Scene, entity: Entity, strip: Strip) -> bool:
    """Whether a strip of the timeline plays what a strip of the mix would change."""
    ids = {entity.id, *(entity.materials if isinstance(entity, MeshObject) else ())}
    wanted = {"exposure", "emission_luminance"} if strip.gain else set()
    wanted |= {"color", "tint", "emission_color"} if strip.color != NEUTRAL.color else set()
    clips = (scene.clips.get(played.clip) for played in scene.strips.values() if not played.muted)
    tracks = (split_track(name) for clip in clips if clip is not None for name in clip.tracks)
    return any(id_ in ids and field in wanted for id_, field, _ in tracks)


def _by_entity(mix: Mix, channels: Sequence[Channel]) -> Mapping[Id, Strip]:
    """Strips of entities: those of light groups that are no entities go to each of their lights."""
    out = {id_: strip for id_, strip in mix.strips.items() if not id_.startswith(NAMED_GROUP)}
    for id_, strip in mix.strips.items():
        if id_.startswith(NAMED_GROUP):
            for channel in channels:
                if id_ in channel.groups:
                    out[channel.id] = _both(out.get(channel.id, NEUTRAL), strip)
    return out


def _both(a: Strip, b: Strip) -> Strip:
    color = tuple(x * y for x, y in zip(a.color, b.color, strict=True))
    return Strip(
        gain=a.gain + b.gain,
        color=(color[0], color[1], color[2]),
        muted=a.muted or b.muted,
        solo=a.solo or b.solo,
    )


def _moved(scene: Scene, id_: Id, strip: Strip, gain_field: str, color_field: str) -> Scene:
    """A light or a group with a strip on top of what it is."""
    entity: Any = scene.entities[id_]
    values: dict[str, Any] = {name: True for name in ("muted", "solo") if getattr(strip, name)}
    tracks = dict(scene.tracks)
    if strip.gain:
        if (curve := tracks.get(f"{id_}.{gain_field}")) is not None:
            tracks[f"{id_}.{gain_field}"] = replace(curve, values=_fixed(curve.values + strip.gain))
        else:
            values[gain_field] = getattr(entity, gain_field) + strip.gain
    if strip.color != NEUTRAL.color:
        driven = [name for name in tracks if name == f"{id_}.{color_field}" or name.startswith(f"{id_}.{color_field}[")]
        for name in driven:
            part = name.rpartition("[")[2].rstrip("]") if name.endswith("]") else ""
            tracks[name] = _scaled(tracks[name], np.array(strip.color)[[int(part)] if part.isdigit() else slice(None)])
        if f"{id_}.{color_field}" not in driven:
            undriven = [f"{id_}.{color_field}[{i}]" not in driven for i in range(3)]
            values[color_field] = _times(getattr(entity, color_field), strip.color, undriven)
    if tracks != scene.tracks:
        scene = replace(scene, tracks=tracks)
    return scene.replace(id_, **values) if values else scene


def _times(color: Vec3, by: Vec3, where: Sequence[bool] = (True, True, True)) -> Vec3:
    r, g, b = (c * x if on else c for c, x, on in zip(color, by, where, strict=True))
    return r, g, b


def _scaled(curve: Curve, by: F64) -> Curve:
    """A curve of a colour, or of one component, whose values are multiplied; its handles follow."""

    def bent(tangents: F64 | None) -> F64 | None:
        if tangents is None:
            return None
        new = tangents.copy()
        if new.ndim == 3:  # handles: frames and value
            new[..., 1] *= by
        else:
            new *= by
        return _fixed(new)

    return replace(
        curve,
        values=_fixed(curve.values * by),
        in_tangents=bent(curve.in_tangents),
        out_tangents=bent(curve.out_tangents),
    )


def _fixed(values: F64) -> F64:
    values.flags.writeable = False
    return values


def _glowing(scene: Scene, entity: MeshObject, strip: Strip) -> Scene:
    """The scene with an object that shines by other materials, or by the same ones changed where it alone has them."""
    peak = max(strip.color)
    gain = 0.0 if strip.muted else 2.0**strip.gain * peak
    tint: Vec3 = _times(strip.color, (1 / peak,) * 3) if peak > 0 else (1.0, 1.0, 1.0)
    if gain == 1.0 and tint == NEUTRAL.color:
        return scene
    worn = list(entity.materials)
    for id_ in dict.fromkeys(worn):
        material = scene.materials.get(id_)
        if material is None or (material.emission_luminance <= 0 and f"{id_}.emission_luminance" not in scene.tracks):
            continue
        if _others_wear(scene, id_, entity.id):
            own = scene.free_id(id_)
            material = msgspec.structs.replace(material, id=own, name=f"{material.name or id_} ({entity.name})")
            curves = {f"{own}{name[len(id_) :]}": curve for name, curve in _curves_of(scene, id_).items()}
            scene = replace(scene.add(material), tracks={**scene.tracks, **curves})
            worn = [own if name == id_ else name for name in worn]
        scene = _brightened(scene, material, gain, tint)
    return scene if tuple(worn) == entity.materials else scene.replace(entity.id, materials=tuple(worn))


def _brightened(scene: Scene, material: Material, gain: float, tint: Vec3) -> Scene:
    """The scene with the glow of a material multiplied, and with the whole of the curves that drive it."""
    tracks = dict(scene.tracks)
    for name, curve in _curves_of(scene, material.id).items():
        _, field, item = split_track(name)
        if field == "emission_luminance":
            tracks[name] = _scaled(curve, np.array([gain]))
        elif field == "emission_color":
            tracks[name] = _scaled(curve, np.array(tint)[[item] if item >= 0 else slice(None)])
    whole = f"{material.id}.emission_color" not in tracks
    free = [whole and f"{material.id}.emission_color[{i}]" not in tracks for i in range(3)]
    values: dict[str, Any] = {"emission_color": _times(material.emission_color, tint, free)}
    if f"{material.id}.emission_luminance" not in tracks:
        values["emission_luminance"] = material.emission_luminance * gain
    materials: dict[Id, Material] = {**scene.materials, material.id: msgspec.structs.replace(material, **values)}
    return replace(scene, materials=materials, tracks=tracks)


def _curves_of(scene: Scene, id_: Id) -> dict[str, Curve]:
    return {name: curve for name, curve in scene.tracks.items() if split_track(name)[0] == id_}


def _others_wear(scene: Scene, material: Id, id_: Id) -> bool:
    return any(
        isinstance(entity, MeshObject) and entity.id != id_ and material in entity.materials
        for entity in scene.entities.values()
    )


# --- presets ---------------------------------------------------------------------------------------------------------
def presets_of(scene: Scene) -> tuple[Mix, ...]:
    """The mixes kept with a scene; none where what is kept cannot be read."""
    kept = scene.extra.get(_KEY)
    if not isinstance(kept, dict):
        return ()
    try:
        return read_mixes(kept, "the scene")
    except BadAsset:
        return ()


def with_preset(scene: Scene, mix: Mix) -> Scene:
    """The scene with a mix kept by its name, in the place of one of that name."""
    mixes = [kept for kept in presets_of(scene) if kept.name != mix.name]
    return _with(scene, [*mixes, mix])


def without_preset(scene: Scene, name: str) -> Scene:
    """The scene without the mix of a name."""
    return _with(scene, [kept for kept in presets_of(scene) if kept.name != name])


def _with(scene: Scene, mixes: Sequence[Mix]) -> Scene:
    return replace(scene, extra={**scene.extra, _KEY: msgspec.to_builtins({"mixes": list(mixes)})})
