#!/usr/bin/env python3
"""Makes golden_fp32.json of an EXL3 model: what transformers computes from its decoded weights.

The weights are decoded here, from the description of the format (docs/exl3.md) and in torch, so
that the result is independent of src/exl3 and src/backend. Codebook mul1 alone. The prompts are
those of the golden_fp32.json of the model that was quantized. Computed in fp32 on the CPU with
eager attention, by full recomputation. `smallest_margin` is by how much the best logit leads at
the closest of the greedy choices.

Run once, in a virtual environment outside the tree; torch is no dependency of build or tests:
    python3 -m venv VENV && VENV/bin/pip install torch transformers
    VENV/bin/python tests/model/make_exl3_golden.py EXL3_DIR PARENT_DIR
"""

import json
import math
import pathlib
import platform
import sys

import safetensors.torch
import torch
import transformers

MAX_TOKENS = 80
MULTIPLIER = 0x83DCD12D


def hadamard(size):
    matrix = torch.ones(1, 1)
    while matrix.shape[0] < size:
        matrix = torch.cat(
            [torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)], 0
        )
    return matrix / math.sqrt(size)


def codebook_mul1():
    """The value of each of the 65536 states."""
    product = torch.arange(65536, dtype=torch.int64) * MULTIPLIER & 0xFFFFFFFF
    byte_sum = sum((product >> shift) & 0xFF for shift in (0, 8, 16, 24))
    factor = torch.tensor(0x1EEE, dtype=torch.int16).view(torch.float16).double()
    offset = torch.tensor(0xC931 - 65536, dtype=torch.int16).view(torch.float16).double()
    return ((1024 + byte_sum).double() * factor + offset).half().float()


def decode_trellis(trellis, codebook):
    """[in / 16, out / 16, 16 K] int16 to the rotated weights [in, out]."""
    rows, columns, words = trellis.shape
    bits = words // 16
    stored = trellis.to(torch.int64) & 0xFFFF
    stream = stored[..., torch.arange(words) ^ 1]  # the halves of each 32-bit word are swapped
    shifts = torch.arange(15, -1, -1)
    stream = ((stream[..., None] >> shifts) & 1).reshape(rows, columns, 256 * bits)
    weights = torch.empty(rows * 16, columns * 16)
    for step in range(256):
        window = [((step + 1) * bits - 16 + i) % (256 * bits) for i in range(16)]
        states = (stream[..., window] << shifts).sum(-1)
        lane, j = step >> 3, step & 7
        row = 2 * (lane & 3) + (j & 1) + 8 * ((j >> 1) & 1)
        column = (lane >> 2) + 8 * (j >> 2)
        weights[row::16, column::16] = codebook[states]
    return weights


def decode_linear(tensors, key, codebook):
    """The weight [out, in], padded."""
    rotated = decode_trellis(tensors[key + ".trellis"], codebook)
    transform = hadamard(128)
    num_in, num_out = rotated.shape
    rotated = (rotated.reshape(num_in, -1, 128) @ transform).reshape(num_in, num_out)
    rotated = torch.einsum("ab,ibn->ian", transform, rotated.reshape(-1, 128, num_out))
    rotated = rotated.reshape(num_in, num_out)
    suh, svh = tensors[key + ".suh"].float(), tensors[key + ".svh"].float()
    return (suh[:, None] * rotated * svh[None, :]).T.contiguous()


def load(directory, parent):
    config = transformers.AutoConfig.from_pretrained(parent)
    config.tie_word_embeddings = False
    model = transformers.LlamaForCausalLM._from_config(
        config, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    tensors = safetensors.torch.load_file(directory / "model.safetensors")
    codebook = codebook_mul1()
    state = {}
    for name, wanted in model.state_dict().items():
        key = name.removesuffix(".weight")
        if key + ".trellis" in tensors:
            weight = decode_linear(tensors, key, codebook)
            state[name] = weight[: wanted.shape[0], : wanted.shape[1]]
        else:
            state[name] = tensors[name].float()
    model.load_state_dict(state, strict=True)
    return model


@torch.no_grad()
def main():
    directory, parent = map(pathlib.Path, sys.argv[1:3])
    model = load(directory, parent)
    stops = json.loads((directory / "generation_config.json").read_text())["eos_token_id"]
    prompts = []
    for golden in json.loads((parent / "golden_fp32.json").read_text()):
        prompt = golden["prompt_ids"]
        ids, margins, top = list(prompt), [], None
        while len(margins) < MAX_TOKENS:
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
            best = torch.topk(logits, 8)
            if top is None:
                top = [[int(i), round(float(v), 5)] for v, i in zip(best.values, best.indices)]
            margins.append(float(best.values[0] - best.values[1]))
            ids.append(int(best.indices[0]))
            if ids[-1] in stops:
                break
        prompts.append(
            {
                "prompt": golden["prompt"],
                "prompt_ids": prompt,
                "greedy_ids": ids[len(prompt) :],
                "smallest_margin": round(min(margins), 5),
                "last_logits_top": top,
            }
        )
    document = {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "prompts": prompts,
    }
    text = json.dumps(document, indent=1)
    (directory / "golden_fp32.json").write_text(text + "\n")
    for prompt in prompts:
        print(len(prompt["greedy_ids"]), prompt["smallest_margin"])


main()
