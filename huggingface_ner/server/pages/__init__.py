"""Shows people what is known of the projects: pages made of facts that others have stored."""
