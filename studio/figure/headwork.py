"""A head without a skeleton gets one: eyeballs under joints of their own, a jaw that swings, a neck that bends.

Everything is measured and made in the figure's space. The eyeballs are cut out of the meshes into rigid objects that
look along their own +z. All other meshes that bend are skinned to the neck, the head and the jaw; the shape that opens
the jaw keeps what the hinge does not do. Meshes that do not bend at all (a hat) hang in the head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from studio.figure.anatomy import (
    Ball,
    Neck,
    Swing,
    balls,
    jaw_swing,
    neck_of,
    pair_of_eyes,
)
from studio.figure.correctives import (
    Lips,
    as_morph,
    before_joint,
    following,
    gap,
    lips_of,
    residual,
    sealing,
    turned_back,
    under_joint,
)
from studio.figure.from_names import part_of
from studio.figure.islands import F64, Bool, Cut, Index, cut, edges_of, islands, welded
from studio.scene.entities import Corrective, Entity, FigureRig, Group, Hinge, Id, MeshObject, Vec3
from studio.scene.geometry import Mesh, Morph, make_mesh
from studio.scene.scene import Scene
from studio.scene.transforms import inverse, multiply, sound

SEAL, HALF_SEAL = "lipSeal", "lipSealHalf"
_SHUT_M = 0.0005  # lips nearer than this are shut
_OPEN, _CLOSE = "jawOpen", "mouthClose"


@dataclass(slots=True, eq=False)
class Piece:
    """One mesh object of a head, in the figure's space."""

    id: Id
    mesh: Mesh
    to_figure: F64  # (3, 4)
    points: F64  # (v, 3)
    island: Index
    named_eye: Bool  # (v,) vertices of parts that are called eyes

    def offsets(self, name: str) -> F64:
        """(v, 3) what the morphs of a name move."""
        out = np.zeros_like(self.points)
        for morph in self.mesh.morphs:
            if morph.name == name:
                out[morph.indices.astype(np.intp)] += morph.positions @ self.to_figure[:, :3].T
        return out


