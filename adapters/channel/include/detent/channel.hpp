// channel: values handed from thread to thread, and `select` over several channels at once, as in Go.
//
// A channel without capacity hands each value from a sender to a receiver that is there; one with capacity keeps up to
// that many. Handles are shared: copies name the same channel, and the last one that goes frees it, with what is still
// in it. Values travel as one word, copied if they are small and trivial, in a box of their own otherwise: no lock is
// held while a value is moved or destroyed.
//
//   Verbs                block   threads   inside a callback                      errors
//   send, receive,       yes     any       legal; they occupy the executor's      the result; what boxes a value may
//   select                                 thread until somebody comes            throw std::bad_alloc, before anything
//   …_for, stop token    limited any       the same                               the same
//   try_…, close, size   never   any       legal                                  the same
//
//   Visibility: what happened before a send is visible after the receive of its value, what happened before `close` to
//   those who are told `closed`, and what happened before a receive without capacity after the send it completed.
//   Limits are durations of the steady clock, also beside a manual clock; put `go::after` into a select for the other.
//   A verb on a handle that is empty or moved from answers `closed`.
#pragma once

#include <detent/time.hpp>
#include <detent/version.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

DETENT_BEGIN_NAMESPACE

enum class send_result : std::uint8_t {
  sent,
  full,       // nobody takes it now (try_send only); as with those below, the value stays with the caller
  closed,     // where Go panics
  timed_out,  // the limit passed first
  stopped,    // the stop token was asked first
};

enum class receive_result : std::uint8_t {
  received,
  empty,      // nothing is there now (try_receive only)
  closed,     // and everything that was sent has been received; of a timer: its service is shut down
  timed_out,  // the limit passed first
  stopped,    // the stop token was asked first
};

enum class close_result : std::uint8_t {
  closed,          // by this call
  already_closed,  // where Go panics; also for an empty handle
};

// What a receive answers: a value, or why there is none.
template <class T>
class received {
 public:
  received(receive_result why) noexcept : outcome_(why) {}  // NOLINT(google-explicit-constructor): a result converts
  received(T&& value) noexcept                              // NOLINT(google-explicit-constructor): a value converts
      : value_(std::move(value)), outcome_(receive_result::received) {}

  receive_result outcome() const noexcept { return outcome_; }
  explicit operator bool() const noexcept { return value_.has_value(); }
  // Requires: a value was received.
  T& operator*() noexcept { return *value_; }
  const T& operator*() const noexcept { return *value_; }
  T* operator->() noexcept { return &*value_; }
  const T* operator->() const noexcept { return &*value_; }

 private:
  std::optional<T> value_;
  receive_result outcome_;
};

// What a blocking verb may be given to end it early: detent's stop token, the standard's, or anything of that shape. A
// blocked call asks it every `stop_interval`: a token of ours lives in the frame of a call and tells nobody by itself.
// To be woken at once, put a channel that somebody closes into a select.
template <class Token>
concept asks_to_stop = requires(const Token& token) {
  { token.stop_requested() } -> std::convertible_to<bool>;
};
inline constexpr duration stop_interval = std::chrono::milliseconds(2);

namespace detail {

class port;    // one channel: its queues and its lock
class waiter;  // one blocked call

using port_share = std::shared_ptr<port>;

// A value on its way: itself, or where it is kept.
using channel_word = std::uint64_t;

enum class case_end : std::uint8_t { done, closed, nothing_ready, timed_out, stopped, impossible };

// One case of a select, on the stack of the thread that selects.
struct case_entry {
  const port_share* at = nullptr;  // constant; no port, or an empty one: never ready
  bool sends = false;              // constant
  channel_word word = 0;           // what is sent, or what was received; who has claimed the waiter writes it

  // Used by the select alone.
  const void* value = nullptr;  // whose box `word` names: what is sent, if it was boxed
  const void* kind = nullptr;   // of that value's type
  std::uint16_t poll_index = 0;
  std::uint16_t lock_index = 0;
  port_share kept{};  // a blocked call holds its channels

  // Under the port's lock while the call is blocked.
  waiter* blocked = nullptr;
  std::size_t index = 0;
  case_entry* before = nullptr;
  case_entry* after = nullptr;
  bool linked = false;

