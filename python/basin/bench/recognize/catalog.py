"""The architectures of transformers in the matrix: small sizes, and what inputs each takes.

An entry names a model type of transformers, the kind of its inputs, and what its configuration
needs besides the common sizes. Sizes that a configuration does not have are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN, VOCAB, POSITIONS = 2, 64, 4, 2, 16, 48, 99, 64
BATCH, SEQ, PAST, IMAGE, PATCH = 2, 6, 3, 32, 8

COMMON: dict[str, Any] = dict(
    hidden_size=HIDDEN,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    num_key_value_heads=KV_HEADS,
    head_dim=HEAD_DIM,
    intermediate_size=FFN,
    vocab_size=VOCAB,
    max_position_embeddings=POSITIONS,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
EXPERTS: dict[str, Any] = dict(
    num_experts=4,
    num_local_experts=4,
    n_routed_experts=4,
    moe_num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=24,
    shared_expert_intermediate_size=24,
    n_group=1,
    topk_group=1,
    first_k_dense_replace=1,
    mlp_only_layers=[],
)
LATENT: dict[str, Any] = dict(
    q_lora_rank=24,
    kv_lora_rank=16,
    qk_nope_head_dim=16,
    qk_rope_head_dim=8,
    v_head_dim=16,
    num_key_value_heads=HEADS,
    head_dim=8,
)
SEQ2SEQ: dict[str, Any] = dict(
    d_model=HIDDEN,
    encoder_layers=LAYERS,
    decoder_layers=LAYERS,
    encoder_attention_heads=HEADS,
    decoder_attention_heads=HEADS,
    encoder_ffn_dim=FFN,
    decoder_ffn_dim=FFN,
    decoder_start_token_id=1,
)
T5: dict[str, Any] = dict(
    d_model=HIDDEN, d_kv=HEAD_DIM, d_ff=FFN, num_layers=LAYERS, num_heads=HEADS,
    num_decoder_layers=LAYERS, decoder_start_token_id=1,
)  # fmt: skip
PICTURE: dict[str, Any] = dict(image_size=IMAGE, patch_size=PATCH, num_channels=3)
TOWER: dict[str, Any] = dict(
    hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=FFN
)
STAGES: dict[str, Any] = dict(
    image_size=IMAGE, patch_size=4, embed_dim=32, depths=[1, 1], num_heads=[2, 4], window_size=4
)
SPEECH: dict[str, Any] = dict(
    conv_dim=[16, 16], conv_kernel=[4, 3], conv_stride=[4, 2], num_feat_extract_layers=2,
    num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, num_adapter_layers=1,
)  # fmt: skip

# Architectures whose attention transformers has in the eager form alone.
EAGER_ONLY = frozenset(
    "gemma2 gpt_neox_japanese bloom vaultgemma gpt_oss gptj gpt_neo mpt codegen xglm mamba mamba2 "
    "falcon_mamba rwkv openai-gpt xlnet megatron-bert mpnet roformer rembert splinter "
    "nystromformer lilt deberta deberta-v2 squeezebert convbert funnel flaubert xlm longformer "
    "big_bird fnet canine mra mvp switch_transformers longt5 t5gemma prophetnet fsmt led "
    "speech_to_text vitdet swinv2 donut-swin swin2sr pvt convnextv2 timesformer wavlm".split()
)


@dataclass(frozen=True)
class Arch:
    """One model type. `kind` names its inputs: see `inputs.py`."""

    name: str
    kind: str
    extra: dict[str, Any] = field(default_factory=dict)
    model_type: str = ""
    # Whether the common sizes are given to the configuration.
    common: bool = True

    @property
    def type(self) -> str:
        """The model type that transformers knows it by."""
        return self.model_type or self.name


def _many(kind: str, names: str, **extra: Any) -> list[Arch]:
    return [Arch(name, kind, extra) for name in names.split()]


def _decoders() -> list[Arch]:
    rows = _many(
        "decoder",
        "llama mistral ministral qwen2 qwen3 gemma gemma2 phi phi3 gpt2 gpt_neox "
        "gpt_neox_japanese bloom gpt_bigcode olmo olmo2 olmo3 granite cohere cohere2 stablelm "
        "starcoder2 persimmon nemotron glm glm4 exaone4 smollm3 helium arcee apertus seed_oss "
        "hunyuan_v1_dense ernie4_5 nanochat bitnet vaultgemma modernbert-decoder biogpt "
        "jais2 cwm lfm2 internlm3 hyperclovax doge",
    )
    rows += _many(
        "decoder",
        "mixtral qwen2_moe qwen3_moe gpt_oss olmoe granitemoe phimoe glm4_moe minimax_m2 flex_olmo",
        **EXPERTS,
    )
    rows += _many("decoder", "deepseek_v2 deepseek_v3", **EXPERTS, **LATENT)
    rows += [
        Arch("minicpm3", "decoder", LATENT),
        Arch("gptj", "decoder", dict(rotary_dim=8)),
        Arch("dots1", "decoder", EXPERTS | dict(n_shared_experts=1)),
        Arch("ernie4_5_moe", "decoder", EXPERTS | dict(
            moe_k=2, moe_layer_start_index=1, moe_layer_end_index=1, moe_num_shared_experts=1)),
        Arch("qwen3_next", "decoder", EXPERTS | dict(
            layer_types=["linear_attention", "full_attention"], linear_num_key_heads=2,
            linear_num_value_heads=4, linear_key_head_dim=16, linear_value_head_dim=16)),
        Arch("jamba", "decoder", EXPERTS | dict(
            attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, mamba_d_state=8)),
        Arch("diffllama", "decoder", dict(num_key_value_heads=KV_HEADS)),
        Arch("gpt_neo", "decoder", dict(
            attention_types=[[["global", "local"], 1]], num_layers=LAYERS, window_size=4)),
        Arch("opt", "decoder", dict(ffn_dim=FFN, word_embed_proj_dim=HIDDEN)),
        Arch("mpt", "decoder", dict(
            d_model=HIDDEN, n_heads=HEADS, n_layers=LAYERS, max_seq_len=POSITIONS,
            expansion_ratio=2)),
        Arch("falcon", "decoder", dict(new_decoder_architecture=True, num_kv_heads=KV_HEADS)),
        Arch("falcon-alibi", "decoder", dict(
            alibi=True, multi_query=False, parallel_attn=False, bias=True), "falcon"),
        Arch("codegen", "decoder", dict(rotary_dim=8, n_ctx=POSITIONS)),
        Arch("ctrl", "decoder", dict(dff=FFN)),
        Arch("xglm", "decoder", dict(ffn_dim=FFN)),
        Arch("gemma3", "decoder", dict(sliding_window=4), "gemma3_text"),
        Arch("gemma3n", "decoder", dict(
            hidden_size_per_layer_input=8, vocab_size_per_layer_input=VOCAB, altup_num_inputs=2,
            laurel_rank=8, num_kv_shared_layers=0, activation_sparsity_pattern=[0.0, 0.0],
            intermediate_size=[FFN, FFN],
            layer_types=["sliding_attention", "full_attention"]), "gemma3n_text"),
        Arch("llama4", "decoder", EXPERTS | dict(
            intermediate_size_mlp=FFN, no_rope_layers=[1, 0], attention_chunk_size=32),
            "llama4_text"),
        Arch("dbrx", "decoder", dict(
            d_model=HIDDEN, n_heads=HEADS, n_layers=LAYERS, max_seq_len=POSITIONS,
            attn_config=dict(kv_n_heads=KV_HEADS, clip_qkv=8.0, rope_theta=10000.0),
            ffn_config=dict(ffn_hidden_size=FFN, moe_num_experts=4, moe_top_k=2))),
        Arch("openai-gpt", "ids"),
        Arch("xlnet", "encoder", dict(
            d_model=HIDDEN, n_layer=LAYERS, n_head=HEADS, d_inner=FFN, d_head=HEAD_DIM)),
    ]  # fmt: skip
    return rows


def _mixers() -> list[Arch]:
    """Mixers of another kind, and one that has attention in some layers."""
    return [
        Arch("mamba", "mixer", dict(state_size=8)),
        Arch("mamba2", "mixer", dict(state_size=8, num_heads=8, head_dim=16, n_groups=1)),
        Arch("falcon_mamba", "mixer", dict(state_size=8)),
        Arch("rwkv", "mixer", dict(attention_hidden_size=HIDDEN, context_length=POSITIONS)),
        Arch("recurrent_gemma", "decoder", dict(
            num_hidden_layers=3, attention_window_size=8, lru_width=HIDDEN)),
    ]  # fmt: skip


def _encoders() -> list[Arch]:
    rows = _many(
        "encoder",
        "bert roberta xlm-roberta xlm-roberta-xl electra camembert ernie megatron-bert "
        "data2vec-text mpnet roformer rembert roberta-prelayernorm roc_bert layoutlm "
        "nomic_bert eurobert splinter nystromformer gte jina_embeddings_v3",
    )
    rows += [
        Arch("lilt", "encoder", dict(hidden_size=96)),
        Arch("albert", "encoder", dict(embedding_size=24, num_hidden_groups=1)),
        Arch("distilbert", "encoder", dict(dim=HIDDEN, hidden_dim=FFN, n_layers=LAYERS, n_heads=4)),
        Arch("deberta", "encoder", dict(
            relative_attention=True, pos_att_type=["c2p", "p2c"], max_relative_positions=16)),
        Arch("deberta-v2", "encoder", dict(
            relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=8,
            max_relative_positions=16, norm_rel_ebd="layer_norm", share_att_key=True)),
        Arch("esm", "encoder", dict(
            position_embedding_type="rotary", mask_token_id=3, token_dropout=False)),
        Arch("esm-absolute", "encoder", dict(
            position_embedding_type="absolute", mask_token_id=3, token_dropout=False), "esm"),
        Arch("modernbert", "encoder", dict(
            local_attention=4, cls_token_id=1, sep_token_id=2, global_attn_every_n_layers=2)),
        Arch("mobilebert", "encoder", dict(
            embedding_size=32, true_hidden_size=32, intra_bottleneck_size=32)),
        Arch("squeezebert", "encoder", dict(embedding_size=HIDDEN)),
        Arch("convbert", "encoder", dict(embedding_size=HIDDEN, head_ratio=2)),
        Arch("funnel", "encoder", dict(
            d_model=HIDDEN, block_sizes=[1, 1], block_repeats=[1, 1], n_head=HEADS,
            d_head=HEAD_DIM, d_inner=FFN, num_decoder_layers=1)),
        Arch("flaubert", "encoder", dict(emb_dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS)),
        Arch("xlm", "encoder", dict(emb_dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS)),
        Arch("longformer", "encoder", dict(attention_window=[4, 4])),
        Arch("big_bird", "encoder", dict(attention_type="original_full")),
        Arch("fnet", "ids"),
        Arch("canine", "encoder", dict(num_hash_buckets=32, local_transformer_stride=4)),
        Arch("mra", "encoder"),
    ]  # fmt: skip
    return rows


def _seq2seq() -> list[Arch]:
    rows = _many("seq2seq", "bart mbart marian pegasus blenderbot m2m_100 plbart mvp", **SEQ2SEQ)
    rows += _many("seq2seq", "t5 mt5 umt5 switch_transformers", **T5)
    rows += [
        Arch("t5-gated", "seq2seq", T5 | dict(feed_forward_proj="gated-gelu"), "t5"),
        Arch("longt5", "seq2seq", T5 | dict(local_radius=4)),
        Arch("t5gemma", "seq2seq", dict(
            encoder=COMMON | dict(sliding_window=4), decoder=COMMON | dict(sliding_window=4)),
            common=False),
        Arch("prophetnet", "seq2seq", dict(
            num_encoder_layers=LAYERS, num_decoder_layers=LAYERS, num_encoder_attention_heads=HEADS,
            num_decoder_attention_heads=HEADS, encoder_ffn_dim=FFN, decoder_ffn_dim=FFN,
            decoder_start_token_id=1)),
        Arch("fsmt", "seq2seq", SEQ2SEQ | dict(src_vocab_size=VOCAB, tgt_vocab_size=VOCAB)),
        Arch("led", "seq2seq", SEQ2SEQ | dict(
            attention_window=4, max_encoder_position_embeddings=POSITIONS,
            max_decoder_position_embeddings=POSITIONS)),
        Arch("whisper", "whisper", SEQ2SEQ | dict(
            num_mel_bins=16, max_source_positions=16, max_target_positions=POSITIONS)),
        Arch("speech_to_text", "features2seq", SEQ2SEQ | dict(
            input_feat_per_channel=16, conv_channels=32, num_conv_layers=2,
            max_source_positions=64, max_target_positions=POSITIONS)),
    ]  # fmt: skip
    return rows


def _pictures_and_sound() -> list[Arch]:
    rows = _many(
        "image", "vit deit beit data2vec-vision dinov2 dinov2_with_registers vit_msn ijepa "
        "dinov3_vit pixio aimv2_vision_model siglip_vision_model clip_vision_model vitdet",
        **PICTURE,
    )  # fmt: skip
    rows += [Arch(name, "image", STAGES, common=False) for name in ("swin", "swinv2", "donut-swin")]
    rows.append(Arch("swin2sr", "image", STAGES | dict(patch_size=1, window_size=8), common=False))
    text = TOWER | dict(
        vocab_size=VOCAB, max_position_embeddings=POSITIONS, eos_token_id=2, projection_dim=32
    )
    vision = TOWER | PICTURE | dict(projection_dim=32)
    pair = dict(text_config=text, vision_config=vision, projection_dim=32)
    rows += [
        Arch(name, "pair", pair, common=False)
        for name in ("clip", "siglip", "chinese_clip", "metaclip_2", "clipseg")
    ]
    rows += [
        Arch("yolos", "image", PICTURE | dict(image_size=[IMAGE, IMAGE], num_detection_tokens=4)),
        Arch("segformer", "image", dict(
            image_size=IMAGE, num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1],
            hidden_sizes=[16, 32], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2],
            mlp_ratios=[2, 2], decoder_hidden_size=32), common=False),
        Arch("pvt", "image", dict(
            image_size=IMAGE, num_encoder_blocks=2, depths=[1, 1], sequence_reduction_ratios=[2, 1],
            hidden_sizes=[16, 32], patch_sizes=[4, 2], strides=[4, 2], num_attention_heads=[1, 2],
            mlp_ratios=[2, 2]), common=False),
        Arch("dpt", "image", PICTURE | dict(
            backbone_out_indices=[0, 1], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16)),
        Arch("convnextv2", "image", dict(
            image_size=IMAGE, hidden_sizes=[16, 32], depths=[1, 1], num_stages=2), common=False),
        Arch("vivit", "video", PICTURE | dict(num_frames=4, tubelet_size=[2, PATCH, PATCH])),
        Arch("videomae", "video", PICTURE | dict(num_frames=4, tubelet_size=2)),
        Arch("timesformer", "video", PICTURE | dict(num_frames=2)),
        Arch("wav2vec2", "audio", SPEECH),
        Arch("wav2vec2-stable", "audio", SPEECH | dict(
            do_stable_layer_norm=True, feat_extract_norm="layer"), "wav2vec2"),
        Arch("wav2vec2-conformer", "audio", SPEECH | dict(position_embeddings_type="rotary")),
        Arch("wav2vec2-conformer-relative", "audio", SPEECH | dict(
            position_embeddings_type="relative"), "wav2vec2-conformer"),
        Arch("hubert", "audio", SPEECH),
        Arch("wavlm", "audio", SPEECH),
        Arch("data2vec-audio", "audio", SPEECH),
        Arch("unispeech-sat", "audio", SPEECH),
        Arch("sew", "audio", SPEECH | dict(squeeze_factor=2)),
        Arch("wav2vec2-bert", "features", dict(feature_projection_input_dim=16)),
        Arch("audio-spectrogram-transformer", "spectrogram", dict(
            patch_size=8, max_length=32, num_mel_bins=16, frequency_stride=8, time_stride=8)),
        Arch("parakeet_encoder", "features", dict(
            num_mel_bins=16, subsampling_factor=4, subsampling_conv_channels=8)),
        Arch("qwen2_vl", "decoder", dict(rope_parameters=dict(
            rope_type="default", rope_theta=10000.0, mrope_section=[2, 3, 3])), "qwen2_vl_text"),
        Arch("qwen2_5_vl", "decoder", dict(rope_parameters=dict(
            rope_type="default", rope_theta=10000.0, mrope_section=[2, 3, 3])), "qwen2_5_vl_text"),
        Arch("qwen3_vl", "decoder", dict(rope_parameters=dict(
            rope_type="default", rope_theta=10000.0, mrope_section=[2, 3, 3])), "qwen3_vl_text"),
    ]  # fmt: skip
    return rows


ARCHS = {
    arch.name: arch
    for arch in [*_decoders(), *_mixers(), *_encoders(), *_seq2seq(), *_pictures_and_sound()]
}
