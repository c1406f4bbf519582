import java.nio.file.Files
import java.nio.file.StandardCopyOption

/** The steps that our Jenkinsfile uses, as Jenkins documents them. */
abstract class Steps extends Script {
    Build getBuild() { binding.getVariable('theBuild') }

    void takeTurns() { build.takeTurns() }

    // -- declarative

    void pipeline(Closure body) { new Pipeline(this, build).run(body) }

    // -- machines

    def node(String label, Closure body) { build.block('node', '') { onNode(label, body) } }

    protected onNode(String label, Closure body) {
        Context context = build.context
        Slot slot = build.blocking { takeSlot(label, context) }
        if (slot == null) { build.step('node') }
        build.trace.nodes.add([label: label, machine: slot.machine.name, branch: context.branch])
        if (slot.workspace.mkdirs()) {
            build.scenario.leftovers?.each { String path ->
                File left = new File(slot.workspace, path)
                left.parentFile.mkdirs()
                left.text = 'of an earlier build'
            }
        }
        Map before = [machine: context.machine, folder: context.folder, env: context.env]
        context.machine = slot.machine
        context.folder = slot.workspace
        context.env = context.env + [NODE_NAME: slot.machine.name, EXECUTOR_NUMBER: slot.number.toString(),
                                     WORKSPACE: slot.workspace.path]
        try {
            return body()
        } finally {
            before.each { name, value -> context[name] = value }
            build.machines.give(slot)
        }
    }

    protected Slot takeSlot(String label, Context context) {
        long began = System.currentTimeMillis()
        while (context.pending == null) {
            Slot slot = build.machines.tryTake(label)
            if (slot != null) { return slot }
            if (!build.machines.matching(label) && System.currentTimeMillis() - began > 2000) {
                throw new IllegalStateException("waits forever: no machine has the label ${label}")
            }
            Thread.sleep(20)
        }
        return null
    }

    List nodesByLabel(Map arguments) {
        if (!build.scenario.utilitySteps) { throw new NoSuchMethodError("No such DSL method 'nodesByLabel' found among steps") }
        build.step('nodesByLabel')
        return build.machines.matching(arguments.label).findAll { arguments.offline || it.online }*.name
    }

    protected File here(String step) {
        build.step(step)
        workspace(step)
    }

    protected File workspace(String step) {
        if (build.context.folder == null) { throw new AbortException("${step} needs a workspace: it stands outside of node") }
        if (!build.context.machine.online) { throw new AgentLost("${build.context.machine.name} is offline") }
        return build.context.folder
    }

    def sh(String script) { sh(script: script) }

    def sh(Map arguments) {
        here('sh')
        if (build.scenario.restarts && arguments.script.contains('bin/pack')) { restart() }
        arguments.script.trim().readLines().each { build.says("+ ${it.trim()}") }
        def (status, output) = new Shell(build, arguments.script).run(arguments.returnStdout ?: false)
        if (arguments.returnStatus) { return status }
        if (status != 0) { throw new AbortException("script returned exit code ${status}") }
        return arguments.returnStdout ? output : null
    }

    /** Writes the script's `batch` and reads it again, like a controller that was killed and finds it on its disk. */
    protected void restart() {
        def bytes = new ByteArrayOutputStream()
        new ObjectOutputStream(bytes).withCloseable { it.writeObject(getProperty('batch')) }
        def read = new ClassLoaderObjectInputStream(getClass().classLoader, new ByteArrayInputStream(bytes.toByteArray()))
        Map batch = getProperty('batch')
        Map again = (Map) read.readObject()
        batch.clear()
        batch.putAll(again)
        build.trace.restarts++
    }

    // -- files

    /** The encoding of an agent can be any; ASCII reveals code that depends on it. */
    String readFile(String path) { readFile(file: path, encoding: 'US-ASCII') }

    String readFile(Map arguments) { new File(here('readFile'), arguments.file).getText(arguments.encoding) }

    void writeFile(Map arguments) {
        File file = new File(here('writeFile'), arguments.file)
        file.parentFile.mkdirs()
        file.setText(arguments.text, arguments.encoding ?: 'US-ASCII')
    }

    boolean fileExists(String path) { new File(here('fileExists'), path).exists() }

    def dir(String path, Closure body) {
        build.block('dir', '') {
            File before = workspace('dir')
            build.context.folder = new File(before, path)
            try {
                return body()
            } finally {
                build.context.folder = before
            }
        }
    }

