// Transactions: the settings.dat example of "Thread Cleanup", stopped and killed at every step, and at random moments.
#include <detent/transaction.hpp>
#include <detent/worker.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <support/child.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
using detent::transaction_result;

class folder {
 public:
  folder() : path_(testing::TempDir() + "detent-XXXXXX") { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return in ? all.str() : "(none)";
}

unsigned mode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777u : 0;
}

void put(const std::string& path, const std::string& content, unsigned mode) {
  std::ofstream(path, std::ios::binary) << content;
  ::chmod(path.c_str(), mode);
}

std::size_t files_in(const folder& at) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(at.path())) ++count;
  return count;
}

// Settings as they were: settings.dat (600) and its older copy.
void old_settings(const folder& at) {
  put(at / "settings.dat", "old", 0600);
  put(at / "settings.bak", "older", 0644);
}

// The document's example: keep the old file under another name, write the new one, set its attribute.
void add_update(detent::transaction& t) {
  t.rename("settings.dat", "settings.bak");
  t.write("settings.dat", "new settings");
  t.set_mode("settings.dat", 0640);
  t.write("index", "2");
}

bool is_old(const folder& at) {
  return content_of(at / "settings.dat") == "old" && mode_of(at / "settings.dat") == 0600 &&
         content_of(at / "settings.bak") == "older" && !fs::exists(at / "index") && files_in(at) == 2;
}
bool is_new(const folder& at) {
  return content_of(at / "settings.dat") == "new settings" && mode_of(at / "settings.dat") == 0640 &&
         content_of(at / "settings.bak") == "old" && content_of(at / "index") == "2" && files_in(at) == 3;
}

detent::transaction_options in_small_pieces() {
  detent::transaction_options options;
  options.piece_bytes = 4;
  return options;
}

// The settings as they are to be from another file, without the older copy.
void add_copy_and_remove(detent::transaction& t) {
  t.remove("settings.bak");
  t.copy("settings.dat", "index");
  t.remove("settings.dat");
}
bool is_copied_and_removed(const folder& at) {
  return content_of(at / "index") == "old" && mode_of(at / "index") == 0600 && files_in(at) == 1;
}

// A transaction on the old settings, and how the directory looks when it has been finished.
struct scenario {
  const char* name;
  void (*add)(detent::transaction&);
  bool (*is_done)(const folder&);
};
constexpr scenario scenarios[] = {
    {"update", &add_update, &is_new},
    {"copy and remove", &add_copy_and_remove, &is_copied_and_removed},
};

std::vector<std::string> steps_of(const scenario& what) {
  const folder at;
  old_settings(at);
  std::vector<std::string> steps;
  detent::transaction_options options = in_small_pieces();
  options.on_step = [&](const std::string& step) { steps.push_back(step); };
  detent::transaction t(at.path(), std::move(options));
  what.add(t);
  EXPECT_EQ(t.commit().outcome, transaction_result::finished);
  EXPECT_TRUE(what.is_done(at)) << what.name;
  return steps;
}

TEST(transaction, takes_every_kind_of_step) {
  const folder at;
  put(at / "a", "one", 0600);
  put(at / "b", "two", 0644);
  put(at / "gone", "x", 0644);
  detent::transaction t(at.path());
  t.rename("a", "c");     // c is "one"
  t.write("a", "new");    // a has a new file of its name
  t.copy("c", "d");       // sees the steps before
  t.copy(at / "b", "e");  // by path, as on the disk
  t.set_mode("b", 0400);
  t.rename("d", "f");
  t.remove("gone");
  t.rename("e", "e");
  const detent::transaction_answer answer = t.commit();
  EXPECT_EQ(answer.outcome, transaction_result::finished) << answer.what;
  EXPECT_EQ(content_of(at / "a"), "new");
  EXPECT_EQ(content_of(at / "c"), "one");
  EXPECT_EQ(content_of(at / "f"), "one");
  EXPECT_EQ(mode_of(at / "f"), 0600u);
  EXPECT_EQ(content_of(at / "e"), "two");
  EXPECT_EQ(mode_of(at / "b"), 0400u);
  EXPECT_EQ(files_in(at), 5u);
}

