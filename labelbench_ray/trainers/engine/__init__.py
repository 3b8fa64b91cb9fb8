"""The engine of training by gradient descent."""
