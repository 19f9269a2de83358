find_path(DETENT_ASIO_INCLUDE_DIR asio.hpp)
if(NOT DETENT_ASIO_INCLUDE_DIR)
  set(missing libasio-dev)
endif()