// What the OS refuses leaves everything as it was, and says what it was.
TEST(transaction, fails_without_a_trace) {
  const folder at;
  old_settings(at);
  for (int which = 0; which < 4; ++which) {
    detent::transaction t(at.path());
    t.write("settings.dat", "half");
    if (which == 0) t.copy("missing", "x");
    if (which == 1) t.rename("missing", "x");
    if (which == 2) t.set_mode("missing", 0600);
    if (which == 3) t.remove("missing");
    const detent::transaction_answer answer = t.commit();
    EXPECT_EQ(answer.outcome, transaction_result::failed);
    EXPECT_EQ(answer.error, std::errc::no_such_file_or_directory);
    EXPECT_TRUE(is_old(at));
  }
  detent::transaction nowhere(at / "nowhere");
  EXPECT_EQ(nowhere.commit().outcome, transaction_result::failed);
  EXPECT_THROW(nowhere.write("../escape", ""), std::invalid_argument);
}

// What rename and unlink would refuse for good is refused while nothing has changed: no transaction stays half done.
TEST(transaction, refuses_what_can_never_be) {
  for (int which = 0; which < 4; ++which) {
    const folder at;
    old_settings(at);
    ASSERT_EQ(::mkdir((at / "folder").c_str(), 0755), 0);
    detent::transaction t(at.path());
    t.write("settings.dat", "half");
    if (which == 0) t.write("folder", "x");
    if (which == 1) t.copy("settings.bak", "folder");
    if (which == 2) t.rename("settings.bak", "folder");
    if (which == 3) t.remove("folder");
    const detent::transaction_answer answer = t.commit();
    EXPECT_EQ(answer.outcome, transaction_result::failed) << which;
    EXPECT_EQ(answer.error, std::errc::is_a_directory) << answer.what;
    ASSERT_EQ(::rmdir((at / "folder").c_str()), 0);
    EXPECT_TRUE(is_old(at));
  }
}

// The same of what belongs to others: a file in a directory with the sticky bit, and the mode of any.
TEST(transaction, refuses_what_others_own) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make what others own";
  constexpr uid_t other = 65534;
  const folder at;
  old_settings(at);
  ASSERT_EQ(::chmod(at.path().c_str(), 01777), 0);
  ASSERT_EQ(::chmod((at / "settings.dat").c_str(), 0666), 0);
  for (int which = 0; which < 3; ++which) {
    const support::child_end end = support::in_child([&] {
      if (::setuid(other) != 0) return 1;
      detent::transaction t(at.path());
      t.write("a", "half");
      if (which == 0) t.write("settings.dat", "x");
      if (which == 1) t.remove("settings.dat");
      if (which == 2) t.set_mode("settings.dat", 0600);
      const detent::transaction_answer answer = t.commit();
      if (answer.outcome != transaction_result::failed) return 2;
      return answer.error == std::errc::operation_not_permitted ? 0 : 3;
    });
    EXPECT_EQ(end, support::exited(0)) << which;
    EXPECT_EQ(files_in(at), 2u);
    EXPECT_EQ(content_of(at / "settings.dat"), "old");
    EXPECT_EQ(mode_of(at / "settings.dat"), 0666u);
  }
}

