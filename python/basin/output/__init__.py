"""What leaves the program: files that are written whole, text that a terminal can show."""
