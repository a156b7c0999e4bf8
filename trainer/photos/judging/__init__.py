"""Judging: what a photo shows and how good it is, each finding with its number. Changes no photo."""
