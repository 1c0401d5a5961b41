"""What the code of a project says about its flags. No code is run."""
