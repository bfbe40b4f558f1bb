"""`resray show`: what a study compares and searches, what is known of it, and what it will cost."""
