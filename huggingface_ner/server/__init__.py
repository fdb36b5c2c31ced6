"""How HTTP requests are answered."""
