"""The program's output: files that are written whole, and text that a terminal can show."""
