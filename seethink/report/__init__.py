"""Pages to look at: what a model was asked, how it thought, what it was paid, and whether it got better.

Every page is one HTML file that needs nothing beside itself: pictures, styles and script are inside.
"""

from seethink.report.compare import write_report
from seethink.report.look import write_look
from seethink.report.walks import write_walks

__all__ = ["write_look", "write_report", "write_walks"]