  // Several cases may send one value: it is moved into one box, and whichever case is done sends that.
  bool shares_box_with(const case_entry& other) const noexcept {
    return value != nullptr && value == other.value && kind == other.kind;
  }
};

// When a select gives up.
struct patience {
  bool waits = true;  // false: at once
  std::int64_t limit_ns = ns_max;
  bool (*stop_requested)(const void* token) = nullptr;
  const void* token = nullptr;
};

struct select_answer {
  std::size_t index;  // of the case, for `done` and `closed`
  case_end end;
};

// The one door to all ports: does exactly one of the cases, or none and says why. Never throws, never allocates.
DETENT_EXPORT select_answer select_words(case_entry* cases, std::size_t count, const patience& until) noexcept;

// `discard` destroys what is left in a channel that nobody holds any more; it runs with no lock held.
DETENT_EXPORT port_share make_channel(std::size_t capacity, void (*discard)(channel_word) noexcept);
DETENT_EXPORT close_result close_port(port& at) noexcept;
DETENT_EXPORT std::size_t size_of(const port& of) noexcept;
DETENT_EXPORT std::size_t capacity_of(const port& of) noexcept;

template <class T>
struct boxing {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_nothrow_move_constructible_v<T>,
                "a channel carries objects whose move does not throw: a value is never lost between two threads");
  static constexpr bool in_word = std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(channel_word);
  static constexpr bool kind = true;  // its address names the type

  template <class Source>
  static channel_word pack(Source&& value) {
    if constexpr (in_word) {
      const T copy(std::forward<Source>(value));
      channel_word word = 0;
      std::memcpy(&word, &copy, sizeof copy);
      return word;
    } else {
      return static_cast<channel_word>(reinterpret_cast<std::uintptr_t>(new T(std::forward<Source>(value))));
    }
  }
  // The box is freed when the value has been moved out.
  static T unpack(channel_word word) noexcept {
    if constexpr (in_word) {
      std::array<unsigned char, sizeof(T)> bytes;
      std::memcpy(bytes.data(), &word, bytes.size());
      return std::bit_cast<T>(bytes);
    } else {
      const std::unique_ptr<T> box(box_of(word));
      return std::move(*box);
    }
  }
  // A value that nobody took goes back to where it came from.
  static void put_back(T& from, channel_word word) noexcept {
    if constexpr (!in_word) {
      const std::unique_ptr<T> box(box_of(word));
      std::destroy_at(&from);
      std::construct_at(&from, std::move(*box));
    }
  }
  static void discard(channel_word word) noexcept {
    if constexpr (!in_word) delete box_of(word);
  }

 private:
  static T* box_of(channel_word word) noexcept { return reinterpret_cast<T*>(static_cast<std::uintptr_t>(word)); }
};

template <asks_to_stop Token>
patience ended_by(const Token& token, std::int64_t limit_ns = ns_max) noexcept {
  return {true, limit_ns, [](const void* asked) { return bool(static_cast<const Token*>(asked)->stop_requested()); },
          &token};
}

constexpr receive_result to_receive_result(case_end end) noexcept {
  switch (end) {
    case case_end::done: return receive_result::received;
    case case_end::nothing_ready: return receive_result::empty;
    case case_end::timed_out: return receive_result::timed_out;
    case case_end::stopped: return receive_result::stopped;
    default: return receive_result::closed;
  }
}

constexpr send_result to_send_result(case_end end) noexcept {
  switch (end) {
    case case_end::done: return send_result::sent;
    case case_end::nothing_ready: return send_result::full;
    case case_end::timed_out: return send_result::timed_out;
    case case_end::stopped: return send_result::stopped;
    default: return send_result::closed;
  }
}

}  // namespace detail

// The receiving end of a channel, or of a timer (`go::timer::c`). Go writes <-chan T.
template <class T>
class receiver {
 public:
  receiver() noexcept = default;
  explicit receiver(detail::port_share at) noexcept : at_(std::move(at)) {}

  received<T> receive() const { return take({}); }
  template <asks_to_stop Token>
  received<T> receive(const Token& token) const {
    return take(detail::ended_by(token));
  }
  template <class Rep, class Period>
  received<T> receive_for(std::chrono::duration<Rep, Period> limit) const {
    return take({.limit_ns = detail::ceil_ns(limit)});
  }
  template <class Rep, class Period, asks_to_stop Token>
  received<T> receive_for(std::chrono::duration<Rep, Period> limit, const Token& token) const {
    return take(detail::ended_by(token, detail::ceil_ns(limit)));
  }
  received<T> try_receive() const { return take({.waits = false}); }

