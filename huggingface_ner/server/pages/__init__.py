"""Makes the pages about the projects, from facts that other parts of the service have stored."""
