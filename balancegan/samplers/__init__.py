"""Ways of making images, the choice among them, and the class that users hold."""
