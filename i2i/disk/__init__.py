"""What lies on the disk: complete or not there at all, and locked while somebody works on it."""
