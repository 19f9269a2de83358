// journal: the files of a transaction's directory, what of them is refused for good, and the steps that a journal says
// are to be taken once the point of no return is passed: by who commits, or by a recovery.
//
// Whatever the OS refuses comes as std::system_error. Every step may be taken twice.
#pragma once

#include <detent/transaction.hpp>
#include <detent/version.hpp>

#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

DETENT_BEGIN_NAMESPACE
namespace detail {

inline constexpr std::string_view transaction_prefix = ".detent-";

class descriptor {
 public:
  explicit descriptor(int fd = -1) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor();
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void refuse(int error, const std::string& what);
// Refuses with errno when `result` is negative.
int checked(int result, const std::string& what);

descriptor open_directory(const std::string& path);
// False: the name is not there. A symbolic link is looked at itself.
bool look_at(int directory, const std::string& name, struct stat& found);
void unlink_if_there(int directory, const std::string& name);
// The names of this directory that begin with `transaction_prefix`.
std::vector<std::string> names_in(int directory);
// Removes what the transaction `id` staged, then the file that says that it exists.
void remove_traces(int directory, const std::string& id, const std::string& last);

// The file of this name, so that another one that comes in its place is recognised; null where there is none.
nlohmann::json identity_of(int directory, const std::string& name);
// Refuse what rename and unlink, or chmod, would refuse of this name at each further attempt, too.
void check_replaceable(int directory, const std::string& name);
void check_mode(int directory, const std::string& name);

enum class taken_by { commit, recovery };
// Takes the steps of a journal; those taken already are passed over. Where one is refused the others are taken all the
// same, but nothing is removed, and the first refusal is thrown. A recovery passes over names whose file is known to be
// another one by now: that is newer.
void take_steps(int directory, const nlohmann::json& journal, const transaction_options& options, taken_by who);

}  // namespace detail
DETENT_END_NAMESPACE
