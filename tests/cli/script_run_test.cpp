// `detent run` as a user calls it: what the example scripts print, in virtual time, and exit statuses.
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <spawn.h>
#include <sstream>
#include <string>
#include <support/gate.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// `detent run` beside the test, with the signals as a shell in the foreground leaves them.
class running {
 public:
  running(const std::filesystem::path& folder, std::vector<std::string> arguments) : heard_(folder / "heard") {
    arguments.insert(arguments.begin(), {std::getenv("DETENT_PROGRAM"), "run"});
    std::vector<char*> words;
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, heard_.c_str(), O_CREAT | O_TRUNC | O_APPEND | O_WRONLY,
                                     0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_t how;
    posix_spawnattr_init(&how);
    sigset_t usual;
    sigfillset(&usual);
    sigdelset(&usual, SIGKILL);
    sigdelset(&usual, SIGSTOP);
    posix_spawnattr_setsigdefault(&how, &usual);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    EXPECT_EQ(posix_spawn(&child_, words[0], &files, &how, words.data(), environ), 0);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
  }
  running(const running&) = delete;
  running& operator=(const running&) = delete;
  ~running() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  void send(int number) const { kill(child_, number); }
  std::string text() const { return text_of(heard_); }
  void hear(const std::string& words) const {
    support::eventually([&] { return text().find(words) != std::string::npos; });
  }
  // As a shell counts: 128 and the signal's number for one that was ended by it.
  int status() {
    int status = 0;
    if (!support::eventually([&] { return waitpid(child_, &status, WNOHANG) == child_; })) return -1;
    child_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  const std::filesystem::path heard_;
  pid_t child_ = 0;
};

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
  void link(const std::string& name, const std::string& to) const {
    std::filesystem::create_symlink(to, folder_ / name);
  }
  void pipe(const std::string& name) const { EXPECT_EQ(mkfifo(path(name).c_str(), 0600), 0); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void remove(const std::string& name) const { std::filesystem::remove(folder_ / name); }
  // Scripts of the folder behind `options`, beside the test.
  std::unique_ptr<running> beside(std::vector<std::string> options, const std::vector<std::string>& scripts) const {
    for (const std::string& script : scripts) options.push_back((folder_ / script).string());
    return std::make_unique<running>(folder_, std::move(options));
  }

 private:
  outcome in(const std::filesystem::path& folder, const std::string& arguments) const {
    const std::string command = "cd '" + folder.string() + "' && '" + std::getenv("DETENT_PROGRAM") + "' run " +
                                arguments + " >'" + (folder_ / "out").string() + "' 2>&1";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder_ / "out")};
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
  write("turned.js", "\nsetTimeout(5, print)");
  EXPECT_EQ(run("turned.js").text,
            "turned.js:2: TypeError: setTimeout(function, milliseconds, ...arguments): the first is 5, not a function; "
            "only the rules of Havel take both orders\nstack:\n  global code@turned.js:2:11\n");
  write("micro.js", "queueMicrotask(() => { throw new TypeError('mine') })");
  EXPECT_EQ(run("micro.js").text.find("micro.js:1: TypeError: mine"), 0U);  // the file once
  write("object.js", "throw {code: 1}");
  EXPECT_EQ(run("object.js").text, "object.js: uncaught {\"code\":1} (no Error, so without its place)\n");
  write("odd.js", "print('a\\0b \xff \\ud800 \\u{1F600} gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80')");
  EXPECT_EQ(run("odd.js").text, std::string("a\0b ", 4) +
                                    "\xEF\xBF\xBD \xEF\xBF\xBD \xF0\x9F\x98\x80 gr\xC3\xBC\xC3\x9F "
                                    "\xF0\x9F\x98\x80\n");
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
  EXPECT_NE(told.text.find("turned.lua:1: setTimeout(function"), std::string::npos) << told.text;
}

TEST_F(script_run, TheHelpTeaches) {
  for (const char* word : {"--clock", "--rules", "--list", "--reload", "--timestamps", "--callback-limit",
                           "--memory-limit", "--timer-limit", "Examples:", "Exit status:", "SIGTERM"}) {
    EXPECT_NE(run("--help").text.find(word), std::string::npos) << word;
  }
}

