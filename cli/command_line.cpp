#include "command_line.hpp"

#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>
#include <string_view>

#include <CLI/CLI.hpp>

namespace detent::cli {
namespace {

constexpr auto replay_description = "Replay a recorded kernel timer trace against a live timer service";

constexpr auto replay_footer =
    "Reads what the Linux kernel's own timers did on some machine (the text of ftrace or of\n"
    "`trace-cmd report`, plain or .zst), rebuilds each timer's life, and does the same to timers\n"
    "of this library: one thread for each recorded CPU, events of one timer in recorded order.\n"
    "At the end it tells how every arming ended, and how late the firings were beside a bare\n"
    "sleep on this machine in the same seconds.\n\n"
    "Examples:\n"
    "  detent replay data/nginx-wrk.ftrace.zst                 at recorded pace\n"
    "  detent replay my.trace --html report.html               and make a page with plots\n"
    "  detent replay my.trace --speed 4 --timers-times 10      ten times the timers, four times as fast\n"
    "  trace-cmd report | detent replay - --json report.json   from a pipe, for another program\n\n"
    "Exit status: 0 all in order; 1 an arming was lost, fired early, or does not add up;\n"
    "2 the file or the arguments cannot be used. How such a trace is recorded: data/README.md.";

constexpr auto torture_description = "Try to break the library for a while";

constexpr auto torture_footer =
    "Threads create, arm, re-arm, cancel, close and destroy timers, from outside and from\n"
    "callbacks, as fast as they can. Every arming carries a key, a generation and a hash, and\n"
    "every answer is kept: at the end all armings must be accounted for, none early, none stale,\n"
    "none twice.\n\n"
    "Examples:\n"
    "  detent torture --seconds 3600              an hour, for a doubter\n"
    "  detent torture --threads 8 --seed 42       the same choices as another run with seed 42\n\n"
    "Exit status: 0 no violation; 1 a violation, printed with the seed; 2 bad arguments.";

constexpr auto run_description = "Run scripts with timers until none of theirs is left";

constexpr auto run_footer =
    "Each script has an engine, a heap and a thread of its own; modes are shared. What follows the\n"
    "scripts' names is given to them (`arg` in Lua, `scriptArguments` in JavaScript); behind -- it\n"
    "may begin with a dash, or end like a script's name. The program ends when no timer is left that\n"
    "keeps it (`timer.unref` makes one that does not), or in order by Ctrl-C or SIGTERM, at once by a\n"
    "second one.\n\n"
    "Examples:\n"
    "  detent run examples/scripts/heartbeat.lua\n"
    "  detent run --clock manual --timestamps examples/scripts/work_and_break.lua    two hours in no time\n"
    "  detent run --callback-limit 100 --memory-limit 50 a.lua b.js                  scripts of others\n"
    "  detent run --list a.lua & sleep 1; kill -USR1 $!                              what it waits for\n"
    "  detent run --reload a.lua & sleep 60; kill -HUP $!                            after a.lua has changed\n\n"
    "A script in one line:\n"
    "  echo 'timer.setInterval(function() print(timer.now()) end, 1000)' >tick.lua; detent run tick.lua\n\n"
    "Exit status: 0 in order; 1 a script had an uncaught error, or what it printed could not be\n"
    "written; 2 a script cannot be read, or there is no engine for it. docs/scripts.md has\n"
    "everything that scripts can call.";

/// Unlike CLI::Range this refuses "nan", and keeps its limits out of the help text: all they do is to catch slips.
template <class Number>
CLI::Validator between(Number low, Number high) {
  const auto complaint = [low, high](const std::string& text) {
    Number value{};
    if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return std::string{};
    std::ostringstream words;
    words << "'" << text << "' is not a number between " << low << " and " << high;
    return words.str();
  };
  return {complaint, ""};
}

/// The names of a choice. Unlike CLI::CheckedTransformer this names what was expected as the user would write it.
template <class Choice>
CLI::Validator one_of(std::map<std::string, Choice> choices) {
  const auto complaint = [choices = std::move(choices)](std::string& text) {
    if (const auto found = choices.find(text); found != choices.end()) {
      text = std::to_string(static_cast<int>(found->second));
      return std::string{};
    }
    std::string words = "'" + text + "' is none of";
    for (const auto& [name, choice] : choices) words += " " + name;
    return words;
  };
  return {complaint, ""};
}

/// A factor, or "max", which the program keeps as 0.
CLI::Validator a_speed() {
  const auto complaint = [](std::string& text) {
    constexpr double slowest = 0.001;
    constexpr double fastest = 1e6;
    if (text == "max") text = "0";
    double value{};
    if (CLI::detail::lexical_cast(text, value) && (value == 0 || (value >= slowest && value <= fastest)))
      return std::string{};
    return "'" + text + "' is neither a number between 0.001 and 1000000 nor max";
  };
  return {complaint, ""};
}

void add_replay(CLI::App& app, replay_options& options) {
  const std::map<std::string, replay_executor> executors{{"driver", replay_executor::driver},
                                                         {"pool", replay_executor::pool}};
  CLI::App* const replay = app.add_subcommand("replay", replay_description);
  replay->footer(replay_footer);
  replay->add_option("FILE", options.file, "The recorded trace; - is the standard input")->required()->type_name("");
  replay
      ->add_option("--speed", options.speed,
                   "Times faster than recorded, delays too; max: without pauses, delays as recorded")
      ->type_name("F")
      ->transform(a_speed())
      ->capture_default_str();
  replay->add_option("--repeat", options.repeat, "How often the recording is replayed, one time after the other")
      ->type_name("N")
      ->check(between(1U, 1'000'000U))
      ->capture_default_str();
  replay->add_option("--timers-times", options.timers_times, "Timers that live each recorded timer's life at once")
      ->type_name("K")
      ->check(between(1U, 100'000U))
      ->capture_default_str();
  replay->add_option("--executor", options.executor, "Where callbacks run: on the driver thread, or on a pool of two")
      ->type_name("driver|pool")
      ->transform(one_of(executors))
      ->default_str("driver");
  replay
      ->add_option("--hz", options.hz,
                   "The recording kernel's jiffies per second (derived from the trace if not given)")
      ->type_name("N")
      ->check(between(1U, 100'000U));
  replay->add_option("--json", options.json_file, "Write the report as JSON")->type_name("FILE");
  replay->add_option("--html", options.html_file, "Write the report as one self-contained page with plots")
      ->type_name("FILE");
}

void add_torture(CLI::App& app, torture_options& options) {
  CLI::App* const torture = app.add_subcommand("torture", torture_description);
  torture->footer(torture_footer);
  torture->add_option("--seconds", options.seconds, "How long")
      ->type_name("S")
      ->check(between(0.001, 1e7))
      ->capture_default_str();
  torture->add_option("--threads", options.threads, "Threads that use the timers (two for each CPU if not given)")
      ->type_name("N")
      ->check(between(1U, 1024U));
  torture
      ->add_option("--operations", options.operations,
                   "Operations of a thread in one round, at most; the longer a "
                   "round, the less time goes into making services")
      ->type_name("N")
      ->check(between(8U, 1'000'000U))
      ->capture_default_str();
  torture->add_option("--seed", options.seed, "Seed of all random choices (a new one if not given; it is printed)")
      ->type_name("X");
  const std::map<std::string, storm_executor> executors{
      {"driver", storm_executor::driver}, {"pool", storm_executor::pool}, {"mixed", storm_executor::mixed}};
  torture->add_option("--executor", options.executor, "Where callbacks run: driver, pool, or mixed (all kinds in turn)")
      ->transform(one_of(executors))
      ->type_name("E");
}

// What stands behind a word `--` is the scripts' own, also when it begins with a dash.
void add_run(CLI::App& app, run_options& options) {
  CLI::App* const run = app.add_subcommand("run", run_description);
  run->footer(run_footer);
  run->add_option("FILE", options.files_and_arguments, "Scripts (.lua, .js), then their arguments")
      ->required(options.more_arguments.empty())
      ->type_name("");
  run->add_option("--clock", options.has_virtual_time, "manual: time passes only from one timer to the next")
      ->type_name("real|manual")
      ->transform(one_of(std::map<std::string, bool>{{"real", false}, {"manual", true}}))
      ->default_str("real");
  run->add_option("--rules", options.has_web_rules, "Whose rules setTimeout and the others follow")
      ->type_name("web|havel")
      ->transform(one_of(std::map<std::string, bool>{{"web", true}, {"havel", false}}))
      ->default_str("web");
  run->add_flag("--list", options.lists, "List live timers on SIGUSR1 and at the end")->disable_flag_override();
  run->add_flag("--reload", options.reloads, "On SIGHUP, read each script again and run it in a fresh engine")
      ->disable_flag_override();
  run->add_flag("--timestamps", options.has_timestamps, "Before each line printed, the milliseconds since the start")
      ->disable_flag_override();
  run->add_option("--callback-limit", options.call_limit_ms, "Milliseconds after which a call is ended with an error")
      ->type_name("MS")
      ->check(between(1.0, 1e9));
  run->add_option("--memory-limit", options.memory_limit_mb,
                  "Megabytes of each script: Lua exactly, JavaScript after each call")
      ->type_name("MB")
      ->check(between(0.1, 1e6));
  run->add_option("--timer-limit", options.live_limit, "Live timers of each script")
      ->type_name("N")
      ->check(between(std::size_t{1}, std::size_t{1'000'000'000}))
      ->capture_default_str();
}

}  // namespace

request parse_command_line(int argument_count, const char* const* arguments, const std::string& version) {
  CLI::App app{"Timers that can be destroyed from any thread: the library's own workloads."};
  app.name("detent");
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  app.get_formatter()->column_width(26);
  app.footer("`detent COMMAND --help` explains a command, with examples.");
  replay_options replay;
  torture_options torture;
  add_replay(app, replay);
  add_torture(app, torture);
  run_options run;
  const char* const* const end = arguments + argument_count;
  const bool is_run = argument_count > 1 && std::string_view(arguments[1]) == "run";
  const char* const* const mark = is_run ? std::find(arguments, end, std::string_view("--")) : end;
  if (mark != end) run.more_arguments.assign(mark + 1, end);
  add_run(app, run);
  if (argument_count < 2) {
    std::cerr << app.help();
    return nothing_to_do{exit_status::cannot_begin};
  }
  try {
    app.parse(static_cast<int>(mark - arguments), arguments);
  } catch (const CLI::ParseError& reason) {
    const bool asked_for = app.exit(reason) == 0;  // help and version come as exceptions as well
    if (is_run && reason.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
      std::cerr << "What is for the scripts and begins with a dash stands behind --, as in: a.lua -- --verbose\n";
    }
    return nothing_to_do{asked_for ? exit_status::in_order : exit_status::cannot_begin};
  }
  if (app.got_subcommand("replay")) return replay;
  if (app.got_subcommand("run")) {
    if (run.files_and_arguments.empty()) run.files_and_arguments.swap(run.more_arguments);
    return run;
  }
  return torture;
}

}  // namespace detent::cli
