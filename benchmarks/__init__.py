"""`make bench`: i2i beside plain loops in the published structures, measured in the same run."""
