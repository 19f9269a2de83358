// The page of --html, in a real browser: what is drawn, that nothing complains, and that names from a trace stay text.
#include "page_report.hpp"

#include "page_parts.hpp"
#include "sample_report.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

std::string read_all(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

class page_in_a_browser : public testing::Test {
 protected:
  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("detent_page_report_test." + std::to_string(getpid()));

  page_in_a_browser() { std::filesystem::create_directories(folder_); }
  ~page_in_a_browser() override {
    // The browser's last children may still write into their profile; what is left is in the temporary folder.
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void SetUp() override {
    ASSERT_EQ(std::system("command -v chromium >/dev/null"), 0) << "chromium is missing; ./dev test installs it";
    ASSERT_EQ(why_no_page(), "") << "the page's plotting library is missing; ./dev test fetches it";
  }

  struct visit {
    std::string document;  ///< after the scripts have run
    std::string complaints;
    std::uintmax_t picture_bytes = 0;
  };

  visit open(const replay_report& report, const std::string& options = "") {
    std::ofstream(folder_ / "page.html", std::ios::binary) << page_report(report);
    const auto run = [&](const std::string& what, const std::string& output) {
      const std::string command =
          "cd '" + folder_.string() +
          "' && timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
          "--disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage "
          "--user-data-dir=\"$PWD/profile\" --enable-logging=stderr --window-size=1280,2000 "
          "--virtual-time-budget=5000 " +
          options + " " + what + " \"file://$PWD/page.html\" >" + output + " 2>>log";
      EXPECT_EQ(std::system(command.c_str()), 0) << read_all(folder_ / "log");
    };
    run("--dump-dom", "document");
    run("--screenshot=\"$PWD/picture.png\"", "/dev/null");
    visit seen;
    seen.document = read_all(folder_ / "document");
    std::istringstream log(read_all(folder_ / "log"));
    for (std::string line; std::getline(log, line);) {
      if (line.find("CONSOLE") != std::string::npos) seen.complaints += line + "\n";
    }
    std::error_code missing;
    seen.picture_bytes = std::filesystem::file_size(folder_ / "picture.png", missing);
    return seen;
  }
};

TEST_F(page_in_a_browser, draws_every_plot_and_complains_of_nothing) {
  const visit seen = open(sample_report());
  EXPECT_EQ(seen.complaints, "");
  // Lateness, population and life-times are one canvas each, the operations one for each of four kinds.
  EXPECT_EQ(count_of(seen.document, "<canvas"), 7U);
  EXPECT_EQ(count_of(seen.document, "class=\"tile\""), 7U);
  EXPECT_NE(seen.document.find("414,462 armings, every one accounted for. None early, none lost."), std::string::npos);
  EXPECT_NE(seen.document.find("adds up"), std::string::npos);
  EXPECT_GT(seen.picture_bytes, 50'000U) << "an empty page makes a small picture";
}

TEST_F(page_in_a_browser, draws_in_the_dark_and_on_a_phone) {
  const visit seen = open(sample_report(), "--blink-settings=preferredColorScheme=0 --window-size=500,3000");
  EXPECT_EQ(seen.complaints, "");
  EXPECT_EQ(count_of(seen.document, "<canvas"), 7U);
}

TEST_F(page_in_a_browser, says_loudly_what_is_wrong) {
  replay_report report = sample_report();
  report.account.early = 3;
  ++report.account.armings;
  const visit seen = open(report);
  EXPECT_EQ(seen.complaints, "");
  EXPECT_NE(seen.document.find("the ends do not add up, 3 fired early"), std::string::npos);
}

TEST_F(page_in_a_browser, shows_a_replay_in_which_nothing_happened) {
  replay_report report;
  report.recording.file = "empty.trace";
  report.activity.span_ns = 1'000'000;
  const visit seen = open(report);
  EXPECT_EQ(seen.complaints, "");
  EXPECT_NE(seen.document.find("Nothing fired"), std::string::npos);
}

TEST_F(page_in_a_browser, names_from_the_trace_stay_text) {
  replay_report report = sample_report();
  report.lifetimes.front().function = "</script><script>console.error('out')</script><!--";
  report.recording.file = "{{plot_js}}<img src=x onerror=console.error(1)>\xff";
  const visit seen = open(report);
  EXPECT_EQ(seen.complaints, "");
  EXPECT_EQ(count_of(seen.document, "<img"), 0U);
  EXPECT_EQ(count_of(seen.document, "<canvas"), 7U);
}

TEST(page_report, loads_nothing) {
  const std::string page = page_report(sample_report());
  for (const std::string_view loader : {"<link", "src=", "@import", "fetch(", "url("}) {
    EXPECT_EQ(count_of(page_html, loader) + count_of(page_css, loader) + count_of(page_js, loader), 0U) << loader;
  }
  EXPECT_EQ(page.find("{{plot_js}}"), std::string::npos);
}

}  // namespace
}  // namespace detent::cli
