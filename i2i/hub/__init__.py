"""Weights that lie elsewhere: fetched once, held to their SHA-256, kept; and ours, published with a card."""