  explicit operator bool() const noexcept { return at_ != nullptr; }
  friend bool operator==(const receiver&, const receiver&) noexcept = default;
  const detail::port_share& share() const noexcept { return at_; }

 private:
  received<T> take(const detail::patience& until) const {
    if (at_ == nullptr) return receive_result::closed;
    detail::case_entry only;
    only.at = &at_;
    const detail::case_end end = detail::select_words(&only, 1, until).end;
    if (end != detail::case_end::done) return detail::to_receive_result(end);
    return detail::boxing<T>::unpack(only.word);
  }

  detail::port_share at_;
};

// Both ends. Any number of threads may send and receive. Senders and receivers that are blocked on one channel are
// served in the order in which they came.
template <class T>
class channel {
 public:
  channel() noexcept = default;

  // May throw std::bad_alloc, or std::length_error for a capacity that no memory could hold.
  static channel make(std::size_t capacity = 0) {
    return channel(detail::make_channel(capacity, &detail::boxing<T>::discard));
  }

  // The value is moved from only if the answer is `sent`.
  send_result send(T&& value) const { return give(value, {}); }
  template <asks_to_stop Token>
  send_result send(T&& value, const Token& token) const {
    return give(value, detail::ended_by(token));
  }
  template <class Rep, class Period>
  send_result send_for(std::chrono::duration<Rep, Period> limit, T&& value) const {
    return give(value, {.limit_ns = detail::ceil_ns(limit)});
  }
  template <class Rep, class Period, asks_to_stop Token>
  send_result send_for(std::chrono::duration<Rep, Period> limit, T&& value, const Token& token) const {
    return give(value, detail::ended_by(token, detail::ceil_ns(limit)));
  }
  send_result try_send(T&& value) const { return give(value, {.waits = false}); }

  // The same of a copy, which is made first.
  send_result send(const T& value) const
    requires std::copy_constructible<T>
  {
    return send(T(value));
  }
  template <asks_to_stop Token>
  send_result send(const T& value, const Token& token) const
    requires std::copy_constructible<T>
  {
    return send(T(value), token);
  }
  template <class Rep, class Period>
  send_result send_for(std::chrono::duration<Rep, Period> limit, const T& value) const
    requires std::copy_constructible<T>
  {
    return send_for(limit, T(value));
  }
  send_result try_send(const T& value) const
    requires std::copy_constructible<T>
  {
    return try_send(T(value));
  }

  received<T> receive() const { return end().receive(); }
  template <asks_to_stop Token>
  received<T> receive(const Token& token) const {
    return end().receive(token);
  }
  template <class Rep, class Period>
  received<T> receive_for(std::chrono::duration<Rep, Period> limit) const {
    return end().receive_for(limit);
  }
  template <class Rep, class Period, asks_to_stop Token>
  received<T> receive_for(std::chrono::duration<Rep, Period> limit, const Token& token) const {
    return end().receive_for(limit, token);
  }
  received<T> try_receive() const { return end().try_receive(); }

  // What was sent before can still be received; blocked senders are told `closed` and keep their values.
  close_result close() const noexcept {
    return share() == nullptr ? close_result::already_closed : detail::close_port(*share());
  }

  // Values kept at the moment of asking, and how many it can keep.
  std::size_t size() const noexcept { return share() == nullptr ? 0 : detail::size_of(*share()); }
  std::size_t capacity() const noexcept { return share() == nullptr ? 0 : detail::capacity_of(*share()); }

  // The receiving end alone.
  const receiver<T>& end() const noexcept { return receiver_; }
  operator receiver<T>() const noexcept { return receiver_; }  // NOLINT(google-explicit-constructor): as in Go
  explicit operator bool() const noexcept { return share() != nullptr; }
  friend bool operator==(const channel&, const channel&) noexcept = default;
  const detail::port_share& share() const noexcept { return receiver_.share(); }

 private:
  explicit channel(detail::port_share at) noexcept : receiver_(std::move(at)) {}

