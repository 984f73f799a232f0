#!/usr/bin/env python3
"""Makes the tiny random checkpoints under tests/model/golden and what transformers computes on them.

Each case is a directory: config.json and model.safetensors as transformers writes them,
golden.json (prompt, greedy continuation, seed, versions) and golden.safetensors with two fp32
tensors: `logits` [prompt, vocab], the logits of every prompt position, and `greedy_logits`
[32, vocab], the logits that chose each greedy token. All computed in fp32 on the CPU with eager
attention, by full recomputation (no cache), and checked against `generate` with its cache.

A seed is taken only when the 32 greedy tokens hold no near-tie (the best logit leads by 1e-2 or
more), no end-of-sequence token and at least 8 different tokens, so that a difference means a bug.

Run once, in a virtual environment outside the tree; torch is no dependency of build or tests:
    python3 -m venv VENV && VENV/bin/pip install torch transformers
    VENV/bin/python tests/model/make_arch_golden.py [CASE ...]
The versions that made the committed files stand in each golden.json.
"""

import json
import pathlib
import platform
import shutil
import sys

import safetensors
import safetensors.torch
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent / "golden"
PROMPT_TOKENS = 40
GREEDY_TOKENS = 32
SMALLEST_GAP = 1e-2
SMALLEST_VARIETY = 8
EOS = 2

COMMON = dict(
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=151,
    max_position_embeddings=256,
    rms_norm_eps=1e-5,
    bos_token_id=1,
    eos_token_id=EOS,
    tie_word_embeddings=False,
)


def case(model_type, dtype, rope=None, spelling="new", drop=(), put=None, **settings):
    """`rope` holds rope_parameters; `spelling` "old" writes the config as transformers 4 did;
    `drop` names config keys to leave out, so that a reader has to derive them; `put` holds keys
    to write that transformers would have normalised away."""
    return dict(
        model_type=model_type,
        dtype=dtype,
        rope=rope or {"rope_type": "default", "rope_theta": 10000.0},
        spelling=spelling,
        drop=drop,
        put=put or {},
        settings={**COMMON, **settings},
    )


