"""The options of the command line. What reads them is in other rooms, so that adding them imports little."""
