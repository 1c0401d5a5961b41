"""The options of the command line. The code that reads them is elsewhere, so that adding them imports little."""
