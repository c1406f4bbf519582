"""The connection to Jenkins, from outside and from inside a build. A sweep runs without this room.

Here: `trigger` starts and follows a build over the REST API; `parameters` lists the parameters of the job, and `render`
writes them and `sweep.groovy` into the Jenkinsfile. `start` and `fill` install `hpt` on machines. Builds call `check`,
`trust`, `rounds`, `failures` and `publish`. Not here: the Jenkinsfile, the view of a build on a terminal (`screen/`),
and anything that does not depend on Jenkins.
"""
