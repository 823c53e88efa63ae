from __future__ import annotations

import pytest
import yaml

from datamill_infra.drivers.helm.charts import chart_names, charts_folder
from datamill_infra.drivers.helm.schemas import chart_schema, defaults, values_text, written_files
from datamill_infra.images.sources import IMAGES
from datamill_infra.model.errors import UnknownNameError

DEFINITIONS = {
    "size": {"type": "string", "default": "1Gi"},
    "storage": {
        "type": "object",
        "properties": {"size": {"$ref": "size"}, "className": {"type": "string", "default": ""}},
    },
}


@pytest.mark.parametrize("chart", chart_names(charts_folder()))
def test_the_written_files_of_a_chart_are_up_to_date(chart: str) -> None:
    for file, text in written_files(charts_folder() / chart).items():
        assert text == file.read_text(encoding="utf-8"), f"{file}: run `make charts`"


def test_a_definition_of_the_library_is_taken_and_its_defaults_are_overridden() -> None:
    schema = chart_schema({"storage": {"$ref": "storage", "default": {"size": "8Gi"}}}, DEFINITIONS, where="x")
    assert {"storage": {"size": "8Gi", "className": ""}} == defaults(schema)


def test_every_object_is_closed_and_complete() -> None:
    schema = chart_schema({"storage": {"$ref": "storage"}}, DEFINITIONS, where="x")
    storage = schema["properties"]["storage"]
    assert (False, ["className", "size"]) == (storage["additionalProperties"], storage["required"])
    assert (False, ["storage"]) == (schema["additionalProperties"], schema["required"])


def test_the_values_file_has_the_descriptions_and_reads_as_the_defaults() -> None:
    source = {"heap": {"type": "string", "default": "1g", "description": "Java heap."}, "storage": {"$ref": "storage"}}
    schema = chart_schema(source, DEFINITIONS, where="x")
    text = values_text(schema)
    assert '# Java heap.\nheap: "1g"' in text
    assert defaults(schema) == yaml.safe_load(text)


def test_an_unknown_definition_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        chart_schema({"x": {"$ref": "storag"}}, DEFINITIONS, where="values.schema.yaml")
    assert "storage" == caught.value.nearest


def test_the_labs_image_references_are_those_of_the_images_we_build() -> None:
    files = {name: yaml.safe_load((charts_folder() / f"images{name}.yaml").read_text()) for name in ("", "-lab")}
    lab = {name: f"{one['repository']}:{one['tag']}" for name, one in files["-lab"]["global"]["images"].items()}
    assert set(files[""]["global"]["images"]) == set(lab)
    assert set(lab.values()) <= {image.reference for image in IMAGES.values()}
