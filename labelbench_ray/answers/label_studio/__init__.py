"""Label Studio through its HTTP API: projects, tasks to label, and the annotations as answers."""
