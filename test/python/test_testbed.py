"""basin.testbed with PyTorch: every variant trains and exports, and identities hold to the bit."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="the dynamo exporter needs onnxscript")

from basin.testbed import TestbedError, train  # noqa: E402
from basin.testbed.__main__ import main  # noqa: E402
from basin.testbed.bigram import BigramTask  # noqa: E402
from basin.testbed.config import ModelConfig, TrainConfig  # noqa: E402
from basin.testbed.data import TextTask  # noqa: E402
from basin.testbed.export import export  # noqa: E402
from basin.testbed.measure import headline, measure  # noqa: E402
from basin.testbed.model import Decoder  # noqa: E402
from basin.testbed.norms import RMSNorm  # noqa: E402
from basin.testbed.record import record  # noqa: E402

BASE = ModelConfig(vocab=20, hidden=16, layers=2, heads=4, kv_heads=2, ffn_width=24, init_std=0.2)
SHORT = TrainConfig(steps=2, batch=4, seq=12, lr=1e-2, warmup=1, log_every=1)
NORMS = [dict(norm="rms"), dict(norm="pre_affine"), dict(norm="dyt"), dict(norm="gated_dyt")]
NORMS += [
    dict(norm="gated", gate_granularity=shape, gate_activation=activation)
    for shape in ("elementwise", "tensorwise")
    for activation in ("sigmoid", "tanh", "silu", "identity")
]
OTHERS = [
    dict(attention="gated", attention_gate="head"),
    dict(attention="gated", attention_gate="element"),
    dict(attention="sink_logit"),
    dict(attention="sink_kv", sinks=2),
    dict(attention="sink_tokens", sinks=2),
    dict(ffn="glu"),
    dict(clip=0.5),
    dict(tied=True),
]
# Together these hold every value of every choice; the dynamo exporter takes seconds for each.
MIXED = [
    dict(norm="pre_affine", attention="gated", attention_gate="head", clip=0.5),
    dict(norm="gated", attention="sink_logit", ffn="glu"),
    dict(norm="dyt", attention="sink_kv", sinks=2),
    dict(norm="gated_dyt", attention="sink_tokens", gate_granularity="tensorwise", tied=True),
    dict(norm="rms", attention="gated", attention_gate="element", kv_heads=4),
]


def name(variant: dict) -> str:
    return "-".join(str(value) for value in variant.values())


def task(config: TrainConfig = SHORT) -> BigramTask:
    return BigramTask(config.batch, config.seq, config.seed, BASE.vocab - 1, held=4)


def fresh(**variant) -> Decoder:
    return train.start(replace(BASE, **variant), SHORT).model.eval()


def ids_of(batch: int, seq: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, BASE.vocab - 1, (batch, seq), generator=generator)
    ids[:, 0] = BASE.vocab - 1
    return ids


def assert_same_in_runtime(model: Decoder, path: Path, shapes: list[tuple[int, int]]) -> None:
    """The tolerance is for f32 sums of 24 terms through two layers, relative to the largest."""
    onnx.checker.check_model(str(path), full_check=True)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for shape in shapes:
        ids = ids_of(*shape)
        with torch.no_grad():
            expected = model(ids).numpy()
        (logits,) = session.run(None, {"input_ids": ids.numpy()})
        assert logits.shape == expected.shape == (*shape, BASE.vocab)
        assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("variant", NORMS + OTHERS, ids=name)
def test_variant_trains_and_exports(variant: dict, tmp_path: Path) -> None:
    run = train.start(replace(BASE, **variant), SHORT)
    before = {n: p.detach().clone() for n, p in run.model.named_parameters()}
    lines: list[str] = []
    train.train(run, task(), say=lines.append)
    assert len(lines) == 2 and all("sink" in line and "max|h|" in line for line in lines)
    assert all(np.isfinite(entry["held_out"]) for entry in run.history)
    # Every parameter takes part, so two updates change all of them.
    still = [n for n, p in run.model.named_parameters() if torch.equal(p, before[n])]
    assert not still
    if variant.get("clip"):
        assert max(np.abs(h).max() for h in record(run.model, ids_of(2, 9)).hidden) == 0.5
    export(run.model, tmp_path / "m.onnx", "script")
    assert_same_in_runtime(run.model, tmp_path / "m.onnx", [(3, 7), (1, 1)])


@pytest.mark.parametrize("variant", MIXED, ids=name)
def test_variant_exports_with_dynamo(variant: dict, tmp_path: Path) -> None:
    model = fresh(layers=1, **variant)
    export(model, tmp_path / "m.onnx", "dynamo")
    assert_same_in_runtime(model, tmp_path / "m.onnx", [(3, 7)])


def test_training_lowers_the_loss() -> None:
    config = replace(SHORT, steps=60, batch=16, log_every=60)
    run = train.start(BASE, config)
    before = train.held_out_loss(run.model, task(config))
    train.train(run, task(config), say=lambda line: None)
    assert train.held_out_loss(run.model, task(config)) < before - 0.3


def same_logits(one: Decoder, other: Decoder) -> bool:
    ids = ids_of(3, 11)
    with torch.no_grad():
        return torch.equal(one(ids), other(ids))


def with_weights_of(model: Decoder, plain: Decoder) -> Decoder:
    """`model` with every parameter that `plain` has, under the name that it has there."""
    own = dict(model.named_parameters())
    with torch.no_grad():
        for key, value in plain.named_parameters():
            if key not in own:
                stem, leaf = key.rsplit(".", 1)
                key = f"{stem}.inner.{leaf}"
            own[key].copy_(value)
    return model


def test_fresh_pre_affine_is_plain() -> None:
    plain = fresh()
    variant = with_weights_of(fresh(norm="pre_affine"), plain)
    assert same_logits(plain, variant)
    with torch.no_grad():
        variant.blocks[0].norm1.pre_affine[3] = 2
    assert not same_logits(plain, variant)


@pytest.mark.parametrize("shape", ["elementwise", "tensorwise"])
def test_half_open_norm_gate_with_doubled_weight_is_plain(shape: str) -> None:
    plain = fresh()
    variant = with_weights_of(fresh(norm="gated", gate_granularity=shape), plain)
    assert not same_logits(plain, variant)
    with torch.no_grad():
        for key, parameter in variant.named_parameters():
            if "norm" in key and key.endswith("up.weight"):
                parameter.zero_()
            if "norm" in key and key.endswith("inner.weight"):
                parameter.mul_(2)
    assert same_logits(plain, variant)


@pytest.mark.parametrize("shape", ["head", "element"])
def test_half_open_attention_gate_with_doubled_output_is_plain(shape: str) -> None:
    plain = fresh()
    variant = with_weights_of(fresh(attention="gated", attention_gate=shape), plain)
    with torch.no_grad():
        for block in variant.blocks:
            block.attention.gate.weight.zero_()
            block.attention.o.weight.mul_(2)
    assert same_logits(plain, variant)


def test_absent_sink_logit_is_plain() -> None:
    plain = fresh()
    variant = with_weights_of(fresh(attention="sink_logit"), plain)
    ids = ids_of(3, 11)
    with torch.no_grad():
        assert (plain(ids) - variant(ids)).abs().max() > 1e-3, "a logit of zero takes its share"
        for block in variant.blocks:
            block.attention.sink_logit.fill_(-torch.inf)
        # One more column may change the order of the softmax's sum, so the bits may differ.
        assert (plain(ids) - variant(ids)).abs().max() <= 1e-6 * plain(ids).abs().max()


def test_sink_logit_is_a_key_of_zeros_with_a_bias() -> None:
    """p_j = exp(s_j) / (exp(b) + sum exp(s_k)), in float64 from the plain model's softmax."""
    plain = fresh()
    variant = with_weights_of(fresh(attention="sink_logit"), plain)
    with torch.no_grad():
        variant.blocks[0].attention.sink_logit.copy_(torch.tensor([-1.0, 0.0, 1.0, 3.0]))
    ids = ids_of(2, 6)
    scores: list[torch.Tensor] = []
    variant.blocks[0].attention.softmax = lambda s: scores.append(s) or torch.softmax(s, -1)
    variant(ids)
    del variant.blocks[0].attention.softmax
    e = np.exp(scores[0].detach().double().numpy())
    bias = np.exp([-1.0, 0.0, 1.0, 3.0]).reshape(1, 4, 1, 1)
    expected = e / (bias + e.sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(record(variant, ids).probabilities[0], expected, rtol=1e-5)


def test_sink_key_of_zeros_equals_a_sink_logit_of_zero() -> None:
    """A key of zeros has score 0 for every query, and a value of zeros adds nothing."""
    plain = fresh()
    logit = with_weights_of(fresh(attention="sink_logit"), plain)
    rows = with_weights_of(fresh(attention="sink_kv"), plain)
    ids = ids_of(3, 9)
    with torch.no_grad():
        for block in rows.blocks:
            block.attention.sink_key.zero_()
            block.attention.sink_value.zero_()
        assert (logit(ids) - rows(ids)).abs().max() <= 1e-6 * logit(ids).abs().max()


def test_sink_tokens_are_embedding_rows_before_the_text() -> None:
    """The result is that of the plain model with ids whose embedding rows are the tokens."""
    variant = fresh(attention="sink_tokens", sinks=2)
    plain = fresh()
    state = {k: v for k, v in variant.state_dict().items() if k != "sink_tokens"}
    state["embed.weight"] = torch.cat((state["embed.weight"], variant.sink_tokens.detach()))
    plain.embed = torch.nn.Embedding(BASE.vocab + 2, BASE.hidden)
    plain.load_state_dict(state)
    ids = ids_of(3, 9)
    prefix = torch.tensor([[BASE.vocab, BASE.vocab + 1]]).expand(3, 2)
    with torch.no_grad():
        expected = plain(torch.cat((prefix, ids), dim=1))[:, 2:]
        torch.testing.assert_close(variant(ids), expected, rtol=1e-6, atol=1e-6)
    shapes = [a.shape for a in record(variant, ids).probabilities]
    assert shapes == [(3, 4, 9, 9)] * 2, "learnable tokens are left out"


def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(tmp_path: Path) -> None:
    config = replace(SHORT, steps=6, schedule="cosine", save_every=3)
    whole = train.train(train.start(BASE, config), task(config), say=lambda line: None)
    half = train.start(BASE, config)
    for _ in range(3):
        train.update(half, task(config))
    train.save(half, tmp_path / "c.pt")
    resumed = train.load(tmp_path / "c.pt")
    assert resumed.step == 3
    train.train(resumed, task(config), say=lambda line: None)
    for one, other in zip(whole.model.parameters(), resumed.model.parameters()):
        assert torch.equal(one, other)


def test_divergence_and_bad_checkpoints_are_reported(tmp_path: Path) -> None:
    run = train.start(BASE, SHORT)
    with torch.no_grad():
        run.model.head.weight.fill_(torch.nan)
    with pytest.raises(TestbedError, match="diverged"):
        train.update(run, task())
    torch.save({"something": 1}, tmp_path / "c.pt")
    with pytest.raises(TestbedError, match="not a testbed checkpoint"):
        train.load(tmp_path / "c.pt")


def test_metrics_of_a_model_with_a_planted_sink() -> None:
    """BOS gets one huge dimension: massive activation, peak and Havg all point at it."""
    model = fresh(hidden=64, init_std=0.02)
    with torch.no_grad():
        model.embed.weight[BASE.vocab - 1, 5] = 500
    report = measure(record(model, ids_of(4, 16)))
    massive = report["massive"]
    assert massive["is_massive"] and (massive["position"], massive["dim"]) == (0, 5)
    assert report["residual_peak"][0] > 100 and report["havg_top_to_median"] > 100
    assert report["havg_later_top_to_median"] < 10, "no other token has it"
    assert "sink" in headline(report)
    assert not measure(record(fresh(hidden=64), ids_of(4, 16)))["massive"]["is_massive"]


def test_dtype_of_the_norm_weights_recorded() -> None:
    weights = record(fresh(norm="gated"), ids_of(1, 4)).norm_weights
    assert len(weights) == 5 and all(w.shape == (BASE.hidden,) for w in weights.values())
    assert sum(isinstance(m, RMSNorm) for m in fresh(norm="gated").modules()) == 5


def test_command_line(tmp_path: Path, capsys) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(bytes(range(256)) * 40)
    checkpoint, out = tmp_path / "c.pt", tmp_path / "m.onnx"
    sizes = ["--hidden", "16", "--layers", "1", "--heads", "2", "--kv-heads", "1"]
    command = ["train", "text", str(text), "--checkpoint", str(checkpoint), *sizes]
    command += ["--ffn-width", "16", "--steps", "2", "--seq", "16", "--batch", "2", "--log-every"]
    assert main([*command, "1"]) == 0
    assert "step 2/2" in capsys.readouterr().out
    assert main(["measure", str(checkpoint), "text", str(text), "--sequences", "4"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 2
    assert main(["export", str(checkpoint), str(out)]) == 0
    assert ort.InferenceSession(str(out)).get_inputs()[0].shape == ["batch", "seq"]
    assert main(["export", str(checkpoint), str(out), "--exporter", "dynamo", "--opset", "17"]) == 1
    assert "expected 18 or later for the dynamo exporter, but got 17" in capsys.readouterr().err
    assert main(["measure", str(tmp_path / "none.pt"), "bigram"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_text_windows_and_the_held_out_tenth(tmp_path: Path) -> None:
    path = tmp_path / "text"
    data = np.arange(2000) % 251
    path.write_bytes(data.astype(np.uint8).tobytes())
    source = TextTask([path], batch=5, seq=32, seed=1)
    ids, targets = source.batch(7)
    assert (ids[:, 0] == 256).all() and np.array_equal(ids[:, 1:], targets[:, :-1])
    assert np.array_equal((targets[:, :-1] + 1) % 251, targets[:, 1:])
    again = TextTask([path], batch=5, seq=32, seed=1).batch(7)
    assert np.array_equal(again[0], ids) and not np.array_equal(source.batch(8)[0], ids)
    assert len(source.data) == 1800
    path.write_bytes(b"short")
    with pytest.raises(TestbedError, match="too few"):
        TextTask([path], batch=5, seq=32, seed=1)


def test_same_seed_same_weights() -> None:
    one, other = fresh(), copy.deepcopy(fresh())
    assert same_logits(one, other)
    third = train.start(BASE, replace(SHORT, seed=1)).model
    assert not same_logits(one, third)
