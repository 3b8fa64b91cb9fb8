"""The rim: all that knows Ray. Everything inside is plain functions that Ray runs unchanged."""
