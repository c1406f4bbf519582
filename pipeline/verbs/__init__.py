"""The verbs of `hpt`, by what a person is doing. They parse, call what lies beneath, and print."""
