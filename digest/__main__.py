"""The program `digest`, also as `python -m digest`."""

import gc

# Modules stay: looking for garbage while they are loaded would take a fifth of the time that the start takes.
gc.disable()

from digest.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
