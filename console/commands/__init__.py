"""The commands, a file for each family. They import what is heavy when they run, so that `--help` answers at once."""
