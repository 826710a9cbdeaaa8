"""The report of a run: `report.html`, written from the files of its folder alone. No torch is imported for it."""

from i2i.training.report.reporter import Reporter

__all__ = ["Reporter"]
