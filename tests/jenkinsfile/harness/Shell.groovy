/** A real `sh`: a process with the build's environment, stopped as by Jenkins, and with the scenario's faults. */
class Shell {
    static final double GRACE = 5.0
    private static int count = 0

    final Build build
    final String script
    private final String cookie
    private File output
    private Process process
    private Map pack = [:]

    Shell(Build build, String script) {
        this.build = build
        this.script = script
        cookie = "${build.scenario.tag}-${++count}"
    }

    /** The exit status, and stdout if `wantsOutput`. */
    List run(boolean wantsOutput) {
        Context context = build.context
        if (script.contains('bin/pack')) {
            readPack(context)
            context.stages.last().trials = pack.HPT_PACK_TRIALS
        }
        Map record = [script: script, machine: context.machine.name, branch: context.branch, pack: pack.HPT_PACK,
                      env: context.env.subMap(['HPT_SWEEPS', 'HPT_STORE', 'HPT_GIT_COMMIT',
                                               'GOOGLE_APPLICATION_CREDENTIALS']) + pack, cookie: cookie]
        build.trace.shells.add(record)
        Map fault = faultFor(context)
        if (fault?.kind == 'status' && fault.value >= 0) {
            record.status = fault.value
            return [fault.value, '']
        }
        start(context, wantsOutput)
        Throwable stop = build.blocking { await(context, fault) }
        String text = output.text
        build.log("+ ${script}\n${text}")
        if (wantsOutput) { text = new File(output.path + '.out').text }
        record.status = stop != null ? stop.class.simpleName : (fault?.kind == 'status' ? fault.value : process.exitValue())
        record.left = running()*.toString()
        if (stop != null) { throw stop }
        if (pack && record.status in [0, 1]) { build.finishedPacks++ }
        return [record.status, text]
    }

    /** Reads the pack that `bin/pack` will find in the workspace. */
    private void readPack(Context context) {
        List cells = new File(context.folder, 'pack.tsv').getText('UTF-8').trim().split('\t')
        pack = [HPT_PACK: cells[0], HPT_PACK_TRIALS: cells[4], HPT_SWEEP: cells[5]]
        if (context.env.CONTAINER == 'docker') {
            pack.HPT_IMAGE = cells[2] == '-' ? new File(context.folder, 'image.txt').text.trim() : cells[2]
        }
    }

    private Map faultFor(Context context) {
        Map fault = build.scenario.faults?.find { Map each ->
            (each.times == null || each.times > 0) && script.contains(each.script ?: 'bin/pack') &&
                (!each.pack || each.pack == pack.HPT_PACK) && (!each.machine || each.machine == context.machine.name)
        }
        if (fault?.times) { fault.times-- }
        return fault
    }

    private void start(Context context, boolean wantsOutput) {
        File temporary = new File(context.machine.home, 'tmp')
        temporary.mkdirs()
        output = new File(temporary, "${cookie}.log")
        File file = new File(temporary, "${cookie}.sh")
        file.text = script
        ProcessBuilder builder = new ProcessBuilder('sh', '-xe', file.path)
        builder.directory(context.folder)
        // An agent passes few variables on, and none of the tests' environment.
        Map inherited = System.getenv().findAll { it.key in ['PATH', 'HOME', 'LANG', 'TMPDIR'] }
        builder.environment().clear()
        builder.environment().putAll(inherited)
        context.env.each { name, value -> builder.environment().put(name, value.toString()) }
        builder.environment().put('JENKINS_SERVER_COOKIE', cookie)
        builder.redirectError(output)
        builder.redirectOutput(wantsOutput ? new File(output.path + '.out') : output)
        if (!wantsOutput) { builder.redirectErrorStream(true) }
        process = builder.start()
        process.outputStream.close()
    }

    /** Waits for the end of the process. The interruption or loss that ended it; null if it ended itself. */
    private Throwable await(Context context, Map fault) {
        long began = System.currentTimeMillis()
        // Without a text to wait for, the machine is lost at once.
        if (fault?.kind == 'lost' && !fault.text) { return lose(context, fault) }
        while (true) {
            boolean ended = process.waitFor(20, java.util.concurrent.TimeUnit.MILLISECONDS)
            Map abort = build.scenario.abort
            if (abort && pack && build.finishedPacks >= abort.finished && output.text.contains(abort.text)) {
                build.abort()
            }
            if (context.pending != null) {
                Throwable why = context.pending
                context.pending = null
                terminate()
                return why
            }
            if (ended && fault == null) { return null }
            if (fault != null && (ended || output.text.contains(fault.text ?: '') && System.currentTimeMillis() - began > 300)) {
                if (fault.kind == 'lost') { return lose(context, fault) }
                running().each { signal('KILL', it) }
                return null
            }
        }
    }

    private Throwable lose(Context context, Map fault) {
        running().each { signal('KILL', it) }
        process.waitFor()
        context.machine.comeBackAfter(fault.back ?: 0.5)
        return new AgentLost("${context.machine.name} is gone")
    }

    /** Sends TERM to all processes of the shell, and KILL after five seconds. */
    private void terminate() {
        running().each { signal('TERM', it) }
        long until = System.currentTimeMillis() + (long) (1000 * GRACE)
        while (running() && System.currentTimeMillis() < until) { Thread.sleep(50) }
        running().each { signal('KILL', it) }
        process.waitFor()
    }

    private List running() {
        String mark = "JENKINS_SERVER_COOKIE=${cookie}\0"
        (new File('/proc').list() as List).findAll { it.isInteger() }.findAll {
            try {
                new File("/proc/${it}/environ").getText('ISO-8859-1').contains(mark)
            } catch (IOException gone) {
                false
            }
        }
    }

    private static void signal(String name, String pid) { ['kill', "-${name}", pid].execute().waitFor() }
}
