# SPDX-License-Identifier: GPL-2.0-only
# Target unicorn::unicorn: a system package of at least 2.1 (2.0.1, Debian 12's own, discards x86-64 translations),
# else the wheel that tools/setup.sh unpacked into .deps/. The wheel's static library is preferred: the binary then runs
# from anywhere; its shared one is the fallback, with an RPATH that CMake adds by itself.
pkg_check_modules(unicorn QUIET IMPORTED_TARGET unicorn>=2.1)
if(unicorn_FOUND)
  add_library(unicorn::unicorn ALIAS PkgConfig::unicorn)
  return()
endif()

set(root ${PROJECT_SOURCE_DIR}/.deps/unicorn-2.1.4/unicorn)
find_library(UNICORN_LIBRARY NAMES libunicorn.a libunicorn.so.2 PATHS ${root}/lib NO_DEFAULT_PATH)
baton_require("Unicorn 2.1 or newer" "${UNICORN_LIBRARY}")
add_library(unicorn::unicorn UNKNOWN IMPORTED)
set_target_properties(unicorn::unicorn PROPERTIES
  IMPORTED_LOCATION ${UNICORN_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${root}/include
  INTERFACE_LINK_LIBRARIES "Threads::Threads;m")
