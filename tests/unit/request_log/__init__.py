"""Request logging without a server: what is drawn, written, rotated, dropped, and what a failing disk does."""
