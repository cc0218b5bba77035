"""Kernels against the formulas in f64: the same tests on the emulator and on a GPU.

With `--kernel-cases N` each kernel has N drawn launches. The GPU runs larger ones and more kernels,
from the folder BASIN_KERNELS where that is set (docs/runtime.md).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("basin.runtime", reason="the package is not there")

import kernel_backends as backends  # noqa: E402
import kernel_specs as specs  # noqa: E402
from basin.tools import find_tool  # noqa: E402
from kernel_cases import (  # noqa: E402
    Sizes,
    attention_case,
    check,
    check_attention,
    dyt_case,
    norm_case,
    run,
)


def skip_without(name: str) -> None:
    if name == "gpu" and (reason := backends.why_no_gpu()):
        pytest.skip(reason)
    if name == "emulator" and not (find_tool("basin-emulate") and find_tool("basin-compile")):
        pytest.skip("basin-emulate is not built")


@pytest.fixture(scope="session", params=["emulator", "gpu"])
def backend(request, tmp_path_factory):
    skip_without(request.param)
    folder = tmp_path_factory.mktemp("kernels")
    if request.param == "emulator":
        made = backends.Emulator(folder)
    else:
        made = backends.GPU(Path(os.environ.get("BASIN_KERNELS", folder)))
    yield made
    made.close()


@pytest.fixture
def number_of_cases(request, backend):
    return request.config.getoption("--kernel-cases", None) or (20 if backend.large else 5)


@pytest.mark.parametrize("family", specs.FAMILIES)
def test_drawn(family, backend, number_of_cases):
    drawn = list(specs.FAMILIES[family](backend.large))
    assert not list(backends.failures(drawn, number_of_cases, backend))


# ------------------------------------------------------------------------------------------------
# Not a number, infinities
# ------------------------------------------------------------------------------------------------


def rows_that_are_nan(tensor):
    """Indices of the rows that are NaN throughout; no other element may be."""
    nan = tensor.isnan()
    whole = nan.all(-1)
    assert not nan[~whole].any()
    return whole.nonzero().flatten().tolist()


@pytest.mark.parametrize("spec", [specs.PLAIN_NORM, specs.PLAIN_LAYER, specs.PLAIN_GATED], ids=str)
def test_norm_keeps_nan_in_its_row(spec, backend):
    case = norm_case(spec, 21, backend.device)
    case.tensors["x"][17, 5] = math.nan
    check(case, backend)
    assert rows_that_are_nan(case.tensors["y"]) == [17]


def test_norm_of_infinity(backend):
    """inf / inf is NaN there and 0 beside it in an RMSNorm. A LayerNorm has no mean then."""
    for spec, nan in ((specs.PLAIN_NORM, 1), (specs.PLAIN_LAYER, 100)):
        case = norm_case(spec, 3, backend.device)
        case.tensors["x"][1, 7] = math.inf
        y = check(case, backend).tensors["y"][1]
        assert y.isnan().sum() == nan and (y[~y.isnan()] == 0).all()


def test_norm_whose_squares_overflow(backend):
    """The row is 0 as if x were infinite, and not NaN. f64 would not overflow."""
    case = norm_case(specs.PLAIN_NORM, 3, backend.device)
    case.tensors["x"][1, 7] = 1e20
    run(case, backend)
    assert (case.tensors["y"][1] == 0).all()
    assert case.tensors["y"][[0, 2]].isfinite().all()


def test_norm_weight_of_nan_is_one_column(backend):
    case = norm_case(specs.PLAIN_NORM, 5, backend.device)
    case.tensors["weight"][11] = math.nan
    check(case, backend)
    assert rows_that_are_nan(case.tensors["y"].T) == [11]


def test_norm_of_zeros(backend):
    """The result is 0 / sqrt(epsilon) and not 0 / 0."""
    for spec in (specs.PLAIN_NORM, specs.PLAIN_LAYER, specs.PLAIN_GATED):
        case = norm_case(spec, 2, backend.device)
        case.tensors["x"].zero_()
        assert (check(case, backend).tensors["y"] == 0).all()


def test_norm_of_one_large_dimension(backend):
    """DeepSeek-V3's largest activation is 264192. The other elements are not lost beside it."""
    for spec in (specs.PLAIN_NORM, specs.PLAIN_GATED):
        case = norm_case(spec, 3, backend.device)
        case.tensors["x"][:, 5] = 264192
        check(case, backend)


