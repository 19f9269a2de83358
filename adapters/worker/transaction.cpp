// transaction: staging, the journal, taking the steps, and recovering what a kill left behind.
//
// On the disk: .detent-ID-N is staged content, .detent-ID.open a transaction before the point of no return,
// .detent-ID.commit one after it, which holds the journal. Whoever works on a transaction holds a flock on that file; a
// kill gives it up. Every step after the point of no return may be taken twice.
#include "journal.hpp"

#include <detent/transaction.hpp>
#include <detent/worker.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <map>
#include <optional>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

DETENT_BEGIN_NAMESPACE

namespace {

using namespace detail;
using nlohmann::json;

constexpr std::string_view open_suffix = ".open";
constexpr std::string_view commit_suffix = ".commit";

struct stop_came {};

void write_all(int fd, std::string_view bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse(errno, what);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

void say(const transaction_options& options, const std::string& step) {
  if (options.on_step) options.on_step(step);
}

}  // namespace

// One commit in progress.
class transaction_run {
 public:
  transaction_run(transaction& of, const work* now) : of_(of), now_(now), directory_(open_directory(of.directory_)) {}
  transaction_run(const transaction_run&) = delete;
  transaction_run& operator=(const transaction_run&) = delete;
  ~transaction_run() {
    if (!begun_ || committed_) return;
    try {
      remove_traces(directory_.get(), id_, name_of(open_suffix));
    } catch (...) {  // NOLINT(bugprone-empty-catch): what stays is removed by the next recovery.
    }
  }

  void stage() {
    begin();
    for (const transaction::step& step : of_.steps_) {
      may_go_on();
      switch (step.kind) {
        case transaction::step_kind::write: stage_write(step); break;
        case transaction::step_kind::copy: stage_copy(step); break;
        case transaction::step_kind::rename: stage_rename(step); break;
        case transaction::step_kind::set_mode: entry_of(step.name).mode = step.mode; break;
        case transaction::step_kind::remove: stage_remove(step.name); break;
      }
    }
  }

  void commit() {
    const json journal = make_journal();
    std::string text;
    try {
      text = journal.dump();
    } catch (const json::exception&) {
      refuse(EILSEQ, "a name is not UTF-8");
    }
    next("journal");
    write_all(file_.get(), text, "write the journal");
    flush(file_.get(), "the journal");
    next("commit");
    checked(
        ::renameat(directory_.get(), name_of(open_suffix).c_str(), directory_.get(), name_of(commit_suffix).c_str()),
        "rename the journal");
    committed_ = true;
    if (of_.options_.flushed) checked(::fsync(directory_.get()), "fsync the directory");
    take_steps(directory_.get(), journal, of_.options_, taken_by::commit);
    say(of_.options_, "end");
    unlink_if_there(directory_.get(), name_of(commit_suffix));
  }

  bool is_committed() const noexcept { return committed_; }

 private:
  // What a name of the directory is to be after the steps so far.
  struct entry {
    std::string temp;  // its content is staged here; empty: as it is on the disk
    std::optional<unsigned> mode;
    bool removed = false;
  };

  std::string name_of(std::string_view suffix) const {
    return std::string(transaction_prefix) + id_ + std::string(suffix);
  }

  void may_go_on() const {
    if (now_ != nullptr && now_->stop_requested()) throw stop_came{};
  }
  void next(const std::string& step) const {
    say(of_.options_, step);
    may_go_on();
  }
  void flush(int fd, const std::string& what) const {
    if (!of_.options_.flushed) return;
    next("flush " + what);
    checked(::fsync(fd), "fsync " + what);
  }

  // Between two pieces: the device has the one before, so that no flush is of more than one, and a stop is answered.
  void flush_piece(int fd, const std::string& what) const {
    if (of_.options_.flushed) checked(::fdatasync(fd), "fdatasync " + what);
  }

  void begin() {
    static std::atomic<std::uint64_t> count{0};  // only that numbers differ matters
    for (;;) {
      const auto stamp = static_cast<std::uint64_t>(system_clock::now().time_since_epoch().count());
      id_ = std::to_string(::getpid()) + "." + std::to_string(stamp) + "." +
            std::to_string(count.fetch_add(1, std::memory_order_relaxed));
      next("begin");
      const std::string name = name_of(open_suffix);
      file_ = descriptor(checked(::openat(directory_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600),
                                 "create " + name));
      begun_ = true;
      checked(::flock(file_.get(), LOCK_EX), "flock " + name);
      struct stat found {};
      checked(::fstat(file_.get(), &found), "stat " + name);
      if (found.st_nlink != 0) return;  // Else a recovery came between, and took it for a trace.
    }
  }

  // For this user alone until it takes its place: what it replaces may be private.
  descriptor create_temp(std::string& name, unsigned mode = 0600) {
    name = std::string(transaction_prefix) + id_ + "-" + std::to_string(++temps_);
    return descriptor(checked(::openat(directory_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode),
                              "create " + name));
  }

