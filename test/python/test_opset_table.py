"""The table of operators whose meaning is the same in opset 25, against the schemas of onnx.

A schema may have grown by types, and by attributes and inputs that may be absent. An attribute's
default must not have changed. Reductions and Split are rewritten, so theirs may differ there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from onnx import defs

SOURCE = Path(__file__).resolve().parents[2] / "lib/Dialect/ONNX/Utils/RaiseOpset.cpp"
TABLE = dict(re.findall(r'\{"(\w+)", (\d+)\}', SOURCE.read_text("utf-8")))
OPSET = 25
Optional = defs.OpSchema.FormalParameterOption.Optional


def versions(name: str, since: int) -> list[defs.OpSchema]:
    """The schemas of an operator from `since` to opset 25, the first as it was in `since`."""
    numbers = sorted(
        schema.since_version
        for schema in defs.get_all_schemas_with_history()
        if schema.name == name and schema.domain == "" and schema.since_version <= OPSET
    )
    first = max(number for number in numbers if number <= since)
    return [defs.get_schema(name, number) for number in numbers if number >= first]


def test_the_table_is_found() -> None:
    assert len(TABLE) > 60 and TABLE["Softmax"] == "13"


@pytest.mark.parametrize("name", TABLE)
def test_later_schemas_only_grew(name: str) -> None:
    first, *later = versions(name, int(TABLE[name]))
    is_rewritten = name.startswith("Reduce") or name == "Split"
    for schema in later:
        assert not schema.deprecated
        assert [o.name for o in schema.outputs] == [o.name for o in first.outputs] or len(
            schema.outputs
        ) == len(first.outputs)
        assert len(schema.inputs) >= len(first.inputs)
        for old, new in zip(first.inputs, schema.inputs):
            assert old.option == new.option
        assert all(new.option == Optional for new in schema.inputs[len(first.inputs) :])
        for key, old in first.attributes.items():
            if is_rewritten and key == "axes":
                continue
            new = schema.attributes[key]
            assert (old.type, str(old.default_value)) == (new.type, str(new.default_value))
        for key in set(schema.attributes) - set(first.attributes):
            assert not schema.attributes[key].required
