#!/usr/bin/env python3
"""Makes golden/configs.json: config.json files and what transformers understands by each of them.

Every case is what a model directory may hold, often with keys left out, so that defaults count;
"expected" are the values that transformers' own configuration class ends up with.

    python3 -m venv VENV && VENV/bin/pip install transformers
    VENV/bin/python tests/checkpoint/make_config_golden.py
"""

import json
import pathlib

import transformers

OUT = pathlib.Path(__file__).resolve().parent / "golden" / "configs.json"

ARCHITECTURES = {
    "llama": ("LlamaForCausalLM", transformers.LlamaConfig),
    "mistral": ("MistralForCausalLM", transformers.MistralConfig),
    "qwen2": ("Qwen2ForCausalLM", transformers.Qwen2Config),
    "qwen3": ("Qwen3ForCausalLM", transformers.Qwen3Config),
}

SIZES = dict(
    hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=32, vocab_size=999
)

LLAMA3 = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=8192,
)

CASES = {
    "llama_bare": ("llama", {}),
    "llama_full": (
        "llama",
        dict(
            num_key_value_heads=8,
            head_dim=128,
            max_position_embeddings=131072,
            rms_norm_eps=1e-5,
            rope_theta=500000.0,
            rope_scaling=LLAMA3,
            tie_word_embeddings=True,
            attention_bias=True,
            mlp_bias=True,
            bos_token_id=128000,
            eos_token_id=[128001, 128008, 128009],
        ),
    ),
    "llama_rope_parameters": ("llama", dict(rope_parameters=dict(LLAMA3, rope_theta=300000.0))),
    "llama_old_linear": ("llama", dict(rope_scaling=dict(type="linear", factor=4.0))),
    "llama_nulls": (
        "llama",
        dict(
            num_key_value_heads=None,
            head_dim=None,
            rope_scaling=None,
            bos_token_id=None,
            eos_token_id=None,
        ),
    ),
    "llama_ignores_windows": ("llama", dict(sliding_window=64, use_sliding_window=True)),
    "llama_theta_in_both": (
        "llama",
        dict(rope_theta=1e6, rope_parameters=dict(rope_type="default", rope_theta=2e6)),
    ),
    "llama_yarn": (
        "llama",
        dict(
            max_position_embeddings=4096,
            rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=1024),
        ),
    ),
    "mistral_bare": ("mistral", {}),
    "mistral_no_window": ("mistral", dict(sliding_window=None)),
    "mistral_window": ("mistral", dict(sliding_window=100, head_dim=16, rope_theta=1e6)),
    "qwen2_bare": ("qwen2", {}),
    "qwen2_unused_window": (
        "qwen2",
        dict(sliding_window=32768, use_sliding_window=False, max_window_layers=2, rope_theta=1e6),
    ),
    "qwen2_window": (
        "qwen2",
        dict(sliding_window=512, use_sliding_window=True, max_window_layers=3, num_key_value_heads=4),
    ),
    "qwen2_default_first_window": (
        "qwen2",
        dict(use_sliding_window=True, num_hidden_layers=30),
    ),
    "qwen2_null_window": (
        "qwen2",
        dict(use_sliding_window=True, sliding_window=None, max_window_layers=0),
    ),
    "qwen3_bare": ("qwen3", {}),
    "qwen3_head_dim": ("qwen3", dict(head_dim=64, num_key_value_heads=8, attention_bias=True)),
    "qwen3_layer_types": (
        "qwen3",
        dict(
            use_sliding_window=True,
            sliding_window=77,
            layer_types=[
                "full_attention",
                "sliding_attention",
                "sliding_attention",
                "full_attention",
            ],
        ),
    ),
}


def windows(model_type, config):
    """What the model's attention layers take from the configuration."""
    layers = config.num_hidden_layers
    if model_type == "llama":
        return [0] * layers
    if model_type == "mistral":
        return [config.sliding_window or 0] * layers
    return [
        config.sliding_window if kind == "sliding_attention" else 0 for kind in config.layer_types
    ]


def as_list(ids):
    return [] if ids is None else ids if isinstance(ids, list) else [ids]


def expected(model_type, config):
    heads = config.num_attention_heads
    # The biases are fixed in the models' own code except where attention_bias is read.
    by_type = {"mistral": (False, False), "qwen2": (True, False)}
    configured = getattr(config, "attention_bias", False)
    inputs, output = by_type.get(model_type, (configured, configured))
    rope = dict(config.rope_parameters)
    return dict(
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        tie_word_embeddings=config.tie_word_embeddings,
        attention_bias=inputs,
        attention_output_bias=output,
        mlp_bias=getattr(config, "mlp_bias", False) if model_type == "llama" else False,
        layer_windows=windows(model_type, config),
        bos_token_id=config.bos_token_id,
        eos_token_ids=as_list(config.eos_token_id),
        rope_type=rope["rope_type"],
        rope_theta=rope["rope_theta"],
        rope_factor=rope.get("factor", 1.0),
    )


def main():
    cases = []
    for name, (model_type, settings) in CASES.items():
        architecture, config_class = ARCHITECTURES[model_type]
        written = SIZES | settings | dict(architectures=[architecture], model_type=model_type)
        config = config_class.from_dict(json.loads(json.dumps(written)))
        cases.append(dict(name=name, config=written, expected=expected(model_type, config)))
    document = dict(
        made_by="tests/checkpoint/make_config_golden.py",
        transformers=transformers.__version__,
        cases=cases,
    )
    OUT.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
