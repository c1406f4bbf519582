/** One agent. */
class Machine {
    String name
    List labels
    boolean[] taken
    File home
    volatile boolean online = true

    void comeBackAfter(double seconds) {
        online = false
        Thread.startDaemon {
            Thread.sleep((long) (1000 * seconds))
            online = true
        }
    }
}
