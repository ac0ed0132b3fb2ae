"""What a measured service time says about load: waiting times, batches, and how many servers a rate needs. No I/O."""
