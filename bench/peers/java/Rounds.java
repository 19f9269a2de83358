// The workloads for facilities of the JVM, with the same seeds and parameters as the programs in C++ (../../README.md).
// Only one facility is ever loaded, so that the compiler binds its calls at once.
import java.io.BufferedReader;
import java.io.FileReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;

final class Rounds {
  static final int OPERATIONS_PER_TURN = 1024;
  static final long POSTPONE_DELAY_NS = 30_000_000_000L;

  private Random random;
  private String workload;
  private int n = 1000;
  private int threads = 1;
  private long lengthNs = 200_000_000L;
  private long seed = 1;
  private Timers timers;

  static final class Sink {
    final AtomicLong fired = new AtomicLong();
    long[] dueNs;
    long[] lateNs;
    int mask;

    void fired(int i) {
      if (dueNs != null && (i & mask) == 0) {
        final long late = System.nanoTime() - dueNs[i];
        lateNs[i] = late == 0 ? 1 : late; // 0 says that it did not fire
      }
      fired.incrementAndGet();
    }

    void note(int n, int stride) {
      dueNs = new long[n];
      lateNs = new long[n];
      mask = stride - 1;
    }
  }

  private final Sink sink = new Sink();

  static final class Random {
    private long state;

    Random(long seed) {
      state = seed;
    }

    long next() {
      state += 0x9e3779b97f4a7c15L;
      long z = state;
      z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
      z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
      return z ^ (z >>> 31);
    }
  }

  private long next() {
    return random.next();
  }

  private static int indexBelow(long drawn, int count) {
    return (int) (((drawn & 0xffffffffL) * count) >>> 32);
  }

  private static long delayNs(long drawn, long fromUs, long rangeUs) {
    return (fromUs + (((drawn >>> 32) * rangeUs) >>> 32)) * 1000;
  }

  private static long churnDelayNs(long drawn) {
    return delayNs(drawn, 1000, 59_999_000L);
  }

  private static double repeat(long lengthNs, long most, Runnable operation) {
    final long begin = System.nanoTime();
    long operations = 0;
    for (;;) {
      for (int k = 0; k < OPERATIONS_PER_TURN; ++k) operation.run();
      operations += OPERATIONS_PER_TURN;
      final long elapsed = System.nanoTime() - begin;
      if (elapsed >= lengthNs || operations >= most) return (double) elapsed / operations;
    }
  }

  /** A second more of warming up than others get: until then the code is being compiled. */
  private void measure(Runnable operation) {
    repeat(1_000_000_000L, Long.MAX_VALUE, operation);
    repeat(Math.max(5 * lengthNs, 200L * n), Math.max(2L * n, 20_000), operation);
    answer("operation", "ns", repeat(lengthNs, Long.MAX_VALUE, operation));
  }

  private interface Work {
    Runnable of(int thread);
  }

  /** Wall time of an operation, all threads together. */
  private void ofAll(String metric, Work work) throws InterruptedException {
    final double[] perNs = new double[threads];
    final Thread[] running = new Thread[threads];
    for (int t = 0; t < threads; ++t) {
      final int thread = t;
      running[t] = new Thread(() -> {
        final Runnable operation = work.of(thread);
        repeat(1_000_000_000L, Long.MAX_VALUE, operation);
        perNs[thread] = 1 / repeat(lengthNs, Long.MAX_VALUE, operation);
      });
      running[t].start();
    }
    double sum = 0;
    for (int t = 0; t < threads; ++t) {
      running[t].join();
      sum += perNs[t];
    }
    answer(metric, "ns", 1 / sum);
  }

  private void manyThreads() throws InterruptedException {
    final int own = n / threads;
    for (int i = 0; i < n; ++i) timers.arm(i, churnDelayNs(next()));
    ofAll("churn, own timers", thread -> {
      final Random mine = new Random(seed + thread);
      return () -> {
        final long drawn = mine.next();
        final int i = thread * own + indexBelow(drawn, own);
        timers.cancel(i);
        timers.arm(i, churnDelayNs(drawn));
      };
    });
    ofAll("postpone, own timers", thread -> {
      final Random mine = new Random(seed + thread);
      return () -> timers.postpone(thread * own + indexBelow(mine.next(), own), POSTPONE_DELAY_NS);
    });
  }

  private static void answer(String metric, String unit, double value) {
    System.out.println(metric + " " + unit + " " + value);
  }

  private static void samples(String metric, String unit, long[] values, int from, int to) {
    final StringBuilder text = new StringBuilder("samples " + metric + " " + unit + ":");
    for (int i = from; i < to; ++i) {
      if (values[i] != 0) text.append(' ').append(values[i]);
    }
    System.out.println(text);
  }

  static void cannot(String why) {
    System.out.println("cannot " + why);
    System.out.flush();
    Runtime.getRuntime().halt(3);
  }