// A directory that comes after the point of no return is the one thing that waits for a recovery, and nothing is
// removed before that; the recovery leaves alone what somebody has replaced meanwhile.
TEST(transaction, goes_on_where_a_step_is_refused) {
  const folder at;
  for (const char* name : {"a", "b", "gone"}) put(at / name, "old", 0644);
  detent::transaction_options options;
  options.on_step = [&](const std::string& step) {
    if (step == "place a") ::mkdir((at / "a1").c_str(), 0755);
  };
  detent::transaction t(at.path(), std::move(options));
  for (const char* name : {"a", "a1", "b"}) t.write(name, "new");
  t.remove("gone");
  const detent::transaction_answer answer = t.commit();
  EXPECT_EQ(answer.outcome, transaction_result::committed);
  EXPECT_EQ(answer.error, std::errc::is_a_directory) << answer.what;
  EXPECT_EQ(content_of(at / "a"), "new");
  EXPECT_EQ(content_of(at / "b"), "new");
  EXPECT_EQ(content_of(at / "gone"), "old");
  detent::transaction later(at.path());
  later.write("b", "newest");
  EXPECT_EQ(later.commit().outcome, transaction_result::finished);
  const detent::recovery recovered = detent::transaction::recover(at.path());
  EXPECT_EQ(recovered.finished, 1u);
  EXPECT_FALSE(recovered.error) << recovered.error.message();
  EXPECT_TRUE(fs::is_directory(at / "a1"));
  EXPECT_EQ(content_of(at / "b"), "newest");
  EXPECT_FALSE(fs::exists(at / "gone"));
  EXPECT_EQ(files_in(at), 3u);
}

// A program is killed after the point of no return, others go on without a recovery: theirs is newer, and stays.
TEST(transaction, recovery_leaves_what_is_newer) {
  const folder at;
  for (const char* name : {"a", "b", "c"}) put(at / name, "old", 0644);
  const support::child_end end = support::in_child([&] {
    detent::transaction_options options;
    options.on_step = [](const std::string& step) {
      if (step == "place a") ::raise(SIGKILL);
    };
    detent::transaction t(at.path(), std::move(options));
    for (const char* name : {"a", "b", "d"}) t.write(name, "new");
    t.set_mode("c", 0600);
    t.commit();
    return 0;
  });
  ASSERT_EQ(end, (support::child_end{support::child_end::how::signalled, SIGKILL}));
  struct statx found {};
  if (::statx(AT_FDCWD, (at / "a").c_str(), 0, STATX_BTIME, &found) != 0 || (found.stx_mask & STATX_BTIME) == 0) {
    GTEST_SKIP() << "this file system keeps no time of birth";
  }
  detent::transaction later(at.path());
  for (const char* name : {"b", "c", "d"}) later.write(name, "newest");
  EXPECT_EQ(later.commit().outcome, transaction_result::finished);
  EXPECT_EQ(detent::transaction::recover(at.path()).finished, 1u);
  EXPECT_EQ(content_of(at / "a"), "new");
  EXPECT_EQ(content_of(at / "b"), "newest");
  EXPECT_EQ(mode_of(at / "c"), 0644u);
  EXPECT_EQ(content_of(at / "d"), "newest");
  EXPECT_EQ(files_in(at), 4u);
}

// Nobody else reads what is staged; what is new gets the mode that any new file gets.
TEST(transaction, stages_in_private) {
  const folder at;
  put(at / "private", "old", 0600);
  put(at / "open", "old", 0644);
  std::ofstream(at / "like").put('x');
  unsigned others = 0;
  detent::transaction_options options = in_small_pieces();
  options.on_step = [&](const std::string& step) {
    if (step.starts_with("place")) return;
    for (const auto& entry : fs::directory_iterator(at.path())) {
      if (entry.path().filename().string().starts_with(".detent-")) others |= mode_of(entry.path()) & 077u;
    }
  };
  detent::transaction t(at.path(), std::move(options));
  t.write("private", "new secret");
  t.write("open", "new and open");
  t.write("fresh", "fresh and new");
  t.write("secret", "fresh and secret");
  t.set_mode("secret", 0600);
  t.copy("open", "copied");
  EXPECT_EQ(t.commit().outcome, transaction_result::finished);
  EXPECT_EQ(others, 0u);
  EXPECT_EQ(mode_of(at / "private"), 0600u);
  EXPECT_EQ(mode_of(at / "open"), 0644u);
  EXPECT_EQ(mode_of(at / "fresh"), mode_of(at / "like"));
  EXPECT_EQ(mode_of(at / "secret"), 0600u);
  EXPECT_EQ(mode_of(at / "copied"), 0644u);
  EXPECT_EQ(files_in(at), 6u);
}

