"""Who decodes: rows of a batch filled in this thread, in others, in other processes."""
