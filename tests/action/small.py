"""Architectures of the catalog, and others that pack, group, tie or offset, at small sizes."""

from typing import Any

SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
MOE = {**SIZES, "moe_intermediate_size": 8, "num_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    **SIZES, "num_key_value_heads": 4, "moe_intermediate_size": 8, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "q_lora_rank": 12,
    "kv_lora_rank": 10, "qk_rope_head_dim": 4, "qk_nope_head_dim": 6, "v_head_dim": 8,
    "first_k_dense_replace": 0, "n_shared_experts": 1,
}  # fmt: skip
PLAIN = {name: n for name, n in SIZES.items() if name != "num_key_value_heads"}
TOKENS = ("input_ids=i64<40>[2,6]",)
PAIR = ("input_ids=i64<40>[1,6]", "decoder_input_ids=i64<40>[1,6]")
IMAGE, LARGE = ("f32[1,3,32,32]",), ("f32[1,3,64,64]",)
NONE: tuple[str, ...] = ()
SMALL: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "transformers:GPT2LMHeadModel": (
        {"n_layer": 1, "n_embd": 12, "n_head": 3, "vocab_size": 40}, TOKENS,
    ),
    "transformers:GPTNeoXForCausalLM": (PLAIN, TOKENS),
    "transformers:LlamaForCausalLM": (SIZES, TOKENS),
    "transformers:MistralForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Qwen2ForCausalLM": ({**SIZES, "tie_word_embeddings": True}, TOKENS),
    "transformers:Qwen3ForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Gemma2ForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Phi3ForCausalLM": ({**SIZES, "pad_token_id": 0}, TOKENS),
    "transformers:MixtralForCausalLM": ({**SIZES, "num_local_experts": 3}, TOKENS),
    "transformers:BertForMaskedLM": (PLAIN, TOKENS),
    "transformers:T5ForConditionalGeneration": (
        {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4, "vocab_size": 40},
        PAIR,
    ),
    "transformers:OPTForCausalLM": (
        {"vocab_size": 40, "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 1,
         "num_attention_heads": 4, "word_embed_proj_dim": 16, "max_position_embeddings": 32},
        TOKENS,
    ),
    "transformers:BloomForCausalLM": (
        {"vocab_size": 40, "hidden_size": 32, "n_layer": 1, "n_head": 4}, TOKENS,
    ),
    "transformers:GPTJForCausalLM": (
        {"vocab_size": 40, "n_embd": 32, "n_layer": 1, "n_head": 4, "rotary_dim": 4,
         "n_positions": 32},
        TOKENS,
    ),
    "transformers:MptForCausalLM": (
        {"vocab_size": 40, "d_model": 32, "n_layers": 1, "n_heads": 4, "expansion_ratio": 2},
        TOKENS,
    ),
    "transformers:GemmaForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Gemma3ForCausalLM": ({**SIZES, "head_dim": 8, "sliding_window": 8}, TOKENS),
    "transformers:PhiForCausalLM": (PLAIN, TOKENS),
    "transformers:FalconForCausalLM": (
        {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
         "bias": False},
        TOKENS,
    ),
    "transformers:OlmoForCausalLM": (SIZES, TOKENS),
    "transformers:Olmo2ForCausalLM": (SIZES, TOKENS),
    "transformers:CohereForCausalLM": (SIZES, TOKENS),
    "transformers:GlmForCausalLM": (
        {**SIZES, "head_dim": 8, "attention_bias": True, "pad_token_id": 0}, TOKENS,
    ),
    "transformers:SmolLM3ForCausalLM": (
        {**SIZES, "pad_token_id": 0, "tie_word_embeddings": True}, TOKENS,
    ),
    "transformers:Llama4ForCausalLM": (
        {**SIZES, "intermediate_size_mlp": 24, "head_dim": 8, "num_local_experts": 2,
         "num_experts_per_tok": 1, "pad_token_id": 0},
        TOKENS,
    ),
    "transformers:Qwen2MoeForCausalLM": ({**MOE, "shared_expert_intermediate_size": 8}, TOKENS),
    "transformers:Qwen3MoeForCausalLM": (MOE, TOKENS),
    "transformers:OlmoeForCausalLM": (
        {**SIZES, "num_experts": 4, "num_experts_per_tok": 2}, TOKENS,
    ),
    "transformers:DeepseekV2ForCausalLM": (LATENT, TOKENS),
    "transformers:DeepseekV3ForCausalLM": (LATENT, TOKENS),
    "transformers:GptOssForCausalLM": (
        {**SIZES, "head_dim": 8, "num_local_experts": 3, "num_experts_per_tok": 2}, TOKENS,
    ),
    "transformers:MambaForCausalLM": (
        {"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 1, "state_size": 4}, TOKENS,
    ),
    "transformers:RwkvForCausalLM": (
        {"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 2, "attention_hidden_size": 12,
         "intermediate_size": 16},
        TOKENS,
    ),
    "transformers:RobertaForMaskedLM": ({**PLAIN, "type_vocab_size": 1}, TOKENS),
    "transformers:DistilBertForMaskedLM": (
        {"vocab_size": 40, "dim": 16, "n_layers": 1, "n_heads": 4, "hidden_dim": 24}, TOKENS,
    ),
    "transformers:AlbertForMaskedLM": ({**PLAIN, "embedding_size": 8}, TOKENS),
    "transformers:ModernBertForMaskedLM": ({**PLAIN, "pad_token_id": 0}, TOKENS),
    "transformers:BartForConditionalGeneration": (
        {"vocab_size": 40, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
         "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
         "decoder_ffn_dim": 24, "max_position_embeddings": 32},
        PAIR,
    ),
    "torchvision:squeezenet1_1": ({"num_classes": 5}, LARGE),
    "torchvision.models.densenet:DenseNet": (
        {"num_classes": 5, "block_config": (2, 2), "growth_rate": 4, "num_init_features": 8},
        LARGE,
    ),
    "timm.models.mlp_mixer:MlpMixer": (
        {"num_classes": 5, "num_blocks": 1, "img_size": 32, "embed_dim": 24}, IMAGE,
    ),
    "timm.models.convmixer:ConvMixer": ({"num_classes": 5, "dim": 16, "depth": 1}, IMAGE),
    "timm.models.metaformer:MetaFormer": (
        {"num_classes": 5, "depths": (1, 1), "dims": (8, 12)}, IMAGE,
    ),
    "timm:beit_base_patch16_224": (
        {"num_classes": 5, "depth": 1, "embed_dim": 24, "num_heads": 3, "img_size": 32}, IMAGE,
    ),
    "torchvision:resnet18": ({"num_classes": 5}, IMAGE),
    "timm:convnext_atto": ({"num_classes": 5, "depths": (1, 1, 1, 1)}, IMAGE),
    "timm:vit_tiny_patch16_224": ({"num_classes": 5, "depth": 1, "img_size": 32}, IMAGE),
    "transformers:Mamba2ForCausalLM": (
        {"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1, "state_size": 4, "expand": 2,
         "head_dim": 4, "num_heads": 4, "n_groups": 1, "chunk_size": 4},
        TOKENS,
    ),
    "transformers:ElectraForPreTraining": ({**PLAIN, "embedding_size": 8}, TOKENS),
    "transformers:WhisperForConditionalGeneration": (
        {"vocab_size": 40, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
         "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
         "decoder_ffn_dim": 24, "num_mel_bins": 6, "max_source_positions": 5,
         "max_target_positions": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
         "decoder_start_token_id": 1},
        ("input_features=f32[1,6,10]", "decoder_input_ids=i64<40>[1,4]"),
    ),
    "transformers:ViTMAEModel": (
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4, "image_size": 16,
         "intermediate_size": 24, "patch_size": 8, "mask_ratio": 0.0},
        ("pixel_values=f32[1,3,16,16]",),
    ),
    "transformers:SegformerForSemanticSegmentation": (
        {"num_labels": 5, "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 12, 16],
         "num_attention_heads": [1, 2, 2, 2], "mlp_ratios": [2, 2, 2, 2],
         "decoder_hidden_size": 12},
        ("pixel_values=f32[1,3,32,32]",),
    ),
    "transformers:CLIPVisionModel": (
        {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
         "num_attention_heads": 4, "image_size": 16, "patch_size": 8},
        ("pixel_values=f32[1,3,16,16]",),
    ),
    "transformers:SiglipVisionModel": (
        {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
         "num_attention_heads": 4, "image_size": 16, "patch_size": 8},
        ("pixel_values=f32[1,3,16,16]",),
    ),
    "transformers:SamVisionModel": (
        {"hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "mlp_dim": 24,
         "num_attention_heads": 4, "image_size": 32, "patch_size": 8, "window_size": 2,
         "global_attn_indexes": [1]},
        ("pixel_values=f32[1,3,32,32]",),
    ),
    "torchvision:shufflenet_v2_x0_5": ({"num_classes": 5}, IMAGE),
    "timm:convnextv2_atto": ({"num_classes": 5, "depths": (1, 1, 1, 1)}, IMAGE),
    "timm:swin_tiny_patch4_window7_224": (
        {"num_classes": 5, "depths": (2, 1), "embed_dim": 8, "num_heads": (2, 2), "img_size": 32,
         "window_size": 4},
        IMAGE,
    ),
    "timm:swinv2_tiny_window8_256": (
        {"num_classes": 5, "depths": (2, 1), "embed_dim": 8, "num_heads": (2, 2), "img_size": 32,
         "window_size": 4},
        IMAGE,
    ),
    "symfind.catalog.models.images:unet": ({"width": 4, "depth": 1}, NONE),
    "symfind.catalog.models.images:dit_xl_2": (
        {"width": 16, "depth": 1, "heads": 4, "n_classes": 6}, NONE,
    ),
    "symfind.catalog.models.images:dcgan_generator": ({"d_latent": 5, "width": 2}, NONE),
    "symfind.catalog.models.images:dcgan_discriminator": ({"width": 2}, NONE),
    "symfind.catalog.models.fields:nerf": ({"width": 6, "octaves": 2, "view_octaves": 1}, NONE),
    "symfind.catalog.models.fields:deeponet": ({"sensors": 5, "width": 6}, NONE),
    "symfind.catalog.models.fields:kan": ({}, NONE),
    "symfind.catalog.models.points:deep_sets": ({"width": 6, "d_out": 4}, NONE),
    "symfind.catalog.models.points:egnn": ({"kinds": 4, "width": 6, "depth": 2}, NONE),
    "symfind.catalog.models.graphs:gcn": ({"d_in": 9, "d_hidden": 5}, NONE),
    "symfind.catalog.models.graphs:gin": ({"width": 6, "depth": 2}, NONE),
    "symfind.catalog.models.graphs:graphsage": ({"d_in": 9, "d_hidden": 6}, NONE),
    "symfind.catalog.models.tables:ncf": ({"users": 9, "items": 11, "size": 4}, NONE),
    "symfind.catalog.models.tables:word2vec": ({"vocabulary": 20, "size": 5}, NONE),
    "symfind.catalog.models.sequences:transformer_base": (
        {"vocabulary": 20, "width": 8, "heads": 2, "depth": 1, "hidden": 12}, NONE,
    ),
    "symfind.catalog.models.sequences:lstm_lm": ({"vocabulary": 20, "width": 6, "depth": 2}, NONE),
    "symfind.catalog.models.sequences:ngpt": (
        {"vocabulary": 20, "width": 8, "heads": 2, "hidden": 12, "depth": 1}, NONE,
    ),
    "symfind.catalog.models.sequences:retnet": (
        {"vocabulary": 20, "width": 8, "heads": 2, "hidden": 12, "depth": 1}, NONE,
    ),
}  # fmt: skip
