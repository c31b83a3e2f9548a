"""How good a colorization is: metrics, the recognition judge, and the protocols that use them."""
