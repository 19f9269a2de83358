// transaction: several changes to the files of one directory that happen all or not at all, also when the program is
// told to stop, or killed, in between.
#pragma once

#include <detent/detail/callback.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

DETENT_BEGIN_NAMESPACE

class work;

enum class transaction_result : std::uint8_t {
  finished,     // every step was taken
  rolled_back,  // a stop came first: nothing was changed
  failed,       // the OS refused something: nothing was changed; `transaction_answer::error` says what
  committed,    // the OS refused something after the point of no return: the rest is done, but nothing is removed yet;
                // `recover` finishes it
};

struct transaction_answer {
  transaction_result outcome{};
  std::error_code error;
  std::string what;  // the operation and the file that `error` is about
};

struct transaction_options {
  bool flushed = true;                             // survives a loss of power, not only a kill
  std::size_t piece_bytes = std::size_t{1} << 20;  // a write is given up within one piece when a stop comes
  // Called before each step on the disk with its name: for progress, and for tests that stop or kill there.
  detail::hook<void(const std::string& step)> on_step{};
};

struct recovery {
  std::size_t finished = 0;     // transactions past the point of no return, completed now
  std::size_t rolled_back = 0;  // others, whose traces were removed
  std::error_code error;        // the first thing the OS refused; what it is about is left for the next recovery
};

// First the new contents are written beside their targets, under names that begin with ".detent-"; then a journal says
// what is to become of them; its renaming is the point of no return; then the steps are taken. A program that was
// killed calls `recover` when it starts again: it finds old contents or new, never half, and no traces.
//
//   Verbs              block        threads                        errors
//   write, copy, …     never        one at once                    std::bad_alloc; std::invalid_argument for a name with
//                                                                  a slash
//   commit, recover    on the disk  one at once for each object;   the answer; std::bad_alloc
//                                   any number of objects
//
//   Names are those of files in the directory, which is on one file system. Other programs see each file change at once,
//   the files one after the other. Two transactions that change the same file are not ordered by this class; a recovery
//   leaves alone a file that has been replaced since, where the file system tells when a file was made.
//   Refused while nothing has changed (EISDIR, EBUSY, EPERM) is a directory in the place of a file, a file that something
//   is mounted on, one that is marked as unchangeable, and what the rights of others keep for good.
class DETENT_EXPORT transaction {
 public:
  explicit transaction(std::string directory, transaction_options options = {});
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  ~transaction();

  // The file `name` gets this content; it keeps its mode if it exists. A symbolic link is replaced by a file with the
  // mode of what it leads to.
  void write(std::string_view name, std::string content);
  // The file `name` gets content and mode of `source`, a path of any kind, as they are at the commit. A `source` that
  // is a name of this directory sees the steps before.
  void copy(std::string source, std::string_view name);
  void rename(std::string_view from, std::string_view to);
  // Of a symbolic link that is refused (ELOOP).
  void set_mode(std::string_view name, unsigned mode);
  void remove(std::string_view name);

  // Takes the steps in their order. Once for each object.
  transaction_answer commit();
  // The same in a task, which may be told to stop: between two pieces, and between two steps before the point of no
  // return.
  transaction_answer commit(const work& now);

  // Finishes or rolls back what killed programs left in `directory`, and nothing that a living one has begun.
  static recovery recover(const std::string& directory, const transaction_options& options);
  static recovery recover(const std::string& directory) { return recover(directory, {}); }

 private:
  enum class step_kind : std::uint8_t { write, copy, rename, set_mode, remove };
  struct step {
    step_kind kind{};
    std::string name;    // the target
    std::string source;  // of copy and rename; the content of write
    unsigned mode = 0;
  };
  friend class transaction_run;
  transaction_answer run(const work* now);
  void add(step_kind kind, std::string_view name, std::string source, unsigned mode);
  std::string directory_;
  transaction_options options_;
  std::vector<step> steps_;
};

DETENT_EXPORT const char* to_string(transaction_result) noexcept;

DETENT_END_NAMESPACE
