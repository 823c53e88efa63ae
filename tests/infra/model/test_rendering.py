"""Rendering: declared connections reach the values that refer to them, with origins, and secrets never do."""

from __future__ import annotations

import json

import pytest
from infra.model.room import Room, says

from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

STORE = """\
provides: [s3]
embedded:
  entry: null
  ports: [http]
  secrets: [access_key, secret_key]
  values: {region: us-east-1}
external:
  s3:
    fields:
      endpoint: {about: address}
      region: {about: region, default: eu-west-1}
      retries: {about: how often, default: 3, type: integer}
    secrets:
      access_key: {about: key id}
      secret_key: {about: key, required: false}
connection:
  s3:
    fields: {endpoint: "http://${host}:${ports.http}", region: "${values.region}", retries: 3}
    secrets: {access_key: access_key, secret_key: secret_key}
    claims:
      asks: [bucket, quota]
      fields: {bucket: "${claim.bucket}", quota: "${claim.quota}"}
      secrets: [token]
"""

TRACKER = """\
provides: [mlflow]
needs: {s3: {bucket: "${values.bucket}-x"}}
embedded:
  entry: null
  ports: [http]
  values:
    bucket: models
    listen: "${ports.http}"
    store: {url: "${s3.endpoint}", root: "s3://${s3.bucket}/"}
    data: "${paths.data}"
connection:
  mlflow:
    fields: {url: "http://${host}:${ports.http}", root: "${values.store.root}", claimed: "${claims.s3.bucket}"}
    secrets: {store_key: "${s3.access_key}", store_secret: "${s3.secret_key}"}
"""

PORTS = {"store": {"http": 9000}, "tracker": {"http": 5000}}


@pytest.fixture
def filled(room: Room) -> Room:
    room.component("store", STORE)
    room.component("tracker", TRACKER)
    room.flavour("f", "components: [store, tracker]\n")
    return room


@pytest.fixture
def deployment(filled: Room) -> Deployment:
    return filled.deploy("flavour: f\ncomponents: {tracker: {values: {bucket: mine}}}\n")


def test_connections_are_declared_from_ports_alone(deployment: Deployment) -> None:
    declared = deployment.declared_connections(PORTS)
    assert {name: connection.component for name, connection in declared.items()} == {"s3": "store", "mlflow": "tracker"}
    assert declared["s3"].fields == {"endpoint": "http://127.0.0.1:9000", "region": "us-east-1", "retries": 3}
    assert declared["s3"].secrets == {"access_key": "store.access_key", "secret_key": "store.secret_key"}


def test_values_refer_to_connections_ports_and_paths(deployment: Deployment) -> None:
    assert deployment.values("tracker", PORTS).tree() == {
        "bucket": "mine",
        "listen": 5000,
        "store": {"url": "http://127.0.0.1:9000", "root": "s3://mine-x/"},
        "data": str(deployment.home / "components" / "tracker" / "data"),
    }


def test_every_value_says_where_it_comes_from(deployment: Deployment) -> None:
    leaves = deployment.values("tracker", PORTS).leaves
    user, connected = leaves["bucket",], leaves["store", "url"]
    assert (user.layer, user.source) == (
        "user",
        f"{deployment.home}/deployment.yaml:2: components.tracker.values.bucket",
    )
    assert connected.layer == "connections"
    component = deployment.home / "catalogue" / "tracker" / "component.yaml"
    assert connected.source == f"${{s3.endpoint}}, written in base {component}:13: embedded.values.store.url"


def test_a_consumer_sees_its_claim_and_others_do_not(deployment: Deployment) -> None:
    seen = deployment.needs("tracker", PORTS)["s3"]
    assert seen.fields["bucket"] == "mine-x"
    assert "quota" not in seen.fields
    assert seen.secrets == {
        "access_key": "store.access_key",
        "secret_key": "store.secret_key",
        "token": "tracker.s3.token",
    }
    assert "bucket" not in deployment.declared_connections(PORTS)["s3"].fields
    assert deployment.claims("store") == [("tracker", "s3", {"bucket": "mine-x"})]
    assert deployment.secrets("store") == ["store.access_key", "store.secret_key", "tracker.s3.token"]


def test_an_empty_claim_sees_the_connection_as_it_is(filled: Room) -> None:
    filled.component("reader", "needs: {s3: {}}\nembedded: {entry: null}\n")
    filled.flavour("f", "components: [store, reader]\n")
    deployment = filled.deploy("flavour: f\n")
    assert deployment.needs("reader")["s3"] == deployment.declared_connections()["s3"]
    assert deployment.secrets("store") == ["store.access_key", "store.secret_key"]


