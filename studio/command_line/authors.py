"""Who signs pictures, as the flags and the preferences say, and what is found with a picture that was signed.

Content credentials are off unless somebody wants them: a picture without them has the same bytes wherever it was made.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from studio.command_line.console import Console
from studio.errors import BadAsset, UsageError
from studio.render.output import EXTENSIONS

if TYPE_CHECKING:
    from studio.farm.trust.credits import Author
    from studio.farm.trust.provenance import Source
    from studio.render.sequence import FrameDone

PICTURES = (*EXTENSIONS, ".mp4", ".mov")


def author_of(args: argparse.Namespace) -> Author | None:
    """Who signs, or None where no credentials are wanted: by the flags, else by the preferences.

    Raises UsageError for flags that want nothing, and what `read_author` raises.
    """
    more = [flag for flag in ("rights", "certificate", "certificate_key") if getattr(args, flag) is not None]
    wanted = args.credentials
    rights = args.rights
    if wanted is None or (wanted and rights is None):
        from studio.commands.preferences import load_preferences

        preferences = load_preferences()
        wanted = preferences.content_credentials if wanted is None else wanted
        rights = preferences.rights_holder if rights is None else rights
    if not wanted:
        if more:
            raise UsageError(f"--{more[0].replace('_', '-')} goes with --credentials; add it, or leave it out")
        return None
    from studio.farm.trust.credits import read_author

    certificate = Path(args.certificate) if args.certificate is not None else None
    key = Path(args.certificate_key) if args.certificate_key is not None else None
    return read_author(certificate, key, rights=rights or "")


# --- studio render ---------------------------------------------------------------------------------------------------
def signs_frames(author: Author, source: Path, *, denoised: bool) -> Callable[[FrameDone], None]:
    """What gives the pictures of `studio render` their credentials, frame by frame."""
    sources = files_of(source)

    def sign(done: FrameDone) -> None:
        if done.path is None or done.skipped or done.stopped or done.result is None:
            return
        samples = int(done.result.film.counts.max(initial=0))
        sign_own(author, done.path, sources, samples=samples, device=done.result.device.device_class, denoised=denoised)

    return sign


def signs_movie(author: Author, movie: Path, source: Path, samples: int, device: str, *, denoised: bool) -> None:
    """Give a movie that was rendered here its credentials."""
    sign_own(author, movie, files_of(source), samples=samples, device=device, denoised=denoised)


def sign_own(
    author: Author, path: Path, sources: tuple[Source, ...], *, samples: int, device: str, denoised: bool
) -> None:
    """Give a picture or movie that was rendered here its credentials."""
    from studio.farm.trust.credits import DENOISER
    from studio.farm.trust.provenance import Credit, Share, sign_picture
    from studio.render.checkpoint import build_id

    credit = Credit(
        title=path.name,
        artist=author.artist,
        rights_holder=author.rights,
        renderer=build_id(),
        samples=samples,
        sources=sources,
        nodes=(Share(node="the artist's machine", samples=samples, device=device),),
        denoised=DENOISER if denoised else "",
    )
    sign_picture(path, credit, author.signature)


def files_of(source: Path) -> tuple[Source, ...]:
    """A scene's files as sources: the file, or a project's scene file; its assets are named by their hashes in it."""
    from studio.farm.trust.provenance import Source, file_hash
    from studio.scene.project import SCENE, is_project

    file = source / SCENE if is_project(source) and source.is_dir() else source
    try:
        return (Source(name=file.name, hash=f"sha256:{file_hash(file)}"),)
    except OSError as fault:
        raise BadAsset(f"{file} cannot be read: {(fault.strerror or str(fault)).lower()}") from None


# --- what a picture says ---------------------------------------------------------------------------------------------
def show(path: Path, console: Console, *, anchors: Path | None = None) -> int:
    """Tell the credentials of a picture; the exit code is that of a bad asset where they do not hold."""
    from studio.farm.trust.credits import authority_file
    from studio.farm.trust.provenance import read_credentials

    if not path.is_file():
        raise BadAsset(f"there is no picture {str(path)[:200]!r}; check the path")
    authority = anchors or authority_file()
    try:
        trusted = authority.read_text() if authority.is_file() or anchors is not None else ""
    except (OSError, UnicodeDecodeError):
        raise BadAsset(f"the certificates {authority} cannot be read; name a .pem file") from None
    found = read_credentials(path, anchors=trusted)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if found is None:
        console.result(f"{path.name}: no content credentials")
        console.event("credentials", path=path, sha256=digest, there=False)
        return 0
    console.event("credentials", path=path, sha256=digest, there=True, **msgspec.to_builtins(found))
    holds = "as it was signed" if found.whole else f"NOT as it was signed ({', '.join(found.faults)})"
    console.result(f"{path.name}: {holds}")
    trust = "a certificate that is trusted here" if found.trusted else "a certificate that nobody here vouches for"
    console.result(f"signed by          {found.signer or 'nobody knows whom'}, with {trust}")
    credit = found.credit
    if credit is not None:
        for name, value in (
            ("title", credit.title),
            ("artist", credit.artist),
            ("rights", credit.rights_holder),
            ("job", credit.job),
            ("bundle", credit.bundle),
            ("renderer", credit.renderer),
            ("samples", f"{credit.samples}"),
            ("denoised by", credit.denoised),
        ):
            if value:
                console.result(f"{name:<18} {value}")
        for share in credit.nodes:
            console.result(f"{'rendered by':<18} {share.node}: {share.samples} samples, {share.device}")
        for source in credit.sources:
            console.result(f"{'made of':<18} {source.name}  {source.hash}")
    return 0 if found.whole else BadAsset.code