    void deleteDir() { here('deleteDir').deleteDir() }

    Map checkout(Object scm) {
        File folder = here('checkout')
        build.trace.checkouts++
        ['cp', '-a', "${build.scenario.source}/.", folder.path].execute().waitFor()
        return [GIT_COMMIT: build.scenario.commit, GIT_URL: 'test']
    }

    void stash(Map arguments) {
        File to = new File(build.home, "stashes/${arguments.name}")
        to.deleteDir()
        int count = copy(here('stash'), to, arguments.includes ?: '**', (arguments.excludes ?: '') + ', .git/**, **/.gitignore')
        if (!count) { throw new AbortException("No files included in stash '${arguments.name}'") }
        build.trace.stashes.add([name: arguments.name, files: count])
    }

    void unstash(String name) {
        File from = new File(build.home, "stashes/${name}")
        if (!from.exists()) { throw new AbortException("No such saved stash '${name}'") }
        copy(from, here('unstash'), '**', '')
    }

    protected static int copy(File from, File to, String includes, String excludes) {
        List wanted = patterns(includes)
        List unwanted = patterns(excludes)
        int count = 0
        if (from.exists()) {
            from.eachFileRecurse(groovy.io.FileType.FILES) { File file ->
                String name = from.toPath().relativize(file.toPath()).toString()
                if (wanted.any { name ==~ it } && !unwanted.any { name ==~ it }) {
                    File target = new File(to, name)
                    target.parentFile.mkdirs()
                    Files.copy(file.toPath(), target.toPath(), StandardCopyOption.REPLACE_EXISTING,
                               StandardCopyOption.COPY_ATTRIBUTES)
                    count++
                }
            }
        }
        return count
    }

    protected static List patterns(String text) {
        text.tokenize(', ').collect { String glob ->
            glob.split(/(?<=\*\*\/)|(?=\*\*)|(?=(?<!\*)\*(?!\*))|(?<=(?<!\*)\*)(?!\*)/).collect {
                it == '**/' ? '(.*/)?' : it == '**' ? '.*' : it == '*' ? '[^/]*' : java.util.regex.Pattern.quote(it)
            }.join('')
        }
    }

    // -- control

    def stage(String name, Closure body) { build.block('stage', name) { inStage(name, body) } }

    protected inStage(String name, Closure body) {
        Context context = build.context
        Map record = [name: name, branch: context.branch, machine: context.machine?.name, result: 'SUCCESS',
                      within: context.stages*.name]
        build.trace.stages.add(record)
        build.log("stage: ${name}")
        context.stages = context.stages + record
        try {
            return body()
        } catch (Throwable error) {
            record.result = error instanceof FlowInterrupted ? error.result : 'FAILURE'
            throw error
        } finally {
            context.stages = context.stages.subList(0, context.stages.size() - 1)
        }
    }

    Map parallel(Map branches) { build.block('parallel', '') { inParallel(branches) } }

    protected Map inParallel(Map branches) {
        Context context = build.context
        List failures = Collections.synchronizedList([])
        build.trace.branches = Math.max(build.trace.branches, branches.size())
        List threads = branches.collect { String name, Closure body ->
            Context fork = context.fork(name)
            new Thread({
                build.asThread(fork) {
                    try {
                        body()
                    } catch (Throwable error) {
                        build.log("${name}: ${error}")
                        failures.add(error)
                    }
                }
            } as Runnable)
        }
        context.forked = true
        try {
            build.blocking {
                threads*.start()
                threads*.join()
            }
        } finally {
            context.forked = false
        }
        if (failures) { throw failures[0] }
        return [:]
    }

    def retry(Map arguments, Closure body) { build.block('retry', '') { retrying(arguments, body) } }

    protected retrying(Map arguments, Closure body) {
        for (int left = arguments.count; ; left--) {
            build.takeTurns()
            try {
                return body()
            } catch (AgentLost error) {
                if (left <= 1 || arguments.conditions != null && !arguments.conditions.contains('agent')) { throw error }
                build.log("retrying: ${error.message}")
            } catch (FlowInterrupted error) {
                throw error
            } catch (Exception error) {
                if (left <= 1 || arguments.conditions != null) { throw error }
            }
        }
    }

    String agent() { 'agent' }

    String nonresumable() { 'nonresumable' }

