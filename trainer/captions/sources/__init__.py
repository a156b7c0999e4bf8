"""Sources: the captions that the user wrote, wherever they lie, and those that we write beside working copies."""
