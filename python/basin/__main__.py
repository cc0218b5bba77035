"""`python -m basin`: the command line."""

from basin.cli import main

if __name__ == "__main__":
    main()
