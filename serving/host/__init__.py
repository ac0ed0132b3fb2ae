"""What the process knows of its machine: CPUs, memory, the allocator, the scheduler."""