    def timeout(Map arguments, Closure body) {
        build.block('timeout', '') {
            build.says("Timeout set to expire in ${arguments.time} ${arguments.unit}")
            within(arguments, body)
        }
    }

    protected within(Map arguments, Closure body) {
        Context context = build.context
        long milliseconds = java.util.concurrent.TimeUnit.valueOf(arguments.unit ?: 'MINUTES').toMillis((long) arguments.time)
        boolean over = false
        Thread.startDaemon {
            Thread.sleep(milliseconds)
            if (!over) { context.pending = new FlowInterrupted('Timeout has been exceeded') }
        }
        try {
            return body()
        } finally {
            over = true
        }
    }

    def catchError(Map arguments, Closure body) { build.block('catchError', '') { catching(arguments, body) } }

    protected catching(Map arguments, Closure body) {
        try {
            body()
        } catch (FlowInterrupted error) {
            if (arguments.catchInterruptions == false) { throw error }
            caught(arguments, error, error.result, error.result)
        } catch (Exception error) {
            caught(arguments, error, arguments.buildResult ?: 'FAILURE', arguments.stageResult ?: 'SUCCESS')
        }
        return null
    }

    protected void caught(Map arguments, Exception error, String buildResult, String stageResult) {
        build.log("ERROR: ${arguments.message ?: ''} ${error.message}")
        build.worsen(buildResult)
        if (stageResult != 'SUCCESS') { build.context.stages.last().result = stageResult }
    }

    void error(String message) {
        build.step('error')
        throw new AbortException(message)
    }

    void echo(String message) {
        build.step('echo')
        build.says(message)
        build.log(message)
    }

    /** Sleeps; `minute` of the scenario is the length of a minute in seconds. */
    void sleep(Map arguments) {
        build.step('sleep')
        build.trace.sleeps.add(arguments)
        long milliseconds = java.util.concurrent.TimeUnit.valueOf(arguments.unit).toMillis((long) arguments.time)
        build.blocking { Thread.sleep((long) (milliseconds * (build.scenario.minute ?: 1.0) / 60)) }
    }

    // -- environment

    def withEnv(List pairs, Closure body) { build.block('withEnv', '') { within(pairs, body) } }

    protected within(List pairs, Closure body) {
        Map more = pairs.collectEntries { pair ->
            int at = pair.toString().indexOf('=')
            [pair.toString().substring(0, at), pair.toString().substring(at + 1)]
        }
        Map before = build.context.env
        build.context.env = Build.overridden(before, more)
        try {
            return body()
        } finally {
            build.context.env = before
        }
    }

    Map file(Map arguments) { arguments }

    def withCredentials(List bindings, Closure body) {
        build.step('withCredentials')
        workspace('withCredentials')
        File secret = File.createTempFile('secret', '.json', build.context.machine.home)
        build.trace.credentials.addAll(bindings*.credentialsId)
        try {
            return withEnv(bindings.collect { "${it.variable}=${secret.path}" }, body)
        } finally {
            secret.delete()
        }
    }

    // -- publishing

    void archiveArtifacts(Map arguments) {
        File to = new File(build.home, 'artifacts')
        if (!copy(here('archiveArtifacts'), to, arguments.artifacts, '')) {
            throw new AbortException("No artifacts found that match ${arguments.artifacts}")
        }
        build.trace.artifacts.add(arguments.artifacts)
    }

    void publishHTML(Map arguments) {
        Map target = arguments.target
        File from = new File(here('publishHTML'), target.reportDir)
        if (!new File(from, target.reportFiles).exists()) { throw new AbortException("no ${target.reportFiles}") }
        copy(from, new File(build.home, "published/${target.reportName}"), '**', '')
        build.trace.published.add(target.reportName)
    }

    void junit(Map arguments) {
        def suite = new XmlSlurper().parse(new File(here('junit'), arguments.testResults))
        def cases = suite.'**'.findAll { it.name() == 'testcase' }
        build.trace.junit = cases.collect {
            [name: it.@name.text(), failure: it.failure.@message.text(), skipped: it.skipped.size() > 0]
        }
        if (cases.any { it.failure.size() }) { build.worsen('UNSTABLE') }
    }
}

class ClassLoaderObjectInputStream extends ObjectInputStream {
    private final ClassLoader loader

    ClassLoaderObjectInputStream(ClassLoader loader, InputStream from) {
        super(from)
        this.loader = loader
    }

    protected Class resolveClass(ObjectStreamClass description) { Class.forName(description.name, false, loader) }
}
