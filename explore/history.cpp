#include "explore/memory.hpp"
#include "explore/state.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace detent::explore {

namespace {

struct stored {
  std::uint64_t value;
  int before;           // the store before it in modification order, or -1
  int published;        // the view it was left with, or -1
  std::int16_t number;  // in modification order, from 1
};

constexpr int store_limit = 1 << 15;
constexpr int published_limit = 1 << 14;
constexpr std::size_t known_limit = 1 << 12;

location_record locations[location_limit];
int location_count = 0;
stored stores[store_limit];
int stored_count = 0;
view published[published_limit];
std::uint16_t published_used[published_limit];  // of each: words named later are not in it
int published_count = 0;

// What is known of a word from all executions of the scenario: who reads and who writes it in the explored part.
struct known_word {
  const void* word;
  std::uint8_t readers;
  std::uint8_t writers;
};
known_word known[known_limit];
bool learned = false;

site sites[1024];
std::size_t site_count = 0;
site weakened{};
half weakened_half = half::acquire;

std::size_t used_of_view() noexcept {
  return (thread_limit + static_cast<std::size_t>(location_count) + 15) & ~std::size_t{15};
}

void take_in(view& mine, const view& other, std::size_t used) noexcept {
  for (std::size_t i = 0; i < used; ++i) mine.at[i] = std::max(mine.at[i], other.at[i]);
}
void take_in_published(view& mine, int number) noexcept { take_in(mine, published[number], published_used[number]); }

int publish(const view& mine) noexcept {
  if (published_count == published_limit) fail("the execution is too long for the explorer");
  const std::size_t used = used_of_view();
  std::memcpy(&published[published_count], &mine, used * sizeof mine.at[0]);
  published_used[published_count] = static_cast<std::uint16_t>(used);
  return published_count++;
}

bool acquires(std::memory_order order) noexcept {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
bool releases(std::memory_order order) noexcept {
  return order == std::memory_order_release || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

std::memory_order without(std::memory_order order, half what) noexcept {
  if (what == half::release) {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    return order == std::memory_order_release ? std::memory_order_relaxed : order;
  }
  if (order == std::memory_order_acq_rel) return std::memory_order_release;
  return order == std::memory_order_acquire ? std::memory_order_relaxed : order;
}

void weaken_step(pending_step& step) noexcept {
  if (step.where.line() != weakened.line || step.where.column() != weakened.column) return;
  if (std::strcmp(step.where.file_name(), weakened.file) != 0) return;
  if (weakened_half == half::otherwise) step.otherwise = without(step.otherwise, half::acquire);
  else step.order = without(step.order, weakened_half);
}

void record_site(const pending_step& step) noexcept {
  for (std::size_t i = 0; i < site_count; ++i) {
    const site& s = sites[i];
    if (s.line == step.where.line() && s.column == step.where.column() &&
        std::strcmp(s.file, step.where.file_name()) == 0) {
      return;
    }
  }
  if (site_count == sizeof sites / sizeof *sites) return;
  sites[site_count++] = {step.where.file_name(),
                         step.where.function_name(),
                         step.where.line(),
                         step.where.column(),
                         step.access,
                         step.order,
                         step.otherwise};
}

pending_step& mine() noexcept { return threads[running_thread].next; }
view& my_view() noexcept { return views[running_thread]; }

std::int16_t& oldest_readable(int number) noexcept {
  return my_view().at[thread_limit + static_cast<std::size_t>(number)];
}

int add_store(location_record& word, std::uint64_t value, int published_view) noexcept {
  if (stored_count == store_limit) fail("the execution is too long for the explorer");
  stored& s = stores[stored_count];
  s.value = value;
  s.before = word.latest;
  s.published = published_view;
  s.number = static_cast<std::int16_t>(word.latest < 0 ? 0 : stores[word.latest].number + 1);
  word.latest = stored_count;
  return stored_count++;
}

const char* word_of(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    default: return "relaxed";
  }
}

void tell_access(const char* what, std::uint64_t value, std::memory_order order) noexcept {
  if (!telling || !exploring) return;
  const char* file = std::strstr(mine().where.file_name(), "src/");
  tell("%-9s %-8s %016llx  %s:%u", what, word_of(order), static_cast<unsigned long long>(value),
       file == nullptr ? mine().where.file_name() : file + 4, mine().where.line());
}

}  // namespace

void tell(const char* format, ...) noexcept {
  if (!telling || !exploring) return;
  std::printf("%6zu  %-10s ", step_count, threads[running_thread].name);
  va_list more;
  va_start(more, format);
  std::vprintf(format, more);
  va_end(more);
  std::putchar('\n');
}

void forget_words() noexcept { std::memset(known, 0, sizeof known); }
bool learned_words() noexcept {
  const bool was = learned;
  learned = false;
  return was;
}

void begin_histories() noexcept {
  location_count = 0;
  stored_count = 0;
  published_count = 0;
  std::memset(views, 0, sizeof views);
}

location_record& location(int number) noexcept { return locations[number]; }

int name_location(history_name& name, const void* word, std::uint64_t latest) noexcept {
  if (name.execution == running_execution) return static_cast<int>(name.location);
  if (location_count == static_cast<int>(location_limit)) fail("the scenario has more words than the explorer");
  const int number = location_count++;
  name = {static_cast<std::uint32_t>(number), running_execution};
  location_record& fresh = locations[number];
  fresh = {};
  fresh.word = word;
  fresh.freed = memory::is_freed(word);
  fresh.latest = -1;
  add_store(fresh, latest, -1);
  auto at = (reinterpret_cast<std::uintptr_t>(word) >> 3) * 0x9e3779b97f4a7c15U >> 52;
  while (known[at].word != nullptr && known[at].word != word) at = (at + 1) % known_limit;
  known[at].word = word;
  fresh.known = at;
  return number;
}

bool touch(int number, bool writes) noexcept {
  known_word& k = known[locations[number].known];
  const auto contended = [&k] {
    return (k.writers & (k.writers - 1)) != 0 || (k.writers != 0 && (k.readers & ~k.writers) != 0);
  };
  std::uint8_t& set = writes ? k.writers : k.readers;
  const auto me = static_cast<std::uint8_t>(only(running_thread));
  if ((set & me) == 0) {
    const bool before = contended();
    set = static_cast<std::uint8_t>(set | me);
    if (!before && contended()) learned = true;
  }
  return contended();
}

void inherit_view(int from, int to) noexcept {
  ++views[from].at[from];
  take_in(views[to], views[from], used_of_view());
}

void note_access(int number) noexcept {
  location_record& word = locations[number];
  if (word.freed) fail("a word is used after its memory was freed");
  word.accessed[running_thread] = ++my_view().at[running_thread];
}

void see_latest(int number) noexcept { oldest_readable(number) = stores[locations[number].latest].number; }

// Every access before a free has to happen before it.
void note_freed(const void* block, std::size_t bytes) noexcept {
  const auto from = reinterpret_cast<std::uintptr_t>(block);
  for (int i = 0; i < location_count; ++i) {
    location_record& word = locations[i];
    const auto at = reinterpret_cast<std::uintptr_t>(word.word);
    if (at < from || at >= from + bytes) continue;
    word.freed = true;
    for (int t = 0; t < thread_limit; ++t) {
      if (word.accessed[t] > my_view().at[t])
        fail("a word is freed while nothing orders another thread's use of it before");
    }
  }
}

// --- What an access does ---------------------------------------------------------------------------------------------

void arrive(history_name& name, const void* word, std::uint64_t latest, access_kind kind, std::memory_order order,
            std::memory_order otherwise, const place& where) noexcept {
  const int number = name_location(name, word, latest);
  pending_step& step = mine();
  step.kind = step_kind::access;
  step.access = kind;
  step.writes = kind != access_kind::load;
  step.location = static_cast<std::int16_t>(number);
  step.order = order;
  step.otherwise = otherwise;
  step.where = where;
  if (recording_sites) record_site(step);
  if (weakened.file != nullptr) weaken_step(step);
  if (exploring) take_turn(touch(number, step.writes));
  note_access(number);
}

std::uint64_t load(const history_name& name) noexcept {
  const auto number = static_cast<int>(name.location);
  const location_record& word = locations[number];
  std::int16_t& oldest = oldest_readable(number);
  int at = word.latest;
  if (stores[at].number > oldest && exploring) {
    const int pick = by->pick_value(stores[at].number - oldest + 1);
    for (int i = 0; i < pick; ++i) at = stores[at].before;
    if (pick != 0) note_stale(pick);
  }
  const stored& found = stores[at];
  oldest = found.number;
  if (acquires(mine().order) && found.published >= 0) take_in_published(my_view(), found.published);
  tell_access(at == word.latest ? "load" : "load old", found.value, mine().order);
  return found.value;
}

void store(const history_name& name, std::uint64_t value) noexcept {
  const auto number = static_cast<int>(name.location);
  location_record& word = locations[number];
  const int s = add_store(word, value, -1);
  oldest_readable(number) = stores[s].number;
  if (releases(mine().order)) stores[s].published = publish(my_view());
  tell_access("store", value, mine().order);
}

void exchange(const history_name& name, std::uint64_t value) noexcept {
  const auto number = static_cast<int>(name.location);
  location_record& word = locations[number];
  const int before = stores[word.latest].published;
  if (acquires(mine().order) && before >= 0) take_in_published(my_view(), before);
  const int s = add_store(word, value, before);  // A release sequence goes on.
  oldest_readable(number) = stores[s].number;
  if (releases(mine().order)) {
    const int both = publish(my_view());
    if (before >= 0) take_in_published(published[both], before);
    stores[s].published = both;
  }
  tell_access("exchange", value, mine().order);
}

void fail_exchange(const history_name& name) noexcept {
  const auto number = static_cast<int>(name.location);
  const stored& found = stores[locations[number].latest];
  oldest_readable(number) = found.number;
  if (acquires(mine().otherwise) && found.published >= 0) take_in_published(my_view(), found.published);
  tell_access("fails", found.value, mine().otherwise);
}

// --- Memory that is no atomic ----------------------------------------------------------------------------------------

namespace {

plain_history& fresh(plain_history& history) noexcept {
  if (history.execution != running_execution) {
    history = {};
    history.execution = running_execution;
  }
  return history;
}

}  // namespace

void note_plain_read(plain_history& history, const void* where) noexcept {
  if (running_execution == 0) return;
  plain_history& h = fresh(history);
  if (memory::is_freed(where)) fail("plain memory is read after it was freed");
  if (h.written > my_view().at[h.writer])
    fail("plain memory is read while nothing orders another thread's write before");
  h.read[running_thread] = ++my_view().at[running_thread];
}

void note_plain_write(plain_history& history, const void* where) noexcept {
  if (running_execution == 0) return;
  plain_history& h = fresh(history);
  if (memory::is_freed(where)) fail("plain memory is written after it was freed");
  if (h.written > my_view().at[h.writer])
    fail("plain memory is written while nothing orders another thread's write before");
  for (int t = 0; t < thread_limit; ++t) {
    if (h.read[t] > my_view().at[t]) fail("plain memory is written while nothing orders another thread's read before");
  }
  h.writer = static_cast<std::int16_t>(running_thread);
  h.written = ++my_view().at[running_thread];
}

namespace {

// The library's own memory. An access counts as part of its thread's next event: too many for events of their own.
bool is_ordered(int by_thread, std::int16_t event) noexcept {
  return by_thread == running_thread || event <= my_view().at[by_thread];
}
std::int16_t next_event() noexcept { return static_cast<std::int16_t>(my_view().at[running_thread] + 1); }

}  // namespace

void note_engine_read(plain_history& history) noexcept {
  plain_history& h = fresh(history);
  if (!is_ordered(h.writer, h.written)) fail("the library reads what nothing orders after another thread's write");
  h.read[running_thread] = next_event();
}

void note_engine_write(plain_history& history) noexcept {
  plain_history& h = fresh(history);
  if (!is_ordered(h.writer, h.written)) fail("the library writes what nothing orders after another thread's write");
  for (int t = 0; t < thread_limit; ++t) {
    if (!is_ordered(t, h.read[t])) fail("the library writes what nothing orders after another thread's read");
  }
  h.writer = static_cast<std::int16_t>(running_thread);
  h.written = next_event();
}

// --- Weakening -------------------------------------------------------------------------------------------------------

std::size_t recorded_sites(const site** first) noexcept {
  *first = sites;
  return site_count;
}
void forget_sites() noexcept { site_count = 0; }
void weaken(const site& where, half what) noexcept {
  weakened = where;
  weakened_half = what;
}
void weaken_nothing() noexcept { weakened.file = nullptr; }

}  // namespace detent::explore
