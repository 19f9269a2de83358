#include "round_process.hpp"

#include "peer/clock.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

extern char** environ;  // NOLINT: the name is the system's

namespace detent::bench {
namespace {

struct pipe_ends {
  int read = -1;
  int write = -1;

  pipe_ends() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
    read = ends[0];
    write = ends[1];
  }
  ~pipe_ends() {
    close(read);
    close_write();
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  void close_write() {
    if (write >= 0) close(write);
    write = -1;
  }
};

std::vector<std::string> arguments_of(const std::string& program, const round& r) {
  std::vector<std::string> all{program,
                               r.peer,
                               r.workload,
                               "n=" + std::to_string(r.n),
                               "threads=" + std::to_string(r.threads),
                               "seconds=" + std::to_string(r.seconds),
                               "seed=" + std::to_string(r.seed)};
  if (!r.file.empty()) all.push_back("file=" + r.file);
  return all;
}

pid_t start(const std::string& program, const round& r, const pipe_ends& out, const pipe_ends& err) {
  std::vector<std::string> words = arguments_of(program, r);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  pid_t child = 0;
  const int refused = posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (refused != 0) throw std::runtime_error("cannot start " + program + ": " + std::strerror(refused));
  return child;
}

/// True until the other end is closed.
bool read_some(int from, std::string& into) {
  std::array<char, 1 << 16> part{};
  const ssize_t got = read(from, part.data(), part.size());
  if (got < 0) return errno == EINTR;
  into.append(part.data(), static_cast<std::size_t>(got));
  return got > 0;
}

/// False when the time is over first.
bool read_both(pipe_ends& out, pipe_ends& err, std::string& out_text, std::string& err_text, std::int64_t end_ns) {
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    const std::int64_t left_ns = end_ns - now_ns();
    if (left_ns <= 0) return false;
    std::array<pollfd, 2> ready{{{out_open ? out.read : -1, POLLIN, 0}, {err_open ? err.read : -1, POLLIN, 0}}};
    poll(ready.data(), ready.size(), static_cast<int>(left_ns / ns_per_ms) + 1);
    if (ready[0].revents != 0) out_open = read_some(out.read, out_text);
    if (ready[1].revents != 0) err_open = read_some(err.read, err_text);
  }
  return true;
}

std::string last_line(const std::string& text) {
  std::istringstream in(text);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

std::string failure_of(int status, const std::string& err_text) {
  std::string words;
  if (WIFSIGNALED(status)) words = std::string("it ended by signal: ") + strsignal(WTERMSIG(status));
  else if (WEXITSTATUS(status) != 0) words = "it failed (" + std::to_string(WEXITSTATUS(status)) + ")";
  const std::string said = last_line(err_text);
  if (!words.empty() && !said.empty()) words += ": " + said;
  return words;
}

/// A metric's name may have blanks; the unit and what follows have none. "p50 of all ns 12.5" -> name, unit, value.
void parse_value(const std::string& line, round_answer& answer) {
  const std::size_t before_value = line.rfind(' ');
  const std::size_t before_unit = before_value == std::string::npos ? before_value : line.rfind(' ', before_value - 1);
  if (before_unit == std::string::npos) throw std::runtime_error("a round answered '" + line + "'");
  const std::string unit = line.substr(before_unit + 1, before_value - before_unit - 1);
  std::size_t read = 0;
  const std::string number = line.substr(before_value + 1);
  double value = 0;
  try {
    value = std::stod(number, &read);
  } catch (const std::exception&) {
    read = 0;
  }
  if (read == 0 || read != number.size()) throw std::runtime_error("a round answered '" + line + "'");
  answer.values[line.substr(0, before_unit)] = {unit, value};
}

/// "samples METRIC UNIT: v v v"
void parse_samples(const std::string& line, round_answer& answer) {
  const std::size_t colon = line.find(": ");
  const std::string head = line.substr(0, colon);
  const std::size_t before_unit = head.rfind(' ');
  const std::size_t name = std::strlen("samples ");
  if (colon == std::string::npos || before_unit < name) throw std::runtime_error("a round answered '" + head + "'");
  metric_samples samples{head.substr(before_unit + 1), {}};
  std::istringstream values(line.substr(colon + 2));
  for (std::int64_t value = 0; values >> value;) samples.values.push_back(value);
  answer.samples[head.substr(name, before_unit - name)] = std::move(samples);
}

}  // namespace

round_answer parse_answer(const std::string& text) {
  round_answer answer;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (line.starts_with("version ")) answer.version = line.substr(8);
    else if (line.starts_with("sharing ")) answer.is_thread_safe = line == "sharing any_thread";
    else if (line.starts_with("cannot ")) answer.failure = line.substr(7);
    else if (line.starts_with("samples ")) parse_samples(line, answer);
    else parse_value(line, answer);
  }
  return answer;
}

round_answer run_round_process(const std::string& program, const round& r, double limit_seconds) {
  pipe_ends out;
  pipe_ends err;
  const std::int64_t begin_ns = now_ns();
  const pid_t child = start(program, r, out, err);
  out.close_write();
  err.close_write();
  std::string out_text;
  std::string err_text;
  const auto limit_ns = static_cast<std::int64_t>(limit_seconds * 1e9);
  const bool in_time = read_both(out, err, out_text, err_text, begin_ns + limit_ns);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  round_answer answer;
  if (!in_time) {
    answer.failure = "a round took longer than " + std::to_string(static_cast<int>(limit_seconds)) + " s";
    return answer;
  }
  answer = parse_answer(out_text);
  if (answer.failure.empty()) answer.failure = failure_of(status, err_text);
  if (answer.failure.empty() && answer.values.empty() && answer.samples.empty()) answer.failure = "it answered nothing";
  answer.wall_seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  return answer;
}

}  // namespace detent::bench
