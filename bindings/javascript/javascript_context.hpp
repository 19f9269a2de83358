// javascript_context: the host of one JavaScript context. Only the engine's thread touches it, but for `post` and
// `is_own_thread`.
#pragma once

#include "javascript_engine.hpp"

#include <JavaScriptCore/JavaScript.h>
#include <bindings/engine/entered_scope.hpp>
#include <bindings/engine/script_modes.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace detent::javascript {

// A string of JavaScriptCore, owned.
class text {
 public:
  explicit text(const std::string& of);  // UTF-8; a byte that is none becomes the replacement character
  explicit text(JSStringRef owned) : value_(owned) {}
  text(const text&) = delete;
  text& operator=(const text&) = delete;
  ~text() {
    if (value_ != nullptr) JSStringRelease(value_);
  }
  JSStringRef get() const noexcept { return value_; }
  std::string utf8() const;

 private:
  JSStringRef value_;
};

// By which a script can close a scope. Ends on any thread, also behind the timers.
struct scope_owner {
  struct door {
    std::mutex lock;                  // above that of the timers
    script_timers* timers = nullptr;  // guarded by `lock`
  };
  explicit scope_owner(std::shared_ptr<door> to) : through(std::move(to)) {}
  scope_owner(const scope_owner&) = delete;
  scope_owner& operator=(const scope_owner&) = delete;
  ~scope_owner() {
    const std::lock_guard guard(through->lock);
    if (through->timers != nullptr) through->timers->detach_scope(scope, tie);
  }
  const std::shared_ptr<door> through;
  script_scope scope;
  script_tie tie = script_tie::nobody;
};

class javascript_context final : public scripting::script_engine, public script_host {
 public:
  javascript_context(script_loop& loop, scripting::engine_options made);
  ~javascript_context() override;

  script_outcome run(const std::string& text, const std::string& name) override;
  script_outcome check(const std::string& text, const std::string& name) override;
  script_timers& timers() noexcept override { return *timers_; }
  std::size_t collected_memory_bytes() override;

  void post(script_task work) override { queue_.post(std::move(work)); }
  bool is_own_thread() const noexcept override { return queue_.is_own_thread(); }
  script_outcome call(script_reference what, const script_occasion& occasion) override;
  void release(script_reference what) noexcept override;
  void report(std::int64_t id, const std::string& error) override { scripting::tell_error(options_, id, error); }

  // What is made from here on is in a new scope, until `exit_scope`, or the end of the call in progress if it is
  // interrupted.
  script_scope enter_scope() { return entered_.emplace_back(*timers_).scope(); }
  void exit_scope(script_scope scope, bool is_kept);  // requires: `scope` was entered by the call in progress

  script_reference hold(JSValueRef function);
  std::string string_of(JSValueRef value);
  JSValueRef type_error(const std::string& words);
  std::unique_ptr<scope_owner> own_scope(script_scope scope, script_tie tie);
  const scripting::engine_options& options() const noexcept { return options_; }
  scripting::script_modes* modes() noexcept { return modes_ ? &*modes_ : nullptr; }

 private:
  JSObjectRef run_prelude();
  template <class Call>
  script_outcome run_limited(const Call& call);
  bool interrupt(JSContextRef at) noexcept;
  script_outcome outcome_of(JSValueRef exception, std::size_t outer);
  void end_interruption();
  std::string description_of(JSValueRef error);
  void check_memory(script_outcome& outcome);
  std::size_t heap_bytes();

  scripting::engine_queue queue_;
  const scripting::engine_options options_;
  bool was_interrupted_ = false;
  std::string interrupted_at_;  // the stack, as JavaScriptCore words it
  JSContextGroupRef group_ = nullptr;
  JSGlobalContextRef context_ = nullptr;
  JSValueRef type_error_ = nullptr;  // the language's own
  JSObjectRef describe_ = nullptr;   // of the prelude: words an error
  std::unique_ptr<script_timers> timers_;
  const std::shared_ptr<scope_owner::door> door_ = std::make_shared<scope_owner::door>();
  std::optional<scripting::script_modes> modes_;
  std::deque<scripting::entered_scope> entered_;  // by the call in progress
};

// The object whose methods the prelude calls.
JSObjectRef make_natives(JSContextRef in, javascript_context& of);

// The text of prelude.js.
extern const char* const prelude;

}  // namespace detent::javascript
