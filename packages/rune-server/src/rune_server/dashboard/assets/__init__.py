"""What browsers load beside the pages: our own files, and packages that npm brings at build time.

``python -m rune_server.dashboard.assets`` fetches the packages that ``frontend/package-lock.json``
pins (npm checks each against its integrity hash), keeps the few files that the dashboard uses in
``static/vendor`` and records for which lock they were made. That folder is not committed. Wheels
carry it, so that an installed server needs neither Node nor npm; from a clone it is made on first
need.
"""

from rune_server.dashboard.assets.files import StaticFiles, load
from rune_server.dashboard.assets.packages import AssetsError, ensure, fetch, up_to_date

__all__ = ["AssetsError", "StaticFiles", "ensure", "fetch", "load", "up_to_date"]
