"""What can be chosen: architectures, inference policies, and spaces of both. Ground floor."""
