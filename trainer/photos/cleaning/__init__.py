"""Cleaning: from a PhotoSet to working copies that training can use. The user's own files are never written."""
