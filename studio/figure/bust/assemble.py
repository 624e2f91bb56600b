"""The bust put together: a head with its skin, eyes, teeth, tongue, lashes, brows and hair, as a figure that acts.

Everything hangs in a `Figure` over five joints: neck, head in it, and in the head the jaw and both eyes. The skin is
bound to the joints by its vertices; hard things hang in the joint that carries them; lashes, brows and what is wet ride
on the skin's morphs. A hinge turns the jaw, so the shapes of the jaw keep only what the turn does not do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.figure.bust import brows, eyes, hair, lashes, teeth
from studio.figure.bust.asymmetry import bent, straightened
from studio.figure.bust.clothes import shirt
from studio.figure.bust.form import Form
from studio.figure.bust.head import Head, build_head
from studio.figure.bust.identities import Complexion, Person, person
from studio.figure.bust.landmarks import Anatomy, onto_skin, slope
from studio.figure.bust.pieces import F64, Piece, join, ride, unit
from studio.figure.bust.scalp import Scalp
from studio.figure.bust.skin_maps import Canvas, skin_maps, srgb
from studio.figure.bust.tongue import tongue
from studio.figure.bust.uv_bake import bake
from studio.figure.bust.wrinkle_maps import CONTROLS, age_lines, wrinkle_maps
from studio.figure.eye_maps import eye_image
from studio.figure.eyeball import eyeball_mesh
from studio.scene import body_presets
from studio.scene.arkit import ARKIT
from studio.scene.entities import Entity, Figure, FigureRig, Group, Hinge, Id, MeshObject, Wrinkle
from studio.scene.geometry import Mesh, Morph, make_image, make_mesh
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene

_ROOTS = ("chest", "neck", "head", "jaw")  # joints of the skin, each in the one before it
_MAP = {0: 512, 1: 1024, 2: 2048}  # texels of the maps by detail; the normal map has twice as many
_SCLERA = (0.86, 0.84, 0.83)  # what the eye's picture is multiplied by: lids shade it more than a renderer does
_SHRINK = 0.985  # of the eyeball: its rounded limbus stands out further than the lids of `landmarks` reckon with
_SIDES = (("left", 0, 1.0), ("right", 1, -1.0))


def build_bust(identity: str = "ada", *, detail: int = 1, hair_style: str = "") -> Scene:
    """A bust as a scene with one figure that idles alive, its eyes on a level at y = 0, looking along +z; metres.

    `identity` is one of `identities.identities()`, `detail` 0 to 2 (`head.build_head`), `hair_style` one of
    `hair.STYLES` ("": the person's own). Raises UsageError for another.
    """
    who = person(identity)
    style = hair_style or who.hair
    if style not in hair.STYLES:
        raise UsageError(f'there is no haircut "{style}"; there are {", ".join(hair.STYLES)}')
    head = build_head(who.head, detail=detail)
    scalp = Scalp.of(who.head, head.anatomy)
    build = _Build(who, head, detail)
    build.joints()
    build.skin(scalp, style)
    build.eyes()
    build.mouth()
    build.hairs(scalp, style)
    build.shirt()
    return build.scene()


@dataclass(frozen=True, slots=True, eq=False)
class _Joint:
    id: Id
    parent: Id
    at: F64


class _Build:
    """What has been made of a bust so far. Ids are the person's name and the part's."""

    def __init__(self, who: Person, head: Head, detail: int) -> None:
        self.who, self.head, self.detail = who, head, detail
        self.anatomy: Anatomy = head.anatomy
        self._joints: dict[str, _Joint] = {}
        self._entities: list[Entity] = []
        self._materials: dict[str, Material] = {}
        self._meshes: dict[str, Mesh] = {}
        self._images: dict[str, Any] = {}
        self._skins: dict[str, NDArray[np.float32]] = {}
        self._dense = {name: _dense(head, name) for name in head.morphs}

    def id(self, part: str) -> Id:
        """The id of a part."""
        return f"{self.who.name} {part}"

    def surface(self, part: str) -> Id:
        """The id of a part's material; entities and materials share their ids."""
        return f"{self.who.name} {part} surface"

    # --- what it hangs in ---
    def joints(self) -> None:
        """The joints, at rest turned as the figure."""
        a = self.anatomy
        places = {"chest": (np.zeros(3), ""), "neck": (a.neck_pivot, "chest"), "head": (a.head_pivot, "neck")}
        places |= {"jaw": (a.jaw_pivot, "head"), "left eye": (a.eyes[0], "head"), "right eye": (a.eyes[1], "head")}
        for name, (at, above) in places.items():
            parent = self._joints.get(above)
            joint = _Joint(self.id(name), self.who.name if parent is None else parent.id, np.asarray(at, np.float64))
            self._joints[name] = joint
            offset = joint.at - (np.zeros(3) if parent is None else parent.at)
            self._entities.append(Group(id=joint.id, name=name, parent=joint.parent, translation=_vec(offset)))

    def _hang(self, part: str, mesh: Mesh, material: str, joint: str, **fields: Any) -> None:
        """An object in a joint, of a mesh in the head's space."""
        self._meshes[mesh.key] = mesh
        held = self._joints[joint]
        self._entities.append(
            MeshObject(
                id=self.id(part),
                name=part,
                parent=held.id,
                mesh=mesh.key,
                materials=(self.surface(material),),
                translation=_vec(-held.at),
                **fields,
            )
        )

    def _material(self, part: str, values: Mapping[str, Any], textures: Mapping[str, Texture] | None = None) -> None:
        id_ = self.surface(part)
        self._materials[id_] = Material(id=id_, name=part, **values, textures=dict(textures or {}))

    def _texture(self, name: str, pixels: NDArray[np.uint8], space: str, **fields: Any) -> Texture:
        image = make_image(pixels, colour_space=space, name=f"{self.who.name} {name}", where=name)
        self._images[image.key] = image
        return Texture(image=image.key, **fields)

    # --- skin ---
    def skin(self, scalp: Scalp, style: str) -> None:
        """The skin with its shapes, bound to its joints, and its maps."""
        head = self.head
        weights = self._weights()
        order = np.broadcast_to(np.arange(4, dtype=np.uint16), weights.shape)
        mesh = make_mesh(
            head.positions,
            head.triangles,
            normals=head.normals,
            uv0=head.uv0,
            joints=order,
            weights=weights,
            morphs=self._shapes(weights),
            where="bust skin",
        )
        binds = np.tile(np.eye(4, dtype=np.float32), (4, 1, 1))
        for k, name in enumerate(_ROOTS):
            binds[k, :3, 3] = -self._joints[name].at
        self._meshes[mesh.key] = mesh
        self._skins[self.id("skin")] = binds
        self._bound("skin", mesh, (self.surface("skin"),))
        self._skin_material(scalp, style)

    def _shapes(self, weights: F64) -> list[Morph]:
        """The head's shapes; those that a hinge turns without what the turn does."""
        hinged: dict[str, tuple[F64, F64]] = {}
        for hinge in self._hinges():
            hinged[hinge.control] = _turn(hinge)
        out = []
        for name, offsets in self._dense.items():
            if name in hinged:
                turned, shift = hinged[name]
                carried = self.anatomy.jaw_pivot
                matrices = (1 - weights[:, 3])[:, None, None] * np.eye(3) + weights[:, 3][:, None, None] * turned
                rest = self.head.positions.astype(np.float64)
                moved = weights[:, 3][:, None] * (carried + shift - turned @ carried)
                offsets = np.linalg.solve(matrices, (rest + offsets - moved)[..., None])[..., 0] - rest
            moving = np.flatnonzero(np.abs(offsets).max(axis=1) > 2e-6)
            out.append(Morph(name, moving.astype(np.uint32), offsets[moving].astype(np.float32)))
        return out

    def _hinges(self) -> tuple[Hinge, ...]:
        a, jaw = self.anatomy, self._joints["jaw"].id
        side = np.asarray(a.jaw_side)
        return (
            Hinge(
                joint=jaw, control="jawOpen", axis=_vec(a.jaw_axis), angle_deg=a.jaw_angle_deg, shift=_vec(a.jaw_glide)
            ),
            Hinge(joint=jaw, control="jawForward", shift=_vec(a.jaw_forward)),
            Hinge(joint=jaw, control="jawLeft", shift=_vec(side)),
            Hinge(joint=jaw, control="jawRight", shift=_vec(side * [-1.0, 1.0, 1.0])),
        )

    def _skin_material(self, scalp: Scalp, style: str) -> None:
        head, look = self.head, self.who.look
        baked = bake(head.uv0, head.triangles, _MAP[self.detail])
        inside = scalp.inside(head.positions.astype(np.float64))
        hairy = np.clip((inside + 0.002) / 0.008, 0, 1) * (1 - head.masks["ears"]) * (inside > -0.01)
        masks = {**head.masks, "scalp": hairy.astype(np.float32)}
        canvas = Canvas.of(baked, head.positions, head.normals, masks, self.anatomy)
        age = self.who.head.age
        lines = age_lines(canvas, age=age, seed=look.seed) if age > 0.15 else None
        maps = skin_maps(canvas, look, age=age, lines=lines)
        colour = self._texture("colour", maps.color, "srgb")
        textures = {
            "base_color": colour,
            "subsurface_color": colour,
            "specular_roughness": self._texture("roughness", maps.roughness, "data", channel="r"),
            "geometry_normal": self._texture("normal", maps.normal, "data"),
        }
        for slot, (normal, tint) in wrinkle_maps(canvas, age=age, seed=look.seed).items():
            textures[f"wrinkle_{slot}_normal"] = self._texture(f"wrinkles {slot}", normal, "data")
            textures[f"wrinkle_{slot}_color"] = self._texture(f"wrinkle tint {slot}", tint, "srgb")
        values = {**body_presets.skin((1.0, 1.0, 1.0)), "specular_roughness": 1.0}
        self._material("skin", values, textures)

    # --- eyes ---
    def eyes(self) -> None:
        """The eyeballs in their joints, and what rides on the lids."""
        a, look = self.anatomy, self.who.look
        radius, limbus, cornea = (_SHRINK * r for r in (a.eye_radius, a.iris_radius, a.cornea_radius))
        ball = eyeball_mesh(radius_m=radius, limbus_m=limbus, cornea_m=cornea)
        picture = eye_image(1024, iris=look.iris, veins=look.veins, seed=look.seed)
        seen = self._texture("eye", picture, "srgb", wrap_u="clamp", wrap_v="clamp")
        tone = (look.iris_tone, look.iris_tone, look.iris_tone)
        values = body_presets.eye(eye_iris_radius=limbus, eye_iris_plane=0.79 * radius, eye_iris_color=tone)
        values |= {"base_color": _SCLERA, "subsurface_color": _SCLERA}
        self._material("eye", values, {"base_color": seen, "subsurface_color": seen})
        self._material("tears", body_presets.tear_line())
        self._material("caruncle", body_presets.wet((0.52, 0.24, 0.20), roughness=0.35, film=0.9, film_roughness=0.06))
        mesh = make_mesh(ball.positions, ball.triangles, normals=ball.normals, uv0=ball.uv, where="bust eye")
        self._meshes[mesh.key] = mesh
        wet, pink = [], []
        for name, k, side in _SIDES:
            joint = self._joints[f"{name} eye"]
            self._entities.append(
                MeshObject(
                    id=self.id(f"{name} eyeball"),
                    name=f"{name} eyeball",
                    parent=joint.id,
                    mesh=mesh.key,
                    materials=(self.surface("eye"),),
                )
            )
            made = eyes.tear_line(a.lower_margins[k], a.lower_lids[k], a.eyes[k], a.eye_radius, side=side)
            wet.append(_withdrawn(self._riding(*made), a.eyes[k], name.capitalize()))
            pink.append(self._riding(*eyes.caruncle(a.upper_margins[k], a.lower_margins[k], a.eyes[k], side=side)))
        self._hang("tears", join(wet).mesh("tears"), "tears", "head", visible_shadow=False)
        self._hang("caruncles", join(pink).mesh("caruncles"), "caruncle", "head")

    def _riding(self, piece: Piece, roots: F64) -> Piece:
        """A piece held by the skin, with the skin's shapes about it."""
        near = {name: offsets for name, offsets in self._dense.items() if not name.startswith("jaw")}
        return ride(piece, roots, self.head.positions.astype(np.float64), self.head.triangles.astype(np.int64), near)

    # --- mouth ---
    def mouth(self) -> None:
        """Teeth, gums and tongue: the upper ones in the head, the lower ones in the jaw."""
        arch = np.asarray(self.anatomy.tooth_arch, np.float64)
        half = arch[len(arch) // 2 :].copy()
        half[:, 0] -= half[0, 0]
        length = np.linalg.norm(np.diff(half, axis=0), axis=1).sum()
        scale = float(np.clip(length / (sum(c.width for c in teeth.UPPER) * 0.955e-3), 0.8, 1.08))
        wear = float(np.clip(0.25 + 0.6 * self.who.head.age, 0.05, 0.9))
        self._material("teeth", {**body_presets.teeth(), **_enamel(self.who.look)}, self._enamel())
        self._material("gums", body_presets.wet((0.46, 0.17, 0.15), roughness=0.3, film=0.8, film_roughness=0.08))
        self._material("tongue", body_presets.wet((0.46, 0.20, 0.18), roughness=0.45, film=0.6, film_roughness=0.16))
        lower = half * [0.955, 1.0, 1.0] + np.array([0.0, -0.0014, -0.0030])
        for part, curve, joint in (("upper", half - np.array([0.0, 0.0034, 0.0]), "head"), ("lower", lower, "jaw")):
            up = part == "upper"
            crowns = teeth.teeth(curve, upper=up, scale=scale, wear=wear, seed=self.who.look.seed)
            self._hang(f"{part} teeth", crowns.mesh("teeth"), "teeth", joint)
            self._hang(f"{part} gums", teeth.gums(curve, upper=up, scale=scale).mesh("gums"), "gums", joint)
        tip = lower[0] + np.array([0.0, -0.0045, -0.0095 * scale])
        self._hang("tongue", tongue(tip).mesh("tongue"), "tongue", "jaw")

    def _enamel(self) -> dict[str, Texture]:
        picture = self._texture("enamel", srgb(_enamel_picture()), "srgb", wrap_v="clamp")
        return {"base_color": picture, "subsurface_color": picture}

    # --- hair ---
    def hairs(self, scalp: Scalp, style: str) -> None:
        """Lashes, brows and the hair of the head."""
        a, look, identity = self.anatomy, self.who.look, self.who.head
        form = Form.of(identity)

        def onto(points: F64) -> tuple[F64, F64]:
            found = onto_skin(form, straightened(points, identity) * 100.0, steps=6)
            return bent(found * 0.01, identity), slope(form, found)

        fringe, hairy = [], []
        for _, k, side in _SIDES:
            for lid, upper in ((a.upper_lids[k], True), (a.lower_lids[k], False)):
                made = lashes.lashes(lid, a.eyes[k], upper=upper, side=side, length=look.lash_length, seed=look.seed)
                fringe.append(self._riding(*made))
            density, thickness = look.brow_density, look.brow_thickness
            made = brows.brows(a.brows[k], onto, side=side, density=density, thickness=thickness, seed=look.seed)
            hairy.append(self._riding(*made))
        dark = look.brow_color or look.hair_color
        self._material("lashes", {**_strand(tuple(0.12 * c + 0.002 for c in dark), 0.6), "specular_weight": 0.35})
        self._material("brows", _strand(tuple(0.8 * c for c in dark), 0.5))
        self._hang("lashes", join(fringe).mesh("lashes"), "lashes", "head")
        self._hang("brows", join(hairy).mesh("brows"), "brows", "head")
        worn = hair.hair(style, scalp, a, seed=look.seed, detail=(0.5, 1.0, 1.8)[self.detail])
        if worn is not None:
            self._material("hair", _strand(look.hair_color, 0.36))
            self._hang("hair", worn.mesh("hair"), "hair", "head")

    # --- clothes ---
    def shirt(self) -> None:
        """A plain shirt, bound to the skin's joints."""
        head = self.head
        made = shirt(
            head.positions.astype(np.float64),
            head.uv0.astype(np.float64),
            self._weights(),
            head.triangles.astype(np.int64),
            head.welded,
            lift=float(self.anatomy.neck_pivot[1]) + 0.175,
        )
        mesh = make_mesh(
            made.positions,
            made.triangles,
            parts=(0, made.body, len(made.triangles)),
            normals=made.normals,
            uv0=made.uv,
            joints=np.broadcast_to(np.arange(4, dtype=np.uint16), made.weights.shape),
            weights=made.weights / made.weights.sum(axis=1, keepdims=True),
            where="bust shirt",
        )
        tone = np.asarray(self.who.look.shirt)
        cloth = {"base_diffuse_roughness": 0.6, "specular_weight": 0.25, "specular_roughness": 0.8, "fuzz_weight": 0.35}
        self._material("shirt", {**cloth, "base_color": _vec(tone), "fuzz_color": _vec(0.4 * tone + 0.25)})
        self._material("collar", {**cloth, "base_color": _vec(0.8 * tone), "fuzz_color": _vec(0.4 * tone + 0.25)})
        self._meshes[mesh.key] = mesh
        self._bound("shirt", mesh, (self.surface("collar"), self.surface("shirt")))

    def _weights(self) -> F64:
        """(v, 4) how far chest, neck, head and jaw carry the skin's vertices."""
        weights = np.stack([self.head.joints[name] for name in _ROOTS[1:]], 1).astype(np.float64)
        weights = np.concatenate([np.clip(1 - weights.sum(axis=1, keepdims=True), 0, 1), weights], 1)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def _bound(self, part: str, mesh: Mesh, materials: tuple[Id, ...]) -> None:
        """An object that bends with the skin's joints."""
        self._entities.append(
            MeshObject(
                id=self.id(part),
                name=part,
                parent=self.who.name,
                mesh=mesh.key,
                materials=materials,
                skin=self.id("skin"),
                joints=tuple(self._joints[name].id for name in _ROOTS),
            )
        )

    # --- the whole ---
    def scene(self) -> Scene:
        """The scene with all of it."""
        joint = {name: made.id for name, made in self._joints.items()}
        shapes = tuple(dict.fromkeys((*ARKIT, *self._dense)))
        wrinkles = tuple(
            Wrinkle(material=self.surface("skin"), slot=slot, controls=tuple(gains), gains=tuple(gains.values()))
            for slot, gains in CONTROLS.items()
        )
        rig = FigureRig(
            hinges=self._hinges(),
            correctives=self.head.correctives,
            wrinkles=wrinkles,
            head=joint["head"],
            neck=joint["neck"],
            jaw=joint["jaw"],
            left_eye=joint["left eye"],
            right_eye=joint["right eye"],
        )
        driven = {c.shape for c in self.head.correctives}
        figure = Figure(
            id=self.who.name,
            name=self.who.name,
            controls=tuple(s for s in shapes if s not in driven or s in ARKIT),
            idle=1.0,
            idle_seed=self.who.look.seed,
            rig=rig,
        )
        out = Scene(name=self.who.name).add(
            *self._images.values(), *self._meshes.values(), *self._materials.values(), figure, *self._entities
        )
        return replace(out, skins=self._skins, frame_end=240.0)


def _withdrawn(tears: Piece, eye: F64, side: str) -> Piece:
    """Tears that give way when their eye is shut, or they would stand before the upper lid."""
    inward = unit(eye - tears.positions) * 0.0016
    blink = f"eyeBlink{side}"
    return replace(tears, morphs={**tears.morphs, blink: tears.morphs.get(blink, 0.0) + inward})


def _dense(head: Head, name: str) -> F64:
    indices, offsets = head.morphs[name]
    out = np.zeros(head.positions.shape)
    out[indices] = offsets
    return out


def _turn(hinge: Hinge) -> tuple[F64, F64]:
    """The rotation (3, 3) and the shift (3,) of a hinge at weight 1."""
    angle = np.radians(hinge.angle_deg)
    x, y, z = hinge.axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, np.array(hinge.shift)


def _strand(color: tuple[float, ...], roughness: float) -> dict[str, Any]:
    """Hair as a surface: dark, with a gloss that spreads across the strands."""
    return {
        "base_color": tuple(float(min(c, 1.0)) for c in color),
        "specular_ior": 1.55,
        "specular_roughness": roughness,
        "specular_roughness_anisotropy": 0.65,
        "specular_color": (1.0, 0.92, 0.84),
    }


def _enamel(look: Complexion) -> dict[str, Any]:
    tone = np.array((0.92, 0.88, 0.80)) + look.teeth * np.array((-0.06, -0.13, -0.24))
    return {"base_color": _vec(tone), "subsurface_color": _vec(tone)}


@lru_cache(maxsize=1)
def _enamel_picture() -> NDArray[np.float32]:
    """(64, 8, 3) a crown's colour from gum to tip: warm at the neck, pale in the body, grey and clear at the edge."""
    stops = np.array([0.0, 0.18, 0.55, 0.85, 1.0])
    tones = np.array(
        [[0.70, 0.52, 0.36], [0.82, 0.70, 0.54], [0.88, 0.80, 0.67], [0.82, 0.78, 0.70], [0.66, 0.66, 0.66]]
    )
    t = (np.arange(64) + 0.5) / 64
    column = np.stack([np.interp(t, stops, tones[:, k]) for k in range(3)], -1)
    return np.broadcast_to(column[:, None], (64, 8, 3)).astype(np.float32)


def _vec(v: Any) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in v)
    return (x, y, z)
