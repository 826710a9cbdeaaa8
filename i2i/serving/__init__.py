"""A local page and a small API that translate what is sent to them; needs the extra `i2i[serve]`."""
