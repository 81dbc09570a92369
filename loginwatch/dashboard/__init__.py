"""The admin's front page: how the site does, in pictures with their tables."""
