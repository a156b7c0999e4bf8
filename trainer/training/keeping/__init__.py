"""Keeping: what a run is, and what it keeps on disk, so that nothing is lost."""
