/** The agents of a controller: their labels, their executors, and which of these are taken. */
class Machines {
    final List<Machine> all

    Machines(List described, File home) {
        all = described.collect { Map each ->
            new Machine(name: each.name, labels: (each.labels ?: '').tokenize() + each.name,
                        taken: new boolean[each.executors ?: 1], home: new File(home, "agents/${each.name}"))
        }
    }

    List<Machine> matching(String label) {
        all.findAll { new LabelExpression(label, it.labels as Set).value() }
    }

    /** Takes a free executor, on the same machine again if possible, as a controller does; null if there is none. */
    synchronized Slot tryTake(String label) {
        for (Machine machine : matching(label)) {
            for (int number = 0; number < machine.taken.length && machine.online; number++) {
                if (!machine.taken[number]) {
                    machine.taken[number] = true
                    return new Slot(machine: machine, number: number)
                }
            }
        }
        return null
    }

    synchronized void give(Slot slot) { slot.machine.taken[slot.number] = false }
}

class Slot {
    Machine machine
    int number

    File getWorkspace() { new File(machine.home, number ? "workspace@${number + 1}" : 'workspace') }
}

/** A label expression like `gpu && !"agent 1" || (a)`, for the labels of one machine. An empty one matches any machine. */
class LabelExpression {
    private final List tokens
    private final Set labels
    private int at = 0

    LabelExpression(String text, Set labels) {
        tokens = (text =~ /"[^"]*"|&&|\|\||[!()]|[^\s!()&|"]+/).collect { it }
        this.labels = labels
    }

    boolean value() {
        if (!tokens) { return true }
        boolean value = either()
        if (at < tokens.size()) { throw new IllegalArgumentException("no label expression: ${tokens.join(' ')}") }
        return value
    }

    private boolean either() {
        boolean value = both()
        while (next('||')) { value = both() || value }
        return value
    }

    private boolean both() {
        boolean value = one()
        while (next('&&')) { value = one() && value }
        return value
    }

    private boolean one() {
        if (next('!')) { return !one() }
        if (next('(')) {
            boolean value = either()
            if (!next(')')) { throw new IllegalArgumentException('a parenthesis is open') }
            return value
        }
        return labels.contains(tokens[at++].replace('"', ''))
    }

    private boolean next(String token) {
        if (at < tokens.size() && tokens[at] == token) {
            at++
            return true
        }
        return false
    }
}
