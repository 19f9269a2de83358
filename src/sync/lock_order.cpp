#include "sync/lock_order.hpp"

#include "platform/platform.hpp"
#include "sync/mutex.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <utility>

#if DETENT_THREAD_SANITIZER
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
}
#endif

namespace detent::inline v0 {

namespace {
//  L1 set       a user         exchange of the handler                             acq_rel   L2
//  L2 use       who tells      load                                                acquire   L1
constinit std::atomic<lock_order_handler> handler_in_use{nullptr};
}  // namespace

lock_order_handler set_lock_order_handler(lock_order_handler handler) noexcept {
  return handler_in_use.exchange(handler, std::memory_order_acq_rel);  // L1 -> L2.
}

namespace detail {

#if !DETENT_TRACKS_LOCKS
void forget_locks_in_child() noexcept {}
#endif

#if DETENT_THREAD_SANITIZER

namespace {

// The sanitizer takes a lock for a synchronisation. These are none: without this, they would hide races.
class only_order {
 public:
  only_order() noexcept { AnnotateIgnoreSyncBegin(__FILE__, __LINE__); }
  ~only_order() { AnnotateIgnoreSyncEnd(__FILE__, __LINE__); }
  only_order(const only_order&) = delete;
  only_order& operator=(const only_order&) = delete;
};

// The points that this thread holds. The sanitizer itself has room for 64 locks of a thread, the user's among them;
// beyond this limit a point is not held, and not reported.
struct held_points {
  std::array<order_point*, 32> all;
  std::size_t count;
};
constinit thread_local held_points held{};

}  // namespace

void order_point::hold() noexcept {
  constexpr unsigned how = __tsan_mutex_read_lock | __tsan_mutex_try_lock;
  __tsan_mutex_pre_lock(this, how);
  __tsan_mutex_post_lock(this, how, 0);
}

void order_point::let_go() noexcept {
  __tsan_mutex_pre_unlock(this, __tsan_mutex_read_lock);
  __tsan_mutex_post_unlock(this, __tsan_mutex_read_lock);
}

void order_point::enter(const lock_label&) noexcept {
  if (held.count == held.all.size()) return;
  const only_order quiet;
  held.all[held.count++] = this;
  hold();
}

void order_point::leave() noexcept {
  for (std::size_t i = held.count; i > 0; --i) {
    if (held.all[i - 1] != this) continue;
    for (--held.count, --i; i < held.count; ++i) held.all[i] = held.all[i + 1];
    const only_order quiet;
    let_go();
    return;
  }
}

// For this moment the thread holds the user's locks alone.
order_wait::order_wait(order_point& point, const lock_label&, const char*, bool) noexcept {
  const only_order quiet;
  for (std::size_t i = held.count; i > 0; --i) held.all[i - 1]->let_go();
  __tsan_mutex_pre_lock(&point, __tsan_mutex_read_lock);
  __tsan_mutex_post_lock(&point, __tsan_mutex_read_lock, 0);
  point.let_go();
  for (std::size_t i = 0; i < held.count; ++i) held.all[i]->hold();
}

#elif DETENT_TRACKS_LOCKS

namespace {

constexpr std::size_t held_limit = 64;
constexpr std::size_t edge_limit = 1024;
constexpr std::size_t step_limit = 8;
constexpr std::size_t stack_limit = 12;
constexpr std::uint32_t no_edge = UINT32_MAX;

void copy_name(char (&to)[32], const char* from) noexcept {
  std::size_t length = 0;
  for (; from != nullptr && from[length] != '\0' && length + 1 < sizeof to; ++length) to[length] = from[length];
  to[length] = '\0';
}

// A label that outlives what it names.
struct kept_label {
  const char* kind = "";
  char name[32] = {};
  std::source_location place{};
};

// One thread held `from` and wanted `to`.
struct edge {
  std::uint64_t from = 0;  // 0: free
  std::uint64_t to = 0;
  kept_label from_label;
  kept_label to_label;
  std::source_location from_at{};
  std::source_location to_at{};
  const char* verb = "";
  char thread[16] = {};
  std::array<void*, stack_limit> stack{};
  std::size_t stack_size = 0;
  bool between_callbacks = false;
  std::uint32_t next = no_edge;  // of the same bucket, or of the free ones
  // By whether the way of the current search to here, this edge included, passes a lock of the user's: the step before,
  // and the number of the search that came here.
  std::array<std::uint32_t, 2> reached_by{};
  std::array<std::uint64_t, 2> seen_in_search{};
};

// An edge on the way of a search: its number, and whether the way passes a lock of the user's.
constexpr std::uint32_t step_of(std::uint32_t edge_number, bool passes_lock) noexcept {
  return edge_number * 2 + (passes_lock ? 1 : 0);
}

struct held_lock {
  lock_node* node;
  lock_label label;
  std::source_location at;
  bool is_callback;
};

// What this thread holds, oldest first. Beyond the limit nothing is noted: a lock that is not seen is not reported.
struct held_locks {
  std::array<held_lock, held_limit> all;
  std::size_t count;
  bool telling;  // inside a handler: its locks are not watched
};
constinit thread_local held_locks held{};

struct wanted_lock {
  std::uint64_t number;
  bool is_callback;
  bool may_overlap;  // a callback that may run beside the one that waits for it
  kept_label label;
  std::source_location at;
  const char* verb;
};

struct found_cycle {
  std::size_t length = 0;
  std::array<edge, step_limit> steps;
};

// Edges by the node they leave. When all are in use, everything is forgotten and learnt anew.
struct order_graph {
  mutex lock;
  std::uint64_t last_number DETENT_GUARDED_BY(lock) = 0;
  std::uint64_t searches DETENT_GUARDED_BY(lock) = 0;
  std::array<edge, edge_limit> edges DETENT_GUARDED_BY(lock){};
  std::array<std::uint32_t, 256> bucket DETENT_GUARDED_BY(lock){};
  std::uint32_t first_free DETENT_GUARDED_BY(lock) = no_edge;
  bool begun DETENT_GUARDED_BY(lock) = false;
  std::array<std::uint32_t, 2 * edge_limit> queue DETENT_GUARDED_BY(lock){};

