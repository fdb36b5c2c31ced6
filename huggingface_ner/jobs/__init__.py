"""When projects are trained and get suggestions, and by which process."""
