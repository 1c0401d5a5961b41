"""What the simulated API answers besides messages: models, batches, files, threads, and the paths of other clouds."""