TEST_F(script_run, InRealTimeUntilNoTimerIsLeft) {
  write("a.lua", "timer.setTimeout(function(x) print(x .. arg[1]) end, 20, 'a')");
  write("b.lua", "timer.setTimeout(function(x) print(x .. arg[1]) end, 40, 'b')");
  const auto told = run("a.lua b.lua --rules web given");
  EXPECT_EQ(told.status, 0);
  // Two threads in real time: on a loaded machine either may come first.
  EXPECT_TRUE(told.text == "agiven\nbgiven\n" || told.text == "bgiven\nagiven\n") << told.text;
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
  EXPECT_EQ(run("--nonsense x.lua").status, 2);
  write("bytes.lua", "\x1bLua");
  EXPECT_NE(run("bytes.lua").text.find("bytes.lua: "), std::string::npos);
  write("table.lua", "error({})");
  EXPECT_NE(run("table.lua").text.find("table.lua: an error that is no text, but a table"), std::string::npos);
  write("words.lua", "error(setmetatable({}, {__tostring = function() return 'my words' end}))");
  EXPECT_NE(run("words.lua").text.find("my words"), std::string::npos);
}

// What the command line says wrongly is told with the option, the value, and what would be right. Status 2: nothing
// runs.
TEST_F(script_run, WrongCommandLinesAreToldInWords) {
  write("a.lua", "print('ran', table.unpack(arg))");
  const std::pair<const char*, const char*> wrongs[] = {
      {"--clock fast a.lua", "--clock: 'fast' is none of manual real"},
      {"--rules node a.lua", "--rules: 'node' is none of havel web"},
      {"--callback-limit abc a.lua", "--callback-limit: 'abc' is not a number between 1 and"},
      {"--callback-limit nan a.lua", "--callback-limit: 'nan' is not a number between"},
      {"--memory-limit -5 a.lua", "--memory-limit: '-5' is not a number between 0.1 and"},
      {"--timer-limit 5.5 a.lua", "--timer-limit: '5.5' is not a number between 1 and"},
      {"--list=5 a.lua", "list was given a disallowed flag override"},
      {"--clock", "--clock: 1 required real|manual missing"},
      {"a.lua --nonsense", "not expected: --nonsense"},
      {"a.lua --verbose", "What is for the scripts and begins with a dash stands behind --"},
      {"", "FILE is required"},
      {"--", "FILE is required"},
      {"''", "'': it is no script: its name ends neither in .lua nor in .js"},
      {"a.LUA", "a.LUA: it is no script: its name ends neither in .lua nor in .js"},
      {"a.lua nowhere.lua", "nowhere.lua: No such file or directory"},
      {".lua/../a.lua", "No such file"}};
  for (const auto& [words, told] : wrongs) {
    const auto heard = run(words);
    EXPECT_EQ(heard.status, 2) << words;
    EXPECT_NE(heard.text.find(told), std::string::npos) << words << ": " << heard.text;
    EXPECT_EQ(heard.text.find("ran"), std::string::npos) << words;
  }
  EXPECT_EQ(run("a.lua x -- --list b.lua --").text, "ran\tx\t--list\tb.lua\t--\n");
  EXPECT_EQ(run("-- a.lua --clock").text, "ran\t--clock\n");
}

TEST_F(script_run, LimitsAndList) {
  write("runs.lua",
        "timer.setTimeout(function() while true do end end, 1); timer.setTimeout(print, 2, 'on')\n"
        "timer.unref(timer.setInterval(print, 1e6))");
  const auto told = run("--callback-limit 50 --list runs.lua");
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.text.find("runs.lua: in timer 1: runs.lua:1: the call took longer than its limit of 50 ms"),
            std::string::npos)
      << told.text;
  EXPECT_NE(told.text.find("on\n"), std::string::npos);
  EXPECT_NE(told.text.find("runs.lua: timer 3 interval armed, due in "), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("runs.lua: 1 live timer"), std::string::npos);
}

