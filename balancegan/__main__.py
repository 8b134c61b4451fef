"""``python -m balancegan`` is ``balancegan``."""

from balancegan.cli.commands import main

if __name__ == "__main__":
    main()
