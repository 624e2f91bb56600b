"""From a scene's export settings and what is said of its farm jobs to a `Submission`, with what is to be said of it.

An export can do what no farm can: a time limit would leave every node with other samples, and a farm manager's tasks
see no whole frame, which a noise target decides by; texts and a slate are drawn on finished pictures. What can be left
out is, and is said; what cannot stops the submission. A movie is made on this machine, of frames that came home, so it
has all that it has in an export.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from studio.errors import BadAsset, StudioError, UsageError
from studio.farm.engines.engine import Capabilities, open_engine
from studio.farm.model import Needs
from studio.farm.money.prices import PriceList, read_prices
from studio.farm.movie import Movie, movie_of
from studio.farm.orders import works
from studio.farm.preflight import preflight
from studio.farm.request import capabilities_of, drafted, store_at
from studio.farm.seen import known
from studio.farm.submission import Submission
from studio.farm.wish import LOCAL, STORE, FarmSettings, FarmWish
from studio.render.export import ExportSettings, check_values, format_of, frames_of, look_of, render_settings
from studio.render.export_names import export_names, find_camera, job_pattern, output_files
from studio.render.naming import expand_name
from studio.render.queue_check import Finding, movie_findings
from studio.scene.scene import Scene

_ORDER = ("error", "warning", "info")
_OF_MOVIE = ("format", "width", "output")  # fields of a movie's findings that are asked for here


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, where its pictures go (a pattern with #### for several, or the file of a `movie`), and what is to be
    said of it. Nothing can be sent without a request."""

    request: Submission | None
    output: Path | None
    findings: tuple[Finding, ...]
    movie: Movie | None = None

    @property
    def error(self) -> str:
        """The sentence that stops it; "" when nothing does."""
        return next((found.sentence for found in self.findings if found.severity == "error"), "")


def can_of(where: str) -> Capabilities:
    """What those can do to whom jobs are sent. A coordinator at a store can do all of it, on any kind of machine."""
    if where == STORE:
        return Capabilities(coordinated=True, cancels=True, drains=True, pauses=True, logs=True, trust=3)
    return capabilities_of(where)


def has_cap(wish: FarmWish) -> bool:
    """Whether a cap means something there: somebody has to know the prices and to count."""
    return wish.where == STORE or (wish.where == LOCAL and bool(wish.prices))


def ask(
    scene: Scene,
    export: ExportSettings,
    farm: FarmSettings,
    wish: FarmWish,
    *,
    project: Path | None = None,
) -> Asked:
    """The request for a scene. Nothing of it raises: what is wrong is an error among the findings."""
    found: list[Finding] = []
    try:
        check_values(export)
        frames = frames_of(export, scene)
    except StudioError as fault:
        return Asked(None, None, (_said("error", str(fault), _field(str(fault))),))
    can = can_of(wish.where)
    found += _left_out(export, can)
    if export.camera and find_camera(export, scene, frames[0]) is None:
        found.append(_said("error", f"there is no camera {export.camera!r}; choose another", "camera"))
    output, movie = None, None
    try:
        names, pattern = export_names(export, scene, project), job_pattern(export, project)
        files = output_files(export, pattern, names, frames)  # one for each frame
        if format_of(export).movie:
            output, movie = files[0], movie_of(scene, export, files[0], project=project)
            found += _of_movie(scene, export, movie, project)
        else:
            output = expand_name(pattern, names, frame=None)
    except StudioError as fault:
        found.append(_said("error", str(fault), "output"))
    error = export.error if can.coordinated else 0.0
    request = Submission(
        settings=msgspec.structs.replace(render_settings(export), error=error, time_limit_s=0.0, light_layers=False),
        frames=tuple(float(frame) for frame in frames),
        camera=export.camera,
        name=farm.name.strip(),
        output=str(output or ""),
        look=look_of(export),
        tiles=(farm.columns, farm.rows) if can.coordinated else (1, 1),
        needs=Needs(trust=min(farm.trust, can.trust)),
        priority=farm.priority,
        cap_micros=farm.cap_micros if has_cap(wish) else 0,
    )
    return Asked(request, output, _sorted(found), movie)


def checked(scene: Scene, asked: Asked, *, project: Path | None = None, memory_bytes: int = 0) -> Asked:
    """With all that the preflight finds. Takes as long as flattening a frame."""
    if asked.request is None:
        return asked
    found = list(asked.findings)
    try:
        drafted(asked.request, scene_name=scene.name)
    except StudioError as fault:
        found.append(_said("error", str(fault), "tiles"))
    # missing files of the project are no matter where the scene in memory is sent; of a movie it is said already
    pictures = asked.output if asked.movie is None else None
    found += preflight(scene, asked.request, output=pictures, memory_bytes=memory_bytes)
    return replace(asked, findings=_sorted(found))


