from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from datamill_infra.clusters.lab.layout import Lab
from datamill_infra.clusters.lab.pki import identities, write_pki
from datamill_infra.clusters.lab.settings import kubeconfig

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab("a", 3, tmp_path)
    write_pki(made)
    return made


def _certificate(lab: Lab, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(lab.path("pki", f"{name}.crt").read_bytes())


def test_every_certificate_is_signed_by_the_authority(lab: Lab) -> None:
    authority = _certificate(lab, "ca")
    for identity in identities(lab):
        _certificate(lab, identity.file).verify_directly_issued_by(authority)


def test_user_and_groups_are_those_of_the_identity(lab: Lab) -> None:
    subject = _certificate(lab, "kubelet").subject
    assert "system:node:lab-a" == subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert "system:nodes" == subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value


def test_api_server_is_known_by_address_and_service(lab: Lab) -> None:
    names = _certificate(lab, "kube-apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {"10.199.3.2", "10.197.3.1"} == addresses
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)


def test_keys_are_readable_by_nobody_else(lab: Lab) -> None:
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in lab.path("pki").iterdir()}
    assert 0o700 == stat.S_IMODE(lab.path("pki").stat().st_mode)


def test_complete_set_is_kept(lab: Lab) -> None:
    before = {file.name: file.read_bytes() for file in lab.path("pki").iterdir()}
    write_pki(lab)
    assert before == {file.name: file.read_bytes() for file in lab.path("pki").iterdir()}


def test_interrupted_set_is_made_again(lab: Lab) -> None:
    lab.path("pki", "complete").unlink()
    before = lab.path("pki", "ca.crt").read_bytes()
    write_pki(lab)
    assert before != lab.path("pki", "ca.crt").read_bytes()


def test_kubeconfig_names_one_context_and_holds_its_key(lab: Lab) -> None:
    config = yaml.safe_load(kubeconfig(lab, "admin"))
    assert ["datamill-lab-a"] == [context["name"] for context in config["contexts"]]
    assert "https://10.199.3.2:6443" == config["clusters"][0]["cluster"]["server"]
    assert {"client-certificate-data", "client-key-data"} == config["users"][0]["user"].keys()
