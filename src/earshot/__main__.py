"""``python -m earshot`` is the command ``earshot``."""

from earshot.cli import main

if __name__ == "__main__":
    main()