def engine_findings(request: Submission, wish: FarmWish) -> tuple[Finding, ...]:
    """What the engine has to say of a request; it may ask over the network."""
    if wish.where in (LOCAL, STORE):
        return ()
    address = address_of(wish)
    if not address:
        return (_said("error", f"say where {wish.where} is", "address"),)
    try:
        problems = open_engine(wish.where, address).check(drafted(request))
    except StudioError as fault:
        problems = [str(fault)]
    return tuple(
        _said("error", sentence, "trust" if "may be seen by" in sentence else "address") for sentence in problems
    )


def place_of(wish: FarmWish) -> str:
    """The store that a wish means. Raises UsageError where one has to be named."""
    named = wish.store.strip()
    if named:
        if len(named) > 1 and "://" not in named:
            return os.path.expanduser(str(Path(named)))
        return named
    if wish.where in (STORE, "ray"):
        raise UsageError("say where the store is: a folder, or a URL such as s3://bucket/farm, that all machines reach")
    return known.own_store()


def prices_of(wish: FarmWish) -> PriceList | None:
    """The price list of a wish; None when it names none. Raises BadAsset."""
    if not wish.prices.strip():
        return None
    path = Path(os.path.expanduser(wish.prices))
    if not path.is_file():
        raise BadAsset(f"there is no price list {wish.prices[:200]!r}; check the path")
    return read_prices(path)


def place_findings(wish: FarmWish) -> tuple[Finding, ...]:
    """What is to be said of the store and the price list; a store that is not there yet is not made."""
    found = []
    try:
        prices_of(wish)
    except StudioError as fault:
        found.append(_said("error", str(fault), "prices"))
    try:
        place = place_of(wish)
        folder = known.folder_of(place)
        if folder is not None and not folder.is_absolute():
            store_at(place)
        if wish.where == STORE:
            if folder is not None and not folder.is_dir():
                found.append(_said("error", f"there is no store at {place}; check the folder", "store"))
            elif not works(store_at(place)):
                sentence = "nobody works at this store now; the job waits there for a coordinator (studio farm serve)"
                found.append(_said("warning", sentence, "store"))
    except StudioError as fault:
        found.append(_said("error", str(fault), "store"))
    return tuple(found)


def address_of(wish: FarmWish) -> str:
    """An engine's address as it takes it: of Flamenco the manager's and the folder that its workers share."""
    if wish.where == "flamenco":
        return f"{wish.address} {wish.folder}" if wish.address and wish.folder else ""
    return wish.address


def _of_movie(scene: Scene, export: ExportSettings, movie: Movie, project: Path | None) -> Iterator[Finding]:
    for each in movie_findings(scene, export, movie.names, project):
        yield _said(each.severity, each.sentence, each.field if each.field in _OF_MOVIE else "export")
    try:
        folder, there = movie.path.is_dir(), movie.path.exists()
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        yield _said("error", f"cannot write {str(movie.path)[:80]!r}: {reason}; choose another name", "output")
        return
    if folder:
        yield _said("error", f"{movie.path} is a folder; name a file", "output")
    elif there:
        yield _said("info", f"{movie.path.name} is there already and will be replaced", "output")


def _left_out(export: ExportSettings, can: Capabilities) -> Iterator[Finding]:
    kind = format_of(export)
    dropped = (
        (
            export.error > 0 and not can.coordinated,
            "the noise target is left out, because no task of a farm manager sees a whole frame",
        ),
        (export.time_limit_s > 0, "the time limit is left out: every pixel gets all samples"),
        (export.light_layers and export.format == "exr", "layers of single lights are left out; they cannot be merged"),
        (kind.shown and not kind.movie and any(export.burn_ins), "texts on the pictures are left out"),
        (kind.shown and not kind.movie and export.slate, "the slate is left out"),
    )
    for given, sentence in dropped:
        if given:
            yield _said("warning", sentence, "export")


def _said(severity: str, text: str, field: str = "") -> Finding:
    first = text if "/" in text.partition(" ")[0] else text[:1].upper() + text[1:]  # a place keeps its letters
    sentence = first + ("" if text.endswith(".") else ".")
    return msgspec.convert({"severity": severity, "sentence": sentence, "field": field}, Finding)


def _field(text: str) -> str:
    known = ("frame", "format", "view", "AOV", "compression", "device", "display")
    return next(({"frame": "frames", "format": "format"}.get(name, "export") for name in known if name in text), "")


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    unique = {finding.sentence: finding for finding in findings}
    return tuple(sorted(unique.values(), key=lambda finding: _ORDER.index(finding.severity)))
