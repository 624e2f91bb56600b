"""What the credentials of a farm's picture say and who signs them: made at home, after the merge, by the artist's key.

The parts of what is said are taken where they are known: the files of the scene from the bundle's manifest, the samples
from the claims, the machines that rendered them from the log of the job. It is the artist's word, as far as the store
tells; `studio.farm.trust.provenance` binds it to the picture.

A certificate lies in the user's folder (`studio farm certificate`), or is a bought one. Its key has mode 0600 and is
asked of nobody else.
"""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.bundles.cas import digest_of
from studio.farm.bundles.manifest import read_manifest
from studio.farm.jobs import RenderJob
from studio.farm.model import Piece, Result
from studio.farm.session import farm_folder, log_of
from studio.farm.store import Store
from studio.farm.trust.provenance import Credit, Share, Signature, Source, own_certificate, ready, signature_of
from studio.scene.scene_file import read_contents

MOST_SOURCES = 256  # that are named one by one; the hash of the bundle stands for all
SOMEBODY = "a machine of the farm"  # where no log says which
DENOISER = "Open Image Denoise"
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Author:
    """Who signs pictures, and for whom."""

    artist: str
    rights: str
    signature: Signature
    until: datetime.datetime

    @property
    def mark(self) -> str:
        """What tells pictures apart that were signed by or for others."""
        return digest_of("\0".join((self.artist, self.rights, self.signature.chain)).encode())[:16]


# --- certificates ----------------------------------------------------------------------------------------------------
def certificate_file() -> Path:
    """The artist's own certificate, with that of its authority."""
    return farm_folder() / "certificate.pem"


def certificate_key_file() -> Path:
    """The key of the artist's own certificate."""
    return farm_folder() / "certificate.key"


def authority_file() -> Path:
    """What to give to those who are to trust the artist's own certificate."""
    return farm_folder() / "certificate-authority.pem"


def make_certificate(name: str, *, days: int = 365) -> Path:
    """A certificate of the artist's own; its file. One that is there is put aside under its last day."""
    if not name.strip() or len(name) > 64 or not name.isprintable():
        raise UsageError("say whose certificate it is, by --name; a name has 1 to 64 letters")
    key, chain, authority = own_certificate(name.strip(), now=datetime.datetime.now(datetime.UTC), days=days)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        farm_folder().mkdir(parents=True, exist_ok=True)
        _put_aside()
        for path, data, mode in (
            (certificate_key_file(), secret, 0o600),
            (authority_file(), authority.encode(), 0o644),
            (certificate_file(), chain.encode(), 0o644),
        ):
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.unlink(missing_ok=True)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
            temporary.replace(path)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the certificate cannot be kept in {farm_folder()}: {reason}") from fault
    return certificate_file()


def _put_aside() -> None:
    """Pictures that were signed by an old certificate are checked by it for as long as anybody has it."""
    if certificate_file().is_file():
        number = 1
        while (kept := certificate_file().with_name(f"certificate-{number}.pem")).exists():
            number += 1
        certificate_file().replace(kept)
        if authority_file().is_file():
            authority_file().replace(kept.with_name(f"certificate-authority-{number}.pem"))


def read_author(certificate: Path | None = None, key: Path | None = None, *, rights: str = "") -> Author:
    """Who signs: by the certificate that is named, or the artist's own.

    Raises UsageError where there is none, where others may read its key, or when it has expired; BadAsset for files
    that are none or do not belong together; Unsupported without the library.
    """
    if (certificate is None) != (key is None):
        raise UsageError("a certificate and its key go together: name both, or neither")
    ready()
    pem, secret = certificate or certificate_file(), key or certificate_key_file()
    if certificate is None and not pem.is_file():
        raise UsageError("there is no certificate to sign pictures with; make one by studio farm certificate --name")
    chain = _certificates(pem)
    own = chain[0]
    private = _private(secret)
    if private.public_key() != own.public_key():
        raise BadAsset(f"the key {secret} is not that of the certificate {pem}")
    if own.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise UsageError(f"the certificate {pem} ended on {own.not_valid_after_utc:%Y-%m-%d}; make or buy a new one")
    name = name_in(own)
    text = "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain)
    signature = signature_of(private, text)
    return Author(artist=name, rights=rights.strip() or name, signature=signature, until=own.not_valid_after_utc)


