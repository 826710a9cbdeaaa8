"""Files ⇄ pictures ⇄ tensors: decoding, encoding, folders, sheets."""
