"""Assets of the library dropped on a viewport: what would happen is told while they hover and done on letting go."""

from __future__ import annotations

from PySide6.QtCore import QMimeData

from studio.assets.library_index import Asset
from studio.commands.light_files import MASKED, PROFILED
from studio.commands.studio import Studio
from studio.scene.entities import MeshObject, Vec3
from studio.scene.lights import Light
from studio.ui.i18n import tr
from studio.ui.library_model import MIME, ids_of
from studio.ui.viewport_drops import Ghost, Spot, Taker, register

_PICTURED = ("dome", "rectangle", "disk")


def _assets(studio: Studio, mime: QMimeData) -> list[Asset]:
    found = (studio.library.index.get(id_) for id_ in ids_of(mime))
    return [asset for asset in found if asset is not None and not asset.missing]


def _hover(studio: Studio, mime: QMimeData, spot: Spot) -> Ghost | None:
    assets = _assets(studio, mime)
    if not assets:
        return None
    asset = assets[0]
    entity = studio.scene.entities.get(spot.id)
    under = (entity.name or spot.id) if entity is not None else ""
    if asset.kind in ("model", "project"):
        return Ghost(asset.name, _box(asset))
    if asset.kind == "rig":
        return Ghost(asset.name)
    if asset.kind == "hdri":
        return Ghost(tr("Environment: {name}", name=asset.name), place=False)
    if asset.kind == "material" and isinstance(entity, MeshObject):
        return Ghost(tr("{name} on {object}", name=asset.name, object=under), place=False)
    if asset.kind == "image" and isinstance(entity, (MeshObject, Light)):
        if isinstance(entity, Light) and entity.light not in (*_PICTURED, *MASKED):
            return None
        return Ghost(tr("{name} on {object}", name=asset.name, object=under), place=False)
    if asset.kind == "ies" and isinstance(entity, Light) and entity.light in PROFILED:
        return Ghost(tr("{name} on {object}", name=asset.name, object=under), place=False)
    return None


def _box(asset: Asset) -> tuple[Vec3, Vec3] | None:
    """The box of a model about the middle of its foot, once its thumbnail was made."""
    bounds = asset.facts.get("bounds")
    if not (isinstance(bounds, list) and len(bounds) == 2):
        return None
    (x0, y0, z0), (x1, y1, z1) = bounds
    half_x, half_z = (x1 - x0) / 2, (z1 - z0) / 2
    return (-half_x, 0.0, -half_z), (half_x, y1 - y0, half_z)


def _drop(studio: Studio, mime: QMimeData, spot: Spot) -> None:
    x, y, z = spot.position.tolist()
    up = tuple(spot.normal.tolist())
    for asset in _assets(studio, mime):
        place = {"at": (x, y, z)} if asset.kind in ("model", "rig", "project") else {"onto": spot.id, "part": spot.part}
        box = _box(asset)
        if asset.kind in ("model", "project"):
            place["up"] = up
        studio.attempt("library.add", asset=asset.id, **({} if asset.kind == "hdri" else place))
        x += (box[1][0] - box[0][0]) * 1.1 if box is not None else 1.0  # several stand side by side


register(MIME, Taker(hover=_hover, drop=_drop))