def name_in(certificate: x509.Certificate) -> str:
    """Whose certificate it is."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = certificate.subject.get_attributes_for_oid(kind)
        if found:
            return str(found[0].value)
    return certificate.subject.rfc4514_string()


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise BadAsset(f"{path} holds no certificates; it begins with -----BEGIN CERTIFICATE-----") from None


def _private(path: Path) -> PrivateKeyTypes:
    data = _read(path)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"others may read the key {path}; close it with chmod 600 {path}")
    try:
        return serialization.load_pem_private_key(data, None)
    except TypeError:
        raise BadAsset(f"the key {path} is locked by a password; unlock it into a file of mode 0600") from None
    except ValueError:
        raise BadAsset(f"{path} holds no private key; it begins with -----BEGIN PRIVATE KEY-----") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as fault:
        raise BadAsset(f"{path} cannot be read: {(fault.strerror or str(fault)).lower()}") from None


# --- what is said ----------------------------------------------------------------------------------------------------
class Makers:
    """Who rendered which partial of a job, by its log, which is read again for one that it does not know yet."""

    def __init__(self, store: Store, job: RenderJob) -> None:
        self._store, self._job = store, job
        self._nodes: dict[str, str] = {}

    def know(self, results: Iterable[Result]) -> bool:
        """Whether the log names the node of every one of these."""
        wanted = {result.key for result in results}
        if not wanted <= self._nodes.keys():
            events = log_of(self._store, self._job.spec.id)
            self._nodes = {e.text: e.node for e in events if e.kind == "delivered" and e.text and e.node}
        return wanted <= self._nodes.keys()

    def shares(self, results: Iterable[tuple[Piece, Result]], device: str) -> tuple[Share, ...]:
        """What each node did of a frame, in samples of the whole frame; most first."""
        sums: dict[str, float] = {}
        for piece, result in results:
            node = self._nodes.get(result.key, SOMEBODY)
            sums[node] = sums.get(node, 0.0) + (result.range[1] - result.range[0]) * (piece.cost if piece.crop else 1.0)
        shares = [Share(node=node, samples=max(round(count), 1), device=device) for node, count in sums.items()]
        return tuple(sorted(shares, key=lambda share: (-share.samples, share.node)))


def sources_of(store: Store, job: RenderJob, folder: Path) -> tuple[Source, ...]:
    """The files of a job's scene, by their names and the hashes of their bytes; `folder` holds its bundle."""
    manifest = read_manifest(store, job.spec.bundle)
    contents = read_contents((folder / job.scene).read_bytes(), where=job.scene)
    names = {image.file: image.name for image in contents.images if image.name}
    files = sorted(manifest.files, key=lambda file: (file.path != job.scene, file.path not in names, file.path))
    named = [Source(name=names.get(file.path, file.path), hash=f"blake3:{file.hash}") for file in files[:MOST_SOURCES]]
    left = len(files) - len(named)
    if left:
        named.append(Source(name=f"{left} more files of the bundle", hash=f"blake3:{job.spec.bundle}"))
    return tuple(named)


def credit_of(
    job: RenderJob,
    author: Author,
    *,
    title: str,
    build: str,
    samples: int,
    sources: tuple[Source, ...],
    nodes: tuple[Share, ...],
    denoised: bool,
) -> Credit:
    """What is said of a picture of a job."""
    return Credit(
        title=title,
        artist=author.artist,
        rights_holder=author.rights,
        job=job.spec.id,
        bundle=f"blake3:{job.spec.bundle}",
        renderer=build,
        samples=samples,
        sources=sources,
        nodes=nodes,
        denoised=DENOISER if denoised else "",
    )
