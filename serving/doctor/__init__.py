"""What would go wrong, said before it does: checks that look and tell (--doctor), a trial of all models (--dry_run).

Nothing of it is imported by a start that works.
"""