  // The mode that the OS gives to any new file here; only an empty one ever has it under a name of ours.
  unsigned mode_of_new() {
    if (mode_of_new_) return *mode_of_new_;
    std::string name;
    const descriptor file = create_temp(name, 0666);
    struct stat found {};
    checked(::fstat(file.get(), &found), "stat " + name);
    unlink_if_there(directory_.get(), name);
    return mode_of_new_.emplace(found.st_mode & 07777u);
  }

  // The mode that a reader of this name saw; none where there is no file. A link has none of its own.
  std::optional<unsigned> mode_seen(const std::string& name) const {
    struct stat found {};
    if (!look_at(directory_.get(), name, found)) return std::nullopt;
    if (!S_ISLNK(found.st_mode)) return found.st_mode & 07777u;
    if (::fstatat(directory_.get(), name.c_str(), &found, 0) != 0) return std::nullopt;
    return found.st_mode & 0777u;
  }

  entry& entry_of(const std::string& name) {
    const auto found = entries_.find(name);
    struct stat there {};
    if (found != entries_.end() ? found->second.removed : !look_at(directory_.get(), name, there)) {
      refuse(ENOENT, name);
    }
    return entries_[name];
  }

  void place(const std::string& name, entry what) {
    if (const auto old = entries_.find(name); old != entries_.end() && !old->second.temp.empty()) {
      unlink_if_there(directory_.get(), old->second.temp);
    }
    entries_[name] = std::move(what);
  }

  void write_pieces(int fd, std::string_view content, const std::string& name) const {
    const std::size_t piece = std::max<std::size_t>(1, of_.options_.piece_bytes);
    do {
      next("write " + name);
      write_all(fd, content.substr(0, piece), "write " + name);
      content.remove_prefix(std::min(piece, content.size()));
      if (!content.empty()) flush_piece(fd, name);
    } while (!content.empty());
  }

  void stage_write(const transaction::step& step) {
    entry staged;
    const auto before = entries_.find(step.name);
    const bool replaced = before != entries_.end() && before->second.removed;
    if (before != entries_.end()) staged.mode = before->second.mode;
    const std::string on_disk =
        before != entries_.end() && !before->second.temp.empty() ? before->second.temp : step.name;
    if (!replaced && !staged.mode) staged.mode = mode_seen(on_disk);
    next("stage " + step.name);
    if (!staged.mode) staged.mode = mode_of_new();
    const descriptor file = create_temp(staged.temp);
    write_pieces(file.get(), step.source, step.name);
    flush(file.get(), step.name);
    place(step.name, std::move(staged));
  }

  void stage_copy(const transaction::step& step) {
    std::optional<unsigned> mode;
    std::string path = step.source;
    if (path.find('/') == std::string::npos) {
      const entry& from = entry_of(path);
      mode = from.mode;
      if (!from.temp.empty()) path = from.temp;
    }
    next("stage " + step.name);
    const descriptor from(
        checked(::openat(directory_.get(), path.c_str(), O_RDONLY | O_CLOEXEC), "open " + step.source));
    struct stat found {};
    checked(::fstat(from.get(), &found), "stat " + step.source);
    entry staged;
    staged.mode = mode ? *mode : found.st_mode & 07777u;
    const descriptor to = create_temp(staged.temp);
    std::string piece(std::max<std::size_t>(1, of_.options_.piece_bytes), '\0');
    for (bool first = true;; first = false) {
      next("write " + step.name);
      const ssize_t count = ::read(from.get(), piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) refuse(errno, "read " + step.source);
      if (count == 0) break;
      if (!first) flush_piece(to.get(), step.name);
      write_all(to.get(), std::string_view(piece).substr(0, static_cast<std::size_t>(count)), "write " + step.name);
    }
    flush(to.get(), step.name);
    place(step.name, std::move(staged));
  }

  void stage_rename(const transaction::step& step) {
    entry moved = entry_of(step.source);
    if (step.source == step.name) return;
    if (moved.temp.empty()) {
      moved.temp = std::string(transaction_prefix) + id_ + "-" + std::to_string(++temps_);
      next("link " + step.source);
      checked(::linkat(directory_.get(), step.source.c_str(), directory_.get(), moved.temp.c_str(), 0),
              "link " + step.source);
    }
    entries_[step.source] = {.temp = {}, .mode = {}, .removed = true};
    place(step.name, std::move(moved));
  }

  void stage_remove(const std::string& name) {
    entry_of(name);
    place(name, {.temp = {}, .mode = {}, .removed = true});
  }

