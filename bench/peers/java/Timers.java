// What a timer facility of the JVM has to offer to be measured; see ../../peer/peer.hpp.
interface Timers {
  String version();

  void cancel(int i);

  void arm(int i, long delayNs);

  default void postpone(int i, long delayNs) {
    cancel(i);
    arm(i, delayNs);
  }
}
