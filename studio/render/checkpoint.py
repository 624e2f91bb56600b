"""What a render leaves behind when it is cut short, or is a part of a larger one: a `.part` beside the picture.

A checkpoint and a partial are the same file (`studio.render.partial`). Its header is made here, so that all renders
say the same of themselves and `--resume` and `studio merge` can refuse what does not belong together.

A disk that has no room for the picture may have none for the checkpoint either, and hours of samples must not be lost
for that: a part that its folder does not take is kept in the user's cache, or else among the temporary files, under a
name made of its full path, so that `--resume` finds it again.
"""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path

import msgspec

import studio
from studio.errors import CannotWrite, UsageError
from studio.render.device import DeviceInfo, cache_root
from studio.render.film import Crop, Film, Layout
from studio.render.layer_writer import drop_layer_leftovers, drop_layer_parts
from studio.render.light_layers import journal_path
from studio.render.partial import (
    IDENTITY,
    Header,
    Range,
    packed_partial,
    read_partial,
    settings_digest,
    write_partial,
)
from studio.render.session import film_aovs
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene

PART = ".part"


def part_path(output: Path) -> Path:
    """The partial or checkpoint that belongs to a picture."""
    return output if output.suffix == PART else output.with_suffix(PART)


def part_places(output: Path) -> tuple[Path, ...]:
    """Where the part of a picture is written, in this order: beside it, in the user's cache, among temporary files."""
    part = part_path(output)
    try:
        whole = str(part.resolve())
    except OSError:  # a link that leads nowhere; the name as given is as good
        whole = str(part.absolute())
    name = (
        f"{part.stem[:60]}.{hashlib.blake2b(whole.encode(errors='surrogateescape'), digest_size=8).hexdigest()}{PART}"
    )
    return part, cache_root() / "kept" / name, Path(tempfile.gettempdir()) / f"myriad-{name}"


def find_part(output: Path) -> Path | None:
    """The newest part of a picture, wherever it was kept, or None."""
    found: list[tuple[int, Path]] = []
    for place in part_places(output):
        try:
            if place.is_file():
                found.append((place.stat().st_mtime_ns, place))
        except OSError:
            continue  # a folder that cannot be read holds nothing for us
    return max(found, key=lambda one: one[0])[1] if found else None


def drop_parts(output: Path) -> None:
    """Remove the parts of a picture that is finished. Raises `CannotWrite` for one that cannot be removed."""
    drop_layer_parts(journal_path(output))
    drop_layer_leftovers(output)
    while (part := find_part(output)) is not None:
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CannotWrite(f"cannot remove the checkpoint {part}: {reason}; remove it by hand") from error


@cache
def build_id() -> str:
    """Version and digest of the tracer's sources: between two of them no two renders are mixed."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted((Path(__file__).parent / "tracer").glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"{studio.__version__}+{digest.hexdigest()}"


def header_of(
    flat: FlatScene,
    settings: RenderSettings,
    device: DeviceInfo,
    *,
    following: FlatScene | None = None,
    region: Crop | None = None,
    total: Range | None = None,
    blocks: str = "",
) -> Header:
    """The header of a finished part of a render; `region` and `total` are what the whole of it is to cover, `blocks`
    names those that were chosen for it, where it does not decide by itself."""
    scene = flat.digest()
    if following is not None:  # motion vectors point into the next frame
        scene = hashlib.blake2b(f"{scene}{following.digest()}".encode(), digest_size=16).hexdigest()
    # switches and the AOVs that they stand for are the same request
    plain = msgspec.structs.replace(
        settings, aovs=tuple(sorted(set(film_aovs(settings)))), light_groups=False, cryptomatte=False
    )
    first = settings.first_sample
    return Header(
        scene=scene,
        build=build_id(),
        backend=device.backend,
        device=device.device_class,
        frame=flat.frame,
        settings=settings_digest(plain),
        ranges=((first, first + settings.samples),),
        region=region,
        total=total,
        adaptive=settings.error > 0,
        blocks=blocks,
    )


def save_part(path: Path, film: Film, header: Header) -> bool:
    """Write what a film has; False for a film without samples, which is not worth a file."""
    own = _own_header(film, header)
    if own is None:
        return False
    write_partial(path, film, own)
    return True


def part_bytes(film: Film, header: Header) -> bytes:
    """What `save_part` would write of a film that has samples."""
    own = _own_header(film, header)
    if own is None:
        raise ValueError("a film without samples is no part")
    return packed_partial(film, own)


def _own_header(film: Film, header: Header) -> Header | None:
    """The header of what a film has of a render; None when that is nothing."""
    samples, first = int(film.counts.max(initial=0)), header.ranges[0][0]
    if samples == 0:
        return None
    whole = header.total or header.ranges[0]  # a part cut short still says what it was to become
    # a frame with light layers has its first strips and nothing of the others
    even = header.adaptive or int(film.counts.min()) == samples
    return msgspec.structs.replace(
        header, ranges=((first, first + samples),), total=whole, complete=header.complete and even
    )


def keep_part(output: Path, film: Film, header: Header) -> Path | None:
    """Write what a film of `output` has to the first place that takes it; None for a film without samples.

    Raises `CannotWrite` when none does.
    """
    refused: list[str] = []
    for place in part_places(output):
        try:
            if not save_part(place, film, header):
                return None
        except CannotWrite as fault:
            refused.append(str(fault))
        else:
            if place == part_path(output):
                _forget(part_places(output)[1:])
            return place
    raise CannotWrite(f"{refused[0]}; nor could it be kept anywhere else ({'; '.join(refused[1:])})")


def _forget(places: tuple[Path, ...]) -> None:
    for place in places:
        try:
            place.unlink(missing_ok=True)
        except OSError:
            continue  # the newer part is found before it


def load_part(path: Path, header: Header, layout: Layout) -> Film | None:
    """The film of a checkpoint of this very render, or None when there is none.

    Raises `UsageError` naming the first thing in which it differs, and `BadAsset` for a damaged file.
    """
    if not path.exists():
        return None
    film, found = read_partial(path)
    for field, what in IDENTITY.items():
        if getattr(found, field) != getattr(header, field):
            raise UsageError(f"{path} is of another {what}; remove it, or render without --resume")
    if film.layout != layout:
        raise UsageError(f"{path} is of another size or crop; remove it, or render without --resume")
    if found.ranges[0][0] != header.ranges[0][0] or found.ranges[-1][1] > header.ranges[0][1]:
        (a, b), (c, d) = found.ranges[0], header.ranges[0]
        raise UsageError(
            f"{path} holds samples {a}:{b}, not the start of {c}:{d}; remove it, or render without --resume"
        )
    return film
