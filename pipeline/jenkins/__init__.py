"""The connection to Jenkins, from outside and from inside a build. A sweep runs without this room.

Here: `trigger` starts and follows a build over the REST API; `parameters` lists those of the job; `check`, `trust`,
`rounds` and `publish` serve the Jenkinsfile. Not here: the Jenkinsfile, the view of a build on a terminal (`screen/`),
and anything that does not depend on Jenkins.
"""
