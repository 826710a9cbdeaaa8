"""Plain eager PyTorch, float32, as papers describe it and as scripts usually write it down; nothing of i2i is in it."""
