"""Images, their download, tasks and batches, and the named random generators."""
