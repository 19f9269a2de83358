// Arguments, their limits, and what help says.
#include "command_line.hpp"

#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

request parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "detent");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), "detent 1.2.3");
}

exit_status status_of(const std::vector<const char*>& arguments) {
  const request parsed = parse(arguments);
  EXPECT_TRUE(std::holds_alternative<nothing_to_do>(parsed));
  return std::holds_alternative<nothing_to_do>(parsed) ? std::get<nothing_to_do>(parsed).status
                                                       : exit_status::violation;
}

TEST(command_line, replay_has_defaults) {
  const auto options = std::get<replay_options>(parse({"replay", "my.trace"}));
  EXPECT_EQ(options.file, "my.trace");
  EXPECT_EQ(options.speed, 1);
  EXPECT_EQ(options.repeat, 1U);
  EXPECT_EQ(options.timers_times, 1U);
  EXPECT_EQ(options.executor, replay_executor::driver);
  EXPECT_EQ(options.hz, std::nullopt);
  EXPECT_EQ(options.json_file, "");
  EXPECT_EQ(options.html_file, "");
}

TEST(command_line, replay_takes_its_options) {
  const auto options =
      std::get<replay_options>(parse({"replay", "-", "--speed", "0.5", "--repeat", "3", "--timers-times", "10", "--hz",
                                      "250", "--json", "a.json", "--html", "a.html"}));
  EXPECT_EQ(options.file, "-");
  EXPECT_EQ(options.speed, 0.5);
  EXPECT_EQ(options.repeat, 3U);
  EXPECT_EQ(options.timers_times, 10U);
  EXPECT_EQ(options.hz, 250U);
  EXPECT_EQ(options.json_file, "a.json");
  EXPECT_EQ(options.html_file, "a.html");
}

TEST(command_line, the_greatest_speed_has_a_name) {
  EXPECT_EQ(std::get<replay_options>(parse({"replay", "x", "--speed", "max"})).speed, 0);
  EXPECT_EQ(std::get<replay_options>(parse({"replay", "x", "--speed", "0"})).speed, 0);
  EXPECT_EQ(std::get<replay_options>(parse({"replay", "x", "--executor", "pool"})).executor, replay_executor::pool);
}

TEST(command_line, torture_takes_its_options) {
  const auto options = std::get<torture_options>(parse(
      {"torture", "--seconds", "0.25", "--threads", "8", "--operations", "6800", "--seed", "18446744073709551615"}));
  EXPECT_EQ(options.seconds, 0.25);
  EXPECT_EQ(options.threads, 8U);
  EXPECT_EQ(options.operations, 6800U);
  EXPECT_EQ(options.seed, UINT64_MAX);
}

TEST(command_line, slips_are_refused_with_status_2) {
  for (const std::vector<const char*>& arguments :
       std::vector<std::vector<const char*>>{{},
                                             {"replay"},
                                             {"bogus"},
                                             {"replay", "x", "--speed", "0.0001"},
                                             {"replay", "x", "--speed", "nan"},
                                             {"replay", "x", "--executor", "none"},
                                             {"replay", "x", "--hz", "0"},
                                             {"replay", "x", "--repeat", "-1"},
                                             {"replay", "x", "y"},
                                             {"torture", "--threads", "0"},
                                             {"torture", "--seconds", "soon"}}) {
    EXPECT_EQ(status_of(arguments), exit_status::cannot_begin) << testing::PrintToString(arguments);
  }
}

TEST(command_line, help_and_version_are_in_order) {
  EXPECT_EQ(status_of({"--help"}), exit_status::in_order);
  EXPECT_EQ(status_of({"replay", "--help"}), exit_status::in_order);
  EXPECT_EQ(status_of({"torture", "--help"}), exit_status::in_order);
  EXPECT_EQ(status_of({"--version"}), exit_status::in_order);
}

}  // namespace
}  // namespace detent::cli
