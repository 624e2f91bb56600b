"""Where things are on a head: what eyes, teeth, hair, lashes and joints are built upon.

Everything is in the head's space in metres, as the asymmetric head has it: y up, +z forward, the figure's left at +x.
Pairs are (left, right). Curves of one side run from the inner end to the outer; curves across the face run from the
figure's right to its left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import curves
from studio.figure.bust.asymmetry import bent
from studio.figure.bust.form import Form
from studio.figure.bust.masses import skin
from studio.figure.bust.shape import Identity

F64 = NDArray[np.float64]
_MARCH = 60
_TIGHT = 1e-4  # centimetres
_MARGIN = 0.16  # thickness of a lid at its edge, centimetres


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Places of a head, metres; see the module for the space and the order."""

    eyes: F64  # (2, 3) centres of rotation
    eye_radius: float
    cornea_radius: float
    cornea_offset: float  # of the cornea's centre before the eye's
    iris_radius: float
    upper_lids: F64  # (2, n, 3) outer edge of the margin, open
    lower_lids: F64  # (2, n, 3)
    upper_margins: F64  # (2, n, 3) inner edge of the margin, on the globe: where the wet line lies
    lower_margins: F64  # (2, n, 3)
    creases: F64  # (2, n, 3)
    brows: F64  # (2, n, 3) middle line on the skin
    mouth_line: F64  # (n, 3) where the lips meet
    upper_red: F64  # (n, 3) edge of the upper lip's red
    lower_red: F64  # (n, 3)
    tooth_arch: F64  # (n, 3) front faces of the upper teeth at their biting edge, from molar to molar
    bite_height: float  # y of the biting plane
    hairline: F64  # (n, 3) around the scalp: from the middle of the forehead over the left, closed
    skull_centre: F64  # (3,)
    skull_radii: F64  # (3,)
    ears: F64  # (2, 3)
    nose_tip: F64  # (3,)
    nostrils: F64  # (2, 3)
    chin: F64  # (3,)
    jaw_pivot: F64  # (3,) middle of the axis through both joints of the jaw
    jaw_axis: F64  # (3,) unit; a positive turn opens
    jaw_angle_deg: float  # at jawOpen 1
    jaw_glide: F64  # (3,) shift of the joint at jawOpen 1
    jaw_forward: F64  # (3,) shift at jawForward 1
    jaw_side: F64  # (3,) shift at jawLeft 1
    head_pivot: F64  # (3,) where the head nods on the neck
    neck_pivot: F64  # (3,) where the neck bends on the chest


JAW_ANGLE_DEG = 22.0
JAW_GLIDE = (0.0, -0.0015, 0.005)
JAW_FORWARD = (0.0, -0.0005, 0.007)
JAW_SIDE = (0.008, 0.0, 0.0)


def anatomy(identity: Identity) -> Anatomy:
    """The places of an identity's head."""
    form = Form.of(identity)
    globe = form.globe
    t = np.linspace(-1.0, 1.0, 33)

    def metres(points: F64) -> F64:
        return bent(np.atleast_2d(points) * 0.01, identity)

    def pair(points: F64) -> F64:
        return np.stack([metres(points), metres(points * np.array([-1.0, 1.0, 1.0]))])

    base_y, base_z = form.nose_base
    nostril = (0.40 * form.wing, base_y - 0.05, 0.5 * (base_z + form.nose_tip[1]) - 0.30)
    lips = curves.lip_edges(form, t)
    bite = form.mouth[0] + 0.18
    return Anatomy(
        eyes=pair(np.array(form.eye))[:, 0],
        eye_radius=globe * 0.01,
        cornea_radius=globe * 0.01 * curves.CORNEA_RADIUS,
        cornea_offset=globe * 0.01 * curves.CORNEA_OFFSET,
        iris_radius=globe * 0.0048,
        upper_lids=pair(lid_edge(form, t, upper=True, thickness=_MARGIN)),
        lower_lids=pair(lid_edge(form, t, upper=False, thickness=_MARGIN)),
        upper_margins=pair(lid_edge(form, t, upper=True, thickness=0.02)),
        lower_margins=pair(lid_edge(form, t, upper=False, thickness=0.02)),
        creases=pair(_on_lid(form, *curves.lid_crease(form, t))),
        brows=pair(on_front(form, *curves.brow_line(form, np.linspace(0.0, 1.0, 17)))),
        mouth_line=metres(np.stack([lips[0], lips[2], curves.lip_arc(form, lips[0]) - 0.35], 1)),
        upper_red=metres(on_front(form, lips[0], lips[1])),
        lower_red=metres(on_front(form, lips[0], lips[3])),
        tooth_arch=metres(tooth_arch(form, bite)),
        bite_height=bite * 0.01,
        hairline=metres(hairline(form)),
        skull_centre=metres(np.array(form.skull))[0],
        skull_radii=np.array(form.skull_radii) * 0.01,
        ears=pair(np.array(form.ear))[:, 0],
        nose_tip=metres(np.array([0.0, *form.nose_tip]))[0],
        nostrils=pair(np.array(nostril))[:, 0],
        chin=metres(np.array([0.0, form.chin[0] + 1.1, form.chin[1]]))[0],
        jaw_pivot=metres(np.array(form.jaw_pivot))[0],
        jaw_axis=np.array([1.0, 0.0, 0.0]),
        jaw_angle_deg=JAW_ANGLE_DEG,
        jaw_glide=np.array(JAW_GLIDE),
        jaw_forward=np.array(JAW_FORWARD),
        jaw_side=np.array(JAW_SIDE),
        head_pivot=np.array([0.0, -0.040, -0.088]),
        neck_pivot=np.array([0.0, -0.175 - 0.012 * identity.neck_length, -0.108]),
    )


