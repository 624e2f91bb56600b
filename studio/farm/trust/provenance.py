"""Content credentials of finished pictures (C2PA 2): whose they are, what they were made of, and by which machines.

They are signed after the merge, here, with the artist's own key, which no node ever has; a key in a safe of its own
signs through a callback. PNG, JPEG, TIFF and MP4 carry them inside; an OpenEXR picture, which cannot, has them beside
it in a file of the same name that ends in `.c2pa`. Either way they hold a hash of the picture, so a picture that was
changed later shows it. What they say is the artist's word: they prove who said it and that nothing changed since.

Who made a certificate for themselves is known to nobody else: such credentials are whole but not *trusted* until the
certificate comes from an authority that a viewer's list has (`anchors`). Without a time stamp of an authority
(`stamp_url`) they end with the certificate.

The work is c2pa-python's, the library of the C2PA itself (`pip install myriad-studio[provenance]`).
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import studio
from studio.errors import BadAsset, CannotWrite, Unsupported
from studio.farm.model import Record

FORMATS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
}
SIDECAR_FORMATS = {".exr": "image/x-exr"}
SIDECAR = ".c2pa"
RENDERED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"
RENDERED_WITH_MODELS = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
ASSERTION = "org.myriad.render"
LARGEST_CREDENTIALS = 64 << 20
_CURVES: dict[str, tuple[str, type[hashes.HashAlgorithm]]] = {
    "secp256r1": ("ES256", hashes.SHA256),
    "secp384r1": ("ES384", hashes.SHA384),
}


class Source(Record, frozen=True):
    """Something that a picture was made of: its name, the hash of its bytes and whose it is."""

    name: str
    hash: str
    rights: str = ""


class Share(Record, frozen=True):
    """What a node did of a picture."""

    node: str
    samples: int
    device: str = ""


class Credit(Record, frozen=True):
    """What credentials say of a picture. `denoised` names the denoiser; `models` is set when pictures by trained models
    are among its sources."""

    title: str
    artist: str
    rights_holder: str
    job: str = ""
    bundle: str = ""  # hash of what was rendered
    renderer: str = ""
    samples: int = 0
    sources: tuple[Source, ...] = ()
    nodes: tuple[Share, ...] = ()
    denoised: str = ""
    models: bool = False


class Signature(Record, frozen=True):
    """Who signs: the chain of certificates (PEM, one's own first) and the signature of bytes by an algorithm of COSE
    (RFC 9053): ECDSA as r and s of the curve's length, RSA as PSS."""

    chain: str
    sign: Callable[[bytes], bytes]
    stamp_url: str = ""
    algorithm: str = "ES256"


class Credentials(Record, frozen=True):
    """What was found with a picture. `whole` says that nothing changed since it was signed."""

    whole: bool
    trusted: bool
    signer: str
    credit: Credit | None
    faults: tuple[str, ...] = ()


def sidecar_of(picture: Path) -> Path:
    """Where the credentials of a picture lie that cannot carry them."""
    return picture.with_name(picture.name + SIDECAR)


def sign_picture(picture: Path, credit: Credit, signature: Signature) -> Path:
    """Give a finished picture its credentials; the file that has them: itself, or its sidecar.

    Raises Unsupported for a format that has none or without the library, CannotWrite where they cannot be written. A
    picture is replaced whole or left as it was.
    """
    c2pa = _library()
    form = _format(picture)
    beside = picture.suffix.lower() in SIDECAR_FORMATS
    target = sidecar_of(picture) if beside else picture
    temporary = target.with_name(f".{target.name}.tmp{picture.suffix}")
    try:
        with _told(c2pa, picture), picture.open("rb") as source, temporary.open("wb+") as made:
            signer = c2pa.Signer.from_callback(
                signature.sign, c2pa.C2paSigningAlg[signature.algorithm], signature.chain, signature.stamp_url or None
            )
            with signer, c2pa.Builder(_manifest(credit, form), _context(c2pa)) as builder:
                if beside:
                    builder.set_no_embed()
                credentials = builder.sign(signer, form, source, made)
        if beside:
            temporary.write_bytes(credentials)
        temporary.replace(target)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the credentials of {picture} cannot be written: {reason}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return target


def read_credentials(picture: Path, *, anchors: str = "") -> Credentials | None:
    """The credentials of a picture; None when it has none. `anchors` are certificates (PEM) of trusted authorities.

    Raises BadAsset for credentials that cannot be read at all, Unsupported for a format that has none.
    """
    c2pa = _library()
    form = _format(picture)
    beside = picture.suffix.lower() in SIDECAR_FORMATS
    if beside and not sidecar_of(picture).exists():
        return None
    with _told(c2pa, picture), picture.open("rb") as source, _reader(c2pa, form, source, picture, anchors) as reader:
        if reader is None:
            return None
        report = msgspec.json.decode(reader.json())
        state = str(reader.get_validation_state() or "")
    return _read(report, state)


@contextlib.contextmanager
def _reader(c2pa: Any, form: str, source: IO[bytes], picture: Path, anchors: str) -> Iterator[Any]:
    """A reader of the credentials of an open picture; None when there are none."""
    data = None
    if picture.suffix.lower() in SIDECAR_FORMATS:
        beside = sidecar_of(picture)
        if beside.stat().st_size > LARGEST_CREDENTIALS:
            raise BadAsset(f"{beside} is too large for credentials; do not trust it")
        data = beside.read_bytes()
    try:
        reader = c2pa.Reader(form, source, data, _context(c2pa, anchors))
    except c2pa.C2paError.ManifestNotFound:
        yield None
        return
    with reader:
        yield reader


def _read(report: dict[str, Any], state: str) -> Credentials:
    manifest = report.get("manifests", {}).get(report.get("active_manifest", ""), {})
    said = next((a.get("data") for a in manifest.get("assertions", []) if a.get("label") == ASSERTION), None)
    try:
        credit = msgspec.convert(said, Credit) if said is not None else None
    except msgspec.ValidationError:
        credit = None
    failures = report.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    codes = tuple(dict.fromkeys(str(f.get("code", "")) for f in failures))
    info = manifest.get("signature_info", {})
    return Credentials(
        whole=state in ("Valid", "Trusted"),
        trusted=state == "Trusted",
        signer=str(info.get("common_name") or info.get("issuer") or ""),
        credit=credit,
        faults=codes,
    )


def _manifest(credit: Credit, form: str) -> dict[str, Any]:
    agent = {"name": "Myriad", "version": studio.__version__}
    actions: list[dict[str, Any]] = [
        {
            "action": "c2pa.created",
            "softwareAgent": agent,
            "digitalSourceType": RENDERED_WITH_MODELS if credit.models else RENDERED,
        }
    ]
    if credit.denoised:
        actions.append({"action": "c2pa.edited", "softwareAgent": {"name": credit.denoised}, "description": "denoised"})
    return {
        "claim_generator_info": [agent],
        "title": credit.title,
        "format": form,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": ASSERTION, "data": msgspec.to_builtins(credit)},
        ],
    }


