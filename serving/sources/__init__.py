"""Where versions come from: each source says which versions ought to be loaded; none of them loads anything."""
