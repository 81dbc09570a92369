"""What an operator may do to runs: the acts, their words, and the pages that ask first."""
