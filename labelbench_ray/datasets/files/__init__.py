"""Where the files of a data set lie, and which of them are which split."""
