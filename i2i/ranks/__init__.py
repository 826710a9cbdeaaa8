"""Several processes that do one job: how they are started, and which part is whose."""
