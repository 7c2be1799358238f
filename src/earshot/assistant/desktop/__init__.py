"""The computer's windows and keyboard, whatever draws them.

from earshot.assistant.desktop import find_desktop

desktop = find_desktop()
desktop.type_text("Good morning")
desktop.press("ctrl+s")
"""

from earshot.assistant.desktop.base import Desktop, Window, find_desktop

__all__ = ["Desktop", "Window", "find_desktop"]
