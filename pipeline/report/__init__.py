"""Merged results -> the HTML summary: plain files that need no server, no script and no other host."""

from pipeline.report.render import render
from pipeline.report.summary import Summary, summarize

__all__ = ["Summary", "render", "summarize"]
