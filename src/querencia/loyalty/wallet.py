"""Passes for Apple Wallet: files in a zip, a manifest of their SHA-1, and its signature (PKCS #7, detached) with the
certificate that Apple gave to the business. The certificate says of itself what the pass has to: whose and which it is.
"""

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from django.conf import settings

logger = logging.getLogger(__name__)
TYPE = "application/vnd.apple.pkpass"


@dataclass(frozen=True)
class Signer:
    """``pass_type`` and ``team`` as the certificate names them."""

    certificate: x509.Certificate
    key: RSAPrivateKey
    intermediate: x509.Certificate

    @property
    def pass_type(self) -> str:
        return _named(self.certificate, NameOID.USER_ID)

    @property
    def team(self) -> str:
        return _named(self.certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)

    def sign(self, manifest: bytes) -> bytes:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest)
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256()).add_certificate(self.intermediate)
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        return builder.sign(serialization.Encoding.DER, options)


def signer() -> Signer | None:
    """Who signs here; None where the business has named no certificate, or files that are not what they are to be."""
    paths = tuple(settings.WALLET[name] for name in ("certificate", "key", "intermediate"))
    try:
        return _read(*paths) if all(paths) else None
    except (OSError, ValueError) as fault:
        logger.warning("No passes for Apple Wallet: %s", fault)
        return None


@lru_cache(maxsize=4)
def _read(certificate: str, key: str, intermediate: str) -> Signer:
    private = serialization.load_pem_private_key(Path(key).read_bytes(), password=None)
    if not isinstance(private, RSAPrivateKey):
        raise ValueError("The key of a pass is an RSA key.")
    return Signer(_certificate(certificate), private, _certificate(intermediate))


def _certificate(path: str) -> x509.Certificate:
    """In PEM, or in DER as Apple hands them out."""
    given = Path(path).read_bytes()
    is_pem = given.lstrip().startswith(b"-----")
    return x509.load_pem_x509_certificate(given) if is_pem else x509.load_der_x509_certificate(given)


def _named(certificate: x509.Certificate, part: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(part)
    return str(found[0].value) if found else ""


def sealed(said: Mapping[str, Any], pictures: Mapping[str, bytes], by: Signer) -> bytes:
    """A pass: what ``pass.json`` says, with the pictures by name."""
    whole = {**said, "formatVersion": 1, "passTypeIdentifier": by.pass_type, "teamIdentifier": by.team}
    files = {"pass.json": json.dumps(whole, ensure_ascii=False).encode(), **pictures}
    # SHA-1, because Apple's format says so; what makes it safe is the signature.
    sums = {name: hashlib.sha1(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    manifest = json.dumps(sums).encode()
    files |= {"manifest.json": manifest, "signature": by.sign(manifest)}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()
