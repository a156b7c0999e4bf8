"""Runs: looking back at trainings from what lies in their folders. Reads only; loads no torch."""
