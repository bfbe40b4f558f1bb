"""`python -m resray` is `resray`."""

from resray.cli import main

if __name__ == "__main__":
    main()
