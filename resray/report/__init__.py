"""The report: what a results folder says, as one offline HTML page. Imports no torch, no ray."""

from resray.report.page import write_report

__all__ = ["write_report"]
