"""Complete files, on disk or in an object store: atomic writes, locks, checksums, quarantine."""