CASES = {
    "llama_gqa_tied": case("llama", "float16", tie_word_embeddings=True),
    "llama_mha_linear_rope": case(
        "llama",
        "float16",
        rope={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5},
        spelling="old",
        num_key_value_heads=4,
    ),
    "llama_llama3_rope_biases": case(
        "llama",
        "float32",
        # Wavelengths 6, 22, 75, ... fall below, between and above 64 / 4 and 64 / 1.
        rope={
            "rope_type": "llama3",
            "rope_theta": 20000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        spelling="old",
        attention_bias=True,
        mlp_bias=True,
    ),
    "llama_yarn_rope": case(
        "llama",
        "float16",
        rope={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "beta_fast": 8.0,
            "beta_slow": 1.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "llama_yarn_rope_mscale": case(
        "llama",
        "bfloat16",
        rope={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "beta_fast": 4.0,
            "beta_slow": 1.0,
            "mscale": 1.0,
            "mscale_all_dim": 0.5,
            "truncate": False,
            "original_max_position_embeddings": 64,
        },
        spelling="old",
    ),
    "llama_mqa_wide_heads": case(
        "llama", "float16", num_attention_heads=4, num_key_value_heads=1, head_dim=32
    ),
    "llama_odd_sizes": case(
        "llama",
        "bfloat16",
        hidden_size=72,
        intermediate_size=100,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=24,
    ),
    "mistral_window": case("mistral", "float16", sliding_window=16),
    "mistral_no_window": case(
        "mistral", "bfloat16", spelling="old", sliding_window=None, head_dim=24
    ),
    "qwen2_tied": case(
        "qwen2",
        "float16",
        rope={"rope_type": "default", "rope_theta": 1000000.0},
        spelling="old",
        drop=("layer_types",),
        tie_word_embeddings=True,
        use_sliding_window=False,
        put={"sliding_window": 16},
    ),
    "qwen2_window": case(
        "qwen2",
        "float16",
        spelling="old",
        drop=("layer_types",),
        num_hidden_layers=3,
        intermediate_size=96,
        use_sliding_window=True,
        sliding_window=16,
        max_window_layers=1,
    ),
    "qwen3_tied": case(
        "qwen3",
        "float16",
        rope={"rope_type": "default", "rope_theta": 1000000.0},
        tie_word_embeddings=True,
        head_dim=32,
    ),
    "qwen3_layer_types": case(
        "qwen3",
        "float16",
        num_hidden_layers=3,
        intermediate_size=96,
        head_dim=16,
        attention_bias=True,
        use_sliding_window=True,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
}

CLASSES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
}


def fill(model, generator):
    """Weights scaled so that activations stay near one and logits are well spread."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            values = 1.0 + 0.2 * noise
        elif name.endswith(".bias"):
            values = 0.3 * noise
        elif "embed_tokens" in name:
            values = 0.5 * noise
        elif "lm_head" in name:
            values = 4.0 * noise / parameter.shape[1] ** 0.5
        else:
            values = 1.5 * noise / parameter.shape[1] ** 0.5
        parameter.data.copy_(values)


def old_spelling(config):
    """rope_parameters -> rope_theta + rope_scaling, dtype -> torch_dtype."""
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")


def write_checkpoint(directory, what, seed):
    config_class, model_class = CLASSES[what["model_type"]]
    config = config_class(**what["settings"], rope_parameters=dict(what["rope"]))
    model = model_class(config)
    fill(model, torch.Generator().manual_seed(seed))
    model = model.to(getattr(torch, what["dtype"]))
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)

    path = directory / "config.json"
    written = json.loads(path.read_text())
    if what["spelling"] == "old":
        old_spelling(written)
    for key in what["drop"]:
        written.pop(key, None)
    written.update(what["put"])
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")


@torch.no_grad()
def golden(directory, what, seed):
    """The goldens of the checkpoint as it lies on disk, or None where the seed is unsuitable."""
    _, model_class = CLASSES[what["model_type"]]
    model = model_class.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    vocab = what["settings"]["vocab_size"]
    generator = torch.Generator().manual_seed(seed + 1000)
    prompt = [1] + torch.randint(3, vocab, (PROMPT_TOKENS - 1,), generator=generator).tolist()

    prompt_logits = model(torch.tensor([prompt]), use_cache=False).logits[0]
    ids, rows, gaps = list(prompt), [], []
    for _ in range(GREEDY_TOKENS):
        row = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = row.topk(2).values
        gaps.append(float(best[0] - best[1]))
        rows.append(row)
        ids.append(int(row.argmax()))
    greedy = ids[len(prompt):]
    if min(gaps) < SMALLEST_GAP or EOS in greedy or len(set(greedy)) < SMALLEST_VARIETY:
        return None

    cached = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=GREEDY_TOKENS,
        pad_token_id=0,
    )[0, len(prompt):].tolist()
    if cached != greedy:
        raise SystemExit(f"{directory.name}: cached and recomputed generation differ")

    tensors = {"logits": prompt_logits.contiguous(), "greedy_logits": torch.stack(rows)}
    about = {
        "prompt_ids": prompt,
        "greedy_ids": greedy,
        "smallest_top2_gap": round(min(gaps), 4),
        "logits_std": round(float(prompt_logits.std()), 3),
        "seed": seed,
        "made_by": "tests/model/make_arch_golden.py",
        "computed_in": "float32, cpu, eager attention",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "safetensors": safetensors.__version__,
        },
    }
    return about, tensors


def main():
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    for name in sys.argv[1:] or CASES:
        what, directory = CASES[name], OUT / name
        for seed in range(1, 200):
            write_checkpoint(directory, what, seed)
            made = golden(directory, what, seed)
            if made is not None:
                break
        else:
            raise SystemExit(f"{name}: no seed gives a continuation without near-ties")
        about, tensors = made
        (directory / "golden.json").write_text(json.dumps(about, indent=1) + "\n")
        safetensors.torch.save_file(tensors, directory / "golden.safetensors")
        size = (directory / "model.safetensors").stat().st_size
        print(
            f"{name}: seed {seed}, {size / 1000:.0f} kB, smallest gap"
            f" {about['smallest_top2_gap']}, {len(set(about['greedy_ids']))} different tokens"
        )


if __name__ == "__main__":
    main()
