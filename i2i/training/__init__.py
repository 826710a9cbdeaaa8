"""The one loop: batches in, a self-describing weights file out."""