// A symbolic link is replaced, renamed, removed; what it leads to is never touched, and its mode is the one that a
// reader saw.
TEST(transaction, follows_no_link) {
  const folder outside;
  put(outside / "file", "outside", 0600);
  const folder at;
  const auto link = [&](const char* name, const std::string& to) {
    ASSERT_EQ(::symlink(to.c_str(), (at / name).c_str()), 0);
  };
  for (const char* name : {"written", "moved", "gone", "chmod"}) link(name, outside / "file");
  link("nowhere", "nothing");
  std::ofstream(at / "like").put('x');
  {
    detent::transaction t(at.path());
    t.write("written", "new");
    t.write("nowhere", "new");
    t.rename("moved", "there");
    t.remove("gone");
    const detent::transaction_answer answer = t.commit();
    EXPECT_EQ(answer.outcome, transaction_result::finished) << answer.what;
  }
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(at / "written")));
  EXPECT_EQ(content_of(at / "written"), "new");
  EXPECT_EQ(mode_of(at / "written"), 0600u);
  EXPECT_EQ(content_of(at / "nowhere"), "new");
  EXPECT_EQ(mode_of(at / "nowhere"), mode_of(at / "like"));
  EXPECT_EQ(fs::read_symlink(at / "there"), outside / "file");
  EXPECT_FALSE(fs::exists(fs::symlink_status(at / "gone")));
  for (const bool renamed : {false, true}) {  // A link has no mode of its own.
    detent::transaction t(at.path());
    if (renamed) t.rename("chmod", "other");
    t.set_mode(renamed ? "other" : "chmod", 0777);
    const detent::transaction_answer answer = t.commit();
    EXPECT_EQ(answer.outcome, transaction_result::failed);
    EXPECT_EQ(answer.error, std::errc::too_many_symbolic_link_levels) << answer.what;
  }
  {  // One that comes after the point of no return is not followed either.
    put(at / "late", "x", 0600);
    detent::transaction_options options;
    options.on_step = [&](const std::string& step) {
      if (step != "mode late") return;
      fs::remove(at / "late");
      link("late", outside / "file");
    };
    detent::transaction t(at.path(), std::move(options));
    t.set_mode("late", 0777);
    EXPECT_EQ(t.commit().outcome, transaction_result::finished);
  }
  EXPECT_EQ(content_of(outside / "file"), "outside");
  EXPECT_EQ(mode_of(outside / "file"), 0600u);
  EXPECT_EQ(files_in(at), 6u);
}

// Stops at each step.
void stop_at_every_step(const scenario& what) {
  const std::vector<std::string> steps = steps_of(what);
  detent::timer_service service;
  bool seen_commit = false;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const folder at;
    old_settings(at);
    detent::worker w(service);
    std::atomic<transaction_result> result{};
    ASSERT_EQ(w.post([&](detent::work& now) {
      detent::transaction_options options = in_small_pieces();
      std::size_t step = 0;
      options.on_step = [&](const std::string&) {
        if (step++ == k) w.stop();
      };
      detent::transaction t(at.path(), std::move(options));
      what.add(t);
      result.store(t.commit(now).outcome);
    }),
              detent::post_result::accepted);
    w.start();
    EXPECT_TRUE(support::eventually([&] { return w.report().items.done == 1; }));
    EXPECT_TRUE(w.shutdown(support::patience).complete);
    EXPECT_EQ(result.load(), seen_commit ? transaction_result::finished : transaction_result::rolled_back) << steps[k];
    EXPECT_TRUE(seen_commit ? what.is_done(at) : is_old(at)) << what.name << ": " << steps[k];
    if (steps[k] == "commit") seen_commit = true;
  }
  EXPECT_TRUE(seen_commit);
}