class Parts:
    """What meshes of a scene are made of, by the names of their materials."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def eyes(self, entity: MeshObject, mesh: Mesh) -> Bool:
        """(v,) vertices of parts that are called eyes."""
        out = np.zeros(len(mesh.positions), np.bool_)
        for part, (a, b) in enumerate(zip(mesh.parts, mesh.parts[1:], strict=False)):
            worn = entity.materials[part] if part < len(entity.materials) else ""
            material = self.scene.materials.get(worn)
            name = (material.name or material.id) if material is not None else entity.name
            if part_of(name) in ("sclera", "eye"):
                out[mesh.triangles[a:b].astype(np.intp)] = True
        return out


class Headwork:
    """One head on its way to be a figure."""

    def __init__(self, scene: Scene, figure: Id, objects: list[Id], report: list[str]) -> None:
        self.scene, self.figure, self.report = scene, figure, report
        self._objects = objects
        self._joints: dict[str, Id] = {}
        self._places: dict[str, F64] = {}

    def scene_and_rig(self, parts: Parts) -> tuple[Scene, FigureRig]:
        """The scene with joints, eyes and skins, and the rig that moves them."""
        pieces = self._pieces(parts)
        eyes = self._eyes(pieces)
        middle, apart = self._between(pieces, eyes)
        if apart <= 0.0:
            self.report.append("It has no eyes and no blinks that tell where its face is, so its joints stay still.")
            return self.scene, FigureRig()
        swing = self._swing(pieces, middle)
        neck = self._neck(pieces, middle, apart, swing)
        self._make_joints(neck, swing)
        rig: dict[str, Any] = {"head": self._joints["head"], "neck": self._joints.get("neck", "")}
        for side, found in zip(("left_eye", "right_eye"), eyes, strict=True):
            if found:
                rig[side] = self._make_eye(side, pieces, found)
        correctives: list[Corrective] = []
        for piece in pieces:
            correctives += self._bind(piece, neck, swing, apart)
        if swing is not None:
            rig["jaw"] = self._joints["jaw"]
            rig["hinges"] = (
                Hinge(joint=rig["jaw"], control=_OPEN, axis=swing.axis, angle_deg=swing.angle_deg, shift=swing.shift),
            )
        return self.scene, FigureRig(correctives=tuple({c.shape: c for c in correctives}.values()), **rig)

    # --- measuring ---------------------------------------------------------------------------------------------------
    def _pieces(self, parts: Parts) -> list[Piece]:
        worlds = self.scene.world_matrices()
        out, lost = [], []
        for id_ in self._objects:
            entity = self.scene.entities[id_]
            assert isinstance(entity, MeshObject)
            both = np.stack([worlds[self.figure], worlds[id_]])
            mesh = self.scene.meshes[entity.mesh]
            if not sound(both).all() or not len(mesh.triangles):
                lost.append(entity.name or id_)
                continue
            to_figure = multiply(inverse(both[:1]), both[1:])[0]
            points = mesh.positions.astype(np.float64) @ to_figure[:, :3].T + to_figure[:, 3]
            out.append(Piece(id_, mesh, to_figure, points, islands(mesh), parts.eyes(entity, mesh)))
        if lost:
            self.report.append(f"Left as they are, for their transforms or meshes are broken: {', '.join(lost[:5])}.")
        return out

    def _eyes(self, pieces: list[Piece]) -> tuple[list[tuple[Piece, Ball]], list[tuple[Piece, Ball]]]:
        """The balls of the left and the right eye, the outermost first, with the pieces that they are in."""
        whole = [(piece, ball) for piece in pieces for ball in balls(piece.points, piece.island)]
        named = {i for i, (p, ball) in enumerate(whole) if p.named_eye[p.island == ball.island].all()}
        left, right = pair_of_eyes([replace(ball, island=i) for i, (_, ball) in enumerate(whole)], named)
        if not left:
            self.report.append("No two eyeballs were found in it, so its eyes turn by their shapes alone.")
        return [whole[b.island] for b in left], [whole[b.island] for b in right]

    def _between(self, pieces: list[Piece], eyes: Any) -> tuple[F64, float]:
        """The point between the eyes, and their distance: by the eyeballs, or by what blinks; 0 where there is none."""
        if eyes[0] and eyes[1]:
            left, right = (np.array(side[0][1].centre) for side in eyes)
            return (left + right) / 2.0, float(np.linalg.norm(left - right))
        lids = []
        for side in ("Left", "Right"):
            for piece in pieces:
                far = np.linalg.norm(piece.offsets(f"eyeBlink{side}"), axis=1)
                if far.max(initial=0.0) > 1e-3:
                    lids.append(piece.points[far > 0.5 * far.max()].mean(axis=0))
                    break
        if len(lids) < 2:
            return np.zeros(3), 0.0
        return (lids[0] + lids[1]) / 2.0, float(np.linalg.norm(lids[0] - lids[1]))

    def _swing(self, pieces: list[Piece], middle: F64) -> Swing | None:
        some = [p for p in pieces if any(m.name == _OPEN for m in p.mesh.morphs)]
        if not some:
            return None
        first = 0
        island = []
        for piece in some:
            island.append(piece.island + first)
            first += int(piece.island.max()) + 1
        points = np.concatenate([p.points for p in some])
        offsets = np.concatenate([p.offsets(_OPEN) for p in some])
        swing = jaw_swing(points, offsets, np.concatenate(island), float(middle[0]))
        if swing is None:
            self.report.append("The jaw does not turn about a hinge, so it opens by its shape alone.")
        return swing

    def _neck(self, pieces: list[Piece], middle: F64, apart: float, swing: Swing | None) -> Neck:
        points = np.concatenate([p.points for p in pieces])
        jaw = np.zeros(len(points), np.bool_)
        if swing is not None:
            far = np.concatenate([np.linalg.norm(p.offsets(_OPEN), axis=1) for p in pieces])
            jaw = far > 0.5 * far.max()
        hinge = None if swing is None else np.array(swing.pivot)
        return neck_of(points, jaw, np.append(middle, apart), hinge)

    # --- making ------------------------------------------------------------------------------------------------------
    def _make_joints(self, neck: Neck, swing: Swing | None) -> None:
        above = self.figure
        if neck.bends:
            above = self._joint("neck", "neck", np.array(neck.neck), above)
        above = self._joint("head", "head", np.array(neck.head), above)
        if swing is not None:
            self._joint("jaw", "jaw", np.array(swing.pivot), above)

    def _joint(self, joint: str, name: str, at: F64, above: Id) -> Id:
        """A new joint at a point of the figure's space, below another."""
        start = next((self._places[j] for j, id_ in self._joints.items() if id_ == above), np.zeros(3))
        id_ = self.scene.free_id(name)
        self.scene = self.scene.add(Group(id=id_, name=name, parent=above, translation=_vec(at - start)))
        self._joints[joint], self._places[joint] = id_, at
        return id_

    def _make_eye(self, side: str, pieces: list[Piece], found: list[tuple[Piece, Ball]]) -> Id:
        """A joint in the middle of an eye, and what is round there cut out into objects below it."""
        outer = found[0][1]
        centre = np.array(outer.centre)
        name = side.replace("_", " ")
        joint = self._joint(side, name, centre, self._joints["head"])
        for piece, ball in found:
            own = piece.island == ball.island
            mask = own[piece.mesh.triangles[:, 0].astype(np.intp)]
            to = piece.to_figure.copy()
            to[:, 3] -= centre
            eye = cut(piece.mesh, mask, to=to, where=name)
            base = self.scene.entities[piece.id]
            assert isinstance(base, MeshObject)
            label = f"{name} ball" if ball is outer else f"inner {name} ball"
            object_ = MeshObject(
                id=self.scene.free_id(label),
                name=label,
                parent=joint,
                mesh=eye.mesh.key,
                **_worn(base, eye),
                **{f: getattr(base, f) for f in ("visible", "visible_camera", "visible_shadow", "visible_reflection")},
            )
            self.scene = self.scene.add(eye.mesh, object_)
            self._without(piece, ~mask)
        self.report.append(f"The {name} turns about its middle; it is {200.0 * outer.radius:.2f} cm wide.")
        return joint

    def _without(self, piece: Piece, kept: Bool) -> None:
        """Take triangles out of a piece; what is left with none goes."""
        base = self.scene.entities[piece.id]
        assert isinstance(base, MeshObject)
        if not kept.any():
            left = {i: e for i, e in self.scene.entities.items() if e.parent == piece.id}
            if left:  # something hangs in it: it stays, as a group
                group = Group(**{n: getattr(base, n) for n in Entity.__struct_fields__})
                self.scene = self.scene.put({piece.id: group})
            else:
                self.scene = self.scene.remove([piece.id])
            piece.points = piece.points[:0]
            return
        rest = cut(piece.mesh, kept, where=base.name or piece.id)
        self.scene = self.scene.add(rest.mesh)
        self.scene = self.scene.put({piece.id: msgspec.structs.replace(base, mesh=rest.mesh.key, **_worn(base, rest))})
        piece.mesh = rest.mesh
        piece.points, piece.island = piece.points[rest.vertices], piece.island[rest.vertices]
        piece.named_eye = piece.named_eye[rest.vertices]

    def _bind(self, piece: Piece, neck: Neck, swing: Swing | None, apart: float) -> list[Corrective]:
        """Hang a piece on the joints: in the head where it does not bend, else by a skin."""
        if not len(piece.points):
            return []
        shares = neck.share(piece.points)
        if not piece.mesh.morphs and shares.min() > 0.999:
            self.scene = self.scene.reparent([piece.id], self._joints["head"])
            return []
        place = welded(piece.mesh.positions)
        edges = edges_of(piece.mesh, place)
        jaw = np.zeros(len(piece.points))
        morphs = list(piece.mesh.morphs)
        correctives: list[Corrective] = []
        opening = piece.offsets(_OPEN)
        if swing is not None and opening.any():
            jaw = self._of_head(shares) * following(piece.points, opening, swing, edges, place)
            back = inverse(piece.to_figure[None])[0][:, :3]
            kept = as_morph(_OPEN, residual(piece.points, opening, jaw, swing) @ back.T)
            first = next(i for i, m in enumerate(morphs) if m.name == _OPEN)
            morphs = [m for m in morphs if m.name != _OPEN]
            if kept is not None:
                morphs.insert(first, kept)
            sealed, correctives = self._seal(piece, _Lower(swing, jaw, opening, edges, place), apart)
            morphs += [m for name, offsets in sealed if (m := as_morph(name, offsets @ back.T)) is not None]
        self._skin(piece, shares, jaw, morphs)
        return correctives

    def _seal(self, piece: Piece, lower: _Lower, apart: float) -> tuple[list[tuple[str, F64]], list[Corrective]]:
        """Shapes that close what an open jaw and closed lips leave open, and when they do."""
        closing = piece.offsets(_CLOSE)
        if not closing.any():
            return [], []
        largest = np.bincount(piece.island).argmax()
        lips = lips_of(piece.points, lower.opening, lower.share, piece.island == largest, size=apart)
        if lips is None:
            return [], []
        points = piece.points
        rest = residual(points, lower.opening, lower.share, lower.swing)

        def shut(weight: float, more: F64) -> F64:
            """The points with the jaw open and the lips closed by a weight."""
            return under_joint(points + weight * (rest + closing) + more, lower.share, lower.swing, weight)

        def sealed(weight: float, beside: F64) -> F64:
            return beside + sealing(
                points,
                lips,
                lower.edges,
                lower.place,
                size=apart,
                moved=lambda more: shut(weight, beside + more),
                back=lambda more: turned_back(more, lower.share, lower.swing, weight),
            )

        # the joint turns what closes the lips, too: that is taken back first, so that both shapes add up as they did
        both = before_joint(points + lower.opening + closing, lower.share, lower.swing, 1.0)
        both -= points + rest + closing
        before = _widest(shut(1.0, both), lips)
        whole = sealed(1.0, both) if before > _SHUT_M else both
        after = _widest(shut(1.0, whole), lips)
        shapes = [(SEAL, whole)]
        correctives = [Corrective(shape=SEAL, drivers=(_OPEN, _CLOSE), how="least")]
        if _widest(shut(0.5, 0.5 * whole), lips) > _SHUT_M:
            shapes.append((HALF_SEAL, sealed(0.5, 0.5 * whole) - 0.5 * whole))
            correctives.append(Corrective(shape=HALF_SEAL, drivers=(SEAL,), peak=0.5))
        if before > _SHUT_M:
            self.report.append(
                f"Lips closed over an open jaw stood {1e3 * before:.1f} mm apart; "
                f"a shape of their own brings that to {1e3 * after:.1f} mm."
            )
        return shapes, correctives

    def _of_head(self, shares: F64) -> F64:
        """How far points follow the head, by how far they follow head and neck together."""
        return np.clip(2.0 * shares - 1.0, 0.0, 1.0) if "neck" in self._joints else shares

    def _skin(self, piece: Piece, shares: F64, jaw: F64, morphs: list[Morph]) -> None:
        """Give a piece its joints, weights and the inverse bind matrices."""
        base = self.scene.entities[piece.id]
        assert isinstance(base, MeshObject)
        used = [j for j in ("neck", "head", "jaw") if j in self._joints]
        joints = (self.figure, *(self._joints[j] for j in used))
        weights = np.zeros((len(piece.points), 4))
        head = self._of_head(shares)
        neck = np.minimum(2.0 * shares, 1.0) - head
        columns = {"neck": neck, "head": head - jaw, "jaw": jaw}
        for column, joint in enumerate(used, 1):
            weights[:, column] = np.clip(columns[joint], 0.0, 1.0)
        weights[:, 0] = np.clip(1.0 - weights.sum(axis=1), 0.0, 1.0)
        m = piece.mesh
        mesh = make_mesh(
            m.positions,
            m.triangles,
            parts=m.parts,
            normals=m.normals,
            tangents=m.tangents,
            uv0=m.uv0,
            uv1=m.uv1,
            colors=m.colors,
            joints=np.tile(np.arange(4, dtype=np.uint16) % len(joints), (len(weights), 1)),
            weights=weights.astype(np.float32),
            morphs=morphs,
            where=base.name or piece.id,
        )
        matrices = np.tile(np.eye(4), (len(joints), 1, 1))
        matrices[:, :3, :] = piece.to_figure
        for row, joint in enumerate(used, 1):
            matrices[row, :3, 3] -= self._places[joint]
        skin = _free_key(self.scene, f"{piece.id} skin")
        old = {m.name: w for m, w in zip(piece.mesh.morphs, base.morph_weights, strict=False)}
        worn = tuple(old.get(m.name, 0.0) for m in mesh.morphs) if any(base.morph_weights) else ()
        values: dict[str, Any] = {"mesh": mesh.key, "skin": skin, "joints": joints, "morph_weights": worn}
        scene = self.scene.add(mesh)
        scene = replace(scene, skins={**scene.skins, skin: matrices.astype(np.float32)})
        self.scene = scene.put({piece.id: msgspec.structs.replace(base, **values)})


@dataclass(frozen=True, slots=True, eq=False)
class _Lower:
    """What the jaw does to a piece."""

    swing: Swing
    share: F64
    opening: F64
    edges: Index
    place: Index


def _widest(points: F64, lips: Lips) -> float:
    return float(np.linalg.norm(gap(points, lips), axis=1).max())


def _worn(base: MeshObject, part: Cut) -> dict[str, Any]:
    """Materials and morph weights of an object for what was cut out of its mesh."""
    materials = tuple(base.materials[p] if p < len(base.materials) else "" for p in part.parts)
    weights = tuple(base.morph_weights[i] if i < len(base.morph_weights) else 0.0 for i in part.morphs)
    return {"materials": materials, "morph_weights": weights if any(weights) else ()}


def _free_key(scene: Scene, wish: str) -> str:
    out, n = wish, 1
    while out in scene.skins:
        n += 1
        out = f"{wish}.{n}"
    return out


def _vec(v: F64) -> Vec3:
    x, y, z = v.tolist()
    return x, y, z
