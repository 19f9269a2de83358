// worker_io: the input and output of a worker through Asio, which ends when the worker ends.
//
// needs: exceptions
#pragma once

#include <detent/version.hpp>
#include <detent/worker.hpp>

#include <asio.hpp>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

DETENT_BEGIN_NAMESPACE

class worker_io;

// A socket, an acceptor, a stream descriptor, a timer, a resolver of Asio that is closed when its worker ends: what it
// has in flight then is completed with `operation_aborted`. It is used like the object that it is.
//
//   Begun                                  ends
//   by a handler, after the close          at once, with `operation_aborted` or `bad_descriptor`
//   by another thread, after the close     the same, once the loop has called its next handler, if it has one left
//   after the loop's end                   never: the handler is not called, and is destroyed with the loop
//
//   An object made after the close is born closed. A name that the system's resolver is looking up by then is waited for;
//   so is what is begun on objects that are not io_object.
//
//   Threads:     as Asio says, one at once; the loop's thread is the one that closes it. It is destroyed before the loop.
template <class Object>
class io_object : public Object {
 public:
  // `rest` is what the object's own constructor takes after the context.
  template <class... Rest>
  explicit io_object(worker_io& loop, Rest&&... rest);
  // Takes an open object of this loop over: an accepted socket, say.
  io_object(worker_io& loop, Object&& open);
  io_object(const io_object&) = delete;
  io_object& operator=(const io_object&) = delete;
  ~io_object();

 private:
  static void close_now(void* object) noexcept;
  worker_io& loop_;
};

// An event loop of Asio on a thread of its own, whose end is the stage `io` of its worker: all of its objects are
// closed, their handlers are called, and the thread leaves the loop. Handlers that take longer than the stage make it
// overdue, and so does one that begins anew whatever it is told: the loop ends when nothing is in flight.
//
//   Verbs          block   threads     errors
//   constructor    never   any         std::system_error, std::bad_alloc
//   context        never   any         none
//   on_worker      never   any         std::bad_alloc
//   destructor     yes     not its own waits for the handler in progress
//
//   Handlers run on the loop's thread with no lock held. What they let out is given to the worker as an exception of a
//   callback called "io", unless memory is too short for that. The worker may own the loop:
//   own(std::make_unique<worker_io>(w)) is destroyed after its end.
class worker_io {
 public:
  // Requires: `owner` outlives it.
  explicit worker_io(worker& owner, std::string_view name = "io") : owner_(owner) {
    end_.async_wait([](const asio::error_code&) { throw end_came{}; });
    in_flight_ = owner.in_flight([this] { end(); }, name);
    thread_ = std::thread([this] { run(); });
  }
  worker_io(const worker_io&) = delete;
  worker_io& operator=(const worker_io&) = delete;
  ~worker_io() {
    end();
    thread_.join();
  }

  asio::io_context& context() noexcept { return context_; }

  // A completion handler that has `f(error, results...)` called on the worker's thread, exactly once: with what the
  // operation brings, or with `operation_aborted` when the worker stops first, or has ended.
  // `on_worker<std::size_t>(f)` is for operations that tell a number of bytes.
  template <class... Results, class F>
  auto on_worker(F f, std::string_view name = {}) {
    struct delivery {
      explicit delivery(F&& of) : f(std::move(of)) {}
      F f;
      std::optional<std::tuple<asio::error_code, Results...>> results;
      expectation expected;
    };
    auto kept = std::make_shared<delivery>(std::move(f));
    kept->expected = owner_.expect(
        [kept](reply_result result) {
          if (result == reply_result::answered) {
            std::apply(kept->f, std::move(*kept->results));
          } else {
            kept->f(asio::error_code(asio::error::operation_aborted), Results{}...);
          }
        },
        name);
    return [kept](const asio::error_code& error, Results... results) {
      kept->results.emplace(error, std::move(results)...);
      kept->expected.complete();
    };
  }

 private:
  template <class Object>
  friend class io_object;

  // Leaves the loop's run(), so that it is looked after from then on: what handlers begin is closed again.
  struct end_came {};

  void run() {
    for (bool ends = false;;) {
      try {
        if (!ends) {
          context_.run();
        } else {
          do close_all();
          while (context_.poll() != 0 || context_.run_one() != 0);
        }
        break;
      } catch (const end_came&) {
        ends = true;
      } catch (...) {
        tell(std::current_exception());  // And the loop goes on.
      }
    }
    in_flight_ = {};
  }

  // Has the worker contain it as it contains a callback's: that takes no room in its queue, and is told while it ends.
  void tell(std::exception_ptr thrown) noexcept {
    try {
      auto kept = std::make_shared<expectation>();  // It lives until it is told: its function holds it.
      *kept = owner_.expect([kept, thrown](reply_result) { std::rethrow_exception(thrown); }, "io");
      kept->complete();
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): there is no memory to tell anything.
    }
  }

  // Has the loop close everything; it leaves when the last handler has been called. A second call does nothing. Needs
  // no memory: what it ends is the wait that keeps the loop going.
  void end() noexcept {
    const std::lock_guard locked(lock_);
    end_.cancel();
  }
  void close_all() noexcept {
    const std::lock_guard locked(lock_);
    over_ = true;
    for (const auto& [object, close] : objects_) close(object);
  }

  using closing = void (*)(void* object) noexcept;

  void add(void* object, closing close) {
    const std::lock_guard locked(lock_);
    objects_.emplace(object, close);
    if (over_) close(object);
  }
  void remove(void* object) noexcept {
    const std::lock_guard locked(lock_);
    objects_.erase(object);
  }

  worker& owner_;
  std::mutex lock_;
  std::unordered_map<void*, closing> objects_;  // under the lock
  bool over_ = false;                           // under the lock
  // Its handlers may hold objects, and are destroyed with it: what objects need is above.
  asio::io_context context_{1};
  asio::steady_timer end_{context_, asio::steady_timer::time_point::max()};  // never due; cancelled under the lock
  operation in_flight_;                                                      // of the loop's thread once that is there
  std::thread thread_;
};

template <class Object>
template <class... Rest>
io_object<Object>::io_object(worker_io& loop, Rest&&... rest)
    : Object(loop.context(), std::forward<Rest>(rest)...), loop_(loop) {
  loop_.add(this, &close_now);
}

template <class Object>
io_object<Object>::io_object(worker_io& loop, Object&& open) : Object(std::move(open)), loop_(loop) {
  loop_.add(this, &close_now);
}

template <class Object>
io_object<Object>::~io_object() {
  loop_.remove(this);
}

template <class Object>
void io_object<Object>::close_now(void* object) noexcept {
  auto& self = *static_cast<io_object*>(object);
  asio::error_code ignored;
  if constexpr (requires { self.close(ignored); }) {
    static_cast<void>(self.close(ignored));
  } else {
    static_cast<void>(self.cancel());
  }
}

DETENT_END_NAMESPACE
