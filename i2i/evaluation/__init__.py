"""How good pictures are, measured the way the field measures it. Importing this package imports no torch."""
