"""What an operator decides: the settings, where they come from, and the files that they name."""