def lid_edge(form: Form, t: F64, *, upper: bool, thickness: float) -> F64:
    """The open lid's edge in the head's space, (n, 3) centimetres, at a height above the globe."""
    x, y = curves.lid_margin(form, t, upper=upper)
    z = curves.lid_front(form, x, y, thickness)
    return np.asarray(np.stack([x, y, z], 1) + np.array(form.eye))


def _on_lid(form: Form, x: F64, y: F64) -> F64:
    return on_front(form, x + form.eye[0], y + form.eye[1])


def on_front(form: Form, x: F64, y: F64) -> F64:
    """The skin's first points (n, 3) seen from the front at x and y, centimetres."""
    points = np.stack([x, y, np.full(len(x), 6.5)], 1)
    for _ in range(_MARCH):
        step = skin(points, form)
        points[:, 2] -= 0.9 * step
        if float(np.abs(step).max()) < _TIGHT or float(points[:, 2].min()) < -40.0:
            break
    return points


def onto_skin(form: Form, points: F64, *, steps: int = 12) -> F64:
    """Points (n, 3), centimetres, moved along the distance's gradient onto the skin."""
    found = points.copy()
    for _ in range(steps):
        found -= 0.9 * skin(found, form)[:, None] * slope(form, found)
    return found


def slope(form: Form, points: F64, *, step: float = 0.02) -> F64:
    """The outward unit normals (n, 3) of the distance at points, by four evaluations on a tetrahedron."""
    corners = np.array([[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, 1.0]])
    total = np.zeros_like(points)
    for corner in corners:
        total += corner * skin(points + corner * step, form)[:, None]
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1), 1e-12)[:, None])


def tooth_arch(form: Form, y: float) -> F64:
    """The upper teeth's front faces at height y: a parabola-like arch behind the lips, 49 points."""
    s = np.linspace(-1.0, 1.0, 49)
    half, depth = 2.95, 4.4
    x = half * np.sin(s * np.pi / 2) ** 1 * (0.62 + 0.38 * np.abs(s))
    front = form.mouth[1] - 1.05
    z = front - depth * np.abs(s) ** 2.1
    return np.stack([x, np.full_like(s, y), z], 1)


def hairline(form: Form) -> F64:
    """The edge of the hair on the skin: forehead, temple, sideburn, around the ear and the nape, and back; closed."""
    _, ear_y, ear_z = form.ear
    top = form.hairline
    left = np.array(
        [
            (0.0, top, 0.5),
            (1.8, top + 0.05, 0.2),
            (3.6, top - 0.15, -0.7),
            (4.9, top - 0.7, -1.9),
            (5.5, top - 2.0, -2.7),
            (5.9, top - 3.4, -3.2),
            (6.5, top - 4.7, -4.6),
            (6.7, 0.8, -5.6),
            (6.8, -1.2, -6.0),
            (6.9, ear_y + 0.3, ear_z + 2.0),
            (7.1, ear_y + 2.6, ear_z + 1.2),
            (7.2, ear_y + 3.0, ear_z - 0.8),
            (7.0, ear_y + 1.6, ear_z - 2.2),
            (6.6, ear_y - 0.8, ear_z - 2.6),
            (6.0, ear_y - 3.4, ear_z - 2.6),
            (4.8, ear_y - 5.0, ear_z - 3.8),
            (2.6, ear_y - 5.6, ear_z - 5.4),
            (0.0, ear_y - 5.7, ear_z - 6.2),
        ]
    )
    right = left[1:-1][::-1] * np.array([-1.0, 1.0, 1.0])
    return onto_skin(form, np.concatenate([left, right]))
