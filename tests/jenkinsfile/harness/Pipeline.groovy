/** The blocks of Declarative Pipeline that our Jenkinsfile uses; any other word is an error, as in Jenkins. */
class Pipeline {
    private final Steps script
    private final Build build
    private final Map<String, Closure> blocks = [:]
    private Map declared = [:]

    Pipeline(Steps script, Build build) {
        this.script = script
        this.build = build
    }

    void run(Closure body) {
        with(body, new Blocks(['options', 'parameters', 'environment', 'stages', 'post'], blocks))
        with(blocks.options ?: {}, new Words(['skipDefaultCheckout', 'timestamps', 'buildDiscarder']))
        parameters()
        Map bound = [:]
        with(blocks.environment ?: {}, new Variables(bound))
        build.context.env = Build.overridden(build.globalEnv, bound)
        boolean fine = true
        with(blocks.stages, new Stages({ String name, Map parts -> fine = fine && stage(name, parts) }))
        post()
    }

    private void parameters() {
        with(blocks.parameters ?: {}, new Parameters(declared))
        Map given = build.scenario.params ?: [:]
        declared.each { String name, Map each ->
            String value = (given.containsKey(name) ? given[name] : each.defaultValue).toString()
            if (each.choices && !each.choices.contains(value)) { throw new IllegalArgumentException("illegal choice ${value}") }
            build.params[name] = each.trim ? value.trim() : value
            // Parameters are variables only from the second build on.
            if (build.scenario.registered) { build.globalEnv[name] = build.params[name] }
        }
        // Undeclared parameters, which only some controllers keep.
        (build.scenario.kept ?: [:]).each { name, value -> build.params[name] = build.globalEnv[name] = value }
        build.trace.parameters = declared
    }

    private boolean stage(String name, Map parts) {
        if (parts.when) {
            When when = new When(build)
            with(parts.when, when)
            if (!when.holds) {
                build.trace.stages.add([name: name, result: 'NOT_BUILT', within: []])
                return true
            }
        }
        try {
            script.stage(name) { with(parts.steps, new ScriptOnly()) }
            return true
        } catch (Throwable error) {
            build.failed(error)
            return false
        }
    }

    private void post() {
        Map conditions = [:]
        with(blocks.post ?: {}, new Blocks(['always'], conditions))
        try {
            if (conditions.always) { with(conditions.always, new ScriptOnly()) }
        } catch (Throwable error) {
            build.failed(error)
        }
    }

    static void with(Closure body, Object delegate) {
        body.delegate = delegate
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }
}

class Blocks {
    private final List known
    private final Map found

    Blocks(List known, Map found) {
        this.known = known
        this.found = found
    }

    String getNone() { 'none' }

    void agent(String which) { assert which == 'none' }

    def methodMissing(String name, Object arguments) {
        if (!(name in known)) { throw new MissingMethodException(name, getClass(), arguments as Object[]) }
        found[name] = (arguments as List)[0]
    }
}

class Words {
    private final List known

    Words(List known) { this.known = known }

    def methodMissing(String name, Object arguments) {
        if (!(name in known)) { throw new MissingMethodException(name, getClass(), arguments as Object[]) }
    }
}

class Parameters {
    private final Map declared

    Parameters(Map declared) { this.declared = declared }

    void string(Map it) { declared[it.name] = [kind: 'string'] + it }

    void text(Map it) { declared[it.name] = [kind: 'text'] + it }

    void booleanParam(Map it) { declared[it.name] = [kind: 'boolean'] + it }

    void choice(Map it) { declared[it.name] = [kind: 'choice', defaultValue: it.choices[0]] + it }
}

class Variables {
    private final Map bound

    Variables(Map bound) { this.bound = bound }

    void setProperty(String name, Object value) { bound[name] = value.toString() }
}

class Stages {
    private final Closure each

    Stages(Closure each) { this.each = each }

    void stage(String name, Closure body) {
        Map parts = [:]
        Pipeline.with(body, new Blocks(['when', 'steps'], parts))
        each(name, parts)
    }
}

class When {
    private final Build build
    boolean holds = true

    When(Build build) { this.build = build }

    void environment(Map it) { holds = holds && build.context.env[it.name] == it.value }
}

class ScriptOnly {
    void script(Closure body) { body() }
}
