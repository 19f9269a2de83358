// The bench as its users run it, on what can always be built: the rows it writes, and what it says to bad arguments.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

struct outcome {
  int status = 0;
  std::string text;  // of both streams
};

outcome bench(const std::string& arguments) {
  const char* const program = std::getenv("DETENT_BENCH_PROGRAM");
  if (program == nullptr) return {-1, "DETENT_BENCH_PROGRAM is not set"};
  const std::string command = std::string(program) + " " + arguments + " 2>&1";
  outcome done;
  FILE* const pipe = popen(command.c_str(), "r");
  std::array<char, 4096> part{};
  for (std::size_t got = 0; (got = fread(part.data(), 1, part.size(), pipe)) > 0;) done.text.append(part.data(), got);
  done.status = WEXITSTATUS(pclose(pipe));
  return done;
}

TEST(ShortRun, EveryRowIsComplete) {
  const std::string file = "/tmp/detent-bench-test-" + std::to_string(getpid()) + ".json";
  const outcome done =
      bench("churn --n 1e3 --reps 2 --seconds 0.02 --peers detent,detent-now,detent-loop,multimap --json " + file);
  ASSERT_EQ(done.status, 0) << done.text;
  std::ifstream in(file);
  const nlohmann::json json = nlohmann::json::parse(in);
  std::remove(file.c_str());
  std::set<std::string> peers;
  for (const nlohmann::json& row : json.at("rows")) {
    peers.insert(row.at("peer").get<std::string>());
    EXPECT_EQ(row.at("workload"), "churn");
    EXPECT_EQ(row.at("n"), 1000);
    EXPECT_EQ(row.at("threads"), 1);
    EXPECT_EQ(row.at("reps"), 2);
    EXPECT_FALSE(row.at("version").get<std::string>().empty());
    EXPECT_GT(row.at("min_ns").get<double>(), 0);
    EXPECT_LE(row.at("min_ns").get<double>(), row.at("median_ns").get<double>());
    EXPECT_LE(row.at("median_ns").get<double>(), row.at("max_ns").get<double>());
  }
  EXPECT_EQ(peers, (std::set<std::string>{"detent", "detent-now", "detent-loop", "multimap"}));
  EXPECT_FALSE(json.at("machine").at("compiler").get<std::string>().empty());
  EXPECT_NE(done.text.find("multimap"), std::string::npos);
}

TEST(ShortRun, MarkdownHasATable) {
  const outcome done = bench("--reps 1 --seconds 0.01 --peers detent --markdown --n 1e3 churn");
  EXPECT_EQ(done.status, 0) << done.text;
  EXPECT_NE(done.text.find("|---|---:|\n| detent |"), std::string::npos) << done.text;
}

TEST(ShortRun, BadArgumentsAreNamed) {
  const std::array<std::array<const char*, 2>, 6> wrong{{{"chum", "'chum' is no workload"},
                                                         {"churn --peers libvu", "'libvu' is no row"},
                                                         {"churn --n 1e3,ten", "'ten' is not a whole number"},
                                                         {"churn --n 0", "'0' is not a whole number"},
                                                         {"churn --reps 0", "'0' is not a number between 1"},
                                                         {"churn --json /no/such/folder/x", "cannot write /no/such"}}};
  for (const auto& [arguments, words] : wrong) {
    const outcome done = bench(arguments);
    EXPECT_EQ(done.status, 2) << arguments;
    EXPECT_NE(done.text.find(words), std::string::npos) << done.text;
  }
}

TEST(ShortRun, ListNamesWorkloadsAndRows) {
  const outcome done = bench("--list");
  EXPECT_EQ(done.status, 0);
  for (const char* name : {"churn", "turnover", "postpone", "floor", "detent-loop", "multimap", "libuv", "asio-strand"})
    EXPECT_NE(done.text.find(name), std::string::npos) << name;
}

}  // namespace
