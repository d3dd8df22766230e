"""Every way in: the command line and the demo. Imports all other packages."""
