"""What every other package uses: paths, settings, errors, atomic files, the ledger, DVC versions, plots, progress."""
