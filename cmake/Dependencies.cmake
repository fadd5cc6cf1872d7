# SPDX-License-Identifier: GPL-2.0-only
# Everything that is not ours, found once. A miss names the one command that repairs it.
function(baton_require what found)
  if(NOT found)
    message(FATAL_ERROR "${what} was not found. On Debian, `./baton --setup` installs all that Baton needs; "
                        "elsewhere it prints the list.")
  endif()
endfunction()

find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)
baton_require("pkg-config" "${PKG_CONFIG_FOUND}")

# libfdt: Debian has no .pc file for it. The static one is what the guests link, so prefer it here too.
find_path(FDT_INCLUDE_DIR libfdt.h)
find_library(FDT_LIBRARY NAMES libfdt.a fdt)
baton_require("libfdt's header" "${FDT_INCLUDE_DIR}")
baton_require("libfdt" "${FDT_LIBRARY}")
add_library(fdt::fdt UNKNOWN IMPORTED)
set_target_properties(fdt::fdt PROPERTIES
  IMPORTED_LOCATION ${FDT_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${FDT_INCLUDE_DIR})

set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 CONFIG QUIET COMPONENTS context)
baton_require("Boost 1.81 or newer with Boost.Context" "${Boost_FOUND}")

foreach(module IN ITEMS libxxhash libzstd nettle capstone)
  pkg_check_modules(${module} QUIET IMPORTED_TARGET ${module})
  baton_require("${module}" "${${module}_FOUND}")
endforeach()

foreach(package IN ITEMS fmt nlohmann_json CLI11 tomlplusplus Catch2)
  find_package(${package} CONFIG QUIET)
  baton_require("${package}" "${${package}_FOUND}")
endforeach()

# toml++ is slow to compile: link the packaged library, or compile it once where the package has headers only.
get_target_property(tomlplusplus_type tomlplusplus::tomlplusplus TYPE)
if(tomlplusplus_type STREQUAL "INTERFACE_LIBRARY")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/toml.cpp CONTENT "#define TOML_IMPLEMENTATION\n#include <toml++/toml.h>\n")
  add_library(baton_toml STATIC ${CMAKE_BINARY_DIR}/toml.cpp)
  target_compile_definitions(baton_toml PUBLIC TOML_HEADER_ONLY=0)
  target_link_libraries(baton_toml PUBLIC tomlplusplus::tomlplusplus)
  add_library(baton::toml ALIAS baton_toml)
else()
  add_library(baton::toml ALIAS tomlplusplus::tomlplusplus)
endif()

include(${CMAKE_CURRENT_LIST_DIR}/Unicorn.cmake)
