// firing: what a callback may ask about its call, and what an executor does with a task.
#include "handles.hpp"

namespace detent_c {

static_assert(sizeof(detent::task) == sizeof(detent_task) && alignof(detent::task) <= alignof(detent_task));

namespace {

// A task lies in the caller's 16 bytes. It is a counted pointer and a number, so its bytes may be copied elsewhere as
// long as one copy is used.
detent::task* task_in(detent_task* bytes) noexcept {
  return std::launder(reinterpret_cast<detent::task*>(bytes));  // NOLINT: the bytes are the caller's
}

}  // namespace

void posting_executor::post(detent::task task) {
  detent_task bytes{};
  auto* placed = ::new (static_cast<void*>(&bytes)) detent::task(std::move(task));
  if (post_(context_->pointer(), bytes) != 0) placed->~task();
}

}  // namespace detent_c

int64_t detent_firing_deadline_ns(const detent_firing* firing) noexcept {
  return firing == nullptr ? 0 : detent::detail::epoch_ns(firing->current->deadline());
}

int64_t detent_firing_lateness_ns(const detent_firing* firing) noexcept {
  return firing == nullptr ? 0 : firing->current->lateness().count();
}

uint64_t detent_firing_missed(const detent_firing* firing) noexcept {
  return firing == nullptr ? 0 : firing->current->missed();
}

detent_id detent_firing_id(const detent_firing* firing) noexcept {
  return firing == nullptr ? 0 : firing->current->id().value();
}

int detent_firing_stop_requested(const detent_firing* firing) noexcept {
  if (firing == nullptr) return DETENT_INVALID;
  return firing->current->token().stop_requested() ? 1 : 0;
}

int detent_firing_detach(detent_firing* firing) noexcept {
  if (firing == nullptr) return DETENT_INVALID;
  firing->current->detach();
  return DETENT_OK;
}

int detent_firing_close(detent_firing* firing) noexcept {
  if (firing == nullptr) return DETENT_INVALID;
  firing->current->close();
  return DETENT_OK;
}

int detent_firing_fail(detent_firing* firing, int code) noexcept {
  if (firing == nullptr || code == 0) return DETENT_INVALID;
  firing->code = code;
  return DETENT_OK;
}

int detent_task_run(detent_task* task) noexcept {
  if (task == nullptr) return DETENT_INVALID;
  detent::task mine(std::move(*detent_c::task_in(task)));
  mine();
  return DETENT_OK;
}

int detent_task_drop(detent_task* task) noexcept {
  if (task == nullptr) return DETENT_INVALID;
  const detent::task mine(std::move(*detent_c::task_in(task)));
  return DETENT_OK;
}
