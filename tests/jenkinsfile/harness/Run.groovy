import groovy.json.JsonSlurper
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.expr.ArgumentListExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.VariableExpression
import org.codehaus.groovy.ast.stmt.BlockStatement
import org.codehaus.groovy.ast.stmt.ExpressionStatement
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer

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

/** Makes a branch give up its turn at every call of a function of the script, as it may on a controller. */
class Turns extends CompilationCustomizer {
    Turns() { super(CompilePhase.CANONICALIZATION) }

    void call(SourceUnit source, GeneratorContext context, ClassNode type) {
        for (method in type.methods) {
            if (method.static || method.name in ['run', 'main'] || !method.code) { continue }
            def turn = new MethodCallExpression(VariableExpression.THIS_EXPRESSION, 'takeTurns', new ArgumentListExpression())
            method.code = new BlockStatement([new ExpressionStatement(turn), method.code], method.variableScope)
        }
    }
}

Build build = new Build(new JsonSlurper().parse(new File(args[1])))
CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: 'Steps')
configuration.addCompilationCustomizers(new Turns())
Binding variables = new Binding(theBuild: build, env: new Env(build), params: build.params, scm: 'scm',
                                currentBuild: new CurrentBuild(build))
GroovyShell shell = new GroovyShell(this.class.classLoader, variables, configuration)
// A step of a library, if the scenario has one: the file of vars/ is a script with `call`.
build.run { build.scenario.library ? shell.parse(new File(args[0])).call() : shell.evaluate(new File(args[0])) }
System.exit(0)
