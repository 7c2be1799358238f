"""One address for people and programs: the page, and the protocols that speech clients already speak.

Importing this room loads no web framework; ``earshot.server.app`` and ``earshot.server.runner`` do.
"""

from earshot.server.settings import ServerOptions

__all__ = ["ServerOptions"]