def _context(c2pa: Any, anchors: str = "") -> Any:
    """Settings of one call. Nothing is fetched from anywhere while a picture is read."""
    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _format(picture: Path) -> str:
    suffix = picture.suffix.lower()
    found = {**FORMATS, **SIDECAR_FORMATS}.get(suffix)
    if found is None:
        known = ", ".join(sorted({**FORMATS, **SIDECAR_FORMATS}))
        raise Unsupported(f"{picture} cannot have content credentials; they go with {known}")
    return found


def ready() -> None:
    """Raise Unsupported where content credentials cannot be made or read."""
    _library()


def _library() -> Any:
    try:
        return importlib.import_module("c2pa")
    except ImportError:
        raise Unsupported("content credentials take c2pa-python; install myriad-studio[provenance]") from None


@contextlib.contextmanager
def _told(c2pa: Any, picture: Path) -> Iterator[None]:
    """What the library meets, as sentences."""
    try:
        yield
    except FileNotFoundError:
        raise BadAsset(f"{picture} is not there; render it first") from None
    except c2pa.C2paError as fault:
        text = " ".join(str(fault).split())[:200]
        raise BadAsset(f"the content credentials of {picture} cannot be made or read ({text}); render it again") from (
            fault
        )


# --- certificates ----------------------------------------------------------------------------------------------------
def file_hash(path: Path) -> str:
    """SHA-256 of a file, as sources are named."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def signature_of(key: PrivateKeyTypes, chain: str, *, stamp_url: str = "") -> Signature:
    """The signature of a key that is at hand. Raises Unsupported for a kind that content credentials have not."""
    algorithm, sign = _signing(key)
    return Signature(chain=chain, sign=sign, stamp_url=stamp_url, algorithm=algorithm)


def _signing(key: PrivateKeyTypes) -> tuple[str, Callable[[bytes], bytes]]:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        algorithm, hash_ = _CURVES[key.curve.name]
        size = (key.curve.key_size + 7) // 8

        def by_curve(data: bytes) -> bytes:
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hash_())))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return algorithm, by_curve
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        return "PS256", lambda data: key.sign(data, pss, hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ED25519", key.sign
    raise Unsupported("the key of the certificate is of a kind that signs no credentials; use P-256, P-384 or RSA")


def own_certificate(
    name: str, *, now: datetime.datetime, days: int = 365
) -> tuple[ec.EllipticCurvePrivateKey, str, str]:
    """A key, a chain for it and its authority, made here (PEM): whole, but trusted by nobody who was not given the
    authority's certificate. C2PA wants an authority apart from who signs."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name(f"{name}, own authority"), _name(name)
    authority = (
        _certificate(issuer, issuer, authority_key, now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    own = (
        _certificate(subject, issuer, key, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = [c.public_bytes(serialization.Encoding.PEM).decode() for c in (own, authority)]
    return key, "".join(pem), pem[1]


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name[:64]), x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:64])]
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=not sign,
        encipher_only=False,
        decipher_only=False,
    )
