// group: timers that become quiet together.
#include "handles.hpp"

using detent_c::counted;
using detent_c::ns;
using detent_c::plain;

namespace {

template <class Home>
int make_group(Home* where, const detent_group_options* given, detent_group** group) noexcept {
  if (group != nullptr) *group = nullptr;
  detent::group_options options;
  if (where == nullptr || group == nullptr || !detent_c::read_group_options(given, options)) return DETENT_INVALID;
  return detent_c::creating([&]() -> int {
    *group = new detent_group{detent::timer_group(*where, options)};
    return DETENT_OK;
  });
}

}  // namespace

int detent_group_new(detent_service* service, const detent_group_options* options, detent_group** group) noexcept {
  return make_group(service == nullptr ? nullptr : &service->service, options, group);
}

int detent_group_new_in(detent_group* parent, const detent_group_options* options, detent_group** group) noexcept {
  return make_group(parent == nullptr ? nullptr : &parent->group, options, group);
}

void detent_group_free(detent_group* group) noexcept { delete group; }

int detent_group_cancel(detent_group* group, size_t* count) noexcept {
  counted(0, count);
  return group == nullptr ? DETENT_INVALID : counted(group->group.cancel(), count);
}

int detent_group_close(detent_group* group, size_t* count) noexcept {
  counted(0, count);
  return group == nullptr ? DETENT_INVALID : counted(group->group.close(), count);
}

int detent_group_stop(detent_group* group, size_t* count) noexcept {
  counted(0, count);
  return group == nullptr ? DETENT_INVALID : counted(group->group.stop(), count);
}

int detent_group_cancel_and_wait(detent_group* group, int64_t limit_ns) noexcept {
  return group == nullptr ? DETENT_INVALID : plain(group->group.cancel_and_wait_for(ns(limit_ns)));
}

int detent_group_close_and_wait(detent_group* group, int64_t limit_ns) noexcept {
  return group == nullptr ? DETENT_INVALID : plain(group->group.close_and_wait_for(ns(limit_ns)));
}

int detent_group_wait(detent_group* group, int64_t limit_ns) noexcept {
  return group == nullptr ? DETENT_INVALID : plain(group->group.wait_for(ns(limit_ns)));
}

int detent_group_wait_slice(detent_group* group, int64_t limit_ns, detent_wait_progress* progress) noexcept {
  if (group == nullptr || progress == nullptr) return DETENT_INVALID;
  return detent_c::wait_slice(progress,
                              [&](detent::wait_progress& at) { return group->group.wait_for(ns(limit_ns), at); });
}

int detent_group_size(detent_group* group, size_t* size) noexcept {
  if (size != nullptr) *size = 0;
  return group == nullptr || size == nullptr ? DETENT_INVALID : counted(group->group.size(), size);
}
