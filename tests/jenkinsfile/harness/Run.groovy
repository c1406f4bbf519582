import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration

// groovy -cp HARNESS HARNESS/Run.groovy Jenkinsfile scenario.json: runs the Jenkinsfile, writes log.txt and build.json.

class Env {
    private final Build build

    Env(Build build) { this.build = build }

    Object getProperty(String name) { build.context.env[name] }
}

class CurrentBuild {
    private final Build build

    CurrentBuild(Build build) { this.build = build }

    void setDescription(String text) { build.description = text }

    String getCurrentResult() { build.result ?: 'SUCCESS' }
}

Build build = new Build(new JsonSlurper().parse(new File(args[1])))
CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: 'Steps')
Binding variables = new Binding(theBuild: build, env: new Env(build), params: build.params, scm: 'scm',
                                currentBuild: new CurrentBuild(build))
GroovyShell shell = new GroovyShell(this.class.classLoader, variables, configuration)
build.run { shell.evaluate(new File(args[0])) }
System.exit(0)
