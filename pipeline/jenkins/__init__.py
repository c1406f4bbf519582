"""What knows Jenkins: `trigger` and what it stands on start and follow a build over the REST API from outside;
`parameters` and `publish` serve the Jenkinsfile inside one. No sweep needs this package to run."""
