// listener: the socket that clients come in by. It may be inherited, and so handed over to a successor.
#pragma once

#include "connection.hpp"
#include "site.hpp"

#include <detent/detent.hpp>
#include <detent/worker_io.hpp>

#include <asio.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace timeout_server {

// The first descriptor of the LISTEN_FDS protocol, if it is meant for this process.
inline std::optional<int> inherited_socket() {
  constexpr int first = 3;
  const char* const pid = std::getenv("LISTEN_PID");
  const char* const count = std::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || std::atol(pid) != ::getpid() || std::atoi(count) < 1) return std::nullopt;
  return first;
}

class listener {
 public:
  listener(site& at, std::uint16_t port)
      : site_(at), acceptor_(at.io), again_(at.timers, [this] { accept(); }), inherited_(inherited_socket()) {
    if (inherited_) {
      acceptor_.assign(tcp::v4(), *inherited_);
    } else {
      const tcp::endpoint here(asio::ip::address_v4::loopback(), port);
      acceptor_.open(here.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(here);
      acceptor_.listen();
    }
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void accept() {
    acceptor_.async_accept([this](const asio::error_code& error, tcp::socket open) {
      if (!error) std::make_shared<connection>(site_, std::move(open))->begin();
      if (!acceptor_.is_open()) return;
      if (error) {
        again_.arm_after(std::chrono::milliseconds(20));  // Out of descriptors, say: some will come back.
        return;
      }
      accept();
    });
  }

  // No more clients. Those who have connected already are served, unless a successor has the socket and will do it.
  void drain() {
    again_.close();
    asio::error_code error;
    while (!inherited_) {
      acceptor_.non_blocking(true, error);
      tcp::socket open(site_.io.context());
      if (acceptor_.accept(open, error)) break;
      std::make_shared<connection>(site_, std::move(open))->begin();
    }
    static_cast<void>(acceptor_.close(error));
    site_.draining = true;
    std::vector<std::shared_ptr<connection>> all;
    for (const auto& [at, one] : site_.connections) all.push_back(one);
    for (const auto& one : all) one->drain();
    // An accept that had succeeded by now comes before this.
    asio::post(site_.io.context(), [this] {
      site_.last_has_come = true;
      site_.tell_when_drained();
    });
  }

 private:
  site& site_;
  detent::io_object<tcp::acceptor> acceptor_;
  detent::timer again_;
  const std::optional<int> inherited_;
};

}  // namespace timeout_server
