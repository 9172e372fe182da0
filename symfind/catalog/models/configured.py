"""Models of transformers whose published configs have a field that their config class lacks."""

from symfind.catalog.models import Built, integers
from symfind.load.meta import build_light


def qwen3_moe(
    vocab_size: int = 151936, hidden_size: int = 2048, intermediate_size: int = 6144,
    moe_intermediate_size: int = 768, num_hidden_layers: int = 48, num_attention_heads: int = 32,
    num_key_value_heads: int = 4, head_dim: int = 128, num_experts: int = 128,
    num_experts_per_tok: int = 8,
) -> Built:  # fmt: skip
    """Qwen3-30B-A3B, with heads wider than the stream divided by their number."""
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    config = Qwen3MoeConfig(
        vocab_size=vocab_size, hidden_size=hidden_size, intermediate_size=intermediate_size,
        moe_intermediate_size=moe_intermediate_size, num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads, num_key_value_heads=num_key_value_heads,
        head_dim=head_dim, num_experts=num_experts, num_experts_per_tok=num_experts_per_tok,
        norm_topk_prob=True, use_cache=False, attn_implementation="eager",
    )  # fmt: skip
    return build_light(lambda: Qwen3MoeForCausalLM(config)), (integers(vocab_size, 1, 16),)


def glm4_moe(
    vocab_size: int = 151552, hidden_size: int = 4096, intermediate_size: int = 10944,
    moe_intermediate_size: int = 1408, num_hidden_layers: int = 46, num_attention_heads: int = 96,
    num_key_value_heads: int = 8, head_dim: int = 128, n_routed_experts: int = 128,
    num_experts_per_tok: int = 8, n_shared_experts: int = 1, first_k_dense_replace: int = 1,
) -> Built:  # fmt: skip
    """GLM-4.5-Air."""
    from transformers import Glm4MoeConfig, Glm4MoeForCausalLM

    config = Glm4MoeConfig(
        vocab_size=vocab_size, hidden_size=hidden_size, intermediate_size=intermediate_size,
        moe_intermediate_size=moe_intermediate_size, num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads, num_key_value_heads=num_key_value_heads,
        head_dim=head_dim, n_routed_experts=n_routed_experts, n_shared_experts=n_shared_experts,
        num_experts_per_tok=num_experts_per_tok, first_k_dense_replace=first_k_dense_replace,
        attention_bias=True, use_cache=False, attn_implementation="eager",
    )  # fmt: skip
    return build_light(lambda: Glm4MoeForCausalLM(config)), (integers(vocab_size, 1, 16),)


def deberta_v3_small(
    vocab_size: int = 128100, hidden_size: int = 768, num_hidden_layers: int = 6,
    num_attention_heads: int = 12, intermediate_size: int = 3072, position_buckets: int = 256,
) -> Built:  # fmt: skip
    """DeBERTa-v3 small: content and relative positions attend to each other, with shared keys."""
    from transformers import DebertaV2Config, DebertaV2ForMaskedLM

    config = DebertaV2Config(
        vocab_size=vocab_size, hidden_size=hidden_size, num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads, intermediate_size=intermediate_size,
        position_buckets=position_buckets, relative_attention=True, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type=["p2c", "c2p"], type_vocab_size=0,
        position_biased_input=False, max_relative_positions=-1,
    )  # fmt: skip
    return build_light(lambda: DebertaV2ForMaskedLM(config)), (integers(vocab_size, 1, 16),)
