"""How the rows of evaluation splits differ from the pool's: corrupted images, published copies, clusters."""
