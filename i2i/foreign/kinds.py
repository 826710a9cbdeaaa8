"""Kinds of numbers, as safetensors calls them and as torch does."""

import torch

KINDS = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "U16": torch.uint16, "I16": torch.int16,
    "U32": torch.uint32, "I32": torch.int32, "U64": torch.uint64, "I64": torch.int64, "F16": torch.float16,
    "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
}  # fmt: skip
"""Those that networks of others are made of."""

NAMES = {kind: name for name, kind in KINDS.items()}