// What the list says of each state.
TEST_F(script_run, TheListTellsStateTimeAndCalls) {
  write("all.lua",
        "local p = timer.interval(function() error('mine') end, 1000); timer.timeout(print, 7200000):unref()\n"
        "timer.setInterval(print, 50, {modes = {'never'}})\n"
        "timer.setTimeout(function() p:pause() end, 2500)");
  const std::string text = run("--clock manual --list all.lua").text;
  for (const char* line :
       {"all.lua: timer 1 interval paused with 500 ms left, every 1.00 s, 2 calls, the latest 0 ns late, "
        "latest error: all.lua:1: mine\n",
        "all.lua: timer 2 timeout armed, due in 1 h 59 min\n",
        "all.lua: timer 3 interval suspended with 50.0 ms left, every 50.0 ms\n", "all.lua: 3 live timers\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

// The program may be over for what a script still waits for: that is told, and is no error.
TEST_F(script_run, WhatIsLeftWaitingIsTold) {
  write("waits.lua",
        "local t = timer.interval(print, 10); t:pause(); timer.unref(timer.setTimeout(print, 1e6))\n"
        "timer.setInterval(print, 10, {modes = {'never'}}); t:wait(); print('never')");
  const auto told = run("waits.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_EQ(told.text, "waits.lua: over, with 2 timers paused or suspended, and 1 waiter\n");
  write("quiet.lua", "timer.unref(timer.setTimeout(print, 1e6)); timer.sleep(1)");
  EXPECT_EQ(run("quiet.lua").text, "");
}

// Virtual time comes to no end of the longest delays: the program is over, and says for what nobody waits any more.
TEST_F(script_run, WhatIsNeverDueIsTold) {
  write("far.lua",
        "timer.setTimeout(print, 1e300); timer.unref(timer.setTimeout(print, 1e300))\n"
        "timer.setTimeout(print, 5, 'five')");
  const auto told = run("--clock manual --rules havel far.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_EQ(told.text, "five\nfar.lua: over, with 1 timer never due: so long a delay has no end\n");
  write("sleeps.lua", "timer.sleep(1e300); print('never')");
  EXPECT_EQ(run("--clock manual sleeps.lua").text,
            "sleeps.lua: over, with 0 timers paused or suspended, and 1 waiter\n"
            "sleeps.lua: over, with 1 timer never due: so long a delay has no end\n");
  write("unkept.lua", "timer.unref(timer.setTimeout(print, 1e300)); timer.unref(timer.setTimeout(print, 100))");
  EXPECT_EQ(run("--clock manual --rules havel unkept.lua").text, "");
}

// Zeros are bytes like others, and errors printed have the time too.
TEST_F(script_run, WhatIsPrintedIsWhole) {
  const std::string zero = {'a', '\0', 'b'};
  write("zero.lua", "print('a\\0b'); error('a\\0b', 0)");
  EXPECT_EQ(run("zero.lua").text.find(zero + "\nzero.lua: " + zero + "\n"), 0U);
  if (!has("x.js")) GTEST_SKIP() << "this build has no JavaScript engine";
  write("zero.js", "console.log('a\\0b'); console.error('a\\0b'); throw new Error('a\\0b')");
  EXPECT_EQ(run("zero.js").text.find(zero + "\n" + zero + "\nzero.js:1: Error: " + zero + "\n"), 0U);
  EXPECT_EQ(count(run("--clock manual --timestamps zero.js").text, "0.000 ms  a"), 2U);
}

// What could not be written is told at the end, with a status above 0: a full disk, a stream that is closed. Closed
// streams that nobody writes to are no error, and their numbers are not given to files of the program.
TEST_F(script_run, LostOutputIsNoSuccess) {
  write("prints.lua", "timer.setTimeout(print, 1, 'x')");
  write("writes.lua", "io.write('x')");
  write("silent.lua", "timer.setTimeout(function() end, 1)");
  const auto with = [this](const std::string& script, const std::string& where) {
    return run(script + " " + where + " 2>told; s=$?; (cat told; exit $s)");
  };
  for (const char* script : {"prints.lua", "writes.lua"}) {
    const auto full = with(script, ">/dev/full");
    EXPECT_EQ(full.status, 1) << script;
    EXPECT_EQ(full.text, "detent: standard output: No space left on device: some of what was printed is lost\n");
    const auto closed = with(script, ">&-");
    EXPECT_EQ(closed.status, 1) << script;
    EXPECT_EQ(closed.text, "detent: standard output: Bad file descriptor: some of what was printed is lost\n");
    EXPECT_EQ(with(script, "<&- >&-").text, closed.text);
  }
  for (const char* where : {">/dev/full", ">&-", "<&- >&-"}) {
    const auto told = with("silent.lua", where);
    EXPECT_EQ(told.status, 0) << where;
    EXPECT_EQ(told.text, "") << where;
  }
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
  // Before the first callback too, by the limit on the address space.
  if (has("x.js")) {
    write("hog.js",
          "const kept = []; for (let i = 0; i < 250; ++i) kept.push(new Array(1e6).fill(i + 0.5)); print('had')");
    const auto stopped = run("--memory-limit 5 hog.js");
    EXPECT_NE(stopped.status, 0);
    EXPECT_EQ(stopped.text.find("had"), std::string::npos) << stopped.text;
  }
  write("many.lua", "for i = 1, 4 do timer.setTimeout(print, 1, i) end");
  const auto many = run("--timer-limit 3 many.lua");
  EXPECT_EQ(many.status, 1);
  EXPECT_NE(many.text.find("the limit is 3"), std::string::npos) << many.text;
}

// --memory-limit also limits the process: 256 MB and four times the limit for each script, above what it has when all
// engines are there. A script sees its process as it begins.
TEST_F(script_run, TheAddressSpaceIsLimited) {
  write("sees.lua",
        "local limit = io.open('/proc/self/limits'):read('a'):match('Max address space%s+(%S+)')\n"
        "local pages = io.open('/proc/self/statm'):read('n')\n"
        "print(tonumber(limit) and math.floor((limit - pages * " +
            std::to_string(sysconf(_SC_PAGESIZE)) + ") / 1e6) or limit)");
  write("idle.lua", "");
  const auto one = run("--memory-limit 10 sees.lua");
  EXPECT_EQ(one.status, 0) << one.text;
  // A few megabytes of them are in use by then.
  EXPECT_GT(std::atoi(one.text.c_str()), 250) << one.text;
  EXPECT_LE(std::atoi(one.text.c_str()), 296) << one.text;
  const auto two = run("--memory-limit 100 sees.lua idle.lua");
  EXPECT_GT(std::atoi(two.text.c_str()), 900) << two.text;
  EXPECT_LE(std::atoi(two.text.c_str()), 1056) << two.text;
  // Without the option it is as it was.
  rlimit own{};
  getrlimit(RLIMIT_AS, &own);
  if (own.rlim_cur == RLIM_INFINITY) {
    EXPECT_EQ(run("sees.lua").text, "unlimited\n");
  }
}

// Scripts in virtual time: each on its own thread, one clock, one timer after the other; each run is like the one
// before.
TEST_F(script_run, SeveralScriptsInVirtualTime) {
  write("a.lua", "timer.setTimeout(function() mode.set('play') end, 3600 * 1000)");
  write("b.lua",
        "local t = timer.interval(function() print('play', timer.now() % 1000) end, 60000, {modes = {'play'}})\n"
        "mode.onEnter('play', function() timer.sleep(150000); t:stop(); mode.set('off'); print('stop') end)");
  write("c.lua",
        "local n = 0; local id; id = timer.setInterval(function() n = n + 1\n"
        "if n == 3600 then timer.clear(id); print('hour') end end, 1000)");
  for (int i = 0; i < 3; ++i) {
    const auto told = run("--clock manual --timestamps a.lua b.lua c.lua");
    EXPECT_EQ(told.status, 0);
    EXPECT_EQ(told.text,
              " 3600000.000 ms  hour\n 3660000.000 ms  play\t0.0\n 3720000.000 ms  play\t0.0\n 3750000.000 ms  stop\n");
  }
  write("fails.lua", "nothing.here()");
  const auto beside_one_that_fails = run("--clock manual fails.lua c.lua");
  EXPECT_EQ(beside_one_that_fails.status, 1);
  EXPECT_NE(beside_one_that_fails.text.find("hour\n"), std::string::npos);
}

// Equal deadlines over several scripts, hooks, and timers that come back together: what is printed is the same each
// time, and at one instant in the order of the scripts.
TEST_F(script_run, VirtualTimeIsTheSameEachTime) {
  const std::string even = "for i = 1, 5 do timer.setTimeout(print, 10 * i, NAME, i) end\n";
  const std::string hooks =
      "for _, m in ipairs({'x', 'y'}) do mode.onEnter(m, function() for i = 1, 3 do print(NAME, 'enters', m, i) end "
      "end)\n"
      "for i = 1, 4 do timer.setInterval(print, 7, {modes = {m}}, NAME, m, i) end end\n";
  write("a.lua",
        "NAME = 'a'\n" + even + hooks +
            "for i = 1, 4 do timer.setTimeout(function() mode.set(i % 2 == 0 and 'x' or 'y'); print('set', i)\n"
            "for n = 1, 1e4 do end; print('has set', i) end, 20 * i) end\n"
            "timer.setTimeout(function() mode.set('end') end, 90)");
  write("b.lua", "NAME = 'b'\n" + even + hooks);
  write("c.lua", "NAME = 'c'\n" + even + hooks + "mode.onExit('x', function() mode.set('z'); print('z') end)");
  const std::string first = run("--clock manual --timestamps a.lua b.lua c.lua").text;
  for (int i = 1; i <= 5; ++i) {
    const std::string at = std::to_string(10 * i) + ".000 ms  ";
    const std::string n = "\t" + std::to_string(i) + "\n";
    EXPECT_LT(first.find(at + "a" + n), first.find(at + "b" + n)) << first;
    EXPECT_LT(first.find(at + "b" + n), first.find(at + "c" + n)) << first;
    EXPECT_NE(first.find(at + "c" + n), std::string::npos) << first;
  }
  for (int i = 0; i < 20; ++i) ASSERT_EQ(run("--clock manual --timestamps a.lua b.lua c.lua").text, first) << i;
  if (!has("x.js")) GTEST_SKIP() << "this build has no JavaScript engine";
  write("d.js",
        "mode.onEnter('x', () => print('d enters', mode.get())); for (let i = 1; i <= 5; ++i) setTimeout(print, 10 * "
        "i, 'd')\n"
        "for (let i = 0; i < 4; ++i) setInterval(print, 7, {modes: ['x']}, 'd', i)");
  const std::string both = run("--clock manual --timestamps d.js a.lua b.lua").text;
  EXPECT_NE(both.find("d enters"), std::string::npos) << both;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(run("--clock manual --timestamps d.js a.lua b.lua").text, both) << i;
}

// Hooks that set one mode after the other never rest, and time stands: a signal ends it all the same.
TEST_F(script_run, ATermEndsWhatNeverRestsInVirtualTime) {
  write("turns.lua",
        "for a, b in pairs({x = 'y', y = 'x'}) do mode.onEnter(a, function() mode.set(b) end) end\n"
        "mode.set('x'); print('begun')");
  write("waits.lua", "timer.setTimeout(print, 1e9, 'never')");
  const auto program = beside({"--clock", "manual"}, {"waits.lua", "turns.lua"});
  program->hear("begun");
  program->send(SIGTERM);
  EXPECT_EQ(program->status(), 0) << program->text();
  EXPECT_NE(program->text().find("waits.lua: stopped, 1 timer withdrawn"), std::string::npos) << program->text();
}

// What one script sets reaches the hooks of another, also when the first has nothing more to do.
TEST_F(script_run, NoHookIsLostAtTheEnd) {
  // On a loaded machine the second may begin long before the first: it waits until that one hears.
  write("hears.lua", "mode.onEnter('play', function() print('heard') end); mode.set('ready')");
  write("sets.lua",
        "local function set() timer.setTimeout(function() mode.set('play') end, 1) end\n"
        "mode.onEnter('ready', set); if mode.is('ready') then set() end");
  for (int i = 0; i < 20; ++i) ASSERT_EQ(run("hears.lua sets.lua").text, "heard\n") << i;
}

TEST_F(script_run, TextsAreTheFilesOwn) {
  write("first.lua", "#!/usr/bin/env -S detent run\nerror('line 2', 1)");
  EXPECT_NE(run("first.lua").text.find("first.lua:2: line 2"), std::string::npos);
  write("mark.lua", "\xEF\xBB\xBFprint('marked')");
  EXPECT_EQ(run("mark.lua").text, "marked\n");
  write("zero.lua", "print('a\\0b')");
  EXPECT_EQ(run("zero.lua").text, std::string("a\0b\n", 4));
}

// A finalizer runs when its state ends: what it calls then is refused in words.
TEST_F(script_run, FinalizersFindTheScriptEnded) {
  write("last.lua",
        "setmetatable({}, {__gc = function() for _, f in ipairs({timer.setTimeout, timer.sleep, mode.set}) do\n"
        "print(select(2, pcall(f, f == timer.setTimeout and print or f == mode.set and 'x' or 1, 1))) end\n"
        "print(timer.clear(1), #timer.getActiveTimers()) end})");
  const auto told = run("last.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_NE(told.text.find("setTimeout: the timers of this script have been withdrawn"), std::string::npos)
      << told.text;
  EXPECT_NE(told.text.find("mode: the script has ended"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("false\t0\n"), std::string::npos) << told.text;
}

TEST_F(script_run, BothSignalsEndItInOrder) {
  write("ever.lua", "for i = 1, 3 do timer.setInterval(function() end, 5) end print('begun')");
  for (const int number : {SIGINT, SIGTERM}) {
    const auto program = beside({}, {"ever.lua"});
    program->hear("begun");
    program->send(number);
    EXPECT_EQ(program->status(), 0) << program->text();
    EXPECT_NE(program->text().find("ever.lua: stopped, 3 timers withdrawn"), std::string::npos) << program->text();
  }
}

// As `timeout` and some terminals send it, to the process and to its group: one request. Under load the second may be
// seen as late as another one would: then this has shown nothing.
TEST_F(script_run, TwoSignalsAtOnceAreOneRequest) {
  write("ever.lua", "timer.setInterval(function() end, 5); print('begun')");
  int status = -1;
  for (int i = 0; i < 5 && status != 0; ++i) {
    const auto program = beside({}, {"ever.lua"});
    program->hear("begun");
    program->send(SIGINT);
    program->send(SIGTERM);
    status = program->status();
    EXPECT_TRUE(status == 0 || status == 128 + SIGTERM || status == 128 + SIGINT) << status;
  }
  EXPECT_EQ(status, 0);
}

// A call that does not return is named, and a second signal does not wait for it.
TEST_F(script_run, ASecondSignalEndsItAtOnce) {
  write("busy.lua", "timer.setTimeout(function() print('busy'); while true do end end, 1)");
  write("idle.lua", "timer.setInterval(print, 1e6)");
  for (const int number : {SIGINT, SIGTERM}) {
    const auto program = beside({}, {"busy.lua", "idle.lua"});
    program->hear("busy\n");
    program->send(SIGTERM);
    program->hear("busy.lua: a call of it does not return");
    program->send(number);
    EXPECT_EQ(program->status(), 128 + number);
  }
}

TEST_F(script_run, ListsAtEachRequestAndAtTheEnd) {
  write("ever.lua", "timer.setInterval(function() end, 1e6); print('begun')");
  const auto program = beside({"--list"}, {"ever.lua"});
  program->hear("begun");
  program->send(SIGUSR1);
  program->hear("ever.lua: timer 1 interval armed");
  program->send(SIGTERM);
  EXPECT_EQ(program->status(), 0);
  EXPECT_EQ(count(program->text(), "ever.lua: timer 1 interval armed"), 2U) << program->text();
  EXPECT_LT(program->text().rfind("1 live timer"), program->text().find("stopped, 1 timer withdrawn"));
  // Without --list a request changes nothing.
  const auto silent = beside({}, {"ever.lua"});
  silent->hear("begun");
  silent->send(SIGUSR1);
  silent->send(SIGTERM);
  EXPECT_EQ(silent->status(), 0);
  EXPECT_EQ(count(silent->text(), "interval"), 0U) << silent->text();
}

// What asks for the list, or to load again, ends nothing before the program hears it: here it still reads the script.
// Without --reload the second ends it as usual.
TEST_F(script_run, ARequestRightAtTheBeginningEndsNothing) {
  const auto reading = [this](std::vector<std::string> options) {
    remove("late.lua");
    pipe("late.lua");
    auto program = beside(std::move(options), {"late.lua"});
    int script = -1;  // can be opened when the program is there to read it
    support::eventually([&] { return (script = open(path("late.lua").c_str(), O_WRONLY | O_NONBLOCK)) >= 0; });
    return std::pair(std::move(program), script);
  };
  const auto begin = [](int script) {
    const std::string text = "timer.setInterval(function() end, 1e6); print('begun')";
    EXPECT_EQ(::write(script, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(script);
  };
  const auto [listing, its_script] = reading({"--list"});
  listing->send(SIGUSR1);
  begin(its_script);
  listing->hear("live timer");
  listing->hear("begun");
  listing->send(SIGTERM);
  EXPECT_EQ(listing->status(), 0) << listing->text();
  const auto [reloading, read_first] = reading({"--reload"});
  reloading->send(SIGHUP);
  remove("late.lua");
  write("late.lua", "print('another')");  // what it reads then
  begin(read_first);
  reloading->hear("loaded again, 1 timer withdrawn");
  reloading->hear("another");
  EXPECT_EQ(reloading->status(), 0) << reloading->text();
  const auto [ending, never_read] = reading({});
  ending->send(SIGHUP);
  EXPECT_EQ(ending->status(), 128 + SIGHUP) << ending->text();
  close(never_read);
}

// SIGHUP with --reload: the script as it is on the disk now, in a fresh engine; nothing of the former one is left.
TEST_F(script_run, ReloadsOnRequest) {
  // Of each kind something: ticks, a hook, a timer and a scope bound to a mode, one that sleeps, one that waits.
  const auto lua = [](int version) {
    return "local v = '" + std::to_string(version) +
           "'\nlocal t = timer.interval(function() end, 3); timer.setInterval(function() print('bound' .. v) end, 3, "
           "{modes = {'x'}})\n"
           "timer.scope(function() timer.setInterval(function() print('scoped' .. v) end, 3) end, {modes = {'x'}})\n"
           "mode.onEnter('x', function() print('hook' .. v) end)\n"
           "timer.setTimeout(function() timer.sleep(1e9) end, 1); timer.setTimeout(function() t:wait() end, 1)\n"
           "kept = (kept or 0) + 1; print('begun' .. v .. kept)";
  };
  const auto javascript = [](int version) {
    return "const v = '" + std::to_string(version) +
           "', t = interval(() => {}, 3); setInterval(() => print('bound' + v), 3, {modes: ['x']});\n"
           "timer.scope(() => { setInterval(() => print('scoped' + v), 3) }, {modes: ['x']});\n"
           "mode.onEnter('x', () => print('hook' + v)); sleep(1e9).then(() => print('woken')); t.wait();\n"
           "globalThis.kept = (globalThis.kept || 0) + 1; print('begun' + v + kept)";
  };
  write("sets.lua", "timer.setInterval(function() mode.set('x') end, 1e6); print('set')");
  for (const std::string name : {"a.lua", "a.js"}) {
    if (name == "a.js" && !has("x.js")) continue;
    const auto text = [&](int version) { return name == "a.js" ? javascript(version) : lua(version); };
    constexpr int last = 12;
    write(name, text(0));
    const auto program = beside({"--reload", "--list"}, {name, "sets.lua"});
    program->hear("begun01");
    write(name, "x = = 1");
    program->send(SIGHUP);
    program->hear(name + ": not loaded again, the former one goes on: ");
    for (int version = 1; version <= last; ++version) {
      write(name, text(version));
      program->send(SIGHUP);
      program->hear("begun" + std::to_string(version) + "1\n");
    }
    EXPECT_EQ(count(program->text(), name + ": loaded again, "), std::size_t{last}) << program->text();
    // The other script is new as well, and sets the mode again and again: who hears of it?
    write("sets.lua", "timer.setInterval(function() mode.set('y'); mode.set('x') end, 20)");
    program->send(SIGHUP);
    program->hear("hook" + std::to_string(last));
    program->hear("scoped" + std::to_string(last));
    write("sets.lua", "timer.setInterval(function() mode.set('x') end, 1e6); print('set')");
    program->send(SIGTERM);
    EXPECT_EQ(program->status(), 0) << program->text();
    for (const std::string word : {"bound", "scoped", "hook"}) {
      for (int version = 0; version < last; ++version) {
        EXPECT_EQ(count(program->text(), word + std::to_string(version) + "\n"), 0U) << program->text();
      }
    }
    EXPECT_EQ(count(program->text(), "woken"), 0U);
  }
}

// One that cannot be read any more goes on; the others are loaded again. Without --reload the signal ends the program.
TEST_F(script_run, WhatCannotBeLoadedAgainGoesOn) {
  write("gone.lua", "timer.setInterval(function() end, 5); print('gone begun')");
  write("stays.lua", "timer.setInterval(function() end, 5); print('stays begun')");
  const auto program = beside({"--reload"}, {"gone.lua", "stays.lua"});
  program->hear("gone begun");
  program->hear("stays begun");
  remove("gone.lua");
  program->send(SIGHUP);
  program->hear("gone.lua: not loaded again, the former one goes on: No such file or directory");
  program->hear("stays.lua: loaded again, 1 timer withdrawn");
  program->send(SIGTERM);
  EXPECT_EQ(program->status(), 0) << program->text();
  EXPECT_NE(program->text().find("gone.lua: stopped, 1 timer withdrawn"), std::string::npos) << program->text();
  const auto without = beside({}, {"stays.lua"});
  without->hear("stays begun");
  without->send(SIGHUP);
  EXPECT_EQ(without->status(), 128 + SIGHUP);
}

// One that can be opened but not read is no empty script: as one that is not there, at the beginning and later.
TEST_F(script_run, WhatCannotBeReadIsNoEmptyScript) {
  link("unread.lua", "/proc/self/mem");  // its first page is nobody's
  const auto told = run("unread.lua");
  EXPECT_EQ(told.status, 2) << told.text;
  EXPECT_EQ(told.text, "detent: unread.lua: Input/output error\n");
  write("turns.lua", "timer.setInterval(function() end, 5); print('begun')");
  const auto program = beside({"--reload"}, {"turns.lua"});
  program->hear("begun");
  remove("turns.lua");
  link("turns.lua", "/proc/self/mem");
  program->send(SIGHUP);
  program->hear("turns.lua: not loaded again, the former one goes on: Input/output error");
  program->send(SIGTERM);
  EXPECT_EQ(program->status(), 0) << program->text();
  EXPECT_NE(program->text().find("turns.lua: stopped, 1 timer withdrawn"), std::string::npos) << program->text();
}

// What a script starts gets its signals as usual.
TEST_F(script_run, ChildrenHearSignals) {
  write("starts.lua", "print(io.popen('sh -c \"kill -TERM \\\\$\\\\$; sleep 100\"; echo $?'):read('a'))");
  EXPECT_NE(run("starts.lua").text.find("143"), std::string::npos) << run("starts.lua").text;
}

// Ctrl-C ends what would never end, in order.
TEST_F(script_run, ATermEndsItInOrder) {
  write("ever.lua", "timer.setInterval(function() end, 5); os.execute('kill -TERM $PPID')");
  const auto told = run("ever.lua");
  EXPECT_EQ(told.status, 0);
  EXPECT_NE(told.text.find("ever.lua: stopped, 1 timer withdrawn"), std::string::npos) << told.text;
}

}  // namespace
