// ScheduledThreadPoolExecutor with one thread, and cancelled tasks removed at once.
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

final class Java implements Timers {
  private final ScheduledThreadPoolExecutor executor = new ScheduledThreadPoolExecutor(1);
  private final ScheduledFuture<?>[] pending;
  private final Rounds.Sink sink;

  private Java(int n, Rounds.Sink sink) {
    executor.setRemoveOnCancelPolicy(true);
    pending = new ScheduledFuture<?>[n];
    this.sink = sink;
  }

  @Override
  public String version() {
    return System.getProperty("java.version");
  }

  @Override
  public void cancel(int i) {
    pending[i].cancel(false);
  }

  @Override
  public void arm(int i, long delayNs) {
    pending[i] = executor.schedule(() -> sink.fired(i), delayNs, TimeUnit.NANOSECONDS);
  }

  public static void main(String[] arguments) throws Exception {
    Rounds.main(arguments, Java::new);
  }
}
