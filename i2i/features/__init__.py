"""Numbers that describe pictures, so that they can be compared."""