def test_a_connection_passes_secrets_on_by_name(deployment: Deployment) -> None:
    connection = deployment.declared_connections(PORTS)["mlflow"]
    assert connection.secrets == {"store_key": "store.access_key", "store_secret": "store.secret_key"}
    assert connection.fields == {"url": "http://127.0.0.1:5000", "root": "s3://mine-x/", "claimed": "mine-x"}


def test_a_secret_in_a_value_is_refused(filled: Room) -> None:
    filled.component("tracker", TRACKER.replace("${s3.endpoint}", "${s3.secret_key}"))
    with pytest.raises(ConfigurationError, match=r"store\.url: \$\{s3\.secret_key\} is a secret, and"):
        filled.deploy("flavour: f\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "${s3.endpoint}",
            "${s3.endpont}",
            r"store\.url: there is no fact '\$\{s3\.endpont\}'.*s3 has no 'endpont'.*'endpoint'",
        ),
        ("${s3.endpoint}", "${s33.endpoint}", r"a template has no 's33'.*'s3'"),
        ("${s3.endpoint}", "${values.bucket}", "own values, which cannot refer to each other"),
        ("${s3.endpoint}", "${ports.htp}", "ports has no 'htp'.*'http'"),
        ("${values.store.root}", "${values.store.rot}", r"fields\.root: .*values\.store has no 'rot'.*'root'"),
        ("${values.store.root}", "${values.store}", "is not a single text, number, or true or false"),
        (
            "${s3.access_key}",
            "${s3.acces_key}",
            r"secrets\.store_key: there is no secret of the connection 's3' 'acces_key'.*'access_key'",
        ),
        ("${s3.access_key}", "${s4.access_key}", r"there is no connection that tracker needs 's4'.*'s3'"),
        ("${values.bucket}-x", "${s3.bucket}", r"needs\.s3\.bucket: .*a template has no 's3'"),
        ("${values.bucket}-x", "${values.bukcet}", r"values has no 'bukcet'.*'bucket'"),
    ],
)
def test_a_wrong_reference_is_found_when_the_deployment_is_read(filled: Room, old: str, new: str, message: str) -> None:
    assert old in TRACKER
    filled.component("tracker", TRACKER.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        filled.deploy("flavour: f\n")
    assert says(caught.value, message)


def test_a_port_without_a_number_says_how_to_get_one(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match="store has no number yet for its port 'http'"):
        deployment.rendered("tracker", {"tracker": {"http": 5000}})


EXTERNAL = """\
flavour: f
components:
  store:
    provider: external
    connection: {s3: {endpoint: "https://s3.example.org"}}
    secrets: {access_key: {env: S3_KEY}}
"""


def test_an_external_component_has_the_users_fields_and_the_defaults(filled: Room) -> None:
    deployment = filled.deploy(EXTERNAL)
    connection = deployment.declared_connections({"tracker": {"http": 1}})["s3"]
    assert connection.fields == {"endpoint": "https://s3.example.org", "region": "eu-west-1", "retries": 3}
    assert connection.secrets == {"access_key": "store.access_key"}
    assert deployment.needs("tracker")["s3"].fields["bucket"] == "models-x"
    assert deployment.secrets("store") == ["tracker.s3.token"]  # its own are the user's
    assert {name: source.env for name, source in deployment.secret_sources("store").items()} == {
        "store.access_key": "S3_KEY"
    }
    assert deployment.declared_connections()["mlflow"].secrets == {"store_key": "store.access_key"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('    connection: {s3: {endpoint: "https://s3.example.org"}}\n', "", r"needs endpoint \(address\)"),
        (
            "endpoint:",
            "endpont:",
            r"connection\.s3\.endpont: there is no field of the external store \(s3\) 'endpont'.*'endpoint'",
        ),
        ("{s3: {end", "{s33: {end", r"connection\.s33: there is no capability of store 's33'.*'s3'"),
        ('org"}', 'org", retries: many}', r"retries: 'many' is not integer.*Write how often"),
        (
            'org"}',
            'org", secret_key: hush}',
            r"secret_key is a secret, and secrets are not written.*secrets: \{secret_key: \{env: NAME\}\}",
        ),
        ("    secrets: {access_key: {env: S3_KEY}}\n", "", r"needs the secret access_key \(key id\)"),
        (
            "{access_key:",
            "{access_key: {env: A}, acces_kye:",
            r"secrets\.acces_kye: there is no secret of store 'acces_kye'",
        ),
        ("{env: S3_KEY}", "hush", r"secrets\.access_key: what is there is not a mapping"),
        ("{env: S3_KEY}", "{env: S3_KEY, file: x}", "a secret is read from `env` or from `file`"),
        ("provider: external", "provider: embedded", "`connection` belongs to the provider external"),
        ("provider: external", "provider: helm", r"provider: helm|`connection` belongs"),
    ],
)
def test_what_is_wrong_about_an_external_component_is_said(filled: Room, old: str, new: str, message: str) -> None:
    assert old in EXTERNAL
    with pytest.raises(ConfigurationError) as caught:
        filled.deploy(EXTERNAL.replace(old, new))
    assert says(caught.value, message)
    assert "hush" not in str(caught.value)


