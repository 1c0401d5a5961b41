"""Endpoints of the simulated API other than messages: models, batches, files, threads, and paths of other clouds."""
