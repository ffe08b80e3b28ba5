"""What is generated: a module for each page, each a pure function from the code to a text."""
