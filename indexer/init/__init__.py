"""`chainfold init`: a configuration and starter folds for a program that is not ours."""
