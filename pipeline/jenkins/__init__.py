"""What knows Jenkins, from outside and from inside a build. No sweep needs this room to run.

Here: `trigger` and what it stands on, which start and follow a build over the REST API; `parameters`, the list of the
job's; `check` with `trust`, `rounds` and `publish`, which serve the Jenkinsfile. Not here: the Jenkinsfile, what a
followed build looks like on a terminal (`screen/`), and anything that is true without Jenkins.
"""
