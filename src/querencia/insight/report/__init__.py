"""A report of a purchase log: facts as JSON, and one page that can be mailed."""

from querencia.insight.report.facts import build
from querencia.insight.report.page import html

__all__ = ["build", "html"]
