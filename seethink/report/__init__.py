"""HTML pages: the report of a run, a gallery of attempts or examples, and the traces of a synthesis.

Each page is one self-contained file, with images, styles and script inside.
"""

from seethink.report.example_traces import write_traces
from seethink.report.gallery_page import write_gallery_page
from seethink.report.rollouts import question_key
from seethink.report.run_report import write_report

__all__ = ["question_key", "write_gallery_page", "write_report", "write_traces"]
