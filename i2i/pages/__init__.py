"""Pages that a browser opens without a network: what they all look like, and their parts."""