// Before the point of no return everything is rolled back, after it everything is finished.
TEST(transaction, settings_stopped_at_every_step) {
  for (const scenario& what : scenarios) stop_at_every_step(what);
}

// Kills at each step, and at each step of the recovery after it.
void kill_at_every_step(const scenario& what) {
  const std::vector<std::string> steps = steps_of(what);
  bool seen_commit = false;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    for (std::size_t again = 0; again < 12; ++again) {
      const folder at;
      old_settings(at);
      const auto killed_at = [](std::size_t limit) {
        detent::transaction_options options = in_small_pieces();
        options.on_step = [limit, step = std::size_t{0}](const std::string&) mutable {
          if (step++ == limit) ::raise(SIGKILL);
        };
        return options;
      };
      const support::child_end end = support::in_child([&] {
        detent::transaction t(at.path(), killed_at(k));
        what.add(t);
        t.commit();
        return 0;
      });
      ASSERT_EQ(end, (support::child_end{support::child_end::how::signalled, SIGKILL}));
      const support::child_end second = support::in_child([&] {
        detent::transaction::recover(at.path(), killed_at(again));
        return 0;
      });
      const detent::recovery last = detent::transaction::recover(at.path());
      EXPECT_FALSE(last.error) << last.error.message();
      EXPECT_TRUE(seen_commit ? what.is_done(at) : is_old(at))
          << what.name << ": " << steps[k] << ", recovery killed at " << again;
      if (second == support::exited(0)) break;  // The recovery has no further step.
      if (support::is_short() && k % 3 != 0) break;
    }
    if (steps[k] == "commit") seen_commit = true;
  }
  EXPECT_TRUE(seen_commit);
}

// Old or new, never half, and no trace is left.
TEST(transaction, settings_killed_at_every_step) {
  for (const scenario& what : scenarios) kill_at_every_step(what);
}

