"""`resray doctor`: what is installed, what the machine can do, and what is missing."""
