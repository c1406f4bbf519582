import groovy.json.JsonOutput
import java.util.concurrent.locks.ReentrantLock

/**
 * One build: its result, its log, its published files, and the turn among its branches. As in Jenkins, Groovy code runs
 * on one thread at a time; a branch lets others run while it waits for a shell or a machine.
 */
class Build {
    final Map scenario
    final File home
    final Machines machines
    final Map params = [:]
    final Map globalEnv = [:]
    final Map trace = [stages: [], shells: [], checkouts: 0, stashes: [], published: [], artifacts: [], junit: null,
                       nodes: [], credentials: [], errors: [], branches: 0, steps: [], sleeps: [], restarts: 0]
    String result = null
    String description = null
    int finishedPacks = 0
    private boolean aborted = false
    private final ReentrantLock turn = new ReentrantLock(true)
    private final ThreadLocal<Context> contexts = new ThreadLocal<Context>()
    private final List<Context> alive = Collections.synchronizedList([])

    Build(Map scenario) {
        this.scenario = scenario
        home = new File(scenario.home)
        machines = new Machines(scenario.agents, home)
        globalEnv.putAll([BUILD_NUMBER: '7', BUILD_TAG: scenario.tag, BUILD_URL: 'http://jenkins.test/job/tuning/job/sweep/7/',
                          JOB_NAME: 'tuning/sweep'])
        globalEnv.putAll(scenario.env ?: [:])
    }

    /** Runs a step with a block, and logs Jenkins' lines around it. */
    def block(String name, String title, Closure body) {
        step(name)
        says(title ? "[Pipeline] { (${title})" : '[Pipeline] {')
        try {
            return body()
        } finally {
            says('[Pipeline] }')
            says("[Pipeline] // ${name}")
        }
    }

    /** The environment with changes. As in Jenkins, an empty value removes the variable. */
    static Map overridden(Map env, Map more) { (env + more).findAll { name, value -> !(name in more.keySet()) || value } }

    Context getContext() { contexts.get() }

    /** Runs `body` as a thread of execution that has the turn: the main one, or a branch. */
    void asThread(Context context, Closure body) {
        turn.lock()
        contexts.set(context)
        alive.add(context)
        try {
            body()
        } finally {
            alive.remove(context)
            contexts.remove()
            turn.unlock()
        }
    }

    /** Runs `body` without the turn. The body must check `context.pending` itself. */
    def blocking(Closure body) {
        turn.unlock()
        try {
            return body()
        } finally {
            turn.lock()
        }
    }

    /** Lets another branch run first, if one can. */
    void takeTurns() {
        if (context?.branch) {
            turn.unlock()
            turn.lock()
        }
    }

    /** Logs a line that Jenkins itself writes. */
    synchronized void says(String line) { trace.steps.add([branch: context?.branch, line: line]) }

    /** Begins a step. An interruption that came since the last step is thrown here. */
    void step(String name) {
        takeTurns()
        says("[Pipeline] ${name}")
        Context now = context
        if (now.pending != null) {
            Throwable why = now.pending
            now.pending = null
            throw why
        }
    }

    /** Aborts the build, as a person does: interrupts each running branch once. */
    synchronized void abort() {
        if (aborted) { return }
        aborted = true
        log('Aborted by a person')
        synchronized (alive) {
            for (Context each : alive) {
                if (!each.forked) { each.pending = new FlowInterrupted('aborted by a person') }
            }
        }
    }

    void worsen(String to) {
        List order = [null, 'SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
        if (order.indexOf(to) > order.indexOf(result)) { result = to }
    }

    synchronized void log(String text) {
        String branch = context?.branch
        new File(home, 'log.txt') << text.readLines().collect { (branch ? "[${branch}] " : '') + it + '\n' }.join('')
    }

    void failed(Throwable error) {
        trace.errors.add(error.toString())
        log("ERROR: ${error.message}")
        worsen(error instanceof FlowInterrupted ? error.result : 'FAILURE')
        if (!(error instanceof AbortException || error instanceof FlowInterrupted || error instanceof AgentLost)) {
            StringWriter text = new StringWriter()
            error.printStackTrace(new PrintWriter(text))
            log(text.toString())
        }
    }

    /** The whole build. */
    void run(Closure body) {
        asThread(new Context()) {
            try {
                body()
            } catch (Throwable error) {
                failed(error)
            }
        }
        trace.putAll([result: result ?: 'SUCCESS', description: description])
        new File(home, 'build.json').text = JsonOutput.prettyPrint(JsonOutput.toJson(trace))
    }
}

/** The place of a thread of execution: environment, machine, folder, stages. */
class Context {
    Map env = [:]
    String branch
    Machine machine
    File folder
    List stages = []
    boolean forked = false
    volatile Throwable pending

    Context fork(String name) {
        new Context(env: env, branch: name, machine: machine, folder: folder, stages: stages)
    }
}

class FlowInterrupted extends Exception {
    String result = 'ABORTED'
    FlowInterrupted(String why) { super(why) }
}

class AbortException extends Exception {
    AbortException(String why) { super(why) }
}

class AgentLost extends Exception {
    AgentLost(String why) { super(why) }
}
