#include "journal.hpp"

#include <cerrno>
#include <cstdint>
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <optional>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

DETENT_BEGIN_NAMESPACE
namespace detail {

namespace {

using nlohmann::json;

// What statx tells of this name; without a word where the system has none.
struct statx more_about(int directory, const std::string& name) {
  struct statx found {};
  if (::statx(directory, name.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME, &found) != 0) return {};
  return found;
}

// When the file of this name was made, where its file system tells: the number of an inode may be given again.
std::optional<std::int64_t> born_ns(int directory, const std::string& name) {
  const struct statx found = more_about(directory, name);
  if ((found.stx_mask & STATX_BTIME) == 0) return std::nullopt;
  return found.stx_btime.tv_sec * 1'000'000'000 + found.stx_btime.tv_nsec;
}

// Whether the file of this name is known to be another one than the `noted`. Where the file system tells no time of
// birth, numbers of inodes may be of the moment only: nothing is known then.
bool is_another(int directory, const std::string& name, const json& noted) {
  struct stat found {};
  if (!look_at(directory, name, found)) return false;
  if (noted.is_null()) return true;
  const auto born = born_ns(directory, name);
  if (!born || !noted.contains("born_ns")) return false;
  return found.st_ino != noted.at("inode").get<ino_t>() || *born != noted.at("born_ns").get<std::int64_t>();
}

// May this thread change files of other users?
bool is_privileged() noexcept {
  __user_cap_header_struct asked{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3]{};
  return ::syscall(SYS_capget, &asked, held) != 0 || (held[0].effective & (1u << CAP_FOWNER)) != 0;
}
bool is_foreign(const struct stat& found) noexcept { return found.st_uid != ::geteuid() && !is_privileged(); }

constexpr std::uint64_t unchangeable = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;

// Not through a link: one that came meanwhile is not ours to change, nor is what it leads to.
void set_mode_of(int directory, const std::string& file, unsigned mode, const std::string& name) {
  if (::fchmodat(directory, file.c_str(), mode, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT) return;
  int error = errno;
  if (error == EOPNOTSUPP) {  // A link, or a system without /proc.
    struct stat found {};
    if (!look_at(directory, file, found) || S_ISLNK(found.st_mode)) return;
    if (::fchmodat(directory, file.c_str(), mode, 0) == 0 || errno == ENOENT) return;
    error = errno;
  }
  refuse(error, "chmod " + name);
}

void place(int directory, const json& entry, taken_by who) {
  const std::string temp = entry.at("temp");
  const std::string name = entry.at("name");
  if (who == taken_by::commit || !entry.contains("over") || !is_another(directory, name, entry.at("over"))) {
    if (entry.contains("mode")) set_mode_of(directory, temp, entry.at("mode").get<mode_t>(), name);
    if (::renameat(directory, temp.c_str(), directory, name.c_str()) != 0 && errno != ENOENT) {
      refuse(errno, "rename to " + name);
    }
  }
  unlink_if_there(directory, temp);  // It stays when both are names of one file.
}

void change_mode(int directory, const json& entry, taken_by who) {
  const std::string name = entry.at("name");
  if (who == taken_by::recovery && entry.contains("of") && is_another(directory, name, entry.at("of"))) return;
  set_mode_of(directory, name, entry.at("mode").get<mode_t>(), name);
}

void remove(int directory, const json& entry) {
  const std::string name = entry.at("name");
  struct stat found {};
  // Another file of this name that came meanwhile is not ours to remove.
  if (!look_at(directory, name, found) || found.st_ino != entry.at("inode").get<ino_t>()) return;
  if (entry.contains("born_ns") && born_ns(directory, name) != entry.at("born_ns").get<std::int64_t>()) return;
  unlink_if_there(directory, name);
}

}  // namespace

descriptor::~descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void refuse(int error, const std::string& what) { throw std::system_error(error, std::generic_category(), what); }

int checked(int result, const std::string& what) {
  if (result < 0) refuse(errno, what);
  return result;
}

descriptor open_directory(const std::string& path) {
  return descriptor(checked(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open " + path));
}

bool look_at(int directory, const std::string& name, struct stat& found) {
  if (::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno != ENOENT) refuse(errno, "stat " + name);
  return false;
}

void unlink_if_there(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) refuse(errno, "unlink " + name);
}

std::vector<std::string> names_in(int directory) {
  const int copy = checked(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open .");
  DIR* const stream = ::fdopendir(copy);
  if (stream == nullptr) {
    ::close(copy);
    refuse(ENOMEM, "fdopendir");
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream)) {
    if (std::string_view(entry->d_name).starts_with(transaction_prefix)) names.emplace_back(entry->d_name);
  }
  ::closedir(stream);
  return names;
}

void remove_traces(int directory, const std::string& id, const std::string& last) {
  const std::string staged = std::string(transaction_prefix) + id + "-";
  for (const std::string& name : names_in(directory)) {
    if (name.compare(0, staged.size(), staged) == 0) unlink_if_there(directory, name);
  }
  unlink_if_there(directory, last);
}

json identity_of(int directory, const std::string& name) {
  struct stat found {};
  if (!look_at(directory, name, found)) return nullptr;
  json all = {{"inode", found.st_ino}};
  if (const auto born = born_ns(directory, name)) all["born_ns"] = *born;
  return all;
}

void check_replaceable(int directory, const std::string& name) {
  struct stat found {};
  struct stat folder {};
  if (!look_at(directory, name, found)) return;
  checked(::fstat(directory, &folder), "stat the directory");
  if (S_ISDIR(found.st_mode)) refuse(EISDIR, name);
  const std::uint64_t attributes = more_about(directory, name).stx_attributes;
  if (found.st_dev != folder.st_dev || (attributes & STATX_ATTR_MOUNT_ROOT) != 0) refuse(EBUSY, name);
  if ((attributes & unchangeable) != 0) refuse(EPERM, name);
  const bool is_sticky = (folder.st_mode & S_ISVTX) != 0 && folder.st_uid != ::geteuid();
  if (is_sticky && is_foreign(found)) refuse(EPERM, name);
}

void check_mode(int directory, const std::string& name) {
  struct stat found {};
  if (!look_at(directory, name, found)) return;
  if (S_ISLNK(found.st_mode)) refuse(ELOOP, "chmod " + name);
  const bool is_unchangeable = (more_about(directory, name).stx_attributes & unchangeable) != 0;
  if (is_unchangeable || is_foreign(found)) refuse(EPERM, "chmod " + name);
}

void take_steps(int directory, const json& journal, const transaction_options& options, taken_by who) {
  std::optional<std::system_error> refused;
  const auto take_all = [&](const char* kind, const auto& take) {
    for (const json& entry : journal.at(kind)) {
      if (options.on_step) options.on_step(std::string(kind) + " " + entry.at("name").get<std::string>());
      try {
        take(entry);
      } catch (const std::system_error& error) {
        if (!refused) refused = error;
      }
    }
  };
  take_all("place", [&](const json& entry) { place(directory, entry, who); });
  take_all("mode", [&](const json& entry) { change_mode(directory, entry, who); });
  if (!refused) take_all("remove", [&](const json& entry) { remove(directory, entry); });
  if (options.flushed) checked(::fsync(directory), "fsync the directory");
  if (refused) throw *refused;
}

}  // namespace detail
DETENT_END_NAMESPACE