def test_dynamic_tanh_keeps_nan_and_saturates(backend):
    case = dyt_case(specs.PLAIN_DYT, 3, backend.device)
    case.tensors["x"][1, 2] = math.nan
    case.tensors["x"][2, :2] = torch.tensor([math.inf, -math.inf])
    check(case, backend)
    assert case.tensors["y"].isnan().nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_attention_keeps_nan_to_what_sees_it(name, backend):
    """Earlier rows do not see key 40, but its value may reach them as 0 * NaN in a tile."""
    case = attention_case(specs.CAUSAL_ATTENTION, Sizes(70, 70), backend.device)
    case.tensors[name][0, 0, 40, 5] = math.nan
    run(case, backend)
    result = case.tensors["result"][0]
    if name == "query":
        assert rows_that_are_nan(result[0]) == [40] and result[1:].isfinite().all()
    elif name == "key":
        for head in result:
            assert rows_that_are_nan(head) == list(range(40, 70))
    else:
        assert result[:, 40:, 5].isnan().all()
        others = [i for i in range(64) if i != 5]
        assert result[:, :, others].isfinite().all()
    if name != "value":
        check_attention(case)


def test_attention_of_infinite_scores(backend):
    """inf - inf is NaN in the rows that see it; -inf hides a key."""
    case = attention_case(specs.CAUSAL_ATTENTION, Sizes(20, 20, heads=1), backend.device)
    case.tensors["query"][..., 3] = case.tensors["query"][..., 3].abs() + 0.1
    case.tensors["query"][0, 0, ::2, 3] *= -1
    case.tensors["key"][0, 0, 10, 3] = math.inf
    check(case, backend)
    assert rows_that_are_nan(case.tensors["result"][0, 0]) == [11, 13, 15, 17, 19]


# ------------------------------------------------------------------------------------------------
# Attention: nothing to see, large sinks
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("logit", [20.0, 1000.0, -1000.0, -math.inf])
def test_attention_with_a_large_sink(logit, backend):
    """Scores may be of that size as well. +20 takes nearly everything, and the rest is right."""
    for spread in (1, 12):
        case = attention_case(specs.SINK_ATTENTION, Sizes(40, 70, spread=spread), backend.device)
        case.tensors["sink_logit"].fill_(logit)
        check(case, backend)
        assert case.tensors["result"].isfinite().all()


@pytest.mark.parametrize("spec", [specs.KEEP_ATTENTION, specs.LENGTHS_ATTENTION], ids=str)
def test_attention_to_nothing_is_zero(spec, backend):
    """Without visible keys and sink rows, the result is 0 and the log-sum-exp -inf."""
    case = attention_case(spec, Sizes(66, 65, batch=2, sink_rows=0), backend.device)
    if "mask" in case.tensors:
        case.tensors["mask"][1] = 0
    check(case, backend)
    assert (case.tensors["result"][1] == 0).all()
    assert (case.tensors["log_sum_exp"][1] == -math.inf).all()
    assert (case.tensors["result"][0] != 0).any()


@pytest.mark.parametrize("spec", specs.HIDDEN_ROWS, ids=str)
def test_rows_that_see_nothing(spec, backend):
    """One batch element has only rows that hide every key."""
    case = attention_case(spec, Sizes(66, 65, batch=2), backend.device)
    hidden = -math.inf if spec.parts["mask"] == "bias" else 0
    case.tensors["mask"][1] = hidden
    check(case, backend)
    result = case.tensors["result"][1]
    if "nan_hidden_rows" in spec.parts:
        assert result.isnan().all()
    else:
        assert result.isfinite().all() and (result != 0).any()


def test_summands_of_the_lowest_number_leave_each_key_its_share(backend):
    """The scores are computed in f32, although the lowest number times log2(e) would be -inf."""
    spec = specs.HIDDEN_ROWS[-1]
    case = attention_case(spec, Sizes(17, 30), backend.device)
    case.tensors["mask"].fill_(torch.finfo(torch.float32).min)
    check(case, backend)
    assert case.tensors["result"].isfinite().all() and (case.tensors["result"] != 0).any()


def test_attention_to_sink_rows_alone(backend):
    """There are no keys, or all of them are masked."""
    check(attention_case(specs.LENGTHS_ATTENTION, Sizes(17, 0), backend.device), backend)
    case = attention_case(specs.BIAS_ATTENTION, Sizes(17, 30), backend.device)
    case.tensors["mask"].fill_(-math.inf)
    check(case, backend)
    assert (case.tensors["result"] != 0).any()


def test_attention_without_queries_or_rows(backend):
    """A launch without queries or rows does nothing."""
    check(attention_case(specs.SINK_ATTENTION, Sizes(0, 10), backend.device), backend)
    check(norm_case(specs.PLAIN_NORM, 0, backend.device), backend)
