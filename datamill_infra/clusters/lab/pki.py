"""Keys and certificates of a lab: one authority, one certificate per server and per client.

Nobody else trusts this authority; its key lies in the lab's directory and goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from datamill_infra.clusters.lab.layout import DOMAIN
from datamill_infra.drivers.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_infra.clusters.lab.layout import Lab

# A lab is thrown away long before.
VALID = timedelta(days=365)


@dataclass(frozen=True)
class Identity:
    """Who a certificate is for.

    Attributes:
        file: name of its files without suffix.
        user: the user's name in Kubernetes.
        groups: the user's groups.
        names: DNS names and addresses under which it serves; empty for a client.
    """

    file: str
    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str | IPv4Address, ...] = ()


def identities(lab: Lab) -> tuple[Identity, ...]:
    """Everyone who needs a certificate."""
    service = "kubernetes.default.svc"
    return (
        Identity(
            "kube-apiserver",
            "kube-apiserver",
            names=(
                lab.node,
                "kubernetes",
                "kubernetes.default",
                service,
                f"{service}.{DOMAIN}",
                lab.node_address,
                lab.services[1],
            ),
        ),
        Identity("kubelet-server", f"system:node:{lab.node}", names=(lab.node, lab.node_address)),
        Identity("kubelet", f"system:node:{lab.node}", ("system:nodes",)),
        Identity("kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",)),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("local-volumes", "lab:local-volumes"),
        Identity("network-policies", "lab:network-policies"),
        Identity("admin", "lab-admin", ("system:masters",)),
    )


def write_pki(lab: Lab) -> None:
    """Write the authority, the key that signs service account tokens, and every certificate; keep what is there."""
    folder = lab.path("pki")
    if (folder / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{lab.context} authority")])
    authority = (
        _builder(name, name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    _write(folder / "ca", authority_key, authority)
    for identity in identities(lab):
        _issue(folder, identity, authority, authority_key)
    tokens = ec.generate_private_key(ec.SECP256R1())
    write_private(folder / "service-accounts.key", _private(tokens))
    write_private(folder / "service-accounts.pub", _public(tokens))
    # Last: a set that was interrupted is made again as a whole.
    write_private(folder / "complete", "")


def _issue(
    folder: Path, identity: Identity, authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, identity.user),
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups),
        ]
    )
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if identity.names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(subject, authority.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if identity.names:
        names: list[x509.GeneralName] = [
            x509.IPAddress(name) if isinstance(name, IPv4Address) else x509.DNSName(name) for name in identity.names
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(folder / identity.file, key, builder.sign(authority_key, hashes.SHA256()))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of one machine agree, but a file's time may be rounded up.
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + VALID)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(stem: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    write_private(stem.with_name(f"{stem.name}.key"), _private(key))
    write_private(
        stem.with_name(f"{stem.name}.crt"), certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
    )


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    # SEC 1, the form in which Kubernetes reads the key that signs tokens.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode("ascii")


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )
