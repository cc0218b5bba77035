"""Each reason that recognition has for leaving something as it is, is reached by a near-miss test.

The reasons are parsed from `MissReasons.def`; what tests expect, from the remarks, the attributes
and the reasons that they name. A test pins the whole text, with its details filled in.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REASONS = ROOT / "lib/Conversion/ONNXToSink/MissReasons.def"
SOURCES = ROOT / "lib/Conversion/ONNXToSink"
TESTS = ROOT / "test/Conversion/ONNXToSink"

# Reasons that no test can expect, and why. It is better to remove such a reason.
UNREACHED: dict[str, str] = {}


def parse_reasons() -> dict[str, str]:
    """Name -> text, whose literals may be split over lines."""
    text = re.sub(r"//.*", "", REASONS.read_text("utf-8"))
    found = re.findall(r'MISS\((\w+),\s*((?:"[^"]*"\s*)+)\)', text)
    return {name: "".join(re.findall(r'"([^"]*)"', literals)) for name, literals in found}


def parse_expected() -> set[str]:
    """The reasons that lit tests name: of remarks, and of the attribute `sink.miss`."""
    found = set()
    for path in TESTS.glob("*.mlir"):
        text = path.read_text("utf-8")
        found |= set(re.findall(r"expected-remark.*?\{\{.*? not raised: (.*?)\}\}", text))
        found |= set(re.findall(r'// CHECK.*sink\.miss = "(.*?)"', text))
    return found


ALL = parse_reasons()
EXPECTED = parse_expected()


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression for the text with any details."""
    return re.compile(".+".join(re.escape(part) for part in re.split(r"\{\d\}", text)))


def test_all_reasons_are_parsed() -> None:
    lines = REASONS.read_text("utf-8").splitlines()
    assert len(ALL) == sum(line.startswith("MISS(") for line in lines) > 0


@pytest.mark.parametrize("name", ALL)
def test_is_reached(name: str) -> None:
    reached = any(pattern(ALL[name]).fullmatch(one) for one in EXPECTED)
    assert reached != (name in UNREACHED), ALL[name]


def test_every_expected_text_is_a_reason() -> None:
    patterns = [pattern(text) for text in ALL.values()]
    strays = [one for one in EXPECTED if not any(each.fullmatch(one) for each in patterns)]
    assert not strays, strays


def test_every_reason_is_given() -> None:
    """The compiler does not tell of an enumerator that nothing uses."""
    sources = "".join(path.read_text("utf-8") for path in SOURCES.glob("*.cpp"))
    given = set(re.findall(r"\bMissReason::(\w+)", sources))
    assert set(ALL) == given


def test_every_text_follows_not_raised() -> None:
    """A text is a clause after "not raised: ", with its details in order, each once."""
    for text in ALL.values():
        assert text[0].islower() and not text.endswith((".", " ")) and "  " not in text
        places = re.findall(r"\{(\d)\}", text)
        assert places == [str(index) for index in range(len(places))], text
    assert len(set(ALL.values())) == len(ALL)
