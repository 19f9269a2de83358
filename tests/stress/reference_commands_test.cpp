// The reference model as rapidcheck's state machine: commands are drawn in the state the model is in, and a failing
// sequence is made smaller by leaving commands out and making their bytes smaller. RC_PARAMS repeats a failure.
#include "reference/comparison.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/state.h>

namespace {

using namespace reference;

// The service, and what was done with it so far.
struct service_under_test {
  explicit service_under_test(const script& begun) : played(begun), service(begun.start_ns) {
    service.on_call = &act_in_callback;
    service.context = &played.callbacks;
  }
  script played;
  real_world service;
};

using command_base = rc::state::Command<timer_model, service_under_test>;

std::optional<script> last_failing;

class command : public command_base {
 public:
  explicit command(const operation& o) : operation_(o) {}
  void checkPreconditions(const timer_model& before) const override { RC_PRE(is_allowed(before, operation_)); }
  void apply(timer_model& model) const override {
    model.trace.clear();
    perform(model, operation_);
  }
  void run(const timer_model& before, service_under_test& sut) const override {
    timer_model model = before;
    apply(model);
    sut.service.trace.clear();
    sut.played.operations.push_back(operation_);
    perform(sut.service, operation_);
    ++compared.operations;
    compared.events += model.trace.size();
    const std::string differs = difference(sut.service, model);
    if (!differs.empty()) last_failing = sut.played;
    RC_ASSERT(differs == "");
  }
  void show(std::ostream& to) const override { to << as_code(operation_); }

 private:
  operation operation_;
};

// Draws as the dice do, from rapidcheck's own bytes, so that smaller bytes are simpler operations.
rc::Gen<std::shared_ptr<const command_base>> any_command(const timer_model& model) {
  return rc::gen::map(rc::gen::container<std::vector<std::uint8_t>>(24, rc::gen::arbitrary<std::uint8_t>()),
                      [model](const std::vector<std::uint8_t>& bytes) -> std::shared_ptr<const command_base> {
                        byte_source from(bytes.data(), bytes.size());
                        return std::make_shared<const command>(draw(from, model));
                      });
}

TEST(ReferenceCommands, NoSequenceTellsServiceAndModelApart) {
  ::setenv("RC_PARAMS", "max_success=1000 max_size=200", 0);
  last_failing.reset();
  const bool holds = rc::check("the service does what the model says", [] {
    const auto start = *rc::gen::inRange<std::uint64_t>(0, start_count);
    script begun{start_of(start), *rc::gen::arbitrary<std::uint16_t>(), {}};
    service_under_test sut(begun);
    timer_model model(begun.start_ns);
    model.on_call = &act_in_callback;
    model.context = &sut.played.callbacks;
    ++compared.scripts;
    for (const operation& o : {operation{operation::verb::create, far_timer, 0},
                               operation{operation::verb::arm_at, far_timer, INT64_MAX - 100}}) {
      perform(model, o);
      perform(sut.service, o);
      sut.played.operations.push_back(o);
    }
    rc::state::check(model, sut, &any_command);
  });
  EXPECT_TRUE(holds);
  if (last_failing.has_value()) ADD_FAILURE() << as_test(shrink(*last_failing));
}

}  // namespace
