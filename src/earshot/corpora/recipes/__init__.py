"""Recipes of corpora, one file each: a new file here is a new recipe.

Other packages add theirs through the entry-point group ``earshot.corpora``::

    [project.entry-points."earshot.corpora"]
    mine = "my_package.corpus:RECIPE"        # an earshot.corpora.recipes.Recipe
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points

from earshot.core.errors import CorpusError, nearest
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe

GROUP = "earshot.corpora"


def _modules() -> dict[str, str]:
    names = (module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    return {name.replace("_", "-"): f"{__name__}.{name}" for name in names}


def recipe_names() -> list[str]:
    """Names of all recipes; loads none."""
    return sorted({*_modules(), *(entry.name for entry in entry_points(group=GROUP))})


def find_recipe(name: str) -> Recipe:
    """A recipe by its name. Raises CorpusError with the nearest one, or where a package's is broken."""
    modules = _modules()
    if name in modules:
        recipe: object = importlib.import_module(modules[name]).RECIPE
    else:
        entries = {entry.name: entry for entry in entry_points(group=GROUP)}
        if name not in entries:
            raise CorpusError(f"there is no recipe {name!r}", fix=nearest(name, recipe_names()))
        try:
            recipe = entries[name].load()
        except (ImportError, AttributeError) as error:
            raise CorpusError(
                f"the recipe {name!r} ({entries[name].value}) cannot be imported: {error}",
                fix="reinstall the package that brings it",
            ) from error
    if not isinstance(recipe, Recipe):
        raise CorpusError(f"the entry point of the recipe {name!r} is no Recipe", fix="tell its author")
    return recipe


__all__ = ["Part", "PrepareOptions", "Recipe", "find_recipe", "recipe_names"]
