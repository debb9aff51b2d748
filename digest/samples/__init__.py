"""What `digest demo` works on: papers.atom.xml and subscribers.toml."""
