"""Telling: what a run says while it goes on, as events, words and pictures."""
