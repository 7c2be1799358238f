"""Looking at recordings: what can be measured of one, and pictures of it.

>>> from earshot.visual import draw, save_figure, survey
>>> with open_audio("talk.m4a") as reader:        # doctest: +SKIP
...     seen = survey(reader)
>>> save_figure(draw(seen, title="talk.m4a"), "talk.png")    # doctest: +SKIP

Importing it loads no matplotlib; drawing does (``pip install 'earshot[plot]'``).
"""

from earshot.visual.excerpt import excerpt
from earshot.visual.figure import draw, save_figure, show_figure
from earshot.visual.labels import Label
from earshot.visual.level import LevelMeter, Levels, decibels
from earshot.visual.panels import NetPicture
from earshot.visual.survey import Image, Pictures, Region, Report, Survey, survey

__all__ = [
    "Image",
    "Label",
    "LevelMeter",
    "Levels",
    "NetPicture",
    "Pictures",
    "Region",
    "Report",
    "Survey",
    "decibels",
    "draw",
    "excerpt",
    "save_figure",
    "show_figure",
    "survey",
]
