// publication: who has subscribed. The states themselves are the workers'.
#include "worker_core.hpp"

#include <detent/publication.hpp>

#include <mutex>

DETENT_BEGIN_NAMESPACE
namespace detail {

class publication_core {
 public:
  void add(subscriber_entry&& entry) {
    const std::lock_guard locked(lock_);
    entries_.push_back(std::move(entry));
  }
  // Those that have heard their last word, or were withdrawn, are forgotten.
  std::vector<subscriber_entry> open() {
    const std::lock_guard locked(lock_);
    std::erase_if(entries_, [](const subscriber_entry& entry) { return entry.whom.expired(); });
    return entries_;
  }

 private:
  std::mutex lock_;
  std::vector<subscriber_entry> entries_;  // under the lock
};

bool begin_notice(const std::shared_ptr<reply_state>& state) noexcept {
  const auto by = state->asker.lock();
  return by != nullptr && by->begin_notice(*state);
}

void end_notice(const std::shared_ptr<reply_state>& state) noexcept {
  if (const auto by = state->asker.lock()) by->end_notice(*state);
}

post_result post_notice(const std::shared_ptr<worker_core>& by, const std::shared_ptr<reply_state>& state,
                        std::unique_ptr<job> item, const post_options& options, std::source_location place) {
  if (by->is_gone() || !by->takes_notice(*state)) return post_result::stopping;
  return by->enqueue(item, options, place, instant::max());
}

}  // namespace detail

subscription& subscription::operator=(subscription&& other) noexcept {
  subscription old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

subscription::~subscription() {
  if (state_ == nullptr) return;
  const auto by = state_->asker.lock();
  // Whoever publishes may hold the state for a moment longer: the captures end here all the same.
  if (by != nullptr && !by->is_gone() && by->forget(state_)) state_->deliver = {};
}

publication_base::publication_base() : core_(std::make_unique<detail::publication_core>()) {}
publication_base::~publication_base() = default;

std::size_t publication_base::size() const { return core_->open().size(); }
std::vector<detail::subscriber_entry> publication_base::open() const { return core_->open(); }

std::shared_ptr<detail::reply_state> publication_base::add(worker& by, std::weak_ptr<void> whom,
                                                           detail::hook<void(reply_result)> last_word,
                                                           const post_options& options) {
  auto state = by.expect_reply(std::move(last_word), options.name);
  if (state == nullptr) return state;
  try {
    core_->add({by.core_, state, std::move(whom), std::string(options.name), options.urgency});
  } catch (...) {
    by.core_->forget(state);
    throw;
  }
  return state;
}

DETENT_END_NAMESPACE