  send_result give(T& value, const detail::patience& until) const {
    if (share() == nullptr) return send_result::closed;
    detail::case_entry only;
    only.at = &share();
    only.sends = true;
    only.word = detail::boxing<T>::pack(std::move(value));
    const detail::case_end end = detail::select_words(&only, 1, until).end;
    if (end != detail::case_end::done) detail::boxing<T>::put_back(value, only.word);
    return detail::to_send_result(end);
  }

  receiver<T> receiver_;
};

// --- select ---------------------------------------------------------------------------------------------------------
//
//   detent::select(detent::on_receive(jobs, [&](detent::received<job> j) { ... }),
//                  detent::on_send(results, std::move(r), [&](detent::send_result) { ... }),
//                  detent::on_timeout(5ms, [&] { ... }));

namespace detail {

struct nothing_more {
  void operator()() const noexcept {}
};

template <class F, class... Arguments>
void call_case(F& f, Arguments&&... arguments) {
  if constexpr (std::is_invocable_v<F&, Arguments&&...>) {
    static_cast<void>(f(std::forward<Arguments>(arguments)...));
  } else {
    static_cast<void>(f());
  }
}

template <class T, class F>
class receive_case {
 public:
  static constexpr bool is_channel = true;
  receive_case(port_share at, F f) : at_(std::move(at)), f_(std::move(f)) {}
  void enter(case_entry& entry, const case_entry* /*first*/) { entry.at = &at_; }
  void take_back(const case_entry& /*entry*/) noexcept {}
  void end(const case_entry& entry, case_end how) {
    if (how == case_end::done) {
      call_case(f_, received<T>(boxing<T>::unpack(entry.word)));
    } else {
      call_case(f_, received<T>(to_receive_result(how)));
    }
  }

 private:
  port_share at_;
  F f_;
};

template <class T, class F>
class send_case {
 public:
  static constexpr bool is_channel = true;
  send_case(port_share at, T& value, F f) : at_(std::move(at)), value_(&value), f_(std::move(f)) {}
  // `first` is the first entry of this select; those up to `entry` have been entered.
  void enter(case_entry& entry, const case_entry* first) {
    if (at_ != nullptr) {
      entry.value = value_;
      entry.kind = &boxing<T>::kind;
      const case_entry* const here = &entry;
      const case_entry* const same =
          std::find_if(first, here, [&](const case_entry& other) { return other.shares_box_with(entry); });
      entry.word = same != here ? same->word : boxing<T>::pack(std::move(*value_));
    }
    entry.sends = true;
    entry.at = &at_;  // Last: an entry with a port has a value.
  }
  void take_back(const case_entry& entry) noexcept {
    if (at_ != nullptr) boxing<T>::put_back(*value_, entry.word);
  }
  void end(const case_entry& entry, case_end how) {
    if (how != case_end::done) take_back(entry);
    call_case(f_, to_send_result(how));
  }

 private:
  port_share at_;
  T* value_;
  F f_;
};

template <class F>
struct default_case {
  static constexpr bool is_channel = false;
  static constexpr case_end mine = case_end::nothing_ready;
  F f;
  void limit(patience& until) const noexcept { until.waits = false; }
  void end() { call_case(f); }
};

template <class F>
struct timeout_case {
  static constexpr bool is_channel = false;
  static constexpr case_end mine = case_end::timed_out;
  std::int64_t limit_ns;
  F f;
  void limit(patience& until) const noexcept { until.limit_ns = limit_ns; }
  void end() { call_case(f); }
};

template <class Token, class F>
struct stop_case {
  static constexpr bool is_channel = false;
  static constexpr case_end mine = case_end::stopped;
  const Token* token;
  F f;
  void limit(patience& until) const noexcept {
    const patience asked = ended_by(*token);
    until.stop_requested = asked.stop_requested;
    until.token = asked.token;
  }
  void end() { call_case(f); }
};

template <class Case>
concept select_case = requires { std::remove_cvref_t<Case>::is_channel; };

}  // namespace detail

