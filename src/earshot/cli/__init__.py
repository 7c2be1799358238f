"""The command line: one file a verb."""


def main() -> None:
    """The command `earshot`."""
    raise SystemExit("not yet")
