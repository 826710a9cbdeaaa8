"""Pictures larger than memory: cut into overlapping tiles, put together again band by band."""
