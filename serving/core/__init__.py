"""The domain without I/O: servables, their life, their leases. Nothing here waits, opens, sleeps or reads a clock."""
