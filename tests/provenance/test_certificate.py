"""The identity: made once, agreed on by processes that start at once, replaceable, refused when it cannot sign."""

from __future__ import annotations

import datetime
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from langit.provenance import Identity, home, read_credentials, seal
from langit.provenance.certificate import trusted_chains
from langit.types import InputError


def test_made_on_first_start_and_the_same_ever_after(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "identity"
    identity = Identity.load_or_create(folder)
    assert Identity.load_or_create(folder) == identity
    assert Identity.load_or_create(tmp_path / "other").fingerprint != identity.fingerprint
    assert identity.algorithm == "es256"
    assert 0 <= identity.mark < 65536
    assert sorted(path.name for path in folder.iterdir()) == ["chain.pem", "key.pem"]
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    leaf, root = x509.load_pem_x509_certificates(identity.chain)
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from langit.provenance import Identity; "
    code += "print(Identity.load_or_create(Path(sys.argv[1])).fingerprint)"
    command = [sys.executable, "-c", code, str(tmp_path / "identity")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    fingerprints = {process.communicate(timeout=60)[0] for process in started}
    assert len(fingerprints) == 1
    assert len(fingerprints.pop().strip()) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["identity"]


def test_a_certificate_of_ones_own(tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "identity"
    put(folder, ed25519.Ed25519PrivateKey.generate(), "A studio")
    identity = Identity.load_or_create(folder)
    assert (identity.name, identity.algorithm) == ("A studio", "ed25519")
    put(folder, ec.generate_private_key(ec.SECP384R1()), "A studio")
    identity = Identity.load_or_create(folder)
    assert identity.algorithm == "es384"
    with pytest.raises(InputError, match="could not be signed as A studio"):
        seal(sample, identity=identity, prompt="", model="m")  # self-signed: C2PA wants a chain
    assert read_credentials(sample).state == "nothing"


def put(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, name: str, days: int = 10) -> None:
    folder.mkdir(exist_ok=True)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=30))
    builder = builder.not_valid_after(now + datetime.timedelta(days=days))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(key, algorithm)
    (folder / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(pem(key))


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def test_what_cannot_sign_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    key = ec.generate_private_key(ec.SECP256R1())
    put(folder, key, "A studio", days=-1)
    with pytest.raises(InputError, match="and not today; replace"):
        Identity.load_or_create(folder)
    put(folder, key, "A studio")
    (folder / "key.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(InputError, match="not the key of the first certificate"):
        Identity.load_or_create(folder)
    put(folder, ec.generate_private_key(ec.SECP256K1()), "A studio")
    with pytest.raises(InputError, match="allowed are P-256"):
        Identity.load_or_create(folder)
    (folder / "key.pem").write_text("a red ball")
    with pytest.raises(InputError, match="must be PEM"):
        Identity.load_or_create(folder)
    (folder / "key.pem").unlink()
    with pytest.raises(InputError, match="without the other"):
        Identity.load_or_create(folder)
    (folder / "chain.pem").rename(folder / "mine.txt")
    with pytest.raises(InputError, match="other files"):
        Identity.load_or_create(folder)
    with pytest.raises(InputError, match="is a file"):
        Identity.load_or_create(folder / "mine.txt")
    assert (folder / "mine.txt").exists()


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LANGIT_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("LANGIT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert home() == tmp_path / "langit"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert home() == Path.home() / ".local" / "share" / "langit"


def test_trusted_chains_are_certificates(tmp_path: Path, own_home: Path) -> None:
    own = (own_home / "identity" / "chain.pem").read_bytes()
    assert trusted_chains([]) == [own]
    (tmp_path / "other.pem").write_text("a red ball")
    with pytest.raises(InputError, match="holds no certificates"):
        trusted_chains([tmp_path / "other.pem"])
    with pytest.raises(InputError, match="cannot be read"):
        trusted_chains([tmp_path / "nowhere.pem"])