  std::uint32_t& bucket_of(std::uint64_t from) noexcept DETENT_REQUIRES(lock) { return bucket[from % bucket.size()]; }

  void forget_all() noexcept DETENT_REQUIRES(lock) {
    bucket.fill(no_edge);
    for (std::uint32_t i = 0; i < edge_limit; ++i) {
      edges[i].from = 0;
      edges[i].next = i + 1 == edge_limit ? no_edge : i + 1;
    }
    first_free = 0;
    begun = true;
  }

  std::uint64_t number_of(lock_node& node) noexcept DETENT_REQUIRES(lock) {
    if (node.number == 0) node.number = ++last_number;
    return node.number;
  }

  bool has(std::uint64_t from, std::uint64_t to) noexcept DETENT_REQUIRES(lock) {
    for (std::uint32_t i = bucket_of(from); i != no_edge; i = edges[i].next) {
      if (edges[i].from == from && edges[i].to == to) return true;
    }
    return false;
  }

  // The last step of the shortest way, breadth first; no_edge when there is none. With `passes_lock` only ways over a
  // lock of the user's count. Each edge is queued once for either.
  std::uint32_t search(std::uint64_t from, std::uint64_t to, bool passes_lock) noexcept DETENT_REQUIRES(lock) {
    ++searches;
    std::size_t queued = 0;
    std::uint32_t by = no_edge;
    bool passed = !passes_lock;
    for (std::size_t taken = 0;; ++taken) {
      for (std::uint32_t i = bucket_of(from); i != no_edge; i = edges[i].next) {
        edge& e = edges[i];
        const bool now = passed || !e.between_callbacks;
        if (e.from != from || e.seen_in_search[now] == searches) continue;
        e.seen_in_search[now] = searches;
        e.reached_by[now] = by;
        if (e.to == to && now) return step_of(i, now);
        queue[queued++] = step_of(i, now);
      }
      if (taken == queued) return no_edge;
      by = queue[taken];
      from = edges[by / 2].to;
      passed = by % 2 != 0;
    }
  }

