"""Networks that several plugins share; a plugin takes them from `i2i` itself."""
