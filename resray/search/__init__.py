"""What a search decides: points, rungs, who is stopped, who has won. Neither torch nor ray."""