  private static long cpuNs() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static long kernelBytes(String file, String name) throws IOException {
    try (BufferedReader in = new BufferedReader(new FileReader(file))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        if (line.startsWith(name)) return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
      }
    }
    return 0;
  }

  private long armAhead(java.util.function.LongSupplier offsetNs) {
    for (long lead = 2_000_000_000L;; lead *= 3) {
      final long base = System.nanoTime() + lead;
      for (int i = 0; i < n; ++i) {
        sink.dueNs[i] = base + offsetNs.getAsLong();
        timers.arm(i, sink.dueNs[i] - System.nanoTime());
      }
      if (System.nanoTime() < base) return base;
      for (int i = 0; i < n; ++i) timers.cancel(i);
      sink.fired.set(0);
    }
  }

  private void awaitFired(long count, long firstNs, long latestNs) throws InterruptedException {
    Thread.sleep(Math.max(1, (firstNs - System.nanoTime()) / 1_000_000));
    while (sink.fired.get() < count) {
      if (System.nanoTime() > latestNs) cannot("only " + sink.fired.get() + " fired in time");
      Thread.sleep(20);
    }
  }

  private void fire() throws InterruptedException {
    sink.note(n, 64);
    final long arming = cpuNs();
    final long base = armAhead(() -> delayNs(next(), 0, 1_000_000));
    final long armed = cpuNs();
    final long end = base + 1_000_000_000L;
    awaitFired(n, end, end + 30_000_000_000L);
    answer("cpu per firing", "ns", (double) (cpuNs() - armed) / n);
    answer("cpu per arming", "ns", (double) (armed - arming) / n);
    samples("lateness", "ns", sink.lateNs, 0, n);
  }

  private void lateness() throws InterruptedException {
    sink.note(n, 1);
    final long lengthUs = n * 1000L;
    final long base = armAhead(() -> delayNs(next(), 0, lengthUs));
    final long end = base + lengthUs * 1000;
    awaitFired(n, end, end + 10_000_000_000L);
    samples("lateness", "ns", sink.lateNs, 0, n);
  }

  private void armFar() {
    for (int i = 0; i < n; ++i) timers.arm(i, delayNs(next(), 600_000_000L, 60_000_000L));
  }

  private void idle() throws InterruptedException {
    armFar();
    System.gc();
    Thread.sleep(1000);
    final long before = cpuNs();
    Thread.sleep(lengthNs / 1_000_000);
    answer("cpu per second", "ns", (cpuNs() - before) / (lengthNs / 1e9));
  }

  /** Of the heap: what the process has in RAM is what the collector was allowed. */
  private void memory(BiFunction<Integer, Sink, Timers> make) {
    final Runtime heap = Runtime.getRuntime();
    System.gc();
    final long before = heap.totalMemory() - heap.freeMemory();
    timers = make.apply(n, sink);
    armFar();
    System.gc();
    answer("bytes per timer", "bytes", (double) (heap.totalMemory() - heap.freeMemory() - before) / n);
  }

  private void run(BiFunction<Integer, Sink, Timers> make) throws Exception {
    if (workload.equals("memory")) {
      memory(make);
      System.out.println("version " + timers.version());
      return;
    }
    timers = make.apply(n, sink);
    System.out.println("version " + timers.version());
    System.out.println("sharing any_thread");
    switch (workload) {
      case "fire" -> fire();
      case "lateness" -> lateness();
      case "idle" -> idle();
      case "threads" -> manyThreads();
      case "churn", "turnover" -> {
        for (int i = 0; i < n; ++i) timers.arm(i, churnDelayNs(next()));
        measure(() -> {
          final long drawn = next();
          final int i = indexBelow(drawn, n);
          timers.cancel(i);
          timers.arm(i, churnDelayNs(drawn));
        });
      }
      case "postpone" -> {
        for (int i = 0; i < n; ++i) timers.arm(i, POSTPONE_DELAY_NS);
        measure(() -> timers.postpone(indexBelow(next(), n), POSTPONE_DELAY_NS));
      }
      default -> cannot("its program has no workload " + workload);
    }
  }

  static void main(String[] arguments, BiFunction<Integer, Sink, Timers> make) throws Exception {
    final Rounds rounds = new Rounds();
    rounds.workload = arguments[1];
    for (int at = 2; at < arguments.length; ++at) {
      final String value = arguments[at].substring(arguments[at].indexOf('=') + 1);
      if (arguments[at].startsWith("n=")) rounds.n = Integer.parseInt(value);
      if (arguments[at].startsWith("threads=")) rounds.threads = Integer.parseInt(value);
      if (arguments[at].startsWith("seconds=")) rounds.lengthNs = (long) (Double.parseDouble(value) * 1e9);
      if (arguments[at].startsWith("seed=")) rounds.seed = Long.parseUnsignedLong(value);
    }
    rounds.random = new Random(rounds.seed);
    rounds.run(make);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }
}