  // The last look before the point of no return: what would be refused for good behind it is refused here.
  json make_journal() {
    json journal = {{"place", json::array()}, {"mode", json::array()}, {"remove", json::array()}};
    const int directory = directory_.get();
    for (const auto& [name, what] : entries_) {
      if (what.mode) check_mode(directory, what.temp.empty() ? name : what.temp);
      if (what.removed || !what.temp.empty()) check_replaceable(directory, name);
      json before = identity_of(directory, name);
      if (!what.temp.empty()) {
        json one = {{"temp", what.temp}, {"name", name}, {"over", std::move(before)}};
        if (what.mode) one["mode"] = *what.mode;
        journal["place"].push_back(std::move(one));
      } else if (what.removed) {
        if (before.is_null()) continue;
        before["name"] = name;
        journal["remove"].push_back(std::move(before));
      } else if (what.mode) {
        journal["mode"].push_back({{"name", name}, {"mode", *what.mode}, {"of", std::move(before)}});
      }
    }
    return journal;
  }

  transaction& of_;
  const work* now_;
  descriptor directory_;
  descriptor file_;
  std::string id_;
  unsigned temps_ = 0;
  std::optional<unsigned> mode_of_new_;  // once it was asked for
  bool begun_ = false;
  bool committed_ = false;
  std::map<std::string, entry> entries_;
};

transaction::transaction(std::string directory, transaction_options options)
    : directory_(std::move(directory)), options_(std::move(options)) {}
transaction::~transaction() = default;

void transaction::add(step_kind kind, std::string_view name, std::string source, unsigned mode) {
  const auto is_name = [](std::string_view text) {
    return !text.empty() && text.find('/') == std::string_view::npos && text != "." && text != ".." &&
           text.substr(0, transaction_prefix.size()) != transaction_prefix;
  };
  if (!is_name(name) || (kind == step_kind::rename && !is_name(source))) {
    throw std::invalid_argument("a transaction takes names of files in its directory: " + std::string(name));
  }
  steps_.push_back({kind, std::string(name), std::move(source), mode});
}

void transaction::write(std::string_view name, std::string content) {
  add(step_kind::write, name, std::move(content), 0);
}
void transaction::copy(std::string source, std::string_view name) { add(step_kind::copy, name, std::move(source), 0); }
void transaction::rename(std::string_view from, std::string_view to) {
  add(step_kind::rename, to, std::string(from), 0);
}
void transaction::set_mode(std::string_view name, unsigned mode) { add(step_kind::set_mode, name, {}, mode); }
void transaction::remove(std::string_view name) { add(step_kind::remove, name, {}, 0); }

transaction_answer transaction::commit() { return run(nullptr); }
transaction_answer transaction::commit(const work& now) { return run(&now); }

transaction_answer transaction::run(const work* now) {
  bool committed = false;
  try {
    transaction_run all(*this, now);
    try {
      all.stage();
      all.commit();
    } catch (...) {
      committed = all.is_committed();
      throw;
    }
  } catch (const stop_came&) {
    return {transaction_result::rolled_back, {}, {}};
  } catch (const std::system_error& refused) {
    return {committed ? transaction_result::committed : transaction_result::failed, refused.code(), refused.what()};
  }
  return {transaction_result::finished, {}, {}};
}

recovery transaction::recover(const std::string& directory, const transaction_options& options) {
  recovery all;
  const auto note = [&](const std::error_code& error) {
    if (!all.error) all.error = error;
  };
  try {
    const descriptor folder = open_directory(directory);
    for (const std::string& name : names_in(folder.get())) {
      const bool is_open = ends_with(name, open_suffix);
      if (!is_open && !ends_with(name, commit_suffix)) continue;
      try {
        const descriptor file(::openat(folder.get(), name.c_str(), O_RDWR | O_CLOEXEC));
        struct stat found {};
        if (file.get() < 0 || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;  // Gone, or somebody is at it.
        checked(::fstat(file.get(), &found), "stat " + name);
        // What was ".open" when the directory was read may be committed by now.
        struct stat still {};
        if (found.st_nlink == 0 || !look_at(folder.get(), name, still) || still.st_ino != found.st_ino) continue;
        const std::size_t end = name.size() - (is_open ? open_suffix : commit_suffix).size();
        const std::string id = name.substr(transaction_prefix.size(), end - transaction_prefix.size());
        if (!is_open) {
          std::string text(static_cast<std::size_t>(found.st_size), '\0');
          if (::pread(file.get(), text.data(), text.size(), 0) != found.st_size) refuse(EIO, "read " + name);
          take_steps(folder.get(), json::parse(text), options, taken_by::recovery);
        }
        say(options, "end");
        remove_traces(folder.get(), id, name);
        ++(is_open ? all.rolled_back : all.finished);
      } catch (const json::exception&) {
        note(std::make_error_code(std::errc::bad_message));
      } catch (const std::system_error& refused) {
        note(refused.code());
      }
    }
  } catch (const std::system_error& refused) {
    note(refused.code());
  }
  return all;
}

const char* to_string(transaction_result r) noexcept {
  switch (r) {
    case transaction_result::finished: return "finished";
    case transaction_result::rolled_back: return "rolled_back";
    case transaction_result::failed: return "failed";
    case transaction_result::committed: return "committed";
  }
  return "unknown";
}

DETENT_END_NAMESPACE
