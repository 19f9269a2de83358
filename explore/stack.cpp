#include "explore/stack.hpp"

// The registers that a function has to keep, by the x86-64 System V calling convention.
asm(R"(
.pushsection .text
.globl detent_explore_switch
.type detent_explore_switch, @function
detent_explore_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size detent_explore_switch, .-detent_explore_switch
.popsection
)");

namespace detent::explore {

suspended prepare_stack(unsigned char* bottom, std::size_t bytes, void (*body)()) noexcept {
  auto top = reinterpret_cast<std::uintptr_t>(bottom + bytes) & ~std::uintptr_t{15};
  auto* at = reinterpret_cast<std::uintptr_t*>(top);
  *--at = 0;  // Where a caller would be: nobody.
  *--at = reinterpret_cast<std::uintptr_t>(body);
  for (int saved = 0; saved < 6; ++saved) *--at = 0;
  return at;
}

}  // namespace detent::explore