// `f` gets what was received: a value, or `closed`; or nothing, if it takes nothing. An empty channel is never ready.
template <class T, class F = detail::nothing_more>
auto on_receive(const receiver<T>& from, F f = {}) {
  return detail::receive_case<T, F>(from.share(), std::move(f));
}
template <class T, class F = detail::nothing_more>
auto on_receive(const channel<T>& from, F f = {}) {
  return detail::receive_case<T, F>(from.share(), std::move(f));
}
// `f` gets `sent` or `closed`; or nothing. The value is moved from only if this case is done: it is referred to, and
// outlives the select, as whatever stands in the same expression does. Several cases may send one value; one of them
// does.
template <class T, class F = detail::nothing_more>
auto on_send(const channel<T>& to, std::type_identity_t<T>&& value, F f = {}) {
  return detail::send_case<T, F>(to.share(), value, std::move(f));
}
// If no other case is ready now. Go writes default.
template <class F = detail::nothing_more>
auto otherwise(F f = {}) {
  return detail::default_case<F>{std::move(f)};
}
// If no other case becomes ready for so long, by the steady clock.
template <class Rep, class Period, class F = detail::nothing_more>
auto on_timeout(std::chrono::duration<Rep, Period> limit, F f = {}) {
  return detail::timeout_case<F>{detail::ceil_ns(limit), std::move(f)};
}
// If the token is asked first. It is referred to.
template <asks_to_stop Token, class F = detail::nothing_more>
auto on_stop(const Token& token, F f = {}) {
  return detail::stop_case<Token, F>{&token, std::move(f)};
}

// What `select` answers when no case can ever become ready: every channel is empty, and nothing limits the wait. Go
// blocks for ever.
inline constexpr std::size_t nothing_to_select = static_cast<std::size_t>(-1);

// Does exactly one of the cases, calls its function on this thread, and answers its place in the list. Of several that
// are ready, each is as likely. Blocks until one is; at most one `otherwise`, `on_timeout` and `on_stop` ends that.
template <detail::select_case... Cases>
  requires(sizeof...(Cases) > 0)
std::size_t select(Cases&&... cases) {
  constexpr std::size_t channel_count = (std::size_t{0} + ... + (std::remove_cvref_t<Cases>::is_channel ? 1U : 0U));
  static_assert(sizeof...(Cases) < 65536);
  std::array<detail::case_entry, channel_count == 0 ? 1 : channel_count> entries{};
  detail::patience until;
  std::size_t filled = 0;
  // What was boxed goes back if a later box finds no memory.
  struct give_back {
    std::array<detail::case_entry, channel_count == 0 ? 1 : channel_count>& entries;
    std::tuple<Cases&...> all;
    bool armed = true;
    std::size_t spared = static_cast<std::size_t>(-1);
    // An earlier case, or the chosen one, has the same box and sees to it.
    bool is_seen_to(std::size_t at) const noexcept {
      for (std::size_t other = 0; other < entries.size(); ++other) {
        if ((other < at || other == spared) && entries[other].shares_box_with(entries[at])) return true;
      }
      return false;
    }
    void run() noexcept {
      armed = false;
      std::size_t at = 0;
      const auto one = [&](auto& c) {
        if constexpr (std::remove_cvref_t<decltype(c)>::is_channel) {
          if (entries[at].at != nullptr && at != spared && !is_seen_to(at)) c.take_back(entries[at]);
          ++at;
        }
      };
      std::apply([&](auto&... c) { (one(c), ...); }, all);
    }
    ~give_back() {
      if (armed) run();
    }
  } unused{entries, {cases...}};
  const auto enter = [&](auto& c) {
    if constexpr (std::remove_cvref_t<decltype(c)>::is_channel) {
      c.enter(entries[filled++], entries.data());
    } else {
      c.limit(until);
    }
  };
  (enter(cases), ...);
  const detail::select_answer answer = detail::select_words(entries.data(), channel_count, until);
  const bool chose = answer.end == detail::case_end::done || answer.end == detail::case_end::closed;
  if (chose) unused.spared = answer.index;
  unused.run();

  std::size_t place = 0;
  std::size_t channel_place = 0;
  std::size_t chosen = nothing_to_select;
  const auto finish = [&](auto& c) {
    const std::size_t here = place++;
    if constexpr (std::remove_cvref_t<decltype(c)>::is_channel) {
      const std::size_t mine = channel_place++;
      if (chose && mine == answer.index) {
        chosen = here;
        c.end(entries[mine], answer.end);
      }
    } else {
      if (answer.end == c.mine) {
        chosen = here;
        c.end();
      }
    }
  };
  (finish(cases), ...);
  return chosen;
}

DETENT_END_NAMESPACE
