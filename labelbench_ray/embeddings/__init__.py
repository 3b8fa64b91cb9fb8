"""The embedding store: shards, augmented views, decoded images, and how they are made."""
