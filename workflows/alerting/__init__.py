"""What a person has to look at, and how the operators are told of it."""