  std::uint32_t before(std::uint32_t step) const noexcept DETENT_REQUIRES(lock) {
    return edges[step / 2].reached_by[step % 2];
  }

  // The way from the wanted lock to a held one, behind the new edge that closes it.
  void note_cycle(const edge& closing, std::uint32_t last, found_cycle& found) noexcept DETENT_REQUIRES(lock) {
    std::size_t length = 1;
    for (std::uint32_t i = last; i != no_edge; i = before(i)) ++length;
    found.length = std::min(length, step_limit);
    found.steps[0] = closing;
    std::size_t at = length;
    for (std::uint32_t i = last; i != no_edge; i = before(i)) {
      if (--at < step_limit) found.steps[at] = edges[i / 2];
    }
  }

  void add(const edge& e) noexcept DETENT_REQUIRES(lock) {
    if (first_free == no_edge) forget_all();
    const std::uint32_t i = std::exchange(first_free, edges[first_free].next);
    edges[i] = e;
    edges[i].next = std::exchange(bucket_of(e.from), i);
  }

  void forget(std::uint64_t number) noexcept DETENT_REQUIRES(lock) {
    for (std::uint32_t& first : bucket) {
      for (std::uint32_t* at = &first; *at != no_edge;) {
        edge& e = edges[*at];
        if (e.from != number && e.to != number) {
          at = &e.next;
          continue;
        }
        const std::uint32_t freed = std::exchange(*at, e.next);
        e.from = 0;
        e.next = std::exchange(first_free, freed);
      }
    }
  }
};
constinit order_graph graph;

edge make_edge(std::uint64_t from, const held_lock& h, const wanted_lock& wanted) noexcept {
  edge e;
  e.from = from;
  e.to = wanted.number;
  e.from_label = {h.label.kind, {}, h.label.place};
  copy_name(e.from_label.name, h.label.name);
  e.to_label = wanted.label;
  e.from_at = h.at;
  e.to_at = wanted.at;
  e.verb = wanted.verb;
  platform::name_this_thread(e.thread);
  e.stack_size = platform::read_stack(e.stack.data(), e.stack.size());
  return e;
}

// Adds an edge from everything this thread holds. Answers whether one of them closed a cycle, the first of which is
// noted; the edge is added all the same, so that it is told once.
bool add_edges(const wanted_lock& wanted, found_cycle& found) noexcept {
  lock_guard guard(graph.lock);
  if (!graph.begun) graph.forget_all();
  for (std::size_t i = 0; i < held.count; ++i) {
    if (graph.number_of(*held.all[i].node) == wanted.number) return false;  // Held already: it cannot be waited for.
  }
  for (std::size_t i = 0; i < held.count; ++i) {
    const bool between_callbacks = wanted.is_callback && held.all[i].is_callback;
    if (between_callbacks && !wanted.may_overlap) continue;
    const std::uint64_t from = graph.number_of(*held.all[i].node);
    if (graph.has(from, wanted.number)) continue;
    edge added = make_edge(from, held.all[i], wanted);
    added.between_callbacks = between_callbacks;
    // A cycle of callbacks alone is refused when it closes (G08).
    const std::uint32_t last = graph.search(wanted.number, from, between_callbacks);
    if (last != no_edge && found.length == 0) graph.note_cycle(added, last, found);
    graph.add(added);
  }
  return found.length != 0;
}

std::string say(const kept_label& label) { return std::string(label.kind) + " '" + label.name + "'"; }

// A group and a service have no place.
std::string say(const std::source_location& at) {
  return at.line() == 0 ? "" : std::string(" (") + at.file_name() + ":" + std::to_string(at.line()) + ")";
}

lock_order_report make_report(const found_cycle& found) {
  lock_order_report told;
  told.text = "detent: lock-order: these threads would wait for each other if they met:\n";
  for (std::size_t i = 0; i < found.length; ++i) {
    const edge& e = found.steps[i];
    lock_order_report::step step{e.thread, say(e.from_label), e.from_at, say(e.to_label), e.to_at, e.verb, {}};
    told.text += "  thread '" + step.thread + "', holding " + step.held + say(e.from_at) + ": " + step.verb + ", " +
                 step.wanted + say(e.to_at) + "\n";
    for (std::size_t frame = 0; frame < e.stack_size; ++frame) {
      char line[256];
      platform::name_frame(e.stack[frame], line, sizeof line);
      told.text += std::string("    ") + line + "\n";
      step.stack.emplace_back(line);
    }
    told.steps.push_back(std::move(step));
  }
  return told;
}

void tell(const found_cycle& found) noexcept {
  held.telling = true;
#if DETENT_EXCEPTIONS
  try {
#endif
    const lock_order_report told = make_report(found);
    const lock_order_handler handler = handler_in_use.load(std::memory_order_acquire);  // L2 <- L1.
    if (handler != nullptr) handler(told);
    else std::fputs(told.text.c_str(), stderr);
#if DETENT_EXCEPTIONS
  } catch (...) {  // Memory is short, or the handler threw.
  }
#endif
  held.telling = false;
}

void hold(lock_node& node, const lock_label& label, std::source_location at, bool is_callback) noexcept {
  if (held.telling || held.count == held_limit) return;
  held.all[held.count++] = {&node, label, at, is_callback};
}

void want(const wanted_lock& wanted) noexcept {
  found_cycle found;
  if (add_edges(wanted, found)) tell(found);
}

}  // namespace

void note_wanted(lock_node& node, const lock_label& label, std::source_location at) noexcept {
  if (held.count == 0 || held.telling) return;
  wanted_lock wanted{0, false, false, {label.kind, {}, label.place}, at, "lock"};
  copy_name(wanted.label.name, label.name);
  {
    lock_guard guard(graph.lock);
    wanted.number = graph.number_of(node);
  }
  want(wanted);
}

void note_held(lock_node& node, const lock_label& label, std::source_location at) noexcept {
  hold(node, label, at, false);
}

void order_point::enter(const lock_label& label) noexcept { hold(node_, label, label.place, true); }

void note_released(lock_node& node) noexcept {
  for (std::size_t i = held.count; i > 0; --i) {
    if (held.all[i - 1].node != &node) continue;
    std::copy(held.all.begin() + static_cast<std::ptrdiff_t>(i),
              held.all.begin() + static_cast<std::ptrdiff_t>(held.count),
              held.all.begin() + static_cast<std::ptrdiff_t>(i - 1));
    --held.count;
    return;
  }
}

void forget_lock(lock_node& node) noexcept {
  lock_guard guard(graph.lock);
  if (node.number != 0) graph.forget(std::exchange(node.number, 0));
}

order_wait::order_wait(order_point& point, const lock_label& label, const char* verb, bool may_overlap) noexcept
    : verb_(verb), may_overlap_(may_overlap), kind_(label.kind), place_(label.place) {
  copy_name(name_, label.name);
  if (held.count == 0 || held.telling) return;
  lock_guard guard(graph.lock);
  number_ = graph.number_of(point.node_);
}

void order_wait::tell() const noexcept {
  if (number_ == 0) return;
  wanted_lock wanted{number_, true, may_overlap_, {kind_, {}, place_}, place_, verb_};
  copy_name(wanted.label.name, name_);
  want(wanted);
}

void forget_locks_in_child() noexcept {
  graph.lock.reset_in_child();
  lock_guard guard(graph.lock);
  graph.forget_all();  // An edge may have been half written.
}

#endif

}  // namespace detail

}  // namespace detent::inline v0
