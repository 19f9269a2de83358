// `detent replay` as a user calls it: exit status, what is printed where, and the JSON file.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

const std::string shipped = DETENT_DATA_DIR "/nginx-wrk.ftrace.zst";

std::string read_all(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

class replay_program : public testing::Test {
 protected:
  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("detent_replay_program_test." + std::to_string(getpid()));

  replay_program() { std::filesystem::create_directories(folder_); }
  ~replay_program() override { std::filesystem::remove_all(folder_); }

  void SetUp() override {
    if (std::getenv("DETENT_PROGRAM") == nullptr) GTEST_SKIP() << "ctest says where the program is";
  }

  struct outcome {
    int status = -1;
    std::string out;
    std::string err;
  };

  /// `before` goes before the program's name on the command line.
  outcome run(const std::string& arguments, const std::string& before = "") const {
    const std::string command = "cd '" + folder_.string() + "' && " + before + " '" + std::getenv("DETENT_PROGRAM") +
                                "' replay " + arguments + " >out 2>err";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_all(folder_ / "out"), read_all(folder_ / "err")};
  }

  nlohmann::json json() const { return nlohmann::json::parse(read_all(folder_ / "report.json")); }

  void write(const std::string& text) const { std::ofstream(folder_ / "trace", std::ios::binary) << text; }
};

void expect_adds_up(const nlohmann::json& report) {
  std::uint64_t ends = 0;
  for (const char* end : {"fired", "replaced", "cancelled", "closed", "shut_down", "dropped", "pending"}) {
    ASSERT_TRUE(report.at(end).is_number_integer()) << end;
    ends += report.at(end).get<std::uint64_t>();
  }
  EXPECT_EQ(report.at("armings").get<std::uint64_t>(), ends);
  EXPECT_EQ(report.at("early"), 0);
  EXPECT_EQ(report.at("lost"), 0);
}

TEST_F(replay_program, the_shipped_recording_adds_up_at_full_speed) {
  const outcome done = run("'" + shipped + "' --speed 0 --json report.json");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.err, "") << "nobody watches: no progress";
  EXPECT_EQ(done.out.find('\033'), std::string::npos);
  EXPECT_EQ(done.out.find('\r'), std::string::npos);
  EXPECT_NE(done.out.find("0 early, 0 lost"), std::string::npos);
  const nlohmann::json report = json();
  expect_adds_up(report);
  EXPECT_EQ(report.at("armings"), 414'462);
  EXPECT_EQ(report.at("interrupted"), false);
  EXPECT_EQ(report.at("cost").at("operations"), 430'864);
  for (const char* key : {"p50", "p99", "p999", "max"}) {
    EXPECT_TRUE(report.at("lateness_ns").at(key).is_number_integer()) << key;
  }
}

TEST_F(replay_program, a_larger_population_on_a_pool_adds_up) {
  const outcome done = run("'" + shipped + "' --speed max --timers-times 3 --executor pool --json report.json");
  EXPECT_EQ(done.status, 0) << done.err;
  expect_adds_up(json());
  EXPECT_EQ(json().at("armings"), 3 * 414'462);
}

TEST_F(replay_program, an_interrupt_ends_it_early_with_an_honest_report) {
  const outcome done = run("'" + shipped + "' --speed 0.02 --json report.json", "timeout --preserve-status -s INT 8 ");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_NE(done.out.find("ended early by the user"), std::string::npos) << done.out;
  expect_adds_up(json());
  EXPECT_EQ(json().at("interrupted"), true);
  EXPECT_LT(json().at("cost").at("operations"), 430'864);
}

TEST_F(replay_program, files_without_a_replay_are_refused_with_a_hint) {
  write("");
  outcome refused = run("trace");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("trace is empty"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("trace-cmd record"), std::string::npos);
  write("root:x:0:0\n");
  refused = run("trace");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("holds no timer event"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("trace-cmd record"), std::string::npos);
  write("  a-1 [000] .... 1.0: hrtimer_cancel: hrtimer=1\n");
  refused = run("trace");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("nothing to replay"), std::string::npos) << refused.err;
  refused = run("no-such-trace");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("no-such-trace"), std::string::npos) << refused.err;
  EXPECT_EQ(refused.out, "");
}

TEST_F(replay_program, a_cut_recording_is_replayed_as_far_as_it_goes) {
  write(read_all(shipped).substr(0, 400'000));
  const outcome done = run("trace --speed max --json report.json");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_NE(done.err.find("is cut short"), std::string::npos) << done.err;
  expect_adds_up(json());
  EXPECT_GT(json().at("armings"), 10'000);
  EXPECT_EQ(json().at("recording").at("end"), "cut short");
}

TEST_F(replay_program, malformed_lines_are_told_and_the_others_replayed) {
  write(
      "  a-1 [000] .... 1.0: hrtimer_start: hrtimer=1 function=f expires=1000000000\n"
      "  a-1 [000] .... 1.0: hrtimer_cancel: hrtimer=zebra\n");
  const outcome done = run("trace --json report.json");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_NE(done.err.find("trace:2: malformed event"), std::string::npos) << done.err;
  EXPECT_EQ(json().at("armings"), 1);
}

TEST_F(replay_program, a_report_that_cannot_be_written_is_refused_before_the_replay) {
  const outcome refused = run("'" + shipped + "' --speed 0.01 --json /nonexistent/report.json");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("/nonexistent/report.json cannot be written"), std::string::npos) << refused.err;
  EXPECT_EQ(refused.out, "");
}

}  // namespace
