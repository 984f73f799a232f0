#!/usr/bin/env python3
"""Makes golden/all_dtypes.safetensors with the reference implementation of the format, and golden/all_dtypes.json with
the bytes of every tensor in hexadecimal.

    python3 -m venv VENV && VENV/bin/pip install safetensors
    VENV/bin/python tests/checkpoint/make_safetensors_golden.py
"""

import ctypes
import json
import pathlib
import random

import safetensors

OUT = pathlib.Path(__file__).resolve().parent / "golden"

# Name in the file -> name that the library's serializer takes, bytes per element.
DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U64": ("uint64", 8),
    "U32": ("uint32", 4),
    "U16": ("uint16", 2),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
}
SHAPES = [[], [3], [2, 3], [2, 1, 3], [1, 2, 3, 1], [0, 4]]


def main():
    rng = random.Random(1)
    tensors, expected, buffers = {}, {}, []
    for i, (name, (dtype, size)) in enumerate(DTYPES.items()):
        shape = SHAPES[i % len(SHAPES)]
        count = 1
        for dim in shape:
            count *= dim
        data = rng.randbytes(count * size)
        key = f"tensor.{name.lower()} \u00e9"
        buffers.append(ctypes.create_string_buffer(data, max(len(data), 1)))
        tensors[key] = safetensors.TensorSpec(
            dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buffers[-1]), data_len=len(data)
        )
        expected[key] = {"dtype": name, "shape": shape, "hex": data.hex()}
    blob = safetensors.serialize(tensors, {"format": "pt", "note": 'with "quotes"'})
    (OUT / "all_dtypes.safetensors").write_bytes(blob)
    document = {"safetensors": safetensors.__version__, "tensors": expected}
    (OUT / "all_dtypes.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
