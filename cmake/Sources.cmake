# SPDX-License-Identifier: GPL-2.0-only
# Library of all *.cpp below folders of the calling CMakeLists.txt; an INTERFACE library while there are none, so that
# an empty layer configures. USAGE is set to the keyword its properties must use then (PUBLIC or INTERFACE).
#
#   baton_layer_library(baton_sim . USAGE usage)
#   target_link_libraries(baton_sim ${usage} baton_model)
function(baton_layer_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "USAGE" "")
  baton_sources(sources ${arg_UNPARSED_ARGUMENTS})
  if(sources)
    add_library(${name} STATIC ${sources})
    set(${arg_USAGE} PUBLIC PARENT_SCOPE)
  else()
    add_library(${name} INTERFACE)
    set(${arg_USAGE} INTERFACE PARENT_SCOPE)
  endif()
endfunction()

# All *.cpp below the given folders, looked up again by every build.
function(baton_sources result)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE patterns)
  list(TRANSFORM patterns APPEND /*.cpp)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS ${patterns})
  set(${result} ${found} PARENT_SCOPE)
endfunction()
