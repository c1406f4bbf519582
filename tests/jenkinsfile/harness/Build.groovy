import groovy.json.JsonOutput
import java.util.concurrent.locks.ReentrantLock

/**
 * One build: its result, its log, what it published, and whose turn it is. As in Jenkins, all Groovy code runs on one
 * thread at a time; only what blocks (a shell, waiting for a machine) lets others run.
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

    /** A step with a block: what Jenkins says of it, around what the block says. */
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

    /** As Jenkins does it: an empty value takes the variable away. */
    static Map overridden(Map env, Map more) { (env + more).findAll { name, value -> !(name in more.keySet()) || value } }

    Context getContext() { contexts.get() }

    /** Runs `body` with the turn, as a thread of execution of its own: the main one, or a branch. */
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

    /** Runs `body` without the turn. What it blocks on must look at `context.pending` itself. */
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

    /** A line that Jenkins itself writes into the log. */
    synchronized void says(String line) { trace.steps.add([branch: context?.branch, line: line]) }

    /** Every step begins here: an interruption that came between two steps hits the next one. */
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

    /** A person clicks on the red cross: whatever runs now is interrupted, once. */
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

/** What a thread of execution knows of where it is. */
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
