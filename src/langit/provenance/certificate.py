"""The instance's own certificates: a P-256 chain made on first start, and replaceable by one that others trust."""

from __future__ import annotations

import datetime
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langit.types import InputError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

CHAIN, KEY = "chain.pem", "key.pem"
_YEARS = 20
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def home() -> Path:
    """Where langit keeps what belongs to the user: $LANGIT_HOME, or langit/ in $XDG_DATA_HOME or ~/.local/share."""
    if named := os.environ.get("LANGIT_HOME"):
        return Path(named).expanduser()
    shared = os.environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "share") / "langit"


@dataclass(frozen=True)
class Identity:
    """Who signs: a certificate chain (PEM, leaf first) and the leaf's private key (PEM, PKCS 8).

    `name` is the leaf's common name, `fingerprint` the SHA-256 of its certificate in hex, `algorithm` C2PA's name of
    the signature. `mark` is the number from 0 to 65535 that the watermark carries: the fingerprint's first 16 bits.
    """

    chain: bytes
    key: bytes
    name: str
    fingerprint: str
    algorithm: str

    @property
    def mark(self) -> int:
        return int(self.fingerprint[:4], 16)

    @classmethod
    def load_or_create(cls, folder: Path) -> Identity:
        """The identity in `folder`, made there if the folder is empty or missing; processes that start at once agree.

        To sign with certificates of your own, replace `chain.pem` (leaf first) and `key.pem`. `InputError` where they
        cannot sign: unreadable, not of one pair, expired, or of a kind C2PA has no name for.
        """
        folder = Path(folder)
        if not (folder / CHAIN).exists() and not (folder / KEY).exists():
            _create(folder)
        return cls._load(folder)

    @classmethod
    def _load(cls, folder: Path) -> Identity:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        try:
            chain, key = (folder / CHAIN).read_bytes(), (folder / KEY).read_bytes()
        except FileNotFoundError as error:
            raise InputError(
                f"{folder} holds one of {CHAIN} and {KEY} without the other; add it, or remove both for a new identity."
            ) from error
        except OSError as error:
            raise InputError(f"The identity in {folder} cannot be read: {error.strerror or error}.") from error
        try:
            leaf = x509.load_pem_x509_certificates(chain)[0]
            private = serialization.load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{CHAIN} and {KEY} in {folder} must be PEM files, certificates with the leaf first and a key without "
                "a password; these are not. Put others there, or remove both for a new identity."
            ) from error
        _check_pair(leaf, private, folder)
        names = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        name = str(names[0].value) if names else leaf.subject.rfc4514_string()
        return cls(chain, key, name, leaf.fingerprint(hashes.SHA256()).hex(), _algorithm(private, folder))


def trusted_chains(files: Sequence[Path]) -> list[bytes]:
    """The certificates in `files`, and this machine's own where it has an identity."""
    chains = []
    for file in files:
        try:
            chain = Path(file).read_bytes()
        except OSError as error:
            raise InputError(f"The certificates in {file} cannot be read: {error.strerror or error}.") from error
        if b"-----BEGIN CERTIFICATE-----" not in chain:
            raise InputError(f"{file} holds no certificates in PEM; give the chain.pem of an instance you trust.")
        chains.append(chain)
    own = home() / "identity" / CHAIN
    return [*chains, own.read_bytes()] if own.is_file() else chains


def _check_pair(leaf: x509.Certificate, private: PrivateKeyTypes, folder: Path) -> None:
    if private.public_key() != leaf.public_key():
        raise InputError(f"{KEY} in {folder} is not the key of the first certificate in {CHAIN}; put the leaf first.")
    now = datetime.datetime.now(datetime.UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise InputError(
            f"The certificate in {folder} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d} and not today; replace {CHAIN} and {KEY}, or remove both."
        )


def _algorithm(private: PrivateKeyTypes, folder: Path) -> str:
    """C2PA's name for what this key signs with (specification 2.2, section 13.2)."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 2048:
        return "ps256"
    raise InputError(
        f"{KEY} in {folder} is of a kind that content credentials cannot use; "
        "allowed are P-256, P-384, P-521, Ed25519 and RSA from 2048 bits."
    )


def _create(folder: Path) -> None:
    """A root and a leaf below it; the root's key is forgotten at once, so that nobody can sign another leaf."""
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} holds other files; name an empty or new folder for the instance's identity.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the instance's identity.")
    aside = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    try:
        aside.mkdir(parents=True, mode=0o700)
        chain, key = _new_chain()
        (aside / CHAIN).write_bytes(chain)
        with open(os.open(aside / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        try:
            os.rename(aside, folder)
        except OSError:  # another process was first; its identity is as good
            if not (folder / CHAIN).exists():
                raise
    except OSError as error:
        raise InputError(
            f"The instance's identity cannot be written to {folder}: {error.strerror or error}; "
            "set LANGIT_HOME to a folder that can be written to."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _new_chain() -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    number = secrets.token_hex(4)
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(f"langit root {number}", root_key.public_key(), f"langit root {number}", root_key, leaf=False)
    leaf = _certificate(f"langit {number}", leaf_key.public_key(), f"langit root {number}", root_key, leaf=True)
    chain = b"".join(part.public_bytes(serialization.Encoding.PEM) for part in (leaf, root))
    key = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return chain, key


def _certificate(
    subject: str, key: EllipticCurvePublicKey, issuer: str, signer: EllipticCurvePrivateKey, *, leaf: bool
) -> x509.Certificate:
    """By the certificate profile of C2PA 2.2, section 14.5: key identifiers, and what the leaf may be used for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    def name(common: str) -> x509.Name:
        parts = ((x509.NameOID.ORGANIZATION_NAME, "langit"), (x509.NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])

    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)  # clocks differ
    uses = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    uses |= {"encipher_only": False, "decipher_only": False}
    uses |= {"digital_signature": leaf, "key_cert_sign": not leaf, "crl_sign": not leaf}
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None if leaf else 0), critical=True)
        .add_extension(x509.KeyUsage(**uses), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if leaf:
        use = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(use, critical=False)
    return builder.sign(signer, hashes.SHA256())
