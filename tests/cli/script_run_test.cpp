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
    if (!has("x.lua")) GTEST_SKIP() << "this build has no Lua engine";
  }
  // Whether this build has the engine for an empty file of this name.
  bool has(const std::string& name) const {
    write(name, "");
    return run(name).status == 0;
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
  EXPECT_EQ(count(schedule.text, "look away"), 12U) << schedule.text;  // 100 minutes of work
  EXPECT_EQ(example("--clock manual watchdog.lua").text, "step 1\nstep 2\nstep 3\ncopying is stuck\nstep 4\n");
}

TEST_F(script_run, TheExamplesInJavaScript) {
  if (!has("x.js")) GTEST_SKIP() << "this build has no JavaScript engine";
  const auto heartbeat = example("--clock manual heartbeat.js");
  EXPECT_EQ(heartbeat.status, 0);
  EXPECT_EQ(heartbeat.text, "beat 1\nbeat 2\nbeat 3\nbeat 4\nbeat 5\nno beat for 100 ms: it is dead\n");
  EXPECT_NE(example("--clock manual retry.js").text.find("attempt 4 succeeded"), std::string::npos);
}

// Two languages at once, with the arguments, and the mode of one set by the other.
TEST_F(script_run, JavaScriptBesideLua) {
  if (!has("x.js")) GTEST_SKIP() << "this build has no JavaScript engine";
  write("a.js", "setTimeout(() => console.log('in mode', scriptArguments), 1, {modes: ['play']})");
  write("b.lua", "timer.setTimeout(function() mode.set('play') end, 50)");
  EXPECT_EQ(run("a.js b.lua given").text, "in mode [\"given\"]\n");
  write("throws.js", "\nsetTimeout(() => { throw new TypeError('mine') }, 1); setTimeout(print, 2, 'on')");
  const auto told = run("throws.js");
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.text.find("throws.js:2: TypeError: mine"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("on\n"), std::string::npos);
  write("rejects.js", "sleep(1).then(() => { throw new Error('nobody catches') })");
  EXPECT_EQ(run("rejects.js").status, 1);
  write("runs.js", "setTimeout(() => { for (;;); }, 1); setTimeout(print, 2, 'on')");
  const auto limited = run("--callback-limit 50 runs.js");
  EXPECT_NE(limited.text.find("longer than its limit"), std::string::npos) << limited.text;
  EXPECT_NE(limited.text.find("on\n"), std::string::npos);
}

TEST_F(script_run, TimeStampsAreTheScriptsTime) {
  write("hour.lua", "timer.setTimeout(print, 3600 * 1000, 'an hour')");
  EXPECT_EQ(run("--clock manual --timestamps hour.lua").text, " 3600000.000 ms  an hour\n");
}

TEST_F(script_run, RulesOfHavelOnRequest) {
  write("turned.lua", "timer.setTimeout(5, print, 'turned')");
  EXPECT_EQ(run("--rules havel turned.lua").text, "turned\n");
  const auto told = run("turned.lua");
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.text.find("turned.lua:1: TypeError: setTimeout(function"), std::string::npos) << told.text;
}

TEST_F(script_run, TheHelpTeaches) {
  for (const char* word : {"--clock", "--rules", "--list", "--timestamps", "--callback-limit", "--memory-limit",
                           "--timer-limit", "Examples:", "Exit status:", "SIGTERM"}) {
    EXPECT_NE(run("--help").text.find(word), std::string::npos) << word;
  }
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
  EXPECT_NE(run("nowhere.lua").text.find("nowhere.lua: No such file"), std::string::npos);
  EXPECT_EQ(run("nowhere.lua").status, 2);
  EXPECT_NE(run("x.txt").text.find("neither in .lua nor in .js"), std::string::npos);
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

// SIGUSR1 lists what lives, and ends nothing.
TEST_F(script_run, ASignalListsTheLiveTimers) {
  write("asks.lua",
        "timer.setTimeout(function() os.execute('kill -USR1 $PPID') end, 1)\n"
        "local n = 0; local id; id = timer.setInterval(function() n = n + 1\n"
        "if n == 20 then timer.clear(id); print('end') end end, 10)");
  const auto told = run("--list asks.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_NE(told.text.find("asks.lua: timer 2 interval"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("end\n"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("asks.lua: 0 live timers"), std::string::npos) << told.text;
}

TEST_F(script_run, MemoryAndTimersAreLimited) {
  write("grows.lua",
        "local t = {}; timer.setInterval(function() for i = 1, 1e5 do t[#t + 1] = {} end end, 1)\n"
        "timer.setTimeout(function() timer.cleanupAllTimers(); print('on') end, 200)");
  const auto told = run("--memory-limit 5 grows.lua");
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.text.find("not enough memory"), std::string::npos) << told.text;
  write("many.lua", "for i = 1, 4 do timer.setTimeout(print, 1, i) end");
  const auto many = run("--timer-limit 3 many.lua");
  EXPECT_EQ(many.status, 1);
  EXPECT_NE(many.text.find("the limit is 3"), std::string::npos) << many.text;
}

// Ctrl-C ends what would never end, in order.
TEST_F(script_run, ATermEndsItInOrder) {
  write("ever.lua", "timer.setInterval(function() end, 5); os.execute('kill -TERM $PPID')");
  const auto told = run("ever.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_NE(told.text.find("ever.lua: stopped, 1 timers withdrawn"), std::string::npos) << told.text;
}

}  // namespace
