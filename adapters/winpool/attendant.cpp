// attendant: the one thread that watches the descriptors of what pools wait for, and joins the threads of pools that
// have ended.
#include "engine.hpp"

#include <cstdint>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

DETENT_BEGIN_NAMESPACE
namespace winpool {
namespace {

void join_ended(engine& e) {
  worker* ended = nullptr;
  {
    const guard held(e.lock);
    ended = std::exchange(e.ended, nullptr);
  }
  while (ended != nullptr) {
    worker* next = ended->next_ended;
    pthread_join(ended->thread, nullptr);
    delete ended;
    ended = next;
  }
}

// The signal is handed to waits in the order in which they came, as long as there is both.
void hand_out_locked(engine& e, waitable& w) {
  w.share();
  while (!w.waits.empty() && w.try_take()) {
    _TP_WAIT& first = *w.waits.front();
    first.unset_locked(e);
    ++first.signals;
    post_locked(first);
  }
  w.drop();
}

void* attend(void* of) {
  engine& e = *static_cast<engine*>(of);
  pthread_setname_np(pthread_self(), "winpool-wait");
  epoll_event events[64];
  for (;;) {
    if (epoll_wait(e.epoll, events, 1, -1) < 0) continue;
    std::uint64_t rung = 0;
    static_cast<void>(::read(e.bell, &rung, sizeof(rung)) == sizeof(rung));
    join_ended(e);
    // What was ready may be gone by now. Objects come and go under the lock: so it is asked for once more inside it.
    const guard held(e.lock);
    const int count = epoll_wait(e.epoll, events, 64, 0);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr != nullptr) hand_out_locked(e, *static_cast<waitable*>(events[i].data.ptr));
    }
  }
  return nullptr;
}

}  // namespace

bool start_attendant(engine& e) {
  e.epoll = epoll_create1(EPOLL_CLOEXEC);
  e.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event bell{};
  bell.events = EPOLLIN;
  if (e.epoll < 0 || e.bell < 0 || epoll_ctl(e.epoll, EPOLL_CTL_ADD, e.bell, &bell) != 0) return false;
  pthread_t thread{};
  return pthread_create(&thread, nullptr, attend, &e) == 0;
}

void ring(engine& e) noexcept {
  const std::uint64_t once = 1;
  static_cast<void>(::write(e.bell, &once, sizeof(once)) == sizeof(once));
}

void watch_locked(engine& e, waitable& w) {
  if (w.watched) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &w;
  if (epoll_ctl(e.epoll, EPOLL_CTL_ADD, w.descriptor(), &event) != 0) {
    stop_for("the system refused to watch one more object that the pool waits for");
  }
  w.watched = true;
}

void unwatch_if_alone_locked(engine& e, waitable& w) {
  if (!w.watched || !w.waits.empty()) return;
  epoll_event none{};
  epoll_ctl(e.epoll, EPOLL_CTL_DEL, w.descriptor(), &none);
  w.watched = false;
}

}  // namespace winpool
DETENT_END_NAMESPACE
