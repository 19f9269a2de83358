// `detent run` as a user calls it: what the example scripts print, in virtual time, and exit statuses.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

class script_run : public testing::Test {
 protected:
  struct outcome {
    int status = -1;
    std::string text;  // what was printed, errors too
  };

  script_run() { std::filesystem::create_directories(folder_); }
  ~script_run() override { std::filesystem::remove_all(folder_); }

  void SetUp() override {
    if (std::getenv("DETENT_PROGRAM") == nullptr) GTEST_SKIP() << "ctest says where the program is";
    if (run("x.lua").text.find("this build has no Lua engine") != std::string::npos) GTEST_SKIP() << "no Lua engine";
  }
  outcome run(const std::string& arguments) const {
    write("x.lua", "");
    return in(folder_, arguments);
  }
  outcome example(const std::string& arguments) const { return in(DETENT_DATA_DIR "/../examples/scripts", arguments); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

 private:
  outcome in(const std::filesystem::path& folder, const std::string& arguments) const {
    const std::string command = "cd '" + folder.string() + "' && '" + std::getenv("DETENT_PROGRAM") + "' run " +
                                arguments + " >'" + (folder_ / "out").string() + "' 2>&1";
    const int status = std::system(command.c_str());
    std::ostringstream text;
    text << std::ifstream(folder_ / "out").rdbuf();
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.str()};
  }
  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("detent_script_run_test." + std::to_string(getpid()));
};

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST_F(script_run, TheExamplesInVirtualTime) {
  const auto heartbeat = example("--clock manual heartbeat.lua");
  EXPECT_EQ(heartbeat.status, 0);
  EXPECT_EQ(heartbeat.text, "beat 1\nbeat 2\nbeat 3\nbeat 4\nbeat 5\nno beat for 100 ms: it is dead\n");
  EXPECT_EQ(example("--clock manual debounce.lua").text, "saved: help\n");
  EXPECT_NE(example("--clock manual retry.lua").text.find("attempt 4 succeeded"), std::string::npos);
  const auto schedule = example("--clock manual work_and_break.lua");
  EXPECT_EQ(schedule.status, 0);
  EXPECT_EQ(count(schedule.text, "work\n"), 4U);
  EXPECT_EQ(count(schedule.text, "look away"), 10U) << schedule.text;  // 100 minutes of work
}

TEST_F(script_run, InRealTimeUntilNoTimerIsLeft) {
  write("a.lua", "timer.setTimeout(function(x) print(x .. arg[1]) end, 20, 'a')");
  write("b.lua", "timer.setTimeout(function(x) print(x .. arg[1]) end, 40, 'b')");
  const auto told = run("a.lua b.lua --rules web given");
  EXPECT_EQ(told.status, 0);
  EXPECT_EQ(told.text, "agiven\nbgiven\n");
}

// The timer of one script is suspended until the other sets its mode: neither ends before.
TEST_F(script_run, ModesAreShared) {
  write("a.lua", "timer.setTimeout(function() print('in mode') end, 1, {modes = {'play'}})");
  write("b.lua", "timer.setTimeout(function() mode.set('play') end, 50)");
  EXPECT_EQ(run("a.lua b.lua").text, "in mode\n");
}

TEST_F(script_run, ErrorsHaveAPlaceAndAStatus) {
  write("bad.lua", "x = = 1");
  EXPECT_EQ(run("bad.lua").status, 1);
  write("throws.lua", "\ntimer.setTimeout(function() error('mine') end, 1); timer.setTimeout(print, 2, 'on')");
  const auto told = run("throws.lua");
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.text.find("throws.lua:2: mine"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("on\n"), std::string::npos);
  EXPECT_EQ(run("nowhere.lua").status, 2);
  EXPECT_EQ(run("x.txt").status, 2);
  EXPECT_EQ(run("--clock manual x.lua x.lua").status, 2);
}

TEST_F(script_run, LimitsAndList) {
  write("runs.lua",
        "timer.setTimeout(function() while true do end end, 1); timer.setTimeout(print, 2, 'on')\n"
        "timer.unref(timer.setInterval(print, 1e6))");
  const auto told = run("--callback-limit 50 --list runs.lua");
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.text.find("longer than its limit"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("on\n"), std::string::npos);
  EXPECT_NE(told.text.find("runs.lua: timer 3 interval armed"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("runs.lua: 1 live timers"), std::string::npos);
}

// Ctrl-C ends what would never end, in order.
TEST_F(script_run, ATermEndsItInOrder) {
  write("ever.lua", "timer.setInterval(function() end, 5); os.execute('kill -TERM $PPID')");
  const auto told = run("ever.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_NE(told.text.find("ever.lua: stopped, 1 timers withdrawn"), std::string::npos) << told.text;
}

}  // namespace
