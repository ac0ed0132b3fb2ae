"""What the page for people shows: its files, and what is known of the server at one moment, as values.

Nothing of it is imported before somebody asks for the page.
"""