// kill -9 at random moments of an endless row of updates: each file is whole, all files are of one update, and none is
// older than what was acknowledged through the pipe.
TEST(transaction, settings_killed_at_random) {
  const std::size_t rounds = support::is_long() ? 1000 : support::times(100, 25);
  std::mt19937 dice(std::random_device{}());
  const folder at;
  unsigned last = 0;
  const auto body_of = [](unsigned n) { return std::string(3000 + n % 7 * 1000, static_cast<char>('a' + n % 26)); };
  const auto update = [&](unsigned n) {
    detent::transaction_options options;
    options.flushed = false;
    options.piece_bytes = 1000;
    detent::transaction t(at.path(), std::move(options));
    t.write("settings.dat", std::to_string(n) + "\n" + body_of(n));
    t.write("index", std::to_string(n));
    return t.commit().outcome == transaction_result::finished;
  };
  ASSERT_TRUE(update(0));
  for (std::size_t round = 0; round < rounds; ++round) {
    std::array<int, 2> acknowledged{};
    ASSERT_EQ(::pipe(acknowledged.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (unsigned n = last + 1;; ++n) {
        if (!update(n) || ::write(acknowledged[1], &n, sizeof n) != static_cast<ssize_t>(sizeof n)) ::_exit(1);
      }
    }
    ::close(acknowledged[1]);
    std::this_thread::sleep_for(std::chrono::microseconds(dice() % 4000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (unsigned n = 0; ::read(acknowledged[0], &n, sizeof n) == static_cast<ssize_t>(sizeof n);) last = n;
    ::close(acknowledged[0]);
    ASSERT_FALSE(detent::transaction::recover(at.path()).error);
    const std::string index = content_of(at / "index");
    const auto found = static_cast<unsigned>(std::stoul(index));
    EXPECT_GE(found, last);
    EXPECT_LE(found, last + 1);
    EXPECT_EQ(content_of(at / "settings.dat"), index + "\n" + body_of(found));
    EXPECT_EQ(files_in(at), 2u);
    last = found;
  }
}

// A file that came under a removed name after the kill is not removed, though it has the number of the old one's inode:
// it was made later. The test writes that number into the journal, as a file system may give it again.
TEST(transaction, recovery_leaves_a_new_file_alone) {
  const folder at;
  put(at / "gone", "old", 0600);
  const support::child_end end = support::in_child([&] {
    detent::transaction_options options;
    options.on_step = [](const std::string& step) {
      if (step == "remove gone") ::raise(SIGKILL);
    };
    detent::transaction t(at.path(), std::move(options));
    t.remove("gone");
    t.commit();
    return 0;
  });
  ASSERT_EQ(end, (support::child_end{support::child_end::how::signalled, SIGKILL}));
  struct stat old {};
  ASSERT_EQ(::stat((at / "gone").c_str(), &old), 0);
  put(at / "new", "new", 0600);  // Beside the old one, so that its number is another one.
  fs::rename(at / "new", at / "gone");
  struct stat now {};
  ASSERT_EQ(::stat((at / "gone").c_str(), &now), 0);
  for (const auto& entry : fs::directory_iterator(at.path())) {
    if (entry.path().extension() != ".commit") continue;
    std::string journal = content_of(entry.path());
    if (journal.find("born_ns") == std::string::npos) GTEST_SKIP() << "this file system keeps no time of birth";
    const std::string number = "\"inode\":" + std::to_string(old.st_ino);
    ASSERT_NE(journal.find(number), std::string::npos) << journal;
    journal.replace(journal.find(number), number.size(), "\"inode\":" + std::to_string(now.st_ino));
    put(entry.path(), journal, 0600);
  }
  EXPECT_EQ(detent::transaction::recover(at.path()).finished, 1u);
  EXPECT_EQ(content_of(at / "gone"), "new");
  EXPECT_EQ(files_in(at), 1u);
}

// A recovery leaves alone what a living program is at.
TEST(transaction, recovery_leaves_the_living_alone) {
  const folder at;
  old_settings(at);
  detent::transaction_options options;
  std::size_t found = 0;
  options.on_step = [&](const std::string& step) {
    if (step == "begin") return;
    const detent::recovery r = detent::transaction::recover(at.path());
    found += r.finished + r.rolled_back;
  };
  detent::transaction t(at.path(), std::move(options));
  add_update(t);
  EXPECT_EQ(t.commit().outcome, transaction_result::finished);
  EXPECT_EQ(found, 0u);
  EXPECT_TRUE(is_new(at));
}

// Current task, the rule's second half: a task of several steps is complete or not begun, at stops of random moments.
TEST(transaction, current_task_is_complete_or_not_begun) {
  const std::size_t rounds = support::is_long() ? 10000 : support::times(500, 60);
  detent::timer_service service;
  std::mt19937 dice(std::random_device{}());
  const folder at;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const char* name : {"settings.dat", "settings.bak", "index"}) fs::remove(at / name);
    old_settings(at);
    detent::worker w(service, {.at_end = detent::queue_end::discard});
    transaction_result result = transaction_result::rolled_back;  // of w's thread
    w.start();
    ASSERT_EQ(w.post([&](detent::work& now) {
      detent::transaction_options options = in_small_pieces();
      options.flushed = false;
      detent::transaction t(at.path(), std::move(options));
      add_update(t);
      result = t.commit(now).outcome;
    }),
              detent::post_result::accepted);
    std::this_thread::sleep_for(std::chrono::microseconds(dice() % 500));
    ASSERT_TRUE(w.shutdown(support::patience).complete);
    ASSERT_TRUE(result == transaction_result::finished ? is_new(at) : is_old(at)) << to_string(result);
  }
}

}  // namespace
