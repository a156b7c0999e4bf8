"""The command line's parts: the job file, the words on the screen, and what each verb does."""
