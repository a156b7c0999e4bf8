"""Update: how a loss becomes new weights. Knows no files and no photos."""
