"""The healthy parts, each in the module of its name."""
