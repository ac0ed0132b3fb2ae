"""One server of several processes: a supervisor that starts and watches workers, and what these tell each other."""
