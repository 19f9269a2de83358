// Netty's HashedWheelTimer with a tick of 1 ms.
import io.netty.util.HashedWheelTimer;
import io.netty.util.Timeout;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.TimeUnit;

final class Netty implements Timers {
  private final HashedWheelTimer wheel =
      new HashedWheelTimer(new DefaultThreadFactory("wheel", true), 1, TimeUnit.MILLISECONDS);
  private final Timeout[] pending;
  private final Rounds.Sink sink;

  private Netty(int n, Rounds.Sink sink) {
    pending = new Timeout[n];
    this.sink = sink;
  }

  @Override
  public String version() {
    return io.netty.util.Version.identify().get("netty-common").artifactVersion();
  }

  @Override
  public void cancel(int i) {
    pending[i].cancel();
  }

  @Override
  public void arm(int i, long delayNs) {
    pending[i] = wheel.newTimeout(timeout -> sink.fired(i), delayNs, TimeUnit.NANOSECONDS);
  }

  public static void main(String[] arguments) throws Exception {
    Rounds.main(arguments, Netty::new);
  }
}
