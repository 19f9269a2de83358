// publication: what is told to any number of workers, again and again, until they withdraw or stop.
#pragma once

#include <detent/detail/call_site.hpp>
#include <detent/version.hpp>
#include <detent/worker.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

namespace detail {

class publication_core;

// Who is told. Owned by the worker's list of expected callbacks: it goes with the last word, or with the subscription.
template <class Value>
struct subscriber {
  virtual ~subscriber() = default;
  virtual void tell(reply_result result, const Value* value) = 0;
};

template <class Value, class F>
struct subscriber_of final : subscriber<Value> {
  template <class Source>
  explicit subscriber_of(Source&& f) : function(std::forward<Source>(f)) {}
  void tell(reply_result result, const Value* value) override { function(result, value); }
  F function;
};

struct subscriber_entry {
  std::weak_ptr<worker_core> by;
  std::weak_ptr<reply_state> state;
  std::weak_ptr<void> whom;  // the subscriber, of the publication's type
  std::string name;
  priority urgency = priority::normal;
};

// On the worker's thread, around a notice: false where nobody wants it any more. Until the second the subscription's
// destructor waits, on other threads.
DETENT_EXPORT bool begin_notice(const std::shared_ptr<reply_state>& state) noexcept;
DETENT_EXPORT void end_notice(const std::shared_ptr<reply_state>& state) noexcept;
// A notice that comes too late is counted, not posted.
DETENT_EXPORT post_result post_notice(const std::shared_ptr<worker_core>& by, const std::shared_ptr<reply_state>& state,
                                      std::unique_ptr<job> item, const post_options& options,
                                      std::source_location place);

template <class Value>
struct notice_job final : job {
  notice_job(const subscriber_entry& to, std::shared_ptr<const Value> what)
      : state(to.state), whom(to.whom), value(std::move(what)) {}
  bool is_wanted() noexcept override {
    now = state.lock();
    return now != nullptr && begin_notice(now);
  }
  void run(work&) override {
    struct end {
      std::shared_ptr<reply_state>& of;
      std::shared_ptr<subscriber<Value>>& to;
      ~end() {
        to.reset();  // Its captures go before who waits goes on.
        end_notice(of);
        of.reset();
      }
    };
    // Here only, so that its captures end on no other thread.
    auto to = std::static_pointer_cast<subscriber<Value>>(whom.lock());
    const end last{now, to};
    if (to != nullptr) to->tell(reply_result::answered, value.get());
  }
  std::weak_ptr<reply_state> state;
  std::shared_ptr<reply_state> now;
  std::weak_ptr<void> whom;
  std::shared_ptr<const Value> value;
};

}  // namespace detail

// A worker's interest in a publication. Destroying it withdraws that: what is queued of it is dropped, and nothing is
// called any more.
//
//   Blocks:      the destructor waits for the function if the worker's thread is inside. Where that function waits for
//                the very task or callback that destroys it, whoever comes last is told: a wait is refused, a
//                destructor calls the deadlock handler of the worker's service (G08). If the handler returns, so does
//                the destructor, and the call in progress is the last one.
//   Threads:     moving and destroying need exclusive access.
class DETENT_EXPORT subscription {
 public:
  subscription() noexcept = default;
  subscription(subscription&&) noexcept = default;
  subscription& operator=(subscription&& other) noexcept;
  ~subscription();

 private:
  template <class Value>
  friend class publication;
  explicit subscription(std::shared_ptr<detail::reply_state> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<detail::reply_state> state_;
};

// Tells values to the workers that have subscribed. Each value comes to a worker as an item of its queue, with all that
// holds for one: priority, order, the queue's limit and what posting does when it is full, the report. A worker that
// stops refuses what is published from then on, and counts it as a late reply; in its stage `callbacks` it withdraws
// its subscriptions: their functions hear `stopped`, once, what is queued of them is dropped and listed as withdrawn,
// and the publication forgets them. That the publication is destroyed is told to nobody.
//
//   Verbs        block                     threads     errors
//   subscribe    never                     any         std::bad_alloc
//   publish      as posting to each does   any         how many have it; std::bad_alloc
//   size         never                     any         std::bad_alloc
//   destructor   never                     exclusive   none
class DETENT_EXPORT publication_base {
 public:
  publication_base(const publication_base&) = delete;
  publication_base& operator=(const publication_base&) = delete;
  // How many subscriptions are neither withdrawn nor stopped.
  std::size_t size() const;

 protected:
  publication_base();
  ~publication_base();
  std::shared_ptr<detail::reply_state> add(worker& by, std::weak_ptr<void> whom,
                                           detail::hook<void(reply_result)> last_word, const post_options& options);
  std::vector<detail::subscriber_entry> open() const;

 private:
  std::unique_ptr<detail::publication_core> core_;
};

template <class Value>
class publication : public publication_base {
 public:
  // `f(reply_result, const Value*)` is called on the worker's thread: `answered` with each value, `stopped` with none.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&, reply_result, const Value*>
  [[nodiscard]] subscription subscribe(worker& by, F&& f, const post_options& options = {}) {
    auto whom = std::make_shared<detail::subscriber_of<Value, std::decay_t<F>>>(std::forward<F>(f));
    std::weak_ptr<void> seen = std::static_pointer_cast<detail::subscriber<Value>>(whom);
    auto last_word = [whom = std::move(whom)](reply_result result) { whom->tell(result, nullptr); };
    return subscription(add(by, std::move(seen), detail::hook<void(reply_result)>(std::move(last_word)), options));
  }

  // Posts the value to every subscriber, one after the other; they share it. Answers how many queues have taken it.
  std::size_t publish(Value value, std::source_location place = detail::call_site::current()) {
    const auto shared = std::make_shared<const Value>(std::move(value));
    std::size_t count = 0;
    for (const detail::subscriber_entry& to : open()) {
      const auto by = to.by.lock();
      const auto state = to.state.lock();
      if (by == nullptr || state == nullptr) continue;
      std::unique_ptr<detail::job> item(new (*by) detail::notice_job<Value>(to, shared));
      const post_options options{.urgency = to.urgency, .name = to.name};
      const post_result result = detail::post_notice(by, state, std::move(item), options, place);
      if (result == post_result::accepted || result == post_result::displaced) ++count;
    }
    return count;
  }
};

DETENT_END_NAMESPACE
