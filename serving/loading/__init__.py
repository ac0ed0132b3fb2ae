"""Which versions ought to be there, and how they come to be: the loop that loads them, and every stage of a load."""
