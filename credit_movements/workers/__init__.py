"""One worker each: made of its parts, run until a signal."""
