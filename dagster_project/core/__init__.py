"""The ground: paths, settings, errors, atomic files, the ledger, DVC versions, plots, progress."""