def test_uses_bring_values_only_when_the_capability_is_present(filled: Room) -> None:
    filled.component(
        "notebook",
        'uses: {mlflow: {values: {tracking: "${mlflow.url}"}}}\nembedded: {entry: null, values: {theme: dark}}\n',
    )
    filled.flavour("with", "components: [store, tracker, notebook]\n")
    filled.flavour("without", "components: [store, notebook]\n")
    ports = PORTS | {"notebook": {}}
    assert filled.deploy("flavour: without\n").values("notebook", ports).tree() == {"theme": "dark"}
    values = filled.deploy("flavour: with\n").values("notebook", ports)
    assert values.tree() == {"theme": "dark", "tracking": "http://127.0.0.1:5000"}


def test_layers_lie_in_the_documented_order(room: Room) -> None:
    folder = room.component(
        "db",
        """\
        targets: {kind: {values: {e: target, f: target}, units: {main: {y: target, z: target}}}}
        helm:
          values_files: [values.yaml]
          values: {b: base, c: base, d: base, e: base, f: base}
          default_variant: small
          variants:
            small:
              values: {c: variant, d: variant, e: variant, f: variant}
              units:
                - name: main
                  kind: chart
                  source: own:db
                  version: "1.0"
                  values_files: [chart.yaml]
                  values: {w: "${values.f}", x: unit, y: unit, z: unit}
        """,
    )
    (folder / "values.yaml").write_text("a: file\nb: file\n")
    (folder / "chart.yaml").write_text("v: file\nw: file\n")
    room.flavour(
        "f",
        "components: [db]\noverride:\n  db:\n"
        "    values: {d: flavour, e: flavour, f: flavour}\n    units: {main: {x: flavour, y: flavour, z: flavour}}\n",
    )
    deployment = room.deploy(
        "flavour: f\ntarget: kind\ncontext: c\n"
        "components: {db: {values: {f: user}, units: {main: {z: user, new: user}}}}\n"
    )
    rendered = deployment.rendered("db")
    assert rendered.values.tree() == {
        "a": "file",
        "b": "base",
        "c": "variant",
        "d": "flavour",
        "e": "target",
        "f": "user",
    }
    layers = [leaf.layer for leaf in rendered.values.leaves.values()]
    assert layers == ["base", "base", "variant", "flavour", "target", "user"]
    chart = rendered.units["main"].tree()
    assert chart == {"v": "file", "w": "user", "x": "flavour", "y": "target", "z": "user", "new": "user"}


def test_one_flavour_serves_both_providers(room: Room) -> None:
    room.component(
        "db",
        "embedded: {entry: null, values: {heap: 1g}}\n"
        "helm: {values: {replicas: 1}, units: [{kind: resources, name: a, objects: [{n: '${values.replicas}'}]}]}\n",
    )
    room.flavour("f", "components: [db]\noverride: {db: {values: {heap: 2g, replicas: 3}}}\n")
    assert room.deploy("flavour: f\n").values("db").tree() == {"heap": "2g"}
    cluster = room.deploy("flavour: f\ntarget: kind\ncontext: c\n")
    assert cluster.values("db").tree() == {"replicas": 3}
    assert cluster.rendered("db").resources == {"a": [{"n": 3}]}


def test_resources_are_read_from_files_of_several_documents(room: Room) -> None:
    folder = room.component(
        "db", "helm: {values: {n: 2}, units: [{kind: resources, name: a, files: [all.yaml], objects: [{kind: C}]}]}\n"
    )
    (folder / "all.yaml").write_text("---\nkind: A\nspec: {replicas: '${values.n}'}\n---\nkind: B\n---\n")
    room.flavour("f", "components: [db]\n")
    rendered = room.deploy("flavour: f\ntarget: kind\ncontext: c\n").rendered("db")
    assert rendered.resources == {"a": [{"kind": "A", "spec": {"replicas": 2}}, {"kind": "B"}, {"kind": "C"}]}


def test_the_view_for_json_is_json_and_has_no_secret_values(deployment: Deployment) -> None:
    view = json.loads(json.dumps(deployment.rendered("tracker", PORTS).to_dict()))
    assert view["values"]["bucket"]["layer"] == "user"
    assert view["needs"]["s3"]["secrets"] == {name: f"store.{name}" for name in ("access_key", "secret_key")} | {
        "token": "tracker.s3.token"
    }


def test_an_unknown_component_is_refused(deployment: Deployment) -> None:
    with pytest.raises(UnknownNameError, match="there is no component in this deployment 'trackr'"):
        deployment.values("trackr")
